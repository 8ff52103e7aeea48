/* SPDX-License-Identifier: Apache-2.0 */
/* From samples to the sets of minimum, maximum, number and sum that the telemetry channel carries. */
#include "agent/channel/metrics.h"

#define MIB (1024.0 * 1024.0)

void metric_add(struct metric *m, double value)
{
        m->min = m->n == 0 || value < m->min ? value : m->min;
        m->max = m->n == 0 || value > m->max ? value : m->max;
        m->sum += value;
        m->n++;
}

static double grown(uint64_t now, uint64_t before)
{
        return now >= before ? (double)(now - before) : (double)now;
}

static void sample_network(struct container_metrics *m, double seconds)
{
        const struct runtime_stats *now = &m->last, *before = &m->before;

        if (!now->has_network)
                return;
        metric_add(&m->rx_bytes, grown(now->rx_bytes, before->rx_bytes));
        metric_add(&m->rx_packets, grown(now->rx_packets, before->rx_packets));
        metric_add(&m->rx_dropped, grown(now->rx_dropped, before->rx_dropped));
        metric_add(&m->rx_errors, grown(now->rx_errors, before->rx_errors));
        metric_add(&m->tx_bytes, grown(now->tx_bytes, before->tx_bytes));
        metric_add(&m->tx_packets, grown(now->tx_packets, before->tx_packets));
        metric_add(&m->tx_dropped, grown(now->tx_dropped, before->tx_dropped));
        metric_add(&m->tx_errors, grown(now->tx_errors, before->tx_errors));
        metric_add(&m->rx_rate, grown(now->rx_bytes, before->rx_bytes) / seconds);
        metric_add(&m->tx_rate, grown(now->tx_bytes, before->tx_bytes) / seconds);
}

void container_metrics_sample(struct container_metrics *m, const struct runtime_stats *stats)
{
        if (stats->read_ms == 0 || stats->read_ms == m->last.read_ms)
                return;
        m->before = m->last;
        m->last = *stats;
        metric_add(&m->memory, (double)stats->memory_usage / MIB);
        if (m->before.read_ms == 0)
                return;
        double seconds = (double)(m->last.read_ms - m->before.read_ms) / 1000.0;
        uint32_t cpus = MAX(stats->online_cpus, 1);
        if (seconds <= 0)
                return;
        metric_add(&m->cpu, grown(m->last.cpu_usage_ns, m->before.cpu_usage_ns) / (seconds * 1e9) / cpus * 100.0);
        sample_network(m, seconds);
        metric_add(&m->read_bytes, grown(m->last.blkio_read_bytes, m->before.blkio_read_bytes));
        metric_add(&m->write_bytes, grown(m->last.blkio_write_bytes, m->before.blkio_write_bytes));
}

static struct tcs_stats_set *take_set(struct metric *m, struct arena *arena)
{
        struct tcs_stats_set *set = ARENA_NEW(arena, struct tcs_stats_set);

        SHAPE_SET(set, tcs_stats_set, min, m->min);
        SHAPE_SET(set, tcs_stats_set, max, m->max);
        SHAPE_SET(set, tcs_stats_set, sum, m->sum);
        SHAPE_SET(set, tcs_stats_set, sample_count, m->n);
        *m = (struct metric){0};
        return set;
}

/* Whole numbers of at most 31 bits; what is more goes to the overflow members. */
static int64_t low(double value)
{
        return (int64_t)(value < INT32_MAX ? value : INT32_MAX);
}

static int64_t overflow(double value)
{
        return (int64_t)value - low(value);
}

static struct tcs_u_long_stats_set *take_ulong(struct metric *m, struct arena *arena)
{
        struct tcs_u_long_stats_set *set = ARENA_NEW(arena, struct tcs_u_long_stats_set);

        SHAPE_SET(set, tcs_u_long_stats_set, min, low(m->min));
        SHAPE_SET(set, tcs_u_long_stats_set, max, low(m->max));
        SHAPE_SET(set, tcs_u_long_stats_set, sum, low(m->sum));
        SHAPE_SET(set, tcs_u_long_stats_set, sample_count, m->n);
        if (overflow(m->min) > 0)
                SHAPE_SET(set, tcs_u_long_stats_set, overflow_min, overflow(m->min));
        if (overflow(m->max) > 0)
                SHAPE_SET(set, tcs_u_long_stats_set, overflow_max, overflow(m->max));
        if (overflow(m->sum) > 0)
                SHAPE_SET(set, tcs_u_long_stats_set, overflow_sum, overflow(m->sum));
        *m = (struct metric){0};
        return set;
}

static struct tcs_network_stats_set *take_network(struct container_metrics *m, struct arena *arena)
{
        struct tcs_network_stats_set *set = ARENA_NEW(arena, struct tcs_network_stats_set);

        set->rx_bytes = take_ulong(&m->rx_bytes, arena);
        set->rx_packets = take_ulong(&m->rx_packets, arena);
        set->rx_dropped = take_ulong(&m->rx_dropped, arena);
        set->rx_errors = take_ulong(&m->rx_errors, arena);
        set->tx_bytes = take_ulong(&m->tx_bytes, arena);
        set->tx_packets = take_ulong(&m->tx_packets, arena);
        set->tx_dropped = take_ulong(&m->tx_dropped, arena);
        set->tx_errors = take_ulong(&m->tx_errors, arena);
        set->rx_bytes_per_second = take_set(&m->rx_rate, arena);
        set->tx_bytes_per_second = take_set(&m->tx_rate, arena);
        return set;
}

bool container_metrics_take(struct container_metrics *m, struct arena *arena, struct tcs_container_metric *ret)
{
        if (m->memory.n == 0)
                return false;
        if (m->cpu.n > 0)
                ret->cpu_stats_set = take_set(&m->cpu, arena);
        ret->memory_stats_set = take_set(&m->memory, arena);
        if (m->rx_bytes.n > 0)
                ret->network_stats_set = take_network(m, arena);
        if (m->read_bytes.n > 0) {
                ret->storage_stats_set = ARENA_NEW(arena, struct tcs_storage_stats_set);
                ret->storage_stats_set->read_size_bytes = take_ulong(&m->read_bytes, arena);
                ret->storage_stats_set->write_size_bytes = take_ulong(&m->write_bytes, arena);
        }
        return true;
}

static double rate(const struct container_metrics *m, uint64_t now, uint64_t before)
{
        double seconds = (double)(m->last.read_ms - m->before.read_ms) / 1000.0;

        return m->before.read_ms == 0 || seconds <= 0 ? 0 : grown(now, before) / seconds;
}

double metrics_rx_rate(const struct container_metrics *m)
{
        return rate(m, m->last.rx_bytes, m->before.rx_bytes);
}

double metrics_tx_rate(const struct container_metrics *m)
{
        return rate(m, m->last.tx_bytes, m->before.tx_bytes);
}
