/* SPDX-License-Identifier: Apache-2.0 */
/* Resource ids, pages, and the registration of the service. */
#include "api/autoscaling/common.h"

#include <stdio.h>
#include <string.h>

#include "api/server.h"
#include "base/strutil.h"

#define PAGE_MAX 50

void autoscaling_register(struct api *api)
{
        static const struct api_route *const tables[] = {autoscaling_target_routes, autoscaling_policy_routes,
                                                         autoscaling_action_routes, autoscaling_activity_routes,
                                                         autoscaling_tag_routes,    autoscaling_forecast_routes};

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &aas_service, tables[i]);
}

static bool is_service_id(const char *id)
{
        const char *rest = str_starts_with(id, "service/") ? id + strlen("service/") : "", *slash = strchr(rest, '/');
        char cluster[256];

        if (slash == NULL || (size_t)(slash - rest) >= sizeof(cluster))
                return false;
        (void)snprintf(cluster, sizeof(cluster), "%.*s", (int)(slash - rest), rest);
        return str_is_name(cluster, "-_", 255) && str_is_name(slash + 1, "-_", 255);
}

int autoscaling_check(struct api_call *call, enum aas_service_namespace space, const char *resource_id,
                      enum aas_scalable_dimension dimension)
{
        if (space != AAS_SERVICE_NAMESPACE_ECS ||
            (dimension != AAS_SCALABLE_DIMENSION_UNSET && dimension != AAS_SCALABLE_DIMENSION_ECS_SERVICE_DESIREDCOUNT) ||
            (resource_id != NULL && !is_service_id(resource_id)))
                return api_fail(call, "ValidationException",
                                "Unsupported service namespace, resource type or scalable dimension: this server scales the namespace ecs "
                                "with resource ids service/CLUSTER/SERVICE and the dimension ecs:service:DesiredCount.");
        return 0;
}

int autoscaling_find_target(struct api_call *call, const char *resource_id, struct scalable_target **ret)
{
        *ret = model_scalable_target(call->model, resource_id);
        if (*ret == NULL)
                return api_fail(call, "ObjectNotFoundException",
                                "No scalable target registered for service namespace: ecs, resource ID: %s, scalable dimension: "
                                "ecs:service:DesiredCount",
                                resource_id);
        return 0;
}

int autoscaling_check_name(struct api_call *call, const char *member, const char *name)
{
        for (const char *p = name; *p != '\0'; p++)
                if ((unsigned char)*p < ' ' || strchr("|:/", *p) != NULL || *p == 0x7f)
                        return api_fail(call, "ValidationException",
                                        "1 validation error detected: Value '%.200s' at '%s' failed to satisfy constraint: no control "
                                        "characters, '|', ':' or '/'",
                                        name, member);
        return 0;
}

uint32_t autoscaling_count(struct api_call *call, enum object_kind kind, const char *resource_id)
{
        uint32_t n = 0;

        for (struct object *o = model_scaling_first(call->model, kind, resource_id); o != NULL; o = model_scaling_next(o, resource_id))
                n++;
        return n;
}

int autoscaling_page(struct api_call *call, const char *token, bool has_max, int max_results, const char *binding, struct api_page *ret)
{
        struct api_page page = {0};

        if (has_max && (max_results < 1 || max_results > PAGE_MAX))
                return api_fail(call, "ValidationException", "MaxResults: %d is not in 1..%d.", max_results, PAGE_MAX);
        if (api_page_begin(call, token, has_max, max_results, PAGE_MAX, PAGE_MAX, binding, &page) < 0) {
                error_clear(&call->error);
                return api_fail(call, "InvalidNextTokenException",
                                "The next token is invalid: it must be the one of the previous page of the same request.");
        }
        *ret = page;
        return 0;
}

void autoscaling_fill(struct api_call *call, const struct autoscaling_list *list, struct api_page *page, const void *input, void *output,
                      const char **ret_token)
{
        const struct tree *tree = model_objects(call->model, list->kind);
        struct tree_node *node = page->after != NULL ? tree_after(tree, page->after) : tree_first(tree);

        for (; node != NULL; node = tree_next(node)) {
                const struct object *object = CONTAINER_OF(node, struct object, node);
                size_t len = list->resource_id != NULL ? strlen(list->resource_id) : 0;

                if (len > 0 && (strncmp(object->key, list->resource_id, len) != 0 || object->key[len] != '/'))
                        continue;
                if (!list->match(object, input))
                        continue;
                if (!api_page_add(page, object->key)) {
                        *ret_token = api_page_token(call, page);
                        return;
                }
                list->show(call, object, input, output);
        }
}
