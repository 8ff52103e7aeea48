/* SPDX-License-Identifier: Apache-2.0 */
/* See scaler.h. */
#include "control/scaler.h"

#include <math.h>

#include "base/timezone.h"
#include "control/controller.h"
#include "control/scaling.h"
#include "control/schedule.h"

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
        if (target != NULL && !(suspended != NULL && suspended->scheduled_scaling_suspended))
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

static int64_t period_of(const struct aas_target_tracking_scaling_policy_configuration *c)
{
        const struct aas_predefined_metric_specification *p = c->predefined_metric_specification;

        return p != NULL && (p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGECPUUTILIZATIONHIGHRESOLUTION ||
                             p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGEMEMORYUTILIZATIONHIGHRESOLUTION)
                       ? SCALING_FINE_MS
                       : SCALING_COARSE_MS;
}

static struct scaling_wish ask(const struct controller_ops *ops, void *data, const struct scaling_policy *policy,
                               const struct scaling_capacity *capacity)
{
        const struct aas_target_tracking_scaling_policy_configuration *c = policy->state->tracking;
        bool has_out = SHAPE_HAS(c, aas_target_tracking_scaling_policy_configuration, scale_out_cooldown);
        bool has_in = SHAPE_HAS(c, aas_target_tracking_scaling_policy_configuration, scale_in_cooldown);
        int64_t period = period_of(c);
        double points[SCALING_IN_POINTS];
        uint32_t n = ops->scaling_points(data, policy, period, capacity->now_ms, points, SCALING_IN_POINTS);

        return scaling_track(capacity, points, n, period, c->target_value, !c->disable_scale_in,
                             has_out ? c->scale_out_cooldown : SCALING_COOLDOWN_S, has_in ? c->scale_in_cooldown : SCALING_COOLDOWN_S);
}

static void act(struct model *model, struct scalable_target *target, struct service *service, const struct scaling_decision *decision,
                const struct scaling_policy *policy, const char *alarm, int64_t now_ms)
{
        struct tx *tx = tx_begin(model);
        const char *cause = arena_printf(tx_arena(tx), "monitor alarm %s in state ALARM triggered policy %s", alarm, policy->state->name);

        if (decision->reason != SCALING_REASON_NONE)
                scaling_record_reason(tx, target, decision->reason, cause, now_ms);
        else if (decision->desired != service->state->desired_count)
                scaling_apply(tx, target, service, decision->desired, decision->cooldown_s, cause, now_ms);
        tx_commit(tx);
}

static int64_t track(struct model *model, const struct controller_ops *ops, void *data, struct scalable_target *target, int64_t now_ms)
{
        const char *id = target->state->resource_id;
        struct service *service = model_scaled_service(model, id);
        const struct scaling_policy *policies[MAX_POLICIES];
        struct scaling_wish wishes[MAX_POLICIES];
        struct scaling_capacity capacity;
        struct scaling_decision decision;
        int64_t period = INT64_MAX;
        uint32_t n = 0;

        if (service == NULL)
                return INT64_MAX;
        capacity = scaling_capacity_of(model, target, service, now_ms);
        for (struct object *o = model_scaling_first(model, OBJECT_SCALING_POLICY, id); o != NULL && n < MAX_POLICIES;
             o = model_scaling_next(o, id)) {
                const struct scaling_policy *policy = (const struct scaling_policy *)(const void *)o;

                if (policy->state->tracking == NULL)
                        continue;
                period = MIN(period, period_of(policy->state->tracking));
                policies[n] = policy;
                wishes[n++] = ask(ops, data, policy, &capacity);
        }
        decision = scaling_decide(&capacity, wishes, n);
        if (decision.policy >= 0)
                act(model, target, service, &decision, policies[decision.policy], "of its target", now_ms);
        return period == INT64_MAX ? period : (now_ms / period + 1) * period;
}

int64_t scaler_run(struct model *model, const struct controller_ops *ops, void *data, int64_t now_ms)
{
        int64_t next = run_actions(model, now_ms);

        if (ops == NULL || ops->scaling_points == NULL)
                return next;
        tree_for_each (node, model_objects(model, OBJECT_SCALABLE_TARGET))
                next = MIN(next, track(model, ops, data, MODEL_OBJECT(node, scalable_target), now_ms));
        return next;
}

void scaler_alarm(struct model *model, struct scaling_policy *policy, const char *alarm, double distance, int64_t now_ms)
{
        struct scalable_target *target = model_scalable_target(model, policy->state->resource_id);
        struct service *service = model_scaled_service(model, policy->state->resource_id);
        struct scaling_capacity capacity;
        struct scaling_decision decision;
        struct scaling_wish wish;

        if (target == NULL || service == NULL || policy->state->step == NULL)
                return;
        capacity = scaling_capacity_of(model, target, service, now_ms);
        wish = scaling_step(&capacity, policy->state->step, distance);
        decision = scaling_decide(&capacity, &wish, 1);
        if (decision.policy >= 0)
                act(model, target, service, &decision, policy, alarm, now_ms);
}
