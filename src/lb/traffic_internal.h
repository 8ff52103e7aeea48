/* SPDX-License-Identifier: Apache-2.0 */
/* What traffic.c counts and traffic_metrics.c names. */
#pragma once

#include "lb/traffic.h"

#define LB_CODES 6 /* 1xx … 5xx at 1 … 5 */

/* What happened to a balancer or a target group since the last publishing. */
struct lb_flow {
        struct map_node node;
        char *id;
        uint64_t active;                       /* connections now */
        uint64_t connections, requests, bytes; /* requests: that were sent to a target group */
        uint64_t connect_errors;
        uint64_t codes[LB_CODES]; /* a balancer's: that its listeners answered; a group's: that its targets answered */
        double response_ms;       /* the proxy's average now */
        /* A balancer's: answers of its own that were not published yet. Negative while targets have answered and the listener has
         * not counted the answer yet, because it is still being sent. */
        int64_t own[LB_CODES];
};

struct lb_traffic {
        struct model *model;
        struct metrics *metrics;
        struct map balancers, groups; /* of struct lb_flow, by their ids */
};

struct lb_flow *lb_flow_of(struct map *flows, const char *id);
void lb_flow_free(struct map *flows, struct lb_flow *flow);
