/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace of a router and its cable to the machine. */
#include "vpc/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>

#include "base/alloc.h"
#include "vpc/names.h"
#include "vpc/rules.h"

#define LINK_PREFIX 31

void router_uplink_name(uint32_t slot, char ret[IFNAMSIZ])
{
        (void)snprintf(ret, IFNAMSIZ, "gantry-v%u", slot % ROUTER_SLOTS);
}

uint32_t router_host_address(uint32_t slot)
{
        return ROUTER_LINKS_FIRST + 2 * slot;
}

/* ---- inside ---- */

static int open_inside(void *data, struct error *error)
{
        struct router *router = data;
        int r = router->nl.fd < 0 ? netlink_open(&router->nl, NETLINK_ROUTE, error) : 0;

        return r < 0 ? r : nft_open(&router->nft, error);
}

static int furnish(void *data, struct error *error)
{
        static const struct {
                const char *path, *value;
        } sysctls[] = {
                {"/proc/sys/net/ipv4/ip_forward", "1"},
                {"/proc/sys/net/ipv4/conf/all/rp_filter", "0"}, /* the table knows better who may send what */
                {"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
                {"/proc/sys/net/ipv4/conf/all/send_redirects", "0"},
                {"/proc/sys/net/ipv4/conf/default/send_redirects", "0"},
                {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"},
                {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
                netns_sysctl(sysctls[i].path, sysctls[i].value);
        return open_inside(data, error);
}

/* ---- the cable ---- */

static struct nl_msg *cable_message(const struct router *router, const struct vpc_kernel *kernel, int ns)
{
        const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, inner = {0};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
        struct nlattr *info, *data, *peer;
        char name[IFNAMSIZ];
        uint8_t mac[6];

        router_uplink_name(router->slot, name);
        netns_mac(router_host_address(router->slot), mac);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        (void)nla_put_u32(msg, IFLA_MTU, kernel->mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
        info = nla_nest_start(msg, IFLA_LINKINFO);
        (void)nla_put_string(msg, IFLA_INFO_KIND, "veth");
        data = nla_nest_start(msg, IFLA_INFO_DATA);
        peer = nla_nest_start(msg, VETH_INFO_PEER);
        (void)nlmsg_append(msg, (void *)(uintptr_t)&inner, sizeof inner, NLMSG_ALIGNTO);
        netns_mac(router_host_address(router->slot) + 1, mac);
        (void)nla_put_string(msg, IFLA_IFNAME, ROUTER_UPLINK);
        (void)nla_put_u32(msg, IFLA_MTU, kernel->mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
        (void)nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns);
        nla_nest_end(msg, peer);
        nla_nest_end(msg, data);
        nla_nest_end(msg, info);
        return msg;
}

static struct nl_msg *address_message(int index, uint32_t address)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET, .ifa_prefixlen = LINK_PREFIX, .ifa_index = (uint32_t)index};
        struct nl_msg *msg = netlink_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof ifa);

        (void)nla_put_u32(msg, IFA_LOCAL, htonl(address));
        (void)nla_put_u32(msg, IFA_ADDRESS, htonl(address));
        return msg;
}

/* `address` is behind `index` and has the hardware address that is made of it. */
static struct nl_msg *neighbour_message(int index, uint32_t address)
{
        const struct ndmsg nd = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
        struct nl_msg *msg = netlink_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd, sizeof nd);
        uint8_t mac[6];

        netns_mac(address, mac);
        (void)nla_put_u32(msg, NDA_DST, htonl(address));
        (void)nla_put(msg, NDA_LLADDR, sizeof mac, mac);
        return msg;
}

static int find_uplink(struct vpc_kernel *kernel, struct router *router)
{
        char name[IFNAMSIZ];

        router_uplink_name(router->slot, name);
        router->uplink_index = netlink_link_index(&kernel->nl, name);
        return router->uplink_index < 0 ? router->uplink_index : 0;
}

/* Nothing of the machine's loopback is for tasks, except what the node's rules lead there: see nft.c. */
static void set_uplink_sysctls(uint32_t slot)
{
        static const struct {
                const char *format, *value;
        } sysctls[] = {
                {"/proc/sys/net/ipv4/conf/%s/route_localnet", "1"},
                {"/proc/sys/net/ipv4/conf/%s/rp_filter", "0"},
                {"/proc/sys/net/ipv4/conf/%s/send_redirects", "0"},
                {"/proc/sys/net/ipv6/conf/%s/disable_ipv6", "1"},
        };
        char name[IFNAMSIZ];

        router_uplink_name(slot, name);
        for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
                CLEANUP_BUF struct buf path = {0};
                const char *place = strstr(sysctls[i].format, "%s");

                buf_append(&path, sysctls[i].format, (size_t)(place - sysctls[i].format));
                buf_append_str(&path, name);
                buf_append_str(&path, place + 2);
                netns_sysctl(path.data, sysctls[i].value);
        }
}

static int plug_machine(struct vpc_kernel *kernel, struct router *router, struct error *error)
{
        struct netlink_batch batch = {.what = "cannot set up the machine's end of a VPC"};
        uint32_t address = router_host_address(router->slot);
        int r = find_uplink(kernel, router);

        if (r < 0)
                return error_set(error, -r, "cannot find the cable of a VPC: %s", strerror(-r));
        set_uplink_sysctls(router->slot);
        netlink_batch_add(&batch, address_message(router->uplink_index, address));
        netlink_batch_add(&batch, neighbour_message(router->uplink_index, address + 1));
        return netlink_batch_run(&kernel->nl, &batch, error);
}

static int plug_router(struct router *router, struct error *error)
{
        int index = netlink_link_index(&router->nl, ROUTER_UPLINK);
        const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        const struct rtmsg route = {.rtm_family = AF_INET,
                                    .rtm_table = RT_TABLE_MAIN,
                                    .rtm_protocol = RTPROT_STATIC,
                                    .rtm_scope = RT_SCOPE_UNIVERSE,
                                    .rtm_type = RTN_UNICAST};
        struct netlink_batch batch = {.what = "cannot set up the router of a VPC"};
        uint32_t machine = router_host_address(router->slot);
        struct nl_msg *msg;

        if (index < 0)
                return error_set(error, -index, "cannot find the cable of a VPC in its router: %s", strerror(-index));
        netlink_batch_add(&batch, netlink_message(RTM_NEWLINK, 0, &up, sizeof up));
        netlink_batch_add(&batch, address_message(index, machine + 1));
        netlink_batch_add(&batch, neighbour_message(index, machine));
        msg = netlink_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
        (void)nla_put_u32(msg, RTA_GATEWAY, htonl(machine));
        (void)nla_put_u32(msg, RTA_OIF, (uint32_t)index);
        netlink_batch_add(&batch, msg);
        return netlink_batch_run(&router->nl, &batch, error);
}

static int plug(struct vpc_kernel *kernel, struct router *router, struct error *error)
{
        CLEANUP_CLOSE int ns = open(router->path, O_RDONLY | O_CLOEXEC);
        int r;

        if (ns < 0)
                return error_set(error, errno, "cannot open %s: %s", router->path, strerror(errno));
        r = netlink_call(&kernel->nl, cable_message(router, kernel, ns), "cannot connect the router of a VPC", error);
        if (r == 0)
                r = plug_machine(kernel, router, error);
        return r < 0 ? r : plug_router(router, error);
}

/* ---- life ---- */

int router_make(struct vpc_kernel *kernel, struct router *router, struct error *error)
{
        int r = netns_make(kernel, router->path, &router->nl, error);

        if (r == 0)
                r = netns_visit(kernel, router->path, furnish, router, error);
        if (r == 0)
                r = plug(kernel, router, error);
        if (r < 0)
                router_remove(router);
        return r;
}

int router_open(struct vpc_kernel *kernel, struct router *router, struct error *error)
{
        int r = netns_exists(router->path) ? find_uplink(kernel, router) : -ENOENT;

        if (r == 0)
                r = netns_visit(kernel, router->path, open_inside, router, error);
        if (r == 0 && netlink_link_index(&router->nl, ROUTER_UPLINK) < 0)
                r = -ENOENT;
        if (r == 0)
                (void)router_find_tunnel(router);
        return r;
}

void router_close(struct router *router)
{
        netlink_close(&router->nl);
        router->nft = nft_close(router->nft);
        router->rules = ruleset_free(router->rules);
        router->reach = reach_free(router->reach);
        free(router->nodes);
        router->nodes = NULL;
        router->n_nodes = 0;
        free(router->listeners);
        router->listeners = NULL;
        router->n_listeners = 0;
}

void router_remove(struct router *router)
{
        names_stop(router);
        router_close(router); /* sockets keep a namespace alive */
        (void)unlink(router->record);
        netns_remove(router->path);
}
