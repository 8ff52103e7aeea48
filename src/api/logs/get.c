/* SPDX-License-Identifier: Apache-2.0 */
/* GetLogEvents: pages of one stream, forward and backward, with tokens that never end. */
#include <errno.h>
#include <string.h>

#include "api/logs/common.h"
#include "api/server.h"
#include "base/strutil.h"

#define EVENTS_MAX 10000
#define BYTES_MAX (1u << 20)

struct get {
        struct logs_wait wait;
        struct log_query query;
        struct logs_get_log_events_response *out;
};

/* "f/…/s" goes forward from a place, "b/…/s" backward. */
static const char *token(struct api_call *call, char direction, struct log_position position)
{
        return arena_printf(call->arena, "%c/%s/s", direction, logs_position_text(call, position));
}

static int parse_token(struct api_call *call, const char *text, struct log_query *query)
{
        char digits[LOGS_POSITION_DIGITS + 1] = "";

        if (strlen(text) == LOGS_POSITION_DIGITS + 4 && (text[0] == 'f' || text[0] == 'b') && text[1] == '/' &&
            str_eq(text + LOGS_POSITION_DIGITS + 2, "/s")) {
                memcpy(digits, text + 2, LOGS_POSITION_DIGITS);
                query->backward = text[0] == 'b';
                query->has_from = true;
                if (logs_position_parse(digits, &query->from) == 0)
                        return 0;
        }
        return api_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
}

/* The page's edges. Where it is empty, both are the place that was asked for: the same token comes back until something new is there. */
static void set_tokens(struct api_call *call, const struct log_query *query, struct logs_get_log_events_response *out)
{
        struct log_position first = query->from, last = query->from;

        if (query->n > 0) {
                first = query->results[0].position;
                last = query->results[query->n - 1].position;
        }
        if (query->has_next && query->backward)
                first = query->next;
        else if (query->has_next)
                last = query->next;
        out->next_forward_token = token(call, 'f', last);
        out->next_backward_token = token(call, 'b', first);
}

static void fill(struct api_call *call, const struct log_query *query, struct logs_get_log_events_response *out)
{
        out->events.items = arena_calloc(call->arena, query->n, sizeof *out->events.items);
        out->events.n = query->n;
        for (uint32_t i = 0; i < query->n; i++) {
                struct logs_output_log_event *event = &out->events.items[i];

                SHAPE_SET(event, logs_output_log_event, timestamp, query->results[i].position.timestamp_ms);
                SHAPE_SET(event, logs_output_log_event, ingestion_time, query->results[i].ingestion_ms);
                event->message = query->results[i].message;
        }
        set_tokens(call, query, out);
}

static void found(struct log_query *query, int status)
{
        struct get *get = CONTAINER_OF(query, struct get, query);

        if (status < 0) {
                logs_wait_end(&get->wait, logs_store_failed(get->wait.call, status));
        } else {
                fill(get->wait.call, query, get->out);
                logs_wait_end(&get->wait, 0);
        }
}

static int get_log_events(struct api_call *call, const void *input, void *output)
{
        const struct logs_get_log_events_request *in = input;
        struct get *get = ARENA_NEW(call->arena, struct get);
        struct log_query *query = &get->query;
        struct log_group *group = NULL;
        struct log_stream *stream = NULL;
        int r = logs_find_group_by(call, in->log_group_name, in->log_group_identifier, &group);

        if (r == 0)
                r = logs_find_stream(call, group, in->log_stream_name, &stream);
        if (r == 0 && SHAPE_HAS(in, logs_get_log_events_request, end_time) && in->end_time < in->start_time)
                r = api_fail(call, "InvalidParameterException", "endTime must not be before startTime.");
        query->backward = !in->start_from_head;
        if (r == 0 && in->next_token != NULL)
                r = parse_token(call, in->next_token, query);
        if (r < 0)
                return r;
        query->group = group;
        query->streams = &stream;
        query->n_streams = 1;
        query->start_ms = MAX(in->start_time, logs_oldest_ms(call, group));
        query->end_ms = SHAPE_HAS(in, logs_get_log_events_request, end_time) ? in->end_time : INT64_MAX;
        query->max_events = SHAPE_HAS(in, logs_get_log_events_request, limit) ? (uint32_t)in->limit : EVENTS_MAX;
        query->max_bytes = BYTES_MAX;
        query->arena = call->arena;
        query->done = found;
        get->out = output;
        logs_wait_begin(&get->wait, call);
        log_query_start(call->api->logs, query);
        return logs_wait_return(&get->wait);
}

const struct api_route logs_get_routes[] = {
        {LOGS_OP_GET_LOG_EVENTS, get_log_events},
        {0, NULL},
};
