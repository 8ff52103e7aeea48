/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of the task engine: one queue, ordered by time, driven by whoever owns the clock. The agent arms one libuv timer for the
 * earliest; tests move virtual time. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/list.h"

/* Embedded in its owner. An unset timer is all zeroes. */
struct timer {
        struct list link_; /* private */
        int64_t due_us;    /* monotonic */
        void (*fire)(struct timer *timer);
};

struct timers {
        struct list queue;
        struct env *env;
        void (*changed)(struct timers *timers, void *data); /* the earliest has changed; may be NULL */
        void *data;
};

void timers_init(struct timers *timers, struct env *env);
/* Sets or moves a timer; `fire` is called once, never inside this call. */
void timers_set(struct timers *timers, struct timer *timer, int64_t delay_ms, void (*fire)(struct timer *timer));
/* Does nothing when it is not set. */
void timers_cancel(struct timers *timers, struct timer *timer);
bool timer_is_set(const struct timer *timer);
/* When the earliest is due (monotonic microseconds), or INT64_MAX. */
int64_t timers_next_us(const struct timers *timers);
/* Fires all that are due. */
void timers_run(struct timers *timers);
