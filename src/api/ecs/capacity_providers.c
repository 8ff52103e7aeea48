/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeCapacityProviders for the two providers that every account has. Those of users come with servers on demand. */
#include <string.h>

#include "api/ecs/cluster_rules.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"

static const struct {
        const char *name;
        enum ecs_capacity_provider_type type;
} predefined[] = {
        {"FARGATE", ECS_CAPACITY_PROVIDER_TYPE_FARGATE},
        {"FARGATE_SPOT", ECS_CAPACITY_PROVIDER_TYPE_FARGATE_SPOT},
};

static char *provider_arn(struct api_call *call, const char *name)
{
        return arena_printf(call->arena, "arn:aws:ecs:%s:%s:capacity-provider/%s", model_region(call->model), model_account(call->model),
                            name);
}

static void show(struct api_call *call, size_t i, struct ecs_capacity_provider_list *list)
{
        struct ecs_capacity_provider *out = SHAPE_PUSH(call->arena, list);

        out->name = predefined[i].name;
        out->type = predefined[i].type;
        out->status = ECS_CAPACITY_PROVIDER_STATUS_ACTIVE;
        out->capacity_provider_arn = provider_arn(call, predefined[i].name);
}

static void describe_named(struct api_call *call, const char *text, struct ecs_describe_capacity_providers_response *out)
{
        const char *name = capacity_provider_name(text);

        for (size_t i = 0; i < ARRAY_SIZE(predefined); i++) {
                if (str_eq(predefined[i].name, name)) {
                        show(call, i, &out->capacity_providers);
                        return;
                }
        }
        ecs_fail_item(call, &out->failures, str_starts_with(text, "arn:") ? text : provider_arn(call, text), "MISSING", NULL);
}

static int describe_capacity_providers(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_capacity_providers_request *in = input;
        struct ecs_describe_capacity_providers_response *out = output;
        struct cluster *cluster;
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_describe_capacity_providers_request, max_results), in->max_results,
                               10, 10, NULL, &page);

        if (r == 0 && !str_empty(in->cluster))
                r = ecs_find_cluster(call, in->cluster, &cluster);
        if (r < 0)
                return r;
        if (in->capacity_providers.n > 100)
                return api_fail(call, "InvalidParameterException", "capacityProviders: at most 100 can be described at once.");
        for (uint32_t i = 0; i < in->capacity_providers.n; i++)
                describe_named(call, in->capacity_providers.items[i], out);
        for (size_t i = 0; in->capacity_providers.n == 0 && i < ARRAY_SIZE(predefined); i++) {
                if (page.after != NULL && strcmp(predefined[i].name, page.after) <= 0)
                        continue;
                if (!api_page_add(&page, predefined[i].name)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                show(call, i, &out->capacity_providers);
        }
        return 0;
}

const struct api_route ecs_capacity_provider_routes[] = {
        {ECS_OP_DESCRIBE_CAPACITY_PROVIDERS, describe_capacity_providers},
        {0, NULL},
};
