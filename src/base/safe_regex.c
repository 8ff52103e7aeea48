/* SPDX-License-Identifier: Apache-2.0 */
/* How large an expression becomes when its repetitions are written out, before anybody does so. */
#include "base/safe_regex.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Characters, sets and groups of the written-out expression: some 20 MB while it is compiled. */
#define SIZE_LIMIT 20000
#define DEPTH_LIMIT 64
#define REPEAT_LIMIT 32767 /* regcomp's own */

/* What is open at one depth: the parts before the last one, and the last one, which a quantifier would repeat. */
struct level {
        uint64_t before, last;
};

struct measure {
        const char *p;
        struct level levels[DEPTH_LIMIT + 1];
        int depth;
        struct error *error;
};

static void add(struct measure *m, uint64_t size)
{
        struct level *level = &m->levels[m->depth];

        level->before += level->last;
        level->last = size;
}

/* To the last character of a bracket expression: "]" in the first place and what is in "[:", "[." or "[=" do not end it. */
static const char *skip_brackets(const char *p)
{
        p += p[1] == '^' ? 2 : 1;
        if (*p == ']')
                p++;
        for (; *p != '\0' && *p != ']'; p++) {
                if (*p != '[' || p[1] == '\0' || strchr(":.=", p[1]) == NULL)
                        continue;
                const char *end = strstr(p + 2, (const char[]){p[1], ']', '\0'});
                if (end != NULL)
                        p = end + 1;
        }
        return *p != '\0' ? p : p - 1;
}

/* {n}, {n,}, {,m} or {n,m} repeats the last part; what is none of them regcomp judges. */
static void repeat(struct measure *m)
{
        uint64_t most = 1, n = 0;
        const char *p = m->p + 1;

        for (; isdigit((unsigned char)*p) || *p == ','; p++) {
                n = *p == ',' ? 0 : MIN(n * 10 + (uint64_t)(*p - '0'), REPEAT_LIMIT);
                most = MAX(most, n);
        }
        if (*p != '}')
                return;
        m->p = p;
        m->levels[m->depth].last *= most + 1;
}

static int step(struct measure *m)
{
        struct level *level = &m->levels[m->depth];

        switch (*m->p) {
        case '\\':
                if (m->p[1] >= '1' && m->p[1] <= '9')
                        return error_set(m->error, EINVAL, "back references (\\%c) are not supported", m->p[1]);
                m->p += m->p[1] != '\0';
                add(m, 1);
                return 0;
        case '[':
                m->p = skip_brackets(m->p);
                add(m, 1);
                return 0;
        case '(':
                if (m->depth == DEPTH_LIMIT)
                        return error_set(m->error, EINVAL, "more than %d groups lie in one another", DEPTH_LIMIT);
                m->levels[++m->depth] = (struct level){.before = 1};
                return 0;
        case ')':
                if (m->depth > 0) {
                        m->depth--;
                        add(m, level->before + level->last);
                }
                return 0;
        case '+': /* x+ is compiled as xx* */
                level->last *= 2;
                return 0;
        case '{':
                repeat(m);
                return 0;
        case '*':
        case '?':
                return 0;
        default:
                add(m, 1);
                return 0;
        }
}

static int check(const char *posix, struct error *error)
{
        struct measure m = {.p = posix, .error = error};

        for (; *m.p != '\0'; m.p++) {
                int r = step(&m);

                if (r < 0)
                        return r;
                if (m.levels[m.depth].before + m.levels[m.depth].last > SIZE_LIMIT)
                        return error_set(error, EINVAL, "its repetitions multiply to more than %d parts; repeat less, or fewer times",
                                         SIZE_LIMIT);
        }
        return 0;
}

int regex_compile(regex_t *ret, const char *posix, int flags, struct error *error)
{
        char why[128];
        int r = check(posix, error);

        if (r < 0)
                return r;
        r = regcomp(ret, posix, REG_EXTENDED | REG_NOSUB | flags);
        if (r == 0)
                return 0;
        (void)regerror(r, ret, why, sizeof(why));
        return error_set(error, EINVAL, "%s", why);
}
