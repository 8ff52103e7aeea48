/* SPDX-License-Identifier: Apache-2.0 */
/* String helpers. */
#include "base/strutil.h"

#include <errno.h>

#include "unit.h"

static void comparisons(void **state)
{
        assert_true(str_eq(NULL, ""));
        assert_false(str_eq("a", NULL));
        assert_true(str_eq_nocase("Host", "hOST"));
        assert_false(str_eq_nocase("Host", "Hos"));
        assert_true(str_starts_with("abc", "ab"));
        assert_false(str_starts_with("a", "ab"));
        assert_true(str_ends_with("abc", "bc"));
        assert_false(str_ends_with("c", "bc"));
        assert_true(str_ends_with(NULL, NULL));
        assert_true(str_empty(NULL));
}

static void integers(void **state)
{
        static const struct {
                const char *text;
                int r;
                int64_t value;
        } rows[] = {
                {"0", 0, 0},
                {"-5", 0, -5},
                {"9223372036854775807", 0, INT64_MAX},
                {"9223372036854775808", -ERANGE, 0},
                {"", -EINVAL, 0},
                {NULL, -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"1 ", -EINVAL, 0},
                {"0x1", -EINVAL, 0},
                {"-", -EINVAL, 0},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t value = 77;
                assert_int_equal(str_to_int64(rows[i].text, &value), rows[i].r);
                assert_true(value == (rows[i].r == 0 ? rows[i].value : 77));
        }
}

static void doubles(void **state)
{
        double value = 0;
        assert_int_equal(str_to_double("-1.5e3", &value), 0);
        assert_true(value == -1500);
        static const char *const bad[] = {"", "inf", "nan", "0x1p3", " 1", "1 ", ".", "e5", NULL};
        for (size_t i = 0; bad[i] != NULL; i++)
                assert_int_equal(str_to_double(bad[i], &value), -EINVAL);
        assert_int_equal(str_to_double("1e999", &value), -ERANGE);
}

static void names(void **state)
{
        assert_true(str_is_name("a-b_C9", "-_", 6));
        assert_false(str_is_name("a-b_C9", "-_", 5));
        assert_false(str_is_name("", "-_", 5));
        assert_false(str_is_name("a b", "-_", 5));
        assert_false(str_is_name(NULL, NULL, 5));
}

static void labels(void **state)
{
        char longest[66] = "";
        const char *at = "a-b._c9", *bad = "a b.c", *none = ".c";

        (void)state;
        memset(longest, 'x', 63);
        assert_int_equal(str_dns_label(&at), 3);
        assert_string_equal(at, "_c9");
        assert_int_equal(str_dns_label(&at), 3);
        assert_null(at);
        assert_int_equal(str_dns_label(&bad), 0);
        assert_int_equal(str_dns_label(&none), 0);
        at = longest;
        assert_int_equal(str_dns_label(&at), 63);
        longest[63] = 'x';
        at = longest;
        assert_int_equal(str_dns_label(&at), 0);
}

static void times(void **state)
{
        char text[32];
        str_iso8601(1893456000123, true, text);
        assert_string_equal(text, "2030-01-01T00:00:00.123Z");
        str_iso8601(1893456000123, false, text);
        assert_string_equal(text, "2030-01-01T00:00:00Z");
        str_iso8601(-1, true, text);
        assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(comparisons), cmocka_unit_test(integers), cmocka_unit_test(doubles),
                cmocka_unit_test(names),       cmocka_unit_test(labels),   cmocka_unit_test(times),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
