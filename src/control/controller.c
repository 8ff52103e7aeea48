/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller sees of the model's changes, and whom it wakes: see controller.h. */
#include "control/controller.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "control/alarm/alarms.h"
#include "control/capacity/attachments.h"
#include "control/capacity/fargate.h"
#include "control/capacity/group.h"
#include "control/capacity/managed_scaling.h"
#include "control/scaling/scaler.h"
#include "control/service/service.h"
#include "control/service/deploy.h"
#include "model/balancer.h"

#define DEFAULT_HEALTHY_MS 500
#define DEFAULT_LOST_MS (INT64_C(5) * 60 * 1000)
#define DEFAULT_SLICE 1000

bool task_was_offered(const struct controller *controller, const struct task *task)
{
        const struct controller_options *options = &controller->options;

        return !options->ops || !options->ops->offered || options->ops->offered(options->data, task);
}

static void mark(struct controller *controller, struct service *service)
{
        struct service_control *control = service ? service_control_of(service) : NULL;

        if (!control)
                return;
        work_mark(&controller->queue, &control->work);
}

/* The daemons of a cluster: there may be an instance more or less for them. */
static void mark_daemons(struct controller *controller, struct cluster *cluster)
{
        list_for_each (service, &cluster->services, struct service, in_cluster)
                if (service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON && service_control_of(service)) {
                        service_control_of(service)->sweep = true;
                        mark(controller, service);
                }
}

/* Zones may have got out of balance, or can be brought into it. */
static void mark_balanced(struct controller *controller, struct cluster *cluster)
{
        list_for_each (service, &cluster->services, struct service, in_cluster)
                if (service->state->availability_zone_rebalancing == ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED && service->state->steady)
                        mark(controller, service);
}

/* ---- Services ---- */

void service_control_new(struct controller *controller, struct service *service)
{
        struct service_control *control = xalloc(sizeof(*control));

        control->controller = controller;
        control->service = service;
        control->sweep = true;
        work_init(&control->work, service_work);
        control->work.urgent = service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
        list_init(&control->pools);
        list_init(&control->waiting);
        service->reconciler = control;
        work_mark(&controller->queue, &control->work);
}

void service_control_free(struct service_control *control)
{
        if (!control)
                return;
        list_for_each (pool, &control->pools, struct pool, link)
                pool_free(pool);
        work_drop(&control->controller->queue, &control->work);
        list_remove(&control->waiting);
        control->service->reconciler = NULL;
        free(control);
}

static bool same_constraints(const struct ecs_placement_constraint_list *a, const struct ecs_placement_constraint_list *b)
{
        bool same = a->n == b->n;

        for (uint32_t i = 0; same && i < a->n; i++)
                same = shape_equal(&ecs_placement_constraint_shape, &a->items[i], &b->items[i]);
        return same;
}

static bool same_strategy(const struct ecs_placement_strategy_list *a, const struct ecs_placement_strategy_list *b)
{
        bool same = a->n == b->n;

        for (uint32_t i = 0; same && i < a->n; i++)
                same = shape_equal(&ecs_placement_strategy_shape, &a->items[i], &b->items[i]);
        return same;
}

static void service_changed(struct controller *controller, struct service *service, const struct state_service *old)
{
        struct service_control *control = service_control_of(service);
        const struct state_service *new = service->state;

        if (!control)
                return;
        if (!same_constraints(&old->placement_constraints, &new->placement_constraints) ||
            !same_strategy(&old->placement_strategy, &new->placement_strategy)) {
                list_for_each (pool, &control->pools, struct pool, link)
                        pool->readable = false;
        }
        if (old->health_check_grace_period_seconds != new->health_check_grace_period_seconds)
                control->recheck = true;
        if (!str_eq(old->primary, new->primary) || old->desired_count != new->desired_count)
                control->extra = 0;
        control->sweep = true;
        mark(controller, service);
}

static void service_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct service *service = CONTAINER_OF(object, struct service, object);

        if (!old_state)
                service_control_new(controller, service);
        else if (!new_state)
                service_control_free(service_control_of(service));
        else
                service_changed(controller, service, old_state);
}

static void revision_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct service_revision *revision = CONTAINER_OF(object, struct service_revision, object);

        if (!new_state) {
                if (revision->pool)
                        pool_free(revision->pool);
                return;
        }
        if (!old_state && service_control_of(revision->service))
                pool_new(service_control_of(revision->service), revision, NULL);
        else if (old_state && revision->pool &&
                 ((const struct state_service_revision *)old_state)->launch_type != revision->state->launch_type)
                revision->pool->readable = false;
        mark(controller, revision->service);
}

static void task_set_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct task_set *set = CONTAINER_OF(object, struct task_set, object);

        if (!new_state) {
                if (set->pool)
                        pool_free(set->pool);
                return;
        }
        if (!old_state && service_control_of(set->service))
                pool_new(service_control_of(set->service), NULL, set);
        mark(controller, set->service);
}

static void deployment_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        (void)old_state;
        if (new_state)
                mark(controller, CONTAINER_OF(object, struct service_deployment, object)->service);
}

/* ---- Tasks ---- */

static void update_task(struct controller *controller, struct task *task)
{
        int before = task->place.class;
        struct pool *pool = pool_update(controller, task);

        if (!pool)
                return;
        /* A daemon's task that goes leaves an instance without one. */
        if (task->place.class != before && task->place.class != POOL_FRESH)
                pool->control->sweep = true;
        work_mark(&controller->queue, &pool->control->work);
}

/* A Fargate task without a service is in the list of those that wait, or in none. */
static void update_waiting(struct controller *controller, struct task *task)
{
        if (task->place.pool)
                return;
        list_remove(&task->place.link);
        if (!task_is_waiting(task->state))
                return;
        list_push(&controller->provisioning, &task->place.link);
        work_mark(&controller->queue, &controller->placing);
}

static void place_waiting(struct work *work, struct work_turn *turn)
{
        struct controller *controller = CONTAINER_OF(work, struct controller, placing);
        int64_t next = fargate_place_waiting(controller, turn->now_ms);

        if (next != INT64_MAX)
                work_wake(&controller->queue, &controller->placing, next);
}

static void run_scaling(struct work *work, struct work_turn *turn)
{
        struct controller *controller = CONTAINER_OF(work, struct controller, scaling);
        int64_t next = scaler_run(controller, turn->now_ms);

        if (next != INT64_MAX)
                work_wake(&controller->queue, &controller->scaling, next);
}

static void run_groups(struct work *work, struct work_turn *turn)
{
        struct controller *controller = CONTAINER_OF(work, struct controller, groups);
        int64_t next;

        attachments_run(controller->model, turn->now_ms);
        next = managed_scaling_run(controller, turn->now_ms);
        next = MIN(next, groups_run(controller, turn->now_ms));
        if (next != INT64_MAX)
                work_wake(&controller->queue, &controller->groups, next);
}

/* Tasks, instances or providers have changed: what that means for machines is seen from the state. */
static void mark_groups(struct controller *controller)
{
        if (model_objects(controller->model, OBJECT_SCALING_GROUP)->count > 0 ||
            model_objects(controller->model, OBJECT_CAPACITY_PROVIDER)->count > 0)
                work_mark(&controller->queue, &controller->groups);
}

/* An alarm that managed scaling keeps: it is put right when somebody else has changed it. */
static bool is_providers(const struct state_alarm *state)
{
        return state != NULL && state->provider != NULL;
}

/* One that comes or goes may have meant another group before. */
static void provider_applied(struct controller *controller, const void *old_state, const void *new_state)
{
        mark_groups(controller);
        if (old_state && new_state)
                return;
        tree_for_each (node, model_objects(controller->model, OBJECT_SERVICE)) {
                struct service_control *control = service_control_of(MODEL_OBJECT(node, service));

                if (!control)
                        continue;
                list_for_each (pool, &control->pools, struct pool, link)
                        if (pool->n_provided > 0)
                                pool->readable = false;
        }
}

static void task_gone(struct controller *controller, struct task *task)
{
        struct pool *pool = task->place.pool;

        controller->capacity = true;
        if (!pool) {
                list_remove(&task->place.link);
                return;
        }
        if (task->place.class != POOL_NONE)
                pool->n[task->place.class]--;
        list_remove(&task->place.link);
        task->place.class = POOL_NONE;
        task->place.pool = NULL;
        work_mark(&controller->queue, &pool->control->work);
}

static void task_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct task *task = CONTAINER_OF(object, struct task, object);

        if (!old_state && task->place.class == POOL_NONE)
                list_init(&task->place.link);
        if (!new_state)
                return task_gone(controller, task);
        update_task(controller, task);
        update_waiting(controller, task);
        if (task->state->capacity_provider && (task_is_waiting(new_state) || (old_state && task_is_waiting(old_state))))
                mark_groups(controller);
        if (!task_is_over(new_state) || !old_state || task_is_over(old_state))
                return;
        controller->capacity = true;
        mark_groups(controller);
        /* Daemons leave an instance that is emptied when the others have left. */
        if (task->instance && task->instance->state->status == STATE_INSTANCE_STATUS_DRAINING)
                mark_daemons(controller, task->cluster);
}

/* ---- Instances and targets ---- */

static void update_instance(struct controller *controller, struct instance *instance)
{
        list_for_each (task, &instance->tasks, struct task, in_instance)
                update_task(controller, task);
        controller->capacity = true;
        mark_groups(controller);
        mark_daemons(controller, instance->cluster);
        mark_balanced(controller, instance->cluster);
}

static void instance_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        struct instance *instance = CONTAINER_OF(object, struct instance, object);

        (void)old_state;
        /* Removed: its tasks have lost it already, and have been told of. */
        if (new_state)
                update_instance(controller, instance);
}

static void target_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state)
{
        const struct state_target *state = new_state ? new_state : old_state;
        const char *slash = state->task ? strchr(state->task, '/') : NULL;
        CLEANUP_FREE char *cluster = NULL;
        struct task *task;

        (void)object;
        if (!slash)
                return;
        cluster = xstrndup(state->task, (size_t)(slash - state->task));
        task = model_task(controller->model, cluster, slash + 1);
        if (task)
                update_task(controller, task);
}

/* ---- The observer ---- */

static void on_applied(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct controller *controller = CONTAINER_OF(observer, struct controller, observer);

        switch (object->kind) {
        case OBJECT_SERVICE:
                return service_applied(controller, object, old_state, new_state);
        case OBJECT_SERVICE_REVISION:
                return revision_applied(controller, object, old_state, new_state);
        case OBJECT_SERVICE_DEPLOYMENT:
                return deployment_applied(controller, object, old_state, new_state);
        case OBJECT_TASK_SET:
                return task_set_applied(controller, object, old_state, new_state);
        case OBJECT_TASK:
                return task_applied(controller, object, old_state, new_state);
        case OBJECT_INSTANCE:
                return instance_applied(controller, object, old_state, new_state);
        case OBJECT_TARGET:
                return target_applied(controller, object, old_state, new_state);
        case OBJECT_ALARM:
                if (is_providers(old_state) || is_providers(new_state))
                        mark_groups(controller);
                return alarm_applied(controller, object, old_state, new_state);
        case OBJECT_CAPACITY_PROVIDER:
                return provider_applied(controller, old_state, new_state);
        case OBJECT_SCALING_GROUP:
        case OBJECT_MACHINE:
        case OBJECT_LAUNCH_TEMPLATE:
        case OBJECT_CLUSTER:
                return mark_groups(controller);
        default:
                return;
        }
}

static bool ended_by_itself(const struct state_task *state)
{
        return state->stop_code == ECS_TASK_STOP_CODE_TASKFAILEDTOSTART || state->stop_code == ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED;
}

static bool has_failed(const struct state_task *old, const struct state_task *new)
{
        if (old->desired_status == STATE_TASK_STATUS_STOPPED && old->stop_code != ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED)
                return false;
        return ended_by_itself(new);
}

static struct pool *pool_of(struct controller *controller, const struct state_task *state)
{
        struct service *service = state->service_name ? model_service(controller->model, state->cluster, state->service_name) : NULL;

        if (!service || !service_control_of(service))
                return NULL;
        list_for_each (pool, &service_control_of(service)->pools, struct pool, link)
                if (str_eq(pool_id(pool), state->service_revision))
                        return pool;
        return NULL;
}

/* After a start of the server a task without checks may not have been seen healthy although it was. */
static bool has_proved_itself(const struct pool *pool, const struct task *task)
{
        const struct state_task *state = task->state;
        bool old_enough =
                state->started_at != 0 && state->stopped_at - state->started_at >= pool->control->controller->options.healthy_after_ms;

        return task->place.proven || (old_enough && !pool->checks && !pool->balanced);
}

/* Counts only what was committed. */
static void on_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct controller *controller = CONTAINER_OF(observer, struct controller, observer);
        const struct state_task *old = old_state, *new = new_state;
        struct pool *pool;
        struct task *task;

        if (object->kind == OBJECT_SCHEDULED_ACTION || object->kind == OBJECT_SCALING_POLICY || object->kind == OBJECT_SCALABLE_TARGET)
                work_mark(&controller->queue, &controller->scaling);
        if (object->kind == OBJECT_ALARM)
                alarm_changed(controller, object, old_state, new_state);
        if (object->kind != OBJECT_TASK || !old || !new || task_is_over(old) || !task_is_over(new))
                return;
        task = CONTAINER_OF(object, struct task, object);
        pool = pool_of(controller, new);
        if (!pool || has_proved_itself(pool, task) || !has_failed(old, new))
                return;
        pool->n_failed++;
        pool->n_throttled += new->created_at >= pool->control->service->state->next_launch_at;
        work_mark(&controller->queue, &pool->control->work);
}

static void on_connected(struct model_observer *observer, struct instance *instance)
{
        update_instance(CONTAINER_OF(observer, struct controller, observer), instance);
}

static void on_target_health(struct model_observer *observer, struct target *target)
{
        struct controller *controller = CONTAINER_OF(observer, struct controller, observer);
        struct task *task = target->task;

        if (task)
                update_task(controller, task);
}

/* ---- Life ---- */

/* A task had failed, and the server ended before the deployment's circuit breaker was told. */
static void count_again(struct controller *controller, const struct task *task)
{
        const struct state_task *state = task->state;
        struct pool *pool = pool_of(controller, state);
        const struct service_deployment *deployment = pool ? service_current_deployment(controller->model, pool->control->service) : NULL;

        if (!deployment || !str_eq(deployment->state->target, state->service_revision) ||
            state->stopped_at <= deployment->state->updated_at || !ended_by_itself(state) || has_proved_itself(pool, task))
                return;
        pool->n_failed++;
        pool->n_throttled += state->created_at >= pool->control->service->state->next_launch_at;
}

static void load(struct controller *controller)
{
        tree_for_each (node, model_objects(controller->model, OBJECT_SERVICE)) {
                struct service *service = MODEL_OBJECT(node, service);

                service_control_new(controller, service);
                list_for_each (revision, &service->revisions, struct service_revision, in_service)
                        pool_new(service_control_of(service), revision, NULL);
                list_for_each (set, &service->task_sets, struct task_set, in_service)
                        pool_new(service_control_of(service), NULL, set);
        }
        tree_for_each (node, model_objects(controller->model, OBJECT_TASK)) {
                struct task *task = MODEL_OBJECT(node, task);

                list_init(&task->place.link);
                pool_update(controller, task);
                update_waiting(controller, task);
                if (task_is_over(task->state))
                        count_again(controller, task);
        }
        tree_for_each (node, model_objects(controller->model, OBJECT_ALARM))
                alarm_load(controller, MODEL_OBJECT(node, alarm));
}

struct controller *controller_new(const struct controller_options *options)
{
        struct controller *controller = xalloc(sizeof(*controller));

        controller->options = *options;
        controller->model = options->model;
        controller->sched = options->sched;
        if (controller->options.healthy_after_ms == 0)
                controller->options.healthy_after_ms = DEFAULT_HEALTHY_MS;
        if (controller->options.lost_task_ms == 0)
                controller->options.lost_task_ms = DEFAULT_LOST_MS;
        if (controller->options.slice == 0)
                controller->options.slice = DEFAULT_SLICE;
        work_queue_init(&controller->queue);
        list_init(&controller->waiting);
        list_init(&controller->provisioning);
        list_init(&controller->composites);
        work_init(&controller->placing, place_waiting);
        work_init(&controller->scaling, run_scaling);
        work_mark(&controller->queue, &controller->scaling);
        work_init(&controller->groups, run_groups);
        work_mark(&controller->queue, &controller->groups);
        load(controller);
        controller->observer.applied = on_applied;
        controller->observer.changed = on_changed;
        controller->observer.connected = on_connected;
        controller->observer.target_health = on_target_health;
        model_observe(controller->model, &controller->observer);
        return controller;
}

struct controller *controller_free(struct controller *controller)
{
        if (!controller)
                return NULL;
        model_unobserve(controller->model, &controller->observer);
        tree_for_each (node, model_objects(controller->model, OBJECT_SERVICE))
                service_control_free(service_control_of(MODEL_OBJECT(node, service)));
        list_for_each (task, &controller->provisioning, struct task, place.link)
                list_remove(&task->place.link);
        tree_for_each (node, model_objects(controller->model, OBJECT_ALARM))
                alarm_unload(MODEL_OBJECT(node, alarm));
        arena_done(&controller->scratch);
        work_drop(&controller->queue, &controller->placing);
        work_drop(&controller->queue, &controller->scaling);
        work_drop(&controller->queue, &controller->groups);
        work_queue_done(&controller->queue);
        free(controller);
        return NULL;
}

static bool has_waiting(const struct controller *controller)
{
        return !list_empty(&controller->waiting) || !list_empty(&controller->provisioning);
}

/* Whoever waits for room looks again. */
static void wake_waiting(struct controller *controller)
{
        controller->capacity = false;
        if (!list_empty(&controller->provisioning))
                work_mark(&controller->queue, &controller->placing);
        list_for_each (control, &controller->waiting, struct service_control, waiting) {
                list_remove(&control->waiting);
                control->sweep = true;
                work_mark(&controller->queue, &control->work);
        }
}

bool controller_run(struct controller *controller, int64_t now_ms)
{
        struct work_turn turn = {.now_ms = now_ms, .room = controller->options.slice};
        bool more;

        controller->now_ms = now_ms;
        if (controller->started_ms == 0)
                controller->started_ms = now_ms;
        if (controller->capacity)
                wake_waiting(controller);
        more = work_queue_run(&controller->queue, &turn);
        return more || (controller->capacity && has_waiting(controller));
}

int64_t controller_next(const struct controller *controller)
{
        if (controller->capacity && has_waiting(controller))
                return INT64_MIN;
        return work_queue_next(&controller->queue);
}

void controller_mark_service(struct controller *controller, struct service *service)
{
        struct service_control *control = service_control_of(service);

        if (!control)
                return;
        control->recheck = true;
        mark(controller, service);
}
