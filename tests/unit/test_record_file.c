/* SPDX-License-Identifier: Apache-2.0 */
/* The node's records: what lasts, what a torn or damaged file loses, what a full disk does. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/state/record_file.h"
#include "base/strutil.h"

struct place {
        char dir[64], path[80];
        struct record_file *file;
};

static void open_file(struct place *p)
{
        struct error error = {0};

        if (record_file_open(p->path, &p->file, &error) < 0)
                fail_msg("%s", error.message);
}

static void reopen(struct place *p)
{
        record_file_close(p->file);
        open_file(p);
}

static int set_up(void **state)
{
        struct place *p = calloc(1, sizeof(*p));

        strcpy(p->dir, "/tmp/test-records-XXXXXX");
        assert_non_null(mkdtemp(p->dir));
        (void)snprintf(p->path, sizeof(p->path), "%s/state", p->dir);
        open_file(p);
        *state = p;
        return 0;
}

static int tear_down(void **state)
{
        struct place *p = *state;
        char command[128];

        record_file_close(p->file);
        (void)snprintf(command, sizeof(command), "rm -rf %s", p->dir);
        assert_int_equal(system(command), 0);
        free(p);
        return 0;
}

static void put(struct place *p, const char *key, const char *content)
{
        record_file_put(p->file, key, content, strlen(content));
        assert_int_equal(record_file_commit(p->file, false), 0);
}

/* NULL: there must be none. */
static void expect(struct place *p, const char *key, const char *content)
{
        struct buf text CLEANUP_BUF = {0};
        int r = record_file_read(p->file, key, &text);

        if (content == NULL) {
                assert_int_equal(r, -ENOENT);
                return;
        }
        assert_int_equal(r, 0);
        assert_int_equal(text.len, strlen(content));
        assert_memory_equal(text.data, content, text.len);
}

static off_t size_of(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 ? st.st_size : -1;
}

static void test_last_one_wins(void **state)
{
        struct place *p = *state;

        put(p, "a", "1");
        put(p, "b/x", "two words");
        put(p, "a", "3");
        put(p, "empty", "");
        expect(p, "a", "3");
        reopen(p);
        expect(p, "a", "3");
        expect(p, "b/x", "two words");
        expect(p, "empty", "");
        expect(p, "b", NULL);
        assert_string_equal(record_file_next(p->file, NULL), "a");
        assert_string_equal(record_file_next(p->file, "a"), "b/x");
        assert_null(record_file_next(p->file, "empty"));
        assert_int_equal(record_file_damage(p->file), 0);
}

static void test_removal_takes_all_below(void **state)
{
        struct place *p = *state;

        put(p, "t/1", "x");
        put(p, "t/1/task", "x");
        put(p, "t/1/state", "x");
        put(p, "t/10/task", "stays");
        record_file_remove(p->file, "t/1");
        assert_int_equal(record_file_commit(p->file, true), 0);
        for (int i = 0; i < 2; i++) {
                expect(p, "t/1", NULL);
                expect(p, "t/1/task", NULL);
                expect(p, "t/1/state", NULL);
                expect(p, "t/10/task", "stays");
                reopen(p);
        }
        put(p, "t/1/task", "again");
        reopen(p);
        expect(p, "t/1/task", "again");
}

static void append_raw(struct place *p, const char *text)
{
        int fd = open(p->path, O_WRONLY | O_APPEND);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

/* A power cut in the middle of a line: it was never acknowledged. */
static void test_torn_line(void **state)
{
        struct place *p = *state;

        put(p, "a", "1");
        append_raw(p, "12345678 a 2");
        reopen(p);
        expect(p, "a", "1");
        assert_int_equal(record_file_damage(p->file), 0);
        put(p, "a", "3");
        reopen(p);
        expect(p, "a", "3");
        assert_int_equal(record_file_damage(p->file), 0);
}

static void test_damage_costs_its_own_line(void **state)
{
        struct place *p = *state;
        char kept[96];

        put(p, "a", "1");
        append_raw(p, "12345678 a 2\n");
        append_raw(p, "\n");
        append_raw(p, "short\n");
        record_file_close(p->file);
        (void)snprintf(kept, sizeof(kept), "%s.damaged", p->path);
        off_t size = size_of(p->path);
        open_file(p);
        put(p, "b", "2");
        expect(p, "a", "1");
        assert_int_equal(record_file_damage(p->file), 3);
        assert_int_equal(size_of(kept), size);
        reopen(p);
        expect(p, "a", "1");
        expect(p, "b", "2");
        assert_int_equal(record_file_damage(p->file), 0);
}

static void test_what_is_overtaken_goes(void **state)
{
        struct place *p = *state;
        char content[4097];

        memset(content, 'x', sizeof(content) - 1);
        content[sizeof(content) - 1] = '\0';
        put(p, "first", "stays");
        for (int i = 0; i < 2000; i++) {
                content[i % 4096] = 'y';
                put(p, i % 2 == 0 ? "even" : "odd", content);
        }
        assert_true(size_of(p->path) < (2 << 20));
        expect(p, "odd", content);
        reopen(p);
        expect(p, "first", "stays");
        expect(p, "odd", content);
}

/* The disk takes a part only (a limit of the file's size does the same): nothing of the commit counts, all before it does. */
static void test_full_disk(void **state)
{
        struct place *p = *state;
        struct rlimit before, limit;
        char content[8192];

        memset(content, 'x', sizeof(content));
        put(p, "a", "1");
        off_t size = size_of(p->path);
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = 4096;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        record_file_put(p->file, "a", "2", 1);
        record_file_put(p->file, "big", content, sizeof(content));
        assert_int_equal(record_file_commit(p->file, true), -EFBIG);
        expect(p, "a", "1");
        expect(p, "big", NULL);
        assert_int_equal(size_of(p->path), size);
        record_file_remove(p->file, "a");
        assert_int_equal(record_file_commit(p->file, true), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        reopen(p);
        expect(p, "a", NULL);
        assert_int_equal(record_file_damage(p->file), 0);
}

static void test_unreachable(void **state)
{
        struct record_file *file = NULL;
        struct error error = {0};

        (void)state;
        assert_true(record_file_open("/proc/no-such-directory/state", &file, &error) < 0);
        assert_non_null(strstr(error.message, "/proc/no-such-directory/state"));
        assert_null(file);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_last_one_wins, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_removal_takes_all_below, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_torn_line, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_damage_costs_its_own_line, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_overtaken_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
                cmocka_unit_test(test_unreachable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
