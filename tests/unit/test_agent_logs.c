/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to log events to batches; patterns of the first line of an event. */
#include "unit.h"

#include "agent/logs/batch.h"

#define AT(n) (&(struct log_position){.inode = 7, .offset = (n)})

static void translate(const char *pattern, const char *expected)
{
        struct buf out CLEANUP_BUF = {0};
        bool ignore_case;

        multiline_to_posix(pattern, &out, &ignore_case);
        assert_string_equal(out.data, expected);
}

static void test_patterns_become_posix(void **state)
{
        struct buf out CLEANUP_BUF = {0};

        (void)state;
        translate("^\\d{4}-\\d\\d", "^[0-9]{4}-[0-9][0-9]");
        translate("(?:a|b)\\s+\\S", "(a|b)[[:space:]]+[^[:space:]]");
        translate("[\\d\\w.-]x", "[0-9[:alnum:]_.-]x");
        translate("[]a]\\]", "[]a]\\]");
        translate("[^[:digit:]]\\.", "[^[:digit:]]\\.");
        multiline_from_datetime("[%b %d, %Y %H:%M:%S]", &out);
        assert_string_equal(out.data,
                            "\\[(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{2}, [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\]");
}

static void test_beginnings(void **state)
{
        static const struct {
                const char *pattern, *format, *line;
                bool begins;
        } rows[] = {
                {NULL, NULL, "anything", true},
                {"^INFO", NULL, "INFO x", true},
                {"^INFO", NULL, " at x", false},
                {"(?i)^info", NULL, "Info", true},
                {"^\\d+ ", NULL, "12 x", true},
                {"^\\d+ ", NULL, "x", false},
                {NULL, "%Y-%m-%d", "2026-11-24 hello", true},
                {NULL, "%Y-%m-%d", "  at main.c:3", false},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct multiline m;

                assert_int_equal(multiline_init(&m, rows[i].pattern, rows[i].format, NULL), 0);
                assert_int_equal(multiline_begins(&m, rows[i].line), rows[i].begins);
                multiline_done(&m);
        }
        struct multiline m;
        struct error error = {0};
        assert_true(multiline_init(&m, "(", NULL, &error) < 0);
        assert_non_null(strstr(error.message, "awslogs-multiline-pattern"));
        error_clear(&error);
        assert_true(multiline_init(&m, "a", "b", &error) < 0);
        /* What would take the agent down with it. */
        error_clear(&error);
        assert_true(multiline_init(&m, "((((a{1,50}){1,50}){1,50}){1,50})", NULL, &error) < 0);
        assert_non_null(strstr(error.message, "awslogs-multiline-pattern"));
        assert_int_equal(multiline_init(&m, "(?i)", NULL, NULL), 0);
        assert_true(multiline_begins(&m, "anything"));
        multiline_done(&m);
}

static void line(struct log_batch *b, int64_t time_ms, const char *text, uint64_t start)
{
        log_batch_line(b, time_ms, text, strlen(text), AT(start));
}

static void test_single_lines(void **state)
{
        struct multiline plain = {0};
        struct log_batch b;

        (void)state;
        log_batch_init(&b, &plain);
        line(&b, 100, "one", 0);
        line(&b, 101, "", 10);
        line(&b, 102, "three", 20);
        log_batch_end(&b, AT(30), false);
        assert_int_equal(b.n, 2); /* an empty line is no event */
        assert_int_equal(log_batch_next(&b), 2);
        assert_string_equal(b.events[1].text, "three");
        assert_int_equal(b.events[0].end.offset, 20); /* behind the empty line */
        assert_int_equal(log_batch_accept(&b, 1).offset, 20);
        assert_int_equal(log_batch_accept(&b, 1).offset, 30);
        assert_int_equal(b.bytes, 0);
        log_batch_done(&b);
}

static void test_several_lines(void **state)
{
        struct multiline m;
        struct log_batch b;

        (void)state;
        assert_int_equal(multiline_init(&m, "^E", NULL, NULL), 0);
        log_batch_init(&b, &m);
        line(&b, 1, "E first", 0);
        line(&b, 2, "  more", 10);
        log_batch_end(&b, AT(20), false);
        assert_int_equal(b.n, 0); /* may go on */
        line(&b, 3, "  still", 20);
        line(&b, 4, "E second", 30);
        assert_int_equal(b.n, 1);
        assert_string_equal(b.events[0].text, "E first\n  more\n  still");
        assert_int_equal(b.events[0].time_ms, 1);
        assert_int_equal(b.events[0].end.offset, 30); /* a restart reads the second again, not the first */
        log_batch_end(&b, AT(40), true);
        assert_int_equal(b.n, 2);
        assert_int_equal(b.events[1].end.offset, 40);
        log_batch_done(&b);
        multiline_done(&m);
}

static void test_order_of_time(void **state)
{
        struct multiline plain = {0};
        struct log_batch b;

        (void)state;
        log_batch_init(&b, &plain);
        line(&b, 5, "a", 0);
        line(&b, 3, "b", 10);
        line(&b, 4, "c", 20);
        line(&b, 3, "d", 30);
        log_batch_end(&b, AT(40), false);
        assert_int_equal(log_batch_next(&b), 4);
        assert_string_equal(b.events[0].text, "b");
        assert_string_equal(b.events[1].text, "d");
        assert_string_equal(b.events[2].text, "c");
        assert_string_equal(b.events[3].text, "a");
        assert_int_equal(b.events[0].end.offset, 10);
        assert_int_equal(b.events[3].end.offset, 40);
        log_batch_done(&b);
}

static void test_limits_of_a_batch(void **state)
{
        struct multiline plain = {0};
        struct log_batch b;
        char *big = malloc(300001);

        (void)state;
        log_batch_init(&b, &plain);
        for (int i = 0; i < 10001; i++)
                line(&b, 1, "x", 0);
        log_batch_end(&b, AT(1), false);
        assert_int_equal(log_batch_next(&b), 10000);
        log_batch_done(&b);

        log_batch_init(&b, &plain);
        line(&b, 0, "x", 0);
        line(&b, INT64_C(24) * 3600 * 1000, "y", 0);
        log_batch_end(&b, AT(1), false);
        assert_int_equal(log_batch_next(&b), 1); /* not over more than 24 hours */
        log_batch_done(&b);

        /* A line that is too long goes as two events, cut between characters; batches stay below a mebibyte. */
        log_batch_init(&b, &plain);
        memset(big, 'a', 300000);
        memcpy(big + LOG_EVENT_BYTES - 1, "\xc3\xa9", 2);
        big[300000] = '\0';
        for (int i = 0; i < 5; i++)
                line(&b, 1, big, 0);
        log_batch_end(&b, AT(1), false);
        assert_int_equal(b.n, 10);
        assert_int_equal(b.events[0].len, LOG_EVENT_BYTES - 1);
        assert_int_equal(b.events[0].len + b.events[1].len, 300000);
        size_t n = log_batch_next(&b), bytes = 0;
        for (size_t i = 0; i < n; i++)
                bytes += b.events[i].len + LOG_EVENT_OVERHEAD;
        assert_true(n < 10 && bytes <= LOG_BATCH_BYTES);
        log_batch_done(&b);
        free(big);
}

static void test_text_is_clean(void **state)
{
        static const struct {
                const char *in;
                size_t len;
                const char *out;
        } rows[] = {
                {"plain", 5, "plain"},
                {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
                {"\xff\xfe", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
                {"a\0b", 3,
                 "a\xef\xbf\xbd"
                 "b"},
                {"\xc3", 1, "\xef\xbf\xbd"},
                {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct buf out CLEANUP_BUF = {0};

                log_text_clean(rows[i].in, rows[i].len, &out);
                assert_string_equal(out.data, rows[i].out);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_patterns_become_posix), cmocka_unit_test(test_beginnings),
                cmocka_unit_test(test_single_lines),          cmocka_unit_test(test_several_lines),
                cmocka_unit_test(test_order_of_time),         cmocka_unit_test(test_limits_of_a_batch),
                cmocka_unit_test(test_text_is_clean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
