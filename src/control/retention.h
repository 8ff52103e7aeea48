/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is over is kept for a while and then forgotten: STOPPED tasks, INACTIVE services, container instances and clusters,
 * expired client tokens. Oldest first, a bounded number per run, in order of age, so that a run costs the same however much is kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

struct retention_options {
        int64_t stopped_task_ms;     /* how long STOPPED tasks stay visible; 0: 24 hours */
        int64_t stopped_task_min_ms; /* and at least, however many there are; 0: 1 hour */
        size_t max_stopped_tasks;    /* beyond that many the oldest go sooner; 0: 100,000 */
        int64_t inactive_ms;         /* INACTIVE services, instances and clusters; 0: 1 hour */
        size_t max_client_tokens;    /* 0: 200,000 */
        size_t batch;                /* objects removed in one run; 0: 500 */
};

struct retention;

/* Watches `model`, which must outlive it. Never NULL. `options` NULL: all defaults. */
struct retention *retention_new(struct model *model, const struct retention_options *options);
/* Removes, in one transaction, what is due at `now_ms`; returns how many objects. When that is the whole batch, more may be due:
 * call again soon. No transaction may be open. */
size_t retention_run(struct retention *retention, int64_t now_ms);
/* When the next object will be due (ms), or INT64_MAX. */
int64_t retention_next(const struct retention *retention);
/* Before model_close. NULL is fine. Returns NULL. */
struct retention *retention_free(struct retention *retention);
