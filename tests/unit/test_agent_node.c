/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node against a control plane that the test plays, with containers that exist only in memory. */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/agent_internal.h"
#include "agent/state/record_file.h"
#include "agent_fakes.h"
#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "net/http_client.h"
#include "net/ws.h"

#define ARN "arn:aws:ecs:us-east-1:123456789012:task/lab/t1"
#define INSTANCE "arn:aws:ecs:us-east-1:123456789012:container-instance/lab/i1"

struct lab {
        uv_loop_t loop;
        struct http_server *server;
        struct ws *acs, *tcs;
        struct agent *agent;
        char dir[64];
        char url[64];
        int64_t timeline;
        /* What the node said. */
        struct buf acs_in, tcs_in, reports, registrations, logs;
        int n_reports, n_acs, n_put, n_registrations;
        /* What the control plane does. */
        int fail_reports, refuse_upgrades;
        bool no_group, refuse_old_instance;
        bool connected, stopped, refused, closed;
};

/* ---- the control plane ---- */

static void answer(struct http_request *req, int status, const char *json)
{
        http_respond(req, status, NULL, 0, json, strlen(json));
}

static void on_api(struct lab *lab, struct http_request *req, const char *operation)
{
        char endpoints[256];

        if (str_eq(operation, "RegisterContainerInstance")) {
                lab->n_registrations++;
                buf_append(&lab->registrations, req->body, req->body_len);
                if (lab->refuse_old_instance && strstr(req->body, "\"containerInstanceArn\"") != NULL)
                        answer(req, 400,
                               "{\"__type\":\"ClientException\",\"message\":\"The referenced container instance was not found.\"}");
                else
                        answer(req, 200, "{\"containerInstance\":{\"containerInstanceArn\":\"" INSTANCE "\"}}");
        } else if (str_eq(operation, "DiscoverPollEndpoint")) {
                (void)snprintf(endpoints, sizeof(endpoints), "{\"endpoint\":\"%s/acs\",\"telemetryEndpoint\":\"%s/tcs\"}", lab->url,
                               lab->url);
                answer(req, 200, endpoints);
        } else if (str_eq(operation, "SubmitTaskStateChange")) {
                if (lab->fail_reports > 0) {
                        lab->fail_reports--;
                        answer(req, 500, "{\"__type\":\"ServerException\",\"message\":\"later\"}");
                        return;
                }
                lab->n_reports++;
                buf_append(&lab->reports, req->body, req->body_len);
                buf_append_char(&lab->reports, '\n');
                answer(req, 200, "{\"acknowledgment\":\"ACK\"}");
        } else if (str_eq(operation, "CreateLogStream") && lab->no_group) {
                answer(req, 400, "{\"__type\":\"ResourceNotFoundException\",\"message\":\"The specified log group does not exist.\"}");
        } else if (str_eq(operation, "PutLogEvents")) {
                lab->n_put++;
                buf_append(&lab->logs, req->body, req->body_len);
                buf_append_char(&lab->logs, '\n');
                answer(req, 200, "{}");
        } else {
                answer(req, 200, "{}");
        }
}

static void on_message(struct ws *ws, const char *text, size_t len, void *data)
{
        struct lab *lab = data;
        struct buf *to = ws == lab->acs ? &lab->acs_in : &lab->tcs_in;

        buf_append(to, text, len);
        buf_append_char(to, '\n');
}

static void on_ws_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct lab *lab = data;

        if (ws == lab->acs)
                lab->acs = NULL;
        if (ws == lab->tcs)
                lab->tcs = NULL;
}

static void on_request(struct http_request *req, void *data)
{
        static const struct ws_callbacks callbacks = {.message = on_message, .closed = on_ws_closed};
        struct lab *lab = data;
        const char *target = http_request_header(req, "x-amz-target");

        assert_non_null(http_request_header(req, "authorization"));
        if (str_starts_with(req->path, "/acs/") && lab->refuse_upgrades > 0) {
                lab->refuse_upgrades--;
                answer(req, 503, "{\"type\":\"ServerException\",\"message\":{\"message\":\"not now\"}}");
        } else if (str_starts_with(req->path, "/acs/")) {
                assert_string_equal(http_request_query(req, "containerInstanceArn"), INSTANCE);
                assert_string_equal(http_request_query(req, "protocolVersion"), "2");
                lab->acs = ws_accept(req, NULL, &callbacks, lab);
                lab->n_acs++;
        } else if (str_starts_with(req->path, "/tcs/")) {
                lab->tcs = ws_accept(req, NULL, &callbacks, lab);
        } else {
                assert_non_null(target);
                on_api(lab, req, strchr(target, '.') + 1);
        }
}

static void say(struct lab *lab, const char *text)
{
        assert_non_null(lab->acs);
        assert_int_equal(ws_send(lab->acs, text, strlen(text)), 0);
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
}

static bool wait_for(struct lab *lab, bool (*condition)(struct lab *lab))
{
        uv_timer_t tick;
        uint64_t end = uv_hrtime() + UINT64_C(8000000000);

        uv_timer_init(&lab->loop, &tick);
        uv_timer_start(&tick, on_tick, 5, 5);
        while (!condition(lab) && uv_hrtime() < end)
                uv_run(&lab->loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&tick, NULL);
        uv_run(&lab->loop, UV_RUN_NOWAIT);
        return condition(lab);
}

static void pass(struct lab *lab, int ms)
{
        uv_timer_t tick;
        uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

        uv_timer_init(&lab->loop, &tick);
        uv_timer_start(&tick, on_tick, 5, 5);
        while (uv_hrtime() < end)
                uv_run(&lab->loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&tick, NULL);
        uv_run(&lab->loop, UV_RUN_NOWAIT);
}

static bool is_connected(struct lab *lab)
{
        return lab->connected && lab->acs != NULL && agent_is_connected(lab->agent);
}

static bool is_stopped(struct lab *lab)
{
        return lab->stopped;
}

static bool has_report(struct lab *lab)
{
        return lab->n_reports > 0;
}

static bool has_stopped_report(struct lab *lab)
{
        return lab->n_reports > 0 && strstr(lab->reports.data, "\"status\":\"STOPPED\",\"reason\"") != NULL;
}

/* ---- the node ---- */

static void on_connected(struct agent *agent, void *data)
{
        ((struct lab *)data)->connected = true;
}

static void on_refused(struct agent *agent, const struct error *error, void *data)
{
        ((struct lab *)data)->refused = true;
}

static void on_stopped(struct agent *agent, void *data)
{
        ((struct lab *)data)->stopped = true;
}

static void start_node(struct lab *lab)
{
        struct error error = {0};
        const struct agent_options options = {.loop = &lab->loop,
                                              .data_dir = lab->dir,
                                              .endpoint = lab->url,
                                              .cluster = "lab",
                                              .key_id = "AKIATEST",
                                              .secret = "secret",
                                              .metadata_port = -1,
                                              .introspection_port = -1,
                                              .total_cpu = 4096,
                                              .total_memory = 4096,
                                              .metrics_interval_s = 1,
                                              .connected = on_connected,
                                              .refused = on_refused,
                                              .data = lab};

        lab->connected = lab->stopped = false;
        if (agent_new(&options, &lab->agent, &error) < 0 || agent_start(lab->agent, &error) < 0)
                fail_msg("%s", error.message);
}

static void stop_node(struct lab *lab)
{
        agent_stop(lab->agent, on_stopped, lab);
        assert_true(wait_for(lab, is_stopped));
        lab->agent = agent_free(lab->agent);
        pass(lab, 20);
}

static int setup(void **state)
{
        struct lab *lab = xalloc(sizeof(*lab));
        const struct http_server_options options = {.loop = &lab->loop, .handler = on_request, .data = lab};
        struct error error = {0};

        uv_loop_init(&lab->loop);
        strcpy(lab->dir, "/tmp/agent-node-XXXXXX");
        assert_non_null(mkdtemp(lab->dir));
        (void)snprintf(fakes.log_dir, sizeof(fakes.log_dir), "%s", lab->dir);
        assert_int_equal(http_server_new(&options, &lab->server, &error), 0);
        assert_int_equal(http_server_listen(lab->server, "127.0.0.1:0", &error), 0);
        (void)snprintf(lab->url, sizeof(lab->url), "http://127.0.0.1:%d", http_server_port(lab->server));
        start_node(lab);
        assert_true(wait_for(lab, is_connected));
        *state = lab;
        return 0;
}

static void on_server_closed(void *data)
{
        ((struct lab *)data)->closed = true;
}

static int teardown(void **state)
{
        struct lab *lab = *state;
        struct buf *bufs[] = {&lab->acs_in, &lab->tcs_in, &lab->reports, &lab->registrations, &lab->logs};

        if (lab->agent != NULL)
                stop_node(lab);
        http_server_close(lab->server, 0, on_server_closed, lab);
        while (uv_run(&lab->loop, UV_RUN_DEFAULT) != 0)
                ;
        assert_int_equal(uv_loop_close(&lab->loop), 0);
        assert_int_equal(files_remove(AT_FDCWD, lab->dir), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
                buf_done(bufs[i]);
        free(lab);
        fakes_reset();
        return 0;
}

#define PAYLOAD(status, containers)                                                                                                      \
        "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"m1\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"" INSTANCE "\"," \
        "\"seqNum\":7,\"tasks\":[{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"3\",\"desiredStatus\":\"" status                  \
        "\",\"networkMode\":\"bridge\","                                                                                                 \
        "\"containers\":[" containers "]}]}}"
#define WEB "{\"name\":\"web\",\"image\":\"nginx\",\"portMappings\":[{\"containerPort\":80,\"protocol\":\"tcp\"}]}"
#define LOGGING                                                                                                                      \
        "{\"name\":\"web\",\"image\":\"nginx\",\"dockerConfig\":{\"hostConfig\":\"{\\\"LogConfig\\\":{\\\"Type\\\":\\\"awslogs\\\"," \
        "\\\"Config\\\":"                                                                                                            \
        "{\\\"awslogs-group\\\":\\\"g\\\",\\\"awslogs-stream\\\":\\\"s\\\"}}}\"}}"

static void run_task(struct lab *lab, const char *payload)
{
        lab->n_reports = 0;
        buf_clear(&lab->reports);
        say(lab, payload);
        assert_true(wait_for(lab, has_report));
}

/* ---- tests ---- */

static void test_registers_runs_and_stops(void **state)
{
        struct lab *lab = *state;

        assert_string_equal(agent_instance_arn(lab->agent), INSTANCE);
        assert_non_null(strstr(lab->registrations.data, "\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":4096"));
        assert_non_null(strstr(lab->registrations.data, "{\"name\":\"ecs.os-type\",\"value\":\"linux\"}"));
        assert_non_null(strstr(lab->registrations.data, "\"stringSetValue\":[\"22\",\"2375\""));
        run_task(lab, PAYLOAD("RUNNING", WEB));
        assert_non_null(strstr(lab->reports.data, "\"status\":\"RUNNING\""));
        assert_non_null(
                strstr(lab->reports.data,
                       "\"networkBindings\":[{\"bindIP\":\"0.0.0.0\",\"containerPort\":80,\"hostPort\":40000,\"protocol\":\"tcp\"}]"));
        assert_non_null(strstr(lab->reports.data, "\"imageDigest\":\"sha256:digest\""));
        assert_non_null(strstr(lab->reports.data, "\"pullStartedAt\":1"));
        pass(lab, 50);
        assert_non_null(strstr(lab->acs_in.data, "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"c\",\"containerInstance\":\"" INSTANCE
                                                 "\",\"messageId\":\"m1\"}}"));
        say(lab, PAYLOAD("STOPPED", ""));
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "\"exitCode\":143"));
        assert_int_equal(lab->n_reports, 2);
        assert_int_equal(fakes.stops, 1);
}

static void test_reports_are_tried_again(void **state)
{
        struct lab *lab = *state;

        lab->fail_reports = 2;
        run_task(lab, PAYLOAD("RUNNING", WEB));
        assert_int_equal(lab->fail_reports, 0);
        assert_int_equal(lab->n_reports, 1);
}

static void test_missing_image(void **state)
{
        struct lab *lab = *state;

        fakes.missing_image = "nginx";
        run_task(lab, PAYLOAD("RUNNING", WEB));
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "\"reason\":\"CannotPullContainerError: there is no such image\""));
        assert_null(strstr(lab->reports.data, "exitCode"));
}

/* Killed and started again: the container runs on, and what happened meanwhile is told. */
static void test_adoption(void **state)
{
        struct lab *lab = *state;

        run_task(lab, PAYLOAD("RUNNING", WEB));
        pass(lab, 200);
        stop_node(lab);
        assert_int_equal(fakes_running(), 1);
        lab->n_reports = 0;
        buf_clear(&lab->registrations);
        start_node(lab);
        assert_true(wait_for(lab, is_connected));
        assert_non_null(strstr(lab->registrations.data, "\"containerInstanceArn\":\"" INSTANCE "\""));
        assert_int_equal(fakes.starts, 1);
        assert_int_equal(fakes.removals, 0);
        stop_node(lab);
        fakes_exit("t1", 42, RUNTIME_EXITED);
        lab->n_reports = 0;
        buf_clear(&lab->reports);
        start_node(lab);
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "\"exitCode\":42"));
        assert_non_null(strstr(lab->reports.data, "\"hostPort\":40000"));
        assert_int_equal(fakes.starts, 1);
        /* And not again after one more restart. */
        pass(lab, 300);
        stop_node(lab);
        lab->n_reports = 0;
        start_node(lab);
        assert_true(wait_for(lab, is_connected));
        pass(lab, 200);
        assert_int_equal(lab->n_reports, 0);
}

static void test_reboot(void **state)
{
        struct lab *lab = *state;

        run_task(lab, PAYLOAD("RUNNING", WEB));
        pass(lab, 200);
        stop_node(lab);
        fakes_reboot();
        buf_clear(&lab->reports);
        lab->n_reports = 0;
        start_node(lab);
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "\"reason\":\"Host was rebooted.\""));
        assert_non_null(strstr(lab->reports.data, "ContainerVanishedError: the machine was rebooted"));
        assert_null(strstr(lab->reports.data, "exitCode"));
}

static void test_corrupt_state_never_blocks(void **state)
{
        struct lab *lab = *state;
        struct record_file *file = NULL;
        struct error error = {0};
        char path[128];

        run_task(lab, PAYLOAD("RUNNING", WEB));
        pass(lab, 200);
        stop_node(lab);
        (void)snprintf(path, sizeof(path), "%s/state", lab->dir);
        assert_int_equal(record_file_open(path, &file, &error), 0);
        record_file_put(file, "tasks/t1/task", "{\"v\":99}", 8);
        record_file_put(file, "agent", "garbage", 7);
        assert_int_equal(record_file_commit(file, false), 0);
        record_file_close(file);
        start_node(lab);
        assert_true(wait_for(lab, is_connected));
        assert_int_equal(fakes.removals, 1); /* nobody knows the container any more */
        (void)snprintf(path, sizeof(path), "%s/aside", lab->dir);
        DIR *d = opendir(path);
        int n = 0;
        for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
                n += e->d_name[0] != '.';
        closedir(d);
        assert_int_equal(n, 2);
}

#define UNIQUE(id)                                                                                                                      \
        "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"m" id "\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"" INSTANCE \
        "\",\"seqNum\":7,\"tasks\":[{\"arn\":\"" ARN "\",\"desiredStatus\":\"RUNNING\",\"unique\":true,\"containers\":[" WEB "]}]}}"

static bool is_cut_off(struct lab *lab)
{
        return lab->agent->acs.fence.cut_off;
}

static void lose_server(struct lab *lab)
{
        http_server_close(lab->server, 0, on_server_closed, lab);
        if (lab->acs != NULL)
                ws_abort(lab->acs);
        if (lab->tcs != NULL)
                ws_abort(lab->tcs);
        while (!lab->closed)
                uv_run(&lab->loop, UV_RUN_ONCE);
}

static void find_server(struct lab *lab)
{
        const struct http_server_options options = {.loop = &lab->loop, .handler = on_request, .data = lab};
        struct error error = {0};

        lab->closed = false;
        assert_int_equal(http_server_new(&options, &lab->server, &error), 0);
        assert_int_equal(http_server_listen(lab->server, lab->url + strlen("http://"), &error), 0);
}

/* The port refuses connections: with one server nobody has taken over, with several that is no proof. */
static void test_server_is_gone(void **state)
{
        struct lab *lab = *state;

        say(lab, "{\"type\":\"LeaseMessage\",\"message\":{\"leaseMs\":1000,\"onlyServer\":true}}");
        run_task(lab, UNIQUE("1"));
        lose_server(lab);
        pass(lab, 1500);
        assert_false(is_cut_off(lab));
        /* the terms outlive the process */
        stop_node(lab);
        start_node(lab);
        pass(lab, 1500);
        assert_int_equal(lab->agent->acs.fence.lease_ms, 1000);
        assert_false(is_cut_off(lab));
        assert_int_equal(fakes_running(), 1);
        find_server(lab);
        assert_true(wait_for(lab, is_connected));
        say(lab, "{\"type\":\"LeaseMessage\",\"message\":{\"leaseMs\":1000,\"onlyServer\":false}}");
        pass(lab, 1500);
        assert_false(is_cut_off(lab));
        lose_server(lab);
        stop_node(lab);
        start_node(lab);
        assert_true(wait_for(lab, is_cut_off));
        assert_int_equal(fakes_running(), 0);
        /* and what became of them is told */
        lab->n_reports = 0;
        buf_clear(&lab->reports);
        find_server(lab);
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "cut off from the server"));
}

static void test_says_goodbye(void **state)
{
        struct lab *lab = *state;

        buf_clear(&lab->acs_in);
        stop_node(lab);
        assert_non_null(strstr(lab->acs_in.data, "{\"type\":\"AgentStoppingMessage\""));
}

static bool reconnected(struct lab *lab)
{
        return lab->n_acs == 2 && is_connected(lab);
}

static void test_reconnects(void **state)
{
        struct lab *lab = *state;

        lab->refuse_upgrades = 2;
        ws_abort(lab->acs);
        assert_true(wait_for(lab, reconnected));
        run_task(lab, PAYLOAD("RUNNING", WEB));
}

static void test_registers_anew_when_forgotten(void **state)
{
        struct lab *lab = *state;

        stop_node(lab);
        lab->refuse_old_instance = true;
        lab->n_registrations = 0;
        start_node(lab);
        assert_true(wait_for(lab, is_connected));
        assert_int_equal(lab->n_registrations, 2);
        assert_false(lab->refused);
}

static bool has_both_lines(struct lab *lab)
{
        return lab->logs.len > 0 && strstr(lab->logs.data, "line two") != NULL;
}

static bool has_last_line(struct lab *lab)
{
        return lab->logs.len > 0 && strstr(lab->logs.data, "last words") != NULL;
}

static void test_logs_are_shipped(void **state)
{
        struct lab *lab = *state;

        run_task(lab, PAYLOAD("RUNNING", LOGGING));
        fakes_log("t1", "line one");
        fakes_log("t1", "line two");
        assert_true(wait_for(lab, has_both_lines));
        assert_non_null(strstr(lab->logs.data, "{\"timestamp\":1767225600123,\"message\":\"line one\"}"));
        assert_non_null(strstr(lab->logs.data, "\"logGroupName\":\"g\",\"logStreamName\":\"s\""));
        pass(lab, 300);
        stop_node(lab);
        buf_clear(&lab->logs);
        /* While no agent runs. */
        fakes_log("t1", "last words");
        fakes_exit("t1", 0, RUNTIME_EXITED);
        start_node(lab);
        assert_true(wait_for(lab, has_last_line));
        assert_null(strstr(lab->logs.data, "line two"));
}

static void test_missing_log_group(void **state)
{
        struct lab *lab = *state;

        lab->no_group = true;
        run_task(lab, PAYLOAD("RUNNING", LOGGING));
        assert_true(wait_for(lab, has_stopped_report));
        assert_non_null(strstr(lab->reports.data, "ResourceInitializationError: failed to initialize logging driver: "));
        assert_non_null(strstr(lab->reports.data, "The specified log group does not exist."));
        assert_int_equal(fakes.starts, 0);
}

static bool has_metrics(struct lab *lab)
{
        return lab->tcs_in.len > 0 && strstr(lab->tcs_in.data, "\"memoryStatsSet\"") != NULL;
}

static void test_metrics(void **state)
{
        struct lab *lab = *state;

        run_task(lab, PAYLOAD("RUNNING", WEB));
        assert_true(wait_for(lab, has_metrics));
        assert_true(str_starts_with(lab->tcs_in.data, "Host: 127.0.0.1:"));
        assert_non_null(strstr(lab->tcs_in.data, "\r\n\r\n{\"type\":\"PublishMetricsRequest\""));
        assert_non_null(strstr(lab->tcs_in.data, "\"idle\":true"));
        assert_non_null(strstr(lab->tcs_in.data, "{\"type\":\"ContainerRuntime\",\"status\":\"OK\""));
}

/* ---- metadata ---- */

struct fetched {
        int status;
        struct buf body;
        bool done;
};

static void on_fetched(struct http_call *call, const struct http_result *result, void *data)
{
        struct fetched *f = data;

        f->status = result->status;
        buf_clear(&f->body);
        buf_append(&f->body, result->body != NULL ? result->body : "", result->len);
        f->done = true;
}

static void fetch(struct lab *lab, const char *path, struct fetched *f)
{
        struct http_client *client = http_client_new(&lab->loop, &(struct http_client_options){0});
        char url[256];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", agent_metadata_port(lab->agent), path);
        f->done = false;
        (void)http_client_call(client, &(struct http_call_options){.method = "GET", .url = url, .done = on_fetched, .data = f});
        while (!f->done)
                uv_run(&lab->loop, UV_RUN_ONCE);
        http_client_free(client);
}

/* A Fargate task is told of itself only: not to whoever has another address, even with the right ids. */
static void check_own_only(struct lab *lab, struct engine_task *t, struct fetched *f)
{
        struct engine_container *c = &t->containers[0];
        char path[128];

        (void)snprintf(path, sizeof(path), "/v4/%s/task", c->endpoint_id);
        ((struct acs_task *)(uintptr_t)t->payload)->launch_type = "FARGATE";
        for (int own = 0; own <= 1; own++) {
                free(c->address);
                c->address = xstrdup(own ? "127.0.0.1" : "172.31.0.9");
                fetch(lab, path, f);
                assert_int_equal(f->status, own ? 200 : 404);
                fetch(lab, "/v2/credentials/cid", f);
                assert_int_equal(f->status, own ? 200 : 400);
        }
}

static void test_metadata(void **state)
{
        struct lab *lab = *state;
        struct fetched f = {0};
        char path[128];

        run_task(lab,
                 "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"m1\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"" INSTANCE
                 "\",\"seqNum\":7,"
                 "\"tasks\":[{\"arn\":\"" ARN "\",\"family\":\"web\",\"version\":\"3\",\"desiredStatus\":\"RUNNING\",\"containers\":[" WEB
                 "],"
                 "\"roleCredentials\":{\"credentialsId\":\"cid\",\"roleArn\":\"role\",\"accessKeyId\":\"ak\",\"secretAccessKey\":\"sk\","
                 "\"sessionToken\":\"st\"}}]}}");
        const struct engine_task *t = engine_find(&lab->agent->engine, ARN);
        (void)snprintf(path, sizeof(path), "/v4/%s/task", t->containers[0].endpoint_id);
        fetch(lab, path, &f);
        assert_int_equal(f.status, 200);
        assert_non_null(strstr(f.body.data,
                               "\"TaskARN\":\"" ARN
                               "\",\"Family\":\"web\",\"Revision\":\"3\",\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":\"RUNNING\""));
        assert_non_null(
                strstr(f.body.data, "\"Ports\":[{\"ContainerPort\":80,\"Protocol\":\"tcp\",\"HostPort\":40000,\"HostIp\":\"0.0.0.0\"}]"));
        fetch(lab, "/v4/nobody", &f);
        assert_int_equal(f.status, 404);
        fetch(lab, "/v2/credentials/cid", &f);
        assert_string_equal(f.body.data, "{\"RoleArn\":\"role\",\"AccessKeyId\":\"ak\",\"SecretAccessKey\":\"sk\",\"Token\":\"st\"}");
        fetch(lab, "/v2/credentials/other", &f);
        assert_int_equal(f.status, 400);
        assert_non_null(strstr(f.body.data, "\"code\":\"InvalidIdInRequest\""));
        fetch(lab, "/v2/credentials/", &f);
        assert_non_null(strstr(f.body.data, "NoIdInRequest"));
        (void)snprintf(path, sizeof(path), "/api/%s/fault/v1/network-latency/start", t->containers[0].endpoint_id);
        fetch(lab, path, &f);
        assert_int_equal(f.status, 400);
        assert_string_equal(f.body.data, "{\"Error\":\"fault injection is not available on this node\"}");
        fetch(lab, "/v2/stats", &f); /* by the caller's address, which the fake network gives to the container */
        assert_int_equal(f.status, 200);
        check_own_only(lab, engine_find(&lab->agent->engine, ARN), &f);
        for (int i = 0; i < 80 && f.status != 429; i++)
                fetch(lab, "/v4/nobody", &f);
        assert_int_equal(f.status, 429);
        buf_done(&f.body);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_registers_runs_and_stops, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reports_are_tried_again, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing_image, setup, teardown),
                cmocka_unit_test_setup_teardown(test_adoption, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reboot, setup, teardown),
                cmocka_unit_test_setup_teardown(test_corrupt_state_never_blocks, setup, teardown),
                cmocka_unit_test_setup_teardown(test_server_is_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_says_goodbye, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reconnects, setup, teardown),
                cmocka_unit_test_setup_teardown(test_registers_anew_when_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(test_logs_are_shipped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing_log_group, setup, teardown),
                cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
                cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
        };

        log_setup(getenv("GANTRY_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
