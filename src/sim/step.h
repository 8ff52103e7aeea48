/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a story: what happens at a moment, or what is expected then. The same steps are written by people (scenario files),
 * drawn by chance (histories) and printed when a history has been shrunk.
 *
 *     at 10s node-3 dies for 30s
 *     ┬────── ┬────────── ┬──────
 *     moment  verb        clauses, in any order
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum sim_clause {
        SIM_COUNT = 0,
        SIM_TASK,
        SIM_IMAGE,
        SIM_CPU,
        SIM_MEMORY,
        SIM_PORT,
        SIM_CHECKED,
        SIM_ZONES,
        SIM_ZONE,
        SIM_TYPE,
        SIM_MIN,
        SIM_MAX,
        SIM_BREAKER,
        SIM_DAEMON,
        SIM_DISTINCT,
        SIM_SPREAD,
        SIM_PACK,
        SIM_ONLY,
        SIM_FORCE,
        SIM_FOR,
        SIM_PULLS,
        SIM_STARTS,
        SIM_STOPS,
        SIM_EXITS,
        SIM_CODE,
        SIM_MISSING,
        SIM_HEALTHY,
        SIM_UNHEALTHY,
        SIM_DELAY,
        SIM_LOSS,
        SIM_REPEATS,
        SIM_RUNNING,
        SIM_AT_LEAST,
        SIM_AT_MOST,
        SIM_DEPLOYMENT,
        SIM_WITHIN,
        SIM_COOLDOWN,
        SIM_SHAPE,
        SIM_FROM,
        SIM_TO,
        SIM_EVERY,
        SIM_NOISE,
        SIM_BLIND,
        SIM_PROVIDER,
        SIM_BOOTS,
        SIM_FAILS,
        SIM_IDLE,
        SIM_CLAUSE_MAX
};

struct sim_world;
struct sim_step;

enum sim_subject { SIM_SUBJECT_NONE = 0, SIM_SUBJECT_NODE, SIM_SUBJECT_SERVICE, SIM_SUBJECT_FAMILY, SIM_SUBJECT_IMAGE, SIM_SUBJECT_GROUP };

struct sim_verb {
        const char *pattern; /* words; "*" is the subject */
        enum sim_subject subject;
        uint64_t clauses, required; /* bits of enum sim_clause */
        void (*run)(struct sim_world *world, const struct sim_step *step);
        const char *help;
        bool fault; /* makes trouble: leaves things to settle */
};
extern const struct sim_verb sim_verbs[];
extern const uint32_t sim_n_verbs;
const struct sim_verb *sim_verb_find(const char *pattern);

struct sim_step {
        int64_t at_us;
        uint32_t line; /* in its file; 0: drawn by chance */
        const struct sim_verb *verb;
        char subject[48];
        uint64_t has;                   /* bits of the clauses that were given */
        int64_t number[SIM_CLAUSE_MAX]; /* times in µs */
        const char *text[SIM_CLAUSE_MAX];
};

static inline bool sim_step_has(const struct sim_step *step, enum sim_clause clause)
{
        return (step->has >> clause & 1) != 0;
}
static inline int64_t sim_step_number(const struct sim_step *step, enum sim_clause clause, int64_t otherwise)
{
        return sim_step_has(step, clause) ? step->number[clause] : otherwise;
}

/* Reads one line without comment; texts go into `arena`. -EINVAL with a message that says what was expected. */
int sim_step_parse(const char *line, struct arena *arena, struct sim_step *ret, struct error *error) MUST_CHECK;
/* Writes it as sim_step_parse reads it, without the end of the line. */
void sim_step_print(const struct sim_step *step, struct buf *out);
/* For --help and the documentation: every verb with its clauses. */
void sim_language_print(struct buf *out);
