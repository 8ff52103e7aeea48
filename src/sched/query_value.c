/* SPDX-License-Identifier: Apache-2.0 */
/* Values of queries that are more than text: versions and moments. */
#include <errno.h>
#include <string.h>

#include "sched/query_internal.h"

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static const char *skip_v(const char *text)
{
        return (*text == 'v' || *text == 'V') ? text + 1 : text;
}

bool query_is_version(const char *text)
{
        text = skip_v(text);
        for (;;) {
                if (!is_digit(*text))
                        return false;
                while (is_digit(*text))
                        text++;
                if (*text != '.')
                        break;
                text++;
        }
        return *text == '\0' || *text == '-' || *text == '+';
}

/* Compares two runs of digits as numbers of any length and moves behind them; a missing run is 0. */
static int compare_numbers(const char **a, const char **b)
{
        size_t a_len, b_len;
        int r;

        while (**a == '0')
                (*a)++;
        while (**b == '0')
                (*b)++;
        a_len = strspn(*a, "0123456789");
        b_len = strspn(*b, "0123456789");
        r = a_len != b_len ? (a_len < b_len ? -1 : 1) : strncmp(*a, *b, a_len);
        *a += a_len;
        *b += b_len;
        return r;
}

/* A release comes after its own pre-releases; build metadata ("+…") does not count. */
static int compare_suffixes(const char *a, const char *b)
{
        bool a_pre = *a == '-', b_pre = *b == '-';

        if (a_pre != b_pre)
                return a_pre ? -1 : 1;
        return a_pre ? strcmp(a, b) : 0;
}

int query_compare_versions(const char *a, const char *b)
{
        a = skip_v(a);
        b = skip_v(b);
        for (;;) {
                int r = compare_numbers(&a, &b);

                if (r != 0)
                        return r;
                if (*a != '.' && *b != '.')
                        return compare_suffixes(a, b);
                a += *a == '.';
                b += *b == '.';
        }
}

/* Exactly `digits` digits, then the character `end` unless it is 0. */
static int take_number(const char **text, int digits, char end, int *ret)
{
        int value = 0;

        for (int i = 0; i < digits; i++, (*text)++) {
                if (!is_digit(**text))
                        return -EINVAL;
                value = value * 10 + (**text - '0');
        }
        if (end != '\0') {
                if (**text != end)
                        return -EINVAL;
                (*text)++;
        }
        *ret = value;
        return 0;
}

/* Days since 1970-01-01 in the Gregorian calendar, counting years from March so that leap days come last. */
static int64_t days_of(int year, int month, int day)
{
        int y = month <= 2 ? year - 1 : year;
        int era = y / 400, in_era = y - era * 400;
        int in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return (int64_t)era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

/* "Z", "+HH:MM", "-HHMM", "+HH" or nothing: minutes east of Greenwich. */
static int take_zone(const char *text, int *ret_minutes)
{
        int hours, minutes = 0, sign = *text == '-' ? -1 : 1;

        *ret_minutes = 0;
        if (strcmp(text, "") == 0 || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
                return 0;
        if (*text != '+' && *text != '-')
                return -EINVAL;
        text++;
        if (take_number(&text, 2, '\0', &hours) < 0)
                return -EINVAL;
        text += *text == ':';
        if (*text != '\0' && take_number(&text, 2, '\0', &minutes) < 0)
                return -EINVAL;
        if (*text != '\0' || hours > 18 || minutes > 59)
                return -EINVAL;
        *ret_minutes = sign * (hours * 60 + minutes);
        return 0;
}

static int take_time(const char *text, int64_t *ret_ms)
{
        int hour, minute, second = 0, zone, scale = 100, millis = 0;

        if (take_number(&text, 2, ':', &hour) < 0 || take_number(&text, 2, '\0', &minute) < 0)
                return -EINVAL;
        if (*text == ':') {
                text++;
                if (take_number(&text, 2, '\0', &second) < 0)
                        return -EINVAL;
        }
        if (*text == '.') {
                text++;
                for (; is_digit(*text); text++, scale /= 10)
                        millis += (*text - '0') * scale;
        }
        if (hour > 24 || minute > 59 || second > 60 || take_zone(text, &zone) < 0)
                return -EINVAL;
        *ret_ms = (((int64_t)hour * 60 + minute - zone) * 60 + second) * 1000 + millis;
        return 0;
}

int query_parse_date(const char *text, int64_t *ret_ms)
{
        int year, month, day;
        int64_t time = 0;

        if (take_number(&text, 4, '-', &year) < 0 || take_number(&text, 2, '-', &month) < 0 || take_number(&text, 2, '\0', &day) < 0)
                return -EINVAL;
        if (month < 1 || month > 12 || day < 1 || day > 31)
                return -EINVAL;
        if (*text == 'T' || *text == 't' || *text == ' ') {
                if (take_time(text + 1, &time) < 0)
                        return -EINVAL;
        } else if (*text != '\0') {
                return -EINVAL;
        }
        *ret_ms = days_of(year, month, day) * 86400000 + time;
        return 0;
}
