/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container starts before which: dependsOn, links and volumesFrom. Each names containers that exist, and together they must
 * not go round in a circle.
 */
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

/* Containers are at most ten, so sets of them are bits. */
_Static_assert(sizeof(uint32_t) * 8 > 10, "a bit for each container");

static uint32_t index_of(const struct taskdef *t, const struct ecs_container_definition *c)
{
        return (uint32_t)(c - t->def->container_definitions.items);
}

static int check_dependency(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const struct ecs_container_dependency *d = &c->depends_on.items[i];
        const struct ecs_container_definition *other = taskdef_container(t, d->container_name);
        const char *condition = shape_enum_name(&ecs_container_condition_enum, (int)d->condition);

        if (other == NULL)
                return taskdef_refuse(t,
                                      "Invalid setting for container '%s'. dependsOn[%u].containerName: there is no container \"%.255s\" "
                                      "in this definition.",
                                      c->name, i, d->container_name);
        if (other == c)
                return taskdef_refuse(t, "Invalid setting for container '%s'. dependsOn[%u]: a container cannot depend on itself.", c->name,
                                      i);
        if (d->condition == ECS_CONTAINER_CONDITION_HEALTHY && other->health_check == NULL)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. dependsOn[%u].condition: HEALTHY needs a healthCheck in container '%s'.",
                        c->name, i, other->name);
        if ((d->condition == ECS_CONTAINER_CONDITION_COMPLETE || d->condition == ECS_CONTAINER_CONDITION_SUCCESS) &&
            container_is_essential(other))
                return taskdef_refuse(
                        t,
                        "Invalid setting for container '%s'. dependsOn[%u].condition: %s cannot be waited for, because container '%s' is "
                        "essential: when it exits the task stops.",
                        c->name, i, condition, other->name);
        return 0;
}

/* "name:alias" or "name" */
static const struct ecs_container_definition *link_target(const struct taskdef *t, const char *link)
{
        const char *colon = strchr(link, ':');

        return taskdef_container(t, colon != NULL ? arena_strndup(t->arena, link, (size_t)(colon - link)) : link);
}

static int check_link(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const struct ecs_container_definition *other = link_target(t, c->links.items[i]);

        if (other == NULL)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. links[%u]: there is no container for \"%.255s\" in this definition.",
                        c->name, i, c->links.items[i]);
        if (other == c)
                return taskdef_refuse(t, "Invalid setting for container '%s'. links[%u]: a container cannot link to itself.", c->name, i);
        return 0;
}

/* The containers that must be there before `c`. Names have been checked. */
static uint32_t needs(const struct taskdef *t, const struct ecs_container_definition *c)
{
        uint32_t set = 0;

        for (uint32_t i = 0; i < c->depends_on.n; i++)
                set |= 1u << index_of(t, taskdef_container(t, c->depends_on.items[i].container_name));
        for (uint32_t i = 0; i < c->links.n; i++)
                set |= 1u << index_of(t, link_target(t, c->links.items[i]));
        for (uint32_t i = 0; i < c->volumes_from.n; i++)
                set |= 1u << index_of(t, taskdef_container(t, c->volumes_from.items[i].source_container));
        return set;
}

/* Takes away, again and again, every container whose needs are met; what is left runs in a circle. */
static int check_circles(struct taskdef *t)
{
        uint32_t n = t->def->container_definitions.n, started = 0, before;
        const uint32_t all = (1u << n) - 1;

        do {
                before = started;
                TASKDEF_FOR_EACH_CONTAINER (t, c, i)
                        if ((needs(t, c) & ~started) == 0)
                                started |= 1u << i;
        } while (started != before);
        if (started == all)
                return 0;
        TASKDEF_FOR_EACH_CONTAINER (t, c, i)
                if ((started & (1u << i)) == 0)
                        return taskdef_refuse(t, "Container '%s' waits for itself: dependsOn, links and volumesFrom form a circle.",
                                              c->name);
        return 0;
}

int taskdef_check_graph(struct taskdef *t)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = 0;

                for (uint32_t k = 0; r == 0 && k < c->depends_on.n; k++)
                        r = check_dependency(t, c, k);
                for (uint32_t k = 0; r == 0 && k < c->links.n; k++)
                        r = check_link(t, c, k);
                if (r < 0)
                        return r;
        }
        return check_circles(t);
}
