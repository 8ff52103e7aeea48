/* SPDX-License-Identifier: Apache-2.0 */
/* Device nodes and their cgroup rules. */
#include "runtime/devices.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/strutil.h"

#define MAX_NODES 4096

struct filling {
        struct arena *arena;
        struct oci_spec_device_list *nodes;
        struct oci_spec_device_rule_list *rules;
        struct error *error;
};

static void add_rule(struct filling *f, bool allow, const char *type, int64_t major, int64_t minor, const char *access)
{
        struct oci_spec_device_rule *rule = SHAPE_PUSH(f->arena, f->rules);

        SHAPE_SET(rule, oci_spec_device_rule, allow, allow);
        rule->type = type;
        if (major >= 0)
                SHAPE_SET(rule, oci_spec_device_rule, major, major);
        if (minor >= 0)
                SHAPE_SET(rule, oci_spec_device_rule, minor, minor);
        rule->access = access;
}

static void add_node(struct filling *f, const char *path, const struct stat *st, const char *access)
{
        const char *type = S_ISBLK(st->st_mode) ? "b" : "c";
        struct oci_spec_device *node = SHAPE_PUSH(f->arena, f->nodes);

        node->path = path;
        node->type = type;
        SHAPE_SET(node, oci_spec_device, major, (int64_t)major(st->st_rdev));
        SHAPE_SET(node, oci_spec_device, minor, (int64_t)minor(st->st_rdev));
        SHAPE_SET(node, oci_spec_device, file_mode, (int32_t)(st->st_mode & 0777));
        SHAPE_SET(node, oci_spec_device, uid, (int64_t)st->st_uid);
        SHAPE_SET(node, oci_spec_device, gid, (int64_t)st->st_gid);
        if (access != NULL)
                add_rule(f, true, type, (int64_t)major(st->st_rdev), (int64_t)minor(st->st_rdev), access);
}

/* Made by every runtime itself, or mounts. */
static bool is_standard(const char *path)
{
        static const char *const standard[] = {"/dev/null",    "/dev/zero",   "/dev/full",   "/dev/random", "/dev/urandom", "/dev/tty",
                                               "/dev/console", "/dev/ptmx",   "/dev/pts",    "/dev/shm",    "/dev/mqueue",  "/dev/fd",
                                               "/dev/stdin",   "/dev/stdout", "/dev/stderr", "/dev/core",   "/dev/init"};

        for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
                if (str_eq(path, standard[i]))
                        return true;
        return false;
}

/* The device nodes under `host`, seen in the container under `inside`. */
static void add_directory(struct filling *f, const char *host, const char *inside, const char *access, int depth)
{
        DIR *dir = opendir(host);
        struct dirent *entry;

        while (dir != NULL && f->nodes->n < MAX_NODES && (entry = readdir(dir)) != NULL) {
                char *path = arena_printf(f->arena, "%s/%s", host, entry->d_name),
                     *target = arena_printf(f->arena, "%s/%s", inside, entry->d_name);
                struct stat st;

                if (entry->d_name[0] == '.' || is_standard(target) || lstat(path, &st) < 0)
                        continue;
                if (S_ISDIR(st.st_mode) && depth < 4)
                        add_directory(f, path, target, access, depth + 1);
                else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                        add_node(f, target, &st, access);
        }
        if (dir != NULL)
                closedir(dir);
}

static int add_from_spec(struct filling *f, const struct runtime_device *device)
{
        const char *inside = device->container_path != NULL ? device->container_path : device->host_path;
        bool all = !device->read && !device->write && !device->mknod;
        const char *access = arena_printf(f->arena, "%s%s%s", all || device->read ? "r" : "", all || device->write ? "w" : "",
                                          all || device->mknod ? "m" : "");
        struct stat st;

        if (stat(device->host_path, &st) < 0)
                return error_set(f->error, errno, "device %s: %s on this machine", device->host_path, strerror(errno));
        if (S_ISDIR(st.st_mode)) {
                add_directory(f, device->host_path, inside, access, 0);
                return 0;
        }
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(f->error, EINVAL, "device %s is not a device node on this machine", device->host_path);
        add_node(f, inside, &st, access);
        return 0;
}

int devices_fill(const struct runtime_container_spec *spec, struct arena *arena, struct oci_spec_device_list *ret_nodes,
                 struct oci_spec_device_rule_list *ret_rules, struct error *error)
{
        /* null, zero, full, random, urandom, tty, console, ptmx, pts/N. The right to make nodes (m) of any kind is harmless: opening them is not. */
        static const struct {
                int64_t major, minor;
        } usual[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}};
        struct filling f = {.arena = arena, .nodes = ret_nodes, .rules = ret_rules, .error = error};
        int r;

        if (spec->privileged) {
                add_rule(&f, true, "a", -1, -1, "rwm");
                add_directory(&f, "/dev", "/dev", NULL, 0);
        } else {
                add_rule(&f, false, "a", -1, -1, "rwm");
                add_rule(&f, true, "c", -1, -1, "m");
                add_rule(&f, true, "b", -1, -1, "m");
                for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
                        add_rule(&f, true, "c", usual[i].major, usual[i].minor, "rwm");
        }
        for (uint32_t i = 0; i < spec->n_devices; i++) {
                r = add_from_spec(&f, &spec->devices[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}
