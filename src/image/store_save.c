/* SPDX-License-Identifier: Apache-2.0 */
/* What the store remembers of an image on the disk, and how a layer gets its short name. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "image/store_internal.h"

#define SAVE_USE_EVERY_MS 60000
#define SHORT_NAME 12 /* hexadecimal digits; more when they collide */

void image_record_write(const struct image_record *record, struct buf *out)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct oci_stored_image *stored = ARENA_NEW(&arena, struct oci_stored_image);

        stored->digest = record->image.digest;
        stored->id = record->image.id;
        stored->config = (struct oci_image_config *)(uintptr_t)record->image.config;
        stored->last_used_at = record->last_used_ms;
        SHAPE_SET(stored, oci_stored_image, size, (int64_t)record->image.size);
        for (uint32_t i = 0; i < record->image.n_layers; i++)
                string_list_push(&arena, &stored->layers, record->layers[i]->diff_id);
        if (stored->layers.items == NULL)
                stored->layers.items = arena_alloc(&arena, 0);
        list_for_each (name, (struct list *)(uintptr_t)&record->names, struct image_name, link) {
                struct oci_stored_name *entry = SHAPE_PUSH(&arena, &stored->names);

                entry->name = name->name;
                entry->pulled_at = name->pulled_ms;
        }
        SHAPE_WRITE(oci_stored_image, stored, out);
}

/*
 * Files follow memory, one at a time: whatever is marked is written as it is when its turn comes, or removed when there is no such
 * image any more. So a late write can never undo a later change.
 */
struct dirty {
        struct list link;
        struct image_work work;
        char digest[DIGEST_TEXT_MAX];
        struct buf text; /* empty: the file goes */
        int result;
};

static void sync_next(struct image_store *store);

static void sync_file(struct image_work *work)
{
        struct dirty *dirty = CONTAINER_OF(work, struct dirty, work);
        CLEANUP_FREE char *name = xprintf("images/%s.json", digest_hex(dirty->digest));

        if (dirty->text.len > 0)
                dirty->result = files_write(work->store->dir_fd, name, dirty->text.data, dirty->text.len, 0600, true);
        else
                dirty->result = files_remove(work->store->dir_fd, name);
}

static void synced_file(struct image_work *work, int status)
{
        struct dirty *dirty = CONTAINER_OF(work, struct dirty, work);
        struct image_store *store = work->store;

        if (status == 0 && dirty->result < 0)
                log_warn("cannot write the record of an image: it may have to be pulled again after a restart",
                         LOG_S("image", dirty->digest), LOG_ERRNO(dirty->result));
        buf_done(&dirty->text);
        free(dirty);
        store->syncing = false;
        sync_next(store);
}

static void sync_next(struct image_store *store)
{
        struct dirty *dirty = list_first(&store->dirty, struct dirty, link);
        struct image_record *record;

        if (dirty == NULL || store->syncing)
                return;
        list_remove(&dirty->link);
        record = map_get(&store->records, dirty->digest, struct image_record, node);
        if (record != NULL) {
                image_record_write(record, &dirty->text);
                record->saved_ms = image_now_ms();
        }
        store->syncing = true;
        dirty->work.work = sync_file;
        dirty->work.after = synced_file;
        image_work_start(store, &dirty->work);
}

void image_record_sync(struct image_store *store, const char *digest)
{
        struct dirty *dirty;

        list_for_each (other, &store->dirty, struct dirty, link)
                if (str_eq(other->digest, digest))
                        return;
        dirty = xalloc(sizeof(*dirty));
        memcpy(dirty->digest, digest, strlen(digest) + 1);
        list_push(&store->dirty, &dirty->link);
        sync_next(store);
}

void image_record_used(struct image_record *record)
{
        if (image_now_ms() - record->saved_ms >= SAVE_USE_EVERY_MS)
                image_record_sync(record->store, record->image.digest);
}

int image_layer_write(int dir_fd, const char *dir, const struct oci_stored_layer *stored)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *name = xprintf("%s/layer.json", dir);

        SHAPE_WRITE(oci_stored_layer, stored, &text);
        return files_write(dir_fd, name, text.data, text.len, 0600, false);
}

/* ---- sealing: what was unpacked is only in memory until the file system is synced ---- */

struct seal {
        struct image_work work;
        struct arena arena;
        struct oci_stored_layer_list layers;
        int result;
};

static void seal_layers(struct image_work *work)
{
        struct seal *seal = CONTAINER_OF(work, struct seal, work);
        int dir_fd = work->store->dir_fd;

        seal->result = syncfs(dir_fd) < 0 ? -errno : 0;
        for (uint32_t i = 0; seal->result == 0 && i < seal->layers.n; i++) {
                CLEANUP_FREE char *dir = xprintf("layers/sha256-%s", digest_hex(seal->layers.items[i].diff_id));

                /* One that was removed meanwhile is no loss. */
                if (image_layer_write(dir_fd, dir, &seal->layers.items[i]) < 0)
                        continue;
        }
}

static void sealed_layers(struct image_work *work, int status)
{
        struct seal *seal = CONTAINER_OF(work, struct seal, work);
        struct image_store *store = work->store;

        for (uint32_t i = 0; status == 0 && seal->result == 0 && i < seal->layers.n; i++) {
                struct image_layer *layer = map_get(&store->layers, seal->layers.items[i].diff_id, struct image_layer, node);

                if (layer != NULL)
                        layer->sealed = true;
        }
        arena_done(&seal->arena);
        free(seal);
        store->sealing = false;
        if (store->seal_again)
                image_store_seal(store);
}

void image_store_seal(struct image_store *store)
{
        struct seal *seal;

        store->seal_again = store->sealing;
        if (store->sealing || store->freeing)
                return;
        seal = xalloc(sizeof(*seal));
        map_for_each (node, &store->layers) {
                const struct image_layer *layer = CONTAINER_OF(node, struct image_layer, node);

                if (layer->state == LAYER_PRESENT && !layer->sealed)
                        image_layer_store(layer, NULL, &seal->arena, SHAPE_PUSH(&seal->arena, &seal->layers));
        }
        if (seal->layers.n == 0) {
                arena_done(&seal->arena);
                free(seal);
                return;
        }
        store->sealing = true;
        seal->work.work = seal_layers;
        seal->work.after = sealed_layers;
        image_work_start(store, &seal->work);
}

void image_layer_store(const struct image_layer *layer, const char *boot_id, struct arena *arena, struct oci_stored_layer *ret)
{
        ret->diff_id = arena_strdup(arena, layer->diff_id);
        ret->boot_id = arena_strdup(arena, boot_id);
        SHAPE_SET(ret, oci_stored_layer, size, (int64_t)layer->size);
        for (uint32_t i = 0; i < layer->n_blobs; i++) {
                struct oci_descriptor *blob = SHAPE_PUSH(arena, &ret->blobs);

                blob->digest = arena_strdup(arena, layer->blobs[i]);
                SHAPE_SET(blob, oci_descriptor, size, layer->blob_sizes[i]);
        }
}

int image_layer_link(int dir_fd, const char *diff_id, char ret[DIGEST_TEXT_MAX])
{
        CLEANUP_FREE char *target = xprintf("../layers/sha256-%s/fs", digest_hex(diff_id));

        for (size_t len = SHORT_NAME; len <= DIGEST_HEX; len++) {
                char there[256] = "";
                CLEANUP_FREE char *link = xprintf("l/%.*s", (int)len, digest_hex(diff_id));
                ssize_t n;

                if (symlinkat(target, dir_fd, link) < 0) {
                        if (errno != EEXIST)
                                return -errno;
                        n = readlinkat(dir_fd, link, there, sizeof(there) - 1);
                        if (n < 0 || !str_eq(there, target))
                                continue;
                }
                memcpy(ret, link + 2, len + 1);
                return 0;
        }
        return -EEXIST;
}
