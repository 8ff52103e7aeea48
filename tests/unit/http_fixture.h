/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server and plain blocking-free sockets as its clients, on one thread: waiting for an answer runs the loop.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "net/http_server.h"
#include "unit.h"

struct fixture {
        uv_loop_t loop;
        struct http_server *server;
        struct http_request *waiting[256]; /* requests for /later, unanswered */
        size_t n_waiting;
        size_t n_handled;
        bool closed;
        void (*handler)(struct fixture *fx, struct http_request *req); /* NULL: echo, or /later */
        void *extra;
};

UNUSED static void fixture_handle(struct http_request *req, void *data)
{
        struct fixture *fx = data;
        fx->n_handled++;
        if (fx->handler != NULL) {
                fx->handler(fx, req);
        } else if (strcmp(req->path, "/later") == 0) {
                assert_true(fx->n_waiting < 256);
                fx->waiting[fx->n_waiting++] = req;
        } else {
                http_respond(req, 200, NULL, 0, req->body, req->body_len);
        }
}

UNUSED static void fixture_open(struct fixture *fx, const struct http_limits *limits, const char *cert, const char *key)
{
        struct error error = {0};
        memset(fx, 0, sizeof(*fx));
        assert_int_equal(uv_loop_init(&fx->loop), 0);
        struct http_server_options options = {.loop = &fx->loop, .handler = fixture_handle, .data = fx, .tls_cert = cert, .tls_key = key};
        if (limits != NULL)
                options.limits = *limits;
        assert_int_equal(http_server_new(&options, &fx->server, &error), 0);
        assert_int_equal(http_server_listen(fx->server, "127.0.0.1:0", &error), 0);
        assert_true(http_server_port(fx->server) > 0);
}

UNUSED static void fixture_closed(void *data)
{
        ((struct fixture *)data)->closed = true;
}

/* Closes the server and checks that nothing is left on the loop. */
UNUSED static void fixture_close(struct fixture *fx)
{
        http_server_close(fx->server, 0, fixture_closed, fx);
        assert_int_equal(uv_run(&fx->loop, UV_RUN_DEFAULT), 0);
        assert_true(fx->closed);
        assert_int_equal(uv_loop_close(&fx->loop), 0);
}

UNUSED static void turn(struct fixture *fx)
{
        uv_run(&fx->loop, UV_RUN_NOWAIT);
}

/* Runs the loop until the condition holds, for at most 10 s. */
#define WAIT(fx, condition)                                                    \
        do {                                                                   \
                uint64_t start_ = uv_hrtime();                                 \
                while (!(condition)) {                                         \
                        turn(fx);                                              \
                        if (uv_hrtime() - start_ > 10000000000u)               \
                                fail_msg("waited in vain for %s", #condition); \
                }                                                              \
        } while (0)

UNUSED static int client_open(struct fixture *fx)
{
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)http_server_port(fx->server)),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        return fd;
}

UNUSED static void client_send_n(int fd, const char *data, size_t len)
{
        assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

UNUSED static void client_send(int fd, const char *text)
{
        client_send_n(fd, text, strlen(text));
}

/* Runs the loop and reads until `text` has been received or the server has ended; returns false in the latter case. `in` keeps all. */
UNUSED static bool client_wait(struct fixture *fx, int fd, struct buf *in, const char *text)
{
        uint64_t start = uv_hrtime();
        while (text == NULL || in->data == NULL || strstr(in->data, text) == NULL) {
                char bytes[65536];
                ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return false;
                if (n > 0)
                        buf_append(in, bytes, (size_t)n);
                else
                        turn(fx);
                if (uv_hrtime() - start > 10000000000u)
                        fail_msg("waited in vain for \"%s\"; so far: %s", text != NULL ? text : "the end",
                                 in->data != NULL ? in->data : "nothing");
        }
        return true;
}

/* Everything up to the end of the connection. */
UNUSED static char *client_rest(struct fixture *fx, int fd)
{
        struct buf in = {0};
        (void)client_wait(fx, fd, &in, NULL);
        close(fd);
        return buf_take(&in);
}

UNUSED static size_t count(const char *text, const char *what)
{
        size_t n = 0;
        for (const char *p = text; p != NULL && (p = strstr(p, what)) != NULL; p += strlen(what))
                n++;
        return n;
}
