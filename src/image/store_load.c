/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what the last process left: layers, images, names. Throws away what nothing refers to or what cannot be read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "image/store_internal.h"

#define RECORD_MAX (16 << 20)
#define LAYER_PREFIX "sha256-"

/* 0 when the layer is whole; -ENOENT when nobody can say so. */
static int load_layer_file(struct image_store *store, const char *diff_id, struct arena *arena, struct oci_stored_layer **ret)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *path = xprintf("%s/layers/" LAYER_PREFIX "%s/layer.json", store->dir, digest_hex(diff_id));

        if (buf_read_file(&text, path, RECORD_MAX) < 0 || SHAPE_PARSE(oci_stored_layer, arena, text.data, text.len, NULL, ret, NULL) < 0)
                return -ENOENT;
        /* Unpacked before the machine went down and not synced until then. */
        if (!str_empty((*ret)->boot_id) && !str_eq((*ret)->boot_id, store->boot_id))
                return -ENOENT;
        return 0;
}

static int load_layer(const char *entry, void *data)
{
        struct image_store *store = data;
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_FREE char *path = xprintf("layers/%s", entry);
        CLEANUP_FREE char *diff_id = NULL;
        struct oci_stored_layer *stored;
        struct image_layer *layer;
        char short_name[DIGEST_TEXT_MAX];
        int r;

        diff_id = xprintf("sha256:%s", str_starts_with(entry, LAYER_PREFIX) ? entry + strlen(LAYER_PREFIX) : "");
        if (!digest_is_valid(diff_id) || load_layer_file(store, diff_id, &arena, &stored) < 0) {
                log_info("removing a layer that is not whole", LOG_S("layer", path));
                (void)files_remove(store->dir_fd, path);
                return 0;
        }
        r = image_layer_link(store->dir_fd, diff_id, short_name);
        if (r < 0)
                return r;
        layer = image_layer_get(store, diff_id);
        for (uint32_t i = 0; i < stored->blobs.n; i++)
                if (digest_is_valid(stored->blobs.items[i].digest))
                        image_layer_add_blob(layer, stored->blobs.items[i].digest, stored->blobs.items[i].size);
        layer->sealed = str_empty(stored->boot_id);
        image_layer_set_present(store, layer, (uint64_t)stored->size, short_name);
        return 0;
}

static bool layers_are_here(struct image_store *store, const struct oci_stored_image *stored)
{
        for (uint32_t i = 0; i < stored->layers.n; i++) {
                const struct image_layer *layer = map_get(&store->layers, stored->layers.items[i], struct image_layer, node);

                if (layer == NULL || layer->state != LAYER_PRESENT)
                        return false;
        }
        return true;
}

static void load_names(struct image_record *record, const struct oci_stored_image *stored)
{
        for (uint32_t i = 0; i < stored->names.n; i++) {
                const struct oci_stored_name *name = &stored->names.items[i];
                const struct image_name *there = map_get(&record->store->names, name->name, struct image_name, node);

                /* Two records have it when the process died between writing them: the later pull counts. */
                if (there == NULL || there->pulled_ms < name->pulled_at)
                        image_name_set(record, name->name, name->pulled_at);
        }
}

static int load_image(const char *entry, void *data)
{
        struct image_store *store = data;
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *path = xprintf("%s/images/%s", store->dir, entry);
        struct oci_stored_image *stored = NULL;
        struct image_record *record;
        struct error error = {0};
        int r;

        r = buf_read_file(&text, path, RECORD_MAX);
        if (r == 0)
                r = SHAPE_PARSE(oci_stored_image, &arena, text.data, text.len, NULL, &stored, &error);
        if (r < 0 || stored == NULL || !digest_is_valid(stored->digest) || !layers_are_here(store, stored) ||
            map_find(&store->records, stored->digest) != NULL) {
                if (!str_ends_with(entry, ".new"))
                        log_warn("an image record is not complete and is removed", LOG_S("file", path), LOG_S("reason", error.message));
                (void)unlink(path);
                return 0;
        }
        record = image_record_new(store, stored->digest, stored->id, &stored->layers, stored->config);
        record->last_used_ms = stored->last_used_at;
        load_names(record, stored);
        return 0;
}

/* Layers of a pull that did not finish, or of images that were removed. */
static void drop_orphans(struct image_store *store)
{
        map_for_each (node, &store->layers) {
                struct image_layer *layer = CONTAINER_OF(node, struct image_layer, node);

                if (layer->users > 0)
                        continue;
                layer->users = 1;
                image_layer_release(store, layer);
        }
}

static int drop_dangling(const char *entry, void *data)
{
        struct image_store *store = data;
        CLEANUP_FREE char *path = xprintf("l/%s", entry);
        struct stat st;

        if (fstatat(store->dir_fd, path, &st, 0) < 0)
                (void)unlinkat(store->dir_fd, path, 0);
        return 0;
}

int image_store_load(struct image_store *store, struct error *error)
{
        CLEANUP_BUF struct buf boot_id = {0};
        int r = buf_read_file(&boot_id, "/proc/sys/kernel/random/boot_id", 64);

        if (r == 0) {
                snprintf(store->boot_id, sizeof(store->boot_id), "%.*s", (int)strcspn(boot_id.data, "\n"), boot_id.data);
                r = files_each(store->dir_fd, "layers", load_layer, store);
        }
        if (r == 0)
                r = files_each(store->dir_fd, "images", load_image, store);
        if (r == 0)
                r = files_each(store->dir_fd, "l", drop_dangling, store);
        if (r < 0)
                return error_set(error, -r, "cannot read the image store %s: %s", store->dir, strerror(-r));
        drop_orphans(store);
        image_store_seal(store);
        return 0;
}
