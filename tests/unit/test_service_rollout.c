/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments: the arithmetic of floor and ceiling, the circuit breaker, alarms, bake times, rollbacks, overlapping ones. */
#include "control/alarm/change.h"
#include "control/service/images.h"
#include "service_world.h"

static int setup(void **state)
{
        static struct world world;

        world_begin(&world);
        for (int i = 0; i < 3; i++)
                world_add_instance(&world, "a", 65536, 65536);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

/* ---- What runs of which revision ---- */

static uint32_t live(const struct service_revision *revision)
{
        return revision->counts.pending + revision->counts.running;
}

static void configure(struct world *w, int minimum, int maximum, bool breaker)
{
        struct tx *tx = tx_begin(w->model);
        struct state_service *state = tx_edit(tx, &world_service(w)->object);
        struct ecs_deployment_circuit_breaker *b = ARENA_NEW(tx_arena(tx), struct ecs_deployment_circuit_breaker);

        state->deployment_configuration = world_configuration(tx_arena(tx), minimum, maximum);
        if (breaker) {
                SHAPE_SET(b, ecs_deployment_circuit_breaker, enable, true);
                SHAPE_SET(b, ecs_deployment_circuit_breaker, rollback, true);
                state->deployment_configuration->deployment_circuit_breaker = b;
        }
        tx_put(tx, &world_service(w)->object, state);
        tx_commit(tx);
}

/* Old ones stop as the agents hear of it, new ones come up; nothing has had time to prove itself. */
static void one_step(struct world *w)
{
        world_work(w);
        world_wait(w, 500);
        world_run(w);
}

static const struct arithmetic {
        int desired, minimum, maximum;
        uint32_t starts, stops; /* before anything new is healthy */
        bool stuck;
} arithmetic[] = {
        {4, 50, 200, 4, 2, false},  /* floor 2, ceiling 8 */
        {2, 75, 200, 2, 0, false},  /* floor 2 */
        {3, 100, 125, 0, 0, true},  /* ceiling 3 */
        {3, 100, 100, 0, 0, true},  /* no room either way */
        {4, 100, 150, 2, 0, false}, /* ceiling 6 */
        {4, 0, 100, 0, 4, false},   /* everything may go at once */
        {10, 90, 110, 2, 1, false}, /* one more in place of the one that stops */
        {1, 100, 200, 1, 0, false}, /* the new one first */
        {1, 0, 100, 0, 1, false},   /* the old one first */
        {5, 66, 133, 2, 1, false},  /* floor 4, ceiling 6 */
        {40, 100, 200, 40, 0, false},
};

static void keeps_to_floor_and_ceiling(void **state)
{
        struct world *w = *state;

        for (size_t i = 0; i < ARRAY_SIZE(arithmetic); i++) {
                const struct arithmetic *a = &arithmetic[i];
                uint32_t floor = (uint32_t)(a->desired * a->minimum + 99) / 100, ceiling = (uint32_t)(a->desired * a->maximum) / 100;
                struct service_revision *old;

                world_create(w, a->desired);
                configure(w, a->minimum, a->maximum, false);
                world_settle(w);
                old = world_primary(w);
                assert_int_equal(old->counts.running, a->desired);
                world_deploy(w, 2);
                world_run(w);
                if (live(world_primary(w)) != a->starts || old->counts.stopping != a->stops)
                        fail_msg("row %zu: started %u, stopped %u", i, live(world_primary(w)), old->counts.stopping);
                assert_int_equal(world_event(w, "was unable to stop or start tasks during a deployment because of the service deployment "
                                                "configuration. Update the minimumHealthyPercent or maximumPercent value and try again.") !=
                                         NULL,
                                 a->stuck);
                for (int step = 0; step < 60 && !a->stuck; step++) {
                        uint32_t running = world_service(w)->counts.running;

                        one_step(w);
                        assert_true(world_service(w)->counts.running >= MIN(floor, running));
                        assert_true(world_service(w)->counts.running + world_service(w)->counts.pending <= ceiling);
                }
                if (!a->stuck) {
                        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
                        assert_int_equal(world_primary(w)->counts.running, a->desired);
                        assert_int_equal(live(old), 0);
                        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
                }
                world_delete(w);
        }
}

static void waits_until_the_new_ones_are_healthy(void **state)
{
        struct world *w = *state;
        struct service_revision *old;

        world_create(w, 4);
        world_settle(w);
        old = world_primary(w);
        world_deploy(w, 2);
        world_work(w);
        assert_int_equal(world_primary(w)->counts.running, 4);
        assert_int_equal(old->counts.running, 4);
        world_wait(w, 499);
        assert_int_equal(old->counts.running, 4);
        world_wait(w, 1);
        assert_int_equal(old->counts.running, 0);
        assert_int_equal(old->counts.stopping, 4);
        /* It is over when the old ones are. */
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS);
        world_work(w);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
}

static void overlaps(void **state)
{
        struct world *w = *state;
        struct service_revision *first, *second;

        world_create(w, 4);
        world_settle(w);
        first = world_primary(w);
        world_deploy(w, 2);
        world_run(w);
        second = world_primary(w);
        world_deploy(w, 3);
        world_run(w);
        /* PENDING ones of the second make room at once. */
        assert_int_equal(live(second), 0);
        assert_int_equal(first->counts.running, 4);
        world_settle(w);
        assert_int_equal(world_primary(w)->counts.running, 4);
        assert_int_equal(live(first), 0);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

/* ---- The circuit breaker ---- */

/* What is PENDING of the revision ends without having run. */
static void fail_pending(struct world *w, const struct service_revision *revision)
{
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task->revision == revision && task->state->last_status == STATE_TASK_STATUS_PENDING)
                        world_report(w, task, STATE_TASK_STATUS_STOPPED, 1);
}

static void breaks_and_goes_back(void **state)
{
        struct world *w = *state;
        struct service_revision *good, *bad;

        world_create(w, 4);
        configure(w, 100, 200, true);
        world_settle(w);
        good = world_primary(w);
        world_deploy(w, 2);
        world_run(w);
        bad = world_primary(w);
        fail_pending(w, bad);
        world_run(w);
        assert_int_equal(bad->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED);
        assert_int_equal(world_deployment(w)->state->failure_count, 4);
        assert_ptr_equal(world_primary(w), good);
        assert_int_equal(good->counts.running, 4);
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
        assert_int_equal(good->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
        assert_int_equal(live(bad), 0);
        assert_int_equal(good->counts.running, 4);
}

/* Comes up and falls over before it can be called healthy. */
static void counts_those_that_fall_over(void **state)
{
        struct world *w = *state;

        world_create(w, 3);
        configure(w, 100, 200, true);
        world_settle(w);
        world_deploy(w, 2);
        world_work(w);
        world_wait(w, 300);
        while (live(world_primary(w)) > 0)
                world_report(w, world_task_of(w, world_primary(w)), STATE_TASK_STATUS_STOPPED, 1);
        world_run(w);
        /* The old ones have run all the time. */
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
}

/* The server ends between a failure and its count: nothing is lost, and nothing is counted twice. */
static void counts_over_a_restart(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        configure(w, 100, 200, true);
        world_settle(w);
        world_deploy(w, 2);
        world_run(w);
        w->env.now_ms += 10;
        world_report(w, world_find(w, STATE_TASK_STATUS_PENDING, 0), STATE_TASK_STATUS_STOPPED, 1);
        world_restart(w);
        world_run(w);
        assert_int_equal(world_deployment(w)->state->failure_count, 1);
        world_restart(w);
        world_run(w);
        assert_int_equal(world_deployment(w)->state->failure_count, 1);
}

static void fails_without_rollback(void **state)
{
        struct world *w = *state;
        struct service_revision *good;

        world_create(w, 3);
        world_settle(w);
        good = world_primary(w);
        configure(w, 100, 200, true);
        {
                struct tx *tx = tx_begin(w->model);
                struct state_service *edit = tx_edit(tx, &world_service(w)->object);

                edit->deployment_configuration->deployment_circuit_breaker->rollback = false;
                tx_put(tx, &world_service(w)->object, edit);
                tx_commit(tx);
        }
        world_deploy(w, 2);
        world_run(w);
        fail_pending(w, world_primary(w));
        world_settle(w);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED);
        assert_int_equal(live(world_primary(w)), 0);
        assert_int_equal(good->counts.running, 3);
        assert_false(world_service(w)->state->steady);
        /* A new deployment starts afresh. */
        world_deploy(w, 3);
        world_settle(w);
        assert_int_equal(world_primary(w)->counts.running, 3);
        assert_true(world_service(w)->state->steady);
}

/* ---- Throttling ---- */

static void throttles_what_never_starts(void **state)
{
        static const int64_t minutes[] = {1, 2, 4, 8, 15, 15};
        struct world *w = *state;

        world_create(w, 2);
        for (int round = 0; round < 5; round++) {
                world_run(w);
                assert_int_equal(live(world_primary(w)), 2);
                fail_pending(w, world_primary(w));
        }
        world_run(w);
        assert_int_equal(live(world_primary(w)), 0);
        assert_string_equal(world_event(w, "is unable"), "is unable to consistently start tasks successfully.");
        for (size_t i = 0; i < ARRAY_SIZE(minutes); i++) {
                world_wait(w, minutes[i] * 60000 - 1);
                assert_int_equal(live(world_primary(w)), 0);
                world_wait(w, 1);
                assert_int_equal(live(world_primary(w)), 1); /* one, to see whether it goes */
                fail_pending(w, world_primary(w));
                world_run(w);
        }
        world_wait(w, 15 * 60000);
        world_settle(w);
        assert_int_equal(world_service(w)->counts.running, 2);
        assert_int_equal(world_service(w)->state->failed_launches, 0);
        assert_int_equal(world_primary(w)->state->failed_tasks, 0);
}

static void starts_afresh_with_a_new_deployment(void **state)
{
        struct world *w = *state;

        world_create(w, 5);
        for (int round = 0; round < 3; round++) {
                world_run(w);
                fail_pending(w, world_primary(w));
        }
        world_run(w);
        assert_int_equal(live(world_primary(w)), 0);
        world_deploy(w, 2);
        world_run(w);
        assert_int_equal(live(world_primary(w)), 5);
}

/* ---- Alarms, bake time, stopping ---- */

static void set_alarm(struct world *w, enum cloudwatch_state_value value)
{
        struct tx *tx = tx_begin(w->model);
        struct state_alarm state = {.name = "errors", .namespace = "n", .metric_name = "m"};
        struct alarm *alarm = model_alarm(w->model, "errors");

        SHAPE_SET(&state, state_alarm, evaluation_periods, 1);
        SHAPE_SET(&state, state_alarm, period, 60);
        if (alarm == NULL)
                alarm = alarm_create(tx, &state, w->env.now_ms);
        alarm_set_state(tx, alarm, value, "by the test", NULL, w->env.now_ms);
        tx_commit(tx);
}

static void watch_alarm(struct world *w)
{
        static const char *names[] = {"errors"};
        struct tx *tx = tx_begin(w->model);
        struct state_service *state = tx_edit(tx, &world_service(w)->object);
        struct ecs_deployment_alarms *alarms = ARENA_NEW(tx_arena(tx), struct ecs_deployment_alarms);

        SHAPE_SET(alarms, ecs_deployment_alarms, enable, true);
        SHAPE_SET(alarms, ecs_deployment_alarms, rollback, true);
        alarms->alarm_names = (struct string_list){.items = names, .n = 1};
        state->deployment_configuration->alarms = alarms;
        SHAPE_SET(state->deployment_configuration, ecs_deployment_configuration, bake_time_in_minutes, 5);
        tx_put(tx, &world_service(w)->object, state);
        tx_commit(tx);
}

static void bakes_and_hears_an_alarm(void **state)
{
        struct world *w = *state;
        struct service_revision *good;

        world_create(w, 2);
        set_alarm(w, CLOUDWATCH_STATE_VALUE_OK);
        watch_alarm(w);
        world_settle(w);
        world_wait(w, 5 * 60000);
        world_settle(w);
        good = world_primary(w);
        world_deploy(w, 2);
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->lifecycle_stage, ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS);
        set_alarm(w, CLOUDWATCH_STATE_VALUE_ALARM);
        world_run(w);
        assert_int_equal(world_deployment(w)->state->alarms->status, ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_TRIGGERED);
        assert_string_equal(world_deployment(w)->state->alarms->triggered_alarm_names.items[0], "errors");
        assert_ptr_equal(world_primary(w), good);
        assert_true(str_ends_with(world_event(w, "(deployment ecs-svc/"), ") deployment failed: alarm detected."));
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
        /* An alarm that is on already is left out. */
        world_deploy(w, 3);
        world_settle(w);
        world_wait(w, 5 * 60000);
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void goes_back_when_asked(void **state)
{
        struct world *w = *state;
        struct service_revision *good;
        struct tx *tx;

        world_create(w, 3);
        world_settle(w);
        good = world_primary(w);
        world_deploy(w, 2);
        world_work(w);
        tx = tx_begin(w->model);
        service_stop_deployment(tx, world_deployment(w), false, w->env.now_ms);
        tx_commit(tx);
        world_settle(w);
        assert_ptr_equal(world_primary(w), good);
        assert_int_equal(good->counts.running, 3);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
}

/* Old tasks that are protected keep the rollout open. */
static void waits_for_protected_tasks(void **state)
{
        struct world *w = *state;
        struct service_revision *old;
        struct task *task;
        struct state_task *edit;
        struct tx *tx;

        world_create(w, 2);
        world_settle(w);
        old = world_primary(w);
        task = world_find(w, STATE_TASK_STATUS_RUNNING, 0);
        tx = tx_begin(w->model);
        edit = tx_edit(tx, &task->object);
        edit->protected_until = w->env.now_ms + 60000;
        tx_put(tx, &task->object, edit);
        tx_commit(tx);
        world_deploy(w, 2);
        world_settle(w);
        assert_int_equal(old->counts.running, 1);
        assert_int_equal(world_primary(w)->counts.running, 2);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS);
        world_wait(w, 60000);
        world_settle(w);
        assert_int_equal(world_primary(w)->state->rollout_state, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
}

static size_t length(const struct list *list)
{
        size_t n = 0;

        for (const struct list *link = list->next; link != list; link = link->next)
                n++;
        return n;
}

static void keeps_a_hundred(void **state)
{
        struct world *w = *state;

        world_create(w, 0);
        world_run(w);
        for (int i = 0; i < 105; i++) {
                world_deploy(w, 1 + i % 2);
                world_run(w);
        }
        assert_int_equal(length(&world_service(w)->revisions), 100);
        assert_int_equal(length(&world_service(w)->deployments), 100);
        w->env.now_ms += INT64_C(91) * 24 * 3600 * 1000;
        world_deploy(w, 3);
        world_run(w);
        /* What runs, and what it would go back to. */
        assert_int_equal(length(&world_service(w)->revisions), 2);
        assert_int_equal(length(&world_service(w)->deployments), 1);
}

/* Tags move; a deployment's tasks do not. */
static void pins_images(void **state)
{
        struct world *w = *state;
        struct ecs_container_definition container = {.name = "web", .image = "registry:5000/team/web:1"};
        CLEANUP_ARENA struct arena arena = {0};
        struct task *task;

        world_create(w, 1);
        world_run(w);
        task = world_find(w, STATE_TASK_STATUS_PENDING, 0);
        assert_string_equal(service_image(task, &container, &arena), "registry:5000/team/web:1");
        world_settle(w);
        assert_string_equal(world_primary(w)->state->container_images.items[0].image_digest, "sha256:0123");
        assert_string_equal(service_image(task, &container, &arena), "registry:5000/team/web@sha256:0123");
        container.image = "web";
        assert_string_equal(service_image(task, &container, &arena), "web@sha256:0123");
        container.image = "oci:/images/web:1";
        assert_string_equal(service_image(task, &container, &arena), "oci:/images/web:1");
        container.image = "web";
        container.version_consistency = ECS_VERSION_CONSISTENCY_DISABLED;
        assert_string_equal(service_image(task, &container, &arena), "web");
        world_deploy(w, 1); /* forced: looks anew */
        world_run(w);
        assert_null(world_primary(w)->state->container_images.items[0].image_digest);
}

/* The server ends after every single step of a rollout. */
static void survives_restarts(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        configure(w, 75, 125, false);
        world_settle(w);
        world_deploy(w, 2);
        for (int step = 0; step < 60; step++) {
                world_restart(w);
                for (int i = 1; i <= 3; i++)
                        model_set_connected(w->model, world_instance(w, i), true);
                one_step(w);
                assert_true(world_service(w)->counts.running >= 3);
                assert_true(world_service(w)->counts.running + world_service(w)->counts.pending <= 5);
        }
        assert_int_equal(world_primary(w)->counts.running, 4);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(keeps_to_floor_and_ceiling),
                TEST(waits_until_the_new_ones_are_healthy),
                TEST(overlaps),
                TEST(breaks_and_goes_back),
                TEST(counts_those_that_fall_over),
                TEST(counts_over_a_restart),
                TEST(fails_without_rollback),
                TEST(throttles_what_never_starts),
                TEST(starts_afresh_with_a_new_deployment),
                TEST(bakes_and_hears_an_alarm),
                TEST(goes_back_when_asked),
                TEST(waits_for_protected_tasks),
                TEST(keeps_a_hundred),
                TEST(pins_images),
                TEST(survives_restarts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
