/* SPDX-License-Identifier: Apache-2.0 */
/* Families and their task definitions. */
#include <errno.h>

#include "model/internal.h"

int family_attach(struct model *model, struct object *object)
{
        list_init(&CONTAINER_OF(object, struct family, object)->revisions);
        return 0;
}

void family_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct family, object)->revisions));
}

static int revision_of(const struct task_definition *definition)
{
        return definition->state->definition->revision;
}

static bool is_active(const struct state_task_definition *state)
{
        return state->definition->status == ECS_TASK_DEFINITION_STATUS_ACTIVE;
}

/* Counts the definition with its family, or no longer. */
static void count(struct task_definition *definition)
{
        struct family *family = definition->family;

        family->n_active++;
        if (family->latest == NULL || revision_of(family->latest) < revision_of(definition))
                family->latest = definition;
}

static void uncount(struct task_definition *definition)
{
        struct family *family = definition->family;
        struct list *position;

        family->n_active--;
        if (family->latest != definition)
                return;
        family->latest = NULL;
        if (family->n_active == 0)
                return;
        for (position = definition->in_family.prev; position != &family->revisions; position = position->prev) {
                struct task_definition *before = CONTAINER_OF(position, struct task_definition, in_family);

                if (is_active(before->state)) {
                        family->latest = before;
                        return;
                }
        }
}

/* Revisions come in ascending order nearly always, so the place is found from the end. */
static void insert_sorted(struct family *family, struct task_definition *definition)
{
        struct list *position = family->revisions.prev;

        while (position != &family->revisions &&
               revision_of(CONTAINER_OF(position, struct task_definition, in_family)) > revision_of(definition))
                position = position->prev;
        list_insert_before(position->next, &definition->in_family);
}

/* A removal that is being undone: tasks that used the definition find it again. */
static void readopt(struct model *model, struct task_definition *definition)
{
        tree_for_each (node, &model->objects[OBJECT_TASK]) {
                struct task *task = MODEL_OBJECT(node, task);

                if (task->definition == NULL)
                        task_join_definition(model, task);
        }
}

int definition_attach(struct model *model, struct object *object)
{
        struct task_definition *definition = CONTAINER_OF(object, struct task_definition, object);

        definition->family = model_family(model, definition->state->definition->family);
        if (definition->family == NULL)
                return -ENOENT;
        list_init(&definition->tasks);
        insert_sorted(definition->family, definition);
        if (is_active(definition->state))
                count(definition);
        if (model->tx.undoing)
                readopt(model, definition);
        return 0;
}

void definition_change(struct model *model, struct object *object, const void *old_state)
{
        struct task_definition *definition = CONTAINER_OF(object, struct task_definition, object);
        bool was = is_active(old_state), is = is_active(definition->state);

        if (was && !is)
                uncount(definition);
        if (!was && is)
                count(definition);
}

void definition_detach(struct model *model, struct object *object)
{
        struct task_definition *definition = CONTAINER_OF(object, struct task_definition, object);
        struct task *task;

        while ((task = list_first(&definition->tasks, struct task, in_definition)) != NULL)
                task_leave_definition(task);
        if (is_active(definition->state))
                uncount(definition);
        list_remove(&definition->in_family);
}
