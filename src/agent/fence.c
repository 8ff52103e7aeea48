/* SPDX-License-Identifier: Apache-2.0 */
/* See fence.h. */
#include "agent/fence.h"

#include "base/log.h"

#define REASON "The container instance was cut off from the server: its service's tasks are replaced elsewhere"
#define PERIOD_MIN_MS 10

/* Parts of the lease, in twentieths. */
#define LOOK_AT 10
#define WARN_AT 15
#define STOP_AT 16
#define ANSWER_TIME 1 /* for the last pings, should this process not have got to run for long */
#define KILL_TIME 2

static int64_t part_us(const struct fence *f, int twentieths)
{
        return (int64_t)f->lease_ms * 1000 / 20 * twentieths;
}

static uint32_t part_ms(const struct fence *f, int twentieths)
{
        return (uint32_t)MAX(part_us(f, twentieths) / 1000, PERIOD_MIN_MS);
}

static void stop_unique_tasks(struct fence *f, int64_t silent_us)
{
        uint32_t n = 0;

        f->cut_off = true;
        list_for_each (task, &f->engine->order, struct engine_task, link)
                if (task->payload->unique && task->state < TASK_STOPPED) {
                        n++;
                        engine_task_cut_short(task, part_ms(f, KILL_TIME), REASON);
                }
        log_error("this node is cut off from its server; tasks that are replaced elsewhere are stopped, all others go on",
                  LOG_I("silent_ms", silent_us / 1000), LOG_I("stopped", n));
}

static void heard_again(struct fence *f)
{
        if (f->cut_off)
                log_info("this node is not cut off any more");
        f->cut_off = false;
        f->warned_us = 0;
}

static void look(struct timer *timer)
{
        struct fence *f = CONTAINER_OF(timer, struct fence, timer);
        int64_t now = env_mono_us(f->engine->env), silent = now - MAX(f->since_us, f->ops->heard_us(f));

        f->ops->ping(f);
        if (silent < part_us(f, LOOK_AT)) {
                heard_again(f);
                timers_set(f->engine->timers, timer, part_ms(f, 2), look);
                return;
        }
        if (f->only_server && !f->cut_off)
                f->ops->reach(f, part_ms(f, 2));
        if (silent >= part_us(f, WARN_AT) && f->warned_us == 0) {
                f->warned_us = now;
                log_warn("the server does not answer: tasks of services will be stopped if that goes on", LOG_I("silent_ms", silent / 1000),
                         LOG_I("lease_ms", f->lease_ms));
        }
        if (!f->cut_off && silent >= part_us(f, STOP_AT) && now - f->warned_us >= part_us(f, ANSWER_TIME))
                stop_unique_tasks(f, silent);
        timers_set(f->engine->timers, timer, part_ms(f, 1), look);
}

void fence_init(struct fence *f, struct engine *engine, const struct fence_ops *ops, void *data)
{
        *f = (struct fence){.engine = engine, .ops = ops, .data = data};
}

void fence_done(struct fence *f)
{
        timers_cancel(f->engine->timers, &f->timer);
}

void fence_terms(struct fence *f, uint32_t lease_ms, bool only_server)
{
        f->lease_ms = lease_ms;
        f->only_server = only_server;
        f->since_us = env_mono_us(f->engine->env);
        heard_again(f);
        if (lease_ms > 0)
                timers_set(f->engine->timers, &f->timer, part_ms(f, 1), look);
        else
                timers_cancel(f->engine->timers, &f->timer);
}

void fence_answered(struct fence *f)
{
        if (f->only_server)
                f->since_us = env_mono_us(f->engine->env);
}
