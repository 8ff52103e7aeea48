/* SPDX-License-Identifier: Apache-2.0 */
/* Metric math on three series of four periods. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "metrics/expression.h"

#define N NAN

static const double a[] = {1, 2, N, 4}, b[] = {10, 20, 30, 40}, e[] = {0.5, -0.5, 0, 1};
static const struct math_series series[] = {{"m1", a, 1}, {"m2", b, 1}, {"e1", e, 0}};
static const struct math_grid grid = {4, 60, series, 3};

static void test_values(void **state)
{
        static const struct {
                const char *expression;
                double values[4];
        } rows[] = {
                {"m1 + m2 * 2", {21, 42, N, 84}},
                {"(m1+m2)/2", {5.5, 11, N, 22}},
                {"m2 / (m2 - 10)", {N, 2, 1.5, 40.0 / 30}},
                {"-m1", {-1, -2, N, -4}},
                {"2 ^ 3 - 1", {7, 7, 7, 7}},
                {"SUM(METRICS())", {11, 22, 30, 44}},
                {"SUM(METRICS(\"m1\"))", {1, 2, N, 4}},
                {"AVG([m1, m2])", {5.5, 11, 30, 22}},
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
                {"TIME_SERIES(7) + m1", {8, 9, N, 11}},
                {"TIME_SERIES(MAX(m2))", {40, 40, 40, 40}},
                {"m2 / PERIOD(m2)", {1.0 / 6, 1.0 / 3, 0.5, 2.0 / 3}},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error = {0};
                double *values;

                if (math_evaluate(rows[i].expression, &grid, &arena, &values, &error) < 0)
                        fail_msg("%s: %s", rows[i].expression, error.message);
                for (size_t k = 0; k < 4; k++)
                        if (isnan(values[k]) != isnan(rows[i].values[k]) ||
                            (!isnan(values[k]) && fabs(values[k] - rows[i].values[k]) > 1e-12))
                                fail_msg("%s: period %zu is %g, not %g", rows[i].expression, k, values[k], rows[i].values[k]);
        }
}

static void test_refuses(void **state)
{
        static const char *const rows[][2] = {
                {"", "ends too early"},         {"m1 +", "ends too early"}, {"m9", "no query"},          {"m1 m2", "operator or the end"},
                {"NOPE(m1)", "not known here"}, {"SUM(m1", "',' or ')'"},   {"METRICS()", "one series"}, {"FILL(m1)", "another number"},
                {"SUM(1)", "take a series"},    {"[1]", "holds series"},    {"'x", "does not end"},      {"m1 + 'x'", "operators take"},
        };
        CLEANUP_ARENA struct arena arena = {0};
        char deep[200];
        double *values;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error error = {0};

                assert_true(math_evaluate(rows[i][0], &grid, &arena, &values, &error) < 0);
                if (strstr(error.message, rows[i][1]) == NULL)
                        fail_msg("%s: %s", rows[i][0], error.message);
        }
        memset(deep, '(', sizeof(deep) - 1);
        deep[sizeof(deep) - 1] = '\0';
        assert_true(math_evaluate(deep, &grid, &arena, &values, &(struct error){0}) < 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_refuses)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
