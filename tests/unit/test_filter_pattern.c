/* SPDX-License-Identifier: Apache-2.0 */
/* The filter pattern language, as a table. */
#include "unit.h"

#include <errno.h>

#include "base/macro.h"
#include "logs/filter_pattern.h"

#define ACCESS "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534"
#define TRAIL                                                                                                                             \
        "{\"eventType\": \"UpdateTrail\", \"sourceIPAddress\": \"111.111.111.111\", \"arrayKey\": [\"value\", \"another value\"],"        \
        " \"objectList\": [{\"name\": \"a\", \"id\": 1}, {\"name\": \"b\", \"id\": 2}], \"SomeObject\": null, \"cleared\": true,"         \
        " \"latency\": 1.5e2, \"code\": 404, \"text\": \"404\", \"a.b\": \"dot\", \"quote\": \"say \\\"hi\\\" \\u00e9\", \"o\": {\"x\": " \
        "{\"y\": -3}}}"

static const struct {
        const char *pattern, *message;
        bool matches;
} table[] = {
        {"", "anything", true},
        {"   ", "anything", true},
        {"ERROR", "[ERROR 400] BAD REQUEST", true},
        {"ERROR", "Exiting with ERRORCODE: -1", true},
        {"ERROR", "[error] lower case", false},
        {"ERROR", "", false},
        {"ERROR ARGUMENTS", "[ERROR] INVALID ARGUMENTS", true},
        {"ERROR ARGUMENTS", "[ERROR] UNAUTHORIZED", false},
        {"?ERROR ?ARGUMENTS", "INVALID ARGUMENTS", true},
        {"?ERROR ?ARGUMENTS", "fine", false},
        {"?ERROR REQUEST", "[INFO] REQUEST FAILED", true},
        {"?ERROR REQUEST", "[ERROR] other", false},
        {"?ERROR ?WARN -TEST", "WARN", true},
        {"?ERROR ?WARN -TEST", "WARN TEST", false},
        {"-INFO", "ERROR", true},
        {"-INFO", "INFO ERROR", false},
        {"ERROR -EXITING", "ERROR EXITING", false},
        {"\"INTERNAL SERVER ERROR\"", "500 INTERNAL SERVER ERROR", true},
        {"\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR SERVER", false},
        {"\"say \\\"hi\\\"\"", "they say \"hi\"", true},
        {"-\"a b\" c", "c a b", false},
        {"\"\"", "x", true},
        {"f\xc3\xbcr", "nur f\xc3\xbcr dich", true},
        {"%ERR[0-9]+%", "an ERR42", true},
        {"%ERR[0-9]+%", "an ERR", false},
        {"%^[hc]at%", "cat and hat", true},
        {"%^[hc]at%", "a cat", false},
        {"%[hc]at$%", "a cat", true},
        {"%\\d{1,3}\\.\\d{1,3}%", "ip 10.2", true},
        {"%\\d{1,3}\\.\\d{1,3}%", "ip 10x2", false},
        {"%gray|grey%", "so grey", true},
        {"-%\\s%", "nospace", true},
        {"%[*+]+x{2}y?%", "a*+xx", true},
        {"%a{2,}b%", "caab", true},
        {"%\\.+$%", "end...", true},

        {"{ $.eventType = \"UpdateTrail\" }", TRAIL, true},
        {"{ $.eventType = UpdateTrail }", TRAIL, true},
        {"{ $.eventType = \"Update*\" }", TRAIL, true},
        {"{ $.eventType = \"*ate*il\" }", TRAIL, true},
        {"{ $.eventType = \"update*\" }", TRAIL, false},
        {"{ $.eventType != \"Other\" }", TRAIL, true},
        {"{ $.none != \"Other\" }", TRAIL, false},
        {"{ $.sourceIPAddress != 123.123.* }", TRAIL, true},
        {"{ $.sourceIPAddress = 111.111.* }", TRAIL, true},
        {"{ $.arrayKey[0] = \"value\" }", TRAIL, true},
        {"{ $.arrayKey[1] = \"value\" }", TRAIL, false},
        {"{ $.arrayKey[7] = \"value\" }", TRAIL, false},
        {"{ $.arrayKey[*] = \"another*\" }", TRAIL, true},
        {"{ $.objectList[1].id = 2 }", TRAIL, true},
        {"{ $.objectList[*].name = \"b\" }", TRAIL, true},
        {"{ $.objectList[*].name = \"c\" }", TRAIL, false},
        {"{ $.SomeObject IS NULL }", TRAIL, true},
        {"{ $.cleared IS NULL }", TRAIL, false},
        {"{ $.SomeOtherObject NOT EXISTS }", TRAIL, true},
        {"{ $.SomeObject NOT EXISTS }", TRAIL, false},
        {"{ $.SomeObject EXISTS }", TRAIL, true},
        {"{ $.cleared IS TRUE }", TRAIL, true},
        {"{ $.cleared IS FALSE }", TRAIL, false},
        {"{ $.cleared = true }", TRAIL, true},
        {"{ $.latency >= 150 }", TRAIL, true},
        {"{ $.latency > 150 }", TRAIL, false},
        {"{ $.latency = 150 }", TRAIL, true},
        {"{ $.latency < 1.6e2 }", TRAIL, true},
        {"{ $.code = 4* }", TRAIL, true},
        {"{ $.code = 404 }", TRAIL, true},
        {"{ $.text = 404 }", TRAIL, true},
        {"{ $.text > 100 }", TRAIL, false},
        {"{ $.code != 404 }", TRAIL, false},
        {"{ $.o.x.y = -3 }", TRAIL, true},
        {"{ $.o.x = -3 }", TRAIL, false},
        {"{ $.o.x EXISTS }", TRAIL, true},
        {"{ $.['a.b'] = dot }", TRAIL, true},
        {"{ $[\"a.b\"] = dot }", TRAIL, true},
        {"{ $.\"a.b\" = dot }", TRAIL, true},
        {"{ $.quote = \"say \\\"hi\\\" \xc3\xa9\" }", TRAIL, true},
        {"{ $.eventType = %Trail$% }", TRAIL, true},
        {"{ $.eventType != %Trail$% }", TRAIL, false},
        {"{ $.code = 404 && $.eventType = \"UpdateTrail\" }", TRAIL, true},
        {"{ $.code = 500 && $.eventType = \"UpdateTrail\" }", TRAIL, false},
        {"{ $.code = 500 || $.eventType = \"UpdateTrail\" }", TRAIL, true},
        {"{ ($.code = 500 || $.code = 404) && ($.cleared IS TRUE) }", TRAIL, true},
        {"{ $.code = 404 || $.code = 500 && $.cleared IS FALSE }", TRAIL, true},
        {"{($.code=404)&&($.latency>1)}", TRAIL, true},
        {"{ $.a = 1 }", "not json", false},
        {"{ $.a NOT EXISTS }", "not json", false},
        {"{ $.a = 1 }", "{\"a\": 1} trailing", false},
        {"{ $.a = 2 }", "{\"a\": 1, \"a\": 2}", true},
        {"{ $.a = 1 }", " {\"a\":1}\n", true},
        {"{ $[1] = 2 }", "[1, 2]", true},
        {"{ $ = 5 }", "5", true},

        {"[ip, user, username, timestamp, request, status_code, bytes]", ACCESS, true},
        {"[ip, user, username, timestamp, request, status_code]", ACCESS, false},
        {"[ip, user, username, timestamp, request, status_code, bytes, more]", ACCESS, false},
        {"[ip, user, username, timestamp, request, status_code = 4*, bytes]", ACCESS, true},
        {"[ip, user, username, timestamp, request, status_code = 5*, bytes]", ACCESS, false},
        {"[ip, user, username, timestamp, request, status_code = 404, bytes > 1000]", ACCESS, true},
        {"[ip, user, username, timestamp, request, status_code = 404, bytes > 2000]", ACCESS, false},
        {"[..., status_code = 4* && status_code != 403, bytes]", ACCESS, true},
        {"[..., status_code = 4* && status_code != 404, bytes]", ACCESS, false},
        {"[ip = 127.*, ...]", ACCESS, true},
        {"[ip = 128.*, ...]", ACCESS, false},
        {"[ip, user, username, timestamp, request = *.html*, ...]", ACCESS, true},
        {"[ip, ..., request = \"GET*\", status_code, bytes]", ACCESS, true},
        {"[ip=%127\\.0\\.0\\.[1-9]%, ...]", ACCESS, true},
        {"[...]", "", true},
        {"[w1=ERROR || w1=WARN, w2]", "WARN disk", true},
        {"[w1=ERROR || w1=WARN, w2]", "INFO disk", false},
        {"[w1!=ERROR && w1!=WARN, w2]", "INFO disk", true},
        {"[w1=A && w1!=B || w1=C, w2]", "C x", true},
        {"[ , w2 = x]", "C x", true},
};

static void test_matches(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                struct filter_pattern *pattern = NULL;
                struct error error = {0};

                if (filter_pattern_parse(table[i].pattern, &pattern, &error) < 0)
                        fail_msg("%s: %s", table[i].pattern, error.message);
                if (filter_pattern_match(pattern, table[i].message, strlen(table[i].message)) != table[i].matches)
                        fail_msg("%s should %smatch %s", table[i].pattern, table[i].matches ? "" : "not ", table[i].message);
                filter_pattern_free(pattern);
        }
}

static void test_refusals(void **state)
{
        static const char *const bad[] = {
                "ERROR:",
                "a.b",
                "\"open",
                "%open",
                "%%",
                "%(a)%",
                "%a{1,999}%",
                "%a{9}{9}%",
                "%a*{9}%",
                "%a++%",
                "%+a%",
                "%a|*%",
                "%a{2}?%",
                "%a{64}b{64}c{64}d{64}e{64}%",
                "%\\1%",
                "%a%%b%",
                "%[z-a]%",
                "%!%",
                "%a% %b% %c%",
                "{",
                "{}",
                "{ $ }",
                "{ $.a }",
                "{ $.a = }",
                "{ $.a = 1",
                "{ $.a = 1 } x",
                "{ $.a > x }",
                "{ $.a > \"1\" && }",
                "{ a = 1 }",
                "{ $.a IS }",
                "{ $.a[x] = 1 }",
                "{ $.a[0 = 1 }",
                "{ ($.a = 1 }",
                "{ $.a = 1 & $.b = 2 }",
                "{ $.a > %x% }",
                "[",
                "[a",
                "[a, ...,b, ...]",
                "[a = 1 && b = 2]",
                "[a = ]",
                "[a] b",
                "[a ! 1]",
                "-",
                "?",
                "a\"b\"",
                "\"a\"b",
        };
        char deep[400], lengthy[1100];

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct filter_pattern *pattern = NULL;
                struct error error = {0};

                if (filter_pattern_parse(bad[i], &pattern, &error) != -EINVAL)
                        fail_msg("%s should be refused", bad[i]);
                assert_non_null(strstr(error.message, "Invalid filter pattern"));
        }
        memset(deep, '(', sizeof deep);
        deep[0] = '{';
        deep[sizeof deep - 1] = '\0';
        assert_int_equal(filter_pattern_parse(deep, &(struct filter_pattern *){NULL}, NULL), -EINVAL);
        memset(lengthy, 'a', sizeof lengthy);
        lengthy[sizeof lengthy - 1] = '\0';
        assert_int_equal(filter_pattern_parse(lengthy, &(struct filter_pattern *){NULL}, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_refusals)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
