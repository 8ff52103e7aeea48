/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic of load balancers and target groups as CloudWatch metrics (AWS/ApplicationELB, AWS/NetworkELB), from the proxy's counters,
 * read once a second: what they have grown by is what happened in that second.
 *
 * Counters belong to one worker process. A reload makes a new one, whose counters begin at zero, while the old one finishes its
 * connections: both are read until then (struct lb_counters is one worker's last values), so nothing is lost.
 *
 *     HTTPCode_Target_*   what servers answered: counters of their rows
 *     HTTPCode_ELB_*      what listeners answered more than their servers did: redirects, fixed responses, 502, 503, 504
 *     TargetResponseTime  the proxy's average of whole milliseconds over its last 512 requests; where access logs are on, each request's own
 *
 * Pure but for the metrics that it adds to. On the loop's thread.
 */
#pragma once

#include "base/map.h"
#include "metrics/metrics.h"
#include "model/balancer.h"

/* The last values of one worker's rows. */
struct lb_counters {
        struct map rows;
        bool known;     /* rows that come now are new; else they have counted before anybody looked */
        unsigned round; /* of looks */
};
/* `fresh`: the worker has just started, so its counters began at zero. */
void lb_counters_init(struct lb_counters *counters, bool fresh);
void lb_counters_done(struct lb_counters *counters);

struct lb_traffic;

/* Never NULL. Both outlive it. */
struct lb_traffic *lb_traffic_new(struct model *model, struct metrics *metrics);
/* NULL is fine. Returns NULL. */
struct lb_traffic *lb_traffic_free(struct lb_traffic *traffic);

/* Takes what a worker answered to `show stat -1 7 -1`. Returns how many connections its listeners have. */
uint64_t lb_traffic_take(struct lb_traffic *traffic, struct lb_counters *counters, const char *answer);
/* A request of the access log. `backend` is the proxy's name of the target group's; negative milliseconds: no answer came. */
void lb_traffic_request(struct lb_traffic *traffic, const struct load_balancer *balancer, const char *backend, double response_ms,
                        int64_t now_ms);
/* Adds to the metrics what was taken since the last call. */
void lb_traffic_publish(struct lb_traffic *traffic, int64_t now_ms);
