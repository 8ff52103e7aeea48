/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs and what lies in them through the API: making, describing, tagging, deleting in the right order only. */
#include "api/ec2/common.h"
#include "base/strutil.h"
#include "codec/shape_path.h"

#include "api_harness.h"
#include "unit.h"

struct world {
        struct api_harness h;
        char vpc[32], subnet[32], gateway[32], table[32], address[32], nat[32];
};

static void keep(struct world *w, const char *path, char ret[32])
{
        assert_non_null(harness_text(&w->h, path));
        snprintf(ret, 32, "%s", harness_text(&w->h, path));
}

static void expect(struct world *w, const char *path, const char *value)
{
        const char *got = harness_text(&w->h, path);

        if (!str_eq(got, value))
                fail_msg("%s is %s, not %s: %s", path, got, value, w->h.text.data);
}

PRINTF_LIKE(5, 6)
static void fails(struct world *w, const char *operation, const char *code, const char *text, const char *fmt, ...)
{
        char json[1024];
        va_list args;

        va_start(args, fmt);
        vsnprintf(json, sizeof(json), fmt, args);
        va_end(args);
        harness_fails(&w->h, operation, json, code, text);
}

/* A VPC with one subnet. */
static void begin(struct world *w)
{
        *w = (struct world){0};
        harness_begin(&w->h);
        w->h.service = "ec2";
        harness_ok(&w->h, "CreateVpc",
                   "{'CidrBlock':'10.0.0.0/16','TagSpecification':[{'ResourceType':'vpc','Tag':[{'key':'Name','value':'x'}]}]}");
        keep(w, "vpc.vpcId", w->vpc);
        harness_ok(&w->h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.1.0/24','AvailabilityZone':'us-east-1b'}", w->vpc);
        keep(w, "subnet.subnetId", w->subnet);
}

static void end(struct world *w)
{
        harness_end(&w->h);
}

static void test_wildcards(void **state)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } rows[] = {
                {"", "", true},       {"a", "a", true},           {"a", "b", false},    {"a", "", false},    {"", "a", false},
                {"*", "", true},      {"*", "abc", true},         {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "acb", false},
                {"*b*", "abc", true}, {"a*b*c", "aXbYbZc", true}, {"?", "a", true},     {"?", "", false},    {"??", "a", false},
                {"a\\*", "a*", true}, {"a\\*", "ab", false},      {"\\?", "?", true},   {"\\?", "a", false}, {"*\\*", "a*", true},
                {"**", "x", true},    {"*a", "aab", false},       {"*ab", "aab", true},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (ec2_wildcard_match(rows[i].pattern, rows[i].text) != rows[i].matches)
                        fail_msg("\"%s\" and \"%s\": not %d", rows[i].pattern, rows[i].text, rows[i].matches);
}

/* Every filter of every kind stands for something that its shape has. */
static void test_filters_have_paths(void **state)
{
        for (size_t i = 0; i < ec2_n_kinds; i++)
                for (const struct ec2_filter_name *filter = ec2_kinds[i].filters; filter->name != NULL; filter++)
                        if (filter->path != NULL && !shape_has_path(ec2_kinds[i].shape, filter->path))
                                fail_msg("%s: %s is no path", filter->name, filter->path);
}

static void test_vpcs(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "DescribeVpcs", "{'VpcId':['%s']}", w.vpc);
        expect(&w, "vpcSet[0].cidrBlock", "10.0.0.0/16");
        expect(&w, "vpcSet[0].state", "available");
        expect(&w, "vpcSet[0].tagSet[0].value", "x");
        assert_false(harness_true(&w.h, "vpcSet[0].isDefault"));
        harness_ok(&w.h, "ModifyVpcAttribute", "{'VpcId':'%s','EnableDnsHostnames':{'value':true}}", w.vpc);
        harness_ok(&w.h, "DescribeVpcAttribute", "{'VpcId':'%s','Attribute':'enableDnsHostnames'}", w.vpc);
        assert_true(harness_true(&w.h, "enableDnsHostnames.value"));
        assert_false(harness_has(&w.h, "enableDnsSupport"));
        fails(&w, "ModifyVpcAttribute", "MissingParameter", NULL, "{'VpcId':'%s'}", w.vpc);
        fails(&w, "CreateVpc", "InvalidVpc.Range", NULL, "{'CidrBlock':'10.0.0.0/15'}");
        fails(&w, "CreateVpc", "InvalidParameterValue", NULL, "{'CidrBlock':'10.0.0.0'}");
        fails(&w, "CreateVpc", "MissingParameter", NULL, "{}");
        fails(&w, "CreateVpc", "UnsupportedOperation", "IPv4", "{'CidrBlock':'10.0.0.0/16','AmazonProvidedIpv6CidrBlock':true}");
        fails(&w, "DeleteVpc", "DependencyViolation", w.subnet, "{'VpcId':'%s'}", w.vpc);
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "DeleteVpc", "{'VpcId':'%s'}", w.vpc);
        fails(&w, "DescribeVpcs", "InvalidVpcID.NotFound", "does not exist", "{'VpcId':['%s']}", w.vpc);
        harness_restart(&w.h);
        harness_ok(&w.h, "DescribeVpcs", "{}");
        assert_int_equal(harness_count(&w.h, "vpcSet"), 1);
        harness_ok(&w.h, "DescribeRouteTables", "{}");
        assert_int_equal(harness_count(&w.h, "routeTableSet"), 1);
        end(&w);
}

static void test_more_ranges(void **state)
{
        char association[64];
        struct world w;

        begin(&w);
        fails(&w, "AssociateVpcCidrBlock", "CidrConflict", NULL, "{'VpcId':'%s','CidrBlock':'10.0.128.0/17'}", w.vpc);
        harness_ok(&w.h, "AssociateVpcCidrBlock", "{'VpcId':'%s','CidrBlock':'10.1.0.0/16'}", w.vpc);
        snprintf(association, sizeof(association), "%s", harness_text(&w.h, "cidrBlockAssociation.associationId"));
        harness_ok(&w.h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.1.1.0/24'}", w.vpc);
        keep(&w, "subnet.subnetId", w.subnet);
        harness_ok(&w.h, "DescribeRouteTables", "{'Filter':[{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        expect(&w, "routeTableSet[0].routeSet[1].destinationCidrBlock", "10.1.0.0/16");
        fails(&w, "DisassociateVpcCidrBlock", "DependencyViolation", w.subnet, "{'AssociationId':'%s'}", association);
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "DisassociateVpcCidrBlock", "{'AssociationId':'%s'}", association);
        harness_ok(&w.h, "DescribeVpcs", "{'VpcId':['%s']}", w.vpc);
        assert_int_equal(harness_count(&w.h, "vpcSet[0].cidrBlockAssociationSet"), 1);
        end(&w);
}

static void test_default_vpc_again(void **state)
{
        struct world w;

        begin(&w);
        fails(&w, "CreateDefaultVpc", "DefaultVpcAlreadyExists", NULL, "{}");
        fails(&w, "CreateDefaultSubnet", "DefaultSubnetAlreadyExistsInAvailabilityZone", NULL, "{'AvailabilityZone':'us-east-1a'}");
        harness_ok(&w.h, "DescribeSubnets",
                   "{'Filter':[{'Name':'default-for-az','Value':['true']},{'Name':'availability-zone','Value':["
                   "'us-east-1a']}]}");
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", harness_text(&w.h, "subnetSet[0].subnetId"));
        harness_ok(&w.h, "CreateDefaultSubnet", "{'AvailabilityZone':'us-east-1a'}");
        expect(&w, "subnet.cidrBlock", "172.31.0.0/20");
        end(&w);
}

static void test_subnets(void **state)
{
        struct world w;

        begin(&w);
        fails(&w, "CreateSubnet", "InvalidSubnet.Conflict", w.subnet, "{'VpcId':'%s','CidrBlock':'10.0.1.128/25'}", w.vpc);
        fails(&w, "CreateSubnet", "InvalidSubnet.Range", NULL, "{'VpcId':'%s','CidrBlock':'10.1.0.0/24'}", w.vpc);
        fails(&w, "CreateSubnet", "InvalidSubnet.Range", NULL, "{'VpcId':'%s','CidrBlock':'10.0.2.0/29'}", w.vpc);
        fails(&w, "CreateSubnet", "InvalidParameterValue", "us-east-1a, us-east-1b, us-east-1c",
              "{'VpcId':'%s','CidrBlock':'10.0.2.0/24','AvailabilityZone':'us-east-1z'}", w.vpc);
        /* Without a zone: the one with the fewest subnets. */
        harness_ok(&w.h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.2.0/24'}", w.vpc);
        expect(&w, "subnet.availabilityZone", "us-east-1a");
        expect(&w, "subnet.availabilityZoneId", "use1-az1");
        harness_ok(&w.h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.3.0/24','AvailabilityZoneId':'use1-az3'}", w.vpc);
        expect(&w, "subnet.availabilityZone", "us-east-1c");
        harness_ok(&w.h, "ModifySubnetAttribute", "{'SubnetId':'%s','MapPublicIpOnLaunch':{'value':true}}", w.subnet);
        fails(&w, "ModifySubnetAttribute", "InvalidParameterCombination", NULL,
              "{'SubnetId':'%s','MapPublicIpOnLaunch':{'value':true},'EnableDns64':{'value':false}}", w.subnet);
        harness_ok(&w.h, "DescribeSubnets",
                   "{'Filter':[{'Name':'map-public-ip-on-launch','Value':['true']},{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        assert_int_equal(harness_count(&w.h, "subnetSet"), 1);
        assert_int_equal(harness_int(&w.h, "subnetSet[0].availableIpAddressCount"), 251);
        end(&w);
}

static void test_pages(void **state)
{
        char token[256];
        struct world w;
        size_t seen = 5;

        begin(&w);
        for (int i = 0; i < 12; i++)
                harness_ok(&w.h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.%d.0/24'}", w.vpc, 100 + i);
        fails(&w, "DescribeSubnets", "InvalidParameterValue", "maxResults", "{'MaxResults':4}");
        fails(&w, "DescribeSubnets", "InvalidParameterCombination", NULL, "{'MaxResults':5,'SubnetId':['%s']}", w.subnet);
        harness_ok(&w.h, "DescribeSubnets", "{'MaxResults':5,'Filter':[{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        assert_int_equal(harness_count(&w.h, "subnetSet"), 5);
        while (harness_has(&w.h, "nextToken")) {
                snprintf(token, sizeof(token), "%s", harness_text(&w.h, "nextToken"));
                harness_ok(&w.h, "DescribeSubnets", "{'MaxResults':5,'NextToken':'%s','Filter':[{'Name':'vpc-id','Value':['%s']}]}", token,
                           w.vpc);
                seen += harness_count(&w.h, "subnetSet");
        }
        assert_int_equal(seen, 13);
        fails(&w, "DescribeSubnets", "InvalidParameterException", "token", "{'NextToken':'%s'}", token); /* of another list */
        end(&w);
}

static void test_filters_and_tags(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "CreateTags", "{'ResourceId':['%s','%s'],'Tag':[{'key':'env','value':'prod'},{'key':'empty'}]}", w.vpc, w.subnet);
        harness_ok(&w.h, "DescribeVpcs", "{'Filter':[{'Name':'tag:env','Value':['p?od']}]}");
        assert_int_equal(harness_count(&w.h, "vpcSet"), 1);
        harness_ok(&w.h, "DescribeVpcs", "{'Filter':[{'Name':'tag:env','Value':['test','prod']},{'Name':'tag-key','Value':['none']}]}");
        assert_int_equal(harness_count(&w.h, "vpcSet"), 0);
        harness_ok(&w.h, "DescribeVpcs", "{'Filter':[{'Name':'tag:empty','Value':['']}]}");
        assert_int_equal(harness_count(&w.h, "vpcSet"), 1);
        harness_ok(&w.h, "DescribeTags", "{'Filter':[{'Name':'key','Value':['env']}]}");
        assert_int_equal(harness_count(&w.h, "tagSet"), 2);
        expect(&w, "tagSet[0].resourceType", "subnet");
        harness_ok(&w.h, "DeleteTags", "{'ResourceId':['%s'],'Tag':[{'key':'env','value':'other'},{'key':'empty'}]}", w.vpc);
        harness_ok(&w.h, "DescribeTags", "{'Filter':[{'Name':'resource-id','Value':['%s']}]}", w.vpc);
        assert_int_equal(harness_count(&w.h, "tagSet"), 2); /* Name, env */
        fails(&w, "CreateTags", "InvalidParameterValue", "aws:", "{'ResourceId':['%s'],'Tag':[{'key':'aws:x','value':'y'}]}", w.vpc);
        fails(&w, "CreateTags", "InvalidVpcID.NotFound", NULL, "{'ResourceId':['%s','vpc-0'],'Tag':[{'key':'a','value':'b'}]}", w.vpc);
        fails(&w, "CreateTags", "InvalidID", NULL, "{'ResourceId':['thing'],'Tag':[{'key':'a','value':'b'}]}");
        fails(&w, "DescribeVpcs", "InvalidParameterValue", "The filter 'colour' is invalid",
              "{'Filter':[{'Name':'colour','Value':['red']}]}");
        fails(&w, "DescribeVpcs", "InvalidParameterValue", "no values", "{'Filter':[{'Name':'vpc-id'}]}");
        fails(&w, "CreateVpc", "InvalidParameterValue", "subnet",
              "{'CidrBlock':'10.0.0.0/16','TagSpecification':[{'ResourceType':'subnet','Tag':[{'key':'a','value':'b'}]}]}");
        end(&w);
}

static void test_routes(void **state)
{
        char association[32];
        struct world w;

        begin(&w);
        harness_ok(&w.h, "CreateInternetGateway", "{}");
        keep(&w, "internetGateway.internetGatewayId", w.gateway);
        harness_ok(&w.h, "CreateRouteTable", "{'VpcId':'%s'}", w.vpc);
        keep(&w, "routeTable.routeTableId", w.table);
        fails(&w, "CreateRoute", "InvalidParameterValue", "different networks",
              "{'RouteTableId':'%s','DestinationCidrBlock':'0.0.0.0/0','GatewayId':'%s'}", w.table, w.gateway);
        harness_ok(&w.h, "AttachInternetGateway", "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        fails(&w, "AttachInternetGateway", "Resource.AlreadyAssociated", NULL, "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        harness_ok(&w.h, "CreateRoute", "{'RouteTableId':'%s','DestinationCidrBlock':'0.0.0.0/0','GatewayId':'%s'}", w.table, w.gateway);
        fails(&w, "CreateRoute", "RouteAlreadyExists", NULL, "{'RouteTableId':'%s','DestinationCidrBlock':'0.0.0.0/0','GatewayId':'%s'}",
              w.table, w.gateway);
        fails(&w, "CreateRoute", "InvalidParameterValue", "more specific",
              "{'RouteTableId':'%s','DestinationCidrBlock':'10.0.1.0/24','GatewayId':'%s'}", w.table, w.gateway);
        fails(&w, "CreateRoute", "UnsupportedOperation", "TransitGatewayId",
              "{'RouteTableId':'%s','DestinationCidrBlock':'10.9.0.0/16','TransitGatewayId':'tgw-1'}", w.table);
        fails(&w, "DeleteRoute", "InvalidParameterValue", "local", "{'RouteTableId':'%s','DestinationCidrBlock':'10.0.0.0/16'}", w.table);
        harness_ok(&w.h, "AssociateRouteTable", "{'RouteTableId':'%s','SubnetId':'%s'}", w.table, w.subnet);
        keep(&w, "associationId", association);
        harness_ok(&w.h, "AssociateRouteTable", "{'RouteTableId':'%s','SubnetId':'%s'}", w.table, w.subnet);
        expect(&w, "associationId", association);
        fails(&w, "DeleteRouteTable", "DependencyViolation", NULL, "{'RouteTableId':'%s'}", w.table);
        /* A gateway that is gone leaves a hole. */
        harness_ok(&w.h, "DetachInternetGateway", "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        harness_ok(&w.h, "DescribeRouteTables", "{'Filter':[{'Name':'association.subnet-id','Value':['%s']}]}", w.subnet);
        expect(&w, "routeTableSet[0].routeTableId", w.table);
        expect(&w, "routeTableSet[0].routeSet[1].state", "blackhole");
        harness_ok(&w.h, "DeleteRoute", "{'RouteTableId':'%s','DestinationCidrBlock':'0.0.0.0/0'}", w.table);
        fails(&w, "DeleteRoute", "InvalidRoute.NotFound", NULL, "{'RouteTableId':'%s','DestinationCidrBlock':'0.0.0.0/0'}", w.table);
        harness_ok(&w.h, "DisassociateRouteTable", "{'AssociationId':'%s'}", association);
        harness_ok(&w.h, "DeleteRouteTable", "{'RouteTableId':'%s'}", w.table);
        end(&w);
}

static void test_main_table(void **state)
{
        char old[32], association[32];
        struct world w;

        begin(&w);
        harness_ok(&w.h, "DescribeRouteTables",
                   "{'Filter':[{'Name':'association.main','Value':['true']},{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        keep(&w, "routeTableSet[0].routeTableId", old);
        keep(&w, "routeTableSet[0].associationSet[0].routeTableAssociationId", association);
        fails(&w, "DisassociateRouteTable", "InvalidParameterValue", "main", "{'AssociationId':'%s'}", association);
        harness_ok(&w.h, "CreateRouteTable", "{'VpcId':'%s'}", w.vpc);
        keep(&w, "routeTable.routeTableId", w.table);
        harness_ok(&w.h, "ReplaceRouteTableAssociation", "{'AssociationId':'%s','RouteTableId':'%s'}", association, w.table);
        harness_ok(&w.h, "DeleteRouteTable", "{'RouteTableId':'%s'}", old);
        fails(&w, "DeleteRouteTable", "DependencyViolation", NULL, "{'RouteTableId':'%s'}", w.table);
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "DeleteVpc", "{'VpcId':'%s'}", w.vpc);
        end(&w);
}

static void test_nat_gateways_and_addresses(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "AllocateAddress", "{'Domain':'vpc'}");
        keep(&w, "allocationId", w.address);
        assert_true(str_starts_with(harness_text(&w.h, "publicIp"), "100.64."));
        fails(&w, "CreateNatGateway", "Gateway.NotAttached", NULL, "{'SubnetId':'%s','AllocationId':'%s'}", w.subnet, w.address);
        harness_ok(&w.h, "CreateInternetGateway", "{}");
        keep(&w, "internetGateway.internetGatewayId", w.gateway);
        harness_ok(&w.h, "AttachInternetGateway", "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        harness_ok(&w.h, "CreateNatGateway", "{'SubnetId':'%s','AllocationId':'%s','ClientToken':'t1'}", w.subnet, w.address);
        keep(&w, "natGateway.natGatewayId", w.nat);
        expect(&w, "natGateway.natGatewayAddressSet[0].privateIp", "10.0.1.4");
        /* The same request again makes nothing new; the same token for another request is a mistake. */
        harness_ok(&w.h, "CreateNatGateway", "{'SubnetId':'%s','AllocationId':'%s','ClientToken':'t1'}", w.subnet, w.address);
        expect(&w, "natGateway.natGatewayId", w.nat);
        fails(&w, "CreateNatGateway", "IdempotentParameterMismatch", NULL,
              "{'SubnetId':'%s','ConnectivityType':'private','ClientToken':'t1'}", w.subnet);
        fails(&w, "CreateNatGateway", "Resource.AlreadyAssociated", NULL, "{'SubnetId':'%s','AllocationId':'%s'}", w.subnet, w.address);
        fails(&w, "ReleaseAddress", "InvalidIPAddress.InUse", NULL, "{'AllocationId':'%s'}", w.address);
        fails(&w, "DetachInternetGateway", "DependencyViolation", NULL, "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        fails(&w, "DeleteSubnet", "DependencyViolation", NULL, "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "DescribeNetworkInterfaces", "{'Filter':[{'Name':'interface-type','Value':['nat_gateway']}]}");
        assert_true(harness_true(&w.h, "networkInterfaceSet[0].requesterManaged"));
        fails(&w, "AssociateAddress", "OperationNotPermitted", "--balancer-address", "{'AllocationId':'%s','NetworkInterfaceId':'%s'}",
              w.address, harness_text(&w.h, "networkInterfaceSet[0].networkInterfaceId"));
        harness_ok(&w.h, "DescribeNetworkInterfaces", "{'Filter':[{'Name':'interface-type','Value':['nat_gateway']}]}");
        fails(&w, "DeleteNetworkInterface", "InvalidNetworkInterface.InUse", w.nat, "{'NetworkInterfaceId':'%s'}",
              harness_text(&w.h, "networkInterfaceSet[0].networkInterfaceId"));
        harness_ok(&w.h, "DeleteNatGateway", "{'NatGatewayId':'%s'}", w.nat);
        fails(&w, "DescribeNatGateways", "NatGatewayNotFound", NULL, "{'NatGatewayId':['%s']}", w.nat);
        harness_ok(&w.h, "DescribeAddresses", "{'AllocationId':['%s']}", w.address);
        assert_false(harness_has(&w.h, "addressesSet[0].associationId"));
        harness_ok(&w.h, "ReleaseAddress", "{'AllocationId':'%s'}", w.address);
        harness_ok(&w.h, "DescribeNetworkInterfaces", "{}");
        assert_int_equal(harness_count(&w.h, "networkInterfaceSet"), 0);
        end(&w);
}

static void test_addresses_of_interfaces(void **state)
{
        char interface[32];
        struct world w;

        begin(&w);
        harness_ok(&w.h, "AllocateAddress", "{}");
        keep(&w, "allocationId", w.address);
        harness_ok(&w.h, "CreateNetworkInterface", "{'SubnetId':'%s','PrivateIpAddress':'10.0.1.77','ClientToken':'a'}", w.subnet);
        keep(&w, "networkInterface.networkInterfaceId", interface);
        fails(&w, "CreateNetworkInterface", "InvalidIPAddress.InUse", NULL, "{'SubnetId':'%s','PrivateIpAddress':'10.0.1.77'}", w.subnet);
        fails(&w, "AssociateAddress", "Gateway.NotAttached", NULL, "{'AllocationId':'%s','NetworkInterfaceId':'%s'}", w.address, interface);
        harness_ok(&w.h, "CreateInternetGateway", "{}");
        keep(&w, "internetGateway.internetGatewayId", w.gateway);
        harness_ok(&w.h, "AttachInternetGateway", "{'InternetGatewayId':'%s','VpcId':'%s'}", w.gateway, w.vpc);
        harness_ok(&w.h, "AssociateAddress", "{'AllocationId':'%s','NetworkInterfaceId':'%s'}", w.address, interface);
        harness_restart(&w.h);
        harness_ok(&w.h, "DescribeNetworkInterfaces", "{'Filter':[{'Name':'association.allocation-id','Value':['%s']}]}", w.address);
        expect(&w, "networkInterfaceSet[0].privateIpAddress", "10.0.1.77");
        harness_ok(&w.h, "DeleteNetworkInterface", "{'NetworkInterfaceId':'%s'}", interface);
        harness_ok(&w.h, "DescribeAddresses", "{}");
        assert_false(harness_has(&w.h, "addressesSet[0].associationId"));
        end(&w);
}

static void test_endpoints(void **state)
{
        char endpoint[32];
        struct world w;

        begin(&w);
        fails(&w, "CreateVpcEndpoint", "InvalidServiceName", NULL, "{'VpcId':'%s','ServiceName':'s3'}", w.vpc);
        harness_ok(&w.h, "CreateVpcEndpoint",
                   "{'VpcId':'%s','ServiceName':'com.amazonaws.us-east-1.ecr.api','VpcEndpointType':'Interface','SubnetId':['%s']}", w.vpc,
                   w.subnet);
        keep(&w, "vpcEndpoint.vpcEndpointId", endpoint);
        expect(&w, "vpcEndpoint.groupSet[0].groupName", "default");
        fails(&w, "DeleteSubnet", "DependencyViolation", endpoint, "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "ModifyVpcEndpoint", "{'VpcEndpointId':'%s','RemoveSubnetId':['%s']}", endpoint, w.subnet);
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", w.subnet);
        harness_ok(&w.h, "DeleteVpcEndpoints", "{'VpcEndpointId':['%s','vpce-0']}", endpoint);
        expect(&w, "unsuccessful[0].resourceId", "vpce-0");
        harness_ok(&w.h, "DeleteVpc", "{'VpcId':'%s'}", w.vpc);
        end(&w);
}

#define ENTRY "'NetworkAclId':'%s','Egress':false"

static void test_acls(void **state)
{
        char acl[32], association[32], standard[32];
        struct world w;

        begin(&w);
        harness_ok(&w.h, "DescribeNetworkAcls", "{'Filter':[{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        keep(&w, "networkAclSet[0].networkAclId", standard);
        keep(&w, "networkAclSet[0].associationSet[0].networkAclAssociationId", association);
        fails(&w, "DeleteNetworkAcl", "InvalidParameterValue", "default", "{'NetworkAclId':'%s'}", standard);
        harness_ok(&w.h, "CreateNetworkAcl",
                   "{'VpcId':'%s','TagSpecification':[{'ResourceType':'network-acl','Tag':[{'key':'a','value':'b'}]}]}", w.vpc);
        keep(&w, "networkAcl.networkAclId", acl);
        assert_int_equal(harness_count(&w.h, "networkAcl.entrySet"), 2);
        expect(&w, "networkAcl.entrySet[0].ruleAction", "deny");
        harness_ok(&w.h, "CreateNetworkAclEntry",
                   "{" ENTRY
                   ",'RuleNumber':20,'Protocol':'tcp','RuleAction':'allow','CidrBlock':'10.0.0.9/8','PortRange':{'From':80,'To':90}}",
                   acl);
        harness_ok(&w.h, "CreateNetworkAclEntry",
                   "{" ENTRY ",'RuleNumber':10,'Protocol':'1','RuleAction':'deny','CidrBlock':'0.0.0.0/0','Icmp':{'Type':8,'Code':-1}}",
                   acl);
        harness_ok(&w.h, "CreateNetworkAclEntry", "{" ENTRY ",'RuleNumber':30,'Protocol':'-1','RuleAction':'allow','Ipv6CidrBlock':'::/0'}",
                   acl);
        fails(&w, "CreateNetworkAclEntry", "NetworkAclEntryAlreadyExists", "20",
              "{" ENTRY ",'RuleNumber':20,'Protocol':'-1','RuleAction':'allow','CidrBlock':'0.0.0.0/0'}", acl);
        fails(&w, "CreateNetworkAclEntry", "InvalidParameterValue", "32766",
              "{" ENTRY ",'RuleNumber':32767,'Protocol':'-1','RuleAction':'allow','CidrBlock':'0.0.0.0/0'}", acl);
        fails(&w, "CreateNetworkAclEntry", "MissingParameter", "portRange",
              "{" ENTRY ",'RuleNumber':40,'Protocol':'6','RuleAction':'allow','CidrBlock':'0.0.0.0/0'}", acl);
        fails(&w, "ReplaceNetworkAclEntry", "InvalidNetworkAclEntry.NotFound", "11",
              "{" ENTRY ",'RuleNumber':11,'Protocol':'-1','RuleAction':'allow','CidrBlock':'0.0.0.0/0'}", acl);
        harness_ok(&w.h, "ReplaceNetworkAclEntry",
                   "{" ENTRY ",'RuleNumber':10,'Protocol':'udp','RuleAction':'allow','CidrBlock':'10.0.0.0/8',"
                   "'PortRange':{'From':53,'To':53}}",
                   acl);
        harness_ok(&w.h, "ReplaceNetworkAclAssociation", "{'AssociationId':'%s','NetworkAclId':'%s'}", association, acl);
        fails(&w, "ReplaceNetworkAclAssociation", "InvalidAssociationID.NotFound", NULL, "{'AssociationId':'%s','NetworkAclId':'%s'}",
              association, acl);
        harness_restart(&w.h);
        harness_ok(&w.h, "DescribeNetworkAcls", "{'NetworkAclId':['%s']}", acl);
        expect(&w, "networkAclSet[0].associationSet[0].subnetId", w.subnet);
        /* As it counts: egress, then ingress by number. */
        expect(&w, "networkAclSet[0].entrySet[1].protocol", "17");
        assert_int_equal(harness_int(&w.h, "networkAclSet[0].entrySet[1].portRange.from"), 53);
        expect(&w, "networkAclSet[0].entrySet[2].cidrBlock", "10.0.0.0/8");
        expect(&w, "networkAclSet[0].entrySet[3].ipv6CidrBlock", "::/0");
        assert_int_equal(harness_int(&w.h, "networkAclSet[0].entrySet[4].ruleNumber"), 32767);
        fails(&w, "DeleteNetworkAcl", "DependencyViolation", w.subnet, "{'NetworkAclId':'%s'}", acl);
        harness_ok(&w.h, "DeleteNetworkAclEntry", "{" ENTRY ",'RuleNumber':10}", acl);
        fails(&w, "DeleteNetworkAclEntry", "InvalidNetworkAclEntry.NotFound", NULL, "{" ENTRY ",'RuleNumber':10}", acl);
        harness_ok(&w.h, "DeleteSubnet", "{'SubnetId':'%s'}", w.subnet);
        fails(&w, "DeleteVpc", "DependencyViolation", acl, "{'VpcId':'%s'}", w.vpc);
        harness_ok(&w.h, "DeleteNetworkAcl", "{'NetworkAclId':'%s'}", acl);
        harness_ok(&w.h, "DeleteVpc", "{'VpcId':'%s'}", w.vpc);
        end(&w);
}

static void test_account(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "DescribeAvailabilityZones", "{'Filter':[{'Name':'zone-name','Value':['*b']}]}");
        assert_int_equal(harness_count(&w.h, "availabilityZoneInfo"), 1);
        expect(&w, "availabilityZoneInfo[0].zoneId", "use1-az2");
        fails(&w, "DescribeAvailabilityZones", "InvalidParameterValue", NULL, "{'ZoneName':['us-east-1q']}");
        harness_ok(&w.h, "DescribeRegions", "{}");
        expect(&w, "regionInfo[0].regionName", "us-east-1");
        harness_ok(&w.h, "DescribeAccountAttributes", "{'AttributeName':['default-vpc']}");
        assert_true(str_starts_with(harness_text(&w.h, "accountAttributeSet[0].attributeValueSet[0].attributeValue"), "vpc-"));
        harness_ok(&w.h, "DescribePrefixLists", "{'Filter':[{'Name':'prefix-list-name','Value':['*.s3']}]}");
        assert_int_equal(harness_count(&w.h, "prefixListSet"), 1);
        harness_ok(&w.h, "DescribeNetworkAcls", "{'Filter':[{'Name':'default','Value':['true']},{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        assert_int_equal(harness_count(&w.h, "networkAclSet[0].entrySet"), 4);
        expect(&w, "networkAclSet[0].associationSet[0].subnetId", w.subnet);
        harness_ok(&w.h, "DescribeDhcpOptions", "{}");
        expect(&w, "dhcpOptionsSet[0].dhcpConfigurationSet[0].valueSet[0].value", "ec2.internal");
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wildcards),
                cmocka_unit_test(test_filters_have_paths),
                cmocka_unit_test(test_vpcs),
                cmocka_unit_test(test_more_ranges),
                cmocka_unit_test(test_default_vpc_again),
                cmocka_unit_test(test_subnets),
                cmocka_unit_test(test_pages),
                cmocka_unit_test(test_filters_and_tags),
                cmocka_unit_test(test_routes),
                cmocka_unit_test(test_main_table),
                cmocka_unit_test(test_nat_gateways_and_addresses),
                cmocka_unit_test(test_addresses_of_interfaces),
                cmocka_unit_test(test_endpoints),
                cmocka_unit_test(test_acls),
                cmocka_unit_test(test_account),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
