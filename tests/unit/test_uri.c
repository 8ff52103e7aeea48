/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding and query strings. */
#include <errno.h>

#include "codec/uri.h"
#include "unit.h"

static void test_encode(void **state)
{
        static const struct {
                const char *in, *keep, *out;
        } rows[] = {
                {"", "", ""},
                {"AZaz09-._~", "", "AZaz09-._~"},
                {"a b/c", "", "a%20b%2Fc"},
                {"a b/c", "/", "a%20b/c"},
                {"\xc3\xa9+&=%", "", "%C3%A9%2B%26%3D%25"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_BUF struct buf out = {0};

                uri_append_encoded(&out, rows[i].in, strlen(rows[i].in), rows[i].keep);
                assert_string_equal(out.data, rows[i].out);
        }
}

static void test_decode(void **state)
{
        static const struct {
                const char *in;
                bool form;
                const char *out;
        } rows[] = {
                {"", false, ""},         {"a%20b+c", false, "a b+c"}, {"a%20b+c", true, "a b c"}, {"%c3%A9", false, "\xc3\xa9"},
                {"100%", false, "100%"}, {"%2", false, "%2"},         {"%zz", false, "%zz"},      {"%2525", false, "%25"},
                {"a%00b", false, NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                char *out = uri_decode(&arena, rows[i].in, strlen(rows[i].in), rows[i].form);

                if (rows[i].out == NULL)
                        assert_null(out);
                else
                        assert_string_equal(out, rows[i].out);
        }
}

static void test_parse(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        static const char text[] = "&a=1&&b&c=&=d&a=2=3&%61=%20&";
        static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"a", "2=3"}, {"a", " "}};
        struct uri_pair *pairs;
        size_t n;

        assert_int_equal(uri_query_parse(&arena, text, strlen(text), false, 100, &pairs, &n), 0);
        assert_int_equal(n, ARRAY_SIZE(expected));
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(pairs[i].name, expected[i][0]);
                assert_string_equal(pairs[i].value, expected[i][1]);
        }
        assert_int_equal(uri_query_parse(&arena, text, strlen(text), false, 5, &pairs, &n), -E2BIG);
        assert_int_equal(uri_query_parse(&arena, "a=%00", 5, false, 5, &pairs, &n), -EINVAL);
        assert_int_equal(uri_query_parse(&arena, "", 0, false, 5, &pairs, &n), 0);
        assert_int_equal(n, 0);
}

static void test_get(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};

        assert_string_equal(uri_query_get(&arena, "x=1&y=2&y=3", "y"), "2");
        assert_string_equal(uri_query_get(&arena, "x=1&%79=a%2Fb", "y"), "a/b");
        assert_string_equal(uri_query_get(&arena, "x&y", "y"), "");
        assert_null(uri_query_get(&arena, "yy=1&xy=2", "y"));
        assert_null(uri_query_get(&arena, "", "y"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_encode),
                cmocka_unit_test(test_decode),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_get),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
