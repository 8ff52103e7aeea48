/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A story: steps in order of time, from a file or drawn by chance, and how it ends when it is run.
 *
 * A scenario file has one step a line (sim/step.h); "#" starts a comment; a line before the first "at" happens at once. A line
 * "seed N" fixes what chance decides; "title …" names the story.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "sim/step.h"
#include "sim/world.h"

struct sim_scenario {
        struct arena arena;
        const char *title; /* NULL: none */
        uint64_t seed;     /* 1 unless the file says another */
        struct sim_step *steps;
        uint32_t n;
};

/* Reads a whole file's text. -EINVAL with "line N: …". */
int sim_scenario_parse(const char *text, size_t len, struct sim_scenario *ret, struct error *error) MUST_CHECK;
int sim_scenario_read(const char *path, struct sim_scenario *ret, struct error *error) MUST_CHECK;
void sim_scenario_done(struct sim_scenario *scenario);
/* As a scenario file, which does the same when it is run. */
void sim_scenario_print(const struct sim_scenario *scenario, struct buf *out);

/* How long after the last step everything may take to come to rest. */
#define SIM_SETTLE_US (15 * 60 * SIM_SECOND)

struct sim_outcome {
        struct sim_violation violation; /* invariant NULL: all went well */
        uint64_t digest, events, commits;
        uint32_t tasks;   /* that nodes were given */
        uint32_t strikes; /* of the seeded bug */
        int64_t ended_us;
};

/* Plays the story to its end and lets everything come to rest. `prepare` is called before the first step, and
 * the cluster is there; NULL: it begins empty. */
void sim_scenario_run(const struct sim_scenario *scenario, const struct sim_options *options,
                      void (*prepare)(struct sim_world *world, void *data), void *data, struct sim_outcome *ret);
