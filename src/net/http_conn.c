/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of the HTTP server: bytes become requests, in order; answers leave in the same order.
 *
 *     idle ──first byte──► head ──complete──► (body) ──complete──► handler ... answered ──► idle
 *       │ idle timeout        │ 408, 400, 431     │ 408, 413, 400
 *       ▼                     ▼                   ▼
 *     closed             an answer by the server, queued behind those still due; then closed
 *
 * Reading goes on while handlers work (pipelining) up to max_pipelined unanswered requests, or while a client does not read its
 * answers; then the connection is paused.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "net/http_internal.h"

/* What is kept for the next requests: at most about 1.5 MB. */
#define POOL_MAX 128
#define KEPT_BUF ((size_t)4096)
/* So many bytes of answers wait for a client at most before its next requests are left unread. */
#define QUEUED_MAX ((size_t)1 << 20)

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* ---- exchanges ---- */

static void on_orphaned(struct deferred *work)
{
        http_stream_lost(CONTAINER_OF(work, struct http_exchange, orphaned));
}

struct http_exchange *http_exchange_new(struct http_conn *hc)
{
        struct http_server *server = hc->server;
        struct http_exchange *ex = list_first(&server->pool, struct http_exchange, link);
        if (ex != NULL) {
                list_remove(&ex->link);
                server->n_pool--;
        } else {
                ex = xalloc(sizeof(*ex));
                ex->server = server;
                list_init(&ex->link);
                deferred_init(&ex->orphaned, on_orphaned);
        }
        ex->hc = hc;
        ex->req.arena = &ex->arena;
        ex->req.peer = conn_peer(hc->conn);
        ex->req.tls = conn_is_tls(hc->conn);
        list_push(&hc->requests, &ex->link);
        hc->n_requests++;
        server->refs++;
        return ex;
}

static void trim(struct buf *buf)
{
        if (buf->cap > KEPT_BUF)
                buf_done(buf);
        else
                buf_clear(buf);
}

void http_exchange_free(struct http_exchange *ex)
{
        struct http_server *server = ex->server;
        list_remove(&ex->link);
        if (ex->hc != NULL) {
                ex->hc->n_requests--;
                if (ex->hc->reading == ex)
                        ex->hc->reading = NULL;
        }
        deferred_cancel(&ex->orphaned);
        server->buffered -= ex->body.len;
        if (server->n_pool < POOL_MAX) {
                struct http_exchange kept = {.server = server, .arena = ex->arena, .body = ex->body, .out = ex->out};
                *ex = kept;
                arena_reset(&ex->arena);
                trim(&ex->body);
                trim(&ex->out);
                deferred_init(&ex->orphaned, on_orphaned);
                list_init(&ex->link);
                list_push_front(&server->pool, &ex->link);
                server->n_pool++;
        } else {
                arena_done(&ex->arena);
                buf_done(&ex->body);
                buf_done(&ex->out);
                free(ex);
        }
        http_server_unref(server);
}

bool http_exchange_is_first(const struct http_exchange *ex)
{
        return ex->hc->requests.next == &ex->link;
}

/* ---- deadlines ---- */

static void set_deadline(struct http_conn *hc)
{
        const struct http_limits *l = &hc->server->limits;
        /* The header and body times are set once, where those parts begin: they limit the whole part. */
        if (hc->started || hc->reading != NULL)
                return;
        conn_set_deadline(hc->conn, hc->n_requests > 0 ? 0 : l->idle_timeout_ms);
}

static void stop_taking(struct http_conn *hc)
{
        hc->deaf = true;
        hc->started = false;
        buf_done(&hc->in);
        conn_set_deadline(hc->conn, 0);
}

/* An answer by the server itself; no request is taken after it. */
static void reject(struct http_conn *hc, int status, const char *reason)
{
        struct http_exchange *ex = hc->reading != NULL ? hc->reading : http_exchange_new(hc);
        hc->reading = NULL;
        hc->server->stats.rejected++;
        stop_taking(hc);
        http_exchange_reject(ex, status, reason);
}

/* ---- taking requests in ---- */

static void fill_request(struct http_exchange *ex, const struct http1_head *head)
{
        struct http_request *req = &ex->req;
        req->method = head->method;
        req->target = head->target;
        req->headers = head->headers;
        req->n_headers = head->n_headers;

        /* RFC 9112 section 3.2.2: a server must understand the absolute form, which proxies are sent. */
        const char *path = head->target;
        if (*path == 'h') {
                path += strcspn(path, "/") + 2;
                path += strcspn(path, "/?");
        }
        const char *mark = strchr(path, '?');
        req->query = mark != NULL ? mark + 1 : "";
        if (mark == path)
                req->path = "/";
        else if (mark != NULL)
                req->path = arena_strndup(&ex->arena, path, (size_t)(mark - path));
        else
                req->path = *path != '\0' ? path : "/";

        ex->keep_alive = head->keep_alive;
        ex->head_only = strcmp(head->method, "HEAD") == 0;
        ex->old_version = head->minor == 0;
        ex->upgrade = head->upgrade;
}

static void dispatch(struct http_conn *hc, struct http_exchange *ex)
{
        ex->state = EXCHANGE_RUNNING;
        (void)buf_reserve(&ex->body, 0); /* for the NUL */
        ex->req.body = ex->body.data;
        ex->req.body_len = ex->body.len;
        hc->reading = NULL;
        hc->started = false;
        hc->held = ex->upgrade;
        if (!ex->keep_alive)
                hc->deaf = true;
        hc->server->stats.requests++;
        set_deadline(hc);
        hc->server->options.handler(&ex->req, hc->server->options.data);
}

static void send_continue(struct http_exchange *ex)
{
        if (ex->expects && ex->state == EXCHANGE_READING && http_exchange_is_first(ex)) {
                ex->expects = false;
                buf_append(conn_out(ex->hc->conn), continue_line, sizeof(continue_line) - 1);
        }
}

/* The head of a request is complete at `data`. */
static void take_head(struct http_conn *hc, const char *data, size_t len)
{
        const struct http_limits *l = &hc->server->limits;
        struct http_exchange *ex = http_exchange_new(hc);
        struct http1_head head;
        const char *reason;
        char *copy = arena_bytes(&ex->arena, len + 1);
        memcpy(copy, data, len);
        hc->reading = ex;
        hc->part++;
        hc->scan = (struct http1_scan){0};
        hc->started = false;
        ex->req.started_us = hc->first_byte_us;
        int status = http1_parse_request(copy, len, l->max_headers, &ex->arena, &head, &reason);
        if (status != 0) {
                reject(hc, status, reason);
                return;
        }
        fill_request(ex, &head);
        if (head.content_length > 0 && (uint64_t)head.content_length > l->max_body_bytes) {
                reject(hc, 413, "request body too large");
                return;
        }
        if (!head.chunked && head.content_length <= 0) {
                dispatch(hc, ex);
                return;
        }
        http1_body_init(&hc->body, head.chunked ? HTTP1_BODY_CHUNKED : HTTP1_BODY_LENGTH, head.chunked ? 0 : (uint64_t)head.content_length);
        ex->expects = head.expect_continue;
}

/* Each returns how many bytes it took; less than all when something else must happen first. */
static size_t take_head_bytes(struct http_conn *hc, const char *data, size_t len)
{
        if (!hc->started) {
                /* RFC 9112 section 2.2: an empty line before a request is to be forgiven. */
                if (len >= 2 && data[0] == '\r' && data[1] == '\n')
                        return 2;
                if (len == 1 && data[0] == '\r')
                        return 0;
                hc->started = true;
                hc->part++;
                hc->first_byte_us = conn_last_received_us(hc->conn);
        }
        ssize_t n = http1_scan(&hc->scan, data, len);
        size_t size = n > 0 ? (size_t)n : len;
        if (n < 0)
                reject(hc, 400, "this is not HTTP: lines must end in CR LF");
        else if (size > hc->server->limits.max_header_bytes)
                reject(hc, 431, "header section too large");
        else if (n > 0)
                take_head(hc, data, size);
        return n > 0 ? size : 0;
}

static size_t take_body_bytes(struct http_conn *hc, const char *data, size_t len)
{
        struct http_server *server = hc->server;
        struct http_exchange *ex = hc->reading;
        size_t used, before = ex->body.len;
        int r = http1_body_feed(&hc->body, data, len, server->limits.max_body_bytes, &ex->body, &used);
        server->buffered += ex->body.len - before;
        if (r == -EFBIG)
                reject(hc, 413, "request body too large");
        else if (r < 0)
                reject(hc, 400, "malformed chunked body");
        else if (r > 0)
                dispatch(hc, ex);
        else if (server->buffered > server->limits.max_buffered)
                reject(hc, 503, "too many request bodies are being received: try again later");
        return used;
}

static bool may_take(struct http_conn *hc)
{
        if (hc->conn == NULL || hc->deaf || hc->held || conn_is_closing(hc->conn))
                return false;
        if (hc->started || hc->reading != NULL) /* what has begun is finished, or its time would run out */
                return true;
        bool full = hc->n_requests >= hc->server->limits.max_pipelined || conn_queued(hc->conn) > QUEUED_MAX;
        if (full && !hc->paused) {
                hc->paused = true;
                conn_pause(hc->conn);
        }
        return !full;
}

/* Takes what it can of `data`; returns how much. */
static size_t take(struct http_conn *hc, const char *data, size_t len)
{
        size_t used = 0;
        hc->parsing = true;
        while (used < len && may_take(hc)) {
                struct http_exchange *was = hc->reading;
                size_t n = was != NULL ? take_body_bytes(hc, data + used, len - used) : take_head_bytes(hc, data + used, len - used);
                used += n;
                if (n == 0 && hc->reading == was)
                        break; /* part of a head */
        }
        hc->parsing = false;
        return used;
}

/* A request is under way and not complete: its time runs from where the part began. */
static void start_clock(struct http_conn *hc)
{
        const struct http_limits *l = &hc->server->limits;
        if ((hc->reading == NULL && !hc->started) || hc->timed_part == hc->part)
                return;
        hc->timed_part = hc->part;
        conn_set_deadline(hc->conn, hc->reading != NULL ? l->body_timeout_ms : l->header_timeout_ms);
        if (hc->reading != NULL)
                send_continue(hc->reading);
}

static void http_conn_free(struct http_conn *hc)
{
        buf_done(&hc->in);
        free(hc);
}

/* While an upgrade is being decided, bytes are kept but no more of them are read. */
static void pause_if_held(struct http_conn *hc)
{
        if (!hc->held || hc->paused || hc->in.len == 0)
                return;
        hc->paused = true;
        conn_pause(hc->conn);
}

static void finish_after_end(struct http_conn *hc);

/* Takes new bytes in. The hc may be freed by it. */
static void process(struct http_conn *hc, const char *data, size_t len)
{
        struct conn *conn = hc->conn;
        bool from_in = hc->in.len > 0;
        if (from_in) {
                buf_append(&hc->in, data, len);
                data = hc->in.data;
                len = hc->in.len;
        }
        size_t used = take(hc, data, len);
        if (hc->conn == NULL) { /* taken over inside a handler */
                conn_unread(conn, data + used, len - used);
                http_conn_free(hc);
                return;
        }
        if (hc->deaf)
                return; /* `in` is of no interest any more */
        if (from_in)
                buf_consume(&hc->in, used);
        else if (used < len)
                buf_append(&hc->in, data + used, len - used);
        if (hc->in.len == 0)
                buf_done(&hc->in); /* idle connections are many */
        start_clock(hc);
        pause_if_held(hc);
        if (hc->peer_ended)
                finish_after_end(hc);
}

static void on_received(void *owner, const char *data, size_t len)
{
        struct http_conn *hc = owner;
        if (hc->deaf)
                return;
        if (!hc->paused && !hc->held) {
                process(hc, data, len);
                return;
        }
        buf_append(&hc->in, data, len); /* one read at most: reading has been or is now paused */
        pause_if_held(hc);
}

static void on_resume(struct deferred *work)
{
        struct http_conn *hc = CONTAINER_OF(work, struct http_conn, resume);
        if (hc->deaf || hc->held || conn_is_closing(hc->conn))
                return;
        if (hc->n_requests > hc->server->limits.max_pipelined / 2 || conn_queued(hc->conn) > QUEUED_MAX / 2)
                return; /* not worth it yet: the next answer asks again */
        if (hc->paused) {
                hc->paused = false;
                conn_resume(hc->conn);
        }
        if (hc->in.len > 0)
                process(hc, NULL, 0);
        else if (hc->peer_ended)
                finish_after_end(hc);
}

/* ---- answers ---- */

/* The connection takes no more requests and all are answered. */
static bool is_finished(const struct http_conn *hc)
{
        return list_empty(&hc->requests) && hc->deaf;
}

void http_conn_answered(struct http_conn *hc, bool keep_alive)
{
        if (!keep_alive) {
                /* What comes after an answer with Connection: close is not answered any more. */
                stop_taking(hc);
                conn_close(hc->conn);
                return;
        }
        struct http_exchange *ex;
        while ((ex = list_first(&hc->requests, struct http_exchange, link)) != NULL) {
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not see that freeing takes off the list */
                if (ex->out.len > 0) {
                        buf_append(conn_out(hc->conn), ex->out.data, ex->out.len);
                        buf_clear(&ex->out);
                }
                if (ex->state != EXCHANGE_ANSWERED)
                        break;
                bool keep = ex->keep_alive;
                http_exchange_free(ex);
                if (!keep) {
                        stop_taking(hc);
                        conn_close(hc->conn);
                        return;
                }
        }
        if (ex != NULL)
                send_continue(ex);
        hc->held = ex != NULL && hc->held;
        bool leaving = hc->server->closing && ex == NULL && !hc->started;
        if (is_finished(hc) || leaving) {
                stop_taking(hc);
                conn_close(hc->conn);
                return;
        }
        set_deadline(hc);
        if (!hc->parsing && (hc->paused || hc->in.len > 0))
                net_loop_defer(conn_net(hc->conn), &hc->resume);
}

/* The client will send no more: a request that is not complete never will be. What waits in `in` while paused may be. */
static void finish_after_end(struct http_conn *hc)
{
        if (hc->paused || hc->held)
                return;
        if (hc->reading != NULL)
                http_exchange_free(hc->reading);
        stop_taking(hc);
        if (is_finished(hc))
                conn_close(hc->conn);
}

/* ---- events ---- */

static void on_ended(void *owner)
{
        struct http_conn *hc = owner;
        struct http_exchange *first = list_first(&hc->requests, struct http_exchange, link);
        hc->peer_ended = true;
        if (hc->held || (first != NULL && first->state == EXCHANGE_STREAMING)) {
                /* There may be nothing to write for hours that would show that the client has gone; and a websocket needs both ways. */
                conn_abort(hc->conn);
                return;
        }
        finish_after_end(hc);
}

static void on_drained(void *owner)
{
        struct http_conn *hc = owner;
        struct http_exchange *first = list_first(&hc->requests, struct http_exchange, link);
        if (hc->paused && !hc->held)
                net_loop_defer(conn_net(hc->conn), &hc->resume);
        if (first == NULL || first->state != EXCHANGE_STREAMING || !first->wrote)
                return;
        first->wrote = false;
        if (first->drained != NULL)
                first->drained((struct http_stream *)first, first->data);
}

static void on_expired(void *owner)
{
        struct http_conn *hc = owner;
        if (hc->reading != NULL)
                reject(hc, 408, "the request body did not arrive in time");
        else if (hc->started)
                reject(hc, 408, "the request header section did not arrive in time");
        else if (hc->n_requests == 0)
                conn_close(hc->conn);
}

static void on_going_away(void *owner)
{
        struct http_conn *hc = owner;
        if (hc->n_requests == 0 && !hc->started)
                conn_close(hc->conn);
}

static void on_closed(void *owner, int r, const char *why)
{
        struct http_conn *hc = owner;
        deferred_cancel(&hc->resume);
        list_for_each (each, &hc->requests, struct http_exchange, link) {
                each->hc = NULL;
                each->req.peer = arena_strdup(&each->arena, each->req.peer);
        }
        struct http_exchange *ex;
        /* Owners may answer other requests of this connection while they are told: always look at the list anew. */
        while ((ex = list_first(&hc->requests, struct http_exchange, link)) != NULL) {
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not see that freeing takes off the list */
                if (ex->state == EXCHANGE_STREAMING)
                        http_stream_lost(ex);
                else if (ex->state == EXCHANGE_RUNNING)
                        list_remove(&ex->link); /* its handler still has it */
                else
                        http_exchange_free(ex);
        }
        http_conn_free(hc);
}

static void on_established(void *owner)
{
        set_deadline(owner);
}

static const struct conn_callbacks callbacks = {
        .established = on_established,
        .received = on_received,
        .ended = on_ended,
        .drained = on_drained,
        .expired = on_expired,
        .going_away = on_going_away,
        .closed = on_closed,
};

void http_conn_new(struct http_server *server, struct conn *conn)
{
        struct http_conn *hc = xalloc(sizeof(*hc));
        hc->server = server;
        hc->conn = conn;
        list_init(&hc->requests);
        deferred_init(&hc->resume, on_resume);
        conn_set_owner(conn, &callbacks, hc);
        conn_set_stall_timeout(conn, server->limits.stall_timeout_ms);
        if (conn_is_tls(conn))
                conn_set_deadline(conn, server->limits.header_timeout_ms);
        else
                set_deadline(hc);
}

/* ---- taking over ---- */

bool http_can_take_over(struct http_request *req)
{
        struct http_exchange *ex = exchange_of(req);
        return ex->hc == NULL || (http_exchange_is_first(ex) && ex->upgrade);
}

struct conn *http_take_over(struct http_request *req, const struct conn_callbacks *new_callbacks, void *owner)
{
        struct http_exchange *ex = exchange_of(req);
        struct http_conn *hc = ex->hc;
        assert(ex->state == EXCHANGE_RUNNING);
        if (hc == NULL || conn_is_closing(hc->conn)) {
                ex->state = EXCHANGE_ANSWERED;
                if (hc == NULL)
                        http_exchange_free(ex);
                return NULL;
        }
        struct conn *conn = hc->conn;
        http_exchange_free(ex);
        assert(list_empty(&hc->requests)); /* http_can_take_over, and `held` */
        conn_set_deadline(conn, 0);
        conn_set_owner(conn, new_callbacks, owner);
        conn_resume(conn);
        deferred_cancel(&hc->resume);
        hc->conn = NULL;
        if (hc->parsing)
                return conn; /* process() goes on from there: it knows what is left */
        conn_unread(conn, hc->in.data, hc->in.len);
        http_conn_free(hc);
        return conn;
}
