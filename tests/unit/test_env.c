/* SPDX-License-Identifier: Apache-2.0 */
/* Clock and randomness. */
#include "base/env.h"

#include <ctype.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* What a thread has drawn ahead must not come twice, nor be the same in a child. */
static void never_the_same(void **state)
{
        char before[33], parent[33], child[33] = "";
        int pipes[2], status;
        pid_t pid;

        env_random_hex(env_system(), before, 32);
        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        if (pid == 0) {
                env_random_hex(env_system(), child, 32);
                _exit(write(pipes[1], child, sizeof(child)) == (ssize_t)sizeof(child) ? 0 : 1);
        }
        env_random_hex(env_system(), parent, 32);
        assert_int_equal(read(pipes[0], child, sizeof(child)), sizeof(child));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(pipes[0]);
        close(pipes[1]);
        assert_int_equal(strlen(child), 32);
        assert_string_not_equal(before, parent);
        assert_string_not_equal(child, parent);
}

/* Larger than what is drawn ahead, and many that are smaller. */
static void of_any_size(void **state)
{
        unsigned char many[5000], again[5000];

        env_system()->random(env_system(), many, sizeof(many));
        for (size_t at = 0; at < sizeof(again); at += 40)
                env_system()->random(env_system(), again + at, 40);
        for (size_t at = 0; at + 80 <= sizeof(again); at += 40) {
                assert_memory_not_equal(again + at, again + at + 40, 40);
                assert_memory_not_equal(again + at, many + at, 40);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(clocks_move),    cmocka_unit_test(hex_digits),  cmocka_unit_test(uuids),
                cmocka_unit_test(never_the_same), cmocka_unit_test(of_any_size),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
