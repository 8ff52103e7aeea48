/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The alarms that target tracking policies make for themselves, as Application Auto Scaling does:
 *
 *     TargetTracking-service/CLUSTER/SERVICE-AlarmHigh-UUID   metric > target        for 3 points of 3
 *     TargetTracking-service/CLUSTER/SERVICE-AlarmLow-UUID    metric < 0.9 × target  for 15 points of 15; not when scale-in is disabled
 *
 * How long a point is: with timing "cloud" a minute (20 seconds of the HighResolution metrics); with "fast" the shortest period, from a second
 * on, in which the metric brings a value each time, and what it is can change as the metric does.
 */
#pragma once

#include "control/scaling/scaling.h"
#include "model/alarm.h"

struct controller;

/* Their places in state_scaling_policy.alarms. */
#define SCALING_ALARM_HIGH 0
#define SCALING_ALARM_LOW 1

/* Gives a new or changed policy, `state`, its alarms: makes or changes them and puts their names into `state`. Nothing for a policy that
 * is not target tracking. */
void scaling_alarms_put(struct tx *tx, struct state_scaling_policy *state, bool fast, int64_t now_ms);
/* Before the policy is removed. */
void scaling_alarms_remove(struct tx *tx, const struct scaling_policy *policy, int64_t now_ms);
/* Makes alarms again that somebody has deleted, and adapts periods. No transaction may be open. Returns when to run again. */
int64_t scaling_alarms_tend(struct controller *controller, int64_t now_ms);
