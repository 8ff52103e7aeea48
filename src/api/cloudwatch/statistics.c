/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics: their names, and what they make of a period's values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/cloudwatch/common.h"
#include "base/strutil.h"

/* ---- Names ---- */

static const struct {
        const char *name;
        enum cloudwatch_part part;
} parts[] = {{"tm", CLOUDWATCH_PART_MEAN},
             {"wm", CLOUDWATCH_PART_WINSOR},
             {"tc", CLOUDWATCH_PART_COUNT},
             {"ts", CLOUDWATCH_PART_SUM},
             {"pr", CLOUDWATCH_PART_RANK}};

/* One bound up to `end`, "10%", "0.3" or nothing; says in `ret_percent` what it is. */
static bool parse_bound(const char **p, char end, double *ret, int *ret_percent)
{
        char *rest;

        if (**p == end) {
                (*p)++;
                return true;
        }
        *ret = strtod(*p, &rest);
        if (rest == *p || !isfinite(*ret))
                return false;
        *ret_percent = *rest == '%';
        rest += *rest == '%';
        if (*rest != end)
                return false;
        *p = rest + 1;
        return true;
}

/* "(10%:90%)": either may be missing, and both are of one kind. */
static bool parse_bounds(const char *text, struct cloudwatch_stat *ret)
{
        int low_percent = -1, high_percent = -1;
        const char *p = text + 1;

        ret->low = -INFINITY;
        ret->high = INFINITY;
        if (text[0] != '(' || !parse_bound(&p, ':', &ret->low, &low_percent) || !parse_bound(&p, ')', &ret->high, &high_percent) ||
            *p != '\0' || (low_percent < 0 && high_percent < 0) || (low_percent >= 0 && high_percent >= 0 && low_percent != high_percent))
                return false;
        ret->percent = MAX(low_percent, high_percent) == 1;
        if (ret->percent) {
                ret->low = MAX(ret->low, 0);
                ret->high = MIN(ret->high, 100);
        }
        return ret->low < ret->high && !(ret->percent && ret->part == CLOUDWATCH_PART_RANK);
}

static bool parse_part(const char *text, struct cloudwatch_stat *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                if (strncasecmp(text, parts[i].name, 2) != 0)
                        continue;
                *ret = (struct cloudwatch_stat){.kind = CLOUDWATCH_KIND_PERCENTILE, .part = parts[i].part};
                if (text[2] == '(' && text[0] < 'a')
                        return parse_bounds(text + 2, ret);
                ret->percent = true;
                return text[0] >= 'a' && ret->part != CLOUDWATCH_PART_RANK && str_to_double(text + 2, &ret->high) == 0 && ret->high > 0 &&
                       ret->high <= 100;
        }
        return false;
}

bool cloudwatch_parse_statistic(const char *text, struct cloudwatch_stat *ret)
{
        int kind = shape_enum_value(&cloudwatch_statistic_enum, text);
        double percentile;

        if (kind != 0) {
                *ret = (struct cloudwatch_stat){.kind = (enum cloudwatch_kind)kind};
                return true;
        }
        if (str_eq(text, "IQM"))
                return parse_part("TM(25%:75%)", ret);
        if (parse_part(text, ret))
                return true;
        if (text[0] != 'p' || str_to_double(text + 1, &percentile) < 0 || percentile < 0 || percentile > 100)
                return false;
        *ret = (struct cloudwatch_stat){.kind = CLOUDWATCH_KIND_PERCENTILE, .percentile = percentile};
        return true;
}

/* ---- Values ---- */

/* How many of a class's values, which stand at [before, before + count) of all, are between the bounds. */
static double share_of(const struct cloudwatch_stat *statistic, const struct metric_value *value, double before, double total)
{
        double from, to;

        if (!statistic->percent)
                return value->value > statistic->low && value->value <= statistic->high ? value->count : 0;
        from = MAX(before, total * statistic->low / 100);
        to = MIN(before + value->count, total * statistic->high / 100);
        return MAX(to - from, 0);
}

/* NaN: there is nothing between the bounds. */
static double part_of(const struct cloudwatch_stat *statistic, const struct metric_bucket *bucket)
{
        double total = bucket->set.count, before = 0, count = 0, sum = 0, low = NAN, high = NAN, below = 0;

        for (uint32_t i = 0; i < bucket->n_values; i++) {
                const struct metric_value *value = &bucket->values[i];
                double share = share_of(statistic, value, before, total);

                before += value->count;
                if (share <= 0) {
                        below += count == 0 ? value->count : 0;
                        continue;
                }
                below += count == 0 ? value->count - share : 0;
                low = isnan(low) ? value->value : low;
                high = value->value;
                count += share;
                sum += share * value->value;
        }
        switch (statistic->part) {
        case CLOUDWATCH_PART_COUNT:
                return count;
        case CLOUDWATCH_PART_SUM:
                return sum;
        case CLOUDWATCH_PART_RANK:
                return 100 * count / total;
        case CLOUDWATCH_PART_WINSOR:
                below = MIN(below, total - count);
                return count == 0 ? NAN : (sum + below * low + (total - count - below) * high) / total;
        default:
                return count == 0 ? NAN : sum / count;
        }
}

static size_t read_part(const struct metric_series *series, const struct cloudwatch_stat *statistic, int64_t from_s, int64_t to_s,
                        int64_t period_s, struct arena *arena, struct metric_bucket **ret)
{
        size_t n = metrics_read_values(series, from_s, to_s, period_s, arena, ret), kept = 0;

        for (size_t i = 0; i < n; i++) {
                struct metric_bucket bucket = (*ret)[i];

                bucket.set.sum = part_of(statistic, &bucket);
                if (!isnan(bucket.set.sum))
                        (*ret)[kept++] = bucket;
        }
        return kept;
}

size_t cloudwatch_read(const struct metric_series *series, const struct cloudwatch_stat *statistic, int64_t from_s, int64_t to_s,
                       int64_t period_s, struct arena *arena, struct metric_bucket **ret)
{
        if (series == NULL)
                return 0;
        if (statistic->part != CLOUDWATCH_PART_NONE)
                return read_part(series, statistic, from_s, to_s, period_s, arena, ret);
        if (statistic->kind == CLOUDWATCH_KIND_PERCENTILE)
                return metrics_read_percentile(series, statistic->percentile, from_s, to_s, period_s, arena, ret);
        return metrics_read(series, from_s, to_s, period_s, arena, ret);
}

double cloudwatch_value(const struct metric_bucket *bucket, const struct cloudwatch_stat *statistic)
{
        switch (statistic->kind) {
        case CLOUDWATCH_KIND_SAMPLE_COUNT:
                return bucket->set.count;
        case CLOUDWATCH_KIND_AVERAGE:
                return bucket->set.sum / bucket->set.count;
        case CLOUDWATCH_KIND_MINIMUM:
                return bucket->set.min;
        case CLOUDWATCH_KIND_MAXIMUM:
                return bucket->set.max;
        default: /* the sum, where what comes of a distribution is too */
                return bucket->set.sum;
        }
}
