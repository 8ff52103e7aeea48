/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A placement class: everything that requests with the same requirements and strategies have in common, kept between them. It
 * knows which instances will do and ranks them, and before each use catches up with the instances that changed meanwhile.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "sched/ranking.h"
#include "sched/requirement.h"

/* Pseudo-random numbers for ties; the seed comes from the environment, so that a simulation repeats. */
struct chance {
        uint64_t state;
};

struct class_slot {
        uint64_t state_seen : 62; /* node->state_changed that `static_fits` is from; 0: unknown slot */
        bool static_fits : 1;
        bool fits : 1;
};

struct placement_class {
        struct map_node node;   /* by key, in the scheduler */
        struct list used;       /* in the scheduler, the latest last */
        struct list in_cluster; /* in index_cluster->classes */
        uint64_t id;
        struct arena arena;
        struct requirement requirement;
        struct strategy strategies[RULES_MAX_STRATEGIES];
        struct atom *attributes[RULES_MAX_STRATEGIES]; /* of strategies that spread over one */
        uint32_t n_strategies;
        bool scan; /* its strategies cannot be ranked: an attribute comes after a number */
        struct ranking ranking;
        struct class_slot *slots;
        uint32_t n_slots; /* that there is room for */
        uint64_t seen;    /* cluster->clock that it has caught up with */
        int64_t time;     /* see class.c: chance */
        struct chance *chance;
        char *key;
};

/* `key` is copied. The expressions must have been checked. */
struct placement_class *class_new(struct index *index, const struct placement_request *request, const char *key, struct chance *chance);
void class_free(struct placement_class *class);
/* Whether the request's tasks must be told apart by group. */
bool class_needs_group(const struct placement_rules *rules);
/* The node for the next task, or NULL. */
struct node *class_pick(struct placement_class *class);
/* How many slots a class makes room for, now: those that there are, and some to come. */
uint32_t class_slots(const struct index_cluster *cluster);
/* The slot is about to become free. */
void class_forget(struct placement_class *class, uint32_t slot);
