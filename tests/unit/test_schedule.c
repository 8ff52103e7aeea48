/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones against what their clocks are known to show; at, rate and cron. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "control/scaling/schedule.h"

static struct tz_zone *zone_of(const char *name)
{
        struct tz_zone *zone = NULL;

        if (tz_load(name, &zone) < 0)
                skip(); /* a machine without tzdata */
        return zone;
}

/* "2030-01-31T08:00:00" as seconds, as if it were UTC. */
static int64_t seconds(const char *text)
{
        int y, m, d, h, min, s;

        assert_int_equal(sscanf(text, "%d-%d-%dT%d:%d:%d", &y, &m, &d, &h, &min, &s), 6);
        return date_to_days(y, m, d) * 86400 + h * 3600 + min * 60 + s;
}

static void test_dates(void **state)
{
        assert_int_equal(date_to_days(1970, 1, 1), 0);
        assert_int_equal(date_to_days(2000, 3, 1), 11017);
        assert_int_equal(days_in_month(2100, 2), 28);
        assert_int_equal(days_in_month(2000, 2), 29);
        for (int64_t days = -800000; days < 800000; days += 37) {
                int y, m, d;

                days_to_date(days, &y, &m, &d);
                assert_int_equal(date_to_days(y, m, d), days);
        }
}

static void test_offsets(void **state)
{
        static const struct {
                const char *zone, *utc;
                int offset;
        } cases[] = {
                {"Europe/Berlin", "2026-01-15T12:00:00", 3600},      {"Europe/Berlin", "2026-07-15T12:00:00", 7200},
                {"Europe/Berlin", "2026-03-29T00:59:59", 3600},      {"Europe/Berlin", "2026-03-29T01:00:00", 7200},
                {"Europe/Berlin", "2045-10-29T00:59:59", 7200},      {"Europe/Berlin", "2045-10-29T01:00:00", 3600},
                {"America/New_York", "2045-07-04T00:00:00", -14400}, {"America/New_York", "2045-12-04T00:00:00", -18000},
                {"Australia/Sydney", "2045-01-15T00:00:00", 39600},  {"Australia/Sydney", "2045-07-15T00:00:00", 36000},
                {"Asia/Kolkata", "2045-07-15T00:00:00", 19800},      {"Europe/Berlin", "1890-01-01T00:00:00", 3208},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct tz_zone *zone = zone_of(cases[i].zone);

                assert_int_equal(tz_offset(zone, seconds(cases[i].utc)), cases[i].offset);
                tz_free(zone);
        }
}

static void test_local_times(void **state)
{
        struct tz_zone *zone = zone_of("Europe/Berlin");

        assert_int_equal(tz_to_utc(zone, seconds("2026-07-15T12:00:00")), seconds("2026-07-15T10:00:00"));
        /* Shown twice: the first time. Skipped: as much later. */
        assert_int_equal(tz_to_utc(zone, seconds("2026-10-25T02:30:00")), seconds("2026-10-25T00:30:00"));
        assert_int_equal(tz_to_utc(zone, seconds("2026-03-29T02:30:00")), seconds("2026-03-29T01:30:00"));
        tz_free(zone);
}

static void test_bad_zones(void **state)
{
        static const char *const names[] = {"Europe/Atlantis", "../etc/passwd", "/etc/localtime", "Europe//Berlin", "Europe", "zone.tab"};
        struct tz_zone *zone = NULL;
        char head[60] = "TZif2";

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_int_equal(tz_load(names[i], &zone), -ENOENT);
        assert_int_equal(tz_parse("TZif", 4, &zone), -EINVAL);
        memset(head + 20, 0x7f, 24);
        assert_int_equal(tz_parse(head, sizeof(head), &zone), -EINVAL);
}

static void check_next(const char *zone_name, const char *text, const char *after, const char *expected)
{
        struct tz_zone *zone = zone_of(zone_name);
        struct schedule schedule;
        struct error error = {0};
        char got[32];
        int64_t next;

        if (schedule_parse(text, &schedule, &error) < 0)
                fail_msg("%s: %s", text, error.message);
        next = schedule_next(&schedule, zone, seconds("2026-01-01T00:00:00") * 1000, seconds(after) * 1000);
        tz_free(zone);
        if (expected == NULL) {
                assert_int_equal(next, INT64_MAX);
                return;
        }
        str_iso8601(next, false, got);
        got[19] = '\0';
        if (!str_eq(got, expected))
                fail_msg("%s after %s: %s, not %s", text, after, got, expected);
}

static void test_next(void **state)
{
        static const struct {
                const char *zone, *text, *after, *next;
        } cases[] = {
                {"UTC", "at(2026-05-01T08:00:01)", "2026-05-01T08:00:00", "2026-05-01T08:00:01"},
                {"UTC", "at(2026-05-01T08:00:01)", "2026-05-01T08:00:01", NULL},
                {"Europe/Berlin", "at(2026-05-01T08:00:00)", "2026-01-01T00:00:00", "2026-05-01T06:00:00"},
                {"UTC", "rate(1 minute)", "2026-01-01T00:00:30", "2026-01-01T00:01:00"},
                {"UTC", "rate(6 hours)", "2026-01-01T06:00:00", "2026-01-01T12:00:00"},
                {"UTC", "rate(2 days)", "2025-01-01T00:00:00", "2026-01-01T00:00:00"},
                {"UTC", "cron(0 8 ? * MON-FRI *)", "2026-01-02T08:00:00", "2026-01-05T08:00:00"},
                {"UTC", "cron(0/15 * * * ? *)", "2026-01-02T08:16:00", "2026-01-02T08:30:00"},
                {"UTC", "cron(59 23 L * ? *)", "2026-02-01T00:00:00", "2026-02-28T23:59:00"},
                {"UTC", "cron(0 0 LW * ? *)", "2026-05-01T00:00:00", "2026-05-29T00:00:00"},
                {"UTC", "cron(0 0 1W * ? *)", "2026-08-01T00:00:01", "2026-08-03T00:00:00"},
                {"UTC", "cron(0 0 29 2 ? *)", "2026-01-01T00:00:00", "2028-02-29T00:00:00"},
                {"UTC", "cron(0 0 ? * 6L *)", "2026-01-01T00:00:00", "2026-01-30T00:00:00"},
                {"UTC", "cron(0 0 ? * 6#3 *)", "2026-01-01T00:00:00", "2026-01-16T00:00:00"},
                {"UTC", "cron(0 0 1 1 ? 2026)", "2026-01-01T00:00:00", NULL},
                {"UTC", "cron(0 0 1 JAN,JUL ? 2026-2027)", "2026-01-01T00:00:00", "2026-07-01T00:00:00"},
                {"Europe/Berlin", "cron(0 8 * * ? *)", "2026-07-01T00:00:00", "2026-07-01T06:00:00"},
                {"Europe/Berlin", "cron(0 0 * * ? *)", "2026-07-01T22:00:00", "2026-07-02T22:00:00"},
                {"Europe/Berlin", "cron(30 2 * * ? *)", "2026-10-25T00:30:00", "2026-10-26T01:30:00"},
                {"Asia/Tokyo", "cron(0 1 ? * SUN *)", "2026-01-01T00:00:00", "2026-01-03T16:00:00"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                check_next(cases[i].zone, cases[i].text, cases[i].after, cases[i].next);
}

static void test_refusals(void **state)
{
        static const char *const texts[] = {"",
                                            "at()",
                                            "at(2026-02-30T00:00:00)",
                                            "at(2026-01-01)",
                                            "at(2026-01-01T00:00:00Z)",
                                            "rate(0 minutes)",
                                            "rate(1 minutes)",
                                            "rate(5 minute)",
                                            "rate(5 weeks)",
                                            "rate(5)",
                                            "cron(0 8 * * *)",
                                            "cron(60 8 * * ? *)",
                                            "cron(0 8 1 * MON *)",
                                            "cron(0 8 ? * 8 *)",
                                            "cron(5-1 8 ? * 2 *)",
                                            "cron(*/0 8 ? * 2 *)",
                                            "cron(0 8 ? * 2#6 *)",
                                            "cron(0 8 ? * 2 2300)",
                                            "cron(0 8 ? * 2 * *)",
                                            "every day",
                                            "cron(0,, 8 ? * 2 *)",
                                            "cron(",
                                            "rate(5 minutes"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct schedule schedule;
                struct error error = {0};

                if (schedule_parse(texts[i], &schedule, &error) != -EINVAL)
                        fail_msg("%s was accepted", texts[i]);
                assert_string_equal(error.code, "ValidationException");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates),     cmocka_unit_test(test_offsets), cmocka_unit_test(test_local_times),
                cmocka_unit_test(test_bad_zones), cmocka_unit_test(test_next),    cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
