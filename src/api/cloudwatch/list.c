/* SPDX-License-Identifier: Apache-2.0 */
/* ListMetrics. */
#include "api/cloudwatch/common.h"
#include "api/pagination.h"
#include "api/server.h"
#include "base/strutil.h"

#define PAGE 500
#define RECENT_MS (INT64_C(3) * 3600000)

static bool has_dimension(const struct metric_id *id, const struct cloudwatch_dimension_filter *filter)
{
        for (uint32_t i = 0; i < id->n_dimensions; i++)
                if (str_eq(id->dimensions[i].name, filter->name))
                        return filter->value == NULL || str_eq(id->dimensions[i].value, filter->value);
        return false;
}

static bool matches(const struct metric_series *series, const struct cloudwatch_list_metrics_input *in, int64_t now_ms)
{
        if ((in->namespace != NULL && !str_eq(series->id.space, in->namespace)) ||
            (in->metric_name != NULL && !str_eq(series->id.name, in->metric_name)) ||
            (in->recently_active != 0 && series->last_ms < now_ms - RECENT_MS))
                return false;
        for (uint32_t i = 0; i < in->dimensions.n; i++)
                if (!has_dimension(&series->id, &in->dimensions.items[i]))
                        return false;
        return true;
}

static void push(struct api_call *call, const struct metric_series *series, struct cloudwatch_metric_list *ret)
{
        struct cloudwatch_metric *metric = SHAPE_PUSH(call->arena, ret);

        metric->namespace = series->id.space;
        metric->metric_name = series->id.name;
        for (uint32_t i = 0; i < series->id.n_dimensions; i++)
                *SHAPE_PUSH(call->arena, &metric->dimensions) =
                        (struct cloudwatch_dimension){.name = series->id.dimensions[i].name, .value = series->id.dimensions[i].value};
}

static int list_metrics(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_list_metrics_input *in = input;
        struct cloudwatch_list_metrics_output *out = output;
        const char *binding = arena_printf(call->arena, "%s\n%s", in->namespace != NULL ? in->namespace : "",
                                           in->metric_name != NULL ? in->metric_name : "");
        struct api_page page;

        if (api_page_begin(call, in->next_token, false, 0, PAGE, PAGE, binding, &page) < 0)
                return cloudwatch_bad_token(call, "InvalidParameterValueException", "ListMetrics");
        for (struct tree_node *node = tree_after(metrics_series(call->api->metrics), page.after); node != NULL; node = tree_next(node)) {
                const struct metric_series *series = CONTAINER_OF(node, struct metric_series, node);

                if (!matches(series, in, call->now_ms))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                push(call, series, &out->metrics);
        }
        return 0;
}

const struct api_route cloudwatch_list_routes[] = {
        {CLOUDWATCH_OP_LIST_METRICS, list_metrics},
        {0, NULL},
};
