/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs one after the other in libuv's thread pool: the kernel serializes them anyway, and so nothing here needs a lock. */
#include <errno.h>

#include "base/alloc.h"
#include "vpc/internal.h"

struct vpc_job *vpc_job_new(struct vpc *vpc, struct vpc_op *op)
{
        struct vpc_job *job = xalloc(sizeof *job);

        list_init(&job->link);
        job->vpc = vpc;
        job->op = op;
        if (op != NULL)
                op->job_ = job;
        return job;
}

void vpc_job_free(struct vpc_job *job)
{
        if (job == NULL)
                return;
        list_remove(&job->link);
        if (job->op != NULL)
                job->op->job_ = NULL;
        free(job->path);
        free(job->tap);
        free(job->record);
        free(job->record_text);
        free(job->script);
        free(job->ports);
        (void)vpc_network_free(job->network);
        for (uint32_t i = 0; i < job->n_replugs; i++)
                free(job->replugs[i].path);
        free(job->replugs);
        free(job);
}

static void run(uv_work_t *work)
{
        struct vpc *vpc = CONTAINER_OF(work, struct vpc, work);
        struct vpc_job *job = vpc->running;

        if (job->work == NULL)
                return;
        uv_mutex_lock(&vpc->busy);
        job->status = job->work(job, &job->error);
        uv_mutex_unlock(&vpc->busy);
}

static void ran(uv_work_t *work, int status);

/* Without telling anybody. A sandbox without an id is in no book yet. */
static void drop(struct vpc_job *job)
{
        if (job->sandbox != NULL && job->sandbox->id == NULL)
                sandbox_free(job->sandbox);
        vpc_job_free(job);
}

/* When nothing else is to do: one prepared sandbox more. */
static void prepare(struct vpc *vpc)
{
        if (!vpc->closing && !vpc->prepare_failed && vpc->n_vacant < vpc->prepared)
                sandbox_prepare(vpc);
}

void vpc_queue_start(struct vpc *vpc)
{
        if (vpc->running != NULL)
                return;
        if (list_empty(&vpc->waiting))
                prepare(vpc);
        if (list_empty(&vpc->waiting))
                return;
        vpc->running = list_first(&vpc->waiting, struct vpc_job, link);
        list_remove(&vpc->running->link);
        if (uv_queue_work(vpc->loop, &vpc->work, run, ran) != 0)
                abort(); /* only for a NULL function */
}

static void ran(uv_work_t *work, UNUSED int status)
{
        struct vpc *vpc = CONTAINER_OF(work, struct vpc, work);
        struct vpc_job *job = TAKE(vpc->running);
        struct vpc_op *op;

        if (vpc->closing) {
                drop(job);
                (void)vpc_free(vpc);
                return;
        }
        if (job->finish != NULL)
                job->finish(job);
        vpc_queue_start(vpc);
        op = TAKE(job->op);
        if (op != NULL) {
                op->job_ = NULL;
                op->done(op, job->status, &job->error); /* may free the vpc */
        }
        vpc_job_free(job);
}

void vpc_queue_add(struct vpc_job *job)
{
        list_push(&job->vpc->waiting, &job->link);
        vpc_queue_start(job->vpc);
}

void vpc_queue_close(struct vpc *vpc)
{
        vpc->closing = true;
        if (vpc->running != NULL && vpc->running->op != NULL)
                vpc_op_cancel(vpc->running->op);
        list_for_each (job, &vpc->waiting, struct vpc_job, link)
                drop(job);
}

void vpc_op_cancel(struct vpc_op *op)
{
        struct vpc_job *job = op->job_;

        if (job == NULL)
                return;
        op->job_ = NULL;
        job->op = NULL;
        job->cancelled = true;
}
