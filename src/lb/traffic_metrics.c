/* SPDX-License-Identifier: Apache-2.0 */
/* The names and dimensions under which AWS has what happened. */
#include <stdio.h>
#include <string.h>

#include "api/cloudwatch.idl.h"
#include "base/strutil.h"
#include "lb/traffic_internal.h"

#define ALB "AWS/ApplicationELB"
#define NLB "AWS/NetworkELB"
#define BACKEND_PREFIX "T-"

enum when { ALWAYS = 0, NONZERO };

/* Where values go: a balancer's dimension, and a group's. */
struct place {
        struct lb_traffic *traffic;
        const char *space;
        struct metric_dimension dimensions[2];
        uint32_t n;
        int64_t now_ms;
};

static bool is_network(const struct load_balancer *balancer)
{
        return balancer->state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK;
}

/* "app/NAME/ID" and "targetgroup/NAME/ID": the ends of the ARNs. */
static const char *balancer_name(const struct lb_traffic *traffic, const struct load_balancer *balancer, struct arena *arena)
{
        return strstr(model_load_balancer_arn(traffic->model, arena, balancer), ":loadbalancer/") + strlen(":loadbalancer/");
}

static const char *group_name(const struct lb_traffic *traffic, const struct target_group *group, struct arena *arena)
{
        return strstr(model_target_group_arn(traffic->model, arena, group), ":targetgroup/") + strlen(":");
}

static struct place place_of(struct lb_traffic *traffic, const struct load_balancer *balancer, const struct target_group *group,
                             struct arena *arena, int64_t now_ms)
{
        struct place place = {.traffic = traffic, .space = is_network(balancer) ? NLB : ALB, .now_ms = now_ms};

        place.dimensions[place.n++] = (struct metric_dimension){"LoadBalancer", balancer_name(traffic, balancer, arena)};
        if (group != NULL)
                place.dimensions[place.n++] = (struct metric_dimension){"TargetGroup", group_name(traffic, group, arena)};
        return place;
}

static void put_set(const struct place *place, const char *name, const struct metric_set *set, int unit)
{
        const struct metric_id id = {place->space, name, place->dimensions, place->n};

        /* What finds no room is counted, and shown in /metrics. */
        (void)metrics_put(place->traffic->metrics, &id, set, unit, place->now_ms, place->now_ms);
}

static void put(const struct place *place, const char *name, double value, int unit, enum when when)
{
        const struct metric_set set = {1, value, value, value};

        if (when == ALWAYS || value != 0)
                put_set(place, name, &set, unit);
}

static void put_codes(const struct place *place, const char *whose, const uint64_t codes[LB_CODES])
{
        char name[64];

        for (size_t code = 2; code < LB_CODES; code++) {
                (void)snprintf(name, sizeof(name), "HTTPCode_%s_%zuXX_Count", whose, code);
                put(place, name, (double)codes[code], CLOUDWATCH_STANDARD_UNIT_COUNT, NONZERO);
        }
}

/* So many answers took that long on average. */
static void put_response_time(const struct place *place, double ms, uint64_t answers)
{
        const struct metric_set set = {(double)answers, ms / 1000 * (double)answers, ms / 1000, ms / 1000};

        if (answers > 0)
                put_set(place, "TargetResponseTime", &set, CLOUDWATCH_STANDARD_UNIT_SECONDS);
}

/* ---- Target groups ---- */

static void count_hosts(const struct target_group *group, size_t *ret_healthy, size_t *ret_unhealthy)
{
        *ret_healthy = *ret_unhealthy = 0;
        list_for_each (target, &group->targets, struct target, in_group) {
                if (target->state->draining_since != 0)
                        continue;
                *ret_healthy += target->health == ELBV2_TARGET_HEALTH_STATE_HEALTHY;
                *ret_unhealthy += target->health == ELBV2_TARGET_HEALTH_STATE_UNHEALTHY;
        }
}

static void put_hosts(const struct place *place, const struct target_group *group)
{
        size_t healthy, unhealthy;

        count_hosts(group, &healthy, &unhealthy);
        put(place, "HealthyHostCount", (double)healthy, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
        put(place, "UnHealthyHostCount", (double)unhealthy, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
}

/* Requests of a target: summed up over a period, what one target got in it on average. */
static void put_per_target(const struct place *place, const struct target_group *group, const struct lb_flow *flow)
{
        struct place alone = *place;
        size_t healthy, unhealthy, n;

        count_hosts(group, &healthy, &unhealthy);
        n = healthy > 0 ? healthy : unhealthy; /* without a healthy one, all get some */
        if (n == 0)
                return;
        put(place, "RequestCountPerTarget", (double)flow->requests / (double)n, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
        alone.dimensions[0] = place->dimensions[1];
        alone.n = 1;
        put(&alone, "RequestCountPerTarget", (double)flow->requests / (double)n, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
}

static uint64_t answers_of(const struct lb_flow *flow)
{
        uint64_t sum = 0;

        for (size_t code = 2; code < LB_CODES; code++)
                sum += flow->codes[code];
        return sum;
}

static void publish_group(struct lb_traffic *traffic, const struct target_group *group, struct lb_flow *flow, struct arena *arena,
                          int64_t now_ms)
{
        const struct load_balancer *balancer = group->balancer;
        struct place place = place_of(traffic, balancer, group, arena, now_ms), whole = place;
        struct lb_flow *sum = lb_flow_of(&traffic->balancers, balancer->state->id);

        whole.n = 1;
        put_hosts(&place, group);
        if (is_network(balancer))
                return;
        put(&place, "RequestCount", (double)flow->requests, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
        put_per_target(&place, group, flow);
        put_codes(&place, "Target", flow->codes);
        put_codes(&whole, "Target", flow->codes);
        put(&place, "TargetConnectionErrorCount", (double)flow->connect_errors, CLOUDWATCH_STANDARD_UNIT_COUNT, NONZERO);
        put(&whole, "TargetConnectionErrorCount", (double)flow->connect_errors, CLOUDWATCH_STANDARD_UNIT_COUNT, NONZERO);
        if (!str_eq(load_balancer_attribute(balancer, "access_logs.s3.enabled"), "true")) {
                put_response_time(&place, flow->response_ms, answers_of(flow));
                put_response_time(&whole, flow->response_ms, answers_of(flow));
        }
        sum->requests += flow->requests;
        sum->active += flow->active;
        for (size_t code = 1; code < LB_CODES; code++)
                sum->own[code] -= (int64_t)flow->codes[code];
}

/* ---- Balancers ---- */

/* Answers that no target gave. What is still being sent makes it negative, but by no more than there are connections. */
static void put_own_codes(const struct place *place, struct lb_flow *flow)
{
        uint64_t own[LB_CODES] = {0};

        for (size_t code = 1; code < LB_CODES; code++) {
                flow->own[code] += (int64_t)flow->codes[code];
                if (flow->own[code] > 0) {
                        own[code] = (uint64_t)flow->own[code];
                        flow->own[code] = 0;
                }
                flow->own[code] = MAX(flow->own[code], -(int64_t)flow->active);
        }
        put_codes(place, "ELB", own);
}

static void publish_balancer(struct lb_traffic *traffic, const struct load_balancer *balancer, struct lb_flow *flow, struct arena *arena,
                             int64_t now_ms)
{
        struct place place = place_of(traffic, balancer, NULL, arena, now_ms);

        put(&place, is_network(balancer) ? "ActiveFlowCount" : "ActiveConnectionCount", (double)flow->active,
            CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
        put(&place, is_network(balancer) ? "NewFlowCount" : "NewConnectionCount", (double)flow->connections, CLOUDWATCH_STANDARD_UNIT_COUNT,
            ALWAYS);
        put(&place, "ProcessedBytes", (double)flow->bytes, CLOUDWATCH_STANDARD_UNIT_BYTES, ALWAYS);
        if (is_network(balancer))
                return;
        put(&place, "RequestCount", (double)flow->requests, CLOUDWATCH_STANDARD_UNIT_COUNT, ALWAYS);
        put_own_codes(&place, flow);
}

/* ---- Publishing ---- */

static void flow_reset(struct lb_flow *flow)
{
        flow->active = flow->connections = flow->requests = flow->bytes = flow->connect_errors = 0;
        memset(flow->codes, 0, sizeof(flow->codes));
}

void lb_traffic_publish(struct lb_traffic *traffic, int64_t now_ms)
{
        CLEANUP_ARENA struct arena arena = {0};

        map_for_each (node, &traffic->groups) {
                struct lb_flow *flow = CONTAINER_OF(node, struct lb_flow, node);
                const struct target_group *group = model_target_group(traffic->model, flow->id);

                if (group != NULL && group->balancer != NULL)
                        publish_group(traffic, group, flow, &arena, now_ms);
                flow_reset(flow);
                if (group == NULL)
                        lb_flow_free(&traffic->groups, flow);
        }
        map_for_each (node, &traffic->balancers) {
                struct lb_flow *flow = CONTAINER_OF(node, struct lb_flow, node);
                const struct load_balancer *balancer = model_load_balancer(traffic->model, flow->id);

                if (balancer != NULL)
                        publish_balancer(traffic, balancer, flow, &arena, now_ms);
                flow_reset(flow);
                if (balancer == NULL)
                        lb_flow_free(&traffic->balancers, flow);
        }
}

void lb_traffic_request(struct lb_traffic *traffic, const struct load_balancer *balancer, const char *backend, double response_ms,
                        int64_t now_ms)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct target_group *group =
                str_starts_with(backend, BACKEND_PREFIX) ? model_target_group(traffic->model, backend + strlen(BACKEND_PREFIX)) : NULL;
        struct place place;

        if (group == NULL || response_ms < 0)
                return;
        place = place_of(traffic, balancer, group, &arena, now_ms);
        put_response_time(&place, response_ms, 1);
        place.n = 1;
        put_response_time(&place, response_ms, 1);
}
