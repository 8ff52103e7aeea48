/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the awslogs driver: CreateLogStream (CreateLogGroup when that is wanted) before the container starts, PutLogEvents
 * while it runs. A log group that is missing stops the start, as in ECS; a server that does not answer does not: the file keeps the
 * lines until it does.
 */
#include <errno.h>
#include <string.h>

#include "agent/logs/internal.h"
#include "base/log.h"
#include "base/strutil.h"

#define CALL_TIMEOUT_MS 20000
#define OPEN_TIMEOUT_MS 5000
#define OPEN_TRIES 3
#define SEND_DELAY_MS 100 /* how long the first line of a batch waits for others */

static void send_fires(struct timer *timer);

static void open_end(struct shipping *s, const struct error *error)
{
        void (*done)(struct engine_container * c, const struct error *error, void *data) = s->open_done;

        s->open_done = NULL;
        s->open_tries = 0;
        if (done != NULL)
                done(s->c, error, s->open_data);
        else
                awslogs_pump(s);
}

static void on_group(struct aws_call *call, const struct aws_answer *answer);
static void on_stream(struct aws_call *call, const struct aws_answer *answer);

static void create_stream(struct shipping *s)
{
        const struct logs_create_log_stream_request req = {.log_group_name = s->options.group, .log_stream_name = s->options.stream};

        s->call.done = on_stream;
        aws_client_call(s->shipper->o.client, &s->call, s->options.endpoint, &logs_service, "CreateLogStream", &req, OPEN_TIMEOUT_MS);
}

static void create_group(struct shipping *s)
{
        const struct logs_create_log_group_request req = {.log_group_name = s->options.group};

        s->group_tried = true;
        s->call.done = on_group;
        aws_client_call(s->shipper->o.client, &s->call, s->options.endpoint, &logs_service, "CreateLogGroup", &req, OPEN_TIMEOUT_MS);
}

static void open_failed(struct shipping *s, const struct aws_answer *answer)
{
        struct error error = {0};

        if (answer->retryable && s->open_done != NULL && ++s->open_tries < OPEN_TRIES) {
                timers_set(s->shipper->o.timers, &s->send_timer, backoff_next(&s->backoff, s->shipper->o.timers->env), send_fires);
                return;
        }
        s->stream_missing = true;
        if (answer->retryable) {
                log_warn("the log stream could not be made yet", LOG_S("group", s->options.group), LOG_S("stream", s->options.stream),
                         LOG_S("error", answer->message));
                open_end(s, NULL);
                return;
        }
        (void)error_api(
                &error, "ResourceInitializationError",
                "failed to initialize logging driver: failed to create Cloudwatch log stream: %s: %s (log group %s); make it with aws logs "
                "create-log-group or set the log option awslogs-create-group to true",
                answer->code, answer->message, s->options.group);
        if (s->open_done != NULL) {
                open_end(s, &error);
                return;
        }
        /* While the container runs: somebody deleted the group. The file keeps the lines. */
        log_warn("log events cannot be put", LOG_S("group", s->options.group), LOG_S("error", answer->message));
        timers_set(s->shipper->o.timers, &s->send_timer, backoff_next(&s->backoff, s->shipper->o.timers->env), send_fires);
}

static void on_group(struct aws_call *call, const struct aws_answer *answer)
{
        struct shipping *s = CONTAINER_OF(call, struct shipping, call);

        if (answer->result == 0 || str_eq(answer->code, "ResourceAlreadyExistsException"))
                create_stream(s);
        else
                open_failed(s, answer);
}

static void on_stream(struct aws_call *call, const struct aws_answer *answer)
{
        struct shipping *s = CONTAINER_OF(call, struct shipping, call);

        if (answer->result == 0 || str_eq(answer->code, "ResourceAlreadyExistsException")) {
                s->stream_missing = s->group_tried = false;
                open_end(s, NULL);
        } else if (str_eq(answer->code, "ResourceNotFoundException") && s->options.create_group && !s->group_tried) {
                create_group(s);
        } else {
                open_failed(s, answer);
        }
}

void awslogs_open(struct shipping *s)
{
        if (!aws_call_is_busy(&s->call))
                create_stream(s);
}

/* ---- putting events ---- */

static void accepted(struct shipping *s)
{
        struct log_position position = log_batch_accept(&s->batch, s->sent);

        s->sent = 0;
        backoff_reset(&s->backoff);
        shipping_keep_position(s, &position);
        shipping_read(s); /* it may have stopped because too much was waiting */
        shipping_check(s);
}

static void on_put(struct aws_call *call, const struct aws_answer *answer)
{
        struct shipping *s = CONTAINER_OF(call, struct shipping, call);
        bool done = answer->result == 0 || str_eq(answer->code, "DataAlreadyAcceptedException");

        if (!done && str_eq(answer->code, "ResourceNotFoundException")) {
                s->sent = 0;
                s->stream_missing = true;
                create_stream(s);
                return;
        }
        if (!done && !answer->retryable && str_eq(answer->code, "InvalidParameterException")) {
                log_error("log events are refused and dropped", LOG_S("group", s->options.group), LOG_S("stream", s->options.stream),
                          LOG_I("events", s->sent), LOG_S("error", answer->message));
                done = true;
        }
        if (done) {
                accepted(s);
                awslogs_pump(s);
                return;
        }
        s->sent = 0;
        uint32_t delay = backoff_next(&s->backoff, s->shipper->o.timers->env);
        log_warn("log events could not be delivered; trying again", LOG_S("stream", s->options.stream), LOG_S("error", answer->message),
                 LOG_I("ms", delay));
        timers_set(s->shipper->o.timers, &s->send_timer, delay, send_fires);
}

static void put(struct shipping *s)
{
        struct arena arena CLEANUP_ARENA = {0};
        size_t n = log_batch_next(&s->batch);
        struct logs_input_log_event *events = arena_calloc(&arena, n, sizeof(*events));
        const struct logs_put_log_events_request req = {.log_group_name = s->options.group,
                                                        .log_stream_name = s->options.stream,
                                                        .log_events = {.items = events, .n = (uint32_t)n}};

        for (size_t i = 0; i < n; i++) {
                SHAPE_SET(&events[i], logs_input_log_event, timestamp, s->batch.events[i].time_ms);
                events[i].message = s->batch.events[i].text;
        }
        s->sent = n;
        s->call.done = on_put;
        aws_client_call(s->shipper->o.client, &s->call, s->options.endpoint, &logs_service, "PutLogEvents", &req, CALL_TIMEOUT_MS);
}

static void send_fires(struct timer *timer)
{
        struct shipping *s = CONTAINER_OF(timer, struct shipping, send_timer);

        if (aws_call_is_busy(&s->call))
                return;
        if (s->open_done != NULL || s->stream_missing)
                create_stream(s);
        else if (s->batch.n > 0)
                put(s);
}

void awslogs_pump(struct shipping *s)
{
        bool now = s->ended || log_batch_is_full(&s->batch);

        if (s->options.driver != LOG_DRIVER_AWSLOGS || s->batch.n == 0 || aws_call_is_busy(&s->call))
                return;
        if (timer_is_set(&s->send_timer) && (!now || s->backoff.next_ms > 0))
                return;
        timers_set(s->shipper->o.timers, &s->send_timer, now ? 0 : SEND_DELAY_MS, send_fires);
}
