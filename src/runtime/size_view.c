/* SPDX-License-Identifier: Apache-2.0 */
/* Runs lxcfs: see size_view.h. */
#include "runtime/size_view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "runtime/cgroup_container.h"
#include "runtime/runtime_internal.h"

#define START_TRIES 500
#define START_PAUSE_MS 4

extern char **environ;

static bool answers(const char *dir)
{
        CLEANUP_FREE char *path = xprintf("%s/proc/meminfo", dir);
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd >= 0;
}

/* It stays in the foreground: the shell makes it nobody's child, so that nobody has to wait for its end. */
static int run_lxcfs(const struct runtime *runtime, const char *pid_file)
{
        const char *const argv[] = {"sh", "-c", "\"$@\" &", "sh", runtime->lxcfs, "--enable-cfs", "-p", pid_file, runtime->size_view, NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int status, r;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        r = posix_spawn(&pid, "/bin/sh", &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        for (int i = 0; i < START_TRIES; i++) {
                if (answers(runtime->size_view))
                        return 0;
                (void)poll(NULL, 0, START_PAUSE_MS);
        }
        return -ETIMEDOUT;
}

static pid_t read_pid(const char *pid_file)
{
        CLEANUP_BUF struct buf text = {0};
        int64_t pid;

        if (buf_read_file(&text, pid_file, 32) < 0)
                return 0;
        text.data[strcspn(text.data, "\n")] = '\0';
        return str_to_int64(text.data, &pid) == 0 && pid > 1 && pid < INT32_MAX ? (pid_t)pid : 0;
}

/* Out of the agent's own control group, which ends with the agent. */
static void move_away(const struct runtime *runtime, pid_t pid)
{
        CLEANUP_ARENA struct arena arena = {0};

        if (pid != 0)
                (void)(cgroup_attach(&runtime->cgroups, cgroup_monitors_path(runtime->parent, &arena), pid) < 0);
}

static int start(struct runtime *runtime)
{
        CLEANUP_FREE char *pid_file = xprintf("%s/lxcfs.pid", runtime->run_dir);
        int r;

        if (runtime->lxcfs == NULL)
                return -ENOENT;
        /* What a dead one has left: containers that had it see errors there until they are started anew. */
        (void)umount2(runtime->size_view, MNT_DETACH);
        r = files_make_dirs(runtime->size_view, 0755);
        if (r == 0)
                r = run_lxcfs(runtime, pid_file);
        if (r == 0)
                move_away(runtime, read_pid(pid_file));
        return r;
}

const char *size_view_dir(struct runtime *runtime)
{
        bool there;
        int r = 0;

        pthread_mutex_lock(&runtime->size_view_lock);
        there = answers(runtime->size_view);
        if (!there && !runtime->size_view_failed)
                r = start(runtime);
        if (r < 0) {
                runtime->size_view_failed = true;
                log_warn("sandboxes see the size of the whole machine in /proc/meminfo and /proc/cpuinfo: install the package lxcfs",
                         LOG_ERRNO(r));
        }
        there = there || (r == 0 && !runtime->size_view_failed);
        pthread_mutex_unlock(&runtime->size_view_lock);
        return there ? runtime->size_view : NULL;
}

void size_view_stop(struct runtime *runtime)
{
        CLEANUP_FREE char *pid_file = xprintf("%s/lxcfs.pid", runtime->run_dir);
        pid_t pid = answers(runtime->size_view) ? read_pid(pid_file) : 0;

        if (pid == 0)
                return;
        (void)kill(pid, SIGTERM);
        (void)umount2(runtime->size_view, MNT_DETACH);
}
