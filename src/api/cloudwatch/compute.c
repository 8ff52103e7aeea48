/* SPDX-License-Identifier: Apache-2.0 */
/* Queries (metrics, and expressions over them) to values on grids. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "api/cloudwatch/common.h"
#include "base/strutil.h"
#include "metrics/expression.h"
#include "metrics/search.h"

#define MAX_QUERIES 500
#define MAX_PERIODS 110000               /* about a week of single minutes for each of ten metrics; 63 days of 60 s */
#define MAX_VALUES ((size_t)6 * 1000000) /* of all metrics of a request: five hundred for a week of minutes */
#define MAX_FOUND 500                    /* metrics of one SEARCH */
#define DEFAULT_PERIOD_S 60

struct wants {
        struct metric_want *items;
        size_t n, room;
};

struct work {
        const struct cloudwatch_computation *in;
        struct cloudwatch_computed *results; /* lines.items NULL: not computed yet */
        bool *visited;                       /* an expression that is being computed names itself */
        bool may_search;
        size_t values;       /* read so far */
        struct wants *wants; /* not NULL: nothing is read; this is what would be */
        struct error *error;
};

static int compute_query(struct work *work, uint32_t index);

static int invalid(struct work *work, const struct cloudwatch_metric_data_query *query, const char *problem)
{
        return error_api(work->error, "ValidationError", "The query '%.255s': %s", query->id, problem);
}

static int make_grid(struct work *work, const struct cloudwatch_metric_data_query *query, int64_t period_s, struct cloudwatch_computed *ret)
{
        int64_t from_s = work->in->from_s - work->in->from_s % period_s;
        int64_t n = work->in->to_s > from_s ? (work->in->to_s - from_s + period_s - 1) / period_s : 0;

        if (n > MAX_PERIODS)
                return invalid(work, query, "the time has too many periods: ask for less time or for longer periods");
        *ret = (struct cloudwatch_computed){.n = work->wants != NULL ? 0 : (size_t)n, .from_s = from_s, .period_s = period_s};
        return 0;
}

/* ---- Metrics ---- */

static void want(struct work *work, const struct metric_id *id, const struct cloudwatch_computed *grid)
{
        struct wants *wants = work->wants;

        if (wants->n == wants->room) {
                struct metric_want *items = arena_calloc(work->in->arena, 2 * wants->room + 16, sizeof(*items));

                if (wants->n > 0)
                        memcpy(items, wants->items, wants->n * sizeof(*items));
                wants->items = items;
                wants->room = 2 * wants->room + 16;
        }
        wants->items[wants->n++] =
                (struct metric_want){.id = *id, .from_s = grid->from_s, .to_s = work->in->to_s, .period_s = grid->period_s};
}

/* A series (NULL: there is none) as one line of the grid. */
static struct math_line read_line(struct work *work, const struct metric_series *series, const struct metric_id *id, const char *stat,
                                  const struct cloudwatch_stat *statistic, const char *label, const struct cloudwatch_computed *grid)
{
        double *values = arena_calloc(work->in->arena, grid->n + 1, sizeof(double));
        struct cloudwatch_source *source = ARENA_NEW(work->in->arena, struct cloudwatch_source);
        struct metric_bucket *buckets = NULL;
        size_t n = 0;

        *source = (struct cloudwatch_source){.id = *id, .label = label, .stat = stat, .period_s = grid->period_s};
        for (size_t i = 0; i < grid->n; i++)
                values[i] = NAN;
        work->values += grid->n;
        if (work->wants != NULL)
                want(work, id, grid);
        else
                n = cloudwatch_read(series, statistic, grid->from_s, work->in->to_s, grid->period_s, work->in->arena, &buckets);
        for (size_t i = 0; i < n; i++) {
                int64_t at = (buckets[i].at_s - grid->from_s) / grid->period_s;

                if (at >= 0 && (size_t)at < grid->n)
                        values[at] = cloudwatch_value(&buckets[i], statistic);
        }
        return (struct math_line){values, source};
}

static const char bad_statistic[] =
        "Stat must be SampleCount, Average, Sum, Minimum, Maximum, a percentile such as p99, or of a part of the "
        "values: tm90, wm90, tc90, ts90, IQM, TM(10%:90%), PR(:0.3)";
static const char bad_period[] = "Period must be 1, 5, 10, 20, 30 or a multiple of 60";
static const char different_periods[] = "everything in an expression must have the same Period";
static const char too_much[] = "the request asks for more than six million values: ask for less time, fewer metrics or longer periods";

static int compute_metric(struct work *work, const struct cloudwatch_metric_data_query *query, struct cloudwatch_computed *ret)
{
        const struct cloudwatch_metric_stat *stat = query->metric_stat;
        struct metric_id id = {.space = stat->metric->namespace, .name = stat->metric->metric_name};
        struct math_line *line = ARENA_NEW(work->in->arena, struct math_line);
        struct cloudwatch_stat statistic;

        if (id.space == NULL || id.name == NULL)
                return invalid(work, query, "MetricStat.Metric must have a Namespace and a MetricName");
        if (!cloudwatch_parse_statistic(stat->stat, &statistic))
                return invalid(work, query, bad_statistic);
        if (!cloudwatch_period_valid(stat->period))
                return invalid(work, query, bad_period);
        if (make_grid(work, query, stat->period, ret) < 0)
                return -EINVAL;
        cloudwatch_dimensions(work->in->arena, &stat->metric->dimensions, &id);
        *line = read_line(work, metrics_find(work->in->metrics, &id), &id, stat->stat, &statistic, id.name, ret);
        ret->lines = (struct math_lines){.items = line, .n = 1};
        return work->values > MAX_VALUES ? invalid(work, query, too_much) : 0;
}

/* ---- SEARCH ---- */

struct search_call {
        struct work *work;
        struct cloudwatch_computed *grid; /* NULL: it is to be found out which period the searches name */
        int64_t period_s;
};

/* The dimension of that name; n_dimensions: it has none. */
static uint32_t dimension_at(const struct metric_id *id, const char *name)
{
        uint32_t i = 0;

        while (i < id->n_dimensions && !str_eq(id->dimensions[i].name, name))
                i++;
        return i;
}

/* In what those that were found differ. */
struct difference {
        const struct metric_id *first;
        uint32_t dimensions; /* bits: those of the first that others have with another value, or not at all */
        bool names;
};

static struct difference difference_of(const struct metric_series *const *found, size_t n)
{
        struct difference ret = {.first = n > 0 ? &found[0]->id : NULL};

        for (size_t i = 1; i < n; i++) {
                ret.names = ret.names || !str_eq(found[i]->id.name, ret.first->name);
                for (uint32_t d = 0; d < ret.first->n_dimensions; d++) {
                        uint32_t at = dimension_at(&found[i]->id, ret.first->dimensions[d].name);

                        if (at == found[i]->id.n_dimensions || !str_eq(found[i]->id.dimensions[at].value, ret.first->dimensions[d].value))
                                ret.dimensions |= 1U << d;
                }
        }
        return ret;
}

/* What tells a metric from the others: values of dimensions that differ, and its name where that does. */
static const char *label_among(struct arena *arena, const struct difference *difference, const struct metric_id *id)
{
        const char *label = "";

        for (uint32_t d = 0; d < id->n_dimensions; d++) {
                uint32_t at = dimension_at(difference->first, id->dimensions[d].name);

                if (at == difference->first->n_dimensions || (difference->dimensions >> at & 1) != 0)
                        label = arena_printf(arena, "%s%s%s", label, label[0] != '\0' ? " " : "", id->dimensions[d].value);
        }
        if (difference->names || label[0] == '\0')
                label = arena_printf(arena, "%s%s%s", label, label[0] != '\0' ? " " : "", id->name);
        return label;
}

static const char *search(void *data, const char *text, const char *stat, int64_t period_s, struct math_lines *ret)
{
        struct search_call *call = data;
        struct work *work = call->work;
        const struct metric_search *parsed;
        const struct metric_series **found;
        struct cloudwatch_stat statistic;
        struct difference difference;
        struct math_line *lines;
        const char *problem = metric_search_parse(text, work->in->arena, &parsed);
        bool more;
        size_t n;

        if (problem != NULL)
                return problem;
        if (!cloudwatch_parse_statistic(stat, &statistic))
                return bad_statistic;
        if (period_s != 0 && call->period_s != 0 && period_s != call->period_s)
                return different_periods;
        call->period_s = period_s != 0 ? period_s : call->period_s;
        if (call->grid == NULL) {
                *ret = (struct math_lines){.items = ARENA_NEW(work->in->arena, struct math_line), .array = true};
                return NULL;
        }
        n = metric_search_run(parsed, work->in->metrics, MAX_FOUND, work->in->arena, &found, &more);
        call->grid->more |= more;
        if (work->values + n * call->grid->n > MAX_VALUES)
                return too_much;
        lines = arena_calloc(work->in->arena, n + 1, sizeof(*lines));
        difference = difference_of(found, n);
        for (size_t i = 0; i < n; i++)
                lines[i] = read_line(work, found[i], &found[i]->id, stat, &statistic,
                                     label_among(work->in->arena, &difference, &found[i]->id), call->grid);
        *ret = (struct math_lines){.items = lines, .n = n, .array = true};
        return NULL;
}

/* ---- Expressions ---- */

/* The expression with blanks for what stands in quotes. */
static const char *unquoted(struct arena *arena, const char *expression)
{
        char *text = arena_strdup(arena, expression), quote = '\0';

        for (char *p = text; *p != '\0'; p++) {
                if (quote == '\0' && (*p == '"' || *p == '\''))
                        quote = *p;
                else if (quote == *p)
                        quote = '\0';
                else if (quote != '\0')
                        *p = ' ';
        }
        return text;
}

/* The names in an expression that are other queries' Ids: they have to be computed first. */
static bool names(const char *expression, const char *id)
{
        size_t len = strlen(id);

        for (const char *p = strstr(expression, id); p != NULL; p = strstr(p + 1, id)) {
                bool begins = p == expression || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');

                if (begins && !isalnum((unsigned char)p[len]) && p[len] != '_')
                        return true;
        }
        return false;
}

static bool is_wanted(const char *expression, const struct cloudwatch_metric_data_query *other)
{
        return names(expression, other->id) || (other->metric_stat != NULL && strcasestr(expression, "METRICS(") != NULL);
}

/* What the expression names. `period_s`: 0, or the period of all of it. */
static int compute_named(struct work *work, const struct cloudwatch_metric_data_query *query, const char *plain, struct math_grid *grid,
                         int64_t *period_s, bool *more)
{
        struct math_series *series = arena_calloc(work->in->arena, (size_t)work->in->queries->n + 1, sizeof(*series));

        for (uint32_t i = 0; i < work->in->queries->n; i++) {
                const struct cloudwatch_metric_data_query *other = &work->in->queries->items[i];

                if (other == query || !is_wanted(plain, other))
                        continue;
                if (compute_query(work, i) < 0)
                        return -EINVAL;
                if (*period_s != 0 && work->results[i].period_s != *period_s)
                        return invalid(work, query, different_periods);
                *period_s = work->results[i].period_s;
                *more |= work->results[i].more;
                series[grid->n_series++] =
                        (struct math_series){.id = other->id, .lines = work->results[i].lines, .metric = other->metric_stat != NULL};
        }
        grid->series = series;
        return 0;
}

static int compute_expression(struct work *work, const struct cloudwatch_metric_data_query *query, struct cloudwatch_computed *ret)
{
        const char *plain = unquoted(work->in->arena, query->expression);
        struct search_call call = {.work = work};
        struct math_grid grid = {.search = work->may_search ? search : NULL, .data = &call};
        int64_t period_s = SHAPE_HAS(query, cloudwatch_metric_data_query, period) ? query->period : 0;
        bool more = false;

        if (compute_named(work, query, plain, &grid, &period_s, &more) < 0)
                return -EINVAL;
        call.period_s = period_s;
        if (strcasestr(plain, "SEARCH(") != NULL && math_evaluate(query->expression, &grid, work->in->arena, &ret->lines, work->error) < 0)
                return -EINVAL;
        period_s = call.period_s != 0 ? call.period_s : DEFAULT_PERIOD_S;
        if (!cloudwatch_period_valid(period_s))
                return invalid(work, query, bad_period);
        if (make_grid(work, query, period_s, ret) < 0)
                return -EINVAL;
        grid.n = ret->n;
        grid.from_s = ret->from_s;
        grid.period_s = period_s;
        ret->more = more;
        call.grid = ret;
        return math_evaluate(query->expression, &grid, work->in->arena, &ret->lines, work->error);
}

static int compute_query(struct work *work, uint32_t index)
{
        const struct cloudwatch_metric_data_query *query = &work->in->queries->items[index];

        if (work->results[index].lines.items != NULL)
                return 0;
        if (work->visited[index])
                return invalid(work, query, "the expression depends on itself");
        work->visited[index] = true;
        if ((query->metric_stat != NULL) == (query->expression != NULL))
                return invalid(work, query, "exactly one of MetricStat and Expression must be given");
        return query->metric_stat != NULL ? compute_metric(work, query, &work->results[index])
                                          : compute_expression(work, query, &work->results[index]);
}

static int compute_all(struct work *work)
{
        const struct cloudwatch_metric_data_query_list *queries = work->in->queries;

        work->results = arena_calloc(work->in->arena, (size_t)queries->n + 1, sizeof(*work->results));
        work->visited = arena_calloc(work->in->arena, (size_t)queries->n + 1, sizeof(*work->visited));
        if (queries->n > MAX_QUERIES)
                return error_api(work->error, "ValidationError", "The request has %u queries; at most %d are allowed", queries->n,
                                 MAX_QUERIES);
        for (uint32_t i = 0; i < queries->n; i++)
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(queries->items[i].id, queries->items[k].id))
                                return invalid(work, &queries->items[i], "two queries have this Id");
        for (uint32_t i = 0; i < queries->n; i++)
                if (compute_query(work, i) < 0)
                        return -EINVAL;
        return 0;
}

int cloudwatch_compute(const struct cloudwatch_computation *computation, struct cloudwatch_computed **ret, struct error *error)
{
        struct work work = {.in = computation, .may_search = true, .error = error};

        if (compute_all(&work) < 0)
                return -EINVAL;
        *ret = work.results;
        return 0;
}

int cloudwatch_compute_one(const struct cloudwatch_computation *computation, const double **ret, size_t *ret_n, struct error *error)
{
        const struct cloudwatch_metric_data_query_list *queries = computation->queries;
        struct work work = {.in = computation, .error = error};
        uint32_t i = queries->n;

        if (compute_all(&work) < 0)
                return -EINVAL;
        while (i > 0 && !cloudwatch_returns(&queries->items[i - 1]))
                i--;
        if (i == 0)
                return error_api(error, "ValidationError", "None of the queries returns data: ReturnData is false for all");
        if (work.results[i - 1].lines.n != 1)
                return invalid(&work, &queries->items[i - 1], "the expression must give one series: put SUM, AVG, MIN or MAX around it");
        *ret = work.results[i - 1].lines.items->values;
        *ret_n = work.results[i - 1].n;
        return 0;
}

size_t cloudwatch_wants(const struct cloudwatch_computation *computation, struct metric_want **ret)
{
        struct wants wants = {0};
        struct error error = {0};
        struct work work = {.in = computation, .may_search = true, .wants = &wants, .error = &error};

        /* What is wrong shows when it is computed. */
        (void)!compute_all(&work);
        *ret = wants.items;
        return wants.n;
}
