/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be said of a task: the difference between what is known and what was accepted. */
#include <string.h>

#include "agent/channel/report.h"
#include "base/strutil.h"

#define TEXT_MAX 1024 /* of reasons */
#define ID_MAX 255    /* of runtime ids and digests */

static const char *cut(const char *text, size_t max, struct arena *arena)
{
        if (text == NULL || strlen(text) <= max)
                return text;
        /* Not inside a UTF-8 character. */
        while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
                max--;
        return arena_strndup(arena, text, max);
}

enum report_stage report_container_stage(const struct engine_container *c, enum report_stage stage)
{
        const struct engine_task *task = c->task;
        enum report_stage known = engine_container_stage(c);

        /* A RUNNING that comes late, after the end: as it was then. */
        if (stage == REPORT_RUNNING && task->reported < REPORT_RUNNING && known == REPORT_STOPPED && c->has_run &&
            c->reported < REPORT_RUNNING && engine_task_stage(task) == REPORT_STOPPED)
                return REPORT_RUNNING;
        return known;
}

static void put_container(const struct engine_container *c, enum report_stage stage, struct arena *arena,
                          struct ecs_container_state_change *to)
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

/* A task that runs has its interfaces. */
static void put_attachments(const struct engine_task *task, struct arena *arena, struct ecs_submit_task_state_change_request *req)
{
        const struct acs_elastic_network_interface_list *list = &task->payload->elastic_network_interfaces;

        for (uint32_t i = 0; i < list->n; i++)
                *SHAPE_PUSH(arena, &req->attachments) =
                        (struct ecs_attachment_state_change){.attachment_arn = list->items[i].attachment_arn, .status = "ATTACHED"};
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
                enum report_stage one = report_container_stage(c, stage);

                if (one > c->reported)
                        put_container(c, one, arena, SHAPE_PUSH(arena, &req->containers));
        }
        if (stage <= task->reported && req->containers.n == 0)
                return NULL;
        if (stage == REPORT_RUNNING && task->reported < REPORT_RUNNING)
                put_attachments(task, arena, req);
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
