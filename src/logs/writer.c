/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit: whatever waits becomes one batch, which a thread writes with one sync for each file while the next batch gathers.
 *
 *     form (loop) -> write (pool) -> settle (loop): count in what is durable now, tell everybody, form the next
 *
 * The order within a batch: the catalog, then events (so that no event is of a group nobody knows), then removals.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "logs/internal.h"

#define IOVECS 512
#define CATALOG_GARBAGE_MIN (1u << 20)

/* What a batch writes for one group. */
struct batch_file {
        struct list link;
        struct log_group *group; /* a reference */
        struct log_segment *segment;
        char *path;
        uint64_t offset, bytes;
        uint32_t n;
        struct list writes;
        int status;

        struct log_segment *sealing; /* the segment before, which is full; NULL: none */
        char *sealing_path;
        struct buf index;
        int sealing_status;
};

struct log_batch {
        uv_work_t work;
        struct log_store *store;
        struct buf catalog;
        uint64_t catalog_offset;
        bool catalog_anew;
        int catalog_status;
        struct list files;
        struct list refused; /* struct log_write of groups and streams that are gone */
        struct log_op *syncs;
        struct buf removals;
        uint64_t n_syncs; /* of files, counted by the thread */
};

/* ---- form ---- */

static bool segment_is_full(const struct log_store *store, const struct log_segment *s)
{
        return s->end >= store->options.segment_bytes || s->n_frames >= store->options.segment_frames;
}

static struct log_segment *add_segment(struct log_group *group)
{
        struct log_segment *s = segment_new(group->next_segment++);

        if (group->n_segments == group->segments_room) {
                group->segments_room = group->segments_room * 2 + 4;
                group->segments = xrealloc(group->segments, group->segments_room * sizeof(*group->segments));
        }
        group->segments[group->n_segments++] = s;
        return s;
}

static struct batch_file *file_new(struct log_batch *batch, struct log_group *group)
{
        struct log_segment *last = group->n_segments > 0 ? group->segments[group->n_segments - 1] : NULL;
        struct batch_file *file = xalloc(sizeof *file);

        list_init(&file->writes);
        log_group_ref(group);
        file->group = group;
        if (last != NULL && !last->sealed && segment_is_full(batch->store, last)) {
                file->sealing = last;
                file->sealing_path = segment_path(group, last->number);
                index_encode(&file->index, last->frames, last->n_frames, last->end);
                last->busy = true;
        }
        file->segment = last == NULL || last->sealed || file->sealing != NULL ? add_segment(group) : last;
        file->segment->busy = true;
        file->path = segment_path(group, file->segment->number);
        file->offset = file->segment->end;
        list_push(&batch->files, &file->link);
        group->file = file;
        return file;
}

/* False when this segment has no numbers left for frames: the write waits for the next batch. */
static bool add_write(struct log_batch *batch, struct log_write *write)
{
        struct log_group *group = write->group;
        struct batch_file *file = group->file != NULL ? group->file : file_new(batch, group);

        if (file->segment->n_frames + file->n >= FRAME_EVENTS_MAX)
                return false;
        write->entry.offset = file->offset + file->bytes;
        write->entry.number = file->segment->n_frames + file->n;
        file->bytes += write->entry.length;
        file->n++;
        list_remove(&write->link);
        list_push(&file->writes, &write->link);
        return true;
}

static void form_catalog(struct log_batch *batch)
{
        struct log_store *store = batch->store;

        batch->catalog_anew = store->catalog_torn || store->catalog_size > 2 * store->catalog_fresh + CATALOG_GARBAGE_MIN;
        if (batch->catalog_anew) {
                buf_clear(&store->catalog);
                catalog_put_all(&batch->catalog, store);
        } else {
                batch->catalog = store->catalog;
                store->catalog = (struct buf){0};
        }
        batch->catalog_offset = store->catalog_size;
}

static struct log_batch *form(struct log_store *store)
{
        struct log_batch *batch = xalloc(sizeof *batch);

        batch->store = store;
        list_init(&batch->files);
        list_init(&batch->refused);
        form_catalog(batch);
        list_for_each (write, &store->writes, struct log_write, link) {
                if (!write->group->deleted && group_stream(write->group, write->entry.stream) != NULL) {
                        (void)add_write(batch, write);
                        continue;
                }
                write->status = -ENOENT;
                list_remove(&write->link);
                list_push(&batch->refused, &write->link);
        }
        list_for_each (file, &batch->files, struct batch_file, link)
                file->group->file = NULL;
        batch->syncs = TAKE(store->syncs);
        batch->removals = store->removals;
        store->removals = (struct buf){0};
        return batch;
}

/* ---- write: in the thread pool; touches only the batch and what in the store never changes ---- */

static int sync_directory(const char *path)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_at(int fd, const void *data, size_t len, uint64_t offset)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENOSPC;
                data = (const char *)data + n;
                offset += (uint64_t)n;
                len -= (size_t)n;
        }
        return 0;
}

static int replace_catalog(struct log_batch *batch, const char *path)
{
        CLEANUP_FREE char *fresh = xprintf("%s.new", path);
        CLEANUP_CLOSE int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int r = fd < 0 ? -errno : write_at(fd, batch->catalog.data, batch->catalog.len, 0);

        if (r == 0 && (fsync(fd) < 0 || rename(fresh, path) < 0))
                r = -errno;
        return r < 0 ? r : sync_directory(batch->store->dir);
}

static int write_catalog(struct log_batch *batch)
{
        CLEANUP_FREE char *path = catalog_path(batch->store);
        CLEANUP_CLOSE int fd = -1;
        int r;

        if (batch->catalog.len == 0 && !batch->catalog_anew)
                return 0;
        batch->n_syncs++;
        if (batch->catalog_anew)
                return replace_catalog(batch, path);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_at(fd, batch->catalog.data, batch->catalog.len, batch->catalog_offset);
        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r == 0 && batch->catalog_offset == 0)
                r = sync_directory(batch->store->dir);
        if (r < 0 && ftruncate(fd, (off_t)batch->catalog_offset) < 0)
                return r;
        return r;
}

static int writev_at(int fd, struct iovec *vec, int count, uint64_t offset)
{
        while (count > 0) {
                ssize_t n = pwritev(fd, vec, count, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENOSPC;
                offset += (uint64_t)n;
                for (; count > 0 && (size_t)n >= vec->iov_len; vec++, count--)
                        n -= (ssize_t)vec->iov_len;
                if (count > 0) {
                        vec->iov_base = (char *)vec->iov_base + n;
                        vec->iov_len -= (size_t)n;
                }
        }
        return 0;
}

static int write_frames(struct batch_file *file, int fd)
{
        struct list *at = file->writes.next;
        uint64_t offset = file->offset;
        int r = 0;

        while (r == 0 && at != &file->writes) {
                struct iovec vec[IOVECS];
                uint64_t total = 0;
                int count = 0;

                for (; at != &file->writes && count < IOVECS; at = at->next) {
                        struct log_write *write = CONTAINER_OF(at, struct log_write, link);

                        vec[count++] = (struct iovec){write->frame.data, write->frame.len};
                        total += write->frame.len;
                }
                r = writev_at(fd, vec, count, offset);
                offset += total;
        }
        return r;
}

static int make_group_directory(const struct batch_file *file)
{
        if (file->group->has_dir)
                return 0;
        if (mkdir(file->group->path, 0700) < 0 && errno != EEXIST)
                return -errno;
        return sync_directory(file->group->store->dir);
}

static int write_file(struct batch_file *file)
{
        bool create = !file->segment->created;
        uint8_t header[SEGMENT_HEADER];
        CLEANUP_CLOSE int fd = -1;
        int r = make_group_directory(file);

        if (r < 0)
                return r;
        fd = open(file->path, O_WRONLY | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
        if (fd < 0)
                return -errno;
        segment_header_encode(file->group->id, file->segment->number, header);
        r = create ? write_at(fd, header, sizeof header, 0) : 0;
        if (r == 0)
                r = write_frames(file, fd);
        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r == 0 && create)
                r = sync_directory(file->group->path);
        /* Nothing of it counts: the next batch begins at the same place. */
        if (r < 0 && ftruncate(fd, (off_t)(create ? 0 : file->offset)) < 0)
                return r;
        return r;
}

static int seal(struct batch_file *file)
{
        CLEANUP_CLOSE int fd = open(file->sealing_path, O_WRONLY | O_CLOEXEC);
        int r = fd < 0 ? -errno : write_at(fd, file->index.data, file->index.len, file->sealing->end);

        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r < 0 && fd >= 0 && ftruncate(fd, (off_t)file->sealing->end) < 0)
                return r;
        return r;
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int type, UNUSED struct FTW *ftw)
{
        (void)remove(path);
        return 0;
}

static void write_batch(struct log_batch *batch)
{
        batch->catalog_status = write_catalog(batch);
        if (batch->catalog_status < 0)
                return;
        list_for_each (file, &batch->files, struct batch_file, link) {
                file->status = write_file(file);
                batch->n_syncs++;
                if (file->sealing != NULL) {
                        file->sealing_status = seal(file);
                        batch->n_syncs++;
                }
        }
        for (size_t at = 0; at < batch->removals.len; at += strlen(batch->removals.data + at) + 1)
                (void)nftw(batch->removals.data + at, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- settle ---- */

static void settle_file(struct batch_file *file)
{
        struct log_group *group = file->group;
        struct log_segment *segment = file->segment;

        if (file->status == 0) {
                group->has_dir = true;
                segment->created = true;
        }
        list_for_each (write, &file->writes, struct log_write, link) {
                write->status = file->status;
                if (file->status < 0)
                        continue;
                segment_add(segment, &write->entry);
                stream_count(group, segment, &write->entry);
                group->info.stored_bytes += write->entry.bytes + UINT64_C(26) * write->entry.n;
                group->store->stats.appended_events += write->entry.n;
                group->store->stats.appended_bytes += write->entry.bytes;
                if (group_stream(group, write->entry.stream) == NULL)
                        write->status = -ENOENT;
        }
        segment->busy = false;
        if (file->sealing == NULL)
                return;
        file->sealing->busy = false;
        if (file->status == 0 && file->sealing_status == 0) {
                file->sealing->sealed = true;
                file->sealing->size = file->sealing->end + file->index.len;
                free(TAKE(file->sealing->frames));
                file->sealing->frames_room = 0;
        }
}

static void settle_catalog(struct log_batch *batch)
{
        struct log_store *store = batch->store;

        store->catalog_torn = batch->catalog_status < 0;
        if (batch->catalog_status < 0)
                return;
        store->catalog_size = batch->catalog.len + (batch->catalog_anew ? 0 : batch->catalog_offset);
        if (batch->catalog_anew)
                store->catalog_fresh = store->catalog_size;
}

/* Tells the owners; each may start something new. */
static void tell_writes(struct log_store *store, struct list *writes)
{
        list_for_each (write, writes, struct log_write, link) {
                store->pending -= write->frame.len;
                write->op->done(write->op, write->status);
                log_group_unref(write->group);
                buf_done(&write->frame);
                free(write);
        }
}

static void tell_syncs(struct log_op *newest, int status)
{
        struct log_op *oldest = NULL;

        while (newest != NULL) {
                struct log_op *op = newest;

                newest = op->next_;
                op->next_ = oldest;
                oldest = op;
        }
        while (oldest != NULL) {
                struct log_op *op = oldest;

                oldest = op->next_;
                op->done(op, status);
        }
}

static void tell(struct log_batch *batch)
{
        list_for_each (file, &batch->files, struct batch_file, link)
                tell_writes(batch->store, &file->writes);
        tell_writes(batch->store, &batch->refused);
        tell_syncs(batch->syncs, batch->catalog_status);
}

static void batch_free(struct log_batch *batch)
{
        list_for_each (file, &batch->files, struct batch_file, link) {
                log_group_unref(file->group);
                buf_done(&file->index);
                free(file->path);
                free(file->sealing_path);
                free(file);
        }
        buf_done(&batch->catalog);
        buf_done(&batch->removals);
        free(batch);
}

static void settle(struct log_batch *batch)
{
        struct log_store *store = batch->store;

        settle_catalog(batch);
        list_for_each (file, &batch->files, struct batch_file, link) {
                if (batch->catalog_status < 0)
                        file->status = batch->catalog_status;
                settle_file(file);
        }
        store->stats.batches++;
        store->stats.syncs += batch->n_syncs;
        store->batch = NULL;
        writer_kick(store);
        tell(batch);
        batch_free(batch);
        store_settle(store);
}

static void work(uv_work_t *uv)
{
        write_batch(CONTAINER_OF(uv, struct log_batch, work));
}

static void worked(uv_work_t *uv, UNUSED int status)
{
        settle(CONTAINER_OF(uv, struct log_batch, work));
}

void writer_kick(struct log_store *store)
{
        if (store->batch != NULL ||
            (store->catalog.len == 0 && list_empty(&store->writes) && store->syncs == NULL && store->removals.len == 0))
                return;
        store->batch = form(store);
        if (store->options.loop == NULL) {
                write_batch(store->batch);
                settle(store->batch);
        } else if (uv_queue_work(store->options.loop, &store->batch->work, work, worked) != 0) {
                abort(); /* only for a NULL function */
        }
}
