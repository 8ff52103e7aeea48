/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the server what becomes of tasks (SubmitTaskStateChange). There is no queue of events: what has to be said is the difference
 * between what is known and what the server has accepted, so nothing can be lost, and nothing waits behind another task. A task's
 * reports go out one after the other, RUNNING before STOPPED; at most ten calls are under way over all tasks; a call that fails is
 * tried again for ever.
 */
#pragma once

#include "agent/channel/aws_client.h"
#include "agent/channel/backoff.h"
#include "agent/engine/task.h"
#include "agent/engine/timers.h"

#define REPORT_PARALLEL 10
#define REPORT_HOLD_MS 250

struct reporter {
        const struct aws_client *client;
        const char *endpoint;
        const char *cluster;
        struct timers *timers;
        struct env *env;
        struct list ready; /* of tasks with something to say, first come first served */
        uint32_t active;
        bool open;   /* registered: calls can be made */
        bool closed; /* ending: nothing new is sent */
        /*
         * Whether a task's end may be told: false while the last lines of its logs are on their way, so that who waits for STOPPED
         * finds them. Asked again at the next touch; after REPORT_HOLD_MS the end is told in any case. May be NULL.
         */
        bool (*may_end)(const struct engine_task *task, void *data);
        /* The server has accepted something. May be NULL. */
        void (*accepted)(struct engine_task *task, void *data);
        void *data;
};

void reporter_init(struct reporter *reporter, const struct aws_client *client, struct timers *timers, struct env *env);
/* From now on calls are made. Strings must stay. */
void reporter_open(struct reporter *reporter, const char *endpoint, const char *cluster);
/* Cancels what is under way. */
void reporter_close(struct reporter *reporter);
/* A task has changed. Tasks that are not durable are not reported yet: touch them again when they are. */
void reporter_touch(struct reporter *reporter, struct engine_task *task);
/* Whether the server knows all there is to know. */
bool reporter_is_settled(const struct engine_task *task);
/* The task goes. */
void reporter_forget(struct reporter *reporter, struct engine_task *task);

/* What is to be said next, in the arena; NULL: nothing. Pure. `ret_urgent` is false when only single containers have changed and a
 * little more may be waited for. */
struct ecs_submit_task_state_change_request *report_make(const struct engine_task *task, const char *cluster, struct arena *arena,
                                                         enum report_stage *ret_stage, bool *ret_urgent);
/* What is said of a container when its task is said to be in `stage`. */
enum report_stage report_container_stage(const struct engine_container *container, enum report_stage stage);
