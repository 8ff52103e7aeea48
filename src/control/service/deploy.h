/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be wished of a service: that it exists, runs something else, runs more or fewer tasks, goes back, goes away. Each
 * function records the wish in an open transaction and returns at once; the service's reconciler (control/service/service.h) does the rest.
 *
 *     revision     what to run, immutable; deployments[] of the API are revisions: "ecs-svc/" and the id
 *     deployment   one go at bringing the service to a revision:
 *
 *         PENDING → IN_PROGRESS ──────────────────────────────► SUCCESSFUL
 *                       │ breaker, alarm, hook, ROLLBACK_REQUESTED ► ROLLBACK_IN_PROGRESS ► ROLLBACK_SUCCESSFUL
 *                       │ the same, nothing to go back to ────────► ROLLBACK_FAILED
 *                       └ STOP_REQUESTED, a newer deployment, a failure without rollback, deletion ► STOPPED
 *
 * Several deployments may overlap: only the newest is in progress, but every revision keeps its tasks until they were replaced.
 * Going back makes the newest revision that was once COMPLETED the primary again, under its old id.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/service.h"

/* Why a deployment has failed. */
enum deployment_failure {
        DEPLOYMENT_FAILURE_BREAKER = 0,
        DEPLOYMENT_FAILURE_ALARM,
        DEPLOYMENT_FAILURE_HOOK,
        DEPLOYMENT_FAILURE_STOPPED, /* somebody asked for it */
        DEPLOYMENT_FAILURE_MAX
};

/*
 * Creates an ACTIVE service from `state` (name, cluster and the wishes; what the reconciler owns is filled in here) with its
 * first revision and deployment. `revision`: what to run, without ids and rollout; NULL for a service whose task sets come from
 * outside. An INACTIVE service of the name is forgotten first.
 */
struct service *service_create(struct tx *tx, const struct state_service *state, const struct state_service_revision *revision,
                               int64_t now_ms);
/*
 * Begins a deployment of a new revision with the members of `revision` (ids and rollout are filled in; start from a tx_edit copy of
 * the primary). The deployment before it, when still in progress, is STOPPED. The service must be ACTIVE.
 */
struct service_deployment *service_begin_deployment(struct tx *tx, struct service *service, const struct state_service_revision *revision,
                                                    int64_t now_ms);
/* Another number of tasks (not of a DAEMON). */
void service_scale(struct tx *tx, struct service *service, int32_t desired, int64_t now_ms);
/* The deployment must be in progress: asks for its end, with a rollback or (`abort`) without. */
void service_stop_deployment(struct tx *tx, struct service_deployment *deployment, bool abort, int64_t now_ms);
/* Answers the hook at which the deployment is waiting: false when no hook of that id waits. */
bool service_continue_deployment(struct tx *tx, struct service_deployment *deployment, const char *hook_id,
                                 enum ecs_deployment_lifecycle_hook_action action, int64_t now_ms);
/* DRAINING: all tasks are stopped, then it is INACTIVE. */
void service_begin_deletion(struct tx *tx, struct service *service, int64_t now_ms);

/*
 * For the reconcilers: the newest deployment has failed. With `rollback` the newest revision that was once COMPLETED becomes the
 * primary. The events that tell of it are added.
 */
void service_fail_deployment(struct tx *tx, struct service *service, enum deployment_failure why, bool rollback, int64_t now_ms);

/* PENDING, IN_PROGRESS, asked to stop, or going back. */
bool service_deployment_in_progress(const struct state_service_deployment *deployment);
/* The newest deployment if it is in progress, else NULL. */
struct service_deployment *service_current_deployment(struct model *model, const struct service *service);
/* Where a rollback would go to, or NULL. */
/* Whether a new revision should use the alternate target groups: those that the one which has the traffic does not use, or, in a rolling
 * deployment, those that it does. */
bool service_takes_alternate(struct model *model, const struct service *service, const struct state_service_revision *wish);
/* BLUE_GREEN, LINEAR, CANARY: the older revision keeps its tasks until the new one has proved itself. NULL: no. */
bool service_keeps_older(const struct ecs_deployment_configuration *configuration);
struct service_revision *service_rollback_target(struct model *model, const struct service *service);
/* The service has no deployments of ours: its task sets are made by somebody else. */
bool service_is_external(const struct state_service *state);
/* How many tasks a task set should have: ceil(desiredCount × scale / 100), none once it is to be deleted. */
uint32_t task_set_desired(const struct task_set *set);
