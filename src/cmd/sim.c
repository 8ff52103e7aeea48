/* SPDX-License-Identifier: Apache-2.0 */
/* gantry sim: what would happen if. Plays a scenario file against the real control plane, on virtual time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "cmd/verbs.h"
#include "sim/adopt.h"
#include "sim/invariant.h"
#include "sim/scenario.h"
#include "sim/timeline.h"

struct sim_values {
        const char *from, *cluster;
        int64_t seed, seeds;
        bool quiet, language, invariants;
};

#define FIELD(name) offsetof(struct sim_values, name)
static const struct option_row sim_options_table[] = {
        {"seed", OPTION_INT, FIELD(seed), "N", NULL, "what chance decides: delays, who is picked; default: the file's, or 1"},
        {"seeds", OPTION_INT, FIELD(seeds), "N", "1", "play it so many times, with seeds counted up"},
        {"from", OPTION_STRING, FIELD(from), "DIR", NULL,
         "begin with the cluster as it is: a copy of the server's --data-dir, which is only read"},
        {"cluster", OPTION_STRING, FIELD(cluster), "NAME", "default", "the cluster of --from"},
        {"quiet", OPTION_BOOL, FIELD(quiet), NULL, NULL, "no timeline, only how it ends"},
        {"invariants", OPTION_BOOL, FIELD(invariants), NULL, NULL, "print what has to hold at every moment and at rest"},
        {"language", OPTION_BOOL, FIELD(language), NULL, NULL, "print everything that a scenario can say"},
        OPTION_END,
};

static void print_end(const char *path, uint64_t seed, const struct sim_outcome *outcome)
{
        const struct sim_violation *v = &outcome->violation;

        if (v->invariant != NULL)
                printf("%s, seed %llu: FAILED at %.3f s: %s: %s\n", path, (unsigned long long)seed, (double)v->at_us / 1e6, v->invariant,
                       v->text);
        else
                printf("%s, seed %llu: well: %.0f s of virtual time, %llu events, %u tasks, %llu commits\n", path, (unsigned long long)seed,
                       (double)outcome->ended_us / 1e6, (unsigned long long)outcome->events, outcome->tasks,
                       (unsigned long long)outcome->commits);
        fflush(stdout);
}

static int play(const char *path, const struct sim_scenario *scenario, const struct sim_values *values, uint64_t seed, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct sim_timeline timeline = {.out = stdout};
        struct sim_options options = {.seed = seed, .note = values->quiet ? NULL : sim_timeline_note, .note_data = &timeline};
        struct sim_outcome outcome;

        if (values->from != NULL) {
                int r = sim_adopt_store(values->from, env_now_ms(env_system()), &arena, &options, error);

                if (r < 0)
                        return r;
                options.cluster = values->cluster;
        }
        sim_scenario_run(scenario, &options, values->from != NULL ? sim_adopt_cluster : NULL, NULL, &outcome);
        print_end(path, seed, &outcome);
        return outcome.violation.invariant != NULL;
}

static int play_file(const struct verb *verb, const char *path, const struct sim_values *values)
{
        struct sim_scenario scenario;
        struct error error = {0};
        int failed = 0, r = 0;

        if (sim_scenario_read(path, &scenario, &error) < 0)
                return verb_fail(verb, &error);
        for (int64_t i = 0; i < values->seeds; i++) {
                r = play(path, &scenario, values, (values->seed > 0 ? (uint64_t)values->seed : scenario.seed) + (uint64_t)i, &error);
                if (r < 0)
                        break;
                failed |= r;
        }
        sim_scenario_done(&scenario);
        if (r < 0)
                return verb_fail(verb, &error);
        return failed ? 3 : 0;
}

static int run_sim(const struct verb *verb, void *data, char **args)
{
        const struct sim_values *values = data;
        int status = 0;

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT); /* the timeline tells what there is to tell */
        if (values->language || values->invariants) {
                CLEANUP_BUF struct buf text = {0};

                if (values->language)
                        sim_language_print(&text);
                if (values->invariants)
                        sim_invariants_print(&text);
                printf("%s", text.data);
                return 0;
        }
        if (args[0] == NULL)
                return verb_fail_text(verb, "say which scenario file to play; `gantry sim --help` shows how to write one");
        for (; *args != NULL; args++) {
                int r = play_file(verb, *args, values);

                status = MAX(status, r);
        }
        return status;
}

const struct verb verb_sim = {
        .name = "sim",
        .summary = "plays a scenario: what would happen if",
        .usage = "[OPTIONS] SCENARIO…",
        .max_args = UINT32_MAX,
        .description = "Plays a story against the real control plane on virtual time, with nodes, a network and a disk that are\n"
                       "played, and prints what comes of it. Nothing outside is touched. A scenario is a list such as\n"
                       "\n"
                       "  nodes count 4 zones 2 cpu 2048 memory 4096\n"
                       "  task web image shop/web:1 cpu 256 memory 256\n"
                       "  at 1s create service web task web:1 count 4 spread zone\n"
                       "  at 60s expect service web running 4\n"
                       "  at 60s node-1 dies\n"
                       "  at 90s expect service web running 4\n"
                       "\n"
                       "With --from the story begins with your own cluster: its instances are node-1, node-2 … (the timeline says which),\n"
                       "its tasks run, its services are there.\n"
                       "\n"
                       "--language lists everything that it can say. At the end everything has to come to rest, and at every moment\n"
                       "the invariants have to hold that --invariants lists.\n"
                       "\n"
                       "The timeline shows for each service how many tasks run, +N that start, -N that stop; then how many run on each\n"
                       "node: x is off, ~ cut off, * frozen.\n"
                       "\n"
                       "Exit status: 0 all expectations were met, 3 one was not, 1 the scenario cannot be read.\n",
        .options = sim_options_table,
        .size = sizeof(struct sim_values),
        .run = run_sim,
};
