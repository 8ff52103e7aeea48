/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing HTTP on connections of our own, which are kept and used again:
 *
 *     call ──► an idle link, or a new one ──dial──► the request is sent ──► http_response ──► `done`; the link is idle
 *       └────► waiting, when there are as many links to this server as allowed
 *
 * A link that breaks before a byte of the answer came, after it had served another call, was closed by the server meanwhile: the call
 * takes another. A new link is tried once. Where the environment names a proxy, libcurl does the call (http_curl.h).
 */
#include "net/http_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "net/dial.h"
#include "net/http_curl.h"
#include "net/http_response.h"
#include "net/url.h"

#define MAX_BODY ((size_t)64 << 20)
#define TIMEOUT_MS 42000
#define MAX_LINKS 16
/* Servers close what is idle for a minute or more; a connection that they close is dropped at once in any case. */
#define IDLE_MS 60000

struct http_client {
        uv_loop_t *loop;
        struct net_loop *net;
        struct http_client_options options; /* strings are copies */
        struct list calls;                  /* not yet reported */
        struct list links;
        struct list waiting; /* calls without a link, in order */
        struct http_curl *curl;
        size_t refs; /* 1 until freed, and 1 each timer of a call */
        bool doomed; /* http_client_free was called */
};

/* A connection to a server: being made, busy with a call, or idle. */
struct link {
        struct http_client *client;
        struct list link;
        char *key; /* what a call must have in common */
        struct dial *dial;
        struct conn *conn;
        struct http_call *call;
        bool served; /* another call before */
};

struct http_call {
        struct http_client *client;
        struct list link, waiting;
        uv_timer_t timer; /* of the whole call */
        struct arena arena;
        struct url url;
        const char *unix_socket, *key;
        const char *peer; /* as messages name it */
        struct buf request;
        uint32_t timeout_ms;
        int failure; /* known at once, told from the loop */
        const char *why;
        struct link *on;
        struct http_curl_call *curl;
        struct http_response response;
        bool reporting; /* inside `done`: it is freed after it */
        void (*done)(struct http_call *call, const struct http_result *result, void *data);
        void *data;
};

/* ---- life ---- */

static void client_unref(struct http_client *client)
{
        if (--client->refs > 0)
                return;
        free((char *)client->options.ca_file);
        free((char *)client->options.user_agent);
        net_loop_unref(client->net);
        free(client);
}

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_options *options)
{
        struct http_client *client = xalloc(sizeof(*client));
        client->loop = loop;
        client->net = net_loop_ref(loop);
        client->refs = 1;
        list_init(&client->calls);
        list_init(&client->links);
        list_init(&client->waiting);
        if (options != NULL)
                client->options = *options;
        client->options.ca_file = xstrdup(client->options.ca_file);
        client->options.user_agent = xstrdup(client->options.user_agent);
        if (client->options.max_connections_per_host == 0)
                client->options.max_connections_per_host = MAX_LINKS;
        return client;
}

static void link_free(struct link *link)
{
        list_remove(&link->link);
        dial_cancel(link->dial);
        if (link->conn != NULL) {
                conn_set_owner(link->conn, NULL, NULL);
                conn_abort(link->conn);
        }
        free(link->key);
        free(link);
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct http_call *call = CONTAINER_OF((uv_timer_t *)handle, struct http_call, timer);
        struct http_client *client = call->client;
        buf_done(&call->request);
        http_response_done(&call->response);
        arena_done(&call->arena);
        free(call);
        client_unref(client);
}

/* Frees a call that has no link any more. */
static void call_free(struct http_call *call)
{
        list_remove(&call->link);
        list_remove(&call->waiting);
        uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void tell(struct http_call *call, const struct http_result *result)
{
        call->reporting = true;
        list_remove(&call->link); /* http_client_free does not find it */
        if (call->done != NULL)
                call->done(call, result, call->data);
        call_free(call);
}

static void tell_failure(struct http_call *call, int r, const char *why)
{
        tell(call, &(struct http_result){.status = r, .message = why, .body = ""});
}

struct http_client *http_client_free(struct http_client *client)
{
        struct http_call *call;
        struct link *link;
        if (client == NULL || client->doomed)
                return NULL;
        client->doomed = true;
        while ((link = list_first(&client->links, struct link, link)) != NULL) {
                struct http_call *cut =
                        link->call; /* NOLINT(clang-analyzer-unix.Malloc): it does not see that freeing takes off the list */
                if (cut != NULL)
                        cut->on = NULL;
                link_free(link);
        }
        while ((call = list_first(&client->calls, struct http_call, link)) != NULL) {
                http_curl_cancel(TAKE(call->curl));
                tell_failure(call, -ECANCELED, "the HTTP client was closed");
        }
        client->curl = http_curl_free(client->curl);
        client_unref(client);
        return NULL;
}

/* ---- links ---- */

static void link_send(struct link *link, struct http_call *call);
static void call_start(struct http_call *call);

/* A link of this server has become free, or room for one. */
static void serve_waiting(struct http_client *client, const char *key)
{
        list_for_each (call, &client->waiting, struct http_call, waiting) {
                if (str_eq(call->key, key)) {
                        call_start(call);
                        return;
                }
        }
}

/* Takes the call off its link, which ends unless it can be kept. */
static void link_release(struct link *link, bool keep)
{
        struct http_client *client = link->client;
        struct http_call *call = TAKE(link->call);
        if (call != NULL)
                call->on = NULL;
        if (keep) {
                link->served = true;
                conn_set_deadline(link->conn, IDLE_MS);
        } else {
                link_free(link);
        }
        if (call != NULL && !client->doomed)
                serve_waiting(client, call->key);
}

/* The link breaks under its call. */
static void link_broken(struct link *link, int r, const char *why)
{
        struct http_call *call = link->call;
        bool stale = link->served && call != NULL && !http_response_began(&call->response);
        link_release(link, false);
        if (call == NULL)
                return;
        if (stale)
                call_start(call);
        else
                tell_failure(call, r, arena_printf(&call->arena, "%s (%s)", why, call->peer));
}

static void answered(struct link *link)
{
        struct http_call *call = link->call;
        struct http_response *response = &call->response;
        if (response->head.status == 101) {
                link_broken(link, -EPROTO, "the server changes to a protocol that it was not asked for");
                return;
        }
        link_release(link, http_response_keeps(response));
        (void)buf_reserve(&response->body, 0);
        tell(call, &(struct http_result){.status = response->head.status,
                                         .headers = response->head.headers,
                                         .n_headers = response->head.n_headers,
                                         .body = response->body.data,
                                         .len = response->body.len});
}

static void on_received(void *owner, const char *data, size_t len)
{
        struct link *link = owner;
        struct http_call *call = link->call;
        if (call == NULL) { /* nothing was asked */
                link_free(link);
                return;
        }
        int r = http_response_feed(&call->response, data, len);
        if (r == -EFBIG)
                link_broken(link, r, arena_printf(&call->arena, "the answer is larger than %zu bytes", call->response.max_body));
        else if (r < 0)
                link_broken(link, r, call->response.why);
        else if (r > 0)
                answered(link);
}

static void on_ended(void *owner)
{
        struct link *link = owner;
        struct http_call *call = link->call;
        int r = call != NULL ? http_response_end(&call->response) : 0;
        if (r > 0)
                answered(link);
        else
                link_broken(link, r, call != NULL ? call->response.why : "");
}

static void on_closed(void *owner, int r, const char *why)
{
        struct link *link = owner;
        link->conn = NULL;
        link_broken(link, r < 0 ? r : -ECONNRESET, why);
}

/* Idle for long enough. */
static void on_expired(void *owner)
{
        link_free(owner);
}

static const struct conn_callbacks link_callbacks = {
        .received = on_received, .ended = on_ended, .expired = on_expired, .closed = on_closed};

static void on_dialled(void *data, struct conn *conn, int r, const char *why)
{
        struct link *link = data;
        struct http_call *call = link->call;
        link->dial = NULL;
        if (conn == NULL) {
                link_release(link, false);
                tell_failure(call, r, why);
                return;
        }
        link->conn = conn;
        conn_set_owner(conn, &link_callbacks, link);
        link_send(link, call);
}

static void link_send(struct link *link, struct http_call *call)
{
        link->call = call;
        call->on = link;
        conn_set_deadline(link->conn, 0);
        buf_append(conn_out(link->conn), call->request.data, call->request.len);
}

static void link_new(struct http_call *call)
{
        struct http_client *client = call->client;
        struct link *link = xalloc(sizeof(*link));
        struct dial_options options = {
                .host = call->url.host,
                .port = call->url.port,
                .unix_socket = call->unix_socket,
                .tls = call->url.tls,
                .ca_file = client->options.ca_file,
                .insecure = client->options.insecure,
                .timeout_ms = call->timeout_ms,
                .done = on_dialled,
                .data = link,
        };
        link->client = client;
        link->key = xstrdup(call->key);
        link->call = call;
        call->on = link;
        list_push(&client->links, &link->link);
        link->dial = dial_new(client->net, &options);
}

/* Gives the call a link, or lets it wait for one. */
static void call_start(struct http_call *call)
{
        struct http_client *client = call->client;
        uint32_t n = 0;
        list_remove(&call->waiting);
        list_for_each (link, &client->links, struct link, link) {
                if (!str_eq(link->key, call->key))
                        continue;
                if (link->call == NULL) {
                        link_send(link, call);
                        return;
                }
                n++;
        }
        if (n < client->options.max_connections_per_host)
                link_new(call);
        else
                list_push(&client->waiting, &call->waiting);
}

/* ---- calls ---- */

static const char *timeout_text(struct http_call *call)
{
        const struct link *link = call->on;
        if (link == NULL)
                return arena_printf(&call->arena, "all connections were busy for %u ms (%s): the server is slower than its clients",
                                    call->timeout_ms, call->peer);
        if (link->conn == NULL)
                return arena_printf(&call->arena,
                                    "no connection within %u ms (%s): is the address right, and does no firewall stand between?",
                                    call->timeout_ms, call->peer);
        return arena_printf(&call->arena, "connected, but no answer within %u ms (%s): the server's log says what it is busy with",
                            call->timeout_ms, call->peer);
}

static void on_timeout(uv_timer_t *timer)
{
        struct http_call *call = CONTAINER_OF(timer, struct http_call, timer);
        if (call->failure == 0) {
                call->failure = -ETIMEDOUT;
                call->why = timeout_text(call);
        }
        if (call->on != NULL)
                link_release(call->on, false);
        tell_failure(call, call->failure, call->why);
}

static void on_curl_done(const struct http_result *result, void *data)
{
        struct http_call *call = data;
        call->curl = NULL;
        tell(call, result);
}

/* libcurl's rules of which variables name a proxy; whether no_proxy excepts this server is for it to say. */
static bool has_proxy(const struct url *url)
{
        static const char *const names[2][4] = {{"http_proxy", "all_proxy", "ALL_PROXY"},
                                                {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}};
        for (size_t i = 0; i < ARRAY_SIZE(names[0]) && names[url->tls][i] != NULL; i++) {
                if (!str_empty(getenv(names[url->tls][i])))
                        return true;
        }
        return false;
}

static void write_header(struct buf *out, const char *name, const char *value)
{
        size_t start = out->len;
        buf_printf(out, "%s: %s", name, value != NULL ? value : "");
        for (char *p = out->data + start; *p != '\0'; p++) {
                if (*p == '\r' || *p == '\n')
                        *p = ' ';
        }
        buf_append_str(out, "\r\n");
}

static void write_request(struct http_call *call, const struct http_call_options *o, const char *method)
{
        const char *user_agent = call->client->options.user_agent;
        struct buf *out = &call->request;
        bool has_host = false;
        buf_printf(out, "%s %s HTTP/1.1\r\n", method, call->url.target);
        for (size_t i = 0; i < o->n_headers; i++) {
                has_host |= str_eq_nocase(o->headers[i].name, "Host");
                write_header(out, o->headers[i].name, o->headers[i].value);
        }
        if (!has_host)
                write_header(out, "Host", call->url.host_header);
        if (user_agent != NULL)
                write_header(out, "User-Agent", user_agent);
        if (o->body_len > 0 || str_eq(method, "POST") || str_eq(method, "PUT") || str_eq(method, "PATCH"))
                buf_printf(out, "Content-Length: %zu\r\n", o->body_len);
        buf_append_str(out, "Accept: */*\r\n\r\n");
        buf_append(out, o->body, o->body_len);
}

/* 0, or a negative errno with `why`. */
static int call_prepare(struct http_call *call, const struct http_call_options *o)
{
        struct arena *arena = &call->arena;
        struct error error = {0};
        int r;
        if (!str_starts_with(o->url, "http://") && !str_starts_with(o->url, "https://"))
                r = error_set(&error, EINVAL, "URL \"%s\" does not begin with http:// or https://", o->url);
        else if (o->unix_socket != NULL && strlen(o->unix_socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
                r = error_set(&error, ENAMETOOLONG, "the path of a socket has at most 107 bytes, and %s has more", o->unix_socket);
        else
                r = url_parse(o->url, arena, &call->url, &error);
        if (r < 0) {
                call->why = arena_strdup(arena, error.message);
                return r;
        }
        if (o->unix_socket != NULL) {
                call->unix_socket = arena_strdup(arena, o->unix_socket);
                call->peer = arena_printf(arena, "unix:%s", o->unix_socket);
        } else {
                call->peer = arena_printf(arena, strchr(call->url.host, ':') != NULL ? "[%s]:%u" : "%s:%u", call->url.host, call->url.port);
        }
        call->key = arena_printf(arena, "%s %s", call->url.tls ? "https" : "http", call->peer);
        return 0;
}

struct http_call *http_client_call(struct http_client *client, const struct http_call_options *o)
{
        struct http_call *call = xalloc(sizeof(*call));
        const char *method = o->method != NULL ? o->method : "GET";
        assert(!client->doomed);
        call->client = client;
        client->refs++;
        call->done = o->done;
        call->data = o->data;
        call->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
        list_push(&client->calls, &call->link);
        list_init(&call->waiting);
        uv_timer_init(client->loop, &call->timer);
        http_response_init(&call->response, o->max_body > 0 ? o->max_body : MAX_BODY, str_eq(method, "HEAD"));
        call->failure = call_prepare(call, o);
        if (call->failure == 0 && o->unix_socket == NULL && has_proxy(&call->url)) {
                if (client->curl == NULL)
                        client->curl = http_curl_new(client->loop, &client->options);
                call->curl = http_curl_call(client->curl, o, on_curl_done, call);
                return call;
        }
        uv_timer_start(&call->timer, on_timeout, call->failure < 0 ? 0 : call->timeout_ms, 0);
        if (call->failure < 0)
                return call;
        write_request(call, o, method);
        call_start(call);
        return call;
}

void http_call_cancel(struct http_call *call)
{
        if (call == NULL || call->reporting)
                return;
        http_curl_cancel(TAKE(call->curl));
        if (call->on != NULL)
                link_release(call->on, false);
        call_free(call);
}
