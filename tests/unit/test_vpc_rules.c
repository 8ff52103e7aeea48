/* SPDX-License-Identifier: Apache-2.0 */
/* From pictures to nftables text, and from one text to the next. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "vpc/names.h"
#include "vpc/rules.h"
#include "vpc_picture.h"

static const char *body_of(const struct ruleset *rs, const char *chain)
{
        for (uint32_t i = 0; i < rs->n_chains; i++) {
                if (strcmp(rs->chains[i].name, chain) == 0)
                        return rs->chains[i].body;
        }
        return "(none)";
}

static const struct ruleset_set *set_of(const struct ruleset *rs, const char *name)
{
        for (uint32_t i = 0; i < rs->n_sets; i++) {
                if (strcmp(rs->sets[i].name, name) == 0)
                        return &rs->sets[i];
        }
        fail_msg("no set %s", name);
        return NULL;
}

/* Overlapping ports and ranges become segments that do not overlap. */
static void test_group(void **state)
{
        struct vpc_network *n = picture_new("vpc-1", 7);
        struct vpc_group *g = picture_group(n, "sg-1");
        struct ruleset *rs = ruleset_new();

        picture_rule(n, &g->ingress, 6, 80, 80, "0.0.0.0/0");
        picture_rule(n, &g->ingress, 6, 70, 90, "10.1.0.0/16");
        picture_rule(n, &g->ingress, 6, 85, 85, "10.1.2.0/24"); /* in the one above */
        picture_rule(n, &g->ingress, 6, 88, 95, "sg-2");
        picture_rule(n, &g->ingress, 17, 0, 65535, "10.1.0.0/16");
        picture_rule(n, &g->ingress, 17, 0, 65535, "10.0.0.0/16"); /* neighbours: one range */
        picture_rule(n, &g->ingress, 1, 8, VPC_ANY, "0.0.0.0/0");
        picture_rule(n, &g->ingress, 47, VPC_ANY, VPC_ANY, "10.9.9.9/32");
        picture_rule(n, &g->ingress, VPC_ANY, VPC_ANY, VPC_ANY, "sg-1");
        picture_rule(n, &g->egress, VPC_ANY, VPC_ANY, VPC_ANY, "0.0.0.0/0");
        rules_compile_group(rs, g);
        assert_string_equal(body_of(rs, "in.sg-1"),
                            "tcp dport vmap { 70-79 : jump in.sg-1.0, 80 : accept, 81-87 : jump in.sg-1.0, 88-90 : jump in.sg-1.1, "
                            "91-95 : jump in.sg-1.2 }\n"
                            "meta l4proto udp jump in.sg-1.3\n"
                            "icmp type 8 accept\n"
                            "meta l4proto 47 ip saddr 10.9.9.9 accept\n"
                            "ip saddr @m.sg-1 accept\n");
        assert_string_equal(body_of(rs, "in.sg-1.0"), "ip saddr 10.1.0.0-10.1.255.255 accept\n");
        assert_string_equal(body_of(rs, "in.sg-1.1"), "ip saddr 10.1.0.0-10.1.255.255 accept\nip saddr @m.sg-2 accept\n");
        assert_string_equal(body_of(rs, "in.sg-1.2"), "ip saddr @m.sg-2 accept\n");
        assert_string_equal(body_of(rs, "in.sg-1.3"), "ip saddr 10.0.0.0-10.1.255.255 accept\n");
        assert_string_equal(body_of(rs, "out.sg-1"), "goto into\n");
        ruleset_free(rs);
        vpc_network_free(n);
}

static void test_network(void **state)
{
        struct vpc_network *n = picture_new("vpc-1", 7);
        struct vpc_group *web = picture_open_group(n, "sg-web"), *db = picture_group(n, "sg-db");
        struct vpc_interface *it;
        struct ruleset *rs;
        struct error error = {0};

        picture_rule(n, &web->ingress, 6, 80, 80, "0.0.0.0/0");
        picture_rule(n, &db->ingress, 6, 5432, 5432, "sg-web");
        picture_interface(n, "eni-1", "subnet-open", "10.0.0.5", "sg-web");
        it = picture_interface(n, "eni-2", "subnet-nat", "10.0.16.5", "sg-web");
        it->groups[it->n_groups++] = "sg-db";
        it = picture_interface(n, "eni-3", "subnet-nat", "10.0.16.6", "sg-web");
        it->place = VPC_PLACE_REMOTE;
        picture_interface(n, "eni-4", "subnet-nat", "10.0.16.7", "sg-web")->place = VPC_PLACE_NOWHERE;
        assert_int_equal(rules_check(n, &error), 0);
        rs = rules_compile(n);
        assert_int_equal(set_of(rs, "m.sg-web")->n, 4);
        assert_int_equal(set_of(rs, "remote")->n, 1);
        assert_int_equal(set_of(rs, "tasks")->n, 2);
        assert_string_equal(set_of(rs, "ingress")->elements[0].value, "goto ing.sg-web");
        assert_string_equal(set_of(rs, "ingress")->elements[1].value, "goto ing.sg-db_sg-web");
        assert_string_equal(body_of(rs, "ing.sg-db_sg-web"), "jump in.sg-db\njump in.sg-web\ndrop\n");
        assert_string_equal(body_of(rs, "private.subnet-open"),
                            "ip daddr 0.0.0.0/0 reject with icmp type net-unreachable\nreject with icmp type net-unreachable\n");
        assert_string_equal(set_of(rs, "sources")->elements[0].key, "\"t0a000005\" . 02:00:05:00:00:0a . 10.0.0.5");
        ruleset_free(rs);
        n->interfaces[1].address = n->interfaces[0].address;
        assert_int_equal(rules_check(n, &error), -EINVAL);
        assert_non_null(strstr(error.message, "10.0.0.5"));
        n->n_interfaces = 0;
        error_clear(&error);
        web->id = "sg-web; flush ruleset";
        assert_int_equal(rules_check(n, &error), -EINVAL);
        vpc_network_free(n);
}

/* Before what is established, in both directions, and not for what stays in the subnet. */
static void test_acls(void **state)
{
        static struct vpc_acl_rule rules[] = {
                {.egress = true, .allow = true, .protocol = VPC_ANY, .from = VPC_ANY, .to = VPC_ANY},
                {.egress = false, .allow = false, .protocol = 6, .from = 22, .to = 22},
                {.egress = false, .allow = true, .protocol = 6, .from = 0, .to = 65535},
                {.egress = false, .allow = true, .protocol = 1, .from = 8, .to = VPC_ANY},
        };
        struct vpc_network *n = picture_new("vpc-1", 7);
        struct error error = {0};
        struct ruleset *rs = rules_compile(n);

        assert_string_equal(body_of(rs, "acl"), "(none)");
        assert_true(str_starts_with(body_of(rs, "forward"), "ct state"));
        ruleset_free(rs);
        rules[1].range = (struct range){address_of("10.0.0.0"), 8};
        n->subnets[1].acl = rules;
        n->subnets[1].n_acl = 4;
        assert_int_equal(rules_check(n, &error), 0);
        rs = rules_compile(n);
        assert_true(str_starts_with(body_of(rs, "forward"), "jump acl\nct state"));
        assert_string_equal(body_of(rs, "acl"), "ip daddr { " VPC_METADATA_ADDRESS ", " VPC_NAME_SERVER " } return\n"
                                                "ip saddr { " VPC_METADATA_ADDRESS ", " VPC_NAME_SERVER " } return\n"
                                                "ip saddr 10.0.16.0/20 ip daddr != 10.0.16.0/20 jump acl-out.subnet-nat\n"
                                                "ip daddr 10.0.16.0/20 ip saddr != 10.0.16.0/20 jump acl-in.subnet-nat\n");
        assert_string_equal(body_of(rs, "acl-out.subnet-nat"), "return\ndrop\n");
        assert_string_equal(body_of(rs, "acl-in.subnet-nat"),
                            "ip saddr 10.0.0.0/8 tcp dport 22 drop\nmeta l4proto tcp return\nicmp type 8 return\ndrop\n");
        ruleset_free(rs);
        rules[2].to = 70000;
        assert_int_equal(rules_check(n, &error), -EINVAL);
        vpc_network_free(n);
}

/* A change writes only what changes. */
static void test_diff(void **state)
{
        struct vpc_network *n = picture_new("vpc-1", 7);
        struct vpc_group *web = picture_open_group(n, "sg-web");
        struct ruleset *a, *b;
        CLEANUP_BUF struct buf script = {0};

        picture_rule(n, &web->ingress, 6, 80, 80, "sg-web");
        picture_interface(n, "eni-1", "subnet-open", "10.0.0.5", "sg-web");
        a = rules_compile(n);
        b = rules_compile(n);
        ruleset_diff(a, b, &script);
        assert_int_equal(script.len, 0);
        ruleset_free(b);
        picture_interface(n, "eni-2", "subnet-open", "10.0.0.6", "sg-web")->place = VPC_PLACE_REMOTE;
        b = rules_compile(n);
        ruleset_diff(a, b, &script);
        assert_string_equal(script.data, "add element ip vpc m.sg-web { 10.0.0.6 }\nadd element ip vpc remote { 10.0.0.6 }\n");
        buf_clear(&script);
        ruleset_diff(b, a, &script);
        assert_string_equal(script.data, "delete element ip vpc m.sg-web { 10.0.0.6 }\ndelete element ip vpc remote { 10.0.0.6 }\n");
        ruleset_free(b);
        n->n_interfaces = 1;
        picture_rule(n, &web->ingress, 6, 443, 443, "10.0.0.0/8");
        b = rules_compile(n);
        buf_clear(&script);
        ruleset_diff(a, b, &script);
        assert_string_equal(script.data, "add chain ip vpc in.sg-web.1\n"
                                         "flush chain ip vpc in.sg-web\n"
                                         "add rule ip vpc in.sg-web tcp dport vmap { 80 : jump in.sg-web.0, 443 : jump in.sg-web.1 }\n"
                                         "add rule ip vpc in.sg-web.1 ip saddr 10.0.0.0-10.255.255.255 accept\n");
        ruleset_free(a);
        ruleset_free(b);
        vpc_network_free(n);
}

/* Nothing that the server says becomes anything else in the file of a zone than a name. */
static void test_zone(void **state)
{
        static const char *const bad[] = {"", "a..b", "a b", "a;b", "a\n$INCLUDE x", "\"x\"", "*", "@", "a.", "(", NULL};
        struct vpc_record records[] = {{.owner = "web.internal", .ttl = 10, .address = 0x0a000001},
                                       {.owner = "web.internal", .ttl = 5, .port = 80, .target = "i-1.web.internal"}};
        struct vpc_zone zone = {.id = "ns-1", .name = "internal", .ttl = 15, .records = records, .n_records = 2};
        CLEANUP_BUF struct buf text = {0};

        assert_int_equal(names_zone_text(&zone, &text, NULL), 0);
        assert_string_equal(text.data, "internal. 15 IN SOA ns.internal. hostmaster.internal. 1 3600 600 86400 15\n"
                                       "internal. 15 IN NS ns.internal.\n"
                                       "web.internal. 10 IN A 10.0.0.1\n"
                                       "web.internal. 5 IN SRV 1 1 80 i-1.web.internal.\n");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                records[0].owner = bad[i];
                assert_int_equal(names_zone_text(&zone, &text, NULL), -EINVAL);
                records[0].owner = "web.internal";
                records[1].target = bad[i] != NULL ? bad[i] : "i-1";
                assert_int_equal(names_zone_text(&zone, &text, NULL), bad[i] != NULL ? -EINVAL : 0);
                records[1].target = "i-1.web.internal";
                zone.name = bad[i];
                assert_int_equal(names_zone_text(&zone, &text, NULL), -EINVAL);
                zone.name = "internal";
        }
        zone.id = "../x";
        assert_int_equal(names_zone_text(&zone, &text, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_zone), cmocka_unit_test(test_group), cmocka_unit_test(test_network),
                cmocka_unit_test(test_acls), cmocka_unit_test(test_diff),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
