/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be looked at, and when: the queue that all reconcilers share. A reconciler embeds one `struct work` in each object
 * that it looks after, marks it whenever something may have changed, and is then run once per turn, however often it was marked.
 * Time comes in as wishes to be run at a certain moment.
 *
 *     work_mark(queue, &item->work)         → run in this turn of the loop
 *     work_wake(queue, &item->work, at_ms)  → run when that moment has come (the earliest wish counts until it is run)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define WORK_NEVER INT64_MAX

/* One run of the queue. Work that is large takes from `room` what it does and marks itself again for the rest. */
struct work_turn {
        int64_t now_ms;
        uint32_t room; /* tasks that may still be started or stopped */
};

/*
 * Work that used up the room goes on in the next run, WORK_RUNS in a row: what it knows of its surroundings is fresh then, where each of
 * many that took turns would have to learn what all the others did meanwhile. Then it is behind the others.
 */
#define WORK_RUNS 5

struct work {
        struct list link; /* in the queue while marked */
        int64_t due;      /* WORK_NEVER: no wish */
        size_t slot;      /* in the heap of wishes, counted from 1; 0: not there */
        bool urgent;      /* runs before the others */
        uint32_t runs;    /* in a row that used up all room */
        void (*run)(struct work *work, struct work_turn *turn);
};

struct work_queue {
        struct list urgent, marked;
        struct work **heap; /* by due time */
        size_t n, cap;
        struct work *running; /* what was run last; NULL: it has been dropped since */
};

void work_queue_init(struct work_queue *queue);
/* All work must have been dropped. */
void work_queue_done(struct work_queue *queue);

void work_init(struct work *work, void (*run)(struct work *work, struct work_turn *turn));
/* Takes it out of the queue: before its memory goes. */
void work_drop(struct work_queue *queue, struct work *work);
void work_mark(struct work_queue *queue, struct work *work);
void work_wake(struct work_queue *queue, struct work *work, int64_t at_ms);

/* Runs what is marked or due, each once, until there is no room left. Returns whether anything is left to do at once. */
bool work_queue_run(struct work_queue *queue, struct work_turn *turn);
/* INT64_MIN: now; WORK_NEVER: nothing waits. */
int64_t work_queue_next(const struct work_queue *queue);
