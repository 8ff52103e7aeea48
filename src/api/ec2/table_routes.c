/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of a route table: CreateRoute, ReplaceRoute, DeleteRoute. */
#include "api/ec2/rules.h"
#include "base/strutil.h"

#define MAX_ROUTES 1000

/* ---- What the request names ---- */

static int read_destination(struct api_call *call, const struct ec2_route_request *in, struct state_route *out)
{
        int given =
                (in->destination_cidr_block != NULL) + (in->destination_ipv6_cidr_block != NULL) + (in->destination_prefix_list_id != NULL);
        struct cidr cidr;
        int r;

        if (given != 1)
                return api_fail(call, given == 0 ? "MissingParameter" : "InvalidParameterCombination",
                                "The request must contain exactly one of DestinationCidrBlock, DestinationIpv6CidrBlock and "
                                "DestinationPrefixListId.");
        if (in->destination_ipv6_cidr_block != NULL) {
                char *text = arena_bytes(call->arena, 50);

                if (cidr_normalise_ipv6(in->destination_ipv6_cidr_block, text) < 0)
                        return api_fail(call, "InvalidParameterValue",
                                        "Value (%.50s) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block.",
                                        in->destination_ipv6_cidr_block);
                out->destination_ipv6 = text;
        } else if (in->destination_prefix_list_id != NULL) {
                if (!ec2_prefix_list_known(in->destination_prefix_list_id))
                        return api_fail(call, "InvalidPrefixListID.NotFound", "The prefix list ID '%.50s' does not exist",
                                        in->destination_prefix_list_id);
                out->destination_list = in->destination_prefix_list_id;
        } else {
                char *text = arena_bytes(call->arena, CIDR_TEXT_MAX);

                r = ec2_read_cidr(call, "destinationCidrBlock", in->destination_cidr_block, &cidr);
                if (r != 0)
                        return r;
                cidr_format(cidr, text);
                out->destination = text;
        }
        return 0;
}

static int refuse_targets(struct api_call *call, const struct ec2_route_request *in)
{
        const struct {
                const char *value, *name;
        } rows[] = {
                {in->instance_id, "InstanceId"},
                {in->transit_gateway_id, "TransitGatewayId"},
                {in->vpc_peering_connection_id, "VpcPeeringConnectionId"},
                {in->egress_only_internet_gateway_id, "EgressOnlyInternetGatewayId"},
                {in->local_gateway_id, "LocalGatewayId"},
                {in->carrier_gateway_id, "CarrierGatewayId"},
                {in->core_network_arn, "CoreNetworkArn"},
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
                r = ec2_refuse(call, rows[i].value != NULL, rows[i].name,
                               "a route can lead to an internet gateway, a NAT gateway, a network interface or a VPC endpoint.");
        return r;
}

static int different_networks(struct api_call *call, const struct route_table *table, const char *target)
{
        return api_fail(call, "InvalidParameterValue", "route table %s and network gateway %s belong to different networks",
                        table->state->id, target);
}

static int read_gateway(struct api_call *call, const struct route_table *table, const char *id, struct state_route *out)
{
        struct internet_gateway *gateway;
        struct vpc_endpoint *endpoint;
        int r;

        out->gateway = id;
        if (str_starts_with(id, "vpce-")) {
                r = EC2_FIND(call, vpc_endpoint, OBJECT_VPC_ENDPOINT, id, &endpoint);
                return r == 0 && endpoint->vpc != table->vpc ? different_networks(call, table, id) : r;
        }
        if (model_internet_gateway(call->model, id) == NULL)
                return api_fail(call, "InvalidGatewayID.NotFound", "The gateway ID '%.100s' does not exist", id);
        r = EC2_FIND(call, internet_gateway, OBJECT_INTERNET_GATEWAY, id, &gateway);
        return r == 0 && gateway->vpc != table->vpc ? different_networks(call, table, id) : r;
}

static int read_target(struct api_call *call, const struct ec2_route_request *in, const struct route_table *table, struct state_route *out)
{
        const char *gateway = in->gateway_id != NULL ? in->gateway_id : in->vpc_endpoint_id;
        int given = (in->gateway_id != NULL) + (in->vpc_endpoint_id != NULL) + (in->nat_gateway_id != NULL) +
                    (in->network_interface_id != NULL);
        struct network_interface *interface;
        struct nat_gateway *nat;
        int r = refuse_targets(call, in);

        if (r != 0)
                return r;
        if (given != 1)
                return api_fail(call, given == 0 ? "MissingParameter" : "InvalidParameterCombination",
                                "The request must contain exactly one of GatewayId, NatGatewayId, NetworkInterfaceId and VpcEndpointId.");
        if (gateway != NULL)
                return read_gateway(call, table, gateway, out);
        if (in->nat_gateway_id != NULL) {
                out->nat_gateway = in->nat_gateway_id;
                r = EC2_FIND(call, nat_gateway, OBJECT_NAT_GATEWAY, in->nat_gateway_id, &nat);
                return r == 0 && nat->vpc != table->vpc ? different_networks(call, table, in->nat_gateway_id) : r;
        }
        out->interface = in->network_interface_id;
        r = EC2_FIND(call, network_interface, OBJECT_NETWORK_INTERFACE, in->network_interface_id, &interface);
        return r == 0 && interface->subnet->vpc != table->vpc ? different_networks(call, table, in->network_interface_id) : r;
}

/* What is inside of the VPC is reached directly. */
static int check_destination(struct api_call *call, const struct route_table *table, const struct state_route *route)
{
        struct cidr destination, range;

        if (route->destination == NULL || route->interface != NULL || cidr_parse(route->destination, &destination) < 0)
                return 0;
        for (uint32_t i = 0; i < table->vpc->state->ranges.n; i++)
                if (cidr_parse(table->vpc->state->ranges.items[i].cidr, &range) == 0 && cidr_contains(range, destination))
                        return api_fail(
                                call, "InvalidParameterValue",
                                "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. This "
                                "route can target only an interface or an instance.",
                                route->destination);
        return 0;
}

static const char *name_of(const struct state_route *route)
{
        if (route->destination != NULL)
                return route->destination;
        return route->destination_ipv6 != NULL ? route->destination_ipv6 : route->destination_list;
}

/* Index of the route with the same destination, or -1. */
static int64_t find_route(const struct state_route_table *state, const struct state_route *route)
{
        for (uint32_t i = 0; i < state->routes.n; i++)
                if (str_eq(name_of(&state->routes.items[i]), name_of(route)))
                        return i;
        return -1;
}

static int not_found(struct api_call *call, const struct route_table *table, const struct state_route *route)
{
        return api_fail(call, "InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", name_of(route),
                        table->state->id);
}

/* ---- The operations ---- */

/* Stores the route at `index`, or at the end with -1. */
static void put_route(struct api_call *call, struct route_table *table, int64_t index, const struct state_route *route)
{
        struct tx *tx = tx_begin(call->model);
        struct state_route_table *state = tx_edit(tx, &table->object);

        if (index < 0)
                *SHAPE_PUSH(tx_arena(tx), &state->routes) = *route;
        else
                state->routes.items[index] = *route;
        tx_put(tx, &table->object, state);
        (void)tx_commit(tx);
}

static int create_route(struct api_call *call, const void *input, void *output)
{
        const struct ec2_route_request *in = input;
        struct state_route route = {.origin = "CreateRoute"};
        struct route_table *table;
        int r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &table);

        if (r == 0)
                r = read_destination(call, in, &route);
        if (r == 0)
                r = read_target(call, in, table, &route);
        if (r == 0)
                r = check_destination(call, table, &route);
        if (r != 0)
                return r;
        if (find_route(table->state, &route) >= 0)
                return api_fail(call, "RouteAlreadyExists", "The route identified by %s already exists.", name_of(&route));
        if (table->state->routes.n >= MAX_ROUTES)
                return api_fail(call, "RouteLimitExceeded", "The maximum number of routes in a route table (%d) has been reached.",
                                MAX_ROUTES);
        put_route(call, table, -1, &route);
        return ec2_done(output);
}

static int replace_route(struct api_call *call, const void *input, void *output)
{
        const struct ec2_route_request *in = input;
        struct state_route route = {.origin = "CreateRoute"};
        struct route_table *table;
        int64_t index;
        int r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &table);

        if (r == 0)
                r = read_destination(call, in, &route);
        if (r != 0)
                return r;
        index = find_route(table->state, &route);
        if (index < 0)
                return not_found(call, table, &route);
        if (in->local_target) {
                if (!str_eq(table->state->routes.items[index].origin, "CreateRouteTable"))
                        return api_fail(call, "InvalidParameterValue", "The route %s is not a local route.", name_of(&route));
                route.gateway = "local";
        } else {
                r = read_target(call, in, table, &route);
                if (r == 0)
                        r = check_destination(call, table, &route);
        }
        if (r != 0)
                return r;
        route.origin = str_eq(table->state->routes.items[index].origin, "CreateRouteTable") ? "CreateRouteTable" : "CreateRoute";
        put_route(call, table, index, &route);
        return ec2_done(output);
}

static int delete_route(struct api_call *call, const void *input, void *output)
{
        const struct ec2_route_request *in = input;
        struct state_route_table *state;
        struct state_route route = {0};
        struct route_table *table;
        struct tx *tx;
        int64_t index;
        int r = EC2_FIND(call, route_table, OBJECT_ROUTE_TABLE, in->route_table_id, &table);

        if (r == 0)
                r = read_destination(call, in, &route);
        if (r != 0)
                return r;
        index = find_route(table->state, &route);
        if (index < 0)
                return not_found(call, table, &route);
        if (str_eq(table->state->routes.items[index].origin, "CreateRouteTable"))
                return api_fail(call, "InvalidParameterValue", "cannot remove local route %s in route table %s", name_of(&route),
                                in->route_table_id);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &table->object);
        for (; (uint32_t)index + 1 < state->routes.n; index++)
                state->routes.items[index] = state->routes.items[index + 1];
        state->routes.n--;
        tx_put(tx, &table->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_route_routes[] = {
        {EC2_OP_CREATE_ROUTE, create_route},
        {EC2_OP_REPLACE_ROUTE, replace_route},
        {EC2_OP_DELETE_ROUTE, delete_route},
        {0, NULL},
};
