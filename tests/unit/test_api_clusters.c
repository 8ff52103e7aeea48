/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters: what each operation answers and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "api_harness.h"

#define ARN "arn:aws:ecs:us-east-1:123456789012:cluster/"

static int begin(void **state)
{
        static struct api_harness h;

        harness_begin(&h);
        *state = &h;
        return 0;
}

static int end(void **state)
{
        harness_end(*state);
        return 0;
}

static void create_is_idempotent(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "CreateCluster", "{}");
        assert_string_equal(harness_text(h, "cluster.clusterArn"), ARN "default");
        assert_string_equal(harness_text(h, "cluster.status"), "ACTIVE");
        assert_string_equal(harness_text(h, "cluster.settings[0].name"), "containerInsights");
        assert_string_equal(harness_text(h, "cluster.settings[0].value"), "disabled");
        assert_int_equal(harness_int(h, "cluster.registeredContainerInstancesCount"), 0);
        assert_int_equal(harness_count(h, "cluster.statistics"), 0);
        harness_ok(h, "CreateCluster",
                   "{'clusterName':'web','tags':[{'key':'team','value':'a'}],'settings':[{'name':'containerInsights','value':'enhanced'}],"
                   "'capacityProviders':['FARGATE','FARGATE_SPOT'],"
                   "'defaultCapacityProviderStrategy':[{'capacityProvider':'FARGATE','base':1,'weight':1},{'capacityProvider':'FARGATE_"
                   "SPOT','weight':4}]}");
        harness_ok(h, "CreateCluster", "{'clusterName':'web'}");
        assert_string_equal(harness_text(h, "cluster.tags[0].value"), "a");
        assert_string_equal(harness_text(h, "cluster.settings[0].value"), "enhanced");
        assert_int_equal(harness_int(h, "cluster.defaultCapacityProviderStrategy[1].weight"), 4);
        harness_restart(h);
        harness_ok(h, "ListClusters", "{}");
        assert_int_equal(harness_count(h, "clusterArns"), 2);
}

static void create_refuses(void **state)
{
        static const struct {
                const char *json, *text;
        } rows[] = {
                {"{'clusterName':'a b'}", "clusterName"},
                {"{'clusterName':'c','settings':[{'name':'containerInsights','value':'perhaps'}]}", "settings[0].value"},
                {"{'clusterName':'c','settings':[{'name':'other','value':'x'}]}", "settings[0].name"},
                {"{'clusterName':'c','capacityProviders':['mine']}", "'mine' was not found"},
                {"{'clusterName':'c','capacityProviders':['FARGATE','FARGATE']}", "twice"},
                {"{'clusterName':'c','defaultCapacityProviderStrategy':[{'capacityProvider':'FARGATE'}]}", "not associated"},
                {"{'clusterName':'c','capacityProviders':['FARGATE','FARGATE_SPOT'],'defaultCapacityProviderStrategy':"
                 "[{'capacityProvider':'FARGATE','base':1,'weight':1},{'capacityProvider':'FARGATE_SPOT','base':1}]}",
                 "Only one"},
                {"{'clusterName':'c','capacityProviders':['FARGATE','FARGATE_SPOT'],'defaultCapacityProviderStrategy':"
                 "[{'capacityProvider':'FARGATE'},{'capacityProvider':'FARGATE_SPOT'}]}",
                 "weight"},
                {"{'clusterName':'c','tags':[{'key':'aws:x','value':'y'}]}", "aws:"},
                {"{'clusterName':'c','tags':[{'key':'x','value':'y'},{'key':'x','value':'z'}]}", "twice"},
                {"{'clusterName':'c','configuration':{'executeCommandConfiguration':{'logging':'OVERRIDE'}}}", "logConfiguration"},
                {"{'clusterName':'c','configuration':{'executeCommandConfiguration':{'logging':'LOUD'}}}", "logging"},
        };
        struct api_harness *h = *state;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                harness_fails(h, "CreateCluster", rows[i].json, "InvalidParameterException", rows[i].text);
        harness_fails(h, "CreateCluster",
                      "{'serviceConnectDefaults':{'namespace':'arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1'}}",
                      "NamespaceNotFoundException", NULL);
        harness_ok(h, "ListClusters", "{}");
        assert_int_equal(harness_count(h, "clusterArns"), 0);
}

static void describe(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "DescribeClusters", "{}");
        assert_int_equal(harness_count(h, "clusters"), 0);
        assert_string_equal(harness_text(h, "failures[0].arn"), ARN "default");
        assert_string_equal(harness_text(h, "failures[0].reason"), "MISSING");
        harness_ok(h, "CreateCluster",
                   "{'clusterName':'web','tags':[{'key':'team','value':'a'}],"
                   "'configuration':{'executeCommandConfiguration':{'logging':'NONE'}}}");
        harness_ok(h, "DescribeClusters", "{'clusters':['web','" ARN "other']}");
        assert_int_equal(harness_count(h, "clusters"), 1);
        assert_int_equal(harness_count(h, "clusters[0].tags"), 0);
        assert_int_equal(harness_count(h, "clusters[0].settings"), 0);
        assert_false(harness_has(h, "clusters[0].configuration"));
        assert_string_equal(harness_text(h, "failures[0].arn"), ARN "other");
        harness_ok(h, "DescribeClusters",
                   "{'clusters':['" ARN "web'],'include':['TAGS','SETTINGS','STATISTICS','CONFIGURATIONS','ATTACHMENTS']}");
        assert_string_equal(harness_text(h, "clusters[0].tags[0].key"), "team");
        assert_string_equal(harness_text(h, "clusters[0].statistics[0].name"), "runningEC2TasksCount");
        assert_string_equal(harness_text(h, "clusters[0].statistics[0].value"), "0");
        assert_string_equal(harness_text(h, "clusters[0].configuration.executeCommandConfiguration.logging"), "NONE");
        harness_fails(h, "DescribeClusters", "{'clusters':['a/b']}", "InvalidParameterException", NULL);
        harness_fails(h, "DescribeClusters", "{'include':['EVERYTHING']}", "InvalidParameterException", "include");
}

static void update(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "CreateCluster", "{'clusterName':'web'}");
        harness_ok(h, "UpdateClusterSettings", "{'cluster':'web','settings':[{'name':'containerInsights','value':'enabled'}]}");
        assert_string_equal(harness_text(h, "cluster.settings[0].value"), "enabled");
        harness_ok(h, "UpdateCluster", "{'cluster':'" ARN "web','serviceConnectDefaults':{'namespace':'prod'}}");
        assert_string_equal(harness_text(h, "cluster.serviceConnectDefaults.namespace"), "prod");
        assert_string_equal(harness_text(h, "cluster.settings[0].value"), "enabled");
        harness_ok(h, "UpdateCluster", "{'cluster':'web','serviceConnectDefaults':{'namespace':''}}");
        assert_false(harness_has(h, "cluster.serviceConnectDefaults"));
        harness_ok(h, "PutClusterCapacityProviders",
                   "{'cluster':'web','capacityProviders':['FARGATE'],"
                   "'defaultCapacityProviderStrategy':[{'capacityProvider':'FARGATE','weight':1}]}");
        assert_string_equal(harness_text(h, "cluster.capacityProviders[0]"), "FARGATE");
        harness_ok(h, "PutClusterCapacityProviders", "{'cluster':'web','capacityProviders':[],'defaultCapacityProviderStrategy':[]}");
        assert_int_equal(harness_count(h, "cluster.capacityProviders"), 0);
        harness_fails(h, "UpdateCluster", "{'cluster':'none'}", "ClusterNotFoundException", "Cluster not found.");
        harness_fails(h, "UpdateClusterSettings", "{'cluster':'none','settings':[]}", "ClusterNotFoundException", NULL);
        harness_fails(h, "PutClusterCapacityProviders", "{'cluster':'none','capacityProviders':[],'defaultCapacityProviderStrategy':[]}",
                      "ClusterNotFoundException", NULL);
}

static void add_instance(struct api_harness *h, const char *cluster, enum state_instance_status status)
{
        struct state_container_instance state = {.cluster = cluster, .id = "0123456789abcdef0123456789abcdef", .status = status};
        struct tx *tx = tx_begin(h->model);
        struct instance *instance = model_instance(h->model, cluster, state.id);

        if (instance != NULL)
                tx_put(tx, &instance->object, &state);
        else
                (void)tx_insert(tx, OBJECT_INSTANCE, &state);
        (void)tx_commit(tx);
}

static void delete_and_create_anew(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "CreateCluster", "{'clusterName':'web','tags':[{'key':'team','value':'a'}]}");
        add_instance(h, "web", STATE_INSTANCE_STATUS_ACTIVE);
        harness_fails(h, "DeleteCluster", "{'cluster':'web'}", "ClusterContainsContainerInstancesException", "Container Instances");
        add_instance(h, "web", STATE_INSTANCE_STATUS_INACTIVE);
        harness_ok(h, "DeleteCluster", "{'cluster':'web'}");
        assert_string_equal(harness_text(h, "cluster.status"), "INACTIVE");
        harness_fails(h, "DeleteCluster", "{'cluster':'web'}", "ClusterNotFoundException", NULL);
        harness_ok(h, "ListClusters", "{}");
        assert_int_equal(harness_count(h, "clusterArns"), 0);
        harness_ok(h, "DescribeClusters", "{'clusters':['web']}");
        assert_string_equal(harness_text(h, "clusters[0].status"), "INACTIVE");
        harness_ok(h, "CreateCluster", "{'clusterName':'web'}");
        assert_string_equal(harness_text(h, "cluster.status"), "ACTIVE");
        assert_int_equal(harness_count(h, "cluster.tags"), 0);
}

/* One of capacity provider FARGATE that waits for its place; the next call with STOPPED ends it. */
static void put_task(struct api_harness *h, const char *cluster, enum state_task_status status)
{
        struct state_task state = {
                .cluster = cluster,
                .id = "fedcba9876543210fedcba9876543210",
                .family = "web",
                .revision = 1,
                .group = "family:web",
                .last_status = status,
                .desired_status = status == STATE_TASK_STATUS_STOPPED ? STATE_TASK_STATUS_STOPPED : STATE_TASK_STATUS_RUNNING,
                .capacity_provider = "FARGATE",
        };
        struct tx *tx = tx_begin(h->model);
        struct task *task = model_task(h->model, cluster, state.id);

        if (task != NULL)
                tx_put(tx, &task->object, &state);
        else
                (void)tx_insert(tx, OBJECT_TASK, &state);
        (void)tx_commit(tx);
}

static void tasks_hold_what_they_need(void **state)
{
        struct api_harness *h = *state;
        const char *without = "{'cluster':'web','capacityProviders':[],'defaultCapacityProviderStrategy':[]}";

        harness_ok(h, "RegisterTaskDefinition", "{'family':'web','containerDefinitions':[{'name':'c','image':'i','memory':16}]}");
        harness_ok(h, "CreateCluster", "{'clusterName':'web','capacityProviders':['FARGATE']}");
        put_task(h, "web", STATE_TASK_STATUS_PROVISIONING);
        harness_fails(h, "PutClusterCapacityProviders", without, "ResourceInUseException", "fedcba9876543210fedcba9876543210");
        harness_fails(h, "DeleteCluster", "{'cluster':'web'}", "ClusterContainsTasksException", "Tasks are active");
        put_task(h, "web", STATE_TASK_STATUS_STOPPED);
        harness_ok(h, "PutClusterCapacityProviders", "%s", without);
        harness_ok(h, "DeleteCluster", "{'cluster':'web'}");
}

static void capacity_providers(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "DescribeCapacityProviders", "{}");
        assert_int_equal(harness_count(h, "capacityProviders"), 2);
        assert_string_equal(harness_text(h, "capacityProviders[0].name"), "FARGATE");
        assert_string_equal(harness_text(h, "capacityProviders[1].status"), "ACTIVE");
        harness_ok(h, "DescribeCapacityProviders", "{'maxResults':1}");
        assert_int_equal(harness_count(h, "capacityProviders"), 1);
        assert_true(harness_has(h, "nextToken"));
        harness_ok(h, "DescribeCapacityProviders", "{'capacityProviders':['FARGATE_SPOT','mine']}");
        assert_string_equal(harness_text(h, "capacityProviders[0].name"), "FARGATE_SPOT");
        assert_string_equal(harness_text(h, "failures[0].reason"), "MISSING");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(create_is_idempotent, begin, end),
                cmocka_unit_test_setup_teardown(create_refuses, begin, end),
                cmocka_unit_test_setup_teardown(describe, begin, end),
                cmocka_unit_test_setup_teardown(update, begin, end),
                cmocka_unit_test_setup_teardown(delete_and_create_anew, begin, end),
                cmocka_unit_test_setup_teardown(tasks_hold_what_they_need, begin, end),
                cmocka_unit_test_setup_teardown(capacity_providers, begin, end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
