/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as state: the default VPC, zones, and above all addresses, which must be unique, reused late and never leak. */
#include <errno.h>

#include "base/strutil.h"
#include "control/interface.h"
#include "control/network.h"
#include "store/store.h"

#include "unit.h"

struct world {
        struct store *store;
        struct model *model;
        struct error error;
        char subnet[32];
};

static void open_model(struct world *w)
{
        if (model_open(w->store, env_system(), NULL, "123456789012", "us-east-1", &w->model, &w->error) < 0)
                fail_msg("%s", w->error.message);
        if (network_ensure(w->model, NULL, &w->error) < 0)
                fail_msg("%s", w->error.message);
}

static void begin(struct world *w)
{
        *w = (struct world){.store = store_memory_new(-1)};
        open_model(w);
}

static void reopen(struct world *w)
{
        model_close(w->model);
        open_model(w);
}

static void end(struct world *w)
{
        model_close(w->model);
        store_close(w->store);
}

static struct cidr range(const char *text)
{
        struct cidr cidr;

        assert_int_equal(cidr_parse(text, &cidr), 0);
        return cidr;
}

/* A subnet of its own: its id. */
static const char *add_subnet(struct world *w, const char *cidr)
{
        struct vpc *vpc = model_default_vpc(w->model);
        struct tx *tx = tx_begin(w->model);
        const struct subnet *subnet =
                network_subnet_create(w->model, tx, &(struct subnet_request){.vpc = vpc, .range = range(cidr), .zone = "us-east-1b"});

        snprintf(w->subnet, sizeof(w->subnet), "%s", subnet->state->id);
        tx_commit(tx);
        return w->subnet;
}

/* The new interface, or NULL; what went wrong is in w->error. */
static struct network_interface *add_interface(struct world *w, const char *subnet, const char *address)
{
        struct interface_request request = {.subnet = model_subnet(w->model, subnet), .address = address, .use = STATE_INTERFACE_USE_USER};
        struct network_interface *interface = NULL;
        struct tx *tx = tx_begin(w->model);

        error_clear(&w->error);
        if (network_interface_create(w->model, tx, &request, &interface, &w->error) < 0) {
                tx_rollback(tx);
                return NULL;
        }
        tx_commit(tx);
        return interface;
}

static void drop(struct world *w, struct network_interface *interface)
{
        struct tx *tx = tx_begin(w->model);

        network_interface_delete(tx, interface);
        tx_commit(tx);
}

static void test_ranges(void **state)
{
        static const struct {
                const char *text, *normal; /* NULL: refused */
                uint64_t size;
        } rows[] = {
                {"10.0.0.0/16", "10.0.0.0/16", 65536},
                {"10.0.1.7/24", "10.0.1.0/24", 256},
                {"0.0.0.0/0", "0.0.0.0/0", UINT64_C(1) << 32},
                {"1.2.3.4/32", "1.2.3.4/32", 1},
                {"10.0.0.0", NULL, 0},
                {"10.0.0.0/33", NULL, 0},
                {"10.0.0/8", NULL, 0},
                {"10.0.0.0/-1", NULL, 0},
                {"256.0.0.0/8", NULL, 0},
                {"", NULL, 0},
                {"/8", NULL, 0},
                {"::/0", NULL, 0},
        };
        char text[CIDR_TEXT_MAX], v6[50];
        struct cidr cidr;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int r = cidr_parse(rows[i].text, &cidr);

                if (r != (rows[i].normal ? 0 : -EINVAL))
                        fail_msg("%s: %d", rows[i].text, r);
                if (r < 0)
                        continue;
                cidr_format(cidr, text);
                assert_string_equal(text, rows[i].normal);
                assert_int_equal(cidr_size(cidr), rows[i].size);
        }
        assert_true(cidr_contains(range("10.0.0.0/8"), range("10.3.0.0/16")));
        assert_false(cidr_contains(range("10.3.0.0/16"), range("10.0.0.0/8")));
        assert_true(cidr_overlaps(range("10.3.0.0/16"), range("10.0.0.0/8")));
        assert_false(cidr_overlaps(range("10.3.0.0/16"), range("10.4.0.0/16")));
        assert_int_equal(cidr_normalise_ipv6("2001:DB8:0:0::1/32", v6), 0);
        assert_string_equal(v6, "2001:db8::/32");
        assert_int_equal(cidr_normalise_ipv6("10.0.0.0/8", v6), -EINVAL);
}

static size_t count(const struct list *head)
{
        size_t n = 0;

        for (const struct list *l = head->next; l != head; l = l->next)
                n++;
        return n;
}

static void test_default_vpc(void **state)
{
        struct world w;
        struct vpc *vpc;
        struct subnet *subnet;

        begin(&w);
        vpc = model_default_vpc(w.model);
        assert_string_equal(vpc->state->ranges.items[0].cidr, "172.31.0.0/16");
        assert_int_equal(vpc->state->number, 1);
        assert_int_equal(count(&vpc->subnets), 3);
        assert_int_equal(count(&vpc->acls), 1);
        assert_int_equal(count(&vpc->internet_gateways), 1);
        assert_string_equal(vpc->default_group->state->name, "default");
        subnet = CONTAINER_OF(vpc->subnets.next, struct subnet, in_vpc);
        assert_string_equal(subnet->state->cidr, "172.31.0.0/20");
        assert_string_equal(subnet->state->zone, "us-east-1a");
        assert_ptr_equal(subnet_route_table(subnet), vpc_main_route_table(vpc));
        assert_string_equal(vpc_main_route_table(vpc)->state->routes.items[1].destination, "0.0.0.0/0");
        assert_int_equal(subnet_free(subnet), 4091);
        /* Once: not again at the next start, and not when it was deleted. */
        reopen(&w);
        assert_int_equal(model_objects(w.model, OBJECT_VPC)->count, 1);
        assert_int_equal(model_default_vpc(w.model)->n_members, 3 + 1 + 1 + 1 + 1);
        assert_int_equal(network_ensure(w.model, "10.0.0.0/8", &w.error), -EINVAL);
        end(&w);
}

static void test_zones_of_nodes(void **state)
{
        struct world w;
        struct vpc *vpc;
        struct tx *tx;

        begin(&w);
        vpc = model_default_vpc(w.model);
        tx = tx_begin(w.model);
        network_learn_zone(w.model, tx, "rack-7");
        network_learn_zone(w.model, tx, "rack-7");
        network_learn_zone(w.model, tx, "us-east-1b");
        network_learn_zone(w.model, tx, "no name");
        network_learn_zone(w.model, tx, NULL);
        tx_commit(tx);
        assert_int_equal(count(&vpc->subnets), 4);
        assert_string_equal(CONTAINER_OF(vpc->subnets.prev, struct subnet, in_vpc)->state->cidr, "172.31.48.0/20");
        for (int i = 0; i < 200; i++) { /* there is room for twelve more subnets and for 64 zones */
                char zone[16];

                snprintf(zone, sizeof(zone), "z%d", i);
                tx = tx_begin(w.model);
                network_learn_zone(w.model, tx, zone);
                tx_commit(tx);
        }
        assert_int_equal(count(&vpc->subnets), 16);
        assert_int_equal(model_meta(w.model)->zones.n, NETWORK_MAX_ZONES);
        reopen(&w);
        assert_true(network_zone_known(w.model, "rack-7"));
        end(&w);
}

/* 16 addresses, 11 of them for interfaces. */
static void test_addresses_come_round(void **state)
{
        struct network_interface *interfaces[11];
        const char *subnet;
        struct world w;

        begin(&w);
        subnet = add_subnet(&w, "172.31.255.0/28");
        for (int i = 0; i < 11; i++) {
                char text[32];

                interfaces[i] = add_interface(&w, subnet, NULL);
                assert_non_null(interfaces[i]);
                snprintf(text, sizeof(text), "172.31.255.%d", 4 + i);
                assert_string_equal(interfaces[i]->state->address, text);
                snprintf(text, sizeof(text), "0a:01:ac:1f:ff:%02x", 4 + i);
                assert_string_equal(interfaces[i]->state->mac, text);
        }
        assert_null(add_interface(&w, subnet, NULL));
        assert_string_equal(w.error.code, "InsufficientFreeAddressesInSubnet");
        assert_int_equal(subnet_free(model_subnet(w.model, subnet)), 0);
        /* The last one is free, then the first: the search goes on behind what was given out last. */
        drop(&w, interfaces[10]);
        drop(&w, interfaces[0]);
        drop(&w, interfaces[1]);
        assert_string_equal(add_interface(&w, subnet, NULL)->state->address, "172.31.255.4");
        reopen(&w); /* where it was is kept */
        assert_string_equal(add_interface(&w, subnet, NULL)->state->address, "172.31.255.5");
        assert_string_equal(add_interface(&w, subnet, NULL)->state->address, "172.31.255.14");
        assert_null(add_interface(&w, subnet, NULL));
        end(&w);
}

static void test_a_freed_address_is_reused_late(void **state)
{
        struct world w;
        const char *subnet;

        begin(&w);
        subnet = add_subnet(&w, "172.31.240.0/22");
        for (int i = 0; i < 1024 - SUBNET_RESERVED; i++) {
                struct network_interface *interface = add_interface(&w, subnet, NULL);

                assert_int_equal(interface->address - model_subnet(w.model, subnet)->range.address, 4 + i);
                drop(&w, interface);
        }
        assert_string_equal(add_interface(&w, subnet, NULL)->state->address, "172.31.240.4");
        end(&w);
}

static void test_wanted_addresses(void **state)
{
        static const struct {
                const char *address, *code; /* NULL: goes well */
        } rows[] = {
                {"172.31.255.7", NULL},
                {"172.31.255.7", "InvalidIPAddress.InUse"},
                {"172.31.255.3", "InvalidParameterValue"},
                {"172.31.255.15", "InvalidParameterValue"},
                {"10.0.0.1", "InvalidParameterValue"},
                {"nonsense", "InvalidParameterValue"},
        };
        struct world w;
        const char *subnet;

        begin(&w);
        subnet = add_subnet(&w, "172.31.255.0/28");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct network_interface *interface = add_interface(&w, subnet, rows[i].address);

                if ((interface == NULL) != (rows[i].code != NULL) || !str_eq(rows[i].code, w.error.code))
                        fail_msg("%s: %s %s", rows[i].address, w.error.code, w.error.message);
        }
        for (int i = 0; i < 10; i++)
                assert_non_null(add_interface(&w, subnet, NULL));
        assert_null(add_interface(&w, subnet, NULL));
        end(&w);
}

static void test_rollback_gives_back(void **state)
{
        struct network_interface *interface;
        struct security_group *group;
        const char *subnet;
        struct world w;
        struct tx *tx;

        begin(&w);
        subnet = add_subnet(&w, "172.31.255.0/28");
        group = model_default_vpc(w.model)->default_group;
        interface = add_interface(&w, subnet, NULL);
        tx = tx_begin(w.model);
        for (int i = 0; i < 3; i++) {
                struct network_interface *more;

                assert_int_equal(network_interface_create(w.model, tx, &(struct interface_request){.subnet = model_subnet(w.model, subnet)},
                                                          &more, &w.error),
                                 0);
        }
        network_interface_delete(tx, interface);
        assert_int_equal(group->n_members, 3);
        tx_rollback(tx);
        assert_int_equal(group->n_members, 1);
        assert_int_equal(subnet_free(model_subnet(w.model, subnet)), 10);
        assert_string_equal(add_interface(&w, subnet, NULL)->state->address, "172.31.255.5");
        end(&w);
}

static void test_groups_of_interfaces(void **state)
{
        struct string_list groups = {0}, unknown = {.items = (const char *[]){"sg-0"}, .n = 1};
        struct interface_request request;
        struct network_interface *interface;
        struct security_group *group;
        CLEANUP_ARENA struct arena arena = {0};
        struct vpc *other;
        struct world w;
        struct tx *tx;

        begin(&w);
        tx = tx_begin(w.model);
        other = network_vpc_create(w.model, tx, &(struct vpc_request){.range = range("10.0.0.0/16")});
        tx_commit(tx);
        assert_int_equal(other->state->number, 2);
        request = (struct interface_request){.subnet = model_subnet(w.model, add_subnet(&w, "172.31.255.0/28")), .groups = &unknown};
        tx = tx_begin(w.model);
        assert_int_equal(network_interface_create(w.model, tx, &request, &interface, &w.error), -EINVAL);
        assert_string_equal(w.error.code, "InvalidGroup.NotFound");
        error_clear(&w.error);
        string_list_push(&arena, &groups, other->default_group->state->id);
        request.groups = &groups;
        assert_int_equal(network_interface_create(w.model, tx, &request, &interface, &w.error), -EINVAL);
        assert_string_equal(w.error.code, "InvalidParameterValue");
        tx_rollback(tx);
        /* Without a group: the default one. */
        interface = add_interface(&w, request.subnet->state->id, NULL);
        group = model_default_vpc(w.model)->default_group;
        assert_ptr_equal(interface->memberships[0].group, group);
        reopen(&w);
        assert_int_equal(model_default_vpc(w.model)->default_group->n_members, 1);
        end(&w);
}

static void test_private_names(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct world w;

        begin(&w);
        assert_string_equal(network_private_dns_name(w.model, &arena, "10.0.1.17"), "ip-10-0-1-17.ec2.internal");
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_default_vpc),
                cmocka_unit_test(test_zones_of_nodes),
                cmocka_unit_test(test_addresses_come_round),
                cmocka_unit_test(test_a_freed_address_is_reused_late),
                cmocka_unit_test(test_wanted_addresses),
                cmocka_unit_test(test_rollback_gives_back),
                cmocka_unit_test(test_groups_of_interfaces),
                cmocka_unit_test(test_private_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
