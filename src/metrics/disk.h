/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of metrics. Private to disk.c, journal.c, block.c, load.c and history.c, and their tests.
 *
 *     PERIOD-FROM-NUMBER.journal   points as they were finished: frames, each with its checksum; a torn end is the end
 *     PERIOD-FROM.block            a span of one resolution: a frame a series, an index by the hash of its key, a foot
 *
 * FROM is the span's first second, PERIOD its resolution. A block says up to which number journals of its span are in it: those are
 * removed. Integers are little-endian.
 */
#pragma once

#include <uv.h>

#include "metrics/internal.h"

struct metric_journal {
        struct list link;
        enum metric_tier tier;
        int64_t from_s;
        uint64_t number;
        int64_t made_s;
        int64_t synced_s;   /* it was forced to the disk last */
        uint64_t size;      /* with what is on its way */
        struct buf pending; /* records of the next frame */
        bool old;           /* of a process of before: read, not appended to */
        bool begun;         /* the head was written, or is on its way */
};

struct metric_block {
        struct list link;
        enum metric_tier tier;
        int64_t from_s;
        uint64_t size, covered;
};

/* Work on the disk: one after the other, in the thread pool. */
struct disk_job {
        struct list link;
        uv_work_t work;
        struct metrics_disk *disk;
        void (*run)(struct disk_job *job);  /* in the pool: nothing of the loop's */
        void (*done)(struct disk_job *job); /* on the loop's thread; frees it */
};

struct metrics_disk {
        struct metrics *metrics;
        char *dir;
        uint64_t next_number;
        struct list journals, blocks;
        struct list jobs; /* that wait */
        struct disk_job *running;
        struct list waiting; /* histories that wait for the first load */
        bool appending;      /* an append is queued or runs */
        uint64_t pending_bytes;
};

void disk_submit(struct metrics_disk *disk, struct disk_job *job);
char *disk_journal_path(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s, uint64_t number);
char *disk_block_path(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s);
struct metric_block *disk_block(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s);

/* ---- journal.c ---- */

#define JOURNAL_HEAD 24
/* The head of a file, and a frame around records. */
void journal_head(enum metric_tier tier, int64_t from_s, struct buf *out);
void journal_frame(const struct buf *records, struct buf *out);
/* Adds the points of a journal's bytes to series in `tree` (made as needed, by key), up to the first frame that is not whole. Returns how
 * many bytes were good; -EBADMSG: this is no journal of that tier and span. */
int64_t journal_read(const uint8_t *data, size_t len, enum metric_tier tier, int64_t from_s, struct tree *tree);
void disk_append_pending(struct metrics_disk *disk);

/* ---- block.c ---- */

struct block_entry {
        char *key;
        int unit;
        uint32_t n;
        struct metric_chunk **chunks; /* a reference each */
};
/* Writes the file anew: what is in it, and these. `ret_size` is its size then. -errno. */
int block_write(const char *path, enum metric_tier tier, int64_t from_s, uint64_t covered, const struct block_entry *entries, size_t n,
                uint64_t *ret_size);
/* Adds the chunks of a series to those of `series` (whose key it has). 0, also when it has none; -errno, -EBADMSG. */
int block_read(const char *path, enum metric_tier tier, int64_t from_s, struct metric_series *series);
/* All series of the file. */
int block_read_all(const char *path, enum metric_tier tier, int64_t from_s, struct tree *tree);
/* For the fuzzer and block_read_all: the frames of a file's bytes. */
int block_parse(const uint8_t *data, size_t len, enum metric_tier tier, int64_t from_s, struct tree *tree);
/* What the head says. */
int block_covered(const char *path, enum metric_tier tier, int64_t from_s, uint64_t *ret);

/* A series of a tree by key, made when it is missing; NULL: no key. */
struct metric_series *disk_series_of(struct tree *tree, const char *key);
void disk_tree_done(struct tree *tree);

/* ---- load.c ---- */

/* Reads what a new process has to know; then disk->metrics has it. */
void disk_load(struct metrics_disk *disk);

/* ---- history.c ---- */

void disk_history_go(struct metrics_disk *disk);
