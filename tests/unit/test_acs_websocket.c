/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents on real websockets against the whole server: signed upgrades, refusals in the form that the stock agent reads, pings,
 * several tasks of one turn in one message, silence, the server's end.
 */
#include <uv.h>

#include "api/agent/session.h"
#include "api/keys.h"
#include "base/log.h"
#include "base/strutil.h"
#include "codec/sigv4.h"
#include "net/http_server.h"
#include "net/ws.h"
#include "sched/sched.h"
#include "store/store.h"

#include "unit.h"

struct world {
        uv_loop_t loop;
        uv_timer_t limit;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct agents *agents;
        struct api *api;
        struct http_server *http;
        const struct access_key *admin, *agent, *other;
        char host[32];
        char instance[33];
        bool timed_out;
};

struct client {
        struct world *w;
        struct ws *ws;
        int status;     /* of the upgrade; 0: not answered yet */
        char body[512]; /* of a refusal */
        struct buf frames;
        size_t n_frames;
        bool closed;
        int close_code;
};

static void on_limit(uv_timer_t *timer)
{
        ((struct world *)timer->data)->timed_out = true;
}

static void run_until(struct world *w, const bool *flag, const size_t *count, size_t wanted)
{
        uv_timer_start(&w->limit, on_limit, 5000, 0);
        w->timed_out = false;
        while (!w->timed_out && (flag ? !*flag : *count < wanted))
                uv_run(&w->loop, UV_RUN_ONCE);
        uv_timer_stop(&w->limit);
        if (w->timed_out)
                fail_msg("nothing happened for 5 s");
}

static void spin(struct world *w, uint32_t ms)
{
        uv_timer_start(&w->limit, on_limit, ms, 0);
        w->timed_out = false;
        while (!w->timed_out)
                uv_run(&w->loop, UV_RUN_ONCE);
}

/* The answer, which waits to be durable, is of no interest. */
static void api(struct world *w, const char *operation, const char *json)
{
        CLEANUP_BUF struct buf out = {0};

        (void)api_run(w->api, "ecs", operation, NULL, json, &out);
}

static const struct access_key *key(struct world *w, enum state_key_kind kind)
{
        const struct access_key *made;
        struct error error = {0};

        assert_int_equal(api_key_create(w->model, &(struct api_key_request){.kind = kind}, &made, &error), 0);
        return made;
}

/* An instance as the agent's key has registered it. */
static void add_instance(struct world *w)
{
        struct state_container_instance state = {
                .cluster = "lab", .id = w->instance, .status = STATE_INSTANCE_STATUS_ACTIVE, .key_id = w->agent->state->id};
        struct ecs_attribute attribute = {.name = "com.amazonaws.ecs.capability.docker-remote-api.1.18"};
        struct tx *tx;

        state.attributes = (struct ecs_attribute_list){&attribute, 1};
        snprintf(w->instance, sizeof(w->instance), "0123456789abcdef0123456789abcdef");
        SHAPE_SET(&state, state_container_instance, cpu, 4096);
        SHAPE_SET(&state, state_container_instance, memory, 4096);
        tx = tx_begin(w->model);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "lab", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_insert(tx, OBJECT_INSTANCE, &state);
        tx_commit(tx);
}

static void begin(struct world *w, const struct agents_options *given)
{
        struct agents_options options = *given;
        struct api_options api_options = {.loop = &w->loop};
        struct error error = {0};

        *w = (struct world){.store = store_memory_new(-1)};
        uv_loop_init(&w->loop);
        uv_timer_init(&w->loop, &w->limit);
        w->limit.data = w;
        assert_int_equal(model_open(w->store, env_system(), &w->loop, "123456789012", "us-east-1", &w->model, &error), 0);
        w->sched = sched_new(w->model);
        api_options.model = w->model;
        api_options.sched = w->sched;
        w->api = api_new(&api_options);
        options.model = w->model;
        options.loop = &w->loop;
        w->agents = agents_new(&options);
        agents_serve(w->agents, w->api);
        assert_int_equal(
                http_server_new(
                        &(struct http_server_options){.loop = &w->loop, .handler = api_handle, .reject = api_reject, .data = w->api},
                        &w->http, &error),
                0);
        assert_int_equal(http_server_listen(w->http, "127.0.0.1:0", &error), 0);
        snprintf(w->host, sizeof(w->host), "127.0.0.1:%d", http_server_port(w->http));
        w->admin = key(w, STATE_KEY_KIND_USER);
        w->agent = key(w, STATE_KEY_KIND_AGENT);
        w->other = key(w, STATE_KEY_KIND_AGENT);
        add_instance(w);
        api(w, "RegisterTaskDefinition",
            "{\"family\":\"web\",\"containerDefinitions\":[{\"name\":\"web\",\"image\":\"i\",\"memory\":16}]}");
}

static void end(struct world *w)
{
        agents_close(w->agents);
        http_server_close(w->http, 0, NULL, NULL);
        spin(w, 50);
        w->agents = agents_free(w->agents);
        w->api = api_free(w->api);
        w->sched = sched_free(w->sched);
        w->model = model_close(w->model);
        uv_close((uv_handle_t *)&w->limit, NULL);
        while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
                ;
        assert_int_equal(uv_loop_close(&w->loop), 0);
        store_close(w->store);
}

/* ---- Clients ---- */

static void on_message(struct ws *ws, const char *text, size_t len, void *data)
{
        struct client *client = data;

        buf_append(&client->frames, text, len);
        buf_append_char(&client->frames, '\n');
        client->n_frames++;
}

static void on_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct client *client = data;

        client->closed = true;
        client->close_code = code;
        client->ws = NULL;
}

static void on_connected(struct ws *ws, int status, const char *body, size_t len, void *data)
{
        struct client *client = data;

        client->status = status;
        if (status != 101) {
                snprintf(client->body, sizeof(client->body), "%.*s", (int)len, body);
                client->ws = NULL;
        }
}

static void client_connect(struct world *w, struct client *client, const struct access_key *who, const char *path, const char *query)
{
        struct sigv4_credentials credentials = {.key_id = who->state->id, .secret = who->state->secret};
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *authorization;
        char timestamp[17];

        *client = (struct client){.w = w};
        sigv4_timestamp(env_now_ms(env_system()), timestamp);
        struct sigv4_header headers[] = {{"Host", w->host}, {"X-Amz-Date", timestamp}};
        struct sigv4_request request = {.method = "GET", .path = path, .query = query, .headers = headers, .n_headers = 2, .body = ""};

        sigv4_sign(&request, &credentials, "us-east-1", "ecs", timestamp, &arena, &authorization);
        struct http_header extra[] = {{"X-Amz-Date", timestamp}, {"Authorization", authorization}};
        struct ws_connect_options options = {
                .loop = &w->loop,
                .url = arena_printf(&arena, "ws://%s%s?%s", w->host, path, query),
                .headers = extra,
                .n_headers = 2,
                .callbacks = {.message = on_message, .closed = on_closed},
                .data = client,
                .connected = on_connected,
        };

        client->ws = ws_connect(&options, &error);
        assert_non_null(client->ws);
        uv_timer_start(&w->limit, on_limit, 5000, 0);
        w->timed_out = false;
        while (client->status == 0 && !w->timed_out)
                uv_run(&w->loop, UV_RUN_ONCE);
        assert_false(w->timed_out);
}

static void client_done(struct client *client)
{
        buf_done(&client->frames);
}

#define ACS(id)                                                                  \
        "agentHash=x&agentVersion=1.0.0&clusterArn=lab&containerInstanceArn=" id \
        "&dockerVersion=DockerVersion%3A%2020.10&protocolVersion=2&sendCredentials=true&seqNum=1"
#define ARN "arn%3Aaws%3Aecs%3Aus-east-1%3A123456789012%3Acontainer-instance%2Flab%2F0123456789abcdef0123456789abcdef"

static void test_upgrade_and_payload(void **state)
{
        struct world w;
        struct client client;
        const char *payload;

        begin(&w, &(struct agents_options){0});
        client_connect(&w, &client, w.agent, "/acs/ws", ACS(ARN));
        assert_int_equal(client.status, 101);
        run_until(&w, NULL, &client.n_frames, 1);
        assert_non_null(strstr(client.frames.data, "TaskManifestMessage"));
        assert_string_equal(model_instance(w.model, "lab", w.instance)->state->docker_version, "DockerVersion: 20.10");
        /* three tasks of one commit: one message */
        api(&w, "RunTask", "{\"cluster\":\"lab\",\"taskDefinition\":\"web\",\"count\":3}");
        assert_int_equal(client.n_frames, 1); /* nothing leaves before it is durable */
        run_until(&w, NULL, &client.n_frames, 2);
        spin(&w, 20);
        assert_int_equal(client.n_frames, 2);
        payload = strstr(client.frames.data, "PayloadMessage");
        assert_non_null(payload);
        for (int i = 0; i < 3; i++) {
                payload = strstr(payload, "{\"arn\":\"");
                assert_non_null(payload);
                payload++;
        }
        client_done(&client);
        end(&w);
}

static void test_refusals(void **state)
{
        struct world w;
        struct client client;
        struct access_key wrong;
        struct state_access_key wrong_state;

        begin(&w, &(struct agents_options){0});
        client_connect(&w, &client, w.agent, "/acs/ws", ACS("0000000000000000000000000000ffff"));
        assert_int_equal(client.status, 400);
        assert_string_equal(client.body, "{\"type\":\"InvalidInstanceException\",\"message\":{\"message\":\"The container instance is not "
                                         "registered in this cluster\"}}");
        client_connect(&w, &client, w.agent, "/acs/ws", "clusterArn=none&containerInstanceArn=" ARN);
        assert_non_null(strstr(client.body, "InvalidClusterException"));
        client_connect(&w, &client, w.agent, "/acs/ws", "clusterArn=lab");
        assert_non_null(strstr(client.body, "InvalidInstanceException"));
        client_connect(&w, &client, w.agent, "/tcs/ws", "cluster=lab&containerInstance=none");
        assert_non_null(strstr(client.body, "InvalidInstanceException"));
        /* another node's key, a user's key, a key that is none */
        client_connect(&w, &client, w.other, "/acs/ws", ACS(ARN));
        assert_int_equal(client.status, 403);
        assert_non_null(strstr(client.body, "AccessDeniedException"));
        wrong_state = *w.agent->state;
        wrong_state.secret = "x";
        wrong.state = &wrong_state;
        client_connect(&w, &client, &wrong, "/acs/ws", ACS(ARN));
        assert_int_equal(client.status, 403);
        api(&w, "DeregisterContainerInstance", "{\"cluster\":\"lab\",\"containerInstance\":\"0123456789abcdef0123456789abcdef\"}");
        client_connect(&w, &client, w.agent, "/acs/ws", ACS(ARN));
        assert_non_null(strstr(client.body, "InactiveInstanceException"));
        end(&w);
}

static void test_pings_and_silence(void **state)
{
        struct world w;
        struct client client;

        begin(&w, &(struct agents_options){.ping_ms = 20, .silent_ms = 100, .dead_ms = 200});
        client_connect(&w, &client, w.admin, "/acs/ws", ACS(ARN));
        assert_int_equal(client.status, 101);
        /* pongs keep it alive although it says nothing */
        spin(&w, 500);
        assert_true(model_instance(w.model, "lab", w.instance)->connected);
        assert_false(client.closed);
        ws_abort(client.ws);
        spin(&w, 100);
        assert_false(model_instance(w.model, "lab", w.instance)->connected);
        client_done(&client);
        end(&w);
}

static void test_telemetry_and_the_servers_end(void **state)
{
        static const char frame[] = "Host: x\r\n\r\n{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":{\"idle\":true}}}";
        struct world w;
        struct client acs, tcs;

        begin(&w, &(struct agents_options){0});
        client_connect(&w, &acs, w.agent, "/acs/ws", ACS(ARN));
        client_connect(&w, &tcs, w.agent, "/tcs/ws", "agentHash=x&agentVersion=1&cluster=lab&containerInstance=" ARN "&dockerVersion=20");
        assert_int_equal(tcs.status, 101);
        ws_send(tcs.ws, frame, strlen(frame));
        run_until(&w, NULL, &tcs.n_frames, 1);
        assert_non_null(strstr(tcs.frames.data, "AckPublishMetric"));
        agents_close(w.agents);
        run_until(&w, &acs.closed, NULL, 0);
        run_until(&w, &tcs.closed, NULL, 0);
        assert_int_equal(acs.close_code, 1001);
        client_done(&acs);
        client_done(&tcs);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_upgrade_and_payload),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_pings_and_silence),
                cmocka_unit_test(test_telemetry_and_the_servers_end),
        };

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
