/* SPDX-License-Identifier: Apache-2.0 */
/* What control groups and /proc tell of a container's use. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "runtime/cgroup_internal.h"

#define MAX_TEXT (64 * 1024)
#define NO_LIMIT (UINT64_C(1) << 60) /* "unlimited" of version 1 is a huge number of bytes */

uint64_t cgroup_flat_value(const char *text, const char *key)
{
        size_t len = strlen(key);

        for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL)
                if (strncmp(line, key, len) == 0 && line[len] == ' ')
                        return strtoull(line + len + 1, NULL, 10);
        return 0;
}

/* A file of the group, in the hierarchy of `controller`; "" when missing. */
static const char *read_file(const struct cgroups *cgroups, const char *controller, const char *path, const char *file, char *text)
{
        char full[PATH_MAX], name[PATH_MAX];

        snprintf(name, sizeof(name), "%s/%s", path, file);
        text[0] = '\0';
        if (cgroup_path_of(cgroups, controller, name, full) < 0 || cgroup_read_text(full, text, MAX_TEXT) < 0)
                text[0] = '\0';
        return text;
}

static uint64_t read_number(const struct cgroups *cgroups, const char *controller, const char *path, const char *file, char *text)
{
        return strtoull(read_file(cgroups, controller, path, file, text), NULL, 10);
}

void cgroup_parse_blkio_v1(const char *text, uint64_t *ret_read, uint64_t *ret_write)
{
        *ret_read = *ret_write = 0;
        for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
                const char *word = strchr(line, ' ');

                if (word == NULL)
                        break;
                word++;
                if (str_starts_with(word, "Read "))
                        *ret_read += strtoull(word + strlen("Read "), NULL, 10);
                else if (str_starts_with(word, "Write "))
                        *ret_write += strtoull(word + strlen("Write "), NULL, 10);
        }
}

/* "MAJ:MIN rbytes=1 wbytes=2 rios=3 wios=4 …" */
void cgroup_parse_io_v2(const char *text, struct runtime_stats *ret)
{
        static const struct {
                const char *word;
                size_t offset;
        } members[] = {{" rbytes=", offsetof(struct runtime_stats, blkio_read_bytes)},
                       {" wbytes=", offsetof(struct runtime_stats, blkio_write_bytes)},
                       {" rios=", offsetof(struct runtime_stats, blkio_read_ops)},
                       {" wios=", offsetof(struct runtime_stats, blkio_write_ops)}};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                uint64_t sum = 0;

                for (const char *at = strstr(text, members[i].word); at != NULL; at = strstr(at + 1, members[i].word))
                        sum += strtoull(at + strlen(members[i].word), NULL, 10);
                memcpy((char *)ret + members[i].offset, &sum, sizeof(sum));
        }
}

static void read_v1(const struct cgroups *cgroups, const char *path, struct runtime_stats *ret, char *text)
{
        uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK), limit;

        ret->cpu_usage_ns = read_number(cgroups, "cpuacct", path, "cpuacct.usage", text);
        read_file(cgroups, "cpuacct", path, "cpuacct.stat", text);
        ret->cpu_user_ns = cgroup_flat_value(text, "user") * tick_ns;
        ret->cpu_system_ns = cgroup_flat_value(text, "system") * tick_ns;
        read_file(cgroups, "cpu", path, "cpu.stat", text);
        ret->cpu_periods = cgroup_flat_value(text, "nr_periods");
        ret->cpu_throttled_periods = cgroup_flat_value(text, "nr_throttled");
        ret->cpu_throttled_ns = cgroup_flat_value(text, "throttled_time");
        ret->memory_usage = read_number(cgroups, "memory", path, "memory.usage_in_bytes", text);
        ret->memory_max_usage = read_number(cgroups, "memory", path, "memory.max_usage_in_bytes", text);
        ret->memory_failcnt = read_number(cgroups, "memory", path, "memory.failcnt", text);
        read_file(cgroups, "memory", path, "memory.stat", text);
        ret->memory_cache = cgroup_flat_value(text, "total_cache");
        ret->memory_rss = cgroup_flat_value(text, "total_rss");
        ret->memory_inactive_file = cgroup_flat_value(text, "total_inactive_file");
        limit = cgroup_flat_value(text, "hierarchical_memory_limit");
        ret->memory_limit = limit < NO_LIMIT ? limit : 0;
        cgroup_parse_blkio_v1(read_file(cgroups, "blkio", path, "blkio.throttle.io_service_bytes_recursive", text), &ret->blkio_read_bytes,
                              &ret->blkio_write_bytes);
        cgroup_parse_blkio_v1(read_file(cgroups, "blkio", path, "blkio.throttle.io_serviced_recursive", text), &ret->blkio_read_ops,
                              &ret->blkio_write_ops);
}

/* The nearest limit on the way up, 0 for none: version 2 does not compute it. */
static uint64_t memory_limit_v2(const struct cgroups *cgroups, const char *path, char *text)
{
        char group[PATH_MAX];
        uint64_t least = 0;

        snprintf(group, sizeof(group), "%s", path);
        for (char *slash; (slash = strrchr(group, '/')) != NULL && slash > group; *slash = '\0') {
                uint64_t limit = read_number(cgroups, "", group, "memory.max", text);

                if (limit > 0 && (least == 0 || limit < least))
                        least = limit;
        }
        return least;
}

static void read_v2(const struct cgroups *cgroups, const char *path, struct runtime_stats *ret, char *text)
{
        read_file(cgroups, "", path, "cpu.stat", text);
        ret->cpu_usage_ns = cgroup_flat_value(text, "usage_usec") * 1000;
        ret->cpu_user_ns = cgroup_flat_value(text, "user_usec") * 1000;
        ret->cpu_system_ns = cgroup_flat_value(text, "system_usec") * 1000;
        ret->cpu_periods = cgroup_flat_value(text, "nr_periods");
        ret->cpu_throttled_periods = cgroup_flat_value(text, "nr_throttled");
        ret->cpu_throttled_ns = cgroup_flat_value(text, "throttled_usec") * 1000;
        ret->memory_usage = read_number(cgroups, "", path, "memory.current", text);
        ret->memory_max_usage = read_number(cgroups, "", path, "memory.peak", text);
        ret->memory_failcnt = cgroup_flat_value(read_file(cgroups, "", path, "memory.events", text), "max");
        read_file(cgroups, "", path, "memory.stat", text);
        ret->memory_cache = cgroup_flat_value(text, "file");
        ret->memory_rss = cgroup_flat_value(text, "anon");
        ret->memory_inactive_file = cgroup_flat_value(text, "inactive_file");
        ret->memory_limit = memory_limit_v2(cgroups, path, text);
        cgroup_parse_io_v2(read_file(cgroups, "", path, "io.stat", text), ret);
}

void cgroup_read_stats(const struct cgroups *cgroups, const char *path, struct runtime_stats *ret)
{
        char *text = malloc(MAX_TEXT);

        if (text == NULL)
                return;
        if (cgroups->version == 2)
                read_v2(cgroups, path, ret, text);
        else
                read_v1(cgroups, path, ret, text);
        ret->memory_usage -= MIN(ret->memory_usage, ret->memory_inactive_file);
        ret->pids = read_number(cgroups, "pids", path, "pids.current", text);
        ret->pids_limit = read_number(cgroups, "pids", path, "pids.max", text);
        ret->oom_kills = cgroup_oom_kills(cgroups, path);
        if (ret->memory_limit == 0)
                ret->memory_limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        free(text);
}

uint64_t cgroup_oom_kills(const struct cgroups *cgroups, const char *path)
{
        char text[4096], full[PATH_MAX], name[PATH_MAX];

        snprintf(name, sizeof(name), "%s/%s", path, cgroups->version == 2 ? "memory.events" : "memory.oom_control");
        if (cgroup_path_of(cgroups, "memory", name, full) < 0 || cgroup_read_text(full, text, sizeof(text)) < 0)
                return 0;
        return cgroup_flat_value(text, "oom_kill");
}

/* Two lines of head, then "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop …". */
void cgroup_parse_net_dev(const char *text, struct runtime_stats *ret)
{
        ret->has_network = true;
        for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
                uint64_t *const sums[16] = {&ret->rx_bytes, &ret->rx_packets, &ret->rx_errors, &ret->rx_dropped, NULL, NULL, NULL, NULL,
                                            &ret->tx_bytes, &ret->tx_packets, &ret->tx_errors, &ret->tx_dropped};
                const char *colon = memchr(line, ':', strcspn(line, "\n"));
                char *p;

                if (colon == NULL)
                        continue;
                line += strspn(line, " ");
                if (str_starts_with(line, "lo:"))
                        continue;
                p = (char *)(uintptr_t)colon + 1;
                for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
                        uint64_t value = strtoull(p, &p, 10);

                        if (sums[i] != NULL)
                                *sums[i] += value;
                }
        }
}

void cgroup_read_network(int32_t pid, struct runtime_stats *ret)
{
        char path[64], text[16384];

        snprintf(path, sizeof(path), "/proc/%d/net/dev", pid);
        if (cgroup_read_text(path, text, sizeof(text)) == 0)
                cgroup_parse_net_dev(text, ret);
}

void cgroup_read_machine(struct runtime_stats *ret)
{
        uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
        char text[512], *p = text + strlen("cpu");

        ret->online_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
        ret->system_cpu_ns = 0;
        if (cgroup_read_text("/proc/stat", text, sizeof(text)) < 0 || !str_starts_with(text, "cpu "))
                return;
        /* user nice system idle iowait irq softirq steal; guests are in user already. */
        for (int i = 0; i < 8; i++)
                ret->system_cpu_ns += strtoull(p, &p, 10) * tick_ns;
}
