/* SPDX-License-Identifier: Apache-2.0 */
/* Arena: alignment, zeroing, own chunks for what is large, reuse. */
#include "base/arena.h"
#include "unit.h"

static void aligned_and_zeroed(void **state)
{
        CLEANUP_ARENA struct arena a = {0};
        for (size_t size = 0; size < 600; size++) {
                unsigned char *p = arena_alloc(&a, size);
                assert_int_equal((uintptr_t)p % 16, 0);
                for (size_t i = 0; i < size; i++)
                        assert_int_equal(p[i], 0);
                memset(p, 0xff, size);
                memset(arena_bytes(&a, 3), 0xff, 3); /* breaks the alignment of the next one */
        }
        arena_reset(&a);
        unsigned char *again = arena_alloc(&a, 100);
        assert_int_equal(again[0], 0);
        assert_int_equal(again[99], 0);
}

static void large_blocks_keep_the_newest_chunk(void **state)
{
        CLEANUP_ARENA struct arena a = {0};
        char *first = arena_bytes(&a, 16);
        memset(arena_bytes(&a, 1 << 20), 1, 1 << 20);
        char *second = arena_bytes(&a, 16);
        assert_ptr_equal(second, first + 16);
        assert_true(a.total > 1 << 20);
        arena_reset(&a);
        assert_true(a.total > 0 && a.total <= 16 * 1024);
        assert_ptr_equal(arena_bytes(&a, 1), first);
}

static void strings(void **state)
{
        CLEANUP_ARENA struct arena a = {0};
        assert_null(arena_strdup(&a, NULL));
        assert_string_equal(arena_strdup(&a, "hello"), "hello");
        assert_string_equal(arena_strndup(&a, "hello", 2), "he");
        assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
        assert_string_equal(arena_concat(&a, "a", "", "bc", "d"), "abcd");
        assert_string_equal(arena_concat(&a, ""), "");
        char *wide = arena_printf(&a, "%01000d", 5);
        assert_int_equal(strlen(wide), 1000);
        assert_int_equal(wide[999], '5');
        assert_memory_equal(arena_memdup(&a, "a\0b", 3), "a\0b", 3);
}

static void many_small(void **state)
{
        struct arena a;
        arena_init(&a);
        for (int i = 0; i < 100000; i++)
                *(int *)arena_alloc(&a, sizeof(int)) = i;
        assert_true(a.total < 100000 * 16 * 2);
        arena_done(&a);
        assert_null(a.chunks);
        assert_non_null(arena_alloc(&a, 1)); /* usable again */
        arena_done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(aligned_and_zeroed),
                cmocka_unit_test(large_blocks_keep_the_newest_chunk),
                cmocka_unit_test(strings),
                cmocka_unit_test(many_small),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
