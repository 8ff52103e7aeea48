/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. Changes take effect in memory at once; the state that an object had before is kept until the end, so that a
 * rollback walks back through the touched objects and gives each its old state again.
 */
#include "model/internal.h"

#include <string.h>

#include "base/alloc.h"

struct tx *tx_begin(struct model *model)
{
        struct tx *tx = &model->tx;

        assert(!tx->open);
        tx->open = true;
        return tx;
}

struct arena *tx_arena(struct tx *tx)
{
        return &tx->arena;
}

struct model *tx_model(struct tx *tx)
{
        return tx->model;
}

static void tell_applied(struct model *model, struct object *object, const void *old_state, const void *new_state)
{
        list_for_each (observer, &model->observers, struct model_observer, link)
                if (observer->applied != NULL)
                        observer->applied(observer, object, old_state, new_state);
}

static struct tx_change *touch(struct tx *tx, struct object *object, const void *old_state)
{
        struct tx_change *change = ARENA_NEW(&tx->arena, struct tx_change);

        change->object = object;
        change->old_state = old_state;
        object->change = change;
        list_push(&tx->changes, &change->link);
        return change;
}

static void set_state(struct model *model, struct object *object, const void *state)
{
        const struct kind *kind = &model_kinds[object->kind];
        const void *old = object_state(object);

        ((struct any_object *)(void *)object)->state = state;
        if (kind->change != NULL)
                kind->change(model, object, old);
        tell_applied(model, object, old, state);
}

static void add_garbage(struct tx *tx, const void *state)
{
        struct tx_garbage *garbage = ARENA_NEW(&tx->arena, struct tx_garbage);

        *garbage = (struct tx_garbage){.next = tx->garbage, .state = state};
        tx->garbage = garbage;
}

void *tx_edit(struct tx *tx, const struct object *object)
{
        assert(tx->open);
        return shape_copy(model_kinds[object->kind].shape, object_state(object), &tx->arena);
}

void tx_put(struct tx *tx, struct object *object, const void *state)
{
        const void *old = object_state(object);

        assert(tx->open && (object->change == NULL || !object->change->removed));
        assert(strcmp(model_key_of(tx->model, object->kind, state), object->key) == 0);
        if (object->change == NULL)
                touch(tx, object, old);
        else if (old != object->change->old_state)
                add_garbage(tx, old);
        set_state(tx->model, object, shape_pack(model_kinds[object->kind].shape, state));
}

struct object *tx_insert(struct tx *tx, enum object_kind kind, const void *state)
{
        const char *key = model_key_of(tx->model, kind, state);
        struct object *object;
        int r;

        assert(tx->open);
        object = object_new(kind, shape_pack(model_kinds[kind].shape, state), key);
        object->id = ++tx->model->last_id[kind];
        touch(tx, object, NULL);
        r = object_link(tx->model, object);
        assert(r == 0);
        (void)r;
        tell_applied(tx->model, object, NULL, object_state(object));
        return object;
}

void tx_remove(struct tx *tx, struct object *object)
{
        assert(tx->open && (object->change == NULL || !object->change->removed));
        if (object->change == NULL)
                touch(tx, object, object_state(object));
        object->change->removed = true;
        object_unlink(tx->model, object);
        tell_applied(tx->model, object, object_state(object), NULL);
}

static void queue_changes(struct tx *tx)
{
        list_for_each (change, &tx->changes, struct tx_change, link) {
                struct object *object = change->object;

                if (change->removed && change->old_state == NULL)
                        continue;
                commit_put(tx->model->queue, object->kind, object->id, model_kinds[object->kind].shape,
                           change->removed ? NULL : object_state(object));
        }
}

static void tell_changed(struct tx *tx, const struct tx_change *change)
{
        if (change->removed && change->old_state == NULL)
                return;
        list_for_each (observer, &tx->model->observers, struct model_observer, link)
                if (observer->changed != NULL)
                        observer->changed(observer, change->object, change->old_state,
                                          change->removed ? NULL : object_state(change->object));
}

static bool has_effect(struct tx *tx)
{
        list_for_each (change, &tx->changes, struct tx_change, link)
                if (!change->removed || change->old_state != NULL)
                        return true;
        return false;
}

/*
 * Frees the state that does not stay with the object, and the object itself when it does not stay. A state that an earlier transaction
 * committed may still be on its way to the store.
 */
static void settle(struct tx *tx, struct tx_change *change, bool committed)
{
        struct commit_queue *queue = tx->model->queue;
        struct object *object = change->object;
        const void *current = object_state(object);

        object->change = NULL;
        if (change->old_state != NULL && change->old_state != current)
                commit_release(queue, change->old_state);
        if (!(committed ? change->removed : change->old_state == NULL))
                return;
        current = object_free_but_state(object);
        if (current == change->old_state)
                commit_release(queue, current);
        else
                free((void *)(uintptr_t)current);
}

static void finish(struct tx *tx, bool committed)
{
        list_for_each (change, &tx->changes, struct tx_change, link)
                settle(tx, change, committed);
        for (struct tx_garbage *garbage = tx->garbage; garbage != NULL; garbage = garbage->next)
                free((void *)(uintptr_t)garbage->state);
        list_init(&tx->changes);
        tx->garbage = NULL;
        arena_reset(&tx->arena);
        tx->open = false;
}

uint64_t tx_commit(struct tx *tx)
{
        struct model *model = tx->model;

        assert(tx->open);
        if (has_effect(tx)) {
                commit_begin(model->queue);
                queue_changes(tx);
                commit_end(model->queue);
                list_for_each (change, &tx->changes, struct tx_change, link)
                        tell_changed(tx, change);
        }
        finish(tx, true);
        return commit_sequence(model->queue);
}

/* Afterwards the object has the state that it had before the transaction; the state that it got is garbage. */
static void undo(struct tx *tx, struct tx_change *change)
{
        struct model *model = tx->model;
        struct object *object = change->object;
        const void *current = object_state(object);
        int r;

        if (change->old_state == NULL) {
                if (change->removed)
                        return;
                object_unlink(model, object);
                tell_applied(model, object, current, NULL);
                return;
        }
        if (current != change->old_state)
                add_garbage(tx, current);
        if (!change->removed) {
                set_state(model, object, change->old_state);
                return;
        }
        ((struct any_object *)(void *)object)->state = change->old_state;
        r = object_link(model, object);
        assert(r == 0);
        (void)r;
        tell_applied(model, object, NULL, change->old_state);
}

void tx_rollback(struct tx *tx)
{
        assert(tx->open);
        tx->undoing = true;
        for (struct list *position = tx->changes.prev; position != &tx->changes; position = position->prev)
                undo(tx, CONTAINER_OF(position, struct tx_change, link));
        tx->undoing = false;
        finish(tx, false);
}
