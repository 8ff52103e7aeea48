/* SPDX-License-Identifier: Apache-2.0 */
/* What a service's tasks are made of: launch, network, volumes, and what they are connected to. */
#include "api/ecs/service_rules.h"

#include <string.h>

#include "api/ecs/cluster_rules.h"
#include "api/ecs/common.h"
#include "api/ecs/launch_rules.h"
#include "api/ecs/tasks.h"
#include "base/strutil.h"
#include "model/balancer.h"
#include "model/discovery.h"

#define MAX_TARGET_GROUPS 5
#define MAX_REGISTRIES 1
#define MAX_CLIENT_ALIASES 1

#define INVALID "InvalidParameterException"
#define UNSUPPORTED "UnsupportedFeatureException"

/* ---- Containers and ports ---- */

/* "8080-8090" */
static bool in_range(const char *range, int32_t port)
{
        const char *dash = range != NULL ? strchr(range, '-') : NULL;
        int64_t first, last;
        char text[8];

        if (dash == NULL || (size_t)(dash - range) >= sizeof(text))
                return false;
        memcpy(text, range, (size_t)(dash - range));
        text[dash - range] = '\0';
        return str_to_int64(text, &first) == 0 && str_to_int64(dash + 1, &last) == 0 && port >= first && port <= last;
}

static bool has_port(const struct ecs_container_definition *container, int32_t port)
{
        for (uint32_t i = 0; i < container->port_mappings.n; i++)
                if (container->port_mappings.items[i].container_port == port ||
                    in_range(container->port_mappings.items[i].container_port_range, port))
                        return true;
        return false;
}

static int check_port(struct api_call *call, const struct ecs_task_definition *definition, const char *name, int32_t port)
{
        const struct ecs_container_definition *container = ecs_find_container(definition, name);

        if (container == NULL)
                return api_fail(call, INVALID, "The container %.255s does not exist in the task definition.", name);
        if (!has_port(container, port))
                return api_fail(call, INVALID, "The container %.255s did not have a container port %d defined.", name, port);
        return 0;
}

static bool names_port(const struct ecs_task_definition *definition, const char *port_name)
{
        for (uint32_t i = 0; i < definition->container_definitions.n; i++) {
                const struct ecs_port_mapping_list *ports = &definition->container_definitions.items[i].port_mappings;

                for (uint32_t j = 0; j < ports->n; j++)
                        if (str_eq(ports->items[j].name, port_name))
                                return true;
        }
        return false;
}

static int check_port_name(struct api_call *call, const struct ecs_task_definition *definition, const char *where, const char *name)
{
        if (names_port(definition, name))
                return 0;
        return api_fail(call, INVALID,
                        "%s: the portName \"%.100s\" does not exist in the task definition: give one of its portMappings that name.", where,
                        name);
}

/* ---- Load balancers ---- */

static bool forwards_to(const struct elbv2_action_list *actions, const char *group)
{
        for (uint32_t i = 0; i < actions->n; i++) {
                const struct elbv2_forward_action_config *forward = actions->items[i].forward_config;

                for (uint32_t j = 0; forward != NULL && j < forward->target_groups.n; j++)
                        if (str_eq(forward->target_groups.items[j].target_group_arn, group))
                                return true;
        }
        return false;
}

/* Deployments change the weights of its target groups. */
static int check_rule(struct api_call *call, const struct ecs_load_balancer *balancer, const char *name, const char *arn, uint32_t i)
{
        const struct object *object = model_forwarding_of_arn(call->model, arn);
        const struct elbv2_action_list *actions;

        if (object == NULL)
                return api_fail(call, INVALID, "loadBalancers[%u].advancedConfiguration.%s: the listener rule %.300s does not exist.", i,
                                name, arn);
        actions = object->kind == OBJECT_LISTENER_RULE ? &CONTAINER_OF(object, const struct listener_rule, object)->state->actions
                                                       : &CONTAINER_OF(object, const struct listener, object)->state->actions;
        if (forwards_to(actions, balancer->target_group_arn) ||
            forwards_to(actions, balancer->advanced_configuration->alternate_target_group_arn))
                return 0;
        return api_fail(call, INVALID,
                        "loadBalancers[%u].advancedConfiguration.%s: the listener rule %.300s must forward to targetGroupArn or "
                        "alternateTargetGroupArn.",
                        i, name, arn);
}

static int check_advanced(struct api_call *call, const struct ecs_load_balancer *balancer, enum ecs_deployment_strategy strategy,
                          uint32_t i)
{
        const struct ecs_advanced_configuration *advanced = balancer->advanced_configuration;
        const char *missing = NULL;
        int r;

        if (advanced == NULL) {
                if (strategy == ECS_DEPLOYMENT_STRATEGY_ROLLING)
                        return 0;
                return api_fail(call, INVALID, "loadBalancers[%u]: advancedConfiguration is required when the deployment strategy is %s.",
                                i, shape_enum_name(&ecs_deployment_strategy_enum, (int)strategy));
        }
        if (str_empty(advanced->alternate_target_group_arn))
                missing = "alternateTargetGroupArn";
        else if (str_empty(advanced->production_listener_rule))
                missing = "productionListenerRule";
        else if (str_empty(advanced->role_arn))
                missing = "roleArn";
        if (missing != NULL)
                return api_fail(call, INVALID, "loadBalancers[%u].advancedConfiguration.%s is required.", i, missing);
        if (str_eq(advanced->alternate_target_group_arn, balancer->target_group_arn))
                return api_fail(call, INVALID,
                                "loadBalancers[%u].advancedConfiguration.alternateTargetGroupArn must name another target group than "
                                "targetGroupArn.",
                                i);
        r = check_rule(call, balancer, "productionListenerRule", advanced->production_listener_rule, i);
        return r == 0 && !str_empty(advanced->test_listener_rule)
                       ? check_rule(call, balancer, "testListenerRule", advanced->test_listener_rule, i)
                       : r;
}

static int check_balancer(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_load_balancer_list *list,
                          enum ecs_deployment_strategy strategy, uint32_t i)
{
        const struct ecs_load_balancer *balancer = &list->items[i];
        int r;

        if (!str_empty(balancer->target_group_arn) && !str_empty(balancer->load_balancer_name))
                return api_fail(
                        call, INVALID,
                        "loadBalancerName and targetGroupArn cannot both be specified. You must specify either a loadBalancerName or "
                        "a targetGroupArn.");
        if (!str_empty(balancer->load_balancer_name))
                return api_fail(call, UNSUPPORTED,
                                "Classic Load Balancers are not available on this server. Use an Application or Network Load Balancer and "
                                "name its targetGroupArn.");
        if (str_empty(balancer->target_group_arn))
                return api_fail(call, INVALID, "loadBalancers[%u]: targetGroupArn is required.", i);
        if (str_empty(balancer->container_name) || !SHAPE_HAS(balancer, ecs_load_balancer, container_port))
                return api_fail(call, INVALID, "loadBalancers[%u]: containerName and containerPort are required.", i);
        r = check_port(call, definition, balancer->container_name, balancer->container_port);
        if (r == 0)
                r = check_advanced(call, balancer, strategy, i);
        for (uint32_t j = 0; r == 0 && j < i; j++)
                if (shape_equal(&ecs_load_balancer_shape, balancer, &list->items[j]))
                        return api_fail(call, INVALID, "loadBalancers[%u] is given twice.", i);
        if (r == 0)
                r = service_check_target_group(call, balancer->target_group_arn, definition->network_mode);
        if (r == 0 && balancer->advanced_configuration != NULL)
                r = service_check_target_group(call, balancer->advanced_configuration->alternate_target_group_arn,
                                               definition->network_mode);
        return r;
}

static int check_balancers(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_load_balancer_list *list,
                           enum ecs_deployment_strategy strategy)
{
        if (list->n > MAX_TARGET_GROUPS)
                return api_fail(call, INVALID, "load balancers can have at most %d items.", MAX_TARGET_GROUPS);
        if (list->n > 0 && definition->network_mode == ECS_NETWORK_MODE_NONE)
                return api_fail(call, INVALID,
                                "loadBalancers: tasks with networkMode none have no ports that a load balancer could reach.");
        for (uint32_t i = 0; i < list->n; i++) {
                int r = check_balancer(call, definition, list, strategy, i);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- Discovery ---- */

/* Only what has an address of its own can have a record of its address alone. */
static int check_records(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_service_registry *registry,
                         const struct discovery_service *service)
{
        bool awsvpc = definition->network_mode == ECS_NETWORK_MODE_AWSVPC;

        for (uint32_t i = 0; i < service->state->dns_records.n; i++) {
                enum sd_record_type type = service->state->dns_records.items[i].type;

                if (type == SD_RECORD_TYPE_A && !awsvpc)
                        return api_fail(
                                call, INVALID,
                                "serviceRegistries[0]: the discovery service %s has A records, which say no port: they need networkMode "
                                "awsvpc. For bridge and host use a discovery service with SRV records only.",
                                service->state->name);
                if (type == SD_RECORD_TYPE_SRV && str_empty(registry->container_name) && !SHAPE_HAS(registry, ecs_service_registry, port))
                        return api_fail(call, INVALID,
                                        "serviceRegistries[0]: the discovery service %s has SRV records: port, or containerName and "
                                        "containerPort, are required.",
                                        service->state->name);
        }
        return 0;
}

static int check_registry(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_service_registry *registry)
{
        bool has_container = !str_empty(registry->container_name);
        bool has_container_port = SHAPE_HAS(registry, ecs_service_registry, container_port);
        const struct discovery_service *service;
        int r;

        if (str_empty(registry->registry_arn))
                return api_fail(call, INVALID, "serviceRegistries[0]: registryArn is required.");
        if (definition->network_mode == ECS_NETWORK_MODE_NONE)
                return api_fail(call, INVALID, "serviceRegistries: tasks with networkMode none have no address that could be found.");
        if (definition->network_mode != ECS_NETWORK_MODE_AWSVPC && (!has_container || !has_container_port))
                return api_fail(
                        call, INVALID,
                        "When specifying 'host' or 'bridge' for networkMode, values for 'containerName' and 'containerPort' must be "
                        "specified from the task definition.");
        if (has_container != has_container_port)
                return api_fail(call, INVALID, "serviceRegistries[0]: containerName and containerPort go together.");
        if (has_container && SHAPE_HAS(registry, ecs_service_registry, port))
                return api_fail(call, INVALID, "serviceRegistries[0]: use either port, or containerName and containerPort.");
        r = has_container ? check_port(call, definition, registry->container_name, registry->container_port) : 0;
        if (r < 0)
                return r;
        service = model_discovery_service_of_arn(call->model, registry->registry_arn);
        if (service == NULL)
                return api_fail(
                        call, INVALID,
                        "serviceRegistries[0]: there is no discovery service %.300s. `aws servicediscovery list-services` shows their "
                        "ARNs.",
                        registry->registry_arn);
        return check_records(call, definition, registry, service);
}

static int check_registries(struct api_call *call, const struct ecs_task_definition *definition,
                            const struct ecs_service_registry_list *list)
{
        if (list->n > MAX_REGISTRIES)
                return api_fail(call, INVALID, "service registries can have at most %d items.", MAX_REGISTRIES);
        return list->n > 0 ? check_registry(call, definition, &list->items[0]) : 0;
}

static int check_connect_service(struct api_call *call, const struct ecs_task_definition *definition,
                                 const struct ecs_service_connect_service_list *list, uint32_t i)
{
        const char *where = arena_printf(call->arena, "serviceConnectConfiguration.services[%u]", i);

        if (list->items[i].client_aliases.n > MAX_CLIENT_ALIASES)
                return api_fail(call, INVALID, "%s: at most %d client alias is allowed.", where, MAX_CLIENT_ALIASES);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(list->items[j].port_name, list->items[i].port_name))
                        return api_fail(call, INVALID, "%s: the portName %.100s is given twice.", where, list->items[i].port_name);
        return check_port_name(call, definition, where, list->items[i].port_name);
}

static int check_connect(struct api_call *call, const struct cluster *cluster, const struct ecs_task_definition *definition,
                         const struct ecs_service_connect_configuration *connect)
{
        if (connect == NULL || !connect->enabled)
                return 0;
        if (definition->network_mode != ECS_NETWORK_MODE_AWSVPC && definition->network_mode != ECS_NETWORK_MODE_BRIDGE)
                return api_fail(call, INVALID, "serviceConnectConfiguration: Service Connect needs networkMode bridge or awsvpc.");
        if (str_empty(connect->namespace) && cluster->state->service_connect_defaults == NULL)
                return api_fail(call, INVALID,
                                "serviceConnectConfiguration.namespace is required: cluster %s has no default namespace "
                                "(serviceConnectDefaults).",
                                cluster->state->name);
        if (!str_empty(connect->namespace)) {
                int r = cluster_check_namespace(call, connect->namespace);

                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < connect->services.n; i++) {
                int r = check_connect_service(call, definition, &connect->services, i);

                if (r < 0)
                        return r;
        }
        return api_fail(call, UNSUPPORTED,
                        "Service Connect is not available on this server: remove serviceConnectConfiguration, or set enabled to false. "
                        "Service discovery (serviceRegistries, AWS Cloud Map) is, and lets services find one another by name.");
}

static int check_lattice(struct api_call *call, const struct ecs_task_definition *definition,
                         const struct ecs_vpc_lattice_configuration_list *list)
{
        for (uint32_t i = 0; i < list->n; i++) {
                const char *where = arena_printf(call->arena, "vpcLatticeConfigurations[%u]", i);
                int r = check_port_name(call, definition, where, list->items[i].port_name);

                if (r < 0)
                        return r;
        }
        if (list->n > 0)
                return api_fail(call, UNSUPPORTED, "VPC Lattice is not available on this server: remove vpcLatticeConfigurations.");
        return 0;
}

/* ---- Volumes ---- */

static int check_volumes(struct api_call *call, const struct ecs_task_definition *definition,
                         const struct ecs_service_volume_configuration_list *list)
{
        for (uint32_t i = 0; i < list->n; i++) {
                const struct ecs_volume *found = NULL;

                for (uint32_t j = 0; j < definition->volumes.n; j++)
                        if (str_eq(definition->volumes.items[j].name, list->items[i].name))
                                found = &definition->volumes.items[j];
                if (found == NULL || !found->configured_at_launch)
                        return api_fail(call, INVALID,
                                        "volumeConfigurations[%u]: the task definition has no volume \"%.255s\" with configuredAtLaunch.",
                                        i, list->items[i].name);
        }
        return ecs_check_volumes(call, definition, list->n);
}

/* ---- Everything ---- */

static int check_launch(struct api_call *call, const struct cluster *cluster, const struct state_service *service,
                        const struct ecs_task_definition *definition, struct state_service_revision *revision)
{
        struct ecs_capacity_provider_strategy_item_list strategy = {0};
        const struct launch_wish wish = {
                .launch_type = revision->launch_type,
                .strategy = &revision->capacity_provider_strategy,
                .platform_version = revision->platform_version,
        };
        bool daemon = service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
        int r;

        if (daemon && revision->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                return api_fail(call, INVALID, "The daemon scheduling strategy is not supported with the FARGATE launch type.");
        if (daemon && !revision->launch_type &&
            revision->capacity_provider_strategy.n + cluster->state->default_capacity_provider_strategy.n > 0)
                return api_fail(call, INVALID,
                                "Specifying a capacity provider strategy is not supported when you create a service using the DAEMON "
                                "scheduling strategy.");
        r = launch_check(call, cluster, definition, &wish, &strategy);
        if (r < 0)
                return r;
        revision->capacity_provider_strategy = strategy;
        if (!revision->launch_type && strategy.n == 0)
                revision->launch_type = ECS_LAUNCH_TYPE_EC2;
        if (!launch_is_fargate(revision->launch_type, &strategy))
                return 0;
        if (str_empty(revision->platform_version))
                revision->platform_version = "LATEST";
        revision->platform_family = "Linux";
        return 0;
}

int service_check_revision(struct api_call *call, const struct cluster *cluster, const struct state_service *service,
                           const struct task_definition *definition, struct state_service_revision *revision)
{
        const struct ecs_task_definition *made_of = definition->state->definition;
        enum ecs_deployment_strategy strategy =
                service->deployment_configuration ? service->deployment_configuration->strategy : ECS_DEPLOYMENT_STRATEGY_ROLLING;
        int r = check_launch(call, cluster, service, made_of, revision);

        if (r == 0)
                r = ecs_check_network(call, made_of, revision->network_configuration,
                                      launch_is_fargate(revision->launch_type, &revision->capacity_provider_strategy));
        if (r == 0)
                r = ecs_check_features(call, made_of, service->enable_execute_command);
        if (r == 0)
                r = check_volumes(call, made_of, &revision->volume_configurations);
        if (r == 0)
                r = check_balancers(call, made_of, &revision->load_balancers, strategy);
        if (r == 0)
                r = check_registries(call, made_of, &revision->service_registries);
        if (r == 0)
                r = check_connect(call, cluster, made_of, revision->service_connect_configuration);
        if (r == 0)
                r = check_lattice(call, made_of, &revision->vpc_lattice_configurations);
        return r;
}
