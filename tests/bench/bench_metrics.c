/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What metrics cost: the values of 10,000 tasks and what becomes of them on disk, the agents' frames that bring them, and an hour of one
 * service read back, from memory and from disk. No server, no HTTP, no websocket.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/tcs.idl.h"
#include "metrics/metrics.h"
#include "metrics/search.h"

#define NOW_S INT64_C(1800057600) /* a multiple of a day */
#define SERVICES 100
#define TASKS 10000
#define SECONDS 60
#define FRAME_TASKS 10

/* Time of the processor, so that others on the machine do not count. */
static double now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- Frames of agents ---- */

static void append_set(struct buf *out, const char *name, const char *more)
{
        buf_printf(out, "\"%s\":{\"min\":12,\"max\":12,\"sampleCount\":1,\"sum\":12%s}", name, more);
}

static void append_task(struct buf *out, int task)
{
        static const char *const counters[] = {"rxBytes", "rxPackets", "rxDropped", "rxErrors",
                                               "txBytes", "txPackets", "txDropped", "txErrors"};

        buf_printf(out,
                   "{\"taskArn\":\"arn:aws:ecs:us-east-1:123456789012:task/default/"
                   "%032d\",\"clusterArn\":\"default\",\"taskDefinitionFamily\":"
                   "\"web\",\"taskDefinitionVersion\":\"7\",\"containerMetrics\":[{\"containerArn\":\"arn:aws:ecs:us-east-1:123456789012:"
                   "container/%032d\",\"containerName\":\"web\",",
                   task, task);
        append_set(out, "cpuStatsSet", "");
        buf_append_char(out, ',');
        append_set(out, "memoryStatsSet", "");
        buf_append_str(out, ",\"networkStatsSet\":{");
        for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
                append_set(out, counters[i], "");
                buf_append_char(out, ',');
        }
        append_set(out, "rxBytesPerSecond", "");
        buf_append_char(out, ',');
        append_set(out, "txBytesPerSecond", "");
        buf_append_str(out, "},\"storageStatsSet\":{");
        append_set(out, "readSizeBytes", "");
        buf_append_char(out, ',');
        append_set(out, "writeSizeBytes", "");
        buf_append_str(out, "}}]}");
}

static void bench_frames(void)
{
        static const struct shape_limits limits = {.max_bytes = 32u << 20, .skip_validation = true};
        CLEANUP_BUF struct buf text = {0};
        double began, took;

        buf_append_str(&text,
                       "{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":{\"idle\":false,\"fin\":true},\"taskMetrics\":[");
        for (int i = 0; i < FRAME_TASKS; i++) {
                if (i > 0)
                        buf_append_char(&text, ',');
                append_task(&text, i);
        }
        buf_append_str(&text, "],\"timestamp\":1800057600.5}}");
        began = now_ms();
        for (int i = 0; i < TASKS / FRAME_TASKS * 5; i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct tcs_frame *frame;
                struct tcs_publish_metrics_request *message;
                struct error error = {0};

                if (SHAPE_PARSE(tcs_frame, &arena, text.data, text.len, &limits, &frame, &error) < 0 ||
                    SHAPE_PARSE(tcs_publish_metrics_request, &arena, frame->message, strlen(frame->message), &limits, &message, &error) <
                            0 ||
                    message->task_metrics.n != FRAME_TASKS)
                        abort();
        }
        took = (now_ms() - began) / 5;
        printf("frames of 10,000 tasks  %.1f ms a second, %.1f MB (%.1f%% of a core)\n", took, (double)text.len * TASKS / FRAME_TASKS / 1e6,
               took / 10);
}

/* ---- Values ---- */

static struct metrics *open_at(const char *dir, int64_t now_s)
{
        struct metrics *metrics;
        struct error error = {0};

        if (metrics_open(&(struct metrics_options){.dir = dir, .now_ms = now_s * 1000}, &metrics, &error) < 0)
                abort();
        return metrics;
}

/* CPU and memory of every task, of its service; its own every 20 s; then the second's end, with the disk. */
static void one_second(struct metrics *metrics, int64_t now_s, char services[][16], char tasks[][40])
{
        static const char *const names[] = {"CPUUtilization", "MemoryUtilization"}, *const own[] = {"CpuUtilized", "MemoryUtilized"};
        struct metric_dimension dimensions[] = {{"ClusterName", "default"}, {"ServiceName", NULL}},
                                task[] = {{"ClusterName", "default"}, {"TaskId", NULL}};

        for (int i = 0; i < TASKS; i++) {
                dimensions[1].value = services[i % SERVICES];
                for (int k = 0; k < 2; k++)
                        (void)metrics_put_value(metrics, &(struct metric_id){"AWS/ECS", names[k], dimensions, 2}, (rand() % 10000) / 100.0,
                                                0, now_s * 1000);
                task[1].value = tasks[i];
                for (int k = 0; k < 2 && i % 20 == now_s % 20; k++)
                        (void)metrics_put_value(metrics, &(struct metric_id){"ECS/ContainerInsights", own[k], task, 2},
                                                (rand() % 10000) / 100.0, 0, now_s * 1000);
        }
        metrics_tick(metrics, (now_s + 1) * 1000);
}

static void bench_values(const char *dir)
{
        struct metrics *metrics = open_at(dir, NOW_S);
        static char services[SERVICES][16], tasks[TASKS][40];
        struct metrics_usage usage;
        double began, took;

        for (int i = 0; i < SERVICES; i++)
                (void)snprintf(services[i], sizeof(services[i]), "service-%d", i);
        for (int i = 0; i < TASKS; i++)
                (void)snprintf(tasks[i], sizeof(tasks[i]), "%032d", i);
        one_second(metrics, NOW_S, services, tasks);
        began = now_ms();
        for (int64_t second = 1; second <= SECONDS; second++)
                one_second(metrics, NOW_S + second, services, tasks);
        took = (now_ms() - began) / SECONDS;
        usage = metrics_usage(metrics);
        printf("values of 10,000 tasks  %.1f ms a second with the disk (%.1f%% of a core; budget 20%% with the frames)\n", took, took / 10);
        printf("  memory                %.1f MiB for %zu series after a minute\n", (double)usage.bytes / 1048576, usage.series);
        printf("  journals              %.0f KB a second\n", (double)usage.disk_bytes / SECONDS / 1e3);
        metrics_free(metrics);
        began = now_ms();
        metrics = open_at(dir, NOW_S + SECONDS + 5);
        printf("  read at the start     %.0f ms (in the thread pool)\n", now_ms() - began);
        metrics_free(metrics);
}

static void on_loaded(void *data, struct metric_history *history)
{
        *(struct metric_history **)data = history;
}

/* One series, as a service has it, for longer than memory keeps it. */
static void bench_reads(const char *dir)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", "default"}, {"ServiceName", "web"}};
        const struct metric_id id = {"AWS/ECS", "CPUUtilization", dimensions, 2};
        const int64_t begun_s = NOW_S, end_s = NOW_S + 5 * 3600;
        const struct metric_want want = {id, begun_s + 2 * 3600, begun_s + 3 * 3600, 1};
        struct metrics *metrics = open_at(dir, begun_s);
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_history *history = NULL;
        struct metric_bucket *buckets;
        double began;
        size_t n;

        for (int64_t now_s = begun_s; now_s < end_s; now_s++) {
                for (int i = 0; i < 20; i++)
                        (void)metrics_put_value(metrics, &id, (rand() % 10000) / 100.0, 0, now_s * 1000);
                metrics_tick(metrics, now_s * 1000);
                if (now_s % 60 == 0)
                        metrics_sweep(metrics, now_s * 1000);
        }
        began = now_ms();
        n = metrics_read(metrics_find(metrics, &id), end_s - 3600, end_s, 1, &arena, &buckets);
        printf("an hour of seconds      %.2f ms for %zu periods, in memory (budget 20 ms)\n", now_ms() - began, n);
        began = now_ms();
        n = metrics_read_percentile(metrics_find(metrics, &id), 99, end_s - 3600, end_s, 60, &arena, &buckets);
        printf("an hour of p99          %.2f ms for %zu periods of a minute\n", now_ms() - began, n);
        began = now_ms();
        if (metrics_load(metrics, &want, 1, on_loaded, &history))
                metrics_attach(metrics, history);
        n = metrics_read(metrics_find(metrics, &id), want.from_s, want.to_s, 1, &arena, &buckets);
        printf("an hour from the disk   %.2f ms for %zu periods\n", now_ms() - began, n);
        if (history != NULL)
                metrics_detach(metrics);
        metrics_history_free(history);
        printf("  disk                  %.0f bytes an hour of seconds with 20 values each\n",
               (double)metrics_usage(metrics).disk_bytes / 5);
        metrics_free(metrics);
}

/* What SEARCH costs the loop among the metrics of many services. */
static void bench_search(void)
{
        static const char *const names[] = {"CPUUtilization", "MemoryUtilization"};
        static const char *const searches[] = {"{AWS/ECS,ClusterName,ServiceName} MetricName=\"CPUUtilization\"",
                                               "{AWS/ECS,ClusterName,ServiceName} CPU (Service-77 OR NOT Service)", "\"service-777\""};
        struct metrics *metrics = metrics_new(NULL);

        for (int i = 0; i < TASKS; i++) {
                char service[16];
                const struct metric_dimension dimensions[] = {{"ClusterName", "default"}, {"ServiceName", service}};

                (void)snprintf(service, sizeof(service), "service-%d", i);
                for (int k = 0; k < 2; k++)
                        (void)metrics_put_value(metrics, &(struct metric_id){"AWS/ECS", names[k], dimensions, 2}, 1, 0, NOW_S * 1000);
        }
        for (size_t i = 0; i < ARRAY_SIZE(searches); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                const struct metric_search *search;
                const struct metric_series **found;
                double began = now_ms();
                bool more;
                size_t n;

                if (metric_search_parse(searches[i], &arena, &search) != NULL)
                        abort();
                n = metric_search_run(search, metrics, 20000, &arena, &found, &more);
                printf("%s%.2f ms for %zu of 20,000: %s\n", i == 0 ? "SEARCH                  " : "                        ",
                       now_ms() - began, n, searches[i]);
        }
        metrics_free(metrics);
}

static void empty(const char *path)
{
        DIR *dir = opendir(path);
        const struct dirent *entry;

        while (dir != NULL && (entry = readdir(dir)) != NULL)
                if (entry->d_name[0] != '.')
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir != NULL)
                closedir(dir);
}

int main(void)
{
        char dir[] = "/tmp/gantry-bench-metrics-XXXXXX";

        if (mkdtemp(dir) == NULL)
                return 1;
        bench_frames();
        bench_values(dir);
        empty(dir);
        bench_reads(dir);
        bench_search();
        empty(dir);
        (void)rmdir(dir);
        return 0;
}
