/* SPDX-License-Identifier: Apache-2.0 */
/* Container instances: describe, list, drain, update the agent, deregister. */
#include "api/ecs/instances.h"

#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/instance.h"
#include "control/task.h"
#include "sched/query.h"

#define MAX_DESCRIBE 100
#define MAX_UPDATE 10

static int check_count(struct api_call *call, uint32_t n, uint32_t max)
{
        if (n == 0)
                return api_fail(call, "InvalidParameterException", "Container instances cannot be empty.");
        if (n > max)
                return api_fail(call, "InvalidParameterException",
                                "containerInstances: %u container instances; at most %u can be named in one call.", n, max);
        return 0;
}

static void missing(struct api_call *call, const struct cluster *cluster, const char *text, struct ecs_failure_list *failures)
{
        const char *arn = str_starts_with(text, "arn:") ? text : model_instance_arn(call->model, call->arena, cluster->state->name, text);

        ecs_fail_item(call, failures, arn, "MISSING", NULL);
}

static int describe_container_instances(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_container_instances_request *in = input;
        struct ecs_describe_container_instances_response *out = output;
        struct cluster *cluster;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_count(call, in->container_instances.n, MAX_DESCRIBE);
        if (r != 0)
                return r;
        for (uint32_t i = 0; i < in->container_instances.n; i++) {
                const char *text = in->container_instances.items[i];
                struct instance *instance = ecs_find_instance(call, cluster, text);

                if (instance)
                        ecs_view_instance(call, instance, &in->include, SHAPE_PUSH(call->arena, &out->container_instances));
                else
                        missing(call, cluster, text, &out->failures);
        }
        return 0;
}

/* ---- List ---- */

static bool status_matches(const struct instance *instance, enum ecs_container_instance_status wanted)
{
        if (wanted == ECS_CONTAINER_INSTANCE_STATUS_UNSET)
                return instance->state->status != STATE_INSTANCE_STATUS_INACTIVE;
        return str_eq(shape_enum_name(&state_instance_status_enum, instance->state->status),
                      shape_enum_name(&ecs_container_instance_status_enum, wanted));
}

static void list_matching(struct api_call *call, const struct ecs_list_container_instances_request *in, const struct cluster *cluster,
                          const struct query *filter, struct api_page *page, struct ecs_list_container_instances_response *out)
{
        const struct tree *all = model_objects(call->model, OBJECT_INSTANCE);
        const char *prefix = arena_printf(call->arena, "%s/", cluster->state->name);

        for (struct tree_node *node = page->after ? tree_after(all, page->after) : tree_from(all, prefix);
             node && str_starts_with(node->key, prefix); node = tree_next(node)) {
                const struct instance *instance = MODEL_OBJECT(node, instance);

                if (!status_matches(instance, in->status) || (filter && !query_match(filter, instance)))
                        continue;
                if (!api_page_add(page, node->key)) {
                        out->next_token = api_page_token(call, page);
                        return;
                }
                string_list_push(call->arena, &out->container_instance_arns,
                                 model_instance_arn(call->model, call->arena, instance->state->cluster, instance->state->id));
        }
}

static int list_container_instances(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_container_instances_request *in = input;
        const char *binding =
                arena_printf(call->arena, "%s|%s|%d", in->cluster ? in->cluster : "", in->filter ? in->filter : "", in->status);
        struct query *filter = NULL;
        struct cluster *cluster;
        struct api_page page;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_container_instances_request, max_results), in->max_results,
                                   100, 100, binding, &page);
        if (r == 0 && !str_empty(in->filter))
                r = query_parse(in->filter, call->arena, &filter, &call->error);
        if (r != 0)
                return r;
        list_matching(call, in, cluster, filter, &page, output);
        query_done(filter);
        return 0;
}

/* ---- State ---- */

static void set_status(struct api_call *call, struct instance *instance, enum state_instance_status status)
{
        struct tx *tx = tx_begin(call->model);

        instance_set_status(tx, instance, status);
        (void)tx_commit(tx);
}

static int update_container_instances_state(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_container_instances_state_request *in = input;
        struct ecs_update_container_instances_state_response *out = output;
        enum state_instance_status status;
        struct cluster *cluster;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_count(call, in->container_instances.n, MAX_UPDATE);
        if (r != 0)
                return r;
        if (in->status != ECS_CONTAINER_INSTANCE_STATUS_ACTIVE && in->status != ECS_CONTAINER_INSTANCE_STATUS_DRAINING)
                return api_fail(call, "InvalidParameterException", "Container instance status should be one of [ACTIVE, DRAINING].");
        status = in->status == ECS_CONTAINER_INSTANCE_STATUS_ACTIVE ? STATE_INSTANCE_STATUS_ACTIVE : STATE_INSTANCE_STATUS_DRAINING;
        for (uint32_t i = 0; i < in->container_instances.n; i++) {
                struct instance *instance = ecs_find_instance(call, cluster, in->container_instances.items[i]);

                if (instance && (r = ecs_own_instance(call, instance)) < 0)
                        return r;
        }
        for (uint32_t i = 0; i < in->container_instances.n; i++) {
                struct instance *instance = ecs_find_instance(call, cluster, in->container_instances.items[i]);

                if (!instance) {
                        missing(call, cluster, in->container_instances.items[i], &out->failures);
                } else if (instance->state->status == STATE_INSTANCE_STATUS_INACTIVE) {
                        ecs_fail_item(call, &out->failures,
                                      model_instance_arn(call->model, call->arena, instance->state->cluster, instance->state->id),
                                      "INACTIVE", NULL);
                } else {
                        set_status(call, instance, status);
                        ecs_view_instance(call, instance, &(struct int_list){0}, SHAPE_PUSH(call->arena, &out->container_instances));
                }
        }
        return 0;
}

/* Updates come by the machine's package manager here, so there never is one that the server could send. */
static int update_container_agent(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_container_agent_request *in = input;
        struct cluster *cluster;
        struct instance *instance;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = ecs_need_instance(call, cluster, in->container_instance, &instance);
        if (r != 0)
                return r;
        if (str_empty(instance->state->agent_version))
                return api_fail(call, "MissingVersionException",
                                "The agent of container instance %s has not said its version yet: wait until it is connected.",
                                instance->state->id);
        return api_fail(call, "NoUpdateAvailableException",
                        "There is no update available for your container agent. Version %s is updated with the packages of its machine.",
                        instance->state->agent_version);
}

/* ---- Deregister ---- */

static void deregister(struct api_call *call, struct instance *instance)
{
        struct tx *tx = tx_begin(call->model);

        instance_deregister(tx, instance, ECS_TASK_STOP_CODE_USERINITIATED, TASK_REASON_DEREGISTERED, call->now_ms);
        (void)tx_commit(tx);
}

static int deregister_container_instance(struct api_call *call, const void *input, void *output)
{
        const struct ecs_deregister_container_instance_request *in = input;
        struct ecs_deregister_container_instance_response *out = output;
        struct cluster *cluster;
        struct instance *instance;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = ecs_need_instance(call, cluster, in->container_instance, &instance);
        if (r == 0)
                r = ecs_own_instance(call, instance);
        if (r != 0)
                return r;
        if (!in->force && !list_empty(&instance->tasks))
                return api_fail(call, "InvalidParameterException", "Found running tasks on the instance.");
        if (instance->state->status != STATE_INSTANCE_STATUS_INACTIVE)
                deregister(call, instance);
        out->container_instance = ARENA_NEW(call->arena, struct ecs_container_instance);
        ecs_view_instance(call, instance, &(struct int_list){0}, out->container_instance);
        return 0;
}

const struct api_route ecs_instance_routes[] = {
        {ECS_OP_DESCRIBE_CONTAINER_INSTANCES, describe_container_instances},
        {ECS_OP_LIST_CONTAINER_INSTANCES, list_container_instances},
        {ECS_OP_UPDATE_CONTAINER_INSTANCES_STATE, update_container_instances_state},
        {ECS_OP_UPDATE_CONTAINER_AGENT, update_container_agent},
        {ECS_OP_DEREGISTER_CONTAINER_INSTANCE, deregister_container_instance},
        {0, NULL},
};
