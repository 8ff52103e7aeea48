/* SPDX-License-Identifier: Apache-2.0 */
/* What is wished of a service: revisions and deployments that come, are superseded, fail and go back. */
#include "service_world.h"

static int setup(void **state)
{
        static struct world world;

        world_begin(&world);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

/* As the reconciler does when all is there. */
static void complete(struct world *w)
{
        struct service_revision *primary = world_primary(w);
        struct service_deployment *deployment = world_deployment(w);
        struct tx *tx = tx_begin(w->model);
        struct state_service_revision *revision = tx_edit(tx, &primary->object);
        struct state_service_deployment *state = tx_edit(tx, &deployment->object);

        revision->rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED;
        revision->completed_at = ++w->env.now_ms;
        state->status = ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL;
        tx_put(tx, &primary->object, revision);
        tx_put(tx, &deployment->object, state);
        tx_commit(tx);
}

static void fail_deployment(struct world *w, enum deployment_failure why, bool rollback)
{
        struct tx *tx = tx_begin(w->model);

        service_fail_deployment(tx, world_service(w), why, rollback, w->env.now_ms);
        tx_commit(tx);
}

static void creates(void **state)
{
        struct world *w = *state;
        struct service *service = world_create(w, 2);
        const struct state_service_revision *revision = world_primary(w)->state;
        const struct state_service_deployment *deployment = world_deployment(w)->state;

        assert_int_equal(service->state->status, STATE_SERVICE_STATUS_ACTIVE);
        assert_int_equal(strlen(revision->id), 19);
        assert_int_equal(strlen(deployment->id), 21);
        assert_int_equal(revision->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS);
        assert_true(str_starts_with(revision->rollout_state_reason, "ECS deployment ecs-svc/"));
        assert_true(str_ends_with(revision->rollout_state_reason, " in progress."));
        assert_int_equal(revision->container_images.n, 1);
        assert_string_equal(revision->container_images.items[0].image, "busybox:1");
        assert_null(revision->container_images.items[0].image_digest);
        assert_int_equal(deployment->status, ECS_SERVICE_DEPLOYMENT_STATUS_PENDING);
        assert_string_equal(deployment->target, revision->id);
        assert_int_equal(deployment->sources.n, 0);
}

static void supersedes(void **state)
{
        struct world *w = *state;
        struct service_revision *first;
        struct service_deployment *before;

        world_create(w, 2);
        first = world_primary(w);
        before = world_deployment(w);
        world_deploy(w, 2);
        assert_int_equal(before->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED);
        assert_int_equal(before->state->finished_at, w->env.now_ms);
        assert_ptr_not_equal(world_primary(w), first);
        assert_int_equal(world_primary(w)->state->revision, 2);
        assert_true(world_primary(w)->state->created_at > first->state->created_at);
        assert_int_equal(world_deployment(w)->state->sources.n, 1);
        assert_string_equal(world_deployment(w)->state->sources.items[0], first->state->id);
}

static void goes_back(void **state)
{
        struct world *w = *state;
        struct service_revision *first, *second;

        world_create(w, 2);
        first = world_primary(w);
        complete(w);
        world_deploy(w, 2);
        second = world_primary(w);
        fail_deployment(w, DEPLOYMENT_FAILURE_BREAKER, true);
        assert_ptr_equal(world_primary(w), first);
        assert_int_equal(second->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED);
        assert_string_equal(second->state->rollout_state_reason, "ECS deployment circuit breaker: tasks failed to start.");
        assert_int_equal(first->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS);
        assert_true(str_starts_with(first->state->rollout_state_reason,
                                    "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/"));
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS);
        assert_string_equal(world_deployment(w)->state->target, second->state->id);
        assert_non_null(strstr(world_deployment(w)->state->rollback->service_revision_arn, first->state->id));
        assert_true(str_ends_with(world_event(w, "(deployment ecs-svc/"), ") deployment failed: tasks failed to start."));
        assert_non_null(strstr(world_event(w, "rolling back to deployment ecs-svc/"), first->state->id));
}

static void has_nothing_to_go_back_to(void **state)
{
        struct world *w = *state;

        world_create(w, 2);
        fail_deployment(w, DEPLOYMENT_FAILURE_BREAKER, true);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_FAILED);
        assert_string_equal(world_deployment(w)->state->status_reason, "No rollback candidate was found to run the rollback.");
        assert_null(service_current_deployment(w->model, world_service(w)));
        assert_null(world_event(w, "rolling back"));
}

static void fails_without_rollback(void **state)
{
        struct world *w = *state;
        struct service_revision *second;

        world_create(w, 2);
        complete(w);
        world_deploy(w, 2);
        second = world_primary(w);
        fail_deployment(w, DEPLOYMENT_FAILURE_ALARM, false);
        assert_ptr_equal(world_primary(w), second);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED);
        assert_true(str_ends_with(world_event(w, "(deployment ecs-svc/"), ") deployment failed: alarm detected."));
}

static void is_made_again(void **state)
{
        struct world *w = *state;
        struct service *service = world_create(w, 2);
        struct tx *tx = tx_begin(w->model);
        struct state_service *gone = tx_edit(tx, &service->object);

        gone->status = STATE_SERVICE_STATUS_INACTIVE;
        tx_put(tx, &service->object, gone);
        tx_commit(tx);
        service = world_create(w, 5);
        assert_int_equal(service->state->status, STATE_SERVICE_STATUS_ACTIVE);
        assert_int_equal(service->state->desired_count, 5);
        assert_ptr_equal(service->revisions.next, service->revisions.prev);
}

static void is_asked_to_stop(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        world_create(w, 2);
        tx = tx_begin(w->model);
        service_stop_deployment(tx, world_deployment(w), false, w->env.now_ms);
        tx_commit(tx);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_REQUESTED);
        tx = tx_begin(w->model);
        assert_false(service_continue_deployment(tx, world_deployment(w), "none", ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_CONTINUE, 1));
        service_begin_deletion(tx, world_service(w), w->env.now_ms);
        tx_commit(tx);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_DRAINING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(creates),       TEST(supersedes),       TEST(goes_back), TEST(has_nothing_to_go_back_to), TEST(fails_without_rollback),
                TEST(is_made_again), TEST(is_asked_to_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
