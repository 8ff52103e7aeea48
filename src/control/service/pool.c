/* SPDX-License-Identifier: Apache-2.0 */
/* Where a service's tasks stand: see pool.h. */
#include "control/service/pool.h"

#include "base/alloc.h"
#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/service/service.h"
#include "control/targets.h"
#include "control/task.h"

const char *pool_id(const struct pool *pool)
{
        return pool->revision ? pool->revision->state->id : pool->task_set->state->id;
}

struct task_definition *pool_definition(const struct pool *pool, struct model *model)
{
        if (pool->revision)
                return model_task_definition(model, pool->revision->state->family, pool->revision->state->revision);
        return model_task_definition(model, pool->task_set->state->family, pool->task_set->state->revision);
}

static struct pool_recipe own_recipe(const struct pool *pool)
{
        if (pool->revision) {
                const struct state_service_revision *revision = pool->revision->state;

                return (struct pool_recipe){revision->launch_type, revision->platform_version, revision->network_configuration,
                                            &revision->capacity_provider_strategy};
        }
        assert(pool->task_set);
        return (struct pool_recipe){pool->task_set->state->launch_type, pool->task_set->state->platform_version,
                                    pool->task_set->state->network_configuration, &pool->task_set->state->capacity_provider_strategy};
}

struct pool_recipe pool_recipe(const struct pool *pool)
{
        struct pool_recipe recipe = own_recipe(pool);

        if (recipe.strategy->n == 0 && !recipe.launch_type)
                recipe.strategy = &pool->control->service->cluster->state->default_capacity_provider_strategy;
        return recipe;
}

struct pool *pool_new(struct service_control *control, struct service_revision *revision, struct task_set *set)
{
        struct pool *pool = xalloc(sizeof(*pool));

        pool->control = control;
        pool->revision = revision;
        pool->task_set = set;
        for (int i = 0; i < POOL_CLASS_MAX; i++)
                list_init(&pool->tasks[i]);
        pool->checks = task_definition_has_checks(pool_definition(pool, control->controller->model));
        pool->balanced = pool_balancers(pool)->n > 0;
        list_push(&control->pools, &pool->link);
        if (revision)
                revision->pool = pool;
        else
                set->pool = pool;
        return pool;
}

static void leave(struct task *task)
{
        struct pool *pool = task->place.pool;

        if (task->place.class == POOL_NONE)
                return;
        pool->n[task->place.class]--;
        list_remove(&task->place.link);
        task->place.class = POOL_NONE;
}

struct pool *pool_free(struct pool *pool)
{
        for (int i = 0; i < POOL_CLASS_MAX; i++)
                list_for_each (task, &pool->tasks[i], struct task, place.link) {
                        leave(task);
                        task->place.pool = NULL;
                }
        if (pool->revision)
                pool->revision->pool = NULL;
        else
                pool->task_set->pool = NULL;
        list_remove(&pool->link);
        arena_done(&pool->arena);
        free(pool);
        return NULL;
}

/* ---- Classes ---- */

/* Until when checks that fail are not believed; the last known moment counts as now. */
static bool in_grace(const struct pool *pool, const struct task *task)
{
        struct service_control *control = pool->control;
        int64_t until = task->state->started_at + (int64_t)control->service->state->health_check_grace_period_seconds * 1000;

        if (until <= control->controller->now_ms)
                return false;
        work_wake(&control->controller->queue, &control->work, until);
        control->recheck = true;
        return true;
}

static enum pool_class checked_class(const struct pool *pool, const struct task *task)
{
        enum ecs_health_status health = pool->checks ? task->state->health : ECS_HEALTH_STATUS_HEALTHY;
        enum targets_state targets = pool->balanced ? targets_state(pool->control->controller->model, task, NULL) : TARGETS_HEALTHY;

        if (health == ECS_HEALTH_STATUS_UNHEALTHY || targets == TARGETS_UNHEALTHY)
                return in_grace(pool, task) ? POOL_FRESH : POOL_UNHEALTHY;
        return health == ECS_HEALTH_STATUS_HEALTHY && targets == TARGETS_HEALTHY ? POOL_HEALTHY : POOL_FRESH;
}

static enum pool_class running_class(const struct pool *pool, const struct task *task, bool displaced)
{
        enum pool_class class;

        if (pool->checks || pool->balanced)
                class = checked_class(pool, task);
        else
                class = task->place.class == POOL_HEALTHY || task->place.class == POOL_MOVING ? POOL_HEALTHY : POOL_FRESH;
        /* One that is not known to be healthy yet is waited for: it must not count toward the floor. */
        return displaced && class == POOL_HEALTHY ? POOL_MOVING : class;
}

static enum pool_class classify(const struct pool *pool, const struct task *task)
{
        const struct state_task *state = task->state;
        bool lost = instance_is_lost(task->instance) || (!task->instance && state->instance);
        bool displaced = task->instance && task->instance->state->status != STATE_INSTANCE_STATUS_ACTIVE;

        if (task_is_over(state))
                return list_empty(&task->targets) ? POOL_NONE : POOL_OVER;
        if (state->desired_status == STATE_TASK_STATUS_STOPPED)
                return lost ? POOL_GONE : POOL_LEAVING;
        if (lost)
                return POOL_LOST;
        if (task_is_waiting(state))
                return POOL_WAITING;
        if (task_is_before(state->last_status, STATE_TASK_STATUS_RUNNING))
                return displaced ? POOL_STRANDED : POOL_PENDING;
        return running_class(pool, task, displaced);
}

static void enter(struct pool *pool, struct task *task, enum pool_class class)
{
        if (task->place.class == (int)class && task->place.pool == pool)
                return;
        if (class == POOL_HEALTHY && task->place.class != POOL_HEALTHY) {
                pool->n_succeeded++;
                task->place.proven = true;
        }
        leave(task);
        task->place.pool = pool;
        task->place.class = (int)class;
        if (class == POOL_NONE)
                return;
        pool->n[class]++;
        list_push(&pool->tasks[class], &task->place.link);
}

struct pool *pool_update(struct controller *controller, struct task *task)
{
        struct pool *pool = task->place.pool;

        (void)controller;
        /* A task that is over belongs to no revision any more; it stays where it was until it has nothing left behind. */
        if (!task_is_over(task->state))
                pool = task->revision ? task->revision->pool : task->task_set ? task->task_set->pool : NULL;
        /* Its service has given it up. */
        if (!pool && task->place.pool) {
                leave(task);
                task->place.pool = NULL;
        }
        if (pool)
                enter(pool, task, classify(pool, task));
        return pool;
}

void pool_promote(struct pool *pool, struct task *task)
{
        enter(pool, task, POOL_HEALTHY);
        enter(pool, task, classify(pool, task)); /* its instance may be about to be emptied */
}
