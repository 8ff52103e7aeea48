/* SPDX-License-Identifier: Apache-2.0 */
/* Finding groups and streams, waiting for the disk, tokens, and the registration of the service. */
#include "api/logs/common.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/metrics.h"
#include "api/server.h"
#include "base/strutil.h"

#define DAY_MS INT64_C(86400000)
#define TAGS_MAX 50
#define TAG_KEY_MAX 128
#define TAG_VALUE_MAX 256
#define ARN_SUFFIX ":*"

/* ---- registration ---- */

static void report(UNUSED struct api *api, struct buf *out, void *data)
{
        struct log_store_stats stats;

        log_store_stats(data, &stats);
        prom_gauge(out, "gantry_log_groups", "Log groups.", (double)stats.groups);
        prom_gauge(out, "gantry_log_streams", "Log streams.", (double)stats.streams);
        prom_gauge(out, "gantry_log_segments", "Files of log events.", (double)stats.segments);
        prom_gauge(out, "gantry_log_stored_bytes", "Bytes of log files.", (double)stats.bytes);
        prom_gauge(out, "gantry_log_pending_bytes", "Bytes of log events that wait for the disk.", (double)stats.pending_bytes);
        prom_counter(out, "gantry_log_events_total", "Log events appended.", stats.appended_events);
        prom_counter(out, "gantry_log_bytes_total", "Bytes of log events appended.", stats.appended_bytes);
        prom_counter(out, "gantry_log_batches_total", "Batches of log events written.", stats.batches);
        prom_counter(out, "gantry_log_syncs_total", "Log files synced.", stats.syncs);
        prom_counter(out, "gantry_log_damaged_total", "Frames of log events that could not be read back.", stats.damaged);
}

void logs_register(struct api *api)
{
        api_add_routes(api, &logs_service, logs_group_routes);
        api_add_routes(api, &logs_service, logs_stream_routes);
        api_add_routes(api, &logs_service, logs_tag_routes);
        api_add_routes(api, &logs_service, logs_put_routes);
        api_add_routes(api, &logs_service, logs_get_routes);
        api_add_routes(api, &logs_service, logs_filter_routes);
        if (api->logs != NULL)
                api_add_report(api, report, NULL, api->logs);
}

void logs_housekeeping(struct api *api, int64_t now_ms)
{
        if (api->logs != NULL)
                log_store_expire(api->logs, now_ms);
}

/* ---- finding ---- */

int logs_store(struct api_call *call, struct log_store **ret)
{
        if (call->api->logs == NULL)
                return api_fail(call, "ServiceUnavailableException", "The logs service is switched off on this server.");
        *ret = call->api->logs;
        return 0;
}

int logs_find_group(struct api_call *call, const char *name, struct log_group **ret)
{
        struct log_store *store = NULL;
        int r = logs_store(call, &store);

        if (r < 0)
                return r;
        *ret = log_group_find(store, name);
        if (*ret == NULL)
                return api_fail(call, "ResourceNotFoundException", "The specified log group does not exist.");
        return 0;
}

/* The name in an ARN of a log group of this account and region; NULL when it is none. */
static const char *arn_group_name(struct api_call *call, const char *arn)
{
        const char *prefix =
                arena_printf(call->arena, "arn:aws:logs:%s:%s:log-group:", model_region(call->model), model_account(call->model));
        char *name;

        if (!str_starts_with(arn, prefix))
                return NULL;
        name = arena_strdup(call->arena, arn + strlen(prefix));
        if (str_ends_with(name, ARN_SUFFIX))
                name[strlen(name) - strlen(ARN_SUFFIX)] = '\0';
        return name;
}

int logs_find_group_by_arn(struct api_call *call, const char *arn, struct log_group **ret)
{
        const char *name = arn_group_name(call, arn);

        if (name == NULL || strchr(name, ':') != NULL)
                return api_fail(call, "InvalidParameterException",
                                "\"%.300s\" is not the ARN of a log group of this account and region: "
                                "arn:aws:logs:%s:%s:log-group:NAME",
                                arn, model_region(call->model), model_account(call->model));
        return logs_find_group(call, name, ret);
}

int logs_find_group_by(struct api_call *call, const char *name, const char *identifier, struct log_group **ret)
{
        if ((name != NULL) == (identifier != NULL))
                return api_fail(call, "InvalidParameterException", "Exactly one of logGroupName and logGroupIdentifier must be given.");
        if (identifier != NULL && str_starts_with(identifier, "arn:"))
                return logs_find_group_by_arn(call, identifier, ret);
        return logs_find_group(call, name != NULL ? name : identifier, ret);
}

int logs_find_stream(struct api_call *call, struct log_group *group, const char *name, struct log_stream **ret)
{
        *ret = log_stream_find(group, name);
        if (*ret == NULL)
                return api_fail(call, "ResourceNotFoundException", "The specified log stream does not exist.");
        return 0;
}

int logs_check_unprotected(struct api_call *call, const struct log_group *group)
{
        if (log_group_info(group)->protected)
                return api_fail(call, "ValidationException",
                                "The log group is protected from deletion. Switch that off with PutLogGroupDeletionProtection first.");
        return 0;
}

int logs_check_group_name(struct api_call *call, const char *name)
{
        if (!str_is_name(name, ".-_/#", 512))
                return api_fail(call, "InvalidParameterException",
                                "1 validation error detected: Value '%.200s' at 'logGroupName' failed to satisfy "
                                "constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
                                name);
        if (str_starts_with(name, "aws/"))
                return api_fail(call, "InvalidParameterException",
                                "Log group names starting with 'aws/' are reserved: choose another name.");
        return 0;
}

int logs_check_tags(struct api_call *call, const struct string_map *tags, const char *code)
{
        if (tags->n > TAGS_MAX)
                return api_fail(call, code, "A log group can have at most %d tags, not %u.", TAGS_MAX, tags->n);
        for (uint32_t i = 0; i < tags->n; i++) {
                const char *key = tags->items[i].key, *value = tags->items[i].value;

                if (str_empty(key) || strlen(key) > TAG_KEY_MAX || (value != NULL && strlen(value) > TAG_VALUE_MAX))
                        return api_fail(call, "InvalidParameterException",
                                        "Tag \"%.200s\": keys have 1 to %d characters, values at most %d.", key, TAG_KEY_MAX,
                                        TAG_VALUE_MAX);
                if (strncasecmp(key, "aws:", 4) == 0)
                        return api_fail(call, "InvalidParameterException", "Tag \"%.200s\": keys that begin with aws: are AWS's own.", key);
        }
        return 0;
}

const char *logs_group_arn(struct api_call *call, const struct log_group *group)
{
        return arena_printf(call->arena, "arn:aws:logs:%s:%s:log-group:%s", model_region(call->model), model_account(call->model),
                            log_group_info(group)->name);
}

const char *logs_stream_arn(struct api_call *call, const struct log_group *group, const struct log_stream *stream)
{
        return arena_printf(call->arena, "%s:log-stream:%s", logs_group_arn(call, group), log_stream_info(stream)->name);
}

/* ---- waiting ---- */

void logs_wait_begin(struct logs_wait *wait, struct api_call *call)
{
        *wait = (struct logs_wait){.call = call, .inside = true};
}

int logs_wait_return(struct logs_wait *wait)
{
        wait->inside = false;
        return wait->ended ? wait->result : API_LATER;
}

void logs_wait_end(struct logs_wait *wait, int result)
{
        wait->ended = true;
        wait->result = result;
        if (!wait->inside)
                api_call_finish(wait->call, result);
}

int logs_store_failed(struct api_call *call, int status)
{
        if (status == -ENOENT)
                return api_fail(call, "ResourceNotFoundException", "The specified log stream does not exist.");
        return api_fail(call, "ServiceUnavailableException", "The log store cannot do this now: %s. Try again later.", strerror(-status));
}

struct sync_wait {
        struct logs_wait wait;
        struct log_op op;
};

static void synced(struct log_op *op, int status)
{
        struct sync_wait *w = CONTAINER_OF(op, struct sync_wait, op);

        logs_wait_end(&w->wait, status < 0 ? logs_store_failed(w->wait.call, status) : 0);
}

int logs_when_durable(struct api_call *call)
{
        struct sync_wait *w = ARENA_NEW(call->arena, struct sync_wait);

        logs_wait_begin(&w->wait, call);
        w->op.done = synced;
        log_store_sync(call->api->logs, &w->op);
        return logs_wait_return(&w->wait);
}

/* ---- positions ---- */

const char *logs_position_text(struct api_call *call, struct log_position position)
{
        return arena_printf(call->arena, "%018llu%020llu%018u", (unsigned long long)position.timestamp_ms,
                            (unsigned long long)position.number, 0u);
}

static bool parse_digits(const char *text, size_t n, uint64_t *ret)
{
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t digit = (uint64_t)(text[i] - '0');

                if (!isdigit((unsigned char)text[i]) || value > (UINT64_MAX - digit) / 10)
                        return false;
                value = value * 10 + digit;
        }
        *ret = value;
        return true;
}

int logs_position_parse(const char *text, struct log_position *ret)
{
        uint64_t ms, number, padding;

        if (strlen(text) != LOGS_POSITION_DIGITS || !parse_digits(text, 18, &ms) || !parse_digits(text + 18, 20, &number) ||
            !parse_digits(text + 38, 18, &padding) || padding != 0)
                return -EINVAL;
        *ret = (struct log_position){(int64_t)ms, number};
        return 0;
}

int64_t logs_oldest_ms(const struct api_call *call, const struct log_group *group)
{
        int32_t days = log_group_info(group)->retention_days;

        return days > 0 ? MAX(call->now_ms - days * DAY_MS, 0) : 0;
}
