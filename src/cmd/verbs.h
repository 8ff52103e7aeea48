/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one file each. */
#pragma once

#include "cmd/options.h"

extern const struct verb verb_agent;
extern const struct verb verb_env;
extern const struct verb verb_keys;
extern const struct verb verb_operations;
extern const struct verb verb_server;
extern const struct verb verb_up;

/* Where a process keeps everything when nobody says otherwise. */
#define DEFAULT_DATA_DIR "/var/lib/gantry"
