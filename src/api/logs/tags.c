/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of log groups, by ARN and (older clients) by name. */
#include <string.h>

#include "api/logs/common.h"

static void merge(struct api_call *call, const struct log_group *group, const struct string_map *add, struct string_map *ret)
{
        const struct string_map *have = &log_group_info(group)->tags;

        for (uint32_t i = 0; i < have->n; i++)
                string_map_set(call->arena, ret, have->items[i].key, have->items[i].value);
        for (uint32_t i = 0; i < add->n; i++)
                string_map_set(call->arena, ret, add->items[i].key, add->items[i].value != NULL ? add->items[i].value : "");
}

static int add_tags(struct api_call *call, struct log_group *group, const struct string_map *add, const char *code)
{
        struct string_map tags = {0};
        int r;

        merge(call, group, add, &tags);
        r = logs_check_tags(call, &tags, code);
        if (r < 0)
                return r;
        log_group_set_tags(group, &tags);
        return logs_when_durable(call);
}

static int remove_tags(struct api_call *call, struct log_group *group, const struct string_list *keys)
{
        const struct string_map *have = &log_group_info(group)->tags;
        struct string_map tags = {0};

        for (uint32_t i = 0; i < have->n; i++) {
                bool removed = false;

                for (uint32_t k = 0; k < keys->n; k++)
                        removed |= strcmp(keys->items[k], have->items[i].key) == 0;
                if (!removed)
                        string_map_set(call->arena, &tags, have->items[i].key, have->items[i].value);
        }
        log_group_set_tags(group, &tags);
        return logs_when_durable(call);
}

static void copy_tags(struct api_call *call, const struct log_group *group, struct string_map *ret)
{
        const struct string_map none = {0};

        ret->items = arena_alloc(call->arena, 0);
        merge(call, group, &none, ret);
        for (uint32_t i = 0; i < ret->n; i++)
                ret->items[i] =
                        (struct string_pair){arena_strdup(call->arena, ret->items[i].key), arena_strdup(call->arena, ret->items[i].value)};
}

static int tag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_tag_resource_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group_by_arn(call, in->resource_arn, &group);

        return r < 0 ? r : add_tags(call, group, &in->tags, "TooManyTagsException");
}

static int untag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_untag_resource_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group_by_arn(call, in->resource_arn, &group);

        return r < 0 ? r : remove_tags(call, group, &in->tag_keys);
}

static int list_tags_for_resource(struct api_call *call, const void *input, void *output)
{
        const struct logs_list_tags_for_resource_request *in = input;
        struct logs_list_tags_for_resource_response *out = output;
        struct log_group *group = NULL;
        int r = logs_find_group_by_arn(call, in->resource_arn, &group);

        if (r == 0)
                copy_tags(call, group, &out->tags);
        return r;
}

static int tag_log_group(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_tag_log_group_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        return r < 0 ? r : add_tags(call, group, &in->tags, "InvalidParameterException");
}

static int untag_log_group(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct logs_untag_log_group_request *in = input;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        return r < 0 ? r : remove_tags(call, group, &in->tags);
}

static int list_tags_log_group(struct api_call *call, const void *input, void *output)
{
        const struct logs_list_tags_log_group_request *in = input;
        struct logs_list_tags_log_group_response *out = output;
        struct log_group *group = NULL;
        int r = logs_find_group(call, in->log_group_name, &group);

        if (r == 0)
                copy_tags(call, group, &out->tags);
        return r;
}

const struct api_route logs_tag_routes[] = {
        {LOGS_OP_TAG_RESOURCE, tag_resource},
        {LOGS_OP_UNTAG_RESOURCE, untag_resource},
        {LOGS_OP_LIST_TAGS_FOR_RESOURCE, list_tags_for_resource},
        {LOGS_OP_TAG_LOG_GROUP, tag_log_group},
        {LOGS_OP_UNTAG_LOG_GROUP, untag_log_group},
        {LOGS_OP_LIST_TAGS_LOG_GROUP, list_tags_log_group},
        {0, NULL},
};
