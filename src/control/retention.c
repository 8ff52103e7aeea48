/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgetting what is over. The model itself keeps STOPPED tasks in order of their end; the other kinds have one rule and one
 * queue each here.
 */
#include "control/retention.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/service.h"

#define HOUR_MS (INT64_C(3600) * 1000)
/* An object that may not go yet is looked at again after that long. */
#define POSTPONE_MS (INT64_C(60) * 1000)

/* When the object's state came to its end, or 0 while it lives. */
typedef int64_t (*ended_fn)(const void *state);
/* Whether nothing refers to it any more. */
typedef bool (*free_fn)(struct object *object);

/* Removes it with what belongs to it. */
typedef void (*remove_fn)(struct tx *tx, struct object *object);

struct rule {
        enum object_kind kind;
        ended_fn ended;
        free_fn may_go;   /* NULL: always */
        remove_fn remove; /* NULL: tx_remove */
};

struct entry {
        struct object *object;
        int64_t ended; /* as when it was queued: an object that came back to life has another */
        int64_t not_before;
};

/* A ring of entries in order of their end. */
struct queue {
        struct entry *entries;
        size_t cap, head, n;
        int64_t keep_ms;
        size_t max; /* beyond that many the oldest go at once */
};

static int64_t instance_ended(const void *state)
{
        const struct state_container_instance *instance = state;

        return instance->status == STATE_INSTANCE_STATUS_INACTIVE ? MAX(instance->inactive_at, 1) : 0;
}

static int64_t cluster_ended(const void *state)
{
        const struct state_cluster *cluster = state;

        return cluster->status == STATE_CLUSTER_STATUS_INACTIVE ? MAX(cluster->inactive_at, 1) : 0;
}

/* A token's queue is in order of its expiry; until then it is of use. */
static int64_t token_ended(const void *state)
{
        const struct state_client_token *token = state;

        return MAX(token->expires_at, 1);
}

static int64_t service_ended(const void *state)
{
        const struct state_service *service = state;

        return service->status == STATE_SERVICE_STATUS_INACTIVE ? MAX(service->inactive_at, 1) : 0;
}

static bool service_may_go(struct object *object)
{
        return list_empty(&((struct service *)(void *)object)->tasks);
}

static void remove_service(struct tx *tx, struct object *object)
{
        service_forget(tx, (struct service *)(void *)object);
}

static bool instance_may_go(struct object *object)
{
        return list_empty(&((struct instance *)(void *)object)->tasks);
}

static bool cluster_may_go(struct object *object)
{
        return ((struct cluster *)(void *)object)->n_members == 0;
}

enum { RULE_SERVICES, RULE_INSTANCES, RULE_CLUSTERS, RULE_TOKENS, RULE_MAX };

static const struct rule rules[RULE_MAX] = {
        [RULE_SERVICES] = {OBJECT_SERVICE, service_ended, service_may_go, remove_service},
        [RULE_INSTANCES] = {OBJECT_INSTANCE, instance_ended, instance_may_go, NULL},
        [RULE_CLUSTERS] = {OBJECT_CLUSTER, cluster_ended, cluster_may_go, NULL},
        [RULE_TOKENS] = {OBJECT_CLIENT_TOKEN, token_ended, NULL, NULL},
};

struct retention {
        struct model *model;
        struct model_observer observer;
        struct queue queues[RULE_MAX];
        int64_t task_keep_ms, task_min_ms;
        size_t max_tasks, batch;
        bool removing; /* the removals that are seen are our own */
};

static struct entry *queue_at(const struct queue *queue, size_t i)
{
        return &queue->entries[(queue->head + i) & (queue->cap - 1)];
}

static void queue_push(struct queue *queue, const struct entry *entry)
{
        if (queue->n == queue->cap) {
                size_t cap = queue->cap ? queue->cap * 2 : 64;
                struct entry *entries = xcalloc(cap, sizeof(*entries));

                for (size_t i = 0; i < queue->n; i++)
                        entries[i] = *queue_at(queue, i);
                free(queue->entries);
                queue->entries = entries;
                queue->cap = cap;
                queue->head = 0;
        }
        queue->n++;
        *queue_at(queue, queue->n - 1) = *entry;
}

static struct entry queue_pop(struct queue *queue)
{
        struct entry entry = *queue_at(queue, 0);

        queue->head = (queue->head + 1) & (queue->cap - 1);
        queue->n--;
        return entry;
}

/* Somebody else removed the object: rare, so a walk will do. */
static void queue_forget(struct queue *queue, const struct object *object)
{
        for (size_t i = 0; i < queue->n; i++)
                if (queue_at(queue, i)->object == object)
                        queue_at(queue, i)->object = NULL;
}

static void changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct retention *retention = CONTAINER_OF(observer, struct retention, observer);

        for (int i = 0; i < RULE_MAX; i++) {
                int64_t ended;

                if (rules[i].kind != object->kind)
                        continue;
                if (!new_state) {
                        if (!retention->removing)
                                queue_forget(&retention->queues[i], object);
                        return;
                }
                ended = rules[i].ended(new_state);
                if (ended != 0 && (!old_state || rules[i].ended(old_state) != ended))
                        queue_push(&retention->queues[i], &(struct entry){.object = object, .ended = ended});
        }
}

static int by_end(const void *a, const void *b)
{
        const struct entry *x = a, *y = b;

        return (x->ended > y->ended) - (x->ended < y->ended);
}

static const void *state_of(const struct object *object)
{
        /* The state pointer follows the common part in every kind. */
        return ((const struct cluster *)(const void *)object)->state;
}

static void queue_load(struct queue *queue, const struct rule *rule, struct model *model)
{
        tree_for_each (node, model_objects(model, rule->kind)) {
                struct object *object = CONTAINER_OF(node, struct object, node);
                int64_t ended = rule->ended(state_of(object));

                if (ended != 0)
                        queue_push(queue, &(struct entry){.object = object, .ended = ended});
        }
        if (queue->n > 0)
                qsort(queue->entries, queue->n, sizeof(*queue->entries), by_end);
}

struct retention *retention_new(struct model *model, const struct retention_options *options)
{
        struct retention_options o = options ? *options : (struct retention_options){0};
        struct retention *retention = xalloc(sizeof(*retention));
        int64_t inactive = o.inactive_ms ? o.inactive_ms : HOUR_MS;

        retention->model = model;
        retention->batch = o.batch ? o.batch : 500;
        retention->task_keep_ms = o.stopped_task_ms ? o.stopped_task_ms : 24 * HOUR_MS;
        retention->task_min_ms = o.stopped_task_min_ms ? o.stopped_task_min_ms : HOUR_MS;
        retention->max_tasks = o.max_stopped_tasks ? o.max_stopped_tasks : 100000;
        for (int i = RULE_SERVICES; i <= RULE_CLUSTERS; i++) {
                retention->queues[i].keep_ms = inactive;
                retention->queues[i].max = SIZE_MAX;
        }
        retention->queues[RULE_TOKENS].max = o.max_client_tokens ? o.max_client_tokens : 200000;
        for (int i = 0; i < RULE_MAX; i++)
                queue_load(&retention->queues[i], &rules[i], model);
        retention->observer.changed = changed;
        model_observe(model, &retention->observer);
        return retention;
}

static int64_t due_at(const struct queue *queue, const struct entry *entry)
{
        return queue->n > queue->max ? entry->not_before : MAX(entry->ended + queue->keep_ms, entry->not_before);
}

static int64_t task_due_at(const struct retention *retention, const struct task *task)
{
        bool many = model_stopped_count(retention->model) > retention->max_tasks;

        return task->state->stopped_at + (many ? MIN(retention->task_min_ms, retention->task_keep_ms) : retention->task_keep_ms);
}

static void remove_object(struct retention *retention, struct object *object, remove_fn remove, struct tx **tx)
{
        if (!*tx)
                *tx = tx_begin(retention->model);
        if (remove)
                remove(*tx, object);
        else
                tx_remove(*tx, object);
}

static size_t run_tasks(struct retention *retention, int64_t now_ms, struct tx **tx)
{
        size_t removed = 0;

        while (removed < retention->batch) {
                struct task *task = model_oldest_stopped(retention->model);

                if (!task || task_due_at(retention, task) > now_ms)
                        break;
                remove_object(retention, &task->object, NULL, tx);
                removed++;
        }
        return removed;
}

static bool still_over(const struct rule *rule, const struct entry *entry)
{
        return entry->object && rule->ended(state_of(entry->object)) == entry->ended;
}

static size_t run_rule(struct retention *retention, int i, int64_t now_ms, size_t room, struct tx **tx)
{
        struct queue *queue = &retention->queues[i];
        size_t removed = 0, looks = queue->n;

        while (removed < room && looks-- > 0 && queue->n > 0 && due_at(queue, queue_at(queue, 0)) <= now_ms) {
                struct entry entry = queue_pop(queue);

                if (!still_over(&rules[i], &entry))
                        continue;
                if (rules[i].may_go && !rules[i].may_go(entry.object)) {
                        entry.not_before = now_ms + POSTPONE_MS;
                        queue_push(queue, &entry);
                        continue;
                }
                remove_object(retention, entry.object, rules[i].remove, tx);
                removed++;
        }
        return removed;
}

size_t retention_run(struct retention *retention, int64_t now_ms)
{
        struct tx *tx = NULL;
        size_t removed = run_tasks(retention, now_ms, &tx);

        for (int i = 0; i < RULE_MAX; i++)
                removed += run_rule(retention, i, now_ms, retention->batch - removed, &tx);
        if (tx) {
                retention->removing = true;
                tx_commit(tx);
                retention->removing = false;
        }
        return removed;
}

int64_t retention_next(const struct retention *retention)
{
        const struct task *oldest = model_oldest_stopped(retention->model);
        int64_t next = oldest ? task_due_at(retention, oldest) : INT64_MAX;

        for (int i = 0; i < RULE_MAX; i++)
                if (retention->queues[i].n > 0)
                        next = MIN(next, due_at(&retention->queues[i], queue_at(&retention->queues[i], 0)));
        return next;
}

struct retention *retention_free(struct retention *retention)
{
        if (!retention)
                return NULL;
        model_unobserve(retention->model, &retention->observer);
        for (int i = 0; i < RULE_MAX; i++)
                free(retention->queues[i].entries);
        free(retention);
        return NULL;
}
