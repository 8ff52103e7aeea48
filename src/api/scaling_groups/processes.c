/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that can be suspended, and lists that never change. */
#include <string.h>

#include "api/scaling_groups/common.h"
#include "base/strutil.h"

#define MAX_GROUPS 500
#define MAX_CONFIGURATIONS 500

static const char *const processes[] = {"AZRebalance", "AddToLoadBalancer", "AlarmNotification", "HealthCheck", "InstanceRefresh",
                                        "Launch",      "ReplaceUnhealthy",  "ScheduledActions",  "Terminate"};
static const char *const policies[] = {
        "AllocationStrategy",        "ClosestToNextInstanceHour", "Default", "NewestInstance", "OldestInstance",
        "OldestLaunchConfiguration", "OldestLaunchTemplate"};
static const char *const metrics[] = {"GroupDesiredCapacity",  "GroupInServiceInstances",   "GroupMaxSize",       "GroupMinSize",
                                      "GroupPendingInstances", "GroupTerminatingInstances", "GroupTotalInstances"};

static bool has(const char *const *list, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (str_eq(list[i], word))
                        return true;
        return false;
}

static bool listed(const struct string_list *list, const char *word)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i], word))
                        return true;
        return list->n == 0;
}

static int check_words(struct api_call *call, const char *what, const struct string_list *words, const char *const *known, size_t n)
{
        for (uint32_t i = 0; i < words->n; i++)
                if (!has(known, n, words->items[i]))
                        return api_fail(call, "ValidationError", "%s: there is none of the name '%.100s'", what, words->items[i]);
        return 0;
}

static int change(struct api_call *call, const struct asg_scaling_process_query *in, bool suspend)
{
        struct asg_suspended_process_list list = {0};
        struct scaling_group *group = NULL;
        struct state_scaling_group *state;
        struct tx *tx;
        char at[32];
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r == 0)
                r = check_words(call, "ScalingProcesses", &in->scaling_processes, processes, ARRAY_SIZE(processes));
        if (r != 0)
                return r;
        str_iso8601(call->now_ms, false, at);
        for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
                if (listed(&in->scaling_processes, processes[i]) ? suspend : group_is_suspended(group, processes[i]))
                        *SHAPE_PUSH(call->arena, &list) = (struct asg_suspended_process){
                                .process_name = processes[i], .suspension_reason = arena_printf(call->arena, "User suspended at %s", at)};
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        state->group->suspended_processes = list;
        state->next_launch_at = 0;
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return 0;
}

static int suspend(struct api_call *call, const void *input, UNUSED void *output)
{
        return change(call, input, true);
}

static int resume(struct api_call *call, const void *input, UNUSED void *output)
{
        return change(call, input, false);
}

/* ---- Metrics of groups ---- */

static int collect(struct api_call *call, const char *name, const struct string_list *wanted, bool enable)
{
        struct asg_enabled_metric_list list = {0};
        struct scaling_group *group = NULL;
        struct state_scaling_group *state;
        struct tx *tx;
        int r = scaling_group_find(call, name, &group);

        if (r == 0)
                r = check_words(call, "Metrics", wanted, metrics, ARRAY_SIZE(metrics));
        if (r != 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
                bool was = false;

                for (uint32_t j = 0; j < group->state->group->enabled_metrics.n; j++)
                        was |= str_eq(group->state->group->enabled_metrics.items[j].metric, metrics[i]);
                if (listed(wanted, metrics[i]) ? enable : was)
                        *SHAPE_PUSH(call->arena, &list) = (struct asg_enabled_metric){.metric = metrics[i], .granularity = "1Minute"};
        }
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        state->group->enabled_metrics = list;
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return 0;
}

static int enable_metrics(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_enable_metrics_collection_query *in = input;

        if (!str_eq(in->granularity, "1Minute"))
                return api_fail(call, "ValidationError", "Granularity must be 1Minute, not %.50s", in->granularity);
        return collect(call, in->auto_scaling_group_name, &in->metrics, true);
}

static int disable_metrics(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_disable_metrics_collection_query *in = input;

        return collect(call, in->auto_scaling_group_name, &in->metrics, false);
}

/* ---- What there is ---- */

static int describe_limits(struct api_call *call, UNUSED const void *input, void *output)
{
        struct asg_describe_account_limits_answer *out = output;

        SHAPE_SET(out, asg_describe_account_limits_answer, max_number_of_auto_scaling_groups, MAX_GROUPS);
        SHAPE_SET(out, asg_describe_account_limits_answer, max_number_of_launch_configurations, MAX_CONFIGURATIONS);
        SHAPE_SET(out, asg_describe_account_limits_answer, number_of_auto_scaling_groups,
                  (int32_t)model_objects(call->model, OBJECT_SCALING_GROUP)->count);
        SHAPE_SET(out, asg_describe_account_limits_answer, number_of_launch_configurations,
                  (int32_t)model_objects(call->model, OBJECT_LAUNCH_CONFIGURATION)->count);
        return 0;
}

static int describe_policy_types(struct api_call *call, UNUSED const void *input, void *output)
{
        struct asg_describe_termination_policy_types_answer *out = output;

        for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
                string_list_push(call->arena, &out->termination_policy_types, policies[i]);
        return 0;
}

static int describe_process_types(struct api_call *call, UNUSED const void *input, void *output)
{
        struct asg_processes_type *out = output;

        for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
                SHAPE_PUSH(call->arena, &out->processes)->process_name = processes[i];
        return 0;
}

static int describe_hook_types(struct api_call *call, UNUSED const void *input, void *output)
{
        struct asg_describe_lifecycle_hook_types_answer *out = output;

        string_list_push(call->arena, &out->lifecycle_hook_types, HOOK_LAUNCHING);
        string_list_push(call->arena, &out->lifecycle_hook_types, HOOK_TERMINATING);
        return 0;
}

const struct api_route scaling_process_routes[] = {
        {ASG_OP_SUSPEND_PROCESSES, suspend},
        {ASG_OP_RESUME_PROCESSES, resume},
        {ASG_OP_ENABLE_METRICS_COLLECTION, enable_metrics},
        {ASG_OP_DISABLE_METRICS_COLLECTION, disable_metrics},
        {ASG_OP_DESCRIBE_ACCOUNT_LIMITS, describe_limits},
        {ASG_OP_DESCRIBE_TERMINATION_POLICY_TYPES, describe_policy_types},
        {ASG_OP_DESCRIBE_SCALING_PROCESS_TYPES, describe_process_types},
        {ASG_OP_DESCRIBE_LIFECYCLE_HOOK_TYPES, describe_hook_types},
        {0, NULL},
};
