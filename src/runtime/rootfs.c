/* SPDX-License-Identifier: Apache-2.0 */
/* openat2 with the container's root file system as the root, and what is built on it. */
#include "runtime/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define XATTR_LIST_MAX 65536
#define MAX_DEPTH 128

int rootfs_open(int root, const char *path, uint64_t flags, uint32_t mode)
{
        struct open_how how = {
                .flags = flags | O_CLOEXEC,
                .mode = mode,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int fd;

        do {
                fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
        return fd < 0 ? -errno : fd;
}

int rootfs_read(int root, const char *path, size_t limit, struct buf *ret)
{
        CLEANUP_CLOSE int fd = rootfs_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        for (;;) {
                ssize_t n = read(fd, buf_reserve(ret, 4096), 4096);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                buf_advance(ret, (size_t)n);
                if (ret->len > limit)
                        return -EFBIG;
        }
        buf_append(ret, "", 0);
        return 0;
}

int rootfs_make_dir(int root, const char *path, uint32_t uid, uint32_t gid)
{
        CLEANUP_FREE char *copy = xstrdup(path);
        int fd = rootfs_open(root, path, O_PATH | O_DIRECTORY, 0);

        if (fd != -ENOENT)
                return fd;
        for (char *p = copy + 1;; p++) {
                char kept = *p;
                CLEANUP_CLOSE int parent = -1;
                char *slash;

                if (kept != '/' && kept != '\0')
                        continue;
                *p = '\0';
                fd = rootfs_open(root, copy, O_PATH | O_DIRECTORY, 0);
                if (fd == -ENOENT) {
                        slash = strrchr(copy, '/');
                        *slash = '\0';
                        parent = rootfs_open(root, *copy != '\0' ? copy : "/", O_PATH | O_DIRECTORY, 0);
                        if (parent < 0)
                                return parent;
                        if (slash[1] != '\0' && mkdirat(parent, slash + 1, 0755) < 0)
                                return errno == EEXIST ? -ENOTDIR : -errno;
                        if (slash[1] != '\0' && fchownat(parent, slash + 1, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                                return -errno;
                        *slash = '/';
                        fd = rootfs_open(root, copy, O_PATH | O_DIRECTORY, 0);
                }
                *p = kept;
                if (fd < 0)
                        return fd;
                if (kept == '\0')
                        return fd;
                close(fd);
        }
}

/* ---- copying up ---- */

static int copy_attributes(int from, int to, const struct stat *st)
{
        CLEANUP_FREE char *names = NULL;
        ssize_t len = flistxattr(from, NULL, 0);
        const struct timespec times[2] = {st->st_atim, st->st_mtim};

        if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
                return -errno;
        if (len > 0 && len <= XATTR_LIST_MAX) {
                names = xalloc((size_t)len);
                len = flistxattr(from, names, (size_t)len);
        }
        for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
                char value[4096];
                ssize_t n;

                if (str_starts_with(name, "trusted.overlay."))
                        continue;
                n = fgetxattr(from, name, value, sizeof(value));
                if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP && errno != EPERM)
                        return -errno;
        }
        (void)futimens(to, times);
        return 0;
}

/* At the file's position `at`: a disk that is nearly full takes a part of it. */
static ssize_t copy_piece(int from, int to, off_t at)
{
        char chunk[65536];
        ssize_t n = pread(from, chunk, sizeof(chunk), at);

        return n > 0 ? pwrite(to, chunk, (size_t)n, at) : n;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
        CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        CLEANUP_CLOSE int to = -1;
        off_t left = st->st_size;

        if (from < 0)
                return -errno;
        to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return -errno;
        while (left > 0) {
                ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);

                if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
                        n = copy_piece(from, to, st->st_size - left);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                left -= n;
        }
        return copy_attributes(from, to, st);
}

static int copy_dir(int from_dir, int to_dir, const char *name, const struct stat *st, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
        struct stat st;
        char target[4096];
        ssize_t n;

        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISREG(st.st_mode))
                return copy_file(from, to, name, &st);
        if (S_ISDIR(st.st_mode))
                return copy_dir(from, to, name, &st, depth);
        if (S_ISLNK(st.st_mode)) {
                n = readlinkat(from, name, target, sizeof(target) - 1);
                if (n < 0)
                        return -errno;
                target[n] = '\0';
                if (symlinkat(target, to, name) < 0)
                        return -errno;
        } else if (mknodat(to, name, st.st_mode, st.st_rdev) < 0) {
                return -errno;
        }
        return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_inside(int from, int to, int depth)
{
        int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *entry;
        int r = 0;

        if (dir == NULL) {
                if (fd >= 0)
                        close(fd);
                return -errno;
        }
        while (r == 0 && (entry = readdir(dir)) != NULL)
                if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
                        r = copy_entry(from, to, entry->d_name, depth);
        closedir(dir);
        return r;
}

static int copy_dir(int from_dir, int to_dir, const char *name, const struct stat *st, int depth)
{
        CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        CLEANUP_CLOSE int to = -1;
        int r;

        if (from < 0)
                return -errno;
        if (depth >= MAX_DEPTH)
                return -ELOOP;
        if (mkdirat(to_dir, name, 0700) < 0)
                return -errno;
        to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
                return -errno;
        r = copy_inside(from, to, depth + 1);
        return r < 0 ? r : copy_attributes(from, to, st);
}

static bool is_empty(int dir_fd)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *entry;
        bool empty = true;

        if (dir == NULL) {
                if (fd >= 0)
                        close(fd);
                return false;
        }
        /* A file system made for the volume has this one from the start. */
        while (empty && (entry = readdir(dir)) != NULL)
                empty = str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") || str_eq(entry->d_name, "lost+found");
        closedir(dir);
        return empty;
}

int rootfs_copy_up(int root, const char *path, int to)
{
        CLEANUP_CLOSE int from = rootfs_open(root, path, O_RDONLY | O_DIRECTORY, 0);
        struct stat st;
        int r;

        if (from == -ENOENT || from == -ENOTDIR)
                return 0;
        if (from < 0)
                return from;
        if (!is_empty(to))
                return 0;
        if (fstat(from, &st) < 0)
                return -errno;
        r = copy_inside(from, to, 0);
        return r < 0 ? r : copy_attributes(from, to, &st);
}
