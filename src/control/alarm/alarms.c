/* SPDX-License-Identifier: Apache-2.0 */
/* See alarms.h. */
#include "control/alarm/alarms.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/strutil.h"
#include "codec/json.h"
#include "control/alarm/change.h"
#include "control/alarm/evaluate.h"
#include "control/alarm/rule.h"
#include "control/scaling/scaler.h"
#include "control/service/service.h"

/* So long after a period's end the last values of it are in, */
#define LAG_MS 300
/* and alarms are looked at in this part of a period (at most so many ms) after that. */
#define SPREAD_PART 4
#define SPREAD_MAX_MS 5000
#define SECONDS_MAX 60 /* between two looks */

struct alarm_control {
        struct work work;
        struct controller *controller;
        struct alarm *alarm;
        struct arena arena;     /* of the rule */
        struct alarm_rule rule; /* of a composite alarm */
        struct list composite;  /* in the controller's */
        int64_t acted;          /* transitionedAt of the transition whose actions were done */
        int64_t due_ms;         /* a metric alarm is looked at */
        bool gaps;
};

static struct alarm_control *control_of(const struct alarm *alarm)
{
        return alarm->control;
}

bool alarm_has_gaps(const struct alarm *alarm)
{
        return control_of(alarm) == NULL || control_of(alarm)->gaps;
}

/* ---- actions ---- */

static const struct string_list *actions_of(const struct state_alarm *state)
{
        switch (state->state) {
        case CLOUDWATCH_STATE_VALUE_OK:
                return &state->ok_actions;
        case CLOUDWATCH_STATE_VALUE_ALARM:
                return &state->alarm_actions;
        default:
                return &state->insufficient_data_actions;
        }
}

/* Returns why nobody was told, or NULL. */
static const char *do_action(struct alarm_control *control, const char *action, int64_t now_ms)
{
        struct scaling_policy *policy = model_scaling_policy_of_arn(control->controller->model, action);

        if (policy != NULL) {
                scaler_alarm(control->controller->model, policy, control->alarm, now_ms);
                return NULL;
        }
        if (strstr(action, ":scalingPolicy:") != NULL)
                return "There is no scaling policy of this ARN (any more).";
        return "This server carries out scaling policies of Application Auto Scaling and deployment alarms. It delivers no notifications: "
               "watch DescribeAlarms or DescribeAlarmHistory.";
}

/* The state's actions; `again`: the state is not new. */
static void act(struct alarm_control *control, bool again, int64_t now_ms)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct string_list actions = {0};

        if (!control->alarm->state->actions_enabled)
                return;
        /* A policy's action may change the alarm. */
        for (uint32_t i = 0; i < actions_of(control->alarm->state)->n; i++)
                string_list_push(&arena, &actions, arena_strdup(&arena, actions_of(control->alarm->state)->items[i]));
        for (uint32_t i = 0; i < actions.n; i++) {
                bool scales = strstr(actions.items[i], ":scalingPolicy:") != NULL;
                const char *problem;
                struct tx *tx;

                /* Managed scaling has acted, and said so, in the moment in which it has set its alarm. */
                if (scales ? control->alarm->state->provider != NULL : again)
                        continue;
                problem = do_action(control, actions.items[i], now_ms);
                if (again)
                        continue;
                tx = tx_begin(control->controller->model);
                alarm_record_action(tx, control->alarm, actions.items[i], problem, now_ms);
                tx_commit(tx);
        }
}

/* ---- metric alarms ---- */

static int64_t step_s(const struct state_alarm *state)
{
        return MIN(alarm_period_s(state), SECONDS_MAX);
}

static int64_t next_look(const struct alarm *alarm, int64_t now_ms)
{
        int64_t step = step_s(alarm->state) * 1000, spread = MIN(step / SPREAD_PART, SPREAD_MAX_MS);
        int64_t offset = LAG_MS + (int64_t)(hash_bytes(alarm->state->name, strlen(alarm->state->name)) % (uint64_t)spread);

        return (now_ms - offset + step) / step * step + offset;
}

static void evaluate(struct alarm_control *control, int64_t now_ms)
{
        const struct controller_options *options = &control->controller->options;
        struct alarm *alarm = control->alarm;
        struct alarm_points points = {0};
        enum cloudwatch_state_value state;
        struct alarm_reason reason;
        struct tx *tx;

        arena_reset(&control->controller->scratch);
        options->ops->alarm_points(options->data, alarm->state, (uint32_t)alarm->state->evaluation_periods + ALARM_SPARE_POINTS, now_ms,
                                   &control->controller->scratch, &points);
        alarm->seen = alarm_window(alarm->state, &points);
        control->gaps = false;
        for (uint32_t i = 0; i < points.n; i++)
                control->gaps = control->gaps || isnan(points.values[i]);
        state = alarm_judge(alarm->state, &points);
        if (state == alarm->state->state)
                return;
        tx = tx_begin(control->controller->model);
        reason = alarm_explain(alarm->state, &points, state, now_ms, tx_arena(tx));
        alarm_set_state(tx, alarm, state, reason.text, reason.data, now_ms);
        tx_commit(tx);
}

static void run_metric(struct alarm_control *control, int64_t now_ms)
{
        const struct controller_ops *ops = control->controller->options.ops;
        bool due = now_ms >= control->due_ms;

        if (ops == NULL || ops->alarm_points == NULL || control->alarm->state->provider != NULL)
                control->due_ms = WORK_NEVER;
        else if (due && control->acted == control->alarm->state->transitioned_at) {
                evaluate(control, now_ms);
                control->due_ms = next_look(control->alarm, now_ms);
        }
        /* What somebody set by hand is acted upon first, and looked at afterwards. */
        if (control->acted != control->alarm->state->transitioned_at) {
                control->acted = control->alarm->state->transitioned_at;
                act(control, false, now_ms);
        } else if (due) {
                act(control, true, now_ms);
        }
        if (control->due_ms != WORK_NEVER)
                work_wake(&control->controller->queue, &control->work, control->due_ms);
}

/* ---- composite alarms ---- */

static enum cloudwatch_state_value state_of(void *data, const char *name)
{
        struct model *model = data;
        const char *bare = model_alarm_name(model, name);
        const struct alarm *alarm = bare != NULL ? model_alarm(model, bare) : NULL;

        return alarm != NULL ? alarm->state->state : CLOUDWATCH_STATE_VALUE_UNSET;
}

/* The newest transition among the alarms of the rule: what has brought the change about. */
static const struct alarm *newest_child(struct alarm_control *control)
{
        struct model *model = control->controller->model;
        const struct alarm *newest = NULL;

        for (uint32_t i = 0; i < control->rule.n_alarms; i++) {
                const char *name = model_alarm_name(model, control->rule.alarms[i]);
                const struct alarm *child = name != NULL ? model_alarm(model, name) : NULL;

                if (child != NULL && (newest == NULL || child->state->transitioned_at >= newest->state->transitioned_at))
                        newest = child;
        }
        return newest;
}

static void evaluate_rule(struct alarm_control *control, int64_t now_ms)
{
        struct model *model = control->controller->model;
        bool holds = alarm_rule_holds(&control->rule, state_of, model);
        enum cloudwatch_state_value state = holds ? CLOUDWATCH_STATE_VALUE_ALARM : CLOUDWATCH_STATE_VALUE_OK;
        const struct alarm *child;
        const char *reason, *data = NULL;
        CLEANUP_BUF struct buf quoted = {0};
        char at[32];
        struct tx *tx;

        if (control->alarm->state->state == state)
                return;
        tx = tx_begin(model);
        child = newest_child(control);
        reason = "The rule names no alarm.";
        if (child != NULL) {
                const char *arn = model_alarm_arn(model, tx_arena(tx), child->state->name);
                const char *word = shape_enum_name(&cloudwatch_state_value_enum, (int)child->state->state);

                str_iso8601(child->state->transitioned_at, true, at);
                reason = arena_printf(tx_arena(tx), "%.800s transitioned to %s at %s", arn, word, at);
                json_append_string(&quoted, arn, strlen(arn));
                data = arena_printf(tx_arena(tx),
                                    "{\"triggeringAlarms\":[{\"arn\":%.*s,\"state\":{\"value\":\"%s\",\"timestamp\":\"%s\"}}]}",
                                    (int)quoted.len, quoted.data, word, at);
        }
        alarm_set_state(tx, control->alarm, state, reason, data, now_ms);
        tx_commit(tx);
}

static const char *suppressed_reason(struct tx *tx, const struct state_alarm *state, enum cloudwatch_actions_suppressed_by by)
{
        switch (by) {
        case CLOUDWATCH_ACTIONS_SUPPRESSED_BY_ALARM:
                return arena_printf(tx_arena(tx), "The suppressor alarm %.255s is in ALARM.", state->suppressor);
        case CLOUDWATCH_ACTIONS_SUPPRESSED_BY_WAITPERIOD:
                return arena_printf(tx_arena(tx), "Waiting %d seconds for the suppressor alarm to go into ALARM.",
                                    state->suppressor_wait_period);
        case CLOUDWATCH_ACTIONS_SUPPRESSED_BY_EXTENSIONPERIOD:
                return arena_printf(tx_arena(tx), "The suppressor alarm left ALARM less than %d seconds ago.",
                                    state->suppressor_extension_period);
        default:
                return NULL;
        }
}

/* Who holds the actions back now; `ret_until`: for how long, unless something changes. */
static enum cloudwatch_actions_suppressed_by held_by(struct alarm_control *control, int64_t now_ms, int64_t *ret_until)
{
        const struct state_alarm *state = control->alarm->state;
        int64_t wait = state->suppressor_wait_period * INT64_C(1000), extension = state->suppressor_extension_period * INT64_C(1000);

        *ret_until = WORK_NEVER;
        if (state->suppressor == NULL)
                return CLOUDWATCH_ACTIONS_SUPPRESSED_BY_UNSET;
        if (state_of(control->controller->model, state->suppressor) == CLOUDWATCH_STATE_VALUE_ALARM)
                return CLOUDWATCH_ACTIONS_SUPPRESSED_BY_ALARM;
        if (state->suppressed_by == CLOUDWATCH_ACTIONS_SUPPRESSED_BY_ALARM ||
            state->suppressed_by == CLOUDWATCH_ACTIONS_SUPPRESSED_BY_EXTENSIONPERIOD) {
                *ret_until = (state->suppressed_by == CLOUDWATCH_ACTIONS_SUPPRESSED_BY_ALARM ? now_ms : state->suppressed_at) + extension;
                if (now_ms < *ret_until)
                        return CLOUDWATCH_ACTIONS_SUPPRESSED_BY_EXTENSIONPERIOD;
        } else if (control->acted != state->transitioned_at) {
                *ret_until = state->transitioned_at + wait;
                if (now_ms < *ret_until)
                        return CLOUDWATCH_ACTIONS_SUPPRESSED_BY_WAITPERIOD;
        }
        *ret_until = WORK_NEVER;
        return CLOUDWATCH_ACTIONS_SUPPRESSED_BY_UNSET;
}

static void run_composite(struct alarm_control *control, int64_t now_ms)
{
        enum cloudwatch_actions_suppressed_by by;
        int64_t until;

        evaluate_rule(control, now_ms);
        by = held_by(control, now_ms, &until);
        if (by != control->alarm->state->suppressed_by) {
                struct tx *tx = tx_begin(control->controller->model);
                struct state_alarm *state = tx_edit(tx, &control->alarm->object);

                state->suppressed_by = by;
                state->suppressed_reason = suppressed_reason(tx, state, by);
                state->suppressed_at = by != CLOUDWATCH_ACTIONS_SUPPRESSED_BY_UNSET ? now_ms : 0;
                tx_put(tx, &control->alarm->object, state);
                tx_commit(tx);
        }
        if (until != WORK_NEVER)
                work_wake(&control->controller->queue, &control->work, until);
        if (by != CLOUDWATCH_ACTIONS_SUPPRESSED_BY_UNSET || control->acted == control->alarm->state->transitioned_at)
                return;
        control->acted = control->alarm->state->transitioned_at;
        act(control, false, now_ms);
}

/* ---- life ---- */

static void run_alarm(struct work *work, struct work_turn *turn)
{
        struct alarm_control *control = CONTAINER_OF(work, struct alarm_control, work);

        if (control->alarm->state->rule != NULL)
                run_composite(control, turn->now_ms);
        else
                run_metric(control, turn->now_ms);
}

static void configure(struct alarm_control *control)
{
        const struct state_alarm *state = control->alarm->state;
        struct error error = {0};

        arena_done(&control->arena);
        list_remove(&control->composite);
        control->rule = (struct alarm_rule){0};
        control->due_ms = 0;
        if (state->rule == NULL)
                return;
        /* It was read when it was put; a rule that cannot be read any more holds never. */
        if (alarm_rule_parse(state->rule, &control->arena, &control->rule, &error) < 0)
                control->rule = (struct alarm_rule){0};
        list_push(&control->controller->composites, &control->composite);
}

void alarm_load(struct controller *controller, struct alarm *alarm)
{
        struct alarm_control *control = xalloc(sizeof(*control));

        control->controller = controller;
        control->alarm = alarm;
        control->acted = alarm->state->transitioned_at;
        control->gaps = true;
        work_init(&control->work, run_alarm);
        list_init(&control->composite);
        alarm->control = control;
        configure(control);
        work_mark(&controller->queue, &control->work);
}

void alarm_unload(struct alarm *alarm)
{
        struct alarm_control *control = control_of(alarm);

        if (control == NULL)
                return;
        work_drop(&control->controller->queue, &control->work);
        list_remove(&control->composite);
        arena_done(&control->arena);
        free(control);
        alarm->control = NULL;
}

void alarm_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct alarm *alarm = CONTAINER_OF(object, struct alarm, object);
        const struct state_alarm *old = old_state, *new = new_state;

        if (new == NULL)
                alarm_unload(alarm);
        else if (control_of(alarm) == NULL)
                alarm_load(controller, alarm);
        else if (old != NULL && old->configured_at != new->configured_at)
                configure(control_of(alarm));
}

/* Services whose deployments watch the alarm. */
static void mark_services(struct controller *controller, const char *name)
{
        tree_for_each (node, model_objects(controller->model, OBJECT_SERVICE)) {
                struct service *service = MODEL_OBJECT(node, service);
                const struct ecs_deployment_configuration *c = service->state->deployment_configuration;

                for (uint32_t i = 0; c != NULL && c->alarms != NULL && c->alarms->enable && i < c->alarms->alarm_names.n; i++)
                        if (str_eq(c->alarms->alarm_names.items[i], name))
                                controller_mark_service(controller, service);
        }
}

static bool depends_on(const struct alarm_control *composite, const char *name)
{
        const struct model *model = composite->controller->model;

        for (uint32_t i = 0; i < composite->rule.n_alarms; i++)
                if (str_eq(model_alarm_name(model, composite->rule.alarms[i]), name))
                        return true;
        return str_eq(composite->alarm->state->suppressor, name);
}

void alarm_changed(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct alarm *alarm = CONTAINER_OF(object, struct alarm, object);
        const struct state_alarm *old = old_state, *new = new_state;
        const struct state_alarm *either = new != NULL ? new : old;

        if (new != NULL && control_of(alarm) != NULL)
                work_mark(&controller->queue, &control_of(alarm)->work);
        if (either == NULL || (old != NULL && new != NULL && old->state == new->state))
                return;
        list_for_each (composite, &controller->composites, struct alarm_control, composite)
                if (composite->alarm != alarm && depends_on(composite, either->name))
                        work_mark(&controller->queue, &composite->work);
        if (new == NULL || new->state != CLOUDWATCH_STATE_VALUE_ALARM)
                return;
        mark_services(controller, either->name);
}
