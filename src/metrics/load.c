/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start: which files there are, the journals, and the blocks of the newest two spans of each resolution. Read in the thread pool into
 * series of its own, which the loop's thread then takes over; meanwhile new values come in as always.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "metrics/disk.h"

#define JOURNAL_MAX (UINT64_C(4) << 30)

struct load_job {
        struct disk_job job;
        int64_t now_s;
        struct tree series;
        struct list journals, blocks, bad; /* bad: blocks that were set aside */
        uint64_t next_number;
};

struct metric_series *disk_series_of(struct tree *tree, const char *key)
{
        struct tree_node *node = tree_find(tree, key);
        struct metric_series *series = node != NULL ? CONTAINER_OF(node, struct metric_series, node) : metric_series_new(key);

        if (node == NULL && series != NULL)
                tree_insert(tree, &series->node, series->node.key);
        return series;
}

void disk_tree_done(struct tree *tree)
{
        tree_for_each (node, tree) {
                tree_remove(tree, node);
                metric_series_free(CONTAINER_OF(node, struct metric_series, node));
        }
        tree_done(tree);
}

/* ---- In the thread pool ---- */

static int tier_of_period(int64_t period_s)
{
        for (int i = 0; i < METRIC_TIER_MAX; i++)
                if (metric_tiers[i].period_s == period_s)
                        return i;
        return -1;
}

/* "N-N…SUFFIX" with so many numbers. */
static bool parse_name(const char *name, const char *suffix, size_t n, int64_t *ret)
{
        for (size_t i = 0; i < n; i++) {
                char *end;

                if (i > 0 && *name++ != '-')
                        return false;
                if (*name < '0' || *name > '9')
                        return false;
                ret[i] = strtoll(name, &end, 10);
                name = end;
        }
        return str_eq(name, suffix);
}

static void list_file(struct load_job *load, const char *name)
{
        int64_t numbers[3];
        int tier;

        if (parse_name(name, ".journal", 3, numbers) && (tier = tier_of_period(numbers[0])) >= 0) {
                int64_t from_s = numbers[1];
                uint64_t number = (uint64_t)numbers[2];
                struct metric_journal *journal = xalloc(sizeof(*journal));

                *journal = (struct metric_journal){.tier = (enum metric_tier)tier, .from_s = from_s, .number = number, .old = true};
                list_push(&load->journals, &journal->link);
                load->next_number = MAX(load->next_number, number + 1);
                return;
        }
        if (parse_name(name, ".block", 2, numbers) && (tier = tier_of_period(numbers[0])) >= 0) {
                struct metric_block *block = xalloc(sizeof(*block));

                *block = (struct metric_block){.tier = (enum metric_tier)tier, .from_s = numbers[1]};
                list_push(&load->blocks, &block->link);
        }
}

static void list_files(struct load_job *load)
{
        DIR *dir = opendir(load->job.disk->dir);
        const struct dirent *entry;

        if (dir == NULL) {
                log_error("metrics of before cannot be read", LOG_S("dir", load->job.disk->dir), LOG_S("error", strerror(errno)));
                return;
        }
        while ((entry = readdir(dir)) != NULL) {
                if (str_ends_with(entry->d_name, ".part"))
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
                else
                        list_file(load, entry->d_name);
        }
        closedir(dir);
}

/* Where it cannot be read it is moved aside: nothing that is added to it later may hide behind that. */
static void set_aside(const char *path, int error)
{
        CLEANUP_FREE char *aside = xprintf("%s.bad", path);

        log_error("a file of metrics is damaged; it is set aside", LOG_S("file", path), LOG_S("error", strerror(-error)));
        (void)rename(path, aside);
}

/* What is newer is kept in memory as well. */
static int64_t resident_s(const struct load_job *load, enum metric_tier tier)
{
        return metric_floor(load->now_s, metric_tiers[tier].span_s) - metric_tiers[tier].keep * metric_tiers[tier].span_s;
}

static void load_block(struct load_job *load, struct metric_block *block)
{
        CLEANUP_FREE char *path = disk_block_path(load->job.disk, block->tier, block->from_s);
        int64_t keep_s = resident_s(load, block->tier);
        struct stat st;
        int r = block_covered(path, block->tier, block->from_s, &block->covered);

        if (r == 0 && stat(path, &st) == 0)
                block->size = (uint64_t)st.st_size;
        if (r == 0 && block->from_s >= keep_s)
                r = block_read_all(path, block->tier, block->from_s, &load->series);
        load->next_number = MAX(load->next_number, block->covered + 1);
        if (r == 0)
                return;
        set_aside(path, r);
        list_remove(&block->link);
        list_push(&load->bad, &block->link);
}

static bool is_covered(const struct load_job *load, const struct metric_journal *journal)
{
        list_for_each (block, &load->blocks, struct metric_block, link)
                if (block->tier == journal->tier && block->from_s == journal->from_s)
                        return journal->number <= block->covered;
        return false;
}

static void load_journal(struct load_job *load, struct metric_journal *journal)
{
        CLEANUP_FREE char *path = disk_journal_path(load->job.disk, journal->tier, journal->from_s, journal->number);
        CLEANUP_BUF struct buf data = {0};
        int64_t r = 0;
        bool over = is_covered(load, journal) ||
                    journal->from_s + metric_tiers[journal->tier].span_s < load->now_s - metric_tiers[journal->tier].retention_s;

        if (!over && (r = buf_read_file(&data, path, JOURNAL_MAX)) == 0)
                r = journal_read((const uint8_t *)data.data, data.len, journal->tier, journal->from_s, &load->series);
        if (over)
                (void)unlink(path);
        else if (r < 0)
                set_aside(path, (int)r);
        journal->size = data.len;
        if (!over && r >= 0)
                return;
        list_remove(&journal->link);
        free(journal);
}

static void load_run(struct disk_job *job)
{
        struct load_job *load = CONTAINER_OF(job, struct load_job, job);

        list_files(load);
        list_for_each (block, &load->blocks, struct metric_block, link)
                load_block(load, block);
        list_for_each (journal, &load->journals, struct metric_journal, link)
                load_journal(load, journal);
}

/* ---- On the loop's thread ---- */

/* The points of a resolution that its next one does not have yet: those of the period that was open at the end. */
static void fold_rest(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, struct metric_chunk *const *chunks,
                      uint32_t n, int64_t from_s)
{
        for (uint32_t i = 0; i < n; i++) {
                struct metric_cursor cursor = metric_chunk_open(chunks[i], tier);
                struct metric_point point;

                while (chunks[i]->last_s >= from_s && metric_cursor_next(&cursor, true, &point) > 0) {
                        if (point.at_s >= from_s)
                                metrics_fold(metrics, series, tier + 1, point.at_s, &point.set, point.digest);
                        metric_point_done(&point);
                }
        }
}

static int64_t end_of(const struct metric_points *points, enum metric_tier tier)
{
        int64_t end_s = INT64_MIN;

        for (uint32_t i = 0; i < points->n; i++)
                end_s = MAX(end_s, points->chunks[i]->last_s + metric_tiers[tier].period_s);
        return end_s;
}

static void take_series(struct metrics *metrics, const struct load_job *load, struct metric_series *loaded)
{
        struct metric_series *series = metrics_series_of(metrics, loaded->node.key);
        int64_t ends[METRIC_TIER_MAX];

        if (series == NULL)
                return;
        for (int i = 0; i < METRIC_TIER_MAX; i++) {
                series->tiers[i].resident_s = resident_s(load, (enum metric_tier)i);
                ends[i] = end_of(&loaded->tiers[i], (enum metric_tier)i);
                if (ends[i] != INT64_MIN && (ends[i] - metric_tiers[i].period_s) * 1000 > series->last_ms) {
                        series->last_ms = (ends[i] - metric_tiers[i].period_s) * 1000;
                        series->unit = loaded->unit;
                }
                for (uint32_t k = 0; k < loaded->tiers[i].n; k++) {
                        loaded->tiers[i].chunks[k]->refs++;
                        metrics->usage.bytes += (size_t)metric_points_add_chunk(&series->tiers[i], loaded->tiers[i].chunks[k]);
                }
        }
        /* The longest first: what a shorter one finishes by this is folded on by itself. The chunks do not change meanwhile, for they have
         * two owners. */
        for (int i = METRIC_TIER_MAX - 1; i > 0; i--)
                fold_rest(metrics, series, (enum metric_tier)(i - 1), loaded->tiers[i - 1].chunks, loaded->tiers[i - 1].n, ends[i]);
}

static void load_done(struct disk_job *job)
{
        struct load_job *load = CONTAINER_OF(job, struct load_job, job);
        struct metrics_disk *disk = job->disk;
        struct metrics *metrics = disk->metrics;

        tree_for_each (node, &load->series)
                take_series(metrics, load, CONTAINER_OF(node, struct metric_series, node));
        disk_tree_done(&load->series);
        list_for_each (journal, &load->journals, struct metric_journal, link) {
                list_remove(&journal->link);
                list_push(&disk->journals, &journal->link);
                metrics->usage.disk_bytes += journal->size;
                metrics->usage.disk_files++;
        }
        list_for_each (block, &load->blocks, struct metric_block, link) {
                list_remove(&block->link);
                list_push(&disk->blocks, &block->link);
                metrics->usage.disk_bytes += block->size;
                metrics->usage.disk_files++;
        }
        list_for_each (block, &load->bad, struct metric_block, link) {
                list_remove(&block->link);
                free(block);
        }
        disk->next_number = MAX(disk->next_number, load->next_number);
        metrics->usage.loading = false;
        free(load);
        disk_history_go(disk);
}

/* The highest number in any name: this process's own begin after it. Quick: only names are read. */
static uint64_t first_free_number(const char *path)
{
        DIR *dir = opendir(path);
        const struct dirent *entry;
        uint64_t highest = 0;
        int64_t numbers[3];

        while (dir != NULL && (entry = readdir(dir)) != NULL)
                if (parse_name(entry->d_name, ".journal", 3, numbers))
                        highest = MAX(highest, (uint64_t)numbers[2]);
        if (dir != NULL)
                closedir(dir);
        return highest + 1;
}

void disk_load(struct metrics_disk *disk)
{
        struct load_job *load = xalloc(sizeof(*load));

        /* Numbers of journals that a block has swallowed are below the clock's too. */
        disk->next_number = MAX(first_free_number(disk->dir), (uint64_t)disk->metrics->now_s * 1000);
        load->now_s = disk->metrics->now_s;
        load->job.run = load_run;
        load->job.done = load_done;
        tree_init(&load->series);
        list_init(&load->journals);
        list_init(&load->blocks);
        list_init(&load->bad);
        disk->metrics->usage.loading = true;
        disk_submit(disk, &load->job);
}
