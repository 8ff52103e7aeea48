/* SPDX-License-Identifier: Apache-2.0 */
/* Metric math on three series of four periods. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "metrics/expression.h"

#include "metrics/search.h"

#define N NAN

static const double a[] = {1, 2, N, 4}, b[] = {10, 20, 30, 40}, e[] = {0.5, -0.5, 0, 1}, none[] = {N, N, N, N}, gap[] = {N, 1, N, 3};
static const struct math_line lines[] = {{a, "a"}, {b, "b"}, {e, "e"}, {none, "none"}, {gap, "gap"}};
static const struct math_series series[] = {{"m1", {&lines[0], 1, false}, true},
                                            {"m2", {&lines[1], 1, false}, true},
                                            {"e1", {&lines[2], 1, false}, false},
                                            {"e2", {&lines[0], 5, true}, false},
                                            {"gap", {&lines[4], 1, false}, false}};

/* Finds what the text says: a line a letter. */
static const char *search(void *data, const char *text, const char *statistic, int64_t period_s, struct math_lines *ret)
{
        (void)data;
        if (strcmp(statistic, "Average") != 0 || (period_s != 0 && period_s != 60))
                return "bad";
        *ret = (struct math_lines){lines, strlen(text), true};
        return NULL;
}

/* From Monday, 2026-01-05T23:58:00Z on. */
static const struct math_grid grid = {4, INT64_C(1767657480), 60, series, ARRAY_SIZE(series), search, NULL};

static void test_values(void **state)
{
        static const struct {
                const char *expression;
                double values[4];
        } rows[] = {
                {"m1 + m2 * 2", {21, 42, 60, 84}},
                {"(m1+m2)/2", {5.5, 11, 15, 22}},
                {"m2 / (m2 - 10)", {N, 2, 1.5, 40.0 / 30}},
                {"-m1", {-1, -2, N, -4}},
                {"2 ^ 3 - 1", {7, 7, 7, 7}},
                {"SUM(METRICS())", {11, 22, 30, 44}},
                {"SUM(METRICS(\"m1\"))", {1, 2, N, 4}},
                {"AVG([m1, m2])", {5.5, 11, 15, 22}},
                {"MAX(m2) - MIN(m2)", {30, 30, 30, 30}},
                {"FILL(m1, 0)", {1, 2, 0, 4}},
                {"FILL(m1, REPEAT)", {1, 2, 2, 4}},
                {"IF(m2 >= 20 && m2 != 40, m2, 0)", {0, 20, 30, 0}},
                {"IF(m1 > 1, 1)", {N, 1, N, 1}},
                {"RATE(m1)", {N, 1.0 / 60, N, 2.0 / 120}},
                {"DIFF(m2)", {N, 10, 10, 10}},
                {"RUNNING_SUM(m1)", {1, 3, N, 7}},
                {"ceil(e1)", {1, 0, 0, 1}},
                {"ABS(FLOOR(e1))", {0, 1, 0, 1}},
                {"TIME_SERIES(7) + m1", {8, 9, 7, 11}},
                {"TIME_SERIES(MAX(m2))", {40, 40, 40, 40}},
                {"m2 / PERIOD(m2)", {1.0 / 6, 1.0 / 3, 0.5, 2.0 / 3}},
                /* What one of two series lacks is 0; a number makes nothing of what is missing. */
                {"m1 + gap", {1, 3, N, 7}},
                {"m1 / gap", {N, 2, N, 4.0 / 3}},
                {"m1 > gap", {1, 1, N, 1}},
                {"m1 * 2", {2, 4, N, 8}},
                {"gap < 2 || m1 > 3", {0, 1, N, 1}},
                {"IF(m1, gap, 5)", {0, 1, N, 3}},
                {"IF(e1, m2, gap)", {10, 20, N, 40}},
                {"IF(1, gap)", {N, 1, N, 3}},
                {"LOG10(m2 * 10)", {2, 2.301029995663981, 2.477121254719662, 2.602059991327962}},
                {"LOG(m2 - 10)", {N, 2.302585092994046, 2.995732273553991, 3.401197381662155}},
                {"DIFF_TIME(m1)", {N, 60, N, 120}},
                {"FILL(m1, LINEAR)", {1, 2, 3, 4}},
                {"FILL(gap, LINEAR)", {N, 1, 2, 3}},
                {"FILL(gap, m2)", {10, 1, 30, 3}},
                {"m2 - STDDEV(m2)", {10 - 11.180339887498949, 20 - 11.180339887498949, 30 - 11.180339887498949, 40 - 11.180339887498949}},
                {"SUM(m1) / DATAPOINT_COUNT(m1)", {7.0 / 3, 7.0 / 3, 7.0 / 3, 7.0 / 3}},
                {"DATAPOINT_COUNT(e2)", {3, 4, 2, 4}},
                {"METRIC_COUNT(REMOVE_EMPTY(e2)) * TIME_SERIES(1)", {4, 4, 4, 4}},
                {"SUM([METRICS('m1'), METRICS(\"m2\"), gap])", {11, 23, 30, 47}},
                {"FIRST(SORT(e2, AVG, DESC))", {10, 20, 30, 40}},
                {"LAST(SORT(e2, SUM, ASC))", {N, N, N, N}},
                {"FIRST(SORT(e2, SUM, ASC))", {0.5, -0.5, 0, 1}},
                {"SUM(SORT(e2, MAX, DESC, 2))", {11, 22, 30, 44}},
                {"SUM(SLICE(SORT(e2, MAX, DESC), 1, 3))", {1, 3, N, 7}},
                {"LAST(SLICE(e2, 4))", {N, 1, N, 3}},
                {"FIRST(SLICE(e2, 5))", {N, N, N, N}},
                {"SUM(e2 * 2)", {23, 45, 60, 96}},
                {"MAX(SEARCH('xx', 'Average'))", {10, 20, 30, 40}},
                {"SUM(FILL(SEARCH('x', 'Average', 60), 0))", {1, 2, 0, 4}},
                {"MINUTE(m1)", {58, 59, 0, 1}},
                {"HOUR(m1) * 10 + DAY(m1)", {231, 231, 2, 2}},
                {"DATE(m1) * 100 + MONTH(m1) + YEAR(m1) * 10000", {20260501, 20260501, 20260601, 20260601}},
                {"EPOCH(m1)", {1767657480, 1767657540, 1767657600, 1767657660}},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error = {0};
                struct math_lines result;
                const double *values;

                if (math_evaluate(rows[i].expression, &grid, &arena, &result, &error) < 0)
                        fail_msg("%s: %s", rows[i].expression, error.message);
                assert_int_equal(result.n, 1);
                values = result.items[0].values;
                for (size_t k = 0; k < 4; k++)
                        if (isnan(values[k]) != isnan(rows[i].values[k]) ||
                            (!isnan(values[k]) && fabs(values[k] - rows[i].values[k]) > 1e-12))
                                fail_msg("%s: period %zu is %g, not %g", rows[i].expression, k, values[k], rows[i].values[k]);
        }
}

/* Several series, in their order, and whose they are. */
static void test_arrays(void **state)
{
        static const struct {
                const char *expression, *sources;
        } rows[] = {
                {"e2", "a b e none gap"},
                {"SORT(e2, MAX, DESC)", "b a gap e none"},
                {"SORT(e2, MIN, ASC, 2)", "e a"},
                {"SLICE(FILL(e2, 0), 3)", "none gap"},
                {"REMOVE_EMPTY(ABS(e2) * 2 + m1)", "a b e none gap"},
                {"REMOVE_EMPTY(e2)", "a b e gap"},
                {"METRICS()", "a b"},
                {"100 / METRICS()", "a b"},
                {"SEARCH('two', 'Average')", "a b e"},
                {"SEARCH('', 'Average')", ""},
                {"[m1, e2]", "a a b e none gap"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error = {0};
                struct math_lines result;
                const char *sources = "";

                if (math_evaluate(rows[i].expression, &grid, &arena, &result, &error) < 0)
                        fail_msg("%s: %s", rows[i].expression, error.message);
                assert_true(result.array);
                for (size_t k = 0; k < result.n; k++)
                        sources = arena_printf(&arena, "%s%s%s", sources, k > 0 ? " " : "", (const char *)result.items[k].source);
                assert_string_equal(sources, rows[i].sources);
        }
}

static void test_refuses(void **state)
{
        static const char *const rows[][2] = {
                {"", "ends too early"},
                {"m1 +", "ends too early"},
                {"m9", "no query"},
                {"m1 m2", "operator or the end"},
                {"NOPE(m1)", "not known here"},
                {"SUM(m1", "',' or ')'"},
                {"'x'", "give a series"},
                {"FILL(m1)", "another number"},
                {"SUM(1)", "take a series"},
                {"[1]", "holds series"},
                {"'x", "does not end"},
                {"m1 + 'x'", "operators take"},
                {"SORT(e2, m1, ASC)", "SORT takes"},
                {"SORT(e2, SUM, UP)", "no query"},
                {"SORT(e2, SUM, ASC, 0)", "SORT takes"},
                {"SLICE(e2, 2, 1)", "SLICE takes"},
                {"e2 + METRICS()", "only one side"},
                {"IF(e2, 1)", "IF takes"},
                {"SEARCH('x', 'Sum')", "bad"},
                {"SEARCH(m1, 'Sum')", "SEARCH takes"},
                {"SLICE(e2, -1)", "SLICE takes"},
        };
        CLEANUP_ARENA struct arena arena = {0};
        struct math_grid big = grid;
        struct error error = {0};
        char deep[200];
        struct math_lines values;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                error = (struct error){0};
                assert_true(math_evaluate(rows[i][0], &grid, &arena, &values, &error) < 0);
                if (strstr(error.message, rows[i][1]) == NULL)
                        fail_msg("%s: %s", rows[i][0], error.message);
        }
        memset(deep, '(', sizeof(deep) - 1);
        deep[sizeof(deep) - 1] = '\0';
        assert_true(math_evaluate(deep, &grid, &arena, &values, &(struct error){0}) < 0);
        /* Nor as much as a text of two thousand characters can ask for. */
        error = (struct error){0};
        big.n = 100000;
        big.n_series = 0;
        memset(deep, '-', sizeof(deep) - 1);
        memcpy(deep + sizeof(deep) - sizeof("TIME_SERIES(1)"), "TIME_SERIES(1)", sizeof("TIME_SERIES(1)"));
        assert_true(math_evaluate(deep, &big, &arena, &values, &error) < 0);
        assert_non_null(strstr(error.message, "too much"));
}

/* Of these four metrics, by letters: w and b are services, l is a balancer, p has no dimension. */
static void test_search(void **state)
{
        static const struct metric_dimension web[] = {{"ClusterName", "main"}, {"ServiceName", "web-1"}};
        static const struct metric_dimension batch[] = {{"ClusterName", "main"}, {"ServiceName", "NightlyBatch2"}};
        static const struct metric_dimension balancer[] = {{"Load Balancer", "app/web(1)/0a1b"}};
        static const struct metric_id ids[] = {{"AWS/ECS", "CPUUtilization", web, 2},
                                               {"AWS/ECS", "MemoryUtilization", batch, 2},
                                               {"AWS/ApplicationELB", "RequestCount", balancer, 1},
                                               {"my-app", "CustomCount1", NULL, 0}};
        static const char *const rows[][2] = {
                {"{AWS/ECS,ClusterName,ServiceName} MetricName=\"CPUUtilization\"", "w"},
                {"{ AWS/ECS , ServiceName , ClusterName }", "wb"},
                {"{AWS/ECS,ClusterName}", ""},
                {"{AWS/ECS}", ""},
                {"{my-app}, count", "p"},
                {"{\"AWS/ApplicationELB\", \"Load Balancer\"}", "l"},
                {"utilization", "wb"},
                {"cpuutilization", "w"},
                {"CPU", "w"},
                {"count", "lp"},
                {"couNT", ""},
                {"CustomCount", "p"},
                {"Count1", "p"},
                {"customcount1", "p"},
                {"customcount", ""},
                {"custom-count", "p"},
                {"\"CustomCount1\"", "p"},
                {"\"customcount1\"", ""},
                {"\"Custom\"", ""},
                {"\"app/web\\(1\\)/0a1b\"", "l"},
                {"web", "wl"},
                {"ServiceName=web", "w"},
                {"ServiceName=\"web\"", ""},
                {"ServiceName = web/1", "w"},
                {"\"Load Balancer\"=app", "l"},
                {"ServiceName", "wb"},
                {"Namespace=AWS", "wbl"},
                {"NOT Namespace=AWS", "p"},
                {"MetricName=Utilization NOT batch", "w"},
                {"main AND NOT(cpu OR memory)", ""},
                {"(ELB OR ECS) NOT MetricName=CPU", "bl"},
                {"nightly 2", "b"},
                {"Nightly2", ""},
                {"count OR cpu web", "wlp"},
                {"ANDROID OR ORDER", ""},
        };
        static const char *const wrong[][2] = {
                {"", "empty"},
                {"{}", "the schema must"},
                {"{AWS/ECS", "the schema must"},
                {"\"cpu", "not closed"},
                {"(cpu", "expected"},
                {"cpu)", "the end was expected"},
                {"a=", "a term"},
                {"cpu OR ", "a term"},
                {"---", "a letter"},
                {":aws.AccountId=1", "accounts"},
        };
        char text[METRIC_SEARCH_LENGTH + 2];

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                const struct metric_search *search = NULL;
                const char *problem = metric_search_parse(rows[i][0], &arena, &search);
                char found[5] = "";

                if (problem != NULL)
                        fail_msg("%s: %s", rows[i][0], problem);
                for (size_t k = 0; k < 4; k++)
                        if (metric_search_matches(search, &ids[k]))
                                found[strlen(found)] = "wblp"[k];
                if (strcmp(found, rows[i][1]) != 0)
                        fail_msg("%s: finds '%s', not '%s'", rows[i][0], found, rows[i][1]);
        }
        memset(text, '(', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(wrong) + 2; i++) {
                CLEANUP_ARENA struct arena arena = {0};
                const struct metric_search *search = NULL;
                const char *row = i < ARRAY_SIZE(wrong) ? wrong[i][0] : text;
                const char *problem = metric_search_parse(row, &arena, &search);

                if (problem == NULL || strstr(problem, i < ARRAY_SIZE(wrong)    ? wrong[i][1]
                                                       : i == ARRAY_SIZE(wrong) ? "longer"
                                                                                : "deeply") == NULL)
                        fail_msg("%s: %s", row, problem != NULL ? problem : "taken");
                text[100] = i == ARRAY_SIZE(wrong) ? '\0' : text[100];
        }
}

/* In a store: by name at once, ordered, up to a number. */
static void test_search_in_store(void **state)
{
        struct metrics *metrics = metrics_new(NULL);
        CLEANUP_ARENA struct arena arena = {0};
        const struct metric_search *search = NULL;
        const struct metric_series **found;
        bool more;

        (void)state;
        for (int i = 0; i < 30; i++) {
                char name[16];
                const struct metric_dimension dimension = {"Name", name};

                (void)snprintf(name, sizeof(name), "x%02d", i / 3);
                assert_int_equal(
                        0, metrics_put_value(metrics,
                                             &(struct metric_id){i % 3 == 0 ? "app" : "app2", i % 3 == 1 ? "cpu" : "mem", &dimension, 1}, 1,
                                             0, INT64_C(1800000000000)));
        }
        assert_null(metric_search_parse("{app2, Name} MetricName=\"mem\"", &arena, &search));
        assert_int_equal(10, metric_search_run(search, metrics, 10, &arena, &found, &more));
        assert_false(more);
        assert_string_equal(found[9]->id.dimensions[0].value, "x09");
        assert_int_equal(3, metric_search_run(search, metrics, 3, &arena, &found, &more));
        assert_true(more);
        assert_null(metric_search_parse("Name=x03", &arena, &search));
        assert_int_equal(3, metric_search_run(search, metrics, 10, &arena, &found, &more));
        metrics_free(metrics);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values), cmocka_unit_test(test_arrays),          cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_search), cmocka_unit_test(test_search_in_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
