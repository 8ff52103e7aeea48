/* SPDX-License-Identifier: Apache-2.0 */
/* See image_disk.h. */
#include "microvm/image_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "runtime/launch.h"

#define MKFS "/usr/bin/mkfs.erofs"
#define MERGED "/run/gantry-merged" /* where the layers are mounted, in the maker's own mount namespace */

/* The directory of the topmost layer, behind its short name. */
static const char *top_dir(const struct image *image, struct arena *arena)
{
        char real[4096];
        char *slash;

        if (image->n_layers == 0 || realpath(image->layers[image->n_layers - 1], real) == NULL || (slash = strrchr(real, '/')) == NULL)
                return NULL;
        *slash = '\0';
        return arena_strdup(arena, real);
}

static const char *overlay_of(const struct image *image, struct arena *arena)
{
        struct buf text = {0};

        buf_append_str(&text, "lowerdir=");
        for (uint32_t i = image->n_layers; i > 0; i--)
                buf_printf(&text, "%s%s", image->layers[i - 1], i > 1 ? ":" : "");
        const char *copy = arena_strndup(arena, text.data, text.len);
        buf_done(&text);
        return copy;
}

static int run_mkfs(const struct image *image, const char *to, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        bool merged = image->n_layers > 1;
        const char *const argv[] = {MKFS, "--quiet", to, merged ? MERGED : image->layers[0], NULL};
        struct launch launch = {.program = MKFS, .argv = argv, .cgroup_fd = -1, .users_fd = -1};

        if (merged) {
                int r = files_make_dirs(MERGED, 0700);

                if (r < 0)
                        return error_set(error, -r, "cannot make " MERGED ": %s", strerror(-r));
                launch.overlay_target = MERGED;
                launch.overlay_options = overlay_of(image, &arena);
        }
        return launch_run(&launch, "erofs-utils", error);
}

int image_disk_open(const struct image *image, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *dir = top_dir(image, &arena);
        const char *colon = strchr(image->id, ':');
        const char *path, *temporary;
        int fd, r;

        if (dir == NULL)
                return error_set(error, ENOENT, "the image's layers are gone: pull it again");
        path = arena_printf(&arena, "%s/disk-%.64s.erofs", dir, colon != NULL ? colon + 1 : image->id);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        temporary = arena_printf(&arena, "%s.%ld", path, syscall(SYS_gettid));
        r = run_mkfs(image, temporary, error);
        if (r == 0 && rename(temporary, path) < 0)
                r = error_set(error, errno, "cannot rename %s: %s", temporary, strerror(errno));
        if (r < 0) {
                (void)unlink(temporary);
                return r;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_set(error, errno, "cannot open %s: %s", path, strerror(errno)) : fd;
}
