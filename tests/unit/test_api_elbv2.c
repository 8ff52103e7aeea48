/* SPDX-License-Identifier: Apache-2.0 */
/* The Elastic Load Balancing API: what clients get back, and the errors that they look for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_harness.h"
#include "model/balancer.h"
#include "unit.h"

struct world {
        struct api_harness h;
        struct harness_networks networks;
        char balancer[256], group[256], listener[256];
};

static void keep(struct world *w, char *ret, size_t size, const char *path)
{
        snprintf(ret, size, "%s", harness_text(&w->h, path));
}

/* The default VPC and its first two subnets. */
static void begin(struct world *w)
{
        *w = (struct world){0};
        harness_begin(&w->h);
        harness_networks(&w->h, &w->networks);
        w->h.service = "elasticloadbalancing";
}

static void make_balancer(struct world *w, const char *name)
{
        harness_ok(&w->h, "CreateLoadBalancer", "{'Name':'%s','Subnets':['%s','%s']}", name, w->networks.subnets[0],
                   w->networks.subnets[1]);
        keep(w, w->balancer, sizeof(w->balancer), "LoadBalancers[0].LoadBalancerArn");
}

static void make_group(struct world *w, const char *name)
{
        harness_ok(&w->h, "CreateTargetGroup", "{'Name':'%s','Protocol':'HTTP','Port':8080,'VpcId':'%s','TargetType':'ip'}", name,
                   w->networks.vpc);
        keep(w, w->group, sizeof(w->group), "TargetGroups[0].TargetGroupArn");
}

static void make_listener(struct world *w)
{
        harness_ok(&w->h, "CreateListener",
                   "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
                   w->balancer, w->group);
        keep(w, w->listener, sizeof(w->listener), "Listeners[0].ListenerArn");
}

static void begin_serving(struct world *w)
{
        begin(w);
        make_balancer(w, "web");
        make_group(w, "blue");
        make_listener(w);
}

static void fails(struct world *w, const char *operation, const char *code, const char *text, const char *fmt, ...) PRINTF_LIKE(5, 6);
static void fails(struct world *w, const char *operation, const char *code, const char *text, const char *fmt, ...)
{
        char json[2048];
        va_list args;

        va_start(args, fmt);
        vsnprintf(json, sizeof(json), fmt, args);
        va_end(args);
        harness_fails(&w->h, operation, json, code, text);
}

static void test_balancer(void **state)
{
        struct world w;

        begin(&w);
        make_balancer(&w, "Web");
        assert_string_equal(harness_text(&w.h, "LoadBalancers[0].State.Code"), "active");
        assert_string_equal(harness_text(&w.h, "LoadBalancers[0].Scheme"), "internet-facing");
        assert_string_equal(harness_text(&w.h, "LoadBalancers[0].VpcId"), w.networks.vpc);
        assert_int_equal(harness_count(&w.h, "LoadBalancers[0].AvailabilityZones"), 2);
        assert_int_equal(harness_count(&w.h, "LoadBalancers[0].SecurityGroups"), 1);
        assert_true(strncmp(harness_text(&w.h, "LoadBalancers[0].DNSName"), "web-", 4) == 0);
        assert_non_null(strstr(harness_text(&w.h, "LoadBalancers[0].DNSName"), ".us-east-1.elb.localhost"));
        assert_int_equal(model_objects(w.h.model, OBJECT_NETWORK_INTERFACE)->count, 2);
        make_balancer(&w, "Web"); /* the same again */
        assert_int_equal(model_objects(w.h.model, OBJECT_LOAD_BALANCER)->count, 1);
        fails(&w, "CreateLoadBalancer", "DuplicateLoadBalancerName", "different settings",
              "{'Name':'Web','Scheme':'internal','Subnets':['%s','%s']}", w.networks.subnets[0], w.networks.subnets[1]);
        harness_restart(&w.h);
        harness_ok(&w.h, "DescribeLoadBalancers", "{'Names':['Web']}");
        assert_string_equal(harness_text(&w.h, "LoadBalancers[0].LoadBalancerArn"), w.balancer);
        harness_ok(&w.h, "DeleteLoadBalancer", "{'LoadBalancerArn':'%s'}", w.balancer);
        assert_int_equal(model_objects(w.h.model, OBJECT_NETWORK_INTERFACE)->count, 0);
        harness_ok(&w.h, "DeleteLoadBalancer", "{'LoadBalancerArn':'%s'}", w.balancer);
        fails(&w, "DescribeLoadBalancers", "LoadBalancerNotFound", "not found", "{'Names':['Web']}");
        harness_end(&w.h);
}

static void test_balancer_refused(void **state)
{
        static const struct {
                const char *json, *code, *text;
        } cases[] = {
                {"{'Name':'-x','Subnets':['S1','S2']}", "ValidationError", "hyphen"},
                {"{'Name':'a_b','Subnets':['S1','S2']}", "ValidationError", "alphanumeric"},
                {"{'Name':'w','Subnets':['S1']}", "ValidationError", "At least two subnets"},
                {"{'Name':'w'}", "ValidationError", "Subnets"},
                {"{'Name':'w','Subnets':['S1','subnet-0']}", "SubnetNotFound", "subnet-0"},
                {"{'Name':'w','Subnets':['S1','S1']}", "InvalidConfigurationRequest", "same Availability Zone"},
                {"{'Name':'w','Subnets':['S1','S2'],'SecurityGroups':['sg-0']}", "InvalidSecurityGroup", "sg-0"},
                {"{'Name':'w','Subnets':['S1','S2'],'Type':'gateway'}", "InvalidConfigurationRequest", "Gateway"},
                {"{'Name':'w','Subnets':['S1','S2'],'Tags':[{'Key':'a'},{'Key':'a'}]}", "DuplicateTagKeys", "twice"},
        };
        struct world w;

        begin(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char json[1024], *out = json;

                for (const char *p = cases[i].json; *p != '\0'; p++) {
                        if (p[0] == 'S' && (p[1] == '1' || p[1] == '2'))
                                out += sprintf(out, "%s", w.networks.subnets[*++p - '1']);
                        else
                                *out++ = *p;
                }
                *out = '\0';
                harness_fails(&w.h, "CreateLoadBalancer", json, cases[i].code, cases[i].text);
        }
        assert_int_equal(model_objects(w.h.model, OBJECT_NETWORK_INTERFACE)->count, 0);
        harness_end(&w.h);
}

static void test_attributes(void **state)
{
        struct world w;

        begin_serving(&w);
        harness_ok(&w.h, "ModifyLoadBalancerAttributes",
                   "{'LoadBalancerArn':'%s','Attributes':[{'Key':'idle_timeout.timeout_seconds','Value':'5'}]}", w.balancer);
        fails(&w, "ModifyLoadBalancerAttributes", "ValidationError", "attribute key 'nope' is not recognized",
              "{'LoadBalancerArn':'%s','Attributes':[{'Key':'nope','Value':'1'}]}", w.balancer);
        fails(&w, "ModifyLoadBalancerAttributes", "ValidationError", "between 1 and 4000",
              "{'LoadBalancerArn':'%s','Attributes':[{'Key':'idle_timeout.timeout_seconds','Value':'0'}]}", w.balancer);
        fails(&w, "ModifyTargetGroupAttributes", "ValidationError", "round_robin",
              "{'TargetGroupArn':'%s','Attributes':[{'Key':'load_balancing.algorithm.type','Value':'best'}]}", w.group);
        fails(&w, "ModifyTargetGroupAttributes", "ValidationError", "between 30 and 900",
              "{'TargetGroupArn':'%s','Attributes':[{'Key':'slow_start.duration_seconds','Value':'29'}]}", w.group);
        /* What is not carried out can only have the value that changes nothing. */
        fails(&w, "ModifyLoadBalancerAttributes", "InvalidConfigurationRequest", "there is no web application firewall",
              "{'LoadBalancerArn':'%s','Attributes':[{'Key':'waf.fail_open.enabled','Value':'true'}]}", w.balancer);
        harness_ok(&w.h, "ModifyLoadBalancerAttributes",
                   "{'LoadBalancerArn':'%s','Attributes':[{'Key':'waf.fail_open.enabled','Value':'false'}]}", w.balancer);
        harness_ok(&w.h, "ModifyLoadBalancerAttributes",
                   "{'LoadBalancerArn':'%s','Attributes':[{'Key':'deletion_protection.enabled','Value':'true'}]}", w.balancer);
        fails(&w, "DeleteLoadBalancer", "OperationNotPermitted", "deletion protection", "{'LoadBalancerArn':'%s'}", w.balancer);
        harness_ok(&w.h, "DescribeLoadBalancerAttributes", "{'LoadBalancerArn':'%s'}", w.balancer);
        assert_int_equal(harness_count(&w.h, "Attributes"), 19);
        assert_string_equal(harness_text(&w.h, "Attributes[3].Key"), "idle_timeout.timeout_seconds");
        assert_string_equal(harness_text(&w.h, "Attributes[3].Value"), "5");
        harness_end(&w.h);
}

static void test_target_group(void **state)
{
        struct world w;

        begin(&w);
        make_group(&w, "blue");
        assert_int_equal(harness_int(&w.h, "TargetGroups[0].HealthCheckIntervalSeconds"), 30);
        assert_int_equal(harness_int(&w.h, "TargetGroups[0].HealthyThresholdCount"), 5);
        assert_string_equal(harness_text(&w.h, "TargetGroups[0].Matcher.HttpCode"), "200");
        assert_string_equal(harness_text(&w.h, "TargetGroups[0].ProtocolVersion"), "HTTP1");
        assert_int_equal(harness_count(&w.h, "TargetGroups[0].LoadBalancerArns"), 0);
        make_group(&w, "blue");
        fails(&w, "CreateTargetGroup", "DuplicateTargetGroupName", "different settings",
              "{'Name':'blue','Protocol':'HTTP','Port':81,'VpcId':'%s','TargetType':'ip'}", w.networks.vpc);
        fails(&w, "ModifyTargetGroup", "ValidationError", "interval", "{'TargetGroupArn':'%s','HealthCheckTimeoutSeconds':30}", w.group);
        fails(&w, "ModifyTargetGroup", "ValidationError", "200-499", "{'TargetGroupArn':'%s','Matcher':{'HttpCode':'99'}}", w.group);
        fails(&w, "ModifyTargetGroup", "ValidationError", "begin with", "{'TargetGroupArn':'%s','HealthCheckPath':'x'}", w.group);
        harness_ok(&w.h, "ModifyTargetGroup", "{'TargetGroupArn':'%s','HealthCheckPath':'/up','Matcher':{'HttpCode':'200-299,301'}}",
                   w.group);
        assert_string_equal(harness_text(&w.h, "TargetGroups[0].HealthCheckPath"), "/up");
        fails(&w, "CreateTargetGroup", "InvalidConfigurationRequest", "HAProxy", "{'Name':'u','Protocol':'UDP','Port':53,'VpcId':'%s'}",
              w.networks.vpc);
        harness_end(&w.h);
}

static void test_listener(void **state)
{
        struct world w;

        begin_serving(&w);
        fails(&w, "CreateListener", "DuplicateListener", "already exists on this port",
              "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.balancer, w.group);
        fails(&w, "CreateListener", "ValidationError", "certificate",
              "{'LoadBalancerArn':'%s','Protocol':'HTTPS','Port':443,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.balancer, w.group);
        fails(&w, "CreateListener", "TargetGroupNotFound", NULL,
              "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':81,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s0'}]}",
              w.balancer, w.group);
        fails(&w, "CreateListener", "InvalidLoadBalancerAction", "not available",
              "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':81,'DefaultActions':[{'Type':'authenticate-oidc'}]}", w.balancer);
        fails(&w, "CreateListener", "InvalidLoadBalancerAction", "loop",
              "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':81,'DefaultActions':[{'Type':'redirect','RedirectConfig':{'StatusCode':'"
              "HTTP_301'}}]}",
              w.balancer);
        fails(&w, "DeleteTargetGroup", "ResourceInUse", "in use by a listener", "{'TargetGroupArn':'%s'}", w.group);
        harness_ok(&w.h, "DescribeListeners", "{'LoadBalancerArn':'%s'}", w.balancer);
        assert_string_equal(harness_text(&w.h, "Listeners[0].DefaultActions[0].TargetGroupArn"), w.group);
        assert_string_equal(harness_text(&w.h, "Listeners[0].DefaultActions[0].ForwardConfig.TargetGroups[0].TargetGroupArn"), w.group);
        harness_ok(&w.h, "DescribeTargetGroups", "{'LoadBalancerArn':'%s'}", w.balancer);
        assert_string_equal(harness_text(&w.h, "TargetGroups[0].LoadBalancerArns[0]"), w.balancer);
        make_balancer(&w, "other");
        fails(&w, "CreateListener", "TargetGroupAssociationLimit", "more than one load balancer",
              "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.balancer, w.group);
        harness_ok(&w.h, "DeleteListener", "{'ListenerArn':'%s'}", w.listener);
        harness_ok(&w.h, "DeleteTargetGroup", "{'TargetGroupArn':'%s'}", w.group);
        harness_end(&w.h);
}

static void add_rule(struct world *w, int priority, const char *conditions, char ret[256])
{
        harness_ok(&w->h, "CreateRule",
                   "{'ListenerArn':'%s','Priority':%d,'Conditions':[%s],'Actions':[{'Type':'forward','TargetGroupArn':'%s'}]}", w->listener,
                   priority, conditions, w->group);
        keep(w, ret, 256, "Rules[0].RuleArn");
}

static void test_rules(void **state)
{
        char first[256], second[256];
        struct world w;

        begin_serving(&w);
        add_rule(&w, 20, "{'Field':'path-pattern','Values':['/api/*']}", first);
        add_rule(&w, 10,
                 "{'Field':'host-header','HostHeaderConfig':{'Values':['*.example.com']}},{'Field':'source-ip','SourceIpConfig':{'Values':["
                 "'10.0.0.0/8']}}",
                 second);
        fails(&w, "CreateRule", "PriorityInUse", "Priority '10'",
              "{'ListenerArn':'%s','Priority':10,'Conditions':[{'Field':'path-pattern','Values':['/"
              "']}],'Actions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.listener, w.group);
        fails(&w, "CreateRule", "ValidationError", "must be one of",
              "{'ListenerArn':'%s','Priority':11,'Conditions':[{'Field':'colour','Values':['/"
              "']}],'Actions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.listener, w.group);
        fails(&w, "CreateRule", "ValidationError", "CIDR",
              "{'ListenerArn':'%s','Priority':11,'Conditions':[{'Field':'source-ip','Values':['10.0.0.1']}],'Actions':[{'Type':'forward','"
              "TargetGroupArn':'%s'}]}",
              w.listener, w.group);
        /* Either would take the server down with it. */
        fails(&w, "CreateRule", "ValidationError", "multiply",
              "{'ListenerArn':'%s','Priority':11,'Conditions':[{'Field':'path-pattern','RegexValues':['((((a{1,50}){1,50}){1,50}){1,50})'"
              "]}],'Actions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
              w.listener, w.group);
        fails(&w, "CreateRule", "ValidationError", "multiply",
              "{'ListenerArn':'%s','Priority':11,'Conditions':[{'Field':'host-header','RegexValues':["
              "'((((((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+']}],'Actions':[{'Type':'forward',"
              "'TargetGroupArn':'%s'}]}",
              w.listener, w.group);
        harness_ok(&w.h, "DescribeRules", "{'ListenerArn':'%s'}", w.listener);
        assert_int_equal(harness_count(&w.h, "Rules"), 3);
        assert_string_equal(harness_text(&w.h, "Rules[0].Priority"), "10");
        assert_string_equal(harness_text(&w.h, "Rules[1].Conditions[0].PathPatternConfig.Values[0]"), "/api/*");
        assert_string_equal(harness_text(&w.h, "Rules[2].Priority"), "default");
        assert_true(harness_true(&w.h, "Rules[2].IsDefault"));
        harness_ok(&w.h, "SetRulePriorities", "{'RulePriorities':[{'RuleArn':'%s','Priority':20},{'RuleArn':'%s','Priority':10}]}", second,
                   first);
        harness_ok(&w.h, "DescribeRules", "{'ListenerArn':'%s','PageSize':1}", w.listener);
        assert_string_equal(harness_text(&w.h, "Rules[0].RuleArn"), first);
        assert_true(harness_has(&w.h, "NextMarker"));
        harness_ok(&w.h, "DeleteRule", "{'RuleArn':'%s'}", first);
        fails(&w, "DescribeRules", "RuleNotFound", NULL, "{'RuleArns':['%s']}", first);
        harness_end(&w.h);
}

static void test_targets(void **state)
{
        struct world w;

        begin_serving(&w);
        harness_ok(&w.h, "RegisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'10.0.0.5'},{'Id':'10.0.0.6','Port':81}]}", w.group);
        fails(&w, "RegisterTargets", "ValidationError", "not a valid IPv4", "{'TargetGroupArn':'%s','Targets':[{'Id':'x'}]}", w.group);
        harness_ok(&w.h, "DescribeTargetHealth", "{'TargetGroupArn':'%s'}", w.group);
        assert_int_equal(harness_count(&w.h, "TargetHealthDescriptions"), 2);
        assert_int_equal(harness_int(&w.h, "TargetHealthDescriptions[0].Target.Port"), 8080);
        assert_string_equal(harness_text(&w.h, "TargetHealthDescriptions[0].TargetHealth.State"), "initial");
        assert_string_equal(harness_text(&w.h, "TargetHealthDescriptions[0].TargetHealth.Reason"), "Elb.RegistrationInProgress");
        harness_ok(&w.h, "DescribeTargetHealth", "{'TargetGroupArn':'%s','Targets':[{'Id':'10.9.9.9'}]}", w.group);
        assert_string_equal(harness_text(&w.h, "TargetHealthDescriptions[0].TargetHealth.Reason"), "Target.NotRegistered");
        model_set_balancing(w.h.model, true);
        harness_ok(&w.h, "DeregisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'10.0.0.5'}]}", w.group);
        harness_ok(&w.h, "DescribeTargetHealth", "{'TargetGroupArn':'%s','Targets':[{'Id':'10.0.0.5'}]}", w.group);
        assert_string_equal(harness_text(&w.h, "TargetHealthDescriptions[0].TargetHealth.State"), "draining");
        harness_end(&w.h);
}

static void test_tags(void **state)
{
        struct world w;

        begin_serving(&w);
        harness_ok(&w.h, "AddTags", "{'ResourceArns':['%s','%s'],'Tags':[{'Key':'team','Value':'a'},{'Key':'x'}]}", w.balancer, w.listener);
        harness_ok(&w.h, "RemoveTags", "{'ResourceArns':['%s'],'TagKeys':['x']}", w.balancer);
        harness_ok(&w.h, "DescribeTags", "{'ResourceArns':['%s','%s']}", w.balancer, w.listener);
        assert_int_equal(harness_count(&w.h, "TagDescriptions[0].Tags"), 1);
        assert_int_equal(harness_count(&w.h, "TagDescriptions[1].Tags"), 2);
        fails(&w, "DescribeTags", "LoadBalancerNotFound", NULL, "{'ResourceArns':['%s0']}", w.balancer);
        harness_end(&w.h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_balancer),   cmocka_unit_test(test_balancer_refused),
                cmocka_unit_test(test_attributes), cmocka_unit_test(test_target_group),
                cmocka_unit_test(test_listener),   cmocka_unit_test(test_rules),
                cmocka_unit_test(test_targets),    cmocka_unit_test(test_tags),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
