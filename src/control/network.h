/* SPDX-License-Identifier: Apache-2.0 */
/* Making VPCs and subnets with all that belongs to them from the start, and the networks that an account has at its first start. */
#pragma once

#include "model/network.h"

#define NETWORK_DEFAULT_RANGE "172.31.0.0/16"
/* Zones that nodes may add to those of the start. */
#define NETWORK_MAX_ZONES 64

struct vpc_request {
        struct cidr range; /* prefix 16 to 28 */
        bool is_default;
        const char *tenancy; /* NULL: "default" */
        struct ecs_tag_list tags;
};
/* With its main route table, default network ACL and default security group. */
struct vpc *network_vpc_create(struct model *model, struct tx *tx, const struct vpc_request *request);

/* The entries of a new ACL: nothing passes, after (`open`) everything does in both directions. */
void network_acl_add_entries(struct arena *arena, struct state_network_acl *state, bool open);

struct subnet_request {
        struct vpc *vpc;
        struct cidr range; /* of the VPC, prefix 16 to 28, apart from the other subnets */
        const char *zone;
        bool is_default;
        struct ecs_tag_list tags;
};
struct subnet *network_subnet_create(struct model *model, struct tx *tx, const struct subnet_request *request);

/* The default VPC: internet gateway with a route to it, a subnet for each known zone. There must be none yet. */
struct vpc *network_default_create(struct model *model, struct tx *tx, struct cidr range);
/* The zone's default subnet in the default VPC, in the first part of its range that no subnet has; NULL when there is no room. */
struct subnet *network_default_subnet(struct model *model, struct tx *tx, struct vpc *vpc, const char *zone);

/*
 * Makes the account's zones (three, and those of the nodes that there are) and its default VPC, when that never happened: at the
 * first start of this version on a store, not again when users have deleted it. `range` NULL: NETWORK_DEFAULT_RANGE. -EINVAL for a
 * range that is none or has a prefix outside of 16 to 28.
 */
int network_ensure(struct model *model, const char *range, struct error *error) MUST_CHECK;
/* A node says that it is in this zone: a new one becomes known and gets a default subnet. NULL and what is known do nothing. */
void network_learn_zone(struct model *model, struct tx *tx, const char *zone);
bool network_zone_known(const struct model *model, const char *zone);
