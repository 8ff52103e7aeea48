/* SPDX-License-Identifier: Apache-2.0 */
/* When to write which file of a task. The contents are made in keeper_shapes.c. */
#include "agent/state/keeper.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

#define TOUCH_DELAY_MS 100
#define RETRY_MS 3000

/* The keeper's part of a task. */
struct kept {
        struct keeper *keeper;
        struct engine_task *task;
        struct state_op task_op, state_op;
        struct timer timer;        /* of the next record of its state, or of another try */
        struct list task_waits;    /* for the record of the task */
        struct list state_waits;   /* for the write that is to come */
        struct list writing_waits; /* for the write that is under way */
        bool task_stored;
        bool dirty, durable_wanted;
};

static void write_state(struct kept *k);
static void write_task(struct kept *k);

void keeper_init(struct keeper *keeper, struct state_dir *dir, struct timers *timers, struct env *env)
{
        *keeper = (struct keeper){.dir = dir, .timers = timers, .env = env};
        state_boot_id(keeper->boot_id);
}

static void wake(struct list *waits)
{
        while (!list_empty(waits)) {
                struct keeper_wait *wait = list_first(waits, struct keeper_wait, link_);

                list_remove(&wait->link_);
                wait->done(wait);
        }
}

static void timer_fires(struct timer *timer)
{
        struct kept *k = CONTAINER_OF(timer, struct kept, timer);

        if (!k->task_stored && !state_op_is_busy(&k->task_op))
                write_task(k);
        else if (k->dirty && !state_op_is_busy(&k->state_op))
                write_state(k);
}

static void arm(struct kept *k, int64_t delay_ms)
{
        if (!k->keeper->frozen)
                timers_set(k->keeper->timers, &k->timer, delay_ms, timer_fires);
}

static void task_written(struct state_op *op, int result)
{
        struct kept *k = CONTAINER_OF(op, struct kept, task_op);
        struct keeper *keeper = k->keeper;

        if (result < 0) {
                log_error("task cannot be stored; it runs, but the server is not told that it was taken over until the disk has room",
                          LOG_S("task", k->task->arn), LOG_ERRNO(result));
                arm(k, RETRY_MS);
        } else {
                k->task_stored = k->task->durable = true;
                wake(&k->task_waits);
                if (k->dirty)
                        arm(k, k->durable_wanted ? 0 : TOUCH_DELAY_MS);
        }
        if (keeper->stored != NULL)
                keeper->stored(k->task, result, keeper->data);
}

static void write_task(struct kept *k)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf text = {0};

        keeper_write_task(k->task, k->keeper->boot_id, &text);
        k->task_op.done = task_written;
        state_write(k->keeper->dir, &k->task_op, arena_printf(&arena, "tasks/%s/task", k->task->id), &text, true);
}

static void state_written(struct state_op *op, int result)
{
        struct kept *k = CONTAINER_OF(op, struct kept, state_op);

        if (result < 0) {
                log_error("state of a task cannot be stored; trying again", LOG_S("task", k->task->arn), LOG_ERRNO(result));
                list_move_all(&k->writing_waits, &k->state_waits);
                k->dirty = true;
                k->durable_wanted |= !list_empty(&k->state_waits);
                arm(k, RETRY_MS);
                return;
        }
        wake(&k->writing_waits);
        if (k->dirty)
                arm(k, k->durable_wanted ? 0 : TOUCH_DELAY_MS);
}

static void write_state(struct kept *k)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf text = {0};
        bool durable = k->durable_wanted;

        timers_cancel(k->keeper->timers, &k->timer);
        k->dirty = k->durable_wanted = false;
        list_move_all(&k->state_waits, &k->writing_waits);
        keeper_write_state(k->task, k->keeper->boot_id, &text);
        k->state_op.done = state_written;
        state_write(k->keeper->dir, &k->state_op, arena_printf(&arena, "tasks/%s/state", k->task->id), &text, durable);
}

static struct kept *kept_of(struct keeper *keeper, struct engine_task *task)
{
        struct kept *k = task->save;

        if (k != NULL)
                return k;
        k = xalloc(sizeof(*k));
        k->keeper = keeper;
        k->task = task;
        list_init(&k->task_waits);
        list_init(&k->state_waits);
        list_init(&k->writing_waits);
        task->save = k;
        return k;
}

void keeper_accept(struct keeper *keeper, struct engine_task *task, struct keeper_wait *wait)
{
        struct kept *k = kept_of(keeper, task);

        if (wait != NULL)
                list_init(&wait->link_), list_push(&k->task_waits, &wait->link_);
        if (!k->task_stored && !state_op_is_busy(&k->task_op))
                write_task(k);
}

void keeper_touch_within(struct keeper *keeper, struct engine_task *task, int64_t delay_ms)
{
        struct kept *k = kept_of(keeper, task);
        int64_t due_us = env_mono_us(keeper->env) + delay_ms * 1000;

        k->dirty = true;
        if (k->task_stored && !state_op_is_busy(&k->state_op) && (!timer_is_set(&k->timer) || k->timer.due_us > due_us))
                arm(k, delay_ms);
}

void keeper_touch(struct keeper *keeper, struct engine_task *task)
{
        keeper_touch_within(keeper, task, TOUCH_DELAY_MS);
}

void keeper_sync(struct keeper *keeper, struct engine_task *task, struct keeper_wait *wait)
{
        struct kept *k = kept_of(keeper, task);

        if (wait != NULL)
                list_init(&wait->link_), list_push(&k->state_waits, &wait->link_);
        k->dirty = k->durable_wanted = true;
        if (k->task_stored && !state_op_is_busy(&k->state_op))
                write_state(k);
}

void keeper_wait_cancel(struct keeper_wait *wait)
{
        if (wait->link_.next != NULL)
                list_remove(&wait->link_);
}

void keeper_adopt(struct keeper *keeper, struct engine_task *task)
{
        kept_of(keeper, task)->task_stored = task->durable = true;
}

void keeper_flush(struct keeper *keeper, struct engine_task *task)
{
        struct kept *k = task->save;

        (void)keeper;
        if (k == NULL || !k->dirty || !k->task_stored || state_op_is_busy(&k->state_op))
                return;
        write_state(k);
}

static void drop_waits(struct list *waits)
{
        list_for_each (wait, waits, struct keeper_wait, link_)
                list_remove(&wait->link_);
}

void keeper_forget(struct keeper *keeper, struct engine_task *task)
{
        struct kept *k = task->save;

        if (k == NULL)
                return;
        timers_cancel(keeper->timers, &k->timer);
        state_op_cancel(keeper->dir, &k->task_op);
        state_op_cancel(keeper->dir, &k->state_op);
        drop_waits(&k->task_waits);
        drop_waits(&k->state_waits);
        drop_waits(&k->writing_waits);
        free(k);
        task->save = NULL;
}
