/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Websockets under a script. The first byte chooses: our server against raw frames, our client against raw frames, or our client
 * against a raw handshake. Each side may send, ping, close and abort at any moment; `closed` must come exactly once.
 */
#include "net/ws_internal.h"
#include "net_script.h"

static uv_loop_t loop;
static struct http_server *server;
static struct sockaddr_un address;
static int listener = -1, listener_port;
static struct ws *ws;
static int n_closed, n_connected;
static uint8_t on_message_op;

static void act(uint8_t op)
{
        if (ws == NULL)
                return;
        switch (op % 8) {
        case 0:
                (void)ws_send(ws, "hello", op >> 3 > 5 ? 5 : op >> 3);
                break;
        case 1:
                ws_ping(ws);
                break;
        case 2:
                ws_close(ws, 1000 + (op >> 3), "reason");
                break;
        case 3:
                ws_abort(ws);
                break;
        default:
                break;
        }
}

static void message(struct ws *which, const char *text, size_t len, void *data)
{
        CHECK(which == ws && len <= 2000);
        act(on_message_op);
}

static void closed(struct ws *which, int code, const char *reason, void *data)
{
        CHECK(which == ws && n_closed == 0);
        CHECK(code > 0);
        n_closed++;
        ws = NULL;
}

static const struct ws_callbacks callbacks = {.message = message, .closed = closed};
static const struct ws_limits limits = {.max_message = 2000, .max_queued = 20000};

static void handler(struct http_request *req, void *data)
{
        ws = ws_accept(req, &limits, &callbacks, NULL);
}

static void connected(struct ws *which, int status, const char *body, size_t len, void *data)
{
        CHECK(which == ws && status != 0);
        n_connected++;
        if (status != 101) {
                n_closed++;
                ws = NULL;
        }
}

static void setup(void)
{
        struct http_server_options options = {.loop = &loop, .handler = handler};
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(addr);
        uv_loop_init(&loop);
        CHECK(http_server_new(&options, &server, NULL) == 0);
        listen_on_path(server, &address);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(listener, 100) == 0);
        CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
        listener_port = ntohs(addr.sin_port);
}

/* A raw client of our server, after the handshake. */
static int open_server_side(void)
{
        static const char request[] =
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        int fd = connect_to(&address);
        CHECK(send(fd, request, sizeof(request) - 1, 0) == sizeof(request) - 1);
        for (int i = 0; i < 1000 && ws == NULL; i++)
                turns(&loop, 1);
        CHECK(ws != NULL);
        return fd;
}

/* A raw server for our client; with `handshake` it agrees to it. */
static int open_client_side(bool handshake)
{
        char url[64], request[1000];
        (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", listener_port);
        struct ws_connect_options options = {.loop = &loop, .url = url, .limits = limits, .callbacks = callbacks, .connected = connected};
        ws = ws_connect(&options, NULL);
        CHECK(ws != NULL);
        turns(&loop, 1);
        int fd = accept(listener, NULL, NULL);
        CHECK(fd >= 0);
        struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: see net_script.h */
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        ssize_t n = -1;
        for (int i = 0; i < 1000 && n <= 0; i++) {
                turns(&loop, 1);
                n = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);
        }
        CHECK(n > 0);
        request[n] = '\0';
        if (!handshake)
                return fd;
        char key[25], accept_value[WS_ACCEPT_SIZE], answer[300];
        const char *at = strstr(request, "Sec-WebSocket-Key: ");
        CHECK(at != NULL);
        (void)snprintf(key, sizeof(key), "%.24s", at + strlen("Sec-WebSocket-Key: "));
        ws_accept_value(key, accept_value);
        int len =
                snprintf(answer, sizeof(answer),
                         "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept_value);
        CHECK(send(fd, answer, (size_t)len, 0) == len);
        for (int i = 0; i < 1000 && n_connected == 0; i++)
                turns(&loop, 1);
        CHECK(n_connected == 1);
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct script script = {data, data + size};
        if (server == NULL)
                setup();
        n_closed = n_connected = 0;
        uint8_t mode = script_byte(&script) % 3;
        on_message_op = script_byte(&script);
        int fd = mode == 0 ? open_server_side() : open_client_side(mode == 1);
        while (script.at < script.end) {
                uint8_t op = script_byte(&script);
                if (op % 4 == 0)
                        act(op >> 2);
                else if (op % 4 == 1 && op & 0x40 && mode == 0)
                        shutdown(fd, SHUT_WR);
                else
                        send_some(&script, fd);
                if (op & 0x80)
                        turns(&loop, 1);
        }
        turns(&loop, 2);
        if (size % 2 != 0 && ws != NULL)
                ws_abort(ws);
        close(fd);
        for (int i = 0; i < 1000 && (ws != NULL || http_server_get_stats(server).open > 0); i++)
                turns(&loop, 1);
        CHECK(ws == NULL && n_closed == 1);
        CHECK(http_server_get_stats(server).open == 0);
        return 0;
}
