/* SPDX-License-Identifier: Apache-2.0 */
/* Subnets. */
#include "api/ec2/common.h"
#include "base/strutil.h"

#define MAX_SUBNETS 1000

const struct ec2_filter_name ec2_subnet_filters[] = {
        {"subnet-id", "subnetId"},
        {"subnet-arn", "subnetArn"},
        {"vpc-id", "vpcId"},
        {"availability-zone", "availabilityZone"},
        {"availabilityZone", "availabilityZone"},
        {"availability-zone-id", "availabilityZoneId"},
        {"availabilityZoneId", "availabilityZoneId"},
        {"available-ip-address-count", "availableIpAddressCount"},
        {"cidr", "cidrBlock"},
        {"cidr-block", "cidrBlock"},
        {"cidrBlock", "cidrBlock"},
        {"default-for-az", "defaultForAz"},
        {"defaultForAz", "defaultForAz"},
        {"map-public-ip-on-launch", "mapPublicIpOnLaunch"},
        {"owner-id", "ownerId"},
        {"state", "state"},
        {NULL, NULL},
};

void ec2_show_subnet(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct subnet *subnet = CONTAINER_OF(object, struct subnet, object);
        const struct state_subnet *state = subnet->state;
        struct ec2_private_dns_name_options_on_launch *names = ARENA_NEW(arena, struct ec2_private_dns_name_options_on_launch);
        struct ec2_subnet *out = view;

        out->subnet_id = state->id;
        out->subnet_arn = ec2_arn(call, arena, "subnet", state->id);
        out->state = "available";
        out->owner_id = model_account(call->model);
        out->vpc_id = state->vpc;
        out->cidr_block = state->cidr;
        SHAPE_SET(out, ec2_subnet, available_ip_address_count, (int32_t)subnet_free(subnet));
        out->availability_zone = state->zone;
        out->availability_zone_id = ec2_zone_id(call, arena, state->zone);
        SHAPE_SET(out, ec2_subnet, default_for_az, state->is_default);
        SHAPE_SET(out, ec2_subnet, map_public_ip_on_launch, state->map_public_ip);
        names->hostname_type = state->hostname_type;
        SHAPE_SET(names, ec2_private_dns_name_options_on_launch, enable_resource_name_dns_a_record, state->resource_name_a);
        out->private_dns_name_options_on_launch = names;
        out->tag_set = state->tags;
}

static void answer(struct api_call *call, struct subnet *subnet, struct ec2_create_subnet_result *out)
{
        out->subnet = ARENA_NEW(call->arena, struct ec2_subnet);
        ec2_show_subnet(call, call->arena, &subnet->object, out->subnet);
}

/* ---- Zones ---- */

static int unknown_zone(struct api_call *call, const char *zone)
{
        const struct string_list *zones = &model_meta(call->model)->zones;
        CLEANUP_BUF struct buf names = {0};

        for (uint32_t i = 0; i < zones->n; i++)
                buf_printf(&names, "%s%s", i > 0 ? ", " : "", zones->items[i]);
        return api_fail(call, "InvalidParameterValue",
                        "Value (%.64s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following "
                        "availability zones: %.700s.",
                        zone, names.data != NULL ? names.data : "");
}

/* The zone of the VPC with the fewest subnets. */
static const char *quiet_zone(const struct api_call *call, const struct vpc *vpc)
{
        const struct string_list *zones = &model_meta(call->model)->zones;
        const char *best = NULL;
        size_t fewest = SIZE_MAX;

        for (uint32_t i = 0; i < zones->n; i++) {
                size_t n = 0;

                list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                        n += str_eq(subnet->state->zone, zones->items[i]);
                if (n < fewest) {
                        fewest = n;
                        best = zones->items[i];
                }
        }
        return best;
}

/* By name or id; without either *ret stays NULL. */
static int read_zone(struct api_call *call, const char *name, const char *id, const char **ret)
{
        const struct string_list *zones = &model_meta(call->model)->zones;

        *ret = NULL;
        if (name == NULL && id == NULL)
                return 0;
        for (uint32_t i = 0; i < zones->n; i++)
                if (name != NULL ? str_eq(zones->items[i], name) : str_eq(ec2_zone_id(call, call->arena, zones->items[i]), id))
                        *ret = zones->items[i];
        return *ret != NULL ? 0 : unknown_zone(call, name != NULL ? name : id);
}

/* ---- Making ---- */

static bool in_vpc(const struct vpc *vpc, struct cidr range)
{
        for (uint32_t i = 0; i < vpc->state->ranges.n; i++) {
                struct cidr whole;

                if (cidr_parse(vpc->state->ranges.items[i].cidr, &whole) == 0 && cidr_contains(whole, range))
                        return true;
        }
        return false;
}

static int check_range(struct api_call *call, const struct vpc *vpc, const char *text, struct cidr *ret)
{
        int r;

        if (text == NULL)
                return api_fail(call, "MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.");
        r = ec2_read_cidr(call, "cidrBlock", text, ret);
        if (r != 0)
                return r;
        if (ret->prefix < 16 || ret->prefix > 28)
                return api_fail(call, "InvalidSubnet.Range", "The CIDR '%s' is invalid: the prefix must be from 16 to 28.", text);
        if (!in_vpc(vpc, *ret))
                return api_fail(call, "InvalidSubnet.Range", "The CIDR '%s' is invalid: it is not within the ranges of %s (%s%s).", text,
                                vpc->state->id, vpc->state->ranges.items[0].cidr, vpc->state->ranges.n > 1 ? ", …" : "");
        list_for_each (other, &vpc->subnets, struct subnet, in_vpc)
                if (cidr_overlaps(other->range, *ret))
                        return api_fail(call, "InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet (%s has %s)", text,
                                        other->state->id, other->state->cidr);
        return 0;
}

static size_t count_subnets(const struct vpc *vpc)
{
        size_t n = 0;

        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                n++;
        return n;
}

static int check_features(struct api_call *call, const struct ec2_create_subnet_request *in)
{
        int r = ec2_refuse(call, in->ipv6_cidr_block != NULL || in->ipv6_native, "Ipv6CidrBlock", "networks have IPv4 addresses only.");

        if (r == 0)
                r = ec2_refuse(call, in->outpost_arn != NULL, "OutpostArn", "there are no Outposts.");
        if (r == 0)
                r = ec2_refuse(call, in->ipv4_ipam_pool_id != NULL || in->ipv6_ipam_pool_id != NULL, "Ipv4IpamPoolId",
                               "there are no IPAM pools; give CidrBlock.");
        return r;
}

static int create_subnet(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_subnet_request *in = input;
        struct subnet_request request = {0};
        struct subnet *subnet;
        struct tx *tx;
        int r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &request.vpc);

        if (r == 0)
                r = check_features(call, in);
        if (r == 0)
                r = check_range(call, request.vpc, in->cidr_block, &request.range);
        if (r == 0)
                r = read_zone(call, in->availability_zone, in->availability_zone_id, &request.zone);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "subnet", &request.tags);
        if (r != 0)
                return r;
        if (count_subnets(request.vpc) >= MAX_SUBNETS)
                return api_fail(call, "SubnetLimitExceeded", "The maximum number of subnets in a VPC (%d) has been reached.", MAX_SUBNETS);
        if (request.zone == NULL)
                request.zone = quiet_zone(call, request.vpc);
        tx = tx_begin(call->model);
        subnet = network_subnet_create(call->model, tx, &request);
        (void)tx_commit(tx);
        answer(call, subnet, output);
        return 0;
}

static int create_default_subnet(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_default_subnet_request *in = input;
        struct vpc *vpc = model_default_vpc(call->model);
        struct subnet *subnet;
        const char *zone;
        struct tx *tx;
        int r = ec2_refuse(call, in->ipv6_native, "Ipv6Native", "networks have IPv4 addresses only.");

        if (r == 0)
                r = read_zone(call, in->availability_zone, in->availability_zone_id, &zone);
        if (r != 0)
                return r;
        if (zone == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter AvailabilityZone");
        if (vpc == NULL)
                return api_fail(call, "DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.");
        list_for_each (other, &vpc->subnets, struct subnet, in_vpc)
                if (other->state->is_default && str_eq(other->state->zone, zone))
                        return api_fail(call, "DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s.",
                                        other->state->id, zone);
        tx = tx_begin(call->model);
        subnet = network_default_subnet(call->model, tx, vpc, zone);
        (void)tx_commit(tx);
        if (subnet == NULL)
                return api_fail(call, "InvalidSubnet.Conflict", "No part of the default VPC's range is free for another subnet.");
        answer(call, subnet, output);
        return 0;
}

/* ---- Showing, changing, deleting ---- */

static int describe_subnets(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_subnets_request *in = input;
        struct ec2_describe_subnets_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_subnets_request, in, subnet_id);

        return ec2_describe(call, ec2_kind(OBJECT_SUBNET), &query, &out->subnet_set, &out->next_token);
}

static bool is_true(const struct ec2_attribute_boolean_value *value)
{
        return value != NULL && value->value;
}

static int check_modify(struct api_call *call, const struct ec2_modify_subnet_attribute_request *in)
{
        int given = (in->assign_ipv6_address_on_creation != NULL) + (in->map_public_ip_on_launch != NULL) +
                    (in->map_customer_owned_ip_on_launch != NULL) + (in->enable_dns64 != NULL) +
                    (in->private_dns_hostname_type_on_launch != NULL) + (in->enable_resource_name_dns_a_record_on_launch != NULL) +
                    (in->enable_resource_name_dns_aaaa_record_on_launch != NULL) +
                    SHAPE_HAS(in, ec2_modify_subnet_attribute_request, enable_lni_at_device_index) +
                    (in->disable_lni_at_device_index != NULL);
        int r;

        if (given != 1)
                return api_fail(call, given == 0 ? "MissingParameter" : "InvalidParameterCombination",
                                "Exactly one attribute of a subnet can be changed in one call; this request names %d.", given);
        r = ec2_refuse(call,
                       is_true(in->assign_ipv6_address_on_creation) || is_true(in->enable_dns64) ||
                               is_true(in->enable_resource_name_dns_aaaa_record_on_launch),
                       "AssignIpv6AddressOnCreation", "networks have IPv4 addresses only.");
        if (r == 0)
                r = ec2_refuse(call,
                               is_true(in->map_customer_owned_ip_on_launch) ||
                                       SHAPE_HAS(in, ec2_modify_subnet_attribute_request, enable_lni_at_device_index),
                               "MapCustomerOwnedIpOnLaunch", "there are no Outposts.");
        if (r == 0 && in->private_dns_hostname_type_on_launch != NULL && !str_eq(in->private_dns_hostname_type_on_launch, "ip-name") &&
            !str_eq(in->private_dns_hostname_type_on_launch, "resource-name"))
                return api_fail(call, "InvalidParameterValue",
                                "Value (%.50s) for parameter privateDnsHostnameTypeOnLaunch is invalid: ip-name or resource-name.",
                                in->private_dns_hostname_type_on_launch);
        return r;
}

static int modify_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_subnet_attribute_request *in = input;
        struct state_subnet *state;
        struct subnet *subnet;
        struct tx *tx;
        int r = EC2_FIND(call, subnet, OBJECT_SUBNET, in->subnet_id, &subnet);

        if (r == 0)
                r = check_modify(call, in);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &subnet->object);
        if (in->map_public_ip_on_launch != NULL)
                SHAPE_SET(state, state_subnet, map_public_ip, in->map_public_ip_on_launch->value);
        if (in->private_dns_hostname_type_on_launch != NULL)
                state->hostname_type = in->private_dns_hostname_type_on_launch;
        if (in->enable_resource_name_dns_a_record_on_launch != NULL)
                SHAPE_SET(state, state_subnet, resource_name_a, in->enable_resource_name_dns_a_record_on_launch->value);
        tx_put(tx, &subnet->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* The subnet's association goes with it. */
static void leave_route_table(struct tx *tx, const struct subnet *subnet)
{
        struct route_table *table = subnet_route_table(subnet);
        struct state_route_table *state = tx_edit(tx, &table->object);
        uint32_t kept = 0;

        for (uint32_t i = 0; i < state->associations.n; i++)
                if (!str_eq(state->associations.items[i].subnet, subnet->state->id))
                        state->associations.items[kept++] = state->associations.items[i];
        if (kept == state->associations.n)
                return;
        state->associations.n = kept;
        tx_put(tx, &table->object, state);
}

static int delete_subnet(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_subnet_request *in = input;
        struct subnet *subnet;
        struct tx *tx;
        int r = EC2_FIND(call, subnet, OBJECT_SUBNET, in->subnet_id, &subnet);

        if (r != 0)
                return r;
        list_for_each (interface, &subnet->interfaces, struct network_interface, in_subnet)
                return api_fail(call, "DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted (%s is in it).",
                                in->subnet_id, interface->state->id);
        list_for_each (endpoint, &subnet->vpc->endpoints, struct vpc_endpoint, in_vpc)
                if (ec2_list_has(&endpoint->state->subnets, in->subnet_id))
                        return api_fail(call, "DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted (%s uses it).",
                                        in->subnet_id, endpoint->state->id);
        tx = tx_begin(call->model);
        leave_route_table(tx, subnet);
        tx_remove(tx, &subnet->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_subnet_routes[] = {
        {EC2_OP_CREATE_SUBNET, create_subnet},       {EC2_OP_CREATE_DEFAULT_SUBNET, create_default_subnet},
        {EC2_OP_DESCRIBE_SUBNETS, describe_subnets}, {EC2_OP_MODIFY_SUBNET_ATTRIBUTE, modify_attribute},
        {EC2_OP_DELETE_SUBNET, delete_subnet},       {0, NULL},
};
