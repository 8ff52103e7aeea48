/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: whole, streamed, and those that the server itself gives. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/http_internal.h"

/* An answer goes straight to the connection when it is its turn, else it waits in the exchange. */
static struct buf *answer_buf(struct http_exchange *ex)
{
        return http_exchange_is_first(ex) ? conn_out(ex->hc->conn) : &ex->out;
}

static void append_number(struct buf *out, size_t number)
{
        char digits[24];
        size_t i = sizeof(digits);
        do {
                digits[--i] = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        buf_append(out, digits + i, sizeof(digits) - i);
}

/* Without line breaks: part of a value may come from a client. */
static void append_clean(struct buf *out, const char *text)
{
        size_t start = out->len;
        buf_append_str(out, text);
        for (size_t i = start; i < out->len; i++) {
                if (out->data[i] == '\r' || out->data[i] == '\n')
                        out->data[i] = ' ';
        }
}

static void append_status_line(struct buf *out, int status)
{
        static const char ok[] = "HTTP/1.1 200 OK\r\n";
        if (status == 200)
                buf_append(out, ok, sizeof(ok) - 1);
        else
                buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http1_status_text(status));
}

static void append_head(struct http_exchange *ex, struct buf *out, int status, const struct http_header *headers, size_t n_headers)
{
        append_status_line(out, status);
        buf_append_str(out, http_server_date(ex->server));
        for (size_t i = 0; i < n_headers; i++) {
                append_clean(out, headers[i].name);
                buf_append(out, ": ", 2);
                append_clean(out, headers[i].value);
                buf_append(out, "\r\n", 2);
        }
        if (!ex->keep_alive)
                buf_append_str(out, "Connection: close\r\n");
        else if (ex->old_version)
                buf_append_str(out, "Connection: keep-alive\r\n");
}

static bool has_no_body(int status)
{
        return status < 200 || status == 204 || status == 304;
}

/* The answer is complete. */
static void answered(struct http_exchange *ex)
{
        struct http_conn *hc = ex->hc;
        bool keep_alive = ex->keep_alive;
        ex->state = EXCHANGE_ANSWERED;
        if (!http_exchange_is_first(ex))
                return; /* http_conn_answered comes to it */
        http_exchange_free(ex);
        http_conn_answered(hc, keep_alive);
}

/* The last answer before the server closes says so; those before it must not, or the later ones would be lost. */
static void decide_keep_alive(struct http_exchange *ex)
{
        if (ex->server->closing && ex->hc->n_requests == 1)
                ex->keep_alive = false;
}

void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t n_headers, const void *body, size_t len)
{
        struct http_exchange *ex = exchange_of(req);
        assert(ex->state == EXCHANGE_RUNNING); /* exactly one answer */
        if (ex->hc == NULL) {
                http_exchange_free(ex);
                return;
        }
        decide_keep_alive(ex);
        struct buf *out = answer_buf(ex);
        append_head(ex, out, status, headers, n_headers);
        if (has_no_body(status)) {
                buf_append(out, "\r\n", 2);
        } else {
                buf_append(out, "Content-Length: ", 16);
                append_number(out, len);
                buf_append(out, "\r\n\r\n", 4);
                if (!ex->head_only)
                        buf_append(out, body, len);
        }
        answered(ex);
}

void http_exchange_reject(struct http_exchange *ex, int status, const char *reason)
{
        struct http_server *server = ex->server;
        char body[1024];
        const char *type = "text/plain; charset=utf-8";
        (void)snprintf(body, sizeof(body), "%s\n", reason);
        if (server->options.reject != NULL) {
                server->options.reject(status, reason, body, sizeof(body), &type, server->options.data);
                body[sizeof(body) - 1] = '\0';
        }
        ex->keep_alive = false;
        ex->state = EXCHANGE_RUNNING;
        http_respond(&ex->req, status, &(struct http_header){"Content-Type", type}, 1, body, strlen(body));
}

/* ---- streams: the exchange itself is the stream ---- */

static struct http_exchange *exchange_of_stream(struct http_stream *stream)
{
        return (struct http_exchange *)stream;
}

struct http_stream *http_respond_stream(struct http_request *req, int status, const struct http_header *headers, size_t n_headers,
                                        void (*drained)(struct http_stream *stream, void *data),
                                        void (*closed)(struct http_stream *stream, void *data), void *data)
{
        struct http_exchange *ex = exchange_of(req);
        assert(ex->state == EXCHANGE_RUNNING);
        ex->state = EXCHANGE_STREAMING;
        ex->drained = drained;
        ex->gone = closed;
        ex->data = data;
        if (ex->hc == NULL) {
                net_loop_defer(ex->server->net, &ex->orphaned);
                return (struct http_stream *)ex;
        }
        /* A client of HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
        if (ex->old_version)
                ex->keep_alive = false;
        decide_keep_alive(ex);
        struct buf *out = answer_buf(ex);
        append_head(ex, out, status, headers, n_headers);
        buf_append_str(out, ex->old_version ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
        return (struct http_stream *)ex;
}

size_t http_stream_write(struct http_stream *stream, const void *data, size_t len)
{
        struct http_exchange *ex = exchange_of_stream(stream);
        assert(ex->state == EXCHANGE_STREAMING);
        if (ex->hc == NULL)
                return 0; /* `closed` is on its way */
        struct buf *out = answer_buf(ex);
        ex->wrote = true;
        if (len > 0 && !ex->head_only) { /* an empty chunk would end the body */
                if (!ex->old_version)
                        buf_printf(out, "%zx\r\n", len);
                buf_append(out, data, len);
                if (!ex->old_version)
                        buf_append(out, "\r\n", 2);
        }
        return http_exchange_is_first(ex) ? conn_queued(ex->hc->conn) : ex->out.len;
}

void http_stream_end(struct http_stream *stream)
{
        struct http_exchange *ex = exchange_of_stream(stream);
        assert(ex->state == EXCHANGE_STREAMING);
        if (ex->hc == NULL) {
                http_exchange_free(ex); /* `closed` does not come any more */
                return;
        }
        if (!ex->old_version && !ex->head_only)
                buf_append(answer_buf(ex), "0\r\n\r\n", 5);
        answered(ex);
}

void http_stream_lost(struct http_exchange *ex)
{
        if (ex->gone != NULL)
                ex->gone((struct http_stream *)ex, ex->data);
        http_exchange_free(ex);
}
