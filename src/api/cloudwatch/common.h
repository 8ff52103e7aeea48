/* SPDX-License-Identifier: Apache-2.0 */
/* The CloudWatch API: what its files share. */
#pragma once

#include "api/call.h"
#include "api/cloudwatch.idl.h"
#include "metrics/expression.h"
#include "metrics/metrics.h"

/* Registers the service. */
void cloudwatch_register(struct api *api);
/* Once a minute: what the metrics forget; figures of clusters. */
void cloudwatch_housekeeping(struct api *api, int64_t now_ms);

extern const struct api_route cloudwatch_put_routes[], cloudwatch_get_routes[], cloudwatch_list_routes[], cloudwatch_dashboard_routes[];

/* The identity that a request names; its dimensions in the call's arena. InvalidParameterValue when it cannot be one. */
int cloudwatch_metric_id(struct api_call *call, const char *space, const char *name, const struct cloudwatch_dimension_list *dimensions,
                         struct metric_id *ret) MUST_CHECK;

/* After api_page_begin has failed: says so in CloudWatch's way. */
int cloudwatch_bad_token(struct api_call *call, const char *code, const char *operation);
/* The dimensions of a request as those of an identity, at most METRICS_MAX_DIMENSIONS, in `arena`. */
void cloudwatch_dimensions(struct arena *arena, const struct cloudwatch_dimension_list *in, struct metric_id *ret);
/*
 * Runs `answer` when everything that these name is in memory: at once, or after it was read from disk (API_LATER). `answer` sees the call's
 * own output, and returns as a handler does.
 */
int cloudwatch_with_history(struct api_call *call, const struct metric_want *wants, size_t n, const void *input,
                            int (*answer)(struct api_call *call, const void *input)) MUST_CHECK;

/* A statistic: "Average", "p99.9", or of a part of the values: "tm90", "TM(10%:90%)", "PR(:0.3)" … */
struct cloudwatch_stat {
        enum cloudwatch_kind {
                CLOUDWATCH_KIND_SAMPLE_COUNT = 1, /* values of enum cloudwatch_statistic in the IDL, and then percentiles */
                CLOUDWATCH_KIND_AVERAGE,
                CLOUDWATCH_KIND_SUM,
                CLOUDWATCH_KIND_MINIMUM,
                CLOUDWATCH_KIND_MAXIMUM,
                CLOUDWATCH_KIND_PERCENTILE, /* and whatever else needs the distribution: see `part` */
        } kind;
        double percentile;
        enum cloudwatch_part {
                CLOUDWATCH_PART_NONE = 0, /* the percentile itself */
                CLOUDWATCH_PART_MEAN,     /* trimmed mean: of the values between the bounds */
                CLOUDWATCH_PART_WINSOR,   /* mean with what is outside put at the bounds */
                CLOUDWATCH_PART_COUNT,
                CLOUDWATCH_PART_SUM,
                CLOUDWATCH_PART_RANK, /* percent of the values that are between the bounds */
        } part;
        double low, high;
        bool percent; /* the bounds are percentiles, not values */
};
/* False: no such statistic. */
bool cloudwatch_parse_statistic(const char *text, struct cloudwatch_stat *ret);
/* The buckets of one statistic (series NULL: none), and the value of one. */
size_t cloudwatch_read(const struct metric_series *series, const struct cloudwatch_stat *statistic, int64_t from_s, int64_t to_s,
                       int64_t period_s, struct arena *arena, struct metric_bucket **ret);
double cloudwatch_value(const struct metric_bucket *bucket, const struct cloudwatch_stat *statistic);
/* 1, 5, 10, 20, 30 or a multiple of 60. */
bool cloudwatch_period_valid(int64_t period_s);

/*
 * Computes queries over [from, to): for each one line of values, or several, NaN where there is none, on a grid of its period.
 * `lines` have `n` values each, the first at `from_s`; their `source` is a struct cloudwatch_source, or NULL.
 */
struct cloudwatch_computed {
        struct math_lines lines;
        size_t n;
        int64_t from_s, period_s;
        bool more; /* SEARCH found more than it gives */
};
/* The metric that a line is of, or is computed of alone. Identities are valid as those of metrics_find are. */
struct cloudwatch_source {
        struct metric_id id;
        const char *label; /* what it is called among its like */
        const char *stat;
        int64_t period_s;
};
struct cloudwatch_computation {
        const struct metrics *metrics;
        struct arena *arena;
        const struct cloudwatch_metric_data_query_list *queries;
        int64_t from_s, to_s;
};
int cloudwatch_compute(const struct cloudwatch_computation *computation, struct cloudwatch_computed **ret, struct error *error) MUST_CHECK;
/* The one line of the query that returns data (of several the last), for alarms and scaling. SEARCH is refused. */
int cloudwatch_compute_one(const struct cloudwatch_computation *computation, const double **ret, size_t *ret_n,
                           struct error *error) MUST_CHECK;
/* What has to be in memory for it, as far as can be told before. Returns how many. */
size_t cloudwatch_wants(const struct cloudwatch_computation *computation, struct metric_want **ret);

/* Whether a query's values are asked for, not only used by others. */
static inline bool cloudwatch_returns(const struct cloudwatch_metric_data_query *query)
{
        return !SHAPE_HAS(query, cloudwatch_metric_data_query, return_data) || query->return_data;
}

/* labels.c: what a line is called: the query's Label, with what stands in it as ${AVG}, ${LABEL} or ${PROP('Dim.ServiceName')}. */
const char *cloudwatch_label(struct api_call *call, const struct cloudwatch_metric_data_query *query,
                             const struct cloudwatch_computed *computed, size_t line);
