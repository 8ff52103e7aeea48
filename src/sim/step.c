/* SPDX-License-Identifier: Apache-2.0 */
/* The language of scenario files: clauses, reading and writing of steps. The verbs are in verbs.c. */
#include "sim/step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "sim/clock.h"

#define MAX_WORDS 64
#define MAX_TIME_US (INT64_C(365) * 24 * 3600 * SIM_SECOND)

enum clause_kind { CLAUSE_FLAG = 0, CLAUSE_NUMBER, CLAUSE_TIME, CLAUSE_NAME };

static const struct clause {
        const char *name;
        enum clause_kind kind;
        int64_t min, max;
        const char *help;
} clauses[SIM_CLAUSE_MAX] = {
        [SIM_COUNT] = {"count", CLAUSE_NUMBER, 0, 1000000, "how many"},
        [SIM_TASK] = {"task", CLAUSE_NAME, 0, 0, "task definition, FAMILY:REVISION"},
        [SIM_IMAGE] = {"image", CLAUSE_NAME, 0, 0, "image of its container"},
        [SIM_CPU] = {"cpu", CLAUSE_NUMBER, 0, 1000000, "units, 1024 a core"},
        [SIM_MEMORY] = {"memory", CLAUSE_NUMBER, 6, 100000000, "MiB"},
        [SIM_PORT] = {"port", CLAUSE_NUMBER, 1, 65535, "fixed port on the host"},
        [SIM_CHECKED] = {"checked", CLAUSE_FLAG, 0, 0, "it has a health check"},
        [SIM_ZONES] = {"zones", CLAUSE_NUMBER, 1, 26, "zone-a, zone-b … in turn"},
        [SIM_ZONE] = {"zone", CLAUSE_NAME, 0, 0, "all in this zone"},
        [SIM_TYPE] = {"type", CLAUSE_NAME, 0, 0, "instance type"},
        [SIM_MIN] = {"min", CLAUSE_NUMBER, 0, 100, "minimumHealthyPercent"},
        [SIM_MAX] = {"max", CLAUSE_NUMBER, 100, 10000, "maximumPercent"},
        [SIM_BREAKER] = {"breaker", CLAUSE_FLAG, 0, 0, "circuit breaker with rollback"},
        [SIM_DAEMON] = {"daemon", CLAUSE_FLAG, 0, 0, "one task on each node"},
        [SIM_DISTINCT] = {"distinct", CLAUSE_FLAG, 0, 0, "no two tasks on one node"},
        [SIM_SPREAD] = {"spread", CLAUSE_NAME, 0, 0, "over: zone, instance"},
        [SIM_PACK] = {"pack", CLAUSE_NAME, 0, 0, "bin packing by: cpu, memory"},
        [SIM_ONLY] = {"only", CLAUSE_NAME, 0, 0, "memberOf: in this zone"},
        [SIM_FORCE] = {"force", CLAUSE_FLAG, 0, 0, "forceNewDeployment, or force"},
        [SIM_FOR] = {"for", CLAUSE_TIME, 0, 0, "it ends after so long"},
        [SIM_PULLS] = {"pulls", CLAUSE_TIME, 0, 0, "the pull takes"},
        [SIM_STARTS] = {"starts", CLAUSE_TIME, 0, 0, "the start takes"},
        [SIM_STOPS] = {"stops", CLAUSE_TIME, 0, 0, "it takes from SIGTERM to its end"},
        [SIM_EXITS] = {"exits", CLAUSE_TIME, 0, 0, "it ends by itself after; 0s: never"},
        [SIM_CODE] = {"code", CLAUSE_NUMBER, 0, 255, "with this exit code"},
        [SIM_MISSING] = {"missing", CLAUSE_FLAG, 0, 0, "cannot be pulled"},
        [SIM_HEALTHY] = {"healthy", CLAUSE_TIME, 0, 0, "first healthy after"},
        [SIM_UNHEALTHY] = {"unhealthy", CLAUSE_TIME, 0, 0, "unhealthy after; 0s: never"},
        [SIM_DELAY] = {"delay", CLAUSE_TIME, 0, 0, "one way, at most"},
        [SIM_LOSS] = {"loss", CLAUSE_NUMBER, 0, 90, "percent of requests and of answers that get lost"},
        [SIM_REPEATS] = {"repeats", CLAUSE_NUMBER, 0, 90, "percent of requests of nodes that arrive twice"},
        [SIM_RUNNING] = {"running", CLAUSE_NUMBER, 0, 1000000, "so many"},
        [SIM_AT_LEAST] = {"at-least", CLAUSE_NUMBER, 0, 1000000, "so many or more"},
        [SIM_AT_MOST] = {"at-most", CLAUSE_NUMBER, 0, 1000000, "so many or fewer"},
        [SIM_DEPLOYMENT] = {"deployment", CLAUSE_NAME, 0, 0, "state of the rollout: COMPLETED, IN_PROGRESS, FAILED"},
        [SIM_WITHIN] = {"within", CLAUSE_TIME, 0, 0, "or after at most so long"},
        [SIM_COOLDOWN] = {"cooldown", CLAUSE_TIME, 0, 0, "of scale-out and scale-in"},
        [SIM_SHAPE] = {"shape", CLAUSE_NAME, 0, 0, "of the load: steady, steps, ramp, spikes, day"},
        [SIM_FROM] = {"from", CLAUSE_NUMBER, 0, 1000000, "so much of one task's work, in percent"},
        [SIM_TO] = {"to", CLAUSE_NUMBER, 0, 1000000, "and so much at the other end"},
        [SIM_EVERY] = {"every", CLAUSE_TIME, 0, 0, "one turn of the shape takes so long"},
        [SIM_NOISE] = {"noise", CLAUSE_NUMBER, 0, 100, "the sensor is off by so many percent at most"},
        [SIM_BLIND] = {"blind", CLAUSE_NUMBER, 0, 100, "percent of the seconds in which it tells nothing"},
        [SIM_PROVIDER] = {"provider", CLAUSE_NAME, 0, 0, "capacity provider: the name of a group"},
        [SIM_BOOTS] = {"boots", CLAUSE_TIME, 0, 0, "from a machine's making until its agent is up"},
        [SIM_FAILS] = {"fails", CLAUSE_NUMBER, 0, 90, "percent of the machines that cannot be made"},
        [SIM_IDLE] = {"idle", CLAUSE_TIME, 0, 0, "machines that are not needed for so long go"},
};

/* ---- Words ---- */

static bool is_name(const char *word)
{
        return str_is_name(word, "-_.:/", 47);
}

/* "1500ms", "10s", "2m", "1h". */
static int read_time(const char *word, int64_t *ret)
{
        static const struct {
                const char *unit;
                int64_t us;
        } units[] = {{"us", 1}, {"ms", SIM_MS}, {"s", SIM_SECOND}, {"m", 60 * SIM_SECOND}, {"h", 3600 * SIM_SECOND}};
        size_t digits = strspn(word, "0123456789");
        char text[16];
        int64_t number;

        if (digits == 0 || digits >= sizeof(text))
                return -1;
        memcpy(text, word, digits);
        text[digits] = '\0';
        if (str_to_int64(text, &number) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (str_eq(word + digits, units[i].unit)) {
                        if (number > MAX_TIME_US / units[i].us)
                                return -1;
                        *ret = number * units[i].us;
                        return 0;
                }
        return -1;
}

static void print_time(int64_t us, struct buf *out)
{
        if (us % SIM_SECOND == 0)
                buf_printf(out, "%llds", (long long)(us / SIM_SECOND));
        else if (us % SIM_MS == 0)
                buf_printf(out, "%lldms", (long long)(us / SIM_MS));
        else
                buf_printf(out, "%lldus", (long long)us);
}

/* Splits at blanks; returns how many words, or -1 when there are too many. */
static int split(char *line, char *words[MAX_WORDS])
{
        int n = 0;

        for (char *save = NULL, *word = strtok_r(line, " \t\r", &save); word != NULL; word = strtok_r(NULL, " \t\r", &save)) {
                if (n == MAX_WORDS)
                        return -1;
                words[n++] = word;
        }
        return n;
}

/* ---- Verbs ---- */

/* How many of the words the pattern takes; 0: it does not fit. */
static int match(const char *pattern, char *const *words, int n, const char **ret_subject)
{
        int at = 0;

        for (const char *p = pattern; *p != '\0'; at++) {
                size_t len = strcspn(p, " ");

                if (at == n)
                        return 0;
                if (len == 1 && *p == '*')
                        *ret_subject = words[at];
                else if (strlen(words[at]) != len || memcmp(words[at], p, len) != 0)
                        return 0;
                p += len;
                p += strspn(p, " ");
        }
        return at;
}

/* The longest pattern that fits: "server crashes after a commit" before "server crashes". */
static const struct sim_verb *find_verb(char *const *words, int n, int *ret_taken, const char **ret_subject)
{
        const struct sim_verb *best = NULL;
        int most = 0;

        for (uint32_t i = 0; i < sim_n_verbs; i++) {
                const char *subject = "";
                int taken = match(sim_verbs[i].pattern, words, n, &subject);

                if (taken > most || (taken == most && taken > 0 && sim_verbs[i].pattern[0] != '*')) {
                        best = &sim_verbs[i];
                        most = taken;
                        *ret_subject = subject;
                }
        }
        *ret_taken = most;
        return best;
}

const struct sim_verb *sim_verb_find(const char *pattern)
{
        for (uint32_t i = 0; i < sim_n_verbs; i++)
                if (str_eq(sim_verbs[i].pattern, pattern))
                        return &sim_verbs[i];
        return NULL;
}

/* ---- Reading ---- */

static void list_clauses(const struct sim_verb *verb, struct buf *out)
{
        for (int i = 0; i < SIM_CLAUSE_MAX; i++)
                if (verb->clauses >> i & 1)
                        buf_printf(out, "%s%s", out->len > 0 ? ", " : "", clauses[i].name);
}

static int unknown_clause(const struct sim_verb *verb, const char *word, struct error *error)
{
        CLEANUP_BUF struct buf known = {0};

        list_clauses(verb, &known);
        if (known.len == 0)
                return error_set(error, EINVAL, "\"%s\": nothing can follow \"%s\"", word, verb->pattern);
        return error_set(error, EINVAL, "\"%s\" cannot follow \"%s\"; what can: %s", word, verb->pattern, known.data);
}

static int read_value(const struct clause *clause, int i, const char *word, struct arena *arena, struct sim_step *step, struct error *error)
{
        if (word == NULL)
                return error_set(error, EINVAL, "\"%s\" needs a value: %s", clause->name, clause->help);
        switch (clause->kind) {
        case CLAUSE_NUMBER:
                if (str_to_int64(word, &step->number[i]) < 0 || step->number[i] < clause->min || step->number[i] > clause->max)
                        return error_set(error, EINVAL, "%s \"%s\": a number from %lld to %lld is expected", clause->name, word,
                                         (long long)clause->min, (long long)clause->max);
                return 0;
        case CLAUSE_TIME:
                if (read_time(word, &step->number[i]) < 0)
                        return error_set(error, EINVAL, "%s \"%s\": a time such as 500ms, 10s, 2m or 1h is expected", clause->name, word);
                return 0;
        default:
                if (!is_name(word))
                        return error_set(error, EINVAL, "%s \"%s\": a name is expected: letters, digits and -_.:/, at most 47",
                                         clause->name, word);
                step->text[i] = arena_strdup(arena, word);
                return 0;
        }
}

static int read_clauses(char *const *words, int n, struct arena *arena, struct sim_step *step, struct error *error)
{
        for (int at = 0; at < n; at++) {
                int i = 0, r;

                while (i < SIM_CLAUSE_MAX && !str_eq(clauses[i].name, words[at]))
                        i++;
                if (i == SIM_CLAUSE_MAX || !(step->verb->clauses >> i & 1))
                        return unknown_clause(step->verb, words[at], error);
                if (sim_step_has(step, (enum sim_clause)i))
                        return error_set(error, EINVAL, "\"%s\" is said twice", clauses[i].name);
                step->has |= UINT64_C(1) << i;
                if (clauses[i].kind == CLAUSE_FLAG)
                        continue;
                at++;
                r = read_value(&clauses[i], i, at < n ? words[at] : NULL, arena, step, error);
                if (r < 0)
                        return r;
        }
        for (int i = 0; i < SIM_CLAUSE_MAX; i++)
                if ((step->verb->required >> i & 1) && !sim_step_has(step, (enum sim_clause)i))
                        return error_set(error, EINVAL, "\"%s\" needs \"%s\": %s", step->verb->pattern, clauses[i].name, clauses[i].help);
        return 0;
}

static int check_subject(const struct sim_verb *verb, const char *subject, struct error *error)
{
        if (verb->subject == SIM_SUBJECT_NONE)
                return 0;
        if (!is_name(subject))
                return error_set(error, EINVAL, "\"%s\": a name is expected: letters, digits and -_.:/, at most 47", subject);
        if (verb->subject == SIM_SUBJECT_NODE && !str_starts_with(subject, "node-") && !str_starts_with(subject, "zone-"))
                return error_set(error, EINVAL, "\"%s\": a node (node-1, node-2 …) or a whole zone (zone-a …) is expected", subject);
        return 0;
}

static int read_verb(char *const *words, int n, struct arena *arena, struct sim_step *step, struct error *error)
{
        const char *subject = "";
        int taken, r;

        step->verb = find_verb(words, n, &taken, &subject);
        if (step->verb == NULL)
                return error_set(error, EINVAL, "\"%s%s%s\": no such thing can happen; `gantry sim --help` lists what can", words[0],
                                 n > 1 ? " " : "", n > 1 ? words[1] : "");
        r = check_subject(step->verb, subject, error);
        if (r < 0)
                return r;
        (void)snprintf(step->subject, sizeof(step->subject), "%s", subject);
        return read_clauses(words + taken, n - taken, arena, step, error);
}

int sim_step_parse(const char *line, struct arena *arena, struct sim_step *ret, struct error *error)
{
        char *words[MAX_WORDS];
        struct sim_step step = {0};
        int n = split(arena_strdup(arena, line), words), from = 0, r;

        if (n < 0)
                return error_set(error, EINVAL, "more than %d words", MAX_WORDS);
        if (n > 0 && str_eq(words[0], "at")) {
                if (n < 2 || read_time(words[1], &step.at_us) < 0)
                        return error_set(error, EINVAL, "after \"at\" a time is expected, such as 500ms, 10s, 2m or 1h");
                from = 2;
        }
        if (n == from)
                return error_set(error, EINVAL, "nothing happens in this line");
        r = read_verb(words + from, n - from, arena, &step, error);
        if (r < 0)
                return r;
        *ret = step;
        return 0;
}

/* ---- Writing ---- */

static void print_pattern(const char *pattern, const char *subject, struct buf *out)
{
        for (const char *p = pattern; *p != '\0'; p++)
                if (*p == '*')
                        buf_append_str(out, subject);
                else
                        buf_append_char(out, *p);
}

void sim_step_print(const struct sim_step *step, struct buf *out)
{
        if (step->at_us > 0) {
                buf_append_str(out, "at ");
                print_time(step->at_us, out);
                buf_append_char(out, ' ');
        }
        print_pattern(step->verb->pattern, step->subject, out);
        for (int i = 0; i < SIM_CLAUSE_MAX; i++) {
                if (!sim_step_has(step, (enum sim_clause)i))
                        continue;
                buf_printf(out, " %s", clauses[i].name);
                if (clauses[i].kind == CLAUSE_NUMBER)
                        buf_printf(out, " %lld", (long long)step->number[i]);
                else if (clauses[i].kind == CLAUSE_NAME)
                        buf_printf(out, " %s", step->text[i]);
                else if (clauses[i].kind == CLAUSE_TIME) {
                        buf_append_char(out, ' ');
                        print_time(step->number[i], out);
                }
        }
}

void sim_language_print(struct buf *out)
{
        static const char *const subjects[] = {"", "NODE", "SERVICE", "FAMILY", "IMAGE", "GROUP"};
        static const char *const values[] = {"", " N", " TIME", " NAME"};

        for (uint32_t v = 0; v < sim_n_verbs; v++) {
                const struct sim_verb *verb = &sim_verbs[v];

                buf_append_str(out, "  ");
                print_pattern(verb->pattern, subjects[verb->subject], out);
                for (int i = 0; i < SIM_CLAUSE_MAX; i++)
                        if (verb->clauses >> i & 1)
                                buf_printf(out, verb->required >> i & 1 ? " %s%s" : " [%s%s]", clauses[i].name, values[clauses[i].kind]);
                buf_printf(out, "\n        %s\n", verb->help);
        }
        buf_append_str(out, "\n");
        for (int i = 0; i < SIM_CLAUSE_MAX; i++)
                buf_printf(out, "  %-10s %s\n", clauses[i].name, clauses[i].help);
}
