/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and URLs. */
#include "net/addr.h"

#include <errno.h>

#include "net/url.h"
#include "unit.h"

static void addresses(void **state)
{
        static const struct {
                const char *text, *shown; /* shown NULL: refused */
        } rows[] = {
                {"127.0.0.1:4327", "127.0.0.1:4327"},
                {"[::1]:80", "[::1]:80"},
                {"localhost:0", "127.0.0.1:0"},
                {"*:5", "0.0.0.0:5"},
                {":5", "0.0.0.0:5"},
                {"unix:/run/x", "unix:/run/x"},
                {"127.0.0.1", NULL},
                {"127.0.0.1:", NULL},
                {"127.0.0.1:65536", NULL},
                {"127.0.0.1:+5", NULL},
                {"::1:80", NULL},
                {"[::1]80", NULL},
                {"[::1", NULL},
                {"example.org:80", NULL},
                {"unix:", NULL},
                {"", NULL},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                union addr addr;
                struct error error = {0};
                char shown[ADDR_TEXT_MAX];
                int r = addr_parse(rows[i].text, &addr, &error);
                assert_int_equal(r == 0, rows[i].shown != NULL);
                assert_int_equal(r != 0, error_is_set(&error));
                if (r == 0) {
                        addr_format(&addr.any, shown);
                        assert_string_equal(shown, rows[i].shown);
                }
        }
        char longest[200];
        union addr addr;
        memset(longest, 'a', sizeof(longest));
        memcpy(longest, "unix:/", 6);
        longest[199] = '\0';
        assert_int_equal(addr_parse(longest, &addr, NULL), -ENAMETOOLONG);
        assert_int_equal(addr_parse("127.0.0.1:80", &addr, NULL), 0);
        assert_int_equal(addr_port(&addr.any), 80);
}

static void urls(void **state)
{
        static const struct {
                const char *text, *host, *header, *target;
                int port, tls;
        } rows[] = {
                {"http://h", "h", "h", "/", 80, 0},
                {"https://h:444/a?b", "h", "h:444", "/a?b", 444, 1},
                {"ws://[::1]:80/", "::1", "[::1]", "/", 80, 0},
                {"wss://h?x", "h", "h", "/?x", 443, 1},
                {"ws://[::1]:81", "::1", "[::1]:81", "/", 81, 0},
        };
        static const char *const bad[] = {
                "ftp://h",        "h",           "http://",     "http://:80",  "http://u@h",    "http://h:0",   "http://h:x",
                "http://h:65536", "http://h/#f", "http://h/ x", "http://[::1", "http://[::1]x", "http://h\r\n", "http://h:"};
        CLEANUP_ARENA struct arena arena = {0};
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct url url;
                assert_int_equal(url_parse(rows[i].text, &arena, &url, NULL), 0);
                assert_string_equal(url.host, rows[i].host);
                assert_string_equal(url.host_header, rows[i].header);
                assert_string_equal(url.target, rows[i].target);
                assert_int_equal(url.port, rows[i].port);
                assert_int_equal(url.tls, rows[i].tls);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct url url;
                struct error error = {0};
                assert_int_equal(url_parse(bad[i], &arena, &url, &error), -EINVAL);
                assert_true(error_is_set(&error));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses),
                cmocka_unit_test(urls),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
