/* SPDX-License-Identifier: Apache-2.0 */
/* Random stories: a stage, an operator who does this and that, and trouble. See history.h. */
#include "sim/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macro.h"

#define SERVICES 3
#define GOOD 3   /* definitions that work: revisions 1 to 3 of family "app" */
#define BROKEN 3 /* and those that do not: 4 to 6 */

struct maker {
        struct sim_scenario *out;
        struct sim_history_options options;
        struct sim_random chance;
        uint32_t cap, nodes, zones;
        int64_t now_us;
        bool service[SERVICES];
};

/* ---- One line ---- */

static struct sim_step *add(struct maker *m, const char *pattern)
{
        struct sim_step *step;

        if (m->out->n == m->cap) {
                m->cap = MAX(m->cap * 2, 64u);
                m->out->steps = xrealloc(m->out->steps, m->cap * sizeof(*m->out->steps));
        }
        step = &m->out->steps[m->out->n++];
        *step = (struct sim_step){.at_us = m->now_us, .verb = sim_verb_find(pattern)};
        assert(step->verb != NULL);
        return step;
}

static void number(struct sim_step *step, enum sim_clause clause, int64_t value)
{
        step->has |= UINT64_C(1) << clause;
        step->number[clause] = value;
}

static void name(struct sim_step *step, enum sim_clause clause, const char *value)
{
        step->has |= UINT64_C(1) << clause;
        step->text[clause] = value;
}

static void flag(struct sim_step *step, enum sim_clause clause)
{
        step->has |= UINT64_C(1) << clause;
}

static bool percent(struct maker *m, uint32_t p)
{
        return sim_random_percent(&m->chance, p);
}

static int64_t between(struct maker *m, int64_t min, int64_t max)
{
        return sim_random_between(&m->chance, min, max);
}

/* ---- The stage ---- */

static void stage(struct maker *m)
{
        static const struct {
                const char *image;
                enum sim_clause trouble; /* SIM_CLAUSE_MAX: none */
        } images[GOOD + BROKEN] = {
                {"good:1", SIM_CLAUSE_MAX}, {"good:2", SIM_CLAUSE_MAX}, {"good:3", SIM_CLAUSE_MAX},
                {"crashing", SIM_EXITS},    {"absent", SIM_MISSING},    {"sick", SIM_UNHEALTHY},
        };
        struct sim_step *step = add(m, "nodes");

        number(step, SIM_COUNT, m->nodes);
        number(step, SIM_ZONES, m->zones);
        number(step, SIM_CPU, 1024 * between(m, 1, 4));
        number(step, SIM_MEMORY, 1024 * between(m, 1, 8));
        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                step = add(m, "image *");
                (void)snprintf(step->subject, sizeof(step->subject), "%s", images[i].image);
                number(step, SIM_PULLS, between(m, 1, 4000) * SIM_MS);
                number(step, SIM_STARTS, between(m, 20, 2000) * SIM_MS);
                number(step, SIM_STOPS, between(m, 1, 10000) * SIM_MS);
                number(step, SIM_HEALTHY, between(m, 500, 10000) * SIM_MS);
                if (images[i].trouble == SIM_MISSING)
                        flag(step, SIM_MISSING);
                else if (images[i].trouble != SIM_CLAUSE_MAX)
                        number(step, images[i].trouble, between(m, 1, 3000) * SIM_MS);
        }
        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                step = add(m, "task *");
                (void)snprintf(step->subject, sizeof(step->subject), "app");
                name(step, SIM_IMAGE, images[i].image);
                number(step, SIM_CPU, 32 * between(m, 1, 16));
                number(step, SIM_MEMORY, 32 * between(m, 1, 16));
                if (i == 2 && percent(m, 50))
                        number(step, SIM_PORT, 8080);
                if (images[i].trouble == SIM_UNHEALTHY || percent(m, 25))
                        flag(step, SIM_CHECKED);
        }
}

/* ---- The operator ---- */

static const char *revision(struct maker *m, uint32_t broken_percent)
{
        static const char *const names[] = {"app:1", "app:2", "app:3", "app:4", "app:5", "app:6"};

        return names[percent(m, broken_percent) ? between(m, GOOD, GOOD + BROKEN - 1) : between(m, 0, GOOD - 1)];
}

static void service_name(struct sim_step *step, uint32_t i)
{
        (void)snprintf(step->subject, sizeof(step->subject), "s%u", i + 1);
}

static void create_service(struct maker *m, uint32_t i)
{
        struct sim_step *step = add(m, "create service *");
        static const char *const zones[] = {"zone-a", "zone-b", "zone-c"};
        static const int percents[][2] = {{100, 200}, {50, 200}, {50, 100}, {0, 100}, {75, 150}, {100, 125}};
        int64_t rates = between(m, 0, ARRAY_SIZE(percents) - 1);

        m->service[i] = true;
        service_name(step, i);
        name(step, SIM_TASK, revision(m, 5));
        if (percent(m, 10)) {
                flag(step, SIM_DAEMON);
                return;
        }
        number(step, SIM_COUNT, between(m, 0, 12));
        number(step, SIM_MIN, percents[rates][0]);
        number(step, SIM_MAX, percents[rates][1]);
        if (percent(m, 60))
                flag(step, SIM_BREAKER);
        if (percent(m, 20))
                flag(step, SIM_DISTINCT);
        if (percent(m, 15))
                name(step, SIM_ONLY, zones[between(m, 0, m->zones - 1)]);
        if (percent(m, 40))
                name(step, SIM_SPREAD, percent(m, 50) ? "zone" : "instance");
        if (percent(m, 30))
                name(step, SIM_PACK, percent(m, 50) ? "memory" : "cpu");
}

static void change_service(struct maker *m, uint32_t i)
{
        struct sim_step *step;
        int64_t what = between(m, 0, 99);

        if (what < 8) {
                service_name(add(m, "delete service *"), i);
                m->service[i] = false;
                return;
        }
        if (what < 18) {
                step = add(m, "protect service *");
                service_name(step, i);
                number(step, SIM_COUNT, between(m, 1, 3));
                number(step, SIM_FOR, 60 * SIM_SECOND * between(m, 1, 3));
                return;
        }
        step = add(m, "update service *");
        service_name(step, i);
        if (what < 55)
                number(step, SIM_COUNT, between(m, 0, 15));
        if (what >= 45 && what < 90)
                name(step, SIM_TASK, revision(m, 30));
        if (what >= 90)
                flag(step, SIM_FORCE);
}

static void operate(struct maker *m)
{
        uint32_t i = (uint32_t)between(m, 0, SERVICES - 1);
        struct sim_step *step;

        if (m->options.no_services || percent(m, 20)) {
                bool run = percent(m, 70);

                step = add(m, run ? "run task *" : "stop task of *");
                (void)snprintf(step->subject, sizeof(step->subject), "%s", run ? revision(m, 20) : "app");
                number(step, SIM_COUNT, between(m, 1, 8));
                return;
        }
        if (percent(m, 8)) {
                step = add(m, "stop task of *");
                service_name(step, i);
                return;
        }
        if (m->service[i])
                change_service(m, i);
        else
                create_service(m, i);
}

/* ---- Trouble ---- */

static void node_name(struct maker *m, struct sim_step *step)
{
        if (percent(m, 8) && m->zones > 1)
                (void)snprintf(step->subject, sizeof(step->subject), "zone-%c", (char)('a' + between(m, 0, m->zones - 1)));
        else
                (void)snprintf(step->subject, sizeof(step->subject), "node-%d", (int)between(m, 1, m->nodes));
}

static void trouble(struct maker *m)
{
        static const struct {
                const char *pattern;
                uint32_t weight;
                bool lasts;
                int64_t max_s; /* of "for" */
        } kinds[] = {
                {"* dies", 12, true, 60},
                {"* freezes", 6, true, 40},
                {"* is cut off", 14, true, 40},
                {"* loses its agent", 14, false, 0},
                {"* upgrades its agent", 6, false, 0},
                {"server crashes", 8, true, 20},
                {"server crashes before a commit", 8, true, 10},
                {"server crashes after a commit", 8, true, 10},
                {"task of * crashes", 10, false, 0},
                {"drain *", 6, false, 0},
                {"activate *", 5, false, 0},
                {"deregister *", 3, false, 0},
                {"network", 5, false, 0},
                {"nodes", 3, false, 0},
        };
        uint32_t total = 0, draw, i = 0;
        struct sim_step *step;

        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
                total += kinds[k].weight;
        draw = sim_random_below(&m->chance, total);
        while (draw >= kinds[i].weight)
                draw -= kinds[i++].weight;
        step = add(m, kinds[i].pattern);
        if (step->verb->subject == SIM_SUBJECT_NODE)
                node_name(m, step);
        else if (step->verb->subject == SIM_SUBJECT_SERVICE)
                service_name(step, (uint32_t)between(m, 0, SERVICES - 1));
        if (kinds[i].lasts && percent(m, 90))
                number(step, SIM_FOR, between(m, 1, kinds[i].max_s * 1000) * SIM_MS);
        if (step->verb->clauses >> SIM_LOSS & 1) {
                number(step, SIM_DELAY, between(m, 1, 400) * SIM_MS);
                number(step, SIM_LOSS, between(m, 0, 20));
                number(step, SIM_REPEATS, between(m, 0, 20));
        } else if (step->verb->required >> SIM_COUNT & 1) {
                number(step, SIM_COUNT, between(m, 1, 3));
                number(step, SIM_ZONES, m->zones);
        } else if (step->verb->clauses >> SIM_FORCE & 1) {
                flag(step, SIM_FORCE);
        }
}

void sim_history_make(uint64_t seed, const struct sim_history_options *options, struct sim_scenario *ret)
{
        struct maker m = {.out = ret, .options = options != NULL ? *options : (struct sim_history_options){0}};
        struct sim_history_options *o = &m.options;
        int64_t steps;

        *ret = (struct sim_scenario){.seed = seed};
        if (o->max_nodes == 0)
                o->min_nodes = 10, o->max_nodes = 50;
        if (o->max_steps == 0)
                o->min_steps = 15, o->max_steps = 45;
        m.chance = sim_random_make(seed, "history", 0);
        m.nodes = (uint32_t)between(&m, o->min_nodes, o->max_nodes);
        m.zones = (uint32_t)between(&m, 1, 3);
        stage(&m);
        steps = between(&m, o->min_steps, o->max_steps);
        m.now_us = SIM_SECOND;
        for (int64_t i = 0; i < steps; i++) {
                /* Bursts, and time for things to happen. */
                m.now_us += percent(&m, 30) ? between(&m, 0, 200) * SIM_MS : between(&m, 200, 12000) * SIM_MS;
                if (!o->no_faults && i > 2 && percent(&m, 45))
                        trouble(&m);
                else
                        operate(&m);
        }
        /* The last word: the network is well again. */
        m.now_us += SIM_SECOND;
        (void)add(&m, "network");
}
