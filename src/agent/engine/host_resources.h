/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the machine is given to tasks: processor share, memory, host ports. The server counts too, but it may count a task as gone
 * whose last container still takes its time: the node waits until the place is really free. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/engine/task.h"
#include "base/error.h"

struct host_resources {
        int64_t cpu_total, memory_total; /* CPU units, MiB; 0: not counted */
        int64_t cpu_used, memory_used;
        uint8_t tcp[8192], udp[8192]; /* a bit a port */
};

void host_resources_init(struct host_resources *resources, int64_t cpu, int64_t memory);
/* CPU units and MiB that a task takes: its own size, else the sum of its containers' (reservation first, else limit). */
int64_t host_resources_cpu(const struct engine_task *task);
int64_t host_resources_memory(const struct engine_task *task);
/* Whether the machine could ever run it, when nothing else ran: 0, or -ERANGE with a message. */
int host_resources_check(const struct host_resources *resources, const struct engine_task *task, struct error *error) MUST_CHECK;
/* Takes all that the task needs, or nothing: false when it does not fit now. */
bool host_resources_take(struct host_resources *resources, const struct engine_task *task);
/* The same for a task that runs already, whatever is free. */
void host_resources_force(struct host_resources *resources, const struct engine_task *task);
void host_resources_give(struct host_resources *resources, const struct engine_task *task);
