/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of ECS services as instances of discovery services: from RUNNING until something wants them stopped, or their node is lost. */
#include "control/discovery.h"
#include "base/strutil.h"
#include "control/task.h"
#include "control/task_network.h"
#include "model/network.h"

#include "cluster_harness.h"
#include "unit.h"

#define INVALID "InvalidParameterException"

struct world {
        struct cluster_harness c;
        struct fake_agent fake;
        char subnet[64], arn[128], id[32];
};

/* The namespace "internal" with the service "web", which has the records. */
static void begin(struct world *w, const char *records)
{
        struct harness_networks networks;
        char instance[33];

        *w = (struct world){0};
        cluster_begin(&w->c, NULL);
        harness_networks(&w->c.h, &networks);
        list_for_each (subnet, &model_default_vpc(w->c.h.model)->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->zone, "us-east-1a"))
                        snprintf(w->subnet, sizeof(w->subnet), "%s", subnet->state->id);
        cluster_register(&w->c, 2048, 1000, "{'name':'ecs.capability.task-eni'},{'name':'gantry.node-address','value':'192.0.2.7'}",
                         instance);
        fake_connect(&w->c, &w->fake, instance, false);
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'vpc','networkMode':'awsvpc','containerDefinitions':[{'name':'app','image':'i','memory':6,'portMappings':["
                   "{'containerPort':80}]}]}");
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'checked','networkMode':'awsvpc','containerDefinitions':[{'name':'app','image':'i','memory':6,"
                   "'healthCheck':{'command':['CMD','true']}}]}");
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'bridge','networkMode':'bridge','containerDefinitions':[{'name':'app','image':'i','memory':6,'portMappings':["
                   "{'containerPort':80}]}]}");
        w->c.h.service = "servicediscovery";
        harness_ok(&w->c.h, "CreatePrivateDnsNamespace", "{'Name':'internal','Vpc':'%s'}", networks.vpc);
        harness_ok(&w->c.h, "ListNamespaces", "{}");
        harness_ok(&w->c.h, "CreateService",
                   "{'Name':'web','NamespaceId':'%s','DnsConfig':{'DnsRecords':[%s]},'HealthCheckCustomConfig':{}}",
                   strdupa(harness_text(&w->c.h, "Namespaces[0].Id")), records);
        snprintf(w->arn, sizeof(w->arn), "%s", harness_text(&w->c.h, "Service.Arn"));
        snprintf(w->id, sizeof(w->id), "%s", harness_text(&w->c.h, "Service.Id"));
        w->c.h.service = "ecs";
}

static void end(struct world *w)
{
        fake_done(&w->fake);
        cluster_end(&w->c);
}

static void create(struct world *w, const char *family, int desired, const char *registry)
{
        harness_ok(&w->c.h, "CreateService",
                   "{'cluster':'lab','serviceName':'web','taskDefinition':'%s','desiredCount':%d,'serviceRegistries':[{'registryArn':'%s'%"
                   "s}]%s%s%s}",
                   family, desired, w->arn, registry,
                   str_eq(family, "bridge") ? "" : ",'networkConfiguration':{'awsvpcConfiguration':{'subnets':['",
                   str_eq(family, "bridge") ? "" : w->subnet, str_eq(family, "bridge") ? "" : "']}}");
        cluster_run(&w->c);
}

/* The n-th task of the service that is not STOPPED. */
static struct task *task_of(struct world *w, int n)
{
        list_for_each (task, &model_service(w->c.h.model, "lab", "web")->tasks, struct task, in_service)
                if (n-- == 0)
                        return task;
        fail_msg("there is no such task");
        return NULL;
}

static void report(struct world *w, const struct task *task, const char *status, const char *bindings)
{
        w->c.h.service = "ecs";
        harness_ok(
                &w->c.h, "SubmitTaskStateChange",
                "{'cluster':'lab','task':'%s','status':'%s','containers':[{'containerName':'app','status':'%s','networkBindings':[%s]}]}",
                task->state->id, status, status, bindings);
        cluster_run(&w->c);
}

static size_t discovered(struct world *w, const char *health)
{
        w->c.h.service = "servicediscovery";
        harness_ok(&w->c.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','HealthStatus':'%s'}", health);
        w->c.h.service = "ecs";
        return harness_count(&w->c.h, "Instances");
}

static int64_t revision(struct world *w)
{
        (void)discovered(w, "ALL");
        return harness_int(&w->c.h, "InstancesRevision");
}

static void expect(struct world *w, const char *path, const char *value)
{
        const char *got = harness_text(&w->c.h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, w->c.h.text.data);
}

static void test_running_tasks_are_instances(void **state)
{
        struct world w;
        const struct task *task;
        int64_t before;

        begin(&w, "{'Type':'A','TTL':10}");
        before = revision(&w);
        create(&w, "vpc", 2, "");
        assert_int_equal(discovered(&w, "ALL"), 0);
        report(&w, task_of(&w, 0), "RUNNING", "");
        assert_int_equal(discovered(&w, "HEALTHY"), 1);
        assert_true(harness_int(&w.c.h, "InstancesRevision") > before);
        task = task_of(&w, 0);
        expect(&w, "Instances[0].InstanceId", task->state->id);
        expect(&w, "Instances[0].HealthStatus", "HEALTHY");
        expect(&w, "Instances[0].Attributes.AWS_INSTANCE_IPV4", task_network_detail(task->state, "privateIPv4Address"));
        expect(&w, "Instances[0].Attributes.AWS_INIT_HEALTH_STATUS", "HEALTHY");
        expect(&w, "Instances[0].Attributes.ECS_CLUSTER_NAME", "lab");
        expect(&w, "Instances[0].Attributes.ECS_SERVICE_NAME", "web");
        expect(&w, "Instances[0].Attributes.ECS_TASK_DEFINITION_FAMILY", "vpc");
        expect(&w, "Instances[0].Attributes.AVAILABILITY_ZONE", "us-east-1a");
        expect(&w, "Instances[0].Attributes.REGION", "us-east-1");
        assert_non_null(harness_text(&w.c.h, "Instances[0].Attributes.EC2_INSTANCE_ID"));
        assert_false(harness_has(&w.c.h, "Instances[0].Attributes.AWS_INSTANCE_PORT"));
        report(&w, task_of(&w, 1), "RUNNING", "");
        assert_int_equal(discovered(&w, "HEALTHY"), 2);
        before = harness_int(&w.c.h, "InstancesRevision");
        /* It leaves when it is to stop, before its agent hears of it. */
        harness_ok(&w.c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task_of(&w, 0)->state->id);
        assert_int_equal(discovered(&w, "ALL"), 1);
        assert_true(harness_int(&w.c.h, "InstancesRevision") > before);
        harness_ok(&w.c.h, "UpdateService", "{'cluster':'lab','service':'web','desiredCount':0}");
        cluster_run(&w.c);
        assert_int_equal(discovered(&w, "ALL"), 0);
        end(&w);
}

static void test_the_state_is_enough(void **state)
{
        struct world w;

        begin(&w, "{'Type':'A','TTL':10},{'Type':'SRV','TTL':10}");
        create(&w, "vpc", 1, ",'port':8080");
        report(&w, task_of(&w, 0), "RUNNING", "");
        fake_done(&w.fake);
        cluster_restart(&w.c);
        assert_int_equal(discovered(&w, "ALL"), 1);
        expect(&w, "Instances[0].Attributes.AWS_INSTANCE_PORT", "8080");
        end(&w);
}

static void test_a_lost_node_takes_its_tasks_along(void **state)
{
        struct world w;
        int64_t before;

        begin(&w, "{'Type':'A','TTL':10}");
        create(&w, "vpc", 1, "");
        report(&w, task_of(&w, 0), "RUNNING", "");
        before = revision(&w);
        fake_disconnect(&w.fake);
        assert_int_equal(discovered(&w, "ALL"), 1);
        cluster_wait(&w.c, 60000);
        assert_int_equal(discovered(&w, "ALL"), 0);
        assert_true(harness_int(&w.c.h, "InstancesRevision") > before);
        end(&w);
}

static void set_health(struct world *w, enum ecs_health_status health)
{
        struct task *task = task_of(w, 0);
        struct tx *tx = tx_begin(w->c.h.model);
        struct state_task *copy = tx_edit(tx, &task->object);

        assert_true(task_set_health(task, copy, "app", health));
        task_put(w->c.h.model, tx, task, copy);
        tx_commit(tx);
}

static void test_health_checks_count(void **state)
{
        struct world w;

        begin(&w, "{'Type':'A','TTL':10}");
        create(&w, "checked", 1, "");
        report(&w, task_of(&w, 0), "RUNNING", "");
        assert_int_equal(discovered(&w, "HEALTHY"), 0);
        assert_int_equal(discovered(&w, "UNHEALTHY"), 1);
        expect(&w, "Instances[0].Attributes.AWS_INIT_HEALTH_STATUS", "UNHEALTHY");
        set_health(&w, ECS_HEALTH_STATUS_HEALTHY);
        assert_int_equal(discovered(&w, "HEALTHY"), 1);
        set_health(&w, ECS_HEALTH_STATUS_UNHEALTHY);
        assert_int_equal(discovered(&w, "HEALTHY"), 0);
        end(&w);
}

static void test_ports_of_the_machine(void **state)
{
        struct world w;

        begin(&w, "{'Type':'SRV','TTL':10}");
        create(&w, "bridge", 1, ",'containerName':'app','containerPort':80");
        report(&w, task_of(&w, 0), "RUNNING", "");
        assert_int_equal(discovered(&w, "ALL"), 0); /* nobody knows the port yet */
        report(&w, task_of(&w, 0), "RUNNING", "{'bindIP':'0.0.0.0','containerPort':80,'hostPort':32768,'protocol':'tcp'}");
        assert_int_equal(discovered(&w, "ALL"), 1);
        expect(&w, "Instances[0].Attributes.AWS_INSTANCE_IPV4", "192.0.2.7");
        expect(&w, "Instances[0].Attributes.AWS_INSTANCE_PORT", "32768");
        end(&w);
}

static void test_nobody_else_changes_them(void **state)
{
        struct world w;
        const char *task;

        begin(&w, "{'Type':'A','TTL':10}");
        create(&w, "vpc", 1, "");
        report(&w, task_of(&w, 0), "RUNNING", "");
        task = strdupa(task_of(&w, 0)->state->id);
        w.c.h.service = "servicediscovery";
        assert_int_equal(harness_call(&w.c.h, "DeregisterInstance", "{'ServiceId':'%s','InstanceId':'%s'}", w.id, task), 400);
        expect(&w, "__type", "ResourceInUse");
        assert_int_equal(harness_call(&w.c.h, "RegisterInstance",
                                      "{'ServiceId':'%s','InstanceId':'%s','Attributes':{'AWS_INSTANCE_IPV4':'10.0.0.1'}}", w.id, task),
                         400);
        expect(&w, "__type", "ResourceInUse");
        assert_int_equal(harness_call(&w.c.h, "UpdateInstanceCustomHealthStatus",
                                      "{'ServiceId':'%s','InstanceId':'%s','Status':'UNHEALTHY'}", w.id, task),
                         400);
        expect(&w, "__type", "InvalidInput");
        assert_int_equal(harness_call(&w.c.h, "DeleteService", "{'Id':'%s'}", w.id), 400);
        expect(&w, "__type", "ResourceInUse");
        harness_ok(&w.c.h, "ListInstances", "{'ServiceId':'%s'}", w.id);
        expect(&w, "Instances[0].Id", task);
        harness_ok(&w.c.h, "GetService", "{'Id':'%s'}", w.id);
        assert_int_equal(harness_int(&w.c.h, "Service.InstanceCount"), 1);
        end(&w);
}

static void test_refusals(void **state)
{
        static const struct {
                const char *records, *family, *registry, *text;
        } cases[] = {
                {"{'Type':'A','TTL':10}", "bridge", ",'containerName':'app','containerPort':80", "awsvpc"},
                {"{'Type':'SRV','TTL':10}", "bridge", "", "containerName"},
                {"{'Type':'SRV','TTL':10}", "vpc", "", "port, or containerName"},
                {"{'Type':'SRV','TTL':10}", "vpc", ",'containerName':'app','containerPort':81", "81"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct world w;
                CLEANUP_BUF struct buf json = {0};

                begin(&w, cases[i].records);
                buf_printf(
                        &json,
                        "{'cluster':'lab','serviceName':'web','taskDefinition':'%s','desiredCount':1,"
                        "'networkConfiguration':{'awsvpcConfiguration':{'subnets':['%s']}},'serviceRegistries':[{'registryArn':'%s'%s}]}",
                        cases[i].family, w.subnet, w.arn, cases[i].registry);
                if (str_eq(cases[i].family, "bridge")) {
                        buf_clear(&json);
                        buf_printf(&json,
                                   "{'cluster':'lab','serviceName':'web','taskDefinition':'bridge','desiredCount':1,"
                                   "'serviceRegistries':[{'registryArn':'%s'%s}]}",
                                   w.arn, cases[i].registry);
                }
                harness_fails(&w.c.h, "CreateService", json.data, INVALID, cases[i].text);
                end(&w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_running_tasks_are_instances),
                cmocka_unit_test(test_the_state_is_enough),
                cmocka_unit_test(test_a_lost_node_takes_its_tasks_along),
                cmocka_unit_test(test_health_checks_count),
                cmocka_unit_test(test_ports_of_the_machine),
                cmocka_unit_test(test_nobody_else_changes_them),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
