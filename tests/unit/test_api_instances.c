/* SPDX-License-Identifier: Apache-2.0 */
/* Container instances through the API: registering (also again), describe, list, drain, deregister. */
#include <jansson.h>

#include "base/strutil.h"

#include "cluster_harness.h"
#include "unit.h"

static char text[256];

/* The value that the last answer has for an attribute; NULL: no such attribute, "": no value. */
static const char *attribute(struct cluster_harness *c, const char *list, const char *name)
{
        for (size_t i = 0; i < harness_count(&c->h, list); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s[%zu].name", list, i);
                if (!str_eq(harness_text(&c->h, path), name))
                        continue;
                snprintf(path, sizeof(path), "%s[%zu].value", list, i);
                snprintf(text, sizeof(text), "%s", harness_text(&c->h, path) ? harness_text(&c->h, path) : "");
                return text;
        }
        return NULL;
}

#define ATTRIBUTES "containerInstance.attributes"

static void test_every_attribute_comes_back(void **state)
{
        struct cluster_harness c;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "{'name':'stack','value':'prod'},{'name':'bare'},{'name':'odd','value':''}", id);
        assert_int_equal(strlen(id), 32);
        assert_string_equal(attribute(&c, ATTRIBUTES, "stack"), "prod");
        assert_string_equal(attribute(&c, ATTRIBUTES, "bare"), "");
        assert_non_null(attribute(&c, ATTRIBUTES, "odd"));
        assert_string_equal(attribute(&c, ATTRIBUTES, "ecs.availability-zone"), "us-east-1a");
        assert_string_equal(harness_text(&c.h, "containerInstance.status"), "ACTIVE");
        assert_false(harness_true(&c.h, "containerInstance.agentConnected"));
        cluster_end(&c);
}

static void test_registering_again(void **state)
{
        struct cluster_harness c;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "{'name':'stack','value':'prod'},{'name':'ecs.capability.old'}", id);
        harness_ok(&c.h, "PutAttributes", "{'cluster':'lab','attributes':[{'name':'mine','value':'1','targetId':'%s'}]}", id);
        harness_ok(&c.h, "RegisterContainerInstance",
                   "{'cluster':'lab','containerInstanceArn':'arn:aws:ecs:us-east-1:123456789012:container-instance/lab/%s',"
                   "'attributes':[{'name':'ecs.capability.new'},{'name':'ecs.availability-zone','value':'z1'}],"
                   "'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':4096},{'name':'MEMORY','type':'INTEGER','integerValue':"
                   "500}]}",
                   id);
        assert_true(str_ends_with(harness_text(&c.h, "containerInstance.containerInstanceArn"), id));
        /* What users put and what the node's configuration said at first stays; the agent's own is replaced. */
        assert_string_equal(attribute(&c, ATTRIBUTES, "stack"), "prod");
        assert_string_equal(attribute(&c, ATTRIBUTES, "mine"), "1");
        assert_non_null(attribute(&c, ATTRIBUTES, "ecs.capability.new"));
        assert_null(attribute(&c, ATTRIBUTES, "ecs.capability.old"));
        assert_string_equal(attribute(&c, ATTRIBUTES, "ecs.availability-zone"), "z1");
        assert_int_equal(harness_int(&c.h, "containerInstance.registeredResources[0].integerValue"), 4096);
        assert_int_equal(harness_int(&c.h, "containerInstance.version"), 3);

        harness_fails(&c.h, "RegisterContainerInstance", "{'cluster':'lab','containerInstanceArn':'0123456789abcdef0123456789abcdef'}",
                      "ClientException", "not known");
        cluster_end(&c);
}

static void test_registration_is_repeated_with_its_token(void **state)
{
        struct cluster_harness c;
        char arn[160];

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "RegisterContainerInstance", "{'cluster':'lab','clientToken':'t1'}");
        snprintf(arn, sizeof(arn), "%s", harness_text(&c.h, "containerInstance.containerInstanceArn"));
        harness_ok(&c.h, "RegisterContainerInstance", "{'cluster':'lab','clientToken':'t1'}");
        assert_string_equal(harness_text(&c.h, "containerInstance.containerInstanceArn"), arn);
        harness_ok(&c.h, "RegisterContainerInstance", "{'cluster':'lab','clientToken':'t2'}");
        assert_string_not_equal(harness_text(&c.h, "containerInstance.containerInstanceArn"), arn);
        cluster_end(&c);
}

static void test_refused_registrations(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        /* The stock agent makes the default cluster when it reads exactly this. */
        harness_fails(&c.h, "RegisterContainerInstance", "{}", "ClientException", "Cluster not found.");
        assert_string_equal(harness_text(&c.h, "message"), "Cluster not found.");
        harness_fails(&c.h, "RegisterContainerInstance",
                      "{'cluster':'lab','totalResources':[{'name':'CPU','type':'INTEGER','integerValue':-1}]}", "InvalidParameterException",
                      "CPU");
        harness_fails(&c.h, "RegisterContainerInstance",
                      "{'cluster':'lab','totalResources':[{'name':'PORTS','type':'STRINGSET','stringSetValue':['x']}]}",
                      "InvalidParameterException", "port");
        harness_fails(&c.h, "RegisterContainerInstance", "{'cluster':'lab','tags':[{'key':'aws:x','value':'1'}]}",
                      "InvalidParameterException", "aws:");
        cluster_end(&c);
}

static void test_identity_document(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        harness_ok(
                &c.h, "RegisterContainerInstance",
                "{'cluster':'lab','instanceIdentityDocument':'{\\'instanceId\\':\\'i-1\\',\\'instanceType\\':\\'t3.micro\\',"
                "\\'availabilityZone\\':\\'us-east-1c\\',\\'imageId\\':\\'ami-1\\',\\'new\\':1}','instanceIdentityDocumentSignature':'x'}");
        assert_string_equal(harness_text(&c.h, "containerInstance.ec2InstanceId"), "i-1");
        assert_string_equal(attribute(&c, ATTRIBUTES, "ecs.instance-type"), "t3.micro");
        assert_string_equal(attribute(&c, ATTRIBUTES, "ecs.availability-zone"), "us-east-1c");
        harness_ok(&c.h, "RegisterContainerInstance", "{'cluster':'lab','instanceIdentityDocument':'nonsense'}");
        cluster_end(&c);
}

static void test_describe_and_resources(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        harness_ok(&c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s','ffffffffffffffffffffffffffffffff']}",
                   fake.instance);
        assert_true(harness_true(&c.h, "containerInstances[0].agentConnected"));
        assert_string_equal(harness_text(&c.h, "containerInstances[0].versionInfo.agentVersion"), "1.105.0");
        assert_int_equal(harness_int(&c.h, "containerInstances[0].pendingTasksCount"), 1);
        assert_string_equal(harness_text(&c.h, "containerInstances[0].remainingResources[0].name"), "CPU");
        assert_int_equal(harness_count(&c.h, "containerInstances[0].remainingResources"), 4);
        assert_int_equal(harness_int(&c.h, "containerInstances[0].remainingResources[0].integerValue"), 2048 - 128);
        assert_int_equal(harness_int(&c.h, "containerInstances[0].remainingResources[1].integerValue"), 1000 - 64);
        assert_string_equal(harness_text(&c.h, "containerInstances[0].remainingResources[2].stringSetValue[0]"), "22");
        assert_int_equal(harness_count(&c.h, "containerInstances[0].registeredResources[3].stringSetValue"), 0);
        assert_string_equal(harness_text(&c.h, "failures[0].reason"), "MISSING");
        harness_fails(&c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':[]}", "InvalidParameterException",
                      "empty");
        harness_fails(&c.h, "DescribeContainerInstances", "{'cluster':'none','containerInstances':['x']}", "ClusterNotFoundException",
                      NULL);
        fake_done(&fake);
        cluster_end(&c);
}

static void test_list(void **state)
{
        struct cluster_harness c;
        char a[33], b[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 1024, 1000, "{'name':'stack','value':'prod'}", a);
        cluster_register(&c, 1024, 1000, "{'name':'stack','value':'test'}", b);
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 2);
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab','filter':'attribute:stack == prod'}");
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 1);
        assert_true(str_ends_with(harness_text(&c.h, "containerInstanceArns[0]"), a));
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab','maxResults':1}");
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 1);
        snprintf(text, sizeof(text), "%s", harness_text(&c.h, "nextToken"));
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab','maxResults':1,'nextToken':'%s'}", text);
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 1);
        assert_false(harness_has(&c.h, "nextToken"));
        harness_ok(&c.h, "UpdateContainerInstancesState", "{'cluster':'lab','containerInstances':['%s'],'status':'DRAINING'}", a);
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab','status':'DRAINING'}");
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 1);
        harness_fails(&c.h, "ListContainerInstances", "{'cluster':'lab','filter':'attribute:stack ='}", "InvalidParameterException", NULL);
        harness_fails(&c.h, "ListContainerInstances", "{'cluster':'lab','maxResults':101}", "InvalidParameterException", NULL);
        cluster_end(&c);
}

static void test_drain(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "UpdateContainerInstancesState", "{'cluster':'lab','containerInstances':['%s','nobody'],'status':'DRAINING'}",
                   fake.instance);
        assert_string_equal(harness_text(&c.h, "containerInstances[0].status"), "DRAINING");
        assert_string_equal(harness_text(&c.h, "failures[0].reason"), "MISSING");
        harness_call(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        assert_int_equal(c.h.status, 400);
        harness_ok(&c.h, "UpdateContainerInstancesState", "{'cluster':'lab','containerInstances':['%s'],'status':'ACTIVE'}", fake.instance);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        assert_int_equal(harness_count(&c.h, "tasks"), 1);
        harness_fails(&c.h, "UpdateContainerInstancesState", "{'cluster':'lab','containerInstances':['x'],'status':'REGISTERING'}",
                      "InvalidParameterException", "ACTIVE, DRAINING");
        fake_done(&fake);
        cluster_end(&c);
}

static void test_deregister(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char task[160];

        cluster_begin(&c, NULL);
        fake_join(&c, &fake, 2048, 1000);
        harness_ok(&c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        snprintf(task, sizeof(task), "%s", harness_text(&c.h, "tasks[0].taskArn"));
        assert_int_equal(harness_call(&c.h, "DeregisterContainerInstance", "{'cluster':'lab','containerInstance':'%s'}", fake.instance),
                         400);
        assert_string_equal(harness_text(&c.h, "message"), "Found running tasks on the instance.");
        fake_next(&fake, "PayloadMessage");
        harness_ok(&c.h, "DeregisterContainerInstance", "{'cluster':'lab','containerInstance':'%s','force':true}", fake.instance);
        assert_string_equal(harness_text(&c.h, "containerInstance.status"), "INACTIVE");
        fake_next(&fake, "CloseMessage");
        assert_int_equal(fake.close_code, 1000);
        assert_null(fake.channel.agent);
        harness_ok(&c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", task);
        assert_string_equal(harness_text(&c.h, "tasks[0].lastStatus"), "STOPPED");
        assert_string_equal(harness_text(&c.h, "tasks[0].stoppedReason"), "Container instance deregistration forced by user");
        /* describable, but not listed; coming back is refused for good */
        harness_ok(&c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s']}", fake.instance);
        assert_string_equal(harness_text(&c.h, "containerInstances[0].status"), "INACTIVE");
        harness_ok(&c.h, "ListContainerInstances", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&c.h, "containerInstanceArns"), 0);
        assert_int_equal(harness_call(&c.h, "RegisterContainerInstance", "{'cluster':'lab','containerInstanceArn':'%s'}", fake.instance),
                         400);
        assert_string_equal(harness_text(&c.h, "__type"), "ClientException");
        harness_fails(&c.h, "DeregisterContainerInstance", "{'cluster':'lab','containerInstance':'x'}", "InvalidParameterException",
                      "not found");
        fake_done(&fake);
        cluster_end(&c);
}

static void test_agent_update(void **state)
{
        struct cluster_harness c;
        struct fake_agent fake;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 1, 1, "", id);
        harness_call(&c.h, "UpdateContainerAgent", "{'cluster':'lab','containerInstance':'%s'}", id);
        assert_string_equal(harness_text(&c.h, "__type"), "MissingVersionException");
        fake_connect(&c, &fake, id, false);
        harness_call(&c.h, "UpdateContainerAgent", "{'cluster':'lab','containerInstance':'%s'}", id);
        assert_string_equal(harness_text(&c.h, "__type"), "NoUpdateAvailableException");
        fake_done(&fake);
        cluster_end(&c);
}

static void test_everything_survives_a_restart(void **state)
{
        struct cluster_harness c;
        char id[33];

        cluster_begin(&c, NULL);
        cluster_register(&c, 2048, 1000, "{'name':'stack','value':'prod'}", id);
        cluster_restart(&c);
        harness_ok(&c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s']}", id);
        assert_string_equal(attribute(&c, "containerInstances[0].attributes", "stack"), "prod");
        assert_int_equal(harness_int(&c.h, "containerInstances[0].registeredResources[0].integerValue"), 2048);
        cluster_end(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_attribute_comes_back),
                cmocka_unit_test(test_registering_again),
                cmocka_unit_test(test_registration_is_repeated_with_its_token),
                cmocka_unit_test(test_refused_registrations),
                cmocka_unit_test(test_identity_document),
                cmocka_unit_test(test_describe_and_resources),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_drain),
                cmocka_unit_test(test_deregister),
                cmocka_unit_test(test_agent_update),
                cmocka_unit_test(test_everything_survives_a_restart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
