/* SPDX-License-Identifier: Apache-2.0 */
/* What makes an alarm valid. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "api/cloudwatch/alarms.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/alarm/rule.h"
#include "model/names.h"

#define INVALID "ValidationError"
#define QUERIES_MAX 20 /* of an alarm */
#define TAGS_MAX 50
#define DAY_S 86400
#define WEEK_S (7 * DAY_S)
#define HOUR_S 3600
#define SUPPRESSOR_MAX_S 86400

static int check_name(struct api_call *call, const char *name)
{
        for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
                if (*p < 0x20 || *p == 0x7f)
                        return api_fail(call, INVALID, "AlarmName must not contain control characters.");
        return 0;
}

/* Whatever an ARN names: what is not done here is accepted, and the alarm's history says so (docs/metrics.md). */
static int check_actions(struct api_call *call, const struct string_list *actions, bool composite)
{
        for (uint32_t i = 0; i < actions->n; i++) {
                struct arn arn;

                if (arn_parse(actions->items[i], &arn) < 0)
                        return api_fail(call, INVALID, "Invalid arn syntax: %.300s", actions->items[i]);
                if (composite && strstr(actions->items[i], ":scalingPolicy:") != NULL)
                        return api_fail(call, INVALID,
                                        "A composite alarm cannot have the scaling action %.300s: give it to a metric alarm.",
                                        actions->items[i]);
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(actions->items[k], actions->items[i]))
                                return api_fail(call, INVALID, "The action %.300s is given twice.", actions->items[i]);
        }
        return 0;
}

int cloudwatch_check_tags(struct api_call *call, const struct cloudwatch_tag_list *tags)
{
        if (tags->n > TAGS_MAX)
                return api_fail(call, "InvalidParameterValueException", "An alarm can have at most %d tags, not %u.", TAGS_MAX, tags->n);
        for (uint32_t i = 0; i < tags->n; i++)
                if (strncasecmp(tags->items[i].key, "aws:", 4) == 0)
                        return api_fail(call, "InvalidParameterValueException",
                                        "The tag key '%.128s' must not begin with aws:", tags->items[i].key);
        return 0;
}

/* ---- metric alarms ---- */

static int check_period(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in)
{
        int64_t limit = in->period >= HOUR_S ? WEEK_S : DAY_S;

        if (!SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, period))
                return api_fail(call, INVALID, "Period must be specified for an alarm on a metric.");
        if (!cloudwatch_period_valid(in->period))
                return api_fail(call, INVALID, "Period must be 1, 5, 10, 20, 30 or a multiple of 60, not %d.", in->period);
        if ((int64_t)in->period * in->evaluation_periods > limit)
                return api_fail(call, INVALID,
                                "Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %lld).",
                                limit == DAY_S ? "a day" : "seven days", (long long)limit);
        return 0;
}

static int check_one_metric(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in)
{
        struct cloudwatch_stat statistic;
        struct metric_id id;

        if (in->metric_name == NULL || in->namespace == NULL)
                return api_fail(call, INVALID, "Exactly one of Metrics and MetricName (with Namespace) must be specified.");
        if ((in->statistic != CLOUDWATCH_STATISTIC_UNSET) == (in->extended_statistic != NULL))
                return api_fail(call, INVALID, "Exactly one of Statistic and ExtendedStatistic must be specified.");
        if (in->extended_statistic != NULL &&
            (!cloudwatch_parse_statistic(in->extended_statistic, &statistic) || statistic.kind != CLOUDWATCH_KIND_PERCENTILE))
                return api_fail(call, INVALID, "ExtendedStatistic must be a percentile between p0 and p100, such as p99.9; not '%.50s'",
                                in->extended_statistic);
        if (in->evaluate_low_sample_count_percentile != NULL) {
                if (in->extended_statistic == NULL)
                        return api_fail(call, INVALID, "EvaluateLowSampleCountPercentile is only for alarms on percentiles.");
                if (!str_eq(in->evaluate_low_sample_count_percentile, "evaluate") &&
                    !str_eq(in->evaluate_low_sample_count_percentile, "ignore"))
                        return api_fail(call, INVALID, "EvaluateLowSampleCountPercentile must be evaluate or ignore, not '%.50s'.",
                                        in->evaluate_low_sample_count_percentile);
        }
        if (check_period(call, in) < 0)
                return -EINVAL;
        return cloudwatch_metric_id(call, in->namespace, in->metric_name, &in->dimensions, &id);
}

static int64_t period_of(const struct cloudwatch_put_metric_alarm_input *in)
{
        struct state_alarm alarm = {.metrics = in->metrics};

        return alarm_period_s(&alarm);
}

/* One of the queries is the alarm's; that they can be computed shows by doing it. */
static int check_queries(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in)
{
        int64_t period_s = period_of(in), limit = period_s >= HOUR_S ? WEEK_S : DAY_S;
        const struct cloudwatch_computation computation = {call->api->metrics, call->arena, &in->metrics,
                                                           call->now_ms / 1000 - 2 * period_s, call->now_ms / 1000};
        const double *values;
        uint32_t returned = 0;
        size_t n;

        if (in->metric_name != NULL || in->namespace != NULL || in->statistic != CLOUDWATCH_STATISTIC_UNSET ||
            in->extended_statistic != NULL || in->dimensions.n > 0 || in->unit != CLOUDWATCH_STANDARD_UNIT_UNSET ||
            SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, period))
                return api_fail(
                        call, INVALID,
                        "Metrics takes the place of MetricName, Namespace, Dimensions, Period, Unit, Statistic and ExtendedStatistic: "
                        "these must not be given with it.");
        if (in->metrics.n > QUERIES_MAX)
                return api_fail(call, INVALID, "Metrics has %u elements; an alarm can have at most %d.", in->metrics.n, QUERIES_MAX);
        for (uint32_t i = 0; i < in->metrics.n; i++) {
                const struct cloudwatch_metric_data_query *query = &in->metrics.items[i];

                returned += cloudwatch_returns(query);
                if (query->expression != NULL && strcasestr(query->expression, "ANOMALY_DETECTION_BAND") != NULL)
                        return api_fail(call, INVALID, "Metrics: this server has no anomaly detection. Use a threshold.");
        }
        if (returned != 1)
                return api_fail(call, INVALID, "Exactly one element of Metrics must return data (ReturnData), not %u.", returned);
        if (period_s * in->evaluation_periods > limit)
                return api_fail(call, INVALID,
                                "Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %lld).",
                                limit == DAY_S ? "a day" : "seven days", (long long)limit);
        return cloudwatch_compute_one(&computation, &values, &n, &call->error);
}

static bool is_missing_way(const char *text)
{
        return str_eq(text, "breaching") || str_eq(text, "notBreaching") || str_eq(text, "ignore") || str_eq(text, "missing");
}

static int check_threshold(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in)
{
        if (in->threshold_metric_id != NULL ||
            in->comparison_operator >= CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANLOWERORGREATERTHANUPPERTHRESHOLD)
                return api_fail(call, INVALID,
                                "This server has no anomaly detection: give Threshold and a ComparisonOperator of GreaterThanThreshold, "
                                "GreaterThanOrEqualToThreshold, LessThanThreshold or LessThanOrEqualToThreshold.");
        if (in->comparison_operator == CLOUDWATCH_COMPARISON_OPERATOR_UNSET)
                return api_fail(call, INVALID, "ComparisonOperator must be specified.");
        if (!SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, threshold) || !isfinite(in->threshold))
                return api_fail(call, INVALID, "Threshold must be specified, and be a number.");
        return 0;
}

int cloudwatch_check_metric_alarm(struct api_call *call, const struct cloudwatch_put_metric_alarm_input *in)
{
        if (check_name(call, in->alarm_name) < 0 || check_actions(call, &in->ok_actions, false) < 0 ||
            check_actions(call, &in->alarm_actions, false) < 0 || check_actions(call, &in->insufficient_data_actions, false) < 0 ||
            cloudwatch_check_tags(call, &in->tags) < 0)
                return -EINVAL;
        if (in->evaluation_criteria != NULL)
                return api_fail(call, INVALID, "EvaluationCriteria: this server evaluates no PromQL. Use MetricName or Metrics.");
        if (check_threshold(call, in) < 0)
                return -EINVAL;
        if (!SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, evaluation_periods))
                return api_fail(call, INVALID, "EvaluationPeriods must be specified.");
        if (SHAPE_HAS(in, cloudwatch_put_metric_alarm_input, datapoints_to_alarm) && in->datapoints_to_alarm > in->evaluation_periods)
                return api_fail(call, INVALID, "DatapointsToAlarm (%d) must be less than or equal to EvaluationPeriods (%d).",
                                in->datapoints_to_alarm, in->evaluation_periods);
        if (in->treat_missing_data != NULL && !is_missing_way(in->treat_missing_data))
                return api_fail(call, INVALID, "TreatMissingData must be one of breaching, notBreaching, ignore and missing, not '%.50s'.",
                                in->treat_missing_data);
        return in->metrics.n > 0 ? check_queries(call, in) : check_one_metric(call, in);
}

/* ---- composite alarms ---- */

/* Does the alarm, or one of those that it is made of, depend on `name`? */
static bool leads_to(struct api_call *call, const char *from, const char *name, int depth)
{
        const char *bare = model_alarm_name(call->model, from);
        const struct alarm *alarm = bare != NULL ? model_alarm(call->model, bare) : NULL;
        struct alarm_rule rule;

        if (str_eq(bare, name))
                return true;
        if (alarm == NULL || alarm->state->rule == NULL || depth == 0 || alarm_rule_parse(alarm->state->rule, call->arena, &rule, NULL) < 0)
                return false;
        for (uint32_t i = 0; i < rule.n_alarms; i++)
                if (leads_to(call, rule.alarms[i], name, depth - 1))
                        return true;
        return false;
}

static int check_rule(struct api_call *call, const struct cloudwatch_put_composite_alarm_input *in)
{
        struct alarm_rule rule;

        if (alarm_rule_parse(in->alarm_rule, call->arena, &rule, &call->error) < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < rule.n_alarms; i++) {
                const char *name = model_alarm_name(call->model, rule.alarms[i]);

                if (!str_eq(name, in->alarm_name) && (name == NULL || model_alarm(call->model, name) == NULL))
                        return api_fail(
                                call, INVALID,
                                "Could not save the composite alarm as alarms [%.300s] in the alarm rule do not exist. Make them first.",
                                rule.alarms[i]);
                if (leads_to(call, rule.alarms[i], in->alarm_name, 16))
                        return api_fail(call, INVALID, "AlarmRule: %.255s would depend on itself by way of %.255s.", in->alarm_name,
                                        rule.alarms[i]);
        }
        return 0;
}

static int check_suppressor(struct api_call *call, const struct cloudwatch_put_composite_alarm_input *in)
{
        bool wait = SHAPE_HAS(in, cloudwatch_put_composite_alarm_input, actions_suppressor_wait_period);
        bool extension = SHAPE_HAS(in, cloudwatch_put_composite_alarm_input, actions_suppressor_extension_period);
        const char *name;

        if (in->actions_suppressor == NULL)
                return wait || extension
                               ? api_fail(call, INVALID,
                                          "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod need ActionsSuppressor.")
                               : 0;
        if (!wait || !extension || in->actions_suppressor_wait_period < 0 || in->actions_suppressor_extension_period < 0 ||
            in->actions_suppressor_wait_period > SUPPRESSOR_MAX_S || in->actions_suppressor_extension_period > SUPPRESSOR_MAX_S)
                return api_fail(
                        call, INVALID,
                        "ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod, 0 to %d seconds.",
                        SUPPRESSOR_MAX_S);
        name = model_alarm_name(call->model, in->actions_suppressor);
        if (name == NULL || model_alarm(call->model, name) == NULL)
                return api_fail(call, INVALID, "ActionsSuppressor: there is no alarm %.300s.", in->actions_suppressor);
        return 0;
}

int cloudwatch_check_composite_alarm(struct api_call *call, const struct cloudwatch_put_composite_alarm_input *in)
{
        if (check_name(call, in->alarm_name) < 0 || check_actions(call, &in->ok_actions, true) < 0 ||
            check_actions(call, &in->alarm_actions, true) < 0 || check_actions(call, &in->insufficient_data_actions, true) < 0 ||
            cloudwatch_check_tags(call, &in->tags) < 0 || check_rule(call, in) < 0)
                return -EINVAL;
        return check_suppressor(call, in);
}
