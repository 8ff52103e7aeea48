/* SPDX-License-Identifier: Apache-2.0 */
/* What expressions are made of: values, operators and functions. Private to expression*.c. */
#pragma once

#include "metrics/expression.h"

#define MATH_ARGUMENTS_MAX 8
#define MATH_ARRAY_MAX 64
#define MATH_CELLS_MAX ((size_t)16 << 20) /* values of all that one expression computes on its way */

enum math_kind { MATH_NUMBER = 0, MATH_LINES, MATH_TEXT };

struct math_value {
        enum math_kind kind;
        double number;
        struct math_lines lines;
        const char *text;
};

struct math_context {
        const struct math_grid *grid;
        struct arena *arena;
        struct error *error;
        size_t cells;
};

enum math_reduction { MATH_SUM = 0, MATH_AVG, MATH_MIN, MATH_MAX, MATH_STDDEV, MATH_COUNT };
struct math_function {
        const char *name;
        size_t least, most; /* arguments */
        /* `what` is the row's. Returns what is wrong with the call, or NULL. */
        const char *(*call)(struct math_context *context, int what, const struct math_value *arguments, size_t n, struct math_value *ret);
        int what;
};
/* Up to a row without name. */
extern const struct math_function math_array_functions[];

/* A series of the grid, all 0, and one value of `n` lines whose values are still to be computed. */
double *math_series_new(struct math_context *context);
struct math_line *math_lines_new(struct math_context *context, size_t n, bool array, struct math_value *ret);
static inline bool math_is_series(const struct math_value *value)
{
        return value->kind == MATH_LINES && !value->lines.array;
}
/* The value in period `i`; of several lines that of `which`. */
double math_at(const struct math_value *value, size_t which, size_t i);
/* One number of all values of a line: NaN when it has none. */
double math_reduce(enum math_reduction how, const double *values, size_t n);
/* False: the operator does not go with such values. `ret` may be one of the operands. */
bool math_operate(struct math_context *context, const char *symbol, const struct math_value *a, const struct math_value *b,
                  struct math_value *ret);
/* Returns what is wrong with the call, or NULL. */
const char *math_call(struct math_context *context, const char *name, const struct math_value *arguments, size_t n, struct math_value *ret);
