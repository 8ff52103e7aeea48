/* SPDX-License-Identifier: Apache-2.0 */
/* Services: find, describe, list, delete. Creating is in services_create.c, updating in services_update.c. */
#include "api/ecs/services.h"

#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "control/service/deploy.h"
#include "model/names.h"

#define MAX_DESCRIBED 10
#define STANDARD_PAGE 10
#define MAX_PAGE 100

#define INVALID "InvalidParameterException"

/* ---- Finding ---- */

static int find_any(struct api_call *call, struct cluster *cluster, const char *text, struct service **ret)
{
        int r = model_find_service(call->model, cluster, text, ret, &call->error);

        return r == -ENOENT ? api_fail(call, "ServiceNotFoundException", "Service not found.") : r;
}

int ecs_find_service(struct api_call *call, struct cluster *cluster, const char *text, struct service **ret)
{
        struct service *service;
        int r = find_any(call, cluster, text, &service);

        if (r != 0)
                return r;
        if (service->state->status == STATE_SERVICE_STATUS_INACTIVE)
                return api_fail(call, "ServiceNotFoundException", "Service not found.");
        *ret = service;
        return 0;
}

int ecs_find_active_service(struct api_call *call, const char *cluster_text, const char *text, struct service **ret)
{
        struct service *service;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, cluster_text, &cluster);

        if (r == 0)
                r = find_any(call, cluster, text, &service);
        if (r != 0)
                return r;
        if (service->state->status != STATE_SERVICE_STATUS_ACTIVE)
                return api_fail(call, "ServiceNotActiveException", "Service was not ACTIVE.");
        *ret = service;
        return 0;
}

/* ---- Describe ---- */

static void describe_one(struct api_call *call, struct cluster *cluster, const char *text, const struct int_list *include,
                         struct ecs_describe_services_response *out)
{
        struct error ignored = {0};
        struct service *service;

        if (model_find_service(call->model, cluster, text, &service, &ignored) == 0)
                ecs_view_service(call, service, include, SHAPE_PUSH(call->arena, &out->services));
        else
                ecs_fail_item(call, &out->failures,
                              str_starts_with(text, "arn:") ? text
                                                            : model_service_arn(call->model, call->arena, cluster->state->name, text),
                              "MISSING", NULL);
}

static int describe_services(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_services_request *in = input;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        if (in->services.n == 0)
                return api_fail(call, INVALID, "Services cannot be empty.");
        if (in->services.n > MAX_DESCRIBED)
                return api_fail(call, INVALID, "services: %u services; at most %d can be described in one call.", in->services.n,
                                MAX_DESCRIBED);
        for (uint32_t i = 0; i < in->services.n; i++)
                describe_one(call, cluster, in->services.items[i], &in->include, output);
        return 0;
}

/* ---- List ---- */

static enum ecs_launch_type launch_type_of(struct model *model, const struct service *service)
{
        const struct service_revision *primary = service_primary(model, service);
        const struct task_set *set = ecs_primary_task_set(service);

        if (primary != NULL)
                return primary->state->launch_type;
        return set != NULL ? set->state->launch_type : ECS_LAUNCH_TYPE_UNSET;
}

static bool listed(struct api_call *call, const struct ecs_list_services_request *in, const struct service *service)
{
        const struct state_service *state = service->state;

        if (state->status != STATE_SERVICE_STATUS_ACTIVE)
                return false;
        if (in->scheduling_strategy && in->scheduling_strategy != state->scheduling_strategy)
                return false;
        if (in->resource_management_type == ECS_RESOURCE_MANAGEMENT_TYPE_ECS)
                return false;
        return !in->launch_type || in->launch_type == launch_type_of(call->model, service);
}

static int list_services(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_services_request *in = input;
        struct ecs_list_services_response *out = output;
        const char *binding = arena_printf(call->arena, "%s|%d|%d|%d", in->cluster ? in->cluster : "", in->launch_type,
                                           in->scheduling_strategy, in->resource_management_type);
        const struct tree *all = model_objects(call->model, OBJECT_SERVICE);
        struct cluster *cluster;
        struct api_page page;
        const char *prefix;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_services_request, max_results), in->max_results, MAX_PAGE,
                                   STANDARD_PAGE, binding, &page);
        if (r != 0)
                return r;
        prefix = arena_printf(call->arena, "%s/", cluster->state->name);
        for (struct tree_node *node = page.after ? tree_after(all, page.after) : tree_from(all, prefix);
             node && str_starts_with(node->key, prefix); node = tree_next(node)) {
                const struct service *service = MODEL_OBJECT(node, service);

                if (!listed(call, in, service))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                string_list_push(call->arena, &out->service_arns,
                                 model_service_arn(call->model, call->arena, cluster->state->name, service->state->name));
        }
        return 0;
}

/* The namespace of a service's Service Connect: its own, else its cluster's. NULL: it does not take part. */
static const char *namespace_of(struct model *model, const struct service *service)
{
        const struct service_revision *primary = service_primary(model, service);
        const struct ecs_service_connect_configuration *connect = primary ? primary->state->service_connect_configuration : NULL;
        const struct ecs_cluster_service_connect_defaults *defaults = service->cluster->state->service_connect_defaults;

        if (connect == NULL || !connect->enabled)
                return NULL;
        if (!str_empty(connect->namespace))
                return connect->namespace;
        return defaults != NULL ? defaults->namespace : NULL;
}

/* A namespace exists as long as a cluster has it as its default or a service is in it. */
static bool namespace_known(struct api_call *call, const char *name)
{
        const struct tree *clusters = model_objects(call->model, OBJECT_CLUSTER), *services = model_objects(call->model, OBJECT_SERVICE);

        for (struct tree_node *node = tree_first(clusters); node != NULL; node = tree_next(node)) {
                const struct ecs_cluster_service_connect_defaults *defaults = MODEL_OBJECT(node, cluster)->state->service_connect_defaults;

                if (defaults != NULL && str_eq(defaults->namespace, name))
                        return true;
        }
        for (struct tree_node *node = tree_first(services); node != NULL; node = tree_next(node))
                if (str_eq(namespace_of(call->model, MODEL_OBJECT(node, service)), name))
                        return true;
        return false;
}

static int list_services_by_namespace(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_services_by_namespace_request *in = input;
        struct ecs_list_services_by_namespace_response *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_SERVICE);
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_services_by_namespace_request, max_results), in->max_results,
                               MAX_PAGE, STANDARD_PAGE, in->namespace, &page);

        if (r != 0)
                return r;
        if (!namespace_known(call, in->namespace))
                return api_fail(call, "NamespaceNotFoundException", "The specified namespace %.300s wasn't found.", in->namespace);
        for (struct tree_node *node = page.after ? tree_after(all, page.after) : tree_first(all); node != NULL; node = tree_next(node)) {
                const struct service *service = MODEL_OBJECT(node, service);

                if (service->state->status != STATE_SERVICE_STATUS_ACTIVE || !str_eq(namespace_of(call->model, service), in->namespace))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                string_list_push(call->arena, &out->service_arns,
                                 model_service_arn(call->model, call->arena, service->state->cluster, service->state->name));
        }
        return 0;
}

/* ---- Delete ---- */

static int check_deletable(struct api_call *call, const struct service *service, bool force)
{
        const struct state_service *state = service->state;

        if (force || state->status == STATE_SERVICE_STATUS_DRAINING)
                return 0;
        if (state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_REPLICA && state->desired_count > 0)
                return api_fail(call, INVALID, "The service cannot be stopped while it is scaled above 0.");
        if (!list_empty(&service->task_sets))
                return api_fail(call, INVALID, "The service cannot be stopped while deployments are active.");
        return 0;
}

static int delete_service(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_service_request *in = input;
        struct ecs_delete_service_response *out = output;
        struct service *service;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = ecs_find_service(call, cluster, in->service, &service);
        if (r == 0)
                r = check_deletable(call, service, in->force);
        if (r != 0)
                return r;
        if (service->state->status == STATE_SERVICE_STATUS_ACTIVE) {
                struct tx *tx = tx_begin(call->model);

                service_begin_deletion(tx, service, call->now_ms);
                (void)tx_commit(tx);
        }
        out->service = ARENA_NEW(call->arena, struct ecs_service);
        ecs_view_service(call, service, NULL, out->service);
        return 0;
}

const struct api_route ecs_service_routes[] = {
        {ECS_OP_DESCRIBE_SERVICES, describe_services},
        {ECS_OP_LIST_SERVICES, list_services},
        {ECS_OP_LIST_SERVICES_BY_NAMESPACE, list_services_by_namespace},
        {ECS_OP_DELETE_SERVICE, delete_service},
        {0, NULL},
};
