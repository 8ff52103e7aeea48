/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping and ending: signals, the monitor's end, what the exit was. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "runtime/cgroup_container.h"
#include "runtime/runtime_internal.h"

/* ---- reading ---- */

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* conmon's file "exit": the code in decimal; its time is when. */
static bool read_exit_file(const struct runtime_container *container, struct runtime_exit *ret)
{
        CLEANUP_FREE char *path = xprintf("%s/exit", container->dir);
        CLEANUP_BUF struct buf text = {0};
        struct stat st;
        int64_t code;

        if (buf_read_file(&text, path, 64) < 0 || stat(path, &st) < 0)
                return false;
        text.data[strcspn(text.data, "\r\n ")] = '\0';
        if (str_to_int64(text.data, &code) < 0)
                return false;
        ret->has_exit_code = true;
        ret->exit_code = (int)code;
        ret->stopped_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
        return true;
}

void container_read_exit(struct runtime_container *container, struct runtime_exit *ret)
{
        const struct cgroups *cgroups = &container->runtime->cgroups;

        *ret = (struct runtime_exit){.cause = RUNTIME_EXITED};
        if (!read_exit_file(container, ret)) {
                ret->cause = RUNTIME_VANISHED;
                ret->stopped_ms = now_ms();
        }
        /* The monitor went, or the host's pid namespace let others live on: what is left goes too. */
        if (cgroup_is_populated(cgroups, container->cgroup))
                container_end_processes(container);
        if (cgroup_oom_kills(cgroups, container->cgroup) > container->oom_base)
                ret->cause = RUNTIME_OOM;
}

/* ---- the monitor's end ---- */

struct ending {
        struct runtime_work work;
        struct runtime_container *container;
        struct runtime_exit exit;
};

static void read_exit(struct runtime_work *work)
{
        struct ending *ending = CONTAINER_OF(work, struct ending, work);

        container_read_exit(ending->container, &ending->exit);
}

static void tell_exit(struct runtime_container *container)
{
        container->unread = false;
        if (container->events.exited != NULL)
                container->events.exited(container, &container->exit, container->data);
}

static void after_exit(struct runtime_work *work)
{
        struct ending *ending = CONTAINER_OF(work, struct ending, work);
        struct runtime_container *container = ending->container;

        container->exit = ending->exit;
        free(ending);
        container->working = false;
        container->state = RUNTIME_STOPPED;
        container->unread = true;
        uv_timer_stop(&container->timer);
        container_close_process(&container->first);
        container_close_process(&container->monitor);
        if (container->removing || container->runtime->freeing)
                container_teardown(container);
        else if (container->events.exited != NULL)
                tell_exit(container);
}

static void on_monitor_closed(uv_handle_t *handle)
{
        struct runtime_container *container = handle->data;

        container->handles--;
        container_settle(container);
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
        struct runtime_container *container = poll->data;
        siginfo_t info = {0};
        struct ending *ending;

        (void)status;
        (void)events;
        /* While it starts, its pipe tells more than its end does: that is heard first, and deals with both. */
        if (container->state == RUNTIME_STARTING) {
                uv_poll_stop(poll);
                if (!container->sync_open && !container->failed && !container->working)
                        container_start_failed(container, "CannotStartContainerError");
                return;
        }
        (void)waitid(P_PIDFD, (id_t)container->monitor.fd, &info, WEXITED | WNOHANG);
        container->monitor_open = false;
        uv_close((uv_handle_t *)poll, on_monitor_closed);
        if (container->removing || container->runtime->freeing || container->working)
                return;
        container->working = true;
        ending = xalloc(sizeof(*ending));
        ending->container = container;
        ending->work.work = read_exit;
        ending->work.after = after_exit;
        runtime_work_start(container->runtime, &ending->work);
}

int container_watch_monitor(struct runtime_container *container)
{
        int r;

        if (container->monitor_open)
                return uv_poll_start(&container->monitor_poll, UV_READABLE, on_monitor);
        r = uv_poll_init(container->runtime->loop, &container->monitor_poll, container->monitor.fd);

        if (r < 0)
                return r;
        container->handles++;
        container->monitor_open = true;
        container->monitor_poll.data = container;
        return uv_poll_start(&container->monitor_poll, UV_READABLE, on_monitor);
}

/* ---- telling an adopter ---- */

static void on_tell(uv_timer_t *timer)
{
        struct runtime_container *container = timer->data;

        if (container->unread && container->state == RUNTIME_STOPPED && !container->removing)
                tell_exit(container);
}

void container_tell_exit_later(struct runtime_container *container)
{
        if (container->unread && container->state == RUNTIME_STOPPED)
                uv_timer_start(&container->timer, on_tell, 0, 0);
}

/* ---- stopping ---- */

static int send_signal(const struct runtime_container *container, int number)
{
        if (container->state != RUNTIME_RUNNING || container->first.fd < 0)
                return -ESRCH;
        return syscall(SYS_pidfd_send_signal, container->first.fd, number, NULL, 0) < 0 ? -errno : 0;
}

int runtime_signal(struct runtime_container *container, int signal_number)
{
        return send_signal(container, signal_number);
}

struct killing {
        struct runtime_work work;
        struct cgroups cgroups;
        char *cgroup;
};

static void kill_group(struct runtime_work *work)
{
        struct killing *killing = CONTAINER_OF(work, struct killing, work);

        cgroup_kill(&killing->cgroups, killing->cgroup);
}

static void after_kill(struct runtime_work *work)
{
        struct killing *killing = CONTAINER_OF(work, struct killing, work);

        free(killing->cgroup);
        free(killing);
}

static void on_timeout(uv_timer_t *timer)
{
        struct runtime_container *container = timer->data;
        struct killing *killing;

        if (send_signal(container, SIGKILL) < 0)
                return;
        killing = xalloc(sizeof(*killing));
        killing->cgroups = container->runtime->cgroups;
        killing->cgroup = xstrdup(container->cgroup);
        killing->work.work = kill_group;
        killing->work.after = after_kill;
        runtime_work_start(container->runtime, &killing->work);
}

void container_apply_stop(struct runtime_container *container)
{
        if (container->stop_timeout_ms == 0) {
                on_timeout(&container->timer);
                return;
        }
        (void)(send_signal(container, container->stop_signal > 0 ? container->stop_signal : SIGTERM) < 0);
        /* The loop's idea of now may be old, and the time would be shorter by that. */
        uv_update_time(container->runtime->loop);
        uv_timer_start(&container->timer, on_timeout, container->stop_timeout_ms, 0);
}

void runtime_stop(struct runtime_container *container, uint32_t timeout_ms)
{
        if (container->state == RUNTIME_STOPPED)
                return;
        /* Said twice: a shorter time counts, the signal is not sent again. */
        if (container->stop_wanted && container->state == RUNTIME_RUNNING && timeout_ms > 0) {
                if (timeout_ms < uv_timer_get_due_in(&container->timer))
                        uv_timer_start(&container->timer, on_timeout, timeout_ms, 0);
                return;
        }
        container->stop_wanted = true;
        container->stop_timeout_ms = timeout_ms;
        if (container->state == RUNTIME_RUNNING)
                container_apply_stop(container);
}
