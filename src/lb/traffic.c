/* SPDX-License-Identifier: Apache-2.0 */
/* From the proxy's counters to what happened since they were read the last time. */
#include "lb/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "lb/stat_rows.h"
#include "lb/traffic_internal.h"

enum column {
        COL_PROXY,
        COL_NAME,
        COL_CURRENT,
        COL_RESPONSE_MS,
        COL_COUNTERS, /* from here on */
        COL_SESSIONS = COL_COUNTERS,
        COL_REQUESTS,
        COL_IN,
        COL_OUT,
        COL_CONNECT_ERRORS,
        COL_1XX,
        COL_2XX,
        COL_3XX,
        COL_4XX,
        COL_5XX,
        COL_MAX
};
static const char *const columns[COL_MAX] = {"# pxname", "svname", "scur",     "rtime",    "stot",     "req_tot",  "bin",
                                             "bout",     "econ",   "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx"};

struct row {
        struct map_node node; /* by "PROXY/NAME" */
        char *key;
        unsigned round; /* when it was there the last time */
        uint64_t last[COL_MAX];
};

/* ---- One worker ---- */

void lb_counters_init(struct lb_counters *counters, bool fresh)
{
        map_init(&counters->rows);
        counters->known = fresh;
        counters->round = 0;
}

static void row_free(struct lb_counters *counters, struct row *row)
{
        map_remove(&counters->rows, &row->node);
        free(row->key);
        free(row);
}

void lb_counters_done(struct lb_counters *counters)
{
        map_for_each (node, &counters->rows)
                row_free(counters, CONTAINER_OF(node, struct row, node));
        map_done(&counters->rows);
}

/* What the row's counters have grown by. One that is smaller than before began anew. */
static void grow(struct lb_counters *counters, const char *const *fields, uint64_t ret[COL_MAX])
{
        CLEANUP_FREE char *key = xprintf("%s/%s", fields[COL_PROXY], fields[COL_NAME]);
        struct row *row = map_get(&counters->rows, key, struct row, node);
        bool first = row == NULL;

        if (first) {
                row = xalloc(sizeof(*row));
                row->key = TAKE(key);
                map_insert(&counters->rows, &row->node, row->key);
        }
        row->round = counters->round;
        for (size_t i = COL_COUNTERS; i < COL_MAX; i++) {
                uint64_t now = strtoull(fields[i], NULL, 10);

                ret[i] = now >= row->last[i] ? now - row->last[i] : now;
                if (first && !counters->known)
                        ret[i] = 0;
                row->last[i] = now;
        }
}

/* ---- All of them ---- */

struct lb_flow *lb_flow_of(struct map *flows, const char *id)
{
        struct lb_flow *flow = map_get(flows, id, struct lb_flow, node);

        if (flow != NULL)
                return flow;
        flow = xalloc(sizeof(*flow));
        flow->id = xstrdup(id);
        map_insert(flows, &flow->node, flow->id);
        return flow;
}

void lb_flow_free(struct map *flows, struct lb_flow *flow)
{
        map_remove(flows, &flow->node);
        free(flow->id);
        free(flow);
}

struct lb_traffic *lb_traffic_new(struct model *model, struct metrics *metrics)
{
        struct lb_traffic *traffic = xalloc(sizeof(*traffic));

        traffic->model = model;
        traffic->metrics = metrics;
        map_init(&traffic->balancers);
        map_init(&traffic->groups);
        return traffic;
}

struct lb_traffic *lb_traffic_free(struct lb_traffic *traffic)
{
        if (traffic == NULL)
                return NULL;
        map_for_each (node, &traffic->balancers)
                lb_flow_free(&traffic->balancers, CONTAINER_OF(node, struct lb_flow, node));
        map_for_each (node, &traffic->groups)
                lb_flow_free(&traffic->groups, CONTAINER_OF(node, struct lb_flow, node));
        map_done(&traffic->balancers);
        map_done(&traffic->groups);
        free(traffic);
        return NULL;
}

struct taking {
        struct lb_traffic *traffic;
        struct lb_counters *counters;
        uint64_t connections;
};

/* "L-ID": a listener. */
static void take_listener(struct taking *taking, const char *const *fields, const uint64_t grown[COL_MAX])
{
        const struct listener *listener = model_listener(taking->traffic->model, fields[COL_PROXY] + 2);
        uint64_t current = strtoull(fields[COL_CURRENT], NULL, 10);
        struct lb_flow *flow;

        taking->connections += current;
        if (listener == NULL)
                return;
        flow = lb_flow_of(&taking->traffic->balancers, listener->balancer->state->id);
        flow->active += current;
        flow->connections += grown[COL_SESSIONS];
        flow->bytes += grown[COL_IN] + grown[COL_OUT];
        for (size_t code = 1; code < LB_CODES; code++)
                flow->codes[code] += grown[COL_1XX + code - 1];
}

/* "T-ID": a target group's row, and one for each of its servers. */
static void take_group(struct taking *taking, const char *const *fields, const uint64_t grown[COL_MAX])
{
        struct lb_flow *flow = lb_flow_of(&taking->traffic->groups, fields[COL_PROXY] + 2);

        if (str_eq(fields[COL_NAME], "BACKEND")) {
                flow->active += strtoull(fields[COL_CURRENT], NULL, 10);
                flow->connections += grown[COL_SESSIONS];
                flow->requests += grown[COL_REQUESTS];
                flow->bytes += grown[COL_IN] + grown[COL_OUT];
                flow->response_ms = strtod(fields[COL_RESPONSE_MS], NULL);
                return;
        }
        flow->connect_errors += grown[COL_CONNECT_ERRORS];
        for (size_t code = 1; code < LB_CODES; code++)
                flow->codes[code] += grown[COL_1XX + code - 1];
}

static void take_row(void *data, const char *const *fields)
{
        struct taking *taking = data;
        uint64_t grown[COL_MAX] = {0};

        if (fields[COL_PROXY][0] == '\0' || fields[COL_PROXY][1] != '-')
                return;
        if (fields[COL_PROXY][0] != 'L' && fields[COL_PROXY][0] != 'T')
                return;
        grow(taking->counters, fields, grown);
        if (fields[COL_PROXY][0] == 'L')
                take_listener(taking, fields, grown);
        else
                take_group(taking, fields, grown);
}

uint64_t lb_traffic_take(struct lb_traffic *traffic, struct lb_counters *counters, const char *answer)
{
        struct taking taking = {.traffic = traffic, .counters = counters};

        counters->round++;
        lb_stat_rows(answer, columns, COL_MAX, take_row, &taking);
        counters->known = true;
        /* Servers that are gone: one of the same name that comes later begins at zero. */
        map_for_each (node, &counters->rows) {
                struct row *row = CONTAINER_OF(node, struct row, node);

                if (row->round != counters->round)
                        row_free(counters, row);
        }
        return taking.connections;
}
