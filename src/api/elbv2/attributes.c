/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of load balancers, target groups and listeners: describing, checking, setting. */
#include "api/elbv2/common.h"
#include "base/strutil.h"
#include "model/balancer_attributes.h"

void elbv2_view_attributes(struct api_call *call, unsigned scope, const struct string_map *set, struct elbv2_attribute_list *ret)
{
        for (const struct balancer_attribute *row = balancer_attributes; row->key != NULL; row++) {
                struct elbv2_attribute *attribute;
                const char *value;

                if ((row->scopes & scope) == 0)
                        continue;
                value = string_map_get(set, row->key);
                attribute = SHAPE_PUSH(call->arena, ret);
                attribute->key = row->key;
                attribute->value = value != NULL ? arena_strdup(call->arena, value) : balancer_attribute_standard(row, scope);
        }
}

static const char *words_of(struct api_call *call, const struct balancer_attribute *row)
{
        const char *text = row->words[0];

        for (size_t i = 1; row->words[i] != NULL; i++)
                text = arena_printf(call->arena, "%s, %s", text, row->words[i]);
        return text;
}

static bool in_range(const struct balancer_attribute *row, const char *value)
{
        int64_t n;

        /* Slow start is off, or lasts 30 s or longer. */
        if (str_to_int64(value, &n) < 0 || (str_eq(row->key, "slow_start.duration_seconds") && n > 0 && n < 30))
                return false;
        return n >= row->min && n <= row->max;
}

static int check_form(struct api_call *call, const struct balancer_attribute *row, const char *value)
{
        const char *key = row->key;

        switch (row->kind) {
        case ATTRIBUTE_BOOL:
                if (!str_eq(value, "true") && !str_eq(value, "false"))
                        return api_fail(call, "ValidationError", "The value '%.100s' of attribute '%s' must be true or false", value, key);
                return 0;
        case ATTRIBUTE_PERCENT:
                if (str_eq(value, "off"))
                        return 0;
                __attribute__((fallthrough));
        case ATTRIBUTE_INT:
                if (!in_range(row, value))
                        return api_fail(call, "ValidationError", "The value '%.100s' of attribute '%s' must be between %d and %d", value,
                                        key, str_starts_with(key, "slow_start") ? 30 : row->min, row->max);
                return 0;
        case ATTRIBUTE_WORD:
                for (size_t i = 0; row->words[i] != NULL; i++)
                        if (str_eq(row->words[i], value))
                                return 0;
                return api_fail(call, "ValidationError", "The value '%.100s' of attribute '%s' must be one of: %s", value, key,
                                words_of(call, row));
        default:
                return 0;
        }
}

static int check_value(struct api_call *call, const struct balancer_attribute *row, unsigned scope, const char *value)
{
        const char *standard = balancer_attribute_standard(row, scope);
        int r;

        if (value == NULL)
                return api_fail(call, "ValidationError", "The attribute '%s' needs a value", row->key);
        r = check_form(call, row, value);
        if (r == 0 && row->only != NULL && !str_eq(value, standard))
                return api_fail(call, "InvalidConfigurationRequest", "The attribute '%s' can only be '%s' here: %s", row->key, standard,
                                row->only);
        return r;
}

/* Puts checked values on top of those that are set. `what`: "Load balancer". */
static int merge(struct api_call *call, const char *what, unsigned scope, const struct elbv2_attribute_list *in, struct string_map *set)
{
        for (uint32_t i = 0; i < in->n; i++) {
                const struct balancer_attribute *row = balancer_attribute_find(scope, in->items[i].key);
                int r;

                if (row == NULL)
                        return api_fail(call, "ValidationError", "%s attribute key '%.256s' is not recognized", what,
                                        in->items[i].key != NULL ? in->items[i].key : "");
                for (uint32_t j = 0; j < i; j++)
                        if (str_eq(in->items[j].key, row->key))
                                return api_fail(call, "ValidationError", "%s attribute key '%s' is given twice", what, row->key);
                r = check_value(call, row, scope, in->items[i].value);
                if (r < 0)
                        return r;
                string_map_set(call->arena, set, row->key, in->items[i].value);
        }
        return 0;
}

/* ---- Load balancers ---- */

static int describe_load_balancer_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_load_balancer_attributes_input *in = input;
        struct elbv2_describe_load_balancer_attributes_output *out = output;
        struct load_balancer *balancer;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        elbv2_view_attributes(call, load_balancer_scope(balancer->state), &balancer->state->attributes, &out->attributes);
        return 0;
}

static int modify_load_balancer_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_load_balancer_attributes_input *in = input;
        struct elbv2_modify_load_balancer_attributes_output *out = output;
        struct state_load_balancer *state;
        struct load_balancer *balancer;
        struct tx *tx;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_load_balancer, (struct state_load_balancer *)balancer->state, call->arena);
        r = merge(call, "Load balancer", load_balancer_scope(state), &in->attributes, &state->attributes);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        tx_put(tx, &balancer->object, state);
        tx_commit(tx);
        elbv2_view_attributes(call, load_balancer_scope(state), &state->attributes, &out->attributes);
        return 0;
}

/* ---- Target groups ---- */

static int describe_target_group_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_target_group_attributes_input *in = input;
        struct elbv2_describe_target_group_attributes_output *out = output;
        struct target_group *group;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        if (r < 0)
                return r;
        elbv2_view_attributes(call, target_group_scope(group->state), &group->state->attributes, &out->attributes);
        return 0;
}

static int modify_target_group_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_target_group_attributes_input *in = input;
        struct elbv2_modify_target_group_attributes_output *out = output;
        struct state_target_group *state;
        struct target_group *group;
        struct tx *tx;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_target_group, (struct state_target_group *)group->state, call->arena);
        r = merge(call, "Target group", target_group_scope(state), &in->attributes, &state->attributes);
        if (r < 0)
                return r;
        if (str_eq(string_map_get(&state->attributes, "stickiness.type"), "app_cookie") &&
            str_eq(string_map_get(&state->attributes, "stickiness.enabled"), "true") &&
            str_empty(string_map_get(&state->attributes, "stickiness.app_cookie.cookie_name")))
                return api_fail(call, "InvalidConfigurationRequest",
                                "Stickiness of type app_cookie needs the attribute 'stickiness.app_cookie.cookie_name'");
        tx = tx_begin(call->model);
        tx_put(tx, &group->object, state);
        tx_commit(tx);
        elbv2_view_attributes(call, target_group_scope(state), &state->attributes, &out->attributes);
        return 0;
}

/* ---- Listeners ---- */

static int describe_listener_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_listener_attributes_input *in = input;
        struct elbv2_describe_listener_attributes_output *out = output;
        struct listener *listener;
        int r = elbv2_find_listener(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        elbv2_view_attributes(call, listener_scope(listener->state), &listener->state->attributes, &out->attributes);
        return 0;
}

static int modify_listener_attributes(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_listener_attributes_input *in = input;
        struct elbv2_modify_listener_attributes_output *out = output;
        struct state_listener *state;
        struct listener *listener;
        struct tx *tx;
        int r = elbv2_find_listener(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_listener, (struct state_listener *)listener->state, call->arena);
        r = merge(call, "Listener", listener_scope(state), &in->attributes, &state->attributes);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        tx_put(tx, &listener->object, state);
        tx_commit(tx);
        elbv2_view_attributes(call, listener_scope(state), &state->attributes, &out->attributes);
        return 0;
}

const struct api_route elbv2_attribute_routes[] = {
        {ELBV2_OP_DESCRIBE_LOAD_BALANCER_ATTRIBUTES, describe_load_balancer_attributes},
        {ELBV2_OP_MODIFY_LOAD_BALANCER_ATTRIBUTES, modify_load_balancer_attributes},
        {ELBV2_OP_DESCRIBE_TARGET_GROUP_ATTRIBUTES, describe_target_group_attributes},
        {ELBV2_OP_MODIFY_TARGET_GROUP_ATTRIBUTES, modify_target_group_attributes},
        {ELBV2_OP_DESCRIBE_LISTENER_ATTRIBUTES, describe_listener_attributes},
        {ELBV2_OP_MODIFY_LISTENER_ATTRIBUTES, modify_listener_attributes},
        {0, NULL},
};
