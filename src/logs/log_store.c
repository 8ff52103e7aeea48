/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, expiring: the store as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "logs/internal.h"

#define DAY_MS INT64_C(86400000)

/* ---- open ---- */

static void apply_defaults(struct log_store_options *o)
{
        o->segment_bytes = o->segment_bytes != 0 ? o->segment_bytes : UINT64_C(16) << 20;
        o->segment_frames = o->segment_frames != 0 ? MIN(o->segment_frames, FRAME_EVENTS_MAX / 2) : 16384;
        o->pending_bytes = o->pending_bytes != 0 ? o->pending_bytes : UINT64_C(64) << 20;
        o->max_groups = o->max_groups != 0 ? o->max_groups : 10000;
        o->max_streams = o->max_streams != 0 ? o->max_streams : 1000000;
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int type, UNUSED struct FTW *ftw)
{
        (void)remove(path);
        return 0;
}

/* Directories of groups that the catalog does not know any more: their removal was cut short. */
static void remove_leftovers(struct log_store *store)
{
        DIR *dir = opendir(store->dir);
        struct dirent *entry;

        while (dir != NULL && (entry = readdir(dir)) != NULL) {
                CLEANUP_FREE char *path = xprintf("%s/%s", store->dir, entry->d_name);
                uint32_t id;

                if (parse_hex8(entry->d_name, "", &id) && group_by_id(store, id) == NULL)
                        (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        }
        if (dir != NULL)
                (void)closedir(dir);
}

/* Two processes that append to the same files would ruin them. */
static int lock_directory(struct log_store *store, struct error *error)
{
        CLEANUP_FREE char *path = xprintf("%s/lock", store->dir);

        if (mkdir(store->dir, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot make the directory for logs %s: %s", store->dir, strerror(errno));
        store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (store->lock < 0)
                return error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
        if (flock(store->lock, LOCK_EX | LOCK_NB) < 0)
                return error_set(error, EBUSY, "the log directory %s is in use by another process: stop that one first", store->dir);
        return 0;
}

static int load(struct log_store *store, struct error *error)
{
        int r = lock_directory(store, error);

        if (r == 0)
                r = catalog_load(store, error);
        if (r < 0)
                return r;
        store->catalog_fresh = store->catalog_size / 2;
        remove_leftovers(store);
        tree_for_each (node, &store->groups) {
                r = segments_load(CONTAINER_OF(node, struct log_group, node), error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void store_free(struct log_store *store)
{
        tree_for_each (node, &store->groups)
                group_detach(CONTAINER_OF(node, struct log_group, node));
        map_done(&store->groups_by_id);
        buf_done(&store->catalog);
        buf_done(&store->removals);
        if (store->lock >= 0)
                (void)close(store->lock);
        free(store->dir);
        free(store);
}

int log_store_open(const struct log_store_options *options, struct log_store **ret, struct error *error)
{
        struct log_store *store = xalloc(sizeof *store);
        int r;

        store->options = *options;
        apply_defaults(&store->options);
        store->dir = xstrdup(options->dir);
        store->options.dir = store->dir;
        store->lock = -1;
        tree_init(&store->groups);
        map_init(&store->groups_by_id);
        list_init(&store->writes);
        list_init(&store->reads);
        r = load(store, error);
        if (r < 0) {
                store_free(store);
                return r;
        }
        *ret = store;
        return 0;
}

/* ---- close ---- */

void store_settle(struct log_store *store)
{
        void (*closed)(void *data) = store->closed;
        void *data = store->closed_data;

        if (!store->closing || store->batch != NULL || store->n_reading > 0 || !list_empty(&store->reads))
                return;
        store->closing = false;
        store_free(store);
        if (closed != NULL)
                closed(data);
}

static void on_last_sync(struct log_op *op, UNUSED int status)
{
        struct log_store *store = CONTAINER_OF(op, struct log_store, last);

        store->closing = true; /* store_settle comes after this batch, and after each read */
}

void log_store_close(struct log_store *store, void (*closed)(void *data), void *data)
{
        if (store == NULL) {
                if (closed != NULL)
                        closed(data);
                return;
        }
        store->closed = closed;
        store->closed_data = data;
        store->last.done = on_last_sync;
        log_store_sync(store, &store->last);
}

/* ---- changes ---- */

void log_store_sync(struct log_store *store, struct log_op *op)
{
        op->next_ = store->syncs;
        store->syncs = op;
        writer_kick(store);
}

void path_remove_later(struct log_store *store, const char *path)
{
        buf_append(&store->removals, path, strlen(path) + 1);
}

static bool is_expired(const struct log_segment *s, int64_t cutoff_ms)
{
        return !s->busy && s->n_frames > 0 && s->max_ms < cutoff_ms;
}

static void expire_group(struct log_group *group, int64_t now_ms)
{
        int64_t cutoff_ms = now_ms - group->info.retention_days * DAY_MS;
        uint32_t n = 0;

        for (uint32_t i = 0; i < group->n_segments; i++) {
                struct log_segment *s = group->segments[i];

                if (is_expired(s, cutoff_ms)) {
                        CLEANUP_FREE char *path = segment_path(group, s->number);

                        path_remove_later(group->store, path);
                        group->info.stored_bytes -= MIN(s->stored, group->info.stored_bytes);
                        (void)segment_free(s);
                        continue;
                }
                group->segments[n++] = s;
        }
        group->n_segments = n;
}

void log_store_expire(struct log_store *store, int64_t now_ms)
{
        tree_for_each (node, &store->groups) {
                struct log_group *group = CONTAINER_OF(node, struct log_group, node);

                if (group->info.retention_days > 0)
                        expire_group(group, now_ms);
        }
        writer_kick(store);
}

void log_store_stats(const struct log_store *store, struct log_store_stats *ret)
{
        *ret = store->stats;
        ret->groups = store->groups.count;
        ret->streams = store->n_streams;
        ret->bytes = store->catalog_size;
        ret->pending_bytes = store->pending;
        tree_for_each (node, &store->groups) {
                const struct log_group *group = CONTAINER_OF(node, struct log_group, node);

                ret->segments += group->n_segments;
                for (uint32_t i = 0; i < group->n_segments; i++)
                        ret->bytes += group->segments[i]->size;
        }
}

/* ---- append ---- */

int log_stream_append(struct log_stream *stream, const struct log_event *events, uint32_t n, int64_t now_ms, struct log_op *op)
{
        struct log_store *store = stream->group->store;
        struct log_write *write;
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < n; i++) {
                bytes += events[i].len;
                if (i > 0 && events[i].timestamp_ms < events[i - 1].timestamp_ms)
                        return -EINVAL;
        }
        if (n == 0 || n > FRAME_EVENTS_MAX || bytes > LOG_FRAME_MAX)
                return -EINVAL;
        if (store->pending > 0 && store->pending + bytes > store->options.pending_bytes)
                return -EAGAIN;
        write = xalloc(sizeof *write);
        write->op = op;
        write->group = stream->group;
        log_group_ref(write->group);
        frame_encode(&write->frame, stream->id, events, n, now_ms, &write->entry);
        store->pending += write->frame.len;
        list_push(&store->writes, &write->link);
        writer_kick(store);
        return 0;
}
