/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of machine drivers: what they are given, what they say, and those that do not end or cannot begin. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "machine/run.h"

#include "unit.h"

struct result {
        int n, status;
        char out[256], errors[256];
};

static void on_done(void *data, int status, const struct buf *out, const struct buf *errors)
{
        struct result *result = data;

        result->n++;
        result->status = status;
        snprintf(result->out, sizeof(result->out), "%.*s", (int)out->len, out->len > 0 ? out->data : "");
        snprintf(result->errors, sizeof(result->errors), "%.*s", (int)errors->len, errors->len > 0 ? errors->data : "");
}

/* Until everything is closed. */
static struct result run(const char *program, const char *script, int64_t timeout_ms)
{
        char *argv[] = {(char *)(uintptr_t)program, "-c", (char *)(uintptr_t)script, NULL};
        struct result result = {0};
        uv_loop_t loop;

        uv_loop_init(&loop);
        (void)program_start(&loop, argv, "order\n", timeout_ms, on_done, &result);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(result.n, 1);
        /* Nothing of it is left, not even to be waited for. */
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        return result;
}

static void test_input_and_output(void **state)
{
        struct result r = run("/bin/sh", "read x; echo \"got $x\"; echo why >&2; exit 3", 10000);

        assert_int_equal(r.status, 3);
        assert_string_equal(r.out, "got order\n");
        assert_string_equal(r.errors, "why\n");
}

static void test_one_that_does_not_end(void **state)
{
        assert_int_equal(run("/bin/sh", "sleep 60", 50).status, -ETIMEDOUT);
}

static void test_one_that_is_not_there(void **state)
{
        struct result r = run("/no/such/driver", "", 10000);

        assert_int_equal(r.status, -ENOENT);
        assert_string_equal(r.errors, "/no/such/driver: no such file or directory\n");
}

static void test_abandoned(void **state)
{
        char *argv[] = {"/bin/sleep", "60", NULL};
        struct result result = {0};
        uv_loop_t loop;

        uv_loop_init(&loop);
        program_abandon(program_start(&loop, argv, "", 10000, on_done, &result));
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(result.n, 0);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_input_and_output),
                cmocka_unit_test(test_one_that_does_not_end),
                cmocka_unit_test(test_one_that_is_not_there),
                cmocka_unit_test(test_abandoned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
