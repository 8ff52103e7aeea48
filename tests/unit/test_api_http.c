/* SPDX-License-Identifier: Apache-2.0 */
/* The API over HTTP: signatures, sessions, limits, paths; with commits on a writer thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/event_ring.h"
#include "api/keys.h"
#include "api/server.h"
#include "base/log.h"
#include "base/strutil.h"
#include "codec/sigv4.h"
#include "net/http_client.h"
#include "store/store.h"

#define LIST_CLUSTERS "AmazonEC2ContainerServiceV20141113.ListClusters"
#define CREATE_CLUSTER "AmazonEC2ContainerServiceV20141113.CreateCluster"

struct fixture {
        uv_loop_t loop;
        char dir[32];
        struct store *store;
        struct model *model;
        struct api *api;
        struct http_server *server;
        struct http_client *client;
        struct arena arena;
        const struct access_key *admin, *agent;
        char host[32];
        /* The last answer. */
        bool done, upgraded;
        int status;
        struct buf body;
        char error_type[64], request_id[64], content_type[64], query_error[64];
};

/* What to send, and what to spoil. */
struct attempt {
        const char *method, *path, *query, *target, *body, *content_type;
        const char *key, *secret, *token; /* key NULL: unsigned */
        const char *region, *service;
        int64_t skew_ms;
        bool presign, query_mode;
};

static void upgrade(struct api *api, struct http_request *req, const struct api_principal *who, void *data)
{
        struct fixture *f = data;

        (void)api;
        f->upgraded = true;
        http_respond(req, 200, NULL, 0, who->arn, strlen(who->arn));
}

static void start(struct fixture *f, const struct api_options *given)
{
        struct api_options options = *given;
        struct error error = {0};

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        memset(f, 0, sizeof(*f));
        assert_int_equal(uv_loop_init(&f->loop), 0);
        strcpy(f->dir, "/tmp/test-api-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        assert_int_equal(store_sqlite_open(f->dir, &f->store, &error), 0);
        assert_int_equal(model_open(f->store, env_system(), &f->loop, "123456789012", "us-east-1", &f->model, &error), 0);
        assert_int_equal(api_bootstrap_keys(f->model, &f->admin, &f->agent, &error), 0);
        options.loop = &f->loop;
        options.model = f->model;
        f->api = api_new(&options);
        api_add_upgrade(f->api, "/test/ws", upgrade, f);
        assert_int_equal(
                http_server_new(
                        &(struct http_server_options){.loop = &f->loop, .handler = api_handle, .reject = api_reject, .data = f->api},
                        &f->server, &error),
                0);
        assert_int_equal(http_server_listen(f->server, "127.0.0.1:0", &error), 0);
        f->api->http = f->server;
        (void)snprintf(f->host, sizeof(f->host), "127.0.0.1:%d", http_server_port(f->server));
        f->client = http_client_new(&f->loop, &(struct http_client_options){0});
}

static void closed(void *data)
{
        *(bool *)data = true;
}

static void stop(struct fixture *f)
{
        CLEANUP_FREE char *command = NULL;
        bool gone = false;

        f->client = http_client_free(f->client);
        http_server_close(f->server, 0, closed, &gone);
        while (!gone)
                uv_run(&f->loop, UV_RUN_ONCE);
        f->api = api_free(f->api);
        f->model = model_close(f->model);
        f->store = store_close(f->store);
        uv_run(&f->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&f->loop), 0);
        buf_done(&f->body);
        arena_done(&f->arena);
        assert_true(asprintf(&command, "rm -r %s", f->dir) > 0);
        assert_int_equal(system(command), 0);
}

static void on_done(struct http_call *call, const struct http_result *result, void *data)
{
        struct fixture *f = data;
        struct {
                const char *name;
                char *to;
        } rows[] = {{"x-amzn-ErrorType", f->error_type},
                    {"x-amzn-RequestId", f->request_id},
                    {"Content-Type", f->content_type},
                    {"x-amzn-query-error", f->query_error}};

        (void)call;
        f->done = true;
        f->status = result->status;
        buf_clear(&f->body);
        buf_append(&f->body, result->body != NULL ? result->body : "", result->len);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                rows[i].to[0] = '\0';
                for (size_t k = 0; k < result->n_headers; k++)
                        if (str_eq_nocase(result->headers[k].name, rows[i].name))
                                (void)snprintf(rows[i].to, 64, "%s", result->headers[k].value);
        }
}

static void presign(struct fixture *f, const struct attempt *a, char *timestamp, const char **ret_query)
{
        struct sigv4_header header = {"Host", f->host};
        struct sigv4_request request = {
                .method = a->method, .path = a->path, .headers = &header, .n_headers = 1, .body = "", .body_len = 0};
        struct sigv4_claim claim = {.key_id = a->key,
                                    .region = "us-east-1",
                                    .service = a->service,
                                    .timestamp = timestamp,
                                    .signed_headers = "host",
                                    .presigned = true,
                                    .expires_s = 60};
        char signature[65];

        claim.date = arena_strndup(&f->arena, timestamp, 8);
        request.query = arena_printf(
                &f->arena,
                "%s&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s%%2F%s%%2Fus-east-1%%2F%s%%2Faws4_request&X-Amz-Date=%s"
                "&X-Amz-Expires=60&X-Amz-SignedHeaders=host",
                a->query, a->key, claim.date, a->service, timestamp);
        sigv4_signature(&claim, a->secret,
                        sigv4_string_to_sign(&claim, sigv4_canonical_request(&request, "host", true, true, &f->arena), &f->arena),
                        signature);
        *ret_query = arena_printf(&f->arena, "%s&X-Amz-Signature=%s", request.query, signature);
}

static int attempt(struct fixture *f, struct attempt a)
{
        struct sigv4_header sign[8];
        struct http_header headers[10];
        size_t n = 0, n_sent = 0;
        char timestamp[17];
        const char *query = a.query != NULL ? a.query : "";

        a.method = a.method != NULL ? a.method : "POST";
        a.path = a.path != NULL ? a.path : "/";
        a.body = a.body != NULL ? a.body : (str_eq(a.method, "POST") ? "{}" : "");
        a.service = a.service != NULL ? a.service : "ecs";
        sigv4_timestamp(env_now_ms(env_system()) + a.skew_ms, timestamp);
        sign[n++] = (struct sigv4_header){"Host", f->host};
        if (a.target != NULL)
                sign[n++] = (struct sigv4_header){"X-Amz-Target", a.target};
        if (str_eq(a.method, "POST"))
                sign[n++] = (struct sigv4_header){"Content-Type", a.content_type != NULL ? a.content_type : "application/x-amz-json-1.1"};
        if (a.key != NULL && !a.presign)
                sign[n++] = (struct sigv4_header){"X-Amz-Date", timestamp};
        if (a.token != NULL)
                sign[n++] = (struct sigv4_header){"X-Amz-Security-Token", a.token};
        for (size_t i = 0; i < n; i++)
                headers[n_sent++] = (struct http_header){sign[i].name, sign[i].value};
        if (a.query_mode)
                headers[n_sent++] = (struct http_header){"x-amzn-query-mode", "true"};
        if (a.presign) {
                presign(f, &a, timestamp, &query);
        } else if (a.key != NULL) {
                struct sigv4_request request = {.method = a.method,
                                                .path = a.path,
                                                .query = query,
                                                .headers = sign,
                                                .n_headers = n,
                                                .body = a.body,
                                                .body_len = strlen(a.body)};
                const char *authorization;

                sigv4_sign(&request, &(struct sigv4_credentials){.key_id = a.key, .secret = a.secret, .session_token = a.token},
                           a.region != NULL ? a.region : "us-east-1", a.service, timestamp, &f->arena, &authorization);
                headers[n_sent++] = (struct http_header){"Authorization", authorization};
        }
        f->done = false;
        (void)http_client_call(
                f->client, &(struct http_call_options){
                                   .method = a.method,
                                   .url = arena_printf(&f->arena, "http://%s%s%s%s", f->host, a.path, query[0] != '\0' ? "?" : "", query),
                                   .headers = headers,
                                   .n_headers = n_sent,
                                   .body = a.body,
                                   .body_len = strlen(a.body),
                                   .done = on_done,
                                   .data = f,
                           });
        while (!f->done)
                uv_run(&f->loop, UV_RUN_ONCE);
        return f->status;
}

#define ADMIN(f) .key = (f)->admin->state->id, .secret = (f)->admin->state->secret
#define SEND(f, ...) attempt(f, (struct attempt){__VA_ARGS__})

static void expect_error(const struct fixture *f, int status, const char *code, const char *text)
{
        if (f->status != status || !str_eq(f->error_type, code) || strstr(f->body.data, text) == NULL || f->request_id[0] == '\0')
                fail_msg("wanted %d %s \"%s\", got %d %s: %s", status, code, text, f->status, f->error_type, f->body.data);
}

static void signatures(void **state)
{
        struct fixture f;

        (void)state;
        start(&f, &(struct api_options){0});
        assert_int_equal(SEND(&f, ADMIN(&f), .target = CREATE_CLUSTER, .body = "{\"clusterName\":\"web\"}"), 200);
        assert_int_equal(model_durable(f.model), model_sequence(f.model));
        assert_non_null(strstr(f.body.data, "cluster/web"));
        assert_string_equal(f.content_type, "application/x-amz-json-1.1");
        assert_int_equal(strlen(f.request_id), 36);
        assert_int_equal(SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .content_type = "application/x-amz-json-1.0"), 200);
        assert_string_equal(f.content_type, "application/x-amz-json-1.0");
        SEND(&f, .target = LIST_CLUSTERS);
        expect_error(&f, 400, "MissingAuthenticationTokenException", "Missing Authentication Token");
        SEND(&f, .key = f.admin->state->id, .secret = "wrong", .target = LIST_CLUSTERS);
        expect_error(&f, 400, "InvalidSignatureException", "signature we calculated does not match");
        SEND(&f, .key = "AKIANOSUCHKEY0000000", .secret = "wrong", .target = LIST_CLUSTERS);
        expect_error(&f, 400, "UnrecognizedClientException", "security token included in the request is invalid");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .skew_ms = -16 * 60 * 1000);
        expect_error(&f, 400, "InvalidSignatureException", "Signature expired");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .skew_ms = 16 * 60 * 1000);
        expect_error(&f, 400, "InvalidSignatureException", "not yet current");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .service = "s3");
        expect_error(&f, 400, "InvalidSignatureException", "correct service: 'ecs'");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .region = "eu-west-1");
        expect_error(&f, 400, "InvalidSignatureException", "valid region, not 'eu-west-1'");
        SEND(&f, .key = f.agent->state->id, .secret = f.agent->state->secret, .target = LIST_CLUSTERS);
        expect_error(&f, 400, "AccessDeniedException", "is not authorized to perform: ecs:ListClusters");
        stop(&f);
}

static char *between(struct arena *arena, const char *text, const char *from, const char *to)
{
        const char *start_at = strstr(text, from), *end;

        assert_non_null(start_at);
        start_at += strlen(from);
        end = strstr(start_at, to);
        assert_non_null(end);
        return arena_strndup(arena, start_at, (size_t)(end - start_at));
}

#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define WHO "Action=GetCallerIdentity&Version=2011-06-15"

static void query_services(void **state)
{
        struct fixture f;
        const char *id, *secret, *token;

        (void)state;
        start(&f, &(struct api_options){0});
        assert_int_equal(SEND(&f, ADMIN(&f), .service = "sts", .content_type = FORM, .body = WHO), 200);
        assert_string_equal(f.content_type, "text/xml");
        assert_non_null(strstr(f.body.data, "<Account>123456789012</Account>"));
        assert_non_null(strstr(f.body.data, f.request_id));
        assert_int_equal(SEND(&f, ADMIN(&f), .method = "GET", .service = "sts", .query = WHO, .presign = true), 200);
        SEND(&f, .content_type = FORM, .body = WHO);
        expect_error(&f, 403, "MissingAuthenticationTokenException", "<Code>MissingAuthenticationToken</Code>");
        SEND(&f, .key = f.admin->state->id, .secret = "x", .service = "sts", .content_type = FORM, .body = WHO);
        expect_error(&f, 403, "InvalidSignatureException", "<Code>SignatureDoesNotMatch</Code>");
        SEND(&f, ADMIN(&f), .service = "sts", .content_type = FORM, .body = "Action=Fly&Version=2011-06-15");
        expect_error(&f, 400, "UnknownOperationException", "<Code>InvalidAction</Code>");
        SEND(&f, ADMIN(&f), .service = "sts", .content_type = FORM, .body = "Action=AssumeRole&Version=2011-06-15");
        expect_error(&f, 400, "InvalidParameterException", "<Code>ValidationError</Code>");
        assert_int_equal(SEND(&f, ADMIN(&f), .service = "sts", .content_type = FORM,
                              .body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fci&"
                                      "RoleSessionName=me"),
                         200);
        id = between(&f.arena, f.body.data, "<AccessKeyId>", "</");
        secret = between(&f.arena, f.body.data, "<SecretAccessKey>", "</");
        token = between(&f.arena, f.body.data, "<SessionToken>", "</");
        assert_int_equal(SEND(&f, .key = id, .secret = secret, .token = token, .target = LIST_CLUSTERS), 200);
        SEND(&f, .key = id, .secret = secret, .target = LIST_CLUSTERS);
        expect_error(&f, 400, "UnrecognizedClientException", "security token");
        SEND(&f, .key = id, .secret = secret, .token = "other", .target = LIST_CLUSTERS);
        expect_error(&f, 400, "UnrecognizedClientException", "security token");
        stop(&f);
}

static void paths(void **state)
{
        struct fixture f;

        (void)state;
        start(&f, &(struct api_options){.version = "1.2.3", .max_body = 1000});
        assert_int_equal(SEND(&f, .method = "GET", .path = "/healthz"), 200);
        assert_non_null(strstr(f.body.data, "\"status\":\"ok\",\"version\":\"1.2.3\""));
        assert_int_equal(SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS), 200);
        assert_int_equal(SEND(&f, .method = "GET", .path = "/metrics"), 200);
        assert_non_null(strstr(f.body.data, "gantry_api_requests_total{service=\"ecs\",operation=\"ListClusters\",code=\"200\"} 1"));
        assert_non_null(strstr(f.body.data, "gantry_objects{kind=\"access-key\"} 2"));
        for (int kind = 0; kind < OBJECT_KIND_MAX; kind++) {
                char line[80];

                assert_non_null(event_ring_kind_name((enum object_kind)kind));
                (void)snprintf(line, sizeof(line), "gantry_objects{kind=\"%s\"} ", event_ring_kind_name((enum object_kind)kind));
                assert_non_null(strstr(f.body.data, line));
        }
        assert_non_null(strstr(f.body.data, "gantry_heap_bytes{state=\"used\"} "));
        assert_non_null(strstr(f.body.data, "process_resident_memory_bytes "));
        SEND(&f, .method = "GET", .path = "/");
        assert_int_equal(f.status, 404);
        SEND(&f, .path = "/elsewhere");
        assert_int_equal(f.status, 404);
        SEND(&f, ADMIN(&f), .target = "AmazonEC2ContainerServiceV20141113.Fly");
        expect_error(&f, 400, "UnknownOperationException", "Fly");
        SEND(&f, ADMIN(&f), .target = "Elsewhere.Fly");
        expect_error(&f, 400, "UnknownOperationException", "Elsewhere.Fly");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .body = "{\"maxResults\":\"many\"}", .query_mode = true);
        expect_error(&f, 400, "SerializationException", "maxResults");
        assert_string_equal(f.query_error, "SerializationException;Sender");
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS, .body = arena_printf(&f.arena, "{\"nextToken\":\"%01000d\"}", 7));
        expect_error(&f, 413, "RequestEntityTooLargeException", "1000");
        SEND(&f, .method = "GET", .path = "/test/ws");
        assert_int_equal(f.status, 403);
        assert_false(f.upgraded);
        assert_int_equal(SEND(&f, .method = "GET", .path = "/test/ws", .query = "clusterArn=a%2Fb&seqNum=1", .key = f.agent->state->id,
                              .secret = f.agent->state->secret),
                         200);
        assert_true(f.upgraded);
        stop(&f);
}

static void rates(void **state)
{
        struct fixture f;

        (void)state;
        start(&f, &(struct api_options){.rate = 1, .burst = 3});
        for (int i = 0; i < 3; i++)
                assert_int_equal(SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS), 200);
        SEND(&f, ADMIN(&f), .target = LIST_CLUSTERS);
        expect_error(&f, 400, "ThrottlingException", "Rate exceeded");
        stop(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(signatures),
                cmocka_unit_test(query_services),
                cmocka_unit_test(paths),
                cmocka_unit_test(rates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
