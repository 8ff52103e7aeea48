/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse counters: see counts.h. Linear probing; removal shifts what follows back, so there are no tombstones. */
#include "sched/counts.h"

#include "base/alloc.h"

void counts_done(struct counts *counts)
{
        free(counts->items);
        *counts = (struct counts){0};
}

static uint32_t home(const struct counts *counts, uint32_t key)
{
        return (key * UINT32_C(0x9e3779b1)) >> 7 & (counts->cap - 1);
}

/* The item of the key, or the empty one where it would be. cap is not 0. */
static struct counts_item *locate(const struct counts *counts, uint32_t key)
{
        uint32_t i = home(counts, key);

        while (counts->items[i].key != 0 && counts->items[i].key != key)
                i = (i + 1) & (counts->cap - 1);
        return &counts->items[i];
}

uint32_t counts_get(const struct counts *counts, uint32_t number)
{
        if (counts->n == 0)
                return 0;
        return locate(counts, number + 1)->count;
}

static void grow(struct counts *counts)
{
        struct counts old = *counts;

        counts->cap = old.cap == 0 ? 8 : old.cap * 2;
        counts->items = xcalloc(counts->cap, sizeof(*counts->items));
        for (uint32_t i = 0; i < old.cap; i++)
                if (old.items[i].key != 0)
                        *locate(counts, old.items[i].key) = old.items[i];
        free(old.items);
}

static void erase(struct counts *counts, struct counts_item *item)
{
        uint32_t mask = counts->cap - 1, hole = (uint32_t)(item - counts->items), i = hole;

        counts->n--;
        for (;;) {
                i = (i + 1) & mask;
                if (counts->items[i].key == 0)
                        break;
                /* It may move into the hole unless its home lies behind the hole. */
                if (((i - home(counts, counts->items[i].key)) & mask) < ((i - hole) & mask))
                        continue;
                counts->items[hole] = counts->items[i];
                hole = i;
        }
        counts->items[hole] = (struct counts_item){0};
}

void counts_add(struct counts *counts, uint32_t number, int32_t delta)
{
        struct counts_item *item;

        if (delta == 0)
                return;
        if (counts->n * 4 >= counts->cap * 3)
                grow(counts);
        item = locate(counts, number + 1);
        if (item->key == 0) {
                item->key = number + 1;
                counts->n++;
        }
        assert((int64_t)item->count + delta >= 0);
        item->count += (uint32_t)delta;
        if (item->count == 0)
                erase(counts, item);
}
