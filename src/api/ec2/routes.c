/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of EC2. */
#include "api/ec2/common.h"
#include "api/server.h"

void ec2_register(struct api *api)
{
        static const struct api_route *const tables[] = {
                ec2_vpc_routes,           ec2_vpc_attribute_routes, ec2_subnet_routes,      ec2_group_routes,
                ec2_permission_routes,    ec2_rule_routes,          ec2_interface_routes,   ec2_route_table_routes,
                ec2_route_routes,         ec2_nat_gateway_routes,   ec2_address_routes,     ec2_internet_gateway_routes,
                ec2_acl_routes,           ec2_acl_entry_routes,     ec2_endpoint_routes,    ec2_account_routes,
                ec2_tag_routes,           ec2_instance_routes,      ec2_prefix_list_routes, ec2_launch_template_routes,
                ec2_instance_type_routes,
        };

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &ec2_service, tables[i]);
}
