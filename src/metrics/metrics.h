/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: time series by namespace, name and dimensions. Every value is kept at four resolutions:
 *
 *     1 s for 3 hours · 60 s for 15 days · 300 s for 63 days · 3600 s for 455 days      (the periods and retentions of CloudWatch)
 *
 * each as statistic sets (count, sum, minimum, maximum) with the distribution of the values: up to 16 different values as they are,
 * more in classes 4% wide. So percentiles are exact for few values and off by 2% at most for many; only sets that were given without
 * their values count as spread evenly between their extremes.
 *
 *     put ─► open second ─► open minute ─► open 5 minutes ─► open hour         one unfinished point a tier and series
 *               │ finished       │                │                │
 *               ▼                ▼                ▼                ▼
 *            chunks of encoded points, in memory: the unfinished span (1 h, 6 h, 1 d, 1 d) and, while the series gets values,
 *            1, 4, 1 and 7 more: enough for every alarm
 *               │ every second                                     │ when a span is over
 *               ▼                                                  ▼
 *            journal of the span (append only, checksummed)  ─►  block of the span (a file with an index), and the journal goes
 *
 * What is older than the chunks in memory is read from the blocks (metrics_load), in the thread pool. A process that dies loses what
 * came after the last tick (a second), and with its machine what came in the last five seconds more. With `dir` NULL all is in memory.
 *
 * Bounds: when the memory is too much, chunks that are on disk go, and then the oldest ones (`squeeze`); when the disk is too much, the
 * oldest block goes of the resolution that takes most. All on the loop's thread; reads no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"
#include "base/tree.h"

#define METRICS_MAX_DIMENSIONS 30
#define METRICS_OLDEST_MS (INT64_C(14) * 86400000) /* values may be given as late as this */
#define METRICS_NEWEST_MS (INT64_C(2) * 3600000)   /* and as far ahead */

struct metrics;
struct uv_loop_s;

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

/* So many values that are (about) this one. */
struct metric_value {
        double value, count;
};
/* The distribution of a set's values, ascending. */
struct metric_digest {
        uint32_t n, room;
        bool exact; /* the values themselves; else the middles of classes */
        struct metric_value items[];
};

struct metric_point {
        int64_t at_s; /* the beginning of the tier's period that it stands for */
        struct metric_set set;
        struct metric_digest *digest; /* NULL: all values are the same, or nothing is known of them */
};

enum metric_tier { METRIC_TIER_1_S = 0, METRIC_TIER_60_S, METRIC_TIER_300_S, METRIC_TIER_3600_S, METRIC_TIER_MAX };

struct metric_chunk; /* internal.h */
struct metric_points {
        struct metric_chunk **chunks; /* by their first points */
        uint32_t n, room;
        struct metric_point open; /* set.count 0: none */
        uint64_t journal;         /* the one that knows this series by its number */
        int64_t resident_s;       /* from here on everything is in memory that is anywhere; a span's begin */
};

struct metric_series {
        struct tree_node node; /* key: space, name and sorted dimensions */
        struct metric_id id;   /* dimensions sorted by name */
        int unit;              /* of the newest value; the caller's enumeration */
        int64_t last_ms;       /* time of the newest value */
        struct list link;      /* private, as is what follows */
        uint32_t number;
        struct metric_points tiers[METRIC_TIER_MAX];
        const struct metric_series *history; /* what was read from disk, while it is attached */
        /* For /metrics: of everything since the start, and of the newest finished second. */
        struct metric_set total, newest;
};

struct metrics_options {
        const char *dir;         /* made when it is missing; NULL: memory only */
        struct uv_loop_s *loop;  /* for work on the disk; NULL: it is done at once (tests) */
        int64_t now_ms;          /* of the start, with `dir` */
        size_t max_bytes;        /* of memory; 0: 256 MiB */
        uint64_t max_disk_bytes; /* 0: 4 GiB */
        uint32_t max_series;     /* 0: 200,000 */
};

struct metrics_usage {
        size_t bytes, series; /* memory of everything; series in memory */
        uint64_t disk_bytes, disk_files;
        uint64_t values, dropped; /* since the start; dropped: for want of memory */
        uint64_t disk_dropped;    /* points that the disk did not take: full, or an error */
        int squeeze;              /* retentions in memory are divided by 2 to this */
        bool loading;             /* what was there at the start is still being read */
};

/* Never NULL; without `dir`. */
struct metrics *metrics_new(const struct metrics_options *options);
/* With `dir`: what is there is read in the thread pool and comes in when it is read. -errno when the folder cannot be made or listed. */
int metrics_open(const struct metrics_options *options, struct metrics **ret, struct error *error) MUST_CHECK;
/* Writes what is not on disk yet; blocks for a moment. After the last turn of the loop. NULL is fine. Returns NULL. */
struct metrics *metrics_free(struct metrics *metrics);

/* Adds to the series, which it makes when it is new. `at_ms` is the caller's to check (METRICS_OLDEST_MS); what is older than a tier's
 * retention is not kept there. 0, -ENOSPC: too many series, or no memory left within the bound. */
int metrics_put(struct metrics *metrics, const struct metric_id *id, const struct metric_set *set, int unit, int64_t at_ms, int64_t now_ms);
static inline int metrics_put_value(struct metrics *metrics, const struct metric_id *id, double value, int unit, int64_t at_ms)
{
        const struct metric_set set = {1, value, value, value};

        return metrics_put(metrics, id, &set, unit, at_ms, at_ms);
}

/* NULL when there is none. Valid until metrics_tick, metrics_sweep or metrics_detach. */
struct metric_series *metrics_find(const struct metrics *metrics, const struct metric_id *id);
/* All series in memory, ordered by key, as CONTAINER_OF(node, struct metric_series, node). */
const struct tree *metrics_series(const struct metrics *metrics);

/* The beginning of the period that a time is in. */
static inline int64_t metric_period_begin(int64_t at_s, int64_t period_s)
{
        return at_s - at_s % period_s;
}

/* Values of one period. */
struct metric_bucket {
        int64_t at_s; /* its beginning, a multiple of the period */
        struct metric_set set;
        struct metric_value *values; /* of metrics_read_values: their distribution, ascending */
        uint32_t n_values;
};
/*
 * The periods of `period_s` seconds in [from, to) that hold values, oldest first, in `arena`. `period_s` is 1, 5, 10, 20, 30 or a multiple
 * of 60. Returns their number. What is on disk only counts while it is attached.
 */
size_t metrics_read(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                    struct metric_bucket **ret);
/* The same with the distribution of each period's values. */
size_t metrics_read_values(const struct metric_series *series, int64_t from_s, int64_t to_s, int64_t period_s, struct arena *arena,
                           struct metric_bucket **ret);
/* The same with the percentile (0…100) of each period's values in `sum`. */
size_t metrics_read_percentile(const struct metric_series *series, double percentile, int64_t from_s, int64_t to_s, int64_t period_s,
                               struct arena *arena, struct metric_bucket **ret);

/* Once a second: finishes what is over, and hands it to the disk. With a loop, series that get no values wait up to 15 s for that. */
void metrics_tick(struct metrics *metrics, int64_t now_ms);
/* Forgets what is past its retention, and series that have nothing left (with a loop, in the ticks of the next half minute); makes blocks
 * of spans that are over. Once a minute. */
void metrics_sweep(struct metrics *metrics, int64_t now_ms);
struct metrics_usage metrics_usage(const struct metrics *metrics);
/* Adds `more` to a set. */
void metric_set_add(struct metric_set *set, const struct metric_set *more);

/* ---- What is on disk only ---- */

struct metric_want {
        struct metric_id id;
        int64_t from_s, to_s, period_s;
};
struct metric_history;
typedef void (*metrics_loaded_fn)(void *data, struct metric_history *history);

/*
 * Reads what of these is on disk only. False: nothing is, and `done` is not called. Otherwise `done` is called later, or before this
 * returns when there is no loop, with what the caller gives to metrics_history_free. Identities are copied.
 */
bool metrics_load(struct metrics *metrics, const struct metric_want *wants, size_t n, metrics_loaded_fn done, void *data);
/* From here to metrics_detach, which must come in the same turn of the loop, reads see it. */
void metrics_attach(struct metrics *metrics, struct metric_history *history);
void metrics_detach(struct metrics *metrics);
/* NULL is fine. Returns NULL. */
struct metric_history *metrics_history_free(struct metric_history *history);
