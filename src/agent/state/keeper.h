/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps tasks on the disk. A task's record is written once, when it is accepted, beside its start; that of its state follows what becomes of
 * it, a little later and many changes at once. Whoever may only go on when something is stored waits for it.
 */
#pragma once

#include "agent/state/state.h"
#include "agent/engine/task.h"

struct keeper {
        struct state_dir *dir;
        struct timers *timers;
        struct env *env;
        char boot_id[64];
        bool frozen; /* the agent ends: no timers any more */
        /* The task's record is durable now, or could not be written (tried again later). May be NULL. */
        void (*stored)(struct engine_task *task, int result, void *data);
        void *data;
};

/* Embedded in its owner; `done` comes once, when everything that is known of the task now is durable. */
struct keeper_wait {
        void (*done)(struct keeper_wait *wait);
        struct list link_;
};

void keeper_init(struct keeper *keeper, struct state_dir *dir, struct timers *timers, struct env *env);
/* A new task: writes its record. `wait` may be NULL. */
void keeper_accept(struct keeper *keeper, struct engine_task *task, struct keeper_wait *wait);
/* Something changed: the state is written soon, at the latest after the delay. */
void keeper_touch(struct keeper *keeper, struct engine_task *task);
void keeper_touch_within(struct keeper *keeper, struct engine_task *task, int64_t delay_ms);
/* Writes the state durably at once. */
void keeper_sync(struct keeper *keeper, struct engine_task *task, struct keeper_wait *wait);
/* `done` is not called any more. */
void keeper_wait_cancel(struct keeper_wait *wait);
/* Takes a restored task in hand: nothing to write. */
void keeper_adopt(struct keeper *keeper, struct engine_task *task);
/* The task goes: drops its part. Waits are dropped without a call. Files stay. */
void keeper_forget(struct keeper *keeper, struct engine_task *task);
/* What is not written yet is handed to the writer now. For the end of the agent: state_dir_free then waits for it. */
void keeper_flush(struct keeper *keeper, struct engine_task *task);

/* The conversions, for tests. */
void keeper_write_task(const struct engine_task *task, const char *boot_id, struct buf *out);
void keeper_write_state(const struct engine_task *task, const char *boot_id, struct buf *out);
/* Takes what a saved state says into a task that was made of its payload. */
void keeper_apply_task(struct engine_task *task, const struct saved_task *saved);
void keeper_apply_state(struct engine_task *task, const struct saved_task_state *saved);
