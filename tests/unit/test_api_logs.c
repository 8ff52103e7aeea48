/* SPDX-License-Identifier: Apache-2.0 */
/* CloudWatch Logs through its API: every operation, its errors, its pages. */
#include "unit.h"

#include <unistd.h>

#include "api_harness.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "logs/log_store.h"

#define NOW INT64_C(1767225600000)
#define DAY INT64_C(86400000)
#define ARN "arn:aws:logs:us-east-1:123456789012:log-group:"

static char dir[64];

static void clean(void)
{
        char command[200];

        snprintf(command, sizeof command, "rm -rf %s/*", dir);
        assert_int_equal(system(command), 0);
}

static struct log_store *store;

static void begin(struct api_harness *h)
{
        struct log_store_options options = {.dir = dir, .segment_frames = 5, .max_groups = 60};
        struct error error = {0};

        assert_int_equal(log_store_open(&options, &store, &error), 0);
        harness_begin_with(h, &(struct api_options){.no_auth = true, .logs = store});
        h->service = "logs";
}

static void end(struct api_harness *h)
{
        harness_end(h);
        log_store_close(store, NULL, NULL);
        clean();
}

static void put(struct api_harness *h, const char *stream, int64_t ms, const char *message)
{
        harness_ok(h, "PutLogEvents", "{'logGroupName':'g','logStreamName':'%s','logEvents':[{'timestamp':%lld,'message':'%s'}]}", stream,
                   (long long)ms, message);
}

static void begin_with_streams(struct api_harness *h)
{
        begin(h);
        harness_ok(h, "CreateLogGroup", "{'logGroupName':'g'}");
        harness_ok(h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'a'}");
        harness_ok(h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'b'}");
}

static void test_groups(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *token = NULL;

        begin(&h);
        harness_ok(&h, "CreateLogGroup", "{'logGroupName':'/ecs/web','tags':{'team':'x'},'kmsKeyId':'k'}");
        harness_fails(&h, "CreateLogGroup", "{'logGroupName':'/ecs/web'}", "ResourceAlreadyExistsException",
                      "The specified log group already exists");
        harness_fails(&h, "CreateLogGroup", "{'logGroupName':'a b'}", "InvalidParameterException", "logGroupName");
        harness_fails(&h, "CreateLogGroup", "{'logGroupName':'aws/x'}", "InvalidParameterException", "aws/");
        harness_fails(&h, "CreateLogGroup", "{'logGroupName':'x','tags':{'aws:x':'y'}}", "InvalidParameterException", "aws:");
        harness_ok(&h, "DescribeLogGroups", "{}");
        assert_int_equal(harness_count(&h, "logGroups"), 1);
        assert_string_equal(harness_text(&h, "logGroups[0].arn"), ARN "/ecs/web:*");
        assert_string_equal(harness_text(&h, "logGroups[0].logGroupArn"), ARN "/ecs/web");
        assert_string_equal(harness_text(&h, "logGroups[0].logGroupClass"), "STANDARD");
        assert_int_equal(harness_int(&h, "logGroups[0].creationTime"), NOW);
        assert_int_equal(harness_int(&h, "logGroups[0].storedBytes"), 0);
        assert_int_equal(harness_int(&h, "logGroups[0].metricFilterCount"), 0);
        assert_false(harness_has(&h, "logGroups[0].retentionInDays"));
        harness_ok(&h, "PutRetentionPolicy", "{'logGroupName':'/ecs/web','retentionInDays':7}");
        harness_fails(&h, "PutRetentionPolicy", "{'logGroupName':'/ecs/web','retentionInDays':2}", "InvalidParameterException",
                      "retentionInDays");
        harness_fails(&h, "PutRetentionPolicy", "{'logGroupName':'none','retentionInDays':7}", "ResourceNotFoundException",
                      "The specified log group does not exist.");
        harness_ok(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'/ecs'}");
        assert_int_equal(harness_int(&h, "logGroups[0].retentionInDays"), 7);
        harness_ok(&h, "DeleteRetentionPolicy", "{'logGroupName':'/ecs/web'}");
        harness_ok(&h, "DescribeLogGroups", "{'logGroupNamePattern':'web'}");
        assert_false(harness_has(&h, "logGroups[0].retentionInDays"));
        harness_ok(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'/other'}");
        assert_int_equal(harness_count(&h, "logGroups"), 0);
        harness_fails(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'a','logGroupNamePattern':'b'}", "InvalidParameterException",
                      "mutually exclusive");
        for (int i = 0; i < 7; i++)
                harness_ok(&h, "CreateLogGroup", "{'logGroupName':'p%d','logGroupClass':'INFREQUENT_ACCESS'}", i);
        harness_ok(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'p','limit':3}");
        assert_string_equal(harness_text(&h, "logGroups[2].logGroupName"), "p2");
        token = xstrdup(harness_text(&h, "nextToken"));
        harness_ok(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'p','limit':4,'nextToken':'%s'}", token);
        assert_string_equal(harness_text(&h, "logGroups[3].logGroupName"), "p6");
        assert_false(harness_has(&h, "nextToken"));
        harness_fails(&h, "DescribeLogGroups", "{'logGroupNamePrefix':'q','nextToken':'x'}", "InvalidParameterException", NULL);
        harness_ok(&h, "DescribeLogGroups", "{'logGroupIdentifiers':['p1','" ARN "p2:*']}");
        assert_int_equal(harness_count(&h, "logGroups"), 2);
        harness_ok(&h, "DescribeLogGroups", "{'logGroupClass':'STANDARD'}");
        assert_int_equal(harness_count(&h, "logGroups"), 1);
        harness_ok(&h, "DeleteLogGroup", "{'logGroupName':'p1'}");
        harness_fails(&h, "DeleteLogGroup", "{'logGroupName':'p1'}", "ResourceNotFoundException",
                      "The specified log group does not exist.");
        harness_ok(&h, "CreateLogGroup", "{'logGroupName':'safe','deletionProtectionEnabled':true}");
        harness_fails(&h, "DeleteLogGroup", "{'logGroupName':'safe'}", "ValidationException", "PutLogGroupDeletionProtection");
        harness_ok(&h, "CreateLogStream", "{'logGroupName':'safe','logStreamName':'s'}");
        harness_fails(&h, "DeleteLogStream", "{'logGroupName':'safe','logStreamName':'s'}", "ValidationException", "protected");
        harness_ok(&h, "PutLogGroupDeletionProtection", "{'logGroupIdentifier':'" ARN "safe','deletionProtectionEnabled':false}");
        harness_ok(&h, "DeleteLogGroup", "{'logGroupName':'safe'}");
        for (int i = 0; h.status == 200; i++)
                harness_call(&h, "CreateLogGroup", "{'logGroupName':'full%d'}", i);
        assert_string_equal(harness_text(&h, "__type"), "LimitExceededException");
        end(&h);
}

static void test_switched_off(void **state)
{
        struct api_harness h;

        harness_begin(&h);
        h.service = "logs";
        harness_fails(&h, "CreateLogGroup", "{'logGroupName':'x'}", "ServiceUnavailableException", "switched off");
        harness_fails(&h, "DescribeLogGroups", "{}", "ServiceUnavailableException", NULL);
        harness_end(&h);
}

static void test_tags(void **state)
{
        struct api_harness h;

        begin(&h);
        harness_ok(&h, "CreateLogGroup", "{'logGroupName':'g','tags':{'a':'1'}}");
        harness_ok(&h, "TagResource", "{'resourceArn':'" ARN "g','tags':{'b':'2','a':'3'}}");
        harness_ok(&h, "TagLogGroup", "{'logGroupName':'g','tags':{'c':''}}");
        harness_ok(&h, "ListTagsForResource", "{'resourceArn':'" ARN "g:*'}");
        assert_string_equal(harness_text(&h, "tags.a"), "3");
        assert_string_equal(harness_text(&h, "tags.b"), "2");
        assert_string_equal(harness_text(&h, "tags.c"), "");
        harness_ok(&h, "UntagResource", "{'resourceArn':'" ARN "g','tagKeys':['a','nothing']}");
        harness_ok(&h, "UntagLogGroup", "{'logGroupName':'g','tags':['b']}");
        harness_ok(&h, "ListTagsLogGroup", "{'logGroupName':'g'}");
        assert_string_equal(harness_text(&h, "tags.c"), "");
        assert_false(harness_has(&h, "tags.a"));
        harness_fails(&h, "TagResource", "{'resourceArn':'" ARN "none','tags':{'b':'2'}}", "ResourceNotFoundException", NULL);
        harness_fails(&h, "TagResource", "{'resourceArn':'arn:aws:s3:::x','tags':{'b':'2'}}", "InvalidParameterException", "ARN");
        harness_fails(&h, "TagResource", "{'resourceArn':'" ARN "g','tags':{'AWS:x':'2'}}", "InvalidParameterException", "aws:");
        for (int i = 0; i < 49; i++)
                harness_ok(&h, "TagResource", "{'resourceArn':'" ARN "g','tags':{'k%d':'v'}}", i);
        harness_fails(&h, "TagResource", "{'resourceArn':'" ARN "g','tags':{'one':'more'}}", "TooManyTagsException", "50");
        end(&h);
}

static void test_streams(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *token = NULL;

        begin_with_streams(&h);
        harness_fails(&h, "CreateLogStream", "{'logGroupName':'none','logStreamName':'a'}", "ResourceNotFoundException",
                      "The specified log group does not exist.");
        harness_fails(&h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'a'}", "ResourceAlreadyExistsException",
                      "The specified log stream already exists");
        harness_fails(&h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'a:b'}", "InvalidParameterException", "logStreamName");
        harness_ok(&h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'web/nginx/1'}");
        harness_ok(&h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'web/nginx/2'}");
        put(&h, "b", NOW - 5, "x");
        put(&h, "b", NOW - 9, "y");
        put(&h, "web/nginx/1", NOW - 7, "z");
        harness_ok(&h, "DescribeLogStreams", "{'logGroupIdentifier':'" ARN "g:*'}");
        assert_int_equal(harness_count(&h, "logStreams"), 4);
        assert_string_equal(harness_text(&h, "logStreams[0].arn"), ARN "g:log-stream:a");
        assert_false(harness_has(&h, "logStreams[0].firstEventTimestamp"));
        assert_int_equal(harness_int(&h, "logStreams[1].firstEventTimestamp"), NOW - 9);
        assert_int_equal(harness_int(&h, "logStreams[1].lastEventTimestamp"), NOW - 5);
        assert_int_equal(harness_int(&h, "logStreams[1].lastIngestionTime"), NOW);
        assert_int_equal(harness_int(&h, "logStreams[1].storedBytes"), 0);
        assert_true(harness_has(&h, "logStreams[1].uploadSequenceToken"));
        harness_ok(&h, "DescribeLogStreams", "{'logGroupName':'g','logStreamNamePrefix':'web/','descending':true}");
        assert_int_equal(harness_count(&h, "logStreams"), 2);
        assert_string_equal(harness_text(&h, "logStreams[0].logStreamName"), "web/nginx/2");
        harness_ok(&h, "DescribeLogStreams", "{'logGroupName':'g','orderBy':'LastEventTime','descending':true,'limit':3}");
        assert_string_equal(harness_text(&h, "logStreams[0].logStreamName"), "b");
        assert_string_equal(harness_text(&h, "logStreams[1].logStreamName"), "web/nginx/1");
        token = xstrdup(harness_text(&h, "nextToken"));
        harness_ok(&h, "DescribeLogStreams", "{'logGroupName':'g','orderBy':'LastEventTime','descending':true,'limit':3,'nextToken':'%s'}",
                   token);
        assert_int_equal(harness_count(&h, "logStreams"), 1);
        assert_string_equal(harness_text(&h, "logStreams[0].logStreamName"), "a");
        assert_false(harness_has(&h, "nextToken"));
        free(TAKE(token));
        for (int descending = 0; descending < 2; descending++) {
                size_t seen = 0;
                const char *suffix = descending ? ",'descending':true" : "";

                harness_ok(&h, "DescribeLogStreams", "{'logGroupName':'g','limit':1%s}", suffix);
                while (harness_has(&h, "nextToken")) {
                        seen++;
                        token = xstrdup(harness_text(&h, "nextToken"));
                        harness_ok(&h, "DescribeLogStreams", "{'logGroupName':'g','limit':1%s,'nextToken':'%s'}", suffix, token);
                        free(TAKE(token));
                }
                assert_int_equal(seen, 3);
        }
        harness_fails(&h, "DescribeLogStreams", "{'logGroupName':'g','orderBy':'LastEventTime','logStreamNamePrefix':'x'}",
                      "InvalidParameterException", "LastEventTime");
        harness_fails(&h, "DescribeLogStreams", "{}", "InvalidParameterException", "logGroupIdentifier");
        harness_fails(&h, "DescribeLogStreams", "{'logGroupName':'none'}", "ResourceNotFoundException", NULL);
        harness_ok(&h, "DeleteLogStream", "{'logGroupName':'g','logStreamName':'b'}");
        harness_fails(&h, "DeleteLogStream", "{'logGroupName':'g','logStreamName':'b'}", "ResourceNotFoundException",
                      "The specified log stream does not exist.");
        end(&h);
}

static void test_put(void **state)
{
        struct api_harness h;
        char *big = xalloc(1 << 20), *json;

        begin_with_streams(&h);
        put(&h, "a", NOW, "hello");
        assert_non_null(harness_text(&h, "nextSequenceToken"));
        assert_false(harness_has(&h, "rejectedLogEventsInfo"));
        harness_fails(&h, "PutLogEvents", "{'logGroupName':'x','logStreamName':'a','logEvents':[{'timestamp':1,'message':'m'}]}",
                      "ResourceNotFoundException", "The specified log group does not exist.");
        harness_fails(&h, "PutLogEvents", "{'logGroupName':'g','logStreamName':'x','logEvents':[{'timestamp':1,'message':'m'}]}",
                      "ResourceNotFoundException", "The specified log stream does not exist.");
        harness_fails(&h, "PutLogEvents", "{'logGroupName':'g','logStreamName':'a','logEvents':[]}", "InvalidParameterException",
                      "logEvents");
        harness_fails(&h, "PutLogEvents", "{'logGroupName':'g','logStreamName':'a','logEvents':[{'timestamp':1,'message':''}]}",
                      "InvalidParameterException", "message");
        harness_call(&h, "PutLogEvents",
                     "{'logGroupName':'g','logStreamName':'a','logEvents':[{'timestamp':%lld,'message':'m'},{'timestamp':%lld,"
                     "'message':'m'}]}",
                     (long long)NOW, (long long)NOW - 1);
        assert_string_equal(harness_text(&h, "message"), "Log events in a single PutLogEvents request must be in chronological order.");
        harness_call(&h, "PutLogEvents",
                     "{'logGroupName':'g','logStreamName':'a','logEvents':[{'timestamp':%lld,'message':'m'},{'timestamp':%lld,"
                     "'message':'m'}]}",
                     (long long)(NOW - DAY - 1), (long long)NOW);
        assert_non_null(strstr(harness_text(&h, "message"), "24 hours"));
        memset(big, 'x', (1 << 20) - 25);
        json = xprintf("{'logGroupName':'g','logStreamName':'a','logEvents':[{'timestamp':%lld,'message':'%s'}]}", (long long)NOW, big);
        harness_fails(&h, "PutLogEvents", json, "InvalidParameterException", "Upload too large: 1048577 bytes exceeds limit of 1048576");
        big[(1 << 20) - 26] = '\0';
        free(json);
        json = xprintf("{'logGroupName':'g','logStreamName':'a','logEvents':[{'timestamp':%lld,'message':'%s'}]}", (long long)NOW, big);
        harness_ok(&h, "PutLogEvents", "%s", json);
        free(json);
        free(big);
        /* Too old, and too new, one after the other. */
        harness_ok(&h, "PutLogEvents",
                   "{'logGroupName':'g','logStreamName':'b','logEvents':[{'timestamp':%lld,'message':'old'},"
                   "{'timestamp':%lld,'message':'fits'}]}",
                   (long long)(NOW - 14 * DAY - 1), (long long)(NOW - 14 * DAY));
        assert_int_equal(harness_int(&h, "rejectedLogEventsInfo.tooOldLogEventEndIndex"), 1);
        assert_false(harness_has(&h, "rejectedLogEventsInfo.tooNewLogEventStartIndex"));
        harness_ok(&h, "PutLogEvents",
                   "{'logGroupName':'g','logStreamName':'b','logEvents':[{'timestamp':%lld,'message':'fits too'},"
                   "{'timestamp':%lld,'message':'new'}]}",
                   (long long)(NOW + 7200000), (long long)(NOW + 7200001));
        assert_int_equal(harness_int(&h, "rejectedLogEventsInfo.tooNewLogEventStartIndex"), 1);
        harness_ok(&h, "PutRetentionPolicy", "{'logGroupName':'g','retentionInDays':1}");
        harness_ok(&h, "PutLogEvents", "{'logGroupName':'g','logStreamName':'b','logEvents':[{'timestamp':%lld,'message':'expired'}]}",
                   (long long)(NOW - DAY - 1));
        assert_int_equal(harness_int(&h, "rejectedLogEventsInfo.expiredLogEventEndIndex"), 1);
        /* What the retention hides is not shown, although it is still there. */
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'b','startFromHead':true}");
        assert_int_equal(harness_count(&h, "events"), 1);
        assert_string_equal(harness_text(&h, "events[0].message"), "fits too");
        end(&h);
}

static void test_get(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *forward = NULL, *backward = NULL;
        char message[8];

        begin_with_streams(&h);
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a'}");
        assert_int_equal(harness_count(&h, "events"), 0);
        forward = xstrdup(harness_text(&h, "nextForwardToken"));
        for (int i = 0; i < 10; i++) {
                snprintf(message, sizeof message, "m%d", i);
                put(&h, "a", NOW + i, message);
        }
        put(&h, "b", NOW + 3, "other");
        /* A token from before the first event leads to it. */
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':4,'nextToken':'%s'}", forward);
        assert_int_equal(harness_count(&h, "events"), 4);
        assert_string_equal(harness_text(&h, "events[0].message"), "m0");
        assert_int_equal(harness_int(&h, "events[0].timestamp"), NOW);
        assert_int_equal(harness_int(&h, "events[0].ingestionTime"), NOW);
        free(TAKE(forward));
        /* The newest come first, each page in ascending order. */
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':4}");
        assert_string_equal(harness_text(&h, "events[0].message"), "m6");
        assert_string_equal(harness_text(&h, "events[3].message"), "m9");
        forward = xstrdup(harness_text(&h, "nextForwardToken"));
        backward = xstrdup(harness_text(&h, "nextBackwardToken"));
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','nextToken':'%s'}", forward);
        assert_int_equal(harness_count(&h, "events"), 0);
        assert_string_equal(harness_text(&h, "nextForwardToken"), forward);
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':4,'nextToken':'%s'}", backward);
        assert_string_equal(harness_text(&h, "events[0].message"), "m2");
        assert_string_equal(harness_text(&h, "events[3].message"), "m5");
        free(TAKE(backward));
        backward = xstrdup(harness_text(&h, "nextBackwardToken"));
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':4,'nextToken':'%s'}", backward);
        assert_int_equal(harness_count(&h, "events"), 2);
        free(TAKE(backward));
        backward = xstrdup(harness_text(&h, "nextBackwardToken"));
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':4,'nextToken':'%s'}", backward);
        assert_int_equal(harness_count(&h, "events"), 0);
        assert_string_equal(harness_text(&h, "nextBackwardToken"), backward);
        put(&h, "a", NOW + 20, "late");
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','nextToken':'%s'}", forward);
        assert_string_equal(harness_text(&h, "events[0].message"), "late");
        /* A range: the end is not in it. */
        harness_ok(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','startFromHead':true,'startTime':%lld,'endTime':%lld}",
                   (long long)NOW + 2, (long long)NOW + 4);
        assert_int_equal(harness_count(&h, "events"), 2);
        harness_fails(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','nextToken':'f/12/s'}", "InvalidParameterException",
                      "nextToken");
        harness_fails(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'x'}", "ResourceNotFoundException",
                      "The specified log stream does not exist.");
        harness_fails(&h, "GetLogEvents", "{'logGroupName':'g','logStreamName':'a','limit':10001}", "InvalidParameterException", "limit");
        harness_ok(&h, "GetLogEvents", "{'logGroupIdentifier':'" ARN "g','logStreamName':'a'}");
        assert_int_equal(harness_count(&h, "events"), 11);
        end(&h);
}

static void test_filter(void **state)
{
        struct api_harness h;
        CLEANUP_FREE char *token = NULL;

        begin_with_streams(&h);
        harness_ok(&h, "CreateLogStream", "{'logGroupName':'g','logStreamName':'other'}");
        put(&h, "a", NOW + 1, "one ERROR");
        put(&h, "b", NOW + 2, "two");
        put(&h, "other", NOW + 3, "three ERROR");
        put(&h, "a", NOW + 4, "four ERROR");
        put(&h, "b", NOW, "zero ERROR");
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','filterPattern':'ERROR'}");
        assert_int_equal(harness_count(&h, "events"), 4);
        assert_string_equal(harness_text(&h, "events[0].message"), "zero ERROR");
        assert_string_equal(harness_text(&h, "events[0].logStreamName"), "b");
        assert_string_equal(harness_text(&h, "events[3].message"), "four ERROR");
        assert_int_equal(harness_count(&h, "searchedLogStreams"), 0);
        assert_false(harness_has(&h, "nextToken"));
        assert_int_equal(strlen(harness_text(&h, "events[0].eventId")), 56);
        assert_string_not_equal(harness_text(&h, "events[0].eventId"), harness_text(&h, "events[1].eventId"));
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','limit':2,'interleaved':true}");
        token = xstrdup(harness_text(&h, "nextToken"));
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','limit':2,'nextToken':'%s'}", token);
        assert_string_equal(harness_text(&h, "events[0].message"), "two");
        assert_string_equal(harness_text(&h, "events[1].message"), "three ERROR");
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','logStreamNames':['a','other']}");
        assert_int_equal(harness_count(&h, "events"), 3);
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','logStreamNamePrefix':'ot'}");
        assert_int_equal(harness_count(&h, "events"), 1);
        harness_ok(&h, "FilterLogEvents", "{'logGroupName':'g','logStreamNamePrefix':'none'}");
        assert_int_equal(harness_count(&h, "events"), 0);
        /* Here the end is in the range. */
        harness_ok(&h, "FilterLogEvents", "{'logGroupIdentifier':'" ARN "g','startTime':%lld,'endTime':%lld}", (long long)NOW + 1,
                   (long long)NOW + 3);
        assert_int_equal(harness_count(&h, "events"), 3);
        harness_fails(&h, "FilterLogEvents", "{'logGroupName':'g','filterPattern':'{ $.a'}", "InvalidParameterException",
                      "Invalid filter pattern");
        harness_fails(&h, "FilterLogEvents", "{'logGroupName':'g','logStreamNames':['none']}", "ResourceNotFoundException", "log stream");
        harness_fails(&h, "FilterLogEvents", "{'logGroupName':'g','logStreamNames':['a'],'logStreamNamePrefix':'b'}",
                      "InvalidParameterException", "mutually exclusive");
        harness_fails(&h, "FilterLogEvents", "{'logGroupName':'g','nextToken':'x'}", "InvalidParameterException", "nextToken");
        harness_fails(&h, "FilterLogEvents", "{'logGroupName':'none'}", "ResourceNotFoundException", "log group");
        end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_groups),  cmocka_unit_test(test_switched_off), cmocka_unit_test(test_tags),
                cmocka_unit_test(test_streams), cmocka_unit_test(test_put),          cmocka_unit_test(test_get),
                cmocka_unit_test(test_filter),
        };
        int r;

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        snprintf(dir, sizeof dir, "%s/gantry-api-logs-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(dir) == NULL)
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        clean();
        (void)rmdir(dir);
        return r;
}
