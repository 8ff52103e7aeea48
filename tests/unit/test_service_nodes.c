/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of services when nodes are lost, come back, are emptied or deregistered; daemons; unhealthy tasks; zones. */
#include "service_world.h"

static int setup(void **state)
{
        static struct world world;

        world_begin(&world);
        world_add_instance(&world, "a", 4096, 4096);
        world_add_instance(&world, "a", 4096, 4096);
        world_add_instance(&world, "b", 4096, 4096);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

static void edit_service(struct world *w, void (*edit)(struct arena *arena, struct state_service *state))
{
        struct tx *tx = tx_begin(w->model);
        struct state_service *state = tx_edit(tx, &world_service(w)->object);

        edit(tx_arena(tx), state);
        tx_put(tx, &world_service(w)->object, state);
        tx_commit(tx);
}

/* ---- Lost nodes ---- */

static void replaces_what_was_on_a_lost_node(void **state)
{
        struct world *w = *state;
        struct task *lost[2];

        world_create(w, 4);
        world_settle(w);
        lost[0] = world_find(w, STATE_TASK_STATUS_RUNNING, 3);
        /* Silent: nothing happens yet. */
        model_set_connected(w->model, world_instance(w, 3), false);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 2);
        model_set_lost(w->model, world_instance(w, 3), false);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 0);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 3), 2);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 2);
        assert_int_equal(lost[0]->state->stop_code, ECS_TASK_STOP_CODE_TERMINATIONNOTICE);
        assert_true(str_starts_with(lost[0]->state->stopped_reason, "Container instance (0000"));
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 4);
        assert_true(world_service(w)->state->steady);
}

static void has_no_double_tasks_when_the_node_returns(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_lose(w, 3);
        world_settle(w);
        model_set_connected(w->model, world_instance(w, 3), true);
        world_run(w);
        /* They are to stop, and nothing new starts. */
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 3), 2);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_int_equal(world_service(w)->counts.pending, 0);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 3), 0);
        assert_int_equal(world_service(w)->counts.running, 4);
}

/* A server that has just started does not give everything to the node that comes back first. */
static void waits_for_nodes_after_a_restart(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_restart(w);
        model_set_connected(w->model, world_instance(w, 1), true);
        world_report(w, world_find(w, STATE_TASK_STATUS_RUNNING, 3), STATE_TASK_STATUS_STOPPED, 137);
        world_wait(w, 1000);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 0);
        model_set_connected(w->model, world_instance(w, 2), true);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 0);
        model_set_connected(w->model, world_instance(w, 3), true);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 3), 1);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
}

static void does_not_wait_for_ever_after_a_restart(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_restart(w);
        model_set_connected(w->model, world_instance(w, 1), true);
        world_report(w, world_find(w, STATE_TASK_STATUS_RUNNING, 1), STATE_TASK_STATUS_STOPPED, 137);
        world_wait(w, 2900);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 0), 0);
        world_wait(w, 200);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 1), 1);
}

static void gives_up_a_node_that_never_returns(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_lose(w, 3);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 3), 2);
        world_wait(w, 5 * 60000);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_STOPPING, 3), 0);
        assert_int_equal(world_instance(w, 3)->memory_used, 0);
}

static void delete_with_a_lost_node(struct world *w, bool fenced)
{
        struct tx *tx;

        world_create(w, 4);
        world_settle(w);
        model_set_connected(w->model, world_instance(w, 3), false);
        tx = tx_begin(w->model);
        service_begin_deletion(tx, world_service(w), w->env.now_ms);
        tx_commit(tx);
        world_settle(w);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_DRAINING);
        model_set_lost(w->model, world_instance(w, 3), fenced);
        world_run(w);
}

static void ends_with_a_fenced_node(void **state)
{
        struct world *w = *state;
        struct task *left;

        delete_with_a_lost_node(w, true);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_INACTIVE);
        /* Its tasks keep their place on the node, also when the server starts anew and when the name is used again. */
        assert_int_equal(world_instance(w, 3)->memory_used, 2 * 64);
        world_restart(w);
        model_set_connected(w->model, world_instance(w, 1), true);
        model_set_connected(w->model, world_instance(w, 2), true);
        assert_int_equal(world_instance(w, 3)->memory_used, 2 * 64);
        world_create(w, 2);
        world_settle(w);
        assert_int_equal(world_service(w)->counts.running, 2);
        assert_int_equal(world_service(w)->counts.stopping, 0);
        /* The node is back, and its agent says how they ended. */
        model_set_connected(w->model, world_instance(w, 3), true);
        for (int i = 0; i < 2; i++) {
                left = list_first(&world_instance(w, 3)->tasks, struct task, in_instance);
                assert_int_equal(left->state->desired_status, STATE_TASK_STATUS_STOPPED);
                world_report(w, left, STATE_TASK_STATUS_STOPPED, 137);
        }
        assert_int_equal(world_instance(w, 3)->memory_used, 0);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
}

/* Where nothing but silence is known, its tasks may still run. */
static void waits_for_a_lost_node_that_may_run_on(void **state)
{
        struct world *w = *state;

        delete_with_a_lost_node(w, false);
        world_wait(w, 4 * 60000);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_DRAINING);
        world_wait(w, 60000);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_INACTIVE);
}

static void survives_a_restart_with_a_lost_node(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_lose(w, 3);
        world_run(w);
        world_restart(w);
        world_run(w);
        assert_int_equal(world_service(w)->counts.pending, 2);
        assert_int_equal(world_service(w)->counts.running, 2);
        assert_int_equal(world_service(w)->counts.stopping, 2);
}

static void replaces_what_was_deregistered(void **state)
{
        struct world *w = *state;
        struct tx *tx;
        struct state_container_instance *instance;

        world_create(w, 4);
        world_settle(w);
        tx = tx_begin(w->model);
        list_for_each (task, &world_instance(w, 1)->tasks, struct task, in_instance) {
                struct state_task *edit = tx_edit(tx, &task->object);

                task_finish(edit, ECS_TASK_STOP_CODE_USERINITIATED, TASK_REASON_DEREGISTERED, w->env.now_ms);
                tx_put(tx, &task->object, edit);
        }
        instance = tx_edit(tx, &world_instance(w, 1)->object);
        instance->status = STATE_INSTANCE_STATUS_INACTIVE;
        tx_put(tx, &world_instance(w, 1)->object, instance);
        tx_commit(tx);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 1), 0);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_int_equal(world_service(w)->state->failed_launches, 0);
}

/* ---- Draining ---- */

static void empties_an_instance(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_settle(w);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_DRAINING);
        world_run(w);
        /* The replacements first. */
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 2);
        assert_int_equal(world_service(w)->counts.pending, 2);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 3), 0);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 0);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_true(world_service(w)->state->steady);
}

static void stops_at_once_what_is_pending_there(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        world_run(w);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_DRAINING);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 3), 0);
        assert_int_equal(world_service(w)->counts.pending, 4);
}

static void no_percent(struct arena *arena, struct state_service *state)
{
        state->deployment_configuration = world_configuration(arena, 100, 100);
}

static void keeps_a_drained_instance_without_room(void **state)
{
        struct world *w = *state;

        world_create(w, 4);
        edit_service(w, no_percent);
        world_settle(w);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_DRAINING);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 2);
        assert_non_null(world_event(w, "was unable to stop or start tasks during a deployment"));
        /* Said once. */
        world_settle(w);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_ACTIVE);
        world_settle(w);
        assert_true(world_service(w)->state->steady);
}

/* ---- Health ---- */

static void define_check(struct world *w)
{
        struct ecs_container_definition container = {.name = "web", .image = "busybox:1"};
        struct ecs_task_definition definition = {.family = "web", .container_definitions = {.items = &container, .n = 1}};
        struct ecs_health_check check = {0};
        struct tx *tx = tx_begin(w->model);

        container.health_check = &check;
        SHAPE_SET(&container, ecs_container_definition, memory, 64);
        SHAPE_SET(&definition, ecs_task_definition, revision, 4);
        definition.status = ECS_TASK_DEFINITION_STATUS_ACTIVE;
        tx_insert(tx, OBJECT_TASK_DEFINITION, &(struct state_task_definition){.definition = &definition});
        tx_commit(tx);
}

static void make_all(struct world *w, enum ecs_health_status health)
{
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task->state->last_status == STATE_TASK_STATUS_RUNNING)
                        world_set_health(w, task, health);
        world_run(w);
}

static void create_checked(struct world *w, int desired)
{
        struct tx *tx;
        struct state_service wish;
        struct state_service_revision revision = world_revision(4);

        define_check(w);
        tx = tx_begin(w->model);
        wish = world_wish(tx, desired);
        service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
        world_settle(w);
}

static void replaces_the_unhealthy(void **state)
{
        struct world *w = *state;
        struct task *sick;

        create_checked(w, 2);
        assert_false(world_service(w)->state->steady);
        make_all(w, ECS_HEALTH_STATUS_HEALTHY);
        assert_true(world_service(w)->state->steady);
        sick = world_find(w, STATE_TASK_STATUS_RUNNING, 0);
        world_set_health(w, sick, ECS_HEALTH_STATUS_UNHEALTHY);
        world_work(w);
        world_settle(w);
        /* The replacement runs, but is not known to be healthy. */
        assert_int_equal(world_service(w)->counts.running, 3);
        assert_int_equal(sick->state->desired_status, STATE_TASK_STATUS_RUNNING);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task != sick)
                        world_set_health(w, task, ECS_HEALTH_STATUS_HEALTHY);
        world_run(w);
        assert_int_equal(sick->state->desired_status, STATE_TASK_STATUS_STOPPED);
        assert_string_equal(sick->state->stopped_reason, "Task failed container health checks");
        assert_non_null(world_event(w, "(task "));
        assert_true(str_ends_with(world_event(w, "(task "), ") failed container health checks."));
}

static void exchanges_one_at_a_time_without_room(void **state)
{
        struct world *w = *state;

        create_checked(w, 3);
        make_all(w, ECS_HEALTH_STATUS_HEALTHY);
        edit_service(w, no_percent);
        world_run(w);
        make_all(w, ECS_HEALTH_STATUS_UNHEALTHY);
        assert_int_equal(world_service(w)->counts.running, 2);
        world_run(w);
        assert_int_equal(world_service(w)->counts.running, 2);
        world_settle(w);
        assert_int_equal(world_service(w)->counts.running, 3);
}

static void with_grace(struct arena *arena, struct state_service *state)
{
        (void)arena;
        SHAPE_SET(state, state_service, health_check_grace_period_seconds, 60);
}

static void believes_no_check_in_the_grace_period(void **state)
{
        struct world *w = *state;

        create_checked(w, 1);
        edit_service(w, with_grace);
        world_run(w);
        make_all(w, ECS_HEALTH_STATUS_UNHEALTHY);
        assert_int_equal(world_service(w)->counts.pending, 0);
        world_wait(w, 60000);
        assert_int_equal(world_service(w)->counts.pending, 1);
}

/* ---- Daemons ---- */

static void create_daemon(struct world *w)
{
        struct tx *tx = tx_begin(w->model);
        struct state_service wish = world_wish(tx, 0);
        struct state_service_revision revision = world_revision(1);

        wish.scheduling_strategy = ECS_SCHEDULING_STRATEGY_DAEMON;
        wish.deployment_configuration = world_configuration(tx_arena(tx), 0, 100);
        service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
}

static void runs_one_on_each(void **state)
{
        struct world *w = *state;

        create_daemon(w);
        world_settle(w);
        for (int i = 1; i <= 3; i++)
                assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, i), 1);
        assert_int_equal(world_service(w)->state->desired_count, 3);
        assert_true(world_service(w)->state->steady);
        world_add_instance(w, "b", 4096, 4096);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 4), 1);
        world_settle(w);
        world_report(w, world_find(w, STATE_TASK_STATUS_RUNNING, 2), STATE_TASK_STATUS_STOPPED, 1);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 2), 1);
        world_settle(w);
        world_set_instance(w, 1, STATE_INSTANCE_STATUS_DRAINING);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 1), 0);
        assert_int_equal(world_service(w)->state->desired_count, 3);
        world_lose(w, 2);
        world_settle(w);
        assert_int_equal(world_service(w)->state->desired_count, 2);
        assert_true(world_service(w)->state->steady);
}

static void rolls_daemons_place_by_place(void **state)
{
        struct world *w = *state;

        create_daemon(w);
        world_settle(w);
        world_deploy(w, 2);
        world_run(w);
        assert_int_equal(world_service(w)->counts.stopping, 3);
        assert_int_equal(world_service(w)->counts.pending, 0); /* never two on one instance */
        world_settle(w);
        assert_int_equal(world_primary(w)->counts.running, 3);
        assert_true(world_service(w)->state->steady);
}

static void leaves_last(void **state)
{
        struct world *w = *state;
        struct tx *tx;
        struct state_service wish;
        struct state_service_revision revision = world_revision(1);
        struct service *other;

        create_daemon(w);
        world_settle(w);
        tx = tx_begin(w->model);
        wish = world_wish(tx, 3);
        wish.name = "other";
        other = service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
        world_run(w);
        list_for_each (task, &other->tasks, struct task, in_service)
                world_report(w, task, STATE_TASK_STATUS_RUNNING, 0);
        world_wait(w, 1000);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_DRAINING);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 1);
        list_for_each (task, &other->tasks, struct task, in_service)
                if (task->state->last_status == STATE_TASK_STATUS_PENDING)
                        world_report(w, task, STATE_TASK_STATUS_RUNNING, 0);
        world_wait(w, 1000);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 1);
        list_for_each (task, &other->tasks, struct task, in_service)
                if (task->state->last_status == STATE_TASK_STATUS_STOPPING)
                        world_report(w, task, STATE_TASK_STATUS_STOPPED, 0);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 0);
}

/* ---- Zones ---- */

static void balance_zones(struct arena *arena, struct state_service *state)
{
        (void)arena;
        state->availability_zone_rebalancing = ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED;
}

static void brings_zones_into_balance(void **state)
{
        struct world *w = *state;

        world_set_instance(w, 3, STATE_INSTANCE_STATUS_DRAINING);
        world_create(w, 4);
        edit_service(w, balance_zones);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 0);
        world_set_instance(w, 3, STATE_INSTANCE_STATUS_ACTIVE);
        world_run(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_PENDING, 3), 2);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_string_equal(world_event(w, "is not AZ balanced"),
                            "is not AZ balanced with 4 tasks in a, 0 tasks in b. AZ Rebalancing in progress.");
        assert_true(str_starts_with(world_event(w, "has started 2 tasks in b to AZ Rebalance:"), "has started"));
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 3), 2);
        assert_int_equal(world_service(w)->counts.running, 4);
        assert_non_null(world_event(w, "has stopped 2 running tasks in a due to AZ rebalancing:"));
        assert_string_equal(world_event(w, "is AZ balanced"), "is AZ balanced with 2 tasks in a, 2 tasks in b.");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(replaces_what_was_on_a_lost_node),
                TEST(has_no_double_tasks_when_the_node_returns),
                TEST(waits_for_nodes_after_a_restart),
                TEST(does_not_wait_for_ever_after_a_restart),
                TEST(gives_up_a_node_that_never_returns),
                TEST(ends_with_a_fenced_node),
                TEST(waits_for_a_lost_node_that_may_run_on),
                TEST(survives_a_restart_with_a_lost_node),
                TEST(replaces_what_was_deregistered),
                TEST(empties_an_instance),
                TEST(stops_at_once_what_is_pending_there),
                TEST(keeps_a_drained_instance_without_room),
                TEST(replaces_the_unhealthy),
                TEST(exchanges_one_at_a_time_without_room),
                TEST(believes_no_check_in_the_grace_period),
                TEST(runs_one_on_each),
                TEST(rolls_daemons_place_by_place),
                TEST(leaves_last),
                TEST(brings_zones_into_balance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
