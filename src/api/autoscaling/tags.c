/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of scalable targets, by ARN. */
#include <string.h>
#include <strings.h>

#include "api/autoscaling/common.h"
#include "base/strutil.h"

#define TAGS_MAX 50

static int find(struct api_call *call, const char *arn, struct scalable_target **ret)
{
        tree_for_each (node, model_objects(call->model, OBJECT_SCALABLE_TARGET)) {
                struct scalable_target *target = MODEL_OBJECT(node, scalable_target);

                if (str_ends_with(arn, target->state->id) &&
                    str_eq(arn, model_scalable_target_arn(call->model, call->arena, target->state))) {
                        *ret = target;
                        return 0;
                }
        }
        return api_fail(call, "ResourceNotFoundException", "There is no scalable target with the ARN %.300s.", arn);
}

static void put_tags(struct api_call *call, struct scalable_target *target, const struct string_map *tags)
{
        struct tx *tx = tx_begin(call->model);
        struct state_scalable_target *state = tx_edit(tx, &target->object);

        state->tags = *tags;
        tx_put(tx, &target->object, state);
        tx_commit(tx);
}

static int tag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_tag_resource_request *in = input;
        struct scalable_target *target = NULL;
        struct string_map tags = {0};
        int r = find(call, in->resource_arn, &target);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < target->state->tags.n; i++)
                string_map_set(call->arena, &tags, target->state->tags.items[i].key, target->state->tags.items[i].value);
        for (uint32_t i = 0; i < in->tags.n; i++) {
                const char *key = in->tags.items[i].key, *value = in->tags.items[i].value != NULL ? in->tags.items[i].value : "";

                if (str_empty(key) || strlen(key) > 128 || strlen(value) > 256 || strncasecmp(key, "aws:", 4) == 0)
                        return api_fail(
                                call, "ValidationException",
                                "Tag \"%.150s\": keys have 1 to 128 characters and do not begin with aws:, values have at most 256.", key);
                string_map_set(call->arena, &tags, key, value);
        }
        if (tags.n > TAGS_MAX)
                return api_fail(call, "TooManyTagsException", "A scalable target can have at most %d tags, not %u.", TAGS_MAX, tags.n);
        put_tags(call, target, &tags);
        return 0;
}

static int untag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_untag_resource_request *in = input;
        struct scalable_target *target = NULL;
        struct string_map tags = {0};
        int r = find(call, in->resource_arn, &target);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < target->state->tags.n; i++) {
                const struct string_pair *pair = &target->state->tags.items[i];
                bool goes = false;

                for (uint32_t j = 0; j < in->tag_keys.n; j++)
                        goes = goes || str_eq(in->tag_keys.items[j], pair->key);
                if (!goes)
                        string_map_set(call->arena, &tags, pair->key, pair->value);
        }
        put_tags(call, target, &tags);
        return 0;
}

static int list_tags(struct api_call *call, const void *input, void *output)
{
        const struct aas_list_tags_for_resource_request *in = input;
        struct aas_list_tags_for_resource_response *out = output;
        struct scalable_target *target = NULL;
        int r = find(call, in->resource_arn, &target);

        if (r == 0)
                out->tags = target->state->tags;
        return r;
}

const struct api_route autoscaling_tag_routes[] = {
        {AAS_OP_TAG_RESOURCE, tag_resource},
        {AAS_OP_UNTAG_RESOURCE, untag_resource},
        {AAS_OP_LIST_TAGS_FOR_RESOURCE, list_tags},
        {0, NULL},
};
