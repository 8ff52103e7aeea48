/* SPDX-License-Identifier: Apache-2.0 */
/* Auto Scaling groups: another desired capacity, and the end. */
#include "api/scaling_groups/common.h"
#include "base/strutil.h"

static int set_desired(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_set_desired_capacity_type *in = input;
        const struct asg_auto_scaling_group *g;
        struct scaling_group *group = NULL;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r != 0)
                return r;
        g = group->state->group;
        if (in->desired_capacity > g->max_size)
                return api_fail(call, "ValidationError", "New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.",
                                in->desired_capacity, g->max_size);
        if (in->desired_capacity < g->min_size)
                return api_fail(call, "ValidationError", "New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.",
                                in->desired_capacity, g->min_size);
        tx = tx_begin(call->model);
        group_set_desired(tx, group, in->desired_capacity,
                          scaling_request_cause(call, "a user request explicitly set group desired capacity"));
        (void)tx_commit(tx);
        return 0;
}

/* The capacity provider that names the group keeps it. */
static const char *user_of(struct api_call *call, const struct scaling_group *group)
{
        tree_for_each (node, model_objects(call->model, OBJECT_CAPACITY_PROVIDER))
                if (model_provider_group(call->model, node->key) == group)
                        return node->key;
        return NULL;
}

static int delete (struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_delete_auto_scaling_group_type *in = input;
        struct scaling_group *group = NULL;
        struct state_scaling_group *state;
        const char *user;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r != 0)
                return r;
        user = user_of(call, group);
        if (!in->force_delete && group->n_machines > 0)
                return api_fail(
                        call, "ResourceInUseFault",
                        "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in "
                        "the group. Set its sizes to 0 first, or force it.");
        if (group->state->group->deletion_protection == ASG_DELETION_PROTECTION_PREVENT_ALL_DELETION ||
            (in->force_delete && group->state->group->deletion_protection == ASG_DELETION_PROTECTION_PREVENT_FORCE_DELETION))
                return api_fail(call, "ResourceInUseFault", "The group's DeletionProtection does not allow that: update it to none first.");
        if (user != NULL && !in->force_delete && group->n_machines > 0)
                return api_fail(call, "ResourceInUseFault", "Capacity provider %s uses the group: delete it first.", user);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        SHAPE_SET(state, state_scaling_group, deleting, true);
        SHAPE_SET(state->group, asg_auto_scaling_group, min_size, 0);
        SHAPE_SET(state->group, asg_auto_scaling_group, desired_capacity, 0);
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route scaling_group_change_routes[] = {
        {ASG_OP_SET_DESIRED_CAPACITY, set_desired},
        {ASG_OP_DELETE_AUTO_SCALING_GROUP, delete},
        {0, NULL},
};
