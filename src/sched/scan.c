/* SPDX-License-Identifier: Apache-2.0 */
/* Narrowing the candidates, strategy by strategy: see scan.h. The meaning is that of ranking.h, in the plainest form. */
#include "sched/scan.h"

#include <string.h>

#include "base/buf.h"
#include "sched/class.h"

/* Slots with the same values of the attributes so far, and how many tasks of the group are on them. */
struct cell {
        struct map_node node;
        uint64_t count;
        char key[];
};

struct scan {
        struct placement_class *class;
        uint32_t *slots; /* candidates */
        uint32_t n;
        struct arena arena;
};

/* The values of the attributes of strategies up to `last`. */
static const char *cell_key(const struct scan *scan, const struct node *node, uint32_t last, struct buf *out)
{
        buf_clear(out);
        for (uint32_t i = 0; i <= last; i++) {
                const struct atom *value;

                if (scan->class->attributes[i] == NULL)
                        continue;
                value = node_attribute(node, scan->class->attributes[i]);
                buf_append_str(out, value != NULL ? value->text : "");
                buf_append_char(out, '\x1f');
        }
        return out->data;
}

static void count_cells(struct scan *scan, uint32_t strategy, struct map *cells, struct buf *key)
{
        const struct requirement *requirement = &scan->class->requirement;

        for (uint32_t slot = 0; slot < requirement->cluster->n_slots; slot++) {
                const struct node *node = requirement->cluster->nodes[slot];
                uint32_t count = node != NULL ? group_count(requirement->group, slot) : 0;
                struct cell *cell;

                if (count == 0)
                        continue;
                cell = map_get(cells, cell_key(scan, node, strategy, key), struct cell, node);
                if (cell == NULL) {
                        cell = arena_alloc(&scan->arena, sizeof(*cell) + key->len + 1);
                        memcpy(cell->key, key->data, key->len + 1);
                        map_insert(cells, &cell->node, cell->key);
                }
                cell->count += count;
        }
}

static int64_t number_of(const struct scan *scan, const struct node *node, enum strategy_kind kind)
{
        const struct instance *instance = node->instance;

        if (kind == STRATEGY_BINPACK_CPU)
                return instance->state->cpu - instance->cpu_used;
        if (kind == STRATEGY_BINPACK_MEMORY)
                return instance->state->memory - instance->memory_used;
        return group_count(scan->class->requirement.group, node->slot);
}

/* Keeps the candidates whose number is the least. */
static void narrow(struct scan *scan, uint32_t strategy)
{
        struct index_cluster *cluster = scan->class->requirement.cluster;
        bool attribute = scan->class->attributes[strategy] != NULL;
        CLEANUP_BUF struct buf key = {0};
        struct map cells;
        int64_t least = INT64_MAX;
        uint32_t kept = 0;

        map_init(&cells);
        if (attribute)
                count_cells(scan, strategy, &cells, &key);
        for (uint32_t i = 0; i < scan->n; i++) {
                const struct node *node = cluster->nodes[scan->slots[i]];
                int64_t number;

                if (attribute) {
                        const struct cell *cell = map_get(&cells, cell_key(scan, node, strategy, &key), struct cell, node);

                        number = cell != NULL ? (int64_t)cell->count : 0;
                } else {
                        number = number_of(scan, node, scan->class->strategies[strategy].kind);
                }
                if (number > least)
                        continue;
                kept = number < least ? 0 : kept;
                least = number;
                scan->slots[kept++] = scan->slots[i];
        }
        scan->n = kept;
        map_done(&cells);
}

struct node *scan_pick(struct placement_class *class, uint64_t random)
{
        struct index_cluster *cluster = class->requirement.cluster;
        struct scan scan = {.class = class};
        struct node *picked = NULL;

        scan.slots = arena_calloc(&scan.arena, cluster->n_slots, sizeof(*scan.slots));
        for (uint32_t slot = 0; slot < cluster->n_slots; slot++)
                if (cluster->nodes[slot] != NULL && class->slots[slot].fits)
                        scan.slots[scan.n++] = slot;
        for (uint32_t i = 0; i < class->n_strategies && scan.n > 1; i++)
                narrow(&scan, i);
        if (scan.n > 0)
                picked = cluster->nodes[scan.slots[random % scan.n]];
        arena_done(&scan.arena);
        return picked;
}
