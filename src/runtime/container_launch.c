/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a start that blocks: directory, launcher, control groups, bundle. Runs in the thread pool. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "runtime/bundle.h"
#include "runtime/cgroup_container.h"
#include "runtime/disk.h"
#include "runtime/launch.h"
#include "runtime/preload.h"
#include "runtime/rootfs.h"
#include "runtime/runtime_internal.h"
#include "runtime/size_view.h"
#include "runtime/user_range.h"

#define ARGS_MAX 64
#define SYNC_FD 3
#define START_FD 4
#define OPTIONS_MAX 4095 /* mount(2) takes one page */
/* conmon throws the old log away when it rotates; we do it before (log_rotate.c), so this is only for when no agent runs. */
#define LOG_SAFETY 8

/* Steps into the groups that come before "--", then becomes the rest: where there is no preload. */
static const char enter_script[] = "while [ \"$1\" != -- ]; do echo 0 >\"$1\" || exit 1; shift; done; shift; exec \"$@\"";

struct start {
        struct runtime_container *container;
        struct arena arena;
        struct launch launch;
        int sync_fds[2], start_fds[2]; /* read, write */
        int null_fd, root;
        int files_fd;           /* where upper/, work/ and volumes/ are */
        const char *files_path; /* the same in the container's mount namespace */
        struct error *error;
};

static int fail(struct start *start, int number, const char *what)
{
        return error_set(start->error, number, "cannot %s in %s: %s", what, start->container->dir, strerror(number));
}

/* ---- directory ---- */

static int make_dir(struct start *start, const char *parent, const char *name, mode_t mode)
{
        const char *path = arena_printf(&start->arena, "%s%s", parent, name);

        return mkdir(path, mode) < 0 && errno != EEXIST ? fail(start, errno, "make a directory") : 0;
}

/* In the container's directory on the host, or on its task's disk, which is mounted nowhere yet. */
static int open_files(struct start *start)
{
        const struct runtime_container *container = start->container;
        int at = AT_FDCWD;

        start->files_path = container->dir;
        if (container->disk != NULL) {
                at = start->launch.disk_fd = disk_mount(container->disk, start->error);
                if (at < 0)
                        return at;
                start->launch.disk_target = disk_dir(container->disk);
                start->files_path = arena_printf(&start->arena, "%s/%s", start->launch.disk_target, container->id);
                if (mkdirat(at, container->id, 0700) < 0 && errno != EEXIST)
                        return fail(start, errno, "make a directory on the task's disk");
        }
        start->files_fd = openat(at, container->disk != NULL ? container->id : container->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return start->files_fd < 0 ? fail(start, errno, "open the directory of the container's files") : 0;
}

static int make_dirs(struct start *start)
{
        const struct runtime_container *container = start->container;
        int r = make_dir(start, container->dir, "", 0700);

        if (r == 0)
                r = make_dir(start, container->bundle, "", 0700);
        if (r == 0)
                r = make_dir(start, container->bundle, "/rootfs", 0755);
        return r < 0 ? r : open_files(start);
}

/* What the overlay is made of. */
static int make_upper(struct start *start)
{
        if (mkdirat(start->files_fd, "upper", 0755) < 0 && errno != EEXIST)
                return fail(start, errno, "make a directory");
        return mkdirat(start->files_fd, "work", 0700) < 0 && errno != EEXIST ? fail(start, errno, "make a directory") : 0;
}

static int remove_all(int from, const char *dir, const char *const *names, size_t n)
{
        CLEANUP_CLOSE int fd = openat(from, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = files_remove(fd, names[i]);
        return r;
}

/* What a first start left behind and a second one would stumble over. */
static int clean_for_restart(struct start *start)
{
        /* overlayfs refuses a work directory that was mounted "volatile": it cannot know that the machine has not crashed. We do. */
        static const char *const of_overlay[] = {"work"};
        static const char *const of_monitor[] = {"exit", "oom", "acknowledged"};
        static const char *const in_bundle[] = {"pidfile", "attach", "ctl", "winsz", "oom"};
        const struct runtime_container *container = start->container;
        int r = remove_all(start->files_fd, ".", of_overlay, ARRAY_SIZE(of_overlay));

        if (r == 0)
                r = remove_all(AT_FDCWD, container->dir, of_monitor, ARRAY_SIZE(of_monitor));
        if (r == 0)
                r = remove_all(AT_FDCWD, container->bundle, in_bundle, ARRAY_SIZE(in_bundle));
        return r < 0 ? fail(start, -r, "clean up after the last start") : 0;
}

/* ---- overlay ---- */

/* The container's own users must get there through directories that are closed to them: then it is mounted elsewhere. */
static const char *root_path(struct start *start)
{
        const struct runtime_container *container = start->container;

        return container->user_base != 0 ? RUNTIME_ROOT_DIR : arena_printf(&start->arena, "%s/rootfs", container->bundle);
}

/* The users of its namespace own what the container writes. */
static int shift_users(struct start *start)
{
        const struct runtime_container *container = start->container;

        if (container->user_base == 0)
                return 0;
        if (!container->restarting && fchownat(start->files_fd, "upper", container->user_base, container->user_base, 0) < 0)
                return fail(start, errno, "give the root directory to its user namespace");
        start->launch.users_fd = user_range_open(container->user_base);
        return start->launch.users_fd < 0 ? fail(start, -start->launch.users_fd, "make a user namespace") : 0;
}

/* What holds namespaces needs no files; but in its user namespace it can make mount points only where that owns the directory. */
static int describe_empty(struct start *start)
{
        uint32_t base = start->container->user_base;

        if (base == 0)
                return 0;
        start->launch.overlay_target = root_path(start);
        start->launch.empty_options = arena_printf(&start->arena, "mode=0755,size=64k,uid=%u,gid=%u", base, base);
        return 0;
}

/* Lower directories are named relative to the directory that all have in common: a page holds 127 of them so. */
static int describe_overlay(struct start *start)
{
        struct runtime_container *container = start->container;
        CLEANUP_BUF struct buf options = {0};
        const char *slash;
        size_t base;

        if (container->n_layers == 0)
                return describe_empty(start);
        slash = strrchr(container->layers[0], '/');
        base = slash != NULL ? (size_t)(slash - container->layers[0]) : 0;
        for (uint32_t i = 0; i < container->n_layers; i++)
                if (strncmp(container->layers[i], container->layers[0], base + 1) != 0)
                        base = 0;
        if (container->user_base != 0 && base == 0)
                return error_set(start->error, EINVAL, "the image's layers are not in one directory");
        buf_append_str(&options, "lowerdir=");
        for (uint32_t i = container->n_layers; i > 0; i--)
                buf_printf(&options, "%s%s", i < container->n_layers ? ":" : "", container->layers[i - 1] + (base > 0 ? base + 1 : 0));
        /* volatile: nothing of a container's files has to survive a power cut, and an unmount does not sync the disk. */
        buf_printf(&options, ",upperdir=%s/upper,workdir=%s/work,volatile", start->files_path, start->files_path);
        if (options.len > OPTIONS_MAX)
                return error_set(start->error, E2BIG, "the image has too many layers (%u) for the path %s: use a shorter data directory",
                                 container->n_layers, container->runtime->dir);
        start->launch.overlay_options = arena_strdup(&start->arena, options.data);
        start->launch.overlay_dir = base > 0 ? arena_strndup(&start->arena, container->layers[0], base) : NULL;
        start->launch.overlay_target = root_path(start);
        return 0;
}

/* ---- mount points of the generated files ---- */

/* The image's /etc as its topmost layer that has one shows it; false when it has none, or something that is not a directory. */
static bool find_etc(const struct runtime_container *container, struct stat *ret)
{
        for (uint32_t i = container->n_layers; i > 0; i--) {
                CLEANUP_FREE char *path = xprintf("%s/etc", container->layers[i - 1]);

                if (lstat(path, ret) == 0)
                        return S_ISDIR(ret->st_mode);
        }
        return false;
}

/* crun would make these through the overlay, which then copies /etc up: a millisecond more. It makes those that are not made here. */
static void make_mount_points(struct start *start)
{
        static const char *const names[] = {"hosts", "resolv.conf", "hostname"};
        const struct runtime_container *container = start->container;
        CLEANUP_CLOSE int etc = -1;
        struct stat st;

        if (container->spec == NULL || container->spec->no_generated_files || container->spec->pause || !find_etc(container, &st))
                return;
        if (mkdirat(start->files_fd, "upper/etc", 0755) < 0)
                return;
        etc = openat(start->files_fd, "upper/etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (etc < 0 || fchown(etc, container->user_base + st.st_uid, container->user_base + st.st_gid) < 0 ||
            fchmod(etc, st.st_mode & 07777) < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                int fd = openat(etc, names[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

                if (fd >= 0) {
                        (void)!fchown(fd, container->user_base, container->user_base);
                        close(fd);
                }
        }
}

/* ---- conmon ---- */

struct arguments {
        const char *items[ARGS_MAX + 2 * CGROUP_V1_MAX];
        size_t n;
};

static void add(struct arguments *args, const char *item)
{
        assert(args->n + 1 < ARRAY_SIZE(args->items));
        args->items[args->n++] = item;
}

static void add_pair(struct arguments *args, const char *option, const char *value)
{
        add(args, option);
        add(args, value);
}

/* conmon runs RUNTIME [runtime-arg …] create …: with version 1 that enters the groups first, by the preload or as a shell does. */
static void add_runtime(struct start *start, struct arguments *args)
{
        struct runtime *runtime = start->container->runtime;
        const char *crun = arena_printf(&start->arena, "/proc/self/fd/%d", CRUN_FD);
        const char *root = arena_printf(&start->arena, "--root=%s", runtime->crun_root);
        const char *const *tasks = cgroup_tasks_files(&runtime->cgroups, start->container->cgroup, &start->arena);

        if (runtime->cgroups.version == 2 || runtime->preload_fd >= 0) {
                add_pair(args, "--runtime", crun);
                add_pair(args, "--runtime-arg", root);
                if (runtime->cgroups.version == 1)
                        add_pair(args, "--runtime-arg", "--cgroup-manager=disabled");
                return;
        }
        add_pair(args, "--runtime", "/bin/sh");
        add_pair(args, "--runtime-arg", "-c");
        add_pair(args, "--runtime-arg", enter_script);
        add_pair(args, "--runtime-arg", "enter");
        for (; *tasks != NULL; tasks++)
                add_pair(args, "--runtime-arg", *tasks);
        add_pair(args, "--runtime-arg", "--");
        add_pair(args, "--runtime-arg", crun);
        add_pair(args, "--runtime-arg", root);
        add_pair(args, "--runtime-arg", "--cgroup-manager=disabled");
}

static void describe_monitor(struct start *start, struct arguments *args)
{
        const struct runtime_container *container = start->container;
        struct arena *arena = &start->arena;
        int64_t max = container->log_max_bytes;

        add(args, "conmon");
        add_pair(args, "--api-version", "1");
        add_pair(args, "--cid", container->id);
        add_pair(args, "--cuuid", container->id);
        add_pair(args, "--name", container->id);
        add_pair(args, "--bundle", container->bundle);
        add_pair(args, "--persist-dir", container->dir);
        add_pair(args, "--container-pidfile", arena_printf(arena, "%s/pidfile", container->bundle));
        add_pair(args, "--log-path", container->log_none ? "none" : arena_printf(arena, "k8s-file:%s", container->log_path));
        if (!container->log_none)
                add_pair(args, "--log-size-max", arena_printf(arena, "%lld", (long long)max * LOG_SAFETY));
        add(args, "--sync");
        add(args, "--no-sync-log");
        add(args, "--full-attach");
        if (container->tty)
                add(args, "--terminal");
        if (container->stdin_open) {
                add(args, "--stdin");
                add(args, "--leave-stdin-open");
        }
        add_runtime(start, args);
        add(args, NULL);
}

static void add_fd(struct launch *launch, int from, int to)
{
        launch->fds[launch->n_fds].from = from;
        launch->fds[launch->n_fds++].to = to;
}

static const char *groups_variable(struct start *start)
{
        const struct runtime_container *container = start->container;
        const char *const *files = cgroup_tasks_files(&container->runtime->cgroups, container->cgroup, &start->arena);
        CLEANUP_BUF struct buf text = {0};

        buf_append_str(&text, PRELOAD_GROUPS "=");
        for (; *files != NULL; files++)
                buf_printf(&text, "%s\n", *files);
        return arena_strdup(&start->arena, text.data);
}

static int fork_monitor(struct start *start)
{
        const char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                             "_OCI_SYNCPIPE=3",
                             "_OCI_STARTPIPE=4",
                             NULL, /* only with the preload */
                             NULL,
                             NULL};
        struct runtime *runtime = start->container->runtime;
        struct launch *launch = &start->launch;
        struct arguments args = {0};
        int r;

        if (pipe2(start->sync_fds, O_CLOEXEC) < 0 || pipe2(start->start_fds, O_CLOEXEC) < 0)
                return error_set(start->error, errno, "cannot make a pipe: %s", strerror(errno));
        start->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (start->null_fd < 0)
                return error_set(start->error, errno, "cannot open /dev/null: %s", strerror(errno));
        describe_monitor(start, &args);
        if (start->container->user_base != 0 && start->container->n_layers > 0) {
                launch->view_source = size_view_dir(runtime);
                launch->view_target = launch->view_source != NULL ? RUNTIME_SIZE_DIR : NULL;
        }
        launch->program = runtime->conmon;
        launch->argv = args.items;
        launch->envp = env;
        launch->tasks_files = runtime->monitor_tasks;
        launch->cgroup_fd = runtime->monitor_cgroup_fd;
        launch->directory = start->container->bundle;
        launch->hide = runtime->cgroups.version == 1 && runtime->cgroups.hybrid ? runtime->cgroups.unified : NULL;
        for (int i = 0; i < 3; i++)
                add_fd(launch, start->null_fd, i);
        add_fd(launch, start->sync_fds[1], SYNC_FD);
        add_fd(launch, start->start_fds[0], START_FD);
        add_fd(launch, runtime->crun_fd, CRUN_FD);
        if (runtime->preload_fd >= 0) {
                env[3] = "LD_PRELOAD=" PRELOAD_PATH;
                env[4] = groups_variable(start);
                add_fd(launch, runtime->preload_fd, PRELOAD_FD);
        }
        r = launch_start(launch);
        return r < 0 ? error_set(start->error, -r, "cannot start the container's monitor: %s", strerror(-r)) : 0;
}

/* ---- bundle ---- */

static const char *volume_dir(uint32_t index, const char *destination, void *data)
{
        struct start *start = data;

        (void)destination;
        return arena_printf(&start->container->arena, "%s/volumes/%u", start->files_path, index);
}

static int write_bundle(struct start *start, struct bundle_result *ret)
{
        struct runtime_container *container = start->container;
        struct runtime *runtime = container->runtime;
        const struct bundle_context context = {
                .dir = container->bundle,
                .user_base = container->user_base,
                .rootfs = container->user_base != 0 ? RUNTIME_ROOT_DIR : "rootfs",
                .layers = container->layers,
                .n_layers = container->n_layers,
                .image = container->image != NULL ? container->image->config : NULL,
                .cgroup_path = container->cgroup,
                .init = runtime->init,
                .cgroup_version = runtime->cgroups.version,
                .seccomp = runtime->seccomp,
                .size_view = start->launch.view_target,
                .swap_accounting = runtime->cgroups.swap,
                .nofile_max = runtime->nofile_max,
                .volume_dir = volume_dir,
                .data = start,
        };

        if (runtime->init == NULL && (container->spec->init || container->spec->pause))
                return error_set(
                        start->error, ENOENT,
                        "no init program is installed on this node, which initProcessEnabled needs: install the package catatonit");
        return bundle_write(&context, container->spec, &start->arena, ret, start->error);
}

/* The image's volumes count as the container's own from now on; strings go to its arena. */
static void keep_volumes(struct start *start, const struct bundle_result *result)
{
        struct runtime_container *container = start->container;
        const struct runtime_container_spec *spec = container->spec;
        struct runtime_mount *mounts =
                arena_calloc(&container->arena, (size_t)result->n_image_volumes + spec->n_mounts + 1, sizeof(*mounts));
        uint32_t n = 0;

        for (uint32_t i = 0; i < result->n_image_volumes; i++) {
                mounts[n] = result->image_volumes[i];
                mounts[n++].destination = arena_strdup(&container->arena, result->image_volumes[i].destination);
        }
        for (uint32_t i = 0; i < spec->n_mounts; i++)
                if (spec->mounts[i].kind == RUNTIME_MOUNT_BIND)
                        mounts[n++] = spec->mounts[i];
        container->mounts = mounts;
        container->n_mounts = n;
}

/* A volume that the image has nothing for is its root's. */
static int own_volume(const struct start *start, int fd)
{
        uint32_t base = start->container->user_base;
        struct stat st;

        if (base == 0)
                return 0;
        if (fstat(fd, &st) < 0)
                return -errno;
        return st.st_uid == 0 && fchown(fd, base, base) < 0 ? -errno : 0;
}

/* A path of the container's mount namespace, which the launcher has made, as it is reached from here. */
static const char *from_here(struct start *start, const char *path)
{
        const char *disk = start->container->disk != NULL ? disk_dir(start->container->disk) : NULL;
        size_t len = disk != NULL ? strlen(disk) : 0;

        if (disk == NULL || strncmp(path, disk, len) != 0 || path[len] != '/')
                return path;
        return arena_printf(&start->arena, "/proc/%d/root%s", start->launch.pid, path);
}

static int prepare_source(struct start *start, const struct runtime_mount *mount)
{
        const char *source = mount->create || mount->copy_up ? from_here(start, mount->source) : NULL;
        CLEANUP_CLOSE int fd = -1;
        int r;

        if (mount->create) {
                r = files_make_dirs(source, 0755);
                if (r < 0)
                        return error_set(start->error, -r, "cannot make %s for the mount at %s: %s", mount->source, mount->destination,
                                         strerror(-r));
        }
        if (!mount->copy_up || start->root < 0)
                return 0;
        fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(start->error, errno, "cannot open %s for the mount at %s: %s", mount->source, mount->destination,
                                 strerror(errno));
        r = rootfs_copy_up(start->root, mount->destination, fd);
        if (r == 0)
                r = own_volume(start, fd);
        return r < 0 ? error_set(start->error, -r, "cannot fill the volume at %s with what the image has there: %s", mount->destination,
                                 strerror(-r))
                     : 0;
}

/* The root file system as the launcher has mounted it, seen from here. */
static int open_root(struct start *start)
{
        const char *path = arena_printf(&start->arena, "/proc/%d/root%s", start->launch.pid, root_path(start));

        start->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return start->root < 0 ? error_set(start->error, errno, "cannot open the container's root file system: %s", strerror(errno)) : 0;
}

static bool needs_root(const struct runtime_container *container, const char *cwd)
{
        for (uint32_t i = 0; i < container->n_mounts; i++)
                if (container->mounts[i].copy_up)
                        return true;
        return !str_eq(cwd, "/");
}

/* The working directory is made when the image has none of that name, as Docker does. */
static int prepare_root(struct start *start, const struct oci_spec *config)
{
        struct runtime_container *container = start->container;
        const struct oci_spec_process *process = config != NULL ? config->process : NULL;
        int r;

        if (process != NULL && container->n_layers > 0 && needs_root(container, process->cwd)) {
                r = open_root(start);
                if (r < 0)
                        return r;
                r = rootfs_make_dir(start->root, process->cwd, container->user_base + (uint32_t)process->user->uid,
                                    container->user_base + (uint32_t)process->user->gid);
                if (r < 0)
                        return error_set(start->error, -r, "cannot make the working directory %s in the container: %s", process->cwd,
                                         strerror(-r));
                close(r);
        }
        for (uint32_t i = 0; i < container->n_mounts; i++) {
                r = prepare_source(start, &container->mounts[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int prepare_groups(struct start *start, const struct oci_spec *config)
{
        struct runtime_container *container = start->container;
        const struct cgroups *cgroups = &container->runtime->cgroups;
        const char *task = arena_printf(&start->arena, "%s/%s", container->runtime->parent, container->task_id);
        int r = 0;

        if (container->spec != NULL)
                r = cgroup_prepare(cgroups, task, container->spec->task_limits, start->error);
        return r < 0 || config == NULL ? r : cgroup_container_prepare(cgroups, container->cgroup, config->linux_->resources, start->error);
}

static int make_bundle(struct start *start)
{
        struct runtime_container *container = start->container;
        struct bundle_result result = {0};
        int r;

        if (container->restarting)
                return launch_wait_ready(&start->launch, start->error);
        r = write_bundle(start, &result);
        if (r < 0)
                return r;
        container->stop_signal = result.stop_signal;
        keep_volumes(start, &result);
        r = prepare_groups(start, result.config);
        if (r == 0)
                r = launch_wait_ready(&start->launch, start->error);
        return r < 0 ? r : prepare_root(start, result.config);
}

/* ---- all of it ---- */

static int launch(struct start *start)
{
        struct runtime_container *container = start->container;
        int r;

        /* Where /run outlives a reboot crun may know the name from an earlier life. */
        container_delete_crun_state(container);
        r = make_dirs(start);
        if (r == 0 && container->restarting)
                r = clean_for_restart(start);
        if (r == 0)
                r = make_upper(start);
        if (r == 0)
                r = describe_overlay(start);
        if (r == 0)
                r = shift_users(start);
        if (r == 0 && !container->restarting)
                make_mount_points(start);
        if (r == 0)
                r = fork_monitor(start);
        if (r < 0)
                return r;
        container->monitor = (struct process_handle){
                .pid = start->launch.pid,
                .start = container_process_start(start->launch.pid),
                .fd = start->launch.pidfd,
        };
        container->oom_base = cgroup_oom_kills(&container->runtime->cgroups, container->cgroup);
        /* Known on the disk before anything can run: should the agent die now, its successor finds the monitor and ends it. */
        r = container_save(container);
        if (r < 0)
                return fail(start, -r, "write state.json");
        r = make_bundle(start);
        if (r < 0)
                return r;
        if (write(start->start_fds[1], "\n", 1) != 1)
                return error_set(start->error, EPIPE, "the container's monitor has gone away");
        container->sync_fd = TAKE_FD(start->sync_fds[0]);
        container->report_fd = TAKE_FD(start->launch.report_fd);
        return 0;
}

static void close_fds(struct start *start)
{
        int fds[] = {start->sync_fds[0], start->sync_fds[1],      start->start_fds[0],    start->start_fds[1], start->null_fd,
                     start->root,        start->launch.report_fd, start->launch.users_fd, start->files_fd,     start->launch.disk_fd};

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

int container_launch(struct runtime_container *container, struct error *error)
{
        struct start start = {
                .container = container,
                .error = error,
                .sync_fds = {-1, -1},
                .start_fds = {-1, -1},
                .null_fd = -1,
                .root = -1,
                .files_fd = -1,
                .launch = {.cgroup_fd = -1, .pidfd = -1, .report_fd = -1, .users_fd = -1, .disk_fd = -1},
        };
        int r = launch(&start);

        close_fds(&start);
        arena_done(&start.arena);
        return r;
}
