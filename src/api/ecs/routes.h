/* SPDX-License-Identifier: Apache-2.0 */
/* The route tables of the ECS service, one per file of handlers. */
#pragma once

#include "api/call.h"

extern const struct api_route ecs_agent_routes[];
extern const struct api_route ecs_attribute_routes[];
extern const struct api_route ecs_capacity_provider_routes[];
extern const struct api_route ecs_cluster_routes[];
extern const struct api_route ecs_instance_routes[];
extern const struct api_route ecs_register_routes[];
extern const struct api_route ecs_run_routes[];
extern const struct api_route ecs_service_create_routes[];
extern const struct api_route ecs_service_deployment_routes[];
extern const struct api_route ecs_service_routes[];
extern const struct api_route ecs_service_update_routes[];
extern const struct api_route ecs_setting_routes[];
extern const struct api_route ecs_tag_routes[];
extern const struct api_route ecs_task_definition_routes[];
extern const struct api_route ecs_task_protection_routes[];
extern const struct api_route ecs_task_routes[];
extern const struct api_route ecs_task_set_routes[];
