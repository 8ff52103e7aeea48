/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of /proc, and what they say of the time between two of them. */
#include "agent/channel/host_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/strutil.h"

#define MAX_TEXT (256 * 1024)
#define SECTOR 512 /* of /proc/diskstats, whatever the disk says */

static const char *next_line(const char *line)
{
        const char *end = strchr(line, '\n');

        return end != NULL ? end + 1 : line + strlen(line);
}

/* "cpu  user nice system idle iowait irq softirq steal …": guests are in user already. */
void host_parse_stat(const char *text, struct host_counters *ret)
{
        char *p;

        if (!str_starts_with(text, "cpu "))
                return;
        p = (char *)(uintptr_t)text + strlen("cpu ");
        for (int i = 0; i < 8; i++) {
                uint64_t ticks = strtoull(p, &p, 10);

                ret->cpu_all += ticks;
                if (i != 3 && i != 4)
                        ret->cpu_busy += ticks;
        }
}

void host_parse_meminfo(const char *text, struct host_counters *ret)
{
        for (const char *line = text; *line != '\0'; line = next_line(line)) {
                if (str_starts_with(line, "MemTotal:"))
                        ret->memory_total = strtoull(line + strlen("MemTotal:"), NULL, 10);
                else if (str_starts_with(line, "MemAvailable:"))
                        ret->memory_available = strtoull(line + strlen("MemAvailable:"), NULL, 10);
        }
}

/* Interfaces of containers and bridges carry what a real one carries as well: they are left out. */
static bool is_outer(const char *name, size_t len)
{
        static const char *const inner[] = {"lo", "veth", "gantry", "docker", "br-", "ifb", "tap"};

        for (size_t i = 0; i < ARRAY_SIZE(inner); i++)
                if (len >= strlen(inner[i]) && strncmp(name, inner[i], strlen(inner[i])) == 0)
                        return false;
        return true;
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes …" */
void host_parse_net_dev(const char *text, struct host_counters *ret)
{
        for (const char *line = text; *line != '\0'; line = next_line(line)) {
                const char *name = line + strspn(line, " "), *colon = memchr(line, ':', strcspn(line, "\n"));
                char *p;

                if (colon == NULL || !is_outer(name, (size_t)(colon - name)))
                        continue;
                p = (char *)(uintptr_t)colon + 1;
                ret->rx_bytes += strtoull(p, &p, 10);
                for (int i = 0; i < 7; i++)
                        (void)strtoull(p, &p, 10);
                ret->tx_bytes += strtoull(p, &p, 10);
        }
}

/* What stands on other devices, or is none. */
static bool is_disk(const char *name)
{
        static const char *const others[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd"};
        size_t len = strlen(name);

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                if (str_starts_with(name, others[i]))
                        return false;
        /* A partition: sda1, nvme0n1p1. */
        if (str_starts_with(name, "nvme") || str_starts_with(name, "mmcblk"))
                return strchr(name, 'p') == NULL;
        return len > 0 && (name[len - 1] < '0' || name[len - 1] > '9');
}

/* "   8       0 sda reads merged sectors ms writes merged sectors ms …" */
void host_parse_diskstats(const char *text, struct host_counters *ret)
{
        for (const char *line = text; *line != '\0'; line = next_line(line)) {
                uint64_t fields[7]; /* reads, merged, sectors, ms, writes, merged, sectors */
                char name[64], *p = (char *)(uintptr_t)line;
                size_t len;

                (void)strtoull(p, &p, 10);
                (void)strtoull(p, &p, 10);
                p += strspn(p, " ");
                len = strcspn(p, " \n");
                if (len == 0 || len >= sizeof(name) || p[len] != ' ')
                        continue;
                memcpy(name, p, len);
                name[len] = '\0';
                if (!is_disk(name))
                        continue;
                p += len;
                for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                        fields[i] = strtoull(p, &p, 10);
                ret->read_bytes += fields[2] * SECTOR;
                ret->written_bytes += fields[6] * SECTOR;
        }
}

void host_metrics_sample(struct host_metrics *metrics)
{
        static const struct {
                const char *path;
                void (*parse)(const char *text, struct host_counters *ret);
        } files[] = {{"/proc/stat", host_parse_stat},
                     {"/proc/meminfo", host_parse_meminfo},
                     {"/proc/net/dev", host_parse_net_dev},
                     {"/proc/diskstats", host_parse_diskstats}};
        CLEANUP_BUF struct buf text = {0};
        struct timespec now;

        metrics->last = (struct host_counters){0};
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                buf_clear(&text);
                if (buf_read_file(&text, files[i].path, MAX_TEXT) == 0 && text.len > 0)
                        files[i].parse(text.data, &metrics->last);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        metrics->last.read_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static double grown(uint64_t now, uint64_t before)
{
        return now >= before ? (double)(now - before) : 0;
}

bool host_metrics_take(struct host_metrics *metrics, struct tcs_host_metrics *ret)
{
        const struct host_counters last = metrics->last, before = metrics->taken;
        double seconds = (double)(last.read_ms - before.read_ms) / 1000, ticks = grown(last.cpu_all, before.cpu_all);

        metrics->taken = last;
        if (before.read_ms == 0 || seconds <= 0 || ticks <= 0)
                return false;
        SHAPE_SET(ret, tcs_host_metrics, cpu_percent, 100 * grown(last.cpu_busy, before.cpu_busy) / ticks);
        SHAPE_SET(ret, tcs_host_metrics, memory_total, (double)last.memory_total / 1024);
        SHAPE_SET(ret, tcs_host_metrics, memory_used, grown(last.memory_total, last.memory_available) / 1024);
        SHAPE_SET(ret, tcs_host_metrics, rx_bytes_per_second, grown(last.rx_bytes, before.rx_bytes) / seconds);
        SHAPE_SET(ret, tcs_host_metrics, tx_bytes_per_second, grown(last.tx_bytes, before.tx_bytes) / seconds);
        SHAPE_SET(ret, tcs_host_metrics, read_bytes_per_second, grown(last.read_bytes, before.read_bytes) / seconds);
        SHAPE_SET(ret, tcs_host_metrics, write_bytes_per_second, grown(last.written_bytes, before.written_bytes) / seconds);
        return true;
}
