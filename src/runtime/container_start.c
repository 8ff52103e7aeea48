/* SPDX-License-Identifier: Apache-2.0 */
/* Starting: the line of those that wait, what conmon says, the byte that lets the process run. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "runtime/launch.h"
#include "runtime/runtime_internal.h"
#include "runtime/user_range.h"

#define SAID_MAX (64 * 1024)
#define LOG_DEFAULT (INT64_C(16) << 20)
#define ID_MAX 128

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- failure ---- */

static void leave_line(struct runtime_container *container)
{
        if (container->in_line)
                list_remove(&container->queue_link);
        container->in_line = false;
        if (container->starting)
                container->runtime->n_starting--;
        container->starting = false;
}

struct failure {
        struct runtime_work work;
        struct runtime_container *container;
};

static void take_away(struct runtime_work *work)
{
        struct runtime_container *container = CONTAINER_OF(work, struct failure, work)->container;

        container_end_processes(container);
        container_delete(container);
}

static void after_failure(struct runtime_work *work)
{
        struct failure *failure = CONTAINER_OF(work, struct failure, work);
        struct runtime_container *container = failure->container;
        struct runtime *runtime = work->runtime;
        struct error error = container->error;

        free(failure);
        container->working = false;
        leave_line(container);
        /* Nothing is left of it: the name is free when the owner hears of it, who may want to try again. */
        container_unlist(container);
        if (!container->removing && !runtime->freeing && container->events.started != NULL)
                container->events.started(container, -error.number, &error, container->data);
        container->removing = true;
        container_settle(container);
        container_start_next(runtime);
}

void container_start_failed(struct runtime_container *container, const char *code)
{
        struct failure *failure = xalloc(sizeof(*failure));

        container->failed = true;
        container_close_polls(container);
        if (!error_is_set(&container->error))
                error_set(&container->error, EIO, "the container's monitor ended before the container was created");
        if (container->error.code[0] == '\0')
                snprintf(container->error.code, sizeof(container->error.code), "%s", code);
        container->working = true;
        failure->container = container;
        failure->work.work = take_away;
        failure->work.after = after_failure;
        runtime_work_start(container->runtime, &failure->work);
}

/* ---- what conmon says ---- */

/* crun's words without the prefixes that mean nothing to a user. */
static void explain(struct runtime_container *container, const char *message)
{
        char text[900];
        size_t len;

        for (const char *prefix = "crun: "; str_starts_with(message, prefix);)
                message += strlen(prefix);
        snprintf(text, sizeof(text), "%s", message);
        len = strlen(text);
        while (len > 0 && isspace((unsigned char)text[len - 1]))
                text[--len] = '\0';
        if (strstr(text, "executable file") != NULL && strstr(text, "not found") != NULL)
                error_set(&container->error, ENOENT, "%s: check command and entryPoint: the program must be in the image", text);
        else
                error_set(&container->error, EIO, "%s", len > 0 ? text : "crun could not create the container and did not say why");
}

/* One byte into the fifo that the created process waits at: what `crun start` does, without a process. */
static int let_go(struct runtime_container *container)
{
        CLEANUP_FREE char *path = xprintf("%s/%s/exec.fifo", container->runtime->crun_root, container->id);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (unlink(path) < 0 || write(fd, "", 1) != 1)
                return -errno;
        return 0;
}

/* Nothing of the definition's runs outside of its limits, whatever became of what should have entered its groups on the way here. */
static int check_groups(const struct runtime_container *container, int32_t pid)
{
        CLEANUP_FREE char *path = xprintf("/proc/%d/cgroup", pid);
        CLEANUP_FREE char *end = xprintf("%s\n", container->cgroup);
        CLEANUP_BUF struct buf text = {0};

        if (container->runtime->cgroups.version != 1)
                return 0;
        if (buf_read_file(&text, path, 65536) < 0)
                return -ESRCH;
        /* Who cannot enter one of them ends: so one tells of all. */
        return strstr(text.data, end) != NULL ? 0 : -EXDEV;
}

static void started(struct runtime_container *container, int32_t pid)
{
        struct runtime *runtime = container->runtime;
        int r = container_open_process(&container->first, pid, 0);

        if (r == 0 && check_groups(container, pid) == -EXDEV) {
                error_set(&container->error, EXDEV,
                          "the container was created outside of its control groups: check the versions of conmon and crun");
                container_start_failed(container, "CannotStartContainerError");
                return;
        }
        if (r == 0)
                r = let_go(container);
        if (r < 0) {
                error_set(&container->error, -r, "the container's first process ended before it was started: %s", strerror(-r));
                container_start_failed(container, "CannotStartContainerError");
                return;
        }
        container->first.start = container_process_start(pid);
        container->state = RUNTIME_RUNNING;
        container->started_ms = now_ms();
        container->restarting = false;
        leave_line(container);
        if (container->report_fd >= 0)
                close(TAKE_FD(container->report_fd));
        /* It may have ended already: then this tells so on a later turn. */
        (void)(container_watch_monitor(container) < 0);
        container_save_later(container);
        container_start_next(runtime);
        if (container->events.started != NULL && !container->removing)
                container->events.started(container, 0, NULL, container->data);
        if (!container->removing && container->stop_wanted && container->state == RUNTIME_RUNNING)
                container_apply_stop(container);
}

static void on_sync_closed(uv_handle_t *handle)
{
        struct runtime_container *container = handle->data;

        container->handles--;
        if (container->sync_fd >= 0)
                close(TAKE_FD(container->sync_fd));
        container_settle(container);
}

static void stop_listening(struct runtime_container *container)
{
        if (!container->sync_open)
                return;
        container->sync_open = false;
        uv_close((uv_handle_t *)&container->sync_poll, on_sync_closed);
}

/* A whole line has come, or the pipe is closed. */
static void heard(struct runtime_container *container)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct oci_monitor_said *said;

        stop_listening(container);
        if (container->removing || container->runtime->freeing) {
                container_settle(container);
                return;
        }
        if (container->said.len == 0 ||
            SHAPE_PARSE(oci_monitor_said, &arena, container->said.data, container->said.len, NULL, &said, NULL) < 0) {
                if (launch_read_failure(container->report_fd, container->runtime->conmon, &container->error) == 0 &&
                    container->said.len > 0)
                        error_set(&container->error, EPROTO, "the container's monitor said \"%.200s\"", container->said.data);
                container_start_failed(container, "CannotStartContainerError");
                return;
        }
        if (said->data > 0) {
                started(container, said->data);
                return;
        }
        explain(container, said->message != NULL ? said->message : "");
        container_start_failed(container, "CannotStartContainerError");
}

static void on_sync(uv_poll_t *poll, int status, int events)
{
        struct runtime_container *container = poll->data;
        ssize_t n;

        (void)events;
        n = status < 0 ? 0 : read(container->sync_fd, buf_reserve(&container->said, 4096), 4096);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0)
                buf_advance(&container->said, (size_t)n);
        if (n <= 0 || container->said.len > SAID_MAX || memchr(container->said.data, '\n', container->said.len) != NULL)
                heard(container);
}

static int listen_to_monitor(struct runtime_container *container)
{
        int r = uv_poll_init(container->runtime->loop, &container->sync_poll, container->sync_fd);

        if (r < 0)
                return r;
        container->handles++;
        container->sync_open = true;
        container->sync_poll.data = container;
        buf_clear(&container->said);
        return uv_poll_start(&container->sync_poll, UV_READABLE | UV_DISCONNECT, on_sync);
}

/* ---- the line ---- */

struct launching {
        struct runtime_work work;
        struct runtime_container *container;
        int result;
};

static void run_launch(struct runtime_work *work)
{
        struct launching *launching = CONTAINER_OF(work, struct launching, work);

        launching->result = container_launch(launching->container, &launching->container->error);
}

static void after_launch(struct runtime_work *work)
{
        struct launching *launching = CONTAINER_OF(work, struct launching, work);
        struct runtime_container *container = launching->container;
        struct runtime *runtime = work->runtime;
        int r = launching->result;

        free(launching);
        container->working = false;
        if (container->removing || runtime->freeing) {
                leave_line(container);
                container_teardown(container);
                container_start_next(runtime);
                return;
        }
        if (r < 0) {
                container_start_failed(container, "CannotCreateContainerError");
                return;
        }
        r = listen_to_monitor(container);
        if (r < 0) {
                error_set(&container->error, -r, "cannot listen to the container's monitor: %s", strerror(-r));
                container_start_failed(container, "CannotStartContainerError");
                return;
        }
        /* Its end before it said anything closes the pipe too: so it is watched from RUNNING on, but already now, for kills. */
        r = container_watch_monitor(container);
        if (r < 0) {
                error_set(&container->error, -r, "cannot watch the container's monitor: %s", strerror(-r));
                container_start_failed(container, "CannotStartContainerError");
        }
}

void container_start_next(struct runtime *runtime)
{
        while (!runtime->freeing && runtime->n_starting < runtime->max_starting && !list_empty(&runtime->queue)) {
                struct runtime_container *container = list_first(&runtime->queue, struct runtime_container, queue_link);
                struct launching *launching = xalloc(sizeof(*launching));

                list_remove(&container->queue_link);
                container->in_line = false;
                container->starting = true;
                runtime->n_starting++;
                container->working = true;
                launching->container = container;
                launching->work.work = run_launch;
                launching->work.after = after_launch;
                runtime_work_start(runtime, &launching->work);
        }
}

void container_enqueue(struct runtime_container *container)
{
        container->state = RUNTIME_STARTING;
        container->failed = false;
        error_clear(&container->error);
        container->in_line = true;
        list_push(&container->runtime->queue, &container->queue_link);
        container_start_next(container->runtime);
}

static bool id_is_valid(const char *id)
{
        return id != NULL && str_is_name(id, "_.-", ID_MAX) && !str_eq(id, ".") && !str_eq(id, "..");
}

int runtime_start(struct runtime *runtime, const struct runtime_container_spec *spec, const struct runtime_events *events, void *data,
                  struct runtime_container **ret, struct error *error)
{
        struct runtime_container *container;
        uint32_t user_base = 0;

        if (!id_is_valid(spec->id) || !id_is_valid(spec->task_id))
                return error_set(error, EINVAL,
                                 "\"%s\" cannot name a container of \"%s\": letters, digits, '_', '.' and '-' only, at most %d",
                                 spec->id != NULL ? spec->id : "", spec->task_id != NULL ? spec->task_id : "", ID_MAX);
        if (map_find(&runtime->containers, spec->id) != NULL)
                return error_set(error, EEXIST, "there is a container %s already", spec->id);
        if (spec->image == NULL && !spec->pause)
                return error_set(error, EINVAL, "the container %s has no image", spec->id);
        if (spec->own_users && (user_base = user_range_pick(runtime, spec->task_id)) == 0)
                return error_set(error, EAGAIN, "all ranges of users are taken: too many sandboxed tasks on this node");
        container = container_new(runtime, spec->id, spec->task_id);
        container->spec = spec_copy(spec, &container->arena);
        if (spec->image != NULL) {
                container->image = image_ref(spec->image);
                container->image_digest = arena_strdup(&container->arena, spec->image->digest);
                container->layers = spec->image->layers;
                container->n_layers = spec->image->n_layers;
        }
        container->log_none = spec->log_none;
        container->log_max_bytes = spec->log_max_bytes > 0 ? spec->log_max_bytes : LOG_DEFAULT;
        container->log_path = arena_printf(&container->arena, "%s/log", container->dir);
        container->tty = spec->tty;
        container->stdin_open = spec->stdin_open;
        container->host_network = spec->network.mode == RUNTIME_NS_HOST;
        container->user_base = user_base;
        if (spec->task_limits != NULL && spec->task_limits->disk_bytes > 0 && !spec->pause)
                container->disk = runtime_disk(runtime, container->task_id, spec->task_limits->disk_bytes);
        if (events != NULL)
                container->events = *events;
        container->data = data;
        container_enqueue(container);
        *ret = container;
        return 0;
}

int runtime_restart(struct runtime_container *container, struct error *error)
{
        if (container->state != RUNTIME_STOPPED || container->working)
                return error_set(error, EBUSY, "the container %s has not stopped", container->id);
        container_close_process(&container->first);
        container_close_process(&container->monitor);
        container->acknowledged = false;
        container->unread = false;
        container->stop_wanted = false;
        container->restarting = true;
        container_enqueue(container);
        return 0;
}
