/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that run in a micro-VM of their own. The engine, the images, the logs and what is told to the server are those of any task;
 * only the hands reach into the machine. So a task's states are kept in one place, and the machine needs neither a key nor a way to
 * the server: nothing that a task could take.
 *
 *     prepare: vm_take ──► network (the machine's tap) ──► vm_configure      start: disk, bundle ──► vm_start_box      release: vm_end
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/driver/internal.h"
#include "agent/engine/spec.h"
#include "api/oci.idl.h"
#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/image_disk.h"
#include "runtime/bundle.h"
#include "runtime/seccomp_profile.h"

#define INSIDE "/disk"                   /* where the machine keeps the task's files */
#define INIT_INSIDE "/usr/bin/catatonit" /* of the guest's image */
#define FILE_MAX ((size_t)256 << 10)
#define NOFILE_INSIDE 1048576
#define KILL_AGAIN_MS 5000

/* The driver's part of a container in a machine. */
struct drive_vm_box {
        struct drive *dr; /* NULL: forgotten, frees itself when the job ends */
        uv_work_t work;
        bool working, dropped; /* a start is being prepared; its result is not wanted */
        struct arena arena;    /* of the start */
        struct runtime_container_spec spec;
        struct image *image;
        struct guest_start message;
        struct bundle_result bundle;
        int disk_fd;
        struct error error;
        int stop_signal;
        bool started, following; /* engine_container_started was called; the log is followed */
        bool starting;           /* the engine waits for it */
        struct timer kill_timer;
        struct vm_exec exec;
        bool probing;
        const struct runtime_mount *mounts; /* in `kept` */
        uint32_t n_mounts;
        struct arena kept;
};

bool drive_in_vm(const struct engine_task *t)
{
        const struct driver *d = t->engine->data;

        return d->vms != NULL && engine_task_is_fargate(t);
}

static struct drive_vm_box *box_of(struct engine_container *c)
{
        struct drive *dr = drive_of(c);

        if (dr->vm == NULL) {
                dr->vm = xalloc(sizeof(*dr->vm));
                dr->vm->dr = dr;
                dr->vm->disk_fd = -1;
                dr->vm->stop_signal = SIGTERM;
        }
        return dr->vm;
}

static struct vm *machine_of(const struct engine_container *c)
{
        const struct drive_task *dt = c->task->driver;

        return dt != NULL ? dt->vm : NULL;
}

/* ---- the machine ---- */

static void prepared(struct drive_task *dt, const struct error *error)
{
        struct error named = {0};

        if (!dt->vm_preparing)
                return;
        dt->vm_preparing = false;
        if (error != NULL && error->code[0] == '\0')
                (void)error_api(&named, "ResourceInitializationError", "the server of the task could not be made: %s", error->message);
        engine_task_prepared(dt->t, error != NULL && named.code[0] != '\0' ? &named : error);
}

static void on_network(struct drive_task *dt, const struct error *error)
{
        const struct vpc_sandbox *sandbox = drive_task_sandbox(dt->d, dt->t);
        struct arena arena CLEANUP_ARENA = {0};
        struct guest_configure in = {.gateway_mac = VPC_ROUTER_MAC};
        char gateway[20];

        if (error != NULL || sandbox == NULL || dt->vm == NULL) {
                prepared(dt, error);
                return;
        }
        vpc_sandbox_gateway(sandbox, gateway);
        in.gateway = gateway;
        in.address = vpc_sandbox_address(sandbox);
        in.mac = vpc_sandbox_mac(sandbox);
        in.hostname = arena_printf(&arena, "ip-%s", in.address);
        for (char *p = (char *)(uintptr_t)in.hostname; *p != '\0'; p++)
                if (*p == '.')
                        *p = '-';
        SHAPE_SET(&in, guest_configure, mtu, (int32_t)vpc_sandbox_mtu(sandbox));
        vm_configure(dt->vm, &in);
}

static void on_taken(struct vm *vm, const struct error *error, void *data)
{
        struct drive_task *dt = data;

        if (error != NULL) {
                struct error copy = *error;

                dt->vm = vm_free(vm);
                prepared(dt, &copy);
        } else if (dt->t->stop_wanted) {
                prepared(dt, NULL);
        } else {
                drive_network_make(dt, on_network);
        }
}

static void on_configured(struct vm *vm, const struct error *error, void *data)
{
        struct drive_task *dt = data;

        (void)vm;
        dt->vm_ready = error == NULL;
        if (error != NULL && !dt->vm_preparing)
                engine_task_stop(dt->t, "the task's server was lost: %s", error->message);
        else
                prepared(dt, error);
}

static void box_exited(struct engine_container *c, const struct engine_exit *ended)
{
        struct drive_vm_box *box = box_of(c);
        struct drive *dr = box->dr;

        timers_cancel(dr->d->timers, &box->kill_timer);
        box->started = false;
        engine_container_exited(c, ended);
        if (c->state == CONTAINER_STOPPED)
                log_ship_finish(c);
}

static void follow_log(struct engine_container *c)
{
        struct drive_vm_box *box = box_of(c);

        if (!box->following && machine_of(c) != NULL) {
                box->following = true;
                log_ship_follow(box->dr->d->logs, c, vm_log_path(machine_of(c), c->index));
        }
}

static void box_started(struct engine_container *c, const struct guest_box *it)
{
        struct drive_vm_box *box = box_of(c);

        box->starting = false;
        box->started = true;
        follow_log(c);
        vm_limit(machine_of(c));
        engine_container_started(c, NULL, it->started_at);
        if (box->dr->stop_timeout_ms != NULL)
                drive_vm_stop(c, *box->dr->stop_timeout_ms);
}

static void on_box(struct vm *vm, const struct guest_box *it, void *data)
{
        struct drive_task *dt = data;
        struct engine_container *c = it->index >= 0 && (uint32_t)it->index < dt->t->n_containers ? &dt->t->containers[it->index] : NULL;
        struct drive_vm_box *box = c != NULL ? box_of(c) : NULL;

        (void)vm;
        if (box == NULL)
                return;
        if (it->error != NULL && box->starting) {
                struct error error = {0};

                box->starting = false;
                (void)error_api(&error, "CannotStartContainerError", "%s", it->error);
                engine_container_started(c, &error, 0);
                return;
        }
        if (it->state != 0 && box->starting && it->error == NULL)
                box_started(c, it);
        if (it->state != 0 && c->started_ms == 0)
                c->started_ms = it->started_at;
        if (it->state == 2 && box->started) {
                const struct engine_exit ended = {
                        .has_exit_code = true, .exit_code = it->exit_code, .oom_killed = it->oom_killed, .finished_ms = it->finished_at};

                box_exited(c, &ended);
        }
}

static void on_ended(struct vm *vm, const char *reason, void *data)
{
        struct drive_task *dt = data;
        struct arena arena CLEANUP_ARENA = {0};
        const char *why = arena_printf(&arena, "the micro-VM of the task has ended: %s", reason);
        const struct engine_exit gone = {.reason = arena_printf(&arena, "ContainerVanishedError: %s", why),
                                         .finished_ms = env_now_ms(dt->d->env)};
        struct error error = {0};
        void (*released)(struct drive_task *) = TAKE(dt->vm_gone);

        dt->vm = vm_free(vm);
        dt->vm_ready = false;
        if (released != NULL) {
                released(dt);
                return;
        }
        (void)error_api(&error, "ResourceInitializationError", "%s", why);
        if (dt->vm_preparing) {
                drive_network_cancel(dt);
                prepared(dt, &error);
                return;
        }
        engine_task_set_reason(dt->t, "%s", why);
        for (uint32_t i = 0; i < dt->t->n_containers; i++) {
                struct drive_vm_box *box = box_of(&dt->t->containers[i]);

                if (box->started) {
                        box_exited(&dt->t->containers[i], &gone);
                } else if (box->starting) {
                        box->starting = false;
                        (void)error_api(&error, "CannotStartContainerError", "%s", why);
                        engine_container_started(&dt->t->containers[i], &error, 0);
                }
        }
        engine_task_stop(dt->t, "%s", why);
}

static const struct vm_callbacks callbacks = {.taken = on_taken, .configured = on_configured, .box = on_box, .ended = on_ended};

static void size_of(const struct engine_task *t, struct vm_size *ret)
{
        struct runtime_task_limits limits;

        (void)spec_task_limits(t, &limits);
        ret->cpu_millis = (uint32_t)MAX(limits.cpu_millis, 250);
        ret->memory_mib = (uint32_t)MAX(limits.memory_bytes >> 20, 512);
        ret->storage_gib = t->payload->ephemeral_storage_gib > 0 ? (uint32_t)t->payload->ephemeral_storage_gib : VM_STORAGE_GIB;
}

static void take(struct drive_task *dt)
{
        struct error error = {0};
        struct vm_size size;

        size_of(dt->t, &size);
        if (vm_take(dt->d->vms, dt->t->id, &size, &callbacks, dt, &dt->vm, &error) < 0)
                prepared(dt, &error);
}

static void on_old_network_gone(struct drive_task *dt)
{
        take(dt);
}

void drive_vm_prepare(struct drive_task *dt)
{
        if (dt->vm != NULL && dt->vm_ready) {
                engine_task_prepared(dt->t, NULL);
                return;
        }
        dt->vm_preparing = true;
        /* The interface of a machine that an earlier agent lost. */
        if (!drive_network_release(dt, on_old_network_gone))
                take(dt);
}

bool drive_vm_release(struct drive_task *dt, void (*gone)(struct drive_task *dt))
{
        if (dt->vm == NULL)
                return false;
        dt->vm_gone = gone;
        vm_end(dt->vm);
        return true;
}

void drive_vm_forget(struct drive_task *dt)
{
        dt->vm = vm_free(dt->vm);
}

/* ---- starting a container ---- */

static const struct runtime_mount *mounts_of(const struct engine_container *source, uint32_t *ret_n)
{
        const struct drive *dr = source->driver;

        *ret_n = dr != NULL && dr->vm != NULL ? dr->vm->n_mounts : 0;
        return *ret_n > 0 ? dr->vm->mounts : NULL;
}

/* Containers of one image share its disk. */
static int32_t image_number(const struct engine_container *c)
{
        for (uint32_t i = 0; i < c->index; i++)
                if (str_eq(c->task->containers[i].image_id, c->image_id))
                        return (int32_t)i;
        return (int32_t)c->index;
}

static void make_spec(struct drive_vm_box *box)
{
        struct drive *dr = box->dr;
        const struct engine_task *t = dr->c->task;
        const struct oci_image_config *config = box->image->config;
        const struct vpc_sandbox *sandbox = drive_task_sandbox(dr->d, t);
        const struct spec_context context = {
                .data_dir = INSIDE,
                .cluster = engine_task_cluster(dr->c->task, dr->d->cluster),
                .region = dr->d->options->region,
                .address = sandbox != NULL ? vpc_sandbox_address(sandbox) : NULL,
                .resolv_conf = dr->d->resolv_conf,
                .image = box->image,
                .image_env = config->config != NULL ? &config->config->env : NULL,
                .mounts_of = mounts_of,
        };

        spec_make(dr->c, &context, &box->arena, &box->spec);
        /* The machine has no other network, and its processes are the task's. */
        box->spec.network.mode = RUNTIME_NS_HOST;
        if (str_eq(t->payload->pid_mode, "task"))
                box->spec.pid.mode = RUNTIME_NS_HOST;
        if (str_eq(t->payload->ipc_mode, "task"))
                box->spec.ipc.mode = RUNTIME_NS_HOST;
}

static const char *volume_dir(uint32_t number, const char *destination, void *data)
{
        struct drive_vm_box *box = data;

        (void)destination;
        return arena_printf(&box->arena, INSIDE "/boxes/%u/volumes/%u", box->message.index, number);
}

static void add_volume(struct drive_vm_box *box, const struct runtime_mount *mount)
{
        struct guest_volume *volume;

        if (mount->kind != RUNTIME_MOUNT_BIND || !str_starts_with(mount->source, INSIDE "/"))
                return;
        volume = SHAPE_PUSH(&box->arena, &box->message.volumes);
        volume->source = mount->source;
        volume->destination = mount->destination;
        SHAPE_SET(volume, guest_volume, copy_up, mount->copy_up);
}

/* Files that are mounted into the container (hosts, resolv.conf …) go along. */
static int add_files(struct drive_vm_box *box)
{
        for (uint32_t i = 0; i < box->bundle.config->mounts.n; i++) {
                const char *source = box->bundle.config->mounts.items[i].source;
                struct buf text = {0};
                struct stat st;

                if (!str_eq(box->bundle.config->mounts.items[i].type, "bind") || str_eq(source, INIT_INSIDE) ||
                    str_starts_with(source, INSIDE "/") || stat(source, &st) < 0 || !S_ISREG(st.st_mode))
                        continue;
                int r = buf_read_file(&text, source, FILE_MAX);
                if (r < 0)
                        return error_set(&box->error, -r, "cannot read %s: %s", source, strerror(-r));
                struct guest_file *file = SHAPE_PUSH(&box->arena, &box->message.files);
                file->path = source;
                file->content = arena_strndup(&box->arena, text.data != NULL ? text.data : "", text.len);
                buf_done(&text);
        }
        return 0;
}

static void keep_volumes(struct drive_vm_box *box)
{
        struct runtime_mount *mounts = arena_calloc(&box->kept, box->message.volumes.n + 1, sizeof(*mounts));

        for (uint32_t i = 0; i < box->message.volumes.n; i++)
                mounts[i] = (struct runtime_mount){.kind = RUNTIME_MOUNT_BIND,
                                                   .source = arena_strdup(&box->kept, box->message.volumes.items[i].source),
                                                   .destination = arena_strdup(&box->kept, box->message.volumes.items[i].destination)};
        box->mounts = mounts;
        box->n_mounts = box->message.volumes.n;
}

/* In the pool: the image as a disk, and the specification. */
static void prepare_start(uv_work_t *work)
{
        struct drive_vm_box *box = CONTAINER_OF(work, struct drive_vm_box, work);
        const struct driver *d = box->dr->d;
        const char *task_id = box->spec.task_id;
        const struct bundle_context context = {
                .dir = arena_printf(&box->arena, "%s/%d", vm_task_dir(d->vms, task_id, &box->arena), box->message.index),
                .rootfs = "rootfs",
                .layers = box->image->layers,
                .n_layers = box->image->n_layers,
                .image = box->image->config,
                .init = INIT_INSIDE,
                .cgroup_version = 2,
                .seccomp = d->seccomp,
                .nofile_max = NOFILE_INSIDE,
                .volume_dir = volume_dir,
                .data = box,
        };
        int r = files_make_dirs(context.dir, 0700);

        if (r < 0) {
                (void)error_set(&box->error, -r, "cannot make %s: %s", context.dir, strerror(-r));
                return;
        }
        box->disk_fd = image_disk_open(box->image, &box->error);
        if (box->disk_fd < 0 || bundle_write(&context, &box->spec, &box->arena, &box->bundle, &box->error) < 0)
                return;
        for (uint32_t i = 0; i < box->bundle.n_image_volumes; i++)
                add_volume(box, &box->bundle.image_volumes[i]);
        for (uint32_t i = 0; i < box->spec.n_mounts; i++)
                add_volume(box, &box->spec.mounts[i]);
        (void)add_files(box);
}

static void free_box(struct drive_vm_box *box)
{
        if (box->disk_fd >= 0)
                close(box->disk_fd);
        box->image = image_unref(box->image);
        arena_done(&box->arena);
        arena_done(&box->kept);
        free(box);
}

static void start_failed(struct drive_vm_box *box)
{
        struct error named = {0};

        (void)error_api(&named, "CannotStartContainerError", "%s", box->error.message);
        box->starting = false;
        engine_container_started(box->dr->c, &named, 0);
}

static void on_start_prepared(uv_work_t *work, int status)
{
        struct drive_vm_box *box = CONTAINER_OF(work, struct drive_vm_box, work);
        struct vm *vm;

        (void)status;
        box->working = false;
        if (box->dr == NULL) {
                free_box(box);
                return;
        }
        box->dr->d->jobs--;
        box->image = image_unref(box->image);
        vm = machine_of(box->dr->c);
        bool dropped = box->dropped;
        box->dropped = false;
        if (!dropped) {
                if (!error_is_set(&box->error) && vm == NULL)
                        (void)error_set(&box->error, ESRCH, "the task's server has gone");
                if (error_is_set(&box->error)) {
                        start_failed(box);
                } else {
                        keep_volumes(box);
                        box->stop_signal = box->bundle.stop_signal;
                        box->message.spec = (struct oci_spec *)(uintptr_t)box->bundle.config;
                        vm_insert_image(vm, (uint32_t)box->message.image, TAKE_FD(box->disk_fd));
                        vm_start_box(vm, &box->message);
                }
        }
        if (box->disk_fd >= 0)
                close(TAKE_FD(box->disk_fd));
        arena_reset(&box->arena);
}

static void restart(struct engine_container *c)
{
        struct guest_start message = {0};
        struct drive_vm_box *box = box_of(c);

        SHAPE_SET(&message, guest_start, index, (int32_t)c->index);
        SHAPE_SET(&message, guest_start, image, -1);
        SHAPE_SET(&message, guest_start, again, true);
        box->starting = true;
        vm_start_box(machine_of(c), &message);
}

void drive_vm_start(struct engine_container *c, bool again)
{
        struct drive_vm_box *box = box_of(c);
        struct drive *dr = box->dr;

        error_clear(&box->error);
        if (machine_of(c) == NULL || (!again && (dr->image == NULL || c->index >= VM_BOXES))) {
                (void)error_set(&box->error, ESRCH, "%s",
                                c->index >= VM_BOXES    ? "a micro-VM holds ten containers"
                                : machine_of(c) == NULL ? "the task's server has gone"
                                                        : "the image went away; run the task again");
                start_failed(box);
                return;
        }
        if (again) {
                restart(c);
                return;
        }
        box->starting = true;
        box->image = image_ref(dr->image);
        box->message = (struct guest_start){0};
        SHAPE_SET(&box->message, guest_start, index, (int32_t)c->index);
        SHAPE_SET(&box->message, guest_start, image, image_number(c));
        make_spec(box);
        dr->image = image_unref(dr->image);
        box->working = true;
        dr->d->jobs++;
        int r = uv_queue_work(dr->d->loop, &box->work, prepare_start, on_start_prepared);
        assert(r == 0);
}

/* ---- stopping ---- */

void drive_vm_abandon(struct engine_container *c)
{
        struct drive_vm_box *box = box_of(c);

        box->dropped = box->working;
        box->starting = box->started = false;
        if (machine_of(c) != NULL)
                vm_signal_box(machine_of(c), c->index, SIGKILL, true);
}

static void on_kill_time(struct timer *timer)
{
        struct drive_vm_box *box = CONTAINER_OF(timer, struct drive_vm_box, kill_timer);

        if (machine_of(box->dr->c) == NULL)
                return;
        vm_signal_box(machine_of(box->dr->c), box->dr->c->index, SIGKILL, true);
        timers_set(box->dr->d->timers, &box->kill_timer, KILL_AGAIN_MS, on_kill_time);
}

void drive_vm_stop(struct engine_container *c, uint32_t timeout_ms)
{
        struct drive_vm_box *box = box_of(c);

        if (!box->started || machine_of(c) == NULL)
                return;
        if (timeout_ms > 0)
                vm_signal_box(machine_of(c), c->index, box->stop_signal, false);
        timers_set(box->dr->d->timers, &box->kill_timer, timeout_ms, on_kill_time);
}

/* ---- health ---- */

static void on_probed(struct vm_exec *exec, int status, int exit_code, const char *output, size_t len)
{
        struct drive_vm_box *box = CONTAINER_OF(exec, struct drive_vm_box, exec);
        const char *text = status == -ETIMEDOUT ? "the check took too long" : status < 0 ? strerror(-status) : NULL;

        box->probing = false;
        if (text != NULL)
                engine_container_probed(box->dr->c, -1, text, (uint32_t)strlen(text));
        else
                engine_container_probed(box->dr->c, exit_code, output, (uint32_t)len);
}

void drive_vm_probe(struct engine_container *c, const struct string_list *args, uint32_t timeout_ms)
{
        struct drive_vm_box *box = box_of(c);

        if (machine_of(c) == NULL) {
                engine_container_probed(c, -1, "", 0);
                return;
        }
        box->exec = (struct vm_exec){.done = on_probed, .timeout_ms = timeout_ms};
        box->probing = true;
        vm_exec_start(machine_of(c), c->index, args, &box->exec);
}

void drive_vm_probe_cancel(struct engine_container *c)
{
        struct drive_vm_box *box = box_of(c);

        if (box->probing)
                vm_exec_cancel(&box->exec);
        box->probing = false;
}

/* ---- figures ---- */

bool driver_vm_stats(const struct engine_container *c, struct runtime_stats *ret)
{
        struct vm *vm = machine_of(c);

        if (vm == NULL)
                return false;
        vm_ask_stats(vm);
        vm_stats(vm, c->index, ret);
        return true;
}

/* ---- adoption and end ---- */

void drive_vm_box_free(struct drive *dr)
{
        struct drive_vm_box *box = TAKE(dr->vm);

        if (box->probing)
                vm_exec_cancel(&box->exec);
        timers_cancel(dr->d->timers, &box->kill_timer);
        box->dr = NULL;
        if (box->working)
                dr->d->jobs--;
        else
                free_box(box);
}

static void vanish(struct engine_container *c, const char *why)
{
        engine_container_set_reason(c, "ContainerVanishedError: the micro-VM of the task has ended: %s", why);
        c->state = CONTAINER_STOPPED;
}

/* A task that never ran in it gets another machine. */
static bool has_run(const struct engine_task *t)
{
        for (uint32_t i = 0; i < t->n_containers; i++)
                if (t->containers[i].has_run)
                        return true;
        return false;
}

void drive_vm_adopt(struct driver *d, struct engine_task *t)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct drive_task *dt = drive_task_of(t);
        struct error error = {0};
        uint32_t ran = t->state < TASK_STOPPED ? vm_ran(d->vms, t->id) : 0;

        /* The machine's own record is ahead of the task's, which may have been on its way to the disk. */
        for (uint32_t i = 0; i < t->n_containers && i < VM_BOXES; i++)
                t->containers[i].has_run |= (ran >> i & 1) != 0;
        if (t->state < TASK_STOPPED && has_run(t) && vm_adopt(d->vms, t->id, &callbacks, dt, &dt->vm, &error) < 0)
                dt->vm = NULL;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct engine_container *c = &t->containers[i];
                struct drive_vm_box *box = box_of(c);

                if (c->state != CONTAINER_STOPPED && dt->vm == NULL && c->has_run)
                        vanish(c, error.message);
                else if (c->state != CONTAINER_STOPPED && !c->has_run)
                        c->state = CONTAINER_PULLING;
                else if (c->state != CONTAINER_STOPPED) {
                        c->state = CONTAINER_RUNNING;
                        box->started = true;
                }
                const char *log = vm_task_log(d->vms, t->id, i, &arena);
                if (c->has_run && access(log, F_OK) == 0) {
                        box->following = true;
                        log_ship_follow(d->logs, c, log);
                        if (c->state == CONTAINER_STOPPED)
                                log_ship_finish(c);
                }
        }
}
