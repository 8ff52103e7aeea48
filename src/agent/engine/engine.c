/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a task. What happens inside a container is in container.c. */
#include "agent/engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/engine/container.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define REMOVE_RETRY_MS 30000
#define FARGATE_REMOVE_RETRY_MS 500 /* its disk and its users are wanted */

void engine_init(struct engine *engine, struct env *env, struct timers *timers, const struct engine_driver *driver,
                 const struct engine_limits *limits)
{
        *engine = (struct engine){.env = env, .timers = timers, .driver = driver, .limits = *limits};
        map_init(&engine->tasks);
        list_init(&engine->order);
}

static void forget(struct engine_task *task)
{
        struct engine *e = task->engine;

        for (uint32_t i = 0; i < task->n_containers; i++)
                container_cancel_timers(&task->containers[i]);
        timers_cancel(e->timers, &task->remove_timer);
        map_remove(&e->tasks, &task->node);
        list_remove(&task->link);
        engine_task_free(task);
}

void engine_done(struct engine *engine)
{
        list_for_each (task, &engine->order, struct engine_task, link)
                forget(task);
        map_done(&engine->tasks);
}

struct engine_task *engine_find(const struct engine *engine, const char *arn)
{
        return arn != NULL ? map_get(&engine->tasks, arn, struct engine_task, node) : NULL;
}

struct engine_task *engine_find_id(const struct engine *engine, const char *id)
{
        list_for_each (task, &engine->order, struct engine_task, link) {
                if (str_eq(task->id, id))
                        return task;
        }
        return NULL;
}

struct engine_container *engine_find_endpoint(const struct engine *engine, const char *endpoint_id)
{
        list_for_each (task, &engine->order, struct engine_task, link) {
                for (uint32_t i = 0; i < task->n_containers; i++) {
                        if (str_eq(task->containers[i].endpoint_id, endpoint_id))
                                return &task->containers[i];
                }
        }
        return NULL;
}

static void move(struct engine_task *t, enum task_state to)
{
        assert(task_may_move(t->state, to));
        log_debug("task moves", LOG_S("task", t->arn), LOG_S("from", task_state_name(t->state)), LOG_S("to", task_state_name(to)));
        t->state = to;
        /* The other states need not be kept: after a restart they follow from what the runtime knows. */
        if (to == TASK_RUNNING || to == TASK_STOPPED)
                t->engine->driver->changed(t, ENGINE_SAVE | ENGINE_REPORT);
}

static bool all_containers(const struct engine_task *t, bool running_is_enough)
{
        for (uint32_t i = 0; i < t->n_containers; i++) {
                enum container_state s = t->containers[i].state;

                if (s != CONTAINER_STOPPED && !(running_is_enough && s == CONTAINER_RUNNING))
                        return false;
        }
        return true;
}

/* An essential container that has ended ends the task. */
static void note_essential_end(struct engine_task *t)
{
        for (uint32_t i = 0; i < t->n_containers; i++) {
                const struct engine_container *c = &t->containers[i];

                if (c->state != CONTAINER_STOPPED || !c->essential)
                        continue;
                t->stop_wanted = true;
                if (t->execution_stopped_ms == 0)
                        t->execution_stopped_ms = c->finished_ms != 0 ? c->finished_ms : env_now_ms(t->engine->env);
        }
        /* Nothing is left, not even what was not essential. */
        if (t->n_containers > 0 && all_containers(t, false))
                t->stop_wanted = true;
}

/* Of a Fargate task nothing stays: others want its place. */
static int64_t remove_after_ms(const struct engine_task *t)
{
        return engine_task_is_fargate(t) ? 0 : (int64_t)t->engine->limits.remove_after_ms;
}

static void remove_fires(struct timer *timer)
{
        engine_step(CONTAINER_OF(timer, struct engine_task, remove_timer));
}

static void step_stopping(struct engine_task *t)
{
        struct engine *e = t->engine;

        if (!all_containers(t, false) || t->busy)
                return;
        t->stopped_ms = env_now_ms(e->env);
        if (t->execution_stopped_ms == 0)
                t->execution_stopped_ms = t->stopped_ms;
        move(t, TASK_STOPPED);
        timers_set(e->timers, &t->remove_timer, remove_after_ms(t), remove_fires);
        t->busy = true;
        e->driver->release(t);
}

/* A task is kept for a while after its end, and until the server has heard of it, but not for ever. */
static void step_stopped(struct engine_task *t)
{
        struct engine *e = t->engine;
        int64_t age = env_now_ms(e->env) - t->stopped_ms;

        if (t->busy || timer_is_set(&t->remove_timer))
                return;
        if (!e->driver->may_remove(t) && age < (int64_t)e->limits.remove_latest_ms) {
                timers_set(e->timers, &t->remove_timer, engine_task_is_fargate(t) ? FARGATE_REMOVE_RETRY_MS : REMOVE_RETRY_MS,
                           remove_fires);
                return;
        }
        move(t, TASK_REMOVING);
        t->busy = true;
        e->driver->remove(t);
}

/* One pass over the task's own state; true when it moved and the next state should be looked at. */
static bool step_task(struct engine_task *t)
{
        struct engine *e = t->engine;

        if (t->state < TASK_STOPPING) {
                note_essential_end(t);
                if (t->stop_wanted) {
                        move(t, TASK_STOPPING);
                        return true;
                }
        }
        switch (t->state) {
        case TASK_QUEUED:
                if (!t->holds_resources)
                        return false;
                move(t, TASK_PREPARING);
                t->busy = true;
                e->driver->prepare(t);
                return true;
        case TASK_PREPARING:
                if (t->busy)
                        return false;
                move(t, TASK_STARTING);
                return true;
        case TASK_STARTING:
                if (!all_containers(t, true))
                        return false;
                t->has_run = true;
                move(t, TASK_RUNNING);
                return true;
        case TASK_RUNNING:
                return false;
        case TASK_STOPPING:
                step_stopping(t);
                return t->state != TASK_STOPPING;
        case TASK_STOPPED:
                step_stopped(t);
                return false;
        case TASK_REMOVING:
        case TASK_STATE_MAX:
                break;
        }
        return false;
}

void engine_step(struct engine_task *t)
{
        if (t->in_step) {
                t->step_again = true;
                return;
        }
        t->in_step = true;
        bool again;
        do {
                t->step_again = false;
                again = false;
                for (uint32_t i = 0; i < t->n_containers; i++)
                        again |= container_step(&t->containers[i]);
                again |= step_task(t);
        } while (again || t->step_again);
        t->in_step = false;
        if (t->state == TASK_REMOVING && !t->busy)
                forget(t);
}

/*
 * Gives room to those that wait, first come first served, but whoever does not fit lets the next one try: a task that stops slowly
 * holds up only those that need its own place.
 */
static void admit(struct engine *e)
{
        e->admit_again = true;
        if (e->admitting)
                return;
        e->admitting = true;
        while (e->admit_again) {
                e->admit_again = false;
                list_for_each (t, &e->order, struct engine_task, link) {
                        if (t->state != TASK_QUEUED || t->holds_resources || t->stop_wanted || !host_resources_take(&e->resources, t))
                                continue;
                        t->holds_resources = true;
                        engine_step(t);
                        /* The step may have removed any task: start over. */
                        e->admit_again = true;
                        break;
                }
        }
        e->admitting = false;
}

static void give_back(struct engine_task *t)
{
        if (t->holds_resources)
                host_resources_give(&t->engine->resources, t);
        t->holds_resources = false;
}

static void insert(struct engine *engine, struct engine_task *task)
{
        task->engine = engine;
        map_insert(&engine->tasks, &task->node, task->arn);
        list_push(&engine->order, &task->link);
}

void engine_add(struct engine *engine, struct engine_task *task)
{
        struct error error = {0};

        insert(engine, task);
        if (!task->rejected && host_resources_check(&engine->resources, task, &error) < 0) {
                task->rejected = true;
                engine_task_set_reason(task, "ResourceInitializationError: %s", error.message);
        }
        if (task->rejected)
                task->stop_wanted = true;
        engine->driver->changed(task, ENGINE_SAVE);
        if (!task->stop_wanted && host_resources_take(&engine->resources, task))
                task->holds_resources = true;
        engine_step(task);
}

void engine_restore(struct engine *engine, struct engine_task *task)
{
        insert(engine, task);
        if (task->state > TASK_QUEUED && task->state < TASK_STOPPED) {
                host_resources_force(&engine->resources, task);
                task->holds_resources = true;
        }
        for (uint32_t i = 0; i < task->n_containers; i++)
                container_restored(&task->containers[i]);
        if (task->state == TASK_STOPPED) {
                int64_t age = env_now_ms(engine->env) - task->stopped_ms;

                timers_set(engine->timers, &task->remove_timer, remove_after_ms(task) - age, remove_fires);
                task->busy = true;
                engine->driver->release(task);
        } else if (task->state == TASK_PREPARING || task->state == TASK_STARTING) {
                /* Preparing again finds what is there already. */
                task->state = TASK_PREPARING;
                task->busy = true;
                engine->driver->prepare(task);
        }
        engine_step(task);
        admit(engine);
}

void engine_task_stop(struct engine_task *task, const char *fmt, ...)
{
        if (fmt != NULL && task->reason == NULL) {
                struct arena arena = {0};
                va_list args;

                va_start(args, fmt);
                task->reason = xstrdup(arena_vprintf(&arena, fmt, args));
                va_end(args);
                arena_done(&arena);
        }
        if (!task->stop_wanted) {
                task->stop_wanted = true;
                task->engine->driver->changed(task, ENGINE_SAVE);
        }
        engine_step(task);
}

void engine_task_cut_short(struct engine_task *task, uint32_t within_ms, const char *reason)
{
        if (task->state >= TASK_STOPPED)
                return;
        task->stop_within_ms = within_ms;
        for (uint32_t i = 0; i < task->n_containers; i++)
                container_stop_sooner(&task->containers[i]);
        engine_task_stop(task, "%s", reason);
}

void engine_remove_stopped(struct engine *engine)
{
        list_for_each (t, &engine->order, struct engine_task, link) {
                if (t->state != TASK_STOPPED || t->busy || !engine->driver->may_remove(t))
                        continue;
                timers_cancel(engine->timers, &t->remove_timer);
                engine_step(t);
        }
}

void engine_task_prepared(struct engine_task *t, const struct error *error)
{
        t->busy = false;
        if (error != NULL) {
                t->stop_wanted = true;
                engine_task_set_reason(t, "%s: %s", error->code[0] != '\0' ? error->code : "ResourceInitializationError", error->message);
        }
        engine_step(t);
}

void engine_task_released(struct engine_task *t)
{
        struct engine *e = t->engine;

        t->busy = false;
        t->released = true;
        give_back(t);
        engine_step(t);
        admit(e);
}

void engine_task_removed(struct engine_task *t)
{
        t->busy = false;
        engine_step(t);
}
