/* SPDX-License-Identifier: Apache-2.0 */
/* The image store in memory: images, their names, their layers, and who holds what. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "image/store_internal.h"

#define LOCK_PATIENCE_MS 1000

static const char *const behavior_words[IMAGE_PULL_BEHAVIOR_MAX] = {"default", "always", "once", "prefer-cached"};

int image_pull_behavior_parse(const char *word, enum image_pull_behavior *ret)
{
        for (int i = 0; i < IMAGE_PULL_BEHAVIOR_MAX; i++) {
                if (!str_eq(word, behavior_words[i]))
                        continue;
                *ret = (enum image_pull_behavior)i;
                return 0;
        }
        return -EINVAL;
}

int64_t image_now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- work in the thread pool ---- */

static void run_work(uv_work_t *req)
{
        struct image_work *work = CONTAINER_OF(req, struct image_work, req);

        work->work(work);
}

static void after_work(uv_work_t *req, int status)
{
        struct image_work *work = CONTAINER_OF(req, struct image_work, req);
        struct image_store *store = work->store;

        work->after(work, status);
        store->works--;
        image_store_free_now(store);
}

void image_work_start(struct image_store *store, struct image_work *work)
{
        work->store = store;
        store->works++;
        uv_queue_work(store->loop, &work->req, run_work, after_work);
}

/* ---- layers ---- */

struct image_layer *image_layer_get(struct image_store *store, const char *diff_id)
{
        struct image_layer *layer = map_get(&store->layers, diff_id, struct image_layer, node);

        if (layer != NULL)
                return layer;
        layer = xalloc(sizeof(*layer));
        list_init(&layer->waiters);
        layer->diff_id = xstrdup(diff_id);
        map_insert(&store->layers, &layer->node, layer->diff_id);
        return layer;
}

static void layer_free(struct image_store *store, struct image_layer *layer)
{
        map_remove(&store->layers, &layer->node);
        for (uint32_t i = 0; i < layer->n_blobs; i++)
                free(layer->blobs[i]);
        free(layer->blobs);
        free(layer->blob_sizes);
        free(layer->diff_id);
        free(layer->dir);
        free(layer);
}

void image_layer_release(struct image_store *store, struct image_layer *layer)
{
        assert(layer->users > 0);
        if (--layer->users > 0)
                return;
        assert(layer->state != LAYER_CLAIMED);
        if (layer->state == LAYER_PRESENT) {
                store->bytes -= layer->size;
                image_gc_remove_layer(store, layer);
        }
        layer_free(store, layer);
}

void image_layer_add_blob(struct image_layer *layer, const char *digest, int64_t size)
{
        for (uint32_t i = 0; i < layer->n_blobs; i++)
                if (str_eq(layer->blobs[i], digest))
                        return;
        layer->blobs = xrealloc(layer->blobs, (layer->n_blobs + 1) * sizeof(*layer->blobs));
        layer->blob_sizes = xrealloc(layer->blob_sizes, (layer->n_blobs + 1) * sizeof(*layer->blob_sizes));
        layer->blobs[layer->n_blobs] = xstrdup(digest);
        layer->blob_sizes[layer->n_blobs++] = size;
}

struct image_layer *image_layer_by_blob(struct image_store *store, const char *digest)
{
        map_for_each (node, &store->layers) {
                struct image_layer *layer = CONTAINER_OF(node, struct image_layer, node);

                for (uint32_t i = 0; layer->state == LAYER_PRESENT && i < layer->n_blobs; i++)
                        if (str_eq(layer->blobs[i], digest))
                                return layer;
        }
        return NULL;
}

void image_layer_set_present(struct image_store *store, struct image_layer *layer, uint64_t size, const char *short_name)
{
        free(layer->dir);
        layer->dir = xprintf("%s/l/%s", store->dir, short_name);
        layer->size = size;
        layer->state = LAYER_PRESENT;
        store->bytes += size;
}

/* ---- images ---- */

struct image_record *image_record_of(struct image *image)
{
        return CONTAINER_OF(image, struct image_record, image);
}

struct image_record *image_record_new(struct image_store *store, const char *digest, const char *id, const struct string_list *diff_ids,
                                      const struct oci_image_config *config)
{
        struct image_record *record = xalloc(sizeof(*record));
        const char **dirs;

        record->store = store;
        list_init(&record->names);
        record->image.digest = arena_strdup(&record->arena, digest);
        record->image.id = arena_strdup(&record->arena, id);
        record->image.config = SHAPE_COPY(oci_image_config, config, &record->arena);
        record->image.n_layers = diff_ids->n;
        record->image.layers = dirs = arena_calloc(&record->arena, diff_ids->n + 1, sizeof(*dirs));
        record->layers = arena_calloc(&record->arena, diff_ids->n + 1, sizeof(struct image_layer *));
        for (uint32_t i = 0; i < diff_ids->n; i++) {
                struct image_layer *layer = image_layer_get(store, diff_ids->items[i]);

                assert(layer->state == LAYER_PRESENT);
                layer->users++;
                record->layers[i] = layer;
                record->image.size += layer->size;
                dirs[i] = arena_strdup(&record->arena, layer->dir);
        }
        record->last_used_ms = image_now_ms();
        map_insert(&store->records, &record->node, record->image.digest);
        return record;
}

static void record_free(struct image_record *record)
{
        list_for_each (name, &record->names, struct image_name, link)
                image_name_free(name);
        map_remove(&record->store->records, &record->node);
        for (uint32_t i = 0; i < record->image.n_layers; i++)
                image_layer_release(record->store, record->layers[i]);
        arena_done(&record->arena);
        free(record);
}

void image_record_remove(struct image_record *record)
{
        struct image_store *store = record->store;
        char digest[DIGEST_TEXT_MAX];

        assert(record->refs == 0);
        memcpy(digest, record->image.digest, strlen(record->image.digest) + 1);
        record_free(record);
        image_record_sync(store, digest);
}

void image_name_free(struct image_name *name)
{
        list_remove(&name->link);
        map_remove(&name->record->store->names, &name->node);
        free(name->name);
        free(name);
}

void image_record_settle(struct image_record *record)
{
        if (list_empty(&record->names))
                record->doomed = true;
        if (record->doomed && record->refs == 0 && !record->store->freeing)
                image_record_remove(record);
}

void image_name_set(struct image_record *record, const char *name, int64_t pulled_ms)
{
        struct image_name *entry = map_get(&record->store->names, name, struct image_name, node);
        struct image_record *before = entry != NULL ? entry->record : NULL;

        if (entry == NULL) {
                entry = xalloc(sizeof(*entry));
                entry->name = xstrdup(name);
                map_insert(&record->store->names, &entry->node, entry->name);
                list_init(&entry->link);
        }
        if (pulled_ms != 0)
                entry->pulled_ms = pulled_ms;
        entry->record = record;
        record->doomed = false;
        if (before == record)
                return;
        list_remove(&entry->link);
        list_push(&record->names, &entry->link);
        /* An image that lost its last name stays while it is in use, and until the next collection: rolling back is common. */
        if (before != NULL)
                image_record_sync(before->store, before->image.digest);
}

struct image_record *image_store_lookup(struct image_store *store, const char *name)
{
        struct image_name *entry;

        if (digest_is_valid(name)) {
                struct image_record *record = map_get(&store->records, name, struct image_record, node);

                if (record != NULL)
                        return record;
                map_for_each (node, &store->records) {
                        record = CONTAINER_OF(node, struct image_record, node);
                        if (str_eq(record->image.id, name))
                                return record;
                }
                return NULL;
        }
        entry = map_get(&store->names, name, struct image_name, node);
        return entry != NULL ? entry->record : NULL;
}

struct image *image_ref(struct image *image)
{
        image_record_of(image)->refs++;
        return image;
}

struct image *image_unref(struct image *image)
{
        struct image_record *record;

        if (image == NULL)
                return NULL;
        record = image_record_of(image);
        assert(record->refs > 0);
        record->last_used_ms = image_now_ms();
        if (--record->refs == 0 && record->doomed)
                image_record_settle(record);
        else if (record->refs == 0)
                image_store_free_now(record->store); /* if it waits for that */
        return NULL;
}

struct image *image_store_find(struct image_store *store, const char *name)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct image_reference reference;
        struct image_record *record = image_store_lookup(store, name);

        if (record == NULL && image_reference_parse(name, &arena, &reference, NULL) == 0) {
                record = image_store_lookup(store, reference.canonical);
                if (record == NULL && reference.digest != NULL)
                        record = image_store_lookup(store, reference.digest);
        }
        return record != NULL ? image_ref(&record->image) : NULL;
}

void image_store_tag(struct image_store *store, struct image *image, const char *name)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct image_reference reference;
        struct image_record *record = image_record_of(image);

        (void)store;
        image_name_set(record, image_reference_parse(name, &arena, &reference, NULL) == 0 ? reference.canonical : name, 0);
        image_record_sync(record->store, record->image.digest);
}

int image_store_untag(struct image_store *store, const char *name)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct image_reference reference;
        struct image_name *entry;
        struct image_record *record;

        if (image_reference_parse(name, &arena, &reference, NULL) == 0)
                name = reference.canonical;
        entry = map_get(&store->names, name, struct image_name, node);
        if (entry == NULL)
                return -ENOENT;
        record = entry->record;
        image_name_free(entry);
        if (list_empty(&record->names))
                image_record_settle(record);
        else
                image_record_sync(record->store, record->image.digest);
        return 0;
}

void image_store_totals(struct image_store *store, struct image_store_totals *ret)
{
        *ret = (struct image_store_totals){
                .images = (uint32_t)store->records.count,
                .layers = (uint32_t)store->layers.count,
                .pulls_active = store->n_active,
                .pulls_waiting = store->n_waiting,
                .bytes = store->bytes,
        };
}

void image_store_each(struct image_store *store, void (*fn)(const char *name, const struct image *image, void *data), void *data)
{
        map_for_each (node, &store->names) {
                struct image_name *name = CONTAINER_OF(node, struct image_name, node);

                fn(name->name, &name->record->image, data);
        }
}

/* ---- opening and freeing ---- */

static const char *const folders[] = {"conf", "images", "layers", "l", "staging"};

static int open_dirs(struct image_store *store, struct error *error)
{
        int r = files_make_dirs(store->dir, 0700);

        if (r == 0) {
                store->dir_fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = store->dir_fd < 0 ? -errno : 0;
        }
        if (r == 0) {
                store->lock_fd = files_lock(store->dir_fd, "lock", LOCK_PATIENCE_MS);
                r = MIN(store->lock_fd, 0);
        }
        if (r == -EWOULDBLOCK)
                return error_set(error, EBUSY, "another process has the image store %s: end it, or give this one another directory",
                                 store->dir);
        /* What was half done when the last process ended is of no use; it may be large, and is deleted in the background. */
        if (r == 0) {
                CLEANUP_FREE char *old = xprintf("old-%lld", (long long)image_now_ms());

                r = renameat(store->dir_fd, "staging", store->dir_fd, old) < 0 && errno != ENOENT ? -errno : 0;
        }
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
                r = mkdirat(store->dir_fd, folders[i], 0700) < 0 && errno != EEXIST ? -errno : 0;
        return r < 0 ? error_set(error, -r, "cannot open the image store %s: %s", store->dir, strerror(-r)) : 0;
}

/* ---- what the last process left ---- */

static int remove_old(const char *entry, void *data)
{
        struct image_store *store = data;

        if (str_starts_with(entry, "old-") && files_remove(store->dir_fd, entry) < 0)
                log_warn("cannot remove the rest of an unfinished pull: the next start tries again", LOG_S("entry", entry));
        return 0;
}

static void sweep(struct image_work *work)
{
        (void)(files_each(work->store->dir_fd, ".", remove_old, work->store) < 0);
}

static void swept(struct image_work *work, int status)
{
        (void)status;
        free(work);
}

static void start_sweep(struct image_store *store)
{
        struct image_work *work = xalloc(sizeof(*work));

        work->work = sweep;
        work->after = swept;
        image_work_start(store, work);
}

int image_store_new(const struct image_store_options *options, struct image_store **ret, struct error *error)
{
        struct image_store *store = xalloc(sizeof(*store));
        int r;

        store->loop = options->loop;
        store->dir_fd = store->lock_fd = -1;
        map_init(&store->names);
        map_init(&store->records);
        map_init(&store->layers);
        list_init(&store->jobs);
        list_init(&store->waiting);
        list_init(&store->unpack_queue);
        list_init(&store->removals);
        list_init(&store->dirty);
        /* skopeo is given absolute paths. */
        if (*options->dir == '/') {
                store->dir = xstrdup(options->dir);
        } else {
                CLEANUP_FREE char *here = getcwd(NULL, 0);

                store->dir = xprintf("%s/%s", here != NULL ? here : "", options->dir);
        }
        r = open_dirs(store, error);
        if (r == 0)
                r = image_store_configure(store, options, error);
        if (r == 0)
                r = image_store_load(store, error);
        if (r < 0) {
                image_store_free(store);
                return r;
        }
        image_gc_start(store, options->gc_interval_s != 0 ? options->gc_interval_s : 1800);
        start_sweep(store);
        *ret = store;
        return 0;
}

static bool is_in_use(const struct image_store *store)
{
        for (struct map_node *node = map_next(&store->records, NULL); node != NULL; node = map_next(&store->records, node))
                if (CONTAINER_OF(node, struct image_record, node)->refs > 0)
                        return true;
        return false;
}

/* The last part of freeing: runs when nothing is under way any more and the last reference was given back. */
void image_store_free_now(struct image_store *store)
{
        if (!store->freeing || store->works > 0 || !list_empty(&store->jobs) || store->timer_open || is_in_use(store))
                return;
        for (struct map_node *node = map_next(&store->records, NULL); node != NULL; node = map_next(&store->records, NULL)) {
                struct image_record *record = CONTAINER_OF(node, struct image_record, node);

                /* The layers stay on the disk. */
                for (uint32_t i = 0; i < record->image.n_layers; i++)
                        record->layers[i]->users++;
                record_free(record);
        }
        for (struct map_node *node = map_next(&store->layers, NULL); node != NULL; node = map_next(&store->layers, NULL))
                layer_free(store, CONTAINER_OF(node, struct image_layer, node));
        map_done(&store->names);
        map_done(&store->records);
        map_done(&store->layers);
        login_list_free(store->logins);
        arena_done(&store->arena);
        if (store->lock_fd >= 0)
                close(store->lock_fd);
        if (store->dir_fd >= 0)
                close(store->dir_fd);
        free(store->skopeo);
        free(store->dir);
        free(store);
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct image_store *store = handle->data;

        store->timer_open = false;
        image_store_free_now(store);
}

struct image_store *image_store_free(struct image_store *store)
{
        if (store == NULL)
                return NULL;
        store->freeing = true;
        image_jobs_cancel_all(store);
        if (store->timer_open)
                uv_close((uv_handle_t *)&store->timer, on_timer_closed);
        else
                image_store_free_now(store);
        return NULL;
}
