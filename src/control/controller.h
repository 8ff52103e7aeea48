/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller: everything that the server does by itself as time passes and things change. It watches the model, keeps the
 * reconcilers' own indexes in step with it, and runs each object that may need it once per turn of the loop:
 *
 *     model ── applied ──► indexes, marks ──► controller_run (end of the turn) ──► transactions ──► model …
 *                                                  ▲
 *                              controller_next ────┘ (time)
 *
 * Level-triggered: a reconciler decides from the state as it is; the state alone suffices, so a server may end at any moment and
 * start again. No timer collects work: it begins at the end of the turn that caused it. Work is bounded per turn, so the loop never
 * waits long for it. Pure: no clock, no I/O; what is outside comes through `ops`.
 *
 * On the loop's thread. No transaction may be open when these functions are called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/scaling.h"
#include "model/service.h"

struct alarm_points; /* control/alarm/evaluate.h */
struct controller;
struct machine_ops; /* control/capacity/group.h */
struct sched;

/* How a lifecycle hook has answered. */
enum hook_answer {
        HOOK_WAITING = 0, /* not yet: ask again after controller_mark_service, or when the hook's own time is over */
        HOOK_SUCCEEDED,
        HOOK_FAILED,
        HOOK_ANSWER_MAX
};

struct controller_ops {
        /* False only when it is certain that no agent was ever told of the task: it can then be stopped without one. */
        bool (*offered)(void *data, const struct task *task);
        /* Puts keys for the roles of a task that `tx` has just inserted into `tx`. */
        void (*add_credentials)(void *data, struct tx *tx, const struct task *task);
        /* Calls the hook (once per stage; the answer is remembered by the one who calls). */
        enum hook_answer (*hook)(void *data, const struct service_deployment *deployment, const struct ecs_deployment_lifecycle_hook *hook,
                                 enum ecs_deployment_lifecycle_hook_stage stage);
        /* The newest `n` periods of the alarm's metric that are over, values in `arena`. NULL: no metric is known, and alarms keep their state. */
        void (*alarm_points)(void *data, const struct state_alarm *alarm, uint32_t n, int64_t now_ms, struct arena *arena,
                             struct alarm_points *ret);
        /* Load of a predictive policy by the hour, oldest first, up to the hour that is not over at `now_ms`; NAN: not known. In `arena`;
         * returns how many hours. NULL: nothing is foretold. */
        uint32_t (*load_history)(void *data, const struct state_scaling_policy *policy, int64_t now_ms, struct arena *arena, double **ret);
};

struct controller_options {
        struct model *model;              /* must outlive the controller, as must sched */
        struct sched *sched;              /* NULL: only in tests that place nothing */
        const struct controller_ops *ops; /* NULL, and each member NULL: every task was offered, no credentials, hooks fail */
        void *data;
        const struct machine_ops *machines; /* who makes the machines of Auto Scaling groups; NULL: nobody */
        void *machines_data;
        /*
         * When a task without any check counts as healthy: so long after it was RUNNING; 0: 500 ms. ECS waits 40 s. What this wait
         * has to catch is the container that comes up and falls over at once, which takes a fraction of a second; and it bounds how fast
         * a rollout can be, once per batch. Applications that need longer should have a health check, which then alone decides.
         */
        int64_t healthy_after_ms;
        int64_t lost_task_ms; /* tasks of a lost node are given up (STOPPED) after so long; 0: 5 minutes */
        bool cloud_timing;    /* alarms of target tracking go by minutes, as the cloud's, not by their metrics' own pace */
        uint32_t slice;       /* tasks that one run starts or stops at most; 0: 1000 */
};

/* Never NULL. Everything is looked at in the first run. */
struct controller *controller_new(const struct controller_options *options);
/* Before sched_free and model_close. NULL is fine. Returns NULL. */
struct controller *controller_free(struct controller *controller);

/* Reconciles what is marked or due. Returns whether there is more to do at once: call again in the next turn of the loop. */
bool controller_run(struct controller *controller, int64_t now_ms);
/* When to call controller_run again: INT64_MIN is now, INT64_MAX is when something changes. */
int64_t controller_next(const struct controller *controller);

/* Something outside that bears on the service has changed: an alarm, a hook's answer, a target's health. */
void controller_mark_service(struct controller *controller, struct service *service);
