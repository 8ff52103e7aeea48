/* SPDX-License-Identifier: Apache-2.0 */
/* An ordered queue of timers. Most are set to about the same distance, so that looking for the place from the end is short. */
#include "agent/engine/timers.h"

void timers_init(struct timers *timers, struct env *env)
{
        *timers = (struct timers){.env = env};
        list_init(&timers->queue);
}

bool timer_is_set(const struct timer *timer)
{
        return timer->link_.next != NULL && timer->link_.next != &timer->link_;
}

int64_t timers_next_us(const struct timers *timers)
{
        return list_empty(&timers->queue) ? INT64_MAX : CONTAINER_OF(timers->queue.next, struct timer, link_)->due_us;
}

static void note_change(struct timers *timers, int64_t before)
{
        if (timers->changed != NULL && timers_next_us(timers) != before)
                timers->changed(timers, timers->data);
}

void timers_set(struct timers *timers, struct timer *timer, int64_t delay_ms, void (*fire)(struct timer *timer))
{
        int64_t before = timers_next_us(timers);
        struct list *pos = &timers->queue;

        if (timer->link_.next == NULL)
                list_init(&timer->link_);
        list_remove(&timer->link_);
        timer->due_us = env_mono_us(timers->env) + MAX(delay_ms * 1000, 1); /* never due within the same timers_run */
        timer->fire = fire;
        while (pos->prev != &timers->queue && CONTAINER_OF(pos->prev, struct timer, link_)->due_us > timer->due_us)
                pos = pos->prev;
        list_insert_before(pos, &timer->link_);
        note_change(timers, before);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
        int64_t before = timers_next_us(timers);

        if (!timer_is_set(timer))
                return;
        list_remove(&timer->link_);
        note_change(timers, before);
}

void timers_run(struct timers *timers)
{
        int64_t now = env_mono_us(timers->env);

        while (timers_next_us(timers) <= now) {
                struct timer *timer = list_first(&timers->queue, struct timer, link_);

                list_remove(&timer->link_);
                timer->fire(timer);
        }
        if (timers->changed != NULL)
                timers->changed(timers, timers->data);
}
