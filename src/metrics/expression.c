/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions are computed while they are read: each rule of the grammar is a function, one level of precedence a row of a table. */
#include "metrics/expression.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "metrics/expression_functions.h"

#define DEPTH_MAX 32

struct parser {
        const char *begin, *p;
        struct math_context context;
        int depth;
};

static int parse_expression(struct parser *parser, int level, struct math_value *ret);

static int fail(struct parser *parser, const char *problem)
{
        return error_api(parser->context.error, "ValidationError", "Error in expression '%.200s' at character %zu: %s", parser->begin,
                         (size_t)(parser->p - parser->begin) + 1, problem);
}

/* After each operator and function. */
static int check_cells(struct parser *parser)
{
        return parser->context.cells <= MATH_CELLS_MAX
                       ? 0
                       : fail(parser, "this is too much to compute: ask for less time, fewer metrics or longer periods");
}

static char peek(struct parser *parser)
{
        while (isspace((unsigned char)*parser->p))
                parser->p++;
        return *parser->p;
}

static bool accept(struct parser *parser, const char *token)
{
        (void)peek(parser);
        if (!str_starts_with(parser->p, token))
                return false;
        parser->p += strlen(token);
        return true;
}

/* A list of values up to `end`. */
static int parse_arguments(struct parser *parser, char end, struct math_value *ret, size_t max, size_t *ret_n)
{
        size_t n = 0;

        if (peek(parser) != end)
                do {
                        if (n == max)
                                return fail(parser, "too many arguments");
                        if (parse_expression(parser, 0, &ret[n++]) < 0)
                                return -EINVAL;
                } while (accept(parser, ","));
        if (peek(parser) != end)
                return fail(parser, end == ')' ? "',' or ')' was expected" : "',' or ']' was expected");
        parser->p++;
        *ret_n = n;
        return 0;
}

static int parse_array(struct parser *parser, struct math_value *ret)
{
        struct math_value items[MATH_ARRAY_MAX];
        struct math_line *lines;
        size_t n, total = 0;

        if (parse_arguments(parser, ']', items, MATH_ARRAY_MAX, &n) < 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (items[i].kind != MATH_LINES)
                        return fail(parser, "an array holds series");
                total += items[i].lines.n;
        }
        lines = math_lines_new(&parser->context, total, true, ret);
        for (size_t i = 0, at = 0; i < n; at += items[i++].lines.n)
                memcpy(&lines[at], items[i].lines.items, items[i].lines.n * sizeof(*lines));
        return 0;
}

/* What functions take besides numbers and series. */
static bool is_word(const char *name)
{
        static const char *const words[] = {"REPEAT", "LINEAR", "SUM", "AVG", "MIN", "MAX", "ASC", "DESC"};

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (str_eq(name, words[i]))
                        return true;
        return false;
}

static int parse_name(struct parser *parser, struct math_value *ret)
{
        const struct math_grid *grid = parser->context.grid;
        struct math_value arguments[MATH_ARGUMENTS_MAX];
        const char *begin = parser->p;
        const char *problem = NULL;
        char *name;
        size_t n;

        while (isalnum((unsigned char)*parser->p) || *parser->p == '_')
                parser->p++;
        name = arena_strndup(parser->context.arena, begin, (size_t)(parser->p - begin));
        if (peek(parser) == '(') {
                parser->p++;
                if (parse_arguments(parser, ')', arguments, MATH_ARGUMENTS_MAX, &n) < 0)
                        return -EINVAL;
                problem = math_call(&parser->context, name, arguments, n, ret);
                return problem != NULL ? fail(parser, problem) : check_cells(parser);
        }
        if (is_word(name)) {
                *ret = (struct math_value){.kind = MATH_TEXT, .text = name};
                return 0;
        }
        for (size_t i = 0; i < grid->n_series; i++)
                if (str_eq(grid->series[i].id, name)) {
                        *ret = (struct math_value){.kind = MATH_LINES, .lines = grid->series[i].lines};
                        return 0;
                }
        parser->p = begin;
        return fail(parser, "no query in the request has this Id");
}

static int parse_text(struct parser *parser, char quote, struct math_value *ret)
{
        const char *end = strchr(parser->p + 1, quote);

        if (end == NULL)
                return fail(parser, "the text does not end");
        *ret = (struct math_value){.kind = MATH_TEXT,
                                   .text = arena_strndup(parser->context.arena, parser->p + 1, (size_t)(end - parser->p) - 1)};
        parser->p = end + 1;
        return 0;
}

static int parse_operand(struct parser *parser, struct math_value *ret)
{
        struct math_value zero = {.kind = MATH_NUMBER}, operand;
        char c = peek(parser), *end;

        if (c == '(') {
                parser->p++;
                if (parse_expression(parser, 0, ret) < 0)
                        return -EINVAL;
                return accept(parser, ")") ? 0 : fail(parser, "')' was expected");
        }
        if (c == '-') {
                parser->p++;
                if (parse_operand(parser, &operand) < 0)
                        return -EINVAL;
                return math_operate(&parser->context, "-", &zero, &operand, ret) ? check_cells(parser)
                                                                                 : fail(parser, "only numbers and series can be negated");
        }
        if (c == '[') {
                parser->p++;
                return parse_array(parser, ret);
        }
        if (c == '"' || c == '\'')
                return parse_text(parser, c, ret);
        if (isdigit((unsigned char)c) || c == '.') {
                *ret = (struct math_value){.kind = MATH_NUMBER, .number = strtod(parser->p, &end)};
                if (end == parser->p)
                        return fail(parser, "a number was expected");
                parser->p = end;
                return 0;
        }
        if (isalpha((unsigned char)c))
                return parse_name(parser, ret);
        return fail(parser, c == '\0' ? "the expression ends too early" : "a number, an Id, a function or '(' was expected");
}

/* Operators by precedence, the weakest first; of those that begin alike the longer one first. */
static const char *const operators[][7] = {{"||", "OR "}, {"&&", "AND "}, {"==", "!=", "<=", ">=", "<", ">"},
                                           {"+", "-"},    {"*", "/"},     {"^"}};

static int parse_binary(struct parser *parser, int level, struct math_value *ret)
{
        struct math_value right;
        const char *symbol;

        if (parse_expression(parser, level + 1, ret) < 0)
                return -EINVAL;
        do {
                symbol = NULL;
                for (size_t i = 0; symbol == NULL && i < ARRAY_SIZE(operators[0]) && operators[level][i] != NULL; i++)
                        if (accept(parser, operators[level][i]))
                                symbol = operators[level][i];
                if (symbol != NULL && parse_expression(parser, level + 1, &right) < 0)
                        return -EINVAL;
                if (symbol != NULL && !math_operate(&parser->context, symbol, ret, &right, ret))
                        return fail(parser, "operators take numbers and series, and of arrays only one side");
                if (check_cells(parser) < 0)
                        return -EINVAL;
        } while (symbol != NULL);
        return 0;
}

static int parse_expression(struct parser *parser, int level, struct math_value *ret)
{
        int r;

        if (level == (int)ARRAY_SIZE(operators)) {
                if (++parser->depth > DEPTH_MAX)
                        return fail(parser, "nested too deeply");
                r = parse_operand(parser, ret);
                parser->depth--;
                return r;
        }
        return parse_binary(parser, level, ret);
}

int math_evaluate(const char *expression, const struct math_grid *grid, struct arena *arena, struct math_lines *ret, struct error *error)
{
        struct parser parser = {.begin = expression, .p = expression, .context = {.grid = grid, .arena = arena, .error = error}};
        struct math_value value = {0};
        double *values;

        if (parse_expression(&parser, 0, &value) < 0)
                return -EINVAL;
        if (peek(&parser) != '\0')
                return fail(&parser, "an operator or the end was expected");
        if (value.kind == MATH_TEXT)
                return fail(&parser, "the expression must give a series");
        if (value.kind == MATH_NUMBER) {
                values = math_series_new(&parser.context);
                for (size_t i = 0; i < grid->n; i++)
                        values[i] = value.number;
                *math_lines_new(&parser.context, 1, false, &value) = (struct math_line){values, NULL};
        }
        *ret = value.lines;
        return 0;
}
