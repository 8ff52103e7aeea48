/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled actions: other limits of a target at certain times. */
#include <string.h>

#include "api/autoscaling/common.h"
#include "base/strutil.h"
#include "control/scaling/schedule.h"

#define MAX_ACTIONS 200 /* of a target */

/* What the action will be: what the request leaves out stays as it was. */
static void merge(struct state_scheduled_action *s, const struct aas_put_scheduled_action_request *in)
{
        const struct aas_scalable_target_action *action = in->scalable_target_action;

        if (in->schedule != NULL)
                s->schedule = in->schedule;
        if (in->timezone != NULL)
                s->timezone = in->timezone;
        if (in->start_time != 0)
                s->start_time = in->start_time;
        if (in->end_time != 0)
                s->end_time = in->end_time;
        if (action == NULL)
                return;
        SHAPE_CLEAR(s, state_scheduled_action, min_capacity);
        SHAPE_CLEAR(s, state_scheduled_action, max_capacity);
        if (SHAPE_HAS(action, aas_scalable_target_action, min_capacity))
                SHAPE_SET(s, state_scheduled_action, min_capacity, action->min_capacity);
        if (SHAPE_HAS(action, aas_scalable_target_action, max_capacity))
                SHAPE_SET(s, state_scheduled_action, max_capacity, action->max_capacity);
}

static int check(struct api_call *call, const struct state_scheduled_action *s)
{
        bool has_min = SHAPE_HAS(s, state_scheduled_action, min_capacity), has_max = SHAPE_HAS(s, state_scheduled_action, max_capacity);

        if (s->schedule == NULL)
                return api_fail(call, "ValidationException", "A new scheduled action needs a Schedule: at(…), rate(…) or cron(…).");
        if (!has_min && !has_max)
                return api_fail(call, "ValidationException",
                                "ScalableTargetAction must be given with at least one of MinCapacity and MaxCapacity.");
        if ((has_min && s->min_capacity < 0) || (has_max && s->max_capacity < 0))
                return api_fail(call, "ValidationException", "MinCapacity and MaxCapacity cannot be negative.");
        if (has_min && has_max && s->min_capacity > s->max_capacity)
                return api_fail(call, "ValidationException", "Maximum capacity cannot be less than minimum capacity");
        if (s->start_time != 0 && s->end_time != 0 && s->end_time <= s->start_time)
                return api_fail(call, "ValidationException", "EndTime must be later than StartTime.");
        return 0;
}

/* Fills in when it runs next; an at() that is over is refused. */
static int plan(struct api_call *call, struct state_scheduled_action *s)
{
        struct schedule schedule;
        struct tz_zone *zone = NULL;
        int64_t after = MAX(call->now_ms, s->start_time - 1), start = s->start_time != 0 ? s->start_time : call->now_ms, next;
        int r = schedule_parse(s->schedule, &schedule, &call->error);

        if (r < 0)
                return r;
        if (tz_load(s->timezone, &zone) < 0)
                return api_fail(call, "ValidationException",
                                "Invalid timezone: \"%.100s\" is not in the server's tz database. Names are such as Europe/Berlin.",
                                s->timezone);
        next = schedule_next(&schedule, zone, start, after);
        tz_free(zone);
        if (next == INT64_MAX)
                return api_fail(call, "ValidationException", "Scheduled action: %.200s lies in the past: it would never run.", s->schedule);
        s->next_at = s->end_time != 0 && next > s->end_time ? 0 : next;
        return 0;
}

static int put_action(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_put_scheduled_action_request *in = input;
        struct scheduled_action *action;
        struct scalable_target *target = NULL;
        struct state_scheduled_action s = {0};
        char id[37];
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_check_name(call, "scheduledActionName", in->scheduled_action_name);
        if (r == 0)
                r = autoscaling_find_target(call, in->resource_id, &target);
        if (r < 0)
                return r;
        action = model_scheduled_action(call->model, in->resource_id, in->scheduled_action_name);
        if (action != NULL)
                s = *action->state;
        else if (autoscaling_count(call, OBJECT_SCHEDULED_ACTION, in->resource_id) >= MAX_ACTIONS)
                return api_fail(call, "LimitExceededException", "%s has %d scheduled actions, the most that are possible. Delete some.",
                                in->resource_id, MAX_ACTIONS);
        merge(&s, in);
        r = check(call, &s);
        if (r == 0)
                r = plan(call, &s);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        if (action != NULL) {
                tx_put(tx, &action->object, &s);
        } else {
                env_random_uuid(model_env(call->model), id);
                s.id = id;
                s.resource_id = in->resource_id;
                s.name = in->scheduled_action_name;
                s.created_at = call->now_ms;
                tx_insert(tx, OBJECT_SCHEDULED_ACTION, &s);
        }
        tx_commit(tx);
        return 0;
}

static int delete_action(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct aas_delete_scheduled_action_request *in = input;
        struct scheduled_action *action;
        struct tx *tx;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r < 0)
                return r;
        action = model_scheduled_action(call->model, in->resource_id, in->scheduled_action_name);
        if (action == NULL)
                return api_fail(call, "ObjectNotFoundException",
                                "No scheduled action found for service namespace: ecs, resource ID: %s, scalable dimension: "
                                "ecs:service:DesiredCount, scheduled action name: %s",
                                in->resource_id, in->scheduled_action_name);
        tx = tx_begin(call->model);
        tx_remove(tx, &action->object);
        tx_commit(tx);
        return 0;
}

static bool matches(const struct object *object, const void *input)
{
        const struct aas_describe_scheduled_actions_request *in = input;
        const char *name = ((const struct scheduled_action *)(const void *)object)->state->name;

        for (uint32_t i = 0; i < in->scheduled_action_names.n; i++)
                if (str_eq(in->scheduled_action_names.items[i], name))
                        return true;
        return in->scheduled_action_names.n == 0;
}

static void show(struct api_call *call, const struct object *object, UNUSED const void *input, void *output)
{
        const struct state_scheduled_action *s = ((const struct scheduled_action *)(const void *)object)->state;
        struct aas_describe_scheduled_actions_response *out = output;
        struct aas_scheduled_action *a = SHAPE_PUSH(call->arena, &out->scheduled_actions);

        a->scheduled_action_name = s->name;
        a->scheduled_action_arn = model_scheduled_action_arn(call->model, call->arena, s);
        a->service_namespace = AAS_SERVICE_NAMESPACE_ECS;
        a->schedule = s->schedule;
        a->timezone = s->timezone;
        a->resource_id = s->resource_id;
        a->scalable_dimension = AAS_SCALABLE_DIMENSION_ECS_SERVICE_DESIREDCOUNT;
        a->start_time = s->start_time;
        a->end_time = s->end_time;
        a->creation_time = s->created_at;
        a->scalable_target_action = ARENA_NEW(call->arena, struct aas_scalable_target_action);
        if (SHAPE_HAS(s, state_scheduled_action, min_capacity))
                SHAPE_SET(a->scalable_target_action, aas_scalable_target_action, min_capacity, s->min_capacity);
        if (SHAPE_HAS(s, state_scheduled_action, max_capacity))
                SHAPE_SET(a->scalable_target_action, aas_scalable_target_action, max_capacity, s->max_capacity);
}

static int describe_actions(struct api_call *call, const void *input, void *output)
{
        const struct aas_describe_scheduled_actions_request *in = input;
        struct aas_describe_scheduled_actions_response *out = output;
        const struct autoscaling_list list = {
                .kind = OBJECT_SCHEDULED_ACTION, .resource_id = in->resource_id, .match = matches, .show = show};
        struct api_page page = {0};
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_page(call, in->next_token, SHAPE_HAS(in, aas_describe_scheduled_actions_request, max_results),
                                     in->max_results, in->resource_id, &page);
        if (r == 0)
                autoscaling_fill(call, &list, &page, input, output, &out->next_token);
        return r;
}

const struct api_route autoscaling_action_routes[] = {
        {AAS_OP_PUT_SCHEDULED_ACTION, put_action},
        {AAS_OP_DELETE_SCHEDULED_ACTION, delete_action},
        {AAS_OP_DESCRIBE_SCHEDULED_ACTIONS, describe_actions},
        {0, NULL},
};
