/* SPDX-License-Identifier: Apache-2.0 */
/* PutMetricAlarm and PutCompositeAlarm: a new alarm, or another configuration of one. */
#include <errno.h>

#include "api/cloudwatch/alarms.h"
#include "base/strutil.h"
#include "control/alarm/change.h"

#define ALARMS_MAX 50000

static int put(struct api_call *call, struct state_alarm *state)
{
        struct alarm *alarm = model_alarm(call->model, state->name);
        struct tx *tx;

        if (alarm != NULL && (alarm->state->rule != NULL) != (state->rule != NULL))
                return api_fail(call, "ValidationError", "The alarm %s is a %s alarm, and stays one. Delete it, or use another name.",
                                state->name, alarm->state->rule != NULL ? "composite" : "metric");
        if (alarm == NULL && model_objects(call->model, OBJECT_ALARM)->count >= ALARMS_MAX)
                return api_fail(call, "LimitExceededFault", "There are %d alarms, the most that are possible. Delete some.", ALARMS_MAX);
        tx = tx_begin(call->model);
        if (alarm == NULL) {
                (void)alarm_create(tx, state, call->now_ms);
        } else {
                /* Tags are for new alarms only: TagResource changes them. */
                state->tags = alarm->state->tags;
                state->policy = alarm->state->policy;
                state->provider = alarm->state->provider;
                alarm_configure(tx, alarm, state, call->now_ms);
        }
        tx_commit(tx);
        return 0;
}

/* Members of the same names. */
#define COPY_COMMON(state, in, type)                                                                                            \
        do {                                                                                                                    \
                (state)->name = (in)->alarm_name;                                                                               \
                (state)->description = (in)->alarm_description;                                                                 \
                SHAPE_SET(state, state_alarm, actions_enabled, !SHAPE_HAS(in, type, actions_enabled) || (in)->actions_enabled); \
                (state)->ok_actions = (in)->ok_actions;                                                                         \
                (state)->alarm_actions = (in)->alarm_actions;                                                                   \
                (state)->insufficient_data_actions = (in)->insufficient_data_actions;                                           \
                (state)->tags = (in)->tags;                                                                                     \
        } while (0)

static int put_metric_alarm(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_put_metric_alarm_input *in = input;
        struct state_alarm state = {.metric_name = in->metric_name,
                                    .namespace = in->namespace,
                                    .statistic = in->statistic,
                                    .extended_statistic = in->extended_statistic,
                                    .dimensions = in->dimensions,
                                    .unit = in->unit,
                                    .metrics = in->metrics,
                                    .comparison_operator = in->comparison_operator,
                                    .treat_missing_data = str_eq(in->treat_missing_data, "missing") ? NULL : in->treat_missing_data,
                                    .low_samples = in->evaluate_low_sample_count_percentile};

        if (cloudwatch_check_metric_alarm(call, in) < 0)
                return -EINVAL;
        COPY_COMMON(&state, in, cloudwatch_put_metric_alarm_input);
        if (SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, period))
                SHAPE_SET(&state, state_alarm, period, in->period);
        SHAPE_SET(&state, state_alarm, evaluation_periods, in->evaluation_periods);
        if (SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, datapoints_to_alarm))
                SHAPE_SET(&state, state_alarm, datapoints_to_alarm, in->datapoints_to_alarm);
        SHAPE_SET(&state, state_alarm, threshold, in->threshold);
        return put(call, &state);
}

static int put_composite_alarm(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_put_composite_alarm_input *in = input;
        struct state_alarm state = {.rule = in->alarm_rule};

        if (cloudwatch_check_composite_alarm(call, in) < 0)
                return -EINVAL;
        COPY_COMMON(&state, in, cloudwatch_put_composite_alarm_input);
        if (in->actions_suppressor != NULL) {
                state.suppressor = model_alarm_name(call->model, in->actions_suppressor);
                SHAPE_SET(&state, state_alarm, suppressor_wait_period, in->actions_suppressor_wait_period);
                SHAPE_SET(&state, state_alarm, suppressor_extension_period, in->actions_suppressor_extension_period);
        }
        return put(call, &state);
}

const struct api_route cloudwatch_alarm_put_routes[] = {
        {CLOUDWATCH_OP_PUT_METRIC_ALARM, put_metric_alarm},
        {CLOUDWATCH_OP_PUT_COMPOSITE_ALARM, put_composite_alarm},
        {0, NULL},
};
