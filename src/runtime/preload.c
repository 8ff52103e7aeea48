/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "preload_image.h"

int preload_open(void)
{
        CLEANUP_CLOSE int fd = memfd_create("gantry-preload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || write(fd, preload_image, sizeof(preload_image)) != (ssize_t)sizeof(preload_image) ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

bool preload_works(int fd, const char *program)
{
        char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};
        char *const envp[] = {(char *)(uintptr_t) "LD_PRELOAD=" PRELOAD_PATH, (char *)(uintptr_t)PRELOAD_CHECK "=1", NULL};
        posix_spawn_file_actions_t actions;
        int r, status = 0;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, fd, PRELOAD_FD);
        r = posix_spawn(&pid, program, &actions, NULL, argv, envp);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return false;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == PRELOAD_CHECKED;
}
