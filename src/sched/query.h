/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster query language: what memberOf constraints and the filter of ListContainerInstances are written in.
 *
 *     attribute:ecs.instance-type =~ t2.* and (attribute:stack == prod or not task:group == service:web)
 *
 *     expr    := and { ("or" | "||") and }             and := unary { ("and" | "&&") unary }
 *     unary   := ("not" | "!") unary | "(" expr ")" | term
 *     term    := subject operator [ argument ]
 *     subject := agentConnected agentVersion ec2InstanceId registeredAt runningTasksCount pendingTasksCount task:group attribute:NAME
 *     operators ==, !=, >, >=, <, <=, exists, !exists, in, !in, =~, !~ and their names (equals, not_equals, greater_than,
 *     greater_than_equal, less_than, less_than_equal, not_exists, not_in, matches, not_matches)
 *
 * Where ECS leaves room, this is what happens here:
 * - A term about an attribute that the instance does not have is false for every operator but !exists, !=, !in and !~.
 * - < and > compare numbers as numbers when both sides are numbers, versions (1.9.0 < 1.10.0) when both look like versions,
 *   and bytes else. registeredAt compares as a moment; a date alone is its first moment, without a zone it is UTC.
 * - =~ must match the whole value. ECS uses Java's regular expressions; here POSIX extended ones do the work, so that \d, \w, \s
 *   and lazy quantifiers are translated, while look-around, back references and possessive quantifiers are refused when the
 *   expression is parsed.
 * - task:group == G: a task of that group runs (or is about to) on the instance; != : none does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "model/model.h"

struct query;

/* Longest expression, in bytes, and most terms in one. */
#define QUERY_MAX_BYTES 4096
#define QUERY_MAX_TERMS 100

/*
 * Parses `text`. The query lives in `arena`, but holds compiled regular expressions besides: end it with query_done before the
 * arena goes. -EINVAL with InvalidParameterException and a message that names the place and what was expected there.
 */
int query_parse(const char *text, struct arena *arena, struct query **ret, struct error *error) MUST_CHECK;
/* NULL is fine. */
void query_done(struct query *query);

/* What a query is asked about. Strings must live as long as the call. */
struct query_view {
        const struct instance *instance;
        /* The value of an attribute of the instance: NULL when it has none of that name, "" when it has no value. */
        const char *(*attribute)(const struct query_view *view, const char *name);
        /* Whether a task of the group is on the instance. */
        bool (*has_group)(const struct query_view *view, const char *group);
};

bool query_match_view(const struct query *query, const struct query_view *view);
/* The same, looking at the instance and its tasks one by one. */
bool query_match(const struct query *query, const struct instance *instance);

/* The i-th attribute that the query asks for, as the very pointer that view->attribute gets; NULL behind the last. */
const char *query_attribute(const struct query *query, uint32_t i);

/* Whether the answer can change while the instance's stored state does not: it asks for tasks or the connection. */
bool query_is_dynamic(const struct query *query);
