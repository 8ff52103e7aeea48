/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces of tasks: each gets 65,536 users of the host that no other task of this node has, and no user of the host's own.
 * Image layers are seen through a mount that shifts their owners (idmapped mounts: Linux 5.19 for overlayfs), so nothing is copied.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct runtime;

#define USER_RANGE_SIZE 65536

/* First user of the range of a task: that of its other containers, else one that no container has; 0 when all are taken. */
uint32_t user_range_pick(const struct runtime *runtime, const char *task_id);
/* A descriptor of a user namespace that maps 0… to the range; -errno. Blocks for about a millisecond. */
int user_range_open(uint32_t first) MUST_CHECK;
