/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge of a node and the kernel's switches. */
#include "vpc/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "base/alloc.h"

#define DEFAULT_MTU 1500
#define METADATA_PREFIX 32

struct link_info {
        int index; /* 0: there is none */
        uint32_t mtu;
        bool is_bridge;
};

static int read_link(const struct nlmsghdr *hdr, void *data)
{
        struct link_info *ret = data;
        struct nlmsghdr *h = (struct nlmsghdr *)(uintptr_t)hdr;
        struct nlattr *mtu = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_MTU);
        struct nlattr *info = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_LINKINFO);
        struct nlattr *kind = info != NULL ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND) : NULL;

        ret->index = ((struct ifinfomsg *)nlmsg_data(hdr))->ifi_index;
        ret->mtu = mtu != NULL ? nla_get_u32(mtu) : DEFAULT_MTU;
        ret->is_bridge = kind != NULL && strcmp(nla_get_string(kind), "bridge") == 0;
        return 0;
}

/* By name, or, when that is NULL, by index. */
static struct link_info get_link(struct netlink *nl, const char *name, int index)
{
        const struct ifinfomsg ifi = {.ifi_index = index};
        struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &ifi, sizeof ifi);
        struct link_info info = {0};

        if (name != NULL)
                (void)nla_put_string(msg, IFLA_IFNAME, name);
        if (netlink_query(nl, msg, read_link, &info) < 0)
                info.index = 0;
        return info;
}

static int keep_default_route(const struct nlmsghdr *hdr, void *data)
{
        const struct rtmsg *rtm = nlmsg_data(hdr);
        struct nlattr *oif = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *rtm, RTA_OIF);

        if (rtm->rtm_dst_len == 0 && rtm->rtm_table == RT_TABLE_MAIN && oif != NULL && *(int *)data == 0)
                *(int *)data = (int)nla_get_u32(oif);
        return 0;
}

/* What leaves through the default route should not need to be cut into pieces. */
static uint32_t uplink_mtu(struct netlink *nl)
{
        const struct rtmsg rtm = {.rtm_family = AF_INET};
        struct link_info link;
        int index = 0;

        (void)netlink_query(nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof rtm), keep_default_route, &index);
        if (index == 0)
                return DEFAULT_MTU;
        link = get_link(nl, NULL, index);
        return link.index != 0 && link.mtu >= 68 && link.mtu <= 65535 ? link.mtu : DEFAULT_MTU;
}

static int make_bridge(struct vpc_kernel *kernel, struct error *error)
{
        const struct ifinfomsg ifi = {0};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof ifi);
        struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);

        (void)nla_put_string(msg, IFLA_INFO_KIND, "bridge");
        nla_nest_end(msg, info);
        (void)nla_put_string(msg, IFLA_IFNAME, kernel->bridge);
        return netlink_call(&kernel->nl, msg, "cannot make the bridge of the node", error);
}

/* A hardware address of its own: otherwise it would change with the containers that come and go. */
static int raise_bridge(struct vpc_kernel *kernel, struct error *error)
{
        const struct ifinfomsg ifi = {.ifi_index = (int)kernel->bridge_index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, 0, &ifi, sizeof ifi);
        uint8_t mac[6];

        netns_mac(kernel->gateway, mac);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
        (void)nla_put_u32(msg, IFLA_MTU, kernel->mtu);
        return netlink_call(&kernel->nl, msg, "cannot bring the bridge of the node up", error);
}

struct address_list {
        unsigned index;
        size_t n;
        struct range items[16];
};

static int list_address(const struct nlmsghdr *hdr, void *data)
{
        struct address_list *list = data;
        const struct ifaddrmsg *ifa = nlmsg_data(hdr);
        struct nlattr *local = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *ifa, IFA_LOCAL);

        if (ifa->ifa_index == list->index && local != NULL && list->n < ARRAY_SIZE(list->items))
                list->items[list->n++] = (struct range){ntohl(nla_get_u32(local)), ifa->ifa_prefixlen};
        return 0;
}

static int change_address(struct vpc_kernel *kernel, int type, struct range range, struct error *error)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET,
                                      .ifa_prefixlen = (uint8_t)range.prefix,
                                      .ifa_index = kernel->bridge_index,
                                      .ifa_scope = range.prefix == METADATA_PREFIX ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE};
        struct nl_msg *msg = netlink_message(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, &ifa, sizeof ifa);

        (void)nla_put_u32(msg, IFA_LOCAL, htonl(range.address));
        (void)nla_put_u32(msg, IFA_ADDRESS, htonl(range.address));
        return netlink_call(&kernel->nl, msg, "cannot set the address of the node's bridge", error);
}

/* Exactly the addresses that it should have, without taking a right one away for a moment. */
static int set_addresses(struct vpc_kernel *kernel, bool metadata, struct error *error)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET};
        struct range wanted[2] = {{kernel->gateway, kernel->prefix}, {ntohl(inet_addr(VPC_METADATA_ADDRESS)), METADATA_PREFIX}};
        struct address_list have = {.index = kernel->bridge_index};
        bool there[2] = {false, !metadata};
        int r = netlink_query(&kernel->nl, netlink_message(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), list_address, &have);

        if (r < 0)
                return error_set(error, -r, "cannot read the addresses of the node's bridge: %s", strerror(-r));
        for (size_t i = 0; i < have.n; i++) {
                int match = -1;

                for (int k = 0; k < 2; k++) {
                        if (have.items[i].address == wanted[k].address && have.items[i].prefix == wanted[k].prefix && (k == 0 || metadata))
                                match = k;
                }
                if (match >= 0)
                        there[match] = true;
                else
                        (void)change_address(kernel, RTM_DELADDR, have.items[i], NULL);
        }
        for (int k = 0; r == 0 && k < 2; k++)
                r = there[k] ? 0 : change_address(kernel, RTM_NEWADDR, wanted[k], error);
        return r;
}

/* Writes only what is not so already: on some machines /proc/sys is read-only and set up by others. */
static int set_sysctl(const char *path, char value)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        char have = '\0';

        if (fd < 0)
                return -errno;
        if (read(fd, &have, 1) == 1 && have == value)
                return 0;
        (void)close(TAKE_FD(fd));
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, &value, 1) != 1)
                return -errno;
        return 0;
}

static int set_sysctls(const char *bridge, struct error *error)
{
        /* Forwarding for everything; loopback addresses only across this bridge, not across other interfaces. */
        static const struct {
                const char *format;
                char value;
                bool required;
        } sysctls[] = {
                {"/proc/sys/net/ipv4/ip_forward", '1', true},
                {"/proc/sys/net/ipv4/conf/%s/route_localnet", '1', true},
                {"/proc/sys/net/ipv6/conf/%s/disable_ipv6", '1', false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
                CLEANUP_BUF struct buf path = {0};
                const char *format = sysctls[i].format, *slot = strstr(format, "%s");
                int r;

                buf_append(&path, format, slot != NULL ? (size_t)(slot - format) : strlen(format));
                if (slot != NULL) {
                        buf_append_str(&path, bridge);
                        buf_append_str(&path, slot + 2);
                }
                r = set_sysctl(path.data, sysctls[i].value);
                if (r < 0 && sysctls[i].required)
                        return error_set(error, -r, "cannot set %s to %c: %s", path.data, sysctls[i].value, strerror(-r));
        }
        return 0;
}

int node_setup(struct vpc_kernel *kernel, const char *wanted, uint32_t mtu, bool metadata, struct error *error)
{
        struct link_info link = get_link(&kernel->nl, kernel->bridge, 0);
        struct range range;
        int r;

        if (link.index != 0 && !link.is_bridge)
                return error_set(error, EEXIST, "the interface %s is there and is no bridge: choose another name", kernel->bridge);
        r = range_choose(&kernel->nl, wanted, link.index, &range, error);
        if (r < 0)
                return r;
        if (link.index == 0) {
                r = make_bridge(kernel, error);
                if (r < 0)
                        return r;
                link = get_link(&kernel->nl, kernel->bridge, 0);
        }
        kernel->bridge_index = (unsigned)link.index;
        kernel->gateway = range.address + 1;
        kernel->prefix = range.prefix;
        kernel->mtu = mtu != 0 ? mtu : uplink_mtu(&kernel->nl);
        kernel->hairpin = access("/proc/sys/net/bridge", F_OK) == 0;
        r = set_sysctls(kernel->bridge, error);
        if (r == 0)
                r = raise_bridge(kernel, error);
        return r < 0 ? r : set_addresses(kernel, metadata, error);
}

void node_remove(struct vpc_kernel *kernel)
{
        const struct ifinfomsg ifi = {.ifi_index = (int)kernel->bridge_index};

        (void)netlink_call(&kernel->nl, netlink_message(RTM_DELLINK, 0, &ifi, sizeof ifi), "cannot remove the bridge", NULL);
}
