/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as they reach standard error. */
#include "base/log.h"

#include <errno.h>

#include "unit.h"

/* What `emit` writes to standard error, without the time. */
static char *capture(void (*emit)(void))
{
        static char text[4096];
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        int saved = dup(STDERR_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[1]);
        emit();
        dup2(saved, STDERR_FILENO);
        close(saved);
        ssize_t n = read(fds[0], text, sizeof(text) - 1);
        close(fds[0]);
        assert_true(n >= 0);
        text[n] = '\0';
        char *level = strstr(text, "level");
        return level != NULL ? level : text;
}

static void emit_plain(void)
{
        char array[8] = "arr";
        log_debug("not shown");
        log_info("task started", LOG_S("task", "t-1"), LOG_I("cpu", -5), LOG_S("none", NULL), LOG_S("array", array));
}

static void emit_nasty(void)
{
        log_error("bad \"thing\"\n", LOG_S("path", "a b\x01"), LOG_ERRNO(-ENOENT));
}

static void text(void **state)
{
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        assert_string_equal(capture(emit_plain), "level=info msg=\"task started\" task=t-1 cpu=-5 none=\"\" array=arr\n");
        assert_string_equal(capture(emit_nasty),
                            "level=error msg=\"bad \\\"thing\\\"\\n\" path=\"a b\\u0001\" error=\"No such file or directory\"\n");
}

static void json(void **state)
{
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        assert_string_equal(capture(emit_plain),
                            "level\":\"info\",\"msg\":\"task started\",\"task\":\"t-1\",\"cpu\":-5,\"none\":\"\",\"array\":\"arr\"}\n");
        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
        assert_string_equal(capture(emit_plain), "");
}

static void levels(void **state)
{
        assert_int_equal(log_level_parse("warn"), LOG_LEVEL_WARN);
        assert_int_equal(log_level_parse("loud"), -EINVAL);
        assert_int_equal(log_level_parse(NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text),
                cmocka_unit_test(json),
                cmocka_unit_test(levels),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
