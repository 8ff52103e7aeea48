/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane with simulated agents, everything over real sockets: a child process is the server (SQLite, signatures
 * checked, commits durable), this process is N agents on websockets and the clients.
 *
 *     bench_agents [AGENTS [TASKS [LONE]]]
 *
 * Prints how long one task takes from RunTask to the acknowledged report RUNNING (LONE of them, one after the other), how long
 * TASKS tasks take that are asked for ten at a time over four connections, and what the server used.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "api/agent/agents.h"
#include "api/keys.h"
#include "api/server.h"
#include "base/alloc.h"
#include "base/log.h"
#include "codec/sigv4.h"
#include "net/http_server.h"
#include "net/ws.h"
#include "sched/sched.h"
#include "store/store.h"

#define CLIENTS 4
#define WINDOW 64 /* requests on the way on one connection of a client */

/* ---- The server, in the child ---- */

struct server {
        uv_loop_t loop;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct agents *agents;
        struct api *api;
        struct http_server *http;
        uv_signal_t signal;
};

/* What the child tells the parent. */
struct hello {
        char key[64], secret[64];
        int port;
};

static void die(const char *what, const struct error *error)
{
        fprintf(stderr, "%s: %s\n", what, error->message);
        exit(1);
}

static void on_signal(uv_signal_t *handle, int signum)
{
        struct server *s = handle->data;

        (void)signum;
        agents_close(s->agents);
        http_server_close(s->http, 200, NULL, NULL);
        uv_close((uv_handle_t *)handle, NULL);
        uv_stop(&s->loop);
}

static void say_hello(struct server *s, int fd)
{
        const struct access_key *admin, *agent;
        struct error error = {0};
        struct hello hello = {0};

        if (api_bootstrap_keys(s->model, &admin, &agent, &error) < 0)
                die("keys", &error);
        snprintf(hello.key, sizeof(hello.key), "%s", admin->state->id);
        snprintf(hello.secret, sizeof(hello.secret), "%s", admin->state->secret);
        hello.port = http_server_port(s->http);
        if (write(fd, &hello, sizeof(hello)) != sizeof(hello))
                exit(1);
}

static void run_server(const char *dir, int fd)
{
        static struct server server;
        struct server *s = &server;
        struct error error = {0};
        struct api_options options = {.loop = &s->loop, .public_url = "http://127.0.0.1"};

        uv_loop_init(&s->loop);
        if (store_sqlite_open(dir, &s->store, &error) < 0)
                die("store", &error);
        if (model_open(s->store, env_system(), &s->loop, "123456789012", "us-east-1", &s->model, &error) < 0)
                die("model", &error);
        s->sched = sched_new(s->model);
        options.model = s->model;
        options.sched = s->sched;
        s->api = api_new(&options);
        s->agents = agents_new(&(struct agents_options){.model = s->model, .loop = &s->loop});
        agents_serve(s->agents, s->api);
        if (http_server_new(&(struct http_server_options){.loop = &s->loop, .handler = api_handle, .reject = api_reject, .data = s->api},
                            &s->http, &error) < 0 ||
            http_server_listen(s->http, "127.0.0.1:0", &error) < 0)
                die("listen", &error);
        uv_signal_init(&s->loop, &s->signal);
        s->signal.data = s;
        uv_signal_start(&s->signal, on_signal, SIGTERM);
        say_hello(s, fd);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        _exit(0);
}

/* ---- A connection with pipelined, signed calls ---- */

struct bench;
struct call;
typedef void (*call_fn)(struct call *call, const char *body, size_t len);

struct call {
        struct list link;
        struct bench *bench;
        call_fn done;
        void *data;
        uint64_t started_us;
};

struct conn {
        struct bench *bench;
        uv_tcp_t tcp;
        uv_connect_t connect;
        struct buf in, out;
        struct list calls;
        bool connected, writing;
        size_t n_calls;
};

struct agent_sim {
        struct bench *bench;
        struct conn conn;
        struct ws *ws;
        char arn[160];
        bool ready;
};

struct bench {
        uv_loop_t loop;
        struct hello hello;
        char host[32];
        int n_agents, n_tasks, n_lone;
        struct agent_sim *agents;
        struct conn clients[CLIENTS];
        int registered, ready;
        int asked, placed, running, failed; /* tasks */
        uint64_t *lone_us;
        int n_done;
        uint64_t started_us, first_us, asked_us;
        enum { PHASE_JOIN, PHASE_LONE, PHASE_MANY, PHASE_END } phase;
        pid_t server;
};

static uint64_t now_us(void)
{
        return uv_hrtime() / 1000;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
        static char memory[65536];

        (void)handle;
        (void)size;
        *buf = uv_buf_init(memory, sizeof(memory));
}

/* One whole answer at the start of `in`, or false. */
static bool take_answer(struct conn *conn)
{
        struct call *call = list_first(&conn->calls, struct call, link);
        char *end = conn->in.len > 0 ? memmem(conn->in.data, conn->in.len, "\r\n\r\n", 4) : NULL;
        char *length;
        size_t head, body;

        if (!end || !call)
                return false;
        length = strcasestr(conn->in.data, "content-length:");
        head = (size_t)(end + 4 - conn->in.data);
        body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
        if (conn->in.len < head + body)
                return false;
        if (strncmp(conn->in.data, "HTTP/1.1 200", 12) != 0) {
                fprintf(stderr, "%.*s\n", (int)(head + body), conn->in.data);
                exit(1);
        }
        list_remove(&call->link);
        conn->n_calls--;
        call->done(call, conn->in.data + head, body);
        buf_consume(&conn->in, head + body);
        free(call);
        return true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct conn *conn = stream->data;

        if (n < 0) {
                fprintf(stderr, "connection ended: %s\n", uv_strerror((int)n));
                exit(1);
        }
        buf_append(&conn->in, data->base, (size_t)n);
        while (take_answer(conn))
                ;
}

struct write {
        uv_write_t req;
        struct conn *conn;
        char *data;
};

static void conn_flush(struct conn *conn);

static void on_written(uv_write_t *req, int status)
{
        struct write *w = (struct write *)req;
        struct conn *conn = w->conn;

        (void)status;
        free(w->data);
        free(w);
        conn->writing = false;
        conn_flush(conn);
}

static void conn_flush(struct conn *conn)
{
        struct write *w;
        uv_buf_t data;

        if (!conn->connected || conn->writing || conn->out.len == 0)
                return;
        w = xalloc(sizeof(*w));
        w->conn = conn;
        data.len = conn->out.len;
        data.base = w->data = buf_take(&conn->out);
        conn->writing = true;
        uv_write(&w->req, (uv_stream_t *)&conn->tcp, &data, 1, on_written);
}

static void on_connect(uv_connect_t *req, int status)
{
        struct conn *conn = req->data;

        if (status < 0)
                exit(1);
        conn->connected = true;
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
        conn_flush(conn);
}

static void conn_open(struct bench *b, struct conn *conn)
{
        struct sockaddr_in address;

        conn->bench = b;
        list_init(&conn->calls);
        uv_ip4_addr("127.0.0.1", b->hello.port, &address);
        uv_tcp_init(&b->loop, &conn->tcp);
        uv_tcp_nodelay(&conn->tcp, 1);
        conn->tcp.data = conn;
        conn->connect.data = conn;
        uv_tcp_connect(&conn->connect, &conn->tcp, (const struct sockaddr *)&address, on_connect);
}

static void conn_call(struct conn *conn, const char *operation, const char *body, call_fn done, void *data)
{
        struct bench *b = conn->bench;
        struct sigv4_credentials credentials = {.key_id = b->hello.key, .secret = b->hello.secret};
        CLEANUP_ARENA struct arena arena = {0};
        struct call *call = xalloc(sizeof(*call));
        const char *authorization;
        char timestamp[17], target[128];

        *call = (struct call){.bench = b, .done = done, .data = data, .started_us = now_us()};
        sigv4_timestamp(env_now_ms(env_system()), timestamp);
        snprintf(target, sizeof(target), "AmazonEC2ContainerServiceV20141113.%s", operation);
        struct sigv4_header headers[] = {{"Host", b->host}, {"X-Amz-Date", timestamp}, {"X-Amz-Target", target}};
        struct sigv4_request request = {
                .method = "POST", .path = "/", .query = "", .headers = headers, .n_headers = 3, .body = body, .body_len = strlen(body)};

        sigv4_sign(&request, &credentials, "us-east-1", "ecs", timestamp, &arena, &authorization);
        buf_printf(&conn->out,
                   "POST / HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nX-Amz-Target: %s\r\nContent-Type: application/x-amz-json-1.1\r\n"
                   "Authorization: %s\r\nContent-Length: %zu\r\n\r\n%s",
                   b->host, timestamp, target, authorization, strlen(body), body);
        list_push(&conn->calls, &call->link);
        conn->n_calls++;
        conn_flush(conn);
}

/* ---- Agents ---- */

static void next_step(struct bench *b);

static void on_reported(struct call *call, const char *body, size_t len)
{
        struct bench *b = call->bench;

        (void)body;
        (void)len;
        b->running++;
        if (b->phase == PHASE_LONE) {
                b->lone_us[b->n_done++] = now_us() - b->first_us;
                next_step(b);
        } else if (b->phase == PHASE_MANY && b->running == b->n_tasks) {
                next_step(b);
        }
}

static void report(struct agent_sim *agent, const char *arn, size_t len)
{
        char body[512];

        snprintf(body, sizeof(body),
                 "{\"cluster\":\"lab\",\"task\":\"%.*s\",\"status\":\"RUNNING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"web\","
                 "\"runtimeId\":\"0123456789abcdef\",\"status\":\"RUNNING\"}]}",
                 (int)len, arn);
        conn_call(&agent->conn, "SubmitTaskStateChange", body, on_reported, agent);
}

static void acknowledge(struct agent_sim *agent, const char *text)
{
        const char *id = strstr(text, "\"messageId\":\"");
        char out[256];
        int len;

        if (!id)
                return;
        len = snprintf(out, sizeof(out), "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"lab\",\"messageId\":\"%.36s\"}}", id + 13);
        (void)ws_send(agent->ws, out, (size_t)len);
}

static void on_message(struct ws *ws, const char *text, size_t len, void *data)
{
        static const char task[] = "{\"arn\":\"";
        struct agent_sim *agent = data;
        const char *at = text;

        (void)ws;
        (void)len;
        if (strstr(text, "HeartbeatMessage"))
                return;
        acknowledge(agent, text);
        if (!agent->ready && strstr(text, "TaskManifestMessage")) {
                agent->ready = true;
                if (++agent->bench->ready == agent->bench->n_agents)
                        next_step(agent->bench);
        }
        while ((at = strstr(at, task)) != NULL) {
                at += sizeof(task) - 1;
                report(agent, at, strcspn(at, "\""));
        }
}

static void on_closed(struct ws *ws, int code, const char *reason, void *data)
{
        (void)ws;
        (void)data;
        fprintf(stderr, "agent's connection ended: %d %s\n", code, reason);
        exit(1);
}

static void on_ws(struct ws *ws, int status, const char *body, size_t len, void *data)
{
        (void)ws;
        (void)data;
        if (status == 101)
                return;
        fprintf(stderr, "upgrade refused: %d %.*s\n", status, (int)len, body);
        exit(1);
}

static void connect_agent(struct agent_sim *agent)
{
        struct bench *b = agent->bench;
        struct sigv4_credentials credentials = {.key_id = b->hello.key, .secret = b->hello.secret};
        CLEANUP_ARENA struct arena arena = {0};
        const char *query, *authorization;
        struct error error = {0};
        char timestamp[17];

        query = arena_printf(&arena,
                             "agentHash=x&agentVersion=1.0.0&clusterArn=lab&containerInstanceArn=%s&dockerVersion=x&protocolVersion=2&"
                             "sendCredentials=true&seqNum=1",
                             agent->arn);
        sigv4_timestamp(env_now_ms(env_system()), timestamp);
        struct sigv4_header headers[] = {{"Host", b->host}, {"X-Amz-Date", timestamp}};
        struct sigv4_request request = {.method = "GET", .path = "/acs/ws", .query = query, .headers = headers, .n_headers = 2, .body = ""};

        sigv4_sign(&request, &credentials, "us-east-1", "ecs", timestamp, &arena, &authorization);
        struct http_header extra[] = {{"X-Amz-Date", timestamp}, {"Authorization", authorization}};
        struct ws_connect_options options = {
                .loop = &b->loop,
                .url = arena_printf(&arena, "ws://%s/acs/ws?%s", b->host, query),
                .headers = extra,
                .n_headers = 2,
                .callbacks = {.message = on_message, .closed = on_closed},
                .data = agent,
                .connected = on_ws,
        };

        agent->ws = ws_connect(&options, &error);
        if (!agent->ws)
                die("connect", &error);
}

static void on_registered(struct call *call, const char *body, size_t len)
{
        struct agent_sim *agent = call->data;
        const char *arn = memmem(body, len, "\"containerInstanceArn\":\"", 24);

        arn += 24;
        snprintf(agent->arn, sizeof(agent->arn), "%.*s", (int)strcspn(arn, "\""), arn);
        /* colons and slashes may stand in a query as they are, but the signature wants them encoded */
        CLEANUP_BUF struct buf encoded = {0};
        for (const char *c = agent->arn; *c; c++)
                if (*c == ':' || *c == '/')
                        buf_printf(&encoded, "%%%02X", *c);
                else
                        buf_append_char(&encoded, *c);
        snprintf(agent->arn, sizeof(agent->arn), "%s", encoded.data);
        connect_agent(agent);
}

static void join(struct bench *b)
{
        for (int i = 0; i < b->n_agents; i++) {
                struct agent_sim *agent = &b->agents[i];

                agent->bench = b;
                conn_open(b, &agent->conn);
                conn_call(&agent->conn, "RegisterContainerInstance",
                          "{\"cluster\":\"lab\",\"attributes\":[{\"name\":\"com.amazonaws.ecs.capability.docker-remote-api.1.18\"}],"
                          "\"totalResources\":["
                          "{\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":10000000},"
                          "{\"name\":\"MEMORY\",\"type\":\"INTEGER\",\"integerValue\":10000000}]}",
                          on_registered, agent);
        }
}

/* ---- Clients ---- */

static void ask_more(struct bench *b, struct conn *conn);

static void on_asked(struct call *call, const char *body, size_t len)
{
        struct bench *b = call->bench;

        for (const char *at = body; (at = memmem(at, len - (size_t)(at - body), "\"desiredStatus\"", 15)) != NULL; at++)
                b->placed++;
        if (b->phase == PHASE_MANY) {
                if (b->placed == b->n_tasks)
                        b->asked_us = now_us() - b->started_us;
                ask_more(b, call->data);
        }
}

static void ask_more(struct bench *b, struct conn *conn)
{
        while (b->asked < b->n_tasks && conn->n_calls < WINDOW) {
                int count = MIN(10, b->n_tasks - b->asked);
                char body[128];

                b->asked += count;
                snprintf(body, sizeof(body), "{\"cluster\":\"lab\",\"taskDefinition\":\"web\",\"count\":%d}", count);
                conn_call(conn, "RunTask", body, on_asked, conn);
        }
}

static int compare(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static long server_memory_kib(struct bench *b)
{
        char path[64], line[128];
        long kib = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/status", b->server);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "VmRSS: %ld", &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib;
}

static void next_step(struct bench *b)
{
        if (b->phase == PHASE_JOIN) {
                printf("%d agents joined in %.1f ms, server at %ld KiB\n", b->n_agents, (double)(now_us() - b->started_us) / 1000,
                       server_memory_kib(b));
                b->phase = PHASE_LONE;
        }
        if (b->phase == PHASE_LONE && b->n_done < b->n_lone) {
                b->first_us = now_us();
                conn_call(&b->clients[0], "RunTask", "{\"cluster\":\"lab\",\"taskDefinition\":\"web\"}", on_asked, &b->clients[0]);
                return;
        }
        if (b->phase == PHASE_LONE) {
                if (b->n_lone > 0) {
                        qsort(b->lone_us, (size_t)b->n_lone, sizeof(*b->lone_us), compare);
                        printf("one task, RunTask to RUNNING acknowledged: p50 %.2f ms, p99 %.2f ms (%d times)\n",
                               (double)b->lone_us[b->n_lone / 2] / 1000, (double)b->lone_us[b->n_lone * 99 / 100] / 1000, b->n_lone);
                }
                b->phase = PHASE_MANY;
                b->placed = b->running = 0;
                b->started_us = now_us();
                for (int i = 0; i < CLIENTS; i++)
                        ask_more(b, &b->clients[i]);
                return;
        }
        printf("%d tasks on %d agents: all asked for after %.1f ms, all RUNNING after %.1f ms (%.0f/s), server at %ld KiB\n", b->n_tasks,
               b->n_agents, (double)b->asked_us / 1000, (double)(now_us() - b->started_us) / 1000,
               b->n_tasks * 1e6 / (double)(now_us() - b->started_us), server_memory_kib(b));
        uv_stop(&b->loop);
}

static void on_ready(struct call *call, const char *body, size_t len)
{
        (void)body;
        (void)len;
        call->bench->started_us = now_us();
        join(call->bench);
}

static void on_nothing(struct call *call, const char *body, size_t len)
{
        (void)call;
        (void)body;
        (void)len;
}

static void run_clients(struct bench *b)
{
        snprintf(b->host, sizeof(b->host), "127.0.0.1:%d", b->hello.port);
        uv_loop_init(&b->loop);
        for (int i = 0; i < CLIENTS; i++)
                conn_open(b, &b->clients[i]);
        conn_call(&b->clients[0], "CreateCluster", "{\"clusterName\":\"lab\"}", on_nothing, NULL);
        conn_call(&b->clients[0], "RegisterTaskDefinition",
                  "{\"family\":\"web\",\"containerDefinitions\":[{\"name\":\"web\",\"image\":\"busybox\",\"cpu\":10,\"memory\":16,"
                  "\"command\":[\"sleep\",\"1000\"]}]}",
                  on_ready, NULL);
        uv_run(&b->loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
        char dir[] = "/tmp/bench-agents-XXXXXX", command[64];
        struct bench bench = {.n_agents = argc > 1 ? atoi(argv[1]) : 50,
                              .n_tasks = argc > 2 ? atoi(argv[2]) : 5000,
                              .n_lone = argc > 3 ? atoi(argv[3]) : 200};
        struct rusage usage;
        int fds[2];

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (!mkdtemp(dir) || pipe(fds) < 0)
                return 1;
        bench.server = fork();
        if (bench.server == 0)
                run_server(dir, fds[1]);
        if (read(fds[0], &bench.hello, sizeof(bench.hello)) != sizeof(bench.hello))
                return 1;
        bench.agents = xcalloc((size_t)bench.n_agents, sizeof(*bench.agents));
        bench.lone_us = xcalloc((size_t)bench.n_lone + 1, sizeof(*bench.lone_us));
        run_clients(&bench);
        kill(bench.server, SIGTERM);
        wait4(bench.server, NULL, 0, &usage);
        printf("server: %.2f s user, %.2f s system\n", (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
               (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command) != 0;
}
