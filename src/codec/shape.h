/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes: everything that crosses a boundary (AWS API, agent messages, stored objects) is declared in api/NAME.idl. The
 * build turns each into `api/NAME.h` (plain C structures) and const tables; this engine reads and writes any of them.
 *
 * How members look in C, for `struct PREFIX_some_shape`:
 *
 *   IDL type            C member                               absent is
 *   string              const char *                           NULL
 *   blob                struct shape_blob {data, len}          data NULL       (base64 in JSON)
 *   json                const char *  (validated raw JSON)     NULL
 *   enum X              enum PREFIX_x                          0 (X_UNSET)
 *   timestamp           int64_t, milliseconds since 1970       0               (JSON: seconds with fraction)
 *   int, long           int32_t, int64_t                       has-bit clear
 *   double, bool        double, bool                           has-bit clear
 *   struct X            struct PREFIX_x *                      NULL
 *   list T              struct PREFIX_x_list {items, n}        items NULL      (an empty list that was sent: items non-NULL, n 0)
 *                       strings: struct string_list; ints, enums and timestamps: struct int_list;
 *                       doubles: struct double_list
 *   map                 struct string_map {items {key, value}, n}  items NULL
 *
 * Scalars are set with SHAPE_SET and tested with SHAPE_HAS (reading without the bit gives 0):
 *
 *   SHAPE_SET(out, ecs_task, attempts, 3);         if (SHAPE_HAS(in, ecs_run_task_request, count)) ...
 *
 * All of it lives in an arena or in one packed block; nothing inside is freed by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct shape_blob {
        const void *data;
        size_t len;
};
struct string_list {
        const char **items;
        uint32_t n;
        uint32_t room_; /* private to SHAPE_PUSH, here and in all lists; leave it alone */
};
struct int_list {
        int64_t *items;
        uint32_t n;
        uint32_t room_;
};
struct double_list {
        double *items;
        uint32_t n;
        uint32_t room_;
};
struct string_pair {
        const char *key, *value;
};
struct string_map {
        struct string_pair *items;
        uint32_t n;
        uint32_t room_;
};
/* What every list of structures looks like to the engine. */
struct shape_list {
        void *items; /* n structures, one after the other */
        uint32_t n;
        uint32_t room_;
};
/* Input or output of operations that have none ("-" in the IDL). */
struct shape_empty {
        uint64_t has;
};

enum shape_kind {
        SHAPE_STRING = 0,
        SHAPE_BLOB,
        SHAPE_JSON,
        SHAPE_ENUM,
        SHAPE_TIMESTAMP,
        SHAPE_INT,
        SHAPE_LONG,
        SHAPE_DOUBLE,
        SHAPE_BOOL,
        SHAPE_STRUCT,
        SHAPE_LIST,
        SHAPE_MAP,
        SHAPE_KIND_MAX
};

struct shape_enum {
        const char *name;
        const char *const *names; /* index 0 is NULL (unset) */
        uint32_t n;               /* including index 0 */
};

enum shape_flags {
        SHAPE_REQUIRED = 1 << 0,  /* input without it is refused */
        SHAPE_ALWAYS = 1 << 1,    /* written even when empty: [] or {} or null-free default */
        SHAPE_SENSITIVE = 1 << 2, /* never logged */
        SHAPE_HAS_MIN = 1 << 3,
        SHAPE_HAS_MAX = 1 << 4,
        SHAPE_HAS_DEFAULT = 1 << 5,
        SHAPE_ISO8601 = 1 << 6,   /* timestamp written as text instead of a number */
        SHAPE_MILLIS = 1 << 7,    /* timestamp written as integer milliseconds instead of seconds */
        SHAPE_NUMBERS = 1 << 9,   /* map whose values are written as numbers (texts in C); not read */
        SHAPE_OPEN_ENUM = 1 << 8, /* unknown enum words are dropped, not refused */
};

struct shape_field {
        const char *wire; /* name in JSON */
        const char *c_name;
        uint16_t wire_len;
        uint8_t kind;    /* enum shape_kind */
        uint8_t element; /* of a list: enum shape_kind */
        int8_t has_bit;  /* of scalars; -1 for others */
        uint16_t flags;  /* enum shape_flags */
        uint32_t offset;
        const struct shape *shape;            /* of STRUCT and LIST of STRUCT */
        const struct shape_enum *enumeration; /* of ENUM and LIST of ENUM */
        int64_t min, max;                     /* value, or length of strings (characters), lists and maps */
        int64_t default_value;                /* of scalars and enums */
};

struct shape {
        const char *name; /* as in the IDL, e.g. "PortMapping" */
        uint32_t size;
        uint32_t n_fields;
        const struct shape_field *fields;
        const uint8_t *lookup; /* perfect-hash or sorted index over wire names; private to the engine, may be NULL */
        uint16_t version;      /* of stored shapes: written as "v" */
};
extern const struct shape shape_empty_shape;

/* An operation of a service, from the IDL. */
struct shape_operation {
        const char *name;
        const struct shape *input, *output; /* never NULL; may have no fields */
        const char *const *errors;          /* NULL-terminated */
        const char *permission;             /* such as "ecs:RunTask" */
        uint32_t index;                     /* in the service's table */
};
struct shape_service {
        const char *name;          /* "ecs" */
        const char *target_prefix; /* "AmazonEC2ContainerServiceV20141113." or NULL */
        const char *version;       /* "2014-11-13" */
        const char *xml_namespace; /* of query services, or NULL */
        const char *protocol;      /* "ec2": that flavour of query; NULL: what the other properties say */
        const struct shape_operation *operations;
        uint32_t n_operations;
};
const struct shape_operation *shape_service_find(const struct shape_service *service, const char *name);

#define SHAPE_SET(obj, type, field, value) ((void)((obj)->field = (value), (obj)->has |= type##_has_##field))
#define SHAPE_HAS(obj, type, field) (((obj)->has & type##_has_##field) != 0)
#define SHAPE_CLEAR(obj, type, field) ((void)((obj)->field = 0, (obj)->has &= ~(uint64_t)type##_has_##field))

/* Appends one element to a list of structures in an arena (amortised growth); evaluates to a pointer to the zeroed new
 * element. `list` is e.g. `struct ecs_tag_list *`. Invalidates pointers to earlier elements. Of two flat copies of one list
 * only one may be pushed to. */
#define SHAPE_PUSH(arena, list) \
        ((__typeof__((list)->items))shape_list_push_((arena), (struct shape_list *)(void *)(list), sizeof(*(list)->items)))
void *shape_list_push_(struct arena *arena, struct shape_list *list, size_t item_size);
void string_list_push(struct arena *arena, struct string_list *list, const char *s);
void string_map_set(struct arena *arena, struct string_map *map, const char *key, const char *value);
/* NULL when there is none. */
const char *string_map_get(const struct string_map *map, const char *key);

struct shape_limits {
        uint32_t max_depth;   /* 0: 64 */
        size_t max_bytes;     /* of memory taken from the arena; 0: no limit */
        bool skip_validation; /* ranges, lengths and required members (stored objects, peers we trust) */
};

/*
 * Reads JSON into a new object in `arena`. Strict about JSON and UTF-8 (NUL inside strings is refused); unknown members
 * and nulls are skipped; the last of repeated members counts. Strings are copied. On failure returns -EINVAL and fills
 * `error` (code "SerializationException" for bad JSON and wrong types; "InvalidParameterException" for values) with a
 * message that names the path, e.g. "containerDefinitions[0].portMappings[1].containerPort: 70000 is not in 0..65535".
 */
int shape_from_json(const struct shape *shape, struct arena *arena, const char *json, size_t len, const struct shape_limits *limits,
                    void **ret, struct error *error) MUST_CHECK;
/* Checks required members, ranges, lengths; codes as above. */
int shape_validate(const struct shape *shape, const void *obj, struct error *error) MUST_CHECK;
/* Fills in the defaults that the IDL names, where members are absent. */
void shape_apply_defaults(const struct shape *shape, void *obj, struct arena *arena);
/* Appends the JSON of `obj` to `out`. */
void shape_to_json(const struct shape *shape, const void *obj, struct buf *out);
/* The same with sensitive members replaced by "***": for logs. */
void shape_to_json_redacted(const struct shape *shape, const void *obj, struct buf *out);
/* Deep copy into an arena. NULL stays NULL. Texts of a copy may share bytes, and none may be changed in place. */
void *shape_copy(const struct shape *shape, const void *obj, struct arena *arena);
/* Deep copy of what is inside `src` into `dst` (both of `shape`), strings and lists into `arena`. */
void shape_copy_into(const struct shape *shape, void *dst, const void *src, struct arena *arena);
/* Deep copy into a single malloc'ed block that one free() releases: how the model keeps state. */
void *shape_pack(const struct shape *shape, const void *obj);
/* Bytes that shape_pack would take. */
size_t shape_packed_size(const struct shape *shape, const void *obj);
bool shape_equal(const struct shape *shape, const void *a, const void *b);

/* Word of an enum value ("RUNNING"), or NULL for unset; and back: 0 for an unknown word. */
const char *shape_enum_name(const struct shape_enum *e, int value);
int shape_enum_value(const struct shape_enum *e, const char *name);

/* Typed conveniences over the generated shape: `SHAPE_PARSE(ecs_task, arena, json, len, NULL, &task, &error)`. */
#define SHAPE_PARSE(type, arena, json, len, limits, ret, error) \
        shape_from_json(&type##_shape, arena, json, len, limits, (void **)(1 ? (ret) : (struct type **)0), error)
#define SHAPE_COPY(type, obj, arena) ((struct type *)shape_copy(&type##_shape, (1 ? (obj) : (struct type *)0), arena))
#define SHAPE_PACK(type, obj) ((struct type *)shape_pack(&type##_shape, (1 ? (obj) : (struct type *)0)))
#define SHAPE_WRITE(type, obj, out) shape_to_json(&type##_shape, (1 ? (obj) : (const struct type *)0), out)
