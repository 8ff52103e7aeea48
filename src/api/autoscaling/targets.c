/* SPDX-License-Identifier: Apache-2.0 */
/* Scalable targets: services whose number of tasks may be changed by policies and schedules. */
#include <string.h>

#include "api/autoscaling/common.h"
#include "base/strutil.h"
#include "control/scaling/scaling.h"
#include "control/scaling/alarms.h"

#define MAX_TARGETS 3000
#define MAX_TASKS 5000 /* of a service */
#define ID_DIGITS 34

/* A member that is absent keeps what it was. */
static void merge_suspended(struct aas_suspended_state *into, const struct aas_suspended_state *given)
{
        bool in = SHAPE_HAS(given, aas_suspended_state, dynamic_scaling_in_suspended) ? given->dynamic_scaling_in_suspended
                                                                                      : into->dynamic_scaling_in_suspended;
        bool out = SHAPE_HAS(given, aas_suspended_state, dynamic_scaling_out_suspended) ? given->dynamic_scaling_out_suspended
                                                                                        : into->dynamic_scaling_out_suspended;
        bool scheduled = SHAPE_HAS(given, aas_suspended_state, scheduled_scaling_suspended) ? given->scheduled_scaling_suspended
                                                                                            : into->scheduled_scaling_suspended;

        SHAPE_SET(into, aas_suspended_state, dynamic_scaling_in_suspended, in);
        SHAPE_SET(into, aas_suspended_state, dynamic_scaling_out_suspended, out);
        SHAPE_SET(into, aas_suspended_state, scheduled_scaling_suspended, scheduled);
}

static int check_limits(struct api_call *call, const struct aas_register_scalable_target_request *in, const struct scalable_target *target,
                        int32_t *ret_min, int32_t *ret_max)
{
        bool has_min = SHAPE_HAS(in, aas_register_scalable_target_request, min_capacity);
        bool has_max = SHAPE_HAS(in, aas_register_scalable_target_request, max_capacity);
        int32_t min, max;

        if (target == NULL && (!has_min || !has_max))
                return api_fail(call, "ValidationException", "MinCapacity and MaxCapacity are required to register a new scalable target.");
        min = has_min ? in->min_capacity : target->state->min_capacity;
        max = has_max ? in->max_capacity : target->state->max_capacity;
        if (min < 0 || max < 0 || max > MAX_TASKS)
                return api_fail(call, "ValidationException", "MinCapacity and MaxCapacity must be in 0..%d; they are %d and %d.", MAX_TASKS,
                                min, max);
        if (min > max)
                return api_fail(call, "ValidationException", "Maximum capacity cannot be less than minimum capacity");
        *ret_min = min;
        *ret_max = max;
        return 0;
}

static int check_register(struct api_call *call, const struct aas_register_scalable_target_request *in,
                          const struct scalable_target *target)
{
        struct service *service;

        if (target != NULL) {
                if (in->tags.n > 0)
                        return api_fail(call, "ValidationException",
                                        "Tags can only be given when a scalable target is registered for the first time: use TagResource.");
                return 0;
        }
        service = model_scaled_service(call->model, in->resource_id);
        if (service == NULL)
                return api_fail(call, "ValidationException", "ECS service doesn't exist: %s", in->resource_id);
        if (service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON)
                return api_fail(call, "ValidationException",
                                "%s runs one task on each instance (scheduling strategy DAEMON): its number of tasks cannot be scaled.",
                                in->resource_id);
        if (model_objects(call->model, OBJECT_SCALABLE_TARGET)->count >= MAX_TARGETS)
                return api_fail(call, "LimitExceededException",
                                "There are %d scalable targets, the most that are possible. Deregister some.", MAX_TARGETS);
        return 0;
}

static struct scalable_target *insert_target(struct api_call *call, struct tx *tx, const struct aas_register_scalable_target_request *in,
                                             int32_t min, int32_t max)
{
        struct state_scalable_target state = {.resource_id = in->resource_id, .created_at = call->now_ms, .tags = in->tags};
        char id[ID_DIGITS + 1];

        env_random_hex(model_env(call->model), id, ID_DIGITS);
        state.id = id;
        state.role_arn = arena_printf(call->arena,
                                      "arn:aws:iam::%s:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                                      "AWSServiceRoleForApplicationAutoScaling_ECSService",
                                      model_account(call->model));
        SHAPE_SET(&state, state_scalable_target, min_capacity, min);
        SHAPE_SET(&state, state_scalable_target, max_capacity, max);
        return (struct scalable_target *)(void *)tx_insert(tx, OBJECT_SCALABLE_TARGET, &state);
}

static int register_target(struct api_call *call, const void *input, void *output)
{
        const struct aas_register_scalable_target_request *in = input;
        struct aas_register_scalable_target_response *out = output;
        struct aas_suspended_state suspended = {0};
        struct state_scalable_target *state;
        struct scalable_target *target = NULL;
        int32_t min = 0, max = 0;
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0) {
                target = model_scalable_target(call->model, in->resource_id);
                r = check_register(call, in, target);
        }
        if (r == 0)
                r = check_limits(call, in, target, &min, &max);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        if (target == NULL)
                target = insert_target(call, tx, in, min, max);
        state = tx_edit(tx, &target->object);
        if (state->suspended != NULL)
                suspended = *state->suspended;
        merge_suspended(&suspended, in->suspended_state != NULL ? in->suspended_state : &suspended);
        state->suspended = &suspended;
        if (in->role_arn != NULL)
                state->role_arn = in->role_arn;
        tx_put(tx, &target->object, state);
        scaling_set_limits(tx, target, min, max, call->now_ms);
        tx_commit(tx);
        out->scalable_target_arn = model_scalable_target_arn(call->model, call->arena, target->state);
        return 0;
}

/* Policies go with the alarms that they made. */
static void remove_policy_alarms(struct api_call *call, struct tx *tx, const char *resource_id)
{
        for (struct object *o = model_scaling_first(call->model, OBJECT_SCALING_POLICY, resource_id); o != NULL;
             o = model_scaling_next(o, resource_id))
                scaling_alarms_remove(tx, (const struct scaling_policy *)(const void *)o, call->now_ms);
}

static void remove_all(struct model *model, struct tx *tx, enum object_kind kind, const char *resource_id)
{
        struct object *next;

        for (struct object *o = model_scaling_first(model, kind, resource_id); o != NULL; o = next) {
                next = model_scaling_next(o, resource_id);
                tx_remove(tx, o);
        }
}

static int deregister_target(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_deregister_scalable_target_request *in = input;
        struct scalable_target *target;
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r < 0)
                return r;
        target = model_scalable_target(call->model, in->resource_id);
        if (target == NULL)
                return api_fail(call, "ObjectNotFoundException",
                                "No scalable target found for service namespace: ecs, resource ID: %s, scalable dimension: "
                                "ecs:service:DesiredCount",
                                in->resource_id);
        tx = tx_begin(call->model);
        remove_policy_alarms(call, tx, in->resource_id);
        remove_all(call->model, tx, OBJECT_SCALING_POLICY, in->resource_id);
        remove_all(call->model, tx, OBJECT_SCHEDULED_ACTION, in->resource_id);
        remove_all(call->model, tx, OBJECT_SCALING_ACTIVITY, in->resource_id);
        tx_remove(tx, &target->object);
        tx_commit(tx);
        return 0;
}

static bool matches(const struct object *object, const void *input)
{
        const struct aas_describe_scalable_targets_request *in = input;

        for (uint32_t i = 0; i < in->resource_ids.n; i++)
                if (str_eq(in->resource_ids.items[i], object->key))
                        return true;
        return in->resource_ids.n == 0;
}

static void show(struct api_call *call, const struct object *object, UNUSED const void *input, void *output)
{
        const struct state_scalable_target *s = ((const struct scalable_target *)(const void *)object)->state;
        struct aas_describe_scalable_targets_response *out = output;
        struct aas_scalable_target *t = SHAPE_PUSH(call->arena, &out->scalable_targets);

        t->service_namespace = AAS_SERVICE_NAMESPACE_ECS;
        t->resource_id = s->resource_id;
        t->scalable_dimension = AAS_SCALABLE_DIMENSION_ECS_SERVICE_DESIREDCOUNT;
        SHAPE_SET(t, aas_scalable_target, min_capacity, s->min_capacity);
        SHAPE_SET(t, aas_scalable_target, max_capacity, s->max_capacity);
        t->role_arn = s->role_arn;
        t->creation_time = s->created_at;
        t->suspended_state = s->suspended;
        t->scalable_target_arn = model_scalable_target_arn(call->model, call->arena, s);
}

static int describe_targets(struct api_call *call, const void *input, void *output)
{
        const struct aas_describe_scalable_targets_request *in = input;
        struct aas_describe_scalable_targets_response *out = output;
        const struct autoscaling_list list = {.kind = OBJECT_SCALABLE_TARGET, .match = matches, .show = show};
        struct api_page page = {0};
        int r = autoscaling_check(call, in->service_namespace, NULL, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_page(call, in->next_token, SHAPE_HAS(in, aas_describe_scalable_targets_request, max_results),
                                     in->max_results, NULL, &page);
        if (r == 0)
                autoscaling_fill(call, &list, &page, input, output, &out->next_token);
        return r;
}

const struct api_route autoscaling_target_routes[] = {
        {AAS_OP_REGISTER_SCALABLE_TARGET, register_target},
        {AAS_OP_DEREGISTER_SCALABLE_TARGET, deregister_target},
        {AAS_OP_DESCRIBE_SCALABLE_TARGETS, describe_targets},
        {0, NULL},
};
