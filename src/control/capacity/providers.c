/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of capacity provider strategies: see providers.h. */
#include "control/capacity/providers.h"

#include <string.h>

#include "base/strutil.h"

const char *provider_name_in(const char *text)
{
        const char *slash = strrchr(text, '/');

        return str_starts_with(text, "arn:") && slash != NULL ? slash + 1 : text;
}

bool providers_list(const struct string_list *providers, const char *provider)
{
        for (uint32_t i = 0; i < providers->n; i++)
                if (str_eq(provider_name_in(providers->items[i]), provider_name_in(provider)))
                        return true;
        return false;
}

const char *provider_name(const struct ecs_capacity_provider_strategy_item *item)
{
        return provider_name_in(item->capacity_provider);
}

void providers_init(struct providers *providers, const struct ecs_capacity_provider_strategy_item_list *strategy, struct arena *arena)
{
        *providers = (struct providers){.items = arena_calloc(arena, strategy->n, sizeof(*providers->items)), .n = strategy->n};
        for (uint32_t i = 0; i < strategy->n; i++)
                providers->items[i].item = &strategy->items[i];
}

void providers_count(struct providers *providers, const char *name)
{
        for (uint32_t i = 0; i < providers->n; i++)
                if (str_eq(provider_name(providers->items[i].item), name))
                        providers->items[i].n++;
}

/* The one with the smallest share of what is beyond its base, in the order of the list. */
struct provider_count *providers_next(const struct providers *providers)
{
        struct provider_count *best = NULL;
        double best_share = 0;

        for (uint32_t i = 0; i < providers->n; i++)
                if ((int64_t)providers->items[i].n < providers->items[i].item->base)
                        return &providers->items[i];
        for (uint32_t i = 0; i < providers->n; i++) {
                const struct ecs_capacity_provider_strategy_item *item = providers->items[i].item;
                /* A single item needs no weight. */
                int32_t weight = providers->n == 1 ? 1 : item->weight;
                double share = weight > 0 ? (providers->items[i].n - item->base) / (double)weight : 0;

                if (weight > 0 && (!best || share < best_share)) {
                        best = &providers->items[i];
                        best_share = share;
                }
        }
        return best;
}
