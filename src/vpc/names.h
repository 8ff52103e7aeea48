/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server of a VPC on this node: Unbound, a process for each router whose VPC has zones. It answers them from files, and asks
 * the machine's own name server for everything else. Blocking.
 *
 *     task ── VPC's address + 2, port 53 ── router ── names chain of the machine (nft.c) ── NAMES_PORT at the machine's end of the cable
 *
 *     DIR/names/SLOT/   unbound.conf, a file for each zone, the process's id, a control socket; the process sees nothing else
 *
 * A zone that changes is written anew and read again in one step, without a restart; only the names of zones are in the configuration. The
 * process outlives the agent, and goes with the router.
 */
#pragma once

#include "vpc/router.h"

#define NAMES_PORT 10053 /* at an address of the router's own: nobody else has it */

/*
 * Makes the name server answer the zones of `network`, and sets router->names; ends it when there are none. Only what differs is touched. An
 * error says what to do, and leaves names to the machine's own name server when there is no other.
 */
int names_apply(struct router *router, const struct vpc_network *network, struct error *error);
/* Whether the router's name server is there, from an earlier agent or not. */
bool names_running(const struct router *router);
/* Ends it and removes its files. No-op when there is none. */
void names_stop(struct router *router);

/* The text of a zone's file; -EINVAL when a name could not be one. Pure. */
int names_zone_text(const struct vpc_zone *zone, struct buf *out, struct error *error) MUST_CHECK;
