/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network ACLs of subnets as chains. They have no state: every packet that leaves a subnet or comes into it is looked at, also one of an
 * established connection, in the direction that it goes. What stays inside of a subnet is not. A VPC without ACLs has nothing of this.
 *
 *     forward ──► acl ──► acl-out.SUBNET of where it comes from ──► acl-in.SUBNET of where it goes ──► security groups
 */
#include <netinet/in.h>

#include "vpc/rules.h"

static void write_peer(const struct vpc_acl_rule *rule, struct buf *out)
{
        char text[20];

        if (rule->range.prefix == 0)
                return;
        range_text(rule->range.address, rule->range.prefix, text);
        buf_printf(out, "ip %s %s ", rule->egress ? "daddr" : "saddr", text);
}

static void write_ports(const struct vpc_acl_rule *rule, const char *protocol, struct buf *out)
{
        if (rule->from < 0 || (rule->from == 0 && rule->to == 65535))
                buf_printf(out, "meta l4proto %s ", protocol);
        else if (rule->from == rule->to)
                buf_printf(out, "%s dport %d ", protocol, rule->from);
        else
                buf_printf(out, "%s dport %d-%d ", protocol, rule->from, rule->to);
}

static void write_rule(const struct vpc_acl_rule *rule, struct buf *out)
{
        write_peer(rule, out);
        if (rule->protocol == IPPROTO_TCP || rule->protocol == IPPROTO_UDP)
                write_ports(rule, rule->protocol == IPPROTO_TCP ? "tcp" : "udp", out);
        else if (rule->protocol == IPPROTO_ICMP && rule->from >= 0 && rule->to >= 0)
                buf_printf(out, "icmp type %d icmp code %d ", rule->from, rule->to);
        else if (rule->protocol == IPPROTO_ICMP && rule->from >= 0)
                buf_printf(out, "icmp type %d ", rule->from);
        else if (rule->protocol != VPC_ANY)
                buf_printf(out, "meta l4proto %d ", rule->protocol);
        buf_append_str(out, rule->allow ? "return\n" : "drop\n");
}

static void add_chain(struct ruleset *rs, const struct vpc_subnet *subnet, bool egress)
{
        CLEANUP_BUF struct buf body = {0};

        for (uint32_t i = 0; i < subnet->n_acl; i++) {
                if (subnet->acl[i].egress == egress)
                        write_rule(&subnet->acl[i], &body);
        }
        buf_append_str(&body, "drop\n");
        ruleset_add_chain(rs, arena_printf(&rs->arena, "acl-%s.%s", egress ? "out" : "in", subnet->id), NULL, body.data);
}

bool rules_compile_acls(struct ruleset *rs, const struct vpc_network *network)
{
        CLEANUP_BUF struct buf out = {0}, in = {0}, all = {0};

        for (uint32_t i = 0; i < network->n_subnets; i++) {
                const struct vpc_subnet *subnet = &network->subnets[i];
                char range[20];

                if (subnet->n_acl == 0)
                        continue;
                range_text(subnet->range.address, subnet->range.prefix, range);
                buf_printf(&out, "ip saddr %s ip daddr != %s jump acl-out.%s\n", range, range, subnet->id);
                buf_printf(&in, "ip daddr %s ip saddr != %s jump acl-in.%s\n", range, range, subnet->id);
                add_chain(rs, subnet, true);
                add_chain(rs, subnet, false);
        }
        if (out.len == 0)
                return false;
        /* Metadata and the VPC's name server are not subject to ACLs. */
        buf_printf(&all,
                   "ip daddr { " VPC_METADATA_ADDRESS ", " VPC_NAME_SERVER " } return\n"
                   "ip saddr { " VPC_METADATA_ADDRESS ", " VPC_NAME_SERVER " } return\n"
                   "%s%s",
                   out.data, in.data);
        ruleset_add_chain(rs, "acl", NULL, all.data);
        return true;
}
