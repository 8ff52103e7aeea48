/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server's connections under a script: bytes from the client in any pieces, answers in any order and form, clients and
 * streams that end at any moment. The sanitizers watch lifetimes; at the end nothing may be left.
 */
#include "net_script.h"

static uv_loop_t loop;
static struct http_server *server;
static struct sockaddr_un address;
static struct http_request *waiting[64];
static size_t n_waiting;
static struct http_stream *streams[64];
static size_t n_streams;
static uint8_t at_once; /* how the handler answers by itself */

static void on_lost(struct http_stream *stream, void *data)
{
        for (size_t i = 0; i < n_streams; i++) {
                if (streams[i] == stream)
                        streams[i] = streams[--n_streams];
        }
}

static void answer(struct http_request *req, uint8_t how)
{
        static const struct http_header headers[] = {{"X-A", "b"}};
        if (how % 4 == 2 && n_streams < 64)
                streams[n_streams++] = http_respond_stream(req, 200, headers, 1, NULL, on_lost, NULL);
        else if (how % 4 == 0)
                http_respond(req, 200, headers, 1, req->body, req->body_len);
        else if (how % 4 == 1)
                http_respond(req, 204, NULL, 0, NULL, 0);
        else
                http_respond(req, 500, headers, 1, "error", 5);
}

static void handler(struct http_request *req, void *data)
{
        CHECK(strlen(req->path) <= strlen(req->target) || req->path[1] == '\0');
        CHECK(req->body[req->body_len] == '\0');
        (void)http_request_query(req, "a");
        if (at_once % 2 == 0 && n_waiting < 64)
                waiting[n_waiting++] = req;
        else
                answer(req, at_once >> 1);
}

static void answer_one(uint8_t which, uint8_t how)
{
        if (n_waiting == 0)
                return;
        size_t i = which % n_waiting;
        struct http_request *req = waiting[i];
        waiting[i] = waiting[--n_waiting];
        answer(req, how);
}

static void use_stream(uint8_t which, uint8_t how)
{
        if (n_streams == 0)
                return;
        size_t i = which % n_streams;
        struct http_stream *stream = streams[i];
        if (how % 2 == 0) {
                (void)http_stream_write(stream, "0123456789abcdef", how % 17);
        } else {
                streams[i] = streams[--n_streams];
                http_stream_end(stream);
        }
}

static void setup(void)
{
        struct http_server_options options = {
                .loop = &loop,
                .handler = handler,
                .limits = {.max_header_bytes = 1024, .max_headers = 20, .max_body_bytes = 2048, .max_pipelined = 4, .max_buffered = 4096},
        };
        uv_loop_init(&loop);
        CHECK(http_server_new(&options, &server, NULL) == 0);
        listen_on_path(server, &address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct script script = {data, data + size};
        if (server == NULL)
                setup();
        at_once = script_byte(&script);
        int fd = connect_to(&address);
        turns(&loop, 1);
        while (script.at < script.end) {
                uint8_t op = script_byte(&script);
                switch (op % 8) {
                case 0:
                case 1:
                case 2:
                        send_some(&script, fd);
                        break;
                case 3:
                        at_once = op >> 3;
                        break;
                case 4:
                        answer_one(op >> 3, script_byte(&script));
                        break;
                case 5:
                        use_stream(op >> 3, script_byte(&script));
                        break;
                case 6:
                        shutdown(fd, SHUT_WR);
                        break;
                case 7:
                        discard_input(fd);
                        break;
                }
                if (op & 0x80)
                        turns(&loop, 1);
        }
        turns(&loop, 2);
        discard_input(fd);
        if (size % 2 == 0)
                close(fd);
        while (n_waiting > 0)
                answer_one(0, 0);
        while (n_streams > 0)
                use_stream(0, 1);
        if (size % 2 != 0)
                close(fd);
        for (int i = 0; i < 1000 && http_server_get_stats(server).open > 0; i++)
                turns(&loop, 1);
        CHECK(http_server_get_stats(server).open == 0);
        CHECK(n_waiting == 0 && n_streams == 0);
        return 0;
}
