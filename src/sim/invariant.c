/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold after every step. What must hold at rest: rest.c. */
#include "sim/invariant.h"

#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "control/task.h"
#include "model/service.h"
#include "sim/group.h"
#include "sim/image.h"
#include "sim/load.h"
#include "sim/node.h"
#include "sim/want.h"
#include "sim/world.h"

const struct sim_invariant_text sim_invariants[SIM_INV_MAX] = {
        [SIM_INV_FORWARD] = {"task states move forward", "A task's lastStatus never goes back, and STOPPED is the end.",
                             SIM_BUG_TASK_GOES_BACK},
        [SIM_INV_ACKNOWLEDGED] = {"nothing acknowledged is lost",
                                  "What the API has answered 200 for is there after any crash: services, their desired count, tasks.",
                                  SIM_BUG_ANSWERS_EARLY},
        [SIM_INV_RESOURCES] = {"nodes are not overcommitted",
                               "The containers on a node never need more memory, cpu units or host ports than it has.",
                               SIM_BUG_NODE_BOASTS},
        [SIM_INV_NO_TWINS] = {"no task runs twice", "Every task runs at most once, on the node that it was placed on.",
                              SIM_BUG_AGENT_STARTS_TWICE},
        [SIM_INV_CEILING] =
                {"no more tasks than the ceiling",
                 "Of a service never more tasks are live than its maximumPercent allows, those not counted that were asked to stop.",
                 SIM_BUG_ONE_TOO_MANY},
        [SIM_INV_LOST_IS_STOPPED] =
                {"a lost node has stopped",
                 "When the server gives a node up and replaces its tasks, none of them runs there any more, if its agent is running.",
                 SIM_BUG_AGENT_DOES_NOT_FENCE},
        [SIM_INV_PLACEMENT] = {"placement constraints hold", "distinctInstance and memberOf are true of every task that starts.",
                               SIM_BUG_OPERATOR_CONSTRAINTS},
        [SIM_INV_FLOOR] = {"the floor is kept",
                           "The server never stops a healthy task of a service when fewer than minimumHealthyPercent would be left.",
                           SIM_BUG_FLOOR_LOST},
        [SIM_INV_OWNER] = {"no task without an owner", "Every task of a service belongs to one that exists.", SIM_BUG_ORPHAN},
        [SIM_INV_PROTECTED] = {"protected tasks survive scale-in", "The scheduler never stops a task whose protection was acknowledged.",
                               SIM_BUG_PROTECTION_LOST},
        [SIM_INV_ANSWERS] = {"no request fails inside", "No operation answers with a server's error, and every message can be read.",
                             SIM_BUG_NONE},
        [SIM_INV_LIMITS] = {"a scaled service stays within its limits",
                            "Scaling never takes a service below its minimum or above its maximum.", SIM_BUG_BEYOND_LIMITS},
        [SIM_INV_FLAPPING] =
                {"no flapping under a steady load",
                 "A service whose load is steady finds its size and stays there; a sensor that is off may turn it a few times.",
                 SIM_BUG_TURNS},
        [SIM_INV_GROWTH] = {"too much load is answered",
                            "A service whose tasks have too much work grows within seconds, whatever cooldown there is.",
                            SIM_BUG_DEAF_ALARM},
        [SIM_INV_GROUP_LIMITS] = {"a group stays within its limits",
                                  "An Auto Scaling group never wants fewer machines than its minimum, nor has more than its maximum.",
                                  SIM_BUG_GROUP_BEYOND_LIMITS},
        [SIM_INV_GUARDED] = {"a machine with protected tasks stays",
                             "A machine that is well is never taken out of service while a task on it is protected.", SIM_BUG_GUARD_LOST},
        [SIM_INV_EMPTIED] = {"a machine is emptied before it goes",
                             "No machine that is well is given up to be destroyed while tasks are on it, or new ones may come.",
                             SIM_BUG_NOT_EMPTIED},
        [SIM_INV_EXACT] = {"exactly what was asked for", "At rest a service has its desired count of tasks, all of its last revision.",
                           SIM_BUG_AGENT_LOSES_TASK, true},
        [SIM_INV_AGREE] = {"server and nodes agree", "At rest the server believes exactly what runs on the nodes.",
                           SIM_BUG_AGENT_FORGETS_END, true},
        [SIM_INV_ROLLBACK] = {"a failed rollout ends at the last good revision",
                              "At rest a service with a circuit breaker whose last revision cannot run is back at the last that could.",
                              SIM_BUG_BREAKER_LOST, true},
        [SIM_INV_SETTLES] = {"everything settles", "When faults stop, everything comes to rest within a bounded time.",
                             SIM_BUG_AGENT_GIVES_UP, true},
};

void sim_invariants_print(struct buf *out)
{
        for (int i = 0; i < SIM_INV_MAX; i++) {
                const struct sim_invariant_text *text = &sim_invariants[i];

                buf_printf(out, "- **%s**: %s", text->name, text->sentence);
                if (text->shown_by != SIM_BUG_NONE)
                        buf_printf(out, " (Found when %s.)", sim_bug_names[text->shown_by]);
                buf_append_char(out, '\n');
        }
}

#define VIOLATE(world, which, ...) sim_world_violate(world, sim_invariants[which].name, __VA_ARGS__)

/* ---- The server's state ---- */

static struct sim_node *node_of(struct sim_world *world, const char *instance)
{
        for (uint32_t i = 0; i < world->n_nodes; i++)
                if (str_eq(world->nodes[i]->instance, instance))
                        return world->nodes[i];
        return NULL;
}

static bool has_check(const struct task *task)
{
        return task->definition != NULL && task->definition->state->definition->container_definitions.n > 0 &&
               task->definition->state->definition->container_definitions.items[0].health_check != NULL;
}

static bool is_healthy(const struct task *task, const struct state_task *state)
{
        return state->last_status == STATE_TASK_STATUS_RUNNING && state->desired_status == STATE_TASK_STATUS_RUNNING &&
               (!has_check(task) || state->health == ECS_HEALTH_STATUS_HEALTHY);
}

static bool by_scheduler(const struct state_task *state)
{
        return state->stop_code == ECS_TASK_STOP_CODE_SERVICESCHEDULERINITIATED;
}

/* The tasks of the service that the server may count on after this change. */
static void check_floor(struct sim_world *world, const struct task *task, const struct state_task *old_state)
{
        const struct service *service = task->service;
        const struct sim_want *want;
        int32_t desired, floor, healthy = 0;

        if (service == NULL || !is_healthy(task, old_state) || !by_scheduler(task->state))
                return;
        want = sim_want(world, SIM_WANT_SERVICE, service->state->name);
        if (want == NULL || !want->promised || want->gone || want->daemon || want->asking > 0)
                return;
        desired = service->state->desired_count;
        floor = (int32_t)(((int64_t)desired * want->min_percent + 99) / 100);
        list_for_each (other, &service->tasks, struct task, in_service)
                healthy += is_healthy(other, other->state);
        if (healthy < floor)
                VIOLATE(world, SIM_INV_FLOOR, "service %s: the server stops task %s (%s), and %d healthy ones are left of at least %d",
                        want->name, task->state->id, task->state->stopped_reason, healthy, floor);
}

static void check_protected(struct sim_world *world, const struct task *task)
{
        const struct sim_want *want = sim_want(world, SIM_WANT_TASK, task->state->id);
        const struct sim_want *service = sim_want(world, SIM_WANT_SERVICE, task->state->service_name);

        if (want != NULL && want->protected_us > world->clock.now_us && !want->gone && by_scheduler(task->state) &&
            task->state->health != ECS_HEALTH_STATUS_UNHEALTHY && (service == NULL || !service->gone) && task->instance != NULL &&
            task->instance->state->status == STATE_INSTANCE_STATUS_ACTIVE && task->instance->connected)
                VIOLATE(world, SIM_INV_PROTECTED, "task %s of service %s is stopped (%s) although it is protected", task->state->id,
                        task->state->service_name, task->state->stopped_reason);
}

static void task_changed(struct sim_world *world, struct task *task, const struct state_task *old_state)
{
        const struct state_task *state = task->state;

        if (old_state != NULL && task_is_before(state->last_status, old_state->last_status))
                VIOLATE(world, SIM_INV_FORWARD, "task %s goes from %s to %s", state->id,
                        shape_enum_name(&state_task_status_enum, (int)old_state->last_status),
                        shape_enum_name(&state_task_status_enum, (int)state->last_status));
        if (!str_empty(state->service_name) && !task_is_over(state) && task->service == NULL)
                VIOLATE(world, SIM_INV_OWNER, "task %s names service %s, which is not there", state->id, state->service_name);
        if (old_state != NULL && old_state->desired_status == STATE_TASK_STATUS_RUNNING &&
            state->desired_status == STATE_TASK_STATUS_STOPPED && !task_is_over(old_state)) {
                check_floor(world, task, old_state);
                check_protected(world, task);
        }
}

/* What a service with a circuit breaker must come back to. */
static void note_completed(struct sim_world *world, const struct state_service_revision *state)
{
        struct sim_want *want;

        if (state->rollout_state != ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED ||
            (want = sim_want(world, SIM_WANT_SERVICE, state->service)) == NULL)
                return;
        (void)snprintf(want->good, sizeof(want->good), "%s:%d", state->family, state->revision);
}

void sim_invariants_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state)
{
        if (object->kind == OBJECT_SERVICE_REVISION && new_state != NULL)
                note_completed(world, new_state);
        if (object->kind == OBJECT_TASK && new_state != NULL)
                task_changed(world, CONTAINER_OF(object, struct task, object), old_state);
        sim_load_service_changed(world, object, old_state, new_state);
        sim_group_changed(world, object, old_state, new_state);
}

void sim_invariants_connected(struct sim_world *world, struct instance *instance)
{
        const struct sim_node *node = node_of(world, instance->state->id);

        /* An agent that was not running could not stop anything: no crash of an agent ends a container. */
        if (!instance->lost || node == NULL || !node->on || node->frozen || !node->agent_up ||
            world->clock.now_us - node->started_us < node->lease_us + 2 * SIM_SECOND)
                return;
        list_for_each (run, &node->runs, struct sim_run, link)
                if (run->service[0] != '\0' && sim_run_is_live(run))
                        VIOLATE(world, SIM_INV_LOST_IS_STOPPED, "the server gives %s up, where task %s of service %s still runs",
                                node->name, run->id, run->service);
}

/* ---- Promises ---- */

static void check_service(struct sim_world *world, const struct sim_want *want)
{
        const struct service *service = model_service(world->server.model, world->cluster, want->name);

        if (service == NULL || service->state->status != STATE_SERVICE_STATUS_ACTIVE)
                VIOLATE(world, SIM_INV_ACKNOWLEDGED, "service %s was acknowledged, and is not there", want->name);
        else if (!want->daemon && !want->scaled && want->asking == 0 && service->state->desired_count != want->desired)
                VIOLATE(world, SIM_INV_ACKNOWLEDGED, "service %s was acknowledged with %d tasks, and has a desired count of %d", want->name,
                        want->desired, service->state->desired_count);
}

/* A completion that was not on disk yet when the server died never was. */
static void forget_lost_completions(struct sim_world *world, struct sim_want *want)
{
        const struct service *service = model_service(world->server.model, world->cluster, want->name);

        want->good[0] = '\0';
        if (service == NULL)
                return;
        list_for_each (revision, &service->revisions, struct service_revision, in_service)
                if (revision->state->completed_at != 0)
                        (void)snprintf(want->good, sizeof(want->good), "%s:%d", revision->state->family, revision->state->revision);
}

void sim_invariants_restart(struct sim_world *world)
{
        list_for_each (want, &world->wants, struct sim_want, link) {
                if (!want->promised || want->name[0] == '\0')
                        continue;
                if (want->kind == SIM_WANT_SERVICE && !want->gone) {
                        check_service(world, want);
                        forget_lost_completions(world, want);
                }
                if (want->kind == SIM_WANT_TASK && model_task(world->server.model, world->cluster, want->name) == NULL)
                        VIOLATE(world, SIM_INV_ACKNOWLEDGED, "task %s was acknowledged, and is not there", want->name);
        }
}

/* ---- The nodes ---- */

static void check_resources(struct sim_world *world, const struct sim_node *node)
{
        int64_t cpu = 0, memory = 0;

        list_for_each (run, &node->runs, struct sim_run, link) {
                if (!sim_run_is_live(run))
                        continue;
                cpu += run->cpu;
                memory += run->memory;
                list_for_each (other, &node->runs, struct sim_run, link)
                        if (other != run && sim_run_is_live(other) && run->port != 0 && other->port == run->port)
                                VIOLATE(world, SIM_INV_RESOURCES, "tasks %s and %s on %s both have port %d", run->id, other->id, node->name,
                                        run->port);
        }
        if (cpu > node->cpu || memory > node->memory)
                VIOLATE(world, SIM_INV_RESOURCES, "%s has cpu %d and memory %d, and its tasks need %lld and %lld", node->name, node->cpu,
                        node->memory, (long long)cpu, (long long)memory);
}

static void check_placement(struct sim_world *world, const struct sim_run *run)
{
        const struct sim_want *want = run->service[0] != '\0' ? sim_want(world, SIM_WANT_SERVICE, run->service) : NULL;

        if (want == NULL || !want->promised || want->gone)
                return;
        if (want->only_zone[0] != '\0' && !str_eq(run->node->zone, want->only_zone))
                VIOLATE(world, SIM_INV_PLACEMENT, "task %s of service %s runs on %s in %s, and may only in %s", run->id, run->service,
                        run->node->name, run->node->zone, want->only_zone);
        if (!want->distinct)
                return;
        list_for_each (other, &run->node->runs, struct sim_run, link)
                if (other != run && sim_run_is_live(other) && !other->ghost && str_eq(other->service, run->service))
                        VIOLATE(world, SIM_INV_PLACEMENT, "tasks %s and %s of service %s run both on %s", run->id, other->id, run->service,
                                run->node->name);
}

static void check_twins(struct sim_world *world, const struct sim_run *run)
{
        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (other, &world->nodes[i]->runs, struct sim_run, link)
                        if (other != run && sim_run_is_live(other) && (str_eq(other->id, run->id) || other->ghost))
                                VIOLATE(world, SIM_INV_NO_TWINS, "task %s runs on %s and on %s", run->id, run->node->name,
                                        other->node->name);
}

/* Whether it counts against the ceiling: it runs, and nobody has asked it to stop. */
static bool counts(struct sim_world *world, const struct sim_run *run)
{
        const struct task *task;

        if (!sim_run_is_live(run) || run->stop_wanted || !run->node->on || run->node->frozen)
                return false;
        task = sim_server_is_up(&world->server) ? model_task(world->server.model, world->cluster, run->id) : NULL;
        return task == NULL || task->state->desired_status == STATE_TASK_STATUS_RUNNING;
}

static void check_ceiling(struct sim_world *world, const struct sim_run *run)
{
        const struct sim_want *want = run->service[0] != '\0' ? sim_want(world, SIM_WANT_SERVICE, run->service) : NULL;
        int64_t ceiling, live = 0;

        if (want == NULL || !want->promised || want->gone || want->daemon || !sim_server_is_up(&world->server))
                return;
        ceiling = MAX((int64_t)want->high * want->max_percent / 100, (int64_t)want->high);
        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (other, &world->nodes[i]->runs, struct sim_run, link)
                        live += str_eq(other->service, run->service) && counts(world, other);
        if (live > ceiling)
                VIOLATE(world, SIM_INV_CEILING, "service %s has %lld tasks running; at most %d were wanted, and %d%% of that are allowed",
                        run->service, (long long)live, want->high, want->max_percent);
}

void sim_invariants_run_changed(struct sim_run *run)
{
        struct sim_world *world = run->node->world;

        if (run->status != SIM_RUN_RUNNING || run->node->frozen || run->health > SIM_HEALTH_UNKNOWN)
                return;
        check_resources(world, run->node);
        check_placement(world, run);
        check_twins(world, run);
        check_ceiling(world, run);
}

void sim_invariants_step(struct sim_world *world)
{
}
