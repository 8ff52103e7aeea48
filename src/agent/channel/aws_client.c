/* SPDX-License-Identifier: Apache-2.0 */
/* Signing, sending and reading of calls. */
#include "agent/channel/aws_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/acs.idl.h"
#include "base/buf.h"
#include "base/strutil.h"

/* Where the host begins: behind "scheme://". */
static const char *after_scheme(const char *url)
{
        const char *colon = strstr(url, "://");

        return colon != NULL ? colon + 3 : url;
}

const char *aws_url_host(const char *url, struct arena *arena)
{
        static const struct {
                const char *scheme, *port;
        } defaults[] = {{"http://", ":80"}, {"ws://", ":80"}, {"https://", ":443"}, {"wss://", ":443"}};
        const char *start = after_scheme(url);
        char *host = arena_strndup(arena, start, strcspn(start, "/?#"));

        for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
                if (str_starts_with(url, defaults[i].scheme) && str_ends_with(host, defaults[i].port))
                        host[strlen(host) - strlen(defaults[i].port)] = '\0';
        }
        return host;
}

void aws_url_split(const char *url, struct arena *arena, const char **ret_path, const char **ret_query)
{
        const char *start = after_scheme(url);
        const char *path = start + strcspn(start, "/?#");
        size_t len = strcspn(path, "?#");

        *ret_path = len > 0 ? arena_strndup(arena, path, len) : "/";
        *ret_query = path[len] == '?' ? arena_strndup(arena, path + len + 1, strcspn(path + len + 1, "#")) : "";
}

struct signing {
        const struct aws_client *client;
        const char *method, *url, *service;
        const void *body;
        size_t len;
};

/* Adds date, token and signature to `headers`, which hold what else is to be signed; returns the new number. */
static size_t sign(const struct signing *s, struct http_header *headers, size_t n, struct arena *arena)
{
        struct sigv4_header signed_headers[8];
        char *timestamp = arena_bytes(arena, 17);
        const char *authorization = NULL;
        struct sigv4_request req = {.method = s->method, .body = s->body, .body_len = s->len};

        sigv4_timestamp(env_now_ms(s->client->env), timestamp);
        headers[n++] = (struct http_header){"Host", aws_url_host(s->url, arena)};
        headers[n++] = (struct http_header){"X-Amz-Date", timestamp};
        if (!str_empty(s->client->credentials.session_token))
                headers[n++] = (struct http_header){"X-Amz-Security-Token", s->client->credentials.session_token};
        for (size_t i = 0; i < n; i++)
                signed_headers[i] = (struct sigv4_header){headers[i].name, headers[i].value};
        aws_url_split(s->url, arena, &req.path, &req.query);
        req.headers = signed_headers;
        req.n_headers = n;
        sigv4_sign(&req, &s->client->credentials, s->client->region, s->service, timestamp, arena, &authorization);
        headers[n++] = (struct http_header){"Authorization", authorization};
        return n;
}

size_t aws_sign_get(const struct aws_client *client, const char *url, const void *body, size_t len, struct arena *arena,
                    struct http_header ret[4])
{
        const struct signing s = {.client = client, .method = "GET", .url = url, .service = "ecs", .body = body, .len = len};

        return sign(&s, ret, 0, arena);
}

/* "com.amazonaws.x#Name:http://…" gives "Name". */
static const char *plain_code(const char *code, struct arena *arena)
{
        const char *hash = code != NULL ? strchr(code, '#') : NULL;

        if (code == NULL)
                return "";
        code = hash != NULL ? hash + 1 : code;
        return arena_strndup(arena, code, strcspn(code, ":"));
}

static const char *header(const struct http_result *result, const char *name)
{
        for (size_t i = 0; i < result->n_headers; i++) {
                if (str_eq_nocase(result->headers[i].name, name))
                        return result->headers[i].value;
        }
        return NULL;
}

static void read_failure(const struct http_result *result, struct arena *arena, struct aws_answer *answer)
{
        static const char *const transient[] = {"ThrottlingException",
                                                "Throttling",
                                                "TooManyRequestsException",
                                                "ServerException",
                                                "ServiceUnavailableException",
                                                "ServiceUnavailable",
                                                "LimitExceededException",
                                                "RequestTimeout",
                                                "InternalFailure"};
        const struct shape_limits limits = {.skip_validation = true};
        static const struct acs_api_error nothing;
        struct acs_api_error *body = NULL;
        const char *code = header(result, "x-amzn-errortype");

        if (SHAPE_PARSE(acs_api_error, arena, result->body, result->len, &limits, &body, NULL) < 0)
                body = (struct acs_api_error *)&nothing;
        if (code == NULL)
                code = body->type != NULL ? body->type : body->code;
        answer->code = plain_code(code, arena);
        answer->message = body->message != NULL ? body->message : arena_printf(arena, "HTTP status %d", result->status);
        answer->retryable = result->status >= 500 || result->status == 429 || result->status == 408;
        for (size_t i = 0; i < ARRAY_SIZE(transient); i++)
                answer->retryable |= str_eq(answer->code, transient[i]);
        answer->result = -EREMOTEIO;
}

static void on_done(struct http_call *http, const struct http_result *result, void *data)
{
        struct aws_call *call = data;
        struct arena arena CLEANUP_ARENA = {0};
        const struct shape_limits limits = {.skip_validation = true};
        struct error error = {0};
        struct aws_answer answer = {.status = MAX(result->status, 0), .code = "", .message = ""};
        void *output = NULL;

        (void)http;
        call->http_ = NULL;
        if (result->status < 0) {
                answer.result = result->status;
                answer.message = result->message != NULL ? result->message : "no answer";
                answer.retryable = true;
        } else if (result->status != 200) {
                read_failure(result, &arena, &answer);
        } else {
                const char *body = result->len > 0 ? result->body : "{}";

                answer.result = shape_from_json(call->operation_->output, &arena, body, strlen(body), &limits, &output, &error);
                answer.output = output;
                if (answer.result < 0) {
                        answer.message = error.message;
                        answer.retryable = true;
                }
        }
        call->done(call, &answer);
}

void aws_client_call(const struct aws_client *client, struct aws_call *call, const char *endpoint, const struct shape_service *service,
                     const char *operation, const void *input, uint32_t timeout_ms)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf body CLEANUP_BUF = {0};
        const char *url = arena_printf(&arena, "%s%s", endpoint, str_ends_with(endpoint, "/") ? "" : "/");
        struct http_header headers[8] = {{"Content-Type", "application/x-amz-json-1.1"}};

        assert(call->http_ == NULL);
        call->operation_ = shape_service_find(service, operation);
        assert(call->operation_ != NULL);
        call->client_ = client;
        shape_to_json(call->operation_->input, input, &body);
        headers[1] = (struct http_header){"X-Amz-Target", arena_printf(&arena, "%s%s", service->target_prefix, operation)};
        const struct signing s = {
                .client = client, .method = "POST", .url = url, .service = service->name, .body = body.data, .len = body.len};
        size_t n = sign(&s, headers, 2, &arena);
        const struct http_call_options options = {.method = "POST",
                                                  .url = url,
                                                  .headers = headers,
                                                  .n_headers = n,
                                                  .body = body.data,
                                                  .body_len = body.len,
                                                  .timeout_ms = timeout_ms,
                                                  .done = on_done,
                                                  .data = call};
        call->http_ = http_client_call(client->http, &options);
}

bool aws_call_is_busy(const struct aws_call *call)
{
        return call->http_ != NULL;
}

void aws_call_cancel(struct aws_call *call)
{
        if (call->http_ != NULL)
                http_call_cancel(TAKE(call->http_));
}
