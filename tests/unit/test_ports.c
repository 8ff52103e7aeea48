/* SPDX-License-Identifier: Apache-2.0 */
/* Port sets against a plain table of counts. */
#include "model/ports.h"

#include "unit.h"

static void random_history(void **state)
{
        static int counts[65536];
        struct port_set *set = port_set_new();
        uint32_t n = 0;

        srand(3);
        for (int round = 0; round < 50000; round++) {
                int port = 1 + rand() % (round % 2 == 0 ? 65535 : 40);

                if (rand() % 2 == 0) {
                        n += counts[port]++ == 0;
                        port_set_add(set, port);
                } else {
                        n -= counts[port] == 1;
                        counts[port] -= counts[port] > 0;
                        port_set_remove(set, port);
                }
                assert_int_equal(port_set_has(set, port), counts[port] > 0);
                assert_int_equal(port_set_count(set), n);
        }
        for (uint32_t i = 0; i + 1 < port_set_count(set); i++)
                assert_true(port_set_at(set, i) < port_set_at(set, i + 1));
        for (int port = 1; port < 65536; port++)
                assert_int_equal(port_set_has(set, port), counts[port] > 0);
        port_set_free(set);
}

static void limits(void **state)
{
        struct port_set *set = port_set_new();
        int64_t odd[] = {0, -1, 65536, 70000};
        int64_t ends[] = {1, 65535};

        port_set_add_all(set, &(struct int_list){odd, 4});
        assert_int_equal(port_set_count(set), 0);
        port_set_remove_all(set, &(struct int_list){odd, 4});
        assert_false(port_set_has_any(set, &(struct int_list){odd, 4}));
        port_set_add_all(set, &(struct int_list){ends, 2});
        assert_int_equal(port_set_at(set, 0), 1);
        assert_int_equal(port_set_at(set, 1), 65535);
        assert_true(port_set_has_any(set, &(struct int_list){ends, 2}));
        port_set_remove(set, 1);
        port_set_remove(set, 1);
        assert_int_equal(port_set_count(set), 1);
        assert_null(port_set_free(set));
        assert_null(port_set_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(random_history), cmocka_unit_test(limits)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
