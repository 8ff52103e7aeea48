/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs: making, showing, deleting. */
#include "api/ec2/common.h"
#include "api/server.h"
#include "base/strutil.h"

#define MAX_VPCS 1000

const struct ec2_filter_name ec2_vpc_filters[] = {
        {"vpc-id", "vpcId"},
        {"cidr", "cidrBlock"},
        {"cidrBlock", "cidrBlock"},
        {"cidr-block", "cidrBlock"},
        {"cidr-block-association.association-id", "cidrBlockAssociationSet.associationId"},
        {"cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"},
        {"cidr-block-association.state", "cidrBlockAssociationSet.cidrBlockState.state"},
        {"dhcp-options-id", "dhcpOptionsId"},
        {"is-default", "isDefault"},
        {"isDefault", "isDefault"},
        {"owner-id", "ownerId"},
        {"state", "state"},
        {NULL, NULL},
};

static void show_range(struct arena *arena, const struct state_vpc_range *range, struct ec2_vpc_cidr_block_association *out)
{
        out->association_id = range->association_id;
        out->cidr_block = range->cidr;
        out->cidr_block_state = ARENA_NEW(arena, struct ec2_vpc_cidr_block_state);
        out->cidr_block_state->state = "associated";
}

void ec2_show_vpc(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct state_vpc *state = CONTAINER_OF(object, struct vpc, object)->state;
        struct ec2_vpc *out = view;

        out->vpc_id = state->id;
        out->owner_id = model_account(call->model);
        out->state = "available";
        out->cidr_block = state->ranges.items[0].cidr;
        for (uint32_t i = 0; i < state->ranges.n; i++)
                show_range(arena, &state->ranges.items[i], SHAPE_PUSH(arena, &out->cidr_block_association_set));
        out->dhcp_options_id = ec2_dhcp_options_id(call, arena);
        out->instance_tenancy = state->tenancy;
        SHAPE_SET(out, ec2_vpc, is_default, state->is_default);
        out->tag_set = state->tags;
}

static struct ec2_vpc *view_of(struct api_call *call, struct vpc *vpc)
{
        struct ec2_vpc *view = ARENA_NEW(call->arena, struct ec2_vpc);

        ec2_show_vpc(call, call->arena, &vpc->object, view);
        return view;
}

/* ---- Making ---- */

static int check_request(struct api_call *call, const struct ec2_create_vpc_request *in)
{
        int r = ec2_refuse(call, in->amazon_provided_ipv6_cidr_block || in->ipv6_cidr_block != NULL, "AmazonProvidedIpv6CidrBlock",
                           "networks have IPv4 addresses only.");

        if (r == 0)
                r = ec2_refuse(call, in->ipv4_ipam_pool_id != NULL || in->ipv6_ipam_pool_id != NULL, "Ipv4IpamPoolId",
                               "there are no IPAM pools; give CidrBlock.");
        if (r == 0 && in->cidr_block == NULL)
                return api_fail(call, "MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' must be provided.");
        if (r == 0 && in->instance_tenancy != NULL && !str_eq(in->instance_tenancy, "default") &&
            !str_eq(in->instance_tenancy, "dedicated"))
                return api_fail(call, "InvalidParameterValue",
                                "Value (%.50s) for parameter instanceTenancy is invalid: default or dedicated.", in->instance_tenancy);
        return r;
}

static int create_vpc(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_vpc_request *in = input;
        struct vpc_request request = {.tenancy = in->instance_tenancy};
        struct vpc *vpc;
        struct tx *tx;
        int r = check_request(call, in);

        if (r == 0)
                r = ec2_read_cidr(call, "cidrBlock", in->cidr_block, &request.range);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "vpc", &request.tags);
        if (r != 0)
                return r;
        if (request.range.prefix < 16 || request.range.prefix > 28)
                return api_fail(call, "InvalidVpc.Range", "The CIDR '%s' is invalid: the prefix must be from 16 to 28.", in->cidr_block);
        if (model_objects(call->model, OBJECT_VPC)->count >= MAX_VPCS)
                return api_fail(call, "VpcLimitExceeded", "The maximum number of VPCs has been reached.");
        tx = tx_begin(call->model);
        vpc = network_vpc_create(call->model, tx, &request);
        (void)tx_commit(tx);
        ((struct ec2_create_vpc_result *)output)->vpc = view_of(call, vpc);
        return 0;
}

static int create_default_vpc(struct api_call *call, const void *input, void *output)
{
        const char *wanted = call->api->options.vpc_range;
        struct cidr range;
        struct vpc *vpc;
        struct tx *tx;

        (void)input;
        if (model_default_vpc(call->model) != NULL)
                return api_fail(call, "DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.");
        if (cidr_parse(wanted != NULL ? wanted : NETWORK_DEFAULT_RANGE, &range) < 0)
                return api_fail(call, "InternalFailure", "The server's range of the default VPC is no range.");
        tx = tx_begin(call->model);
        vpc = network_default_create(call->model, tx, range);
        (void)tx_commit(tx);
        ((struct ec2_create_default_vpc_result *)output)->vpc = view_of(call, vpc);
        return 0;
}

static int describe_vpcs(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_vpcs_request *in = input;
        struct ec2_describe_vpcs_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_vpcs_request, in, vpc_id);

        return ec2_describe(call, ec2_kind(OBJECT_VPC), &query, &out->vpc_set, &out->next_token);
}

/* ---- Deleting ---- */

/* The first thing that is not made with the VPC itself, or NULL. */
static const char *dependency(const struct vpc *vpc)
{
        const struct route_table *main = vpc_main_route_table(vpc);

        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                return subnet->state->id;
        list_for_each (group, &vpc->groups, struct security_group, in_vpc)
                if (group != vpc->default_group || group->n_members > 0)
                        return group->state->id;
        list_for_each (table, &vpc->route_tables, struct route_table, in_vpc)
                if (table != main)
                        return table->state->id;
        list_for_each (acl, &vpc->acls, struct network_acl, in_vpc)
                if (!acl->state->is_default)
                        return acl->state->id;
        list_for_each (gateway, &vpc->internet_gateways, struct internet_gateway, in_vpc)
                return gateway->state->id;
        list_for_each (gateway, &vpc->nat_gateways, struct nat_gateway, in_vpc)
                return gateway->state->id;
        list_for_each (endpoint, &vpc->endpoints, struct vpc_endpoint, in_vpc)
                return endpoint->state->id;
        return NULL;
}

static int delete_vpc(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_vpc_request *in = input;
        const char *dependent;
        struct vpc *vpc;
        struct tx *tx;
        int r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);

        if (r != 0)
                return r;
        dependent = dependency(vpc);
        if (dependent != NULL)
                return api_fail(call, "DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted (%s is in it).",
                                in->vpc_id, dependent);
        tx = tx_begin(call->model);
        tx_remove(tx, &vpc->default_group->object);
        tx_remove(tx, &vpc_main_route_table(vpc)->object);
        list_for_each (acl, &vpc->acls, struct network_acl, in_vpc)
                tx_remove(tx, &acl->object);
        tx_remove(tx, &vpc->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_vpc_routes[] = {
        {EC2_OP_CREATE_VPC, create_vpc},
        {EC2_OP_CREATE_DEFAULT_VPC, create_default_vpc},
        {EC2_OP_DESCRIBE_VPCS, describe_vpcs},
        {EC2_OP_DELETE_VPC, delete_vpc},
        {0, NULL},
};
