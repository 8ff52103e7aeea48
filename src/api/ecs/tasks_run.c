/* SPDX-License-Identifier: Apache-2.0 */
/* RunTask and StartTask: new tasks, placed by the scheduler or where the caller says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/agent/agents.h"
#include "api/ecs/common.h"
#include "api/ecs/instances.h"
#include "api/ecs/launch_rules.h"
#include "api/ecs/routes.h"
#include "api/ecs/tasks.h"
#include "api/ecs/tokens.h"
#include "api/server.h"
#include "base/strutil.h"
#include "codec/sha256.h"
#include "control/capacity/fargate.h"
#include "control/capacity/provided.h"
#include "control/capacity/providers.h"
#include "control/task_network.h"
#include "sched/sched.h"

#define MAX_COUNT 10
#define MAX_INSTANCES 10
#define MAX_TOKEN 64
#define MAX_FAILURES 100
#define TOKEN_MS (INT64_C(24) * 3600 * 1000)

#define INVALID "InvalidParameterException"

static const struct int_list with_tags = {(int64_t[]){ECS_TASK_FIELD_TAGS}, 1};

/* ---- Failures ---- */

static bool has_attribute(const struct instance *instance, const struct ecs_attribute *wanted)
{
        const char *value = ecs_instance_attribute(instance, wanted->name);

        return value && (str_empty(wanted->value) || str_eq(value, wanted->value));
}

/* ECS only says ATTRIBUTE: name those that are missing, after `lacks`. */
static const char *missing_attributes(struct api_call *call, const struct instance *instance, const struct ecs_task_definition *definition,
                                      const char *lacks)
{
        CLEANUP_BUF struct buf text = {0};

        for (uint32_t i = 0; i < definition->requires_attributes.n; i++)
                if (!has_attribute(instance, &definition->requires_attributes.items[i]))
                        buf_printf(&text, "%s%s", text.len > 0 ? ", " : lacks, definition->requires_attributes.items[i].name);
        return text.len > 0 ? arena_strndup(call->arena, text.data, text.len) : NULL;
}

static void fail_on(struct api_call *call, const struct instance *instance, const struct task_request *request, const char *reason,
                    struct ecs_failure_list *failures)
{
        const struct ecs_task_definition *definition = request->definition->state->definition;
        const char *detail =
                str_eq(reason, "ATTRIBUTE") ? missing_attributes(call, instance, definition, "The container instance lacks: ") : NULL;

        ecs_fail_item(call, failures, model_instance_arn(call->model, call->arena, instance->state->cluster, instance->state->id), reason,
                      detail);
}

static int no_gpu(struct api_call *call, const struct task_request *request, struct ecs_failure_list *failures)
{
        list_for_each (instance, &request->cluster->instances, struct instance, in_cluster)
                if (failures->n < MAX_FAILURES)
                        fail_on(call, instance, request, "RESOURCE:GPU", failures);
        return 0;
}

/* ---- Making tasks ---- */

/* Without a wish of the caller's the task is of the kind that its instance is. */
static enum ecs_launch_type launch_type(const struct instance *instance, enum ecs_launch_type wanted)
{
        if (wanted)
                return wanted;
        return ecs_instance_attribute(instance, "ecs.capability.external") ? ECS_LAUNCH_TYPE_EXTERNAL : ECS_LAUNCH_TYPE_EC2;
}

/* NULL, and what ECS calls the reason, when there is no address for it. */
static struct task *insert_task(struct api_call *call, struct tx *tx, struct task_request *request, const struct instance *instance,
                                enum ecs_launch_type wanted, const char **ret_reason)
{
        struct state_task *state;
        struct object *object;
        struct task *task;
        struct error ignored = {0};
        int r;

        request->launch_type = launch_type(instance, wanted);
        state = task_make(call->api->env, request, tx_arena(tx));
        state->instance = instance->state->id;
        r = task_network_attach(call->model, tx, state, ecs_instance_attribute(instance, "ecs.availability-zone"), &ignored);
        if (r < 0) {
                *ret_reason = r == -ENOENT ? "LOCATION" : "RESOURCE:ENI";
                return NULL;
        }
        object = tx_insert(tx, OBJECT_TASK, state);
        task = CONTAINER_OF(object, struct task, object);
        if (call->api->agents)
                agents_add_credentials(call->api->agents, tx, task);
        return task;
}

static void placement_of(struct task_request *request, const struct task_size *size, struct placement_request *ret)
{
        *ret = (struct placement_request){
                .cluster = (struct cluster *)request->cluster,
                .cpu = size->cpu,
                .memory = size->memory,
                .ports = &size->ports,
                .ports_udp = &size->ports_udp,
                .required = &request->definition->state->definition->requires_attributes,
                .group = request->group,
                .zones = request->zones,
        };
}

/* ---- RunTask ---- */

static int32_t run_count(const struct ecs_run_task_request *in)
{
        return SHAPE_HAS(in, ecs_run_task_request, count) ? in->count : 1;
}

static int check_run(struct api_call *call, const struct ecs_run_task_request *in)
{
        if (run_count(in) < 1 || run_count(in) > MAX_COUNT)
                return api_fail(call, INVALID, "count: %d tasks; 1 to %d can be run in one call.", run_count(in), MAX_COUNT);
        if (in->client_token && strlen(in->client_token) > MAX_TOKEN)
                return api_fail(call, INVALID, "clientToken: at most %d characters are allowed.", MAX_TOKEN);
        return 0;
}

/* Says what the request asks for, whatever its token is. */
static const char *digest(struct api_call *call, const struct ecs_run_task_request *in)
{
        struct ecs_run_task_request copy = *in;
        CLEANUP_BUF struct buf json = {0};
        char *hex = arena_bytes(call->arena, 2 * SHA256_SIZE + 1);

        copy.client_token = NULL;
        shape_to_json(&ecs_run_task_request_shape, &copy, &json);
        sha256_hex(json.data, json.len, hex);
        return hex;
}

static void view_again(struct api_call *call, const struct client_token *token, const char *cluster, struct ecs_run_task_response *out)
{
        for (uint32_t i = 0; i < token->state->task_ids.n; i++) {
                struct task *task = model_task(call->model, cluster, token->state->task_ids.items[i]);

                if (task)
                        ecs_view_task(call, task, &with_tags, SHAPE_PUSH(call->arena, &out->tasks));
        }
}

static int explain(struct api_call *call, struct placement_request *placement, const struct task_request *request, bool some,
                   struct ecs_failure_list *failures)
{
        struct placement_failures reasons;

        sched_explain(call->api->sched, placement, call->arena, &reasons);
        if (reasons.n == 0 && !some)
                return api_fail(call, INVALID, "No Container Instances were found in your cluster.");
        for (uint32_t i = 0; i < reasons.n; i++)
                fail_on(call, reasons.items[i].instance, request, reasons.items[i].reason, failures);
        return 0;
}

/* Commits the new tasks, and shows them; without one it undoes what was done on the way. */
static void finish_run(struct api_call *call, struct tx *tx, const struct ecs_run_task_request *in, const struct task_request *request,
                       const char *asked, struct task *const *tasks, int32_t n, struct ecs_run_task_response *out)
{
        struct string_list ids = {0};

        if (n == 0) {
                tx_rollback(tx);
                return;
        }
        for (int32_t i = 0; i < n; i++)
                string_list_push(call->arena, &ids, tasks[i]->state->id);
        ecs_token_remember(call, tx, request->cluster->state->name, in->client_token, asked, &ids, TOKEN_MS);
        (void)tx_commit(tx);
        for (int32_t i = 0; i < n; i++)
                ecs_view_task(call, tasks[i], &with_tags, SHAPE_PUSH(call->arena, &out->tasks));
}

/* Places as many of the tasks as there is room for: all in one transaction, one commit. */
static int run(struct api_call *call, const struct ecs_run_task_request *in, struct task_request *request,
               struct placement_request *placement, const char *asked, struct ecs_run_task_response *out)
{
        struct task *tasks[MAX_COUNT];
        struct tx *tx = tx_begin(call->model);
        const char *reason = NULL;
        int32_t n = 0;
        int r = 0;

        while (n < run_count(in)) {
                struct instance *instance = sched_pick(call->api->sched, placement);

                if (!instance)
                        break;
                tasks[n] = insert_task(call, tx, request, instance, in->launch_type, &reason);
                if (!tasks[n]) {
                        fail_on(call, instance, request, reason, &out->failures);
                        break;
                }
                n++;
        }
        if (n < run_count(in) && !reason)
                r = explain(call, placement, request, n > 0, &out->failures);
        finish_run(call, tx, in, request, asked, tasks, n, out);
        return n > 0 ? 0 : r;
}

/* ---- RunTask on Fargate ---- */

static void no_capacity(struct api_call *call, const struct task_request *request, const char *detail, struct ecs_failure_list *failures)
{
        ecs_fail_item(call, failures, model_cluster_arn(call->model, call->arena, request->cluster->state->name), FARGATE_UNAVAILABLE,
                      detail);
}

static const char *why_never(struct api_call *call, const struct task_request *request, const struct placement_request *placement)
{
        const struct instance *host = fargate_lacking(call->model, call->api->sched, placement);
        const char *lacks =
                host ? missing_attributes(call, host, request->definition->state->definition, "The Fargate hosts lack: ") : NULL;

        return lacks ? lacks : "No Fargate host of this server could ever take it: gantry capacity shows the hosts.";
}

/* On a host with room; else, when one would take it, without a place yet; NULL when none ever would. */
static struct task *insert_fargate(struct api_call *call, struct tx *tx, struct task_request *request,
                                   const struct placement_request *placement, size_t waiting, struct ecs_failure_list *failures)
{
        struct instance *host = fargate_pick(call->model, call->api->sched, placement, request->capacity_provider);
        struct state_task *state;
        struct error ignored = {0};
        struct task *task;

        if (!host && !fargate_possible(call->model, call->api->sched, placement)) {
                no_capacity(call, request, why_never(call, request, placement), failures);
                return NULL;
        }
        if (!host && waiting >= FARGATE_MAX_WAITING) {
                no_capacity(call, request, "The cluster has as many PROVISIONING tasks as it can have.", failures);
                return NULL;
        }
        state = task_make(call->api->env, request, tx_arena(tx));
        if (host)
                fargate_put_on(state, host);
        else
                state->last_status = STATE_TASK_STATUS_PROVISIONING;
        if (host && task_network_attach(call->model, tx, state, ecs_instance_attribute(host, "ecs.availability-zone"), &ignored) < 0) {
                no_capacity(call, request, "RESOURCE:ENI", failures);
                return NULL;
        }
        task = CONTAINER_OF(tx_insert(tx, OBJECT_TASK, state), struct task, object);
        if (call->api->agents)
                agents_add_credentials(call->api->agents, tx, task);
        return task;
}

static int run_fargate(struct api_call *call, const struct ecs_run_task_request *in, struct task_request *request,
                       const struct ecs_capacity_provider_strategy_item_list *strategy, const char *asked,
                       struct ecs_run_task_response *out)
{
        size_t waiting = request->cluster->n_waiting;
        struct placement_request plain, placement;
        struct task *tasks[MAX_COUNT];
        struct tx *tx = tx_begin(call->model);
        struct providers providers;
        struct task_size size;
        int32_t n = 0;

        task_size_of(request->definition->state->definition, request->overrides, call->arena, &size);
        placement_of(request, &size, &plain);
        fargate_request(&plain, call->arena, &placement);
        providers_init(&providers, strategy, call->arena);
        request->launch_type = ECS_LAUNCH_TYPE_FARGATE;
        request->platform_version = fargate_platform(in->platform_version);
        for (; n < run_count(in); n++) {
                struct provider_count *provider = providers_next(&providers);

                request->capacity_provider = provider ? provider_name(provider->item) : NULL;
                tasks[n] = insert_fargate(call, tx, request, &placement, waiting, &out->failures);
                if (!tasks[n])
                        break;
                waiting += task_is_waiting(tasks[n]->state);
                if (provider)
                        provider->n++;
        }
        finish_run(call, tx, in, request, asked, tasks, n, out);
        return 0;
}

/* ---- RunTask on capacity providers over Auto Scaling groups ---- */

/* Of the request, for as long as the task waits. */
static struct state_task_wish *wish_of(struct arena *arena, const struct ecs_run_task_request *in)
{
        struct state_task_wish *wish = ARENA_NEW(arena, struct state_task_wish);

        wish->placement_constraints = in->placement_constraints;
        wish->placement_strategy = in->placement_strategy;
        return wish;
}

/* Without a place yet, when a machine of the group would hold it; else NULL. */
static struct task *insert_waiting(struct api_call *call, struct tx *tx, struct task_request *request,
                                   const struct ecs_run_task_request *in, const struct placement_request *placement, size_t waiting,
                                   struct ecs_failure_list *failures)
{
        const char *cluster = model_cluster_arn(call->model, call->arena, request->cluster->state->name);
        const char *lacks = provided_lacks(call->model, request->capacity_provider, placement->cpu, placement->memory);
        struct state_task *state;
        struct task *task;

        if (lacks != NULL || waiting >= FARGATE_MAX_WAITING) {
                ecs_fail_item(call, failures, cluster, lacks != NULL ? lacks : "RESOURCE:CAPACITY",
                              lacks != NULL ? "No machine that the capacity provider's Auto Scaling group launches is large enough: its "
                                              "launch template names a smaller instance type."
                                            : "The cluster has as many PROVISIONING tasks as it can have.");
                return NULL;
        }
        request->launch_type = ECS_LAUNCH_TYPE_EC2;
        state = task_make(call->api->env, request, tx_arena(tx));
        state->last_status = STATE_TASK_STATUS_PROVISIONING;
        state->wish = wish_of(tx_arena(tx), in);
        task = CONTAINER_OF(tx_insert(tx, OBJECT_TASK, state), struct task, object);
        if (call->api->agents)
                agents_add_credentials(call->api->agents, tx, task);
        return task;
}

/* Each task on an instance of its provider, or waiting for one. */
static int run_provided(struct api_call *call, const struct ecs_run_task_request *in, struct task_request *request,
                        struct placement_request *plain, const struct ecs_capacity_provider_strategy_item_list *strategy, const char *asked,
                        struct ecs_run_task_response *out)
{
        size_t waiting = request->cluster->n_waiting;
        struct task *tasks[MAX_COUNT];
        struct tx *tx = tx_begin(call->model);
        struct providers providers;
        int32_t n = 0;

        providers_init(&providers, strategy, call->arena);
        for (; n < run_count(in); n++) {
                struct provider_count *provider = providers_next(&providers);
                struct placement_request placement;
                struct instance *instance = NULL;
                const char *reason = NULL;

                request->capacity_provider = provider_name(provider->item);
                if (provided_request(call->model, plain, request->capacity_provider, call->arena, &placement))
                        instance = sched_pick(call->api->sched, &placement);
                tasks[n] = instance ? insert_task(call, tx, request, instance, ECS_LAUNCH_TYPE_EC2, &reason)
                                    : insert_waiting(call, tx, request, in, plain, waiting, &out->failures);
                if (!tasks[n] && reason)
                        fail_on(call, instance, request, reason, &out->failures);
                if (!tasks[n])
                        break;
                waiting += task_is_waiting(tasks[n]->state);
                provider->n++;
        }
        finish_run(call, tx, in, request, asked, tasks, n, out);
        return 0;
}

/* Constraints and strategies choose among instances, which Fargate tasks do not have. */
static int check_fargate_placement(struct api_call *call, const struct ecs_run_task_request *in)
{
        if (in->placement_constraints.n > 0)
                return api_fail(call, INVALID, "Placement constraints are not supported with FARGATE launch type.");
        if (in->placement_strategy.n > 0)
                return api_fail(call, INVALID, "Placement strategies are not supported with FARGATE launch type.");
        return 0;
}

static int prepare_run(struct api_call *call, const struct ecs_run_task_request *in, struct cluster *cluster, struct task_request *request,
                       struct placement_rules *rules, struct ecs_capacity_provider_strategy_item_list *strategy)
{
        struct task_input input = {
                .task_definition = in->task_definition,
                .group = in->group,
                .started_by = in->started_by,
                .reference_id = in->reference_id,
                .overrides = in->overrides,
                .network = in->network_configuration,
                .tags = &in->tags,
                .volumes = &in->volume_configurations,
                .propagate_tags = in->propagate_tags,
                .managed_tags = in->enable_ecs_managed_tags,
                .execute_command = in->enable_execute_command,
        };
        const struct launch_wish wish = {
                .launch_type = in->launch_type,
                .strategy = &in->capacity_provider_strategy,
                .platform_version = in->platform_version,
        };
        struct task_definition *found;
        int r;

        r = ecs_runnable_task_definition(call, in->task_definition, &found);
        if (r != 0)
                return r;
        r = launch_check(call, cluster, found->state->definition, &wish, strategy);
        input.fargate = r == 0 && launch_is_fargate(in->launch_type, strategy);
        if (input.fargate)
                r = check_fargate_placement(call, in);
        if (r == 0)
                r = ecs_prepare_task(call, cluster, &input, request);
        if (r == 0)
                r = placement_rules_read(&in->placement_constraints, &found->state->definition->placement_constraints,
                                         &in->placement_strategy, rules, &call->error);
        if (r == 0)
                r = sched_check_rules(call->api->sched, rules, &call->error);
        return r;
}

static int run_task(struct api_call *call, const void *input, void *output)
{
        const struct ecs_run_task_request *in = input;
        struct ecs_capacity_provider_strategy_item_list strategy;
        struct task_request request;
        struct placement_request placement;
        struct placement_rules rules;
        struct client_token *token;
        struct task_size size;
        struct cluster *cluster;
        const char *asked = str_empty(in->client_token) ? "" : digest(call, in);
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_run(call, in);
        if (r == 0)
                r = ecs_token_find(call, cluster->state->name, in->client_token, asked, &token);
        if (r != 0)
                return r;
        if (token) {
                view_again(call, token, cluster->state->name, output);
                return 0;
        }
        r = prepare_run(call, in, cluster, &request, &rules, &strategy);
        if (r != 0)
                return r;
        if (launch_is_fargate(in->launch_type, &strategy))
                return run_fargate(call, in, &request, &strategy, asked, output);
        if (ecs_needs_gpu(&request))
                return no_gpu(call, &request, &((struct ecs_run_task_response *)output)->failures);
        task_size_of(request.definition->state->definition, request.overrides, call->arena, &size);
        placement_of(&request, &size, &placement);
        placement.launch_type = in->launch_type;
        placement.rules = &rules;
        if (strategy.n > 0)
                return run_provided(call, in, &request, &placement, &strategy, asked, output);
        return run(call, in, &request, &placement, asked, output);
}

/* ---- StartTask ---- */

static struct task *start_on(struct api_call *call, struct tx *tx, struct task_request *request, struct placement_request *placement,
                             const char *text, struct ecs_failure_list *failures)
{
        struct instance *instance = ecs_find_instance(call, (struct cluster *)request->cluster, text);
        const char *reason;

        if (!instance) {
                const char *arn = str_starts_with(text, "arn:")
                                          ? text
                                          : model_instance_arn(call->model, call->arena, request->cluster->state->name, text);

                ecs_fail_item(call, failures, arn, "MISSING", NULL);
                return NULL;
        }
        reason = ecs_needs_gpu(request) ? "RESOURCE:GPU" : sched_reason(call->api->sched, placement, instance);
        if (!reason) {
                struct task *task = insert_task(call, tx, request, instance, ECS_LAUNCH_TYPE_UNSET, &reason);

                if (task)
                        return task;
        }
        fail_on(call, instance, request, reason, failures);
        return NULL;
}

static int start_all(struct api_call *call, const struct ecs_start_task_request *in, struct task_request *request,
                     struct ecs_start_task_response *out)
{
        struct placement_request placement;
        struct task *tasks[MAX_INSTANCES];
        struct tx *tx = tx_begin(call->model);
        struct task_size size;
        size_t n = 0;

        task_size_of(request->definition->state->definition, request->overrides, call->arena, &size);
        placement_of(request, &size, &placement);
        for (uint32_t i = 0; i < in->container_instances.n; i++) {
                struct task *task = start_on(call, tx, request, &placement, in->container_instances.items[i], &out->failures);

                if (task)
                        tasks[n++] = task;
        }
        if (n == 0)
                tx_rollback(tx);
        else
                (void)tx_commit(tx);
        for (size_t i = 0; i < n; i++)
                ecs_view_task(call, tasks[i], &with_tags, SHAPE_PUSH(call->arena, &out->tasks));
        return 0;
}

static int start_task(struct api_call *call, const void *input, void *output)
{
        const struct ecs_start_task_request *in = input;
        struct task_input common = {
                .task_definition = in->task_definition,
                .group = in->group,
                .started_by = in->started_by,
                .reference_id = in->reference_id,
                .overrides = in->overrides,
                .network = in->network_configuration,
                .tags = &in->tags,
                .volumes = &in->volume_configurations,
                .propagate_tags = in->propagate_tags,
                .managed_tags = in->enable_ecs_managed_tags,
                .execute_command = in->enable_execute_command,
        };
        struct task_request request;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        if (in->container_instances.n == 0)
                return api_fail(call, INVALID, "Container instances cannot be empty.");
        if (in->container_instances.n > MAX_INSTANCES)
                return api_fail(call, INVALID, "containerInstances: %u container instances; at most %d can be named in one call.",
                                in->container_instances.n, MAX_INSTANCES);
        r = ecs_prepare_task(call, cluster, &common, &request);
        if (r != 0)
                return r;
        if (!launch_compatible(request.definition->state->definition, ECS_COMPATIBILITY_EC2) &&
            !launch_compatible(request.definition->state->definition, ECS_COMPATIBILITY_EXTERNAL))
                return api_fail(call, INVALID, "Task definition does not support launch_type EC2.");
        return start_all(call, in, &request, output);
}

const struct api_route ecs_run_routes[] = {
        {ECS_OP_RUN_TASK, run_task},
        {ECS_OP_START_TASK, start_task},
        {0, NULL},
};
