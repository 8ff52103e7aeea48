/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: the store's objects and who may touch them (the loop's thread, unless it says otherwise). */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/tree.h"
#include "logs/frame.h"
#include "logs/log_store.h"

#define READS_AT_ONCE 2 /* so that they never fill the thread pool */

/* A file of frames. */
struct log_segment {
        uint32_t number;        /* in its group, ascending */
        bool sealed;            /* has its index at the end; no frames come any more */
        bool created;           /* the file is there */
        bool busy;              /* a batch writes to it */
        int64_t min_ms, max_ms; /* of its events; INT64_MAX and INT64_MIN when it has none */
        uint64_t end;           /* of the durable frames */
        uint64_t size;          /* of the file */
        uint64_t stored;        /* messages and 26 for each */
        uint32_t n_frames;
        struct frame_entry *frames; /* while not sealed */
        uint32_t frames_room;
};

struct stream_id {
        uint32_t id;
        struct log_stream *stream; /* NULL when it was deleted */
};

struct log_group {
        struct tree_node node;   /* in store->groups by name */
        struct map_node id_node; /* in store->groups_by_id */
        struct log_store *store;
        struct log_group_info info;
        uint32_t id;
        char id_text[9];
        uint32_t refs; /* the catalog's, one for each write and read under way */
        bool deleted;  /* not in the tree any more */
        char *path;    /* of its directory */
        bool has_dir;

        struct tree streams;
        struct stream_id *by_id; /* ascending; some of deleted streams among them */
        uint32_t n_by_id, by_id_room, n_dead;
        uint32_t next_stream; /* ids are not given twice: old frames have them */

        struct log_segment **segments; /* ascending; the last one may be open for frames */
        uint32_t n_segments, segments_room;
        uint32_t next_segment;
        struct batch_file *file; /* its part in the batch that is being made */
};

struct log_stream {
        struct tree_node node; /* in group->streams by name */
        struct log_group *group;
        struct log_stream_info info;
        uint32_t id;
        uint32_t first_segment, last_segment; /* numbers between which its frames are; first > last: none */
};

/* Frames that wait for the disk: one append. */
struct log_write {
        struct list link;
        struct log_group *group; /* a reference */
        struct log_op *op;
        struct buf frame;
        struct frame_entry entry;
        int status;
};

struct log_batch; /* writer.c */
struct log_read;  /* read.c */

struct log_store {
        struct log_store_options options;
        char *dir;
        struct tree groups;
        struct map groups_by_id;
        uint32_t next_group, n_streams;

        /* What the next batch writes. */
        struct buf catalog;      /* records */
        struct list writes;      /* of struct log_write */
        struct log_op *syncs;    /* newest first */
        struct buf removals;     /* paths, each with its NUL: files and directories */
        uint64_t pending;        /* bytes of `writes` and of the batch under way */
        struct log_batch *batch; /* under way */

        bool catalog_torn;                    /* a write of it failed: write it anew */
        uint64_t catalog_size, catalog_fresh; /* bytes now; and when it was last written anew */

        int lock;           /* held while the store is open */
        struct log_op last; /* of a store that closes */
        struct list reads;  /* of struct log_read, waiting */
        uint32_t n_reading;

        struct log_store_stats stats;
        void (*closed)(void *data);
        void *closed_data;
        bool closing;
};

/* group.c */
/* With one reference. Not in the catalog yet. */
struct log_group *group_new(struct log_store *store, const struct log_group_info *info, uint32_t id);
void log_group_ref(struct log_group *group);
void log_group_unref(struct log_group *group);
/* Takes it out of memory without a word to the catalog. */
void group_detach(struct log_group *group);
struct log_group *group_by_id(const struct log_store *store, uint32_t id);
/* What can change of a group, without a word to the catalog. */
void group_update(struct log_group *group, const struct log_group_info *info);
#define STREAM_ID_MAX (1u << 26)
/* `id` is greater than those in by_id. */
struct log_stream *stream_new(struct log_group *group, uint32_t id, const char *name, int64_t created_ms);
void stream_detach(struct log_stream *stream);
/* NULL when it was deleted. */
struct log_stream *group_stream(const struct log_group *group, uint32_t id);
/* Counts the events of a durable frame in. */
void stream_count(struct log_group *group, const struct log_segment *segment, const struct frame_entry *entry);

/* segment.c: files. Functions that take paths block and may run on any thread. */
struct log_segment *segment_new(uint32_t number);
struct log_segment *segment_free(struct log_segment *segment);
void segment_add(struct log_segment *segment, const struct frame_entry *entry);
/* "0000002a" and nothing but `suffix` behind it? */
bool parse_hex8(const char *name, const char *suffix, uint32_t *ret);
char *segment_path(const struct log_group *group, uint32_t number);
/* Reads all segments of a group's directory; cuts and seals what a crash left. */
int segments_load(struct log_group *group, struct error *error);
/* Entries of a sealed file (free); their number, or -errno. */
int64_t segment_read_index(int fd, struct frame_entry **ret);

/* catalog.c */
void catalog_put_group(struct buf *out, const struct log_group *group);
void catalog_put_group_gone(struct buf *out, uint32_t id);
void catalog_put_stream(struct buf *out, const struct log_stream *stream);
void catalog_put_stream_gone(struct buf *out, uint32_t group, uint32_t id);
/* Everything, as a new catalog. */
void catalog_put_all(struct buf *out, const struct log_store *store);
/* Applies the records; returns how many of the bytes were whole records. */
size_t catalog_apply(struct log_store *store, const char *data, size_t len);
char *catalog_path(const struct log_store *store);
int catalog_load(struct log_store *store, struct error *error);

/* writer.c */
/* Something waits: starts a batch unless one is under way. */
void writer_kick(struct log_store *store);

/* read.c */
void reads_start(struct log_store *store);

/* log_store.c */
/* Ends a store that is closing when nothing is under way. */
void store_settle(struct log_store *store);
void path_remove_later(struct log_store *store, const char *path);
