/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters: create, describe, list, update, delete. */
#include <errno.h>
#include <string.h>

#include "api/ecs/cluster_rules.h"
#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "control/capacity/attachments.h"
#include "control/capacity/group.h"
#include "control/capacity/providers.h"
#include "model/names.h"
#include "model/service.h"

#define MAX_DESCRIBED 100

/* What an answer shows beyond the plain members. */
enum {
        SHOW_SETTINGS = 1 << 0,
        SHOW_STATISTICS = 1 << 1,
        SHOW_TAGS = 1 << 2,
        SHOW_CONFIGURATION = 1 << 3,
        SHOW_ATTACHMENTS = 1 << 4,
};

/* ---- What a cluster looks like ---- */

static enum ecs_launch_type launch_type_of(struct api_call *call, const struct service *service)
{
        const struct service_revision *primary = service_primary(call->model, service);

        return primary != NULL && primary->state->launch_type ? primary->state->launch_type : ECS_LAUNCH_TYPE_EC2;
}

/* Services by launch type and status, for who asks: there is no index of them. */
static void count_services(struct api_call *call, const struct cluster *cluster, size_t active[], size_t draining[])
{
        list_for_each (service, &cluster->services, struct service, in_cluster) {
                enum ecs_launch_type type = launch_type_of(call, service);

                active[type] += service->state->status == STATE_SERVICE_STATUS_ACTIVE;
                draining[type] += service->state->status == STATE_SERVICE_STATUS_DRAINING;
        }
}

static void add_statistics(struct api_call *call, const struct cluster *cluster, struct ecs_key_value_pair_list *list)
{
        static const struct {
                const char *suffix;
                enum ecs_launch_type type;
        } types[] = {
                {"EC2", ECS_LAUNCH_TYPE_EC2},
                {"Fargate", ECS_LAUNCH_TYPE_FARGATE},
                {"External", ECS_LAUNCH_TYPE_EXTERNAL},
                {"ManagedInstances", ECS_LAUNCH_TYPE_MANAGED_INSTANCES},
        };

        size_t active[ECS_LAUNCH_TYPE_MAX] = {0}, draining[ECS_LAUNCH_TYPE_MAX] = {0};

        count_services(call, cluster, active, draining);
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                const struct {
                        const char *prefix, *what;
                        size_t n;
                } counts[] = {
                        {"running", "TasksCount", cluster->n_running_by_type[types[i].type]},
                        {"pending", "TasksCount", cluster->n_pending_by_type[types[i].type]},
                        {"active", "ServiceCount", active[types[i].type]},
                        {"draining", "ServiceCount", draining[types[i].type]},
                };

                for (size_t j = 0; j < ARRAY_SIZE(counts); j++) {
                        struct ecs_key_value_pair *pair = SHAPE_PUSH(call->arena, list);

                        pair->name = arena_printf(call->arena, "%s%s%s", counts[j].prefix, types[i].suffix, counts[j].what);
                        pair->value = arena_printf(call->arena, "%zu", counts[j].n);
                }
        }
}

static void add_attachments(struct api_call *call, const struct cluster *cluster, struct ecs_cluster *out)
{
        const struct state_cluster_attachment_list *list = &cluster->state->attachments;

        out->attachments_status = attachments_status(call->model, cluster);
        for (uint32_t i = 0; i < list->n; i++) {
                const struct state_cluster_attachment *in = &list->items[i];
                struct ecs_attachment *attachment = SHAPE_PUSH(call->arena, &out->attachments);
                bool policy = str_eq(in->type, ATTACHMENT_POLICY);

                *attachment = (struct ecs_attachment){.id = in->id, .type = in->type, .status = "CREATED"};
                *SHAPE_PUSH(call->arena, &attachment->details) =
                        (struct ecs_key_value_pair){.name = "capacityProviderName", .value = in->provider};
                *SHAPE_PUSH(call->arena, &attachment->details) =
                        (struct ecs_key_value_pair){.name = policy ? "scalingPolicyName" : "autoScalingLifecycleHookName",
                                                    .value = policy ? attachment_policy_name(call->arena, in->id) : HOOK_DRAINING};
        }
}

static void show_cluster(struct api_call *call, const struct cluster *cluster, unsigned show, struct ecs_cluster *out)
{
        const struct state_cluster *state = cluster->state;

        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->name);
        out->cluster_name = state->name;
        out->status = shape_enum_name(&state_cluster_status_enum, (int)state->status);
        SHAPE_SET(out, ecs_cluster, registered_container_instances_count, (int32_t)cluster->n_instances);
        SHAPE_SET(out, ecs_cluster, running_tasks_count, (int32_t)cluster->n_running);
        SHAPE_SET(out, ecs_cluster, pending_tasks_count, (int32_t)cluster->n_pending);
        SHAPE_SET(out, ecs_cluster, active_services_count, (int32_t)cluster->n_services_active);
        out->capacity_providers = state->capacity_providers;
        out->default_capacity_provider_strategy = state->default_capacity_provider_strategy;
        out->service_connect_defaults = state->service_connect_defaults;
        if (show & SHOW_SETTINGS)
                out->settings = state->settings;
        if (show & SHOW_TAGS)
                out->tags = state->tags;
        if (show & SHOW_CONFIGURATION)
                out->configuration = state->configuration;
        if (show & SHOW_ATTACHMENTS)
                add_attachments(call, cluster, out);
        if (show & SHOW_STATISTICS)
                add_statistics(call, cluster, &out->statistics);
}

static struct ecs_cluster *answer_cluster(struct api_call *call, const struct cluster *cluster, unsigned show)
{
        struct ecs_cluster *out = ARENA_NEW(call->arena, struct ecs_cluster);

        show_cluster(call, cluster, show, out);
        return out;
}

/* ---- Create ---- */

static int check_create(struct api_call *call, const struct ecs_create_cluster_request *in)
{
        int r = cluster_check_tags(call, &in->tags);

        if (r == 0)
                r = cluster_check_settings(call, &in->settings);
        if (r == 0)
                r = cluster_check_configuration(call, in->configuration);
        if (r == 0)
                r = cluster_check_providers(call, &in->capacity_providers, &in->default_capacity_provider_strategy);
        if (r == 0 && in->service_connect_defaults != NULL)
                r = cluster_check_namespace(call, in->service_connect_defaults->namespace);
        return r;
}

static void fill_state(struct api_call *call, const struct ecs_create_cluster_request *in, const char *name, struct state_cluster *state)
{
        *state = (struct state_cluster){
                .name = name,
                .status = STATE_CLUSTER_STATUS_ACTIVE,
                .settings = cluster_settings(call, NULL, &in->settings),
                .configuration = in->configuration,
                .capacity_providers = in->capacity_providers,
                .default_capacity_provider_strategy = in->default_capacity_provider_strategy,
                .created_at = call->now_ms,
        };
        ecs_merge_tags(&state->tags, &in->tags, call->arena);
        if (in->service_connect_defaults != NULL && !str_empty(in->service_connect_defaults->namespace)) {
                state->service_connect_defaults = ARENA_NEW(call->arena, struct ecs_cluster_service_connect_defaults);
                state->service_connect_defaults->namespace = in->service_connect_defaults->namespace;
        }
}

static int create_cluster(struct api_call *call, const void *input, void *output)
{
        const struct ecs_create_cluster_request *in = input;
        struct ecs_create_cluster_response *out = output;
        const char *name = str_empty(in->cluster_name) ? "default" : in->cluster_name;
        struct cluster *cluster;
        int r;

        if (!ecs_name_valid(name, 255))
                return api_fail(call, "InvalidParameterException",
                                "clusterName: a cluster name has 1 to 255 letters, digits, hyphens and underscores.");
        r = check_create(call, in);
        if (r < 0)
                return r;
        cluster = model_cluster(call->model, name);
        if (cluster == NULL || cluster->state->status != STATE_CLUSTER_STATUS_ACTIVE) {
                struct tx *tx = tx_begin(call->model);
                struct state_cluster state;

                fill_state(call, in, name, &state);
                if (cluster != NULL) {                                   /* deleted a while ago: the name starts anew */
                        state.attachments = cluster->state->attachments; /* those that are left have alarms to be taken away */
                        tx_put(tx, &cluster->object, &state);
                } else
                        cluster = CONTAINER_OF(tx_insert(tx, OBJECT_CLUSTER, &state), struct cluster, object);
                (void)tx_commit(tx);
        }
        out->cluster = answer_cluster(call, cluster, SHOW_SETTINGS | SHOW_TAGS | SHOW_CONFIGURATION);
        return 0;
}

/* ---- Describe, list ---- */

static unsigned shown_fields(const struct int_list *include)
{
        static const struct {
                enum ecs_cluster_field field;
                unsigned show;
        } rows[] = {
                {ECS_CLUSTER_FIELD_ATTACHMENTS, SHOW_ATTACHMENTS},      {ECS_CLUSTER_FIELD_SETTINGS, SHOW_SETTINGS},
                {ECS_CLUSTER_FIELD_STATISTICS, SHOW_STATISTICS},        {ECS_CLUSTER_FIELD_TAGS, SHOW_TAGS},
                {ECS_CLUSTER_FIELD_CONFIGURATIONS, SHOW_CONFIGURATION},
        };
        unsigned show = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (ecs_includes(include, (int)rows[i].field))
                        show |= rows[i].show;
        return show;
}

static int describe_one(struct api_call *call, const char *text, unsigned show, struct ecs_describe_clusters_response *out)
{
        struct error error = {0};
        struct cluster *cluster;
        char name[256];
        int r = model_parse_cluster(call->model, text, name, &error);

        if (r < 0 && !str_eq(error.code, "ClusterNotFoundException")) {
                call->error = error;
                return r;
        }
        cluster = r < 0 ? NULL : model_cluster(call->model, name);
        if (cluster != NULL)
                show_cluster(call, cluster, show, SHAPE_PUSH(call->arena, &out->clusters));
        else
                ecs_fail_item(call, &out->failures, r < 0 ? text : model_cluster_arn(call->model, call->arena, name), "MISSING", NULL);
        return 0;
}

static int describe_clusters(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_clusters_request *in = input;
        unsigned show = shown_fields(&in->include);

        if (in->clusters.n > MAX_DESCRIBED)
                return api_fail(call, "InvalidParameterException", "clusters: %u clusters; at most %d can be described at once.",
                                in->clusters.n, MAX_DESCRIBED);
        if (in->clusters.n == 0)
                return describe_one(call, "default", show, output);
        for (uint32_t i = 0; i < in->clusters.n; i++) {
                int r = describe_one(call, in->clusters.items[i], show, output);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int list_clusters(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_clusters_request *in = input;
        struct ecs_list_clusters_response *out = output;
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_clusters_request, max_results), in->max_results, 100, 100, NULL,
                               &page);

        if (r < 0)
                return r;
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_CLUSTER), page.after); node != NULL;
             node = tree_next(node)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);

                if (cluster->state->status != STATE_CLUSTER_STATUS_ACTIVE || str_eq(cluster->state->name, FARGATE_CLUSTER))
                        continue;
                if (!api_page_add(&page, cluster->object.key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                string_list_push(call->arena, &out->cluster_arns, model_cluster_arn(call->model, call->arena, cluster->state->name));
        }
        return 0;
}

/* ---- Update ---- */

static void update_state(struct api_call *call, const struct ecs_update_cluster_request *in, struct state_cluster *state)
{
        if (in->settings.n > 0)
                state->settings = cluster_settings(call, &state->settings, &in->settings);
        if (in->configuration != NULL)
                state->configuration = in->configuration;
        if (in->service_connect_defaults == NULL)
                return;
        if (str_empty(in->service_connect_defaults->namespace)) { /* an empty name takes the default away */
                state->service_connect_defaults = NULL;
                return;
        }
        state->service_connect_defaults = ARENA_NEW(call->arena, struct ecs_cluster_service_connect_defaults);
        state->service_connect_defaults->namespace = in->service_connect_defaults->namespace;
}

static int update_cluster(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_cluster_request *in = input;
        struct ecs_update_cluster_response *out = output;
        struct cluster *cluster;
        struct state_cluster *state;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = cluster_check_settings(call, &in->settings);
        if (r == 0)
                r = cluster_check_configuration(call, in->configuration);
        if (r == 0 && in->service_connect_defaults != NULL)
                r = cluster_check_namespace(call, in->service_connect_defaults->namespace);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &cluster->object);
        update_state(call, in, state);
        tx_put(tx, &cluster->object, state);
        (void)tx_commit(tx);
        out->cluster = answer_cluster(call, cluster, SHOW_SETTINGS | SHOW_CONFIGURATION | SHOW_TAGS);
        return 0;
}

static int update_cluster_settings(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_cluster_settings_request *in = input;
        struct ecs_update_cluster_settings_response *out = output;
        struct cluster *cluster;
        struct state_cluster *state;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = cluster_check_settings(call, &in->settings);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &cluster->object);
        state->settings = cluster_settings(call, &state->settings, &in->settings);
        tx_put(tx, &cluster->object, state);
        (void)tx_commit(tx);
        out->cluster = answer_cluster(call, cluster, SHOW_SETTINGS | SHOW_TAGS);
        return 0;
}

/* A provider that tasks run on cannot be taken away from under them. */
static int check_not_in_use(struct api_call *call, struct cluster *cluster, const struct string_list *kept)
{
        list_for_each (service, &cluster->services, struct service, in_cluster) {
                const struct service_revision *primary = service_primary(call->model, service);

                for (uint32_t i = 0; primary != NULL && i < primary->state->capacity_provider_strategy.n; i++) {
                        const char *provider = primary->state->capacity_provider_strategy.items[i].capacity_provider;

                        if (service->state->status == STATE_SERVICE_STATUS_ACTIVE && !providers_list(kept, provider))
                                return api_fail(call, "ResourceInUseException",
                                                "The specified capacity provider %s is in use and cannot be removed: service %s uses it.",
                                                provider, service->state->name);
                }
        }
        model_for_each_task (task, call->model, cluster) {
                const char *provider = task->state->capacity_provider;

                if (provider == NULL || task_is_over(task->state) || providers_list(kept, provider))
                        continue;
                return api_fail(call, "ResourceInUseException",
                                "The specified capacity provider %s is in use and cannot be removed: task %s runs on it.", provider,
                                task->state->id);
        }
        return 0;
}

static int put_cluster_capacity_providers(struct api_call *call, const void *input, void *output)
{
        const struct ecs_put_cluster_capacity_providers_request *in = input;
        struct ecs_put_cluster_capacity_providers_response *out = output;
        struct cluster *cluster;
        struct state_cluster *state;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = cluster_check_providers(call, &in->capacity_providers, &in->default_capacity_provider_strategy);
        if (r == 0)
                r = check_not_in_use(call, cluster, &in->capacity_providers);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &cluster->object);
        state->capacity_providers = in->capacity_providers;
        state->default_capacity_provider_strategy = in->default_capacity_provider_strategy;
        tx_put(tx, &cluster->object, state);
        (void)tx_commit(tx);
        out->cluster = answer_cluster(call, cluster, SHOW_SETTINGS | SHOW_TAGS | SHOW_ATTACHMENTS);
        return 0;
}

/* ---- Delete ---- */

static int check_empty(struct api_call *call, const struct cluster *cluster)
{
        if (cluster->n_instances > 0)
                return api_fail(call, "ClusterContainsContainerInstancesException",
                                "The Cluster cannot be deleted while Container Instances are active or draining.");
        if (cluster->n_services > 0)
                return api_fail(call, "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.");
        if (cluster->n_running + cluster->n_pending > 0)
                return api_fail(call, "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.");
        return 0;
}

static int delete_cluster(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_cluster_request *in = input;
        struct ecs_delete_cluster_response *out = output;
        struct cluster *cluster;
        struct state_cluster *state;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_empty(call, cluster);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &cluster->object);
        state->status = STATE_CLUSTER_STATUS_INACTIVE;
        state->inactive_at = call->now_ms;
        tx_put(tx, &cluster->object, state);
        (void)tx_commit(tx);
        out->cluster = answer_cluster(call, cluster, SHOW_SETTINGS | SHOW_TAGS);
        return 0;
}

const struct api_route ecs_cluster_routes[] = {
        {ECS_OP_CREATE_CLUSTER, create_cluster},
        {ECS_OP_DESCRIBE_CLUSTERS, describe_clusters},
        {ECS_OP_LIST_CLUSTERS, list_clusters},
        {ECS_OP_UPDATE_CLUSTER, update_cluster},
        {ECS_OP_UPDATE_CLUSTER_SETTINGS, update_cluster_settings},
        {ECS_OP_PUT_CLUSTER_CAPACITY_PROVIDERS, put_cluster_capacity_providers},
        {ECS_OP_DELETE_CLUSTER, delete_cluster},
        {0, NULL},
};
