/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service tells of itself. Words that would be said again and again while something stays wrong are said once, until
 * something was said that resolves it, or for six hours: the events themselves are the memory, so it outlives the server.
 */
#include "control/service/service.h"

#include "control/capacity/fargate.h"

#include <string.h>

#include "base/strutil.h"

#define REPEAT_MS (INT64_C(6) * 3600 * 1000)

#define STEADY "has reached a steady state."
#define UNPLACED "was unable to place a task"
#define UNSTARTED "is unable to consistently start tasks successfully."
#define STUCK                                                                                                                \
        "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the " \
        "minimumHealthyPercent or maximumPercent value and try again."
#define GUARDED "was unable to reach steady state because task set ("
#define GUARDED_REST ") was unable to scale in. Reason: The number of protected tasks are more than the desired count of tasks."

/* ---- Lists of tasks ---- */

void task_names_add(struct task_names *names, const struct task *task)
{
        if (names->n++ < EVENT_NAMES)
                buf_printf(&names->text, " (task %s)", task->state->id);
}

void task_names_done(struct task_names *names)
{
        buf_done(&names->text);
        names->n = 0;
}

/* "has started 2 tasks: (task A) (task B)." */
static void say_names(struct service_run *run, const struct task_names *names, const char *verb, const char *what)
{
        const char *plural = names->n == 1 ? "" : "s";

        if (names->n > EVENT_NAMES)
                service_add_event(run->tx, run->service, run->now_ms, "has %s %u %s%s:%s and %u more.", verb, names->n, what, plural,
                                  names->text.data, names->n - EVENT_NAMES);
        else if (names->n > 0)
                service_add_event(run->tx, run->service, run->now_ms, "has %s %u %s%s:%s.", verb, names->n, what, plural, names->text.data);
}

/* ---- Once ---- */

/* What resolves a word that begins so; reaching a steady state resolves everything. */
static const struct {
        const char *begin, *resolved_by;
} resolutions[] = {
        {UNPLACED, "has started "},
        {UNSTARTED, STEADY},
        {STUCK, "(deployment "},
};

static bool resolves(const char *begin, const char *text)
{
        if (str_eq(text, STEADY))
                return true;
        for (size_t i = 0; i < ARRAY_SIZE(resolutions); i++)
                if (str_starts_with(begin, resolutions[i].begin) && str_starts_with(text, resolutions[i].resolved_by))
                        return true;
        return false;
}

static bool was_said(const struct service_run *run, const char *begin)
{
        /* "(service NAME) " stands in front. */
        size_t prefix = strlen("(service ) ") + strlen(run->service->state->name);

        for (struct list *link = run->service->events.prev; link != &run->service->events; link = link->prev) {
                const struct state_service_event *event = CONTAINER_OF(link, struct service_event, in_service)->state;
                const char *text = strlen(event->message) >= prefix ? event->message + prefix : "";

                if (event->created_at + REPEAT_MS <= run->now_ms)
                        return false;
                if (str_starts_with(text, begin))
                        return true;
                if (resolves(begin, text))
                        return false;
        }
        return false;
}

void service_say_once(struct service_run *run, const char *begin, const char *rest)
{
        if (!was_said(run, begin))
                service_add_event(run->tx, run->service, run->now_ms, "%s%s", begin, rest);
}

/* ---- No room ---- */

static const struct {
        const char *reason, *text;
} closest[] = {
        {"RESOURCE:CPU", "has insufficient CPU units available."},
        {"RESOURCE:MEMORY", "has insufficient memory available."},
        {"RESOURCE:PORTS", "is already using a port required by your task."},
        {"RESOURCE:ENI", "has insufficient network interfaces available."},
        {"LOCATION", "encountered error \"LOCATION\"."},
        {"ATTRIBUTE", "is missing an attribute required by your task."},
        {"AGENT", "encountered error \"AGENT\"."},
};

/* The closest match: the earlier in the list of reasons, the closer. */
static const char *explain(struct service_run *run, struct pool *pool)
{
        struct placement_failures failures;
        size_t best = ARRAY_SIZE(closest);
        const struct instance *instance = NULL;

        sched_explain(run->controller->sched, &pool->placement, tx_arena(run->tx), &failures);
        if (failures.n == 0)
                return " Reason: No Container Instances were found in your cluster.";
        for (uint32_t i = 0; i < failures.n; i++)
                for (size_t j = 0; j < best; j++)
                        if (str_eq(failures.items[i].reason, closest[j].reason)) {
                                best = j;
                                instance = failures.items[i].instance;
                        }
        if (!instance)
                return "";
        return arena_printf(tx_arena(run->tx), " The closest matching (container-instance %s) %s", instance->state->id, closest[best].text);
}

void service_report_unreadable(struct service_run *run, const struct pool *pool)
{
        service_say_once(run, UNPLACED,
                         pool_definition(pool, run->controller->model)
                                 ? ". Reason: its placement constraints cannot be read. Update the service with other constraints."
                                 : ". Reason: its task definition was deleted. Update the service with another task definition.");
}

void service_report_unplaced(struct service_run *run, struct pool *pool)
{
        if (was_said(run, UNPLACED))
                return;
        if (pool_is_fargate(pool)) {
                service_add_event(run->tx, run->service, run->now_ms, UNPLACED ". Reason: " FARGATE_UNAVAILABLE);
                return;
        }
        service_add_event(run->tx, run->service, run->now_ms, UNPLACED " because no container instance met all of its requirements.%s",
                          explain(run, pool));
}

void service_report_waiting(struct service_run *run, const char *provider)
{
        service_say_once(
                run, UNPLACED,
                arena_printf(tx_arena(run->tx),
                             ". Reason: no container instance of capacity provider %s has room for it. It waits as PROVISIONING for "
                             "another one.",
                             provider));
}

void service_report_refused(struct service_run *run, const struct instance *instance, const char *reason)
{
        const char *text = "";

        if (was_said(run, UNPLACED))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(closest); i++)
                if (str_eq(closest[i].reason, reason))
                        text = closest[i].text;
        service_add_event(run->tx, run->service, run->now_ms,
                          UNPLACED
                          " because no container instance met all of its requirements. The closest matching (container-instance %s) %s",
                          instance->state->id, text);
}

/* ---- At the end of a run ---- */

void service_set_steady(struct service_run *run, bool steady)
{
        struct state_service *state;

        if (run->service->state->steady == steady)
                return;
        state = tx_edit(run->tx, &run->service->object);
        SHAPE_SET(state, state_service, steady, steady);
        tx_put(run->tx, &run->service->object, state);
        if (steady)
                service_add_event(run->tx, run->service, run->now_ms, STEADY);
}

void service_report(struct service_run *run)
{
        say_names(run, &run->started, "started", "task");
        say_names(run, &run->stopped, "stopped", "running task");
        if (run->draining > 0)
                service_add_event(run->tx, run->service, run->now_ms, "has begun draining connections on %u task%s.", run->draining,
                                  run->draining == 1 ? "" : "s");
        if (run->throttled)
                service_say_once(run, UNSTARTED, "");
        if (run->stuck)
                service_say_once(run, STUCK, "");
        if (run->guarded)
                service_say_once(run, GUARDED,
                                 arena_printf(tx_arena(run->tx), "ecs-svc/%s" GUARDED_REST,
                                              run->service->state->primary ? run->service->state->primary : ""));
}
