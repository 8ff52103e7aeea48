/* SPDX-License-Identifier: Apache-2.0 */
/* Points to periods: sums, and percentiles. */
#include <stdlib.h>

#include "base/macro.h"
#include "metrics/internal.h"

/* The coarsest resolution that the period is made of: the fewest points to add. */
static enum metric_tier tier_of(int64_t period_s)
{
        for (int i = METRIC_TIER_MAX - 1; i > 0; i--)
                if (period_s % metric_tiers[i].period_s == 0)
                        return (enum metric_tier)i;
        return METRIC_TIER_1_S;
}

/* Room for as many periods as there can be: no more than points, nor than fit into the time. */
static struct metric_bucket *buckets_new(struct arena *arena, uint32_t n_points)
{
        return arena_calloc(arena, (size_t)n_points + 1, sizeof(struct metric_bucket));
}

size_t metrics_read(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                    struct metric_bucket **ret)
{
        const struct metric_points *points = &series->tiers[tier_of(period_s)];
        uint32_t first = metric_points_from(points, from_s), end = metric_points_from(points, to_s);
        struct metric_bucket *buckets = buckets_new(arena, end > first ? end - first : 0);
        size_t n = 0;

        for (uint32_t i = first; i < end; i++) {
                int64_t at_s = points->items[i].at_s - points->items[i].at_s % period_s;

                if (n == 0 || buckets[n - 1].at_s != at_s)
                        buckets[n++].at_s = at_s;
                metric_set_add(&buckets[n - 1].set, &points->items[i].set);
        }
        *ret = buckets;
        return n;
}

static int compare_minimum(const void *a, const void *b)
{
        double x = ((const struct metric_set *)a)->min, y = ((const struct metric_set *)b)->min;

        return (x > y) - (x < y);
}

/* How many values of the set are at most x, its values taken as spread evenly. */
static double count_below(const struct metric_set *set, double x)
{
        if (x >= set->max)
                return set->count;
        return x < set->min ? 0 : set->count * (x - set->min) / (set->max - set->min);
}

/* The smallest x below or at which that share of the values is: halving the range until it is as narrow as it matters. */
static double percentile_of(struct metric_set *sets, size_t n, double percentile)
{
        double total = 0, low = sets[0].min, high = sets[0].max;
        double before = 0;
        bool exact = true;

        for (size_t i = 0; i < n; i++) {
                total += sets[i].count;
                low = MIN(low, sets[i].min);
                high = MAX(high, sets[i].max);
                exact &= sets[i].min == sets[i].max;
        }
        if (exact) {
                qsort(sets, n, sizeof(*sets), compare_minimum);
                for (size_t i = 0; i < n; i++) {
                        before += sets[i].count;
                        if (before >= total * percentile / 100)
                                return sets[i].max;
                }
                return high;
        }
        for (int step = 0; step < 50 && low < high; step++) {
                double middle = low + (high - low) / 2, below = 0;

                for (size_t i = 0; i < n; i++)
                        below += count_below(&sets[i], middle);
                if (below >= total * percentile / 100)
                        high = middle;
                else
                        low = middle;
        }
        return high;
}

/* Whether the single values go back as far from `from_s` on as there is anything. */
static bool reaches(const struct metric_points *fine, const struct metric_points *coarse, int64_t from_s)
{
        uint32_t first_coarse = metric_points_from(coarse, from_s), first = metric_points_from(fine, from_s);

        if (first_coarse == coarse->n)
                return true;
        return first < fine->n && fine->items[first].at_s < coarse->items[first_coarse].at_s + metric_tiers[METRIC_TIER_300_S].period_s;
}

size_t metrics_read_percentile(const struct metric_series *series, double percentile, int64_t from_s, int64_t to_s, int64_t period_s,
                               struct arena *arena, struct metric_bucket **ret)
{
        const struct metric_points *points = &series->tiers[METRIC_TIER_1_S], *coarse = &series->tiers[tier_of(period_s)];
        struct metric_bucket *buckets;
        struct metric_set *sets;
        uint32_t first, end;
        size_t n = 0;

        if (!reaches(points, coarse, from_s))
                points = coarse;
        first = metric_points_from(points, from_s);
        end = metric_points_from(points, to_s);
        buckets = buckets_new(arena, end > first ? end - first : 0);
        sets = arena_calloc(arena, (size_t)(end > first ? end - first : 0) + 1, sizeof(*sets));
        for (uint32_t i = first; i < end;) {
                int64_t at_s = points->items[i].at_s - points->items[i].at_s % period_s;
                struct metric_bucket *bucket = &buckets[n++];
                size_t n_sets = 0;

                bucket->at_s = at_s;
                for (; i < end && points->items[i].at_s < at_s + period_s; i++) {
                        metric_set_add(&bucket->set, &points->items[i].set);
                        sets[n_sets++] = points->items[i].set;
                }
                bucket->set.sum = percentile_of(sets, n_sets, percentile);
        }
        *ret = buckets;
        return n;
}
