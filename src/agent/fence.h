/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node does that is cut off from its server. The server counts a node as lost when it was silent for the length of its lease,
 * and replaces the node's unique tasks (those of services) elsewhere. So that they never run twice, the node stops them itself
 * before that: it counts from the last moment at which it knows that the server heard it (an answered ping), which is never later
 * than what the server counts from.
 *
 *     HEARD ──1/2 lease──► LOOKING: pings and tries to reach the server's machine, often
 *       ▲                     │ 8/10, and no answer to the last pings
 *       └──── heard ──────────┴──► CUT OFF: unique tasks are stopped, and killed within 1/10 more
 *
 * Where the one server there is has merely died, nobody replaces anything, and stopping would turn an outage of the server into one
 * of everything. A machine that accepts or refuses connections while the server says nothing is the sign of that: the lease starts
 * again. Pure: time comes through `env` and `timers`, all else through the table. One thread.
 */
#pragma once

#include "agent/engine/engine.h"

struct fence;

struct fence_ops {
        /* Monotonic microseconds until when the server certainly has heard this node; 0: never yet. */
        int64_t (*heard_us)(struct fence *fence);
        /* Asks for a sign of life. */
        void (*ping)(struct fence *fence);
        /* Tries to reach the server's machine: fence_answered, if it answers, within `timeout_ms`. Does nothing while a try is under way. */
        void (*reach)(struct fence *fence, uint32_t timeout_ms);
};

struct fence {
        struct engine *engine;
        const struct fence_ops *ops;
        void *data;
        uint32_t lease_ms; /* 0: nothing is ever stopped */
        bool only_server;  /* no other server can take over: one that does not answer replaces nothing */
        bool cut_off;      /* the unique tasks were stopped */
        int64_t since_us;  /* monotonic: the lease counts from here or later */
        int64_t warned_us; /* monotonic: when the end came in sight; 0: it has not */
        struct timer timer;
};

void fence_init(struct fence *fence, struct engine *engine, const struct fence_ops *ops, void *data);
void fence_done(struct fence *fence);
/* What the server said, now or before this process began. The lease counts from now. */
void fence_terms(struct fence *fence, uint32_t lease_ms, bool only_server);
/* The server's machine has accepted or refused a connection. */
void fence_answered(struct fence *fence);
