/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter pattern language of CloudWatch Logs: which messages are wanted.
 *
 *     (empty)                                  every message
 *     ERROR "out of memory" -DEBUG             terms: all must occur, those with '-' must not; case counts
 *     ?ERROR ?WARN                             any of them (ignored beside terms without '?')
 *     %ERR(no parentheses)[0-9]+%              regular expression
 *     { $.a.b[0] = "x*" && ($.n >= 4 || $.e NOT EXISTS) }    messages that are JSON
 *     [ip, user, ..., status = 4*, bytes > 1000]             fields between spaces; "quoted" and [bracketed] ones count as one
 *
 * Pure; a parsed pattern may be used by several threads at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define FILTER_PATTERN_MAX 1024 /* bytes */

struct filter_pattern;

/* -EINVAL with a message that says where it is wrong; the caller frees the result. */
int filter_pattern_parse(const char *text, struct filter_pattern **ret, struct error *error) MUST_CHECK;
/* NULL is fine. Returns NULL. */
struct filter_pattern *filter_pattern_free(struct filter_pattern *pattern);
/* Does it match every message, so that none need be looked at? */
bool filter_pattern_is_empty(const struct filter_pattern *pattern);
/* The message need not be terminated. */
bool filter_pattern_match(const struct filter_pattern *pattern, const char *message, size_t len);
