/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace, its loopback, and a veth pair that ends on the bridge. */
#include "vpc/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define NSFS_MAGIC_NUMBER 0x6e736673
#define INDEX_LO 1

void netns_link_name(uint32_t address, char ret[IFNAMSIZ])
{
        (void)snprintf(ret, IFNAMSIZ, "veth%08x", address);
}

void netns_mac(uint32_t address, uint8_t ret[6])
{
        const uint8_t mac[6] = {0x02, 0x67, (uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};

        memcpy(ret, mac, sizeof mac);
}

/* One message makes both ends: ours on the bridge and up, the container's in its namespace and named (it cannot be up before the
 * other end is there). */
static int make_cable(struct vpc_kernel *kernel, int ns, uint32_t address, struct error *error)
{
        const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, down = {0};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
        struct nlattr *info, *data, *peer;
        char name[IFNAMSIZ];
        uint8_t mac[6];

        netns_link_name(address, name);
        netns_mac(address, mac);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        (void)nla_put_u32(msg, IFLA_MTU, kernel->mtu);
        (void)nla_put_u32(msg, IFLA_MASTER, kernel->bridge_index);
        info = nla_nest_start(msg, IFLA_LINKINFO);
        (void)nla_put_string(msg, IFLA_INFO_KIND, "veth");
        data = nla_nest_start(msg, IFLA_INFO_DATA);
        peer = nla_nest_start(msg, VETH_INFO_PEER);
        (void)nlmsg_append(msg, (void *)(uintptr_t)&down, sizeof down, NLMSG_ALIGNTO);
        (void)nla_put_string(msg, IFLA_IFNAME, "eth0");
        (void)nla_put_u32(msg, IFLA_MTU, kernel->mtu);
        (void)nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
        (void)nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns);
        nla_nest_end(msg, peer);
        nla_nest_end(msg, data);
        nla_nest_end(msg, info);
        return netlink_call(&kernel->nl, msg, "cannot make a veth pair", error);
}

/*
 * Where br_netfilter is loaded (Docker and Kubernetes load it), rules see packets while they are still on the bridge, and a container
 * that calls its own published port is answered through the very port that the packet came from.
 */
static int allow_hairpin(struct vpc_kernel *kernel, uint32_t address, struct error *error)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_NEWLINK, 0, &any, sizeof any);
        struct nlattr *info, *data;
        char name[IFNAMSIZ];

        netns_link_name(address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        info = nla_nest_start(msg, IFLA_LINKINFO);
        (void)nla_put_string(msg, IFLA_INFO_SLAVE_KIND, "bridge");
        data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
        (void)nla_put_u8(msg, IFLA_BRPORT_MODE, 1);
        nla_nest_end(msg, data);
        nla_nest_end(msg, info);
        return netlink_call(&kernel->nl, msg, "cannot set up a port of the bridge", error);
}

static int drop_cable(struct vpc_kernel *kernel, uint32_t address)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_DELLINK, 0, &any, sizeof any);
        char name[IFNAMSIZ];

        netns_link_name(address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        return netlink_call(&kernel->nl, msg, "cannot remove a veth pair", NULL);
}

static int link_up(struct netlink *nl, int index, struct error *error)
{
        const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

        return netlink_call(nl, netlink_message(RTM_NEWLINK, 0, &up, sizeof up), "cannot bring an interface of a container up", error);
}

/* Address and default route of eth0. */
static int configure(struct vpc_kernel *kernel, struct netlink *inside, uint32_t address, struct error *error)
{
        const uint32_t local = htonl(address), gateway = htonl(kernel->gateway);
        const struct rtmsg route = {.rtm_family = AF_INET,
                                    .rtm_table = RT_TABLE_MAIN,
                                    .rtm_protocol = RTPROT_STATIC,
                                    .rtm_scope = RT_SCOPE_UNIVERSE,
                                    .rtm_type = RTN_UNICAST};
        struct ifaddrmsg addr = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)kernel->prefix};
        int index = netlink_link_index(inside, "eth0"), r;
        struct nl_msg *msg;

        if (index < 0)
                return error_set(error, -index, "cannot find eth0 in a new network namespace: %s", strerror(-index));
        r = link_up(inside, index, error);
        if (r < 0)
                return r;
        addr.ifa_index = (uint32_t)index;
        msg = netlink_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &addr, sizeof addr);
        (void)nla_put_u32(msg, IFA_LOCAL, local);
        (void)nla_put_u32(msg, IFA_ADDRESS, local);
        r = netlink_call(inside, msg, "cannot give eth0 its address", error);
        if (r < 0)
                return r;
        msg = netlink_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
        (void)nla_put_u32(msg, RTA_GATEWAY, gateway);
        (void)nla_put_u32(msg, RTA_OIF, (uint32_t)index);
        return netlink_call(inside, msg, "cannot set the default route of a container", error);
}

void netns_sysctl(const char *path, const char *value)
{
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, value, strlen(value)) < 0)
                return;
}

/* Inside the new namespace, on this thread. */
static int furnish(const char *path, struct netlink *ret_inside, struct error *error)
{
        int r;

        if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
                return error_set(error, errno, "cannot keep a network namespace at %s: %s", path, strerror(errno));
        /* As under Docker: a container is alone here, so any user of it may have any port, and ping. */
        netns_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
        netns_sysctl("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
        netns_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"); /* for eth0, which comes later */
        r = netlink_open(ret_inside, NETLINK_ROUTE, error);
        return r < 0 ? r : link_up(ret_inside, INDEX_LO, error);
}

int netns_make(struct vpc_kernel *kernel, const char *path, struct netlink *ret_inside, struct error *error)
{
        CLEANUP_CLOSE int file = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
        int r;

        if (file < 0)
                return error_set(error, errno, "cannot make %s: %s", path, strerror(errno));
        if (unshare(CLONE_NEWNET) < 0)
                return error_set(error, errno, "cannot make a network namespace: %s", strerror(errno));
        r = furnish(path, ret_inside, error);
        if (setns(kernel->host_ns, CLONE_NEWNET) < 0)
                abort(); /* a thread lost in a container's network must not go on */
        return r;
}

static int plug(struct vpc_kernel *kernel, const char *path, struct netlink *inside, uint32_t address, struct error *error)
{
        CLEANUP_CLOSE int ns = open(path, O_RDONLY | O_CLOEXEC);
        struct error first = {0};
        int r;

        if (ns < 0)
                return error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
        r = make_cable(kernel, ns, address, &first);
        /* A cable of a namespace that the kernel has not finished to remove. */
        if (r == -EEXIST && drop_cable(kernel, address) == 0)
                r = make_cable(kernel, ns, address, error);
        else if (r < 0)
                (void)error_set(error, -r, "%s%s", first.message, r == -EXFULL ? ": the bridge has no port left (1,023 containers)" : "");
        if (r == 0 && kernel->hairpin)
                r = allow_hairpin(kernel, address, error);
        return r < 0 ? r : configure(kernel, inside, address, error);
}

int netns_create(struct vpc_kernel *kernel, const char *path, uint32_t address, struct error *error)
{
        struct netlink inside = {.fd = -1};
        int r = netns_make(kernel, path, &inside, error);

        if (r == 0 && address != 0)
                r = plug(kernel, path, &inside, address, error);
        netlink_close(&inside);
        if (r < 0)
                netns_remove(path);
        return r;
}

int netns_visit(struct vpc_kernel *kernel, const char *path, int (*visit)(void *data, struct error *error), void *data, struct error *error)
{
        CLEANUP_CLOSE int ns = open(path, O_RDONLY | O_CLOEXEC);
        int r;

        if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
                return error_set(error, errno, "cannot enter the network namespace %s: %s", path, strerror(errno));
        r = visit(data, error);
        if (setns(kernel->host_ns, CLONE_NEWNET) < 0)
                abort(); /* a thread lost in another network must not go on */
        return r;
}

void netns_remove(const char *path)
{
        while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                ;
        /* Also takes the mount away from mount namespaces that copied it. */
        (void)unlink(path);
}

bool netns_exists(const char *path)
{
        struct statfs fs;

        return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC_NUMBER;
}

static int check_master(const struct nlmsghdr *hdr, void *data)
{
        struct nlattr *master = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof(struct ifinfomsg), IFLA_MASTER);

        return master != NULL && nla_get_u32(master) == *(unsigned *)data ? 0 : -ENOTCONN;
}

bool netns_connected(struct vpc_kernel *kernel, uint32_t address)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &any, sizeof any);
        char name[IFNAMSIZ];

        netns_link_name(address, name);
        (void)nla_put_string(msg, IFLA_IFNAME, name);
        return netlink_query(&kernel->nl, msg, check_master, &kernel->bridge_index) == 0;
}

static int open_netlink(void *data, struct error *error)
{
        return netlink_open(data, NETLINK_ROUTE, error);
}

int netns_repair(struct vpc_kernel *kernel, const char *path, uint32_t address, struct error *error)
{
        struct netlink inside = {.fd = -1};
        int r = netns_visit(kernel, path, open_netlink, &inside, error);

        (void)drop_cable(kernel, address);
        if (r == 0)
                r = plug(kernel, path, &inside, address, error);
        netlink_close(&inside);
        return r;
}

struct sweep {
        unsigned bridge_index;
        size_t n;
        uint32_t addresses[1024]; /* a bridge has no more ports */
};

static int sweep_link(const struct nlmsghdr *hdr, void *data)
{
        struct nlmsghdr *h = (struct nlmsghdr *)(uintptr_t)hdr;
        struct nlattr *master = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_MASTER);
        struct nlattr *name = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME);
        struct sweep *sweep = data;
        uint32_t address;
        char again[IFNAMSIZ];

        if (master == NULL || name == NULL || nla_get_u32(master) != sweep->bridge_index || !str_starts_with(nla_get_string(name), "veth"))
                return 0;
        address = (uint32_t)strtoul(nla_get_string(name) + 4, NULL, 16);
        netns_link_name(address, again);
        if (strcmp(again, nla_get_string(name)) == 0 && sweep->n < ARRAY_SIZE(sweep->addresses))
                sweep->addresses[sweep->n++] = address;
        return 0;
}

void netns_sweep(struct vpc_kernel *kernel, bool (*keep)(uint32_t address, void *data), void *data)
{
        const struct ifinfomsg any = {0};
        CLEANUP_FREE struct sweep *sweep = xalloc(sizeof *sweep);

        sweep->bridge_index = kernel->bridge_index;
        (void)netlink_query(&kernel->nl, netlink_message(RTM_GETLINK, NLM_F_DUMP, &any, sizeof any), sweep_link, sweep);
        for (size_t i = 0; i < sweep->n; i++) {
                if (!keep(sweep->addresses[i], data))
                        (void)drop_cable(kernel, sweep->addresses[i]);
        }
}
