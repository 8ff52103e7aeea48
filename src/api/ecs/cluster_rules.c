/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of cluster_rules.h. */
#include "api/ecs/cluster_rules.h"

#include <string.h>

#include "api/agent/agents.h"
#include "api/ecs/settings.h"
#include "base/strutil.h"
#include "control/capacity/providers.h"

#define MAX_STRATEGY 20

int cluster_check_settings(struct api_call *call, const struct ecs_cluster_setting_list *settings)
{
        for (uint32_t i = 0; i < settings->n; i++) {
                const struct ecs_cluster_setting *setting = &settings->items[i];

                if (setting->name != ECS_CLUSTER_SETTING_NAME_CONTAINERINSIGHTS)
                        return api_fail(call, "InvalidParameterException",
                                        "settings[%u].name: containerInsights is the only cluster setting.", i);
                if (!setting_value_valid(ECS_SETTING_NAME_CONTAINERINSIGHTS, setting->value))
                        return api_fail(call, "InvalidParameterException",
                                        "settings[%u].value: \"%s\" is not enhanced, enabled or disabled.", i,
                                        setting->value != NULL ? setting->value : "");
        }
        return 0;
}

struct ecs_cluster_setting_list cluster_settings(struct api_call *call, const struct ecs_cluster_setting_list *old,
                                                 const struct ecs_cluster_setting_list *given)
{
        struct ecs_cluster_setting_list list = {0};
        struct ecs_cluster_setting *insights = SHAPE_PUSH(call->arena, &list);

        insights->name = ECS_CLUSTER_SETTING_NAME_CONTAINERINSIGHTS;
        insights->value = old != NULL && old->n > 0
                                  ? old->items[0].value
                                  : setting_effective(call->model, call->principal_arn, ECS_SETTING_NAME_CONTAINERINSIGHTS);
        if (given->n > 0)
                insights->value = given->items[given->n - 1].value;
        return list;
}

int cluster_check_configuration(struct api_call *call, const struct ecs_cluster_configuration *configuration)
{
        const struct ecs_execute_command_configuration *execute =
                configuration != NULL ? configuration->execute_command_configuration : NULL;
        const struct ecs_execute_command_log_configuration *logs;

        if (execute == NULL)
                return 0;
        logs = execute->log_configuration;
        if (execute->logging == ECS_EXECUTE_COMMAND_LOGGING_OVERRIDE && logs == NULL)
                return api_fail(call, "InvalidParameterException",
                                "configuration.executeCommandConfiguration: logConfiguration is required when logging is OVERRIDE.");
        if (execute->logging != ECS_EXECUTE_COMMAND_LOGGING_OVERRIDE && logs != NULL)
                return api_fail(call, "InvalidParameterException",
                                "configuration.executeCommandConfiguration: logConfiguration is only allowed when logging is OVERRIDE.");
        if (logs != NULL && str_empty(logs->cloud_watch_log_group_name) && str_empty(logs->s3_bucket_name))
                return api_fail(
                        call, "InvalidParameterException",
                        "configuration.executeCommandConfiguration.logConfiguration: name a cloudWatchLogGroupName or an s3BucketName.");
        return 0;
}

int cluster_check_namespace(struct api_call *call, const char *name)
{
        if (str_starts_with(name, "arn:"))
                return api_fail(call, "NamespaceNotFoundException", "The specified namespace %.300s wasn't found.", name);
        if (strlen(name) > 1024)
                return api_fail(call, "InvalidParameterException", "serviceConnectDefaults.namespace: longer than 1024 characters.");
        return 0;
}

/* ---- Capacity providers ---- */

bool capacity_provider_predefined(const char *name)
{
        return str_eq(name, "FARGATE") || str_eq(name, "FARGATE_SPOT");
}

static int check_item(struct api_call *call, const struct string_list *providers,
                      const struct ecs_capacity_provider_strategy_item_list *strategy, uint32_t i)
{
        const struct ecs_capacity_provider_strategy_item *item = &strategy->items[i];

        if (!providers_list(providers, item->capacity_provider))
                return api_fail(call, "InvalidParameterException",
                                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with "
                                "the cluster. "
                                "Associate the capacity provider %s with the cluster and try again.",
                                item->capacity_provider);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(provider_name_in(strategy->items[j].capacity_provider), provider_name_in(item->capacity_provider)))
                        return api_fail(call, "InvalidParameterException", "The capacity provider strategy names %s twice.",
                                        item->capacity_provider);
        return 0;
}

int cluster_check_strategy(struct api_call *call, const struct string_list *providers,
                           const struct ecs_capacity_provider_strategy_item_list *strategy)
{
        uint32_t with_base = 0, with_weight = 0;

        if (strategy->n > MAX_STRATEGY)
                return api_fail(call, "InvalidParameterException", "A capacity provider strategy can have at most %d items, not %u.",
                                MAX_STRATEGY, strategy->n);
        for (uint32_t i = 0; i < strategy->n; i++) {
                int r = check_item(call, providers, strategy, i);

                if (r < 0)
                        return r;
                with_base += strategy->items[i].base > 0;
                with_weight += strategy->items[i].weight > 0;
        }
        if (with_base > 1)
                return api_fail(call, "InvalidParameterException",
                                "Only one capacity provider of a strategy can have a base greater than 0.");
        if (strategy->n > 1 && with_weight == 0)
                return api_fail(call, "InvalidParameterException",
                                "At least one capacity provider of a strategy must have a weight greater than 0 when there are several.");
        return 0;
}

int cluster_check_providers(struct api_call *call, const struct string_list *providers,
                            const struct ecs_capacity_provider_strategy_item_list *strategy)
{
        for (uint32_t i = 0; i < providers->n; i++) {
                const char *name = provider_name_in(providers->items[i]);

                if (!capacity_provider_predefined(name) && model_capacity_provider(call->model, name) == NULL)
                        return api_fail(call, "InvalidParameterException",
                                        "The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.",
                                        providers->items[i]);
                for (uint32_t j = 0; j < i; j++)
                        if (str_eq(provider_name_in(providers->items[j]), provider_name_in(providers->items[i])))
                                return api_fail(call, "InvalidParameterException", "capacityProviders[%u]: %s is given twice.", i,
                                                providers->items[i]);
        }
        return cluster_check_strategy(call, providers, strategy);
}

int cluster_check_tags(struct api_call *call, const struct ecs_tag_list *tags)
{
        int r = ecs_check_tags(call, tags);

        for (uint32_t i = 0; r == 0 && i < tags->n; i++) {
                const char *right = agents_tag_fault(tags->items[i].key, tags->items[i].value);

                if (right)
                        r = api_fail(call, "InvalidParameterException", "tags: the value of %s must be %s.", tags->items[i].key, right);
        }
        return r;
}
