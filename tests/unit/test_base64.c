/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: the vectors of RFC 4648, all lengths, and what is refused. */
#include <errno.h>

#include "codec/base64.h"
#include "unit.h"

static void test_vectors(void **state)
{
        static const char *const rows[][2] = {{"", ""},
                                              {"f", "Zg=="},
                                              {"fo", "Zm8="},
                                              {"foo", "Zm9v"},
                                              {"foob", "Zm9vYg=="},
                                              {"fooba", "Zm9vYmE="},
                                              {"foobar", "Zm9vYmFy"}};

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char text[16], bytes[16];
                size_t len;

                base64_encode(rows[i][0], strlen(rows[i][0]), text);
                assert_string_equal(text, rows[i][1]);
                assert_int_equal(base64_decode(text, strlen(text), bytes, &len), 0);
                assert_int_equal(len, strlen(rows[i][0]));
                assert_memory_equal(bytes, rows[i][0], len);
        }
}

static void test_all_bytes_in_place(void **state)
{
        unsigned char bytes[256];
        char text[BASE64_LEN(256) + 1];
        size_t len;

        for (size_t n = 0; n <= sizeof(bytes); n++) {
                CLEANUP_BUF struct buf out = {0};

                for (size_t i = 0; i < n; i++)
                        bytes[i] = (unsigned char)(255 - i * 7);
                base64_encode(bytes, n, text);
                base64_append(&out, bytes, n);
                assert_string_equal(out.data, text);
                assert_int_equal(strlen(text), BASE64_LEN(n));
                assert_int_equal(base64_decode(text, strlen(text), text, &len), 0);
                assert_int_equal(len, n);
                assert_memory_equal(text, bytes, n);
        }
}

static void test_refused(void **state)
{
        static const char *const rows[] = {
                "Z", "Zg", "Zg=", "Zm9v=", "====", "Z===", "Zh==", "Zm9=", "Zm9v\n", "Zm-_", "Zg==Zg==", " Zg=", "Zm=v"};
        char bytes[16];
        size_t len;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (base64_decode(rows[i], strlen(rows[i]), bytes, &len) != -EINVAL)
                        fail_msg("%s was accepted", rows[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors),
                cmocka_unit_test(test_all_bytes_in_place),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
