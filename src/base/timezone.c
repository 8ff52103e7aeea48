/* SPDX-License-Identifier: Apache-2.0 */
/* See timezone.h. */
#include "base/timezone.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define DATABASE "/usr/share/zoneinfo/"
#define HEADER 44
#define FILE_MAX (256u * 1024)
#define DAY 86400

/* When daylight saving begins or ends in each year: Jn, n or Mm.w.d of POSIX's TZ, and the local time of day. */
struct change {
        char form; /* 'J', 'D' (zero-based day) or 'M' */
        int month, week, day;
        int32_t time;
};

struct tz_zone {
        int64_t *at; /* transitions, ascending */
        int32_t *to; /* offset from then on */
        uint32_t n;
        int32_t first; /* before the first transition */
        bool has_rule, has_dst;
        int32_t standard, dst; /* offsets of the rule */
        struct change begin, end;
};

/* ---- dates ---- */

/* Counts in years that begin in March, so that the leap day is the last of its year. */
int64_t date_to_days(int year, int month, int day)
{
        int64_t y = month <= 2 ? (int64_t)year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
        int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void days_to_date(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
        int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
        int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * y + y / 4 - y / 100), month = (5 * of_year + 2) / 153;

        *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
        *ret_month = (int)(month < 10 ? month + 3 : month - 9);
        *ret_year = (int)(y + era * 400 + (*ret_month <= 2));
}

int days_in_month(int year, int month)
{
        int next_year = month == 12 ? year + 1 : year, next = month == 12 ? 1 : month + 1;

        return (int)(date_to_days(next_year, next, 1) - date_to_days(year, month, 1));
}

/* ---- the rule in the footer, such as CET-1CEST,M3.5.0,M10.5.0/3 ---- */

static bool skip_name(const char **p)
{
        const char *start = *p;

        if (**p == '<') {
                *p = strchr(*p, '>');
                if (*p == NULL)
                        return false;
                (*p)++;
                return true;
        }
        while (isalpha((unsigned char)**p))
                (*p)++;
        return *p > start;
}

static bool read_number(const char **p, int max, int *ret)
{
        int value = 0;

        if (!isdigit((unsigned char)**p))
                return false;
        while (isdigit((unsigned char)**p) && value <= max)
                value = value * 10 + *(*p)++ - '0';
        *ret = value;
        return value <= max;
}

/* [+-]hh[:mm[:ss]]; up to 167 hours (RFC 8536, 3.3.1). */
static bool read_time(const char **p, int32_t *ret)
{
        int sign = **p == '-' ? -1 : 1, parts[3] = {0};

        if (**p == '-' || **p == '+')
                (*p)++;
        for (int i = 0; i < 3; i++) {
                if (!read_number(p, i == 0 ? 167 : 59, &parts[i]))
                        return false;
                if (**p != ':')
                        break;
                (*p)++;
        }
        *ret = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
        return true;
}

static bool read_change(const char **p, struct change *ret)
{
        *ret = (struct change){.form = 'D', .time = 2 * 3600};
        if (*(*p)++ != ',')
                return false;
        if (**p == 'M') {
                ret->form = *(*p)++;
                if (!read_number(p, 12, &ret->month) || *(*p)++ != '.' || !read_number(p, 5, &ret->week) || *(*p)++ != '.' ||
                    !read_number(p, 6, &ret->day) || ret->month < 1 || ret->week < 1)
                        return false;
        } else {
                if (**p == 'J')
                        ret->form = *(*p)++;
                if (!read_number(p, 365, &ret->day))
                        return false;
        }
        if (**p != '/')
                return true;
        (*p)++;
        return read_time(p, &ret->time);
}

static bool read_rule(struct tz_zone *zone, const char *text)
{
        const char *p = text;
        int32_t west;

        if (!skip_name(&p) || !read_time(&p, &west))
                return false;
        zone->standard = -west;
        zone->has_rule = true;
        if (*p == '\0')
                return true;
        zone->dst = zone->standard + 3600;
        if (!skip_name(&p))
                return false;
        if (*p != ',') {
                if (!read_time(&p, &west))
                        return false;
                zone->dst = -west;
        }
        zone->has_dst = true;
        return read_change(&p, &zone->begin) && read_change(&p, &zone->end) && *p == '\0';
}

/* Local seconds at which the change takes place in a year. */
static int64_t change_at(const struct change *change, int year)
{
        int64_t first = date_to_days(year, 1, 1);
        int leap = days_in_month(year, 2) == 29, length, weekday, day;

        if (change->form == 'D')
                return (first + change->day) * DAY + change->time;
        if (change->form == 'J') /* 1..365, the leap day is never counted */
                return (first + change->day - 1 + (leap && change->day >= 60)) * DAY + change->time;
        first = date_to_days(year, change->month, 1);
        length = days_in_month(year, change->month);
        weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970 began on a Thursday */
        day = (change->day - weekday + 7) % 7 + 7 * (change->week - 1);
        while (day >= length)
                day -= 7;
        return (first + day) * DAY + change->time;
}

static int32_t rule_offset(const struct tz_zone *zone, int64_t utc)
{
        int64_t days = (utc + zone->standard) / DAY - ((utc + zone->standard) % DAY < 0), begin, end;
        int year, month, day;

        if (!zone->has_dst)
                return zone->standard;
        days_to_date(days, &year, &month, &day);
        begin = change_at(&zone->begin, year) - zone->standard;
        end = change_at(&zone->end, year) - zone->dst;
        if (begin < end)
                return utc >= begin && utc < end ? zone->dst : zone->standard;
        return utc >= end && utc < begin ? zone->standard : zone->dst; /* the southern half */
}

/* ---- the file ---- */

static int64_t big_endian(const unsigned char *p, int bytes)
{
        uint64_t value = 0;

        for (int i = 0; i < bytes; i++)
                value = value << 8 | p[i];
        return bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
}

struct counts {
        uint32_t utc, standard, leaps, times, types, chars;
};

static bool read_header(const unsigned char *p, size_t len, struct counts *ret)
{
        uint32_t values[6];

        if (len < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
                return false;
        for (int i = 0; i < 6; i++) {
                values[i] = (uint32_t)big_endian(p + 20 + 4 * (size_t)i, 4);
                if (values[i] > FILE_MAX)
                        return false;
        }
        *ret = (struct counts){values[0], values[1], values[2], values[3], values[4], values[5]};
        return true;
}

static size_t data_size(const struct counts *c, size_t time_size)
{
        return c->times * (time_size + 1) + c->types * (size_t)6 + c->chars + c->leaps * (time_size + 4) + c->standard + c->utc;
}

static int read_transitions(struct tz_zone *zone, const unsigned char *p, const struct counts *c)
{
        const unsigned char *index = p + c->times * (size_t)8, *types = index + c->times;

        if (c->types == 0)
                return -EINVAL;
        zone->n = c->times;
        zone->at = xcalloc(MAX(c->times, 1u), sizeof(*zone->at));
        zone->to = xcalloc(MAX(c->times, 1u), sizeof(*zone->to));
        zone->first = (int32_t)big_endian(types, 4);
        for (uint32_t i = 0; i < c->times; i++) {
                zone->at[i] = big_endian(p + i * (size_t)8, 8);
                if (index[i] >= c->types || (i > 0 && zone->at[i] <= zone->at[i - 1]))
                        return -EINVAL;
                zone->to[i] = (int32_t)big_endian(types + index[i] * (size_t)6, 4);
                if (zone->to[i] < -2 * DAY || zone->to[i] > 2 * DAY)
                        return -EINVAL;
        }
        return 0;
}

static int read_footer(struct tz_zone *zone, const unsigned char *p, size_t len)
{
        const unsigned char *end;
        char text[128];

        if (len < 2 || p[0] != '\n')
                return -EINVAL;
        end = memchr(p + 1, '\n', len - 1);
        if (end == NULL || (size_t)(end - p) > sizeof(text))
                return -EINVAL;
        memcpy(text, p + 1, (size_t)(end - p) - 1);
        text[end - p - 1] = '\0';
        return text[0] == '\0' || read_rule(zone, text) ? 0 : -EINVAL;
}

int tz_parse(const void *bytes, size_t len, struct tz_zone **ret)
{
        const unsigned char *p = bytes, *end = p + len;
        struct tz_zone *zone;
        struct counts c;
        int r;

        if (!read_header(p, len, &c) || len - HEADER < data_size(&c, 4)) /* the 32-bit part, which is skipped */
                return -EINVAL;
        p += HEADER + data_size(&c, 4);
        if (!read_header(p, (size_t)(end - p), &c) || (size_t)(end - p) - HEADER < data_size(&c, 8))
                return -EINVAL;
        p += HEADER;
        zone = xalloc(sizeof(*zone));
        r = read_transitions(zone, p, &c);
        p += data_size(&c, 8);
        if (r == 0)
                r = read_footer(zone, p, (size_t)(end - p));
        if (r < 0) {
                tz_free(zone);
                return r;
        }
        *ret = zone;
        return 0;
}

static bool is_zone_name(const char *name)
{
        return isalpha((unsigned char)name[0]) && str_is_name(name, "/_+-", 64) && strstr(name, "//") == NULL;
}

int tz_load(const char *name, struct tz_zone **ret)
{
        CLEANUP_FREE unsigned char *bytes = NULL;
        char path[sizeof(DATABASE) + 64];
        size_t n;
        FILE *file;

        if (str_empty(name) || str_eq(name, "UTC")) {
                *ret = xalloc(sizeof(**ret));
                return 0;
        }
        if (!is_zone_name(name))
                return -ENOENT;
        (void)snprintf(path, sizeof(path), DATABASE "%s", name);
        file = fopen(path, "re");
        if (file == NULL)
                return -ENOENT;
        bytes = xalloc(FILE_MAX);
        n = fread(bytes, 1, FILE_MAX, file);
        (void)fclose(file);
        return tz_parse(bytes, n, ret) < 0 ? -ENOENT : 0;
}

struct tz_zone *tz_free(struct tz_zone *zone)
{
        if (zone != NULL) {
                free(zone->at);
                free(zone->to);
                free(zone);
        }
        return NULL;
}

int32_t tz_offset(const struct tz_zone *zone, int64_t utc)
{
        uint32_t low = 0, high = zone->n;

        if (zone->has_rule && (zone->n == 0 || utc >= zone->at[zone->n - 1]))
                return rule_offset(zone, utc);
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (zone->at[middle] <= utc)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low == 0 ? zone->first : zone->to[low - 1];
}

int64_t tz_to_utc(const struct tz_zone *zone, int64_t local)
{
        /* The offsets a day before and after: at most one change lies in between. */
        int32_t before = tz_offset(zone, local - DAY), after = tz_offset(zone, local + DAY);

        if (tz_offset(zone, local - before) == before)
                return local - before;
        if (tz_offset(zone, local - after) == after)
                return local - after;
        return local - before;
}
