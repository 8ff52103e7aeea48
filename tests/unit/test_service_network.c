/* SPDX-License-Identifier: Apache-2.0 */
/* Services in awsvpc mode: an interface for each task, from the task's first moment to its last. */
#include "control/network.h"

#include "service_world.h"

static const char *subnet_id;

/* A subnet with eleven addresses in zone "a", and a service of tasks in it. */
static void create(struct world *w, int desired)
{
        struct ecs_aws_vpc_configuration awsvpc = {0};
        struct ecs_network_configuration network = {.awsvpc_configuration = &awsvpc};
        struct state_service_revision revision = world_revision(1);
        struct cidr range = {.address = 0xac1fff00, .prefix = 28};
        struct state_service wish;
        struct error error = {0};
        struct tx *tx;

        assert_int_equal(network_ensure(w->model, NULL, &error), 0);
        tx = tx_begin(w->model);
        subnet_id = network_subnet_create(w->model, tx,
                                          &(struct subnet_request){.vpc = model_default_vpc(w->model), .range = range, .zone = "a"})
                            ->object.key;
        string_list_push(tx_arena(tx), &awsvpc.subnets, subnet_id);
        revision.network_configuration = &network;
        wish = world_wish(tx, desired);
        service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
}

static int setup(void **state)
{
        static struct world world;

        world_begin(&world);
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

static size_t interfaces(struct world *w)
{
        return model_objects(w->model, OBJECT_NETWORK_INTERFACE)->count;
}

static void gives_interfaces_in_the_zone_of_the_subnet(void **state)
{
        struct world *w = *state;

        create(w, 3);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 1), 3);
        assert_int_equal(interfaces(w), 3);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service) {
                assert_string_equal(task->state->attachments.items[0].status, "ATTACHED");
                assert_non_null(task_network_interface(w->model, task->state));
        }
}

static void takes_them_back(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        create(w, 3);
        world_settle(w);
        world_report(w, world_find(w, STATE_TASK_STATUS_RUNNING, 0), STATE_TASK_STATUS_STOPPED, 1);
        world_settle(w);
        assert_int_equal(interfaces(w), 3);
        tx = tx_begin(w->model);
        service_scale(tx, world_service(w), 0, w->env.now_ms);
        tx_commit(tx);
        world_settle(w);
        assert_int_equal(interfaces(w), 0);
        assert_int_equal(subnet_free(model_subnet(w->model, subnet_id)), 11);
}

static void waits_for_addresses(void **state)
{
        struct world *w = *state;

        create(w, 12);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 11);
        assert_non_null(strstr(world_event(w, "was unable to place a task"), "has insufficient network interfaces available."));
        world_report(w, world_find(w, STATE_TASK_STATUS_RUNNING, 0), STATE_TASK_STATUS_STOPPED, 1);
        world_settle(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 11);
        assert_int_equal(interfaces(w), 11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(gives_interfaces_in_the_zone_of_the_subnet),
                TEST(takes_them_back),
                TEST(waits_for_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
