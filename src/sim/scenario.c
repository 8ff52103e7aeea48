/* SPDX-License-Identifier: Apache-2.0 */
/* Scenario files, and playing them. */
#include "sim/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/invariant.h"
#include "sim/node.h"

#define MAX_FILE ((size_t)1 << 20)
#define MAX_STEPS 20000
#define MAX_LINE 1000

/* ---- Reading and writing ---- */

static int add_step(struct sim_scenario *s, uint32_t *cap, const char *line, uint32_t number, struct error *error)
{
        struct sim_step step;
        int r = sim_step_parse(line, &s->arena, &step, error);

        if (r < 0)
                return r;
        if (s->n > 0 && step.at_us == 0 && s->steps[s->n - 1].at_us > 0)
                return error_set(error, EINVAL, "lines without \"at\" come before those with");
        if (s->n > 0 && step.at_us < s->steps[s->n - 1].at_us)
                return error_set(error, EINVAL, "this happens before the line above: steps are in order of time");
        if (s->n >= MAX_STEPS)
                return error_set(error, EINVAL, "more than %d steps", MAX_STEPS);
        if (s->n == *cap) {
                *cap = MAX(*cap * 2, 32u);
                s->steps = xrealloc(s->steps, *cap * sizeof(*s->steps));
        }
        step.line = number;
        s->steps[s->n++] = step;
        return 0;
}

static int read_line(struct sim_scenario *s, uint32_t *cap, char *line, uint32_t number, struct error *error)
{
        char *comment = strchr(line, '#');
        int64_t seed;

        if (comment != NULL)
                *comment = '\0';
        line += strspn(line, " \t\r");
        if (*line == '\0')
                return 0;
        if (str_starts_with(line, "title ")) {
                s->title = arena_strdup(&s->arena, line + strlen("title "));
                return 0;
        }
        if (str_starts_with(line, "seed ")) {
                char *value = line + strlen("seed ");

                value[strcspn(value, " \t\r")] = '\0';
                if (str_to_int64(value, &seed) < 0 || seed < 0)
                        return error_set(error, EINVAL, "seed \"%s\": a number is expected", value);
                s->seed = (uint64_t)seed;
                return 0;
        }
        return add_step(s, cap, line, number, error);
}

int sim_scenario_parse(const char *text, size_t len, struct sim_scenario *ret, struct error *error)
{
        struct sim_scenario s = {.seed = 1};
        uint32_t cap = 0, number = 0;

        for (const char *p = text, *end = text + len; p < end;) {
                const char *stop = memchr(p, '\n', (size_t)(end - p));
                size_t n = (size_t)((stop != NULL ? stop : end) - p);
                char line[MAX_LINE + 1];
                struct error what = {0};
                int r = 0;

                number++;
                if (n > MAX_LINE || memchr(p, '\0', n) != NULL) {
                        r = error_set(&what, EINVAL, "not a line of text with at most %d characters", MAX_LINE);
                } else {
                        memcpy(line, p, n);
                        line[n] = '\0';
                        r = read_line(&s, &cap, line, number, &what);
                }
                if (r < 0) {
                        sim_scenario_done(&s);
                        return error_set(error, EINVAL, "line %u: %s", number, what.message);
                }
                p += n + 1;
        }
        *ret = s;
        return 0;
}

int sim_scenario_read(const char *path, struct sim_scenario *ret, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        int r = buf_read_file(&text, path, MAX_FILE);

        if (r < 0)
                return error_set(error, -r, "cannot read %s: %s", path, strerror(-r));
        if (sim_scenario_parse(text.data != NULL ? text.data : "", text.len, ret, error) < 0)
                return error_wrap(error, "%s", path);
        return 0;
}

void sim_scenario_done(struct sim_scenario *scenario)
{
        free(scenario->steps);
        arena_done(&scenario->arena);
        *scenario = (struct sim_scenario){0};
}

void sim_scenario_print(const struct sim_scenario *scenario, struct buf *out)
{
        if (scenario->title != NULL)
                buf_printf(out, "title %s\n", scenario->title);
        buf_printf(out, "seed %llu\n", (unsigned long long)scenario->seed);
        for (uint32_t i = 0; i < scenario->n; i++) {
                sim_step_print(&scenario->steps[i], out);
                buf_append_char(out, '\n');
        }
}

/* ---- Playing ---- */

static void on_step(void *owner, void *data, uint64_t number)
{
        struct sim_world *world = owner;
        const struct sim_scenario *scenario = world->scenario;
        const struct sim_step *step = &scenario->steps[number];
        CLEANUP_BUF struct buf line = {0};

        sim_step_print(step, &line);
        sim_world_note(world, NULL, "> %s", line.data + (step->at_us > 0 ? strcspn(line.data + 3, " ") + 4 : 0));
        step->verb->run(world, step);
        /* One at a time, so that a long story does not fill the queue. */
        if (number + 1 < scenario->n)
                sim_after(&world->clock, scenario->steps[number + 1].at_us - world->clock.now_us, on_step, world, NULL, number + 1);
}

/* Of the last step, and of expectations that may take their time. */
static int64_t last_moment(const struct sim_scenario *scenario)
{
        int64_t end = 0;

        for (uint32_t i = 0; i < scenario->n; i++) {
                const struct sim_step *step = &scenario->steps[i];
                bool keeps = str_starts_with(step->verb->pattern, "keep");

                end = MAX(end, step->at_us + (keeps ? step->number[SIM_FOR] : step->number[SIM_WITHIN]));
        }
        return end;
}

static void create_cluster(struct sim_world *world)
{
        CLEANUP_BUF struct buf json = {0}, answer = {0};

        if (model_cluster(world->server.model, world->cluster) != NULL)
                return;
        buf_printf(&json, "{\"clusterName\":\"%s\"}", world->cluster);
        (void)api_run(world->server.api, "ecs", "CreateCluster", NULL, json.data, &answer);
        (void)model_write(world->server.model);
        model_written(world->server.model);
}

static void conclude(struct sim_world *world, struct sim_outcome *ret)
{
        *ret = (struct sim_outcome){
                .violation = world->violation,
                .digest = world->digest,
                .events = world->clock.fired,
                .commits = world->server.commits,
                .strikes = world->bug_strikes,
                .ended_us = world->clock.now_us,
        };
        for (uint32_t i = 0; i < world->n_nodes; i++)
                list_for_each (run, &world->nodes[i]->runs, struct sim_run, link)
                        ret->tasks++;
}

void sim_scenario_run(const struct sim_scenario *scenario, const struct sim_options *options,
                      void (*prepare)(struct sim_world *world, void *data), void *data, struct sim_outcome *ret)
{
        struct sim_world *world = sim_world_new(options);
        int64_t end = last_moment(scenario);

        world->scenario = scenario;
        sim_server_start(&world->server);
        if (sim_server_is_up(&world->server)) {
                if (prepare != NULL)
                        prepare(world, data);
                else
                        create_cluster(world);
        }
        if (scenario->n > 0)
                sim_after(&world->clock, scenario->steps[0].at_us, on_step, world, NULL, 0);
        sim_world_run(world, end);
        if (world->violation.invariant == NULL)
                sim_world_settle(world, SIM_SETTLE_US);
        conclude(world, ret);
        sim_world_free(world);
}
