/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a task: what reports, wishes and health do to its state, and what they must not do. */
#include "base/strutil.h"
#include "control/task.h"

#include "fixed_env.h"
#include "unit.h"

#define T0 INT64_C(1767225600000)

struct world {
        struct fixed_env env;
        struct arena arena;
        struct state_cluster cluster_state;
        struct cluster cluster;
        struct state_task_definition definition_state;
        struct task_definition definition;
        struct task task;
        struct state_task *state;
};

/* A task with an essential container "web" and one, "side", that is not. */
static void begin(struct world *w)
{
        static const char json[] = "{\"family\":\"web\",\"revision\":1,\"containerDefinitions\":["
                                   "{\"name\":\"web\",\"image\":\"i\",\"memory\":64,\"healthCheck\":{\"command\":[\"CMD\",\"true\"]}},"
                                   "{\"name\":\"side\",\"image\":\"i\",\"memory\":32,\"essential\":false}]}";
        struct error error = {0};
        struct task_request request;

        *w = (struct world){.env = fixed_env_make()};
        assert_int_equal(SHAPE_PARSE(ecs_task_definition, &w->arena, json, strlen(json), NULL, &w->definition_state.definition, &error), 0);
        w->cluster_state.name = "lab";
        w->cluster.state = &w->cluster_state;
        w->definition.state = &w->definition_state;
        request = (struct task_request){.cluster = &w->cluster, .definition = &w->definition, .group = "family:web"};
        w->state = task_make(&w->env.env, &request, &w->arena);
        w->task.definition = &w->definition;
        w->task.state = w->state;
        list_init(&w->task.targets);
}

static void end(struct world *w)
{
        arena_done(&w->arena);
}

static bool report(struct world *w, enum state_task_status status, const char *container, enum state_container_status container_status,
                   int exit_code, const char *reason, int64_t at)
{
        struct task_container_report c = {
                .name = container, .status = container_status, .has_exit_code = exit_code >= 0, .exit_code = exit_code, .reason = reason};

        return task_apply_report(&w->task, w->state,
                                 &(struct task_report){.status = status, .reason = "", .containers = &c, .n_containers = container ? 1 : 0},
                                 &w->arena, T0 + at);
}

#define RUNNING STATE_TASK_STATUS_RUNNING
#define STOPPED STATE_TASK_STATUS_STOPPED
#define PENDING STATE_TASK_STATUS_PENDING
#define C_RUNNING STATE_CONTAINER_STATUS_RUNNING
#define C_STOPPED STATE_CONTAINER_STATUS_STOPPED

static void test_new(void **state)
{
        struct world w;

        begin(&w);
        assert_int_equal(w.state->last_status, PENDING);
        assert_int_equal(w.state->desired_status, RUNNING);
        assert_int_equal(strlen(w.state->id), 32);
        assert_int_equal(w.state->memory, 96);
        assert_int_equal(w.state->containers.n, 2);
        assert_int_equal(w.state->version, 1);
        end(&w);
}

static void test_normal_life(void **state)
{
        struct world w;

        begin(&w);
        assert_true(report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 10));
        assert_int_equal(w.state->last_status, RUNNING);
        assert_int_equal(w.state->started_at, T0 + 10);
        assert_int_equal(w.state->version, 2);
        /* the same once more: nothing new */
        assert_false(report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 20));
        assert_int_equal(w.state->version, 2);
        assert_true(report(&w, STOPPED, "web", C_STOPPED, 3, NULL, 30));
        assert_int_equal(w.state->stop_code, ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED);
        assert_string_equal(w.state->stopped_reason, TASK_REASON_ESSENTIAL);
        assert_int_equal(w.state->desired_status, STOPPED);
        assert_int_equal(w.state->containers.items[0].exit_code, 3);
        assert_int_equal(w.state->containers.items[1].status, C_STOPPED);
        assert_int_equal(w.state->stopped_at, T0 + 30);
        assert_int_equal(w.state->execution_stopped_at, T0 + 30);
        end(&w);
}

static void test_late_reports_change_nothing(void **state)
{
        struct world w;

        begin(&w);
        assert_true(report(&w, STOPPED, NULL, 0, -1, NULL, 10));
        assert_false(report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 20));
        assert_int_equal(w.state->last_status, STOPPED);
        end(&w);

        begin(&w);
        assert_true(report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 10));
        assert_false(report(&w, PENDING, NULL, 0, -1, NULL, 20));
        assert_int_equal(w.state->last_status, RUNNING);
        end(&w);

        /* a container does not come back to life either */
        begin(&w);
        report(&w, RUNNING, "side", C_STOPPED, 0, NULL, 10);
        report(&w, RUNNING, "side", C_RUNNING, -1, NULL, 20);
        assert_int_equal(w.state->containers.items[1].status, C_STOPPED);
        end(&w);
}

static void test_never_started(void **state)
{
        struct world w;

        begin(&w);
        assert_true(report(&w, STOPPED, "web", C_STOPPED, -1, "CannotPullContainerError: no such image", 10));
        assert_int_equal(w.state->stop_code, ECS_TASK_STOP_CODE_TASKFAILEDTOSTART);
        assert_string_equal(w.state->stopped_reason, "CannotPullContainerError: no such image");
        assert_int_equal(w.state->started_at, 0);
        end(&w);

        begin(&w);
        assert_true(report(&w, STOPPED, NULL, 0, -1, NULL, 10));
        assert_string_equal(w.state->stopped_reason, TASK_REASON_FAILED_TO_START);
        end(&w);

        /* ran so briefly that RUNNING was never reported */
        begin(&w);
        assert_true(report(&w, STOPPED, "web", C_STOPPED, 0, NULL, 10));
        assert_int_equal(w.state->stop_code, ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED);
        end(&w);
}

static void test_essential_end_is_seen_before_the_task_stops(void **state)
{
        struct world w;

        begin(&w);
        report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 10);
        assert_int_equal(w.state->version, 2);
        assert_true(report(&w, RUNNING, "web", C_STOPPED, 1, NULL, 20));
        assert_int_equal(w.state->version, 3);
        assert_int_equal(w.state->desired_status, STOPPED);
        assert_int_equal(w.state->last_status, STATE_TASK_STATUS_STOPPING);
        assert_int_equal(w.state->stop_code, ECS_TASK_STOP_CODE_ESSENTIALCONTAINEREXITED);
        end(&w);

        begin(&w);
        report(&w, RUNNING, "side", C_STOPPED, 1, NULL, 20);
        assert_int_equal(w.state->desired_status, RUNNING);
        end(&w);
}

static void test_stop_by_user(void **state)
{
        struct world w;

        begin(&w);
        report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 10);
        assert_true(task_want_stopped(&w.task, w.state, ECS_TASK_STOP_CODE_USERINITIATED, TASK_REASON_USER, T0 + 20));
        assert_false(task_want_stopped(&w.task, w.state, ECS_TASK_STOP_CODE_USERINITIATED, "again", T0 + 21));
        assert_int_equal(w.state->last_status, STATE_TASK_STATUS_STOPPING);
        assert_int_equal(w.state->stopping_at, T0 + 20);
        /* the agent still says that it runs: it goes on stopping */
        assert_false(report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 25));
        assert_true(report(&w, STOPPED, "web", C_STOPPED, 137, "", 30));
        assert_int_equal(w.state->stop_code, ECS_TASK_STOP_CODE_USERINITIATED);
        assert_string_equal(w.state->stopped_reason, TASK_REASON_USER);
        assert_int_equal(w.state->stopping_at, T0 + 20);
        end(&w);
}

static void test_finish_without_agent(void **state)
{
        struct world w;

        begin(&w);
        assert_true(task_finish(w.state, ECS_TASK_STOP_CODE_USERINITIATED, TASK_REASON_DEREGISTERED, T0 + 5));
        assert_false(task_finish(w.state, ECS_TASK_STOP_CODE_USERINITIATED, "x", T0 + 6));
        assert_int_equal(w.state->last_status, STOPPED);
        assert_string_equal(w.state->stopped_reason, TASK_REASON_DEREGISTERED);
        end(&w);

        /* an earlier reason stays */
        begin(&w);
        task_want_stopped(&w.task, w.state, ECS_TASK_STOP_CODE_USERINITIATED, "mine", T0 + 1);
        assert_true(task_finish(w.state, ECS_TASK_STOP_CODE_TERMINATIONNOTICE, TASK_REASON_DEREGISTERED, T0 + 5));
        assert_string_equal(w.state->stopped_reason, "mine");
        end(&w);
}

static void test_details_of_containers(void **state)
{
        static struct ecs_network_binding binding = {.bind_ip = "0.0.0.0"};
        struct ecs_network_binding_list bindings = {&binding, 1}, none = {0};
        struct task_container_report c = {.name = "web", .runtime_id = "abc", .image_digest = "sha256:1", .bindings = &bindings};
        struct task_report r = {
                .status = PENDING, .containers = &c, .n_containers = 1, .pull_started_at = T0 + 1, .pull_stopped_at = T0 + 2};
        struct world w;

        begin(&w);
        SHAPE_SET(&binding, ecs_network_binding, host_port, 32768);
        assert_true(task_apply_report(&w.task, w.state, &r, &w.arena, T0));
        assert_string_equal(w.state->containers.items[0].runtime_id, "abc");
        assert_string_equal(w.state->containers.items[0].image_digest, "sha256:1");
        assert_int_equal(w.state->containers.items[0].network_bindings.items[0].host_port, 32768);
        assert_int_equal(w.state->pull_started_at, T0 + 1);
        assert_false(task_apply_report(&w.task, w.state, &r, &w.arena, T0));
        c.bindings = &none;
        assert_false(task_apply_report(&w.task, w.state, &r, &w.arena, T0));
        assert_int_equal(w.state->containers.items[0].network_bindings.n, 1);
        /* a container that the task does not have */
        c.name = "nobody";
        c.runtime_id = "x";
        assert_false(task_apply_report(&w.task, w.state, &r, &w.arena, T0));
        end(&w);
}

static void test_health(void **state)
{
        struct world w;

        begin(&w);
        report(&w, RUNNING, "web", C_RUNNING, -1, NULL, 10);
        assert_int_equal(w.state->health, ECS_HEALTH_STATUS_UNKNOWN);
        assert_true(task_set_health(&w.task, w.state, "web", ECS_HEALTH_STATUS_HEALTHY));
        assert_int_equal(w.state->health, ECS_HEALTH_STATUS_HEALTHY);
        assert_false(task_set_health(&w.task, w.state, "web", ECS_HEALTH_STATUS_HEALTHY));
        /* a container that is not essential has no say */
        assert_true(task_set_health(&w.task, w.state, "side", ECS_HEALTH_STATUS_UNHEALTHY));
        assert_int_equal(w.state->health, ECS_HEALTH_STATUS_HEALTHY);
        assert_true(task_set_health(&w.task, w.state, "web", ECS_HEALTH_STATUS_UNHEALTHY));
        assert_int_equal(w.state->health, ECS_HEALTH_STATUS_UNHEALTHY);
        end(&w);
}

static void test_size(void **state)
{
        static const struct {
                const char *definition, *overrides;
                int cpu, memory;
                int ports, ports_udp;
        } rows[] = {
                {"{\"containerDefinitions\":[{\"cpu\":10,\"memory\":64},{\"cpu\":20,\"memory\":128,\"memoryReservation\":32}]}", NULL, 30,
                 96, 0, 0},
                {"{\"cpu\":\"512\",\"memory\":\"1024\",\"containerDefinitions\":[{\"cpu\":10,\"memory\":64}]}", NULL, 512, 1024, 0, 0},
                {"{\"cpu\":\"512\",\"containerDefinitions\":[{\"cpu\":10,\"memory\":64}]}", NULL, 512, 64, 0, 0},
                {"{\"cpu\":\"512\",\"containerDefinitions\":[{\"name\":\"a\",\"cpu\":10,\"memory\":64}]}",
                 "{\"cpu\":\"1024\",\"containerOverrides\":[{\"name\":\"a\",\"memory\":100}]}", 1024, 100, 0, 0},
                {"{\"containerDefinitions\":[{\"memory\":6,\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":"
                 "81},"
                 "{\"containerPort\":53,\"hostPort\":53,\"protocol\":\"udp\"},{\"containerPort\":82,\"hostPort\":8080}]}]}",
                 NULL, 0, 6, 1, 1},
                {"{\"networkMode\":\"host\",\"containerDefinitions\":[{\"memory\":6,\"portMappings\":[{\"containerPort\":80},"
                 "{\"containerPortRange\":\"100-104\",\"protocol\":\"udp\"}]}]}",
                 NULL, 0, 6, 1, 5},
                {"{\"networkMode\":\"none\",\"containerDefinitions\":[{\"memory\":6,\"portMappings\":[{\"containerPort\":80,\"hostPort\":"
                 "80}]}]}",
                 NULL, 0, 6, 0, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct ecs_task_definition *definition;
                struct ecs_task_override *overrides = NULL;
                struct error error = {0};
                struct task_size size;

                assert_int_equal(
                        SHAPE_PARSE(ecs_task_definition, &arena, rows[i].definition, strlen(rows[i].definition), NULL, &definition, &error),
                        0);
                if (rows[i].overrides)
                        assert_int_equal(SHAPE_PARSE(ecs_task_override, &arena, rows[i].overrides, strlen(rows[i].overrides), NULL,
                                                     &overrides, &error),
                                         0);
                task_size_of(definition, overrides, &arena, &size);
                assert_int_equal(size.cpu, rows[i].cpu);
                assert_int_equal(size.memory, rows[i].memory);
                assert_int_equal(size.ports.n, rows[i].ports);
                assert_int_equal(size.ports_udp.n, rows[i].ports_udp);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new),
                cmocka_unit_test(test_normal_life),
                cmocka_unit_test(test_late_reports_change_nothing),
                cmocka_unit_test(test_never_started),
                cmocka_unit_test(test_essential_end_is_seen_before_the_task_stops),
                cmocka_unit_test(test_stop_by_user),
                cmocka_unit_test(test_finish_without_agent),
                cmocka_unit_test(test_details_of_containers),
                cmocka_unit_test(test_health),
                cmocka_unit_test(test_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
