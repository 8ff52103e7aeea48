/* SPDX-License-Identifier: Apache-2.0 */
/* Following a conmon log: parts, positions, rotation, what is no log line. */
#include "runtime/log_reader.h"
#include "unit.h"

#include "base/arena.h"

struct fixture {
        struct arena arena;
        char dir[64];
        char *path;
        struct buf seen; /* "time|o or e|text\n" */
};

static int setup(void **state)
{
        static struct fixture f;

        memset(&f, 0, sizeof(f));
        strcpy(f.dir, "/tmp/gantry-log-XXXXXX");
        assert_non_null(mkdtemp(f.dir));
        f.path = arena_printf(&f.arena, "%s/log", f.dir);
        *state = &f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        unlink(f->path);
        unlink(arena_printf(&f->arena, "%s.old", f->path));
        rmdir(f->dir);
        buf_done(&f->seen);
        arena_done(&f->arena);
        return 0;
}

static void append(struct fixture *f, const char *text)
{
        FILE *file = fopen(f->path, "a");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void on_line(const struct log_line *line, void *data)
{
        struct fixture *f = data;

        buf_printf(&f->seen, "%lld|%c|%.*s\n", (long long)line->time_ms, line->is_stderr ? 'e' : 'o', (int)line->len, line->text);
}

static const char *read_all(struct fixture *f, struct log_reader *reader, bool at_end)
{
        buf_clear(&f->seen);
        while (log_reader_read(reader, 64, at_end, on_line, f) > 0)
                ;
        return f->seen.data != NULL ? f->seen.data : "";
}

static void test_lines_and_parts(void **state)
{
        struct fixture *f = *state;
        struct log_reader *reader = log_reader_new(f->path, NULL, 0);

        assert_string_equal(read_all(f, reader, false), "");
        append(f, "1970-01-01T00:00:01.500000000+00:00 stdout F hello\n1970-01-01T02:00:02+02:00 stderr F \n");
        assert_string_equal(read_all(f, reader, false), "1500|o|hello\n2000|e|\n");
        append(f, "1970-01-01T00:00:03+00:00 stdout P one \n1970-01-01T00:00:04+00:00 stdout F line\n");
        assert_string_equal(read_all(f, reader, false), "3000|o|one line\n");
        append(f, "not a log line\n1970-01-01T00:00:05+00:00 stdout F unfin");
        assert_string_equal(read_all(f, reader, false), "");
        append(f, "ished\n1970-01-01T00:00:06+00:00 stdout P the end");
        assert_string_equal(read_all(f, reader, false), "5000|o|unfinished\n");
        assert_string_equal(read_all(f, reader, true), "6000|o|the end\n");
        log_reader_free(reader);
}

static void test_position_survives_a_restart(void **state)
{
        struct fixture *f = *state;
        struct log_reader *reader = log_reader_new(f->path, NULL, 0);
        struct log_position position;

        append(f, "1970-01-01T00:00:01+00:00 stdout F a\n1970-01-01T00:00:02+00:00 stdout P b");
        assert_string_equal(read_all(f, reader, false), "1000|o|a\n");
        position = log_reader_position(reader);
        log_reader_free(reader);
        append(f, "b\n1970-01-01T00:00:03+00:00 stdout F c\n");
        reader = log_reader_new(f->path, &position, 0);
        assert_string_equal(read_all(f, reader, false), "2000|o|bbc\n");
        log_reader_free(reader);
}

static void test_rotation(void **state)
{
        struct fixture *f = *state;
        struct log_reader *reader = log_reader_new(f->path, NULL, 0);

        append(f, "1970-01-01T00:00:01+00:00 stdout F a\n");
        assert_string_equal(read_all(f, reader, false), "1000|o|a\n");
        append(f, "1970-01-01T00:00:02+00:00 stdout F b\n");
        assert_int_equal(rename(f->path, arena_printf(&f->arena, "%s.old", f->path)), 0);
        append(f, "1970-01-01T00:00:03+00:00 stdout F c\n");
        assert_string_equal(read_all(f, reader, false), "2000|o|b\n3000|o|c\n");
        log_reader_free(reader);
}

static void test_long_lines_are_cut(void **state)
{
        struct fixture *f = *state;
        struct log_reader *reader = log_reader_new(f->path, NULL, 8);

        append(f, "1970-01-01T00:00:01+00:00 stdout P 12345678\n1970-01-01T00:00:01+00:00 stdout F 9\n");
        assert_string_equal(read_all(f, reader, false), "1000|o|12345678\n1000|o|9\n");
        log_reader_free(reader);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_lines_and_parts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_position_survives_a_restart, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long_lines_are_cut, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
