/* SPDX-License-Identifier: Apache-2.0 */
/* What a group has done, in words: the newest GROUP_ACTIVITIES. */
#include <stdio.h>

#include "base/strutil.h"
#include "control/capacity/group.h"

/* Where the activity of that number is or will be: one a hundred older may be there. */
static struct group_activity *slot(struct model *model, const struct scaling_group *group, int64_t number)
{
        char key[300];
        struct tree_node *node;

        (void)snprintf(key, sizeof(key), "%s/%02d", group->object.key, (int)(number % GROUP_ACTIVITIES));
        node = tree_find(model_objects(model, OBJECT_GROUP_ACTIVITY), key);
        return node != NULL ? MODEL_OBJECT(node, group_activity) : NULL;
}

struct group_activity *group_activity_find(struct model *model, const struct scaling_group *group, int64_t number)
{
        struct group_activity *activity = slot(model, group, number);

        return activity != NULL && activity->state->number == number ? activity : NULL;
}

static bool is_over(enum asg_scaling_activity_status_code status)
{
        return status == ASG_SCALING_ACTIVITY_STATUS_CODE_SUCCESSFUL || status == ASG_SCALING_ACTIVITY_STATUS_CODE_FAILED ||
               status == ASG_SCALING_ACTIVITY_STATUS_CODE_CANCELLED;
}

static int32_t progress_of(enum asg_scaling_activity_status_code status)
{
        return is_over(status) ? 100 : status == ASG_SCALING_ACTIVITY_STATUS_CODE_PREINSERVICE ? 30 : 50;
}

int64_t group_activity_begin(struct tx *tx, struct scaling_group *group, enum asg_scaling_activity_status_code status,
                             const char *description, const char *cause, const char *message, int64_t now_ms)
{
        struct state_scaling_group *g = tx_edit(tx, &group->object);
        struct asg_activity a = {.auto_scaling_group_name = g->group->auto_scaling_group_name,
                                 .auto_scaling_group_arn = g->group->auto_scaling_group_arn,
                                 .description = description,
                                 .cause = cause,
                                 .status_code = status,
                                 .status_message = message,
                                 .start_time = now_ms,
                                 .end_time = is_over(status) ? now_ms : 0};
        struct state_group_activity state = {.group = g->group->auto_scaling_group_name, .activity = &a};
        struct group_activity *old = slot(tx_model(tx), group, g->activities);
        int64_t number = g->activities;
        char id[37];

        env_random_uuid(model_env(tx_model(tx)), id);
        a.activity_id = id;
        SHAPE_SET(&a, asg_activity, progress, progress_of(status));
        SHAPE_SET(&state, state_group_activity, number, number);
        if (old != NULL)
                tx_put(tx, &old->object, &state);
        else
                (void)tx_insert(tx, OBJECT_GROUP_ACTIVITY, &state);
        SHAPE_SET(g, state_scaling_group, activities, number + 1);
        tx_put(tx, &group->object, g);
        return number;
}

void group_activity_update(struct tx *tx, struct scaling_group *group, int64_t number, enum asg_scaling_activity_status_code status,
                           const char *message, bool end, int64_t now_ms)
{
        struct group_activity *activity = group_activity_find(tx_model(tx), group, number);
        struct state_group_activity *state;

        if (activity == NULL || activity->state->activity->end_time != 0)
                return;
        state = tx_edit(tx, &activity->object);
        state->activity->status_code = status;
        state->activity->status_message = message;
        state->activity->end_time = end ? now_ms : 0;
        SHAPE_SET(state->activity, asg_activity, progress, end ? 100 : progress_of(status));
        tx_put(tx, &activity->object, state);
}
