/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from JSON: one pass over the text, members found by table, values straight into their places. Scalars: shape_value.c. */
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/shape_reader.h"

static int read_struct(struct shape_reader *r, const struct shape *shape, void *obj);

static int read_nested(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        void *obj;
        int k;

        if (json_peek(&r->json) != '{')
                return reader_fail_type(r, "an object");
        k = reader_charge(r, field->shape->size);
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
static void *grow(struct shape_reader *r, struct growing *list)
{
        if (list->n == list->room) {
                size_t small = list->item_size <= 32 ? 8 : list->item_size <= 128 ? 4 : 1;
                size_t room = list->room == 0 ? small : (size_t)list->room * 2;
                char *items;

                if (reader_charge(r, room * list->item_size) < 0)
                        return NULL;
                items = arena_alloc(r->arena, room * list->item_size);
                if (list->n > 0)
                        memcpy(items, list->items, list->n * list->item_size);
                list->items = items;
                list->room = (uint32_t)room;
        }
        return list->items + list->n * list->item_size;
}

static int read_element(struct shape_reader *r, const struct shape_field *field, void *item)
{
        switch ((enum shape_kind)field->element) {
        case SHAPE_STRUCT:
                if (json_peek(&r->json) != '{')
                        return reader_fail_type(r, "an object");
                return read_struct(r, field->shape, item);
        case SHAPE_ENUM:
                return reader_enum(r, field, item);
        case SHAPE_INT:
                return reader_integer(r, INT32_MIN, INT32_MAX, item);
        case SHAPE_LONG:
                return reader_integer(r, INT64_MIN, INT64_MAX, item);
        case SHAPE_DOUBLE:
        case SHAPE_TIMESTAMP:
                return reader_scalars[field->element](r, field, item);
        default: /* strings: the generator lets nothing else through */
                return reader_text(r, item, NULL);
        }
}

static int read_item(struct shape_reader *r, const struct shape_field *field, struct growing *list)
{
        void *item;
        int k;

        if (json_peek(&r->json) == 'n')
                return json_read_null(&r->json) < 0 ? reader_fail_json(r) : 0;
        item = grow(r, list);
        if (item == NULL)
                return -EINVAL;
        k = read_element(r, field, item);
        /* Unknown words of open enumerations are dropped. */
        list->n += field->element != SHAPE_ENUM || *(int64_t *)item != 0;
        return k;
}

static int read_items(struct shape_reader *r, const struct shape_field *field, struct growing *list)
{
        const struct shape_path *outer = r->path;
        struct shape_path here = {.up = outer->up, .name = outer->name, .name_len = outer->name_len, .index = -1};
        int k;

        r->path = &here;
        do {
                here.index++;
                k = read_item(r, field, list);
        } while (k == 0 && json_take(&r->json, ','));
        r->path = outer;
        return k;
}

static int read_list(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        struct growing list = {.item_size = shape_item_size(field)};
        int k = 0;

        if (!json_take(&r->json, '['))
                return reader_fail_type(r, "a list");
        if (r->depth == 0)
                return reader_fail(r, "nested too deeply");
        r->depth--;
        if (json_peek(&r->json) != ']')
                k = read_items(r, field, &list);
        if (k < 0)
                return k;
        if (!json_take(&r->json, ']'))
                return reader_fail(r, "',' or ']' was expected");
        r->depth++;
        *(struct shape_list *)slot = (struct shape_list){.items = list.n > 0 ? list.items : (void *)(uintptr_t)shape_no_items, .n = list.n};
        return 0;
}

/* "key": json is at the quote; moves behind the colon. The text is in the document, or in the arena when it was escaped. */
static int read_key(struct shape_reader *r, struct json_string *key)
{
        char *text = NULL;
        int k;

        if (json_peek(&r->json) != '"')
                return reader_fail(r, "a member name was expected");
        if (json_read_string(&r->json, key) < 0)
                return reader_fail_json(r);
        if (key->escaped) {
                k = reader_copy(r, key, &text, &key->len);
                if (k < 0)
                        return k;
                key->text = text;
        }
        if (!json_take(&r->json, ':'))
                return reader_fail(r, "':' was expected");
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

static int read_pair(struct shape_reader *r, struct shape_path *here, struct growing *list)
{
        struct json_string key = {0};
        struct string_pair *pair;
        char *name = NULL, *value = NULL;
        int k = read_key(r, &key);

        if (k < 0)
                return k;
        here->name = key.text;
        here->name_len = key.len;
        if (json_peek(&r->json) == 'n')
                return json_read_null(&r->json) < 0 ? reader_fail_json(r) : 0;
        k = reader_text(r, &value, NULL);
        if (k < 0)
                return k;
        key.escaped = false;
        k = reader_copy(r, &key, &name, NULL);
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

static int read_pairs(struct shape_reader *r, struct growing *list)
{
        const struct shape_path *outer = r->path;
        struct shape_path here = {.up = outer, .index = -1};
        int k;

        r->path = &here;
        do
                k = read_pair(r, &here, list);
        while (k == 0 && json_take(&r->json, ','));
        r->path = outer;
        return k;
}

static int read_map(struct shape_reader *r, struct string_map *map)
{
        struct growing list = {.item_size = sizeof(struct string_pair)};
        int k = 0;

        if (!json_take(&r->json, '{'))
                return reader_fail_type(r, "an object");
        if (json_peek(&r->json) != '}')
                k = read_pairs(r, &list);
        if (k < 0)
                return k;
        if (!json_take(&r->json, '}'))
                return reader_fail(r, "',' or '}' was expected");
        if (list.n > MAP_SCAN_MAX)
                drop_repeated(&list);
        *map = (struct string_map){.items = list.n > 0 ? (void *)list.items : (void *)(uintptr_t)shape_no_items, .n = list.n};
        return 0;
}

static int read_member(struct shape_reader *r, const struct shape_field *field, void *obj)
{
        void *slot = shape_slot(obj, field);
        int k;

        if (json_peek(&r->json) == 'n')
                return json_read_null(&r->json) < 0 ? reader_fail_json(r) : 0;
        if (reader_scalars[field->kind] != NULL)
                k = reader_scalars[field->kind](r, field, slot);
        else if (field->kind == SHAPE_STRUCT)
                k = read_nested(r, field, slot);
        else
                k = field->kind == SHAPE_LIST ? read_list(r, field, slot) : read_map(r, slot);
        if (k == 0 && field->has_bit >= 0)
                shape_set_bit(obj, field);
        return k;
}

static int read_named(struct shape_reader *r, const struct shape *shape, void *obj, struct shape_path *here, uint32_t *next)
{
        const struct shape_field *field;
        struct json_string key = {0};
        int k;

        here->name = NULL;
        k = read_key(r, &key);
        if (k < 0)
                return k;
        field = shape_find_from(shape, *next, key.text, key.len);
        here->name = key.text;
        here->name_len = key.len;
        if (field != NULL) {
                *next = (uint32_t)(field - shape->fields) + 1;
                return read_member(r, field, obj);
        }
        return json_skip(&r->json, r->depth) < 0 ? reader_fail_json(r) : 0;
}

static int read_members(struct shape_reader *r, const struct shape *shape, void *obj)
{
        const struct shape_path *outer = r->path;
        struct shape_path here = {.up = outer, .index = -1};
        uint32_t next = 0;
        int k;

        r->path = &here;
        do
                k = read_named(r, shape, obj, &here, &next);
        while (k == 0 && json_take(&r->json, ','));
        r->path = outer;
        return k;
}

/* json is at '{'. */
static int read_struct(struct shape_reader *r, const struct shape *shape, void *obj)
{
        int k = 0;

        if (r->depth == 0)
                return reader_fail(r, "nested too deeply");
        r->json.p++;
        r->depth--;
        if (json_peek(&r->json) != '}')
                k = read_members(r, shape, obj);
        if (k < 0)
                return k;
        if (!json_take(&r->json, '}'))
                return reader_fail(r, "',' or '}' was expected");
        r->depth++;
        return 0;
}

int shape_from_json(const struct shape *shape, struct arena *arena, const char *json, size_t len, const struct shape_limits *limits,
                    void **ret, struct error *error)
{
        static const struct shape_limits usual = {0};
        struct shape_reader r = {.arena = arena, .error = error};
        void *obj;
        int k;

        if (limits == NULL)
                limits = &usual;
        r.depth = limits->max_depth != 0 ? limits->max_depth : SHAPE_DEPTH_DEFAULT;
        r.left = limits->max_bytes != 0 ? limits->max_bytes : SIZE_MAX;
        json_init(&r.json, json, len);
        if (len > INT32_MAX) /* so that no list has more items than its counter can hold */
                return reader_fail(&r, "the text is longer than 2 GiB");
        if (json_peek(&r.json) != '{')
                return reader_fail_type(&r, "an object");
        k = reader_charge(&r, shape->size);
        if (k < 0)
                return k;
        obj = arena_alloc(arena, shape->size);
        k = read_struct(&r, shape, obj);
        if (k < 0)
                return k;
        if (json_peek(&r.json) != 0 || r.json.p != r.json.end)
                return reader_fail(&r, "nothing may follow the object");
        if (!limits->skip_validation) {
                k = shape_validate(shape, obj, error);
                if (k < 0)
                        return k;
        }
        *ret = obj;
        return 0;
}
