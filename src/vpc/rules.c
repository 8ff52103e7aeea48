/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a router. */
#include "vpc/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/strutil.h"

#define ID_MAX 64
#define COMBINATION_MAX 200 /* of a chain's name; the kernel takes 255 */
#define REFUSE "reject with icmp type net-unreachable"

void rules_port_name(uint32_t address, char ret[16])
{
        (void)snprintf(ret, 16, "t%08x", address);
}

/* ---- checking ---- */

static int check_id(const char *id, struct error *error)
{
        if (!str_is_name(id, "-_", ID_MAX))
                return error_set(error, EINVAL, "\"%s\" is no id of a part of a network", id != NULL ? id : "");
        return 0;
}

static int check_rules(const struct vpc_rule_list *list, struct error *error)
{
        for (uint32_t i = 0; i < list->n; i++) {
                const struct vpc_rule *rule = &list->items[i];

                if (rule->protocol < VPC_ANY || rule->protocol > 255 || rule->range.prefix < 0 || rule->range.prefix > 32 ||
                    (rule->from >= 0 && rule->to >= 0 && rule->to < rule->from && rule->protocol != 1))
                        return error_set(error, EINVAL, "a rule has a protocol, range or ports that do not exist");
                if (rule->group != NULL && check_id(rule->group, error) < 0)
                        return -EINVAL;
        }
        return 0;
}

static int check_acl(const struct vpc_subnet *subnet, struct error *error)
{
        for (uint32_t i = 0; i < subnet->n_acl; i++) {
                const struct vpc_acl_rule *rule = &subnet->acl[i];

                if (rule->protocol < VPC_ANY || rule->protocol > 255 || rule->range.prefix < 0 || rule->range.prefix > 32 ||
                    rule->from > 65535 || rule->to > 65535)
                        return error_set(error, EINVAL, "a rule of the network ACL of %s has a protocol, range or ports that do not exist",
                                         subnet->id);
        }
        return 0;
}

static int compare_addresses(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

static int check_addresses(const struct vpc_network *network, struct error *error)
{
        CLEANUP_FREE uint32_t *all = xcalloc(network->n_interfaces + 1, sizeof *all);
        char text[20];

        for (uint32_t i = 0; i < network->n_interfaces; i++)
                all[i] = network->interfaces[i].address;
        if (network->n_interfaces > 0)
                qsort(all, network->n_interfaces, sizeof *all, compare_addresses);
        for (uint32_t i = 1; i < network->n_interfaces; i++) {
                if (all[i] != all[i - 1])
                        continue;
                range_text(all[i], -1, text);
                return error_set(error, EINVAL, "two network interfaces of %s have the address %s", network->id, text);
        }
        return 0;
}

static int check_interfaces(const struct vpc_network *network, struct error *error)
{
        for (uint32_t i = 0; i < network->n_interfaces; i++) {
                const struct vpc_interface *it = &network->interfaces[i];
                bool here = it->place == VPC_PLACE_TASK || it->place == VPC_PLACE_HOST;

                if (check_id(it->id, error) < 0)
                        return -EINVAL;
                if (here && vpc_network_subnet(network, it->subnet) == NULL)
                        return error_set(error, EINVAL, "the subnet of network interface %s is missing", it->id);
                for (uint32_t k = 0; k < it->n_groups; k++) {
                        if (check_id(it->groups[k], error) < 0)
                                return -EINVAL;
                }
        }
        return check_addresses(network, error);
}

int rules_check(const struct vpc_network *network, struct error *error)
{
        if (check_id(network->id, error) < 0)
                return -EINVAL;
        if (network->vni < 1 || network->vni >= 1 << 24 || network->n_ranges < 1)
                return error_set(error, EINVAL, "%s has no number from 1 to 16,777,215 or no range of addresses", network->id);
        for (uint32_t i = 0; i < network->n_subnets; i++) {
                if (check_id(network->subnets[i].id, error) < 0 || check_acl(&network->subnets[i], error) < 0)
                        return -EINVAL;
        }
        for (uint32_t i = 0; i < network->n_groups; i++) {
                const struct vpc_group *group = &network->groups[i];

                if (check_id(group->id, error) < 0 || check_rules(&group->ingress, error) < 0 || check_rules(&group->egress, error) < 0)
                        return -EINVAL;
                for (uint32_t k = 0; k < i; k++) {
                        if (str_eq(network->groups[k].id, group->id))
                                return error_set(error, EINVAL, "the security group %s is there twice", group->id);
                }
        }
        return check_interfaces(network, error);
}

/* ---- sets ---- */

/* What is being made, and the sets that several parts fill. */
struct compile {
        const struct vpc_network *network;
        struct ruleset *rs;
        uint32_t sources, egress, ingress, routes, tasks, hosted, remote;
        struct map members; /* of struct member_set, by group */
        struct map combinations;
};

/* A name that is in a map so that it is made once. */
struct once {
        struct map_node node;
        uint32_t set;
};

static const char *address_text(struct compile *c, uint32_t address)
{
        char text[20];

        range_text(address, -1, text);
        return arena_strdup(&c->rs->arena, text);
}

static uint32_t members_of(struct compile *c, const char *group)
{
        struct once *once = map_get(&c->members, group, struct once, node);

        if (once == NULL) {
                once = ARENA_NEW(&c->rs->arena, struct once);
                once->set = ruleset_add_set(c->rs, arena_printf(&c->rs->arena, "m.%s", group), "ipv4_addr");
                map_insert(&c->members, &once->node, group);
        }
        return once->set;
}

/* Every group that a rule names has a set, also when it has no members. */
static void add_member_sets(struct compile *c)
{
        const struct vpc_network *n = c->network;

        for (uint32_t i = 0; i < n->n_groups; i++) {
                for (uint32_t k = 0; k < n->groups[i].ingress.n; k++) {
                        if (n->groups[i].ingress.items[k].group != NULL)
                                (void)members_of(c, n->groups[i].ingress.items[k].group);
                }
                for (uint32_t k = 0; k < n->groups[i].egress.n; k++) {
                        if (n->groups[i].egress.items[k].group != NULL)
                                (void)members_of(c, n->groups[i].egress.items[k].group);
                }
        }
        for (uint32_t i = 0; i < n->n_interfaces; i++) {
                for (uint32_t k = 0; k < n->interfaces[i].n_groups; k++) {
                        struct once *once = map_get(&c->members, n->interfaces[i].groups[k], struct once, node);

                        if (once != NULL)
                                ruleset_add_element(c->rs, once->set, address_text(c, n->interfaces[i].address), NULL);
                }
        }
}

/* ---- groups together ---- */

static int compare_strings(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "sg-1_sg-2": one name for the same groups in any order. */
static const char *combination_name(struct compile *c, const char **groups, uint32_t n)
{
        CLEANUP_BUF struct buf name = {0};

        for (uint32_t i = 0; i < n; i++)
                buf_printf(&name, "%s%s", i > 0 ? "_" : "", groups[i]);
        if (name.len == 0)
                return "none";
        if (name.len > COMBINATION_MAX)
                return arena_printf(&c->rs->arena, "%016llx", (unsigned long long)hash_bytes(name.data, name.len));
        return arena_strdup(&c->rs->arena, name.data);
}

/* The chains "eg.NAME" and "ing.NAME": one group after the other, and what none of them lets through ends there. */
static const char *combination(struct compile *c, const struct vpc_interface *it)
{
        CLEANUP_FREE const char **groups = xcalloc(it->n_groups + 1, sizeof *groups);
        CLEANUP_BUF struct buf in = {0}, out = {0};
        struct once *once;
        const char *name;

        memcpy(groups, it->groups, it->n_groups * sizeof *groups);
        qsort(groups, it->n_groups, sizeof *groups, compare_strings);
        name = combination_name(c, groups, it->n_groups);
        if (map_find(&c->combinations, name) != NULL)
                return name;
        for (uint32_t i = 0; i < it->n_groups; i++) {
                /* A group that nobody knows allows nothing. */
                if (vpc_network_group(c->network, groups[i]) == NULL)
                        continue;
                buf_printf(&in, "jump in.%s\n", groups[i]);
                buf_printf(&out, "jump out.%s\n", groups[i]);
        }
        buf_append_str(&in, "drop\n");
        buf_append_str(&out, "drop\n");
        ruleset_add_chain(c->rs, arena_printf(&c->rs->arena, "ing.%s", name), NULL, in.data);
        ruleset_add_chain(c->rs, arena_printf(&c->rs->arena, "eg.%s", name), NULL, out.data);
        once = ARENA_NEW(&c->rs->arena, struct once);
        map_insert(&c->combinations, &once->node, name);
        return name;
}

static bool is_used_here(const struct vpc_network *network, const char *group)
{
        for (uint32_t i = 0; i < network->n_interfaces; i++) {
                const struct vpc_interface *it = &network->interfaces[i];

                if (it->place != VPC_PLACE_TASK && it->place != VPC_PLACE_HOST)
                        continue;
                for (uint32_t k = 0; k < it->n_groups; k++) {
                        if (str_eq(it->groups[k], group))
                                return true;
                }
        }
        return false;
}

/* ---- routes out of the VPC ---- */

static int compare_routes(const void *a, const void *b)
{
        const struct vpc_route *x = *(const struct vpc_route *const *)a, *y = *(const struct vpc_route *const *)b;

        if (x->destination.prefix != y->destination.prefix)
                return y->destination.prefix - x->destination.prefix;
        return (x->destination.address > y->destination.address) - (x->destination.address < y->destination.address);
}

/* The longest prefix first, so that the first match is the right one. */
static void add_routes(struct compile *c, const struct vpc_subnet *subnet, bool public)
{
        CLEANUP_FREE const struct vpc_route **sorted = xcalloc(subnet->n_routes + 1, sizeof *sorted);
        CLEANUP_BUF struct buf body = {0};

        for (uint32_t i = 0; i < subnet->n_routes; i++)
                sorted[i] = &subnet->routes[i];
        qsort(sorted, subnet->n_routes, sizeof *sorted, compare_routes);
        for (uint32_t i = 0; i < subnet->n_routes; i++) {
                bool open = sorted[i]->target == VPC_TARGET_NAT || (sorted[i]->target == VPC_TARGET_INTERNET && public);
                char text[20];

                range_text(sorted[i]->destination.address, sorted[i]->destination.prefix, text);
                buf_printf(&body, "ip daddr %s %s\n", text, open ? "accept" : REFUSE);
        }
        buf_append_str(&body, REFUSE "\n");
        ruleset_add_chain(c->rs, arena_printf(&c->rs->arena, "%s.%s", public ? "public" : "private", subnet->id), NULL, body.data);
}

/* ---- interfaces ---- */

static void add_task(struct compile *c, const struct vpc_interface *it, const char *address, const char *chains)
{
        const struct vpc_subnet *subnet = vpc_network_subnet(c->network, it->subnet);
        const uint8_t *mac = it->mac;
        char port[16];

        rules_port_name(it->address, port);
        ruleset_add_element(c->rs, c->tasks, address, NULL);
        ruleset_add_element(c->rs, c->sources,
                            arena_printf(&c->rs->arena, "\"%s\" . %02x:%02x:%02x:%02x:%02x:%02x . %s", port, mac[0], mac[1], mac[2], mac[3],
                                         mac[4], mac[5], address),
                            NULL);
        ruleset_add_element(c->rs, c->routes, address,
                            arena_printf(&c->rs->arena, "goto %s.%s", it->has_public_address ? "public" : "private", subnet->id));
        ruleset_add_element(c->rs, c->egress, address, arena_printf(&c->rs->arena, "goto eg.%s", chains));
        ruleset_add_element(c->rs, c->ingress, address, arena_printf(&c->rs->arena, "goto ing.%s", chains));
}

static void add_interface(struct compile *c, const struct vpc_interface *it)
{
        const char *address = address_text(c, it->address), *chains;

        switch (it->place) {
        case VPC_PLACE_TASK:
                add_task(c, it, address, combination(c, it));
                break;
        case VPC_PLACE_HOST:
                chains = combination(c, it);
                ruleset_add_element(c->rs, c->hosted, address, NULL);
                ruleset_add_element(c->rs, c->egress, address, arena_printf(&c->rs->arena, "goto eg.%s", chains));
                ruleset_add_element(c->rs, c->ingress, address, arena_printf(&c->rs->arena, "goto ing.%s", chains));
                break;
        case VPC_PLACE_REMOTE:
                ruleset_add_element(c->rs, c->remote, address, NULL);
                break;
        case VPC_PLACE_NOWHERE:
        case VPC_PLACE_MAX:
                break;
        }
}

/* ---- the base chains ---- */

static void add_base(struct compile *c)
{
        char name_server[20];
        const char *dstnat, *forward;

        range_text(c->network->ranges[0].address + 2, -1, name_server);
        dstnat =
                arena_printf(&c->rs->arena, "ip daddr %s meta l4proto { tcp, udp } th dport 53 dnat to " VPC_NAME_SERVER "\n", name_server);
        ruleset_add_chain(c->rs, "raw", "{ type filter hook prerouting priority raw; policy accept; }",
                          "iifname \"t*\" iifname . ether saddr . ip saddr != @sources drop\n"
                          "iifname \"" ROUTER_UPLINK "\" ip saddr @tasks drop\n"
                          "iifname \"" ROUTER_UPLINK "\" ip saddr @remote drop\n"
                          "iifname \"" ROUTER_TUNNEL "\" ip saddr @tasks drop\n"
                          "iifname \"" ROUTER_TUNNEL "\" ip saddr @hosted drop\n");
        ruleset_add_chain(c->rs, "dstnat", "{ type nat hook prerouting priority dstnat; policy accept; }", dstnat);
        forward = arena_printf(&c->rs->arena,
                               "%s"
                               "ct state vmap { established : accept, related : accept, invalid : drop }\n"
                               "ip saddr @tasks ip daddr " VPC_METADATA_ADDRESS " tcp dport 80 accept\n"
                               "ip saddr @tasks ip daddr " VPC_NAME_SERVER " meta l4proto { tcp, udp } th dport 53 accept\n"
                               "ip saddr vmap @egress\n"
                               "iifname { \"" ROUTER_UPLINK "\", \"" ROUTER_TUNNEL "\" } goto into\n",
                               rules_compile_acls(c->rs, c->network) ? "jump acl\n" : "");
        ruleset_add_chain(c->rs, "forward", "{ type filter hook forward priority filter; policy drop; }", forward);
        ruleset_add_chain(c->rs, "into", NULL,
                          "ip daddr vmap @ingress\n"
                          "ip daddr @remote accept\n"
                          "ip saddr vmap @routes\n"
                          "drop\n");
        /* The metadata endpoint tells tasks apart by their address. */
        ruleset_add_chain(c->rs, "srcnat", "{ type nat hook postrouting priority srcnat; policy accept; }",
                          "oifname \"" ROUTER_UPLINK "\" ip saddr @tasks ip daddr != " VPC_METADATA_ADDRESS
                          " ip daddr != @hosted masquerade\n");
        /* The router itself is nobody's peer. */
        ruleset_add_chain(c->rs, "input", "{ type filter hook input priority filter; policy drop; }", "");
}

struct ruleset *rules_compile(const struct vpc_network *network)
{
        struct compile c = {.network = network, .rs = ruleset_new()};

        map_init(&c.members);
        map_init(&c.combinations);
        c.sources = ruleset_add_set(c.rs, "sources", "ifname . ether_addr . ipv4_addr");
        c.egress = ruleset_add_set(c.rs, "egress", "ipv4_addr : verdict");
        c.ingress = ruleset_add_set(c.rs, "ingress", "ipv4_addr : verdict");
        c.routes = ruleset_add_set(c.rs, "routes", "ipv4_addr : verdict");
        c.tasks = ruleset_add_set(c.rs, "tasks", "ipv4_addr");
        c.hosted = ruleset_add_set(c.rs, "hosted", "ipv4_addr");
        c.remote = ruleset_add_set(c.rs, "remote", "ipv4_addr");
        add_base(&c);
        for (uint32_t i = 0; i < network->n_groups; i++) {
                if (is_used_here(network, network->groups[i].id))
                        rules_compile_group(c.rs, &network->groups[i]);
        }
        for (uint32_t i = 0; i < network->n_subnets; i++) {
                add_routes(&c, &network->subnets[i], false);
                add_routes(&c, &network->subnets[i], true);
        }
        add_member_sets(&c);
        for (uint32_t i = 0; i < network->n_interfaces; i++)
                add_interface(&c, &network->interfaces[i]);
        map_done(&c.members);
        map_done(&c.combinations);
        ruleset_finish(c.rs);
        return c.rs;
}
