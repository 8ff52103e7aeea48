/* SPDX-License-Identifier: Apache-2.0 */
/* The stage of a story, and its troubles. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/image.h"
#include "sim/node.h"
#include "sim/step.h"
#include "sim/verbs.h"
#include "sim/world.h"

/* After its end a fault goes on having effects: a lease that runs out, an agent that finds its way back. */
#define AFTERMATH_US (30 * SIM_SECOND)
#define SERVER_RESTART_US SIM_SECOND

void sim_do_nodes(struct sim_world *world, const struct sim_step *step)
{
        int64_t zones = sim_step_number(step, SIM_ZONES, 1);

        for (int64_t i = 0; i < step->number[SIM_COUNT]; i++) {
                struct sim_node *node;
                char zone[24];

                (void)snprintf(zone, sizeof(zone), "zone-%c", (char)('a' + i % zones));
                if (sim_step_has(step, SIM_ZONE))
                        (void)snprintf(zone, sizeof(zone), "%.23s", step->text[SIM_ZONE]);
                node = sim_world_add_node(world, zone, (int32_t)sim_step_number(step, SIM_CPU, 2048),
                                          (int32_t)sim_step_number(step, SIM_MEMORY, 4096));
                if (sim_step_has(step, SIM_TYPE))
                        (void)snprintf(node->type, sizeof(node->type), "%.23s", step->text[SIM_TYPE]);
        }
}

void sim_do_image(struct sim_world *world, const struct sim_step *step)
{
        struct sim_image *image = sim_image(world, step->subject);

        image->pull_us = sim_step_number(step, SIM_PULLS, SIM_SECOND);
        image->start_us = sim_step_number(step, SIM_STARTS, 100 * SIM_MS);
        image->stop_us = sim_step_number(step, SIM_STOPS, 500 * SIM_MS);
        image->exit_us = sim_step_number(step, SIM_EXITS, 0);
        image->exit_code = (int32_t)sim_step_number(step, SIM_CODE, 1);
        image->missing = sim_step_has(step, SIM_MISSING);
        image->healthy_us = sim_step_number(step, SIM_HEALTHY, 2 * SIM_SECOND);
        image->unhealthy_us = sim_step_number(step, SIM_UNHEALTHY, 0);
}

void sim_do_network(struct sim_world *world, const struct sim_step *step)
{
        int64_t delay = sim_step_number(step, SIM_DELAY, 2 * SIM_MS);

        world->network = (struct sim_network){
                .min_us = delay / 10,
                .max_us = delay,
                .loss_percent = (uint32_t)sim_step_number(step, SIM_LOSS, 0),
                .repeat_percent = (uint32_t)sim_step_number(step, SIM_REPEATS, 0),
        };
}

/* ---- Nodes ---- */

typedef void (*node_fn)(struct sim_node *node);

static void each_node(struct sim_world *world, const char *subject, node_fn fn)
{
        bool any = false;

        for (uint32_t i = 0; i < world->n_nodes; i++) {
                struct sim_node *node = world->nodes[i];

                if (str_eq(node->name, subject) || str_eq(node->zone, subject)) {
                        any = true;
                        fn(node);
                }
        }
        if (!any)
                sim_world_note(world, NULL, "there is no %s", subject);
        sim_world_fault(world, world->clock.now_us + AFTERMATH_US);
}

struct later {
        node_fn fn;
        char subject[48];
};

static void on_later(void *owner, void *data, uint64_t number)
{
        struct later *later = data;

        each_node(owner, later->subject, later->fn);
        free(later);
}

/* Does it now, and undoes it when the step says after how long. */
static void do_for(struct sim_world *world, const struct sim_step *step, node_fn now, node_fn then)
{
        each_node(world, step->subject, now);
        if (sim_step_has(step, SIM_FOR)) {
                struct later *later = xalloc(sizeof(*later));

                later->fn = then;
                (void)snprintf(later->subject, sizeof(later->subject), "%s", step->subject);
                sim_after(&world->clock, step->number[SIM_FOR], on_later, world, later, 0);
                sim_world_fault(world, world->clock.now_us + step->number[SIM_FOR] + AFTERMATH_US);
        }
}

static void freeze(struct sim_node *node)
{
        sim_node_freeze(node, true);
}

static void thaw(struct sim_node *node)
{
        sim_node_freeze(node, false);
}

static void cut(struct sim_node *node)
{
        sim_node_cut(node, true);
}

static void join(struct sim_node *node)
{
        sim_node_cut(node, false);
}

static void upgrade(struct sim_node *node)
{
        sim_node_agent_crash(node);
        node->version = "1.106.0";
}

void sim_do_die(struct sim_world *world, const struct sim_step *step)
{
        do_for(world, step, sim_node_die, sim_node_boot);
}

void sim_do_boot(struct sim_world *world, const struct sim_step *step)
{
        each_node(world, step->subject, sim_node_boot);
}

void sim_do_freeze(struct sim_world *world, const struct sim_step *step)
{
        do_for(world, step, freeze, thaw);
}

void sim_do_thaw(struct sim_world *world, const struct sim_step *step)
{
        each_node(world, step->subject, thaw);
}

void sim_do_cut(struct sim_world *world, const struct sim_step *step)
{
        do_for(world, step, cut, join);
}

void sim_do_join(struct sim_world *world, const struct sim_step *step)
{
        each_node(world, step->subject, join);
}

void sim_do_agent_crash(struct sim_world *world, const struct sim_step *step)
{
        each_node(world, step->subject, sim_node_agent_crash);
}

void sim_do_agent_upgrade(struct sim_world *world, const struct sim_step *step)
{
        each_node(world, step->subject, upgrade);
}

/* ---- The server ---- */

static void crash(struct sim_world *world, const struct sim_step *step, enum sim_crash when)
{
        world->server.restart_us = sim_step_number(step, SIM_FOR, SERVER_RESTART_US);
        sim_world_fault(world, world->clock.now_us + world->server.restart_us + AFTERMATH_US);
        sim_server_crash_at(&world->server, when);
}

void sim_do_crash(struct sim_world *world, const struct sim_step *step)
{
        crash(world, step, SIM_CRASH_NOW);
}

void sim_do_crash_before(struct sim_world *world, const struct sim_step *step)
{
        crash(world, step, SIM_CRASH_BEFORE_WRITE);
}

void sim_do_crash_after(struct sim_world *world, const struct sim_step *step)
{
        crash(world, step, SIM_CRASH_AFTER_WRITE);
}

void sim_do_start(struct sim_world *world, const struct sim_step *step)
{
        sim_server_start(&world->server);
}

/* ---- Containers ---- */

void sim_do_task_crash(struct sim_world *world, const struct sim_step *step)
{
        int64_t left = sim_step_number(step, SIM_COUNT, 1);

        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (run, &world->nodes[i]->runs, struct sim_run, link)
                        if (left > 0 && run->status == SIM_RUN_RUNNING && !run->node->frozen &&
                            (str_eq(run->service, step->subject) || (run->service[0] == '\0' && str_eq(run->family, step->subject)))) {
                                sim_run_exit(run, 137, "Essential container in task exited");
                                left--;
                        }
        sim_world_fault(world, world->clock.now_us + SIM_SECOND);
}
