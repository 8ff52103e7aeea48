/* SPDX-License-Identifier: Apache-2.0 */
/* Options of verbs: flags before variables before the file before defaults; credential files; the XML that verbs read. */
#include "cmd/options.h"
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/client.h"
#include "cmd/credentials.h"

struct values {
        const char *name;
        int64_t count;
        bool loud;
        struct string_list words;
};

static const struct option_row rows[] = {
        {"name", OPTION_STRING, offsetof(struct values, name), "TEXT", "nobody", "a name"},
        {"test-count", OPTION_INT, offsetof(struct values, count), "N", "3", "a number"},
        {"loud", OPTION_BOOL, offsetof(struct values, loud), NULL, NULL, "a switch"},
        {"word", OPTION_LIST, offsetof(struct values, words), "WORD", "a,b", "a list"},
        OPTION_END,
};
static const struct verb verb = {.name = "test",
                                 .usage = "WORD WORD",
                                 .max_args = 2,
                                 .summary = "",
                                 .description = "",
                                 .options = rows,
                                 .size = sizeof(struct values)};
static const struct option_row other_rows[] = {{"other-verb-option", OPTION_STRING, 0, "TEXT", NULL, "not of this verb"}, OPTION_END};
static const struct verb other_verb = {.name = "other", .usage = "", .summary = "", .description = "", .options = other_rows, .size = 8};

const struct verb *const verbs[] = {&verb, &other_verb, NULL};

struct fixture {
        struct arena arena;
        struct values values;
        char **args;
        struct error error;
};

static int parse(struct fixture *f, const char *const *words)
{
        size_t n = 0;
        char **argv;

        while (words[n] != NULL)
                n++;
        argv = arena_calloc(&f->arena, n + 1, sizeof(char *));
        for (size_t i = 0; i < n; i++)
                argv[i] = arena_strdup(&f->arena, words[i]);
        memset(&f->values, 0, sizeof(f->values));
        error_clear(&f->error);
        return options_parse(&verb, argv, &f->arena, &f->values, &f->args, &f->error);
}
#define PARSE(f, ...) parse(f, (const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
        static struct fixture f;

        memset(&f, 0, sizeof(f));
        setenv("GANTRY_CONFIG", "/dev/null", 1);
        *state = &f;
        return 0;
}

static int teardown(void **state)
{
        arena_done(&((struct fixture *)*state)->arena);
        unsetenv("GANTRY_NAME");
        unsetenv("GANTRY_TEST_COUNT");
        return 0;
}

static void test_defaults_and_flags(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(parse(f, (const char *const[]){NULL}), 0);
        assert_string_equal(f->values.name, "nobody");
        assert_int_equal(f->values.count, 3);
        assert_false(f->values.loud);
        assert_int_equal(f->values.words.n, 2);
        assert_int_equal(PARSE(f, "create", "--name", "x", "--test-count=7", "--loud", "--word", "one,two", "--word=three", "--", "--name"),
                         0);
        assert_string_equal(f->values.name, "x");
        assert_int_equal(f->values.count, 7);
        assert_true(f->values.loud);
        assert_int_equal(f->values.words.n, 2);
        assert_string_equal(f->values.words.items[0], "one,two");
        assert_string_equal(f->args[0], "create");
        assert_string_equal(f->args[1], "--name");
        assert_null(f->args[2]);
}

static void test_order_of_strength(void **state)
{
        struct fixture *f = *state;
        char path[] = "/tmp/gantry-options-XXXXXX";
        int fd = mkstemp(path);
        static const char text[] = "# comment\nname = file\n test-count=4\nother-verb-option = x\nword = p, q\n";

        assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
        close(fd);
        assert_int_equal(PARSE(f, "--config", path), 0);
        assert_string_equal(f->values.name, "file");
        assert_int_equal(f->values.count, 4);
        assert_string_equal(f->values.words.items[1], "q");
        setenv("GANTRY_NAME", "variable", 1);
        assert_int_equal(PARSE(f, "--config", path), 0);
        assert_string_equal(f->values.name, "variable");
        assert_int_equal(PARSE(f, "--config", path, "--name=flag"), 0);
        assert_string_equal(f->values.name, "flag");
        unlink(path);
}

/* A name that no verb knows would be looked for in vain. */
static void test_mistake_in_the_file(void **state)
{
        struct fixture *f = *state;
        char path[] = "/tmp/gantry-options-XXXXXX";
        int fd = mkstemp(path);
        static const char text[] = "# comment\nother-verb-option = x\nnmae = file\n";

        assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
        close(fd);
        assert_int_equal(PARSE(f, "--config", path), -EINVAL);
        assert_non_null(strstr(f->error.message, ":3: no verb has an option 'nmae'"));
        unlink(path);
}

static void test_refusals(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *words[4];
                const char *message;
        } cases[] = {
                {{"--nmae=x"}, "do you mean --name?"},
                {{"--testcount=1"}, "do you mean --test-count?"},
                {{"one", "two", "three"}, "what is 'three'? It goes: gantry test WORD WORD"},
                {{"--nothing"}, "--nothing"},
                {{"-x"}, "-x"},
                {{"--name"}, "needs a TEXT"},
                {{"--test-count", "many"}, "'many' is not a whole number"},
                {{"--loud=perhaps"}, "neither yes"},
                {{"--config", "/does/not/exist"}, "/does/not/exist"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(parse(f, cases[i].words) < 0, 1);
                assert_non_null(strstr(f->error.message, cases[i].message));
        }
        setenv("GANTRY_TEST_COUNT", "x", 1);
        assert_int_equal(parse(f, (const char *const[]){NULL}), -EINVAL);
        assert_non_null(strstr(f->error.message, "GANTRY_TEST_COUNT"));
}

static void test_credentials(void **state)
{
        struct fixture *f = *state;
        char dir[] = "/tmp/gantry-credentials-XXXXXX", path[128];
        struct credentials in = {"http://127.0.0.1:4327", "us-east-1", "AKIA", "secret/+="}, out;
        struct stat st;

        assert_non_null(mkdtemp(dir));
        assert_int_equal(credentials_read(dir, "credentials", &f->arena, &out, &f->error), -ENOENT);
        assert_non_null(strstr(f->error.message, "--data-dir"));
        assert_int_equal(credentials_write(dir, "credentials", &in, NULL), 0);
        snprintf(path, sizeof(path), "%s/credentials", dir);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(credentials_read(dir, "credentials", &f->arena, &out, NULL), 0);
        assert_string_equal(out.endpoint, in.endpoint);
        assert_string_equal(out.secret, in.secret);
        assert_int_equal(truncate(path, 10), 0);
        error_clear(&f->error);
        assert_int_equal(credentials_read(dir, "credentials", &f->arena, &out, &f->error), -EINVAL);
        unlink(path);
        rmdir(dir);
}

static void test_xml_text(void **state)
{
        struct fixture *f = *state;
        const char *cursor = "<a><Key>one &amp; &lt;two&gt;</Key><Key>three</Key></a>";

        assert_string_equal(client_xml_text(&cursor, "Key", &f->arena), "one & <two>");
        assert_string_equal(client_xml_text(&cursor, "Key", &f->arena), "three");
        assert_null(client_xml_text(&cursor, "Key", &f->arena));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_defaults_and_flags, setup, teardown),
                cmocka_unit_test_setup_teardown(test_order_of_strength, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mistake_in_the_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_credentials, setup, teardown),
                cmocka_unit_test_setup_teardown(test_xml_text, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
