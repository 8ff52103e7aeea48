/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive index: a hash table from strings to objects, seeded per process so that clients cannot choose colliding keys. The
 * same ordered by key: tree.h. Keys belong to the object and must not change while it is in the index. An object may be in
 * several indexes: one node each.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct map_node {
        struct map_node *next;
        const char *key;
        uint64_t hash;
};

struct map {
        struct map_node **buckets;
        size_t n_buckets; /* 0 or a power of two */
        size_t count;
};

void map_init(struct map *map);
/* Frees the table, not the objects. */
void map_done(struct map *map);
/* Adds `node` under `key`, which must not be in the map. */
void map_insert(struct map *map, struct map_node *node, const char *key);
/* The node must be in the map. */
void map_remove(struct map *map, struct map_node *node);
/* NULL when there is none. */
struct map_node *map_find(const struct map *map, const char *key);
struct map_node *map_find_n(const struct map *map, const char *key, size_t len);
/* In no particular order; NULL starts and ends. Nothing may be inserted meanwhile; `node` itself may be removed only
 * after its successor was fetched. */
struct map_node *map_next(const struct map *map, const struct map_node *node);

/* Object of `type` under `key`, or NULL. */
#define map_get(map, key, type, member)                                     \
        ({                                                                  \
                struct map_node *found_ = map_find(map, key);               \
                found_ != NULL ? CONTAINER_OF(found_, type, member) : NULL; \
        })

#define map_for_each(node, map)                                                                                           \
        for (struct map_node *node = map_next(map, NULL), *node##_next = node ? map_next(map, node) : NULL; node != NULL; \
             node = node##_next, node##_next = node ? map_next(map, node) : NULL)

/* Seeded 64-bit hash of bytes (not cryptographic). */
uint64_t hash_bytes(const void *data, size_t len);
/* Replaces the random key of this process by a fixed one, so that the order of map_next repeats: for the simulator, before its
 * first map. */
void hash_set_key(uint64_t k0, uint64_t k1);
