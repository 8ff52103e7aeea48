/* SPDX-License-Identifier: Apache-2.0 */
/* What expressions are made of: values, operators and functions. private to expression.c and expression_functions.c. */
#pragma once

#include "metrics/expression.h"

#define MATH_ARGUMENTS_MAX 8
#define MATH_ARRAY_MAX 64

enum math_kind { MATH_NUMBER = 0, MATH_SERIES, MATH_ARRAY, MATH_TEXT };

struct math_value {
        enum math_kind kind;
        double number;
        const double *series; /* NaN: missing */
        const double **array; /* n series */
        size_t n;
        const char *text;
};

struct math_context {
        const struct math_grid *grid;
        struct arena *arena;
        struct error *error;
};

/* The value in period `i`; of an array that of its series `which`. */
double math_at(const struct math_value *value, size_t which, size_t i);
/* False: the operator does not go with such values. `ret` may be one of the operands. */
bool math_operate(const struct math_context *context, const char *symbol, const struct math_value *a, const struct math_value *b,
                  struct math_value *ret);
/* Returns what is wrong with the call, or NULL. */
const char *math_call(const struct math_context *context, const char *name, const struct math_value *arguments, size_t n,
                      struct math_value *ret);
