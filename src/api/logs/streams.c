/* SPDX-License-Identifier: Apache-2.0 */
/* Log streams: create, describe, delete. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/logs/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define PAGE_MAX 50
#define KEY_DIGITS 20 /* of the time in a page's key */

static int create_log_stream(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_create_log_stream_request *in = input;
        struct log_group *group = NULL;
        struct log_stream *stream = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r < 0)
                return r;
        if (strpbrk(in->log_stream_name, ":*") != NULL)
                return api_fail(call, "InvalidParameterException",
                                "1 validation error detected: Value '%.200s' at 'logStreamName' failed to satisfy "
                                "constraint: Member must satisfy regular expression pattern: [^:*]*",
                                in->log_stream_name);
        r = log_stream_create(group, in->log_stream_name, call->now_ms, &stream);
        if (r == -EEXIST)
                return api_fail(call, "ResourceAlreadyExistsException", "The specified log stream already exists");
        if (r == -ENOSPC)
                return api_fail(call, "ServiceUnavailableException", "This server keeps no more log streams. Delete some first.");
        return r < 0 ? r : logs_when_durable(call);
}

static int delete_log_stream(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_delete_log_stream_request *in = input;
        struct log_group *group = NULL;
        struct log_stream *stream = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r == 0)
                r = logs_find_stream(call, group, in->log_stream_name, &stream);
        if (r == 0)
                r = logs_check_unprotected(call, group);
        if (r < 0)
                return r;
        log_stream_delete(stream);
        return logs_when_durable(call);
}

/* ---- describe ---- */

static void describe_stream(struct api_call *call, struct log_group *group, const struct log_stream *stream, struct logs_log_stream *out)
{
        const struct log_stream_info *info = log_stream_info(stream);

        out->log_stream_name = arena_strdup(call->arena, info->name);
        out->arn = logs_stream_arn(call, group, stream);
        SHAPE_SET(out, logs_log_stream, creation_time, info->created_ms);
        SHAPE_SET(out, logs_log_stream, stored_bytes, 0); /* AWS has not counted by stream since 2019 */
        out->upload_sequence_token = logs_position_text(call, (struct log_position){info->last_ingestion_ms, info->stored_bytes});
        if (!info->has_events)
                return;
        SHAPE_SET(out, logs_log_stream, first_event_timestamp, info->first_event_ms);
        SHAPE_SET(out, logs_log_stream, last_event_timestamp, info->last_event_ms);
        SHAPE_SET(out, logs_log_stream, last_ingestion_time, info->last_ingestion_ms);
}

/* Adds to the answer; false when the page is full. */
static bool add_stream(struct api_call *call, struct log_group *group, const struct log_stream *stream, const char *key,
                       struct api_page *page, struct logs_describe_log_streams_response *out)
{
        if (!api_page_add(page, key)) {
                out->next_token = api_page_token(call, page);
                return false;
        }
        describe_stream(call, group, stream, SHAPE_PUSH(call->arena, &out->log_streams));
        return true;
}

/* The first name that does not begin with the prefix any more, or NULL when there can be none. */
static const char *after_prefix(struct arena *arena, const char *prefix)
{
        char *next = arena_strdup(arena, prefix);
        size_t n = strlen(next);

        while (n > 0 && (unsigned char)next[n - 1] == 0xff)
                n--;
        if (n == 0)
                return NULL;
        next[n] = '\0';
        next[n - 1] = (char)((unsigned char)next[n - 1] + 1);
        return next;
}

static void describe_by_name(struct api_call *call, struct log_group *group, const struct logs_describe_log_streams_request *in,
                             struct api_page *page, struct logs_describe_log_streams_response *out)
{
        const char *prefix = in->log_stream_name_prefix != NULL ? in->log_stream_name_prefix : "";
        struct log_stream *stream = NULL;

        if (in->descending)
                stream = log_stream_before(group, page->after != NULL ? page->after : after_prefix(call->arena, prefix));
        else
                stream = page->after != NULL ? log_stream_after(group, page->after, false) : log_stream_after(group, prefix, true);
        while (stream != NULL) {
                const char *name = log_stream_info(stream)->name;

                if (!str_starts_with(name, prefix) || !add_stream(call, group, stream, name, page, out))
                        return;
                stream = in->descending ? log_stream_before(group, name) : log_stream_after(group, name, false);
        }
}

/* Streams without events come first: they count as older than all. */
static const char *time_key(struct api_call *call, const struct log_stream *stream)
{
        const struct log_stream_info *info = log_stream_info(stream);

        return arena_printf(call->arena, "%0*lld%s", KEY_DIGITS, (long long)(info->has_events ? info->last_event_ms + 1 : 0), info->name);
}

struct candidate {
        const struct log_stream *stream;
        int64_t ms;
        const char *name;
};

static int compare_candidates(const struct candidate *a, const struct candidate *b, bool descending)
{
        int order = a->ms != b->ms ? (a->ms < b->ms ? -1 : 1) : strcmp(a->name, b->name);

        return descending ? -order : order;
}

/* Puts a candidate where it belongs among the best n; the last one falls out when there are more than max. */
static void keep_best(struct candidate *best, size_t *n, size_t max, const struct candidate *candidate, bool descending)
{
        size_t at = *n;

        if (*n == max && compare_candidates(candidate, &best[max - 1], descending) >= 0)
                return;
        if (*n == max)
                at--;
        else
                (*n)++;
        for (; at > 0 && compare_candidates(candidate, &best[at - 1], descending) < 0; at--)
                best[at] = best[at - 1];
        best[at] = *candidate;
}

/* One pass over all streams, which have no index by time: it changes with every event. */
static void describe_by_time(struct api_call *call, struct log_group *group, const struct logs_describe_log_streams_request *in,
                             struct api_page *page, struct logs_describe_log_streams_response *out)
{
        struct candidate *best = arena_calloc(call->arena, page->max + 1, sizeof *best), after = {0};
        size_t n = 0;

        if (page->after != NULL && strlen(page->after) > KEY_DIGITS) {
                after.ms = strtoll(arena_strndup(call->arena, page->after, KEY_DIGITS), NULL, 10);
                after.name = page->after + KEY_DIGITS;
        }
        for (struct log_stream *s = log_stream_after(group, "", true); s != NULL;
             s = log_stream_after(group, log_stream_info(s)->name, false)) {
                const struct log_stream_info *info = log_stream_info(s);
                const struct candidate candidate = {s, info->has_events ? info->last_event_ms + 1 : 0, info->name};

                if (after.name == NULL || compare_candidates(&candidate, &after, in->descending) > 0)
                        keep_best(best, &n, page->max + 1, &candidate, in->descending);
        }
        for (size_t i = 0; i < n; i++) {
                if (!add_stream(call, group, best[i].stream, time_key(call, best[i].stream), page, out))
                        return;
        }
}

static int describe_log_streams(struct api_call *call, const void *input, void *output)
{
        const struct logs_describe_log_streams_request *in = input;
        struct logs_describe_log_streams_response *out = output;
        bool by_time = in->order_by == LOGS_ORDER_BY_LASTEVENTTIME;
        const char *binding;
        struct log_group *group = NULL;
        struct api_page page = {0};
        int r = logs_find_group_by(call, in->log_group_name, in->log_group_identifier, &group);

        if (r < 0)
                return r;
        if (by_time && in->log_stream_name_prefix != NULL)
                return api_fail(call, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.");
        binding = arena_printf(call->arena, "%s|%s|%d%d", log_group_info(group)->name,
                               in->log_stream_name_prefix != NULL ? in->log_stream_name_prefix : "", by_time, in->descending);
        r = api_page_begin(call, in->next_token, SHAPE_HAS(in, logs_describe_log_streams_request, limit), in->limit, PAGE_MAX, PAGE_MAX,
                           binding, &page);
        if (r < 0)
                return r;
        out->log_streams.items = arena_alloc(call->arena, 0);
        if (by_time)
                describe_by_time(call, group, in, &page, out);
        else
                describe_by_name(call, group, in, &page, out);
        return 0;
}

const struct api_route logs_stream_routes[] = {
        {LOGS_OP_CREATE_LOG_STREAM, create_log_stream},
        {LOGS_OP_DELETE_LOG_STREAM, delete_log_stream},
        {LOGS_OP_DESCRIBE_LOG_STREAMS, describe_log_streams},
        {0, NULL},
};
