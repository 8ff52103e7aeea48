/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping tasks of services. */
#include "control/service.h"

#include "control/task.h"

bool task_is_protected(const struct task *task, int64_t now_ms)
{
        return task->state->protected_until > now_ms;
}

void service_stop_task(struct service_run *run, struct task *task, enum ecs_task_stop_code code, const char *reason)
{
        struct state_task *state = tx_edit(run->tx, &task->object);
        bool was_running = state->last_status == STATE_TASK_STATUS_RUNNING, stopped;

        /* No agent knows of it: there is nothing to wait for. */
        if (!task->instance || !task_was_offered(run->controller, task))
                stopped = task_finish(state, code, reason, run->now_ms);
        else
                stopped = task_want_stopped(state, code, reason, run->now_ms);
        if (!stopped)
                return;
        tx_put(run->tx, &task->object, state);
        run->turn->room -= run->turn->room > 0;
        if (was_running)
                task_names_add(&run->stopped, task);
}

void service_scale_in_task(struct service_run *run, struct task *task)
{
        const char *reason = arena_printf(tx_arena(run->tx), "Scaling activity initiated by (deployment ecs-svc/%s)",
                                          run->service->state->primary ? run->service->state->primary : pool_id(task->place.pool));

        service_stop_task(run, task, ECS_TASK_STOP_CODE_SERVICESCHEDULERINITIATED, reason);
}
