/* SPDX-License-Identifier: Apache-2.0 */
/* The files' catalog, the queue of work on them, spans that become blocks, and the bound of the disk. */
#include "metrics/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

/* A span becomes a block so long after its end, and what comes later for it so long after its coming. */
#define SEAL_AFTER_S 120
#define SEAL_LATE_S 3600

/* A series without a value for so long is expected to get no more. */
#define IDLE_S 3600

/* ---- Work ---- */

static void next_job(struct metrics_disk *disk);

static void job_work(uv_work_t *work)
{
        struct disk_job *job = CONTAINER_OF(work, struct disk_job, work);

        job->run(job);
}

static void job_after(uv_work_t *work, int status)
{
        struct disk_job *job = CONTAINER_OF(work, struct disk_job, work);
        struct metrics_disk *disk = job->disk;

        (void)status; /* never cancelled */
        disk->running = NULL;
        job->done(job);
        next_job(disk);
}

static void next_job(struct metrics_disk *disk)
{
        struct disk_job *job;

        while (disk->running == NULL && (job = list_first(&disk->jobs, struct disk_job, link)) != NULL) {
                list_remove(&job->link);
                disk->running = job;
                if (disk->metrics->options.loop != NULL) {
                        (void)uv_queue_work(disk->metrics->options.loop, &job->work, job_work,
                                            job_after); /* fails only without a function */
                        return;
                }
                job->run(job);
                disk->running = NULL;
                job->done(job);
        }
}

void disk_submit(struct metrics_disk *disk, struct disk_job *job)
{
        job->disk = disk;
        list_push(&disk->jobs, &job->link);
        next_job(disk);
}

/* ---- Files ---- */

char *disk_journal_path(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s, uint64_t number)
{
        return xprintf("%s/%" PRId64 "-%" PRId64 "-%" PRIu64 ".journal", disk->dir, metric_tiers[tier].period_s, from_s, number);
}

char *disk_block_path(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s)
{
        return xprintf("%s/%" PRId64 "-%" PRId64 ".block", disk->dir, metric_tiers[tier].period_s, from_s);
}

struct metric_block *disk_block(const struct metrics_disk *disk, enum metric_tier tier, int64_t from_s)
{
        list_for_each (block, &disk->blocks, struct metric_block, link)
                if (block->tier == tier && block->from_s == from_s)
                        return block;
        return NULL;
}

/* What blocks have is kept in memory for some spans more, so that the newest past is always there: of series that still get values. */
static void let_go(struct metrics_disk *disk)
{
        struct metrics *metrics = disk->metrics;

        tree_for_each (node, &metrics->series) {
                struct metric_series *series = CONTAINER_OF(node, struct metric_series, node);
                bool idle = series->last_ms / 1000 < metrics->now_s - IDLE_S;
                uint64_t lost = 0;

                for (int i = 0; i < METRIC_TIER_MAX; i++) {
                        int64_t span_s = metric_tiers[i].span_s, keep = idle ? 0 : metric_tiers[i].keep;
                        int64_t keep_s = metric_floor(metrics->now_s - SEAL_AFTER_S, span_s) - keep * span_s;

                        series->tiers[i].resident_s = MAX(series->tiers[i].resident_s, keep_s);
                        metrics->usage.bytes -= metric_points_trim(&series->tiers[i], series->tiers[i].resident_s, true, &lost);
                }
        }
}

/* ---- Spans that are over ---- */

struct seal_job {
        struct disk_job job;
        enum metric_tier tier;
        int64_t from_s;
        uint64_t covered, size;
        struct block_entry *entries;
        size_t n, room;
        struct list journals; /* that it makes superfluous */
        char *path;
        int error;
};

static void seal_run(struct disk_job *job)
{
        struct seal_job *seal = CONTAINER_OF(job, struct seal_job, job);

        if (seal->n > 0)
                seal->error = block_write(seal->path, seal->tier, seal->from_s, seal->covered, seal->entries, seal->n, &seal->size);
        if (seal->error != 0)
                return;
        list_for_each (journal, &seal->journals, struct metric_journal, link) {
                char *path = disk_journal_path(job->disk, journal->tier, journal->from_s, journal->number);

                (void)unlink(path);
                free(path);
        }
}

static void journal_free(struct metric_journal *journal)
{
        list_remove(&journal->link);
        buf_done(&journal->pending);
        free(journal);
}

static void set_block(struct metrics_disk *disk, enum metric_tier tier, int64_t from_s, uint64_t size, uint64_t covered)
{
        struct metric_block *block = disk_block(disk, tier, from_s);

        if (block == NULL) {
                block = xalloc(sizeof(*block));
                block->tier = tier;
                block->from_s = from_s;
                list_push(&disk->blocks, &block->link);
                disk->metrics->usage.disk_files++;
        }
        disk->metrics->usage.disk_bytes += size - block->size;
        block->size = size;
        block->covered = covered;
}

static void seal_failed(struct seal_job *seal)
{
        struct metrics_disk *disk = seal->job.disk;

        log_error("a block of metrics cannot be written; it is tried again", LOG_S("file", seal->path),
                  LOG_S("error", strerror(-seal->error)));
        list_for_each (journal, &seal->journals, struct metric_journal, link) {
                list_remove(&journal->link);
                journal->made_s = disk->metrics->now_s;
                journal->old = true;
                list_push(&disk->journals, &journal->link);
        }
}

static void seal_done(struct disk_job *job)
{
        struct seal_job *seal = CONTAINER_OF(job, struct seal_job, job);
        struct metrics *metrics = job->disk->metrics;

        if (seal->error != 0)
                seal_failed(seal);
        else if (seal->n > 0)
                set_block(job->disk, seal->tier, seal->from_s, seal->size, seal->covered);
        for (size_t i = 0; i < seal->n; i++) {
                for (uint32_t k = 0; k < seal->entries[i].n; k++) {
                        seal->entries[i].chunks[k]->on_disk |= seal->error == 0;
                        metric_chunk_unref(seal->entries[i].chunks[k]);
                }
                free(seal->entries[i].chunks);
                free(seal->entries[i].key);
        }
        list_for_each (journal, &seal->journals, struct metric_journal, link) {
                metrics->usage.disk_bytes -= journal->size;
                metrics->usage.disk_files--;
                journal_free(journal);
        }
        free(seal->entries);
        free(seal->path);
        free(seal);
        let_go(metrics->disk);
}

/* The chunks of a series that no block has. */
static void seal_series(struct seal_job *seal, const struct metric_series *series)
{
        const struct metric_points *points = &series->tiers[seal->tier];
        struct block_entry entry = {0};

        for (uint32_t i = 0; i < points->n; i++) {
                struct metric_chunk *chunk = points->chunks[i];

                if (chunk->on_disk || chunk->refs > 1 || metric_floor(chunk->from_s, metric_tiers[seal->tier].span_s) != seal->from_s)
                        continue;
                if (entry.chunks == NULL)
                        entry.chunks = xcalloc(points->n, sizeof(struct metric_chunk *));
                chunk->refs++;
                entry.chunks[entry.n++] = chunk;
        }
        if (entry.n == 0)
                return;
        entry.key = xstrdup(series->node.key);
        entry.unit = series->unit;
        if (seal->n == seal->room) {
                seal->room = seal->room * 2 + 64;
                seal->entries = xrealloc(seal->entries, seal->room * sizeof(*seal->entries));
        }
        seal->entries[seal->n++] = entry;
}

static void seal(struct metrics_disk *disk, enum metric_tier tier, int64_t from_s)
{
        struct seal_job *seal = xalloc(sizeof(*seal));

        seal->job.run = seal_run;
        seal->job.done = seal_done;
        seal->tier = tier;
        seal->from_s = from_s;
        seal->path = disk_block_path(disk, tier, from_s);
        list_init(&seal->journals);
        tree_for_each (node, &disk->metrics->series)
                seal_series(seal, CONTAINER_OF(node, struct metric_series, node));
        list_for_each (journal, &disk->journals, struct metric_journal, link) {
                if (journal->tier != tier || journal->from_s != from_s)
                        continue;
                seal->covered = MAX(seal->covered, journal->number);
                disk->pending_bytes -= journal->pending.len;
                buf_clear(&journal->pending);
                list_remove(&journal->link);
                list_push(&seal->journals, &journal->link);
        }
        disk_submit(disk, &seal->job);
}

static bool is_due(const struct metrics_disk *disk, const struct metric_journal *journal)
{
        int64_t now_s = disk->metrics->now_s;

        if (now_s < journal->from_s + metric_tiers[journal->tier].span_s + SEAL_AFTER_S)
                return false;
        return disk_block(disk, journal->tier, journal->from_s) == NULL || now_s >= journal->made_s + SEAL_LATE_S;
}

static void seal_what_is_due(struct metrics_disk *disk)
{
        bool found = true;

        while (found) {
                found = false;
                list_for_each (journal, &disk->journals, struct metric_journal, link) {
                        if (!is_due(disk, journal))
                                continue;
                        seal(disk, journal->tier, journal->from_s);
                        found = true;
                        break; /* the list has changed */
                }
        }
}

/* ---- Retention ---- */

struct unlink_job {
        struct disk_job job;
        char *path;
};

static void unlink_run(struct disk_job *job)
{
        (void)unlink(CONTAINER_OF(job, struct unlink_job, job)->path);
}

static void unlink_done(struct disk_job *job)
{
        struct unlink_job *work = CONTAINER_OF(job, struct unlink_job, job);

        free(work->path);
        free(work);
}

static void drop_block(struct metrics_disk *disk, struct metric_block *block)
{
        struct unlink_job *work = xalloc(sizeof(*work));

        work->job.run = unlink_run;
        work->job.done = unlink_done;
        work->path = disk_block_path(disk, block->tier, block->from_s);
        disk->metrics->usage.disk_bytes -= block->size;
        disk->metrics->usage.disk_files--;
        list_remove(&block->link);
        free(block);
        disk_submit(disk, &work->job);
}

/* The oldest block of the resolution that takes most. */
static struct metric_block *worst_block(const struct metrics_disk *disk)
{
        uint64_t sizes[METRIC_TIER_MAX] = {0};
        struct metric_block *worst = NULL;
        int most = 0;

        list_for_each (block, &disk->blocks, struct metric_block, link)
                sizes[block->tier] += block->size;
        for (int i = 1; i < METRIC_TIER_MAX; i++)
                most = sizes[i] > sizes[most] ? i : most;
        list_for_each (block, &disk->blocks, struct metric_block, link)
                if ((int)block->tier == most && (worst == NULL || block->from_s < worst->from_s))
                        worst = block;
        return worst;
}

void metrics_disk_sweep(struct metrics *metrics)
{
        struct metrics_disk *disk = metrics->disk;
        struct metric_block *worst;

        if (metrics->usage.loading)
                return;
        seal_what_is_due(disk);
        let_go(disk);
        list_for_each (block, &disk->blocks, struct metric_block, link)
                if (block->from_s + metric_tiers[block->tier].span_s < metrics->now_s - metric_tiers[block->tier].retention_s)
                        drop_block(disk, block);
        while (metrics->usage.disk_bytes > metrics->options.max_disk_bytes && (worst = worst_block(disk)) != NULL) {
                log_warn("metrics take more of the disk than they may: the oldest go", LOG_I("period", metric_tiers[worst->tier].period_s),
                         LOG_I("bytes", (int64_t)worst->size));
                drop_block(disk, worst);
        }
}

void metrics_disk_tick(struct metrics *metrics)
{
        disk_append_pending(metrics->disk);
}

/* ---- Life ---- */

int metrics_disk_open(struct metrics *metrics, struct error *error)
{
        struct metrics_disk *disk;

        if (mkdir(metrics->options.dir, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot make %s: %s", metrics->options.dir, strerror(errno));
        disk = xalloc(sizeof(*disk));
        metrics->disk = disk;
        disk->metrics = metrics;
        disk->dir = xstrdup(metrics->options.dir);
        disk->next_number = 1;
        list_init(&disk->journals);
        list_init(&disk->blocks);
        list_init(&disk->jobs);
        list_init(&disk->waiting);
        disk_load(disk);
        return 0;
}

void metrics_disk_close(struct metrics *metrics)
{
        struct metrics_disk *disk = metrics->disk;

        if (disk->running == NULL) {
                next_job(disk);
                disk_append_pending(disk);
        }
        list_for_each (journal, &disk->journals, struct metric_journal, link)
                journal_free(journal);
        list_for_each (block, &disk->blocks, struct metric_block, link) {
                list_remove(&block->link);
                free(block);
        }
        disk_history_go(disk);
        free(disk->dir);
        free(disk);
        metrics->disk = NULL;
}
