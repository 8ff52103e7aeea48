/* SPDX-License-Identifier: Apache-2.0 */
/* The operators and functions of metric math. */
#include "metrics/expression_functions.h"

#include <math.h>
#include <string.h>

#include "base/strutil.h"

double math_at(const struct math_value *value, size_t which, size_t i)
{
        if (value->kind == MATH_NUMBER)
                return value->number;
        return value->kind == MATH_ARRAY ? value->array[which][i] : value->series[i];
}

static double *series_new(const struct math_context *context)
{
        return arena_calloc(context->arena, context->grid->n + 1, sizeof(double));
}

/* ---- Operators ---- */

static double apply(const char *symbol, double a, double b)
{
        if (isnan(a) || isnan(b))
                return NAN;
        switch (symbol[0]) {
        case '+':
                return a + b;
        case '-':
                return a - b;
        case '*':
                return a * b;
        case '/':
                return b == 0 ? NAN : a / b;
        case '^':
                return pow(a, b);
        case '<':
                return symbol[1] == '=' ? a <= b : a < b;
        case '>':
                return symbol[1] == '=' ? a >= b : a > b;
        case '=':
                return a == b;
        case '!':
                return a != b;
        case '|':
        case 'O':
                return a != 0 || b != 0;
        default: /* && and AND */
                return a != 0 && b != 0;
        }
}

bool math_operate(const struct math_context *context, const char *symbol, const struct math_value *a, const struct math_value *b,
                  struct math_value *ret)
{
        size_t n = a->kind == MATH_ARRAY ? a->n : b->kind == MATH_ARRAY ? b->n : 1;
        const double **array;

        if (a->kind == MATH_TEXT || b->kind == MATH_TEXT || (a->kind == MATH_ARRAY && b->kind == MATH_ARRAY))
                return false;
        if (a->kind == MATH_NUMBER && b->kind == MATH_NUMBER) {
                *ret = (struct math_value){.kind = MATH_NUMBER, .number = apply(symbol, a->number, b->number)};
                return true;
        }
        array = arena_calloc(context->arena, n + 1, sizeof(*array));
        for (size_t k = 0; k < n; k++) {
                double *series = series_new(context);

                for (size_t i = 0; i < context->grid->n; i++)
                        series[i] = apply(symbol, math_at(a, k, i), math_at(b, k, i));
                array[k] = series;
        }
        if (a->kind == MATH_ARRAY || b->kind == MATH_ARRAY)
                *ret = (struct math_value){.kind = MATH_ARRAY, .array = array, .n = n};
        else
                *ret = (struct math_value){.kind = MATH_SERIES, .series = array[0]};
        return true;
}

/* ---- Functions ---- */

enum reduction { REDUCE_SUM = 0, REDUCE_AVG, REDUCE_MIN, REDUCE_MAX };

struct reducer {
        enum reduction how;
        double total, low, high;
        size_t n;
};

static void reduce_add(struct reducer *reducer, double value)
{
        if (isnan(value))
                return;
        reducer->low = reducer->n == 0 || value < reducer->low ? value : reducer->low;
        reducer->high = reducer->n == 0 || value > reducer->high ? value : reducer->high;
        reducer->total += value;
        reducer->n++;
}

static double reduce_end(const struct reducer *reducer)
{
        const double results[] = {reducer->total, reducer->total / (double)reducer->n, reducer->low, reducer->high};

        return reducer->n == 0 ? NAN : results[reducer->how];
}

static const char *reduce(const struct math_context *context, int how, const struct math_value *arguments, size_t n, struct math_value *ret)
{
        const struct math_value *value = &arguments[0];
        struct reducer reducer = {.how = (enum reduction)how};
        double *series;

        (void)n;
        if (value->kind == MATH_ARRAY) {
                series = series_new(context);
                for (size_t i = 0; i < context->grid->n; i++) {
                        struct reducer one = {.how = (enum reduction)how};

                        for (size_t k = 0; k < value->n; k++)
                                reduce_add(&one, value->array[k][i]);
                        series[i] = reduce_end(&one);
                }
                *ret = (struct math_value){.kind = MATH_SERIES, .series = series};
                return NULL;
        }
        if (value->kind != MATH_SERIES)
                return "SUM, AVG, MIN and MAX take a series or an array of series";
        for (size_t i = 0; i < context->grid->n; i++)
                reduce_add(&reducer, value->series[i]);
        *ret = (struct math_value){.kind = MATH_NUMBER, .number = reduce_end(&reducer)};
        return NULL;
}

enum step { STEP_ABS = 0, STEP_CEIL, STEP_FLOOR, STEP_DIFF, STEP_RATE, STEP_RUNNING_SUM };

static void walk(const struct math_context *context, enum step step, const double *in, double *out)
{
        double total = 0;
        size_t before = SIZE_MAX; /* the last period that has a value */

        for (size_t i = 0; i < context->grid->n; i++) {
                double difference = before != SIZE_MAX ? in[i] - in[before] : NAN;

                if (!isnan(in[i]))
                        total += in[i];
                switch (step) {
                case STEP_ABS:
                        out[i] = fabs(in[i]);
                        break;
                case STEP_CEIL:
                        out[i] = ceil(in[i]);
                        break;
                case STEP_FLOOR:
                        out[i] = floor(in[i]);
                        break;
                case STEP_DIFF:
                        out[i] = difference;
                        break;
                case STEP_RATE: /* a second */
                        out[i] = before != SIZE_MAX ? difference / (double)((int64_t)(i - before) * context->grid->period_s) : NAN;
                        break;
                case STEP_RUNNING_SUM:
                        out[i] = isnan(in[i]) ? NAN : total;
                        break;
                }
                if (!isnan(in[i]))
                        before = i;
        }
}

static const char *step_through(const struct math_context *context, int step, const struct math_value *arguments, size_t n,
                                struct math_value *ret)
{
        size_t series = arguments[0].kind == MATH_ARRAY ? arguments[0].n : 1;
        const double **array = arena_calloc(context->arena, series + 1, sizeof(*array));

        (void)n;
        if (arguments[0].kind != MATH_SERIES && arguments[0].kind != MATH_ARRAY)
                return "this function takes a series or an array of series";
        for (size_t k = 0; k < series; k++) {
                double *out = series_new(context);

                walk(context, (enum step)step, arguments[0].kind == MATH_ARRAY ? arguments[0].array[k] : arguments[0].series, out);
                array[k] = out;
        }
        *ret = (struct math_value){.kind = arguments[0].kind, .series = array[0], .array = array, .n = series};
        return NULL;
}

static const char *fill(const struct math_context *context, int unused, const struct math_value *arguments, size_t n,
                        struct math_value *ret)
{
        bool repeat = arguments[1].kind == MATH_TEXT && str_eq(arguments[1].text, "REPEAT");
        double *out = series_new(context), last = NAN;

        (void)unused;
        (void)n;
        if (arguments[0].kind != MATH_SERIES || (!repeat && arguments[1].kind != MATH_NUMBER && arguments[1].kind != MATH_SERIES))
                return "FILL takes a series, and a number, a series or REPEAT";
        for (size_t i = 0; i < context->grid->n; i++) {
                double value = arguments[0].series[i];

                if (!isnan(value))
                        last = value;
                out[i] = !isnan(value) ? value : repeat ? last : math_at(&arguments[1], 0, i);
        }
        *ret = (struct math_value){.kind = MATH_SERIES, .series = out};
        return NULL;
}

static const char *choose(const struct math_context *context, int unused, const struct math_value *arguments, size_t n,
                          struct math_value *ret)
{
        double *out = series_new(context);

        (void)unused;
        for (size_t i = 0; i < n; i++)
                if (arguments[i].kind != MATH_NUMBER && arguments[i].kind != MATH_SERIES)
                        return "IF takes numbers and series";
        for (size_t i = 0; i < context->grid->n; i++) {
                double condition = math_at(&arguments[0], 0, i);

                if (!isnan(condition) && condition != 0)
                        out[i] = math_at(&arguments[1], 0, i);
                else
                        out[i] = n > 2 ? math_at(&arguments[2], 0, i) : NAN;
        }
        *ret = (struct math_value){.kind = MATH_SERIES, .series = out};
        return NULL;
}

static const char *all_metrics(const struct math_context *context, int unused, const struct math_value *arguments, size_t n,
                               struct math_value *ret)
{
        const struct math_grid *grid = context->grid;
        const double **array = arena_calloc(context->arena, grid->n_series + 1, sizeof(*array));
        size_t found = 0;

        (void)unused;
        if (n > 0 && arguments[0].kind != MATH_TEXT)
                return "METRICS takes a text in quotes, or nothing";
        for (size_t i = 0; i < grid->n_series; i++)
                if (grid->series[i].metric && (n == 0 || strstr(grid->series[i].id, arguments[0].text) != NULL))
                        array[found++] = grid->series[i].values;
        *ret = (struct math_value){.kind = MATH_ARRAY, .array = array, .n = found};
        return NULL;
}

/* A number in every period. */
static const char *time_series(const struct math_context *context, int unused, const struct math_value *arguments, size_t n,
                               struct math_value *ret)
{
        double *out = series_new(context);

        (void)unused;
        (void)n;
        if (arguments[0].kind != MATH_NUMBER && arguments[0].kind != MATH_SERIES)
                return "TIME_SERIES takes a number";
        for (size_t i = 0; i < context->grid->n; i++)
                out[i] = math_at(&arguments[0], 0, i);
        *ret = (struct math_value){.kind = MATH_SERIES, .series = out};
        return NULL;
}

static const char *period(const struct math_context *context, int unused, const struct math_value *arguments, size_t n,
                          struct math_value *ret)
{
        (void)unused;
        (void)arguments;
        (void)n;
        *ret = (struct math_value){.kind = MATH_NUMBER, .number = (double)context->grid->period_s};
        return NULL;
}

static const struct function {
        const char *name;
        size_t least, most; /* arguments */
        const char *(*call)(const struct math_context *, int, const struct math_value *, size_t, struct math_value *);
        int what;
} functions[] = {
        {"SUM", 1, 1, reduce, REDUCE_SUM},
        {"AVG", 1, 1, reduce, REDUCE_AVG},
        {"MIN", 1, 1, reduce, REDUCE_MIN},
        {"MAX", 1, 1, reduce, REDUCE_MAX},
        {"ABS", 1, 1, step_through, STEP_ABS},
        {"CEIL", 1, 1, step_through, STEP_CEIL},
        {"FLOOR", 1, 1, step_through, STEP_FLOOR},
        {"DIFF", 1, 1, step_through, STEP_DIFF},
        {"RATE", 1, 1, step_through, STEP_RATE},
        {"RUNNING_SUM", 1, 1, step_through, STEP_RUNNING_SUM},
        {"FILL", 2, 2, fill, 0},
        {"IF", 2, 3, choose, 0},
        {"METRICS", 0, 1, all_metrics, 0},
        {"PERIOD", 1, 1, period, 0},
        {"TIME_SERIES", 1, 1, time_series, 0},
};

const char *math_call(const struct math_context *context, const char *name, const struct math_value *arguments, size_t n,
                      struct math_value *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
                const struct function *function = &functions[i];

                if (!str_eq_nocase(function->name, name))
                        continue;
                if (n < function->least || n > function->most)
                        return "the function takes another number of arguments";
                return function->call(context, function->what, arguments, n, ret);
        }
        return "the function is not known here: SUM, AVG, MIN, MAX, ABS, CEIL, FLOOR, DIFF, RATE, RUNNING_SUM, FILL, IF, METRICS, "
               "PERIOD and TIME_SERIES are";
}
