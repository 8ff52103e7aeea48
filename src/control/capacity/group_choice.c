/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a group's next machine goes, and which machine goes next. Zones stay balanced; a machine that is protected, or has a task
 * that must not be interrupted, is never chosen; one without tasks goes before one with tasks; then the group's termination policies
 * decide, and last the age.
 */
#include <string.h>

#include "base/strutil.h"
#include "control/capacity/group.h"
#include "control/service/service.h"
#include "model/network.h"

/* ---- Zones ---- */

static uint32_t live_in(const struct scaling_group *group, const char *zone)
{
        uint32_t n = 0;

        list_for_each (machine, &group->machines, struct machine, in_group)
                n += machine_is_live(machine) && str_eq(machine->state->zone, zone);
        return n;
}

/* The subnet of the group in that zone, or NULL. */
static const char *subnet_in(struct model *model, const struct scaling_group *group, const char *zone, struct arena *arena)
{
        char *ids = arena_strdup(arena, group->state->group->vpc_zone_identifier), *rest = NULL;

        for (char *id = ids != NULL ? strtok_r(ids, ", ", &rest) : NULL; id != NULL; id = strtok_r(NULL, ", ", &rest)) {
                const struct subnet *subnet = model_subnet(model, id);

                if (subnet != NULL && str_eq(subnet->state->zone, zone))
                        return subnet->state->id;
        }
        return NULL;
}

const char *group_next_zone(struct model *model, const struct scaling_group *group, struct arena *arena, const char **ret_subnet)
{
        const struct string_list *zones = &group->state->group->availability_zones;
        const char *best = NULL;
        uint32_t fewest = UINT32_MAX;

        for (uint32_t i = 0; i < zones->n; i++) {
                uint32_t n = live_in(group, zones->items[i]);

                if (n < fewest) {
                        fewest = n;
                        best = zones->items[i];
                }
        }
        *ret_subnet = best != NULL ? subnet_in(model, group, best, arena) : NULL;
        return best;
}

/* ---- Tasks ---- */

static bool is_daemon(const struct task *task)
{
        return task->service != NULL && task->service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
}

uint32_t machine_tasks(struct model *model, const struct machine *machine, int64_t now_ms, bool *ret_guarded)
{
        const struct instance *instance = model_machine_instance(model, machine);
        uint32_t n = 0;

        *ret_guarded = false;
        if (instance == NULL)
                return 0;
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                if (task_is_over(task->state) || is_daemon(task))
                        continue;
                n++;
                *ret_guarded |= task_is_protected(task, now_ms);
        }
        return n;
}

/* ---- Victims ---- */

struct candidate {
        struct machine *machine;
        uint32_t tasks;
        uint32_t in_zone;  /* live machines of the group there */
        int64_t template_; /* version; 0: of none */
};

/* Each is positive when `a` should go rather than `b`. */
static int by_age(const struct candidate *a, const struct candidate *b)
{
        return (a->machine->state->launched_at < b->machine->state->launched_at) -
               (a->machine->state->launched_at > b->machine->state->launched_at);
}

static int by_youth(const struct candidate *a, const struct candidate *b)
{
        return -by_age(a, b);
}

static int by_template(const struct candidate *a, const struct candidate *b)
{
        return (a->template_ < b->template_) - (a->template_ > b->template_);
}

static const struct {
        const char *name;
        int (*compare)(const struct candidate *a, const struct candidate *b);
} policies[] = {
        {"Default", by_template},
        {"OldestInstance", by_age},
        {"NewestInstance", by_youth},
        {"OldestLaunchTemplate", by_template},
        {"OldestLaunchConfiguration", by_template},
        {"ClosestToNextInstanceHour", by_age},
        {"AllocationStrategy", by_template},
};

static int by_policy(const struct scaling_group *group, const struct candidate *a, const struct candidate *b)
{
        const struct string_list *wanted = &group->state->group->termination_policies;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < wanted->n; i++)
                for (size_t j = 0; r == 0 && j < ARRAY_SIZE(policies); j++)
                        if (str_eq(wanted->items[i], policies[j].name))
                                r = policies[j].compare(a, b);
        return r;
}

static bool goes_before(const struct scaling_group *group, const struct candidate *a, const struct candidate *b)
{
        int r = (a->tasks == 0) - (b->tasks == 0);

        if (r == 0)
                r = (a->in_zone > b->in_zone) - (a->in_zone < b->in_zone);
        if (r == 0)
                r = (a->tasks < b->tasks) - (a->tasks > b->tasks);
        if (r == 0)
                r = by_policy(group, a, b);
        if (r == 0)
                r = by_age(a, b);
        return r > 0;
}

/* Live machines by zone: counted once, not once for each machine. */
struct zone_count {
        const char *zone;
        uint32_t n;
};

static uint32_t *count_of(struct zone_count *zones, uint32_t *n_zones, const char *zone)
{
        for (uint32_t i = 0; i < *n_zones; i++)
                if (str_eq(zones[i].zone, zone))
                        return &zones[i].n;
        zones[*n_zones] = (struct zone_count){.zone = zone};
        return &zones[(*n_zones)++].n;
}

struct machine *group_next_victim(struct model *model, const struct scaling_group *group, int64_t now_ms)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct zone_count *zones = arena_calloc(&arena, group->n_machines + 1, sizeof(*zones));
        struct candidate best = {0};
        uint32_t n_zones = 0;

        list_for_each (machine, &group->machines, struct machine, in_group)
                *count_of(zones, &n_zones, machine->state->zone) += machine_is_live(machine);

        list_for_each (machine, &group->machines, struct machine, in_group) {
                struct candidate candidate = {.machine = machine};
                bool guarded;

                if (!machine_is_live(machine) || machine->state->protected)
                        continue;
                candidate.tasks = machine_tasks(model, machine, now_ms, &guarded);
                candidate.in_zone = *count_of(zones, &n_zones, machine->state->zone);
                if (guarded)
                        continue;
                if (machine->state->template_version != NULL && str_to_int64(machine->state->template_version, &candidate.template_) < 0)
                        candidate.template_ = 0;
                if (best.machine == NULL || goes_before(group, &candidate, &best))
                        best = candidate;
        }
        return best.machine;
}
