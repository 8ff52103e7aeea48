/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metric math: the everyday part of CloudWatch's expressions, over series on one grid of periods.
 *
 *     + - * / ^  < <= > >= == != && ||  ( )  [a, b]  numbers  identifiers of series
 *     SUM AVG MIN MAX (of several series: one; of one series: its value over all periods)
 *     ABS CEIL FLOOR  DIFF RATE RUNNING_SUM  FILL(series, number | REPEAT)  IF(condition, then[, else])  METRICS(["part of an id"])  PERIOD(series)
 *
 * Missing values are NaN, and what is computed of one is missing. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct math_series {
        const char *id;
        const double *values; /* math_grid.n; NaN: none */
        int metric;           /* METRICS() returns it: it is no result of an expression */
};

struct math_grid {
        size_t n;
        int64_t period_s;
        const struct math_series *series; /* that the expression may name */
        size_t n_series;
};

/*
 * Computes the expression; its values are in `arena`. A single number becomes a series of it. Several series (METRICS()) are refused:
 * an expression gives one here. -EINVAL with a ValidationError that says what is wrong and where.
 */
int math_evaluate(const char *expression, const struct math_grid *grid, struct arena *arena, double **ret, struct error *error) MUST_CHECK;
