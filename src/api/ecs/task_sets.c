/* SPDX-License-Identifier: Apache-2.0 */
/* Task sets: what an external deployment controller runs of a service. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/ecs/service_rules.h"
#include "api/ecs/services.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/service/deploy.h"
#include "model/names.h"

#define MAX_TASK_SETS 5
#define MAX_TOKEN 36
#define MAX_DESCRIBED 100
#define ID_DIGITS 19

#define INVALID "InvalidParameterException"

static const struct int_list with_tags = {(int64_t[]){ECS_TASK_SET_FIELD_TAGS}, 1};

static struct ecs_task_set *answer(struct api_call *call, const struct task_set *set)
{
        struct ecs_task_set *out = ARENA_NEW(call->arena, struct ecs_task_set);

        ecs_view_task_set(call, set, &with_tags, out);
        return out;
}

/* An ACTIVE service with an external controller. */
static int find_service(struct api_call *call, const char *cluster, const char *text, struct service **ret)
{
        struct service *service;
        int r = ecs_find_active_service(call, cluster, text, &service);

        if (r != 0)
                return r;
        if (!service_is_external(service->state))
                return api_fail(
                        call, INVALID,
                        "Amazon ECS only supports task set management on services configured to use external deployment controllers.");
        *ret = service;
        return 0;
}

static int find_set(struct api_call *call, const struct service *service, const char *text, struct task_set **ret)
{
        int r = model_find_task_set(call->model, service, text, ret, &call->error);

        if (r == -ENOENT)
                return api_fail(call, "TaskSetNotFoundException", "The specified task set %.300s was not found.", text);
        return r;
}

static int check_scale(struct api_call *call, const struct ecs_scale *scale)
{
        if (scale == NULL || (scale->value >= 0 && scale->value <= 100))
                return 0;
        return api_fail(call, INVALID, "scale.value: %g is not in 0..100 percent.", scale->value);
}

static struct ecs_scale *make_scale(struct api_call *call, const struct ecs_scale *given)
{
        struct ecs_scale *scale = ARENA_NEW(call->arena, struct ecs_scale);

        SHAPE_SET(scale, ecs_scale, value, given != NULL && SHAPE_HAS(given, ecs_scale, value) ? given->value : 100.0);
        scale->unit = ECS_SCALE_UNIT_PERCENT;
        return scale;
}

/* ---- Create ---- */

static const char *new_id(struct api_call *call)
{
        struct env *env = call->api->env;
        char *id = arena_bytes(call->arena, ID_DIGITS + 1);

        for (size_t i = 0; i < ID_DIGITS; i++) {
                uint32_t chance;

                env->random(env, &chance, sizeof(chance));
                id[i] = (char)(i == 0 ? '1' + chance % 9 : '0' + chance % 10);
        }
        id[ID_DIGITS] = '\0';
        return id;
}

static struct task_set *made_with_token(const struct service *service, const char *token)
{
        if (str_empty(token))
                return NULL;
        list_for_each (set, &service->task_sets, struct task_set, in_service)
                if (str_eq(set->state->client_token, token))
                        return set;
        return NULL;
}

static int check_create(struct api_call *call, const struct ecs_create_task_set_request *in, const struct service *service)
{
        size_t n = 0;

        if (in->client_token != NULL && strlen(in->client_token) > MAX_TOKEN)
                return api_fail(call, INVALID, "clientToken: at most %d characters are allowed.", MAX_TOKEN);
        list_for_each (set, &service->task_sets, struct task_set, in_service)
                n += set->state->status != STATE_TASK_SET_STATUS_DRAINING;
        if (n >= MAX_TASK_SETS)
                return api_fail(call, INVALID,
                                "%zu deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.",
                                n);
        return check_scale(call, in->scale);
}

/* Checked as a revision of the service; returned as one. */
static int make_candidate(struct api_call *call, const struct ecs_create_task_set_request *in, const struct service *service,
                          struct state_service_revision *revision)
{
        struct task_definition *definition;
        int r = ecs_runnable_task_definition(call, in->task_definition, &definition);

        if (r != 0)
                return r;
        *revision = (struct state_service_revision){
                .family = definition->state->definition->family,
                .launch_type = in->launch_type,
                .capacity_provider_strategy = in->capacity_provider_strategy,
                .platform_version = str_empty(in->platform_version) ? NULL : in->platform_version,
                .network_configuration = in->network_configuration,
                .load_balancers = in->load_balancers,
                .service_registries = in->service_registries,
        };
        revision->revision = definition->state->definition->revision;
        r = service_check_revision(call, service->cluster, service->state, definition, revision);
        return r != 0 ? r : service_check_placement(call, service->state, definition, revision);
}

static struct task_set *insert_set(struct api_call *call, const struct ecs_create_task_set_request *in, const struct service *service,
                                   const struct state_service_revision *revision)
{
        struct state_task_set state = {
                .cluster = service->state->cluster,
                .service = service->state->name,
                .id = new_id(call),
                .external_id = str_empty(in->external_id) ? NULL : in->external_id,
                .status = STATE_TASK_SET_STATUS_ACTIVE,
                .family = revision->family,
                .launch_type = revision->launch_type,
                .capacity_provider_strategy = revision->capacity_provider_strategy,
                .platform_version = revision->platform_version,
                .platform_family = revision->platform_family,
                .network_configuration = revision->network_configuration,
                .load_balancers = revision->load_balancers,
                .service_registries = revision->service_registries,
                .scale = make_scale(call, in->scale),
                .stability_status = ECS_STABILITY_STATUS_STABILIZING,
                .stability_status_at = call->now_ms,
                .created_at = call->now_ms,
                .updated_at = call->now_ms,
                .client_token = str_empty(in->client_token) ? NULL : in->client_token,
        };
        struct tx *tx = tx_begin(call->model);
        struct object *object;

        SHAPE_SET(&state, state_task_set, revision, revision->revision);
        ecs_merge_tags(&state.tags, &in->tags, call->arena);
        object = tx_insert(tx, OBJECT_TASK_SET, &state);
        (void)tx_commit(tx);
        return CONTAINER_OF(object, struct task_set, object);
}

static int create_task_set(struct api_call *call, const void *input, void *output)
{
        const struct ecs_create_task_set_request *in = input;
        struct ecs_create_task_set_response *out = output;
        struct state_service_revision revision;
        struct service *service;
        struct task_set *set;
        int r = find_service(call, in->cluster, in->service, &service);

        if (r == 0)
                r = ecs_check_tags(call, &in->tags);
        if (r != 0)
                return r;
        set = made_with_token(service, in->client_token);
        if (set == NULL) {
                r = check_create(call, in, service);
                if (r == 0)
                        r = make_candidate(call, in, service, &revision);
                if (r != 0)
                        return r;
                set = insert_set(call, in, service, &revision);
        }
        out->task_set = answer(call, set);
        return 0;
}

/* ---- Describe ---- */

static int describe_task_sets(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_task_sets_request *in = input;
        struct ecs_describe_task_sets_response *out = output;
        struct service *service;
        int r = find_service(call, in->cluster, in->service, &service);

        if (r != 0)
                return r;
        if (in->task_sets.n > MAX_DESCRIBED)
                return api_fail(call, INVALID, "taskSets: %u task sets; at most %d can be described in one call.", in->task_sets.n,
                                MAX_DESCRIBED);
        if (in->task_sets.n == 0)
                list_for_each (set, &service->task_sets, struct task_set, in_service)
                        ecs_view_task_set(call, set, &in->include, SHAPE_PUSH(call->arena, &out->task_sets));
        for (uint32_t i = 0; i < in->task_sets.n; i++) {
                const char *text = in->task_sets.items[i];
                struct error ignored = {0};
                struct task_set *set;

                if (model_find_task_set(call->model, service, text, &set, &ignored) == 0)
                        ecs_view_task_set(call, set, &in->include, SHAPE_PUSH(call->arena, &out->task_sets));
                else
                        ecs_fail_item(call, &out->failures,
                                      str_starts_with(text, "arn:") ? text
                                                                    : model_task_set_arn(call->model, call->arena, service->state->cluster,
                                                                                         service->state->name, text),
                                      "MISSING", NULL);
        }
        return 0;
}

/* ---- Change ---- */

static int update_task_set(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_task_set_request *in = input;
        struct ecs_update_task_set_response *out = output;
        struct state_task_set *state;
        struct service *service;
        struct task_set *set;
        struct tx *tx;
        int r = find_service(call, in->cluster, in->service, &service);

        if (r == 0)
                r = find_set(call, service, in->task_set, &set);
        if (r == 0)
                r = check_scale(call, in->scale);
        if (r != 0)
                return r;
        if (set->state->status == STATE_TASK_SET_STATUS_DRAINING)
                return api_fail(call, INVALID, "The task set %s is DRAINING: it cannot be scaled any more.", set->state->id);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &set->object);
        state->scale = make_scale(call, in->scale);
        state->updated_at = call->now_ms;
        state->stability_status = ECS_STABILITY_STATUS_STABILIZING;
        state->stability_status_at = call->now_ms;
        tx_put(tx, &set->object, state);
        (void)tx_commit(tx);
        out->task_set = answer(call, set);
        return 0;
}

static void set_status(struct api_call *call, struct tx *tx, struct task_set *set, enum state_task_set_status status)
{
        struct state_task_set *state = tx_edit(tx, &set->object);

        state->status = status;
        state->updated_at = call->now_ms;
        tx_put(tx, &set->object, state);
}

static int update_service_primary_task_set(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_service_primary_task_set_request *in = input;
        struct ecs_update_service_primary_task_set_response *out = output;
        struct service *service;
        struct task_set *set;
        struct tx *tx;
        int r = find_service(call, in->cluster, in->service, &service);

        if (r == 0)
                r = find_set(call, service, in->primary_task_set, &set);
        if (r != 0)
                return r;
        if (set->state->status == STATE_TASK_SET_STATUS_DRAINING)
                return api_fail(call, INVALID, "The task set %s is DRAINING: it cannot become the primary one.", set->state->id);
        tx = tx_begin(call->model);
        list_for_each (other, &service->task_sets, struct task_set, in_service)
                if (other != set && other->state->status == STATE_TASK_SET_STATUS_PRIMARY)
                        set_status(call, tx, other, STATE_TASK_SET_STATUS_ACTIVE);
        if (set->state->status != STATE_TASK_SET_STATUS_PRIMARY)
                set_status(call, tx, set, STATE_TASK_SET_STATUS_PRIMARY);
        (void)tx_commit(tx);
        out->task_set = answer(call, set);
        return 0;
}

static int delete_task_set(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_task_set_request *in = input;
        struct ecs_delete_task_set_response *out = output;
        struct service *service;
        struct task_set *set;
        struct tx *tx;
        int r = find_service(call, in->cluster, in->service, &service);

        if (r == 0)
                r = find_set(call, service, in->task_set, &set);
        if (r != 0)
                return r;
        if (!in->force && ecs_task_set_desired(set) > 0)
                return api_fail(
                        call, INVALID,
                        "The task set cannot be deleted while it is scaled above 0. Scale it to 0 with UpdateTaskSet, or use force.");
        tx = tx_begin(call->model);
        if (set->state->status != STATE_TASK_SET_STATUS_DRAINING)
                set_status(call, tx, set, STATE_TASK_SET_STATUS_DRAINING);
        (void)tx_commit(tx);
        out->task_set = answer(call, set);
        return 0;
}

const struct api_route ecs_task_set_routes[] = {
        {ECS_OP_CREATE_TASK_SET, create_task_set}, {ECS_OP_DESCRIBE_TASK_SETS, describe_task_sets},
        {ECS_OP_UPDATE_TASK_SET, update_task_set}, {ECS_OP_UPDATE_SERVICE_PRIMARY_TASK_SET, update_service_primary_task_set},
        {ECS_OP_DELETE_TASK_SET, delete_task_set}, {0, NULL},
};
