/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator itself: runs repeat bit for bit, scenario files say what is wrong with them, failing histories become short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "sim/adopt.h"
#include "sim/history.h"
#include "sim/invariant.h"
#include "store/store.h"

static uint64_t digest_of(uint64_t seed)
{
        struct sim_options options = {.seed = seed};
        struct sim_scenario scenario;
        struct sim_outcome outcome;

        sim_history_make(seed, NULL, &scenario);
        sim_scenario_run(&scenario, &options, NULL, NULL, &outcome);
        sim_scenario_done(&scenario);
        return outcome.digest;
}

/* Other addresses, other stack, another process: the same history. */
static uint64_t digest_elsewhere(uint64_t seed)
{
        uint64_t digest = 0;
        int pipes[2], status;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0) {
                for (size_t i = 1; i < 5000; i++)
                        (void)!malloc(i * 7 % 3000 + 1); /* kept, so that everything lies elsewhere */
                digest = digest_of(seed);
                _exit(write(pipes[1], &digest, sizeof(digest)) == (ssize_t)sizeof(digest) ? 0 : 1);
        }
        assert_int_equal(read(pipes[0], &digest, sizeof(digest)), sizeof(digest));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        close(pipes[0]);
        close(pipes[1]);
        return digest;
}

static void runs_repeat(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 30; seed++) {
                uint64_t digest = digest_of(seed);

                assert_true(digest != 0);
                assert_true(digest == digest_of(seed));
                assert_true(digest == digest_elsewhere(seed));
                assert_true(digest != digest_of(seed + 1000));
        }
}

static void files_say_what_is_wrong(void **state)
{
        static const struct {
                const char *text, *message;
        } rows[] = {
                {"nodes", "line 1: \"nodes\" needs \"count\""},
                {"nodes count 2 zones 40", "line 1: zones \"40\": a number from 1 to 26 is expected"},
                {"# nothing\n\nnodes count x", "line 3: count \"x\": a number from 0 to 1000000"},
                {"nodes count", "line 1: \"count\" needs a value: how many"},
                {"nodes count 3 count 4", "line 1: \"count\" is said twice"},
                {"node-1 explodes", "line 1: \"node-1 explodes\": no such thing can happen"},
                {"at noon node-1 dies", "line 1: after \"at\" a time is expected"},
                {"at 5s", "line 1: nothing happens"},
                {"at 5 node-1 dies", "after \"at\" a time"},
                {"at 99999999999999999999s node-1 dies", "after \"at\" a time"},
                {"web dies", "line 1: \"web\": a node (node-1, node-2"},
                {"node-1 dies for ever", "for \"ever\": a time such as 500ms"},
                {"node-1 dies count 3", "\"count\" cannot follow \"* dies\"; what can: for"},
                {"server starts now", "nothing can follow \"server starts\""},
                {"at 5s node-1 dies\nat 4s node-1 boots", "line 2: this happens before the line above"},
                {"at 5s node-1 dies\nnodes count 1", "line 2: lines without \"at\" come before"},
                {"create service web count 3", "needs \"task\""},
                {"create service \"; task a", "a name is expected"},
                {"seed x", "seed \"x\": a number"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct sim_scenario scenario;
                struct error error = {0};

                if (sim_scenario_parse(rows[i].text, strlen(rows[i].text), &scenario, &error) == 0)
                        fail_msg("went well: %s", rows[i].text);
                if (strstr(error.message, rows[i].message) == NULL)
                        fail_msg("%s\nsays:   %s\nshould: %s", rows[i].text, error.message, rows[i].message);
        }
}

/* What is printed is read as the same. */
static void stories_are_files(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                CLEANUP_BUF struct buf first = {0}, second = {0};
                struct sim_scenario made, read;
                struct error error = {0};

                sim_history_make(seed, NULL, &made);
                sim_scenario_print(&made, &first);
                if (sim_scenario_parse(first.data, first.len, &read, &error) < 0)
                        fail_msg("%s\n%s", error.message, first.data);
                sim_scenario_print(&read, &second);
                assert_string_equal(first.data, second.data);
                assert_int_equal(made.n, read.n);
                sim_scenario_done(&made);
                sim_scenario_done(&read);
        }
}

static void play(const char *text, struct sim_options *options, bool adopt)
{
        struct sim_scenario scenario;
        struct sim_outcome outcome;
        struct error error = {0};

        if (sim_scenario_parse(text, strlen(text), &scenario, &error) < 0)
                fail_msg("%s", error.message);
        sim_scenario_run(&scenario, options, adopt ? sim_adopt_cluster : NULL, NULL, &outcome);
        if (outcome.violation.invariant != NULL)
                fail_msg("%s: %s", outcome.violation.invariant, outcome.violation.text);
        sim_scenario_done(&scenario);
}

/* A story goes on from what a server has on its disk, and leaves that alone. */
static void clusters_are_adopted(void **state)
{
        char dir[] = "/tmp/gantry-sim-XXXXXX";
        CLEANUP_FREE char *command = NULL;
        struct sim_options options = {.seed = 3};
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};

        (void)state;
        assert_non_null(mkdtemp(dir));
        assert_int_equal(store_sqlite_open(dir, &options.disk, &error), 0);
        play("nodes count 3 zones 3\ntask web image web:1 cpu 128 memory 128\nat 1s create service web task web:1 count 5\n"
             "at 30s expect service web running 5\n",
             &options, false);
        for (int i = 0; i < 2; i++) {
                options = (struct sim_options){.seed = 4, .cluster = "sim"};
                assert_int_equal(sim_adopt_store(dir, 1767225700000, &arena, &options, &error), 0);
                play("at 1s keep service web at-least 5 for 20s\nat 25s node-1 dies\nat 25s expect service web at-most 4\n"
                     "at 60s expect service web running 5\n",
                     &options, true);
        }
        command = xprintf("rm -r %s", dir);
        assert_int_equal(system(command), 0);
        assert_true(sim_adopt_store(dir, 0, &arena, &options, &error) < 0);
        assert_non_null(strstr(error.message, "state.db"));
}

/* docs/simulator.md lists the invariants and the language as they are. */
static void documentation_is_true(void **state)
{
        CLEANUP_BUF struct buf page = {0}, invariants = {0}, language = {0};

        (void)state;
        assert_int_equal(buf_read_file(&page, SOURCE_ROOT "/docs/simulator.md", 1 << 20), 0);
        sim_invariants_print(&invariants);
        if (strstr(page.data, invariants.data) == NULL)
                fail_msg("docs/simulator.md should hold what `gantry sim --invariants` prints");
        sim_language_print(&language);
        if (strstr(page.data, language.data) == NULL)
                fail_msg("docs/simulator.md should hold what `gantry sim --language` prints");
}

/* A planted bug, found in a long history, is shown by a handful of lines. */
static void failures_become_short(void **state)
{
        struct sim_options options = {.bug = SIM_BUG_AGENT_FORGETS_END};

        (void)state;
        for (uint64_t seed = 1;; seed++) {
                struct sim_scenario scenario;
                struct sim_outcome outcome;

                options.seed = seed;
                sim_history_make(seed, &(struct sim_history_options){.no_services = true}, &scenario);
                sim_scenario_run(&scenario, &options, NULL, NULL, &outcome);
                if (str_eq(outcome.violation.invariant, sim_invariants[SIM_INV_AGREE].name)) {
                        uint32_t before = scenario.n;

                        sim_history_shrink(&scenario, &options, outcome.violation.invariant, 2000);
                        print_message("%u steps became %u\n", before, scenario.n);
                        assert_true(scenario.n <= 6);
                        sim_scenario_run(&scenario, &options, NULL, NULL, &outcome);
                        assert_string_equal(outcome.violation.invariant, sim_invariants[SIM_INV_AGREE].name);
                        sim_scenario_done(&scenario);
                        return;
                }
                sim_scenario_done(&scenario);
                assert_true(seed < 200);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_repeat),          cmocka_unit_test(files_say_what_is_wrong), cmocka_unit_test(stories_are_files),
                cmocka_unit_test(clusters_are_adopted), cmocka_unit_test(documentation_is_true),   cmocka_unit_test(failures_become_short),
        };

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
