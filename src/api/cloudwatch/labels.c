/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of results, also those that tell of the values: CloudWatch's dynamic labels. */
#include <math.h>
#include <string.h>

#include "api/cloudwatch/common.h"
#include "api/server.h"
#include "base/strutil.h"

enum what { FIRST = 0, LAST, MIN_OF, MAX_OF, SUM_OF, AVG_OF, COUNT_OF, MIN_MAX_RANGE, FIRST_LAST_RANGE };

static const struct {
        const char *name;
        enum what what;
} values_of[] = {
        {"FIRST", FIRST},
        {"LAST", LAST},
        {"MIN", MIN_OF},
        {"MAX", MAX_OF},
        {"SUM", SUM_OF},
        {"AVG", AVG_OF},
        {"DATAPOINT_COUNT", COUNT_OF},
        {"MIN_MAX_RANGE", MIN_MAX_RANGE},
        {"FIRST_LAST_RANGE", FIRST_LAST_RANGE},
};

static double value_of(enum what what, const double *values, size_t n)
{
        double first = NAN, last = NAN, low = NAN, high = NAN, sum = 0;
        size_t count = 0;

        for (size_t i = 0; i < n; i++) {
                if (isnan(values[i]))
                        continue;
                first = count == 0 ? values[i] : first;
                last = values[i];
                low = fmin(low, values[i]); /* of NaN and a number the number */
                high = fmax(high, values[i]);
                sum += values[i];
                count++;
        }
        const double all[] = {[FIRST] = first,
                              [LAST] = last,
                              [MIN_OF] = low,
                              [MAX_OF] = high,
                              [SUM_OF] = count > 0 ? sum : NAN,
                              [AVG_OF] = count > 0 ? sum / (double)count : NAN,
                              [COUNT_OF] = (double)count,
                              [MIN_MAX_RANGE] = high - low,
                              [FIRST_LAST_RANGE] = last - first};
        return all[what];
}

/* Of the metric that the line is of. NULL: no such property. */
static const char *property_of(struct api_call *call, const struct cloudwatch_source *source, const char *name)
{
        if (str_eq(name, "AccountId"))
                return model_account(call->model);
        if (str_eq(name, "Region"))
                return model_region(call->model);
        if (source == NULL)
                return str_starts_with(name, "Dim.") ? "" : NULL;
        if (str_eq(name, "MetricName"))
                return source->id.name;
        if (str_eq(name, "Namespace"))
                return source->id.space;
        if (str_eq(name, "Stat"))
                return source->stat;
        if (str_eq(name, "Period"))
                return arena_printf(call->arena, "%lld", (long long)source->period_s);
        if (!str_starts_with(name, "Dim."))
                return NULL;
        for (uint32_t i = 0; i < source->id.n_dimensions; i++)
                if (str_eq(source->id.dimensions[i].name, name + strlen("Dim.")))
                        return source->id.dimensions[i].value;
        return "";
}

struct line {
        const double *values;
        size_t n;
        const struct cloudwatch_source *source;
        const char *label;
};

/* What stands for the name between ${ and }; NULL: it stays as it is. */
static const char *expand_name(struct api_call *call, const char *name, const struct line *line)
{
        size_t len = strlen(name);

        if (str_eq(name, "LABEL"))
                return line->label;
        if (str_starts_with(name, "PROP('") && len > strlen("PROP('')") && str_ends_with(name, "')"))
                return property_of(call, line->source, arena_strndup(call->arena, name + strlen("PROP('"), len - strlen("PROP('')")));
        for (size_t i = 0; i < ARRAY_SIZE(values_of); i++)
                if (str_eq(name, values_of[i].name)) {
                        double value = value_of(values_of[i].what, line->values, line->n);

                        return isnan(value) ? "--" : arena_printf(call->arena, "%.6g", value);
                }
        return NULL;
}

static const char *expand(struct api_call *call, const char *pattern, const struct line *line)
{
        const char *out = "", *begin, *end;

        while ((begin = strstr(pattern, "${")) != NULL && (end = strchr(begin, '}')) != NULL) {
                const char *text = expand_name(call, arena_strndup(call->arena, begin + 2, (size_t)(end - begin) - 2), line);

                if (text == NULL)
                        text = arena_strndup(call->arena, begin, (size_t)(end - begin) + 1);
                out = arena_printf(call->arena, "%s%.*s%s", out, (int)(begin - pattern), pattern, text);
                pattern = end + 1;
        }
        return out[0] == '\0' ? pattern : arena_printf(call->arena, "%s%s", out, pattern);
}

const char *cloudwatch_label(struct api_call *call, const struct cloudwatch_metric_data_query *query,
                             const struct cloudwatch_computed *computed, size_t line)
{
        const struct math_line *values = &computed->lines.items[line];
        const struct cloudwatch_source *source = values->source;
        bool own = query->metric_stat != NULL || computed->lines.array;
        const char *label = own && source != NULL ? source->label : query->id;

        if (str_empty(query->label))
                return arena_strdup(call->arena, label);
        if (strstr(query->label, "${") != NULL)
                return expand(call, query->label, &(struct line){values->values, computed->n, source, label});
        return computed->lines.array ? arena_printf(call->arena, "%s %s", query->label, label) : query->label;
}
