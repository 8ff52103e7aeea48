/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of services behind load balancers: ACTIVATING until they are registered, DEACTIVATING until their targets have drained.
 * Only then does the agent hear that it shall stop the containers.
 */
#include "control/service/service.h"

#include <errno.h>

#include "control/targets.h"
#include "control/task_network.h"

/* Its containers run: now it can be found by the balancer. */
static bool activate(struct service_run *run, struct pool *pool, struct task *task)
{
        struct error error = {0};
        int r = targets_register(run->controller->model, run->tx, task, pool_balancers(pool), pool_is_alternate(pool), run->now_ms, &error);
        struct state_task *state;

        if (r == -ENOENT)
                service_say_once(run, "was unable to register targets: ", error.message);
        if (r != 0)
                return false;
        state = tx_edit(run->tx, &task->object);
        state->last_status = STATE_TASK_STATUS_RUNNING;
        state->started_at = run->now_ms;
        SHAPE_SET(state, state_task, version, state->version + 1);
        task_put(run->controller->model, run->tx, task, state);
        return true;
}

/* Returns whether its targets have only now begun to go. */
static bool deactivate(struct service_run *run, struct task *task)
{
        enum targets_state before = targets_state(run->controller->model, task, NULL);
        bool begins = before != TARGETS_NONE && before != TARGETS_DRAINING;
        struct state_task *state;

        targets_deregister(run->controller->model, run->tx, task, run->now_ms);
        if (!list_empty(&task->targets)) {
                run->draining += begins;
                return begins;
        }
        if (task->state->last_status != STATE_TASK_STATUS_DEACTIVATING)
                return begins;
        state = tx_edit(run->tx, &task->object);
        state->last_status = STATE_TASK_STATUS_STOPPING;
        state->stopping_at = run->now_ms;
        SHAPE_SET(state, state_task, version, state->version + 1);
        task_put(run->controller->model, run->tx, task, state);
        return begins;
}

static void tell(struct service_run *run, const struct pool *pool, const char *what, uint32_t n)
{
        const struct ecs_load_balancer_list *balancers = pool_balancers(pool);

        for (uint32_t i = 0; n > 0 && i < balancers->n; i++)
                if (balancers->items[i].target_group_arn)
                        service_add_event(run->tx, run->service, run->now_ms, "%s %u targets in (target-group %s)", what, n,
                                          balancer_target_group(&balancers->items[i], pool_is_alternate(pool)));
}

/* A node that is gone cannot drain, but what is behind the balancer's back is its own business. */
void service_settle_targets(struct service_run *run, struct pool *pool)
{
        static const enum pool_class ending[] = {POOL_LEAVING, POOL_GONE, POOL_OVER};
        uint32_t registered = 0, deregistered = 0;

        pool_for_each(task, pool, POOL_PENDING) if (task->state->last_status == STATE_TASK_STATUS_ACTIVATING) registered +=
                activate(run, pool, task);
        for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
                pool_for_each(task, pool,
                              ending[i]) if (!list_empty(&task->targets) || task->state->last_status == STATE_TASK_STATUS_DEACTIVATING)
                        deregistered += deactivate(run, task);
        tell(run, pool, "registered", registered);
        tell(run, pool, "deregistered", deregistered);
}
