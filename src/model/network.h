/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The networks of the account: VPCs and what lies in them, as objects of the model (see model.h for transactions).
 *
 *     vpc ─┬─ subnet ── network_interface (one address each; who uses it: a task, a balancer, …)
 *          ├─ security_group ── network_interface (through membership)
 *          ├─ route_table, network_acl, nat_gateway, vpc_endpoint
 *          └─ internet_gateway (while it is attached)
 *     elastic_address ── network_interface (while it is associated)
 *
 * Interfaces are made and ended by control/interface.h, never directly: addresses must be unique and reused late.
 */
#pragma once

#include "base/cidr.h"
#include "model/model.h"

struct vpc {
        struct object object;
        const struct state_vpc *state;
        struct list subnets, groups, route_tables, acls, internet_gateways, nat_gateways, endpoints; /* each of its kind, by in_vpc */
        size_t n_members;                     /* of all these lists: a VPC that has any cannot be removed */
        struct security_group *default_group; /* the one called "default" */
};

/* How everything starts that lies in a VPC. */
struct vpc_member {
        struct object object;
        const void *state;
        struct vpc *vpc; /* NULL only of an internet gateway that is detached */
        struct list in_vpc;
};

struct subnet {
        struct object object;
        const struct state_subnet *state;
        struct vpc *vpc;
        struct list in_vpc;
        struct list interfaces; /* of struct network_interface */
        struct cidr range;
        uint64_t *used;  /* a bit for each address that an interface has; NULL before the first */
        uint32_t n_used; /* of interfaces: the five reserved addresses are not counted */
};

struct security_group {
        struct object object;
        const struct state_security_group *state;
        struct vpc *vpc;
        struct list in_vpc;
        struct list members; /* of struct group_membership */
        size_t n_members;
};

/* That an interface is in a group. */
struct group_membership {
        struct list in_group;
        struct security_group *group;
        struct network_interface *interface;
};

struct network_interface {
        struct object object;
        const struct state_network_interface *state;
        struct subnet *subnet;
        struct list in_subnet;
        struct group_membership *memberships; /* in the order of state->groups */
        uint32_t n_memberships;
        struct elastic_address *elastic; /* NULL: none */
        uint32_t address;                /* host byte order */
};

struct route_table {
        struct object object;
        const struct state_route_table *state;
        struct vpc *vpc;
        struct list in_vpc;
};

struct network_acl {
        struct object object;
        const struct state_network_acl *state;
        struct vpc *vpc;
        struct list in_vpc;
};

struct internet_gateway {
        struct object object;
        const struct state_internet_gateway *state;
        struct vpc *vpc;
        struct list in_vpc;
};

struct nat_gateway {
        struct object object;
        const struct state_nat_gateway *state;
        struct vpc *vpc;
        struct list in_vpc;
};

struct vpc_endpoint {
        struct object object;
        const struct state_vpc_endpoint *state;
        struct vpc *vpc;
        struct list in_vpc;
};

struct elastic_address {
        struct object object;
        const struct state_elastic_address *state;
        struct network_interface *interface; /* NULL while it is not associated */
};

/* Each NULL when there is none (or `id` is NULL). */
struct vpc *model_vpc(struct model *model, const char *id);
struct subnet *model_subnet(struct model *model, const char *id);
struct security_group *model_security_group(struct model *model, const char *id);
struct network_interface *model_network_interface(struct model *model, const char *id);
struct internet_gateway *model_internet_gateway(struct model *model, const char *id);
struct route_table *model_route_table(struct model *model, const char *id);
struct nat_gateway *model_nat_gateway(struct model *model, const char *id);
struct elastic_address *model_elastic_address(struct model *model, const char *id);
struct network_acl *model_network_acl(struct model *model, const char *id);
struct vpc_endpoint *model_vpc_endpoint(struct model *model, const char *id);

/* NULL when the account has none (it was deleted). */
struct vpc *model_default_vpc(struct model *model);

/* The table that is associated with the subnet, else the VPC's main one. Never NULL. */
struct route_table *subnet_route_table(const struct subnet *subnet);
/* The main table of the VPC. Never NULL between transactions. */
struct route_table *vpc_main_route_table(const struct vpc *vpc);

/* Addresses that AWS keeps for itself in every subnet: the first four and the last one. */
#define SUBNET_RESERVED 5
/* Whether an interface may have this address: in the range and not reserved. */
bool subnet_assignable(const struct subnet *subnet, uint32_t address);
bool subnet_in_use(const struct subnet *subnet, uint32_t address);
/* Addresses that are left. */
uint32_t subnet_free(const struct subnet *subnet);
/* The next free address at or behind `offset` in the range, wrapping around; its offset, or -1 when all are taken. */
int64_t subnet_next_free(const struct subnet *subnet, int64_t offset);
