/* SPDX-License-Identifier: Apache-2.0 */
/* What an alarm is evaluated by. */
#include <math.h>

#include "api/cloudwatch/alarms.h"

static double *missing(struct arena *arena, size_t n)
{
        double *values = arena_calloc(arena, n + 1, sizeof(double));

        for (size_t i = 0; i < n; i++)
                values[i] = NAN;
        return values;
}

/* With fewer values than this a percentile is one of its extremes (CloudWatch: 10 ÷ (1 − p), or 10 ÷ p below the middle). */
static double samples_needed(double percentile)
{
        double part = percentile / 100;

        return part >= 0.5 ? 10 / (1 - part) : 10 / part;
}

static void mark_few_samples(const struct metric_series *series, const struct cloudwatch_stat *statistic, struct arena *arena,
                             struct alarm_points *ret)
{
        int64_t to_s = ret->from_s + ret->n * ret->period_s;
        struct metric_bucket *buckets = NULL;
        size_t n;

        if (series == NULL || statistic->kind != CLOUDWATCH_KIND_PERCENTILE)
                return;
        n = metrics_read(series, ret->from_s, to_s, ret->period_s, arena, &buckets);
        ret->few_samples = n > 0 && buckets[n - 1].set.count < samples_needed(statistic->percentile);
}

/* One metric: straight from its series, for there may be thousands of such alarms. */
static void read_metric(const struct metrics *metrics, const struct state_alarm *alarm, struct arena *arena, struct alarm_points *ret)
{
        struct metric_dimension dimensions[METRICS_MAX_DIMENSIONS];
        struct metric_id id = {alarm->namespace, alarm->metric_name, dimensions, MIN(alarm->dimensions.n, METRICS_MAX_DIMENSIONS)};
        struct cloudwatch_stat statistic = {.kind = (enum cloudwatch_kind)alarm->statistic};
        struct metric_bucket *buckets = NULL;
        const struct metric_series *series;
        double *values = missing(arena, ret->n);
        size_t n;

        for (uint32_t i = 0; i < id.n_dimensions; i++)
                dimensions[i] = (struct metric_dimension){alarm->dimensions.items[i].name, alarm->dimensions.items[i].value};
        ret->values = values;
        if (alarm->extended_statistic != NULL && !cloudwatch_parse_statistic(alarm->extended_statistic, &statistic))
                return;
        series = metrics_find(metrics, &id);
        if (series == NULL || (alarm->unit != CLOUDWATCH_STANDARD_UNIT_UNSET && series->unit != (int)alarm->unit))
                return;
        n = cloudwatch_read(series, &statistic, ret->from_s, ret->from_s + ret->n * ret->period_s, ret->period_s, arena, &buckets);
        for (size_t i = 0; i < n; i++) {
                int64_t at = (buckets[i].at_s - ret->from_s) / ret->period_s;

                if (at >= 0 && at < ret->n)
                        values[at] = cloudwatch_value(&buckets[i], &statistic);
        }
        mark_few_samples(series, &statistic, arena, ret);
}

static void compute(const struct metrics *metrics, const struct state_alarm *alarm, struct arena *arena, struct alarm_points *ret)
{
        const struct cloudwatch_computation computation = {metrics, arena, &alarm->metrics, ret->from_s,
                                                           ret->from_s + ret->n * ret->period_s};
        struct error error = {0};
        size_t n;

        ret->values = missing(arena, ret->n);
        if (cloudwatch_compute_one(&computation, &ret->values, &n, &error) < 0)
                ret->problem = arena_strdup(arena, error.message);
        else
                ret->n = (uint32_t)MIN(n, ret->n);
}

void cloudwatch_alarm_points(const struct metrics *metrics, const struct state_alarm *alarm, uint32_t n, int64_t now_ms,
                             struct arena *arena, struct alarm_points *ret)
{
        int64_t period_s = alarm_period_s(alarm), to_s = now_ms / 1000 / period_s * period_s;

        *ret = (struct alarm_points){.n = n, .period_s = period_s, .from_s = MAX(to_s - (int64_t)n * period_s, 0)};
        if (alarm->metrics.n > 0)
                compute(metrics, alarm, arena, ret);
        else
                read_metric(metrics, alarm, arena, ret);
}
