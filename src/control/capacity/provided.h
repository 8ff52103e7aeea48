/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of capacity providers over Auto Scaling groups: they go to container instances of the group and nowhere else, and wait as
 * PROVISIONING where there is no room. Managed scaling (managed_scaling.h) sees who waits, and has machines made.
 */
#pragma once

#include "model/machine.h"
#include "sched/sched.h"

struct controller;

/* How long a task waits, as Fargate's do. */
#define PROVIDED_PATIENCE_MS (INT64_C(10) * 60 * 1000)

/* What a task of that provider needs, from the `request` that says so for any instance. The result points into `request` and `arena`.
 * False: the provider has no group. */
bool provided_request(struct model *model, const struct placement_request *request, const char *provider, struct arena *arena,
                      struct placement_request *ret);
/* Why no machine that the provider's group launches would ever hold a task of that size ("RESOURCE:CPU", "RESOURCE:MEMORY"); NULL: one would, or
 * nobody can tell. */
const char *provided_lacks(struct model *model, const char *provider, int32_t cpu, int32_t memory);
/* Puts a waiting task on an instance, in `tx`; `rules` NULL: those that it was started with. False: there is no room yet. */
bool provided_place(struct controller *controller, struct tx *tx, struct task *task, const struct placement_rules *rules);
/* Ends a task that has waited too long, in `tx`. */
void provided_give_up(struct tx *tx, struct task *task, int64_t now_ms);
/* Until when the task may wait. */
static inline int64_t provided_until(const struct task *task)
{
        return task->state->created_at + PROVIDED_PATIENCE_MS;
}
