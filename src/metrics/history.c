/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what only blocks have, for one request: in the thread pool, beside the queue of writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "metrics/disk.h"

struct metric_history {
        struct list link; /* in disk->waiting */
        struct metrics *metrics;
        uv_work_t work;
        metrics_loaded_fn done;
        void *data;
        struct tree series; /* as far as blocks have them */
        struct wanted {
                char *key;
                enum metric_tier tier;
                int64_t from_s, to_s; /* of them what is not in memory */
        } * wants;
        size_t n;
        /* Of the files, as they were when it was asked. */
        struct block_file {
                char *path;
                enum metric_tier tier;
                int64_t from_s;
        } * files;
        size_t n_files;
};

/* ---- In the thread pool ---- */

static void read_wanted(struct metric_history *history, const struct wanted *want)
{
        struct metric_series *series = disk_series_of(&history->series, want->key);

        for (size_t i = 0; series != NULL && i < history->n_files; i++) {
                const struct block_file *file = &history->files[i];
                int r;

                if (file->tier != want->tier || file->from_s >= want->to_s || /* spans begin where memory does */
                    file->from_s + metric_tiers[file->tier].span_s <= want->from_s)
                        continue;
                r = block_read(file->path, file->tier, file->from_s, series);
                if (r < 0 && r != -ENOENT)
                        log_error("a file of metrics cannot be read", LOG_S("file", file->path), LOG_S("error", strerror(-r)));
        }
}

static void history_work(uv_work_t *work)
{
        struct metric_history *history = CONTAINER_OF(work, struct metric_history, work);

        for (size_t i = 0; i < history->n; i++)
                read_wanted(history, &history->wants[i]);
}

/* ---- On the loop's thread ---- */

static void history_after(uv_work_t *work, int status)
{
        struct metric_history *history = CONTAINER_OF(work, struct metric_history, work);

        (void)status; /* never cancelled */
        history->done(history->data, history);
}

/* Of a series that memory does not know everything is on disk only, if anywhere. */
static int64_t resident_s(const struct metrics *metrics, const char *key, enum metric_tier tier)
{
        struct tree_node *node = tree_find(&metrics->series, key);

        return node != NULL ? CONTAINER_OF(node, struct metric_series, node)->tiers[tier].resident_s : INT64_MAX;
}

/* Which files those are, now that it is known which there are. */
static void history_start(struct metric_history *history)
{
        struct metrics_disk *disk = history->metrics->disk;
        size_t room = 0;

        list_for_each (block, &disk->blocks, struct metric_block, link)
                room++;
        history->files = xcalloc(room + 1, sizeof(*history->files));
        list_for_each (block, &disk->blocks, struct metric_block, link)
                history->files[history->n_files++] =
                        (struct block_file){disk_block_path(disk, block->tier, block->from_s), block->tier, block->from_s};
        for (size_t i = 0; i < history->n; i++)
                history->wants[i].to_s =
                        MIN(history->wants[i].to_s, resident_s(history->metrics, history->wants[i].key, history->wants[i].tier));
        if (history->metrics->options.loop != NULL) {
                (void)uv_queue_work(history->metrics->options.loop, &history->work, history_work, history_after);
                return;
        }
        history_work(&history->work);
        history_after(&history->work, 0);
}

void disk_history_go(struct metrics_disk *disk)
{
        list_for_each (history, &disk->waiting, struct metric_history, link) {
                list_remove(&history->link);
                history_start(history);
        }
}

/* One that is wanted twice is read once. */
static void add_want(struct metric_history *history, const struct metric_want *want)
{
        const char *key = metric_key_of(&want->id, &history->metrics->key);
        enum metric_tier tier = metric_tier_of(want->period_s);
        struct wanted *wanted = history->wants;

        for (; wanted < history->wants + history->n; wanted++) {
                if (wanted->tier != tier || strcmp(wanted->key, key) != 0)
                        continue;
                wanted->from_s = MIN(wanted->from_s, want->from_s);
                wanted->to_s = MAX(wanted->to_s, want->to_s);
                return;
        }
        *wanted = (struct wanted){.key = xstrdup(key), .tier = tier, .from_s = want->from_s, .to_s = want->to_s};
        history->n++;
}

bool metrics_load(struct metrics *metrics, const struct metric_want *wants, size_t n, metrics_loaded_fn done, void *data)
{
        struct metric_history *history;
        bool needed = false;

        if (metrics->disk == NULL)
                return false;
        for (size_t i = 0; i < n && !needed; i++)
                needed = metrics->usage.loading || wants[i].from_s < resident_s(metrics, metric_key_of(&wants[i].id, &metrics->key),
                                                                                metric_tier_of(wants[i].period_s));
        if (!needed)
                return false;
        history = xalloc(sizeof(*history));
        history->metrics = metrics;
        history->done = done;
        history->data = data;
        history->wants = xcalloc(n, sizeof(*history->wants));
        tree_init(&history->series);
        for (size_t i = 0; i < n; i++)
                add_want(history, &wants[i]);
        list_init(&history->link);
        if (metrics->usage.loading)
                list_push(&metrics->disk->waiting, &history->link);
        else
                history_start(history);
        return true;
}

void metrics_attach(struct metrics *metrics, struct metric_history *history)
{
        metrics->attached = history;
        tree_for_each (node, &history->series) {
                struct tree_node *live = tree_find(&metrics->series, node->key);

                if (live != NULL)
                        CONTAINER_OF(live, struct metric_series, node)->history = CONTAINER_OF(node, struct metric_series, node);
        }
}

void metrics_detach(struct metrics *metrics)
{
        tree_for_each (node, &metrics->attached->series) {
                struct tree_node *live = tree_find(&metrics->series, node->key);

                if (live != NULL)
                        CONTAINER_OF(live, struct metric_series, node)->history = NULL;
        }
        metrics->attached = NULL;
}

const struct metric_series *metrics_attached(const struct metrics *metrics, const char *key)
{
        struct tree_node *node = metrics->attached != NULL ? tree_find(&metrics->attached->series, key) : NULL;

        return node != NULL ? CONTAINER_OF(node, struct metric_series, node) : NULL;
}

struct metric_history *metrics_history_free(struct metric_history *history)
{
        if (history == NULL)
                return NULL;
        disk_tree_done(&history->series);
        for (size_t i = 0; i < history->n; i++)
                free(history->wants[i].key);
        for (size_t i = 0; i < history->n_files; i++)
                free(history->files[i].path);
        free(history->wants);
        free(history->files);
        free(history);
        return NULL;
}
