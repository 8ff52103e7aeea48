/* SPDX-License-Identifier: Apache-2.0 */
/* CloudWatch through its API: metrics in, metrics out, and what is refused. */
#include <math.h>

#include "unit.h"

#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api_harness.h"
#include "base/strutil.h"

static void begin(struct api_harness *h)
{
        harness_begin(h);
        h->service = "monitoring";
}

/* 2026-01-01T00:00:00Z and a minute later. */
#define START 1767225600
#define PUT "{'Namespace':'n','MetricData':[{'MetricName':'m','Dimensions':[{'Name':'d','Value':'v'}],'Timestamp':%d,'Value':%d}]}"
#define METRIC "{'Namespace':'n','MetricName':'m','Dimensions':[{'Name':'d','Value':'v'}]}"

static void put(struct api_harness *h, int at_s, int value)
{
        harness_ok(h, "PutMetricData", PUT, at_s, value);
}

static void test_data(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        for (int i = 0; i < 120; i++)
                put(&h, START - 120 + i, i);
        harness_ok(&h, "GetMetricData",
                   "{'StartTime':%d,'EndTime':%d,'ScanBy':'TimestampAscending','MetricDataQueries':["
                   "{'Id':'a','ReturnData':false,'MetricStat':{'Metric':" METRIC ",'Period':60,'Stat':'Sum'}},"
                   "{'Id':'b','MetricStat':{'Metric':" METRIC ",'Period':60,'Stat':'p50'}},"
                   "{'Id':'c','Label':'mean','Expression':'a / 60'}]}",
                   START - 120, START);
        assert_int_equal(harness_count(&h, "MetricDataResults"), 2);
        assert_string_equal(harness_text(&h, "MetricDataResults[1].Label"), "mean");
        assert_int_equal(harness_count(&h, "MetricDataResults[1].Values"), 2);
        assert_true(strstr(h.text.data, "\"Values\":[29.5,89.5]") != NULL);
        assert_true(strstr(h.text.data, "\"Values\":[29,89]") != NULL);
        /* Page by page, the newest first. */
        harness_ok(&h, "GetMetricData",
                   "{'StartTime':%d,'EndTime':%d,'MaxDatapoints':1,'MetricDataQueries':["
                   "{'Id':'a','MetricStat':{'Metric':" METRIC ",'Period':60,'Stat':'Maximum'}}]}",
                   START - 120, START);
        assert_true(strstr(h.text.data, "\"Values\":[119]") != NULL);
        assert_string_equal(harness_text(&h, "NextToken"), "1");
        harness_ok(&h, "GetMetricData",
                   "{'StartTime':%d,'EndTime':%d,'MaxDatapoints':1,'NextToken':'1','MetricDataQueries':["
                   "{'Id':'a','MetricStat':{'Metric':" METRIC ",'Period':60,'Stat':'Maximum'}}]}",
                   START - 120, START);
        assert_true(strstr(h.text.data, "\"Values\":[59]") != NULL);
        assert_false(harness_has(&h, "NextToken"));
        harness_end(&h);
}

#define ASK "{'StartTime':%d,'EndTime':%d,'ScanBy':'TimestampAscending','MetricDataQueries':["
#define SERVICE                                                                                                        \
        "{'Namespace':'AWS/ECS','MetricData':[{'MetricName':'%s','Dimensions':[{'Name':'ClusterName','Value':'main'}," \
        "{'Name':'ServiceName','Value':'%s'}],'Timestamp':%d,'Value':%d}]}"

/* One query that finds several metrics, what is computed of them, and what they are called. */
static void test_search(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        for (int i = 0; i < 4; i++) {
                harness_ok(&h, "PutMetricData", SERVICE, "CPUUtilization", "web", START - 120 + 30 * i, 10 + i);
                harness_ok(&h, "PutMetricData", SERVICE, "CPUUtilization", "batch", START - 120 + 30 * i, 50);
                harness_ok(&h, "PutMetricData", SERVICE, "MemoryUtilization", "web", START - 120 + 30 * i, 70);
        }
        harness_ok(&h, "GetMetricData",
                   ASK
                   "{'Id':'cpu','Expression':'SEARCH(\\u0027{AWS/ECS,ClusterName,ServiceName} MetricName=\\\"CPUUtilization\\\"\\u0027, "
                   "\\u0027Average\\u0027, 60)'},{'Id':'top','Expression':'SORT(cpu, MAX, DESC, 1)','Label':'most:'},"
                   "{'Id':'all','Expression':'SUM(cpu)'},"
                   "{'Id':'named','Expression':'FILL(cpu, 0)','Label':'${PROP(\\u0027Dim.ServiceName\\u0027)} ${MAX} of "
                   "${PROP(\\u0027MetricName\\u0027)} ${NOPE} ${LABEL}'}]}",
                   START - 120, START);
        assert_int_equal(harness_count(&h, "MetricDataResults"), 6);
        assert_string_equal(harness_text(&h, "MetricDataResults[0].Id"), "cpu");
        assert_string_equal(harness_text(&h, "MetricDataResults[0].Label"), "batch");
        assert_string_equal(harness_text(&h, "MetricDataResults[1].Id"), "cpu");
        assert_string_equal(harness_text(&h, "MetricDataResults[1].Label"), "web");
        assert_non_null(strstr(h.text.data, "\"Values\":[10.5,12.5]"));
        assert_string_equal(harness_text(&h, "MetricDataResults[2].Label"), "most: batch");
        assert_string_equal(harness_text(&h, "MetricDataResults[3].Label"), "all");
        assert_non_null(strstr(h.text.data, "\"Values\":[60.5,62.5]"));
        assert_string_equal(harness_text(&h, "MetricDataResults[5].Label"), "web 12.5 of CPUUtilization ${NOPE} web");
        assert_false(harness_has(&h, "Messages[0]"));
        /* The period is the query's where the search names none; an Id that stands in a text is none. */
        harness_ok(&h, "GetMetricData",
                   ASK "{'Id':'web','Period':60,'Expression':'SUM(SEARCH(\\u0027ServiceName=web\\u0027, \\u0027Sum\\u0027))'},"
                       "{'Id':'none','Expression':'SEARCH(\\u0027nothing\\u0027, \\u0027Sum\\u0027, 60)'}]}",
                   START - 120, START);
        assert_int_equal(harness_count(&h, "MetricDataResults"), 1);
        assert_non_null(strstr(h.text.data, "\"Values\":[161,165]"));
        harness_fails(
                &h, "GetMetricData",
                "{'StartTime':1,'EndTime':61,'MetricDataQueries':[{'Id':'a','Expression':'SEARCH(\\u0027a\\u0027, \\u0027Sum\\u0027, 60) "
                "+ SEARCH(\\u0027b\\u0027, \\u0027Sum\\u0027, 300)'}]}",
                "ValidationError", "same Period");
        harness_fails(&h, "GetMetricData",
                      "{'StartTime':1,'EndTime':61,'MetricDataQueries':[{'Id':'a','Expression':'SEARCH(\\u0027(a\\u0027, "
                      "\\u0027Sum\\u0027)'}]}",
                      "ValidationError", "')' was expected");
        harness_fails(
                &h, "PutMetricAlarm",
                "{'AlarmName':'a','EvaluationPeriods':1,'Threshold':1,'ComparisonOperator':'GreaterThanThreshold','Metrics':[{'Id':'a',"
                "'Expression':'SUM(SEARCH(\\u0027web\\u0027, \\u0027Sum\\u0027, 60))'}]}",
                "ValidationError", "GetMetricData only");
        harness_end(&h);
}

/* More than one search gives: the first ones, and a message. */
static void test_search_finds_too_many(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        for (int i = 0; i < 501; i++)
                harness_ok(&h, "PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m%03d','Timestamp':%d,'Value':1}]}", i,
                           START);
        harness_ok(&h, "GetMetricData", ASK "{'Id':'a','Expression':'SEARCH(\\u0027{n}\\u0027, \\u0027Sum\\u0027, 60)'}]}", START,
                   START + 60);
        assert_int_equal(harness_count(&h, "MetricDataResults"), 500);
        assert_string_equal(harness_text(&h, "MetricDataResults[499].Label"), "m499");
        assert_string_equal(harness_text(&h, "Messages[0].Code"), "MaxMetricsExceeded");
        harness_fails(&h, "GetMetricData",
                      "{'StartTime':1,'EndTime':100000,'MetricDataQueries':[{'Id':'a','Expression':'SEARCH(\\u0027{n}\\u0027, "
                      "\\u0027Sum\\u0027, 1)'}]}",
                      "ValidationError", "six million");
        harness_end(&h);
}

static void test_statistics(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "PutMetricData",
                   "{'Namespace':'n','MetricData':[{'MetricName':'m','Dimensions':[{'Name':'d','Value':'v'}],'Timestamp':%d,"
                   "'Values':[1,2,3],'Counts':[1,1,2],'Unit':'Seconds'},"
                   "{'MetricName':'s','StatisticValues':{'SampleCount':4,'Sum':10,'Minimum':1,'Maximum':4}}]}",
                   START - 60);
        harness_ok(&h, "GetMetricStatistics",
                   "{'Namespace':'n','MetricName':'m','Dimensions':[{'Name':'d','Value':'v'}],'StartTime':%d,'EndTime':%d,'Period':60,"
                   "'Statistics':['SampleCount','Average','Minimum','Maximum'],'ExtendedStatistics':['p90']}",
                   START - 120, START);
        assert_int_equal(harness_count(&h, "Datapoints"), 1);
        assert_string_equal(harness_text(&h, "Datapoints[0].Unit"), "Seconds");
        assert_true(strstr(h.text.data, "\"Average\":2.25") != NULL);
        assert_true(strstr(h.text.data, "\"ExtendedStatistics\":{\"p90\":3}") != NULL);
        assert_false(harness_has(&h, "Datapoints[0].Sum"));
        harness_ok(&h, "ListMetrics", "{'Namespace':'n','Dimensions':[{'Name':'d'}]}");
        assert_int_equal(harness_count(&h, "Metrics"), 1);
        assert_string_equal(harness_text(&h, "Metrics[0].Dimensions[0].Value"), "v");
        harness_ok(&h, "ListMetrics", "{'MetricName':'s'}");
        assert_int_equal(harness_count(&h, "Metrics"), 1);
        harness_end(&h);
}

/* Of the values 1 … 10 of one second. */
static void test_parts_of_values(UNUSED void **state)
{
        static const struct {
                const char *name;
                double value;
        } rows[] = {{"p90", 9},       {"p0", 1},        {"p100", 10},     {"tm90", 5},    {"TM(10%:90%)", 5.5}, {"IQM", 5.5},
                    {"TM(2:4)", 3.5}, {"TM(:50%)", 3},  {"TM(90%:)", 10}, {"wm90", 5.4},  {"tc90", 9},          {"ts90", 45},
                    {"TC(:3)", 3},    {"TS(8:10)", 19}, {"PR(:5)", 50},   {"PR(5:)", 50}, {"Average", 5.5},     {"SampleCount", 10}};
        static const char *const wrong[] = {"p101",     "p",         "tm0",  "tm101", "TM(:)",   "TM(90%:10%)",
                                            "TM(1:9%)", "PR(1%:9%)", "pr90", "TM90",  "tm(1:2)", "mean"};
        const struct metric_id id = {"n", "m", NULL, 0};
        struct metrics *metrics = metrics_new(NULL);
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets;
        struct cloudwatch_stat statistic;

        for (int i = 1; i <= 10; i++)
                (void)metrics_put_value(metrics, &id, i, 0, INT64_C(1800000000000));
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                assert_true(cloudwatch_parse_statistic(rows[i].name, &statistic));
                assert_int_equal(cloudwatch_read(metrics_find(metrics, &id), &statistic, 1800000000, 1800000060, 60, &arena, &buckets), 1);
                if (fabs(cloudwatch_value(buckets, &statistic) - rows[i].value) > 1e-9)
                        fail_msg("%s is %g", rows[i].name, cloudwatch_value(buckets, &statistic));
        }
        assert_true(cloudwatch_parse_statistic("TM(20:30)", &statistic));
        assert_int_equal(cloudwatch_read(metrics_find(metrics, &id), &statistic, 1800000000, 1800000060, 60, &arena, &buckets), 0);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                if (cloudwatch_parse_statistic(wrong[i], &statistic))
                        fail_msg("%s is taken", wrong[i]);
        metrics_free(metrics);
}

static void test_refuses(UNUSED void **state)
{
        static const char *const rows[][4] = {
                {"PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m'}]}", "MissingRequiredParameterException", "Value"},
                {"PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m','Value':1,'Values':[1]}]}",
                 "InvalidParameterCombinationException", "Only one"},
                {"PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m','Value':'NaN'}]}", "InvalidParameterValueException",
                 "number"},
                {"PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'m','Value':1,'Timestamp':1}]}",
                 "InvalidParameterValueException", "two weeks"},
                {"PutMetricData", "{'Namespace':'n','MetricData':[{'MetricName':'\\u00e4','Value':1}]}", "InvalidParameterValueException",
                 "ASCII"},
                {"GetMetricStatistics", "{'Namespace':'n','MetricName':'m','StartTime':1,'EndTime':2,'Period':61,'Statistics':['Sum']}",
                 "InvalidParameterValueException", "Period"},
                {"GetMetricStatistics",
                 "{'Namespace':'n','MetricName':'m','StartTime':1,'EndTime':864001,'Period':60,'Statistics':['Sum']}",
                 "InvalidParameterCombinationException", "1440"},
                {"GetMetricData",
                 "{'StartTime':1,'EndTime':61,'MetricDataQueries':[{'Id':'a','Expression':'b'},{'Id':'b','Expression':'a'}]}",
                 "ValidationError", "depends on itself"},
                {"GetMetricData", "{'StartTime':1,'EndTime':61,'MetricDataQueries':[{'Id':'a'}]}", "ValidationError", "exactly one"},
                {"GetMetricData", "{'StartTime':61,'EndTime':1,'MetricDataQueries':[]}", "InvalidParameterValueException", "StartTime"},
                {"ListMetrics", "{'NextToken':'x'}", "InvalidParameterValueException", "not one that ListMetrics has given"},
        };
        struct api_harness h;

        begin(&h);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                harness_fails(&h, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        harness_end(&h);
}

#define TEXT "{'type':'text','x':0,'y':0,'width':6,'height':3,'properties':{'markdown':'# Hello'}}"

static void put_dashboard(struct api_harness *h, const char *name, const char *body)
{
        CLEANUP_BUF struct buf quoted = {0};

        for (; *body != '\0'; body++)
                buf_append_str(&quoted, *body == '\'' ? "\\\"" : (char[]){*body, '\0'});
        buf_append_char(&quoted, '\0');
        (void)harness_call(h, "PutDashboard", "{'DashboardName':'%s','DashboardBody':'%s'}", name, quoted.data);
}

static void test_dashboards(UNUSED void **state)
{
        static const char *const wrong[][2] = {
                {"{", "DashboardBody is no dashboard"},
                {"{'widgets':1}", "widgets"},
                {"{}", "widgets"},
                {"{'widgets':[{'x':1}]}", "type"},
                {"{'widgets':[{'type':'text','x':24,'properties':{'markdown':''}}]}", "0..23"},
                {"{'widgets':[" TEXT ",{'type':'text'}]}", "widgets[1], of type \"text\", must have properties markdown"},
                {"{'widgets':[{'type':'metric','properties':{'region':'us-east-1'}}]}", "must have properties metrics"},
                {"{'widgets':[{'type':'pie'}]}", "one of text, metric"},
        };
        struct api_harness h;

        begin(&h);
        put_dashboard(&h, "web-1", "{'widgets':[" TEXT ",{'type':'metric','properties':{'metrics':[['AWS/ECS','CPUUtilization']]}}]}");
        assert_int_equal(h.status, 200);
        assert_int_equal(harness_count(&h, "DashboardValidationMessages"), 0);
        put_dashboard(&h, "other", "{'widgets':[],'more':true}");
        assert_int_equal(h.status, 200);
        harness_ok(&h, "GetDashboard", "{'DashboardName':'other'}");
        assert_string_equal(harness_text(&h, "DashboardBody"), "{\"widgets\":[],\"more\":true}");
        assert_string_equal(harness_text(&h, "DashboardArn"), "arn:aws:cloudwatch::123456789012:dashboard/other");
        put_dashboard(&h, "other", "{'widgets':[" TEXT "]}");
        harness_restart(&h);
        harness_ok(&h, "ListDashboards", "{}");
        assert_int_equal(harness_count(&h, "DashboardEntries"), 2);
        assert_string_equal(harness_text(&h, "DashboardEntries[0].DashboardName"), "other");
        assert_int_equal(harness_int(&h, "DashboardEntries[0].Size"), strlen("{'widgets':[" TEXT "]}"));
        harness_ok(&h, "ListDashboards", "{'DashboardNamePrefix':'web'}");
        assert_int_equal(harness_count(&h, "DashboardEntries"), 1);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                put_dashboard(&h, "bad", wrong[i][0]);
                assert_int_equal(h.status, 400);
                assert_non_null(strstr(h.text.data, "DashboardInvalidInputError"));
                if (strstr(harness_text(&h, "message"), wrong[i][1]) == NULL)
                        fail_msg("%s: %s", wrong[i][0], h.text.data);
        }
        put_dashboard(&h, "a b", "{'widgets':[]}");
        assert_non_null(strstr(harness_text(&h, "message"), "letters, digits"));
        harness_fails(&h, "GetDashboard", "{'DashboardName':'bad'}", "DashboardNotFoundError", "does not exist");
        harness_fails(&h, "DeleteDashboards", "{'DashboardNames':['other','bad']}", "DashboardNotFoundError", "bad");
        harness_ok(&h, "DeleteDashboards", "{'DashboardNames':['other','web-1','other']}");
        harness_ok(&h, "ListDashboards", "{}");
        assert_int_equal(harness_count(&h, "DashboardEntries"), 0);
        harness_end(&h);
}

/* Clusters and services tell of themselves. */
static void test_sources(UNUSED void **state)
{
        struct api_harness h;

        begin(&h);
        h.service = "ecs";
        harness_ok(&h, "CreateCluster", "{'clusterName':'c'}");
        h.service = "monitoring";
        cloudwatch_collect(h.api, h.env.now_ms);
        harness_ok(&h, "ListMetrics", "{'Namespace':'ECS/ContainerInsights','MetricName':'TaskCount'}");
        assert_string_equal(harness_text(&h, "Metrics[0].Dimensions[0].Value"), "c");
        harness_end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_data),       cmocka_unit_test(test_search),          cmocka_unit_test(test_search_finds_too_many),
                cmocka_unit_test(test_statistics), cmocka_unit_test(test_parts_of_values), cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_sources),    cmocka_unit_test(test_dashboards),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
