/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's counters as metrics: what happened in each second, over reloads, restarts and servers that come and go. */
#include <stdio.h>
#include <string.h>

#include "api_harness.h"
#include "lb/traffic.h"
#include "lb/traffic_internal.h"
#include "unit.h"

#define HEAD "# pxname,svname,qcur,scur,stot,bin,bout,econ,status,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,req_tot,rtime\n"

struct world {
        struct api_harness h;
        struct lb_traffic *traffic;
        struct lb_counters counters;
        struct metrics *metrics;
        char balancer[256], group[256]; /* as dimensions have them */
        const char *listener_id, *group_id;
        int64_t now_ms;
};

static void begin(struct world *w, const char *type, const char *protocol)
{
        struct harness_networks networks;
        char arn[256];

        *w = (struct world){.now_ms = INT64_C(1800000000000)};
        harness_begin(&w->h);
        harness_networks(&w->h, &networks);
        w->h.service = "elasticloadbalancing";
        harness_ok(&w->h, "CreateLoadBalancer", "{'Name':'web','Type':'%s','Subnets':['%s','%s']}", type, networks.subnets[0],
                   networks.subnets[1]);
        snprintf(arn, sizeof(arn), "%s", harness_text(&w->h, "LoadBalancers[0].LoadBalancerArn"));
        snprintf(w->balancer, sizeof(w->balancer), "%s", strstr(arn, ":loadbalancer/") + strlen(":loadbalancer/"));
        harness_ok(&w->h, "CreateTargetGroup", "{'Name':'blue','Port':80,'VpcId':'%s','TargetType':'ip','Protocol':'%s'}", networks.vpc,
                   protocol);
        snprintf(w->group, sizeof(w->group), "%s", harness_text(&w->h, "TargetGroups[0].TargetGroupArn"));
        harness_ok(&w->h, "CreateListener",
                   "{'LoadBalancerArn':'%s','Protocol':'%s','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}", arn,
                   protocol, w->group);
        harness_ok(&w->h, "RegisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'10.0.0.1'},{'Id':'10.0.0.2'}]}", w->group);
        memmove(w->group, strstr(w->group, ":targetgroup/") + 1, strlen(strstr(w->group, ":targetgroup/")));
        tree_for_each (node, model_objects(w->h.model, OBJECT_TARGET)) {
                struct target *target = MODEL_OBJECT(node, target);

                model_set_target_health(w->h.model, target, ELBV2_TARGET_HEALTH_STATE_HEALTHY, ELBV2_TARGET_HEALTH_REASON_UNSET, NULL);
        }
        w->listener_id = MODEL_OBJECT(tree_first(model_objects(w->h.model, OBJECT_LISTENER)), listener)->state->id;
        w->group_id = strrchr(w->group, '/') + 1;
        w->metrics = metrics_new(NULL);
        w->traffic = lb_traffic_new(w->h.model, w->metrics);
        lb_counters_init(&w->counters, true);
}

static void end(struct world *w)
{
        lb_counters_done(&w->counters);
        lb_traffic_free(w->traffic);
        metrics_free(w->metrics);
        harness_end(&w->h);
}

/* A second has passed, and the worker says this: of the listener, the group, and one server. */
static uint64_t look(struct world *w, struct lb_counters *counters, const char *listener, const char *group, const char *server)
{
        CLEANUP_BUF struct buf text = {0};

        buf_printf(&text, HEAD "L-%s,FRONTEND,0,%s\nT-%s,BACKEND,0,%s\n", w->listener_id, listener, w->group_id, group);
        if (server != NULL)
                buf_printf(&text, "T-%s,10.0.0.1:80,0,%s\nP-%s,10.0.0.1:80,0,9,9,9,9,9,,9,9,9,9,9,9,9\n", w->group_id, server, w->group_id);
        return lb_traffic_take(w->traffic, counters, text.data);
}

static void publish(struct world *w)
{
        w->now_ms += 1000;
        lb_traffic_publish(w->traffic, w->now_ms);
}

/* The sum over all time; -1: no such metric. */
static double sum(const struct world *w, const char *space, const char *name, bool balancer, bool group)
{
        const struct metric_dimension both[] = {{"LoadBalancer", w->balancer}, {"TargetGroup", w->group}};
        const struct metric_id id = {space, name, balancer ? both : both + 1, (uint32_t)(balancer + group)};
        const struct metric_series *series = metrics_find(w->metrics, &id);
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets;

        if (series == NULL || metrics_read(series, w->now_ms / 1000 - 3600, w->now_ms / 1000 + 60, 3600, &arena, &buckets) == 0)
                return -1;
        return buckets[0].set.sum;
}

#define ALB "AWS/ApplicationELB"

static void test_requests(void **state)
{
        struct world w;

        begin(&w, "application", "HTTP");
        /* listener: 3 connections, 12 requests: 10 by targets, one 302 and one 503 of its own */
        assert_int_equal(look(&w, &w.counters, "2,3,100,900,,OPEN,0,9,1,1,1,12,", "1,11,100,800,0,UP,0,9,0,1,1,11,20",
                              "1,11,100,800,1,UP,0,9,0,1,0,11,20"),
                         2);
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 11 && sum(&w, ALB, "RequestCount", true, true) == 11);
        assert_true(sum(&w, ALB, "RequestCountPerTarget", false, true) == 5.5 && sum(&w, ALB, "RequestCountPerTarget", true, true) == 5.5);
        assert_true(sum(&w, ALB, "HTTPCode_Target_2XX_Count", true, false) == 9 &&
                    sum(&w, ALB, "HTTPCode_Target_4XX_Count", true, true) == 1);
        assert_true(sum(&w, ALB, "HTTPCode_ELB_3XX_Count", true, false) == 1 && sum(&w, ALB, "HTTPCode_ELB_5XX_Count", true, false) == 1);
        assert_true(sum(&w, ALB, "HTTPCode_ELB_4XX_Count", true, false) == -1 &&
                    sum(&w, ALB, "HTTPCode_Target_5XX_Count", true, false) == -1);
        assert_true(sum(&w, ALB, "NewConnectionCount", true, false) == 3 && sum(&w, ALB, "ActiveConnectionCount", true, false) == 3);
        assert_true(sum(&w, ALB, "ProcessedBytes", true, false) == 1000 && sum(&w, ALB, "TargetConnectionErrorCount", true, true) == 1);
        assert_true(sum(&w, ALB, "HealthyHostCount", true, true) == 2 && sum(&w, ALB, "UnHealthyHostCount", true, true) == 0);
        /* 10 answers of 20 ms */
        assert_true(sum(&w, ALB, "TargetResponseTime", true, true) > 0.199 && sum(&w, ALB, "TargetResponseTime", true, true) < 0.201);
        /* a second without anything: counters stay, and nothing is counted twice */
        look(&w, &w.counters, "2,3,100,900,,OPEN,0,9,1,1,1,12,", "1,11,100,800,0,UP,0,9,0,1,1,11,20", "1,11,100,800,1,UP,0,9,0,1,0,11,20");
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 11 && sum(&w, ALB, "HTTPCode_ELB_5XX_Count", true, false) == 1);
        end(&w);
}

/* The target has answered with an error, and the listener counts it only when all of it is sent. */
static void test_answers_under_way(void **state)
{
        struct world w;

        begin(&w, "application", "HTTP");
        look(&w, &w.counters, "1,1,0,0,,OPEN,0,0,0,0,0,1,", "1,1,0,0,0,UP,0,0,0,0,0,1,0", "1,1,0,0,0,UP,0,0,0,0,1,1,0");
        publish(&w);
        look(&w, &w.counters, "0,1,0,0,,OPEN,0,0,0,0,1,1,", "0,1,0,0,0,UP,0,0,0,0,1,1,0", "0,1,0,0,0,UP,0,0,0,0,1,1,0");
        publish(&w);
        assert_true(sum(&w, ALB, "HTTPCode_Target_5XX_Count", true, false) == 1);
        assert_true(sum(&w, ALB, "HTTPCode_ELB_5XX_Count", true, false) == -1);
        end(&w);
}

static void test_workers(void **state)
{
        struct lb_counters adopted, next;
        struct world w;

        begin(&w, "application", "HTTP");
        /* a proxy that has run for long: what it has counted before is not of this second */
        lb_counters_init(&adopted, false);
        look(&w, &adopted, "0,5,0,0,,OPEN,0,500,0,0,0,500,", "0,5,0,0,0,UP,0,500,0,0,0,500,0", NULL);
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 0);
        /* a server that comes later counts from its first answer */
        look(&w, &adopted, "0,5,0,0,,OPEN,0,507,0,0,0,507,", "0,5,0,0,0,UP,0,507,0,0,0,507,0", "0,7,0,0,0,UP,0,7,0,0,0,7,0");
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 7 && sum(&w, ALB, "HTTPCode_Target_2XX_Count", true, false) == 7);
        /* a reload: the old worker finishes 2 requests while the new one has 3 */
        lb_counters_init(&next, true);
        look(&w, &adopted, "0,5,0,0,,OPEN,0,509,0,0,0,509,", "0,5,0,0,0,UP,0,509,0,0,0,509,0", "0,7,0,0,0,UP,0,9,0,0,0,9,0");
        look(&w, &next, "0,1,0,0,,OPEN,0,3,0,0,0,3,", "0,1,0,0,0,UP,0,3,0,0,0,3,0", "0,3,0,0,0,UP,0,3,0,0,0,3,0");
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 12 && sum(&w, ALB, "HTTPCode_Target_2XX_Count", true, false) == 12);
        /* the server is deleted and made again: its counters begin at zero */
        look(&w, &next, "0,1,0,0,,OPEN,0,3,0,0,0,3,", "0,1,0,0,0,UP,0,3,0,0,0,3,0", NULL);
        look(&w, &next, "0,1,0,0,,OPEN,0,8,0,0,0,8,", "0,1,0,0,0,UP,0,8,0,0,0,8,0", "0,5,0,0,0,UP,0,5,0,0,0,5,0");
        publish(&w);
        assert_true(sum(&w, ALB, "HTTPCode_Target_2XX_Count", true, false) == 17);
        /* a worker that began anew without our knowing */
        look(&w, &next, "0,1,0,0,,OPEN,0,2,0,0,0,2,", "0,1,0,0,0,UP,0,2,0,0,0,2,0", "0,5,0,0,0,UP,0,2,0,0,0,2,0");
        publish(&w);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == 19);
        lb_counters_done(&adopted);
        lb_counters_done(&next);
        end(&w);
}

static void test_network_balancer(void **state)
{
        struct world w;

        begin(&w, "network", "TCP");
        look(&w, &w.counters, "4,6,100,900,,OPEN,,,,,,,", "4,6,100,900,0,UP,,,,,,,", "4,6,100,900,0,UP,,,,,,,");
        publish(&w);
        assert_true(sum(&w, "AWS/NetworkELB", "NewFlowCount", true, false) == 6);
        assert_true(sum(&w, "AWS/NetworkELB", "ActiveFlowCount", true, false) == 4);
        assert_true(sum(&w, "AWS/NetworkELB", "ProcessedBytes", true, false) == 1000);
        assert_true(sum(&w, "AWS/NetworkELB", "HealthyHostCount", true, true) == 2);
        assert_true(sum(&w, ALB, "RequestCount", true, false) == -1);
        end(&w);
}

/* With access logs every request says how long it took. */
static void test_logged_requests(void **state)
{
        struct world w;
        char backend[64];
        const struct metric_dimension both[2] = {{"LoadBalancer", w.balancer}, {"TargetGroup", w.group}};
        const struct metric_id id = {ALB, "TargetResponseTime", both, 2};
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets;
        const struct load_balancer *balancer;

        begin(&w, "application", "HTTP");
        balancer = MODEL_OBJECT(tree_first(model_objects(w.h.model, OBJECT_LOAD_BALANCER)), load_balancer);
        snprintf(backend, sizeof(backend), "T-%s", w.group_id);
        for (int i = 1; i <= 20; i++)
                lb_traffic_request(w.traffic, balancer, backend, i * 10, w.now_ms);
        lb_traffic_request(w.traffic, balancer, backend, -1, w.now_ms);
        lb_traffic_request(w.traffic, balancer, "L-1", 5, w.now_ms);
        assert_int_equal(
                metrics_read_percentile(metrics_find(w.metrics, &id), 90, w.now_ms / 1000, w.now_ms / 1000 + 1, 1, &arena, &buckets), 1);
        assert_true(buckets[0].set.count == 20 && buckets[0].set.sum > 0.176 && buckets[0].set.sum < 0.184);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests),         cmocka_unit_test(test_answers_under_way), cmocka_unit_test(test_workers),
                cmocka_unit_test(test_network_balancer), cmocka_unit_test(test_logged_requests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
