/* SPDX-License-Identifier: Apache-2.0 */
/* See schedule.h. */
#include "control/scaling/schedule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/strutil.h"

#define DAY INT64_C(86400)
#define MAX_RATE_S (INT64_C(3650) * DAY)

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/* The fields of a cron expression, in its order. */
enum field { MINUTE = 0, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR, FIELD_MAX };

static const struct {
        const char *name;
        int min, max;
        const char *const *words; /* of min, min + 1 … */
        int n_words;
} fields[FIELD_MAX] = {
        [MINUTE] = {"minutes", 0, 59, NULL, 0},
        [HOUR] = {"hours", 0, 23, NULL, 0},
        [DAY_OF_MONTH] = {"day of month", 1, 31, NULL, 0},
        [MONTH] = {"month", 1, 12, month_names, 12},
        [DAY_OF_WEEK] = {"day of week", 1, 7, weekday_names, 7},
        [YEAR] = {"year", SCHEDULE_FIRST_YEAR, SCHEDULE_FIRST_YEAR + SCHEDULE_YEARS - 1, NULL, 0},
};

/* ---- parsing ---- */

static bool read_value(const char **p, enum field field, int *ret)
{
        long value = 0;
        const char *start = *p;

        for (int i = 0; i < fields[field].n_words; i++) {
                if (strncasecmp(*p, fields[field].words[i], 3) == 0) {
                        *p += 3;
                        *ret = fields[field].min + i;
                        return true;
                }
        }
        while (isdigit((unsigned char)**p) && value < 10000)
                value = value * 10 + *(*p)++ - '0';
        *ret = (int)value;
        return *p > start && value >= fields[field].min && value <= fields[field].max;
}

static void set_bit(struct schedule *s, enum field field, int value)
{
        uint64_t *bits[] = {&s->minutes, &s->hours, &s->days, &s->months, &s->weekdays};

        if (field == YEAR)
                s->years[value - SCHEDULE_FIRST_YEAR] = true;
        else
                *bits[field] |= UINT64_C(1) << value;
}

/* "5", "1-5", "*", each perhaps with "/2" behind it. */
static bool read_range(const char **p, struct schedule *s, enum field field)
{
        int from = fields[field].min, to = fields[field].max, step = 1;
        bool single = false;

        if (**p == '*') {
                (*p)++;
        } else {
                if (!read_value(p, field, &from))
                        return false;
                single = **p != '-';
                if (single)
                        to = from;
                else if ((*p)++, !read_value(p, field, &to) || to < from)
                        return false;
        }
        if (**p == '/') {
                (*p)++;
                for (step = 0; isdigit((unsigned char)**p) && step < 10000; (*p)++)
                        step = step * 10 + **p - '0';
                if (step < 1)
                        return false;
                if (single)
                        to = fields[field].max;
        }
        for (int value = from; value <= to; value += step)
                set_bit(s, field, value);
        return true;
}

static bool read_special_day(const char *text, struct schedule *s)
{
        const char *p = text;
        int day;

        if (strcasecmp(text, "L") == 0)
                return s->last_day = true;
        if (strcasecmp(text, "LW") == 0)
                return s->last_workday = true;
        if (!read_value(&p, DAY_OF_MONTH, &day) || strcasecmp(p, "W") != 0)
                return false;
        s->workday_near = (uint8_t)day;
        return true;
}

static bool read_special_weekday(const char *text, struct schedule *s)
{
        const char *p = text;
        int day;

        if (strcasecmp(text, "L") == 0) { /* the last day of the week */
                s->weekdays = 1 << 7;
                return true;
        }
        if (!read_value(&p, DAY_OF_WEEK, &day))
                return false;
        if (strcasecmp(p, "L") == 0) {
                s->last_weekday = (uint8_t)day;
                return true;
        }
        if (p[0] != '#' || p[1] < '1' || p[1] > '5' || p[2] != '\0')
                return false;
        s->nth_weekday = (uint8_t)day;
        s->nth = (uint8_t)(p[1] - '0');
        return true;
}

static bool read_field(const char *text, struct schedule *s, enum field field)
{
        const char *p = text;

        if (field == DAY_OF_MONTH && str_eq(text, "?"))
                return s->any_day = true;
        if (field == DAY_OF_WEEK && str_eq(text, "?"))
                return s->any_weekday = true;
        if ((field == DAY_OF_MONTH && read_special_day(text, s)) || (field == DAY_OF_WEEK && read_special_weekday(text, s)))
                return true;
        do {
                if (!read_range(&p, s, field))
                        return false;
        } while (*p++ == ',');
        return p[-1] == '\0';
}

static int parse_cron(const char *inside, struct schedule *s, struct error *error)
{
        char words[FIELD_MAX][64], rest[2];

        if (sscanf(inside, "%63s %63s %63s %63s %63s %63s %1s", words[0], words[1], words[2], words[3], words[4], words[5], rest) !=
            FIELD_MAX)
                return error_api(error, "ValidationException",
                                 "Invalid schedule expression: cron(%.100s) needs the six fields minutes, hours, day of month, month, "
                                 "day of week and year, such as cron(0 8 ? * MON-FRI *).",
                                 inside);
        for (int i = 0; i < FIELD_MAX; i++)
                if (!read_field(words[i], s, (enum field)i))
                        return error_api(error, "ValidationException",
                                         "Invalid schedule expression: \"%s\" is no %s of a cron expression (%d to %d).", words[i],
                                         fields[i].name, fields[i].min, fields[i].max);
        if (!s->any_day && !s->any_weekday) {
                if (str_eq(words[DAY_OF_WEEK], "*"))
                        s->any_weekday = true;
                else if (str_eq(words[DAY_OF_MONTH], "*"))
                        s->any_day = true;
                else
                        return error_api(error, "ValidationException",
                                         "Invalid schedule expression: one of day of month and day of week must be ?.");
        }
        return 0;
}

static int parse_rate(const char *inside, struct schedule *s, struct error *error)
{
        static const struct {
                const char *word;
                int64_t seconds;
        } units[] = {{"minute", 60}, {"minutes", 60}, {"hour", 3600}, {"hours", 3600}, {"day", DAY}, {"days", DAY}};
        char word[16], rest[2];
        int value;

        /* NOLINTNEXTLINE(cert-err34-c): the widths keep the numbers in an int */
        if (sscanf(inside, "%6d %15s %1s", &value, word, rest) == 2 && value > 0)
                for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                        if (str_eq(word, units[i].word) && (value == 1) == (i % 2 == 0)) {
                                s->rate_s = MIN(value * units[i].seconds, MAX_RATE_S);
                                return 0;
                        }
        return error_api(error, "ValidationException",
                         "Invalid schedule expression: rate(%.100s) must be a number above 0 and minutes, hours or days (with 1: minute, "
                         "hour or day).",
                         inside);
}

static int parse_at(const char *inside, struct schedule *s, struct error *error)
{
        int year, month, day, hour, minute, second, end = 0;

        /* NOLINTNEXTLINE(cert-err34-c): the widths keep the numbers in an int */
        if (sscanf(inside, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &end) != 6 || inside[end] != '\0' ||
            year < SCHEDULE_FIRST_YEAR || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour < 0 || hour > 23 ||
            minute < 0 || minute > 59 || second < 0 || second > 59)
                return error_api(error, "ValidationException",
                                 "Invalid schedule expression: at(%.100s) must be a date and a time such as at(2030-01-31T08:00:00).",
                                 inside);
        s->local_s = date_to_days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        return 0;
}

int schedule_parse(const char *text, struct schedule *ret, struct error *error)
{
        static const struct {
                const char *prefix;
                int (*parse)(const char *inside, struct schedule *s, struct error *error);
        } kinds[SCHEDULE_KIND_MAX] = {
                [SCHEDULE_AT] = {"at(", parse_at}, [SCHEDULE_RATE] = {"rate(", parse_rate}, [SCHEDULE_CRON] = {"cron(", parse_cron}};
        size_t len = strlen(text);

        for (int i = 0; i < SCHEDULE_KIND_MAX; i++) {
                size_t n = strlen(kinds[i].prefix);
                char inside[300];
                struct schedule schedule = {.kind = (enum schedule_kind)i};
                int r;

                if (!str_starts_with(text, kinds[i].prefix) || text[len - 1] != ')' || len - n - 1 >= sizeof(inside))
                        continue;
                (void)snprintf(inside, sizeof(inside), "%.*s", (int)(len - n - 1), text + n);
                r = kinds[i].parse(inside, &schedule, error);
                if (r == 0)
                        *ret = schedule;
                return r;
        }
        return error_api(error, "ValidationException",
                         "Invalid schedule expression: \"%.100s\" is none of at(yyyy-mm-ddThh:mm:ss), rate(value unit) and cron(fields).",
                         text);
}

/* ---- the next time ---- */

/* 1: Sunday. */
static int weekday_of(int64_t days)
{
        return (int)(((days + 4) % 7 + 7) % 7) + 1;
}

/* The working day nearest to a day, within its month. */
static int nearest_workday(int64_t first, int day, int length)
{
        int weekday;

        day = MIN(day, length);
        weekday = weekday_of(first + day - 1);
        if (weekday == 7)
                return day > 1 ? day - 1 : day + 2;
        if (weekday == 1)
                return day < length ? day + 1 : day - 2;
        return day;
}

static bool day_matches(const struct schedule *s, int64_t days)
{
        int year, month, day, length, weekday = weekday_of(days);
        int64_t first;

        days_to_date(days, &year, &month, &day);
        if (!s->years[year - SCHEDULE_FIRST_YEAR] || !(s->months >> month & 1))
                return false;
        length = days_in_month(year, month);
        first = days - day + 1;
        if (!s->any_day) {
                if (s->last_day)
                        return day == length;
                if (s->last_workday)
                        return day == nearest_workday(first, length, length);
                if (s->workday_near != 0)
                        return s->workday_near <= length && day == nearest_workday(first, s->workday_near, length);
                return s->days >> day & 1;
        }
        if (s->last_weekday != 0)
                return weekday == s->last_weekday && day + 7 > length;
        if (s->nth_weekday != 0)
                return weekday == s->nth_weekday && (day - 1) / 7 + 1 == s->nth;
        return s->any_weekday || (s->weekdays >> weekday & 1);
}

static int64_t next_on_day(const struct schedule *s, const struct tz_zone *zone, int64_t days, int64_t after)
{
        for (int hour = 0; hour < 24; hour++)
                for (int minute = 0; (s->hours >> hour & 1) && minute < 60; minute++) {
                        int64_t utc;

                        if (!(s->minutes >> minute & 1))
                                continue;
                        utc = tz_to_utc(zone, days * DAY + hour * 3600 + minute * 60);
                        if (utc > after)
                                return utc;
                }
        return INT64_MAX;
}

static int64_t next_cron(const struct schedule *s, const struct tz_zone *zone, int64_t after)
{
        int64_t local = after + tz_offset(zone, after), end = date_to_days(SCHEDULE_FIRST_YEAR + SCHEDULE_YEARS, 1, 1);

        /* A day early: where clocks are put back at midnight, the day before may still go on. */
        for (int64_t days = MAX(local / DAY - 1, 0); days < end; days++) {
                int64_t utc = day_matches(s, days) ? next_on_day(s, zone, days, after) : INT64_MAX;

                if (utc != INT64_MAX)
                        return utc;
        }
        return INT64_MAX;
}

int64_t schedule_next(const struct schedule *schedule, const struct tz_zone *zone, int64_t start_ms, int64_t after_ms)
{
        int64_t rate_ms = schedule->rate_s * 1000, at;

        switch (schedule->kind) {
        case SCHEDULE_AT:
                at = tz_to_utc(zone, schedule->local_s) * 1000;
                return at > after_ms ? at : INT64_MAX;
        case SCHEDULE_RATE:
                if (after_ms < start_ms)
                        return start_ms;
                return start_ms + ((after_ms - start_ms) / rate_ms + 1) * rate_ms;
        case SCHEDULE_CRON:
        case SCHEDULE_KIND_MAX:
                break;
        }
        at = next_cron(schedule, zone, after_ms / 1000);
        return at == INT64_MAX ? at : at * 1000;
}
