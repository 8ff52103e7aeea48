/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of metric math that give several series, or choose among them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "metrics/expression_functions.h"

static void take(struct math_value *ret, const struct math_line *items, size_t n, bool array)
{
        *ret = (struct math_value){.kind = MATH_LINES, .lines = {.items = items, .n = n, .array = array}};
}

static const char *all_metrics(struct math_context *context, UNUSED int what, const struct math_value *arguments, size_t n,
                               struct math_value *ret)
{
        const struct math_grid *grid = context->grid;
        struct math_line *lines = math_lines_new(context, grid->n_series, true, ret);
        size_t found = 0;

        if (n > 0 && arguments[0].kind != MATH_TEXT)
                return "METRICS takes a text in quotes, or nothing";
        for (size_t i = 0; i < grid->n_series; i++)
                if (grid->series[i].metric && (n == 0 || strstr(grid->series[i].id, arguments[0].text) != NULL))
                        lines[found++] = grid->series[i].lines.items[0];
        ret->lines.n = found;
        return NULL;
}

static const char *search(struct math_context *context, UNUSED int what, const struct math_value *arguments, size_t n,
                          struct math_value *ret)
{
        const struct math_grid *grid = context->grid;
        const char *problem;

        if (arguments[0].kind != MATH_TEXT || arguments[1].kind != MATH_TEXT || (n > 2 && arguments[2].kind != MATH_NUMBER))
                return "SEARCH takes the search and a statistic in single quotes, and a period in seconds";
        if (grid->search == NULL)
                return "SEARCH is for GetMetricData only: what it finds changes";
        take(ret, NULL, 0, true);
        problem = grid->search(grid->data, arguments[0].text, arguments[1].text, n > 2 ? (int64_t)arguments[2].number : 0, &ret->lines);
        context->cells += ret->lines.n * grid->n;
        return problem;
}

/* ---- Order ---- */

struct ranked {
        double rank; /* NaN: no values: last */
        struct math_line line;
        size_t at;
};

static int by_rank(const void *a, const void *b)
{
        const struct ranked *left = a, *right = b;

        if (isnan(left->rank) || isnan(right->rank) || left->rank == right->rank)
                return isnan(left->rank) != isnan(right->rank) ? (isnan(left->rank) ? 1 : -1) : left->at < right->at ? -1 : 1;
        return left->rank < right->rank ? -1 : 1;
}

static const char *sort(struct math_context *context, UNUSED int what, const struct math_value *arguments, size_t n, struct math_value *ret)
{
        static const char *const names[] = {[MATH_SUM] = "SUM", [MATH_AVG] = "AVG", [MATH_MIN] = "MIN", [MATH_MAX] = "MAX"};
        const struct math_lines *in = &arguments[0].lines;
        struct ranked *ranked;
        struct math_line *lines;
        size_t how = 0, kept;
        bool down;

        while (how < ARRAY_SIZE(names) && (arguments[1].kind != MATH_TEXT || !str_eq(arguments[1].text, names[how])))
                how++;
        down = arguments[2].kind == MATH_TEXT && str_eq(arguments[2].text, "DESC");
        if (arguments[0].kind != MATH_LINES || how == ARRAY_SIZE(names) ||
            (!down && (arguments[2].kind != MATH_TEXT || !str_eq(arguments[2].text, "ASC"))) ||
            (n > 3 && (arguments[3].kind != MATH_NUMBER || !(arguments[3].number >= 1))))
                return "SORT takes an array of series; SUM, AVG, MIN or MAX; ASC or DESC; and how many of them at most";
        ranked = arena_calloc(context->arena, in->n + 1, sizeof(*ranked));
        for (size_t k = 0; k < in->n; k++) {
                double rank = math_reduce((enum math_reduction)how, in->items[k].values, context->grid->n);

                ranked[k] = (struct ranked){down ? -rank : rank, in->items[k], k};
        }
        qsort(ranked, in->n, sizeof(*ranked), by_rank);
        kept = n > 3 && arguments[3].number < (double)in->n ? (size_t)arguments[3].number : in->n;
        lines = math_lines_new(context, kept, true, ret);
        for (size_t k = 0; k < kept; k++)
                lines[k] = ranked[k].line;
        return NULL;
}

static const char *slice(UNUSED struct math_context *context, UNUSED int what, const struct math_value *arguments, size_t n,
                         struct math_value *ret)
{
        const struct math_lines *in = &arguments[0].lines;
        double from, to;

        if (arguments[0].kind != MATH_LINES || arguments[1].kind != MATH_NUMBER || !(arguments[1].number >= 0) ||
            (n > 2 && (arguments[2].kind != MATH_NUMBER || !(arguments[2].number >= arguments[1].number))))
                return "SLICE takes an array of series, the first one's place from 0 on, and the place behind the last one";
        to = n > 2 ? fmin(floor(arguments[2].number), (double)in->n) : (double)in->n;
        from = fmin(floor(arguments[1].number), to);
        take(ret, in->items + (size_t)from, (size_t)(to - from), true);
        return NULL;
}

enum end { END_FIRST = 0, END_LAST };

static const char *end_of(UNUSED struct math_context *context, int end, const struct math_value *arguments, UNUSED size_t n,
                          struct math_value *ret)
{
        const struct math_lines *in = &arguments[0].lines;

        if (arguments[0].kind != MATH_LINES)
                return "FIRST and LAST take an array of series";
        if (in->n > 0) {
                take(ret, &in->items[end == END_FIRST ? 0 : in->n - 1], 1, false);
                return NULL;
        }
        /* Of none: one without values. */
        double *values = math_series_new(context);

        for (size_t i = 0; i < context->grid->n; i++)
                values[i] = NAN;
        *math_lines_new(context, 1, false, ret) = (struct math_line){values, NULL};
        return NULL;
}

static const char *remove_empty(struct math_context *context, UNUSED int what, const struct math_value *arguments, UNUSED size_t n,
                                struct math_value *ret)
{
        const struct math_lines *in = &arguments[0].lines;
        struct math_line *lines;
        size_t kept = 0;

        if (arguments[0].kind != MATH_LINES)
                return "REMOVE_EMPTY takes an array of series";
        lines = math_lines_new(context, in->n, true, ret);
        for (size_t k = 0; k < in->n; k++)
                if (math_reduce(MATH_COUNT, in->items[k].values, context->grid->n) > 0)
                        lines[kept++] = in->items[k];
        ret->lines.n = kept;
        return NULL;
}

static const char *metric_count(UNUSED struct math_context *context, UNUSED int what, const struct math_value *arguments, UNUSED size_t n,
                                struct math_value *ret)
{
        if (arguments[0].kind != MATH_LINES)
                return "METRIC_COUNT takes an array of series";
        *ret = (struct math_value){.kind = MATH_NUMBER, .number = (double)arguments[0].lines.n};
        return NULL;
}

const struct math_function math_array_functions[] = {
        {"METRICS", 0, 1, all_metrics, 0},
        {"SEARCH", 2, 3, search, 0},
        {"SORT", 3, 4, sort, 0},
        {"SLICE", 2, 3, slice, 0},
        {"FIRST", 1, 1, end_of, END_FIRST},
        {"LAST", 1, 1, end_of, END_LAST},
        {"REMOVE_EMPTY", 1, 1, remove_empty, 0},
        {"METRIC_COUNT", 1, 1, metric_count, 0},
        {NULL, 0, 0, NULL, 0},
};
