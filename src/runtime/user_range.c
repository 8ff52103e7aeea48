/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of users for tasks: see user_range.h. */
#include "runtime/user_range.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "runtime/runtime_internal.h"

/* From 0x70000000 to the end of the signed numbers: above what /etc/subuid (login.defs: up to 600,100,000) and systemd (containers: up to
 * 0x6fffffff) give to others. As many tasks with users of their own can be on a node. */
#define FIRST_RANGE 28672
#define N_RANGES 4095

static uint32_t hash_of(const char *text)
{
        uint32_t hash = UINT32_C(2166136261);

        for (; *text != '\0'; text++)
                hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
        return hash;
}

static bool is_taken(const struct runtime *runtime, uint32_t first)
{
        map_for_each (node, &runtime->containers)
                if (CONTAINER_OF(node, struct runtime_container, node)->user_base == first)
                        return true;
        return false;
}

uint32_t user_range_pick(const struct runtime *runtime, const char *task_id)
{
        uint32_t slot = hash_of(task_id) % N_RANGES;

        map_for_each (node, &runtime->containers) {
                const struct runtime_container *other = CONTAINER_OF(node, struct runtime_container, node);

                if (other->user_base != 0 && str_eq(other->task_id, task_id))
                        return other->user_base;
        }
        for (uint32_t i = 0; i < N_RANGES; i++) {
                uint32_t first = (FIRST_RANGE + (slot + i) % N_RANGES) * USER_RANGE_SIZE;

                if (!is_taken(runtime, first))
                        return first;
        }
        return 0;
}

static int write_map(pid_t pid, const char *name, uint32_t first)
{
        CLEANUP_FREE char *path = xprintf("/proc/%d/%s", (int)pid, name);
        CLEANUP_FREE char *line = xprintf("0 %u %u\n", first, USER_RANGE_SIZE);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, line, strlen(line)) < 0 ? -errno : 0;
}

int user_range_open(uint32_t first)
{
        struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
        CLEANUP_FREE char *path = NULL;
        long pid = syscall(SYS_clone3, &args, sizeof(args));
        int r, fd = -1;

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                /* Holds the namespace until it is killed. */
                for (;;)
                        (void)syscall(SYS_pause);
        }
        r = write_map((pid_t)pid, "uid_map", first);
        if (r == 0)
                r = write_map((pid_t)pid, "gid_map", first);
        path = xprintf("/proc/%ld/ns/user", pid);
        if (r == 0 && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                r = -errno;
        (void)kill((pid_t)pid, SIGKILL);
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r < 0 ? r : fd;
}
