/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes: copies in one block. The size is counted first; then the structures, lists and blobs go to the front of the block,
 * each aligned to 8, and all strings behind them without gaps. A string that is the end of the one before it shares its bytes: names that
 * stand beside what was made of them ("service:web" and "web") cost nothing.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/shape_internal.h"

/* The string before, at its source or in the copy. */
struct last_text {
        const char *s; /* NULL: there was none */
        size_t len;
};

struct measure {
        size_t aligned, text;
        struct last_text last;
};

static inline size_t align8(size_t n)
{
        return (n + 7) & ~(size_t)7;
}

static inline bool is_end_of(const struct last_text *last, const char *s, size_t len)
{
        return last->s != NULL && len <= last->len && memcmp(last->s + last->len - len, s, len) == 0;
}

static void measure_text(struct measure *m, const char *s)
{
        size_t len = strlen(s);

        if (is_end_of(&m->last, s, len))
                return;
        m->text += len + 1;
        m->last = (struct last_text){s, len};
}

static void measure_inner(const struct shape *shape, const void *obj, struct measure *m);

static void measure_list(const struct shape_field *field, const struct shape_list *list, struct measure *m)
{
        m->aligned += align8(list->n * shape_item_size(field));
        for (uint32_t i = 0; i < list->n; i++) {
                if (field->element == SHAPE_STRUCT)
                        measure_inner(field->shape, (const char *)list->items + (size_t)i * field->shape->size, m);
                else if (field->element == SHAPE_STRING)
                        measure_text(m, ((const char *const *)list->items)[i]);
        }
}

static void measure_map(const struct string_map *map, struct measure *m)
{
        m->aligned += map->n * sizeof(struct string_pair);
        for (uint32_t i = 0; i < map->n; i++) {
                measure_text(m, map->items[i].key);
                measure_text(m, map->items[i].value);
        }
}

/* What hangs on the structure, without itself. */
static void measure_inner(const struct shape *shape, const void *obj, struct measure *m)
{
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];
                const void *slot = shape_at(obj, field);

                if (!shape_present(obj, field))
                        continue;
                switch ((enum shape_kind)field->kind) {
                case SHAPE_STRING:
                case SHAPE_JSON:
                        measure_text(m, *(const char *const *)slot);
                        break;
                case SHAPE_BLOB:
                        m->text += ((const struct shape_blob *)slot)->len + 1;
                        break;
                case SHAPE_STRUCT:
                        m->aligned += align8(field->shape->size);
                        measure_inner(field->shape, *(void *const *)slot, m);
                        break;
                case SHAPE_LIST:
                        measure_list(field, slot, m);
                        break;
                case SHAPE_MAP:
                        measure_map(slot, m);
                        break;
                default:
                        break;
                }
        }
}

struct block {
        char *aligned, *text;
        struct last_text last;
};

static void *take_aligned(struct block *b, const void *data, size_t size)
{
        void *copy = b->aligned;

        memcpy(copy, data, size);
        b->aligned += align8(size);
        return copy;
}

static const char *take_bytes(struct block *b, const void *data, size_t len)
{
        char *copy = b->text;

        memcpy(copy, data, len);
        copy[len] = '\0';
        b->text += len + 1;
        return copy;
}

static const char *take_text(struct block *b, const char *s)
{
        size_t len = strlen(s);

        if (is_end_of(&b->last, s, len))
                return b->last.s + b->last.len - len;
        b->last = (struct last_text){take_bytes(b, s, len), len};
        return b->last.s;
}

static void copy_inner(const struct shape *shape, void *obj, struct block *b);

static void copy_list(const struct shape_field *field, struct shape_list *list, struct block *b)
{
        list->room_ = 0;
        if (list->n == 0) {
                list->items = (void *)(uintptr_t)shape_no_items;
                return;
        }
        list->items = take_aligned(b, list->items, list->n * shape_item_size(field));
        for (uint32_t i = 0; i < list->n; i++) {
                if (field->element == SHAPE_STRUCT)
                        copy_inner(field->shape, (char *)list->items + (size_t)i * field->shape->size, b);
                else if (field->element == SHAPE_STRING)
                        ((const char **)list->items)[i] = take_text(b, ((const char **)list->items)[i]);
        }
}

static void copy_map(struct string_map *map, struct block *b)
{
        map->room_ = 0;
        if (map->n == 0) {
                map->items = (void *)(uintptr_t)shape_no_items;
                return;
        }
        map->items = take_aligned(b, map->items, map->n * sizeof(struct string_pair));
        for (uint32_t i = 0; i < map->n; i++) {
                map->items[i].key = take_text(b, map->items[i].key);
                map->items[i].value = take_text(b, map->items[i].value);
        }
}

/* `obj` is a flat copy already: replaces what it points at by copies. */
static void copy_inner(const struct shape *shape, void *obj, struct block *b)
{
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];
                void *slot = shape_slot(obj, field);
                struct shape_blob *blob = slot;
                void **pointer = slot;

                if (!shape_present(obj, field))
                        continue;
                switch ((enum shape_kind)field->kind) {
                case SHAPE_STRING:
                case SHAPE_JSON:
                        *pointer = (void *)(uintptr_t)take_text(b, *pointer);
                        break;
                case SHAPE_BLOB:
                        blob->data = take_bytes(b, blob->data, blob->len);
                        break;
                case SHAPE_STRUCT:
                        *pointer = take_aligned(b, *pointer, field->shape->size);
                        copy_inner(field->shape, *pointer, b);
                        break;
                case SHAPE_LIST:
                        copy_list(field, slot, b);
                        break;
                case SHAPE_MAP:
                        copy_map(slot, b);
                        break;
                default:
                        break;
                }
        }
}

static struct measure measure_whole(const struct shape *shape, const void *obj)
{
        struct measure m = {.aligned = align8(shape->size)};

        measure_inner(shape, obj, &m);
        return m;
}

static void *copy_whole(const struct shape *shape, const void *obj, char *memory, const struct measure *m)
{
        struct block b = {.aligned = memory, .text = memory + m->aligned};
        void *copy = take_aligned(&b, obj, shape->size);

        copy_inner(shape, copy, &b);
        return copy;
}

void *shape_copy(const struct shape *shape, const void *obj, struct arena *arena)
{
        struct measure m;

        if (obj == NULL)
                return NULL;
        m = measure_whole(shape, obj);
        return copy_whole(shape, obj, arena_alloc(arena, m.aligned + m.text), &m);
}

void shape_copy_into(const struct shape *shape, void *dst, const void *src, struct arena *arena)
{
        struct measure m = {0};
        struct block b = {0};

        measure_inner(shape, src, &m);
        b.aligned = arena_alloc(arena, m.aligned + m.text);
        b.text = b.aligned + m.aligned;
        memmove(dst, src, shape->size);
        copy_inner(shape, dst, &b);
}

void *shape_pack(const struct shape *shape, const void *obj)
{
        struct measure m;

        if (obj == NULL)
                return NULL;
        m = measure_whole(shape, obj);
        return copy_whole(shape, obj, xrealloc(NULL, m.aligned + m.text), &m);
}

size_t shape_packed_size(const struct shape *shape, const void *obj)
{
        struct measure m;

        if (obj == NULL)
                return 0;
        m = measure_whole(shape, obj);
        return m.aligned + m.text;
}
