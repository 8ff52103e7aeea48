/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server as a whole: listening, limits, closing. */
#include "net/http_server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "net/http_internal.h"

/* The kernel cuts it to net.core.somaxconn. After a restart all agents come at once. */
#define BACKLOG 65535

struct http_listener {
        union {
                uv_handle_t handle;
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        } io;
        struct http_server *server;
        struct list link;
        int port;
};

static void group_empty(struct conn_group *group);

static void fill_limits(struct http_limits *l)
{
        l->max_header_bytes = l->max_header_bytes > 0 ? MIN(l->max_header_bytes, (size_t)64 * 1024) : 32 * 1024;
        l->max_headers = l->max_headers > 0 ? l->max_headers : 100;
        l->max_body_bytes = l->max_body_bytes > 0 ? l->max_body_bytes : (size_t)16 << 20;
        l->header_timeout_ms = l->header_timeout_ms > 0 ? l->header_timeout_ms : 10000;
        l->body_timeout_ms = l->body_timeout_ms > 0 ? l->body_timeout_ms : 30000;
        l->idle_timeout_ms = l->idle_timeout_ms > 0 ? l->idle_timeout_ms : 120000;
        l->stall_timeout_ms = l->stall_timeout_ms > 0 ? l->stall_timeout_ms : 60000;
        l->max_connections = l->max_connections > 0 ? l->max_connections : 16384;
        l->max_pipelined = l->max_pipelined > 0 ? l->max_pipelined : 64;
        l->max_buffered = l->max_buffered > 0 ? l->max_buffered : (size_t)1 << 30;
}

int http_server_new(const struct http_server_options *options, struct http_server **ret, struct error *error)
{
        struct tls_context *tls = NULL;
        if ((options->tls_cert == NULL) != (options->tls_key == NULL))
                return error_set(error, EINVAL, "TLS needs both a certificate and a key file");
        if (options->tls_cert != NULL) {
                int r = tls_context_new_server(options->tls_cert, options->tls_key, &tls, error);
                if (r < 0)
                        return r;
        }
        struct http_server *server = xalloc(sizeof(*server));
        server->options = *options;
        server->limits = options->limits;
        fill_limits(&server->limits);
        server->net = net_loop_ref(options->loop);
        server->tls = tls;
        server->refs = 1;
        conn_group_init(&server->group, group_empty);
        list_init(&server->listeners);
        list_init(&server->pool);
        uv_timer_init(options->loop, &server->grace);
        *ret = server;
        return 0;
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *stream, int status)
{
        struct http_listener *listener = CONTAINER_OF(stream, struct http_listener, io.stream);
        struct http_server *server = listener->server;
        struct conn *conn;
        if (status < 0)
                return; /* out of descriptors, or the client gave up while it waited; libuv goes on */
        struct tls *tls = server->tls != NULL ? tls_new_server(server->tls) : NULL;
        if (conn_accept(server->net, stream, tls, &server->group, &conn) < 0)
                return;
        server->stats.connections++;
        if (server->group.count > server->limits.max_connections ||
            (server->limits.max_per_address > 0 && conn_count_alike(conn) > server->limits.max_per_address)) {
                server->stats.rejected++;
                conn_abort(conn);
                return;
        }
        http_conn_new(server, conn);
}

/* Accepted sockets inherit these, which saves a system call each per connection. */
static void set_socket_options(uv_tcp_t *tcp)
{
        int fd, one = 1, idle = 60;
        if (uv_fileno((uv_handle_t *)tcp, &fd) < 0)
                return;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

/* A socket file that nobody listens on any more is left by a process that died. */
static void remove_stale_socket(const union addr *addr)
{
        struct stat st;
        if (lstat(addr->local.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return;
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, &addr->any, sizeof(addr->local)) < 0 && errno == ECONNREFUSED)
                (void)unlink(addr->local.sun_path);
}

static int bind_and_listen(struct http_listener *listener, const union addr *addr)
{
        int r;
        if (addr->any.sa_family == AF_UNIX) {
                remove_stale_socket(addr);
                r = uv_pipe_bind(&listener->io.pipe, addr->local.sun_path);
        } else {
                r = uv_tcp_bind(&listener->io.tcp, &addr->any, 0);
                set_socket_options(&listener->io.tcp);
        }
        return r < 0 ? r : uv_listen(&listener->io.stream, BACKLOG, on_connection);
}

static int bound_port(struct http_listener *listener)
{
        union addr addr;
        int len = sizeof(addr);
        if (listener->io.handle.type != UV_TCP || uv_tcp_getsockname(&listener->io.tcp, &addr.any, &len) < 0)
                return 0;
        return addr_port(&addr.any);
}

static void maybe_closed(struct http_server *server);

static void on_listener_closed(uv_handle_t *handle)
{
        struct http_listener *listener = CONTAINER_OF(handle, struct http_listener, io.handle);
        struct http_server *server = listener->server;
        list_remove(&listener->link);
        free(listener);
        maybe_closed(server);
}

int http_server_listen(struct http_server *server, const char *address, struct error *error)
{
        union addr addr;
        int r = addr_parse(address, &addr, error);
        if (r < 0)
                return r;
        struct http_listener *listener = xalloc(sizeof(*listener));
        listener->server = server;
        list_push(&server->listeners, &listener->link);
        if (addr.any.sa_family == AF_UNIX)
                uv_pipe_init(server->options.loop, &listener->io.pipe, 0);
        else
                uv_tcp_init(server->options.loop, &listener->io.tcp);
        r = bind_and_listen(listener, &addr);
        if (r < 0) {
                uv_close(&listener->io.handle, on_listener_closed);
                return error_set(error, -r, "cannot listen on %s: %s%s", address, uv_strerror(r),
                                 r == UV_EADDRINUSE      ? "; another process has it: stop that one or choose another address"
                                 : r == UV_EADDRNOTAVAIL ? "; no network interface of this machine that is up has it: see `ip addr`"
                                 : r == UV_EACCES        ? "; ports below 1024 need root"
                                                         : "");
        }
        listener->port = bound_port(listener);
        return 0;
}

int http_server_port(const struct http_server *server)
{
        list_for_each (listener, &server->listeners, struct http_listener, link) {
                if (listener->port > 0)
                        return listener->port;
        }
        return 0;
}

/* ---- closing ---- */

static void server_free(struct http_server *server)
{
        list_for_each (ex, &server->pool, struct http_exchange, link) {
                list_remove(&ex->link);
                arena_done(&ex->arena);
                buf_done(&ex->body);
                buf_done(&ex->out);
                free(ex);
        }
        tls_context_free(server->tls);
        net_loop_unref(server->net);
        free(server);
}

void http_server_unref(struct http_server *server)
{
        assert(server->refs > 0);
        if (--server->refs == 0)
                server_free(server);
}

static void on_all_closed(uv_handle_t *handle)
{
        struct http_server *server = CONTAINER_OF((uv_timer_t *)handle, struct http_server, grace);
        if (server->closed != NULL)
                server->closed(server->closed_data);
        http_server_unref(server);
}

static void maybe_closed(struct http_server *server)
{
        bool all = server->closing && server->group.count == 0 && list_empty(&server->listeners);
        if (all && !uv_is_closing((uv_handle_t *)&server->grace))
                uv_close((uv_handle_t *)&server->grace, on_all_closed);
}

static void group_empty(struct conn_group *group)
{
        maybe_closed(CONTAINER_OF(group, struct http_server, group));
}

static void on_grace_over(uv_timer_t *timer)
{
        struct http_server *server = CONTAINER_OF(timer, struct http_server, grace);
        conn_group_abort(&server->group);
}

void http_server_close(struct http_server *server, uint32_t grace_ms, void (*closed)(void *data), void *data)
{
        if (server == NULL || server->closing)
                return;
        server->closing = true;
        server->closed = closed;
        server->closed_data = data;
        list_for_each (listener, &server->listeners, struct http_listener, link) {
                if (!uv_is_closing(&listener->io.handle))
                        uv_close(&listener->io.handle, on_listener_closed);
        }
        conn_group_going_away(&server->group);
        uv_timer_start(&server->grace, on_grace_over, grace_ms, 0);
        maybe_closed(server);
}

/* ---- small questions ---- */

struct http_server_stats http_server_get_stats(const struct http_server *server)
{
        struct http_server_stats stats = server->stats;
        stats.open = server->group.count;
        return stats;
}

const char *http_server_date(struct http_server *server)
{
        uint64_t now = uv_now(server->options.loop);
        if (server->date[0] == '\0' || now - server->date_at >= 500) {
                time_t seconds = time(NULL);
                struct tm tm;
                if (gmtime_r(&seconds, &tm) != NULL) /* no setlocale: English names, as the RFC wants them */
                        (void)strftime(server->date, sizeof(server->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
                server->date_at = now;
        }
        return server->date;
}
