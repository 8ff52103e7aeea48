/* SPDX-License-Identifier: Apache-2.0 */
/* Machines of the simulated world: power, reachability, and what faults do to what runs on them. */
#include "sim/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/agent.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/world.h"

/* A service manager starts an agent again that has ended. */
#define AGENT_RESTART_US (2 * SIM_SECOND)
/* From power to a running agent. */
#define BOOT_US (20 * SIM_SECOND)

struct sim_node *sim_node_new(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory)
{
        struct sim_node *node = xalloc(sizeof(*node));

        node->world = world;
        node->number = world->n_nodes + 1;
        (void)snprintf(node->name, sizeof(node->name), "node-%u", node->number);
        (void)snprintf(node->zone, sizeof(node->zone), "%s", zone);
        node->cpu = cpu;
        node->memory = memory;
        node->version = "1.105.0";
        node->chance = sim_random_make(world->seed, "node", node->number);
        list_init(&node->runs);
        list_init(&node->images);
        return node;
}

void sim_node_free(struct sim_node *node)
{
        list_for_each (run, &node->runs, struct sim_run, link)
                sim_run_free(run);
        list_for_each (pulled, &node->images, struct sim_pulled, link)
                free(pulled);
        free(node);
}

struct sim_run *sim_node_find(struct sim_node *node, const char *id)
{
        list_for_each (run, &node->runs, struct sim_run, link)
                if (str_eq(run->id, id))
                        return run;
        return NULL;
}

/* ---- Being heard ---- */

static bool can_be_heard(const struct sim_node *node)
{
        return sim_node_reachable(node) && !node->frozen && node->agent_up;
}

int64_t sim_node_last_heard(const struct sim_node *node)
{
        return can_be_heard(node) ? node->world->clock.now_us : node->heard_us;
}

/* To be called around every change of what can_be_heard asks. */
static void note_silence(struct sim_node *node, bool could)
{
        if (could && !can_be_heard(node))
                node->heard_us = node->world->clock.now_us;
}

/* ---- The agent's process ---- */

static void agent_start(struct sim_node *node)
{
        node->agent_up = true;
        node->life++;
        node->fresh = true;
        node->failures = 0;
        node->registering = node->reports_health = node->watching = false;
        node->known_us = node->started_us = node->world->clock.now_us;
        node->manifest[0] = '\0';
        list_for_each (run, &node->runs, struct sim_run, link) {
                run->reporting = false;
                sim_run_report(run);
        }
        sim_agent_watch(node);
        sim_agent_step(node);
}

static void on_agent_start(void *owner, void *data, uint64_t life)
{
        struct sim_node *node = owner;

        if (node->on && !node->agent_up && node->life == life && !node->gone)
                agent_start(node);
}

static void agent_end(struct sim_node *node, bool reset)
{
        bool could = can_be_heard(node);

        if (!node->agent_up)
                return;
        node->agent_up = false;
        node->life++;
        node->died_us = node->world->clock.now_us;
        note_silence(node, could);
        if (node->control != NULL)
                sim_connection_drop(TAKE(node->control), reset);
        if (node->telemetry != NULL)
                sim_connection_drop(TAKE(node->telemetry), reset);
        node->control_up = node->telemetry_up = false;
}

void sim_node_agent_crash(struct sim_node *node)
{
        if (!node->on || !node->agent_up)
                return;
        agent_end(node, true);
        sim_after(&node->world->clock, AGENT_RESTART_US, on_agent_start, node, NULL, node->life);
}

/* ---- The machine ---- */

static void on_booted(void *owner, void *data, uint64_t power)
{
        struct sim_node *node = owner;

        if (node->on && node->power == power && !node->agent_up && !node->gone)
                agent_start(node);
}

void sim_node_boot(struct sim_node *node)
{
        struct sim_world *world = node->world;
        bool first = node->power == 0;

        if (node->on || node->gone)
                return;
        node->on = true;
        node->power++;
        /* The first boot of a node is not waited for: it stands there when the story begins. */
        sim_after(&world->clock, first ? (int64_t)node->number * 100 : BOOT_US, on_booted, node, NULL, node->power);
        sim_network_heal(node);
}

void sim_node_die(struct sim_node *node)
{
        bool could = can_be_heard(node);

        if (!node->on)
                return;
        agent_end(node, false);
        node->on = node->frozen = node->fenced = false;
        note_silence(node, could);
        /* The containers are gone; their agent finds them so when it is back. */
        list_for_each (run, &node->runs, struct sim_run, link)
                sim_run_exit(run, 137, "Essential container in task exited");
}

void sim_node_freeze(struct sim_node *node, bool frozen)
{
        bool could = can_be_heard(node);

        if (!node->on || node->frozen == frozen)
                return;
        node->frozen = frozen;
        note_silence(node, could);
        list_for_each (run, &node->runs, struct sim_run, link)
                sim_world_run_changed(run);
        if (frozen)
                return;
        /* Awake again: it looks at the clock before anything else. */
        sim_agent_thaw(node);
        list_for_each (run, &node->runs, struct sim_run, link)
                sim_run_report(run);
        sim_network_heal(node);
        sim_agent_step(node);
        sim_node_report_health(node);
}

void sim_node_cut(struct sim_node *node, bool cut)
{
        bool could = can_be_heard(node);

        if (node->cut == cut)
                return;
        node->cut = cut;
        note_silence(node, could);
        if (cut)
                sim_agent_lost(node);
        else
                sim_network_heal(node);
}
