/* SPDX-License-Identifier: Apache-2.0 */
/* The event queue (a binary heap) and randomness of the simulator. */
#include "sim/clock.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"

/* ---- Chance ---- */

uint64_t sim_random_next(struct sim_random *random)
{
        uint64_t z = random->state += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

struct sim_random sim_random_make(uint64_t seed, const char *name, uint64_t number)
{
        struct sim_random random = {.state = seed};

        for (const char *p = name; *p != '\0'; p++)
                random.state = sim_random_next(&random) ^ (unsigned char)*p;
        random.state = sim_random_next(&random) ^ number;
        (void)sim_random_next(&random);
        return random;
}

uint32_t sim_random_below(struct sim_random *random, uint32_t below)
{
        return (uint32_t)(((sim_random_next(random) >> 32) * below) >> 32);
}

int64_t sim_random_between(struct sim_random *random, int64_t min, int64_t max)
{
        return max <= min ? min : min + (int64_t)(sim_random_next(random) % (uint64_t)(max - min + 1));
}

bool sim_random_percent(struct sim_random *random, uint32_t percent)
{
        return percent > 0 && sim_random_below(random, 100) < percent;
}

/* ---- What the control plane sees ---- */

static int64_t env_now(struct env *env)
{
        struct sim_clock *clock = CONTAINER_OF(env, struct sim_clock, env);

        return clock->epoch_ms + clock->now_us / 1000;
}

static int64_t env_mono(struct env *env)
{
        /* Never 0: that means "not yet" here and there. */
        return CONTAINER_OF(env, struct sim_clock, env)->now_us + SIM_SECOND;
}

static void env_random(struct env *env, void *bytes, size_t n)
{
        struct sim_clock *clock = CONTAINER_OF(env, struct sim_clock, env);
        char *at = bytes;

        while (n > 0) {
                uint64_t word = sim_random_next(&clock->ids);
                size_t part = MIN(n, sizeof(word));

                memcpy(at, &word, part);
                at += part;
                n -= part;
        }
}

void sim_clock_init(struct sim_clock *clock, uint64_t seed)
{
        *clock = (struct sim_clock){.env = {env_now, env_mono, env_random}, .ids = sim_random_make(seed, "ids", 0)};
        clock->epoch_ms = INT64_C(1767225600000); /* 2026-01-01 */
}

void sim_clock_done(struct sim_clock *clock)
{
        for (size_t i = 0; i < clock->n; i++)
                free(clock->heap[i].data);
        free(clock->heap);
        clock->heap = NULL;
        clock->n = clock->cap = 0;
}

/* ---- The queue ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
        return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_after(struct sim_clock *clock, int64_t delay_us, sim_event_fn fire, void *owner, void *data, uint64_t number)
{
        struct sim_event event = {
                .at_us = clock->now_us + MAX(delay_us, 0),
                .order = clock->order++,
                .fire = fire,
                .owner = owner,
                .data = data,
                .number = number,
        };
        size_t at = clock->n++;

        if (clock->n > clock->cap) {
                clock->cap = MAX(clock->cap * 2, (size_t)256);
                clock->heap = xrealloc(clock->heap, clock->cap * sizeof(*clock->heap));
        }
        while (at > 0 && before(&event, &clock->heap[(at - 1) / 2])) {
                clock->heap[at] = clock->heap[(at - 1) / 2];
                at = (at - 1) / 2;
        }
        clock->heap[at] = event;
}

bool sim_clock_take(struct sim_clock *clock, int64_t until_us, struct sim_event *ret)
{
        struct sim_event last;
        size_t at = 0, child;

        if (clock->n == 0 || clock->heap[0].at_us > until_us) {
                clock->now_us = MAX(clock->now_us, until_us);
                return false;
        }
        *ret = clock->heap[0];
        clock->now_us = ret->at_us;
        clock->fired++;
        last = clock->heap[--clock->n];
        while ((child = 2 * at + 1) < clock->n) {
                if (child + 1 < clock->n && before(&clock->heap[child + 1], &clock->heap[child]))
                        child++;
                if (!before(&clock->heap[child], &last))
                        break;
                clock->heap[at] = clock->heap[child];
                at = child;
        }
        clock->heap[at] = last;
        return true;
}
