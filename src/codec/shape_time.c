/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text: ISO 8601 date and time with an optional fraction and a zone. */
#include "codec/shape_internal.h"

/* The years 1 to 9999, in milliseconds since 1970. */
#define TIME_MIN INT64_C(-62135596800000)
#define TIME_MAX INT64_C(253402300799999)

bool shape_time_valid(int64_t ms)
{
        return ms >= TIME_MIN && ms <= TIME_MAX;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that leap days end them. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
        int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
        int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
        static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return month == 2 && leap ? 29 : days[month - 1];
}

struct text {
        const char *p, *end;
        bool bad;
};

static int64_t take_number(struct text *t, int digits)
{
        int64_t value = 0;

        for (int i = 0; i < digits; i++, t->p++) {
                if (t->p >= t->end || *t->p < '0' || *t->p > '9') {
                        t->bad = true;
                        return 0;
                }
                value = value * 10 + (*t->p - '0');
        }
        return value;
}

static bool take_char(struct text *t, const char *set)
{
        if (t->p >= t->end || *t->p == '\0' || strchr(set, *t->p) == NULL)
                return false;
        t->p++;
        return true;
}

static void need_char(struct text *t, const char *set)
{
        t->bad |= !take_char(t, set);
}

/* ".123456": milliseconds, cut. */
static int64_t take_fraction(struct text *t)
{
        int64_t ms = 0, unit = 100;

        if (!take_char(t, "."))
                return 0;
        if (t->p >= t->end || *t->p < '0' || *t->p > '9')
                t->bad = true;
        for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++, unit /= 10)
                ms += unit * (*t->p - '0');
        return ms;
}

/* "Z", "+01:00", "-0500": seconds east of Greenwich. */
static int64_t take_zone(struct text *t)
{
        int64_t hours, minutes;
        bool west;

        if (take_char(t, "Zz"))
                return 0;
        west = t->p < t->end && *t->p == '-';
        need_char(t, "+-");
        hours = take_number(t, 2);
        (void)take_char(t, ":");
        minutes = take_number(t, 2);
        if (hours > 23 || minutes > 59)
                t->bad = true;
        return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

int shape_time_parse(const char *s, size_t len, int64_t *ret_ms)
{
        struct text t = {.p = s, .end = s + len};
        int64_t year, month, day, hour, minute, second, ms, zone;

        year = take_number(&t, 4);
        need_char(&t, "-");
        month = take_number(&t, 2);
        need_char(&t, "-");
        day = take_number(&t, 2);
        need_char(&t, "Tt ");
        hour = take_number(&t, 2);
        need_char(&t, ":");
        minute = take_number(&t, 2);
        need_char(&t, ":");
        second = take_number(&t, 2);
        ms = take_fraction(&t);
        zone = take_zone(&t);
        if (t.bad || t.p != t.end || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
                return -EINVAL;
        if (hour > 23 || minute > 59 || second > 60)
                return -EINVAL;
        *ret_ms = ((days_from_date(year, month, day) * 24 + hour) * 3600 + minute * 60 + second - zone) * 1000 + ms;
        return 0;
}
