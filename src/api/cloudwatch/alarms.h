/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms through the API: what its files share. */
#pragma once

#include "api/cloudwatch/common.h"
#include "control/alarm/evaluate.h"
#include "model/alarm.h"

extern const struct api_route cloudwatch_alarm_put_routes[], cloudwatch_alarm_view_routes[], cloudwatch_alarm_state_routes[],
        cloudwatch_alarm_history_routes[], cloudwatch_tag_routes[];

/* For struct controller_ops: the newest `n` periods of an alarm's metric that were over at `now_ms`. */
void cloudwatch_alarm_points(const struct metrics *metrics, const struct state_alarm *alarm, uint32_t n, int64_t now_ms,
                             struct arena *arena, struct alarm_points *ret);

/* Rules of PutMetricAlarm and PutCompositeAlarm; ValidationError and others with what is wrong. */
int cloudwatch_check_metric_alarm(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in) MUST_CHECK;
int cloudwatch_check_composite_alarm(struct api_call *call, const struct cloudwatch_put_composite_alarm_input *in) MUST_CHECK;
/* Keys and values of tags, and how many. */
int cloudwatch_check_tags(struct api_call *call, const struct cloudwatch_tag_list *tags) MUST_CHECK;
