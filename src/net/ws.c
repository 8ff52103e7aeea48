/* SPDX-License-Identifier: Apache-2.0 */
/* An open websocket: messages, pings, closing. wslay does the framing; this file is its surroundings. */
#include "net/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "net/ws_internal.h"

#define CLOSE_MS 5000

/* ---- end ---- */

void ws_note_close(struct ws *ws, int code, const char *reason, size_t len)
{
        if (ws->close_code != 0)
                return;
        ws->close_code = code;
        (void)snprintf(ws->close_reason, sizeof(ws->close_reason), "%.*s", (int)MIN(len, sizeof(ws->close_reason) - 1),
                       reason != NULL ? reason : "");
}

void ws_free(struct ws *ws)
{
        deferred_cancel(&ws->aborted);
        if (ws->wslay != NULL)
                wslay_event_context_free(ws->wslay);
        ws_client_free(ws->client);
        net_loop_unref(ws->net);
        free(ws);
}

/* The last call for its owner. Only from the loop, never with one of its callers still using the ws. */
static void report_closed(struct ws *ws)
{
        ws->state = WS_DEAD;
        ws_note_close(ws, 1006, "", 0);
        if (ws->callbacks.closed != NULL)
                ws->callbacks.closed(ws, ws->close_code, ws->close_reason, ws->data);
        ws_free(ws);
}

/* It is over: the connection ends by itself, the ws now. */
static void finish(struct ws *ws)
{
        conn_set_owner(ws->conn, NULL, NULL);
        conn_close(ws->conn);
        ws->conn = NULL;
        report_closed(ws);
}

static void on_aborted(struct deferred *work)
{
        report_closed(CONTAINER_OF(work, struct ws, aborted));
}

void ws_abort(struct ws *ws)
{
        if (ws->state == WS_DEAD)
                return;
        ws->state = WS_DEAD;
        ws_note_close(ws, 1006, "closed on this side", 19);
        if (ws->client == NULL) {
                conn_abort(ws->conn); /* on_conn_closed follows */
                return;
        }
        if (ws->conn != NULL) { /* in the handshake */
                conn_set_owner(ws->conn, NULL, NULL);
                conn_abort(ws->conn);
                ws->conn = NULL;
        }
        ws_client_free(ws->client);
        ws->client = NULL;
        net_loop_defer(ws->net, &ws->aborted);
}

/* ---- wslay's callbacks ---- */

static ssize_t give_bytes(wslay_event_context_ptr context, uint8_t *buf, size_t len, int flags, void *data)
{
        struct ws *ws = data;
        size_t n = MIN(len, ws->feed_len);
        if (n == 0) {
                wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        memcpy(buf, ws->feed, n);
        ws->feed += n;
        ws->feed_len -= n;
        return (ssize_t)n;
}

static ssize_t take_bytes(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags, void *data)
{
        struct ws *ws = data;
        buf_append(conn_out(ws->conn), bytes, len);
        return (ssize_t)len;
}

static int make_mask(wslay_event_context_ptr context, uint8_t *ret, size_t len, void *data)
{
        return getrandom(ret, len, 0) == (ssize_t)len ? 0 : -1;
}

static void on_close_frame(struct ws *ws, const struct wslay_event_on_msg_recv_arg *msg)
{
        if (msg->status_code == 0)
                ws_note_close(ws, 1005, "", 0);
        else
                ws_note_close(ws, msg->status_code, (const char *)msg->msg + 2, msg->msg_length - 2);
        if (ws->state == WS_OPEN) {
                ws->state = WS_CLOSING; /* wslay has queued the answer */
                conn_set_deadline(ws->conn, CLOSE_MS);
        }
}

/* A pong without our bytes answers nothing that we asked, but is a sign of life. */
static void on_pong(struct ws *ws, const struct wslay_event_on_msg_recv_arg *msg)
{
        uint64_t sent;

        if (msg->msg_length == sizeof(sent)) {
                memcpy(&sent, msg->msg, sizeof(sent));
                if (sent <= ws->pinged_us)
                        ws->confirmed_us = MAX(ws->confirmed_us, sent);
        }
        if (ws->state == WS_OPEN && ws->callbacks.pong != NULL)
                ws->callbacks.pong(ws, ws->data);
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *msg, void *data)
{
        struct ws *ws = data;
        if (ws->state == WS_DEAD)
                return;
        switch (msg->opcode) {
        case WSLAY_TEXT_FRAME:
                if (ws->state == WS_OPEN && ws->callbacks.message != NULL)
                        ws->callbacks.message(ws, msg->msg_length > 0 ? (const char *)msg->msg : "", msg->msg_length, ws->data);
                break;
        case WSLAY_CONNECTION_CLOSE:
                on_close_frame(ws, msg);
                break;
        case WSLAY_PONG:
                on_pong(ws, msg);
                break;
        case WSLAY_BINARY_FRAME:
                ws_close(ws, WSLAY_CODE_UNSUPPORTED_DATA, "only text is spoken here");
                break;
        default:
                break;
        }
}

/* ---- receiving and sending ---- */

/* Passes on what wslay has queued. */
static void pump(struct ws *ws)
{
        if (ws->state == WS_DEAD || ws->receiving)
                return;
        if (wslay_event_send(ws->wslay) != 0) {
                ws_abort(ws);
                return;
        }
        /* Also against a peer that sends pings and does not read the answers. */
        if (conn_queued(ws->conn) > ws->limits.max_queued) {
                ws_note_close(ws, 1006, "too much waits to be sent", 25);
                ws_abort(ws);
        }
}

/* True when it may end: both have said close, or a protocol error was answered with close. */
static bool is_done(struct ws *ws)
{
        if (wslay_event_get_close_received(ws->wslay) && wslay_event_get_close_sent(ws->wslay))
                return true;
        return !wslay_event_want_read(ws->wslay) && !wslay_event_want_write(ws->wslay);
}

/* wslay gives up at the worst breaches, and its last close frame would not say why: ours does. */
static void not_a_frame(struct ws *ws)
{
        static const char from_server[] = {'\x88', 2, 0x03, '\xea'};
        static const char from_client[] = {'\x88', '\x82', 0, 0, 0, 0, 0x03, '\xea'}; /* masked, with zeroes */
        if (ws->server)
                buf_append(conn_out(ws->conn), from_server, sizeof(from_server));
        else
                buf_append(conn_out(ws->conn), from_client, sizeof(from_client));
        ws_note_close(ws, WSLAY_CODE_PROTOCOL_ERROR, "the peer's bytes are not a websocket frame", 42);
        finish(ws);
}

static void on_received(void *owner, const char *data, size_t len)
{
        struct ws *ws = owner;
        ws->feed = data;
        ws->feed_len = len;
        ws->receiving = true;
        int r = wslay_event_recv(ws->wslay);
        ws->receiving = false;
        ws->feed = NULL;
        ws->feed_len = 0;
        if (r != 0 && ws->state != WS_DEAD) {
                not_a_frame(ws);
                return;
        }
        pump(ws);
        if (ws->state == WS_DEAD || !is_done(ws))
                return;
        if (ws->close_code == 0) /* wslay refused what it got: say with which code */
                ws_note_close(ws, wslay_event_get_status_code_sent(ws->wslay), "the peer broke the protocol or a limit", 38);
        finish(ws);
}

int ws_send(struct ws *ws, const char *text, size_t len)
{
        struct wslay_event_msg msg = {.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = len};
        if (ws->state != WS_OPEN)
                return -EPIPE;
        if (wslay_event_queue_msg(ws->wslay, &msg) != 0)
                return -EPIPE;
        pump(ws);
        return ws->state == WS_OPEN ? 0 : -EPIPE;
}

void ws_ping(struct ws *ws)
{
        uint64_t now = uv_hrtime() / 1000;
        struct wslay_event_msg msg = {.opcode = WSLAY_PING, .msg = (const uint8_t *)&now, .msg_length = sizeof(now)};
        if (ws->state != WS_OPEN || wslay_event_queue_msg(ws->wslay, &msg) != 0)
                return;
        ws->pinged_us = now;
        pump(ws);
}

void ws_close(struct ws *ws, int code, const char *reason)
{
        if (ws->state == WS_CONNECTING)
                ws_abort(ws);
        if (ws->state != WS_OPEN)
                return;
        size_t len = reason != NULL ? MIN(strlen(reason), (size_t)123) : 0; /* what a control frame holds */
        ws->state = WS_CLOSING;
        (void)wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason, len);
        conn_set_deadline(ws->conn, CLOSE_MS);
        pump(ws);
}

/* ---- time ---- */

/* Sets the next look at the silence of the peer. */
static void watch(struct ws *ws)
{
        const struct ws_limits *l = &ws->limits;
        if (ws->state != WS_OPEN || (l->ping_ms == 0 && l->dead_ms == 0))
                return;
        uint64_t now = uv_hrtime() / 1000, heard = conn_last_received_us(ws->conn), next = UINT64_MAX;
        if (l->ping_ms > 0)
                next = MAX(heard, ws->pinged_us) + (uint64_t)l->ping_ms * 1000;
        if (l->dead_ms > 0)
                next = MIN(next, heard + (uint64_t)l->dead_ms * 1000);
        conn_set_deadline(ws->conn, next > now ? (next - now + 999) / 1000 : 1);
}

static void on_expired(void *owner)
{
        struct ws *ws = owner;
        const struct ws_limits *l = &ws->limits;
        if (ws->state == WS_CLOSING) {
                ws_note_close(ws, 1006, "the peer did not answer the close", 33);
                finish(ws);
                return;
        }
        uint64_t now = uv_hrtime() / 1000, heard = conn_last_received_us(ws->conn);
        if (l->dead_ms > 0 && now - heard >= (uint64_t)l->dead_ms * 1000) {
                ws_note_close(ws, 1006, "nothing received for too long", 29);
                ws_abort(ws);
                return;
        }
        if (l->ping_ms > 0 && now - MAX(heard, ws->pinged_us) >= (uint64_t)l->ping_ms * 1000)
                ws_ping(ws);
        watch(ws);
}

void ws_set_silence(struct ws *ws, uint32_t ping_ms, uint32_t dead_ms)
{
        ws->limits.ping_ms = ping_ms;
        ws->limits.dead_ms = dead_ms;
        watch(ws);
}

/* ---- the connection ---- */

static void on_ended(void *owner)
{
        struct ws *ws = owner;
        if (ws->state == WS_DEAD)
                return;
        ws_note_close(ws, 1006, "the peer closed the connection without saying why", 49);
        finish(ws);
}

static void on_going_away(void *owner)
{
        ws_close(owner, WSLAY_CODE_GOING_AWAY, "the server is shutting down");
}

static void on_conn_closed(void *owner, int r, const char *why)
{
        struct ws *ws = owner;
        ws_note_close(ws, 1006, why, strlen(why));
        ws->conn = NULL;
        report_closed(ws);
}

const struct conn_callbacks ws_conn_callbacks = {
        .received = on_received,
        .ended = on_ended,
        .expired = on_expired,
        .going_away = on_going_away,
        .closed = on_conn_closed,
};

/* ---- beginning ---- */

struct ws *ws_new(uv_loop_t *loop, bool server, const struct ws_limits *limits, const struct ws_callbacks *callbacks, void *data)
{
        static const struct wslay_event_callbacks framing = {
                .recv_callback = give_bytes,
                .send_callback = take_bytes,
                .genmask_callback = make_mask,
                .on_msg_recv_callback = on_message,
        };
        struct ws *ws = xalloc(sizeof(*ws));
        ws->server = server;
        ws->net = net_loop_ref(loop);
        ws->limits = limits != NULL ? *limits : (struct ws_limits){0};
        ws->limits.max_message = ws->limits.max_message > 0 ? ws->limits.max_message : (size_t)4 << 20;
        ws->limits.max_queued = ws->limits.max_queued > 0 ? ws->limits.max_queued : (size_t)64 << 20;
        ws->callbacks = *callbacks;
        ws->data = data;
        deferred_init(&ws->aborted, on_aborted);
        int r = server ? wslay_event_context_server_init(&ws->wslay, &framing, ws)
                       : wslay_event_context_client_init(&ws->wslay, &framing, ws);
        assert(r == 0); /* memory only */
        wslay_event_config_set_max_recv_msg_length(ws->wslay, ws->limits.max_message);
        return ws;
}

void ws_start(struct ws *ws)
{
        ws->state = WS_OPEN;
        watch(ws);
}

const char *ws_peer(const struct ws *ws)
{
        return ws->conn != NULL ? conn_peer(ws->conn) : "not connected";
}

size_t ws_queued(const struct ws *ws)
{
        return ws->conn != NULL ? conn_queued(ws->conn) : 0;
}

uint64_t ws_last_confirmed_us(const struct ws *ws)
{
        return ws->confirmed_us;
}

uint64_t ws_last_received_us(const struct ws *ws)
{
        return ws->conn != NULL ? conn_last_received_us(ws->conn) : 0;
}
