/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a VPC's picture to the table of its router. Pure.
 *
 *     prerouting  raw       an interface sends only in its own name
 *                 dstnat    the VPC's name server is the node's
 *     forward     acl       what network ACLs let pass, if a subnet has one; established or not
 *                 forward   what is established goes on; else egress rules of the sender (goto from map `egress` by address) …
 *                 into      … then ingress rules of the receiver (map `ingress`), or the routes of the sender's subnet (map `routes`)
 *     postrouting srcnat    out of the VPC in the name of the node
 *
 * A packet of an established connection costs one look-up; the first one of a connection a look-up for each group of the sender and the
 * receiver, however many rules they have: ports lead through a verdict map to a chain, sources are interval sets.
 */
#pragma once

#include "vpc/network.h"
#include "vpc/ruleset.h"

/* Names of interfaces in a router. */
#define ROUTER_UPLINK "up"
#define ROUTER_TUNNEL "vxlan"

#define VPC_NAME_SERVER "169.254.169.253" /* where the machine answers name queries of tasks */

/* Name of the router's end of a task's cable, "t0a000105"; `ret` holds IFNAMSIZ bytes. */
void rules_port_name(uint32_t address, char ret[16]);

/* -EINVAL with what is wrong: ids that nftables could not name, ranges and groups that are not there. */
int rules_check(const struct vpc_network *network, struct error *error) MUST_CHECK;
/* The picture must have passed rules_check. Borrows its strings. The caller frees the ruleset. */
struct ruleset *rules_compile(const struct vpc_network *network);

/* rules_acl.c: chain "acl" and, for each subnet that has an ACL, "acl-out.ID" and "acl-in.ID". False, and nothing, when none has one. */
bool rules_compile_acls(struct ruleset *ruleset, const struct vpc_network *network) MUST_CHECK;

/* rules_group.c: the two chains of a group, "in.ID" and "out.ID", and those that they jump to. */
void rules_compile_group(struct ruleset *ruleset, const struct vpc_group *group);
