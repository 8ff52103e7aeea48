/* SPDX-License-Identifier: Apache-2.0 */
/* Task definitions as their operations answer them: revisions, defaults, lists, deletion. What is refused: test_task_definition_rules.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_harness.h"

#define ARN "arn:aws:ecs:us-east-1:123456789012:task-definition/"
#define ONE "'containerDefinitions':[{'name':'c','image':'nginx','memory':64}]"

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

static bool has_attribute(const struct api_harness *h, const char *name)
{
        for (size_t i = 0; i < harness_count(h, "taskDefinition.requiresAttributes"); i++) {
                char path[80];

                (void)snprintf(path, sizeof(path), "taskDefinition.requiresAttributes[%zu].name", i);
                if (strcmp(harness_text(h, path), name) == 0)
                        return true;
        }
        return false;
}

static bool has_compatibility(const struct api_harness *h, const char *name)
{
        for (size_t i = 0; i < harness_count(h, "taskDefinition.compatibilities"); i++) {
                char path[80];

                (void)snprintf(path, sizeof(path), "taskDefinition.compatibilities[%zu]", i);
                if (strcmp(harness_text(h, path), name) == 0)
                        return true;
        }
        return false;
}

static void defaults_are_filled_in(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "RegisterTaskDefinition",
                   "{'family':'web','taskRoleArn':'worker','cpu':'.5 "
                   "vCPU','memory':'1GB','tags':[{'key':'a','value':'b'}],'volumes':[{'name':'scratch'}],"
                   "'containerDefinitions':[{'name':'c','image':'nginx','portMappings':[{'containerPort':80}],'healthCheck':{'command':['"
                   "CMD-SHELL','true']},"
                   "'unheardOf':{'x':1}}]}");
        assert_string_equal(harness_text(h, "taskDefinition.taskDefinitionArn"), ARN "web:1");
        assert_int_equal(harness_int(h, "taskDefinition.revision"), 1);
        assert_string_equal(harness_text(h, "taskDefinition.status"), "ACTIVE");
        assert_string_equal(harness_text(h, "taskDefinition.networkMode"), "bridge");
        assert_string_equal(harness_text(h, "taskDefinition.cpu"), "512");
        assert_string_equal(harness_text(h, "taskDefinition.memory"), "1024");
        assert_string_equal(harness_text(h, "taskDefinition.taskRoleArn"), "arn:aws:iam::123456789012:role/worker");
        assert_string_equal(harness_text(h, "taskDefinition.registeredBy"), "arn:aws:iam::123456789012:user/admin");
        assert_true(harness_has(h, "taskDefinition.registeredAt"));
        assert_true(harness_has(h, "taskDefinition.volumes[0].host"));
        assert_false(harness_has(h, "taskDefinition.requiresCompatibilities"));
        assert_int_equal(harness_int(h, "taskDefinition.containerDefinitions[0].cpu"), 0);
        assert_true(harness_true(h, "taskDefinition.containerDefinitions[0].essential"));
        for (size_t i = 0; i < 4; i++) {
                static const char *const lists[] = {"environment", "mountPoints", "volumesFrom", "systemControls"};
                char path[80];

                (void)snprintf(path, sizeof(path), "taskDefinition.containerDefinitions[0].%s", lists[i]);
                assert_int_equal(harness_count(h, path), 0);
        }
        assert_string_equal(harness_text(h, "taskDefinition.containerDefinitions[0].portMappings[0].protocol"), "tcp");
        assert_int_equal(harness_int(h, "taskDefinition.containerDefinitions[0].portMappings[0].hostPort"), 0);
        assert_int_equal(harness_int(h, "taskDefinition.containerDefinitions[0].healthCheck.interval"), 30);
        assert_string_equal(harness_text(h, "tags[0].key"), "a");
        harness_ok(h, "RegisterTaskDefinition",
                   "{'family':'host','networkMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':8,"
                   "'portMappings':[{'containerPort':80,'protocol':'udp'}]}]}");
        assert_int_equal(harness_int(h, "taskDefinition.containerDefinitions[0].portMappings[0].hostPort"), 80);
}

static void compatibilities_and_attributes(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "RegisterTaskDefinition", "{'family':'plain'," ONE "}");
        assert_true(has_compatibility(h, "EC2") && has_compatibility(h, "EXTERNAL") && !has_compatibility(h, "FARGATE"));
        harness_ok(h, "RegisterTaskDefinition",
                   "{'family':'fargate','requiresCompatibilities':['FARGATE'],'networkMode':'awsvpc','cpu':'256','memory':'512',"
                   "'executionRoleArn':'arn:aws:iam::123456789012:role/exec','containerDefinitions':[{'name':'c',"
                   "'image':'123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1','logConfiguration':{'logDriver':'awslogs','options':"
                   "{'awslogs-group':'g','awslogs-region':'us-east-1','awslogs-stream-prefix':'p'}}}]}");
        assert_true(has_compatibility(h, "EC2") && has_compatibility(h, "FARGATE") && !has_compatibility(h, "EXTERNAL"));
        assert_true(has_attribute(h, "ecs.capability.task-eni"));
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.ecr-auth"));
        assert_true(has_attribute(h, "ecs.capability.execution-role-ecr-pull"));
        assert_true(has_attribute(h, "ecs.capability.execution-role-awslogs"));
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.logging-driver.awslogs"));
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.docker-remote-api.1.18"));
        harness_ok(h, "RegisterTaskDefinition",
                   "{'family':'much','taskRoleArn':'r','executionRoleArn':'e','pidMode':'task','volumes':[{'name':'v',"
                   "'dockerVolumeConfiguration':{'driver':'nfs'}}],'containerDefinitions':[{'name':'c','image':'x','memoryReservation':8,'"
                   "privileged':true,"
                   "'secrets':[{'name':'A','valueFrom':'/"
                   "a'},{'name':'B','valueFrom':'arn:aws:secretsmanager:us-east-1:123456789012:secret:b'}],"
                   "'portMappings':[{'containerPortRange':'100-110'}],'healthCheck':{'command':['CMD','x']}},"
                   "{'name':'d','image':'x','memory':8,'dependsOn':[{'containerName':'c','condition':'HEALTHY'}],"
                   "'restartPolicy':{'enabled':true},'linuxParameters':{'initProcessEnabled':true}}]}");
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.task-iam-role"));
        assert_true(has_attribute(h, "ecs.capability.pid-ipc-namespace-sharing"));
        assert_true(has_attribute(h, "ecs.capability.docker-plugin.nfs"));
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.privileged-container"));
        assert_true(has_attribute(h, "ecs.capability.secrets.ssm.environment-variables"));
        assert_true(has_attribute(h, "ecs.capability.secrets.asm.environment-variables"));
        assert_true(has_attribute(h, "ecs.capability.network.container-port-range"));
        assert_true(has_attribute(h, "ecs.capability.container-health-check"));
        assert_true(has_attribute(h, "ecs.capability.container-ordering"));
        assert_true(has_attribute(h, "ecs.capability.container-restart-policy"));
        assert_true(has_attribute(h, "com.amazonaws.ecs.capability.docker-remote-api.1.25"));
}

static void revisions_are_never_used_again(void **state)
{
        struct api_harness *h = *state;

        for (int i = 1; i <= 3; i++) {
                harness_ok(h, "RegisterTaskDefinition", "{'family':'web'," ONE "}");
                assert_int_equal(harness_int(h, "taskDefinition.revision"), i);
        }
        harness_ok(h, "DeregisterTaskDefinition", "{'taskDefinition':'web:3'}");
        assert_string_equal(harness_text(h, "taskDefinition.status"), "INACTIVE");
        assert_true(harness_has(h, "taskDefinition.deregisteredAt"));
        harness_ok(h, "DescribeTaskDefinition", "{'taskDefinition':'web'}");
        assert_int_equal(harness_int(h, "taskDefinition.revision"), 2);
        harness_ok(h, "DescribeTaskDefinition", "{'taskDefinition':'" ARN "web:3'}");
        assert_string_equal(harness_text(h, "taskDefinition.status"), "INACTIVE");
        harness_ok(h, "DeleteTaskDefinitions", "{'taskDefinitions':['web:3','web:1','web:9','web']}");
        assert_int_equal(harness_count(h, "taskDefinitions"), 1);
        assert_string_equal(harness_text(h, "taskDefinitions[0].status"), "DELETE_IN_PROGRESS");
        assert_int_equal(harness_count(h, "failures"), 3);
        assert_string_equal(harness_text(h, "failures[0].arn"), ARN "web:1");
        assert_non_null(strstr(harness_text(h, "failures[0].reason"), "is still in ACTIVE status"));
        harness_restart(h);
        harness_ok(h, "RegisterTaskDefinition", "{'family':'web'," ONE "}");
        assert_int_equal(harness_int(h, "taskDefinition.revision"), 4);
        harness_fails(h, "DescribeTaskDefinition", "{'taskDefinition':'web:3'}", "ClientException", "Unable to describe task definition.");
        harness_fails(h, "DescribeTaskDefinition", "{'taskDefinition':'none'}", "ClientException", NULL);
        harness_fails(h, "DescribeTaskDefinition", "{'taskDefinition':'web:x'}", "ClientException", "revision");
        harness_fails(h, "DeregisterTaskDefinition", "{'taskDefinition':'none:1'}", "ClientException", NULL);
        harness_fails(h, "DeregisterTaskDefinition", "{'taskDefinition':'web'}", "InvalidParameterException", "revision");
        harness_fails(h, "DeleteTaskDefinitions", "{'taskDefinitions':[]}", "InvalidParameterException", NULL);
}

static void deletion_waits_for_tasks(void **state)
{
        struct api_harness *h = *state;
        struct state_task task = {.cluster = "default",
                                  .id = "0123456789abcdef0123456789abcdef",
                                  .family = "web",
                                  .last_status = STATE_TASK_STATUS_RUNNING,
                                  .desired_status = STATE_TASK_STATUS_RUNNING};
        struct tx *tx;

        harness_ok(h, "CreateCluster", "{}");
        harness_ok(h, "RegisterTaskDefinition", "{'family':'web'," ONE "}");
        SHAPE_SET(&task, state_task, revision, 1);
        tx = tx_begin(h->model);
        (void)tx_insert(tx, OBJECT_TASK, &task);
        (void)tx_commit(tx);
        harness_ok(h, "DeregisterTaskDefinition", "{'taskDefinition':'web:1'}");
        harness_ok(h, "DeleteTaskDefinitions", "{'taskDefinitions':['web:1']}");
        api_housekeeping(h->api);
        harness_ok(h, "DescribeTaskDefinition", "{'taskDefinition':'web:1'}");
        assert_string_equal(harness_text(h, "taskDefinition.status"), "DELETE_IN_PROGRESS");
        harness_fails(h, "DeregisterTaskDefinition", "{'taskDefinition':'web:1'}", "ClientException", "being deleted");
        task.last_status = STATE_TASK_STATUS_STOPPED;
        task.desired_status = STATE_TASK_STATUS_STOPPED;
        tx = tx_begin(h->model);
        tx_put(tx, &model_task(h->model, "default", task.id)->object, &task);
        (void)tx_commit(tx);
        api_housekeeping(h->api);
        harness_fails(h, "DescribeTaskDefinition", "{'taskDefinition':'web:1'}", "ClientException", NULL);
}

static void describe_with_tags(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "RegisterTaskDefinition", "{'family':'web','tags':[{'key':'a','value':'b'}]," ONE "}");
        harness_ok(h, "DescribeTaskDefinition", "{'taskDefinition':'web'}");
        assert_int_equal(harness_count(h, "tags"), 0);
        harness_ok(h, "DescribeTaskDefinition", "{'taskDefinition':'web','include':['TAGS']}");
        assert_string_equal(harness_text(h, "tags[0].value"), "b");
}

static void lists(void **state)
{
        struct api_harness *h = *state;
        static const char *const families[] = {"web", "web-2", "batch"};

        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                for (int k = 0; k < 12; k++)
                        harness_ok(h, "RegisterTaskDefinition", "{'family':'%s'," ONE "}", families[i]);
        harness_ok(h, "ListTaskDefinitions", "{}");
        assert_int_equal(harness_count(h, "taskDefinitionArns"), 36);
        assert_string_equal(harness_text(h, "taskDefinitionArns[0]"), ARN "batch:1");
        assert_string_equal(harness_text(h, "taskDefinitionArns[11]"), ARN "batch:12");
        harness_ok(h, "ListTaskDefinitions", "{'familyPrefix':'web','sort':'DESC','maxResults':5}");
        assert_string_equal(harness_text(h, "taskDefinitionArns[0]"), ARN "web:12");
        harness_ok(h, "ListTaskDefinitions", "{'familyPrefix':'web','sort':'DESC','maxResults':7,'nextToken':'%s'}",
                   strdupa(harness_text(h, "nextToken")));
        assert_string_equal(harness_text(h, "taskDefinitionArns[0]"), ARN "web:7");
        assert_string_equal(harness_text(h, "taskDefinitionArns[6]"), ARN "web:1");
        assert_false(harness_has(h, "nextToken"));
        harness_ok(h, "ListTaskDefinitions", "{'maxResults':20}");
        harness_ok(h, "ListTaskDefinitions", "{'maxResults':20,'nextToken':'%s'}", strdupa(harness_text(h, "nextToken")));
        assert_int_equal(harness_count(h, "taskDefinitionArns"), 16);
        assert_string_equal(harness_text(h, "taskDefinitionArns[0]"), ARN "web:9");
        for (int k = 1; k <= 12; k++)
                harness_ok(h, "DeregisterTaskDefinition", "{'taskDefinition':'batch:%d'}", k);
        harness_ok(h, "ListTaskDefinitions", "{'status':'INACTIVE'}");
        assert_int_equal(harness_count(h, "taskDefinitionArns"), 12);
        harness_ok(h, "ListTaskDefinitionFamilies", "{}");
        assert_int_equal(harness_count(h, "families"), 3);
        harness_ok(h, "ListTaskDefinitionFamilies", "{'status':'ACTIVE'}");
        assert_int_equal(harness_count(h, "families"), 2);
        harness_ok(h, "ListTaskDefinitionFamilies", "{'status':'INACTIVE'}");
        assert_string_equal(harness_text(h, "families[0]"), "batch");
        harness_ok(h, "ListTaskDefinitionFamilies", "{'familyPrefix':'web','maxResults':1}");
        assert_string_equal(harness_text(h, "families[0]"), "web");
        harness_ok(h, "ListTaskDefinitionFamilies", "{'familyPrefix':'web','maxResults':1,'nextToken':'%s'}",
                   strdupa(harness_text(h, "nextToken")));
        assert_string_equal(harness_text(h, "families[0]"), "web-2");
        harness_fails(h, "ListTaskDefinitions", "{'status':'SLEEPING'}", "InvalidParameterException", "status");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(defaults_are_filled_in, begin, end),
                cmocka_unit_test_setup_teardown(compatibilities_and_attributes, begin, end),
                cmocka_unit_test_setup_teardown(revisions_are_never_used_again, begin, end),
                cmocka_unit_test_setup_teardown(deletion_waits_for_tasks, begin, end),
                cmocka_unit_test_setup_teardown(describe_with_tags, begin, end),
                cmocka_unit_test_setup_teardown(lists, begin, end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
