/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of an exchange: what the handler said becomes the answer, once what it rests on is on disk. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/errors.h"
#include "api/server_internal.h"
#include "base/log.h"
#include "base/strutil.h"

/* An answer that took longer than this is worth a line at info. */
#define SLOW_US 1000000

void api_request_id(struct api *api, char ret[37])
{
        static const char hex[] = "0123456789abcdef";
        struct api_state *state = api->state;
        const uint8_t *bytes;
        char *p = ret;

        if (state->random_used + 16 > sizeof(state->random)) {
                api->env->random(api->env, state->random, sizeof(state->random));
                state->random_used = 0;
        }
        bytes = state->random + state->random_used;
        state->random_used += 16;
        for (int i = 0; i < 16; i++) {
                uint8_t b = bytes[i];

                if (i == 6)
                        b = (b & 0x0f) | 0x40; /* version 4 */
                if (i == 8)
                        b = (b & 0x3f) | 0x80; /* variant 1 */
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *p++ = '-';
                *p++ = hex[b >> 4];
                *p++ = hex[b & 15];
        }
        *p = '\0';
}

/* One line an answer: what went well at debug, what a client did wrong at info, what we did wrong at error. Whoever has no valid key
 * must not be able to fill the log: that is debug too, and counted in the metrics. */
static void log_answer(const struct exchange *x, uint64_t us)
{
        enum log_level level = LOG_LEVEL_DEBUG;

        if (x->status >= 500)
                level = LOG_LEVEL_ERROR;
        else if ((x->status >= 400 && x->call.key_id[0] != '\0') || us >= SLOW_US)
                level = LOG_LEVEL_INFO;
        log_at_(level, "request", LOG_S("service", x->service != NULL ? x->service->service->name : ""),
                LOG_S("operation", x->operation_name), LOG_I("status", x->status), LOG_S("code", x->code), LOG_I("us", us),
                LOG_S("principal", x->call.principal_arn), LOG_S("key", x->call.key_id),
                LOG_S("peer", x->call.http != NULL ? x->call.http->peer : "local"), LOG_S("request_id", x->request_id),
                LOG_S("message", x->message));
}

static struct operation_stats *exchange_stats(struct exchange *x)
{
        if (x->operation != NULL)
                return &x->operation->stats;
        return x->service != NULL ? &x->service->unknown : &x->call.api->state->unrouted;
}

static void answer_detached(struct exchange *x)
{
        struct arena *arena = x->abandoned;

        x->run_status = x->status;
        if (x->answer != NULL)
                x->answer(x->answer_data, x->status, x->body, x->body_len);
        if (x->run_out != NULL)
                buf_append(x->run_out, x->body, x->body_len);
        if (arena != NULL) {
                arena_done(arena); /* with x in it */
                free(arena);
        }
}

/* CloudWatch's clients know its errors by the names that they have in query; those of others are the same everywhere. */
static const char *query_code(const struct exchange *x)
{
        int unused;

        return x->service != NULL && x->service->service->xml_namespace != NULL ? error_query_code(x->code, &unused) : x->code;
}

static void send_answer(struct exchange *x)
{
        struct http_header headers[5] = {{"x-amzn-RequestId", x->request_id}, {"Content-Type", x->protocol->content_type}};
        uint64_t us = uv_hrtime() / 1000 - x->started_us;
        size_t n = 2;
        char query_error[128];

        if (x->protocol == &protocol_cbor)
                headers[n++] = (struct http_header){"smithy-protocol", "rpc-v2-cbor"};
        if (x->status != 200)
                headers[n++] = (struct http_header){"x-amzn-ErrorType", x->code};
        if (x->status != 200 && x->query_mode) {
                (void)snprintf(query_error, sizeof(query_error), "%s;%s", query_code(x), x->status < 500 ? "Sender" : "Receiver");
                headers[n++] = (struct http_header){"x-amzn-query-error", query_error};
        }
        stats_record(exchange_stats(x), x->code, us);
        log_answer(x, us);
        if (x->in_flight)
                x->call.api->state->in_flight--;
        x->in_flight = false;
        if (x->detached)
                answer_detached(x);
        else
                http_respond(x->call.http, x->status, headers, n, x->body, x->body_len); /* frees the arena that holds x */
}

/* The name of "something went wrong in here" differs by service. */
static const char *internal_code(const struct exchange *x)
{
        return x->service != NULL && str_eq(x->service->service->name, "logs") ? "ServiceUnavailableException" : "ServerException";
}

/* Writes the error into the shared buffer and makes it the exchange's answer. */
static void write_error(struct exchange *x, const struct error *error)
{
        struct buf *out = &x->call.api->state->out;
        const char *message = error->message;

        x->code = error->code;
        if (str_empty(x->code)) {
                /* The cause is for the operator; the client gets the number to ask about. */
                log_error("request failed", LOG_S("operation", x->operation_name), LOG_S("request_id", x->request_id),
                          LOG_I("errno", error->number), LOG_S("cause", error->message));
                x->code = internal_code(x);
                message = arena_printf(x->call.arena, "Service failed. The server's log says why at request_id %s.", x->request_id);
        }
        x->message = message;
        buf_clear(out);
        x->protocol->encode_error(x, x->code, message, &x->status, out);
        if (x->status_override != 0)
                x->status = x->status_override;
        x->body = out->data;
        x->body_len = out->len;
}

void exchange_fail(struct exchange *x, const struct error *error)
{
        write_error(x, error);
        send_answer(x);
}

static void write_result(struct exchange *x, int result)
{
        struct buf *out = &x->call.api->state->out;

        if (result < 0) {
                if (!error_is_set(&x->call.error))
                        (void)error_set(&x->call.error, -result, "handler failed: %s", strerror(-result));
                write_error(x, &x->call.error);
                return;
        }
        x->status = 200;
        x->code = "200";
        buf_clear(out);
        x->protocol->encode(x, out);
        x->body = out->data;
        x->body_len = out->len;
}

static void now_durable(struct commit_waiter *waiter)
{
        send_answer(CONTAINER_OF(waiter, struct exchange, call.waiter));
}

void exchange_finish(struct exchange *x, int result)
{
        struct model *model = x->call.model;

        /* Written now: the output may point into states that a later transaction replaces. */
        write_result(x, result);
        /* Also an error, and also what was only read, may rest on a change that is not on disk yet. */
        x->call.sequence = MAX(x->call.sequence, model_sequence(model));
        if ((x->detached && x->answer == NULL) || x->call.sequence <= model_durable(model)) {
                send_answer(x);
                return;
        }
        x->body = arena_memdup(x->call.arena, x->body, x->body_len);
        x->call.waiter.sequence = x->call.sequence;
        x->call.waiter.durable = now_durable;
        model_when_durable(model, x->call.sequence, &x->call.waiter);
}

void api_call_finish(struct api_call *call, int result)
{
        exchange_finish(CONTAINER_OF(call, struct exchange, call), result);
}

#undef api_fail
int api_fail(struct api_call *call, const char *code, const char *fmt, ...)
{
        char message[sizeof(call->error.message)];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(message, sizeof(message), fmt, args);
        va_end(args);
        return error_api(&call->error, code, "%s", message);
}

void api_respond_error(struct http_request *req, int status, const char *code, const char *message)
{
        struct http_header headers[] = {{"Content-Type", "application/x-amz-json-1.1"}, {"x-amzn-ErrorType", code}};
        CLEANUP_BUF struct buf body = {0};

        buf_append_str(&body, "{\"__type\":");
        api_json_quote(&body, code);
        buf_append_str(&body, ",\"message\":");
        api_json_quote(&body, message);
        buf_append_char(&body, '}');
        http_respond(req, status, headers, ARRAY_SIZE(headers), body.data, body.len);
}
