/* SPDX-License-Identifier: Apache-2.0 */
/* Websockets: both sides against each other, and the server against odd frames from a plain socket. */
#include "net/ws.h"

#include "http_fixture.h"
#include "test_cert.h"

#define HOST "Host: h\r\n"
#define HANDSHAKE                                                                                                            \
        "GET /ws HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" \
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" /* the example of RFC 6455 section 1.3 */

/* One side as its callbacks see it. */
struct side {
        struct ws *ws;
        struct buf text; /* messages, each followed by '|' */
        size_t n_messages;
        int pongs, closed, code;
        char reason[200];
        int status;     /* client: of the handshake */
        char body[200]; /* client: of a refusal */
        bool echo;
        const char *on_message; /* "close", "abort" */
};

static struct ws_limits server_limits;
static struct side server_side;
static int refuse_with;
static bool accept_later;

static void side_message(struct ws *ws, const char *text, size_t len, void *data)
{
        struct side *side = data;
        side->n_messages++;
        if (len < 100) {
                buf_append(&side->text, text, len);
                buf_append_char(&side->text, '|');
        }
        if (side->echo)
                assert_int_equal(ws_send(ws, text, len), 0);
        if (side->on_message != NULL && strcmp(side->on_message, "close") == 0)
                ws_close(ws, 1000, "done");
        if (side->on_message != NULL && strcmp(side->on_message, "abort") == 0)
                ws_abort(ws);
}

static void side_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct side *side = data;
        assert_ptr_equal(ws, side->ws);
        side->closed++;
        side->code = code;
        snprintf(side->reason, sizeof(side->reason), "%s", reason);
        assert_int_equal(ws_send(ws, "x", 1), -EPIPE);
        side->ws = NULL;
}

static void side_pong(struct ws *ws, void *data)
{
        ((struct side *)data)->pongs++;
}

static const struct ws_callbacks side_callbacks = {.message = side_message, .closed = side_closed, .pong = side_pong};

static void side_connected(struct ws *ws, int status, const char *body, size_t len, void *data)
{
        struct side *side = data;
        side->status = status;
        snprintf(side->body, sizeof(side->body), "%.*s", (int)len, body != NULL ? body : "");
        if (status != 101)
                side->ws = NULL;
}

static void ws_handler(struct fixture *fx, struct http_request *req)
{
        if (refuse_with != 0) {
                http_respond(req, refuse_with, NULL, 0, "go away", 7);
                return;
        }
        if (accept_later) {
                fx->waiting[fx->n_waiting++] = req;
                return;
        }
        server_side.ws = ws_accept(req, &server_limits, &side_callbacks, &server_side);
}

static void open_server(struct fixture *fx, const char *cert, const char *key)
{
        buf_done(&server_side.text);
        memset(&server_side, 0, sizeof(server_side));
        memset(&server_limits, 0, sizeof(server_limits));
        refuse_with = 0;
        accept_later = false;
        fixture_open(fx, NULL, cert, key);
        fx->handler = ws_handler;
}

static void connect_side(struct fixture *fx, struct side *side, struct ws_connect_options *options, const char *scheme, const char *host)
{
        char url[100];
        struct error error = {0};
        memset(side, 0, sizeof(*side));
        snprintf(url, sizeof(url), "%s://%s:%d/ws?x=y", scheme, host, http_server_port(fx->server));
        options->loop = &fx->loop;
        options->url = url;
        options->callbacks = side_callbacks;
        options->connected = side_connected;
        options->data = side;
        side->ws = ws_connect(options, &error);
        assert_non_null(side->ws);
        while (side->status == 0)
                turn(fx);
}

static void messages_both_ways(void **state)
{
        struct fixture fx;
        struct side client;
        open_server(&fx, NULL, NULL);
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        assert_int_equal(client.status, 101);
        server_side.echo = true;
        assert_int_equal(ws_send(client.ws, "hello", 5), 0);
        assert_int_equal(ws_send(client.ws, "", 0), 0);
        assert_int_equal(ws_send(client.ws, "w\xc3\xb6rld", 6), 0);
        WAIT(&fx, client.n_messages == 3);
        assert_string_equal(client.text.data, "hello||w\xc3\xb6rld|");
        size_t size = 3 << 20;
        CLEANUP_FREE char *large = malloc(size);
        memset(large, 'x', size);
        assert_int_equal(ws_send(client.ws, large, size), 0);
        assert_true(ws_queued(client.ws) >= size);
        WAIT(&fx, client.n_messages == 4);
        ws_ping(client.ws);
        WAIT(&fx, client.pongs == 1);
        assert_in_range(ws_last_confirmed_us(client.ws), uv_hrtime() / 1000 - 2000000, uv_hrtime() / 1000);
        assert_true(ws_last_received_us(client.ws) > 0);
        assert_non_null(strstr(ws_peer(server_side.ws), "127.0.0.1:"));

        ws_close(client.ws, 1000, "bye");
        assert_int_equal(ws_send(client.ws, "late", 4), -EPIPE);
        assert_int_equal(client.closed, 0); /* never from within a call */
        WAIT(&fx, client.closed == 1 && server_side.closed == 1);
        assert_int_equal(server_side.code, 1000);
        assert_string_equal(server_side.reason, "bye");
        assert_int_equal(client.code, 1000);
        buf_done(&client.text);
        fixture_close(&fx);
}

static void aborts_and_calls_from_callbacks(void **state)
{
        static const struct {
                const char *server, *client;
                int server_code, client_code;
        } rows[] = {
                {"close", NULL, 1000, 1000},
                {"abort", NULL, 1006, 1006},
                {NULL, "abort", 1006, 1006},
                {NULL, "close", 1000, 1000},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct fixture fx;
                struct side client;
                open_server(&fx, NULL, NULL);
                connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
                server_side.on_message = rows[i].server;
                server_side.echo = rows[i].client != NULL;
                client.on_message = rows[i].client;
                ws_send(client.ws, "1", 1);
                ws_send(client.ws, "2", 1);
                WAIT(&fx, client.closed == 1 && server_side.closed == 1);
                assert_int_equal(server_side.code, rows[i].server_code);
                assert_int_equal(client.code, rows[i].client_code);
                if (rows[i].server != NULL)
                        assert_int_equal(server_side.n_messages, 1);
                buf_done(&client.text);
                fixture_close(&fx);
        }
}

static void limits_on_messages(void **state)
{
        struct fixture fx;
        struct side client;
        open_server(&fx, NULL, NULL);
        server_limits.max_message = 1000;
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        char block[1001];
        memset(block, 'x', sizeof(block));
        ws_send(client.ws, block, 1000);
        WAIT(&fx, server_side.n_messages == 1);
        ws_send(client.ws, block, 1001);
        WAIT(&fx, client.closed == 1 && server_side.closed == 1);
        assert_int_equal(client.code, 1009);
        assert_int_equal(server_side.code, 1009);
        buf_done(&client.text);

        /* too much unsent */
        connect_side(&fx, &client, &(struct ws_connect_options){.limits = {.max_queued = 1 << 20}}, "ws", "127.0.0.1");
        size_t size = 2 << 20;
        CLEANUP_FREE char *large = calloc(1, size);
        assert_int_equal(ws_send(client.ws, large, size), -EPIPE);
        assert_int_equal(client.closed, 0);
        WAIT(&fx, client.closed == 1);
        assert_int_equal(client.code, 1006);
        buf_done(&client.text);
        fixture_close(&fx);
}

static void silence_is_noticed(void **state)
{
        struct fixture fx;
        struct side client;
        open_server(&fx, NULL, NULL);
        server_limits.ping_ms = 20;
        server_limits.dead_ms = 100;
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        WAIT(&fx, server_side.pongs >= 3); /* a live client answers by itself */
        assert_int_equal(server_side.closed, 0);
        ws_close(client.ws, 1000, NULL);
        WAIT(&fx, client.closed == 1 && server_side.closed == 1);
        buf_done(&client.text);

        /* one that reads nothing and says nothing */
        server_side.closed = 0;
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send(fd, HANDSHAKE);
        assert_true(client_wait(&fx, fd, &in, ACCEPT));
        uint64_t start = uv_hrtime();
        WAIT(&fx, server_side.closed == 1);
        assert_true(uv_hrtime() - start >= 95000000);
        assert_int_equal(server_side.code, 1006);
        assert_non_null(strstr(server_side.reason, "nothing received"));
        close(fd);

        /* a server that stood still itself does not blame its clients: they have written meanwhile */
        server_side.closed = 0;
        fd = client_open(&fx);
        buf_clear(&in);
        client_send(fd, HANDSHAKE);
        assert_true(client_wait(&fx, fd, &in, ACCEPT));
        client_send_n(fd, "\x81\x81\0\0\0\0x", 7);
        usleep(150000);
        size_t before = server_side.n_messages;
        WAIT(&fx, server_side.n_messages > before || server_side.closed);
        assert_int_equal(server_side.closed, 0);
        close(fd);
        WAIT(&fx, server_side.closed == 1);
        fixture_close(&fx);
}

static void refused_handshakes(void **state)
{
        struct fixture fx;
        struct side client;
        open_server(&fx, NULL, NULL);
        refuse_with = 403;
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        assert_int_equal(client.status, 403);
        assert_string_equal(client.body, "go away");
        refuse_with = 204;
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "localhost"); /* resolved; ::1 is refused first */
        assert_int_equal(client.status, 204);
        assert_int_equal(client.closed, 0);

        static const struct {
                const char *text;
                int status;
        } rows[] = {
                {"GET / HTTP/1.1\r\n" HOST "\r\n", 426},
                {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", 426},
                {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 426},
                {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n", 426},
                {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: short\r\n\r\n",
                 400},
                {"POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n\r\n",
                 426},
        };
        refuse_with = 0;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char expect[40];
                int fd = client_open(&fx);
                CLEANUP_BUF struct buf in = {0};
                client_send(fd, rows[i].text);
                snprintf(expect, sizeof(expect), "HTTP/1.1 %d ", rows[i].status);
                if (!client_wait(&fx, fd, &in, "\n\r\n") || strncmp(in.data, expect, strlen(expect)) != 0)
                        fail_msg("%s: %s", rows[i].text, in.data);
                assert_null(server_side.ws);
                /* the connection goes on as HTTP */
                buf_clear(&in);
                client_send(fd, HANDSHAKE);
                assert_true(client_wait(&fx, fd, &in, ACCEPT));
                close(fd);
                WAIT(&fx, server_side.ws == NULL);
        }
        fixture_close(&fx);
}

static void unreachable_servers(void **state)
{
        struct fixture fx;
        struct side client;
        struct error error = {0};
        open_server(&fx, NULL, NULL);
        struct ws_connect_options options = {
                .loop = &fx.loop, .url = "ws://127.0.0.1:1/", .callbacks = side_callbacks, .connected = side_connected, .data = &client};
        memset(&client, 0, sizeof(client));
        client.ws = ws_connect(&options, &error);
        WAIT(&fx, client.status != 0);
        assert_int_equal(client.status, -ECONNREFUSED);
        assert_string_equal(
                client.body,
                "cannot connect to 127.0.0.1 port 1: connection refused; nothing listens there: is the server running, and is this its "
                "address?");

        options.url = "nonsense";
        assert_null(ws_connect(&options, &error));
        assert_int_equal(error.number, EINVAL);

        /* a server that never answers */
        accept_later = true;
        connect_side(&fx, &client, &(struct ws_connect_options){.timeout_ms = 50}, "ws", "127.0.0.1");
        assert_int_equal(client.status, -ETIMEDOUT);
        /* its connection has gone: accepting gives nothing */
        WAIT(&fx, http_server_get_stats(fx.server).open == 0);
        assert_null(ws_accept(fx.waiting[0], NULL, &side_callbacks, &server_side));

        /* aborted at every stage */
        for (int turns = 0; turns < 6; turns++) {
                char url[64];
                snprintf(url, sizeof(url), "ws://%s:%d/", turns % 2 ? "localhost" : "127.0.0.1", http_server_port(fx.server));
                options.url = url;
                memset(&client, 0, sizeof(client));
                client.ws = ws_connect(&options, &error);
                for (int i = 0; i < turns; i++)
                        uv_run(&fx.loop, UV_RUN_NOWAIT);
                ws_abort(client.ws);
                assert_int_equal(client.closed, 0);
                WAIT(&fx, client.closed == 1);
                assert_int_equal(client.status, 0);
        }
        for (size_t i = 1; i < fx.n_waiting; i++)
                http_respond(fx.waiting[i], 503, NULL, 0, NULL, 0);
        fixture_close(&fx);
}

static void accepted_later_with_early_frames(void **state)
{
        struct fixture fx;
        open_server(&fx, NULL, NULL);
        accept_later = true;
        int fd = client_open(&fx);
        CLEANUP_BUF struct buf in = {0};
        client_send_n(fd, HANDSHAKE "\x81\x82\0\0\0\0", sizeof(HANDSHAKE) - 1 + 6);
        WAIT(&fx, fx.n_waiting == 1);
        turn(&fx);
        client_send(fd, "hi");
        for (int i = 0; i < 5; i++)
                turn(&fx);
        server_side.ws = ws_accept(fx.waiting[0], NULL, &side_callbacks, &server_side);
        assert_non_null(server_side.ws);
        assert_int_equal(server_side.n_messages, 0);
        WAIT(&fx, server_side.n_messages == 1);
        assert_string_equal(server_side.text.data, "hi|");
        assert_true(client_wait(&fx, fd, &in, ACCEPT));
        close(fd);
        WAIT(&fx, server_side.closed == 1);

        /* the same in one piece, accepted at once; and an end right behind it */
        accept_later = false;
        server_side.closed = 0;
        fd = client_open(&fx);
        client_send_n(fd, HANDSHAKE "\x81\x82\0\0\0\0yo\x88\x82\0\0\0\0\x03\xe9", sizeof(HANDSHAKE) - 1 + 16);
        shutdown(fd, SHUT_WR);
        WAIT(&fx, server_side.closed == 1);
        assert_string_equal(server_side.text.data, "hi|yo|");
        assert_int_equal(server_side.code, 1001);
        close(fd);
        fixture_close(&fx);
}

/* Frames from a plain socket; the code with which the server ends it, and what came through before. */
static void odd_frames(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
                int code; /* that the server sends; 0: none */
                const char *text;
        } rows[] = {
#define FRAME(s) s, sizeof(s) - 1
                {FRAME("\x01\x82\0\0\0\0he\x80\x83\0\0\0\0llo\x88\x80\0\0\0\0"), 1000, "hello|"}, /* in two fragments; an empty close */
                {FRAME("\x01\x81\0\0\0\0h\x89\x80\0\0\0\0\x80\x81\0\0\0\0i\x88\x80\0\0\0\0"), 1000, "hi|"}, /* a ping in between */
                {FRAME("\x81\x02hi"), 1002, ""},                                                            /* not masked */
                {FRAME("\xc1\x82\0\0\0\0hi"), 1002, ""},                                                    /* a reserved bit */
                {FRAME("\x83\x80\0\0\0\0"), 1002, ""},                                                      /* an unknown opcode */
                {FRAME("\x80\x81\0\0\0\0x"), 1002, ""},                                                     /* continues nothing */
                {FRAME("\x89\xfe\0\x80\0\0\0\0"), 1002, ""},                                                /* a long ping */
                {FRAME("\x09\x80\0\0\0\0"), 1002, ""},                                                      /* a fragmented ping */
                {FRAME("\x81\x81\0\0\0\0\xff"), 1007, ""},                                                  /* not UTF-8 */
                {FRAME("\x88\x81\0\0\0\0x"), 1000, ""},                                 /* half a close code: as if there were none */
                {FRAME("\x82\x81\0\0\0\0x"), 1003, ""},                                 /* binary */
                {FRAME("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x"), 1009, ""}, /* endless */
        };
        struct fixture fx;
        open_server(&fx, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                for (int single = 0; single < 2; single++) {
                        CLEANUP_BUF struct buf in = {0};
                        int fd = client_open(&fx);
                        server_side.closed = 0;
                        buf_clear(&server_side.text);
                        client_send(fd, HANDSHAKE);
                        assert_true(client_wait(&fx, fd, &in, ACCEPT));
                        buf_clear(&in);
                        if (single) {
                                for (size_t k = 0; k < rows[i].len; k++) {
                                        (void)!send(fd, rows[i].bytes + k, 1, MSG_NOSIGNAL);
                                        turn(&fx);
                                }
                        } else {
                                client_send_n(fd, rows[i].bytes, rows[i].len);
                        }
                        for (int k = 0; k < 10; k++)
                                turn(&fx);
                        shutdown(fd, SHUT_WR);
                        WAIT(&fx, server_side.closed == 1);
                        (void)client_wait(&fx, fd, &in, NULL);
                        close(fd);
                        const unsigned char *last = (const unsigned char *)in.data;
                        const unsigned char *close_frame = NULL;
                        for (size_t k = 0; k + 1 < in.len; k++) {
                                if (last[k] == 0x88)
                                        close_frame = last + k;
                        }
                        if (close_frame == NULL)
                                fail_msg("row %zu: no close frame in %zu bytes; %d %s", i, in.len, server_side.code, server_side.reason);
                        int code = close_frame[1] >= 2 ? close_frame[2] << 8 | close_frame[3] : 1000;
                        if (code != rows[i].code)
                                fail_msg("row %zu: closed with %d, not %d", i, code, rows[i].code);
                        assert_string_equal(server_side.text.data != NULL ? server_side.text.data : "", rows[i].text);
                }
        }
        fixture_close(&fx);
        buf_done(&server_side.text);
}

static void a_ping_flood_cannot_fill_memory(void **state)
{
        struct fixture fx;
        open_server(&fx, NULL, NULL);
        server_limits.max_queued = 100000;
        int fd = client_open(&fx);
        int small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        client_send(fd, HANDSHAKE);
        WAIT(&fx, server_side.ws != NULL);
        char pings[131 * 100];
        for (int i = 0; i < 100; i++) {
                memset(pings + 131 * i, 'x', 131);
                memcpy(pings + 131 * i, "\x89\xfd\0\0\0\0", 6); /* 125 bytes */
        }
        size_t sent = 0;
        while (server_side.closed == 0) {
                ssize_t n = send(fd, pings + sent % sizeof(pings), sizeof(pings) - sent % sizeof(pings), MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n > 0)
                        sent += (size_t)n;
                if (server_side.ws != NULL)
                        assert_true(ws_queued(server_side.ws) < 300000);
                turn(&fx);
                assert_true(sent < 200 << 20);
        }
        assert_int_equal(server_side.code, 1006);
        close(fd);
        fixture_close(&fx);
}

static void a_closing_server_says_so(void **state)
{
        struct fixture fx;
        struct side client;
        open_server(&fx, NULL, NULL);
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        http_server_close(fx.server, 3000, fixture_closed, &fx);
        WAIT(&fx, client.closed == 1 && server_side.closed == 1 && fx.closed);
        assert_int_equal(client.code, 1001);
        uv_run(&fx.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&fx.loop), 0);

        /* and drops those that do not listen when the grace is over */
        open_server(&fx, NULL, NULL);
        int fd = client_open(&fx);
        client_send(fd, HANDSHAKE);
        WAIT(&fx, server_side.ws != NULL);
        fixture_close(&fx);
        assert_int_equal(server_side.closed, 1);
        assert_int_equal(server_side.code, 1006);
        close(fd);
}

static void over_tls(void **state)
{
        struct fixture fx;
        struct side client;
        char cert[64], key[64];
        snprintf(cert, sizeof(cert), "/tmp/test_ws_%d.crt", (int)getpid());
        snprintf(key, sizeof(key), "/tmp/test_ws_%d.key", (int)getpid());
        test_cert_write(cert, key);
        open_server(&fx, cert, key);
        char other[64];
        snprintf(other, sizeof(other), "127.0.0.2:%d", http_server_port(fx.server));
        assert_int_equal(http_server_listen(fx.server, other, NULL), 0);

        static const char *const hosts[] = {"localhost", "127.0.0.1"};
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
                connect_side(&fx, &client, &(struct ws_connect_options){.ca_file = cert}, "wss", hosts[i]);
                assert_int_equal(client.status, 101);
                server_side.echo = true;
                size_t size = 1 << 20;
                CLEANUP_FREE char *large = malloc(size);
                memset(large, 'x', size);
                ws_send(client.ws, "small", 5);
                ws_send(client.ws, large, size);
                WAIT(&fx, client.n_messages == 2);
                ws_close(client.ws, 1000, "bye");
                WAIT(&fx, client.closed == 1 && server_side.closed == 1);
                assert_int_equal(client.code, 1000);
                server_side.closed = 0;
                buf_done(&client.text);
        }

        /* an authority that nobody knows; a name that is not in the certificate; nobody checks; not TLS at all */
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "wss", "localhost");
        assert_int_equal(client.status, -EPROTO);
        assert_non_null(strstr(client.body, "certificate refused"));
        connect_side(&fx, &client, &(struct ws_connect_options){.ca_file = cert}, "wss", "127.0.0.2");
        assert_int_equal(client.status, -EPROTO);
        connect_side(&fx, &client, &(struct ws_connect_options){.ca_file = "/nonexistent"}, "wss", "127.0.0.1");
        assert_int_equal(client.status, -EINVAL);
        connect_side(&fx, &client, &(struct ws_connect_options){.insecure = true}, "wss", "127.0.0.1");
        assert_int_equal(client.status, 101);
        ws_abort(client.ws);
        WAIT(&fx, client.closed == 1 && server_side.closed == 1);
        connect_side(&fx, &client, &(struct ws_connect_options){0}, "ws", "127.0.0.1");
        assert_true(client.status < 0);
        fixture_close(&fx);

        open_server(&fx, NULL, NULL);
        connect_side(&fx, &client, &(struct ws_connect_options){.insecure = true}, "wss", "127.0.0.1");
        assert_int_equal(client.status, -EPROTO);
        assert_non_null(strstr(client.body, "TLS"));
        fixture_close(&fx);
        unlink(cert);
        unlink(key);
}

/* The client against a server that is a script. */
static void odd_servers(void **state)
{
        static const struct {
                const char *answer;
                int status;
                const char *body;
        } rows[] = {
                {"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nabc", 400, "abc"},
                {"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400, "abc"},
                {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\n\r\nto the end", 500, "to the end"},
                {"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n", -EPROTO, NULL},
                {"HTTP/1.1 101 Yes\r\n\r\n", -EPROTO, NULL},
                {"SSH-2.0-OpenSSH\r\n\r\n", -EPROTO, NULL},
                {"\x15\x03", -EPROTO, NULL},
                {"HTTP/1.1 200", -ECONNRESET, NULL},
                {"", -ECONNRESET, NULL},
        };
        struct fixture fx;
        open_server(&fx, NULL, NULL);
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(addr);
        assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
        assert_int_equal(listen(listener, 5), 0);
        getsockname(listener, (struct sockaddr *)&addr, &len);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct side client = {0};
                char url[64], request[1000];
                snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(addr.sin_port));
                struct http_header header = {"X-Mine", "1"};
                struct ws_connect_options options = {.loop = &fx.loop,
                                                     .url = url,
                                                     .headers = &header,
                                                     .n_headers = 1,
                                                     .callbacks = side_callbacks,
                                                     .connected = side_connected,
                                                     .data = &client};
                client.ws = ws_connect(&options, NULL);
                uv_run(&fx.loop, UV_RUN_NOWAIT);
                int fd = accept(listener, NULL, NULL);
                ssize_t n = -1;
                while (n <= 0) {
                        turn(&fx);
                        n = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);
                }
                request[n] = '\0';
                assert_non_null(strstr(request, "GET / HTTP/1.1\r\n"));
                assert_non_null(strstr(request, "X-Mine: 1\r\n"));
                assert_non_null(strstr(request, "\r\nHost: 127.0.0.1:"));
                for (const char *p = rows[i].answer; *p != '\0'; p++) {
                        (void)!send(fd, p, 1, MSG_NOSIGNAL);
                        turn(&fx);
                }
                close(fd);
                WAIT(&fx, client.status != 0);
                if (client.status != rows[i].status)
                        fail_msg("%s: %d %s", rows[i].answer, client.status, client.body);
                if (rows[i].body != NULL)
                        assert_string_equal(client.body, rows[i].body);
        }
        close(listener);
        fixture_close(&fx);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(messages_both_ways),
                cmocka_unit_test(aborts_and_calls_from_callbacks),
                cmocka_unit_test(limits_on_messages),
                cmocka_unit_test(silence_is_noticed),
                cmocka_unit_test(refused_handshakes),
                cmocka_unit_test(unreachable_servers),
                cmocka_unit_test(accepted_later_with_early_frames),
                cmocka_unit_test(odd_frames),
                cmocka_unit_test(a_ping_flood_cannot_fill_memory),
                cmocka_unit_test(a_closing_server_says_so),
                cmocka_unit_test(over_tls),
                cmocka_unit_test(odd_servers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
