/* SPDX-License-Identifier: Apache-2.0 */
/* Replica services: the desired number runs, whatever stops, fails or is asked for. */
#include "service_world.h"

static int setup(void **state)
{
        static struct world world;

        world_begin(&world);
        for (int i = 0; i < 3; i++)
                world_add_instance(&world, i < 2 ? "a" : "b", 4096, 4096);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

static void scale(struct world *w, int desired)
{
        struct tx *tx = tx_begin(w->model);

        service_scale(tx, world_service(w), desired, w->env.now_ms);
        tx_commit(tx);
}

static void comes_up(void **state)
{
        struct world *w = *state;
        const struct state_task *task;

        world_create(w, 4);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 4);
        /* two zones, then instances */
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 3), 2);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 1), 1);
        task = world_find(w, STATE_TASK_STATUS_PENDING, 0)->state;
        assert_string_equal(task->group, "service:web");
        assert_string_equal(task->started_by + strlen("ecs-svc/"), world_primary(w)->state->id);
        assert_string_equal(task->service_revision, world_primary(w)->state->id);
        assert_true(str_starts_with(world_event(w, "has started 4 tasks: (task "), "has started"));
        assert_null(world_event(w, "has reached a steady state."));
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 4);
        assert_non_null(world_event(w, "has reached a steady state."));
        assert_true(world_service(w)->state->steady);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
        assert_true(str_ends_with(world_primary(w)->state->rollout_state_reason, " completed."));
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
        assert_true(str_ends_with(world_event(w, "(deployment ecs-svc/"), ") deployment completed."));
}

static void replaces_at_once(void **state)
{
        struct world *w = *state;
        struct task *task;
        int64_t before;

        world_create(w, 2);
        world_settle(w);
        task = world_find(w, STATE_TASK_STATUS_RUNNING, 0);
        before = w->env.now_ms;
        world_report(w, task, STATE_TASK_STATUS_STOPPED, 137);
        world_run(w);
        assert_int_equal(w->env.now_ms, before);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 1);
        assert_int_equal(task->state->stop_code, ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED);
        assert_false(world_service(w)->state->steady);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
        assert_int_equal(world_service(w)->state->failed_launches, 0);
}

static void scales(void **state)
{
        struct world *w = *state;
        struct task *victim = NULL;

        world_create(w, 3);
        world_settle(w);
        scale(w, 6);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 6);
        scale(w, 2);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 0), 4);
        victim = world_find(w, STATE_TASK_STATUS_STOPPING, 0);
        assert_int_equal(victim->state->stop_code, ECS_TASK_STOP_CODE_SERVICESCHEDULERINITIATED);
        assert_true(str_starts_with(victim->state->stopped_reason, "Scaling activity initiated by (deployment ecs-svc/"));
        assert_non_null(world_event(w, "has stopped 4 running tasks: (task "));
        world_settle(w);
        /* One in each zone. */
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 1);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 2);
        scale(w, 0);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 0);
        assert_true(world_service(w)->state->steady);
}

static void takes_what_does_not_run_first(void **state)
{
        struct world *w = *state;

        world_create(w, 3);
        world_settle(w);
        scale(w, 5);
        world_run(w);
        scale(w, 3);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 3);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 0);
}

static void waits_for_room(void **state)
{
        struct world *w = *state;

        world_create(w, 98); /* 32 fit on each of three */
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 96);
        assert_non_null(strstr(world_event(w, "was unable to place a task because no container instance met all of its requirements."),
                               " The closest matching (container-instance 0000"));
        assert_non_null(strstr(world_event(w, "was unable to place a task"), ") has insufficient CPU units available."));
        assert_true(controller_next(w->controller) == INT64_MAX);
        world_add_instance(w, "b", 4096, 4096);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 4), 2);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
}

static void says_that_there_are_no_instances(void **state)
{
        struct world *w = *state;

        for (int i = 1; i <= 3; i++)
                world_set_instance(w, i, STATE_INSTANCE_STATUS_DRAINING);
        world_create(w, 1);
        world_settle(w);
        assert_string_equal(world_event(w, "was unable to place"),
                            "was unable to place a task because no container instance met all of its requirements. Reason: No Container "
                            "Instances were found in your cluster.");
}

static void says_that_its_definition_is_gone(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        world_create(w, 1);
        tx = tx_begin(w->model);
        tx_remove(tx, &model_task_definition(w->model, "web", 1)->object);
        tx_commit(tx);
        world_settle(w);
        assert_string_equal(world_event(w, "was unable to place"),
                            "was unable to place a task. Reason: its task definition was deleted. Update the service with another task "
                            "definition.");
        world_deploy(w, 2);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
}

static void guards_protected_tasks(void **state)
{
        struct world *w = *state;

        world_create(w, 3);
        world_settle(w);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service) {
                struct tx *tx = tx_begin(w->model);
                struct state_task *edit = tx_edit(tx, &task->object);

                edit->protected_until = w->env.now_ms + 60000;
                tx_put(tx, &task->object, edit);
                tx_commit(tx);
        }
        scale(w, 1);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 3);
        assert_true(str_ends_with(world_event(w, "was unable to reach steady state because task set (ecs-svc/"),
                                  ") was unable to scale in. Reason: The number of protected tasks are more than the desired count of "
                                  "tasks."));
        world_wait(w, 60000);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 1);
}

static void goes_away(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        world_create(w, 3);
        world_settle(w);
        tx = tx_begin(w->model);
        service_begin_deletion(tx, world_service(w), w->env.now_ms);
        tx_commit(tx);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 0), 3);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_DRAINING);
        world_settle(w);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_INACTIVE);
        assert_true(controller_next(w->controller) == INT64_MAX);
}

static void goes_on_after_a_restart(void **state)
{
        struct world *w = *state;

        world_create(w, 6);
        world_run(w);
        world_report(w, world_find(w, STATE_TASK_STATUS_PENDING, 1), STATE_TASK_STATUS_RUNNING, 0);
        world_restart(w);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 5);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 1);
        for (int i = 1; i <= 3; i++)
                model_set_connected(w->model, world_instance(w, i), true);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 6);
        assert_true(world_service(w)->state->steady);
}

/* 1,000 a run. */
static void works_in_slices(void **state)
{
        struct world *w = *state;
        struct instance *big = world_add_instance(w, "c", 1024 * 1024, 1024 * 1024);

        (void)big;
        world_create(w, 2500);
        assert_true(controller_run(w->controller, w->env.now_ms));
        assert_int_equal(world_service(w)->counts.pending, 1000);
        assert_true(controller_run(w->controller, w->env.now_ms));
        assert_int_equal(world_service(w)->counts.pending, 2000);
        world_run(w);
        assert_int_equal(world_service(w)->counts.pending, 2500);
        assert_non_null(strstr(world_event(w, "has started 500 tasks: (task "), ") and 460 more."));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(comes_up),
                TEST(replaces_at_once),
                TEST(scales),
                TEST(takes_what_does_not_run_first),
                TEST(waits_for_room),
                TEST(says_that_there_are_no_instances),
                TEST(says_that_its_definition_is_gone),
                TEST(guards_protected_tasks),
                TEST(goes_away),
                TEST(goes_on_after_a_restart),
                TEST(works_in_slices),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
