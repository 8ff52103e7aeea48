/* SPDX-License-Identifier: Apache-2.0 */
/* A server with one container instance, two tasks on it and a connected agent: what the fuzzers of agents' frames play with. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "../unit/fixed_env.h"
#include "api/agent/session.h"
#include "base/log.h"
#include "store/store.h"

struct agent_world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
        struct agents *agents;
        struct instance *instance;
        struct agent_channel channel;
        bool telemetry;
        char last_id[37]; /* of the last message that was sent */
};

static void world_send(struct agent_channel *channel, const char *text, size_t len)
{
        struct agent_world *w = CONTAINER_OF(channel, struct agent_world, channel);
        const char *id = memmem(text, len, "\"messageId\":\"", 13);

        if (text[len] != '\0' && len > 0 && text[len - 1] != '}')
                abort();
        if (id)
                snprintf(w->last_id, sizeof(w->last_id), "%.36s", id + 13);
}

static void world_ping(struct agent_channel *channel)
{
        (void)channel;
}

static void world_close(struct agent_channel *channel, int code, const char *reason)
{
        (void)channel;
        (void)code;
        (void)reason;
}

static void world_abort(struct agent_channel *channel)
{
        (void)channel;
}

static uint64_t world_heard(const struct agent_channel *channel)
{
        const struct agent_world *w = CONTAINER_OF(channel, const struct agent_world, channel);

        return (uint64_t)w->env.now_ms * 1000;
}

static const struct agent_channel_ops world_ops = {world_send, world_ping, world_close, world_abort, world_heard};

static void world_connect(struct agent_world *w)
{
        if (w->channel.agent)
                return;
        w->channel = (struct agent_channel){.ops = &world_ops};
        if (w->telemetry)
                telemetry_connected(w->agents, w->instance, &w->channel, 0);
        else
                agent_connected(w->agents, w->instance, &w->channel, &(struct agent_hello){.agent_version = "1", .send_credentials = true});
        agents_flush(w->agents);
}

static void world_disconnect(struct agent_world *w)
{
        if (w->telemetry)
                telemetry_disconnected(&w->channel);
        else
                agent_disconnected(&w->channel, 1006, "");
}

static void world_insert(struct agent_world *w)
{
        struct ecs_container_definition container = {.name = "web", .image = "i"};
        struct ecs_task_definition definition = {.family = "web",
                                                 .task_role_arn = "role",
                                                 .container_definitions = {&container, 1},
                                                 .status = ECS_TASK_DEFINITION_STATUS_ACTIVE};
        struct state_container web = {
                .name = "web", .id = "00000000-0000-4000-8000-000000000000", .status = STATE_CONTAINER_STATUS_PENDING};
        struct state_container_instance instance = {
                .cluster = "lab", .id = "0123456789abcdef0123456789abcdef", .status = STATE_INSTANCE_STATUS_ACTIVE};
        struct state_family family = {.name = "web"};
        struct tx *tx = tx_begin(w->model);

        SHAPE_SET(&definition, ecs_task_definition, revision, 1);
        SHAPE_SET(&family, state_family, latest_revision, 1);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "lab", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_insert(tx, OBJECT_FAMILY, &family);
        tx_insert(tx, OBJECT_TASK_DEFINITION, &(struct state_task_definition){.definition = &definition});
        w->instance = CONTAINER_OF(tx_insert(tx, OBJECT_INSTANCE, &instance), struct instance, object);
        for (int i = 0; i < 2; i++) {
                struct state_task task = {.cluster = "lab",
                                          .id = i ? "b" : "a",
                                          .family = "web",
                                          .group = "g",
                                          .instance = instance.id,
                                          .last_status = STATE_TASK_STATUS_PENDING,
                                          .desired_status = STATE_TASK_STATUS_RUNNING,
                                          .containers = {&web, 1}};

                SHAPE_SET(&task, state_task, revision, 1);
                agents_add_credentials(w->agents, tx, CONTAINER_OF(tx_insert(tx, OBJECT_TASK, &task), struct task, object));
        }
        tx_commit(tx);
}

static void world_begin(struct agent_world *w, bool telemetry)
{
        struct error error = {0};

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        *w = (struct agent_world){.env = fixed_env_make(), .store = store_memory_new(-1), .telemetry = telemetry};
        if (model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error) < 0)
                abort();
        w->agents = agents_new(&(struct agents_options){.model = w->model});
        world_insert(w);
        world_connect(w);
}

static void world_end(struct agent_world *w)
{
        agents_free(w->agents);
        model_close(w->model);
        store_close(w->store);
}

/* Time passes and timers run. */
static void world_wait(struct agent_world *w)
{
        w->env.now_ms += 11000;
        agents_sweep(w->agents);
}
