/* SPDX-License-Identifier: Apache-2.0 */
/* Hash table of objects: see table.h. Linear probing; removal shifts what follows back, so there are no tombstones. */
#include "model/table.h"

#include <string.h>

#include "base/alloc.h"

void table_done(struct table *table)
{
        free(table->hashes);
        free(table->objects);
        *table = (struct table){0};
}

static uint32_t hash_of(const char *key)
{
        return (uint32_t)hash_bytes(key, strlen(key));
}

static bool is_at(const struct table *table, size_t i, uint32_t hash, const char *key)
{
        return table->hashes[i] == hash && strcmp(table->objects[i]->key, key) == 0;
}

static void put(struct table *table, uint32_t hash, struct object *object)
{
        size_t i = hash & (table->cap - 1);

        for (; table->objects[i] != NULL; i = (i + 1) & (table->cap - 1))
                assert(!is_at(table, i, hash, object->key));
        table->hashes[i] = hash;
        table->objects[i] = object;
}

static void grow(struct table *table)
{
        struct table old = *table;

        table->cap = old.cap == 0 ? 16 : old.cap * 2;
        table->hashes = xcalloc(table->cap, sizeof(*table->hashes));
        table->objects = xcalloc(table->cap, sizeof(struct object *));
        for (size_t i = 0; i < old.cap; i++)
                if (old.objects[i] != NULL)
                        put(table, old.hashes[i], old.objects[i]);
        free(old.hashes);
        free(old.objects);
}

void table_insert(struct table *table, struct object *object)
{
        if (table->n * 8 >= table->cap * 7)
                grow(table);
        put(table, hash_of(object->key), object);
        table->n++;
}

void table_remove(struct table *table, const struct object *object)
{
        size_t mask = table->cap - 1, hole = hash_of(object->key) & mask, i;

        while (table->objects[hole] != object) {
                assert(table->objects[hole] != NULL);
                hole = (hole + 1) & mask;
        }
        for (i = (hole + 1) & mask; table->objects[i] != NULL; i = (i + 1) & mask) {
                /* It may move into the hole unless its home lies behind the hole. */
                if (((i - table->hashes[i]) & mask) < ((i - hole) & mask))
                        continue;
                table->objects[hole] = table->objects[i];
                table->hashes[hole] = table->hashes[i];
                hole = i;
        }
        table->objects[hole] = NULL;
        table->n--;
}

struct object *table_find(const struct table *table, const char *key)
{
        uint32_t hash;
        size_t i;

        if (table->n == 0)
                return NULL;
        hash = hash_of(key);
        for (i = hash & (table->cap - 1); table->objects[i] != NULL; i = (i + 1) & (table->cap - 1))
                if (is_at(table, i, hash, key))
                        return table->objects[i];
        return NULL;
}
