/* SPDX-License-Identifier: Apache-2.0 */
/* Identities, statistics, periods; the registration of the service. */
#include "api/cloudwatch/common.h"

#include <string.h>

#include "api/cloudwatch/alarms.h"
#include "api/cloudwatch/sources.h"
#include "api/metrics.h"
#include "api/server.h"
#include "base/strutil.h"

static void report(struct api *api, struct buf *out, UNUSED void *data)
{
        struct metrics_usage usage = metrics_usage(api->metrics);

        prom_gauge(out, "gantry_metric_series", "Series of CloudWatch metrics.", (double)usage.series);
        prom_gauge(out, "gantry_metric_bytes", "Bytes of memory that they take.", (double)usage.bytes);
        prom_gauge(out, "gantry_metric_disk_bytes", "Bytes of disk that their files take.", (double)usage.disk_bytes);
        prom_gauge(out, "gantry_metric_disk_files", "Their files.", (double)usage.disk_files);
        prom_counter(out, "gantry_metric_disk_dropped_total", "Points that the disk did not take: it is full, or failed.",
                     usage.disk_dropped);
        prom_gauge(out, "gantry_metric_squeeze", "Retentions are divided by 2 to this, for want of memory.", usage.squeeze);
        prom_counter(out, "gantry_metric_values_total", "Values added to metrics.", usage.values);
        cloudwatch_expose(api, out, env_now_ms(api->env));
        prom_counter(out, "gantry_metric_dropped_total", "Values dropped for want of memory.", usage.dropped);
}

void cloudwatch_register(struct api *api)
{
        static const struct api_route *const tables[] = {
                cloudwatch_put_routes,           cloudwatch_get_routes,        cloudwatch_list_routes,
                cloudwatch_alarm_put_routes,     cloudwatch_alarm_view_routes, cloudwatch_alarm_state_routes,
                cloudwatch_alarm_history_routes, cloudwatch_tag_routes,        cloudwatch_dashboard_routes};

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &cloudwatch_service, tables[i]);
        api_add_report(api, report, NULL, NULL);
}

void cloudwatch_housekeeping(struct api *api, int64_t now_ms)
{
        if (api->loop == NULL) /* else every few seconds anyway */
                cloudwatch_collect(api, now_ms);
        metrics_sweep(api->metrics, now_ms);
}

/* Printable ASCII: what CloudWatch takes, and what keys of series may hold. */
static bool is_plain(const char *text)
{
        for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
                if (*p < 0x20 || *p > 0x7e)
                        return false;
        return true;
}

static int check_plain(struct api_call *call, const char *what, const char *text)
{
        if (text[0] != '\0' && is_plain(text))
                return 0;
        return api_fail(call, "InvalidParameterValueException",
                        "The value for parameter %s must have at least one character, and printable ASCII characters only", what);
}

int cloudwatch_metric_id(struct api_call *call, const char *space, const char *name, const struct cloudwatch_dimension_list *dimensions,
                         struct metric_id *ret)
{
        struct metric_dimension *list = arena_calloc(call->arena, dimensions->n + 1, sizeof(*list));

        if (check_plain(call, "Namespace", space) < 0 || check_plain(call, "MetricName", name) < 0)
                return -EINVAL;
        for (uint32_t i = 0; i < dimensions->n; i++) {
                const struct cloudwatch_dimension *in = &dimensions->items[i];

                if (check_plain(call, "Dimensions.Name", in->name) < 0 || check_plain(call, "Dimensions.Value", in->value) < 0)
                        return -EINVAL;
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(list[k].name, in->name))
                                return api_fail(call, "InvalidParameterValueException", "The dimension %.255s appears twice", in->name);
                list[i] = (struct metric_dimension){in->name, in->value};
        }
        *ret = (struct metric_id){space, name, list, dimensions->n};
        return 0;
}

int cloudwatch_bad_token(struct api_call *call, const char *code, const char *operation)
{
        error_clear(&call->error);
        return api_fail(call, code, "NextToken is not one that %s has given for this request", operation);
}

void cloudwatch_dimensions(struct arena *arena, const struct cloudwatch_dimension_list *in, struct metric_id *ret)
{
        struct metric_dimension *list = arena_calloc(arena, in->n + 1, sizeof(*list));

        for (uint32_t i = 0; i < in->n && i < METRICS_MAX_DIMENSIONS; i++)
                list[ret->n_dimensions++] = (struct metric_dimension){in->items[i].name, in->items[i].value};
        ret->dimensions = list;
}

/* A call that waits for the disk; in its arena. */
struct waiting_call {
        struct api_call *call;
        const void *input;
        int (*answer)(struct api_call *call, const void *input);
        bool later, ended;
        int result;
};

static void on_loaded(void *data, struct metric_history *history)
{
        struct waiting_call *waiting = data;
        struct api_call *call = waiting->call;

        metrics_attach(call->api->metrics, history);
        waiting->result = waiting->answer(call, waiting->input);
        metrics_detach(call->api->metrics);
        metrics_history_free(history);
        waiting->ended = true;
        if (waiting->later)
                api_call_finish(call, waiting->result);
}

int cloudwatch_with_history(struct api_call *call, const struct metric_want *wants, size_t n, const void *input,
                            int (*answer)(struct api_call *call, const void *input))
{
        struct waiting_call *waiting = arena_calloc(call->arena, 1, sizeof(*waiting));

        *waiting = (struct waiting_call){.call = call, .input = input, .answer = answer};
        if (!metrics_load(call->api->metrics, wants, n, on_loaded, waiting))
                return answer(call, input);
        waiting->later = true;
        return waiting->ended ? waiting->result : API_LATER;
}

bool cloudwatch_period_valid(int64_t period_s)
{
        return period_s == 1 || period_s == 5 || period_s == 10 || period_s == 20 || period_s == 30 || (period_s > 0 && period_s % 60 == 0);
}
