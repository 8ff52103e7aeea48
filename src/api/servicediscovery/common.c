/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, ids, filters, and the registration of the service. */
#include "api/servicediscovery/common.h"

#include <stdarg.h>
#include <string.h>

#include "api/server.h"
#include "base/strutil.h"
#include "model/names.h"

#define PAGE_MAX 100
#define ID_DIGITS 16

void servicediscovery_register(struct api *api)
{
        static const struct api_route *const tables[] = {sd_namespace_routes, sd_service_routes,   sd_instance_routes, sd_discover_routes,
                                                         sd_operation_routes, sd_attribute_routes, sd_tag_routes};

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &sd_service, tables[i]);
        servicediscovery_watch(api);
}

int sd_invalid(struct api_call *call, const char *fmt, ...)
{
        va_list args;
        const char *text;

        va_start(args, fmt);
        text = arena_vprintf(call->arena, fmt, args);
        va_end(args);
        return api_fail(call, "InvalidInput", "%s", text);
}

/* The id in an ARN of this account and region, an id as it is; NULL: an ARN of something else. */
static const char *id_of(const struct api_call *call, const char *text, const char *type)
{
        struct arn arn;

        if (!str_starts_with(text, "arn:"))
                return text;
        if (arn_parse(text, &arn) < 0 || !str_eq(arn.service, "servicediscovery") || !str_eq(arn.region, model_region(call->model)) ||
            !str_eq(arn.account, model_account(call->model)))
                return NULL;
        return arn_resource(&arn, type);
}

int sd_find_namespace(struct api_call *call, const char *text, struct discovery_namespace **ret)
{
        *ret = model_discovery_namespace(call->model, id_of(call, text, "namespace"));
        return *ret != NULL ? 0 : api_fail(call, "NamespaceNotFound", "There is no namespace %.255s.", text);
}

int sd_find_service(struct api_call *call, const char *text, struct discovery_service **ret)
{
        *ret = model_discovery_service(call->model, id_of(call, text, "service"));
        return *ret != NULL ? 0 : api_fail(call, "ServiceNotFound", "There is no service %.255s.", text);
}

int sd_page(struct api_call *call, const char *token, bool has_max, int max_results, const char *binding, struct api_page *ret)
{
        struct api_page page = {0};

        if (api_page_begin(call, token, has_max, max_results, PAGE_MAX, PAGE_MAX, binding, &page) < 0) {
                error_clear(&call->error);
                return sd_invalid(call, "NextToken must be the one of the previous page of the same request.");
        }
        *ret = page;
        return 0;
}

const char *sd_new_id(struct api_call *call, const char *prefix)
{
        char digits[ID_DIGITS + 1];

        env_random_hex(model_env(call->model), digits, ID_DIGITS);
        return arena_printf(call->arena, "%s%s", prefix, digits);
}

const char *sd_commit(struct api_call *call, struct tx *tx, struct state_discovery_operation *operation)
{
        char digits[33], suffix[9];

        env_random_hex(model_env(call->model), digits, 32);
        env_random_hex(model_env(call->model), suffix, 8);
        operation->id = arena_printf(call->arena, "%s-%s", digits, suffix);
        operation->created_at = call->now_ms;
        model_discovery_record(tx, operation);
        (void)tx_commit(tx);
        return operation->id;
}

/* ---- Filters ---- */

int sd_filter_check(struct api_call *call, struct sd_filter *filter, unsigned allowed)
{
        if (filter->condition == SD_FILTER_CONDITION_UNSET)
                filter->condition = SD_FILTER_CONDITION_EQ;
        if (!(allowed & 1U << filter->condition))
                return sd_invalid(call, "Filters: the condition %s cannot be used with %s.",
                                  shape_enum_name(&sd_filter_condition_enum, (int)filter->condition), filter->name);
        if (filter->values->n == 0 ||
            (filter->condition != SD_FILTER_CONDITION_IN && filter->condition != SD_FILTER_CONDITION_BETWEEN && filter->values->n != 1))
                return sd_invalid(call, "Filters: %s needs exactly one value.", filter->name);
        if (filter->condition == SD_FILTER_CONDITION_BETWEEN && filter->values->n != 2)
                return sd_invalid(call, "Filters: %s with BETWEEN needs two values, the start and the end.", filter->name);
        return 0;
}

bool sd_filter_matches(const struct sd_filter *filter, const char *value)
{
        if (filter->condition == SD_FILTER_CONDITION_BEGINS_WITH)
                return str_starts_with(value, filter->values->items[0]);
        for (uint32_t i = 0; i < filter->values->n; i++)
                if (str_eq(value, filter->values->items[i]))
                        return true;
        return false;
}
