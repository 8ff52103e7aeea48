/* SPDX-License-Identifier: Apache-2.0 */
/* Queries (metrics, and expressions over them) to values on grids. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "api/cloudwatch/common.h"
#include "base/strutil.h"
#include "metrics/expression.h"

#define MAX_QUERIES 500
#define MAX_PERIODS 110000 /* about a week of single minutes for each of ten metrics; 63 days of 60 s */

struct computation {
        const struct metrics *metrics;
        struct arena *arena;
        const struct cloudwatch_metric_data_query_list *queries;
        int64_t from_s, to_s;
        struct cloudwatch_computed *results; /* values NULL: not computed yet */
        bool *visited;                       /* an expression that is being computed names itself */
        struct error *error;
};

static int compute_one(struct computation *work, uint32_t index);

static int invalid(struct computation *work, const struct cloudwatch_metric_data_query *query, const char *problem)
{
        return error_api(work->error, "ValidationError", "The query '%.255s': %s", query->id, problem);
}

static int make_grid(struct computation *work, const struct cloudwatch_metric_data_query *query, int64_t period_s,
                     struct cloudwatch_computed *ret)
{
        int64_t from_s = work->from_s - work->from_s % period_s;
        int64_t n = work->to_s > from_s ? (work->to_s - from_s + period_s - 1) / period_s : 0;

        if (n > MAX_PERIODS)
                return invalid(work, query, "the time has too many periods: ask for less time or for longer periods");
        *ret = (struct cloudwatch_computed){.n = (size_t)n, .from_s = from_s, .period_s = period_s};
        ret->values = arena_calloc(work->arena, (size_t)n + 1, sizeof(double));
        for (int64_t i = 0; i < n; i++)
                ret->values[i] = NAN;
        return 0;
}

static int compute_metric(struct computation *work, const struct cloudwatch_metric_data_query *query, struct cloudwatch_computed *ret)
{
        const struct cloudwatch_metric_stat *stat = query->metric_stat;
        struct metric_dimension dimensions[METRICS_MAX_DIMENSIONS];
        struct metric_id id = {stat->metric->namespace, stat->metric->metric_name, dimensions, stat->metric->dimensions.n};
        struct cloudwatch_stat statistic;
        struct metric_bucket *buckets = NULL;
        size_t n;

        if (id.space == NULL || id.name == NULL)
                return invalid(work, query, "MetricStat.Metric must have a Namespace and a MetricName");
        if (!cloudwatch_parse_statistic(stat->stat, &statistic))
                return invalid(work, query,
                               "Stat must be SampleCount, Average, Sum, Minimum, Maximum, a percentile such as p99, or of a part of the "
                               "values: tm90, wm90, tc90, ts90, IQM, TM(10%:90%), PR(:0.3)");
        if (!cloudwatch_period_valid(stat->period))
                return invalid(work, query, "Period must be 1, 5, 10, 20, 30 or a multiple of 60");
        if (make_grid(work, query, stat->period, ret) < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < id.n_dimensions && i < METRICS_MAX_DIMENSIONS; i++)
                dimensions[i] = (struct metric_dimension){stat->metric->dimensions.items[i].name, stat->metric->dimensions.items[i].value};
        n = cloudwatch_read(metrics_find(work->metrics, &id), &statistic, ret->from_s, work->to_s, ret->period_s, work->arena, &buckets);
        for (size_t i = 0; i < n; i++) {
                int64_t at = (buckets[i].at_s - ret->from_s) / ret->period_s;

                if (at >= 0 && (size_t)at < ret->n)
                        ret->values[at] = cloudwatch_value(&buckets[i], &statistic);
        }
        ret->label = query->label != NULL ? query->label : id.name;
        return 0;
}

/* The names in an expression that are other queries' Ids: they have to be computed first. */
static bool names(const char *expression, const char *id)
{
        size_t len = strlen(id);

        for (const char *p = strstr(expression, id); p != NULL; p = strstr(p + 1, id)) {
                bool begins = p == expression || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');

                if (begins && !isalnum((unsigned char)p[len]) && p[len] != '_')
                        return true;
        }
        return false;
}

static bool is_wanted(const struct cloudwatch_metric_data_query *query, const struct cloudwatch_metric_data_query *other)
{
        return names(query->expression, other->id) || (other->metric_stat != NULL && strcasestr(query->expression, "METRICS(") != NULL);
}

static int compute_expression(struct computation *work, const struct cloudwatch_metric_data_query *query, struct cloudwatch_computed *ret)
{
        struct math_series *series = arena_calloc(work->arena, (size_t)work->queries->n + 1, sizeof(*series));
        struct math_grid grid = {.series = series};
        int64_t period_s = SHAPE_HAS(query, cloudwatch_metric_data_query, period) ? query->period : 0;

        for (uint32_t i = 0; i < work->queries->n; i++) {
                const struct cloudwatch_metric_data_query *other = &work->queries->items[i];

                if (other == query || !is_wanted(query, other))
                        continue;
                if (compute_one(work, i) < 0)
                        return -EINVAL;
                if (period_s != 0 && work->results[i].period_s != period_s)
                        return invalid(work, query, "everything in an expression must have the same Period");
                period_s = work->results[i].period_s;
                series[grid.n_series++] =
                        (struct math_series){.id = other->id, .values = work->results[i].values, .metric = other->metric_stat != NULL};
        }
        if (period_s == 0)
                period_s = 60;
        if (!cloudwatch_period_valid(period_s))
                return invalid(work, query, "Period must be 1, 5, 10, 20, 30 or a multiple of 60");
        if (make_grid(work, query, period_s, ret) < 0)
                return -EINVAL;
        grid.n = ret->n;
        grid.period_s = period_s;
        ret->label = query->label != NULL ? query->label : query->id;
        return math_evaluate(query->expression, &grid, work->arena, &ret->values, work->error);
}

static int compute_one(struct computation *work, uint32_t index)
{
        const struct cloudwatch_metric_data_query *query = &work->queries->items[index];

        if (work->results[index].values != NULL)
                return 0;
        if (work->visited[index])
                return invalid(work, query, "the expression depends on itself");
        work->visited[index] = true;
        if ((query->metric_stat != NULL) == (query->expression != NULL))
                return invalid(work, query, "exactly one of MetricStat and Expression must be given");
        return query->metric_stat != NULL ? compute_metric(work, query, &work->results[index])
                                          : compute_expression(work, query, &work->results[index]);
}

int cloudwatch_compute(const struct metrics *metrics, struct arena *arena, const struct cloudwatch_metric_data_query_list *queries,
                       int64_t from_s, int64_t to_s, struct cloudwatch_computed **ret, struct error *error)
{
        struct computation work = {.metrics = metrics,
                                   .arena = arena,
                                   .queries = queries,
                                   .from_s = from_s,
                                   .to_s = to_s,
                                   .results = arena_calloc(arena, (size_t)queries->n + 1, sizeof(struct cloudwatch_computed)),
                                   .visited = arena_calloc(arena, (size_t)queries->n + 1, sizeof(bool)),
                                   .error = error};

        if (queries->n > MAX_QUERIES)
                return error_api(error, "ValidationError", "The request has %u queries; at most %d are allowed", queries->n, MAX_QUERIES);
        for (uint32_t i = 0; i < queries->n; i++)
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(queries->items[i].id, queries->items[k].id))
                                return invalid(&work, &queries->items[i], "two queries have this Id");
        for (uint32_t i = 0; i < queries->n; i++)
                if (compute_one(&work, i) < 0)
                        return -EINVAL;
        *ret = work.results;
        return 0;
}
