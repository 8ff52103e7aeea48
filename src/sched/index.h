/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scheduler knows of a cluster, kept in step with the model: its instances, each under a small number (slot), with
 * their attributes as atoms; how many tasks of each group are on each of them; and in which order they last changed, so that
 * whoever has derived something can catch up with exactly what is new.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "model/model.h"
#include "sched/atoms.h"
#include "sched/counts.h"

struct node_attribute {
        struct atom *name, *value;
};

/* An instance that is not INACTIVE. */
struct node {
        struct instance *instance;
        struct index_cluster *cluster;
        uint32_t slot;
        uint32_t n_attributes;
        struct node_attribute *attributes; /* by the address of the name */
        struct list recent;                /* in cluster->recent */
        uint64_t changed;                  /* cluster->clock at its last change of any kind */
        uint64_t state_changed;            /* … at the last change of what requirements can ask of its stored state */
};

/* Tasks that are not STOPPED, by group. */
struct group {
        struct map_node node;
        struct index_cluster *cluster;
        uint64_t refs;        /* tasks, and classes that watch it */
        struct counts counts; /* by slot */
        char name[];
};

struct index_cluster {
        struct map_node node;
        struct index *index;
        struct node **nodes; /* by slot; NULL: free */
        uint32_t n_slots, cap, n_nodes;
        uint32_t maybe_free; /* no slot below it is free */
        struct list recent;  /* of struct node, the latest change last */
        uint64_t clock;
        struct map groups;
        struct list classes; /* of struct placement_class */
        char name[];
};

struct index {
        struct model *model;
        struct model_observer observer;
        struct atoms atoms;
        struct map clusters;
        const struct index_listener *listener;
};

/* Whoever derives something from the index. */
struct index_listener {
        /* Called before a slot becomes free. */
        void (*slot_freed)(struct index_cluster *cluster, uint32_t slot);
        /* The cluster is about to go: no class may be left in its list. */
        void (*cluster_gone)(struct index_cluster *cluster);
};

/* Reads the whole model and observes it from then on. */
void index_init(struct index *index, struct model *model, const struct index_listener *listener);
void index_done(struct index *index);

/* That of a cluster of the model; made when there was none. */
struct index_cluster *index_cluster(struct index *index, const char *name);
/* NULL when the instance does not have one (INACTIVE). */
static inline struct node *index_node(const struct instance *instance)
{
        return instance->node;
}
/* The value of the attribute, or NULL when the node does not have it. */
struct atom *node_attribute(const struct node *node, const struct atom *name);
/* With one more reference; made when there was none. */
struct group *group_ref(struct index_cluster *cluster, const char *name);
/* NULL is fine. Returns NULL. */
struct group *group_unref(struct group *group);
/* NULL when no task is of that group. */
struct group *group_find(const struct index_cluster *cluster, const char *name);
static inline uint32_t group_count(const struct group *group, uint32_t slot)
{
        return group != NULL ? counts_get(&group->counts, slot) : 0;
}
