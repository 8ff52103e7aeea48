/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UpdateService. Members of the revision (what tasks are made of) start a deployment when they differ from what the service runs, or
 * when it is forced; all others take effect on the service as it is.
 */
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/ecs/service_rules.h"
#include "api/ecs/services.h"
#include "api/ecs/tasks.h"
#include "base/strutil.h"
#include "control/service/deploy.h"

#define INVALID "InvalidParameterException"

#define GIVEN(member) SHAPE_HAS(in, ecs_update_service_request, member)

/* What the request makes of the service: candidates that are not stored yet. */
struct update {
        const struct ecs_update_service_request *in;
        struct service *service;
        struct state_service *state;
        struct state_service_revision *revision; /* NULL: the service has none (external controller) */
        struct task_definition *definition;      /* of the revision; NULL when it was deleted */
        bool deploys;                            /* begins a deployment */
        bool edits_revision;                     /* changes how the revision's next tasks are launched, without one */
};

/* ---- Members of the revision ---- */

static int choose_definition(struct api_call *call, struct update *update)
{
        const struct ecs_update_service_request *in = update->in;
        struct state_service_revision *revision = update->revision;
        int r;

        if (in->task_definition == NULL) {
                update->definition = model_task_definition(call->model, revision->family, revision->revision);
                return 0;
        }
        r = ecs_runnable_task_definition(call, in->task_definition, &update->definition);
        if (r != 0)
                return r;
        revision->family = update->definition->state->definition->family;
        SHAPE_SET(revision, state_service_revision, revision, update->definition->state->definition->revision);
        return 0;
}

/* A list that was sent counts, also an empty one: it takes away what was there. (Stored, nothing and an empty list are the same.) */
#define REPLACE_LIST(to, from, member)                 \
        do {                                           \
                if ((from)->member.items != NULL)      \
                        (to)->member = (from)->member; \
                if ((to)->member.n == 0)               \
                        (to)->member.items = NULL;     \
        } while (0)

static void apply_to_revision(const struct ecs_update_service_request *in, struct state_service_revision *revision)
{
        if (in->network_configuration != NULL)
                revision->network_configuration = in->network_configuration;
        if (in->platform_version != NULL)
                revision->platform_version = str_empty(in->platform_version) ? NULL : in->platform_version;
        REPLACE_LIST(revision, in, load_balancers);
        REPLACE_LIST(revision, in, service_registries);
        if (in->service_connect_configuration != NULL)
                revision->service_connect_configuration = in->service_connect_configuration;
        REPLACE_LIST(revision, in, volume_configurations);
        REPLACE_LIST(revision, in, vpc_lattice_configurations);
        /* A strategy takes the place of the launch type; none at all means the cluster's default, else EC2. */
        if (in->capacity_provider_strategy.items != NULL) {
                REPLACE_LIST(revision, in, capacity_provider_strategy);
                revision->launch_type = ECS_LAUNCH_TYPE_UNSET;
        }
}

/* Whether tasks of `new` would be the same as those of `old`: the capacity provider strategy does not count. */
static bool same_tasks(const struct state_service_revision *old, const struct state_service_revision *new)
{
        struct state_service_revision a = *old, b = *new;

        b.launch_type = a.launch_type;
        b.capacity_provider_strategy = a.capacity_provider_strategy;
        return shape_equal(&state_service_revision_shape, &a, &b);
}

static int update_revision(struct api_call *call, struct update *update)
{
        const struct service_revision *primary = service_primary(call->model, update->service);
        int r;

        update->revision = SHAPE_COPY(state_service_revision, (struct state_service_revision *)(uintptr_t)primary->state, call->arena);
        r = choose_definition(call, update);
        if (r != 0)
                return r;
        apply_to_revision(update->in, update->revision);
        update->deploys = update->in->force_new_deployment || !same_tasks(primary->state, update->revision);
        update->edits_revision = !update->deploys && update->in->capacity_provider_strategy.items != NULL;
        if (!update->deploys && !update->edits_revision)
                return 0;
        if (update->definition == NULL)
                return api_fail(call, INVALID, "The task definition %s:%d of the service was deleted: name another taskDefinition.",
                                update->revision->family, update->revision->revision);
        return service_check_revision(call, update->service->cluster, update->state, update->definition, update->revision);
}

/* With an external controller these belong to the task sets. */
static int refuse_revision(struct api_call *call, const struct ecs_update_service_request *in)
{
        const struct {
                const char *what;
                bool given;
        } members[] = {
                {"update task definition", in->task_definition != NULL},
                {"update network parameters", in->network_configuration != NULL},
                {"update platform version", in->platform_version != NULL},
                {"update capacity provider strategy", in->capacity_provider_strategy.items != NULL},
                {"update load balancers", in->load_balancers.n > 0},
                {"update service registries", in->service_registries.n > 0},
                {"update Service Connect", in->service_connect_configuration != NULL},
                {"update volume configurations", in->volume_configurations.n > 0},
                {"update VPC Lattice configurations", in->vpc_lattice_configurations.n > 0},
                {"force a new deployment", in->force_new_deployment},
        };

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (members[i].given)
                        return api_fail(
                                call, INVALID,
                                "Unable to %s on services with an EXTERNAL deployment controller. Use CreateTaskSet to trigger a new "
                                "deployment.",
                                members[i].what);
        return 0;
}

/* ---- Members of the service ---- */

static int check_kind(struct api_call *call, const struct update *update)
{
        const struct ecs_update_service_request *in = update->in;
        const struct state_service *state = update->service->state;

        if (state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON && GIVEN(desired_count))
                return api_fail(call, INVALID,
                                "The daemon scheduling strategy does not support a desired count for services. Remove the desired count "
                                "value and try again");
        if (in->deployment_controller != NULL && in->deployment_controller->type != state->deployment_controller)
                return api_fail(
                        call, INVALID,
                        "deploymentController: a service keeps the controller that it was created with (%s). Create another service "
                        "for %s.",
                        shape_enum_name(&ecs_deployment_controller_type_enum, (int)state->deployment_controller),
                        shape_enum_name(&ecs_deployment_controller_type_enum, (int)in->deployment_controller->type));
        return 0;
}

static void apply_to_service(const struct ecs_update_service_request *in, struct state_service *state)
{
        if (GIVEN(desired_count))
                SHAPE_SET(state, state_service, desired_count, in->desired_count);
        if (GIVEN(health_check_grace_period_seconds))
                SHAPE_SET(state, state_service, health_check_grace_period_seconds, in->health_check_grace_period_seconds);
        if (GIVEN(enable_execute_command))
                SHAPE_SET(state, state_service, enable_execute_command, in->enable_execute_command);
        if (GIVEN(enable_ecs_managed_tags))
                SHAPE_SET(state, state_service, enable_ecs_managed_tags, in->enable_ecs_managed_tags);
        if (in->propagate_tags)
                state->propagate_tags = in->propagate_tags;
        REPLACE_LIST(state, in, placement_constraints);
        REPLACE_LIST(state, in, placement_strategy);
        if (in->availability_zone_rebalancing)
                state->availability_zone_rebalancing = in->availability_zone_rebalancing;
}

static int make_candidate(struct api_call *call, struct update *update)
{
        const struct ecs_update_service_request *in = update->in;
        int r = check_kind(call, update);

        if (r != 0)
                return r;
        update->state = SHAPE_COPY(state_service, (struct state_service *)(uintptr_t)update->service->state, call->arena);
        apply_to_service(in, update->state);
        r = service_check_numbers(call, update->state);
        if (r == 0)
                r = service_deployment_configuration(call, update->state, update->service->state->deployment_configuration,
                                                     in->deployment_configuration, &update->state->deployment_configuration);
        if (r == 0)
                r = service_is_external(update->state) ? refuse_revision(call, in) : update_revision(call, update);
        /* What enables a feature is checked even if nothing is deployed. */
        if (r == 0 && in->enable_execute_command && update->definition != NULL)
                r = ecs_check_features(call, update->definition->state->definition, true);
        if (r == 0)
                r = service_check_placement(call, update->state, update->definition, update->revision);
        return r;
}

/* ---- Storing ---- */

static void edit_revision(struct api_call *call, struct tx *tx, const struct update *update)
{
        struct service_revision *primary = service_primary(call->model, update->service);
        struct state_service_revision *state = tx_edit(tx, &primary->object);

        state->launch_type = update->revision->launch_type;
        state->capacity_provider_strategy = update->revision->capacity_provider_strategy;
        tx_put(tx, &primary->object, state);
}

static void store(struct api_call *call, const struct update *update)
{
        int32_t desired = update->state->desired_count;
        struct tx *tx = tx_begin(call->model);

        SHAPE_SET(update->state, state_service, desired_count, update->service->state->desired_count);
        if (!shape_equal(&state_service_shape, update->state, update->service->state))
                tx_put(tx, &update->service->object, update->state);
        service_scale(tx, update->service, desired, call->now_ms);
        if (update->edits_revision)
                edit_revision(call, tx, update);
        if (update->deploys)
                (void)service_begin_deployment(tx, update->service, update->revision, call->now_ms);
        (void)tx_commit(tx);
}

static int update_service(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_service_request *in = input;
        struct ecs_update_service_response *out = output;
        struct update update = {.in = in};
        int r = ecs_find_active_service(call, in->cluster, in->service, &update.service);

        if (r == 0)
                r = make_candidate(call, &update);
        if (r != 0)
                return r;
        store(call, &update);
        out->service = ARENA_NEW(call->arena, struct ecs_service);
        ecs_view_service(call, update.service, NULL, out->service);
        return 0;
}

const struct api_route ecs_service_update_routes[] = {
        {ECS_OP_UPDATE_SERVICE, update_service},
        {0, NULL},
};
