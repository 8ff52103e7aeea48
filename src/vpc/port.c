/* SPDX-License-Identifier: Apache-2.0 */
/* Two batches of netlink messages for a task: one in the router, one inside. */
#include "vpc/port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "base/alloc.h"
#include "vpc/rules.h"

/* Chosen by us, so that one batch can make a link and use it. The kernel's own numbers begin at 1 and are far below. */
#define INDEX_INSIDE 1000
#define INDEX_PORT 10000

/* Longer than it ever took; then the task starts all the same. */
#define CARRIER_WAIT_US 500000
#define CARRIER_POLL_US 500

/* The router's end of every cable has the same address: no two of them meet. */
static const uint8_t router_mac[6] = {0x02, 0x67, 0, 0, 0, 1};

static struct nl_msg *cable_message(int ns, const struct port *port, uint32_t mtu)
{
        const struct ifinfomsg outer = {.ifi_index = (int)(INDEX_PORT + port->slot), .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        const struct ifinfomsg inner = {.ifi_index = INDEX_INSIDE};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &outer, sizeof outer);
        struct nlattr *info, *data, *peer;
        char name[IFNAMSIZ];

        rules_port_name(port->address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        (void)nla_put_u32(msg, IFLA_MTU, mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof router_mac, router_mac);
        info = nla_nest_start(msg, IFLA_LINKINFO);
        (void)nla_put_string(msg, IFLA_INFO_KIND, "veth");
        data = nla_nest_start(msg, IFLA_INFO_DATA);
        peer = nla_nest_start(msg, VETH_INFO_PEER);
        (void)nlmsg_append(msg, (void *)(uintptr_t)&inner, sizeof inner, NLMSG_ALIGNTO);
        (void)nla_put_string(msg, IFLA_IFNAME, "eth0");
        (void)nla_put_u32(msg, IFLA_MTU, mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof port->mac, port->mac);
        (void)nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns);
        nla_nest_end(msg, peer);
        nla_nest_end(msg, data);
        nla_nest_end(msg, info);
        return msg;
}

static struct nl_msg *neighbour_message(int index, uint32_t address, const uint8_t mac[6])
{
        const struct ndmsg nd = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
        struct nl_msg *msg = netlink_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd, sizeof nd);

        (void)nla_put_u32(msg, NDA_DST, htonl(address));
        (void)nla_put(msg, NDA_LLADDR, 6, mac);
        return msg;
}

/* `gateway` 0: what is reached directly. */
static struct nl_msg *route_message(int index, struct range to, uint32_t gateway)
{
        const struct rtmsg rtm = {.rtm_family = AF_INET,
                                  .rtm_dst_len = (uint8_t)to.prefix,
                                  .rtm_table = RT_TABLE_MAIN,
                                  .rtm_protocol = RTPROT_STATIC,
                                  .rtm_scope = gateway == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
                                  .rtm_type = RTN_UNICAST};
        struct nl_msg *msg = netlink_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &rtm, sizeof rtm);

        if (to.prefix > 0)
                (void)nla_put_u32(msg, RTA_DST, htonl(to.address));
        if (gateway != 0)
                (void)nla_put_u32(msg, RTA_GATEWAY, htonl(gateway));
        (void)nla_put_u32(msg, RTA_OIF, (uint32_t)index);
        return msg;
}

/* With the subnet's prefix, as people expect to see it, but without the route to the subnet: everything goes through the router. */
static struct nl_msg *address_message(const struct port *port)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)port->subnet.prefix, .ifa_index = INDEX_INSIDE};
        struct nl_msg *msg = netlink_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof ifa);

        (void)nla_put_u32(msg, IFA_LOCAL, htonl(port->address));
        (void)nla_put_u32(msg, IFA_ADDRESS, htonl(port->address));
        (void)nla_put_u32(msg, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
        return msg;
}

static int plug_router(struct router *router, int ns, const struct port *port, uint32_t mtu, struct error *error)
{
        struct netlink_batch batch = {.what = "cannot attach a network interface to its VPC"};
        int index = (int)(INDEX_PORT + port->slot);

        netlink_batch_add(&batch, cable_message(ns, port, mtu));
        netlink_batch_add(&batch, neighbour_message(index, port->address, port->mac));
        netlink_batch_add(&batch, route_message(index, (struct range){port->address, 32}, 0));
        return netlink_batch_run(&router->nl, &batch, error);
}

static int keep_state(const struct nlmsghdr *hdr, void *data)
{
        const struct nlattr *state = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof(struct ifinfomsg), IFLA_OPERSTATE);

        *(uint8_t *)data = state != NULL ? nla_get_u8(state) : IF_OPER_UNKNOWN;
        return 0;
}

/* The end of a cable that was up first drops what is sent to it until a worker of the kernel has seen that the other is up, too. A moment,
 * unless many networks come and go; but a connection that is begun in it waits a second for its next try. */
static void wait_for_carrier(struct router *router, int index)
{
        const struct timespec pause = {.tv_nsec = CARRIER_POLL_US * 1000};

        for (int waited_us = 0; waited_us < CARRIER_WAIT_US; waited_us += CARRIER_POLL_US) {
                const struct ifinfomsg there = {.ifi_index = index};
                uint8_t state = IF_OPER_UNKNOWN;

                if (netlink_query(&router->nl, netlink_message(RTM_GETLINK, 0, &there, sizeof there), keep_state, &state) < 0 ||
                    state == IF_OPER_UP)
                        return;
                (void)nanosleep(&pause, NULL);
        }
}

static int plug_task(struct netlink *inside, const struct port *port, struct error *error)
{
        struct netlink_batch batch = {.what = "cannot set up eth0 of a task"};
        const struct ifinfomsg up = {.ifi_index = INDEX_INSIDE, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        uint32_t gateway = port->subnet.address + 1;

        netlink_batch_add(&batch, netlink_message(RTM_NEWLINK, 0, &up, sizeof up));
        netlink_batch_add(&batch, address_message(port));
        netlink_batch_add(&batch, route_message(INDEX_INSIDE, (struct range){gateway, 32}, 0));
        netlink_batch_add(&batch, neighbour_message(INDEX_INSIDE, gateway, router_mac));
        netlink_batch_add(&batch, route_message(INDEX_INSIDE, (struct range){0, 0}, gateway));
        return netlink_batch_run(inside, &batch, error);
}

int port_plug(struct router *router, const char *path, struct netlink *inside, const struct port *port, uint32_t mtu, struct error *error)
{
        CLEANUP_CLOSE int ns = open(path, O_RDONLY | O_CLOEXEC);
        int r;

        if (ns < 0)
                return error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
        r = plug_router(router, ns, port, mtu, NULL);
        if (r < 0) {
                /* Perhaps there is one already: of a namespace that the kernel has not finished to remove. */
                port_unplug(router, port->address);
                r = plug_router(router, ns, port, mtu, error);
        }
        if (r == 0)
                r = plug_task(inside, port, error);
        if (r < 0)
                port_unplug(router, port->address);
        else
                wait_for_carrier(router, (int)(INDEX_PORT + port->slot));
        return r;
}

int port_plug_tap(struct netlink *machine, struct router *router, const char *tap, const struct port *port, uint32_t mtu,
                  struct error *error)
{
        struct netlink_batch batch = {.what = "cannot attach a virtual machine's interface to its VPC"};
        CLEANUP_CLOSE int ns = open(router->path, O_RDONLY | O_CLOEXEC);
        int index = netlink_link_index(machine, tap), r;
        char name[IFNAMSIZ];

        if (ns < 0 || index < 0)
                return error_set(error, ns < 0 ? errno : -index, "cannot find %s: %s", ns < 0 ? router->path : tap,
                                 strerror(ns < 0 ? errno : -index));
        rules_port_name(port->address, name);
        port_unplug(router, port->address); /* of a machine that the kernel has not finished to remove */
        const struct ifinfomsg there = {.ifi_index = index};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, 0, &there, sizeof there);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        (void)nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns);
        r = netlink_call(machine, msg, batch.what, error);
        index = r == 0 ? netlink_link_index(&router->nl, name) : r;
        if (index < 0)
                return error_set(error, -index, "%s: %s", batch.what, strerror(-index));
        const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        msg = netlink_message(RTM_NEWLINK, 0, &up, sizeof up);
        (void)nla_put_u32(msg, IFLA_MTU, mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof router_mac, router_mac);
        netlink_batch_add(&batch, msg);
        netlink_batch_add(&batch, neighbour_message(index, port->address, port->mac));
        netlink_batch_add(&batch, route_message(index, (struct range){port->address, 32}, 0));
        r = netlink_batch_run(&router->nl, &batch, error);
        if (r < 0)
                port_unplug(router, port->address);
        return r;
}

static int seen(UNUSED const struct nlmsghdr *hdr, UNUSED void *data)
{
        return 0;
}

bool port_is_plugged(struct router *router, uint32_t address)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &any, sizeof any);
        char name[IFNAMSIZ];

        rules_port_name(address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        return netlink_query(&router->nl, msg, seen, NULL) == 0;
}

void port_unplug(struct router *router, uint32_t address)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_DELLINK, 0, &any, sizeof any);
        char name[IFNAMSIZ];

        rules_port_name(address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        (void)netlink_call(&router->nl, msg, "cannot take a network interface away", NULL);
}
