/* SPDX-License-Identifier: Apache-2.0 */
/* String helpers. */
#include "base/strutil.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DNS_LABEL_MAX 63

static const char *or_empty(const char *s)
{
        return s != NULL ? s : "";
}

bool str_eq(const char *a, const char *b)
{
        return strcmp(or_empty(a), or_empty(b)) == 0;
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(const char *a, const char *b)
{
        /* Not strcasecmp: it follows the locale. */
        a = or_empty(a);
        b = or_empty(b);
        while (*a != '\0' && lower(*a) == lower(*b)) {
                a++;
                b++;
        }
        return lower(*a) == lower(*b);
}

bool str_empty(const char *s)
{
        return s == NULL || *s == '\0';
}

bool str_starts_with(const char *s, const char *prefix)
{
        return strncmp(or_empty(s), or_empty(prefix), strlen(or_empty(prefix))) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
        size_t len = strlen(or_empty(s)), tail = strlen(or_empty(suffix));
        return len >= tail && (tail == 0 || memcmp(s + len - tail, suffix, tail) == 0);
}

int str_to_int64(const char *s, int64_t *ret)
{
        const char *digits = or_empty(s);
        char *end;
        if (*digits == '-' || *digits == '+')
                digits++;
        if (*digits < '0' || *digits > '9') /* strtoll would skip white space */
                return -EINVAL;
        errno = 0;
        long long value = strtoll(s, &end, 10);
        if (*end != '\0')
                return -EINVAL;
        if (errno == ERANGE)
                return -ERANGE;
        *ret = value;
        return 0;
}

int str_to_double(const char *s, double *ret)
{
        char *end;
        /* Only these characters: strtod would also take white space, hexadecimal, "inf" and "nan". */
        if (str_empty(s) || strspn(s, "0123456789+-.eE") != strlen(s))
                return -EINVAL;
        double value = strtod(s, &end); /* the program never calls setlocale, so '.' is the point */
        if (end == s || *end != '\0')
                return -EINVAL;
        if (isinf(value))
                return -ERANGE;
        *ret = value;
        return 0;
}

static bool is_plain(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool str_is_name(const char *s, const char *set, size_t max)
{
        size_t len = 0;
        for (const char *p = or_empty(s); *p != '\0'; p++, len++) {
                if (len >= max || (!is_plain(*p) && strchr(or_empty(set), *p) == NULL))
                        return false;
        }
        return len >= 1;
}

size_t str_dns_label(const char **at)
{
        const char *label = *at;
        size_t len = strcspn(label, ".");

        *at = label[len] != '\0' ? label + len + 1 : NULL;
        for (size_t i = 0; i < len; i++)
                if (!is_plain(label[i]) && label[i] != '-' && label[i] != '_')
                        return 0;
        return len <= DNS_LABEL_MAX ? len : 0;
}

void str_iso8601(int64_t ms, bool with_millis, char ret[32])
{
        int64_t millis = ms % 1000;
        if (millis < 0)
                millis += 1000;
        time_t seconds = (time_t)((ms - millis) / 1000);
        struct tm tm;
        ret[0] = '\0';
        if (gmtime_r(&seconds, &tm) == NULL)
                return;
        /* Not %Y: that writes the year 23 with two digits. */
        size_t len = (size_t)snprintf(ret, 32, "%04d", tm.tm_year + 1900);
        len += strftime(ret + len, 32 - len, "-%m-%dT%H:%M:%S", &tm);
        if (with_millis)
                (void)snprintf(ret + len, 32 - len, ".%03dZ", (int)millis);
        else
                (void)snprintf(ret + len, 32 - len, "Z");
}
