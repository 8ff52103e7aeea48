/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting:
 *
 *     RESOLVING ──► TRYING one address ──fails──► TRYING the next ... ──► done
 *
 * The timer and the resolver end asynchronously: the dial is freed when both have.
 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls.h"

struct dial {
        struct dial_options options;
        char *host, *ca_file;
        struct net_loop *net;
        uv_timer_t timer;
        uv_getaddrinfo_t resolver;
        bool resolving, timer_closed, finished;
        struct addrinfo *list; /* as resolved */
        struct addrinfo *next; /* to try */
        union addr literal;    /* when no resolution is needed */
        bool literal_tried;
        struct conn *conn;  /* being tried */
        struct error error; /* of the last attempt */
};

static void maybe_free(struct dial *dial)
{
        if (dial->resolving || !dial->timer_closed)
                return;
        if (dial->list != NULL)
                uv_freeaddrinfo(dial->list);
        free(dial->host);
        free(dial->ca_file);
        net_loop_unref(dial->net);
        free(dial);
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct dial *dial = CONTAINER_OF((uv_timer_t *)handle, struct dial, timer);
        dial->timer_closed = true;
        maybe_free(dial);
}

static void finish(struct dial *dial)
{
        if (dial->finished)
                return;
        dial->finished = true;
        if (dial->resolving)
                (void)uv_cancel((uv_req_t *)&dial->resolver); /* may be too late; on_resolved comes in both cases */
        if (dial->conn != NULL) {
                conn_set_owner(dial->conn, NULL, NULL);
                conn_abort(dial->conn);
        }
        uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
}

void dial_cancel(struct dial *dial)
{
        if (dial != NULL)
                finish(dial);
}

/* What to do about an error of the network; TLS has said it already. */
static const char *next_step(int r)
{
        static const struct {
                int error;
                const char *text;
        } steps[] = {
                {-ECONNREFUSED, "; nothing listens there: is the server running, and is this its address?"},
                {-ENOENT, "; nothing listens there: is the server running, and is this its socket?"},
                {-ETIMEDOUT, "; is the address right, and does no firewall stand between?"},
                {-EHOSTUNREACH, "; is that machine up, and on a network that this one reaches?"},
                {-ENETUNREACH, "; is this machine's network up?"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                if (steps[i].error == r)
                        return steps[i].text;
        }
        return "";
}

static void give_up(struct dial *dial, int r, const char *why, const char *step)
{
        char text[sizeof(dial->error.message) + 300];
        if (dial->literal.any.sa_family == AF_UNIX)
                (void)snprintf(text, sizeof(text), "cannot connect to unix:%s: %s%s", dial->literal.local.sun_path, why, step);
        else
                (void)snprintf(text, sizeof(text), "cannot connect to %s port %u: %s%s", dial->host, dial->options.port, why, step);
        dial->options.done(dial->options.data, NULL, r, text);
        finish(dial);
}

static void try_next(struct dial *dial);

static void on_established(void *owner)
{
        struct dial *dial = owner;
        struct conn *conn = TAKE(dial->conn);
        conn_set_owner(conn, NULL, NULL);
        dial->options.done(dial->options.data, conn, 0, NULL);
        finish(dial);
}

static void on_closed(void *owner, int r, const char *why)
{
        struct dial *dial = owner;
        dial->conn = NULL;
        error_clear(&dial->error);
        (void)error_set(&dial->error, r < 0 ? -r : ECONNRESET, "%s", why);
        if (r == -EPROTO) /* reached, and it is not who it should be: another address of it is no better */
                give_up(dial, r, dial->error.message, next_step(r));
        else
                try_next(dial);
}

static const struct conn_callbacks callbacks = {.established = on_established, .closed = on_closed};

/* The next address to try; false when there is none. */
static bool next_address(struct dial *dial, union addr *ret)
{
        if (dial->literal.any.sa_family != AF_UNSPEC && !dial->literal_tried) {
                dial->literal_tried = true;
                *ret = dial->literal;
                return true;
        }
        if (dial->next == NULL)
                return false;
        memset(ret, 0, sizeof(*ret));
        memcpy(ret, dial->next->ai_addr, MIN((size_t)dial->next->ai_addrlen, sizeof(*ret)));
        dial->next = dial->next->ai_next;
        return true;
}

static void try_next(struct dial *dial)
{
        const struct dial_options *o = &dial->options;
        struct tls_context *context;
        struct tls *tls = NULL;
        union addr addr;
        int r;
        while (next_address(dial, &addr)) {
                error_clear(&dial->error);
                if (o->tls) {
                        r = tls_client_context(dial->net, dial->ca_file, o->insecure, &context, &dial->error);
                        if (r < 0)
                                break;
                        tls = tls_new_client(context, dial->host);
                }
                r = conn_connect(dial->net, &addr, tls, &callbacks, dial, &dial->conn);
                if (r == 0)
                        return;
                dial->conn = NULL;
                (void)error_set(&dial->error, -r, "%s", uv_strerror(r));
        }
        give_up(dial, -dial->error.number, dial->error.message, next_step(-dial->error.number));
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
        struct dial *dial = CONTAINER_OF(req, struct dial, resolver);
        dial->resolving = false;
        dial->list = dial->next = list;
        if (dial->finished) {
                maybe_free(dial);
                return;
        }
        if (status < 0)
                give_up(dial, -EHOSTUNREACH, uv_strerror(status), "; is the name right, and does this machine's name server know it?");
        else
                try_next(dial);
}

static void on_timeout(uv_timer_t *timer)
{
        struct dial *dial = CONTAINER_OF(timer, struct dial, timer);
        give_up(dial, -ETIMEDOUT, "no answer in time", next_step(-ETIMEDOUT));
}

/* For an IP address: from the loop, as everything else. */
static void on_start(uv_timer_t *timer)
{
        struct dial *dial = CONTAINER_OF(timer, struct dial, timer);
        uv_timer_start(timer, on_timeout, dial->options.timeout_ms, 0);
        try_next(dial);
}

static bool parse_literal(const char *host, uint16_t port, const char *unix_socket, union addr *ret)
{
        if (unix_socket != NULL) {
                ret->local.sun_family = AF_UNIX;
                (void)snprintf(ret->local.sun_path, sizeof(ret->local.sun_path), "%s", unix_socket);
                return true;
        }
        if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
                ret->v4.sin_family = AF_INET;
                ret->v4.sin_port = htons(port);
                return true;
        }
        if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
                ret->v6.sin6_family = AF_INET6;
                ret->v6.sin6_port = htons(port);
                return true;
        }
        return false;
}

struct dial *dial_new(struct net_loop *net, const struct dial_options *options)
{
        struct dial *dial = xalloc(sizeof(*dial));
        dial->options = *options;
        dial->host = xstrdup(options->host);
        dial->ca_file = xstrdup(options->ca_file);
        dial->net = net_loop_ref(net->loop);
        uv_timer_init(net->loop, &dial->timer);
        if (parse_literal(dial->host, options->port, options->unix_socket, &dial->literal)) {
                uv_timer_start(&dial->timer, on_start, 0, 0);
                return dial;
        }
        char service[8];
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        (void)snprintf(service, sizeof(service), "%u", options->port);
        dial->literal.any.sa_family = AF_UNSPEC;
        dial->resolving = uv_getaddrinfo(net->loop, &dial->resolver, on_resolved, dial->host, service, &hints) == 0;
        (void)error_set(&dial->error, EHOSTUNREACH, "the name cannot be resolved"); /* should it not even start */
        uv_timer_start(&dial->timer, dial->resolving ? on_timeout : on_start, dial->resolving ? options->timeout_ms : 0, 0);
        return dial;
}
