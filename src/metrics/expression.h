/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metric math: the everyday part of CloudWatch's expressions, over series on one grid of periods.
 *
 *     + - * / ^  < <= > >= == != && AND || OR  ( )  [a, b]  numbers  identifiers of series
 *     SUM AVG MIN MAX STDDEV DATAPOINT_COUNT (of several series: one; of one series: its value over all periods)
 *     ABS CEIL FLOOR LOG LOG10  DIFF DIFF_TIME RATE RUNNING_SUM  FILL(series, number | series | REPEAT | LINEAR)
 *     IF(condition, then[, else])  PERIOD(series) TIME_SERIES(number)  MINUTE HOUR DAY DATE MONTH YEAR EPOCH (series)
 *     METRICS(["part of an id"])  SEARCH('{Namespace, Dimension} terms', 'Statistic'[, period])       several series
 *     SORT(several, SUM | AVG | MIN | MAX, ASC | DESC[, limit])  SLICE(several, from[, to])  FIRST LAST REMOVE_EMPTY METRIC_COUNT
 *
 * Missing values are NaN. Where only one of two series has a value the other counts as 0; where neither has one, or a number meets a
 * missing value, the result is missing, and so is what would be a division by 0. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct math_line {
        const double *values; /* math_grid.n; NaN: none */
        const void *source;   /* the caller's: whose values these are, or from whose alone they were computed. NULL: from several */
};

/* One line, or several: results of expressions, and what expressions may name. */
struct math_lines {
        const struct math_line *items;
        size_t n;
        bool array; /* also if there is one: it was computed from several */
};

struct math_series {
        const char *id;
        struct math_lines lines;
        bool metric; /* METRICS() returns it: it is no result of an expression */
};

struct math_grid {
        size_t n;
        int64_t from_s, period_s;
        const struct math_series *series; /* that the expression may name */
        size_t n_series;
        /* SEARCH(text, statistic, period_s; 0: not given), in the grid's periods. Returns what is wrong, or NULL. NULL: not possible here. */
        const char *(*search)(void *data, const char *text, const char *statistic, int64_t period_s, struct math_lines *ret);
        void *data;
};

/*
 * Computes the expression; its values are in `arena`. A single number becomes a series of it. -EINVAL with a ValidationError that says
 * what is wrong and where.
 */
int math_evaluate(const char *expression, const struct math_grid *grid, struct arena *arena, struct math_lines *ret,
                  struct error *error) MUST_CHECK;
