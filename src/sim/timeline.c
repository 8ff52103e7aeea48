/* SPDX-License-Identifier: Apache-2.0 */
/* See timeline.h. */
#include "sim/timeline.h"

#include <string.h>

#include "base/strutil.h"
#include "sim/node.h"
#include "sim/want.h"

/* While tasks come and go the state is told so often. */
#define TELL_US (SIM_SECOND / 2)

static void count_service(const struct sim_world *world, const struct sim_want *want, struct buf *out)
{
        uint32_t running = 0, starting = 0, stopping = 0;

        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (run, &world->nodes[i]->runs, struct sim_run, link) {
                        if (!str_eq(run->service, want->name) || !run->node->on || run->node->frozen)
                                continue;
                        running += run->status == SIM_RUN_RUNNING;
                        starting += run->status == SIM_RUN_PENDING;
                        stopping += run->status == SIM_RUN_STOPPING;
                }
        buf_printf(out, "%s%s %u", out->len > 0 ? ", " : "", want->name, running);
        if (starting > 0)
                buf_printf(out, "+%u", starting);
        if (stopping > 0)
                buf_printf(out, "-%u", stopping);
}

static void count_nodes(const struct sim_world *world, struct buf *out)
{
        buf_append_str(out, " |");
        for (uint32_t i = 0; i < world->n_nodes && i < 40; i++) {
                const struct sim_node *node = world->nodes[i];
                uint32_t live = 0;

                list_for_each (run, &node->runs, struct sim_run, link)
                        live += sim_run_is_live(run);
                if (!node->on)
                        buf_append_str(out, " x");
                else
                        buf_printf(out, " %s%u", node->cut ? "~" : (node->frozen ? "*" : ""), live);
        }
}

static void tell_state(struct sim_timeline *timeline, const struct sim_world *world)
{
        CLEANUP_BUF struct buf now = {0};

        list_for_each (want, &world->wants, struct sim_want, link)
                if (want->kind == SIM_WANT_SERVICE && want->name[0] != '\0')
                        count_service(world, want, &now);
        count_nodes(world, &now);
        if (strcmp(timeline->last, now.data) == 0)
                return;
        (void)snprintf(timeline->last, sizeof(timeline->last), "%s", now.data);
        timeline->told_us = world->clock.now_us;
        fprintf(timeline->out, "%9.3f    %s\n", (double)world->clock.now_us / 1e6, now.data);
}

void sim_timeline_note(void *data, struct sim_world *world, const struct sim_node *node, const char *text)
{
        struct sim_timeline *timeline = data;

        if (text == NULL) {
                if (world->clock.now_us - timeline->told_us >= TELL_US)
                        tell_state(timeline, world);
                return;
        }
        tell_state(timeline, world);
        fprintf(timeline->out, "%9.3f  %s%s%s\n", (double)world->clock.now_us / 1e6, node != NULL ? node->name : "",
                node != NULL ? " " : "", text);
}
