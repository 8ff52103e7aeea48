/* SPDX-License-Identifier: Apache-2.0 */
/* Which files make up the ECS service. */
#include "api/ecs/routes.h"

#include "api/ecs/common.h"
#include "api/server.h"

void ecs_register(struct api *api)
{
        static const struct api_route *const tables[] = {
                ecs_agent_routes,   ecs_attribute_routes,       ecs_capacity_provider_routes,
                ecs_cluster_routes, ecs_instance_routes,        ecs_register_routes,
                ecs_run_routes,     ecs_service_create_routes,  ecs_service_deployment_routes,
                ecs_service_routes, ecs_service_update_routes,  ecs_setting_routes,
                ecs_tag_routes,     ecs_task_definition_routes, ecs_task_protection_routes,
                ecs_task_routes,    ecs_task_set_routes,
        };

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &ecs_service, tables[i]);
}
