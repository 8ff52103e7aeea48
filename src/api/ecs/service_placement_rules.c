/* SPDX-License-Identifier: Apache-2.0 */
/* How many tasks a service has, and where they may be placed. */
#include <string.h>

#include "api/ecs/launch_rules.h"
#include "api/ecs/service_rules.h"
#include "api/server.h"
#include "base/strutil.h"
#include "sched/sched.h"

#define MAX_DESIRED 1000000
#define ZONE "attribute:ecs.availability-zone"

#define INVALID "InvalidParameterException"

int service_check_numbers(struct api_call *call, const struct state_service *service)
{
        if (service->desired_count < 0 || service->desired_count > MAX_DESIRED)
                return api_fail(call, INVALID, "desiredCount: %d is not in 0..%d.", service->desired_count, MAX_DESIRED);
        if (service->health_check_grace_period_seconds < 0)
                return api_fail(call, INVALID, "healthCheckGracePeriodSeconds: %d is not in 0..2147483647.",
                                service->health_check_grace_period_seconds);
        return 0;
}

const char *service_rebalancing_obstacle(const struct state_service *service, const struct state_service_revision *revision)
{
        const struct ecs_placement_strategy_list *strategies = &service->placement_strategy;

        if (service->deployment_controller != ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS)
                return "services with an external deployment controller";
        if (service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON)
                return "the DAEMON scheduling strategy";
        if (service->deployment_configuration->maximum_percent <= 100)
                return "a maximumPercent of 100";
        if (strategies->n > 0 &&
            (strategies->items[0].type != ECS_PLACEMENT_STRATEGY_TYPE_SPREAD || !str_eq(strategies->items[0].field, ZONE)))
                return "a first placement strategy other than spread over " ZONE;
        for (uint32_t i = 0; i < service->placement_constraints.n; i++)
                if (service->placement_constraints.items[i].expression != NULL &&
                    strstr(service->placement_constraints.items[i].expression, "ecs.availability-zone") != NULL)
                        return "placement constraints on ecs.availability-zone";
        if (revision != NULL && revision->launch_type == ECS_LAUNCH_TYPE_EXTERNAL)
                return "the EXTERNAL launch type";
        return NULL;
}

static int check_rebalancing(struct api_call *call, const struct state_service *service, const struct state_service_revision *revision)
{
        const char *obstacle;

        if (service->availability_zone_rebalancing != ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED)
                return 0;
        obstacle = service_rebalancing_obstacle(service, revision);
        if (obstacle == NULL)
                return 0;
        return api_fail(call, INVALID, "availabilityZoneRebalancing: ENABLED is not supported with %s. Set it to DISABLED and try again.",
                        obstacle);
}

static int check_for_launch_type(struct api_call *call, const struct state_service *service, const struct state_service_revision *revision)
{
        if (service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON && service->placement_strategy.n > 0)
                return api_fail(
                        call, INVALID,
                        "The daemon scheduling strategy does not support placement strategies. Remove the placement strategy and try "
                        "again");
        if (revision == NULL || !launch_is_fargate(revision->launch_type, &revision->capacity_provider_strategy))
                return 0;
        if (service->placement_constraints.n > 0)
                return api_fail(call, INVALID, "Placement constraints are not supported with FARGATE launch type.");
        if (service->placement_strategy.n > 0)
                return api_fail(call, INVALID, "Placement strategies are not supported with FARGATE launch type.");
        return 0;
}

int service_check_placement(struct api_call *call, const struct state_service *service, const struct task_definition *definition,
                            const struct state_service_revision *revision)
{
        struct placement_rules rules;
        int r = check_for_launch_type(call, service, revision);

        if (r == 0)
                r = placement_rules_read(&service->placement_constraints,
                                         definition != NULL ? &definition->state->definition->placement_constraints : NULL,
                                         &service->placement_strategy, &rules, &call->error);
        if (r == 0 && call->api->sched != NULL)
                r = sched_check_rules(call->api->sched, &rules, &call->error);
        if (r == 0)
                r = check_rebalancing(call, service, revision);
        return r;
}
