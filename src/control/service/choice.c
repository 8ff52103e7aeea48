/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks go first when a service scales in. After the rank that the caller gives its classes (tasks that are not RUNNING, older
 * revisions), the service's own strategies decide, as they did when the tasks were placed:
 *
 *     spread    the value of the field that has the most tasks of the service loses one
 *     binpack   the instance that has the most of the resource left
 *     then      the zone with the most tasks, then the instance with the most tasks, then chance
 *
 * Counts go down with each task that was chosen, so the balance stays as good as it can.
 */
#include "control/service/service.h"

#include "base/map.h"
#include "base/strutil.h"

#define ZONE "ecs.availability-zone"
#define MAX_LEVELS (RULES_MAX_STRATEGIES + 2)

/* One value of a field, and how many tasks of the service are there. */
struct place_value {
        struct map_node node;
        int64_t n;
};

struct candidate {
        struct task *task;
        uint32_t rank, chance;
        struct place_value *values[MAX_LEVELS]; /* by level; NULL: of a binpack level */
        bool chosen;
};

struct choice {
        struct service_run *run;
        struct strategy levels[MAX_LEVELS];
        uint32_t n_levels;
        struct map values[MAX_LEVELS];
        struct candidate *candidates;
        uint32_t n;
};

static const char *attribute_of(const struct instance *instance, const char *name)
{
        for (uint32_t i = 0; instance && i < instance->state->attributes.n; i++)
                if (str_eq(instance->state->attributes.items[i].name, name))
                        return instance->state->attributes.items[i].value ? instance->state->attributes.items[i].value : "";
        return "";
}

static void read_levels(struct choice *choice)
{
        struct placement_rules rules = {0};
        struct error error = {0};

        if (placement_rules_read(NULL, NULL, &choice->run->service->state->placement_strategy, &rules, &error) == 0)
                for (uint32_t i = 0; i < rules.n_strategies; i++)
                        if (rules.strategies[i].kind != STRATEGY_RANDOM)
                                choice->levels[choice->n_levels++] = rules.strategies[i];
        choice->levels[choice->n_levels++] = (struct strategy){.kind = STRATEGY_SPREAD_ATTRIBUTE, .attribute = ZONE};
        choice->levels[choice->n_levels++] = (struct strategy){.kind = STRATEGY_SPREAD_INSTANCE};
}

static bool is_spread(const struct strategy *level)
{
        return level->kind == STRATEGY_SPREAD_ATTRIBUTE || level->kind == STRATEGY_SPREAD_INSTANCE;
}

static const char *value_of(const struct strategy *level, const struct task *task)
{
        if (level->kind == STRATEGY_SPREAD_INSTANCE)
                return task->instance ? task->instance->object.key : "";
        return attribute_of(task->instance, level->attribute);
}

static struct place_value *value_at(struct choice *choice, uint32_t level, const struct task *task)
{
        const char *text = value_of(&choice->levels[level], task);
        struct place_value *value = map_get(&choice->values[level], text, struct place_value, node);

        if (!value) {
                value = ARENA_NEW(tx_arena(choice->run->tx), struct place_value);
                map_insert(&choice->values[level], &value->node, text);
        }
        return value;
}

static void count_task(struct choice *choice, const struct task *task)
{
        for (uint32_t level = 0; level < choice->n_levels; level++)
                if (is_spread(&choice->levels[level]))
                        value_at(choice, level, task)->n++;
}

/* Every task that stays for now counts, whichever class it is of. */
static void count_tasks(struct choice *choice)
{
        static const enum pool_class live[] = {POOL_PENDING, POOL_FRESH, POOL_HEALTHY, POOL_UNHEALTHY, POOL_MOVING};

        list_for_each (pool, &choice->run->control->pools, struct pool, link)
                for (size_t i = 0; i < ARRAY_SIZE(live); i++)
                        pool_for_each(task, pool, live[i]) count_task(choice, task);
}

static void add_candidates(struct choice *choice, const struct choice_source *source)
{
        struct env *env = model_env(choice->run->controller->model);

        pool_for_each(task, source->pool, source->class)
        {
                struct candidate *candidate = &choice->candidates[choice->n];

                if (task_is_protected(task, choice->run->now_ms)) {
                        service_wake(choice->run, task->state->protected_until);
                        continue;
                }
                candidate->task = task;
                candidate->rank = source->rank;
                env->random(env, &candidate->chance, sizeof(candidate->chance));
                for (uint32_t level = 0; level < choice->n_levels; level++)
                        candidate->values[level] = is_spread(&choice->levels[level]) ? value_at(choice, level, task) : NULL;
                choice->n++;
        }
}

static int64_t free_resource(const struct strategy *level, const struct task *task)
{
        const struct instance *instance = task->instance;

        if (!instance)
                return INT64_MAX;
        return level->kind == STRATEGY_BINPACK_CPU ? instance->state->cpu - instance->cpu_used
                                                   : instance->state->memory - instance->memory_used;
}

/* Should `a` go before `b`? */
static bool goes_before(const struct choice *choice, const struct candidate *a, const struct candidate *b)
{
        if (a->rank != b->rank)
                return a->rank > b->rank;
        for (uint32_t level = 0; level < choice->n_levels; level++) {
                int64_t x = a->values[level] ? a->values[level]->n : free_resource(&choice->levels[level], a->task);
                int64_t y = b->values[level] ? b->values[level]->n : free_resource(&choice->levels[level], b->task);

                if (x != y)
                        return x > y;
        }
        return a->chance > b->chance;
}

static struct candidate *next_candidate(struct choice *choice)
{
        struct candidate *best = NULL;

        for (uint32_t i = 0; i < choice->n; i++) {
                struct candidate *candidate = &choice->candidates[i];

                if (!candidate->chosen && (!best || goes_before(choice, candidate, best)))
                        best = candidate;
        }
        return best;
}

static void take_candidate(struct choice *choice, struct candidate *candidate)
{
        candidate->chosen = true;
        for (uint32_t level = 0; level < choice->n_levels; level++)
                if (candidate->values[level])
                        candidate->values[level]->n--;
}

uint32_t service_choose(struct service_run *run, const struct choice_source *sources, size_t n_sources, uint32_t n, struct task ***ret)
{
        struct choice choice = {.run = run};
        struct task **tasks;
        uint32_t total = 0, chosen = 0;

        for (size_t i = 0; i < n_sources; i++)
                total += sources[i].pool->n[sources[i].class];
        read_levels(&choice);
        choice.candidates = arena_calloc(tx_arena(run->tx), total, sizeof(*choice.candidates));
        for (size_t i = 0; i < n_sources; i++)
                add_candidates(&choice, &sources[i]);
        n = MIN(n, choice.n);
        tasks = arena_calloc(tx_arena(run->tx), n, sizeof(*tasks));
        if (n < choice.n) {
                count_tasks(&choice);
                for (; chosen < n; chosen++) {
                        struct candidate *candidate = next_candidate(&choice);

                        take_candidate(&choice, candidate);
                        tasks[chosen] = candidate->task;
                }
        } else {
                /* All go: the order does not matter. */
                for (; chosen < n; chosen++)
                        tasks[chosen] = choice.candidates[chosen].task;
        }
        for (uint32_t level = 0; level < choice.n_levels; level++)
                map_done(&choice.values[level]);
        *ret = tasks;
        return n;
}
