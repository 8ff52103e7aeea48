/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router of a VPC on this node: a network namespace with a cable to the machine, a tunnel to the other nodes, and the cables of the
 * tasks. What it does with a packet is in its table (rules.h). Blocking.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "vpc/netns.h"
#include "vpc/network.h"
#include "vpc/ruleset.h"

/* Cables between routers and the machine: two addresses of this range for each slot. */
#define ROUTER_LINKS_FIRST 0xa9fec000u /* 169.254.192.0 */
#define ROUTER_LINKS_TEXT "169.254.192.0/18"
#define ROUTER_SLOTS 8192
#define ROUTER_PROTOCOL 103 /* marks our routes in the kernel's tables (rtm_protocol) */

struct router {
        /* The loop's thread: */
        struct map_node node;        /* in vpc->routers, by id */
        char *id;                    /* vpc-… */
        struct vpc_network *network; /* in force; NULL: not known, from an earlier agent, or none */
        uint32_t jobs;               /* that are queued for it */
        bool alive;                  /* the namespace is there, as far as jobs are done */

        /* One job at a time: */
        struct list link; /* in kernel->routers while the namespace is there */
        uint32_t slot;
        char *path;           /* of the namespace */
        char *record;         /* path of the record */
        char *names_dir;      /* folder of its name server: names.h */
        struct netlink nl;    /* inside */
        struct nft *nft;      /* inside */
        int uplink_index;     /* the machine's end */
        uint32_t tunnel_vni;  /* of the tunnel that is there; 0: none */
        uint32_t tunnel_node; /* underlay address that it was made for */
        int tunnel_index;
        struct ruleset *rules; /* in force; NULL: not known, from an earlier agent */
        struct reach *reach;   /* routes in force; NULL: not known */
        uint32_t vni, *nodes;  /* who may send through the tunnel */
        uint32_t n_nodes;
        bool names;          /* a name server of its own answers at the machine's end of the cable */
        uint16_t *listeners; /* TCP ports of the load balancers of the VPC that this machine runs */
        uint32_t n_listeners;
};

/* The machine's end of the cable, "gantry-v3"; `ret` holds IFNAMSIZ bytes. */
void router_uplink_name(uint32_t slot, char ret[IFNAMSIZ]);
uint32_t router_host_address(uint32_t slot);

/* Makes namespace and cable. -EEXIST: another agent on this machine has the slot. Undoes everything when it fails. */
int router_make(struct vpc_kernel *kernel, struct router *router, struct error *error) MUST_CHECK;
/* Opens one that an earlier agent left. -ENOENT when it does not work any more. */
int router_open(struct vpc_kernel *kernel, struct router *router, struct error *error) MUST_CHECK;
/* Takes the namespace away, with all cables, and frees what router_make or router_open opened. */
void router_remove(struct router *router);
/* Frees what was opened, without touching the kernel. */
void router_close(struct router *router);

/* reach.c: fills in the tunnel that is there. -ENODEV when there is none. */
int router_find_tunnel(struct router *router);
/* reach.c: routes, neighbours and tunnel ends, in the router and on the machine, as `network` needs them. `node` is this machine's
 * underlay address, 0: none, then there is no tunnel. */
int router_reach(struct vpc_kernel *kernel, struct router *router, const struct vpc_network *network, uint32_t node, uint32_t mtu,
                 struct error *error) MUST_CHECK;
struct reach *reach_free(struct reach *reach);
