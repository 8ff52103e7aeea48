/* SPDX-License-Identifier: Apache-2.0 */
/* Byte buffer. */
#include "base/buf.h"

#include <errno.h>

#include "unit.h"

static void grows_and_stays_a_string(void **state)
{
        CLEANUP_BUF struct buf b = {0};
        for (int i = 0; i < 1000; i++) {
                buf_append_str(&b, "abc");
                buf_append_char(&b, 'd');
                assert_int_equal(b.data[b.len], 0);
        }
        assert_int_equal(b.len, 4000);
        buf_consume(&b, 3997);
        assert_string_equal(b.data, "bcd");
        buf_clear(&b);
        assert_string_equal(b.data, "");
        memcpy(buf_reserve(&b, 5), "hello", 5);
        buf_advance(&b, 5);
        assert_string_equal(b.data, "hello");
}

static void prints_short_and_long(void **state)
{
        CLEANUP_BUF struct buf b = {0};
        buf_printf(&b, "%d,", 1);
        buf_printf(&b, "%0500d", 2);
        buf_printf(&b, ",%s", "x");
        assert_int_equal(b.len, 504);
        assert_memory_equal(b.data, "1,000", 5);
        assert_string_equal(b.data + 500, "02,x");
}

static void take(void **state)
{
        struct buf b;
        buf_init(&b);
        char *empty = buf_take(&b);
        assert_string_equal(empty, "");
        free(empty);
        buf_append(&b, "a\0b", 3);
        char *data = buf_take(&b);
        assert_memory_equal(data, "a\0b", 4);
        assert_int_equal(b.len, 0);
        free(data);
}

static void read_file(void **state)
{
        CLEANUP_BUF struct buf b = {0};
        char path[] = "/tmp/test_buf_XXXXXX";
        CLEANUP_CLOSE int fd = mkstemp(path);
        assert_int_equal(write(fd, "0123456789", 10), 10);
        buf_append_str(&b, "x");
        assert_int_equal(buf_read_file(&b, path, 9), -EFBIG);
        assert_string_equal(b.data, "x");
        assert_int_equal(buf_read_file(&b, path, 10), 0);
        assert_string_equal(b.data, "x0123456789");
        unlink(path);
        assert_int_equal(buf_read_file(&b, path, 10), -ENOENT);
        assert_int_equal(buf_read_file(&b, "/proc/self/status", 1 << 20), 0);
        assert_non_null(strstr(b.data, "Name:"));
        assert_int_equal(buf_read_file(&b, "/proc/self/status", 5), -EFBIG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(grows_and_stays_a_string),
                cmocka_unit_test(prints_short_and_long),
                cmocka_unit_test(take),
                cmocka_unit_test(read_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
