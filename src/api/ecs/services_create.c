/* SPDX-License-Identifier: Apache-2.0 */
/* CreateService. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/ecs/service_rules.h"
#include "api/ecs/services.h"
#include "base/strutil.h"
#include "codec/sha256.h"
#include "control/service/deploy.h"

#define MAX_NAME 255
#define MAX_TOKEN 36

#define INVALID "InvalidParameterException"

static const struct int_list with_tags = {(int64_t[]){ECS_SERVICE_FIELD_TAGS}, 1};

/* ---- The same request again ---- */

/* Says what the request asks for, whatever its token is. */
static const char *digest(struct api_call *call, const struct ecs_create_service_request *in)
{
        struct ecs_create_service_request copy = *in;
        CLEANUP_BUF struct buf json = {0};
        char *hex = arena_bytes(call->arena, 2 * SHA256_SIZE + 1);

        copy.client_token = NULL;
        copy.cluster = NULL; /* it may be written as a name or an ARN */
        shape_to_json(&ecs_create_service_request_shape, &copy, &json);
        sha256_hex(json.data, json.len, hex);
        return hex;
}

/* A service of the name that is there: the same request is answered again, another one is refused. */
static int answer_again(struct api_call *call, const struct service *service, const char *asked, struct ecs_create_service_response *out)
{
        if (service->state->status == STATE_SERVICE_STATUS_DRAINING)
                return api_fail(call, INVALID, "Unable to Start a service that is still Draining.");
        if (!str_eq(service->state->client_digest, asked))
                return api_fail(call, INVALID, "Creation of service was not idempotent.");
        out->service = ARENA_NEW(call->arena, struct ecs_service);
        ecs_view_service(call, service, &with_tags, out->service);
        return 0;
}

/* ---- What a service is ---- */

static int check_texts(struct api_call *call, const struct ecs_create_service_request *in)
{
        size_t len = in->client_token ? strlen(in->client_token) : 0;

        if (!ecs_name_valid(in->service_name, MAX_NAME))
                return api_fail(call, INVALID, "serviceName: a service name has 1 to %d letters, digits, hyphens and underscores.",
                                MAX_NAME);
        if (len > MAX_TOKEN)
                return api_fail(call, INVALID, "clientToken: at most %d characters are allowed.", MAX_TOKEN);
        for (size_t i = 0; i < len; i++)
                if (in->client_token[i] < 33 || in->client_token[i] > 126)
                        return api_fail(call, INVALID, "clientToken: only the printable ASCII characters 33 to 126 are allowed.");
        return ecs_check_tags(call, &in->tags);
}

static int check_kind(struct api_call *call, const struct ecs_create_service_request *in, const struct state_service *state)
{
        bool daemon = state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;

        if (state->deployment_controller == ECS_DEPLOYMENT_CONTROLLER_TYPE_CODE_DEPLOY)
                return api_fail(call, "UnsupportedFeatureException",
                                "The CODE_DEPLOY deployment controller needs AWS CodeDeploy, which this server does not have. Use ECS with "
                                "deploymentConfiguration.strategy BLUE_GREEN, or EXTERNAL with task sets.");
        if (!daemon)
                return 0;
        if (service_is_external(state))
                return api_fail(call, INVALID, "The daemon scheduling strategy is not supported with the EXTERNAL deployment controller.");
        if (SHAPE_HAS(in, ecs_create_service_request, desired_count))
                return api_fail(call, INVALID,
                                "The daemon scheduling strategy does not support a desired count for services. Remove the desired count "
                                "value and try again");
        return 0;
}

/* With an external controller these belong to the task sets. */
static int check_external(struct api_call *call, const struct ecs_create_service_request *in)
{
        const struct {
                const char *member;
                bool given;
        } members[] = {
                {"taskDefinition", !str_empty(in->task_definition)},
                {"launchType", in->launch_type != ECS_LAUNCH_TYPE_UNSET},
                {"capacityProviderStrategy", in->capacity_provider_strategy.n > 0},
                {"platformVersion", !str_empty(in->platform_version)},
                {"networkConfiguration", in->network_configuration != NULL},
                {"loadBalancers", in->load_balancers.n > 0},
                {"serviceRegistries", in->service_registries.n > 0},
                {"serviceConnectConfiguration", in->service_connect_configuration != NULL},
                {"volumeConfigurations", in->volume_configurations.n > 0},
                {"vpcLatticeConfigurations", in->vpc_lattice_configurations.n > 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (members[i].given)
                        return api_fail(call, INVALID,
                                        "%s cannot be specified for a service with the EXTERNAL deployment controller: it belongs to the "
                                        "task sets, see CreateTaskSet.",
                                        members[i].member);
        return 0;
}

static void fill_service(struct api_call *call, const struct ecs_create_service_request *in, const struct cluster *cluster,
                         struct state_service *state)
{
        *state = (struct state_service){
                .cluster = cluster->state->name,
                .name = in->service_name,
                .scheduling_strategy = in->scheduling_strategy ? in->scheduling_strategy : ECS_SCHEDULING_STRATEGY_REPLICA,
                .deployment_controller = in->deployment_controller ? in->deployment_controller->type : ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS,
                .availability_zone_rebalancing = in->availability_zone_rebalancing,
                .placement_constraints = in->placement_constraints,
                .placement_strategy = in->placement_strategy,
                .propagate_tags = in->propagate_tags ? in->propagate_tags : ECS_PROPAGATE_TAGS_NONE,
                .role_arn = str_empty(in->role) ? NULL : in->role,
                .created_by = call->principal_arn,
                .client_token = str_empty(in->client_token) ? NULL : in->client_token,
        };
        SHAPE_SET(state, state_service, desired_count, in->desired_count);
        SHAPE_SET(state, state_service, enable_execute_command, in->enable_execute_command);
        SHAPE_SET(state, state_service, enable_ecs_managed_tags, in->enable_ecs_managed_tags);
        if (SHAPE_HAS(in, ecs_create_service_request, health_check_grace_period_seconds) || in->load_balancers.n > 0)
                SHAPE_SET(state, state_service, health_check_grace_period_seconds, in->health_check_grace_period_seconds);
        ecs_merge_tags(&state->tags, &in->tags, call->arena);
}

static void fill_revision(const struct ecs_create_service_request *in, const struct task_definition *definition,
                          struct state_service_revision *revision)
{
        *revision = (struct state_service_revision){
                .family = definition->state->definition->family,
                .launch_type = in->launch_type,
                .capacity_provider_strategy = in->capacity_provider_strategy,
                .platform_version = str_empty(in->platform_version) ? NULL : in->platform_version,
                .network_configuration = in->network_configuration,
                .load_balancers = in->load_balancers,
                .service_registries = in->service_registries,
                .service_connect_configuration = in->service_connect_configuration,
                .volume_configurations = in->volume_configurations,
                .vpc_lattice_configurations = in->vpc_lattice_configurations,
        };
        SHAPE_SET(revision, state_service_revision, revision, definition->state->definition->revision);
}

/* Zones are rebalanced unless the request says otherwise or the service cannot be. */
static void choose_rebalancing(struct state_service *state, const struct state_service_revision *revision)
{
        if (state->availability_zone_rebalancing)
                return;
        state->availability_zone_rebalancing = service_rebalancing_obstacle(state, revision) ? ECS_AVAILABILITY_ZONE_REBALANCING_DISABLED
                                                                                             : ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED;
}

/* `ret_revision` is NULL for a service with an external controller. */
static int make_candidate(struct api_call *call, const struct ecs_create_service_request *in, const struct cluster *cluster,
                          struct state_service *state, struct state_service_revision **ret_revision)
{
        struct state_service_revision *revision = NULL;
        struct task_definition *definition = NULL;
        int r;

        fill_service(call, in, cluster, state);
        r = check_kind(call, in, state);
        if (r == 0)
                r = service_check_numbers(call, state);
        if (r == 0)
                r = service_deployment_configuration(call, state, NULL, in->deployment_configuration, &state->deployment_configuration);
        if (r != 0)
                return r;
        if (service_is_external(state)) {
                r = check_external(call, in);
        } else {
                r = ecs_runnable_task_definition(call, in->task_definition, &definition);
                if (r != 0)
                        return r;
                revision = ARENA_NEW(call->arena, struct state_service_revision);
                fill_revision(in, definition, revision);
                r = service_check_revision(call, cluster, state, definition, revision);
        }
        if (r != 0)
                return r;
        choose_rebalancing(state, revision);
        *ret_revision = revision;
        return service_check_placement(call, state, definition, revision);
}

static int create_service(struct api_call *call, const void *input, void *output)
{
        const struct ecs_create_service_request *in = input;
        struct ecs_create_service_response *out = output;
        struct state_service_revision *revision = NULL;
        struct state_service state;
        struct service *service;
        struct cluster *cluster;
        const char *asked;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_texts(call, in);
        if (r != 0)
                return r;
        asked = digest(call, in);
        service = model_service(call->model, cluster->state->name, in->service_name);
        if (service != NULL && service->state->status != STATE_SERVICE_STATUS_INACTIVE)
                return answer_again(call, service, asked, out);
        r = make_candidate(call, in, cluster, &state, &revision);
        if (r != 0)
                return r;
        state.client_digest = asked;
        tx = tx_begin(call->model);
        service = service_create(tx, &state, revision, call->now_ms);
        (void)tx_commit(tx);
        out->service = ARENA_NEW(call->arena, struct ecs_service);
        ecs_view_service(call, service, &with_tags, out->service);
        return 0;
}

const struct api_route ecs_service_create_routes[] = {
        {ECS_OP_CREATE_SERVICE, create_service},
        {0, NULL},
};
