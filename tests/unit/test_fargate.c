/* SPDX-License-Identifier: Apache-2.0 */
/* Fargate through the API: the pool of hosts, sizes, strategies, tasks that wait for capacity, and services. */
#include <errno.h>

#include "api/capacity.h"
#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/network.h"
#include "control/capacity/providers.h"

#include "cluster_harness.h"
#include "unit.h"

struct world {
        struct cluster_harness c;
        struct fake_agent host;
        char subnet[32], id[33], task[256];
};

static void expect(struct world *w, const char *path, const char *value)
{
        const char *got = harness_text(&w->c.h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got ? got : "absent", value ? value : "absent", w->c.h.text.data);
}

static void begin(struct world *w)
{
        *w = (struct world){0};
        cluster_begin(&w->c, NULL);
        harness_ok(&w->c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':['FARGATE','FARGATE_SPOT'],'defaultCapacityProviderStrategy':[]}");
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'far','networkMode':'awsvpc','requiresCompatibilities':['FARGATE'],'cpu':'256','memory':'512',"
                   "'ephemeralStorage':{'sizeInGiB':30},'containerDefinitions':[{'name':'c','image':'i'}]}");
        list_for_each (subnet, &model_default_vpc(w->c.h.model)->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->zone, "us-east-1a"))
                        snprintf(w->subnet, sizeof(w->subnet), "%s", subnet->state->id);
}

static void join(struct world *w, struct fake_agent *fake, int cpu, int memory, const char *zone)
{
        cluster_register_host(&w->c, "sandbox", cpu, memory, zone, w->id);
        fake_connect(&w->c, fake, w->id, false);
        fake_ack(fake, "TaskManifestMessage");
}

static void join_with_machines(struct world *w, struct fake_agent *fake, int cpu, int memory)
{
        cluster_register_host(&w->c, "microvm", cpu, memory, "us-east-1a", w->id);
        fake_connect(&w->c, fake, w->id, false);
        fake_ack(fake, "TaskManifestMessage");
}

static void end(struct world *w)
{
        fake_done(&w->host);
        cluster_end(&w->c);
}

static void run(struct world *w, const char *more)
{
        harness_ok(&w->c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'far','networkConfiguration':{'awsvpcConfiguration':{'subnets':['%s'],"
                   "'assignPublicIp':'ENABLED'}},%s}",
                   w->subnet, more);
}

static void test_a_task_on_a_host(void **state)
{
        struct world w;

        begin(&w);
        join(&w, &w.host, 1024, 2048, "us-east-1a");
        run(&w, "'launchType':'FARGATE'");
        expect(&w, "tasks[0].lastStatus", "PENDING");
        expect(&w, "tasks[0].launchType", "FARGATE");
        expect(&w, "tasks[0].platformVersion", "1.4.0");
        expect(&w, "tasks[0].platformFamily", "Linux");
        expect(&w, "tasks[0].containerInstanceArn", NULL);
        expect(&w, "tasks[0].availabilityZone", "us-east-1a");
        expect(&w, "tasks[0].attachments[0].type", "ElasticNetworkInterface");
        assert_int_equal(harness_int(&w.c.h, "tasks[0].ephemeralStorage.sizeInGiB"), 30);
        expect(&w, "tasks[0].attributes[1].name", "gantry.fargate");
        expect(&w, "tasks[0].attributes[1].value", "sandbox");
        snprintf(w.task, sizeof(w.task), "%s", harness_text(&w.c.h, "tasks[0].taskArn"));
        fake_ack(&w.host, "PayloadMessage");
        expect(&w, "tasks[0].arn", w.task);
        expect(&w, "tasks[0].launchType", "FARGATE");
        expect(&w, "tasks[0].taskClusterArn", "arn:aws:ecs:us-east-1:123456789012:cluster/lab");
        /* Its host reports it under the host's own cluster. */
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'.fargate','task':'%s','status':'RUNNING'}", w.task);
        harness_fails(&w.c.h, "SubmitTaskStateChange", "{'cluster':'default','task':'%s','status':'RUNNING'}", "ClusterNotFoundException",
                      NULL);
        harness_ok(&w.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", w.task);
        expect(&w, "tasks[0].lastStatus", "RUNNING");
        expect(&w, "tasks[0].connectivity", "CONNECTED");
        /* The size is taken, exactly. */
        harness_ok(&w.c.h, "DescribeContainerInstances", "{'cluster':'.fargate','containerInstances':['%s']}", w.id);
        assert_int_equal(harness_int(&w.c.h, "containerInstances[0].remainingResources[0].integerValue"), 768);
        assert_int_equal(harness_int(&w.c.h, "containerInstances[0].remainingResources[1].integerValue"), 1536);
        harness_ok(&w.c.h, "StopTask", "{'cluster':'lab','task':'%s'}", w.task);
        fake_ack(&w.host, "PayloadMessage");
        expect(&w, "tasks[0].desiredStatus", "STOPPED");
        end(&w);
}

/* A machine takes more of its host than its task has. */
static void test_what_machines_cost(void **state)
{
        CLEANUP_BUF struct buf text = {0};
        struct fake_agent second = {0}, third = {0};
        struct world w;

        begin(&w);
        join_with_machines(&w, &w.host, 4096, 600);
        run(&w, "'launchType':'FARGATE'");
        expect(&w, "failures[0].reason", FARGATE_UNAVAILABLE);
        join_with_machines(&w, &second, 2048, 1400);
        run(&w, "'launchType':'FARGATE','count':3");
        assert_int_equal(harness_count(&w.c.h, "tasks"), 3);
        expect(&w, "tasks[1].lastStatus", "PENDING");
        expect(&w, "tasks[2].lastStatus", "PROVISIONING");
        harness_ok(&w.c.h, "DescribeContainerInstances", "{'cluster':'.fargate','containerInstances':['%s']}", w.id);
        assert_int_equal(harness_int(&w.c.h, "containerInstances[0].remainingResources[1].integerValue"), 1400 - 2 * (512 + 170));
        capacity_list(w.c.h.model, &text);
        assert_non_null(strstr(text.data, "   1364/1400         340  "));
        /* A sandbox needs its size and no more, also where it is the emptiest micro-VM host that is looked at first. */
        join(&w, &third, 256, 512, "us-east-1a");
        cluster_run(&w.c);
        fake_ack(&third, "PayloadMessage");
        expect(&w, "tasks[0].desiredStatus", "RUNNING");
        fake_done(&second);
        fake_done(&third);
        end(&w);
}

static void test_the_pool_is_hidden(void **state)
{
        struct world w;

        begin(&w);
        join(&w, &w.host, 1024, 2048, "us-east-1a");
        harness_ok(&w.c.h, "ListClusters", "{}");
        assert_int_equal(harness_count(&w.c.h, "clusterArns"), 1);
        harness_ok(&w.c.h, "ListContainerInstances", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&w.c.h, "containerInstanceArns"), 0);
        harness_fails(&w.c.h, "RunTask", "{'cluster':'.fargate','taskDefinition':'web'}", "ClusterNotFoundException", NULL);
        harness_fails(&w.c.h, "CreateCluster", "{'clusterName':'.fargate'}", "InvalidParameterException", NULL);
        harness_fails(&w.c.h, "DeleteCluster", "{'cluster':'.fargate'}", "ClusterNotFoundException", NULL);
        /* EC2 tasks do not go there. */
        harness_fails(&w.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}", "InvalidParameterException", "No Container Instances");
        end(&w);
}

static void test_waiting_for_capacity(void **state)
{
        struct world w;

        begin(&w);
        run(&w, "'launchType':'FARGATE'");
        assert_int_equal(harness_count(&w.c.h, "tasks"), 0);
        expect(&w, "failures[0].reason", FARGATE_UNAVAILABLE);
        join(&w, &w.host, 256, 512, "us-east-1a");
        run(&w, "'launchType':'FARGATE','count':3");
        expect(&w, "tasks[0].lastStatus", "PENDING");
        expect(&w, "tasks[1].lastStatus", "PROVISIONING");
        assert_int_equal(harness_count(&w.c.h, "tasks[1].attachments"), 0);
        snprintf(w.task, sizeof(w.task), "%s", harness_text(&w.c.h, "tasks[0].taskArn"));
        cluster_run(&w.c);
        fake_ack(&w.host, "PayloadMessage");
        fake_nothing(&w.host);
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'.fargate','task':'%s','status':'STOPPED'}", w.task);
        cluster_run(&w.c);
        /* The next has its place, its interface, and its payload. */
        fake_ack(&w.host, "PayloadMessage");
        expect(&w, "tasks[0].desiredStatus", "RUNNING");
        assert_int_equal(harness_count(&w.c.h, "tasks[0].elasticNetworkInterfaces"), 1);
        /* The third waits until it is too long; a server that starts again goes on with it. */
        fake_done(&w.host);
        cluster_restart(&w.c);
        cluster_wait(&w.c, FARGATE_PATIENCE_MS + 1000);
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','desiredStatus':'STOPPED'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 2);
        end(&w);
}

static void test_refusals(void **state)
{
        static const struct {
                const char *more, *code, *text;
        } rows[] = {
                {"'launchType':'FARGATE','overrides':{'memory':'600'}", "ClientException",
                 "No Fargate configuration exists for given values"},
                {"'launchType':'FARGATE','platformVersion':'9.9'", "PlatformUnknownException", "9.9"},
                {"'launchType':'FARGATE','placementStrategy':[{'type':'random'}]", "InvalidParameterException", "Placement strategies"},
                {"'launchType':'FARGATE','placementConstraints':[{'type':'distinctInstance'}]", "InvalidParameterException",
                 "Placement constraints"},
                {"'platformVersion':'1.4.0'", "InvalidParameterException", "platform version"},
                {"'capacityProviderStrategy':[{'capacityProvider':'FARGATE','weight':1},{'capacityProvider':'own'}]",
                 "InvalidParameterException", "mix"},
        };
        struct world w;

        begin(&w);
        join(&w, &w.host, 4096, 8192, "us-east-1a");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char json[512];

                snprintf(json, sizeof(json),
                         "{'cluster':'lab','taskDefinition':'far','networkConfiguration':{'awsvpcConfiguration':{'subnets':['%s']}},%s}",
                         w.subnet, rows[i].more);
                harness_fails(&w.c.h, "RunTask", json, rows[i].code, rows[i].text);
        }
        harness_ok(&w.c.h, "RegisterTaskDefinition",
                   "{'family':'arm','networkMode':'awsvpc','requiresCompatibilities':['FARGATE'],'cpu':'256','memory':'512',"
                   "'runtimePlatform':{'cpuArchitecture':'ARM64','operatingSystemFamily':'LINUX'},'containerDefinitions':[{'name':'c','"
                   "image':'i'}]}");
        harness_fails(&w.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'arm','launchType':'FARGATE'}", "UnsupportedFeatureException",
                      "no Fargate host of this server is ARM64");
        end(&w);
}

/* What no host can do is named: it is not for want of room. */
static void test_what_hosts_lack(void **state)
{
        struct fake_agent second = {0};
        struct world w;

        begin(&w);
        join(&w, &w.host, 1024, 2048, "us-east-1a");
        harness_ok(&w.c.h, "RegisterTaskDefinition",
                   "{'family':'far','networkMode':'awsvpc','requiresCompatibilities':['FARGATE'],'cpu':'256','memory':'512',"
                   "'executionRoleArn':'arn:aws:iam::123456789012:role/x','containerDefinitions':[{'name':'c','image':'i',"
                   "'secrets':[{'name':'S','valueFrom':'arn:aws:secretsmanager:us-east-1:123456789012:secret:x'}]}]}");
        run(&w, "'launchType':'FARGATE'");
        expect(&w, "failures[0].reason", FARGATE_UNAVAILABLE);
        expect(&w, "failures[0].detail", "The Fargate hosts lack: ecs.capability.secrets.asm.environment-variables");
        harness_ok(&w.c.h, "RegisterTaskDefinition",
                   "{'family':'far','networkMode':'awsvpc','requiresCompatibilities':['FARGATE'],'cpu':'2048','memory':'4096',"
                   "'containerDefinitions':[{'name':'c','image':'i'}]}");
        join(&w, &second, 1024, 2048, "us-east-1b");
        run(&w, "'launchType':'FARGATE'");
        expect(&w, "failures[0].detail", "No Fargate host of this server could ever take it: gantry capacity shows the hosts.");
        fake_done(&second);
        end(&w);
}

static void test_strategy(void **state)
{
        struct world w;
        int spot = 0;

        begin(&w);
        join(&w, &w.host, 4096, 8192, "us-east-1a");
        run(&w,
            "'count':7,'capacityProviderStrategy':[{'capacityProvider':'FARGATE','base':1,'weight':1},{'capacityProvider':'FARGATE_SPOT',"
            "'weight':2}]");
        assert_int_equal(harness_count(&w.c.h, "tasks"), 7);
        for (int i = 0; i < 7; i++) {
                char path[48];

                snprintf(path, sizeof(path), "tasks[%d].launchType", i);
                expect(&w, path, "FARGATE");
                snprintf(path, sizeof(path), "tasks[%d].capacityProviderName", i);
                spot += str_eq(harness_text(&w.c.h, path), "FARGATE_SPOT");
        }
        assert_int_equal(spot, 4);
        /* The cluster's default is used when a request says nothing. */
        harness_ok(&w.c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':['FARGATE','FARGATE_SPOT'],'defaultCapacityProviderStrategy':[{'capacityProvider':"
                   "'FARGATE_"
                   "SPOT','weight':1}]}");
        run(&w, "'group':'g'");
        expect(&w, "tasks[0].capacityProviderName", "FARGATE_SPOT");
        end(&w);
}

static void create_service(struct world *w, const char *name, const char *more)
{
        harness_ok(&w->c.h, "CreateService",
                   "{'cluster':'lab','serviceName':'%s','taskDefinition':'far','networkConfiguration':{'awsvpcConfiguration':{'subnets':['%"
                   "s']}},%s}",
                   name, w->subnet, more);
        cluster_run(&w->c);
}

static void test_services(void **state)
{
        struct world w;
        struct fake_agent late;

        begin(&w);
        create_service(&w, "web", "'launchType':'FARGATE','desiredCount':2");
        expect(&w, "service.platformVersion", "LATEST");
        harness_ok(&w.c.h, "DescribeServices", "{'cluster':'lab','services':['web']}");
        assert_non_null(strstr(harness_text(&w.c.h, "services[0].events[0].message"), FARGATE_UNAVAILABLE));
        join(&w, &w.host, 512, 1024, "us-east-1a");
        cluster_run(&w.c);
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','serviceName':'web','launchType':'FARGATE'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 2);
        create_service(&w, "spot", "'capacityProviderStrategy':[{'capacityProvider':'FARGATE_SPOT','weight':1}],'desiredCount':1");
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','serviceName':'spot'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 0);
        join(&w, &late, 512, 1024, "us-east-1a");
        cluster_run(&w.c);
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','serviceName':'spot'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 1);
        harness_fails(&w.c.h, "CreateService",
                      "{'cluster':'lab','serviceName':'d','taskDefinition':'far','launchType':'FARGATE','schedulingStrategy':'DAEMON'}",
                      "InvalidParameterException", "daemon");
        fake_done(&late);
        end(&w);
}

static void test_spot_is_taken_back(void **state)
{
        struct world w;
        CLEANUP_BUF struct buf list = {0}, later = {0};
        struct fake_agent other = {0};
        char first[sizeof(w.id)];

        begin(&w);
        join(&w, &w.host, 1024, 2048, "us-east-1a");
        snprintf(first, sizeof(first), "%s", w.id);
        create_service(&w, "spot", "'capacityProviderStrategy':[{'capacityProvider':'FARGATE_SPOT','weight':1}],'desiredCount':1");
        fake_ack(&w.host, "PayloadMessage");
        run(&w, "'launchType':'FARGATE'");
        fake_ack(&w.host, "PayloadMessage");
        capacity_list(w.c.h.model, &list);
        assert_non_null(strstr(list.data, w.id));
        assert_non_null(strstr(list.data, "512/1024"));
        join(&w, &other, 1024, 2048, "us-east-1a");
        assert_int_equal(capacity_reclaim(w.c.h.model, "none", w.c.h.env.now_ms), -ENOENT);
        assert_int_equal(capacity_reclaim(w.c.h.model, first, w.c.h.env.now_ms), 1);
        assert_int_equal(capacity_reclaim(w.c.h.model, first, w.c.h.env.now_ms), 0);
        assert_int_equal(capacity_reclaim(w.c.h.model, w.id, w.c.h.env.now_ms), 0);
        cluster_run(&w.c);
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','desiredStatus':'STOPPED'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 1);
        snprintf(w.task, sizeof(w.task), "%s", harness_text(&w.c.h, "taskArns[0]"));
        harness_ok(&w.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", w.task);
        expect(&w, "tasks[0].stopCode", "SpotInterruption");
        /* No host takes another one, until one is offered again. */
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','serviceName':'spot'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 0);
        assert_int_equal(capacity_offer(w.c.h.model, "none"), -ENOENT);
        assert_int_equal(capacity_offer(w.c.h.model, w.id), 0);
        cluster_run(&w.c);
        harness_ok(&w.c.h, "ListTasks", "{'cluster':'lab','serviceName':'spot'}");
        assert_int_equal(harness_count(&w.c.h, "taskArns"), 1);
        capacity_list(w.c.h.model, &later);
        assert_non_null(strstr(later.data, "no FARGATE_SPOT"));
        assert_non_null(strstr(later.data, "256/1024"));
        fake_done(&other);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_task_on_a_host),   cmocka_unit_test(test_what_machines_cost),
                cmocka_unit_test(test_the_pool_is_hidden), cmocka_unit_test(test_waiting_for_capacity),
                cmocka_unit_test(test_refusals),           cmocka_unit_test(test_strategy),
                cmocka_unit_test(test_what_hosts_lack),    cmocka_unit_test(test_services),
                cmocka_unit_test(test_spot_is_taken_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
