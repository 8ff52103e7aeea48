/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks in awsvpc mode: what is checked, which subnet they get, and how long their interface lives. */
#include "base/strutil.h"
#include "control/network.h"
#include "control/task_network.h"

#include "cluster_harness.h"
#include "unit.h"

struct world {
        struct cluster_harness c;
        struct fake_agent fake;
        char subnet_a[32], subnet_b[32], task[33];
};

static void expect(struct world *w, const char *path, const char *value)
{
        const char *got = harness_text(&w->c.h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, w->c.h.text.data);
}

static void subnet_of(struct world *w, const char *zone, char ret[32])
{
        list_for_each (subnet, &model_default_vpc(w->c.h.model)->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->zone, zone))
                        snprintf(ret, 32, "%s", subnet->state->id);
}

static void begin(struct world *w)
{
        char id[33];

        *w = (struct world){0};
        cluster_begin(&w->c, NULL);
        cluster_register(&w->c, 2048, 1000, "{'name':'ecs.capability.task-eni'}", id);
        fake_connect(&w->c, &w->fake, id, false);
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'vpc','networkMode':'awsvpc','containerDefinitions':[{'name':'c','image':'i','memory':6},"
                   "{'name':'d','image':'i','memory':6}]}");
        subnet_of(w, "us-east-1a", w->subnet_a);
        subnet_of(w, "us-east-1b", w->subnet_b);
}

static void end(struct world *w)
{
        fake_done(&w->fake);
        cluster_end(&w->c);
}

static void run(struct world *w, const char *subnets)
{
        harness_ok(&w->c.h, "RunTask",
                   "{'cluster':'lab','taskDefinition':'vpc','networkConfiguration':{'awsvpcConfiguration':{'subnets':[%s]}}}", subnets);
}

static void run_in_a(struct world *w)
{
        char list[64];

        snprintf(list, sizeof(list), "'%s'", w->subnet_a);
        run(w, list);
        snprintf(w->task, sizeof(w->task), "%s", strrchr(harness_text(&w->c.h, "tasks[0].taskArn"), '/') + 1);
}

static size_t interfaces(struct world *w)
{
        return model_objects(w->c.h.model, OBJECT_NETWORK_INTERFACE)->count;
}

static void test_a_task_gets_an_interface(void **state)
{
        static const char *const names[] = {"subnetId", "networkInterfaceId", "macAddress", "privateDnsName", "privateIPv4Address"};
        struct network_interface *interface;
        struct world w;

        begin(&w);
        run_in_a(&w);
        expect(&w, "tasks[0].attachments[0].type", "ElasticNetworkInterface");
        expect(&w, "tasks[0].attachments[0].status", "PRECREATED");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char path[64];

                snprintf(path, sizeof(path), "tasks[0].attachments[0].details[%zu].name", i);
                expect(&w, path, names[i]);
        }
        expect(&w, "tasks[0].attachments[0].details[0].value", w.subnet_a);
        expect(&w, "tasks[0].attachments[0].details[2].value", "0a:01:ac:1f:00:04");
        expect(&w, "tasks[0].attachments[0].details[3].value", "ip-172-31-0-4.ec2.internal");
        expect(&w, "tasks[0].attachments[0].details[4].value", "172.31.0.4");
        expect(&w, "tasks[0].containers[0].networkInterfaces[0].privateIpv4Address", "172.31.0.4");
        expect(&w, "tasks[0].containers[1].networkInterfaces[0].privateIpv4Address", "172.31.0.4");
        interface = model_network_interface(w.c.h.model, harness_text(&w.c.h, "tasks[0].attachments[0].details[1].value"));
        assert_non_null(interface);
        assert_int_equal(interface->state->use, STATE_INTERFACE_USE_TASK);
        assert_true(str_ends_with(interface->state->description, harness_text(&w.c.h, "tasks[0].attachments[0].id")));
        assert_string_equal(interface->memberships[0].group->state->name, "default");
        end(&w);
}

static void test_the_interface_ends_with_the_task(void **state)
{
        struct world w;

        begin(&w);
        run_in_a(&w);
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'RUNNING'}", w.task);
        harness_ok(&w.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", w.task);
        expect(&w, "tasks[0].attachments[0].status", "ATTACHED");
        assert_int_equal(interfaces(&w), 1);
        cluster_restart(&w.c);
        assert_int_equal(interfaces(&w), 1);
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", w.task);
        assert_int_equal(interfaces(&w), 0);
        harness_ok(&w.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", w.task);
        expect(&w, "tasks[0].attachments[0].status", "DELETED");
        expect(&w, "tasks[0].attachments[0].details[4].value", "172.31.0.4");
        assert_int_equal(subnet_free(model_subnet(w.c.h.model, w.subnet_a)), 4091);
        end(&w);
}

static void test_other_ends(void **state)
{
        struct world w;
        struct tx *tx;

        begin(&w);
        run_in_a(&w);
        fake_disconnect(&w.fake);
        harness_ok(&w.c.h, "DeregisterContainerInstance", "{'cluster':'lab','containerInstance':'%s','force':true}", w.fake.instance);
        assert_int_equal(interfaces(&w), 0);
        /* What a task left behind that was not ended by task_put. */
        tx = tx_begin(w.c.h.model);
        for (int i = 0; i < 2; i++) {
                struct network_interface *interface;
                struct error error = {0};
                struct interface_request request = {.subnet = model_subnet(w.c.h.model, w.subnet_a),
                                                    .use = i ? STATE_INTERFACE_USE_BALANCER : STATE_INTERFACE_USE_TASK,
                                                    .owner = "lab/none"};

                assert_int_equal(network_interface_create(w.c.h.model, tx, &request, &interface, &error), 0);
        }
        tx_commit(tx);
        assert_int_equal(task_network_sweep(w.c.h.model), 1);
        assert_int_equal(interfaces(&w), 1);
        end(&w);
}

static void test_zone_of_the_instance(void **state)
{
        char list[128];
        struct world w;

        begin(&w);
        snprintf(list, sizeof(list), "'%s','%s'", w.subnet_b, w.subnet_a);
        run(&w, list);
        expect(&w, "tasks[0].attachments[0].details[0].value", w.subnet_a);
        snprintf(list, sizeof(list), "'%s'", w.subnet_b);
        run(&w, list);
        expect(&w, "failures[0].reason", "LOCATION");
        harness_ok(&w.c.h, "StartTask",
                   "{'cluster':'lab','taskDefinition':'vpc','containerInstances':['%s'],'networkConfiguration':"
                   "{'awsvpcConfiguration':{'subnets':[%s]}}}",
                   w.fake.instance, list);
        expect(&w, "failures[0].reason", "LOCATION");
        assert_int_equal(interfaces(&w), 1);
        end(&w);
}

static void test_no_addresses_left(void **state)
{
        struct cidr cidr = {0xac1ffff0, 28};
        struct subnet *small;
        struct world w;
        struct tx *tx;
        char list[64];

        begin(&w);
        tx = tx_begin(w.c.h.model);
        small = network_subnet_create(w.c.h.model, tx,
                                      &(struct subnet_request){.vpc = model_default_vpc(w.c.h.model), .range = cidr, .zone = "us-east-1a"});
        tx_commit(tx);
        snprintf(list, sizeof(list), "'%s'", small->state->id);
        for (int i = 0; i < 11; i++)
                run(&w, list);
        assert_int_equal(harness_count(&w.c.h, "failures"), 0);
        run(&w, list);
        assert_int_equal(harness_count(&w.c.h, "tasks"), 0);
        expect(&w, "failures[0].reason", "RESOURCE:ENI");
        assert_int_equal(subnet_free(small), 0);
        end(&w);
}

static void test_refusals(void **state)
{
        static const struct {
                const char *config, *text; /* %A: the subnet */
        } rows[] = {
                {"{'subnets':[]}", "subnets can not be empty."},
                {"{'subnets':['a','b','c','d','e','f','g','h','i','j','k','l','m','n','o','p','q']}", "subnets can have at most 16 items."},
                {"{'subnets':['subnet-0']}", "The subnet ID 'subnet-0' does not exist (ErrorCode: InvalidSubnetID.NotFound)"},
                {"{'subnets':['%s'],'securityGroups':['sg-0']}",
                 "The security group 'sg-0' does not exist (ErrorCode: InvalidGroup.NotFound)"},
                {"{'subnets':['%s'],'securityGroups':['1','2','3','4','5','6']}", "securityGroups can have at most 5 items."},
                {"{'subnets':['%s'],'assignPublicIp':'ENABLED'}", "Assign public IP is not supported for this launch type."},
        };
        struct world w;

        begin(&w);
        harness_fails(&w.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'vpc'}", "InvalidParameterException",
                      "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const char *at = strstr(rows[i].config, "%s");
                char config[256], json[512];

                snprintf(config, sizeof(config), "%.*s%s%s", (int)(at ? at - rows[i].config : (int)strlen(rows[i].config)), rows[i].config,
                         at ? w.subnet_a : "", at ? at + 2 : "");
                snprintf(json, sizeof(json), "{'cluster':'lab','taskDefinition':'vpc','networkConfiguration':{'awsvpcConfiguration':%s}}",
                         config);
                harness_fails(&w.c.h, "RunTask", json, "InvalidParameterException", rows[i].text);
        }
        assert_int_equal(interfaces(&w), 0);
        end(&w);
}

/* The node as EC2 knows it, and the interfaces on it. */
static void test_instances(void **state)
{
        char id[32];
        struct world w;

        begin(&w);
        run_in_a(&w);
        snprintf(id, sizeof(id), "i-%.17s", w.fake.instance);
        harness_ok(&w.c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s']}", w.fake.instance);
        expect(&w, "containerInstances[0].ec2InstanceId", id);
        w.c.h.service = "ec2";
        harness_ok(&w.c.h, "DescribeInstances", "{'InstanceId':['%s']}", id);
        expect(&w, "reservationSet[0].instancesSet[0].instanceState.name", "running");
        expect(&w, "reservationSet[0].instancesSet[0].placement.availabilityZone", "us-east-1a");
        harness_ok(&w.c.h, "DescribeInstances", "{'Filter':[{'Name':'availability-zone','Value':['*b']}]}");
        assert_int_equal(harness_count(&w.c.h, "reservationSet"), 0);
        harness_fails(&w.c.h, "DescribeInstances", "{'InstanceId':['i-0']}", "InvalidInstanceID.NotFound", "i-0");
        harness_ok(&w.c.h, "DescribeInstanceStatus", "{}");
        expect(&w, "instanceStatusSet[0].instanceStatus.status", "ok");
        harness_ok(&w.c.h, "DescribeNetworkInterfaces", "{'Filter':[{'Name':'attachment.instance-id','Value':['%s']}]}", id);
        assert_int_equal(harness_count(&w.c.h, "networkInterfaceSet"), 1);
        expect(&w, "networkInterfaceSet[0].status", "in-use");
        fake_disconnect(&w.fake);
        harness_ok(&w.c.h, "DescribeInstanceStatus", "{'Filter':[{'Name':'instance-status.status','Value':['impaired']}]}");
        assert_int_equal(harness_count(&w.c.h, "instanceStatusSet"), 1);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_task_gets_an_interface),
                cmocka_unit_test(test_the_interface_ends_with_the_task),
                cmocka_unit_test(test_other_ends),
                cmocka_unit_test(test_zone_of_the_instance),
                cmocka_unit_test(test_no_addresses_left),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_instances),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
