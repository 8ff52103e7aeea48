/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling policies: step scaling, target tracking, predictive scaling. */
#include "api/autoscaling/policies.h"

#include "api/server.h"
#include "base/strutil.h"
#include "control/scaling/alarms.h"

#define MAX_POLICIES 50 /* of a target */

static void push_alarm(struct api_call *call, const char *name, struct aas_alarm_list *ret)
{
        struct aas_alarm *alarm = SHAPE_PUSH(call->arena, ret);

        alarm->alarm_name = name;
        alarm->alarm_arn = model_alarm_arn(call->model, call->arena, name);
}

static bool names(const struct string_list *list, const char *text)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i], text))
                        return true;
        return false;
}

/* Those that a policy made for itself, or those that have a step scaling policy among their actions. */
static void list_alarms(struct api_call *call, const struct state_scaling_policy *s, struct aas_alarm_list *ret)
{
        const char *arn = model_scaling_policy_arn(call->model, call->arena, s);

        for (uint32_t i = 0; i < s->alarms.n; i++)
                push_alarm(call, s->alarms.items[i], ret);
        if (s->step == NULL)
                return;
        tree_for_each (node, model_objects(call->model, OBJECT_ALARM)) {
                const struct state_alarm *alarm = MODEL_OBJECT(node, alarm)->state;

                if (names(&alarm->alarm_actions, arn) || names(&alarm->ok_actions, arn) || names(&alarm->insufficient_data_actions, arn))
                        push_alarm(call, alarm->name, ret);
        }
}

static struct scaling_policy *insert_policy(struct api_call *call, struct tx *tx, const struct aas_put_scaling_policy_request *in,
                                            struct state_scaling_policy *s)
{
        char *id = arena_bytes(call->arena, 37);

        env_random_uuid(model_env(call->model), id);
        s->id = id;
        s->resource_id = in->resource_id;
        s->name = in->policy_name;
        s->created_at = call->now_ms;
        scaling_alarms_put(tx, s, !call->api->options.cloud_timing, call->now_ms);
        return (struct scaling_policy *)(void *)tx_insert(tx, OBJECT_SCALING_POLICY, s);
}

static int put_policy(struct api_call *call, const void *input, void *output)
{
        const struct aas_put_scaling_policy_request *in = input;
        struct aas_put_scaling_policy_response *out = output;
        enum aas_policy_type type = AAS_POLICY_TYPE_UNSET;
        struct scaling_policy *policy;
        struct scalable_target *target = NULL;
        struct state_scaling_policy s = {0};
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_check_name(call, "policyName", in->policy_name);
        if (r == 0)
                r = autoscaling_find_target(call, in->resource_id, &target);
        if (r < 0)
                return r;
        policy = model_scaling_policy(call->model, in->resource_id, in->policy_name);
        r = autoscaling_check_policy(call, in, policy, &type);
        if (r < 0)
                return r;
        if (policy != NULL)
                s = *policy->state;
        else if (autoscaling_count(call, OBJECT_SCALING_POLICY, in->resource_id) >= MAX_POLICIES)
                return api_fail(call, "LimitExceededException", "%s has %d scaling policies, the most that are possible. Delete some.",
                                in->resource_id, MAX_POLICIES);
        s.type = type;
        s.step = in->step_scaling_policy_configuration;
        s.tracking = in->target_tracking_scaling_policy_configuration;
        s.predictive = in->predictive_scaling_policy_configuration;
        s.forecast_at = 0; /* it is foretold anew */
        SHAPE_CLEAR(&s, state_scaling_policy, forecast_capacity);
        tx = tx_begin(call->model);
        if (policy == NULL) {
                policy = insert_policy(call, tx, in, &s);
        } else {
                scaling_alarms_put(tx, &s, !call->api->options.cloud_timing, call->now_ms);
                tx_put(tx, &policy->object, &s);
        }
        tx_commit(tx);
        out->policy_arn = model_scaling_policy_arn(call->model, call->arena, policy->state);
        list_alarms(call, policy->state, &out->alarms);
        return 0;
}

static int delete_policy(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_delete_scaling_policy_request *in = input;
        struct scaling_policy *policy;
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r < 0)
                return r;
        policy = model_scaling_policy(call->model, in->resource_id, in->policy_name);
        if (policy == NULL)
                return api_fail(call, "ObjectNotFoundException",
                                "No scaling policy found for service namespace: ecs, resource ID: %s, scalable dimension: "
                                "ecs:service:DesiredCount, policy name: %s",
                                in->resource_id, in->policy_name);
        tx = tx_begin(call->model);
        scaling_alarms_remove(tx, policy, call->now_ms);
        tx_remove(tx, &policy->object);
        tx_commit(tx);
        return 0;
}

static bool matches(const struct object *object, const void *input)
{
        const struct aas_describe_scaling_policies_request *in = input;
        const char *name = ((const struct scaling_policy *)(const void *)object)->state->name;

        for (uint32_t i = 0; i < in->policy_names.n; i++)
                if (str_eq(in->policy_names.items[i], name))
                        return true;
        return in->policy_names.n == 0;
}

static void show(struct api_call *call, const struct object *object, UNUSED const void *input, void *output)
{
        const struct state_scaling_policy *s = ((const struct scaling_policy *)(const void *)object)->state;
        struct aas_describe_scaling_policies_response *out = output;
        struct aas_scaling_policy *p = SHAPE_PUSH(call->arena, &out->scaling_policies);

        p->policy_arn = model_scaling_policy_arn(call->model, call->arena, s);
        p->policy_name = s->name;
        p->service_namespace = AAS_SERVICE_NAMESPACE_ECS;
        p->resource_id = s->resource_id;
        p->scalable_dimension = AAS_SCALABLE_DIMENSION_ECS_SERVICE_DESIREDCOUNT;
        p->policy_type = s->type;
        p->step_scaling_policy_configuration = s->step;
        p->target_tracking_scaling_policy_configuration = s->tracking;
        p->predictive_scaling_policy_configuration = s->predictive;
        p->creation_time = s->created_at;
        list_alarms(call, s, &p->alarms);
}

static int describe_policies(struct api_call *call, const void *input, void *output)
{
        const struct aas_describe_scaling_policies_request *in = input;
        struct aas_describe_scaling_policies_response *out = output;
        const struct autoscaling_list list = {
                .kind = OBJECT_SCALING_POLICY, .resource_id = in->resource_id, .match = matches, .show = show};
        struct api_page page = {0};
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_page(call, in->next_token, SHAPE_HAS(in, aas_describe_scaling_policies_request, max_results),
                                     in->max_results, in->resource_id, &page);
        if (r == 0)
                autoscaling_fill(call, &list, &page, input, output, &out->next_token);
        return r;
}

const struct api_route autoscaling_policy_routes[] = {
        {AAS_OP_PUT_SCALING_POLICY, put_policy},
        {AAS_OP_DELETE_SCALING_POLICY, delete_policy},
        {AAS_OP_DESCRIBE_SCALING_POLICIES, describe_policies},
        {0, NULL},
};
