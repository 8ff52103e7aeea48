/* SPDX-License-Identifier: Apache-2.0 */
/* The newest samples, by the keys of the model's objects. */
#include "api/agent/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/strutil.h"

struct task_entry {
        struct map_node node;
        struct task_sample sample;
        char key[];
};

struct instance_entry {
        struct map_node node;
        struct instance_sample sample;
        char key[];
};

struct agent_metrics {
        struct map tasks, instances;
};

struct agent_metrics *agent_metrics_new(void)
{
        struct agent_metrics *metrics = xalloc(sizeof(*metrics));

        map_init(&metrics->tasks);
        map_init(&metrics->instances);
        return metrics;
}

static void clear_containers(struct task_sample *sample)
{
        list_for_each (container, &sample->containers, struct container_sample, link) {
                list_remove(&container->link);
                free(container->name);
                free(container);
        }
}

static void task_free(struct agent_metrics *metrics, struct task_entry *entry)
{
        map_remove(&metrics->tasks, &entry->node);
        clear_containers(&entry->sample);
        free(entry);
}

static void instance_free(struct agent_metrics *metrics, struct instance_entry *entry)
{
        map_remove(&metrics->instances, &entry->node);
        free(entry);
}

struct agent_metrics *agent_metrics_free(struct agent_metrics *metrics)
{
        if (!metrics)
                return NULL;
        map_for_each (node, &metrics->tasks)
                task_free(metrics, CONTAINER_OF(node, struct task_entry, node));
        map_for_each (node, &metrics->instances)
                instance_free(metrics, CONTAINER_OF(node, struct instance_entry, node));
        map_done(&metrics->tasks);
        map_done(&metrics->instances);
        free(metrics);
        return NULL;
}

/* ---- Reading what the agent sends ---- */

static double average(const struct tcs_stats_set *set)
{
        return set && set->sample_count > 0 ? set->sum / (double)set->sample_count : -1;
}

static double total(const struct tcs_u_long_stats_set *set)
{
        /* The agent splits a large value: what exceeds 32 bits is in the overflow member. */
        return set ? (double)set->sum + (double)set->overflow_sum : -1;
}

/* A container's name as a label: agents could write anything. */
static char *label(const char *name)
{
        char *copy = xstrndup(name ? name : "", 255);

        for (char *c = copy; *c; c++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", *c))
                        *c = '_';
        return copy;
}

static void add_container(struct task_sample *sample, const struct tcs_container_metric *in)
{
        struct container_sample *out = xalloc(sizeof(*out));

        out->name = label(in->container_name);
        out->cpu_percent = average(in->cpu_stats_set);
        out->memory_mib = average(in->memory_stats_set);
        out->rx_bytes_per_s = in->network_stats_set ? average(in->network_stats_set->rx_bytes_per_second) : -1;
        out->tx_bytes_per_s = in->network_stats_set ? average(in->network_stats_set->tx_bytes_per_second) : -1;
        out->read_bytes = in->storage_stats_set ? total(in->storage_stats_set->read_size_bytes) : -1;
        out->write_bytes = in->storage_stats_set ? total(in->storage_stats_set->write_size_bytes) : -1;
        out->restarts = in->restart_stats_set ? in->restart_stats_set->restart_count : 0;
        sample->cpu_percent += MAX(out->cpu_percent, 0);
        sample->memory_mib += MAX(out->memory_mib, 0);
        sample->read_bytes += MAX(out->read_bytes, 0);
        sample->write_bytes += MAX(out->write_bytes, 0);
        if (out->rx_bytes_per_s >= 0)
                sample->rx_bytes_per_s = MAX(sample->rx_bytes_per_s, 0) + out->rx_bytes_per_s;
        if (out->tx_bytes_per_s >= 0)
                sample->tx_bytes_per_s = MAX(sample->tx_bytes_per_s, 0) + out->tx_bytes_per_s;
        list_push(&sample->containers, &out->link);
}

static struct task_entry *task_entry(struct agent_metrics *metrics, const char *key)
{
        struct task_entry *entry = map_get(&metrics->tasks, key, struct task_entry, node);

        if (entry)
                return entry;
        entry = xalloc(sizeof(*entry) + strlen(key) + 1);
        memcpy(entry->key, key, strlen(key) + 1);
        list_init(&entry->sample.containers);
        map_insert(&metrics->tasks, &entry->node, entry->key);
        return entry;
}

struct task_sample *agent_metrics_put_task(struct agent_metrics *metrics, const char *key, const struct tcs_task_metric *in, int64_t now_ms)
{
        struct task_sample *sample = &task_entry(metrics, key)->sample;

        clear_containers(sample);
        sample->at_ms = now_ms;
        sample->cpu_percent = sample->memory_mib = 0;
        sample->rx_bytes_per_s = sample->tx_bytes_per_s = -1;
        for (uint32_t i = 0; i < in->container_metrics.n; i++)
                add_container(sample, &in->container_metrics.items[i]);
        return sample;
}

static struct instance_entry *instance_entry(struct agent_metrics *metrics, const char *key)
{
        struct instance_entry *entry = map_get(&metrics->instances, key, struct instance_entry, node);

        if (entry)
                return entry;
        entry = xalloc(sizeof(*entry) + strlen(key) + 1);
        memcpy(entry->key, key, strlen(key) + 1);
        map_insert(&metrics->instances, &entry->node, entry->key);
        return entry;
}

static void put_host(struct instance_sample *sample, const struct tcs_host_metrics *in)
{
        const struct {
                double *to, value;
                bool given;
        } members[] = {
#define HOST(member, name) {&sample->member, in ? in->name : 0, in && SHAPE_HAS(in, tcs_host_metrics, name)}
                HOST(cpu_percent, cpu_percent),
                HOST(memory_mib, memory_used),
                HOST(memory_total_mib, memory_total),
                HOST(rx_bytes_per_s, rx_bytes_per_second),
                HOST(tx_bytes_per_s, tx_bytes_per_second),
                HOST(read_bytes_per_s, read_bytes_per_second),
                HOST(write_bytes_per_s, write_bytes_per_second),
#undef HOST
        };

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                *members[i].to = members[i].given ? members[i].value : -1;
}

struct instance_sample *agent_metrics_put_instance(struct agent_metrics *metrics, const char *key, const struct tcs_instance_metrics *in,
                                                   int64_t now_ms)
{
        struct instance_sample *sample = &instance_entry(metrics, key)->sample;

        sample->at_ms = now_ms;
        put_host(sample, in->host);
        sample->root_filesystem_percent =
                in->storage && SHAPE_HAS(in->storage, tcs_storage_metrics, root_filesystem) ? in->storage->root_filesystem : -1;
        sample->data_filesystem_percent =
                in->storage && SHAPE_HAS(in->storage, tcs_storage_metrics, data_filesystem) ? in->storage->data_filesystem : -1;
        return sample;
}

struct task_sample *agent_metrics_task(const struct agent_metrics *metrics, const char *key)
{
        struct task_entry *entry = map_get(&metrics->tasks, key, struct task_entry, node);

        return entry ? &entry->sample : NULL;
}

struct instance_sample *agent_metrics_instance(const struct agent_metrics *metrics, const char *key)
{
        struct instance_entry *entry = map_get(&metrics->instances, key, struct instance_entry, node);

        return entry ? &entry->sample : NULL;
}

size_t agent_metrics_count(const struct agent_metrics *metrics)
{
        return metrics->tasks.count;
}

void agent_metrics_forget_task(struct agent_metrics *metrics, const char *key)
{
        struct task_entry *entry = map_get(&metrics->tasks, key, struct task_entry, node);

        if (entry)
                task_free(metrics, entry);
}

void agent_metrics_forget_instance(struct agent_metrics *metrics, const char *key)
{
        struct instance_entry *entry = map_get(&metrics->instances, key, struct instance_entry, node);

        if (entry)
                instance_free(metrics, entry);
}

/* ---- Prometheus ---- */

static const struct series {
        const char *name, *help;
        size_t offset;
} families[] = {
        {"gantry_container_cpu_percent", "Processor time of a container in the last interval; all cores of its host are 100.",
         offsetof(struct container_sample, cpu_percent)},
        {"gantry_container_memory_mebibytes", "Memory of a container, average of the last interval.",
         offsetof(struct container_sample, memory_mib)},
        {"gantry_container_receive_bytes_per_second", "Network bytes received.", offsetof(struct container_sample, rx_bytes_per_s)},
        {"gantry_container_transmit_bytes_per_second", "Network bytes sent.", offsetof(struct container_sample, tx_bytes_per_s)},
        {"gantry_container_read_bytes", "Bytes read from storage in the last interval.", offsetof(struct container_sample, read_bytes)},
        {"gantry_container_written_bytes", "Bytes written to storage in the last interval.",
         offsetof(struct container_sample, write_bytes)},
};

/* Keys are "cluster/id", names are letters, digits, '-' and '_': nothing to escape. */
static void write_family(const struct agent_metrics *metrics, const struct series *family, struct buf *out)
{
        prom_family(out, family->name, "gauge", family->help);
        map_for_each (node, &metrics->tasks) {
                const struct task_entry *entry = CONTAINER_OF(node, struct task_entry, node);
                const char *slash = strchr(entry->key, '/');

                list_for_each (container, &entry->sample.containers, struct container_sample, link) {
                        double value = *(const double *)(const void *)((const char *)container + family->offset);
                        char labels[768];

                        if (value < 0)
                                continue;
                        (void)snprintf(labels, sizeof(labels), "cluster=\"%.*s\",task=\"%s\",container=\"%s\"",
                                       slash ? (int)(slash - entry->key) : 0, entry->key, slash ? slash + 1 : entry->key, container->name);
                        prom_sample(out, family->name, labels, value);
                }
        }
}

void agent_metrics_write(const struct agent_metrics *metrics, struct buf *out)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                write_family(metrics, &families[i], out);
        prom_family(out, "gantry_instance_root_filesystem_percent", "gauge", "How full the root filesystem of an instance is.");
        map_for_each (node, &metrics->instances) {
                const struct instance_entry *entry = CONTAINER_OF(node, struct instance_entry, node);
                const char *slash = strchr(entry->key, '/');
                char labels[512];

                if (entry->sample.root_filesystem_percent < 0)
                        continue;
                (void)snprintf(labels, sizeof(labels), "cluster=\"%.*s\",instance=\"%s\"", slash ? (int)(slash - entry->key) : 0,
                               entry->key, slash ? slash + 1 : entry->key);
                prom_sample(out, "gantry_instance_root_filesystem_percent", labels, entry->sample.root_filesystem_percent);
        }
}
