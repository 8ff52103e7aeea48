/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CreateService, UpdateService and CreateTaskSet check alike. What a request asks for is put into a candidate of the stored
 * structure first and checked there, so that a changed service is checked as a new one is.
 */
#pragma once

#include "api/call.h"
#include "api/ecs.idl.h"
#include "api/state.idl.h"
#include "model/service.h"

/*
 * Checks all that makes up the tasks of a service or task set and completes it (the cluster's strategy, launch type EC2, platform
 * version and family). `service` is the candidate that the revision is for, with its deployment configuration complete; `definition`
 * is the revision's.
 */
int service_check_revision(struct api_call *call, const struct cluster *cluster, const struct state_service *service,
                           const struct task_definition *definition, struct state_service_revision *revision) MUST_CHECK;

/* Desired count, grace period, placement and zone rebalancing of a candidate with `definition` and `revision` (both NULL: the
 * service has none, or only its count is new). */
int service_check_numbers(struct api_call *call, const struct state_service *service) MUST_CHECK;
int service_check_placement(struct api_call *call, const struct state_service *service, const struct task_definition *definition,
                            const struct state_service_revision *revision) MUST_CHECK;
/* Why zones of such a service cannot be rebalanced; NULL when they can. `revision` may be NULL. */
const char *service_rebalancing_obstacle(const struct state_service *service, const struct state_service_revision *revision);

/*
 * The deployment configuration that results when `given` (NULL: nothing) is put on top of `old` (NULL: the defaults), in the call's
 * arena, checked.
 */
int service_deployment_configuration(struct api_call *call, const struct state_service *service,
                                     const struct ecs_deployment_configuration *old, const struct ecs_deployment_configuration *given,
                                     struct ecs_deployment_configuration **ret) MUST_CHECK;

/* Whether tasks of that network mode can become targets of the group: it exists, takes addresses (awsvpc) or instances, and a
 * listener forwards to it. */
int service_check_target_group(struct api_call *call, const char *arn, enum ecs_network_mode mode) MUST_CHECK;
