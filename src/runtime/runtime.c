/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the runtime: what it needs of the machine, and whether that is there. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/magic.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup_container.h"
#include "runtime/preload.h"
#include "runtime/runtime_internal.h"
#include "runtime/size_view.h"

#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/podman:/usr/lib/podman"
#define MAX_STARTING 16
#define LOCK_PATIENCE_MS 1000

extern char **environ;

/* ---- work in the thread pool ---- */

static void run_work(uv_work_t *req)
{
        struct runtime_work *work = CONTAINER_OF(req, struct runtime_work, req);

        work->work(work);
}

static void after_work(uv_work_t *req, int status)
{
        struct runtime_work *work = CONTAINER_OF(req, struct runtime_work, req);
        struct runtime *runtime = work->runtime;

        (void)status;
        work->after(work);
        runtime_release(runtime);
}

void runtime_work_start(struct runtime *runtime, struct runtime_work *work)
{
        work->runtime = runtime;
        runtime->works++;
        uv_queue_work(runtime->loop, &work->req, run_work, after_work);
}

/* ---- what must be installed ---- */

static char *find_program(const char *given, const char *name)
{
        CLEANUP_FREE char *path = xstrdup(SEARCH_PATH);
        char *save = NULL;

        if (given != NULL)
                return xstrdup(given);
        for (char *dir = strtok_r(path, ":", &save); dir != NULL; dir = strtok_r(NULL, ":", &save)) {
                char *file = xprintf("%s/%s", dir, name);

                if (access(file, X_OK) == 0)
                        return file;
                free(file);
        }
        return NULL;
}

/* The first line that PROGRAM --version prints. */
static char *version_of(const char *program)
{
        char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};
        posix_spawn_file_actions_t actions;
        char text[128] = "";
        int fds[2], status;
        ssize_t n;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return NULL;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        status = posix_spawn(&pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(fds[1]);
        if (status != 0) {
                close(fds[0]);
                return NULL;
        }
        n = read(fds[0], text, sizeof(text) - 1);
        close(fds[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (n <= 0)
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return xstrdup(text);
}

/* crun copies itself into memory and starts anew, so that a container cannot overwrite the program on the host, unless it finds that it
 * runs from a sealed copy already. One copy for all saves that work on every start. */
static int seal_crun(struct runtime *runtime)
{
        CLEANUP_CLOSE int from = open(runtime->crun, O_RDONLY | O_CLOEXEC);
        CLEANUP_CLOSE int to = memfd_create("crun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        CLEANUP_FREE char *path = NULL;
        struct stat st;

        if (from < 0 || to < 0 || fstat(from, &st) < 0)
                return -errno;
        for (off_t left = st.st_size; left > 0;) {
                char chunk[65536];
                ssize_t n = read(from, chunk, sizeof(chunk));

                if (n <= 0 || write(to, chunk, (size_t)n) != n)
                        return n == 0 ? -EIO : -errno;
                left -= n;
        }
        if (fchmod(to, 0755) < 0 || fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        /* A program that is open for writing cannot be executed. */
        path = xprintf("/proc/self/fd/%d", to);
        runtime->crun_fd = open(path, O_RDONLY | O_CLOEXEC);
        return runtime->crun_fd < 0 ? -errno : 0;
}

static void open_preload(struct runtime *runtime)
{
        int fd = preload_open();

        if (fd >= 0 && preload_works(fd, runtime->conmon) && preload_works(fd, runtime->crun)) {
                runtime->preload_fd = fd;
                return;
        }
        log_info("containers start more slowly: conmon or crun is not of the kind that Debian has",
                 LOG_S("conmon", runtime->conmon_version), LOG_S("crun", runtime->crun_version), LOG_ERRNO(MIN(fd, 0)));
        if (fd >= 0)
                close(fd);
}

static int find_programs(struct runtime *runtime, const struct runtime_options *options, struct error *error)
{
        int r;

        runtime->crun = find_program(options->crun, "crun");
        runtime->conmon = find_program(options->conmon, "conmon");
        runtime->init = find_program(options->init, "catatonit");
        runtime->lxcfs = find_program(NULL, "lxcfs");
        if (runtime->crun == NULL || access(runtime->crun, X_OK) < 0)
                return error_set(error, ENOENT, "crun is not installed: install the package crun");
        if (runtime->conmon == NULL || access(runtime->conmon, X_OK) < 0)
                return error_set(error, ENOENT, "conmon is not installed: install the package conmon");
        r = seal_crun(runtime);
        if (r < 0)
                return error_set(error, -r, "cannot copy %s into memory: %s", runtime->crun, strerror(-r));
        runtime->crun_version = version_of(runtime->crun);
        runtime->conmon_version = version_of(runtime->conmon);
        if (runtime->crun_version == NULL || runtime->conmon_version == NULL)
                return error_set(error, ENOEXEC, "%s does not run: install it again",
                                 runtime->crun_version == NULL ? runtime->crun : runtime->conmon);
        open_preload(runtime);
        return 0;
}

/* ---- what the kernel must have ---- */

static bool has_overlay(void)
{
        CLEANUP_BUF struct buf text = {0};

        return buf_read_file(&text, "/proc/filesystems", 65536) == 0 && strstr(text.data, "\toverlay\n") != NULL;
}

static int check_overlay(struct error *error)
{
        char *const argv[] = {(char *)(uintptr_t) "modprobe", (char *)(uintptr_t) "overlay", NULL};
        pid_t pid;
        int status;

        if (has_overlay())
                return 0;
        if (posix_spawnp(&pid, "modprobe", NULL, NULL, argv, environ) == 0)
                while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
        return has_overlay() ? 0 : error_set(error, ENODEV, "this kernel has no overlayfs: load the module overlay");
}

/* Who may raise limits may raise them up to what the kernel has for all. */
static uint64_t most_open_files(void)
{
        CLEANUP_BUF struct buf text = {0};
        struct rlimit limit = {0};
        int64_t max;

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) != 1 || buf_read_file(&text, "/proc/sys/fs/nr_open", 64) < 0)
                return limit.rlim_max;
        text.data[strcspn(text.data, "\n")] = '\0';
        return str_to_int64(text.data, &max) == 0 && max > 0 ? (uint64_t)max : limit.rlim_max;
}

static int read_boot_id(struct runtime *runtime)
{
        CLEANUP_BUF struct buf text = {0};
        int r = buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 64);

        if (r == 0)
                snprintf(runtime->boot_id, sizeof(runtime->boot_id), "%.*s", (int)strcspn(text.data, "\n"), text.data);
        return r;
}

static int check_machine(struct runtime *runtime, struct error *error)
{
        int r;

        if (geteuid() != 0)
                return error_set(error, EPERM, "containers can only be run by root: start the agent as root");
        r = read_boot_id(runtime);
        if (r < 0)
                return error_set(error, -r, "cannot read the boot id: %s: mount /proc", strerror(-r));
        r = check_overlay(error);
        if (r == 0)
                r = cgroups_detect(NULL, &runtime->cgroups, error);
        if (r == 0)
                r = cgroup_parent_prepare(&runtime->cgroups, runtime->parent, error);
        if (r < 0)
                return r;
        runtime->monitor_tasks =
                cgroup_tasks_files(&runtime->cgroups, cgroup_monitors_path(runtime->parent, &runtime->arena), &runtime->arena);
        runtime->monitor_cgroup_fd = cgroup_open_unified(&runtime->cgroups, cgroup_monitors_path(runtime->parent, &runtime->arena));
        runtime->nofile_max = most_open_files();
        return 0;
}

/* ---- directories ---- */

static char *absolute(const char *path)
{
        CLEANUP_FREE char *here = NULL;

        if (*path == '/')
                return xstrdup(path);
        here = getcwd(NULL, 0);
        return xprintf("%s/%s", here != NULL ? here : "", path);
}

/* Stable, unlike hash_bytes: the next process must find the same. */
static uint64_t hash_of(const char *text)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (; *text != '\0'; text++)
                hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        return hash;
}

#define RUN_DIR "/run/gantry"

static bool is_tmpfs(const char *path)
{
        struct statfs fs;

        return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* Where /run is on a disk (machines without systemd) ours is a file system of its own. /dev/shm would not do: containers with the
 * host's ipc namespace can write there. */
static char *choose_run_dir(const char *dir)
{
        if (files_make_dirs(RUN_DIR, 0700) == 0 && !is_tmpfs(RUN_DIR) &&
            mount("gantry", RUN_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=20%") < 0)
                log_warn("cannot mount a tmpfs: containers start more slowly", LOG_S("directory", RUN_DIR), LOG_ERRNO(-errno));
        return xprintf(RUN_DIR "/%016llx", (unsigned long long)hash_of(dir));
}

static int make_run_dir(struct runtime *runtime, const struct runtime_options *options)
{
        CLEANUP_FREE char *bundles = NULL;
        int r;

        runtime->run_dir = options->run_dir != NULL ? absolute(options->run_dir) : choose_run_dir(runtime->dir);
        runtime->crun_root = xprintf("%s/crun", runtime->run_dir);
        runtime->size_view = xprintf("%s/size", runtime->run_dir);
        bundles = xprintf("%s/bundles", runtime->run_dir);
        r = files_make_dirs(runtime->run_dir, 0700);
        if (r == 0)
                r = files_make_dirs(RUNTIME_ROOT_DIR, 0755);
        if (r == 0)
                r = files_make_dirs(RUNTIME_SIZE_DIR, 0755);
        if (r == 0)
                r = files_make_dirs(runtime->crun_root, 0700);
        return r < 0 ? r : files_make_dirs(bundles, 0700);
}

static int open_dirs(struct runtime *runtime, const struct runtime_options *options, struct error *error)
{
        int r;

        runtime->dir = absolute(options->dir);
        runtime->disk_dir = options->disk_dir != NULL ? absolute(options->disk_dir) : xprintf("%s-disks", runtime->dir);
        r = files_make_dirs(runtime->dir, 0700);
        if (r == 0)
                r = make_run_dir(runtime, options);
        if (r == 0) {
                runtime->dir_fd = open(runtime->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = runtime->dir_fd < 0 ? -errno : 0;
        }
        if (r == 0)
                (void)(files_spread(runtime->dir_fd) < 0);
        if (r == 0) {
                runtime->lock_fd = files_lock(runtime->dir_fd, "lock", LOCK_PATIENCE_MS);
                r = MIN(runtime->lock_fd, 0);
        }
        if (r == -EWOULDBLOCK)
                return error_set(error, EBUSY, "another agent runs the containers in %s: end it, or give this one another directory",
                                 runtime->dir);
        return r < 0 ? error_set(error, -r, "cannot open the directory of containers %s: %s", runtime->dir, strerror(-r)) : 0;
}

/* ---- opening ---- */

struct warm_up {
        struct runtime_work work;
        bool sandboxes;
};

/* The filter that nearly every container gets, and what sandboxes look at, before the first one wants them. */
static void warm_up(struct runtime_work *work)
{
        static const struct string_list nothing = {0};
        uint64_t set;

        if (capabilities_resolve(false, &nothing, &nothing, &set, NULL) == 0)
                (void)seccomp_cache_get(work->runtime->seccomp, set);
        if (CONTAINER_OF(work, struct warm_up, work)->sandboxes)
                (void)size_view_dir(work->runtime);
}

static void warmed_up(struct runtime_work *work)
{
        free(CONTAINER_OF(work, struct warm_up, work));
}

static int open_all(struct runtime *runtime, const struct runtime_options *options, struct error *error)
{
        int r = open_dirs(runtime, options, error);

        if (r == 0)
                r = check_machine(runtime, error);
        if (r == 0)
                r = find_programs(runtime, options, error);
        if (r == 0)
                r = containers_load(runtime, error);
        return r;
}

int runtime_new(const struct runtime_options *options, struct runtime **ret, struct error *error)
{
        struct runtime *runtime = xalloc(sizeof(*runtime));
        struct warm_up *warm;
        int r;

        runtime->loop = options->loop;
        runtime->images = options->images;
        runtime->max_starting = options->max_parallel_starts != 0 ? options->max_parallel_starts : MAX_STARTING;
        runtime->parent = options->cgroup_parent == NULL   ? xstrdup("/gantry")
                          : *options->cgroup_parent == '/' ? xstrdup(options->cgroup_parent)
                                                           : xprintf("/%s", options->cgroup_parent);
        runtime->crun_fd = runtime->preload_fd = runtime->dir_fd = runtime->lock_fd = runtime->monitor_cgroup_fd = -1;
        runtime->seccomp = seccomp_cache_new();
        map_init(&runtime->containers);
        map_init(&runtime->disks);
        pthread_mutex_init(&runtime->size_view_lock, NULL);
        list_init(&runtime->queue);
        list_init(&runtime->execs);
        r = open_all(runtime, options, error);
        if (r < 0) {
                runtime_free(runtime);
                return r;
        }
        runtime->info = (struct runtime_info){
                .cgroup_version = runtime->cgroups.version,
                .crun_version = runtime->crun_version,
                .conmon_version = runtime->conmon_version,
                .swap_accounting = runtime->cgroups.swap,
                .boot_id = runtime->boot_id,
        };
        log_rotate_start(runtime);
        warm = xalloc(sizeof(*warm));
        warm->work.work = warm_up;
        warm->work.after = warmed_up;
        warm->sandboxes = options->sandboxes;
        runtime_work_start(runtime, &warm->work);
        *ret = runtime;
        return 0;
}

const struct runtime_info *runtime_info(const struct runtime *runtime)
{
        return &runtime->info;
}

/* ---- closing ---- */

static void free_now(struct runtime *runtime)
{
        int fds[] = {runtime->crun_fd, runtime->preload_fd, runtime->dir_fd, runtime->lock_fd, runtime->monitor_cgroup_fd};

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        seccomp_cache_free(runtime->seccomp);
        runtime_disks_free(runtime);
        map_done(&runtime->disks);
        map_done(&runtime->containers);
        pthread_mutex_destroy(&runtime->size_view_lock);
        arena_done(&runtime->arena);
        free(runtime->crun_version);
        free(runtime->conmon_version);
        free(runtime->crun);
        free(runtime->conmon);
        free(runtime->init);
        free(runtime->parent);
        free(runtime->crun_root);
        free(runtime->lxcfs);
        free(runtime->size_view);
        free(runtime->run_dir);
        free(runtime->disk_dir);
        free(runtime->dir);
        free(runtime);
}

void runtime_release(struct runtime *runtime)
{
        assert(runtime->works > 0);
        if (--runtime->works == 0 && runtime->freeing)
                free_now(runtime);
}

static void on_timer_closed(uv_handle_t *handle)
{
        runtime_release(handle->data);
}

static bool has_sandbox(const struct runtime *runtime)
{
        map_for_each (node, &runtime->containers) {
                const struct runtime_container *container = CONTAINER_OF(node, struct runtime_container, node);

                if (container->user_base != 0 && container->state != RUNTIME_STOPPED)
                        return true;
        }
        return false;
}

struct runtime *runtime_free(struct runtime *runtime)
{
        if (runtime == NULL)
                return NULL;
        if (runtime->lock_fd >= 0 && !has_sandbox(runtime))
                size_view_stop(runtime);
        runtime->freeing = true;
        /* Lasts until the end of this function. */
        runtime->works++;
        if (runtime->timer_open) {
                runtime->timer_open = false;
                runtime->works++;
                uv_close((uv_handle_t *)&runtime->timer, on_timer_closed);
        }
        runtime_exec_cancel_all(runtime);
        map_for_each (node, &runtime->containers)
                container_settle(CONTAINER_OF(node, struct runtime_container, node));
        runtime_release(runtime);
        return NULL;
}

/* ---- looking up ---- */

struct runtime_container *runtime_find(struct runtime *runtime, const char *id)
{
        struct runtime_container *container = map_get(&runtime->containers, id, struct runtime_container, node);

        return container != NULL && !container->removing ? container : NULL;
}

struct runtime_container *runtime_next(struct runtime *runtime, const struct runtime_container *container)
{
        struct map_node *node = map_next(&runtime->containers, container != NULL ? &container->node : NULL);

        while (node != NULL && CONTAINER_OF(node, struct runtime_container, node)->removing)
                node = map_next(&runtime->containers, node);
        return node != NULL ? CONTAINER_OF(node, struct runtime_container, node) : NULL;
}

void runtime_container_adopt(struct runtime_container *container, const struct runtime_events *events, void *data)
{
        container->events = events != NULL ? *events : (struct runtime_events){0};
        container->data = data;
        container_tell_exit_later(container);
}

const char *runtime_run_dir(const struct runtime *runtime)
{
        return runtime->run_dir;
}
