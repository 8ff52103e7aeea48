/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to services: deployments, revisions, task sets, tasks and their protection; and capacity providers. */
#include "base/strutil.h"
#include "control/task.h"
#include "model/service.h"

#include "cluster_harness.h"
#include "unit.h"

#define ARN "arn:aws:ecs:us-east-1:123456789012:"
#define INVALID "InvalidParameterException"

static void expect(struct cluster_harness *c, const char *path, const char *value)
{
        const char *got = harness_text(&c->h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, c->h.text.data);
}

/* A string of the last answer, to be kept over the next calls. */
#define KEEP(c, path) strdupa(harness_text(&(c)->h, path))

static void create(struct cluster_harness *c, const char *name, int desired)
{
        harness_ok(&c->h, "CreateService", "{'cluster':'lab','serviceName':'%s','taskDefinition':'web','desiredCount':%d}", name, desired);
}

static void create_external(struct cluster_harness *c)
{
        harness_ok(&c->h, "CreateService",
                   "{'cluster':'lab','serviceName':'ext','desiredCount':3,'deploymentController':{'type':'EXTERNAL'}}");
}

/* What the reconciler does: a task of the service's primary revision, or of `revision`. Returns its id. */
static const char *add_task(struct cluster_harness *c, const char *name, const char *revision, enum state_task_status status)
{
        struct service *service = model_service(c->h.model, "lab", name);
        struct tx *tx = tx_begin(c->h.model);
        const struct task_request request = {
                .cluster = service->cluster,
                .definition = model_task_definition(c->h.model, "web", 1),
                .group = arena_printf(tx_arena(tx), "service:%s", name),
                .started_by = arena_printf(tx_arena(tx), "ecs-svc/%s", revision ? revision : service->state->primary),
                .service_name = name,
                .launch_type = ECS_LAUNCH_TYPE_EC2,
        };
        struct state_task *state = task_make(&c->h.env.env, &request, tx_arena(tx));
        struct object *object;

        state->service_revision = revision ? revision : service->state->primary;
        state->last_status = status;
        object = tx_insert(tx, OBJECT_TASK, state);
        tx_commit(tx);
        return object->key + strlen("lab/"); /* the state will be replaced */
}

/* ---- Deployments and revisions ---- */

static void test_deployments(void **state)
{
        struct cluster_harness c;
        const char *first, *second, *old;

        cluster_begin(&c, NULL);
        create(&c, "s", 2);
        first = KEEP(&c, "service.currentServiceDeployment");
        old = KEEP(&c, "service.deployments[0].id");
        add_task(&c, "s", NULL, STATE_TASK_STATUS_RUNNING);
        c.h.env.now_ms += 1000;
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','forceNewDeployment':true}");
        second = KEEP(&c, "service.currentServiceDeployment");
        assert_string_not_equal(first, second);
        assert_int_equal(harness_count(&c.h, "service.deployments"), 2);
        expect(&c, "service.deployments[0].status", "PRIMARY");
        expect(&c, "service.deployments[1].status", "ACTIVE");
        expect(&c, "service.deployments[1].id", old);
        assert_int_equal(harness_int(&c.h, "service.deployments[1].runningCount"), 1);
        assert_int_equal(harness_int(&c.h, "service.runningCount"), 1);
        assert_int_equal(harness_count(&c.h, "service.currentServiceRevisions"), 2);

        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'s','maxResults':1}");
        expect(&c, "serviceDeployments[0].serviceDeploymentArn", second);
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'s','maxResults':1,'nextToken':'%s'}",
                   KEEP(&c, "nextToken"));
        expect(&c, "serviceDeployments[0].serviceDeploymentArn", first);
        expect(&c, "serviceDeployments[0].status", "STOPPED");
        assert_false(harness_has(&c.h, "nextToken"));
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'s','status':['STOPPED']}");
        assert_int_equal(harness_count(&c.h, "serviceDeployments"), 1);
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'s','createdAt':{'after':%.3f}}",
                   (double)c.h.env.now_ms / 1000);
        assert_int_equal(harness_count(&c.h, "serviceDeployments"), 1);
        expect(&c, "serviceDeployments[0].serviceDeploymentArn", second);
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'s','createdAt':{'before':%.3f}}",
                   (double)c.h.env.now_ms / 1000 - 0.5);
        expect(&c, "serviceDeployments[0].serviceDeploymentArn", first);

        harness_ok(&c.h, "DescribeServiceDeployments", "{'serviceDeploymentArns':['%s','" ARN "service-deployment/lab/s/none']}", second);
        assert_int_equal(harness_count(&c.h, "serviceDeployments"), 1);
        expect(&c, "serviceDeployments[0].deploymentCircuitBreaker.status", "DISABLED");
        expect(&c, "serviceDeployments[0].alarms.status", "DISABLED");
        assert_int_equal(harness_int(&c.h, "serviceDeployments[0].targetServiceRevision.requestedTaskCount"), 2);
        assert_int_equal(harness_int(&c.h, "serviceDeployments[0].sourceServiceRevisions[0].runningTaskCount"), 1);
        assert_int_equal(harness_int(&c.h, "serviceDeployments[0].deploymentConfiguration.maximumPercent"), 200);
        expect(&c, "failures[0].reason", "MISSING");

        harness_ok(&c.h, "DescribeServiceRevisions", "{'serviceRevisionArns':['%s','" ARN "service-revision/lab/s/1']}",
                   KEEP(&c, "serviceDeployments[0].targetServiceRevision.arn"));
        expect(&c, "serviceRevisions[0].taskDefinition", ARN "task-definition/web:1");
        expect(&c, "serviceRevisions[0].launchType", "EC2");
        expect(&c, "serviceRevisions[0].containerImages[0].image", "busybox");
        expect(&c, "failures[0].reason", "MISSING");
        cluster_end(&c);
}

/* What a lost node ran of the old revision does not keep a rollout open: services-stable wants one deployment. */
static void test_rollout_without_a_lost_node(void **state)
{
        struct cluster_harness c;
        struct task *task;
        struct state_task *edited;
        struct tx *tx;
        char instance[33];

        cluster_begin(&c, NULL);
        create(&c, "s", 1);
        cluster_register(&c, 1024, 1024, "", instance);
        task = model_task(c.h.model, "lab", add_task(&c, "s", NULL, STATE_TASK_STATUS_RUNNING));
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','forceNewDeployment':true}");
        tx = tx_begin(c.h.model);
        edited = tx_edit(tx, &task->object);
        edited->instance = instance;
        edited->desired_status = STATE_TASK_STATUS_STOPPED;
        edited->last_status = STATE_TASK_STATUS_STOPPING;
        tx_put(tx, &task->object, edited);
        tx_commit(tx);
        harness_ok(&c.h, "DescribeServices", "{'cluster':'lab','services':['s']}");
        assert_int_equal(harness_count(&c.h, "services[0].deployments"), 2);
        model_set_lost(c.h.model, task->instance, false);
        harness_ok(&c.h, "DescribeServices", "{'cluster':'lab','services':['s']}");
        assert_int_equal(harness_count(&c.h, "services[0].deployments"), 1);
        /* The node is back, and has to stop it first. */
        model_set_connected(c.h.model, task->instance, true);
        harness_ok(&c.h, "DescribeServices", "{'cluster':'lab','services':['s']}");
        assert_int_equal(harness_count(&c.h, "services[0].deployments"), 2);
        cluster_end(&c);
}

static void test_stop_and_continue(void **state)
{
        struct cluster_harness c;
        const char *arn;
        char json[400];

        cluster_begin(&c, NULL);
        create(&c, "s", 1);
        arn = KEEP(&c, "service.currentServiceDeployment");
        snprintf(json, sizeof(json), "{'serviceDeploymentArn':'%s','hookId':'h'}", arn);
        harness_fails(&c.h, "ContinueServiceDeployment", json, INVALID, "waiting for an action");
        harness_ok(&c.h, "StopServiceDeployment", "{'serviceDeploymentArn':'%s','stopType':'ROLLBACK'}", arn);
        expect(&c, "serviceDeploymentArn", arn);
        harness_ok(&c.h, "DescribeServiceDeployments", "{'serviceDeploymentArns':['%s']}", arn);
        expect(&c, "serviceDeployments[0].status", "ROLLBACK_REQUESTED");
        snprintf(json, sizeof(json), "{'serviceDeploymentArn':'%s'}", arn);
        harness_fails(&c.h, "StopServiceDeployment", json, "ConflictException", "ROLLBACK_REQUESTED");
        harness_fails(&c.h, "StopServiceDeployment", "{'serviceDeploymentArn':'" ARN "service-deployment/lab/s/none'}",
                      "ServiceDeploymentNotFoundException", "not found");
        harness_fails(&c.h, "ContinueServiceDeployment", "{'serviceDeploymentArn':'" ARN "service-deployment/lab/s/none','hookId':'h'}",
                      "ServiceDeploymentNotFoundException", "not found");
        harness_fails(&c.h, "StopServiceDeployment", "{'serviceDeploymentArn':'" ARN "service/lab/s'}", INVALID, "service-deployment");
        harness_fails(&c.h, "DescribeServiceDeployments", "{'serviceDeploymentArns':[]}", INVALID, "at least one");
        harness_fails(&c.h, "DescribeServiceDeployments", "{'serviceDeploymentArns':['x']}", INVALID, "ARN");
        harness_fails(&c.h, "DescribeServiceRevisions", "{'serviceRevisionArns':['" ARN "service/lab/s']}", INVALID, "service-revision");
        harness_fails(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'none'}", "ServiceNotFoundException",
                      "Service not found.");
        cluster_end(&c);
}

/* ---- Task sets ---- */

static void test_task_sets(void **state)
{
        struct cluster_harness c;
        const char *set, *id;

        cluster_begin(&c, NULL);
        create_external(&c);
        assert_int_equal(harness_count(&c.h, "service.deployments"), 0);
        assert_false(harness_has(&c.h, "service.taskDefinition"));
        harness_ok(&c.h, "CreateTaskSet",
                   "{'cluster':'lab','service':'ext','taskDefinition':'web','externalId':'blue','scale':{'value':50,'unit':'PERCENT'},"
                   "'clientToken':'t','tags':[{'key':'k','value':'v'}]}");
        set = KEEP(&c, "taskSet.taskSetArn");
        id = KEEP(&c, "taskSet.id");
        expect(&c, "taskSet.status", "ACTIVE");
        expect(&c, "taskSet.externalId", "blue");
        expect(&c, "taskSet.stabilityStatus", "STABILIZING");
        expect(&c, "taskSet.launchType", "EC2");
        assert_int_equal(harness_int(&c.h, "taskSet.computedDesiredCount"), 2); /* half of three, rounded up */
        harness_ok(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web','clientToken':'t'}");
        expect(&c, "taskSet.taskSetArn", set);
        harness_ok(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web'}");
        assert_int_equal(harness_int(&c.h, "taskSet.computedDesiredCount"), 3);

        harness_ok(&c.h, "UpdateServicePrimaryTaskSet", "{'cluster':'lab','service':'ext','primaryTaskSet':'%s'}", set);
        expect(&c, "taskSet.status", "PRIMARY");
        harness_ok(&c.h, "UpdateTaskSet", "{'cluster':'lab','service':'ext','taskSet':'%s','scale':{'value':0,'unit':'PERCENT'}}", id);
        assert_int_equal(harness_int(&c.h, "taskSet.computedDesiredCount"), 0);
        add_task(&c, "ext", id + strlen("ecs-svc/"), STATE_TASK_STATUS_RUNNING);
        harness_ok(&c.h, "DescribeTaskSets",
                   "{'cluster':'lab','service':'ext','taskSets':['%s','" ARN "task-set/lab/ext/ecs-svc/1'],"
                   "'include':['TAGS']}",
                   id);
        assert_int_equal(harness_count(&c.h, "taskSets"), 1);
        assert_int_equal(harness_int(&c.h, "taskSets[0].runningCount"), 1);
        expect(&c, "taskSets[0].tags[0].value", "v");
        expect(&c, "failures[0].reason", "MISSING");
        harness_ok(&c.h, "DescribeTaskSets", "{'cluster':'lab','service':'ext'}");
        assert_int_equal(harness_count(&c.h, "taskSets"), 2);
        harness_ok(&c.h, "DescribeServices", "{'cluster':'lab','services':['ext']}");
        assert_int_equal(harness_count(&c.h, "services[0].taskSets"), 2);
        expect(&c, "services[0].taskDefinition", ARN "task-definition/web:1"); /* the primary's */
        harness_ok(&c.h, "TagResource", "{'resourceArn':'%s','tags':[{'key':'x','value':'y'}]}", set);
        harness_ok(&c.h, "ListTagsForResource", "{'resourceArn':'%s'}", set);
        assert_int_equal(harness_count(&c.h, "tags"), 2);

        harness_fails(&c.h, "DeleteService", "{'cluster':'lab','service':'ext'}", INVALID, "scaled above 0");
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'ext','desiredCount':0}");
        harness_fails(&c.h, "DeleteService", "{'cluster':'lab','service':'ext'}", INVALID, "while deployments are active");
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'ext','desiredCount':3}");
        harness_ok(&c.h, "DeleteTaskSet", "{'cluster':'lab','service':'ext','taskSet':'%s'}", set);
        expect(&c, "taskSet.status", "DRAINING");
        cluster_end(&c);
}

static void test_task_sets_refuse(void **state)
{
        struct cluster_harness c;
        char json[400];

        cluster_begin(&c, NULL);
        create(&c, "s", 1);
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'s','taskDefinition':'web'}", INVALID,
                      "only supports task set management on services configured to use external deployment controllers");
        create_external(&c);
        harness_fails(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'ext'}", "UnsupportedFeatureException", "task sets");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'ext','taskDefinition':'web'}", INVALID,
                      "Unable to update task definition");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'ext','forceNewDeployment':true}", INVALID,
                      "Unable to force a new deployment");
        harness_fails(
                &c.h, "UpdateService",
                "{'cluster':'lab','service':'ext','deploymentConfiguration':{'deploymentCircuitBreaker':{'enable':true,'rollback':true}}}",
                INVALID, "only supported for services with the ECS deployment controller");
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'none','service':'ext','taskDefinition':'web'}", "ClusterNotFoundException", NULL);
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'none','taskDefinition':'web'}", "ServiceNotFoundException", NULL);
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'none'}", "ClientException", "not found");
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web','scale':{'value':101}}", INVALID,
                      "0..100");
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web','platformVersion':'1.4.0'}", INVALID,
                      "platform version");
        harness_fails(&c.h, "UpdateTaskSet", "{'cluster':'lab','service':'ext','taskSet':'1','scale':{'value':1}}",
                      "TaskSetNotFoundException", NULL);
        harness_fails(&c.h, "DeleteTaskSet", "{'cluster':'lab','service':'ext','taskSet':'1'}", "TaskSetNotFoundException", NULL);
        harness_fails(&c.h, "UpdateServicePrimaryTaskSet", "{'cluster':'lab','service':'ext','primaryTaskSet':'1'}",
                      "TaskSetNotFoundException", NULL);
        for (int i = 0; i < 5; i++)
                harness_ok(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web'}");
        snprintf(json, sizeof(json), "{'cluster':'lab','service':'ext','taskSet':'%s'}", KEEP(&c, "taskSet.id"));
        harness_fails(&c.h, "DeleteTaskSet", json, INVALID, "scaled above 0");
        harness_fails(&c.h, "CreateTaskSet", "{'cluster':'lab','service':'ext','taskDefinition':'web'}", INVALID,
                      "5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'ext','force':true}");
        harness_fails(&c.h, "DescribeTaskSets", "{'cluster':'lab','service':'ext'}", "ServiceNotActiveException",
                      "Service was not ACTIVE.");
        cluster_end(&c);
}

/* ---- Tasks ---- */

static void test_list_tasks_of_a_service(void **state)
{
        struct cluster_harness c;
        const char *id;

        cluster_begin(&c, NULL);
        create(&c, "s", 2);
        create(&c, "t", 1);
        add_task(&c, "s", NULL, STATE_TASK_STATUS_RUNNING);
        id = add_task(&c, "s", NULL, STATE_TASK_STATUS_PENDING);
        add_task(&c, "t", NULL, STATE_TASK_STATUS_RUNNING);
        harness_ok(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'s'}");
        assert_int_equal(harness_count(&c.h, "taskArns"), 2);
        harness_ok(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'" ARN "service/lab/s','maxResults':1}");
        harness_ok(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'" ARN "service/lab/s','maxResults':1,'nextToken':'%s'}",
                   KEEP(&c, "nextToken"));
        assert_int_equal(harness_count(&c.h, "taskArns"), 1);
        harness_fails(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'none'}", "ServiceNotFoundException", "Service not found.");
        harness_ok(&c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", id);
        expect(&c, "tasks[0].group", "service:s");
        assert_true(str_starts_with(harness_text(&c.h, "tasks[0].startedBy"), "ecs-svc/"));
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", id); /* no agent knows of it: it is over at once */
        harness_ok(&c.h, "ListTasks", "{'cluster':'lab','serviceName':'s','desiredStatus':'STOPPED'}");
        assert_int_equal(harness_count(&c.h, "taskArns"), 1);
        cluster_end(&c);
}

static void test_protection(void **state)
{
        struct cluster_harness c;
        const char *a, *b;
        char json[400];

        cluster_begin(&c, NULL);
        create(&c, "s", 1);
        a = add_task(&c, "s", NULL, STATE_TASK_STATUS_RUNNING);
        b = add_task(&c, "s", NULL, STATE_TASK_STATUS_RUNNING);
        harness_ok(&c.h, "GetTaskProtection", "{'cluster':'lab','tasks':['%s']}", a);
        assert_false(harness_true(&c.h, "protectedTasks[0].protectionEnabled"));
        assert_false(harness_has(&c.h, "protectedTasks[0].expirationDate"));
        harness_ok(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':['%s'],'protectionEnabled':true,'expiresInMinutes':60}", a);
        assert_true(harness_true(&c.h, "protectedTasks[0].protectionEnabled"));
        assert_true(harness_has(&c.h, "protectedTasks[0].expirationDate"));
        assert_int_equal(model_task(c.h.model, "lab", a)->state->protected_until, c.h.env.now_ms + 60 * 60000);
        /* One task is wanted, so a second one cannot be kept. */
        harness_ok(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':['%s'],'protectionEnabled':true}", b);
        assert_int_equal(harness_count(&c.h, "protectedTasks"), 0);
        expect(&c, "failures[0].reason", "DEPLOYMENT_BLOCKED");
        harness_ok(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':['%s'],'protectionEnabled':false}", a);
        assert_false(harness_true(&c.h, "protectedTasks[0].protectionEnabled"));
        harness_ok(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':['%s'],'protectionEnabled':true}", b);
        assert_int_equal(model_task(c.h.model, "lab", b)->state->protected_until, c.h.env.now_ms + 120 * 60000);
        c.h.env.now_ms += INT64_C(121) * 60 * 1000;
        harness_ok(&c.h, "GetTaskProtection", "{'cluster':'lab','tasks':['%s','0123456789abcdef0123456789abcdef']}", b);
        assert_false(harness_true(&c.h, "protectedTasks[0].protectionEnabled")); /* it has expired */
        expect(&c, "failures[0].reason", "MISSING");

        snprintf(json, sizeof(json), "{'cluster':'lab','tasks':['%s'],'protectionEnabled':true,'expiresInMinutes':2881}", a);
        harness_fails(&c.h, "UpdateTaskProtection", json, INVALID, "1..2880");
        harness_fails(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':[],'protectionEnabled':true}", INVALID, "empty");
        harness_fails(&c.h, "GetTaskProtection", "{'cluster':'lab'}", INVALID, "empty");
        harness_fails(&c.h, "GetTaskProtection", "{'cluster':'none','tasks':['x']}", "ClusterNotFoundException", NULL);
        harness_fails(&c.h, "UpdateTaskProtection",
                      "{'cluster':'lab','tasks':['a','a','a','a','a','a','a','a','a','a','a'],'protectionEnabled':true}", INVALID,
                      "at most 10");
        harness_ok(&c.h, "StopTask", "{'cluster':'lab','task':'%s'}", b);
        harness_ok(&c.h, "UpdateTaskProtection", "{'cluster':'lab','tasks':['%s'],'protectionEnabled':true}", b);
        expect(&c, "failures[0].reason", "TASK_NOT_VALID");
        cluster_end(&c);
}

/* ---- Capacity providers ---- */

static void test_capacity_providers(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        cluster_group(&c, "g", "t3.small", "");
        harness_ok(&c.h, "CreateCapacityProvider",
                   "{'name':'pool','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedScaling':{'status':'ENABLED',"
                   "'targetCapacity':80}},'tags':[{'key':'k','value':'v'}]}");
        expect(&c, "capacityProvider.capacityProviderArn", ARN "capacity-provider/pool");
        expect(&c, "capacityProvider.status", "ACTIVE");
        expect(&c, "capacityProvider.type", "EC2_AUTOSCALING");
        expect(&c, "capacityProvider.autoScalingGroupProvider.managedDraining", "ENABLED");
        expect(&c, "capacityProvider.autoScalingGroupProvider.managedTerminationProtection", "DISABLED");
        assert_int_equal(harness_int(&c.h, "capacityProvider.autoScalingGroupProvider.managedScaling.instanceWarmupPeriod"), 300);
        cluster_restart(&c);
        harness_ok(&c.h, "DescribeCapacityProviders", "{'include':['TAGS']}");
        assert_int_equal(harness_count(&c.h, "capacityProviders"), 3);
        expect(&c, "capacityProviders[0].name", "FARGATE");
        expect(&c, "capacityProviders[2].name", "pool");
        expect(&c, "capacityProviders[2].tags[0].value", "v");
        harness_ok(&c.h, "DescribeCapacityProviders", "{'maxResults':2}");
        harness_ok(&c.h, "DescribeCapacityProviders", "{'maxResults':2,'nextToken':'%s'}", KEEP(&c, "nextToken"));
        assert_int_equal(harness_count(&c.h, "capacityProviders"), 1);
        harness_ok(&c.h, "UpdateCapacityProvider",
                   "{'name':'pool','autoScalingGroupProvider':{'managedScaling':{'targetCapacity':50},'managedDraining':'DISABLED'}}");
        expect(&c, "capacityProvider.updateStatus", "UPDATE_COMPLETE");
        expect(&c, "capacityProvider.autoScalingGroupProvider.managedDraining", "DISABLED");
        harness_ok(&c.h, "TagResource", "{'resourceArn':'" ARN "capacity-provider/pool','tags':[{'key':'x','value':'y'}]}");
        harness_ok(&c.h, "ListTagsForResource", "{'resourceArn':'" ARN "capacity-provider/pool'}");
        assert_int_equal(harness_count(&c.h, "tags"), 2);

        harness_ok(&c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':['pool','FARGATE'],'defaultCapacityProviderStrategy':[]}");
        harness_fails(&c.h, "CreateService",
                      "{'cluster':'lab','serviceName':'s','taskDefinition':'web','schedulingStrategy':'DAEMON','capacityProviderStrategy':"
                      "[{'capacityProvider':'pool'}]}",
                      INVALID, "DAEMON scheduling strategy");
        harness_fails(&c.h, "DeleteCapacityProvider", "{'capacityProvider':'pool'}", "ClientException", "in use");
        harness_ok(&c.h, "PutClusterCapacityProviders", "{'cluster':'lab','capacityProviders':[],'defaultCapacityProviderStrategy':[]}");
        harness_ok(&c.h, "DeleteCapacityProvider", "{'capacityProvider':'" ARN "capacity-provider/pool'}");
        expect(&c, "capacityProvider.status", "INACTIVE");
        harness_ok(&c.h, "DescribeCapacityProviders", "{'capacityProviders':['pool']}");
        expect(&c, "failures[0].reason", "MISSING");
        cluster_end(&c);
}

static void test_capacity_providers_refuse(void **state)
{
        static const struct {
                const char *operation, *json, *code, *text;
        } rows[] = {
                {"CreateCapacityProvider", "{'name':'awsome','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}", INVALID, "name"},
                {"CreateCapacityProvider", "{'name':'Fargate-2','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}", INVALID, "name"},
                {"CreateCapacityProvider", "{'name':'p'}", INVALID, "autoScalingGroupProvider is required"},
                {"CreateCapacityProvider", "{'name':'p','cluster':'lab','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}", INVALID,
                 "cluster"},
                {"CreateCapacityProvider",
                 "{'name':'p','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedTerminationProtection':'ENABLED'}}", INVALID,
                 "managedScaling.status"},
                {"CreateCapacityProvider",
                 "{'name':'p','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedScaling':{'targetCapacity':101}}}", INVALID,
                 "targetCapacity"},
                {"CreateCapacityProvider",
                 "{'name':'p','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedScaling':{'minimumScalingStepSize':9,"
                 "'maximumScalingStepSize':2}}}",
                 INVALID, "greater"},
                {"CreateCapacityProvider", "{'name':'pool','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}", "ClientException",
                 "already exists"},
                {"CreateCapacityProvider", "{'name':'q','autoScalingGroupProvider':{'autoScalingGroupArn':'none'}}", "ClientException",
                 "no such group"},
                {"CreateCapacityProvider", "{'name':'q','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}", "ClientException",
                 "used by capacity provider pool"},
                {"CreateCapacityProvider",
                 "{'name':'q','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedScaling':{'status':'ENABLED'},"
                 "'managedTerminationProtection':'ENABLED'}}",
                 "ClientException", "instance protection from scale in"},
                {"UpdateCapacityProvider", "{'name':'none','autoScalingGroupProvider':{}}", "ClientException", "does not exist"},
                {"UpdateCapacityProvider", "{'name':'FARGATE','autoScalingGroupProvider':{}}", "ClientException", "reserved"},
                {"UpdateCapacityProvider", "{'name':'pool'}", INVALID, "required"},
                {"UpdateCapacityProvider", "{'name':'pool','autoScalingGroupProvider':{'managedTerminationProtection':'ENABLED'}}", INVALID,
                 "managedScaling.status"},
                {"DeleteCapacityProvider", "{'capacityProvider':'none'}", "ClientException", "capacity provider does not exist"},
                {"DeleteCapacityProvider", "{'capacityProvider':'FARGATE_SPOT'}", "ClientException", "reserved"},
        };
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        cluster_group(&c, "g", "t3.small", "");
        harness_ok(&c.h, "CreateCapacityProvider", "{'name':'pool','autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                harness_fails(&c.h, rows[i].operation, rows[i].json, rows[i].code, rows[i].text);
        cluster_end(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_deployments),
                cmocka_unit_test(test_rollout_without_a_lost_node),
                cmocka_unit_test(test_stop_and_continue),
                cmocka_unit_test(test_task_sets),
                cmocka_unit_test(test_task_sets_refuse),
                cmocka_unit_test(test_list_tasks_of_a_service),
                cmocka_unit_test(test_protection),
                cmocka_unit_test(test_capacity_providers),
                cmocka_unit_test(test_capacity_providers_refuse),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
