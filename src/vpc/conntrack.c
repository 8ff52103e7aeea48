/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel remembers for minutes where the packets of a UDP peer go, and a peer that keeps sending keeps that alive. When a port
 * changes hands these memories must go, or the new container never hears from the old peers.
 */
#include <string.h>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>

#include "base/alloc.h"
#include "vpc/internal.h"

#define TUPLE_MAX 128

struct tuple {
        int len;
        char bytes[TUPLE_MAX]; /* the inside of CTA_TUPLE_ORIG */
};

struct search {
        const struct vpc_port *ports;
        uint32_t n_ports;
        struct tuple *found;
        size_t n;
};

static bool is_ours(const struct search *search, uint16_t port)
{
        for (uint32_t i = 0; i < search->n_ports; i++) {
                const struct vpc_port *p = &search->ports[i];

                if (p->udp && port >= p->host_port && port - p->host_port < p->count)
                        return true;
        }
        return false;
}

static int check_entry(const struct nlmsghdr *hdr, void *data)
{
        struct search *search = data;
        struct nlattr *tuple = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG), *proto, *number,
                      *port;

        proto = tuple != NULL ? nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_PROTO) : NULL;
        if (proto == NULL)
                return 0;
        number = nla_find(nla_data(proto), nla_len(proto), CTA_PROTO_NUM);
        port = nla_find(nla_data(proto), nla_len(proto), CTA_PROTO_DST_PORT);
        if (number == NULL || port == NULL || nla_get_u8(number) != IPPROTO_UDP || nla_len(tuple) > TUPLE_MAX ||
            !is_ours(search, ntohs(nla_get_u16(port))))
                return 0;
        search->found = xrealloc(search->found, (search->n + 1) * sizeof *search->found);
        search->found[search->n].len = nla_len(tuple);
        memcpy(search->found[search->n++].bytes, nla_data(tuple), (size_t)nla_len(tuple));
        return 0;
}

static struct nl_msg *message(int type, int flags)
{
        const struct nfgenmsg header = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};

        return netlink_message((NFNL_SUBSYS_CTNETLINK << 8) | type, flags, &header, sizeof header);
}

void conntrack_forget(const struct vpc_port *ports, uint32_t n)
{
        struct search search = {.ports = ports, .n_ports = n};
        struct netlink nl = {.fd = -1};
        bool any = false;

        for (uint32_t i = 0; i < n; i++)
                any |= ports[i].udp;
        if (!any || netlink_open(&nl, NETLINK_NETFILTER, NULL) < 0)
                return;
        (void)netlink_query(&nl, message(IPCTNL_MSG_CT_GET, NLM_F_DUMP), check_entry, &search);
        for (size_t i = 0; i < search.n; i++) {
                struct nl_msg *msg = message(IPCTNL_MSG_CT_DELETE, 0);

                (void)nla_put(msg, NLA_F_NESTED | CTA_TUPLE_ORIG, search.found[i].len, search.found[i].bytes);
                (void)netlink_call(&nl, msg, "conntrack", NULL);
        }
        free(search.found);
        netlink_close(&nl);
}
