/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes to JSON. The writer keeps its own cursor into the buffer, so that a token costs one comparison for its room. */
#include "base/strutil.h"
#include "codec/base64.h"
#include "codec/json_print.h"
#include "codec/shape_internal.h"

struct writer {
        struct buf *out;
        char *p, *end;
        bool redacted;
};

static void write_struct(struct writer *w, const struct shape *shape, const void *obj);

static __attribute__((noinline)) void make_room(struct writer *w, size_t n)
{
        size_t len = w->out->data != NULL ? (size_t)(w->p - w->out->data) : 0;

        w->out->len = len;
        (void)buf_reserve(w->out, n + 256);
        w->p = w->out->data + len;
        w->end = w->out->data + w->out->cap - 1;
}

/* Makes sure that `n` bytes can be written at w->p. */
static inline void room(struct writer *w, size_t n)
{
        if ((size_t)(w->end - w->p) < n)
                make_room(w, n);
}

/* Copies a short text in as few moves as possible. */
static inline char *put(char *p, const char *s, size_t len)
{
        if (len >= 8 && len <= 16) {
                memcpy(p, s, 8);
                memcpy(p + len - 8, s + len - 8, 8);
        } else if (len >= 4 && len < 8) {
                memcpy(p, s, 4);
                memcpy(p + len - 4, s + len - 4, 4);
        } else {
                memcpy(p, s, len);
        }
        return p + len;
}

static inline void put_char(struct writer *w, char c)
{
        room(w, 1);
        *w->p++ = c;
}

static void put_text(struct writer *w, const char *s)
{
        size_t len = strlen(s);

        room(w, json_string_room(s, len));
        w->p = json_put_string(w->p, s, len);
}

static void write_string(struct writer *w, const struct shape_field *field, const void *slot)
{
        put_text(w, *(const char *const *)slot);
}

static void write_blob(struct writer *w, const struct shape_field *field, const void *slot)
{
        const struct shape_blob *blob = slot;
        size_t len = BASE64_LEN(blob->len);

        room(w, len + 3);
        *w->p++ = '"';
        base64_encode(blob->data, blob->len, w->p);
        w->p += len;
        *w->p++ = '"';
}

static void write_json(struct writer *w, const struct shape_field *field, const void *slot)
{
        const char *text = *(const char *const *)slot;
        size_t len = strlen(text);

        room(w, len);
        w->p = put(w->p, text, len);
}

static void put_enum(struct writer *w, const struct shape_field *field, int64_t value)
{
        const char *name = shape_enum_name(field->enumeration, (int)value);

        put_text(w, name != NULL ? name : "");
}

static void write_enum(struct writer *w, const struct shape_field *field, const void *slot)
{
        put_enum(w, field, *(const int *)slot);
}

static void write_timestamp(struct writer *w, const struct shape_field *field, const void *slot)
{
        int64_t ms = *(const int64_t *)slot;
        uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms, fraction = size % 1000;
        char text[32];

        if ((field->flags & SHAPE_ISO8601) != 0) {
                str_iso8601(ms, true, text);
                put_text(w, text);
                return;
        }
        room(w, JSON_NUMBER_MAX);
        if ((field->flags & SHAPE_MILLIS) != 0) {
                w->p = json_put_int(w->p, ms);
                return;
        }
        if (ms < 0)
                *w->p++ = '-';
        w->p = json_put_uint(w->p, size / 1000);
        *w->p++ = '.';
        *w->p++ = (char)('0' + fraction / 100);
        *w->p++ = (char)('0' + fraction / 10 % 10);
        *w->p++ = (char)('0' + fraction % 10);
}

static inline void put_int(struct writer *w, int64_t value)
{
        room(w, JSON_NUMBER_MAX);
        w->p = json_put_int(w->p, value);
}

static void write_int(struct writer *w, const struct shape_field *field, const void *slot)
{
        put_int(w, *(const int32_t *)slot);
}

static void write_long(struct writer *w, const struct shape_field *field, const void *slot)
{
        put_int(w, *(const int64_t *)slot);
}

static void write_double(struct writer *w, const struct shape_field *field, const void *slot)
{
        room(w, JSON_NUMBER_MAX);
        w->p = json_put_double(w->p, *(const double *)slot);
}

static void write_bool(struct writer *w, const struct shape_field *field, const void *slot)
{
        bool value = *(const bool *)slot;

        room(w, 6);
        w->p = stpcpy(w->p, value ? "true" : "false");
}

static void write_nested(struct writer *w, const struct shape_field *field, const void *slot)
{
        write_struct(w, field->shape, *(void *const *)slot);
}

static void write_element(struct writer *w, const struct shape_field *field, const void *item)
{
        switch ((enum shape_kind)field->element) {
        case SHAPE_STRUCT:
                write_struct(w, field->shape, item);
                break;
        case SHAPE_ENUM:
                put_enum(w, field, *(const int64_t *)item);
                break;
        case SHAPE_INT:
        case SHAPE_LONG:
                put_int(w, *(const int64_t *)item);
                break;
        case SHAPE_DOUBLE:
                write_double(w, field, item);
                break;
        case SHAPE_TIMESTAMP:
                write_timestamp(w, field, item);
                break;
        default:
                put_text(w, *(const char *const *)item);
                break;
        }
}

static void write_list(struct writer *w, const struct shape_field *field, const void *slot)
{
        const struct shape_list *list = slot;
        size_t size = shape_item_size(field);

        put_char(w, '[');
        for (uint32_t i = 0; i < list->n; i++) {
                if (i > 0)
                        put_char(w, ',');
                write_element(w, field, (const char *)list->items + i * size);
        }
        put_char(w, ']');
}

static void write_map(struct writer *w, const struct shape_field *field, const void *slot)
{
        const struct string_map *map = slot;

        put_char(w, '{');
        for (uint32_t i = 0; i < map->n; i++) {
                if (i > 0)
                        put_char(w, ',');
                put_text(w, map->items[i].key);
                put_char(w, ':');
                if ((field->flags & SHAPE_NUMBERS) != 0) {
                        room(w, strlen(map->items[i].value));
                        w->p = stpcpy(w->p, map->items[i].value);
                } else {
                        put_text(w, map->items[i].value);
                }
        }
        put_char(w, '}');
}

/* What stands for an absent member that is always written; NULL where nothing would be true. */
static const char *empty_value(const struct shape_field *field)
{
        static const char *const empty[SHAPE_KIND_MAX] = {
                [SHAPE_STRING] = "\"\"", [SHAPE_BLOB] = "\"\"",  [SHAPE_JSON] = "{}",   [SHAPE_INT] = "0",   [SHAPE_LONG] = "0",
                [SHAPE_DOUBLE] = "0",    [SHAPE_BOOL] = "false", [SHAPE_STRUCT] = "{}", [SHAPE_LIST] = "[]", [SHAPE_MAP] = "{}",
        };

        return empty[field->kind];
}

static inline void write_name(struct writer *w, const struct shape_field *field, bool first)
{
        room(w, (size_t)field->wire_len + 4);
        if (!first)
                *w->p++ = ',';
        *w->p++ = '"';
        w->p = put(w->p, field->wire, field->wire_len);
        *w->p++ = '"';
        *w->p++ = ':';
}

static void write_value(struct writer *w, const struct shape_field *field, const void *slot)
{
        static void (*const writers[SHAPE_KIND_MAX])(struct writer *, const struct shape_field *, const void *) = {
                [SHAPE_STRING] = write_string, [SHAPE_BLOB] = write_blob,           [SHAPE_JSON] = write_json,
                [SHAPE_ENUM] = write_enum,     [SHAPE_TIMESTAMP] = write_timestamp, [SHAPE_INT] = write_int,
                [SHAPE_LONG] = write_long,     [SHAPE_DOUBLE] = write_double,       [SHAPE_BOOL] = write_bool,
                [SHAPE_STRUCT] = write_nested, [SHAPE_LIST] = write_list,           [SHAPE_MAP] = write_map,
        };

        if (w->redacted && (field->flags & SHAPE_SENSITIVE) != 0)
                put_text(w, "***");
        else
                writers[field->kind](w, field, slot);
}

static void write_struct(struct writer *w, const struct shape *shape, const void *obj)
{
        bool first = true;

        put_char(w, '{');
        if (shape->version != 0) {
                room(w, JSON_NUMBER_MAX);
                w->p = stpcpy(w->p, "\"v\":");
                w->p = json_put_uint(w->p, shape->version);
                first = false;
        }
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];
                const char *empty;

                if (shape_present(obj, field)) {
                        write_name(w, field, first);
                        write_value(w, field, shape_at(obj, field));
                        first = false;
                } else if ((field->flags & SHAPE_ALWAYS) != 0 && (empty = empty_value(field)) != NULL) {
                        write_name(w, field, first);
                        room(w, 8);
                        w->p = stpcpy(w->p, empty);
                        first = false;
                }
        }
        put_char(w, '}');
}

static void write_object(const struct shape *shape, const void *obj, struct buf *out, bool redacted)
{
        struct writer w = {.out = out, .redacted = redacted};

        if (out->data != NULL) {
                w.p = out->data + out->len;
                w.end = out->data + out->cap - 1;
        }
        write_struct(&w, shape, obj);
        room(&w, 1);
        out->len = (size_t)(w.p - out->data);
        out->data[out->len] = '\0';
}

void shape_to_json(const struct shape *shape, const void *obj, struct buf *out)
{
        write_object(shape, obj, out, false);
}

void shape_to_json_redacted(const struct shape *shape, const void *obj, struct buf *out)
{
        write_object(shape, obj, out, true);
}
