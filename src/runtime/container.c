/* SPDX-License-Identifier: Apache-2.0 */
/* A container in memory: its parts, its handles, what others may look at. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "runtime/runtime_internal.h"

/* ---- processes ---- */

uint64_t container_process_start(int32_t pid)
{
        char path[48], text[1024];
        CLEANUP_CLOSE int fd = -1;
        const char *p;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        n = read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        /* The second field is the name, in parentheses, and may hold anything; the start time is the twentieth after it. */
        p = strrchr(text, ')');
        for (int i = 0; p != NULL && i < 20; i++)
                p = strchr(p + 1, ' ');
        return p != NULL ? strtoull(p + 1, NULL, 10) : 0;
}

int container_open_process(struct process_handle *process, int32_t pid, uint64_t start)
{
        int fd;

        if (pid <= 0)
                return -ESRCH;
        fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                return -errno;
        /* Looked up after opening: now the number cannot go to another process unnoticed. */
        if (start != 0 && container_process_start(pid) != start) {
                close(fd);
                return -ESRCH;
        }
        *process = (struct process_handle){.pid = pid, .start = start, .fd = fd};
        return 0;
}

void container_close_process(struct process_handle *process)
{
        if (process->fd >= 0)
                close(process->fd);
        *process = (struct process_handle){.fd = -1};
}

/* ---- life ---- */

static void on_timer_closed(uv_handle_t *handle)
{
        struct runtime_container *container = handle->data;

        container->handles--;
        container_settle(container);
}

struct runtime_container *container_new(struct runtime *runtime, const char *id, const char *task_id)
{
        struct runtime_container *container = xalloc(sizeof(*container));

        container->runtime = runtime;
        container->id = arena_strdup(&container->arena, id);
        container->task_id = arena_strdup(&container->arena, task_id);
        container->dir = arena_printf(&container->arena, "%s/%s", runtime->dir, id);
        container->bundle = arena_printf(&container->arena, "%s/bundles/%s", runtime->run_dir, id);
        container->cgroup = arena_printf(&container->arena, "%s/%s/%s", runtime->parent, task_id, id);
        container->first.fd = container->monitor.fd = container->sync_fd = container->report_fd = -1;
        list_init(&container->queue_link);
        list_init(&container->removed);
        map_insert(&runtime->containers, &container->node, container->id);
        container->timer.data = container;
        uv_timer_init(runtime->loop, &container->timer);
        container->timer_open = true;
        container->handles++;
        runtime->works++;
        return container;
}

void container_unlist(struct runtime_container *container)
{
        if (!container->unlisted)
                map_remove(&container->runtime->containers, &container->node);
        container->unlisted = true;
}

void container_free(struct runtime_container *container)
{
        struct runtime *runtime = container->runtime;

        container_unlist(container);
        container_close_process(&container->first);
        container_close_process(&container->monitor);
        if (container->sync_fd >= 0)
                close(container->sync_fd);
        if (container->report_fd >= 0)
                close(container->report_fd);
        image_unref(container->image);
        buf_done(&container->said);
        list_for_each (waiter, &container->removed, struct removal_waiter, link) {
                if (waiter->done != NULL && !runtime->freeing)
                        waiter->done(waiter->data);
                free(waiter);
        }
        arena_done(&container->arena);
        free(container);
        runtime_release(runtime);
}

void container_close_polls(struct runtime_container *container)
{
        if (container->sync_open) {
                container->sync_open = false;
                uv_close((uv_handle_t *)&container->sync_poll, on_timer_closed);
        }
        if (container->monitor_open) {
                container->monitor_open = false;
                uv_close((uv_handle_t *)&container->monitor_poll, on_timer_closed);
        }
}

void container_settle(struct runtime_container *container)
{
        if (!container->removing && !container->runtime->freeing)
                return;
        if (container->working || container->saving)
                return;
        container_close_polls(container);
        if (container->timer_open) {
                container->timer_open = false;
                uv_close((uv_handle_t *)&container->timer, on_timer_closed);
        }
        if (container->handles == 0)
                container_free(container);
}

/* ---- looking ---- */

const char *runtime_container_id(const struct runtime_container *container)
{
        return container->id;
}

const char *runtime_container_task_id(const struct runtime_container *container)
{
        return container->task_id;
}

enum runtime_state runtime_container_state(const struct runtime_container *container)
{
        return container->state;
}

int32_t runtime_container_pid(const struct runtime_container *container)
{
        return container->state == RUNTIME_RUNNING ? container->first.pid : 0;
}

int64_t runtime_container_started_ms(const struct runtime_container *container)
{
        return container->started_ms;
}

const struct runtime_exit *runtime_container_exit(const struct runtime_container *container)
{
        return container->state == RUNTIME_STOPPED ? &container->exit : NULL;
}

const char *runtime_container_log_path(const struct runtime_container *container)
{
        return container->log_none ? NULL : container->log_path;
}

const struct runtime_mount *runtime_container_mounts(const struct runtime_container *container, uint32_t *ret_n)
{
        *ret_n = container->n_mounts;
        return container->mounts;
}

const char *runtime_container_dir(const struct runtime_container *container)
{
        return container->dir;
}
