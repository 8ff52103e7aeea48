/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories. */
#include "agent/state/fsutil.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

int fs_make_dirs(const char *path, mode_t mode)
{
        CLEANUP_FREE char *copy = xstrdup(path);

        for (char *p = strchr(copy + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int fs_sync_dir(const char *path)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, data, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

int fs_write_file(const char *path, const void *data, size_t len)
{
        CLEANUP_FREE char *temporary = xprintf("%s.new", path);
        CLEANUP_CLOSE int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int r = 0;

        if (fd < 0)
                return -errno;
        r = write_all(fd, data, len);
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

/* `fd` is consumed. */
static int remove_below(int fd, dev_t device)
{
        DIR *dir = fdopendir(fd);
        int r = 0;

        if (dir == NULL) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
                struct stat st;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (!S_ISDIR(st.st_mode)) {
                        if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
                                r = -errno;
                        continue;
                }
                int below = st.st_dev == device ? openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
                if (below >= 0 && remove_below(below, device) < 0)
                        r = -EBUSY;
                if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        r = -errno;
        }
        (void)closedir(dir);
        return r;
}

int fs_remove_tree(const char *path)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0) {
                (void)close(fd);
                return -errno;
        }
        int r = remove_below(fd, st.st_dev);
        if (rmdir(path) < 0 && errno != ENOENT && r == 0)
                r = -errno;
        return r;
}
