/* SPDX-License-Identifier: Apache-2.0 */
/* When a node that hears nothing of its server stops its unique tasks, and when it does not. */
#include "unit.h"

#include "agent/fence.h"
#include "agent_idle.h"
#include "base/log.h"
#include "fixed_env.h"

struct world {
        struct fixed_env clock;
        struct timers timers;
        struct engine engine;
        struct fence fence;
        int64_t heard_us;
        int pings, tries;
        bool server_answers;  /* pings */
        bool machine_answers; /* connections */
};

static int64_t on_heard(struct fence *fence)
{
        return ((struct world *)fence->data)->heard_us;
}

static void on_ping(struct fence *fence)
{
        struct world *w = fence->data;

        w->pings++;
        if (w->server_answers)
                w->heard_us = env_mono_us(&w->clock.env);
}

static void on_reach(struct fence *fence, uint32_t timeout_ms)
{
        struct world *w = fence->data;

        assert_int_equal(timeout_ms, w->fence.lease_ms / 10);
        w->tries++;
        if (w->machine_answers)
                fence_answered(fence);
}

static const struct fence_ops ops = {.heard_us = on_heard, .ping = on_ping, .reach = on_reach};

static struct engine_task *add_task(struct world *w, const char *arn, bool unique)
{
        struct acs_container container = {.name = "c", .image = "i"};
        struct acs_task payload = {.arn = arn, .desired_status = "RUNNING", .containers = {&container, 1}};
        struct engine_task *task;

        if (unique)
                SHAPE_SET(&payload, acs_task, unique, true);
        task = engine_task_new(&payload, &w->clock.env);
        engine_add(&w->engine, task);
        return task;
}

static int setup(void **state)
{
        struct world *w = calloc(1, sizeof(*w));

        w->clock = fixed_env_make();
        timers_init(&w->timers, &w->clock.env);
        engine_init(&w->engine, &w->clock.env, &w->timers, &idle_driver, &idle_limits);
        fence_init(&w->fence, &w->engine, &ops, w);
        w->server_answers = true;
        *state = w;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        fence_done(&w->fence);
        engine_done(&w->engine);
        free(w);
        return 0;
}

static void wait_ms(struct world *w, int64_t ms)
{
        int64_t end = w->clock.now_ms + ms;

        while (w->clock.now_ms < end) {
                w->clock.now_ms += 10;
                timers_run(&w->timers);
        }
}

/* The process does not get to run for so long. */
static void freeze_ms(struct world *w, int64_t ms)
{
        w->clock.now_ms += ms;
        timers_run(&w->timers);
}

static void test_cut_off(void **state)
{
        struct world *w = *state;
        struct engine_task *unique = add_task(w, "arn:aws:ecs:r:1:task/c/u", true), *other = add_task(w, "arn:aws:ecs:r:1:task/c/o", false);

        fence_terms(&w->fence, 10000, true);
        wait_ms(w, 60000);
        assert_false(unique->stop_wanted);
        assert_in_range(w->pings, 58, 62);
        assert_int_equal(w->tries, 0);
        w->server_answers = false;
        wait_ms(w, 7000);
        assert_false(unique->stop_wanted);
        assert_true(w->tries > 0);
        /* by 0.8 leases after it was heard last, and nothing is left of it by 0.95 */
        wait_ms(w, 1500);
        assert_true(unique->stop_wanted);
        assert_int_equal(unique->stop_within_ms, 1000);
        assert_non_null(strstr(unique->reason, "cut off"));
        assert_false(other->stop_wanted);
        /* heard again, it is as any other */
        w->server_answers = true;
        wait_ms(w, 1000);
        assert_false(w->fence.cut_off);
        assert_false(other->stop_wanted);
}

/* Who counts from the wrong moment, or too late, runs tasks twice: never stopped before 3/4, never after 0.86 of the lease. */
static void test_every_lease(void **state)
{
        struct world *w = *state;

        for (uint32_t lease_ms = 200; lease_ms < 100000; lease_ms = lease_ms * 3 / 2) {
                int64_t heard;

                w->server_answers = true;
                fence_terms(&w->fence, lease_ms, true);
                wait_ms(w, lease_ms * 3);
                w->server_answers = false;
                heard = w->heard_us / 1000;
                while (!w->fence.cut_off && w->clock.now_ms < heard + 2 * lease_ms)
                        wait_ms(w, 10);
                assert_in_range(w->clock.now_ms - heard, lease_ms * 15 / 20, lease_ms * 17 / 20 + lease_ms / 20 + 30);
        }
}

/* A server that died on a machine that is alive replaces nothing: its outage is not one of the tasks. */
static void test_dead_server(void **state)
{
        struct world *w = *state;
        struct engine_task *unique = add_task(w, "arn:aws:ecs:r:1:task/c/u", true);

        fence_terms(&w->fence, 10000, true);
        w->server_answers = false;
        w->machine_answers = true;
        wait_ms(w, 600000);
        assert_false(unique->stop_wanted);
        /* then the machine goes too, or the network */
        w->machine_answers = false;
        wait_ms(w, 15000);
        assert_true(unique->stop_wanted);
}

/* Where another server may have taken over, that is no excuse. */
static void test_one_of_several_servers(void **state)
{
        struct world *w = *state;
        struct engine_task *unique = add_task(w, "arn:aws:ecs:r:1:task/c/u", true);

        fence_terms(&w->fence, 10000, false);
        w->server_answers = false;
        w->machine_answers = true;
        wait_ms(w, 9000);
        assert_true(unique->stop_wanted);
        assert_int_equal(w->tries, 0);
}

/* A node that was starved asks before it believes that it was forgotten. */
static void test_busy_node(void **state)
{
        struct world *w = *state;
        struct engine_task *unique = add_task(w, "arn:aws:ecs:r:1:task/c/u", true);

        fence_terms(&w->fence, 1000, true);
        for (int i = 0; i < 100; i++) {
                wait_ms(w, 300);
                freeze_ms(w, 5000);
                wait_ms(w, 60);
                assert_false(unique->stop_wanted);
        }
}

static void test_no_lease(void **state)
{
        struct world *w = *state;
        struct engine_task *unique = add_task(w, "arn:aws:ecs:r:1:task/c/u", true);

        w->server_answers = false;
        wait_ms(w, 60000);
        fence_terms(&w->fence, 10000, true);
        wait_ms(w, 3000);
        fence_terms(&w->fence, 0, true); /* the cluster's tag says so */
        wait_ms(w, 60000);
        assert_false(unique->stop_wanted);
        assert_false(timer_is_set(&w->fence.timer));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_every_lease, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dead_server, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_of_several_servers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_busy_node, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_lease, setup, teardown),
        };

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
