/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java-like regular expressions on top of POSIX extended ones. What both have means the same; Java's shorthands are
 * translated; what POSIX lacks is refused by name, so that an expression never silently means something else. The C library's
 * matcher is an automaton (no back-tracking), and repetition counts are limited because it unrolls them.
 */
#include <errno.h>
#include <string.h>

#include "base/safe_regex.h"
#include "sched/query_internal.h"

/* The automaton grows with the product of the repetition counts. */
#define MAX_REPETITIONS 1000
#define MAX_PATTERN 256
#define MAX_GROUPS 30

struct translation {
        const char *p;
        struct buf out;
        struct error *error;
        int depth; /* open groups */
        int groups;
        int64_t repetitions;
        bool atom; /* something that can be repeated came before */
};

static int refuse(struct translation *t, const char *what)
{
        return error_set(t->error, EINVAL, "%s", what);
}

static void set_range(bool set[256], int from, int to)
{
        for (int c = from; c <= to; c++)
                set[c] = true;
}

/* The characters of \d, \w, \s; false for other letters. Capitals are their complements. */
static bool shorthand(char c, bool set[256])
{
        bool own[256] = {false};
        char lower = (char)(c | 0x20);

        if (lower == 'd') {
                set_range(own, '0', '9');
        } else if (lower == 'w') {
                set_range(own, '0', '9');
                set_range(own, 'a', 'z');
                set_range(own, 'A', 'Z');
                own['_'] = true;
        } else if (lower == 's') {
                set_range(own, '\t', '\r');
                own[' '] = true;
        } else {
                return false;
        }
        for (int i = 1; i < 256; i++)
                set[i] |= own[i] == (c == lower);
        return true;
}

/* A bracket expression in the order that POSIX wants: ']' first, '-' last, '^' never first. */
static void emit_set(struct translation *t, const bool set[256])
{
        bool others = false;

        buf_append_char(&t->out, '[');
        if (set[']'])
                buf_append_char(&t->out, ']');
        for (int c = 1; c < 256; c++) {
                if (!set[c] || c == ']' || c == '-' || c == '^' || c == '[')
                        continue;
                others = true;
                buf_append_char(&t->out, (char)c);
        }
        others |= set[']'];
        if (set['['])
                buf_append_str(&t->out, "[");
        others |= set['['];
        if (set['^'] && (others || set['-'])) {
                if (!others)
                        buf_append_char(&t->out, '-');
                buf_append_char(&t->out, '^');
                if (others && set['-'])
                        buf_append_char(&t->out, '-');
        } else if (set['^']) {
                /* '^' alone cannot stand in brackets. */
                t->out.len--;
                buf_append_str(&t->out, "\\^");
                return;
        } else if (set['-']) {
                buf_append_char(&t->out, '-');
        }
        buf_append_char(&t->out, ']');
}

/* The character behind a backslash, when it stands for itself or a control character; -1 when it is something else. */
static int escaped(char c)
{
        if (c == 't')
                return '\t';
        if (c == 'n')
                return '\n';
        if (c == 'r')
                return '\r';
        if (c == '\0' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
                return -1;
        return (unsigned char)c;
}

static int set_member(struct translation *t, bool set[256], int *ret_single)
{
        int c = (unsigned char)*t->p++;

        *ret_single = -1;
        if (c == '[' || (c == '&' && *t->p == '&'))
                return refuse(t, "sets within sets ([a[b]], &&) are not supported: write one set");
        if (c == '\\') {
                if (shorthand(*t->p, set)) {
                        t->p++;
                        return 0;
                }
                c = escaped(*t->p);
                if (c < 0)
                        return refuse(t, "this escape is not supported within brackets");
                t->p++;
        }
        set[c] = true;
        *ret_single = c;
        return 0;
}

static int bracket(struct translation *t)
{
        bool set[256] = {false}, negated = false, empty = true;

        /* A ] that comes first is a character, in Java as in POSIX. */
        if (*t->p == '^') {
                negated = true;
                t->p++;
        }
        for (bool first = true; *t->p != ']' || first; first = false) {
                int low, high, r;

                if (*t->p == '\0')
                        return refuse(t, "a [ is not closed");
                r = set_member(t, set, &low);
                if (r < 0)
                        return r;
                if (*t->p != '-' || t->p[1] == ']' || low < 0)
                        continue;
                t->p++;
                if (*t->p == '\0')
                        return refuse(t, "a [ is not closed");
                r = set_member(t, set, &high);
                if (r < 0)
                        return r;
                if (high < low)
                        return refuse(t, "a range in brackets runs backwards");
                set_range(set, low, high);
        }
        t->p++;
        for (int c = 1; c < 256; c++) {
                set[c] ^= negated;
                empty &= !set[c];
        }
        if (empty)
                return refuse(t, "a set in brackets matches nothing");
        emit_set(t, set);
        t->atom = true;
        return 0;
}

static int escape(struct translation *t)
{
        bool set[256] = {false};
        int c;

        if (shorthand(*t->p, set)) {
                t->p++;
                emit_set(t, set);
                t->atom = true;
                return 0;
        }
        c = escaped(*t->p);
        if (c < 0)
                return refuse(t, *t->p >= '1' && *t->p <= '9' ? "back references are not supported"
                                                              : "this escape is not supported; \\d \\w \\s and escaped punctuation are");
        t->p++;
        if (strchr(".[]{}()*+?|^$\\", c) != NULL)
                buf_append_char(&t->out, '\\');
        buf_append_char(&t->out, (char)c);
        t->atom = true;
        return 0;
}

static int open_group(struct translation *t)
{
        if (*t->p == '?') {
                if (t->p[1] != ':')
                        return refuse(t, "look-around, flags and named groups (?…) are not supported");
                t->p += 2;
        }
        if (++t->groups > MAX_GROUPS)
                return refuse(t, "too many groups");
        t->depth++;
        t->atom = false;
        buf_append_char(&t->out, '(');
        return 0;
}

/* {n}, {n,} or {n,m}: the braces and what is between. */
static int repetition(struct translation *t)
{
        const char *begin = t->p - 1;
        int64_t low = 0, high;

        if (*t->p < '0' || *t->p > '9')
                return refuse(t, "a { must be followed by a number, or escaped");
        for (; *t->p >= '0' && *t->p <= '9' && low <= MAX_REPETITIONS; t->p++)
                low = low * 10 + (*t->p - '0');
        high = low;
        if (*t->p == ',') {
                t->p++;
                if (*t->p != '}')
                        high = 0;
                for (; *t->p >= '0' && *t->p <= '9' && high <= MAX_REPETITIONS; t->p++)
                        high = high * 10 + (*t->p - '0');
        }
        if (*t->p != '}' || high < low)
                return refuse(t, "a repetition must read {n}, {n,} or {n,m} with n not above m");
        t->p++;
        t->repetitions *= high + 1;
        if (t->repetitions > MAX_REPETITIONS)
                return refuse(t, "the repetition counts multiply to too many");
        buf_append(&t->out, begin, (size_t)(t->p - begin));
        return 0;
}

static int quantifier(struct translation *t, char c)
{
        int r = 0;

        if (!t->atom)
                return refuse(t, "there is nothing that could be repeated");
        if (c == '{')
                r = repetition(t);
        else
                buf_append_char(&t->out, c);
        if (r < 0)
                return r;
        if (*t->p == '+')
                return refuse(t, "possessive quantifiers are not supported");
        /* Lazy or greedy makes no difference to whether the whole value matches. */
        if (*t->p == '?')
                t->p++;
        t->atom = false;
        return 0;
}

static int close_group(struct translation *t)
{
        if (t->depth-- == 0)
                return refuse(t, "a ) closes nothing");
        buf_append_char(&t->out, ')');
        t->atom = true;
        return 0;
}

static int step(struct translation *t)
{
        char c = *t->p++;

        switch (c) {
        case '\\':
                return escape(t);
        case '[':
                return bracket(t);
        case '(':
                return open_group(t);
        case ')':
                return close_group(t);
        case '*':
        case '+':
        case '?':
        case '{':
                return quantifier(t, c);
        case '|':
        case '^':
        case '$':
                t->atom = false;
                break;
        default:
                t->atom = true;
        }
        if (c == '}' || c == ']')
                buf_append_char(&t->out, '\\');
        buf_append_char(&t->out, c);
        return 0;
}

int query_regex_compile(const char *pattern, regex_t *ret, struct error *error)
{
        struct translation t = {.p = pattern, .error = error, .repetitions = 1};
        int r = 0;

        if (strlen(pattern) > MAX_PATTERN)
                return error_set(error, EINVAL, "a regular expression has at most %d characters", MAX_PATTERN);
        buf_append_str(&t.out, "^(");
        while (r == 0 && *t.p != '\0')
                r = step(&t);
        if (r == 0 && t.depth > 0)
                r = refuse(&t, "a ( is not closed");
        buf_append_str(&t.out, ")$");
        if (r == 0)
                r = regex_compile(ret, t.out.data, 0, error);
        buf_done(&t.out);
        return r;
}
