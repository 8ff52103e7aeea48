/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one file each. */
#pragma once

#include "cmd/options.h"

extern const struct verb verb_agent;
extern const struct verb verb_capacity;
extern const struct verb verb_machine;
extern const struct verb verb_console;
extern const struct verb verb_env;
extern const struct verb verb_keys;
extern const struct verb verb_operations;
extern const struct verb verb_server;
extern const struct verb verb_sim;
extern const struct verb verb_up;

/* A new sign-in link of the server that keeps its data there, in `arena`. Blocks until the server has answered. */
int console_link(const char *data_dir, struct arena *arena, const char **ret, struct error *error) MUST_CHECK;

/* Where a process keeps everything when nobody says otherwise. */
#define DEFAULT_DATA_DIR "/var/lib/gantry"

/* The exit status of a process that was told something wrong: starting it again does not help. */
#define EXIT_USAGE 2

/* The exit status of an agent that the server refuses for good; the stock agent's, too: "do not start me again". */
#define AGENT_EXIT_REFUSED 5
