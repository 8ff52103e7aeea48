/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks through the API: run, start, describe, list, stop, and the reports of agents. */
#include "base/strutil.h"

#include "cluster_harness.h"
#include "unit.h"

static char text[256];

/* Keeps a string of the last answer over the next call. */
static const char *keep(struct cluster_harness *c, const char *path)
{
        assert_non_null(harness_text(&c->h, path));
        snprintf(text, sizeof(text), "%s", harness_text(&c->h, path));
        return text;
}

static void describe(struct cluster_harness *c, const char *task)
{
        harness_ok(&c->h, "DescribeTasks", "{'cluster':'lab','tasks':['%s'],'include':['TAGS']}", task);
}

static void expect(struct cluster_harness *c, const char *path, const char *value)
{
        const char *got = harness_text(&c->h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, c->h.text.data);
}

static void test_run_and_what_it_shows(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'web','startedBy':'me/1','group':'g1','enableECSManagedTags':true,"
                   "'tags':[{'key':'k','value':'v'}],'referenceId':'r'}");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        assert_int_equal(harness_count(&c.h, "failures"), 0);
        expect(&c, "tasks[0].lastStatus", "PENDING");
        expect(&c, "tasks[0].desiredStatus", "RUNNING");
        expect(&c, "tasks[0].startedBy", "me/1");
        expect(&c, "tasks[0].group", "g1");
        expect(&c, "tasks[0].launchType", "EC2");
        expect(&c, "tasks[0].cpu", "128");
        expect(&c, "tasks[0].memory", "64");
        expect(&c, "tasks[0].availabilityZone", "us-east-1a");
        expect(&c, "tasks[0].attributes[0].name", "ecs.cpu-architecture");
        expect(&c, "tasks[0].taskDefinitionArn", "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1");
        expect(&c, "tasks[0].clusterArn", "arn:aws:ecs:us-east-1:123456789012:cluster/lab");
        expect(&c, "tasks[0].overrides.containerOverrides[0].name", "web");
        expect(&c, "tasks[0].containers[0].name", "web");
        expect(&c, "tasks[0].containers[0].image", "busybox");
        expect(&c, "tasks[0].containers[0].lastStatus", "PENDING");
        expect(&c, "tasks[0].containers[0].cpu", "128");
        expect(&c, "tasks[0].containers[0].memory", "64");
        expect(&c, "tasks[0].healthStatus", "UNKNOWN");
        expect(&c, "tasks[0].tags[0].key", "k");
        expect(&c, "tasks[0].tags[1].key", "aws:ecs:clusterName");
        assert_int_equal(harness_count(&c.h, "tasks[0].attachments"), 0);
        assert_int_equal(harness_count(&c.h, "tasks[0].overrides.inferenceAcceleratorOverrides"), 0);
        assert_int_equal(harness_int(&c.h, "tasks[0].version"), 1);
        task = keep(&c, "tasks[0].taskArn");
        fake_next(&fake, "PayloadMessage");
        expect(&c, "tasks[0].arn", task);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_default_group_and_tags_of_the_definition(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'tagged','tags':[{'key':'a','value':'td'},{'key':'b','value':'td'}],'containerDefinitions':[{'name':'c','"
                   "image':'i','memory':6}]}");
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'tagged','propagateTags':'TASK_DEFINITION','tags':[{'key':'b','value':'run'}]}");
        expect(&c, "tasks[0].group", "family:tagged");
        expect(&c, "tasks[0].tags[0].value", "td");
        expect(&c, "tasks[0].tags[1].value", "run");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'tagged','propagateTags':'SERVICE'}", "InvalidParameterException",
                      NULL);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_count_and_failures(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char id[33];

        cluster_begin(&c, NULL);
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}", "InvalidParameterException",
                      "No Container Instances were found in your cluster.");
        cluster_register(&c, 2048, 1000, "", id);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        assert_int_equal(harness_count(&c.h, "tasks"), 0);
        expect(&c, "failures[0].reason", "AGENT");
        fake_connect(&c, &fake, id, false);
        /* 1000 MiB hold 10 tasks of 64; cpu holds 16. */
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':10}");
        assert_int_equal(harness_count(&c.h, "tasks"), 10);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':10}");
        assert_int_equal(harness_count(&c.h, "tasks"), 5);
        assert_int_equal(harness_count(&c.h, "failures"), 1);
        expect(&c, "failures[0].reason", "RESOURCE:MEMORY");
        assert_true(str_ends_with(harness_text(&c.h, "failures[0].arn"), id));
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':11}", "InvalidParameterException", "count");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':0}", "InvalidParameterException", "count");
        fake_done(&fake);
        cluster_end(&c);
}

static void test_missing_attributes_are_named(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'secret','executionRoleArn':'arn:aws:iam::123456789012:role/"
                   "x','containerDefinitions':[{'name':'c','image':'i','memory':6,"
                   "'secrets':[{'name':'S','valueFrom':'arn:aws:ssm:us-east-1:123456789012:parameter/p'}]}]}");
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'secret'}");
        expect(&c, "failures[0].reason", "ATTRIBUTE");
        assert_non_null(strstr(harness_text(&c.h, "failures[0].detail"), "ecs.capability.secrets.ssm"));
        fake_done(&fake);
        cluster_end(&c);
}

static void test_client_token(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','clientToken':'t1'}");
        task = keep(&c, "tasks[0].taskArn");
        harness_ok(&c.h, "RunTask", "{'clientToken':'t1','taskDefinition':'web','cluster':'lab'}");
        expect(&c, "tasks[0].taskArn", task);
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'two','clientToken':'t1'}", "ConflictException", "t1");
        /* also after a restart, and although the definition is gone */
        cluster_restart(&c);
        fake_done(&fake);
        harness_ok(&c.h, "DeregisterTaskDefinition", "{'taskDefinition':'web:1'}");
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','clientToken':'t1'}");
        expect(&c, "tasks[0].taskArn", task);
        /* until it expires */
        c.h.env.now_ms += INT64_C(25) * 3600000;
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web:1','clientToken':'t1'}", "ClientException", "inactive");
        harness_fails(&c.h, "RunTask",
                      "{'cluster':'lab','taskDefinition':'two','clientToken':'"
                      "0123456789012345678901234567890123456789012345678901234567890123456789'}",
                      "InvalidParameterException", "clientToken");
        cluster_end(&c);
}

static void test_placement(void **state)
{
        struct cluster_harness c;
        struct fake_agent a, b;
        const char *first;

        cluster_begin(&c, NULL);
        fake_join(&c, &a, 2048, 1000);
        fake_join(&c, &b, 2048, 1000);
        harness_ok(&c.h, "PutAttributes", "{'cluster':'lab','attributes':[{'name':'stack','value':'prod','targetId':'%s'}]}", b.instance);
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'web','count':3,'placementConstraints':[{'type':'memberOf','expression':'attribute:"
                   "stack == prod'}]}");
        for (int i = 0; i < 3; i++) {
                char path[64];

                snprintf(path, sizeof(path), "tasks[%d].containerInstanceArn", i);
                assert_true(str_ends_with(harness_text(&c.h, path), b.instance));
        }
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'web','count':3,'group':'one','placementConstraints':[{'type':'distinctInstance'}]}");
        assert_int_equal(harness_count(&c.h, "tasks"), 2);
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'web','count':2,'group':'two','placementStrategy':[{'type':'spread','field':'"
                   "instanceId'}]}");
        first = keep(&c, "tasks[0].containerInstanceArn");
        assert_string_not_equal(harness_text(&c.h, "tasks[1].containerInstanceArn"), first);
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','placementConstraints':[{'type':'memberOf'}]}",
                      "InvalidParameterException", NULL);
        harness_fails(&c.h, "RunTask",
                      "{'cluster':'lab','taskDefinition':'web','placementConstraints':[{'type':'memberOf','expression':'(('}]}",
                      "InvalidParameterException", NULL);
        fake_done(&a);
        fake_done(&b);
        cluster_end(&c);
}

static void test_refused_requests(void **state)
{
        static const struct {
                const char *more, *code, *text;
        } rows[] = {
                {"'launchType':'FARGATE'", "InvalidParameterException", "Task definition does not support launch_type FARGATE."},
                {"'launchType':'MANAGED_INSTANCES'", NULL, NULL},
                {"'launchType':'EC2','capacityProviderStrategy':[{'capacityProvider':'x'}]", "InvalidParameterException",
                 "both a launch type"},
                {"'capacityProviderStrategy':[{'capacityProvider':'x'}]", "InvalidParameterException", "not found"},
                {"'capacityProviderStrategy':[{'capacityProvider':'FARGATE'}]", "InvalidParameterException", "not associated"},
                {"'capacityProviderStrategy':[{'capacityProvider':'a','base':1},{'capacityProvider':'b','base':1}]",
                 "InvalidParameterException", "base"},
                {"'capacityProviderStrategy':[{'capacityProvider':'a'},{'capacityProvider':'b'}]", "InvalidParameterException", "weight"},
                {"'platformVersion':'1.4.0'", "InvalidParameterException", "platform version"},
                {"'networkConfiguration':{'awsvpcConfiguration':{'subnets':['s']}}", "InvalidParameterException", "Network Configuration"},
                {"'enableExecuteCommand':true", "UnsupportedFeatureException", "Exec"},
                {"'group':'service:x'", "InvalidParameterException", "group"},
                {"'startedBy':'two words'", "InvalidParameterException", "startedBy"},
                {"'tags':[{'key':'aws:x','value':'y'}]", "InvalidParameterException", "aws:"},
                {"'overrides':{'containerOverrides':[{'name':'nobody'}]}", "InvalidParameterException",
                 "is not a container in the TaskDefinition"},
                {"'overrides':{'containerOverrides':[{'command':['x']}]}", "InvalidParameterException", "name"},
                {"'overrides':{'containerOverrides':[{'name':'web'},{'name':'web'}]}", "InvalidParameterException", "twice"},
                {"'overrides':{'containerOverrides':[{'name':'web','memory':2}]}", "InvalidParameterException", "memory"},
                {"'overrides':{'containerOverrides':[{'name':'web','memoryReservation':128}]}", "InvalidParameterException",
                 "memoryReservation"},
                {"'overrides':{'cpu':'lots'}", "InvalidParameterException", "overrides.cpu"},
                {"'volumeConfigurations':[{'name':'v'}]", "UnsupportedFeatureException", "EBS"},
        };
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char json[512];

                snprintf(json, sizeof(json), "{'cluster':'lab','taskDefinition':'web',%s}", rows[i].more);
                if (rows[i].code)
                        harness_fails(&c.h, "RunTask", json, rows[i].code, rows[i].text);
                else
                        assert_int_equal(harness_call(&c.h, "RunTask", "%s", json), 400);
        }
        harness_fails(&c.h, "RunTask", "{'cluster':'none','taskDefinition':'web'}", "ClusterNotFoundException", "Cluster not found.");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'none'}", "ClientException", "TaskDefinition not found.");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab'}", "InvalidParameterException", "taskDefinition");
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'vpc','networkMode':'awsvpc','containerDefinitions':[{'name':'c','image':'i','memory':6}]}");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'vpc'}", "InvalidParameterException",
                      "Network Configuration must be provided");
        harness_fails(&c.h, "RunTask",
                      "{'cluster':'lab','taskDefinition':'vpc','networkConfiguration':{'awsvpcConfiguration':{'subnets':['s']}}}",
                      "InvalidParameterException", "The subnet ID 's' does not exist (ErrorCode: InvalidSubnetID.NotFound)");
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'far','networkMode':'awsvpc','requiresCompatibilities':['FARGATE'],'cpu':'256','memory':'512',"
                   "'containerDefinitions':[{'name':'c','image':'i'}]}");
        harness_fails(&c.h, "RunTask",
                      "{'cluster':'lab','taskDefinition':'far','launchType':'FARGATE','networkConfiguration':{'awsvpcConfiguration':{'"
                      "subnets':['s']}}}",
                      "InvalidParameterException", "InvalidSubnetID.NotFound");
        harness_fails(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'far','launchType':'FARGATE','platformVersion':'9.9'}",
                      "PlatformUnknownException", NULL);
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_long_overrides(void **state)
{
        struct cluster_harness c;
        char value[9000];

        cluster_begin(&c, NULL);
        memset(value, 'x', sizeof(value) - 1);
        value[sizeof(value) - 1] = 0;
        assert_int_equal(
                harness_call(
                        &c.h, "RunTask",
                        "{'cluster':'lab','taskDefinition':'web','overrides':{'containerOverrides':[{'name':'web','command':['%s']}]}}",
                        value),
                400);
        assert_non_null(strstr(harness_text(&c.h, "message"), "8192"));
        cluster_end(&c);
}

static void test_overrides_reach_the_agent(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 4096, 8000);
        harness_ok(&c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'web','overrides':{'cpu':'1 vCPU','memory':'2 GB','containerOverrides':"
                   "[{'name':'web','command':['a','b'],'environment':[{'name':'X','value':'1'}]}]}}");
        expect(&c, "tasks[0].cpu", "1024");
        expect(&c, "tasks[0].memory", "2048");
        expect(&c, "tasks[0].overrides.cpu", "1024");
        fake_next(&fake, "PayloadMessage");
        expect(&c, "tasks[0].containers[0].command[1]", "b");
        expect(&c, "tasks[0].containers[0].environment.X", "1");
        expect(&c, "tasks[0].containers[0].overrides", "{}");
        assert_int_equal(harness_int(&c.h, "tasks[0].memory"), 2048);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_launch_type_follows_the_instance(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "{'name':'ecs.capability.external'}", id);
        fake_connect(&c, &fake, id, false);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        expect(&c, "tasks[0].launchType", "EXTERNAL");
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','launchType':'EC2'}");
        assert_int_equal(harness_count(&c.h, "tasks"), 0);
        assert_int_equal(harness_count(&c.h, "failures"), 1);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','launchType':'EXTERNAL'}");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_start_task(void **state)
{
        struct cluster_harness c;
        struct fake_agent a, b;

        cluster_begin(&c, NULL);
        fake_join(&c, &a, 2048, 1000);
        fake_join(&c, &b, 2048, 10);
        harness_ok(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'web','startedBy':'s','containerInstances':['%s','%s','nobody']}",
                   a.instance, b.instance);
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        expect(&c, "tasks[0].startedBy", "s");
        expect(&c, "failures[0].reason", "RESOURCE:MEMORY");
        expect(&c, "failures[1].reason", "MISSING");
        fake_next(&a, "PayloadMessage");
        fake_disconnect(&b);
        harness_ok(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'web','containerInstances':['%s']}", b.instance);
        expect(&c, "failures[0].reason", "AGENT");
        harness_fails(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'web','containerInstances':[]}", "InvalidParameterException",
                      "empty");
        harness_fails(&c.h, "StartTask",
                      "{'cluster':'lab','taskDefinition':'web','containerInstances':['1','2','3','4','5','6','7','8','9','10','11']}",
                      "InvalidParameterException", "11");
        harness_fails(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'web','containerInstances':['1'],'enableExecuteCommand':true}",
                      "UnsupportedFeatureException", NULL);
        fake_done(&a);
        cluster_end(&c);
}

static void test_describe(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "DescribeTasks",
                   "{'cluster':'lab','tasks':['0123456789abcdef0123456789abcdef','arn:aws:ecs:us-east-1:123456789012:task/lab/1']}");
        expect(&c, "failures[0].reason", "MISSING");
        expect(&c, "failures[0].arn", "arn:aws:ecs:us-east-1:123456789012:task/lab/0123456789abcdef0123456789abcdef");
        assert_int_equal(harness_count(&c.h, "tasks"), 0);
        harness_fails(&c.h, "DescribeTasks", "{'cluster':'lab','tasks':[]}", "InvalidParameterException", "empty");
        harness_fails(&c.h, "DescribeTasks", "{'cluster':'none','tasks':['x']}", "ClusterNotFoundException", NULL);
        cluster_end(&c);
}

static void report(struct cluster_harness *c, const char *task, const char *more)
{
        harness_ok(&c->h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s',%s}", task, more);
        expect(c, "acknowledgment", "ACK");
}

static void test_reports(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        task = keep(&c, "tasks[0].taskArn");
        report(&c, task,
               "'status':'RUNNING','reason':'','pullStartedAt':1767225601.5,'pullStoppedAt':1767225602,'containers':[{'containerName':'web'"
               ",'runtimeId':'r1',"
               "'imageDigest':'sha256:1','status':'RUNNING','networkBindings':[{'bindIP':'0.0.0.0','containerPort':80,'hostPort':32768,'"
               "protocol':'tcp'}]}]");
        describe(&c, task);
        expect(&c, "tasks[0].lastStatus", "RUNNING");
        expect(&c, "tasks[0].connectivity", "CONNECTED");
        expect(&c, "tasks[0].containers[0].runtimeId", "r1");
        expect(&c, "tasks[0].containers[0].lastStatus", "RUNNING");
        assert_int_equal(harness_int(&c.h, "tasks[0].containers[0].networkBindings[0].hostPort"), 32768);
        assert_true(harness_has(&c.h, "tasks[0].startedAt"));
        report(&c, task,
               "'status':'STOPPED','reason':'','executionStoppedAt':1767225610.917,'containers':[{'containerName':'web','exitCode':3,'"
               "status':'STOPPED'}]");
        /* late, and twice */
        report(&c, task, "'status':'RUNNING','reason':''");
        report(&c, task, "'status':'STOPPED','reason':'x'");
        describe(&c, task);
        expect(&c, "tasks[0].lastStatus", "STOPPED");
        expect(&c, "tasks[0].stopCode", "EssentialContainerExited");
        expect(&c, "tasks[0].stoppedReason", "Essential container in task exited");
        assert_int_equal(harness_int(&c.h, "tasks[0].containers[0].exitCode"), 3);
        assert_int_equal(harness_int(&c.h, "tasks[0].version"), 3);
        /* its resources are free again */
        harness_ok(&c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s']}", fake.instance);
        assert_int_equal(harness_int(&c.h, "containerInstances[0].remainingResources[0].integerValue"), 2048);
        harness_fails(&c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'0123456789abcdef0123456789abcdef','status':'RUNNING'}",
                      "InvalidParameterException", "not found");
        assert_int_equal(harness_call(&c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'FLYING'}", task), 400);
        harness_ok(&c.h, "SubmitContainerStateChange",
                   "{'cluster':'lab','task':'%s','containerName':'web','status':'STOPPED','exitCode':3}", task);
        harness_ok(&c.h, "SubmitAttachmentStateChanges", "{'cluster':'lab','attachments':[{'attachmentArn':'arn:x','status':'ATTACHED'}]}");
        fake_done(&fake);
        cluster_end(&c);
}

static void test_failed_start(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        task = keep(&c, "tasks[0].taskArn");
        report(&c, task,
               "'status':'STOPPED','reason':'','containers':[{'containerName':'web','status':'STOPPED','reason':'CannotPullContainerError: "
               "no such image'}]");
        describe(&c, task);
        expect(&c, "tasks[0].stopCode", "TaskFailedToStart");
        expect(&c, "tasks[0].stoppedReason", "CannotPullContainerError: no such image");
        expect(&c, "tasks[0].containers[0].reason", "CannotPullContainerError: no such image");
        assert_false(harness_has(&c.h, "tasks[0].startedAt"));
        assert_false(harness_has(&c.h, "tasks[0].containers[0].exitCode"));
        fake_done(&fake);
        cluster_end(&c);
}

static void test_host_mode_shows_its_ports(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'host','networkMode':'host','containerDefinitions':[{'name':'c','image':'i','memory':6,'portMappings':[{'"
                   "containerPort':8080}]}]}");
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'host'}");
        task = keep(&c, "tasks[0].taskArn");
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'host'}");
        expect(&c, "failures[0].reason", "RESOURCE:PORTS");
        report(&c, task, "'status':'RUNNING','containers':[{'containerName':'c','status':'RUNNING'}]");
        describe(&c, task);
        assert_int_equal(harness_int(&c.h, "tasks[0].containers[0].networkBindings[0].hostPort"), 8080);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_stop(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        task = keep(&c, "tasks[0].taskArn");
        fake_ack(&fake, "PayloadMessage");
        report(&c, task, "'status':'RUNNING','containers':[{'containerName':'web','status':'RUNNING'}]");
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s','reason':'enough'}", task);
        expect(&c, "task.desiredStatus", "STOPPED");
        expect(&c, "task.lastStatus", "STOPPING");
        expect(&c, "task.stopCode", "UserInitiated");
        expect(&c, "task.stoppedReason", "enough");
        fake_ack(&fake, "PayloadMessage");
        expect(&c, "tasks[0].desiredStatus", "STOPPED");
        expect(&c, "tasks[0].arn", task);
        assert_int_equal(harness_count(&c.h, "tasks[0].containers"), 0);
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        expect(&c, "task.stoppedReason", "enough");
        report(&c, task, "'status':'STOPPED','reason':'','containers':[{'containerName':'web','status':'STOPPED','exitCode':137}]");
        describe(&c, task);
        expect(&c, "tasks[0].stopCode", "UserInitiated");
        expect(&c, "tasks[0].stoppedReason", "enough");
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        expect(&c, "task.lastStatus", "STOPPED");
        harness_fails(&c.h, "StopTask", "{'cluster':'lab','task':'0123456789abcdef0123456789abcdef'}", "InvalidParameterException",
                      "The referenced task was not found.");
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_stop_before_the_agent_knows(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        task = keep(&c, "tasks[0].taskArn");
        /* stopped in the same turn: its payload has not left */
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        expect(&c, "task.lastStatus", "STOPPED");
        expect(&c, "task.stoppedReason", "Task stopped by user");
        fake_nothing(&fake);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_stop_while_the_agent_is_away(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        task = keep(&c, "tasks[0].taskArn");
        fake_next(&fake, "PayloadMessage");
        fake_disconnect(&fake);
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        expect(&c, "task.lastStatus", "STOPPING");
        cluster_restart(&c);
        describe(&c, task);
        expect(&c, "tasks[0].lastStatus", "STOPPING");
        fake_connect(&c, &fake, fake.instance, false);
        fake_ack(&fake, "PayloadMessage");
        expect(&c, "tasks[0].desiredStatus", "STOPPED");
        fake_done(&fake);
        cluster_end(&c);
}

static size_t listed(struct cluster_harness *c, const char *more)
{
        harness_ok(&c->h, "ListTasks", "{'cluster':'lab'%s}", more);
        return harness_count(&c->h, "taskArns");
}

static void test_list(void **state)
{
        struct cluster_harness c;
        struct fake_agent a, b;
        char json[128];
        const char *task;

        cluster_begin(&c, NULL);
        fake_join(&c, &a, 2048, 4000);
        fake_join(&c, &b, 2048, 4000);
        harness_ok(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'web','startedBy':'x','containerInstances':['%s','%s']}",
                   a.instance, b.instance);
        harness_ok(&c.h, "StartTask", "{'cluster':'lab','taskDefinition':'two','containerInstances':['%s']}", a.instance);
        task = keep(&c, "tasks[0].taskArn");
        assert_int_equal(listed(&c, ""), 3);
        assert_int_equal(listed(&c, ",'family':'web'"), 2);
        assert_int_equal(listed(&c, ",'family':'none'"), 0);
        assert_int_equal(listed(&c, ",'startedBy':'x'"), 2);
        assert_int_equal(listed(&c, ",'launchType':'EC2'"), 3);
        assert_int_equal(listed(&c, ",'launchType':'FARGATE'"), 0);
        assert_int_equal(listed(&c, ",'desiredStatus':'STOPPED'"), 0);
        assert_int_equal(listed(&c, ",'desiredStatus':'PENDING'"), 0);
        snprintf(json, sizeof(json), ",'containerInstance':'%s'", a.instance);
        assert_int_equal(listed(&c, json), 2);
        snprintf(json, sizeof(json), ",'containerInstance':'%s','family':'two'", a.instance);
        assert_int_equal(listed(&c, json), 1);
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        assert_int_equal(listed(&c, ""), 2);
        assert_int_equal(listed(&c, ",'desiredStatus':'STOPPED'"), 1);
        report(&c, task, "'status':'STOPPED'");
        assert_int_equal(listed(&c, ",'desiredStatus':'STOPPED','family':'two'"), 1);
        assert_int_equal(listed(&c, ",'maxResults':1"), 1);
        keep(&c, "nextToken");
        snprintf(json, sizeof(json), ",'maxResults':1,'nextToken':'%.90s'", text);
        assert_int_equal(listed(&c, json), 1);
        harness_fails(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'none'}", "ServiceNotFoundException", NULL);
        harness_fails(&c.h, "ListTasks", "{'cluster':'lab','containerInstance':'none'}", "InvalidParameterException", NULL);
        harness_fails(&c.h, "ListTasks", "{'cluster':'none'}", "ClusterNotFoundException", NULL);
        fake_done(&a);
        fake_done(&b);
        cluster_end(&c);
}

static void test_discover(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        c.h.api->options.public_url = "http://127.0.0.1:4327";
        harness_ok(&c.h, "DiscoverPollEndpoint", "{'cluster':'lab','containerInstance':'x','zoneId':''}");
        expect(&c, "endpoint", "http://127.0.0.1:4327/acs");
        expect(&c, "telemetryEndpoint", "http://127.0.0.1:4327/tcs");
        c.h.api->options.public_url = NULL;
        harness_fails(&c.h, "DiscoverPollEndpoint", "{}", "ServerException", "public-url");
        cluster_end(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_run_and_what_it_shows),
                cmocka_unit_test(test_default_group_and_tags_of_the_definition),
                cmocka_unit_test(test_count_and_failures),
                cmocka_unit_test(test_missing_attributes_are_named),
                cmocka_unit_test(test_client_token),
                cmocka_unit_test(test_placement),
                cmocka_unit_test(test_refused_requests),
                cmocka_unit_test(test_long_overrides),
                cmocka_unit_test(test_overrides_reach_the_agent),
                cmocka_unit_test(test_launch_type_follows_the_instance),
                cmocka_unit_test(test_start_task),
                cmocka_unit_test(test_describe),
                cmocka_unit_test(test_reports),
                cmocka_unit_test(test_failed_start),
                cmocka_unit_test(test_host_mode_shows_its_ports),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_stop_before_the_agent_knows),
                cmocka_unit_test(test_stop_while_the_agent_is_away),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_discover),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
