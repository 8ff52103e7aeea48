/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server that answers each request with its own body: what the network layer alone costs. bench_http.sh runs wrk against
 * it. On SIGTERM it prints the requests served and the CPU time per request.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "net/http_server.h"

static void echo(struct http_request *req, void *data)
{
        static const struct http_header headers[] = {{"Content-Type", "application/x-amz-json-1.1"}};
        http_respond(req, 200, headers, 1, req->body, req->body_len);
}

static double cpu_us(void)
{
        struct rusage usage;
        (void)getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void on_signal(uv_signal_t *handle, int signum)
{
        struct http_server *server = handle->data;
        struct http_server_stats stats = http_server_get_stats(server);
        printf("%" PRIu64 " requests on %" PRIu64 " connections, %.2f us of CPU each\n", stats.requests, stats.connections,
               stats.requests > 0 ? cpu_us() / (double)stats.requests : 0);
        uv_close((uv_handle_t *)handle, NULL);
        http_server_close(server, 1000, NULL, NULL);
}

int main(int argc, char **argv)
{
        uv_loop_t *loop = uv_default_loop();
        struct http_server *server;
        struct error error = {0};
        uv_signal_t signal;
        struct http_server_options options = {
                .loop = loop,
                .handler = echo,
                .tls_cert = argc > 3 ? argv[2] : NULL,
                .tls_key = argc > 3 ? argv[3] : NULL,
        };
        if (http_server_new(&options, &server, &error) < 0 || http_server_listen(server, argc > 1 ? argv[1] : "127.0.0.1:0", &error) < 0) {
                (void)fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        printf("port %d\n", http_server_port(server));
        (void)fflush(stdout);
        uv_signal_init(loop, &signal);
        signal.data = server;
        uv_signal_start(&signal, on_signal, SIGTERM);
        return uv_run(loop, UV_RUN_DEFAULT);
}
