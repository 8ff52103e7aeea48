/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network layer alone costs: an HTTP server that answers each request with its own body, on one core, under wrk on another.
 *
 *     bench_http_echo                            measures with 1, 64 and 512 connections
 *     bench_http_echo serve ADDRESS [CERT KEY]   only serves, until SIGTERM
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/macro.h"
#include "net/http_server.h"

struct bench {
        uv_loop_t *loop;
        struct http_server *server;
        uv_signal_t signal;
        uv_process_t wrk;
        size_t round;
        uint64_t requests_before;
        double cpu_before;
};

static const char *const connections[] = {"-c1", "-c64", "-c512"};

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

static void pin_to_first_core(void)
{
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(0, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
}

static void next_round(struct bench *bench);

static void on_wrk_closed(uv_handle_t *handle)
{
        next_round(handle->data);
}

static void on_wrk_exit(uv_process_t *process, int64_t status, int signal)
{
        struct bench *bench = process->data;
        uint64_t requests = http_server_get_stats(bench->server).requests - bench->requests_before;
        printf("%s: %" PRIu64 " requests, %.2f us of CPU each\n\n", connections[bench->round], requests,
               requests > 0 ? (cpu_us() - bench->cpu_before) / (double)requests : 0);
        bench->round++;
        uv_close((uv_handle_t *)process, on_wrk_closed);
}

static void next_round(struct bench *bench)
{
        char url[64];
        if (bench->round == ARRAY_SIZE(connections)) {
                http_server_close(bench->server, 100, NULL, NULL);
                return;
        }
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", http_server_port(bench->server));
        char *args[] = {
                "taskset", "-c", "1", "wrk", "-t1", (char *)connections[bench->round], "-d4", "--latency", "-s", BENCH_DIR "/http_echo.lua",
                url,       NULL};
        uv_stdio_container_t stdio[] = {
                {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = 1}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
        uv_process_options_t options = {.file = args[0], .args = args, .exit_cb = on_wrk_exit, .stdio = stdio, .stdio_count = 3};
        (void)fflush(stdout);
        bench->requests_before = http_server_get_stats(bench->server).requests;
        bench->cpu_before = cpu_us();
        bench->wrk.data = bench;
        if (uv_spawn(bench->loop, &bench->wrk, &options) < 0) {
                printf("wrk and taskset are needed: apt-get install wrk util-linux\n");
                bench->round = ARRAY_SIZE(connections);
                uv_close((uv_handle_t *)&bench->wrk, on_wrk_closed);
        }
}

static void on_signal(uv_signal_t *handle, int signum)
{
        struct bench *bench = handle->data;
        uv_close((uv_handle_t *)handle, NULL);
        http_server_close(bench->server, 1000, NULL, NULL);
}

int main(int argc, char **argv)
{
        bool serve = argc > 2 && strcmp(argv[1], "serve") == 0;
        struct bench bench = {.loop = uv_default_loop()};
        struct error error = {0};
        struct http_server_options options = {
                .loop = bench.loop,
                .handler = echo,
                .tls_cert = argc > 4 ? argv[3] : NULL,
                .tls_key = argc > 4 ? argv[4] : NULL,
        };
        if (http_server_new(&options, &bench.server, &error) < 0 ||
            http_server_listen(bench.server, serve ? argv[2] : "127.0.0.1:0", &error) < 0) {
                (void)fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        if (serve) {
                uv_signal_init(bench.loop, &bench.signal);
                bench.signal.data = &bench;
                uv_signal_start(&bench.signal, on_signal, SIGTERM);
        } else {
                pin_to_first_core();
                next_round(&bench);
        }
        return uv_run(bench.loop, UV_RUN_DEFAULT);
}
