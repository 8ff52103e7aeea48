/* SPDX-License-Identifier: Apache-2.0 */
/* Pulls: who wants which image, which fetch they share, what they are told at the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "image/pull_internal.h"

#define ATTEMPTS 3
#define PAUSE_MS 1000 /* before the second attempt; three times as long before each further one */
#define TICK_MS 1000

/* ---- answers ---- */

/* An answer that needs no fetch: comes on a later turn of the loop all the same. */
struct answer {
        struct image_store *store; /* lasts until the answer was given */
        uv_timer_t timer;
        struct image_pull *pull;     /* NULL: cancelled */
        struct image_record *record; /* holds a reference; NULL: error */
        struct error error;
};

static void answer_free(uv_handle_t *handle)
{
        struct answer *answer = handle->data;
        struct image_store *store = answer->store;

        free(answer);
        store->works--;
        image_store_free_now(store);
}

static void on_answer(uv_timer_t *timer)
{
        struct answer *answer = timer->data;
        struct image_pull *pull = answer->pull;
        struct image_pull_result result = {.from_cache = true, .error = &answer->error};

        if (answer->record != NULL)
                result.image = &answer->record->image;
        else
                result.status = -answer->error.number;
        if (pull != NULL) {
                pull->job_ = NULL;
                pull->link_.next = NULL;
                pull->done(pull, &result);
        } else if (answer->record != NULL) {
                image_unref(&answer->record->image);
        }
        uv_close((uv_handle_t *)timer, answer_free);
}

/* A pull without a job has its answer in link_.next, where image_pull_cancel finds it. */
static void answer_later(struct image_store *store, struct image_pull *pull, struct image_record *record, const struct error *error)
{
        struct answer *answer = xalloc(sizeof(*answer));

        answer->store = store;
        store->works++;
        answer->pull = pull;
        answer->record = record;
        if (record != NULL)
                image_ref(&record->image);
        if (error != NULL)
                answer->error = *error;
        pull->job_ = NULL;
        pull->link_.next = (struct list *)(void *)answer;
        answer->timer.data = answer;
        uv_timer_init(store->loop, &answer->timer);
        uv_timer_start(&answer->timer, on_answer, 0, 0);
}

static void tell(struct image_job *job, struct image_pull *pull, int r)
{
        struct image_pull_result result = {
                .status = r,
                .started_ms = job->started_ms,
                .stopped_ms = image_now_ms(),
                .error = &job->error,
        };
        struct image_record *cached = NULL;

        list_remove(&pull->link_);
        pull->job_ = NULL;
        pull->link_.next = NULL;
        if (r == 0) {
                result.image = image_ref(&job->record->image);
        } else if (r != -ECANCELED && pull->behavior == IMAGE_PULL_DEFAULT) {
                cached = image_store_lookup(job->store, job->reference.canonical);
                if (cached != NULL && (job->digest == NULL || str_eq(job->digest, cached->image.digest))) {
                        log_warn("cannot ask the registry: using the image that is here", LOG_S("image", job->reference.canonical),
                                 LOG_S("reason", job->error.message));
                        result.status = 0;
                        result.image = image_ref(&cached->image);
                        result.from_cache = true;
                }
        }
        pull->done(pull, &result);
}

/* ---- jobs ---- */

static void start_next(struct image_store *store);

static void job_free(struct image_job *job)
{
        struct image_store *store = job->store;

        list_remove(&job->link);
        if (job->password != NULL)
                OPENSSL_cleanse((char *)(uintptr_t)job->password, strlen(job->password));
        buf_done(&job->run.out);
        buf_done(&job->run.err);
        arena_done(&job->attempt);
        arena_done(&job->arena);
        free(job->staging);
        free(job);
        image_store_free_now(store);
}

static void on_timer_closed(uv_handle_t *handle)
{
        job_free(handle->data);
}

struct cleaning {
        struct image_work work;
        struct image_job *job;
        char *staging;
};

static void clean_staging(struct image_work *work)
{
        (void)files_remove(work->store->dir_fd, CONTAINER_OF(work, struct cleaning, work)->staging);
}

static void cleaned_staging(struct image_work *work, int status)
{
        struct cleaning *cleaning = CONTAINER_OF(work, struct cleaning, work);

        (void)status;
        free(cleaning->staging);
        free(cleaning);
}

/* Gives back all that an attempt holds; its files go in the background. */
static void end_attempt(struct image_job *job)
{
        struct cleaning *cleaning;

        for (uint32_t i = 0; i < job->n_layers; i++) {
                list_remove(&job->layers[i].link);
                image_job_unclaim(&job->layers[i]);
                image_layer_release(job->store, job->layers[i].layer);
        }
        job->n_layers = 0;
        job->layers = NULL;
        job->manifest = NULL;
        job->config = NULL;
        job->chosen = NULL;
        arena_reset(&job->attempt);
        if (job->staging == NULL)
                return;
        cleaning = xalloc(sizeof(*cleaning));
        cleaning->staging = TAKE(job->staging);
        cleaning->work.work = clean_staging;
        cleaning->work.after = cleaned_staging;
        image_work_start(job->store, &cleaning->work);
}

void image_job_finish(struct image_job *job, int r)
{
        struct image_store *store = job->store;
        struct image_record *record = job->record;

        /* The callbacks may give up their references at once: the record must last until all were told. */
        if (record != NULL)
                image_ref(&record->image);
        end_attempt(job);
        job->phase = JOB_CLEANING;
        if (r < 0 && job->error.code[0] == '\0')
                snprintf(job->error.code, sizeof(job->error.code), "CannotPullContainerError");
        for (struct image_pull *pull; (pull = list_first(&job->pulls, struct image_pull, link_)) != NULL;)
                tell(job, pull, r);
        if (record != NULL)
                image_unref(&record->image);
        store->n_active--;
        uv_close((uv_handle_t *)&job->timer, on_timer_closed);
        start_next(store);
}

static void on_pause_over(uv_timer_t *timer);

static void on_tick(uv_timer_t *timer)
{
        image_job_watch(timer->data);
}

static void start_attempt(struct image_job *job)
{
        job->attempts++;
        error_clear(&job->error);
        uv_timer_start(&job->timer, on_tick, TICK_MS, TICK_MS);
        image_job_resolve(job);
}

static void on_pause_over(uv_timer_t *timer)
{
        struct image_job *job = timer->data;

        if (job->cancelled)
                image_job_finish(job, -ECANCELED);
        else
                start_attempt(job);
}

/* Whether everyone who waits takes what is here: then nobody should wait longer for a registry that does not answer. */
static bool all_have_a_copy(const struct image_job *job)
{
        if (image_store_lookup(job->store, job->reference.canonical) == NULL)
                return false;
        list_for_each (pull, (struct list *)(uintptr_t)&job->pulls, struct image_pull, link_)
                if (pull->behavior != IMAGE_PULL_DEFAULT)
                        return false;
        return true;
}

void image_job_fail(struct image_job *job, int r, bool retry)
{
        uint64_t pause = PAUSE_MS;

        if (job->cancelled)
                r = -ECANCELED;
        if (r == -ENOSPC)
                image_store_reclaim(job->store, UINT64_C(1) << 30);
        if (r == -ECANCELED || !retry || job->attempts >= ATTEMPTS || job->timed_out || all_have_a_copy(job)) {
                image_job_finish(job, r);
                return;
        }
        log_debug("a pull failed and is tried again", LOG_S("image", job->reference.canonical), LOG_S("reason", job->error.message));
        for (uint32_t i = 1; i < job->attempts; i++)
                pause *= 3;
        end_attempt(job);
        job->phase = JOB_PAUSING;
        uv_timer_start(&job->timer, on_pause_over, pause, 0);
}

static void start_next(struct image_store *store)
{
        while (!store->freeing && store->n_active < store->max_parallel_pulls && !list_empty(&store->waiting)) {
                struct image_job *job = list_first(&store->waiting, struct image_job, link);

                list_remove(&job->link);
                list_push(&store->jobs, &job->link);
                store->n_waiting--;
                store->n_active++;
                job->started_ms = image_now_ms();
                job->step_started = uv_now(store->loop);
                start_attempt(job);
        }
}

static struct image_job *find_job(struct list *jobs, const char *key)
{
        list_for_each (job, jobs, struct image_job, link)
                if (str_eq(job->key, key) && !job->cancelled && job->phase != JOB_CLEANING)
                        return job;
        return NULL;
}

static struct image_job *job_new(struct image_store *store, const struct image_pull *pull, const char *key)
{
        struct image_job *job = xalloc(sizeof(*job));

        job->store = store;
        list_init(&job->link);
        list_init(&job->pulls);
        job->key = arena_strdup(&job->arena, key);
        job->username = arena_strdup(&job->arena, pull->username);
        job->password = arena_strdup(&job->arena, pull->password);
        job->digest = arena_strdup(&job->arena, pull->digest);
        job->timer.data = job;
        uv_timer_init(store->loop, &job->timer);
        return job;
}

/* What is here and good enough for this pull; NULL: a registry must be asked. */
static struct image_record *cached_for(struct image_store *store, const struct image_pull *pull, const struct image_reference *reference)
{
        const char *digest = pull->digest != NULL ? pull->digest : reference->digest;
        struct image_name *name;

        if (pull->behavior == IMAGE_PULL_ALWAYS)
                return NULL;
        if (digest != NULL)
                return image_store_lookup(store, digest);
        name = map_get(&store->names, reference->canonical, struct image_name, node);
        if (name == NULL || pull->behavior == IMAGE_PULL_DEFAULT)
                return NULL;
        return pull->behavior == IMAGE_PULL_PREFER_CACHED || name->pulled_ms != 0 ? name->record : NULL;
}

void image_pull_start(struct image_store *store, struct image_pull *pull)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct image_reference reference;
        struct image_record *record;
        struct error error = {0};
        struct image_job *job;
        const char *key;

        if (image_reference_parse(pull->name, &arena, &reference, &error) < 0 ||
            (pull->digest != NULL && !digest_is_valid(pull->digest) && error_set(&error, EINVAL, "\"%s\" is not a digest", pull->digest))) {
                snprintf(error.code, sizeof(error.code), "CannotPullContainerError");
                answer_later(store, pull, NULL, &error);
                return;
        }
        if (store->freeing) {
                error_set(&error, ECANCELED, "the node is shutting down");
                answer_later(store, pull, NULL, &error);
                return;
        }
        record = cached_for(store, pull, &reference);
        if (record != NULL) {
                if (map_find(&store->names, reference.canonical) == NULL)
                        image_name_set(record, reference.canonical, 0);
                answer_later(store, pull, record, NULL);
                return;
        }
        /* Another login may see another image, or none: what it fetches is not shared. */
        key = arena_printf(&arena, "%s\n%s\n%s\n%s", reference.canonical, pull->digest != NULL ? pull->digest : "",
                           pull->username != NULL ? pull->username : "", pull->password != NULL ? pull->password : "");
        job = find_job(&store->jobs, key);
        if (job == NULL)
                job = find_job(&store->waiting, key);
        if (job == NULL) {
                job = job_new(store, pull, key);
                if (image_reference_parse(pull->name, &job->arena, &job->reference, &error) < 0)
                        abort();
                list_push(&store->waiting, &job->link);
                store->n_waiting++;
        }
        pull->job_ = job;
        list_init(&pull->link_);
        list_push(&job->pulls, &pull->link_);
        start_next(store);
}

static void job_cancel(struct image_job *job)
{
        if (job->phase == JOB_CLEANING)
                return;
        job->cancelled = true;
        if (job->phase == JOB_WAITING && job->started_ms == 0) {
                job->store->n_waiting--;
                list_remove(&job->link);
                list_push(&job->store->jobs, &job->link);
                job->phase = JOB_CLEANING;
                uv_close((uv_handle_t *)&job->timer, on_timer_closed);
                return;
        }
        skopeo_run_kill(&job->run, -ECANCELED);
        if (job->phase == JOB_PAUSING || job->phase == JOB_SHARING)
                uv_timer_start(&job->timer, on_pause_over, 0, 0);
}

void image_pull_cancel(struct image_pull *pull)
{
        struct image_job *job = pull->job_;

        if (job == NULL) {
                struct answer *answer = (struct answer *)(void *)pull->link_.next;

                if (answer != NULL)
                        answer->pull = NULL;
                pull->link_.next = NULL;
                return;
        }
        list_remove(&pull->link_);
        pull->link_.next = NULL;
        pull->job_ = NULL;
        if (list_empty(&job->pulls))
                job_cancel(job);
}

void image_jobs_cancel_all(struct image_store *store)
{
        struct list *both[] = {&store->waiting, &store->jobs};

        for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
                list_for_each (job, both[i], struct image_job, link) {
                        error_set(&job->error, ECANCELED, "the node is shutting down");
                        for (struct image_pull *pull; i == 0 && (pull = list_first(&job->pulls, struct image_pull, link_)) != NULL;)
                                tell(job, pull, -ECANCELED);
                        job_cancel(job);
                }
        }
}
