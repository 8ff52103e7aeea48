/* SPDX-License-Identifier: Apache-2.0 */
/* The file systems of a container, below its root. A link in the image cannot lead out: paths are followed with that root as the world's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strutil.h"
#include "guest/guest.h"
#include "runtime/rootfs.h"

static const struct {
        const char *word;
        unsigned long set, clear;
} options_table[] = {
        {"ro", MS_RDONLY, 0},
        {"rw", 0, MS_RDONLY},
        {"nosuid", MS_NOSUID, 0},
        {"suid", 0, MS_NOSUID},
        {"nodev", MS_NODEV, 0},
        {"dev", 0, MS_NODEV},
        {"noexec", MS_NOEXEC, 0},
        {"exec", 0, MS_NOEXEC},
        {"noatime", MS_NOATIME, 0},
        {"relatime", MS_RELATIME, 0},
        {"strictatime", MS_STRICTATIME, 0},
        {"bind", MS_BIND, 0},
        {"rbind", MS_BIND | MS_REC, 0},
        {"private", 0, 0},
        {"rprivate", 0, 0},
        {"slave", 0, 0},
        {"rslave", 0, 0},
        {"shared", 0, 0},
        {"rshared", 0, 0},
};

static bool take_word(const char *word, size_t len, unsigned long *flags)
{
        for (size_t i = 0; i < ARRAY_SIZE(options_table); i++)
                if (strlen(options_table[i].word) == len && strncmp(options_table[i].word, word, len) == 0) {
                        *flags = (*flags | options_table[i].set) & ~options_table[i].clear;
                        return true;
                }
        return false;
}

/* What is no flag goes to the file system itself. */
static unsigned long parse_options(const struct string_list *options, struct arena *arena, const char **ret_data)
{
        unsigned long flags = 0;
        const char *data = "";

        for (uint32_t i = 0; i < options->n; i++) {
                for (const char *p = options->items[i]; *p != '\0';) {
                        size_t len = strcspn(p, ",");

                        if (len > 0 && !take_word(p, len, &flags))
                                data = arena_printf(arena, "%s%s%.*s", data, *data != '\0' ? "," : "", (int)len, p);
                        p += len + (p[len] == ',');
                }
        }
        *ret_data = data;
        return flags;
}

static int open_target(int root, const char *path, bool file)
{
        int fd;

        if (!file)
                return rootfs_make_dir(root, path, 0, 0);
        fd = rootfs_open(root, path, O_PATH, 0);
        if (fd >= 0)
                return fd;
        char parent[4096];
        (void)snprintf(parent, sizeof(parent), "%s", path);
        char *slash = strrchr(parent, '/');
        if (slash != NULL && slash != parent) {
                *slash = '\0';
                int dir = rootfs_make_dir(root, parent, 0, 0);

                if (dir < 0)
                        return dir;
                close(dir);
        }
        fd = rootfs_open(root, path, O_WRONLY | O_CREAT, 0644);
        if (fd < 0)
                return fd;
        close(fd);
        return rootfs_open(root, path, O_PATH, 0);
}

static int mount_at(int target, const char *source, const char *type, unsigned long flags, const char *data)
{
        char at[40];

        (void)snprintf(at, sizeof(at), "/proc/self/fd/%d", target);
        if (mount(source, at, type, flags, data) < 0)
                return -errno;
        return 0;
}

/* A bind mount takes its flags only once it is there. */
static int set_flags(int root, const char *path, unsigned long flags)
{
        int fd = rootfs_open(root, path, O_PATH, 0), r;

        if (fd < 0)
                return fd;
        r = mount_at(fd, NULL, NULL, MS_REMOUNT | MS_BIND | (flags & ~(unsigned long)MS_REC), NULL);
        close(fd);
        return r;
}

static int make_one(int root, const struct oci_spec_mount *m, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *data;
        unsigned long flags = parse_options(&m->options, &arena, &data);
        struct stat st;

        /* Devices are those that are bound there: what is made there is none. */
        if (str_eq(m->destination, "/dev"))
                flags |= MS_NODEV;
        bool file = (flags & MS_BIND) != 0 && stat(m->source, &st) == 0 && !S_ISDIR(st.st_mode);
        const char *type = str_eq(m->type, "cgroup") ? "cgroup2" : m->type;
        int target = open_target(root, m->destination, file), r;

        if (target < 0)
                return error_set(error, -target, "cannot make the mount point %s: %s", m->destination, strerror(-target));
        r = mount_at(target, m->source, (flags & MS_BIND) ? NULL : type, flags & (MS_BIND | MS_REC) ? flags & (MS_BIND | MS_REC) : flags,
                     (flags & MS_BIND) ? NULL : data);
        close(target);
        if (r == 0 && (flags & MS_BIND) != 0 && (flags & ~(unsigned long)(MS_BIND | MS_REC)) != 0)
                r = set_flags(root, m->destination, flags);
        return r < 0 ? error_set(error, -r, "cannot mount %s: %s", m->destination, strerror(-r)) : 0;
}

static int make_devices(int root, struct error *error)
{
        static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
        static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                               {"/proc/self/fd/0", "stdin"},
                                               {"/proc/self/fd/1", "stdout"},
                                               {"/proc/self/fd/2", "stderr"},
                                               {"pts/ptmx", "ptmx"}};
        int dev = rootfs_make_dir(root, "/dev", 0, 0), r = 0;

        for (size_t i = 0; dev >= 0 && i < ARRAY_SIZE(nodes) && r == 0; i++) {
                char path[32];
                int target;

                (void)snprintf(path, sizeof(path), "/dev/%s", nodes[i]);
                target = open_target(root, path, true);
                r = target < 0 ? target : mount_at(target, path, NULL, MS_BIND, NULL);
                if (target >= 0)
                        close(target);
        }
        int dir = rootfs_open(root, "/dev", O_RDONLY | O_DIRECTORY, 0);
        for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(links); i++)
                if (symlinkat(links[i][0], dir, links[i][1]) < 0 && errno != EEXIST)
                        r = -errno;
        if (dir >= 0)
                close(dir);
        if (dev >= 0)
                close(dev);
        return r < 0 ? error_set(error, -r, "cannot make the devices in /dev: %s", strerror(-r)) : 0;
}

static int make_read_only(int root, int fd, const char *path)
{
        char self[40];
        int r;

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        r = mount_at(fd, self, NULL, MS_BIND | MS_REC, NULL);
        return r == 0 ? set_flags(root, path, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC) : r;
}

/* Hidden behind nothing, or made read-only. What is not there needs neither. */
static int protect(int root, const char *path, bool hide)
{
        CLEANUP_CLOSE int fd = rootfs_open(root, path, O_PATH, 0);
        struct stat st;

        if (fd < 0)
                return 0;
        if (!hide)
                return make_read_only(root, fd, path);
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? mount_at(fd, "tmpfs", "tmpfs", MS_RDONLY, "size=0k") : mount_at(fd, "/dev/null", NULL, MS_BIND, NULL);
}

int mounts_make(const struct oci_spec *spec, const char *path, struct error *error)
{
        CLEANUP_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        const struct oci_spec_linux *l = spec->linux_;
        bool devices = false;
        int r = root < 0 ? error_set(error, errno, "cannot open %s: %s", path, strerror(errno)) : 0;

        for (uint32_t i = 0; r == 0 && i < spec->mounts.n; i++) {
                r = make_one(root, &spec->mounts.items[i], error);
                if (r == 0 && str_eq(spec->mounts.items[i].destination, "/dev")) {
                        r = make_devices(root, error);
                        devices = true;
                }
        }
        if (r == 0 && !devices)
                r = make_devices(root, error);
        for (uint32_t i = 0; r == 0 && l != NULL && i < l->masked_paths.n; i++)
                r = protect(root, l->masked_paths.items[i], true);
        for (uint32_t i = 0; r == 0 && l != NULL && i < l->readonly_paths.n; i++)
                r = protect(root, l->readonly_paths.items[i], false);
        return r < 0 && !error_is_set(error) ? error_set(error, -r, "cannot protect the container's /proc and /sys: %s", strerror(-r)) : r;
}
