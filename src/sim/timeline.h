/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a story as it happens: the moment, what happened, and how many tasks run where whenever that has changed. */
#pragma once

#include <stdio.h>

#include "sim/world.h"

struct sim_timeline {
        FILE *out;
        char last[512];  /* the state that was told last, */
        int64_t told_us; /* and when */
};

/* A sim_note_fn; `data` is the timeline. */
void sim_timeline_note(void *data, struct sim_world *world, const struct sim_node *node, const char *text);
