/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions that the C library's compiler would take all memory, the stack or hours for are refused before it sees them. */
#include "base/safe_regex.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "unit.h"

static void usual_expressions_are_compiled(void **state)
{
        static const char *const rows[] = {
                "",
                "^[0-9]{4}-[0-9]{2}-[0-9]{2}T",
                "(a|b|)c+d?e*",
                "[^][:space:]a]+x{255}",
                "((ab{2,5}){20}|c){30}",
                "\\{\\(\\[x{3}",
                "[()]{1000}[[.a.]](a{10}){10}",
                "([[:alnum:]_]+\\.)+[a-z]{2,}",
                "(((((((((((a+)?)?)?)?)?)?)?)?)?)?)?",
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error error = {0};
                regex_t regex;

                if (regex_compile(&regex, rows[i], 0, &error) < 0)
                        fail_msg("%s: %s", rows[i], error.message);
                regfree(&regex);
        }
}

static void hostile_expressions_are_refused(void **state)
{
        static const struct {
                const char *pattern, *why;
        } rows[] = {
                {"((((a{1,50}){1,50}){1,50}){1,50})", "multiply"},
                {"((a{255}){255}){255}", "multiply"},
                {"a{255}{255}{255}", "multiply"},
                {"a{,255}{255,}{9,255}", "multiply"},
                {"a{99999999999999999999999}", "multiply"},
                {"((((((((((((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "multiply"},
                {"[a](([]()x]{200}){200}){200}", "multiply"},
                {"(a*)*\\1", "back references"},
                {"(", ""},
                {"[", ""},
                {"[[:", ""},
                {"a{2,1}", ""},
        };
        CLEANUP_BUF struct buf deep = {0};
        struct error error = {0};
        regex_t regex;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                error_clear(&error);
                if (regex_compile(&regex, rows[i].pattern, 0, &error) == 0)
                        fail_msg("%s was compiled", rows[i].pattern);
                if (strstr(error.message, rows[i].why) == NULL)
                        fail_msg("%s: %s", rows[i].pattern, error.message);
        }
        for (int i = 0; i < 100000; i++)
                buf_append_char(&deep, '(');
        error_clear(&error);
        assert_int_equal(regex_compile(&regex, deep.data, 0, &error), -EINVAL);
        assert_non_null(strstr(error.message, "lie in one another"));
}

/* What is let through costs no more than that. */
static void the_largest_are_affordable(void **state)
{
        static const char *const rows[] = {"((a{1,25}){1,25}){1,25}", "(a{199}){98}", "((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+"};

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct rusage before, after;
                struct error error = {0};
                regex_t regex;

                assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
                if (regex_compile(&regex, rows[i], 0, &error) < 0)
                        fail_msg("%s: %s", rows[i], error.message);
                regfree(&regex);
                assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
                assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(usual_expressions_are_compiled),
                cmocka_unit_test(hostile_expressions_are_refused),
                cmocka_unit_test(the_largest_are_affordable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
