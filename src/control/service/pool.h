/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tasks of one service revision (or task set), sorted by what they mean for it. Kept up to date with every change of a task or
 * its instance, so that a reconciler decides from counts and short lists and never walks over all tasks.
 *
 *            PENDING ──► FRESH ──► HEALTHY ◄──► UNHEALTHY            wanted: they count as live
 *               │          └─────────┴──── instance DRAINING ──► MOVING
 *               └── instance DRAINING ──► STRANDED
 *     any of them ── node lost ──► LOST                              wanted no longer
 *     any of them ── somebody wants it stopped ──► LEAVING (on a lost node: GONE) ──► over, while it has targets: OVER
 *     GONE ── the service ends, and the node is fenced ──► belongs to nobody
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/service.h"
#include "sched/sched.h"

/* Items of a capacity provider strategy. */
#define POOL_MAX_PROVIDERS 20

enum pool_class {
        POOL_NONE = 0,
        POOL_WAITING,   /* PROVISIONING: there is no instance for it yet */
        POOL_PENDING,   /* not RUNNING yet */
        POOL_FRESH,     /* RUNNING, not known to be healthy yet */
        POOL_HEALTHY,   /* counts toward the floor */
        POOL_UNHEALTHY, /* a check says so, and the grace period is over */
        POOL_STRANDED,  /* not RUNNING yet, on an instance that is to be emptied */
        POOL_MOVING,    /* RUNNING on an instance that is to be emptied; counts toward the floor */
        POOL_LOST,      /* on a lost node */
        POOL_LEAVING,   /* desiredStatus STOPPED */
        POOL_GONE,      /* the same on a lost node: nobody can say when it ends */
        POOL_OVER,      /* STOPPED, targets are to be taken away yet */
        POOL_CLASS_MAX
};

struct service_control;
struct controller;

struct pool {
        struct list link; /* in the pools of its service's control, in the order of their making */
        struct service_control *control;
        struct service_revision *revision; /* one of the two */
        struct task_set *task_set;
        struct list tasks[POOL_CLASS_MAX]; /* of struct task, by place.link */
        uint32_t n[POOL_CLASS_MAX];
        bool checks;   /* containers have health checks that matter */
        bool balanced; /* targets have a say */
        /* Since the last run of the reconciler, committed: */
        uint32_t n_failed;    /* tasks that ended by themselves before they were healthy */
        uint32_t n_throttled; /* of those, started after the last wait */
        uint32_t n_succeeded; /* tasks that became healthy */
        /* What a task of it needs; read when the first is to be placed. */
        bool readable; /* the members below are valid */
        struct arena arena;
        struct placement_request placement;
        struct placement_rules rules;
        struct int_list ports, ports_udp;
        struct pool_provided { /* in the arena, room for POOL_MAX_PROVIDERS: the same for a capacity provider's instances */
                const char *provider;
                struct placement_request placement;
        } * provided;
        uint32_t n_provided;
};

/* Of a revision or a task set (the other is NULL), which get to know it. */
struct pool *pool_new(struct service_control *control, struct service_revision *revision, struct task_set *set);
/* Its tasks belong to nothing afterwards. Returns NULL. */
struct pool *pool_free(struct pool *pool);

/* Finds the task's place again: after any change of it, its instance, its targets. Returns its pool, or NULL. */
struct pool *pool_update(struct controller *controller, struct task *task);
/* A RUNNING task without checks has proved itself. */
void pool_promote(struct pool *pool, struct task *task);

/* What its tasks are made of, be it a revision or a task set. */
struct pool_recipe {
        enum ecs_launch_type launch_type;
        const char *platform_version;
        const struct ecs_network_configuration *network;
        /* Its own, or the cluster's when it has neither one nor a launch type. */
        const struct ecs_capacity_provider_strategy_item_list *strategy;
};
struct pool_recipe pool_recipe(const struct pool *pool);

/* Digits of its id; what its tasks run; NULL when that was deleted. */
const char *pool_id(const struct pool *pool);
struct task_definition *pool_definition(const struct pool *pool, struct model *model);

/* Whether its tasks are Fargate's: by launch type, or by strategy (launch.c). */
bool pool_is_fargate(const struct pool *pool);

/* Wanted and there, or on their way: what counts toward the ceiling. */
static inline uint32_t pool_live(const struct pool *pool)
{
        return pool->n[POOL_WAITING] + pool->n[POOL_PENDING] + pool->n[POOL_FRESH] + pool->n[POOL_HEALTHY] + pool->n[POOL_UNHEALTHY] +
               pool->n[POOL_STRANDED] + pool->n[POOL_MOVING];
}

/* Those of them that can stay. */
static inline uint32_t pool_good(const struct pool *pool)
{
        return pool->n[POOL_WAITING] + pool->n[POOL_PENDING] + pool->n[POOL_FRESH] + pool->n[POOL_HEALTHY];
}

static inline uint32_t pool_healthy(const struct pool *pool)
{
        return pool->n[POOL_HEALTHY] + pool->n[POOL_MOVING];
}

#define pool_for_each(it, pool, class_) list_for_each (it, &(pool)->tasks[class_], struct task, place.link)
