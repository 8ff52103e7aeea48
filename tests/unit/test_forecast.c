/* SPDX-License-Identifier: Apache-2.0 */
/* Forecasts from hourly patterns. */
#include "unit.h"

#include <math.h>

#include "base/macro.h"
#include "control/scaling/forecast.h"

static void test_a_day(UNUSED void **state)
{
        double history[24];

        for (int i = 0; i < 24; i++)
                history[i] = 100 + i;
        assert_int_equal(forecast_known(history, 24), 24);
        for (uint32_t ahead = 0; ahead < 24; ahead++)
                assert_true(fabs(forecast_load(history, 24, ahead) - (100 + ahead)) < 1e-9);
        assert_true(fabs(forecast_load(history, 24, 30) - 106) < 1e-9); /* the day after: from the same day */
        history[5] = NAN;
        assert_true(isnan(forecast_load(history, 24, 5)));
        assert_int_equal(forecast_known(history, 24), 23);
}

/* Newer days count more, and the same weekday more than others. */
static void test_weights(UNUSED void **state)
{
        double history[14 * 24];

        for (int i = 0; i < 14 * 24; i++)
                history[i] = i / 24 == 13 ? 200 : 100;
        assert_true(forecast_load(history, 14 * 24, 3) > 115);
        assert_true(forecast_load(history, 14 * 24, 3) < 150);
        for (int i = 0; i < 14 * 24; i++)
                history[i] = (i / 24) % 7 == 0 ? 10 : 100; /* the day that comes is such a one */
        assert_true(forecast_load(history, 14 * 24, 12) < 80);
        assert_true(forecast_load(history, 14 * 24, 36) > 85); /* and the next is not */
}

static void test_capacity(UNUSED void **state)
{
        assert_int_equal(forecast_capacity(0, 50), 0);
        assert_int_equal(forecast_capacity(50, 50), 1);
        assert_int_equal(forecast_capacity(50.1, 50), 2);
        assert_int_equal(forecast_capacity(NAN, 50), 0);
        assert_int_equal(forecast_capacity(1e300, 1), 1000000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_day), cmocka_unit_test(test_weights), cmocka_unit_test(test_capacity)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
