/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Daemon services: one task on each ACTIVE instance that satisfies the constraints. Instances that are to be emptied keep their
 * daemon until the last task of a replica service has left; tasks on instances that do not match any more are stopped.
 *
 * A rollout goes instance by instance under the same floor and ceiling as others; where maximumPercent is 100, as by default, the old
 * task is gone from an instance before the new one starts there.
 */
#include "control/service/service.h"

#include "base/map.h"
#include "base/strutil.h"
#include "control/task.h"

/* What the service has on one instance. */
struct site {
        struct map_node node; /* by the instance's key */
        bool matches;         /* it should have a daemon */
        struct task *current; /* live task of the primary */
        uint32_t n_old;       /* live tasks of older revisions */
        uint32_t n_leaving;
};

struct daemon {
        struct service_run *run;
        struct pool *primary;
        struct map sites;
        uint32_t desired, spare, allowed;
        bool beside; /* a new task may start while the old one is there */
};

static struct site *site_of(struct daemon *daemon, const struct instance *instance)
{
        struct site *site = map_get(&daemon->sites, instance->object.key, struct site, node);

        if (site)
                return site;
        site = ARENA_NEW(tx_arena(daemon->run->tx), struct site);
        map_insert(&daemon->sites, &site->node, instance->object.key);
        return site;
}

/* Whether the instance should have the daemon, room or not. */
static bool matches(struct daemon *daemon, struct instance *instance)
{
        struct placement_request *request = pool_placement(daemon->run, daemon->primary);
        const char *reason;

        if (instance->state->status != STATE_INSTANCE_STATUS_ACTIVE || instance_is_lost(instance))
                return false;
        if (!request || !daemon->run->controller->sched)
                return false;
        reason = sched_reason(daemon->run->controller->sched, request, instance);
        return !reason || str_starts_with(reason, "RESOURCE:") || str_eq(reason, "AGENT");
}

static void look_at_instances(struct daemon *daemon)
{
        list_for_each (instance, &daemon->run->service->cluster->instances, struct instance, in_cluster)
                if (matches(daemon, instance)) {
                        site_of(daemon, instance)->matches = true;
                        daemon->desired++;
                }
}

/* DescribeServices shows it. */
static void set_desired(struct daemon *daemon)
{
        struct service_run *run = daemon->run;
        struct state_service *state;

        if (run->service->state->desired_count == (int32_t)daemon->desired)
                return;
        state = tx_edit(run->tx, &run->service->object);
        SHAPE_SET(state, state_service, desired_count, (int32_t)daemon->desired);
        tx_put(run->tx, &run->service->object, state);
}

/* Two on one instance are one too many. */
static void note_task(struct daemon *daemon, struct pool *pool, int class, struct task *task)
{
        struct site *site = task->instance ? site_of(daemon, task->instance) : NULL;

        if (!site)
                return;
        if (class == POOL_LEAVING)
                site->n_leaving++;
        else if (pool != daemon->primary)
                site->n_old++;
        else if (!site->current)
                site->current = task;
        else
                service_scale_in_task(daemon->run, task);
}

static void look_at_tasks(struct daemon *daemon)
{
        uint32_t healthy = 0, floor = service_floor(daemon->run->service->state, daemon->desired);

        list_for_each (pool, &daemon->run->control->pools, struct pool, link) {
                healthy += pool_healthy(pool);
                for (int class = POOL_PENDING; class <= POOL_LEAVING; class ++)
                        if (class != POOL_STRANDED && class != POOL_LOST)
                                pool_for_each(task, pool, class) note_task(daemon, pool, class, task);
        }
        daemon->spare = healthy > floor ? healthy - floor : 0;
}

/* ---- Stopping ---- */

/* Daemons are the last to leave an instance. */
static bool is_needed(const struct instance *instance)
{
        list_for_each (task, &instance->tasks, struct task, in_instance)
                if (task->service && task->service->state->scheduling_strategy != ECS_SCHEDULING_STRATEGY_DAEMON)
                        return true;
        return false;
}

static bool spend(struct daemon *daemon)
{
        if (daemon->spare == 0)
                return false;
        daemon->spare--;
        return true;
}

/* Is it this task's turn to stop? */
static bool must_stop(struct daemon *daemon, const struct pool *pool, int class, const struct task *task)
{
        struct site *site = task->instance ? site_of(daemon, task->instance) : NULL;

        if (class == POOL_MOVING)
                return !is_needed(task->instance);
        if (!site || !site->matches)
                return true;
        if (class == POOL_UNHEALTHY)
                return site->n_leaving == 0;
        if (pool == daemon->primary)
                return false;
        if (task_is_protected(task, daemon->run->now_ms)) {
                service_wake(daemon->run, task->state->protected_until);
                daemon->run->control->sweep = true; /* also when nothing else changes until then */
                return false;
        }
        if (class == POOL_PENDING)
                return true;
        if (daemon->beside && (!site->current || site->current->place.class != POOL_HEALTHY))
                return false;
        return class == POOL_FRESH || spend(daemon);
}

static void stop_tasks(struct daemon *daemon)
{
        static const enum pool_class classes[] = {POOL_PENDING, POOL_FRESH, POOL_UNHEALTHY, POOL_MOVING, POOL_HEALTHY};

        list_for_each (pool, &daemon->run->control->pools, struct pool, link) {
                /* A deployment that has failed starts nothing, so nothing older makes room for it. */
                if (daemon->allowed == 0 && pool != daemon->primary)
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
                        pool_for_each(task, pool, classes[i]) if (must_stop(daemon, pool, classes[i], task))
                        {
                                if (daemon->run->turn->room == 0)
                                        return service_again(daemon->run);
                                service_scale_in_task(daemon->run, task);
                        }
        }
}

/* ---- Starting ---- */

static void start_on(struct daemon *daemon, struct instance *instance)
{
        struct site *site = site_of(daemon, instance);
        const char *reason;

        if (!site->matches || site->current || daemon->allowed == 0)
                return;
        if ((site->n_old > 0 || site->n_leaving > 0) && !daemon->beside)
                return;
        if (daemon->run->turn->room == 0)
                return service_again(daemon->run);
        if (service_launch_on(daemon->run, daemon->primary, instance, &reason)) {
                daemon->allowed--;
                return;
        }
        daemon->run->blocked = true;
        if (instance->connected)
                service_report_unplaced(daemon->run, daemon->primary);
}

void service_run_daemon(struct service_run *run, struct pool *primary, bool launch)
{
        struct daemon daemon = {.run = run, .primary = primary};

        if (!run->control->sweep) {
                run->blocked = run->waited;
                return;
        }
        run->control->sweep = false;
        map_init(&daemon.sites);
        look_at_instances(&daemon);
        set_desired(&daemon);
        look_at_tasks(&daemon);
        daemon.beside = service_ceiling(run->service->state, daemon.desired) > daemon.desired;
        daemon.allowed = launch ? service_launches_allowed(run, primary) : 0;
        stop_tasks(&daemon);
        list_for_each (instance, &run->service->cluster->instances, struct instance, in_cluster)
                start_on(&daemon, instance);
        map_done(&daemon.sites);
}

bool service_daemon_settled(struct service_run *run, struct pool *primary)
{
        uint32_t live = 0, leaving = 0;

        list_for_each (pool, &run->control->pools, struct pool, link) {
                live += pool_live(pool);
                leaving += pool->n[POOL_LEAVING];
        }
        return live == primary->n[POOL_HEALTHY] && leaving == 0 && live == (uint32_t)MAX(run->service->state->desired_count, 0);
}
