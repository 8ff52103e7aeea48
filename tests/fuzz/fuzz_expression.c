/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of metric math, and what SEARCH in them looks for, as clients write them. */
#include <math.h>
#include <stdlib.h>

#include "metrics/expression.h"
#include "metrics/search.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const double a[] = {1, NAN, 3}, b[] = {NAN, NAN, 30};
static const struct math_line lines[] = {{a, "a"}, {b, "b"}};
static const struct math_series series[] = {
        {"a", {lines, 1, false}, true}, {"b", {&lines[1], 1, false}, true}, {"c", {lines, 2, true}, false}};

static const char *search(void *data, const char *text, const char *statistic, int64_t period_s, struct math_lines *ret)
{
        static const struct metric_dimension dimension = {"ServiceName", "web-1"};
        static const struct metric_id id = {"AWS/ECS", "CPUUtilization", &dimension, 1};
        const struct metric_search *parsed;
        const char *problem = metric_search_parse(text, data, &parsed);

        (void)statistic;
        (void)period_s;
        if (problem == NULL)
                *ret = (struct math_lines){lines, metric_search_matches(parsed, &id) ? 2 : 0, true};
        return problem;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct math_grid grid = {
                .n = 3, .from_s = 60, .period_s = 60, .series = series, .n_series = 3, .search = search, .data = &arena};
        struct error error = {0};
        struct math_lines result;

        if (math_evaluate(arena_strndup(&arena, (const char *)data, size), &grid, &arena, &result, &error) == 0) {
                for (size_t k = 0; k < result.n; k++)
                        for (size_t i = 0; i < grid.n; i++) {
                                volatile double value = result.items[k].values[i]; /* all are there */

                                (void)value;
                        }
        } else if (!error_is_set(&error)) {
                abort();
        }
        return 0;
}
