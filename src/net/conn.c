/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: reading, writing, deadlines, closing. */
#include "net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls.h"

#define LINGER_MS 2000
#define STALL_MS 60000

enum conn_state {
        CONN_CONNECTING = 0,
        CONN_HANDSHAKE, /* of TLS */
        CONN_OPEN,
        CONN_FLUSHING,  /* conn_close: what is queued goes out */
        CONN_LINGERING, /* our side has ended, the peer's not yet */
        CONN_GONE,      /* handles are closing */
};

struct conn {
        union {
                uv_handle_t handle;
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        } io;
        uv_timer_t timer;
        union {
                uv_connect_t connect;
                uv_write_t write;
                uv_shutdown_t shutdown;
        } req; /* one at a time, by state and `writing` */
        struct net_loop *net;
        struct conn_group *group;
        struct list link;
        struct deferred flush, redeliver;
        struct tls *tls;
        const struct conn_callbacks *callbacks;
        void *owner;
        struct buf out;     /* as written by the owner */
        struct buf sending; /* what the system did not take at once, while `writing` */
        struct buf unread;
        enum conn_state state;
        bool writing, reading, ended, paused;
        bool last_chance;        /* the deadline has passed; one more look at the socket */
        int n_closing;           /* handles not yet closed */
        uint64_t deadline;       /* all three in loop time, 0: none */
        uint64_t stall_deadline; /* while `writing` */
        uint64_t armed;          /* when the timer fires */
        uint64_t stall_ms;
        size_t stall_left; /* what waited at the last look */
        uint64_t last_received_us;
        int failure; /* negative errno: why it broke; 0: closed on purpose */
        char *why;   /* the same in words, or NULL */
        char peer[ADDR_TEXT_MAX];
};

static const struct conn_callbacks nobody;

static void flush(struct conn *conn);
static void on_timer(uv_timer_t *timer);

/* ---- life ---- */

static void on_flush(struct deferred *work)
{
        flush(CONTAINER_OF(work, struct conn, flush));
}

static void redeliver(struct deferred *work);

static struct conn *conn_new(struct net_loop *net, int family, struct tls *tls, struct conn_group *group)
{
        struct conn *conn = xalloc(sizeof(*conn));
        conn->net = net_loop_ref(net->loop);
        conn->tls = tls;
        conn->callbacks = &nobody;
        conn->stall_ms = STALL_MS;
        conn->last_received_us = uv_hrtime() / 1000;
        conn->group = group;
        list_init(&conn->link);
        if (group != NULL) {
                list_push(&group->conns, &conn->link);
                group->count++;
        }
        deferred_init(&conn->flush, on_flush);
        deferred_init(&conn->redeliver, redeliver);
        if (family == AF_UNIX)
                uv_pipe_init(net->loop, &conn->io.pipe, 0);
        else
                uv_tcp_init(net->loop, &conn->io.tcp);
        uv_timer_init(net->loop, &conn->timer);
        (void)snprintf(conn->peer, sizeof(conn->peer), "%s", family == AF_UNIX ? "unix" : "unknown");
        return conn;
}

static void conn_free(struct conn *conn)
{
        struct conn_group *group = conn->group;
        conn->callbacks = &nobody;
        if (group != NULL) {
                list_remove(&conn->link);
                group->count--;
        }
        tls_free(conn->tls);
        free(conn->why);
        buf_done(&conn->out);
        buf_done(&conn->sending);
        buf_done(&conn->unread);
        net_loop_unref(conn->net);
        free(conn);
        if (group != NULL && group->count == 0 && group->empty != NULL)
                group->empty(group);
}

static void on_handle_closed(struct conn *conn)
{
        if (--conn->n_closing > 0)
                return;
        if (conn->callbacks->closed != NULL)
                conn->callbacks->closed(conn->owner, conn->failure, conn->why != NULL ? conn->why : "");
        conn_free(conn);
}

static void on_io_closed(uv_handle_t *handle)
{
        on_handle_closed(CONTAINER_OF(handle, struct conn, io.handle));
}

static void on_timer_closed(uv_handle_t *handle)
{
        on_handle_closed(CONTAINER_OF((uv_timer_t *)handle, struct conn, timer));
}

static void gone(struct conn *conn)
{
        if (conn->state == CONN_GONE)
                return;
        conn->state = CONN_GONE;
        conn->n_closing = 2;
        deferred_cancel(&conn->flush);
        deferred_cancel(&conn->redeliver);
        buf_clear(&conn->out);
        uv_close(&conn->io.handle, on_io_closed);
        uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
}

/* The connection breaks; the first reason counts. After conn_close a break is no news. */
static void fail(struct conn *conn, int r, const char *why)
{
        if (conn->state < CONN_FLUSHING) {
                conn->failure = r;
                conn->why = xstrdup(why != NULL ? why : uv_strerror(r));
        }
        gone(conn);
}

void conn_abort(struct conn *conn)
{
        gone(conn);
}

static bool is_live(const struct conn *conn)
{
        return conn->state < CONN_FLUSHING;
}

/* ---- deadlines: one timer, set anew only when it would fire too late ---- */

static void arm(struct conn *conn)
{
        uint64_t when = conn->deadline;
        if (conn->state == CONN_GONE)
                return;
        if (conn->stall_deadline != 0 && (when == 0 || conn->stall_deadline < when))
                when = conn->stall_deadline;
        if (when == 0 || (conn->armed != 0 && conn->armed <= when))
                return;
        uint64_t now = uv_now(conn->net->loop);
        uv_timer_start(&conn->timer, on_timer, when > now ? when - now : 0, 0);
        conn->armed = when;
}

/* True when the peer has taken nothing since the last look. */
static bool has_stalled(struct conn *conn, uint64_t now)
{
        if (conn->stall_deadline == 0 || now < conn->stall_deadline)
                return false;
        size_t left = uv_stream_get_write_queue_size(&conn->io.stream);
        if (left >= conn->stall_left)
                return true;
        conn->stall_left = left;
        conn->stall_deadline = now + conn->stall_ms;
        return false;
}

static void on_timer(uv_timer_t *timer)
{
        struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
        uint64_t now = uv_now(conn->net->loop);
        conn->armed = 0;
        if (has_stalled(conn, now)) {
                fail(conn, -ETIMEDOUT, "the peer does not read what is sent to it");
                return;
        }
        if (conn->deadline != 0 && now >= conn->deadline && conn->reading && !conn->last_chance && is_live(conn)) {
                /*
                 * Timers come before sockets in a turn. If it was this process that stood still (stopped, or starved of CPU), what
                 * would have stopped the clock is waiting in the socket: it is read before anybody is blamed.
                 */
                conn->last_chance = true;
                conn->deadline = now + 1;
        } else if (conn->deadline != 0 && now >= conn->deadline) {
                conn->deadline = 0;
                if (!is_live(conn))
                        gone(conn); /* lingered long enough */
                else if (conn->callbacks->expired != NULL)
                        conn->callbacks->expired(conn->owner);
        }
        arm(conn);
}

void conn_set_deadline(struct conn *conn, uint64_t ms)
{
        if (!is_live(conn))
                return;
        conn->deadline = ms > 0 ? uv_now(conn->net->loop) + ms : 0;
        conn->last_chance = false;
        arm(conn);
}

void conn_set_stall_timeout(struct conn *conn, uint64_t ms)
{
        conn->stall_ms = ms;
}

/* ---- reading ---- */

static void give_read_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct conn *conn = CONTAINER_OF(handle, struct conn, io.handle);
        *ret = uv_buf_init(conn->net->read, sizeof(conn->net->read));
}

static void deliver(struct conn *conn, const char *data, size_t len)
{
        if (conn->unread.len > 0) /* older bytes first */
                buf_append(&conn->unread, data, len);
        else if (is_live(conn) && conn->callbacks->received != NULL)
                conn->callbacks->received(conn->owner, data, len);
}

static void peer_ended(struct conn *conn)
{
        if (conn->ended || conn->state == CONN_GONE)
                return;
        conn->ended = true;
        if (conn->state == CONN_LINGERING)
                gone(conn);
        else if (conn->state < CONN_OPEN)
                fail(conn, -ECONNRESET, "the peer closed the connection before it was ready");
        else if (is_live(conn) && conn->unread.len == 0 && conn->callbacks->ended != NULL) /* else redeliver says it */
                conn->callbacks->ended(conn->owner);
}

static void now_open(struct conn *conn)
{
        conn->state = CONN_OPEN;
        if (conn->out.len > 0)
                net_loop_defer(conn->net, &conn->flush);
        if (conn->callbacks->established != NULL)
                conn->callbacks->established(conn->owner);
}

/* Sends handshake bytes and alerts without waiting for the end of the turn: the connection may break in it. */
static void tls_pump_output(struct conn *conn)
{
        if (tls_has_output(conn->tls))
                flush(conn);
}

static void tls_continue_handshake(struct conn *conn)
{
        struct error error = {0};
        int r = tls_handshake(conn->tls, &error);
        tls_pump_output(conn);
        if (conn->state == CONN_GONE)
                return;
        if (r < 0)
                fail(conn, r, error.message);
        else if (r > 0)
                now_open(conn);
}

static void tls_received(struct conn *conn, const char *data, size_t len)
{
        tls_input(conn->tls, data, len);
        if (conn->state == CONN_HANDSHAKE)
                tls_continue_handshake(conn);
        int n = 0;
        while (conn->state >= CONN_OPEN && conn->state != CONN_GONE) {
                n = tls_read(conn->tls, conn->net->plain, sizeof(conn->net->plain));
                if (n <= 0)
                        break;
                deliver(conn, conn->net->plain, (size_t)n);
        }
        if (conn->state == CONN_GONE)
                return;
        tls_pump_output(conn);
        if (n == -EPIPE)
                peer_ended(conn);
        else if (n < 0)
                fail(conn, n, "TLS protocol error");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct conn *conn = CONTAINER_OF(stream, struct conn, io.stream);
        if (n == 0 || conn->state == CONN_GONE)
                return;
        if (n == UV_EOF) {
                conn->reading = false;
                peer_ended(conn);
                return;
        }
        if (n < 0) {
                conn->reading = false;
                fail(conn, (int)n, NULL);
                return;
        }
        conn->last_received_us = uv_hrtime() / 1000;
        if (conn->tls != NULL)
                tls_received(conn, buf->base, (size_t)n);
        else
                deliver(conn, buf->base, (size_t)n);
}

/* Reads when somebody wants the bytes, or when only the end of the stream is awaited. */
static void update_reading(struct conn *conn)
{
        if (conn->state == CONN_GONE || conn->state == CONN_CONNECTING)
                return;
        bool want = !conn->ended && (!conn->paused || !is_live(conn));
        if (want == conn->reading)
                return;
        conn->reading = want;
        if (want)
                uv_read_start(&conn->io.stream, give_read_buffer, on_read);
        else
                uv_read_stop(&conn->io.stream);
}

void conn_pause(struct conn *conn)
{
        conn->paused = true;
        update_reading(conn);
}

void conn_resume(struct conn *conn)
{
        conn->paused = false;
        update_reading(conn);
}

static void redeliver(struct deferred *work)
{
        struct conn *conn = CONTAINER_OF(work, struct conn, redeliver);
        struct buf bytes = conn->unread;
        buf_init(&conn->unread);
        if (bytes.len > 0)
                deliver(conn, bytes.data, bytes.len);
        buf_done(&bytes);
        if (conn->ended && is_live(conn) && conn->callbacks->ended != NULL)
                conn->callbacks->ended(conn->owner);
}

void conn_unread(struct conn *conn, const char *data, size_t len)
{
        if (!is_live(conn) || (len == 0 && !conn->ended))
                return;
        buf_append(&conn->unread, data, len);
        net_loop_defer(conn->net, &conn->redeliver);
}

/* ---- writing ---- */

struct buf *conn_out(struct conn *conn)
{
        if (!is_live(conn))
                buf_clear(&conn->out);
        else if (conn->state == CONN_OPEN)
                net_loop_defer(conn->net, &conn->flush);
        if (conn->out.data == NULL)
                conn->out = net_loop_take_buf(conn->net);
        return &conn->out;
}

size_t conn_queued(const struct conn *conn)
{
        return conn->out.len + (conn->writing ? uv_stream_get_write_queue_size(&conn->io.stream) : 0);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
        struct conn *conn = CONTAINER_OF(req, struct conn, req.shutdown);
        if (conn->state == CONN_GONE)
                return;
        if (status < 0 || conn->ended) {
                gone(conn);
                return;
        }
        conn->state = CONN_LINGERING;
        conn->deadline = uv_now(conn->net->loop) + LINGER_MS;
        arm(conn);
        update_reading(conn);
}

/* Everything that was written has been handed to the system. */
static void all_sent(struct conn *conn)
{
        conn->stall_deadline = 0;
        if (conn->state == CONN_FLUSHING) {
                if (conn->ended || uv_shutdown(&conn->req.shutdown, &conn->io.stream, on_shutdown) < 0)
                        gone(conn);
        } else if (conn->state == CONN_OPEN && conn->callbacks->drained != NULL) {
                conn->callbacks->drained(conn->owner);
        }
}

static void on_written(uv_write_t *req, int status)
{
        struct conn *conn = CONTAINER_OF(req, struct conn, req.write);
        if (conn->state == CONN_GONE)
                return;
        conn->writing = false;
        net_loop_put_buf(conn->net, &conn->sending);
        if (status < 0) {
                fail(conn, status, NULL);
                return;
        }
        flush(conn);
}

/* Hands the rest of `bytes` to libuv, which keeps at it; takes the buffer over. */
static void write_rest(struct conn *conn, struct buf *bytes, size_t done)
{
        conn->sending = *bytes;
        buf_init(bytes);
        conn->writing = true;
        conn->stall_left = conn->sending.len - done;
        conn->stall_deadline = uv_now(conn->net->loop) + conn->stall_ms;
        uv_buf_t rest = uv_buf_init(conn->sending.data + done, (unsigned)(conn->sending.len - done));
        int r = uv_write(&conn->req.write, &conn->io.stream, &rest, 1, on_written);
        if (r < 0) {
                conn->writing = false;
                fail(conn, r, NULL);
                return;
        }
        arm(conn);
}

/* What goes over the wire for what was written, in `ret`, whose memory the caller gives back. */
static int wire_bytes(struct conn *conn, struct buf *ret)
{
        int r = 0;
        if (conn->tls == NULL) {
                *ret = conn->out;
                buf_init(&conn->out);
                return 0;
        }
        if (conn->state >= CONN_OPEN && conn->out.len > 0)
                r = tls_write(conn->tls, conn->out.data, conn->out.len);
        if (conn->state >= CONN_OPEN)
                net_loop_put_buf(conn->net, &conn->out);
        if (conn->state == CONN_FLUSHING)
                tls_goodbye(conn->tls);
        *ret = net_loop_take_buf(conn->net);
        tls_output(conn->tls, ret);
        return r;
}

static void flush(struct conn *conn)
{
        struct buf bytes;
        if (conn->state == CONN_GONE || conn->state == CONN_CONNECTING || conn->state == CONN_LINGERING || conn->writing)
                return;
        deferred_cancel(&conn->flush);
        int r = wire_bytes(conn, &bytes);
        int done = 0;
        if (r == 0 && bytes.len > 0)
                done = uv_try_write(&conn->io.stream, &(uv_buf_t){.base = bytes.data, .len = bytes.len}, 1);
        if (done == UV_EAGAIN)
                done = 0;
        if (r < 0 || done < 0) {
                net_loop_put_buf(conn->net, &bytes);
                fail(conn, r < 0 ? r : done, NULL);
                return;
        }
        if ((size_t)done < bytes.len) {
                write_rest(conn, &bytes, (size_t)done);
                return;
        }
        net_loop_put_buf(conn->net, &bytes);
        all_sent(conn);
}

void conn_close(struct conn *conn)
{
        if (conn->state >= CONN_FLUSHING)
                return;
        if (conn->state != CONN_OPEN) {
                gone(conn);
                return;
        }
        conn->state = CONN_FLUSHING;
        conn->deadline = 0;
        deferred_cancel(&conn->redeliver);
        update_reading(conn);
        net_loop_defer(conn->net, &conn->flush);
}

/* ---- making ---- */

static void start(struct conn *conn)
{
        conn->state = conn->tls != NULL ? CONN_HANDSHAKE : CONN_OPEN;
        update_reading(conn);
}

int conn_accept(struct net_loop *net, uv_stream_t *listener, struct tls *tls, struct conn_group *group, struct conn **ret)
{
        struct conn *conn = conn_new(net, listener->type == UV_NAMED_PIPE ? AF_UNIX : AF_INET, tls, group);
        int r = uv_accept(listener, &conn->io.stream);
        if (r < 0) {
                gone(conn);
                return r;
        }
        if (listener->type == UV_TCP) {
                union addr peer;
                int len = sizeof(peer);
                if (uv_tcp_getpeername(&conn->io.tcp, &peer.any, &len) == 0)
                        addr_format(&peer.any, conn->peer);
        }
        start(conn);
        *ret = conn;
        return 0;
}

/* Of "ADDRESS:PORT". */
static size_t address_len(const char *peer)
{
        const char *colon = strrchr(peer, ':');
        return colon != NULL ? (size_t)(colon - peer) : strlen(peer);
}

uint32_t conn_count_alike(const struct conn *conn)
{
        size_t len = address_len(conn->peer);
        uint32_t n = 0;
        list_for_each (other, &conn->group->conns, struct conn, link)
                n += address_len(other->peer) == len && memcmp(other->peer, conn->peer, len) == 0;
        return n;
}

static void on_connected(uv_connect_t *req, int status)
{
        struct conn *conn = CONTAINER_OF(req, struct conn, req.connect);
        if (conn->state == CONN_GONE)
                return;
        if (status < 0) {
                fail(conn, status, NULL);
                return;
        }
        start(conn);
        if (conn->tls != NULL)
                tls_continue_handshake(conn);
        else
                now_open(conn);
}

int conn_connect(struct net_loop *net, const union addr *addr, struct tls *tls, const struct conn_callbacks *callbacks, void *owner,
                 struct conn **ret)
{
        struct conn *conn = conn_new(net, addr->any.sa_family, tls, NULL);
        int r = 0;
        addr_format(&addr->any, conn->peer);
        if (addr->any.sa_family == AF_UNIX)
                uv_pipe_connect(&conn->req.connect, &conn->io.pipe, addr->local.sun_path, on_connected);
        else
                r = uv_tcp_connect(&conn->req.connect, &conn->io.tcp, &addr->any, on_connected);
        if (r < 0) {
                gone(conn);
                return r;
        }
        if (addr->any.sa_family != AF_UNIX) {
                uv_tcp_nodelay(&conn->io.tcp, 1);
                uv_tcp_keepalive(&conn->io.tcp, 1, 60);
        }
        conn_set_owner(conn, callbacks, owner);
        *ret = conn;
        return 0;
}

void conn_set_owner(struct conn *conn, const struct conn_callbacks *callbacks, void *owner)
{
        conn->callbacks = callbacks != NULL ? callbacks : &nobody;
        conn->owner = owner;
}

/* ---- groups and small questions ---- */

void conn_group_init(struct conn_group *group, void (*empty)(struct conn_group *group))
{
        list_init(&group->conns);
        group->count = 0;
        group->empty = empty;
}

void conn_group_going_away(struct conn_group *group)
{
        list_for_each (conn, &group->conns, struct conn, link) {
                if (is_live(conn) && conn->callbacks->going_away != NULL)
                        conn->callbacks->going_away(conn->owner);
        }
}

void conn_group_abort(struct conn_group *group)
{
        list_for_each (conn, &group->conns, struct conn, link)
                conn_abort(conn);
}

bool conn_is_closing(const struct conn *conn)
{
        return !is_live(conn);
}

bool conn_is_tls(const struct conn *conn)
{
        return conn->tls != NULL;
}

const char *conn_peer(const struct conn *conn)
{
        return conn->peer;
}

struct net_loop *conn_net(const struct conn *conn)
{
        return conn->net;
}

uint64_t conn_last_received_us(const struct conn *conn)
{
        return conn->last_received_us;
}
