/* SPDX-License-Identifier: Apache-2.0 */
/* The index of series, and the bound of their memory. */
#include "metrics/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "metrics/internal.h"

#define SQUEEZE_MAX 8
/* Between two attempts to fit into the bound. */
#define SQUEEZE_PAUSE_MS 1000
/* Stands between the parts of a key: no part has control characters. */
#define SEPARATOR '\n'

const struct metric_tier_kind metric_tiers[METRIC_TIER_MAX] = {
        [METRIC_TIER_1_S] = {1, 3 * 3600},
        [METRIC_TIER_60_S] = {60, 15 * 86400},
        [METRIC_TIER_300_S] = {300, 63 * 86400},
};

struct metrics {
        struct tree series;
        struct metrics_options options;
        struct metrics_usage usage;
        int64_t squeezed_ms;
        struct buf key; /* of the series that is looked for */
};

struct metrics *metrics_new(const struct metrics_options *options)
{
        struct metrics *metrics = xalloc(sizeof(*metrics));

        if (options != NULL)
                metrics->options = *options;
        if (metrics->options.max_bytes == 0)
                metrics->options.max_bytes = (size_t)512 << 20;
        if (metrics->options.max_series == 0)
                metrics->options.max_series = 200000;
        tree_init(&metrics->series);
        return metrics;
}

static void series_free(struct metric_series *series)
{
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                free(series->tiers[i].items);
        free((void *)series->id.space); /* and name and dimensions behind it */
        free((void *)series->id.dimensions);
        free((void *)series->node.key);
        free(series);
}

struct metrics *metrics_free(struct metrics *metrics)
{
        if (metrics == NULL)
                return NULL;
        tree_for_each (node, &metrics->series) {
                tree_remove(&metrics->series, node);
                series_free(CONTAINER_OF(node, struct metric_series, node));
        }
        buf_done(&metrics->key);
        free(metrics);
        return NULL;
}

/* ---- Identity ---- */

static int compare_dimensions(const void *a, const void *b)
{
        return strcmp(((const struct metric_dimension *)a)->name, ((const struct metric_dimension *)b)->name);
}

static const char *key_of(const struct metric_id *id, struct buf *out)
{
        struct metric_dimension sorted[METRICS_MAX_DIMENSIONS] = {{0}};

        assert(id->n_dimensions <= METRICS_MAX_DIMENSIONS);
        if (id->n_dimensions > 0)
                memcpy(sorted, id->dimensions, id->n_dimensions * sizeof(*sorted));
        qsort(sorted, id->n_dimensions, sizeof(*sorted), compare_dimensions);
        buf_clear(out);
        buf_append_str(out, id->space);
        buf_append_char(out, SEPARATOR);
        buf_append_str(out, id->name);
        for (uint32_t i = 0; i < id->n_dimensions; i++) {
                buf_append_char(out, SEPARATOR);
                buf_append_str(out, sorted[i].name);
                buf_append_char(out, SEPARATOR);
                buf_append_str(out, sorted[i].value);
        }
        buf_append_char(out, '\0');
        return out->data;
}

/* Takes a key apart: the parts become strings of one copy of it. */
static struct metric_series *series_new(const char *key, uint32_t n_dimensions)
{
        struct metric_series *series = xalloc(sizeof(*series));
        struct metric_dimension *dimensions = xcalloc(n_dimensions + 1, sizeof(*dimensions));
        char *rest = xstrdup(key);

        series->node.key = xstrdup(key);
        series->id.space = strsep(&rest, "\n");
        series->id.name = strsep(&rest, "\n");
        for (uint32_t i = 0; i < n_dimensions; i++) {
                dimensions[i].name = strsep(&rest, "\n");
                dimensions[i].value = strsep(&rest, "\n");
        }
        series->id.dimensions = dimensions;
        series->id.n_dimensions = n_dimensions;
        return series;
}

struct metric_series *metrics_find(const struct metrics *metrics, const struct metric_id *id)
{
        struct tree_node *node = tree_find(&metrics->series, key_of(id, (struct buf *)(uintptr_t)&metrics->key));

        return node != NULL ? CONTAINER_OF(node, struct metric_series, node) : NULL;
}

const struct tree *metrics_series(const struct metrics *metrics)
{
        return &metrics->series;
}

/* ---- Values ---- */

static int64_t oldest_s(const struct metrics *metrics, enum metric_tier tier, int64_t now_ms)
{
        return now_ms / 1000 - (metric_tiers[tier].retention_s >> metrics->usage.squeeze);
}

static void trim_all(struct metrics *metrics, int64_t now_ms)
{
        tree_for_each (node, &metrics->series) {
                struct metric_series *series = CONTAINER_OF(node, struct metric_series, node);
                bool empty = true;

                for (int i = 0; i < METRIC_TIER_MAX; i++) {
                        metrics->usage.bytes -= metric_points_trim(&series->tiers[i], oldest_s(metrics, (enum metric_tier)i, now_ms));
                        empty &= series->tiers[i].n == series->tiers[i].head;
                }
                if (!empty)
                        continue;
                for (int i = 0; i < METRIC_TIER_MAX; i++)
                        metrics->usage.bytes -= series->tiers[i].room * sizeof(struct metric_point);
                tree_remove(&metrics->series, node);
                series_free(series);
        }
}

/* Shortens the retentions until everything fits. */
static void squeeze(struct metrics *metrics, int64_t now_ms)
{
        if (now_ms - metrics->squeezed_ms < SQUEEZE_PAUSE_MS && metrics->squeezed_ms <= now_ms)
                return;
        metrics->squeezed_ms = now_ms;
        trim_all(metrics, now_ms);
        while (metrics->usage.bytes > metrics->options.max_bytes && metrics->usage.squeeze < SQUEEZE_MAX) {
                metrics->usage.squeeze++;
                trim_all(metrics, now_ms);
        }
}

void metrics_sweep(struct metrics *metrics, int64_t now_ms)
{
        if (metrics->usage.squeeze > 0 && metrics->usage.bytes < metrics->options.max_bytes / 3)
                metrics->usage.squeeze--;
        trim_all(metrics, now_ms);
}

int metrics_put(struct metrics *metrics, const struct metric_id *id, const struct metric_set *set, int unit, int64_t at_ms, int64_t now_ms)
{
        struct metric_series *series;

        if (metrics->usage.bytes > metrics->options.max_bytes)
                squeeze(metrics, now_ms);
        series = metrics_find(metrics, id);
        if (metrics->usage.bytes > metrics->options.max_bytes || (series == NULL && metrics->series.count >= metrics->options.max_series)) {
                metrics->usage.dropped++;
                return -ENOSPC;
        }
        if (series == NULL) {
                series = series_new(metrics->key.data, id->n_dimensions);
                tree_insert(&metrics->series, &series->node, series->node.key);
        }
        if (at_ms >= series->last_ms) {
                series->last_ms = at_ms;
                series->unit = unit;
        }
        for (int i = 0; i < METRIC_TIER_MAX; i++) {
                int64_t at_s = at_ms / 1000 - at_ms / 1000 % metric_tiers[i].period_s;

                if (at_s >= oldest_s(metrics, (enum metric_tier)i, now_ms))
                        metrics->usage.bytes += metric_points_add(&series->tiers[i], at_s, set, i == METRIC_TIER_1_S);
        }
        metrics->usage.values++;
        return 0;
}

struct metrics_usage metrics_usage(const struct metrics *metrics)
{
        struct metrics_usage usage = metrics->usage;

        usage.series = metrics->series.count;
        return usage;
}
