/* SPDX-License-Identifier: Apache-2.0 */
/* What a task has behind load balancers: registered when it can be reached, drained, gone; and how the model keeps it together. */
#include "control/targets.h"

#include <errno.h>

#include "store/store.h"

#include "fixed_env.h"
#include "unit.h"

#define GROUP "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/"
#define TASK_ID "00000000000000000000000000000001"
#define HOST_PORT 32768

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
        struct arena arena;
};

static void open_model(struct world *w)
{
        struct error error = {0};

        assert_int_equal(model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error), 0);
}

static void insert_group(struct tx *tx, const char *name, const char *id, enum elbv2_target_type type)
{
        struct state_target_group state = {.name = name, .id = id, .target_type = type, .protocol = ELBV2_PROTOCOL_HTTP};

        tx_insert(tx, OBJECT_TARGET_GROUP, &state);
}

/* Forwards to both groups. */
static void insert_listener(struct tx *tx)
{
        struct elbv2_target_group_tuple tuples[] = {{.target_group_arn = GROUP "ips/00000000000000a1"},
                                                    {.target_group_arn = GROUP "hosts/00000000000000b1"}};
        struct elbv2_forward_action_config forward = {.target_groups = {tuples, 2, 0}};
        struct elbv2_action action = {.type = ELBV2_ACTION_TYPE_FORWARD, .forward_config = &forward};
        struct state_load_balancer balancer = {.id = "00000000000000c1", .name = "web", .type = ELBV2_LOAD_BALANCER_TYPE_APPLICATION};
        struct state_listener state = {
                .balancer = balancer.id, .id = "00000000000000d1", .protocol = ELBV2_PROTOCOL_HTTP, .actions = {&action, 1, 0}};

        tx_insert(tx, OBJECT_LOAD_BALANCER, &balancer);
        tx_insert(tx, OBJECT_LISTENER, &state);
}

static void begin(struct world *w)
{
        struct state_cluster cluster = {.name = "default", .status = STATE_CLUSTER_STATUS_ACTIVE};
        struct state_container_instance instance = {
                .cluster = "default", .id = "i1", .status = STATE_INSTANCE_STATUS_ACTIVE, .address = "10.9.8.7"};
        struct state_container containers[] = {{.name = "web"}};
        struct state_task task = {.cluster = "default", .id = TASK_ID, .family = "f", .instance = "i1", .containers = {containers, 1, 0}};
        struct tx *tx;

        *w = (struct world){.env = fixed_env_make(), .store = store_memory_new(-1)};
        open_model(w);
        tx = tx_begin(w->model);
        tx_insert(tx, OBJECT_CLUSTER, &cluster);
        tx_insert(tx, OBJECT_INSTANCE, &instance);
        tx_insert(tx, OBJECT_TASK, &task);
        insert_group(tx, "ips", "00000000000000a1", ELBV2_TARGET_TYPE_IP);
        insert_group(tx, "hosts", "00000000000000b1", ELBV2_TARGET_TYPE_INSTANCE);
        insert_listener(tx);
        tx_commit(tx);
        model_set_balancing(w->model, true);
}

static void end(struct world *w)
{
        arena_done(&w->arena);
        w->model = model_close(w->model);
        store_close(w->store);
}

static struct task *the_task(struct world *w)
{
        return model_task(w->model, "default", TASK_ID);
}

static int register_task(struct world *w, const char *groups[], uint32_t n, struct error *error)
{
        struct ecs_load_balancer items[2] = {0};
        struct ecs_load_balancer_list list = {items, n, 0};
        struct tx *tx = tx_begin(w->model);
        int r;

        for (uint32_t i = 0; i < n; i++) {
                items[i].target_group_arn = groups[i];
                items[i].container_name = "web";
                SHAPE_SET(&items[i], ecs_load_balancer, container_port, 80);
        }
        r = targets_register(w->model, tx, the_task(w), &list, false, w->env.now_ms, error);
        tx_commit(tx);
        return r;
}

/* The agent and the network have said where the task is. */
static void make_reachable(struct world *w)
{
        struct tx *tx = tx_begin(w->model);
        struct state_task *state = tx_edit(tx, &the_task(w)->object);
        struct ecs_network_binding *binding = SHAPE_PUSH(tx_arena(tx), &state->containers.items[0].network_bindings);
        struct ecs_attachment *attachment = SHAPE_PUSH(tx_arena(tx), &state->attachments);
        struct ecs_key_value_pair *detail = SHAPE_PUSH(tx_arena(tx), &attachment->details);

        SHAPE_SET(binding, ecs_network_binding, container_port, 80);
        SHAPE_SET(binding, ecs_network_binding, host_port, HOST_PORT);
        *detail = (struct ecs_key_value_pair){.name = "privateIPv4Address", .value = "10.0.0.5"};
        tx_put(tx, &the_task(w)->object, state);
        tx_commit(tx);
}

static const char *both[] = {GROUP "ips/00000000000000a1", GROUP "hosts/00000000000000b1"};

static void test_registered_when_reachable(void **state)
{
        struct error error = {0};
        struct world w;

        begin(&w);
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_NONE);
        assert_int_equal(register_task(&w, both, 2, &error), -EAGAIN);
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_NONE);
        make_reachable(&w);
        assert_int_equal(register_task(&w, both, 2, &error), 0);
        assert_int_equal(register_task(&w, both, 2, &error), 0);
        assert_int_equal(model_objects(w.model, OBJECT_TARGET)->count, 2);
        assert_non_null(model_target(w.model, "00000000000000a1", "10.0.0.5", 80));
        assert_string_equal(target_address(w.model, model_target(w.model, "00000000000000b1", "i1", HOST_PORT), &w.arena), "10.9.8.7");
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_INITIAL);
        end(&w);
}

static void test_unknown_group_is_named(void **state)
{
        const char *groups[] = {GROUP "none/00000000000000ff", GROUP "ips/00000000000000a1"};
        struct error error = {0};
        struct world w;

        begin(&w);
        make_reachable(&w);
        assert_int_equal(register_task(&w, groups, 2, &error), -ENOENT);
        assert_non_null(strstr(error.message, "none/00000000000000ff"));
        assert_int_equal(model_objects(w.model, OBJECT_TARGET)->count, 1);
        end(&w);
}

static void set_health(struct world *w, const char *group, const char *id, int port, enum elbv2_target_health_state health)
{
        model_set_target_health(w->model, model_target(w->model, group, id, port), health,
                                ELBV2_TARGET_HEALTH_REASON_TARGET_FAILEDHEALTHCHECKS, "connection refused");
}

static void test_worst_state_counts(void **state)
{
        struct error error = {0};
        const char *reason;
        struct world w;

        begin(&w);
        make_reachable(&w);
        assert_int_equal(register_task(&w, both, 2, &error), 0);
        set_health(&w, "00000000000000a1", "10.0.0.5", 80, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_INITIAL);
        set_health(&w, "00000000000000b1", "i1", HOST_PORT, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_HEALTHY);
        set_health(&w, "00000000000000b1", "i1", HOST_PORT, ELBV2_TARGET_HEALTH_STATE_UNHEALTHY);
        assert_int_equal(targets_state(w.model, the_task(&w), &reason), TARGETS_UNHEALTHY);
        assert_string_equal(reason, "connection refused");
        model_set_balancing(w.model, false);
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_HEALTHY);
        end(&w);
}

static bool deregister(struct world *w)
{
        struct tx *tx = tx_begin(w->model);
        bool any = targets_deregister(w->model, tx, the_task(w), w->env.now_ms);

        tx_commit(tx);
        return any;
}

static void test_drains_where_a_proxy_serves(void **state)
{
        struct error error = {0};
        struct target *target;
        struct world w;

        begin(&w);
        make_reachable(&w);
        assert_int_equal(register_task(&w, both, 1, &error), 0);
        assert_true(deregister(&w));
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_DRAINING);
        target = model_target(w.model, "00000000000000a1", "10.0.0.5", 80);
        assert_int_equal(target_drain_deadline(target), w.env.now_ms + 300000);
        assert_int_equal(register_task(&w, both, 1, &error), 0); /* back again */
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_INITIAL);
        model_set_balancing(w.model, false); /* nobody is behind it: nothing to wait for */
        assert_false(deregister(&w));
        assert_int_equal(targets_state(w.model, the_task(&w), NULL), TARGETS_NONE);
        end(&w);
}

/* Uses are counted over restarts, changes and their reversal; a forgotten task leaves its targets. */
static void test_kept_together(void **state)
{
        struct error error = {0};
        struct target *target;
        struct world w;
        struct tx *tx;

        begin(&w);
        make_reachable(&w);
        assert_int_equal(register_task(&w, both, 1, &error), 0);
        w.model = model_close(w.model);
        open_model(&w);
        assert_int_equal(model_target_group(w.model, "00000000000000b1")->n_uses, 1);
        assert_string_equal(model_target_group(w.model, "00000000000000b1")->balancer->state->name, "web");
        target = model_target(w.model, "00000000000000a1", "10.0.0.5", 80);
        assert_ptr_equal(target->task, the_task(&w));
        tx = tx_begin(w.model);
        tx_remove(tx, &the_task(&w)->object);
        assert_null(target->task);
        tx_remove(tx, &model_listener(w.model, "00000000000000d1")->object);
        assert_int_equal(model_target_group(w.model, "00000000000000b1")->n_uses, 0);
        assert_null(model_target_group(w.model, "00000000000000b1")->balancer);
        tx_rollback(tx);
        assert_ptr_equal(target->task, the_task(&w));
        assert_int_equal(model_target_group(w.model, "00000000000000b1")->n_uses, 1);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_registered_when_reachable),
                cmocka_unit_test(test_unknown_group_is_named),
                cmocka_unit_test(test_worst_state_counts),
                cmocka_unit_test(test_drains_where_a_proxy_serves),
                cmocka_unit_test(test_kept_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
