/* SPDX-License-Identifier: Apache-2.0 */
/* Access logs: written by a thread, whole and in order, also what waits at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "lb/access_log.h"
#include "unit.h"

struct world {
        uv_loop_t loop;
        char dir[64], first[128], second[128];
        struct lb_access_log *log;
};

static void begin(struct world *w)
{
        *w = (struct world){.dir = "/tmp/gantry-access-XXXXXX"};
        assert_non_null(mkdtemp(w->dir));
        snprintf(w->first, sizeof(w->first), "%s/a/b/first.log", w->dir);
        snprintf(w->second, sizeof(w->second), "%s/second.log", w->dir);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        w->log = lb_access_log_new(&w->loop);
}

static void end(struct world *w)
{
        char command[128];

        assert_int_equal(uv_loop_close(&w->loop), 0);
        snprintf(command, sizeof(command), "rm -r %s", w->dir);
        assert_int_equal(system(command), 0);
}

static void assert_text(const char *path, const char *expected)
{
        CLEANUP_BUF struct buf text = {0};

        assert_int_equal(buf_read_file(&text, path, 1 << 20), 0);
        assert_string_equal(text.data, expected);
}

static void test_lines_in_order(void **state)
{
        struct world w;

        begin(&w);
        lb_access_log_append(w.log, w.first, "one");
        lb_access_log_append(w.log, w.second, "other");
        lb_access_log_append(w.log, w.first, "two");
        uv_run(&w.loop, UV_RUN_DEFAULT);
        lb_access_log_append(w.log, w.first, "three");
        /* What waits when the owner goes is still written. */
        w.log = lb_access_log_free(w.log);
        uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_text(w.first, "one\ntwo\nthree\n");
        assert_text(w.second, "other\n");
        end(&w);
}

/* A disk that hangs: a FIFO that nobody reads. Appending does not wait for it. */
static void test_appending_does_not_wait(void **state)
{
        char read_back[64] = "";
        struct world w;
        FILE *reader;

        begin(&w);
        assert_int_equal(mkfifo(w.second, 0600), 0);
        lb_access_log_append(w.log, w.second, "one");
        for (int i = 0; i < 10; i++) {
                lb_access_log_append(w.log, w.first, "line");
                uv_run(&w.loop, UV_RUN_NOWAIT);
        }
        assert_int_equal(access(w.first, F_OK), -1);
        w.log = lb_access_log_free(w.log);
        reader = fopen(w.second, "r");
        assert_non_null(reader);
        uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_non_null(fgets(read_back, sizeof(read_back), reader));
        assert_string_equal(read_back, "one\n");
        fclose(reader);
        assert_text(w.first, "line\nline\nline\nline\nline\nline\nline\nline\nline\nline\n");
        end(&w);
}

static void test_nothing(void **state)
{
        struct world w;

        begin(&w);
        w.log = lb_access_log_free(w.log);
        assert_null(lb_access_log_free(NULL));
        uv_run(&w.loop, UV_RUN_DEFAULT);
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_in_order),
                cmocka_unit_test(test_appending_does_not_wait),
                cmocka_unit_test(test_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
