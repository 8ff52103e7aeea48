/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: what each counts for on its instance, in its cluster and for its definition. A task belongs to its instance and
 * definition as long as both exist; it holds resources until it is STOPPED. Every count is taken from the state that was
 * counted, so that undoing is doing with the other sign.
 */
#include <errno.h>
#include <string.h>

#include "model/internal.h"
#include "model/ports.h"

bool task_is_over(const struct state_task *state)
{
        return state->last_status == STATE_TASK_STATUS_STOPPED || state->last_status == STATE_TASK_STATUS_DELETED;
}

static bool is_running(const struct state_task *state)
{
        return state->last_status == STATE_TASK_STATUS_RUNNING;
}

static bool is_pending(const struct state_task *state)
{
        return state->last_status < STATE_TASK_STATUS_RUNNING;
}

bool task_is_waiting(const struct state_task *state)
{
        return state->last_status == STATE_TASK_STATUS_PROVISIONING && state->instance == NULL;
}

static void count_in_cluster(struct cluster *cluster, const struct state_task *state, int sign)
{
        enum ecs_launch_type type = state->launch_type != ECS_LAUNCH_TYPE_UNSET ? state->launch_type : ECS_LAUNCH_TYPE_EC2;
        size_t n = (size_t)sign; /* adding SIZE_MAX takes one away */

        if (is_running(state)) {
                cluster->n_running += n;
                cluster->n_running_by_type[type] += n;
        } else if (is_pending(state)) {
                cluster->n_waiting += task_is_waiting(state) ? n : 0;
                cluster->n_pending += n;
                cluster->n_pending_by_type[type] += n;
        } else if (task_is_over(state)) {
                cluster->n_stopped += n;
        }
}

/* The tasks that a container instance shows. A Fargate task is nobody's but the pool's. */
static bool is_shown(const struct instance *instance, const struct state_task *state)
{
        return state->launch_type != ECS_LAUNCH_TYPE_FARGATE || strcmp(instance->state->cluster, FARGATE_CLUSTER) == 0;
}

static void occupy(struct instance *instance, const struct state_task *state)
{
        instance->cpu_used += state->cpu;
        instance->memory_used += state->memory + state->overhead;
        instance->n_running += is_shown(instance, state) && is_running(state);
        instance->n_pending += is_shown(instance, state) && is_pending(state);
        port_set_add_all(instance->ports_used, &state->ports);
        port_set_add_all(instance->ports_used_udp, &state->ports_udp);
}

static void vacate(struct instance *instance, const struct state_task *state)
{
        instance->cpu_used -= state->cpu;
        instance->memory_used -= state->memory + state->overhead;
        instance->n_running -= is_shown(instance, state) && is_running(state);
        instance->n_pending -= is_shown(instance, state) && is_pending(state);
        port_set_remove_all(instance->ports_used, &state->ports);
        port_set_remove_all(instance->ports_used_udp, &state->ports_udp);
}

static void join_instance(struct model *model, struct task *task, const struct state_task *state)
{
        task->instance = model_task_instance(model, state);
        if (task->instance == NULL)
                return;
        if (task_is_over(state)) {
                list_push(&task->instance->stopped, &task->in_instance);
                return;
        }
        list_push(&task->instance->tasks, &task->in_instance);
        occupy(task->instance, state);
}

static void leave_instance(struct task *task, const struct state_task *state)
{
        if (task->instance == NULL)
                return;
        if (!task_is_over(state))
                vacate(task->instance, state);
        list_remove(&task->in_instance);
        task->instance = NULL;
}

static void join_definition(struct model *model, struct task *task, const struct state_task *state)
{
        task->definition = model_task_definition(model, state->family, state->revision);
        if (task->definition == NULL)
                return;
        list_push(&task->definition->tasks, &task->in_definition);
        task->definition->n_tasks += !task_is_over(state);
}

static void leave_definition(struct task *task, const struct state_task *state)
{
        if (task->definition == NULL)
                return;
        task->definition->n_tasks -= !task_is_over(state);
        list_remove(&task->in_definition);
        task->definition = NULL;
}

void task_join_instance(struct model *model, struct task *task)
{
        join_instance(model, task, task->state);
}

void task_leave_instance(struct task *task)
{
        leave_instance(task, task->state);
}

void task_join_definition(struct model *model, struct task *task)
{
        join_definition(model, task, task->state);
}

void task_leave_definition(struct task *task)
{
        leave_definition(task, task->state);
}

/* Tasks stop in the order of time, so the place is found from the end; model_open sorts what it loads. */
static void enter_stopped(struct model *model, struct task *task)
{
        struct list *position = model->stopped.prev;

        model->n_stopped++;
        while (!model->loading && position != &model->stopped &&
               CONTAINER_OF(position, struct task, in_stopped)->state->stopped_at > task->state->stopped_at)
                position = position->prev;
        list_insert_before(position->next, &task->in_stopped);
}

static void leave_stopped(struct model *model, struct task *task)
{
        model->n_stopped--;
        list_remove(&task->in_stopped);
}

int task_attach(struct model *model, struct object *object)
{
        struct task *task = CONTAINER_OF(object, struct task, object);

        task->cluster = model_cluster(model, task->state->cluster);
        if (task->cluster == NULL)
                return -ENOENT;
        task->cluster->n_members++;
        list_init(&task->in_instance);
        list_init(&task->in_definition);
        list_init(&task->targets);
        list_init(&task->in_service);
        count_in_cluster(task->cluster, task->state, 1);
        join_instance(model, task, task->state);
        join_definition(model, task, task->state);
        task_join_service(model, task, task->state);
        if (model->tx.undoing)
                task_join_targets(model, task);
        if (task_is_over(task->state))
                enter_stopped(model, task);
        return 0;
}

static bool same_text(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void task_change(struct model *model, struct object *object, const void *old_state)
{
        struct task *task = CONTAINER_OF(object, struct task, object);
        const struct state_task *old = old_state, *new = task->state;
        bool was_over = task_is_over(old), over = task_is_over(new);

        count_in_cluster(task->cluster, old, -1);
        count_in_cluster(task->cluster, new, 1);
        if (task->instance != NULL && was_over == over && same_text(old->instance, new->instance) &&
            same_text(old->host_cluster, new->host_cluster)) {
                if (!over) {
                        vacate(task->instance, old);
                        occupy(task->instance, new);
                }
        } else {
                leave_instance(task, old);
                join_instance(model, task, new);
        }
        if (!same_text(old->family, new->family) || old->revision != new->revision) {
                leave_definition(task, old);
                join_definition(model, task, new);
        } else if (task->definition != NULL) {
                task->definition->n_tasks += (size_t)was_over - (size_t)over;
        }
        if (was_over)
                leave_stopped(model, task);
        task_change_service(model, task, old);
        if (over)
                enter_stopped(model, task);
}

void task_detach(struct model *model, struct object *object)
{
        struct task *task = CONTAINER_OF(object, struct task, object);

        if (task_is_over(task->state))
                leave_stopped(model, task);
        task_leave_service(task, task->state);
        task_leave_targets(task);
        leave_definition(task, task->state);
        leave_instance(task, task->state);
        count_in_cluster(task->cluster, task->state, -1);
        task->cluster->n_members--;
}
