/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of metric math, and its functions of values and periods. */
#include "metrics/expression_functions.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/strutil.h"

double math_at(const struct math_value *value, size_t which, size_t i)
{
        return value->kind == MATH_NUMBER ? value->number : value->lines.items[value->lines.array ? which : 0].values[i];
}

double *math_series_new(struct math_context *context)
{
        context->cells += context->grid->n;
        return arena_calloc(context->arena, context->grid->n + 1, sizeof(double));
}

struct math_line *math_lines_new(struct math_context *context, size_t n, bool array, struct math_value *ret)
{
        struct math_line *items = arena_calloc(context->arena, n + 1, sizeof(*items));

        *ret = (struct math_value){.kind = MATH_LINES, .lines = {.items = items, .n = n, .array = array}};
        return items;
}

static void return_series(struct math_context *context, const double *values, const void *source, struct math_value *ret)
{
        *math_lines_new(context, 1, false, ret) = (struct math_line){values, source};
}

/* ---- Operators ---- */

static double apply(const char *symbol, double a, double b)
{
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

bool math_operate(struct math_context *context, const char *symbol, const struct math_value *a, const struct math_value *b,
                  struct math_value *ret)
{
        bool several_a = a->kind == MATH_LINES && a->lines.array, several_b = b->kind == MATH_LINES && b->lines.array;
        bool two = a->kind == MATH_LINES && b->kind == MATH_LINES;
        const struct math_value *of = several_b || a->kind == MATH_NUMBER ? b : a; /* whose lines the result's are */
        struct math_value result;
        struct math_line *lines;

        if (a->kind == MATH_TEXT || b->kind == MATH_TEXT || (several_a && several_b))
                return false;
        if (of->kind == MATH_NUMBER) {
                *ret = (struct math_value){.kind = MATH_NUMBER, .number = apply(symbol, a->number, b->number)};
                return true;
        }
        lines = math_lines_new(context, of->lines.n, of->lines.array, &result);
        for (size_t k = 0; k < of->lines.n; k++) {
                double *values = math_series_new(context);

                for (size_t i = 0; i < context->grid->n; i++) {
                        double left = math_at(a, k, i), right = math_at(b, k, i);
                        bool missing = two ? isnan(left) && isnan(right) : isnan(left) || isnan(right);

                        values[i] = missing ? NAN : apply(symbol, isnan(left) ? 0 : left, isnan(right) ? 0 : right);
                }
                lines[k] = (struct math_line){values, two && !of->lines.array ? NULL : of->lines.items[k].source};
        }
        *ret = result;
        return true;
}

/* ---- Reductions ---- */

struct reducer {
        double total, squares, low, high;
        size_t n;
};

static void reduce_add(struct reducer *reducer, double value)
{
        if (isnan(value))
                return;
        reducer->low = reducer->n == 0 || value < reducer->low ? value : reducer->low;
        reducer->high = reducer->n == 0 || value > reducer->high ? value : reducer->high;
        reducer->total += value;
        reducer->squares += value * value;
        reducer->n++;
}

/* `among`: how many there could have been; for the average what is missing counts as 0. */
static double reduce_end(const struct reducer *reducer, enum math_reduction how, size_t among)
{
        double mean = reducer->total / (double)reducer->n;
        const double results[] = {[MATH_SUM] = reducer->total,
                                  [MATH_AVG] = reducer->total / (double)among,
                                  [MATH_MIN] = reducer->low,
                                  [MATH_MAX] = reducer->high,
                                  [MATH_STDDEV] = sqrt(fmax(reducer->squares / (double)reducer->n - mean * mean, 0)),
                                  [MATH_COUNT] = (double)reducer->n};

        return reducer->n == 0 && how != MATH_COUNT ? NAN : results[how];
}

double math_reduce(enum math_reduction how, const double *values, size_t n)
{
        struct reducer reducer = {0};

        for (size_t i = 0; i < n; i++)
                reduce_add(&reducer, values[i]);
        return reduce_end(&reducer, how, reducer.n);
}

static const char *reduce(struct math_context *context, int how, const struct math_value *arguments, UNUSED size_t n,
                          struct math_value *ret)
{
        const struct math_value *value = &arguments[0];
        double *values;

        if (value->kind != MATH_LINES)
                return "SUM, AVG, MIN, MAX, STDDEV and DATAPOINT_COUNT take a series or an array of series";
        if (!value->lines.array) {
                *ret = (struct math_value){.kind = MATH_NUMBER,
                                           .number = math_reduce((enum math_reduction)how, value->lines.items[0].values, context->grid->n)};
                return NULL;
        }
        values = math_series_new(context);
        for (size_t i = 0; i < context->grid->n; i++) {
                struct reducer reducer = {0};

                for (size_t k = 0; k < value->lines.n; k++)
                        reduce_add(&reducer, value->lines.items[k].values[i]);
                values[i] = reduce_end(&reducer, (enum math_reduction)how, value->lines.n);
        }
        return_series(context, values, NULL, ret);
        return NULL;
}

/* ---- What goes from period to period ---- */

enum step { STEP_ABS = 0, STEP_CEIL, STEP_FLOOR, STEP_LOG, STEP_LOG10, STEP_DIFF, STEP_DIFF_TIME, STEP_RATE, STEP_RUNNING_SUM };

static void walk(const struct math_context *context, enum step step, const double *in, double *out)
{
        double total = 0;
        size_t before = SIZE_MAX; /* the last period that has a value */

        for (size_t i = 0; i < context->grid->n; i++) {
                double difference = before != SIZE_MAX ? in[i] - in[before] : NAN;
                double seconds = before != SIZE_MAX && !isnan(in[i]) ? (double)((int64_t)(i - before) * context->grid->period_s) : NAN;

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
                case STEP_LOG:
                        out[i] = in[i] > 0 ? log(in[i]) : NAN;
                        break;
                case STEP_LOG10:
                        out[i] = in[i] > 0 ? log10(in[i]) : NAN;
                        break;
                case STEP_DIFF:
                        out[i] = difference;
                        break;
                case STEP_DIFF_TIME:
                        out[i] = seconds;
                        break;
                case STEP_RATE: /* a second */
                        out[i] = difference / seconds;
                        break;
                case STEP_RUNNING_SUM:
                        out[i] = isnan(in[i]) ? NAN : total;
                        break;
                }
                if (!isnan(in[i]))
                        before = i;
        }
}

static const char *step_through(struct math_context *context, int step, const struct math_value *arguments, UNUSED size_t n,
                                struct math_value *ret)
{
        const struct math_lines *in = &arguments[0].lines;
        struct math_line *lines;

        if (arguments[0].kind != MATH_LINES)
                return "this function takes a series or an array of series";
        lines = math_lines_new(context, in->n, in->array, ret);
        for (size_t k = 0; k < in->n; k++) {
                double *values = math_series_new(context);

                walk(context, (enum step)step, in->items[k].values, values);
                lines[k] = (struct math_line){values, in->items[k].source};
        }
        return NULL;
}

/* What is missing between two values, on the straight line between them. */
static void fill_linear(const double *in, size_t n, double *out)
{
        size_t before = SIZE_MAX;

        for (size_t i = 0; i < n; i++) {
                out[i] = in[i];
                if (isnan(in[i]))
                        continue;
                for (size_t k = before + 1; before != SIZE_MAX && k < i; k++)
                        out[k] = in[before] + (in[i] - in[before]) * (double)(k - before) / (double)(i - before);
                before = i;
        }
}

static const char *fill(struct math_context *context, UNUSED int what, const struct math_value *arguments, UNUSED size_t n,
                        struct math_value *ret)
{
        const struct math_lines *in = &arguments[0].lines;
        bool repeat = arguments[1].kind == MATH_TEXT && str_eq(arguments[1].text, "REPEAT");
        bool linear = arguments[1].kind == MATH_TEXT && str_eq(arguments[1].text, "LINEAR");
        struct math_line *lines;

        if (arguments[0].kind != MATH_LINES || (!repeat && !linear && arguments[1].kind != MATH_NUMBER && !math_is_series(&arguments[1])))
                return "FILL takes a series or an array of series, and a number, a series, REPEAT or LINEAR";
        lines = math_lines_new(context, in->n, in->array, ret);
        for (size_t k = 0; k < in->n; k++) {
                double *values = math_series_new(context), last = NAN;

                lines[k] = (struct math_line){values, in->items[k].source};
                if (linear)
                        fill_linear(in->items[k].values, context->grid->n, values);
                for (size_t i = 0; i < context->grid->n && !linear; i++) {
                        double value = in->items[k].values[i];

                        if (!isnan(value))
                                last = value;
                        values[i] = !isnan(value) ? value : repeat ? last : math_at(&arguments[1], 0, i);
                }
        }
        return NULL;
}

static const char *choose(struct math_context *context, UNUSED int what, const struct math_value *arguments, size_t n,
                          struct math_value *ret)
{
        double *values = math_series_new(context);

        for (size_t i = 0; i < n; i++)
                if (arguments[i].kind != MATH_NUMBER && !math_is_series(&arguments[i]))
                        return "IF takes numbers and series";
        for (size_t i = 0; i < context->grid->n; i++) {
                double condition = math_at(&arguments[0], 0, i), then = math_at(&arguments[1], 0, i);

                if (isnan(condition))
                        values[i] = NAN;
                else if (condition != 0) /* what is missing is 0, where the condition is a series */
                        values[i] = isnan(then) && arguments[0].kind == MATH_LINES ? 0 : then;
                else
                        values[i] = n > 2 ? math_at(&arguments[2], 0, i) : NAN;
        }
        return_series(context, values, NULL, ret);
        return NULL;
}

/* A number in every period. */
static const char *time_series(struct math_context *context, UNUSED int what, const struct math_value *arguments, UNUSED size_t n,
                               struct math_value *ret)
{
        double *values = math_series_new(context);

        if (arguments[0].kind != MATH_NUMBER && !math_is_series(&arguments[0]))
                return "TIME_SERIES takes a number";
        for (size_t i = 0; i < context->grid->n; i++)
                values[i] = math_at(&arguments[0], 0, i);
        return_series(context, values, NULL, ret);
        return NULL;
}

static const char *period(struct math_context *context, UNUSED int what, UNUSED const struct math_value *arguments, UNUSED size_t n,
                          struct math_value *ret)
{
        *ret = (struct math_value){.kind = MATH_NUMBER, .number = (double)context->grid->period_s};
        return NULL;
}

enum part_of_time { TIME_MINUTE = 0, TIME_HOUR, TIME_DAY, TIME_DATE, TIME_MONTH, TIME_YEAR, TIME_EPOCH };

/* Parts of each period's own time, in UTC; days of the week from Monday (1) on. */
static const char *time_part(struct math_context *context, int what, const struct math_value *arguments, UNUSED size_t n,
                             struct math_value *ret)
{
        double *values = math_series_new(context);

        if (!math_is_series(&arguments[0]))
                return "MINUTE, HOUR, DAY, DATE, MONTH, YEAR and EPOCH take a series";
        for (size_t i = 0; i < context->grid->n; i++) {
                time_t at = (time_t)(context->grid->from_s + (int64_t)i * context->grid->period_s);
                struct tm tm;

                (void)gmtime_r(&at, &tm);
                const double parts[] = {[TIME_MINUTE] = tm.tm_min, [TIME_HOUR] = tm.tm_hour,     [TIME_DAY] = (tm.tm_wday + 6) % 7 + 1,
                                        [TIME_DATE] = tm.tm_mday,  [TIME_MONTH] = tm.tm_mon + 1, [TIME_YEAR] = tm.tm_year + 1900,
                                        [TIME_EPOCH] = (double)at};
                values[i] = parts[what];
        }
        return_series(context, values, NULL, ret);
        return NULL;
}

static const struct math_function functions[] = {
        {"SUM", 1, 1, reduce, MATH_SUM},
        {"AVG", 1, 1, reduce, MATH_AVG},
        {"MIN", 1, 1, reduce, MATH_MIN},
        {"MAX", 1, 1, reduce, MATH_MAX},
        {"STDDEV", 1, 1, reduce, MATH_STDDEV},
        {"DATAPOINT_COUNT", 1, 1, reduce, MATH_COUNT},
        {"ABS", 1, 1, step_through, STEP_ABS},
        {"CEIL", 1, 1, step_through, STEP_CEIL},
        {"FLOOR", 1, 1, step_through, STEP_FLOOR},
        {"LOG", 1, 1, step_through, STEP_LOG},
        {"LOG10", 1, 1, step_through, STEP_LOG10},
        {"DIFF", 1, 1, step_through, STEP_DIFF},
        {"DIFF_TIME", 1, 1, step_through, STEP_DIFF_TIME},
        {"RATE", 1, 1, step_through, STEP_RATE},
        {"RUNNING_SUM", 1, 1, step_through, STEP_RUNNING_SUM},
        {"FILL", 2, 2, fill, 0},
        {"IF", 2, 3, choose, 0},
        {"PERIOD", 1, 1, period, 0},
        {"TIME_SERIES", 1, 1, time_series, 0},
        {"MINUTE", 1, 1, time_part, TIME_MINUTE},
        {"HOUR", 1, 1, time_part, TIME_HOUR},
        {"DAY", 1, 1, time_part, TIME_DAY},
        {"DATE", 1, 1, time_part, TIME_DATE},
        {"MONTH", 1, 1, time_part, TIME_MONTH},
        {"YEAR", 1, 1, time_part, TIME_YEAR},
        {"EPOCH", 1, 1, time_part, TIME_EPOCH},
        {NULL, 0, 0, NULL, 0},
};

const char *math_call(struct math_context *context, const char *name, const struct math_value *arguments, size_t n, struct math_value *ret)
{
        static const struct math_function *const tables[] = {functions, math_array_functions};
        const char *known = "";

        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
                for (const struct math_function *function = tables[t]; function->name != NULL; function++) {
                        if (str_eq_nocase(function->name, name))
                                return n < function->least || n > function->most
                                               ? "the function takes another number of arguments"
                                               : function->call(context, function->what, arguments, n, ret);
                        known = arena_printf(context->arena, "%s%s%s", known, known[0] != '\0' ? ", " : "", function->name);
                }
        return arena_printf(context->arena, "the function is not known here; these are: %s", known);
}
