/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of a VPC for tests: 10.0.0.0/16 with the subnets subnet-open (10.0.0.0/20, to the internet), subnet-nat (10.0.16.0/20) and
 * subnet-shut (10.0.32.0/20, no way out). */
#pragma once

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "vpc/network.h"

static inline uint32_t address_of(const char *text)
{
        return ntohl(inet_addr(text));
}

static inline struct vpc_network *picture_new(const char *id, uint32_t vni)
{
        static const char *const names[] = {"subnet-open", "subnet-nat", "subnet-shut"};
        struct vpc_network *n = vpc_network_new();

        n->id = arena_strdup(&n->arena, id);
        n->vni = vni;
        n->ranges = ARENA_NEW(&n->arena, struct range);
        n->ranges[0] = (struct range){address_of("10.0.0.0"), 16};
        n->n_ranges = 1;
        n->subnets = arena_calloc(&n->arena, 3, sizeof *n->subnets);
        n->n_subnets = 3;
        for (uint32_t i = 0; i < 3; i++) {
                n->subnets[i].id = names[i];
                n->subnets[i].range = (struct range){address_of("10.0.0.0") + i * 4096, 20};
                n->subnets[i].n_routes = i < 2;
                n->subnets[i].routes = ARENA_NEW(&n->arena, struct vpc_route);
                n->subnets[i].routes[0].target = i == 0 ? VPC_TARGET_INTERNET : VPC_TARGET_NAT;
        }
        n->groups = arena_calloc(&n->arena, 64, sizeof *n->groups);
        n->interfaces = arena_calloc(&n->arena, 8192, sizeof *n->interfaces);
        n->nodes = arena_calloc(&n->arena, 16, sizeof *n->nodes);
        return n;
}

static inline struct vpc_group *picture_group(struct vpc_network *n, const char *id)
{
        struct vpc_group *group = &n->groups[n->n_groups++];

        group->id = arena_strdup(&n->arena, id);
        group->ingress.items = arena_calloc(&n->arena, 2048, sizeof(struct vpc_rule));
        group->egress.items = arena_calloc(&n->arena, 2048, sizeof(struct vpc_rule));
        return group;
}

/* `peer`: "10.0.0.0/8" or a group's id. */
static inline void picture_rule(struct vpc_network *n, struct vpc_rule_list *list, int protocol, int from, int to, const char *peer)
{
        struct vpc_rule *rule = &list->items[list->n++];
        char address[32];
        int prefix = 32;

        *rule = (struct vpc_rule){.protocol = protocol, .from = from, .to = to};
        if (strncmp(peer, "sg-", 3) == 0) {
                rule->group = arena_strdup(&n->arena, peer);
                return;
        }
        (void)sscanf(peer, "%31[0-9.]/%d", address, &prefix);
        rule->range = (struct range){address_of(address), prefix};
}

/* Everything out. */
static inline struct vpc_group *picture_open_group(struct vpc_network *n, const char *id)
{
        struct vpc_group *group = picture_group(n, id);

        picture_rule(n, &group->egress, VPC_ANY, VPC_ANY, VPC_ANY, "0.0.0.0/0");
        return group;
}

/* `group` NULL: none. */
static inline struct vpc_interface *picture_interface(struct vpc_network *n, const char *id, const char *subnet, const char *address,
                                                      const char *group)
{
        struct vpc_interface *it = &n->interfaces[n->n_interfaces++];

        it->id = arena_strdup(&n->arena, id);
        it->subnet = subnet;
        it->address = address_of(address);
        it->mac[0] = 2;
        memcpy(it->mac + 2, &it->address, 4);
        it->groups = arena_calloc(&n->arena, 4, sizeof *it->groups);
        if (group != NULL)
                it->groups[it->n_groups++] = arena_strdup(&n->arena, group);
        return it;
}
