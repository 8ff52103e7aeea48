/* SPDX-License-Identifier: Apache-2.0 */
/* GetPredictiveScalingForecast, and the load that forecasts are made from. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "api/autoscaling/common.h"
#include "api/cloudwatch/common.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/scaling/forecast.h"

#define HOUR_S 3600
#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
/* Forecasts of past days are made from what was before them. */
#define HISTORY_HOURS ((uint32_t)(2 * FORECAST_DAYS * 24))
#define RANGE_MAX_MS (30 * DAY_MS)
/* Targets of requests are told per minute, their load is that of an hour. */
#define MINUTES 60

/* ---- the load ---- */

static void push_metric(struct arena *arena, struct cloudwatch_metric_data_query_list *list, const char *id, const char *space,
                        const char *name, const char *stat, struct cloudwatch_dimension_list dimensions)
{
        struct cloudwatch_metric_data_query *query = SHAPE_PUSH(arena, list);

        query->id = id;
        query->metric_stat = ARENA_NEW(arena, struct cloudwatch_metric_stat);
        query->metric_stat->metric = ARENA_NEW(arena, struct cloudwatch_metric);
        *query->metric_stat->metric = (struct cloudwatch_metric){.namespace = space, .metric_name = name, .dimensions = dimensions};
        query->metric_stat->stat = stat;
        SHAPE_SET(query->metric_stat, cloudwatch_metric_stat, period, HOUR_S);
}

static struct cloudwatch_dimension_list pair(struct arena *arena, const char *a, const char *a_value, const char *b, const char *b_value)
{
        struct cloudwatch_dimension_list list = {0};

        *SHAPE_PUSH(arena, &list) = (struct cloudwatch_dimension){.name = a, .value = a_value};
        *SHAPE_PUSH(arena, &list) = (struct cloudwatch_dimension){.name = b, .value = b_value};
        return list;
}

/* What all tasks use together: what one does on average, times how many there are. */
static void push_utilisation(struct arena *arena, struct cloudwatch_metric_data_query_list *list, const char *resource_id,
                             const char *metric)
{
        const char *cluster = resource_id + strlen("service/"), *slash = strchr(cluster, '/');
        struct cloudwatch_dimension_list dimensions =
                pair(arena, "ClusterName", arena_strndup(arena, cluster, (size_t)(slash - cluster)), "ServiceName", slash + 1);
        struct cloudwatch_metric_data_query *query;

        push_metric(arena, list, "used", "AWS/ECS", metric, "Average", dimensions);
        push_metric(arena, list, "tasks", "ECS/ContainerInsights", "RunningTaskCount", "Average", dimensions);
        query = SHAPE_PUSH(arena, list);
        query->id = "load";
        query->expression = "used * tasks";
}

static void push_requests(struct arena *arena, struct cloudwatch_metric_data_query_list *list, const char *label)
{
        const char *group = strstr(label, "/targetgroup/");

        push_metric(arena, list, "load", "AWS/ApplicationELB", "RequestCount", "Sum",
                    pair(arena, "LoadBalancer", arena_strndup(arena, label, (size_t)(group - label)), "TargetGroup", group + 1));
}

static void push_customized(struct arena *arena, struct cloudwatch_metric_data_query_list *list,
                            const struct aas_predictive_scaling_customized_metric_specification *c)
{
        for (uint32_t i = 0; i < c->metric_data_queries.n; i++) {
                const struct aas_predictive_scaling_metric_data_query *in = &c->metric_data_queries.items[i];
                struct cloudwatch_metric_data_query *query;
                struct cloudwatch_dimension_list dimensions = {0};

                if (in->metric_stat == NULL) {
                        query = SHAPE_PUSH(arena, list);
                        query->id = in->id;
                        query->expression = in->expression;
                } else {
                        const struct aas_predictive_scaling_metric *metric = in->metric_stat->metric;

                        for (uint32_t k = 0; k < metric->dimensions.n; k++)
                                *SHAPE_PUSH(arena, &dimensions) = (struct cloudwatch_dimension){.name = metric->dimensions.items[k].name,
                                                                                                .value = metric->dimensions.items[k].value};
                        push_metric(arena, list, in->id, metric->namespace, metric->metric_name, in->metric_stat->stat, dimensions);
                        query = &list->items[list->n - 1];
                }
                SHAPE_SET(query, cloudwatch_metric_data_query, return_data,
                          !SHAPE_HAS(in, aas_predictive_scaling_metric_data_query, return_data) || in->return_data);
        }
}

/* Returns by what the load has to be divided before it is compared with the target. */
static double push_load(struct arena *arena, const struct state_scaling_policy *policy, struct cloudwatch_metric_data_query_list *list)
{
        const struct aas_predictive_scaling_metric_specification *m = policy->predictive->metric_specifications.items;
        const struct aas_predictive_scaling_predefined_metric_pair_specification *both = m->predefined_metric_pair_specification;
        const struct aas_predictive_scaling_predefined_load_metric_specification *load = m->predefined_load_metric_specification;
        const char *type = both != NULL ? both->predefined_metric_type : load != NULL ? load->predefined_metric_type : NULL;

        if (type == NULL) {
                push_customized(arena, list, m->customized_load_metric_specification);
                return 1;
        }
        if (str_starts_with(type, "ALB")) {
                push_requests(arena, list, both != NULL ? both->resource_label : load->resource_label);
                return MINUTES;
        }
        push_utilisation(arena, list, policy->resource_id, strstr(type, "Memory") != NULL ? "MemoryUtilization" : "CPUUtilization");
        return 1;
}

/* Hours up to the one that is not over, as loads for the target: `ret_divisor` gives the metric's own numbers back. */
static uint32_t history_of(const struct api *api, const struct state_scaling_policy *policy, int64_t now_ms, struct arena *arena,
                           double **ret, double *ret_divisor)
{
        struct cloudwatch_metric_data_query_list list = {0};
        int64_t to_s = now_ms / HOUR_MS * HOUR_S;
        double *hours = arena_calloc(arena, HISTORY_HOURS, sizeof(double));
        const struct cloudwatch_computation computation = {api->metrics, arena, &list, to_s - (int64_t)HISTORY_HOURS * HOUR_S, to_s};
        const double *values;
        struct error error = {0};
        size_t n;

        *ret_divisor = push_load(arena, policy, &list);
        *ret = hours;
        for (uint32_t i = 0; i < HISTORY_HOURS; i++)
                hours[i] = NAN;
        if (list.n > 0 && cloudwatch_compute_one(&computation, &values, &n, &error) == 0)
                for (uint32_t k = 0; k < HISTORY_HOURS && k < n; k++)
                        hours[k] = values[k] / *ret_divisor;
        return HISTORY_HOURS;
}

uint32_t autoscaling_load_history(const struct api *api, const struct state_scaling_policy *policy, int64_t now_ms, struct arena *arena,
                                  double **ret)
{
        double divisor;

        return history_of(api, policy, now_ms, arena, ret, &divisor);
}

/* ---- GetPredictiveScalingForecast ---- */

static void push_value(struct arena *arena, struct int_list *times, struct double_list *values, int64_t at_ms, double value, uint32_t room)
{
        if (times->items == NULL) {
                times->items = arena_calloc(arena, room, sizeof(int64_t));
                values->items = arena_calloc(arena, room, sizeof(double));
        }
        times->items[times->n++] = at_ms;
        values->items[values->n++] = value;
}

static int find_policy(struct api_call *call, const struct aas_get_predictive_scaling_forecast_request *in, struct scaling_policy **ret)
{
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r < 0)
                return r;
        *ret = model_scaling_policy(call->model, in->resource_id, in->policy_name);
        if (*ret == NULL || (*ret)->state->predictive == NULL)
                return api_fail(call, "ValidationException", "%s has no predictive scaling policy named %s.", in->resource_id,
                                in->policy_name);
        if (in->start_time >= in->end_time || in->end_time - in->start_time > RANGE_MAX_MS)
                return api_fail(call, "ValidationException", "StartTime must be before EndTime, and at most 30 days.");
        return 0;
}

/* Each hour from what was known when it began, or is known now. */
static int get_forecast(struct api_call *call, const void *input, void *output)
{
        const struct aas_get_predictive_scaling_forecast_request *in = input;
        struct aas_get_predictive_scaling_forecast_response *out = output;
        int64_t now_hour = call->now_ms / HOUR_MS, from = in->start_time / HOUR_MS, to = (in->end_time + HOUR_MS - 1) / HOUR_MS;
        const struct aas_predictive_scaling_metric_specification *m;
        struct aas_load_forecast *loads;
        struct scaling_policy *policy = NULL;
        double *history = NULL, divisor = 1;
        uint32_t n, known;

        if (find_policy(call, in, &policy) < 0)
                return -EINVAL;
        n = history_of(call->api, policy->state, call->now_ms, call->arena, &history, &divisor);
        known = forecast_known(history, n);
        if (known < FORECAST_HOURS_NEEDED)
                return api_fail(call, "ValidationException", "There is no forecast yet: the load of %u hours is known, and %d are needed.",
                                known, FORECAST_HOURS_NEEDED);
        m = policy->state->predictive->metric_specifications.items;
        loads = SHAPE_PUSH(call->arena, &out->load_forecast);
        loads->metric_specification = policy->state->predictive->metric_specifications.items;
        out->capacity_forecast = ARENA_NEW(call->arena, struct aas_capacity_forecast);
        out->update_time = now_hour * HOUR_MS;
        for (int64_t hour = MAX(from, now_hour - n / 2); hour < MIN(to, now_hour + FORECAST_HOURS_AHEAD); hour++) {
                double load = hour < now_hour ? forecast_load(history, (uint32_t)(n - (now_hour - hour)), 0)
                                              : forecast_load(history, n, (uint32_t)(hour - now_hour));
                uint32_t room = (uint32_t)(to - from) + 1;

                if (isnan(load))
                        continue;
                push_value(call->arena, &loads->timestamps, &loads->values, hour * HOUR_MS, load * divisor, room);
                push_value(call->arena, &out->capacity_forecast->timestamps, &out->capacity_forecast->values, hour * HOUR_MS,
                           forecast_capacity(load, m->target_value), room);
        }
        return 0;
}

const struct api_route autoscaling_forecast_routes[] = {
        {AAS_OP_GET_PREDICTIVE_SCALING_FORECAST, get_forecast},
        {0, NULL},
};
