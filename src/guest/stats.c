/* SPDX-License-Identifier: Apache-2.0 */
/* What the containers use. */
#include "guest/guest.h"
#include "runtime/cgroup.h"

static const struct cgroups groups = {.version = 2, .mounts = {{.names = "", .path = "/sys/fs/cgroup"}}, .n = 1};

static void describe(const struct box *box, struct guest_usage *to)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct runtime_stats s = {0};

        cgroup_read_stats(&groups, box_group(box, &arena), &s);
        SHAPE_SET(to, guest_usage, index, box->index);
        SHAPE_SET(to, guest_usage, cpu_ns, (int64_t)s.cpu_usage_ns);
        SHAPE_SET(to, guest_usage, cpu_user_ns, (int64_t)s.cpu_user_ns);
        SHAPE_SET(to, guest_usage, cpu_system_ns, (int64_t)s.cpu_system_ns);
        SHAPE_SET(to, guest_usage, periods, (int64_t)s.cpu_periods);
        SHAPE_SET(to, guest_usage, throttled, (int64_t)s.cpu_throttled_periods);
        SHAPE_SET(to, guest_usage, throttled_ns, (int64_t)s.cpu_throttled_ns);
        SHAPE_SET(to, guest_usage, memory, (int64_t)s.memory_usage);
        SHAPE_SET(to, guest_usage, cache, (int64_t)s.memory_cache);
        SHAPE_SET(to, guest_usage, rss, (int64_t)s.memory_rss);
        SHAPE_SET(to, guest_usage, inactive_file, (int64_t)s.memory_inactive_file);
        SHAPE_SET(to, guest_usage, max_memory, (int64_t)s.memory_max_usage);
        SHAPE_SET(to, guest_usage, memory_limit, (int64_t)s.memory_limit);
        SHAPE_SET(to, guest_usage, pids, (int64_t)s.pids);
        SHAPE_SET(to, guest_usage, read_bytes, (int64_t)s.blkio_read_bytes);
        SHAPE_SET(to, guest_usage, write_bytes, (int64_t)s.blkio_write_bytes);
        SHAPE_SET(to, guest_usage, read_ops, (int64_t)s.blkio_read_ops);
        SHAPE_SET(to, guest_usage, write_ops, (int64_t)s.blkio_write_ops);
}

void guest_tell_stats(struct guest *guest)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct runtime_stats s = {0};
        struct guest_stats stats = {0};
        const struct guest_event event = {.stats = &stats};

        for (size_t i = 0; i < GUEST_BOXES; i++)
                if (guest->boxes[i].state == BOX_RUNNING)
                        describe(&guest->boxes[i], SHAPE_PUSH(&arena, &stats.boxes));
        cgroup_read_machine(&s);
        cgroup_read_network(1, &s);
        SHAPE_SET(&stats, guest_stats, system_ns, (int64_t)s.system_cpu_ns);
        SHAPE_SET(&stats, guest_stats, rx_bytes, (int64_t)s.rx_bytes);
        SHAPE_SET(&stats, guest_stats, rx_packets, (int64_t)s.rx_packets);
        SHAPE_SET(&stats, guest_stats, rx_errors, (int64_t)s.rx_errors);
        SHAPE_SET(&stats, guest_stats, rx_dropped, (int64_t)s.rx_dropped);
        SHAPE_SET(&stats, guest_stats, tx_bytes, (int64_t)s.tx_bytes);
        SHAPE_SET(&stats, guest_stats, tx_packets, (int64_t)s.tx_packets);
        SHAPE_SET(&stats, guest_stats, tx_errors, (int64_t)s.tx_errors);
        SHAPE_SET(&stats, guest_stats, tx_dropped, (int64_t)s.tx_dropped);
        guest_tell(guest, &event);
}
