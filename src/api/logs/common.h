/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of CloudWatch Logs share. */
#pragma once

#include "api/call.h"
#include "api/logs.idl.h"
#include "logs/log_store.h"

/* Registers all operations and the service's metrics. */
void logs_register(struct api *api);
/* Lets expired events go; every minute or so. */
void logs_housekeeping(struct api *api, int64_t now_ms);

/* Everything below fails with the client's error in the call and -EINVAL. */

/* The store; ServiceUnavailableException when the service is switched off. */
int logs_store(struct api_call *call, struct log_store **ret) MUST_CHECK;
/* By name, or ResourceNotFoundException. */
int logs_find_group(struct api_call *call, const char *name, struct log_group **ret) MUST_CHECK;
/* By exactly one of name and identifier (a name or an ARN). */
int logs_find_group_by(struct api_call *call, const char *name, const char *identifier, struct log_group **ret) MUST_CHECK;
/* By an ARN of this account and region, with or without ":*". */
int logs_find_group_by_arn(struct api_call *call, const char *arn, struct log_group **ret) MUST_CHECK;
int logs_find_stream(struct api_call *call, struct log_group *group, const char *name, struct log_stream **ret) MUST_CHECK;
/* Deletion protection holds for a group and its streams: ValidationException. */
int logs_check_unprotected(struct api_call *call, const struct log_group *group) MUST_CHECK;
int logs_check_group_name(struct api_call *call, const char *name) MUST_CHECK;
/* At most 50, keys of 1 to 128 and values of at most 256 bytes, none of AWS's own. `code` is for too many of them. */
int logs_check_tags(struct api_call *call, const struct string_map *tags, const char *code) MUST_CHECK;

/* "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/web". In the call's arena. */
const char *logs_group_arn(struct api_call *call, const struct log_group *group);
const char *logs_stream_arn(struct api_call *call, const struct log_group *group, const struct log_stream *stream);

/* What a handler returns that changed something: the answer waits until that is on the disk. */
int logs_when_durable(struct api_call *call);
/* The same around another operation of the store: begin before it is started, `return logs_wait_return(wait)` after it; its callback calls
 * logs_wait_end. (Without a loop it is called in between.) */
struct logs_wait {
        struct api_call *call;
        bool inside, ended;
        int result;
};
void logs_wait_begin(struct logs_wait *wait, struct api_call *call);
int logs_wait_return(struct logs_wait *wait);
void logs_wait_end(struct logs_wait *wait, int result);
/* The client's error for a status of the store. */
int logs_store_failed(struct api_call *call, int status);

/* A place between events as text of 56 digits, which AWS's own tokens and event ids have too; 0 or -EINVAL. */
#define LOGS_POSITION_DIGITS 56
const char *logs_position_text(struct api_call *call, struct log_position position);
int logs_position_parse(const char *text, struct log_position *ret) MUST_CHECK;
/* The oldest timestamp that the group's retention still shows. */
int64_t logs_oldest_ms(const struct api_call *call, const struct log_group *group);

/* Tables of routes; each ends with a row without a handler. */
extern const struct api_route logs_group_routes[], logs_stream_routes[], logs_tag_routes[], logs_put_routes[], logs_get_routes[],
        logs_filter_routes[];
