/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fargate: servers that appear with a task. The pool is made of hosts: instances with the attribute FARGATE_ATTRIBUTE, registered in
 * FARGATE_CLUSTER, or in the cluster "default" when one machine is the user's node and a host at once (`gantry up`; its resources
 * then count once, because it is one instance). A task is on a host of the pool, and the API shows no container instance for it.
 *
 *     RunTask ──► a host has room ──► PENDING
 *        │  └───► a host would have, were it free ──► PROVISIONING ──► (room within ten minutes) PENDING, else STOPPED
 *        └──────► no host ever would: FARGATE_UNAVAILABLE
 */
#pragma once

#include "sched/sched.h"

#define FARGATE_UNAVAILABLE "Capacity is unavailable at this time. Please try again later or in a different availability zone"
#define FARGATE_PLATFORM "1.4.0"
/* PROVISIONING tasks that a cluster can have, and how long one waits. */
#define FARGATE_MAX_WAITING 500
#define FARGATE_PATIENCE_MS (INT64_C(10) * 60 * 1000)

struct controller;

/* A micro-VM costs its host more than the task's memory: QEMU itself, its translated code when it emulates, the guest's kernel and its books
 * of the rest. MiB, at most. */
#define FARGATE_MICROVM_MIB(mib) (160 + (mib) / 48)

/* FARGATE or FARGATE_SPOT; NULL is neither. */
bool fargate_is_provider(const char *provider);
/* "LATEST" and NULL are the version that there is, in words; others stay. */
const char *fargate_platform(const char *version);
/* Whether the instance is a host, and how it keeps its tasks apart ("sandbox", "microvm"); NULL when it is none. */
const char *fargate_isolation(const struct instance *instance);
/* MiB that a task of `memory` MiB takes of the host beyond those. */
int32_t fargate_overhead(const struct instance *host, int32_t memory);

/*
 * What a Fargate task of the definition needs, from the `request` that says so for any instance (cpu, memory, zones, rules, group,
 * required; its cluster is the task's). The result points into `request` and `arena`.
 */
void fargate_request(const struct placement_request *request, struct arena *arena, struct placement_request *ret);
/* The host for one more task, or NULL when none has room. `request` from fargate_request; `provider` NULL, or the task's. */
struct instance *fargate_pick(struct model *model, struct sched *sched, const struct placement_request *request, const char *provider);
/* Whether a host would take it, were it empty and connected, and open to FARGATE_SPOT: waiting makes sense. */
bool fargate_possible(struct model *model, struct sched *sched, const struct placement_request *request);
/* When no host would because each lacks an attribute: one of them. NULL else. */
struct instance *fargate_lacking(struct model *model, struct sched *sched, const struct placement_request *request);
/* A host that has this architecture ("x86_64", "arm64") is in the pool. */
bool fargate_has_architecture(struct model *model, const char *architecture);
/* Where the task is: `instance`; when it is not in the task's cluster, hostCluster; for a Fargate task its overhead there. */
void fargate_put_on(struct state_task *state, const struct instance *host);

/* Looks at every waiting task; returns when to look again for time's sake (INT64_MAX: when something changes). */
int64_t fargate_place_waiting(struct controller *controller, int64_t now_ms);
