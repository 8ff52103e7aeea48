/* SPDX-License-Identifier: Apache-2.0 */
/* State changes on their way to the server. */
#include "agent/channel/report.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define CALM_MS 50 /* how long a container's change waits for others of its task */
#define CALL_TIMEOUT_MS 30000

/* The reporter's part of a task. */
struct reporting {
        struct reporter *reporter;
        struct engine_task *task;
        struct list link; /* in reporter->ready */
        struct aws_call call;
        struct backoff backoff;
        struct timer timer;
        enum report_stage sent_stage;       /* of the call under way */
        enum report_stage *sent_containers; /* the same, of each container */
};

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
        bool dropped =
                answer->result < 0 && !answer->retryable && answer->status == 400 && str_eq(answer->code, "InvalidParameterException");
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
                r->sent_containers[i] = report_container_stage(&r->task->containers[i], r->sent_stage);
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

/* The end waits a little for the logs. */
static bool is_held(struct reporting *r)
{
        struct reporter *reporter = r->reporter;
        int64_t left = r->task->stopped_ms + REPORT_HOLD_MS - env_now_ms(reporter->env);

        if (reporter->may_end == NULL || left <= 0 || left > REPORT_HOLD_MS || reporter->may_end(r->task, reporter->data))
                return false;
        timers_set(reporter->timers, &r->timer, left, timer_fires);
        return true;
}

void reporter_touch(struct reporter *reporter, struct engine_task *task)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct reporting *r = reporting_of(reporter, task);
        enum report_stage stage;
        bool urgent = false;

        /* What is not on the disk yet could be forgotten in a crash and start again; but not after the server heard of its end. */
        if (!task->durable && engine_task_stage(task) != REPORT_STOPPED)
                return;
        if (reporter->closed || aws_call_is_busy(&r->call))
                return;
        if (report_make(task, "", &arena, &stage, &urgent) == NULL)
                return;
        if (r->backoff.next_ms > 0)
                return; /* waits for another try, which will say all */
        if (stage == REPORT_STOPPED && is_held(r))
                return;
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
