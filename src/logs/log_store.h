/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log groups, their streams and their events: append-only files with retention, apart from the state store. It knows nothing of any
 * API; limits and names are the caller's to check.
 *
 *     dir/catalog              groups, streams, tags: a journal of small records, rewritten when it is mostly history
 *     dir/<group>/<n>.seg      events of one group: frames (what one append brought for one stream), an index at the end once full
 *
 * A change is in memory at once and durable when `done` of its operation is called: a writer gathers whatever waits into one batch
 * with one sync for each file (group commit). Events can be read when they are durable. Memory: the groups, the streams, the
 * index of each group's newest segment, and what waits to be written (limited). No file stays open.
 *
 * One thread: the loop's. Files are written and read in libuv's thread pool; callbacks come on a later turn of the loop. Without
 * a loop (unit tests) everything happens within the call, and so do callbacks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/shape.h"

struct log_store;
struct log_group;
struct log_stream;

struct log_store_options {
        const char *dir; /* made when missing */
        uv_loop_t *loop; /* NULL: synchronous */
        /* 0: the default that is named. */
        uint64_t segment_bytes;  /* a segment is full at so many; 16 MiB */
        uint32_t segment_frames; /* or so many frames; 16,384 */
        uint64_t pending_bytes;  /* that may wait for the disk; 64 MiB */
        uint32_t max_groups;     /* 10,000 */
        uint32_t max_streams;    /* of all groups; 1,000,000 */
};

/* Reads the catalog and the segments' indexes, cuts off what was being written when the process died, removes leftovers. Blocks. */
int log_store_open(const struct log_store_options *options, struct log_store **ret, struct error *error) MUST_CHECK;
/* Writes what waits (callbacks still come), then calls `closed` and is gone; NULL is fine for both. Reads that run are waited for. */
void log_store_close(struct log_store *store, void (*closed)(void *data), void *data);

/* Something whose end is waited for. Embedded in its owner, must stay until `done`. */
struct log_op {
        /* status 0, or -errno: -ENOSPC, -EIO …: nothing of an append is kept then; a change of groups or streams may be. */
        void (*done)(struct log_op *op, int status);

        struct log_op *next_; /* private */
};

/* `done` when everything that was changed until now is durable. */
void log_store_sync(struct log_store *store, struct log_op *op);
/* Removes segments that are older than their group keeps. The owner calls it now and then (every few minutes). */
void log_store_expire(struct log_store *store, int64_t now_ms);

struct log_store_stats {
        uint64_t groups, streams, segments, bytes;                /* bytes: of files */
        uint64_t appended_events, appended_bytes, batches, syncs; /* since the start */
        uint64_t damaged; /* frames and indexes that reads left out, because the disk does not give back what was written */
        uint64_t pending_bytes;
};
void log_store_stats(const struct log_store *store, struct log_store_stats *ret);

/* ---- groups ---- */

/* What is known of a group. Strings are the store's; they change only with the group. */
struct log_group_info {
        const char *name;
        int64_t created_ms;
        int32_t retention_days; /* 0: for ever */
        int32_t class;          /* the caller's number */
        bool protected;         /* the caller's: may not be deleted */
        const char *kms_key_id; /* NULL: none */
        struct string_map tags;
        uint64_t stored_bytes; /* messages, and 26 for each */
        uint32_t n_streams;
};

/* -EEXIST; -ENOSPC when there are max_groups. `info` is copied (stored_bytes and n_streams are not looked at). */
int log_group_create(struct log_store *store, const struct log_group_info *info, struct log_group **ret) MUST_CHECK;
/* NULL when there is none. */
struct log_group *log_group_find(struct log_store *store, const char *name);
/* The first group whose name is greater than `name` (or equal, with `or_equal`); NULL: none. "" starts. In byte order. */
struct log_group *log_group_after(struct log_store *store, const char *name, bool or_equal);
const struct log_group_info *log_group_info(const struct log_group *group);
void log_group_set_retention(struct log_group *group, int32_t days);
void log_group_set_protected(struct log_group *group, bool protected);
void log_group_set_tags(struct log_group *group, const struct string_map *tags);
/* With all its streams and events. Appends and reads that are under way end first: with -ENOENT, or with what they have. */
void log_group_delete(struct log_group *group);

/* ---- streams ---- */

struct log_stream_info {
        const char *name;
        int64_t created_ms;
        bool has_events;
        int64_t first_event_ms, last_event_ms, last_ingestion_ms; /* when it has events (expired ones count) */
        uint64_t stored_bytes;
};

/* -EEXIST; -ENOSPC when there are max_streams. */
int log_stream_create(struct log_group *group, const char *name, int64_t now_ms, struct log_stream **ret) MUST_CHECK;
struct log_stream *log_stream_find(struct log_group *group, const char *name);
/* As log_group_after. */
struct log_stream *log_stream_after(struct log_group *group, const char *name, bool or_equal);
/* The last stream whose name is less than `name`; NULL: the last of all. */
struct log_stream *log_stream_before(struct log_group *group, const char *name);
const struct log_stream_info *log_stream_info(const struct log_stream *stream);
void log_stream_delete(struct log_stream *stream);

/* ---- events ---- */

struct log_event {
        int64_t timestamp_ms;
        const char *message;
        uint32_t len;
};

#define LOG_FRAME_MAX (4u << 20) /* bytes of messages in one append; more is the caller's error */

/*
 * Appends events, in ascending order of time, to a stream; copied during the call. -EAGAIN: too much waits for the disk, try again
 * later (no `done`). Else `done` comes: 0 when they are durable, -ENOENT when the stream was deleted meanwhile, other -errno.
 */
int log_stream_append(struct log_stream *stream, const struct log_event *events, uint32_t n, int64_t now_ms, struct log_op *op) MUST_CHECK;

/*
 * A place between events. Events are ordered by time, then by arrival; `number` is unique in a group. Zeroes are before all events.
 */
struct log_position {
        int64_t timestamp_ms;
        uint64_t number;
};

struct log_result {
        struct log_position position; /* of the event itself */
        struct log_stream *stream;
        int64_t ingestion_ms;
        const char *message; /* NUL-terminated */
        uint32_t len;
};

/*
 * A page of events. The owner fills in the upper part and keeps the whole until `done`; then it has the results, in ascending order
 * whatever the direction, in its arena.
 */
struct log_query {
        struct log_group *group;
        struct log_stream *const *streams; /* of the group; read during the call */
        uint32_t n_streams;
        bool all_streams; /* instead */
        bool backward;    /* the page before `from` instead of the page after it */
        bool has_from;
        struct log_position from; /* only events strictly after (before, when backward) */
        int64_t start_ms, end_ms; /* start <= timestamp < end */
        uint32_t max_events;      /* at least 1 */
        uint64_t max_bytes;       /* of messages and 26 for each event; at least one event comes */
        uint64_t max_scan;        /* bytes of frames to look at before a page is given that is shorter; 0: 64 MiB */
        bool (*match)(const char *message, uint32_t len, void *data); /* NULL: all. In the thread pool! */
        void *match_data;
        struct arena *arena;                               /* required: of the results; touched on the loop only */
        void (*done)(struct log_query *query, int status); /* 0, -EIO */

        struct log_result *results;
        uint32_t n;
        bool complete;            /* there is nothing behind this page at present */
        bool has_next;            /* false only for an empty page of a query without `from` */
        struct log_position next; /* where the page behind this one starts: `from` for it */

        struct log_read *read_; /* private */
};
/* Events whose stream or group is deleted meanwhile are left out. */
void log_query_start(struct log_store *store, struct log_query *query);
