/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to pictures. What the server says is checked by vpc/rules.c before it comes into force; here only texts become numbers. */
#include "agent/network.h"

#include <string.h>

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define WAIT_MS 60000        /* for an interface that the server gave to a task of this node */
#define RETRY_MS 2000        /* after a picture that could not be brought into force */
#define NAMES_CHECK_MS 10000 /* a name server that has died is started again, or one that could not be started */
#define LINGER_MS 10000      /* a router is kept: tasks of a VPC often follow each other */
#define VPCS_MAX 1000
#define MEMBERS_MAX 100000 /* of one VPC */

/* A message that is not answered yet. */
struct notice {
        struct acs_network_message *head; /* packed; its ids */
        uint32_t missing;                 /* VPCs in which it is not in force */
        bool refused;
};

struct notice_ref {
        struct list link;
        struct notice *notice;
};

/* A subnet, group or member, as it was told. */
struct item {
        struct map_node node;
        void *value; /* packed */
        const char *id;
};

/* A VPC. */
struct part {
        struct map_node node;
        struct node_network *network;
        char *id;
        uint32_t vni;
        struct range *ranges;
        uint32_t n_ranges;
        struct map subnets, groups, members, zones, names; /* of struct item */
        struct vpc_op op;
        bool applying, again;
        struct list queued, flying; /* of struct notice_ref: wait for the next picture, for the one under way */
        struct timer retry;         /* of a picture; or the end of a VPC that is gone */
        char *unnamed;              /* why names are not answered: it was logged; NULL: they are */
        bool gone;
};

/* ---- answers ---- */

static void notice_done(struct node_network *network, struct notice *notice, const char *reason)
{
        if (reason != NULL && !notice->refused) {
                notice->refused = true;
                network->answer(network, notice->head, reason);
        }
        if (reason != NULL || --notice->missing > 0)
                return;
        if (!notice->refused)
                network->answer(network, notice->head, NULL);
        free(notice->head);
        free(notice);
}

static void forget_refs(struct node_network *network, struct list *refs, const char *reason)
{
        while (!list_empty(refs)) {
                struct notice_ref *ref = list_first(refs, struct notice_ref, link);

                list_remove(&ref->link);
                notice_done(network, ref->notice, reason);
                free(ref);
        }
}

/* Without answers: for the end. */
static void drop_refs(struct list *refs)
{
        while (!list_empty(refs)) {
                struct notice_ref *ref = list_first(refs, struct notice_ref, link);

                list_remove(&ref->link);
                if (--ref->notice->missing == 0) {
                        free(ref->notice->head);
                        free(ref->notice);
                }
                free(ref);
        }
}

/* ---- parts ---- */

static void clear_items(struct map *map)
{
        map_for_each (node, map) {
                struct item *item = CONTAINER_OF(node, struct item, node);

                map_remove(map, node);
                free(item->value);
                free(item);
        }
}

static void drop_item(struct map *map, const char *id)
{
        struct item *item = map_get(map, id, struct item, node);

        if (item == NULL)
                return;
        map_remove(map, &item->node);
        free(item->value);
        free(item);
}

/* Takes `value` over. */
static void put_item(struct map *map, const char *id, void *value)
{
        struct item *item = xalloc(sizeof(*item));

        drop_item(map, id);
        item->id = id;
        item->value = value;
        map_insert(map, &item->node, id);
}

static struct part *part_new(struct node_network *network, const char *id)
{
        struct part *part = xalloc(sizeof(*part));

        part->network = network;
        part->id = xstrdup(id);
        map_init(&part->subnets);
        map_init(&part->groups);
        map_init(&part->members);
        map_init(&part->zones);
        map_init(&part->names);
        list_init(&part->queued);
        list_init(&part->flying);
        map_insert(&network->parts, &part->node, part->id);
        return part;
}

/* Everything that was told. */
static void clear_part(struct part *part)
{
        clear_items(&part->subnets);
        clear_items(&part->groups);
        clear_items(&part->members);
        clear_items(&part->zones);
        clear_items(&part->names);
}

static void part_free(struct part *part)
{
        vpc_op_cancel(&part->op);
        timers_cancel(part->network->timers, &part->retry);
        drop_refs(&part->queued);
        drop_refs(&part->flying);
        clear_part(part);
        map_done(&part->subnets);
        map_done(&part->groups);
        map_done(&part->members);
        map_done(&part->zones);
        map_done(&part->names);
        free(part->unnamed);
        map_remove(&part->network->parts, &part->node);
        free(part->ranges);
        free(part->id);
        free(part);
}

/* ---- pictures ---- */

static bool parse_address(const char *text, uint32_t *ret)
{
        struct in_addr in;

        if (text == NULL || inet_pton(AF_INET, text, &in) != 1)
                return false;
        *ret = ntohl(in.s_addr);
        return true;
}

/* Any prefix; bits behind it are cleared. */
static bool parse_range(const char *text, struct range *ret)
{
        char address[INET_ADDRSTRLEN] = "";
        const char *slash = text != NULL ? strchr(text, '/') : NULL;
        int64_t prefix = 0;

        if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
                return false;
        memcpy(address, text, (size_t)(slash - text));
        if (!parse_address(address, &ret->address) || str_to_int64(slash + 1, &prefix) < 0 || prefix < 0 || prefix > 32)
                return false;
        ret->prefix = (int)prefix;
        ret->address &= range_mask(ret->prefix);
        return true;
}

static void add_rule(const struct acs_network_rule *from, struct vpc_group *to)
{
        struct vpc_rule_list *list = from->egress ? &to->egress : &to->ingress;
        struct vpc_rule rule = {.protocol = from->protocol, .from = from->from_port, .to = from->to_port, .group = from->group_id};

        /* What cannot be read allows nothing. */
        if (from->group_id == NULL && !parse_range(from->cidr, &rule.range))
                return;
        list->items[list->n++] = rule;
}

static void add_group(struct vpc_network *network, const struct acs_network_group *from)
{
        struct vpc_group *to = &network->groups[network->n_groups++];

        to->id = from->group_id;
        to->ingress.items = arena_calloc(&network->arena, from->rules.n + 1, sizeof(*to->ingress.items));
        to->egress.items = arena_calloc(&network->arena, from->rules.n + 1, sizeof(*to->egress.items));
        for (uint32_t i = 0; i < from->rules.n; i++)
                add_rule(&from->rules.items[i], to);
}

static void add_acl(struct vpc_network *network, const struct acs_network_acl_rule_list *from, struct vpc_subnet *to)
{
        to->acl = arena_calloc(&network->arena, from->n + 1, sizeof(*to->acl));
        for (uint32_t i = 0; i < from->n; i++) {
                const struct acs_network_acl_rule *rule = &from->items[i];
                struct vpc_acl_rule out = {.egress = rule->egress,
                                           .allow = rule->allow,
                                           .protocol = rule->protocol,
                                           .from = rule->from_port,
                                           .to = rule->to_port};

                if (parse_range(rule->cidr, &out.range))
                        to->acl[to->n_acl++] = out;
        }
}

static void add_subnet(struct vpc_network *network, const struct acs_network_subnet *from)
{
        static const enum vpc_target targets[ACS_ROUTE_TARGET_MAX] = {
                [ACS_ROUTE_TARGET_UNSET] = VPC_TARGET_NOWHERE,
                [ACS_ROUTE_TARGET_INTERNET] = VPC_TARGET_INTERNET,
                [ACS_ROUTE_TARGET_NAT] = VPC_TARGET_NAT,
                [ACS_ROUTE_TARGET_NOWHERE] = VPC_TARGET_NOWHERE,
        };
        struct vpc_subnet *to = &network->subnets[network->n_subnets];

        if (!parse_range(from->cidr, &to->range))
                return;
        network->n_subnets++;
        to->id = from->subnet_id;
        to->routes = arena_calloc(&network->arena, from->routes.n + 1, sizeof(*to->routes));
        for (uint32_t i = 0; i < from->routes.n; i++) {
                struct vpc_route *route = &to->routes[to->n_routes];

                if (!parse_range(from->routes.items[i].destination, &route->destination))
                        continue;
                route->target = targets[from->routes.items[i].target];
                to->n_routes++;
        }
        add_acl(network, &from->acl, to);
}

static void add_node(struct vpc_network *network, uint32_t node)
{
        for (uint32_t i = 0; i < network->n_nodes; i++) {
                if (network->nodes[i] == node)
                        return;
        }
        network->nodes[network->n_nodes++] = node;
}

static void place_member(const struct node_network *own, struct vpc_network *network, const struct acs_network_member *from,
                         struct vpc_interface *to)
{
        to->place = VPC_PLACE_NOWHERE;
        if (from->instance_id == NULL)
                return;
        if (str_eq(from->instance_id, own->instance_id)) {
                to->place = from->on_machine ? VPC_PLACE_HOST : VPC_PLACE_TASK;
        } else if (parse_address(from->node_address, &to->node) && to->node != own->node_address) {
                to->place = VPC_PLACE_REMOTE;
                add_node(network, to->node);
        }
}

static void add_member(const struct node_network *own, struct vpc_network *network, const struct acs_network_member *from)
{
        struct vpc_interface *to = &network->interfaces[network->n_interfaces];

        if (!parse_address(from->address, &to->address) || !vpc_mac_parse(from->mac_address, to->mac))
                return;
        network->n_interfaces++;
        to->id = from->interface_id;
        to->subnet = from->subnet_id;
        to->has_public_address = from->public_address;
        to->groups = arena_calloc(&network->arena, from->groups.n + 1, sizeof(*to->groups));
        for (uint32_t i = 0; i < from->groups.n; i++)
                to->groups[to->n_groups++] = from->groups.items[i];
        place_member(own, network, from, to);
        to->ports = arena_calloc(&network->arena, from->listener_ports.n + 1, sizeof(*to->ports));
        for (uint32_t i = 0; i < from->listener_ports.n; i++) {
                if (from->listener_ports.items[i] > 0 && from->listener_ports.items[i] <= UINT16_MAX)
                        to->ports[to->n_ports++] = (uint16_t)from->listener_ports.items[i];
        }
}

static void add_record(const struct acs_network_record *from, struct vpc_zone *to)
{
        struct vpc_record record = {.owner = from->owner, .ttl = from->ttl, .target = from->target};

        if (from->target != NULL && (from->port < 0 || from->port > UINT16_MAX))
                return;
        if (from->target == NULL && !parse_address(from->address, &record.address))
                return;
        record.port = (uint16_t)from->port;
        to->records[to->n_records++] = record;
}

/* With the records of all its services. */
static void add_zone(const struct part *part, struct vpc_network *network, const struct acs_network_zone *from)
{
        struct vpc_zone *to = &network->zones[network->n_zones++];
        uint32_t n = 0;

        to->id = from->zone_id;
        to->name = from->name;
        to->ttl = from->ttl;
        map_for_each (node, &part->names)
                n += ((const struct acs_network_names *)CONTAINER_OF(node, struct item, node)->value)->records.n;
        to->records = arena_calloc(&network->arena, n + 1, sizeof(*to->records));
        map_for_each (node, &part->names) {
                const struct acs_network_names *names = CONTAINER_OF(node, struct item, node)->value;

                if (!str_eq(names->zone_id, from->zone_id))
                        continue;
                names = SHAPE_COPY(acs_network_names, (struct acs_network_names *)names, &network->arena);
                for (uint32_t i = 0; i < names->records.n; i++)
                        add_record(&names->records.items[i], to);
        }
}

/* Strings are of the part's items: they are copied, for they may go before the picture does. */
static void *copy_item(struct vpc_network *network, const struct shape *shape, const struct item *item)
{
        return shape_copy(shape, item->value, &network->arena);
}

static struct vpc_network *picture(const struct part *part)
{
        struct vpc_network *network = vpc_network_new();
        struct arena *arena = &network->arena;

        network->id = arena_strdup(arena, part->id);
        network->vni = part->vni;
        network->node = part->network->node_address;
        network->ranges = arena_memdup(arena, part->ranges, part->n_ranges * sizeof(*part->ranges));
        network->n_ranges = part->n_ranges;
        network->subnets = arena_calloc(arena, part->subnets.count + 1, sizeof(*network->subnets));
        network->groups = arena_calloc(arena, part->groups.count + 1, sizeof(*network->groups));
        network->interfaces = arena_calloc(arena, part->members.count + 1, sizeof(*network->interfaces));
        network->nodes = arena_calloc(arena, part->members.count + 1, sizeof(*network->nodes));
        network->zones = arena_calloc(arena, part->zones.count + 1, sizeof(*network->zones));
        map_for_each (node, &part->subnets)
                add_subnet(network, copy_item(network, &acs_network_subnet_shape, CONTAINER_OF(node, struct item, node)));
        map_for_each (node, &part->groups)
                add_group(network, copy_item(network, &acs_network_group_shape, CONTAINER_OF(node, struct item, node)));
        map_for_each (node, &part->members)
                add_member(part->network, network, copy_item(network, &acs_network_member_shape, CONTAINER_OF(node, struct item, node)));
        map_for_each (node, &part->zones)
                add_zone(part, network, copy_item(network, &acs_network_zone_shape, CONTAINER_OF(node, struct item, node)));
        return network;
}

/* ---- coming into force ---- */

static void apply(struct part *part);

static void apply_again(struct timer *timer)
{
        struct part *part = CONTAINER_OF(timer, struct part, retry);

        if (!part->applying)
                apply(part);
}

static struct network_wait *next_ready(struct node_network *network)
{
        list_for_each (wait, &network->waits, struct network_wait, link) {
                if (vpc_network_of(network->vpc, wait->interface) != NULL)
                        return wait;
        }
        return NULL;
}

static void wake(struct node_network *network)
{
        struct network_wait *wait;

        /* Each call may change the list. */
        while ((wait = next_ready(network)) != NULL) {
                network_wait_cancel(wait);
                wait->done(wait, NULL);
        }
}

/* Says once why names are not answered, and once that they are again; until then it is tried again and again. */
static void tell_names(struct part *part, const struct error *error)
{
        bool fails = error != NULL && error_is_set(error);

        if (fails && !str_eq(part->unnamed, error->message))
                log_error("names of a VPC are left to the machine's own name server", LOG_S("vpc", part->id),
                          LOG_S("error", error->message));
        else if (!fails && part->unnamed != NULL)
                log_info("names of a VPC are answered again", LOG_S("vpc", part->id));
        free(part->unnamed);
        part->unnamed = fails ? xstrdup(error->message) : NULL;
        if (part->zones.count > 0)
                timers_set(part->network->timers, &part->retry, NAMES_CHECK_MS, apply_again);
}

static void applied(struct vpc_op *op, int status, const struct error *error)
{
        struct part *part = CONTAINER_OF(op, struct part, op);
        struct node_network *network = part->network;

        part->applying = false;
        /* What is on its way out needs no other try; its timer is that of the end. */
        if (status < 0 && !part->gone) {
                log_error("the network of a VPC could not be set up; trying again", LOG_S("vpc", part->id), LOG_S("error", error->message),
                          LOG_I("ms", RETRY_MS));
                list_for_each (ref, &part->flying, struct notice_ref, link)
                        notice_done(network, ref->notice, error->message);
                list_move_all(&part->flying, &part->queued);
                timers_set(network->timers, &part->retry, RETRY_MS, apply_again);
        } else {
                forget_refs(network, &part->flying, NULL);
                if (!part->gone)
                        tell_names(part, error);
        }
        if (part->again && status == 0)
                apply(part);
        wake(network);
}

static void apply(struct part *part)
{
        if (part->gone)
                return;
        if (part->applying) {
                part->again = true;
                return;
        }
        part->applying = true;
        part->again = false;
        timers_cancel(part->network->timers, &part->retry);
        list_move_all(&part->queued, &part->flying);
        part->op.done = applied;
        vpc_network_apply(part->network->vpc, picture(part), &part->op);
}

/* ---- going ---- */

static void end_part(struct timer *timer)
{
        struct part *part = CONTAINER_OF(timer, struct part, retry);

        log_info("this node has no part in a VPC any more", LOG_S("vpc", part->id));
        vpc_network_remove(part->network->vpc, part->id, NULL);
        part_free(part);
}

static void leave(struct part *part)
{
        if (part->gone)
                return;
        part->gone = true;
        forget_refs(part->network, &part->queued, NULL);
        timers_set(part->network->timers, &part->retry, LINGER_MS, end_part);
}

static bool is_told(const struct acs_network_message *message, const char *id)
{
        for (uint32_t i = 0; i < message->vpcs.n; i++) {
                if (str_eq(message->vpcs.items[i].vpc_id, id))
                        return true;
        }
        return false;
}

/* Everything else is not of this node any more; routers of an earlier agent too. */
static void leave_others(struct node_network *network, const struct acs_network_message *message)
{
        const char *next = vpc_network_next(network->vpc, NULL);

        while (next != NULL) {
                const char *id = next;

                next = vpc_network_next(network->vpc, id);
                if (!is_told(message, id) && map_find(&network->parts, id) == NULL)
                        vpc_network_remove(network->vpc, id, NULL);
        }
        map_for_each (node, &network->parts) {
                struct part *part = CONTAINER_OF(node, struct part, node);

                if (!is_told(message, part->id))
                        leave(part);
        }
}

/* ---- messages ---- */

static void take_gone(struct part *part, const char *id)
{
        drop_item(&part->subnets, id);
        drop_item(&part->groups, id);
        drop_item(&part->members, id);
        drop_item(&part->zones, id);
        drop_item(&part->names, id);
}

static void take_items(struct part *part, const struct acs_network_vpc *vpc)
{
        for (uint32_t i = 0; i < vpc->gone.n; i++)
                take_gone(part, vpc->gone.items[i]);
        for (uint32_t i = 0; i < vpc->subnets.n; i++) {
                struct acs_network_subnet *one = SHAPE_PACK(acs_network_subnet, &vpc->subnets.items[i]);

                put_item(&part->subnets, one->subnet_id, one);
        }
        for (uint32_t i = 0; i < vpc->groups.n; i++) {
                struct acs_network_group *one = SHAPE_PACK(acs_network_group, &vpc->groups.items[i]);

                put_item(&part->groups, one->group_id, one);
        }
        for (uint32_t i = 0; i < vpc->members.n; i++) {
                struct acs_network_member *one = SHAPE_PACK(acs_network_member, &vpc->members.items[i]);

                put_item(&part->members, one->interface_id, one);
        }
        for (uint32_t i = 0; i < vpc->zones.n; i++) {
                struct acs_network_zone *one = SHAPE_PACK(acs_network_zone, &vpc->zones.items[i]);

                put_item(&part->zones, one->zone_id, one);
        }
        for (uint32_t i = 0; i < vpc->names.n; i++) {
                struct acs_network_names *one = SHAPE_PACK(acs_network_names, &vpc->names.items[i]);

                put_item(&part->names, one->names_id, one);
        }
}

static void take_ranges(struct part *part, const struct acs_network_vpc *vpc)
{
        free(part->ranges);
        part->ranges = xcalloc(vpc->ranges.n + 1, sizeof(*part->ranges));
        part->n_ranges = 0;
        for (uint32_t i = 0; i < vpc->ranges.n; i++)
                part->n_ranges += parse_range(vpc->ranges.items[i], &part->ranges[part->n_ranges]);
        part->vni = (uint32_t)MAX(vpc->number, 0);
}

static bool has_ids(const struct acs_network_vpc *vpc)
{
        bool all = str_is_name(vpc->vpc_id, "-_", 64) && vpc->members.n <= MEMBERS_MAX;

        for (uint32_t i = 0; i < vpc->subnets.n; i++)
                all &= vpc->subnets.items[i].subnet_id != NULL;
        for (uint32_t i = 0; i < vpc->groups.n; i++)
                all &= vpc->groups.items[i].group_id != NULL;
        for (uint32_t i = 0; i < vpc->members.n; i++)
                all &= vpc->members.items[i].interface_id != NULL;
        for (uint32_t i = 0; i < vpc->zones.n; i++)
                all &= vpc->zones.items[i].zone_id != NULL;
        for (uint32_t i = 0; i < vpc->names.n; i++)
                all &= vpc->names.items[i].names_id != NULL;
        return all;
}

static void take_vpc(struct node_network *network, const struct acs_network_vpc *vpc, struct notice *notice)
{
        struct part *part = map_get(&network->parts, vpc->vpc_id, struct part, node);
        struct notice_ref *ref;

        /* News of a VPC of which the whole is not known: that comes, or this node has no part in it. */
        if (part == NULL && !vpc->full)
                return;
        if (part == NULL)
                part = part_new(network, vpc->vpc_id);
        if (part->gone) {
                part->gone = false;
                timers_cancel(network->timers, &part->retry);
        }
        if (vpc->full)
                clear_part(part);
        take_ranges(part, vpc);
        take_items(part, vpc);
        ref = xalloc(sizeof(*ref));
        list_init(&ref->link);
        ref->notice = notice;
        notice->missing++;
        list_push(&part->queued, &ref->link);
        apply(part);
}

bool node_network_take(struct node_network *network, const struct acs_network_message *message)
{
        const struct acs_network_message head = {.message_id = message->message_id,
                                                 .cluster_arn = message->cluster_arn,
                                                 .container_instance_arn = message->container_instance_arn};
        struct notice *notice;

        if (network->vpc == NULL || str_empty(message->message_id) || message->vpcs.n > VPCS_MAX)
                return false;
        for (uint32_t i = 0; i < message->vpcs.n; i++) {
                if (!has_ids(&message->vpcs.items[i]))
                        return false;
        }
        notice = xalloc(sizeof(*notice));
        notice->head = SHAPE_PACK(acs_network_message, (struct acs_network_message *)&head);
        notice->missing = 1; /* this loop itself */
        if (message->all)
                leave_others(network, message);
        for (uint32_t i = 0; i < message->gone.n; i++) {
                struct part *part = map_get(&network->parts, message->gone.items[i], struct part, node);

                if (part != NULL)
                        leave(part);
        }
        for (uint32_t i = 0; i < message->vpcs.n; i++)
                take_vpc(network, &message->vpcs.items[i], notice);
        notice_done(network, notice, NULL);
        return true;
}

/* ---- waiting for an interface ---- */

static void wait_fires(struct timer *timer)
{
        struct network_wait *wait = CONTAINER_OF(timer, struct network_wait, timer);
        struct error error = {0};

        (void)error_api(&error, "ResourceInitializationError",
                        "Timeout waiting for network interface provisioning to complete: the server has not told this node of the task's "
                        "interface %s; look for \"VPC\" in the node's log",
                        wait->interface);
        network_wait_cancel(wait);
        wait->done(wait, &error);
}

void node_network_wait(struct node_network *network, struct network_wait *wait, const char *interface)
{
        if (vpc_network_of(network->vpc, interface) != NULL) {
                wait->done(wait, NULL);
                return;
        }
        wait->network = network;
        wait->interface = xstrdup(interface);
        list_init(&wait->link);
        list_push(&network->waits, &wait->link);
        timers_set(network->timers, &wait->timer, WAIT_MS, wait_fires);
}

void network_wait_cancel(struct network_wait *wait)
{
        if (wait->network == NULL)
                return;
        timers_cancel(wait->network->timers, &wait->timer);
        list_remove(&wait->link);
        free(TAKE(wait->interface));
        wait->network = NULL;
}

void node_network_init(struct node_network *network, struct vpc *vpc, struct timers *timers)
{
        *network = (struct node_network){.vpc = vpc, .timers = timers};
        map_init(&network->parts);
        list_init(&network->waits);
}

void node_network_done(struct node_network *network)
{
        map_for_each (node, &network->parts)
                part_free(CONTAINER_OF(node, struct part, node));
        map_done(&network->parts);
        list_for_each (wait, &network->waits, struct network_wait, link)
                network_wait_cancel(wait);
}
