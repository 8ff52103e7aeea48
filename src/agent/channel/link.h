/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed websocket to the server that is kept up for ever: connects, watches for silence, comes back with growing delays and
 * jitter. Both channels (ACS, TCS) are such links.
 *
 *   DOWN ──start──→ CONNECTING ──101──→ UP ──closed──→ WAITING ──delay──→ CONNECTING
 *                       └──refused, no answer──────────────↗
 */
#pragma once

#include "agent/channel/aws_client.h"
#include "agent/channel/backoff.h"
#include "agent/engine/timers.h"
#include "net/ws.h"

enum link_state { LINK_DOWN = 0, LINK_CONNECTING, LINK_UP, LINK_WAITING, LINK_STATE_MAX };

struct link;

struct link_ops {
        /* The URL to connect to, in the arena, signed and sent as it is; NULL: not known yet, link_retry when it is. */
        const char *(*url)(struct link *link, struct arena *arena);
        void (*up)(struct link *link);
        void (*message)(struct link *link, const char *text, size_t len);
        void (*down)(struct link *link); /* after `up` only */
        /* A try failed: the endpoint may have moved. May be NULL. */
        void (*failed)(struct link *link);
        /* After link_stop: nothing of the link is on the loop any more. */
        void (*gone)(struct link *link);
};

struct link_options {
        uv_loop_t *loop;
        const char *name; /* for the log: "control" */
        const char *ca_file;
        bool insecure;
        uint32_t ping_ms, dead_ms; /* of the transport */
        uint32_t silence_ms;       /* without a message that counts (link_alive) the connection is given up */
        uint32_t backoff_min_ms, backoff_max_ms;
};

struct link {
        struct link_options options;
        const struct link_ops *ops;
        const struct aws_client *client;
        struct timers *timers;
        struct env *env;
        void *data;
        enum link_state state;
        struct ws *ws;
        struct timer timer; /* next try, or silence */
        struct backoff backoff;
        int64_t up_since_us;
        uint32_t failures;    /* tries in a row that failed */
        uint64_t connections; /* that stood, since the start */
        bool closed;
        uint32_t connect_ms;        /* limit of one try */
        int64_t tried_us, heard_us; /* monotonic: the latest try; until when the server certainly heard this node */
};

void link_init(struct link *link, const struct link_options *options, const struct link_ops *ops, const struct aws_client *client,
               struct timers *timers, void *data);
void link_start(struct link *link);
/* How soon silence is noticed and a try given up, from now on: what was asked for at the start, or less. */
void link_set_pace(struct link *link, uint32_t ping_ms, uint32_t dead_ms, uint32_t connect_ms);
/* Does not wait any longer for the next try. */
void link_hurry(struct link *link);
/* Asks the server for a sign of life: heard_us grows when it comes. */
void link_ping(struct link *link);
/* Tries now if it waits for its endpoint. */
void link_retry(struct link *link);
/* Text to the server; -ENOTCONN when it is not up. */
int link_send(struct link *link, const char *text, size_t len);
/* A message that counts came: the timer of silence starts anew. */
void link_alive(struct link *link);
/* Closes for good: `gone` follows, perhaps inside the call; nothing else does. */
void link_stop(struct link *link);
