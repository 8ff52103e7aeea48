/* SPDX-License-Identifier: Apache-2.0 */
/* Account settings, tags and attributes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_harness.h"

#define ECS_ARN "arn:aws:ecs:us-east-1:123456789012:"
#define INSTANCE "0123456789abcdef0123456789abcdef"

static int begin(void **state)
{
        static struct api_harness h;
        struct state_container_instance instance = {.cluster = "default", .id = INSTANCE, .status = STATE_INSTANCE_STATUS_ACTIVE};
        struct ecs_attribute attribute = {.name = "ecs.os-type", .value = "linux"};
        struct tx *tx;

        harness_begin(&h);
        harness_ok(&h, "CreateCluster", "{}");
        instance.attributes = (struct ecs_attribute_list){&attribute, 1};
        tx = tx_begin(h.model);
        (void)tx_insert(tx, OBJECT_INSTANCE, &instance);
        (void)tx_commit(tx);
        *state = &h;
        return 0;
}

static int end(void **state)
{
        harness_end(*state);
        return 0;
}

static void settings_have_levels(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "ListAccountSettings", "{}");
        assert_int_equal(harness_count(h, "settings"), 0);
        harness_ok(h, "ListAccountSettings", "{'effectiveSettings':true}");
        assert_int_equal(harness_count(h, "settings"), 10);
        assert_true(harness_has(h, "nextToken"));
        harness_ok(h, "PutAccountSettingDefault", "{'name':'containerInsights','value':'enabled'}");
        assert_string_equal(harness_text(h, "setting.principalArn"), "arn:aws:iam::123456789012:root");
        harness_ok(h, "ListAccountSettings", "{'effectiveSettings':true,'name':'containerInsights'}");
        assert_string_equal(harness_text(h, "settings[0].value"), "enabled");
        harness_ok(h, "CreateCluster", "{'clusterName':'insight'}");
        assert_string_equal(harness_text(h, "cluster.settings[0].value"), "enabled");
        harness_ok(h, "PutAccountSetting", "{'name':'containerInsights','value':'disabled'}");
        assert_string_equal(harness_text(h, "setting.principalArn"), "arn:aws:iam::123456789012:user/admin");
        harness_ok(h, "ListAccountSettings", "{}");
        assert_int_equal(harness_count(h, "settings"), 1);
        assert_string_equal(harness_text(h, "settings[0].value"), "disabled");
        harness_ok(h, "DeleteAccountSetting", "{'name':'containerInsights'}");
        assert_string_equal(harness_text(h, "setting.value"), "enabled");
        harness_restart(h);
        harness_ok(h, "ListAccountSettings", "{'principalArn':'arn:aws:iam::123456789012:root'}");
        assert_int_equal(harness_count(h, "settings"), 1);
}

static void settings_of_roles(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "PutAccountSetting",
                   "{'name':'awsvpcTrunking','value':'enabled','principalArn':'arn:aws:iam::123456789012:role/ops'}");
        h->principal = "arn:aws:sts::123456789012:assumed-role/ops/somebody";
        harness_ok(h, "ListAccountSettings", "{}");
        assert_string_equal(harness_text(h, "settings[0].value"), "enabled");
}

static void settings_refuse(void **state)
{
        struct api_harness *h = *state;

        harness_fails(h, "PutAccountSetting", "{'name':'taskLongArnFormat','value':'disabled'}", "InvalidParameterException",
                      "You can no longer disable");
        harness_fails(h, "PutAccountSetting", "{'name':'containerInsights','value':'perhaps'}", "InvalidParameterException",
                      "enhanced, enabled, disabled");
        harness_fails(h, "PutAccountSetting", "{'name':'moonlight','value':'enabled'}", "InvalidParameterException", "name");
        harness_fails(h, "PutAccountSetting", "{'name':'awsvpcTrunking','value':'enabled','principalArn':'me'}",
                      "InvalidParameterException", "principalArn");
        harness_fails(h, "ListAccountSettings", "{'maxResults':11}", "InvalidParameterException", "1..10");
        harness_ok(h, "PutAccountSetting", "{'name':'fargateTaskRetirementWaitPeriod','value':'14'}");
}

static void tags_of_everything(void **state)
{
        static const char *const arns[] = {
                ECS_ARN "cluster/default",
                ECS_ARN "task-definition/web:1",
                ECS_ARN "container-instance/default/" INSTANCE,
        };
        struct api_harness *h = *state;

        harness_ok(h, "RegisterTaskDefinition", "{'family':'web','containerDefinitions':[{'name':'c','image':'x','memory':64}]}");
        for (size_t i = 0; i < ARRAY_SIZE(arns); i++) {
                harness_ok(h, "TagResource", "{'resourceArn':'%s','tags':[{'key':'a','value':'1'},{'key':'b'}]}", arns[i]);
                harness_ok(h, "TagResource", "{'resourceArn':'%s','tags':[{'key':'a','value':'2'}]}", arns[i]);
                harness_ok(h, "ListTagsForResource", "{'resourceArn':'%s'}", arns[i]);
                assert_int_equal(harness_count(h, "tags"), 2);
                assert_string_equal(harness_text(h, "tags[0].value"), "2");
                assert_string_equal(harness_text(h, "tags[1].value"), "");
                harness_ok(h, "UntagResource", "{'resourceArn':'%s','tagKeys':['a','never']}", arns[i]);
                harness_ok(h, "ListTagsForResource", "{'resourceArn':'%s'}", arns[i]);
                assert_int_equal(harness_count(h, "tags"), 1);
        }
        harness_restart(h);
        harness_ok(h, "DescribeClusters", "{'clusters':['default'],'include':['TAGS']}");
        assert_string_equal(harness_text(h, "clusters[0].tags[0].key"), "b");
}

static void tags_refuse(void **state)
{
        struct api_harness *h = *state;
        struct buf many = {0};

        harness_fails(h, "TagResource", "{'resourceArn':'nothing','tags':[]}", "InvalidParameterException", NULL);
        harness_fails(h, "ListTagsForResource", "{'resourceArn':'" ECS_ARN "cluster/none'}", "ClusterNotFoundException", NULL);
        harness_fails(h, "ListTagsForResource", "{'resourceArn':'" ECS_ARN "task/default/" INSTANCE "'}", "ResourceNotFoundException",
                      "task");
        harness_fails(h, "ListTagsForResource", "{'resourceArn':'" ECS_ARN "balloon/red'}", "InvalidParameterException", NULL);
        harness_fails(h, "TagResource", "{'resourceArn':'" ECS_ARN "cluster/default','tags':[{'key':'aws:ecs:x','value':'y'}]}",
                      "InvalidParameterException", "aws:");
        for (int round = 0; round < 2; round++) {
                buf_clear(&many);
                buf_append_str(&many, "{'resourceArn':'" ECS_ARN "cluster/default','tags':[");
                for (int i = 0; i < 30; i++)
                        buf_printf(&many, "%s{'key':'k%d-%d','value':'v'}", i > 0 ? "," : "", round, i);
                buf_append_str(&many, "]}");
                if (round == 0)
                        harness_ok(h, "TagResource", "%s", many.data);
                else
                        harness_fails(h, "TagResource", many.data, "LimitExceededException", "60 tags");
        }
        buf_done(&many);
        harness_ok(h, "CreateCluster", "{'clusterName':'gone'}");
        harness_ok(h, "DeleteCluster", "{'cluster':'gone'}");
        harness_fails(h, "ListTagsForResource", "{'resourceArn':'" ECS_ARN "cluster/gone'}", "InvalidParameterException",
                      "The specified cluster is inactive");
}

static void attributes_come_and_go(void **state)
{
        struct api_harness *h = *state;

        harness_ok(h, "PutAttributes",
                   "{'attributes':[{'name':'stack','value':'prod blue','targetType':'container-instance','targetId':'" INSTANCE "'},"
                   "{'name':'flag','targetId':'" ECS_ARN "container-instance/default/" INSTANCE "'}]}");
        assert_string_equal(harness_text(h, "attributes[0].targetId"), ECS_ARN "container-instance/default/" INSTANCE);
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance'}");
        assert_int_equal(harness_count(h, "attributes"), 3);
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance','maxResults':2}");
        assert_int_equal(harness_count(h, "attributes"), 2);
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance','maxResults':2,'nextToken':'%s'}",
                   strdupa(harness_text(h, "nextToken")));
        assert_int_equal(harness_count(h, "attributes"), 1);
        assert_string_equal(harness_text(h, "attributes[0].name"), "flag");
        assert_false(harness_has(h, "nextToken"));
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance','attributeName':'stack','attributeValue':'prod blue'}");
        assert_int_equal(harness_count(h, "attributes"), 1);
        harness_ok(h, "DeleteAttributes",
                   "{'attributes':[{'name':'stack','value':'other','targetId':'" INSTANCE "'},{'name':'flag','targetId':'" INSTANCE "'}]}");
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance','attributeName':'stack'}");
        assert_int_equal(harness_count(h, "attributes"), 1);
        harness_ok(h, "ListAttributes", "{'targetType':'container-instance','attributeName':'flag'}");
        assert_int_equal(harness_count(h, "attributes"), 0);
}

static void attributes_refuse(void **state)
{
        struct api_harness *h = *state;

        harness_fails(h, "PutAttributes", "{'attributes':[{'name':'a','targetId':'ffffffffffffffffffffffffffffffff'}]}",
                      "TargetNotFoundException", NULL);
        harness_fails(h, "PutAttributes", "{'attributes':[{'name':'a b','targetId':'" INSTANCE "'}]}", "InvalidParameterException",
                      "attributes[0].name");
        harness_fails(h, "PutAttributes", "{'attributes':[{'name':'a','value':'b ','targetId':'" INSTANCE "'}]}",
                      "InvalidParameterException", "attributes[0].value");
        harness_fails(h, "PutAttributes", "{'attributes':[{'name':'ecs.os-type','value':'x','targetId':'" INSTANCE "'}]}",
                      "InvalidParameterException", "reserved");
        harness_fails(h, "PutAttributes", "{'cluster':'none','attributes':[{'name':'a','targetId':'" INSTANCE "'}]}",
                      "ClusterNotFoundException", NULL);
        harness_fails(h, "ListAttributes", "{'targetType':'balloon'}", "InvalidParameterException", "targetType");
        for (int i = 0; i < 10; i++)
                harness_ok(h, "PutAttributes", "{'attributes':[{'name':'a%d','targetId':'" INSTANCE "'}]}", i);
        harness_fails(h, "PutAttributes", "{'attributes':[{'name':'a10','targetId':'" INSTANCE "'}]}", "AttributeLimitExceededException",
                      NULL);
        harness_ok(h, "PutAttributes", "{'attributes':[{'name':'a9','value':'new','targetId':'" INSTANCE "'}]}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(settings_have_levels, begin, end),
                cmocka_unit_test_setup_teardown(settings_of_roles, begin, end),
                cmocka_unit_test_setup_teardown(settings_refuse, begin, end),
                cmocka_unit_test_setup_teardown(tags_of_everything, begin, end),
                cmocka_unit_test_setup_teardown(tags_refuse, begin, end),
                cmocka_unit_test_setup_teardown(attributes_come_and_go, begin, end),
                cmocka_unit_test_setup_teardown(attributes_refuse, begin, end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
