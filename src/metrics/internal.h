/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include "base/buf.h"
#include "metrics/metrics.h"

struct metric_tier_kind {
        int64_t period_s, retention_s;
        int64_t span_s; /* of one journal and one block */
        int64_t keep;   /* so many spans that blocks have are kept in memory as well, of a series that still gets values */
};
extern const struct metric_tier_kind metric_tiers[METRIC_TIER_MAX];

static inline int64_t metric_floor(int64_t at_s, int64_t step_s)
{
        return at_s - ((at_s % step_s) + step_s) % step_s;
}

/* ---- digest.c ---- */

#define METRIC_DIGEST_EXACT 16    /* different values */
#define METRIC_DIGEST_MAX 256     /* classes; the lowest ones are put together */
#define METRIC_DIGEST_GROWTH 1.04 /* of a class's upper bound from the lower one */

/* Of struct metric_value, for qsort: by value. */
int metric_value_compare(const void *a, const void *b);

/* Adds a set with its distribution (NULL: not known, or all the same) to a point. */
void metric_point_add(struct metric_point *point, const struct metric_set *set, const struct metric_digest *digest);
/* The distribution of a point's values, appended to `values` in no order; at most METRIC_DIGEST_MAX of them. Returns how many. */
uint32_t metric_point_values(const struct metric_point *point, struct metric_value values[METRIC_DIGEST_MAX]);
/* Frees the digest. */
void metric_point_done(struct metric_point *point);

/* ---- codec.c ---- */

void metric_varint_append(struct buf *out, uint64_t value);
int metric_varint_read(const uint8_t **p, const uint8_t *end, uint64_t *ret);
/* A point without its time. */
void metric_point_encode(const struct metric_point *point, struct buf *out);
/* The same back, `at_s` untouched; the digest only when it is wanted. -EBADMSG: these bytes are none. */
int metric_point_decode(const uint8_t **p, const uint8_t *end, bool digest, struct metric_point *ret);

/* ---- points.c: the chunks of a series at one resolution ---- */

#define METRIC_CHUNK_POINTS 256
#define METRIC_CHUNK_BYTES 16384

struct metric_chunk {
        int64_t from_s, last_s;
        uint32_t n, len, room;
        uint32_t refs; /* its owner's, and that of a job which writes it: then it does not change */
        bool on_disk;  /* a block has it; it does not change either */
        uint8_t *bytes;
};
struct metric_chunk *metric_chunk_new(int64_t from_s);
void metric_chunk_unref(struct metric_chunk *chunk);
size_t metric_chunk_size(const struct metric_chunk *chunk);

/* The points of a chunk, in order. */
struct metric_cursor {
        const uint8_t *p, *end;
        int64_t at_s, period_s;
        uint32_t left;
};
struct metric_cursor metric_chunk_open(const struct metric_chunk *chunk, enum metric_tier tier);
/* 1: a point, whose digest is the caller's; 0: the end; -EBADMSG. */
int metric_cursor_next(struct metric_cursor *cursor, bool digest, struct metric_point *ret);

/* Adds a finished point, also one that comes late. `encoded` is metric_point_encode of it. Returns by how many bytes the memory grew. */
int64_t metric_points_add(struct metric_points *points, enum metric_tier tier, const struct metric_point *point, const struct buf *encoded);
/* A whole chunk, which becomes theirs. */
int64_t metric_points_add_chunk(struct metric_points *points, struct metric_chunk *chunk);
/* Lets go of chunks that end before; with `disk_only` of those only that a block has. Returns how many bytes, and in `ret_points` adds the
 * points that no block has. */
size_t metric_points_trim(struct metric_points *points, int64_t before_s, bool disk_only, uint64_t *ret_points);
void metric_points_done(struct metric_points *points);

/* ---- metrics.c ---- */

struct metrics_disk;

struct metrics {
        struct tree series;
        struct metrics_options options;
        struct metrics_usage usage;
        struct list fresh, slow; /* series with an open second; with only longer open points */
        int64_t squeezed_ms;
        size_t trim_slice;    /* a round of trimming goes on: so many series a tick; 0: none */
        struct buf trim_from; /* from this key on; empty: from the first */
        uint32_t next_number;
        struct buf key, encoded;   /* scratch */
        struct metrics_disk *disk; /* NULL: memory only */
        struct metric_history *attached;
        int64_t now_s; /* of the last put, tick or sweep */
};

const char *metric_key_of(const struct metric_id *id, struct buf *out);
/* A series by itself, of a key. NULL: no key. */
struct metric_series *metric_series_new(const char *key);
void metric_series_free(struct metric_series *series);
size_t metric_series_size(const struct metric_series *series);
/* The series of a key, made when it is missing; NULL when there are too many. */
struct metric_series *metrics_series_of(struct metrics *metrics, const char *key);
/* Adds a finished point of the tier below (or a value, for the first tier), and what follows from that. */
void metrics_fold(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, int64_t at_s, const struct metric_set *set,
                  const struct metric_digest *digest);

/* ---- disk.c, journal.c ---- */

int metrics_disk_open(struct metrics *metrics, struct error *error);
void metrics_disk_close(struct metrics *metrics);
/* A finished point goes into the journal of its span. */
void metrics_journal(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, int64_t at_s, const struct buf *encoded);
void metrics_disk_tick(struct metrics *metrics);
void metrics_disk_sweep(struct metrics *metrics);
/* The resolution that a period is made of. */
enum metric_tier metric_tier_of(int64_t period_s);
const struct metric_series *metrics_attached(const struct metrics *metrics, const char *key);
