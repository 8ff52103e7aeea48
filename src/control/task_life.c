/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a task moves through its life: what agents report, what people want, and what the server decides by itself.
 */
#include "control/task.h"

#include <string.h>

#include "base/strutil.h"
#include "model/service.h"

bool task_container_essential(const struct task *task, const char *container)
{
        const struct ecs_container_definition_list *list;

        if (!task->definition)
                return true;
        list = &task->definition->state->definition->container_definitions;
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, container))
                        return !SHAPE_HAS(&list->items[i], ecs_container_definition, essential) || list->items[i].essential;
        return true;
}

static bool set_text(const char **member, const char *value, struct arena *arena)
{
        if (str_empty(value) || str_eq(*member, value))
                return false;
        *member = arena_strdup(arena, value);
        return true;
}

static bool set_time(int64_t *member, int64_t value)
{
        if (value == 0 || *member != 0)
                return false;
        *member = value;
        return true;
}

static struct state_container *find_container(struct state_task *state, const char *name)
{
        for (uint32_t i = 0; i < state->containers.n; i++)
                if (str_eq(state->containers.items[i].name, name))
                        return &state->containers.items[i];
        return NULL;
}

static bool set_bindings(struct state_container *container, const struct ecs_network_binding_list *bindings, struct arena *arena)
{
        bool same = bindings->n == container->network_bindings.n;
        struct ecs_network_binding *items;

        for (uint32_t i = 0; same && i < bindings->n; i++)
                same = shape_equal(&ecs_network_binding_shape, &bindings->items[i], &container->network_bindings.items[i]);
        if (same)
                return false;
        items = arena_calloc(arena, bindings->n, sizeof(*items));
        for (uint32_t i = 0; i < bindings->n; i++)
                shape_copy_into(&ecs_network_binding_shape, &items[i], &bindings->items[i], arena);
        container->network_bindings.items = items;
        container->network_bindings.n = bindings->n;
        return true;
}

static bool apply_container(struct state_task *state, const struct task_container_report *report, struct arena *arena)
{
        struct state_container *container = find_container(state, report->name);
        bool changed = false;

        if (!container)
                return false;
        if (report->status > container->status) {
                container->status = report->status;
                changed = true;
        }
        if (report->has_exit_code && (!SHAPE_HAS(container, state_container, exit_code) || container->exit_code != report->exit_code)) {
                SHAPE_SET(container, state_container, exit_code, report->exit_code);
                changed = true;
        }
        changed |= set_text(&container->reason, report->reason, arena);
        changed |= set_text(&container->runtime_id, report->runtime_id, arena);
        changed |= set_text(&container->image_digest, report->image_digest, arena);
        /* A stopped container reports none: the ports it had stay visible. */
        if (report->bindings && report->bindings->n > 0)
                changed |= set_bindings(container, report->bindings, arena);
        return changed;
}

/* Did an essential container of its own accord come to an end? */
static bool essential_exited(const struct task *task, const struct state_task *state)
{
        for (uint32_t i = 0; i < state->containers.n; i++) {
                const struct state_container *container = &state->containers.items[i];

                if (container->status == STATE_CONTAINER_STATUS_STOPPED && SHAPE_HAS(container, state_container, exit_code) &&
                    task_container_essential(task, container->name))
                        return true;
        }
        return false;
}

static bool any_essential_stopped(const struct task *task, const struct state_task *state)
{
        for (uint32_t i = 0; i < state->containers.n; i++)
                if (state->containers.items[i].status == STATE_CONTAINER_STATUS_STOPPED &&
                    task_container_essential(task, state->containers.items[i].name))
                        return true;
        return false;
}

static const char *first_container_reason(const struct state_task *state)
{
        for (uint32_t i = 0; i < state->containers.n; i++)
                if (!str_empty(state->containers.items[i].reason))
                        return state->containers.items[i].reason;
        return NULL;
}

/* Why a task stopped of which nobody wanted it. `said` is the agent's own reason for the task. */
static void name_cause(const struct task *task, struct state_task *state, const char *said, struct arena *arena)
{
        if (state->stop_code == ECS_TASK_STOP_CODE_UNSET) {
                bool started = state->started_at != 0 || essential_exited(task, state);

                state->stop_code = started ? ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED : ECS_TASK_STOP_CODE_TASKFAILEDTOSTART;
        }
        if (!str_empty(state->stopped_reason))
                return;
        if (!str_empty(said))
                state->stopped_reason = arena_strdup(arena, said);
        else if (state->stop_code == ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED)
                state->stopped_reason = TASK_REASON_ESSENTIAL;
        else
                state->stopped_reason = first_container_reason(state) ? first_container_reason(state) : TASK_REASON_FAILED_TO_START;
}

static void mark_stopped(struct state_task *state, int64_t now_ms)
{
        state->last_status = STATE_TASK_STATUS_STOPPED;
        state->desired_status = STATE_TASK_STATUS_STOPPED;
        set_time(&state->stopping_at, state->execution_stopped_at != 0 ? state->execution_stopped_at : now_ms);
        state->stopped_at = now_ms;
        for (uint32_t i = 0; i < state->containers.n; i++)
                state->containers.items[i].status = STATE_CONTAINER_STATUS_STOPPED;
}

static bool want_stopped(struct state_task *state, enum ecs_task_stop_code code, const char *reason, int64_t now_ms)
{
        if (state->desired_status == STATE_TASK_STATUS_STOPPED)
                return false;
        state->desired_status = STATE_TASK_STATUS_STOPPED;
        if (task_is_before(state->last_status, STATE_TASK_STATUS_STOPPING))
                state->last_status = STATE_TASK_STATUS_STOPPING;
        state->stop_code = code;
        state->stopped_reason = reason;
        state->stopping_at = now_ms;
        return true;
}

/* Its service's reconciler registers it with its load balancers first: until then it is ACTIVATING. */
static bool is_balanced(const struct task *task)
{
        return (task->revision && task->revision->state->load_balancers.n > 0) ||
               (task->task_set && task->task_set->state->load_balancers.n > 0);
}

static bool apply_running(const struct task *task, struct state_task *state, int64_t now_ms)
{
        enum state_task_status status = is_balanced(task) ? STATE_TASK_STATUS_ACTIVATING : STATE_TASK_STATUS_RUNNING;
        bool changed = set_time(&state->connectivity_at, now_ms);

        if (status == STATE_TASK_STATUS_RUNNING)
                changed |= set_time(&state->started_at, now_ms);
        if (task_is_before(state->last_status, status)) {
                state->last_status = status;
                changed = true;
        }
        /* An essential container ended while others still run: the agent is stopping them, and clients may know. */
        if (any_essential_stopped(task, state))
                changed |= want_stopped(state, ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED, TASK_REASON_ESSENTIAL, now_ms);
        return changed;
}

static bool apply_status(const struct task *task, struct state_task *state, const struct task_report *report, struct arena *arena,
                         int64_t now_ms)
{
        switch (report->status) {
        case STATE_TASK_STATUS_PENDING:
                if (!task_is_before(state->last_status, STATE_TASK_STATUS_PENDING))
                        return false;
                state->last_status = STATE_TASK_STATUS_PENDING;
                return true;
        case STATE_TASK_STATUS_RUNNING:
                return apply_running(task, state, now_ms);
        case STATE_TASK_STATUS_STOPPED:
                set_time(&state->execution_stopped_at, now_ms);
                name_cause(task, state, report->reason, arena);
                mark_stopped(state, now_ms);
                return true;
        default:
                return false;
        }
}

bool task_apply_report(const struct task *task, struct state_task *state, const struct task_report *report, struct arena *arena,
                       int64_t now_ms)
{
        bool changed = false;

        if (task_is_over(state))
                return false;
        for (size_t i = 0; i < report->n_containers; i++)
                changed |= apply_container(state, &report->containers[i], arena);
        changed |= set_time(&state->pull_started_at, report->pull_started_at);
        changed |= set_time(&state->pull_stopped_at, report->pull_stopped_at);
        changed |= set_time(&state->execution_stopped_at, report->execution_stopped_at);
        changed |= apply_status(task, state, report, arena, now_ms);
        if (changed)
                SHAPE_SET(state, state_task, version, state->version + 1);
        return changed;
}

bool task_want_stopped(const struct task *task, struct state_task *state, enum ecs_task_stop_code code, const char *reason, int64_t now_ms)
{
        bool drains = task_is_before(state->last_status, STATE_TASK_STATUS_DEACTIVATING) && !list_empty(&task->targets);

        if (task_is_over(state) || !want_stopped(state, code, reason, now_ms))
                return false;
        if (drains) {
                state->last_status = STATE_TASK_STATUS_DEACTIVATING;
                state->stopping_at = 0;
        }
        SHAPE_SET(state, state_task, version, state->version + 1);
        return true;
}

bool task_finish(struct state_task *state, enum ecs_task_stop_code code, const char *reason, int64_t now_ms)
{
        if (task_is_over(state))
                return false;
        if (state->desired_status != STATE_TASK_STATUS_STOPPED) {
                state->stop_code = code;
                state->stopped_reason = reason;
        }
        set_time(&state->execution_stopped_at, now_ms);
        mark_stopped(state, now_ms);
        SHAPE_SET(state, state_task, version, state->version + 1);
        return true;
}

/* As ECS says: unhealthy if any essential container is; else unknown if any is unknown; healthy when all that are checked are. */
static enum ecs_health_status overall_health(const struct task *task, const struct state_task *state)
{
        bool unknown = false, healthy = false;

        for (uint32_t i = 0; i < state->containers.n; i++) {
                const struct state_container *container = &state->containers.items[i];

                if (container->health == ECS_HEALTH_STATUS_UNSET || !task_container_essential(task, container->name))
                        continue;
                if (container->health == ECS_HEALTH_STATUS_UNHEALTHY)
                        return ECS_HEALTH_STATUS_UNHEALTHY;
                unknown |= container->health == ECS_HEALTH_STATUS_UNKNOWN;
                healthy |= container->health == ECS_HEALTH_STATUS_HEALTHY;
        }
        return healthy && !unknown ? ECS_HEALTH_STATUS_HEALTHY : ECS_HEALTH_STATUS_UNKNOWN;
}

bool task_set_health(const struct task *task, struct state_task *state, const char *name, enum ecs_health_status health)
{
        struct state_container *container = find_container(state, name);

        if (task_is_over(state) || !container || container->health == health || health == ECS_HEALTH_STATUS_UNSET)
                return false;
        container->health = health;
        state->health = overall_health(task, state);
        SHAPE_SET(state, state_task, version, state->version + 1);
        return true;
}
