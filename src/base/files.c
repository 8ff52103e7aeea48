/* SPDX-License-Identifier: Apache-2.0 */
/* Removing trees, replacing files, walking directories. */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

static void close_dir(DIR **dir)
{
        if (*dir != NULL)
                closedir(*dir);
}

static DIR *open_dir(int at, const char *name)
{
        int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir;

        if (fd < 0)
                return NULL;
        dir = fdopendir(fd);
        if (dir == NULL)
                close(fd);
        return dir;
}

static bool is_dots(const char *name)
{
        return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Whoever filled a directory chose how deep: each level that is open takes a descriptor, a buffer and stack. What lies deeper than this is
 * moved to the top, and removed there. */
#define REMOVE_DEPTH 32

struct removal {
        dev_t device;
        int top;        /* the directory that is emptied */
        uint32_t moved; /* names that were used up for what was moved there */
};

static int move_up(struct removal *removal, int at, const char *name)
{
        for (;;) {
                char there[32];

                (void)snprintf(there, sizeof(there), ".removed-%u", removal->moved++);
                if (renameat(at, name, removal->top, there) == 0 || errno == ENOENT)
                        return 0;
                if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
                        return -errno;
        }
}

static int remove_directory(struct removal *removal, int at, const char *name, int depth);

/* Goes on after a failure; returns the first. */
static int remove_entries(struct removal *removal, DIR *dir, int depth)
{
        struct dirent *entry;
        int r = 0;

        while ((entry = readdir(dir)) != NULL) {
                int k = 0;

                if (is_dots(entry->d_name))
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
                        continue;
                k = -errno;
                if (k == -EISDIR || k == -EPERM || k == -ENOTEMPTY)
                        k = depth < REMOVE_DEPTH ? remove_directory(removal, dirfd(dir), entry->d_name, depth + 1)
                                                 : move_up(removal, dirfd(dir), entry->d_name);
                if (k < 0 && r == 0)
                        r = k;
        }
        return r;
}

/* Within the same file system only. */
static int remove_directory(struct removal *removal, int at, const char *name, int depth)
{
        DIR *dir CLEANUP(close_dir) = open_dir(at, name);
        struct stat st;
        int r;

        if (dir == NULL)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(dirfd(dir), &st) < 0)
                return -errno;
        if (st.st_dev != removal->device)
                return -EBUSY;
        r = remove_entries(removal, dir, depth);
        if (r < 0)
                return r;
        return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int empty_directory(int at, const char *name, dev_t device)
{
        DIR *dir CLEANUP(close_dir) = open_dir(at, name);
        struct removal removal = {.device = device};
        uint32_t before;
        int r;

        if (dir == NULL)
                return errno == ENOENT ? 0 : -errno;
        removal.top = dirfd(dir);
        do {
                before = removal.moved;
                rewinddir(dir);
                r = remove_entries(&removal, dir, 0);
        } while (removal.moved != before);
        return r;
}

int files_remove(int at, const char *name)
{
        struct stat st;
        int r;

        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISDIR(st.st_mode))
                return unlinkat(at, name, 0) < 0 && errno != ENOENT ? -errno : 0;
        r = empty_directory(at, name, st.st_dev);
        if (r < 0)
                return r;
        return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int files_make_dirs(const char *path, mode_t mode)
{
        CLEANUP_FREE char *copy = xstrdup(path);

        for (char *p = copy + 1; *p != '\0'; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
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

int files_sync_dir(int at, const char *name)
{
        CLEANUP_CLOSE int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The directory that has the name, however the name gets there. */
static int sync_dir_of(int at, const char *name)
{
        const char *slash = strrchr(name, '/');
        CLEANUP_FREE char *dir = slash != NULL ? xstrndup(name, (size_t)(slash - name) + 1) : xstrdup(".");

        return files_sync_dir(at, dir);
}

int files_write(int at, const char *name, const void *data, size_t len, mode_t mode, bool durable)
{
        CLEANUP_FREE char *temporary = xprintf("%s.new", name);
        CLEANUP_CLOSE int fd = openat(at, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, data, len);
        if (r == 0 && durable && fdatasync(fd) < 0)
                r = -errno;
        if (r == 0 && renameat(at, temporary, at, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(at, temporary, 0);
                return r;
        }
        return durable ? sync_dir_of(at, name) : 0;
}

int files_each(int at, const char *name, int (*fn)(const char *entry, void *data), void *data)
{
        DIR *dir CLEANUP(close_dir) = open_dir(at, name);
        struct dirent *entry;

        if (dir == NULL)
                return -errno;
        while ((entry = readdir(dir)) != NULL) {
                int r;

                if (is_dots(entry->d_name))
                        continue;
                r = fn(entry->d_name, data);
                if (r != 0)
                        return r;
        }
        return 0;
}

int files_spread(int dir_fd)
{
        int flags; /* whatever the number of the call says */

        if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        flags |= FS_TOPDIR_FL;
        return ioctl(dir_fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int files_lock(int at, const char *name, uint32_t patience_ms)
{
        CLEANUP_CLOSE int fd = openat(at, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        for (uint32_t waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 10) {
                if (errno != EWOULDBLOCK || waited >= patience_ms)
                        return -errno;
                usleep(10000);
        }
        return TAKE_FD(fd);
}

int files_disk(const char *path, uint32_t *ret_percent, uint64_t *ret_free)
{
        struct statvfs fs;
        uint64_t used, usable;

        if (statvfs(path, &fs) < 0)
                return -errno;
        /* As df counts: blocks that are reserved for root belong to neither. */
        used = fs.f_blocks - fs.f_bfree;
        usable = used + fs.f_bavail;
        *ret_percent = usable == 0 ? 100 : (uint32_t)((used * 100 + usable - 1) / usable);
        *ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
        return 0;
}
