/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes for a service: see deploy.h. */
#include "control/service/deploy.h"

#include <string.h>

#include "base/strutil.h"

#define REVISION_DIGITS 19
#define DEPLOYMENT_ID 21

/* What people are told when a deployment fails. */
static const struct {
        const char *event;       /* "(deployment ID) deployment failed: …" */
        const char *reason;      /* of the revision that failed: "ECS deployment …" */
        const char *back;        /* of the revision that it goes back to, in front of the id */
        const char *status;      /* of the deployment that goes back */
        const char *status_stop; /* of the deployment that just ends */
} failures[DEPLOYMENT_FAILURE_MAX] = {
        [DEPLOYMENT_FAILURE_BREAKER] = {"tasks failed to start.", "ECS deployment circuit breaker: tasks failed to start.",
                                        "ECS deployment circuit breaker: rolling back to deploymentId",
                                        "Service deployment rolled back because the circuit breaker threshold was exceeded.",
                                        "Service deployment stopped because the circuit breaker threshold was exceeded."},
        [DEPLOYMENT_FAILURE_ALARM] = {"alarm detected.", "ECS deployment alarm: alarm detected.",
                                      "ECS deployment alarm: rolling back to deploymentId",
                                      "Service deployment rolled back because of one or more triggered alarms.",
                                      "Service deployment stopped because of one or more triggered alarms."},
        [DEPLOYMENT_FAILURE_HOOK] = {"lifecycle hook failed.", "ECS deployment lifecycle hook: the hook failed.",
                                     "ECS deployment lifecycle hook: rolling back to deploymentId",
                                     "Service deployment rolled back because a lifecycle hook failed.",
                                     "Service deployment stopped because a lifecycle hook failed."},
        [DEPLOYMENT_FAILURE_STOPPED] = {"deployment stopped.", "ECS deployment stopped: a stop was requested.",
                                        "ECS deployment stopped: rolling back to deploymentId",
                                        "Service deployment rolled back because a stop was requested.",
                                        "Service deployment stopped because a stop was requested."},
};

/* ---- What is there ---- */

bool service_is_external(const struct state_service *state)
{
        return state->deployment_controller == ECS_DEPLOYMENT_CONTROLLER_TYPE_EXTERNAL ||
               state->deployment_controller == ECS_DEPLOYMENT_CONTROLLER_TYPE_CODE_DEPLOY;
}

bool service_deployment_in_progress(const struct state_service_deployment *deployment)
{
        switch (deployment->status) {
        case ECS_SERVICE_DEPLOYMENT_STATUS_PENDING:
        case ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS:
        case ECS_SERVICE_DEPLOYMENT_STATUS_STOP_REQUESTED:
        case ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_REQUESTED:
        case ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS:
                return true;
        default:
                return false;
        }
}

struct service_deployment *service_current_deployment(struct model *model, const struct service *service)
{
        struct service_deployment *deployment = service_newest_deployment(model, service);

        return deployment && service_deployment_in_progress(deployment->state) ? deployment : NULL;
}

struct service_revision *service_rollback_target(struct model *model, const struct service *service)
{
        struct service_revision *primary = service_primary(model, service), *best = NULL;

        list_for_each (revision, &service->revisions, struct service_revision, in_service)
                if (revision != primary && revision->state->completed_at != 0 &&
                    model_task_definition(model, revision->state->family, revision->state->revision) &&
                    (!best || revision->state->completed_at > best->state->completed_at))
                        best = revision;
        return best;
}

uint32_t task_set_desired(const struct task_set *set)
{
        double percent = set->state->scale ? set->state->scale->value : 0, exact = set->service->state->desired_count * percent / 100;
        uint32_t whole = exact > 0 ? (uint32_t)exact : 0;

        if (set->state->status == STATE_TASK_SET_STATUS_DRAINING)
                return 0;
        return whole < exact ? whole + 1 : whole;
}

/* ---- Ids ---- */

static const char *random_text(struct env *env, struct arena *arena, const char *letters, size_t n_letters, size_t len)
{
        char *text = arena_bytes(arena, len + 1);

        for (size_t i = 0; i < len; i++) {
                uint32_t chance;

                env->random(env, &chance, sizeof(chance));
                text[i] = letters[chance % n_letters];
        }
        text[len] = '\0';
        return text;
}

static const char *new_revision_id(struct tx *tx, struct env *env)
{
        char *id = (char *)(uintptr_t)random_text(env, tx_arena(tx), "0123456789", 10, REVISION_DIGITS);

        if (id[0] == '0')
                id[0] = '4';
        return id;
}

static const char *new_deployment_id(struct tx *tx, struct env *env)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

        return random_text(env, tx_arena(tx), letters, sizeof(letters) - 1, DEPLOYMENT_ID);
}

/* Newer than all before it, also when the clock was set back: the order of revisions and deployments is that of their making. */
static int64_t time_after(int64_t now_ms, int64_t last)
{
        return MAX(now_ms, last + 1);
}

static int64_t last_revision_at(const struct service *service)
{
        if (list_empty(&service->revisions))
                return 0;
        return CONTAINER_OF(service->revisions.prev, struct service_revision, in_service)->state->created_at;
}

static int64_t last_deployment_at(const struct service *service)
{
        if (list_empty(&service->deployments))
                return 0;
        return CONTAINER_OF(service->deployments.prev, struct service_deployment, in_service)->state->created_at;
}

/* ---- Beginning ---- */

/* What the definition names, before any of it was pulled: digests come with the first task, unless they are written there. */
static void list_images(struct tx *tx, const struct ecs_task_definition *definition, struct state_service_revision *out)
{
        out->container_images = (struct ecs_container_image_list){0};
        for (uint32_t i = 0; i < definition->container_definitions.n; i++) {
                const struct ecs_container_definition *container = &definition->container_definitions.items[i];
                struct ecs_container_image *image = SHAPE_PUSH(tx_arena(tx), &out->container_images);
                const char *digest = container->image ? strstr(container->image, "@sha256:") : NULL;

                image->container_name = container->name;
                image->image = container->image;
                image->image_digest = digest ? digest + 1 : NULL;
        }
}

static struct service_revision *add_revision(struct tx *tx, struct model *model, struct service *service,
                                             const struct state_service_revision *wish, int64_t now_ms)
{
        struct task_definition *definition = model_task_definition(model, wish->family, wish->revision);
        struct state_service_revision state = *wish;

        state.cluster = service->state->cluster;
        state.service = service->state->name;
        state.id = new_revision_id(tx, model_env(model));
        state.created_at = time_after(now_ms, last_revision_at(service));
        state.rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS;
        state.rollout_state_reason = arena_printf(tx_arena(tx), "ECS deployment ecs-svc/%s in progress.", state.id);
        SHAPE_SET(&state, state_service_revision, failed_tasks, 0);
        state.deployed_at = state.updated_at = now_ms;
        state.completed_at = 0;
        SHAPE_SET(&state, state_service_revision, alternate, service_takes_alternate(model, service, wish));
        if (definition)
                list_images(tx, definition->state->definition, &state);
        return CONTAINER_OF(tx_insert(tx, OBJECT_SERVICE_REVISION, &state), struct service_revision, object);
}

static struct ecs_service_deployment_alarms *alarms_of(struct arena *arena, const struct ecs_deployment_configuration *configuration)
{
        struct ecs_service_deployment_alarms *alarms = ARENA_NEW(arena, struct ecs_service_deployment_alarms);
        bool on = configuration && configuration->alarms && configuration->alarms->enable;

        alarms->status =
                on ? ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING : ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_DISABLED;
        if (on)
                alarms->alarm_names = configuration->alarms->alarm_names;
        return alarms;
}

static void list_sources(struct tx *tx, const struct service *service, const struct service_revision *primary, struct string_list *out)
{
        list_for_each (revision, &service->revisions, struct service_revision, in_service)
                if (revision == primary || !task_counts_none(&revision->counts))
                        string_list_push(tx_arena(tx), out, revision->state->id);
}

static struct service_deployment *add_deployment(struct tx *tx, struct model *model, struct service *service,
                                                 const struct service_revision *target, const struct string_list *sources, int64_t now_ms)
{
        const struct state_service *wish = service->state;
        struct state_service_deployment state = {
                .cluster = wish->cluster,
                .service = wish->name,
                .id = new_deployment_id(tx, model_env(model)),
                .status = ECS_SERVICE_DEPLOYMENT_STATUS_PENDING,
                .created_at = time_after(now_ms, last_deployment_at(service)),
                .updated_at = now_ms,
                .target = target->state->id,
                .sources = *sources,
                .deployment_configuration = wish->deployment_configuration,
                .alarms = alarms_of(tx_arena(tx), wish->deployment_configuration),
        };

        SHAPE_SET(&state, state_service_deployment, desired_count, wish->desired_count);
        SHAPE_SET(&state, state_service_deployment, failure_count, 0);
        return CONTAINER_OF(tx_insert(tx, OBJECT_SERVICE_DEPLOYMENT, &state), struct service_deployment, object);
}

/* The end of a deployment that did not get where it was going to. */
static void end_deployment(struct tx *tx, struct service_deployment *deployment, enum ecs_service_deployment_status status,
                           const char *reason, int64_t now_ms)
{
        struct state_service_deployment *state = tx_edit(tx, &deployment->object);

        state->status = status;
        state->status_reason = reason;
        state->finished_at = state->updated_at = now_ms;
        state->lifecycle_stage = ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_UNSET;
        if (state->alarms && state->alarms->status == ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING)
                state->alarms->status = ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING_COMPLETE;
        tx_put(tx, &deployment->object, state);
}

/* Makes `target` what the service should run, from now on and with a clean slate. */
static void set_primary(struct tx *tx, struct service *service, const struct service_revision *target,
                        const struct service_deployment *deployment)
{
        struct state_service *state = tx_edit(tx, &service->object);

        state->primary = target->state->id;
        state->deployment = deployment->state->id;
        SHAPE_SET(state, state_service, failed_launches, 0);
        state->next_launch_at = 0;
        SHAPE_SET(state, state_service, steady, false);
        tx_put(tx, &service->object, state);
}

struct service_deployment *service_begin_deployment(struct tx *tx, struct service *service, const struct state_service_revision *revision,
                                                    int64_t now_ms)
{
        struct model *model = tx_model(tx);
        struct service_deployment *before = service_current_deployment(model, service), *deployment;
        struct service_revision *target;
        struct string_list sources = {0};

        list_sources(tx, service, service_primary(model, service), &sources);
        if (before)
                end_deployment(tx, before, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED,
                               "Service deployment stopped because a newer service deployment was started.", now_ms);
        target = add_revision(tx, model, service, revision, now_ms);
        deployment = add_deployment(tx, model, service, target, &sources, now_ms);
        set_primary(tx, service, target, deployment);
        return deployment;
}

struct service *service_create(struct tx *tx, const struct state_service *wish, const struct state_service_revision *revision,
                               int64_t now_ms)
{
        struct service *before = model_service(tx_model(tx), wish->cluster, wish->name), *service;
        struct state_service state = *wish;

        if (before)
                service_forget(tx, before);
        state.status = STATE_SERVICE_STATUS_ACTIVE;
        state.created_at = now_ms;
        state.inactive_at = 0;
        state.primary = state.deployment = NULL;
        SHAPE_SET(&state, state_service, steady, false);
        service = CONTAINER_OF(tx_insert(tx, OBJECT_SERVICE, &state), struct service, object);
        if (revision)
                service_begin_deployment(tx, service, revision, now_ms);
        return service;
}

/* ---- Changing ---- */

void service_scale(struct tx *tx, struct service *service, int32_t desired, int64_t now_ms)
{
        struct state_service *state;

        (void)now_ms;
        if (service->state->desired_count == desired)
                return;
        state = tx_edit(tx, &service->object);
        SHAPE_SET(state, state_service, desired_count, desired);
        SHAPE_SET(state, state_service, steady, false);
        tx_put(tx, &service->object, state);
}

void service_stop_deployment(struct tx *tx, struct service_deployment *deployment, bool abort, int64_t now_ms)
{
        struct state_service_deployment *state = tx_edit(tx, &deployment->object);

        state->status = abort ? ECS_SERVICE_DEPLOYMENT_STATUS_STOP_REQUESTED : ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_REQUESTED;
        state->stopped_at = state->updated_at = now_ms;
        tx_put(tx, &deployment->object, state);
}

bool service_continue_deployment(struct tx *tx, struct service_deployment *deployment, const char *hook_id,
                                 enum ecs_deployment_lifecycle_hook_action action, int64_t now_ms)
{
        struct state_service_deployment *state = tx_edit(tx, &deployment->object);

        for (uint32_t i = 0; i < state->hooks.n; i++) {
                struct ecs_deployment_lifecycle_hook_detail *hook = &state->hooks.items[i];

                if (!str_eq(hook->hook_id, hook_id) || hook->status != ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION)
                        continue;
                hook->status = action == ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_ROLLBACK ? ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_FAILED
                                                                                       : ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_SUCCEEDED;
                state->updated_at = now_ms;
                tx_put(tx, &deployment->object, state);
                return true;
        }
        return false;
}

void service_begin_deletion(struct tx *tx, struct service *service, int64_t now_ms)
{
        struct service_deployment *deployment = service_current_deployment(tx_model(tx), service);
        struct state_service *state = tx_edit(tx, &service->object);

        if (deployment)
                end_deployment(tx, deployment, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED,
                               "Service deployment stopped because the service was deleted.", now_ms);
        state->status = STATE_SERVICE_STATUS_DRAINING;
        SHAPE_SET(state, state_service, desired_count, 0);
        tx_put(tx, &service->object, state);
}

/* ---- Failing ---- */

static void fail_revision(struct tx *tx, struct service_revision *revision, const char *reason, int64_t now_ms)
{
        struct state_service_revision *state = tx_edit(tx, &revision->object);

        state->rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED;
        state->rollout_state_reason = reason;
        state->updated_at = now_ms;
        tx_put(tx, &revision->object, state);
}

static void go_back(struct tx *tx, struct service *service, struct service_revision *target, struct service_deployment *deployment,
                    enum deployment_failure why, int64_t now_ms)
{
        struct state_service_revision *revision = tx_edit(tx, &target->object);
        struct state_service_deployment *state = tx_edit(tx, &deployment->object);
        struct arena *arena = tx_arena(tx);

        revision->rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS;
        revision->rollout_state_reason = arena_printf(arena, "%s ecs-svc/%s.", failures[why].back, revision->id);
        SHAPE_SET(revision, state_service_revision, failed_tasks, 0);
        revision->deployed_at = revision->updated_at = now_ms;
        tx_put(tx, &target->object, revision);

        state->status = ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS;
        state->status_reason = failures[why].status;
        state->updated_at = now_ms;
        state->lifecycle_stage = ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_UNSET;
        state->rollback = ARENA_NEW(arena, struct ecs_rollback);
        state->rollback->reason = failures[why].status;
        state->rollback->started_at = now_ms;
        state->rollback->service_revision_arn =
                model_service_revision_arn(tx_model(tx), arena, revision->cluster, revision->service, revision->id);
        tx_put(tx, &deployment->object, state);
        set_primary(tx, service, target, deployment);
        service_add_event(tx, service, now_ms, "rolling back to deployment ecs-svc/%s.", revision->id);
}

void service_fail_deployment(struct tx *tx, struct service *service, enum deployment_failure why, bool rollback, int64_t now_ms)
{
        struct model *model = tx_model(tx);
        struct service_deployment *deployment = service_current_deployment(model, service);
        struct service_revision *primary = service_primary(model, service);
        struct service_revision *target = rollback ? service_rollback_target(model, service) : NULL;

        if (!deployment || !primary)
                return;
        fail_revision(tx, primary, failures[why].reason, now_ms);
        service_add_event(tx, service, now_ms, "(deployment ecs-svc/%s) deployment failed: %s", primary->state->id, failures[why].event);
        if (target)
                go_back(tx, service, target, deployment, why, now_ms);
        else if (rollback)
                end_deployment(tx, deployment, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_FAILED,
                               "No rollback candidate was found to run the rollback.", now_ms);
        else
                end_deployment(tx, deployment, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED, failures[why].status_stop, now_ms);
}
