/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs and subnets as they are when they are new: see network.h. */
#include "control/network.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "control/interface.h"

#define VPC_NUMBERS 0xffffff /* of a VXLAN header */
#define MAX_ZONE_NAME 64
#define ALL_PROTOCOLS "-1"
#define ANYWHERE "0.0.0.0/0"

static const char *format_range(struct arena *arena, struct cidr range)
{
        char *text = arena_bytes(arena, CIDR_TEXT_MAX);

        cidr_format(range, text);
        return text;
}

/* One more than the greatest, so that numbers are reused late; from the start again behind the last. */
static int32_t new_number(const struct model *model)
{
        int32_t greatest = 0;

        tree_for_each (node, model_objects(model, OBJECT_VPC))
                greatest = MAX(greatest, MODEL_OBJECT(node, vpc)->state->number);
        if (greatest < VPC_NUMBERS)
                return greatest + 1;
        for (int32_t number = 1;; number++) {
                bool taken = false;

                tree_for_each (node, model_objects(model, OBJECT_VPC))
                        taken |= MODEL_OBJECT(node, vpc)->state->number == number;
                if (!taken)
                        return number;
        }
}

static void make_group(struct model *model, struct tx *tx, const char *vpc, int64_t now)
{
        struct arena *arena = tx_arena(tx);
        struct state_security_group state = {.id = network_id(model, arena, "sg"),
                                             .vpc = vpc,
                                             .name = "default",
                                             .description = "default VPC security group",
                                             .created_at = now};

        for (int egress = 0; egress < 2; egress++) {
                struct state_security_group_rule *rule = SHAPE_PUSH(arena, &state.rules);

                rule->id = network_id(model, arena, "sgr");
                SHAPE_SET(rule, state_security_group_rule, egress, egress != 0);
                rule->protocol = ALL_PROTOCOLS;
                SHAPE_SET(rule, state_security_group_rule, from_port, -1);
                SHAPE_SET(rule, state_security_group_rule, to_port, -1);
                rule->group = egress ? NULL : state.id;
                rule->cidr = egress ? ANYWHERE : NULL;
        }
        (void)tx_insert(tx, OBJECT_SECURITY_GROUP, &state);
}

static void make_route_table(struct model *model, struct tx *tx, const char *vpc, const char *range, int64_t now)
{
        struct arena *arena = tx_arena(tx);
        struct state_route_table state = {.id = network_id(model, arena, "rtb"), .vpc = vpc, .created_at = now};
        struct state_route *local = SHAPE_PUSH(arena, &state.routes);

        *local = (struct state_route){.destination = range, .gateway = "local", .origin = "CreateRouteTable"};
        SHAPE_PUSH(arena, &state.associations)->id = network_id(model, arena, "rtbassoc");
        (void)tx_insert(tx, OBJECT_ROUTE_TABLE, &state);
}

void network_acl_add_entries(struct arena *arena, struct state_network_acl *state, bool open)
{
        for (int i = 0; i < 4; i++) {
                bool allow = i % 2 == 0;
                struct state_acl_entry *entry;

                if (allow && !open)
                        continue;
                entry = SHAPE_PUSH(arena, &state->entries);
                SHAPE_SET(entry, state_acl_entry, number, allow ? 100 : 32767);
                SHAPE_SET(entry, state_acl_entry, egress, i < 2);
                SHAPE_SET(entry, state_acl_entry, allow, allow);
                entry->protocol = ALL_PROTOCOLS;
                entry->cidr = ANYWHERE;
        }
}

static void make_acl(struct model *model, struct tx *tx, const char *vpc, int64_t now)
{
        struct arena *arena = tx_arena(tx);
        struct state_network_acl state = {.id = network_id(model, arena, "acl"), .vpc = vpc, .created_at = now};

        SHAPE_SET(&state, state_network_acl, is_default, true);
        network_acl_add_entries(arena, &state, true);
        (void)tx_insert(tx, OBJECT_NETWORK_ACL, &state);
}

struct vpc *network_vpc_create(struct model *model, struct tx *tx, const struct vpc_request *request)
{
        struct arena *arena = tx_arena(tx);
        int64_t now = env_now_ms(model_env(model));
        struct state_vpc state = {.id = network_id(model, arena, "vpc"), .tags = request->tags, .created_at = now};
        struct state_vpc_range *range = SHAPE_PUSH(arena, &state.ranges);
        struct object *object;

        range->cidr = format_range(arena, request->range);
        range->association_id = network_id(model, arena, "vpc-cidr-assoc");
        SHAPE_SET(&state, state_vpc, number, new_number(model));
        SHAPE_SET(&state, state_vpc, is_default, request->is_default);
        SHAPE_SET(&state, state_vpc, dns_support, true);
        SHAPE_SET(&state, state_vpc, dns_hostnames, request->is_default);
        state.tenancy = request->tenancy != NULL ? request->tenancy : "default";
        object = tx_insert(tx, OBJECT_VPC, &state);
        make_group(model, tx, state.id, now);
        make_route_table(model, tx, state.id, range->cidr, now);
        make_acl(model, tx, state.id, now);
        return CONTAINER_OF(object, struct vpc, object);
}

static const char *default_acl(const struct vpc *vpc)
{
        list_for_each (acl, &vpc->acls, struct network_acl, in_vpc)
                if (acl->state->is_default)
                        return acl->state->id;
        return NULL;
}

struct subnet *network_subnet_create(struct model *model, struct tx *tx, const struct subnet_request *request)
{
        struct arena *arena = tx_arena(tx);
        struct state_subnet state = {.id = network_id(model, arena, "subnet"),
                                     .vpc = request->vpc->state->id,
                                     .zone = request->zone,
                                     .cidr = format_range(arena, request->range),
                                     .hostname_type = "ip-name",
                                     .acl = default_acl(request->vpc),
                                     .acl_association = network_id(model, arena, "aclassoc"),
                                     .tags = request->tags,
                                     .created_at = env_now_ms(model_env(model))};

        SHAPE_SET(&state, state_subnet, is_default, request->is_default);
        SHAPE_SET(&state, state_subnet, map_public_ip, request->is_default);
        return CONTAINER_OF(tx_insert(tx, OBJECT_SUBNET, &state), struct subnet, object);
}

/* ---- The default VPC ---- */

static bool is_taken(const struct vpc *vpc, struct cidr range)
{
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                if (cidr_overlaps(subnet->range, range))
                        return true;
        return false;
}

struct subnet *network_default_subnet(struct model *model, struct tx *tx, struct vpc *vpc, const char *zone)
{
        struct cidr whole;

        if (cidr_parse(vpc->state->ranges.items[0].cidr, &whole) < 0)
                return NULL;
        for (int prefix = MIN(whole.prefix + 4, 28), i = 0; i < 1 << (prefix - whole.prefix); i++) {
                struct cidr range = {.address = whole.address + ((uint32_t)i << (32 - prefix)), .prefix = prefix};

                if (!is_taken(vpc, range))
                        return network_subnet_create(
                                model, tx, &(struct subnet_request){.vpc = vpc, .range = range, .zone = zone, .is_default = true});
        }
        return NULL;
}

/* A gateway to the world, and the main table's route to it. */
static void open_to_the_world(struct model *model, struct tx *tx, struct vpc *vpc)
{
        struct arena *arena = tx_arena(tx);
        struct state_internet_gateway gateway = {
                .id = network_id(model, arena, "igw"), .vpc = vpc->state->id, .created_at = env_now_ms(model_env(model))};
        struct route_table *table = vpc_main_route_table(vpc);
        struct state_route_table *state = tx_edit(tx, &table->object);

        (void)tx_insert(tx, OBJECT_INTERNET_GATEWAY, &gateway);
        *SHAPE_PUSH(arena, &state->routes) = (struct state_route){.destination = ANYWHERE, .gateway = gateway.id, .origin = "CreateRoute"};
        tx_put(tx, &table->object, state);
}

struct vpc *network_default_create(struct model *model, struct tx *tx, struct cidr range)
{
        struct vpc *vpc = network_vpc_create(model, tx, &(struct vpc_request){.range = range, .is_default = true});
        const struct string_list *zones = &model_meta(model)->zones;

        open_to_the_world(model, tx, vpc);
        for (uint32_t i = 0; i < zones->n; i++)
                (void)network_default_subnet(model, tx, vpc, zones->items[i]);
        return vpc;
}

/* ---- Zones ---- */

bool network_zone_known(const struct model *model, const char *zone)
{
        const struct string_list *zones = &model_meta(model)->zones;

        for (uint32_t i = 0; i < zones->n; i++)
                if (str_eq(zones->items[i], zone))
                        return true;
        return false;
}

static struct object *meta_object(const struct model *model)
{
        return CONTAINER_OF(tree_first(model_objects(model, OBJECT_META)), struct object, node);
}

static void add_zone(struct model *model, struct tx *tx, const char *zone)
{
        struct state_meta *meta;

        if (!str_is_name(zone, "-_.", MAX_ZONE_NAME) || network_zone_known(model, zone) || model_meta(model)->zones.n >= NETWORK_MAX_ZONES)
                return;
        meta = tx_edit(tx, meta_object(model));
        string_list_push(tx_arena(tx), &meta->zones, arena_strdup(tx_arena(tx), zone));
        tx_put(tx, meta_object(model), meta);
}

void network_learn_zone(struct model *model, struct tx *tx, const char *zone)
{
        struct vpc *vpc = model_default_vpc(model);

        if (str_empty(zone) || network_zone_known(model, zone))
                return;
        add_zone(model, tx, zone);
        if (network_zone_known(model, zone) && vpc != NULL)
                (void)network_default_subnet(model, tx, vpc, zone);
}

static void add_zones(struct model *model, struct tx *tx)
{
        for (int c = 'a'; c <= 'c'; c++)
                add_zone(model, tx, arena_printf(tx_arena(tx), "%s%c", model_region(model), c));
        tree_for_each (node, model_objects(model, OBJECT_INSTANCE)) {
                const char *zone = MODEL_OBJECT(node, instance)->zone;

                if (!str_empty(zone))
                        add_zone(model, tx, zone);
        }
}

int network_ensure(struct model *model, const char *range, struct error *error)
{
        struct state_meta *meta;
        struct cidr cidr;
        struct tx *tx;

        if (range == NULL)
                range = NETWORK_DEFAULT_RANGE;
        if (cidr_parse(range, &cidr) < 0 || cidr.prefix < 16 || cidr.prefix > 28)
                return error_set(error, EINVAL, "\"%.50s\" is no range for the default VPC: write one like %s, with a prefix of 16 to 28",
                                 range, NETWORK_DEFAULT_RANGE);
        if (model_meta(model)->networks_at != 0)
                return 0;
        tx = tx_begin(model);
        add_zones(model, tx);
        (void)network_default_create(model, tx, cidr);
        meta = tx_edit(tx, meta_object(model));
        meta->networks_at = env_now_ms(model_env(model));
        tx_put(tx, meta_object(model), meta);
        (void)tx_commit(tx);
        return 0;
}
