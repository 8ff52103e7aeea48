/* SPDX-License-Identifier: Apache-2.0 */
/* One layer's tar entries into a directory: safe paths, whiteouts, hard links, sparse files, owners, modes, attributes, times. */
#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/tar_reader.h"
#include "image/unpack_path.h"

#define MAX_ENTRIES 10000000
#define MAX_LATE_BYTES ((size_t)128 << 20) /* of directories' names that are remembered */
#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR "trusted.overlay.opaque"

/* Directories get their times last, because writing into them changes these. */
struct late_dir {
        struct late_dir *next;
        const char *path;
        struct timespec times[2];
};

struct job {
        struct unpack *unpack;
        const struct tar_reader *reader;
        struct unpack_paths paths;
        struct arena arena;
        struct late_dir *late_dirs;
        struct error *error;
};

static int fail(struct job *job, int r, const char *path, const char *what)
{
        if (r == -ENOSPC || r == -EDQUOT)
                return error_set(job->error, ENOSPC,
                                 "no space left on the disk while unpacking %s: free some, or remove images that are not used", path);
        return error_set(job->error, -r, "%s: %s: %s", path, what, strerror(-r));
}

static int hostile(struct job *job, const char *path, const char *what)
{
        return error_set(job->error, EBADMSG, "the layer is not a valid one: entry \"%.300s\" %s", path, what);
}

/* Makes room for an entry: whatever has the name goes, except that a directory may stay for a directory. */
static int clear_place(struct job *job, int dir, const char *name, bool keep_directory, bool *ret_was_whiteout)
{
        struct stat st;

        *ret_was_whiteout = false;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (keep_directory && S_ISDIR(st.st_mode))
                return 0;
        *ret_was_whiteout = S_ISCHR(st.st_mode) && st.st_rdev == 0;
        job->paths.stale = true;
        return files_remove(dir, name);
}

static int set_opaque(int dir)
{
        return fsetxattr(dir, OPAQUE_XATTR, "y", 1, 0) < 0 ? -errno : 0;
}

static int make_whiteout(struct job *job, int dir, const char *name, const char *path)
{
        struct stat st;
        CLEANUP_CLOSE int fd = -1;
        int r;

        if (str_eq(name, "") || str_eq(name, ".") || str_eq(name, ".."))
                return hostile(job, path, "is a whiteout of nothing");
        /* The whiteout hides what lower layers have. What this layer itself has put there stays; of a directory only that. */
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if (!S_ISDIR(st.st_mode))
                        return 0;
                fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = fd < 0 ? -errno : set_opaque(fd);
                return r < 0 ? fail(job, r, path, "cannot mark the directory opaque") : 0;
        }
        if (mknodat(dir, name, S_IFCHR | 0600, makedev(0, 0)) < 0)
                return fail(job, -errno, path, "cannot make the whiteout");
        return 0;
}

static int write_contents(struct job *job, struct archive *tar, struct archive_entry *entry, int fd, const char *path)
{
        const void *block;
        size_t len;
        la_int64_t offset;

        for (;;) {
                int k = job->reader->archive_read_data_block(tar, &block, &len, &offset);

                if (k == ARCHIVE_EOF)
                        break;
                if (k < ARCHIVE_WARN)
                        return hostile(job, path,
                                       job->reader->archive_error_string(tar) != NULL ? job->reader->archive_error_string(tar)
                                                                                      : "is broken");
                if (job->unpack->cancelled != NULL && *job->unpack->cancelled)
                        return -ECANCELED;
                job->unpack->bytes += len;
                if (job->unpack->max_bytes != 0 && job->unpack->bytes > job->unpack->max_bytes)
                        return error_set(job->error, EFBIG, "the layer unpacks to more than %llu bytes, which is the limit of this node",
                                         (unsigned long long)job->unpack->max_bytes);
                while (len > 0) {
                        ssize_t n = pwrite(fd, block, len, offset);

                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n < 0)
                                return fail(job, -errno, path, "cannot write");
                        block = (const char *)block + n;
                        len -= (size_t)n;
                        offset += n;
                }
        }
        /* A hole at the end. */
        if (ftruncate(fd, job->reader->archive_entry_size(entry)) < 0)
                return fail(job, -errno, path, "cannot set the size");
        return 0;
}

static int make_file(struct job *job, struct archive *tar, struct archive_entry *entry, int dir, const char *name, const char *path)
{
        CLEANUP_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return fail(job, -errno, path, "cannot create the file");
        return write_contents(job, tar, entry, fd, path);
}

static int make_directory(struct job *job, int dir, const char *name, const char *path, bool was_whiteout)
{
        CLEANUP_CLOSE int fd = -1;
        int r;

        if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
                return fail(job, -errno, path, "cannot create the directory");
        if (!was_whiteout)
                return 0;
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : set_opaque(fd);
        return r < 0 ? fail(job, r, path, "cannot mark the directory opaque") : 0;
}

static int make_hard_link(struct job *job, const char *target, int dir, const char *name, const char *path)
{
        const char *target_name;
        CLEANUP_CLOSE int target_dir = -1;
        struct stat st;
        int r;

        r = unpack_paths_lookup(&job->paths, target, &target_dir, &target_name);
        if (r == -EINVAL)
                return hostile(job, path, "is a link to a path that leads out of the layer");
        if (r < 0 || target_name == NULL || fstatat(target_dir, target_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return hostile(job, path, "is a hard link to something that is not in the layer");
        if (S_ISDIR(st.st_mode))
                return hostile(job, path, "is a hard link to a directory");
        if (linkat(target_dir, target_name, dir, name, 0) < 0)
                return fail(job, -errno, path, "cannot make the hard link");
        return 0;
}

static int make_node(struct job *job, struct archive_entry *entry, int dir, const char *name, const char *path)
{
        mode_t type = job->reader->archive_entry_filetype(entry);
        dev_t device =
                type == S_IFIFO ? 0 : makedev(job->reader->archive_entry_rdevmajor(entry), job->reader->archive_entry_rdevminor(entry));

        /* The device that means "whiteout" to overlayfs is for us to make. */
        if (type == S_IFCHR && device == 0)
                return hostile(job, path, "is a character device 0:0");
        if (mknodat(dir, name, type | 0600, device) < 0)
                return fail(job, -errno, path, "cannot make the device");
        return 0;
}

/* Only these: trusted.overlay.* from a tar would steer overlayfs itself. */
static bool xattr_is_allowed(const char *name)
{
        return str_starts_with(name, "user.") || str_eq(name, "security.capability") || str_eq(name, "system.posix_acl_access") ||
               str_eq(name, "system.posix_acl_default");
}

static int set_xattrs(struct job *job, struct archive_entry *entry, int fd, const char *path)
{
        const char *name;
        const void *value;
        size_t len;

        job->reader->archive_entry_xattr_reset(entry);
        while (job->reader->archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK) {
                if (name == NULL || !xattr_is_allowed(name) || str_starts_with(name, "user.overlay."))
                        continue;
                /* A file system without this kind of attribute, or a value that it does not take, is no reason to refuse the image. */
                if (fsetxattr(fd, name, value, len, 0) < 0 && errno != ENOTSUP && errno != EINVAL && errno != EPERM)
                        return fail(job, -errno, path, name);
        }
        return 0;
}

static struct timespec entry_time(la_int64_t seconds, long nanoseconds)
{
        return (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds >= 0 && nanoseconds < 1000000000 ? nanoseconds : 0};
}

/* Owner first: changing it clears set-id bits and capabilities. */
static int set_attributes(struct job *job, struct archive_entry *entry, int dir, const char *name, const char *path)
{
        mode_t type = job->reader->archive_entry_filetype(entry);
        struct timespec times[2];
        CLEANUP_CLOSE int fd = -1;
        int r;

        if (!job->unpack->ignore_owner && fchownat(dir, name, (uid_t)job->reader->archive_entry_uid(entry),
                                                   (gid_t)job->reader->archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) < 0)
                return fail(job, -errno, path, "cannot set the owner");
        times[0] = times[1] = entry_time(job->reader->archive_entry_mtime(entry), job->reader->archive_entry_mtime_nsec(entry));
        if (type == S_IFREG || type == S_IFDIR) {
                fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (fd < 0 || fchmod(fd, job->reader->archive_entry_perm(entry)) < 0)
                        return fail(job, -errno, path, "cannot set the mode");
                r = set_xattrs(job, entry, fd, path);
                if (r < 0)
                        return r;
        } else if (type != S_IFLNK && fchmodat(dir, name, job->reader->archive_entry_perm(entry), 0) < 0) {
                return fail(job, -errno, path, "cannot set the mode");
        }
        if (type == S_IFDIR) {
                struct late_dir *late = ARENA_NEW(&job->arena, struct late_dir);

                late->path = arena_strdup(&job->arena, path);
                memcpy(late->times, times, sizeof(times));
                late->next = job->late_dirs;
                job->late_dirs = late;
                if (job->arena.total > MAX_LATE_BYTES)
                        return error_set(job->error, EFBIG, "the names of the layer's directories are longer than %zu bytes together",
                                         MAX_LATE_BYTES);
        } else if (job->reader->archive_entry_mtime_is_set(entry)) {
                (void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
        }
        return 0;
}

/* The layer's root itself: "./". Only its attributes count. */
static int unpack_root(struct job *job, struct archive_entry *entry)
{
        int root = job->unpack->root;

        if (!job->unpack->ignore_owner &&
            fchown(root, (uid_t)job->reader->archive_entry_uid(entry), (gid_t)job->reader->archive_entry_gid(entry)) < 0)
                return fail(job, -errno, "/", "cannot set the owner");
        if (fchmod(root, job->reader->archive_entry_perm(entry)) < 0)
                return fail(job, -errno, "/", "cannot set the mode");
        return set_xattrs(job, entry, root, "/");
}

static int make_entry(struct job *job, struct archive *tar, struct archive_entry *entry, int dir, const char *name, const char *path)
{
        mode_t type = job->reader->archive_entry_filetype(entry);
        const char *hard_link = job->reader->archive_entry_hardlink(entry);
        bool was_whiteout;
        int r;

        r = clear_place(job, dir, name, hard_link == NULL && type == S_IFDIR, &was_whiteout);
        if (r < 0)
                return fail(job, r, path, "cannot replace an earlier entry");
        /* A hard link has the attributes of the file that it names. */
        if (hard_link != NULL)
                return make_hard_link(job, hard_link, dir, name, path);
        switch (type) {
        case S_IFREG:
                r = make_file(job, tar, entry, dir, name, path);
                break;
        case S_IFDIR:
                r = make_directory(job, dir, name, path, was_whiteout);
                break;
        case S_IFLNK:
                if (job->reader->archive_entry_symlink(entry) == NULL)
                        return hostile(job, path, "is a symbolic link to nothing");
                r = symlinkat(job->reader->archive_entry_symlink(entry), dir, name) < 0
                            ? fail(job, -errno, path, "cannot make the symbolic link")
                            : 0;
                break;
        case S_IFCHR:
        case S_IFBLK:
        case S_IFIFO:
                r = make_node(job, entry, dir, name, path);
                break;
        default:
                return hostile(job, path, "is of an unknown type");
        }
        return r < 0 ? r : set_attributes(job, entry, dir, name, path);
}

static int unpack_entry(struct job *job, struct archive *tar, struct archive_entry *entry)
{
        const char *path = job->reader->archive_entry_pathname(entry);
        const char *name;
        int dir;
        int r;

        if (path == NULL)
                path = job->reader->archive_entry_pathname_utf8(entry);
        if (path == NULL)
                return hostile(job, "?", "has no name");
        r = unpack_paths_parent(&job->paths, path, &dir, &name);
        if (r == -EINVAL)
                return hostile(job, path, "has a path that leads out of the layer");
        if (r == -ENOTDIR || r == -ELOOP)
                return hostile(job, path, "lies in something that is not a directory");
        if (r < 0)
                return fail(job, r, path, "cannot open the directory that it is in");
        if (name == NULL)
                return unpack_root(job, entry);
        if (str_eq(name, WHITEOUT_OPAQUE)) {
                r = unpack_paths_reopen(&job->paths);
                if (r == 0)
                        r = set_opaque(job->paths.readable);
                return r < 0 ? fail(job, r, path, "cannot mark the directory opaque") : 0;
        }
        if (str_starts_with(name, WHITEOUT_META))
                return 0;
        if (str_starts_with(name, WHITEOUT))
                return make_whiteout(job, dir, name + strlen(WHITEOUT), path);
        return make_entry(job, tar, entry, dir, name, path);
}

static void set_directory_times(struct job *job)
{
        for (struct late_dir *late = job->late_dirs; late != NULL; late = late->next) {
                CLEANUP_CLOSE int dir = -1;
                const char *name;

                if (unpack_paths_lookup(&job->paths, late->path, &dir, &name) == 0 && name != NULL)
                        (void)utimensat(dir, name, late->times, AT_SYMLINK_NOFOLLOW);
        }
}

static int unpack_entries(struct job *job, struct archive *tar)
{
        uint64_t max_entries = job->unpack->max_entries != 0 ? job->unpack->max_entries : MAX_ENTRIES;
        struct archive_entry *entry;

        for (;;) {
                int k = job->reader->archive_read_next_header(tar, &entry);
                int r;

                if (k == ARCHIVE_EOF)
                        return 0;
                /* A warning is about a name that is not UTF-8: it comes as the bytes that it has. */
                if (k < ARCHIVE_WARN)
                        return error_set(job->error, EBADMSG, "the layer is not a valid tar archive: %s",
                                         job->reader->archive_error_string(tar) != NULL ? job->reader->archive_error_string(tar)
                                                                                        : "it is cut short");
                if (job->unpack->cancelled != NULL && *job->unpack->cancelled)
                        return -ECANCELED;
                if (++job->unpack->entries > max_entries)
                        return error_set(job->error, EFBIG, "the layer has more than %llu entries", (unsigned long long)max_entries);
                r = unpack_entry(job, tar, entry);
                if (r < 0)
                        return r;
        }
}

int unpack_tar(struct unpack *unpack, struct archive *tar, struct error *error)
{
        struct job job = {.unpack = unpack, .reader = unpack->reader, .error = error};
        int r;

        unpack_paths_init(&job.paths, unpack->root);
        r = unpack_entries(&job, tar);
        if (r == 0)
                set_directory_times(&job);
        unpack_paths_done(&job.paths);
        arena_done(&job.arena);
        return r;
}
