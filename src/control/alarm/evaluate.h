/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What state a metric alarm is in, by its metric's newest points: N of them (EvaluationPeriods), of which M (DatapointsToAlarm) must be
 * over the threshold. Points may be missing; two more than N are looked at, so that a point that is late changes nothing:
 *
 *     N known points or more      the newest N decide, as if nothing was missing
 *     fewer, missing is breaching or notBreaching   what is missing counts as such
 *     ignore                      ALARM by M points over it, OK by one that is not, else the state stays
 *     missing (the default)       the same, and ALARM also when all known points are over it and the oldest is M periods old;
 *                                 INSUFFICIENT_DATA when none is known
 *
 * Pure.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "model/alarm.h"

/* Points beyond EvaluationPeriods that are looked at. */
#define ALARM_SPARE_POINTS 2

struct alarm_points {
        const double *values; /* n, oldest first; NAN: missing */
        uint32_t n;
        int64_t from_s, period_s; /* the first one's beginning, and how long each is */
        bool few_samples;         /* of a percentile: too few values for it to mean anything */
        const char *problem;      /* the metric cannot be computed: why; NULL: it can */
};

/* Seconds of a point: of the metric, or the longest among the queries. */
int64_t alarm_period_s(const struct state_alarm *alarm);
/* The state that the points stand for; the alarm's own when they say nothing. */
enum cloudwatch_state_value alarm_judge(const struct state_alarm *alarm, const struct alarm_points *points);

/* Texts of a change to `state`, in `arena`: StateReason, and StateReasonData (JSON). */
struct alarm_reason {
        const char *text, *data;
};
struct alarm_reason alarm_explain(const struct state_alarm *alarm, const struct alarm_points *points, enum cloudwatch_state_value state,
                                  int64_t now_ms, struct arena *arena);
/* What scaling goes by. */
struct alarm_window alarm_window(const struct state_alarm *alarm, const struct alarm_points *points);
