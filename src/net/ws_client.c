/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the opening handshake (RFC 6455 section 4.1). */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "net/http_response.h"
#include "net/url.h"
#include "net/ws_internal.h"

#define REFUSAL_MAX ((size_t)64 * 1024)

struct ws_client {
        struct ws *ws;
        struct dial *dial; /* until connected */
        struct buf request;
        struct arena arena;
        struct http_response response; /* a refusal has a body, which says why */
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
        http_response_done(&client->response);
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

static void answered(struct ws_client *client)
{
        const struct http_response *response = &client->response;
        refused(client, response->head.status, response->body.data, response->body.len);
}

/* The server has agreed; what came after its answer is in `in`. */
static void accepted(struct ws_client *client)
{
        struct ws *ws = client->ws;
        const struct http_response *response = &client->response;
        if (!response->head.upgrade || !str_eq_nocase(http_response_header(response, "Upgrade"), "websocket") ||
            !str_eq(http_response_header(response, "Sec-WebSocket-Accept"), client->accept)) {
                failed(client, -EPROTO, "the server's answer is not a valid websocket handshake");
                return;
        }
        conn_set_owner(ws->conn, &ws_conn_callbacks, ws);
        conn_set_deadline(ws->conn, 0);
        conn_unread(ws->conn, response->in.data, response->in.len);
        ws->client = NULL;
        ws_start(ws);
        if (client->connected != NULL)
                client->connected(ws, 101, NULL, 0, ws->data);
        ws_client_free(client);
}

static void on_received(void *owner, const char *data, size_t len)
{
        struct ws_client *client = owner;
        int r = http_response_feed(&client->response, data, len);
        int status = client->response.head.status;
        if (r > 0 && status == 101)
                accepted(client);
        else if (r != 0 && status != 0) /* complete, or as much of a long or broken refusal as there is */
                answered(client);
        else if (r < 0)
                failed(client, r, client->response.why);
}

static void on_ended(void *owner)
{
        struct ws_client *client = owner;
        if (client->response.head.status != 0) /* a body up to the end, or cut short: as much as there is */
                answered(client);
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
        http_response_init(&client->response, REFUSAL_MAX, false);
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
