/* SPDX-License-Identifier: Apache-2.0 */
/* Application Auto Scaling through its API: every operation, its errors, its pages. */
#include "unit.h"

#include "api/control_ops.h"
#include "api_harness.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "control/controller.h"
#include "model/service.h"

#define WHO "'ServiceNamespace':'ecs','ResourceId':'service/default/web','ScalableDimension':'ecs:service:DesiredCount'"
#define STEP "'AdjustmentType':'ChangeInCapacity','StepAdjustments':[{'MetricIntervalLowerBound':0,'ScalingAdjustment':1}]"
#define CPU "'TargetValue':60,'PredefinedMetricSpecification':{'PredefinedMetricType':'ECSServiceAverageCPUUtilization'}"

static void begin(struct api_harness *h)
{
        harness_begin(h);
        harness_ok(h, "CreateCluster", "{}");
        harness_ok(h, "RegisterTaskDefinition", "{'family':'web','containerDefinitions':[{'name':'c','image':'busybox','memory':64}]}");
        harness_ok(h, "CreateService", "{'serviceName':'web','taskDefinition':'web','desiredCount':2}");
        h->service = "application-autoscaling";
}

static void begin_registered(struct api_harness *h)
{
        begin(h);
        harness_ok(h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':1,'MaxCapacity':10}");
}

static int desired(struct api_harness *h)
{
        return model_service(h->model, "default", "web")->state->desired_count;
}

static void test_targets(void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':1,'MaxCapacity':10,'Tags':{'team':'x'}}");
        assert_non_null(
                strstr(harness_text(&h, "ScalableTargetARN"), "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/"));
        harness_ok(&h, "DescribeScalableTargets", "{'ServiceNamespace':'ecs','ResourceIds':['service/default/web']}");
        assert_int_equal(harness_count(&h, "ScalableTargets"), 1);
        assert_string_equal(harness_text(&h, "ScalableTargets[0].ScalableDimension"), "ecs:service:DesiredCount");
        assert_non_null(strstr(harness_text(&h, "ScalableTargets[0].RoleARN"), "AWSServiceRoleForApplicationAutoScaling_ECSService"));
        assert_false(harness_true(&h, "ScalableTargets[0].SuspendedState.DynamicScalingInSuspended"));
        /* What is left out stays. */
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MaxCapacity':5,'SuspendedState':{'ScheduledScalingSuspended':true}}");
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'SuspendedState':{'DynamicScalingInSuspended':true}}");
        harness_restart(&h);
        harness_ok(&h, "DescribeScalableTargets", "{'ServiceNamespace':'ecs'}");
        assert_int_equal(harness_int(&h, "ScalableTargets[0].MinCapacity"), 1);
        assert_int_equal(harness_int(&h, "ScalableTargets[0].MaxCapacity"), 5);
        assert_true(harness_true(&h, "ScalableTargets[0].SuspendedState.ScheduledScalingSuspended"));
        assert_true(harness_true(&h, "ScalableTargets[0].SuspendedState.DynamicScalingInSuspended"));
        harness_ok(&h, "DeregisterScalableTarget", "{" WHO "}");
        harness_fails(&h, "DeregisterScalableTarget", "{" WHO "}", "ObjectNotFoundException", "No scalable target found");
        harness_ok(&h, "DescribeScalableTargets", "{'ServiceNamespace':'ecs'}");
        assert_int_equal(harness_count(&h, "ScalableTargets"), 0);
        harness_end(&h);
}

static void test_target_refusals(void **state)
{
        static const struct {
                const char *json, *text;
        } cases[] = {
                {"{'ServiceNamespace':'ecs','ResourceId':'service/default/"
                 "none','ScalableDimension':'ecs:service:DesiredCount','MinCapacity':1,"
                 "'MaxCapacity':2}",
                 "ECS service doesn't exist: service/default/none"},
                {"{" WHO ",'MinCapacity':1}", "MaxCapacity"},
                {"{" WHO ",'MinCapacity':3,'MaxCapacity':2}", "Maximum capacity cannot be less than minimum capacity"},
                {"{" WHO ",'MinCapacity':-1,'MaxCapacity':2}", "0..5000"},
                {"{" WHO ",'MinCapacity':1,'MaxCapacity':5001}", "0..5000"},
                {"{'ServiceNamespace':'ec2','ResourceId':'x','ScalableDimension':'ecs:service:DesiredCount'}",
                 "Unsupported service namespace"},
                {"{'ServiceNamespace':'ecs','ResourceId':'service/web','ScalableDimension':'ecs:service:DesiredCount'}", "Unsupported"},
                {"{'ServiceNamespace':'nowhere','ResourceId':'service/a/b','ScalableDimension':'ecs:service:DesiredCount'}",
                 "ServiceNamespace"},
                {"{'ServiceNamespace':'ecs','ScalableDimension':'ecs:service:DesiredCount'}", "ResourceId"},
        };
        struct api_harness h;

        begin(&h);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                harness_fails(&h, "RegisterScalableTarget", cases[i].json, "ValidationException", cases[i].text);
        harness_end(&h);
}

/* A service outside of new limits is brought inside, and the activity says why. */
static void test_limits_act(void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':4,'MaxCapacity':10}");
        assert_int_equal(desired(&h), 4);
        h.env.now_ms += 1000;
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':1,'MaxCapacity':3}");
        assert_int_equal(desired(&h), 3);
        harness_ok(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','ResourceId':'service/default/web'}");
        assert_int_equal(harness_count(&h, "ScalingActivities"), 2);
        assert_string_equal(harness_text(&h, "ScalingActivities[0].Cause"), "maximum capacity was set to 3");
        assert_string_equal(harness_text(&h, "ScalingActivities[0].Description"), "Setting desired count to 3.");
        assert_string_equal(harness_text(&h, "ScalingActivities[0].StatusCode"), "Successful");
        assert_string_equal(harness_text(&h, "ScalingActivities[1].Cause"), "minimum capacity was set to 4");
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'SuspendedState':{'DynamicScalingOutSuspended':true}}");
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':9,'MaxCapacity':9}");
        assert_int_equal(desired(&h), 3);
        harness_end(&h);
}

static void test_activity_pages(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *token = NULL;

        begin_registered(&h);
        for (int i = 0; i < 130; i++) {
                int n = 2 + i % 2;

                h.env.now_ms += 1000;
                harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':%d,'MaxCapacity':%d}", n + 1, n + 1);
        }
        harness_ok(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','MaxResults':50}");
        assert_int_equal(harness_count(&h, "ScalingActivities"), 50);
        token = xstrdup(harness_text(&h, "NextToken"));
        harness_ok(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','MaxResults':50,'NextToken':'%s'}", token);
        assert_int_equal(harness_count(&h, "ScalingActivities"), 50);
        assert_false(harness_has(&h, "NextToken"));
        harness_fails(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','NextToken':'x'}", "InvalidNextTokenException",
                      "next token");
        harness_fails(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','MaxResults':51}", "ValidationException", "1..50");
        harness_end(&h);
}

static void test_policies(void **state)
{
        struct api_harness h;

        begin(&h);
        harness_fails(&h, "PutScalingPolicy", "{" WHO ",'PolicyName':'p','StepScalingPolicyConfiguration':{" STEP "}}",
                      "ObjectNotFoundException",
                      "No scalable target registered for service namespace: ecs, resource ID: service/default/web");
        harness_ok(&h, "RegisterScalableTarget", "{" WHO ",'MinCapacity':1,'MaxCapacity':10}");
        harness_ok(&h, "PutScalingPolicy", "{" WHO ",'PolicyName':'step','StepScalingPolicyConfiguration':{" STEP "}}");
        assert_non_null(strstr(harness_text(&h, "PolicyARN"), ":resource/ecs/service/default/web:policyName/step"));
        assert_int_equal(harness_count(&h, "Alarms"), 0);
        harness_ok(&h, "PutScalingPolicy",
                   "{" WHO ",'PolicyName':'cpu','PolicyType':'TargetTrackingScaling','TargetTrackingScalingPolicyConfiguration':{" CPU
                   "}}");
        harness_fails(&h, "PutScalingPolicy",
                      "{" WHO ",'PolicyName':'cpu2','PolicyType':'TargetTrackingScaling','TargetTrackingScalingPolicyConfiguration':{" CPU
                      "}}",
                      "ValidationException", "Only one TargetTrackingScaling policy for a given metric specification is allowed");
        harness_restart(&h);
        harness_ok(&h, "DescribeScalingPolicies", "{'ServiceNamespace':'ecs','ResourceId':'service/default/web'}");
        assert_int_equal(harness_count(&h, "ScalingPolicies"), 2);
        assert_string_equal(harness_text(&h, "ScalingPolicies[0].PolicyName"), "cpu");
        assert_string_equal(harness_text(&h, "ScalingPolicies[1].StepScalingPolicyConfiguration.AdjustmentType"), "ChangeInCapacity");
        harness_ok(&h, "DescribeScalingPolicies", "{'ServiceNamespace':'ecs','PolicyNames':['step']}");
        assert_int_equal(harness_count(&h, "ScalingPolicies"), 1);
        harness_ok(&h, "DeleteScalingPolicy", "{" WHO ",'PolicyName':'step'}");
        harness_fails(&h, "DeleteScalingPolicy", "{" WHO ",'PolicyName':'step'}", "ObjectNotFoundException", "No scaling policy found");
        harness_ok(&h, "DeregisterScalableTarget", "{" WHO "}");
        harness_ok(&h, "DescribeScalingPolicies", "{'ServiceNamespace':'ecs'}");
        assert_int_equal(harness_count(&h, "ScalingPolicies"), 0);
        harness_end(&h);
}

static void test_policy_refusals(void **state)
{
#define STEPS(list) "'StepScalingPolicyConfiguration':{'AdjustmentType':'ChangeInCapacity','StepAdjustments':[" list "]}"
#define TRACK(members) "'PolicyType':'TargetTrackingScaling','TargetTrackingScalingPolicyConfiguration':{" members "}"
        static const struct {
                const char *members, *text;
        } cases[] = {
                {"'PolicyType':'StepScaling'", "StepScalingPolicyConfiguration"},
                {TRACK(CPU) ",'StepScalingPolicyConfiguration':{" STEP "}", "no other configuration"},
                {"'StepScalingPolicyConfiguration':{'StepAdjustments':[{'ScalingAdjustment':1}]}", "AdjustmentType"},
                {STEPS(""), "1 to 20"},
                {STEPS("{'MetricIntervalLowerBound':2,'MetricIntervalUpperBound':1,'ScalingAdjustment':1}"), "less than"},
                {STEPS("{'MetricIntervalLowerBound':-1,'MetricIntervalUpperBound':1,'ScalingAdjustment':1}"), "both sides"},
                {STEPS("{'MetricIntervalLowerBound':0,'ScalingAdjustment':1},{'MetricIntervalLowerBound':5,'ScalingAdjustment':2}"),
                 "overlap"},
                {STEPS("{'MetricIntervalLowerBound':0,'MetricIntervalUpperBound':4,'ScalingAdjustment':1},{'MetricIntervalLowerBound':5,"
                       "'ScalingAdjustment':2}"),
                 "gap"},
                {"'StepScalingPolicyConfiguration':{" STEP ",'MinAdjustmentMagnitude':2}", "PercentChangeInCapacity"},
                {"'StepScalingPolicyConfiguration':{" STEP ",'Cooldown':-2}", "Cooldown"},
                {TRACK("'TargetValue':0,'PredefinedMetricSpecification':{'PredefinedMetricType':'ECSServiceAverageCPUUtilization'}"),
                 "above 0"},
                {TRACK("'TargetValue':5"), "Exactly one"},
                {TRACK("'TargetValue':5,'PredefinedMetricSpecification':{'PredefinedMetricType':'KafkaBrokerStorageUtilization'}"),
                 "namespace ecs"},
                {TRACK("'TargetValue':5,'PredefinedMetricSpecification':{'PredefinedMetricType':'ALBRequestCountPerTarget'}"),
                 "ResourceLabel"},
                {TRACK("'TargetValue':5,'PredefinedMetricSpecification':{'PredefinedMetricType':'ALBRequestCountPerTarget','ResourceLabel':"
                       "'app/x'}"),
                 "targetgroup"},
                {TRACK("'TargetValue':5,'CustomizedMetricSpecification':{'MetricName':'x'}"), "Namespace"},
                {TRACK(CPU ",'ScaleInCooldown':-1"), "ScaleInCooldown"},
                {"'PolicyType':'PredictiveScaling','PredictiveScalingPolicyConfiguration':{'MetricSpecifications':[]}", "exactly one"},
        };
        struct api_harness h;

        begin_registered(&h);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char json[1000];

                snprintf(json, sizeof(json), "{" WHO ",'PolicyName':'p',%s}", cases[i].members);
                harness_fails(&h, "PutScalingPolicy", json, "ValidationException", cases[i].text);
        }
        harness_fails(&h, "PutScalingPolicy", "{" WHO ",'PolicyName':'a|b'," STEPS("{'ScalingAdjustment':1}") "}", "ValidationException",
                      "policyName");
        harness_end(&h);
}

static void test_actions(void **state)
{
        struct api_harness h;

        begin_registered(&h);
        harness_ok(&h, "PutScheduledAction",
                   "{" WHO ",'ScheduledActionName':'morning','Schedule':'cron(0 8 * * ? *)','Timezone':'UTC','ScalableTargetAction':"
                   "{'MinCapacity':4,'MaxCapacity':8}}");
        harness_ok(&h, "PutScheduledAction", "{" WHO ",'ScheduledActionName':'morning','ScalableTargetAction':{'MinCapacity':3}}");
        harness_restart(&h);
        harness_ok(&h, "DescribeScheduledActions", "{'ServiceNamespace':'ecs','ResourceId':'service/default/web'}");
        assert_int_equal(harness_count(&h, "ScheduledActions"), 1);
        assert_string_equal(harness_text(&h, "ScheduledActions[0].Schedule"), "cron(0 8 * * ? *)");
        assert_int_equal(harness_int(&h, "ScheduledActions[0].ScalableTargetAction.MinCapacity"), 3);
        assert_false(harness_has(&h, "ScheduledActions[0].ScalableTargetAction.MaxCapacity"));
        assert_non_null(strstr(harness_text(&h, "ScheduledActions[0].ScheduledActionARN"), ":scheduledActionName/morning"));
        harness_ok(&h, "DeleteScheduledAction", "{" WHO ",'ScheduledActionName':'morning'}");
        harness_fails(&h, "DeleteScheduledAction", "{" WHO ",'ScheduledActionName':'morning'}", "ObjectNotFoundException",
                      "No scheduled action found");
        harness_end(&h);
}

static void test_action_refusals(void **state)
{
#define ACTION ",'ScalableTargetAction':{'MinCapacity':1}"
        static const struct {
                const char *members, *text;
        } cases[] = {
                {"'Schedule':'rate(1 hour)'", "ScalableTargetAction"},
                {"'ScalableTargetAction':{'MinCapacity':1}", "Schedule"},
                {"'Schedule':'sometimes'" ACTION, "Invalid schedule expression"},
                {"'Schedule':'at(2020-01-01T00:00:00)'" ACTION, "past"},
                {"'Schedule':'rate(1 hour)','Timezone':'Europe/Atlantis'" ACTION, "Invalid timezone"},
                {"'Schedule':'rate(1 hour)','ScalableTargetAction':{'MinCapacity':3,'MaxCapacity':2}", "Maximum capacity"},
                {"'Schedule':'rate(1 hour)','StartTime':1800000000,'EndTime':1790000000" ACTION, "EndTime"},
        };
        struct api_harness h;

        begin_registered(&h);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char json[1000];

                snprintf(json, sizeof(json), "{" WHO ",'ScheduledActionName':'a',%s}", cases[i].members);
                harness_fails(&h, "PutScheduledAction", json, "ValidationException", cases[i].text);
        }
        harness_end(&h);
}

static void test_tags(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *arn = NULL;

        begin_registered(&h);
        harness_ok(&h, "DescribeScalableTargets", "{'ServiceNamespace':'ecs'}");
        arn = xstrdup(harness_text(&h, "ScalableTargets[0].ScalableTargetARN"));
        harness_ok(&h, "TagResource", "{'ResourceARN':'%s','Tags':{'a':'1','b':''}}", arn);
        harness_ok(&h, "UntagResource", "{'ResourceARN':'%s','TagKeys':['b']}", arn);
        harness_ok(&h, "ListTagsForResource", "{'ResourceARN':'%s'}", arn);
        assert_string_equal(harness_text(&h, "Tags.a"), "1");
        assert_false(harness_has(&h, "Tags.b"));
        harness_fails(&h, "ListTagsForResource", "{'ResourceARN':'arn:aws:x'}", "ResourceNotFoundException", "no scalable target");
        harness_end(&h);
}

/* ---- predictive scaling ---- */

#define HOUR INT64_C(3600000)
#define FORECAST                                                                                                                           \
        "'PolicyName':'f','PolicyType':'PredictiveScaling','PredictiveScalingPolicyConfiguration':{'Mode':'ForecastAndScale',"             \
        "'MetricSpecifications':[{'TargetValue':10,'CustomizedScalingMetricSpecification':{'MetricDataQueries':[{'Id':'a','Expression':'"  \
        "1'}]},"                                                                                                                           \
        "'CustomizedLoadMetricSpecification':{'MetricDataQueries':[{'Id':'l','MetricStat':{'Metric':{'Namespace':'n','MetricName':'jobs'}" \
        ","                                                                                                                                \
        "'Stat':'Average'}}]}}]}"

/* Three days of a load that is 70 at noon and 20 otherwise, up to `now`. */
static void put_days(struct api_harness *h)
{
        h->service = "monitoring";
        for (int64_t at = h->env.now_ms - 72 * HOUR; at < h->env.now_ms; at += HOUR)
                harness_ok(h, "PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'jobs','Timestamp':%lld,'Value':%d}]}",
                           (long long)(at / 1000), at / HOUR % 24 == 12 ? 70 : 20);
        h->service = "application-autoscaling";
}

static void test_forecast(void **state)
{
        struct controller *controller;
        struct api_harness h;
        int64_t noon;

        begin_registered(&h);
        harness_ok(&h, "PutScalingPolicy", "{" WHO "," FORECAST "}");
        h.env.now_ms += 10 * HOUR; /* from midnight */
        harness_fails(&h, "GetPredictiveScalingForecast", "{" WHO ",'PolicyName':'f','StartTime':1767261600,'EndTime':1767270000}",
                      "ValidationException", "the load of 0 hours is known, and 24 are needed");
        put_days(&h);
        noon = h.env.now_ms + 2 * HOUR;
        harness_ok(&h, "GetPredictiveScalingForecast", "{" WHO ",'PolicyName':'f','StartTime':%lld,'EndTime':%lld}",
                   (long long)(h.env.now_ms - HOUR) / 1000, (long long)(noon + HOUR) / 1000);
        assert_int_equal(harness_count(&h, "CapacityForecast.Values"), 4);
        assert_non_null(strstr(h.text.data, "\"CapacityForecast\":{\"Timestamps\":["));
        assert_non_null(strstr(h.text.data, "\"Values\":[2,2,2,7]"));
        assert_non_null(strstr(h.text.data, "\"Values\":[20,20,20,70]"));
        harness_fails(&h, "GetPredictiveScalingForecast", "{" WHO ",'PolicyName':'none','StartTime':1,'EndTime':2}", "ValidationException",
                      "no predictive scaling policy");
        /* It is there in time: five minutes before. */
        controller = controller_new(&(struct controller_options){.model = h.model, .ops = &api_controller_ops, .data = h.api});
        for (; h.env.now_ms < noon - 300000; h.env.now_ms = MIN(MAX(controller_next(controller), h.env.now_ms + 1), noon - 300000)) {
                assert_int_equal(desired(&h), 2);
                (void)controller_run(controller, h.env.now_ms);
        }
        (void)controller_run(controller, h.env.now_ms);
        assert_int_equal(desired(&h), 7);
        harness_ok(&h, "DescribeScalingActivities", "{'ServiceNamespace':'ecs','ResourceId':'service/default/web'}");
        assert_string_equal(harness_text(&h, "ScalingActivities[0].Cause"),
                            "predictive scaling policy f forecasts a need of 7 tasks from 2026-01-01T12:00:00Z on");
        controller = controller_free(controller);
        harness_end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forecast),        cmocka_unit_test(test_targets),
                cmocka_unit_test(test_target_refusals), cmocka_unit_test(test_limits_act),
                cmocka_unit_test(test_activity_pages),  cmocka_unit_test(test_policies),
                cmocka_unit_test(test_policy_refusals), cmocka_unit_test(test_actions),
                cmocka_unit_test(test_action_refusals), cmocka_unit_test(test_tags),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
