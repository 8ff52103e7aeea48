/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node serves on this machine: to containers, at 169.254.170.2 (the network leads it to a port on loopback), task metadata
 * versions 4, 3 and 2, statistics, role credentials and the agent API; to its operator, on loopback, introspection.
 */
#pragma once

#include "base/error.h"
#include "base/macro.h"

struct agent;
struct metadata;

/* Binds both ports; answers as soon as the loop runs. */
int metadata_new(struct agent *agent, struct metadata **ret, struct error *error) MUST_CHECK;
/* The port that 169.254.170.2:80 should lead to. */
int metadata_port(const struct metadata *metadata);
/* Stops serving; `closed` follows. */
void metadata_close(struct metadata *metadata, void (*closed)(void *data), void *data);
/* After `closed`, or when the loop never ran. NULL is fine. Returns NULL. */
struct metadata *metadata_free(struct metadata *metadata);
