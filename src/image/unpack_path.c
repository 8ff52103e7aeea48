/* SPDX-License-Identifier: Apache-2.0 */
/* Safe resolution of entry paths with openat2: the kernel treats the layer's directory as the root. */
#include "image/unpack_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/strutil.h"

static int open_inside(int root, const char *path, uint64_t flags)
{
        struct open_how how = {
                .flags = flags | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
        };
        int fd;

        do {
                fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
        return fd < 0 ? -errno : fd;
}

void unpack_paths_init(struct unpack_paths *paths, int root)
{
        *paths = (struct unpack_paths){.root = root, .dir = -1, .readable = -1};
        buf_init(&paths->dir_path);
        buf_init(&paths->clean);
        buf_init(&paths->looked_up);
}

static void forget_dir(struct unpack_paths *paths)
{
        if (paths->dir >= 0)
                close(paths->dir);
        if (paths->readable >= 0)
                close(paths->readable);
        paths->dir = paths->readable = -1;
        paths->stale = false;
}

void unpack_paths_done(struct unpack_paths *paths)
{
        forget_dir(paths);
        buf_done(&paths->dir_path);
        buf_done(&paths->clean);
        buf_done(&paths->looked_up);
}

/* Puts the parts of `path`, joined by single slashes, into paths->clean. */
static int clean_path(struct unpack_paths *paths, const char *path)
{
        buf_clear(&paths->clean);
        buf_append(&paths->clean, "", 0);
        while (*path != '\0') {
                size_t len = strcspn(path, "/");

                if (len == 2 && path[0] == '.' && path[1] == '.')
                        return -EINVAL;
                if (len > NAME_MAX)
                        return -EINVAL;
                if (len > 0 && !(len == 1 && path[0] == '.')) {
                        if (paths->clean.len > 0)
                                buf_append_char(&paths->clean, '/');
                        buf_append(&paths->clean, path, len);
                }
                path += len;
                path += strspn(path, "/");
        }
        return paths->clean.len >= PATH_MAX ? -EINVAL : 0;
}

/* Splits paths->clean: the directory part is left in it as a string ("." for the root), the name follows. */
static const char *split(struct unpack_paths *paths, const char **ret_dir)
{
        char *slash;

        if (paths->clean.len == 0) {
                *ret_dir = ".";
                return NULL;
        }
        slash = strrchr(paths->clean.data, '/');
        if (slash == NULL) {
                *ret_dir = ".";
                return paths->clean.data;
        }
        *slash = '\0';
        *ret_dir = paths->clean.data;
        return slash + 1;
}

/* Makes the missing parts of `path`, one by one, each looked up from the root. */
static int make_inside(int root, char *path)
{
        for (char *p = path;; p++) {
                char kept = *p;
                char *slash;
                CLEANUP_CLOSE int parent = -1;
                int fd;

                if (kept != '/' && kept != '\0')
                        continue;
                *p = '\0';
                fd = open_inside(root, path, O_PATH);
                if (fd >= 0) {
                        close(fd);
                } else if (fd == -ENOENT) {
                        slash = strrchr(path, '/');
                        if (slash != NULL)
                                *slash = '\0';
                        parent = open_inside(root, slash != NULL ? path : ".", O_PATH);
                        fd = parent < 0 ? parent : mkdirat(parent, slash != NULL ? slash + 1 : path, 0755) < 0 ? -errno : 0;
                        if (slash != NULL)
                                *slash = '/';
                        /* A dangling link has the name: a directory cannot be made in its place without losing it. */
                        if (fd == -EEXIST)
                                fd = -ENOTDIR;
                }
                *p = kept;
                if (fd < 0)
                        return fd;
                if (kept == '\0')
                        return 0;
        }
}

int unpack_paths_parent(struct unpack_paths *paths, const char *path, int *ret_dir, const char **ret_name)
{
        const char *dir_path;
        const char *name;
        int fd;
        int r;

        r = clean_path(paths, path);
        if (r < 0)
                return r;
        name = split(paths, &dir_path);
        if (paths->dir >= 0 && !paths->stale && str_eq(paths->dir_path.data, dir_path)) {
                *ret_dir = paths->dir;
                *ret_name = name;
                return 0;
        }
        forget_dir(paths);
        fd = open_inside(paths->root, dir_path, O_PATH);
        if (fd == -ENOENT) {
                r = make_inside(paths->root, (char *)(uintptr_t)dir_path);
                if (r < 0)
                        return r;
                fd = open_inside(paths->root, dir_path, O_PATH);
        }
        if (fd < 0)
                return fd;
        paths->dir = fd;
        buf_clear(&paths->dir_path);
        buf_append_str(&paths->dir_path, dir_path);
        *ret_dir = fd;
        *ret_name = name;
        return 0;
}

int unpack_paths_lookup(struct unpack_paths *paths, const char *path, int *ret_dir, const char **ret_name)
{
        struct unpack_paths own;
        const char *dir_path;
        const char *name;
        int r;

        /* A buffer of its own: the name of the entry under work must stay. */
        unpack_paths_init(&own, paths->root);
        r = clean_path(&own, path);
        if (r < 0) {
                unpack_paths_done(&own);
                return r;
        }
        name = split(&own, &dir_path);
        r = open_inside(paths->root, dir_path, O_PATH);
        if (r >= 0) {
                *ret_dir = r;
                *ret_name = NULL;
                if (name != NULL) {
                        buf_clear(&paths->looked_up);
                        buf_append_str(&paths->looked_up, name);
                        *ret_name = paths->looked_up.data;
                }
                r = 0;
        }
        unpack_paths_done(&own);
        return r;
}

int unpack_paths_reopen(struct unpack_paths *paths)
{
        if (paths->readable >= 0)
                return 0;
        paths->readable = openat(paths->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return paths->readable < 0 ? -errno : 0;
}
