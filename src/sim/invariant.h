/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold in the simulated world: always, after every step, and at rest. Each invariant has a name, a sentence, and the seeded
 * bug (sim/bugs.h) that shows that it can be broken.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/model.h"
#include "sim/bugs.h"

struct sim_world;
struct sim_run;

enum sim_invariant {
        SIM_INV_FORWARD = 0,
        SIM_INV_ACKNOWLEDGED,
        SIM_INV_RESOURCES,
        SIM_INV_NO_TWINS,
        SIM_INV_CEILING,
        SIM_INV_LOST_IS_STOPPED,
        SIM_INV_PLACEMENT,
        SIM_INV_FLOOR,
        SIM_INV_OWNER,
        SIM_INV_PROTECTED,
        SIM_INV_ANSWERS,
        SIM_INV_LIMITS,
        SIM_INV_FLAPPING,
        SIM_INV_GROWTH,
        SIM_INV_GROUP_LIMITS,
        SIM_INV_GUARDED,
        SIM_INV_EMPTIED,
        SIM_INV_EXACT,
        SIM_INV_AGREE,
        SIM_INV_ROLLBACK,
        SIM_INV_SETTLES,
        SIM_INV_MAX
};

struct sim_invariant_text {
        const char *name, *sentence;
        enum sim_bug shown_by; /* SIM_BUG_NONE: shown in another way, which `sentence` of the documentation names */
        bool at_rest;
};
extern const struct sim_invariant_text sim_invariants[SIM_INV_MAX];
/* As a list in Markdown. */
void sim_invariants_print(struct buf *out);

/* After each step. */
void sim_invariants_step(struct sim_world *world);
/* After a start of the server: what it has from its disk. */
void sim_invariants_restart(struct sim_world *world);
/* A change of the model, as its observer is told. */
void sim_invariants_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state);
void sim_invariants_connected(struct sim_world *world, struct instance *instance);
/* A task on a node came, started, is ending, ended. */
void sim_invariants_run_changed(struct sim_run *run);

/* Is everything at rest, and as it should be? If not, says what is missing: the invariant and a text (in `why`, may be NULL). */
bool sim_at_rest(struct sim_world *world, enum sim_invariant *ret, struct buf *why);

/*
 * No faults any more: runs on until everything is at rest and has been for a while. What is not at rest after `limit_us` is a
 * violation of the invariant that is unmet.
 */
void sim_world_settle(struct sim_world *world, int64_t limit_us);
