/* SPDX-License-Identifier: Apache-2.0 */
/* Blue/green, linear and canary deployments with their hooks; tasks behind load balancers. */
#include "control/targets.h"
#include "service_world.h"

#define ELB "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
#define GROUP ELB "targetgroup/hosts/00000000000000b1"
#define ALTERNATE ELB "targetgroup/others/00000000000000b2"
#define LISTENER ELB "listener/app/web/00000000000000c1/00000000000000d1"
#define MINUTE 60000

static enum hook_answer answer;
static int asked;

static enum hook_answer on_hook(void *data, const struct service_deployment *deployment, const struct ecs_deployment_lifecycle_hook *hook,
                                enum ecs_deployment_lifecycle_hook_stage stage)
{
        (void)data;
        (void)deployment;
        (void)hook;
        (void)stage;
        asked++;
        return answer;
}

static const struct controller_ops ops = {.hook = on_hook};

static int setup(void **state)
{
        static struct world world;

        answer = HOOK_WAITING;
        asked = 0;
        world_begin(&world);
        world.options.ops = &ops;
        world_restart(&world);
        world_add_instance(&world, "a", 65536, 65536);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        world_end(*state);
        return 0;
}

/* With a hook of that type in one stage. */
static void configure(struct world *w, enum ecs_deployment_strategy strategy, enum ecs_deployment_lifecycle_hook_target_type type,
                      enum ecs_deployment_lifecycle_hook_stage stage)
{
        struct tx *tx = tx_begin(w->model);
        struct arena *arena = tx_arena(tx);
        struct state_service *state = tx_edit(tx, &world_service(w)->object);
        struct ecs_deployment_configuration *c = world_configuration(arena, 100, 200);
        struct ecs_deployment_lifecycle_hook *hook = SHAPE_PUSH(arena, &c->lifecycle_hooks);
        int64_t *stages = arena_calloc(arena, 1, sizeof(*stages));

        c->strategy = strategy;
        SHAPE_SET(c, ecs_deployment_configuration, bake_time_in_minutes, 5);
        stages[0] = (int64_t)stage;
        hook->target_type = type;
        hook->lifecycle_stages = (struct int_list){.items = stages, .n = 1};
        if (type == ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_UNSET)
                c->lifecycle_hooks.n = 0;
        state->deployment_configuration = c;
        tx_put(tx, &world_service(w)->object, state);
        tx_commit(tx);
}

static int stage_of(struct world *w)
{
        return (int)world_deployment(w)->state->lifecycle_stage;
}

static void keeps_blue_until_green_has_baked(void **state)
{
        struct world *w = *state;
        struct service_revision *blue;

        world_create(w, 3);
        world_settle(w);
        blue = world_primary(w);
        configure(w, ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN, 0, 0);
        world_deploy(w, 2);
        world_work(w);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_SCALE_UP);
        assert_int_equal(world_primary(w)->counts.running, 3);
        world_settle(w);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME);
        assert_int_equal(blue->counts.running, 3);
        /* Blue is kept up, too, also over a start of the server. */
        world_restart(w);
        model_set_connected(w->model, world_instance(w, 1), true);
        blue = CONTAINER_OF(world_service(w)->revisions.next, struct service_revision, in_service);
        world_report(w, world_task_of(w, blue), STATE_TASK_STATUS_STOPPED, 1);
        world_settle(w);
        assert_int_equal(blue->counts.running, 3);
        assert_int_equal(world_primary(w)->counts.running, 3);
        world_wait(w, 5 * MINUTE);
        world_settle(w);
        assert_int_equal(blue->counts.running, 0);
        assert_int_equal(world_primary(w)->counts.running, 3);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
        assert_true(world_service(w)->state->steady);
}

static void pauses(void **state)
{
        struct world *w = *state;
        struct service_revision *blue;
        const char *id;
        struct tx *tx;

        world_create(w, 2);
        world_settle(w);
        blue = world_primary(w);
        configure(w, ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN, ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE,
                  ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_POST_SCALE_UP);
        world_deploy(w, 2);
        world_settle(w);
        world_wait(w, 60 * MINUTE);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_POST_SCALE_UP);
        assert_int_equal(world_deployment(w)->state->hooks.n, 1);
        assert_int_equal(world_deployment(w)->state->hooks.items[0].status, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION);
        id = world_deployment(w)->state->hooks.items[0].hook_id;
        tx = tx_begin(w->model);
        assert_true(service_continue_deployment(tx, world_deployment(w), id, ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_CONTINUE, w->env.now_ms));
        tx_commit(tx);
        world_settle(w);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME);
        assert_int_equal(blue->counts.running, 2);
}

static void goes_back_when_nobody_continues(void **state)
{
        struct world *w = *state;
        struct service_revision *blue, *green;

        world_create(w, 2);
        world_settle(w);
        blue = world_primary(w);
        configure(w, ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN, ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE,
                  ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_POST_SCALE_UP);
        world_deploy(w, 2);
        world_settle(w);
        green = world_primary(w);
        world_wait(w, 1440 * MINUTE);
        world_settle(w);
        assert_ptr_equal(world_primary(w), blue);
        assert_int_equal(blue->counts.running, 2);
        assert_int_equal(green->counts.running, 0);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
}

static void asks_a_hook(void **state)
{
        struct world *w = *state;

        world_create(w, 1);
        world_settle(w);
        configure(w, ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN, ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_AWS_LAMBDA,
                  ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_PRE_SCALE_UP);
        world_deploy(w, 2);
        world_settle(w);
        assert_true(asked > 0);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRE_SCALE_UP);
        assert_int_equal(world_primary(w)->counts.running, 0);
        answer = HOOK_SUCCEEDED;
        controller_mark_service(w->controller, world_service(w));
        world_settle(w);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME);
        answer = HOOK_FAILED;
        world_deploy(w, 3);
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
        assert_true(str_ends_with(world_event(w, "(deployment "), " deployment completed."));
}

/* ---- Load balancers ---- */

static void make_balancer(struct world *w)
{
        struct elbv2_target_group_tuple tuple = {.target_group_arn = GROUP};
        struct elbv2_forward_action_config forward = {.target_groups = {&tuple, 1, 0}};
        struct elbv2_action action = {.type = ELBV2_ACTION_TYPE_FORWARD, .forward_config = &forward};
        struct state_load_balancer balancer = {.id = "00000000000000c1", .name = "web", .type = ELBV2_LOAD_BALANCER_TYPE_APPLICATION};
        struct state_listener listener = {
                .balancer = balancer.id, .id = "00000000000000d1", .protocol = ELBV2_PROTOCOL_HTTP, .actions = {&action, 1, 0}};
        struct state_target_group group = {
                .name = "hosts", .id = "00000000000000b1", .target_type = ELBV2_TARGET_TYPE_INSTANCE, .protocol = ELBV2_PROTOCOL_HTTP};
        struct state_target_group other = {
                .name = "others", .id = "00000000000000b2", .target_type = ELBV2_TARGET_TYPE_INSTANCE, .protocol = ELBV2_PROTOCOL_HTTP};
        struct tx *tx = tx_begin(w->model);

        tx_insert(tx, OBJECT_TARGET_GROUP, &group);
        tx_insert(tx, OBJECT_TARGET_GROUP, &other);
        tx_insert(tx, OBJECT_LOAD_BALANCER, &balancer);
        tx_insert(tx, OBJECT_LISTENER, &listener);
        tx_commit(tx);
        model_set_balancing(w->model, true);
}

static void create_balanced(struct world *w, int desired)
{
        struct tx *tx = tx_begin(w->model);
        struct state_service wish = world_wish(tx, desired);
        struct state_service_revision revision = world_revision(1);
        struct ecs_advanced_configuration advanced = {.alternate_target_group_arn = ALTERNATE, .production_listener_rule = LISTENER};
        struct ecs_load_balancer balancer = {.target_group_arn = GROUP, .container_name = "web", .advanced_configuration = &advanced};

        SHAPE_SET(&balancer, ecs_load_balancer, container_port, 80);
        revision.load_balancers.items = &balancer;
        revision.load_balancers.n = 1;
        service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
        world_run(w);
}

/* The agent says where the containers are to be reached, and that they run. */
static void come_up(struct world *w)
{
        static int port = 40000;

        list_for_each (task, &world_service(w)->tasks, struct task, in_service) {
                struct tx *tx;
                struct state_task *edit;
                struct ecs_network_binding *binding;

                if (task->state->last_status != STATE_TASK_STATUS_PENDING)
                        continue;
                tx = tx_begin(w->model);
                edit = tx_edit(tx, &task->object);
                binding = SHAPE_PUSH(tx_arena(tx), &edit->containers.items[0].network_bindings);
                SHAPE_SET(binding, ecs_network_binding, container_port, 80);
                SHAPE_SET(binding, ecs_network_binding, host_port, port++);
                tx_put(tx, &task->object, edit);
                tx_commit(tx);
                world_report(w, task, STATE_TASK_STATUS_RUNNING, 0);
                assert_int_equal(task->state->last_status, STATE_TASK_STATUS_ACTIVATING);
        }
        world_run(w);
}

static void set_targets(struct world *w, enum elbv2_target_health_state health)
{
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                list_for_each (target, &task->targets, struct target, in_task)
                        model_set_target_health(w->model, target, health, ELBV2_TARGET_HEALTH_REASON_UNSET,
                                                health == ELBV2_TARGET_HEALTH_STATE_HEALTHY ? "" : "Health checks failed");
        world_run(w);
}

/* The proxy has no more connections to it. */
static void drained(struct world *w, struct task *task)
{
        struct tx *tx = tx_begin(w->model);

        list_for_each (target, &task->targets, struct target, in_task)
                tx_remove(tx, &target->object);
        tx_commit(tx);
        world_run(w);
}

static void waits_for_targets(void **state)
{
        struct world *w = *state;
        struct task *task;
        struct tx *tx;

        make_balancer(w);
        create_balanced(w, 2);
        come_up(w);
        assert_int_equal(world_count(w, STATE_TASK_STATUS_RUNNING, 0), 2);
        assert_string_equal(world_event(w, "registered"), "registered 2 targets in (target-group " GROUP ")");
        world_wait(w, 10000);
        assert_false(world_service(w)->state->steady);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        assert_true(world_service(w)->state->steady);
        tx = tx_begin(w->model);
        service_scale(tx, world_service(w), 1, w->env.now_ms);
        tx_commit(tx);
        world_run(w);
        task = world_find(w, STATE_TASK_STATUS_DEACTIVATING, 0);
        assert_non_null(task);
        assert_false(task_should_stop(task->state));
        assert_string_equal(world_event(w, "has begun"), "has begun draining connections on 1 task.");
        assert_string_equal(world_event(w, "deregistered"), "deregistered 1 targets in (target-group " GROUP ")");
        drained(w, task);
        assert_int_equal(task->state->last_status, STATE_TASK_STATUS_STOPPING);
        assert_true(task_should_stop(task->state));
        world_report(w, task, STATE_TASK_STATUS_STOPPED, 0);
        world_run(w);
        assert_true(world_service(w)->state->steady);
}

static void replaces_what_fails_its_check(void **state)
{
        struct world *w = *state;
        struct task *sick;

        make_balancer(w);
        create_balanced(w, 1);
        come_up(w);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        sick = world_find(w, STATE_TASK_STATUS_RUNNING, 0);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_UNHEALTHY);
        assert_int_equal(world_service(w)->counts.pending, 1);
        come_up(w);
        assert_int_equal(sick->state->desired_status, STATE_TASK_STATUS_RUNNING);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task != sick)
                        list_for_each (target, &task->targets, struct target, in_task)
                                model_set_target_health(w->model, target, ELBV2_TARGET_HEALTH_STATE_HEALTHY,
                                                        ELBV2_TARGET_HEALTH_REASON_UNSET, "");
        world_run(w);
        assert_string_equal(sick->state->stopped_reason, "Task failed ELB health checks in (target-group " GROUP ")");
        assert_non_null(
                strstr(world_event(w, "(port 4"), ") is unhealthy in (target-group " GROUP ") due to (reason Health checks failed)."));
}

/* A container that dies by itself leaves a target behind. */
static void takes_away_what_is_left_behind(void **state)
{
        struct world *w = *state;
        struct task *task;

        make_balancer(w);
        create_balanced(w, 1);
        come_up(w);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        task = world_find(w, STATE_TASK_STATUS_RUNNING, 0);
        world_report(w, task, STATE_TASK_STATUS_STOPPED, 1);
        world_run(w);
        assert_int_equal(targets_state(w->model, task, NULL), TARGETS_DRAINING);
        drained(w, task);
        assert_int_equal(targets_state(w->model, task, NULL), TARGETS_NONE);
        assert_int_equal(world_service(w)->counts.pending, 1);
}

/* The percentage of the traffic that a target group gets; -1: the listener does not name it. */
static int share(struct world *w, const char *group)
{
        const struct elbv2_action *action = &model_listener(w->model, "00000000000000d1")->state->actions.items[0];

        for (uint32_t i = 0; i < action->forward_config->target_groups.n; i++)
                if (str_eq(action->forward_config->target_groups.items[i].target_group_arn, group))
                        return action->forward_config->target_groups.items[i].weight;
        return -1;
}

static uint32_t targets_of(struct world *w, const char *group)
{
        return (uint32_t)model_target_group_of_arn(w->model, group)->n_targets;
}

/* A balanced service that runs, and a deployment with all its tasks up. */
static void go_to_traffic_shift(struct world *w, enum ecs_deployment_strategy strategy)
{
        make_balancer(w);
        create_balanced(w, 1);
        come_up(w);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        configure(w, strategy, 0, 0);
        world_deploy(w, 2);
        world_run(w);
        /* The listener names the new tasks' group before it sends anything there: its targets are to be checked. */
        assert_int_equal(share(w, GROUP), 100);
        assert_int_equal(share(w, ALTERNATE), 0);
        come_up(w);
        assert_int_equal(targets_of(w, GROUP), 1);
        assert_int_equal(targets_of(w, ALTERNATE), 1);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_SCALE_UP);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
}

static void shifts_in_steps(void **state)
{
        struct world *w = *state;

        go_to_traffic_shift(w, ECS_DEPLOYMENT_STRATEGY_LINEAR); /* a tenth every six minutes */
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRODUCTION_TRAFFIC_SHIFT);
        for (int step = 1; step < 10; step++) {
                assert_int_equal(share(w, ALTERNATE), 10 * step);
                assert_int_equal(share(w, GROUP), 100 - 10 * step);
                world_wait(w, 6 * MINUTE);
        }
        assert_int_equal(share(w, ALTERNATE), 100);
        assert_int_equal(stage_of(w), ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME);
}

/* The alternate group is the service's own now: the next deployment goes the other way. */
static void takes_turns(void **state)
{
        struct world *w = *state;

        go_to_traffic_shift(w, ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN);
        assert_int_equal(share(w, ALTERNATE), 100);
        world_wait(w, 5 * MINUTE);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task->state->last_status == STATE_TASK_STATUS_DEACTIVATING)
                        drained(w, task);
        assert_int_equal(targets_of(w, GROUP), 0);
        world_settle(w);
        assert_int_equal(world_deployment(w)->state->status, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
        world_deploy(w, 1);
        world_run(w);
        come_up(w);
        assert_int_equal(targets_of(w, GROUP), 1);
        assert_int_equal(share(w, ALTERNATE), 100);
        set_targets(w, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        assert_int_equal(share(w, GROUP), 100);
        assert_int_equal(share(w, ALTERNATE), 0);
}

static void takes_traffic_back(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        go_to_traffic_shift(w, ECS_DEPLOYMENT_STRATEGY_CANARY);
        assert_int_equal(share(w, ALTERNATE), 5);
        tx = tx_begin(w->model);
        service_stop_deployment(tx, world_deployment(w), false, w->env.now_ms);
        tx_commit(tx);
        world_run(w);
        assert_int_equal(share(w, GROUP), 100);
        assert_int_equal(share(w, ALTERNATE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(keeps_blue_until_green_has_baked),
                TEST(pauses),
                TEST(goes_back_when_nobody_continues),
                TEST(asks_a_hook),
                TEST(waits_for_targets),
                TEST(replaces_what_fails_its_check),
                TEST(takes_away_what_is_left_behind),
                TEST(shifts_in_steps),
                TEST(takes_turns),
                TEST(takes_traffic_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
