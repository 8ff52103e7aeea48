/* SPDX-License-Identifier: Apache-2.0 */
/* See provider_alarms.h. */
#include "control/capacity/provider_alarms.h"

#include "base/strutil.h"
#include "control/alarm/change.h"
#include "control/capacity/attachments.h"

#define LOW_POINTS 15
#define MINUTE_S 60

enum which { HIGH = 0, LOW };

static const char *name_of(struct arena *arena, const struct state_cluster_attachment *attachment, enum which which)
{
        return arena_printf(arena, "TargetTracking-%.180s-Alarm%s-%s", attachment->group, which == LOW ? "Low" : "High", attachment->id);
}

/* As many points of as many seconds as a time has; not more than ECS's 15 where that is possible. */
static void divide(int64_t ms, int32_t *ret_period_s, int32_t *ret_points)
{
        static const int32_t periods[] = {1, 5, 10, 20, 30, MINUTE_S};
        int64_t period_s = (ms + LOW_POINTS * MINUTE_S * 1000 - 1) / (LOW_POINTS * MINUTE_S * 1000) * MINUTE_S;

        for (size_t i = ARRAY_SIZE(periods); i > 0 && ms <= (int64_t)periods[i - 1] * LOW_POINTS * 1000; i--)
                period_s = periods[i - 1];
        *ret_period_s = (int32_t)period_s;
        *ret_points = (int32_t)MAX((ms + period_s * 1000 - 1) / (period_s * 1000), 1);
}

static void build(struct tx *tx, const char *cluster, const struct state_cluster_attachment *attachment,
                  const struct provider_reading *reading, enum which which, struct state_alarm *alarm)
{
        struct arena *arena = tx_arena(tx);
        const char *policy = attachment_policy_name(arena, attachment->id);
        int32_t period_s = 1, points = 1;

        if (which == LOW)
                divide(reading->in_ms, &period_s, &points);
        *alarm = (struct state_alarm){
                .name = name_of(arena, attachment, which),
                .provider = arena_printf(arena, "%s/%s", cluster, attachment->provider),
                .description =
                        arena_printf(arena,
                                     "Of managed scaling of capacity provider %s in cluster %s, which sets it in the moment in which "
                                     "it decides: do not edit or delete it, update the capacity provider.",
                                     attachment->provider, cluster),
                .namespace = PROVIDER_METRIC_SPACE,
                .metric_name = PROVIDER_METRIC,
                .statistic = CLOUDWATCH_STATISTIC_AVERAGE,
                .comparison_operator = which == LOW ? CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD
                                                    : CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD};
        *SHAPE_PUSH(arena, &alarm->dimensions) =
                (struct cloudwatch_dimension){.name = "CapacityProviderName", .value = attachment->provider};
        *SHAPE_PUSH(arena, &alarm->dimensions) = (struct cloudwatch_dimension){.name = "ClusterName", .value = cluster};
        string_list_push(arena, &alarm->alarm_actions,
                         arena_printf(arena, "arn:aws:autoscaling:%s:%s:scalingPolicy:%s:autoScalingGroupName/%s:policyName/%s",
                                      model_region(tx_model(tx)), model_account(tx_model(tx)), attachment->id, attachment->group, policy));
        SHAPE_SET(alarm, state_alarm, actions_enabled, true);
        SHAPE_SET(alarm, state_alarm, threshold, reading->target);
        SHAPE_SET(alarm, state_alarm, period, period_s);
        SHAPE_SET(alarm, state_alarm, evaluation_periods, points);
        SHAPE_SET(alarm, state_alarm, datapoints_to_alarm, points);
}

static const char *reason(struct tx *tx, const struct provider_reading *reading, enum which which, bool alarm)
{
        struct arena *arena = tx_arena(tx);
        const char *now = arena_printf(arena, "CapacityProviderReservation is %.1f (instances: %u needed, %u up)", reading->reservation,
                                       reading->needed, reading->up);
        char since[32];

        if (which == HIGH)
                return arena_printf(arena, "Threshold Crossed: %s, which is %sgreater than the threshold (%.1f).", now, alarm ? "" : "not ",
                                    (double)reading->target);
        if (reading->low_since == 0)
                return arena_printf(arena, "Threshold Crossed: %s, which is not less than the threshold (%.1f).", now,
                                    (double)reading->target);
        str_iso8601(reading->low_since, true, since);
        return arena_printf(arena, "Threshold %sCrossed: %s, which is less than the threshold (%.1f) since %s, and %s %lld s.",
                            alarm ? "" : "Not Yet ", now, (double)reading->target, since, alarm ? "so for" : "has to be so for",
                            (long long)(reading->in_ms / 1000));
}

static void tell(struct tx *tx, const char *cluster, const struct state_cluster_attachment *attachment,
                 const struct provider_reading *reading, enum which which, int64_t now_ms)
{
        bool over = which == LOW ? reading->low : reading->high;
        enum cloudwatch_state_value value = over ? CLOUDWATCH_STATE_VALUE_ALARM : CLOUDWATCH_STATE_VALUE_OK;
        struct alarm *alarm;
        struct state_alarm state;

        build(tx, cluster, attachment, reading, which, &state);
        alarm = model_alarm(tx_model(tx), state.name);
        if (alarm == NULL) {
                alarm = alarm_create(tx, &state, now_ms);
        } else if (alarm->state->threshold != state.threshold || alarm->state->period != state.period ||
                   alarm->state->evaluation_periods != state.evaluation_periods) {
                state.tags = alarm->state->tags;
                alarm_configure(tx, alarm, &state, now_ms);
        }
        if (alarm->state->state == value)
                return;
        alarm_set_state(tx, alarm, value, reason(tx, reading, which, over), NULL, now_ms);
        if (over)
                alarm_record_action(tx, alarm, state.alarm_actions.items[0], NULL, now_ms);
}

void provider_alarms_tell(struct tx *tx, const char *cluster, const struct state_cluster_attachment *attachment,
                          const struct provider_reading *reading, int64_t now_ms)
{
        tell(tx, cluster, attachment, reading, HIGH, now_ms);
        tell(tx, cluster, attachment, reading, LOW, now_ms);
}

void provider_alarms_remove(struct tx *tx, const struct state_cluster_attachment *attachment, int64_t now_ms)
{
        for (enum which which = HIGH; which <= LOW; which++) {
                struct alarm *alarm = model_alarm(tx_model(tx), name_of(tx_arena(tx), attachment, which));

                if (alarm != NULL)
                        alarm_delete(tx, alarm, now_ms);
        }
}
