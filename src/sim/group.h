/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Auto Scaling groups in the simulated world: the machine driver, which makes nodes and takes them away, and what must hold of groups.
 *
 *     the group wants one ─► create ─► (it takes its time, and may fail) ─► there is a node ─► it boots ─► its agent registers with the
 *     machine's key ─► … ─► destroy ─► the node is gone
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "control/capacity/group.h"

struct sim_node;
struct sim_step;
struct sim_world;

/* What the driver has, or is about to have. Outlives the server, as a driver's machines do. */
struct sim_machine {
        struct list link; /* in world->machines */
        struct sim_world *world;
        char id[24];
        struct sim_node *node; /* NULL: not there yet, or its making has failed */
        uint64_t asked;        /* the server's life whose request is under way; 0: none */
        uint64_t sequence;     /* the commit that the request rests on */
        bool dismissed;        /* by the operator */
};

/* The driver, for a controller whose machines_data is the world. */
extern const struct machine_ops sim_machine_ops;
void sim_machines_free(struct sim_world *world);

/* The verb "group *". */
void sim_do_group(struct sim_world *world, const struct sim_step *step);
/* The verb "terminate *". */
void sim_do_terminate(struct sim_world *world, const struct sim_step *step);
/* Machines of the group that have joined and are not on their way out. */
uint32_t sim_group_joined(struct sim_world *world, const char *group);
/* It may have one more machine, and a task of that size would fit there. */
bool sim_group_may_grow(struct sim_world *world, const char *group, int32_t cpu, int32_t memory);
/* A group or a machine has changed: the invariants. */
void sim_group_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state);
/* Every group has what it wants and wants what it needs; else `why` says what is not so. */
bool sim_groups_rest(struct sim_world *world, struct buf *why);
