/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of services, without API and agents: a cluster "c" with task definitions "web:1" to "web:3" (128 cpu units,
 * 64 MiB), instances and tasks that do what the test says, a clock that the test sets.
 */
#pragma once

#include "base/strutil.h"
#include "control/controller.h"
#include "control/service/deploy.h"
#include "control/task.h"
#include "control/task_network.h"
#include "fixed_env.h"
#include "model/service.h"
#include "sched/sched.h"
#include "store/store.h"

#include "unit.h"

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct controller *controller;
        struct controller_options options; /* set before world_restart */
        int n_instances;
};

static inline void world_open(struct world *w)
{
        struct error error = {0};

        if (model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error) < 0)
                fail_msg("%s", error.message);
        w->sched = sched_new(w->model);
        w->options.model = w->model;
        w->options.sched = w->sched;
        w->controller = controller_new(&w->options);
}

static inline void world_close(struct world *w)
{
        w->controller = controller_free(w->controller);
        w->sched = sched_free(w->sched);
        w->model = model_close(w->model);
}

/* The server ends and starts again from its store; no instance is connected then. */
static inline void world_restart(struct world *w)
{
        world_close(w);
        world_open(w);
}

static inline void world_define(struct world *w, struct tx *tx, int revision)
{
        struct ecs_container_definition container = {.name = "web", .image = "busybox:1"};
        struct ecs_task_definition definition = {.family = "web", .container_definitions = {.items = &container, .n = 1}};

        SHAPE_SET(&container, ecs_container_definition, cpu, 128);
        SHAPE_SET(&container, ecs_container_definition, memory, 64);
        SHAPE_SET(&definition, ecs_task_definition, revision, revision);
        definition.status = ECS_TASK_DEFINITION_STATUS_ACTIVE;
        tx_insert(tx, OBJECT_TASK_DEFINITION, &(struct state_task_definition){.definition = &definition});
}

static inline void world_begin(struct world *w)
{
        struct state_family family = {.name = "web"};
        struct tx *tx;

        *w = (struct world){.env = fixed_env_make(), .store = store_memory_new(-1)};
        world_open(w);
        tx = tx_begin(w->model);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE});
        SHAPE_SET(&family, state_family, latest_revision, 3);
        tx_insert(tx, OBJECT_FAMILY, &family);
        for (int i = 1; i <= 3; i++)
                world_define(w, tx, i);
        tx_commit(tx);
}

static inline void world_end(struct world *w)
{
        world_close(w);
        store_close(w->store);
}

static inline struct service *world_service(struct world *w)
{
        return model_service(w->model, "c", "web");
}

/* Reconciles until there is nothing more to do at this moment. */
static inline void world_run(struct world *w)
{
        for (int i = 0; controller_next(w->controller) <= w->env.now_ms; i++) {
                assert_true(i < 1000);
                controller_run(w->controller, w->env.now_ms);
        }
}

/* Moves the clock in the steps that the controller asks for. */
static inline void world_wait(struct world *w, int64_t ms)
{
        int64_t end = w->env.now_ms + ms;

        while (w->env.now_ms < end) {
                int64_t next = controller_next(w->controller);

                w->env.now_ms = MIN(MAX(next, w->env.now_ms), end);
                world_run(w);
        }
}

/* ---- Instances ---- */

static inline struct instance *world_instance(struct world *w, int number)
{
        char id[33];

        snprintf(id, sizeof(id), "%032d", number);
        return model_instance(w->model, "c", id);
}

/* The next one: 1, 2, 3 …, connected. `zone` NULL: none. */
static inline struct instance *world_add_instance(struct world *w, const char *zone, int cpu, int memory)
{
        char id[33];
        struct ecs_attribute attribute = {.name = "ecs.availability-zone", .value = zone};
        struct state_container_instance state = {.cluster = "c", .id = id, .status = STATE_INSTANCE_STATUS_ACTIVE};
        struct tx *tx = tx_begin(w->model);

        snprintf(id, sizeof(id), "%032d", ++w->n_instances);
        SHAPE_SET(&state, state_container_instance, cpu, cpu);
        SHAPE_SET(&state, state_container_instance, memory, memory);
        if (zone) {
                state.attributes.items = &attribute;
                state.attributes.n = 1;
        }
        tx_insert(tx, OBJECT_INSTANCE, &state);
        tx_commit(tx);
        model_set_connected(w->model, world_instance(w, w->n_instances), true);
        return world_instance(w, w->n_instances);
}

static inline void world_set_instance(struct world *w, int number, enum state_instance_status status)
{
        struct tx *tx = tx_begin(w->model);
        struct state_container_instance *state = tx_edit(tx, &world_instance(w, number)->object);

        state->status = status;
        tx_put(tx, &world_instance(w, number)->object, state);
        tx_commit(tx);
}

static inline void world_lose(struct world *w, int number)
{
        model_set_connected(w->model, world_instance(w, number), false);
        model_set_lost(w->model, world_instance(w, number), false);
}

/* ---- What agents do ---- */

static inline void world_report(struct world *w, struct task *task, enum state_task_status status, int exit_code)
{
        struct tx *tx = tx_begin(w->model);
        struct state_task *state = tx_edit(tx, &task->object);
        struct task_container_report container = {.name = "web",
                                                  .status = status == STATE_TASK_STATUS_RUNNING ? STATE_CONTAINER_STATUS_RUNNING
                                                                                                : STATE_CONTAINER_STATUS_STOPPED,
                                                  .has_exit_code = status == STATE_TASK_STATUS_STOPPED && exit_code >= 0,
                                                  .exit_code = exit_code,
                                                  .image_digest = "sha256:0123"};
        struct task_report report = {.status = status, .containers = &container, .n_containers = 1};

        task_apply_report(task, state, &report, tx_arena(tx), w->env.now_ms);
        task_put(w->model, tx, task, state);
        tx_commit(tx);
}

static inline void world_set_health(struct world *w, struct task *task, enum ecs_health_status health)
{
        struct tx *tx = tx_begin(w->model);
        struct state_task *state = tx_edit(tx, &task->object);

        task_set_health(task, state, "web", health);
        tx_put(tx, &task->object, state);
        tx_commit(tx);
}

/* Of the tasks that are not over, the first that is in the status (and on the instance unless it is 0), or NULL. */
static inline struct task *world_find(struct world *w, enum state_task_status status, int instance)
{
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task->state->last_status == status && (instance == 0 || task->instance == world_instance(w, instance)))
                        return task;
        return NULL;
}

/* The oldest of the revision, or NULL. */
static inline struct task *world_task_of(struct world *w, const struct service_revision *revision)
{
        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                if (task->revision == revision)
                        return task;
        return NULL;
}

static inline int world_count(struct world *w, enum state_task_status status, int instance)
{
        int n = 0;

        list_for_each (task, &world_service(w)->tasks, struct task, in_service)
                n += task->state->last_status == status && (instance == 0 || task->instance == world_instance(w, instance));
        return n;
}

/* Agents bring up what is PENDING and end what is STOPPING; reconciles before and after. */
static inline void world_work(struct world *w)
{
        world_run(w);
        list_for_each (task, &world_service(w)->tasks, struct task, in_service) {
                if (!task->instance || !task->instance->connected)
                        continue;
                if (task->state->desired_status == STATE_TASK_STATUS_STOPPED)
                        world_report(w, task, STATE_TASK_STATUS_STOPPED, 137);
                else if (task->state->last_status == STATE_TASK_STATUS_PENDING)
                        world_report(w, task, STATE_TASK_STATUS_RUNNING, 0);
        }
        world_run(w);
}

/* Agents work until everything stands still for a second. */
static inline void world_settle(struct world *w)
{
        for (int i = 0; i < 20; i++) {
                world_work(w);
                world_wait(w, 500);
        }
}

/* The wishes that CreateService would have: 100 and 200 percent. */
static inline struct ecs_deployment_configuration *world_configuration(struct arena *arena, int minimum, int maximum)
{
        struct ecs_deployment_configuration *configuration = ARENA_NEW(arena, struct ecs_deployment_configuration);

        SHAPE_SET(configuration, ecs_deployment_configuration, minimum_healthy_percent, minimum);
        SHAPE_SET(configuration, ecs_deployment_configuration, maximum_percent, maximum);
        configuration->strategy = ECS_DEPLOYMENT_STRATEGY_ROLLING;
        return configuration;
}

static inline struct state_service world_wish(struct tx *tx, int desired)
{
        struct state_service wish = {.cluster = "c",
                                     .name = "web",
                                     .scheduling_strategy = ECS_SCHEDULING_STRATEGY_REPLICA,
                                     .deployment_controller = ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS,
                                     .deployment_configuration = world_configuration(tx_arena(tx), 100, 200)};

        SHAPE_SET(&wish, state_service, desired_count, desired);
        return wish;
}

static inline struct state_service_revision world_revision(int revision)
{
        struct state_service_revision wish = {.family = "web", .launch_type = ECS_LAUNCH_TYPE_EC2};

        SHAPE_SET(&wish, state_service_revision, revision, revision);
        return wish;
}

/* A service "web" of web:1. */
static inline struct service *world_create(struct world *w, int desired)
{
        struct tx *tx = tx_begin(w->model);
        struct state_service wish = world_wish(tx, desired);
        struct state_service_revision revision = world_revision(1);

        service_create(tx, &wish, &revision, w->env.now_ms);
        tx_commit(tx);
        return world_service(w);
}

static inline void world_deploy(struct world *w, int revision)
{
        struct tx *tx = tx_begin(w->model);
        struct state_service_revision *wish = tx_edit(tx, &service_primary(w->model, world_service(w))->object);

        SHAPE_SET(wish, state_service_revision, revision, revision);
        service_begin_deployment(tx, world_service(w), wish, w->env.now_ms);
        tx_commit(tx);
}

static inline struct service_revision *world_primary(struct world *w)
{
        return service_primary(w->model, world_service(w));
}

static inline struct service_deployment *world_deployment(struct world *w)
{
        return service_newest_deployment(w->model, world_service(w));
}

/* The text of the newest event that begins with `start` behind "(service web) ", or NULL. */
static inline const char *world_event(struct world *w, const char *start)
{
        struct list *events = &world_service(w)->events;

        for (struct list *link = events->prev; link != events; link = link->prev) {
                const char *text = CONTAINER_OF(link, struct service_event, in_service)->state->message + strlen("(service web) ");

                if (str_starts_with(text, start))
                        return text;
        }
        return NULL;
}

/* Its tasks end, then it is INACTIVE; the name can be used again. */
static inline void world_delete(struct world *w)
{
        struct tx *tx = tx_begin(w->model);

        service_begin_deletion(tx, world_service(w), w->env.now_ms);
        tx_commit(tx);
        world_settle(w);
        assert_int_equal(world_service(w)->state->status, STATE_SERVICE_STATUS_INACTIVE);
}
