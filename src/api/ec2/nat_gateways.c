/* SPDX-License-Identifier: Apache-2.0 */
/* NAT gateways: a subnet whose routes lead to one reaches the outside under its node's address, and cannot be reached from there. */
#include "api/ec2/common.h"
#include "base/strutil.h"

const struct ec2_filter_name ec2_nat_gateway_filters[] = {
        {"nat-gateway-id", "natGatewayId"}, {"state", "state"}, {"subnet-id", "subnetId"}, {"vpc-id", "vpcId"}, {NULL, NULL},
};

void ec2_show_nat_gateway(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct state_nat_gateway *state = CONTAINER_OF(object, struct nat_gateway, object)->state;
        const struct network_interface *interface = model_network_interface(call->model, state->interface);
        struct ec2_nat_gateway_address *address;
        struct ec2_nat_gateway *out = view;

        out->nat_gateway_id = state->id;
        out->vpc_id = state->vpc;
        out->subnet_id = state->subnet;
        out->state = "available";
        out->create_time = state->created_at;
        out->connectivity_type = state->connectivity;
        out->availability_mode = "zonal";
        out->tag_set = state->tags;
        if (interface == NULL)
                return;
        address = SHAPE_PUSH(arena, &out->nat_gateway_address_set);
        address->network_interface_id = interface->state->id;
        address->private_ip = interface->state->address;
        SHAPE_SET(address, ec2_nat_gateway_address, is_primary, true);
        address->status = "succeeded";
        if (interface->elastic == NULL)
                return;
        address->allocation_id = interface->elastic->state->id;
        address->association_id = interface->elastic->state->association;
        address->public_ip = interface->elastic->state->address;
}

/* ---- Making ---- */

struct plan {
        struct subnet *subnet;
        struct elastic_address *address; /* NULL: private */
        const char *connectivity;
        struct ecs_tag_list tags;
};

static int check_features(struct api_call *call, const struct ec2_create_nat_gateway_request *in)
{
        int r = ec2_refuse(call,
                           in->secondary_allocation_id.n > 0 || in->secondary_private_ip_address.n > 0 ||
                                   in->secondary_private_ip_address_count > 0,
                           "SecondaryAllocationId", "a NAT gateway has one address.");

        if (r == 0)
                r = ec2_refuse(call, in->availability_mode != NULL && !str_eq(in->availability_mode, "zonal"), "AvailabilityMode",
                               "NAT gateways are zonal.");
        if (r == 0 && in->subnet_id == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter SubnetId");
        return r;
}

static int read_address(struct api_call *call, const struct ec2_create_nat_gateway_request *in, struct plan *plan)
{
        bool is_private = str_eq(in->connectivity_type, "private");
        int r;

        if (in->connectivity_type != NULL && !is_private && !str_eq(in->connectivity_type, "public"))
                return api_fail(call, "InvalidParameterValue",
                                "Value (%.50s) for parameter connectivityType is invalid: public or private.", in->connectivity_type);
        plan->connectivity = is_private ? "private" : "public";
        if (is_private)
                return in->allocation_id == NULL ? 0
                                                 : api_fail(call, "InvalidParameterCombination",
                                                            "A private NAT gateway has no elastic address: leave AllocationId out.");
        if (in->allocation_id == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter AllocationId");
        r = EC2_FIND(call, elastic_address, OBJECT_ELASTIC_ADDRESS, in->allocation_id, &plan->address);
        if (r != 0)
                return r;
        if (plan->address->interface != NULL)
                return api_fail(call, "Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", in->allocation_id);
        if (list_empty(&plan->subnet->vpc->internet_gateways))
                return api_fail(call, "Gateway.NotAttached", "Network %s has no Internet gateway attached", plan->subnet->state->vpc);
        return 0;
}

static void associate(struct api_call *call, struct tx *tx, struct elastic_address *address, const char *interface)
{
        struct state_elastic_address *state = tx_edit(tx, &address->object);

        state->association = network_id(call->model, tx_arena(tx), "eipassoc");
        state->interface = interface;
        tx_put(tx, &address->object, state);
}

static int make(struct api_call *call, struct tx *tx, const struct ec2_create_nat_gateway_request *in, const struct plan *plan,
                struct object **ret)
{
        struct state_nat_gateway state = {.id = network_id(call->model, call->arena, "nat"),
                                          .vpc = plan->subnet->state->vpc,
                                          .subnet = plan->subnet->state->id,
                                          .connectivity = plan->connectivity,
                                          .allocation = in->allocation_id,
                                          .tags = plan->tags,
                                          .created_at = call->now_ms};
        struct interface_request request = {.subnet = plan->subnet,
                                            .address = in->private_ip_address,
                                            .use = STATE_INTERFACE_USE_NAT_GATEWAY,
                                            .owner = state.id,
                                            .requester_id = "amazon-aws",
                                            .description = arena_printf(call->arena, "Interface for NAT Gateway %s", state.id)};
        struct network_interface *interface;
        int r = network_interface_create(call->model, tx, &request, &interface, &call->error);

        if (r != 0)
                return r;
        state.interface = interface->state->id;
        *ret = tx_insert(tx, OBJECT_NAT_GATEWAY, &state);
        if (plan->address != NULL)
                associate(call, tx, plan->address, state.interface);
        ec2_token_remember(call, tx, in->client_token, in, state.id);
        return 0;
}

static void answer(struct api_call *call, struct object *object, const char *token, struct ec2_create_nat_gateway_result *out)
{
        out->nat_gateway = ARENA_NEW(call->arena, struct ec2_nat_gateway);
        ec2_show_nat_gateway(call, call->arena, object, out->nat_gateway);
        out->client_token = token;
}

static int create_gateway(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_nat_gateway_request *in = input;
        struct nat_gateway *earlier_gateway;
        struct plan plan = {0};
        struct object *object;
        const char *earlier;
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, in, &earlier);

        if (r == 0 && earlier != NULL && (earlier_gateway = model_nat_gateway(call->model, earlier)) != NULL) {
                answer(call, &earlier_gateway->object, in->client_token, output);
                return 0;
        }
        if (r == 0)
                r = check_features(call, in);
        if (r == 0)
                r = EC2_FIND(call, subnet, OBJECT_SUBNET, in->subnet_id, &plan.subnet);
        if (r == 0)
                r = read_address(call, in, &plan);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "natgateway", &plan.tags);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        r = make(call, tx, in, &plan, &object);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        (void)tx_commit(tx);
        answer(call, object, in->client_token, output);
        return 0;
}

/* ---- Showing, deleting ---- */

static int describe_gateways(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_nat_gateways_request *in = input;
        struct ec2_describe_nat_gateways_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_nat_gateways_request, in, nat_gateway_id);

        return ec2_describe(call, ec2_kind(OBJECT_NAT_GATEWAY), &query, &out->nat_gateway_set, &out->next_token);
}

/* It is gone at once: clients take NatGatewayNotFound for the state "deleted". */
static int delete_gateway(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_nat_gateway_request *in = input;
        struct ec2_delete_nat_gateway_result *out = output;
        struct network_interface *interface;
        struct nat_gateway *gateway;
        struct tx *tx;
        int r = EC2_FIND(call, nat_gateway, OBJECT_NAT_GATEWAY, in->nat_gateway_id, &gateway);

        if (r != 0)
                return r;
        out->nat_gateway_id = in->nat_gateway_id;
        interface = model_network_interface(call->model, gateway->state->interface);
        tx = tx_begin(call->model);
        tx_remove(tx, &gateway->object);
        if (interface != NULL)
                network_interface_delete(tx, interface);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ec2_nat_gateway_routes[] = {
        {EC2_OP_CREATE_NAT_GATEWAY, create_gateway},
        {EC2_OP_DESCRIBE_NAT_GATEWAYS, describe_gateways},
        {EC2_OP_DELETE_NAT_GATEWAY, delete_gateway},
        {0, NULL},
};
