/* SPDX-License-Identifier: Apache-2.0 */
/* How the API shows a container instance. */
#include "api/ecs/instances.h"

#include <string.h>

#include "api/agent/agents.h"
#include "api/ecs/common.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/capacity/providers.h"
#include "model/machine.h"
#include "model/ports.h"

static struct ecs_resource *resource(struct api_call *call, struct ecs_resource_list *list, const char *name, const char *type)
{
        struct ecs_resource *r = SHAPE_PUSH(call->arena, list);

        r->name = name;
        r->type = type;
        /* All three numbers are always there, as clients expect. */
        SHAPE_SET(r, ecs_resource, double_value, 0);
        SHAPE_SET(r, ecs_resource, long_value, 0);
        SHAPE_SET(r, ecs_resource, integer_value, 0);
        return r;
}

static void integer(struct api_call *call, struct ecs_resource_list *list, const char *name, int32_t value)
{
        struct ecs_resource *r = resource(call, list, name, "INTEGER");

        SHAPE_SET(r, ecs_resource, integer_value, value);
}

static void empty_set(struct string_list *set)
{
        static const char *none[1];

        set->items = none;
}

static void ports(struct api_call *call, struct ecs_resource_list *list, const char *name, const struct int_list *numbers)
{
        struct ecs_resource *r = resource(call, list, name, "STRINGSET");

        empty_set(&r->string_set_value);
        if (numbers->n > 0)
                r->string_set_value = (struct string_list){0};
        for (uint32_t i = 0; i < numbers->n; i++)
                string_list_push(call->arena, &r->string_set_value, arena_printf(call->arena, "%d", (int)numbers->items[i]));
}

static void used_ports(struct api_call *call, struct ecs_resource_list *list, const char *name, const struct port_set *set)
{
        struct int_list numbers = {.n = set ? port_set_count(set) : 0};

        numbers.items = arena_calloc(call->arena, numbers.n, sizeof(*numbers.items));
        for (uint32_t i = 0; i < numbers.n; i++)
                numbers.items[i] = port_set_at(set, i);
        ports(call, list, name, &numbers);
}

static void resources(struct api_call *call, const struct instance *instance, struct ecs_container_instance *out)
{
        const struct state_container_instance *state = instance->state;

        integer(call, &out->registered_resources, "CPU", state->cpu);
        integer(call, &out->registered_resources, "MEMORY", state->memory);
        ports(call, &out->registered_resources, "PORTS", &state->ports);
        ports(call, &out->registered_resources, "PORTS_UDP", &state->ports_udp);
        integer(call, &out->remaining_resources, "CPU", state->cpu - instance->cpu_used);
        integer(call, &out->remaining_resources, "MEMORY", state->memory - instance->memory_used);
        used_ports(call, &out->remaining_resources, "PORTS", instance->ports_used);
        used_ports(call, &out->remaining_resources, "PORTS_UDP", instance->ports_used_udp);
}

static struct ecs_version_info *version_info(struct api_call *call, const struct state_container_instance *state)
{
        struct ecs_version_info *out = ARENA_NEW(call->arena, struct ecs_version_info);

        out->agent_version = state->agent_version;
        out->agent_hash = state->agent_hash;
        out->docker_version = state->docker_version;
        return out;
}

/* Of the cluster, and over the Auto Scaling group that the machine belongs to. */
static const char *capacity_provider_of(struct api_call *call, const struct instance *instance)
{
        const struct machine *machine = model_machine_of(call->model, instance);
        const struct string_list *providers = &instance->cluster->state->capacity_providers;

        for (uint32_t i = 0; machine && i < providers->n; i++)
                if (model_provider_group(call->model, provider_name_in(providers->items[i])) == machine->group)
                        return provider_name_in(providers->items[i]);
        return NULL;
}

void ecs_view_instance(struct api_call *call, const struct instance *instance, const struct int_list *include,
                       struct ecs_container_instance *out)
{
        const struct state_container_instance *state = instance->state;

        out->container_instance_arn = model_instance_arn(call->model, call->arena, state->cluster, state->id);
        out->ec2_instance_id = state->ec2_instance_id;
        SHAPE_SET(out, ecs_container_instance, version, state->version);
        out->version_info = version_info(call, state);
        resources(call, instance, out);
        out->capacity_provider_name = capacity_provider_of(call, instance);
        out->status = shape_enum_name(&state_instance_status_enum, state->status);
        out->status_reason = state->status_reason;
        SHAPE_SET(out, ecs_container_instance, agent_connected, instance->connected);
        SHAPE_SET(out, ecs_container_instance, running_tasks_count, (int32_t)instance->n_running);
        SHAPE_SET(out, ecs_container_instance, pending_tasks_count, (int32_t)instance->n_pending);
        out->attributes = state->attributes;
        out->registered_at = state->registered_at;
        if (ecs_includes(include, ECS_CONTAINER_INSTANCE_FIELD_TAGS))
                out->tags = state->tags;
        if (ecs_includes(include, ECS_CONTAINER_INSTANCE_FIELD_CONTAINER_INSTANCE_HEALTH) && call->api->agents)
                out->health_status = agents_health(call->api->agents, instance, call->arena);
}

int ecs_need_instance(struct api_call *call, struct cluster *cluster, const char *text, struct instance **ret)
{
        struct instance *instance = ecs_find_instance(call, cluster, text);

        if (!instance)
                return api_fail(call, "InvalidParameterException", "The referenced container instance %.200s was not found in cluster %s.",
                                text, cluster->state->name);
        *ret = instance;
        return 0;
}

int ecs_own_instance(struct api_call *call, const struct instance *instance)
{
        if (call->key_kind != STATE_KEY_KIND_AGENT || str_empty(instance->state->key_id) || str_eq(instance->state->key_id, call->key_id))
                return 0;
        return api_fail(call, "AccessDeniedException",
                        "User: %s is not authorized to perform: ecs:%s on resource: container-instance/%s/%s because another access key "
                        "registered it.",
                        call->principal_arn, call->operation->name, instance->state->cluster, instance->state->id);
}

const char *ecs_instance_attribute(const struct instance *instance, const char *name)
{
        const struct ecs_attribute_list *list = &instance->state->attributes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return list->items[i].value ? list->items[i].value : "";
        return NULL;
}
