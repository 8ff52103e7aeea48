/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many websockets on one server, as after its restart when all agents come back at once: how much CPU a connection costs, how much
 * memory one holds, and what a message costs. The clients are another process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "net/ws.h"

#define CLIENTS 8000
#define MESSAGES 20 /* each */

static uv_loop_t *loop;
static const char text[] = "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true,\"messageId\":\"0123456789abcdef\"}}";

static double cpu_us(void)
{
        struct rusage usage;
        (void)getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static long resident_kb(void)
{
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        if (file == NULL || fscanf(file, "%*s %ld", &pages) != 1)
                pages = 0;
        if (file != NULL)
                (void)fclose(file);
        return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- clients ---- */

static int n_connected, n_refused;

static void client_connected(struct ws *ws, int status, const char *body, size_t len, void *data)
{
        if (status == 101)
                n_connected++;
        else
                n_refused++;
}

static void client_message(struct ws *ws, const char *message, size_t len, void *data)
{
        int *left = data;
        if (--*left > 0)
                (void)ws_send(ws, text, sizeof(text) - 1);
        else
                ws_close(ws, 1000, NULL);
}

static void client_closed(struct ws *ws, int code, const char *reason, void *data)
{
}

static int run_clients(int port)
{
        static int left[CLIENTS];
        static struct ws *clients[CLIENTS];
        char url[64];
        (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%d/ws", port);
        uint64_t start = uv_hrtime();
        for (int i = 0; i < CLIENTS; i++) {
                struct ws_connect_options options = {.loop = loop,
                                                     .url = url,
                                                     .callbacks = {client_message, client_closed, NULL},
                                                     .connected = client_connected,
                                                     .data = &left[i]};
                left[i] = MESSAGES;
                clients[i] = ws_connect(&options, NULL);
        }
        while (n_connected + n_refused < CLIENTS)
                uv_run(loop, UV_RUN_NOWAIT);
        printf("%d websockets connected at once in %.0f ms (%d refused)\n", n_connected, (double)(uv_hrtime() - start) / 1e6, n_refused);
        (void)fflush(stdout);
        start = uv_hrtime();
        for (int i = 0; i < CLIENTS; i++)
                (void)ws_send(clients[i], text, sizeof(text) - 1);
        (void)uv_run(loop, UV_RUN_DEFAULT);
        printf("%d messages there and back, and all closed, in %.0f ms\n", CLIENTS * MESSAGES, (double)(uv_hrtime() - start) / 1e6);
        return 0;
}

/* ---- server ---- */

struct tally {
        struct http_server *server;
        int open;
        uint64_t messages;
        double cpu_start, cpu_connected;
        long kb_start, kb_connected;
};

static void server_message(struct ws *ws, const char *message, size_t len, void *data)
{
        struct tally *tally = data;
        if (tally->messages++ == 0) {
                tally->cpu_connected = cpu_us();
                tally->kb_connected = resident_kb();
        }
        (void)ws_send(ws, message, len);
}

static void server_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct tally *tally = data;
        if (--tally->open == 0)
                http_server_close(tally->server, 0, NULL, NULL);
}

static void on_request(struct http_request *req, void *data)
{
        static const struct ws_callbacks callbacks = {server_message, server_closed, NULL};
        static const struct ws_limits limits = {.ping_ms = 1000, .dead_ms = 10000};
        if (ws_accept(req, &limits, &callbacks, data) != NULL)
                ((struct tally *)data)->open++;
}

int main(void)
{
        struct tally tally = {0};
        struct error error = {0};
        struct rlimit files = {20000, 20000};
        int ports[2];
        (void)setrlimit(RLIMIT_NOFILE, &files);
        if (pipe(ports) < 0)
                return 1;
        pid_t child = fork(); /* before there is a loop */
        loop = uv_default_loop();
        if (child == 0) {
                int port = 0;
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                return read(ports[0], &port, sizeof(port)) == sizeof(port) ? run_clients(port) : 1;
        }
        struct http_server_options options = {.loop = loop, .handler = on_request, .data = &tally};
        if (http_server_new(&options, &tally.server, &error) < 0 || http_server_listen(tally.server, "127.0.0.1:0", &error) < 0) {
                (void)fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        int port = http_server_port(tally.server);
        tally.cpu_start = cpu_us();
        tally.kb_start = resident_kb();
        if (write(ports[1], &port, sizeof(port)) != sizeof(port))
                return 1;
        (void)uv_run(loop, UV_RUN_DEFAULT);
        printf("server: %.1f us of CPU a connection, %.1f KB each; %.1f us a message there and back (and its share of closing)\n",
               (tally.cpu_connected - tally.cpu_start) / CLIENTS, (double)(tally.kb_connected - tally.kb_start) / CLIENTS,
               (cpu_us() - tally.cpu_connected) / (double)MAX(tally.messages, 1));
        (void)waitpid(child, NULL, 0);
        return 0;
}
