/* SPDX-License-Identifier: Apache-2.0 */
/* Security groups and their rules through the API. */
#include "base/strutil.h"
#include "control/interface.h"

#include "api_harness.h"
#include "unit.h"

struct world {
        struct api_harness h;
        char vpc[32], group[32], other[32], rule[32];
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

static void begin(struct world *w)
{
        *w = (struct world){0};
        harness_begin(&w->h);
        w->h.service = "ec2";
        harness_ok(&w->h, "CreateVpc", "{'CidrBlock':'10.0.0.0/16'}");
        keep(w, "vpc.vpcId", w->vpc);
        harness_ok(&w->h, "CreateSecurityGroup", "{'GroupName':'web','GroupDescription':'d','VpcId':'%s'}", w->vpc);
        keep(w, "groupId", w->group);
        harness_ok(&w->h, "CreateSecurityGroup", "{'GroupName':'db','GroupDescription':'d','VpcId':'%s'}", w->vpc);
        keep(w, "groupId", w->other);
}

static void end(struct world *w)
{
        harness_end(&w->h);
}

static void test_groups(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "DescribeSecurityGroups", "{'GroupId':['%s']}", w.group);
        expect(&w, "securityGroupInfo[0].groupName", "web");
        assert_int_equal(harness_count(&w.h, "securityGroupInfo[0].ipPermissions"), 0);
        expect(&w, "securityGroupInfo[0].ipPermissionsEgress[0].ipProtocol", "-1");
        assert_false(harness_has(&w.h, "securityGroupInfo[0].ipPermissionsEgress[0].fromPort"));
        fails(&w, "CreateSecurityGroup", "InvalidGroup.Duplicate", "already exists for VPC",
              "{'GroupName':'web','GroupDescription':'d','VpcId':'%s'}", w.vpc);
        fails(&w, "CreateSecurityGroup", "InvalidParameterValue", "reserved", "{'GroupName':'default','GroupDescription':'d'}");
        fails(&w, "CreateSecurityGroup", "InvalidParameterValue", "sg-*", "{'GroupName':'sg-1','GroupDescription':'d'}");
        fails(&w, "CreateSecurityGroup", "InvalidVpcID.NotFound", "vpc-0", "{'GroupName':'x','GroupDescription':'d','VpcId':'vpc-0'}");
        /* The same name in another VPC is another group; without a VPC it is the default one. */
        harness_ok(&w.h, "CreateSecurityGroup", "{'GroupName':'web','GroupDescription':'d'}");
        harness_ok(&w.h, "DescribeSecurityGroups", "{'GroupName':['web']}");
        assert_int_equal(harness_count(&w.h, "securityGroupInfo"), 1);
        harness_ok(&w.h, "DescribeSecurityGroups", "{'Filter':[{'Name':'group-name','Value':['web']}]}");
        assert_int_equal(harness_count(&w.h, "securityGroupInfo"), 2);
        harness_ok(&w.h, "DeleteSecurityGroup", "{'GroupName':'web'}");
        fails(&w, "DeleteSecurityGroup", "InvalidGroup.NotFound", "web", "{'GroupName':'web'}");
        harness_ok(&w.h, "DescribeSecurityGroups",
                   "{'Filter':[{'Name':'group-name','Value':['default']},{'Name':'vpc-id','Value':['%s']}]}", w.vpc);
        fails(&w, "DeleteSecurityGroup", "CannotDelete", "default", "{'GroupId':'%s'}", harness_text(&w.h, "securityGroupInfo[0].groupId"));
        end(&w);
}

static void test_rules_are_normalised(void **state)
{
        static const struct {
                const char *in, *protocol;
                int from, to;
                const char *member, *value;
        } rows[] = {
                {"'ipProtocol':'6','fromPort':80,'toPort':81,'ipRanges':[{'cidrIp':'10.1.2.3/8'}]", "tcp", 80, 81, "cidrIpv4",
                 "10.0.0.0/8"},
                {"'ipProtocol':'UDP','fromPort':0,'toPort':65535,'ipv6Ranges':[{'cidrIpv6':'2001:DB8::1/32'}]", "udp", 0, 65535, "cidrIpv6",
                 "2001:db8::/32"},
                {"'ipProtocol':'icmp','fromPort':8,'toPort':-1,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "icmp", 8, -1, "cidrIpv4",
                 "0.0.0.0/0"},
                {"'ipProtocol':'icmpv6','ipv6Ranges':[{'cidrIpv6':'::/0'}]", "icmpv6", -1, -1, "cidrIpv6", "::/0"},
                {"'ipProtocol':'all','fromPort':1,'toPort':2,'ipRanges':[{'cidrIp':'1.2.3.4/32','description':'me'}]", "-1", -1, -1,
                 "description", "me"},
                {"'ipProtocol':'47','ipRanges':[{'cidrIp':'1.2.3.4/32'}]", "47", -1, -1, "cidrIpv4", "1.2.3.4/32"},
                {"'ipProtocol':'tcp','fromPort':443,'toPort':443,'prefixListIds':[{'prefixListId':'pl-63a5400a'}]", "tcp", 443, 443,
                 "prefixListId", "pl-63a5400a"},
        };
        struct world w;

        begin(&w);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char path[64];

                harness_ok(&w.h, "AuthorizeSecurityGroupIngress", "{'GroupId':'%s','IpPermissions':[{%s}]}", w.group, rows[i].in);
                assert_true(harness_true(&w.h, "return"));
                expect(&w, "securityGroupRuleSet[0].ipProtocol", rows[i].protocol);
                assert_int_equal(harness_int(&w.h, "securityGroupRuleSet[0].fromPort"), rows[i].from);
                assert_int_equal(harness_int(&w.h, "securityGroupRuleSet[0].toPort"), rows[i].to);
                snprintf(path, sizeof(path), "securityGroupRuleSet[0].%s", rows[i].member);
                expect(&w, path, rows[i].value);
        }
        harness_ok(&w.h, "DescribeSecurityGroups", "{'Filter':[{'Name':'ip-permission.cidr','Value':['10.*']}]}");
        assert_int_equal(harness_count(&w.h, "securityGroupInfo"), 1);
        assert_int_equal(harness_count(&w.h, "securityGroupInfo[0].ipPermissions"), ARRAY_SIZE(rows));
        end(&w);
}

static void test_refused_rules(void **state)
{
        static const struct {
                const char *in, *code;
        } rows[] = {
                {"'ipProtocol':'tcp','fromPort':80,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'tcp','fromPort':90,'toPort':80,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'tcp','fromPort':1,'toPort':65536,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'carrier pigeon','ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'256','ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'icmp','fromPort':300,'toPort':0,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'-1','ipRanges':[{'cidrIp':'0.0.0.0'}]", "InvalidParameterValue"},
                {"'ipProtocol':'-1','ipv6Ranges':[{'cidrIpv6':'1.2.3.4/8'}]", "InvalidParameterValue"},
                {"'ipProtocol':'-1','groups':[{'groupId':'sg-0'}]", "InvalidGroup.NotFound"},
                {"'ipProtocol':'-1','groups':[{'groupName':'nobody'}]", "InvalidGroup.NotFound"},
                {"'ipProtocol':'-1','prefixListIds':[{'prefixListId':'pl-0'}]", "InvalidPrefixListID.NotFound"},
                {"'ipProtocol':'-1'", "MissingParameter"},
                {"'ipRanges':[{'cidrIp':'0.0.0.0/0'}]", "MissingParameter"},
                {"'ipProtocol':'-1','ipRanges':[{'cidrIp':'0.0.0.0/0'},{'cidrIp':'0.0.0.0/0'}]", "InvalidParameterValue"},
        };
        struct world w;

        begin(&w);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                fails(&w, "AuthorizeSecurityGroupIngress", rows[i].code, NULL, "{'GroupId':'%s','IpPermissions':[{%s}]}", w.group,
                      rows[i].in);
        fails(&w, "AuthorizeSecurityGroupIngress", "MissingParameter", "ipPermissions", "{'GroupId':'%s'}", w.group);
        harness_ok(&w.h, "DescribeSecurityGroups", "{'GroupId':['%s']}", w.group);
        assert_int_equal(harness_count(&w.h, "securityGroupInfo[0].ipPermissions"), 0);
        end(&w);
}

#define WEB "{'GroupId':'%s','IpPermissions':[{'ipProtocol':'tcp','fromPort':80,'toPort':80,'ipRanges':[{'cidrIp':'0.0.0.0/0'}]}]}"

static void test_duplicates_and_revoking(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "AuthorizeSecurityGroupIngress", WEB, w.group);
        keep(&w, "securityGroupRuleSet[0].securityGroupRuleId", w.rule);
        fails(&w, "AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", "peer: 0.0.0.0/0, tcp, from port: 80, to port: 80, ALLOW",
              WEB, w.group);
        harness_ok(&w.h, "AuthorizeSecurityGroupEgress", WEB, w.group); /* the other direction is another rule */
        harness_ok(&w.h, "RevokeSecurityGroupIngress", WEB, w.group);
        expect(&w, "revokedSecurityGroupRuleSet[0].securityGroupRuleId", w.rule);
        fails(&w, "RevokeSecurityGroupIngress", "InvalidPermission.NotFound", NULL, WEB, w.group);
        fails(&w, "RevokeSecurityGroupIngress", "InvalidSecurityGroupRuleId.NotFound", w.rule,
              "{'GroupId':'%s','SecurityGroupRuleId':['%s']}", w.group, w.rule);
        fails(&w, "RevokeSecurityGroupIngress", "MissingParameter", NULL, "{'GroupId':'%s'}", w.group);
        /* The members of old times. */
        harness_ok(&w.h, "AuthorizeSecurityGroupIngress",
                   "{'GroupId':'%s','IpProtocol':'tcp','FromPort':22,'ToPort':22,'CidrIp':'10.0.0.0/8'}", w.group);
        keep(&w, "securityGroupRuleSet[0].securityGroupRuleId", w.rule);
        harness_ok(&w.h, "RevokeSecurityGroupIngress", "{'GroupId':'%s','SecurityGroupRuleId':['%s']}", w.group, w.rule);
        harness_ok(&w.h, "DescribeSecurityGroupRules", "{'Filter':[{'Name':'group-id','Value':['%s']}]}", w.group);
        assert_int_equal(harness_count(&w.h, "securityGroupRuleSet"), 2);
        end(&w);
}

static void test_rules_by_group(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "AuthorizeSecurityGroupIngress",
                   "{'GroupId':'%s','IpPermissions':[{'ipProtocol':'tcp','fromPort':5432,'toPort':5432,'groups':[{'groupName':'web'}]}],"
                   "'TagSpecification':[{'ResourceType':'security-group-rule','Tag':[{'key':'k','value':'v'}]}]}",
                   w.other);
        expect(&w, "securityGroupRuleSet[0].referencedGroupInfo.groupId", w.group);
        expect(&w, "securityGroupRuleSet[0].tagSet[0].key", "k");
        keep(&w, "securityGroupRuleSet[0].securityGroupRuleId", w.rule);
        fails(&w, "DeleteSecurityGroup", "DependencyViolation", w.other, "{'GroupId':'%s'}", w.group);
        harness_ok(&w.h, "DescribeSecurityGroupRules", "{'Filter':[{'Name':'tag:k','Value':['v']}]}");
        expect(&w, "securityGroupRuleSet[0].securityGroupRuleId", w.rule);
        harness_ok(&w.h, "CreateTags", "{'ResourceId':['%s'],'Tag':[{'key':'k2','value':'x'}]}", w.rule);
        harness_ok(&w.h, "DescribeTags", "{'Filter':[{'Name':'resource-type','Value':['security-group-rule']}]}");
        assert_int_equal(harness_count(&w.h, "tagSet"), 2);
        harness_ok(&w.h, "ModifySecurityGroupRules",
                   "{'GroupId':'%s','SecurityGroupRule':[{'SecurityGroupRuleId':'%s','SecurityGroupRule':{'IpProtocol':'tcp','FromPort':1,"
                   "'ToPort':2,'CidrIpv4':'10.0.0.0/8','Description':'changed'}}]}",
                   w.other, w.rule);
        harness_ok(&w.h, "DescribeSecurityGroupRules", "{'SecurityGroupRuleId':['%s']}", w.rule);
        expect(&w, "securityGroupRuleSet[0].cidrIpv4", "10.0.0.0/8");
        expect(&w, "securityGroupRuleSet[0].tagSet[1].key", "k2");
        harness_ok(&w.h, "UpdateSecurityGroupRuleDescriptionsIngress",
                   "{'GroupId':'%s','SecurityGroupRuleDescription':[{'SecurityGroupRuleId':'%s','Description':'again'}]}", w.other, w.rule);
        harness_ok(&w.h, "DescribeSecurityGroupRules", "{'SecurityGroupRuleId':['%s']}", w.rule);
        expect(&w, "securityGroupRuleSet[0].description", "again");
        harness_ok(&w.h, "DeleteSecurityGroup", "{'GroupId':'%s'}", w.group);
        end(&w);
}

/* A default group's own rule names itself; a reference by name to the group that is being changed must survive the change. */
static void test_a_group_that_names_itself(void **state)
{
        struct world w;

        begin(&w);
        harness_ok(&w.h, "AuthorizeSecurityGroupIngress",
                   "{'GroupId':'%s','IpPermissions':[{'ipProtocol':'-1','groups':[{'groupName':'web'}]}]}", w.group);
        expect(&w, "securityGroupRuleSet[0].referencedGroupInfo.groupId", w.group);
        harness_ok(&w.h, "DeleteSecurityGroup", "{'GroupId':'%s'}", w.group);
        end(&w);
}

static void test_groups_in_use(void **state)
{
        char interface[32];
        struct world w;

        begin(&w);
        harness_ok(&w.h, "CreateSubnet", "{'VpcId':'%s','CidrBlock':'10.0.1.0/24'}", w.vpc);
        harness_ok(&w.h, "CreateNetworkInterface", "{'SubnetId':'%s','SecurityGroupId':['%s']}", harness_text(&w.h, "subnet.subnetId"),
                   w.group);
        keep(&w, "networkInterface.networkInterfaceId", interface);
        fails(&w, "DeleteSecurityGroup", "DependencyViolation", interface, "{'GroupId':'%s'}", w.group);
        harness_ok(&w.h, "ModifyNetworkInterfaceAttribute", "{'NetworkInterfaceId':'%s','SecurityGroupId':['%s']}", interface, w.other);
        harness_ok(&w.h, "DeleteSecurityGroup", "{'GroupId':'%s'}", w.group);
        harness_restart(&w.h);
        harness_ok(&w.h, "DescribeNetworkInterfaces", "{'Filter':[{'Name':'group-id','Value':['%s']}]}", w.other);
        assert_int_equal(harness_count(&w.h, "networkInterfaceSet"), 1);
        end(&w);
}

static void test_a_thousand_rules(void **state)
{
        struct world w;

        begin(&w);
        for (int i = 0; i < 999; i++)
                harness_ok(&w.h, "AuthorizeSecurityGroupIngress",
                           "{'GroupId':'%s','IpProtocol':'tcp','FromPort':80,'ToPort':80,'CidrIp':'10.%d.%d.0/24'}", w.group, i / 250,
                           i % 250);
        fails(&w, "AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", NULL, WEB, w.group);
        harness_ok(&w.h, "DescribeSecurityGroups", "{'GroupId':['%s']}", w.group);
        assert_int_equal(harness_count(&w.h, "securityGroupInfo[0].ipPermissions"), 1);
        assert_int_equal(harness_count(&w.h, "securityGroupInfo[0].ipPermissions[0].ipRanges"), 999);
        harness_ok(&w.h, "DescribeSecurityGroupRules", "{'MaxResults':1000}");
        assert_int_equal(harness_count(&w.h, "securityGroupRuleSet"), 1000);
        assert_true(harness_has(&w.h, "nextToken"));
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_groups),         cmocka_unit_test(test_rules_are_normalised),
                cmocka_unit_test(test_refused_rules),  cmocka_unit_test(test_duplicates_and_revoking),
                cmocka_unit_test(test_rules_by_group), cmocka_unit_test(test_a_group_that_names_itself),
                cmocka_unit_test(test_groups_in_use),  cmocka_unit_test(test_a_thousand_rules),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
