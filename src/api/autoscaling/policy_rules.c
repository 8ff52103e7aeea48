/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a scaling policy valid. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "api/autoscaling/policies.h"
#include "base/strutil.h"

#define STEPS_MAX 20

/* ---- step scaling ---- */

static double low_of(const struct aas_step_adjustment *step)
{
        return SHAPE_HAS(step, aas_step_adjustment, metric_interval_lower_bound) ? step->metric_interval_lower_bound : -INFINITY;
}

static double high_of(const struct aas_step_adjustment *step)
{
        return SHAPE_HAS(step, aas_step_adjustment, metric_interval_upper_bound) ? step->metric_interval_upper_bound : INFINITY;
}

/* Steps may come in any order; together they are one interval without holes, and none lies on both sides of the threshold. */
static int check_steps(struct api_call *call, const struct aas_step_adjustment_list *steps)
{
        uint32_t starts = 0;

        for (uint32_t i = 0; i < steps->n; i++) {
                const struct aas_step_adjustment *step = &steps->items[i];
                bool follows = false;

                if (!(low_of(step) < high_of(step)))
                        return api_fail(call, "ValidationException",
                                        "StepAdjustments[%u]: MetricIntervalLowerBound must be less than MetricIntervalUpperBound.", i);
                if (isfinite(low_of(step)) && isfinite(high_of(step)) && low_of(step) < 0 && high_of(step) > 0)
                        return api_fail(call, "ValidationException",
                                        "StepAdjustments[%u]: an interval cannot lie on both sides of the alarm's threshold (0): split it.",
                                        i);
                for (uint32_t j = 0; j < steps->n; j++) {
                        if (j != i && low_of(step) < high_of(&steps->items[j]) && low_of(&steps->items[j]) < high_of(step))
                                return api_fail(call, "ValidationException",
                                                "StepAdjustment intervals can't overlap: StepAdjustments[%u] and [%u] do.", i, j);
                        follows = follows || (j != i && low_of(step) == high_of(&steps->items[j]));
                }
                starts += !follows;
        }
        if (starts > 1)
                return api_fail(call, "ValidationException",
                                "There can't be a gap between StepAdjustment intervals: each must begin where another one ends.");
        return 0;
}

static int check_step(struct api_call *call, const struct aas_step_scaling_policy_configuration *c)
{
        bool percent = c->adjustment_type == AAS_ADJUSTMENT_TYPE_PERCENTCHANGEINCAPACITY;

        if (c->adjustment_type == AAS_ADJUSTMENT_TYPE_UNSET)
                return api_fail(call, "ValidationException",
                                "AdjustmentType must be one of ChangeInCapacity, PercentChangeInCapacity and ExactCapacity.");
        if (c->step_adjustments.n < 1 || c->step_adjustments.n > STEPS_MAX)
                return api_fail(call, c->step_adjustments.n > STEPS_MAX ? "LimitExceededException" : "ValidationException",
                                "A step scaling policy has 1 to %d StepAdjustments, not %u.", STEPS_MAX, c->step_adjustments.n);
        if (SHAPE_HAS(c, aas_step_scaling_policy_configuration, min_adjustment_magnitude) && (!percent || c->min_adjustment_magnitude < 1))
                return api_fail(call, "ValidationException",
                                "MinAdjustmentMagnitude is only for PercentChangeInCapacity, and must be at least 1.");
        if (c->cooldown < 0)
                return api_fail(call, "ValidationException", "Cooldown must be 0 or more seconds, not %d.", c->cooldown);
        for (uint32_t i = 0; i < c->step_adjustments.n; i++)
                if (c->adjustment_type == AAS_ADJUSTMENT_TYPE_EXACTCAPACITY && c->step_adjustments.items[i].scaling_adjustment < 0)
                        return api_fail(call, "ValidationException", "StepAdjustments[%u]: ExactCapacity cannot be negative.", i);
        return check_steps(call, &c->step_adjustments);
}

/* ---- target tracking ---- */

/* app/NAME/ID/targetgroup/NAME/ID */
static bool is_label(const char *label)
{
        const char *group = label != NULL ? strstr(label, "/targetgroup/") : NULL;
        int slashes = 0;

        for (const char *p = label; p != NULL && *p != '\0'; p++)
                slashes += *p == '/';
        return group != NULL && str_starts_with(label, "app/") && slashes == 5;
}

static int check_predefined(struct api_call *call, const struct aas_predefined_metric_specification *p)
{
        if (p->predefined_metric_type == AAS_METRIC_TYPE_UNSET || p->predefined_metric_type > AAS_METRIC_TYPE_ALBREQUESTCOUNTPERTARGET)
                return api_fail(call, "ValidationException",
                                "PredefinedMetricType must be one of ECSServiceAverageCPUUtilization, ECSServiceAverageMemoryUtilization, "
                                "both also with HighResolution at their end, and ALBRequestCountPerTarget for the namespace ecs.");
        if ((p->predefined_metric_type == AAS_METRIC_TYPE_ALBREQUESTCOUNTPERTARGET) != (p->resource_label != NULL))
                return api_fail(call, "ValidationException",
                                "ResourceLabel is needed by ALBRequestCountPerTarget, and by no other metric.");
        if (p->resource_label != NULL && !is_label(p->resource_label))
                return api_fail(call, "ValidationException",
                                "ResourceLabel must be the ends of the ARNs of load balancer and target group, as in "
                                "app/NAME/ID/targetgroup/NAME/ID; it is \"%.300s\".",
                                p->resource_label);
        return 0;
}

static int check_customized(struct api_call *call, const struct aas_customized_metric_specification *c)
{
        if (c->metrics.n == 0 && (c->metric_name == NULL || c->namespace == NULL || c->statistic == AAS_METRIC_STATISTIC_UNSET))
                return api_fail(call, "ValidationException",
                                "CustomizedMetricSpecification needs MetricName, Namespace and Statistic, or else Metrics.");
        if (c->metrics.n > 0 && (c->metric_name != NULL || c->namespace != NULL || c->dimensions.n > 0))
                return api_fail(call, "ValidationException",
                                "CustomizedMetricSpecification: Metrics takes the place of the other members.");
        return 0;
}

static bool same_metric(const struct aas_target_tracking_scaling_policy_configuration *a,
                        const struct aas_target_tracking_scaling_policy_configuration *b)
{
        const struct aas_predefined_metric_specification *p, *q;

        if (a == NULL || b == NULL || a->predefined_metric_specification == NULL || b->predefined_metric_specification == NULL)
                return false;
        p = a->predefined_metric_specification;
        q = b->predefined_metric_specification;
        return p->predefined_metric_type == q->predefined_metric_type && str_eq(p->resource_label, q->resource_label);
}

static int check_tracking(struct api_call *call, const struct aas_put_scaling_policy_request *in)
{
        const struct aas_target_tracking_scaling_policy_configuration *c = in->target_tracking_scaling_policy_configuration;

        if (!(c->target_value > 0) || c->target_value > 1e30)
                return api_fail(call, "ValidationException", "TargetValue must be a number above 0.");
        if ((c->predefined_metric_specification != NULL) == (c->customized_metric_specification != NULL))
                return api_fail(call, "ValidationException",
                                "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given.");
        if (c->scale_in_cooldown < 0 || c->scale_out_cooldown < 0)
                return api_fail(call, "ValidationException", "ScaleInCooldown and ScaleOutCooldown must be 0 or more seconds.");
        for (struct object *o = model_scaling_first(call->model, OBJECT_SCALING_POLICY, in->resource_id); o != NULL;
             o = model_scaling_next(o, in->resource_id)) {
                const struct state_scaling_policy *other = ((const struct scaling_policy *)(const void *)o)->state;

                if (!str_eq(other->name, in->policy_name) && same_metric(other->tracking, c))
                        return api_fail(
                                call, "ValidationException",
                                "Only one TargetTrackingScaling policy for a given metric specification is allowed: %s has this one "
                                "already.",
                                other->name);
        }
        return c->predefined_metric_specification != NULL ? check_predefined(call, c->predefined_metric_specification)
                                                          : check_customized(call, c->customized_metric_specification);
}

/* ---- predictive scaling ---- */

/* What the words of a pair, or of its load, mean is in forecast.c. */
static int check_load(struct api_call *call, const struct aas_predictive_scaling_metric_specification *m)
{
        const char *type = m->predefined_metric_pair_specification != NULL ? m->predefined_metric_pair_specification->predefined_metric_type
                           : m->predefined_load_metric_specification != NULL
                                   ? m->predefined_load_metric_specification->predefined_metric_type
                                   : NULL;
        const char *label = m->predefined_metric_pair_specification != NULL   ? m->predefined_metric_pair_specification->resource_label
                            : m->predefined_load_metric_specification != NULL ? m->predefined_load_metric_specification->resource_label
                                                                              : NULL;
        bool requests = str_eq(type, "ALBRequestCount") || str_eq(type, "ALBTargetGroupRequestCount");

        if (type == NULL)
                return m->customized_load_metric_specification != NULL
                               ? 0
                               : api_fail(call, "ValidationException", "A metric specification needs a load metric.");
        if (!requests && strcmp(type, "ECSServiceCPUUtilization") != 0 && strcmp(type, "ECSServiceMemoryUtilization") != 0 &&
            strcmp(type, "ECSServiceTotalCPUUtilization") != 0 && strcmp(type, "ECSServiceTotalMemoryUtilization") != 0)
                return api_fail(call, "ValidationException",
                                "PredefinedMetricType \"%.100s\": a pair is ECSServiceCPUUtilization, ECSServiceMemoryUtilization or "
                                "ALBRequestCount; a load is ECSServiceTotalCPUUtilization, ECSServiceTotalMemoryUtilization or "
                                "ALBTargetGroupRequestCount.",
                                type);
        if (requests && !is_label(label))
                return api_fail(call, "ValidationException", "%s needs a ResourceLabel such as app/NAME/ID/targetgroup/NAME/ID.", type);
        return 0;
}

static int check_predictive(struct api_call *call, const struct aas_predictive_scaling_policy_configuration *c)
{
        const struct aas_predictive_scaling_metric_specification *m = c->metric_specifications.items;

        if (c->metric_specifications.n != 1)
                return api_fail(call, "ValidationException", "MetricSpecifications must have exactly one element.");
        if (!(m->target_value > 0))
                return api_fail(call, "ValidationException", "TargetValue must be a number above 0.");
        if (m->predefined_metric_pair_specification == NULL &&
            (m->predefined_scaling_metric_specification == NULL && m->customized_scaling_metric_specification == NULL))
                return api_fail(call, "ValidationException",
                                "A metric specification needs PredefinedMetricPairSpecification, or a scaling metric and a load metric.");
        if (check_load(call, m) < 0)
                return -EINVAL;
        if (SHAPE_HAS(c, aas_predictive_scaling_policy_configuration, max_capacity_buffer) !=
            (c->max_capacity_breach_behavior == AAS_PREDICTIVE_SCALING_MAX_CAPACITY_BREACH_BEHAVIOR_INCREASEMAXCAPACITY))
                return api_fail(call, "ValidationException", "MaxCapacityBuffer is needed by IncreaseMaxCapacity, and only there.");
        return 0;
}

int autoscaling_check_policy(struct api_call *call, const struct aas_put_scaling_policy_request *in, const struct scaling_policy *existing,
                             enum aas_policy_type *ret_type)
{
        enum aas_policy_type type = in->policy_type;
        const void *wanted[AAS_POLICY_TYPE_MAX] = {[AAS_POLICY_TYPE_STEPSCALING] = in->step_scaling_policy_configuration,
                                                   [AAS_POLICY_TYPE_TARGETTRACKINGSCALING] =
                                                           in->target_tracking_scaling_policy_configuration,
                                                   [AAS_POLICY_TYPE_PREDICTIVESCALING] = in->predictive_scaling_policy_configuration};

        if (type == AAS_POLICY_TYPE_UNSET)
                type = existing != NULL ? existing->state->type : AAS_POLICY_TYPE_STEPSCALING;
        if (existing != NULL && existing->state->type != type)
                return api_fail(call, "ValidationException", "The type of a scaling policy cannot be changed: delete %s first.",
                                in->policy_name);
        for (int i = 1; i < AAS_POLICY_TYPE_MAX; i++)
                if ((wanted[i] != NULL) != (i == (int)type))
                        return api_fail(
                                call, "ValidationException", "A policy of type %s needs %sPolicyConfiguration and no other configuration.",
                                shape_enum_name(&aas_policy_type_enum, (int)type), shape_enum_name(&aas_policy_type_enum, (int)type));
        *ret_type = type;
        if (in->step_scaling_policy_configuration != NULL)
                return check_step(call, in->step_scaling_policy_configuration);
        if (in->target_tracking_scaling_policy_configuration != NULL)
                return check_tracking(call, in);
        return in->predictive_scaling_policy_configuration != NULL ? check_predictive(call, in->predictive_scaling_policy_configuration)
                                                                   : 0;
}
