/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the JSON reader share: shape_read.c (structures, lists, maps) and shape_value.c (all else). Private to codec. */
#pragma once

#include "codec/shape_internal.h"

struct shape_reader {
        struct json json;
        struct arena *arena;
        struct error *error;
        uint32_t depth; /* levels that may still open */
        size_t left;    /* bytes that may still be taken from the arena */
        const struct shape_path *path;
};

/* All of these return 0 or -EINVAL with the error set. */

/* The text is no JSON: says what json.problem says, and where. */
static inline int reader_fail_json(struct shape_reader *r)
{
        return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "%s (byte %zu of the JSON text)", r->json.problem,
                          (size_t)(r->json.p - r->json.begin));
}
static inline int reader_fail(struct shape_reader *r, const char *problem)
{
        r->json.problem = problem;
        return reader_fail_json(r);
}
/* The text is JSON, but of another type. */
void reader_report_type(struct shape_reader *r, const char *wanted);
static inline int reader_fail_type(struct shape_reader *r, const char *wanted)
{
        reader_report_type(r, wanted);
        return -EINVAL;
}
/* Counts memory against the limit. */
int reader_charge(struct shape_reader *r, size_t size) MUST_CHECK;
/* A NUL-terminated copy in the arena; json is behind the closing quote. `ret_len` may be NULL. */
int reader_copy(struct shape_reader *r, const struct json_string *s, char **ret, size_t *ret_len) MUST_CHECK;
/* The next value, of the named type. */
int reader_text(struct shape_reader *r, char **ret, size_t *ret_len) MUST_CHECK;
int reader_enum(struct shape_reader *r, const struct shape_field *field, int64_t *ret) MUST_CHECK;
int reader_integer(struct shape_reader *r, int64_t min, int64_t max, int64_t *ret) MUST_CHECK;
/* Readers of the kinds that are no structure, list or map (there: NULL). */
extern int (*const reader_scalars[SHAPE_KIND_MAX])(struct shape_reader *, const struct shape_field *, void *slot);
