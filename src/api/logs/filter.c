/* SPDX-License-Identifier: Apache-2.0 */
/* FilterLogEvents: events of many streams of a group in order of time, those that a pattern matches. What `aws logs tail` polls. */
#include <errno.h>
#include <string.h>

#include "api/logs/common.h"
#include "api/server.h"
#include "base/strutil.h"
#include "logs/filter_pattern.h"

#define EVENTS_MAX 10000
#define BYTES_MAX (1u << 20)

struct filter {
        struct logs_wait wait;
        struct log_query query;
        struct filter_pattern *pattern;
        struct logs_filter_log_events_response *out;
};

static bool match(const char *message, uint32_t len, void *data)
{
        return filter_pattern_match(data, message, len);
}

static void fill(struct api_call *call, const struct log_query *query, struct logs_filter_log_events_response *out)
{
        out->searched_log_streams.items = arena_alloc(call->arena, 0);
        out->events.items = arena_calloc(call->arena, query->n, sizeof *out->events.items);
        out->events.n = query->n;
        for (uint32_t i = 0; i < query->n; i++) {
                const struct log_result *result = &query->results[i];
                struct logs_filtered_log_event *event = &out->events.items[i];

                event->log_stream_name = arena_strdup(call->arena, log_stream_info(result->stream)->name);
                SHAPE_SET(event, logs_filtered_log_event, timestamp, result->position.timestamp_ms);
                SHAPE_SET(event, logs_filtered_log_event, ingestion_time, result->ingestion_ms);
                event->message = result->message;
                event->event_id = logs_position_text(call, result->position);
        }
        if (!query->complete && query->has_next)
                out->next_token = logs_position_text(call, query->next);
}

static void found(struct log_query *query, int status)
{
        struct filter *filter = CONTAINER_OF(query, struct filter, query);

        filter->pattern = filter_pattern_free(filter->pattern);
        if (status == 0)
                fill(filter->wait.call, query, filter->out);
        logs_wait_end(&filter->wait, status < 0 ? logs_store_failed(filter->wait.call, status) : 0);
}

/* ---- which streams ---- */

static int named_streams(struct api_call *call, struct log_group *group, const struct string_list *names, struct log_query *query)
{
        struct log_stream **streams = arena_calloc(call->arena, names->n, sizeof(*streams));

        for (uint32_t i = 0; i < names->n; i++) {
                int r = logs_find_stream(call, group, names->items[i], &streams[i]);

                if (r < 0)
                        return r;
        }
        query->streams = streams;
        query->n_streams = names->n;
        return 0;
}

static void prefixed_streams(struct api_call *call, struct log_group *group, const char *prefix, struct log_query *query)
{
        struct log_stream **streams = arena_calloc(call->arena, log_group_info(group)->n_streams, sizeof(*streams)), *s;

        for (s = log_stream_after(group, prefix, true); s != NULL && str_starts_with(log_stream_info(s)->name, prefix);
             s = log_stream_after(group, log_stream_info(s)->name, false))
                streams[query->n_streams++] = s;
        query->streams = streams;
}

static int choose_streams(struct api_call *call, struct log_group *group, const struct logs_filter_log_events_request *in,
                          struct log_query *query)
{
        if (in->log_stream_names.n > 0 && in->log_stream_name_prefix != NULL)
                return api_fail(call, "InvalidParameterException",
                                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.");
        if (in->log_stream_names.n > 0)
                return named_streams(call, group, &in->log_stream_names, query);
        if (in->log_stream_name_prefix != NULL)
                prefixed_streams(call, group, in->log_stream_name_prefix, query);
        else
                query->all_streams = true;
        return 0;
}

/* ---- the operation ---- */

static int choose_range(struct api_call *call, const struct log_group *group, const struct logs_filter_log_events_request *in,
                        struct log_query *query)
{
        bool has_end = SHAPE_HAS(in, logs_filter_log_events_request, end_time);

        if (has_end && in->end_time < in->start_time)
                return api_fail(call, "InvalidParameterException", "endTime must not be before startTime.");
        query->start_ms = MAX(in->start_time, logs_oldest_ms(call, group));
        query->end_ms = has_end && in->end_time < INT64_MAX ? in->end_time + 1 : INT64_MAX; /* an event at endTime is in */
        query->has_from = in->next_token != NULL;
        if (query->has_from && logs_position_parse(in->next_token, &query->from) < 0)
                return api_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
        return 0;
}

static int filter_log_events(struct api_call *call, const void *input, void *output)
{
        const struct logs_filter_log_events_request *in = input;
        struct filter *filter = ARENA_NEW(call->arena, struct filter);
        struct log_query *query = &filter->query;
        struct log_group *group = NULL;
        struct error error = {0};
        int r = logs_find_group_by(call, in->log_group_name, in->log_group_identifier, &group);

        if (r == 0)
                r = choose_streams(call, group, in, query);
        if (r == 0)
                r = choose_range(call, group, in, query);
        if (r < 0)
                return r;
        if (in->filter_pattern != NULL && filter_pattern_parse(in->filter_pattern, &filter->pattern, &error) < 0)
                return api_fail(call, "InvalidParameterException", "%s", error.message);
        query->group = group;
        query->max_events = SHAPE_HAS(in, logs_filter_log_events_request, limit) ? (uint32_t)in->limit : EVENTS_MAX;
        query->max_bytes = BYTES_MAX;
        if (filter->pattern != NULL && !filter_pattern_is_empty(filter->pattern)) {
                query->match = match;
                query->match_data = filter->pattern;
        }
        query->arena = call->arena;
        query->done = found;
        filter->out = output;
        logs_wait_begin(&filter->wait, call);
        log_query_start(call->api->logs, query);
        return logs_wait_return(&filter->wait);
}

const struct api_route logs_filter_routes[] = {
        {LOGS_OP_FILTER_LOG_EVENTS, filter_log_events},
        {0, NULL},
};
