/* SPDX-License-Identifier: Apache-2.0 */
/* Services through the API: create, update, delete, describe, list, and what each refuses. What runs because of it is control's. */
#include <string.h>

#include "base/strutil.h"
#include "model/service.h"

#include "cluster_harness.h"
#include "unit.h"

#define SERVICE_ARN "arn:aws:ecs:us-east-1:123456789012:service/lab/"
#define INVALID "InvalidParameterException"

static void expect(struct cluster_harness *c, const char *path, const char *value)
{
        const char *got = harness_text(&c->h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, c->h.text.data);
}

static void create(struct cluster_harness *c, const char *name)
{
        harness_ok(&c->h, "CreateService", "{'cluster':'lab','serviceName':'%s','taskDefinition':'web','desiredCount':2}", name);
}

static void describe(struct cluster_harness *c, const char *name)
{
        harness_ok(&c->h, "DescribeServices", "{'cluster':'lab','services':['%s'],'include':['TAGS']}", name);
}

static struct service *service_of(struct cluster_harness *c, const char *name)
{
        struct service *service = model_service(c->h.model, "lab", name);

        assert_non_null(service);
        return service;
}

/* What the reconciler does once a drained service has no tasks. */
static void make_inactive(struct cluster_harness *c, const char *name)
{
        struct service *service = service_of(c, name);
        struct tx *tx = tx_begin(c->h.model);
        struct state_service *state = tx_edit(tx, &service->object);

        state->status = STATE_SERVICE_STATUS_INACTIVE;
        state->inactive_at = c->h.env.now_ms;
        tx_put(tx, &service->object, state);
        tx_commit(tx);
}

/* ---- Create ---- */

static void test_create_shows_defaults(void **state)
{
        struct cluster_harness c;
        struct arena arena = {0};
        const char *id;

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "CreateService",
                   "{'cluster':'lab','serviceName':'site','taskDefinition':'web','desiredCount':2,'tags':[{'key':'team','value':'a'}]}");
        expect(&c, "service.serviceArn", SERVICE_ARN "site");
        expect(&c, "service.clusterArn", "arn:aws:ecs:us-east-1:123456789012:cluster/lab");
        expect(&c, "service.status", "ACTIVE");
        expect(&c, "service.launchType", "EC2");
        expect(&c, "service.schedulingStrategy", "REPLICA");
        expect(&c, "service.deploymentController.type", "ECS");
        expect(&c, "service.propagateTags", "NONE");
        expect(&c, "service.availabilityZoneRebalancing", "ENABLED");
        expect(&c, "service.taskDefinition", "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1");
        expect(&c, "service.deploymentConfiguration.strategy", "ROLLING");
        expect(&c, "service.tags[0].value", "a");
        assert_int_equal(harness_int(&c.h, "service.desiredCount"), 2);
        assert_int_equal(harness_int(&c.h, "service.runningCount"), 0);
        assert_int_equal(harness_int(&c.h, "service.pendingCount"), 0);
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.maximumPercent"), 200);
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.minimumHealthyPercent"), 100);
        assert_false(harness_true(&c.h, "service.deploymentConfiguration.deploymentCircuitBreaker.enable"));
        assert_false(harness_true(&c.h, "service.enableECSManagedTags"));
        assert_int_equal(harness_count(&c.h, "service.loadBalancers"), 0);
        assert_int_equal(harness_count(&c.h, "service.events"), 0);
        assert_int_equal(harness_count(&c.h, "service.placementStrategy"), 0);
        assert_int_equal(harness_count(&c.h, "service.deployments"), 1);
        expect(&c, "service.deployments[0].status", "PRIMARY");
        expect(&c, "service.deployments[0].rolloutState", "IN_PROGRESS");
        assert_int_equal(harness_int(&c.h, "service.deployments[0].desiredCount"), 2);
        assert_false(harness_has(&c.h, "service.taskSets"));
        /* Terraform finds the deployment by these digits. */
        id = arena_strdup(&arena, harness_text(&c.h, "service.deployments[0].id") + strlen("ecs-svc/"));
        assert_int_equal(strlen(id), 19);
        assert_non_null(strstr(harness_text(&c.h, "service.currentServiceRevisions[0].arn"), id));
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'site'}");
        assert_non_null(strstr(harness_text(&c.h, "serviceDeployments[0].targetServiceRevisionArn"), id));
        arena_done(&arena);
        cluster_restart(&c);
        describe(&c, "site");
        assert_int_equal(harness_int(&c.h, "services[0].desiredCount"), 2);
        cluster_end(&c);
}

static void test_create_again(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "site");
        create(&c, "site"); /* the same request: the same answer */
        harness_ok(&c.h, "ListServiceDeployments", "{'cluster':'lab','service':'site'}");
        assert_int_equal(harness_count(&c.h, "serviceDeployments"), 1);
        harness_fails(&c.h, "CreateService", "{'cluster':'lab','serviceName':'site','taskDefinition':'web','desiredCount':3}", INVALID,
                      "Creation of service was not idempotent.");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'site','force':true}");
        harness_fails(&c.h, "CreateService", "{'cluster':'lab','serviceName':'site','taskDefinition':'web','desiredCount':2}", INVALID,
                      "still Draining");
        make_inactive(&c, "site");
        create(&c, "site"); /* the name is free again */
        expect(&c, "service.status", "ACTIVE");
        assert_int_equal(harness_count(&c.h, "service.deployments"), 1);
        cluster_end(&c);
}

static void test_create_refuses(void **state)
{
        static const struct {
                const char *more, *code, *text;
        } rows[] = {
                {"'serviceName':'a b'", INVALID, "serviceName"},
                {"'cluster':'none'", "ClusterNotFoundException", "Cluster not found."},
                {"'taskDefinition':'none'", "ClientException", "TaskDefinition not found."},
                {"'desiredCount':-1", INVALID, "desiredCount"},
                {"'clientToken':'0123456789012345678901234567890123456'", INVALID, "36"},
                {"'tags':[{'key':'aws:x','value':'y'}]", INVALID, "aws:"},
                {"'healthCheckGracePeriodSeconds':-1", INVALID, "healthCheckGracePeriodSeconds"},
                /* launching */
                {"'launchType':'FARGATE'", INVALID, "does not support launch_type FARGATE"},
                {"'launchType':'EC2','capacityProviderStrategy':[{'capacityProvider':'FARGATE'}]", INVALID, "both a launch type"},
                {"'capacityProviderStrategy':[{'capacityProvider':'x'}]", INVALID, "not found"},
                {"'platformVersion':'1.4.0'", INVALID, "platform version"},
                {"'networkConfiguration':{'awsvpcConfiguration':{'subnets':['s']}}", INVALID, "Network Configuration is not valid"},
                {"'taskDefinition':'eni'", INVALID, "Network Configuration must be provided"},
                {"'enableExecuteCommand':true", "UnsupportedFeatureException", "Exec"},
                /* load balancers */
                {"'loadBalancers':[{'containerName':'app','containerPort':80}]", INVALID, "targetGroupArn is required"},
                {"'loadBalancers':[{'targetGroupArn':'t','loadBalancerName':'b'}]", INVALID, "cannot both be specified"},
                {"'loadBalancers':[{'loadBalancerName':'b'}]", "UnsupportedFeatureException", "Classic"},
                {"'loadBalancers':[{'targetGroupArn':'t'}]", INVALID, "containerName and containerPort are required"},
                {"'loadBalancers':[{'targetGroupArn':'t','containerName':'no','containerPort':80}]", INVALID,
                 "The container no does not exist in the task definition."},
                {"'loadBalancers':[{'targetGroupArn':'t','containerName':'app','containerPort':81}]", INVALID,
                 "The container app did not have a container port 81 defined."},
                {"'loadBalancers':[{'targetGroupArn':'t','containerName':'app','containerPort':80}]", INVALID, "does not exist"},
                {"'loadBalancers':[{},{},{},{},{},{}]", INVALID, "at most 5"},
                /* discovery */
                {"'serviceRegistries':[{},{}]", INVALID, "at most 1"},
                {"'serviceRegistries':[{}]", INVALID, "registryArn"},
                {"'serviceRegistries':[{'registryArn':'r'}]", INVALID, "'containerName' and 'containerPort' must be specified"},
                {"'serviceRegistries':[{'registryArn':'r','containerName':'app','containerPort':80}]", INVALID, "list-services"},
                {"'serviceConnectConfiguration':{'enabled':true}", INVALID, "namespace"},
                {"'serviceConnectConfiguration':{'enabled':true,'namespace':'n','services':[{'portName':'no'}]}", INVALID, "portName"},
                {"'serviceConnectConfiguration':{'enabled':true,'namespace':'n','services':[{'portName':'http'}]}",
                 "UnsupportedFeatureException", "Cloud Map"},
                {"'vpcLatticeConfigurations':[{'roleArn':'r','targetGroupArn':'t','portName':'http'}]", "UnsupportedFeatureException",
                 "Lattice"},
                {"'volumeConfigurations':[{'name':'v'}]", INVALID, "configuredAtLaunch"},
                /* placement */
                {"'placementConstraints':[{'type':'memberOf','expression':'('}]", INVALID, NULL},
                {"'placementStrategy':[{'type':'binpack','field':'moonlight'}]", INVALID, NULL},
                {"'placementStrategy':[{'type':'binpack','field':'cpu'}],'availabilityZoneRebalancing':'ENABLED'", INVALID,
                 "availabilityZoneRebalancing"},
                {"'deploymentConfiguration':{'maximumPercent':100,'minimumHealthyPercent':50},'availabilityZoneRebalancing':'ENABLED'",
                 INVALID, "availabilityZoneRebalancing"},
                /* kinds of service */
                {"'schedulingStrategy':'DAEMON','desiredCount':1", INVALID, "does not support a desired count"},
                {"'deploymentController':{'type':'CODE_DEPLOY'}", "UnsupportedFeatureException", "CodeDeploy"},
                {"'deploymentController':{'type':'EXTERNAL'}", INVALID, "taskDefinition cannot be specified"},
        };
        struct cluster_harness c;
        char json[800];

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'app','requiresCompatibilities':['EC2'],'networkMode':'bridge','containerDefinitions':[{'name':'app','image':"
                   "'i','memory':64,'portMappings':[{'containerPort':80,'name':'http'}]}]}");
        harness_ok(&c.h, "RegisterTaskDefinition",
                   "{'family':'eni','networkMode':'awsvpc','containerDefinitions':[{'name':'app','image':'i','memory':64}]}");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                snprintf(json, sizeof(json), "{%s%s%s%s}", strstr(rows[i].more, "'cluster'") ? "" : "'cluster':'lab',",
                         strstr(rows[i].more, "'serviceName'") ? "" : "'serviceName':'s',",
                         strstr(rows[i].more, "'taskDefinition'") ? "" : "'taskDefinition':'app',", rows[i].more);
                harness_fails(&c.h, "CreateService", json, rows[i].code, rows[i].text);
        }
        harness_fails(&c.h, "CreateService", "{'cluster':'lab','serviceName':'s'}", "ClientException", "Task definition can not be blank.");
        harness_ok(&c.h, "DeregisterTaskDefinition", "{'taskDefinition':'app:1'}");
        harness_fails(&c.h, "CreateService", "{'cluster':'lab','serviceName':'s','taskDefinition':'app:1'}", "ClientException", "inactive");
        harness_ok(&c.h, "ListServices", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 0);
        cluster_end(&c);
}

/* One call of the load balancers' API; *ret is a string of the answer. */
static void balancing(struct cluster_harness *c, const char *operation, const char *json, const char *path, const char **ret)
{
        c->h.service = "elasticloadbalancing";
        harness_ok(&c->h, operation, "%s", json);
        *ret = harness_text(&c->h, path);
        c->h.service = "ecs";
}

static void test_load_balancers(void **state)
{
        struct cluster_harness c;
        CLEANUP_ARENA struct arena arena = {0};
        const char *instances, *addresses, *balancer, *listener, *ignored;
        struct harness_networks networks;

        cluster_begin(&c, NULL);
        harness_ok(
                &c.h, "RegisterTaskDefinition",
                "{'family':'app','containerDefinitions':[{'name':'app','image':'i','memory':64,'portMappings':[{'containerPort':80}]}]}");
        harness_networks(&c.h, &networks);
        balancing(&c, "CreateTargetGroup",
                  arena_printf(&arena, "{'Name':'a','Protocol':'HTTP','Port':80,'VpcId':'%s','TargetType':'instance'}", networks.vpc),
                  "TargetGroups[0].TargetGroupArn", &instances);
        instances = arena_strdup(&arena, instances);
        balancing(&c, "CreateTargetGroup",
                  arena_printf(&arena, "{'Name':'b','Protocol':'HTTP','Port':80,'VpcId':'%s','TargetType':'ip'}", networks.vpc),
                  "TargetGroups[0].TargetGroupArn", &addresses);
        addresses = arena_strdup(&arena, addresses);
#define REQUEST(operation_members, group)                                                                    \
        arena_printf(&arena,                                                                                 \
                     "{'cluster':'lab'," operation_members                                                   \
                     ",'loadBalancers':[{'targetGroupArn':'%s','containerName':'app','containerPort':80}]}", \
                     group)
        harness_fails(&c.h, "CreateService", REQUEST("'serviceName':'s','taskDefinition':'app'", addresses), INVALID,
                      "has target type ip, which is incompatible with the bridge network mode");
        harness_fails(&c.h, "CreateService", REQUEST("'serviceName':'s','taskDefinition':'app'", instances), INVALID,
                      "does not have an associated load balancer");
        balancing(&c, "CreateLoadBalancer",
                  arena_printf(&arena, "{'Name':'lb','Subnets':['%s','%s']}", networks.subnets[0], networks.subnets[1]),
                  "LoadBalancers[0].LoadBalancerArn", &balancer);
        balancer = arena_strdup(&arena, balancer);
        balancing(&c, "CreateListener",
                  arena_printf(&arena,
                               "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':"
                               "'%s'}]}",
                               balancer, instances),
                  "Listeners[0].ListenerArn", &listener);
        listener = arena_strdup(&arena, listener);
        harness_ok(&c.h, "CreateService", "%s", REQUEST("'serviceName':'s','taskDefinition':'app'", instances));
        expect(&c, "service.loadBalancers[0].targetGroupArn", instances);
        assert_int_equal(harness_int(&c.h, "service.healthCheckGracePeriodSeconds"), 0);
        harness_fails(&c.h, "CreateService",
                      REQUEST("'serviceName':'t','taskDefinition':'app','deploymentConfiguration':{'strategy':'BLUE_GREEN'}", instances),
                      INVALID, "advancedConfiguration is required");
        for (int i = 0; i < 2; i++)
                harness_fails(&c.h, "CreateService",
                              arena_printf(&arena,
                                           "{'cluster':'lab','serviceName':'t','taskDefinition':'app','deploymentConfiguration':"
                                           "{'strategy':'BLUE_GREEN'},'loadBalancers':[{'targetGroupArn':'%s','containerName':'app',"
                                           "'containerPort':80,'advancedConfiguration':{'alternateTargetGroupArn':'other','roleArn':'r',"
                                           "'productionListenerRule':'%s'}}]}",
                                           instances,
                                           i == 0 ? "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/x" : listener),
                              INVALID,
                              i == 0 ? "productionListenerRule: the listener rule arn"
                                     : "The target group with targetGroupArn other does not exist");
        harness_ok(&c.h, "UpdateService", "%s", REQUEST("'service':'s'", instances)); /* as it is */
        assert_int_equal(harness_count(&c.h, "service.currentServiceRevisions"), 1);
        ignored = arena_strdup(&arena, harness_text(&c.h, "service.deployments[0].id"));
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','loadBalancers':[]}");
        assert_int_equal(harness_count(&c.h, "service.loadBalancers"), 0);
        assert_string_not_equal(harness_text(&c.h, "service.deployments[0].id"), ignored);
#undef REQUEST
        cluster_end(&c);
}

static void test_daemon(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "CreateService", "{'cluster':'lab','serviceName':'d','taskDefinition':'web','schedulingStrategy':'DAEMON'}");
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.maximumPercent"), 100);
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.minimumHealthyPercent"), 0);
        expect(&c, "service.availabilityZoneRebalancing", "DISABLED");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'d','desiredCount':1}", INVALID,
                      "does not support a desired count");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'d','placementStrategy':[{'type':'random'}]}", INVALID,
                      "does not support placement strategies");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'d','deploymentConfiguration':{'maximumPercent':200}}", INVALID,
                      "does not support values above 100");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'d','deploymentConfiguration':{'strategy':'CANARY'}}", INVALID,
                      "ROLLING");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'d'}");
        expect(&c, "service.status", "DRAINING");
        cluster_end(&c);
}

/* ---- Deployment configuration ---- */

static void test_deployment_configuration_refuses(void **state)
{
        static const struct {
                const char *given, *text;
        } rows[] = {
                {"'maximumPercent':99", "maximumPercent"},
                {"'minimumHealthyPercent':101", "minimumHealthyPercent"},
                {"'minimumHealthyPercent':-1", "minimumHealthyPercent"},
                {"'maximumPercent':100", "cannot be 100 as this will block deployments"},
                {"'deploymentCircuitBreaker':{'enable':false,'rollback':true}", "rollback needs enable"},
                {"'deploymentCircuitBreaker':{'enable':true,'rollback':true,'thresholdConfiguration':{'type':'COUNT','value':0}}", "value"},
                {"'deploymentCircuitBreaker':{'enable':true,'rollback':true,'thresholdConfiguration':{'value':101}}", "1..100"},
                {"'alarms':{'alarmNames':[],'enable':true,'rollback':false}", "name at least one alarm"},
                {"'alarms':{'alarmNames':['a'],'enable':false,'rollback':true}", "rollback needs enable"},
                {"'strategy':'BLUE_GREEN','bakeTimeInMinutes':1441", "bakeTimeInMinutes"},
                {"'strategy':'LINEAR','linearConfiguration':{'stepPercent':2.9}", "stepPercent"},
                {"'strategy':'LINEAR','linearConfiguration':{'stepPercent':10.05}", "steps of 0.1"},
                {"'strategy':'LINEAR','linearConfiguration':{'stepBakeTimeInMinutes':1441}", "stepBakeTimeInMinutes"},
                {"'strategy':'CANARY','canaryConfiguration':{'canaryPercent':0.05}", "canaryPercent"},
                {"'strategy':'CANARY','canaryConfiguration':{'canaryBakeTimeInMinutes':-1}", "canaryBakeTimeInMinutes"},
                {"'linearConfiguration':{'stepPercent':10}", "only valid with strategy LINEAR"},
                {"'strategy':'LINEAR','canaryConfiguration':{'canaryPercent':10}", "only valid with strategy CANARY"},
                {"'lifecycleHooks':[{'targetType':'PAUSE','lifecycleStages':['PRE_SCALE_UP']}]", "BLUE_GREEN, LINEAR or CANARY"},
                {"'strategy':'BLUE_GREEN','lifecycleHooks':[{'targetType':'PAUSE','hookTargetArn':'x','lifecycleStages':['PRE_SCALE_UP']}]",
                 "no target"},
                {"'strategy':'BLUE_GREEN','lifecycleHooks':[{'targetType':'PAUSE'}]", "at least one stage"},
                {"'strategy':'BLUE_GREEN','lifecycleHooks':[{'targetType':'PAUSE','lifecycleStages':['PRE_SCALE_UP','PRE_SCALE_UP']}]",
                 "twice"},
        };
        struct cluster_harness c;
        char json[800];

        cluster_begin(&c, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                snprintf(json, sizeof(json), "{'cluster':'lab','serviceName':'s','taskDefinition':'web','deploymentConfiguration':{%s}}",
                         rows[i].given);
                harness_fails(&c.h, "CreateService", json, INVALID, rows[i].text);
        }
        harness_fails(&c.h, "CreateService",
                      "{'cluster':'lab','serviceName':'s','taskDefinition':'web','deploymentConfiguration':{'strategy':'BLUE_GREEN',"
                      "'lifecycleHooks':[{'hookTargetArn':'x','lifecycleStages':['PRE_SCALE_UP']}]}}",
                      "UnsupportedFeatureException", "Use PAUSE");
        cluster_end(&c);
}

static void test_deployment_configuration_merges(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        harness_ok(
                &c.h, "CreateService",
                "{'cluster':'lab','serviceName':'s','taskDefinition':'web','deploymentConfiguration':{'strategy':'CANARY','"
                "bakeTimeInMinutes'"
                ":3,'canaryConfiguration':{'canaryPercent':20},'lifecycleHooks':[{'targetType':'PAUSE','lifecycleStages':['POST_SCALE_UP'],"
                "'timeoutConfiguration':{'timeoutInMinutes':5,'action':'CONTINUE'}}],'alarms':{'alarmNames':['a'],'enable':true,"
                "'rollback':true}}}");
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.canaryConfiguration.canaryBakeTimeInMinutes"), 10);
        expect(&c, "service.deploymentConfiguration.lifecycleHooks[0].timeoutConfiguration.action", "CONTINUE");
        harness_ok(&c.h, "UpdateService",
                   "{'cluster':'lab','service':'s','deploymentConfiguration':{'deploymentCircuitBreaker':{'enable':true,'rollback':true},"
                   "'minimumHealthyPercent':50}}");
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.minimumHealthyPercent"), 50);
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.bakeTimeInMinutes"), 3);
        expect(&c, "service.deploymentConfiguration.alarms.alarmNames[0]", "a");
        assert_true(harness_true(&c.h, "service.deploymentConfiguration.deploymentCircuitBreaker.rollback"));
        assert_int_equal(harness_count(&c.h, "service.deployments"), 1); /* it started no deployment */
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','deploymentConfiguration':{'strategy':'LINEAR'}}");
        assert_false(harness_has(&c.h, "service.deploymentConfiguration.canaryConfiguration"));
        assert_int_equal(harness_int(&c.h, "service.deploymentConfiguration.linearConfiguration.stepBakeTimeInMinutes"), 6);
        assert_int_equal(harness_count(&c.h, "service.deploymentConfiguration.lifecycleHooks"), 1);
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','deploymentConfiguration':{'strategy':'ROLLING'}}");
        assert_false(harness_has(&c.h, "service.deploymentConfiguration.linearConfiguration"));
        assert_false(harness_has(&c.h, "service.deploymentConfiguration.lifecycleHooks"));
        cluster_end(&c);
}

/* ---- Update ---- */

/* Deployments so far of service "s". */
static size_t deployments(struct cluster_harness *c)
{
        harness_ok(&c->h, "ListServiceDeployments", "{'cluster':'lab','service':'s'}");
        return harness_count(&c->h, "serviceDeployments");
}

static void test_what_starts_a_deployment(void **state)
{
        static const struct {
                const char *given;
                bool deploys;
        } rows[] = {
                {"'desiredCount':3", false},
                {"'deploymentConfiguration':{'maximumPercent':150}", false},
                {"'availabilityZoneRebalancing':'DISABLED'", false},
                {"'placementConstraints':[{'type':'distinctInstance'}]", false},
                {"'placementStrategy':[{'type':'random'}]", false},
                {"'healthCheckGracePeriodSeconds':5", false},
                {"'enableECSManagedTags':true", false},
                {"'propagateTags':'SERVICE'", false},
                {"'capacityProviderStrategy':[]", false},
                {"'taskDefinition':'web:1'", false}, /* it is what runs */
                {"'loadBalancers':[]", false},
                {"'taskDefinition':'web:2'", true},
                {"'forceNewDeployment':true", true},
                {"'serviceConnectConfiguration':{'enabled':false}", true},
        };
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        harness_ok(&c.h, "CreateService", "{'cluster':'lab','serviceName':'s','taskDefinition':'web','desiredCount':2}");
        harness_ok(&c.h, "RegisterTaskDefinition", "{'family':'web','containerDefinitions':[{'name':'web','image':'b','memory':64}]}");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                size_t before = deployments(&c);

                harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s',%s}", rows[i].given);
                if (deployments(&c) != before + rows[i].deploys)
                        fail_msg("%s: %zu deployments, then %zu", rows[i].given, before, deployments(&c));
        }
        describe(&c, "s");
        assert_int_equal(harness_int(&c.h, "services[0].desiredCount"), 3);
        assert_int_equal(harness_int(&c.h, "services[0].healthCheckGracePeriodSeconds"), 5);
        expect(&c, "services[0].taskDefinition", "arn:aws:ecs:us-east-1:123456789012:task-definition/web:2");
        expect(&c, "services[0].propagateTags", "SERVICE");
        expect(&c, "services[0].placementConstraints[0].type", "distinctInstance");
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','placementConstraints':[],'placementStrategy':[]}");
        assert_int_equal(harness_count(&c.h, "service.placementConstraints"), 0);
        assert_int_equal(harness_count(&c.h, "service.placementStrategy"), 0);
        cluster_end(&c);
}

static void test_update_refuses(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "s");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'none'}", "ServiceNotFoundException", "Service not found.");
        harness_fails(&c.h, "UpdateService", "{'cluster':'none','service':'s'}", "ClusterNotFoundException", "Cluster not found.");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','taskDefinition':'none'}", "ClientException", "not found");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','desiredCount':-1}", INVALID, "desiredCount");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','deploymentController':{'type':'EXTERNAL'}}", INVALID,
                      "controller");
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','deploymentController':{'type':'ECS'}}");
        harness_fails(&c.h, "UpdateService",
                      "{'cluster':'lab','service':'s','loadBalancers':[{'targetGroupArn':'t','containerName':'x','containerPort':1}]}",
                      INVALID, "does not exist");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','enableExecuteCommand':true}", "UnsupportedFeatureException",
                      "Exec");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','placementStrategy':[{'type':'binpack','field':'cpu'}]}",
                      INVALID, "availabilityZoneRebalancing");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s','platformVersion':'9.9'}", INVALID, "platform version");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'s','force':true}");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s'}", "ServiceNotActiveException", "Service was not ACTIVE.");
        make_inactive(&c, "s");
        harness_fails(&c.h, "UpdateService", "{'cluster':'lab','service':'s'}", "ServiceNotActiveException", "Service was not ACTIVE.");
        cluster_end(&c);
}

/* ---- Delete, describe, list ---- */

static void test_delete(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "s");
        harness_fails(&c.h, "DeleteService", "{'cluster':'lab','service':'s'}", INVALID,
                      "The service cannot be stopped while it is scaled above 0.");
        harness_fails(&c.h, "DeleteCluster", "{'cluster':'lab'}", "ClusterContainsServicesException", "Services are active");
        harness_ok(&c.h, "DescribeClusters", "{'clusters':['lab'],'include':['STATISTICS']}");
        assert_int_equal(harness_int(&c.h, "clusters[0].activeServicesCount"), 1);
        expect(&c, "clusters[0].statistics[2].name", "activeEC2ServiceCount");
        expect(&c, "clusters[0].statistics[2].value", "1");
        harness_ok(&c.h, "UpdateService", "{'cluster':'lab','service':'s','desiredCount':0}");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'" SERVICE_ARN "s'}");
        expect(&c, "service.status", "DRAINING");
        harness_ok(&c.h, "DeleteService", "{'cluster':'lab','service':'s'}"); /* once more: nothing new */
        harness_ok(&c.h, "ListServices", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 0);
        harness_ok(&c.h, "DescribeClusters", "{'clusters':['lab'],'include':['STATISTICS']}");
        assert_int_equal(harness_int(&c.h, "clusters[0].activeServicesCount"), 0);
        harness_fails(&c.h, "DeleteCluster", "{'cluster':'lab'}", "ClusterContainsServicesException", "Services are active");
        harness_ok(&c.h, "DescribeClusters", "{'clusters':['lab'],'include':['STATISTICS']}");
        expect(&c, "clusters[0].statistics[3].name", "drainingEC2ServiceCount");
        expect(&c, "clusters[0].statistics[3].value", "1");
        make_inactive(&c, "s");
        describe(&c, "s");
        expect(&c, "services[0].status", "INACTIVE");
        assert_int_equal(harness_count(&c.h, "services[0].deployments"), 0);
        harness_fails(&c.h, "DeleteService", "{'cluster':'lab','service':'s'}", "ServiceNotFoundException", "Service not found.");
        harness_fails(&c.h, "DeleteService", "{'cluster':'lab','service':'none'}", "ServiceNotFoundException", "Service not found.");
        harness_ok(&c.h, "DeleteCluster", "{'cluster':'lab'}");
        cluster_end(&c);
}

static void test_describe(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "s");
        harness_ok(&c.h, "DescribeServices", "{'cluster':'lab','services':['" SERVICE_ARN "s','none','" SERVICE_ARN "away']}");
        assert_int_equal(harness_count(&c.h, "services"), 1);
        assert_false(harness_has(&c.h, "services[0].tags"));
        expect(&c, "failures[0].arn", SERVICE_ARN "none");
        expect(&c, "failures[0].reason", "MISSING");
        expect(&c, "failures[1].arn", SERVICE_ARN "away");
        harness_fails(&c.h, "DescribeServices", "{'cluster':'lab','services':[]}", INVALID, "Services cannot be empty.");
        harness_fails(&c.h, "DescribeServices", "{'cluster':'lab','services':['a','b','c','d','e','f','g','h','i','j','k']}", INVALID,
                      "at most 10");
        harness_fails(&c.h, "DescribeServices", "{'cluster':'none','services':['s']}", "ClusterNotFoundException", "Cluster not found.");
        cluster_end(&c);
}

static void test_events_newest_first(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "s");
        for (int i = 0; i < SERVICE_EVENTS + 5; i++) {
                struct tx *tx = tx_begin(c.h.model);

                service_add_event(tx, service_of(&c, "s"), c.h.env.now_ms + i, "event %d.", i);
                tx_commit(tx);
        }
        describe(&c, "s");
        assert_int_equal(harness_count(&c.h, "services[0].events"), SERVICE_EVENTS);
        expect(&c, "services[0].events[0].message", "(service s) event 104.");
        expect(&c, "services[0].events[99].message", "(service s) event 5.");
        cluster_end(&c);
}

static void test_list(void **state)
{
        struct cluster_harness c;
        char name[16];

        cluster_begin(&c, NULL);
        for (int i = 0; i < 12; i++) {
                snprintf(name, sizeof(name), "s%02d", i);
                create(&c, name);
        }
        harness_ok(&c.h, "CreateService", "{'cluster':'lab','serviceName':'d','taskDefinition':'web','schedulingStrategy':'DAEMON'}");
        harness_ok(&c.h, "ListServices", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 10);
        expect(&c, "serviceArns[0]", SERVICE_ARN "d");
        harness_ok(&c.h, "ListServices", "{'cluster':'lab','nextToken':'%s'}", strdupa(harness_text(&c.h, "nextToken")));
        assert_int_equal(harness_count(&c.h, "serviceArns"), 3);
        assert_false(harness_has(&c.h, "nextToken"));
        harness_ok(&c.h, "ListServices", "{'cluster':'lab','maxResults':100,'schedulingStrategy':'REPLICA'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 12);
        harness_ok(&c.h, "ListServices", "{'cluster':'lab','launchType':'FARGATE'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 0);
        harness_ok(&c.h, "ListServices", "{'cluster':'lab','resourceManagementType':'ECS'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 0);
        harness_fails(&c.h, "ListServices", "{'cluster':'lab','maxResults':101}", INVALID, NULL);
        harness_fails(&c.h, "ListServices", "{'cluster':'none'}", "ClusterNotFoundException", "Cluster not found.");
        harness_fails(&c.h, "ListServicesByNamespace", "{'namespace':'prod'}", "NamespaceNotFoundException", "prod");
        harness_ok(&c.h, "UpdateCluster", "{'cluster':'lab','serviceConnectDefaults':{'namespace':'prod'}}");
        harness_ok(&c.h, "ListServicesByNamespace", "{'namespace':'prod'}");
        assert_int_equal(harness_count(&c.h, "serviceArns"), 0);
        cluster_end(&c);
}

static void test_tags(void **state)
{
        struct cluster_harness c;

        cluster_begin(&c, NULL);
        create(&c, "s");
        harness_ok(&c.h, "TagResource", "{'resourceArn':'" SERVICE_ARN "s','tags':[{'key':'a','value':'1'},{'key':'b','value':'2'}]}");
        harness_ok(&c.h, "UntagResource", "{'resourceArn':'" SERVICE_ARN "s','tagKeys':['a']}");
        harness_ok(&c.h, "ListTagsForResource", "{'resourceArn':'" SERVICE_ARN "s'}");
        assert_int_equal(harness_count(&c.h, "tags"), 1);
        describe(&c, "s");
        expect(&c, "services[0].tags[0].value", "2");
        harness_fails(&c.h, "ListTagsForResource", "{'resourceArn':'" SERVICE_ARN "none'}", "ResourceNotFoundException", "service");
        cluster_end(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create_shows_defaults),
                cmocka_unit_test(test_create_again),
                cmocka_unit_test(test_create_refuses),
                cmocka_unit_test(test_load_balancers),
                cmocka_unit_test(test_daemon),
                cmocka_unit_test(test_deployment_configuration_refuses),
                cmocka_unit_test(test_deployment_configuration_merges),
                cmocka_unit_test(test_what_starts_a_deployment),
                cmocka_unit_test(test_update_refuses),
                cmocka_unit_test(test_delete),
                cmocka_unit_test(test_describe),
                cmocka_unit_test(test_events_newest_first),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_tags),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
