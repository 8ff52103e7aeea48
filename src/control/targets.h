/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task's places behind load balancers: what a service's reconciler does with them, and what it waits for.
 *
 *     none ──targets_register──► initial ──► healthy ◄──► unhealthy
 *                                   └───────────┴─────────────┴──targets_deregister──► draining ──► gone
 *
 * Registering is ACTIVATING's work, deregistering DEACTIVATING's. Draining ends when the target has no request or connection left
 * or its group's deregistration delay is over; whoever drives the proxy then removes the target from the model, and the task's
 * observers see that as a change of an object of kind OBJECT_TARGET. Health arrives as `target_health` of struct model_observer.
 * Where no proxy runs or no listener uses the group, targets are gone at once. Pure: no clock, no I/O.
 */
#pragma once

#include "api/ecs.idl.h"
#include "model/balancer.h"

/* Of all targets of a task together: the first that applies. */
enum targets_state {
        TARGETS_NONE = 0,  /* the task is registered nowhere: not yet, or it has drained and is gone */
        TARGETS_DRAINING,  /* deregistered, requests or connections may still be under way */
        TARGETS_UNHEALTHY, /* at least one fails its health check */
        TARGETS_INITIAL,   /* at least one has not passed its first check yet */
        TARGETS_HEALTHY,   /* every one passes (or its group is used by no listener, or has no proxy) */
        TARGETS_STATE_MAX
};

/* The target group that a revision uses: its own, or the alternate one when it says so and there is one. */
const char *balancer_target_group(const struct ecs_load_balancer *balancer, bool alternate);

/*
 * Registers the task with the target group of each of `balancers` (a service's loadBalancers; entries without a targetGroupArn are
 * left out), or the alternate one. Groups of type ip get the address of the task's network interface and the containerPort; those of type instance the
 * container instance and the host port that the container's port is bound to. Doing it again does no harm; a target that drains
 * is registered again. Returns
 *   0        everything is registered (also when there was nothing to do)
 *   -EAGAIN  an address or port is not known yet: call again when the task has changed; what is known is registered
 *   -ENOENT  a target group does not exist; `error` says which (the rest is registered)
 */
int targets_register(struct model *model, struct tx *tx, const struct task *task, const struct ecs_load_balancer_list *balancers,
                     bool alternate, int64_t now_ms, struct error *error) MUST_CHECK;
/* Begins to drain every target of the task; true when there are any (also when they were draining already): wait until
 * targets_state is TARGETS_NONE. */
bool targets_deregister(struct model *model, struct tx *tx, struct task *task, int64_t now_ms);
/* `ret_reason` (NULL: not wanted) gets the text that says why: of the last check, "" when there is none. Valid until the next change. */
enum targets_state targets_state(const struct model *model, const struct task *task, const char **ret_reason);

/* One target, by hand or for a task: in, out. */
void target_register(struct model *model, struct tx *tx, struct target_group *group, const char *id, int port, const char *zone,
                     const char *task, int64_t now_ms);
void target_deregister(struct model *model, struct tx *tx, struct target *target, int64_t now_ms);
/* When a draining target goes whatever is still under way (ms). */
int64_t target_drain_deadline(const struct target *target);
/* Whether a proxy sends traffic to the group's targets, so that they have a health and have to drain. */
bool target_group_serving(const struct model *model, const struct target_group *group);

/* The port of the task's instance that leads to a container's port; 0 while it is not bound. */
int task_host_port(const struct task *task, const char *container_name, int container_port);
