/* SPDX-License-Identifier: Apache-2.0 */
/* Internet gateways: a subnet whose routes lead to one reaches what its node reaches. */
#include "api/ec2/common.h"
#include "base/strutil.h"

const struct ec2_filter_name ec2_internet_gateway_filters[] = {
        {"internet-gateway-id", "internetGatewayId"},
        {"attachment.state", "attachmentSet.state"},
        {"attachment.vpc-id", "attachmentSet.vpcId"},
        {"owner-id", "ownerId"},
        {NULL, NULL},
};

void ec2_show_internet_gateway(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct state_internet_gateway *state = CONTAINER_OF(object, struct internet_gateway, object)->state;
        struct ec2_internet_gateway *out = view;

        out->internet_gateway_id = state->id;
        out->owner_id = model_account(call->model);
        if (state->vpc != NULL)
                *SHAPE_PUSH(arena, &out->attachment_set) =
                        (struct ec2_internet_gateway_attachment){.state = "available", .vpc_id = state->vpc};
        out->tag_set = state->tags;
}

static int create_gateway(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_internet_gateway_request *in = input;
        struct ec2_create_internet_gateway_result *out = output;
        struct state_internet_gateway state = {.created_at = call->now_ms};
        struct object *object;
        struct tx *tx;
        int r = ec2_tags_of(call, &in->tag_specification, "internet-gateway", &state.tags);

        if (r != 0)
                return r;
        state.id = network_id(call->model, call->arena, "igw");
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_INTERNET_GATEWAY, &state);
        (void)tx_commit(tx);
        out->internet_gateway = ARENA_NEW(call->arena, struct ec2_internet_gateway);
        ec2_show_internet_gateway(call, call->arena, object, out->internet_gateway);
        return 0;
}

static int describe_gateways(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_internet_gateways_request *in = input;
        struct ec2_describe_internet_gateways_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_internet_gateways_request, in, internet_gateway_id);

        return ec2_describe(call, ec2_kind(OBJECT_INTERNET_GATEWAY), &query, &out->internet_gateway_set, &out->next_token);
}

static void set_vpc(struct api_call *call, struct internet_gateway *gateway, const char *vpc)
{
        struct tx *tx = tx_begin(call->model);
        struct state_internet_gateway *state = tx_edit(tx, &gateway->object);

        state->vpc = vpc;
        tx_put(tx, &gateway->object, state);
        (void)tx_commit(tx);
}

static int find_both(struct api_call *call, const struct ec2_internet_gateway_attachment_request *in, struct internet_gateway **ret_gateway,
                     struct vpc **ret_vpc)
{
        int r = EC2_FIND(call, internet_gateway, OBJECT_INTERNET_GATEWAY, in->internet_gateway_id, ret_gateway);

        return r == 0 ? EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, ret_vpc) : r;
}

static int attach(struct api_call *call, const void *input, void *output)
{
        const struct ec2_internet_gateway_attachment_request *in = input;
        struct internet_gateway *gateway;
        struct vpc *vpc;
        int r = find_both(call, in, &gateway, &vpc);

        if (r != 0)
                return r;
        if (gateway->vpc != NULL)
                return api_fail(call, "Resource.AlreadyAssociated", "resource %s is already attached to network %s",
                                in->internet_gateway_id, gateway->vpc->state->id);
        if (!list_empty(&vpc->internet_gateways))
                return api_fail(call, "InvalidParameterValue", "Network %s already has an internet gateway attached", in->vpc_id);
        set_vpc(call, gateway, in->vpc_id);
        return ec2_done(output);
}

/* Elastic addresses in the VPC are reached through the gateway. */
static const struct network_interface *public_interface(const struct vpc *vpc)
{
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                list_for_each (interface, &subnet->interfaces, struct network_interface, in_subnet)
                        if (interface->elastic != NULL)
                                return interface;
        return NULL;
}

static int detach(struct api_call *call, const void *input, void *output)
{
        const struct ec2_internet_gateway_attachment_request *in = input;
        const struct network_interface *interface;
        struct internet_gateway *gateway;
        struct vpc *vpc;
        int r = find_both(call, in, &gateway, &vpc);

        if (r != 0)
                return r;
        if (gateway->vpc != vpc)
                return api_fail(call, "Gateway.NotAttached", "resource %s is not attached to network %s", in->internet_gateway_id,
                                in->vpc_id);
        interface = public_interface(vpc);
        if (interface != NULL)
                return api_fail(call, "DependencyViolation",
                                "Network %s has some mapped public address(es) (%s on %s). Please unmap those public address(es) before "
                                "detaching the gateway.",
                                in->vpc_id, interface->elastic->state->address, interface->state->id);
        set_vpc(call, gateway, NULL);
        return ec2_done(output);
}

static int delete_gateway(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_internet_gateway_request *in = input;
        struct internet_gateway *gateway;
        struct tx *tx;
        int r = EC2_FIND(call, internet_gateway, OBJECT_INTERNET_GATEWAY, in->internet_gateway_id, &gateway);

        if (r != 0)
                return r;
        if (gateway->vpc != NULL)
                return api_fail(call, "DependencyViolation",
                                "The internetGateway '%s' has dependencies and cannot be deleted: detach it from %s first.",
                                in->internet_gateway_id, gateway->vpc->state->id);
        tx = tx_begin(call->model);
        tx_remove(tx, &gateway->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_internet_gateway_routes[] = {
        {EC2_OP_CREATE_INTERNET_GATEWAY, create_gateway}, {EC2_OP_DESCRIBE_INTERNET_GATEWAYS, describe_gateways},
        {EC2_OP_ATTACH_INTERNET_GATEWAY, attach},         {EC2_OP_DETACH_INTERNET_GATEWAY, detach},
        {EC2_OP_DELETE_INTERNET_GATEWAY, delete_gateway}, {0, NULL},
};
