/* SPDX-License-Identifier: Apache-2.0 */
/* What a container uses: one sample a second, summed up over the interval between two reports. Pure. */
#pragma once

#include "api/tcs.idl.h"
#include "base/arena.h"
#include "runtime/runtime.h"

struct metric {
        double min, max, sum;
        int64_t n;
};

/* One block of memory, no parts of its own. */
struct container_metrics {
        struct runtime_stats last;   /* read_ms 0: none yet */
        struct runtime_stats before; /* the one before `last` */
        struct metric cpu, memory;   /* percent of the machine, MiB */
        struct metric rx_bytes, rx_packets, rx_dropped, rx_errors, tx_bytes, tx_packets, tx_dropped, tx_errors; /* of one sample each */
        struct metric rx_rate, tx_rate;                                                                         /* bytes a second */
        struct metric read_bytes, write_bytes;
};

void metric_add(struct metric *metric, double value);
/* A sample; one with read_ms 0 (not running) is ignored. A counter that went back (a restart) counts from zero. */
void container_metrics_sample(struct container_metrics *metrics, const struct runtime_stats *stats);
/* Writes the interval's figures and begins the next. False when there was no sample. */
bool container_metrics_take(struct container_metrics *metrics, struct arena *arena, struct tcs_container_metric *ret);
/* Bytes a second between the last two samples. */
double metrics_rx_rate(const struct container_metrics *metrics);
double metrics_tx_rate(const struct container_metrics *metrics);
