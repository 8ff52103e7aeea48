/* SPDX-License-Identifier: Apache-2.0 */
/* An engine whose driver never ends a job: for what concerns messages and reports only. */
#pragma once

#include "agent/engine/engine.h"

static void idle_container(struct engine_container *c)
{
        (void)c;
}

static void idle_timed(struct engine_container *c, uint32_t timeout_ms)
{
        (void)c;
        (void)timeout_ms;
}

static void idle_task(struct engine_task *t)
{
        (void)t;
}

static void idle_changed(struct engine_task *t, unsigned what)
{
        (void)t;
        (void)what;
}

static bool idle_may_remove(struct engine_task *t)
{
        (void)t;
        return true;
}

static const struct engine_driver idle_driver = {.pull = idle_container,
                                                 .pull_cancel = idle_container,
                                                 .prepare = idle_task,
                                                 .create = idle_container,
                                                 .start = idle_container,
                                                 .restart = idle_container,
                                                 .abandon = idle_container,
                                                 .stop = idle_timed,
                                                 .probe = idle_timed,
                                                 .probe_cancel = idle_container,
                                                 .release = idle_task,
                                                 .remove = idle_task,
                                                 .changed = idle_changed,
                                                 .may_remove = idle_may_remove};

static const struct engine_limits idle_limits = {
        .stop_timeout_ms = 30000, .start_timeout_ms = 180000, .remove_after_ms = 1000, .remove_latest_ms = 2000};
