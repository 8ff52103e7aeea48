/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services in the model: what each is made of, and how many of its tasks are where. See api/state.idl for the states.
 *
 *     cluster ── service ──┬── revisions (what to run) ──── tasks of each that are not STOPPED
 *                          ├── deployments (history of the goes at it)
 *                          ├── task sets (EXTERNAL controller) ── tasks
 *                          └── events
 *
 * An INACTIVE service keeps its key until it is forgotten or its name is used again.
 */
#pragma once

#include "model/discovery.h"
#include "model/model.h"

/* Events that a service keeps. */
#define SERVICE_EVENTS 100

/* Tasks that are not STOPPED, by lastStatus. */
struct task_counts {
        uint32_t pending;  /* before RUNNING */
        uint32_t running;  /* RUNNING */
        uint32_t stopping; /* after RUNNING */
};

static inline bool task_counts_none(const struct task_counts *counts)
{
        return counts->pending + counts->running + counts->stopping == 0;
}

struct service {
        struct object object; /* key "CLUSTER/NAME" */
        const struct state_service *state;
        struct cluster *cluster;
        struct list in_cluster;  /* in cluster->services */
        struct list revisions;   /* of struct service_revision, by createdAt, the newest last */
        struct list deployments; /* of struct service_deployment, by createdAt, the newest last */
        struct list events;      /* of struct service_event, by number, the newest last */
        struct list task_sets;   /* of struct task_set, by createdAt */
        struct list tasks; /* of struct task, not STOPPED, in the order of their coming; those of a revision or task set are among them */
        struct task_counts counts;
        void *reconciler; /* the controller's own, or NULL; not the model's */
};

struct service_revision {
        struct object object; /* key "CLUSTER/SERVICE/ID" */
        const struct state_service_revision *state;
        struct service *service;
        struct list in_service;
        struct discovery_user discovery;
        struct task_counts counts;
        struct pool *pool; /* the service's reconciler's: see control/service/pool.h; not the model's */
};

struct service_deployment {
        struct object object; /* key "CLUSTER/SERVICE/ID" */
        const struct state_service_deployment *state;
        struct service *service;
        struct list in_service;
};

struct service_event {
        struct object object; /* key "CLUSTER/SERVICE/NN" */
        const struct state_service_event *state;
        struct service *service;
        struct list in_service;
};

struct task_set {
        struct object object; /* key "CLUSTER/SERVICE/ID" */
        const struct state_task_set *state;
        struct service *service;
        struct list in_service;
        struct discovery_user discovery;
        struct task_counts counts;
        struct pool *pool; /* the service's reconciler's: see control/service/pool.h; not the model's */
};

/* Each NULL when there is none. The service may be INACTIVE. */
struct service *model_service(struct model *model, const char *cluster, const char *name);
struct service_revision *model_service_revision(struct model *model, const char *cluster, const char *service, const char *id);
struct service_deployment *model_service_deployment(struct model *model, const char *cluster, const char *service, const char *id);
struct task_set *model_task_set(struct model *model, const char *cluster, const char *service, const char *id);

/* The revision that the service should run, and its newest deployment; NULL when it has none (EXTERNAL controller). */
struct service_revision *service_primary(struct model *model, const struct service *service);
struct service_deployment *service_newest_deployment(struct model *model, const struct service *service);

/* Whether tasks of the revision are there, other than those that were given up with their node: how and when these end nobody can say,
 * and no rollout waits for them. */
bool service_revision_in_use(const struct service_revision *revision);

/* Adds an event; "(service NAME) " is put in front of the text. At most 2,000 bytes. */
void service_add_event(struct tx *tx, struct service *service, int64_t now_ms, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Removes an INACTIVE service with all that belongs to it. It must have no tasks. */
void service_forget(struct tx *tx, struct service *service);

/* In `arena`. */
char *model_service_arn(const struct model *model, struct arena *arena, const char *cluster, const char *name);
char *model_service_revision_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service, const char *id);
char *model_service_deployment_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service,
                                   const char *id);
char *model_task_set_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service, const char *id);
