/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups of containers and of their monitors. */
#include "runtime/cgroup_container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/strutil.h"
#include "runtime/cgroup_internal.h"

#define TRIES 60

static int write_file(const char *dir, const char *file, const char *text)
{
        char path[PATH_MAX + 64];
        CLEANUP_CLOSE int fd = -1;

        snprintf(path, sizeof(path), "%s/%s", dir, file);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* ---- parent ---- */

const char *cgroup_monitors_path(const char *parent, struct arena *arena)
{
        /* '+' cannot be in a task's id. */
        return arena_printf(arena, "%s/+conmon", parent);
}

int cgroup_parent_prepare(const struct cgroups *cgroups, const char *parent, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *monitors = cgroup_monitors_path(parent, &arena);
        char dir[PATH_MAX];
        int r = cgroup_prepare(cgroups, parent, NULL, error);

        if (r < 0)
                return r;
        /* From here on a new group has the processors of its parent from the start. */
        if (cgroups->version == 1 && cgroup_path_of(cgroups, "cpuset", parent, dir) == 0)
                (void)(write_file(dir, "cgroup.clone_children", "1") < 0);
        /* With version 2 a group that hands controllers down, as cgroup_prepare makes them, cannot hold processes. */
        if (cgroups->version == 2) {
                snprintf(dir, sizeof(dir), "%s%s", cgroups->mounts[0].path, monitors);
                return mkdir(dir, 0755) < 0 && errno != EEXIST
                               ? error_set(error, errno, "cannot make the control group %s: %s", dir, strerror(errno))
                               : 0;
        }
        r = cgroup_prepare(cgroups, monitors, NULL, error);
        /* systemd tracks its units in the version 2 hierarchy beside version 1, where that is: the monitors leave the unit there too. */
        if (r == 0 && cgroups->version == 1 && cgroups->hybrid) {
                snprintf(dir, sizeof(dir), "%s%s", cgroups->unified, parent);
                if (mkdir(dir, 0755) == 0 || errno == EEXIST) {
                        snprintf(dir, sizeof(dir), "%s%s", cgroups->unified, monitors);
                        (void)(mkdir(dir, 0755) < 0);
                }
        }
        return r;
}

int cgroup_open_unified(const struct cgroups *cgroups, const char *path)
{
        char dir[PATH_MAX];

        if (cgroups->version == 1 && !cgroups->hybrid)
                return -1;
        snprintf(dir, sizeof(dir), "%s%s", cgroups->version == 2 ? cgroups->mounts[0].path : cgroups->unified, path);
        return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

const char *const *cgroup_tasks_files(const struct cgroups *cgroups, const char *path, struct arena *arena)
{
        uint32_t n = cgroups->version == 1 ? cgroups->n : 0;
        const char **files = arena_calloc(arena, n + 1, sizeof(*files));

        for (uint32_t i = 0; i < n; i++)
                files[i] = arena_printf(arena, "%s%s/tasks", cgroups->mounts[i].path, path);
        return files;
}

/* ---- limits of a container, version 1 ---- */

struct v1_limit {
        const char *controller, *file;
        int64_t value;
        bool set;
};

static int write_limit(const struct cgroups *cgroups, const char *path, const struct v1_limit *limit, struct error *error)
{
        char dir[PATH_MAX], text[32];
        int r;

        if (cgroup_path_of(cgroups, limit->controller, path, dir) < 0)
                return error_set(error, ENOTSUP, "this machine has no control group controller '%s', which a limit of the container needs",
                                 limit->controller);
        snprintf(text, sizeof(text), "%lld", (long long)limit->value);
        r = write_file(dir, limit->file, text);
        return r < 0 ? error_set(error, -r, "cannot set %s of the container to %s: %s", limit->file, text, strerror(-r)) : 0;
}

static int write_limits(const struct cgroups *cgroups, const char *path, const struct oci_spec_resources *resources, struct error *error)
{
        static const struct oci_spec_memory no_memory = {0};
        static const struct oci_spec_cpu no_cpu = {0};
        static const struct oci_spec_pids no_pids = {0};
        const struct oci_spec_memory *memory = resources->memory != NULL ? resources->memory : &no_memory;
        const struct oci_spec_cpu *cpu = resources->cpu != NULL ? resources->cpu : &no_cpu;
        const struct oci_spec_pids *pids = resources->pids != NULL ? resources->pids : &no_pids;
        const struct v1_limit limits[] = {
                {"memory", "memory.limit_in_bytes", memory->limit, SHAPE_HAS(memory, oci_spec_memory, limit)},
                {"memory", "memory.memsw.limit_in_bytes", memory->swap, SHAPE_HAS(memory, oci_spec_memory, swap) && cgroups->swap},
                {"memory", "memory.soft_limit_in_bytes", memory->reservation, SHAPE_HAS(memory, oci_spec_memory, reservation)},
                {"memory", "memory.swappiness", memory->swappiness, SHAPE_HAS(memory, oci_spec_memory, swappiness)},
                {"cpu", "cpu.shares", cpu->shares, SHAPE_HAS(cpu, oci_spec_cpu, shares)},
                {"cpu", "cpu.cfs_period_us", cpu->period, SHAPE_HAS(cpu, oci_spec_cpu, period)},
                {"cpu", "cpu.cfs_quota_us", cpu->quota, SHAPE_HAS(cpu, oci_spec_cpu, quota)},
                {"pids", "pids.max", pids->limit, SHAPE_HAS(pids, oci_spec_pids, limit)},
        };
        char dir[PATH_MAX];
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(limits); i++)
                if (limits[i].set)
                        r = write_limit(cgroups, path, &limits[i], error);
        if (r < 0 || (cpu->cpus == NULL && cpu->mems == NULL) || cgroup_path_of(cgroups, "cpuset", path, dir) < 0)
                return r;
        if (cpu->cpus != NULL)
                r = write_file(dir, "cpuset.cpus", cpu->cpus);
        if (r == 0 && cpu->mems != NULL)
                r = write_file(dir, "cpuset.mems", cpu->mems);
        return r < 0 ? error_set(error, -r, "cannot set the container's cpuset: %s", strerror(-r)) : 0;
}

static void number_or_any(bool set, int64_t number, char ret[24])
{
        if (set)
                snprintf(ret, 24, "%lld", (long long)number);
        else
                snprintf(ret, 24, "*");
}

static int write_device(const char *dir, const struct oci_spec_device_rule *rule)
{
        const char *file = rule->allow ? "devices.allow" : "devices.deny";
        char text[96], major[24], minor[24];

        if (str_empty(rule->type) || str_eq(rule->type, "a"))
                return write_file(dir, file, "a");
        number_or_any(SHAPE_HAS(rule, oci_spec_device_rule, major), rule->major, major);
        number_or_any(SHAPE_HAS(rule, oci_spec_device_rule, minor), rule->minor, minor);
        snprintf(text, sizeof(text), "%s %s:%s %s", rule->type, major, minor, rule->access);
        return write_file(dir, file, text);
}

static int write_devices(const struct cgroups *cgroups, const char *path, const struct oci_spec_resources *resources, struct error *error)
{
        char dir[PATH_MAX];
        int r = 0;

        if (cgroup_path_of(cgroups, "devices", path, dir) < 0)
                return 0;
        for (uint32_t i = 0; r == 0 && i < resources->devices.n; i++)
                r = write_device(dir, &resources->devices.items[i]);
        return r < 0 ? error_set(error, -r, "cannot set which devices the container may use: %s", strerror(-r)) : 0;
}

int cgroup_container_prepare(const struct cgroups *cgroups, const char *path, const struct oci_spec_resources *resources,
                             struct error *error)
{
        char dir[PATH_MAX];
        int r;

        if (cgroups->version != 1)
                return 0;
        for (uint32_t i = 0; i < cgroups->n; i++) {
                snprintf(dir, sizeof(dir), "%s%s", cgroups->mounts[i].path, path);
                if (mkdir(dir, 0755) < 0 && errno != EEXIST)
                        return error_set(error, errno, "cannot make the control group %s: %s", dir, strerror(errno));
        }
        r = write_limits(cgroups, path, resources, error);
        return r < 0 ? r : write_devices(cgroups, path, resources, error);
}

/* ---- the end ---- */

int cgroup_remove_patiently(const struct cgroups *cgroups, const char *path)
{
        int r = 0;

        for (int i = 0; i < TRIES; i++) {
                const struct timespec nap = {.tv_nsec = i < 10 ? 1000000 : 20000000};

                r = cgroup_remove(cgroups, path);
                if (r != -EBUSY)
                        return r;
                nanosleep(&nap, NULL);
        }
        return r;
}

bool cgroup_is_populated(const struct cgroups *cgroups, const char *path)
{
        char file[PATH_MAX], text[64];
        char name[PATH_MAX];

        snprintf(name, sizeof(name), "%s/cgroup.procs", path);
        if (cgroup_path_of(cgroups, "pids", name, file) < 0 || cgroup_read_text(file, text, sizeof(text)) < 0)
                return false;
        return *text != '\0';
}
