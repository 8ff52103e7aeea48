/* SPDX-License-Identifier: Apache-2.0 */
/* See alarms.h. */
#include "control/scaling/alarms.h"

#include <math.h>
#include <string.h>

#include "base/strutil.h"
#include "control/alarm/change.h"
#include "control/alarm/evaluate.h"
#include "control/alarm/alarms.h"
#include "control/service/service.h"

#define MINUTE_S 60
#define CLOUD_FINE_S 20
#define TEND_MS 10000
/* A period serves when so many percent of the last minute's points are known; a shorter one than now when nearly all are, so that a sensor
 * that fails now and then does not move it to and fro. */
#define KNOWN_PERCENT 80
#define FINER_PERCENT 97

static const int32_t periods[] = {1, 5, 10, 20, 30, 60};

/* ---- what they watch ---- */

static struct cloudwatch_dimension_list dimensions_of_service(struct arena *arena, const char *resource_id)
{
        const char *cluster = resource_id + strlen("service/"), *slash = strchr(cluster, '/');
        struct cloudwatch_dimension_list list = {0};

        *SHAPE_PUSH(arena, &list) =
                (struct cloudwatch_dimension){.name = "ClusterName", .value = arena_strndup(arena, cluster, (size_t)(slash - cluster))};
        *SHAPE_PUSH(arena, &list) = (struct cloudwatch_dimension){.name = "ServiceName", .value = arena_strdup(arena, slash + 1)};
        return list;
}

/* app/NAME/ID/targetgroup/NAME/ID */
static struct cloudwatch_dimension_list dimensions_of_label(struct arena *arena, const char *label)
{
        const char *group = strstr(label, "/targetgroup/");
        struct cloudwatch_dimension_list list = {0};

        *SHAPE_PUSH(arena, &list) =
                (struct cloudwatch_dimension){.name = "LoadBalancer", .value = arena_strndup(arena, label, (size_t)(group - label))};
        *SHAPE_PUSH(arena, &list) = (struct cloudwatch_dimension){.name = "TargetGroup", .value = arena_strdup(arena, group + 1)};
        return list;
}

static struct cloudwatch_metric_data_query *push_metric(struct arena *arena, struct state_alarm *alarm, const char *id,
                                                        struct cloudwatch_metric *metric, const char *stat, int32_t period_s)
{
        struct cloudwatch_metric_data_query *query = SHAPE_PUSH(arena, &alarm->metrics);

        query->id = id;
        query->metric_stat = ARENA_NEW(arena, struct cloudwatch_metric_stat);
        query->metric_stat->metric = metric;
        query->metric_stat->stat = stat;
        SHAPE_SET(query->metric_stat, cloudwatch_metric_stat, period, period_s);
        return query;
}

static void watch(struct state_alarm *alarm, const char *space, const char *name, enum cloudwatch_statistic statistic, int32_t period_s)
{
        alarm->namespace = space;
        alarm->metric_name = name;
        alarm->statistic = statistic;
        SHAPE_SET(alarm, state_alarm, period, period_s);
}

/* Requests per target: its targets are told per minute, whatever the period is. */
static void watch_requests(struct arena *arena, struct state_alarm *alarm, const char *label, int32_t period_s)
{
        struct cloudwatch_metric_data_query *query;
        struct cloudwatch_metric *metric;

        if (period_s == MINUTE_S) {
                watch(alarm, "AWS/ApplicationELB", "RequestCountPerTarget", CLOUDWATCH_STATISTIC_SUM, period_s);
                alarm->dimensions = dimensions_of_label(arena, label);
                return;
        }
        metric = ARENA_NEW(arena, struct cloudwatch_metric);
        *metric = (struct cloudwatch_metric){
                .namespace = "AWS/ApplicationELB", .metric_name = "RequestCountPerTarget", .dimensions = dimensions_of_label(arena, label)};
        query = push_metric(arena, alarm, "requests", metric, "Sum", period_s);
        SHAPE_SET(query, cloudwatch_metric_data_query, return_data, false);
        query = SHAPE_PUSH(arena, &alarm->metrics);
        query->id = "perMinute";
        query->expression = arena_printf(arena, "requests * %d", MINUTE_S / period_s);
        query->label = "Requests per target and minute";
        SHAPE_SET(query, cloudwatch_metric_data_query, return_data, true);
}

static void watch_predefined(struct arena *arena, struct state_alarm *alarm, const char *resource_id,
                             const struct aas_predefined_metric_specification *p, int32_t period_s)
{
        bool memory = p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGEMEMORYUTILIZATION ||
                      p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGEMEMORYUTILIZATIONHIGHRESOLUTION;

        if (p->predefined_metric_type == AAS_METRIC_TYPE_ALBREQUESTCOUNTPERTARGET)
                return watch_requests(arena, alarm, p->resource_label, period_s);
        watch(alarm, "AWS/ECS", memory ? "MemoryUtilization" : "CPUUtilization", CLOUDWATCH_STATISTIC_AVERAGE, period_s);
        alarm->dimensions = dimensions_of_service(arena, resource_id);
}

static struct cloudwatch_metric *metric_of(struct arena *arena, const struct aas_target_tracking_metric *in)
{
        struct cloudwatch_metric *metric = ARENA_NEW(arena, struct cloudwatch_metric);

        metric->namespace = in->namespace;
        metric->metric_name = in->metric_name;
        for (uint32_t i = 0; i < in->dimensions.n; i++)
                *SHAPE_PUSH(arena, &metric->dimensions) =
                        (struct cloudwatch_dimension){.name = in->dimensions.items[i].name, .value = in->dimensions.items[i].value};
        return metric;
}

static void watch_customized(struct arena *arena, struct state_alarm *alarm, const struct aas_customized_metric_specification *c,
                             int32_t period_s)
{
        for (uint32_t i = 0; i < c->metrics.n; i++) {
                const struct aas_target_tracking_metric_data_query *in = &c->metrics.items[i];
                struct cloudwatch_metric_data_query *query;

                if (in->metric_stat != NULL) {
                        query = push_metric(arena, alarm, in->id, metric_of(arena, in->metric_stat->metric), in->metric_stat->stat,
                                            period_s);
                } else {
                        query = SHAPE_PUSH(arena, &alarm->metrics);
                        query->id = in->id;
                        query->expression = in->expression;
                        SHAPE_SET(query, cloudwatch_metric_data_query, period, period_s);
                }
                query->label = in->label;
                SHAPE_SET(query, cloudwatch_metric_data_query, return_data,
                          !SHAPE_HAS(in, aas_target_tracking_metric_data_query, return_data) || in->return_data);
        }
        if (c->metrics.n > 0)
                return;
        watch(alarm, c->namespace, c->metric_name,
              (enum cloudwatch_statistic)shape_enum_value(&cloudwatch_statistic_enum,
                                                          shape_enum_name(&aas_metric_statistic_enum, (int)c->statistic)),
              period_s);
        alarm->unit = (enum cloudwatch_standard_unit)(c->unit != NULL ? shape_enum_value(&cloudwatch_standard_unit_enum, c->unit) : 0);
        for (uint32_t i = 0; i < c->dimensions.n; i++)
                *SHAPE_PUSH(arena, &alarm->dimensions) =
                        (struct cloudwatch_dimension){.name = c->dimensions.items[i].name, .value = c->dimensions.items[i].value};
}

/* ---- making them ---- */

static void build(struct tx *tx, const struct state_scaling_policy *policy, uint32_t which, int32_t period_s, struct state_alarm *alarm)
{
        const struct aas_target_tracking_scaling_policy_configuration *c = policy->tracking;
        const char *arn = model_scaling_policy_arn(tx_model(tx), tx_arena(tx), policy);
        bool low = which == SCALING_ALARM_LOW;
        int32_t points = low ? SCALING_IN_POINTS : SCALING_OUT_POINTS;

        *alarm = (struct state_alarm){.name = policy->alarms.items[which],
                                      .policy = arena_printf(tx_arena(tx), "%s/%s", policy->resource_id, policy->name),
                                      .description = arena_printf(tx_arena(tx),
                                                                  "Of the TargetTrackingScaling policy %s: it is kept as the "
                                                                  "policy needs it.",
                                                                  arn)};
        SHAPE_SET(alarm, state_alarm, actions_enabled, true);
        string_list_push(tx_arena(tx), &alarm->alarm_actions, arn);
        alarm->comparison_operator =
                low ? CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD : CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD;
        SHAPE_SET(alarm, state_alarm, threshold, low ? SCALING_IN_PART * c->target_value : c->target_value);
        SHAPE_SET(alarm, state_alarm, evaluation_periods, points);
        SHAPE_SET(alarm, state_alarm, datapoints_to_alarm, points);
        if (c->predefined_metric_specification != NULL)
                watch_predefined(tx_arena(tx), alarm, policy->resource_id, c->predefined_metric_specification, period_s);
        else
                watch_customized(tx_arena(tx), alarm, c->customized_metric_specification, period_s);
}

static void put_one(struct tx *tx, const struct state_scaling_policy *policy, uint32_t which, int32_t period_s, int64_t now_ms)
{
        struct alarm *alarm = model_alarm(tx_model(tx), policy->alarms.items[which]);
        struct state_alarm state;

        build(tx, policy, which, period_s, &state);
        if (alarm == NULL) {
                (void)alarm_create(tx, &state, now_ms);
                return;
        }
        /* What people may set: tags, and whether it acts. */
        state.tags = alarm->state->tags;
        SHAPE_SET(&state, state_alarm, actions_enabled, alarm->state->actions_enabled);
        alarm_configure(tx, alarm, &state, now_ms);
}

static bool is_fine(const struct aas_target_tracking_scaling_policy_configuration *c)
{
        const struct aas_predefined_metric_specification *p = c->predefined_metric_specification;

        return p != NULL && (p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGECPUUTILIZATIONHIGHRESOLUTION ||
                             p->predefined_metric_type == AAS_METRIC_TYPE_ECSSERVICEAVERAGEMEMORYUTILIZATIONHIGHRESOLUTION);
}

/* Before anything of the metric is known: what Gantry measures itself comes each second, others' values each minute. */
static int32_t first_period(const struct state_scaling_policy *policy, bool fast)
{
        if (!fast)
                return is_fine(policy->tracking) ? CLOUD_FINE_S : MINUTE_S;
        return policy->tracking->predefined_metric_specification != NULL ? periods[0] : MINUTE_S;
}

static const char *name_of(struct tx *tx, const struct state_scaling_policy *policy, uint32_t which)
{
        char *id = arena_bytes(tx_arena(tx), 37);

        if (which < policy->alarms.n)
                return policy->alarms.items[which];
        env_random_uuid(model_env(tx_model(tx)), id);
        return arena_printf(tx_arena(tx), "TargetTracking-%.180s-Alarm%s-%s", policy->resource_id,
                            which == SCALING_ALARM_LOW ? "Low" : "High", id);
}

void scaling_alarms_put(struct tx *tx, struct state_scaling_policy *state, bool fast, int64_t now_ms)
{
        struct string_list names = {0};
        uint32_t wanted = state->tracking == NULL ? 0 : state->tracking->disable_scale_in ? 1 : 2;
        struct alarm *low = wanted < 2 && state->alarms.n == 2 ? model_alarm(tx_model(tx), state->alarms.items[SCALING_ALARM_LOW]) : NULL;

        if (low != NULL)
                alarm_delete(tx, low, now_ms);
        for (uint32_t i = 0; i < wanted; i++)
                string_list_push(tx_arena(tx), &names, name_of(tx, state, i));
        state->alarms = names;
        for (uint32_t i = 0; i < wanted; i++)
                put_one(tx, state, i, first_period(state, fast), now_ms);
}

void scaling_alarms_remove(struct tx *tx, const struct scaling_policy *policy, int64_t now_ms)
{
        for (uint32_t i = 0; policy->state->tracking != NULL && i < policy->state->alarms.n; i++) {
                struct alarm *alarm = model_alarm(tx_model(tx), policy->state->alarms.items[i]);

                if (alarm != NULL)
                        alarm_delete(tx, alarm, now_ms);
        }
}

/* ---- as time passes ---- */

/* Whether the metric has brought values in so many percent of the periods of that length lately. */
static bool serves(struct controller *controller, struct tx *tx, const struct state_scaling_policy *policy, int32_t period_s,
                   uint32_t percent, int64_t now_ms)
{
        const struct controller_options *options = &controller->options;
        struct alarm_points points = {0};
        struct state_alarm alarm;
        uint32_t known = 0;

        build(tx, policy, SCALING_ALARM_HIGH, period_s, &alarm);
        options->ops->alarm_points(options->data, &alarm, period_s == MINUTE_S ? 5 : (uint32_t)(MINUTE_S / period_s), now_ms, tx_arena(tx),
                                   &points);
        for (uint32_t i = 0; i < points.n; i++)
                known += !isnan(points.values[i]);
        return points.n > 0 && known * 100 >= points.n * percent;
}

static void adapt(struct controller *controller, struct scaling_policy *policy, const struct alarm *high, int64_t now_ms)
{
        int64_t period_s = alarm_period_s(high->state);
        struct tx *tx = tx_begin(controller->model);

        for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
                if (!serves(controller, tx, policy->state, periods[i], periods[i] < period_s ? FINER_PERCENT : KNOWN_PERCENT, now_ms))
                        continue;
                for (uint32_t which = 0; periods[i] != period_s && which < policy->state->alarms.n; which++)
                        put_one(tx, policy->state, which, periods[i], now_ms);
                break;
        }
        tx_commit(tx);
}

static void make_again(struct controller *controller, struct scaling_policy *policy, int64_t now_ms)
{
        struct tx *tx = tx_begin(controller->model);

        if (policy->state->alarms.n == 0) {
                struct state_scaling_policy *state = tx_edit(tx, &policy->object);

                scaling_alarms_put(tx, state, !controller->options.cloud_timing, now_ms);
                tx_put(tx, &policy->object, state);
        }
        for (uint32_t i = 0; i < policy->state->alarms.n; i++)
                if (model_alarm(controller->model, policy->state->alarms.items[i]) == NULL)
                        put_one(tx, policy->state, i, first_period(policy->state, !controller->options.cloud_timing), now_ms);
        tx_commit(tx);
}

int64_t scaling_alarms_tend(struct controller *controller, int64_t now_ms)
{
        const struct controller_ops *ops = controller->options.ops;
        bool any = false;

        if (ops == NULL || ops->alarm_points == NULL)
                return INT64_MAX;
        tree_for_each (node, model_objects(controller->model, OBJECT_SCALING_POLICY)) {
                struct scaling_policy *policy = MODEL_OBJECT(node, scaling_policy);
                const struct alarm *high;

                if (policy->state->tracking == NULL)
                        continue;
                any = true;
                make_again(controller, policy, now_ms);
                high = model_alarm(controller->model, policy->state->alarms.items[SCALING_ALARM_HIGH]);
                if (!controller->options.cloud_timing && (alarm_has_gaps(high) || alarm_period_s(high->state) != periods[0]))
                        adapt(controller, policy, high, now_ms);
        }
        return any ? now_ms + TEND_MS : INT64_MAX;
}
