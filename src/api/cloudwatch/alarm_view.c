/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeAlarms and DescribeAlarmsForMetric. */
#include <errno.h>
#include <string.h>

#include "api/cloudwatch/alarms.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "control/alarm/rule.h"

#define PAGE_MAX 100
#define PAGE 50

#define COPY_VIEW(view, s, type)                                                          \
        do {                                                                              \
                (view)->alarm_name = (s)->name;                                           \
                (view)->alarm_arn = model_alarm_arn(call->model, call->arena, (s)->name); \
                (view)->alarm_description = (s)->description;                             \
                (view)->alarm_configuration_updated_timestamp = (s)->configured_at;       \
                SHAPE_SET(view, type, actions_enabled, (s)->actions_enabled);             \
                (view)->ok_actions = (s)->ok_actions;                                     \
                (view)->alarm_actions = (s)->alarm_actions;                               \
                (view)->insufficient_data_actions = (s)->insufficient_data_actions;       \
                (view)->state_value = (s)->state;                                         \
                (view)->state_reason = (s)->reason;                                       \
                (view)->state_reason_data = (s)->reason_data;                             \
                (view)->state_updated_timestamp = (s)->state_at;                          \
                (view)->state_transitioned_timestamp = (s)->transitioned_at;              \
        } while (0)

static void show_metric(struct api_call *call, const struct state_alarm *s, struct cloudwatch_metric_alarm *view)
{
        COPY_VIEW(view, s, cloudwatch_metric_alarm);
        SHAPE_SET(view, cloudwatch_metric_alarm, evaluation_periods, s->evaluation_periods);
        if (SHAPE_HAS(s, state_alarm, datapoints_to_alarm))
                SHAPE_SET(view, cloudwatch_metric_alarm, datapoints_to_alarm, s->datapoints_to_alarm);
        SHAPE_SET(view, cloudwatch_metric_alarm, threshold, s->threshold);
        view->comparison_operator = s->comparison_operator;
        view->treat_missing_data = s->treat_missing_data != NULL ? s->treat_missing_data : "missing";
        view->evaluate_low_sample_count_percentile = s->low_samples;
        view->evaluation_state = s->evaluation_state;
        view->metrics = s->metrics;
        view->dimensions = s->dimensions;
        if (s->metrics.n > 0)
                return;
        view->metric_name = s->metric_name;
        view->namespace = s->namespace;
        view->statistic = s->statistic;
        view->extended_statistic = s->extended_statistic;
        view->unit = s->unit;
        SHAPE_SET(view, cloudwatch_metric_alarm, period, s->period);
}

static void show_composite(struct api_call *call, const struct state_alarm *s, struct cloudwatch_composite_alarm *view)
{
        COPY_VIEW(view, s, cloudwatch_composite_alarm);
        view->alarm_rule = s->rule;
        view->actions_suppressed_by = s->suppressed_by;
        view->actions_suppressed_reason = s->suppressed_reason;
        if (s->suppressor == NULL)
                return;
        view->actions_suppressor = s->suppressor;
        SHAPE_SET(view, cloudwatch_composite_alarm, actions_suppressor_wait_period, s->suppressor_wait_period);
        SHAPE_SET(view, cloudwatch_composite_alarm, actions_suppressor_extension_period, s->suppressor_extension_period);
}

/* Of the alarms that a composite alarm is made of, or that are made of one, only names and states are told. */
static void push(struct api_call *call, const struct state_alarm *s, bool brief, struct cloudwatch_describe_alarms_output *out)
{
        if (s->rule != NULL) {
                struct cloudwatch_composite_alarm *view = SHAPE_PUSH(call->arena, &out->composite_alarms);

                if (!brief) {
                        show_composite(call, s, view);
                        return;
                }
                view->alarm_name = s->name;
                view->alarm_arn = model_alarm_arn(call->model, call->arena, s->name);
                view->state_value = s->state;
                view->state_updated_timestamp = s->state_at;
        } else {
                struct cloudwatch_metric_alarm *view = SHAPE_PUSH(call->arena, &out->metric_alarms);

                if (!brief) {
                        show_metric(call, s, view);
                        return;
                }
                view->alarm_name = s->name;
                view->alarm_arn = model_alarm_arn(call->model, call->arena, s->name);
                view->state_value = s->state;
                view->state_updated_timestamp = s->state_at;
        }
}

/* ---- DescribeAlarms ---- */

static bool has_prefix(const struct string_list *list, const char *prefix)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_starts_with(list->items[i], prefix))
                        return true;
        return false;
}

static bool has_type(const struct cloudwatch_describe_alarms_input *in, const struct state_alarm *s)
{
        int64_t type = s->rule != NULL ? CLOUDWATCH_ALARM_TYPE_COMPOSITEALARM : CLOUDWATCH_ALARM_TYPE_METRICALARM;

        if (in->children_of_alarm_name != NULL || in->parents_of_alarm_name != NULL)
                return true;
        for (uint32_t i = 0; i < in->alarm_types.n; i++)
                if (in->alarm_types.items[i] == type)
                        return true;
        /* Composite alarms only when they are asked for. */
        return in->alarm_types.n == 0 && s->rule == NULL;
}

static bool names(struct api_call *call, const char *parent, const char *child)
{
        const struct alarm *alarm = model_alarm(call->model, parent);
        struct alarm_rule rule;

        if (alarm == NULL || alarm->state->rule == NULL || alarm_rule_parse(alarm->state->rule, call->arena, &rule, NULL) < 0)
                return false;
        for (uint32_t i = 0; i < rule.n_alarms; i++)
                if (str_eq(model_alarm_name(call->model, rule.alarms[i]), child))
                        return true;
        return false;
}

static bool matches(struct api_call *call, const struct cloudwatch_describe_alarms_input *in, const struct state_alarm *s)
{
        bool named = in->alarm_names.n == 0;

        for (uint32_t i = 0; i < in->alarm_names.n && !named; i++)
                named = str_eq(in->alarm_names.items[i], s->name);
        if (!named || !has_type(in, s) || (in->state_value != CLOUDWATCH_STATE_VALUE_UNSET && in->state_value != s->state))
                return false;
        if (in->action_prefix != NULL && !has_prefix(&s->ok_actions, in->action_prefix) &&
            !has_prefix(&s->alarm_actions, in->action_prefix) && !has_prefix(&s->insufficient_data_actions, in->action_prefix))
                return false;
        if (in->children_of_alarm_name != NULL && !names(call, in->children_of_alarm_name, s->name))
                return false;
        return in->parents_of_alarm_name == NULL || names(call, s->name, in->parents_of_alarm_name);
}

static int check_describe(struct api_call *call, const struct cloudwatch_describe_alarms_input *in)
{
        bool relatives = in->children_of_alarm_name != NULL || in->parents_of_alarm_name != NULL;

        if (in->alarm_names.n > 0 && in->alarm_name_prefix != NULL)
                return api_fail(call, "ValidationError", "AlarmNames and AlarmNamePrefix cannot be given together.");
        if (relatives &&
            (in->alarm_names.n > 0 || in->alarm_name_prefix != NULL || in->alarm_types.n > 0 || in->action_prefix != NULL ||
             in->state_value != CLOUDWATCH_STATE_VALUE_UNSET || (in->children_of_alarm_name != NULL && in->parents_of_alarm_name != NULL)))
                return api_fail(call, "ValidationError",
                                "ChildrenOfAlarmName and ParentsOfAlarmName stand alone, with at most MaxRecords and NextToken.");
        return 0;
}

static int describe_alarms(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_describe_alarms_input *in = input;
        struct cloudwatch_describe_alarms_output *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_ALARM);
        bool brief = in->children_of_alarm_name != NULL || in->parents_of_alarm_name != NULL;
        const char *prefix = in->alarm_name_prefix;
        struct tree_node *node;
        struct api_page page;

        if (check_describe(call, in) < 0)
                return -EINVAL;
        if (api_page_begin(call, in->next_token, SHAPE_HAS(in, cloudwatch_describe_alarms_input, max_records), in->max_records, PAGE_MAX,
                           PAGE, prefix, &page) < 0)
                return cloudwatch_bad_token(call, "InvalidNextToken", "DescribeAlarms");
        node = page.after != NULL ? tree_after(all, page.after) : prefix != NULL ? tree_from(all, prefix) : tree_first(all);
        for (; node != NULL && (prefix == NULL || str_starts_with(node->key, prefix)); node = tree_next(node)) {
                const struct state_alarm *s = MODEL_OBJECT(node, alarm)->state;

                if (!matches(call, in, s))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                push(call, s, brief, out);
        }
        return 0;
}

/* ---- DescribeAlarmsForMetric ---- */

static bool same_dimensions(const struct cloudwatch_dimension_list *a, const struct cloudwatch_dimension_list *b)
{
        uint32_t found = 0;

        for (uint32_t i = 0; i < a->n; i++)
                for (uint32_t k = 0; k < b->n; k++)
                        found += str_eq(a->items[i].name, b->items[k].name) && str_eq(a->items[i].value, b->items[k].value);
        return a->n == b->n && found == a->n;
}

static bool watches(const struct state_alarm *s, const struct cloudwatch_describe_alarms_for_metric_input *in)
{
        if (str_eq(s->metric_name, in->metric_name) && str_eq(s->namespace, in->namespace) &&
            same_dimensions(&s->dimensions, &in->dimensions))
                return (in->statistic == CLOUDWATCH_STATISTIC_UNSET || in->statistic == s->statistic) &&
                       (in->extended_statistic == NULL || str_eq(in->extended_statistic, s->extended_statistic)) &&
                       (in->unit == CLOUDWATCH_STANDARD_UNIT_UNSET || in->unit == s->unit) &&
                       (!SHAPE_HAS(in, cloudwatch_describe_alarms_for_metric_input, period) || in->period == s->period);
        for (uint32_t i = 0; i < s->metrics.n; i++) {
                const struct cloudwatch_metric *metric =
                        s->metrics.items[i].metric_stat != NULL ? s->metrics.items[i].metric_stat->metric : NULL;

                if (metric != NULL && str_eq(metric->metric_name, in->metric_name) && str_eq(metric->namespace, in->namespace) &&
                    same_dimensions(&metric->dimensions, &in->dimensions))
                        return true;
        }
        return false;
}

static int describe_alarms_for_metric(struct api_call *call, const void *input, void *output)
{
        struct cloudwatch_describe_alarms_for_metric_output *out = output;

        tree_for_each (node, model_objects(call->model, OBJECT_ALARM)) {
                const struct state_alarm *s = MODEL_OBJECT(node, alarm)->state;

                if (s->rule == NULL && watches(s, input))
                        show_metric(call, s, SHAPE_PUSH(call->arena, &out->metric_alarms));
        }
        return 0;
}

const struct api_route cloudwatch_alarm_view_routes[] = {
        {CLOUDWATCH_OP_DESCRIBE_ALARMS, describe_alarms},
        {CLOUDWATCH_OP_DESCRIBE_ALARMS_FOR_METRIC, describe_alarms_for_metric},
        {0, NULL},
};
