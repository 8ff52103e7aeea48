/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include "metrics/metrics.h"

struct metric_tier_kind {
        int64_t period_s, retention_s;
};
extern const struct metric_tier_kind metric_tiers[METRIC_TIER_MAX];

/* The first point at or after that second; an index from `head` on. */
uint32_t metric_points_from(const struct metric_points *points, int64_t at_s);
/* Adds a set to the point of that second, or makes one. `apart`: single values stay points of their own. Returns by how many bytes
 * the memory grew. */
size_t metric_points_add(struct metric_points *points, int64_t at_s, const struct metric_set *set, bool apart);
/* Forgets what is older, and gives memory back. Returns how many bytes. */
size_t metric_points_trim(struct metric_points *points, int64_t oldest_s);
