/* SPDX-License-Identifier: Apache-2.0 */
/* What the node itself uses, from /proc: processors, memory, network, disks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/tcs.idl.h"

/* Counters since the machine started. */
struct host_counters {
        int64_t read_ms;                         /* monotonic; 0: none yet */
        uint64_t cpu_busy, cpu_all;              /* ticks */
        uint64_t memory_total, memory_available; /* KiB */
        uint64_t rx_bytes, tx_bytes;
        uint64_t read_bytes, written_bytes;
};

struct host_metrics {
        struct host_counters last, taken; /* of the last sample; of the one that the last report went up to */
};

/* Reads /proc, which takes about 0.1 ms and no disk. */
void host_metrics_sample(struct host_metrics *metrics);
/* Averages since the last call. False when there are not two samples yet. */
bool host_metrics_take(struct host_metrics *metrics, struct tcs_host_metrics *ret);

/* For tests: the parsers of /proc/stat, /proc/meminfo, /proc/net/dev and /proc/diskstats. */
void host_parse_stat(const char *text, struct host_counters *ret);
void host_parse_meminfo(const char *text, struct host_counters *ret);
void host_parse_net_dev(const char *text, struct host_counters *ret);
void host_parse_diskstats(const char *text, struct host_counters *ret);
