/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle hooks: a machine waits before it is in service, or before it goes, until somebody says so or the time is over. */
#include "api/scaling_groups/common.h"
#include "base/strutil.h"

#define MAX_HOOKS 50
#define MIN_HEARTBEAT 30
#define MAX_HEARTBEAT 7200
#define DEFAULT_HEARTBEAT 3600
#define GLOBAL_TIMEOUT 172800

struct asg_lifecycle_hook scaling_hook_of(const char *group, const struct asg_lifecycle_hook_specification *in)
{
        struct asg_lifecycle_hook hook = {.auto_scaling_group_name = group,
                                          .lifecycle_hook_name = in->lifecycle_hook_name,
                                          .lifecycle_transition = in->lifecycle_transition,
                                          .notification_metadata = in->notification_metadata,
                                          .default_result = in->default_result,
                                          .notification_target_arn = in->notification_target_arn,
                                          .role_arn = in->role_arn};

        if (SHAPE_HAS(in, asg_lifecycle_hook_specification, heartbeat_timeout))
                SHAPE_SET(&hook, asg_lifecycle_hook, heartbeat_timeout, in->heartbeat_timeout);
        return hook;
}

static int check(struct api_call *call, const struct asg_lifecycle_hook *hook)
{
        if (!str_eq(hook->lifecycle_transition, HOOK_LAUNCHING) && !str_eq(hook->lifecycle_transition, HOOK_TERMINATING))
                return api_fail(call, "ValidationError",
                                "LifecycleTransition must be " HOOK_LAUNCHING " or " HOOK_TERMINATING "; it cannot be changed to another.");
        if (SHAPE_HAS(hook, asg_lifecycle_hook, heartbeat_timeout) &&
            (hook->heartbeat_timeout < MIN_HEARTBEAT || hook->heartbeat_timeout > MAX_HEARTBEAT))
                return api_fail(call, "ValidationError", "HeartbeatTimeout must be between %d and %d seconds, not %d", MIN_HEARTBEAT,
                                MAX_HEARTBEAT, hook->heartbeat_timeout);
        if (hook->default_result != NULL && !str_eq(hook->default_result, "CONTINUE") && !str_eq(hook->default_result, "ABANDON"))
                return api_fail(call, "ValidationError", "DefaultResult must be CONTINUE or ABANDON, not %.50s", hook->default_result);
        if (!str_empty(hook->notification_target_arn))
                return api_fail(call, "ValidationError",
                                "NotificationTargetARN: there is no queue or topic that this server could notify. Leave it out, and watch "
                                "DescribeAutoScalingInstances for LifecycleState %s.",
                                str_eq(hook->lifecycle_transition, HOOK_LAUNCHING) ? "Pending:Wait" : "Terminating:Wait");
        return scaling_name_check(call, "LifecycleHookName", hook->lifecycle_hook_name);
}

int scaling_hook_put(struct api_call *call, struct asg_lifecycle_hook_list *hooks, const struct asg_lifecycle_hook *given)
{
        struct asg_lifecycle_hook hook = *given, *old = NULL;
        int r = check(call, &hook);

        if (r != 0)
                return r;
        if (!SHAPE_HAS(&hook, asg_lifecycle_hook, heartbeat_timeout))
                SHAPE_SET(&hook, asg_lifecycle_hook, heartbeat_timeout, DEFAULT_HEARTBEAT);
        SHAPE_SET(&hook, asg_lifecycle_hook, global_timeout, MIN(hook.heartbeat_timeout * 100, GLOBAL_TIMEOUT));
        if (hook.default_result == NULL)
                hook.default_result = "ABANDON";
        for (uint32_t i = 0; i < hooks->n; i++)
                if (str_eq(hooks->items[i].lifecycle_hook_name, hook.lifecycle_hook_name))
                        old = &hooks->items[i];
        if (old == NULL && hooks->n >= MAX_HOOKS)
                return api_fail(call, "LimitExceededFault", "A group can have at most %d lifecycle hooks.", MAX_HOOKS);
        if (old == NULL)
                old = SHAPE_PUSH(call->arena, hooks);
        *old = hook;
        return 0;
}

/* What the request leaves out stays as it was. */
static void merge(struct asg_lifecycle_hook *hook, const struct asg_put_lifecycle_hook_type *in)
{
        if (in->lifecycle_transition != NULL)
                hook->lifecycle_transition = in->lifecycle_transition;
        if (in->role_arn != NULL)
                hook->role_arn = in->role_arn;
        if (in->notification_target_arn != NULL)
                hook->notification_target_arn = in->notification_target_arn;
        if (in->notification_metadata != NULL)
                hook->notification_metadata = in->notification_metadata;
        if (in->default_result != NULL)
                hook->default_result = in->default_result;
        if (SHAPE_HAS(in, asg_put_lifecycle_hook_type, heartbeat_timeout))
                SHAPE_SET(hook, asg_lifecycle_hook, heartbeat_timeout, in->heartbeat_timeout);
}

static int put(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_put_lifecycle_hook_type *in = input;
        const struct asg_lifecycle_hook *old;
        struct asg_lifecycle_hook hook = {.lifecycle_hook_name = in->lifecycle_hook_name};
        struct state_scaling_group *state;
        struct scaling_group *group = NULL;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r != 0)
                return r;
        old = group_hook(group, in->lifecycle_hook_name);
        if (old != NULL)
                hook = *old;
        hook.auto_scaling_group_name = group->object.key;
        merge(&hook, in);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        r = scaling_hook_put(call, &state->hooks, &hook);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return 0;
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct asg_describe_lifecycle_hooks_type *in = input;
        struct asg_describe_lifecycle_hooks_answer *out = output;
        struct scaling_group *group = NULL;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        for (uint32_t i = 0; r == 0 && i < group->state->hooks.n; i++) {
                const struct asg_lifecycle_hook *hook = &group->state->hooks.items[i];
                bool asked = in->lifecycle_hook_names.n == 0;

                for (uint32_t j = 0; j < in->lifecycle_hook_names.n; j++)
                        asked |= str_eq(in->lifecycle_hook_names.items[j], hook->lifecycle_hook_name);
                if (asked)
                        *SHAPE_PUSH(call->arena, &out->lifecycle_hooks) = *hook;
        }
        return r;
}

static int delete (struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_delete_lifecycle_hook_type *in = input;
        struct asg_lifecycle_hook_list kept = {0};
        struct state_scaling_group *state;
        struct scaling_group *group = NULL;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r != 0)
                return r;
        if (group_hook(group, in->lifecycle_hook_name) == NULL)
                return api_fail(call, "ValidationError", "No Lifecycle Hook found with name %.255s", in->lifecycle_hook_name);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        for (uint32_t i = 0; i < state->hooks.n; i++)
                if (!str_eq(state->hooks.items[i].lifecycle_hook_name, in->lifecycle_hook_name))
                        *SHAPE_PUSH(call->arena, &kept) = state->hooks.items[i];
        state->hooks = kept;
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return 0;
}

/* The machine of the group that waits for the hook: by its id, or by the token of its waiting. */
static int find_waiting(struct api_call *call, const char *group_name, const char *hook, const char *instance, const char *token,
                        struct machine **ret)
{
        struct scaling_group *group = NULL;
        int r = scaling_group_find(call, group_name, &group);

        if (r != 0)
                return r;
        list_for_each (machine, &group->machines, struct machine, in_group) {
                const struct state_machine *state = machine->state;

                if (!str_eq(state->hook, hook) || (token != NULL && !str_eq(state->hook_token, token)) ||
                    (instance != NULL && !str_eq(state->id, instance)) || (token == NULL && instance == NULL))
                        continue;
                *ret = machine;
                return 0;
        }
        return api_fail(call, "ValidationError", "No active Lifecycle Action found with %s %.40s",
                        instance != NULL ? "instance ID" : "token",
                        instance != NULL ? instance
                        : token != NULL  ? token
                                         : "null");
}

static int complete(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_complete_lifecycle_action_type *in = input;
        struct machine *machine = NULL;
        struct tx *tx;
        int r = find_waiting(call, in->auto_scaling_group_name, in->lifecycle_hook_name, in->instance_id, in->lifecycle_action_token,
                             &machine);

        if (r != 0)
                return r;
        if (!str_eq(in->lifecycle_action_result, "CONTINUE") && !str_eq(in->lifecycle_action_result, "ABANDON"))
                return api_fail(call, "ValidationError", "LifecycleActionResult must be CONTINUE or ABANDON, not %.50s",
                                in->lifecycle_action_result);
        tx = tx_begin(call->model);
        machine_finish_hook(tx, machine, in->lifecycle_action_result);
        (void)tx_commit(tx);
        return 0;
}

static int heartbeat(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_record_lifecycle_action_heartbeat_type *in = input;
        const struct asg_lifecycle_hook *hook;
        struct machine *machine = NULL;
        struct state_machine *state;
        struct tx *tx;
        int r = find_waiting(call, in->auto_scaling_group_name, in->lifecycle_hook_name, in->instance_id, in->lifecycle_action_token,
                             &machine);

        if (r != 0)
                return r;
        hook = group_hook(machine->group, in->lifecycle_hook_name);
        if (hook == NULL)
                return 0;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &machine->object);
        state->hook_until = MIN(call->now_ms + (int64_t)hook->heartbeat_timeout * 1000, state->state_at + MACHINE_HOOK_MS);
        tx_put(tx, &machine->object, state);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route scaling_hook_routes[] = {
        {ASG_OP_PUT_LIFECYCLE_HOOK, put},
        {ASG_OP_DESCRIBE_LIFECYCLE_HOOKS, describe},
        {ASG_OP_DELETE_LIFECYCLE_HOOK, delete},
        {ASG_OP_COMPLETE_LIFECYCLE_ACTION, complete},
        {ASG_OP_RECORD_LIFECYCLE_ACTION_HEARTBEAT, heartbeat},
        {0, NULL},
};
