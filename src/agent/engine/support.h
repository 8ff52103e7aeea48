/* SPDX-License-Identifier: Apache-2.0 */
/* What a payload may ask for and this node cannot do, told before anything is started. Pure. */
#pragma once

#include "agent/engine/task.h"
#include "base/error.h"

/* 0, or -EINVAL with the error's name for a reason (such as "ResourceInitializationError") in `error->code` and a text with the next
 * step. */
int support_check(const struct engine_task *task, struct error *error) MUST_CHECK;
/* Whether a log driver of this name can be used. */
bool support_log_driver(const char *name);
/* The names, for the registration; ends with NULL. */
const char *const *support_log_drivers(void);
