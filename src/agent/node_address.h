/* SPDX-License-Identifier: Apache-2.0 */
/* Under which address the other nodes reach this one. */
#pragma once

#include "agent/agent.h"

/*
 * The option, else the address with which this machine speaks to its server, else (the server runs here) that of its default route;
 * "" when there is none. No packet is sent. Returns whether the server runs on this machine. Looks up the server's name: may block, at
 * registration.
 */
bool node_address(const struct agent_options *options, char ret[16]);
