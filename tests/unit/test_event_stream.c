/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of changes over HTTP: what is told, to whom, and what happens to those who are late or slow. */
#include "http_fixture.h"

#include "api/keys.h"
#include "api/event_stream.h"
#include "base/strutil.h"
#include "codec/sigv4.h"
#include "store/store.h"

struct lab {
        struct fixture fx;
        struct store *store;
        struct model *model;
        struct api *api;
        struct event_stream *stream;
        const struct access_key *admin, *agent;
        struct buf in; /* of the last client */
        int fd;
};

static void handle(struct fixture *fx, struct http_request *req)
{
        api_handle(req, ((struct lab *)fx->extra)->api);
}

static void begin(struct lab *lab, bool no_auth, const struct event_stream_options *options)
{
        struct error error = {0};

        memset(lab, 0, sizeof(*lab));
        fixture_open(&lab->fx, NULL, NULL, NULL);
        lab->fx.handler = handle;
        lab->fx.extra = lab;
        lab->store = store_memory_new(-1);
        assert_int_equal(model_open(lab->store, env_system(), &lab->fx.loop, "123456789012", "us-east-1", &lab->model, &error), 0);
        assert_int_equal(api_bootstrap_keys(lab->model, &lab->admin, &lab->agent, &error), 0);
        lab->api = api_new(&(struct api_options){.loop = &lab->fx.loop, .model = lab->model, .no_auth = no_auth});
        lab->stream = event_stream_new(lab->api, options);
        lab->fd = -1;
}

static void hang_up(struct lab *lab)
{
        if (lab->fd >= 0)
                close(lab->fd);
        lab->fd = -1;
        buf_clear(&lab->in);
        for (int i = 0; i < 5; i++)
                turn(&lab->fx);
}

static void end(struct lab *lab)
{
        event_stream_close(lab->stream);
        hang_up(lab);
        while (model_durable(lab->model) < model_sequence(lab->model))
                turn(&lab->fx);
        http_server_close(lab->fx.server, 0, fixture_closed, &lab->fx);
        while (!lab->fx.closed)
                uv_run(&lab->fx.loop, UV_RUN_ONCE);
        for (int i = 0; i < 5; i++)
                turn(&lab->fx);
        lab->stream = event_stream_free(lab->stream);
        lab->api = api_free(lab->api);
        lab->model = model_close(lab->model);
        lab->store = store_close(lab->store);
        uv_run(&lab->fx.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&lab->fx.loop), 0);
        buf_done(&lab->in);
}

/* A GET with these header lines; the answer comes into lab->in. */
static void ask(struct lab *lab, const char *path, const char *headers)
{
        char text[2048];

        hang_up(lab);
        lab->fd = client_open(&lab->fx);
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: lab\r\n%s\r\n", path, headers);
        client_send(lab->fd, text);
}

static void expect(struct lab *lab, const char *text)
{
        if (!client_wait(&lab->fx, lab->fd, &lab->in, text))
                fail_msg("the server has ended without \"%s\": %s", text, lab->in.data ? lab->in.data : "");
}

static void call_service(struct lab *lab, const char *service, const char *operation, const char *json)
{
        CLEANUP_BUF struct buf out = {0};
        int status = api_run(lab->api, service, operation, NULL, json, &out);

        if (status != 200)
                fail_msg("%s: %s", operation, out.data);
}

static void call(struct lab *lab, const char *operation, const char *json)
{
        call_service(lab, "ecs", operation, json);
}

/* The last id that the client has got. */
static void last_id(const struct lab *lab, char ret[64])
{
        const char *p = lab->in.data, *last = NULL;

        while ((p = strstr(p, "\nid: ")) != NULL) {
                last = p + 5;
                p = last;
        }
        assert_non_null(last);
        snprintf(ret, 64, "%.*s", (int)strcspn(last, "\n"), last);
}

static void test_changes_are_told(void **state)
{
        struct lab lab;

        begin(&lab, true, NULL);
        ask(&lab, "/events", "");
        expect(&lab, "event: ready\n");
        assert_non_null(strstr(lab.in.data, "Content-Type: text/event-stream\r\n"));
        call(&lab, "CreateCluster", "{\"clusterName\":\"web\"}");
        expect(&lab,
               "data: {\"kind\":\"cluster\",\"change\":\"created\",\"key\":\"web\",\"arn\":\"arn:aws:ecs:us-east-1:123456789012:cluster/"
               "web\",\"cluster\":\"web\"}\n\n");
        call(&lab, "UpdateClusterSettings", "{\"cluster\":\"web\",\"settings\":[{\"name\":\"containerInsights\",\"value\":\"enabled\"}]}");
        expect(&lab, "{\"kind\":\"cluster\",\"change\":\"changed\"");
        call(&lab, "RegisterTaskDefinition",
             "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"i\",\"memory\":64}]}");
        expect(&lab, "\"arn\":\"arn:aws:ecs:us-east-1:123456789012:task-definition/f:1\"");
        call(&lab, "CreateService", "{\"cluster\":\"web\",\"serviceName\":\"s\",\"taskDefinition\":\"f\",\"desiredCount\":0}");
        expect(&lab, "\"arn\":\"arn:aws:ecs:us-east-1:123456789012:service/web/s\",\"cluster\":\"web\",\"service\":\"s\"}");
        expect(&lab, "\"kind\":\"service-deployment\"");
        call_service(&lab, "application-autoscaling", "RegisterScalableTarget",
                     "{\"ServiceNamespace\":\"ecs\",\"ScalableDimension\":\"ecs:service:DesiredCount\",\"ResourceId\":\"service/web/s\","
                     "\"MinCapacity\":0,\"MaxCapacity\":4}");
        expect(&lab, "{\"kind\":\"scalable-target\",\"change\":\"created\",\"key\":\"service/web/s\"}");
        assert_null(strstr(lab.in.data, "access-key"));
        end(&lab);
}

static void test_filters(void **state)
{
        struct lab lab;

        begin(&lab, true, NULL);
        ask(&lab, "/events?kind=cluster,capacity-provider&cluster=web", "");
        expect(&lab, "event: ready\n");
        call(&lab, "CreateCluster", "{\"clusterName\":\"other\"}");
        call(&lab, "RegisterTaskDefinition",
             "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"image\":\"i\",\"memory\":64}]}");
        call(&lab, "CreateCluster", "{\"clusterName\":\"web\"}");
        expect(&lab, "\"key\":\"web\"");
        assert_int_equal(count(lab.in.data, "event: change"), 1);
        ask(&lab, "/events?kind=cluster,moonlight", "");
        expect(&lab, "\"moonlight\\\" is not told here");
        assert_non_null(strstr(lab.in.data, "400 Bad Request"));
        ask(&lab, "/events?cluster=a/b", "");
        expect(&lab, "400 Bad Request");
        ask(&lab, "/events/more", "");
        expect(&lab, "404 Not Found");
        end(&lab);
}

static void test_resume(void **state)
{
        struct lab lab;
        char id[64], header[128];

        begin(&lab, true, NULL);
        ask(&lab, "/events", "");
        expect(&lab, "event: ready\n");
        call(&lab, "CreateCluster", "{\"clusterName\":\"a\"}");
        expect(&lab, "\"key\":\"a\"");
        last_id(&lab, id);
        hang_up(&lab);
        call(&lab, "CreateCluster", "{\"clusterName\":\"b\"}");
        snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", id);
        ask(&lab, "/events", header);
        expect(&lab, "\"key\":\"b\"");
        assert_null(strstr(lab.in.data, "\"key\":\"a\""));
        assert_null(strstr(lab.in.data, "event: ready"));
        assert_null(strstr(lab.in.data, "event: reset"));
        snprintf(header, sizeof(header), "/events?lastEventId=%s", id);
        ask(&lab, header, "");
        expect(&lab, "\"key\":\"b\"");
        ask(&lab, "/events", "Last-Event-ID: 00000000-1\r\n"); /* of another process */
        expect(&lab, "event: reset\n");
        ask(&lab, "/events", "Last-Event-ID: nonsense\r\n");
        expect(&lab, "event: reset\n");
        end(&lab);
}

static void test_too_late(void **state)
{
        struct lab lab;
        char id[64], header[128];

        begin(&lab, true, &(struct event_stream_options){.capacity = 4});
        ask(&lab, "/events", "");
        expect(&lab, "event: ready\n");
        last_id(&lab, id);
        hang_up(&lab);
        for (char c = 'a'; c < 'a' + 5; c++) {
                snprintf(header, sizeof(header), "{\"clusterName\":\"%c\"}", c);
                call(&lab, "CreateCluster", header);
        }
        snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", id);
        ask(&lab, "/events", header);
        expect(&lab, "event: reset\n");
        last_id(&lab, id);
        call(&lab, "CreateCluster", "{\"clusterName\":\"z\"}");
        expect(&lab, "\"key\":\"z\"");
        snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", id); /* the id of the reset is a place to go on from */
        ask(&lab, "/events", header);
        expect(&lab, "\"key\":\"z\"");
        assert_null(strstr(lab.in.data, "event: reset"));
        end(&lab);
}

/* After a while without readers nothing is recorded: who comes back has missed something, also when his id is the newest. */
static void test_nobody_read(void **state)
{
        struct lab lab;
        char id[64], header[128];
        uint64_t start;

        begin(&lab, true, &(struct event_stream_options){.keepalive_ms = 5, .linger_ms = 1});
        ask(&lab, "/events", "");
        expect(&lab, "event: ready\n");
        expect(&lab, ":\n\n"); /* the sign of life */
        last_id(&lab, id);
        hang_up(&lab);
        start = uv_hrtime();
        while (uv_hrtime() - start < 50000000u)
                turn(&lab.fx);
        call(&lab, "CreateCluster", "{\"clusterName\":\"unseen\"}");
        snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", id);
        ask(&lab, "/events", header);
        expect(&lab, "event: reset\n");
        end(&lab);
}

static void test_slow_reader(void **state)
{
        struct lab lab;
        int small = 4096;

        begin(&lab, true, &(struct event_stream_options){.capacity = 64, .max_queued = 2048});
        ask(&lab, "/events", "");
        assert_int_equal(setsockopt(lab.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        expect(&lab, "event: ready\n");
        call(&lab, "CreateCluster", "{\"clusterName\":\"web\"}");
        for (int i = 0; i < 40000; i++) { /* far more than the system's buffers hold */
                call(&lab, "UpdateClusterSettings",
                     i % 2 ? "{\"cluster\":\"web\",\"settings\":[{\"name\":\"containerInsights\",\"value\":\"enabled\"}]}"
                           : "{\"cluster\":\"web\",\"settings\":[{\"name\":\"containerInsights\",\"value\":\"disabled\"}]}");
                if (i % 16 == 0)
                        turn(&lab.fx);
        }
        expect(&lab, "event: reset\n");
        expect(&lab, "\r\n0\r\n\r\n"); /* the end of the answer */
        end(&lab);
}

static void sign(struct lab *lab, const struct access_key *key, char *ret, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        char timestamp[17];
        const char *authorization;

        sigv4_timestamp(env_now_ms(env_system()), timestamp);
        const struct sigv4_header headers[] = {{"Host", "lab"}, {"X-Amz-Date", timestamp}};
        const struct sigv4_request request = {
                .method = "GET", .path = "/events", .query = "", .headers = headers, .n_headers = 2, .body = "", .body_len = 0};
        const struct sigv4_credentials credentials = {.key_id = key->state->id, .secret = key->state->secret};

        (void)lab;
        sigv4_sign(&request, &credentials, "us-east-1", "ecs", timestamp, &arena, &authorization);
        snprintf(ret, size, "X-Amz-Date: %s\r\nAuthorization: %s\r\n", timestamp, authorization);
}

static void test_who_may_read(void **state)
{
        struct lab lab;
        char headers[1024];
        struct tx *tx;

        begin(&lab, false, &(struct event_stream_options){.keepalive_ms = 5, .max_readers = 1});
        ask(&lab, "/events", "");
        expect(&lab, "MissingAuthenticationTokenException");
        assert_non_null(strstr(lab.in.data, "403 Forbidden"));
        sign(&lab, lab.agent, headers, sizeof(headers));
        ask(&lab, "/events", headers);
        expect(&lab, "AccessDeniedException");
        sign(&lab, lab.admin, headers, sizeof(headers));
        ask(&lab, "/events", headers);
        expect(&lab, "event: ready\n");
        {
                struct buf in = {0};
                char text[2048];
                int fd = client_open(&lab.fx);

                snprintf(text, sizeof(text), "GET /events HTTP/1.1\r\nHost: lab\r\n%s\r\n", headers);
                client_send(fd, text);
                assert_true(client_wait(&lab.fx, fd, &in, "ThrottlingException"));
                close(fd);
                buf_done(&in);
        }
        tx = tx_begin(lab.model);
        tx_remove(tx, (struct object *)(uintptr_t)&lab.admin->object);
        tx_commit(tx);
        expect(&lab, "\r\n0\r\n\r\n"); /* the key is gone: so is its stream */
        end(&lab);
}

static void test_close(void **state)
{
        struct lab lab;

        begin(&lab, true, NULL);
        ask(&lab, "/events", "");
        expect(&lab, "event: ready\n");
        event_stream_close(lab.stream);
        expect(&lab, "\r\n0\r\n\r\n");
        ask(&lab, "/events", "");
        expect(&lab, "shutting down");
        end(&lab);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_changes_are_told), cmocka_unit_test(test_filters),     cmocka_unit_test(test_resume),
                cmocka_unit_test(test_too_late),         cmocka_unit_test(test_nobody_read), cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_who_may_read),     cmocka_unit_test(test_close),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
