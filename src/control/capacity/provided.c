/* SPDX-License-Identifier: Apache-2.0 */
/* See provided.h. */
#include "control/capacity/provided.h"

#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/capacity/group.h"
#include "control/network.h"
#include "control/service/service.h"
#include "control/task.h"
#include "control/task_network.h"

bool provided_request(struct model *model, const struct placement_request *request, const char *provider, struct arena *arena,
                      struct placement_request *ret)
{
        const struct scaling_group *group = model_provider_group(model, provider);
        struct ecs_attribute_list *required = ARENA_NEW(arena, struct ecs_attribute_list);

        if (group == NULL)
                return false;
        for (uint32_t i = 0; request->required != NULL && i < request->required->n; i++)
                *SHAPE_PUSH(arena, required) = request->required->items[i];
        *SHAPE_PUSH(arena, required) =
                (struct ecs_attribute){.name = GROUP_ATTRIBUTE, .value = arena_strdup(arena, group->state->group->auto_scaling_group_name)};
        *ret = *request;
        ret->required = required;
        ret->launch_type = ECS_LAUNCH_TYPE_EC2;
        ret->class_id = 0;
        return true;
}

const char *provided_lacks(struct model *model, const char *provider, int32_t cpu, int32_t memory)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct scaling_group *group = model_provider_group(model, provider);
        struct group_recipe recipe = {0};
        struct error error = {0};

        if (group == NULL || group_recipe(model, group, &arena, &recipe, &error) < 0) {
                error_clear(&error);
                return NULL;
        }
        if (cpu > recipe.cpu)
                return "RESOURCE:CPU";
        return memory > recipe.memory ? "RESOURCE:MEMORY" : NULL;
}

/* The rules of RunTask's request stay with the task while it waits; its definition's are always there. */
static bool own_rules(struct controller *controller, const struct task *task, struct placement_rules *ret)
{
        static const struct ecs_placement_constraint_list no_constraints = {0};
        static const struct ecs_placement_strategy_list no_strategy = {0};
        const struct state_task_wish *wish = task->state->wish;
        struct error error = {0};

        if (placement_rules_read(wish != NULL ? &wish->placement_constraints : &no_constraints,
                                 &task->definition->state->definition->placement_constraints,
                                 wish != NULL ? &wish->placement_strategy : &no_strategy, ret, &error) == 0 &&
            sched_check_rules(controller->sched, ret, &error) == 0)
                return true;
        error_clear(&error);
        return false;
}

bool provided_place(struct controller *controller, struct tx *tx, struct task *task, const struct placement_rules *rules)
{
        struct arena *arena = tx_arena(tx);
        const struct state_task *old = task->state;
        struct placement_request plain = {.cluster = task->cluster,
                                          .cpu = old->cpu,
                                          .memory = old->memory,
                                          .ports = &old->ports,
                                          .ports_udp = &old->ports_udp,
                                          .group = old->group,
                                          .zones = task_network_zones(controller->model, old->network_configuration, arena)};
        struct placement_request request;
        struct placement_rules read;
        struct instance *instance;
        struct state_task *state;
        struct error ignored = {0};

        if (task->definition == NULL || controller->sched == NULL || (rules == NULL && !own_rules(controller, task, &read)))
                return false;
        plain.rules = rules != NULL ? rules : &read;
        plain.required = &task->definition->state->definition->requires_attributes;
        if (!provided_request(controller->model, &plain, old->capacity_provider, arena, &request))
                return false;
        instance = sched_pick(controller->sched, &request);
        if (instance == NULL)
                return false;
        state = tx_edit(tx, &task->object);
        fargate_put_on(state, instance);
        state->last_status = STATE_TASK_STATUS_PENDING;
        state->wish = NULL;
        SHAPE_SET(state, state_task, version, state->version + 1);
        if (task_network_attach(controller->model, tx, state, instance->zone, &ignored) < 0) {
                error_clear(&ignored);
                return false;
        }
        task_put(controller->model, tx, task, state);
        return true;
}

void provided_give_up(struct tx *tx, struct task *task, int64_t now_ms)
{
        struct state_task *state = tx_edit(tx, &task->object);
        const struct scaling_group *group = model_provider_group(tx_model(tx), state->capacity_provider);
        const char *reason = arena_printf(
                tx_arena(tx),
                "Capacity is unavailable at this time: no container instance of capacity provider %s has had room for the task within ten "
                "minutes. %s%s%s",
                state->capacity_provider, group != NULL ? "The activities of Auto Scaling group " : "Its Auto Scaling group is gone.",
                group != NULL ? group->state->group->auto_scaling_group_name : "", group != NULL ? " say why." : "");

        if (task_finish(state, ECS_TASK_STOP_CODE_TASKFAILEDTOSTART, reason, now_ms))
                task_put(tx_model(tx), tx, task, state);
}
