/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request at "/" to its handler. JSON services are told apart by X-Amz-Target; query services by the service in the
 * credential scope (or, unsigned, by Version), with the operation in Action, in a form or in the URL. With CBOR the path names both.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/keys.h"
#include "api/server_internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

static struct exchange *exchange_new(struct api *api, struct arena *arena)
{
        struct exchange *x = ARENA_NEW(arena, struct exchange);

        api_request_id(api, x->request_id);
        x->protocol = &protocol_json_1_1;
        x->operation_name = "";
        x->call = (struct api_call){
                .api = api, .model = api->model, .arena = arena, .request_id = x->request_id, .principal_arn = "", .key_id = ""};
        return x;
}

/* ---- Where to ---- */

/* One parameter of a url-encoded form, decoded; NULL when absent. Only names without escapes: those that route. */
static const char *form_value(struct arena *arena, const char *form, size_t len, const char *name)
{
        const char *p = form, *end = form + len;
        size_t n = strlen(name);

        while (p < end) {
                const char *amp = memchr(p, '&', (size_t)(end - p));
                const char *stop = amp != NULL ? amp : end;

                if ((size_t)(stop - p) > n && memcmp(p, name, n) == 0 && p[n] == '=')
                        return arena_strndup(arena, p + n + 1, (size_t)(stop - p) - n - 1);
                p = stop + 1;
        }
        return NULL;
}

/* AWS's newer SDKs send this to services that once spoke query: their error names then travel in a header. */
static bool wants_query_errors(const struct http_request *req)
{
        return str_eq_nocase(http_request_header(req, "x-amzn-query-mode"), "true");
}

static int route_json(struct exchange *x, const char *target, struct error *error)
{
        const struct http_request *req = x->call.http;
        const char *dot = strrchr(target, '.');

        if (str_starts_with(http_request_header(req, "Content-Type"), "application/x-amz-json-1.0"))
                x->protocol = &protocol_json_1_0;
        x->query_mode = wants_query_errors(req);
        route_target(x->call.api, target, &x->service, &x->operation);
        x->operation_name = dot != NULL ? dot + 1 : target;
        if (x->service == NULL)
                return error_api(error, "UnknownOperationException", "X-Amz-Target \"%.200s\" names no service of this server.", target);
        if (x->operation == NULL)
                return error_api(error, "UnknownOperationException", "The service %s has no operation \"%.200s\".",
                                 x->service->service->name, x->operation_name);
        return 0;
}

/* "/service/GraniteServiceVersion20100801/operation/PutMetricData": the service is its target prefix without the dot. */
static int route_cbor(struct exchange *x, struct error *error)
{
        const struct http_request *req = x->call.http;
        const char *name = req->path + strlen(API_CBOR_PREFIX), *slash = strchr(name, '/');
        char target[256];

        x->protocol = &protocol_cbor;
        x->query_mode = wants_query_errors(req);
        if (slash == NULL || !str_starts_with(slash, "/operation/") || strlen(name) >= sizeof(target) || !str_eq(req->method, "POST"))
                return error_api(error, "UnknownOperationException",
                                 "Send POST to /service/SERVICE/operation/OPERATION with the header \"smithy-protocol: rpc-v2-cbor\".");
        (void)snprintf(target, sizeof(target), "%.*s.%s", (int)(slash - name), name, slash + strlen("/operation/"));
        route_target(x->call.api, target, &x->service, &x->operation);
        x->operation_name = arena_strdup(x->call.arena, slash + strlen("/operation/"));
        if (x->service == NULL)
                return error_api(error, "UnknownOperationException", "The path \"%.200s\" names no service of this server.", req->path);
        if (x->operation == NULL)
                return error_api(error, "UnknownOperationException", "The service %s has no operation \"%.200s\".",
                                 x->service->service->name, x->operation_name);
        return 0;
}

static struct service_entry *query_service(struct exchange *x)
{
        struct api *api = x->call.api;
        const char *scope = auth_scope_service(x->call.http);
        const char *version = form_value(x->call.arena, x->form, x->form_len, "Version");

        list_for_each (entry, &api->state->services, struct service_entry, link)
                if ((entry->service->target_prefix == NULL || entry->service->xml_namespace != NULL) &&
                    str_eq(scope != NULL ? entry->service->name : entry->service->version, scope != NULL ? scope : version))
                        return entry;
        return NULL;
}

static int route_query(struct exchange *x, const char *action, struct error *error)
{
        x->protocol = &protocol_query;
        x->operation_name = action;
        x->service = query_service(x);
        if (x->service == NULL)
                return error_api(error, "UnknownOperationException",
                                 "Could not find operation %.100s: no service of this server answers to it.", action);
        if (str_eq(x->service->service->protocol, "ec2"))
                x->protocol = &protocol_ec2;
        x->operation = service_operation(x->service, action);
        if (x->operation == NULL)
                return error_api(error, "UnknownOperationException", "Could not find operation %.100s for version %s", action,
                                 x->service->service->version);
        return 0;
}

static int route(struct exchange *x, struct error *error)
{
        const struct http_request *req = x->call.http;
        const char *target = http_request_header(req, "X-Amz-Target"), *action;

        if (str_starts_with(req->path, API_CBOR_PREFIX))
                return route_cbor(x, error);
        if (target != NULL && str_eq(req->method, "POST"))
                return route_json(x, target, error);
        x->form = req->body_len > 0 ? req->body : req->query;
        x->form_len = req->body_len > 0 ? req->body_len : strlen(req->query);
        action = form_value(x->call.arena, x->form, x->form_len, "Action");
        if (action != NULL && (str_eq(req->method, "POST") || str_eq(req->method, "GET")))
                return route_query(x, action, error);
        x->status_override = 404;
        return error_api(error, "UnknownOperationException",
                         "This is an AWS API endpoint (Gantry). Send POST with X-Amz-Target or Action; `gantry env` sets up a client.");
}

/* ---- May it, and then do it ---- */

static int admit(struct exchange *x, struct error *error)
{
        struct api_call *call = &x->call;
        struct api *api = call->api;
        struct api_principal who;
        int r;

        if (call->http->body_len > api->options.max_body)
                return error_api(error, "RequestEntityTooLargeException", "The body has %zu bytes; at most %zu are allowed.",
                                 call->http->body_len, api->options.max_body);
        r = authenticate(api, call->http, x->service->service->name, &who, error);
        if (r < 0)
                return r;
        call->principal_arn = who.arn;
        call->key_id = who.key_id;
        call->key_kind = who.kind;
        r = authorize(&who, x->operation->operation->permission, error);
        if (r < 0)
                return r;
        if (caller_admit(api, who.key_id))
                return 0;
        api->state->throttled++;
        return error_api(error, "ThrottlingException", "Rate exceeded");
}

static void run(struct exchange *x)
{
        struct api_call *call = &x->call;
        struct error error = {0};
        void *input;
        int r;

        call->service = x->service->service;
        call->operation = x->operation->operation;
        call->now_ms = env_now_ms(call->api->env);
        if (x->operation->run == NULL) {
                /* Clients try again on 500; with 400 they show this at once. */
                x->status_override = 400;
                (void)error_api(&error, "ServerException",
                                "%s is not built yet in this version of Gantry. `gantry operations` lists what is.",
                                call->operation->permission);
                exchange_fail(x, &error);
                return;
        }
        if (x->protocol->decode(x, &input, &error) < 0) {
                exchange_fail(x, &error);
                return;
        }
        call->output = arena_alloc(call->arena, call->operation->output->size);
        r = x->operation->run(call, input, call->output);
        if (r != API_LATER)
                exchange_finish(x, r);
}

void dispatch_request(struct api *api, struct http_request *req)
{
        struct exchange *x = exchange_new(api, req->arena);
        struct error error = {0};

        x->call.http = req;
        x->started_us = req->started_us;
        x->in_flight = true;
        api->state->in_flight++;
        if (route(x, &error) < 0) {
                exchange_fail(x, &error);
                return;
        }
        if (api->state->in_flight > api->options.max_in_flight) {
                api->state->throttled++;
                (void)error_api(&error, "ThrottlingException", "Rate exceeded");
        } else if (admit(x, &error) == 0) {
                run(x);
                return;
        }
        exchange_fail(x, &error);
}

/* ---- Without HTTP ---- */

/* A body and nothing else, for the decoder. */
static void detach(struct exchange *x, const char *json, struct buf *out)
{
        struct http_request *req = ARENA_NEW(x->call.arena, struct http_request);

        *req = (struct http_request){
                .method = "POST", .target = "/", .path = "/", .query = "", .body = json, .body_len = strlen(json), .peer = "local"};
        x->call.http = req;
        x->detached = true;
        x->run_out = out;
        x->started_us = uv_hrtime() / 1000;
}

static struct exchange *prepare(struct api *api, struct arena *arena, const char *service, const char *operation, const char *principal_arn)
{
        struct exchange *x = exchange_new(api, arena);

        x->operation_name = operation;
        x->service = api_service(api, service);
        x->operation = x->service != NULL ? service_operation(x->service, operation) : NULL;
        x->call.principal_arn = principal_arn != NULL ? principal_arn : api_admin_arn(api->model, arena);
        x->call.key_kind = STATE_KEY_KIND_USER;
        return x;
}

static void run_detached(struct exchange *x, const char *service)
{
        struct error error = {0};

        if (x->operation == NULL) {
                (void)error_api(&error, "UnknownOperationException", "%s has no operation %s.", service, x->operation_name);
                exchange_fail(x, &error);
        } else {
                run(x);
        }
}

static void arena_free(struct arena *arena)
{
        arena_done(arena);
        free(arena);
}

int api_run(struct api *api, const char *service, const char *operation, const char *principal_arn, const char *json, struct buf *out)
{
        struct arena *arena = xalloc(sizeof(*arena));
        struct exchange *x = prepare(api, arena, service, operation, principal_arn);
        int status;

        detach(x, json, out);
        run_detached(x, service);
        status = x->run_status;
        if (status == 0) { /* the answer comes later, to nobody; the exchange frees itself then */
                x->run_out = NULL;
                x->abandoned = arena;
                return 0;
        }
        arena_free(arena);
        return status;
}

/* As a signature would have said. */
static int be(struct exchange *x, const char *key_id, struct error *error)
{
        const struct access_key *key = model_access_key(x->call.model, key_id);

        if (key == NULL)
                return error_api(error, "UnrecognizedClientException", "The security token included in the request is invalid.");
        x->call.key_id = arena_strdup(x->call.arena, key_id);
        x->call.principal_arn = arena_strdup(x->call.arena, key->state->principal_arn);
        x->call.key_kind = key->state->kind;
        return 0;
}

struct exchange *api_submit(struct api *api, const char *service, const char *operation, const char *key_id, const char *json,
                            api_answer_fn answer, void *data)
{
        struct arena *arena = xalloc(sizeof(*arena));
        struct exchange *x = prepare(api, arena, service, operation, NULL);
        struct error error = {0};

        detach(x, arena_strdup(arena, json), NULL);
        x->answer = answer;
        x->answer_data = data;
        if (key_id != NULL && be(x, key_id, &error) < 0)
                exchange_fail(x, &error);
        else
                run_detached(x, service);
        if (x->run_status == 0) {
                x->abandoned = arena;
                return x;
        }
        arena_free(arena);
        return NULL;
}

void api_withdraw(struct exchange *x)
{
        if (x->call.waiter.durable != NULL)
                list_remove(&x->call.waiter.link);
        arena_free(x->abandoned);
}
