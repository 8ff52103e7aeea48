/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of services, without API and agents: a cluster "c" with task definitions "web:1" to "web:3" (128 cpu units,
 * 64 MiB), instances and tasks that do what the test says, a clock that the test sets.
 */
#pragma once

#include "base/strutil.h"
#include "control/service_deploy.h"
#include "control/task.h"
#include "fixed_env.h"
#include "model/service.h"
#include "store/store.h"

#include "unit.h"

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
};

static inline void world_open(struct world *w)
{
        struct error error = {0};

        if (model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error) < 0)
                fail_msg("%s", error.message);
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
        model_close(w->model);
        store_close(w->store);
}

static inline struct service *world_service(struct world *w)
{
        return model_service(w->model, "c", "web");
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
