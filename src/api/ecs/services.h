/* SPDX-License-Identifier: Apache-2.0 */
/* Services and task sets as the API finds and shows them. */
#pragma once

#include "api/call.h"
#include "api/ecs.idl.h"
#include "model/service.h"

/* ---- Finding ---- */

/* The service that is not INACTIVE; ServiceNotFoundException when there is none of that name. */
int ecs_find_service(struct api_call *call, struct cluster *cluster, const char *text, struct service **ret) MUST_CHECK;
/* The same from both texts of a request, and it is ACTIVE: else ServiceNotActiveException. */
int ecs_find_active_service(struct api_call *call, const char *cluster, const char *text, struct service **ret) MUST_CHECK;

/* ---- Showing: `out` points into the model's states and the call's arena ---- */

/* `include`: TAGS. */
void ecs_view_service(struct api_call *call, const struct service *service, const struct int_list *include, struct ecs_service *out);
void ecs_view_task_set(struct api_call *call, const struct task_set *set, const struct int_list *include, struct ecs_task_set *out);
/* What a revision has of its tasks: how many are wanted, run, and are on their way. */
struct revision_counts {
        int32_t requested, running, pending;
};
struct revision_counts ecs_revision_counts(const struct service *service, const struct service_revision *revision);
/* Tasks that a task set should have: desired count × scale, rounded up. */
int32_t ecs_task_set_desired(const struct task_set *set);
/* The task set that is PRIMARY, or NULL. */
const struct task_set *ecs_primary_task_set(const struct service *service);
