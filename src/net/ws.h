/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Websocket connections (RFC 6455), both sides, on libuv. Text frames only; messages are reassembled, UTF-8 is checked, sizes are
 * limited. Pings are answered here. All calls and callbacks on the loop's thread.
 */
#pragma once

#include "net/http_server.h"

struct ws;

struct ws_callbacks {
        /* A whole text message; valid during the call. */
        void (*message)(struct ws *ws, const char *text, size_t len, void *data);
        /* Called exactly once, whoever closed; `code` is 1006 when the connection broke. The ws is freed after it returns. */
        void (*closed)(struct ws *ws, int code, const char *reason, void *data);
        /* A pong came (of ws_ping). May be NULL. */
        void (*pong)(struct ws *ws, void *data);
};

struct ws_limits {
        size_t max_message; /* 0: 4 MiB; a longer message closes with 1009 */
        size_t max_queued;  /* 0: 64 MiB waiting to be sent; over it the connection is closed */
        uint32_t ping_ms;   /* 0: none; else a ping after that long without anything received */
        uint32_t dead_ms;   /* 0: none; else closed with 1006 after that long without anything received */
};

/* Server side: answers the upgrade request with 101. NULL (and the request answered with 400 or 426) when it is not one. */
struct ws *ws_accept(struct http_request *req, const struct ws_limits *limits, const struct ws_callbacks *callbacks, void *data);

struct ws_connect_options {
        uv_loop_t *loop;
        const char *url; /* ws:// or wss://, http:// or https:// */
        const struct http_header *headers;
        size_t n_headers;
        struct ws_limits limits;
        uint32_t timeout_ms; /* of connecting and handshake; 0: 30 s */
        const char *ca_file; /* NULL: the system's */
        bool insecure;       /* accept any certificate */
        struct ws_callbacks callbacks;
        void *data;
        /* Connected (status 101) or refused: `status` is the HTTP status, or -errno; body is what the refusal said. When not 101
         * nothing else is called and the ws is freed after it returns. */
        void (*connected)(struct ws *ws, int status, const char *body, size_t len, void *data);
};
/* Client side. Returns at once; options and what they point to are copied. NULL only for a bad URL. */
struct ws *ws_connect(const struct ws_connect_options *options, struct error *error);

/* Copies the text. -EPIPE when the connection is closing. */
int ws_send(struct ws *ws, const char *text, size_t len);
/* The pong carries back when it was sent: see ws_last_confirmed_us. */
void ws_ping(struct ws *ws);
/* Changes what ws_limits said. */
void ws_set_silence(struct ws *ws, uint32_t ping_ms, uint32_t dead_ms);
/* Closing handshake with a time limit of 5 s; `closed` follows. */
void ws_close(struct ws *ws, int code, const char *reason);
/* Drops the connection now; `closed` follows on a later turn of the loop. */
void ws_abort(struct ws *ws);
const char *ws_peer(const struct ws *ws);
size_t ws_queued(const struct ws *ws);
/* Monotonic microseconds (uv_hrtime / 1000) of the last byte received. */
uint64_t ws_last_received_us(const struct ws *ws);
/* The same clock: when the newest ping was sent that the peer has answered, so that it certainly has heard us since; 0: none yet. */
uint64_t ws_last_confirmed_us(const struct ws *ws);
