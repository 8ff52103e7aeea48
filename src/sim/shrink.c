/* SPDX-License-Identifier: Apache-2.0 */
/* Making a story that fails short: see sim_history_shrink. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/history.h"

struct shrinker {
        const struct sim_options *options;
        const char *invariant;
        uint32_t left; /* plays that may still be made */
};

static bool still_fails(struct shrinker *s, const struct sim_scenario *candidate)
{
        struct sim_options options = *s->options;
        struct sim_outcome outcome;

        if (s->left == 0)
                return false;
        s->left--;
        options.note = NULL;
        options.seed = candidate->seed;
        options.disk = NULL;
        sim_scenario_run(candidate, &options, NULL, NULL, &outcome);
        return str_eq(outcome.violation.invariant, s->invariant);
}

/* Without the steps from `first` on, `n` of them. */
static bool drop_steps(struct shrinker *s, struct sim_scenario *scenario, uint32_t first, uint32_t n)
{
        struct sim_scenario shorter = {.seed = scenario->seed, .title = scenario->title, .n = scenario->n - n};
        bool fails;

        shorter.steps = xcalloc(shorter.n + 1, sizeof(*shorter.steps));
        memcpy(shorter.steps, scenario->steps, first * sizeof(*shorter.steps));
        memcpy(shorter.steps + first, scenario->steps + first + n, (shorter.n - first) * sizeof(*shorter.steps));
        fails = still_fails(s, &shorter);
        if (fails) {
                free(scenario->steps);
                scenario->steps = shorter.steps;
                scenario->n = shorter.n;
        } else {
                free(shorter.steps);
        }
        return fails;
}

/* Halves, quarters … single steps, from the back: what comes late depends on what comes early. */
static bool drop_chunks(struct shrinker *s, struct sim_scenario *scenario)
{
        bool any = false;

        for (uint32_t size = MAX(scenario->n / 2, 1u); size > 0; size /= 2)
                for (uint32_t end = scenario->n; end >= size && s->left > 0; end -= MIN(size, end)) {
                        bool dropped = drop_steps(s, scenario, end - size, size);

                        any |= dropped;
                        if (dropped)
                                end = MIN(end, scenario->n + size);
                }
        return any;
}

/* Plays with one number of one step changed; keeps it when the story still fails. */
static bool try_number(struct shrinker *s, struct sim_scenario *scenario, struct sim_step *step, int clause, int64_t value)
{
        int64_t before = step->number[clause];

        if (value == before)
                return false;
        step->number[clause] = value;
        if (still_fails(s, scenario))
                return true;
        step->number[clause] = before;
        return false;
}

static bool drop_clause(struct shrinker *s, struct sim_scenario *scenario, struct sim_step *step, int clause)
{
        uint64_t before = step->has;
        int64_t number = step->number[clause];
        const char *text = step->text[clause];

        step->has &= ~(UINT64_C(1) << clause);
        step->number[clause] = 0;
        step->text[clause] = NULL;
        if (still_fails(s, scenario))
                return true;
        step->has = before;
        step->number[clause] = number;
        step->text[clause] = text;
        return false;
}

/* Fewer nodes and tasks, and no clause that does not matter. */
static bool simplify(struct shrinker *s, struct sim_scenario *scenario)
{
        bool any = false;

        for (uint32_t i = 0; i < scenario->n; i++) {
                struct sim_step *step = &scenario->steps[i];

                for (int clause = 0; clause < SIM_CLAUSE_MAX; clause++)
                        if (sim_step_has(step, (enum sim_clause)clause) && !(step->verb->required >> clause & 1))
                                any |= drop_clause(s, scenario, step, clause);
                while (sim_step_has(step, SIM_COUNT) && step->number[SIM_COUNT] > 1 &&
                       (try_number(s, scenario, step, SIM_COUNT, step->number[SIM_COUNT] / 2) ||
                        try_number(s, scenario, step, SIM_COUNT, step->number[SIM_COUNT] - 1)))
                        any = true;
        }
        return any;
}

/* Whole seconds are easier to read. */
static bool round_times(struct shrinker *s, struct sim_scenario *scenario)
{
        struct sim_step *before = xcalloc(scenario->n + 1, sizeof(*before));
        bool fails;

        memcpy(before, scenario->steps, scenario->n * sizeof(*before));
        for (uint32_t i = 0; i < scenario->n; i++)
                scenario->steps[i].at_us = (scenario->steps[i].at_us + SIM_SECOND / 2) / SIM_SECOND * SIM_SECOND;
        fails = still_fails(s, scenario);
        if (!fails)
                memcpy(scenario->steps, before, scenario->n * sizeof(*before));
        free(before);
        return fails;
}

void sim_history_shrink(struct sim_scenario *scenario, const struct sim_options *options, const char *invariant, uint32_t tries)
{
        struct shrinker s = {.options = options, .invariant = invariant, .left = tries};
        bool again = true;

        while (again && s.left > 0) {
                again = drop_chunks(&s, scenario);
                again |= simplify(&s, scenario);
        }
        (void)round_times(&s, scenario);
}
