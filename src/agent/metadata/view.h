/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and containers as the metadata endpoints show them. Pure. */
#pragma once

#include "agent/engine/engine.h"
#include "agent/channel/metrics.h"
#include "api/metadata.idl.h"

struct view_context {
        const char *cluster;
        const char *availability_zone; /* NULL: unknown */
        int version;                   /* 4, 3 or 2: older ones lack members */
};

void view_container(const struct engine_container *c, const struct view_context *context, struct arena *arena, struct meta_container *ret);
void view_task(const struct engine_task *t, const struct view_context *context, struct arena *arena, struct meta_task *ret);
/* Appends the statistics' JSON; `null` before the first sample. */
void view_stats(const struct engine_container *c, struct arena *arena, struct buf *out);
/* For introspection. */
void view_seen_task(const struct engine_task *t, struct arena *arena, struct meta_seen_task *ret);
/* RFC 3339, UTC; NULL for 0. */
const char *view_time(int64_t ms, struct arena *arena);
