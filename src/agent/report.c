/* SPDX-License-Identifier: Apache-2.0 */
/* State changes on their way to the server. */
#include "agent/report.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define CALM_MS 50            /* how long a container's change waits for others of its task */
#define CALL_TIMEOUT_MS 30000
#define TEXT_MAX 1024         /* of reasons */
#define ID_MAX 255            /* of runtime ids and digests */

/* The reporter's part of a task. */
struct reporting {
        struct reporter *reporter;
        struct engine_task *task;
        struct list link; /* in reporter->ready */
        struct aws_call call;
        struct backoff backoff;
        struct timer timer;
        enum report_stage sent_stage;             /* of the call under way */
        enum report_stage *sent_containers;       /* the same, of each container */
};

static const char *cut(const char *text, size_t max, struct arena *arena)
{
        if (text == NULL || strlen(text) <= max)
                return text;
        /* Not inside a UTF-8 character. */
        while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
                max--;
        return arena_strndup(arena, text, max);
}

/* What to say of a container when the task is said to be in `stage`. */
static enum report_stage container_stage(const struct engine_container *c, const struct engine_task *task, enum report_stage stage)
{
        enum report_stage known = engine_container_stage(c);

        /* A RUNNING that comes late, after the end: as it was then. */
        if (stage == REPORT_RUNNING && task->reported < REPORT_RUNNING && known == REPORT_STOPPED && c->has_run && c->reported < REPORT_RUNNING &&
            engine_task_stage(task) == REPORT_STOPPED)
                return REPORT_RUNNING;
        return known;
}

static void put_container(const struct engine_container *c, enum report_stage stage, struct arena *arena, struct ecs_container_state_change *to)
{
        to->container_name = c->definition->name;
        to->status = report_stage_name(stage);
        if (c->has_run)
                to->runtime_id = cut(c->runtime_id, ID_MAX, arena);
        to->image_digest = cut(c->image_digest, ID_MAX, arena);
        to->network_bindings = c->bindings;
        if (stage != REPORT_STOPPED)
                return;
        to->reason = cut(c->reason, TEXT_MAX, arena);
        if (c->has_exit_code)
                SHAPE_SET(to, ecs_container_state_change, exit_code, c->exit_code);
}

static enum report_stage next_stage(const struct engine_task *task)
{
        enum report_stage known = engine_task_stage(task);

        /* RUNNING is never left out: without it the server would take the end for a failure to start. */
        if (known == REPORT_STOPPED && task->reported < REPORT_RUNNING && task->has_run)
                return REPORT_RUNNING;
        return known;
}

struct ecs_submit_task_state_change_request *report_make(const struct engine_task *task, const char *cluster, struct arena *arena,
                                                         enum report_stage *ret_stage, bool *ret_urgent)
{
        enum report_stage stage = next_stage(task);
        struct ecs_submit_task_state_change_request *req = ARENA_NEW(arena, struct ecs_submit_task_state_change_request);

        if (task->reported == REPORT_STOPPED)
                return NULL;
        for (uint32_t i = 0; i < task->n_containers; i++) {
                const struct engine_container *c = &task->containers[i];
                enum report_stage one = container_stage(c, task, stage);

                if (one > c->reported)
                        put_container(c, one, arena, SHAPE_PUSH(arena, &req->containers));
        }
        if (stage <= task->reported && req->containers.n == 0)
                return NULL;
        req->cluster = cluster;
        req->task = task->arn;
        req->status = stage == REPORT_NOTHING ? "PENDING" : report_stage_name(stage);
        req->reason = stage == REPORT_STOPPED && task->reason != NULL ? cut(task->reason, TEXT_MAX, arena) : "";
        req->pull_started_at = task->pull_started_ms;
        req->pull_stopped_at = task->pull_stopped_ms;
        if (stage == REPORT_STOPPED)
                req->execution_stopped_at = task->execution_stopped_ms;
        *ret_stage = stage;
        *ret_urgent = stage > task->reported;
        return req;
}

bool reporter_is_settled(const struct engine_task *task)
{
        return task->reported == REPORT_STOPPED;
}

void reporter_init(struct reporter *reporter, const struct aws_client *client, struct timers *timers, struct env *env)
{
        *reporter = (struct reporter){.client = client, .timers = timers, .env = env};
        list_init(&reporter->ready);
}

static void pump(struct reporter *reporter);

static void queue(struct reporting *r)
{
        if (aws_call_is_busy(&r->call) || !list_empty(&r->link))
                return;
        timers_cancel(r->reporter->timers, &r->timer);
        list_push(&r->reporter->ready, &r->link);
        pump(r->reporter);
}

static void timer_fires(struct timer *timer)
{
        queue(CONTAINER_OF(timer, struct reporting, timer));
}

static void take_acceptance(struct reporting *r)
{
        struct engine_task *t = r->task;

        t->reported = MAX(t->reported, r->sent_stage);
        for (uint32_t i = 0; i < t->n_containers; i++)
                t->containers[i].reported = MAX(t->containers[i].reported, r->sent_containers[i]);
}

static void on_answer(struct aws_call *call, const struct aws_answer *answer)
{
        struct reporting *r = CONTAINER_OF(call, struct reporting, call);
        struct reporter *reporter = r->reporter;
        struct engine_task *task = r->task;

        reporter->active--;
        /* Refused for what it says: saying it again would not help. */
        bool dropped = answer->result < 0 && !answer->retryable && answer->status == 400 && str_eq(answer->code, "InvalidParameterException");
        if (dropped)
                log_error("the server refuses a state change; it is dropped", LOG_S("task", task->arn), LOG_S("error", answer->message));
        if (answer->result < 0 && !dropped) {
                uint32_t delay = backoff_next(&r->backoff, reporter->env);

                log_warn("state change could not be delivered; trying again", LOG_S("task", task->arn), LOG_S("code", answer->code),
                         LOG_S("error", answer->message), LOG_I("ms", delay));
                timers_set(reporter->timers, &r->timer, delay, timer_fires);
                pump(reporter);
                return;
        }
        backoff_reset(&r->backoff);
        take_acceptance(r);
        pump(reporter);
        reporter_touch(reporter, task);
        if (reporter->accepted != NULL)
                reporter->accepted(task, reporter->data);
}

static void send_next(struct reporting *r)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct reporter *reporter = r->reporter;
        bool urgent = false;
        struct ecs_submit_task_state_change_request *req = report_make(r->task, reporter->cluster, &arena, &r->sent_stage, &urgent);

        if (req == NULL)
                return;
        for (uint32_t i = 0; i < r->task->n_containers; i++)
                r->sent_containers[i] = container_stage(&r->task->containers[i], r->task, r->sent_stage);
        reporter->active++;
        r->call.done = on_answer;
        aws_client_call(reporter->client, &r->call, reporter->endpoint, &ecs_service, "SubmitTaskStateChange", req, CALL_TIMEOUT_MS);
}

static void pump(struct reporter *reporter)
{
        while (reporter->open && !reporter->closed && reporter->active < REPORT_PARALLEL && !list_empty(&reporter->ready)) {
                struct reporting *r = list_first(&reporter->ready, struct reporting, link);

                list_remove(&r->link);
                send_next(r);
        }
}

void reporter_open(struct reporter *reporter, const char *endpoint, const char *cluster)
{
        reporter->endpoint = endpoint;
        reporter->cluster = cluster;
        reporter->open = true;
        pump(reporter);
}

static struct reporting *reporting_of(struct reporter *reporter, struct engine_task *task)
{
        struct reporting *r = task->report;

        if (r != NULL)
                return r;
        r = xalloc(sizeof(*r));
        r->reporter = reporter;
        r->task = task;
        r->backoff = (struct backoff){.min_ms = 250, .max_ms = 30000, .factor = 1.5, .jitter = 0.3};
        r->sent_containers = xcalloc(task->n_containers + 1, sizeof(*r->sent_containers));
        list_init(&r->link);
        task->report = r;
        return r;
}

void reporter_touch(struct reporter *reporter, struct engine_task *task)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct reporting *r = reporting_of(reporter, task);
        enum report_stage stage;
        bool urgent = false;

        if (!task->durable || reporter->closed || aws_call_is_busy(&r->call))
                return;
        if (report_make(task, "", &arena, &stage, &urgent) == NULL)
                return;
        if (r->backoff.next_ms > 0)
                return; /* waits for another try, which will say all */
        if (urgent)
                queue(r);
        else if (!timer_is_set(&r->timer) && list_empty(&r->link))
                timers_set(reporter->timers, &r->timer, CALM_MS, timer_fires);
}

void reporter_forget(struct reporter *reporter, struct engine_task *task)
{
        struct reporting *r = task->report;

        if (r == NULL)
                return;
        if (aws_call_is_busy(&r->call)) {
                aws_call_cancel(&r->call);
                reporter->active--;
        }
        timers_cancel(reporter->timers, &r->timer);
        list_remove(&r->link);
        free(r->sent_containers);
        free(r);
        task->report = NULL;
        pump(reporter);
}

void reporter_close(struct reporter *reporter)
{
        reporter->closed = true;
}
