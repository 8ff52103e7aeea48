/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from JSON: one pass over the text, members found by table, values straight into their places. */
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/base64.h"
#include "codec/shape_internal.h"

struct reader {
        struct json json;
        struct arena *arena;
        struct error *error;
        uint32_t depth; /* levels that may still open */
        size_t left;    /* bytes that may still be taken from the arena */
        const struct shape_path *path;
};

static int read_struct(struct reader *r, const struct shape *shape, void *obj);

/* The scanner found no JSON. */
static int fail_json(struct reader *r)
{
        return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "%s (byte %zu of the JSON text)", r->json.problem, (size_t)(r->json.p - r->json.begin));
}

static int fail_type(struct reader *r, const char *wanted)
{
        char c = json_peek(&r->json);
        const char *got = c == '"'                                  ? "a string"
                          : c == '{'                                ? "an object"
                          : c == '['                                ? "a list"
                          : c == 't' || c == 'f'                    ? "a boolean"
                          : c == '-' || (c >= '0' && c <= '9')      ? "a number"
                          : c == 0 && r->json.p >= r->json.end      ? "the end of the text"
                                                                    : NULL;

        if (got == NULL) {
                (void)json_fail(&r->json, "a value was expected");
                return fail_json(r);
        }
        return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "%s was expected, not %s", wanted, got);
}

static int charge(struct reader *r, size_t size)
{
        if (size > r->left)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the object is too large to be read: send less at once");
        r->left -= size;
        return 0;
}

/* A NUL-terminated copy in the arena; json is behind the closing quote. */
static int copy_string(struct reader *r, const struct json_string *s, char **ret, size_t *ret_len)
{
        size_t len = s->len;
        char *text;
        int k = charge(r, len + 1);

        if (k < 0)
                return k;
        text = arena_bytes(r->arena, len + 1);
        if (!s->escaped)
                memcpy(text, s->text, len);
        else if (json_unescape(&r->json, s, text, &len) < 0)
                return fail_json(r);
        text[len] = '\0';
        *ret = text;
        if (ret_len != NULL)
                *ret_len = len;
        return 0;
}

static int read_text(struct reader *r, char **ret, size_t *ret_len)
{
        struct json_string s;

        if (json_peek(&r->json) != '"')
                return fail_type(r, "a string");
        if (json_read_string(&r->json, &s) < 0)
                return fail_json(r);
        return copy_string(r, &s, ret, ret_len);
}

static bool is_number(char c)
{
        return c == '-' || (c >= '0' && c <= '9');
}

static int read_string(struct reader *r, const struct shape_field *field, void *slot)
{
        return read_text(r, slot, NULL);
}

static int read_blob(struct reader *r, const struct shape_field *field, void *slot)
{
        struct shape_blob *blob = slot;
        char *text;
        size_t len;
        int k = read_text(r, &text, &len);

        if (k < 0)
                return k;
        /* In place: the bytes are never longer than their text. */
        k = base64_decode(text, len, text, &blob->len);
        if (k < 0)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the text is not valid base64");
        text[blob->len] = '\0';
        blob->data = text;
        return 0;
}

static int read_json(struct reader *r, const struct shape_field *field, void *slot)
{
        const char *start;
        size_t len;
        char *text;
        int k;

        json_peek(&r->json);
        start = r->json.p;
        if (json_skip(&r->json, r->depth) < 0)
                return fail_json(r);
        len = (size_t)(r->json.p - start);
        k = charge(r, len + 1);
        if (k < 0)
                return k;
        text = arena_bytes(r->arena, len + 1);
        memcpy(text, start, len);
        text[len] = '\0';
        *(char **)slot = text;
        return 0;
}

static int enum_value(struct reader *r, const struct shape_field *field, int64_t *ret)
{
        char words[700];
        struct json_string s;
        char *text;
        int k;

        if (json_peek(&r->json) != '"')
                return fail_type(r, "a string");
        if (json_read_string(&r->json, &s) < 0)
                return fail_json(r);
        if (s.escaped) {
                k = copy_string(r, &s, &text, &s.len);
                if (k < 0)
                        return k;
                s.text = text;
        }
        *ret = shape_enum_find(field->enumeration, s.text, s.len);
        if (*ret != 0 || (field->flags & SHAPE_OPEN_ENUM) != 0)
                return 0;
        shape_enum_words(field->enumeration, words, sizeof(words));
        return shape_fail(r->path, r->error, SHAPE_BAD_VALUE, "\"%.*s\" is not one of %s", (int)MIN(s.len, (size_t)100), s.text, words);
}

static int read_enum(struct reader *r, const struct shape_field *field, void *slot)
{
        int64_t value;
        int k = enum_value(r, field, &value);

        if (k == 0)
                *(int *)slot = (int)value;
        return k;
}

static int read_timestamp(struct reader *r, const struct shape_field *field, void *slot)
{
        struct json_number n;
        struct json_string s;
        int64_t ms;
        char c = json_peek(&r->json);
        int k;

        if (is_number(c)) {
                if (json_read_number(&r->json, &n) < 0)
                        return fail_json(r);
                k = json_number_scaled(&n, (field->flags & SHAPE_MILLIS) != 0 ? 0 : 3, &ms);
        } else if (c == '"') {
                if (json_read_string(&r->json, &s) < 0)
                        return fail_json(r);
                k = shape_time_parse(s.text, s.len, &ms);
        } else {
                return fail_type(r, "a time (seconds since 1970)");
        }
        if (k < 0 || !shape_time_valid(ms))
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "not a time between the years 1 and 9999, such as 1700000000.123 or \"2023-11-14T22:13:20Z\"");
        *(int64_t *)slot = ms;
        return 0;
}

/* The usual: few digits and nothing special behind them. */
static inline bool quick_integer(struct json *json, int64_t *ret)
{
        const char *p = json->p, *end = json->end, *digits;
        bool negative = p < end && *p == '-';
        int64_t value = 0;

        digits = p += negative;
        while (p < end && (unsigned char)(*p - '0') < 10 && p - digits < 18)
                value = value * 10 + (*p++ - '0');
        if (p == digits || p == end || (*digits == '0' && p - digits > 1) || (*p != ',' && *p != '}' && *p != ']'))
                return false;
        json->p = p;
        *ret = negative ? -value : value;
        return true;
}

static int integer(struct reader *r, int64_t min, int64_t max, int64_t *ret)
{
        struct json_number n;
        int k = 0;

        if (!is_number(json_peek(&r->json)))
                return fail_type(r, "a whole number");
        if (!quick_integer(&r->json, ret)) {
                if (json_read_number(&r->json, &n) < 0)
                        return fail_json(r);
                k = json_number_int64(&n, ret);
        }
        if (k == -EDOM)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "%.*s is not a whole number", (int)MIN(n.len, (size_t)40), n.text);
        if (k < 0 || *ret < min || *ret > max)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the number does not fit into %d bits", max == INT32_MAX ? 32 : 64);
        return 0;
}

static int read_int(struct reader *r, const struct shape_field *field, void *slot)
{
        int64_t value;
        int k = integer(r, INT32_MIN, INT32_MAX, &value);

        if (k == 0)
                *(int32_t *)slot = (int32_t)value;
        return k;
}

static int read_long(struct reader *r, const struct shape_field *field, void *slot)
{
        return integer(r, INT64_MIN, INT64_MAX, slot);
}

static int read_double_word(struct reader *r, double *ret)
{
        static const struct {
                const char *word;
                double value;
        } rows[] = {{"NaN", __builtin_nan("")}, {"Infinity", __builtin_inf()}, {"-Infinity", -__builtin_inf()}};
        struct json_string s;

        if (json_read_string(&r->json, &s) < 0)
                return fail_json(r);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (s.len == strlen(rows[i].word) && memcmp(s.text, rows[i].word, s.len) == 0) {
                        *ret = rows[i].value;
                        return 0;
                }
        }
        return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "a number was expected, not a string");
}

static int read_double(struct reader *r, const struct shape_field *field, void *slot)
{
        struct json_number n;
        char c = json_peek(&r->json);

        if (c == '"')
                return read_double_word(r, slot);
        if (!is_number(c))
                return fail_type(r, "a number");
        if (json_read_number(&r->json, &n) < 0)
                return fail_json(r);
        if (json_number_double(&n, slot) < 0)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the number is too large");
        return 0;
}

static int read_bool(struct reader *r, const struct shape_field *field, void *slot)
{
        char c = json_peek(&r->json);

        if (c != 't' && c != 'f')
                return fail_type(r, "true or false");
        return json_read_bool(&r->json, slot) < 0 ? fail_json(r) : 0;
}

static int read_nested(struct reader *r, const struct shape_field *field, void *slot)
{
        void *obj;
        int k;

        if (json_peek(&r->json) != '{')
                return fail_type(r, "an object");
        k = charge(r, field->shape->size);
        if (k < 0)
                return k;
        obj = arena_alloc(r->arena, field->shape->size);
        k = read_struct(r, field->shape, obj);
        if (k == 0)
                *(void **)slot = obj;
        return k;
}

/* A list that grows while it is read. */
struct growing {
        char *items;
        uint32_t n, room;
        size_t item_size;
};

/* Room for one more; zeroed. NULL: over the limit, error set. */
static void *grow(struct reader *r, struct growing *list)
{
        if (list->n == list->room) {
                size_t small = list->item_size <= 32 ? 8 : list->item_size <= 128 ? 4 : 1;
                size_t room = list->room == 0 ? small : (size_t)list->room * 2;
                char *items;

                if (room > UINT32_MAX || charge(r, room * list->item_size) < 0)
                        return NULL;
                items = arena_alloc(r->arena, room * list->item_size);
                if (list->n > 0)
                        memcpy(items, list->items, list->n * list->item_size);
                list->items = items;
                list->room = (uint32_t)room;
        }
        return list->items + list->n * list->item_size;
}

static int read_element(struct reader *r, const struct shape_field *field, void *item)
{
        switch ((enum shape_kind)field->element) {
        case SHAPE_STRUCT:
                if (json_peek(&r->json) != '{')
                        return fail_type(r, "an object");
                return read_struct(r, field->shape, item);
        case SHAPE_ENUM:
                return enum_value(r, field, item);
        case SHAPE_INT:
                return integer(r, INT32_MIN, INT32_MAX, item);
        case SHAPE_LONG:
                return integer(r, INT64_MIN, INT64_MAX, item);
        default: /* strings: the generator lets nothing else through */
                return read_text(r, item, NULL);
        }
}

static int read_items(struct reader *r, const struct shape_field *field, struct growing *list)
{
        struct shape_path here = {.up = r->path->up, .name = r->path->name, .name_len = r->path->name_len};
        const struct shape_path *outer = r->path;
        int k;

        r->path = &here;
        do {
                void *item;

                if (json_peek(&r->json) == 'n') {
                        if (json_read_null(&r->json) < 0)
                                return fail_json(r);
                        here.index++;
                        continue;
                }
                item = grow(r, list);
                if (item == NULL)
                        return -EINVAL;
                k = read_element(r, field, item);
                if (k < 0)
                        return k;
                /* Unknown words of open enumerations are dropped. */
                list->n += field->element != SHAPE_ENUM || *(int64_t *)item != 0;
                here.index++;
        } while (json_take(&r->json, ','));
        r->path = outer;
        return 0;
}

static int read_list(struct reader *r, const struct shape_field *field, void *slot)
{
        struct growing list = {.item_size = shape_item_size(field)};
        int k = 0;

        if (!json_take(&r->json, '['))
                return fail_type(r, "a list");
        if (r->depth == 0) {
                (void)json_fail(&r->json, "nested too deeply");
                return fail_json(r);
        }
        r->depth--;
        if (json_peek(&r->json) != ']')
                k = read_items(r, field, &list);
        if (k < 0)
                return k;
        if (!json_take(&r->json, ']')) {
                (void)json_fail(&r->json, "',' or ']' was expected");
                return fail_json(r);
        }
        r->depth++;
        *(struct shape_list *)slot = (struct shape_list){.items = list.n > 0 ? list.items : (void *)(uintptr_t)shape_no_items, .n = list.n};
        return 0;
}

/* "key": json is at the quote; moves behind the colon. The text is in the document, or in the arena when it was escaped. */
static int read_key(struct reader *r, struct json_string *key)
{
        char *text;
        int k;

        if (json_peek(&r->json) != '"') {
                (void)json_fail(&r->json, "a member name was expected");
                return fail_json(r);
        }
        if (json_read_string(&r->json, key) < 0)
                return fail_json(r);
        if (key->escaped) {
                k = copy_string(r, key, &text, &key->len);
                if (k < 0)
                        return k;
                key->text = text;
        }
        if (!json_take(&r->json, ':')) {
                (void)json_fail(&r->json, "':' was expected");
                return fail_json(r);
        }
        return 0;
}

static struct string_pair *find_pair(struct growing *list, const char *key)
{
        struct string_pair *pairs = (struct string_pair *)(void *)list->items;

        for (uint32_t i = 0; i < list->n; i++)
                if (strcmp(pairs[i].key, key) == 0)
                        return &pairs[i];
        return NULL;
}

/* By key, then by place. */
static int compare_pairs(const void *a, const void *b)
{
        const struct string_pair *x = *(struct string_pair *const *)a, *y = *(struct string_pair *const *)b;
        int order = strcmp(x->key, y->key);

        return order != 0 ? order : (x > y) - (x < y);
}

/* Up to this many pairs a repeated key is found by looking through all, beyond by sorting: no quadratic time for the hostile. */
#define MAP_SCAN_MAX 32

/* Of pairs with the same key the last one stays. */
static void drop_repeated(struct growing *list)
{
        struct string_pair *pairs = (struct string_pair *)(void *)list->items;
        CLEANUP_FREE struct string_pair **order = xcalloc(list->n, sizeof(*order));
        uint32_t n = 0;

        for (uint32_t i = 0; i < list->n; i++)
                order[i] = &pairs[i];
        qsort(order, list->n, sizeof(*order), compare_pairs);
        for (uint32_t i = 0; i + 1 < list->n; i++)
                if (strcmp(order[i]->key, order[i + 1]->key) == 0)
                        order[i]->value = NULL;
        for (uint32_t i = 0; i < list->n; i++)
                if (pairs[i].value != NULL)
                        pairs[n++] = pairs[i];
        list->n = n;
}

static int read_pair(struct reader *r, struct shape_path *here, struct growing *list)
{
        struct json_string key;
        struct string_pair *pair;
        char *name, *value;
        int k = read_key(r, &key);

        if (k < 0)
                return k;
        here->name = key.text;
        here->name_len = key.len;
        if (json_peek(&r->json) == 'n')
                return json_read_null(&r->json) < 0 ? fail_json(r) : 0;
        k = read_text(r, &value, NULL);
        if (k < 0)
                return k;
        key.escaped = false;
        k = copy_string(r, &key, &name, NULL);
        if (k < 0)
                return k;
        pair = list->n <= MAP_SCAN_MAX ? find_pair(list, name) : NULL;
        if (pair == NULL) {
                pair = grow(r, list);
                if (pair == NULL)
                        return -EINVAL;
                list->n++;
        }
        *pair = (struct string_pair){.key = name, .value = value};
        return 0;
}

static int read_pairs(struct reader *r, struct growing *list)
{
        struct shape_path here = {.up = r->path, .index = -1};
        const struct shape_path *outer = r->path;
        int k;

        r->path = &here;
        do {
                k = read_pair(r, &here, list);
                if (k < 0)
                        return k;
        } while (json_take(&r->json, ','));
        r->path = outer;
        return 0;
}

static int read_map(struct reader *r, const struct shape_field *field, void *slot)
{
        struct growing list = {.item_size = sizeof(struct string_pair)};
        struct string_map *map = slot;
        int k = 0;

        if (!json_take(&r->json, '{'))
                return fail_type(r, "an object");
        if (json_peek(&r->json) != '}')
                k = read_pairs(r, &list);
        if (k < 0)
                return k;
        if (!json_take(&r->json, '}')) {
                (void)json_fail(&r->json, "',' or '}' was expected");
                return fail_json(r);
        }
        if (list.n > MAP_SCAN_MAX)
                drop_repeated(&list);
        *map = (struct string_map){.items = list.n > 0 ? (void *)list.items : (void *)(uintptr_t)shape_no_items, .n = list.n};
        return 0;
}

static int read_member(struct reader *r, const struct shape_field *field, void *obj)
{
        static int (*const readers[SHAPE_KIND_MAX])(struct reader *, const struct shape_field *, void *) = {
                [SHAPE_STRING] = read_string, [SHAPE_BLOB] = read_blob,   [SHAPE_JSON] = read_json,     [SHAPE_ENUM] = read_enum,
                [SHAPE_TIMESTAMP] = read_timestamp, [SHAPE_INT] = read_int, [SHAPE_LONG] = read_long,   [SHAPE_DOUBLE] = read_double,
                [SHAPE_BOOL] = read_bool,     [SHAPE_STRUCT] = read_nested, [SHAPE_LIST] = read_list,   [SHAPE_MAP] = read_map,
        };
        int k;

        if (json_peek(&r->json) == 'n')
                return json_read_null(&r->json) < 0 ? fail_json(r) : 0;
        k = readers[field->kind](r, field, shape_slot(obj, field));
        if (k == 0 && field->has_bit >= 0)
                shape_set_bit(obj, field);
        return k;
}

static int read_members(struct reader *r, const struct shape *shape, void *obj)
{
        struct shape_path here = {.up = r->path, .index = -1};
        const struct shape_path *outer = r->path;
        struct json_string key;
        int k;

        r->path = &here;
        do {
                const struct shape_field *field;

                here.name = NULL;
                k = read_key(r, &key);
                if (k < 0)
                        return k;
                field = shape_find(shape, key.text, key.len);
                here.name = key.text;
                here.name_len = key.len;
                if (field != NULL)
                        k = read_member(r, field, obj);
                else
                        k = json_skip(&r->json, r->depth) < 0 ? fail_json(r) : 0;
                if (k < 0)
                        return k;
        } while (json_take(&r->json, ','));
        r->path = outer;
        return 0;
}

/* json is at '{'. */
static int read_struct(struct reader *r, const struct shape *shape, void *obj)
{
        int k = 0;

        if (r->depth == 0) {
                (void)json_fail(&r->json, "nested too deeply");
                return fail_json(r);
        }
        r->json.p++;
        r->depth--;
        if (json_peek(&r->json) != '}')
                k = read_members(r, shape, obj);
        if (k < 0)
                return k;
        if (!json_take(&r->json, '}')) {
                (void)json_fail(&r->json, "',' or '}' was expected");
                return fail_json(r);
        }
        r->depth++;
        return 0;
}

int shape_from_json(const struct shape *shape, struct arena *arena, const char *json, size_t len, const struct shape_limits *limits, void **ret,
                    struct error *error)
{
        static const struct shape_limits usual = {0};
        struct reader r = {.arena = arena, .error = error};
        void *obj;
        int k;

        if (limits == NULL)
                limits = &usual;
        r.depth = limits->max_depth != 0 ? limits->max_depth : SHAPE_DEPTH_DEFAULT;
        r.left = limits->max_bytes != 0 ? limits->max_bytes : SIZE_MAX;
        json_init(&r.json, json, len);
        if (json_peek(&r.json) != '{')
                return fail_type(&r, "an object");
        k = charge(&r, shape->size);
        if (k < 0)
                return k;
        obj = arena_alloc(arena, shape->size);
        k = read_struct(&r, shape, obj);
        if (k < 0)
                return k;
        if (json_peek(&r.json) != 0 || r.json.p != r.json.end) {
                (void)json_fail(&r.json, "nothing may follow the object");
                return fail_json(&r);
        }
        if (!limits->skip_validation) {
                k = shape_validate(shape, obj, error);
                if (k < 0)
                        return k;
        }
        *ret = obj;
        return 0;
}
