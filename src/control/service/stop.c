/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping tasks of services. */
#include "control/service/service.h"

#include "control/targets.h"
#include "control/task.h"
#include "control/task_network.h"

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
                stopped = task_want_stopped(task, state, code, reason, run->now_ms);
        if (!stopped)
                return;
        task_put(run->controller->model, run->tx, task, state);
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

/* The first target that fails its check. */
static const struct target *failing_target(const struct task *task)
{
        list_for_each (target, &task->targets, struct target, in_task)
                if (target->health == ELBV2_TARGET_HEALTH_STATE_UNHEALTHY)
                        return target;
        return NULL;
}

void service_stop_unhealthy(struct service_run *run, struct task *task)
{
        const struct target *target = task->state->health == ECS_HEALTH_STATUS_UNHEALTHY ? NULL : failing_target(task);
        const char *reason = "Task failed container health checks", *group;

        /* The circuit breaker counts it. */
        task->place.pool->n_failed++;
        if (target) {
                group = model_target_group_arn(run->controller->model, tx_arena(run->tx), target->group);
                reason = arena_printf(tx_arena(run->tx), "Task failed ELB health checks in (target-group %s)", group);
                service_add_event(run->tx, run->service, run->now_ms, "(port %d) is unhealthy in (target-group %s) due to (reason %s).",
                                  target->state->port, group, target->description);
        } else {
                service_add_event(run->tx, run->service, run->now_ms, "(task %s) failed container health checks.", task->state->id);
        }
        service_stop_task(run, task, ECS_TASK_STOP_CODE_SERVICESCHEDULERINITIATED, reason);
}
