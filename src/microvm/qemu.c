/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, watching and ending a QEMU process: see qemu.h. */
#include "microvm/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "api/qmp.idl.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/files.h"
#include "base/strutil.h"
#include "runtime/launch.h"

#define CONNECT_MS 10000
#define RECORD "process.json"
#define IO "io"
#define LAST_WORDS 600
#define STRAY_MS 2000

struct qemu {
        uv_loop_t *loop;
        const struct qemu_events *events;
        void *data;
        char *dir;
        int32_t pid;
        int pidfd;
        bool child;    /* ours to wait for */
        bool restores; /* a saved state is being read: ready afterwards */
        bool ready, freed;
        struct qmp_call *save; /* under way */
        struct qmp *qmp;
        uv_poll_t watch;
        char reason[256]; /* before the end: why it is killed, if somebody said so */
};

int32_t qemu_pid(const struct qemu *q)
{
        return q->pid;
}

bool qemu_is_ready(const struct qemu *q)
{
        return q->ready;
}

const char *qemu_dir(const struct qemu *q)
{
        return q->dir;
}

/* ---- the record ---- */

static void boot_id(char ret[40])
{
        CLEANUP_BUF struct buf text = {0};

        ret[0] = '\0';
        if (buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 64) == 0)
                (void)snprintf(ret, 40, "%.36s", text.data);
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
static int64_t start_of(int32_t pid)
{
        CLEANUP_BUF struct buf text = {0};
        char path[32];
        const char *p;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        if (buf_read_file(&text, path, 4096) < 0 || (p = strrchr(text.data, ')')) == NULL)
                return 0;
        for (int i = 0; i < 20 && p != NULL; i++)
                p = strchr(p + 1, ' ');
        return p != NULL ? (int64_t)strtoull(p, NULL, 10) : 0;
}

static int write_record(const struct qemu *q, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_CLOSE int dir = open(q->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char boot[40];
        struct qmp_stored_process record = {.boot_id = boot, .started_at = env_now_ms(env_system())};
        int r;

        boot_id(boot);
        SHAPE_SET(&record, qmp_stored_process, pid, q->pid);
        SHAPE_SET(&record, qmp_stored_process, pid_start, start_of(q->pid));
        SHAPE_WRITE(qmp_stored_process, &record, &text);
        r = dir < 0 ? -errno : files_write(dir, RECORD, text.data, text.len, 0600, false);
        return r < 0 ? error_set(error, -r, "cannot write %s/" RECORD ": %s", q->dir, strerror(-r)) : 0;
}

static int read_record(const char *dir, struct arena *arena, struct qmp_stored_process **ret, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        char boot[40];
        int r = buf_read_file(&text, arena_printf(arena, "%s/" RECORD, dir), 4096);

        if (r == 0)
                r = SHAPE_PARSE(qmp_stored_process, arena, text.data, text.len, NULL, ret, error);
        boot_id(boot);
        if (r == 0 && !str_eq((*ret)->boot_id, boot))
                return error_set(error, ESRCH, "the machine was rebooted");
        return r;
}

/* ---- the end ---- */

static void on_watch_closed(uv_handle_t *handle)
{
        struct qemu *q = handle->data;

        close(q->pidfd);
        free(q->dir);
        free(q);
}

static void explain_end(struct qemu *q)
{
        siginfo_t info = {0};
        bool asked = q->reason[0] != '\0',
             known = q->child && waitid(P_PIDFD, (id_t)q->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0;

        if (asked && (!known || (info.si_code == CLD_KILLED && info.si_status == SIGKILL)))
                return;
        if (!known)
                (void)snprintf(q->reason, sizeof(q->reason), "its process has ended");
        else if (info.si_code == CLD_EXITED && info.si_status == 0)
                (void)snprintf(q->reason, sizeof(q->reason), "it was powered off");
        else if (info.si_code == CLD_EXITED)
                (void)snprintf(q->reason, sizeof(q->reason), "QEMU has failed with status %d", info.si_status);
        else
                (void)snprintf(q->reason, sizeof(q->reason), "its process was killed by signal %d (%s)", info.si_status,
                               strsignal(info.si_status));
}

static void on_process(uv_poll_t *poll, int status, int events)
{
        struct qemu *q = poll->data;

        (void)status;
        (void)events;
        uv_poll_stop(&q->watch);
        q->ready = false;
        q->qmp = qmp_free(q->qmp);
        explain_end(q);
        struct qmp_call *save = TAKE(q->save);
        if (save != NULL) {
                struct error error = {0};

                (void)error_set(&error, ECONNRESET, "%s", q->reason);
                save->done(save, -ECONNRESET, NULL, &error);
        }
        q->events->ended(q, q->reason, q->data);
}

static int watch_process(struct qemu *q)
{
        int r = uv_poll_init(q->loop, &q->watch, q->pidfd);

        if (r < 0)
                return r;
        q->watch.data = q;
        return uv_poll_start(&q->watch, UV_READABLE, on_process);
}

/* ---- QMP ---- */

/* Memory that is a file is not part of the stream; the end of a migration is told by an event. */
static void set_capabilities(struct qemu *q)
{
        qmp_send(q->qmp, "migrate-set-capabilities",
                 "{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":true},{\"capability\":\"events\",\"state\":true}]}", -1,
                 NULL);
}

static void tell_ready(struct qemu *q)
{
        q->ready = true;
        if (q->events->ready != NULL)
                q->events->ready(q, q->data);
}

static void on_ready(void *owner)
{
        struct qemu *q = owner;

        set_capabilities(q);
        if (!q->restores) {
                tell_ready(q);
                return;
        }
        CLEANUP_FREE char *from = xprintf("{\"uri\":\"fd:%d\"}", QEMU_FD_STATE);
        qmp_send(q->qmp, "migrate-incoming", from, -1, NULL);
}

static void on_migration(struct qemu *q, const char *data)
{
        bool completed = strstr(data, "completed") != NULL, failed = strstr(data, "failed") != NULL;
        struct qmp_call *save = completed || failed ? TAKE(q->save) : NULL;
        struct error error = {0};

        if (save != NULL) {
                if (failed)
                        (void)error_set(&error, EIO, "QEMU could not save the machine's state");
                save->done(save, failed ? -EIO : 0, NULL, &error);
        } else if (q->restores && completed) {
                q->restores = false;
                tell_ready(q);
        } else if (q->restores && failed) {
                qemu_kill(q, "QEMU could not read the saved state of its size");
        }
}

static void on_event(void *owner, const char *name, const char *json)
{
        struct qemu *q = owner;

        if (str_eq(name, "MIGRATION") && json != NULL)
                on_migration(q, json);
        if (q->events->event != NULL)
                q->events->event(q, name, json, q->data);
}

void qemu_save(struct qemu *q, int fd, struct qmp_call *call)
{
        q->save = call;
        qemu_command(q, "stop", NULL, -1, NULL);
        qemu_command(q, "getfd", "{\"fdname\":\"state\"}", fd, NULL);
        qemu_command(q, "migrate", "{\"uri\":\"fd:state\"}", -1, NULL);
}

/* Without its monitor nobody can look after it any more. */
static void on_closed(void *owner)
{
        qemu_kill(owner, NULL);
}

static const struct qmp_callbacks qmp_callbacks = {.ready = on_ready, .event = on_event, .closed = on_closed};

static int begin(struct qemu *q, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        int r = watch_process(q);

        if (r < 0)
                return error_set(error, -r, "cannot watch a virtual machine: %s", strerror(-r));
        q->qmp = qmp_new(q->loop, qemu_socket(q->dir, "qmp", &arena), CONNECT_MS, &qmp_callbacks, q);
        return 0;
}

/* ---- starting ---- */

static int make_dir(const struct qemu_spec *spec, struct error *error)
{
        CLEANUP_FREE char *io = xprintf("%s/" IO, spec->dir);
        int r = files_make_dirs(spec->dir, 0711);

        if (r == 0)
                r = files_make_dirs(io, 0700);
        if (r == 0 && spec->user != 0 && chown(io, spec->user, spec->user) < 0)
                r = -errno;
        return r < 0 ? error_set(error, -r, "cannot make the directory %s of a virtual machine: %s", spec->dir, strerror(-r)) : 0;
}

static void give_fd(struct launch *launch, int from, int to)
{
        if (from < 0)
                return;
        launch->fds[launch->n_fds].from = from;
        launch->fds[launch->n_fds++].to = to;
}

/* A descriptor of what a machine boots, and in `path` how the process names that: its user may not reach the file itself, such as in a
 * checkout under /root. -1 with the path as it is where there is nothing to open; QEMU then says what it misses. */
static int open_boot_file(const struct qemu_spec *spec, const char **path, int number, struct arena *arena)
{
        int fd = *path != NULL && spec->state_fd < 0 ? open(*path, O_RDONLY | O_CLOEXEC) : -1;

        if (fd >= 0)
                *path = arena_printf(arena, "/proc/self/fd/%d", number);
        return fd;
}

static int launch_qemu(const struct qemu_spec *wanted, struct qemu *q, struct error *error)
{
        struct qemu_spec copy = *wanted, *spec = &copy;
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        CLEANUP_CLOSE int log = open(arena_printf(&arena, "%s/log", spec->dir), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        static const char *const environment[] = {"PATH=/usr/bin:/bin", "HOME=/", NULL};
        struct string_list args = {0};
        struct launch launch = {.envp = environment,
                                .tasks_files = spec->tasks_files,
                                .cgroup_fd = spec->cgroup_fd,
                                .directory = arena_printf(&arena, "%s/" IO, spec->dir),
                                .users_fd = -1,
                                .user = spec->user,
                                .new_session = true};
        CLEANUP_CLOSE int kernel = open_boot_file(wanted, &copy.kernel, QEMU_FD_KERNEL, &arena);
        CLEANUP_CLOSE int initrd = open_boot_file(wanted, &copy.initrd, QEMU_FD_INITRD, &arena);
        int r;

        if (null < 0 || log < 0)
                return error_set(error, errno, "cannot open the log of a virtual machine in %s: %s", spec->dir, strerror(errno));
        qemu_arguments(spec, &arena, &args);
        launch.program = args.items[0];
        launch.argv = args.items;
        give_fd(&launch, null, 0);
        give_fd(&launch, log, 1);
        give_fd(&launch, log, 2);
        give_fd(&launch, spec->memory_fd, QEMU_FD_MEMORY);
        give_fd(&launch, spec->state_fd, QEMU_FD_STATE);
        give_fd(&launch, kernel, QEMU_FD_KERNEL);
        give_fd(&launch, initrd, QEMU_FD_INITRD);
        for (uint32_t i = 0; i < spec->n_nics; i++)
                give_fd(&launch, spec->nics[i].tap_fd, QEMU_FD_NIC + (int)i);
        r = launch_start(&launch);
        if (r < 0)
                return error_set(error, -r, "cannot start a process for a virtual machine: %s", strerror(-r));
        q->pid = (int32_t)launch.pid;
        q->pidfd = launch.pidfd;
        r = launch_wait_ready(&launch, error);
        close(launch.report_fd);
        return r;
}

static void give_up(struct qemu *q)
{
        if (q->pidfd >= 0) {
                (void)syscall(SYS_pidfd_send_signal, q->pidfd, SIGKILL, NULL, 0);
                (void)waitid(P_PIDFD, (id_t)q->pidfd, &(siginfo_t){0}, WEXITED);
                close(q->pidfd);
        }
        free(q->dir);
        free(q);
}

int qemu_start(uv_loop_t *loop, const struct qemu_spec *spec, const struct qemu_events *events, void *data, struct qemu **ret,
               struct error *error)
{
        struct qemu *q = xalloc(sizeof(*q));
        int r;

        assert(spec->n_nics <= QEMU_NICS_MAX);
        *q = (struct qemu){.loop = loop,
                           .events = events,
                           .data = data,
                           .dir = xstrdup(spec->dir),
                           .pidfd = -1,
                           .child = true,
                           .restores = spec->state_fd >= 0};
        r = make_dir(spec, error);
        if (r == 0)
                r = launch_qemu(spec, q, error);
        if (r == 0)
                r = write_record(q, error);
        if (r == 0)
                r = begin(q, error);
        if (r < 0) {
                give_up(q);
                return r;
        }
        *ret = q;
        return 0;
}

int qemu_adopt(uv_loop_t *loop, const char *dir, const struct qemu_events *events, void *data, struct qemu **ret, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct qmp_stored_process *record = NULL;
        struct qemu *q;
        int r = read_record(dir, &arena, &record, error);

        if (r < 0 || record == NULL)
                return r < 0 ? r : -EINVAL;
        q = xalloc(sizeof(*q));
        *q = (struct qemu){.loop = loop, .events = events, .data = data, .dir = xstrdup(dir), .pid = record->pid};
        q->pidfd = (int)syscall(SYS_pidfd_open, record->pid, 0);
        if (q->pidfd < 0 || start_of(record->pid) != record->pid_start)
                r = error_set(error, ESRCH, "the process of the virtual machine ended while no agent ran");
        else
                r = begin(q, error);
        if (r < 0) {
                if (q->pidfd >= 0)
                        close(q->pidfd);
                free(q->dir);
                free(q);
                return r;
        }
        *ret = q;
        return 0;
}

struct qemu *qemu_free(struct qemu *q)
{
        if (q == NULL)
                return NULL;
        q->freed = true;
        q->qmp = qmp_free(q->qmp);
        uv_close((uv_handle_t *)&q->watch, on_watch_closed);
        return NULL;
}

void qemu_kill(struct qemu *q, const char *why)
{
        if (why != NULL && q->reason[0] == '\0')
                (void)snprintf(q->reason, sizeof(q->reason), "%s", why);
        (void)syscall(SYS_pidfd_send_signal, q->pidfd, SIGKILL, NULL, 0);
}

void qemu_end_stray(const char *dir)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct qmp_stored_process *record = NULL;
        struct pollfd ended = {.fd = -1, .events = POLLIN};

        if (read_record(dir, &arena, &record, NULL) == 0)
                ended.fd = (int)syscall(SYS_pidfd_open, record->pid, 0);
        if (ended.fd >= 0 && start_of(record->pid) == record->pid_start) {
                (void)syscall(SYS_pidfd_send_signal, ended.fd, SIGKILL, NULL, 0);
                (void)poll(&ended, 1, STRAY_MS);
        }
        if (ended.fd >= 0)
                close(ended.fd);
        (void)!qemu_erase(dir);
}

int qemu_erase(const char *dir)
{
        return files_remove(AT_FDCWD, dir);
}

/* ---- commands ---- */

void qemu_command(struct qemu *q, const char *command, const char *arguments, int fd, struct qmp_call *call)
{
        assert(q->ready);
        qmp_send(q->qmp, command, arguments, fd, call);
}

void qemu_disk_insert(struct qemu *q, uint32_t index, int fd, bool read_only, struct qmp_call *call)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *mode = read_only ? "true" : "false";
        uint32_t set = index + 1;

        qemu_command(q, "add-fd", arena_printf(&arena, "{\"fdset-id\":%u}", set), fd, NULL);
        qemu_command(q, "blockdev-add",
                     arena_printf(&arena,
                                  "{\"driver\":\"file\",\"node-name\":\"file%u\",\"filename\":\"/dev/fdset/%u\",\"read-only\":%s,"
                                  "\"discard\":\"unmap\"}",
                                  index, set, mode),
                     -1, NULL);
        qemu_command(q, "blockdev-reopen",
                     arena_printf(&arena,
                                  "{\"options\":[{\"driver\":\"raw\",\"node-name\":\"disk%u\",\"file\":\"file%u\",\"read-only\":%s,"
                                  "\"discard\":\"unmap\"}]}",
                                  index, index, mode),
                     -1, call);
}

const char *qemu_socket(const char *dir, const char *socket, struct arena *arena)
{
        return arena_printf(arena, "%s/" IO "/%s", dir, socket);
}

const char *qemu_last_words(const char *dir, struct arena *arena)
{
        CLEANUP_BUF struct buf text = {0};
        char *p;

        if (buf_read_file(&text, arena_printf(arena, "%s/log", dir), (size_t)1 << 20) < 0 || text.len == 0)
                return "it said nothing";
        p = arena_strdup(arena, text.data + (text.len > LAST_WORDS ? text.len - LAST_WORDS : 0));
        for (char *c = p; *c != '\0'; c++)
                if (*c == '\n')
                        *c = c[1] != '\0' ? ';' : '\0';
        return p;
}
