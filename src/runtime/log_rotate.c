/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps logs below their limits: a file that is too long becomes log.1 (the one before it goes), and conmon is told through its
 * control fifo to open a new one. conmon could rotate by itself, but it deletes what nobody may have read yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "runtime/runtime_internal.h"

#define INTERVAL_MS 5000
#define REOPEN "2 0 0\n" /* conmon's message to open its log anew */

struct log_file {
        const char *dir, *bundle;
        int64_t max;
};

struct rotation {
        struct runtime_work work;
        struct arena arena;
        struct log_file *files;
        uint32_t n;
};

static void rotate(const struct log_file *file)
{
        CLEANUP_FREE char *log = xprintf("%s/log", file->dir);
        CLEANUP_FREE char *old = xprintf("%s/log.1", file->dir);
        CLEANUP_FREE char *control = xprintf("%s/ctl", file->bundle);
        CLEANUP_CLOSE int fd = -1;
        struct stat st;

        if (stat(log, &st) < 0 || st.st_size < file->max)
                return;
        fd = open(control, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return;
        /* Until conmon has opened the new one it writes to the old one under its new name: nothing is lost. */
        if (rename(log, old) < 0 || write(fd, REOPEN, strlen(REOPEN)) < 0)
                log_warn("cannot rotate a container's log", LOG_S("file", log), LOG_ERRNO(-errno));
}

static void run_rotation(struct runtime_work *work)
{
        struct rotation *rotation = CONTAINER_OF(work, struct rotation, work);

        for (uint32_t i = 0; i < rotation->n; i++)
                rotate(&rotation->files[i]);
}

static void after_rotation(struct runtime_work *work)
{
        struct rotation *rotation = CONTAINER_OF(work, struct rotation, work);

        work->runtime->rotating = false;
        arena_done(&rotation->arena);
        free(rotation);
}

static void on_timer(uv_timer_t *timer)
{
        struct runtime *runtime = timer->data;
        struct rotation *rotation;

        if (runtime->rotating || runtime->containers.count == 0)
                return;
        rotation = xalloc(sizeof(*rotation));
        rotation->files = arena_calloc(&rotation->arena, runtime->containers.count, sizeof(*rotation->files));
        map_for_each (node, &runtime->containers) {
                const struct runtime_container *container = CONTAINER_OF(node, struct runtime_container, node);

                if (container->state == RUNTIME_RUNNING && !container->removing && !container->log_none)
                        rotation->files[rotation->n++] =
                                (struct log_file){arena_strdup(&rotation->arena, container->dir),
                                                  arena_strdup(&rotation->arena, container->bundle), container->log_max_bytes};
        }
        runtime->rotating = true;
        rotation->work.work = run_rotation;
        rotation->work.after = after_rotation;
        runtime_work_start(runtime, &rotation->work);
}

void log_rotate_start(struct runtime *runtime)
{
        uv_timer_init(runtime->loop, &runtime->timer);
        runtime->timer.data = runtime;
        runtime->timer_open = true;
        uv_timer_start(&runtime->timer, on_timer, INTERVAL_MS, INTERVAL_MS);
        uv_unref((uv_handle_t *)&runtime->timer);
}
