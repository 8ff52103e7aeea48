/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of Fargate hosts: see fargate.h. */
#include "control/capacity/fargate.h"

#include <string.h>

#include "base/strutil.h"
#include "control/network.h"
#include "control/capacity/provided.h"
#include "control/service/service.h"
#include "control/task.h"
#include "control/task_network.h"

/* Where hosts can be registered. */
static const char *const host_clusters[] = {FARGATE_CLUSTER, "default"};

bool fargate_is_provider(const char *provider)
{
        return str_eq(provider, "FARGATE") || str_eq(provider, "FARGATE_SPOT");
}

const char *fargate_platform(const char *version)
{
        return str_empty(version) || str_eq(version, "LATEST") ? FARGATE_PLATFORM : version;
}

static const char *attribute_of(const struct instance *instance, const char *name)
{
        const struct ecs_attribute_list *list = &instance->state->attributes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return list->items[i].value;
        return NULL;
}

const char *fargate_isolation(const struct instance *instance)
{
        return attribute_of(instance, FARGATE_ATTRIBUTE);
}

int32_t fargate_overhead(const struct instance *host, int32_t memory)
{
        return str_eq(fargate_isolation(host), "microvm") ? FARGATE_MICROVM_MIB(memory) : 0;
}

/* ---- Picking ---- */

/* The same, on instances that have one attribute more; `value` NULL: any. */
static void require(const struct placement_request *request, const char *attribute, const char *value, struct arena *arena,
                    struct placement_request *ret)
{
        struct ecs_attribute_list *required = ARENA_NEW(arena, struct ecs_attribute_list);

        for (uint32_t i = 0; request->required != NULL && i < request->required->n; i++)
                *SHAPE_PUSH(arena, required) = request->required->items[i];
        *SHAPE_PUSH(arena, required) = (struct ecs_attribute){.name = attribute, .value = value};
        *ret = *request;
        ret->required = required;
        ret->class_id = 0;
}

void fargate_request(const struct placement_request *request, struct arena *arena, struct placement_request *ret)
{
        require(request, FARGATE_ATTRIBUTE, NULL, arena, ret);
        ret->launch_type = ECS_LAUNCH_TYPE_FARGATE;
}

/* The same on the hosts that are registered in `cluster`. */
static struct placement_request on_hosts_of(struct model *model, const struct placement_request *request, const char *cluster,
                                            struct arena *arena)
{
        struct placement_request copy = *request;

        copy.cluster = model_cluster(model, cluster);
        copy.class_id = 0;
        if (!str_eq(cluster, request->cluster->state->name))
                copy.group = arena_printf(arena, "%s/%s", request->cluster->state->name, request->group != NULL ? request->group : "");
        return copy;
}

static bool has_more_room(const struct instance *a, const struct instance *b)
{
        return (int64_t)a->cpu_used * MAX(b->state->cpu, 1) < (int64_t)b->cpu_used * MAX(a->state->cpu, 1);
}

static bool has_room(const struct instance *host, int32_t memory)
{
        return host->state->memory - host->memory_used >= memory + fargate_overhead(host, memory);
}

/* A host that has what its kind of server costs, too. Mostly the first one has; else there may be one with more room, or one of sandboxes. */
static struct instance *pick_with_room(struct sched *sched, struct placement_request *request, struct arena *arena)
{
        struct instance *found = sched_pick(sched, request);
        struct placement_request more = *request, sandbox;

        if (found == NULL || has_room(found, request->memory))
                return found;
        more.memory += FARGATE_MICROVM_MIB(request->memory);
        more.class_id = 0;
        found = sched_pick(sched, &more);
        if (found != NULL)
                return found;
        require(request, FARGATE_ATTRIBUTE, "sandbox", arena, &sandbox);
        return sched_pick(sched, &sandbox);
}

/* Of two clusters' candidates the one that is less used: strategies hold within a cluster. */
struct instance *fargate_pick(struct model *model, struct sched *sched, const struct placement_request *request, const char *provider)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct placement_request wish = *request;
        struct instance *best = NULL;

        if (str_eq(provider, "FARGATE_SPOT"))
                require(request, FARGATE_SPOT_ATTRIBUTE, NULL, &arena, &wish);
        for (size_t i = 0; i < ARRAY_SIZE(host_clusters); i++) {
                struct placement_request here = on_hosts_of(model, &wish, host_clusters[i], &arena);
                struct instance *found = here.cluster != NULL ? pick_with_room(sched, &here, &arena) : NULL;

                if (found != NULL && (best == NULL || has_more_room(found, best)))
                        best = found;
        }
        return best;
}

static bool would_do(struct sched *sched, struct placement_request *request, struct instance *host)
{
        const char *reason;

        if (host->lost || host->state->status != STATE_INSTANCE_STATUS_ACTIVE || host->state->cpu < request->cpu ||
            host->state->memory < request->memory + fargate_overhead(host, request->memory))
                return false;
        reason = sched_reason(sched, request, host);
        return reason == NULL || str_eq(reason, "AGENT") || str_starts_with(reason, "RESOURCE:");
}

bool fargate_possible(struct model *model, struct sched *sched, const struct placement_request *request)
{
        CLEANUP_ARENA struct arena arena = {0};

        for (size_t i = 0; i < ARRAY_SIZE(host_clusters); i++) {
                struct placement_request here = on_hosts_of(model, request, host_clusters[i], &arena);

                if (here.cluster == NULL)
                        continue;
                list_for_each (instance, &here.cluster->instances, struct instance, in_cluster)
                        if (fargate_isolation(instance) != NULL && would_do(sched, &here, instance))
                                return true;
        }
        return false;
}

struct instance *fargate_lacking(struct model *model, struct sched *sched, const struct placement_request *request)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct instance *found = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(host_clusters); i++) {
                struct placement_request here = on_hosts_of(model, request, host_clusters[i], &arena);

                if (here.cluster == NULL)
                        continue;
                list_for_each (instance, &here.cluster->instances, struct instance, in_cluster) {
                        if (fargate_isolation(instance) == NULL)
                                continue;
                        if (!str_eq(sched_reason(sched, &here, instance), "ATTRIBUTE"))
                                return NULL;
                        found = instance;
                }
        }
        return found;
}

bool fargate_has_architecture(struct model *model, const char *architecture)
{
        for (size_t i = 0; i < ARRAY_SIZE(host_clusters); i++) {
                struct cluster *cluster = model_cluster(model, host_clusters[i]);

                if (cluster == NULL)
                        continue;
                list_for_each (instance, &cluster->instances, struct instance, in_cluster)
                        if (fargate_isolation(instance) != NULL && str_eq(attribute_of(instance, "ecs.cpu-architecture"), architecture))
                                return true;
        }
        return false;
}

void fargate_put_on(struct state_task *state, const struct instance *host)
{
        state->instance = host->state->id;
        state->host_cluster = str_eq(host->state->cluster, state->cluster) ? NULL : host->state->cluster;
        if (state->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                SHAPE_SET(state, state_task, overhead, fargate_overhead(host, state->memory));
}

/* ---- Waiting ---- */

/* Waits for an instance of a capacity provider over an Auto Scaling group. */
static bool is_provided(const struct task *task)
{
        return task->state->launch_type != ECS_LAUNCH_TYPE_FARGATE;
}

static bool place_provided(struct controller *controller, struct task *task)
{
        struct tx *tx = tx_begin(controller->model);

        if (!provided_place(controller, tx, task, NULL)) {
                tx_rollback(tx);
                return false;
        }
        (void)tx_commit(tx);
        return true;
}

static void give_up(struct controller *controller, struct task *task, int64_t now_ms)
{
        struct tx *tx = tx_begin(controller->model);
        struct state_task *state = tx_edit(tx, &task->object);

        if (is_provided(task))
                provided_give_up(tx, task, now_ms);
        else if (task_finish(state, ECS_TASK_STOP_CODE_TASKFAILEDTOSTART, FARGATE_UNAVAILABLE, now_ms))
                task_put(controller->model, tx, task, state);
        (void)tx_commit(tx);
}

/* Gives the task to the host, if there is an address for it. */
static bool put_task(struct controller *controller, struct task *task, const struct instance *host)
{
        struct tx *tx = tx_begin(controller->model);
        struct state_task *state = tx_edit(tx, &task->object);
        struct error ignored = {0};

        fargate_put_on(state, host);
        state->last_status = STATE_TASK_STATUS_PENDING;
        SHAPE_SET(state, state_task, version, state->version + 1);
        if (task_network_attach(controller->model, tx, state, host->zone, &ignored) < 0) {
                tx_rollback(tx);
                return false;
        }
        task_put(controller->model, tx, task, state);
        (void)tx_commit(tx);
        return true;
}

static bool place(struct controller *controller, struct task *task)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct state_task *state = task->state;
        struct placement_request plain = {.cluster = task->cluster,
                                          .cpu = state->cpu,
                                          .memory = state->memory,
                                          .group = state->group,
                                          .zones = task_network_zones(controller->model, state->network_configuration, &arena)};
        struct placement_request request;
        struct instance *host;

        if (is_provided(task))
                return place_provided(controller, task);
        if (task->definition == NULL)
                return false;
        plain.required = &task->definition->state->definition->requires_attributes;
        fargate_request(&plain, &arena, &request);
        host = fargate_pick(controller->model, controller->sched, &request, state->capacity_provider);
        return host != NULL && put_task(controller, task, host);
}

int64_t fargate_place_waiting(struct controller *controller, int64_t now_ms)
{
        int64_t next = INT64_MAX;

        list_for_each (task, &controller->provisioning, struct task, place.link) {
                int64_t until = task->state->created_at + FARGATE_PATIENCE_MS;

                if (until <= now_ms)
                        give_up(controller, task, now_ms);
                else if (controller->sched == NULL || !place(controller, task))
                        next = MIN(next, until);
        }
        return next;
}
