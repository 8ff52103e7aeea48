/* SPDX-License-Identifier: Apache-2.0 */
/* What the server tells of itself at /metrics. */
#include "api/metrics.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/event_ring.h"
#include "api/server_internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

/* ---- Counting ---- */

static const uint64_t bucket_us[HISTOGRAM_BUCKETS] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 2500000};
static const char *const bucket_names[HISTOGRAM_BUCKETS] = {"0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025",
                                                            "0.005",   "0.01",   "0.025",   "0.1",    "0.5",   "2.5"};

void stats_init(struct operation_stats *stats)
{
        *stats = (struct operation_stats){0};
        list_init(&stats->codes);
}

void stats_done(struct operation_stats *stats)
{
        list_for_each (count, &stats->codes, struct code_count, link) {
                list_remove(&count->link);
                free(count);
        }
}

void stats_record(struct operation_stats *stats, const char *code, uint64_t us)
{
        struct code_count *count = NULL;
        size_t bucket = 0;

        while (bucket < HISTOGRAM_BUCKETS && us > bucket_us[bucket])
                bucket++;
        stats->buckets[bucket]++;
        stats->n++;
        stats->sum_us += us;
        list_for_each (it, &stats->codes, struct code_count, link) {
                if (strcmp(it->code, code) == 0) {
                        it->n++;
                        return;
                }
        }
        count = xalloc(sizeof(*count));
        (void)snprintf(count->code, sizeof(count->code), "%s", code);
        count->n = 1;
        list_push(&stats->codes, &count->link);
}

/* ---- Writing ---- */

void prom_family(struct buf *out, const char *name, const char *type, const char *help)
{
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prom_sample(struct buf *out, const char *name, const char *labels, double value)
{
        if (labels != NULL)
                buf_printf(out, "%s{%s} %.17g\n", name, labels, value);
        else
                buf_printf(out, "%s %.17g\n", name, value);
}

void prom_gauge(struct buf *out, const char *name, const char *help, double value)
{
        prom_family(out, name, "gauge", help);
        prom_sample(out, name, NULL, value);
}

void prom_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
        prom_family(out, name, "counter", help);
        buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* Calls `write` for every operation that was called at least once. */
static void each_stats(struct api *api, struct buf *out,
                       void (*write)(struct buf *out, const char *service, const char *operation, const struct operation_stats *stats))
{
        list_for_each (entry, &api->state->services, struct service_entry, link) {
                for (uint32_t i = 0; i < entry->service->n_operations; i++)
                        if (entry->operations[i].stats.n > 0)
                                write(out, entry->service->name, entry->operations[i].operation->name, &entry->operations[i].stats);
                if (entry->unknown.n > 0)
                        write(out, entry->service->name, "unknown", &entry->unknown);
        }
        if (api->state->unrouted.n > 0)
                write(out, "unknown", "unknown", &api->state->unrouted);
}

static void write_codes(struct buf *out, const char *service, const char *operation, const struct operation_stats *stats)
{
        list_for_each (count, &stats->codes, struct code_count, link)
                buf_printf(out, "gantry_api_requests_total{service=\"%s\",operation=\"%s\",code=\"%s\"} %llu\n", service, operation,
                           count->code, (unsigned long long)count->n);
}

static void write_histogram(struct buf *out, const char *service, const char *operation, const struct operation_stats *stats)
{
        uint64_t below = 0;

        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                below += stats->buckets[i];
                buf_printf(out, "gantry_api_request_seconds_bucket{service=\"%s\",operation=\"%s\",le=\"%s\"} %llu\n", service, operation,
                           bucket_names[i], (unsigned long long)below);
        }
        buf_printf(out, "gantry_api_request_seconds_bucket{service=\"%s\",operation=\"%s\",le=\"+Inf\"} %llu\n", service, operation,
                   (unsigned long long)stats->n);
        buf_printf(out, "gantry_api_request_seconds_sum{service=\"%s\",operation=\"%s\"} %.6f\n", service, operation,
                   (double)stats->sum_us / 1e6);
        buf_printf(out, "gantry_api_request_seconds_count{service=\"%s\",operation=\"%s\"} %llu\n", service, operation,
                   (unsigned long long)stats->n);
}

static void write_model(struct api *api, struct buf *out)
{
        uint64_t sequence = model_sequence(api->model), durable = model_durable(api->model);

        prom_family(out, "gantry_objects", "gauge", "Objects in memory by kind.");
        for (int i = 0; i < OBJECT_KIND_MAX; i++)
                buf_printf(out, "gantry_objects{kind=\"%s\"} %zu\n", event_ring_kind_name((enum object_kind)i),
                           model_objects(api->model, (enum object_kind)i)->count);
        prom_counter(out, "gantry_commits_total", "Transactions since the server started.", sequence);
        prom_gauge(out, "gantry_commits_waiting", "Transactions that are not on disk yet.", (double)(sequence - durable));
}

static size_t resident_bytes(void)
{
        CLEANUP_BUF struct buf text = {0};
        const char *pages;

        /* The second number of the line. */
        if (buf_read_file(&text, "/proc/self/statm", 256) < 0 || (pages = strchr(text.data, ' ')) == NULL)
                return 0;
        return strtoul(pages, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void write_process(struct api *api, struct buf *out)
{
        struct mallinfo2 heap = mallinfo2();
        struct rusage usage;

        prom_family(out, "gantry_heap_bytes", "gauge", "Memory of the allocator: in use, and kept for what comes next.");
        buf_printf(out, "gantry_heap_bytes{state=\"used\"} %zu\ngantry_heap_bytes{state=\"free\"} %zu\n", heap.uordblks + heap.hblkhd,
                   heap.fordblks);
        prom_gauge(out, "process_resident_memory_bytes", "Resident memory.", (double)resident_bytes());
        if (getrusage(RUSAGE_SELF, &usage) == 0) {
                prom_family(out, "process_cpu_seconds_total", "counter", "CPU time used, user and system.");
                buf_printf(out, "process_cpu_seconds_total %.6f\n",
                           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
        }
        prom_family(out, "process_start_time_seconds", "gauge", "When the server started, since 1970.");
        buf_printf(out, "process_start_time_seconds %.3f\n", (double)api->state->started_ms / 1000);
}

static size_t connected_agents(const struct model *model)
{
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_INSTANCE))
                n += MODEL_OBJECT(node, instance)->connected;
        return n;
}

void metrics_write(struct api *api, struct buf *out)
{
        prom_family(out, "gantry_api_requests_total", "counter", "Answers by operation and code: 200 or the error's name.");
        each_stats(api, out, write_codes);
        prom_family(out, "gantry_api_request_seconds", "histogram", "From the first byte of a request to its answer.");
        each_stats(api, out, write_histogram);
        prom_gauge(out, "gantry_api_in_flight", "Requests without an answer yet.", api->state->in_flight);
        prom_counter(out, "gantry_api_throttled_total", "Requests refused by a rate or concurrency limit.", api->state->throttled);
        if (api->http != NULL) {
                struct http_server_stats stats = http_server_get_stats(api->http);

                prom_gauge(out, "gantry_http_connections_open", "Open connections.", stats.open);
                prom_counter(out, "gantry_http_connections_total", "Connections accepted.", stats.connections);
                prom_counter(out, "gantry_http_requests_total", "Requests read.", stats.requests);
                prom_counter(out, "gantry_http_rejected_total", "Requests refused before they were understood.", stats.rejected);
        }
        prom_gauge(out, "gantry_agents_connected", "Container instances with an open session.", (double)connected_agents(api->model));
        write_model(api, out);
        write_process(api, out);
        list_for_each (report, &api->state->reports, struct report_entry, link)
                if (report->metrics != NULL)
                        report->metrics(api, out, report->data);
}
