/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of services behind load balancers: ACTIVATING until they are registered, DEACTIVATING until their targets have drained.
 * Only then does the agent hear that it shall stop the containers.
 */
#include "control/service.h"

#include <errno.h>

#include "control/targets.h"

/* Its containers run: now it can be found by the balancer. */
static void activate(struct service_run *run, struct pool *pool, struct task *task)
{
        struct error error = {0};
        int r = targets_register(run->controller->model, run->tx, task, pool_balancers(pool), run->now_ms, &error);
        struct state_task *state;

        if (r == -ENOENT)
                service_say_once(run, "was unable to register targets: ", error.message);
        if (r != 0)
                return;
        state = tx_edit(run->tx, &task->object);
        state->last_status = STATE_TASK_STATUS_RUNNING;
        state->started_at = run->now_ms;
        SHAPE_SET(state, state_task, version, state->version + 1);
        tx_put(run->tx, &task->object, state);
        run->registered++;
}

static void deactivate(struct service_run *run, struct task *task)
{
        struct state_task *state;

        if (targets_state(run->controller->model, task, NULL) != TARGETS_DRAINING && !list_empty(&task->targets))
                run->draining.n++;
        if (targets_deregister(run->controller->model, run->tx, task, run->now_ms) && !list_empty(&task->targets))
                return;
        if (task->state->last_status != STATE_TASK_STATUS_DEACTIVATING)
                return;
        state = tx_edit(run->tx, &task->object);
        state->last_status = STATE_TASK_STATUS_STOPPING;
        state->stopping_at = run->now_ms;
        SHAPE_SET(state, state_task, version, state->version + 1);
        tx_put(run->tx, &task->object, state);
}

void service_settle_targets(struct service_run *run, struct pool *pool)
{
        pool_for_each(task, pool, POOL_PENDING) if (task->state->last_status == STATE_TASK_STATUS_ACTIVATING) activate(run, pool, task);
        pool_for_each(task, pool, POOL_LEAVING) if (!list_empty(&task->targets) ||
                                                    task->state->last_status == STATE_TASK_STATUS_DEACTIVATING) deactivate(run, task);
        /* The node is not there any more: nothing to drain to. */
        pool_for_each(task, pool, POOL_GONE) deactivate(run, task);
        pool_for_each(task, pool, POOL_OVER) deactivate(run, task);
}
