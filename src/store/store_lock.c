/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of a data directory: flock() on a file into which the holder writes its process id for whoever comes second. */
#include "store/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/strutil.h"

static int held_by_other(int fd, const char *dir, struct error *error)
{
        char text[32] = "";
        int64_t pid = 0;
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n > 0)
                text[strcspn(text, "\n")] = '\0';
        if (n > 0 && str_to_int64(text, &pid) == 0 && pid > 0)
                return error_set(error, EBUSY,
                                 "%s is in use by process %lld: stop that one first (kill %lld), or give this one its own --data-dir", dir,
                                 (long long)pid, (long long)pid);
        return error_set(
                error, EBUSY,
                "%s is in use by another process: stop that one first (fuser %s/state.lock names it), or give this one its own --data-dir",
                dir, dir);
}

int store_lock(const char *dir, struct error *error)
{
        char path[PATH_MAX], text[32];
        CLEANUP_CLOSE int fd = -1;
        int len;

        if (snprintf(path, sizeof(path), "%s/state.lock", dir) >= (int)sizeof(path))
                return error_set(error, ENAMETOOLONG, "the path of the data directory is too long: %s", dir);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set(error, errno, "cannot open %s: %s; the data directory must be writable for this user", path,
                                 strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        return held_by_other(fd, dir, error);
                return error_set(error, errno, "cannot lock %s: %s; the data directory must be on a local file system", path,
                                 strerror(errno));
        }
        len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
                return error_set(error, errno != 0 ? errno : EIO, "cannot write %s: %s; is the disk full?", path, strerror(errno));
        return TAKE_FD(fd);
}
