/* SPDX-License-Identifier: Apache-2.0 */
/* See bugs.h. */
#include "sim/bugs.h"

#include "base/strutil.h"
#include "control/capacity/group.h"
#include "control/task.h"
#include "model/alarm.h"
#include "model/scaling.h"
#include "sim/clock.h"
#include "sim/world.h"

const char *const sim_bug_names[SIM_BUG_MAX] = {
        [SIM_BUG_NONE] = "none",
        [SIM_BUG_STORE_FORGETS] = "the store forgets a commit",
        [SIM_BUG_ANSWERS_EARLY] = "answers leave before their commit",
        [SIM_BUG_NODE_BOASTS] = "a node registers more memory than it has",
        [SIM_BUG_AGENT_DOES_NOT_FENCE] = "a lost node does not stop its tasks",
        [SIM_BUG_AGENT_STARTS_TWICE] = "an agent starts a task twice",
        [SIM_BUG_AGENT_LOSES_TASK] = "an agent acknowledges a task and forgets it",
        [SIM_BUG_AGENT_GIVES_UP] = "an agent does not connect again",
        [SIM_BUG_AGENT_FORGETS_END] = "an agent never reports an end",
        [SIM_BUG_TASK_GOES_BACK] = "the server takes a task back from RUNNING",
        [SIM_BUG_OPERATOR_CONSTRAINTS] = "placement constraints are dropped",
        [SIM_BUG_FLOOR_LOST] = "minimumHealthyPercent is taken as 0",
        [SIM_BUG_BREAKER_LOST] = "the circuit breaker is dropped",
        [SIM_BUG_PROTECTION_LOST] = "protection is acknowledged and not kept",
        [SIM_BUG_ONE_TOO_MANY] = "a service gets a task too many",
        [SIM_BUG_ORPHAN] = "a task names a service that is not there",
        [SIM_BUG_BEYOND_LIMITS] = "scaling goes beyond the maximum",
        [SIM_BUG_TURNS] = "scaling goes up and down in turn",
        [SIM_BUG_DEAF_ALARM] = "the alarm of a policy does not act",
        [SIM_BUG_GROUP_BEYOND_LIMITS] = "a group goes beyond its maximum",
        [SIM_BUG_GUARD_LOST] = "scale-in takes a machine with a protected task",
        [SIM_BUG_NOT_EMPTIED] = "a machine goes with its tasks",
};

/* How often, in percent of the occasions. */
static const unsigned char chances[SIM_BUG_MAX] = {
        [SIM_BUG_STORE_FORGETS] = 10,
        [SIM_BUG_NODE_BOASTS] = 100,
        [SIM_BUG_AGENT_DOES_NOT_FENCE] = 100,
        [SIM_BUG_AGENT_STARTS_TWICE] = 10,
        [SIM_BUG_AGENT_LOSES_TASK] = 10,
        [SIM_BUG_AGENT_FORGETS_END] = 30,
        [SIM_BUG_OPERATOR_CONSTRAINTS] = 100,
        [SIM_BUG_FLOOR_LOST] = 100,
        [SIM_BUG_BREAKER_LOST] = 100,
        [SIM_BUG_PROTECTION_LOST] = 100,
        [SIM_BUG_TASK_GOES_BACK] = 1,
        [SIM_BUG_ONE_TOO_MANY] = 1,
        [SIM_BUG_ORPHAN] = 1,
        [SIM_BUG_AGENT_GIVES_UP] = 30,
        [SIM_BUG_ANSWERS_EARLY] = 100,
        [SIM_BUG_BEYOND_LIMITS] = 1,
        [SIM_BUG_TURNS] = 1,
        [SIM_BUG_DEAF_ALARM] = 100,
        [SIM_BUG_GROUP_BEYOND_LIMITS] = 1,
        [SIM_BUG_GUARD_LOST] = 1,
        [SIM_BUG_NOT_EMPTIED] = 100,
};

bool sim_bug_strikes(struct sim_world *world, enum sim_bug bug)
{
        if (world->bug != bug || bug == SIM_BUG_NONE || !sim_random_percent(&world->bug_chance, chances[bug]))
                return false;
        world->bug_strikes++;
        return true;
}

bool sim_bug_answers_early(struct sim_world *world)
{
        return sim_bug_strikes(world, SIM_BUG_ANSWERS_EARLY);
}

/* ---- A server that does what it should not ---- */

static struct task *any_running(struct sim_world *world, bool of_service)
{
        struct cluster *cluster = model_cluster(world->server.model, world->cluster);

        if (cluster == NULL)
                return NULL;
        model_for_each_task (task, world->server.model, cluster)
                if (task->state->last_status == STATE_TASK_STATUS_RUNNING && (!of_service || task->service != NULL))
                        return task;
        return NULL;
}

static void take_back(struct sim_world *world)
{
        struct task *task = any_running(world, false);
        struct state_task *state;
        struct tx *tx;

        if (task == NULL)
                return;
        tx = tx_begin(world->server.model);
        state = tx_edit(tx, &task->object);
        state->last_status = STATE_TASK_STATUS_PENDING;
        tx_put(tx, &task->object, state);
        (void)tx_commit(tx);
}

/* Copies of a service's task, as a reconciler might make that counts wrong; or one in the name of nobody. */
static void add_task(struct sim_world *world, const char *owner)
{
        struct task *task = any_running(world, owner == NULL);
        struct state_task *state;
        struct tx *tx;
        char id[33];

        if (task == NULL || task->instance == NULL || !task->instance->connected)
                return;
        tx = tx_begin(world->server.model);
        state = tx_edit(tx, &task->object);
        env_random_hex(&world->clock.env, id, 32);
        state->id = id;
        state->last_status = STATE_TASK_STATUS_PENDING;
        if (owner != NULL)
                state->service_name = owner;
        (void)tx_insert(tx, OBJECT_TASK, state);
        (void)tx_commit(tx);
}

/* ---- Scaling ---- */

static void set_desired(struct sim_world *world, struct service *service, int32_t desired)
{
        struct tx *tx = tx_begin(world->server.model);
        struct state_service *state = tx_edit(tx, &service->object);

        SHAPE_SET(state, state_service, desired_count, desired);
        tx_put(tx, &service->object, state);
        (void)tx_commit(tx);
}

static void deafen(struct sim_world *world, const struct scaling_policy *policy)
{
        struct alarm *high = policy->state->alarms.n > 0 ? model_alarm(world->server.model, policy->state->alarms.items[0]) : NULL;
        struct state_alarm *state;
        struct tx *tx;

        if (high == NULL || !high->state->actions_enabled)
                return;
        tx = tx_begin(world->server.model);
        state = tx_edit(tx, &high->object);
        SHAPE_SET(state, state_alarm, actions_enabled, false);
        tx_put(tx, &high->object, state);
        (void)tx_commit(tx);
}

static void meddle_scaling(struct sim_world *world)
{
        tree_for_each (node, model_objects(world->server.model, OBJECT_SCALING_POLICY)) {
                const struct scaling_policy *policy = MODEL_OBJECT(node, scaling_policy);
                const struct scalable_target *target = model_scalable_target(world->server.model, policy->state->resource_id);
                struct service *service = model_scaled_service(world->server.model, policy->state->resource_id);

                if (target == NULL || service == NULL)
                        continue;
                if (sim_bug_strikes(world, SIM_BUG_DEAF_ALARM))
                        deafen(world, policy);
                else if (sim_bug_strikes(world, SIM_BUG_BEYOND_LIMITS))
                        set_desired(world, service, target->state->max_capacity + 1);
                else if (sim_bug_strikes(world, SIM_BUG_TURNS))
                        set_desired(world, service,
                                    service->state->desired_count > target->state->min_capacity ? service->state->desired_count - 1
                                                                                                : service->state->desired_count + 1);
        }
}

/* ---- Machines ---- */

static void want_too_many(struct sim_world *world, struct scaling_group *group)
{
        struct tx *tx = tx_begin(world->server.model);
        struct state_scaling_group *state = tx_edit(tx, &group->object);

        SHAPE_SET(state->group, asg_auto_scaling_group, desired_capacity, state->group->max_size + 1);
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
}

static void take_away(struct sim_world *world, struct machine *machine)
{
        struct tx *tx = tx_begin(world->server.model);

        machine_terminate(tx, machine, "an instance was taken out of service", env_now_ms(&world->clock.env));
        (void)tx_commit(tx);
}

static void hurry(struct sim_world *world, struct machine *machine)
{
        struct tx *tx = tx_begin(world->server.model);
        struct state_machine *state = tx_edit(tx, &machine->object);

        state->state = ASG_LIFECYCLE_STATE_TERMINATING_PROCEED;
        tx_put(tx, &machine->object, state);
        (void)tx_commit(tx);
}

static void meddle_machines(struct sim_world *world)
{
        int64_t now_ms = env_now_ms(&world->clock.env);

        tree_for_each (node, model_objects(world->server.model, OBJECT_MACHINE)) {
                struct machine *machine = MODEL_OBJECT(node, machine);
                bool guarded;
                uint32_t tasks = machine_tasks(world->server.model, machine, now_ms, &guarded);

                if (guarded && machine_is_live(machine) && sim_bug_strikes(world, SIM_BUG_GUARD_LOST))
                        return take_away(world, machine);
                if (tasks > 0 && machine->state->state == ASG_LIFECYCLE_STATE_TERMINATING_WAIT &&
                    sim_bug_strikes(world, SIM_BUG_NOT_EMPTIED))
                        return hurry(world, machine);
        }
        tree_for_each (node, model_objects(world->server.model, OBJECT_SCALING_GROUP))
                if (sim_bug_strikes(world, SIM_BUG_GROUP_BEYOND_LIMITS))
                        return want_too_many(world, MODEL_OBJECT(node, scaling_group));
}

void sim_bug_meddle(struct sim_world *world)
{
        if (!sim_server_is_up(&world->server) || world->clock.now_us < 5 * SIM_SECOND)
                return;
        meddle_scaling(world);
        meddle_machines(world);
        if (sim_bug_strikes(world, SIM_BUG_TASK_GOES_BACK))
                take_back(world);
        else if (sim_bug_strikes(world, SIM_BUG_ONE_TOO_MANY))
                add_task(world, NULL);
        else if (sim_bug_strikes(world, SIM_BUG_ORPHAN))
                add_task(world, "nobody");
}
