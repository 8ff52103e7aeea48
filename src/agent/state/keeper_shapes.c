/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks to and from the shapes in which they are kept. */
#include <stdio.h>

#include "agent/state/keeper.h"
#include "base/alloc.h"
#include "base/strutil.h"

void keeper_write_task(const struct engine_task *task, const char *boot_id, struct buf *out)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct saved_task saved = {.accepted_at = task->accepted_ms, .boot_id = boot_id, .task = (struct acs_task *)task->payload};

        for (uint32_t i = 0; i < task->n_containers; i++)
                string_list_push(&arena, &saved.endpoints, task->containers[i].endpoint_id);
        SHAPE_WRITE(saved_task, &saved, out);
}

static void write_container(const struct engine_container *c, struct saved_container *to)
{
        to->name = c->definition->name;
        to->state = container_state_name(c->state);
        to->image_digest = c->image_digest;
        to->image_id = c->image_id;
        to->reason = c->reason;
        if (c->has_exit_code)
                SHAPE_SET(to, saved_container, exit_code, c->exit_code);
        if (c->oom_killed)
                SHAPE_SET(to, saved_container, oom_killed, true);
        if (c->has_run)
                SHAPE_SET(to, saved_container, has_run, true);
        if (c->restart_count > 0)
                SHAPE_SET(to, saved_container, restart_count, (int32_t)c->restart_count);
        to->created_at = c->created_ms;
        to->started_at = c->started_ms;
        to->finished_at = c->finished_ms;
        to->bindings = c->bindings;
        to->reported = report_stage_name(c->reported);
        if (c->log_inode != 0) {
                SHAPE_SET(to, saved_container, log_inode, (int64_t)c->log_inode);
                SHAPE_SET(to, saved_container, log_offset, (int64_t)c->log_offset);
        }
}

void keeper_write_state(const struct engine_task *task, const char *boot_id, struct buf *out)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct saved_task_state saved = {
                .arn = task->arn,
                .desired_status = task->stop_wanted ? "STOPPED" : "RUNNING",
                .state = task_state_name(task->state),
                .reason = task->reason,
                .reported = report_stage_name(task->reported),
                .pull_started_at = task->pull_started_ms,
                .pull_stopped_at = task->pull_stopped_ms,
                .execution_stopped_at = task->execution_stopped_ms,
                .stopped_at = task->stopped_ms,
                .boot_id = boot_id,
        };

        if (task->has_run)
                SHAPE_SET(&saved, saved_task_state, has_run, true);
        for (uint32_t i = 0; i < task->n_containers; i++)
                write_container(&task->containers[i], SHAPE_PUSH(&arena, &saved.containers));
        SHAPE_WRITE(saved_task_state, &saved, out);
}

void keeper_apply_task(struct engine_task *task, const struct saved_task *saved)
{
        task->accepted_ms = saved->accepted_at;
        for (uint32_t i = 0; i < task->n_containers && i < saved->endpoints.n; i++) {
                (void)snprintf(task->containers[i].endpoint_id, sizeof(task->containers[i].endpoint_id), "%s", saved->endpoints.items[i]);
        }
}

static char *copy_or_null(const char *s)
{
        return str_empty(s) ? NULL : xstrdup(s);
}

static void apply_container(struct engine_container *c, const struct saved_container *from)
{
        if (container_state_parse(from->state, &c->state) < 0)
                c->state = CONTAINER_PULLING;
        free(c->image_digest);
        free(c->image_id);
        free(c->reason);
        c->image_digest = copy_or_null(from->image_digest);
        c->image_id = copy_or_null(from->image_id);
        c->reason = copy_or_null(from->reason);
        c->has_exit_code = SHAPE_HAS(from, saved_container, exit_code);
        c->exit_code = from->exit_code;
        c->oom_killed = from->oom_killed;
        c->has_run = from->has_run;
        c->restart_count = (uint32_t)MAX(from->restart_count, 0);
        c->created_ms = from->created_at;
        c->started_ms = from->started_at;
        c->finished_ms = from->finished_at;
        for (uint32_t i = 0; i < from->bindings.n; i++)
                shape_copy_into(&ecs_network_binding_shape, SHAPE_PUSH(&c->task->arena, &c->bindings), &from->bindings.items[i],
                                &c->task->arena);
        c->reported = report_stage_parse(from->reported);
        c->log_inode = (uint64_t)from->log_inode;
        c->log_offset = (uint64_t)from->log_offset;
}

void keeper_apply_state(struct engine_task *task, const struct saved_task_state *saved)
{
        if (task_state_parse(saved->state, &task->state) < 0)
                task->state = TASK_QUEUED;
        task->stop_wanted = str_eq(saved->desired_status, "STOPPED");
        free(task->reason);
        task->reason = copy_or_null(saved->reason);
        task->reported = report_stage_parse(saved->reported);
        task->has_run = saved->has_run;
        task->pull_started_ms = saved->pull_started_at;
        task->pull_stopped_ms = saved->pull_stopped_at;
        task->execution_stopped_ms = saved->execution_stopped_at;
        task->stopped_ms = saved->stopped_at;
        for (uint32_t i = 0; i < saved->containers.n; i++) {
                struct engine_container *c = engine_task_container(task, saved->containers.items[i].name);

                if (c != NULL)
                        apply_container(c, &saved->containers.items[i]);
        }
}
