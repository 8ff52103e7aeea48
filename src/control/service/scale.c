/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many tasks start and stop: the arithmetic of ECS's rolling update, which also serves outside of deployments, for unhealthy
 * tasks and for instances that are to be emptied.
 *
 *     floor    ceil(desired × minimumHealthyPercent / 100)   healthy tasks that are never given up on purpose
 *     ceiling  floor(desired × maximumPercent / 100)         tasks, RUNNING or before, at most; where it is no more than
 *                                                            desired, those that are about to stop count as well
 *
 * Missing tasks start while there is room below the ceiling. What has to go (older revisions, tasks on DRAINING instances) goes while
 * the floor stays covered without it. An unhealthy task goes when its replacement is healthy; when the ceiling leaves no room
 * for a replacement, one at a time goes first.
 */
#include "control/service/service.h"

/* Sources of a choice: each pool can have a few. */
struct sources {
        struct choice_source items[64];
        size_t n;
};

static uint32_t percent_or(bool has, int32_t percent, uint32_t otherwise)
{
        return has && percent >= 0 ? (uint32_t)percent : otherwise;
}

uint32_t service_floor(const struct state_service *state, uint32_t desired)
{
        const struct ecs_deployment_configuration *c = state->deployment_configuration;
        bool has = c && SHAPE_HAS(c, ecs_deployment_configuration, minimum_healthy_percent);
        uint32_t otherwise = state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON ? 0 : 100;

        return (uint32_t)(((uint64_t)desired * percent_or(has, has ? c->minimum_healthy_percent : 0, otherwise) + 99) / 100);
}

uint32_t service_ceiling(const struct state_service *state, uint32_t desired)
{
        const struct ecs_deployment_configuration *c = state->deployment_configuration;
        bool has = c && SHAPE_HAS(c, ecs_deployment_configuration, maximum_percent);
        uint32_t otherwise = state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON ? 100 : 200;

        return (uint32_t)((uint64_t)desired * percent_or(has, has ? c->maximum_percent : 0, otherwise) / 100);
}

/* ---- What there is ---- */

struct sums {
        uint32_t live, healthy, unhealthy, moving;
        uint32_t unsure;  /* PENDING or FRESH: may become healthy */
        uint32_t leaving; /* may still make room */
};

static bool belongs(const struct service_group *group, const struct pool *pool)
{
        return !group->alone || pool == group->primary;
}

static struct sums sum_up(const struct service_group *group)
{
        struct sums sums = {0};

        list_for_each (pool, group->pools, struct pool, link) {
                if (!belongs(group, pool))
                        continue;
                sums.live += pool_live(pool);
                sums.healthy += pool_healthy(pool);
                sums.unhealthy += pool->n[POOL_UNHEALTHY];
                sums.moving += pool->n[POOL_MOVING];
                sums.unsure += pool->n[POOL_WAITING] + pool->n[POOL_PENDING] + pool->n[POOL_FRESH];
                sums.leaving += pool->n[POOL_LEAVING];
        }
        return sums;
}

bool service_group_settled(const struct service_group *group)
{
        struct sums sums = sum_up(group);
        uint32_t healthy = group->primary ? group->primary->n[POOL_HEALTHY] : 0;

        return healthy == group->desired && sums.live == healthy && sums.leaving == 0;
}

/* ---- Stopping ---- */

static void add_source(struct sources *sources, struct pool *pool, enum pool_class class, uint32_t rank)
{
        if (pool->n[class] > 0 && sources->n < ARRAY_SIZE(sources->items))
                sources->items[sources->n++] = (struct choice_source){pool, class, rank};
}

/* Returns how many were stopped. */
static uint32_t stop_some(struct service_run *run, const struct sources *sources, uint32_t n)
{
        struct task **tasks;
        uint32_t there = 0, limit, chosen;

        for (size_t i = 0; i < sources->n; i++)
                there += sources->items[i].pool->n[sources->items[i].class];
        n = MIN(n, there);
        limit = MIN(n, run->turn->room);
        if (limit < n)
                service_again(run);
        if (limit == 0)
                return 0;
        chosen = service_choose(run, sources->items, sources->n, limit, &tasks);
        for (uint32_t i = 0; i < chosen; i++)
                service_scale_in_task(run, tasks[i]);
        return chosen;
}

/* More than desired: those that are not RUNNING go first, then the balance over zones and instances decides. */
static void scale_in(struct service_run *run, struct pool *primary, uint32_t surplus)
{
        struct sources sources = {0};
        uint32_t room = run->turn->room;

        add_source(&sources, primary, POOL_WAITING, 4);
        add_source(&sources, primary, POOL_PENDING, 3);
        add_source(&sources, primary, POOL_FRESH, 2);
        add_source(&sources, primary, POOL_HEALTHY, 1);
        if (stop_some(run, &sources, surplus) < MIN(surplus, room))
                run->guarded = true;
}

static uint32_t stop_class(struct service_run *run, const struct service_group *group, enum pool_class class, bool of_primary, uint32_t n)
{
        struct sources sources = {0};
        uint32_t rank = 1000;

        /* Older revisions come first in the list, and go first. */
        list_for_each (pool, group->pools, struct pool, link)
                if (belongs(group, pool) && (of_primary || pool != group->primary))
                        add_source(&sources, pool, class, rank--);
        return n > 0 ? stop_some(run, &sources, n) : 0;
}

/* Health outweighs protection. */
static uint32_t stop_unhealthy(struct service_run *run, const struct service_group *group, uint32_t n)
{
        uint32_t stopped = 0;

        list_for_each (pool, group->pools, struct pool, link) {
                if (!belongs(group, pool))
                        continue;
                pool_for_each(task, pool, POOL_UNHEALTHY)
                {
                        if (stopped == n || run->turn->room == 0)
                                return stopped;
                        service_stop_unhealthy(run, task);
                        stopped++;
                }
        }
        return stopped;
}

static uint32_t above(uint32_t n, uint32_t limit)
{
        return n > limit ? n - limit : 0;
}

/* What is not to stay. Returns how many tasks stopped. */
static uint32_t retire(struct service_run *run, const struct service_group *group, uint32_t floor, bool full)
{
        struct sums sums = sum_up(group);
        uint32_t stopped = stop_class(run, group, POOL_WAITING, false, UINT32_MAX), spare;

        stopped += stop_class(run, group, POOL_PENDING, false, UINT32_MAX);
        stopped += stop_unhealthy(run, group, above(sums.healthy + sums.unhealthy, group->desired));
        /* No room for a replacement and nothing on its way: one unhealthy task makes room. */
        if (full && stopped == 0 && sums.unsure + sums.leaving == 0 && sums.unhealthy > 0)
                stopped += stop_unhealthy(run, group, 1);
        if (sums.healthy >= floor)
                stopped += stop_class(run, group, POOL_FRESH, false, UINT32_MAX);
        spare = above(sums.healthy, floor);
        if (spare > 0) {
                uint32_t moved = stop_class(run, group, POOL_MOVING, true, spare);

                stopped += moved + stop_class(run, group, POOL_HEALTHY, false, spare - moved);
        }
        return stopped;
}

/* ---- Both ---- */

/* An instance whose agent is expected back may still have room. */
static bool all_are_here(const struct cluster *cluster)
{
        list_for_each (instance, &cluster->instances, struct instance, in_cluster)
                if (instance->state->status == STATE_INSTANCE_STATUS_ACTIVE && !instance->connected && !instance->lost)
                        return false;
        return true;
}

void service_scale_group(struct service_run *run, const struct service_group *group)
{
        uint32_t floor = service_floor(run->service->state, group->desired - group->extra);
        uint32_t ceiling = service_ceiling(run->service->state, group->desired - group->extra);
        uint32_t good = group->primary ? pool_good(group->primary) : 0;
        struct sums sums = sum_up(group);
        /* Who allows no more than desired wants no two at a time: what is about to stop may still run. */
        uint32_t there = sums.live + (ceiling <= group->desired ? sums.leaving : 0);
        uint32_t missing = above(group->desired, good), room = above(ceiling, there), started = 0, stopped;
        bool full; /* neither the ceiling nor the instances have room for what is missing */

        if (group->primary && group->launch)
                started = service_launch(run, group->primary, MIN(missing, room), NULL);
        if (group->primary && good > group->desired)
                scale_in(run, group->primary, good - group->desired);
        if (group->primary && !group->launch)
                return;
        full = missing > 0 && (room == 0 || (started == 0 && run->blocked && all_are_here(run->service->cluster)));
        stopped = retire(run, group, floor, full);
        if (missing > 0 && room == 0 && started + stopped + sums.unsure + sums.leaving == 0)
                run->stuck = true;
}
