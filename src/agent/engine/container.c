/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one container: its states, restart policy, health, time limits. */
#include "agent/engine/container.h"

#include <string.h>

#include "agent/engine/depend.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define STOP_GRACE_MS 30000  /* after SIGKILL, before a stop is called stuck */
#define RESTART_PERIOD_S 300 /* default of restartAttemptPeriod */

static void step(struct engine_container *c)
{
        engine_step(c->task);
}

static void step_after_start_limit(struct timer *timer);
static void step_after_wait(struct timer *timer);
static void stop_is_stuck(struct timer *timer);
static void probe_fires(struct timer *timer);

void container_cancel_timers(struct engine_container *c)
{
        struct timer *const all[] = {&c->health_timer, &c->start_timer, &c->wait_timer, &c->stop_timer, &c->restart_timer};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                timers_cancel(c->task->engine->timers, all[i]);
}

static void move(struct engine_container *c, enum container_state to)
{
        assert(container_may_move(c->state, to));
        log_debug("container moves", LOG_S("task", c->task->arn), LOG_S("container", c->definition->name),
                  LOG_S("from", container_state_name(c->state)), LOG_S("to", container_state_name(to)));
        c->state = to;
        unsigned what = to == CONTAINER_RUNNING || to == CONTAINER_STOPPED ? ENGINE_SAVE | ENGINE_REPORT : 0;
        if (to == CONTAINER_STOPPED && engine_container_has_health(c))
                what |= ENGINE_HEALTH;
        if (what != 0)
                c->task->engine->driver->changed(c->task, what);
}

/* The end, however it came. Its network and the like are given back with the task's. */
static void end(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        if (c->health.probing)
                e->driver->probe_cancel(c);
        health_stop(&c->health, env_now_ms(e->env));
        container_cancel_timers(c);
        c->busy = false;
        move(c, CONTAINER_STOPPED);
}

static void fail(struct engine_container *c, const struct error *error, const char *fallback_code)
{
        engine_container_set_reason(c, "%s: %s", error->code[0] != '\0' ? error->code : fallback_code, error->message);
        end(c);
}

static bool stop_wanted(const struct engine_container *c)
{
        return c->task->state >= TASK_STOPPING || c->task->stop_wanted;
}

static bool step_pulling(struct engine_container *c)
{
        const struct engine_driver *d = c->task->engine->driver;

        if (stop_wanted(c)) {
                if (c->busy)
                        d->pull_cancel(c);
                if (!c->task->rejected && c->task->reason == NULL && !c->busy && !c->pull_started)
                        engine_container_set_reason(
                                c, "TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for task: %s",
                                c->task->arn);
                end(c);
                return true;
        }
        if (c->pull_started)
                return false;
        c->pull_started = c->busy = true;
        d->pull(c);
        return c->state != CONTAINER_PULLING;
}

static bool step_pulled(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        if (stop_wanted(c)) {
                end(c);
                return true;
        }
        if (c->task->state < TASK_STARTING)
                return false;
        c->created_ms = env_now_ms(e->env);
        move(c, CONTAINER_CREATING);
        timers_set(e->timers, &c->start_timer, e->limits.start_timeout_ms, step_after_start_limit);
        c->busy = true;
        e->driver->create(c);
        return true;
}

static bool step_creating(struct engine_container *c)
{
        if (c->busy)
                return false;
        move(c, CONTAINER_CREATED);
        timers_cancel(c->task->engine->timers, &c->start_timer);
        return true;
}

static bool step_created(struct engine_container *c)
{
        struct engine *e = c->task->engine;
        struct error error = {0};
        int64_t limit = -1;

        if (stop_wanted(c)) {
                end(c);
                return true;
        }
        switch (depend_check(c, env_mono_us(e->env), &limit, &error)) {
        case DEPEND_NEVER:
                fail(c, &error, "TaskDependencyError");
                return true;
        case DEPEND_WAIT:
                if (limit >= 0)
                        timers_set(e->timers, &c->wait_timer, limit, step_after_wait);
                return false;
        case DEPEND_READY:
                break;
        }
        timers_cancel(e->timers, &c->wait_timer);
        move(c, CONTAINER_STARTING);
        timers_set(e->timers, &c->start_timer, e->limits.start_timeout_ms, step_after_start_limit);
        c->busy = true;
        e->driver->start(c);
        return true;
}

static uint32_t stop_timeout_ms(const struct engine_container *c)
{
        uint32_t limit = c->task->stop_within_ms > 0 ? c->task->stop_within_ms : UINT32_MAX;

        if (SHAPE_HAS(c->definition, acs_container, stop_timeout) && c->definition->stop_timeout > 0)
                return MIN((uint32_t)c->definition->stop_timeout * 1000, limit);
        return MIN(c->task->engine->limits.stop_timeout_ms, limit);
}

/* Those that depend on it are stopped before it, unless there is no time for that. */
static bool may_stop(const struct engine_container *c)
{
        return c->task->stop_within_ms > 0 || depend_may_stop(c);
}

static void send_stop(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        c->stop_sent = true;
        timers_set(e->timers, &c->stop_timer, (int64_t)stop_timeout_ms(c) + STOP_GRACE_MS, stop_is_stuck);
        e->driver->stop(c, stop_timeout_ms(c));
}

void container_stop_sooner(struct engine_container *c)
{
        if (c->stop_sent && c->state < CONTAINER_STOPPED)
                send_stop(c);
}

static bool step_starting(struct engine_container *c)
{
        if (stop_wanted(c) && !c->stop_sent && may_stop(c))
                send_stop(c);
        return false;
}

static bool step_running(struct engine_container *c)
{
        if (!stop_wanted(c) || !may_stop(c))
                return false;
        move(c, CONTAINER_STOPPING);
        timers_cancel(c->task->engine->timers, &c->health_timer);
        if (!c->stop_sent)
                send_stop(c);
        return true;
}

bool container_step(struct engine_container *c)
{
        switch (c->state) {
        case CONTAINER_PULLING:
                return step_pulling(c);
        case CONTAINER_PULLED:
                return step_pulled(c);
        case CONTAINER_CREATING:
                return step_creating(c);
        case CONTAINER_CREATED:
                return step_created(c);
        case CONTAINER_STARTING:
                return step_starting(c);
        case CONTAINER_RUNNING:
                return step_running(c);
        case CONTAINER_STOPPING:
        case CONTAINER_STOPPED:
        case CONTAINER_STATE_MAX:
                break;
        }
        return false;
}

static void step_after_wait(struct timer *timer)
{
        step(CONTAINER_OF(timer, struct engine_container, wait_timer));
}

static void step_after_start_limit(struct timer *timer)
{
        struct engine_container *c = CONTAINER_OF(timer, struct engine_container, start_timer);
        struct engine *e = c->task->engine;

        if (c->state != CONTAINER_CREATING && c->state != CONTAINER_STARTING)
                return;
        e->driver->abandon(c);
        engine_container_set_reason(
                c, "DockerTimeoutError: Could not transition to %s; timed out after waiting %us; look at the node's log and load",
                c->state == CONTAINER_CREATING ? "created" : "started", e->limits.start_timeout_ms / 1000);
        end(c);
        step(c);
}

/* SIGKILL did not help within the grace: a process that the kernel cannot end. Say so, and try again for ever. */
static void stop_is_stuck(struct timer *timer)
{
        struct engine_container *c = CONTAINER_OF(timer, struct engine_container, stop_timer);

        if (c->state == CONTAINER_STARTING)
                return; /* the limit of the start ends it */
        log_warn("container does not end", LOG_S("task", c->task->arn), LOG_S("container", c->definition->name));
        engine_container_set_reason(
                c,
                "CannotStopContainerError: the container did not end within %u s after SIGKILL; a process may hang in the "
                "kernel (disk or network file system)",
                STOP_GRACE_MS / 1000);
        timers_set(c->task->engine->timers, &c->stop_timer, STOP_GRACE_MS, stop_is_stuck);
        c->task->engine->driver->stop(c, 0);
}

static void begin_health(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        if (!engine_container_has_health(c))
                return;
        struct health_plan plan = health_plan(c->config->healthcheck);
        uint32_t delay = health_start(&c->health, &plan, env_now_ms(e->env), env_mono_us(e->env));
        timers_set(e->timers, &c->health_timer, delay, probe_fires);
        e->driver->changed(c->task, ENGINE_HEALTH);
}

static void probe_fires(struct timer *timer)
{
        struct engine_container *c = CONTAINER_OF(timer, struct engine_container, health_timer);

        if (c->state != CONTAINER_RUNNING || c->health.probing)
                return;
        c->health.probing = true;
        c->task->engine->driver->probe(c, health_plan(c->config->healthcheck).timeout_ms);
}

void engine_container_probed(struct engine_container *c, int32_t code, const char *output, uint32_t len)
{
        struct engine *e = c->task->engine;
        struct health_plan plan = health_plan(c->config->healthcheck);
        bool changed = false;

        uint32_t delay = health_result(&c->health, &plan, code, output, len, env_now_ms(e->env), env_mono_us(e->env), &changed);
        if (c->state == CONTAINER_RUNNING)
                timers_set(e->timers, &c->health_timer, delay, probe_fires);
        if (!changed)
                return;
        e->driver->changed(c->task, ENGINE_HEALTH);
        step(c);
}

static void replace(char **to, const char *from)
{
        if (from == NULL)
                return;
        free(*to);
        *to = xstrdup(from);
}

void engine_container_pulled(struct engine_container *c, const struct engine_pulled *pulled)
{
        struct engine_task *t = c->task;

        c->busy = false;
        if (pulled->started_ms != 0 && (t->pull_started_ms == 0 || pulled->started_ms < t->pull_started_ms))
                t->pull_started_ms = pulled->started_ms;
        if (pulled->stopped_ms > t->pull_stopped_ms)
                t->pull_stopped_ms = pulled->stopped_ms;
        replace(&c->image_digest, pulled->digest);
        replace(&c->image_id, pulled->image_id);
        if (pulled->error != NULL)
                fail(c, pulled->error, "CannotPullContainerError");
        else
                move(c, CONTAINER_PULLED);
        step(c);
}

void engine_container_created(struct engine_container *c, const struct error *error)
{
        c->busy = false;
        if (error != NULL)
                fail(c, error, "CannotCreateContainerError");
        step(c);
}

void engine_container_started(struct engine_container *c, const struct error *error, int64_t started_ms)
{
        struct engine *e = c->task->engine;

        c->busy = false;
        timers_cancel(e->timers, &c->start_timer);
        if (error != NULL) {
                fail(c, error, "CannotStartContainerError");
                step(c);
                return;
        }
        c->has_run = true;
        c->started_ms = started_ms;
        c->running_since_us = env_mono_us(e->env);
        c->finished_ms = 0;
        c->has_exit_code = c->oom_killed = false;
        move(c, CONTAINER_RUNNING);
        begin_health(c);
        step(c);
}

/* restartPolicy: at most once per period, and only what has run for that long. */
static bool should_restart(const struct engine_container *c, const struct engine_exit *ended)
{
        const struct acs_restart_policy *policy = c->definition->restart_policy;
        struct engine *e = c->task->engine;

        if (policy == NULL || !policy->enabled || stop_wanted(c) || c->state != CONTAINER_RUNNING || !ended->has_exit_code ||
            ended->reason != NULL)
                return false;
        for (uint32_t i = 0; i < policy->ignored_exit_codes.n; i++) {
                if (policy->ignored_exit_codes.items[i] == ended->exit_code)
                        return false;
        }
        int64_t period_s = policy->restart_attempt_period > 0 ? policy->restart_attempt_period : RESTART_PERIOD_S;
        return env_mono_us(e->env) - c->running_since_us >= period_s * 1000000;
}

static void restart(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        if (c->health.probing)
                e->driver->probe_cancel(c);
        timers_cancel(e->timers, &c->health_timer);
        c->restart_count++;
        move(c, CONTAINER_STARTING);
        timers_set(e->timers, &c->start_timer, e->limits.start_timeout_ms, step_after_start_limit);
        c->busy = true;
        e->driver->restart(c);
}

static void explain_oom(struct engine_container *c)
{
        if (c->definition->memory > 0)
                engine_container_set_reason(
                        c,
                        "OutOfMemoryError: Container killed due to memory usage; its limit is %d MiB: raise memory in the task "
                        "definition if it needs more",
                        c->definition->memory);
        else
                engine_container_set_reason(
                        c, "OutOfMemoryError: Container killed due to memory usage; raise the task's memory in the task definition "
                           "if it needs more");
}

void engine_container_exited(struct engine_container *c, const struct engine_exit *ended)
{
        if (c->state == CONTAINER_STOPPED)
                return;
        c->has_exit_code = ended->has_exit_code;
        c->exit_code = ended->exit_code;
        c->oom_killed = ended->oom_killed;
        c->finished_ms = ended->finished_ms;
        if (should_restart(c, ended)) {
                restart(c);
                step(c);
                return;
        }
        if (ended->oom_killed)
                explain_oom(c);
        else if (ended->reason != NULL)
                engine_container_set_reason(c, "%s", ended->reason);
        end(c);
        step(c);
}

/* The states before STARTING begin anew: nothing of them is left. */
void container_restored(struct engine_container *c)
{
        struct engine *e = c->task->engine;

        if (c->state < CONTAINER_STARTING)
                c->state = CONTAINER_PULLING;
        if (c->state == CONTAINER_STOPPING)
                send_stop(c);
        if (c->state != CONTAINER_RUNNING && c->state != CONTAINER_STOPPING)
                return;
        c->has_run = true;
        if (c->running_since_us == 0)
                c->running_since_us = env_mono_us(e->env) - MAX(env_now_ms(e->env) - c->started_ms, 0) * 1000;
        if (c->state == CONTAINER_RUNNING)
                begin_health(c);
}
