/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of launch_rules.h. */
#include "api/ecs/launch_rules.h"

#include "api/ecs/cluster_rules.h"
#include "api/ecs/common.h"
#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/capacity/providers.h"
#include "model/machine.h"

#define MAX_STRATEGY 20

#define INVALID "InvalidParameterException"
#define UNSUPPORTED "UnsupportedFeatureException"

bool launch_compatible(const struct ecs_task_definition *definition, enum ecs_compatibility with)
{
        if (definition->compatibilities.n == 0)
                return true;
        return ecs_includes(&definition->compatibilities, (int)with);
}

static const struct {
        enum ecs_launch_type type;
        enum ecs_compatibility compatibility;
        const char *missing; /* why it cannot be had; NULL: it can */
} launch_types[] = {
        {ECS_LAUNCH_TYPE_EC2, ECS_COMPATIBILITY_EC2, NULL},
        {ECS_LAUNCH_TYPE_EXTERNAL, ECS_COMPATIBILITY_EXTERNAL, NULL},
        {ECS_LAUNCH_TYPE_FARGATE, ECS_COMPATIBILITY_FARGATE, NULL},
        {ECS_LAUNCH_TYPE_MANAGED_INSTANCES, ECS_COMPATIBILITY_MANAGED_INSTANCES,
         "Launch type MANAGED_INSTANCES is not available on this server yet. Use EC2 with a registered container instance."},
};

/* ---- Platform versions ---- */

static bool known_platform(const char *version)
{
        static const char *const versions[] = {"LATEST", "1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"};

        for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
                if (str_eq(version, versions[i]))
                        return true;
        return false;
}

/* What only platform version 1.4.0 and later can do; NULL: nothing of that. */
static const char *needs_new_platform(const struct ecs_task_definition *definition)
{
        if (definition->ephemeral_storage != NULL)
                return "ephemeralStorage";
        for (uint32_t i = 0; i < definition->volumes.n; i++)
                if (definition->volumes.items[i].efs_volume_configuration != NULL)
                        return "EFS volumes";
        return NULL;
}

bool launch_is_fargate(enum ecs_launch_type type, const struct ecs_capacity_provider_strategy_item_list *strategy)
{
        if (strategy != NULL && strategy->n > 0)
                return fargate_is_provider(provider_name(&strategy->items[0]));
        return type == ECS_LAUNCH_TYPE_FARGATE;
}

static int check_platform(struct api_call *call, const struct ecs_task_definition *definition, const struct launch_wish *wish)
{
        const char *version = wish->platform_version, *needs = needs_new_platform(definition);

        if (str_empty(version))
                return 0;
        if (!launch_is_fargate(wish->launch_type, wish->strategy))
                return api_fail(call, INVALID, "The platform version must be null when specifying an EC2 launch type.");
        if (!known_platform(version))
                return api_fail(call, "PlatformUnknownException", "The platform version %.50s does not exist.", version);
        if (needs != NULL && !str_eq(version, "LATEST") && !str_eq(version, "1.4.0"))
                return api_fail(call, "PlatformTaskDefinitionIncompatibilityException",
                                "One or more of the requested capabilities are not supported. Platform version %s has no %s: use 1.4.0 or "
                                "LATEST.",
                                version, needs);
        return 0;
}

/* ---- What Fargate can run ---- */

static int check_fargate(struct api_call *call, const struct ecs_task_definition *definition)
{
        const struct ecs_runtime_platform *platform = definition->runtime_platform;

        if (!launch_compatible(definition, ECS_COMPATIBILITY_FARGATE))
                return api_fail(call, INVALID, "Task definition does not support launch_type FARGATE.");
        if (platform != NULL && platform->operating_system_family && platform->operating_system_family != ECS_OS_FAMILY_LINUX)
                return api_fail(call, UNSUPPORTED, "runtimePlatform.operatingSystemFamily: Fargate hosts of this server run LINUX only.");
        if (platform != NULL && platform->cpu_architecture == ECS_CPU_ARCHITECTURE_ARM64 && !fargate_has_architecture(call->model, "arm64"))
                return api_fail(
                        call, UNSUPPORTED,
                        "runtimePlatform.cpuArchitecture: no Fargate host of this server is ARM64. Use X86_64, or give the pool such "
                        "a machine: gantry agent --fargate.");
        return 0;
}

/* ---- Launch type, or strategy ---- */

static int check_launch_type(struct api_call *call, const struct ecs_task_definition *definition, const struct launch_wish *wish)
{
        int r = check_platform(call, definition, wish);

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(launch_types); i++) {
                if (launch_types[i].type != wish->launch_type)
                        continue;
                if (!launch_compatible(definition, launch_types[i].compatibility))
                        return api_fail(call, INVALID, "Task definition does not support launch_type %s.",
                                        shape_enum_name(&ecs_launch_type_enum, wish->launch_type));
                if (launch_types[i].missing)
                        return api_fail(call, UNSUPPORTED, "%s", launch_types[i].missing);
        }
        if (r == 0 && wish->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                r = check_fargate(call, definition);
        return r;
}

static int check_strategy_item(struct api_call *call, const struct cluster *cluster, const struct ecs_capacity_provider_strategy_item *item)
{
        const char *name = provider_name_in(item->capacity_provider);

        if (!capacity_provider_predefined(name) && model_capacity_provider(call->model, name) == NULL)
                return api_fail(call, INVALID, "The specified capacity provider %.255s was not found.", item->capacity_provider);
        if (!providers_list(&cluster->state->capacity_providers, name))
                return api_fail(call, INVALID,
                                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with "
                                "the cluster. Associate the capacity provider %s with the cluster and try again.",
                                name);
        if (capacity_provider_predefined(name))
                return 0;
        if (model_provider_group(call->model, name) == NULL)
                return api_fail(call, INVALID,
                                "The Auto Scaling group of the specified capacity provider %s does not exist any more. Make the capacity "
                                "provider again with another group.",
                                name);
        return 0;
}

static int check_strategy(struct api_call *call, const struct cluster *cluster,
                          const struct ecs_capacity_provider_strategy_item_list *strategy)
{
        uint32_t bases = 0, weights = 0;

        if (strategy->n > MAX_STRATEGY)
                return api_fail(call, INVALID, "capacityProviderStrategy: %u items; at most %d are allowed.", strategy->n, MAX_STRATEGY);
        for (uint32_t i = 0; i < strategy->n; i++) {
                bases += strategy->items[i].base > 0;
                weights += strategy->items[i].weight > 0;
                if (fargate_is_provider(provider_name(&strategy->items[i])) != fargate_is_provider(provider_name(&strategy->items[0])))
                        return api_fail(call, INVALID,
                                        "The specified capacity provider strategy cannot mix FARGATE or FARGATE_SPOT with other capacity "
                                        "providers.");
        }
        if (bases > 1)
                return api_fail(call, INVALID, "Only one capacity provider can have a base in a capacity provider strategy.");
        if (strategy->n > 1 && weights == 0)
                return api_fail(call, INVALID, "At least one capacity provider must have a weight greater than 0.");
        for (uint32_t i = 0; i < strategy->n; i++) {
                int r = check_strategy_item(call, cluster, &strategy->items[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

int launch_check(struct api_call *call, const struct cluster *cluster, const struct ecs_task_definition *definition,
                 const struct launch_wish *wish, struct ecs_capacity_provider_strategy_item_list *ret)
{
        struct ecs_capacity_provider_strategy_item_list strategy = {0};
        struct launch_wish resolved = *wish;
        int r;

        *ret = strategy;
        if (wish->strategy != NULL)
                strategy = *wish->strategy;
        if (wish->launch_type && strategy.n > 0)
                return api_fail(call, INVALID,
                                "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.");
        if (!wish->launch_type && strategy.n == 0)
                strategy = cluster->state->default_capacity_provider_strategy;
        resolved.strategy = &strategy;
        if (!wish->launch_type && strategy.n > 0)
                r = check_strategy(call, cluster, &strategy);
        else
                return check_launch_type(call, definition, &resolved);
        if (r == 0)
                r = check_platform(call, definition, &resolved);
        if (r == 0 && launch_is_fargate(wish->launch_type, &strategy))
                r = check_fargate(call, definition);
        if (r == 0)
                *ret = strategy;
        return r;
}
