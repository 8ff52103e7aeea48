/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement constraints and strategies, read once from what clients write. Constraints bind; strategies are best effort and
 * nest: each chooses among what the one before it found equally good, and chance decides what is left.
 */
#pragma once

#include "api/ecs.idl.h"
#include "base/arena.h"
#include "base/error.h"
#include "sched/query.h"

/* ECS's limits: constraints of task definition and request together, strategies of a request. */
#define RULES_MAX_CONSTRAINTS 10
#define RULES_MAX_STRATEGIES 5

enum strategy_kind {
        STRATEGY_SPREAD_INSTANCE = 0, /* fewest tasks of the group on the instance */
        STRATEGY_SPREAD_ATTRIBUTE,    /* fewest tasks of the group on instances with the same value of the attribute */
        STRATEGY_BINPACK_CPU,         /* least free cpu that suffices */
        STRATEGY_BINPACK_MEMORY,
        STRATEGY_RANDOM,
        STRATEGY_KIND_MAX
};

struct strategy {
        enum strategy_kind kind;
        const char *attribute; /* of SPREAD_ATTRIBUTE */
};

struct placement_rules {
        bool distinct_instance;                         /* at most one task of the group on an instance */
        const char *expressions[RULES_MAX_CONSTRAINTS]; /* of memberOf; the scheduler parses them once for all requests */
        uint32_t n_expressions;
        struct strategy strategies[RULES_MAX_STRATEGIES];
        uint32_t n_strategies;
};

/*
 * Reads the constraints of a request and of its task definition and the strategies; each list may be NULL. Strings stay those of
 * the lists. Fills `ret`; -EINVAL with InvalidParameterException.
 */
int placement_rules_read(const struct ecs_placement_constraint_list *constraints,
                         const struct ecs_task_definition_placement_constraint_list *of_definition,
                         const struct ecs_placement_strategy_list *strategies, struct placement_rules *ret, struct error *error) MUST_CHECK;
/* What services use unless they say otherwise: spread over zones, then over instances. */
void placement_rules_default_service(struct placement_rules *rules);
