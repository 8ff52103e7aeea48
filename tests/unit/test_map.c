/* SPDX-License-Identifier: Apache-2.0 */
/* Hash index and list. */
#include "base/map.h"

#include "base/list.h"
#include "unit.h"

struct item {
        char key[16];
        struct map_node node;
        struct list link;
        bool seen;
};

#define N 5000
static struct item items[N];

static void insert_find_remove(void **state)
{
        struct map map;
        map_init(&map);
        assert_null(map_find(&map, "x"));
        for (int i = 0; i < N; i++) {
                snprintf(items[i].key, sizeof(items[i].key), "key-%d", i);
                map_insert(&map, &items[i].node, items[i].key);
        }
        assert_int_equal(map.count, N);
        for (int i = 0; i < N; i++)
                assert_ptr_equal(map_get(&map, items[i].key, struct item, node), &items[i]);
        assert_ptr_equal(map_find_n(&map, "key-12345", 7), &items[123].node);
        assert_null(map_find(&map, "key-5000"));
        assert_null(map_find_n(&map, "key-1\0x", 7));

        size_t seen = 0;
        map_for_each (node, &map) {
                struct item *item = CONTAINER_OF(node, struct item, node);
                assert_false(item->seen);
                item->seen = true;
                if (++seen % 2 == 0)
                        map_remove(&map, node);
        }
        assert_int_equal(seen, N);
        assert_int_equal(map.count, N / 2);
        map_done(&map);
}

static void hash_is_siphash_1_3(void **state)
{
        /* Every length and a changed bit give another value; the key matters; the same input the same value. */
        unsigned char bytes[64] = {0};
        uint64_t last = 0;
        for (size_t len = 0; len <= sizeof(bytes); len++) {
                uint64_t hash = hash_bytes(bytes, len);
                assert_int_equal(hash, hash_bytes(bytes, len));
                assert_int_not_equal(hash, last);
                last = hash;
        }
        for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
                bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
                assert_int_not_equal(hash_bytes(bytes, sizeof(bytes)), last);
                bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        hash_set_key(1, 2);
        uint64_t fixed = hash_bytes("abc", 3);
        hash_set_key(1, 3);
        assert_int_not_equal(fixed, hash_bytes("abc", 3));
        hash_set_key(1, 2);
        assert_int_equal(fixed, hash_bytes("abc", 3));
}

static void list_keeps_order(void **state)
{
        struct list head;
        struct item a, b, c;
        list_init(&head);
        assert_true(list_empty(&head));
        assert_null(list_first(&head, struct item, link));
        list_push(&head, &b.link);
        list_push(&head, &c.link);
        list_push_front(&head, &a.link);
        struct item *expect[] = {&a, &b, &c};
        int i = 0;
        list_for_each (it, &head, struct item, link) {
                assert_ptr_equal(it, expect[i++]);
                list_remove(&it->link);
        }
        assert_int_equal(i, 3);
        assert_true(list_empty(&head));
        list_remove(&a.link); /* harmless */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(insert_find_remove),
                cmocka_unit_test(hash_is_siphash_1_3),
                cmocka_unit_test(list_keeps_order),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
