/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the simulated world. */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/strutil.h"
#include "sim/group.h"
#include "sim/image.h"
#include "sim/invariant.h"
#include "sim/load.h"
#include "sim/node.h"
#include "sim/want.h"

struct sim_world *sim_world_new(const struct sim_options *options)
{
        struct sim_world *world = xalloc(sizeof(*world));

        hash_set_key(options->seed, ~options->seed);
        world->seed = options->seed;
        world->bug = options->bug;
        world->unchecked = options->unchecked;
        world->note = options->note;
        world->note_data = options->note_data;
        (void)snprintf(world->cluster, sizeof(world->cluster), "%s", options->cluster != NULL ? options->cluster : "sim");
        (void)snprintf(world->account, sizeof(world->account), "%s", options->account != NULL ? options->account : "123456789012");
        (void)snprintf(world->region, sizeof(world->region), "%s", options->region != NULL ? options->region : "us-east-1");
        (void)snprintf(world->arn, sizeof(world->arn), "arn:aws:ecs:%s:%s", world->region, world->account);
        sim_clock_init(&world->clock, options->seed);
        if (options->epoch_ms != 0)
                world->clock.epoch_ms = options->epoch_ms;
        world->chance = sim_random_make(options->seed, "world", 0);
        world->disk_chance = sim_random_make(options->seed, "disk", 0);
        world->bug_chance = sim_random_make(options->seed, "bug", 0);
        world->network = (struct sim_network){.min_us = 200, .max_us = 2000};
        list_init(&world->connections);
        list_init(&world->requests);
        list_init(&world->images);
        list_init(&world->wants);
        list_init(&world->loads);
        list_init(&world->machines);
        list_init(&world->operations);
        sim_server_init(&world->server, world, options->disk);
        return world;
}

struct sim_world *sim_world_free(struct sim_world *world)
{
        if (world == NULL)
                return NULL;
        world->note = NULL;
        world->unchecked = true;
        sim_server_done(&world->server);
        sim_clock_done(&world->clock);
        sim_requests_free(world);
        list_for_each (c, &world->connections, struct sim_connection, link)
                sim_connection_free(c);
        for (uint32_t i = 0; i < world->n_nodes; i++)
                sim_node_free(world->nodes[i]);
        free(world->nodes);
        list_for_each (image, &world->images, struct sim_image, link)
                free(image);
        sim_operations_free(world);
        sim_wants_free(world);
        sim_loads_free(world);
        sim_machines_free(world);
        buf_done(&world->text);
        arena_done(&world->arena);
        free(world);
        return NULL;
}

struct sim_node *sim_world_new_node(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory)
{
        struct sim_node *node = sim_node_new(world, zone, cpu, memory);

        if (world->n_nodes == world->nodes_cap) {
                world->nodes_cap = MAX(world->nodes_cap * 2, 16u);
                world->nodes = xrealloc(world->nodes, world->nodes_cap * sizeof(*world->nodes));
        }
        world->nodes[world->n_nodes++] = node;
        return node;
}

struct sim_node *sim_world_add_node(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory)
{
        struct sim_node *node = sim_world_new_node(world, zone, cpu, memory);

        sim_node_boot(node);
        return node;
}

struct sim_node *sim_world_node(const struct sim_world *world, const char *name)
{
        int64_t number;

        if (!str_starts_with(name, "node-") || str_to_int64(name + strlen("node-"), &number) < 0 || number < 1 || number > world->n_nodes)
                return NULL;
        return world->nodes[number - 1];
}

struct sim_image *sim_image(struct sim_world *world, const char *name)
{
        struct sim_image *image;

        list_for_each (known, &world->images, struct sim_image, link)
                if (str_eq(known->name, name))
                        return known;
        image = xalloc(sizeof(*image));
        (void)snprintf(image->name, sizeof(image->name), "%s", name);
        image->pull_us = SIM_SECOND;
        image->start_us = 100 * SIM_MS;
        image->stop_us = 500 * SIM_MS;
        image->healthy_us = 2 * SIM_SECOND;
        list_push(&world->images, &image->link);
        return image;
}

/* ---- The loop ---- */

void sim_world_run(struct sim_world *world, int64_t until_us)
{
        struct sim_event event;

        while (world->violation.invariant == NULL && sim_clock_take(&world->clock, until_us, &event)) {
                event.fire(event.owner, event.data, event.number);
                sim_server_turn(&world->server);
                if (world->bug != SIM_BUG_NONE)
                        sim_bug_meddle(world);
                if (!world->unchecked)
                        sim_invariants_step(world);
        }
}

void sim_world_fault(struct sim_world *world, int64_t until_us)
{
        world->faults_until_us = MAX(world->faults_until_us, until_us);
}

/* ---- What happens ---- */

static void digest(struct sim_world *world, const char *text)
{
        uint64_t hash = world->digest ^ (uint64_t)world->clock.now_us;

        for (const char *p = text; *p != '\0'; p++)
                hash = (hash ^ (unsigned char)*p) * 0x100000001b3u; /* FNV-1a */
        world->digest = hash;
}

void sim_world_violate(struct sim_world *world, const char *invariant, const char *fmt, ...)
{
        va_list args;

        if (world->violation.invariant != NULL)
                return;
        world->violation.invariant = invariant;
        world->violation.at_us = world->clock.now_us;
        va_start(args, fmt);
        (void)vsnprintf(world->violation.text, sizeof(world->violation.text), fmt, args);
        va_end(args);
        digest(world, world->violation.text);
}

void sim_world_note(struct sim_world *world, const struct sim_node *node, const char *fmt, ...)
{
        char text[512];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        digest(world, text);
        if (world->note != NULL)
                world->note(world->note_data, world, node, text);
}

void sim_world_server_started(struct sim_world *world)
{
        sim_world_note(world, NULL, "server starts");
        if (!world->unchecked)
                sim_invariants_restart(world);
}

void sim_world_server_stopped(struct sim_world *world)
{
        sim_world_note(world, NULL, "server has ended");
}

void sim_world_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct sim_world *world = CONTAINER_OF(observer, struct sim_server, observer)->world;

        world->changes++;
        if (object->kind == OBJECT_TASK || object->kind == OBJECT_SERVICE || object->kind == OBJECT_SERVICE_REVISION)
                world->changed_us = world->clock.now_us;
        digest(world, object->key);
        if (!world->unchecked)
                sim_invariants_changed(world, object, old_state, new_state);
}

void sim_world_connected(struct model_observer *observer, struct instance *instance)
{
        struct sim_world *world = CONTAINER_OF(observer, struct sim_server, observer)->world;

        if (!world->unchecked)
                sim_invariants_connected(world, instance);
}

void sim_world_run_changed(struct sim_run *run)
{
        struct sim_world *world = run->node->world;

        world->changed_us = world->clock.now_us;
        digest(world, run->id);
        if (world->note != NULL)
                world->note(world->note_data, world, run->node, NULL);
        if (!world->unchecked)
                sim_invariants_run_changed(run);
}
