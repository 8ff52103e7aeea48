/* SPDX-License-Identifier: Apache-2.0 */
/* One run of one service: see service.h. */
#include "control/service/service.h"

#include "control/service/deploy.h"
#include "control/task.h"
#include "control/task_network.h"
#include "model/balancer.h"

#define LOST_REASON "Container instance (%s) was lost: its agent has not been heard of"
#define LOST_HOST_REASON "The Fargate host of the task was lost: it has not been heard of"

const struct ecs_load_balancer_list *pool_balancers(const struct pool *pool)
{
        return pool->revision ? &pool->revision->state->load_balancers : &pool->task_set->state->load_balancers;
}

void service_again(struct service_run *run)
{
        work_mark(&run->controller->queue, &run->control->work);
}

void service_wake(struct service_run *run, int64_t at_ms)
{
        work_wake(&run->controller->queue, &run->control->work, at_ms);
}

/* ---- Settle ---- */

static const char *lost_reason(struct service_run *run, const struct state_task *state)
{
        if (state->launch_type == ECS_LAUNCH_TYPE_FARGATE)
                return LOST_HOST_REASON;
        return arena_printf(tx_arena(run->tx), LOST_REASON, state->instance ? state->instance : "");
}

/* What ran on a lost node runs elsewhere from now on. When the node comes back it is told to stop it. */
static void settle_lost(struct service_run *run, struct pool *pool)
{
        pool_for_each(task, pool, POOL_LOST)
        {
                if (run->turn->room == 0)
                        return service_again(run);
                service_stop_task(run, task, ECS_TASK_STOP_CODE_TERMINATIONNOTICE, lost_reason(run, task->state));
        }
}

/* Nobody will tell how those ended: after a while they are over. */
static void settle_gone(struct service_run *run, struct pool *pool)
{
        int64_t keep_ms = run->controller->options.lost_task_ms;

        pool_for_each(task, pool, POOL_GONE)
        {
                struct state_task *state;

                if (task->state->stopping_at + keep_ms > run->now_ms)
                        return service_wake(run, task->state->stopping_at + keep_ms);
                state = tx_edit(run->tx, &task->object);
                if (task_finish(state, ECS_TASK_STOP_CODE_TERMINATIONNOTICE, state->stopped_reason, run->now_ms))
                        task_put(run->controller->model, run->tx, task, state);
        }
}

/* They would only be stopped again later. */
static void settle_stranded(struct service_run *run, struct pool *pool)
{
        pool_for_each(task, pool, POOL_STRANDED)
        {
                if (run->turn->room == 0)
                        return service_again(run);
                service_scale_in_task(run, task);
        }
}

static void settle_fresh(struct service_run *run, struct pool *pool, bool recheck)
{
        int64_t wait_ms = run->controller->options.healthy_after_ms;

        if (pool->checks || pool->balanced) {
                if (recheck)
                        pool_for_each(task, pool, POOL_FRESH) pool_update(run->controller, task);
                return;
        }
        /* The list is in the order of their coming; after a start of the server the first may be the youngest, but not for long. */
        pool_for_each(task, pool, POOL_FRESH)
        {
                if (task->state->started_at + wait_ms > run->now_ms)
                        return service_wake(run, task->state->started_at + wait_ms);
                pool_promote(pool, task);
                run->control->sweep = true;
        }
}

static void settle(struct service_run *run)
{
        bool recheck = run->control->recheck;

        run->control->recheck = false; /* until a task is met whose grace period is not over */
        list_for_each (pool, &run->control->pools, struct pool, link) {
                settle_lost(run, pool);
                settle_gone(run, pool);
                settle_stranded(run, pool);
                settle_fresh(run, pool, recheck);
                service_place_waiting(run, pool);
                service_learn_images(run, pool);
                if (pool->balanced || pool->n[POOL_OVER] > 0)
                        service_settle_targets(run, pool);
        }
}

/* ---- Deletion ---- */

/*
 * A fenced node has stopped what it ran, and what is to end does not wait until somebody can say so. The tasks belong to nobody from now
 * on, but hold their place on the node until it is back: one that only stood still stops them then.
 */
static void give_up_fenced(struct service_run *run, struct pool *pool)
{
        pool_for_each(task, pool, POOL_GONE)
        {
                struct state_task *state;

                if (!task->instance || !task->instance->fenced)
                        continue;
                list_for_each (target, &task->targets, struct target, in_task)
                        tx_remove(run->tx, &target->object);
                state = tx_edit(run->tx, &task->object);
                state->service_name = NULL;
                tx_put(run->tx, &task->object, state);
        }
}

static void end_service(struct service_run *run)
{
        struct state_service *state;

        list_for_each (set, &run->service->task_sets, struct task_set, in_service)
                tx_remove(run->tx, &set->object);
        state = tx_edit(run->tx, &run->service->object);
        state->status = STATE_SERVICE_STATUS_INACTIVE;
        state->inactive_at = run->now_ms;
        tx_put(run->tx, &run->service->object, state);
}

/* Everything goes, protected or not. */
static void drain(struct service_run *run)
{
        static const enum pool_class live[] = {POOL_WAITING, POOL_PENDING, POOL_FRESH, POOL_HEALTHY, POOL_UNHEALTHY, POOL_MOVING};

        list_for_each (pool, &run->control->pools, struct pool, link) {
                for (size_t i = 0; i < ARRAY_SIZE(live); i++)
                        pool_for_each(task, pool, live[i])
                        {
                                if (run->turn->room == 0)
                                        return service_again(run);
                                service_scale_in_task(run, task);
                        }
                give_up_fenced(run, pool);
        }
        if (list_empty(&run->service->tasks))
                end_service(run);
}

/* ---- Task sets ---- */

static void set_stability(struct service_run *run, struct task_set *set, bool steady)
{
        enum ecs_stability_status status = steady ? ECS_STABILITY_STATUS_STEADY_STATE : ECS_STABILITY_STATUS_STABILIZING;
        struct state_task_set *state;

        if (set->state->stability_status == status)
                return;
        state = tx_edit(run->tx, &set->object);
        state->stability_status = status;
        state->stability_status_at = state->updated_at = run->now_ms;
        tx_put(run->tx, &set->object, state);
}

static void run_task_sets(struct service_run *run)
{
        bool steady = true;

        service_note_task_sets(run);
        list_for_each (set, &run->service->task_sets, struct task_set, in_service) {
                struct service_group group = {.primary = set->pool,
                                              .pools = &run->control->pools,
                                              .alone = true,
                                              .desired = task_set_desired(set),
                                              .launch = true};
                bool settled;

                service_scale_group(run, &group);
                settled = service_group_settled(&group);
                set_stability(run, set, settled);
                steady = steady && settled;
                if (set->state->status != STATE_TASK_SET_STATUS_DRAINING)
                        continue;
                give_up_fenced(run, set->pool);
                if (task_counts_none(&set->counts))
                        tx_remove(run->tx, &set->object);
        }
        service_set_steady(run, steady && !list_empty(&run->service->task_sets));
}

/* ---- Deployments ---- */

static bool may_launch(const struct service_revision *primary)
{
        return primary->state->rollout_state != ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED;
}

static bool run_replica(struct service_run *run, struct service_revision *primary)
{
        struct service_group group = {.primary = primary->pool,
                                      .pools = &run->control->pools,
                                      .desired = (uint32_t)MAX(run->service->state->desired_count, 0),
                                      .launch = may_launch(primary)};

        if (service_stages_apply(run))
                return service_run_stages(run, &group);
        if (service_stages_rolled_back(run))
                service_take_traffic_back(run, primary);
        return service_run_rebalancing(run, &group);
}

static void run_deployments(struct service_run *run)
{
        struct service_deployment *deployment;
        struct service_revision *primary;
        bool settled;

        service_judge(run);
        primary = service_primary(run->controller->model, run->service);
        if (!primary)
                return;
        if (run->service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON) {
                service_run_daemon(run, primary->pool, may_launch(primary));
                settled = service_daemon_settled(run, primary->pool);
        } else {
                settled = run_replica(run, primary);
        }
        deployment = service_current_deployment(run->controller->model, run->service);
        if (settled && deployment && service_baked(run, deployment)) {
                service_complete(run);
                deployment = NULL;
        }
        service_set_steady(run, settled && !deployment && may_launch(primary) && run->control->extra == 0);
        if (settled && !deployment)
                service_rebalance(run, primary->pool);
}

void service_work(struct work *work, struct work_turn *turn)
{
        struct service_control *control = CONTAINER_OF(work, struct service_control, work);
        struct service_run run = {
                .controller = control->controller, .control = control, .service = control->service, .turn = turn, .now_ms = turn->now_ms};

        run.waited = !list_empty(&control->waiting);
        list_remove(&control->waiting);
        if (control->service->state->status == STATE_SERVICE_STATUS_INACTIVE)
                return;
        run.tx = tx_begin(control->controller->model);
        settle(&run);
        if (control->service->state->status == STATE_SERVICE_STATUS_DRAINING)
                drain(&run);
        else if (service_is_external(control->service->state))
                run_task_sets(&run);
        else
                run_deployments(&run);
        service_report(&run);
        if (run.blocked)
                list_push(&control->controller->waiting, &control->waiting);
        (void)tx_commit(run.tx);
        task_names_done(&run.started);
        task_names_done(&run.stopped);
}
