/* SPDX-License-Identifier: Apache-2.0 */
/* Clock and randomness. */
#include "base/env.h"

#include <ctype.h>

#include "unit.h"

static void fill_ff(struct env *env, void *bytes, size_t n)
{
        memset(bytes, 0xff, n);
}

static void clocks_move(void **state)
{
        struct env *env = env_system();
        int64_t before = env_mono_us(env);
        assert_true(env_now_ms(env) > 1600000000000);
        assert_true(env_mono_us(env) >= before);
}

static void hex_digits(void **state)
{
        char text[200];
        for (size_t digits = 0; digits < sizeof(text); digits += 13) {
                env_random_hex(env_system(), text, digits);
                assert_int_equal(strlen(text), digits);
                for (size_t i = 0; i < digits; i++)
                        assert_true(isxdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]));
        }
}

static void uuids(void **state)
{
        struct env fixed = {.random = fill_ff};
        char a[37], b[37];
        env_random_uuid(&fixed, a);
        assert_string_equal(a, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        env_random_uuid(env_system(), a);
        env_random_uuid(env_system(), b);
        assert_int_equal(strlen(a), 36);
        assert_string_not_equal(a, b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(clocks_move),
                cmocka_unit_test(hex_digits),
                cmocka_unit_test(uuids),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
