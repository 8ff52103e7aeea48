/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one machine: what the driver reports, health, lifecycle hooks, emptying it before it goes. See group.h. */
#include <string.h>

#include "base/strutil.h"
#include "control/capacity/group_internal.h"
#include "control/instance.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RESULT_ABANDON "ABANDON"
#define DEFAULT_HEARTBEAT_S 3600

#define SUCCESSFUL ASG_SCALING_ACTIVITY_STATUS_CODE_SUCCESSFUL
#define FAILED ASG_SCALING_ACTIVITY_STATUS_CODE_FAILED

bool machine_is_live(const struct machine *machine)
{
        switch (machine->state->state) {
        case ASG_LIFECYCLE_STATE_PENDING:
        case ASG_LIFECYCLE_STATE_PENDING_WAIT:
        case ASG_LIFECYCLE_STATE_PENDING_PROCEED:
        case ASG_LIFECYCLE_STATE_INSERVICE:
                return true;
        default:
                return false;
        }
}

static void enter(struct state_machine *state, enum asg_lifecycle_state to, int64_t now_ms)
{
        state->state = to;
        state->state_at = now_ms;
}

static bool is_in(const struct machine *machine, enum asg_lifecycle_state state)
{
        return machine->state->state == state;
}

/* ---- Hooks ---- */

/* The hook of the transition that comes after the one of that name (NULL: the first), or NULL. */
static const struct asg_lifecycle_hook *next_hook(struct model *model, const struct scaling_group *group, const char *transition,
                                                  const char *after)
{
        bool drains = group_drains(model, group), passed = after == NULL;

        for (uint32_t i = 0; i < group->state->hooks.n; i++) {
                const struct asg_lifecycle_hook *hook = &group->state->hooks.items[i];

                if (passed && str_eq(hook->lifecycle_transition, transition) &&
                    (drains || !str_eq(hook->lifecycle_hook_name, HOOK_DRAINING)))
                        return hook;
                passed = passed || str_eq(hook->lifecycle_hook_name, after);
        }
        return NULL;
}

static int64_t heartbeat_ms(const struct asg_lifecycle_hook *hook)
{
        int32_t s = SHAPE_HAS(hook, asg_lifecycle_hook, heartbeat_timeout) ? hook->heartbeat_timeout : DEFAULT_HEARTBEAT_S;

        return str_eq(hook->lifecycle_hook_name, HOOK_DRAINING) ? MACHINE_HOOK_MS : (int64_t)s * 1000;
}

static void wait_for(struct tx *tx, struct state_machine *state, const struct asg_lifecycle_hook *hook, int64_t now_ms)
{
        char *token = arena_bytes(tx_arena(tx), 37);

        env_random_uuid(model_env(tx_model(tx)), token);
        state->hook = hook->lifecycle_hook_name;
        state->hook_token = token;
        state->hook_until = now_ms + heartbeat_ms(hook);
        state->hook_result = NULL;
}

const struct asg_lifecycle_hook *group_hook(const struct scaling_group *group, const char *name)
{
        for (uint32_t i = 0; i < group->state->hooks.n; i++)
                if (str_eq(group->state->hooks.items[i].lifecycle_hook_name, name))
                        return &group->state->hooks.items[i];
        return NULL;
}

/* What the hook that the machine waits for has come to; NULL: nothing yet. A hook that was taken away is over. */
static const char *hook_outcome(struct model *model, const struct machine *machine, int64_t now_ms)
{
        const struct state_machine *state = machine->state;
        const struct asg_lifecycle_hook *hook = group_hook(machine->group, state->hook);
        bool guarded;

        if (hook == NULL || state->hook_result != NULL)
                return hook != NULL ? state->hook_result : "CONTINUE";
        if (str_eq(state->hook, HOOK_DRAINING)) {
                const struct instance *instance = model_machine_instance(model, machine);

                if (instance == NULL || instance->lost || machine_tasks(model, machine, now_ms, &guarded) == 0)
                        return "CONTINUE";
        }
        if (state->hook_until <= now_ms)
                return hook->default_result != NULL ? hook->default_result : RESULT_ABANDON;
        return NULL;
}

void machine_finish_hook(struct tx *tx, struct machine *machine, const char *result)
{
        struct state_machine *state = tx_edit(tx, &machine->object);

        state->hook_result = result;
        tx_put(tx, &machine->object, state);
}

/* ---- Coming ---- */

void machine_was_created(struct model *model, const char *id, const char *note, int64_t now_ms)
{
        struct machine *machine = model_machine(model, id);
        struct state_machine *state;
        struct tx *tx;

        if (machine == NULL || machine->state->created_at != 0)
                return;
        tx = tx_begin(model);
        state = tx_edit(tx, &machine->object);
        state->created_at = now_ms;
        state->note = note;
        tx_put(tx, &machine->object, state);
        (void)tx_commit(tx);
}

/* Its launching hooks are over, or there are none. */
static void put_in_service(struct tx *tx, struct machine *machine, int64_t now_ms)
{
        struct state_machine *state = tx_edit(tx, &machine->object);
        struct state_scaling_group *group;

        enter(state, ASG_LIFECYCLE_STATE_INSERVICE, now_ms);
        state->hook = NULL;
        tx_put(tx, &machine->object, state);
        group_activity_update(tx, machine->group, state->activity, SUCCESSFUL, NULL, true, now_ms);
        if (machine->group->state->failures == 0)
                return;
        group = tx_edit(tx, &machine->group->object);
        group->failures = 0;
        group->next_launch_at = 0;
        tx_put(tx, &machine->group->object, group);
}

static void run_pending(struct machine_run *run, struct machine *machine)
{
        const char *outcome = is_in(machine, ASG_LIFECYCLE_STATE_PENDING_WAIT) ? hook_outcome(run->model, machine, run->now_ms) : NULL;
        const struct asg_lifecycle_hook *hook;
        struct state_machine *state;

        if (machine->state->created_at == 0) {
                run->ops->create(run->ops_data, machine);
                return;
        }
        if (is_in(machine, ASG_LIFECYCLE_STATE_PENDING_WAIT) && outcome == NULL) {
                run->next = MIN(run->next, machine->state->hook_until);
                return;
        }
        if (str_eq(outcome, RESULT_ABANDON)) {
                machine_terminate(run->tx, machine,
                                  arena_printf(tx_arena(run->tx), "lifecycle hook %s was abandoned", machine->state->hook), run->now_ms);
                return;
        }
        hook = next_hook(run->model, machine->group, HOOK_LAUNCHING, machine->state->hook);
        if (hook == NULL)
                return put_in_service(run->tx, machine, run->now_ms);
        state = tx_edit(run->tx, &machine->object);
        wait_for(run->tx, state, hook, run->now_ms);
        enter(state, ASG_LIFECYCLE_STATE_PENDING_WAIT, run->now_ms);
        tx_put(run->tx, &machine->object, state);
        run->next = MIN(run->next, state->hook_until);
}

void machine_join(struct tx *tx, struct machine *machine, const struct state_container_instance *state, int64_t now_ms)
{
        struct state_machine *m;

        if (machine->state->joined_at != 0 && str_eq(machine->state->instance, state->id))
                return;
        m = tx_edit(tx, &machine->object);
        m->joined_at = now_ms;
        m->cluster = state->cluster;
        m->instance = state->id;
        tx_put(tx, &machine->object, m);
}

/* ---- Health ---- */

void machine_set_health(struct tx *tx, struct machine *machine, const char *health, const char *reason)
{
        struct state_machine *state;

        if (str_eq(machine->state->health, health))
                return;
        state = tx_edit(tx, &machine->object);
        state->health = health;
        state->health_reason = reason;
        tx_put(tx, &machine->object, state);
}

void machine_has_vanished(struct model *model, const char *id, int64_t now_ms)
{
        struct machine *machine = model_machine(model, id);
        struct tx *tx;

        if (machine == NULL || machine->state->created_at == 0 || !machine_is_live(machine))
                return;
        tx = tx_begin(model);
        machine_set_health(tx, machine, MACHINE_UNHEALTHY, "its driver does not have it any more");
        (void)tx_commit(tx);
}

static void set_lost(struct machine_run *run, struct machine *machine, int64_t at_ms)
{
        struct state_machine *state = tx_edit(run->tx, &machine->object);

        state->lost_at = at_ms;
        tx_put(run->tx, &machine->object, state);
}

/* A machine that nobody hears of is as good as none. */
static void check_health(struct machine_run *run, struct machine *machine)
{
        const struct state_machine *state = machine->state;
        const struct instance *instance = model_machine_instance(run->model, machine);
        int64_t grace_ms = (int64_t)machine->group->state->group->health_check_grace_period * 1000, until;

        if (str_eq(state->health, MACHINE_UNHEALTHY) || group_is_suspended(machine->group, "HealthCheck"))
                return;
        if (state->joined_at == 0) {
                until = state->created_at + MAX(grace_ms, MACHINE_JOIN_MS);
                if (until > run->now_ms) {
                        run->next = MIN(run->next, until);
                        return;
                }
                machine_set_health(run->tx, machine, MACHINE_UNHEALTHY,
                                   arena_printf(tx_arena(run->tx), "its agent has not joined cluster %s in time", state->cluster));
                return;
        }
        if (instance == NULL || !instance->lost) {
                if (state->lost_at != 0)
                        set_lost(run, machine, 0);
                return;
        }
        if (state->lost_at == 0)
                set_lost(run, machine, run->now_ms);
        until = machine->state->lost_at + MACHINE_LOST_MS;
        if (until > run->now_ms)
                run->next = MIN(run->next, until);
        else
                machine_set_health(run->tx, machine, MACHINE_UNHEALTHY, "its agent has not been heard of");
}

static void replace_unhealthy(struct machine_run *run, struct machine *machine)
{
        if (!str_eq(machine->state->health, MACHINE_UNHEALTHY) || group_is_suspended(machine->group, "ReplaceUnhealthy") ||
            group_is_suspended(machine->group, "Terminate"))
                return;
        machine_terminate(run->tx, machine,
                          arena_printf(tx_arena(run->tx), "an instance was taken out of service in response to a health check: %s",
                                       machine->state->health_reason != NULL ? machine->state->health_reason : "it was set Unhealthy"),
                          run->now_ms);
}

/* ---- Going ---- */

void machine_terminate(struct tx *tx, struct machine *machine, const char *cause, int64_t now_ms)
{
        struct arena *arena = tx_arena(tx);
        struct state_machine *state;
        char at[32];

        if (!machine_is_live(machine))
                return;
        str_iso8601(now_ms, false, at);
        /* Its launch was not over. */
        if (!is_in(machine, ASG_LIFECYCLE_STATE_INSERVICE))
                group_activity_update(tx, machine->group, machine->state->activity, ASG_SCALING_ACTIVITY_STATUS_CODE_CANCELLED, cause, true,
                                      now_ms);
        state = tx_edit(tx, &machine->object);
        enter(state, ASG_LIFECYCLE_STATE_TERMINATING, now_ms);
        state->hook = state->hook_result = NULL;
        state->attempts = 0;
        SHAPE_SET(state, state_machine, activity,
                  group_activity_begin(tx, machine->group, ASG_SCALING_ACTIVITY_STATUS_CODE_INPROGRESS,
                                       arena_printf(arena, "Terminating EC2 instance: %s", state->id),
                                       arena_printf(arena, "At %s %s.", at, cause), NULL, now_ms));
        tx_put(tx, &machine->object, state);
}

/* Whether there is anything that could end in an orderly way. */
static bool can_wait(const struct machine_run *run, const struct machine *machine)
{
        return !machine->group->state->deleting && machine->state->created_at != 0 &&
               !(str_eq(machine->state->health, MACHINE_UNHEALTHY) && model_machine_instance(run->model, machine) == NULL);
}

static void run_terminating(struct machine_run *run, struct machine *machine)
{
        bool waits = is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING_WAIT);
        const char *outcome = waits ? hook_outcome(run->model, machine, run->now_ms) : NULL;
        struct instance *instance = model_machine_instance(run->model, machine);
        const struct asg_lifecycle_hook *hook;
        struct state_machine *state;

        if (waits && outcome == NULL) {
                run->next = MIN(run->next, machine->state->hook_until);
                return;
        }
        hook = can_wait(run, machine) ? next_hook(run->model, machine->group, HOOK_TERMINATING, machine->state->hook) : NULL;
        state = tx_edit(run->tx, &machine->object);
        if (hook != NULL) {
                wait_for(run->tx, state, hook, run->now_ms);
                enter(state, ASG_LIFECYCLE_STATE_TERMINATING_WAIT, run->now_ms);
                run->next = MIN(run->next, state->hook_until);
        } else {
                enter(state, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED, run->now_ms);
                state->hook = NULL;
        }
        tx_put(run->tx, &machine->object, state);
        /* Nothing new is to come, and services move what they have there. */
        if (instance != NULL && instance->state->status == STATE_INSTANCE_STATUS_ACTIVE)
                instance_set_status(run->tx, instance, STATE_INSTANCE_STATUS_DRAINING);
}

static void run_proceed(struct machine_run *run, struct machine *machine)
{
        if (machine->state->retry_at > run->now_ms)
                run->next = MIN(run->next, machine->state->retry_at);
        else
                run->ops->destroy(run->ops_data, machine);
}

static void forget_key(struct model *model, struct tx *tx, const char *id)
{
        struct access_key *key = id != NULL ? model_access_key(model, id) : NULL;

        if (key != NULL)
                tx_remove(tx, &key->object);
}

void machine_was_destroyed(struct model *model, const char *id, int64_t now_ms)
{
        struct machine *machine = model_machine(model, id);
        struct instance *instance;
        struct tx *tx;

        if (machine == NULL || !is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED))
                return;
        tx = tx_begin(model);
        instance = model_machine_instance(model, machine);
        if (instance != NULL && instance->state->status != STATE_INSTANCE_STATUS_INACTIVE)
                instance_deregister(
                        tx, instance, ECS_TASK_STOP_CODE_TERMINATIONNOTICE,
                        arena_printf(tx_arena(tx), "Container instance (%s) was terminated by its Auto Scaling group", instance->state->id),
                        now_ms);
        forget_key(model, tx, machine->state->key_id);
        group_activity_update(tx, machine->group, machine->state->activity, SUCCESSFUL, NULL, true, now_ms);
        tx_remove(tx, &machine->object);
        (void)tx_commit(tx);
}

static int64_t backoff_ms(int32_t attempts)
{
        int64_t ms = RETRY_MIN_MS;

        for (; attempts > 1 && ms < RETRY_MAX_MS; attempts--)
                ms *= 2;
        return MIN(ms, RETRY_MAX_MS);
}

void machine_was_not_destroyed(struct model *model, const char *id, const char *why, int64_t now_ms)
{
        struct machine *machine = model_machine(model, id);
        struct state_machine *state;
        struct tx *tx;

        if (machine == NULL || !is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED))
                return;
        tx = tx_begin(model);
        state = tx_edit(tx, &machine->object);
        SHAPE_SET(state, state_machine, attempts, state->attempts + 1);
        state->retry_at = now_ms + backoff_ms(state->attempts);
        tx_put(tx, &machine->object, state);
        group_activity_update(tx, machine->group, state->activity, ASG_SCALING_ACTIVITY_STATUS_CODE_INPROGRESS,
                              arena_printf(tx_arena(tx), "The machine driver could not destroy it and is asked again: %s",
                                           why != NULL ? why : "it did not say why"),
                              false, now_ms);
        (void)tx_commit(tx);
}

void machine_was_not_created(struct model *model, const char *id, const char *why, int64_t now_ms)
{
        struct machine *machine = model_machine(model, id);
        struct state_scaling_group *group;
        struct state_machine *state;
        const char *message;
        struct tx *tx;

        if (machine == NULL || !is_in(machine, ASG_LIFECYCLE_STATE_PENDING) || machine->state->created_at != 0)
                return;
        tx = tx_begin(model);
        group = tx_edit(tx, &machine->group->object);
        SHAPE_SET(group, state_scaling_group, failures, group->failures + 1);
        group->next_launch_at = now_ms + backoff_ms(group->failures);
        tx_put(tx, &machine->group->object, group);
        message =
                arena_printf(tx_arena(tx), "%s. Launching EC2 instance failed.", why != NULL ? why : "The machine driver did not say why");
        group_activity_update(tx, machine->group, machine->state->activity, FAILED, message, true, now_ms);
        /* What there is of it goes without a word of its own in the activities. */
        state = tx_edit(tx, &machine->object);
        enter(state, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED, now_ms);
        tx_put(tx, &machine->object, state);
        (void)tx_commit(tx);
}

/* ---- All of it ---- */

void machine_run(struct machine_run *run, struct machine *machine)
{
        if (is_in(machine, ASG_LIFECYCLE_STATE_INSERVICE))
                check_health(run, machine);
        if (machine_is_live(machine))
                replace_unhealthy(run, machine);
        if (machine_is_live(machine) && !is_in(machine, ASG_LIFECYCLE_STATE_INSERVICE))
                run_pending(run, machine);
        if (is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING) || is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING_WAIT))
                run_terminating(run, machine);
        if (is_in(machine, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED))
                run_proceed(run, machine);
}
