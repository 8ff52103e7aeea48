/* SPDX-License-Identifier: Apache-2.0 */
/* See evaluate.h. The texts are CloudWatch's. */
#include "control/alarm/evaluate.h"

#include <math.h>
#include <time.h>

#include "base/buf.h"
#include "base/strutil.h"

/* Points that a reason lists: StateReason has room for 1023 characters, StateReasonData for 4000. */
#define POINTS_IN_TEXT 10
#define POINTS_IN_DATA 25

int64_t alarm_period_s(const struct state_alarm *alarm)
{
        int64_t period_s = alarm->metrics.n == 0 ? alarm->period : 1;

        for (uint32_t i = 0; i < alarm->metrics.n; i++) {
                const struct cloudwatch_metric_data_query *query = &alarm->metrics.items[i];

                period_s = MAX(period_s, query->metric_stat != NULL ? query->metric_stat->period : query->period);
        }
        return MAX(period_s, 1);
}

static bool breaches(const struct state_alarm *alarm, double value)
{
        switch (alarm->comparison_operator) {
        case CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD:
                return value > alarm->threshold;
        case CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANOREQUALTOTHRESHOLD:
                return value >= alarm->threshold;
        case CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD:
                return value < alarm->threshold;
        case CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANOREQUALTOTHRESHOLD:
                return value <= alarm->threshold;
        default: /* of bands: PutMetricAlarm refuses them */
                return false;
        }
}

static uint32_t wanted(const struct state_alarm *alarm)
{
        return SHAPE_HAS(alarm, state_alarm, datapoints_to_alarm) ? (uint32_t)alarm->datapoints_to_alarm
                                                                  : (uint32_t)alarm->evaluation_periods;
}

/* What the newest known points say. */
struct count {
        uint32_t known, over; /* of at most EvaluationPeriods */
        uint32_t oldest_over; /* how many periods old the oldest of them over the threshold is: 1 is the newest period */
};

static struct count count_points(const struct state_alarm *alarm, const struct alarm_points *points)
{
        struct count c = {0};

        for (uint32_t i = points->n; i > 0 && c.known < (uint32_t)alarm->evaluation_periods; i--) {
                double value = points->values[i - 1];

                if (isnan(value))
                        continue;
                c.known++;
                if (breaches(alarm, value)) {
                        c.over++;
                        c.oldest_over = points->n - i + 1;
                }
        }
        return c;
}

static enum cloudwatch_state_value judge_missing(const struct state_alarm *alarm, const struct count *c)
{
        uint32_t m = wanted(alarm), filled = (uint32_t)alarm->evaluation_periods - c->known;

        if (str_eq(alarm->treat_missing_data, "breaching"))
                return c->over + filled >= m ? CLOUDWATCH_STATE_VALUE_ALARM : CLOUDWATCH_STATE_VALUE_OK;
        if (c->over >= m)
                return CLOUDWATCH_STATE_VALUE_ALARM;
        if (str_eq(alarm->treat_missing_data, "notBreaching") || c->known > c->over)
                return CLOUDWATCH_STATE_VALUE_OK;
        if (str_eq(alarm->treat_missing_data, "ignore"))
                return alarm->state;
        if (c->known == 0)
                return CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA;
        return c->oldest_over >= m ? CLOUDWATCH_STATE_VALUE_ALARM : alarm->state;
}

enum cloudwatch_state_value alarm_judge(const struct state_alarm *alarm, const struct alarm_points *points)
{
        struct count c;

        if (points->problem != NULL)
                return CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA;
        if (points->few_samples && str_eq(alarm->low_samples, "ignore"))
                return alarm->state;
        c = count_points(alarm, points);
        if (c.known < (uint32_t)alarm->evaluation_periods)
                return judge_missing(alarm, &c);
        return c.over >= wanted(alarm) ? CLOUDWATCH_STATE_VALUE_ALARM : CLOUDWATCH_STATE_VALUE_OK;
}

struct alarm_window alarm_window(const struct state_alarm *alarm, const struct alarm_points *points)
{
        struct alarm_window w = {.newest = NAN, .mean = NAN, .greatest = NAN};
        double sum = 0;
        uint32_t n = 0;

        for (uint32_t i = points->n; i > 0 && n < (uint32_t)alarm->evaluation_periods; i--) {
                double value = points->values[i - 1];

                if (isnan(value))
                        continue;
                w.oldest_ms = (points->from_s + (int64_t)(i - 1) * points->period_s) * 1000;
                if (n++ == 0) {
                        w.newest = w.greatest = value;
                        w.newest_ms = w.oldest_ms;
                }
                w.greatest = MAX(w.greatest, value);
                sum += value;
                w.mean = sum / n;
        }
        return w;
}

/* ---- texts ---- */

static void append_number(struct buf *out, double value)
{
        if (value == floor(value) && fabs(value) < 1e15)
                buf_printf(out, "%.1f", value);
        else
                buf_printf(out, "%.15g", value);
}

/* "28/11/26 13:05:00" */
static void append_short_time(struct buf *out, int64_t at_s)
{
        struct tm tm;
        time_t at = (time_t)at_s;

        (void)gmtime_r(&at, &tm);
        buf_printf(out, "%02d/%02d/%02d %02d:%02d:%02d", tm.tm_mday, tm.tm_mon + 1, tm.tm_year % 100, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* "2026-11-28T13:05:00.000+0000" */
static void append_time(struct buf *out, int64_t ms)
{
        struct tm tm;
        time_t at = (time_t)(ms / 1000);
        char text[32];

        (void)gmtime_r(&at, &tm);
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        buf_printf(out, "\"%s.%03d+0000\"", text, (int)(ms % 1000));
}

static const char *comparison(const struct state_alarm *alarm)
{
        switch (alarm->comparison_operator) {
        case CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD:
                return "greater than";
        case CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANOREQUALTOTHRESHOLD:
                return "greater than or equal to";
        case CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD:
                return "less than";
        default:
                return "less than or equal to";
        }
}

static void append_points(struct buf *out, const struct state_alarm *alarm, const struct alarm_points *points, bool over)
{
        uint32_t seen = 0, listed = 0;

        buf_append_char(out, '[');
        for (uint32_t i = points->n; i > 0 && seen < (uint32_t)alarm->evaluation_periods; i--) {
                double value = points->values[i - 1];

                if (isnan(value))
                        continue;
                seen++;
                if (breaches(alarm, value) != over || ++listed > POINTS_IN_TEXT)
                        continue;
                buf_append_str(out, listed > 1 ? ", " : "");
                append_number(out, value);
                buf_append_str(out, " (");
                append_short_time(out, points->from_s + (int64_t)(i - 1) * points->period_s);
                buf_append_char(out, ')');
        }
        buf_append_str(out, listed > POINTS_IN_TEXT ? ", …]" : "]");
}

static void append_crossed(struct buf *out, const struct state_alarm *alarm, const struct alarm_points *points, const struct count *c,
                           bool over)
{
        uint32_t n = (uint32_t)alarm->evaluation_periods, count = over ? c->over : c->known - c->over;
        uint32_t least = over ? wanted(alarm) : n - wanted(alarm) + 1;

        buf_printf(out, "Threshold Crossed: %u out of the last %u datapoints ", count, n);
        append_points(out, alarm, points, over);
        buf_printf(out, " %s %s%s the threshold (", count == 1 ? "was" : "were", over ? "" : "not ", comparison(alarm));
        append_number(out, alarm->threshold);
        buf_printf(out, ") (minimum %u datapoint%s for %s transition).", least, least == 1 ? "" : "s",
                   over ? "OK -> ALARM" : "ALARM -> OK");
}

static void append_missing(struct buf *out, const struct state_alarm *alarm, const struct count *c)
{
        uint32_t missing = (uint32_t)alarm->evaluation_periods - c->known;
        const char *as = str_eq(alarm->treat_missing_data, "breaching")      ? "Breaching"
                         : str_eq(alarm->treat_missing_data, "notBreaching") ? "NonBreaching"
                                                                             : NULL;

        if (missing == 0 || as == NULL)
                return;
        buf_printf(out, "%s datapoints were received for %u period%s and %u missing datapoint%s treated as [%s].",
                   c->known == 0 ? "Threshold Crossed: no" : " No", missing, missing == 1 ? "" : "s", missing,
                   missing == 1 ? " was" : "s were", as);
}

static const char *reason_data(const struct state_alarm *alarm, const struct alarm_points *points, int64_t now_ms, struct arena *arena)
{
        CLEANUP_BUF struct buf out = {0};
        uint32_t from = points->n > POINTS_IN_DATA ? points->n - POINTS_IN_DATA : 0, n = 0;

        buf_append_str(&out, "{\"version\":\"1.0\",\"queryDate\":");
        append_time(&out, now_ms);
        buf_append_str(&out, ",\"startDate\":");
        append_time(&out, points->from_s * 1000);
        if (alarm->statistic != CLOUDWATCH_STATISTIC_UNSET)
                buf_printf(&out, ",\"statistic\":\"%s\"", shape_enum_name(&cloudwatch_statistic_enum, (int)alarm->statistic));
        buf_printf(&out, ",\"period\":%lld,\"recentDatapoints\":[", (long long)points->period_s);
        for (uint32_t i = from; i < points->n; i++)
                if (!isnan(points->values[i])) {
                        buf_append_str(&out, n++ > 0 ? "," : "");
                        append_number(&out, points->values[i]);
                }
        buf_append_str(&out, "],\"threshold\":");
        append_number(&out, alarm->threshold);
        buf_append_str(&out, ",\"evaluatedDatapoints\":[");
        for (uint32_t i = points->n; i > from; i--) {
                buf_append_str(&out, i < points->n ? "," : "");
                buf_append_str(&out, "{\"timestamp\":");
                append_time(&out, (points->from_s + (int64_t)(i - 1) * points->period_s) * 1000);
                if (!isnan(points->values[i - 1])) {
                        buf_append_str(&out, ",\"value\":");
                        append_number(&out, points->values[i - 1]);
                }
                buf_append_char(&out, '}');
        }
        buf_append_str(&out, "]}");
        return arena_strndup(arena, out.data, out.len);
}

struct alarm_reason alarm_explain(const struct state_alarm *alarm, const struct alarm_points *points, enum cloudwatch_state_value state,
                                  int64_t now_ms, struct arena *arena)
{
        CLEANUP_BUF struct buf out = {0};
        struct count c = count_points(alarm, points);
        uint32_t missing = (uint32_t)alarm->evaluation_periods - c.known;
        struct alarm_reason reason;

        if (points->problem != NULL)
                buf_printf(&out, "Insufficient Data: the metric could not be computed. %.900s", points->problem);
        else if (state == CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA)
                buf_printf(&out, "Insufficient Data: %u datapoint%s unknown.", missing, missing == 1 ? " was" : "s were");
        else if (c.known > 0)
                append_crossed(&out, alarm, points, &c, state == CLOUDWATCH_STATE_VALUE_ALARM);
        if (points->problem == NULL && state != CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA)
                append_missing(&out, alarm, &c);
        reason.text = arena_strndup(arena, out.data, out.len);
        reason.data = reason_data(alarm, points, now_ms, arena);
        return reason;
}
