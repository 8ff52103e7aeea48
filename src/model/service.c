/* SPDX-License-Identifier: Apache-2.0 */
/* Finding services and what belongs to them, their names, their events. */
#include "model/service.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/strutil.h"
#include "model/internal.h"

struct service_revision *service_primary(struct model *model, const struct service *service)
{
        const struct state_service *state = service->state;

        return state->primary != NULL ? model_service_revision(model, state->cluster, state->name, state->primary) : NULL;
}

struct service_deployment *service_newest_deployment(struct model *model, const struct service *service)
{
        const struct state_service *state = service->state;

        return state->deployment != NULL ? model_service_deployment(model, state->cluster, state->name, state->deployment) : NULL;
}

bool service_revision_in_use(const struct service_revision *revision)
{
        if (task_counts_none(&revision->counts))
                return false;
        list_for_each (task, &revision->service->tasks, struct task, in_service)
                if (task->revision == revision &&
                    (task->state->desired_status != STATE_TASK_STATUS_STOPPED || task->instance == NULL || !task->instance->lost))
                        return true;
        return false;
}

void service_add_event(struct tx *tx, struct service *service, int64_t now_ms, const char *fmt, ...)
{
        bool any = !list_empty(&service->events);
        struct service_event *oldest = any ? CONTAINER_OF(service->events.next, struct service_event, in_service) : NULL;
        struct service_event *newest = any ? CONTAINER_OF(service->events.prev, struct service_event, in_service) : NULL;
        struct state_service_event event = {
                .cluster = service->state->cluster,
                .service = service->state->name,
                .created_at = now_ms,
        };
        char id[37], text[2048];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        env_random_uuid(model_env(tx->model), id);
        event.id = id;
        event.message = arena_printf(tx_arena(tx), "(service %s) %s", event.service, text);
        SHAPE_SET(&event, state_service_event, number, any ? newest->state->number + 1 : 0);
        /* The slot of its number is that of the oldest when there are a hundred. */
        if (any && event.number - oldest->state->number >= SERVICE_EVENTS)
                tx_put(tx, &oldest->object, &event);
        else
                tx_insert(tx, OBJECT_SERVICE_EVENT, &event);
}

void service_forget(struct tx *tx, struct service *service)
{
        list_for_each (event, &service->events, struct service_event, in_service)
                tx_remove(tx, &event->object);
        list_for_each (deployment, &service->deployments, struct service_deployment, in_service)
                tx_remove(tx, &deployment->object);
        list_for_each (revision, &service->revisions, struct service_revision, in_service)
                tx_remove(tx, &revision->object);
        list_for_each (set, &service->task_sets, struct task_set, in_service)
                tx_remove(tx, &set->object);
        tx_remove(tx, &service->object);
}

/* arn:aws:ecs:REGION:ACCOUNT:TYPE/ */
static char *arn_of(const struct model *model, struct arena *arena, const char *type, const char *rest)
{
        return arena_printf(arena, "arn:aws:ecs:%s:%s:%s/%s", model_region(model), model_account(model), type, rest);
}

char *model_service_arn(const struct model *model, struct arena *arena, const char *cluster, const char *name)
{
        return arn_of(model, arena, "service", arena_printf(arena, "%s/%s", cluster, name));
}

char *model_service_revision_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service, const char *id)
{
        return arn_of(model, arena, "service-revision", arena_printf(arena, "%s/%s/%s", cluster, service, id));
}

char *model_service_deployment_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service, const char *id)
{
        return arn_of(model, arena, "service-deployment", arena_printf(arena, "%s/%s/%s", cluster, service, id));
}

char *model_task_set_arn(const struct model *model, struct arena *arena, const char *cluster, const char *service, const char *id)
{
        return arn_of(model, arena, "task-set", arena_printf(arena, "%s/%s/ecs-svc/%s", cluster, service, id));
}
