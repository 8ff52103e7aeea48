/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: what the next agent must know of a container; and how it finds out what became of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "runtime/cgroup_container.h"
#include "runtime/runtime_internal.h"

#define STATE_MAX (4 << 20)

/* ---- writing ---- */

static void add_mount(struct arena *arena, struct oci_stored_container *stored, const struct runtime_mount *mount)
{
        struct oci_stored_mount *item = SHAPE_PUSH(arena, &stored->mounts);

        SHAPE_SET(item, oci_stored_mount, kind, (int32_t)mount->kind);
        SHAPE_SET(item, oci_stored_mount, read_only, mount->read_only);
        item->source = mount->source;
        item->destination = mount->destination;
        item->options = mount->options;
}

static void describe(const struct runtime_container *container, struct buf *ret)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct oci_stored_container *stored = ARENA_NEW(&arena, struct oci_stored_container);

        stored->id = container->id;
        stored->task_id = container->task_id;
        stored->image = container->image_digest;
        stored->boot_id = container->runtime->boot_id;
        for (uint32_t i = 0; i < container->n_layers; i++)
                string_list_push(&arena, &stored->layers, container->layers[i]);
        SHAPE_SET(stored, oci_stored_container, log_none, container->log_none);
        SHAPE_SET(stored, oci_stored_container, log_max_bytes, container->log_max_bytes);
        SHAPE_SET(stored, oci_stored_container, tty, container->tty);
        SHAPE_SET(stored, oci_stored_container, stdin_open, container->stdin_open);
        SHAPE_SET(stored, oci_stored_container, stop_signal, container->stop_signal);
        SHAPE_SET(stored, oci_stored_container, host_network, container->host_network);
        SHAPE_SET(stored, oci_stored_container, user_base, (int64_t)container->user_base);
        SHAPE_SET(stored, oci_stored_container, own_disk, container->disk != NULL);
        for (uint32_t i = 0; i < container->n_mounts; i++)
                add_mount(&arena, stored, &container->mounts[i]);
        stored->started_at = container->started_ms;
        SHAPE_SET(stored, oci_stored_container, pid, container->first.pid);
        SHAPE_SET(stored, oci_stored_container, pid_start, (int64_t)container->first.start);
        SHAPE_SET(stored, oci_stored_container, monitor_pid, container->monitor.pid);
        SHAPE_SET(stored, oci_stored_container, monitor_start, (int64_t)container->monitor.start);
        SHAPE_SET(stored, oci_stored_container, oom_base, (int64_t)container->oom_base);
        SHAPE_WRITE(oci_stored_container, stored, ret);
}

static int write_state(const struct runtime *runtime, const char *id, const struct buf *text)
{
        CLEANUP_FREE char *name = xprintf("%s/state.json", id);

        return files_write(runtime->dir_fd, name, text->data, text->len, 0600, false);
}

int container_save(struct runtime_container *container)
{
        CLEANUP_BUF struct buf text = {0};

        describe(container, &text);
        return write_state(container->runtime, container->id, &text);
}

struct save {
        struct runtime_work work;
        struct runtime_container *container;
        struct buf text;
        int result;
};

static void run_save(struct runtime_work *work)
{
        struct save *save = CONTAINER_OF(work, struct save, work);

        save->result = write_state(work->runtime, save->container->id, &save->text);
}

static void after_save(struct runtime_work *work)
{
        struct save *save = CONTAINER_OF(work, struct save, work);
        struct runtime_container *container = save->container;

        if (save->result < 0)
                log_warn("cannot write the state of a container: a restarted agent may not recognise it", LOG_S("container", container->id),
                         LOG_ERRNO(save->result));
        buf_done(&save->text);
        free(save);
        container->saving = false;
        if (container->removing && !container->working) {
                container_teardown(container);
                return;
        }
        if (container->save_again && !container->removing)
                container_save_later(container);
        container_settle(container);
}

void container_save_later(struct runtime_container *container)
{
        struct save *save;

        container->save_again = container->saving;
        if (container->saving || container->removing)
                return;
        save = xalloc(sizeof(*save));
        container->saving = true;
        save->container = container;
        describe(container, &save->text);
        save->work.work = run_save;
        save->work.after = after_save;
        runtime_work_start(container->runtime, &save->work);
}

/* ---- acknowledging ---- */

struct acknowledgement {
        struct runtime_work work;
        char *name;
};

static void run_acknowledge(struct runtime_work *work)
{
        struct acknowledgement *acknowledgement = CONTAINER_OF(work, struct acknowledgement, work);
        int fd = openat(work->runtime->dir_fd, acknowledgement->name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        if (fd >= 0)
                close(fd);
}

static void after_acknowledge(struct runtime_work *work)
{
        struct acknowledgement *acknowledgement = CONTAINER_OF(work, struct acknowledgement, work);

        free(acknowledgement->name);
        free(acknowledgement);
}

void runtime_container_acknowledge(struct runtime_container *container)
{
        struct acknowledgement *acknowledgement;

        if (container->state != RUNTIME_STOPPED || container->acknowledged)
                return;
        container->acknowledged = true;
        container->unread = false;
        acknowledgement = xalloc(sizeof(*acknowledgement));
        acknowledgement->name = xprintf("%s/acknowledged", container->id);
        acknowledgement->work.work = run_acknowledge;
        acknowledgement->work.after = after_acknowledge;
        runtime_work_start(container->runtime, &acknowledgement->work);
}

bool runtime_container_is_acknowledged(const struct runtime_container *container)
{
        return container->acknowledged;
}

/* ---- reading ---- */

static void take_stored(struct runtime_container *container, const struct oci_stored_container *stored)
{
        struct arena *arena = &container->arena;
        const char **layers = arena_calloc(arena, (size_t)stored->layers.n + 1, sizeof(*layers));
        struct runtime_mount *mounts = arena_calloc(arena, (size_t)stored->mounts.n + 1, sizeof(*mounts));

        for (uint32_t i = 0; i < stored->layers.n; i++)
                layers[i] = arena_strdup(arena, stored->layers.items[i]);
        for (uint32_t i = 0; i < stored->mounts.n; i++) {
                const struct oci_stored_mount *item = &stored->mounts.items[i];

                mounts[i].kind = (enum runtime_mount_kind)item->kind;
                mounts[i].source = arena_strdup(arena, item->source);
                mounts[i].destination = arena_strdup(arena, item->destination);
                mounts[i].options = arena_strdup(arena, item->options);
                mounts[i].read_only = item->read_only;
        }
        container->layers = layers;
        container->n_layers = stored->layers.n;
        container->mounts = mounts;
        container->n_mounts = stored->mounts.n;
        container->image_digest = arena_strdup(arena, stored->image);
        container->log_path = arena_printf(arena, "%s/log", container->dir);
        container->log_none = stored->log_none;
        container->log_max_bytes = stored->log_max_bytes;
        container->tty = stored->tty;
        container->stdin_open = stored->stdin_open;
        container->stop_signal = stored->stop_signal;
        container->host_network = stored->host_network;
        container->user_base = (uint32_t)stored->user_base;
        if (stored->own_disk)
                container->disk = runtime_disk(container->runtime, container->task_id, 0);
        container->started_ms = stored->started_at;
        container->oom_base = (uint64_t)stored->oom_base;
        if (container->image_digest != NULL && container->runtime->images != NULL)
                container->image = image_store_find(container->runtime->images, container->image_digest);
}

static bool has_file(const struct runtime_container *container, const char *name)
{
        CLEANUP_FREE char *path = xprintf("%s/%s", container->id, name);

        return faccessat(container->runtime->dir_fd, path, F_OK, 0) == 0;
}

/* The agent died between letting the process go and writing so down: crun's fifo is gone then. */
static int32_t pid_of_unrecorded(const struct runtime_container *container)
{
        CLEANUP_FREE char *fifo = xprintf("%s/%s/exec.fifo", container->runtime->crun_root, container->id);
        CLEANUP_FREE char *status = xprintf("%s/%s/status", container->runtime->crun_root, container->id);
        CLEANUP_FREE char *pidfile = xprintf("%s/pidfile", container->bundle);
        CLEANUP_BUF struct buf text = {0};
        int64_t pid;

        if (access(status, F_OK) < 0 || access(fifo, F_OK) == 0 || buf_read_file(&text, pidfile, 32) < 0)
                return 0;
        text.data[strcspn(text.data, "\n")] = '\0';
        return str_to_int64(text.data, &pid) == 0 && pid > 0 && pid < INT32_MAX ? (int32_t)pid : 0;
}

static void set_stopped(struct runtime_container *container, enum runtime_exit_cause cause)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        container->state = RUNTIME_STOPPED;
        container_read_exit(container, &container->exit);
        if (container->exit.cause == RUNTIME_VANISHED)
                container->exit.cause = cause;
        container->unread = !container->acknowledged;
}

/* What became of it while no agent ran. */
static void find_out(struct runtime_container *container, const struct oci_stored_container *stored)
{
        bool same_boot = str_eq(stored->boot_id, container->runtime->boot_id);
        int32_t pid = stored->pid;

        container->acknowledged = has_file(container, "acknowledged");
        if (!same_boot) {
                set_stopped(container, stored->started_at != 0 ? RUNTIME_REBOOTED : RUNTIME_NEVER_STARTED);
                return;
        }
        if (pid == 0)
                pid = pid_of_unrecorded(container);
        if (has_file(container, "exit") ||
            container_open_process(&container->monitor, stored->monitor_pid, (uint64_t)stored->monitor_start) < 0) {
                set_stopped(container, pid != 0 ? RUNTIME_VANISHED : RUNTIME_NEVER_STARTED);
                return;
        }
        if (pid == 0) {
                container->state = RUNTIME_STARTING;
                container_end_processes(container);
                container_close_process(&container->monitor);
                set_stopped(container, RUNTIME_NEVER_STARTED);
                container->exit = (struct runtime_exit){.cause = RUNTIME_NEVER_STARTED, .stopped_ms = container->exit.stopped_ms};
                return;
        }
        container->state = RUNTIME_RUNNING;
        /* Its first process may be gone, with the monitor about to say so. */
        (void)(container_open_process(&container->first, pid, (uint64_t)stored->pid_start) < 0);
        if (container->started_ms == 0)
                container->started_ms = container->exit.stopped_ms;
        if (container_watch_monitor(container) < 0)
                log_error("cannot watch a running container", LOG_S("container", container->id));
}

static int load_container(const char *entry, void *data)
{
        struct runtime *runtime = data;
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *path = xprintf("%s/%s/state.json", runtime->dir, entry);
        struct oci_stored_container *stored;
        struct runtime_container *container;

        if (str_eq(entry, "lock"))
                return 0;
        /* Without its state nothing was ever started in there. */
        if (buf_read_file(&text, path, STATE_MAX) < 0 ||
            SHAPE_PARSE(oci_stored_container, &arena, text.data, text.len, NULL, &stored, NULL) < 0 || !str_eq(stored->id, entry)) {
                log_info("removing the rest of a container that was never started", LOG_S("container", entry));
                (void)(files_remove(runtime->dir_fd, entry) < 0);
                return 0;
        }
        container = container_new(runtime, stored->id, stored->task_id);
        take_stored(container, stored);
        find_out(container, stored);
        return 0;
}

int containers_load(struct runtime *runtime, struct error *error)
{
        int r = files_each(runtime->dir_fd, ".", load_container, runtime);

        return r < 0 ? error_set(error, -r, "cannot read the containers in %s: %s", runtime->dir, strerror(-r)) : 0;
}
