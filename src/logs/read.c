/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of events, found in the thread pool. Frames are looked at in the order in which they begin; a page keeps the best events
 * so far, and the worst of them, once the page is full, says when no further frame can matter. So memory is bounded by the page
 * however much the frames of many streams overlap.
 *
 * Backwards is the same with every time and number negated ("virtual" below): the last event becomes the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "logs/internal.h"

#define EVENT_OVERHEAD 26
#define DEFAULT_SCAN (UINT64_C(64) << 20)
#define OPEN_FILES 16

/* A segment as it was when the query started. */
struct part {
        uint32_t number;
        bool sealed;
        int64_t begin;              /* virtual time of its first event */
        struct frame_entry *frames; /* copied while it was not sealed */
        uint32_t n_frames;
        int fd; /* -1: not open */
};

struct frame_ref {
        int64_t begin; /* virtual time of its first event */
        struct part *part;
        struct frame_entry entry;
};

struct hit {
        struct log_position virtual;
        struct log_position position;
        uint32_t stream;
        int64_t ingestion_ms;
        char *message;
        uint32_t len;
};

struct log_read {
        struct list link;
        uv_work_t work;
        struct log_store *store;
        struct log_query *query;
        struct log_group *group; /* a reference; the thread uses only its path, through segment_path */

        uint64_t *wanted; /* a bit for each stream id below n_wanted */
        uint32_t n_wanted;
        struct part *parts; /* by begin */
        uint32_t n_parts, next_part, n_open;

        struct frame_ref *heap; /* by begin, the smallest on top */
        uint32_t n_heap, heap_room;
        struct hit *hits; /* a heap, the greatest on top */
        uint32_t n_hits, hits_room;
        uint64_t hit_bytes;

        struct log_position from, bound; /* virtual; only events strictly between */
        bool has_from;
        bool full;  /* the bound comes from an event that did not fit */
        bool early; /* the bound is where the search was broken off */
        uint64_t scanned;
        struct buf frame;
        uint32_t damaged;
        int status;
};

/* ---- virtual order ---- */

static struct log_position virtual_position(const struct log_query *q, struct log_position p)
{
        return q->backward ? (struct log_position){-p.timestamp_ms, ~p.number} : p;
}

static int compare(struct log_position a, struct log_position b)
{
        if (a.timestamp_ms != b.timestamp_ms)
                return a.timestamp_ms < b.timestamp_ms ? -1 : 1;
        return a.number < b.number ? -1 : a.number > b.number;
}

static int64_t begin_of(const struct log_query *q, int64_t first_ms, int64_t last_ms)
{
        return q->backward ? -last_ms : first_ms;
}

static bool overlaps(const struct log_query *q, int64_t first_ms, int64_t last_ms)
{
        if (last_ms < q->start_ms || first_ms >= q->end_ms)
                return false;
        if (!q->has_from)
                return true;
        return q->backward ? first_ms <= q->from.timestamp_ms : last_ms >= q->from.timestamp_ms;
}

/* ---- plan: on the loop ---- */

static void want(struct log_read *read, uint32_t id)
{
        read->wanted[id / 64] |= UINT64_C(1) << (id % 64);
}

static bool is_wanted(const struct log_read *read, uint32_t id)
{
        return id < read->n_wanted && (read->wanted[id / 64] >> (id % 64)) & 1;
}

/* The segment numbers between which the wanted streams' frames are. */
static void plan_streams(struct log_read *read, uint32_t *ret_first, uint32_t *ret_last)
{
        const struct log_query *q = read->query;
        const struct log_group *group = read->group;

        read->n_wanted = group->next_stream;
        read->wanted = xcalloc(group->next_stream / 64 + 1, sizeof *read->wanted);
        *ret_first = UINT32_MAX;
        *ret_last = 0;
        for (uint32_t i = 0; i < (q->all_streams ? group->n_by_id : q->n_streams); i++) {
                const struct log_stream *stream = q->all_streams ? group->by_id[i].stream : q->streams[i];

                if (stream == NULL)
                        continue;
                want(read, stream->id);
                *ret_first = MIN(*ret_first, stream->first_segment);
                *ret_last = MAX(*ret_last, stream->last_segment);
        }
}

static void plan_part(struct log_read *read, const struct log_segment *s)
{
        const struct log_query *q = read->query;
        struct part *part = &read->parts[read->n_parts++];

        *part = (struct part){.number = s->number, .sealed = s->sealed, .begin = begin_of(q, s->min_ms, s->max_ms), .fd = -1};
        if (s->sealed)
                return;
        part->frames = xcalloc(s->n_frames + 1, sizeof *part->frames);
        for (uint32_t i = 0; i < s->n_frames; i++) {
                if (is_wanted(read, s->frames[i].stream) && overlaps(q, s->frames[i].first_ms, s->frames[i].last_ms))
                        part->frames[part->n_frames++] = s->frames[i];
        }
}

static int compare_parts(const void *a, const void *b)
{
        const struct part *x = a, *y = b;

        if (x->begin != y->begin)
                return x->begin < y->begin ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static void plan(struct log_read *read)
{
        const struct log_query *q = read->query;
        const struct log_group *group = read->group;
        uint32_t first, last;

        plan_streams(read, &first, &last);
        read->parts = xcalloc(group->n_segments + 1, sizeof *read->parts);
        for (uint32_t i = 0; i < group->n_segments; i++) {
                const struct log_segment *s = group->segments[i];

                if (s->n_frames > 0 && s->number >= first && s->number <= last && overlaps(q, s->min_ms, s->max_ms))
                        plan_part(read, s);
        }
        qsort(read->parts, read->n_parts, sizeof *read->parts, compare_parts);
        read->has_from = q->has_from;
        read->from = virtual_position(q, q->from);
        read->bound = (struct log_position){INT64_MAX, UINT64_MAX};
}

/* ---- the heap of frames ---- */

static void heap_push(struct log_read *read, const struct frame_ref *ref)
{
        uint32_t at = read->n_heap++;

        if (read->n_heap > read->heap_room) {
                read->heap_room = read->heap_room * 2 + 64;
                read->heap = xrealloc(read->heap, read->heap_room * sizeof *read->heap);
        }
        for (; at > 0 && read->heap[(at - 1) / 2].begin > ref->begin; at = (at - 1) / 2)
                read->heap[at] = read->heap[(at - 1) / 2];
        read->heap[at] = *ref;
}

static struct frame_ref heap_pop(struct log_read *read)
{
        struct frame_ref top = read->heap[0], moved = read->heap[--read->n_heap];
        uint32_t at = 0, child;

        while ((child = 2 * at + 1) < read->n_heap) {
                if (child + 1 < read->n_heap && read->heap[child + 1].begin < read->heap[child].begin)
                        child++;
                if (read->heap[child].begin >= moved.begin)
                        break;
                read->heap[at] = read->heap[child];
                at = child;
        }
        read->heap[at] = moved;
        return top;
}

/* ---- the heap of hits ---- */

static void hit_sift_up(struct log_read *read, uint32_t at, struct hit hit)
{
        for (; at > 0 && compare(read->hits[(at - 1) / 2].virtual, hit.virtual) < 0; at = (at - 1) / 2)
                read->hits[at] = read->hits[(at - 1) / 2];
        read->hits[at] = hit;
}

static struct hit hit_pop(struct log_read *read)
{
        struct hit top = read->hits[0], moved = read->hits[--read->n_hits];
        uint32_t at = 0, child;

        while ((child = 2 * at + 1) < read->n_hits) {
                if (child + 1 < read->n_hits && compare(read->hits[child + 1].virtual, read->hits[child].virtual) > 0)
                        child++;
                if (compare(read->hits[child].virtual, moved.virtual) <= 0)
                        break;
                read->hits[at] = read->hits[child];
                at = child;
        }
        read->hits[at] = moved;
        return top;
}

static void hit_add(struct log_read *read, const struct frame_ref *ref, const struct log_event *event, struct log_position position,
                    struct log_position virtual)
{
        const struct log_query *q = read->query;
        struct hit hit = {.virtual = virtual,
                          .position = position,
                          .stream = ref->entry.stream,
                          .ingestion_ms = ref->entry.ingestion_ms,
                          .message = xstrndup(event->message, event->len),
                          .len = event->len};

        if (read->n_hits == read->hits_room) {
                read->hits_room = read->hits_room * 2 + 64;
                read->hits = xrealloc(read->hits, read->hits_room * sizeof *read->hits);
        }
        hit_sift_up(read, read->n_hits++, hit);
        read->hit_bytes += hit.len + EVENT_OVERHEAD;
        while (read->n_hits > q->max_events || (read->hit_bytes > q->max_bytes && read->n_hits > 1)) {
                struct hit worst = hit_pop(read);

                read->hit_bytes -= worst.len + EVENT_OVERHEAD;
                read->bound = worst.virtual;
                read->full = true;
                free(worst.message); /* NOLINT(clang-analyzer-unix.Malloc): it does not see that popping takes off the heap */
        }
}

/* ---- files ---- */

static void close_part(struct log_read *read, struct part *part)
{
        if (part->fd < 0)
                return;
        (void)close(TAKE_FD(part->fd));
        read->n_open--;
}

/* -ENOENT when the segment expired or the group was deleted meanwhile: then it simply has no events. */
static int open_part(struct log_read *read, struct part *part)
{
        CLEANUP_FREE char *path = NULL;

        if (part->fd >= 0)
                return 0;
        for (uint32_t i = 0; i < read->n_parts && read->n_open >= OPEN_FILES; i++)
                close_part(read, &read->parts[i]);
        path = segment_path(read->group, part->number);
        part->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (part->fd < 0)
                return -errno;
        read->n_open++;
        return 0;
}

static int push_part(struct log_read *read, struct part *part)
{
        const struct log_query *q = read->query;
        CLEANUP_FREE struct frame_entry *entries = part->frames;
        int64_t n = part->n_frames;

        part->frames = NULL;
        if (part->sealed) {
                int r = open_part(read, part);

                if (r < 0)
                        return r == -ENOENT ? 0 : r;
                n = segment_read_index(part->fd, &entries);
                if (n == -EBADMSG)
                        read->damaged++;
                if (n < 0)
                        return n == -EBADMSG ? 0 : (int)n;
        }
        for (int64_t i = 0; i < n; i++) {
                const struct frame_entry *e = &entries[i];

                if (is_wanted(read, e->stream) && overlaps(q, e->first_ms, e->last_ms))
                        heap_push(read, &(struct frame_ref){begin_of(q, e->first_ms, e->last_ms), part, *e});
        }
        return 0;
}

static int load_frame(struct log_read *read, const struct frame_ref *ref)
{
        struct frame_entry found;
        ssize_t n;
        int r = open_part(read, ref->part);

        if (r < 0)
                return r;
        buf_clear(&read->frame);
        n = pread(ref->part->fd, buf_reserve(&read->frame, ref->entry.length), ref->entry.length, (off_t)ref->entry.offset);
        if (n < 0)
                return -errno;
        if ((uint32_t)n != ref->entry.length || frame_check((uint8_t *)read->frame.data, (size_t)n, &found) != (size_t)n)
                return -EBADMSG;
        return 0;
}

/* ---- search: in the thread pool ---- */

static void search_frame(struct log_read *read, const struct frame_ref *ref)
{
        const struct log_query *q = read->query;
        struct frame_cursor cursor;
        struct log_event event;

        frame_begin(&cursor, (const uint8_t *)read->frame.data, ref->entry.length);
        for (;;) {
                uint64_t number = (uint64_t)ref->part->number << 40 | (uint64_t)ref->entry.number << 20 | cursor.number;
                struct log_position position, virtual;

                if (!frame_next(&cursor, &event))
                        return;
                position = (struct log_position){event.timestamp_ms, number};
                virtual = virtual_position(q, position);
                if (event.timestamp_ms < q->start_ms || event.timestamp_ms >= q->end_ms ||
                    (read->has_from && compare(virtual, read->from) <= 0) || compare(virtual, read->bound) >= 0)
                        continue;
                if (q->match == NULL || q->match(event.message, event.len, q->match_data))
                        hit_add(read, ref, &event, position, virtual);
        }
}

/* Enough was looked at, and the page may end before the frame on top: everything before that was seen, and the next page will begin
 * later than this one. */
static bool break_off(struct log_read *read)
{
        const struct log_query *q = read->query;
        const struct log_position next = {read->heap[0].begin - 1, UINT64_MAX};

        if (read->scanned < (q->max_scan != 0 ? q->max_scan : DEFAULT_SCAN) || (read->has_from && compare(next, read->from) <= 0))
                return false;
        read->bound = (struct log_position){read->heap[0].begin, 0};
        read->early = true;
        return true;
}

static int search(struct log_read *read)
{
        for (;;) {
                struct frame_ref ref;
                int r;

                while (read->next_part < read->n_parts &&
                       (read->n_heap == 0 || read->parts[read->next_part].begin <= read->heap[0].begin)) {
                        if (read->parts[read->next_part].begin > read->bound.timestamp_ms)
                                break;
                        r = push_part(read, &read->parts[read->next_part++]);
                        if (r < 0)
                                return r;
                }
                if (read->n_heap == 0 || read->heap[0].begin > read->bound.timestamp_ms || break_off(read))
                        return 0;
                ref = heap_pop(read);
                r = load_frame(read, &ref);
                if (r == -EBADMSG)
                        read->damaged++;
                if (r == -ENOENT || r == -EBADMSG)
                        continue;
                if (r < 0)
                        return r;
                read->scanned += ref.entry.length;
                search_frame(read, &ref);
        }
}

static void work(uv_work_t *uv)
{
        struct log_read *read = CONTAINER_OF(uv, struct log_read, work);

        read->status = search(read);
}

/* ---- finish: on the loop ---- */

/* `from` of the page behind this one. */
static struct log_position next_position(const struct log_read *read)
{
        const struct log_query *q = read->query;
        struct log_position last = read->from;

        if (read->early)
                last = (struct log_position){read->bound.timestamp_ms - 1, UINT64_MAX};
        else if (read->n_hits > 0)
                last = read->hits[0].virtual; /* the greatest is on top */
        return virtual_position(q, last);
}

/* From the heap into ascending order, without streams that are gone. */
static void give_results(struct log_read *read)
{
        struct log_query *q = read->query;
        uint32_t n = read->n_hits, at = 0;
        struct hit *sorted = xcalloc(n + 1, sizeof *sorted);

        for (uint32_t i = n; i-- > 0;)
                sorted[q->backward ? n - 1 - i : i] = hit_pop(read);
        q->results = arena_calloc(q->arena, n + 1, sizeof *q->results);
        for (uint32_t i = 0; i < n; i++) {
                struct hit *hit = &sorted[i];
                struct log_stream *stream = read->group->deleted ? NULL : group_stream(read->group, hit->stream);

                if (stream != NULL)
                        q->results[at++] = (struct log_result){hit->position, stream, hit->ingestion_ms,
                                                               arena_strndup(q->arena, hit->message, hit->len), hit->len};
                free(hit->message);
        }
        q->n = at;
        free(sorted);
}

static void read_free(struct log_read *read)
{
        while (read->n_hits > 0)
                free(hit_pop(read).message);
        for (uint32_t i = 0; i < read->n_parts; i++) {
                close_part(read, &read->parts[i]);
                free(read->parts[i].frames);
        }
        log_group_unref(read->group);
        buf_done(&read->frame);
        free(read->wanted);
        free(read->parts);
        free(read->heap);
        free(read->hits);
        free(read);
}

static void finish(struct log_read *read)
{
        struct log_query *q = read->query;
        struct log_store *store = read->store;
        int status = read->status < 0 ? -EIO : 0;

        if (read->early) {
                /* Frames overlap: some hits may lie behind the place where the search was broken off. */
                while (read->n_hits > 0 && compare(read->hits[0].virtual, read->bound) >= 0)
                        free(hit_pop(read).message); /* NOLINT(clang-analyzer-unix.Malloc): as above */
        }
        q->has_next = read->has_from || read->early || read->n_hits > 0;
        q->next = next_position(read);
        q->complete = status == 0 && !read->early && !read->full;
        q->read_ = NULL;
        store->stats.damaged += read->damaged;
        give_results(read);
        read_free(read);
        q->done(q, status);
        store_settle(store);
}

static void worked(uv_work_t *uv, UNUSED int status)
{
        struct log_read *read = CONTAINER_OF(uv, struct log_read, work);

        read->store->n_reading--;
        reads_start(read->store);
        finish(read);
}

void reads_start(struct log_store *store)
{
        while (store->n_reading < READS_AT_ONCE && !list_empty(&store->reads)) {
                struct log_read *read = list_first(&store->reads, struct log_read, link);

                list_remove(&read->link);
                if (store->options.loop == NULL) {
                        work(&read->work);
                        finish(read);
                        return;
                }
                store->n_reading++;
                if (uv_queue_work(store->options.loop, &read->work, work, worked) != 0) {
                        abort(); /* only for a NULL function */
                }
        }
}

void log_query_start(struct log_store *store, struct log_query *query)
{
        struct log_read *read = xalloc(sizeof *read);

        read->store = store;
        read->query = query;
        read->group = query->group;
        log_group_ref(read->group);
        query->read_ = read;
        plan(read);
        list_push(&store->reads, &read->link);
        reads_start(store);
}
