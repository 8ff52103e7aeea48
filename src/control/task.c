/* SPDX-License-Identifier: Apache-2.0 */
/* Making tasks: ids, names and what they take of a container instance. */
#include "control/task.h"

#include <string.h>

#include "base/strutil.h"

/* Of a Fargate task that asks for none, as ECS gives it. */
#define DEFAULT_STORAGE_GIB 20

static const struct ecs_container_override *override_of(const struct ecs_task_override *overrides, const char *name)
{
        for (uint32_t i = 0; overrides && i < overrides->container_overrides.n; i++)
                if (str_eq(overrides->container_overrides.items[i].name, name))
                        return &overrides->container_overrides.items[i];
        return NULL;
}

int32_t task_storage_gib(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides)
{
        if (overrides != NULL && overrides->ephemeral_storage != NULL)
                return overrides->ephemeral_storage->size_in_gi_b;
        return definition != NULL && definition->ephemeral_storage != NULL ? definition->ephemeral_storage->size_in_gi_b
                                                                           : DEFAULT_STORAGE_GIB;
}

static void push_int(struct arena *arena, struct int_list *list, int64_t value)
{
        int64_t *items;

        for (uint32_t i = 0; i < list->n; i++)
                if (list->items[i] == value)
                        return;
        /* Lists of fixed ports are short: copying them for each new one costs nothing. */
        items = arena_calloc(arena, list->n + 1, sizeof(*items));
        if (list->n > 0)
                memcpy(items, list->items, list->n * sizeof(*items));
        items[list->n] = value;
        list->items = items;
        list->n++;
}

/* "8000-8005" in host mode. */
static void port_range(struct arena *arena, struct int_list *list, const char *range)
{
        const char *dash = strchr(range, '-');
        int64_t first, last;
        char text[8];

        if (!dash || (size_t)(dash - range) >= sizeof(text))
                return;
        memcpy(text, range, (size_t)(dash - range));
        text[dash - range] = 0;
        if (str_to_int64(text, &first) < 0 || str_to_int64(dash + 1, &last) < 0 || last > 65535)
                return;
        for (int64_t port = first; port <= last; port++)
                push_int(arena, list, port);
}

static void container_ports(const struct ecs_container_definition *container, bool host_mode, struct arena *arena, struct task_size *ret)
{
        for (uint32_t i = 0; i < container->port_mappings.n; i++) {
                const struct ecs_port_mapping *port = &container->port_mappings.items[i];
                struct int_list *list = port->protocol == ECS_TRANSPORT_PROTOCOL_UDP ? &ret->ports_udp : &ret->ports;

                if (host_mode && port->container_port_range)
                        port_range(arena, list, port->container_port_range);
                else if (host_mode && port->container_port > 0)
                        push_int(arena, list, port->container_port);
                else if (!host_mode && port->host_port > 0)
                        push_int(arena, list, port->host_port);
        }
}

static void container_size(const struct ecs_container_definition *container, const struct ecs_container_override *over, int64_t *cpu,
                           int64_t *memory)
{
        int64_t limit = container->memory, reservation = container->memory_reservation;

        *cpu += over && SHAPE_HAS(over, ecs_container_override, cpu) ? over->cpu : container->cpu;
        if (over && SHAPE_HAS(over, ecs_container_override, memory))
                limit = over->memory;
        if (over && SHAPE_HAS(over, ecs_container_override, memory_reservation))
                reservation = over->memory_reservation;
        *memory += reservation > 0 ? reservation : limit;
}

static bool task_level(const char *over, const char *own, int32_t *ret)
{
        int64_t n;

        if ((!over || str_to_int64(over, &n) < 0) && (!own || str_to_int64(own, &n) < 0))
                return false;
        *ret = (int32_t)MIN(MAX(n, 0), INT32_MAX);
        return true;
}

void task_size_of(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides, struct arena *arena,
                  struct task_size *ret)
{
        enum ecs_network_mode mode = definition->network_mode ? definition->network_mode : ECS_NETWORK_MODE_BRIDGE;
        int64_t cpu = 0, memory = 0;

        *ret = (struct task_size){0};
        for (uint32_t i = 0; i < definition->container_definitions.n; i++) {
                const struct ecs_container_definition *container = &definition->container_definitions.items[i];

                container_size(container, override_of(overrides, container->name), &cpu, &memory);
                if (mode == ECS_NETWORK_MODE_BRIDGE || mode == ECS_NETWORK_MODE_HOST)
                        container_ports(container, mode == ECS_NETWORK_MODE_HOST, arena, ret);
        }
        ret->cpu = (int32_t)MIN(cpu, INT32_MAX);
        ret->memory = (int32_t)MIN(memory, INT32_MAX);
        task_level(overrides ? overrides->cpu : NULL, definition->cpu, &ret->cpu);
        task_level(overrides ? overrides->memory : NULL, definition->memory, &ret->memory);
}

static bool has_health_check(const struct ecs_container_definition *container)
{
        return container->health_check != NULL;
}

static void make_containers(struct env *env, const struct ecs_task_definition *definition, struct arena *arena, struct state_task *out)
{
        uint32_t n = definition->container_definitions.n;

        out->containers.items = arena_calloc(arena, n, sizeof(*out->containers.items));
        out->containers.n = n;
        for (uint32_t i = 0; i < n; i++) {
                struct state_container *container = &out->containers.items[i];
                char *id = arena_bytes(arena, 37);

                env_random_uuid(env, id);
                container->id = id;
                container->name = definition->container_definitions.items[i].name;
                container->status = STATE_CONTAINER_STATUS_PENDING;
                if (has_health_check(&definition->container_definitions.items[i]))
                        container->health = ECS_HEALTH_STATUS_UNKNOWN;
        }
}

struct state_task *task_make(struct env *env, const struct task_request *request, struct arena *arena)
{
        const struct ecs_task_definition *definition = request->definition->state->definition;
        struct state_task *out = ARENA_NEW(arena, struct state_task);
        char *id = arena_bytes(arena, 33);
        struct task_size size;

        env_random_hex(env, id, 32);
        out->id = id;
        out->cluster = request->cluster->state->name;
        out->family = definition->family;
        SHAPE_SET(out, state_task, revision, definition->revision);
        out->group = request->group;
        out->started_by = request->started_by;
        out->service_name = request->service_name;
        out->capacity_provider = request->capacity_provider;
        out->launch_type = request->launch_type;
        out->platform_version = request->platform_version;
        out->last_status = STATE_TASK_STATUS_PENDING;
        out->desired_status = STATE_TASK_STATUS_RUNNING;
        out->health = ECS_HEALTH_STATUS_UNKNOWN;
        task_size_of(definition, request->overrides, arena, &size);
        SHAPE_SET(out, state_task, cpu, size.cpu);
        SHAPE_SET(out, state_task, memory, size.memory);
        out->ports = size.ports;
        out->ports_udp = size.ports_udp;
        out->overrides = (struct ecs_task_override *)request->overrides;
        out->network_configuration = (struct ecs_network_configuration *)request->network;
        out->tags = request->tags;
        SHAPE_SET(out, state_task, version, 1);
        out->created_at = env_now_ms(env);
        make_containers(env, definition, arena, out);
        return out;
}

bool task_definition_has_checks(const struct task_definition *definition)
{
        const struct ecs_container_definition_list *list;

        if (definition == NULL)
                return false;
        list = &definition->state->definition->container_definitions;
        for (uint32_t i = 0; i < list->n; i++) {
                const struct ecs_container_definition *container = &list->items[i];

                if (has_health_check(container) && (!SHAPE_HAS(container, ecs_container_definition, essential) || container->essential))
                        return true;
        }
        return false;
}
