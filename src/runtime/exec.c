/* SPDX-License-Identifier: Apache-2.0 */
/* A command inside a running container: `crun exec` in the container's own control groups, its output, its timeout. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "runtime/cgroup_container.h"
#include "runtime/launch.h"
#include "runtime/preload.h"
#include "runtime/runtime_internal.h"

#define CONFIG_MAX (16 << 20)
#define GRACE_MS 2000 /* from killing the command to killing crun */

struct runtime_exec_job {
        struct list link; /* of the runtime */
        struct runtime_work work;
        struct runtime *runtime;
        struct runtime_exec *exec; /* NULL: nobody waits any more */
        struct arena arena;
        const char *id, *bundle, *cgroup;
        struct string_list args;
        const char *process_file, *pid_file;

        struct process_handle crun;
        int out_fd;
        uv_poll_t out_poll, crun_poll;
        uv_timer_t timer;
        bool out_open, crun_open, launched, killed;
        uint32_t handles;
        uint32_t timeout_ms;
        struct buf output;
        int status, exit_code;
        struct error error;
};

/* ---- in the pool ---- */

/* The container's own process, with other arguments and without a terminal. */
static int write_process(struct runtime_exec_job *job)
{
        CLEANUP_BUF struct buf text = {0}, out = {0};
        const char *path = arena_printf(&job->arena, "%s/config.json", job->bundle);
        const struct shape_limits trusted = {.skip_validation = true};
        struct oci_spec *config = NULL;
        int r;

        r = buf_read_file(&text, path, CONFIG_MAX);
        if (r == 0)
                r = SHAPE_PARSE(oci_spec, &job->arena, text.data, text.len, &trusted, &config, &job->error);
        if (r < 0 || config == NULL || config->process == NULL)
                return error_set(&job->error, r < 0 ? -r : EINVAL, "cannot read %s", path);
        config->process->args = job->args;
        SHAPE_SET(config->process, oci_spec_process, terminal, false);
        SHAPE_WRITE(oci_spec_process, config->process, &out);
        r = files_write(AT_FDCWD, job->process_file, out.data, out.len, 0600, false);
        return r < 0 ? error_set(&job->error, -r, "cannot write %s: %s", job->process_file, strerror(-r)) : 0;
}

static void describe(struct runtime_exec_job *job, struct launch *launch, const char **argv, int out, int null)
{
        static const char *const env[] = {"LD_PRELOAD=" PRELOAD_PATH, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                          NULL};
        struct runtime *runtime = job->runtime;
        const struct cgroups *cgroups = &runtime->cgroups;
        size_t n = 0;

        argv[n++] = "crun";
        argv[n++] = arena_printf(&job->arena, "--root=%s", runtime->crun_root);
        if (cgroups->version == 1)
                argv[n++] = "--cgroup-manager=disabled";
        argv[n++] = "exec";
        argv[n++] = "--process";
        argv[n++] = job->process_file;
        argv[n++] = "--pid-file";
        argv[n++] = job->pid_file;
        argv[n++] = job->id;
        argv[n] = NULL;
        launch->program = arena_printf(&job->arena, "/proc/self/fd/%d", CRUN_FD);
        launch->argv = argv;
        launch->envp = runtime->preload_fd >= 0 ? env : env + 1;
        launch->tasks_files = cgroup_tasks_files(cgroups, job->cgroup, &job->arena);
        launch->hide = cgroups->version == 1 && cgroups->hybrid ? cgroups->unified : NULL;
        launch->fds[0].from = null;
        launch->fds[1].from = launch->fds[2].from = out;
        launch->fds[3].from = runtime->crun_fd;
        for (int i = 0; i < 3; i++)
                launch->fds[i].to = i;
        launch->fds[3].to = CRUN_FD;
        launch->n_fds = 4;
        if (runtime->preload_fd >= 0) {
                launch->fds[4].from = runtime->preload_fd;
                launch->fds[4].to = PRELOAD_FD;
                launch->n_fds = 5;
        }
}

static int start_crun(struct runtime_exec_job *job)
{
        const char *argv[12];
        struct launch launch = {.cgroup_fd = -1, .users_fd = -1};
        CLEANUP_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CLEANUP_CLOSE int cgroup = -1;
        CLEANUP_CLOSE int out = -1;
        int fds[2];
        int r;

        if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return error_set(&job->error, errno, "cannot make a pipe: %s", strerror(errno));
        job->out_fd = fds[0];
        out = fds[1];
        (void)fcntl(job->out_fd, F_SETFL, O_NONBLOCK);
        describe(job, &launch, argv, out, null);
        if (job->runtime->cgroups.version == 2)
                cgroup = cgroup_open_unified(&job->runtime->cgroups, job->cgroup);
        launch.cgroup_fd = cgroup;
        r = launch_start(&launch);
        if (r < 0)
                return error_set(&job->error, -r, "cannot start crun: %s", strerror(-r));
        job->crun = (struct process_handle){.pid = launch.pid, .fd = launch.pidfd};
        r = launch_wait_ready(&launch, &job->error);
        close(launch.report_fd);
        return r;
}

static void run_start(struct runtime_work *work)
{
        struct runtime_exec_job *job = CONTAINER_OF(work, struct runtime_exec_job, work);
        int r = write_process(job);

        job->status = r < 0 ? r : start_crun(job);
}

/* ---- the end ---- */

static void finish(struct runtime_exec_job *job)
{
        struct runtime *runtime = job->runtime;
        struct runtime_exec *exec = job->exec;
        struct runtime_exec_result result = {
                .status = job->status,
                .exit_code = job->exit_code,
                .output = job->output.data != NULL ? job->output.data : "",
                .output_len = (uint32_t)job->output.len,
                .error = &job->error,
        };

        list_remove(&job->link);
        (void)unlink(job->process_file);
        (void)unlink(job->pid_file);
        container_close_process(&job->crun);
        if (job->out_fd >= 0)
                close(job->out_fd);
        if (exec != NULL) {
                exec->job_ = NULL;
                if (job->status < 0)
                        error_set(&job->error, -job->status, "%s", strerror(-job->status));
                exec->done(exec, &result);
        }
        buf_done(&job->output);
        arena_done(&job->arena);
        free(job);
        runtime_release(runtime);
}

static void on_closed(uv_handle_t *handle)
{
        struct runtime_exec_job *job = handle->data;

        if (--job->handles == 0)
                finish(job);
}

static void close_all(struct runtime_exec_job *job)
{
        if (job->out_open)
                uv_close((uv_handle_t *)&job->out_poll, on_closed);
        if (job->crun_open)
                uv_close((uv_handle_t *)&job->crun_poll, on_closed);
        job->out_open = job->crun_open = false;
        if (!uv_is_closing((uv_handle_t *)&job->timer))
                uv_close((uv_handle_t *)&job->timer, on_closed);
}

/* Only the beginning is kept; the rest is read all the same, so that the command does not block. */
static bool read_output(struct runtime_exec_job *job)
{
        char chunk[8192];

        for (;;) {
                ssize_t n = read(job->out_fd, chunk, sizeof(chunk));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 && errno == EAGAIN;
                buf_append(&job->output, chunk, MIN((size_t)n, RUNTIME_EXEC_OUTPUT_MAX - job->output.len));
        }
}

static void on_output(uv_poll_t *poll, int status, int events)
{
        struct runtime_exec_job *job = poll->data;

        (void)events;
        if (status < 0 || !read_output(job)) {
                job->out_open = false;
                uv_close((uv_handle_t *)poll, on_closed);
        }
}

/* What the command left in the background may hold the pipe for ever: the end of crun is the end. */
static void on_crun(uv_poll_t *poll, int status, int events)
{
        struct runtime_exec_job *job = poll->data;
        siginfo_t info = {0};

        (void)status;
        (void)events;
        if (waitid(P_PIDFD, (id_t)job->crun.fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
                job->exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        if (job->out_open)
                (void)read_output(job);
        /* crun could not start it, and says so where the command's output would be: the codes are those of shells. */
        if (job->status == 0 && access(job->pid_file, F_OK) < 0)
                job->exit_code = job->output.data != NULL && strstr(job->output.data, "not found") != NULL ? 127 : 126;
        close_all(job);
}

/* ---- killing ---- */

/* The parent of a process; 0 when it is gone. */
static int32_t parent_of(int32_t pid)
{
        CLEANUP_FREE char *path = xprintf("/proc/%d/stat", pid);
        CLEANUP_BUF struct buf text = {0};
        const char *end;

        if (buf_read_file(&text, path, 4096) < 0)
                return 0;
        end = strrchr(text.data, ')');
        /* ") S 123 …": the state, then the parent. */
        return end != NULL && strlen(end) > 4 ? (int32_t)strtol(end + 4, NULL, 10) : 0;
}

static void on_grace_over(uv_timer_t *timer)
{
        struct runtime_exec_job *job = timer->data;

        if (job->crun.fd >= 0)
                (void)syscall(SYS_pidfd_send_signal, job->crun.fd, SIGKILL, NULL, 0);
}

/* Killing crun alone would leave the command running. */
static void kill_command(struct runtime_exec_job *job)
{
        CLEANUP_BUF struct buf text = {0};
        int64_t pid = 0;

        if (!job->launched || job->killed)
                return;
        job->killed = true;
        if (buf_read_file(&text, job->pid_file, 32) == 0) {
                text.data[strcspn(text.data, "\n")] = '\0';
                if (str_to_int64(text.data, &pid) == 0 && pid > 1 && pid < INT32_MAX && parent_of((int32_t)pid) == job->crun.pid)
                        (void)kill((pid_t)pid, SIGKILL);
                else
                        pid = 0;
        }
        uv_timer_start(&job->timer, on_grace_over, pid != 0 ? GRACE_MS : 0, 0);
}

static void on_timeout(uv_timer_t *timer)
{
        struct runtime_exec_job *job = timer->data;

        job->status = error_set(&job->error, ETIMEDOUT, "the command took longer than %u ms", job->timeout_ms);
        kill_command(job);
}

void runtime_exec_cancel(struct runtime_exec *exec)
{
        struct runtime_exec_job *job = exec->job_;

        if (job == NULL)
                return;
        exec->job_ = NULL;
        job->exec = NULL;
        kill_command(job);
}

void runtime_exec_cancel_all(struct runtime *runtime)
{
        list_for_each (job, &runtime->execs, struct runtime_exec_job, link)
                if (job->exec != NULL)
                        runtime_exec_cancel(job->exec);
}

/* ---- starting ---- */

static int watch(struct runtime_exec_job *job)
{
        int r = uv_poll_init(job->runtime->loop, &job->crun_poll, job->crun.fd);

        if (r < 0)
                return r;
        job->crun_open = true;
        job->handles++;
        job->crun_poll.data = job;
        r = uv_poll_start(&job->crun_poll, UV_READABLE, on_crun);
        if (r == 0)
                r = uv_poll_init(job->runtime->loop, &job->out_poll, job->out_fd);
        if (r < 0)
                return r;
        job->out_open = true;
        job->handles++;
        job->out_poll.data = job;
        return uv_poll_start(&job->out_poll, UV_READABLE | UV_DISCONNECT, on_output);
}

static void after_start(struct runtime_work *work)
{
        struct runtime_exec_job *job = CONTAINER_OF(work, struct runtime_exec_job, work);

        if (job->status == 0)
                job->status = watch(job);
        if (job->status < 0) {
                if (job->crun.fd >= 0)
                        (void)syscall(SYS_pidfd_send_signal, job->crun.fd, SIGKILL, NULL, 0);
                if (!job->crun_open)
                        close_all(job);
                return;
        }
        job->launched = true;
        if (job->exec == NULL)
                kill_command(job);
        if (job->exec == NULL || job->timeout_ms == 0)
                return;
        uv_update_time(job->runtime->loop);
        uv_timer_start(&job->timer, on_timeout, job->timeout_ms, 0);
}

static void on_refused(uv_timer_t *timer)
{
        close_all(timer->data);
}

void runtime_exec_start(struct runtime_container *container, struct runtime_exec *exec)
{
        struct runtime *runtime = container->runtime;
        struct runtime_exec_job *job = xalloc(sizeof(*job));
        struct arena *arena = &job->arena;

        job->runtime = runtime;
        job->exec = exec;
        exec->job_ = job;
        job->out_fd = job->crun.fd = -1;
        job->id = arena_strdup(arena, container->id);
        job->bundle = arena_strdup(arena, container->bundle);
        job->cgroup = arena_strdup(arena, container->cgroup);
        job->process_file = arena_printf(arena, "%s/exec-%llu.json", container->bundle, (unsigned long long)++runtime->n_execs);
        job->pid_file = arena_printf(arena, "%s/exec-%llu.pid", container->bundle, (unsigned long long)runtime->n_execs);
        job->timeout_ms = exec->timeout_ms;
        for (uint32_t i = 0; i < exec->args.n; i++)
                string_list_push(arena, &job->args, arena_strdup(arena, exec->args.items[i]));
        list_push(&runtime->execs, &job->link);
        runtime->works++;
        uv_timer_init(runtime->loop, &job->timer);
        job->timer.data = job;
        job->handles++;
        if (container->state != RUNTIME_RUNNING || exec->args.n == 0) {
                job->status = error_set(&job->error, exec->args.n == 0 ? EINVAL : ESRCH,
                                        exec->args.n == 0 ? "there is no command to run" : "the container is not running");
                uv_timer_start(&job->timer, on_refused, 0, 0);
                return;
        }
        job->work.work = run_start;
        job->work.after = after_start;
        runtime_work_start(runtime, &job->work);
}
