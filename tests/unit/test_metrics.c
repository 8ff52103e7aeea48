/* SPDX-License-Identifier: Apache-2.0 */
/* Series: resolutions, order, retention, bounds, percentiles. */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <uv.h>

#include "metrics/metrics.h"

#define NOW_S INT64_C(1800000000) /* a multiple of 300 */
#define NOW_MS (NOW_S * 1000)

static const struct metric_dimension web[] = {{"ServiceName", "web"}, {"ClusterName", "c"}};
static const struct metric_id cpu = {"AWS/ECS", "CPUUtilization", web, 2};

static void put(struct metrics *metrics, double value, int64_t at_s)
{
        assert_int_equal(metrics_put(metrics, &cpu, &(struct metric_set){1, value, value, value}, 0, at_s * 1000, NOW_MS), 0);
}

static void test_identity(void **state)
{
        const struct metric_dimension turned[] = {web[1], web[0]};
        struct metrics *metrics = metrics_new(NULL);

        (void)state;
        put(metrics, 1, NOW_S);
        assert_non_null(metrics_find(metrics, &(struct metric_id){"AWS/ECS", "CPUUtilization", turned, 2}));
        assert_null(metrics_find(metrics, &(struct metric_id){"AWS/ECS", "CPUUtilization", web, 1}));
        assert_string_equal(metrics_find(metrics, &cpu)->id.dimensions[0].name, "ClusterName");
        metrics_free(metrics);
}

static void test_periods(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct metrics *metrics = metrics_new(NULL);
        struct metric_bucket *buckets;

        (void)state;
        /* The second minute before the first: late values find their place. */
        for (int i = 0; i < 60; i++)
                put(metrics, 10, NOW_S + 60 + i);
        for (int i = 59; i >= 0; i--)
                put(metrics, i, NOW_S + i);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 300, 60, &arena, &buckets), 2);
        assert_true(buckets[0].at_s == NOW_S && buckets[0].set.count == 60 && buckets[0].set.sum == 1770);
        assert_true(buckets[0].set.min == 0 && buckets[0].set.max == 59);
        assert_true(buckets[1].set.sum == 600);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 300, 300, &arena, &buckets), 1);
        assert_true(buckets[0].set.count == 120);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S + 10, NOW_S + 30, 10, &arena, &buckets), 2);
        assert_true(buckets[0].set.sum == 145 && buckets[1].at_s == NOW_S + 20);
        metrics_free(metrics);
}

static void test_percentiles(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct metrics *metrics = metrics_new(NULL);
        struct metric_bucket *buckets;

        (void)state;
        for (int i = 1; i <= 100; i++)
                put(metrics, i, NOW_S + i % 10);
        assert_int_equal(metrics_read_percentile(metrics_find(metrics, &cpu), 95, NOW_S, NOW_S + 60, 60, &arena, &buckets), 1);
        assert_true(buckets[0].set.sum == 95);
        /* The same when asked for times before there was anything. */
        assert_int_equal(metrics_read_percentile(metrics_find(metrics, &cpu), 95, NOW_S - 3600, NOW_S + 60, 60, &arena, &buckets), 1);
        assert_true(buckets[0].set.sum == 95);
        /* More than a second keeps apart: an estimate, off by less than a hundredth of the range. */
        for (int i = 101; i <= 1000; i++)
                put(metrics, i, NOW_S);
        assert_int_equal(metrics_read_percentile(metrics_find(metrics, &cpu), 50, NOW_S, NOW_S + 60, 60, &arena, &buckets), 1);
        assert_true(fabs(buckets[0].set.sum - 500) < 10);
        metrics_free(metrics);
}

static void test_retention(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct metrics *metrics = metrics_new(NULL);
        struct metric_bucket *buckets;

        (void)state;
        put(metrics, 1, NOW_S);
        metrics_sweep(metrics, NOW_MS + INT64_C(4) * 3600000);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 60, 1, &arena, &buckets), 0);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 60, 60, &arena, &buckets), 1);
        metrics_sweep(metrics, NOW_MS + INT64_C(16) * 86400000);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 60, 60, &arena, &buckets), 0);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 300, 300, &arena, &buckets), 1);
        metrics_sweep(metrics, NOW_MS + INT64_C(64) * 86400000);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 300, 300, &arena, &buckets), 0);
        assert_int_equal(metrics_read(metrics_find(metrics, &cpu), NOW_S, NOW_S + 3600, 3600, &arena, &buckets), 1);
        metrics_sweep(metrics, NOW_MS + INT64_C(456) * 86400000);
        assert_null(metrics_find(metrics, &cpu));
        assert_int_equal(metrics_usage(metrics).bytes, 0);
        metrics_free(metrics);
}

static void test_bounds(void **state)
{
        struct metrics *metrics = metrics_new(&(struct metrics_options){.max_bytes = 30000, .max_series = 2});
        const struct metric_set one = {1, 1, 1, 1};
        uint64_t dropped;

        (void)state;
        for (int64_t at_s = NOW_S; at_s < NOW_S + 20000; at_s++)
                assert_int_equal(metrics_put(metrics, &cpu, &one, 0, at_s * 1000, at_s * 1000), 0);
        assert_true(metrics_usage(metrics).bytes <= 31000);
        assert_true(metrics_usage(metrics).squeeze > 0);
        assert_int_equal(metrics_put(metrics, &(struct metric_id){"n", "a", NULL, 0}, &one, 0, NOW_MS, NOW_MS), 0);
        dropped = metrics_usage(metrics).dropped;
        assert_int_equal(metrics_put(metrics, &(struct metric_id){"n", "b", NULL, 0}, &one, 0, NOW_MS, NOW_MS), -ENOSPC);
        assert_int_equal(metrics_usage(metrics).dropped, dropped + 1);
        metrics_free(metrics);
}

/* With a loop, what concerns all series is done in slices, one a second. */
static void test_rounds(UNUSED void **state)
{
        const int64_t begin_s = 1800057600;
        struct metrics *metrics = metrics_new(&(struct metrics_options){.loop = uv_default_loop()});
        int64_t now_s = begin_s;

        for (int i = 0; i < 90; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "m%d", i);
                assert_int_equal(0, metrics_put_value(metrics, &(struct metric_id){"n", name, NULL, 0}, 1, 0, now_s * 1000));
        }
        for (; now_s <= begin_s + 60 + 1 + 16; now_s++)
                metrics_tick(metrics, now_s * 1000);
        tree_for_each (node, metrics_series(metrics)) /* the minute is finished in all of them */
                assert_int_equal(1, CONTAINER_OF(node, struct metric_series, node)->tiers[METRIC_TIER_60_S].n);
        now_s += INT64_C(456) * 86400;
        for (int i = 0; i < 16; i++)
                metrics_tick(metrics, now_s++ * 1000);
        metrics_sweep(metrics, now_s * 1000);
        assert_int_equal(90, metrics_usage(metrics).series);
        metrics_tick(metrics, ++now_s * 1000);
        assert_int_equal(90 - 4, metrics_usage(metrics).series);
        for (int i = 0; i < 30; i++)
                metrics_tick(metrics, ++now_s * 1000);
        assert_int_equal(0, metrics_usage(metrics).series);
        metrics_free(metrics);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_identity),  cmocka_unit_test(test_periods), cmocka_unit_test(test_percentiles),
                cmocka_unit_test(test_retention), cmocka_unit_test(test_bounds),  cmocka_unit_test(test_rounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
