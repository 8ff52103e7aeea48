/* SPDX-License-Identifier: Apache-2.0 */
/* Error object and the allocation wrappers. */
#include "base/error.h"

#include <errno.h>

#include "base/alloc.h"
#include "unit.h"

static void first_cause_wins(void **state)
{
        struct error e = {0};
        assert_false(error_is_set(&e));
        assert_int_equal(error_set(&e, ENOENT, "no file %s", "a"), -ENOENT);
        assert_int_equal(error_set(&e, EIO, "later"), -EIO);
        assert_string_equal(e.message, "no file a");
        assert_int_equal(error_wrap(&e, "reading %s", "b"), -ENOENT);
        assert_string_equal(e.message, "reading b: no file a");
        error_clear(&e);
        assert_false(error_is_set(&e));
        assert_int_equal(error_api(&e, "ClientException", "bad"), -EINVAL);
        assert_string_equal(e.code, "ClientException");
        assert_int_equal(error_set(NULL, EIO, "nobody listens"), -EIO);
}

static void long_messages_are_cut(void **state)
{
        struct error e = {0};
        assert_int_equal(error_set(&e, EIO, "%02000d", 1), -EIO);
        assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
        assert_int_equal(error_wrap(&e, "context"), -EIO);
        assert_memory_equal(e.message, "context: 000", 12);
}

static void allocations(void **state)
{
        CLEANUP_FREE char *a = xprintf("%s-%d", "x", 5);
        CLEANUP_FREE char *b = xstrndup("hello", 3);
        CLEANUP_FREE char *c = xcalloc(4, 4);
        assert_string_equal(a, "x-5");
        assert_string_equal(b, "hel");
        assert_null(xstrdup(NULL));
        assert_int_equal(c[15], 0);
        c = xrealloc(c, 100);
        char *moved = TAKE(c);
        assert_null(c);
        free(moved);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_cause_wins),
                cmocka_unit_test(long_messages_are_cut),
                cmocka_unit_test(allocations),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
