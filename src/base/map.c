/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash table with chains through the objects. The hash is SipHash-1-3 (Aumasson and Bernstein's construction) under a key that the
 * process draws at start: clients choose the names that are keys here, and must not be able to make chains long.
 */
#include "base/map.h"

#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

#define BUCKETS_MIN ((size_t)16)

static uint64_t hash_key[2]; /* written before main, or by the simulator before its first map */

__attribute__((constructor)) static void hash_key_draw(void)
{
        if (getrandom(hash_key, sizeof(hash_key), GRND_NONBLOCK) != (ssize_t)sizeof(hash_key)) {
                /* A machine that has just booted, without entropy yet: addresses are random too, and waiting would hang the start. */
                hash_key[0] = (uint64_t)(uintptr_t)&hash_key ^ (uint64_t)getpid() << 40;
                hash_key[1] = (uint64_t)(uintptr_t)__builtin_frame_address(0);
        }
}

void hash_set_key(uint64_t k0, uint64_t k1)
{
        hash_key[0] = k0;
        hash_key[1] = k1;
}

static inline uint64_t rotl(uint64_t x, int n)
{
        return x << n | x >> (64 - n);
}

struct sip {
        uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
        s->a += s->b;
        s->c += s->d;
        s->b = rotl(s->b, 13) ^ s->a;
        s->d = rotl(s->d, 16) ^ s->c;
        s->a = rotl(s->a, 32);
        s->c += s->b;
        s->a += s->d;
        s->b = rotl(s->b, 17) ^ s->c;
        s->d = rotl(s->d, 21) ^ s->a;
        s->c = rotl(s->c, 32);
}

uint64_t hash_bytes(const void *data, size_t len)
{
        const unsigned char *p = data;
        struct sip s = {
                hash_key[0] ^ 0x736f6d6570736575u,
                hash_key[1] ^ 0x646f72616e646f6du,
                hash_key[0] ^ 0x6c7967656e657261u,
                hash_key[1] ^ 0x7465646279746573u,
        };
        uint64_t word;
        for (size_t left = len; left >= 8; left -= 8, p += 8) {
                memcpy(&word, p, 8);
                s.d ^= word;
                sip_round(&s);
                s.a ^= word;
        }
        word = (uint64_t)len << 56;
        for (size_t i = 0; i < len % 8; i++)
                word |= (uint64_t)p[i] << (8 * i);
        s.d ^= word;
        sip_round(&s);
        s.a ^= word;
        s.c ^= 0xff;
        sip_round(&s);
        sip_round(&s);
        sip_round(&s);
        return s.a ^ s.b ^ s.c ^ s.d;
}

void map_init(struct map *map)
{
        *map = (struct map){0};
}

void map_done(struct map *map)
{
        free(map->buckets);
        map_init(map);
}

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
        return &map->buckets[hash & (map->n_buckets - 1)];
}

static void map_resize(struct map *map, size_t n_buckets)
{
        struct map old = *map;
        map->buckets = xcalloc(n_buckets, sizeof(struct map_node *));
        map->n_buckets = n_buckets;
        for (size_t i = 0; i < old.n_buckets; i++) {
                for (struct map_node *node = old.buckets[i], *next; node != NULL; node = next) {
                        struct map_node **bucket = bucket_of(map, node->hash);
                        next = node->next;
                        node->next = *bucket;
                        *bucket = node;
                }
        }
        free(old.buckets);
}

void map_insert(struct map *map, struct map_node *node, const char *key)
{
        if (map->count >= map->n_buckets)
                map_resize(map, map->n_buckets > 0 ? map->n_buckets * 2 : BUCKETS_MIN);
        node->key = key;
        node->hash = hash_bytes(key, strlen(key));
        struct map_node **bucket = bucket_of(map, node->hash);
        node->next = *bucket;
        *bucket = node;
        map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
        assert(map->n_buckets > 0);
        struct map_node **at = bucket_of(map, node->hash);
        while (*at != node) {
                assert(*at != NULL); /* not in this map: a bug of the caller */
                at = &(*at)->next;
        }
        *at = node->next;
        node->next = NULL;
        map->count--;
}

struct map_node *map_find(const struct map *map, const char *key)
{
        return map_find_n(map, key, strlen(key));
}

struct map_node *map_find_n(const struct map *map, const char *key, size_t len)
{
        if (map->count == 0)
                return NULL;
        uint64_t hash = hash_bytes(key, len);
        for (struct map_node *node = *bucket_of(map, hash); node != NULL; node = node->next) {
                if (node->hash == hash && strncmp(node->key, key, len) == 0 && node->key[len] == '\0')
                        return node;
        }
        return NULL;
}

struct map_node *map_next(const struct map *map, const struct map_node *node)
{
        if (node != NULL && node->next != NULL)
                return node->next;
        size_t i = node != NULL ? (node->hash & (map->n_buckets - 1)) + 1 : 0;
        for (; i < map->n_buckets; i++) {
                if (map->buckets[i] != NULL)
                        return map->buckets[i];
        }
        return NULL;
}
