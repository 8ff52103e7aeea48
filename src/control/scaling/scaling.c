/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions become changes of the model, each with its activity: see scaling.h. */
#include "control/scaling/scaling.h"

#include <string.h>

#include "base/strutil.h"
#include "control/service/deploy.h"

#define HOUR_MS INT64_C(3600000)

int32_t scaling_foretold_by(const struct state_scaling_policy *policy, const struct scalable_target *target)
{
        const struct aas_predictive_scaling_policy_configuration *c = policy->predictive;
        int32_t max = target->state->max_capacity, capacity = policy->forecast_capacity;

        if (c->max_capacity_breach_behavior == AAS_PREDICTIVE_SCALING_MAX_CAPACITY_BREACH_BEHAVIOR_INCREASEMAXCAPACITY && capacity >= max)
                return (int32_t)MIN((int64_t)capacity * (100 + c->max_capacity_buffer) / 100, INT32_MAX);
        return MIN(capacity, max);
}

int32_t scaling_foretold(struct model *model, const struct scalable_target *target, int64_t now_ms)
{
        const char *id = target->state->resource_id;
        int32_t most = 0;

        for (struct object *o = model_scaling_first(model, OBJECT_SCALING_POLICY, id); o != NULL; o = model_scaling_next(o, id)) {
                const struct state_scaling_policy *s = ((const struct scaling_policy *)(const void *)o)->state;

                if (s->predictive == NULL || s->predictive->mode != AAS_PREDICTIVE_SCALING_MODE_FORECASTANDSCALE ||
                    !SHAPE_HAS(s, state_scaling_policy, forecast_capacity) || now_ms >= s->forecast_at + HOUR_MS)
                        continue;
                most = MAX(most, scaling_foretold_by(s, target));
        }
        return most;
}

struct scaling_capacity scaling_capacity_of(struct model *model, const struct scalable_target *target, const struct service *service,
                                            int64_t now_ms)
{
        const struct state_scalable_target *s = target->state;
        const struct aas_suspended_state *suspended = s->suspended;
        int32_t foretold = scaling_foretold(model, target, now_ms);

        return (struct scaling_capacity){
                .desired = service->state->desired_count,
                .running = (int32_t)service->counts.running,
                .min = MAX(s->min_capacity, foretold),
                .max = MAX(s->max_capacity, foretold),
                .now_ms = now_ms,
                .out_at_ms = s->out_at,
                .out_until_ms = s->out_until,
                .out_from = s->out_from,
                .in_at_ms = s->in_at,
                .in_until_ms = s->in_until,
                .deploying = service_current_deployment(model, service) != NULL,
                .in_suspended = suspended != NULL && suspended->dynamic_scaling_in_suspended,
                .out_suspended = suspended != NULL && suspended->dynamic_scaling_out_suspended,
        };
}

/* ---- activities ---- */

/* The object that the activity of that number has or had, a hundred ago. */
static struct object *slot(struct model *model, const char *resource_id, int64_t number)
{
        for (struct object *o = model_scaling_first(model, OBJECT_SCALING_ACTIVITY, resource_id); o != NULL;
             o = model_scaling_next(o, resource_id)) {
                const struct scaling_activity *activity = (const struct scaling_activity *)(const void *)o;

                if (activity->state->number % SCALING_ACTIVITIES == number % SCALING_ACTIVITIES)
                        return o;
        }
        return NULL;
}

static void insert_activity(struct tx *tx, struct scalable_target *target, struct state_scaling_activity *activity)
{
        struct model *model = tx_model(tx);
        struct state_scalable_target *state = tx_edit(tx, &target->object);
        struct object *old;
        char *id = arena_bytes(tx_arena(tx), 37);

        env_random_uuid(model_env(model), id);
        activity->id = id;
        activity->resource_id = state->resource_id;
        SHAPE_SET(activity, state_scaling_activity, number, state->activities);
        SHAPE_SET(state, state_scalable_target, activities, state->activities + 1);
        old = slot(model, state->resource_id, activity->number);
        if (old != NULL)
                tx_put(tx, old, activity);
        else
                tx_insert(tx, OBJECT_SCALING_ACTIVITY, activity);
        tx_put(tx, &target->object, state);
}

void scaling_record(struct tx *tx, struct scalable_target *target, enum aas_scaling_activity_status_code status, const char *description,
                    const char *cause, const char *message, int64_t now_ms)
{
        struct state_scaling_activity activity = {
                .description = description, .cause = cause, .message = message, .status = status, .started_at = now_ms, .ended_at = now_ms};

        insert_activity(tx, target, &activity);
}

/* The newest activity of a target, or NULL. */
static const struct state_scaling_activity *newest(struct model *model, const struct state_scalable_target *target)
{
        struct object *o = target->activities > 0 ? slot(model, target->resource_id, target->activities - 1) : NULL;

        return o != NULL ? ((const struct scaling_activity *)(const void *)o)->state : NULL;
}

/* What the code means here, and what would change it. */
static const char *explain(struct arena *arena, const struct state_scalable_target *target, enum scaling_reason reason)
{
        switch (reason) {
        case SCALING_REASON_AT_MAX:
                return arena_printf(arena, "the maximum capacity of %d is reached; a greater MaxCapacity lets the service grow",
                                    target->max_capacity);
        case SCALING_REASON_AT_MIN:
                return arena_printf(arena, "the minimum capacity of %d is reached; a smaller MinCapacity lets the service shrink",
                                    target->min_capacity);
        case SCALING_REASON_COOLDOWN:
                return "the cooldown of the last scale-in is not over";
        case SCALING_REASON_DEPLOYING:
                return "there is no scale-in while a deployment is in progress";
        case SCALING_REASON_SUSPENDED:
                return "it is suspended; RegisterScalableTarget with a SuspendedState of false resumes it";
        default:
                return "the service has the capacity that the policy asks for";
        }
}

void scaling_record_reason(struct tx *tx, struct scalable_target *target, enum scaling_reason reason, const char *description,
                           const char *cause, int64_t now_ms)
{
        const struct state_scaling_activity *last = newest(tx_model(tx), target->state);
        const char *name = scaling_reason_name(reason);
        struct aas_not_scaled_reason item = {.code = name};
        struct state_scaling_activity activity = {
                .description = description,
                .cause = cause,
                .status = AAS_SCALING_ACTIVITY_STATUS_CODE_UNFULFILLED,
                .message = arena_printf(tx_arena(tx), "Nothing was changed (%s): %s.", name, explain(tx_arena(tx), target->state, reason)),
                .started_at = now_ms,
                .ended_at = now_ms,
                .reasons = {.items = &item, .n = 1}};
        struct service *service = model_scaled_service(tx_model(tx), target->state->resource_id);

        if (last != NULL && last->reasons.n > 0 && str_eq(last->reasons.items[0].code, name) && str_eq(last->cause, cause))
                return;
        SHAPE_SET(&item, aas_not_scaled_reason, min_capacity, target->state->min_capacity);
        SHAPE_SET(&item, aas_not_scaled_reason, max_capacity, target->state->max_capacity);
        if (service != NULL)
                SHAPE_SET(&item, aas_not_scaled_reason, current_capacity, service->state->desired_count);
        insert_activity(tx, target, &activity);
}

/* ---- changes ---- */

void scaling_apply(struct tx *tx, struct scalable_target *target, struct service *service, int32_t desired, int32_t cooldown_s,
                   const char *cause, int64_t now_ms)
{
        struct state_scalable_target *state = tx_edit(tx, &target->object);
        int32_t before = service->state->desired_count;
        int64_t until = now_ms + (int64_t)cooldown_s * 1000;

        if (desired > before) {
                /* In a cooldown the next scale-out still counts from where the first began. */
                if (now_ms >= state->out_until)
                        SHAPE_SET(state, state_scalable_target, out_from, before);
                state->out_at = now_ms;
                state->out_until = until;
                state->in_until = 0; /* a scale-out ends it */
        } else {
                state->in_at = now_ms;
                state->in_until = until;
        }
        tx_put(tx, &target->object, state);
        service_scale(tx, service, desired, now_ms);
        scaling_record(tx, target, AAS_SCALING_ACTIVITY_STATUS_CODE_SUCCESSFUL,
                       arena_printf(tx_arena(tx), "Setting desired count to %d.", desired), cause,
                       arena_printf(tx_arena(tx), "Successfully set desired count to %d. Change successfully fulfilled by ecs.", desired),
                       now_ms);
}

void scaling_set_limits(struct tx *tx, struct scalable_target *target, int32_t min, int32_t max, int64_t now_ms)
{
        struct state_scalable_target *state = tx_edit(tx, &target->object);
        struct service *service = model_scaled_service(tx_model(tx), state->resource_id);
        const struct aas_suspended_state *suspended = state->suspended;
        int32_t desired;

        SHAPE_SET(state, state_scalable_target, min_capacity, min);
        SHAPE_SET(state, state_scalable_target, max_capacity, max);
        tx_put(tx, &target->object, state);
        if (service == NULL)
                return;
        desired = service->state->desired_count;
        if (desired < min && !(suspended != NULL && suspended->dynamic_scaling_out_suspended))
                scaling_apply(tx, target, service, min, 0, arena_printf(tx_arena(tx), "minimum capacity was set to %d", min), now_ms);
        else if (desired > max && !(suspended != NULL && suspended->dynamic_scaling_in_suspended))
                scaling_apply(tx, target, service, max, 0, arena_printf(tx_arena(tx), "maximum capacity was set to %d", max), now_ms);
}
