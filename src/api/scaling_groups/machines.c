/* SPDX-License-Identifier: Apache-2.0 */
/* The instances of Auto Scaling groups. */
#include "api/scaling_groups/common.h"
#include "base/strutil.h"

static void view(struct api_call *call, const struct machine *machine, struct asg_auto_scaling_instance_details *out)
{
        const struct state_machine *state = machine->state;

        out->instance_id = state->id;
        out->instance_type = state->type;
        out->auto_scaling_group_name = state->group;
        out->availability_zone = state->zone;
        out->lifecycle_state = shape_enum_name(&asg_lifecycle_state_enum, (int)state->state);
        out->health_status = str_eq(state->health, MACHINE_HEALTHY) ? "HEALTHY" : "UNHEALTHY";
        out->launch_configuration_name = state->configuration;
        out->image_id = state->image;
        SHAPE_SET(out, asg_auto_scaling_instance_details, protected_from_scale_in, state->protected);
        out->launch_template = scaling_template_of(call, state);
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct asg_describe_auto_scaling_instances_type *in = input;
        struct asg_auto_scaling_instances_type *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_MACHINE);
        struct api_page page = {0};
        int r = scaling_page(call, in->next_token, SHAPE_HAS(in, asg_describe_auto_scaling_instances_type, max_records), in->max_records,
                             50, NULL, &page);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < in->instance_ids.n; i++) {
                const struct machine *machine = model_machine(call->model, in->instance_ids.items[i]);

                if (machine != NULL)
                        view(call, machine, SHAPE_PUSH(call->arena, &out->auto_scaling_instances));
        }
        if (in->instance_ids.n > 0)
                return 0;
        for (struct tree_node *node = page.after != NULL ? tree_after(all, page.after) : tree_first(all); node != NULL;
             node = tree_next(node)) {
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                view(call, MODEL_OBJECT(node, machine), SHAPE_PUSH(call->arena, &out->auto_scaling_instances));
        }
        return 0;
}

static int set_protection(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_set_instance_protection_query *in = input;
        struct scaling_group *group = NULL;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        for (uint32_t i = 0; r == 0 && i < in->instance_ids.n; i++) {
                struct machine *machine = NULL;

                r = scaling_machine_find(call, in->instance_ids.items[i], &machine);
                if (r == 0 && (machine->group != group || !machine_is_live(machine)))
                        r = api_fail(call, "ValidationError", "The instance %s is not in InService or Pending of AutoScalingGroup %s.",
                                     in->instance_ids.items[i], group->object.key);
        }
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->instance_ids.n; i++) {
                struct machine *machine = model_machine(call->model, in->instance_ids.items[i]);
                struct state_machine *state = tx_edit(tx, &machine->object);

                SHAPE_SET(state, state_machine, protected, in->protected_from_scale_in);
                tx_put(tx, &machine->object, state);
        }
        (void)tx_commit(tx);
        return 0;
}

static int set_health(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_set_instance_health_query *in = input;
        bool respect = !SHAPE_HAS(in, asg_set_instance_health_query, should_respect_grace_period) || in->should_respect_grace_period;
        struct machine *machine = NULL;
        struct tx *tx;
        int r = scaling_machine_find(call, in->instance_id, &machine);

        if (r != 0)
                return r;
        if (!str_eq(in->health_status, MACHINE_HEALTHY) && !str_eq(in->health_status, MACHINE_UNHEALTHY))
                return api_fail(call, "ValidationError", "HealthStatus must be Healthy or Unhealthy, not %.32s", in->health_status);
        if (respect && call->now_ms < machine->state->launched_at + (int64_t)machine->group->state->group->health_check_grace_period * 1000)
                return 0;
        tx = tx_begin(call->model);
        machine_set_health(tx, machine, in->health_status, "a user request has set it Unhealthy");
        (void)tx_commit(tx);
        return 0;
}

static int terminate(struct api_call *call, const void *input, void *output)
{
        const struct asg_terminate_instance_in_auto_scaling_group_type *in = input;
        struct asg_activity_type *out = output;
        struct machine *machine = NULL;
        const struct asg_auto_scaling_group *g;
        const struct group_activity *activity;
        struct tx *tx;
        int r = scaling_machine_find(call, in->instance_id, &machine);

        if (r != 0)
                return r;
        g = machine->group->state->group;
        if (in->should_decrement_desired_capacity && g->desired_capacity <= g->min_size && machine_is_live(machine))
                return api_fail(
                        call, "ValidationError",
                        "Currently, desiredSize equals minSize (%d). Terminating instance without replacement will violate group's min "
                        "size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
                        g->min_size);
        tx = tx_begin(call->model);
        if (in->should_decrement_desired_capacity && machine_is_live(machine))
                group_set_desired(tx, machine->group, g->desired_capacity - 1,
                                  scaling_request_cause(call, "a user request terminated an instance"));
        machine_terminate(tx, machine, "instance was taken out of service in response to a user request", call->now_ms);
        (void)tx_commit(tx);
        activity = group_activity_find(call->model, machine->group, machine->state->activity);
        if (activity == NULL)
                return 0;
        out->activity = ARENA_NEW(call->arena, struct asg_activity);
        scaling_activity_view(call, activity, out->activity);
        return 0;
}

const struct api_route scaling_machine_routes[] = {
        {ASG_OP_DESCRIBE_AUTO_SCALING_INSTANCES, describe},
        {ASG_OP_SET_INSTANCE_PROTECTION, set_protection},
        {ASG_OP_SET_INSTANCE_HEALTH, set_health},
        {ASG_OP_TERMINATE_INSTANCE_IN_AUTO_SCALING_GROUP, terminate},
        {0, NULL},
};
