/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the websocket share.
 *
 *     CONNECTING ──► OPEN ──close frame sent or received──► CLOSING ──both, or 5 s──► DEAD, `closed`, freed
 *         └── refused ──► freed  └── broken, aborted ──► DEAD ──later──► `closed`, freed
 */
#pragma once

#include <wslay/wslay.h>

#include "net/conn.h"
#include "net/dial.h"
#include "net/http_internal.h"
#include "net/ws.h"

enum ws_state { WS_CONNECTING = 0, WS_OPEN, WS_CLOSING, WS_DEAD };

struct ws_client; /* what is needed until the handshake is done */

struct ws {
        enum ws_state state;
        struct net_loop *net;
        struct conn *conn;        /* NULL before it is connected */
        struct ws_client *client; /* while CONNECTING */
        wslay_event_context_ptr wslay;
        struct ws_limits limits;
        struct ws_callbacks callbacks;
        void *data;
        const char *feed; /* received bytes that wslay has not taken yet */
        size_t feed_len;
        bool server;
        bool receiving; /* inside wslay: nothing may be freed, sending comes after */
        int close_code; /* to report; 0: not known yet */
        char close_reason[128];
        uint64_t pinged_us, confirmed_us;
        struct deferred aborted; /* reports an abort while there is no connection */
};

struct ws *ws_new(uv_loop_t *loop, bool server, const struct ws_limits *limits, const struct ws_callbacks *callbacks, void *data);
void ws_free(struct ws *ws);
extern const struct conn_callbacks ws_conn_callbacks;
/* The handshake is done and ws->conn belongs to the ws: frames from now on. */
void ws_start(struct ws *ws);
/* Remembers why it ends, unless that is known; NULL reason: "". */
void ws_note_close(struct ws *ws, int code, const char *reason, size_t len);
void ws_client_free(struct ws_client *client);

#define WS_ACCEPT_SIZE 32
/* The Sec-WebSocket-Accept value for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
void ws_accept_value(const char *key, char ret[WS_ACCEPT_SIZE]);
