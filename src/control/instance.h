/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to container instances, in a transaction of the caller's. */
#pragma once

#include "model/model.h"

/* ACTIVE or DRAINING; nothing when it is so already. */
void instance_set_status(struct tx *tx, struct instance *instance, enum state_instance_status status);
/* INACTIVE for good: what it ran counts as STOPPED, for `reason`. */
void instance_deregister(struct tx *tx, struct instance *instance, enum ecs_task_stop_code code, const char *reason, int64_t now_ms);
