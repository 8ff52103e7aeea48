/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every invariant of the simulator can fail: bugs are planted one at a time (sim/bugs.h), and random histories must find each by the
 * invariant that is there for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/strutil.h"
#include "sim/history.h"
#include "sim/invariant.h"

/* Histories until it must have been found. */
#define HISTORIES 400

static bool services, loaded, grouped;

static bool finds(enum sim_bug bug, uint64_t seed, const char *invariant, uint32_t *strikes)
{
        struct sim_history_options options = {.min_nodes = 4, .max_nodes = 12, .no_services = !services};
        struct sim_options world = {.seed = seed, .bug = bug};
        struct sim_scenario scenario;
        struct sim_outcome outcome;

        if (loaded)
                sim_load_history_make(seed, &scenario);
        else if (grouped)
                sim_group_history_make(seed, &scenario);
        else
                sim_history_make(seed, &options, &scenario);
        sim_scenario_run(&scenario, &world, NULL, NULL, &outcome);
        sim_scenario_done(&scenario);
        *strikes += outcome.strikes;
        return str_eq(outcome.violation.invariant, invariant);
}

/* Those that show themselves only where a service scales by itself. */
static bool needs_load(enum sim_bug bug)
{
        return bug == SIM_BUG_BEYOND_LIMITS || bug == SIM_BUG_TURNS || bug == SIM_BUG_DEAF_ALARM;
}

/* And where machines come and go. */
static bool needs_groups(enum sim_bug bug)
{
        return bug == SIM_BUG_GROUP_BEYOND_LIMITS || bug == SIM_BUG_GUARD_LOST || bug == SIM_BUG_NOT_EMPTIED;
}

static void check(const struct sim_invariant_text *invariant, enum sim_bug bug)
{
        uint32_t strikes = 0;

        loaded = needs_load(bug);
        grouped = needs_groups(bug);
        for (uint64_t seed = 1; seed <= HISTORIES; seed++)
                if (finds(bug, seed, invariant->name, &strikes)) {
                        print_message("%-45s found by \"%s\" in history %llu\n", sim_bug_names[bug], invariant->name,
                                      (unsigned long long)seed);
                        return;
                }
        fail_msg("%s: planted %u times in %d histories, and \"%s\" has not found it", sim_bug_names[bug], strikes, HISTORIES,
                 invariant->name);
}

/* Those that show themselves only where there are services. */
static bool needs_services(enum sim_bug bug)
{
        return bug != SIM_BUG_TASK_GOES_BACK && bug != SIM_BUG_ANSWERS_EARLY && bug != SIM_BUG_NODE_BOASTS &&
               bug != SIM_BUG_AGENT_STARTS_TWICE && bug != SIM_BUG_AGENT_GIVES_UP && bug != SIM_BUG_AGENT_FORGETS_END;
}

static bool services_are_built(void)
{
        static const char story[] =
                "nodes count 1\ntask a image a\nat 1s create service a task a:1 count 1\nat 20s expect service a running 1\n";
        struct sim_options options = {.seed = 1};
        struct sim_scenario scenario;
        struct sim_outcome outcome;
        struct error error = {0};

        assert_int_equal(sim_scenario_parse(story, strlen(story), &scenario, &error), 0);
        sim_scenario_run(&scenario, &options, NULL, NULL, &outcome);
        sim_scenario_done(&scenario);
        return outcome.violation.invariant == NULL;
}

static void every_bug_is_found(void **state)
{
        bool shown[SIM_BUG_MAX] = {false};

        (void)state;
        if (!services)
                print_message("services are not built yet: what only they show is left out\n");
        for (int i = 0; i < SIM_INV_MAX; i++)
                if (sim_invariants[i].shown_by != SIM_BUG_NONE && (services || !needs_services(sim_invariants[i].shown_by))) {
                        check(&sim_invariants[i], sim_invariants[i].shown_by);
                        shown[sim_invariants[i].shown_by] = true;
                }
        if (services)
                check(&sim_invariants[SIM_INV_ACKNOWLEDGED], SIM_BUG_STORE_FORGETS);
        shown[SIM_BUG_STORE_FORGETS] = true;
        for (int bug = SIM_BUG_NONE + 1; bug < SIM_BUG_MAX; bug++)
                if (!shown[bug] && services)
                        fail_msg("no invariant is shown by the bug \"%s\"", sim_bug_names[bug]);
}

/* The same histories without a bug are well. */
static void without_bugs_all_is_well(void **state)
{
        (void)state;
        loaded = grouped = false;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                uint32_t strikes = 0;

                for (int i = 0; i < SIM_INV_MAX; i++)
                        if (finds(SIM_BUG_NONE, seed, sim_invariants[i].name, &strikes))
                                fail_msg("history %llu breaks \"%s\"", (unsigned long long)seed, sim_invariants[i].name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_bug_is_found),
                cmocka_unit_test(without_bugs_all_is_well),
        };

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        services = services_are_built();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
