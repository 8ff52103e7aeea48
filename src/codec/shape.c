/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: looking up members, words of enumerations and operations; lists that grow; messages with paths. */
#include "codec/shape.h"

#include <stdio.h>

#include "base/strutil.h"
#include "codec/shape_internal.h"

const struct shape shape_empty_shape = {.name = "Empty", .size = sizeof(struct shape_empty)};
const uint64_t shape_no_items[2];

/* Order of the lookup tables: shorter names first, then by bytes. */
static inline int compare_names(const struct shape_field *field, const char *name, size_t len)
{
        if (field->wire_len != len)
                return field->wire_len < len ? -1 : 1;
        return memcmp(field->wire, name, len);
}

const struct shape_field *shape_find_from(const struct shape *shape, uint32_t guess, const char *name, size_t len)
{
        if (guess < shape->n_fields && compare_names(&shape->fields[guess], name, len) == 0)
                return &shape->fields[guess];
        return shape_find(shape, name, len);
}

const struct shape_field *shape_find(const struct shape *shape, const char *name, size_t len)
{
        uint32_t low = 0, high = shape->n_fields;

        while (low < high) {
                uint32_t middle = (low + high) / 2;
                const struct shape_field *field = &shape->fields[shape->lookup[middle]];
                int order = compare_names(field, name, len);

                if (order == 0)
                        return field;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

const struct shape_operation *shape_service_find(const struct shape_service *service, const char *name)
{
        for (uint32_t i = 0; i < service->n_operations; i++)
                if (strcmp(service->operations[i].name, name) == 0)
                        return &service->operations[i];
        return NULL;
}

/* The room that a list has is only believed while the array is the one that we grew: people replace `items`. */
static uint32_t room_mark(const void *items)
{
        return (uint32_t)(((uintptr_t)items * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & ~UINT32_C(31);
}

static size_t list_room(const struct shape_list *list)
{
        return list->room_ != 0 && (list->room_ & ~UINT32_C(31)) == room_mark(list->items) ? (size_t)1 << (list->room_ & 31) : 0;
}

void *shape_list_push_(struct arena *arena, struct shape_list *list, size_t item_size)
{
        if (list->n >= list_room(list)) {
                uint32_t log = list->n < 4 ? 2 : 32 - (uint32_t)__builtin_clz(list->n);
                void *items = arena_calloc(arena, (size_t)1 << log, item_size);

                if (list->n > 0)
                        memcpy(items, list->items, list->n * item_size);
                list->items = items;
                list->room_ = room_mark(items) | log;
        }
        return (char *)list->items + list->n++ * item_size;
}

void string_list_push(struct arena *arena, struct string_list *list, const char *s)
{
        *(const char **)shape_list_push_(arena, (struct shape_list *)(void *)list, sizeof(char *)) = arena_strdup(arena, s);
}

void string_map_set(struct arena *arena, struct string_map *map, const char *key, const char *value)
{
        struct string_pair *pair;

        for (uint32_t i = 0; i < map->n; i++) {
                if (strcmp(map->items[i].key, key) == 0) {
                        map->items[i].value = arena_strdup(arena, value);
                        return;
                }
        }
        pair = shape_list_push_(arena, (struct shape_list *)(void *)map, sizeof(*pair));
        *pair = (struct string_pair){.key = arena_strdup(arena, key), .value = arena_strdup(arena, value)};
}

const char *string_map_get(const struct string_map *map, const char *key)
{
        for (uint32_t i = 0; i < map->n; i++)
                if (strcmp(map->items[i].key, key) == 0)
                        return map->items[i].value;
        return NULL;
}

const char *shape_enum_name(const struct shape_enum *e, int value)
{
        return value > 0 && (uint32_t)value < e->n ? e->names[value] : NULL;
}

int shape_enum_find(const struct shape_enum *e, const char *name, size_t len)
{
        for (uint32_t i = 1; i < e->n; i++)
                if (strncmp(e->names[i], name, len) == 0 && e->names[i][len] == '\0')
                        return (int)i;
        return 0;
}

int shape_enum_value(const struct shape_enum *e, const char *name)
{
        return name != NULL ? shape_enum_find(e, name, strlen(name)) : 0;
}

void shape_enum_words(const struct shape_enum *e, char *ret, size_t size)
{
        size_t len = 0;

        ret[0] = '\0';
        for (uint32_t i = 1; i < e->n && len < size; i++)
                len += (size_t)snprintf(ret + len, size - len, "%s%s", i > 1 ? ", " : "", e->names[i]);
}

static size_t path_print(const struct shape_path *path, char *out, size_t size)
{
        size_t len;

        if (path == NULL)
                return 0;
        len = path_print(path->up, out, size);
        if (path->name != NULL && len < size)
                len += (size_t)snprintf(out + len, size - len, "%s%.*s", len > 0 ? "." : "", (int)MIN(path->name_len, (size_t)128),
                                        path->name);
        if (path->index >= 0 && len < size)
                len += (size_t)snprintf(out + len, size - len, "[%lld]", (long long)path->index);
        return MIN(len, size - 1);
}

void shape_report(const struct shape_path *path, struct error *error, const char *code, const char *fmt, ...)
{
        char where[512] = "", what[1024];
        va_list args;

        if (error == NULL)
                return;
        va_start(args, fmt);
        (void)vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);
        path_print(path, where, sizeof(where));
        (void)error_api(error, code, "%s%s%s", where, where[0] != '\0' ? ": " : "", what);
}
