/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SEARCH finds: CloudWatch's search expressions over the metrics in memory.
 *
 *     {Namespace, DimensionName, …} terms      the namespace and exactly these dimensions; this part, or the terms, may be left out
 *
 *     CPU  Service-1    a name, a value or the namespace has these tokens, one after the other. Tokens end where capitals and digits
 *                       begin and at all that is neither letter nor digit: CustomCount1 is custom, count, 1 (and customcount1)
 *     "web-1"           one of them is exactly this; \ before " \ ( )
 *     Property=term     only this one: MetricName, Namespace, or the value of the dimension of that name
 *     a b, a AND b, a OR b, NOT a, ( )         NOT binds closest, then AND; in capitals
 *
 * Pure.
 */
#pragma once

#include "metrics/metrics.h"

#define METRIC_SEARCH_LENGTH 1024

struct metric_search;

/* Everything is in `arena`. Returns what is wrong with the text, or NULL. */
const char *metric_search_parse(const char *text, struct arena *arena, const struct metric_search **ret) MUST_CHECK;
bool metric_search_matches(const struct metric_search *search, const struct metric_id *id);
/* The first `max` that it finds, ordered by key, in `arena`; `ret_more`: there are others. Valid as those of metrics_find are. */
size_t metric_search_run(const struct metric_search *search, const struct metrics *metrics, size_t max, struct arena *arena,
                         const struct metric_series ***ret, bool *ret_more);
