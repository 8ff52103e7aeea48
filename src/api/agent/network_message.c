/* SPDX-License-Identifier: Apache-2.0 */
/* A VPC of the model as agents are told of it. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/agent/network.h"
#include "base/strutil.h"
#include "control/discovery.h"
#include "control/task.h"
#include "model/balancer.h"
#include "model/network.h"

struct instance *network_place(struct model *model, const struct network_interface *interface)
{
        const struct state_network_interface *state = interface->state;
        const struct tree_node *node;

        if (state->use == STATE_INTERFACE_USE_BALANCER)
                return model_balancers_instance(model);
        if (state->use != STATE_INTERFACE_USE_TASK || state->owner == NULL)
                return NULL;
        node = tree_find(model_objects(model, OBJECT_TASK), state->owner);
        return node != NULL ? MODEL_OBJECT(node, task)->instance : NULL;
}

/* ---- Parts ---- */

static int protocol_number(const char *name)
{
        static const struct {
                const char *name;
                int number;
        } names[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6}};
        int64_t number;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (str_eq_nocase(name, names[i].name))
                        return names[i].number;
        return str_to_int64(name, &number) == 0 && number >= -1 && number <= 255 ? (int)number : -2;
}

/* Rules with IPv6 ranges and prefix lists say nothing about IPv4, which is what the nodes carry. */
static void add_rule(const struct state_security_group_rule *from, struct arena *arena, struct acs_network_group *ret)
{
        int protocol = protocol_number(from->protocol);
        struct acs_network_rule *rule;

        if ((from->cidr == NULL && from->group == NULL) || protocol < -1)
                return;
        rule = SHAPE_PUSH(arena, &ret->rules);
        if (from->egress)
                SHAPE_SET(rule, acs_network_rule, egress, true);
        SHAPE_SET(rule, acs_network_rule, protocol, protocol);
        SHAPE_SET(rule, acs_network_rule, from_port, protocol == -1 ? -1 : from->from_port);
        SHAPE_SET(rule, acs_network_rule, to_port, protocol == -1 ? -1 : from->to_port);
        rule->cidr = from->cidr;
        rule->group_id = from->group;
}

static void add_group(const struct security_group *group, struct arena *arena, struct acs_network_vpc *ret)
{
        struct acs_network_group *out = SHAPE_PUSH(arena, &ret->groups);

        out->group_id = group->state->id;
        for (uint32_t i = 0; i < group->state->rules.n; i++)
                add_rule(&group->state->rules.items[i], arena, out);
}

static enum acs_route_target target_of(struct model *model, const struct vpc *vpc, const struct state_route *route)
{
        const struct internet_gateway *internet = model_internet_gateway(model, route->gateway);
        const struct nat_gateway *nat = model_nat_gateway(model, route->nat_gateway);

        if (internet != NULL && internet->vpc == vpc)
                return ACS_ROUTE_TARGET_INTERNET;
        if (nat != NULL && nat->vpc == vpc && !str_eq(nat->state->connectivity, "private"))
                return ACS_ROUTE_TARGET_NAT;
        return ACS_ROUTE_TARGET_NOWHERE;
}

static bool lets_all_pass(const struct state_acl_entry *entry)
{
        return entry->allow && str_eq(entry->protocol, "-1") && str_eq(entry->cidr, "0.0.0.0/0");
}

/* In the order in which they count; nothing when the first one of each direction lets everything pass. Entries with IPv6 ranges say nothing
 * about IPv4. */
static void add_acl(const struct network_acl *acl, struct arena *arena, struct acs_network_subnet *ret)
{
        const struct state_acl_entry *first[2] = {NULL, NULL};

        for (uint32_t i = 0; i < acl->state->entries.n; i++) {
                const struct state_acl_entry *entry = &acl->state->entries.items[i];

                if (entry->cidr != NULL && first[entry->egress] == NULL)
                        first[entry->egress] = entry;
        }
        if (first[0] != NULL && first[1] != NULL && lets_all_pass(first[0]) && lets_all_pass(first[1]))
                return;
        for (uint32_t i = 0; i < acl->state->entries.n; i++) {
                const struct state_acl_entry *entry = &acl->state->entries.items[i];
                int protocol = protocol_number(entry->protocol);
                bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
                struct acs_network_acl_rule *rule;

                if (entry->cidr == NULL || protocol < -1)
                        continue;
                rule = SHAPE_PUSH(arena, &ret->acl);
                if (entry->egress)
                        SHAPE_SET(rule, acs_network_acl_rule, egress, true);
                if (entry->allow)
                        SHAPE_SET(rule, acs_network_acl_rule, allow, true);
                SHAPE_SET(rule, acs_network_acl_rule, protocol, protocol);
                SHAPE_SET(rule, acs_network_acl_rule, from_port, ports ? entry->from : -1);
                SHAPE_SET(rule, acs_network_acl_rule, to_port, ports ? entry->to : -1);
                rule->cidr = entry->cidr;
        }
}

static void add_subnet(struct model *model, const struct subnet *subnet, struct arena *arena, struct acs_network_vpc *ret)
{
        const struct route_table *table = subnet_route_table(subnet);
        const struct network_acl *acl = model_network_acl(model, subnet->state->acl);
        struct acs_network_subnet *out = SHAPE_PUSH(arena, &ret->subnets);

        out->subnet_id = subnet->state->id;
        out->cidr = subnet->state->cidr;
        for (uint32_t i = 0; table != NULL && i < table->state->routes.n; i++) {
                const struct state_route *route = &table->state->routes.items[i];
                struct acs_network_route *to;

                if (route->destination == NULL || str_eq(route->gateway, "local"))
                        continue;
                to = SHAPE_PUSH(arena, &out->routes);
                to->destination = route->destination;
                to->target = target_of(model, subnet->vpc, route);
        }
        if (acl != NULL)
                add_acl(acl, arena, out);
}

static void add_listeners(struct model *model, const struct state_network_interface *state, struct arena *arena,
                          struct acs_network_member *out)
{
        const char *id = state->owner != NULL ? strrchr(state->owner, '/') : NULL; /* of an ARN */
        const struct load_balancer *balancer = id != NULL ? model_load_balancer(model, id + 1) : NULL;

        SHAPE_SET(out, acs_network_member, on_machine, true);
        if (balancer == NULL)
                return;
        list_for_each (listener, &balancer->listeners, struct listener, in_balancer)
                *SHAPE_PUSH(arena, &out->listener_ports) = listener->state->port;
}

static void add_member(struct model *model, const struct network_interface *interface, struct arena *arena, struct acs_network_vpc *ret)
{
        const struct state_network_interface *state = interface->state;
        const struct instance *place = network_place(model, interface);
        struct acs_network_member *out = SHAPE_PUSH(arena, &ret->members);

        out->interface_id = state->id;
        out->subnet_id = state->subnet;
        out->address = state->address;
        out->mac_address = state->mac;
        out->groups = state->groups;
        if (interface->elastic != NULL || interface->subnet->state->map_public_ip)
                SHAPE_SET(out, acs_network_member, public_address, true);
        if (place == NULL)
                return;
        out->instance_id = place->state->id;
        out->node_address = instance_attribute(place->state, INSTANCE_ADDRESS_ATTRIBUTE);
        if (state->use == STATE_INTERFACE_USE_BALANCER)
                add_listeners(model, state, arena, out);
}

/* ---- Names ---- */

/* Records of a service are told of so many instances, always the same ones: an answer holds no more. */
#define ANSWERS_MAX 64

static void add_zone(const struct discovery_namespace *namespace, struct arena *arena, struct acs_network_vpc *ret)
{
        struct acs_network_zone *out = SHAPE_PUSH(arena, &ret->zones);

        out->zone_id = namespace->state->id;
        out->name = namespace->state->name;
        SHAPE_SET(out, acs_network_zone, ttl, namespace->state->soa_ttl);
}

static struct acs_network_record *add_record(struct arena *arena, struct acs_network_names *names, const char *owner, int64_t ttl)
{
        struct acs_network_record *record = SHAPE_PUSH(arena, &names->records);

        record->owner = owner;
        SHAPE_SET(record, acs_network_record, ttl, ttl);
        return record;
}

/* An SRV record leads to a name of the instance's own, which has its address. */
static void add_instance(const struct discovery_service *service, const struct discovery_entry *entry, const char *name,
                         struct arena *arena, struct acs_network_names *names)
{
        const char *address = string_map_get(&entry->attributes, DISCOVERY_IPV4),
                   *port = string_map_get(&entry->attributes, DISCOVERY_PORT);
        int64_t number;

        for (uint32_t i = 0; address != NULL && i < service->state->dns_records.n; i++) {
                const struct sd_dns_record *record = &service->state->dns_records.items[i];
                const char *own = arena_printf(arena, "%s.%s", entry->id, name);
                struct acs_network_record *out;

                if (record->type == SD_RECORD_TYPE_A) {
                        add_record(arena, names, name, record->ttl)->address = address;
                } else if (record->type == SD_RECORD_TYPE_SRV && str_to_int64(port, &number) == 0) {
                        out = add_record(arena, names, name, record->ttl);
                        SHAPE_SET(out, acs_network_record, port, (int32_t)number);
                        out->target = own;
                        add_record(arena, names, own, record->ttl)->address = address;
                }
        }
}

/* Who is not healthy is not answered; when nobody is, the name has no records. */
static void add_names(struct model *model, struct discovery_service *service, struct arena *arena, struct acs_network_vpc *ret)
{
        struct acs_network_names *out = SHAPE_PUSH(arena, &ret->names);
        const char *name = arena_printf(arena, "%s.%s", service->state->name, service->namespace->state->name);
        struct discovery_entries entries;
        uint32_t n = 0;

        out->names_id = service->state->id;
        out->zone_id = service->state->namespace;
        if (service->state->dns_records.n == 0)
                return;
        discovery_entries(model, service, arena, &entries);
        for (uint32_t i = 0; i < entries.n && n < ANSWERS_MAX; i++) {
                if (entries.items[i].health == SD_HEALTH_STATUS_UNHEALTHY)
                        continue;
                add_instance(service, &entries.items[i], name, arena, out);
                n++;
        }
}

static bool is_answered(const struct discovery_namespace *namespace, const struct vpc *vpc)
{
        return namespace->state->type == SD_NAMESPACE_TYPE_DNS_PRIVATE && str_eq(namespace->state->vpc, vpc->state->id);
}

static void add_all_names(struct model *model, const struct vpc *vpc, struct arena *arena, struct acs_network_vpc *ret)
{
        tree_for_each (node, model_objects(model, OBJECT_DISCOVERY_NAMESPACE)) {
                const struct discovery_namespace *namespace = MODEL_OBJECT(node, discovery_namespace);

                if (!is_answered(namespace, vpc))
                        continue;
                add_zone(namespace, arena, ret);
                list_for_each (service, &namespace->services, struct discovery_service, in_namespace)
                        add_names(model, service, arena, ret);
        }
}

/* ---- Pictures ---- */

void network_message_head(const struct vpc *vpc, struct arena *arena, struct acs_network_vpc *ret)
{
        *ret = (struct acs_network_vpc){.vpc_id = vpc->state->id};
        SHAPE_SET(ret, acs_network_vpc, number, vpc->state->number);
        for (uint32_t i = 0; i < vpc->state->ranges.n; i++)
                string_list_push(arena, &ret->ranges, vpc->state->ranges.items[i].cidr);
}

void network_message_all(struct model *model, struct vpc *vpc, struct arena *arena, struct acs_network_vpc *ret)
{
        network_message_head(vpc, arena, ret);
        SHAPE_SET(ret, acs_network_vpc, full, true);
        list_for_each (group, &vpc->groups, struct security_group, in_vpc)
                add_group(group, arena, ret);
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc) {
                add_subnet(model, subnet, arena, ret);
                list_for_each (interface, &subnet->interfaces, struct network_interface, in_subnet)
                        add_member(model, interface, arena, ret);
        }
        add_all_names(model, vpc, arena, ret);
}

void network_message_add(struct model *model, struct vpc *vpc, const char *id, struct arena *arena, struct acs_network_vpc *ret)
{
        const struct security_group *group = model_security_group(model, id);
        const struct subnet *subnet = model_subnet(model, id);
        const struct network_interface *interface = model_network_interface(model, id);
        const struct discovery_namespace *namespace = model_discovery_namespace(model, id);
        struct discovery_service *service = model_discovery_service(model, id);

        if (group != NULL && group->vpc == vpc)
                add_group(group, arena, ret);
        else if (subnet != NULL && subnet->vpc == vpc)
                add_subnet(model, subnet, arena, ret);
        else if (interface != NULL && interface->subnet->vpc == vpc)
                add_member(model, interface, arena, ret);
        else if (namespace != NULL && is_answered(namespace, vpc))
                add_zone(namespace, arena, ret);
        else if (service != NULL && is_answered(service->namespace, vpc))
                add_names(model, service, arena, ret);
        else
                string_list_push(arena, &ret->gone, arena_strdup(arena, id));
}
