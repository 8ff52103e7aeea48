/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of discovery services: see discovery.h. */
#include "control/discovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "control/targets.h"
#include "control/task.h"
#include "control/task_network.h"
#include "model/balancer.h"

/* ---- Tasks ---- */

/* Where a task of another network mode than awsvpc is reached: on its machine. */
static const char *address_of(const struct task *task)
{
        const char *own = task_network_detail(task->state, "privateIPv4Address");

        if (!str_empty(own))
                return own;
        return task->instance != NULL ? instance_address(task->instance->state) : NULL;
}

static bool is_awsvpc(const struct task *task)
{
        return task->definition != NULL && task->definition->state->definition->network_mode == ECS_NETWORK_MODE_AWSVPC;
}

/* 0: it has none, or none that is known yet. */
static int port_of(const struct task *task, const struct ecs_service_registry *registry)
{
        if (SHAPE_HAS(registry, ecs_service_registry, port))
                return registry->port;
        if (str_empty(registry->container_name))
                return 0;
        return is_awsvpc(task) ? registry->container_port : task_host_port(task, registry->container_name, registry->container_port);
}

/* Whether it can be found: it runs and shall go on, its node is there, and where it is reached is known. */
static bool is_instance(const struct task *task, const struct ecs_service_registry *registry)
{
        return task->state->last_status == STATE_TASK_STATUS_RUNNING && task->state->desired_status == STATE_TASK_STATUS_RUNNING &&
               task->instance != NULL && !task->instance->lost && address_of(task) != NULL &&
               (str_empty(registry->container_name) || port_of(task, registry) != 0);
}

static enum sd_health_status health_of(const struct task *task)
{
        if (!task_definition_has_checks(task->definition))
                return SD_HEALTH_STATUS_HEALTHY;
        return task->state->health == ECS_HEALTH_STATUS_HEALTHY ? SD_HEALTH_STATUS_HEALTHY : SD_HEALTH_STATUS_UNHEALTHY;
}

static void describe(const struct model *model, const struct task *task, const struct ecs_service_registry *registry, struct arena *arena,
                     struct discovery_entry *ret)
{
        struct string_map *to = &ret->attributes;
        int port = port_of(task, registry);
        const char *zone = task->instance->zone, *machine = task->instance->state->ec2_instance_id;

        if (zone != NULL)
                string_map_set(arena, to, "AVAILABILITY_ZONE", zone);
        string_map_set(arena, to, DISCOVERY_HEALTH,
                       task_definition_has_checks(task->definition) ? "UNHEALTHY"
                                                                    : "HEALTHY"); /* as ECS begins: a check has to pass first */
        string_map_set(arena, to, DISCOVERY_IPV4, address_of(task));
        if (port != 0)
                string_map_set(arena, to, DISCOVERY_PORT, arena_printf(arena, "%d", port));
        if (task->state->launch_type != ECS_LAUNCH_TYPE_FARGATE && !str_empty(machine))
                string_map_set(arena, to, "EC2_INSTANCE_ID", machine);
        string_map_set(arena, to, "ECS_CLUSTER_NAME", task->state->cluster);
        string_map_set(arena, to, "ECS_SERVICE_NAME", task->state->service_name);
        string_map_set(arena, to, "ECS_TASK_DEFINITION_FAMILY", task->state->family);
        string_map_set(arena, to, "REGION", model_region(model));
}

/* ---- Both ---- */

/* A task that is an instance, or an instance that was registered. `entry` has neither attributes nor health of a task yet. */
typedef bool (*visit_fn)(const struct discovery_entry *entry, const struct ecs_service_registry *registry, void *data);

static bool visit_tasks(const struct discovery_user *user, visit_fn visit, void *data)
{
        const struct ecs_service_registry *registry = discovery_user_registry(user);
        const struct task_set *set = user->owner->kind == OBJECT_TASK_SET ? CONTAINER_OF(user->owner, struct task_set, object) : NULL;
        const struct service_revision *revision = set == NULL ? CONTAINER_OF(user->owner, struct service_revision, object) : NULL;
        const struct service *service = set != NULL ? set->service : revision->service;

        list_for_each (task, &service->tasks, struct task, in_service) {
                const struct discovery_entry entry = {.id = task->state->id, .task = task};

                if (task->revision == revision && task->task_set == set && is_instance(task, registry) && !visit(&entry, registry, data))
                        return false;
        }
        return true;
}

/* Until `visit` returns false. */
static void visit_all(const struct discovery_service *service, visit_fn visit, void *data)
{
        list_for_each (instance, &service->instances, struct discovery_instance, in_service) {
                const struct discovery_entry entry = {.id = instance->state->id, .registered = instance};

                if (!visit(&entry, NULL, data))
                        return;
        }
        list_for_each (user, &service->users, struct discovery_user, in_service)
                if (!visit_tasks(user, visit, data))
                        return;
}

/* What visit_all leaves out. A service without a custom health check does not tell healths, but a task that fails its own has one. */
static void complete(const struct model *model, const struct discovery_service *service, const struct ecs_service_registry *registry,
                     struct arena *arena, struct discovery_entry *entry)
{
        enum sd_health_status health;

        if (entry->task != NULL) {
                describe(model, entry->task, registry, arena, entry);
                health = health_of(entry->task);
                entry->health =
                        service->state->custom_health != NULL || health == SD_HEALTH_STATUS_UNHEALTHY ? health : SD_HEALTH_STATUS_UNKNOWN;
                return;
        }
        entry->attributes = entry->registered->state->attributes;
        entry->health = SD_HEALTH_STATUS_UNKNOWN;
        if (entry->registered->state->health != SD_CUSTOM_HEALTH_STATUS_UNSET)
                entry->health = entry->registered->state->health == SD_CUSTOM_HEALTH_STATUS_HEALTHY ? SD_HEALTH_STATUS_HEALTHY
                                                                                                    : SD_HEALTH_STATUS_UNHEALTHY;
}

struct collector {
        const struct model *model;
        const struct discovery_service *service;
        struct arena *arena;
        const char *id; /* NULL: all */
        struct discovery_entries *entries;
};

static bool collect(const struct discovery_entry *entry, const struct ecs_service_registry *registry, void *data)
{
        struct collector *to = data;
        struct discovery_entry *item;

        if (to->id != NULL && !str_eq(to->id, entry->id))
                return true;
        item = SHAPE_PUSH(to->arena, to->entries);
        *item = *entry;
        complete(to->model, to->service, registry, to->arena, item);
        return to->id == NULL;
}

static int compare_ids(const void *a, const void *b)
{
        return strcmp(((const struct discovery_entry *)a)->id, ((const struct discovery_entry *)b)->id);
}

void discovery_entries(struct model *model, struct discovery_service *service, struct arena *arena, struct discovery_entries *ret)
{
        *ret = (struct discovery_entries){0};
        visit_all(service, collect, &(struct collector){model, service, arena, NULL, ret});
        if (ret->n > 1)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_ids);
}

bool discovery_entry(struct model *model, struct discovery_service *service, const char *id, struct arena *arena,
                     struct discovery_entry *ret)
{
        struct discovery_entries found = {0};

        visit_all(service, collect, &(struct collector){model, service, arena, id, &found});
        if (found.n == 0)
                return false;
        *ret = found.items[0];
        return true;
}

static bool count(UNUSED const struct discovery_entry *entry, UNUSED const struct ecs_service_registry *registry, void *data)
{
        ++*(uint32_t *)data;
        return true;
}

uint32_t discovery_count(const struct discovery_service *service)
{
        uint32_t n = 0;

        visit_all(service, count, &n);
        return n;
}

/* ---- Changes ---- */

struct discovery_service *discovery_service_of_task(struct model *model, const struct state_task *state)
{
        const struct service_revision *revision;
        const struct task_set *set;

        if (state->service_name == NULL || state->service_revision == NULL || model_objects(model, OBJECT_DISCOVERY_SERVICE)->count == 0)
                return NULL;
        revision = model_service_revision(model, state->cluster, state->service_name, state->service_revision);
        if (revision != NULL)
                return revision->discovery.service;
        set = model_task_set(model, state->cluster, state->service_name, state->service_revision);
        return set != NULL ? set->discovery.service : NULL;
}

static bool may_be_instance(const struct state_task *state)
{
        return state != NULL && state->last_status == STATE_TASK_STATUS_RUNNING && state->desired_status == STATE_TASK_STATUS_RUNNING;
}

bool discovery_task_changes(const struct state_task *old_state, const struct state_task *new_state)
{
        if (!may_be_instance(old_state) && !may_be_instance(new_state))
                return false;
        if (may_be_instance(old_state) != may_be_instance(new_state) || old_state->health != new_state->health)
                return true;
        for (uint32_t i = 0; i < new_state->containers.n; i++)
                if (i >= old_state->containers.n ||
                    old_state->containers.items[i].network_bindings.n != new_state->containers.items[i].network_bindings.n)
                        return true;
        return false;
}
