/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of tasks: registered when there is somewhere to connect to, drained before the task stops. */
#include "control/targets.h"

#include <errno.h>

#include "base/strutil.h"

bool target_group_serving(const struct model *model, const struct target_group *group)
{
        return model_balancing(model) && group->n_uses > 0;
}

int64_t target_drain_deadline(const struct target *target)
{
        int64_t seconds = 300;

        if (str_to_int64(target_group_attribute(target->group, "deregistration_delay.timeout_seconds"), &seconds) < 0)
                seconds = 300;
        return target->state->draining_since + seconds * 1000;
}

void target_register(struct model *model, struct tx *tx, struct target_group *group, const char *id, int port, const char *zone,
                     const char *task, int64_t now_ms)
{
        struct target *target = model_target(model, group->state->id, id, port);
        struct state_target state = {.group = group->state->id, .id = id, .zone = zone, .task = task, .registered_at = now_ms};

        SHAPE_SET(&state, state_target, port, port);
        if (target == NULL)
                tx_insert(tx, OBJECT_TARGET, &state);
        else if (target->state->draining_since != 0 || (task != NULL && !str_eq(target->state->task, task)))
                tx_put(tx, &target->object, &state);
}

void target_deregister(struct model *model, struct tx *tx, struct target *target, int64_t now_ms)
{
        struct state_target *state;

        if (!target_group_serving(model, target->group) || target_drain_deadline(target) == target->state->draining_since) {
                tx_remove(tx, &target->object);
                return;
        }
        if (target->state->draining_since != 0)
                return;
        state = tx_edit(tx, &target->object);
        state->draining_since = now_ms;
        tx_put(tx, &target->object, state);
}

/* The address of the task's own network interface; NULL while it has none. */
static const char *interface_address(const struct state_task *task)
{
        for (uint32_t i = 0; i < task->attachments.n; i++) {
                const struct ecs_key_value_pair_list *details = &task->attachments.items[i].details;

                for (uint32_t j = 0; j < details->n; j++)
                        if (str_eq(details->items[j].name, "privateIPv4Address") && !str_empty(details->items[j].value))
                                return details->items[j].value;
        }
        return NULL;
}

static bool is_host_network(const struct task *task)
{
        return task->definition != NULL && task->definition->state->definition->network_mode == ECS_NETWORK_MODE_HOST;
}

int task_host_port(const struct task *task, const char *container_name, int container_port)
{
        for (uint32_t i = 0; i < task->state->containers.n; i++) {
                const struct state_container *container = &task->state->containers.items[i];

                if (!str_eq(container->name, container_name))
                        continue;
                for (uint32_t j = 0; j < container->network_bindings.n; j++)
                        if (container->network_bindings.items[j].container_port == container_port)
                                return container->network_bindings.items[j].host_port;
        }
        return is_host_network(task) ? container_port : 0;
}

/* The id and port that a task has in a group; -EAGAIN while they are not known. */
static int place_of(const struct task *task, const struct target_group *group, const struct ecs_load_balancer *balancer,
                    const char **ret_id, int *ret_port)
{
        const char *id;
        int port;

        if (group->state->target_type == ELBV2_TARGET_TYPE_INSTANCE) {
                if (task->instance == NULL)
                        return -EAGAIN;
                id = task->instance->state->ec2_instance_id;
                if (str_empty(id))
                        id = task->instance->state->id;
                port = task_host_port(task, balancer->container_name, balancer->container_port);
        } else {
                id = interface_address(task->state);
                port = balancer->container_port;
        }
        if (str_empty(id) || port == 0)
                return -EAGAIN;
        *ret_id = id;
        *ret_port = port;
        return 0;
}

const char *balancer_target_group(const struct ecs_load_balancer *balancer, bool alternate)
{
        const struct ecs_advanced_configuration *advanced = balancer->advanced_configuration;

        return alternate && advanced != NULL && !str_empty(advanced->alternate_target_group_arn) ? advanced->alternate_target_group_arn
                                                                                                 : balancer->target_group_arn;
}

int targets_register(struct model *model, struct tx *tx, const struct task *task, const struct ecs_load_balancer_list *balancers,
                     bool alternate, int64_t now_ms, struct error *error)
{
        int result = 0;

        for (uint32_t i = 0; i < balancers->n; i++) {
                const struct ecs_load_balancer *balancer = &balancers->items[i];
                const char *arn = balancer_target_group(balancer, alternate), *id;
                struct target_group *group;
                int port, r;

                if (str_empty(arn))
                        continue;
                group = model_target_group_of_arn(model, arn);
                if (group == NULL) {
                        result = error_set(error, ENOENT, "the target group %s does not exist: create it, or update the service", arn);
                        continue;
                }
                r = place_of(task, group, balancer, &id, &port);
                if (r == 0)
                        target_register(model, tx, group, id, port, task->instance != NULL ? task->instance->zone : NULL, task->object.key,
                                        now_ms);
                else if (result == 0)
                        result = r;
        }
        return result;
}

bool targets_deregister(struct model *model, struct tx *tx, struct task *task, int64_t now_ms)
{
        list_for_each (target, &task->targets, struct target, in_task)
                target_deregister(model, tx, target, now_ms);
        return !list_empty(&task->targets);
}

static enum targets_state state_of(const struct model *model, const struct target *target)
{
        if (target->state->draining_since != 0)
                return TARGETS_DRAINING;
        if (!target_group_serving(model, target->group))
                return TARGETS_HEALTHY;
        switch (target->health) {
        case ELBV2_TARGET_HEALTH_STATE_UNHEALTHY:
                return TARGETS_UNHEALTHY;
        case ELBV2_TARGET_HEALTH_STATE_HEALTHY:
        case ELBV2_TARGET_HEALTH_STATE_UNUSED:
        case ELBV2_TARGET_HEALTH_STATE_UNAVAILABLE:
                return TARGETS_HEALTHY;
        default:
                return TARGETS_INITIAL;
        }
}

enum targets_state targets_state(const struct model *model, const struct task *task, const char **ret_reason)
{
        enum targets_state worst = TARGETS_NONE;
        const char *reason = "";

        list_for_each (target, &task->targets, struct target, in_task) {
                enum targets_state state = state_of(model, target);

                if (worst != TARGETS_NONE && state >= worst)
                        continue;
                worst = state;
                reason = target->description;
        }
        if (ret_reason != NULL)
                *ret_reason = reason;
        return worst;
}
