/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clean-up: when the disk is fuller than one mark, images that nobody uses go, the one unused longest first, until it is
 * below another mark. Removing a layer's files happens in the thread pool, one layer at a time, in the background.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "image/store_internal.h"

/* ---- removing the files of layers ---- */

struct removal {
        struct list link;
        struct image_work work;
        char *path;
        int result;
};

static void remove_next(struct image_store *store);

static void remove_layer(struct image_work *work)
{
        struct removal *removal = CONTAINER_OF(work, struct removal, work);

        removal->result = files_remove(work->store->dir_fd, removal->path);
}

static void removed_layer(struct image_work *work, int status)
{
        struct removal *removal = CONTAINER_OF(work, struct removal, work);
        struct image_store *store = work->store;

        (void)status;
        if (removal->result < 0)
                log_warn("cannot remove a layer: the next start tries again", LOG_S("path", removal->path), LOG_ERRNO(removal->result));
        free(removal->path);
        free(removal);
        store->removing = false;
        remove_next(store);
}

static void remove_next(struct image_store *store)
{
        struct removal *removal = list_first(&store->removals, struct removal, link);

        if (removal == NULL || store->removing)
                return;
        /* The next start empties staging/ anyway. */
        if (store->freeing) {
                list_for_each (left, &store->removals, struct removal, link) {
                        list_remove(&left->link);
                        free(left->path);
                        free(left);
                }
                return;
        }
        list_remove(&removal->link);
        store->removing = true;
        removal->work.work = remove_layer;
        removal->work.after = removed_layer;
        image_work_start(store, &removal->work);
}

void image_gc_remove_layer(struct image_store *store, struct image_layer *layer)
{
        struct removal *removal = xalloc(sizeof(*removal));
        CLEANUP_FREE char *from = xprintf("layers/sha256-%s", digest_hex(layer->diff_id));

        /* Out of the way at once, so that a pull can bring the same layer again while the files are being deleted. */
        removal->path = xprintf("staging/gone-%llu", (unsigned long long)store->next_staging++);
        if (renameat(store->dir_fd, from, store->dir_fd, removal->path) < 0 && errno != ENOENT)
                log_warn("cannot remove a layer: the next start tries again", LOG_S("layer", layer->diff_id), LOG_ERRNO(-errno));
        list_push(&store->removals, &removal->link);
        remove_next(store);
}

/* ---- choosing images ---- */

struct check {
        struct image_work work;
        uint32_t percent;
        uint64_t bytes_free;
        int result;
};

static struct image_record *oldest_unused(struct image_store *store, int64_t before_ms)
{
        struct image_record *oldest = NULL;

        map_for_each (node, &store->records) {
                struct image_record *record = CONTAINER_OF(node, struct image_record, node);

                if (record->refs > 0)
                        continue;
                /* What lost its name is reached by digest only: it goes without waiting for its age. */
                if (record->last_used_ms > before_ms && !list_empty(&record->names))
                        continue;
                if (oldest == NULL || record->last_used_ms < oldest->last_used_ms)
                        oldest = record;
        }
        return oldest;
}

/* Bytes that go when this image goes: layers that others share stay. */
static uint64_t own_bytes(const struct image_record *record)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < record->image.n_layers; i++)
                if (record->layers[i]->users == 1)
                        bytes += record->layers[i]->size;
        return bytes;
}

static void collect(struct image_store *store, uint64_t wanted, int64_t before_ms)
{
        uint64_t freed = 0;
        struct image_record *record;

        while (freed < wanted && (record = oldest_unused(store, before_ms)) != NULL) {
                freed += own_bytes(record);
                log_info("removing an image that is not used, to free space", LOG_S("image", record->image.digest),
                         LOG_I("bytes", own_bytes(record)));
                image_record_remove(record);
        }
}

static void check_disk(struct image_work *work)
{
        struct check *check = CONTAINER_OF(work, struct check, work);

        check->result = files_disk(work->store->dir, &check->percent, &check->bytes_free);
}

static void checked_disk(struct image_work *work, int status)
{
        struct check *check = CONTAINER_OF(work, struct check, work);
        struct image_store *store = work->store;

        store->collecting = false;
        if (status == 0 && check->result == 0 && !store->freeing) {
                int64_t now = image_now_ms();

                if (store->reclaim_bytes > check->bytes_free)
                        collect(store, store->reclaim_bytes - check->bytes_free, INT64_MAX);
                else if (!store->gc_disabled && check->percent > store->high_percent) {
                        uint64_t total = check->bytes_free * 100 / (100 - (check->percent < 100 ? check->percent : 99));

                        collect(store, total / 100 * (check->percent - store->low_percent), now - (int64_t)store->minimum_age_s * 1000);
                }
                store->reclaim_bytes = 0;
        }
        free(check);
}

static void start_check(struct image_store *store)
{
        struct check *check;

        if (store->collecting || store->freeing)
                return;
        store->collecting = true;
        check = xalloc(sizeof(*check));
        check->work.work = check_disk;
        check->work.after = checked_disk;
        image_work_start(store, &check->work);
}

static void on_timer(uv_timer_t *timer)
{
        start_check(timer->data);
}

void image_gc_start(struct image_store *store, uint32_t interval_s)
{
        uv_timer_init(store->loop, &store->timer);
        store->timer.data = store;
        store->timer_open = true;
        uv_timer_start(&store->timer, on_timer, (uint64_t)interval_s * 1000, (uint64_t)interval_s * 1000);
        uv_unref((uv_handle_t *)&store->timer);
}

void image_store_reclaim(struct image_store *store, uint64_t bytes)
{
        store->reclaim_bytes = bytes > store->reclaim_bytes ? bytes : store->reclaim_bytes;
        start_check(store);
}
