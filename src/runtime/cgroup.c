/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, making, filling and removing control groups. Statistics: cgroup_stats.c. */
#include "runtime/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/strutil.h"
#include "runtime/cgroup_internal.h"

#define MAX_MOUNTINFO (1024 * 1024)
#define CPU_PERIOD_US 100000

/* Whether the comma-separated `list` has `word`. */
static bool has_word(const char *list, const char *word)
{
        size_t len = strlen(word);

        for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word))
                if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
                        return true;
        return false;
}

/* Controllers of version 1 that something is done with, among the options of a mount: "rw,cpu,cpuacct" → "cpu,cpuacct". In other
 * hierarchies containers stay where the agent is: each costs every start two more groups. */
static void keep_controllers(const char *options, char *ret, size_t size)
{
        static const char *const used[] = {
                "cpu", "cpuacct", "memory", "devices", "blkio", "pids",
                /* lxcfs shows a sandbox its processors only where it has a group of its own. */
                "cpuset",
                /* No controller, but where systemd keeps its units: who leaves a unit must leave it there too. */
                "name=systemd"};

        size_t len = 0;

        *ret = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(used); i++)
                if (has_word(options, used[i]) && len + strlen(used[i]) + 2 < size)
                        len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? "," : "", used[i]);
}

/* What is mounted over another one hides it. */
static void take_v1(const char *path, const char *options, struct cgroups *found)
{
        uint32_t i = 0;

        while (i < found->n && !str_eq(found->mounts[i].path, path))
                i++;
        keep_controllers(options, found->mounts[i].names, sizeof(found->mounts[0].names));
        if (found->mounts[i].names[0] == '\0')
                return;
        snprintf(found->mounts[i].path, sizeof(found->mounts[0].path), "%s", path);
        found->n = MAX(found->n, i + 1);
}

/* One line of mountinfo: "ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS … - TYPE SOURCE SUPEROPTIONS". */
static void take_mount(char *line, struct cgroups *found)
{
        char *tail = strstr(line, " - "), *fields[6] = {0}, *rest = line, *type, *options;

        if (tail == NULL)
                return;
        *tail = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                fields[i] = strsep(&rest, " ");
        rest = tail + 3;
        type = strsep(&rest, " ");
        strsep(&rest, " ");
        options = rest;
        if (fields[4] == NULL || options == NULL || !str_starts_with(fields[4], "/sys/fs/cgroup"))
                return;
        if (str_eq(type, "cgroup2") && str_eq(fields[4], "/sys/fs/cgroup")) {
                found->version = 2;
                found->n = 1;
                found->mounts[0].names[0] = '\0';
                snprintf(found->mounts[0].path, sizeof(found->mounts[0].path), "%s", fields[4]);
        } else if (str_eq(type, "cgroup2")) {
                found->hybrid = true;
                snprintf(found->unified, sizeof(found->unified), "%s", fields[4]);
        } else if (str_eq(type, "cgroup") && found->version != 2 && found->n < CGROUP_V1_MAX) {
                take_v1(fields[4], options, found);
        }
}

static int check_controllers(struct cgroups *found, struct error *error)
{
        static const char *const needed[] = {"cpu", "memory", "pids"};
        char available[256] = "", path[PATH_MAX];

        if (found->version == 2 && cgroup_read_text("/sys/fs/cgroup/cgroup.controllers", available, sizeof(available)) < 0)
                available[0] = '\0';
        for (char *c = available; *c != '\0'; c++)
                if (*c == ' ' || *c == '\n')
                        *c = ',';
        for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
                bool there = found->version == 2 ? has_word(available, needed[i]) : cgroup_path_of(found, needed[i], "", path) == 0;

                if (!there)
                        return error_set(error, ENOTSUP,
                                         "the control group controller '%s' is not available on this machine: mount it under "
                                         "/sys/fs/cgroup, or boot "
                                         "with it enabled (cgroup_enable=%s)",
                                         needed[i], needed[i]);
        }
        if (found->version == 2)
                found->swap = access("/proc/swaps", R_OK) == 0;
        else if (cgroup_path_of(found, "memory", "/memory.memsw.limit_in_bytes", path) == 0)
                found->swap = access(path, R_OK) == 0;
        return 0;
}

int cgroups_detect(const char *mountinfo, struct cgroups *ret, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        struct cgroups found = {.version = 1};
        char *rest, *line;
        int r;

        if (mountinfo != NULL)
                buf_append_str(&text, mountinfo);
        else if ((r = buf_read_file(&text, "/proc/self/mountinfo", MAX_MOUNTINFO)) < 0)
                return error_set(error, -r, "cannot read /proc/self/mountinfo: %s", strerror(-r));
        rest = text.data;
        while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
                take_mount(line, &found);
        if (mountinfo == NULL && (r = check_controllers(&found, error)) < 0)
                return r;
        *ret = found;
        return 0;
}

int cgroup_path_of(const struct cgroups *cgroups, const char *controller, const char *path, char ret[PATH_MAX])
{
        for (uint32_t i = 0; i < cgroups->n; i++)
                if (cgroups->version == 2 || has_word(cgroups->mounts[i].names, controller)) {
                        snprintf(ret, PATH_MAX, "%s%s", cgroups->mounts[i].path, path);
                        return 0;
                }
        return -ENOENT;
}

int cgroup_read_text(const char *path, char *ret, size_t size)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = '\0';
        return 0;
}

static int write_text(const char *path, const char *text)
{
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_limit(const char *dir, const char *file, int64_t value, struct error *error)
{
        char path[PATH_MAX + 64], text[32];
        int r;

        snprintf(path, sizeof(path), "%s/%s", dir, file);
        snprintf(text, sizeof(text), "%lld", (long long)value);
        r = write_text(path, text);
        return r < 0 ? error_set(error, -r, "cannot write %s to %s: %s", text, path, strerror(-r)) : 0;
}

/* What a directory of version 1 starts with: cpuset is empty until it is told its CPUs and memory nodes. */
static void inherit_cpuset(const char *parent, const char *dir)
{
        static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
        char from[PATH_MAX + 64], to[PATH_MAX + 64], text[1024];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                snprintf(from, sizeof(from), "%s/%s", parent, files[i]);
                snprintf(to, sizeof(to), "%s/%s", dir, files[i]);
                if (cgroup_read_text(from, text, sizeof(text)) == 0)
                        (void)write_text(to, text);
        }
}

/* Version 2: what children may use is switched on in each parent, controller by controller, since one that is missing refuses all. */
static void enable_controllers(const char *dir)
{
        static const char *const controllers[] = {"+cpu", "+memory", "+pids", "+io", "+cpuset"};
        char path[PATH_MAX + 64];

        snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
        for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
                (void)write_text(path, controllers[i]);
}

/* mkdir -p below the mount point. With version 1, whose groups inherit by themselves (cgroup_parent_prepare), one call does most often. */
static int make_group(const struct cgroups *cgroups, uint32_t mount, const char *path, struct error *error)
{
        char dir[PATH_MAX], parent[PATH_MAX];
        size_t base = strlen(cgroups->mounts[mount].path);

        snprintf(dir, sizeof(dir), "%s%s", cgroups->mounts[mount].path, path);
        if (cgroups->version == 1 && strchr(path + 1, '/') != NULL && (mkdir(dir, 0755) == 0 || errno == EEXIST))
                return 0;
        snprintf(dir, sizeof(dir), "%s%s/", cgroups->mounts[mount].path, path);
        for (char *slash = dir + base; (slash = strchr(slash, '/')) != NULL; slash++) {
                *slash = '\0';
                if (slash > dir + base && mkdir(dir, 0755) < 0 && errno != EEXIST)
                        return error_set(error, errno, "cannot make the control group %s: %s", dir, strerror(errno));
                if (cgroups->version == 2)
                        enable_controllers(dir);
                else if (slash > dir + base && has_word(cgroups->mounts[mount].names, "cpuset")) {
                        snprintf(parent, sizeof(parent), "%s", dir);
                        *strrchr(parent, '/') = '\0';
                        inherit_cpuset(parent, dir);
                }
                *slash = '/';
        }
        return 0;
}

static int limit_v1(const struct cgroups *cgroups, const char *path, const struct runtime_task_limits *limits, struct error *error)
{
        char dir[PATH_MAX];
        int r = 0;

        if (cgroup_path_of(cgroups, "cpu", path, dir) == 0) {
                if (limits->cpu_millis > 0)
                        r = write_limit(dir, "cpu.cfs_quota_us", limits->cpu_millis * (CPU_PERIOD_US / 1000), error);
                else if (limits->cpu_shares > 0)
                        r = write_limit(dir, "cpu.shares", MAX(limits->cpu_shares, 2), error);
        }
        if (r == 0 && limits->memory_bytes > 0 && cgroup_path_of(cgroups, "memory", path, dir) == 0)
                r = write_limit(dir, "memory.limit_in_bytes", limits->memory_bytes, error);
        if (r == 0 && limits->pids > 0 && cgroup_path_of(cgroups, "pids", path, dir) == 0)
                r = write_limit(dir, "pids.max", limits->pids, error);
        return r;
}

/* Shares 2..262144 as weight 1..10000, the way runtimes convert them. */
static int64_t weight_of_shares(int64_t shares)
{
        shares = MAX(2, MIN(shares, 262144));
        return 1 + ((shares - 2) * 9999) / 262142;
}

static int limit_v2(const struct cgroups *cgroups, const char *path, const struct runtime_task_limits *limits, struct error *error)
{
        char dir[PATH_MAX], file[PATH_MAX + 64], text[64];
        int r = 0;

        snprintf(dir, sizeof(dir), "%s%s", cgroups->mounts[0].path, path);
        if (limits->cpu_millis > 0) {
                snprintf(file, sizeof(file), "%s/cpu.max", dir);
                snprintf(text, sizeof(text), "%lld %d", (long long)(limits->cpu_millis * (CPU_PERIOD_US / 1000)), CPU_PERIOD_US);
                r = write_text(file, text);
                if (r < 0)
                        return error_set(error, -r, "cannot write '%s' to %s: %s", text, file, strerror(-r));
        } else if (limits->cpu_shares > 0) {
                r = write_limit(dir, "cpu.weight", weight_of_shares(limits->cpu_shares), error);
        }
        if (r == 0 && limits->memory_bytes > 0)
                r = write_limit(dir, "memory.max", limits->memory_bytes, error);
        if (r == 0 && limits->pids > 0)
                r = write_limit(dir, "pids.max", limits->pids, error);
        return r;
}

int cgroup_prepare(const struct cgroups *cgroups, const char *path, const struct runtime_task_limits *limits, struct error *error)
{
        static const struct runtime_task_limits none = {0};
        int r;

        for (uint32_t i = 0; i < cgroups->n; i++) {
                r = make_group(cgroups, i, path, error);
                if (r < 0)
                        return r;
        }
        if (limits == NULL)
                limits = &none;
        return cgroups->version == 2 ? limit_v2(cgroups, path, limits, error) : limit_v1(cgroups, path, limits, error);
}

int cgroup_attach(const struct cgroups *cgroups, const char *path, int32_t pid)
{
        char file[PATH_MAX], text[16];
        int r;

        snprintf(text, sizeof(text), "%d", pid);
        for (uint32_t i = 0; i < cgroups->n; i++) {
                snprintf(file, sizeof(file), "%s%s/cgroup.procs", cgroups->mounts[i].path, path);
                r = write_text(file, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void kill_processes(const char *dir)
{
        CLEANUP_BUF struct buf pids = {0};
        char path[PATH_MAX + 64], *rest, *line;
        int64_t pid;

        snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
        if (buf_read_file(&pids, path, MAX_MOUNTINFO) < 0)
                return;
        rest = pids.data;
        while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
                if (str_to_int64(line, &pid) == 0 && pid > 1)
                        (void)kill((pid_t)pid, SIGKILL);
}

/* Calls `visit` for the directory and all below it, the innermost first. */
static int walk_groups(const char *dir, int (*visit)(const char *dir))
{
        DIR *open_dir = opendir(dir);
        struct dirent *entry;
        char path[PATH_MAX];
        int r, worst = 0;

        if (open_dir == NULL)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(open_dir)) != NULL) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                if (snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) < (int)sizeof(path) && (r = walk_groups(path, visit)) < 0)
                        worst = r;
        }
        closedir(open_dir);
        r = visit(dir);
        return r < 0 ? r : worst;
}

static int visit_kill(const char *dir)
{
        kill_processes(dir);
        return 0;
}

static int visit_remove(const char *dir)
{
        return rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}

void cgroup_kill(const struct cgroups *cgroups, const char *path)
{
        char dir[PATH_MAX], file[PATH_MAX + 64];

        if (cgroup_path_of(cgroups, "pids", path, dir) < 0)
                return;
        snprintf(file, sizeof(file), "%s/cgroup.kill", dir);
        if (cgroups->version == 2 && write_text(file, "1") == 0)
                return;
        (void)walk_groups(dir, visit_kill);
}

int cgroup_remove(const struct cgroups *cgroups, const char *path)
{
        char dir[PATH_MAX];
        int r, worst = 0;

        for (uint32_t i = 0; i < cgroups->n; i++) {
                snprintf(dir, sizeof(dir), "%s%s", cgroups->mounts[i].path, path);
                r = walk_groups(dir, visit_remove);
                if (r < 0)
                        worst = r;
        }
        return worst;
}
