/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the newest deployment of a service goes: begun, watched by the circuit breaker and by alarms, asked to stop, completed.
 *
 * The circuit breaker counts tasks of the new revision that ended by themselves before they were healthy, and tasks that health
 * checks had to end. With resetOnHealthyTask (the default) a task that gets healthy sets the count back. Threshold: half of the
 * desired count, at least 3 and at most 200; thresholdConfiguration can say another percentage, without bounds, or a number.
 */
#include "control/service/service.h"

#include "base/strutil.h"
#include "control/service/deploy.h"
#include "model/alarm.h"

#define MINUTE_MS INT64_C(60000)
/* With alarms and no bakeTimeInMinutes: long enough for an alarm of one-minute periods to notice. */
#define ALARM_BAKE_MS (2 * MINUTE_MS)
/* Alarms are looked at when somebody says that one changed, and this often in any case. */
#define ALARM_LOOK_MS INT64_C(10000)

/* What is over is kept so long, and so many of it at most. */
#define HISTORY_MS (INT64_C(90) * 24 * 3600 * 1000)
#define HISTORY 100

/* ---- The circuit breaker ---- */

static const struct ecs_deployment_circuit_breaker *breaker_of(const struct ecs_deployment_configuration *configuration)
{
        const struct ecs_deployment_circuit_breaker *breaker = configuration ? configuration->deployment_circuit_breaker : NULL;

        return breaker && breaker->enable ? breaker : NULL;
}

bool breaker_armed(const struct service_deployment *deployment)
{
        const struct state_service_deployment *state = deployment->state;

        return breaker_of(state->deployment_configuration) &&
               (state->status == ECS_SERVICE_DEPLOYMENT_STATUS_PENDING || state->status == ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS);
}

uint32_t breaker_threshold(const struct ecs_deployment_configuration *configuration, uint32_t desired)
{
        const struct ecs_deployment_circuit_breaker *breaker = breaker_of(configuration);
        const struct ecs_deployment_circuit_breaker_threshold *threshold = breaker ? breaker->threshold_configuration : NULL;
        uint64_t value = threshold && threshold->value > 0 ? (uint64_t)threshold->value : 50, n;

        if (threshold && threshold->type == ECS_DEPLOYMENT_CIRCUIT_BREAKER_THRESHOLD_TYPE_COUNT)
                return (uint32_t)value;
        n = (desired * value + 99) / 100;
        if (threshold && threshold->type == ECS_DEPLOYMENT_CIRCUIT_BREAKER_THRESHOLD_TYPE_UNBOUNDED_PERCENT)
                return (uint32_t)MAX(n, 1);
        return (uint32_t)MIN(MAX(n, 3), 200);
}

static bool resets(const struct state_service_deployment *state)
{
        const struct ecs_deployment_circuit_breaker *breaker = breaker_of(state->deployment_configuration);

        return !breaker || !SHAPE_HAS(breaker, ecs_deployment_circuit_breaker, reset_on_healthy_task) || breaker->reset_on_healthy_task;
}

/* ---- Counting ---- */

struct tally {
        uint32_t failed, throttled, succeeded;
};

/* What has happened to tasks since the last run. Older revisions are not judged any more. */
static struct tally take_tally(struct service_run *run, const struct service_revision *primary)
{
        struct tally tally = {0};

        list_for_each (pool, &run->control->pools, struct pool, link) {
                if (pool->task_set || pool->revision == primary) {
                        tally.failed += pool->n_failed;
                        tally.throttled += pool->n_throttled;
                        tally.succeeded += pool->n_succeeded;
                }
                pool->n_failed = pool->n_throttled = pool->n_succeeded = 0;
        }
        return tally;
}

static int64_t launch_delay(int32_t failed)
{
        static const int64_t minutes[] = {1, 2, 4, 8, 15};
        size_t step = (size_t)MAX(failed - LAUNCHES_UNTHROTTLED, 0);

        return minutes[MIN(step, ARRAY_SIZE(minutes) - 1)] * MINUTE_MS;
}

/* How long the next launch waits: see launches_allowed. */
static void note_launches(struct service_run *run, const struct tally *tally)
{
        const struct state_service *old = run->service->state;
        int32_t failed = old->failed_launches;
        struct state_service *state;

        if (tally->succeeded > 0)
                failed = 0;
        else if (tally->throttled > 0 && failed < LAUNCHES_UNTHROTTLED)
                failed = (int32_t)MIN((uint32_t)failed + tally->throttled, LAUNCHES_UNTHROTTLED);
        else if (tally->throttled > 0)
                failed = MIN(failed + 1, LAUNCHES_UNTHROTTLED + 100);
        if (failed == old->failed_launches && tally->throttled == 0)
                return;
        state = tx_edit(run->tx, &run->service->object);
        SHAPE_SET(state, state_service, failed_launches, failed);
        state->next_launch_at = failed >= LAUNCHES_UNTHROTTLED ? run->now_ms + launch_delay(failed) : 0;
        tx_put(run->tx, &run->service->object, state);
}

static void note_revision(struct service_run *run, struct service_revision *primary, const struct tally *tally)
{
        int32_t failed = tally->succeeded > 0 ? 0 : primary->state->failed_tasks + (int32_t)tally->failed;
        struct state_service_revision *state;

        if (failed == primary->state->failed_tasks)
                return;
        state = tx_edit(run->tx, &primary->object);
        SHAPE_SET(state, state_service_revision, failed_tasks, failed);
        state->updated_at = run->now_ms;
        tx_put(run->tx, &primary->object, state);
}

static void note_deployment(struct service_run *run, struct service_deployment *deployment, const struct tally *tally)
{
        const struct state_service_deployment *old = deployment->state;
        int32_t failures = tally->succeeded > 0 && resets(old) ? 0 : old->failure_count + (int32_t)tally->failed;
        struct state_service_deployment *state;

        if (failures == old->failure_count)
                return;
        state = tx_edit(run->tx, &deployment->object);
        SHAPE_SET(state, state_service_deployment, failure_count, failures);
        state->updated_at = run->now_ms;
        tx_put(run->tx, &deployment->object, state);
}

void service_note_task_sets(struct service_run *run)
{
        struct tally tally = take_tally(run, NULL);

        note_launches(run, &tally);
}

/* ---- Alarms ---- */

static bool in_alarm(const struct service_run *run, const char *name)
{
        const struct alarm *alarm = model_alarm(run->controller->model, name);

        return alarm && alarm->state->state == CLOUDWATCH_STATE_VALUE_ALARM;
}

/* An alarm that is on already says nothing about the deployment. */
static void leave_out_alarms(struct service_run *run, struct ecs_service_deployment_alarms *alarms)
{
        struct string_list names = {0};

        for (uint32_t i = 0; i < alarms->alarm_names.n; i++)
                if (!in_alarm(run, alarms->alarm_names.items[i]))
                        string_list_push(tx_arena(run->tx), &names, alarms->alarm_names.items[i]);
        alarms->alarm_names = names;
}

static bool watches_alarms(const struct state_service_deployment *state)
{
        return state->alarms && state->alarms->status == ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING;
}

/* Returns whether one has triggered. */
static bool look_at_alarms(struct service_run *run, struct service_deployment *deployment)
{
        struct string_list triggered = {0};
        struct state_service_deployment *state;

        if (deployment->state->status != ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS || !watches_alarms(deployment->state))
                return false;
        for (uint32_t i = 0; i < deployment->state->alarms->alarm_names.n; i++)
                if (in_alarm(run, deployment->state->alarms->alarm_names.items[i]))
                        string_list_push(tx_arena(run->tx), &triggered, deployment->state->alarms->alarm_names.items[i]);
        if (triggered.n == 0) {
                service_wake(run, run->now_ms + ALARM_LOOK_MS);
                return false;
        }
        state = tx_edit(run->tx, &deployment->object);
        state->alarms->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_TRIGGERED;
        state->alarms->triggered_alarm_names = triggered;
        tx_put(run->tx, &deployment->object, state);
        return true;
}

/* ---- Beginning, judging, completing ---- */

static void begin(struct service_run *run, struct service_deployment *deployment)
{
        struct state_service_deployment *state = tx_edit(run->tx, &deployment->object);

        state->status = ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS;
        state->started_at = state->updated_at = run->now_ms;
        if (state->alarms)
                leave_out_alarms(run, state->alarms);
        if (breaker_of(state->deployment_configuration))
                SHAPE_SET(state, state_service_deployment, threshold,
                          (int32_t)breaker_threshold(state->deployment_configuration, (uint32_t)MAX(state->desired_count, 0)));
        tx_put(run->tx, &deployment->object, state);
}

static bool breaker_tripped(struct service_run *run, const struct service_deployment *deployment)
{
        uint32_t desired = (uint32_t)MAX(run->service->state->desired_count, 0);

        return breaker_armed(deployment) && deployment->state->failure_count > 0 &&
               (uint32_t)deployment->state->failure_count >= breaker_threshold(deployment->state->deployment_configuration, desired);
}

static void judge_deployment(struct service_run *run, struct service_deployment *deployment)
{
        const struct ecs_deployment_configuration *configuration = deployment->state->deployment_configuration;

        switch (deployment->state->status) {
        case ECS_SERVICE_DEPLOYMENT_STATUS_PENDING:
                begin(run, deployment);
                break;
        case ECS_SERVICE_DEPLOYMENT_STATUS_STOP_REQUESTED:
                return service_fail_deployment(run->tx, run->service, DEPLOYMENT_FAILURE_STOPPED, false, run->now_ms);
        case ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_REQUESTED:
                return service_fail_deployment(run->tx, run->service, DEPLOYMENT_FAILURE_STOPPED, true, run->now_ms);
        default:
                break;
        }
        if (breaker_tripped(run, deployment))
                return service_fail_deployment(run->tx, run->service, DEPLOYMENT_FAILURE_BREAKER, breaker_of(configuration)->rollback,
                                               run->now_ms);
        if (look_at_alarms(run, deployment))
                service_fail_deployment(run->tx, run->service, DEPLOYMENT_FAILURE_ALARM, configuration->alarms->rollback, run->now_ms);
}

void service_judge(struct service_run *run)
{
        struct service_revision *primary = service_primary(run->controller->model, run->service);
        struct service_deployment *deployment = service_current_deployment(run->controller->model, run->service);
        struct tally tally = take_tally(run, primary);

        note_launches(run, &tally);
        if (primary)
                note_revision(run, primary, &tally);
        if (!deployment)
                return;
        if (breaker_armed(deployment))
                note_deployment(run, deployment, &tally);
        judge_deployment(run, deployment);
}

static int64_t bake_ms(const struct state_service_deployment *state)
{
        const struct ecs_deployment_configuration *c = state->deployment_configuration;

        if (state->status != ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS)
                return 0;
        if (c && SHAPE_HAS(c, ecs_deployment_configuration, bake_time_in_minutes))
                return c->bake_time_in_minutes * MINUTE_MS;
        return watches_alarms(state) ? ALARM_BAKE_MS : 0;
}

/* Blue/green deployments have baked before they clean up: they come here in that stage. */
bool service_baked(struct service_run *run, const struct service_deployment *deployment)
{
        const struct state_service_deployment *old = deployment->state;
        struct state_service_deployment *state;
        int64_t ms = bake_ms(old);

        if (ms == 0 || old->lifecycle_stage == ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP)
                return true;
        if (old->lifecycle_stage == ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME) {
                service_wake(run, old->stage_since + ms);
                return old->stage_since + ms <= run->now_ms;
        }
        state = tx_edit(run->tx, &deployment->object);
        state->lifecycle_stage = ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME;
        state->stage_since = state->updated_at = run->now_ms;
        tx_put(run->tx, (struct object *)(uintptr_t)&deployment->object, state);
        service_wake(run, run->now_ms + ms);
        return false;
}

/* ---- History ---- */

static bool is_history(const struct service_run *run, const struct service_revision *revision)
{
        return revision != service_primary(run->controller->model, run->service) &&
               revision != service_rollback_target(run->controller->model, run->service) && task_counts_none(&revision->counts);
}

/* Deployments and revisions stay for ninety days, the newest hundred of each. What runs, and what a rollback would go to, stays. */
static void prune(struct service_run *run)
{
        size_t deployments = 0, revisions = 0;

        list_for_each (deployment, &run->service->deployments, struct service_deployment, in_service)
                deployments++;
        list_for_each (revision, &run->service->revisions, struct service_revision, in_service)
                revisions++;
        list_for_each (deployment, &run->service->deployments, struct service_deployment, in_service) {
                bool old = deployment->state->finished_at != 0 && deployment->state->finished_at + HISTORY_MS <= run->now_ms;

                if ((deployments <= HISTORY && !old) || service_deployment_in_progress(deployment->state) ||
                    str_eq(deployment->state->id, run->service->state->deployment))
                        continue;
                tx_remove(run->tx, &deployment->object);
                deployments--;
        }
        list_for_each (revision, &run->service->revisions, struct service_revision, in_service) {
                bool old = revision->state->updated_at + HISTORY_MS <= run->now_ms;

                if ((revisions <= HISTORY && !old) || !is_history(run, revision))
                        continue;
                tx_remove(run->tx, &revision->object);
                revisions--;
        }
}

void service_complete(struct service_run *run)
{
        struct service_revision *primary = service_primary(run->controller->model, run->service);
        struct service_deployment *deployment = service_current_deployment(run->controller->model, run->service);
        struct state_service_revision *revision = tx_edit(run->tx, &primary->object);
        struct state_service_deployment *state = tx_edit(run->tx, &deployment->object);
        bool back = state->status == ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS;

        revision->rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED;
        revision->rollout_state_reason = arena_printf(tx_arena(run->tx), "ECS deployment ecs-svc/%s completed.", revision->id);
        revision->completed_at = revision->updated_at = run->now_ms;
        tx_put(run->tx, &primary->object, revision);
        state->status = back ? ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL : ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL;
        state->finished_at = state->updated_at = run->now_ms;
        state->lifecycle_stage = ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_UNSET;
        if (watches_alarms(state))
                state->alarms->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING_COMPLETE;
        tx_put(run->tx, &deployment->object, state);
        service_add_event(run->tx, run->service, run->now_ms, "(deployment ecs-svc/%s) deployment completed.", revision->id);
        prune(run);
}
