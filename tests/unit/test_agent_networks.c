/* SPDX-License-Identifier: Apache-2.0 */
/* What agents are told of networks, and when. */
#include <uv.h>

#include "base/strutil.h"
#include "control/interface.h"
#include "control/network.h"
#include "control/task_network.h"
#include "model/balancer.h"

#include "cluster_harness.h"
#include "unit.h"

#define CAPABLE "{'name':'ecs.capability.task-eni'},{'name':'gantry.capability.network'}"

struct world {
        struct cluster_harness c;
        struct fake_agent a, b;
        char ids[2][33];
        char subnet[32];
};

static void expect(struct world *w, const char *path, const char *value)
{
        const char *got = harness_text(&w->c.h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, w->c.h.text.data);
}

static void begin_with(struct world *w, const struct agents_options *options)
{
        static const char *const attributes[] = {CAPABLE ",{'name':'gantry.node-address','value':'10.0.0.1'}",
                                                 CAPABLE ",{'name':'gantry.node-address','value':'10.0.0.2'}"};

        *w = (struct world){0};
        cluster_begin(&w->c, options);
        for (int i = 0; i < 2; i++)
                cluster_register(&w->c, 2048, 1000, attributes[i], w->ids[i]);
        harness_ok(&w->c.h, "RegisterTaskDefinition",
                   "{'family':'vpc','networkMode':'awsvpc','containerDefinitions':[{'name':'c','image':'i','memory':6}]}");
        list_for_each (subnet, &model_default_vpc(w->c.h.model)->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->zone, "us-east-1a"))
                        snprintf(w->subnet, sizeof(w->subnet), "%s", subnet->state->id);
}

static void begin(struct world *w)
{
        begin_with(w, NULL);
}

static void end(struct world *w)
{
        fake_done(&w->a);
        fake_done(&w->b);
        cluster_end(&w->c);
}

/* Runs a task on instance `i`; its id. */
static void run_on(struct world *w, int i, char ret[33])
{
        harness_ok(&w->c.h, "StartTask",
                   "{'cluster':'lab','taskDefinition':'vpc','containerInstances':['%s'],'networkConfiguration':{'awsvpcConfiguration':"
                   "{'subnets':['%s']}}}",
                   w->ids[i], w->subnet);
        snprintf(ret, 33, "%s", strrchr(harness_text(&w->c.h, "tasks[0].taskArn"), '/') + 1);
        agents_flush(w->c.agents);
}

static void greet(struct world *w, struct fake_agent *fake, int i)
{
        fake_connect(&w->c, fake, w->ids[i], false);
        fake_next(fake, "NetworkMessage");
        assert_true(harness_true(&w->c.h, "all"));
}

static void test_pictures(void **state)
{
        struct world w;
        char first[33], second[33];

        begin(&w);
        greet(&w, &w.a, 0);
        assert_null(harness_text(&w.c.h, "vpcs[0].vpcId"));
        fake_next(&w.a, "TaskManifestMessage");
        run_on(&w, 0, first);
        /* The whole VPC, before the task. */
        fake_next(&w.a, "NetworkMessage");
        expect(&w, "vpcs[0].vpcId", model_default_vpc(w.c.h.model)->state->id);
        assert_true(harness_true(&w.c.h, "vpcs[0].full"));
        expect(&w, "vpcs[0].ranges[0]", "172.31.0.0/16");
        expect(&w, "vpcs[0].members[0].address", "172.31.0.4");
        expect(&w, "vpcs[0].members[0].instanceId", w.ids[0]);
        expect(&w, "vpcs[0].members[0].nodeAddress", "10.0.0.1");
        assert_true(harness_true(&w.c.h, "vpcs[0].members[0].publicAddress"));
        expect(&w, "vpcs[0].subnets[0].routes[0].target", "INTERNET");
        expect(&w, "vpcs[0].groups[0].groupId", model_default_vpc(w.c.h.model)->default_group->state->id);
        fake_next(&w.a, "PayloadMessage");
        expect(&w, "tasks[0].elasticNetworkInterfaces[0].ipv4Addresses[0].privateAddress", "172.31.0.4");
        expect(&w, "tasks[0].elasticNetworkInterfaces[0].subnetGatewayIpv4Address", "172.31.0.1/20");
        expect(&w, "tasks[0].elasticNetworkInterfaces[0].domainNameServers[0]", "172.31.0.2");
        expect(&w, "tasks[0].elasticNetworkInterfaces[0].privateDnsName", "ip-172-31-0-4.ec2.internal");
        /* A task elsewhere is news for this agent, and the whole for the other. */
        greet(&w, &w.b, 1);
        fake_next(&w.b, "TaskManifestMessage");
        run_on(&w, 1, second);
        fake_next(&w.a, "NetworkMessage");
        assert_false(harness_has(&w.c.h, "vpcs[0].full"));
        expect(&w, "vpcs[0].members[0].address", "172.31.0.5");
        expect(&w, "vpcs[0].members[0].nodeAddress", "10.0.0.2");
        assert_null(harness_text(&w.c.h, "vpcs[0].members[1].address"));
        assert_null(harness_text(&w.c.h, "vpcs[0].groups[0].groupId"));
        fake_next(&w.b, "NetworkMessage");
        assert_true(harness_true(&w.c.h, "vpcs[0].full"));
        expect(&w, "vpcs[0].members[1].address", "172.31.0.5");
        fake_next(&w.b, "PayloadMessage");
        /* It ends: gone there, and the other node has no part any more. */
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", second);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_true(str_starts_with(harness_text(&w.c.h, "vpcs[0].gone[0]"), "eni-"));
        fake_next(&w.b, "NetworkMessage");
        expect(&w, "gone[0]", model_default_vpc(w.c.h.model)->state->id);
        assert_null(harness_text(&w.c.h, "vpcs[0].vpcId"));
        end(&w);
}

/* Rules, routes and public addresses are told to those who have a part. */
static void test_changes(void **state)
{
        struct world w;
        char task[33];
        struct tx *tx;
        struct state_security_group *group;
        struct state_subnet *subnet;
        struct state_network_acl *entries;
        struct network_acl *acl;
        struct vpc *vpc;

        begin(&w);
        greet(&w, &w.a, 0);
        fake_next(&w.a, "TaskManifestMessage");
        run_on(&w, 0, task);
        fake_next(&w.a, "NetworkMessage");
        fake_next(&w.a, "PayloadMessage");
        vpc = model_default_vpc(w.c.h.model);
        tx = tx_begin(w.c.h.model);
        group = tx_edit(tx, &vpc->default_group->object);
        *SHAPE_PUSH(tx_arena(tx), &group->rules) =
                (struct state_security_group_rule){.id = "sgr-1", .protocol = "tcp", .cidr = "10.0.0.0/8"};
        SHAPE_SET(&group->rules.items[group->rules.n - 1], state_security_group_rule, from_port, 80);
        SHAPE_SET(&group->rules.items[group->rules.n - 1], state_security_group_rule, to_port, 81);
        tx_put(tx, &vpc->default_group->object, group);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].groups[0].rules[2].protocol"), 6);
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].groups[0].rules[2].fromPort"), 80);
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].groups[0].rules[2].toPort"), 81);
        expect(&w, "vpcs[0].groups[0].rules[2].cidr", "10.0.0.0/8");
        assert_null(harness_text(&w.c.h, "vpcs[0].members[0].address"));
        tx = tx_begin(w.c.h.model);
        subnet = tx_edit(tx, &model_subnet(w.c.h.model, w.subnet)->object);
        SHAPE_SET(subnet, state_subnet, map_public_ip, false);
        tx_put(tx, &model_subnet(w.c.h.model, w.subnet)->object, subnet);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_false(harness_has(&w.c.h, "vpcs[0].members[0].publicAddress"));
        assert_false(harness_has(&w.c.h, "vpcs[0].subnets[0].acl"));
        /* The default ACL lets everything through, until an entry before that says something else. */
        acl = model_network_acl(w.c.h.model, model_subnet(w.c.h.model, w.subnet)->state->acl);
        tx = tx_begin(w.c.h.model);
        entries = tx_edit(tx, &acl->object);
        entries->entries.items[2].cidr = "10.0.0.0/8";
        tx_put(tx, &acl->object, entries);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_true(harness_true(&w.c.h, "vpcs[0].subnets[0].acl[0].egress"));
        expect(&w, "vpcs[0].subnets[0].acl[2].cidr", "10.0.0.0/8");
        assert_true(harness_true(&w.c.h, "vpcs[0].subnets[0].acl[2].allow"));
        assert_false(harness_has(&w.c.h, "vpcs[0].subnets[0].acl[3].allow"));
        fake_nothing(&w.a);
        end(&w);
}

/* What was not acknowledged in time is told anew, as a whole; a new connection begins with everything. */
static void test_again(void **state)
{
        struct world w;
        char task[33];

        begin(&w);
        greet(&w, &w.a, 0);
        fake_say(&w.a, "{'type':'AckRequest','message':{'messageId':'%s'}}", harness_text(&w.c.h, "messageId"));
        fake_ack(&w.a, "TaskManifestMessage");
        run_on(&w, 0, task);
        fake_next(&w.a, "NetworkMessage");
        fake_ack(&w.a, "PayloadMessage");
        for (int i = 0; i < 12; i++) {
                fake_alive(&w.a);
                cluster_wait(&w.c, 1000);
        }
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_true(harness_true(&w.c.h, "all"));
        assert_true(harness_true(&w.c.h, "vpcs[0].full"));
        fake_disconnect(&w.a);
        fake_done(&w.a);
        greet(&w, &w.a, 0);
        expect(&w, "vpcs[0].members[0].address", "172.31.0.4");
        end(&w);
}

/* Agents that do not say that they can are told nothing. */
static void test_others(void **state)
{
        struct world w;

        begin(&w);
        fake_join(&w.c, &w.a, 1024, 500);
        fake_nothing(&w.a);
        end(&w);
}

/* A load balancer's interface is the machine's on which balancers run. */
static void test_balancers(void **state)
{
        struct state_load_balancer balancer = {.id = "00000000000000b1", .name = "web"};
        struct state_listener listener = {.balancer = "00000000000000b1", .id = "00000000000000c1", .port = 8443};
        struct world w;
        struct network_interface *interface = NULL;
        struct interface_request request = {
                .use = STATE_INTERFACE_USE_BALANCER,
                .owner = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/00000000000000b1",
                .requester_id = "amazon-elb"};
        struct error error = {0};
        struct tx *tx;
        char id[33];

        begin(&w);
        cluster_register(&w.c, 512, 500, CAPABLE ",{'name':'gantry.balancers'},{'name':'gantry.node-address','value':'10.0.0.3'}", id);
        fake_connect(&w.c, &w.a, id, false);
        fake_next(&w.a, "NetworkMessage");
        fake_next(&w.a, "TaskManifestMessage");
        tx = tx_begin(w.c.h.model);
        request.subnet = model_subnet(w.c.h.model, w.subnet);
        assert_int_equal(network_interface_create(w.c.h.model, tx, &request, &interface, &error), 0);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        expect(&w, "vpcs[0].members[0].instanceId", id);
        assert_true(harness_true(&w.c.h, "vpcs[0].members[0].onMachine"));
        /* Tasks may reach its ports, and no others of that machine. */
        tx = tx_begin(w.c.h.model);
        SHAPE_PUSH(tx_arena(tx), &balancer.zones)->interface_id = interface->state->id;
        tx_insert(tx, OBJECT_LOAD_BALANCER, &balancer);
        (void)tx_commit(tx);
        tx = tx_begin(w.c.h.model);
        tx_insert(tx, OBJECT_LISTENER, &listener);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].members[0].listenerPorts[0]"), 8443);
        tx = tx_begin(w.c.h.model);
        tx_remove(tx, &model_listener(w.c.h.model, listener.id)->object);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_false(harness_has(&w.c.h, "vpcs[0].members[0].listenerPorts"));
        tx = tx_begin(w.c.h.model);
        network_interface_delete(tx, interface);
        (void)tx_commit(tx);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        expect(&w, "gone[0]", model_default_vpc(w.c.h.model)->state->id);
        end(&w);
}

/* Two agents are back before what they rest on is durable, as when a server starts anew: each is told once. */
static void test_two_at_once(void **state)
{
        struct world w;
        uv_loop_t loop;
        struct tx *tx;

        uv_loop_init(&loop);
        begin_with(&w, &(struct agents_options){.loop = &loop});
        model_hold_commits(w.c.h.model);
        tx = tx_begin(w.c.h.model);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "pending", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_commit(tx);
        fake_connect(&w.c, &w.a, w.ids[0], false);
        fake_connect(&w.c, &w.b, w.ids[1], false);
        assert_int_equal(w.a.n + w.b.n, 0);
        assert_true(model_write(w.c.h.model));
        model_written(w.c.h.model);
        fake_next(&w.a, "NetworkMessage");
        fake_next(&w.a, "TaskManifestMessage");
        fake_next(&w.b, "NetworkMessage");
        fake_next(&w.b, "TaskManifestMessage");
        assert_int_equal(w.a.n, 2);
        assert_int_equal(w.b.n, 2);
        end(&w);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
}

/* Names of a private namespace of the VPC, for those who have a part in it: before the agent hears that a task shall stop. */
static void test_names(void **state)
{
        struct world w;
        char task[33], arn[128];
        const char *vpc;

        begin(&w);
        vpc = model_default_vpc(w.c.h.model)->state->id;
        greet(&w, &w.a, 0);
        fake_next(&w.a, "TaskManifestMessage");
        w.c.h.service = "servicediscovery";
        harness_ok(&w.c.h, "CreatePrivateDnsNamespace", "{'Name':'internal','Vpc':'%s'}", vpc);
        harness_ok(&w.c.h, "CreateHttpNamespace", "{'Name':'apis'}");
        harness_ok(&w.c.h, "ListNamespaces", "{'Filters':[{'Name':'TYPE','Values':['DNS_PRIVATE']}]}");
        harness_ok(&w.c.h, "CreateService",
                   "{'Name':'web','NamespaceId':'%s','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':7},{'Type':'SRV','TTL':8}]}}",
                   strdupa(harness_text(&w.c.h, "Namespaces[0].Id")));
        snprintf(arn, sizeof(arn), "%s", harness_text(&w.c.h, "Service.Arn"));
        w.c.h.service = "ecs";
        agents_flush(w.c.agents);
        fake_nothing(&w.a); /* it has no part in the VPC */
        harness_ok(&w.c.h, "CreateService",
                   "{'cluster':'lab','serviceName':'web','taskDefinition':'vpc','desiredCount':1,'networkConfiguration':{"
                   "'awsvpcConfiguration':{'subnets':['%s']}},'serviceRegistries':[{'registryArn':'%s','port':80}]}",
                   w.subnet, arn);
        cluster_run(&w.c);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_true(harness_true(&w.c.h, "vpcs[0].full"));
        assert_int_equal(harness_count(&w.c.h, "vpcs[0].zones"), 1);
        expect(&w, "vpcs[0].zones[0].name", "internal");
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].zones[0].ttl"), 15);
        assert_false(harness_has(&w.c.h, "vpcs[0].names[0].records"));
        fake_next(&w.a, "PayloadMessage");
        snprintf(task, sizeof(task), "%s", strrchr(harness_text(&w.c.h, "tasks[0].arn"), '/') + 1);
        fake_say(&w.a, "{'type':'AckRequest','message':{'messageId':'%s'}}", strdupa(harness_text(&w.c.h, "messageId")));
        harness_ok(&w.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'RUNNING'}", task);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_false(harness_has(&w.c.h, "vpcs[0].full"));
        assert_int_equal(harness_count(&w.c.h, "vpcs[0].names[0].records"), 3);
        expect(&w, "vpcs[0].names[0].records[0].owner", "web.internal");
        expect(&w, "vpcs[0].names[0].records[0].address", "172.31.0.4");
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].names[0].records[0].ttl"), 7);
        assert_int_equal(harness_int(&w.c.h, "vpcs[0].names[0].records[1].port"), 80);
        assert_true(str_starts_with(harness_text(&w.c.h, "vpcs[0].names[0].records[1].target"), task));
        expect(&w, "vpcs[0].names[0].records[2].address", "172.31.0.4");
        harness_ok(&w.c.h, "StopTask", "{'cluster':'lab','task':'%s'}", task);
        agents_flush(w.c.agents);
        fake_next(&w.a, "NetworkMessage");
        assert_int_equal(harness_count(&w.c.h, "vpcs[0].names"), 1);
        assert_false(harness_has(&w.c.h, "vpcs[0].names[0].records"));
        fake_next(&w.a, "PayloadMessage");
        expect(&w, "tasks[0].desiredStatus", "STOPPED");
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pictures),    cmocka_unit_test(test_names),  cmocka_unit_test(test_changes),
                cmocka_unit_test(test_again),       cmocka_unit_test(test_others), cmocka_unit_test(test_balancers),
                cmocka_unit_test(test_two_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
