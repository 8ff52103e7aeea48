/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics on disk: what a process leaves behind is what the next one knows, whatever moment it ended at. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics/disk.h"
#include "unit.h"

#define NOW_S INT64_C(1800057600) /* a multiple of a day */

static const struct metric_dimension web[] = {{"ClusterName", "c"}, {"ServiceName", "web"}};
static const struct metric_id cpu = {"AWS/ECS", "CPUUtilization", web, 2}, other = {"shop", "Orders", NULL, 0};

struct world {
        char dir[64];
        struct metrics *metrics;
        int64_t now_s;
};

static void start(struct world *w)
{
        struct error error = {0};

        assert_int_equal(metrics_open(&(struct metrics_options){.dir = w->dir, .now_ms = w->now_s * 1000}, &w->metrics, &error), 0);
        assert_false(metrics_usage(w->metrics).loading); /* without a loop it is there at once */
}

static void begin(struct world *w)
{
        *w = (struct world){.now_s = NOW_S};
        /* In memory where that is possible: hours are played, and what they write is forced to the disk. */
        snprintf(w->dir, sizeof(w->dir), "%s/gantry-metrics-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(w->dir));
        start(w);
}

static size_t files(const struct world *w, const char *end, bool remove)
{
        DIR *dir = opendir(w->dir);
        const struct dirent *entry;
        size_t n = 0;

        while ((entry = readdir(dir)) != NULL) {
                size_t len = strlen(entry->d_name);

                if (entry->d_name[0] == '.' || (len < strlen(end) || strcmp(entry->d_name + len - strlen(end), end) != 0))
                        continue;
                n++;
                if (remove)
                        assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
        }
        closedir(dir);
        return n;
}

static void end(struct world *w)
{
        w->metrics = metrics_free(w->metrics);
        files(w, "", true);
        assert_int_equal(rmdir(w->dir), 0);
}

/* Killed: nothing is written any more. What it had in memory is let go without a word. */
static void kill_and_start(struct world *w)
{
        char aside[96];

        snprintf(aside, sizeof(aside), "%s.aside", w->dir);
        assert_int_equal(rename(w->dir, aside), 0);
        metrics_free(w->metrics);
        assert_int_equal(rename(aside, w->dir), 0);
        start(w);
}

/* A second with these values passes. */
static void second(struct world *w, double value, double more)
{
        assert_int_equal(metrics_put(w->metrics, &cpu, &(struct metric_set){1, value, value, value}, 20, w->now_s * 1000, w->now_s * 1000),
                         0);
        assert_int_equal(
                metrics_put(w->metrics, &other, &(struct metric_set){2, more * 2, more, more}, 0, w->now_s * 1000, w->now_s * 1000), 0);
        w->now_s++;
        metrics_tick(w->metrics, w->now_s * 1000);
        if (w->now_s % 60 == 0)
                metrics_sweep(w->metrics, w->now_s * 1000);
}

struct answer {
        struct metric_history *history;
        bool came;
};

static void on_loaded(void *data, struct metric_history *history)
{
        *(struct answer *)data = (struct answer){history, true};
}

/* Sum and number of values in [from, to), read in periods; the number of periods. */
static size_t read_back(struct world *w, const struct metric_id *id, int64_t from_s, int64_t to_s, int64_t period_s, struct metric_set *ret)
{
        const struct metric_want want = {*id, from_s, to_s, period_s};
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets = NULL;
        const struct metric_series *series;
        struct answer answer = {0};
        size_t n;

        if (metrics_load(w->metrics, &want, 1, on_loaded, &answer)) {
                assert_true(answer.came);
                metrics_attach(w->metrics, answer.history);
        }
        series = metrics_find(w->metrics, id);
        n = series != NULL ? metrics_read(series, from_s, to_s, period_s, &arena, &buckets) : 0;
        *ret = (struct metric_set){0};
        for (size_t i = 0; i < n; i++) {
                metric_set_add(ret, &buckets[i].set);
                assert_true(i == 0 || buckets[i].at_s > buckets[i - 1].at_s);
        }
        if (answer.came) {
                metrics_detach(w->metrics);
                metrics_history_free(answer.history);
        }
        return n;
}

static void expect(struct world *w, const struct metric_id *id, int64_t from_s, int64_t to_s, int64_t period_s, double count, double sum)
{
        struct metric_set set;

        read_back(w, id, from_s, to_s, period_s, &set);
        if (set.count != count || fabs(set.sum - sum) > 1e-6 * fabs(sum))
                fail_msg("%s every %lld s: count %.17g sum %.17g, not %.17g and %.17g", id->name, (long long)period_s, set.count, set.sum,
                         count, sum);
}

static void test_killed_at_any_second(void **state)
{
        const int64_t periods[] = {1, 60, 300, 3600};
        struct world w;
        int64_t begun_s;

        begin(&w);
        begun_s = w.now_s;
        for (int i = 0; i < 500; i++)
                second(&w, i, 3);
        kill_and_start(&w);
        /* the last second was open: all before it is there, at every resolution, and of the newest the unit */
        for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
                expect(&w, &cpu, begun_s, begun_s + 7200, periods[i], 499, 499 * 498 / 2);
                expect(&w, &other, begun_s, begun_s + 7200, periods[i], 998, 998 * 3);
        }
        assert_int_equal(metrics_find(w.metrics, &cpu)->unit, 20);
        /* it goes on as if nothing had been, and once more */
        for (int i = 500; i < 1000; i++)
                second(&w, i, 3);
        kill_and_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
                expect(&w, &cpu, begun_s, begun_s + 7200, periods[i], 998, 999 * 998 / 2 - 499);
        end(&w);
}

static void test_orderly_end_loses_nothing(void **state)
{
        struct world w;
        int64_t begun_s;

        begin(&w);
        begun_s = w.now_s;
        for (int i = 0; i < 130; i++)
                second(&w, 2, 1);
        w.metrics = metrics_free(w.metrics);
        start(&w);
        expect(&w, &cpu, begun_s, begun_s + 300, 1, 130, 260);
        expect(&w, &cpu, begun_s, begun_s + 300, 60, 130, 260);
        expect(&w, &cpu, begun_s, begun_s + 300, 300, 130, 260);
        end(&w);
}

/* Seconds that nobody put anything in: time passes by minutes. */
static void minutes(struct world *w, int n)
{
        for (int i = 0; i < n; i++) {
                w->now_s += 60;
                metrics_tick(w->metrics, w->now_s * 1000);
                metrics_sweep(w->metrics, w->now_s * 1000);
        }
}

static void test_blocks(void **state)
{
        struct world w;
        int64_t begun_s;

        begin(&w);
        begun_s = w.now_s;
        for (int i = 0; i < 3600; i++)
                second(&w, i % 100, 1);
        minutes(&w, 5);
        assert_int_equal(files(&w, ".block", false), 1); /* the hour of seconds */
        /* a value that comes late for it */
        assert_int_equal(metrics_put(w.metrics, &cpu, &(struct metric_set){1, 1000, 1000, 1000}, 20, (begun_s + 10) * 1000, w.now_s * 1000),
                         0);
        minutes(&w, 1);
        expect(&w, &cpu, begun_s, begun_s + 3600, 1, 3601, 36 * 4950 + 1000);
        expect(&w, &cpu, begun_s, begun_s + 3600, 60, 3601, 36 * 4950 + 1000);
        kill_and_start(&w);
        expect(&w, &cpu, begun_s, begun_s + 3600, 1, 3601, 36 * 4950 + 1000);
        minutes(&w, 90); /* the late one is in the block as well now, and memory has let go of the hour */
        expect(&w, &cpu, begun_s, begun_s + 3600, 1, 3601, 36 * 4950 + 1000);
        expect(&w, &other, begun_s, begun_s + 3600, 1, 7200, 7200);
        assert_true(metrics_find(w.metrics, &cpu)->tiers[METRIC_TIER_1_S].n == 0);
        /* two days later memory does not know the series at all */
        minutes(&w, 2 * 1440);
        assert_null(metrics_find(w.metrics, &cpu));
        assert_int_equal(files(&w, ".journal", false), 0);
        expect(&w, &cpu, begun_s, begun_s + 3600, 60, 3601, 36 * 4950 + 1000);
        expect(&w, &cpu, begun_s, begun_s + 3600, 1, 0, 0); /* past its retention */
        kill_and_start(&w);
        expect(&w, &cpu, begun_s, begun_s + 3600, 3600, 3601, 36 * 4950 + 1000);
        /* new values beside the old ones */
        second(&w, 5, 1);
        expect(&w, &cpu, begun_s, w.now_s + 1, 300, 3602, 36 * 4950 + 1005);
        end(&w);
}

static char *any_file(const struct world *w, const char *end)
{
        DIR *dir = opendir(w->dir);
        const struct dirent *entry;
        char *path = NULL;

        while (path == NULL && (entry = readdir(dir)) != NULL)
                if (strstr(entry->d_name, end) != NULL && entry->d_name[0] == '1')
                        assert_true(asprintf(&path, "%s/%s", w->dir, entry->d_name) > 0);
        closedir(dir);
        return path;
}

/* A journal whose end was torn off, at every length. */
static void test_torn_journal(void **state)
{
        struct world w;
        struct stat st;
        char *path;

        begin(&w);
        for (int i = 0; i < 20; i++)
                second(&w, i, 1);
        path = any_file(&w, ".journal");
        assert_int_equal(stat(path, &st), 0);
        for (off_t size = st.st_size - 1; size > 40; size -= 7) {
                struct metric_set set;

                assert_int_equal(truncate(path, size), 0);
                kill_and_start(&w);
                read_back(&w, &cpu, NOW_S, NOW_S + 60, 1, &set);
                assert_true(set.count < 19.5 && set.sum == set.count * (set.count - 1) / 2);
        }
        free(path);
        end(&w);
}

static void test_damaged_block(void **state)
{
        struct world w;
        char *path;
        int fd;

        begin(&w);
        for (int i = 0; i < 3600; i++)
                second(&w, 1, 1);
        minutes(&w, 3);
        path = any_file(&w, ".block");
        fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, "x", 1, 200), 1);
        close(fd);
        kill_and_start(&w);
        assert_int_equal(files(&w, ".bad", false), 1);
        expect(&w, &cpu, NOW_S, NOW_S + 3600, 1, 0, 0);
        expect(&w, &cpu, NOW_S, NOW_S + 3600, 60, 3600, 3600); /* the other resolutions have it */
        free(path);
        end(&w);
}

static void test_bounded(void **state)
{
        struct world w;

        begin(&w);
        w.metrics->options.max_disk_bytes = 30000;
        for (int i = 0; i < 4 * 3600; i++)
                second(&w, i * 1.01, i * 0.37);
        assert_true(metrics_usage(w.metrics).disk_bytes < 120000);
        assert_true(metrics_usage(w.metrics).disk_dropped > 0);
        end(&w);
}

static void test_many_values(void **state)
{
        const double percentiles[] = {50, 90, 99};
        CLEANUP_ARENA struct arena arena = {0};
        struct metric_bucket *buckets;
        struct world w;

        begin(&w);
        for (int i = 0; i < 120; i++) {
                for (int k = 1; k <= 1000; k++)
                        (void)metrics_put_value(w.metrics, &cpu, k, 0, w.now_s * 1000);
                second(&w, 1, 1);
        }
        kill_and_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++) {
                assert_int_equal(
                        metrics_read_percentile(metrics_find(w.metrics, &cpu), percentiles[i], NOW_S, NOW_S + 60, 60, &arena, &buckets), 1);
                assert_true(fabs(buckets[0].set.sum / (percentiles[i] * 10) - 1) < 0.025);
                assert_true(buckets[0].set.count == 60 * 1001);
        }
        end(&w);
}

/* Numbers survive as they are. */
static void test_codec(void **state)
{
        const double values[] = {0, 1, -1, 0.1, 1e-300, 1e300, 123456789.125, -2.5, 1e9, 1e9 + 1, 0x1p-1074};
        CLEANUP_BUF struct buf bytes = {0};

        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
                        struct metric_point point = {0}, back = {0};
                        const uint8_t *p;

                        metric_point_add(&point, &(struct metric_set){1, values[i], values[i], values[i]}, NULL);
                        metric_point_add(&point, &(struct metric_set){2.5, values[k] * 2.5, values[k], values[k]}, NULL);
                        buf_clear(&bytes);
                        metric_point_encode(&point, &bytes);
                        p = (const uint8_t *)bytes.data;
                        assert_int_equal(metric_point_decode(&p, p + bytes.len, true, &back), 0);
                        assert_true(p == (const uint8_t *)bytes.data + bytes.len);
                        assert_memory_equal(&back.set, &point.set, sizeof(back.set));
                        assert_true((back.digest == NULL) == (point.digest == NULL));
                        metric_point_done(&point);
                        metric_point_done(&back);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codec),
                cmocka_unit_test(test_killed_at_any_second),
                cmocka_unit_test(test_orderly_end_loses_nothing),
                cmocka_unit_test(test_blocks),
                cmocka_unit_test(test_torn_journal),
                cmocka_unit_test(test_damaged_block),
                cmocka_unit_test(test_bounded),
                cmocka_unit_test(test_many_values),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
