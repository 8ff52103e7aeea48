/* SPDX-License-Identifier: Apache-2.0 */
/* PutMetricData: everything is checked before anything is added. */
#include <math.h>

#include "api/cloudwatch/common.h"
#include "api/server.h"
#include "base/strutil.h"

#define MAX_DATA 1000
#define MAX_VALUES 150
/* What CloudWatch takes: 2^360 either way. */
#define VALUE_LIMIT 0x1p360

static int check_value(struct api_call *call, double value)
{
        if (isfinite(value) && fabs(value) <= VALUE_LIMIT)
                return 0;
        return api_fail(call, "InvalidParameterValueException",
                        "The value for parameter MetricData.Value must be a number between -2^360 and 2^360, not %g", value);
}

static int check_set(struct api_call *call, const struct cloudwatch_statistic_set *set)
{
        if (check_value(call, set->sample_count) < 0 || check_value(call, set->sum) < 0 || check_value(call, set->minimum) < 0 ||
            check_value(call, set->maximum) < 0)
                return -EINVAL;
        if (set->sample_count <= 0)
                return api_fail(call, "InvalidParameterValueException", "StatisticValues.SampleCount must be greater than 0");
        if (set->minimum > set->maximum)
                return api_fail(call, "InvalidParameterValueException", "StatisticValues.Minimum must not be greater than Maximum");
        return 0;
}

static int check_values(struct api_call *call, const struct cloudwatch_metric_datum *datum)
{
        if (datum->values.n > MAX_VALUES)
                return api_fail(call, "InvalidParameterValueException", "MetricData.Values has %u values; at most %d are allowed",
                                datum->values.n, MAX_VALUES);
        if (datum->counts.items != NULL && datum->counts.n != datum->values.n)
                return api_fail(call, "InvalidParameterValueException", "MetricData.Counts must have as many elements as Values");
        for (uint32_t i = 0; i < datum->values.n; i++)
                if (check_value(call, datum->values.items[i]) < 0)
                        return -EINVAL;
        for (uint32_t i = 0; datum->counts.items != NULL && i < datum->counts.n; i++)
                if (!(datum->counts.items[i] > 0) || check_value(call, datum->counts.items[i]) < 0)
                        return api_fail(call, "InvalidParameterValueException", "MetricData.Counts must be greater than 0");
        return 0;
}

static int check_datum(struct api_call *call, const char *space, const struct cloudwatch_metric_datum *datum, struct metric_id *ret)
{
        bool one = SHAPE_HAS(datum, cloudwatch_metric_datum, value);
        int given = one + (datum->statistic_values != NULL) + (datum->values.items != NULL);

        if (cloudwatch_metric_id(call, space, datum->metric_name, &datum->dimensions, ret) < 0)
                return -EINVAL;
        if (given == 0)
                return api_fail(call, "MissingRequiredParameterException",
                                "At least one of the parameters MetricData.Value, Values and StatisticValues must be specified");
        if (given > 1)
                return api_fail(call, "InvalidParameterCombinationException",
                                "Only one of the parameters MetricData.Value, Values and StatisticValues may be specified");
        if (SHAPE_HAS(datum, cloudwatch_metric_datum, storage_resolution) && datum->storage_resolution != 1 &&
            datum->storage_resolution != 60)
                return api_fail(call, "InvalidParameterValueException", "MetricData.StorageResolution must be 1 or 60");
        if (datum->timestamp != 0 &&
            (datum->timestamp < call->now_ms - METRICS_OLDEST_MS || datum->timestamp > call->now_ms + METRICS_NEWEST_MS))
                return api_fail(call, "InvalidParameterValueException",
                                "The parameter MetricData.Timestamp must be at most two weeks in the past and two hours in the future");
        if (one && check_value(call, datum->value) < 0)
                return -EINVAL;
        if (datum->statistic_values != NULL && check_set(call, datum->statistic_values) < 0)
                return -EINVAL;
        return check_values(call, datum);
}

static int add(struct api_call *call, const struct metric_id *id, const struct cloudwatch_metric_datum *datum)
{
        int64_t at_ms = datum->timestamp != 0 ? datum->timestamp : call->now_ms;
        struct metrics *metrics = call->api->metrics;
        struct metric_set set;
        int r = 0;

        if (datum->statistic_values != NULL) {
                const struct cloudwatch_statistic_set *in = datum->statistic_values;

                set = (struct metric_set){in->sample_count, in->sum, in->minimum, in->maximum};
                r = metrics_put(metrics, id, &set, (int)datum->unit, at_ms, call->now_ms);
        } else if (datum->values.items == NULL) {
                set = (struct metric_set){1, datum->value, datum->value, datum->value};
                r = metrics_put(metrics, id, &set, (int)datum->unit, at_ms, call->now_ms);
        }
        for (uint32_t i = 0; i < datum->values.n && r == 0; i++) {
                double value = datum->values.items[i], count = datum->counts.items != NULL ? datum->counts.items[i] : 1;

                set = (struct metric_set){count, value * count, value, value};
                r = metrics_put(metrics, id, &set, (int)datum->unit, at_ms, call->now_ms);
        }
        if (r == 0)
                return 0;
        return api_fail(call, "LimitExceededFault",
                        "There is no room for more metrics: gantry_metric_series and gantry_metric_bytes in "
                        "/metrics say what takes it.");
}

static int put_metric_data(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_put_metric_data_input *in = input;
        struct metric_id *ids = arena_calloc(call->arena, (size_t)in->metric_data.n + 1, sizeof(*ids));

        (void)output;
        if (in->entity_metric_data.n > 0)
                return api_fail(call, "InvalidParameterValueException", "EntityMetricData is not kept here: send MetricData.");
        if (in->metric_data.n == 0)
                return api_fail(call, "MissingRequiredParameterException", "The parameter MetricData is required.");
        if (in->metric_data.n > MAX_DATA)
                return api_fail(call, "InvalidParameterValueException", "MetricData has %u elements; at most %d are allowed",
                                in->metric_data.n, MAX_DATA);
        for (uint32_t i = 0; i < in->metric_data.n; i++)
                if (check_datum(call, in->namespace, &in->metric_data.items[i], &ids[i]) < 0)
                        return -EINVAL;
        for (uint32_t i = 0; i < in->metric_data.n; i++)
                if (add(call, &ids[i], &in->metric_data.items[i]) < 0)
                        return -EINVAL;
        return 0;
}

const struct api_route cloudwatch_put_routes[] = {
        {CLOUDWATCH_OP_PUT_METRIC_DATA, put_metric_data},
        {0, NULL},
};
