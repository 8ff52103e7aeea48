/* SPDX-License-Identifier: Apache-2.0 */
/* Which container may start or stop when. */
#include "agent/engine/depend.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

enum condition { ON_START = 0, ON_COMPLETE, ON_SUCCESS, ON_HEALTHY, CONDITION_MAX };

static const char *const condition_names[CONDITION_MAX] = {"START", "COMPLETE", "SUCCESS", "HEALTHY"};

struct edge {
        const char *name; /* as written, for messages */
        const struct engine_container *target;
        enum condition condition;
};

static int condition_parse(const char *word, enum condition *ret)
{
        for (int i = 0; i < CONDITION_MAX; i++) {
                if (str_eq(word, condition_names[i])) {
                        *ret = (enum condition)i;
                        return 0;
                }
        }
        return -EINVAL;
}

static struct engine_container *find(const struct engine_task *task, const char *name, size_t len)
{
        for (uint32_t i = 0; i < task->n_containers; i++) {
                const char *candidate = task->containers[i].definition->name;

                if (candidate != NULL && strlen(candidate) == len && memcmp(candidate, name, len) == 0)
                        return &task->containers[i];
        }
        return NULL;
}

struct engine_container *depend_link(const struct engine_task *task, const char *link, const char **ret_alias)
{
        const char *colon = strchr(link, ':');

        if (ret_alias != NULL)
                *ret_alias = colon != NULL ? colon + 1 : link;
        return find(task, link, colon != NULL ? (size_t)(colon - link) : strlen(link));
}

static uint32_t n_edges(const struct engine_container *container)
{
        const struct acs_container *def = container->definition;

        return def->depends_on.n + def->links.n + def->volumes_from.n;
}

/* The `i`-th thing that a container waits for, over the three lists. -EINVAL for an unknown condition word. */
static int edge_at(const struct engine_container *container, uint32_t i, struct edge *ret)
{
        const struct acs_container *def = container->definition;
        const struct engine_task *task = container->task;

        *ret = (struct edge){.name = ""};
        if (i < def->depends_on.n) {
                const struct acs_container_dependency *d = &def->depends_on.items[i];

                ret->name = d->container_name != NULL ? d->container_name : "";
                ret->target = find(task, ret->name, strlen(ret->name));
                return condition_parse(d->condition, &ret->condition);
        }
        i -= def->depends_on.n;
        if (i < def->links.n) {
                *ret = (struct edge){.name = def->links.items[i], .condition = ON_START};
                ret->target = depend_link(task, ret->name, NULL);
                return 0;
        }
        const char *source = def->volumes_from.items[i - def->links.n].source_container;
        /* Started and not only created: then the volumes that the image asks for are there too. */
        *ret = (struct edge){.name = source != NULL ? source : "", .condition = ON_START};
        ret->target = find(task, ret->name, strlen(ret->name));
        return 0;
}

static int validate_edges(const struct engine_container *c, struct error *error)
{
        for (uint32_t i = 0; i < n_edges(c); i++) {
                struct edge e = {0};
                int r = edge_at(c, i, &e);

                if (r < 0)
                        return error_set(error, EINVAL, "container %s waits for %s with an unknown condition", c->definition->name, e.name);
                if (e.target == NULL)
                        return error_set(error, EINVAL, "container %s refers to container %s, which the task does not have",
                                         c->definition->name, e.name);
        }
        return 0;
}

/* Marks a container done when all that it waits for is done; true if something was marked. */
static bool settle_pass(const struct engine_task *task, bool *done)
{
        bool progress = false;

        for (uint32_t i = 0; i < task->n_containers; i++) {
                bool ready = !done[i];

                for (uint32_t k = 0; ready && k < n_edges(&task->containers[i]); k++) {
                        struct edge e = {0};

                        (void)edge_at(&task->containers[i], k, &e);
                        ready = done[e.target->index];
                }
                if (ready)
                        done[i] = progress = true;
        }
        return progress;
}

int depend_validate(const struct engine_task *task, struct error *error)
{
        CLEANUP_FREE bool *done = xcalloc(task->n_containers + 1, sizeof(bool));

        for (uint32_t i = 0; i < task->n_containers; i++) {
                int r = validate_edges(&task->containers[i], error);

                if (r < 0)
                        return r;
        }
        while (settle_pass(task, done))
                ;
        for (uint32_t i = 0; i < task->n_containers; i++) {
                if (!done[i])
                        return error_set(error, EINVAL, "container %s depends on itself through dependsOn, links or volumesFrom",
                                         task->containers[i].definition->name);
        }
        return 0;
}

/* Whether the target can still get to what is waited for. */
static enum depend_verdict check_edge(const struct engine_container *c, const struct edge *e, struct error *error)
{
        const struct engine_container *t = e->target;
        bool stopped = t->state == CONTAINER_STOPPED;
        bool met = false;

        assert(e->condition < CONDITION_MAX); /* the definition was checked when it came in */
        switch (e->condition) {
        case ON_START:
                met = t->has_run;
                break;
        case ON_COMPLETE:
                met = stopped && t->has_run;
                break;
        case ON_SUCCESS:
                met = stopped && t->has_exit_code && t->exit_code == 0;
                break;
        case ON_HEALTHY:
                met = t->state == CONTAINER_RUNNING && t->health.status == HEALTH_HEALTHY;
                break;
        case CONDITION_MAX:
                break;
        }
        if (met)
                return DEPEND_READY;
        if (!stopped && !(e->condition == ON_HEALTHY && !engine_container_has_health(t)))
                return DEPEND_WAIT;
        if (stopped && t->has_exit_code)
                error_set(error, ECANCELED, "container %s waits for %s: %s, but that ended with exit code %d", c->definition->name, e->name,
                          condition_names[e->condition], t->exit_code);
        else
                error_set(error, ECANCELED, "container %s waits for %s: %s, but that %s", c->definition->name, e->name,
                          condition_names[e->condition], stopped ? "could not be started" : "has no health check");
        return DEPEND_NEVER;
}

/* Milliseconds that the target still has to complete or get healthy, or -1 without a limit. */
static int64_t edge_limit_ms(const struct edge *e, int64_t now_us)
{
        const struct engine_container *t = e->target;
        bool limited = e->condition == ON_COMPLETE || e->condition == ON_SUCCESS || e->condition == ON_HEALTHY;

        if (!limited || t->definition->start_timeout <= 0 || t->running_since_us == 0)
                return -1;
        return MAX(t->definition->start_timeout * INT64_C(1000) - (now_us - t->running_since_us) / 1000, 0);
}

enum depend_verdict depend_check(const struct engine_container *c, int64_t now_us, int64_t *ret_limit_ms, struct error *error)
{
        enum depend_verdict verdict = DEPEND_READY;
        int64_t limit = -1;

        for (uint32_t i = 0; i < n_edges(c); i++) {
                struct edge e = {0};

                (void)edge_at(c, i, &e);
                enum depend_verdict one = check_edge(c, &e, error);
                int64_t left = one == DEPEND_WAIT ? edge_limit_ms(&e, now_us) : -1;
                if (left == 0) {
                        error_set(error, ETIMEDOUT, "container %s waited for %s: %s longer than that one's startTimeout of %d seconds",
                                  c->definition->name, e.name, condition_names[e.condition], e.target->definition->start_timeout);
                        one = DEPEND_NEVER;
                }
                if (one == DEPEND_NEVER)
                        return DEPEND_NEVER;
                if (one == DEPEND_WAIT)
                        verdict = DEPEND_WAIT;
                if (left > 0 && (limit < 0 || left < limit))
                        limit = left;
        }
        *ret_limit_ms = limit;
        return verdict;
}

bool depend_may_stop(const struct engine_container *container)
{
        const struct engine_task *task = container->task;

        for (uint32_t i = 0; i < task->n_containers; i++) {
                const struct engine_container *other = &task->containers[i];

                if (other->state == CONTAINER_STOPPED)
                        continue;
                for (uint32_t k = 0; k < n_edges(other); k++) {
                        struct edge e = {0};

                        if (edge_at(other, k, &e) == 0 && e.target == container)
                                return false;
                }
        }
        return true;
}
