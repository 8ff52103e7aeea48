/* SPDX-License-Identifier: Apache-2.0 */
/* What time does to task definitions. */
#pragma once

#include <stddef.h>

#include "model/model.h"

/* Removes definitions in DELETE_IN_PROGRESS that no task uses any more; returns how many. No transaction may be open. */
size_t ecs_finish_deletions(struct model *model);
