/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server with a SQLite store and 10,000 tasks, for wrk: signed requests, signatures checked, writes durable. It writes one
 * script per operation (DIR/OPERATION.lua) with a request that is signed once and good for five minutes. On SIGTERM it prints the
 * CPU time per request.
 *
 *     bench_api DIR &  wrk -t1 -c64 -d5 -s DIR/DescribeTasks.lua http://127.0.0.1:PORT/
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/keys.h"
#include "api/server.h"
#include "base/log.h"
#include "codec/sigv4.h"
#include "net/http_server.h"
#include "store/store.h"

#define TASKS 10000

struct bench {
        uv_loop_t *loop;
        struct store *store;
        struct model *model;
        struct api *api;
        struct http_server *server;
        const struct access_key *admin, *agent;
        struct arena arena;
        const char *dir;
        char host[32];
        struct rusage before;
};

static double cpu_us(const struct rusage *u)
{
        return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void on_signal(uv_signal_t *handle, int signum)
{
        struct bench *b = handle->data;
        struct http_server_stats stats = http_server_get_stats(b->server);
        struct rusage now;

        (void)signum;
        (void)getrusage(RUSAGE_SELF, &now);
        printf("%llu requests, %.2f us of CPU each, %ld KiB resident at most\n", (unsigned long long)stats.requests,
               stats.requests > 0 ? (cpu_us(&now) - cpu_us(&b->before)) / (double)stats.requests : 0, now.ru_maxrss);
        uv_close((uv_handle_t *)handle, NULL);
        http_server_close(b->server, 1000, NULL, NULL);
}

static int run_operation(struct bench *b, const char *operation, const char *json)
{
        CLEANUP_BUF struct buf out = {0};
        int status = api_run(b->api, "ecs", operation, NULL, json, &out);

        if (status != 200)
                fprintf(stderr, "%s: %d %s\n", operation, status, out.data);
        return status == 200 ? 0 : -1;
}

static void add_tasks(struct bench *b)
{
        struct tx *tx = tx_begin(b->model);

        for (int i = 0; i < TASKS; i++) {
                struct state_container container = {
                        .name = "c", .status = STATE_CONTAINER_STATUS_RUNNING, .id = "b2f1c9d2-6a49-4b1f-9c60-3f3f0a4f9a11"};
                struct state_task task = {
                        .cluster = "default",
                        .family = "web",
                        .group = "family:web",
                        .launch_type = ECS_LAUNCH_TYPE_EC2,
                        .last_status = STATE_TASK_STATUS_RUNNING,
                        .desired_status = STATE_TASK_STATUS_RUNNING,
                        .created_at = 1767225600000,
                        .started_at = 1767225601000,
                        .containers = {&container, 1},
                };

                task.id = arena_printf(&b->arena, "%032x", i);
                SHAPE_SET(&task, state_task, revision, 1);
                SHAPE_SET(&task, state_task, version, 3);
                (void)tx_insert(tx, OBJECT_TASK, &task);
        }
        (void)tx_commit(tx);
}

static int write_script(struct bench *b, const char *operation, const char *body)
{
        const char *target = arena_printf(&b->arena, "AmazonEC2ContainerServiceV20141113.%s", operation), *authorization;
        char timestamp[17];
        FILE *file = fopen(arena_printf(&b->arena, "%s/%s.lua", b->dir, operation), "w");

        if (file == NULL)
                return -1;
        sigv4_timestamp(env_now_ms(env_system()) + 240000, timestamp); /* a little ahead: the longest that it can be good for */
        struct sigv4_header headers[] = {
                {"Host", b->host}, {"X-Amz-Date", timestamp}, {"X-Amz-Target", target}, {"Content-Type", "application/x-amz-json-1.1"}};
        struct sigv4_request request = {.method = "POST",
                                        .path = "/",
                                        .query = "",
                                        .headers = headers,
                                        .n_headers = ARRAY_SIZE(headers),
                                        .body = body,
                                        .body_len = strlen(body)};
        sigv4_sign(&request, &(struct sigv4_credentials){.key_id = b->admin->state->id, .secret = b->admin->state->secret}, "us-east-1",
                   "ecs", timestamp, &b->arena, &authorization);
        fprintf(file, "wrk.method = \"POST\"\nwrk.body = [[%s]]\nwrk.headers[\"Authorization\"] = \"%s\"\n", body, authorization);
        for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
                fprintf(file, "wrk.headers[\"%s\"] = \"%s\"\n", headers[i].name, headers[i].value);
        return fclose(file);
}

static int prepare(struct bench *b)
{
        if (run_operation(b, "CreateCluster", "{}") < 0 ||
            run_operation(b, "RegisterTaskDefinition",
                          "{\"family\":\"web\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"x\",\"memory\":64}]}") < 0)
                return -1;
        add_tasks(b);
        return write_script(b, "ListClusters", "{}") +
               write_script(b, "DescribeTasks", "{\"tasks\":[\"000000000000000000000000000003e8\"]}") +
               write_script(b, "TagResource",
                            "{\"resourceArn\":\"arn:aws:ecs:us-east-1:123456789012:cluster/"
                            "default\",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}") +
               write_script(b, "RegisterTaskDefinition",
                            "{\"family\":\"bench\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"x\",\"memory\":64,"
                            "\"portMappings\":[{\"containerPort\":80}],\"environment\":[{\"name\":\"A\",\"value\":\"b\"}]}]}");
}

static int start(struct bench *b, struct error *error)
{
        int r = store_sqlite_open(b->dir, &b->store, error);

        if (r == 0)
                r = model_open(b->store, env_system(), b->loop, "123456789012", "us-east-1", &b->model, error);
        if (r == 0)
                r = api_bootstrap_keys(b->model, &b->admin, &b->agent, error);
        if (r < 0)
                return r;
        b->api = api_new(&(struct api_options){.loop = b->loop, .model = b->model});
        r = http_server_new(&(struct http_server_options){.loop = b->loop, .handler = api_handle, .reject = api_reject, .data = b->api},
                            &b->server, error);
        if (r == 0)
                r = http_server_listen(b->server, "127.0.0.1:0", error);
        if (r < 0)
                return r;
        b->api->http = b->server;
        (void)snprintf(b->host, sizeof(b->host), "127.0.0.1:%d", http_server_port(b->server));
        return prepare(b);
}

int main(int argc, char **argv)
{
        struct bench b = {.loop = uv_default_loop(), .dir = argc > 1 ? argv[1] : "bench-api"};
        struct error error = {0};
        uv_signal_t signal;

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        (void)mkdir(b.dir, 0700);
        if (start(&b, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        printf("port %d\n", http_server_port(b.server));
        (void)fflush(stdout);
        (void)getrusage(RUSAGE_SELF, &b.before);
        uv_signal_init(b.loop, &signal);
        signal.data = &b;
        uv_signal_start(&signal, on_signal, SIGTERM);
        uv_run(b.loop, UV_RUN_DEFAULT);
        api_free(b.api);
        model_close(b.model);
        store_close(b.store);
        arena_done(&b.arena);
        return 0;
}
