/* SPDX-License-Identifier: Apache-2.0 */
/* The task's own part of a payload: identity, size, modes, volumes, credentials. */
#include "api/agent/payload.h"

#include <string.h>

#include "base/strutil.h"
#include "control/task.h"
#include "control/task_network.h"

const struct ecs_container_override *payload_override(const struct ecs_task_override *overrides, const char *name)
{
        if (!overrides)
                return NULL;
        for (uint32_t i = 0; i < overrides->container_overrides.n; i++)
                if (str_eq(overrides->container_overrides.items[i].name, name))
                        return &overrides->container_overrides.items[i];
        return NULL;
}

static int64_t size_of(const char *over, const char *own)
{
        int64_t n;

        if (over && str_to_int64(over, &n) == 0)
                return n;
        if (own && str_to_int64(own, &n) == 0)
                return n;
        return 0;
}

int64_t payload_task_cpu(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides)
{
        return size_of(overrides ? overrides->cpu : NULL, definition->cpu);
}

int64_t payload_task_memory(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides)
{
        return size_of(overrides ? overrides->memory : NULL, definition->memory);
}

static struct acs_docker_volume *docker_volume(const struct ecs_docker_volume_configuration *in, struct arena *arena)
{
        struct acs_docker_volume *out = ARENA_NEW(arena, struct acs_docker_volume);

        out->scope = in->scope == ECS_SCOPE_SHARED ? "shared" : "task";
        SHAPE_SET(out, acs_docker_volume, autoprovision, in->autoprovision);
        out->driver = in->driver ? in->driver : "local";
        out->driver_opts = in->driver_opts;
        out->labels = in->labels;
        return out;
}

static struct acs_efs_volume *efs_volume(const struct ecs_efs_volume_configuration *in, struct arena *arena)
{
        struct acs_efs_volume *out = ARENA_NEW(arena, struct acs_efs_volume);

        out->file_system_id = in->file_system_id;
        out->root_directory = in->root_directory ? in->root_directory : "/";
        out->transit_encryption = shape_enum_name(&ecs_efs_transit_encryption_enum, in->transit_encryption);
        if (SHAPE_HAS(in, ecs_efs_volume_configuration, transit_encryption_port))
                SHAPE_SET(out, acs_efs_volume, transit_encryption_port, in->transit_encryption_port);
        if (in->authorization_config) {
                out->authorization_config = ARENA_NEW(arena, struct acs_efs_authorization);
                out->authorization_config->access_point_id = in->authorization_config->access_point_id;
                out->authorization_config->iam = shape_enum_name(&ecs_efs_authorization_config_iam_enum, in->authorization_config->iam);
        }
        return out;
}

/* A volume of type host must carry `host`, even an empty one: then the agent makes a scratch volume for the task. */
static void volume(const struct ecs_volume *in, struct arena *arena, struct acs_volume *out)
{
        out->name = in->name;
        if (in->docker_volume_configuration) {
                out->type = "docker";
                out->docker_volume_configuration = docker_volume(in->docker_volume_configuration, arena);
        } else if (in->efs_volume_configuration) {
                out->type = "efs";
                out->efs_volume_configuration = efs_volume(in->efs_volume_configuration, arena);
        } else {
                out->type = "host";
                out->host = ARENA_NEW(arena, struct acs_host_volume);
                out->host->source_path = in->host ? in->host->source_path : NULL;
        }
}

static void identity(const struct model *model, const struct task *task, struct arena *arena, struct acs_task *out)
{
        const struct state_task *state = task->state;

        out->arn = model_task_arn(model, arena, state->cluster, state->id);
        out->task_cluster_arn = model_cluster_arn(model, arena, state->cluster);
        out->family = state->family;
        out->version = arena_printf(arena, "%d", state->revision);
}

static void size(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides, struct acs_task *out)
{
        int64_t cpu = payload_task_cpu(definition, overrides), memory = payload_task_memory(definition, overrides);

        if (cpu > 0)
                SHAPE_SET(out, acs_task, cpu, (double)cpu / 1024);
        if (memory > 0)
                SHAPE_SET(out, acs_task, memory, (int32_t)memory);
}

static const char *container_id(const struct state_task *state, const char *name)
{
        for (uint32_t i = 0; i < state->containers.n; i++)
                if (str_eq(state->containers.items[i].name, name))
                        return state->containers.items[i].id;
        return "";
}

static void containers(const struct payload_container_source *common, struct arena *arena, struct acs_task *out)
{
        const struct ecs_container_definition_list *list = &common->definition->container_definitions;
        const struct state_task *state = common->task->state;
        struct payload_container_source source = *common;

        out->containers.items = arena_calloc(arena, list->n, sizeof(*out->containers.items));
        out->containers.n = list->n;
        for (uint32_t i = 0; i < list->n; i++) {
                source.container = &list->items[i];
                source.over = payload_override(state->overrides, source.container->name);
                payload_container(
                        &source,
                        model_container_arn(source.model, arena, state->cluster, state->id, container_id(state, source.container->name)),
                        arena, &out->containers.items[i]);
        }
}

/* The interface of an awsvpc task, as its attachment and its subnet say. */
static void interface(const struct model *model, const struct state_task *state, struct arena *arena, struct acs_task *ret)
{
        const char *id = task_network_detail(state, "networkInterfaceId"), *address = task_network_detail(state, "privateIPv4Address");
        /* Looked up only; the model's functions for that are not const because what they return is not. */
        const struct subnet *subnet = model_subnet((struct model *)(uintptr_t)model, task_network_detail(state, "subnetId"));
        const char *dns = task_network_detail(state, "privateDnsName"), *domain = dns != NULL ? strchr(dns, '.') : NULL;
        struct acs_elastic_network_interface *eni;
        struct acs_ipv4_address *first;
        char text[CIDR_TEXT_MAX];
        struct cidr range;

        if (id == NULL || address == NULL || subnet == NULL)
                return;
        eni = SHAPE_PUSH(arena, &ret->elastic_network_interfaces);
        eni->attachment_arn = arena_printf(arena, "arn:aws:ecs:%s:%s:attachment/%s", model_region(model), model_account(model),
                                           task_network_attachment_id(state));
        eni->ec2_id = id;
        eni->mac_address = task_network_detail(state, "macAddress");
        first = SHAPE_PUSH(arena, &eni->ipv4_addresses);
        SHAPE_SET(first, acs_ipv4_address, primary, true);
        first->private_address = address;
        cidr_format_address(subnet->range.address + 1, text);
        eni->subnet_gateway_ipv4_address = arena_printf(arena, "%s/%d", text, subnet->range.prefix);
        eni->private_dns_name = dns;
        if (domain != NULL)
                string_list_push(arena, &eni->domain_name, domain + 1);
        if (subnet->vpc->state->ranges.n > 0 && cidr_parse(subnet->vpc->state->ranges.items[0].cidr, &range) == 0) {
                cidr_format_address(range.address + 2, text);
                string_list_push(arena, &eni->domain_name_servers, arena_strdup(arena, text));
        }
}

void payload_run(const struct model *model, const struct task *task, const struct payload_extras *extras, struct arena *arena,
                 struct acs_task *ret)
{
        const struct ecs_task_definition *definition = task->definition->state->definition;
        const struct state_task *state = task->state;
        struct payload_container_source source = {.model = model, .task = task, .definition = definition, .extras = extras};

        identity(model, task, arena, ret);
        ret->desired_status = "RUNNING";
        size(definition, state->overrides, ret);
        interface(model, state, arena, ret);
        ret->network_mode =
                shape_enum_name(&ecs_network_mode_enum, definition->network_mode ? definition->network_mode : ECS_NETWORK_MODE_BRIDGE);
        ret->pid_mode = shape_enum_name(&ecs_pid_mode_enum, definition->pid_mode);
        ret->ipc_mode = shape_enum_name(&ecs_ipc_mode_enum, definition->ipc_mode);
        ret->launch_type = shape_enum_name(&ecs_launch_type_enum, state->launch_type);
        ret->service_name = state->service_name;
        ret->group = state->group;
        ret->task_definition_account_id = model_account(model);
        ret->zone = extras->zone;
        /* Only written out, never changed through this pointer. */
        ret->role_credentials = (struct acs_role_credentials *)extras->role;
        ret->execution_role_credentials = (struct acs_role_credentials *)extras->execution_role;
        if (state->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                SHAPE_SET(ret, acs_task, ephemeral_storage_gib, task_storage_gib(definition, state->overrides));
        if (extras->unique)
                SHAPE_SET(ret, acs_task, unique, true);
        if (definition->enable_fault_injection)
                SHAPE_SET(ret, acs_task, enable_fault_injection, true);
        for (uint32_t i = 0; i < definition->volumes.n; i++)
                volume(&definition->volumes.items[i], arena, SHAPE_PUSH(arena, &ret->volumes));
        containers(&source, arena, ret);
}

void payload_stop(const struct model *model, const struct task *task, struct arena *arena, struct acs_task *ret)
{
        identity(model, task, arena, ret);
        ret->desired_status = "STOPPED";
}
