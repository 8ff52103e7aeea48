/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals: what was finished since the last tick, appended. A record is
 *
 *     twice the series' number, plus 1 where its key and unit follow · how many periods after the span's begin · the point
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "metrics/disk.h"

#define MAGIC "gantrymj"
#define VERSION 1
#define KEY_MAX 40000
#define FRAME_MAX (64u << 20)
/* Seconds are forced to the disk this often, roll-ups whenever some are written (once a minute or less): what a power cut takes. */
#define SYNC_S 5
/* So much may wait for a slow disk. */
#define PENDING_MAX (64u << 20)

void journal_head(enum metric_tier tier, int64_t from_s, struct buf *out)
{
        const uint32_t words[2] = {VERSION, (uint32_t)tier};

        buf_append(out, MAGIC, 8);
        buf_append(out, words, sizeof(words));
        buf_append(out, &from_s, sizeof(from_s));
}

void journal_frame(const struct buf *records, struct buf *out)
{
        const uint32_t head[2] = {(uint32_t)records->len, crc32c(0, records->data, records->len)};

        buf_append(out, head, sizeof(head));
        buf_append(out, records->data, records->len);
}

/* ---- Writing ---- */

static struct metric_journal *journal_of(struct metrics_disk *disk, enum metric_tier tier, int64_t from_s)
{
        struct metric_journal *journal;

        list_for_each (it, &disk->journals, struct metric_journal, link)
                if (it->tier == tier && it->from_s == from_s && !it->old)
                        return it;
        journal = xalloc(sizeof(*journal));
        journal->tier = tier;
        journal->from_s = from_s;
        journal->number = disk->next_number++;
        journal->made_s = disk->metrics->now_s;
        list_push_front(&disk->journals, &journal->link);
        disk->metrics->usage.disk_files++;
        return journal;
}

void metrics_journal(struct metrics *metrics, struct metric_series *series, enum metric_tier tier, int64_t at_s, const struct buf *encoded)
{
        struct metrics_disk *disk = metrics->disk;
        int64_t from_s = metric_floor(at_s, metric_tiers[tier].span_s);
        struct metric_journal *journal;
        size_t before;
        bool known;

        if (metrics->usage.disk_bytes > metrics->options.max_disk_bytes || disk->pending_bytes > PENDING_MAX) {
                metrics->usage.disk_dropped++;
                return;
        }
        journal = journal_of(disk, tier, from_s);
        before = journal->pending.len;
        known = series->tiers[tier].journal == journal->number;
        metric_varint_append(&journal->pending, ((uint64_t)series->number << 1) | !known);
        if (!known) {
                size_t len = strlen(series->node.key);

                metric_varint_append(&journal->pending, len);
                buf_append(&journal->pending, series->node.key, len);
                metric_varint_append(&journal->pending, (uint64_t)series->unit);
                series->tiers[tier].journal = journal->number;
        }
        metric_varint_append(&journal->pending, (uint64_t)((at_s - from_s) / metric_tiers[tier].period_s));
        buf_append(&journal->pending, encoded->data, encoded->len);
        disk->pending_bytes += journal->pending.len - before;
}

struct append_job {
        struct disk_job job;
        size_t n;
        struct append_file {
                char *path;
                struct buf bytes;
                bool sync;
                int error;
        } files[];
};

static int append(const char *path, const char *data, size_t len, bool sync)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), r = fd < 0 ? -errno : 0;

        while (r == 0 && len > 0) {
                ssize_t n = write(fd, data, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        r = -errno;
                        break;
                }
                data += n;
                len -= (size_t)n;
        }
        if (r == 0 && sync && fdatasync(fd) < 0)
                r = -errno;
        if (fd >= 0)
                close(fd);
        return r;
}

static void append_run(struct disk_job *job)
{
        struct append_job *work = CONTAINER_OF(job, struct append_job, job);

        for (size_t i = 0; i < work->n; i++)
                work->files[i].error =
                        append(work->files[i].path, work->files[i].bytes.data, work->files[i].bytes.len, work->files[i].sync);
}

static void append_done(struct disk_job *job)
{
        struct append_job *work = CONTAINER_OF(job, struct append_job, job);

        job->disk->appending = false;
        for (size_t i = 0; i < work->n; i++) {
                if (work->files[i].error != 0) {
                        job->disk->metrics->usage.disk_dropped++;
                        log_error("metrics cannot be written: what is lost is counted in gantry_metric_disk_dropped_total",
                                  LOG_S("file", work->files[i].path), LOG_S("error", strerror(-work->files[i].error)));
                }
                free(work->files[i].path);
                buf_done(&work->files[i].bytes);
        }
        free(work);
}

void disk_append_pending(struct metrics_disk *disk)
{
        struct append_job *work;
        size_t n = 0;

        if (disk->appending || disk->pending_bytes == 0)
                return;
        list_for_each (journal, &disk->journals, struct metric_journal, link)
                n += journal->pending.len > 0;
        work = xalloc(sizeof(*work) + n * sizeof(work->files[0]));
        work->job.run = append_run;
        work->job.done = append_done;
        list_for_each (journal, &disk->journals, struct metric_journal, link) {
                struct append_file *file = &work->files[work->n];

                if (journal->pending.len == 0)
                        continue;
                work->n++;
                file->path = disk_journal_path(disk, journal->tier, journal->from_s, journal->number);
                if (!journal->begun)
                        journal_head(journal->tier, journal->from_s, &file->bytes);
                journal->begun = true;
                file->sync = journal->tier != METRIC_TIER_1_S || disk->metrics->now_s - journal->synced_s >= SYNC_S;
                if (file->sync)
                        journal->synced_s = disk->metrics->now_s;
                journal_frame(&journal->pending, &file->bytes);
                buf_done(&journal->pending);
                journal->pending = (struct buf){0};
                journal->size += file->bytes.len;
                disk->metrics->usage.disk_bytes += file->bytes.len;
        }
        disk->pending_bytes = 0;
        disk->appending = true;
        disk_submit(disk, &work->job);
}

/* ---- Reading ---- */

/* Series by their numbers in one journal. */
struct numbered {
        struct metric_series **items;
        size_t room;
};

static int read_key(struct numbered *numbered, uint64_t number, const uint8_t **p, const uint8_t *end, struct tree *tree)
{
        CLEANUP_FREE char *key = NULL;
        struct metric_series *series;
        uint64_t len, unit;

        if (number > (1u << 28) || metric_varint_read(p, end, &len) < 0 || len > KEY_MAX || (uint64_t)(end - *p) < len)
                return -EBADMSG;
        key = xstrndup((const char *)*p, len);
        *p += len;
        if (strlen(key) != len || metric_varint_read(p, end, &unit) < 0 || (series = disk_series_of(tree, key)) == NULL)
                return -EBADMSG;
        series->unit = (int)(unit & 0xff);
        if (number >= numbered->room) {
                size_t room = MAX(numbered->room * 2, number + 16);

                numbered->items = xrealloc(numbered->items, room * sizeof(*numbered->items));
                memset(numbered->items + numbered->room, 0, (room - numbered->room) * sizeof(*numbered->items));
                numbered->room = room;
        }
        numbered->items[number] = series;
        return 0;
}

static int read_record(struct numbered *numbered, const uint8_t **p, const uint8_t *end, enum metric_tier tier, int64_t from_s,
                       struct tree *tree)
{
        const int64_t periods = metric_tiers[tier].span_s / metric_tiers[tier].period_s;
        struct metric_point point = {0};
        struct metric_series *series;
        uint64_t number, period;
        const uint8_t *begin;
        struct buf encoded;

        if (metric_varint_read(p, end, &number) < 0 || ((number & 1) && read_key(numbered, number >> 1, p, end, tree) < 0))
                return -EBADMSG;
        number >>= 1;
        if (number >= numbered->room || (series = numbered->items[number]) == NULL || metric_varint_read(p, end, &period) < 0 ||
            period >= (uint64_t)periods)
                return -EBADMSG;
        begin = *p;
        if (metric_point_decode(p, end, true, &point) < 0)
                return -EBADMSG;
        point.at_s = from_s + (int64_t)period * metric_tiers[tier].period_s;
        encoded = (struct buf){.data = (char *)(uintptr_t)begin, .len = (size_t)(*p - begin)};
        (void)metric_points_add(&series->tiers[tier], tier, &point, &encoded);
        metric_point_done(&point);
        return 0;
}

int64_t journal_read(const uint8_t *data, size_t len, enum metric_tier tier, int64_t from_s, struct tree *tree)
{
        struct numbered numbered = {0};
        struct buf head CLEANUP_BUF = {0};
        size_t at = JOURNAL_HEAD;

        journal_head(tier, from_s, &head);
        if (len < JOURNAL_HEAD || memcmp(data, head.data, JOURNAL_HEAD) != 0)
                return -EBADMSG;
        while (len - at >= 8) {
                const uint8_t *p = data + at + 8, *end;
                uint32_t words[2];
                int r = 0;

                memcpy(words, data + at, sizeof(words));
                if (words[0] == 0 || words[0] > FRAME_MAX || words[0] > len - at - 8 || crc32c(0, p, words[0]) != words[1])
                        break;
                end = p + words[0];
                while (p < end && r == 0)
                        r = read_record(&numbered, &p, end, tier, from_s, tree);
                if (r < 0)
                        break;
                at += 8 + words[0];
        }
        free(numbered.items);
        return (int64_t)at;
}
