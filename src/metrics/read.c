/* SPDX-License-Identifier: Apache-2.0 */
/* Points to periods: sums, distributions, percentiles. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "metrics/internal.h"

/* Distributions are made of single seconds where they are of no more than so many. */
#define FINE_MAX 1000

enum metric_tier metric_tier_of(int64_t period_s)
{
        for (int i = METRIC_TIER_MAX - 1; i > 0; i--)
                if (period_s % metric_tiers[i].period_s == 0)
                        return (enum metric_tier)i;
        return METRIC_TIER_1_S;
}

struct gathered {
        struct metric_point *items;
        size_t n, room;
        bool disorder;
};

static void gather(struct gathered *gathered, const struct metric_point *point)
{
        if (gathered->n == gathered->room) {
                gathered->room = gathered->room == 0 ? 64 : gathered->room * 2;
                gathered->items = xrealloc(gathered->items, gathered->room * sizeof(*gathered->items));
        }
        gathered->disorder |= gathered->n > 0 && gathered->items[gathered->n - 1].at_s > point->at_s;
        gathered->items[gathered->n++] = *point;
}

static void gather_chunks(const struct metric_series *series, enum metric_tier tier, int64_t from_s, int64_t to_s, bool digests,
                          struct gathered *gathered)
{
        const struct metric_points *points = &series->tiers[tier];

        for (uint32_t i = 0; i < points->n; i++) {
                struct metric_cursor cursor;
                struct metric_point point;

                if (points->chunks[i]->last_s < from_s || points->chunks[i]->from_s >= to_s)
                        continue;
                cursor = metric_chunk_open(points->chunks[i], tier);
                while (metric_cursor_next(&cursor, digests, &point) > 0) {
                        if (point.at_s >= from_s && point.at_s < to_s)
                                gather(gathered, &point);
                        else
                                metric_point_done(&point);
                }
        }
}

static int compare_points(const void *a, const void *b)
{
        int64_t x = ((const struct metric_point *)a)->at_s, y = ((const struct metric_point *)b)->at_s;

        return (x > y) - (x < y);
}

/* All points of a tier within [from, to), in order, and what is open; digests are the caller's. */
static struct gathered gather_all(const struct metric_series *series, enum metric_tier tier, int64_t from_s, int64_t to_s, bool digests)
{
        struct gathered gathered = {0};

        if (series->history != NULL)
                gather_chunks(series->history, tier, from_s, to_s, digests, &gathered);
        gather_chunks(series, tier, from_s, to_s, digests, &gathered);
        for (int i = (int)tier; i >= 0; i--) {
                const struct metric_point *open = &series->tiers[i].open;
                struct metric_point copy = {.at_s = open->at_s};

                if (open->set.count == 0 || open->at_s < from_s || open->at_s >= to_s)
                        continue;
                metric_point_add(&copy, &open->set, digests ? open->digest : NULL);
                gather(&gathered, &copy);
        }
        if (gathered.disorder)
                qsort(gathered.items, gathered.n, sizeof(*gathered.items), compare_points);
        return gathered;
}

size_t metrics_read(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                    struct metric_bucket **ret)
{
        struct gathered gathered = gather_all(series, metric_tier_of(period_s), from_s, to_s, false);
        struct metric_bucket *buckets = arena_calloc(arena, gathered.n + 1, sizeof(*buckets));
        size_t n = 0;

        for (size_t i = 0; i < gathered.n; i++) {
                int64_t at_s = metric_floor(gathered.items[i].at_s, period_s);

                if (n == 0 || buckets[n - 1].at_s != at_s)
                        buckets[n++].at_s = at_s;
                metric_set_add(&buckets[n - 1].set, &gathered.items[i].set);
        }
        free(gathered.items);
        *ret = buckets;
        return n;
}

/* ---- Distributions ---- */

/* The values of one period, within its extremes and in order. */
static void fill_values(struct metric_bucket *bucket, const struct metric_point *points, size_t n, struct arena *arena)
{
        struct metric_value some[METRIC_DIGEST_MAX];
        uint32_t most = 0, united = 0;

        for (size_t i = 0; i < n; i++)
                most += metric_point_values(&points[i], some);
        bucket->values = arena_calloc(arena, most + 1, sizeof(*bucket->values));
        for (size_t i = 0; i < n; i++) {
                uint32_t k = metric_point_values(&points[i], some);

                memcpy(bucket->values + bucket->n_values, some, k * sizeof(*some));
                bucket->n_values += k;
        }
        qsort(bucket->values, bucket->n_values, sizeof(*bucket->values), metric_value_compare);
        for (uint32_t i = 0; i < bucket->n_values; i++) {
                struct metric_value value = bucket->values[i];

                value.value = MIN(MAX(value.value, bucket->set.min), bucket->set.max);
                if (united > 0 && bucket->values[united - 1].value == value.value)
                        bucket->values[united - 1].count += value.count;
                else
                        bucket->values[united++] = value;
        }
        bucket->n_values = united;
}

static double count_of(const struct gathered *gathered)
{
        double count = 0;

        for (size_t i = 0; i < gathered->n; i++)
                count += gathered->items[i].set.count;
        return count;
}

static void gathered_done(struct gathered *gathered)
{
        for (size_t i = 0; i < gathered->n; i++)
                free(gathered->items[i].digest);
        free(gathered->items);
}

size_t metrics_read_values(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                           struct metric_bucket **ret)
{
        enum metric_tier tier = metric_tier_of(period_s);
        struct gathered gathered = gather_all(series, tier, from_s, to_s, true);
        struct metric_bucket *buckets;
        size_t n = 0;

        /* Single seconds keep more values apart, where all of them are there. */
        if (tier != METRIC_TIER_1_S && gathered.n > 0 && (int64_t)gathered.n * metric_tiers[tier].period_s <= FINE_MAX) {
                struct gathered fine = gather_all(series, METRIC_TIER_1_S, from_s, to_s, true), coarse = gathered;
                bool whole = count_of(&fine) >= count_of(&coarse);

                gathered = whole ? fine : coarse;
                gathered_done(whole ? &coarse : &fine);
        }
        buckets = arena_calloc(arena, gathered.n + 1, sizeof(*buckets));
        for (size_t i = 0, first = 0; i < gathered.n; i++) {
                int64_t at_s = metric_floor(gathered.items[i].at_s, period_s);

                if (n == 0 || buckets[n - 1].at_s != at_s) {
                        if (n > 0)
                                fill_values(&buckets[n - 1], &gathered.items[first], i - first, arena);
                        first = i;
                        buckets[n++].at_s = at_s;
                }
                metric_set_add(&buckets[n - 1].set, &gathered.items[i].set);
                if (i + 1 == gathered.n)
                        fill_values(&buckets[n - 1], &gathered.items[first], gathered.n - first, arena);
        }
        gathered_done(&gathered);
        *ret = buckets;
        return n;
}

size_t metrics_read_percentile(const struct metric_series *series, double percentile, int64_t from_s, int64_t to_s, int64_t period_s,
                               struct arena *arena, struct metric_bucket **ret)
{
        size_t n = metrics_read_values(series, from_s, to_s, period_s, arena, ret);

        for (size_t i = 0; i < n; i++) {
                struct metric_bucket *bucket = &(*ret)[i];
                double before = 0;

                bucket->set.sum = bucket->set.max;
                for (uint32_t k = 0; k < bucket->n_values; k++) {
                        before += bucket->values[k].count;
                        if (before >= bucket->set.count * percentile / 100 * (1 - 1e-12)) {
                                bucket->set.sum = bucket->values[k].value;
                                break;
                        }
                }
        }
        return n;
}
