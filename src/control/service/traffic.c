/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which revision gets the traffic while a blue/green, linear or canary deployment is under way. A load balancer of such a service names
 * two target groups, its own and an alternate one, and the listener rules that forward to them. Revisions take turns: the new one is
 * put into the group that the older one is not in, and the weights of the rules say who gets how much. Both groups stay in a rule, for
 * one that no rule names is not checked.
 */
#include "control/service/service.h"

#include <math.h>

#include "base/strutil.h"
#include "control/service/deploy.h"
#include "control/targets.h"
#include "model/balancer.h"

/* A rule that is gone may be made again. */
#define LOOK_AGAIN_MS INT64_C(10000)

static const char *rule_of(const struct ecs_load_balancer *balancer, bool test)
{
        const struct ecs_advanced_configuration *advanced = balancer->advanced_configuration;

        return !advanced ? NULL : test ? advanced->test_listener_rule : advanced->production_listener_rule;
}

/* The target group of the revision behind that rule; NULL: it is not behind it. */
static const char *group_behind(const struct service_revision *revision, const char *rule, bool test)
{
        for (uint32_t i = 0; revision && i < revision->state->load_balancers.n; i++) {
                const struct ecs_load_balancer *balancer = &revision->state->load_balancers.items[i];

                if (str_eq(rule_of(balancer, test), rule))
                        return balancer_target_group(balancer, revision->state->alternate);
        }
        return NULL;
}

static void add_share(struct arena *arena, struct elbv2_forward_action_config *forward, const char *group, int weight)
{
        struct elbv2_target_group_tuple *tuple = SHAPE_PUSH(arena, &forward->target_groups);

        tuple->target_group_arn = group;
        SHAPE_SET(tuple, elbv2_target_group_tuple, weight, weight);
}

static int weight_of(double percent)
{
        if (percent <= 0 || percent >= 100)
                return percent <= 0 ? 0 : 100;
        return (int)MIN(MAX(lround(percent), 1), 99);
}

static struct elbv2_action *forward_action(struct elbv2_action_list *actions)
{
        for (uint32_t i = 0; i < actions->n; i++)
                if (actions->items[i].type == ELBV2_ACTION_TYPE_FORWARD)
                        return &actions->items[i];
        return NULL;
}

/* Puts the shares into the rule, or the listener's default, if they are new. Returns whether it forwards at all. */
static bool write_shares(struct service_run *run, struct object *object, const struct elbv2_forward_action_config *shares)
{
        void *state = tx_edit(run->tx, object);
        bool is_rule = object->kind == OBJECT_LISTENER_RULE;
        struct elbv2_action_list *actions =
                is_rule ? &((struct state_listener_rule *)state)->actions : &((struct state_listener *)state)->actions;
        struct elbv2_action *action = forward_action(actions);
        struct elbv2_forward_action_config forward = *shares;

        if (!action)
                return false;
        if (action->forward_config)
                forward.target_group_stickiness_config = action->forward_config->target_group_stickiness_config;
        if (action->forward_config && shape_equal(&elbv2_forward_action_config_shape, action->forward_config, &forward))
                return true;
        action->target_group_arn = NULL;
        action->forward_config = &forward;
        tx_put(run->tx, object, state);
        return true;
}

static bool shift_one(struct service_run *run, const struct ecs_load_balancer *balancer, const struct service_revision *green,
                      const struct service_revision *blue, bool test, double percent)
{
        struct elbv2_forward_action_config shares = {0};
        const char *rule = rule_of(balancer, test), *to = balancer_target_group(balancer, green->state->alternate), *from;
        struct object *object;

        from = group_behind(blue, rule, test);
        if (str_empty(rule) || (!from && percent <= 0))
                return true;
        /* Nobody to share it with. */
        if (!from || str_eq(from, to)) {
                from = balancer_target_group(balancer, !green->state->alternate);
                percent = 100;
        }
        /* The greater share first: a network load balancer goes by the first. */
        if (weight_of(percent) >= 50)
                add_share(tx_arena(run->tx), &shares, to, weight_of(percent));
        add_share(tx_arena(run->tx), &shares, from, 100 - weight_of(percent));
        if (weight_of(percent) < 50)
                add_share(tx_arena(run->tx), &shares, to, weight_of(percent));
        object = model_forwarding_of_arn(run->controller->model, rule);
        if (object && write_shares(run, object, &shares))
                return true;
        service_say_once(run, "was unable to shift traffic: ",
                         arena_printf(tx_arena(run->tx), "the listener rule %s %s.", rule, object ? "does not forward" : "does not exist"));
        service_wake(run, run->now_ms + LOOK_AGAIN_MS);
        return false;
}

bool service_shift_traffic(struct service_run *run, const struct service_revision *green, const struct service_revision *blue, bool test,
                           double percent)
{
        bool done = true;

        for (uint32_t i = 0; i < green->state->load_balancers.n; i++)
                done &= shift_one(run, &green->state->load_balancers.items[i], green, blue, test, percent);
        return done;
}

void service_take_traffic_back(struct service_run *run, const struct service_revision *primary)
{
        (void)service_shift_traffic(run, primary, NULL, false, 100);
        (void)service_shift_traffic(run, primary, NULL, true, 100);
}

static bool is_in_group(const struct service_revision *revision, const char *group)
{
        for (uint32_t i = 0; revision && i < revision->state->load_balancers.n; i++)
                if (str_eq(balancer_target_group(&revision->state->load_balancers.items[i], revision->state->alternate), group))
                        return true;
        return false;
}

bool service_takes_alternate(struct model *model, const struct service *service, const struct state_service_revision *wish)
{
        struct service_revision *blue = service_primary(model, service);
        bool aside = service_keeps_older(service->state->deployment_configuration);

        if (!blue || blue->state->completed_at == 0)
                blue = service_rollback_target(model, service);
        for (uint32_t i = 0; i < wish->load_balancers.n; i++)
                if (wish->load_balancers.items[i].advanced_configuration &&
                    is_in_group(blue, balancer_target_group(&wish->load_balancers.items[i], !aside)))
                        return true;
        return false;
}
