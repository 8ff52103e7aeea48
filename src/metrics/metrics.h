/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: time series by namespace, name and dimensions, in memory of a stated bound. Every value is kept at three resolutions:
 *
 *     1 s for 3 hours · 60 s for 15 days · 300 s for 63 days          (the periods and retentions of CloudWatch)
 *
 * each as statistic sets (count, sum, minimum, maximum). Values of one second are kept apart (up to METRICS_SECOND_VALUES of them),
 * so percentiles over the last 3 hours are exact as long as a second has no more; beyond they are estimated, taking the values of a set
 * as spread evenly between its extremes.
 *
 * When all series together take more than `max_bytes`, retentions are halved until they fit: the oldest points go first. On the loop's
 * thread; reads no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/tree.h"

#define METRICS_MAX_DIMENSIONS 30
#define METRICS_SECOND_VALUES 32
#define METRICS_OLDEST_MS (INT64_C(14) * 86400000) /* values may be given as late as this */
#define METRICS_NEWEST_MS (INT64_C(2) * 3600000)   /* and as far ahead */

struct metrics;

struct metric_dimension {
        const char *name, *value;
};

/* A series' identity. The order of the dimensions does not matter. Names and values hold no control characters. */
struct metric_id {
        const char *space, *name;
        const struct metric_dimension *dimensions;
        uint32_t n_dimensions; /* at most METRICS_MAX_DIMENSIONS */
};

/* A statistic set. A single value v is {1, v, v, v}. */
struct metric_set {
        double count, sum, min, max;
};

enum metric_tier { METRIC_TIER_1_S = 0, METRIC_TIER_60_S, METRIC_TIER_300_S, METRIC_TIER_MAX };

struct metric_point {
        int64_t at_s; /* the beginning of the tier's period that it stands for */
        struct metric_set set;
};

struct metric_points {
        struct metric_point *items; /* from `head` on, in order of time */
        uint32_t head, n, room;
};

struct metric_series {
        struct tree_node node; /* key: space, name and sorted dimensions */
        struct metric_id id;   /* dimensions sorted by name */
        int unit;              /* of the newest value; the caller's enumeration */
        int64_t last_ms;       /* time of the newest value */
        struct metric_points tiers[METRIC_TIER_MAX];
};

struct metrics_options {
        size_t max_bytes;    /* of all points; 0: 512 MiB */
        uint32_t max_series; /* 0: 200,000 */
};

struct metrics_usage {
        size_t bytes, series;
        uint64_t values, dropped; /* since the start; dropped: for want of memory */
        int squeeze;              /* retentions are divided by 2 to this */
};

/* Never NULL. */
struct metrics *metrics_new(const struct metrics_options *options);
/* NULL is fine. Returns NULL. */
struct metrics *metrics_free(struct metrics *metrics);

/* Adds to the series, which it makes when it is new. `at_ms` is the caller's to check (METRICS_OLDEST_MS); what is older than a tier's
 * retention is not kept there. 0, -ENOSPC: too many series, or no memory left within the bound. */
int metrics_put(struct metrics *metrics, const struct metric_id *id, const struct metric_set *set, int unit, int64_t at_ms, int64_t now_ms);
static inline int metrics_put_value(struct metrics *metrics, const struct metric_id *id, double value, int unit, int64_t at_ms)
{
        const struct metric_set set = {1, value, value, value};

        return metrics_put(metrics, id, &set, unit, at_ms, at_ms);
}

/* NULL when there is none. Valid until metrics_sweep. */
struct metric_series *metrics_find(const struct metrics *metrics, const struct metric_id *id);
/* All series, ordered by key, as CONTAINER_OF(node, struct metric_series, node). */
const struct tree *metrics_series(const struct metrics *metrics);

/* Values of one period. */
struct metric_bucket {
        int64_t at_s; /* its beginning, a multiple of the period */
        struct metric_set set;
};
/*
 * The periods of `period_s` seconds in [from, to) that hold values, oldest first, in `arena`. `period_s` is 1, 5, 10, 20, 30 or a multiple
 * of 60. Returns their number.
 */
size_t metrics_read(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                    struct metric_bucket **ret);
/* The same with the percentile (0…100) of each period's values in `sum`. */
size_t metrics_read_percentile(const struct metric_series *series, double percentile, int64_t from_s, int64_t to_s, int64_t period_s,
                               struct arena *arena, struct metric_bucket **ret);

/* Forgets what is past its retention, and series that have nothing left. Once a minute. */
void metrics_sweep(struct metrics *metrics, int64_t now_ms);
struct metrics_usage metrics_usage(const struct metrics *metrics);
/* Adds `more` to a set. */
void metric_set_add(struct metric_set *set, const struct metric_set *more);
