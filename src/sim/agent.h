/* SPDX-License-Identifier: Apache-2.0 */
/* The lease of a simulated agent. */
#pragma once

#include <stdint.h>

struct sim_node;

/* It does not hear the server from this moment on. */
void sim_agent_lost(struct sim_node *node);
/* The machine goes on after it stood still. */
void sim_agent_thaw(struct sim_node *node);
/* Whether it is heard may have changed: fences itself when it was not for too long, else looks again in time. */
void sim_agent_watch(struct sim_node *node);
