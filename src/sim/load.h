/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load on services that scale by themselves: a load of so many tasks' work (in hundredths) is shared by the tasks that run, and a sensor
 * tells the server once a second how busy they are, as CPUUtilization. At the target one task does the work of one.
 *
 *     steady   from             steps   from, then to, in turn           ramp   from … to, and stays
 *     spikes   from, and to for a tenth of the time                      day    from … to … from, as a sine
 */
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "sim/clock.h"

struct object;
struct sim_step;
struct sim_world;

/* Target of the policies here, in percent. */
#define SIM_LOAD_TARGET 50

struct sim_load {
        struct list link; /* in world->loads */
        struct sim_world *world;
        struct sim_random chance;
        char service[48];
        int shape;             /* index in the table of load.c */
        double from, to;       /* tasks' work */
        int64_t every_us;      /* of one turn of the shape */
        uint32_t noise, blind; /* percent: how far a value is off at most; how many seconds bring none */
        int64_t since_us;
        /* What the invariants have seen: */
        int32_t desired;   /* last time */
        int direction;     /* of the last change: 1, -1; 0: none yet */
        uint32_t turns;    /* changes of direction under a steady load */
        int64_t hot_us;    /* there has been too much for the tasks that run since then; 0: there is not */
        int32_t hot_tasks; /* with so many */
};

/* The verb "load on *". */
void sim_do_load(struct sim_world *world, const struct sim_step *step);
/* The verb "scale service *": limits and a target tracking policy. */
void sim_do_scale(struct sim_world *world, const struct sim_step *step);
void sim_loads_free(struct sim_world *world);

/* A service's desired count has changed: is it within the limits? */
void sim_load_service_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state);
