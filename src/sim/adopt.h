/* SPDX-License-Identifier: Apache-2.0 */
/* Stories that begin with a cluster as it is: a copy of a server's store becomes the simulated server's disk. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "sim/world.h"

/*
 * Reads the store of the server whose --data-dir is `dir` (which may be running, and is only read) into options->disk, and sets
 * account, region (in `arena`) and the moment at which the story begins: `now_ms`.
 */
int sim_adopt_store(const char *dir, int64_t now_ms, struct arena *arena, struct sim_options *options, struct error *error) MUST_CHECK;
/*
 * Plays every registered instance of the world's cluster by a node (its name, zone and id are told), on which the tasks run that
 * the store says run there, and takes the services as promised. Before the first step. As the `prepare` of sim_scenario_run.
 */
void sim_adopt_cluster(struct sim_world *world, void *data);
