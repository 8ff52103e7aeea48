/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of listeners. Every listener also shows its default actions as a rule of its own, last in order. */
#include <string.h>

#include "api/elbv2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define MAX_RULES 200

/* ---- View ---- */

/* Hosts and paths show their values in the old place too. */
static void view_conditions(struct api_call *call, const struct elbv2_rule_condition_list *in, struct elbv2_rule_condition_list *ret)
{
        for (uint32_t i = 0; i < in->n; i++) {
                struct elbv2_rule_condition *condition = SHAPE_PUSH(call->arena, ret);

                *condition = in->items[i];
                if (condition->host_header_config != NULL)
                        condition->values = condition->host_header_config->values;
                if (condition->path_pattern_config != NULL)
                        condition->values = condition->path_pattern_config->values;
        }
}

static void view(struct api_call *call, const struct listener_rule *rule, struct elbv2_rule *out)
{
        out->rule_arn = model_listener_rule_arn(call->model, call->arena, rule->listener, rule->state->id);
        out->priority = arena_printf(call->arena, "%d", rule->state->priority);
        view_conditions(call, &rule->state->conditions, &out->conditions);
        elbv2_view_actions(call, &rule->state->actions, &out->actions);
        SHAPE_SET(out, elbv2_rule, is_default, false);
}

static void view_default(struct api_call *call, const struct listener *listener, struct elbv2_rule *out)
{
        out->rule_arn = model_listener_rule_arn(call->model, call->arena, listener, listener->state->default_rule);
        out->priority = "default";
        elbv2_view_actions(call, &listener->state->actions, &out->actions);
        SHAPE_SET(out, elbv2_rule, is_default, true);
}

/* ---- Create ---- */

static const struct listener_rule *rule_at(const struct listener *listener, int priority)
{
        list_for_each (rule, &listener->rules, struct listener_rule, in_listener)
                if (rule->state->priority == priority)
                        return rule;
        return NULL;
}

static int create_rule(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_create_rule_input *in = input;
        struct elbv2_create_rule_output *out = output;
        struct state_listener_rule state = {.tags = in->tags};
        struct listener *listener;
        struct object *object;
        struct tx *tx;
        int r = elbv2_find_listener(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        if (listener->balancer->state->type != ELBV2_LOAD_BALANCER_TYPE_APPLICATION)
                return api_fail(call, "UnsupportedProtocol", "Listeners of network load balancers have no rules");
        if (rule_at(listener, in->priority) != NULL)
                return api_fail(call, "PriorityInUse", "Priority '%d' is currently in use", in->priority);
        if (listener->n_rules >= MAX_RULES)
                return api_fail(call, "TooManyRules", "The listener has %d rules, the most that can be", MAX_RULES);
        if ((r = elbv2_check_tags(call, &in->tags)) < 0 || (r = elbv2_check_conditions(call, &in->conditions, &state.conditions)) < 0 ||
            (r = elbv2_check_transforms(call, &in->transforms)) < 0 ||
            (r = elbv2_check_actions(call, listener->balancer, listener->state->protocol, &in->actions, &state.actions)) < 0)
                return r;
        SHAPE_SET(&state, state_listener_rule, priority, in->priority);
        state.listener = listener->state->id;
        state.id = elbv2_new_id(call);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_LISTENER_RULE, &state);
        tx_commit(tx);
        view(call, CONTAINER_OF(object, struct listener_rule, object), SHAPE_PUSH(call->arena, &out->rules));
        return 0;
}

/* ---- Describe ---- */

static int describe_named(struct api_call *call, const struct elbv2_describe_rules_input *in, struct elbv2_describe_rules_output *out)
{
        for (uint32_t i = 0; i < in->rule_arns.n; i++) {
                struct listener_rule *rule;
                struct listener *listener;
                int r = elbv2_find_rule(call, in->rule_arns.items[i], &listener, &rule);

                if (r < 0)
                        return r;
                if (rule != NULL)
                        view(call, rule, SHAPE_PUSH(call->arena, &out->rules));
                else
                        view_default(call, listener, SHAPE_PUSH(call->arena, &out->rules));
        }
        return 0;
}

/* The page's keys are the priorities, with leading zeroes; "default" follows all of them. */
static int describe_rules(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_rules_input *in = input;
        struct elbv2_describe_rules_output *out = output;
        struct listener *listener;
        struct api_page page;
        int r;

        if ((in->listener_arn != NULL) == (in->rule_arns.n > 0))
                return api_fail(call, "ValidationError", "You must specify either listener rule ARNs or a listener ARN");
        if (in->rule_arns.n > 0)
                return describe_named(call, in, out);
        r = elbv2_find_listener(call, in->listener_arn, &listener);
        if (r < 0)
                return r;
        r = api_page_begin(call, in->marker, SHAPE_HAS(in, elbv2_describe_rules_input, page_size), in->page_size, 400, 400,
                           in->listener_arn, &page);
        if (r < 0)
                return r;
        list_for_each (rule, &listener->rules, struct listener_rule, in_listener) {
                const char *key = arena_printf(call->arena, "%05d", rule->state->priority);

                if (page.after != NULL && strcmp(key, page.after) <= 0)
                        continue;
                if (!api_page_add(&page, key)) {
                        out->next_marker = api_page_token(call, &page);
                        return 0;
                }
                view(call, rule, SHAPE_PUSH(call->arena, &out->rules));
        }
        if (!api_page_add(&page, "default"))
                out->next_marker = api_page_token(call, &page);
        else
                view_default(call, listener, SHAPE_PUSH(call->arena, &out->rules));
        return 0;
}

/* ---- Modify, delete ---- */

static int modify_rule(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_rule_input *in = input;
        struct elbv2_modify_rule_output *out = output;
        struct state_listener_rule *state;
        struct listener_rule *rule;
        struct listener *listener;
        struct tx *tx;
        int r = elbv2_find_rule(call, in->rule_arn, &listener, &rule);

        if (r < 0)
                return r;
        if (rule == NULL)
                return api_fail(call, "OperationNotPermitted", "Default rule '%s' cannot be modified: use ModifyListener", in->rule_arn);
        state = SHAPE_COPY(state_listener_rule, (struct state_listener_rule *)rule->state, call->arena);
        if ((r = elbv2_check_transforms(call, &in->transforms)) < 0 ||
            (in->conditions.n > 0 && (r = elbv2_check_conditions(call, &in->conditions, &state->conditions)) < 0) ||
            (in->actions.n > 0 &&
             (r = elbv2_check_actions(call, listener->balancer, listener->state->protocol, &in->actions, &state->actions)) < 0))
                return r;
        tx = tx_begin(call->model);
        tx_put(tx, &rule->object, state);
        tx_commit(tx);
        view(call, rule, SHAPE_PUSH(call->arena, &out->rules));
        return 0;
}

static int delete_rule(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_delete_rule_input *in = input;
        struct listener_rule *rule;
        struct listener *listener;
        struct tx *tx;
        int r = elbv2_find_rule(call, in->rule_arn, &listener, &rule);

        (void)output;
        if (r < 0)
                return r;
        if (rule == NULL)
                return api_fail(call, "OperationNotPermitted", "Default rule '%s' cannot be deleted", in->rule_arn);
        tx = tx_begin(call->model);
        tx_remove(tx, &rule->object);
        tx_commit(tx);
        return 0;
}

/* ---- Priorities ---- */

/* The rules that a request names, all of one listener, each once. */
static int find_pairs(struct api_call *call, const struct elbv2_set_rule_priorities_input *in, struct listener_rule **rules)
{
        for (uint32_t i = 0; i < in->rule_priorities.n; i++) {
                const struct elbv2_rule_priority_pair *pair = &in->rule_priorities.items[i];
                struct listener *listener;
                int r = elbv2_find_rule(call, pair->rule_arn, &listener, &rules[i]);

                if (r < 0)
                        return r;
                if (rules[i] == NULL)
                        return api_fail(call, "OperationNotPermitted", "The priority of default rule '%s' cannot be set", pair->rule_arn);
                if (!SHAPE_HAS(pair, elbv2_rule_priority_pair, priority))
                        return api_fail(call, "ValidationError", "A priority must be specified for rule '%s'", pair->rule_arn);
                if (rules[i]->listener != rules[0]->listener)
                        return api_fail(call, "ValidationError", "All rules must be of one listener");
                for (uint32_t j = 0; j < i; j++)
                        if (rules[j] == rules[i] || in->rule_priorities.items[j].priority == pair->priority)
                                return api_fail(call, "PriorityInUse", "Each rule and each priority can be given only once");
        }
        return 0;
}

static bool is_among(struct listener_rule *const *rules, uint32_t n, const struct listener_rule *rule)
{
        for (uint32_t i = 0; i < n; i++)
                if (rules[i] == rule)
                        return true;
        return false;
}

static int set_rule_priorities(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_set_rule_priorities_input *in = input;
        struct elbv2_set_rule_priorities_output *out = output;
        uint32_t n = in->rule_priorities.n;
        struct listener_rule **rules = arena_calloc(call->arena, n + 1, sizeof(struct listener_rule *));
        struct tx *tx;
        int r = find_pairs(call, in, rules);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < n; i++) {
                const struct listener_rule *other = rule_at(rules[i]->listener, in->rule_priorities.items[i].priority);

                if (other != NULL && !is_among(rules, n, other))
                        return api_fail(call, "PriorityInUse", "Priority '%d' is currently in use", in->rule_priorities.items[i].priority);
        }
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < n; i++) {
                struct state_listener_rule *state = tx_edit(tx, &rules[i]->object);

                SHAPE_SET(state, state_listener_rule, priority, in->rule_priorities.items[i].priority);
                tx_put(tx, &rules[i]->object, state);
        }
        tx_commit(tx);
        for (uint32_t i = 0; i < n; i++)
                view(call, rules[i], SHAPE_PUSH(call->arena, &out->rules));
        return 0;
}

const struct api_route elbv2_rule_routes[] = {
        {ELBV2_OP_CREATE_RULE, create_rule}, {ELBV2_OP_DESCRIBE_RULES, describe_rules},           {ELBV2_OP_MODIFY_RULE, modify_rule},
        {ELBV2_OP_DELETE_RULE, delete_rule}, {ELBV2_OP_SET_RULE_PRIORITIES, set_rule_priorities}, {0, NULL},
};
