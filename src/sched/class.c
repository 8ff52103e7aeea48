/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement classes: see class.h.
 *
 * Chance. The last key of a slot is the moment at which its clock rings: now plus an exponentially distributed time, and the
 * slot whose clock rings first is taken. Such clocks have no memory: however often some are set anew, each of those that tie is
 * equally likely to ring next. (Plain random keys would not do: the losers keep their bad draws.)
 */
#include "sched/class.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sched/scan.h"

/* Of exponential time; small enough for 2^38 picks. */
#define TICKS_PER_UNIT ((double)(1 << 24))

bool class_needs_group(const struct placement_rules *rules)
{
        bool needed = false;

        if (rules == NULL)
                return false;
        needed = rules->distinct_instance;
        for (uint32_t i = 0; i < rules->n_strategies; i++)
                needed |= rules->strategies[i].kind == STRATEGY_SPREAD_INSTANCE || rules->strategies[i].kind == STRATEGY_SPREAD_ATTRIBUTE;
        return needed;
}

/* Nothing ties after chance: what follows `random` never matters. */
static void copy_strategies(struct placement_class *class, const struct placement_rules *rules)
{
        struct atoms *atoms = &class->requirement.cluster->index->atoms;
        bool number = false;

        for (uint32_t i = 0; rules != NULL && i < rules->n_strategies && rules->strategies[i].kind != STRATEGY_RANDOM; i++) {
                class->strategies[i] = rules->strategies[i];
                class->n_strategies++;
                if (rules->strategies[i].kind == STRATEGY_SPREAD_ATTRIBUTE) {
                        class->attributes[i] = atom_ref(atoms, rules->strategies[i].attribute);
                        class->scan |= number;
                } else {
                        number = true;
                }
        }
}

struct placement_class *class_new(struct index *index, const struct placement_request *request, const char *key, struct chance *chance)
{
        struct placement_class *class = xalloc(sizeof(*class));
        uint32_t n_levels = 0;
        struct error error = {0};
        int r = requirement_init(&class->requirement, index, request, class_needs_group(request->rules), &class->arena, &error);

        assert(r == 0);
        (void)r;
        class->key = xstrdup(key);
        class->chance = chance;
        list_init(&class->used);
        list_push(&class->requirement.cluster->classes, &class->in_cluster);
        copy_strategies(class, request->rules);
        for (uint32_t i = 0; i < class->n_strategies; i++)
                n_levels += class->attributes[i] != NULL;
        ranking_init(&class->ranking, n_levels, class->n_strategies - n_levels + 1);
        return class;
}

void class_free(struct placement_class *class)
{
        struct atoms *atoms = &class->requirement.cluster->index->atoms;

        for (uint32_t i = 0; i < class->n_strategies; i++)
                atom_unref(atoms, class->attributes[i]);
        ranking_done(&class->ranking);
        requirement_done(&class->requirement);
        list_remove(&class->in_cluster);
        list_remove(&class->used);
        arena_done(&class->arena);
        free(class->slots);
        free(class->key);
        free(class);
}

/* splitmix64 */
static uint64_t chance_next(struct chance *chance)
{
        uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static int64_t next_ring(const struct placement_class *class)
{
        /* In (0, 1]: its logarithm is finite. */
        double u = ((double)(chance_next(class->chance) >> 11) + 1) / 9007199254740992.0;

        return class->time + (int64_t)(-log(u) * TICKS_PER_UNIT);
}

static void set_keys(struct placement_class *class, const struct node *node, uint32_t count)
{
        const struct instance *instance = node->instance;
        int64_t *keys = ranking_keys(&class->ranking, node->slot);

        for (uint32_t i = 0; i < class->n_strategies; i++) {
                switch (class->strategies[i].kind) {
                case STRATEGY_SPREAD_INSTANCE:
                        *keys++ = count;
                        break;
                case STRATEGY_BINPACK_CPU:
                        *keys++ = instance->state->cpu - instance->cpu_used;
                        break;
                case STRATEGY_BINPACK_MEMORY:
                        *keys++ = instance->state->memory - instance->memory_used;
                        break;
                default:
                        break;
                }
        }
        *keys = next_ring(class);
}

/* Puts the slot into the buckets of its values; an instance without the attribute is with those whose value is empty. */
static void place(struct placement_class *class, const struct node *node)
{
        const char *values[RULES_MAX_STRATEGIES];
        uint32_t n = 0;

        for (uint32_t i = 0; i < class->n_strategies; i++) {
                const struct atom *value;

                if (class->attributes[i] == NULL)
                        continue;
                value = node_attribute(node, class->attributes[i]);
                values[n++] = value != NULL ? value->text : "";
        }
        ranking_place(&class->ranking, node->slot, values);
}

static void update(struct placement_class *class, const struct node *node)
{
        const struct requirement *requirement = &class->requirement;
        struct class_slot *slot = &class->slots[node->slot];
        uint32_t count;

        if (slot->state_seen != node->state_changed) {
                slot->state_seen = node->state_changed;
                slot->static_fits = requirement_static(requirement, node) == VERDICT_FITS;
                if (!class->scan)
                        place(class, node);
        }
        slot->fits = slot->static_fits && requirement_dynamic(requirement, node) == VERDICT_FITS;
        if (class->scan)
                return;
        count = group_count(requirement->group, node->slot);
        if (slot->fits)
                set_keys(class, node, count);
        ranking_set(&class->ranking, node->slot, count, slot->fits);
}

/* A new class looks at every node. They lie scattered in memory: asking for the next ones early halves the time. */
static void prefetch_node(const struct index_cluster *cluster, uint32_t slot)
{
        const struct node *node;

        if (slot + 16 < cluster->n_slots)
                __builtin_prefetch(cluster->nodes[slot + 16]);
        if (slot + 8 >= cluster->n_slots || (node = cluster->nodes[slot + 8]) == NULL)
                return;
        __builtin_prefetch(&node->instance->state);
        __builtin_prefetch(&node->instance->cpu_used);
        for (uint32_t i = 0; i < node->n_attributes; i += 64 / sizeof(*node->attributes))
                __builtin_prefetch(&node->attributes[i]);
        if ((node = cluster->nodes[slot + 4]) != NULL)
                __builtin_prefetch(&node->instance->state->status);
}

static void update_all(struct placement_class *class, const struct index_cluster *cluster)
{
        ranking_fill(&class->ranking);
        for (uint32_t slot = 0; slot < cluster->n_slots; slot++) {
                prefetch_node(cluster, slot);
                if (cluster->nodes[slot] != NULL)
                        update(class, cluster->nodes[slot]);
        }
        ranking_filled(&class->ranking);
}

static void update_recent(struct placement_class *class, const struct index_cluster *cluster)
{
        for (struct list *l = cluster->recent.prev; l != &cluster->recent; l = l->prev) {
                const struct node *node = CONTAINER_OF(l, struct node, recent);

                if (node->changed <= class->seen)
                        return;
                update(class, node);
        }
}

uint32_t class_slots(const struct index_cluster *cluster)
{
        return cluster->n_slots + cluster->n_slots / 8 + 16;
}

static void make_slots(struct placement_class *class, uint32_t n)
{
        class->slots = xrealloc(class->slots, n * sizeof(*class->slots));
        memset(class->slots + class->n_slots, 0, (n - class->n_slots) * sizeof(*class->slots));
        class->n_slots = n;
        ranking_reserve(&class->ranking, n);
}

static void catch_up(struct placement_class *class)
{
        struct index_cluster *cluster = class->requirement.cluster;

        if (class->seen == cluster->clock)
                return;
        if (cluster->n_slots > class->n_slots)
                make_slots(class, class_slots(cluster));
        if (class->seen == 0)
                update_all(class, cluster);
        else
                update_recent(class, cluster);
        class->seen = cluster->clock;
}

struct node *class_pick(struct placement_class *class)
{
        struct index_cluster *cluster = class->requirement.cluster;
        uint32_t best;

        catch_up(class);
        if (class->scan)
                return scan_pick(class, chance_next(class->chance));
        best = ranking_best(&class->ranking);
        if (best == RANKING_NONE)
                return NULL;
        class->time = MAX(class->time, ranking_keys(&class->ranking, best)[class->ranking.n_keys - 1]);
        return cluster->nodes[best];
}

void class_forget(struct placement_class *class, uint32_t slot)
{
        if (slot >= class->n_slots)
                return;
        class->slots[slot] = (struct class_slot){0};
        if (!class->scan)
                ranking_leave(&class->ranking, slot);
}
