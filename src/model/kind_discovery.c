/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, their services and instances; which revisions and task sets of ECS use a service. */
#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "model/discovery.h"
#include "model/internal.h"
#include "model/service.h"

int discovery_namespace_attach(struct model *model, struct object *object)
{
        list_init(&CONTAINER_OF(object, struct discovery_namespace, object)->services);
        return 0;
}

void discovery_namespace_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct discovery_namespace, object)->services));
}

int discovery_instance_attach(struct model *model, struct object *object)
{
        struct discovery_instance *instance = CONTAINER_OF(object, struct discovery_instance, object);

        instance->service = model_discovery_service(model, instance->state->service);
        if (instance->service == NULL)
                return -ENOENT;
        list_push(&instance->service->instances, &instance->in_service);
        instance->service->n_instances++;
        return 0;
}

void discovery_instance_detach(struct model *model, struct object *object)
{
        struct discovery_instance *instance = CONTAINER_OF(object, struct discovery_instance, object);

        list_remove(&instance->in_service);
        instance->service->n_instances--;
}

/* ---- Users ---- */

static const struct ecs_service_registry_list *registries_of(const struct object *owner)
{
        if (owner->kind == OBJECT_TASK_SET)
                return &CONTAINER_OF(owner, const struct task_set, object)->state->service_registries;
        return &CONTAINER_OF(owner, const struct service_revision, object)->state->service_registries;
}

const struct ecs_service_registry *discovery_user_registry(const struct discovery_user *user)
{
        return &registries_of(user->owner)->items[0];
}

void discovery_user_join(struct model *model, struct discovery_user *user, struct object *owner)
{
        const struct ecs_service_registry_list *registries = registries_of(owner);
        const char *arn = registries->n > 0 ? registries->items[0].registry_arn : NULL, *id = arn != NULL ? strrchr(arn, '/') : NULL;

        *user = (struct discovery_user){.owner = owner};
        list_init(&user->in_service);
        if (id == NULL)
                return;
        /* The rest of the ARN was checked when it came; while loading nobody knows the account yet. */
        user->service = model_discovery_service(model, id + 1);
        if (user->service != NULL)
                list_push(&user->service->users, &user->in_service);
}

void discovery_user_leave(struct discovery_user *user)
{
        list_remove(&user->in_service);
        user->service = NULL;
}

/* Users that were there before their service: after loading, and when its removal is undone. */
static void find_users(struct model *model, const char *id)
{
        tree_for_each (node, model_objects(model, OBJECT_SERVICE_REVISION)) {
                struct service_revision *revision = MODEL_OBJECT(node, service_revision);

                if (revision->state->service_registries.n > 0 && revision->discovery.service == NULL &&
                    str_ends_with(revision->state->service_registries.items[0].registry_arn, id))
                        discovery_user_join(model, &revision->discovery, &revision->object);
        }
        tree_for_each (node, model_objects(model, OBJECT_TASK_SET)) {
                struct task_set *set = MODEL_OBJECT(node, task_set);

                if (set->state->service_registries.n > 0 && set->discovery.service == NULL &&
                    str_ends_with(set->state->service_registries.items[0].registry_arn, id))
                        discovery_user_join(model, &set->discovery, &set->object);
        }
}

int discovery_service_attach(struct model *model, struct object *object)
{
        struct discovery_service *service = CONTAINER_OF(object, struct discovery_service, object);

        service->namespace = model_discovery_namespace(model, service->state->namespace);
        if (service->namespace == NULL)
                return -ENOENT;
        list_push(&service->namespace->services, &service->in_namespace);
        service->namespace->n_services++;
        list_init(&service->instances);
        list_init(&service->users);
        find_users(model, service->state->id);
        return 0;
}

void discovery_service_detach(struct model *model, struct object *object)
{
        struct discovery_service *service = CONTAINER_OF(object, struct discovery_service, object);

        assert(list_empty(&service->instances));
        list_for_each (user, &service->users, struct discovery_user, in_service)
                discovery_user_leave(user);
        list_remove(&service->in_namespace);
        service->namespace->n_services--;
}
