/* SPDX-License-Identifier: Apache-2.0 */
/* From a kernel with an initramfs to a machine that can run a task. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "guest/guest.h"

static const struct {
        const char *source, *target, *type;
        unsigned long flags;
        const char *options;
} file_systems[] = {
        {"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"devtmpfs", "/dev", "devtmpfs", MS_NOSUID, NULL},
        {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666"},
        {"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m"},
        {"cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
};

int guest_write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
        int r = n < 0 ? -errno : 0;

        if (fd >= 0)
                close(fd);
        return r;
}

/* The kernel's first root cannot be changed by pivot_root: a copy of its mount goes over it. */
static int cover_root(struct error *error)
{
        if (mkdir("/root", 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "mkdir /root: %s", strerror(errno));
        if (mount("/", "/root", NULL, MS_BIND, NULL) < 0 || chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
            chroot(".") < 0 || chdir("/") < 0)
                return error_set(error, errno, "cannot cover the first root: %s", strerror(errno));
        return 0;
}

/* In the order in which the image's maker has numbered them. */
static int load_modules(struct error *error)
{
        struct dirent **names = NULL;
        int n = scandir("/modules", &names, NULL, alphasort), r = 0;

        for (int i = 0; i < n; i++) {
                char path[300];
                int fd;

                (void)snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
                fd = names[i]->d_name[0] != '.' && r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
                /* Disks of the task come later: their driver looks at them when it is told to. */
                if (strstr(names[i]->d_name, "virtio_blk") != NULL)
                        (void)guest_write_file("/sys/bus/virtio/drivers_autoprobe", "0");
                /* One that wants a processor of its own (crc32c-intel) has a sister that does not. */
                if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)
                        r = error_set(error, errno, "cannot load %s: %s", names[i]->d_name, strerror(errno));
                if (fd >= 0) {
                        close(fd);
                        (void)unlink(path); /* its memory is the task's */
                }
                free(names[i]);
        }
        free(names);
        return r;
}

int setup_machine(struct error *error)
{
        int r = cover_root(error);

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(file_systems); i++) {
                (void)mkdir(file_systems[i].target, 0755);
                if (mount(file_systems[i].source, file_systems[i].target, file_systems[i].type, file_systems[i].flags,
                          file_systems[i].options) < 0)
                        r = error_set(error, errno, "cannot mount %s: %s", file_systems[i].target, strerror(errno));
        }
        if (r == 0)
                r = load_modules(error);
        if (r == 0)
                r = guest_write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids +io");
        if (r < 0)
                return error_set(error, -r, "cannot use control groups: %s", strerror(-r));
        (void)guest_write_file("/proc/self/oom_score_adj", "-1000");
        (void)guest_write_file("/proc/sys/kernel/printk", "1");
        return 0;
}

/* ---- the task ---- */

static void set_clock(int64_t ms)
{
        const struct timespec now = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

        (void)clock_settime(CLOCK_REALTIME, &now);
}

static void stir_random(const struct shape_blob *seed)
{
        struct rand_pool_info *entropy = xalloc(sizeof(*entropy) + seed->len);
        int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

        entropy->entropy_count = (int)seed->len * 8;
        entropy->buf_size = (int)seed->len;
        memcpy(entropy->buf, seed->data, seed->len);
        if (fd >= 0) {
                (void)ioctl(fd, RNDADDENTROPY, entropy);
                (void)ioctl(fd, RNDRESEEDCRNG);
                close(fd);
        }
        free(entropy);
}

static int serial_is(const char *device, const char *serial)
{
        char path[300], text[32] = "";
        int fd;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/block/%s/serial", device);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
        if (fd >= 0)
                close(fd);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return strcmp(text, serial) == 0;
}

static int find_disk(const char *serial, char *ret, size_t size)
{
        DIR *dir = opendir("/sys/block");
        int r = -ENODEV;

        for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
                if (entry->d_name[0] != '.' && serial_is(entry->d_name, serial)) {
                        (void)snprintf(ret, size, "/dev/%s", entry->d_name);
                        r = 0;
                }
        if (dir != NULL)
                closedir(dir);
        return r;
}

static bool is_block_device(const char *name)
{
        char path[300], text[16] = "";
        int fd;

        (void)snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                text[0] = '\0';
        if (fd >= 0)
                close(fd);
        return strtol(text, NULL, 16) == 2;
}

/* Binds the driver to disk `number` of the host's list, so that it sees now how large that is. */
static void look_at_disk(int number)
{
        struct dirent **names = NULL;
        int n = scandir("/sys/bus/virtio/devices", &names, NULL, versionsort), disks = 0;

        for (int i = 0; i < n; i++) {
                if (names[i]->d_name[0] != '.' && is_block_device(names[i]->d_name) && disks++ == number)
                        (void)guest_write_file("/sys/bus/virtio/drivers/virtio_blk/bind", names[i]->d_name);
                free(names[i]);
        }
        free(names);
}

static int mount_disk(const char *serial, const char *at, const char *type, unsigned long flags, struct error *error)
{
        char device[300];
        int r = find_disk(serial, device, sizeof(device));

        if (r < 0)
                return error_set(error, -r, "the disk %s is missing", serial);
        (void)mkdir(at, 0755);
        /* Its tables are zeroes already: the file behind it is new. */
        if (mount(device, at, type, flags, strcmp(type, "ext4") == 0 ? "noinit_itable" : NULL) < 0)
                return error_set(error, errno, "cannot mount the disk %s at %s: %s", serial, at, strerror(errno));
        return 0;
}

static int make_task_group(void)
{
        if (mkdir("/sys/fs/cgroup/task", 0755) < 0)
                return -errno;
        (void)guest_write_file("/sys/fs/cgroup/task/pids.max", "8192");
        return guest_write_file("/sys/fs/cgroup/task/cgroup.subtree_control", "+cpu +memory +pids +io");
}

/* What the kernel has left is the task's: a limit that is met before the whole machine runs out of memory. */
static void limit_task(void)
{
        struct sysinfo info;
        char text[32];

        if (sysinfo(&info) == 0) {
                (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)info.freeram * info.mem_unit);
                (void)guest_write_file("/sys/fs/cgroup/task/memory.max", text);
        }
}

int setup_image(int number, struct error *error)
{
        char serial[24], at[32];

        (void)snprintf(serial, sizeof(serial), "image%d", number);
        (void)snprintf(at, sizeof(at), "/images/%d", number);
        (void)mkdir("/images", 0755);
        if (mkdir(at, 0755) < 0)
                return errno == EEXIST ? 0 : error_set(error, errno, "mkdir %s: %s", at, strerror(errno));
        look_at_disk(1 + number);
        return mount_disk(serial, at, "erofs", MS_RDONLY | MS_NODEV, error);
}

int setup_disk(struct error *error)
{
        int r;

        if (access("/sys/fs/cgroup/task", F_OK) == 0)
                return 0;
        look_at_disk(0);
        r = mount_disk("disk", "/disk", "ext4", MS_NOSUID | MS_NODEV, error);
        if (r == 0 && (r = make_task_group()) < 0)
                return error_set(error, -r, "cannot make the task's control group: %s", strerror(-r));
        return r;
}

int setup_task(const struct guest_configure *in, struct error *error)
{
        int r = 0;

        set_clock(in->time_ms);
        if (in->seed.data != NULL)
                stir_random(&in->seed);
        if (in->hostname != NULL && sethostname(in->hostname, strlen(in->hostname)) < 0)
                return error_set(error, errno, "cannot set the host's name: %s", strerror(errno));
        r = setup_disk(error);
        if (r == 0)
                limit_task();
        if (r == 0 && in->address != NULL)
                r = setup_network(in, error);
        return r;
}

void setup_power_off(void)
{
        sync();
        (void)reboot(RB_POWER_OFF);
}
