/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of one series at one resolution: chunks of encoded points, which nearly always grow at their end. A chunk lies within one
 * span of its tier. One that a block has, or a job is writing, does not change: what comes late for its time is a chunk beside it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "metrics/internal.h"

struct metric_chunk *metric_chunk_new(int64_t from_s)
{
        struct metric_chunk *chunk = xalloc(sizeof(*chunk));

        chunk->from_s = chunk->last_s = from_s;
        chunk->refs = 1;
        return chunk;
}

void metric_chunk_unref(struct metric_chunk *chunk)
{
        if (--chunk->refs > 0)
                return;
        free(chunk->bytes);
        free(chunk);
}

size_t metric_chunk_size(const struct metric_chunk *chunk)
{
        return sizeof(*chunk) + chunk->room;
}

struct metric_cursor metric_chunk_open(const struct metric_chunk *chunk, enum metric_tier tier)
{
        return (struct metric_cursor){.p = chunk->bytes,
                                      .end = chunk->bytes + chunk->len,
                                      .at_s = chunk->from_s,
                                      .period_s = metric_tiers[tier].period_s,
                                      .left = chunk->n};
}

int metric_cursor_next(struct metric_cursor *cursor, bool digest, struct metric_point *ret)
{
        uint64_t step;
        int r;

        if (cursor->left == 0)
                return 0;
        if (metric_varint_read(&cursor->p, cursor->end, &step) < 0 || step > (UINT64_C(1) << 32))
                return -EBADMSG;
        r = metric_point_decode(&cursor->p, cursor->end, digest, ret);
        if (r < 0)
                return r;
        cursor->left--;
        cursor->at_s += (int64_t)step * cursor->period_s;
        ret->at_s = cursor->at_s;
        return 1;
}

/* At its end. */
static void chunk_append(struct metric_chunk *chunk, enum metric_tier tier, int64_t at_s, const char *encoded, size_t len)
{
        CLEANUP_BUF struct buf step = {0};

        metric_varint_append(&step, (uint64_t)((at_s - chunk->last_s) / metric_tiers[tier].period_s));
        if (chunk->len + step.len + len > chunk->room) {
                chunk->room = (uint32_t)(chunk->len + step.len + len + (chunk->room == 0 ? 16 : chunk->room / 2));
                chunk->bytes = xrealloc(chunk->bytes, chunk->room);
        }
        assert(chunk->bytes != NULL);
        memcpy(chunk->bytes + chunk->len, step.data, step.len);
        memcpy(chunk->bytes + chunk->len + step.len, encoded, len);
        chunk->len += (uint32_t)(step.len + len);
        chunk->n++;
        chunk->last_s = at_s;
}

static int64_t chunk_insert_at(struct metric_points *points, uint32_t at, struct metric_chunk *chunk)
{
        if (points->n == points->room) {
                points->room = points->room == 0 ? 2 : points->room * 2;
                points->chunks = xrealloc(points->chunks, points->room * sizeof(*points->chunks));
        }
        memmove(points->chunks + at + 1, points->chunks + at, (points->n - at) * sizeof(*points->chunks));
        points->chunks[at] = chunk;
        points->n++;
        return (int64_t)metric_chunk_size(chunk);
}

int64_t metric_points_add_chunk(struct metric_points *points, struct metric_chunk *chunk)
{
        uint32_t at = points->n;

        while (at > 0 && points->chunks[at - 1]->from_s > chunk->from_s)
                at--;
        return chunk_insert_at(points, at, chunk);
}

static bool same_span(enum metric_tier tier, int64_t a_s, int64_t b_s)
{
        return metric_floor(a_s, metric_tiers[tier].span_s) == metric_floor(b_s, metric_tiers[tier].span_s);
}

static bool may_change(const struct metric_chunk *chunk)
{
        return !chunk->on_disk && chunk->refs == 1 && chunk->n < METRIC_CHUNK_POINTS && chunk->len < METRIC_CHUNK_BYTES;
}

/* Written anew with the point in its place. */
static int64_t chunk_weave(struct metric_chunk *chunk, enum metric_tier tier, const struct metric_point *point)
{
        struct metric_cursor cursor = metric_chunk_open(chunk, tier);
        struct metric_chunk fresh = {.from_s = MIN(chunk->from_s, point->at_s), .last_s = MIN(chunk->from_s, point->at_s)};
        CLEANUP_BUF struct buf encoded = {0};
        size_t before = metric_chunk_size(chunk);
        struct metric_point next;
        bool woven = false;

        while (metric_cursor_next(&cursor, true, &next) > 0) {
                if (!woven && next.at_s > point->at_s) {
                        buf_clear(&encoded);
                        metric_point_encode(point, &encoded);
                        chunk_append(&fresh, tier, point->at_s, encoded.data, encoded.len);
                        woven = true;
                } else if (!woven && next.at_s == point->at_s) {
                        metric_point_add(&next, &point->set, point->digest);
                        woven = true;
                }
                buf_clear(&encoded);
                metric_point_encode(&next, &encoded);
                chunk_append(&fresh, tier, next.at_s, encoded.data, encoded.len);
                metric_point_done(&next);
        }
        if (!woven) {
                buf_clear(&encoded);
                metric_point_encode(point, &encoded);
                chunk_append(&fresh, tier, point->at_s, encoded.data, encoded.len);
        }
        free(chunk->bytes);
        fresh.refs = 1;
        *chunk = fresh;
        return (int64_t)metric_chunk_size(chunk) - (int64_t)before;
}

int64_t metric_points_add(struct metric_points *points, enum metric_tier tier, const struct metric_point *point, const struct buf *encoded)
{
        struct metric_chunk *last = points->n > 0 ? points->chunks[points->n - 1] : NULL, *chunk;

        if (last != NULL && point->at_s > last->last_s && may_change(last) && same_span(tier, last->from_s, point->at_s)) {
                size_t before = last->room;

                chunk_append(last, tier, point->at_s, encoded->data, encoded->len);
                return (int64_t)(last->room - before);
        }
        for (uint32_t i = points->n; last != NULL && point->at_s <= last->last_s && i > 0; i--) {
                chunk = points->chunks[i - 1];
                if (chunk->from_s <= point->at_s && may_change(chunk) && same_span(tier, chunk->from_s, point->at_s))
                        return chunk_weave(chunk, tier, point);
        }
        chunk = metric_chunk_new(point->at_s);
        chunk_append(chunk, tier, point->at_s, encoded->data, encoded->len);
        return metric_points_add_chunk(points, chunk);
}

size_t metric_points_trim(struct metric_points *points, int64_t before_s, bool disk_only, uint64_t *ret_points)
{
        size_t bytes = 0;
        uint32_t n = 0;

        for (uint32_t i = 0; i < points->n; i++) {
                struct metric_chunk *chunk = points->chunks[i];

                if (chunk->last_s >= before_s || (disk_only && !chunk->on_disk)) {
                        points->chunks[n++] = chunk;
                        continue;
                }
                bytes += metric_chunk_size(chunk);
                *ret_points += chunk->on_disk ? 0 : chunk->n;
                metric_chunk_unref(chunk);
        }
        points->n = n;
        return bytes;
}

void metric_points_done(struct metric_points *points)
{
        for (uint32_t i = 0; i < points->n; i++)
                metric_chunk_unref(points->chunks[i]);
        free(points->chunks);
        metric_point_done(&points->open);
        *points = (struct metric_points){0};
}
