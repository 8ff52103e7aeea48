/* SPDX-License-Identifier: Apache-2.0 */
/* Log groups: create, describe, delete, retention, protection. */
#include <errno.h>
#include <string.h>

#include "api/logs/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define PAGE_MAX 50

static const int32_t retention_days[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                         365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};

static int create_log_group(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_create_log_group_request *in = input;
        struct log_group_info info = {.name = in->log_group_name,
                                      .created_ms = call->now_ms,
                                      .kms_key_id = in->kms_key_id,
                                      .tags = in->tags,
                                      .class = in->log_group_class != 0 ? in->log_group_class : LOGS_LOG_GROUP_CLASS_STANDARD,
                                      .protected = in->deletion_protection_enabled};
        struct log_store *store = NULL;
        struct log_group *group = NULL;
        int r = logs_store(call, &store);

        if (r == 0)
                r = logs_check_group_name(call, in->log_group_name);
        if (r == 0)
                r = logs_check_tags(call, &in->tags, "InvalidParameterException");
        if (r < 0)
                return r;
        if (info.class == LOGS_LOG_GROUP_CLASS_DELIVERY)
                info.retention_days = 1; /* as AWS does: such groups only hand on */
        r = log_group_create(store, &info, &group);
        if (r == -EEXIST)
                return api_fail(call, "ResourceAlreadyExistsException", "The specified log group already exists");
        if (r == -ENOSPC)
                return api_fail(call, "LimitExceededException",
                                "Resource limit exceeded: this server keeps no more log groups. Delete some first.");
        return r < 0 ? r : logs_when_durable(call);
}

static int delete_log_group(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_delete_log_group_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r < 0)
                return r;
        r = logs_check_unprotected(call, group);
        if (r < 0)
                return r;
        log_group_delete(group);
        return logs_when_durable(call);
}

/* ---- describe ---- */

static void describe_group(struct api_call *call, const struct log_group *group, struct logs_log_group *out)
{
        const struct log_group_info *info = log_group_info(group);

        out->log_group_name = arena_strdup(call->arena, info->name);
        SHAPE_SET(out, logs_log_group, creation_time, info->created_ms);
        if (info->retention_days > 0)
                SHAPE_SET(out, logs_log_group, retention_in_days, info->retention_days);
        SHAPE_SET(out, logs_log_group, metric_filter_count, 0);
        SHAPE_SET(out, logs_log_group, stored_bytes, (int64_t)info->stored_bytes);
        SHAPE_SET(out, logs_log_group, deletion_protection_enabled, info->protected);
        out->log_group_arn = logs_group_arn(call, group);
        out->arn = arena_printf(call->arena, "%s:*", out->log_group_arn);
        out->kms_key_id = arena_strdup(call->arena, info->kms_key_id);
        out->log_group_class = (enum logs_log_group_class)info->class;
}

static bool is_identified(struct api_call *call, const struct string_list *identifiers, const struct log_group *group)
{
        if (identifiers->n == 0)
                return true;
        for (uint32_t i = 0; i < identifiers->n; i++) {
                const char *id = identifiers->items[i], *arn = logs_group_arn(call, group);

                if (str_eq(id, log_group_info(group)->name) || str_eq(id, arn) || str_eq(id, arena_printf(call->arena, "%s:*", arn)))
                        return true;
        }
        return false;
}

static bool is_described(struct api_call *call, const struct logs_describe_log_groups_request *in, const struct log_group *group)
{
        const struct log_group_info *info = log_group_info(group);

        return (in->log_group_name_pattern == NULL || strstr(info->name, in->log_group_name_pattern) != NULL) &&
               (in->log_group_class == 0 || (int32_t)in->log_group_class == info->class) &&
               is_identified(call, &in->log_group_identifiers, group);
}

static int check_describe_groups(struct api_call *call, const struct logs_describe_log_groups_request *in)
{
        if (in->log_group_name_prefix != NULL && in->log_group_name_pattern != NULL)
                return api_fail(call, "InvalidParameterException",
                                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
        if (in->log_group_identifiers.n > 0 && (in->log_group_name_prefix != NULL || in->log_group_name_pattern != NULL))
                return api_fail(call, "InvalidParameterException", "logGroupIdentifiers cannot be combined with a prefix or a pattern.");
        for (uint32_t i = 0; i < in->account_identifiers.n; i++) {
                if (!str_eq(in->account_identifiers.items[i], model_account(call->model)))
                        return api_fail(call, "InvalidParameterException", "accountIdentifiers: this server has only the account %s.",
                                        model_account(call->model));
        }
        return 0;
}

static int describe_log_groups(struct api_call *call, const void *input, void *output)
{
        const struct logs_describe_log_groups_request *in = input;
        struct logs_describe_log_groups_response *out = output;
        const char *prefix = in->log_group_name_prefix != NULL ? in->log_group_name_prefix : "", *binding;
        struct log_store *store = NULL;
        struct log_group *group = NULL;
        struct api_page page = {0};
        int r = logs_store(call, &store);

        if (r == 0)
                r = check_describe_groups(call, in);
        binding = arena_printf(call->arena, "%s|%s|%d", prefix, in->log_group_name_pattern != NULL ? in->log_group_name_pattern : "",
                               (int)in->log_group_class);
        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, logs_describe_log_groups_request, limit), in->limit, PAGE_MAX,
                                   PAGE_MAX, binding, &page);
        if (r < 0)
                return r;
        out->log_groups.items = arena_alloc(call->arena, 0);
        group = page.after != NULL ? log_group_after(store, page.after, false) : log_group_after(store, prefix, true);
        for (; group != NULL && str_starts_with(log_group_info(group)->name, prefix);
             group = log_group_after(store, log_group_info(group)->name, false)) {
                if (!is_described(call, in, group))
                        continue;
                if (!api_page_add(&page, log_group_info(group)->name)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                describe_group(call, group, SHAPE_PUSH(call->arena, &out->log_groups));
        }
        return 0;
}

/* ---- retention and protection ---- */

static int put_retention_policy(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_put_retention_policy_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(retention_days); i++) {
                if (retention_days[i] != in->retention_in_days)
                        continue;
                log_group_set_retention(group, in->retention_in_days);
                return logs_when_durable(call);
        }
        return api_fail(call, "InvalidParameterException",
                        "1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: "
                        "Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
                        "2192, 2557, "
                        "2922, 3288, 3653]",
                        in->retention_in_days);
}

static int delete_retention_policy(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_delete_retention_policy_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r < 0)
                return r;
        log_group_set_retention(group, 0);
        return logs_when_durable(call);
}

static int put_log_group_deletion_protection(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_put_log_group_deletion_protection_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group_by(call, NULL, in->log_group_identifier, &group);

        if (r < 0)
                return r;
        log_group_set_protected(group, in->deletion_protection_enabled);
        return logs_when_durable(call);
}

const struct api_route logs_group_routes[] = {
        {LOGS_OP_CREATE_LOG_GROUP, create_log_group},
        {LOGS_OP_DELETE_LOG_GROUP, delete_log_group},
        {LOGS_OP_DESCRIBE_LOG_GROUPS, describe_log_groups},
        {LOGS_OP_PUT_RETENTION_POLICY, put_retention_policy},
        {LOGS_OP_DELETE_RETENTION_POLICY, delete_retention_policy},
        {LOGS_OP_PUT_LOG_GROUP_DELETION_PROTECTION, put_log_group_deletion_protection},
        {0, NULL},
};
