/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's view of the Fargate pool: which hosts there are, what of them is taken, and taking FARGATE_SPOT capacity back. Not a
 * part of the ECS API, which hides the pool: POST /capacity, signed like any call, answers plain text for `gantry capacity`; the
 * same figures are in /metrics.
 */
#pragma once

#include "base/buf.h"
#include "model/model.h"

struct api;

#define CAPACITY_PATH "/capacity"
#define CAPACITY_SPOT_REASON "Your Spot Task was interrupted."

/* Answers CAPACITY_PATH and writes into /metrics. */
void capacity_register(struct api *api);

/* One line for each host, and one for what waits. */
void capacity_list(struct model *model, struct buf *out);
/*
 * Takes back what FARGATE_SPOT tasks have of the host `id`, which gets no others until capacity_offer: each is to stop, with the code SpotInterruption; its processes get SIGTERM
 * and, after the stop timeout of its definition (120 s at most), SIGKILL. Returns how many, or -ENOENT when no host has this id.
 */
int capacity_reclaim(struct model *model, const char *id, int64_t now_ms);
/* The host takes FARGATE_SPOT tasks again. 0 or -ENOENT. */
int capacity_offer(struct model *model, const char *id);
