/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking the layers that a job has claimed: few at a time, so that the thread pool stays free for starting containers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "image/layer.h"
#include "image/pull_internal.h"

#define MAX_UNPACKING 2

struct unpacking {
        struct image_work work;
        struct job_layer *wanted;
        struct arena arena;
        char short_name[DIGEST_TEXT_MAX];
        struct error error;
        uint64_t bytes;
        int result;
};

static void start_unpacking(struct image_store *store);

void image_job_unclaim(struct job_layer *wanted)
{
        struct image_layer *layer = wanted->layer;
        struct list waiters;

        if (!wanted->claimed)
                return;
        wanted->claimed = false;
        if (layer->state == LAYER_CLAIMED)
                layer->state = LAYER_ABSENT;
        /* Those who look again may claim this very layer, and the next ones then wait for them: so it is only today's list. */
        list_init(&waiters);
        while (!list_empty(&layer->waiters)) {
                struct list *link = layer->waiters.next;

                list_remove(link);
                list_push(&waiters, link);
        }
        while (!list_empty(&waiters)) {
                struct job_layer *waiter = list_first(&waiters, struct job_layer, link);

                list_remove(&waiter->link);
                if (waiter->job->phase == JOB_SHARING)
                        image_job_layers(waiter->job);
        }
}

static int fail_errno(struct unpacking *unpacking, const char *what)
{
        return error_set(&unpacking->error, errno, "cannot %s: %s", what, strerror(errno));
}

/* staging/N/xI/fs is filled, then the directory moves to its place in one step. */
static int unpack_in(struct unpacking *unpacking, const char *dir)
{
        const struct job_layer *wanted = unpacking->wanted;
        const struct image_job *job = wanted->job;
        struct image_store *store = job->store;
        CLEANUP_FREE char *blob_path = xprintf("%s/%s", job->blobs, digest_hex(wanted->blob->digest));
        CLEANUP_FREE char *fs = xprintf("%s/fs", dir);
        CLEANUP_FREE char *target = xprintf("layers/sha256-%s", digest_hex(wanted->layer->diff_id));
        CLEANUP_CLOSE int blob = open(blob_path, O_RDONLY | O_CLOEXEC);
        CLEANUP_CLOSE int root = -1;
        struct layer_unpack layer = {
                .blob = blob,
                .blob_digest = wanted->blob->digest,
                .diff_id = wanted->layer->diff_id,
                .max_bytes = store->max_unpacked_bytes,
                .cancelled = &job->cancelled,
                .ignore_owner = store->ignore_owner,
        };
        struct oci_stored_layer *stored = ARENA_NEW(&unpacking->arena, struct oci_stored_layer);
        int r;

        if (blob < 0)
                return error_set(&unpacking->error, errno, "cannot open the layer's blob %s: %s", blob_path, strerror(errno));
        if (mkdirat(store->dir_fd, dir, 0700) < 0 || mkdirat(store->dir_fd, fs, 0755) < 0)
                return fail_errno(unpacking, "make the layer's directory");
        root = layer.root = openat(store->dir_fd, fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return fail_errno(unpacking, "open the layer's directory");
        /* A layer need not say how its root is: then it is as usual. */
        if (fchmod(root, 0755) < 0)
                return fail_errno(unpacking, "set the mode of the layer's root");
        r = layer_unpack(&layer, &unpacking->error);
        if (r < 0)
                return r;
        unpacking->bytes = layer.bytes;
        stored->diff_id = wanted->layer->diff_id;
        stored->boot_id = store->boot_id;
        SHAPE_SET(stored, oci_stored_layer, size, (int64_t)layer.bytes);
        r = image_layer_write(store->dir_fd, dir, stored);
        if (r == 0)
                r = image_layer_link(store->dir_fd, wanted->layer->diff_id, unpacking->short_name);
        if (r == 0 && renameat(store->dir_fd, dir, store->dir_fd, target) < 0)
                r = -errno;
        if (r < 0)
                return error_set(&unpacking->error, -r, "cannot put the layer into its place: %s", strerror(-r));
        if (job->staging != NULL && job->reference.kind != IMAGE_OCI_LAYOUT)
                unlink(blob_path);
        return 0;
}

static void unpack(struct image_work *work)
{
        struct unpacking *unpacking = CONTAINER_OF(work, struct unpacking, work);
        const struct job_layer *wanted = unpacking->wanted;
        CLEANUP_FREE char *dir = xprintf("%s/x%u", wanted->job->staging, (unsigned int)(wanted - wanted->job->layers));

        unpacking->result = unpack_in(unpacking, dir);
}

static void layers_done(struct image_job *job)
{
        int r = job->unpack_result;

        job->unpack_result = 0;
        if (r == 0) {
                image_job_layers(job);
                return;
        }
        error_wrap(&job->error, "pull image \"%s\"", job->reference.canonical);
        /* A blob that broke on its way may come whole the next time. */
        image_job_fail(job, r, r == -EBADMSG && job->reference.kind == IMAGE_REGISTRY);
}

static void unpacked(struct image_work *work, int status)
{
        struct unpacking *unpacking = CONTAINER_OF(work, struct unpacking, work);
        struct job_layer *wanted = unpacking->wanted;
        struct image_job *job = wanted->job;
        struct image_store *store = job->store;
        int r = status < 0 ? status : unpacking->result;

        store->n_unpacking--;
        if (r == 0) {
                image_layer_add_blob(wanted->layer, wanted->blob->digest, wanted->blob->size);
                image_layer_set_present(store, wanted->layer, unpacking->bytes, unpacking->short_name);
        } else if (job->unpack_result == 0) {
                job->unpack_result = r;
                error_clear(&job->error);
                error_set(&job->error, -r, "%s", unpacking->error.message);
        }
        arena_done(&unpacking->arena);
        free(unpacking);
        image_job_unclaim(wanted);
        if (--job->n_unpacking == 0)
                layers_done(job);
        start_unpacking(store);
}

static void start_unpacking(struct image_store *store)
{
        while (store->n_unpacking < MAX_UNPACKING && !list_empty(&store->unpack_queue)) {
                struct job_layer *wanted = list_first(&store->unpack_queue, struct job_layer, link);
                struct unpacking *unpacking = xalloc(sizeof(*unpacking));

                list_remove(&wanted->link);
                store->n_unpacking++;
                unpacking->wanted = wanted;
                unpacking->work.work = unpack;
                unpacking->work.after = unpacked;
                image_work_start(store, &unpacking->work);
        }
}

void image_job_unpack(struct image_job *job)
{
        int r = image_job_make_staging(job);

        job->unpack_result = 0;
        if (r < 0) {
                image_job_fail(job, r, false);
                return;
        }
        for (uint32_t i = 0; i < job->n_layers; i++) {
                if (!job->layers[i].claimed)
                        continue;
                job->n_unpacking++;
                list_push(&job->store->unpack_queue, &job->layers[i].link);
        }
        start_unpacking(job->store);
}
