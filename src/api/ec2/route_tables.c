/* SPDX-License-Identifier: Apache-2.0 */
/* Route tables and their associations with subnets. The routes inside: table_routes.c. */
#include "api/ec2/common.h"
#include "base/strutil.h"

#define MAX_TABLES 200

const struct ec2_filter_name ec2_route_table_filters[] = {
        {"route-table-id", "routeTableId"},
        {"vpc-id", "vpcId"},
        {"owner-id", "ownerId"},
        {"association.gateway-id", "associationSet.gatewayId"},
        {"association.main", "associationSet.main"},
        {"association.route-table-association-id", "associationSet.routeTableAssociationId"},
        {"association.route-table-id", "associationSet.routeTableId"},
        {"association.subnet-id", "associationSet.subnetId"},
        {"route.destination-cidr-block", "routeSet.destinationCidrBlock"},
        {"route.destination-ipv6-cidr-block", "routeSet.destinationIpv6CidrBlock"},
        {"route.destination-prefix-list-id", "routeSet.destinationPrefixListId"},
        {"route.egress-only-internet-gateway-id", NULL},
        {"route.gateway-id", "routeSet.gatewayId"},
        {"route.instance-id", NULL},
        {"route.nat-gateway-id", "routeSet.natGatewayId"},
        {"route.network-interface-id", "routeSet.networkInterfaceId"},
        {"route.origin", "routeSet.origin"},
        {"route.state", "routeSet.state"},
        {"route.transit-gateway-id", NULL},
        {"route.vpc-peering-connection-id", NULL},
        {NULL, NULL},
};

/* Whether what the route leads to is there: else packets vanish. */
static bool leads_somewhere(struct api_call *call, const struct route_table *table, const struct state_route *route)
{
        const struct internet_gateway *gateway = model_internet_gateway(call->model, route->gateway);

        if (route->nat_gateway != NULL)
                return model_nat_gateway(call->model, route->nat_gateway) != NULL;
        if (route->interface != NULL)
                return model_network_interface(call->model, route->interface) != NULL;
        if (str_starts_with(route->gateway, "vpce-"))
                return model_vpc_endpoint(call->model, route->gateway) != NULL;
        return str_eq(route->gateway, "local") || (gateway != NULL && gateway->vpc == table->vpc);
}

static void show_route(struct api_call *call, const struct route_table *table, const struct state_route *route, struct ec2_route *out)
{
        out->destination_cidr_block = route->destination;
        out->destination_ipv6_cidr_block = route->destination_ipv6;
        out->destination_prefix_list_id = route->destination_list;
        out->gateway_id = route->gateway;
        out->nat_gateway_id = route->nat_gateway;
        out->network_interface_id = route->interface;
        out->origin = route->origin;
        out->state = leads_somewhere(call, table, route) ? "active" : "blackhole";
}

static struct ec2_route_table_association_state *associated(struct arena *arena)
{
        struct ec2_route_table_association_state *state = ARENA_NEW(arena, struct ec2_route_table_association_state);

        state->state = "associated";
        return state;
}

void ec2_show_route_table(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct route_table *table = CONTAINER_OF(object, struct route_table, object);
        const struct state_route_table *state = table->state;
        struct ec2_route_table *out = view;

        out->route_table_id = state->id;
        out->vpc_id = state->vpc;
        out->owner_id = model_account(call->model);
        for (uint32_t i = 0; i < state->routes.n; i++)
                show_route(call, table, &state->routes.items[i], SHAPE_PUSH(arena, &out->route_set));
        for (uint32_t i = 0; i < state->associations.n; i++) {
                const struct state_route_table_association *association = &state->associations.items[i];
                struct ec2_route_table_association *shown = SHAPE_PUSH(arena, &out->association_set);

                SHAPE_SET(shown, ec2_route_table_association, main, association->subnet == NULL);
                shown->route_table_association_id = association->id;
                shown->route_table_id = state->id;
                shown->subnet_id = association->subnet;
                shown->association_state = associated(arena);
        }
        out->tag_set = state->tags;
}

/* ---- Making ---- */

static void answer(struct api_call *call, struct object *object, const char *token, struct ec2_create_route_table_result *out)
{
        out->route_table = ARENA_NEW(call->arena, struct ec2_route_table);
        ec2_show_route_table(call, call->arena, object, out->route_table);
        out->client_token = token;
}

static size_t count_tables(const struct vpc *vpc)
{
        size_t n = 0;

        list_for_each (table, &vpc->route_tables, struct route_table, in_vpc)
                n++;
        return n;
}

static void add_local_routes(struct api_call *call, const struct vpc *vpc, struct state_route_table *state)
{
        for (uint32_t i = 0; i < vpc->state->ranges.n; i++)
                *SHAPE_PUSH(call->arena, &state->routes) = (struct state_route){
                        .destination = vpc->state->ranges.items[i].cidr, .gateway = "local", .origin = "CreateRouteTable"};
}

static int create_table(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_route_table_request *in = input;
        struct state_route_table state = {.created_at = call->now_ms, .vpc = in->vpc_id};
        struct route_table *earlier_table;
        struct object *object;
        const char *earlier;
        struct vpc *vpc = NULL;
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, in, &earlier);

        if (r == 0 && earlier != NULL && (earlier_table = model_route_table(call->model, earlier)) != NULL) {
                answer(call, &earlier_table->object, in->client_token, output);
                return 0;
        }
        if (r == 0)
                r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "route-table", &state.tags);
        if (r != 0)
                return r;
        if (count_tables(vpc) >= MAX_TABLES)
                return api_fail(call, "RouteTableLimitExceeded", "The maximum number of route tables in a VPC (%d) has been reached.",
                                MAX_TABLES);
        state.id = network_id(call->model, call->arena, "rtb");
        add_local_routes(call, vpc, &state);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_ROUTE_TABLE, &state);
        ec2_token_remember(call, tx, in->client_token, in, state.id);
        (void)tx_commit(tx);
        answer(call, object, in->client_token, output);
        return 0;
}

static int describe_tables(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_route_tables_request *in = input;
        struct ec2_describe_route_tables_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_route_tables_request, in, route_table_id);

        return ec2_describe(call, ec2_kind(OBJECT_ROUTE_TABLE), &query, &out->route_table_set, &out->next_token);
}

/* Gateway endpoints forget a table that goes. */
static void leave_endpoints(struct tx *tx, const struct route_table *table)
{
        list_for_each (endpoint, &table->vpc->endpoints, struct vpc_endpoint, in_vpc) {
                struct state_vpc_endpoint *state;
                uint32_t kept = 0;

                if (!ec2_list_has(&endpoint->state->route_tables, table->state->id))
                        continue;
                state = tx_edit(tx, &endpoint->object);
                for (uint32_t i = 0; i < state->route_tables.n; i++)
                        if (!str_eq(state->route_tables.items[i], table->state->id))
                                state->route_tables.items[kept++] = state->route_tables.items[i];
                state->route_tables.n = kept;
                tx_put(tx, &endpoint->object, state);
        }
}

static int delete_table(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_route_table_request *in = input;
        struct route_table *table;
        struct tx *tx;
        int r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &table);

        if (r != 0)
                return r;
        if (table->state->associations.n > 0)
                return api_fail(call, "DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted (%s).",
                                in->route_table_id, table->state->associations.items[0].id);
        tx = tx_begin(call->model);
        leave_endpoints(tx, table);
        tx_remove(tx, &table->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* ---- Associations ---- */

static int find_association(struct api_call *call, const char *id, struct route_table **ret, uint32_t *ret_index)
{
        tree_for_each (node, model_objects(call->model, OBJECT_ROUTE_TABLE)) {
                struct route_table *table = MODEL_OBJECT(node, route_table);

                for (uint32_t i = 0; i < table->state->associations.n; i++)
                        if (str_eq(table->state->associations.items[i].id, id)) {
                                *ret = table;
                                *ret_index = i;
                                return 0;
                        }
        }
        return api_fail(call, "InvalidAssociationID.NotFound", "The association ID '%.100s' does not exist", id);
}

/* The subnet's own association, not the main one; NULL when it has none. */
static const struct state_route_table_association *own_association(const struct subnet *subnet)
{
        const struct route_table *table = subnet_route_table(subnet);

        for (uint32_t i = 0; i < table->state->associations.n; i++)
                if (str_eq(table->state->associations.items[i].subnet, subnet->state->id))
                        return &table->state->associations.items[i];
        return NULL;
}

static void add_association(struct tx *tx, struct route_table *table, const char *id, const char *subnet)
{
        struct state_route_table *state = tx_edit(tx, &table->object);

        *SHAPE_PUSH(tx_arena(tx), &state->associations) = (struct state_route_table_association){.id = id, .subnet = subnet};
        tx_put(tx, &table->object, state);
}

static void remove_association(struct tx *tx, struct route_table *table, uint32_t index)
{
        struct state_route_table *state = tx_edit(tx, &table->object);

        for (uint32_t i = index; i + 1 < state->associations.n; i++)
                state->associations.items[i] = state->associations.items[i + 1];
        state->associations.n--;
        tx_put(tx, &table->object, state);
}

static int associate(struct api_call *call, const void *input, void *output)
{
        const struct ec2_associate_route_table_request *in = input;
        struct ec2_associate_route_table_result *out = output;
        const struct state_route_table_association *old;
        struct route_table *table;
        struct subnet *subnet;
        struct tx *tx;
        int r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &table);

        if (r == 0)
                r = ec2_refuse(call, in->gateway_id != NULL, "GatewayId", "tables can be associated with subnets only.");
        if (r == 0 && in->subnet_id == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter SubnetId");
        if (r == 0)
                r = EC2_FIND(call, subnet, OBJECT_SUBNET, in->subnet_id, &subnet);
        if (r != 0)
                return r;
        if (subnet->vpc != table->vpc)
                return api_fail(call, "InvalidParameterValue", "Route table %s and subnet %s belong to different networks",
                                in->route_table_id, in->subnet_id);
        out->association_state = associated(call->arena);
        old = own_association(subnet);
        if (old != NULL && subnet_route_table(subnet) != table)
                return api_fail(call, "Resource.AlreadyAssociated",
                                "the specified association for route table %s conflicts with an existing association (%s)",
                                in->route_table_id, old->id);
        if (old != NULL) {
                out->association_id = old->id;
                return 0;
        }
        out->association_id = network_id(call->model, call->arena, "rtbassoc");
        tx = tx_begin(call->model);
        add_association(tx, table, out->association_id, in->subnet_id);
        (void)tx_commit(tx);
        return 0;
}

static int disassociate(struct api_call *call, const void *input, void *output)
{
        const struct ec2_disassociate_route_table_request *in = input;
        struct route_table *table;
        struct tx *tx;
        uint32_t index;
        int r = find_association(call, in->association_id, &table, &index);

        if (r != 0)
                return r;
        if (table->state->associations.items[index].subnet == NULL)
                return api_fail(call, "InvalidParameterValue", "cannot disassociate the main route table association %s",
                                in->association_id);
        tx = tx_begin(call->model);
        remove_association(tx, table, index);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* Also how a VPC gets another main table. */
static int replace_association(struct api_call *call, const void *input, void *output)
{
        const struct ec2_replace_route_table_association_request *in = input;
        struct ec2_replace_route_table_association_result *out = output;
        struct route_table *from, *to;
        const char *subnet;
        struct tx *tx;
        uint32_t index;
        int r = find_association(call, in->association_id, &from, &index);

        if (r == 0)
                r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &to);
        if (r != 0)
                return r;
        if (from->vpc != to->vpc)
                return api_fail(call, "InvalidParameterValue", "Route tables %s and %s belong to different networks", from->state->id,
                                in->route_table_id);
        subnet = arena_strdup(call->arena, from->state->associations.items[index].subnet);
        out->association_state = associated(call->arena);
        out->new_association_id = network_id(call->model, call->arena, "rtbassoc");
        tx = tx_begin(call->model);
        remove_association(tx, from, index);
        add_association(tx, to, out->new_association_id, subnet);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ec2_route_table_routes[] = {
        {EC2_OP_CREATE_ROUTE_TABLE, create_table},
        {EC2_OP_DESCRIBE_ROUTE_TABLES, describe_tables},
        {EC2_OP_DELETE_ROUTE_TABLE, delete_table},
        {EC2_OP_ASSOCIATE_ROUTE_TABLE, associate},
        {EC2_OP_DISASSOCIATE_ROUTE_TABLE, disassociate},
        {EC2_OP_REPLACE_ROUTE_TABLE_ASSOCIATION, replace_association},
        {0, NULL},
};
