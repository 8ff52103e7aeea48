/* SPDX-License-Identifier: Apache-2.0 */
/* The resources of EC2, and looking them up. */
#include <stdio.h>
#include <string.h>

#include "api/ec2/common.h"
#include "base/strutil.h"

#define ROW(type, view) offsetof(struct state_##type, tags), &ec2_##view##_shape

const struct ec2_kind ec2_kinds[] = {
        {OBJECT_VPC, "vpc-", "vpc", "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", ROW(vpc, vpc), ec2_show_vpc,
         ec2_vpc_filters},
        {OBJECT_SUBNET, "subnet-", "subnet", "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", ROW(subnet, subnet),
         ec2_show_subnet, ec2_subnet_filters},
        {OBJECT_SECURITY_GROUP, "sg-", "security-group", "InvalidGroup.NotFound", "The security group '%s' does not exist",
         ROW(security_group, security_group), ec2_show_group, ec2_group_filters},
        {OBJECT_NETWORK_INTERFACE, "eni-", "network-interface", "InvalidNetworkInterfaceID.NotFound",
         "The networkInterface ID '%s' does not exist", ROW(network_interface, network_interface), ec2_show_interface,
         ec2_interface_filters},
        {OBJECT_INTERNET_GATEWAY, "igw-", "internet-gateway", "InvalidInternetGatewayID.NotFound",
         "The internetGateway ID '%s' does not exist", ROW(internet_gateway, internet_gateway), ec2_show_internet_gateway,
         ec2_internet_gateway_filters},
        {OBJECT_ROUTE_TABLE, "rtb-", "route-table", "InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist",
         ROW(route_table, route_table), ec2_show_route_table, ec2_route_table_filters},
        {OBJECT_NAT_GATEWAY, "nat-", "natgateway", "NatGatewayNotFound", "The Nat Gateway %s was not found", ROW(nat_gateway, nat_gateway),
         ec2_show_nat_gateway, ec2_nat_gateway_filters},
        {OBJECT_ELASTIC_ADDRESS, "eipalloc-", "elastic-ip", "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist",
         ROW(elastic_address, address), ec2_show_address, ec2_address_filters},
        {OBJECT_NETWORK_ACL, "acl-", "network-acl", "InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist",
         ROW(network_acl, network_acl), ec2_show_acl, ec2_acl_filters},
        {OBJECT_VPC_ENDPOINT, "vpce-", "vpc-endpoint", "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist",
         ROW(vpc_endpoint, vpc_endpoint), ec2_show_endpoint, ec2_endpoint_filters},
        {OBJECT_LAUNCH_TEMPLATE, "lt-", "launch-template", "InvalidLaunchTemplateId.NotFound",
         "The specified launch template, with template ID %s, does not exist.", ROW(launch_template, launch_template),
         ec2_show_launch_template, ec2_launch_template_filters},
};
const size_t ec2_n_kinds = ARRAY_SIZE(ec2_kinds);

const struct ec2_kind *ec2_kind(enum object_kind kind)
{
        for (size_t i = 0; i < ec2_n_kinds; i++)
                if (ec2_kinds[i].kind == kind)
                        return &ec2_kinds[i];
        return NULL;
}

const struct ec2_kind *ec2_kind_of_id(const char *id)
{
        for (size_t i = 0; i < ec2_n_kinds; i++)
                if (str_starts_with(id, ec2_kinds[i].prefix))
                        return &ec2_kinds[i];
        return NULL;
}

int ec2_find(struct api_call *call, enum object_kind kind, const char *id, struct object **ret)
{
        const struct ec2_kind *row = ec2_kind(kind);
        struct tree_node *node = tree_find(model_objects(call->model, kind), id != NULL ? id : "");
        char text[128];

        if (node != NULL) {
                *ret = CONTAINER_OF(node, struct object, node);
                return 0;
        }
        (void)snprintf(text, sizeof(text), "%.100s", id != NULL ? id : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        return api_fail(call, row->missing, row->text, text);
#pragma GCC diagnostic pop
}
