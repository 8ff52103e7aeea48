/* SPDX-License-Identifier: Apache-2.0 */
/* Which capacity provider of a strategy the next task is for: base first, then in proportion to the weights. */
#pragma once

#include "api/ecs.idl.h"
#include "base/arena.h"

struct provider_count {
        const struct ecs_capacity_provider_strategy_item *item;
        uint32_t n; /* tasks that it has */
};

struct providers {
        struct provider_count *items;
        uint32_t n;
};

/* Strategies name providers, or their ARNs: the name. */
const char *provider_name(const struct ecs_capacity_provider_strategy_item *item);
/* The same of what a cluster lists, or a client writes: the text itself or a part of it. */
const char *provider_name_in(const char *text);
/* Whether a list of names and ARNs has the provider of that name or ARN. */
bool providers_list(const struct string_list *providers, const char *provider);
/* Of the strategy, which must live as long; in `arena`. No task is counted yet. */
void providers_init(struct providers *providers, const struct ecs_capacity_provider_strategy_item_list *strategy, struct arena *arena);
/* One task more of the provider of that name; others are ignored. */
void providers_count(struct providers *providers, const char *name);
/* NULL when the strategy is empty. The caller counts the task. */
struct provider_count *providers_next(const struct providers *providers);
