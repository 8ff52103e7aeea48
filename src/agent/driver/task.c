/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to a whole task: its volumes, the container that holds shared namespaces, giving back the network, and the removal of
 * all its files.
 */
#include <errno.h>
#include <string.h>

#include "agent/driver/internal.h"
#include "agent/engine/spec.h"
#include "agent/engine/volumes.h"
#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"

struct drive_task *drive_task_of(struct engine_task *t)
{
        struct drive_task *dt = t->driver;

        if (dt == NULL) {
                dt = xalloc(sizeof(*dt));
                dt->d = t->engine->data;
                dt->t = t;
                t->driver = dt;
        }
        return dt;
}

const char *driver_pause_id(const struct engine_task *task, struct arena *arena)
{
        return arena_printf(arena, "%.100s-pause", task->id);
}

/* ---- preparation: volumes, then the task's network, then shared namespaces ---- */

static void prepared(struct drive_task *dt, const struct error *error)
{
        engine_task_prepared(dt->t, error);
}

static void take_pause(struct drive_task *dt)
{
        const struct acs_task *p = dt->t->payload;
        int pid = runtime_container_pid(dt->pause);

        free(dt->pid_path);
        free(dt->ipc_path);
        free(dt->user_path);
        dt->pid_path = str_eq(p->pid_mode, "task") ? xprintf("/proc/%d/ns/pid", pid) : NULL;
        dt->ipc_path = str_eq(p->ipc_mode, "task") ? xprintf("/proc/%d/ns/ipc", pid) : NULL;
        dt->user_path = engine_task_is_fargate(dt->t) ? xprintf("/proc/%d/ns/user", pid) : NULL;
}

static void on_pause_started(struct runtime_container *rc, int status, const struct error *error, void *data)
{
        struct drive_task *dt = data;

        (void)rc;
        if (status < 0) {
                dt->pause = NULL;
                prepared(dt, error);
                return;
        }
        take_pause(dt);
        prepared(dt, NULL);
}

static void on_pause_exited(struct runtime_container *rc, const struct runtime_exit *ended, void *data)
{
        struct drive_task *dt = data;

        (void)rc;
        (void)ended;
        if (!dt->releasing)
                engine_task_stop(dt->t, "ResourceInitializationError: the process that holds the task's shared namespaces has ended");
}

static const struct runtime_events pause_events = {.started = on_pause_started, .exited = on_pause_exited};

static bool needs_pause(const struct engine_task *t)
{
        return str_eq(t->payload->pid_mode, "task") || str_eq(t->payload->ipc_mode, "task");
}

static void start_pause(struct drive_task *dt)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct runtime_task_limits limits;
        struct error error = {0};
        struct runtime_container_spec spec = {.id = driver_pause_id(dt->t, &arena), .task_id = dt->t->id, .pause = true, .log_none = true};

        if (!needs_pause(dt->t)) {
                prepared(dt, NULL);
                return;
        }
        struct runtime_container *old = runtime_find(dt->d->runtime, spec.id);
        if (old != NULL && runtime_container_state(old) == RUNTIME_RUNNING) {
                dt->pause = old;
                runtime_container_adopt(old, &pause_events, dt);
                take_pause(dt);
                prepared(dt, NULL);
                return;
        }
        spec.network.mode = RUNTIME_NS_HOST;
        spec.uts.mode = RUNTIME_NS_HOST;
        spec.own_users = engine_task_is_fargate(dt->t);
        if (spec_task_limits(dt->t, &limits))
                spec.task_limits = &limits;
        if (runtime_start(dt->d->runtime, &spec, &pause_events, dt, &dt->pause, &error) < 0) {
                dt->pause = NULL;
                prepared(dt, &error);
        }
}

static void on_network(struct drive_task *dt, const struct error *error)
{
        if (error != NULL)
                prepared(dt, error);
        else
                start_pause(dt);
}

static void make_volumes(uv_work_t *work)
{
        struct drive_task *dt = CONTAINER_OF(work, struct drive_task, work);

        dt->work_result = volumes_prepare(dt->d->options->data_dir, dt->t, &dt->work_error);
}

static void on_volumes(uv_work_t *work, int status)
{
        struct drive_task *dt = CONTAINER_OF(work, struct drive_task, work);

        dt->d->jobs--;
        if (status < 0)
                return; /* the loop ends */
        if (dt->work_result < 0)
                prepared(dt, &dt->work_error);
        else
                drive_network_make(dt, on_network);
}

void drive_prepare(struct engine_task *t)
{
        struct drive_task *dt = drive_task_of(t);

        if (drive_in_vm(t)) {
                drive_vm_prepare(dt);
                return;
        }
        if (t->payload->volumes.n == 0) {
                drive_network_make(dt, on_network);
                return;
        }
        error_clear(&dt->work_error);
        dt->d->jobs++;
        int r = uv_queue_work(dt->d->loop, &dt->work, make_volumes, on_volumes);
        assert(r == 0);
}

/* ---- release ---- */

static void release_part_done(struct drive_task *dt)
{
        if (--dt->pending == 0)
                engine_task_released(dt->t);
}

static void on_sandbox_gone(struct vpc_op *op, int status, const struct error *error)
{
        struct drive *dr = CONTAINER_OF(op, struct drive, op);

        if (status < 0)
                log_warn("a container's network could not be taken away", LOG_S("container", dr->c->runtime_id),
                         LOG_S("error", error != NULL ? error->message : strerror(-status)));
        release_part_done(dr->c->task->driver);
}

static void on_pause_removed(void *data)
{
        struct drive_task *dt = data;

        dt->callbacks--;
        if (dt->t != NULL)
                release_part_done(dt);
        else if (dt->callbacks == 0)
                free(dt);
}

/* Its interface goes after it. */
static void on_vm_gone(struct drive_task *dt)
{
        if (!drive_network_release(dt, release_part_done))
                release_part_done(dt);
}

void drive_release_groups(struct engine_task *t)
{
        struct drive_task *dt = t->driver;

        if (t->state != TASK_STOPPED || dt == NULL || drive_in_vm(t))
                return;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct runtime_container *rc = driver_container(&t->containers[i]);

                if (rc != NULL && !runtime_container_is_acknowledged(rc))
                        return;
        }
        runtime_task_release(dt->d->runtime, t->id);
}

void drive_release(struct engine_task *t)
{
        struct drive_task *dt = drive_task_of(t);

        dt->releasing = true;
        dt->pending = 1;
        if (drive_vm_release(dt, on_vm_gone) || drive_network_release(dt, release_part_done))
                dt->pending++;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct vpc_sandbox *sandbox = dt->d->vpc != NULL ? vpc_sandbox_find(dt->d->vpc, t->containers[i].runtime_id) : NULL;

                if (sandbox == NULL)
                        continue;
                struct drive *dr = drive_of(&t->containers[i]);
                dt->pending++;
                vpc_op_cancel(&dr->op);
                dr->op.done = on_sandbox_gone;
                vpc_sandbox_destroy(sandbox, &dr->op);
        }
        if (dt->pause == NULL && needs_pause(t)) {
                /* Left from before a restart of the agent. */
                struct arena arena CLEANUP_ARENA = {0};

                dt->pause = runtime_find(dt->d->runtime, driver_pause_id(t, &arena));
        }
        if (dt->pause != NULL) {
                dt->pending++;
                dt->callbacks++;
                runtime_remove(TAKE(dt->pause), on_pause_removed, dt);
        }
        drive_release_groups(t);
        release_part_done(dt);
}

/* ---- removal ---- */

static void on_files_removed(struct state_op *op, int result)
{
        struct drive_task *dt = CONTAINER_OF(op, struct drive_task, files);
        struct engine_task *t = dt->t;

        if (result < 0)
                log_warn("a task's files could not be removed", LOG_S("task", t->arn), LOG_ERRNO(result));
        t->driver = NULL;
        free(dt->pid_path);
        free(dt->ipc_path);
        free(dt->user_path);
        free(dt);
        log_info("task removed", LOG_S("task", t->arn));
        engine_task_removed(t);
}

static void remove_volumes(uv_work_t *work)
{
        struct drive_task *dt = CONTAINER_OF(work, struct drive_task, work);
        struct arena arena CLEANUP_ARENA = {0};

        dt->work_result = files_remove(AT_FDCWD, volume_task_dir(dt->d->options->data_dir, dt->t, &arena));
        if (dt->work_result == 0 && drive_in_vm(dt->t))
                dt->work_result = files_remove(AT_FDCWD, vm_task_dir(dt->d->vms, dt->t->id, &arena));
}

static void on_volumes_removed(uv_work_t *work, int status)
{
        struct drive_task *dt = CONTAINER_OF(work, struct drive_task, work);
        struct arena arena CLEANUP_ARENA = {0};
        struct engine_task *t = dt->t;

        dt->d->jobs--;
        if (status < 0)
                return;
        if (dt->work_result < 0)
                log_warn("a task's volumes could not be removed", LOG_S("task", t->arn), LOG_ERRNO(dt->work_result));
        runtime_task_remove(dt->d->runtime, t->id);
        for (uint32_t i = 0; i < t->n_containers; i++)
                drive_free(&t->containers[i]);
        keeper_forget(dt->d->keeper, t);
        reporter_forget(dt->d->reporter, t);
        /* The record goes last: until here another start of the agent would have found it and gone on. */
        dt->files.done = on_files_removed;
        state_remove(dt->d->state, &dt->files, arena_printf(&arena, "tasks/%s", t->id));
}

static void on_container_removed(void *data)
{
        struct drive_task *dt = data;

        dt->callbacks--;
        if (dt->t == NULL) {
                if (dt->callbacks == 0)
                        free(dt);
                return;
        }
        if (--dt->pending > 0)
                return;
        dt->d->jobs++;
        int r = uv_queue_work(dt->d->loop, &dt->work, remove_volumes, on_volumes_removed);
        assert(r == 0);
}

void drive_remove(struct engine_task *t)
{
        struct drive_task *dt = drive_task_of(t);

        dt->pending = dt->callbacks = 1;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct drive *dr = t->containers[i].driver;

                if (dr == NULL || dr->rc == NULL)
                        continue;
                keeper_wait_cancel(&dr->exit_wait);
                if (t->containers[i].log != NULL)
                        log_ship_forget(&t->containers[i]);
                dt->pending++;
                dt->callbacks++;
                runtime_remove(TAKE(dr->rc), on_container_removed, dt);
        }
        on_container_removed(dt);
}

void driver_forget(struct engine_task *t)
{
        struct drive_task *dt = TAKE(t->driver);

        for (uint32_t i = 0; i < t->n_containers; i++)
                drive_free(&t->containers[i]);
        if (dt == NULL)
                return;
        state_op_cancel(dt->d->state, &dt->files);
        drive_network_cancel(dt);
        drive_vm_forget(dt);
        free(dt->pid_path);
        free(dt->ipc_path);
        free(dt->user_path);
        dt->pid_path = dt->ipc_path = dt->user_path = NULL;
        dt->t = NULL;
        if (dt->callbacks == 0)
                free(dt);
}
