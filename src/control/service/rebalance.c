/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balance over zones: when a service is steady and one zone has two tasks more than another, tasks are started in the latter first,
 * and when they are healthy as many are stopped in the former. Meanwhile the service has a few tasks more than desired; should the
 * server end before the rest is done, scaling in takes them from the fullest zone, which comes to the same.
 */
#include "control/service/service.h"

#include <stdio.h>

#include "base/strutil.h"
#include "control/service/deploy.h"

#define ZONE "ecs.availability-zone"
#define MAX_ZONES 32

struct zone {
        const char *name;
        uint32_t n;
};

struct zones {
        struct zone items[MAX_ZONES];
        uint32_t n;
};

static struct zone *find_zone(struct zones *zones, const char *name)
{
        for (uint32_t i = 0; name && i < zones->n; i++)
                if (str_eq(zones->items[i].name, name))
                        return &zones->items[i];
        return NULL;
}

/* Zones that a task can be placed in, and what runs there. */
static void count(struct service_run *run, struct pool *primary, struct zones *ret)
{
        struct cluster *hosts = pool_is_fargate(primary) ? model_cluster(run->controller->model, FARGATE_CLUSTER) : NULL;

        *ret = (struct zones){0};
        list_for_each (instance, &(hosts ? hosts : run->service->cluster)->instances, struct instance, in_cluster) {
                const char *name = instance->zone;

                if (!name || instance->state->status != STATE_INSTANCE_STATUS_ACTIVE || !instance->connected || find_zone(ret, name) ||
                    ret->n == MAX_ZONES || sched_reason(run->controller->sched, pool_placement(run, primary), instance))
                        continue;
                ret->items[ret->n++] = (struct zone){.name = name};
        }
        pool_for_each(task, primary, POOL_HEALTHY)
        {
                const char *name = task->instance ? task->instance->zone : NULL;
                struct zone *zone = find_zone(ret, name);

                /* A zone that is full still has too many. */
                if (!zone && name && ret->n < MAX_ZONES) {
                        zone = &ret->items[ret->n++];
                        *zone = (struct zone){.name = name};
                }
                if (zone)
                        zone->n++;
        }
}

static bool applies(const struct service_run *run)
{
        const struct state_service *state = run->service->state;
        const struct ecs_placement_strategy_list *strategy = &state->placement_strategy;

        if (state->availability_zone_rebalancing != ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED ||
            state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON || state->desired_count < 2 || !run->controller->sched)
                return false;
        if (strategy->n > 0 &&
            (strategy->items[0].type != ECS_PLACEMENT_STRATEGY_TYPE_SPREAD || !str_eq(strategy->items[0].field, "attribute:" ZONE)))
                return false;
        return service_ceiling(state, (uint32_t)state->desired_count) > (uint32_t)state->desired_count;
}

static const char *list_zones(struct service_run *run, const struct zones *zones)
{
        CLEANUP_BUF struct buf text = {0};

        for (uint32_t i = 0; i < zones->n; i++)
                buf_printf(&text, "%s%u tasks in %s", i > 0 ? ", " : "", zones->items[i].n, zones->items[i].name);
        return arena_strndup(tx_arena(run->tx), text.data, text.len);
}

#define UNBALANCED "is not AZ balanced with "
#define BALANCED "is AZ balanced with "

static void find_extremes(const struct zones *zones, const struct zone **ret_low, const struct zone **ret_high)
{
        const struct zone *low = &zones->items[0], *high = low;

        for (uint32_t i = 1; i < zones->n; i++) {
                if (zones->items[i].n < low->n)
                        low = &zones->items[i];
                if (zones->items[i].n > high->n)
                        high = &zones->items[i];
        }
        *ret_low = low;
        *ret_high = high;
}

static void say_started(struct service_run *run, const char *zone, uint32_t n)
{
        struct task_names *names = &run->started;

        service_add_event(run->tx, run->service, run->now_ms, "has started %u tasks in %s to AZ Rebalance:%s.", n, zone, names->text.data);
        task_names_done(names);
}

bool service_rebalance(struct service_run *run, struct pool *primary)
{
        const struct zone *low, *high;
        struct zones zones;
        uint32_t room, n;

        if (!applies(run) || !pool_placement(run, primary))
                return false;
        count(run, primary, &zones);
        if (zones.n < 2)
                return false;
        find_extremes(&zones, &low, &high);
        if (high->n < low->n + 2) {
                if (run->control->unbalanced)
                        service_add_event(run->tx, run->service, run->now_ms, BALANCED "%s.", list_zones(run, &zones));
                run->control->unbalanced = false;
                return false;
        }
        room = service_ceiling(run->service->state, (uint32_t)run->service->state->desired_count) -
               (uint32_t)run->service->state->desired_count;
        n = service_launch(run, primary, MIN((high->n - low->n) / 2, room), low->name);
        if (n == 0)
                return false;
        service_say_once(run, UNBALANCED, arena_printf(tx_arena(run->tx), "%s. AZ Rebalancing in progress.", list_zones(run, &zones)));
        say_started(run, low->name, n);
        run->control->unbalanced = true;
        run->control->extra = n;
        snprintf(run->control->fullest, sizeof(run->control->fullest), "%s", high->name);
        return true;
}

/* The new tasks are healthy: as many go where most are. */
static void finish(struct service_run *run, struct service_group *group)
{
        struct service_control *control = run->control;
        struct task_names *names = &run->stopped;

        group->desired -= control->extra;
        control->extra = group->extra = 0;
        service_scale_group(run, group);
        if (names->n == 0)
                return;
        service_add_event(run->tx, run->service, run->now_ms, "has stopped %u running tasks in %s due to AZ rebalancing:%s.", names->n,
                          control->fullest, names->text.data);
        task_names_done(names);
}

bool service_run_rebalancing(struct service_run *run, const struct service_group *group)
{
        struct service_group all = *group;

        /* A deployment places its tasks in balance anyway. */
        if (service_current_deployment(run->controller->model, run->service))
                run->control->extra = 0;
        all.extra = run->control->extra;
        all.desired += all.extra;
        service_scale_group(run, &all);
        if (run->control->extra > 0 && run->blocked)
                run->control->extra = 0;
        else if (run->control->extra > 0 && service_group_settled(&all))
                finish(run, &all);
        all.desired = group->desired;
        return service_group_settled(&all);
}
