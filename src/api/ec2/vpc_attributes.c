/* SPDX-License-Identifier: Apache-2.0 */
/* What can be changed of a VPC: attributes and further ranges. And the DHCP options, which all share. */
#include "api/ec2/common.h"
#include "base/strutil.h"

#define MAX_RANGES 5

/* ---- Attributes ---- */

static int modify_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_vpc_attribute_request *in = input;
        int given =
                (in->enable_dns_hostnames != NULL) + (in->enable_dns_support != NULL) + (in->enable_network_address_usage_metrics != NULL);
        struct state_vpc *state;
        struct vpc *vpc;
        struct tx *tx;
        int r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);

        if (r != 0)
                return r;
        if (given != 1)
                return api_fail(
                        call, given == 0 ? "MissingParameter" : "InvalidParameterCombination",
                        "Exactly one of EnableDnsHostnames, EnableDnsSupport and EnableNetworkAddressUsageMetrics can be changed in "
                        "one call.");
        tx = tx_begin(call->model);
        state = tx_edit(tx, &vpc->object);
        if (in->enable_dns_hostnames != NULL)
                SHAPE_SET(state, state_vpc, dns_hostnames, in->enable_dns_hostnames->value);
        if (in->enable_dns_support != NULL)
                SHAPE_SET(state, state_vpc, dns_support, in->enable_dns_support->value);
        if (in->enable_network_address_usage_metrics != NULL)
                SHAPE_SET(state, state_vpc, address_usage_metrics, in->enable_network_address_usage_metrics->value);
        tx_put(tx, &vpc->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

static struct ec2_attribute_boolean_value *boolean(struct api_call *call, bool value)
{
        struct ec2_attribute_boolean_value *out = ARENA_NEW(call->arena, struct ec2_attribute_boolean_value);

        SHAPE_SET(out, ec2_attribute_boolean_value, value, value);
        return out;
}

static int describe_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_vpc_attribute_request *in = input;
        struct ec2_describe_vpc_attribute_result *out = output;
        struct vpc *vpc;
        int r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);

        if (r != 0)
                return r;
        out->vpc_id = vpc->state->id;
        if (in->attribute == EC2_VPC_ATTRIBUTE_NAME_ENABLEDNSHOSTNAMES)
                out->enable_dns_hostnames = boolean(call, vpc->state->dns_hostnames);
        else if (in->attribute == EC2_VPC_ATTRIBUTE_NAME_ENABLEDNSSUPPORT)
                out->enable_dns_support = boolean(call, vpc->state->dns_support);
        else
                out->enable_network_address_usage_metrics = boolean(call, vpc->state->address_usage_metrics);
        return 0;
}

/* ---- Further ranges ---- */

static void show(struct api_call *call, const char *vpc, const char *id, const char *cidr, const char *status,
                 struct ec2_vpc_cidr_block_result *out)
{
        out->vpc_id = vpc;
        out->cidr_block_association = ARENA_NEW(call->arena, struct ec2_vpc_cidr_block_association);
        out->cidr_block_association->association_id = id;
        out->cidr_block_association->cidr_block = cidr;
        out->cidr_block_association->cidr_block_state = ARENA_NEW(call->arena, struct ec2_vpc_cidr_block_state);
        out->cidr_block_association->cidr_block_state->state = status;
}

static int check_range(struct api_call *call, const struct ec2_associate_vpc_cidr_block_request *in, const struct vpc *vpc,
                       struct cidr *ret)
{
        int r = ec2_refuse(call, in->amazon_provided_ipv6_cidr_block || in->ipv6_cidr_block != NULL, "AmazonProvidedIpv6CidrBlock",
                           "networks have IPv4 addresses only.");

        if (r == 0)
                r = ec2_refuse(call, in->ipv4_ipam_pool_id != NULL || in->ipv6_ipam_pool_id != NULL, "Ipv4IpamPoolId",
                               "there are no IPAM pools; give CidrBlock.");
        if (r == 0 && in->cidr_block == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter CidrBlock");
        if (r == 0)
                r = ec2_read_cidr(call, "cidrBlock", in->cidr_block, ret);
        if (r != 0)
                return r;
        if (ret->prefix < 16 || ret->prefix > 28)
                return api_fail(call, "InvalidVpc.Range", "The CIDR '%s' is invalid: the prefix must be from 16 to 28.", in->cidr_block);
        if (vpc->state->ranges.n >= MAX_RANGES)
                return api_fail(call, "CidrLimitExceeded", "This network '%s' has met its maximum number of allowed CIDRs: %d", in->vpc_id,
                                MAX_RANGES);
        for (uint32_t i = 0; i < vpc->state->ranges.n; i++) {
                struct cidr other;

                if (cidr_parse(vpc->state->ranges.items[i].cidr, &other) == 0 && cidr_overlaps(*ret, other))
                        return api_fail(call, "CidrConflict", "The CIDR '%s' conflicts with %s, which the VPC has already.", in->cidr_block,
                                        vpc->state->ranges.items[i].cidr);
        }
        return 0;
}

/* Every route table of the VPC knows the range as local. */
static void change_routes(struct tx *tx, const struct vpc *vpc, const char *cidr, bool add)
{
        list_for_each (table, &vpc->route_tables, struct route_table, in_vpc) {
                struct state_route_table *state = tx_edit(tx, &table->object);
                uint32_t kept = 0;

                for (uint32_t i = 0; i < state->routes.n; i++)
                        if (!str_eq(state->routes.items[i].gateway, "local") || !str_eq(state->routes.items[i].destination, cidr))
                                state->routes.items[kept++] = state->routes.items[i];
                state->routes.n = kept;
                if (add)
                        *SHAPE_PUSH(tx_arena(tx), &state->routes) =
                                (struct state_route){.destination = cidr, .gateway = "local", .origin = "CreateRouteTable"};
                tx_put(tx, &table->object, state);
        }
}

static int associate_range(struct api_call *call, const void *input, void *output)
{
        const struct ec2_associate_vpc_cidr_block_request *in = input;
        char *text = arena_bytes(call->arena, CIDR_TEXT_MAX);
        struct state_vpc_range *range;
        struct state_vpc *state;
        struct cidr cidr;
        struct vpc *vpc;
        struct tx *tx;
        int r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);

        if (r == 0)
                r = check_range(call, in, vpc, &cidr);
        if (r != 0)
                return r;
        cidr_format(cidr, text);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &vpc->object);
        range = SHAPE_PUSH(tx_arena(tx), &state->ranges);
        *range = (struct state_vpc_range){.cidr = text, .association_id = network_id(call->model, call->arena, "vpc-cidr-assoc")};
        show(call, in->vpc_id, range->association_id, text, "associated", output);
        tx_put(tx, &vpc->object, state);
        change_routes(tx, vpc, text, true);
        (void)tx_commit(tx);
        return 0;
}

static struct vpc *find_range(struct api_call *call, const char *id, uint32_t *ret)
{
        tree_for_each (node, model_objects(call->model, OBJECT_VPC)) {
                struct vpc *vpc = MODEL_OBJECT(node, vpc);

                for (*ret = 0; *ret < vpc->state->ranges.n; (*ret)++)
                        if (str_eq(vpc->state->ranges.items[*ret].association_id, id))
                                return vpc;
        }
        return NULL;
}

static const struct subnet *subnet_in(const struct vpc *vpc, const char *cidr)
{
        struct cidr range;

        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                if (cidr_parse(cidr, &range) == 0 && cidr_contains(range, subnet->range))
                        return subnet;
        return NULL;
}

static int disassociate_range(struct api_call *call, const void *input, void *output)
{
        const struct ec2_disassociate_vpc_cidr_block_request *in = input;
        const struct subnet *subnet;
        struct state_vpc *state;
        const char *cidr;
        struct vpc *vpc;
        struct tx *tx;
        uint32_t i;

        vpc = find_range(call, in->association_id, &i);
        if (vpc == NULL)
                return api_fail(call, "InvalidVpcCidrBlockAssociationID.NotFound",
                                "The vpc CIDR block association ID '%.100s' does not exist", in->association_id);
        if (i == 0)
                return api_fail(call, "OperationNotPermitted",
                                "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of "
                                "the VPC",
                                in->association_id);
        cidr = arena_strdup(call->arena, vpc->state->ranges.items[i].cidr);
        subnet = subnet_in(vpc, cidr);
        if (subnet != NULL)
                return api_fail(call, "DependencyViolation", "The CIDR block %s is in use by %s: delete that first.", cidr,
                                subnet->state->id);
        show(call, arena_strdup(call->arena, vpc->state->id), in->association_id, cidr, "disassociated", output);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &vpc->object);
        for (; i + 1 < state->ranges.n; i++)
                state->ranges.items[i] = state->ranges.items[i + 1];
        state->ranges.n--;
        tx_put(tx, &vpc->object, state);
        change_routes(tx, vpc, cidr, false);
        (void)tx_commit(tx);
        return 0;
}

/* ---- DHCP options ---- */

static const struct ec2_filter_name dhcp_filters[] = {{"dhcp-options-id", "dhcpOptionsId"},
                                                      {"key", "dhcpConfigurationSet.key"},
                                                      {"owner-id", "ownerId"},
                                                      {"value", "dhcpConfigurationSet.valueSet.value"},
                                                      {NULL, NULL}};

static void add_option(struct api_call *call, struct ec2_dhcp_options *options, const char *key, const char *value)
{
        struct ec2_dhcp_configuration *configuration = SHAPE_PUSH(call->arena, &options->dhcp_configuration_set);

        configuration->key = key;
        SHAPE_PUSH(call->arena, &configuration->value_set)->value = value;
}

static int describe_dhcp_options(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_dhcp_options_request *in = input;
        struct ec2_describe_dhcp_options_result *out = output;
        struct ec2_dhcp_options *options = SHAPE_PUSH(call->arena, &out->dhcp_options_set);
        const char *region = model_region(call->model);

        options->dhcp_options_id = ec2_dhcp_options_id(call, call->arena);
        options->owner_id = model_account(call->model);
        add_option(call, options, "domain-name",
                   str_eq(region, "us-east-1") ? "ec2.internal" : arena_printf(call->arena, "%s.compute.internal", region));
        add_option(call, options, "domain-name-servers", "AmazonProvidedDNS");
        for (uint32_t i = 0; i < in->dhcp_options_id.n; i++)
                if (!str_eq(in->dhcp_options_id.items[i], options->dhcp_options_id))
                        return api_fail(call, "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%.100s' does not exist",
                                        in->dhcp_options_id.items[i]);
        return ec2_filter_views(call, &in->filter, dhcp_filters, &ec2_dhcp_options_shape, &out->dhcp_options_set);
}

const struct api_route ec2_vpc_attribute_routes[] = {
        {EC2_OP_MODIFY_VPC_ATTRIBUTE, modify_attribute},       {EC2_OP_DESCRIBE_VPC_ATTRIBUTE, describe_attribute},
        {EC2_OP_ASSOCIATE_VPC_CIDR_BLOCK, associate_range},    {EC2_OP_DISASSOCIATE_VPC_CIDR_BLOCK, disassociate_range},
        {EC2_OP_DESCRIBE_DHCP_OPTIONS, describe_dhcp_options}, {0, NULL},
};
