/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log store on a real disk: events appended durably (one by one from many streams, and in batches), how long one append takes,
 * reading and filtering, many streams, and opening it all again. Its directory is made under the current one.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/env.h"
#include "base/log.h"
#include "logs/filter_pattern.h"
#include "logs/log_store.h"

#define MESSAGE 120 /* bytes */
#define STREAMS 10000

static char dir[] = "bench-logs-XXXXXX";
static char message[MESSAGE + 1];
static struct arena arena;

static int64_t now_us(void)
{
        return env_mono_us(env_system());
}

static int resident_mib(void)
{
        FILE *file = fopen("/proc/self/statm", "re");
        long pages = 0;

        if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
                pages = 0;
        if (file != NULL)
                (void)fclose(file);
        return (int)(pages * sysconf(_SC_PAGESIZE) >> 20);
}

static struct log_store *open_store(void)
{
        struct log_store_options options = {.dir = dir, .loop = uv_default_loop()};
        struct log_store *store = NULL;
        struct error error = {0};

        if (log_store_open(&options, &store, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                exit(1);
        }
        return store;
}

static void closed(void *data)
{
        *(bool *)data = true;
}

static void close_store(struct log_store *store)
{
        bool done = false;

        log_store_close(store, closed, &done);
        while (!done)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
}

static struct log_group *make_group(struct log_store *store, const char *name)
{
        struct log_group_info info = {.name = name};
        struct log_group *group;

        if (log_group_create(store, &info, &group) < 0)
                abort();
        return group;
}

/* ---- appending: clients that each wait for their answer before they send again ---- */

struct client {
        struct log_op op;
        struct log_stream *stream;
        struct log_event *events;
        uint32_t n;
        int64_t begin, *latencies;
        struct run *run;
};

struct run {
        uint64_t left, n_latencies; /* appends */
        int64_t *latencies;
};

static void send_one(struct client *c)
{
        int64_t ms = now_us() / 1000;

        c->run->left--;
        c->begin = now_us();
        for (uint32_t i = 0; i < c->n; i++)
                c->events[i].timestamp_ms = ms;
        if (log_stream_append(c->stream, c->events, c->n, ms, &c->op) < 0)
                abort();
}

static void answered(struct log_op *op, int status)
{
        struct client *c = CONTAINER_OF(op, struct client, op);

        if (status < 0)
                abort();
        c->run->latencies[c->run->n_latencies++] = now_us() - c->begin;
        if (c->run->left > 0)
                send_one(c);
}

static int compare(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void bench_append(struct log_group **groups, uint32_t n_groups, uint32_t n_clients, uint32_t n_events, uint64_t appends)
{
        struct client *clients = xcalloc(n_clients, sizeof *clients);
        struct run run = {.left = appends, .latencies = xcalloc(appends, sizeof *run.latencies)};
        int64_t begin = now_us();
        double seconds;

        for (uint32_t i = 0; i < n_clients; i++) {
                char name[32];
                struct log_group *group = groups[i % n_groups];

                snprintf(name, sizeof name, "client/%u", i);
                clients[i] = (struct client){
                        .op = {.done = answered}, .n = n_events, .run = &run, .events = xcalloc(n_events, sizeof(struct log_event))};
                clients[i].stream = log_stream_find(group, name);
                if (clients[i].stream == NULL && log_stream_create(group, name, 1, &clients[i].stream) < 0)
                        abort();
                for (uint32_t k = 0; k < n_events; k++)
                        clients[i].events[k] = (struct log_event){0, message, MESSAGE};
                send_one(&clients[i]);
        }
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        seconds = (double)(now_us() - begin) / 1e6;
        qsort(run.latencies, appends, sizeof *run.latencies, compare);
        printf("append: %4u clients, %2u groups, %5u events each: %9.0f events/s %7.0f appends/s   p50 %7.3f ms   p99 %7.3f ms\n",
               n_clients, n_groups, n_events, (double)(appends * n_events) / seconds, (double)appends / seconds,
               (double)run.latencies[appends / 2] / 1e3, (double)run.latencies[appends * 99 / 100] / 1e3);
        for (uint32_t i = 0; i < n_clients; i++)
                free(clients[i].events);
        free(clients);
        free(run.latencies);
}

/* ---- reading ---- */

static bool match(const char *text, uint32_t len, void *data)
{
        return filter_pattern_match(data, text, len);
}

static void paged(struct log_query *query, int status)
{
        (void)status;
        query->done = NULL;
}

static void bench_read(struct log_store *store, struct log_group *group, const char *pattern)
{
        struct filter_pattern *filter = NULL;
        struct log_query query = {
                .group = group, .all_streams = true, .end_ms = INT64_MAX, .max_events = 10000, .max_bytes = 1 << 20, .arena = &arena};
        int64_t begin = now_us();
        uint64_t n = 0, pages = 0;
        double seconds;

        if (filter_pattern_parse(pattern, &filter, NULL) < 0)
                abort();
        query.match = filter_pattern_is_empty(filter) ? NULL : match;
        query.match_data = filter;
        do {
                query.done = paged;
                log_query_start(store, &query);
                while (query.done != NULL)
                        uv_run(uv_default_loop(), UV_RUN_ONCE);
                n += query.n;
                pages++;
                query.from = query.next;
                query.has_from = query.has_next;
                arena_reset(&arena);
        } while (!query.complete);
        seconds = (double)(now_us() - begin) / 1e6;
        printf("read: pattern %-22s %9llu of %u events in %llu pages, %6.3f s: %9.0f events/s looked at\n",
               pattern[0] != '\0' ? pattern : "(all)", (unsigned long long)n,
               (unsigned)(log_group_info(group)->stored_bytes / (MESSAGE + 26)), (unsigned long long)pages, seconds,
               (double)log_group_info(group)->stored_bytes / (MESSAGE + 26) / seconds);
        filter_pattern_free(filter);
}

/* From the append until a poll of the group shows it: what `aws logs tail --follow` adds to its own interval. */
static void bench_freshness(struct log_store *store, struct log_group *group)
{
        struct log_stream *stream = log_stream_find(group, "client/0");
        struct run run = {.left = 1, .latencies = &(int64_t){0}};
        struct log_event event = {0, message, MESSAGE};
        struct client client = {.op = {.done = answered}, .stream = stream, .events = &event, .n = 1, .run = &run};
        int64_t begin = now_us(), start = begin / 1000;
        struct log_query query = {.group = group,
                                  .all_streams = true,
                                  .start_ms = start,
                                  .end_ms = INT64_MAX,
                                  .max_events = 10000,
                                  .max_bytes = 1 << 20,
                                  .arena = &arena,
                                  .done = paged};

        send_one(&client);
        while (run.n_latencies == 0)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
        log_query_start(store, &query);
        while (query.done != NULL)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
        printf("fresh: append, then a poll that shows it (%u event): %.3f ms\n", query.n, (double)(now_us() - begin) / 1e3);
        arena_reset(&arena);
}

static int open_files(void)
{
        DIR *d = opendir("/proc/self/fd");
        int n = 0;

        while (d != NULL && readdir(d) != NULL)
                n++;
        if (d != NULL)
                (void)closedir(d);
        return n - 3;
}

int main(void)
{
        struct log_group *groups[16];
        struct log_store *store;
        struct log_store_stats stats;
        int64_t begin;

        log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
        if (mkdtemp(dir) == NULL)
                return 1;
        for (int i = 0; i < MESSAGE; i++)
                message[i] = (char)(' ' + i % 90);
        memcpy(message, "GET /index.html 200", 19);
        store = open_store();
        for (int i = 0; i < 16; i++) {
                char name[16];

                snprintf(name, sizeof name, "group%d", i);
                groups[i] = make_group(store, name);
        }
        bench_append(groups, 1, 1, 1, 2000);
        bench_append(groups, 1, 64, 1, 100000);
        bench_append(groups, 1, 1000, 1, 300000);
        bench_append(groups, 16, 64, 1, 20000);
        bench_append(groups, 1, 64, 100, 20000);
        bench_append(groups, 1, 8, 7000, 200);
        bench_freshness(store, groups[0]);
        bench_read(store, groups[0], "");
        bench_read(store, groups[0], "nothing");
        bench_read(store, groups[0], "?ERROR ?\"index\" -\"GET /index\"");
        bench_read(store, groups[0], "{ $.a = 1 }");
        bench_read(store, groups[0], "[m, path, code=5*, ...]");
        begin = now_us();
        bench_append(groups + 1, 1, STREAMS, 1, STREAMS * 3);
        log_store_stats(store, &stats);
        printf("with %llu streams, %llu segments, %.0f MiB of files: %d MiB resident, %d files open\n", (unsigned long long)stats.streams,
               (unsigned long long)stats.segments, (double)stats.bytes / 1048576, resident_mib(), open_files());
        bench_read(store, groups[1], "");
        close_store(store);
        begin = now_us();
        store = open_store();
        printf("open again: %.1f ms\n", (double)(now_us() - begin) / 1e3);
        close_store(store);
        arena_done(&arena);
        {
                CLEANUP_FREE char *command = xprintf("rm -rf %s", dir);

                return system(command) != 0;
        }
}
