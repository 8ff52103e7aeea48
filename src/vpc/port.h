/* SPDX-License-Identifier: Apache-2.0 */
/* The cable between a task's namespace and the router of its VPC. Blocking. */
#pragma once

#include "vpc/netns.h"
#include "vpc/router.h"

struct port {
        uint32_t address; /* host byte order */
        uint8_t mac[6];
        struct range subnet; /* its gateway is the first address behind the subnet's own */
        uint32_t slot;       /* of the sandbox: unique on the node */
};

/*
 * Makes eth0 in the namespace at `path` (`inside`: a netlink socket there) with address, default route and hardware address, and the
 * router's end with the route that leads to it. All neighbours are fixed: nobody is asked who has an address. A cable that was there is
 * replaced. On failure the cable is taken away.
 */
int port_plug(struct router *router, const char *path, struct netlink *inside, const struct port *port, uint32_t mtu,
              struct error *error) MUST_CHECK;
/* The same with a tap of the machine's namespace (`machine`: a netlink socket there) as the cable: what is behind it sets itself up. */
int port_plug_tap(struct netlink *machine, struct router *router, const char *tap, const struct port *port, uint32_t mtu,
                  struct error *error) MUST_CHECK;
/* Is the router's end there? */
bool port_is_plugged(struct router *router, uint32_t address);
void port_unplug(struct router *router, uint32_t address);
