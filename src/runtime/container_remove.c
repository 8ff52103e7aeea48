/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a container away: its processes, crun's state, its control groups, its files. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/files.h"
#include "base/log.h"
#include "runtime/cgroup_container.h"
#include "runtime/runtime_internal.h"

#define PATIENCE_MS 2000

static void kill_process(const struct process_handle *process)
{
        if (process->fd >= 0)
                (void)syscall(SYS_pidfd_send_signal, process->fd, SIGKILL, NULL, 0);
}

/* Waits for the end of a process, and takes it off the process table where it is our child. */
static bool wait_for(const struct process_handle *process, int timeout_ms)
{
        struct pollfd poll_fd = {.fd = process->fd, .events = POLLIN};
        siginfo_t info = {0};

        if (process->fd < 0)
                return true;
        if (poll(&poll_fd, 1, timeout_ms) <= 0)
                return false;
        (void)waitid(P_PIDFD, (id_t)process->fd, &info, WEXITED | WNOHANG);
        return true;
}

static bool is_stopped(int32_t pid)
{
        char path[48];
        CLEANUP_BUF struct buf text = {0};
        const char *p;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        if (buf_read_file(&text, path, 1024) < 0)
                return true; /* it is gone */
        p = strrchr(text.data, ')');
        return p == NULL || p[1] != ' ' || strchr("TtZX", p[2]) != NULL;
}

/* Ends the monitor and what it has started that is not in the container's groups yet (crun, or a shell on its way there). It is stopped
 * first: so it makes no more of them, and no number in its list of children can go to another process. */
static void kill_monitor(const struct process_handle *monitor)
{
        struct process_handle children[8];
        char path[64], *p;
        CLEANUP_BUF struct buf text = {0};
        size_t n = 0;

        if (monitor->fd < 0 || syscall(SYS_pidfd_send_signal, monitor->fd, SIGSTOP, NULL, 0) < 0)
                return;
        for (int i = 0; i < 100 && !is_stopped(monitor->pid); i++)
                (void)poll(NULL, 0, 1);
        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", monitor->pid, monitor->pid);
        if (buf_read_file(&text, path, 4096) == 0 && text.len > 0) {
                p = text.data;
                while (n < ARRAY_SIZE(children) && container_open_process(&children[n], (int32_t)strtol(p, &p, 10), 0) == 0)
                        n++;
        }
        for (size_t i = 0; i < n; i++)
                kill_process(&children[i]);
        kill_process(monitor);
        for (size_t i = 0; i < n; i++) {
                (void)wait_for(&children[i], PATIENCE_MS);
                container_close_process(&children[i]);
        }
}

void container_end_processes(struct runtime_container *container)
{
        const struct cgroups *cgroups = &container->runtime->cgroups;

        kill_process(&container->first);
        cgroup_kill(cgroups, container->cgroup);
        /* The monitor notices and ends by itself, with the log complete; one that is only starting may not. */
        if (container->state == RUNTIME_STARTING || !wait_for(&container->monitor, PATIENCE_MS)) {
                kill_monitor(&container->monitor);
                (void)wait_for(&container->monitor, PATIENCE_MS);
        }
        /* crun may have been about to make a process. */
        for (int i = 0; i < 100 && cgroup_is_populated(cgroups, container->cgroup); i++) {
                cgroup_kill(cgroups, container->cgroup);
                (void)poll(NULL, 0, i < 10 ? 1 : 20);
        }
        (void)wait_for(&container->first, PATIENCE_MS);
}

void container_delete_crun_state(const struct runtime_container *container)
{
        CLEANUP_FREE char *path = xprintf("%s/%s", container->runtime->crun_root, container->id);

        (void)files_remove(AT_FDCWD, path);
}

void container_delete(const struct runtime_container *container)
{
        int r, k;

        container_delete_crun_state(container);
        r = cgroup_remove_patiently(&container->runtime->cgroups, container->cgroup);
        k = files_remove(AT_FDCWD, container->bundle);
        if (r == 0)
                r = k;
        k = files_remove(container->runtime->dir_fd, container->id);
        if (r == 0)
                r = k;
        if (r < 0)
                log_warn("something of a container could not be removed", LOG_S("container", container->id), LOG_ERRNO(r));
}

struct teardown {
        struct runtime_work work;
        struct runtime_container *container;
};

static void take_away(struct runtime_work *work)
{
        struct runtime_container *container = CONTAINER_OF(work, struct teardown, work)->container;

        if (container->state != RUNTIME_STOPPED || container->monitor.fd >= 0)
                container_end_processes(container);
        container_delete(container);
}

static void taken_away(struct runtime_work *work)
{
        struct teardown *teardown = CONTAINER_OF(work, struct teardown, work);
        struct runtime_container *container = teardown->container;

        free(teardown);
        container->working = false;
        container_settle(container);
}

void container_teardown(struct runtime_container *container)
{
        struct teardown *teardown;

        container_close_polls(container);
        /* The agent ends: containers live on. */
        if (!container->removing) {
                container_settle(container);
                return;
        }
        /* after_save comes back here. */
        if (container->saving)
                return;
        teardown = xalloc(sizeof(*teardown));
        teardown->container = container;
        container->working = true;
        teardown->work.work = take_away;
        teardown->work.after = taken_away;
        runtime_work_start(container->runtime, &teardown->work);
}

void runtime_remove(struct runtime_container *container, void (*done)(void *data), void *data)
{
        struct runtime *runtime = container->runtime;
        struct removal_waiter *waiter;

        if (done != NULL) {
                waiter = xalloc(sizeof(*waiter));
                waiter->done = done;
                waiter->data = data;
                list_push(&container->removed, &waiter->link);
        }
        if (container->removing)
                return;
        container->removing = true;
        uv_timer_stop(&container->timer);
        if (container->in_line) {
                list_remove(&container->queue_link);
                container->in_line = false;
        }
        /* A thread has it: it goes on from there. */
        if (container->working)
                return;
        if (container->starting) {
                container->starting = false;
                runtime->n_starting--;
        }
        container_teardown(container);
        container_start_next(runtime);
}
