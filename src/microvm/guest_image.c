/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel and the initial file system of micro-VMs: made by a script, once, and anew when gantry-init is another. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/vm_internal.h"

/* Beside the program as built (BUILD/gantry), as installed, and as packaged. */
static const char *const scripts[] = {"../tools/microvm-image.sh", "../lib/gantry/microvm-image.sh",
                                      "../lib/x86_64-linux-gnu/gantry/microvm-image.sh"};

#define USUAL_DIR "/var/lib/gantry/microvm"

static const char *find_script(struct arena *arena)
{
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (n <= 0)
                return NULL;
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash == NULL)
                return NULL;
        *slash = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
                const char *path = arena_printf(arena, "%s/%s", self, scripts[i]);

                if (access(path, X_OK) == 0)
                        return path;
        }
        return NULL;
}

static int run(const char *script, const char *dir)
{
        char *const argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)dir, NULL};
        posix_spawnattr_t attributes;
        sigset_t none;
        pid_t pid;
        int status, r;

        sigemptyset(&none);
        (void)posix_spawnattr_init(&attributes);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        r = posix_spawn(&pid, script, NULL, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int guest_image_prepare(const char *given, struct arena *to, const char **ret, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *script = find_script(&arena);
        bool built = script != NULL && str_ends_with(script, scripts[0]);
        const char *beside = built ? arena_strndup(&arena, script, strlen(script) - strlen(scripts[0])) : NULL;
        const char *dir = arena_strdup(to, given != NULL ? given : built ? arena_printf(&arena, "%smicrovm", beside) : USUAL_DIR);
        const char *kernel = arena_printf(&arena, "%s/kernel", dir), *initrd = arena_printf(&arena, "%s/initramfs", dir);
        int r = 0;

        if (access(kernel, R_OK) < 0 || access(initrd, R_OK) < 0)
                log_info("making the image that micro-VMs boot; this happens once", LOG_S("dir", dir));
        if (script != NULL)
                r = run(script, dir);
        /* One that could not be renewed holds another version of gantry-init, which would take what it is told for something else. */
        if (r == 0 && access(kernel, R_OK) == 0 && access(initrd, R_OK) == 0) {
                *ret = dir;
                return 0;
        }
        return error_set(error, r < 0 ? -r : ENOENT,
                         "there is no image of this version for micro-VMs in %s%s: make it with tools/microvm-image.sh %s", dir,
                         r < 0 ? ", and making it has failed" : "", dir);
}
