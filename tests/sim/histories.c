/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays random histories against the control plane:
 *
 *     sim_histories [FIRST [COUNT [JOBS [tasks | load | groups]]]]
 *
 * COUNT seeds (1000) from FIRST (1) on, in JOBS processes (0: one a core); with "tasks" no services, with "load" one service under changing load, with
 * "groups" one whose machines come and go. A seed that breaks an invariant is shrunk and printed as a
 * scenario file, which `gantry sim FILE` plays again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strutil.h"
#include "sim/history.h"

#define SHRINK_TRIES 3000
/* Each process ends after so many failures: they say enough. */
#define MAX_FAILED 3

struct sums {
        uint64_t histories, failed, events, tasks;
};

static double seconds(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(uint64_t seed, struct sim_scenario *scenario, const struct sim_outcome *outcome)
{
        struct sim_options options = {.seed = seed};
        CLEANUP_BUF struct buf text = {0};
        struct sim_outcome shrunk;

        printf("seed %llu: %s\n  at %.3f s: %s\n", (unsigned long long)seed, outcome->violation.invariant,
               (double)outcome->violation.at_us / 1e6, outcome->violation.text);
        fflush(stdout);
        sim_history_shrink(scenario, &options, outcome->violation.invariant, SHRINK_TRIES);
        sim_scenario_print(scenario, &text);
        sim_scenario_run(scenario, &options, NULL, NULL, &shrunk);
        printf("# shrunk; %s: %s\n%s\n", shrunk.violation.invariant, shrunk.violation.text, text.data);
        fflush(stdout);
}

static struct sim_history_options history;
static bool load, groups;

static void play(uint64_t seed, struct sums *sums)
{
        struct sim_options options = {.seed = seed};
        struct sim_scenario scenario;
        struct sim_outcome outcome;

        if (load)
                sim_load_history_make(seed, &scenario);
        else if (groups)
                sim_group_history_make(seed, &scenario);
        else
                sim_history_make(seed, &history, &scenario);
        sim_scenario_run(&scenario, &options, NULL, NULL, &outcome);
        sums->histories++;
        sums->events += outcome.events;
        sums->tasks += outcome.tasks;
        if (outcome.violation.invariant != NULL) {
                sums->failed++;
                report(seed, &scenario, &outcome);
        }
        sim_scenario_done(&scenario);
}

static struct sums work(uint64_t first, uint64_t count, uint64_t job, uint64_t jobs)
{
        struct sums sums = {0};

        for (uint64_t i = job; i < count && sums.failed < MAX_FAILED; i += jobs)
                play(first + i, &sums);
        return sums;
}

int main(int argc, char **argv)
{
        uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
        uint64_t jobs = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
        double start = seconds();
        struct sums all = {0};
        int pipes[2];

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        history.no_services = argc > 4 && str_eq(argv[4], "tasks");
        load = argc > 4 && str_eq(argv[4], "load");
        groups = argc > 4 && str_eq(argv[4], "groups");
        if (jobs == 0)
                jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
        if (pipe(pipes) < 0)
                return 1;
        for (uint64_t job = 0; job < jobs; job++)
                if (fork() == 0) {
                        struct sums sums = work(first, count, job, jobs);

                        _exit(write(pipes[1], &sums, sizeof(sums)) == (ssize_t)sizeof(sums) ? 0 : 1);
                }
        close(pipes[1]);
        for (struct sums sums; read(pipes[0], &sums, sizeof(sums)) == (ssize_t)sizeof(sums);) {
                all.histories += sums.histories;
                all.failed += sums.failed;
                all.events += sums.events;
                all.tasks += sums.tasks;
        }
        for (int status; wait(&status) > 0;)
                if (status != 0) {
                        printf("a process has ended with status %d\n", status);
                        all.failed++;
                }
        printf("%llu histories, %llu events, %llu tasks in %.1f s; %llu broke an invariant\n", (unsigned long long)all.histories,
               (unsigned long long)all.events, (unsigned long long)all.tasks, seconds() - start, (unsigned long long)all.failed);
        return all.failed > 0 || all.histories == 0;
}
