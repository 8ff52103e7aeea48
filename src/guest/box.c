/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of the task: begun, signalled, ended. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "guest/frame.h"
#include "guest/guest.h"
#include "runtime/cgroup.h"
#include "runtime/rootfs.h"

#define GROUPS "/sys/fs/cgroup"
#define READ_MAX 16384

int64_t guest_now_ms(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- its control group ---- */

const char *box_group(const struct box *box, struct arena *arena)
{
        return arena_printf(arena, "/task/box%u", box->index);
}

static void set_limit(const struct box *box, const char *file, int64_t value)
{
        CLEANUP_ARENA struct arena arena = {0};

        (void)guest_write_file(arena_printf(&arena, GROUPS "%s/%s", box_group(box, &arena), file),
                               arena_printf(&arena, "%lld", (long long)value));
}

static int make_group(const struct box *box, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct oci_spec_resources *r = box->spec->linux_ != NULL ? box->spec->linux_->resources : NULL;

        if (mkdir(arena_printf(&arena, GROUPS "%s", box_group(box, &arena)), 0755) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot make the container's control group: %s", strerror(errno));
        if (r != NULL && r->memory != NULL && r->memory->limit > 0)
                set_limit(box, "memory.max", r->memory->limit);
        if (r != NULL && r->memory != NULL && r->memory->reservation > 0)
                set_limit(box, "memory.low", r->memory->reservation);
        /* From shares to weights as crun has it. */
        if (r != NULL && r->cpu != NULL && r->cpu->shares > 0)
                set_limit(box, "cpu.weight", 1 + (MAX(r->cpu->shares, 2) - 2) * 9999 / 262142);
        if (r != NULL && r->pids != NULL && r->pids->limit > 0)
                set_limit(box, "pids.max", r->pids->limit);
        return 0;
}

static uint64_t oom_kills(const struct box *box)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};

        if (buf_read_file(&text, arena_printf(&arena, GROUPS "%s/memory.events", box_group(box, &arena)), 4096) < 0)
                return 0;
        return cgroup_flat_value(text.data, "oom_kill");
}

/* ---- its files ---- */

static int mount_root(struct box *box, const struct guest_start *in, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *dir = arena_printf(&arena, "/disk/boxes/%u", box->index);
        const char *lower = in->image >= 0 ? arena_printf(&arena, "/images/%d", in->image) : "/empty";
        int r = 0;

        (void)mkdir("/empty", 0755);
        if (in->image >= 0)
                r = setup_image(in->image, error);
        if (r < 0)
                return r;
        for (const char *const *part = (const char *const[]){"upper", "work", NULL}; *part != NULL && r == 0; part++)
                r = files_make_dirs(arena_printf(&arena, "%s/%s", dir, *part), 0755);
        box->root = xprintf("/run/boxes/%u", box->index);
        if (r == 0)
                r = files_make_dirs(box->root, 0755);
        if (r == 0 && mount("overlay", box->root, "overlay", MS_NODEV,
                            arena_printf(&arena, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, dir, dir)) < 0)
                r = -errno;
        return r < 0 ? error_set(error, -r, "cannot mount the container's root: %s", strerror(-r)) : 0;
}

static int write_files(const struct guest_start *in, struct error *error)
{
        for (uint32_t i = 0; i < in->files.n; i++) {
                CLEANUP_FREE char *dir = xstrdup(in->files.items[i].path);
                const char *content = in->files.items[i].content;
                char *slash = strrchr(dir, '/');
                int r = -EINVAL;

                if (slash != NULL && slash != dir) {
                        *slash = '\0';
                        r = files_make_dirs(dir, 0755);
                }
                if (r == 0)
                        r = files_write(AT_FDCWD, in->files.items[i].path, content, strlen(content), 0644, false);
                if (r < 0)
                        return error_set(error, -r, "cannot write %s: %s", in->files.items[i].path, strerror(-r));
        }
        return 0;
}

static int make_volumes(const struct guest_start *in, int root, struct error *error)
{
        for (uint32_t i = 0; i < in->volumes.n; i++) {
                const struct guest_volume *v = &in->volumes.items[i];
                int r = files_make_dirs(v->source, 0755);
                CLEANUP_CLOSE int fd = r == 0 ? open(v->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

                if (r == 0 && fd < 0)
                        r = -errno;
                if (r == 0 && v->copy_up)
                        r = rootfs_copy_up(root, v->destination, fd);
                if (r < 0)
                        return error_set(error, -r, "cannot make the volume at %s: %s", v->destination, strerror(-r));
        }
        return 0;
}

static int make_files(struct box *box, const struct guest_start *in, struct error *error)
{
        CLEANUP_CLOSE int root = -1;
        const struct oci_spec_process *p = box->spec->process;
        int r = mount_root(box, in, error);

        if (r == 0)
                r = write_files(in, error);
        if (r < 0)
                return r;
        root = open(box->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = make_volumes(in, root, error);
        if (r == 0 && !str_eq(p->cwd, "/")) {
                int fd = rootfs_make_dir(root, p->cwd, (uint32_t)p->user->uid, (uint32_t)p->user->gid);

                if (fd < 0)
                        return error_set(error, -fd, "cannot make the working directory %s: %s", p->cwd, strerror(-fd));
                close(fd);
        }
        return r;
}

/* ---- its first process ---- */

static uint64_t namespace_flags(const struct oci_spec *spec)
{
        static const struct {
                const char *name;
                uint64_t flag;
        } names[] = {{"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
        uint64_t flags = CLONE_NEWNS;

        for (uint32_t i = 0; spec->linux_ != NULL && i < spec->linux_->namespaces.n; i++)
                for (size_t k = 0; k < ARRAY_SIZE(names); k++)
                        if (str_eq(names[k].name, spec->linux_->namespaces.items[i].type))
                                flags |= names[k].flag;
        return flags;
}

static int open_output(struct box *box, struct box_start_files *files)
{
        int out[2], err[2];

        files->terminal = -1;
        if (box->spec->process->terminal) {
                int master, slave;

                if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
                        return -errno;
                *files = (struct box_start_files){.in = slave, .out = slave, .err = slave, .terminal = slave};
                box->out[0] = master;
                box->out[1] = -1;
                return fcntl(master, F_SETFL, O_NONBLOCK) < 0 || fcntl(master, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
        }
        files->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (files->in < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                return -errno;
        files->out = out[1];
        files->err = err[1];
        box->out[0] = out[0];
        box->out[1] = err[0];
        return fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(err[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static void close_files(const struct box_start_files *files)
{
        close(files->in);
        if (files->terminal < 0) {
                close(files->out);
                close(files->err);
        }
}

static int run(struct box *box, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_CLOSE int group = open(arena_printf(&arena, GROUPS "%s", box_group(box, &arena)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct clone_args args = {
                .flags = namespace_flags(box->spec) | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
        struct box_start_files files = {.in = -1, .out = -1, .err = -1, .terminal = -1};
        int report[2] = {-1, -1}, r = open_output(box, &files);
        long pid;

        if (r < 0 || pipe2(report, O_CLOEXEC) < 0)
                return error_set(error, errno, "cannot make pipes for the container: %s", strerror(errno));
        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0)
                box_child_run(box, &files, report[1]);
        r = pid < 0 ? error_set(error, errno, "cannot start a process: %s", strerror(errno)) : 0;
        close(report[1]);
        close_files(&files);
        if (r == 0)
                r = box_child_explain(report[0], error);
        close(report[0]);
        if (r < 0 && pid > 0)
                (void)waitpid((pid_t)pid, NULL, 0);
        box->pid = r < 0 ? 0 : (pid_t)pid;
        return r;
}

static void drop_output(struct box *box)
{
        for (int i = 0; i < 2; i++) {
                if (box->out[i] >= 0)
                        close(box->out[i]);
                box->out[i] = -1;
        }
}

static int begin(struct box *box, const struct guest_start *in, struct error *error)
{
        int r = 0;

        box->out[0] = box->out[1] = -1;
        if (!in->again) {
                box->index = (uint16_t)in->index;
                box->spec = SHAPE_COPY(oci_spec, in->spec, &box->arena);
                if (box->spec == NULL || box->spec->process == NULL || box->spec->process->user == NULL)
                        return error_set(error, EINVAL, "the host has sent no process to start");
                r = make_group(box, error);
                if (r == 0)
                        r = make_files(box, in, error);
        }
        box->oom_before = oom_kills(box);
        if (r == 0)
                r = run(box, error);
        if (r < 0)
                drop_output(box);
        return r;
}

void box_start(struct guest *guest, const struct guest_start *in)
{
        struct error error = {0};
        struct box *box;

        if (in->index < 0 || in->index >= GUEST_BOXES)
                return;
        box = &guest->boxes[in->index];
        if (box->state != BOX_RUNNING && (box->state == BOX_NONE) != in->again) {
                if (begin(box, in, &error) == 0) {
                        box->state = BOX_RUNNING;
                        box->started_ms = guest_now_ms();
                } else if (!in->again) {
                        box->index = (uint16_t)in->index;
                }
        }
        guest_tell_box(guest, box, error_is_set(&error) ? error.message : NULL);
}

void box_signal(struct guest *guest, const struct guest_signal *in)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct box *box = in->index >= 0 && in->index < GUEST_BOXES ? &guest->boxes[in->index] : NULL;

        if (box == NULL || box->state != BOX_RUNNING)
                return;
        if (in->all)
                (void)guest_write_file(arena_printf(&arena, GROUPS "%s/cgroup.kill", box_group(box, &arena)), "1");
        else
                (void)kill(box->pid, in->number);
}

/* ---- output and end ---- */

bool box_read(struct box *box, int which)
{
        char text[READ_MAX];
        ssize_t n = box->out[which] < 0 ? 0 : read(box->out[which], text, sizeof(text));
        uint64_t now;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                if (box->out[which] >= 0)
                        close(box->out[which]);
                box->out[which] = -1;
                return false;
        }
        now = htole64((uint64_t)guest_now_ms());
        size_t at = port_frame_begin(&box->log, FRAME_LOG, (uint8_t)(which + 1), box->index);
        buf_append(&box->log, &now, sizeof(now));
        buf_append(&box->log, text, (size_t)n);
        port_frame_end(&box->log, at);
        return true;
}

void box_ended(struct guest *guest, struct box *box, int status)
{
        CLEANUP_ARENA struct arena arena = {0};

        /* What it left behind goes with it. */
        (void)guest_write_file(arena_printf(&arena, GROUPS "%s/cgroup.kill", box_group(box, &arena)), "1");
        for (int i = 0; i < 2; i++)
                while (box->log.len < 4 * GUEST_LOG_MAX && box_read(box, i))
                        ;
        drop_output(box);
        box->pid = 0;
        box->state = BOX_ENDED;
        box->finished_ms = guest_now_ms();
        box->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        box->oom_killed = oom_kills(box) > box->oom_before;
        guest_tell_box(guest, box, NULL);
}

void box_forget(struct box *box)
{
        CLEANUP_ARENA struct arena arena = {0};

        if (box->root != NULL && umount2(box->root, MNT_DETACH) == 0)
                (void)rmdir(box->root);
        (void)!files_remove(AT_FDCWD, arena_printf(&arena, "/disk/boxes/%u", box->index));
        (void)rmdir(arena_printf(&arena, GROUPS "%s", box_group(box, &arena)));
        drop_output(box);
        free(box->root);
        buf_done(&box->log);
        arena_done(&box->arena);
        *box = (struct box){.out = {-1, -1}};
}

void box_describe(const struct box *box, struct arena *arena, struct guest_box *ret)
{
        (void)arena;
        SHAPE_SET(ret, guest_box, index, box->index);
        SHAPE_SET(ret, guest_box, state, (int32_t)box->state);
        ret->started_at = box->started_ms;
        ret->finished_at = box->finished_ms;
        SHAPE_SET(ret, guest_box, exit_code, box->exit_code);
        SHAPE_SET(ret, guest_box, oom_killed, box->oom_killed);
        SHAPE_SET(ret, guest_box, log_at, box->log_at);
}
