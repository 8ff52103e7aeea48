/* SPDX-License-Identifier: Apache-2.0 */
/* What the node says it is, and the escaping of what it says in query strings. */
#pragma once

#include "base/arena.h"

#ifndef GANTRY_VERSION
#define GANTRY_VERSION "0.1.0"
#endif

#define AGENT_VERSION GANTRY_VERSION
#define AGENT_HASH "gantry"
#define RUNTIME_NAME "gantry-" GANTRY_VERSION

/* Percent-encodes everything but letters, digits, '-', '_', '.' and '~'. */
const char *uri_encode(const char *text, struct arena *arena);
