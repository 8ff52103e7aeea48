/* SPDX-License-Identifier: Apache-2.0 */
/* See scaler.h. */
#include "control/scaling/scaler.h"

#include <math.h>

#include "base/timezone.h"
#include "control/scaling/predict.h"
#include "control/scaling/scaling.h"
#include "control/scaling/alarms.h"
#include "control/scaling/schedule.h"
#include "control/service/service.h"

#define MAX_POLICIES 50

/* ---- scheduled actions ---- */

/* When the action runs after `now_ms`; 0: never. What was valid when it was put may have gone with the tz database: then never, too. */
static int64_t next_run(const struct state_scheduled_action *s, int64_t now_ms)
{
        struct schedule schedule;
        struct tz_zone *zone = NULL;
        int64_t next;

        if (schedule_parse(s->schedule, &schedule, NULL) < 0 || tz_load(s->timezone, &zone) < 0)
                return 0;
        next = schedule_next(&schedule, zone, s->start_time != 0 ? s->start_time : s->created_at, now_ms);
        tz_free(zone);
        return next == INT64_MAX || (s->end_time != 0 && next > s->end_time) ? 0 : next;
}

static void set_limits(struct tx *tx, struct scalable_target *target, const struct state_scheduled_action *s, int64_t now_ms)
{
        int32_t min = SHAPE_HAS(s, state_scheduled_action, min_capacity) ? s->min_capacity : target->state->min_capacity;
        int32_t max = SHAPE_HAS(s, state_scheduled_action, max_capacity) ? s->max_capacity : target->state->max_capacity;
        const char *cause = arena_printf(tx_arena(tx), "scheduled action name %s was triggered", s->name);
        const char *what = arena_printf(tx_arena(tx), "Setting min capacity to %d and max capacity to %d", min, max);

        if (min > max) {
                scaling_record(tx, target, AAS_SCALING_ACTIVITY_STATUS_CODE_FAILED, what, cause,
                               "Nothing was changed: the maximum capacity cannot be less than the minimum capacity. Give the action both.",
                               now_ms);
                return;
        }
        scaling_record(tx, target, AAS_SCALING_ACTIVITY_STATUS_CODE_SUCCESSFUL, what, cause,
                       arena_printf(tx_arena(tx), "Successfully set min capacity to %d and max capacity to %d", min, max), now_ms);
        scaling_set_limits(tx, target, min, max, now_ms);
}

static void run_action(struct model *model, struct scheduled_action *action, int64_t now_ms)
{
        struct scalable_target *target = model_scalable_target(model, action->state->resource_id);
        const struct aas_suspended_state *suspended = target != NULL ? target->state->suspended : NULL;
        struct tx *tx = tx_begin(model);
        struct state_scheduled_action *state = tx_edit(tx, &action->object);

        state->next_at = next_run(state, now_ms);
        tx_put(tx, &action->object, state);
        if (target != NULL && suspended != NULL && suspended->scheduled_scaling_suspended)
                scaling_record_reason(tx, target, SCALING_REASON_SUSPENDED, "Attempting to set the limits due to a scheduled action.",
                                      arena_printf(tx_arena(tx), "scheduled action name %s was triggered", state->name), now_ms);
        else if (target != NULL)
                set_limits(tx, target, state, now_ms);
        tx_commit(tx);
}

static int64_t run_actions(struct model *model, int64_t now_ms)
{
        int64_t next = INT64_MAX;

        tree_for_each (node, model_objects(model, OBJECT_SCHEDULED_ACTION)) {
                struct scheduled_action *action = MODEL_OBJECT(node, scheduled_action);

                if (action->state->next_at != 0 && action->state->next_at <= now_ms)
                        run_action(model, action, now_ms);
                if (action->state->next_at != 0)
                        next = MIN(next, action->state->next_at);
        }
        return next;
}

/* ---- policies ---- */

/* Tasks that ran before that moment and still do. */
static int32_t running_since(const struct service *service, int64_t ms)
{
        int32_t n = 0;

        list_for_each (task, &service->tasks, struct task, in_service)
                n += task->state->last_status == STATE_TASK_STATUS_RUNNING && task->state->started_at <= ms;
        return n;
}

static const struct alarm *alarm_of(struct model *model, const struct scaling_policy *policy, uint32_t which)
{
        return which < policy->state->alarms.n ? model_alarm(model, policy->state->alarms.items[which]) : NULL;
}

static bool in_alarm(const struct alarm *alarm)
{
        return alarm != NULL && alarm->state->state == CLOUDWATCH_STATE_VALUE_ALARM;
}

static struct scaling_wish ask(struct model *model, const struct scaling_policy *policy, const struct service *service,
                               const struct scaling_capacity *capacity)
{
        const struct aas_target_tracking_scaling_policy_configuration *c = policy->state->tracking;
        bool has_out = SHAPE_HAS(c, aas_target_tracking_scaling_policy_configuration, scale_out_cooldown);
        bool has_in = SHAPE_HAS(c, aas_target_tracking_scaling_policy_configuration, scale_in_cooldown);
        const struct alarm *high = alarm_of(model, policy, SCALING_ALARM_HIGH), *low = alarm_of(model, policy, SCALING_ALARM_LOW);
        struct scaling_metric metric = {.value = NAN};

        if (high != NULL && high->state->state != CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA) {
                metric = (struct scaling_metric){.value = high->seen.mean,
                                                 .newest_ms = high->seen.newest_ms,
                                                 .high = in_alarm(high),
                                                 .low = in_alarm(low) && !isnan(low->seen.greatest)};
                if (metric.high)
                        metric.measured = running_since(service, high->seen.oldest_ms - SCALING_SETTLE_MS);
                if (metric.low) {
                        metric.peak = low->seen.greatest;
                        metric.low_ms = low->seen.oldest_ms;
                }
        }
        return scaling_track(capacity, &metric, c->target_value, !c->disable_scale_in, has_out ? c->scale_out_cooldown : SCALING_COOLDOWN_S,
                             has_in ? c->scale_in_cooldown : SCALING_COOLDOWN_S);
}

static void act(struct model *model, struct scalable_target *target, struct service *service, const struct scaling_decision *decision,
                const struct scaling_policy *policy, const char *alarm, int64_t now_ms)
{
        struct tx *tx = tx_begin(model);
        const char *cause = arena_printf(tx_arena(tx), "monitor alarm %s in state ALARM triggered policy %s", alarm, policy->state->name);

        if (decision->reason != SCALING_REASON_NONE)
                scaling_record_reason(tx, target, decision->reason, "Attempting to scale due to alarm triggered.", cause, now_ms);
        else if (decision->desired != service->state->desired_count)
                scaling_apply(tx, target, service, decision->desired, decision->cooldown_s, cause, now_ms);
        tx_commit(tx);
}

/* All tracking policies of the target have a say. */
static void track(struct model *model, struct scalable_target *target, struct service *service, const struct scaling_capacity *capacity,
                  int64_t now_ms)
{
        const char *id = target->state->resource_id;
        const struct scaling_policy *policies[MAX_POLICIES];
        struct scaling_wish wishes[MAX_POLICIES];
        struct scaling_decision decision;
        const struct alarm *alarm;
        uint32_t n = 0;

        for (struct object *o = model_scaling_first(model, OBJECT_SCALING_POLICY, id); o != NULL && n < MAX_POLICIES;
             o = model_scaling_next(o, id)) {
                const struct scaling_policy *policy = (const struct scaling_policy *)(const void *)o;

                if (policy->state->tracking == NULL)
                        continue;
                policies[n] = policy;
                wishes[n++] = ask(model, policy, service, capacity);
        }
        decision = scaling_decide(capacity, wishes, n);
        if (decision.policy < 0)
                return;
        alarm = alarm_of(model, policies[decision.policy],
                         wishes[decision.policy].want == SCALING_OUT ? SCALING_ALARM_HIGH : SCALING_ALARM_LOW);
        act(model, target, service, &decision, policies[decision.policy], alarm->state->name, now_ms);
}

void scaler_alarm(struct model *model, struct scaling_policy *policy, const struct alarm *alarm, int64_t now_ms)
{
        struct scalable_target *target = model_scalable_target(model, policy->state->resource_id);
        struct service *service = model_scaled_service(model, policy->state->resource_id);
        struct scaling_capacity capacity;
        struct scaling_decision decision;
        struct scaling_wish wish;

        if (target == NULL || service == NULL)
                return;
        capacity = scaling_capacity_of(model, target, service, now_ms);
        if (policy->state->tracking != NULL)
                return track(model, target, service, &capacity, now_ms);
        if (policy->state->step == NULL)
                return;
        wish = scaling_step(&capacity, policy->state->step, alarm->seen.newest - alarm->state->threshold);
        decision = scaling_decide(&capacity, &wish, 1);
        if (decision.policy >= 0)
                act(model, target, service, &decision, policy, alarm->state->name, now_ms);
}

int64_t scaler_run(struct controller *controller, int64_t now_ms)
{
        int64_t actions = run_actions(controller->model, now_ms), alarms = scaling_alarms_tend(controller, now_ms);

        return MIN(MIN(actions, alarms), scaling_predict(controller, now_ms));
}
