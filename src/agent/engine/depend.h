/* SPDX-License-Identifier: Apache-2.0 */
/* Order among the containers of a task: dependsOn, links, volumesFrom. Pure. */
#pragma once

#include "agent/engine/task.h"
#include "base/error.h"

enum depend_verdict {
        DEPEND_READY = 0, /* may start now */
        DEPEND_WAIT,
        DEPEND_NEVER, /* can never be met any more */
};

/* Checks that all names exist, conditions are known, and nothing depends on itself in the end. -EINVAL with a message. */
int depend_validate(const struct engine_task *task, struct error *error) MUST_CHECK;
/* Whether what `container` waits for holds. With NEVER, `error` says what failed. With WAIT, `ret_limit_ms` is the time that is left
 * until the start timeout of something it waits for (now_us: monotonic), or -1. */
enum depend_verdict depend_check(const struct engine_container *container, int64_t now_us, int64_t *ret_limit_ms, struct error *error);
/* Whether everything that depends on `container` has ended, so that it may be stopped. */
bool depend_may_stop(const struct engine_container *container);
/* "name:alias" or "name" gives the linked container (NULL: there is none) and, if wanted, the alias. */
struct engine_container *depend_link(const struct engine_task *task, const char *link, const char **ret_alias);
