/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold at rest, and how the world gets there. */
#include <stdio.h>

#include "base/strutil.h"
#include "control/task.h"
#include "model/machine.h"
#include "model/service.h"
#include "sim/group.h"
#include "sim/image.h"
#include "sim/invariant.h"
#include "sim/node.h"
#include "sim/want.h"
#include "sim/world.h"

/* Nothing may have moved for so long. */
#define QUIET_US (15 * SIM_SECOND)
#define LOOK_US (2 * SIM_SECOND)

struct unmet {
        enum sim_invariant *which;
        struct buf *why;
};

PRINTF_LIKE(3, 4)
static bool unmet(struct unmet *u, enum sim_invariant which, const char *fmt, ...)
{
        va_list args;
        char text[400];

        *u->which = which;
        if (u->why == NULL)
                return false;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        buf_clear(u->why);
        buf_append_str(u->why, text);
        return false;
}

/* ---- Server and nodes ---- */

static bool node_serves(const struct sim_node *node)
{
        return sim_node_reachable(node) && !node->frozen && !node->gone;
}

static const struct sim_node *node_of(const struct sim_world *world, const char *instance)
{
        for (uint32_t i = 0; i < world->n_nodes; i++)
                if (str_eq(world->nodes[i]->instance, instance))
                        return world->nodes[i];
        return NULL;
}

static bool runs_agree(struct sim_world *world, struct sim_node *node, struct unmet *u)
{
        list_for_each (run, &node->runs, struct sim_run, link) {
                const struct task *task = model_task(world->server.model, world->cluster, run->id);

                if (run->status == SIM_RUN_STOPPED)
                        continue;
                if (task == NULL || task_is_over(task->state))
                        return unmet(u, SIM_INV_AGREE, "%s runs task %s, and the server %s", node->name, run->id,
                                     task == NULL ? "does not know it" : "believes that it has stopped");
                if (run->status != SIM_RUN_RUNNING || task->state->last_status != STATE_TASK_STATUS_RUNNING)
                        return unmet(u, SIM_INV_AGREE, "task %s on %s is %s for the server, and not so on the node", run->id, node->name,
                                     shape_enum_name(&state_task_status_enum, (int)task->state->last_status));
                if (task->state->desired_status != STATE_TASK_STATUS_RUNNING)
                        return unmet(u, SIM_INV_AGREE, "task %s on %s should stop and does not", run->id, node->name);
        }
        return true;
}

static bool task_agrees(struct sim_world *world, const struct task *task, struct unmet *u)
{
        const struct state_task *state = task->state;
        const struct sim_node *node;
        const struct sim_run *run = NULL;

        if (task_is_over(state))
                return true;
        if (state->last_status == STATE_TASK_STATUS_PROVISIONING)
                return true; /* it waits for a machine: whether there should be one is asked of its service and group */
        node = node_of(world, state->instance);
        if (node != NULL && !node_serves(node))
                return true; /* nobody can know */
        if (node != NULL)
                run = sim_node_find((struct sim_node *)(uintptr_t)node, state->id);
        if (run == NULL || run->status == SIM_RUN_STOPPED)
                return unmet(u, SIM_INV_AGREE, "the server believes task %s (%s) to be %s on %s, where it is not", state->id, state->group,
                             shape_enum_name(&state_task_status_enum, (int)state->last_status), node != NULL ? node->name : "no node");
        if (!str_empty(state->service_name) && task->service == NULL)
                return unmet(u, SIM_INV_OWNER, "task %s names service %s, which is not there", state->id, state->service_name);
        return true;
}

static bool all_agree(struct sim_world *world, struct unmet *u)
{
        const struct cluster *cluster = model_cluster(world->server.model, world->cluster);

        for (uint32_t i = 0; i < world->n_nodes; i++) {
                struct sim_node *node = world->nodes[i];

                if (!node_serves(node))
                        continue;
                if (!node->agent_up || !node->control_up)
                        return unmet(u, SIM_INV_SETTLES, "%s has no connection to the server", node->name);
                if (!runs_agree(world, node, u))
                        return false;
        }
        model_for_each_task (task, world->server.model, cluster)
                if (!task_agrees(world, task, u))
                        return false;
        return true;
}

/* ---- Services ---- */

/* Whether tasks of this revision can be kept running at all. */
static bool revision_works(struct sim_world *world, const char *revision)
{
        const struct sim_want *definition = sim_want_definition(world, revision);
        const struct sim_image *image = definition != NULL ? sim_image(world, definition->image) : NULL;

        return image == NULL || (!image->missing && image->exit_us == 0 && (!definition->checked || image->unhealthy_us == 0));
}

/* Tasks that are well for a while count as started: what befalls them later a circuit breaker does not see. */
#define HEALTHY_AFTER_US (500 * SIM_MS)

static bool never_gets_healthy(struct sim_world *world, const char *revision)
{
        const struct sim_want *definition = sim_want_definition(world, revision);
        const struct sim_image *image = sim_image(world, definition->image);
        int64_t healthy = definition->checked ? image->healthy_us : HEALTHY_AFTER_US;

        return image->missing || (image->exit_us > 0 && image->exit_us < healthy) ||
               (definition->checked && image->unhealthy_us > 0 && image->unhealthy_us < healthy);
}

static bool may_use(struct sim_world *world, const struct sim_want *want, const struct instance *instance)
{
        const struct machine *machine = model_machine_of(world->server.model, instance);

        return want->provider[0] == '\0' || (machine != NULL && str_eq(machine->state->group, want->provider));
}

/* Could one more task of the service be placed somewhere? */
static bool has_room(struct sim_world *world, const struct sim_want *want, const struct sim_want *definition, struct instance *instance)
{
        const struct sim_node *node = node_of(world, instance->state->id);

        if (node == NULL || !node_serves(node) || instance->state->status != STATE_INSTANCE_STATUS_ACTIVE || !instance->connected)
                return false;
        if ((want->only_zone[0] != '\0' && !str_eq(node->zone, want->only_zone)) || !may_use(world, want, instance))
                return false;
        if (instance->state->cpu - instance->cpu_used < definition->cpu ||
            instance->state->memory - instance->memory_used < definition->memory)
                return false;
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                if ((want->distinct || want->daemon) && str_eq(task->state->service_name, want->name))
                        return false;
                for (uint32_t i = 0; definition->port != 0 && i < task->state->ports.n; i++)
                        if (task->state->ports.items[i] == definition->port)
                                return false;
        }
        return true;
}

static bool has_room_anywhere(struct sim_world *world, const struct sim_want *want, const struct sim_want *definition)
{
        struct cluster *cluster = model_cluster(world->server.model, world->cluster);

        if (definition == NULL)
                return false;
        list_for_each (instance, &cluster->instances, struct instance, in_cluster)
                if (has_room(world, want, definition, instance))
                        return true;
        /* Or on a machine that its group may have made. */
        return want->provider[0] != '\0' && sim_group_may_grow(world, want->provider, definition->cpu, definition->memory);
}

/* Whether minimumHealthyPercent and maximumPercent let a rollout do anything at all. */
static bool can_move(const struct sim_want *want, int32_t desired)
{
        return (int64_t)desired * want->max_percent / 100 > desired || ((int64_t)desired * want->min_percent + 99) / 100 < desired;
}

static const char *revision_of(const struct service_revision *revision, char ret[64])
{
        (void)snprintf(ret, 64, "%s:%d", revision->state->family, revision->state->revision);
        return ret;
}

/* Live tasks of the service, and how many of them are not of `revision`. */
static int32_t count_live(struct sim_world *world, const struct sim_want *want, const char *revision, int32_t *ret_others)
{
        int32_t live = 0;

        *ret_others = 0;
        for (uint32_t i = 0; i < world->n_nodes; i++) {
                if (!node_serves(world->nodes[i]))
                        continue;
                list_for_each (run, &world->nodes[i]->runs, struct sim_run, link) {
                        char name[80];

                        if (!sim_run_is_live(run) || !str_eq(run->service, want->name))
                                continue;
                        live++;
                        (void)snprintf(name, sizeof(name), "%s:%d", run->family, run->revision);
                        *ret_others += !str_eq(name, revision);
                }
        }
        return live;
}

static uint32_t count_protected(const struct service *service, int64_t now_ms)
{
        uint32_t n = 0;

        list_for_each (task, &service->tasks, struct task, in_service)
                n += task->state->protected_until > now_ms;
        return n;
}

/* A deleted service has no tasks that can still be stopped. */
static bool deleted_rests(struct sim_world *world, const struct sim_want *want, struct unmet *u)
{
        int32_t others, live = count_live(world, want, "", &others);

        return live == 0 || unmet(u, SIM_INV_EXACT, "service %s was deleted, and %d tasks of it run", want->name, live);
}

static bool count_rests(struct sim_world *world, struct sim_want *want, const struct service *service, const char *revision,
                        struct unmet *u)
{
        int32_t others, live = count_live(world, want, revision, &others), wanted = service->state->desired_count;
        const struct sim_want *definition = sim_want_definition(world, revision);
        int32_t held = (int32_t)count_protected(service, env_now_ms(&world->clock.env));
        bool room = has_room_anywhere(world, want, definition);

        if (want->daemon)
                return !room || unmet(u, SIM_INV_EXACT, "daemon %s runs %d tasks, and there is a node without one", want->name, live);
        if (live > MAX(wanted, held))
                return unmet(u, SIM_INV_EXACT, "service %s runs %d tasks, and should run %d", want->name, live, wanted);
        if (live < wanted && room)
                return unmet(u, SIM_INV_EXACT, "service %s runs %d tasks and should run %d, and there is room for more", want->name, live,
                             wanted);
        if (others > 0 && held == 0 && can_move(want, wanted) && (room || live > (want->min_percent * wanted + 99) / 100))
                return unmet(u, SIM_INV_EXACT, "service %s runs %d tasks that are not of %s", want->name, others, revision);
        return true;
}

static bool service_rests(struct sim_world *world, struct sim_want *want, struct unmet *u)
{
        const struct service *service = model_service(world->server.model, world->cluster, want->name);
        const struct service_revision *primary = service != NULL ? service_primary(world->server.model, service) : NULL;
        char name[64];

        if (want->gone)
                return deleted_rests(world, want, u);
        if (!want->promised)
                return true;
        if (service == NULL || primary == NULL)
                return unmet(u, SIM_INV_ACKNOWLEDGED, "service %s was acknowledged, and is not there", want->name);
        revision_of(primary, name);
        if (!str_eq(name, want->revision) && revision_works(world, want->revision))
                return unmet(u, SIM_INV_EXACT, "service %s is at %s, and should be at %s", want->name, name, want->revision);
        if (!revision_works(world, name)) {
                /* It goes on trying, unless it has a good one to go back to. */
                if (want->breaker && want->good[0] != '\0' && revision_works(world, want->good) && never_gets_healthy(world, name) &&
                    primary->state->rollout_state != ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED &&
                    can_move(want, service->state->desired_count) && has_room_anywhere(world, want, sim_want_definition(world, name)))
                        return unmet(u, SIM_INV_ROLLBACK, "service %s is at %s, which cannot run; the last good one is %s", want->name,
                                     name, want->good);
                return true;
        }
        /* Trouble has broken its first rollout, and there is nothing to go back to: that is for the operator to mend. */
        if (want->breaker && want->good[0] == '\0' && primary->state->rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED)
                return true;
        if (!count_rests(world, want, service, name, u))
                return false;
        return true;
}

static bool is_restless(const struct sim_want *want, struct sim_world *world)
{
        return want->kind == SIM_WANT_SERVICE && !want->gone && want->promised && !revision_works(world, want->revision);
}

/* Tasks that keep falling over never come to rest: then nothing is said about movement. */
static bool is_quiet(struct sim_world *world)
{
        if (world->clock.now_us - world->changed_us >= QUIET_US)
                return true;
        list_for_each (want, &world->wants, struct sim_want, link)
                if (is_restless(want, world))
                        return true;
        return false;
}

bool sim_at_rest(struct sim_world *world, enum sim_invariant *ret, struct buf *why)
{
        CLEANUP_BUF struct buf text = {0};
        struct unmet u = {ret, why};

        if (!sim_server_is_up(&world->server))
                return unmet(&u, SIM_INV_SETTLES, "the server is down");
        if (!list_empty(&world->operations))
                return unmet(&u, SIM_INV_SETTLES, "a request of the operator has not been answered");
        list_for_each (want, &world->wants, struct sim_want, link)
                if (want->kind == SIM_WANT_SERVICE && want->name[0] != '\0' && !service_rests(world, want, &u))
                        return false;
        if (!is_quiet(world))
                return unmet(&u, SIM_INV_SETTLES, "tasks still come and go");
        if (!sim_groups_rest(world, &text))
                return unmet(&u, SIM_INV_SETTLES, "%s", text.data);
        list_for_each (want, &world->wants, struct sim_want, link)
                if (is_restless(want, world))
                        return true;
        return all_agree(world, &u);
}

void sim_world_settle(struct sim_world *world, int64_t limit_us)
{
        int64_t start = MAX(world->clock.now_us, MIN(world->faults_until_us, world->clock.now_us + limit_us));
        enum sim_invariant which = SIM_INV_SETTLES;
        CLEANUP_BUF struct buf why = {0};

        sim_world_run(world, start);
        while (world->violation.invariant == NULL && !sim_at_rest(world, &which, NULL)) {
                if (world->clock.now_us - start >= limit_us) {
                        (void)sim_at_rest(world, &which, &why);
                        sim_world_violate(world, sim_invariants[which].name, "after %lld s without faults: %s",
                                          (long long)((world->clock.now_us - start) / SIM_SECOND), why.data);
                        return;
                }
                sim_world_run(world, world->clock.now_us + LOOK_US);
        }
        if (world->violation.invariant == NULL)
                sim_invariants_restart(world);
}
