/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane's process: start, crash, turns of its loop, its disk. */
#include "sim/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/agent/agents.h"
#include "api/control_ops.h"
#include "api/server.h"
#include "base/alloc.h"
#include "control/controller.h"
#include "control/network.h"
#include "control/retention.h"
#include "sched/sched.h"
#include "sim/disk.h"
#include "sim/group.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/world.h"
#include "store/store.h"

/* How often the things that run by the clock are run, as in cmd/server.c. */
#define SWEEP_US SIM_SECOND
#define RETENTION_US (10 * SIM_SECOND)
#define HOUSEKEEPING_US (60 * SIM_SECOND)
/* A new server waits for its agents, and for what became of what they run. */
#define AFTERMATH_US (30 * SIM_SECOND)

void sim_server_init(struct sim_server *server, struct sim_world *world, struct store *disk)
{
        *server = (struct sim_server){.world = world, .disk = disk != NULL ? disk : store_memory_new(-1), .restart_us = SIM_SECOND};
        list_init(&server->requests);
}

/* ---- What runs by the clock ---- */

static bool is_stale(const struct sim_server *server, uint64_t life)
{
        return !sim_server_is_up(server) || server->life != life;
}

static void on_sweep(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        (void)data;
        if (is_stale(server, life))
                return;
        agents_sweep(server->agents);
        sim_after(&server->world->clock, SWEEP_US, on_sweep, server, NULL, life);
}

static void on_retention(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        (void)data;
        if (is_stale(server, life))
                return;
        (void)retention_run(server->retention, env_now_ms(&server->world->clock.env));
        sim_after(&server->world->clock, RETENTION_US, on_retention, server, NULL, life);
}

static void on_housekeeping(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        (void)data;
        if (is_stale(server, life))
                return;
        api_housekeeping(server->api);
        sim_after(&server->world->clock, HOUSEKEEPING_US, on_housekeeping, server, NULL, life);
}

/* ---- Start and end ---- */

/* Groups name zones before there is a node in them. */
static void learn_zones(struct model *model)
{
        struct tx *tx;

        if (model_meta(model)->zones.n > 0)
                return;
        tx = tx_begin(model);
        for (int c = 'a'; c <= 'c'; c++)
                network_learn_zone(model, tx, (char[]){'z', 'o', 'n', 'e', '-', (char)c, '\0'});
        (void)tx_commit(tx);
}

void sim_server_start(struct sim_server *server)
{
        struct sim_world *world = server->world;
        struct error error = {0};

        if (sim_server_is_up(server))
                return;
        if (model_open(server->disk, &world->clock.env, NULL, world->account, world->region, &server->model, &error) < 0) {
                sim_world_violate(world, "server starts from its disk", "%s", error.message);
                server->model = NULL;
                return;
        }
        model_hold_commits(server->model);
        learn_zones(server->model);
        server->life++;
        server->writing = false;
        server->doom = SIM_CRASH_NOW;
        server->sched = sched_new(server->model);
        server->api = api_new(&(struct api_options){
                .model = server->model, .env = &world->clock.env, .sched = server->sched, .no_auth = true, .public_url = "http://sim"});
        server->agents = agents_new(&(struct agents_options){.model = server->model});
        agents_serve(server->agents, server->api);
        server->retention = retention_new(server->model, NULL);
        server->controller = controller_new(&(struct controller_options){.model = server->model,
                                                                         .sched = server->sched,
                                                                         .ops = &api_controller_ops,
                                                                         .data = server->api,
                                                                         .machines = &sim_machine_ops,
                                                                         .machines_data = world});
        server->control_at_ms = INT64_MAX;
        server->observer = (struct model_observer){.changed = sim_world_changed, .connected = sim_world_connected};
        model_observe(server->model, &server->observer);
        sim_after(&world->clock, SWEEP_US, on_sweep, server, NULL, server->life);
        sim_after(&world->clock, RETENTION_US, on_retention, server, NULL, server->life);
        sim_after(&world->clock, HOUSEKEEPING_US, on_housekeeping, server, NULL, server->life);
        sim_world_server_started(world);
        sim_server_turn(server);
}

static void stop(struct sim_server *server)
{
        model_unobserve(server->model, &server->observer);
        sim_requests_lost(server);
        sim_connections_reset(server->world);
        server->controller = controller_free(server->controller);
        server->agents = agents_free(server->agents);
        server->api = api_free(server->api);
        server->retention = retention_free(server->retention);
        server->sched = sched_free(server->sched);
        server->model = model_close(server->model);
}

static void on_restart(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        if (server->life == life)
                sim_server_start(server);
}

void sim_server_crash(struct sim_server *server)
{
        struct sim_clock *clock = &server->world->clock;

        if (!sim_server_is_up(server))
                return;
        server->crashes++;
        stop(server);
        sim_world_server_stopped(server->world);
        sim_after(clock, server->restart_us, on_restart, server, NULL, server->life);
        sim_world_fault(server->world, clock->now_us + server->restart_us + AFTERMATH_US);
}

void sim_server_crash_at(struct sim_server *server, enum sim_crash when)
{
        if (when == SIM_CRASH_NOW)
                sim_server_crash(server);
        else
                server->doom = when;
}

void sim_server_done(struct sim_server *server)
{
        if (sim_server_is_up(server))
                stop(server);
        server->disk = store_close(server->disk);
}

/* ---- The disk ---- */

static void on_written(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        (void)data;
        if (is_stale(server, life))
                return;
        server->writing = false;
        if (server->doom == SIM_CRASH_BEFORE_WRITE) {
                sim_server_crash(server);
                return;
        }
        server->commits++;
        if (!sim_disk_write(server))
                return;
        if (server->doom == SIM_CRASH_AFTER_WRITE) {
                sim_server_crash(server);
                return;
        }
        server->working = true;
        model_written(server->model);
        server->working = false;
}

/* ---- Turns of the loop ---- */

static void on_control(void *owner, void *data, uint64_t life)
{
        struct sim_server *server = owner;

        if (!is_stale(server, life))
                server->control_at_ms = INT64_MAX; /* the turn that follows runs it */
}

static void control(struct sim_server *server)
{
        struct sim_clock *clock = &server->world->clock;
        int64_t now_ms = env_now_ms(&clock->env), next;

        while ((next = controller_next(server->controller)) <= now_ms)
                (void)controller_run(server->controller, now_ms);
        if (next == INT64_MAX || next >= server->control_at_ms)
                return;
        server->control_at_ms = next;
        sim_after(clock, (next - clock->epoch_ms) * SIM_MS - clock->now_us, on_control, server, NULL, server->life);
}

void sim_server_turn(struct sim_server *server)
{
        struct sim_world *world = server->world;

        if (!sim_server_is_up(server))
                return;
        control(server);
        agents_flush(server->agents);
        if (server->writing || model_sequence(server->model) == model_durable(server->model))
                return;
        server->writing = true;
        sim_after(&world->clock, sim_disk_delay(world), on_written, server, NULL, server->life);
}
