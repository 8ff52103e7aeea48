/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control and telemetry channels: what agents are told, when it is repeated, what silence means. Each oddity of the stock
 * agent that the server has to live with is one test.
 */
#include <jansson.h>

#include "base/strutil.h"
#include "base/log.h"

#include "cluster_harness.h"
#include "metrics/metrics.h"
#include "unit.h"

static char text[256];

static const char *keep(struct cluster_harness *c, const char *path)
{
        assert_non_null(harness_text(&c->h, path));
        snprintf(text, sizeof(text), "%s", harness_text(&c->h, path));
        return text;
}

static void expect(struct cluster_harness *c, const char *path, const char *value)
{
        const char *got = harness_text(&c->h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, c->h.text.data);
}

static void run_one(struct cluster_harness *c, char arn[160])
{
        harness_ok(&c->h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        if (harness_count(&c->h, "tasks") != 1)
                fail_msg("%s", c->h.text.data);
        snprintf(arn, 160, "%s", harness_text(&c->h, "tasks[0].taskArn"));
}

static void running(struct cluster_harness *c, const char *task)
{
        harness_ok(&c->h, "SubmitTaskStateChange",
                   "{'cluster':'lab','task':'%s','status':'RUNNING','reason':'','containers':[{'containerName':'web','status':'RUNNING'}]}",
                   task);
}

static struct task *task_of(struct cluster_harness *c, const char *arn)
{
        return model_task(c->h.model, "lab", strrchr(arn, '/') + 1);
}

static void test_greeting(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "", id);
        fake_connect(&c, &fake, id, true);
        assert_true(model_instance(c.h.model, "lab", id)->connected);
        fake_next(&fake, "TaskManifestMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 0);
        assert_true(harness_int(&c.h, "timeline") > 0);
        expect(&c, "clusterArn", "arn:aws:ecs:us-east-1:123456789012:cluster/lab");
        assert_true(str_ends_with(harness_text(&c.h, "containerInstanceArn"), id));
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_numbers_only_grow(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        int64_t last;
        char task[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        last = harness_int(&c.h, "timeline");
        for (int i = 0; i < 3; i++) {
                run_one(&c, task);
                fake_ack(&fake, "PayloadMessage");
                assert_true(harness_int(&c.h, "seqNum") > last);
                last = harness_int(&c.h, "seqNum");
                running(&c, task);
        }
        fake_disconnect(&fake);
        fake_connect(&c, &fake, fake.instance, false);
        fake_next(&fake, "TaskManifestMessage");
        assert_true(harness_int(&c.h, "timeline") > last);
        last = harness_int(&c.h, "timeline");
        assert_int_equal(harness_count(&c.h, "tasks"), 3);
        expect(&c, "tasks[0].desiredStatus", "RUNNING");
        /* the server starts again: still greater */
        cluster_restart(&c);
        fake_done(&fake);
        fake_connect(&c, &fake, fake.instance, false);
        fake_next(&fake, "TaskManifestMessage");
        assert_true(harness_int(&c.h, "timeline") > last);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_payload_is_repeated_until_acknowledged(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char task[160], first[64];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_one(&c, task);
        fake_next(&fake, "PayloadMessage");
        snprintf(first, sizeof(first), "%s", harness_text(&c.h, "messageId"));
        fake_alive(&fake);
        for (int i = 0; i < 9; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_nothing(&fake);
        cluster_wait(&c, 1000);
        fake_next(&fake, "PayloadMessage");
        expect(&c, "tasks[0].arn", task);
        assert_string_not_equal(harness_text(&c.h, "messageId"), first);
        assert_true(agents_offered(c.agents, task_of(&c, task)));
        fake_say(&fake, "{'type':'AckRequest','message':{'messageId':'%s'}}", harness_text(&c.h, "messageId"));
        /* the late acknowledgement of the first one does no harm */
        fake_say(&fake, "{'type':'AckRequest','message':{'messageId':'%s'}}", first);
        for (int i = 0; i < 60; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_next(&fake, "HeartbeatMessage");
        assert_true(harness_true(&c.h, "healthy"));
        assert_true(harness_has(&c.h, "messageId"));
        fake_next(&fake, "HeartbeatMessage");
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

/* A message with one bad task is never acknowledged: the others run, the bad one is reported STOPPED. */
static void test_one_bad_task(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char good[160], bad[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_one(&c, good);
        run_one(&c, bad);
        fake_next(&fake, "PayloadMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 2);
        running(&c, good);
        harness_ok(&c.h, "SubmitTaskStateChange",
                   "{'cluster':'lab','task':'%s','status':'STOPPED','reason':'UnrecogniedTaskError: Error loading task - x'}", bad);
        harness_ok(&c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", bad);
        expect(&c, "tasks[0].stopCode", "TaskFailedToStart");
        expect(&c, "tasks[0].stoppedReason", "UnrecogniedTaskError: Error loading task - x");
        for (int i = 0; i < 25; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

/* What was in a message that timed out travels alone, so that a bad task cannot hold up good ones for ever. */
static void test_repetition_is_one_by_one(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char a[160], b[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_one(&c, a);
        run_one(&c, b);
        fake_next(&fake, "PayloadMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 2);
        cluster_wait(&c, 4000);
        fake_alive(&fake);
        cluster_wait(&c, 4000);
        fake_alive(&fake);
        cluster_wait(&c, 4000);
        fake_next(&fake, "PayloadMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        expect(&c, "tasks[0].arn", a);
        fake_next(&fake, "PayloadMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        expect(&c, "tasks[0].arn", b);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_new_connection_gets_what_was_not_confirmed(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char a[160], b[160], d[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_one(&c, a);
        fake_next(&fake, "PayloadMessage"); /* lost with the connection */
        run_one(&c, b);
        fake_ack(&fake, "PayloadMessage"); /* taken over, but the agent may have died before it did anything */
        run_one(&c, d);
        fake_ack(&fake, "PayloadMessage");
        running(&c, d);
        fake_disconnect(&fake);
        assert_false(model_instance(c.h.model, "lab", fake.instance)->connected);
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", d);
        cluster_restart(&c);
        fake_connect(&c, &fake, fake.instance, false);
        fake_next(&fake, "PayloadMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 3);
        fake_next(&fake, "TaskManifestMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 3);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_newer_connection_wins(void **state)
{
        struct cluster_harness c;
        struct fake_agent first, second;
        char task[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &first, 2048, 1000);
        fake_connect(&c, &second, first.instance, false);
        assert_int_equal(first.close_code, 1000);
        /* the end of the old one comes later and means nothing */
        fake_disconnect(&first);
        assert_true(model_instance(c.h.model, "lab", second.instance)->connected);
        fake_ack(&second, "TaskManifestMessage");
        run_one(&c, task);
        fake_ack(&second, "PayloadMessage");
        fake_done(&second);
        cluster_end(&c);
}

static void test_manifest_and_stop_verification(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char wanted[160], stopped[160], id[64];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_one(&c, wanted);
        run_one(&c, stopped);
        running(&c, wanted);
        running(&c, stopped);
        harness_ok(&c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", stopped);
        fake_disconnect(&fake);
        fake_connect(&c, &fake, fake.instance, false);
        fake_ack(&fake, "TaskManifestMessage");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        snprintf(id, sizeof(id), "%s", harness_text(&c.h, "messageId"));
        fake_say(&fake,
                 "{'type':'TaskStopVerificationMessage','message':{'messageId':'%s','stopCandidates':["
                 "{'taskArn':'%s','taskClusterArn':'x','desiredStatus':'STOPPED'},{'taskArn':'%s','desiredStatus':'STOPPED'},"
                 "{'taskArn':'arn:aws:ecs:us-east-1:123456789012:task/lab/00000000000000000000000000000000','desiredStatus':'STOPPED'},"
                 "{'taskArn':'nonsense'},{}]}}",
                 id, wanted, stopped);
        fake_next(&fake, "TaskStopVerificationAck");
        expect(&c, "messageId", id);
        assert_int_equal(harness_count(&c.h, "stopTasks"), 4);
        expect(&c, "stopTasks[0].taskArn", stopped);
        expect(&c, "stopTasks[0].desiredStatus", "STOPPED");
        /* of another manifest: no answer */
        fake_say(&fake, "{'type':'TaskStopVerificationMessage','message':{'messageId':'old','stopCandidates':[{'taskArn':'%s'}]}}",
                 stopped);
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

/* The agent drops a manifest whose number it has seen without a word. */
static void test_stale_manifest(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        int64_t first;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "", id);
        fake_connect(&c, &fake, id, false);
        fake_next(&fake, "TaskManifestMessage");
        first = harness_int(&c.h, "timeline");
        for (int i = 0; i < 10; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_next(&fake, "TaskManifestMessage");
        assert_true(harness_int(&c.h, "timeline") > first + 1000);
        /* in the end the server gives up until the next connection */
        for (int i = 0; i < 60; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_next(&fake, "TaskManifestMessage");
        fake_next(&fake, "HeartbeatMessage");
        fake_next(&fake, "TaskManifestMessage");
        fake_next(&fake, "HeartbeatMessage");
        fake_nothing(&fake);
        assert_int_equal(fake.close_code, 0);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_silence(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        struct instance *instance;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        instance = model_instance(c.h.model, "lab", fake.instance);
        cluster_wait(&c, 1000);
        assert_int_equal(fake.pings, 1);
        fake_alive(&fake);
        cluster_wait(&c, 500);
        assert_int_equal(fake.pings, 1);
        cluster_wait(&c, 4000);
        assert_true(instance->connected);
        cluster_wait(&c, 500);
        assert_false(instance->connected);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        expect(&c, "failures[0].reason", "AGENT");
        fake_alive(&fake);
        cluster_wait(&c, 100);
        assert_true(instance->connected);
        cluster_wait(&c, 9800);
        assert_false(fake.aborted);
        cluster_wait(&c, 200);
        assert_true(fake.aborted);
        fake_disconnect(&fake);
        assert_false(instance->connected);
        cluster_end(&c);
}

static void test_bad_frames(void **state)
{
        static const char *const frames[] = {
                "", "x", "{}", "[]", "{'type':1}", "{'type':'AckRequest','message':[]}", "{'type':'AckRequest','message':{'messageId':7}}"};
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                fake_say(&fake, "%s", frames[i]);
        assert_int_equal(c.agents->stats.bad_frames, ARRAY_SIZE(frames));
        fake_say(&fake, "{'type':'SomethingNew','message':{'a':1}}");
        fake_say(&fake, "{'type':'HeartbeatAckRequest','message':{'messageId':'x'}}");
        fake_say(&fake, "{'type':'HeartbeatAckRequest'}");
        fake_say(&fake, "{'type':'NackRequest','message':{'messageId':'x','reason':'Updates are disabled'}}");
        assert_int_equal(fake.close_code, 0);
        for (int i = 0; i < 100; i++)
                fake_say(&fake, "garbage");
        assert_int_equal(fake.close_code, 1008);
        fake_done(&fake);
        cluster_end(&c);
}

/* ---- Roles ---- */

static void run_with_role(struct cluster_harness *c, char arn[160])
{
        harness_ok(&c->h, "RegisterTaskDefinition",
                   "{'family':'role','taskRoleArn':'arn:aws:iam::123456789012:role/app','executionRoleArn':'arn:aws:iam::123456789012:role/"
                   "exec',"
                   "'containerDefinitions':[{'name':'web','image':'i','memory':6}]}");
        harness_ok(&c->h, "RunTask", "{'cluster':'lab','taskDefinition':'role'}");
        assert_int_equal(harness_count(&c->h, "tasks"), 1);
        snprintf(arn, 160, "%s", harness_text(&c->h, "tasks[0].taskArn"));
}

static void test_credentials_travel_with_the_payload(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        struct access_key *key;
        char task[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_with_role(&c, task);
        fake_next(&fake, "PayloadMessage");
        expect(&c, "tasks[0].roleCredentials.roleArn", "arn:aws:iam::123456789012:role/app");
        expect(&c, "tasks[0].executionRoleCredentials.roleArn", "arn:aws:iam::123456789012:role/exec");
        expect(&c, "tasks[0].roleCredentials.expiration", "2026-01-01T06:00:00Z");
        assert_int_equal(strlen(harness_text(&c.h, "tasks[0].roleCredentials.credentialsId")), 36);
        key = model_access_key(c.h.model, harness_text(&c.h, "tasks[0].roleCredentials.accessKeyId"));
        assert_non_null(key);
        assert_int_equal(key->state->kind, STATE_KEY_KIND_TASK);
        assert_string_equal(key->state->secret, harness_text(&c.h, "tasks[0].roleCredentials.secretAccessKey"));
        assert_string_equal(key->state->session_token, harness_text(&c.h, "tasks[0].roleCredentials.sessionToken"));
        assert_true(str_starts_with(key->state->principal_arn, "arn:aws:sts::123456789012:assumed-role/app/"));
        /* the acknowledgement of the credentials is not that of the payload */
        fake_say(&fake, "{'type':'IAMRoleCredentialsAckRequest','message':{'messageId':'%s','credentialsId':'x'}}",
                 harness_text(&c.h, "messageId"));
        assert_non_null(deliver_find(c.agents, task_of(&c, task)));
        fake_nothing(&fake);
        /* and with the task its keys end */
        harness_ok(&c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", task);
        cluster_wait(&c, 100);
        assert_int_equal(model_objects(c.h.model, OBJECT_ACCESS_KEY)->count, 0);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_credentials_are_renewed(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char task[160], id[64];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_with_role(&c, task);
        fake_ack(&fake, "PayloadMessage");
        snprintf(id, sizeof(id), "%s", harness_text(&c.h, "tasks[0].roleCredentials.credentialsId"));
        running(&c, task);
        c.h.env.now_ms += INT64_C(3600) * 1000 * 5 - 1000;
        fake_alive(&fake);
        agents_sweep(c.agents);
        fake_next(&fake, "HeartbeatMessage");
        fake_nothing(&fake);
        cluster_wait(&c, 1000);
        fake_next(&fake, "IAMRoleCredentialsMessage");
        expect(&c, "taskArn", task);
        expect(&c, "roleType", "TaskApplication");
        expect(&c, "roleCredentials.credentialsId", id);
        expect(&c, "roleCredentials.expiration", "2026-01-01T11:00:00Z");
        keep(&c, "messageId");
        fake_next(&fake, "IAMRoleCredentialsMessage");
        expect(&c, "roleType", "TaskExecution");
        fake_say(&fake, "{'type':'IAMRoleCredentialsAckRequest','message':{'messageId':'%s','credentialsId':'%s'}}", text, id);
        /* the other one was not acknowledged: some tries, then not for this connection */
        for (int i = 0; i < 25; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&fake);
        }
        fake_next(&fake, "IAMRoleCredentialsMessage");
        expect(&c, "roleType", "TaskExecution");
        fake_next(&fake, "IAMRoleCredentialsMessage");
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

/* An agent that was started again keeps no secrets: it asks for all of them. */
static void test_credentials_after_the_agents_restart(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char task[160], id[64];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        run_with_role(&c, task);
        fake_ack(&fake, "PayloadMessage");
        snprintf(id, sizeof(id), "%s", harness_text(&c.h, "tasks[0].roleCredentials.credentialsId"));
        running(&c, task);
        fake_disconnect(&fake);
        fake_connect(&c, &fake, fake.instance, false);
        fake_next(&fake, "TaskManifestMessage");
        fake_nothing(&fake);
        cluster_restart(&c);
        fake_done(&fake);
        fake_connect(&c, &fake, fake.instance, true);
        fake_next(&fake, "IAMRoleCredentialsMessage");
        expect(&c, "roleCredentials.credentialsId", id);
        fake_next(&fake, "IAMRoleCredentialsMessage");
        fake_next(&fake, "TaskManifestMessage");
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

/* ---- Telemetry ---- */

/* The setting of the cluster adds sums, and single containers. */
static void test_container_insights(void **state)
{
        static const char *const names[] = {"CpuUtilized",    "CpuReserved",    "MemoryUtilized",   "MemoryReserved",
                                            "NetworkRxBytes", "NetworkTxBytes", "StorageReadBytes", "StorageWriteBytes"};
        struct metric_dimension dimensions[3] = {{"ClusterName", "lab"}};
        struct cluster_harness c;
        struct fake_agent fake, tcs;
        char task[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        fake_connect_telemetry(&c, &tcs, fake.instance, 0);
        harness_ok(&c.h, "UpdateClusterSettings", "{'cluster':'lab','settings':[{'name':'containerInsights','value':'enhanced'}]}");
        run_one(&c, task);
        running(&c, task);
        fake_say(&tcs,
                 "{'type':'PublishMetricsRequest','message':{'instanceMetrics':{'host':{'cpuPercent':5}},'taskMetrics':[{'taskArn':'%s',"
                 "'containerMetrics':[{'containerName':'web','cpuStatsSet':{'sampleCount':1,'sum':10},'memoryStatsSet':{'sampleCount':1,"
                 "'sum':7},'networkStatsSet':{'rxBytesPerSecond':{'sampleCount':1,'sum':3},'txBytesPerSecond':{'sampleCount':1,'sum':4}},"
                 "'storageStatsSet':{'readSizeBytes':{'sum':5,'sampleCount':1},'writeSizeBytes':{'sum':6,'sampleCount':1}}}]}]}}",
                 task);
        fake_next(&tcs, "AckPublishMetric");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                dimensions[1] = (struct metric_dimension){"TaskDefinitionFamily", "web"};
                assert_non_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", names[i], dimensions, 1}));
                assert_non_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", names[i], dimensions, 2}));
                dimensions[1] = (struct metric_dimension){"TaskId", strrchr(task, '/') + 1};
                dimensions[2] = (struct metric_dimension){"ContainerName", "web"};
                assert_non_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", names[i], dimensions, 2}));
                if (strstr(names[i], "Reserved") == NULL)
                        assert_non_null(
                                metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", names[i], dimensions, 3}));
        }
        dimensions[1] = (struct metric_dimension){"ContainerInstanceId", fake.instance};
        assert_non_null(
                metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", "instance_cpu_utilization", dimensions, 2}));
        fake_done(&fake);
        fake_done(&tcs);
        cluster_end(&c);
}

/* An agent that says that it can is asked for metrics every second; a stock agent hears nothing that it does not know. */
static void test_telemetry_interval(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake, tcs;
        const struct instance_sample *sample;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        fake_connect_telemetry(&c, &tcs, fake.instance, 0);
        fake_nothing(&tcs);
        fake_done(&tcs);
        fake_connect_telemetry(&c, &tcs, fake.instance, 2);
        fake_next(&tcs, "MetricsIntervalMessage");
        assert_int_equal(harness_int(&c.h, "seconds"), 2);
        fake_done(&tcs);
        fake_connect_telemetry(&c, &tcs, fake.instance, 1);
        fake_next(&tcs, "MetricsIntervalMessage");
        assert_int_equal(harness_int(&c.h, "seconds"), 1);
        fake_say(&tcs, "{'type':'PublishMetricsRequest','message':{'instanceMetrics':{'host':{'cpuPercent':12.5,'memoryUsed':100}}}}");
        fake_next(&tcs, "AckPublishMetric");
        sample = agent_metrics_instance(agents_metrics(c.agents), model_objects(c.h.model, OBJECT_INSTANCE)->count == 1
                                                                          ? tree_first(model_objects(c.h.model, OBJECT_INSTANCE))->key
                                                                          : "");
        assert_non_null(sample);
        assert_true(sample->cpu_percent == 12.5 && sample->memory_mib == 100 && sample->rx_bytes_per_s < 0);
        fake_done(&fake);
        fake_done(&tcs);
        cluster_end(&c);
}

static void test_telemetry(void **state)
{
        static const char head[] = "Authorization: AWS4-HMAC-SHA256 x\r\nHost: h\r\nX-Amz-Date: 20260101T000000Z\r\n\r\n";
        struct cluster_harness c;
        struct fake_agent fake, tcs;
        const struct task_sample *sample;
        const struct container_sample *container;
        char task[160];
        CLEANUP_BUF struct buf metrics = {0};

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        fake_connect_telemetry(&c, &tcs, fake.instance, 0);
        run_one(&c, task);
        running(&c, task);
        fake_say(
                &tcs,
                "%s{'type':'PublishMetricsRequest','message':{'metadata':{'messageId':'m','idle':false,'fin':true},"
                "'instanceMetrics':{'storage':{'rootFilesystem':41.5}},'taskMetrics':[{'taskArn':'%s','containerMetrics':[{'containerName':"
                "'web',"
                "'cpuStatsSet':{'min':1,'max':3,'sampleCount':20,'sum':40},'memoryStatsSet':{'min':10,'max':10,'sampleCount':20,'sum':200},"
                "'networkStatsSet':{'rxBytesPerSecond':{'sampleCount':2,'sum':10}},'restartStatsSet':{'restartCount':2}}]},{'taskArn':'"
                "other/1'}],"
                "'timestamp':1767225600.5}}",
                head, task);
        fake_next(&tcs, "AckPublishMetric");
        sample = agent_metrics_task(agents_metrics(c.agents), task_of(&c, task)->object.key);
        assert_non_null(sample);
        assert_true(sample->cpu_percent == 2 && sample->memory_mib == 10);
        container = list_first(&sample->containers, struct container_sample, link);
        assert_string_equal(container->name, "web");
        assert_int_equal(container->restarts, 2);
        assert_true(container->rx_bytes_per_s == 5 && container->tx_bytes_per_s < 0);
        agent_metrics_write(agents_metrics(c.agents), &metrics);
        assert_non_null(strstr(metrics.data, "gantry_container_cpu_percent{cluster=\"lab\",task=\""));
        assert_non_null(strstr(metrics.data, "gantry_instance_root_filesystem_percent"));
        /* a frame without the signed headers is fine too; one without JSON is not */
        fake_say(&tcs, "{'type':'PublishMetricsRequest','message':{'metadata':{'idle':true}}}");
        fake_next(&tcs, "AckPublishMetric");
        fake_say(&tcs, "Authorization: x\r\n");
        fake_nothing(&tcs);
        /* CloudWatch has them: the task's own without any setting */
        {
                const struct metric_dimension own[] = {{"ClusterName", "lab"}, {"TaskId", strrchr(task, '/') + 1}};

                assert_non_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", "MemoryUtilized", own, 2}));
                assert_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", "MemoryUtilized", own, 1}));
                assert_null(metrics_find(c.h.api->metrics, &(struct metric_id){"ECS/ContainerInsights", "TaskMemoryUtilization", own, 2}));
        }
        /* samples end with their task */
        harness_ok(&c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", task);
        assert_null(agent_metrics_task(agents_metrics(c.agents), task_of(&c, task)->object.key));
        fake_done(&fake);
        fake_done(&tcs);
        cluster_end(&c);
}

static void test_health_of_containers(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake, tcs;
        uint64_t before;
        char task[160];

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'web','containerDefinitions':[{'name':'web','image':'i','memory':64,'healthCheck':{'command':['CMD','true']}}"
                   "]}");
        fake_join(&c, &fake, 2048, 1000);
        fake_connect_telemetry(&c, &tcs, fake.instance, 0);
        run_one(&c, task);
        fake_next(&fake, "PayloadMessage");
        expect(&c, "tasks[0].containers[0].healthCheckType", "docker");
        running(&c, task);
        for (int i = 0; i < 2; i++) {
                before = model_sequence(c.h.model);
                fake_say(&tcs,
                         "{'type':'PublishHealthRequest','message':{'metadata':{'messageId':'m','fin':true},'tasks':[{'taskArn':'%s',"
                         "'containers':[{'containerName':'web','healthStatus':'HEALTHY','statusSince':1767225600}]}]}}",
                         task);
                fake_next(&tcs, "AckPublishHealth");
        }
        /* the second time nothing changed, so nothing was stored */
        assert_int_equal(model_sequence(c.h.model), before);
        harness_ok(&c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", task);
        expect(&c, "tasks[0].healthStatus", "HEALTHY");
        expect(&c, "tasks[0].containers[0].healthStatus", "HEALTHY");
        fake_done(&fake);
        fake_done(&tcs);
        cluster_end(&c);
}

static void test_health_of_the_instance(void **state)
{
        struct cluster_harness c;
        struct fake_agent tcs;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "", id);
        fake_connect_telemetry(&c, &tcs, id, 0);
        fake_say(&tcs,
                 "{'type':'PublishInstanceStatusRequest','message':{'metadata':{'requestId':'r'},'statuses':[{'type':'ContainerRuntime',"
                 "'status':'IMPAIRED','lastUpdated':1767225600,'lastStatusChange':1767225600},{'type':'New','status':'OK'}]}}");
        fake_next(&tcs, "AckPublishInstanceStatus");
        harness_ok(&c.h, "DescribeContainerInstances",
                   "{'cluster':'lab','containerInstances':['%s'],'include':['CONTAINER_INSTANCE_HEALTH']}", id);
        expect(&c, "containerInstances[0].healthStatus.overallStatus", "IMPAIRED");
        expect(&c, "containerInstances[0].healthStatus.details[0].type", "CONTAINER_RUNTIME");
        /* the agent wants something at least once a minute */
        for (int i = 0; i < 30; i++) {
                cluster_wait(&c, 1000);
                fake_alive(&tcs);
        }
        fake_next(&tcs, "HeartbeatMessage");
        assert_true(harness_true(&c.h, "healthy"));
        telemetry_disconnected(&tcs.channel);
        fake_done(&tcs);
        cluster_end(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_greeting),
                cmocka_unit_test(test_numbers_only_grow),
                cmocka_unit_test(test_payload_is_repeated_until_acknowledged),
                cmocka_unit_test(test_one_bad_task),
                cmocka_unit_test(test_repetition_is_one_by_one),
                cmocka_unit_test(test_new_connection_gets_what_was_not_confirmed),
                cmocka_unit_test(test_newer_connection_wins),
                cmocka_unit_test(test_manifest_and_stop_verification),
                cmocka_unit_test(test_stale_manifest),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_bad_frames),
                cmocka_unit_test(test_credentials_travel_with_the_payload),
                cmocka_unit_test(test_credentials_are_renewed),
                cmocka_unit_test(test_credentials_after_the_agents_restart),
                cmocka_unit_test(test_container_insights),
                cmocka_unit_test(test_telemetry_interval),
                cmocka_unit_test(test_telemetry),
                cmocka_unit_test(test_health_of_containers),
                cmocka_unit_test(test_health_of_the_instance),
        };

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
