/* SPDX-License-Identifier: Apache-2.0 */
/* PutLogEvents: what may go in, and the answer once it is on the disk. */
#include <errno.h>
#include <string.h>

#include "api/logs/common.h"

#define HOUR_MS INT64_C(3600000)
#define TOO_OLD_MS (14 * 24 * HOUR_MS)
#define TOO_NEW_MS (2 * HOUR_MS)
#define SPAN_MS (24 * HOUR_MS)
#define UPLOAD_MAX 1048576
#define EVENT_OVERHEAD 26

struct put {
        struct logs_wait wait;
        struct log_op op;
};

static void appended(struct log_op *op, int status)
{
        struct put *put = CONTAINER_OF(op, struct put, op);

        logs_wait_end(&put->wait, status < 0 ? logs_store_failed(put->wait.call, status) : 0);
}

static int check_batch(struct api_call *call, const struct logs_input_log_event_list *list)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < list->n; i++) {
                bytes += strlen(list->items[i].message) + EVENT_OVERHEAD;
                if (i > 0 && list->items[i].timestamp < list->items[i - 1].timestamp)
                        return api_fail(call, "InvalidParameterException",
                                        "Log events in a single PutLogEvents request must be in chronological order.");
        }
        if (bytes > UPLOAD_MAX)
                return api_fail(call, "InvalidParameterException", "Upload too large: %llu bytes exceeds limit of %d",
                                (unsigned long long)bytes, UPLOAD_MAX);
        if (list->n > 0 && list->items[list->n - 1].timestamp - list->items[0].timestamp > SPAN_MS)
                return api_fail(call, "InvalidParameterException",
                                "The batch of log events in a single PutLogEvents request cannot span more than 24 "
                                "hours.");
        return 0;
}

/* Which of the ordered events are taken: [*ret_first, *ret_end). The others are named in the answer. */
static struct logs_rejected_log_events_info *reject(struct api_call *call, const struct log_group *group,
                                                    const struct logs_input_log_event_list *list, uint32_t *ret_first, uint32_t *ret_end)
{
        struct logs_rejected_log_events_info *info = ARENA_NEW(call->arena, struct logs_rejected_log_events_info);
        int64_t oldest = logs_oldest_ms(call, group);
        uint32_t too_old = 0, expired = 0, end = list->n;

        while (too_old < list->n && list->items[too_old].timestamp < call->now_ms - TOO_OLD_MS)
                too_old++;
        while (expired < list->n && list->items[expired].timestamp < oldest)
                expired++;
        while (end > 0 && list->items[end - 1].timestamp > call->now_ms + TOO_NEW_MS)
                end--;
        if (too_old > 0)
                SHAPE_SET(info, logs_rejected_log_events_info, too_old_log_event_end_index, (int32_t)too_old);
        if (expired > too_old)
                SHAPE_SET(info, logs_rejected_log_events_info, expired_log_event_end_index, (int32_t)expired);
        if (end < list->n)
                SHAPE_SET(info, logs_rejected_log_events_info, too_new_log_event_start_index, (int32_t)end);
        *ret_first = MAX(too_old, expired);
        *ret_end = end;
        return info->has != 0 ? info : NULL;
}

static int append(struct api_call *call, struct log_stream *stream, const struct logs_input_log_event *items, uint32_t n)
{
        struct put *put = ARENA_NEW(call->arena, struct put);
        struct log_event *events = arena_calloc(call->arena, n, sizeof *events);
        int r;

        for (uint32_t i = 0; i < n; i++)
                events[i] = (struct log_event){items[i].timestamp, items[i].message, (uint32_t)strlen(items[i].message)};
        put->op.done = appended;
        logs_wait_begin(&put->wait, call);
        r = log_stream_append(stream, events, n, call->now_ms, &put->op);
        if (r == -EAGAIN)
                return api_fail(call, "ServiceUnavailableException", "The disk is slower than the log events come in. Try again later.");
        return r < 0 ? r : logs_wait_return(&put->wait);
}

static int put_log_events(struct api_call *call, const void *input, void *output)
{
        const struct logs_put_log_events_request *in = input;
        struct logs_put_log_events_response *out = output;
        struct log_group *group = NULL;
        struct log_stream *stream = NULL;
        uint32_t first = 0, end = 0;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r == 0)
                r = logs_find_stream(call, group, in->log_stream_name, &stream);
        if (r == 0)
                r = check_batch(call, &in->log_events);
        if (r < 0)
                return r;
        out->rejected_log_events_info = reject(call, group, &in->log_events, &first, &end);
        /* Only for old clients, which send it back: nobody looks at it. */
        out->next_sequence_token = logs_position_text(call, (struct log_position){call->now_ms, log_stream_info(stream)->stored_bytes});
        return first < end ? append(call, stream, in->log_events.items + first, end - first) : 0;
}

const struct api_route logs_put_routes[] = {
        {LOGS_OP_PUT_LOG_EVENTS, put_log_events},
        {0, NULL},
};
