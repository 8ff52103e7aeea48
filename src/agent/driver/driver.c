/* SPDX-License-Identifier: Apache-2.0 */
/* Containers on a real machine: pull, network, start, stop, probe. What concerns whole tasks is in task.c. */
#include "agent/driver/driver.h"

#include <errno.h>
#include <string.h>

#include "agent/driver/internal.h"
#include "agent/engine/ports.h"
#include "agent/engine/spec.h"
#include "api/oci.idl.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define RETRY_MS 50

static struct driver *driver_of(const struct engine_container *c)
{
        return c->task->engine->data;
}

struct drive *drive_of(struct engine_container *c)
{
        struct drive *dr = c->driver;

        if (dr == NULL) {
                dr = xalloc(sizeof(*dr));
                dr->d = driver_of(c);
                dr->c = c;
                c->driver = dr;
        }
        return dr;
}

struct runtime_container *driver_container(const struct engine_container *c)
{
        const struct drive *dr = c->driver;

        return dr != NULL ? dr->rc : NULL;
}

/* ---- images ---- */

static void on_pulled(struct image_pull *pull, const struct image_pull_result *result)
{
        struct drive *dr = CONTAINER_OF(pull, struct drive, pull);
        struct engine_pulled pulled = {.started_ms = result->started_ms, .stopped_ms = result->stopped_ms};
        struct error fallback = {0};

        dr->pulling = false;
        if (result->status < 0) {
                (void)error_set(&fallback, -result->status, "%s", strerror(-result->status));
                pulled.error = result->error != NULL ? result->error : &fallback;
                if (result->status == -ENOSPC)
                        dr->d->no_space(dr->d->data);
        } else {
                dr->image = image_unref(dr->image);
                dr->image = result->image;
                pulled.digest = result->image->digest;
                pulled.image_id = result->image->id;
        }
        engine_container_pulled(dr->c, &pulled);
}

static void d_pull(struct engine_container *c)
{
        struct drive *dr = drive_of(c);

        dr->pull = (struct image_pull){
                .name = c->definition->image, .behavior = (enum image_pull_behavior)dr->d->options->pull_behavior, .done = on_pulled};
        dr->pulling = true;
        image_pull_start(dr->d->images, &dr->pull);
}

static void d_pull_cancel(struct engine_container *c)
{
        struct drive *dr = drive_of(c);

        if (dr->pulling)
                image_pull_cancel(&dr->pull);
        dr->pulling = false;
}

/* ---- network and log ---- */

static void create_part_done(struct drive *dr, const struct error *error)
{
        if (error != NULL && !error_is_set(&dr->create_error))
                dr->create_error = *error;
        if (--dr->create_parts > 0)
                return;
        engine_container_created(dr->c, error_is_set(&dr->create_error) ? &dr->create_error : NULL);
}

static void take_sandbox(struct drive *dr)
{
        struct vpc_sandbox *sandbox = vpc_sandbox_find(dr->d->vpc, dr->c->runtime_id);
        uint32_t n = 0;

        if (sandbox == NULL)
                return;
        const struct vpc_port *ports = vpc_sandbox_ports(sandbox, &n);
        ports_bindings(dr->c, ports, n);
        free(dr->c->address);
        dr->c->address = xstrdup(vpc_sandbox_address(sandbox));
}

static void create_sandbox(struct drive *dr);

static void create_sandbox_again(struct timer *timer)
{
        struct drive *dr = CONTAINER_OF(timer, struct drive, retry);

        create_sandbox(dr);
        create_part_done(dr, NULL); /* the part that waited */
}

static void on_sandbox(struct vpc_op *op, int status, const struct error *error)
{
        struct drive *dr = CONTAINER_OF(op, struct drive, op);
        struct error named = {0};

        if (status == -EEXIST) {
                /* One that an earlier agent left is still being taken away. The limit of the start ends this. */
                timers_set(dr->d->timers, &dr->retry, RETRY_MS, create_sandbox_again);
                return;
        }

        if (status == 0) {
                take_sandbox(dr);
                create_part_done(dr, NULL);
                return;
        }
        const char *why = error != NULL && error->message[0] != '\0' ? error->message : strerror(-status);
        /* The same number stands for a range of addresses or ports that is used up. */
        bool full = strstr(why, strerror(ENOSPC)) != NULL;
        (void)error_api(&named, status == -EADDRINUSE ? "CannotStartContainerError" : "ContainerNetworkingError", "%s%s", why,
                        full ? "; free space on the node's disk, then run the task again" : "");
        if (full)
                dr->d->no_space(dr->d->data);
        create_part_done(dr, &named);
}

static bool wants_sandbox(const struct engine_container *c, enum vpc_mode *ret_mode)
{
        const char *mode = engine_task_network_mode(c->task);

        /* The task's own, which all its containers share: network.c. */
        if (engine_task_is_awsvpc(c->task) && !c->config->network_disabled)
                return false;
        *ret_mode = str_eq(mode, "none") || c->config->network_disabled ? VPC_NONE : VPC_BRIDGE;
        return !str_eq(mode, "host") || c->config->network_disabled;
}

static void create_sandbox(struct drive *dr)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct error error = {0};
        struct vpc_sandbox_spec spec = {.id = dr->c->runtime_id};
        struct vpc_port *ports = NULL;

        if (!wants_sandbox(dr->c, &spec.mode))
                return;
        dr->create_parts++;
        if (dr->d->vpc == NULL) {
                if (spec.mode == VPC_BRIDGE)
                        (void)error_api(&error, "ContainerNetworkingError",
                                        "this node runs without a container network; use the network mode host or none");
                create_part_done(dr, spec.mode == VPC_BRIDGE ? &error : NULL);
                return;
        }
        if (vpc_sandbox_find(dr->d->vpc, spec.id) != NULL) {
                /* The agent was restarted between making it and starting the container. */
                take_sandbox(dr);
                create_part_done(dr, NULL);
                return;
        }
        if (spec.mode == VPC_BRIDGE && ports_wanted(dr->c, &arena, &ports, &spec.n_ports, &error) < 0) {
                create_part_done(dr, &error);
                return;
        }
        spec.ports = ports;
        dr->op.done = on_sandbox;
        vpc_sandbox_create(dr->d->vpc, &spec, &dr->op);
}

static void on_log_open(struct engine_container *c, const struct error *error, void *data)
{
        (void)data;
        create_part_done(drive_of(c), error);
}

static void d_create(struct engine_container *c)
{
        struct drive *dr = drive_of(c);
        struct error error = {0};

        dr->create_parts = 1;
        error_clear(&dr->create_error);
        create_sandbox(dr);
        int r = log_ship_open(dr->d->logs, c, on_log_open, NULL, &error);
        if (r > 0)
                dr->create_parts++;
        create_part_done(dr, r < 0 ? &error : NULL);
}

bool driver_has_network(const struct engine_container *c)
{
        enum vpc_mode mode;

        return (wants_sandbox(c, &mode) && mode == VPC_BRIDGE) || engine_task_is_awsvpc(c->task);
}

/* ---- start ---- */

static void start_now(struct drive *dr);

static void on_started(struct runtime_container *rc, int status, const struct error *error, void *data)
{
        struct drive *dr = data;

        dr->image = image_unref(dr->image);
        if (status < 0) {
                dr->rc = NULL;
                if (status == -ENOSPC)
                        dr->d->no_space(dr->d->data);
                engine_container_started(dr->c, error, 0);
                return;
        }
        log_ship_follow(dr->d->logs, dr->c, runtime_container_log_path(rc));
        engine_container_started(dr->c, NULL, runtime_container_started_ms(rc));
}

static void on_stored(struct keeper_wait *wait)
{
        struct drive *dr = CONTAINER_OF(wait, struct drive, exit_wait);

        if (dr->rc != NULL)
                runtime_container_acknowledge(dr->rc);
        drive_release_groups(dr->c->task);
}

void drive_exit_reason(const struct runtime_exit *from, struct engine_exit *ret)
{
        static const char *const reasons[RUNTIME_EXIT_CAUSE_MAX] = {
                [RUNTIME_REBOOTED] =
                        "ContainerVanishedError: the machine was rebooted while the container ran; a service starts another one, a "
                        "standalone task has to be run again",
                [RUNTIME_VANISHED] =
                        "ContainerVanishedError: the container's monitor process was killed, so that its exit code is not known; look for "
                        "what killed conmon on the node",
                [RUNTIME_NEVER_STARTED] =
                        "CannotStartContainerError: the agent ended while the container was being started; run the task again",
        };

        *ret = (struct engine_exit){.has_exit_code = from->has_exit_code,
                                    .exit_code = from->exit_code,
                                    .oom_killed = from->cause == RUNTIME_OOM,
                                    .reason = reasons[from->cause],
                                    .finished_ms = from->stopped_ms};
}

static void on_exited(struct runtime_container *rc, const struct runtime_exit *ended, void *data)
{
        struct drive *dr = data;
        struct engine_exit e;

        (void)rc;
        drive_exit_reason(ended, &e);
        if (ended->cause == RUNTIME_REBOOTED)
                engine_task_set_reason(dr->c->task, "Host was rebooted.");
        engine_container_exited(dr->c, &e);
        if (dr->c->state != CONTAINER_STOPPED)
                return; /* restart policy: the log goes on */
        log_ship_finish(dr->c);
        keeper_wait_cancel(&dr->exit_wait);
        dr->exit_wait.done = on_stored;
        keeper_sync(dr->d->keeper, dr->c->task, &dr->exit_wait);
}

static const struct runtime_events runtime_events = {.started = on_started, .exited = on_exited};

static const struct runtime_mount *mounts_of(const struct engine_container *source, uint32_t *ret_n)
{
        struct runtime_container *rc = driver_container(source);

        if (rc == NULL) {
                *ret_n = 0;
                return NULL;
        }
        return runtime_container_mounts(rc, ret_n);
}

static void make_spec(struct drive *dr, struct arena *arena, struct runtime_container_spec *spec)
{
        const struct drive_task *dt = dr->c->task->driver;
        struct vpc_sandbox *own = dr->d->vpc != NULL ? vpc_sandbox_find(dr->d->vpc, dr->c->runtime_id) : NULL;
        struct vpc_sandbox *sandbox = own != NULL ? own : drive_task_sandbox(dr->d, dr->c->task);
        const struct oci_image_config *config = dr->image->config;
        struct spec_context context = {
                .data_dir = dr->d->options->data_dir,
                .cluster = engine_task_cluster(dr->c->task, dr->d->cluster),
                .region = dr->d->options->region,
                .sandbox_path = sandbox != NULL ? vpc_sandbox_path(sandbox) : NULL,
                .address = sandbox != NULL ? vpc_sandbox_address(sandbox) : NULL,
                .resolv_conf = sandbox != NULL ? dr->d->resolv_conf : NULL,
                .pause_pid_path = dt->pid_path,
                .pause_ipc_path = dt->ipc_path,
                .pause_user_path = dt->user_path,
                .image = dr->image,
                .image_env = config->config != NULL ? &config->config->env : NULL,
                .mounts_of = mounts_of,
        };
        enum vpc_mode mode;

        spec_make(dr->c, &context, arena, spec);
        if (sandbox == NULL && wants_sandbox(dr->c, &mode))
                spec->network.mode = RUNTIME_NS_PRIVATE;
}

static bool take_flag(bool *flag)
{
        bool was = *flag;

        *flag = false;
        return was;
}

/* Something of this name is left from an attempt that nobody remembers: away with it, then again. */
static void on_leftover_removed(void *data)
{
        struct drive *dr = data;

        dr->clearing = false;
        if (dr->c == NULL)
                free(dr);
        else if (!take_flag(&dr->abandoned))
                start_now(dr);
}

/* A leftover that is being removed already. The limit of the start ends this. */
static void start_again(struct timer *timer)
{
        start_now(CONTAINER_OF(timer, struct drive, retry));
}

static void start_now(struct drive *dr)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct runtime_container_spec spec;
        struct error error = {0};

        if (dr->image == NULL) {
                (void)error_api(&error, "CannotStartContainerError", "the image went away; run the task again");
                engine_container_started(dr->c, &error, 0);
                return;
        }
        make_spec(dr, &arena, &spec);
        int r = runtime_start(dr->d->runtime, &spec, &runtime_events, dr, &dr->rc, &error);
        struct runtime_container *old = r == -EEXIST ? runtime_find(dr->d->runtime, spec.id) : NULL;
        if (old != NULL) {
                dr->clearing = true;
                runtime_remove(old, on_leftover_removed, dr);
                return;
        }
        if (r == -EEXIST) {
                dr->rc = NULL;
                timers_set(dr->d->timers, &dr->retry, RETRY_MS, start_again);
                return;
        }
        if (r < 0) {
                dr->rc = NULL;
                dr->image = image_unref(dr->image);
                engine_container_started(dr->c, &error, 0);
                return;
        }
        if (dr->stop_timeout_ms != NULL)
                runtime_stop(dr->rc, *dr->stop_timeout_ms);
}

static void d_start(struct engine_container *c)
{
        if (drive_in_vm(c->task)) {
                drive_vm_start(c, false);
                return;
        }
        start_now(drive_of(c));
}

static void d_restart(struct engine_container *c)
{
        struct drive *dr = drive_of(c);
        struct error error = {0};

        if (drive_in_vm(c->task)) {
                drive_vm_start(c, true);
                return;
        }

        if (dr->rc == NULL || runtime_restart(dr->rc, &error) < 0) {
                if (!error_is_set(&error))
                        (void)error_set(&error, ESRCH, "the container is gone");
                engine_container_started(c, &error, 0);
        }
}

static void d_abandon(struct engine_container *c)
{
        struct drive *dr = drive_of(c);

        vpc_op_cancel(&dr->op);
        timers_cancel(dr->d->timers, &dr->retry);
        log_ship_open_cancel(c);
        dr->abandoned = dr->clearing;
        dr->image = image_unref(dr->image);
        if (drive_in_vm(c->task))
                drive_vm_abandon(c);
        if (dr->rc != NULL)
                runtime_remove(TAKE(dr->rc), NULL, NULL);
}

static void d_stop(struct engine_container *c, uint32_t timeout_ms)
{
        struct drive *dr = drive_of(c);

        dr->stop_timeout_value_ms = timeout_ms;
        dr->stop_timeout_ms = &dr->stop_timeout_value_ms;
        if (drive_in_vm(c->task))
                drive_vm_stop(c, timeout_ms);
        if (dr->rc != NULL)
                runtime_stop(dr->rc, timeout_ms);
}

/* ---- health ---- */

static void on_probed(struct runtime_exec *exec, const struct runtime_exec_result *result)
{
        struct drive *dr = CONTAINER_OF(exec, struct drive, exec);
        struct arena arena CLEANUP_ARENA = {0};

        dr->probing = false;
        if (result->status == 0) {
                engine_container_probed(dr->c, result->exit_code, result->output, result->output_len);
                return;
        }
        const char *text = result->status == -ETIMEDOUT ? arena_printf(&arena, "the check took longer than %u ms", exec->timeout_ms)
                           : result->error != NULL      ? result->error->message
                                                        : strerror(-result->status);
        engine_container_probed(dr->c, -1, text, (uint32_t)strlen(text));
}

static void d_probe(struct engine_container *c, uint32_t timeout_ms)
{
        struct drive *dr = drive_of(c);
        struct arena arena CLEANUP_ARENA = {0};
        const struct string_list *test = &c->config->healthcheck->test;
        struct string_list args = {0};
        uint32_t first = 0;

        if (dr->rc == NULL && !drive_in_vm(c->task)) {
                engine_container_probed(c, -1, "", 0);
                return;
        }
        if (str_eq(test->items[0], "CMD-SHELL")) {
                string_list_push(&arena, &args, "/bin/sh");
                string_list_push(&arena, &args, "-c");
                first = 1;
        } else if (str_eq(test->items[0], "CMD")) {
                first = 1;
        }
        for (uint32_t i = first; i < test->n; i++)
                string_list_push(&arena, &args, test->items[i]);
        if (drive_in_vm(c->task)) {
                drive_vm_probe(c, &args, timeout_ms);
                return;
        }
        dr->exec = (struct runtime_exec){.args = args, .timeout_ms = timeout_ms, .done = on_probed};
        dr->probing = true;
        runtime_exec_start(dr->rc, &dr->exec);
}

static void d_probe_cancel(struct engine_container *c)
{
        struct drive *dr = drive_of(c);

        if (drive_in_vm(c->task))
                drive_vm_probe_cancel(c);
        if (dr->probing)
                runtime_exec_cancel(&dr->exec);
        dr->probing = false;
}

/* ---- adoption and end ---- */

void driver_adopt(struct driver *driver, struct engine_container *c, struct runtime_container *running)
{
        struct drive *dr = drive_of(c);

        if (driver->vpc != NULL)
                take_sandbox(dr);
        const struct vpc_sandbox *shared = drive_task_sandbox(driver, c->task);
        if (shared != NULL) {
                free(c->address);
                c->address = xstrdup(vpc_sandbox_address(shared));
        }
        if (running == NULL)
                return;
        dr->rc = running;
        log_ship_follow(driver->logs, c, runtime_container_log_path(running));
        if (c->state == CONTAINER_STOPPED)
                log_ship_finish(c);
        runtime_container_adopt(running, &runtime_events, dr);
}

void drive_free(struct engine_container *c)
{
        struct drive *dr = TAKE(c->driver);

        if (c->log != NULL)
                log_ship_forget(c);
        if (dr == NULL)
                return;
        if (dr->vm != NULL)
                drive_vm_box_free(dr);
        if (dr->pulling)
                image_pull_cancel(&dr->pull);
        if (dr->probing)
                runtime_exec_cancel(&dr->exec);
        vpc_op_cancel(&dr->op);
        timers_cancel(dr->d->timers, &dr->retry);
        keeper_wait_cancel(&dr->exit_wait);
        dr->image = image_unref(dr->image);
        dr->c = NULL;
        if (!dr->clearing)
                free(dr);
}

static void d_changed(struct engine_task *t, unsigned what)
{
        struct driver *d = t->engine->data;

        if ((what & ENGINE_SAVE) != 0)
                keeper_touch(d->keeper, t);
        if ((what & ENGINE_REPORT) != 0)
                reporter_touch(d->reporter, t);
        if ((what & ENGINE_HEALTH) != 0)
                d->health_changed(t, d->data);
}

static bool d_may_remove(struct engine_task *t)
{
        for (uint32_t i = 0; i < t->n_containers; i++) {
                if (!log_ship_is_done(&t->containers[i]))
                        return false;
        }
        return reporter_is_settled(t);
}

const struct engine_driver driver_ops = {
        .pull = d_pull,
        .pull_cancel = d_pull_cancel,
        .prepare = drive_prepare,
        .create = d_create,
        .start = d_start,
        .restart = d_restart,
        .abandon = d_abandon,
        .stop = d_stop,
        .probe = d_probe,
        .probe_cancel = d_probe_cancel,
        .release = drive_release,
        .remove = drive_remove,
        .changed = d_changed,
        .may_remove = d_may_remove,
};
