/* SPDX-License-Identifier: Apache-2.0 */
/* Stories drawn by chance, and how to make one that fails short enough to be read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/scenario.h"

struct sim_history_options {
        uint32_t min_nodes, max_nodes; /* 0: 10 to 50 */
        uint32_t min_steps, max_steps; /* after the stage is set; 0: 15 to 45 */
        bool no_services;              /* only tasks */
        bool no_faults;
};

/* The story of this seed, in `ret` (sim_scenario_done). */
void sim_history_make(uint64_t seed, const struct sim_history_options *options, struct sim_scenario *ret);

/* The same about one service under load that scales by itself (sim/load.h). */
void sim_load_history_make(uint64_t seed, struct sim_scenario *ret);

/* The same about an Auto Scaling group that follows a service and jobs (sim/group.h). */
void sim_group_history_make(uint64_t seed, struct sim_scenario *ret);

/*
 * Takes away steps, nodes and clauses for as long as the story still breaks the same invariant (delta debugging: Zeller and
 * Hildebrandt 2002), playing it at most `tries` times. `scenario` must fail; it is changed in place.
 */
void sim_history_shrink(struct sim_scenario *scenario, const struct sim_options *options, const char *invariant, uint32_t tries);
