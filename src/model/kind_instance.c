/* SPDX-License-Identifier: Apache-2.0 */
/* Container instances: their cluster, and the ports that are reserved on them from the start. */
#include <errno.h>

#include "base/strutil.h"
#include "model/internal.h"
#include "model/ports.h"

static bool is_registered(const struct state_container_instance *state)
{
        return state->status != STATE_INSTANCE_STATUS_INACTIVE;
}

static void enter(struct instance *instance)
{
        list_push(&instance->cluster->instances, &instance->in_cluster);
        instance->cluster->n_instances++;
}

static void leave(struct instance *instance)
{
        list_remove(&instance->in_cluster);
        instance->cluster->n_instances--;
}

void instance_arrived(struct instance *instance)
{
        if (instance->awaited)
                instance->cluster->n_awaited--;
        instance->awaited = false;
}

static const char *zone_of(const struct state_container_instance *state)
{
        for (uint32_t i = 0; i < state->attributes.n; i++)
                if (str_eq(state->attributes.items[i].name, "ecs.availability-zone"))
                        return state->attributes.items[i].value;
        return NULL;
}

/* A removal that is being undone: the tasks that it had find it again. */
static void readopt(struct model *model, struct instance *instance)
{
        tree_for_each (node, model_objects(model, OBJECT_TASK)) {
                struct task *task = MODEL_OBJECT(node, task);

                if (task->instance == NULL)
                        task_join_instance(model, task);
        }
}

int instance_attach(struct model *model, struct object *object)
{
        struct instance *instance = CONTAINER_OF(object, struct instance, object);

        instance->cluster = model_cluster(model, instance->state->cluster);
        if (instance->cluster == NULL)
                return -ENOENT;
        instance->cluster->n_members++;
        instance->zone = zone_of(instance->state);
        list_init(&instance->in_cluster);
        list_init(&instance->tasks);
        list_init(&instance->stopped);
        if (instance->ports_used == NULL) {
                instance->ports_used = port_set_new();
                instance->ports_used_udp = port_set_new();
        }
        port_set_add_all(instance->ports_used, &instance->state->ports);
        port_set_add_all(instance->ports_used_udp, &instance->state->ports_udp);
        if (is_registered(instance->state))
                enter(instance);
        if (is_registered(instance->state) && model->loading) {
                instance->awaited = true;
                instance->cluster->n_awaited++;
        }
        if (model->tx.undoing)
                readopt(model, instance);
        return 0;
}

void instance_change(struct model *model, struct object *object, const void *old_state)
{
        struct instance *instance = CONTAINER_OF(object, struct instance, object);
        const struct state_container_instance *old = old_state;

        instance->zone = zone_of(instance->state);
        port_set_add_all(instance->ports_used, &instance->state->ports);
        port_set_add_all(instance->ports_used_udp, &instance->state->ports_udp);
        port_set_remove_all(instance->ports_used, &old->ports);
        port_set_remove_all(instance->ports_used_udp, &old->ports_udp);
        if (is_registered(old) && !is_registered(instance->state)) {
                leave(instance);
                instance_arrived(instance);
        }
        if (!is_registered(old) && is_registered(instance->state))
                enter(instance);
}

void instance_detach(struct model *model, struct object *object)
{
        struct instance *instance = CONTAINER_OF(object, struct instance, object);
        struct task *task;

        while ((task = list_first(&instance->tasks, struct task, in_instance)) != NULL)
                task_leave_instance(task);
        while ((task = list_first(&instance->stopped, struct task, in_instance)) != NULL)
                task_leave_instance(task);
        port_set_remove_all(instance->ports_used, &instance->state->ports);
        port_set_remove_all(instance->ports_used_udp, &instance->state->ports_udp);
        if (is_registered(instance->state))
                leave(instance);
        instance_arrived(instance);
        instance->cluster->n_members--;
}

void instance_release(struct object *object)
{
        struct instance *instance = CONTAINER_OF(object, struct instance, object);

        instance->ports_used = port_set_free(instance->ports_used);
        instance->ports_used_udp = port_set_free(instance->ports_used_udp);
}
