/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the shape engine share. Private to codec. */
#pragma once

#include <errno.h>
#include <string.h>

#include "codec/json.h"
#include "codec/shape.h"

#define SHAPE_DEPTH_DEFAULT 64

/* Where we are inside an object, for messages: a chain on the C stack. */
struct shape_path {
        const struct shape_path *up;
        const char *name; /* of the member, or the key in a map; NULL: only an index */
        size_t name_len;
        int64_t index; /* -1: none */
};

/* Fills `error` with "path: message". */
void shape_report(const struct shape_path *path, struct error *error, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The same, and is -EINVAL: a macro so that the compiler and the analyzers see that it is negative. */
#define shape_fail(...) (shape_report(__VA_ARGS__), -EINVAL)

#define SHAPE_BAD_FORM "SerializationException"
#define SHAPE_BAD_VALUE "InvalidParameterException"

/* The member of a name; NULL when the shape has none. */
const struct shape_field *shape_find(const struct shape *shape, const char *name, size_t len);
/* The same; looks at number `guess` first. Members mostly come in the order of the IDL, from us always. */
const struct shape_field *shape_find_from(const struct shape *shape, uint32_t guess, const char *name, size_t len);
/* "A, B, C" for messages; cut when it does not fit. */
void shape_enum_words(const struct shape_enum *e, char *ret, size_t size);
int shape_enum_find(const struct shape_enum *e, const char *name, size_t len);
/* ISO 8601 date and time, with fraction and zone; -EINVAL. */
int shape_time_parse(const char *s, size_t len, int64_t *ret_ms) MUST_CHECK;
/* Times from the year 1 to the year 9999. */
bool shape_time_valid(int64_t ms);

/* What the items pointer of an empty list that was sent points at. */
extern const uint64_t shape_no_items[2];

static inline const void *shape_at(const void *obj, const struct shape_field *field)
{
        return (const char *)obj + field->offset;
}
static inline void *shape_slot(void *obj, const struct shape_field *field)
{
        return (char *)obj + field->offset;
}
static inline bool shape_has_bit(const void *obj, const struct shape_field *field)
{
        return (*(const uint64_t *)obj >> field->has_bit & 1) != 0;
}
static inline void shape_set_bit(void *obj, const struct shape_field *field)
{
        *(uint64_t *)obj |= UINT64_C(1) << field->has_bit;
}
/* Bytes of one item of a list with elements of that kind. */
static inline size_t shape_item_size(const struct shape_field *field)
{
        return field->element == SHAPE_STRUCT ? field->shape->size : sizeof(int64_t); /* an int64_t or a pointer */
}
/* Whether the member is there. What has no bit begins with a pointer, or is a timestamp: eight bytes that are not all zero; only enums
 * are shorter. */
static inline bool shape_present(const void *obj, const struct shape_field *field)
{
        if (field->has_bit >= 0)
                return shape_has_bit(obj, field);
        return field->kind == SHAPE_ENUM ? *(const int *)shape_at(obj, field) != 0 : *(const uint64_t *)shape_at(obj, field) != 0;
}
