/* SPDX-License-Identifier: Apache-2.0 */
/* Words, comparisons and regular expressions of filter patterns. */
#include "logs/filter_condition.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define REGEX_MAX_PER_PATTERN 2
#define REPEAT_MAX 64 /* of {n,m}: regcomp copies */
#define REPEAT_TOTAL_MAX 256
#define NUMBER_MAX 63

int filter_fail(const struct filter_text *text, struct error *error, const char *what)
{
        return error_set(error, EINVAL, "Invalid filter pattern at character %zu: %s", (size_t)(text->at - text->start) + 1, what);
}

void filter_skip_space(struct filter_text *text)
{
        while (isspace((unsigned char)*text->at))
                text->at++;
}

bool filter_take(struct filter_text *text, const char *word)
{
        size_t n = strlen(word);

        if (strncmp(text->at, word, n) != 0 ||
            (isalpha((unsigned char)*word) && (isalnum((unsigned char)text->at[n]) || text->at[n] == '_')))
                return false;
        text->at += n;
        return true;
}

int filter_quoted(struct filter_text *text, const char **ret, struct error *error)
{
        char *out = arena_bytes(text->arena, strlen(text->at) + 1);
        size_t n = 0;

        for (const char *p = text->at + 1; *p != '\0'; p++) {
                if (*p == '"') {
                        out[n] = '\0';
                        *ret = out;
                        text->at = p + 1;
                        return 0;
                }
                if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
                        p++;
                out[n++] = *p;
        }
        return filter_fail(text, error, "the quoted text does not end");
}

/* ---- regular expressions ---- */

/* At most two digits; -1 when there is none. */
static int take_number(const char **p)
{
        int n = -1;

        for (int i = 0; i < 2 && isdigit((unsigned char)**p); i++, (*p)++)
                n = MAX(n, 0) * 10 + (**p - '0');
        return n;
}

/* How often "{n}", "{n,}" or "{n,m}" at p repeats what is before it; -1 when it is not that, or too often. */
static int repeats(const char *p)
{
        int n, m;

        p++;
        m = n = take_number(&p);
        if (n >= 0 && *p == ',') {
                p++;
                m = *p == '}' ? n : take_number(&p);
        }
        return *p == '}' && n >= 0 && m >= n && m <= REPEAT_MAX ? m : -1;
}

/* POSIX has no \d and \D; the others that are allowed mean the same there. */
static const char *translate_escape(char c)
{
        if (c == 'd')
                return "[0-9]";
        return c == 'D' ? "[^0-9]" : NULL;
}

/* A backslash and what follows, as POSIX writes it, to the end of `out`; NULL when it is not supported. No references to groups: they
 * make matching slow, and there are no groups. */
static char *put_escape(char *out, char c, bool in_class)
{
        const char *class = translate_escape(c);

        if (c == '\0' || (in_class && class != NULL) || (isalnum((unsigned char)c) && strchr("dDwWsS", c) == NULL))
                return NULL;
        if (class != NULL)
                return stpcpy(out, class);
        *out++ = '\\';
        *out++ = c;
        return out;
}

static bool is_regex_character(char c)
{
        return isalnum((unsigned char)c) || (c != '\0' && strchr("^$?[]{}|*+.:_#=@/;,- ", c) != NULL);
}

/* Counts a quantifier at p in. Each needs something before it that is not repeated already: glibc copies a repetition of repetitions
 * until memory is gone. */
static bool check_quantifier(const char *p, bool has_atom, int *total)
{
        int n = *p == '{' ? repeats(p) : 0;

        *total += n;
        return has_atom && n >= 0 && *total <= REPEAT_TOTAL_MAX;
}

/* What is between the percent signs, as POSIX writes it; NULL when it uses what is not supported. */
static char *translate(struct filter_text *text, const char *p, const char *end)
{
        char *result = arena_bytes(text->arena, (size_t)(end - p) * 6 + 1), *out = result;
        bool in_class = false, has_atom = false; /* what a quantifier could repeat stands before p */
        int total = 0;

        for (; p < end && out != NULL; p++) {
                if (*p == '\\') {
                        p++;
                        out = put_escape(out, p < end ? *p : '\0', in_class);
                        has_atom = true;
                        continue;
                }
                if (!is_regex_character(*p))
                        return NULL;
                *out++ = *p;
                if (in_class) {
                        has_atom = *p == ']';
                        in_class = !has_atom;
                } else if (strchr("*+?{", *p) != NULL) {
                        if (!check_quantifier(p, has_atom, &total))
                                return NULL;
                        has_atom = false;
                        if (*p == '{') /* to its end, which check_quantifier saw */
                                for (; *p != '}'; *out++ = *++p)
                                        ;
                } else {
                        in_class = *p == '[';
                        has_atom = strchr("^|$[", *p) == NULL;
                }
        }
        if (out == NULL)
                return NULL;
        *out = '\0';
        return result;
}

int filter_regex_parse(struct filter_text *text, struct filter_regex **list, struct filter_regex **ret, struct error *error)
{
        const char *end = strchr(text->at + 1, '%');
        struct filter_regex *regex;
        char *posix;

        if (end == NULL || end == text->at + 1)
                return filter_fail(text, error, "a regular expression needs a % before and after it");
        if (text->n_regex++ == REGEX_MAX_PER_PATTERN)
                return filter_fail(text, error, "at most two regular expressions are allowed");
        posix = translate(text, text->at + 1, end);
        if (posix == NULL)
                return filter_fail(text, error,
                                   "the regular expression uses something that is not supported: no parentheses, no back references, "
                                   "repetitions up to 64");
        regex = xalloc(sizeof *regex);
        if (regcomp(&regex->compiled, posix, REG_EXTENDED | REG_NOSUB) != 0) {
                free(regex);
                return filter_fail(text, error, "the regular expression cannot be read");
        }
        regex->next = *list;
        *list = *ret = regex;
        text->at = end + 1;
        return 0;
}

bool filter_regex_match(const struct filter_regex *regex, const char *s, size_t len)
{
        /* regexec wants the text to be terminated; this, its GNU sister, does not. It locks the pattern and does not change it. */
        return re_search((regex_t *)(uintptr_t)&regex->compiled, s, (regoff_t)len, 0, (regoff_t)len, NULL) >= 0;
}

void filter_regex_done(struct filter_regex *list)
{
        while (list != NULL) {
                struct filter_regex *regex = list;

                list = regex->next;
                regfree(&regex->compiled);
                free(regex);
        }
}

/* ---- conditions ---- */

static bool parse_operator(struct filter_text *text, enum filter_operator *ret)
{
        static const struct {
                const char *word;
                enum filter_operator operator;
        } operators[] = {{"!=", FILTER_NE}, {"<=", FILTER_LE}, {">=", FILTER_GE}, {"=", FILTER_EQ}, {"<", FILTER_LT}, {">", FILTER_GT}};

        for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
                if (filter_take(text, operators[i].word)) {
                        *ret = operators[i].operator;
                        return true;
                }
        }
        return false;
}

static bool read_number(const char *s, size_t len, double *ret)
{
        char copy[NUMBER_MAX + 1];

        if (len == 0 || len > NUMBER_MAX || (!isdigit((unsigned char)*s) && *s != '-' && *s != '+' && *s != '.'))
                return false;
        memcpy(copy, s, len);
        copy[len] = '\0';
        return strchr(copy, 'x') == NULL && str_to_double(copy, ret) == 0;
}

int filter_condition_parse(struct filter_text *text, const char *stop, struct filter_regex **list, struct filter_condition *ret,
                           struct error *error)
{
        size_t n;

        *ret = (struct filter_condition){0};
        filter_skip_space(text);
        if (!parse_operator(text, &ret->operator))
                return filter_fail(text, error, "expected one of = != < <= > >=");
        filter_skip_space(text);
        if (*text->at == '%') {
                int r = filter_regex_parse(text, list, &ret->regex, error);

                if (r == 0 && ret->operator!= FILTER_EQ && ret->operator!= FILTER_NE)
                        return filter_fail(text, error, "a regular expression can only be compared with = and !=");
                return r;
        }
        if (*text->at == '"') {
                ret->quoted = true;
                return filter_quoted(text, &ret->text, error);
        }
        n = strcspn(text->at, stop);
        if (n == 0)
                return filter_fail(text, error, "expected a value");
        ret->text = arena_strndup(text->arena, text->at, n);
        ret->is_number = read_number(ret->text, n, &ret->number);
        if (!ret->is_number && ret->operator!= FILTER_EQ && ret->operator!= FILTER_NE)
                return filter_fail(text, error, "expected a number");
        text->at += n;
        return 0;
}

/* '*' stands for any characters. Iterative: the last star is where to go on from. */
static bool matches_wildcards(const char *pattern, const char *s, size_t len)
{
        const char *star = NULL, *end = s + len, *retry = s;

        while (s < end) {
                if (*pattern == '*') {
                        star = ++pattern;
                        retry = s;
                } else if (*pattern != '\0' && *pattern == *s) {
                        pattern++;
                        s++;
                } else if (star != NULL) {
                        pattern = star;
                        s = ++retry;
                } else {
                        return false;
                }
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

static bool compare_numbers(enum filter_operator operator, double a, double b)
{
        switch (operator) {
        case FILTER_EQ:
                return a == b;
        case FILTER_NE:
                return a != b;
        case FILTER_LT:
                return a < b;
        case FILTER_LE:
                return a <= b;
        case FILTER_GT:
                return a > b;
        case FILTER_GE:
                return a >= b;
        }
        return false;
}

bool filter_condition_test(const struct filter_condition *c, const char *s, size_t len, bool is_text)
{
        bool equal;
        double number;

        if (c->is_number && !is_text && read_number(s, len, &number))
                return compare_numbers(c->operator, number, c->number);
        if (c->operator!= FILTER_EQ && c->operator!= FILTER_NE)
                return false;
        equal = c->regex != NULL ? filter_regex_match(c->regex, s, len) : matches_wildcards(c->text, s, len);
        return equal == (c->operator== FILTER_EQ);
}
