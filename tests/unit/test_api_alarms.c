/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms through the API, with the controller that evaluates them: every operation, its refusals, and what happens by itself. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "api/control_ops.h"
#include "api_harness.h"
#include "base/strutil.h"
#include "control/controller.h"
#include "model/alarm.h"

#define ARN "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
#define TOPIC "arn:aws:sns:us-east-1:123456789012:people"
#define THRESHOLD "'Threshold':80,'ComparisonOperator':'GreaterThanThreshold'"
#define CPU "'Namespace':'n','MetricName':'m','Statistic':'Average','Period':60,'EvaluationPeriods':1," THRESHOLD

static struct controller *controller;

static void begin(struct api_harness *h)
{
        harness_begin(h);
        h->service = "monitoring";
        controller = controller_new(&(struct controller_options){.model = h->model, .ops = &api_controller_ops, .data = h->api});
}

static void end(struct api_harness *h)
{
        controller = controller_free(controller);
        harness_end(h);
}

static void run(struct api_harness *h)
{
        for (int i = 0; controller_next(controller) <= h->env.now_ms; i++) {
                assert_true(i < 1000);
                (void)controller_run(controller, h->env.now_ms);
        }
}

static void wait_s(struct api_harness *h, int seconds)
{
        int64_t end = h->env.now_ms + seconds * INT64_C(1000);

        run(h);
        while (h->env.now_ms < end) {
                h->env.now_ms = MIN(MAX(controller_next(controller), h->env.now_ms + 1), end);
                run(h);
        }
}

static void put(struct api_harness *h, double value)
{
        harness_ok(h, "PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m','Value':%g}]}", value);
}

static const char *state_of(struct api_harness *h, const char *name)
{
        return shape_enum_name(&cloudwatch_state_value_enum, (int)model_alarm(h->model, name)->state->state);
}

static void test_metric_alarm(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'cpu'," CPU ",'AlarmActions':['" TOPIC "'],'Tags':[{'Key':'team','Value':'x'}]}");
        harness_ok(&h, "DescribeAlarms", "{}");
        assert_string_equal(harness_text(&h, "MetricAlarms[0].StateValue"), "INSUFFICIENT_DATA");
        assert_string_equal(harness_text(&h, "MetricAlarms[0].StateReason"), "Unchecked: Initial alarm creation");
        assert_string_equal(harness_text(&h, "MetricAlarms[0].AlarmArn"), ARN "cpu");
        assert_true(harness_true(&h, "MetricAlarms[0].ActionsEnabled"));
        assert_int_equal(harness_count(&h, "MetricAlarms[0].OKActions"), 0);
        put(&h, 10);
        wait_s(&h, 70);
        assert_string_equal(state_of(&h, "cpu"), "OK");
        put(&h, 90);
        wait_s(&h, 60);
        assert_string_equal(state_of(&h, "cpu"), "ALARM");
        harness_ok(&h, "DescribeAlarms", "{'StateValue':'ALARM'}");
        assert_non_null(
                strstr(harness_text(&h, "MetricAlarms[0].StateReason"), "Threshold Crossed: 1 out of the last 1 datapoints [90.0 ("));
        assert_non_null(strstr(harness_text(&h, "MetricAlarms[0].StateReasonData"), "\"recentDatapoints\":["));
        harness_ok(&h, "DescribeAlarmHistory", "{'AlarmName':'cpu','ScanBy':'TimestampAscending'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), 4);
        assert_string_equal(harness_text(&h, "AlarmHistoryItems[0].HistorySummary"), "Alarm \"cpu\" created");
        assert_string_equal(harness_text(&h, "AlarmHistoryItems[1].HistorySummary"), "Alarm updated from INSUFFICIENT_DATA to OK");
        assert_string_equal(harness_text(&h, "AlarmHistoryItems[2].HistoryItemType"), "StateUpdate");
        assert_string_equal(harness_text(&h, "AlarmHistoryItems[3].HistorySummary"), "Failed to execute action " TOPIC);
        assert_non_null(strstr(harness_text(&h, "AlarmHistoryItems[3].HistoryData"), "delivers no notifications"));
        /* What was stored stays. */
        controller = controller_free(controller);
        harness_restart(&h);
        harness_ok(&h, "DescribeAlarms", "{'AlarmNames':['cpu']}");
        assert_string_equal(harness_text(&h, "MetricAlarms[0].StateValue"), "ALARM");
        harness_ok(&h, "ListTagsForResource", "{'ResourceARN':'" ARN "cpu'}");
        assert_string_equal(harness_text(&h, "Tags[0].Value"), "x");
        end(&h);
}

static void test_math_and_seconds(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm",
                   "{'AlarmName':'math','EvaluationPeriods':3,'DatapointsToAlarm':2,'TreatMissingData':'notBreaching'," THRESHOLD
                   ",'Metrics':[{'Id':'a','ReturnData':false,'MetricStat':{'Metric':{'Namespace':'n','MetricName':'m'},'Period':1,'Stat':'"
                   "Sum'}},"
                   "{'Id':'b','Expression':'a * 60'}]}");
        wait_s(&h, 5);
        assert_string_equal(state_of(&h, "math"), "OK");
        for (int i = 0; i < 3; i++) {
                put(&h, 2);
                wait_s(&h, 1);
        }
        assert_string_equal(state_of(&h, "math"), "ALARM");
        wait_s(&h, 6);
        assert_string_equal(state_of(&h, "math"), "OK");
        harness_ok(&h, "DescribeAlarmsForMetric", "{'Namespace':'n','MetricName':'m'}");
        assert_int_equal(harness_count(&h, "MetricAlarms"), 1);
        assert_int_equal(harness_count(&h, "MetricAlarms[0].Metrics"), 2);
        end(&h);
}

/* A name may hold what JSON has to escape. */
static void test_composite_of_quotes(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'x\\u0022y'," CPU ",'TreatMissingData':'ignore'}");
        harness_ok(&h, "PutCompositeAlarm", "{'AlarmName':'both','AlarmRule':'ALARM(x\\u0022y)'}");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'x\\u0022y','StateValue':'ALARM','StateReason':'by hand'}");
        run(&h);
        harness_ok(&h, "DescribeAlarms", "{'AlarmTypes':['CompositeAlarm']}");
        assert_string_equal(harness_text(&h, "CompositeAlarms[0].StateValue"), "ALARM");
        assert_non_null(strstr(harness_text(&h, "CompositeAlarms[0].StateReasonData"), ":alarm:x\\\"y\",\"state\":{\"value\":\"ALARM\""));
        end(&h);
}

static void test_composite(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'a'," CPU ",'TreatMissingData':'ignore'}");
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'b'," CPU ",'TreatMissingData':'ignore'}");
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'quiet'," CPU ",'TreatMissingData':'ignore'}");
        harness_ok(&h, "PutCompositeAlarm",
                   "{'AlarmName':'both','AlarmRule':'ALARM(a) AND ALARM(" ARN "b)','AlarmActions':['" TOPIC "'],"
                   "'ActionsSuppressor':'quiet','ActionsSuppressorWaitPeriod':10,'ActionsSuppressorExtensionPeriod':20}");
        wait_s(&h, 1);
        assert_string_equal(state_of(&h, "both"), "OK");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'a','StateValue':'ALARM','StateReason':'by hand'}");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'b','StateValue':'ALARM','StateReason':'by hand'}");
        run(&h);
        assert_string_equal(state_of(&h, "both"), "ALARM");
        harness_ok(&h, "DescribeAlarms", "{'AlarmTypes':['CompositeAlarm']}");
        assert_string_equal(harness_text(&h, "CompositeAlarms[0].ActionsSuppressedBy"), "WaitPeriod");
        assert_non_null(strstr(harness_text(&h, "CompositeAlarms[0].StateReason"), ":alarm:b transitioned to ALARM at "));
        assert_non_null(strstr(harness_text(&h, "CompositeAlarms[0].StateReasonData"), "triggeringAlarms"));
        wait_s(&h, 9);
        harness_ok(&h, "DescribeAlarmHistory", "{'AlarmName':'both','HistoryItemType':'Action'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), 0);
        wait_s(&h, 2);
        harness_ok(&h, "DescribeAlarmHistory", "{'AlarmName':'both','HistoryItemType':'Action'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), 1);
        harness_ok(&h, "DescribeAlarms", "{'ChildrenOfAlarmName':'both'}");
        assert_int_equal(harness_count(&h, "MetricAlarms"), 2);
        harness_ok(&h, "DescribeAlarms", "{'ParentsOfAlarmName':'a'}");
        assert_int_equal(harness_count(&h, "CompositeAlarms"), 1);
        /* While the suppressor is in ALARM and a while after, nothing is done. */
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'quiet','StateValue':'ALARM','StateReason':'by hand'}");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'b','StateValue':'OK','StateReason':'by hand'}");
        run(&h);
        harness_ok(&h, "DescribeAlarms", "{'AlarmTypes':['CompositeAlarm']}");
        assert_string_equal(harness_text(&h, "CompositeAlarms[0].StateValue"), "OK");
        assert_string_equal(harness_text(&h, "CompositeAlarms[0].ActionsSuppressedBy"), "Alarm");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'quiet','StateValue':'OK','StateReason':'by hand'}");
        run(&h);
        harness_ok(&h, "DescribeAlarms", "{'AlarmTypes':['CompositeAlarm']}");
        assert_string_equal(harness_text(&h, "CompositeAlarms[0].ActionsSuppressedBy"), "ExtensionPeriod");
        wait_s(&h, 21);
        harness_ok(&h, "DescribeAlarms", "{'AlarmTypes':['CompositeAlarm']}");
        assert_false(harness_has(&h, "CompositeAlarms[0].ActionsSuppressedBy"));
        end(&h);
}

/* What is set by hand lasts until the next look at the metric; enabling, deleting, tags. */
static void test_by_hand(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'cpu'," CPU ",'OKActions':['" TOPIC "']}");
        for (int i = 0; i < 3; i++) {
                put(&h, 90);
                wait_s(&h, 60);
        }
        assert_string_equal(state_of(&h, "cpu"), "ALARM");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'cpu','StateValue':'OK','StateReason':'test','StateReasonData':'{}'}");
        run(&h);
        assert_string_equal(state_of(&h, "cpu"), "OK");
        harness_ok(&h, "DescribeAlarmHistory", "{'HistoryItemType':'Action'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), 1);
        put(&h, 90);
        wait_s(&h, 60);
        assert_string_equal(state_of(&h, "cpu"), "ALARM");
        harness_ok(&h, "DisableAlarmActions", "{'AlarmNames':['cpu','none']}");
        harness_ok(&h, "SetAlarmState", "{'AlarmName':'cpu','StateValue':'OK','StateReason':'test'}");
        run(&h);
        harness_ok(&h, "DescribeAlarmHistory", "{'HistoryItemType':'Action'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), 1);
        harness_ok(&h, "EnableAlarmActions", "{'AlarmNames':['cpu']}");
        harness_ok(&h, "TagResource", "{'ResourceARN':'" ARN "cpu','Tags':[{'Key':'a','Value':'1'},{'Key':'b','Value':'2'}]}");
        harness_ok(&h, "TagResource", "{'ResourceARN':'" ARN "cpu','Tags':[{'Key':'a','Value':'3'}]}");
        harness_ok(&h, "UntagResource", "{'ResourceARN':'" ARN "cpu','TagKeys':['b']}");
        harness_ok(&h, "ListTagsForResource", "{'ResourceARN':'" ARN "cpu'}");
        assert_int_equal(harness_count(&h, "Tags"), 1);
        assert_string_equal(harness_text(&h, "Tags[0].Value"), "3");
        harness_ok(&h, "DeleteAlarms", "{'AlarmNames':['cpu','none']}");
        harness_ok(&h, "DescribeAlarms", "{}");
        assert_false(harness_has(&h, "MetricAlarms[0]"));
        /* Its history stays. */
        harness_ok(&h, "DescribeAlarmHistory", "{'AlarmName':'cpu','MaxRecords':1}");
        assert_string_equal(harness_text(&h, "AlarmHistoryItems[0].HistorySummary"), "Alarm \"cpu\" deleted");
        assert_true(harness_has(&h, "NextToken"));
        wait_s(&h, 100);
        end(&h);
}

static void test_history_is_bounded(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'cpu'," CPU "}");
        for (int i = 0; i < 150; i++)
                harness_ok(&h, "SetAlarmState", "{'AlarmName':'cpu','StateValue':'%s','StateReason':'%d'}", i % 2 ? "OK" : "ALARM", i);
        assert_int_equal(model_objects(h.model, OBJECT_ALARM_HISTORY)->count, ALARM_HISTORY);
        harness_ok(&h, "DescribeAlarmHistory", "{'AlarmName':'cpu'}");
        assert_int_equal(harness_count(&h, "AlarmHistoryItems"), ALARM_HISTORY);
        assert_non_null(strstr(harness_text(&h, "AlarmHistoryItems[0].HistoryData"), "\"stateReason\":\"149\""));
        end(&h);
}

static void test_pages(UNUSED void **state)
{
        struct api_harness h;
        int seen = 0;
        char token[256];

        begin(&h);
        for (int i = 0; i < 120; i++)
                harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'p%03d'," CPU "}", i);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'q'," CPU "}");
        harness_ok(&h, "DescribeAlarms", "{'AlarmNamePrefix':'p'}");
        for (;;) {
                seen += (int)harness_count(&h, "MetricAlarms");
                if (!harness_has(&h, "NextToken"))
                        break;
                (void)snprintf(token, sizeof(token), "%s", harness_text(&h, "NextToken"));
                harness_ok(&h, "DescribeAlarms", "{'AlarmNamePrefix':'p','NextToken':'%s'}", token);
        }
        assert_int_equal(seen, 120);
        harness_fails(&h, "DescribeAlarms", "{'NextToken':'x'}", "InvalidNextToken", "DescribeAlarms");
        end(&h);
}

static void test_refusals(UNUSED void **state)
{
        static const char *const rows[][4] = {
                {"PutMetricAlarm",
                 "{'AlarmName':'x','Namespace':'n','MetricName':'m','Statistic':'Sum','Period':61,'EvaluationPeriods':1," THRESHOLD "}",
                 "ValidationError", "multiple of 60, not 61"},
                {"PutMetricAlarm",
                 "{'AlarmName':'x','Namespace':'n','MetricName':'m','Statistic':'Sum','Period':60,'EvaluationPeriods':2000," THRESHOLD "}",
                 "ValidationError", "more than a day"},
                {"PutMetricAlarm", "{'AlarmName':'x','Namespace':'n','MetricName':'m','Period':60,'EvaluationPeriods':1," THRESHOLD "}",
                 "ValidationError", "Exactly one of Statistic"},
                {"PutMetricAlarm", "{'AlarmName':'x'," CPU ",'DatapointsToAlarm':2}", "ValidationError", "less than or equal to"},
                {"PutMetricAlarm", "{'AlarmName':'x'," CPU ",'TreatMissingData':'never'}", "ValidationError", "breaching, notBreaching"},
                {"PutMetricAlarm", "{'AlarmName':'x'," CPU ",'AlarmActions':['https://example.com']}", "ValidationError",
                 "Invalid arn syntax"},
                {"PutMetricAlarm", "{'AlarmName':'x'," CPU ",'ThresholdMetricId':'a'}", "ValidationError", "anomaly detection"},
                {"PutMetricAlarm", "{'AlarmName':'x','EvaluationPeriods':1," THRESHOLD "}", "ValidationError", "Exactly one of Metrics"},
                {"PutMetricAlarm", "{'AlarmName':'x','EvaluationPeriods':1," THRESHOLD ",'Metrics':[{'Id':'a','Expression':'b +'}]}",
                 "ValidationError", NULL},
                {"PutMetricAlarm",
                 "{'AlarmName':'x','EvaluationPeriods':1," THRESHOLD
                 ",'Metrics':[{'Id':'a','Expression':'1'},{'Id':'b','Expression':'2'}]}",
                 "ValidationError", "Exactly one element of Metrics must return data (ReturnData), not 2"},
                {"PutCompositeAlarm", "{'AlarmName':'x','AlarmRule':'ALARM(none)'}", "ValidationError", "do not exist"},
                {"PutCompositeAlarm", "{'AlarmName':'x','AlarmRule':'ALARM(x)'}", "ValidationError", "depend on itself"},
                {"PutCompositeAlarm", "{'AlarmName':'x','AlarmRule':'ALARM('}", "ValidationError", "Error in AlarmRule at character 7"},
                {"PutCompositeAlarm", "{'AlarmName':'x','AlarmRule':'TRUE','ActionsSuppressor':'cpu'}", "ValidationError", "WaitPeriod"},
                {"PutCompositeAlarm", "{'AlarmName':'cpu','AlarmRule':'TRUE'}", "ValidationError", "is a metric alarm"},
                {"SetAlarmState", "{'AlarmName':'none','StateValue':'OK','StateReason':''}", "ResourceNotFound", "none"},
                {"SetAlarmState", "{'AlarmName':'cpu','StateValue':'OK','StateReason':'','StateReasonData':'{'}", "InvalidFormatFault",
                 "JSON"},
                {"DeleteAlarms", "{'AlarmNames':['none']}", "ResourceNotFound", "none"},
                {"TagResource", "{'ResourceARN':'arn:aws:s3:::x','Tags':[]}", "InvalidParameterValueException", "ARN of an alarm"},
                {"ListTagsForResource", "{'ResourceARN':'" ARN "none'}", "ResourceNotFoundException", "none"},
                {"DescribeAlarms", "{'AlarmNames':['a'],'AlarmNamePrefix':'b'}", "ValidationError", "together"},
        };
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricAlarm", "{'AlarmName':'cpu'," CPU "}");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                harness_fails(&h, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_metric_alarm), cmocka_unit_test(test_math_and_seconds),
                cmocka_unit_test(test_composite),    cmocka_unit_test(test_composite_of_quotes),
                cmocka_unit_test(test_by_hand),      cmocka_unit_test(test_history_is_bounded),
                cmocka_unit_test(test_pages),        cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
