/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server through real sockets: order, limits, time, lifetimes. */
#include "net/http_server.h"

#include <sys/un.h>

#include "http_fixture.h"

#define HOST "Host: h\r\n"

static void keep_alive_and_close(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nhello"));
        assert_non_null(strstr(in.data, "HTTP/1.1 200 OK\r\nDate: "));
        assert_non_null(strstr(in.data, "Content-Length: 5\r\n"));
        assert_null(strstr(in.data, "Connection:"));
        client_send(fd, "\r\nPOST /x HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 3\r\n\r\nend");
        char *rest = client_rest(&fx, fd);
        assert_non_null(strstr(rest, "Connection: close\r\n"));
        assert_non_null(strstr(rest, "\r\n\r\nend"));
        free(rest);

        fd = client_open(&fx);
        client_send(fd, "GET / HTTP/1.0\r\n\r\n");
        rest = client_rest(&fx, fd);
        assert_non_null(strstr(rest, "Connection: close\r\n"));
        free(rest);
        fixture_close(&fx);
}

static void byte_by_byte(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        const char *text = "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                           "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nfg";
        for (const char *p = text; *p != '\0'; p++) {
                client_send_n(fd, p, 1);
                turn(&fx);
        }
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nfg"));
        assert_non_null(strstr(in.data, "\r\n\r\nabcde"));
        close(fd);
        fixture_close(&fx);
}

static void pipelined_answers_keep_their_order(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n"
                        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nC");
        while (fx.n_handled < 3)
                turn(&fx);
        for (int i = 0; i < 5; i++)
                turn(&fx);
        char byte;
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0); /* C waits for A and B */
        http_respond(fx.waiting[1], 200, NULL, 0, "B", 1);
        for (int i = 0; i < 5; i++)
                turn(&fx);
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0);
        http_respond(fx.waiting[0], 200, NULL, 0, "A", 1);
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nC"));
        assert_true(strstr(in.data, "\r\n\r\nA") < strstr(in.data, "\r\n\r\nB"));
        close(fd);
        fixture_close(&fx);
}

static void pipelining_depth_is_bounded(void **state)
{
        struct fixture fx;
        struct http_limits limits = {.max_pipelined = 4};
        fixture_open(&fx, &limits, NULL, NULL);
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        for (int i = 0; i < 200; i++)
                client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        for (int i = 0; i < 20; i++)
                turn(&fx);
        assert_int_equal(fx.n_waiting, 4);
        size_t answered = 0;
        while (answered < 200) {
                while (answered < fx.n_waiting)
                        http_respond(fx.waiting[answered++], 200, NULL, 0, "x", 1);
                turn(&fx);
                assert_true(fx.n_waiting - answered <= 4);
        }
        client_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nend");
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nend"));
        assert_int_equal(count(in.data, "HTTP/1.1 200"), 201);
        close(fd);
        fixture_close(&fx);
}

/* Each is answered with this status, the connection ends, and no handler sees it. */
static void refusals(void **state)
{
        static const struct {
                const char *text;
                int status;
        } rows[] = {
                {"nonsense\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\n\r\n", 400},
                {"\x16\x03\x01\x02", 400},
                {"GET / HTTP/1.1\n", 400},
                {"GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                {"POST / HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", 413},
                {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n65\r\n", 413},
                {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n60\r\n"
                 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n8\r\n",
                 413},
                {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
                {"GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", 431},
                {"GET / HTTP/1.1\r\n" HOST "A: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
                 431},
                {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
                {"POST / HTTP/1.1\r\n" HOST "Expect: miracles\r\nContent-Length: 1\r\n\r\n", 417},
        };
        struct fixture fx;
        struct http_limits limits = {.max_body_bytes = 100, .max_headers = 4, .max_header_bytes = 200};
        fixture_open(&fx, &limits, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int fd = client_open(&fx);
                char expect[32];
                client_send(fd, rows[i].text);
                /* the answer must survive what the client still sends */
                turn(&fx);
                (void)!send(fd, "more", 4, MSG_NOSIGNAL);
                shutdown(fd, SHUT_WR);
                char *answer = client_rest(&fx, fd);
                snprintf(expect, sizeof(expect), "HTTP/1.1 %d ", rows[i].status);
                if (strncmp(answer, expect, strlen(expect)) != 0)
                        fail_msg("%s: expected %d, not %s", rows[i].text, rows[i].status, answer);
                assert_non_null(strstr(answer, "Connection: close\r\n"));
                free(answer);
        }
        assert_int_equal(fx.n_handled, 0);
        assert_int_equal(http_server_get_stats(fx.server).rejected, ARRAY_SIZE(rows));
        fixture_close(&fx);
}

static void good_before_bad_is_answered_first(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\nGARBAGE\r\n\r\n");
        while (fx.n_waiting < 1)
                turn(&fx);
        turn(&fx);
        http_respond(fx.waiting[0], 200, NULL, 0, "ok", 2);
        char *answer = client_rest(&fx, fd);
        assert_true(strstr(answer, "HTTP/1.1 200") < strstr(answer, "HTTP/1.1 400"));
        free(answer);
        fixture_close(&fx);
}

static void slow_requests_time_out(void **state)
{
        static const struct {
                const char *text;
                int status; /* 0: closed without a word */
        } rows[] = {
                {"GET / HTTP/1.1\r\nHos", 408},
                {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", 408},
                {"GET / HTTP/1.1\r\n" HOST "\r\nPOST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", 408},
                {"", 0},
                {"\r\n", 0},
        };
        struct fixture fx;
        struct http_limits limits = {.header_timeout_ms = 30, .body_timeout_ms = 30, .idle_timeout_ms = 40};
        fixture_open(&fx, &limits, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int fd = client_open(&fx);
                client_send(fd, rows[i].text);
                char *answer = client_rest(&fx, fd);
                assert_int_equal(strstr(answer, "HTTP/1.1 408 ") != NULL, rows[i].status == 408);
                free(answer);
        }
        /* A request that is being worked on has all the time. */
        int fd = client_open(&fx);
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        uint64_t start = uv_hrtime();
        while (uv_hrtime() - start < 100000000)
                turn(&fx);
        CLEANUP_BUF struct buf in = {0};
        http_respond(fx.waiting[0], 200, NULL, 0, "late", 4);
        assert_true(client_wait(&fx, fd, &in, "late"));
        assert_false(client_wait(&fx, fd, &in, NULL)); /* and then idles out */
        close(fd);
        fixture_close(&fx);
}

static void clients_that_do_not_read_are_dropped(void **state)
{
        struct fixture fx;
        struct http_limits limits = {.stall_timeout_ms = 50};
        fixture_open(&fx, &limits, NULL, NULL);
        int fd = client_open(&fx);
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        while (fx.n_waiting < 1)
                turn(&fx);
        CLEANUP_FREE char *large = calloc(1, 32 << 20);
        http_respond(fx.waiting[0], 200, NULL, 0, large, 32 << 20);
        uint64_t start = uv_hrtime();
        while (http_server_get_stats(fx.server).open > 0 && uv_hrtime() - start < 5000000000u)
                turn(&fx);
        assert_int_equal(http_server_get_stats(fx.server).open, 0);
        close(fd);
        fixture_close(&fx);
}

static void expect_continue(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\nPOST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        while (fx.n_waiting < 1)
                turn(&fx);
        for (int i = 0; i < 5; i++)
                turn(&fx);
        char byte;
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0); /* not before the answer that is due first */
        http_respond(fx.waiting[0], 200, NULL, 0, "first", 5);
        assert_true(client_wait(&fx, fd, &in, "firstHTTP/1.1 100 Continue\r\n\r\n"));
        client_send(fd, "hi");
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nhi"));
        buf_clear(&in);
        client_send(fd, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nyo"); /* does not wait: no 100 */
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nyo"));
        assert_null(strstr(in.data, "100 Continue"));
        close(fd);
        fixture_close(&fx);
}

static void head_and_empty_statuses(struct fixture *fx, struct http_request *req)
{
        http_respond(req, strcmp(req->path, "/204") == 0 ? 204 : 200, &(struct http_header){"X-Evil", "a\r\nB: c"}, 1, "body", 4);
}

static void bodies_that_must_not_be_sent(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = head_and_empty_statuses;
        int fd = client_open(&fx);
        client_send(fd,
                    "HEAD / HTTP/1.1\r\n" HOST "\r\nGET /204 HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        char *answer = client_rest(&fx, fd);
        assert_int_equal(count(answer, "\r\n\r\nHTTP/1.1"), 2);
        assert_int_equal(count(answer, "Content-Length: 4"), 2);
        assert_int_equal(count(answer, "X-Evil: a  B: c\r\n"), 3);
        free(answer);
        fixture_close(&fx);
}

static void half_closed_clients_get_their_answers(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int fd = client_open(&fx);
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\nPOST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nB");
        shutdown(fd, SHUT_WR);
        while (fx.n_handled < 2)
                turn(&fx);
        for (int i = 0; i < 5; i++)
                turn(&fx);
        http_respond(fx.waiting[0], 200, NULL, 0, "A", 1);
        char *answer = client_rest(&fx, fd);
        assert_true(strstr(answer, "\r\n\r\nA") < strstr(answer, "\r\n\r\nB"));
        free(answer);
        /* Half a request and an end: nothing is answered. */
        fd = client_open(&fx);
        client_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
        shutdown(fd, SHUT_WR);
        answer = client_rest(&fx, fd);
        assert_string_equal(answer, "");
        free(answer);
        fixture_close(&fx);
}

static void requests_outlive_their_clients(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        struct linger reset = {.l_onoff = 1};
        for (int i = 0; i < 3; i++) {
                int fd = client_open(&fx);
                client_send(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
                while (fx.n_waiting < (size_t)i + 1)
                        turn(&fx);
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
                close(fd);
        }
        while (http_server_get_stats(fx.server).open > 0)
                turn(&fx);
        for (int i = 0; i < 2; i++) {
                assert_string_equal(fx.waiting[i]->body, "hello");
                assert_string_equal(fx.waiting[i]->path, "/later");
                assert_non_null(strstr(fx.waiting[i]->peer, "127.0.0.1:"));
                assert_non_null(arena_alloc(fx.waiting[i]->arena, 10));
                http_respond(fx.waiting[i], 200, NULL, 0, "nobody", 6);
        }
        /* The third is answered after the server has closed. */
        struct http_request *last = fx.waiting[2];
        http_server_close(fx.server, 0, fixture_closed, &fx);
        uv_run(&fx.loop, UV_RUN_DEFAULT);
        assert_true(fx.closed);
        http_respond(last, 200, NULL, 0, "nobody", 6);
        uv_run(&fx.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&fx.loop), 0);
}

static void closing_lets_running_requests_finish(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        int idle = client_open(&fx), busy = client_open(&fx), stuck = client_open(&fx);
        client_send(busy, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n");
        client_send(stuck, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        while (fx.n_waiting < 3)
                turn(&fx);
        http_server_close(fx.server, 200, fixture_closed, &fx);
        char *rest = client_rest(&fx, idle);
        assert_string_equal(rest, "");
        free(rest);
        for (size_t i = 0; i < 3; i++) {
                if (strchr(fx.waiting[i]->peer, ':') == NULL)
                        fail();
        }
        /* both pipelined requests are answered; only the last answer says close */
        struct http_request *of_busy[2];
        size_t n = 0;
        for (size_t i = 0; i < 3; i++) {
                for (size_t k = 0; k < 3; k++) {
                        if (i != k && strcmp(fx.waiting[i]->peer, fx.waiting[k]->peer) == 0 && n < 2)
                                of_busy[n++] = fx.waiting[i];
                }
        }
        assert_int_equal(n, 2);
        struct http_request *of_stuck = NULL;
        for (size_t i = 0; i < 3; i++) {
                if (fx.waiting[i] != of_busy[0] && fx.waiting[i] != of_busy[1])
                        of_stuck = fx.waiting[i];
        }
        http_respond(of_busy[0], 200, NULL, 0, "A", 1);
        http_respond(of_busy[1], 200, NULL, 0, "B", 1);
        rest = client_rest(&fx, busy);
        assert_int_equal(count(rest, "Connection: close"), 1);
        assert_non_null(strstr(rest, "\r\n\r\nB"));
        free(rest);
        assert_false(fx.closed);
        rest = client_rest(&fx, stuck); /* the grace ends */
        assert_string_equal(rest, "");
        free(rest);
        while (!fx.closed)
                turn(&fx);
        http_respond(of_stuck, 200, NULL, 0, "late", 4);
        uv_run(&fx.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&fx.loop), 0);
}

/* ---- streams ---- */

struct stream_state {
        struct http_stream *stream;
        int drained, closed;
};

static void on_drained(struct http_stream *stream, void *data)
{
        ((struct stream_state *)data)->drained++;
}

static void on_stream_closed(struct http_stream *stream, void *data)
{
        ((struct stream_state *)data)->closed++;
}

static void stream_handler(struct fixture *fx, struct http_request *req)
{
        struct stream_state *s = fx->extra;
        if (strcmp(req->path, "/stream") == 0)
                s->stream = http_respond_stream(req, 200, NULL, 0, on_drained, on_stream_closed, s);
        else
                http_respond(req, 200, NULL, 0, "plain", 5);
}

static void streamed_answers(void **state)
{
        struct fixture fx;
        struct stream_state s = {0};
        CLEANUP_BUF struct buf in = {0};
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = stream_handler;
        fx.extra = &s;
        int fd = client_open(&fx);
        client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_wait(&fx, fd, &in, "Transfer-Encoding: chunked\r\n\r\n"));
        assert_true(http_stream_write(s.stream, "hello", 5) > 0);
        http_stream_write(s.stream, "", 0);
        http_stream_write(s.stream, "you", 3);
        assert_true(client_wait(&fx, fd, &in, "5\r\nhello\r\n3\r\nyou\r\n"));
        while (s.drained < 1)
                turn(&fx);
        assert_null(strstr(in.data, "plain"));
        http_stream_end(s.stream);
        assert_true(client_wait(&fx, fd, &in, "0\r\n\r\nHTTP/1.1 200"));
        assert_true(client_wait(&fx, fd, &in, "plain"));
        assert_int_equal(s.closed, 0);

        /* second in line: the stream waits for the first answer */
        buf_clear(&in);
        fx.handler = NULL;
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        while (fx.n_waiting < 1)
                turn(&fx);
        fx.handler = stream_handler;
        client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        s.stream = NULL;
        while (s.stream == NULL)
                turn(&fx);
        http_stream_write(s.stream, "second", 6);
        http_respond(fx.waiting[0], 200, NULL, 0, "first", 5);
        http_stream_write(s.stream, "third", 5);
        http_stream_end(s.stream);
        assert_true(client_wait(&fx, fd, &in, "0\r\n\r\n"));
        assert_true(strstr(in.data, "first") < strstr(in.data, "6\r\nsecond\r\n5\r\nthird"));
        close(fd);
        fixture_close(&fx);
}

static void streams_to_old_clients(void **state)
{
        struct fixture fx;
        struct stream_state s = {0};
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = stream_handler;
        fx.extra = &s;
        int fd = client_open(&fx);
        client_send(fd, "GET /stream HTTP/1.0\r\n\r\n");
        while (s.stream == NULL)
                turn(&fx);
        http_stream_write(s.stream, "hello", 5);
        http_stream_end(s.stream);
        char *rest = client_rest(&fx, fd);
        assert_non_null(strstr(rest, "Connection: close\r\n\r\nhello"));
        assert_null(strstr(rest, "chunked"));
        free(rest);
        fixture_close(&fx);
}

static void streams_whose_client_goes(void **state)
{
        struct fixture fx;
        struct stream_state s = {0};
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = stream_handler;
        fx.extra = &s;
        int fd = client_open(&fx);
        client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        while (s.stream == NULL)
                turn(&fx);
        close(fd);
        while (s.closed == 0)
                turn(&fx);

        /* gone before the stream began: told on a later turn */
        fx.handler = NULL;
        fd = client_open(&fx);
        client_send(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        while (fx.n_waiting < 1)
                turn(&fx);
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        while (http_server_get_stats(fx.server).open > 0)
                turn(&fx);
        s.stream = http_respond_stream(fx.waiting[0], 200, NULL, 0, NULL, on_stream_closed, &s);
        assert_int_equal(http_stream_write(s.stream, "x", 1), 0);
        assert_int_equal(s.closed, 1);
        turn(&fx);
        assert_int_equal(s.closed, 2);

        /* the server closes under an open stream */
        fx.handler = stream_handler;
        s.stream = NULL;
        fd = client_open(&fx);
        client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        while (s.stream == NULL)
                turn(&fx);
        fixture_close(&fx);
        assert_int_equal(s.closed, 3);
        close(fd);
}

static void a_slow_reader_gets_it_all(void **state)
{
        struct fixture fx;
        struct stream_state s = {0};
        CLEANUP_BUF struct buf in = {0};
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = stream_handler;
        fx.extra = &s;
        int fd = client_open(&fx);
        client_send(fd, "GET /stream HTTP/1.0\r\n\r\n");
        while (s.stream == NULL)
                turn(&fx);
        CLEANUP_FREE char *block = calloc(1, 1 << 20);
        memset(block, 'x', 1 << 20);
        size_t waiting = 0;
        for (int i = 0; i < 20; i++) {
                waiting = http_stream_write(s.stream, block, 1 << 20);
                turn(&fx);
        }
        assert_true(waiting > 1 << 20);
        http_stream_end(s.stream);
        assert_false(client_wait(&fx, fd, &in, NULL));
        assert_int_equal(strlen(strstr(in.data, "\r\n\r\n") + 4), 20 << 20);
        close(fd);
        fixture_close(&fx);
}

/* ---- other listeners and limits ---- */

static void unix_sockets(void **state)
{
        struct fixture fx;
        char path[64], address[80];
        fixture_open(&fx, NULL, NULL, NULL);
        snprintf(path, sizeof(path), "/tmp/test_http_%d.sock", (int)getpid());
        snprintf(address, sizeof(address), "unix:%s", path);
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);

        /* what a dead process left is replaced */
        int stale = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(stale, (struct sockaddr *)&addr, sizeof(addr)), 0);
        close(stale);
        struct error error = {0};
        assert_int_equal(http_server_listen(fx.server, address, &error), 0);
        /* a live one is not */
        assert_int_equal(http_server_listen(fx.server, address, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "another process"));

        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
        assert_true(client_wait(&fx, fd, &in, "\r\n\r\nhi"));
        close(fd);
        fixture_close(&fx);
        assert_int_equal(access(path, F_OK), -1);
}

static void too_many_connections(void **state)
{
        struct fixture fx;
        struct http_limits limits = {.max_connections = 2};
        fixture_open(&fx, &limits, NULL, NULL);
        int a = client_open(&fx), b = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(a, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_wait(&fx, a, &in, "200 OK"));
        int c = client_open(&fx);
        char *rest = client_rest(&fx, c);
        assert_string_equal(rest, "");
        free(rest);
        close(a);
        close(b);
        while (http_server_get_stats(fx.server).open > 0)
                turn(&fx);
        c = client_open(&fx);
        buf_clear(&in);
        client_send(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_wait(&fx, c, &in, "200 OK"));
        close(c);
        fixture_close(&fx);
}

/* From 127.0.0.N. */
static int client_open_from(struct fixture *fx, uint32_t n)
{
        const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + n)};
        const struct sockaddr_in to = {.sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)http_server_port(fx->server)),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
        assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
        return fd;
}

/* One client that holds all that it may have does not keep others out. */
static void too_many_connections_of_one_address(void **state)
{
        struct fixture fx;
        struct http_limits limits = {.max_per_address = 2};
        fixture_open(&fx, &limits, NULL, NULL);
        int a = client_open_from(&fx, 2), b = client_open_from(&fx, 2), c = client_open_from(&fx, 2), d = client_open_from(&fx, 22);
        CLEANUP_BUF struct buf in = {0};
        char *rest = client_rest(&fx, c);
        assert_string_equal(rest, "");
        free(rest);
        client_send(d, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_wait(&fx, d, &in, "200 OK"));
        buf_clear(&in);
        client_send(b, "GET / HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_wait(&fx, b, &in, "200 OK"));
        close(a);
        close(b);
        close(d);
        fixture_close(&fx);
}

static void too_many_bytes_in_all(void **state)
{
        struct fixture fx;
        struct http_limits limits = {.max_buffered = 3000};
        fixture_open(&fx, &limits, NULL, NULL);
        CLEANUP_FREE char *block = calloc(1, 1001);
        memset(block, 'x', 1000);
        int fds[4];
        for (int i = 0; i < 4; i++) {
                fds[i] = client_open(&fx);
                client_send(fds[i], "POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n");
                client_send(fds[i], block);
                for (int k = 0; k < 5; k++)
                        turn(&fx);
        }
        CLEANUP_BUF struct buf in = {0};
        assert_true(client_wait(&fx, fds[3], &in, "503"));
        buf_clear(&in);
        client_send(fds[0], "x");
        assert_true(client_wait(&fx, fds[0], &in, "200 OK"));
        for (int i = 0; i < 4; i++)
                close(fds[i]);
        fixture_close(&fx);
}

static void query_handler(struct fixture *fx, struct http_request *req)
{
        assert_string_equal(req->path, "/p");
        assert_string_equal(http_request_query(req, "a b"), "x y&");
        assert_string_equal(http_request_query(req, "flag"), "");
        assert_string_equal(http_request_query(req, "bad"), "%zz%4");
        assert_null(http_request_query(req, "none"));
        assert_string_equal(http_request_header(req, "hOST"), "h");
        assert_null(http_request_header(req, "Hos"));
        assert_false(req->tls);
        http_respond(req, 200, NULL, 0, "fine", 4);
}

static void queries_and_forms_of_target(void **state)
{
        struct fixture fx;
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = query_handler;
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, "GET /p?flag&a%20b=x+y%26&bad=%zz%4 HTTP/1.1\r\n" HOST "\r\n"
                        "GET http://h/p?flag&a+b=x+y%26&bad=%zz%4 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        assert_false(client_wait(&fx, fd, &in, NULL));
        assert_int_equal(count(in.data, "fine"), 2);
        close(fd);
        fixture_close(&fx);
}

static void bad_options(void **state)
{
        struct fixture fx;
        struct error error = {0};
        struct http_server *server;
        fixture_open(&fx, NULL, NULL, NULL);
        assert_int_equal(http_server_listen(fx.server, "nonsense", &error), -EINVAL);
        error_clear(&error);
        struct http_server_options half = {.loop = &fx.loop, .tls_cert = "/nonexistent"};
        assert_int_equal(http_server_new(&half, &server, &error), -EINVAL);
        error_clear(&error);
        half.tls_key = "/nonexistent";
        assert_int_equal(http_server_new(&half, &server, &error), -EINVAL);
        assert_non_null(strstr(error.message, "/nonexistent"));
        fixture_close(&fx);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keep_alive_and_close),
                cmocka_unit_test(byte_by_byte),
                cmocka_unit_test(pipelined_answers_keep_their_order),
                cmocka_unit_test(pipelining_depth_is_bounded),
                cmocka_unit_test(refusals),
                cmocka_unit_test(good_before_bad_is_answered_first),
                cmocka_unit_test(slow_requests_time_out),
                cmocka_unit_test(clients_that_do_not_read_are_dropped),
                cmocka_unit_test(expect_continue),
                cmocka_unit_test(bodies_that_must_not_be_sent),
                cmocka_unit_test(half_closed_clients_get_their_answers),
                cmocka_unit_test(requests_outlive_their_clients),
                cmocka_unit_test(closing_lets_running_requests_finish),
                cmocka_unit_test(streamed_answers),
                cmocka_unit_test(streams_to_old_clients),
                cmocka_unit_test(streams_whose_client_goes),
                cmocka_unit_test(a_slow_reader_gets_it_all),
                cmocka_unit_test(unix_sockets),
                cmocka_unit_test(too_many_connections),
                cmocka_unit_test(too_many_connections_of_one_address),
                cmocka_unit_test(too_many_bytes_in_all),
                cmocka_unit_test(queries_and_forms_of_target),
                cmocka_unit_test(bad_options),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
