/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of alarms, by ARN. */
#include <errno.h>

#include "api/cloudwatch/alarms.h"
#include "base/strutil.h"

static int find(struct api_call *call, const char *arn, struct alarm **ret)
{
        const char *name = str_starts_with(arn, "arn:") ? model_alarm_name(call->model, arn) : NULL;

        if (name == NULL)
                return api_fail(
                        call, "InvalidParameterValueException",
                        "The parameter ResourceARN must be the ARN of an alarm of this account and region, such as %s; it is \"%.300s\"",
                        model_alarm_arn(call->model, call->arena, "NAME"), arn);
        *ret = model_alarm(call->model, name);
        if (*ret == NULL)
                return api_fail(call, "ResourceNotFoundException", "There is no alarm %.300s.", arn);
        return 0;
}

static void put_tags(struct api_call *call, struct alarm *alarm, const struct cloudwatch_tag_list *tags)
{
        struct tx *tx = tx_begin(call->model);
        struct state_alarm *state = tx_edit(tx, &alarm->object);

        state->tags = *tags;
        tx_put(tx, &alarm->object, state);
        tx_commit(tx);
}

static int tag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_tag_resource_input *in = input;
        struct cloudwatch_tag_list tags = {0};
        struct alarm *alarm = NULL;

        if (find(call, in->resource_arn, &alarm) < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < alarm->state->tags.n; i++)
                *SHAPE_PUSH(call->arena, &tags) = alarm->state->tags.items[i];
        for (uint32_t i = 0; i < in->tags.n; i++) {
                uint32_t k = 0;

                while (k < tags.n && !str_eq(tags.items[k].key, in->tags.items[i].key))
                        k++;
                if (k == tags.n)
                        (void)SHAPE_PUSH(call->arena, &tags);
                tags.items[k] = in->tags.items[i];
        }
        if (cloudwatch_check_tags(call, &tags) < 0)
                return -EINVAL;
        put_tags(call, alarm, &tags);
        return 0;
}

static int untag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_untag_resource_input *in = input;
        struct cloudwatch_tag_list tags = {0};
        struct alarm *alarm = NULL;

        if (find(call, in->resource_arn, &alarm) < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < alarm->state->tags.n; i++) {
                bool goes = false;

                for (uint32_t k = 0; k < in->tag_keys.n; k++)
                        goes = goes || str_eq(in->tag_keys.items[k], alarm->state->tags.items[i].key);
                if (!goes)
                        *SHAPE_PUSH(call->arena, &tags) = alarm->state->tags.items[i];
        }
        put_tags(call, alarm, &tags);
        return 0;
}

static int list_tags(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_list_tags_for_resource_input *in = input;
        struct cloudwatch_list_tags_for_resource_output *out = output;
        struct alarm *alarm = NULL;

        if (find(call, in->resource_arn, &alarm) < 0)
                return -EINVAL;
        out->tags = alarm->state->tags;
        return 0;
}

const struct api_route cloudwatch_tag_routes[] = {
        {CLOUDWATCH_OP_TAG_RESOURCE, tag_resource},
        {CLOUDWATCH_OP_UNTAG_RESOURCE, untag_resource},
        {CLOUDWATCH_OP_LIST_TAGS_FOR_RESOURCE, list_tags},
        {0, NULL},
};
