/* SPDX-License-Identifier: Apache-2.0 */
/* What groups have done, the newest first. */
#include <string.h>

#include "api/scaling_groups/common.h"
#include "base/strutil.h"

void scaling_activity_view(UNUSED struct api_call *call, const struct group_activity *activity, struct asg_activity *out)
{
        *out = *activity->state->activity;
        out->details = "{}";
}

static bool is_asked(const struct asg_describe_scaling_activities_type *in, const struct group_activity *activity)
{
        for (uint32_t i = 0; i < in->activity_ids.n; i++)
                if (str_eq(in->activity_ids.items[i], activity->state->activity->activity_id))
                        return true;
        return in->activity_ids.n == 0;
}

/* Of one group: its newest hundred lie in a ring, so they are asked for by number. Returns false when the page is full. */
static bool show_group(struct api_call *call, const struct asg_describe_scaling_activities_type *in, const struct scaling_group *group,
                       struct api_page *page, struct asg_activities_type *out)
{
        for (int64_t number = group->state->activities - 1; number >= 0 && number >= group->state->activities - GROUP_ACTIVITIES;
             number--) {
                struct tree_node *node =
                        tree_find(model_objects(call->model, OBJECT_GROUP_ACTIVITY),
                                  arena_printf(call->arena, "%s/%02d", group->object.key, (int)(number % GROUP_ACTIVITIES)));
                /* Places ascend as numbers fall. */
                const char *place = arena_printf(call->arena, "%s/%020lld", group->object.key, (long long)(INT64_MAX - number));

                if (node == NULL || !is_asked(in, MODEL_OBJECT(node, group_activity)) ||
                    (page->after != NULL && strcmp(place, page->after) <= 0))
                        continue;
                if (!api_page_add(page, place)) {
                        out->next_token = api_page_token(call, page);
                        return false;
                }
                scaling_activity_view(call, MODEL_OBJECT(node, group_activity), SHAPE_PUSH(call->arena, &out->activities));
        }
        return true;
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct asg_describe_scaling_activities_type *in = input;
        struct asg_activities_type *out = output;
        struct scaling_group *group = NULL;
        struct api_page page = {0};
        int r = scaling_page(call, in->next_token, SHAPE_HAS(in, asg_describe_scaling_activities_type, max_records), in->max_records, 100,
                             in->auto_scaling_group_name, &page);

        if (r == 0 && in->auto_scaling_group_name != NULL) {
                group = model_find_scaling_group(call->model, in->auto_scaling_group_name);
                if (group == NULL)
                        return api_fail(call, "ValidationError", "AutoScalingGroup name not found - no such group: %.255s",
                                        in->auto_scaling_group_name);
                (void)show_group(call, in, group, &page, out);
                return 0;
        }
        tree_for_each (node, model_objects(call->model, OBJECT_SCALING_GROUP))
                if (r == 0 && !show_group(call, in, MODEL_OBJECT(node, scaling_group), &page, out))
                        break;
        return r;
}

const struct api_route scaling_activity_routes[] = {
        {ASG_OP_DESCRIBE_SCALING_ACTIVITIES, describe},
        {0, NULL},
};
