/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing records, containers and sandboxes together. */
#include "agent/driver/adopt.h"

#include <errno.h>
#include <string.h>

#include "agent/driver/internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

static struct engine_task *load_task(struct driver *d, const char *id)
{
        struct arena arena CLEANUP_ARENA = {0};
        const char *dir = arena_printf(&arena, "tasks/%s", id);
        void *task = NULL, *state = NULL;
        struct error error = {0};

        int r = state_read(d->state, arena_printf(&arena, "%s/task", dir), &saved_task_shape, &arena, &task, &error);
        const struct saved_task *saved = task;
        if (r == -ENOENT)
                r = error_set(&error, ENOENT, "there is a state, but not the task that it belongs to");
        if (r == 0 && (saved->task == NULL || !str_eq(arn_resource_id(saved->task->arn), id)))
                r = error_set(&error, EINVAL, "it is the record of another task");
        if (r < 0) {
                state_move_aside(d->state, dir, error.message);
                return NULL;
        }
        struct engine_task *t = engine_task_new(saved->task, d->env);
        keeper_apply_task(t, saved);
        keeper_adopt(d->keeper, t);
        r = state_read(d->state, arena_printf(&arena, "%s/state", dir), &saved_task_state_shape, &arena, &state, &error);
        if (r == 0)
                keeper_apply_state(t, state);
        else if (r != -ENOENT)
                state_move_aside(d->state, arena_printf(&arena, "%s/state", dir), error.message);
        return t;
}

/* What is known of a container whose end nobody has seen. */
static void vanished(struct engine_container *c)
{
        engine_container_set_reason(
                c, "ContainerVanishedError: the container was there when the agent ended and is not any more; somebody removed it, or "
                   "the runtime's directory was lost");
        c->state = CONTAINER_STOPPED;
}

static void apply_exit(struct engine_container *c, struct runtime_container *rc)
{
        const struct runtime_exit *from = runtime_container_exit(rc);
        struct engine_exit e;

        if (from == NULL)
                return;
        drive_exit_reason(from, &e);
        c->has_exit_code = e.has_exit_code;
        c->exit_code = e.exit_code;
        c->oom_killed = e.oom_killed;
        c->finished_ms = e.finished_ms;
}

/* Sets the state of one container by what the runtime has. Returns its container when there is one to take over. */
static struct runtime_container *match(struct driver *d, struct engine_container *c)
{
        struct runtime_container *rc = runtime_find(d->runtime, c->runtime_id);

        if (rc == NULL) {
                if (c->state != CONTAINER_STOPPED && c->has_run)
                        vanished(c);
                else if (c->state != CONTAINER_STOPPED)
                        c->state = CONTAINER_PULLING;
                return NULL;
        }
        if (c->state == CONTAINER_STOPPED) {
                if (!c->has_exit_code && c->reason == NULL)
                        apply_exit(c, rc);
                return rc;
        }
        const struct runtime_exit *ended = runtime_container_exit(rc);
        if (ended != NULL && ended->cause == RUNTIME_NEVER_STARTED && !c->has_run) {
                /* Nothing of it ever ran: begin anew. The driver removes the leftover when it meets it. */
                c->state = CONTAINER_PULLING;
                return NULL;
        }
        c->state = CONTAINER_RUNNING;
        c->has_run = true;
        if (c->started_ms == 0)
                c->started_ms = runtime_container_started_ms(rc);
        return rc;
}

/* As far as the task had come, given what its containers are. */
static enum task_state restored_state(const struct engine_task *t)
{
        bool any = false, all = true;

        if (t->state >= TASK_STOPPED)
                return TASK_STOPPED;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                enum container_state s = t->containers[i].state;

                any |= t->containers[i].has_run;
                all &= s == CONTAINER_RUNNING || s == CONTAINER_STOPPED;
        }
        if (!any)
                return TASK_QUEUED;
        return all ? TASK_RUNNING : TASK_STARTING;
}

static void restore(struct driver *d, struct engine *engine, struct engine_task *t)
{
        struct runtime_container **found = xcalloc(t->n_containers + 1, sizeof(struct runtime_container *));

        t->engine = engine; /* for the driver, which is asked before the engine has the task */
        if (t->state >= TASK_STOPPED) {
                for (uint32_t i = 0; i < t->n_containers; i++)
                        t->containers[i].state = CONTAINER_STOPPED;
        }
        if (drive_in_vm(t))
                drive_vm_adopt(d, t);
        for (uint32_t i = 0; i < t->n_containers && !drive_in_vm(t); i++)
                found[i] = match(d, &t->containers[i]);
        t->state = restored_state(t);
        t->has_run |= t->state == TASK_RUNNING;
        if (t->rejected)
                t->stop_wanted = true;
        for (uint32_t i = 0; i < t->n_containers; i++)
                driver_adopt(d, &t->containers[i], found[i]);
        log_info("task taken over from the disk", LOG_S("task", t->arn), LOG_S("state", task_state_name(t->state)));
        engine_restore(engine, t);
        reporter_touch(d->reporter, t);
        free(found);
}

static bool known(const struct engine *engine, const char *container_id)
{
        struct arena arena CLEANUP_ARENA = {0};

        list_for_each (t, &engine->order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers; i++) {
                        if (str_eq(t->containers[i].runtime_id, container_id))
                                return true;
                }
                if (t->state < TASK_STOPPED &&
                    (str_eq(driver_pause_id(t, &arena), container_id) || str_eq(driver_network_id(t, &arena), container_id)))
                        return true;
        }
        return false;
}

static void remove_strangers(struct driver *d, const struct engine *engine)
{
        for (struct runtime_container *rc = runtime_next(d->runtime, NULL), *next; rc != NULL; rc = next) {
                next = runtime_next(d->runtime, rc);
                if (known(engine, runtime_container_id(rc)))
                        continue;
                log_warn("a container that belongs to no task is removed", LOG_S("container", runtime_container_id(rc)));
                runtime_remove(rc, NULL, NULL);
        }
        for (struct vpc_sandbox *s = d->vpc != NULL ? vpc_sandbox_next(d->vpc, NULL) : NULL, *next; s != NULL; s = next) {
                next = vpc_sandbox_next(d->vpc, s);
                if (known(engine, vpc_sandbox_id(s)))
                        continue;
                log_info("a network that belongs to no task is removed", LOG_S("sandbox", vpc_sandbox_id(s)));
                vpc_sandbox_destroy(s, NULL);
        }
}

void adopt_tasks(struct driver *driver, struct engine *engine)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct string_list ids;

        state_list(driver->state, "tasks", &arena, &ids);
        for (uint32_t i = 0; i < ids.n; i++) {
                struct engine_task *t = load_task(driver, ids.items[i]);

                if (t != NULL)
                        restore(driver, engine, t);
        }
        remove_strangers(driver, engine);
        if (driver->vms != NULL)
                vm_host_sweep(driver->vms);
}
