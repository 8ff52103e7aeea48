/* SPDX-License-Identifier: Apache-2.0 */
/* The log store: histories against a naive model, what a crash leaves, group commit. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/crc32c.h"
#include "logs/log_store.h"

#define DAY_MS INT64_C(86400000)

static char dir[64]; /* in memory where that is possible: thousands of syncs */

static void clean(void)
{
        char command[200];

        snprintf(command, sizeof command, "rm -rf %s/*", dir);
        assert_int_equal(system(command), 0);
}

static struct log_store *open_with(uv_loop_t *loop, uint64_t segment_bytes, uint32_t segment_frames)
{
        struct log_store_options options = {.dir = dir, .loop = loop, .segment_bytes = segment_bytes, .segment_frames = segment_frames};
        struct log_store *store = NULL;
        struct error error = {0};

        if (log_store_open(&options, &store, &error) < 0)
                fail_msg("%s", error.message);
        return store;
}

static struct log_store *open_small(void)
{
        return open_with(NULL, 4096, 7);
}

static void close_now(struct log_store *store)
{
        log_store_close(store, NULL, NULL);
}

struct ack {
        struct log_op op;
        int status; /* 1: not yet */
};

static void acked(struct log_op *op, int status)
{
        CONTAINER_OF(op, struct ack, op)->status = status;
}

static int append(struct log_stream *stream, const struct log_event *events, uint32_t n, int64_t now_ms)
{
        struct ack ack = {.op = {.done = acked}, .status = 1};
        int r = log_stream_append(stream, events, n, now_ms, &ack.op);

        return r < 0 ? r : ack.status;
}

static int append_text(struct log_stream *stream, int64_t ms, const char *text)
{
        struct log_event event = {ms, text, (uint32_t)strlen(text)};

        return append(stream, &event, 1, ms);
}

static struct log_group *make_group(struct log_store *store, const char *name)
{
        struct log_group *group = NULL;
        struct log_group_info info = {.name = name, .created_ms = 1};

        assert_int_equal(log_group_create(store, &info, &group), 0);
        return group;
}

static struct log_stream *make_stream(struct log_group *group, const char *name)
{
        struct log_stream *stream = NULL;

        assert_int_equal(log_stream_create(group, name, 2, &stream), 0);
        return stream;
}

static struct arena arena; /* of query results */

static void query_done(struct log_query *query, int status)
{
        (void)query;
        assert_int_equal(status, 0);
}

static void query_all(struct log_query *query, struct log_group *group)
{
        *query = (struct log_query){.group = group,
                                    .all_streams = true,
                                    .end_ms = INT64_MAX,
                                    .max_events = 10000,
                                    .max_bytes = 1 << 20,
                                    .done = query_done,
                                    .arena = &arena};
}

/* The messages of a group in order, as one string. */
static char *content(struct log_store *store, const char *name)
{
        struct log_group *group = log_group_find(store, name);
        struct buf text = {0};
        struct log_query query;

        assert_non_null(group);
        query_all(&query, group);
        log_query_start(store, &query);
        for (uint32_t i = 0; i < query.n; i++)
                buf_printf(&text, "%s ", query.results[i].message);
        assert_true(query.complete);
        arena_reset(&arena);
        return buf_take(&text);
}

static void assert_content(struct log_store *store, const char *name, const char *expected)
{
        CLEANUP_FREE char *have = content(store, name);

        assert_string_equal(have, expected);
}

/* ---- tests ---- */

static void test_crc(void **state)
{
        assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
        assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void test_catalog(void **state)
{
        struct log_store *store = open_small();
        struct string_pair pairs[] = {{"team", "web"}, {"empty", ""}};
        struct log_group_info info = {.name = "/ecs/web",
                                      .created_ms = 77,
                                      .retention_days = 3,
                                      .class = 2,
                                      .protected = true,
                                      .kms_key_id = "k",
                                      .tags = {.items = pairs, .n = 2}};
        struct log_group *group, *other;
        struct log_stream *stream;

        clean();
        close_now(store);
        store = open_small();
        assert_int_equal(log_group_create(store, &info, &group), 0);
        assert_int_equal(log_group_create(store, &info, &group), -EEXIST);
        make_stream(group, "a");
        make_stream(group, "b");
        assert_int_equal(log_stream_create(group, "b", 2, &stream), -EEXIST);
        log_stream_delete(log_stream_find(group, "a"));
        other = make_group(store, "/gone");
        make_stream(other, "x");
        log_group_delete(other);
        make_group(store, "/zzz");
        close_now(store);
        for (int i = 0; i < 2; i++) {
                store = open_small();
                group = log_group_find(store, "/ecs/web");
                assert_non_null(group);
                assert_int_equal(log_group_info(group)->created_ms, 77);
                assert_int_equal(log_group_info(group)->retention_days, 3 + i);
                assert_int_equal(log_group_info(group)->class, 2);
                assert_true(log_group_info(group)->protected);
                assert_string_equal(log_group_info(group)->kms_key_id, "k");
                assert_string_equal(string_map_get(&log_group_info(group)->tags, "team"), "web");
                assert_string_equal(string_map_get(&log_group_info(group)->tags, "empty"), "");
                assert_null(log_stream_find(group, "a"));
                assert_non_null(log_stream_find(group, "b"));
                assert_int_equal(log_group_info(group)->n_streams, 1);
                assert_null(log_group_find(store, "/gone"));
                assert_string_equal(log_group_info(log_group_after(store, "/ecs/web", false))->name, "/zzz");
                log_group_set_retention(group, 4);
                close_now(store);
        }
        clean();
}

static void test_append_and_read(void **state)
{
        struct log_store *store = open_small();
        struct log_group *group = make_group(store, "g");
        struct log_stream *a = make_stream(group, "a"), *b = make_stream(group, "b");
        struct log_query query;
        struct log_event unordered[] = {{5, "x", 1}, {4, "y", 1}};

        assert_int_equal(append_text(a, 10, "a10"), 0);
        assert_int_equal(append_text(b, 5, "b5"), 0);
        assert_int_equal(append_text(a, 7, "a7"), 0);
        assert_int_equal(append_text(b, 10, "b10"), 0);
        assert_int_equal(append_text(b, 12, ""), 0);
        assert_int_equal(append(a, unordered, 2, 1), -EINVAL);
        assert_content(store, "g", "b5 a7 a10 b10  ");
        query_all(&query, group);
        query.all_streams = false;
        query.streams = &a;
        query.n_streams = 1;
        query.backward = true;
        query.max_events = 1;
        log_query_start(store, &query);
        assert_int_equal(query.n, 1);
        assert_string_equal(query.results[0].message, "a10");
        assert_ptr_equal(query.results[0].stream, a);
        assert_int_equal(query.results[0].ingestion_ms, 10);
        assert_false(query.complete);
        arena_reset(&arena);
        query.from = query.next;
        query.has_from = true;
        log_query_start(store, &query);
        assert_int_equal(query.n, 1);
        assert_string_equal(query.results[0].message, "a7");
        assert_true(query.complete);
        arena_reset(&arena);
        assert_int_equal(log_stream_info(a)->first_event_ms, 7);
        assert_int_equal(log_stream_info(a)->last_event_ms, 10);
        close_now(store);
        store = open_small();
        a = log_stream_find(log_group_find(store, "g"), "a");
        assert_int_equal(log_stream_info(a)->first_event_ms, 7);
        assert_int_equal(log_stream_info(a)->last_event_ms, 10);
        assert_int_equal(log_stream_info(a)->last_ingestion_ms, 10);
        assert_content(store, "g", "b5 a7 a10 b10  ");
        /* A stream of the same name is another stream. */
        log_stream_delete(a);
        a = make_stream(log_group_find(store, "g"), "a");
        assert_content(store, "g", "b5 b10  ");
        assert_int_equal(append_text(a, 6, "new"), 0);
        assert_content(store, "g", "b5 new b10  ");
        close_now(store);
        clean();
}

static off_t file_size(const char *path)
{
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

/* Cut anywhere, or overwritten anywhere: what was acknowledged before that place is there, and the store goes on. */
static void test_torn_segment(void **state)
{
        char path[100];
        off_t whole, before;
        struct log_store *store = open_with(NULL, 0, 0);
        struct log_group *group = make_group(store, "g");
        struct log_stream *a = make_stream(group, "a");

        snprintf(path, sizeof path, "%s/00000000/00000000.seg", dir);
        assert_int_equal(append_text(a, 1, "one"), 0);
        assert_int_equal(append_text(a, 2, "two"), 0);
        before = file_size(path);
        assert_int_equal(append_text(a, 3, "three-which-is-cut"), 0);
        whole = file_size(path);
        close_now(store);
        for (off_t size = whole - 1; size >= before; size--) {
                assert_int_equal(truncate(path, size), 0);
                store = open_with(NULL, 0, 0);
                assert_content(store, "g", "one two ");
                assert_int_equal(file_size(path), before);
                assert_int_equal(append_text(log_stream_find(log_group_find(store, "g"), "a"), 3, "three-which-is-cut"), 0);
                close_now(store);
                assert_int_equal(file_size(path), whole);
        }
        for (off_t at = before; at < whole; at++) {
                int fd = open(path, O_RDWR);
                char c = 0;

                assert_int_equal(pread(fd, &c, 1, at), 1);
                c ^= 0x40;
                assert_int_equal(pwrite(fd, &c, 1, at), 1);
                close(fd);
                store = open_with(NULL, 0, 0);
                assert_content(store, "g", "one two ");
                assert_int_equal(append_text(log_stream_find(log_group_find(store, "g"), "a"), 3, "three-which-is-cut"), 0);
                close_now(store);
                store = open_with(NULL, 0, 0);
                assert_content(store, "g", "one two three-which-is-cut ");
                close_now(store);
        }
        clean();
}

static void test_torn_catalog(void **state)
{
        char path[100];
        struct log_store *store = open_small();
        off_t before, whole;

        snprintf(path, sizeof path, "%s/catalog", dir);
        make_group(store, "one");
        before = file_size(path);
        make_group(store, "two");
        whole = file_size(path);
        close_now(store);
        for (off_t size = whole - 1; size >= before; size--) {
                assert_int_equal(truncate(path, size), 0);
                store = open_small();
                assert_non_null(log_group_find(store, "one"));
                assert_null(log_group_find(store, "two"));
                make_group(store, "two");
                close_now(store);
                assert_int_equal(file_size(path), whole);
        }
        clean();
}

/* Index lost or unfinished: read again from the frames, and sealed. */
static void test_torn_index(void **state)
{
        char path[100];
        struct log_store *store = open_with(NULL, 0, 4);
        struct log_stream *a = make_stream(make_group(store, "g"), "a");
        char text[8];
        off_t whole;

        snprintf(path, sizeof path, "%s/00000000/00000000.seg", dir);
        for (int i = 0; i < 10; i++) {
                snprintf(text, sizeof text, "%d", i);
                assert_int_equal(append_text(a, i, text), 0);
        }
        close_now(store);
        whole = file_size(path);
        for (off_t cut = 1; cut < 40 + 4 * 56; cut += 13) {
                assert_int_equal(truncate(path, whole - cut), 0);
                store = open_with(NULL, 0, 4);
                assert_content(store, "g", "0 1 2 3 4 5 6 7 8 9 ");
                close_now(store);
                assert_int_equal(file_size(path), whole);
        }
        clean();
}

static void test_expiry(void **state)
{
        struct log_store *store = open_with(NULL, 0, 2);
        struct log_group *group = make_group(store, "g");
        struct log_stream *a = make_stream(group, "a");
        struct log_store_stats stats;
        char text[8];

        for (int day = 0; day < 10; day++) {
                snprintf(text, sizeof text, "%d", day);
                assert_int_equal(append_text(a, day * DAY_MS, text), 0);
        }
        log_store_expire(store, 100 * DAY_MS);
        assert_content(store, "g", "0 1 2 3 4 5 6 7 8 9 ");
        log_group_set_retention(group, 5);
        log_store_expire(store, 9 * DAY_MS + 1);
        /* Days 0 to 4 are too old; day 4 shares its segment with day 5. */
        assert_content(store, "g", "4 5 6 7 8 9 ");
        assert_int_equal(log_group_info(group)->stored_bytes, 6 * 27);
        log_store_stats(store, &stats);
        assert_int_equal(stats.segments, 3);
        log_store_expire(store, 100 * DAY_MS);
        assert_content(store, "g", "");
        assert_int_equal(log_group_info(group)->stored_bytes, 0);
        assert_int_equal(append_text(a, 200 * DAY_MS, "new"), 0);
        close_now(store);
        store = open_with(NULL, 0, 2);
        assert_content(store, "g", "new ");
        close_now(store);
        clean();
}

/* Many changes make the catalog shorter, not longer. */
static void test_catalog_is_rewritten(void **state)
{
        struct log_store *store = open_small();
        struct log_group *group = make_group(store, "g");
        struct log_store_stats stats;
        char name[512];
        uint64_t largest = 0;

        memset(name, 'n', sizeof name);
        for (int i = 0; i < 4000; i++) {
                snprintf(name + 480, 16, "%d", i);
                make_stream(group, name);
                if (i >= 10) {
                        snprintf(name + 480, 16, "%d", i - 10);
                        log_stream_delete(log_stream_find(group, name));
                }
                log_store_stats(store, &stats);
                largest = MAX(largest, stats.bytes);
        }
        assert_true(largest < 1200000);
        close_now(store);
        store = open_small();
        group = log_group_find(store, "g");
        assert_int_equal(log_group_info(group)->n_streams, 10);
        snprintf(name + 480, 16, "%d", 3999);
        assert_non_null(log_stream_find(group, name));
        close_now(store);
        clean();
}

/* ---- random histories ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (uint32_t)(seed >> 33) % n;
}

#define GROUPS 2
#define STREAMS 4

struct naive_event {
        int64_t ms;
        uint32_t order;
        int stream;
        char text[24];
};

struct naive {
        struct {
                bool exists, streams[STREAMS];
                struct naive_event events[20000];
                uint32_t n;
        } groups[GROUPS];
        uint32_t order;
};

static int by_place(const void *a, const void *b)
{
        const struct naive_event *x = a, *y = b;

        if (x->ms != y->ms)
                return x->ms < y->ms ? -1 : 1;
        return x->order < y->order ? -1 : 1;
}

static const char *group_name(int g)
{
        return g == 0 ? "g0" : "g1";
}

static const char *stream_name(int s)
{
        static const char *const names[STREAMS] = {"s0", "s1", "s2", "s3"};

        return names[s];
}

static bool match_even(const char *message, uint32_t len, void *data)
{
        (void)data;
        return (message[len - 1] - '0') % 2 == 0;
}

/* Pages through a random query and compares with the naive answer. */
static void check_query(struct log_store *store, struct naive *m, int g)
{
        struct log_group *group = log_group_find(store, group_name(g));
        struct log_stream *streams[STREAMS];
        bool wanted[STREAMS], even = rnd(3) == 0;
        struct naive_event *expected = xcalloc(20000, sizeof *expected);
        uint32_t n = 0, seen = 0;
        struct log_query q;

        query_all(&q, group);
        q.all_streams = rnd(2) == 0;
        q.streams = streams;
        for (int s = 0; s < STREAMS; s++) {
                wanted[s] = m->groups[g].streams[s] && (q.all_streams || rnd(2) == 0);
                if (wanted[s])
                        streams[q.n_streams++] = log_stream_find(group, stream_name(s));
        }
        q.backward = rnd(2) == 0;
        q.max_events = 1 + rnd(rnd(2) == 0 ? 5 : 400);
        q.max_bytes = rnd(4) == 0 ? 100 : 1 << 20;
        q.max_scan = rnd(3) == 0 ? 1 : 0;
        q.match = even ? match_even : NULL;
        if (rnd(2) == 0) {
                q.start_ms = rnd(1000);
                q.end_ms = q.start_ms + rnd(1000);
        }
        for (uint32_t i = 0; i < m->groups[g].n; i++) {
                const struct naive_event *e = &m->groups[g].events[i];

                if (wanted[e->stream] && e->ms >= q.start_ms && e->ms < q.end_ms &&
                    (!even || match_even(e->text, (uint32_t)strlen(e->text), NULL)))
                        expected[n++] = *e;
        }
        qsort(expected, n, sizeof *expected, by_place);
        do {
                log_query_start(store, &q);
                assert_true(q.n <= n - seen);
                for (uint32_t i = 0; i < q.n; i++) {
                        const struct naive_event *e = &expected[q.backward ? n - seen - q.n + i : seen + i];

                        assert_int_equal(q.results[i].position.timestamp_ms, e->ms);
                        assert_string_equal(q.results[i].message, e->text);
                        assert_string_equal(log_stream_info(q.results[i].stream)->name, stream_name(e->stream));
                }
                seen += q.n;
                q.from = q.next;
                q.has_from = q.has_next;
                arena_reset(&arena);
        } while (!q.complete);
        assert_int_equal(seen, n);
        free(expected);
}

static void random_append(struct log_store *store, struct naive *m, int g, int s)
{
        struct log_stream *stream = log_stream_find(log_group_find(store, group_name(g)), stream_name(s));
        struct log_event events[12];
        char texts[12][24];
        uint32_t n = 1 + rnd(12);
        int64_t ms = rnd(3) == 0 ? rnd(1000) : m->order / 8 % 1000;

        if (m->groups[g].n + n > ARRAY_SIZE(m->groups[g].events))
                return;
        for (uint32_t i = 0; i < n; i++) {
                struct naive_event *e = &m->groups[g].events[m->groups[g].n++];

                ms += rnd(4) == 0 ? rnd(20) : 0;
                snprintf(texts[i], sizeof texts[i], "e%u", m->order);
                *e = (struct naive_event){.ms = ms, .order = m->order++, .stream = s};
                memcpy(e->text, texts[i], sizeof e->text);
                events[i] = (struct log_event){ms, texts[i], (uint32_t)strlen(texts[i])};
        }
        assert_int_equal(append(stream, events, n, 5), 0);
}

static void forget_stream(struct naive *m, int g, int s)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < m->groups[g].n; i++) {
                if (m->groups[g].events[i].stream != s)
                        m->groups[g].events[n++] = m->groups[g].events[i];
        }
        m->groups[g].n = n;
        m->groups[g].streams[s] = false;
}

static void step(struct log_store **store, struct naive *m)
{
        int g = (int)rnd(GROUPS), s = (int)rnd(STREAMS), what = (int)rnd(100);
        struct log_group *group = log_group_find(*store, group_name(g));

        assert_int_equal(group != NULL, m->groups[g].exists);
        if (what == 0) {
                close_now(*store);
                *store = open_small();
        } else if (group == NULL) {
                make_group(*store, group_name(g));
                m->groups[g].exists = true;
        } else if (what == 1 && rnd(10) == 0) {
                log_group_delete(group);
                memset(&m->groups[g], 0, sizeof m->groups[g]);
        } else if (what == 2) {
                if (m->groups[g].streams[s])
                        log_stream_delete(log_stream_find(group, stream_name(s)));
                forget_stream(m, g, s);
        } else if (!m->groups[g].streams[s]) {
                make_stream(group, stream_name(s));
                m->groups[g].streams[s] = true;
        } else if (what < 85) {
                random_append(*store, m, g, s);
        } else {
                check_query(*store, m, g);
        }
}

static void test_random_histories(void **state)
{
        struct naive *m = xalloc(sizeof *m);

        for (uint64_t round = 1; round <= 6; round++) {
                struct log_store *store = open_small();

                seed = round * UINT64_C(0x9e3779b97f4a7c15);
                memset(m, 0, sizeof *m);
                for (int i = 0; i < 600; i++)
                        step(&store, m);
                close_now(store);
                clean();
        }
        free(m);
}

/* ---- with a loop ---- */

#define MANY 500

static void test_group_commit(void **state)
{
        struct log_store *store = open_with(uv_default_loop(), 0, 0);
        struct log_group *group = make_group(store, "g");
        struct log_stream *a = make_stream(group, "a");
        struct ack *acks = xcalloc(MANY + 1, sizeof *acks);
        struct log_store_stats stats;
        struct log_event event = {1, "event", 5};
        int answered = 0;

        for (int i = 0; i < MANY; i++) {
                acks[i] = (struct ack){.op = {.done = acked}, .status = 1};
                assert_int_equal(log_stream_append(a, &event, 1, 1, &acks[i].op), 0);
                assert_int_equal(acks[i].status, 1);
        }
        while (answered < MANY) {
                uv_run(uv_default_loop(), UV_RUN_ONCE);
                answered = 0;
                for (int i = 0; i < MANY; i++)
                        answered += acks[i].status == 0;
        }
        log_store_stats(store, &stats);
        assert_true(stats.batches <= 4);
        assert_int_equal(stats.appended_events, MANY);
        assert_int_equal(stats.pending_bytes, 0);
        /* Gone before it is written: refused; written while it goes: refused too, and nothing breaks. */
        acks[0].status = acks[1].status = 1;
        assert_int_equal(log_stream_append(a, &event, 1, 1, &acks[0].op), 0);
        assert_int_equal(log_stream_append(a, &event, 1, 1, &acks[1].op), 0);
        log_group_delete(group);
        /* Closing writes what waits. */
        make_stream(make_group(store, "h"), "b");
        log_store_close(store, NULL, NULL);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        assert_int_equal(acks[0].status, -ENOENT);
        assert_int_equal(acks[1].status, -ENOENT);
        store = open_small();
        assert_null(log_group_find(store, "g"));
        assert_non_null(log_stream_find(log_group_find(store, "h"), "b"));
        close_now(store);
        free(acks);
        clean();
}

static void test_backpressure_and_lock(void **state)
{
        struct log_store_options options = {.dir = dir, .loop = uv_default_loop(), .pending_bytes = 1000};
        struct log_store *store = NULL, *second = NULL;
        struct error error = {0};
        struct log_stream *a;
        struct ack acks[3] = {{{acked}, 1}, {{acked}, 1}, {{acked}, 1}};
        char text[700] = {0};
        struct log_event event = {1, text, sizeof text};

        assert_int_equal(log_store_open(&options, &store, &error), 0);
        assert_int_equal(log_store_open(&options, &second, &error), -EBUSY);
        a = make_stream(make_group(store, "g"), "a");
        assert_int_equal(log_stream_append(a, &event, 1, 1, &acks[0].op), 0);
        assert_int_equal(log_stream_append(a, &event, 1, 1, &acks[1].op), -EAGAIN);
        log_store_close(store, NULL, NULL);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        assert_int_equal(acks[0].status, 0);
        clean();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crc),
                cmocka_unit_test(test_catalog),
                cmocka_unit_test(test_append_and_read),
                cmocka_unit_test(test_torn_segment),
                cmocka_unit_test(test_torn_catalog),
                cmocka_unit_test(test_torn_index),
                cmocka_unit_test(test_expiry),
                cmocka_unit_test(test_catalog_is_rewritten),
                cmocka_unit_test(test_random_histories),
                cmocka_unit_test(test_group_commit),
                cmocka_unit_test(test_backpressure_and_lock),
        };
        int r;

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        snprintf(dir, sizeof dir, "%s/gantry-logs-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(dir) == NULL)
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        arena_done(&arena);
        clean();
        (void)rmdir(dir);
        return r;
}
