/* SPDX-License-Identifier: Apache-2.0 */
/* How the API shows a service: what was asked for, with the defaults that AWS fills in, its deployments and its events. */

#include "api/ecs/common.h"
#include "api/ecs/services.h"
#include "base/strutil.h"
#include "control/service/deploy.h"

/* ---- Counts ---- */

struct revision_counts ecs_revision_counts(const struct service *service, const struct service_revision *revision)
{
        bool primary = str_eq(service->state->primary, revision->state->id);
        struct revision_counts counts = {
                .running = (int32_t)revision->counts.running,
                .pending = (int32_t)revision->counts.pending,
        };

        /* Of an older one nothing is wanted any more but what still stands in for the newer. */
        counts.requested = primary ? service->state->desired_count : counts.running + counts.pending;
        return counts;
}

int32_t ecs_task_set_desired(const struct task_set *set)
{
        return (int32_t)task_set_desired(set);
}

const struct task_set *ecs_primary_task_set(const struct service *service)
{
        list_for_each (set, &service->task_sets, struct task_set, in_service)
                if (set->state->status == STATE_TASK_SET_STATUS_PRIMARY)
                        return set;
        return NULL;
}

/* ---- Deployments ---- */

static void view_deployment(struct api_call *call, const struct service *service, const struct service_revision *revision,
                            struct ecs_deployment *out)
{
        const struct state_service_revision *state = revision->state;
        struct revision_counts counts = ecs_revision_counts(service, revision);
        bool primary = str_eq(service->state->primary, state->id);

        out->id = arena_printf(call->arena, "ecs-svc/%s", state->id);
        out->status = primary ? "PRIMARY" : "ACTIVE";
        out->task_definition = model_task_definition_arn(call->model, call->arena, state->family, state->revision);
        SHAPE_SET(out, ecs_deployment, desired_count, counts.requested);
        SHAPE_SET(out, ecs_deployment, running_count, counts.running);
        SHAPE_SET(out, ecs_deployment, pending_count, counts.pending);
        SHAPE_SET(out, ecs_deployment, failed_tasks, state->failed_tasks);
        out->created_at = state->created_at;
        out->updated_at = state->updated_at;
        out->capacity_provider_strategy = state->capacity_provider_strategy;
        out->launch_type = state->launch_type;
        out->platform_version = state->platform_version;
        out->platform_family = state->platform_family;
        out->network_configuration = state->network_configuration;
        out->rollout_state = state->rollout_state;
        out->rollout_state_reason = state->rollout_state_reason;
        out->service_connect_configuration = state->service_connect_configuration;
        out->volume_configurations = state->volume_configurations;
        out->vpc_lattice_configurations = state->vpc_lattice_configurations;
}

static void view_current_revision(struct api_call *call, const struct service *service, const struct service_revision *revision,
                                  struct ecs_service *out)
{
        struct ecs_service_current_revision_summary *summary = SHAPE_PUSH(call->arena, &out->current_service_revisions);
        struct revision_counts counts = ecs_revision_counts(service, revision);
        const struct state_service_revision *state = revision->state;

        summary->arn = model_service_revision_arn(call->model, call->arena, state->cluster, state->service, state->id);
        SHAPE_SET(summary, ecs_service_current_revision_summary, requested_task_count, counts.requested);
        SHAPE_SET(summary, ecs_service_current_revision_summary, running_task_count, counts.running);
        SHAPE_SET(summary, ecs_service_current_revision_summary, pending_task_count, counts.pending);
}

static void view_one_revision(struct api_call *call, const struct service *service, const struct service_revision *revision,
                              struct ecs_service *out)
{
        view_deployment(call, service, revision, SHAPE_PUSH(call->arena, &out->deployments));
        view_current_revision(call, service, revision, out);
}

/* The primary first, then what is left of the others, the newest first: clients take a service for stable when only one is listed. */
static void view_deployments(struct api_call *call, const struct service *service, struct ecs_service *out)
{
        const struct service_revision *primary = service_primary(call->model, service);
        const struct state_service *state = service->state;

        if (primary != NULL && state->status != STATE_SERVICE_STATUS_INACTIVE)
                view_one_revision(call, service, primary, out);
        list_for_each_reverse (revision, &service->revisions, struct service_revision, in_service)
                if (revision != primary && service_revision_in_use(revision))
                        view_one_revision(call, service, revision, out);
        if (state->deployment != NULL)
                out->current_service_deployment =
                        model_service_deployment_arn(call->model, call->arena, state->cluster, state->name, state->deployment);
}

static void view_events(struct api_call *call, const struct service *service, struct ecs_service *out)
{
        list_for_each_reverse (item, &service->events, struct service_event, in_service) {
                const struct state_service_event *state = item->state;
                struct ecs_service_event *event = SHAPE_PUSH(call->arena, &out->events);

                event->id = state->id;
                event->created_at = state->created_at;
                event->message = state->message;
        }
}

/* ---- Task sets ---- */

void ecs_view_task_set(struct api_call *call, const struct task_set *set, const struct int_list *include, struct ecs_task_set *out)
{
        const struct state_task_set *state = set->state;

        out->id = arena_printf(call->arena, "ecs-svc/%s", state->id);
        out->task_set_arn = model_task_set_arn(call->model, call->arena, state->cluster, state->service, state->id);
        out->service_arn = model_service_arn(call->model, call->arena, state->cluster, state->service);
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->external_id = state->external_id;
        out->status = shape_enum_name(&state_task_set_status_enum, (int)state->status);
        out->task_definition = model_task_definition_arn(call->model, call->arena, state->family, state->revision);
        SHAPE_SET(out, ecs_task_set, computed_desired_count, ecs_task_set_desired(set));
        SHAPE_SET(out, ecs_task_set, pending_count, (int32_t)set->counts.pending);
        SHAPE_SET(out, ecs_task_set, running_count, (int32_t)set->counts.running);
        out->created_at = state->created_at;
        out->updated_at = state->updated_at;
        out->launch_type = state->launch_type;
        out->capacity_provider_strategy = state->capacity_provider_strategy;
        out->platform_version = state->platform_version;
        out->platform_family = state->platform_family;
        out->network_configuration = state->network_configuration;
        out->load_balancers = state->load_balancers;
        out->service_registries = state->service_registries;
        out->scale = state->scale;
        out->stability_status = state->stability_status;
        out->stability_status_at = state->stability_status_at;
        if (include != NULL && ecs_includes(include, ECS_TASK_SET_FIELD_TAGS))
                out->tags = state->tags;
}

static void view_task_sets(struct api_call *call, const struct service *service, struct ecs_service *out)
{
        const struct task_set *primary = ecs_primary_task_set(service);

        list_for_each (set, &service->task_sets, struct task_set, in_service)
                ecs_view_task_set(call, set, NULL, SHAPE_PUSH(call->arena, &out->task_sets));
        if (primary == NULL)
                return;
        out->task_definition = model_task_definition_arn(call->model, call->arena, primary->state->family, primary->state->revision);
        out->launch_type = primary->state->launch_type;
        out->capacity_provider_strategy = primary->state->capacity_provider_strategy;
        out->platform_version = primary->state->platform_version;
        out->platform_family = primary->state->platform_family;
        out->network_configuration = primary->state->network_configuration;
        out->load_balancers = primary->state->load_balancers;
        out->service_registries = primary->state->service_registries;
}

/* ---- The service ---- */

/* What only a new revision changes. */
static void view_revision(struct api_call *call, const struct service_revision *revision, struct ecs_service *out)
{
        const struct state_service_revision *state = revision->state;

        out->task_definition = model_task_definition_arn(call->model, call->arena, state->family, state->revision);
        out->launch_type = state->launch_type;
        out->capacity_provider_strategy = state->capacity_provider_strategy;
        out->platform_version = state->platform_version;
        out->platform_family = state->platform_family;
        out->network_configuration = state->network_configuration;
        out->load_balancers = state->load_balancers;
        out->service_registries = state->service_registries;
}

static void view_wishes(struct api_call *call, const struct state_service *state, struct ecs_service *out)
{
        SHAPE_SET(out, ecs_service, desired_count, state->desired_count);
        out->scheduling_strategy = state->scheduling_strategy;
        out->deployment_configuration = state->deployment_configuration;
        out->deployment_controller = ARENA_NEW(call->arena, struct ecs_deployment_controller);
        out->deployment_controller->type = state->deployment_controller;
        out->placement_constraints = state->placement_constraints;
        out->placement_strategy = state->placement_strategy;
        out->availability_zone_rebalancing = state->availability_zone_rebalancing;
        if (SHAPE_HAS(state, state_service, health_check_grace_period_seconds))
                SHAPE_SET(out, ecs_service, health_check_grace_period_seconds, state->health_check_grace_period_seconds);
        SHAPE_SET(out, ecs_service, enable_ecs_managed_tags, state->enable_ecs_managed_tags);
        SHAPE_SET(out, ecs_service, enable_execute_command, state->enable_execute_command);
        out->propagate_tags = state->propagate_tags ? state->propagate_tags : ECS_PROPAGATE_TAGS_NONE;
        out->role_arn = state->role_arn;
}

void ecs_view_service(struct api_call *call, const struct service *service, const struct int_list *include, struct ecs_service *out)
{
        const struct service_revision *primary = service_primary(call->model, service);
        const struct state_service *state = service->state;

        out->service_arn = model_service_arn(call->model, call->arena, state->cluster, state->name);
        out->service_name = state->name;
        out->cluster_arn = model_cluster_arn(call->model, call->arena, state->cluster);
        out->status = shape_enum_name(&state_service_status_enum, (int)state->status);
        SHAPE_SET(out, ecs_service, running_count, (int32_t)service->counts.running);
        SHAPE_SET(out, ecs_service, pending_count, (int32_t)service->counts.pending);
        view_wishes(call, state, out);
        if (primary != NULL)
                view_revision(call, primary, out);
        if (service_is_external(state))
                view_task_sets(call, service, out);
        view_deployments(call, service, out);
        view_events(call, service, out);
        out->created_at = state->created_at;
        out->created_by = state->created_by;
        out->resource_management_type = ECS_RESOURCE_MANAGEMENT_TYPE_CUSTOMER;
        if (include != NULL && ecs_includes(include, ECS_SERVICE_FIELD_TAGS))
                out->tags = state->tags;
}
