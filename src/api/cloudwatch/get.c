/* SPDX-License-Identifier: Apache-2.0 */
/* GetMetricData and GetMetricStatistics. */
#include <errno.h>
#include <math.h>

#include "api/cloudwatch/common.h"
#include "api/server.h"
#include "base/strutil.h"

#define DATA_MAX 100800 /* points of one answer of GetMetricData */
#define STATISTICS_MAX 1440

static int check_times(struct api_call *call, int64_t from_ms, int64_t to_ms)
{
        if (from_ms < 0 || from_ms >= to_ms)
                return api_fail(call, "InvalidParameterValueException", "The parameter StartTime must be less than the parameter EndTime");
        return 0;
}

/* ---- GetMetricData ---- */

/* Which of the points, counted through all results, belong on this page. */
struct window {
        size_t skip, room;
};

static void push_point(struct api_call *call, struct cloudwatch_metric_data_result *result, int64_t at_s, double value, size_t room)
{
        if (result->timestamps.items == NULL) {
                result->timestamps.items = arena_calloc(call->arena, room + 1, sizeof(int64_t));
                result->values.items = arena_calloc(call->arena, room + 1, sizeof(double));
        }
        result->timestamps.items[result->timestamps.n++] = at_s * 1000;
        result->values.items[result->values.n++] = value;
}

/* Returns whether points are left for the next page. */
static bool fill_result(struct api_call *call, const struct cloudwatch_computed *computed, const double *values, bool ascending,
                        struct window *window, struct cloudwatch_metric_data_result *result)
{
        for (size_t k = 0; k < computed->n; k++) {
                size_t i = ascending ? k : computed->n - 1 - k;

                if (isnan(values[i]))
                        continue;
                if (window->skip > 0) {
                        window->skip--;
                        continue;
                }
                if (window->room == 0)
                        return true;
                window->room--;
                push_point(call, result, computed->from_s + (int64_t)i * computed->period_s, values[i], computed->n);
        }
        return false;
}

static int open_window(struct api_call *call, const struct cloudwatch_get_metric_data_input *in, struct window *ret)
{
        int64_t skip = 0;

        if (in->next_token != NULL && (str_to_int64(in->next_token, &skip) < 0 || skip < 0))
                return api_fail(call, "InvalidNextToken", "NextToken is not one that GetMetricData has given");
        ret->skip = (size_t)skip;
        ret->room = DATA_MAX;
        if (SHAPE_HAS(in, cloudwatch_get_metric_data_input, max_datapoints)) {
                if (in->max_datapoints < 1 || in->max_datapoints > DATA_MAX)
                        return api_fail(call, "InvalidParameterValueException", "MaxDatapoints must be between 1 and %d", DATA_MAX);
                ret->room = (size_t)in->max_datapoints;
        }
        return 0;
}

static struct cloudwatch_computation computation_of(struct api_call *call, const struct cloudwatch_get_metric_data_input *in)
{
        return (struct cloudwatch_computation){.metrics = call->api->metrics,
                                               .arena = call->arena,
                                               .queries = &in->metric_data_queries,
                                               .from_s = in->start_time / 1000,
                                               .to_s = (in->end_time + 999) / 1000};
}

static int answer_data(struct api_call *call, const struct cloudwatch_get_metric_data_input *in,
                       struct cloudwatch_get_metric_data_output *out)
{
        bool ascending = in->scan_by == CLOUDWATCH_SCAN_BY_TIMESTAMPASCENDING, more = false, found_more = false;
        struct cloudwatch_computation computation = computation_of(call, in);
        struct cloudwatch_computed *computed;
        struct window window = {0};
        size_t before;

        if (open_window(call, in, &window) < 0)
                return -EINVAL;
        if (cloudwatch_compute(&computation, &computed, &call->error) < 0)
                return -EINVAL;
        before = window.skip + window.room;
        for (uint32_t i = 0; i < in->metric_data_queries.n; i++) {
                const struct cloudwatch_metric_data_query *query = &in->metric_data_queries.items[i];

                if (!cloudwatch_returns(query))
                        continue;
                found_more |= computed[i].more;
                for (size_t k = 0; k < computed[i].lines.n; k++) {
                        struct cloudwatch_metric_data_result *result = SHAPE_PUSH(call->arena, &out->metric_data_results);

                        result->id = query->id;
                        result->label = cloudwatch_label(call, query, &computed[i], k);
                        push_point(call, result, 0, 0, computed[i].n); /* makes both lists, also where they stay empty */
                        result->timestamps.n = result->values.n = 0;
                        more |= fill_result(call, &computed[i], computed[i].lines.items[k].values, ascending, &window, result);
                        result->status_code = more ? CLOUDWATCH_STATUS_CODE_PARTIALDATA : CLOUDWATCH_STATUS_CODE_COMPLETE;
                }
        }
        if (found_more)
                *SHAPE_PUSH(call->arena, &out->messages) = (struct cloudwatch_message_data){
                        .code = "MaxMetricsExceeded", .value = "SEARCH found more than 500 metrics: the first 500 are used"};
        if (more)
                out->next_token = arena_printf(call->arena, "%zu", before);
        return 0;
}

static int data_loaded(struct api_call *call, const void *input)
{
        return answer_data(call, input, call->output);
}

static int get_metric_data(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_get_metric_data_input *in = input;
        struct cloudwatch_computation computation = computation_of(call, in);
        struct metric_want *wants;
        size_t n;

        if (check_times(call, in->start_time, in->end_time) < 0)
                return -EINVAL;
        n = cloudwatch_wants(&computation, &wants);
        return cloudwatch_with_history(call, wants, n, in, data_loaded);
}

/* ---- GetMetricStatistics ---- */

static void set_statistic(struct cloudwatch_datapoint *point, const struct metric_bucket *bucket, int64_t kind)
{
        switch ((enum cloudwatch_kind)kind) {
        case CLOUDWATCH_KIND_SAMPLE_COUNT:
                SHAPE_SET(point, cloudwatch_datapoint, sample_count, bucket->set.count);
                break;
        case CLOUDWATCH_KIND_AVERAGE:
                SHAPE_SET(point, cloudwatch_datapoint, average, bucket->set.sum / bucket->set.count);
                break;
        case CLOUDWATCH_KIND_SUM:
                SHAPE_SET(point, cloudwatch_datapoint, sum, bucket->set.sum);
                break;
        case CLOUDWATCH_KIND_MINIMUM:
                SHAPE_SET(point, cloudwatch_datapoint, minimum, bucket->set.min);
                break;
        case CLOUDWATCH_KIND_MAXIMUM:
                SHAPE_SET(point, cloudwatch_datapoint, maximum, bucket->set.max);
                break;
        case CLOUDWATCH_KIND_PERCENTILE:
                break;
        }
}

static int add_percentiles(struct api_call *call, const struct metric_series *series,
                           const struct cloudwatch_get_metric_statistics_input *in, int64_t from_s,
                           struct cloudwatch_datapoint_list *points)
{
        for (uint32_t k = 0; k < in->extended_statistics.n; k++) {
                struct cloudwatch_stat statistic;
                struct metric_bucket *buckets = NULL;
                size_t n, at = 0;

                if (!cloudwatch_parse_statistic(in->extended_statistics.items[k], &statistic) ||
                    statistic.kind != CLOUDWATCH_KIND_PERCENTILE)
                        return api_fail(call, "InvalidParameterValueException",
                                        "ExtendedStatistics must be percentiles between p0 and p100, such as p99.9, or such as tm90 and "
                                        "PR(:0.3); not '%.50s'",
                                        in->extended_statistics.items[k]);
                n = cloudwatch_read(series, &statistic, from_s, in->end_time / 1000, in->period, call->arena, &buckets);
                for (uint32_t i = 0; i < points->n; i++) {
                        while (at < n && buckets[at].at_s * 1000 < points->items[i].timestamp)
                                at++;
                        if (at < n && buckets[at].at_s * 1000 == points->items[i].timestamp)
                                string_map_set(call->arena, &points->items[i].extended_statistics, in->extended_statistics.items[k],
                                               arena_printf(call->arena, "%.15g", buckets[at].set.sum));
                }
        }
        return 0;
}

static int check_statistics(struct api_call *call, const struct cloudwatch_get_metric_statistics_input *in)
{
        if (check_times(call, in->start_time, in->end_time) < 0)
                return -EINVAL;
        if (in->statistics.n == 0 && in->extended_statistics.n == 0)
                return api_fail(call, "MissingRequiredParameterException", "Statistics or ExtendedStatistics must be specified");
        if (!cloudwatch_period_valid(in->period))
                return api_fail(call, "InvalidParameterValueException",
                                "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60");
        if ((in->end_time - in->start_time) / 1000 / in->period > STATISTICS_MAX)
                return api_fail(call, "InvalidParameterCombinationException",
                                "You have requested up to %lld datapoints, which exceeds the limit of %d. You may reduce the datapoints "
                                "requested by increasing Period, or decreasing the time range.",
                                (long long)((in->end_time - in->start_time) / 1000 / in->period), STATISTICS_MAX);
        return 0;
}

static int statistics_loaded(struct api_call *call, const void *input)
{
        const struct cloudwatch_get_metric_statistics_input *in = input;
        struct cloudwatch_get_metric_statistics_output *out = call->output;
        struct metric_bucket *buckets = NULL;
        const struct metric_series *series;
        struct metric_id id;
        int64_t from_s;
        size_t n;

        if (check_statistics(call, in) < 0 || cloudwatch_metric_id(call, in->namespace, in->metric_name, &in->dimensions, &id) < 0)
                return -EINVAL;
        from_s = in->start_time / 1000 - in->start_time / 1000 % in->period;
        series = metrics_find(call->api->metrics, &id);
        n = series != NULL ? metrics_read(series, from_s, in->end_time / 1000, in->period, call->arena, &buckets) : 0;
        out->label = in->metric_name;
        out->datapoints.items = arena_calloc(call->arena, n + 1, sizeof(struct cloudwatch_datapoint));
        for (size_t i = 0; i < n; i++) {
                struct cloudwatch_datapoint *point = &out->datapoints.items[out->datapoints.n++];

                point->timestamp = buckets[i].at_s * 1000;
                point->unit = series->unit != 0 ? (enum cloudwatch_standard_unit)series->unit : CLOUDWATCH_STANDARD_UNIT_NONE;
                for (uint32_t k = 0; k < in->statistics.n; k++)
                        set_statistic(point, &buckets[i], in->statistics.items[k]);
        }
        return add_percentiles(call, series, in, from_s, &out->datapoints);
}

static int get_metric_statistics(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_get_metric_statistics_input *in = input;
        struct metric_want want = {.id = {.space = in->namespace, .name = in->metric_name}};

        (void)output;
        if (check_statistics(call, in) < 0)
                return -EINVAL;
        cloudwatch_dimensions(call->arena, &in->dimensions, &want.id);
        want.period_s = in->period;
        want.from_s = metric_period_begin(in->start_time / 1000, in->period);
        want.to_s = in->end_time / 1000;
        return cloudwatch_with_history(call, &want, 1, in, statistics_loaded);
}

const struct api_route cloudwatch_get_routes[] = {
        {CLOUDWATCH_OP_GET_METRIC_DATA, get_metric_data},
        {CLOUDWATCH_OP_GET_METRIC_STATISTICS, get_metric_statistics},
        {0, NULL},
};
