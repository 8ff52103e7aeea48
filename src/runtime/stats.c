/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of many containers in one go, by a thread of the pool. */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "runtime/runtime_internal.h"

struct stats_item {
        const char *cgroup; /* NULL: not running */
        int32_t pid;        /* 0: shares the host's network */
};

struct stats_read {
        struct runtime_work work;
        struct arena arena;
        struct stats_item *items;
        struct runtime_stats *stats;
        uint32_t n;
        void (*done)(const struct runtime_stats *stats, uint32_t n, void *data);
        void *data;
};

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void read_all(struct runtime_work *work)
{
        struct stats_read *read = CONTAINER_OF(work, struct stats_read, work);
        struct runtime_stats machine = {0};

        cgroup_read_machine(&machine);
        for (uint32_t i = 0; i < read->n; i++) {
                struct runtime_stats *stats = &read->stats[i];

                if (read->items[i].cgroup == NULL)
                        continue;
                *stats = machine;
                stats->read_ms = now_ms();
                cgroup_read_stats(&work->runtime->cgroups, read->items[i].cgroup, stats);
                if (read->items[i].pid != 0)
                        cgroup_read_network(read->items[i].pid, stats);
        }
}

static void after_read(struct runtime_work *work)
{
        struct stats_read *read = CONTAINER_OF(work, struct stats_read, work);

        if (!work->runtime->freeing)
                read->done(read->stats, read->n, read->data);
        arena_done(&read->arena);
        free(read);
}

void runtime_stats_read(struct runtime *runtime, struct runtime_container *const *containers, uint32_t n,
                        void (*done)(const struct runtime_stats *stats, uint32_t n, void *data), void *data)
{
        struct stats_read *read = xalloc(sizeof(*read));

        read->n = n;
        read->done = done;
        read->data = data;
        read->items = arena_calloc(&read->arena, (size_t)n + 1, sizeof(*read->items));
        read->stats = arena_calloc(&read->arena, (size_t)n + 1, sizeof(*read->stats));
        for (uint32_t i = 0; i < n; i++) {
                const struct runtime_container *container = containers[i];

                if (container->state != RUNTIME_RUNNING || container->removing)
                        continue;
                read->items[i].cgroup = arena_strdup(&read->arena, container->cgroup);
                read->items[i].pid = container->host_network ? 0 : container->first.pid;
        }
        read->work.work = read_all;
        read->work.after = after_read;
        runtime_work_start(runtime, &read->work);
}
