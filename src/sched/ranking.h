/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which strategies want instances to be taken: a tournament.
 *
 * Each level of spread over an attribute divides the slots below it into buckets, one for each value. A bucket counts the
 * group's tasks on all its slots, and ranks before another when it counts fewer, or as many and its best entry ranks before the
 * other's best. In the innermost buckets slots are ranked by their keys (numbers, smaller first). Buckets hold heaps of what can
 * be taken, so the best of all is at the top of the tops, and a change of one slot costs a logarithm for each level.
 *
 *                     root
 *            zone a (7)        zone b (7)         7 tasks each: the better best wins
 *          slot 4  slot 9        slot 2           by free memory, say
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sched/rules.h"

#define RANKING_NONE UINT32_MAX

struct bucket;

struct ranked {
        struct bucket *bucket; /* NULL: not placed */
        uint32_t position;     /* in the bucket's heap; RANKING_NONE: cannot be taken */
        uint32_t count;        /* tasks of the group, as its buckets have counted them */
};

struct ranking {
        uint32_t n_levels; /* of buckets */
        uint32_t n_keys;   /* of a slot */
        struct ranked *slots;
        int64_t *keys; /* n_keys for each slot */
        uint32_t cap;
        struct bucket *root;
        bool filling; /* between ranking_fill and ranking_filled */
};

void ranking_init(struct ranking *ranking, uint32_t n_levels, uint32_t n_keys);
void ranking_done(struct ranking *ranking);
/* Makes room for slots below `n`. */
void ranking_reserve(struct ranking *ranking, uint32_t n);
/* Puts a slot into the bucket of these values (one a level; copied), out of that where it was. It cannot be taken yet and counts
 * no tasks. */
void ranking_place(struct ranking *ranking, uint32_t slot, const char *const *values);
/* Takes a slot out of its bucket, if it is in one. */
void ranking_leave(struct ranking *ranking, uint32_t slot);
/* The keys of a slot, to be filled before ranking_set. */
static inline int64_t *ranking_keys(struct ranking *ranking, uint32_t slot)
{
        return ranking->keys + (size_t)slot * ranking->n_keys;
}
/* A placed slot has `count` tasks, can be taken or not, or has new keys. */
void ranking_set(struct ranking *ranking, uint32_t slot, uint32_t count, bool can_be_taken);
/* Around many ranking_set on a ranking in which nothing can be taken yet: the order is made at the end, in one go. */
void ranking_fill(struct ranking *ranking);
void ranking_filled(struct ranking *ranking);
/* The slot to take next, or RANKING_NONE. */
uint32_t ranking_best(const struct ranking *ranking);
