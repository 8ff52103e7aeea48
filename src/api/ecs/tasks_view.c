/* SPDX-License-Identifier: Apache-2.0 */
/* How the API shows a task. */
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/instances.h"
#include "api/ecs/tasks.h"
#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/task_network.h"

static const struct ecs_container_definition *definition_of(const struct task *task, const char *name)
{
        const struct ecs_container_definition_list *list;

        if (!task->definition)
                return NULL;
        list = &task->definition->state->definition->container_definitions;
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return &list->items[i];
        return NULL;
}

static const struct ecs_container_override *override_of(const struct ecs_task_override *overrides, const char *name)
{
        for (uint32_t i = 0; overrides && i < overrides->container_overrides.n; i++)
                if (str_eq(overrides->container_overrides.items[i].name, name))
                        return &overrides->container_overrides.items[i];
        return NULL;
}

static const char *number(struct api_call *call, int32_t value)
{
        return arena_printf(call->arena, "%d", value);
}

static void view_sizes(struct api_call *call, const struct ecs_container_definition *definition, const struct ecs_container_override *over,
                       struct ecs_container *out)
{
        bool has_memory = SHAPE_HAS(definition, ecs_container_definition, memory);
        bool has_reservation = SHAPE_HAS(definition, ecs_container_definition, memory_reservation);
        int32_t cpu = definition->cpu, memory = definition->memory, reservation = definition->memory_reservation;

        if (over && SHAPE_HAS(over, ecs_container_override, cpu))
                cpu = over->cpu;
        if (over && SHAPE_HAS(over, ecs_container_override, memory)) {
                memory = over->memory;
                has_memory = true;
        }
        if (over && SHAPE_HAS(over, ecs_container_override, memory_reservation)) {
                reservation = over->memory_reservation;
                has_reservation = true;
        }
        out->cpu = number(call, cpu);
        if (has_memory)
                out->memory = number(call, memory);
        if (has_reservation)
                out->memory_reservation = number(call, reservation);
}

/* In host mode the runtime reports no bindings: the container's ports are the host's. */
static void host_bindings(struct api_call *call, const struct ecs_container_definition *definition, struct ecs_container *out)
{
        for (uint32_t i = 0; i < definition->port_mappings.n; i++) {
                const struct ecs_port_mapping *port = &definition->port_mappings.items[i];
                struct ecs_network_binding *binding = SHAPE_PUSH(call->arena, &out->network_bindings);

                binding->bind_ip = "0.0.0.0";
                binding->protocol = port->protocol ? port->protocol : ECS_TRANSPORT_PROTOCOL_TCP;
                if (port->container_port_range) {
                        binding->container_port_range = binding->host_port_range = port->container_port_range;
                        continue;
                }
                SHAPE_SET(binding, ecs_network_binding, container_port, port->container_port);
                SHAPE_SET(binding, ecs_network_binding, host_port, port->container_port);
        }
}

/* Of an awsvpc task every container has the task's interface. */
static void view_interface(struct api_call *call, const struct state_task *state, struct ecs_container *out)
{
        for (uint32_t i = 0; i < state->attachments.n; i++) {
                const struct ecs_attachment *attachment = &state->attachments.items[i];

                if (str_eq(attachment->type, TASK_ATTACHMENT_ENI))
                        *SHAPE_PUSH(call->arena, &out->network_interfaces) = (struct ecs_network_interface){
                                .attachment_id = attachment->id, .private_ipv4_address = task_network_detail(state, "privateIPv4Address")};
        }
}

static void view_container(struct api_call *call, const struct task *task, const struct state_container *state, const char *task_arn,
                           struct ecs_container *out)
{
        const struct ecs_container_definition *definition = definition_of(task, state->name);

        out->container_arn = model_container_arn(call->model, call->arena, task->state->cluster, task->state->id, state->id);
        out->task_arn = task_arn;
        out->name = state->name;
        out->image_digest = state->image_digest;
        out->runtime_id = state->runtime_id;
        out->last_status = shape_enum_name(&state_container_status_enum, state->status);
        if (SHAPE_HAS(state, state_container, exit_code))
                SHAPE_SET(out, ecs_container, exit_code, state->exit_code);
        out->reason = state->reason;
        out->network_bindings = state->network_bindings;
        view_interface(call, task->state, out);
        out->health_status = state->health ? state->health : ECS_HEALTH_STATUS_UNKNOWN;
        if (!definition)
                return;
        out->image = definition->image;
        view_sizes(call, definition, override_of(task->state->overrides, state->name), out);
        if (out->network_bindings.n == 0 && state->status == STATE_CONTAINER_STATUS_RUNNING &&
            task->definition->state->definition->network_mode == ECS_NETWORK_MODE_HOST)
                host_bindings(call, definition, out);
}

/* Every container is named, also those that nothing is overridden for. */
static struct ecs_task_override *view_overrides(struct api_call *call, const struct state_task *state)
{
        struct ecs_task_override *out = ARENA_NEW(call->arena, struct ecs_task_override);

        if (state->overrides)
                *out = *state->overrides;
        out->container_overrides = (struct ecs_container_override_list){0};
        for (uint32_t i = 0; i < state->containers.n; i++) {
                const struct ecs_container_override *over = override_of(state->overrides, state->containers.items[i].name);
                struct ecs_container_override *slot = SHAPE_PUSH(call->arena, &out->container_overrides);

                if (over)
                        *slot = *over;
                slot->name = state->containers.items[i].name;
        }
        return out;
}

static void view_attribute(struct api_call *call, struct ecs_task *out, const char *name, const char *value)
{
        struct ecs_attribute *attribute;

        if (str_empty(value))
                return;
        attribute = SHAPE_PUSH(call->arena, &out->attributes);
        attribute->name = name;
        attribute->value = value;
}

static void view_instance(struct api_call *call, const struct task *task, struct ecs_task *out)
{
        const struct state_task *state = task->state;
        const char *architecture;

        if (state->instance && state->launch_type != ECS_LAUNCH_TYPE_FARGATE)
                out->container_instance_arn = model_instance_arn(call->model, call->arena, state->cluster, state->instance);
        if (!task->instance)
                return;
        out->availability_zone = ecs_instance_attribute(task->instance, "ecs.availability-zone");
        architecture = ecs_instance_attribute(task->instance, "ecs.cpu-architecture");
        view_attribute(call, out, "ecs.cpu-architecture", architecture);
        if (state->connectivity_at != 0)
                out->connectivity = task->instance->connected ? ECS_CONNECTIVITY_CONNECTED : ECS_CONNECTIVITY_DISCONNECTED;
}

/* What only Fargate tasks show. How its host keeps it apart from others is our own attribute. */
static void view_fargate(struct api_call *call, const struct task *task, struct ecs_task *out)
{
        int32_t gib = task_storage_gib(task->definition ? task->definition->state->definition : NULL, task->state->overrides);

        out->ephemeral_storage = ARENA_NEW(call->arena, struct ecs_ephemeral_storage);
        SHAPE_SET(out->ephemeral_storage, ecs_ephemeral_storage, size_in_gi_b, gib);
        out->platform_family = "Linux";
        if (task->instance)
                view_attribute(call, out, FARGATE_ATTRIBUTE, fargate_isolation(task->instance));
}

static void view_times(const struct state_task *state, struct ecs_task *out)
{
        out->connectivity_at = state->connectivity_at;
        out->created_at = state->created_at;
        out->execution_stopped_at = state->execution_stopped_at;
        out->pull_started_at = state->pull_started_at;
        out->pull_stopped_at = state->pull_stopped_at;
        out->started_at = state->started_at;
        out->stopped_at = state->stopped_at;
        out->stopping_at = state->stopping_at;
}

void ecs_view_task(struct api_call *call, const struct task *task, const struct int_list *include, struct ecs_task *out)
{
        const struct state_task *state = task->state;

        out->task_arn = model_task_arn(call->model, call->arena, state->cluster, state->id);
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->task_definition_arn = model_task_definition_arn(call->model, call->arena, state->family, state->revision);
        view_instance(call, task, out);
        if (state->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                view_fargate(call, task, out);
        view_times(state, out);
        out->attachments = state->attachments;
        out->capacity_provider_name = state->capacity_provider;
        out->cpu = number(call, state->cpu);
        out->memory = number(call, state->memory);
        out->desired_status = shape_enum_name(&state_task_status_enum, state->desired_status);
        out->last_status = shape_enum_name(&state_task_status_enum, state->last_status);
        SHAPE_SET(out, ecs_task, enable_execute_command, state->enable_execute_command);
        out->group = state->group;
        out->health_status = state->health ? state->health : ECS_HEALTH_STATUS_UNKNOWN;
        out->launch_type = state->launch_type;
        out->overrides = view_overrides(call, state);
        out->platform_version = state->platform_version;
        out->started_by = state->started_by;
        out->stop_code = state->stop_code;
        out->stopped_reason = state->stopped_reason;
        SHAPE_SET(out, ecs_task, version, state->version);
        if (ecs_includes(include, ECS_TASK_FIELD_TAGS))
                out->tags = state->tags;
        out->containers.items = arena_calloc(call->arena, state->containers.n, sizeof(*out->containers.items));
        out->containers.n = state->containers.n;
        for (uint32_t i = 0; i < state->containers.n; i++)
                view_container(call, task, &state->containers.items[i], out->task_arn, &out->containers.items[i]);
}
