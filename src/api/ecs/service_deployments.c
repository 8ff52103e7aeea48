/* SPDX-License-Identifier: Apache-2.0 */
/* Service deployments and service revisions: list, describe, stop, continue. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/ecs/services.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "control/service/deploy.h"
#include "model/names.h"

#define MAX_DESCRIBED 20
#define STANDARD_PAGE 20
#define MAX_PAGE 100

#define INVALID "InvalidParameterException"

/* ---- Showing ---- */

static char *revision_arn(struct api_call *call, const struct state_service_deployment *state, const char *id)
{
        return model_service_revision_arn(call->model, call->arena, state->cluster, state->service, id);
}

static void view_summary(struct api_call *call, const struct service_deployment *deployment, const char *id,
                         struct ecs_service_revision_summary *out)
{
        const struct state_service_deployment *state = deployment->state;
        const struct service_revision *revision = model_service_revision(call->model, state->cluster, state->service, id);
        struct revision_counts counts = {0};

        if (revision != NULL)
                counts = ecs_revision_counts(deployment->service, revision);
        out->arn = revision_arn(call, state, id);
        SHAPE_SET(out, ecs_service_revision_summary, requested_task_count, counts.requested);
        SHAPE_SET(out, ecs_service_revision_summary, running_task_count, counts.running);
        SHAPE_SET(out, ecs_service_revision_summary, pending_task_count, counts.pending);
}

static void view_breaker(struct api_call *call, const struct state_service_deployment *state, struct ecs_service_deployment *out)
{
        const struct ecs_deployment_circuit_breaker *breaker =
                state->deployment_configuration ? state->deployment_configuration->deployment_circuit_breaker : NULL;
        struct ecs_service_deployment_circuit_breaker *view = ARENA_NEW(call->arena, struct ecs_service_deployment_circuit_breaker);

        out->deployment_circuit_breaker = view;
        SHAPE_SET(view, ecs_service_deployment_circuit_breaker, failure_count, state->failure_count);
        SHAPE_SET(view, ecs_service_deployment_circuit_breaker, threshold, state->threshold);
        if (breaker == NULL || !breaker->enable)
                view->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_DISABLED;
        else if (state->threshold > 0 && state->failure_count >= state->threshold)
                view->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_TRIGGERED;
        else if (service_deployment_in_progress(state))
                view->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING;
        else
                view->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING_COMPLETE;
}

static void view_deployment(struct api_call *call, const struct service_deployment *deployment, struct ecs_service_deployment *out)
{
        const struct state_service_deployment *state = deployment->state;

        out->service_deployment_arn = model_service_deployment_arn(call->model, call->arena, state->cluster, state->service, state->id);
        out->service_arn = model_service_arn(call->model, call->arena, state->cluster, state->service);
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->created_at = state->created_at;
        out->started_at = state->started_at;
        out->finished_at = state->finished_at;
        out->stopped_at = state->stopped_at;
        out->updated_at = state->updated_at;
        for (uint32_t i = 0; i < state->sources.n; i++)
                view_summary(call, deployment, state->sources.items[i], SHAPE_PUSH(call->arena, &out->source_service_revisions));
        if (state->target != NULL) {
                out->target_service_revision = ARENA_NEW(call->arena, struct ecs_service_revision_summary);
                view_summary(call, deployment, state->target, out->target_service_revision);
        }
        out->status = state->status;
        out->status_reason = state->status_reason;
        out->lifecycle_stage = state->lifecycle_stage;
        out->lifecycle_hook_details = state->hooks;
        out->deployment_configuration = state->deployment_configuration;
        out->rollback = state->rollback;
        view_breaker(call, state, out);
        out->alarms = state->alarms;
}

static void view_brief(struct api_call *call, const struct service_deployment *deployment, struct ecs_service_deployment_brief *out)
{
        const struct state_service_deployment *state = deployment->state;

        out->service_deployment_arn = model_service_deployment_arn(call->model, call->arena, state->cluster, state->service, state->id);
        out->service_arn = model_service_arn(call->model, call->arena, state->cluster, state->service);
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->created_at = state->created_at;
        out->started_at = state->started_at;
        out->finished_at = state->finished_at;
        if (state->target != NULL)
                out->target_service_revision_arn = revision_arn(call, state, state->target);
        out->status = state->status;
        out->status_reason = state->status_reason;
}

static void view_revision(struct api_call *call, const struct service_revision *revision, struct ecs_service_revision *out)
{
        const struct state_service_revision *state = revision->state;

        out->service_revision_arn = model_service_revision_arn(call->model, call->arena, state->cluster, state->service, state->id);
        out->service_arn = model_service_arn(call->model, call->arena, state->cluster, state->service);
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->task_definition = model_task_definition_arn(call->model, call->arena, state->family, state->revision);
        out->capacity_provider_strategy = state->capacity_provider_strategy;
        out->launch_type = state->launch_type;
        out->platform_version = state->platform_version;
        out->platform_family = state->platform_family;
        out->load_balancers = state->load_balancers;
        out->service_registries = state->service_registries;
        out->network_configuration = state->network_configuration;
        out->container_images = state->container_images;
        SHAPE_SET(out, ecs_service_revision, guard_duty_enabled, false);
        out->service_connect_configuration = state->service_connect_configuration;
        out->volume_configurations = state->volume_configurations;
        out->created_at = state->created_at;
        out->vpc_lattice_configurations = state->vpc_lattice_configurations;
}

/* ---- List: the newest first ---- */

/* Sorts as its deployments do: by the time of their making, then by id. */
static const char *page_key(struct api_call *call, const struct state_service_deployment *state)
{
        return arena_printf(call->arena, "%019lld/%s", (long long)state->created_at, state->id);
}

static bool chosen(const struct ecs_list_service_deployments_request *in, const struct state_service_deployment *state)
{
        if (in->status.n > 0 && !ecs_includes(&in->status, (int)state->status))
                return false;
        if (in->created_at == NULL)
                return true;
        if (in->created_at->after != 0 && state->created_at < in->created_at->after)
                return false;
        return in->created_at->before == 0 || state->created_at <= in->created_at->before;
}

static const char *list_binding(struct api_call *call, const struct ecs_list_service_deployments_request *in)
{
        const char *text = arena_printf(call->arena, "%s|%lld|%lld", in->service, in->created_at ? (long long)in->created_at->after : 0,
                                        in->created_at ? (long long)in->created_at->before : 0);

        for (uint32_t i = 0; i < in->status.n; i++)
                text = arena_printf(call->arena, "%s|%lld", text, (long long)in->status.items[i]);
        return text;
}

static int list_service_deployments(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_service_deployments_request *in = input;
        struct ecs_list_service_deployments_response *out = output;
        struct service *service;
        struct cluster *cluster;
        struct api_page page;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = ecs_find_service(call, cluster, in->service, &service);
        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_service_deployments_request, max_results), in->max_results,
                                   MAX_PAGE, STANDARD_PAGE, list_binding(call, in), &page);
        if (r != 0)
                return r;
        if (service_is_external(service->state))
                return api_fail(call, "UnsupportedFeatureException",
                                "Service deployments are only available for services with the ECS deployment controller; this one has task "
                                "sets, see DescribeTaskSets.");
        list_for_each_reverse (deployment, &service->deployments, struct service_deployment, in_service) {
                const char *key = page_key(call, deployment->state);

                if (!chosen(in, deployment->state) || (page.after != NULL && strcmp(key, page.after) >= 0))
                        continue;
                if (!api_page_add(&page, key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                view_brief(call, deployment, SHAPE_PUSH(call->arena, &out->service_deployments));
        }
        return 0;
}

/* ---- Describe ---- */

static int check_arns(struct api_call *call, const char *member, const struct string_list *arns)
{
        if (arns->n == 0)
                return api_fail(call, INVALID, "%s: name at least one ARN.", member);
        if (arns->n > MAX_DESCRIBED)
                return api_fail(call, INVALID, "%s: %u ARNs; at most %d can be described in one call.", member, arns->n, MAX_DESCRIBED);
        return 0;
}

/* *ret is NULL when there is none. Fails on a text that is not an ARN of ours, or of another type. */
static int find_by_arn(struct api_call *call, const char *arn, enum object_kind kind, const char *type, struct object **ret)
{
        struct object *object;
        struct arn parsed;
        int r = model_find_resource(call->model, arn, &object, &call->error);

        *ret = NULL;
        if (r < 0 && r != -ENOENT)
                return r;
        if (arn_parse(arn, &parsed) < 0 || arn_resource(&parsed, type) == NULL)
                return api_fail(call, INVALID, "Invalid identifier: expected an ARN of type %s, and this is %.300s.", type, arn);
        if (r == 0 && object->kind == kind)
                *ret = object;
        return 0;
}

static int describe_service_deployments(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_service_deployments_request *in = input;
        struct ecs_describe_service_deployments_response *out = output;
        int r = check_arns(call, "serviceDeploymentArns", &in->service_deployment_arns);

        for (uint32_t i = 0; r == 0 && i < in->service_deployment_arns.n; i++) {
                const char *arn = in->service_deployment_arns.items[i];
                struct object *object;

                r = find_by_arn(call, arn, OBJECT_SERVICE_DEPLOYMENT, "service-deployment", &object);
                if (r < 0)
                        break;
                if (object != NULL)
                        view_deployment(call, CONTAINER_OF(object, struct service_deployment, object),
                                        SHAPE_PUSH(call->arena, &out->service_deployments));
                else
                        ecs_fail_item(call, &out->failures, arn, "MISSING", NULL);
        }
        return r;
}

static int describe_service_revisions(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_service_revisions_request *in = input;
        struct ecs_describe_service_revisions_response *out = output;
        int r = check_arns(call, "serviceRevisionArns", &in->service_revision_arns);

        for (uint32_t i = 0; r == 0 && i < in->service_revision_arns.n; i++) {
                const char *arn = in->service_revision_arns.items[i];
                struct object *object;

                r = find_by_arn(call, arn, OBJECT_SERVICE_REVISION, "service-revision", &object);
                if (r < 0)
                        break;
                if (object != NULL)
                        view_revision(call, CONTAINER_OF(object, struct service_revision, object),
                                      SHAPE_PUSH(call->arena, &out->service_revisions));
                else
                        ecs_fail_item(call, &out->failures, arn, "MISSING", NULL);
        }
        return r;
}

/* ---- Stop, continue ---- */

static int find_deployment(struct api_call *call, const char *arn, struct service_deployment **ret)
{
        struct object *object;
        int r = find_by_arn(call, arn, OBJECT_SERVICE_DEPLOYMENT, "service-deployment", &object);

        if (r != 0)
                return r;
        if (object == NULL)
                return api_fail(call, "ServiceDeploymentNotFoundException", "The service deployment %.300s was not found.", arn);
        *ret = CONTAINER_OF(object, struct service_deployment, object);
        return 0;
}

static int stop_service_deployment(struct api_call *call, const void *input, void *output)
{
        const struct ecs_stop_service_deployment_request *in = input;
        struct ecs_stop_service_deployment_response *out = output;
        struct service_deployment *deployment = NULL;
        enum ecs_service_deployment_status status;
        int r = find_deployment(call, in->service_deployment_arn, &deployment);

        if (r != 0)
                return r;
        status = deployment->state->status;
        if (status != ECS_SERVICE_DEPLOYMENT_STATUS_PENDING && status != ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS)
                return api_fail(call, "ConflictException",
                                "The service deployment is %s: only one that is PENDING or IN_PROGRESS can be stopped.",
                                shape_enum_name(&ecs_service_deployment_status_enum, (int)status));
        if (deployment->state->lifecycle_stage == ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP)
                return api_fail(call, "ConflictException",
                                "The service deployment is in stage CLEAN_UP: the tasks it would go back to are being stopped. Start a new "
                                "deployment instead.");
        struct tx *tx = tx_begin(call->model);

        service_stop_deployment(tx, deployment, in->stop_type == ECS_STOP_SERVICE_DEPLOYMENT_STOP_TYPE_ABORT, call->now_ms);
        (void)tx_commit(tx);
        out->service_deployment_arn = in->service_deployment_arn;
        return 0;
}

static int continue_service_deployment(struct api_call *call, const void *input, void *output)
{
        const struct ecs_continue_service_deployment_request *in = input;
        struct ecs_continue_service_deployment_response *out = output;
        struct service_deployment *deployment = NULL;
        struct tx *tx;
        int r = find_deployment(call, in->service_deployment_arn, &deployment);

        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        if (!service_continue_deployment(tx, deployment, in->hook_id,
                                         in->action ? in->action : ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_CONTINUE, call->now_ms)) {
                tx_rollback(tx);
                return api_fail(
                        call, INVALID,
                        "No lifecycle hook \"%.100s\" of the service deployment is waiting for an action: see lifecycleHookDetails in "
                        "DescribeServiceDeployments for those that are AWAITING_ACTION.",
                        in->hook_id);
        }
        (void)tx_commit(tx);
        out->service_deployment_arn = in->service_deployment_arn;
        return 0;
}

const struct api_route ecs_service_deployment_routes[] = {
        {ECS_OP_LIST_SERVICE_DEPLOYMENTS, list_service_deployments},
        {ECS_OP_DESCRIBE_SERVICE_DEPLOYMENTS, describe_service_deployments},
        {ECS_OP_DESCRIBE_SERVICE_REVISIONS, describe_service_revisions},
        {ECS_OP_STOP_SERVICE_DEPLOYMENT, stop_service_deployment},
        {ECS_OP_CONTINUE_SERVICE_DEPLOYMENT, continue_service_deployment},
        {0, NULL},
};
