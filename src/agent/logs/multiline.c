/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of the first line of a log event. */
#include "agent/logs/multiline.h"

#include <errno.h>
#include <string.h>

#include "base/safe_regex.h"
#include "base/strutil.h"

/* strftime's letters, as far as the awslogs driver documents them. */
static const struct {
        char letter;
        const char *pattern;
} datetime[] = {
        {'A', "(Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"},
        {'a', "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"},
        {'B', "(January|February|March|April|May|June|July|August|September|October|November|December)"},
        {'b', "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"},
        {'d', "[0-9]{2}"},
        {'f', "[0-9]{1,6}"},
        {'H', "[0-9]{2}"},
        {'I', "[0-9]{2}"},
        {'j', "[0-9]{3}"},
        {'L', "\\.[0-9]{3}"},
        {'M', "[0-9]{2}"},
        {'m', "[0-9]{2}"},
        {'p', "(AM|PM)"},
        {'S', "[0-9]{2}"},
        {'w', "[0-6]"},
        {'Y', "[0-9]{4}"},
        {'y', "[0-9]{2}"},
        {'Z', "[A-Z]{1,4}T"},
        {'z', "[+-][0-9]{4}"},
};

void multiline_from_datetime(const char *format, struct buf *out)
{
        for (const char *p = format; *p != '\0'; p++) {
                const char *pattern = NULL;

                if (*p == '%' && p[1] != '\0') {
                        p++;
                        for (size_t i = 0; i < ARRAY_SIZE(datetime) && pattern == NULL; i++)
                                pattern = datetime[i].letter == *p ? datetime[i].pattern : NULL;
                        if (pattern != NULL) {
                                buf_append_str(out, pattern);
                                continue;
                        }
                }
                if (strchr(".[]{}()\\*+?|^$", *p) != NULL)
                        buf_append_char(out, '\\');
                buf_append_char(out, *p);
        }
}

/* Classes that POSIX knows under other names, outside and inside brackets. */
static const struct {
        char letter;
        const char *outside, *inside;
} classes[] = {
        {'d', "[0-9]", "0-9"},
        {'D', "[^0-9]", NULL},
        {'s', "[[:space:]]", "[:space:]"},
        {'S', "[^[:space:]]", NULL},
        {'w', "[[:alnum:]_]", "[:alnum:]_"},
        {'W', "[^[:alnum:]_]", NULL},
        {'t', "\t", "\t"},
        {'A', "^", NULL},
        {'z', "$", NULL},
};

static bool put_class(char letter, bool inside, struct buf *out)
{
        for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
                const char *text = inside ? classes[i].inside : classes[i].outside;

                if (classes[i].letter == letter && text != NULL) {
                        buf_append_str(out, text);
                        return true;
                }
        }
        return false;
}

void multiline_to_posix(const char *pattern, struct buf *out, bool *ret_ignore_case)
{
        bool inside = false;

        *ret_ignore_case = str_starts_with(pattern, "(?i)");
        if (*ret_ignore_case)
                pattern += 4;
        for (const char *p = pattern; *p != '\0'; p++) {
                if (*p == '\\' && p[1] != '\0') {
                        p++;
                        if (put_class(*p, inside, out))
                                continue;
                        if (!inside)
                                buf_append_char(out, '\\');
                        buf_append_char(out, *p);
                        continue;
                }
                if (!inside && str_starts_with(p, "(?:")) {
                        buf_append_char(out, '(');
                        p += 2;
                        continue;
                }
                if (*p == '[' && !inside) {
                        inside = true;
                        buf_append_char(out, *p);
                        /* A closing bracket in the first place is a member. */
                        if (p[1] == '^')
                                buf_append_char(out, *++p);
                        if (p[1] == ']')
                                buf_append_char(out, *++p);
                        continue;
                }
                if (*p == '[' && inside && p[1] == ':') {
                        const char *end = strstr(p, ":]");

                        if (end != NULL) {
                                buf_append(out, p, (size_t)(end + 2 - p));
                                p = end + 1;
                                continue;
                        }
                }
                if (*p == ']')
                        inside = false;
                buf_append_char(out, *p);
        }
}

int multiline_init(struct multiline *multiline, const char *pattern, const char *datetime_format, struct error *error)
{
        struct buf posix CLEANUP_BUF = {0};
        bool ignore_case = false;
        struct error why = {0};

        *multiline = (struct multiline){0};
        if (!str_empty(pattern) && !str_empty(datetime_format))
                return error_set(error, EINVAL, "awslogs-multiline-pattern and awslogs-datetime-format exclude each other; give only one");
        if (str_empty(pattern) && str_empty(datetime_format))
                return 0;
        if (str_empty(pattern)) {
                multiline_from_datetime(datetime_format, &posix);
        } else {
                multiline_to_posix(pattern, &posix, &ignore_case);
        }
        buf_append_str(&posix, ""); /* "(?i)" alone leaves nothing */
        if (regex_compile(&multiline->regex, posix.data, ignore_case ? REG_ICASE : 0, &why) < 0)
                return error_set(error, EINVAL, "awslogs could not parse the %s \"%s\": %s",
                                 str_empty(pattern) ? "awslogs-datetime-format" : "awslogs-multiline-pattern",
                                 str_empty(pattern) ? datetime_format : pattern, why.message);
        multiline->active = true;
        return 0;
}

void multiline_done(struct multiline *multiline)
{
        if (multiline->active)
                regfree(&multiline->regex);
        multiline->active = false;
}

bool multiline_begins(const struct multiline *multiline, const char *line)
{
        return !multiline->active || regexec(&multiline->regex, line, 0, NULL, 0) == 0;
}
