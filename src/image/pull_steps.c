/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a fetch, in order: what the name stands for, the manifest for this machine, the configuration, the layers' blobs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/layout.h"
#include "image/pull_internal.h"

#define ARGS_MAX 32

static void begin(struct image_job *job, enum job_phase phase)
{
        job->phase = phase;
        job->step_started = job->last_progress = uv_now(job->store->loop);
        job->seen_bytes = 0;
}

static void fail_pull(struct image_job *job, int r)
{
        error_wrap(&job->error, "pull image \"%s\"", job->reference.canonical);
        image_job_fail(job, r, false);
}

int image_job_make_staging(struct image_job *job)
{
        static const char *const inside[] = {"", "/blobs", "/blobs/sha256"};
        struct image_store *store = job->store;

        if (job->staging != NULL)
                return 0;
        job->staging = xprintf("staging/%llu", (unsigned long long)store->next_staging++);
        for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
                CLEANUP_FREE char *path = xprintf("%s%s", job->staging, inside[i]);

                if (mkdirat(store->dir_fd, path, 0700) < 0)
                        return error_set(&job->error, errno, "cannot make %s/%s: %s", store->dir, path, strerror(errno));
        }
        return 0;
}

/* ---- running skopeo ---- */

struct command {
        const char *args[ARGS_MAX];
        size_t n;
};

static void add(struct command *command, const char *arg)
{
        assert(command->n + 1 < ARGS_MAX);
        command->args[command->n++] = arg;
}

static bool is_plain(const struct image_job *job)
{
        const char *registry = job->reference.registry;

        if (registry == NULL)
                return false;
        for (uint32_t i = 0; i < job->store->insecure.n; i++)
                if (str_eq(job->store->insecure.items[i], registry))
                        return true;
        return image_registry_is_loopback(registry);
}

/* The login of this pull goes through a file: arguments can be read by every process of the machine. */
static int write_login(struct image_job *job)
{
        CLEANUP_FREE char *path = NULL;
        CLEANUP_BUF struct buf text = {0};
        struct login_list *logins;
        int r = image_job_make_staging(job);

        if (r < 0)
                return r;
        logins = login_list_new();
        login_add(logins, job->reference.registry, job->username, job->password);
        login_write(logins, &text);
        login_list_free(logins);
        path = xprintf("%s/auth.json", job->staging);
        r = files_write(job->store->dir_fd, path, text.data, text.len, 0600, false);
        return r < 0 ? error_set(&job->error, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int begin_command(struct image_job *job, struct command *command, const char *verb, bool copies)
{
        struct image_store *store = job->store;
        struct arena *arena = &job->attempt;

        add(command, store->skopeo);
        /* Should the agent be killed meanwhile: nobody is there to end one that hangs. */
        add(command, "--command-timeout");
        add(command, arena_printf(arena, "%us", store->timeout_s));
        if (!store->has_policy) {
                add(command, "--policy");
                add(command, arena_printf(arena, "%s/conf/policy.json", store->dir));
        }
        if (store->has_registries) {
                add(command, "--registries-conf");
                add(command, arena_printf(arena, "%s/conf/registries.conf", store->dir));
        }
        if (copies) {
                add(command, "--tmpdir");
                add(command, job->staging);
        }
        add(command, verb);
        if (is_plain(job))
                add(command, copies ? "--src-tls-verify=false" : "--tls-verify=false");
        if (job->reference.kind != IMAGE_REGISTRY)
                return 0;
        if (job->username != NULL) {
                int r = write_login(job);

                if (r < 0)
                        return r;
                add(command, "--authfile");
                add(command, arena_printf(arena, "%s/%s/auth.json", store->dir, job->staging));
        } else if (store->has_auth) {
                add(command, "--authfile");
                add(command, arena_printf(arena, "%s/conf/auth.json", store->dir));
        }
        return 0;
}

/* The image as skopeo takes it; by digest once that is known. */
static const char *source(struct image_job *job, const char *digest)
{
        const struct image_reference *reference = &job->reference;

        if (reference->kind == IMAGE_DOCKER_ARCHIVE)
                return reference->canonical;
        if (digest != NULL)
                return arena_printf(&job->attempt, "docker://%s/%s@%s", reference->registry, reference->repository, digest);
        return arena_printf(&job->attempt, "docker://%s", reference->canonical);
}

static void run(struct image_job *job, struct command *command, size_t max_output, void (*done)(struct skopeo_run *run, int status))
{
        add(command, NULL);
        buf_done(&job->run.out);
        buf_done(&job->run.err);
        job->run.loop = job->store->loop;
        job->run.args = command->args;
        job->run.directory = job->store->dir;
        job->run.max_output = max_output;
        job->run.done = done;
        skopeo_run_start(&job->run);
        job->run.args = NULL;
}

/* Whether the run went well; else the job is dealt with. */
static bool went_well(struct image_job *job, int status)
{
        const char *said = job->run.err.data != NULL ? job->run.err.data : "";
        bool retry = false;

        if (job->cancelled)
                status = -ECANCELED;
        if (status == 0)
                return true;
        error_clear(&job->error);
        if (status == -ETIMEDOUT && job->timed_out) {
                error_set(&job->error, ETIMEDOUT,
                          "pull image \"%s\": it took longer than %u s: look at the network, or raise the agent's --pull-timeout",
                          job->reference.canonical, job->store->timeout_s);
        } else if (status == -ETIMEDOUT) {
                error_set(&job->error, ETIMEDOUT,
                          "pull image \"%s\": nothing came from %s for %u s: check that the registry is well and can be reached from this "
                          "node",
                          job->reference.canonical, job->reference.registry != NULL ? job->reference.registry : job->reference.path,
                          job->store->inactivity_s);
        } else if (status == -ENOENT) {
                error_set(&job->error, ENOENT, "%s is not installed: install the package skopeo on this node", job->store->skopeo);
        } else if (status == -EIO) {
                retry = skopeo_explain(said, job->reference.canonical, job->reference.registry, &job->error);
                status = -job->error.number;
        } else if (status != -ECANCELED) {
                error_set(&job->error, -status, "pull image \"%s\": cannot run %s: %s", job->reference.canonical, job->store->skopeo,
                          strerror(-status));
        }
        if ((job->phase == JOB_RESOLVING || job->phase == JOB_CHOOSING) && (status == -ETIMEDOUT || retry))
                snprintf(job->error.code, sizeof(job->error.code), "CannotPullImageManifestError");
        image_job_fail(job, status, retry);
        return false;
}

/* ---- copying ---- */

static void on_copied(struct skopeo_run *run, int status)
{
        struct image_job *job = CONTAINER_OF(run, struct image_job, run);

        if (went_well(job, status)) {
                begin(job, JOB_UNPACKING);
                image_job_unpack(job);
        }
}

/* For the layers that are here an empty file of the right size stands where skopeo would put the blob: it takes it for fetched. */
static int seed_blobs(struct image_job *job)
{
        for (uint32_t i = 0; i < job->n_layers; i++) {
                const struct oci_descriptor *blob = job->layers[i].blob;
                CLEANUP_FREE char *path = NULL;
                CLEANUP_CLOSE int fd = -1;

                if (job->layers[i].layer->state != LAYER_PRESENT)
                        continue;
                path = xprintf("%s/blobs/sha256/%s", job->staging, digest_hex(blob->digest));
                fd = openat(job->store->dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                if (fd < 0 || ftruncate(fd, blob->size) < 0)
                        return error_set(&job->error, errno, "cannot make %s: %s", path, strerror(errno));
        }
        return 0;
}

static void copy(struct image_job *job)
{
        struct command command = {0};
        struct arena *arena = &job->attempt;
        int r;

        begin(job, JOB_COPYING);
        r = image_job_make_staging(job);
        if (r == 0)
                r = seed_blobs(job);
        if (r == 0)
                r = begin_command(job, &command, "copy", true);
        if (r < 0) {
                fail_pull(job, r);
                return;
        }
        add(&command, "--quiet");
        add(&command, "--dest-oci-accept-uncompressed-layers");
        add(&command, "--dest-shared-blob-dir");
        add(&command, arena_printf(arena, "%s/blobs", job->staging));
        add(&command, source(job, job->chosen));
        add(&command, arena_printf(arena, "oci:%s/layout:image", job->staging));
        job->blobs = arena_printf(arena, "%s/%s/blobs/sha256", job->store->dir, job->staging);
        run(job, &command, 1 << 20, on_copied);
}

/* ---- layers ---- */

void image_job_layers(struct image_job *job)
{
        bool others = false, missing = false;

        if (job->cancelled) {
                image_job_fail(job, -ECANCELED, false);
                return;
        }
        for (uint32_t i = 0; i < job->n_layers; i++) {
                struct job_layer *wanted = &job->layers[i];

                if (wanted->layer->state == LAYER_CLAIMED && !wanted->claimed) {
                        list_remove(&wanted->link);
                        list_push(&wanted->layer->waiters, &wanted->link);
                        others = true;
                }
                missing = missing || wanted->layer->state != LAYER_PRESENT;
        }
        /* Claims are taken all at once and never while waiting, so that two jobs cannot wait for each other. */
        if (others) {
                begin(job, JOB_SHARING);
                return;
        }
        if (!missing) {
                begin(job, JOB_RECORDING);
                image_job_record(job);
                return;
        }
        for (uint32_t i = 0; i < job->n_layers; i++) {
                struct job_layer *wanted = &job->layers[i];

                /* An image may have the same layer twice: one claim. */
                if (wanted->layer->state != LAYER_ABSENT)
                        continue;
                wanted->layer->state = LAYER_CLAIMED;
                wanted->claimed = true;
        }
        if (job->reference.kind == IMAGE_OCI_LAYOUT) {
                begin(job, JOB_UNPACKING);
                image_job_unpack(job);
        } else {
                copy(job);
        }
}

static void take_layers(struct image_job *job)
{
        uint32_t n = job->manifest->layers.n;

        job->layers = arena_calloc(&job->attempt, n + 1, sizeof(*job->layers));
        job->n_layers = n;
        for (uint32_t i = 0; i < n; i++) {
                struct job_layer *wanted = &job->layers[i];

                wanted->job = job;
                list_init(&wanted->link);
                wanted->blob = &job->manifest->layers.items[i];
                wanted->layer = image_layer_get(job->store, job->config->rootfs->diff_ids.items[i]);
                wanted->layer->users++;
        }
        image_job_layers(job);
}

/* ---- manifest and configuration from a registry ---- */

static void on_config(struct skopeo_run *run, int status)
{
        struct image_job *job = CONTAINER_OF(run, struct image_job, run);
        int r;

        if (!went_well(job, status))
                return;
        r = image_config_parse(run->out.data, run->out.len, job->manifest, &job->attempt, &job->config, &job->error);
        if (r < 0)
                fail_pull(job, r);
        else
                take_layers(job);
}

static void inspect(struct image_job *job, const char *digest, bool config, void (*done)(struct skopeo_run *run, int status))
{
        struct command command = {0};
        int r = begin_command(job, &command, "inspect", false);

        if (r < 0) {
                fail_pull(job, r);
                return;
        }
        add(&command, "--raw");
        if (config)
                add(&command, "--config");
        add(&command, source(job, digest));
        run(job, &command, config ? IMAGE_CONFIG_BYTES_MAX : IMAGE_MANIFEST_BYTES_MAX, done);
}

static void read_config(struct image_job *job, struct oci_manifest *manifest)
{
        job->manifest = manifest;
        begin(job, JOB_READING_CONFIG);
        inspect(job, job->chosen, true, on_config);
}

static void on_chosen(struct skopeo_run *run, int status)
{
        struct image_job *job = CONTAINER_OF(run, struct image_job, run);
        struct image_manifest manifest;
        int r;

        if (!went_well(job, status))
                return;
        r = image_manifest_parse(run->out.data != NULL ? run->out.data : "", run->out.len, &job->attempt, &manifest, &job->error);
        if (r == 0 && !str_eq(manifest.digest, job->chosen))
                r = error_set(&job->error, EBADMSG, "the registry sent a manifest with the digest %s instead of %s: pull again",
                              manifest.digest, job->chosen);
        if (r == 0 && manifest.image == NULL)
                r = error_set(&job->error, EINVAL, "the registry has an index in an index there");
        if (r < 0)
                fail_pull(job, r);
        else
                read_config(job, manifest.image);
}

/* Whether the image that the name stands for is here already. */
static bool is_here(struct image_job *job)
{
        const struct image_name *name = map_get(&job->store->names, job->reference.canonical, struct image_name, node);
        bool known;

        job->record = image_store_lookup(job->store, job->resolved);
        if (job->record == NULL)
                return false;
        known = name != NULL && name->record == job->record && name->pulled_ms != 0;
        image_name_set(job->record, job->reference.canonical, image_now_ms());
        if (known)
                image_record_used(job->record);
        else
                image_record_sync(job->store, job->resolved);
        image_job_finish(job, 0);
        return true;
}

static void on_resolved(struct skopeo_run *run, int status)
{
        struct image_job *job = CONTAINER_OF(run, struct image_job, run);
        const char *wanted = job->digest != NULL ? job->digest : job->reference.digest;
        const struct oci_descriptor *entry;
        struct image_manifest manifest;
        int r;

        if (!went_well(job, status))
                return;
        r = image_manifest_parse(run->out.data != NULL ? run->out.data : "", run->out.len, &job->attempt, &manifest, &job->error);
        if (r == 0 && wanted != NULL && !str_eq(manifest.digest, wanted))
                r = error_set(&job->error, EBADMSG, "the registry sent a manifest with the digest %s instead of %s: pull again",
                              manifest.digest, wanted);
        if (r < 0) {
                fail_pull(job, r);
                return;
        }
        memcpy(job->resolved, manifest.digest, sizeof(job->resolved));
        if (is_here(job))
                return;
        if (manifest.image != NULL) {
                job->chosen = arena_strdup(&job->attempt, manifest.digest);
                read_config(job, manifest.image);
                return;
        }
        r = image_index_choose(manifest.index, &entry, &job->error);
        if (r < 0) {
                fail_pull(job, r);
                return;
        }
        job->chosen = entry->digest;
        begin(job, JOB_CHOOSING);
        inspect(job, job->chosen, false, on_chosen);
}

/* ---- a layout on this machine ---- */

struct layout_work {
        struct image_work work;
        struct image_job *job;
        int result;
};

static void read_layout(struct image_work *work)
{
        struct layout_work *layout = CONTAINER_OF(work, struct layout_work, work);
        struct image_job *job = layout->job;
        CLEANUP_BUF struct buf text = {0};
        const char *path = job->reference.path;
        int r;

        r = layout_resolve(path, job->digest != NULL ? job->digest : job->reference.reference, &job->attempt, &job->manifest, job->resolved,
                           &job->error);
        if (r == 0)
                r = layout_read_config(path, job->manifest, &text, &job->error);
        if (r == 0)
                r = image_config_parse(text.data, text.len, job->manifest, &job->attempt, &job->config, &job->error);
        layout->result = r;
}

static void after_layout(struct image_work *work, int status)
{
        struct layout_work *layout = CONTAINER_OF(work, struct layout_work, work);
        struct image_job *job = layout->job;
        int r = status < 0 ? status : layout->result;

        free(layout);
        if (job->cancelled) {
                image_job_fail(job, -ECANCELED, false);
        } else if (r < 0) {
                fail_pull(job, r);
        } else if (!is_here(job)) {
                job->blobs = arena_printf(&job->attempt, "%s/blobs/sha256", job->reference.path);
                take_layers(job);
        }
}

void image_job_resolve(struct image_job *job)
{
        struct layout_work *layout;

        begin(job, JOB_RESOLVING);
        if (job->reference.kind != IMAGE_OCI_LAYOUT) {
                inspect(job, job->digest, false, on_resolved);
                return;
        }
        layout = xalloc(sizeof(*layout));
        layout->job = job;
        layout->work.work = read_layout;
        layout->work.after = after_layout;
        image_work_start(job->store, &layout->work);
}

/* ---- watching ---- */

struct measure {
        struct image_job *job;
        const char *folder;
        uint64_t bytes;
};

static int measure_entry(const char *entry, void *data)
{
        struct measure *measure = data;
        CLEANUP_FREE char *path = xprintf("%s/%s/%s", measure->job->staging, measure->folder, entry);
        struct stat st;

        if (fstatat(measure->job->store->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
                measure->bytes += (uint64_t)st.st_size;
        return 0;
}

/* Whether what has arrived has grown: skopeo writes into the layout and moves whole blobs from there. */
static bool has_grown(struct image_job *job)
{
        static const char *const folders[] = {"layout", "layout/blobs/sha256", "blobs/sha256", "."};
        struct measure measure = {.job = job};
        bool grown;

        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                CLEANUP_FREE char *path = xprintf("%s/%s", job->staging, folders[i]);

                measure.folder = folders[i];
                if (files_each(job->store->dir_fd, path, measure_entry, &measure) < 0)
                        continue;
        }
        grown = measure.bytes != job->seen_bytes;
        job->seen_bytes = measure.bytes;
        return grown;
}

void image_job_watch(struct image_job *job)
{
        uint64_t now = uv_now(job->store->loop);

        if (image_now_ms() - job->started_ms > (int64_t)job->store->timeout_s * 1000) {
                job->timed_out = true;
                skopeo_run_kill(&job->run, -ETIMEDOUT);
                return;
        }
        if (job->phase == JOB_COPYING && has_grown(job))
                job->last_progress = now;
        if (now - job->last_progress > (uint64_t)job->store->inactivity_s * 1000)
                skopeo_run_kill(&job->run, -ETIMEDOUT);
}
