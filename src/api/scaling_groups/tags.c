/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of groups; those with PropagateAtLaunch are the machines', too. */
#include <string.h>

#include "api/scaling_groups/common.h"
#include "base/strutil.h"

#define MAX_TAGS 50
#define RESOURCE_TYPE "auto-scaling-group"

static struct asg_tag_description *find(struct asg_tag_description_list *tags, const char *key)
{
        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, key))
                        return &tags->items[i];
        return NULL;
}

int scaling_tags_merge(struct api_call *call, const char *group, const struct asg_tag_description_list *old,
                       const struct asg_tag_list *tags, struct asg_tag_description_list *ret)
{
        for (uint32_t i = 0; old != NULL && i < old->n; i++)
                *SHAPE_PUSH(call->arena, ret) = old->items[i];
        for (uint32_t i = 0; i < tags->n; i++) {
                const struct asg_tag *tag = &tags->items[i];
                struct asg_tag_description *to = find(ret, tag->key);

                if (str_starts_with(tag->key, "aws:"))
                        return api_fail(call, "ValidationError", "Tag keys starting with 'aws:' are reserved: %.128s", tag->key);
                if (to == NULL)
                        to = SHAPE_PUSH(call->arena, ret);
                *to = (struct asg_tag_description){.resource_id = group,
                                                   .resource_type = RESOURCE_TYPE,
                                                   .key = tag->key,
                                                   .value = tag->value != NULL ? tag->value : ""};
                SHAPE_SET(to, asg_tag_description, propagate_at_launch, tag->propagate_at_launch);
        }
        if (ret->n > MAX_TAGS)
                return api_fail(call, "LimitExceededFault", "A group can have at most %d tags.", MAX_TAGS);
        return 0;
}

/* Each tag of a request names its group: puts them one by one, or drops them. */
static int change(struct api_call *call, const struct asg_tag_list *tags, bool drop)
{
        struct tx *tx = tx_begin(call->model);
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < tags->n; i++) {
                struct scaling_group *group = NULL;
                struct asg_tag_list one = {.items = &tags->items[i], .n = 1};
                struct asg_tag_description_list merged = {0};
                struct state_scaling_group *state;

                r = scaling_group_find(call, tags->items[i].resource_id, &group);
                if (r != 0)
                        break;
                state = tx_edit(tx, &group->object);
                for (uint32_t j = 0; drop && j < state->group->tags.n; j++)
                        if (!str_eq(state->group->tags.items[j].key, tags->items[i].key))
                                *SHAPE_PUSH(call->arena, &merged) = state->group->tags.items[j];
                if (!drop)
                        r = scaling_tags_merge(call, group->object.key, &state->group->tags, &one, &merged);
                state->group->tags = merged;
                tx_put(tx, &group->object, state);
        }
        if (r == 0)
                (void)tx_commit(tx);
        else
                tx_rollback(tx);
        return r;
}

static int create_or_update(struct api_call *call, const void *input, UNUSED void *output)
{
        return change(call, &((const struct asg_create_or_update_tags_type *)input)->tags, false);
}

static int delete_tags(struct api_call *call, const void *input, UNUSED void *output)
{
        return change(call, &((const struct asg_delete_tags_type *)input)->tags, true);
}

/* ---- Describe ---- */

static const char *filtered(const struct asg_tag_description *tag, const char *filter)
{
        if (str_eq(filter, "auto-scaling-group"))
                return tag->resource_id;
        if (str_eq(filter, "key"))
                return tag->key;
        if (str_eq(filter, "value"))
                return tag->value;
        return str_eq(filter, "propagate-at-launch") ? (tag->propagate_at_launch ? "true" : "false") : NULL;
}

static bool matches(const struct asg_filter_list *filters, const struct asg_tag_description *tag)
{
        for (uint32_t i = 0; i < filters->n; i++) {
                bool any = false;

                for (uint32_t j = 0; j < filters->items[i].values.n; j++)
                        any |= str_eq(filters->items[i].values.items[j], filtered(tag, filters->items[i].name));
                if (!any)
                        return false;
        }
        return true;
}

static int describe_tags(struct api_call *call, const void *input, void *output)
{
        const struct asg_describe_tags_type *in = input;
        struct asg_tags_type *out = output;
        struct api_page page = {0};
        int r = scaling_page(call, in->next_token, SHAPE_HAS(in, asg_describe_tags_type, max_records), in->max_records, 100, NULL, &page);

        if (r != 0)
                return r;
        tree_for_each (node, model_objects(call->model, OBJECT_SCALING_GROUP)) {
                const struct asg_tag_description_list *tags = &MODEL_OBJECT(node, scaling_group)->state->group->tags;

                for (uint32_t i = 0; i < tags->n; i++) {
                        const char *place = arena_printf(call->arena, "%s/%03u", node->key, i);

                        if ((page.after != NULL && strcmp(place, page.after) <= 0) || !matches(&in->filters, &tags->items[i]))
                                continue;
                        if (!api_page_add(&page, place)) {
                                out->next_token = api_page_token(call, &page);
                                return 0;
                        }
                        *SHAPE_PUSH(call->arena, &out->tags) = tags->items[i];
                }
        }
        return 0;
}

const struct api_route scaling_tag_routes[] = {
        {ASG_OP_CREATE_OR_UPDATE_TAGS, create_or_update},
        {ASG_OP_DELETE_TAGS, delete_tags},
        {ASG_OP_DESCRIBE_TAGS, describe_tags},
        {0, NULL},
};
