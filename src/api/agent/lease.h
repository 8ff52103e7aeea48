/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease that a node has by being heard. Private to src/api/agent and its tests.
 *
 *     CONNECTED ──silent_ms──► SILENT ──dead_ms──► LOST          a connection that says nothing (pinged every ping_ms)
 *         └──── closed ──────► AWAY ───dead_ms──►   │            an agent that crashed; restart_ms when it said that it ends
 *         ◄─────────────── heard, connected ────────┘            start_ms after the server's own start
 *
 * Silent or away: nothing new is placed there. Lost: what must run is replaced elsewhere (by the reconcilers, who see it in the
 * model), and a node that is alive has stopped it by then, because it counts from the last moment at which it knows that it
 * was heard. Time in which this process did not get to read is forgiven.
 *
 * The terms are the server's, unless tags of the cluster say otherwise: gantry:lease-ms, gantry:restart-lease-ms, gantry:fence.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct agents;
struct cluster;

#define LEASE_TAG_LEASE "gantry:lease-ms"
#define LEASE_TAG_RESTART "gantry:restart-lease-ms"
#define LEASE_TAG_FENCE "gantry:fence" /* "off": nodes of the cluster never stop anything by themselves */
/* What an agent announces that stops unique tasks when it is cut off. */
#define LEASE_CAPABILITY "gantry.capability.fencing"

struct lease_timing {
        uint32_t ping_ms, silent_ms, dead_ms, restart_ms;
        bool fence;
};

struct lease {
        struct lease_timing timing;
        int64_t until_us; /* monotonic; while not connected and not lost */
        bool restarting;  /* the agent has said that it ends in an orderly way */
        bool can_fence;   /* it announced LEASE_CAPABILITY */
        bool resend;      /* the agent has to be told the terms anew */
};

/* How often silence must be looked for. */
uint32_t lease_period_ms(const struct lease_timing *timing);
/* Reads the terms and the agent's capability: when the agent is new, and when cluster or instance have changed. */
void lease_read(struct agent *agent);
/* Every instance that is registered is waited for: the server has just started. */
void lease_all(struct agents *agents);
/* The agent, not connected, is waited for this long from now. */
void lease_wait(struct agent *agent, uint32_t ms);
/* It is connected; its connection has ended. */
void lease_held(struct agent *agent);
void lease_released(struct agent *agent);
void lease_cluster_changed(struct agents *agents, struct cluster *cluster);
/* Tells the agent the terms when it does not know them. */
void lease_tell(struct agent *agent);
/* Looks at the time. `late_us`: for so long the loop did not get here. */
void lease_sweep(struct agent *agent, int64_t now_us, int64_t late_us);
