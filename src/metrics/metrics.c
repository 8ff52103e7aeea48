/* SPDX-License-Identifier: Apache-2.0 */
/* The index of series, values that become points, and the bound of their memory. */
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
/* A period is finished so long after its end: values of its last second may still be on their way. */
#define GRACE_S 1
/* A round of looks at the series that have no open second, and one of what is past its retention, take so many ticks: with very many
 * series either would hold the loop up. Without a loop a sweep does all at once. */
#define SLOW_TICKS 15
#define TRIM_TICKS 30
/* Stands between the parts of a key: no part has control characters. */
#define SEPARATOR '\n'

const struct metric_tier_kind metric_tiers[METRIC_TIER_MAX] = {
        [METRIC_TIER_1_S] = {1, 3 * 3600, 3600, 1},
        [METRIC_TIER_60_S] = {60, 15 * 86400, 6 * 3600, 4},
        [METRIC_TIER_300_S] = {300, 63 * 86400, 86400, 1},
        [METRIC_TIER_3600_S] = {3600, 455 * 86400, 86400, 7},
};

struct metrics *metrics_new(const struct metrics_options *options)
{
        struct metrics *metrics = xalloc(sizeof(*metrics));

        if (options != NULL)
                metrics->options = *options;
        if (metrics->options.max_bytes == 0)
                metrics->options.max_bytes = (size_t)256 << 20;
        if (metrics->options.max_disk_bytes == 0)
                metrics->options.max_disk_bytes = UINT64_C(4) << 30;
        if (metrics->options.max_series == 0)
                metrics->options.max_series = 200000;
        tree_init(&metrics->series);
        list_init(&metrics->fresh);
        list_init(&metrics->slow);
        return metrics;
}

int metrics_open(const struct metrics_options *options, struct metrics **ret, struct error *error)
{
        struct metrics *metrics = metrics_new(options);
        int r;

        metrics->now_s = options->now_ms / 1000;
        r = metrics_disk_open(metrics, error);
        if (r < 0) {
                metrics_free(metrics);
                return r;
        }
        *ret = metrics;
        return 0;
}

void metric_series_free(struct metric_series *series)
{
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                metric_points_done(&series->tiers[i]);
        list_remove(&series->link);
        free((void *)series->id.space); /* and name and dimensions behind it */
        free((void *)series->id.dimensions);
        free((void *)series->node.key);
        free(series);
}

struct metrics *metrics_free(struct metrics *metrics)
{
        if (metrics == NULL)
                return NULL;
        if (metrics->disk != NULL) {
                metrics->options.loop = NULL;     /* it has turned for the last time: what is left is done here */
                metrics_tick(metrics, INT64_MAX); /* seconds that are not over yet are written as they are */
                metrics_disk_close(metrics);
        }
        tree_for_each (node, &metrics->series) {
                tree_remove(&metrics->series, node);
                metric_series_free(CONTAINER_OF(node, struct metric_series, node));
        }
        tree_done(&metrics->series);
        buf_done(&metrics->key);
        buf_done(&metrics->encoded);
        buf_done(&metrics->trim_from);
        free(metrics);
        return NULL;
}

/* ---- Identity ---- */

static int compare_dimensions(const void *a, const void *b)
{
        return strcmp(((const struct metric_dimension *)a)->name, ((const struct metric_dimension *)b)->name);
}

const char *metric_key_of(const struct metric_id *id, struct buf *out)
{
        struct metric_dimension sorted[METRICS_MAX_DIMENSIONS] = {{0}};

        assert(id->n_dimensions <= METRICS_MAX_DIMENSIONS);
        if (id->n_dimensions > 0)
                memcpy(sorted, id->dimensions, id->n_dimensions * sizeof(*sorted));
        if (id->n_dimensions > 1)
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
struct metric_series *metric_series_new(const char *key)
{
        struct metric_series *series;
        struct metric_dimension *dimensions;
        uint32_t parts = 1;
        char *rest;

        for (const char *p = key; (p = strchr(p, SEPARATOR)) != NULL; p++)
                parts++;
        if (parts < 2 || parts % 2 != 0 || parts > 2 + 2 * METRICS_MAX_DIMENSIONS)
                return NULL;
        series = xalloc(sizeof(*series));
        dimensions = xcalloc(parts / 2, sizeof(*dimensions));
        rest = xstrdup(key);
        series->node.key = xstrdup(key);
        series->id.space = strsep(&rest, "\n");
        series->id.name = strsep(&rest, "\n");
        for (uint32_t i = 0; i < parts / 2 - 1; i++) {
                dimensions[i].name = strsep(&rest, "\n");
                dimensions[i].value = strsep(&rest, "\n");
        }
        series->id.dimensions = dimensions;
        series->id.n_dimensions = parts / 2 - 1;
        list_init(&series->link);
        return series;
}

size_t metric_series_size(const struct metric_series *series)
{
        return sizeof(*series) + 2 * strlen(series->node.key) + (series->id.n_dimensions + 1) * sizeof(struct metric_dimension) + 256;
}

struct metric_series *metrics_find(const struct metrics *metrics, const struct metric_id *id)
{
        const char *key = metric_key_of(id, (struct buf *)(uintptr_t)&metrics->key);
        struct tree_node *node = tree_find(&metrics->series, key);

        if (node == NULL)
                return (struct metric_series *)(uintptr_t)metrics_attached(metrics, key);
        return CONTAINER_OF(node, struct metric_series, node);
}

const struct tree *metrics_series(const struct metrics *metrics)
{
        return &metrics->series;
}

struct metric_series *metrics_series_of(struct metrics *metrics, const char *key)
{
        struct tree_node *node = tree_find(&metrics->series, key);
        struct metric_series *series;

        if (node != NULL)
                return CONTAINER_OF(node, struct metric_series, node);
        if (metrics->series.count >= metrics->options.max_series || (series = metric_series_new(key)) == NULL)
                return NULL;
        series->number = ++metrics->next_number;
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                series->tiers[i].resident_s = metric_floor(metrics->now_s, metric_tiers[i].span_s);
        tree_insert(&metrics->series, &series->node, series->node.key);
        metrics->usage.bytes += metric_series_size(series);
        return series;
}

/* ---- Values ---- */

static int64_t oldest_s(const struct metrics *metrics, enum metric_tier tier, int64_t now_s)
{
        return now_s - (metric_tiers[tier].retention_s >> metrics->usage.squeeze);
}

/* A point is finished: it is kept, written, and goes on to the next resolution. */
static void finish(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, struct metric_point *point)
{
        if (point->at_s >= oldest_s(metrics, tier, metrics->now_s)) {
                buf_clear(&metrics->encoded);
                metric_point_encode(point, &metrics->encoded);
                metrics->usage.bytes += (size_t)metric_points_add(&series->tiers[tier], tier, point, &metrics->encoded);
                if (metrics->disk != NULL)
                        metrics_journal(metrics, series, tier, point->at_s, &metrics->encoded);
        }
        if (tier == METRIC_TIER_1_S)
                series->newest = point->set;
        if (tier + 1 < METRIC_TIER_MAX)
                metrics_fold(metrics, series, tier + 1, point->at_s, &point->set, point->digest);
        metric_point_done(point);
}

/* The open point is over. */
static void finish_open(struct metrics *metrics, struct metric_series *series, enum metric_tier tier)
{
        struct metric_point point = series->tiers[tier].open;

        series->tiers[tier].open = (struct metric_point){0};
        if (point.set.count > 0)
                finish(metrics, series, tier, &point);
}

void metrics_fold(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, int64_t at_s, const struct metric_set *set,
                  const struct metric_digest *digest)
{
        struct metric_points *points = &series->tiers[tier];
        struct metric_point late = {.at_s = metric_floor(at_s, metric_tiers[tier].period_s)};

        if (points->open.set.count > 0 && late.at_s > points->open.at_s)
                finish_open(metrics, series, tier);
        if (points->open.set.count > 0 && late.at_s < points->open.at_s) {
                metric_point_add(&late, set, digest);
                finish(metrics, series, tier, &late);
                return;
        }
        points->open.at_s = late.at_s;
        metric_point_add(&points->open, set, digest);
        if (list_empty(&series->link))
                list_push(tier == METRIC_TIER_1_S ? &metrics->fresh : &metrics->slow, &series->link);
}

/* ---- Bounds ---- */

static void remove_series(struct metrics *metrics, struct metric_series *series)
{
        metrics->usage.bytes -= metric_series_size(series);
        tree_remove(&metrics->series, &series->node);
        metric_series_free(series);
}

static bool is_empty(const struct metric_series *series)
{
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                if (series->tiers[i].n > 0 || series->tiers[i].open.set.count > 0)
                        return false;
        return true;
}

static void trim_series(struct metrics *metrics, struct metric_series *series, bool disk_only)
{
        for (int i = 0; i < METRIC_TIER_MAX; i++) {
                int64_t before_s = disk_only ? INT64_MAX : oldest_s(metrics, (enum metric_tier)i, metrics->now_s);
                uint64_t lost = 0;

                metrics->usage.bytes -= metric_points_trim(&series->tiers[i], before_s, disk_only, &lost);
                if (disk_only)
                        series->tiers[i].resident_s =
                                MAX(series->tiers[i].resident_s, metric_floor(metrics->now_s, metric_tiers[i].span_s));
                if (metrics->usage.squeeze > 0)
                        metrics->usage.dropped += lost;
        }
        if (is_empty(series) && !disk_only)
                remove_series(metrics, series);
}

static void trim_all(struct metrics *metrics, bool disk_only)
{
        tree_for_each (node, &metrics->series)
                trim_series(metrics, CONTAINER_OF(node, struct metric_series, node), disk_only);
}

/* So many more of the round that metrics_sweep has begun. */
static void trim_some(struct metrics *metrics, size_t max)
{
        struct tree_node *node = tree_from(&metrics->series, metrics->trim_from.data), *next;

        for (; node != NULL && max > 0; node = next, max--) {
                next = tree_next(node);
                trim_series(metrics, CONTAINER_OF(node, struct metric_series, node), false);
        }
        metrics->trim_slice = node != NULL ? metrics->trim_slice : 0;
        buf_clear(&metrics->trim_from);
        if (node != NULL)
                buf_append(&metrics->trim_from, node->key, strlen(node->key) + 1);
}

/* What blocks have goes, and then retentions are shortened until everything fits. */
static void squeeze(struct metrics *metrics, int64_t now_ms)
{
        if (now_ms - metrics->squeezed_ms < SQUEEZE_PAUSE_MS && metrics->squeezed_ms <= now_ms)
                return;
        metrics->squeezed_ms = now_ms;
        trim_all(metrics, true);
        while (metrics->usage.bytes > metrics->options.max_bytes && metrics->usage.squeeze < SQUEEZE_MAX) {
                metrics->usage.squeeze++;
                trim_all(metrics, false);
        }
}

static void tick_series(struct metrics *metrics, struct metric_series *series, int64_t now_s)
{
        bool open = false;

        for (int i = 0; i < METRIC_TIER_MAX; i++) {
                const struct metric_point *point = &series->tiers[i].open;

                if (point->set.count > 0 && point->at_s + metric_tiers[i].period_s + GRACE_S <= now_s)
                        finish_open(metrics, series, (enum metric_tier)i);
        }
        list_remove(&series->link);
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                open |= series->tiers[i].open.set.count > 0;
        if (open)
                list_push(series->tiers[METRIC_TIER_1_S].open.set.count > 0 ? &metrics->fresh : &metrics->slow, &series->link);
}

/* The first `max` series of a list; where one belongs afterwards is said anew, behind the others. */
static void tick_list(struct metrics *metrics, struct list *list, size_t max, bool end)
{
        struct list due;

        list_init(&due);
        list_for_each (series, list, struct metric_series, link) {
                if (max-- == 0)
                        break;
                list_remove(&series->link);
                list_push(&due, &series->link);
        }
        list_for_each (series, &due, struct metric_series, link) {
                list_remove(&series->link);
                if (end)
                        finish_open(metrics, series, METRIC_TIER_1_S);
                else
                        tick_series(metrics, series, metrics->now_s);
        }
}

/* `slow`: so many of those without an open second. */
static void tick(struct metrics *metrics, int64_t now_ms, size_t slow)
{
        bool end = now_ms == INT64_MAX;

        if (!end) {
                metrics->now_s = now_ms / 1000;
                tick_list(metrics, &metrics->slow, slow, false);
        }
        tick_list(metrics, &metrics->fresh, SIZE_MAX, end);
        if (metrics->trim_slice > 0)
                trim_some(metrics, metrics->trim_slice);
        if (metrics->disk != NULL)
                metrics_disk_tick(metrics);
}

void metrics_tick(struct metrics *metrics, int64_t now_ms)
{
        tick(metrics, now_ms, metrics->series.count / SLOW_TICKS + 1);
}

void metrics_sweep(struct metrics *metrics, int64_t now_ms)
{
        bool whole = metrics->options.loop == NULL;

        tick(metrics, now_ms, whole ? SIZE_MAX : 1);
        if (metrics->usage.squeeze > 0 && metrics->usage.bytes < metrics->options.max_bytes / 3)
                metrics->usage.squeeze--;
        metrics->trim_slice = metrics->series.count / TRIM_TICKS + 1;
        if (whole)
                trim_some(metrics, SIZE_MAX);
        if (metrics->disk != NULL)
                metrics_disk_sweep(metrics);
}

int metrics_put(struct metrics *metrics, const struct metric_id *id, const struct metric_set *set, int unit, int64_t at_ms, int64_t now_ms)
{
        struct metric_series *series;
        const char *key = metric_key_of(id, &metrics->key);

        if (now_ms / 1000 > metrics->now_s)
                metrics->now_s = now_ms / 1000;
        if (metrics->usage.bytes > metrics->options.max_bytes)
                squeeze(metrics, now_ms);
        series = metrics->usage.bytes > metrics->options.max_bytes ? NULL : metrics_series_of(metrics, key);
        if (series == NULL) {
                metrics->usage.dropped++;
                return -ENOSPC;
        }
        if (at_ms >= series->last_ms) {
                series->last_ms = at_ms;
                series->unit = unit;
        }
        metric_set_add(&series->total, set);
        metrics_fold(metrics, series, METRIC_TIER_1_S, at_ms / 1000, set, NULL);
        /* One that had only longer open points has a second again. */
        list_remove(&series->link);
        list_push(&metrics->fresh, &series->link);
        metrics->usage.values++;
        return 0;
}

struct metrics_usage metrics_usage(const struct metrics *metrics)
{
        struct metrics_usage usage = metrics->usage;

        usage.series = metrics->series.count;
        return usage;
}
