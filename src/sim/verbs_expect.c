/* SPDX-License-Identifier: Apache-2.0 */
/* What a story expects: looked at when it is said, or until it is so. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/service.h"
#include "sim/group.h"
#include "sim/invariant.h"
#include "sim/node.h"
#include "sim/step.h"
#include "sim/verbs.h"
#include "sim/world.h"

/* How often an expectation with "within" is looked at. */
#define LOOK_US (20 * SIM_MS)

/* Whether it is so; `why` gets what is. */
typedef bool (*holds_fn)(struct sim_world *world, const struct sim_step *step, struct buf *why);

struct expectation {
        struct sim_world *world;
        const struct sim_step *step;
        holds_fn holds;
        int64_t until_us;
        bool throughout; /* must hold at every look until then */
};

static void fail(struct expectation *e, const struct buf *why)
{
        CLEANUP_BUF struct buf line = {0};

        sim_step_print(e->step, &line);
        sim_world_violate(e->world, "the story's expectations", "line %u: %s: %s", e->step->line, line.data, why->data);
}

static void on_look(void *owner, void *data, uint64_t number)
{
        struct expectation *e = data;
        CLEANUP_BUF struct buf why = {0};
        bool holds = e->holds(e->world, e->step, &why);
        bool over = e->world->clock.now_us >= e->until_us;

        if (holds != e->throughout || (over && !holds)) {
                if (!holds)
                        fail(e, &why);
                free(e);
                return;
        }
        if (over) {
                free(e);
                return;
        }
        sim_after(&e->world->clock, LOOK_US, on_look, NULL, e, 0);
}

static void expect(struct sim_world *world, const struct sim_step *step, holds_fn holds, bool throughout)
{
        struct expectation *e = xalloc(sizeof(*e));

        e->world = world;
        e->step = step;
        e->holds = holds;
        e->throughout = throughout;
        e->until_us = world->clock.now_us + (throughout ? step->number[SIM_FOR] : sim_step_number(step, SIM_WITHIN, 0));
        on_look(NULL, e, 0);
}

/* ---- Counting ---- */

static bool is_revision(const struct sim_run *run, const char *revision)
{
        char name[80];

        (void)snprintf(name, sizeof(name), "%s:%d", run->family, run->revision);
        return revision == NULL || str_eq(name, revision);
}

static bool is_within(const struct sim_step *step, int64_t n, struct buf *why)
{
        bool holds = (!sim_step_has(step, SIM_RUNNING) || n == step->number[SIM_RUNNING]) &&
                     (!sim_step_has(step, SIM_AT_LEAST) || n >= step->number[SIM_AT_LEAST]) &&
                     (!sim_step_has(step, SIM_AT_MOST) || n <= step->number[SIM_AT_MOST]);

        if (!holds)
                buf_printf(why, "there are %lld", (long long)n);
        return holds;
}

static bool stands_still(const struct sim_node *node)
{
        return !node->on || node->frozen;
}

static bool deployment_is(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        struct model *model = world->server.model;
        const struct service *service = model != NULL ? model_service(model, world->cluster, step->subject) : NULL;
        const struct service_revision *primary = service != NULL ? service_primary(model, service) : NULL;
        const char *state =
                primary != NULL ? shape_enum_name(&ecs_deployment_rollout_state_enum, (int)primary->state->rollout_state) : "not there";

        if (str_eq(state, step->text[SIM_DEPLOYMENT]))
                return true;
        buf_printf(why, "it is %s", state != NULL ? state : "without a state");
        return false;
}

static bool service_holds(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        int64_t n = 0;

        for (uint32_t i = 0; i < world->n_nodes; i++) {
                const struct sim_node *node = world->nodes[i];

                if (stands_still(node) || (sim_step_has(step, SIM_ZONE) && !str_eq(node->zone, step->text[SIM_ZONE])))
                        continue;
                list_for_each (run, &node->runs, struct sim_run, link)
                        n += run->status == SIM_RUN_RUNNING && str_eq(run->service, step->subject) &&
                             is_revision(run, step->text[SIM_TASK]);
        }
        return is_within(step, n, why) && (!sim_step_has(step, SIM_DEPLOYMENT) || deployment_is(world, step, why));
}

static bool family_holds(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        int64_t n = 0;

        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (run, &world->nodes[i]->runs, struct sim_run, link)
                        n += run->status == SIM_RUN_RUNNING && !stands_still(run->node) && run->service[0] == '\0' &&
                             str_eq(run->family, step->subject);
        return is_within(step, n, why);
}

static bool node_holds(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        int64_t n = 0;

        for (uint32_t i = 0; i < world->n_nodes; i++) {
                const struct sim_node *node = world->nodes[i];

                if ((!str_eq(node->name, step->subject) && !str_eq(node->zone, step->subject)) || stands_still(node))
                        continue;
                list_for_each (run, &node->runs, struct sim_run, link)
                        n += run->status == SIM_RUN_RUNNING;
        }
        return is_within(step, n, why);
}

static bool group_holds(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        return is_within(step, sim_group_joined(world, step->subject), why);
}

static bool rest_holds(struct sim_world *world, const struct sim_step *step, struct buf *why)
{
        enum sim_invariant which = SIM_INV_SETTLES;

        return sim_at_rest(world, &which, why);
}

void sim_do_expect_service(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, service_holds, false);
}

void sim_do_expect_family(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, family_holds, false);
}

void sim_do_expect_group(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, group_holds, false);
}

void sim_do_expect_node(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, node_holds, false);
}

void sim_do_keep_service(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, service_holds, true);
}

void sim_do_expect_rest(struct sim_world *world, const struct sim_step *step)
{
        expect(world, step, rest_holds, false);
}
