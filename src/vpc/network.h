/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VPC as one node sees it: what the server says of its ranges, routes, security groups and network interfaces, and what the node
 * makes of it. Each VPC has a router on each node that has an interface in it: a network namespace of its own, so that the machine's
 * firewall, Docker's rules and other VPCs with the same addresses do not matter.
 *
 *      task A          task B                     the machine
 *      eth0            eth0                            |
 *        | veth          | veth                 gantry-vN | veth, 169.254.192.2N
 *     +--+---------------+------ router (netns) ----------+--+
 *     |  routes, nftables: security groups, spoofing, NAT  up |
 *     +------------------------- vxlan -----------------------+
 *                                  | VNI of the VPC, one tunnel end per node, no flooding, no learning
 *                             other nodes
 *
 * Every packet is routed, also between two tasks of one subnet: there is no common Ethernet on which one could pretend to be another.
 * A packet enters the router only with the address and hardware address that belong to the interface it came from.
 */
#pragma once

#include "base/arena.h"
#include "vpc/range.h"
#include "vpc/vpc.h"

#define VPC_ANY (-1)

/* A rule of a security group: who may be reached (egress) or may come (ingress), and how. */
struct vpc_rule {
        int protocol;       /* number as in the IP header; VPC_ANY: all */
        int from, to;       /* TCP and UDP: ports; ICMP: type and code, VPC_ANY: all */
        const char *group;  /* members of this group; NULL: `range` counts */
        struct range range; /* prefix 0 to 32 */
};

struct vpc_rule_list {
        struct vpc_rule *items;
        uint32_t n;
};

struct vpc_group {
        const char *id; /* sg-… */
        struct vpc_rule_list ingress, egress;
};

enum vpc_target {
        VPC_TARGET_INTERNET = 0, /* an internet gateway: only for interfaces with a public address */
        VPC_TARGET_NAT,          /* a NAT gateway: for all of the subnet */
        VPC_TARGET_NOWHERE,      /* refused */
        VPC_TARGET_MAX
};

/* What leads out of the VPC; the VPC's own ranges need no route. */
struct vpc_route {
        struct range destination;
        enum vpc_target target;
};

/* A rule of a subnet's network ACL, for what leaves the subnet (egress) or comes into it. The first one that fits counts. */
struct vpc_acl_rule {
        bool egress, allow;
        int protocol, from, to; /* as of struct vpc_rule */
        struct range range;     /* of the peer */
};

struct vpc_subnet {
        const char *id; /* subnet-… */
        struct range range;
        struct vpc_route *routes;
        uint32_t n_routes;
        struct vpc_acl_rule *acl;
        uint32_t n_acl; /* 0: no ACL, everything passes; else what no rule fits does not */
};

enum vpc_place {
        VPC_PLACE_TASK = 0, /* of a task on this node: a sandbox of mode VPC_INTERFACE has it or will have it */
        VPC_PLACE_HOST,     /* an address of this machine itself, for a load balancer */
        VPC_PLACE_REMOTE,   /* on the node at `node` */
        VPC_PLACE_NOWHERE,  /* not attached: only a member of its groups */
        VPC_PLACE_MAX
};

struct vpc_interface {
        const char *id; /* eni-… */
        const char *subnet;
        uint32_t address; /* host byte order */
        uint8_t mac[6];
        const char **groups;
        uint32_t n_groups;
        bool has_public_address;
        enum vpc_place place;
        uint32_t node;   /* underlay address of the other node, host byte order */
        uint16_t *ports; /* with VPC_PLACE_HOST: TCP ports that the load balancer listens on, on any address of this machine */
        uint32_t n_ports;
};

/* Of a zone: A with an address, or SRV with a port and a target. Names without a dot at the end. */
struct vpc_record {
        const char *owner;
        int64_t ttl;        /* seconds */
        uint32_t address;   /* host byte order; with `target` NULL */
        uint16_t port;      /* with `target` */
        const char *target; /* NULL: an A record */
};

/* A domain whose names are answered to the tasks of the VPC. */
struct vpc_zone {
        const char *id; /* ns-… */
        const char *name;
        int64_t ttl; /* seconds for which that a name does not exist may be remembered */
        struct vpc_record *records;
        uint32_t n_records;
};

/* Everything in the arena of the structure itself. */
struct vpc_network {
        struct arena arena;
        const char *id; /* vpc-… */
        uint32_t vni;   /* 1 to 2^24 - 1 */
        struct range *ranges;
        uint32_t n_ranges; /* at least 1 */
        struct vpc_subnet *subnets;
        uint32_t n_subnets;
        struct vpc_group *groups;
        uint32_t n_groups;
        struct vpc_interface *interfaces;
        uint32_t n_interfaces;
        struct vpc_zone *zones;
        uint32_t n_zones;
        uint32_t node;   /* underlay address of this machine, host byte order; 0: none, then it has no tunnel */
        uint32_t *nodes; /* underlay addresses of the other nodes that have a router for this VPC */
        uint32_t n_nodes;
};

/* "02:00:0a:00:00:05". */
bool vpc_mac_parse(const char *text, uint8_t ret[6]);

/* Empty, with an arena. */
struct vpc_network *vpc_network_new(void);
/* NULL is fine. Returns NULL. */
struct vpc_network *vpc_network_free(struct vpc_network *network);
/* NULL when there is none. */
const struct vpc_interface *vpc_network_interface(const struct vpc_network *network, const char *id);
const struct vpc_subnet *vpc_network_subnet(const struct vpc_network *network, const char *id);
const struct vpc_group *vpc_network_group(const struct vpc_network *network, const char *id);

/*
 * Makes the node agree with `network`, which it takes over: router, tunnel, routes, and all rules in one nftables transaction, so that
 * at every moment either the old or the new ones hold. Only what differs from what is in force is touched. Idempotent. -EINVAL for a
 * picture that makes no sense; with any error what was in force stays so and `network` is dropped. Sandboxes come by vpc_sandbox_create.
 * Status 0 with an error that is set: everything is in force but the zones, whose names the machine's own name server is asked for.
 */
void vpc_network_apply(struct vpc *vpc, struct vpc_network *network, struct vpc_op *op);
/* Takes the router of a VPC away; what still is attached to it loses its network. No-op when there is none. `op` may be NULL. */
void vpc_network_remove(struct vpc *vpc, const char *id, struct vpc_op *op);
/* The picture in force that has interface `id`, or NULL: then a sandbox with it cannot be made yet. */
const struct vpc_network *vpc_network_of(const struct vpc *vpc, const char *interface_id);
/* Ids of the VPCs that have a router here, also those that an earlier agent left; NULL starts and ends. The one returned may be removed
 * only after its successor was fetched. */
const char *vpc_network_next(const struct vpc *vpc, const char *id);
