/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balancers, listeners, rules, target groups, targets: who belongs to whom, and how many actions use a target group. Uses are
 * counted from the state that was counted, so that undoing is doing with the other sign.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/balancer.h"
#include "model/internal.h"

/* ---- Balancers ---- */

int load_balancer_attach(struct model *model, struct object *object)
{
        list_init(&CONTAINER_OF(object, struct load_balancer, object)->listeners);
        return 0;
}

void load_balancer_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct load_balancer, object)->listeners));
}

void load_balancer_release(struct object *object)
{
        free(CONTAINER_OF(object, struct load_balancer, object)->problem);
}

/* ---- Which target groups actions name ---- */

static void count_use(struct model *model, struct load_balancer *balancer, const char *arn, int sign)
{
        struct target_group *group = model_target_group_of_arn(model, arn);

        if (group == NULL)
                return;
        group->n_uses += (size_t)sign; /* adding SIZE_MAX takes one away */
        group->balancer = group->n_uses > 0 ? balancer : NULL;
}

static void count_uses(struct model *model, struct load_balancer *balancer, const struct elbv2_action_list *actions, int sign)
{
        for (uint32_t i = 0; i < actions->n; i++) {
                const struct elbv2_forward_action_config *forward = actions->items[i].forward_config;

                for (uint32_t j = 0; forward != NULL && j < forward->target_groups.n; j++)
                        count_use(model, balancer, forward->target_groups.items[j].target_group_arn, sign);
        }
}

/* ---- Listeners ---- */

int listener_attach(struct model *model, struct object *object)
{
        struct listener *listener = CONTAINER_OF(object, struct listener, object);

        listener->balancer = model_load_balancer(model, listener->state->balancer);
        if (listener->balancer == NULL)
                return -ENOENT;
        list_init(&listener->rules);
        list_push(&listener->balancer->listeners, &listener->in_balancer);
        listener->balancer->n_listeners++;
        count_uses(model, listener->balancer, &listener->state->actions, 1);
        return 0;
}

void listener_change(struct model *model, struct object *object, const void *old_state)
{
        struct listener *listener = CONTAINER_OF(object, struct listener, object);

        count_uses(model, listener->balancer, &((const struct state_listener *)old_state)->actions, -1);
        count_uses(model, listener->balancer, &listener->state->actions, 1);
}

void listener_detach(struct model *model, struct object *object)
{
        struct listener *listener = CONTAINER_OF(object, struct listener, object);

        assert(list_empty(&listener->rules));
        count_uses(model, listener->balancer, &listener->state->actions, -1);
        list_remove(&listener->in_balancer);
        listener->balancer->n_listeners--;
}

/* ---- Rules ---- */

static void enter_by_priority(struct listener_rule *rule)
{
        struct list *rules = &rule->listener->rules, *position = rules->prev;

        while (position != rules && CONTAINER_OF(position, struct listener_rule, in_listener)->state->priority > rule->state->priority)
                position = position->prev;
        list_insert_before(position->next, &rule->in_listener);
}

int listener_rule_attach(struct model *model, struct object *object)
{
        struct listener_rule *rule = CONTAINER_OF(object, struct listener_rule, object);

        rule->listener = model_listener(model, rule->state->listener);
        if (rule->listener == NULL)
                return -ENOENT;
        enter_by_priority(rule);
        rule->listener->n_rules++;
        count_uses(model, rule->listener->balancer, &rule->state->actions, 1);
        return 0;
}

void listener_rule_change(struct model *model, struct object *object, const void *old_state)
{
        struct listener_rule *rule = CONTAINER_OF(object, struct listener_rule, object);

        list_remove(&rule->in_listener);
        enter_by_priority(rule);
        count_uses(model, rule->listener->balancer, &((const struct state_listener_rule *)old_state)->actions, -1);
        count_uses(model, rule->listener->balancer, &rule->state->actions, 1);
}

void listener_rule_detach(struct model *model, struct object *object)
{
        struct listener_rule *rule = CONTAINER_OF(object, struct listener_rule, object);

        count_uses(model, rule->listener->balancer, &rule->state->actions, -1);
        list_remove(&rule->in_listener);
        rule->listener->n_rules--;
}

/* ---- Target groups ---- */

int target_group_attach(struct model *model, struct object *object)
{
        list_init(&CONTAINER_OF(object, struct target_group, object)->targets);
        return 0;
}

void target_group_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct target_group, object)->targets));
}

/* ---- Targets ---- */

static void join_task(struct model *model, struct target *target)
{
        const char *key = target->state->task;
        struct object *found = key != NULL ? table_find(&model->tables[OBJECT_TASK], key) : NULL;

        target->task = found != NULL ? CONTAINER_OF(found, struct task, object) : NULL;
        if (target->task != NULL)
                list_push(&target->task->targets, &target->in_task);
}

static void leave_task(struct target *target)
{
        list_remove(&target->in_task);
        target->task = NULL;
}

int target_attach(struct model *model, struct object *object)
{
        struct target *target = CONTAINER_OF(object, struct target, object);

        target->group = model_target_group(model, target->state->group);
        if (target->group == NULL)
                return -ENOENT;
        list_init(&target->in_task);
        target->health = ELBV2_TARGET_HEALTH_STATE_INITIAL;
        target->reason = ELBV2_TARGET_HEALTH_REASON_ELB_REGISTRATIONINPROGRESS;
        list_push(&target->group->targets, &target->in_group);
        target->group->n_targets++;
        join_task(model, target);
        return 0;
}

void target_change(struct model *model, struct object *object, const void *old_state)
{
        struct target *target = CONTAINER_OF(object, struct target, object);

        leave_task(target);
        join_task(model, target);
}

void target_detach(struct model *model, struct object *object)
{
        struct target *target = CONTAINER_OF(object, struct target, object);

        leave_task(target);
        list_remove(&target->in_group);
        target->group->n_targets--;
}

void task_leave_targets(struct task *task)
{
        list_for_each (target, &task->targets, struct target, in_task)
                leave_task(target);
}

/* The removal of a task is being undone. Rare, so a walk will do. */
void task_join_targets(struct model *model, struct task *task)
{
        tree_for_each (node, &model->objects[OBJECT_TARGET]) {
                struct target *target = MODEL_OBJECT(node, target);

                if (target->task == NULL && target->state->task != NULL && strcmp(target->state->task, task->object.key) == 0)
                        join_task(model, target);
        }
}
