/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest telemetry sample of every container, task and container instance, in memory only. Autoscaling reads it here;
 * /metrics shows it. A sample covers one interval of the agent (1 s for ours, 20 s for
 * stock ones).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "api/tcs.idl.h"
#include "base/buf.h"
#include "base/list.h"
#include "model/model.h"

/* Averages over the interval; negative: not reported. */
struct container_sample {
        struct list link;
        char *name;
        double cpu_percent; /* of the whole host: all cores are 100 */
        double memory_mib;
        double rx_bytes_per_s, tx_bytes_per_s;
        double read_bytes, write_bytes; /* in the interval */
        int64_t restarts;
};

struct task_sample {
        int64_t at_ms;
        double cpu_percent, memory_mib;        /* sums over the containers */
        double rx_bytes_per_s, tx_bytes_per_s; /* the same; negative: not reported */
        struct list containers;                /* of struct container_sample */
        /* For whoever takes them now and then, and sets them to zero: bytes since then, and when that was. */
        double read_bytes, write_bytes;
        int64_t taken_ms;
};

struct instance_sample {
        int64_t at_ms, taken_ms;
        double root_filesystem_percent, data_filesystem_percent;
        /* Of the node itself; only our own agents say it. */
        double cpu_percent, memory_mib, memory_total_mib, rx_bytes_per_s, tx_bytes_per_s, read_bytes_per_s, write_bytes_per_s;
};

struct agent_metrics;

struct agent_metrics *agent_metrics_new(void);
struct agent_metrics *agent_metrics_free(struct agent_metrics *metrics);
/* Keys are those of the model's objects ("cluster/id"). Returns the new sample, as agent_metrics_task does. */
struct task_sample *agent_metrics_put_task(struct agent_metrics *metrics, const char *key, const struct tcs_task_metric *in,
                                           int64_t now_ms);
struct instance_sample *agent_metrics_put_instance(struct agent_metrics *metrics, const char *key, const struct tcs_instance_metrics *in,
                                                   int64_t now_ms);
/* NULL when there is none; valid until the next put or forget. */
struct task_sample *agent_metrics_task(const struct agent_metrics *metrics, const char *key);
struct instance_sample *agent_metrics_instance(const struct agent_metrics *metrics, const char *key);
/* How many tasks have one. */
size_t agent_metrics_count(const struct agent_metrics *metrics);
void agent_metrics_forget_task(struct agent_metrics *metrics, const char *key);
void agent_metrics_forget_instance(struct agent_metrics *metrics, const char *key);
/* Prometheus text. */
void agent_metrics_write(const struct agent_metrics *metrics, struct buf *out);
