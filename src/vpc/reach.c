/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is where: routes in the router and on the machine, the tunnel and its ends. What is wanted is a sorted list; what the kernel has is
 * the list of last time, or is read from the kernel after a restart; the difference is carried out, new things first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "base/alloc.h"
#include "vpc/router.h"
#include "vpc/rules.h"

#define VXLAN_PORT 4789
#define VXLAN_TTL 64

enum reach_kind {
        REACH_NODE = 0, /* the tunnel's end on another node: neighbour and forwarding entry */
        REACH_NOT,      /* router: an address of the VPC that nobody has */
        REACH_UP,       /* router: it is the machine's */
        REACH_TUNNEL,   /* router: behind `via` */
        REACH_MACHINE,  /* machine: behind the router */
        REACH_ADDRESS,  /* machine: its own */
};

struct reach_item {
        enum reach_kind kind;
        struct range to;
        uint32_t via; /* TUNNEL: the node; MACHINE: source address of the machine's own connections, 0: the kernel's choice */
};

struct reach {
        struct reach_item *items;
        uint32_t n, room;
};

/* A change under way. */
struct changes {
        struct vpc_kernel *kernel;
        struct router *router;
        struct netlink_batch inside, outside;
};

struct reach *reach_free(struct reach *reach)
{
        if (reach != NULL)
                free(reach->items);
        free(reach);
        return NULL;
}

static void add(struct reach *reach, enum reach_kind kind, struct range to, uint32_t via)
{
        if (reach->n == reach->room) {
                reach->room = reach->room * 2 + 64;
                reach->items = xrealloc(reach->items, reach->room * sizeof *reach->items);
        }
        reach->items[reach->n++] = (struct reach_item){kind, to, via};
}

static struct range single(uint32_t address)
{
        return (struct range){address, 32};
}

/* ---- what is wanted ---- */

static void want_interface(struct reach *reach, const struct vpc_interface *it, uint32_t node)
{
        switch (it->place) {
        case VPC_PLACE_TASK: /* the router's own route comes with the cable */
                add(reach, REACH_MACHINE, single(it->address), node);
                break;
        case VPC_PLACE_HOST:
                add(reach, REACH_UP, single(it->address), 0);
                add(reach, REACH_ADDRESS, single(it->address), 0);
                break;
        case VPC_PLACE_REMOTE:
                if (node == 0 || it->node == node)
                        break;
                add(reach, REACH_TUNNEL, single(it->address), it->node);
                add(reach, REACH_MACHINE, single(it->address), node);
                break;
        case VPC_PLACE_NOWHERE:
        case VPC_PLACE_MAX:
                break;
        }
}

static struct reach *wanted(const struct vpc_network *network, uint32_t node)
{
        struct reach *reach = xalloc(sizeof *reach);

        for (uint32_t i = 0; i < network->n_ranges; i++)
                add(reach, REACH_NOT, network->ranges[i], 0);
        if (node != 0)
                add(reach, REACH_UP, single(node), 0);
        for (uint32_t i = 0; i < network->n_nodes && node != 0; i++) {
                if (network->nodes[i] == node)
                        continue;
                add(reach, REACH_NODE, single(network->nodes[i]), 0);
                /* Its machine speaks with our tasks in its own name. */
                add(reach, REACH_TUNNEL, single(network->nodes[i]), network->nodes[i]);
        }
        for (uint32_t i = 0; i < network->n_interfaces; i++)
                want_interface(reach, &network->interfaces[i], node);
        return reach;
}

static int compare_items(const void *a, const void *b)
{
        const struct reach_item *x = a, *y = b;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->to.address != y->to.address)
                return x->to.address < y->to.address ? -1 : 1;
        if (x->to.prefix != y->to.prefix)
                return x->to.prefix - y->to.prefix;
        return (x->via > y->via) - (x->via < y->via);
}

static void finish(struct reach *reach)
{
        uint32_t kept = 0;

        if (reach->n == 0)
                return;
        qsort(reach->items, reach->n, sizeof *reach->items, compare_items);
        for (uint32_t i = 1; i < reach->n; i++) {
                if (compare_items(&reach->items[i], &reach->items[kept]) != 0)
                        reach->items[++kept] = reach->items[i];
        }
        reach->n = kept + 1;
}

/* ---- what there is ---- */

struct reading {
        struct reach *reach;
        const struct router *router;
        bool inside;
};

static uint32_t get_address(const struct nlmsghdr *hdr, int header, int type)
{
        const struct nlattr *attr = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, header, type);

        return attr != NULL ? ntohl(nla_get_u32(attr)) : 0;
}

static int read_route(const struct nlmsghdr *hdr, void *data)
{
        const struct reading *reading = data;
        const struct rtmsg *rtm = nlmsg_data(hdr);
        struct nlattr *oif = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *rtm, RTA_OIF);
        struct range to = {get_address(hdr, sizeof *rtm, RTA_DST), rtm->rtm_dst_len};
        uint32_t via = get_address(hdr, sizeof *rtm, RTA_GATEWAY);
        int index = oif != NULL ? (int)nla_get_u32(oif) : 0;

        if (rtm->rtm_protocol != ROUTER_PROTOCOL)
                return 0;
        if (!reading->inside) {
                if (index == reading->router->uplink_index)
                        add(reading->reach, REACH_MACHINE, to, get_address(hdr, sizeof *rtm, RTA_PREFSRC));
        } else if (rtm->rtm_type == RTN_UNREACHABLE) {
                add(reading->reach, REACH_NOT, to, 0);
        } else if (reading->router->tunnel_index != 0 && index == reading->router->tunnel_index) {
                add(reading->reach, REACH_TUNNEL, to, via);
        } else {
                add(reading->reach, REACH_UP, to, 0);
        }
        return 0;
}

static int read_address(const struct nlmsghdr *hdr, void *data)
{
        const struct reading *reading = data;
        const struct ifaddrmsg *ifa = nlmsg_data(hdr);

        if ((int)ifa->ifa_index == reading->router->uplink_index && ifa->ifa_prefixlen == 32)
                add(reading->reach, REACH_ADDRESS, single(get_address(hdr, sizeof *ifa, IFA_LOCAL)), 0);
        return 0;
}

static int read_neighbour(const struct nlmsghdr *hdr, void *data)
{
        const struct reading *reading = data;
        const struct ndmsg *nd = nlmsg_data(hdr);

        if (nd->ndm_ifindex == reading->router->tunnel_index && (nd->ndm_state & NUD_PERMANENT) != 0)
                add(reading->reach, REACH_NODE, single(get_address(hdr, sizeof *nd, NDA_DST)), 0);
        return 0;
}

static struct reach *read_kernel(struct vpc_kernel *kernel, struct router *router)
{
        const struct rtmsg rtm = {.rtm_family = AF_INET};
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET};
        const struct ndmsg nd = {.ndm_family = AF_INET};
        struct reach *reach = xalloc(sizeof *reach);
        struct reading outside = {reach, router, false}, inside = {reach, router, true};

        (void)netlink_query(&kernel->nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof rtm), read_route, &outside);
        (void)netlink_query(&kernel->nl, netlink_message(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), read_address, &outside);
        (void)netlink_query(&router->nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof rtm), read_route, &inside);
        if (router->tunnel_index != 0)
                (void)netlink_query(&router->nl, netlink_message(RTM_GETNEIGH, NLM_F_DUMP, &nd, sizeof nd), read_neighbour, &inside);
        finish(reach);
        return reach;
}

/* ---- changes ---- */

/* `index` 0: the kernel finds it. */
static void change_route(struct netlink_batch *batch, bool adding, const struct reach_item *item, int index, uint32_t via, uint32_t source)
{
        const struct rtmsg rtm = {.rtm_family = AF_INET,
                                  .rtm_dst_len = (uint8_t)item->to.prefix,
                                  .rtm_table = RT_TABLE_MAIN,
                                  .rtm_protocol = ROUTER_PROTOCOL,
                                  .rtm_scope = RT_SCOPE_UNIVERSE,
                                  .rtm_flags = via != 0 && index != 0 ? RTNH_F_ONLINK : 0,
                                  .rtm_type = item->kind == REACH_NOT ? RTN_UNREACHABLE : RTN_UNICAST};
        struct nl_msg *msg =
                netlink_message(adding ? RTM_NEWROUTE : RTM_DELROUTE, adding ? NLM_F_CREATE | NLM_F_REPLACE : 0, &rtm, sizeof rtm);

        (void)nla_put_u32(msg, RTA_DST, htonl(item->to.address));
        if (via != 0)
                (void)nla_put_u32(msg, RTA_GATEWAY, htonl(via));
        if (index != 0)
                (void)nla_put_u32(msg, RTA_OIF, (uint32_t)index);
        if (source != 0 && adding)
                (void)nla_put_u32(msg, RTA_PREFSRC, htonl(source));
        netlink_batch_add(batch, msg);
}

/* Which hardware address the other end has, and where packets for it go. */
static void change_node(struct netlink_batch *batch, bool adding, int index, uint32_t node)
{
        const struct ndmsg neighbour = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
        const struct ndmsg forward = {
                .ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT | NUD_NOARP, .ndm_flags = NTF_SELF};
        int type = adding ? RTM_NEWNEIGH : RTM_DELNEIGH, flags = adding ? NLM_F_CREATE | NLM_F_REPLACE : 0;
        struct nl_msg *msg = netlink_message(type, flags, &neighbour, sizeof neighbour);
        uint8_t mac[6];

        netns_mac(node, mac);
        (void)nla_put_u32(msg, NDA_DST, htonl(node));
        (void)nla_put(msg, NDA_LLADDR, sizeof mac, mac);
        netlink_batch_add(batch, msg);
        msg = netlink_message(type, flags, &forward, sizeof forward);
        (void)nla_put_u32(msg, NDA_DST, htonl(node));
        (void)nla_put(msg, NDA_LLADDR, sizeof mac, mac);
        netlink_batch_add(batch, msg);
}

/* An address for load balancers: never chosen for other connections of the machine (scope host). */
static void change_address(struct netlink_batch *batch, bool adding, int index, uint32_t address)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (uint32_t)index, .ifa_scope = RT_SCOPE_HOST};
        struct nl_msg *msg =
                netlink_message(adding ? RTM_NEWADDR : RTM_DELADDR, adding ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ifa, sizeof ifa);

        (void)nla_put_u32(msg, IFA_LOCAL, htonl(address));
        (void)nla_put_u32(msg, IFA_ADDRESS, htonl(address));
        netlink_batch_add(batch, msg);
}

static void change(struct changes *c, bool adding, const struct reach_item *item)
{
        const struct router *router = c->router;
        uint32_t machine = router_host_address(router->slot);

        switch (item->kind) {
        case REACH_NODE:
                change_node(&c->inside, adding, router->tunnel_index, item->to.address);
                break;
        case REACH_NOT:
                change_route(&c->inside, adding, item, 0, 0, 0);
                break;
        case REACH_UP:
                change_route(&c->inside, adding, item, 0, machine, 0);
                break;
        case REACH_TUNNEL:
                change_route(&c->inside, adding, item, router->tunnel_index, item->via, 0);
                break;
        case REACH_MACHINE:
                change_route(&c->outside, adding, item, router->uplink_index, machine + 1, item->via);
                break;
        case REACH_ADDRESS:
                change_address(&c->outside, adding, router->uplink_index, item->to.address);
                break;
        }
}

/* The machine's route has another source address now: there is one only, and it was replaced. */
static bool is_replaced(const struct reach *new, const struct reach_item *item)
{
        for (uint32_t i = 0; i < new->n && item->kind == REACH_MACHINE; i++) {
                if (new->items[i].kind == REACH_MACHINE &&new->items[i].to.address == item->to.address)
                        return true;
        }
        return false;
}

/* One pass over two sorted lists: additions, or removals. */
static void compare(struct changes *c, const struct reach *old, const struct reach *new, bool adding)
{
        uint32_t i = 0, k = 0;

        while (i < old->n || k < new->n) {
                int order = i >= old->n ? 1 : k >= new->n ? -1 : compare_items(&old->items[i], &new->items[k]);

                if (order > 0 && adding)
                        change(c, true, &new->items[k]);
                if (order < 0 && !adding && !is_replaced(new, &old->items[i]))
                        change(c, false, &old->items[i]);
                i += order <= 0;
                k += order >= 0;
        }
}

/* Where two VPCs have one address, the machine itself reaches the one that came last. What goes is best effort. */
static int pass(struct vpc_kernel *kernel, struct router *router, const struct reach *old, const struct reach *new, bool adding,
                struct error *error)
{
        struct changes c = {
                .kernel = kernel,
                .router = router,
                .inside = {.what = "cannot set a route of a VPC", .nl = &router->nl, .tolerated = adding ? 0 : ESRCH},
                .outside = {.what = "cannot set the machine's route to a task", .nl = &kernel->nl, .tolerated = adding ? 0 : ESRCH}};
        int r, s;

        compare(&c, old, new, adding);
        r = netlink_batch_run(&router->nl, &c.inside, error);
        s = netlink_batch_run(&kernel->nl, &c.outside, error);
        return adding ? (r < 0 ? r : s) : 0;
}

/* ---- the tunnel ---- */

static struct nl_msg *tunnel_message(uint32_t vni, uint32_t node, uint32_t mtu, int ns)
{
        const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
        struct nlattr *info, *data;
        uint8_t mac[6];

        netns_mac(node, mac);
        (void)nla_put_string(msg, IFLA_IFNAME, ROUTER_TUNNEL);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
        (void)nla_put_u32(msg, IFLA_MTU, mtu);
        (void)nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns);
        info = nla_nest_start(msg, IFLA_LINKINFO);
        (void)nla_put_string(msg, IFLA_INFO_KIND, "vxlan");
        data = nla_nest_start(msg, IFLA_INFO_DATA);
        (void)nla_put_u32(msg, IFLA_VXLAN_ID, vni);
        (void)nla_put_u32(msg, IFLA_VXLAN_LOCAL, htonl(node));
        (void)nla_put_u8(msg, IFLA_VXLAN_LEARNING, 0);
        (void)nla_put_u8(msg, IFLA_VXLAN_TTL, VXLAN_TTL);
        (void)nla_put_u16(msg, IFLA_VXLAN_PORT, htons(VXLAN_PORT));
        nla_nest_end(msg, data);
        nla_nest_end(msg, info);
        return msg;
}

static int read_tunnel(const struct nlmsghdr *hdr, void *data)
{
        struct router *router = data;
        struct nlattr *info = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof(struct ifinfomsg), IFLA_LINKINFO), *inner, *attr;

        router->tunnel_index = ((struct ifinfomsg *)nlmsg_data(hdr))->ifi_index;
        inner = info != NULL ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA) : NULL;
        if (inner == NULL)
                return 0;
        attr = nla_find(nla_data(inner), nla_len(inner), IFLA_VXLAN_ID);
        router->tunnel_vni = attr != NULL ? nla_get_u32(attr) : 0;
        attr = nla_find(nla_data(inner), nla_len(inner), IFLA_VXLAN_LOCAL);
        router->tunnel_node = attr != NULL ? ntohl(nla_get_u32(attr)) : 0;
        return 0;
}

int router_find_tunnel(struct router *router)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &any, sizeof any);

        router->tunnel_index = 0;
        (void)nla_put_string(msg, IFLA_IFNAME, ROUTER_TUNNEL);
        return netlink_query(&router->nl, msg, read_tunnel, router);
}

static void drop_tunnel(struct router *router)
{
        const struct ifinfomsg ifi = {.ifi_index = router->tunnel_index};

        if (router->tunnel_index != 0)
                (void)netlink_call(&router->nl, netlink_message(RTM_DELLINK, 0, &ifi, sizeof ifi), "cannot remove a tunnel", NULL);
        router->tunnel_index = 0;
        router->tunnel_vni = 0;
        router->reach = reach_free(router->reach);
}

/* Its outer side stays in the machine's own network, wherever the tunnel itself is. */
static int make_tunnel(struct vpc_kernel *kernel, struct router *router, uint32_t vni, uint32_t node, uint32_t mtu, struct error *error)
{
        CLEANUP_CLOSE int ns = open(router->path, O_RDONLY | O_CLOEXEC);
        int r;

        if (ns < 0)
                return error_set(error, errno, "cannot open %s: %s", router->path, strerror(errno));
        r = netlink_call(&kernel->nl, tunnel_message(vni, node, mtu, ns), "cannot make the tunnel of a VPC (kernel module vxlan)", error);
        if (r < 0)
                return r;
        r = router_find_tunnel(router);
        return r < 0 ? error_set(error, -r, "cannot find the tunnel of a VPC: %s", strerror(-r)) : 0;
}

int router_reach(struct vpc_kernel *kernel, struct router *router, const struct vpc_network *network, uint32_t node, uint32_t mtu,
                 struct error *error)
{
        bool tunnel = node != 0 && network->n_nodes > 0;
        struct reach *new;
        int r = 0;

        if (router->tunnel_index != 0 && (router->tunnel_vni != network->vni || router->tunnel_node != node))
                drop_tunnel(router);
        if (tunnel && router->tunnel_index == 0)
                r = make_tunnel(kernel, router, network->vni, node, mtu, error);
        if (r < 0)
                return r;
        new = wanted(network, node);
        finish(new);
        if (router->reach == NULL)
                router->reach = read_kernel(kernel, router);
        r = pass(kernel, router, router->reach, new, true, error);
        if (r == 0)
                r = pass(kernel, router, router->reach, new, false, error);
        router->reach = reach_free(router->reach);
        /* After a failure it is not known how far things came: the kernel tells next time. */
        router->reach = r == 0 ? new : reach_free(new);
        return r;
}
