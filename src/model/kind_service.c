/* SPDX-License-Identifier: Apache-2.0 */
/* Services and what belongs to them: each in its service's list, in the order of its making. */
#include <errno.h>
#include <string.h>

#include "model/internal.h"
#include "model/service.h"

static void count_in_cluster(struct cluster *cluster, const struct state_service *state, int sign)
{
        size_t n = (size_t)sign; /* adding SIZE_MAX takes one away */

        cluster->n_services += state->status != STATE_SERVICE_STATUS_INACTIVE ? n : 0;
        cluster->n_services_active += state->status == STATE_SERVICE_STATUS_ACTIVE ? n : 0;
}

int service_attach(struct model *model, struct object *object)
{
        struct service *service = CONTAINER_OF(object, struct service, object);

        service->cluster = model_cluster(model, service->state->cluster);
        if (service->cluster == NULL)
                return -ENOENT;
        list_push(&service->cluster->services, &service->in_cluster);
        service->cluster->n_members++;
        count_in_cluster(service->cluster, service->state, 1);
        list_init(&service->revisions);
        list_init(&service->deployments);
        list_init(&service->events);
        list_init(&service->task_sets);
        list_init(&service->tasks);
        return 0;
}

void service_change(struct model *model, struct object *object, const void *old_state)
{
        struct service *service = CONTAINER_OF(object, struct service, object);

        count_in_cluster(service->cluster, old_state, -1);
        count_in_cluster(service->cluster, service->state, 1);
}

void service_detach(struct model *model, struct object *object)
{
        struct service *service = CONTAINER_OF(object, struct service, object);

        assert(list_empty(&service->revisions) && list_empty(&service->deployments) && list_empty(&service->events));
        assert(list_empty(&service->task_sets) && list_empty(&service->tasks));
        count_in_cluster(service->cluster, service->state, -1);
        service->cluster->n_members--;
        list_remove(&service->in_cluster);
}

/* Most come in order; only loading meets them by key, and then there are few. `type` has `in_service` and a state with `member`. */
#define INSERT_IN_ORDER(head, item, type, member)                                                                               \
        do {                                                                                                                    \
                struct list *position_ = (head)->prev;                                                                          \
                                                                                                                                \
                while (position_ != (head) && CONTAINER_OF(position_, type, in_service)->state->member > (item)->state->member) \
                        position_ = position_->prev;                                                                            \
                list_insert_before(position_->next, &(item)->in_service);                                                       \
        } while (0)

int service_revision_attach(struct model *model, struct object *object)
{
        struct service_revision *revision = CONTAINER_OF(object, struct service_revision, object);

        revision->service = model_service(model, revision->state->cluster, revision->state->service);
        if (revision->service == NULL)
                return -ENOENT;
        INSERT_IN_ORDER(&revision->service->revisions, revision, struct service_revision, created_at);
        discovery_user_join(model, &revision->discovery, object);
        return 0;
}

void service_revision_detach(struct model *model, struct object *object)
{
        struct service_revision *revision = CONTAINER_OF(object, struct service_revision, object);

        assert(task_counts_none(&revision->counts));
        discovery_user_leave(&revision->discovery);
        list_remove(&revision->in_service);
}

int service_deployment_attach(struct model *model, struct object *object)
{
        struct service_deployment *deployment = CONTAINER_OF(object, struct service_deployment, object);

        deployment->service = model_service(model, deployment->state->cluster, deployment->state->service);
        if (deployment->service == NULL)
                return -ENOENT;
        INSERT_IN_ORDER(&deployment->service->deployments, deployment, struct service_deployment, created_at);
        return 0;
}

void service_deployment_detach(struct model *model, struct object *object)
{
        list_remove(&CONTAINER_OF(object, struct service_deployment, object)->in_service);
}

int service_event_attach(struct model *model, struct object *object)
{
        struct service_event *event = CONTAINER_OF(object, struct service_event, object);

        event->service = model_service(model, event->state->cluster, event->state->service);
        if (event->service == NULL)
                return -ENOENT;
        INSERT_IN_ORDER(&event->service->events, event, struct service_event, number);
        return 0;
}

/* The slot is used anew: the event moves to its place. */
void service_event_change(struct model *model, struct object *object, const void *old_state)
{
        struct service_event *event = CONTAINER_OF(object, struct service_event, object);

        list_remove(&event->in_service);
        INSERT_IN_ORDER(&event->service->events, event, struct service_event, number);
}

void service_event_detach(struct model *model, struct object *object)
{
        list_remove(&CONTAINER_OF(object, struct service_event, object)->in_service);
}

int task_set_attach(struct model *model, struct object *object)
{
        struct task_set *set = CONTAINER_OF(object, struct task_set, object);

        set->service = model_service(model, set->state->cluster, set->state->service);
        if (set->service == NULL)
                return -ENOENT;
        INSERT_IN_ORDER(&set->service->task_sets, set, struct task_set, created_at);
        discovery_user_join(model, &set->discovery, object);
        return 0;
}

void task_set_detach(struct model *model, struct object *object)
{
        struct task_set *set = CONTAINER_OF(object, struct task_set, object);

        assert(task_counts_none(&set->counts));
        discovery_user_leave(&set->discovery);
        list_remove(&set->in_service);
}

/* ---- Their tasks ---- */

static void count(struct task_counts *counts, const struct state_task *state, int sign)
{
        uint32_t n = (uint32_t)sign; /* adding UINT32_MAX takes one away */

        if (state->last_status < STATE_TASK_STATUS_RUNNING)
                counts->pending += n;
        else if (state->last_status == STATE_TASK_STATUS_RUNNING)
                counts->running += n;
        else
                counts->stopping += n;
}

static void count_task(struct task *task, const struct state_task *state, int sign)
{
        count(&task->service->counts, state, sign);
        if (task->revision != NULL)
                count(&task->revision->counts, state, sign);
        if (task->task_set != NULL)
                count(&task->task_set->counts, state, sign);
}

static bool belongs(const struct state_task *state)
{
        return state->service_name != NULL && !task_is_over(state);
}

void task_join_service(struct model *model, struct task *task, const struct state_task *state)
{
        if (!belongs(state))
                return;
        task->service = model_service(model, state->cluster, state->service_name);
        if (task->service == NULL)
                return;
        list_push(&task->service->tasks, &task->in_service);
        if (state->service_revision != NULL) {
                task->revision = model_service_revision(model, state->cluster, state->service_name, state->service_revision);
                if (task->revision == NULL)
                        task->task_set = model_task_set(model, state->cluster, state->service_name, state->service_revision);
        }
        count_task(task, state, 1);
}

void task_leave_service(struct task *task, const struct state_task *state)
{
        if (task->service == NULL)
                return;
        count_task(task, state, -1);
        list_remove(&task->in_service);
        task->service = NULL;
        task->revision = NULL;
        task->task_set = NULL;
}

void task_change_service(struct model *model, struct task *task, const struct state_task *old)
{
        if (belongs(old) != belongs(task->state)) {
                task_leave_service(task, old);
                task_join_service(model, task, task->state);
        } else if (task->service != NULL && old->last_status != task->state->last_status) {
                count_task(task, old, -1);
                count_task(task, task->state, 1);
        }
}
