/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of tasks: see disk.h. */
#include "runtime/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/loop.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"

#define ATTACH_TRIES 100
#define SECTOR 4096
/* All are said: a host's /etc/mke2fs.conf decides nothing. */
#define FEATURES "none,filetype,extent,flex_bg,sparse_super2,huge_file,large_file,dir_nlink,dir_index,ext_attr,extra_isize,uninit_bg,64bit"
/* Less than this is left of the host's own file system: then it takes no more disks. */
#define KEEP_FREE (INT64_C(1) << 30)

extern char **environ;

struct task_disk {
        char *dir, *run_dir;
        char *image, *mount_dir, *device_link; /* paths; the link says which loop device has it, for the next agent */
        int64_t bytes;
        pthread_mutex_t lock;
        char device[32]; /* "/dev/loop7" */
        int mount_fd;    /* keeps the device; -1: not opened */
};

struct task_disk *disk_new(const char *dir, const char *run_dir, const char *task_id, int64_t bytes)
{
        struct task_disk *disk = xalloc(sizeof(*disk));

        disk->dir = xstrdup(dir);
        disk->run_dir = xstrdup(run_dir);
        disk->image = xprintf("%s/%s.img", dir, task_id);
        disk->mount_dir = xprintf("%s/%s", dir, task_id);
        disk->device_link = xprintf("%s/%s", run_dir, task_id);
        disk->bytes = bytes;
        disk->mount_fd = -1;
        pthread_mutex_init(&disk->lock, NULL);
        return disk;
}

struct task_disk *disk_free(struct task_disk *disk)
{
        if (disk == NULL)
                return NULL;
        if (disk->mount_fd >= 0)
                close(disk->mount_fd);
        pthread_mutex_destroy(&disk->lock);
        free(disk->dir);
        free(disk->run_dir);
        free(disk->image);
        free(disk->mount_dir);
        free(disk->device_link);
        free(disk);
        return NULL;
}

const char *disk_dir(const struct task_disk *disk)
{
        return disk->mount_dir;
}

/* ---- the file ---- */

static int run_mke2fs(const char *path, int64_t bytes)
{
        CLEANUP_FREE char *size = xprintf("%lldk", (long long)(bytes / 1024));
        /* Inode tables need no zeroes in a file that has nothing else. */
        const char *const argv[] = {"mke2fs", "-q",   "-F",     "-t",  "ext4",
                                    "-b",     "4096", "-I",     "256", "-m",
                                    "0",      "-O",   FEATURES, "-E",  "lazy_itable_init=1,nodiscard,num_backup_sb=0",
                                    path,     size,   NULL};
        posix_spawn_file_actions_t actions;
        int status, r;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        r = posix_spawn(&pid, "/sbin/mke2fs", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* What mke2fs makes of an empty file of this size, made once after each boot of the machine. */
static int open_template(const struct task_disk *disk, struct error *error)
{
        CLEANUP_FREE char *path = xprintf("%s/+%lld", disk->run_dir, (long long)disk->bytes); /* '+' cannot be in a task's id */
        CLEANUP_FREE char *made = xprintf("%s.new", disk->device_link);
        int fd = open(path, O_RDONLY | O_CLOEXEC), r;

        if (fd >= 0)
                return fd;
        fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        r = fd < 0 || ftruncate(fd, disk->bytes) < 0 ? -errno : 0;
        if (fd >= 0)
                close(fd);
        if (r == 0)
                r = run_mke2fs(made, disk->bytes);
        if (r < 0)
                return error_set(error, -r, "cannot make a file system of %lld bytes for the task's disk: %s%s", (long long)disk->bytes,
                                 strerror(-r), r == -ENOENT ? ": install the package e2fsprogs" : "");
        fd = rename(made, path) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 ? fd : error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
}

/* The parts that have something in them; the rest stays a hole. */
static int copy_sparse(int from, int to)
{
        char chunk[65536];
        off_t at = 0;

        while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
                off_t end = lseek(from, at, SEEK_HOLE);

                while (at < end) {
                        ssize_t n = pread(from, chunk, (size_t)MIN((off_t)sizeof(chunk), end - at), at);

                        if (n <= 0 || pwrite(to, chunk, (size_t)n, at) != n)
                                return n == 0 ? -EIO : -errno;
                        at += n;
                }
        }
        return errno == ENXIO ? 0 : -errno;
}

static int check_room(const struct task_disk *disk, struct error *error)
{
        struct statfs fs;
        int64_t left;

        if (statfs(disk->dir, &fs) < 0)
                return error_set(error, errno, "cannot tell what is free in %s: %s", disk->dir, strerror(errno));
        left = (int64_t)fs.f_bavail * fs.f_bsize;
        return left >= KEEP_FREE ? 0
                                 : error_set(error, ENOSPC, "only %lld MiB are free in %s, too little for the disk of another task",
                                             (long long)(left >> 20), disk->dir);
}

static int make_image(const struct task_disk *disk, struct error *error)
{
        CLEANUP_FREE char *made = xprintf("%s.new", disk->image);
        CLEANUP_CLOSE int template = -1;
        CLEANUP_CLOSE int fd = -1;
        int r = check_room(disk, error);

        if (r < 0)
                return r;
        template = open_template(disk, error);
        if (template <0)
                return template;
        fd = open(made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, disk->bytes) < 0 || (r = copy_sparse(template, fd)) < 0 || rename(made, disk->image) < 0)
                return error_set(error, r < 0 ? -r : errno, "cannot make %s: %s", disk->image, strerror(r < 0 ? -r : errno));
        return TAKE_FD(fd);
}

/* ---- the loop device ---- */

static int attach(struct task_disk *disk, int image, struct error *error)
{
        /* Unbuffered: else the host would hold in memory once more what the task's own limit counts already. */
        const struct loop_config config = {
                .fd = (uint32_t)image, .block_size = SECTOR, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO}};
        CLEANUP_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control < 0)
                return error_set(error, errno, "a task's disk needs loop devices, and /dev/loop-control: %s: load the module loop",
                                 strerror(errno));
        for (int i = 0; i < ATTACH_TRIES; i++) {
                int number = ioctl(control, LOOP_CTL_GET_FREE);
                int fd;

                if (number < 0)
                        return error_set(error, errno, "no loop device is free: %s", strerror(errno));
                snprintf(disk->device, sizeof(disk->device), "/dev/loop%d", number);
                fd = open(disk->device, O_RDWR | O_CLOEXEC);
                if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0)
                        return fd;
                if (fd >= 0)
                        close(fd);
                /* Somebody else was quicker. */
                if (errno != EBUSY && errno != ENXIO)
                        break;
        }
        return error_set(error, errno, "cannot use %s for the task's disk: %s", disk->device, strerror(errno));
}

/* The device that has the file already, since containers of the task run: a second one would destroy what is on it. */
static int find_attached(struct task_disk *disk, int image)
{
        struct loop_info64 info;
        struct stat st;
        ssize_t n = readlink(disk->device_link, disk->device, sizeof(disk->device) - 1);
        int fd;

        if (n <= 0)
                return -ENOENT;
        disk->device[n] = '\0';
        fd = open(disk->device, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && fstat(image, &st) == 0 && info.lo_device == st.st_dev && info.lo_inode == st.st_ino)
                return fd;
        close(fd);
        return -ENOENT;
}

static int open_device(struct task_disk *disk, int image, struct error *error)
{
        int fd = find_attached(disk, image);

        if (fd >= 0)
                return fd;
        fd = attach(disk, image, error);
        if (fd < 0)
                return fd;
        /* Known before anything is mounted: until then the device goes with this process. */
        (void)unlink(disk->device_link);
        if (symlink(disk->device, disk->device_link) == 0)
                return fd;
        close(fd);
        return error_set(error, errno, "cannot make %s: %s", disk->device_link, strerror(errno));
}

/* ---- the mount ---- */

static int mount_device(const char *device)
{
        static const char *const flags[] = {"noinit_itable", "nobarrier", "discard"};
        CLEANUP_CLOSE int fs = fsopen("ext4", FSOPEN_CLOEXEC);
        int fd;

        if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0)
                return -errno;
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (fsconfig(fs, FSCONFIG_SET_FLAG, flags[i], NULL, 0) < 0)
                        return -errno;
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
        return fd < 0 ? -errno : fd;
}

static int open_disk(struct task_disk *disk, struct error *error)
{
        CLEANUP_CLOSE int image = -1;
        CLEANUP_CLOSE int device = -1;
        int r = files_make_dirs(disk->mount_dir, 0700);

        if (r == 0)
                r = files_make_dirs(disk->run_dir, 0700);
        if (r < 0)
                return error_set(error, -r, "cannot make %s: %s", disk->mount_dir, strerror(-r));
        image = open(disk->image, O_RDWR | O_CLOEXEC);
        if (image < 0)
                image = errno == ENOENT ? make_image(disk, error)
                                        : error_set(error, errno, "cannot open %s: %s", disk->image, strerror(errno));
        if (image < 0)
                return image;
        device = open_device(disk, image, error);
        if (device < 0)
                return device;
        disk->mount_fd = mount_device(disk->device);
        return disk->mount_fd >= 0 ? 0 : error_set(error, -disk->mount_fd, "cannot mount the task's disk: %s", strerror(-disk->mount_fd));
}

int disk_mount(struct task_disk *disk, struct error *error)
{
        int r = 0;

        pthread_mutex_lock(&disk->lock);
        if (disk->mount_fd < 0)
                r = open_disk(disk, error);
        if (r == 0) {
                /* The kernel gives the same file system once more. */
                r = mount_device(disk->device);
                if (r < 0)
                        error_set(error, -r, "cannot mount the task's disk: %s", strerror(-r));
        }
        pthread_mutex_unlock(&disk->lock);
        return r;
}

int disk_usage(struct task_disk *disk, uint64_t *ret_used, uint64_t *ret_size)
{
        struct statfs fs;
        int r = -ENOENT;

        pthread_mutex_lock(&disk->lock);
        if (disk->mount_fd >= 0)
                r = fstatfs(disk->mount_fd, &fs) < 0 ? -errno : 0;
        pthread_mutex_unlock(&disk->lock);
        if (r < 0)
                return r;
        *ret_used = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
        *ret_size = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
        return 0;
}

int disk_remove(struct task_disk *disk)
{
        CLEANUP_FREE char *made = xprintf("%s.new", disk->image);
        int r = 0;

        pthread_mutex_lock(&disk->lock);
        if (disk->mount_fd >= 0)
                close(disk->mount_fd);
        disk->mount_fd = -1;
        (void)unlink(disk->device_link);
        (void)unlink(made);
        if (rmdir(disk->mount_dir) < 0 && errno != ENOENT)
                r = -errno;
        /* Last: by the file another agent knows that there is something to remove. */
        if (unlink(disk->image) < 0 && errno != ENOENT)
                r = -errno;
        pthread_mutex_unlock(&disk->lock);
        return r;
}
