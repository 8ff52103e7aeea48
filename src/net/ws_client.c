/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the opening handshake (RFC 6455 section 4.1). */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "net/url.h"
#include "net/ws_internal.h"

#define REFUSAL_MAX ((size_t)64 * 1024)
#define HEAD_MAX ((size_t)32 * 1024)

struct ws_client {
        struct ws *ws;
        struct dial *dial; /* until connected */
        struct buf request, in, body;
        struct arena arena;
        struct http1_scan scan;
        struct http1_body decoder;
        int status; /* of the refusal whose body is coming; 0: the head is coming */
        char accept[WS_ACCEPT_SIZE];
        uint64_t give_up_at; /* loop time */
        void (*connected)(struct ws *ws, int status, const char *body, size_t len, void *data);
};

void ws_client_free(struct ws_client *client)
{
        if (client == NULL)
                return;
        dial_cancel(client->dial);
        buf_done(&client->request);
        buf_done(&client->in);
        buf_done(&client->body);
        arena_done(&client->arena);
        free(client);
}

/* The end of an attempt that failed. Only from the loop. */
static void refused(struct ws_client *client, int status, const char *body, size_t len)
{
        struct ws *ws = client->ws;
        ws->state = WS_DEAD;
        if (ws->conn != NULL) {
                conn_set_owner(ws->conn, NULL, NULL);
                conn_close(ws->conn);
                ws->conn = NULL;
        }
        if (client->connected != NULL)
                client->connected(ws, status, body, len, ws->data);
        ws_free(ws);
}

static void failed(struct ws_client *client, int r, const char *why)
{
        refused(client, r, why, strlen(why));
}

static const char *find_header(const struct http1_head *head, const char *name)
{
        for (size_t i = 0; i < head->n_headers; i++) {
                if (str_eq_nocase(head->headers[i].name, name))
                        return head->headers[i].value;
        }
        return NULL;
}

/* The server has agreed. `rest` came after its answer. */
static void accepted(struct ws_client *client, const struct http1_head *head, const char *rest, size_t len)
{
        struct ws *ws = client->ws;
        const char *protocol = find_header(head, "Upgrade");
        if (!head->upgrade || !str_eq_nocase(protocol, "websocket") || !str_eq(find_header(head, "Sec-WebSocket-Accept"), client->accept)) {
                failed(client, -EPROTO, "the server's answer is not a valid websocket handshake");
                return;
        }
        conn_set_owner(ws->conn, &ws_conn_callbacks, ws);
        conn_set_deadline(ws->conn, 0);
        conn_unread(ws->conn, rest, len);
        ws->client = NULL;
        ws_start(ws);
        if (client->connected != NULL)
                client->connected(ws, 101, NULL, 0, ws->data);
        ws_client_free(client);
}

/* Collects the body of a refusal, which says why. True when it is complete, or long enough. */
static bool take_refusal(struct ws_client *client, const char *data, size_t len)
{
        size_t used;
        return http1_body_feed(&client->decoder, data, len, REFUSAL_MAX, &client->body, &used) != 0;
}

static void refusal_head(struct ws_client *client, const struct http1_head *head, const char *rest, size_t len)
{
        bool empty = head->status == 204 || head->status == 304 || head->content_length == 0;
        client->status = head->status;
        if (head->chunked)
                http1_body_init(&client->decoder, HTTP1_BODY_CHUNKED, 0);
        else if (head->content_length >= 0)
                http1_body_init(&client->decoder, HTTP1_BODY_LENGTH, (uint64_t)head->content_length);
        else
                http1_body_init(&client->decoder, HTTP1_BODY_TO_END, 0);
        if (empty || take_refusal(client, rest, len))
                refused(client, client->status, client->body.data, client->body.len);
}

/* One head of an answer at the start of `in`, `size` long. True when another may follow (100 Continue and its like). */
static bool take_answer(struct ws_client *client, size_t size)
{
        struct http1_head head;
        const char *reason = NULL;
        char *copy = arena_bytes(&client->arena, size + 1);
        memcpy(copy, client->in.data, size);
        if (http1_parse_response(copy, size, 100, &client->arena, &head, &reason) < 0) {
                failed(client, -EPROTO, reason);
                return false;
        }
        if (head.status >= 100 && head.status < 200 && head.status != 101) {
                buf_consume(&client->in, size);
                client->scan = (struct http1_scan){0};
                return true;
        }
        if (head.status == 101)
                accepted(client, &head, client->in.data + size, client->in.len - size);
        else
                refusal_head(client, &head, client->in.data + size, client->in.len - size);
        return false;
}

static void on_received(void *owner, const char *data, size_t len)
{
        struct ws_client *client = owner;
        if (client->status != 0) {
                if (take_refusal(client, data, len))
                        refused(client, client->status, client->body.data, client->body.len);
                return;
        }
        buf_append(&client->in, data, len);
        for (;;) {
                ssize_t n = http1_scan(&client->scan, client->in.data, client->in.len);
                if (n < 0 || (n == 0 && client->in.len > HEAD_MAX)) {
                        failed(client, -EPROTO, "the server does not answer in HTTP");
                        return;
                }
                if (n == 0 || !take_answer(client, (size_t)n))
                        return;
        }
}

static void on_ended(void *owner)
{
        struct ws_client *client = owner;
        if (client->status != 0) /* a body up to the end, or cut short: as much as there is */
                refused(client, client->status, client->body.data, client->body.len);
        else
                failed(client, -ECONNRESET, "the server closed the connection during the websocket handshake");
}

static void on_expired(void *owner)
{
        failed(owner, -ETIMEDOUT, "the server did not answer the websocket handshake in time");
}

static void on_closed(void *owner, int r, const char *why)
{
        struct ws_client *client = owner;
        client->ws->conn = NULL;
        failed(client, r < 0 ? r : -ECONNRESET, why);
}

static const struct conn_callbacks handshake_callbacks = {
        .received = on_received,
        .ended = on_ended,
        .expired = on_expired,
        .closed = on_closed,
};

static void on_dialled(void *data, struct conn *conn, int r, const char *why)
{
        struct ws_client *client = data;
        client->dial = NULL;
        if (conn == NULL) {
                failed(client, r, why);
                return;
        }
        uint64_t now = uv_now(client->ws->net->loop);
        client->ws->conn = conn;
        conn_set_owner(conn, &handshake_callbacks, client);
        conn_set_deadline(conn, client->give_up_at > now ? client->give_up_at - now : 1);
        buf_append(conn_out(conn), client->request.data, client->request.len);
}

static int write_request(struct ws_client *client, const struct ws_connect_options *options, const struct url *url, struct error *error)
{
        struct buf *out = &client->request;
        unsigned char nonce[16];
        char key[32];
        bool has_host = false;
        if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
                return error_set(error, EIO, "no randomness for the websocket handshake");
        (void)EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
        ws_accept_value(key, client->accept);
        buf_printf(out,
                   "GET %s HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
                   url->target, key);
        for (size_t i = 0; i < options->n_headers; i++) {
                const struct http_header *h = &options->headers[i];
                if (strpbrk(h->name, "\r\n:") != NULL || strpbrk(h->value, "\r\n") != NULL)
                        return error_set(error, EINVAL, "header \"%s\" of the websocket request has a line break", h->name);
                has_host |= str_eq_nocase(h->name, "Host");
                buf_printf(out, "%s: %s\r\n", h->name, h->value);
        }
        if (!has_host)
                buf_printf(out, "Host: %s\r\n", url->host_header);
        buf_append_str(out, "\r\n");
        return 0;
}

struct ws *ws_connect(const struct ws_connect_options *options, struct error *error)
{
        struct url url;
        struct ws *ws = ws_new(options->loop, false, &options->limits, &options->callbacks, options->data);
        struct ws_client *client = xalloc(sizeof(*client));
        uint32_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 30000;
        ws->client = client;
        client->ws = ws;
        client->connected = options->connected;
        if (url_parse(options->url, &client->arena, &url, error) < 0 || write_request(client, options, &url, error) < 0) {
                ws_free(ws);
                return NULL;
        }
        struct dial_options dial = {
                .host = url.host,
                .port = url.port,
                .tls = url.tls,
                .ca_file = options->ca_file,
                .insecure = options->insecure,
                .timeout_ms = timeout_ms,
                .done = on_dialled,
                .data = client,
        };
        client->give_up_at = uv_now(options->loop) + timeout_ms;
        client->dial = dial_new(ws->net, &dial);
        return ws;
}
