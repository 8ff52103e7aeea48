/* SPDX-License-Identifier: Apache-2.0 */
/* What metrics cost: the values of 10,000 tasks, and an hour of one service read back. No server, no HTTP. */
#include <stdio.h>
#include <time.h>

#include "metrics/metrics.h"

#define NOW_S INT64_C(1800000000)
#define SERVICES 100
#define VALUES 20000 /* CPU and memory of 10,000 tasks */
#define SECONDS 60

static double now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(void)
{
        struct metrics *metrics = metrics_new(NULL);
        struct metric_dimension dimensions[] = {{"ClusterName", "default"}, {"ServiceName", NULL}};
        struct metric_id id = {"AWS/ECS", "CPUUtilization", dimensions, 2};
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets;
        char names[SERVICES][16];
        double began = now_ms(), took;
        size_t n;

        for (int i = 0; i < SERVICES; i++)
                (void)snprintf(names[i], sizeof(names[i]), "service-%d", i);
        for (int64_t second = 0; second < SECONDS; second++)
                for (int i = 0; i < VALUES; i++) {
                        dimensions[1].value = names[i % SERVICES];
                        (void)metrics_put_value(metrics, &id, i, 0, (NOW_S + second) * 1000);
                }
        took = (now_ms() - began) / SECONDS;
        printf("values of 10,000 tasks  %.2f ms a second (%.1f%% of a core; budget 20%%)\n", took, took / 10);
        dimensions[1].value = "hour";
        for (int64_t second = 0; second < 3600; second++)
                for (int i = 0; i < 20; i++)
                        (void)metrics_put_value(metrics, &id, i, 0, (NOW_S + second) * 1000);
        began = now_ms();
        n = metrics_read(metrics_find(metrics, &id), NOW_S, NOW_S + 3600, 1, &arena, &buckets);
        printf("an hour of seconds      %.2f ms for %zu periods (budget 20 ms)\n", now_ms() - began, n);
        began = now_ms();
        n = metrics_read_percentile(metrics_find(metrics, &id), 99, NOW_S, NOW_S + 3600, 60, &arena, &buckets);
        printf("an hour of p99          %.2f ms for %zu periods\n", now_ms() - began, n);
        printf("memory                  %.1f MiB for %zu series\n", (double)metrics_usage(metrics).bytes / 1048576,
               metrics_usage(metrics).series);
        metrics_free(metrics);
        return 0;
}
