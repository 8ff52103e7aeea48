/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups of tasks and containers, version 1 and 2 alike. A task's group is PARENT/<task>; the runtime makes each container's
 * group in it. Paths are as in /proc/PID/cgroup: "/gantry/<task>/<container>". Calls block for file operations of microseconds: any
 * thread. Sources: the kernel's cgroup-v1 and cgroup-v2 documents.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/runtime.h"

#define CGROUP_V1_MAX 16

struct cgroups {
        int version;      /* 1 or 2 */
        bool hybrid;      /* version 1 with an empty version 2 hierarchy beside it, at `unified` */
        char unified[64]; /* "/sys/fs/cgroup/unified" */
        bool swap;        /* swap can be limited */
        /* Version 1: mounted hierarchies, by controller. Version 2: n is 1 and names[0] is "". */
        struct {
                char names[64]; /* "cpu,cpuacct" */
                char path[128]; /* "/sys/fs/cgroup/cpu" */
        } mounts[CGROUP_V1_MAX];
        uint32_t n;
};

/* Reads `mountinfo` (NULL: this process's). -ENOTSUP with the next step when memory, cpu or pids cannot be limited. */
int cgroups_detect(const char *mountinfo, struct cgroups *ret, struct error *error) MUST_CHECK;

/* Makes `path` and its parents with the limits. Again: sets the limits anew. */
int cgroup_prepare(const struct cgroups *cgroups, const char *path, const struct runtime_task_limits *limits,
                   struct error *error) MUST_CHECK;
/* Puts a process into the group, in every hierarchy. */
int cgroup_attach(const struct cgroups *cgroups, const char *path, int32_t pid) MUST_CHECK;
/* SIGKILL to every process in the group and below it. */
void cgroup_kill(const struct cgroups *cgroups, const char *path);
/* Removes the group and those below it. -EBUSY while processes are in them; 0 when there is none. */
int cgroup_remove(const struct cgroups *cgroups, const char *path) MUST_CHECK;
/* How often the kernel killed a process of this group for memory. */
uint64_t cgroup_oom_kills(const struct cgroups *cgroups, const char *path);

/* Everything in `ret` but the network. Zero where a file is missing. */
void cgroup_read_stats(const struct cgroups *cgroups, const char *path, struct runtime_stats *ret);
/* The network part, as the process `pid` sees its interfaces (without lo). */
void cgroup_read_network(int32_t pid, struct runtime_stats *ret);
/* system_cpu_ns and online_cpus. */
void cgroup_read_machine(struct runtime_stats *ret);

/* Parsers, for tests. The value of `key` in a flat file ("key value" lines), or 0. */
uint64_t cgroup_flat_value(const char *text, const char *key);
void cgroup_parse_net_dev(const char *text, struct runtime_stats *ret);
void cgroup_parse_blkio_v1(const char *text, uint64_t *ret_read, uint64_t *ret_write);
void cgroup_parse_io_v2(const char *text, struct runtime_stats *ret);
