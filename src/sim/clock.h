/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual time: events in order of their moment, and at one moment in the order in which they were asked for. Nothing here looks
 * at a clock or at an address, so a run with the same seed repeats bit for bit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

#define SIM_SECOND INT64_C(1000000)
#define SIM_MS INT64_C(1000)

/* A stream of random numbers (SplitMix64: Steele, Lea, Flood 2014). Each thing in the world has its own, derived from the seed and
 * its name, so that leaving one thing out of a history changes as little as possible of the others. */
struct sim_random {
        uint64_t state;
};
struct sim_random sim_random_make(uint64_t seed, const char *name, uint64_t number);
uint64_t sim_random_next(struct sim_random *random);
/* 0 … below - 1; 0 when `below` is 0. */
uint32_t sim_random_below(struct sim_random *random, uint32_t below);
/* min … max, both included. */
int64_t sim_random_between(struct sim_random *random, int64_t min, int64_t max);
bool sim_random_percent(struct sim_random *random, uint32_t percent);

typedef void (*sim_event_fn)(void *owner, void *data, uint64_t number);

struct sim_event {
        int64_t at_us;
        uint64_t order;
        sim_event_fn fire;
        void *owner; /* must outlive the clock, or be known to be there by `number` */
        void *data;  /* freed with free() when the event is dropped unfired; the handler's own otherwise */
        uint64_t number;
};

struct sim_clock {
        struct env env; /* what the control plane sees of time and chance; ids come from here */
        struct sim_random ids;
        int64_t now_us; /* since the start of the run */
        int64_t epoch_ms;
        struct sim_event *heap;
        size_t n, cap;
        uint64_t order;
        uint64_t fired;
};

void sim_clock_init(struct sim_clock *clock, uint64_t seed);
void sim_clock_done(struct sim_clock *clock);
/* In `delay_us` (0: still in this moment, after what was asked for before). */
void sim_after(struct sim_clock *clock, int64_t delay_us, sim_event_fn fire, void *owner, void *data, uint64_t number);
/* Takes the next event that is due by `until_us` and moves the time to it; false (and the time is `until_us`) when there is none. */
bool sim_clock_take(struct sim_clock *clock, int64_t until_us, struct sim_event *ret);
