/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps of heaps: see ranking.h. */
#include "sched/ranking.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

struct bucket {
        struct map_node node;  /* in parent->children, by value */
        struct bucket *parent; /* NULL: the root */
        struct map children;   /* of a bucket that is not innermost */
        struct bucket *last;   /* the child found last, or NULL */
        bool innermost;
        uint32_t members;  /* slots below it */
        uint64_t count;    /* tasks of the group on them */
        uint32_t position; /* in parent's heap; RANKING_NONE: nothing below can be taken */
        uint32_t n, cap;
        uintptr_t *heap; /* slots in an innermost bucket, else struct bucket * */
        char value[];
};

static struct bucket *bucket_new(struct bucket *parent, const char *value, bool innermost)
{
        size_t size = strlen(value) + 1;
        struct bucket *bucket = xalloc(sizeof(*bucket) + size);

        bucket->parent = parent;
        bucket->innermost = innermost;
        bucket->position = RANKING_NONE;
        map_init(&bucket->children);
        memcpy(bucket->value, value, size);
        if (parent != NULL)
                map_insert(&parent->children, &bucket->node, bucket->value);
        return bucket;
}

/* The children must be gone. */
static void bucket_free(struct bucket *bucket)
{
        if (bucket->parent != NULL) {
                map_remove(&bucket->parent->children, &bucket->node);
                bucket->parent->last = NULL;
        }
        map_done(&bucket->children);
        free(bucket->heap);
        free(bucket);
}

static void free_all(struct bucket *bucket)
{
        map_for_each (node, &bucket->children)
                free_all(CONTAINER_OF(node, struct bucket, node));
        bucket_free(bucket);
}

/* ---- order */

static bool slot_before(const struct ranking *r, uint32_t a, uint32_t b)
{
        const int64_t *x = r->keys + (size_t)a * r->n_keys, *y = r->keys + (size_t)b * r->n_keys;

        for (uint32_t i = 0; i < r->n_keys; i++)
                if (x[i] != y[i])
                        return x[i] < y[i];
        return a < b;
}

/* Neither is empty. */
static bool bucket_before(const struct ranking *r, const struct bucket *a, const struct bucket *b)
{
        while (a->count == b->count && !a->innermost) {
                a = (const struct bucket *)a->heap[0];
                b = (const struct bucket *)b->heap[0];
        }
        return a->count != b->count ? a->count < b->count : slot_before(r, (uint32_t)a->heap[0], (uint32_t)b->heap[0]);
}

static bool before(const struct ranking *r, const struct bucket *bucket, uintptr_t a, uintptr_t b)
{
        if (bucket->innermost)
                return slot_before(r, (uint32_t)a, (uint32_t)b);
        return bucket_before(r, (const struct bucket *)a, (const struct bucket *)b);
}

/* ---- one heap */

static void put_at(struct ranking *r, struct bucket *bucket, uint32_t i, uintptr_t item)
{
        bucket->heap[i] = item;
        if (bucket->innermost)
                r->slots[item].position = i;
        else
                ((struct bucket *)item)->position = i;
}

static void sift_down(struct ranking *r, struct bucket *bucket, uint32_t i)
{
        uintptr_t item = bucket->heap[i];

        for (;;) {
                uint32_t child = 2 * i + 1;

                if (child + 1 < bucket->n && before(r, bucket, bucket->heap[child + 1], bucket->heap[child]))
                        child++;
                if (child >= bucket->n || !before(r, bucket, bucket->heap[child], item))
                        break;
                put_at(r, bucket, i, bucket->heap[child]);
                i = child;
        }
        put_at(r, bucket, i, item);
}

/* Moves the item at `i` to where it belongs, up or down; the rest is a heap. */
static void heap_fix(struct ranking *r, struct bucket *bucket, uint32_t i)
{
        uintptr_t item = bucket->heap[i];

        for (; i > 0 && before(r, bucket, item, bucket->heap[(i - 1) / 2]); i = (i - 1) / 2)
                put_at(r, bucket, i, bucket->heap[(i - 1) / 2]);
        put_at(r, bucket, i, item);
        sift_down(r, bucket, i);
}

static void heap_push(struct ranking *r, struct bucket *bucket, uintptr_t item)
{
        if (bucket->n == bucket->cap) {
                bucket->cap = bucket->cap == 0 ? 4 : bucket->cap * 2;
                bucket->heap = xrealloc(bucket->heap, bucket->cap * sizeof(*bucket->heap));
        }
        put_at(r, bucket, bucket->n++, item);
        if (!r->filling)
                heap_fix(r, bucket, bucket->n - 1);
}

/* Makes a heap of what lies there in any order: leaves first. */
static void heap_make(struct ranking *r, struct bucket *bucket)
{
        for (uint32_t i = bucket->n / 2; i-- > 0;)
                sift_down(r, bucket, i);
}

/* The item keeps a stale position: the caller sets it. */
static void heap_remove(struct ranking *r, struct bucket *bucket, uint32_t i)
{
        uintptr_t last = bucket->heap[--bucket->n];

        if (i == bucket->n)
                return;
        put_at(r, bucket, i, last);
        heap_fix(r, bucket, i);
}

/* The bucket's count or best entry has changed: its place among its siblings, and theirs above. */
static void propagate(struct ranking *r, struct bucket *bucket)
{
        for (; bucket->parent != NULL; bucket = bucket->parent) {
                if (bucket->n > 0 && bucket->position == RANKING_NONE) {
                        heap_push(r, bucket->parent, (uintptr_t)bucket);
                } else if (bucket->n > 0) {
                        heap_fix(r, bucket->parent, bucket->position);
                } else if (bucket->position != RANKING_NONE) {
                        heap_remove(r, bucket->parent, bucket->position);
                        bucket->position = RANKING_NONE;
                }
        }
}

/* ---- slots */

void ranking_init(struct ranking *ranking, uint32_t n_levels, uint32_t n_keys)
{
        *ranking = (struct ranking){.n_levels = n_levels, .n_keys = n_keys};
        ranking->root = bucket_new(NULL, "", n_levels == 0);
}

void ranking_done(struct ranking *ranking)
{
        if (ranking->root != NULL)
                free_all(ranking->root);
        free(ranking->slots);
        free(ranking->keys);
        *ranking = (struct ranking){0};
}

void ranking_reserve(struct ranking *ranking, uint32_t n)
{
        if (n <= ranking->cap)
                return;
        ranking->slots = xrealloc(ranking->slots, n * sizeof(*ranking->slots));
        ranking->keys = xrealloc(ranking->keys, n * sizeof(*ranking->keys) * MAX(ranking->n_keys, 1u));
        for (uint32_t i = ranking->cap; i < n; i++)
                ranking->slots[i] = (struct ranked){.position = RANKING_NONE};
        ranking->cap = n;
}

/* The child of this value; made when there was none. */
static struct bucket *child_of(struct bucket *bucket, const char *value, bool innermost)
{
        struct bucket *child = bucket->last;

        if (child != NULL && strcmp(child->value, value) == 0)
                return child;
        child = map_get(&bucket->children, value, struct bucket, node);
        if (child == NULL)
                child = bucket_new(bucket, value, innermost);
        bucket->last = child;
        return child;
}

void ranking_place(struct ranking *ranking, uint32_t slot, const char *const *values)
{
        struct bucket *bucket = ranking->root;

        ranking_leave(ranking, slot);
        bucket->members++;
        for (uint32_t level = 0; level < ranking->n_levels; level++) {
                bucket = child_of(bucket, values[level], level + 1 == ranking->n_levels);
                bucket->members++;
        }
        ranking->slots[slot] = (struct ranked){.bucket = bucket, .position = RANKING_NONE};
}

void ranking_leave(struct ranking *ranking, uint32_t slot)
{
        struct bucket *bucket = ranking->slots[slot].bucket, *parent;

        if (bucket == NULL)
                return;
        ranking_set(ranking, slot, 0, false);
        ranking->slots[slot].bucket = NULL;
        for (; bucket != NULL; bucket = parent) {
                parent = bucket->parent;
                if (--bucket->members == 0 && parent != NULL)
                        bucket_free(bucket);
        }
}

void ranking_set(struct ranking *ranking, uint32_t slot, uint32_t count, bool can_be_taken)
{
        struct ranked *ranked = &ranking->slots[slot];
        struct bucket *bucket = ranked->bucket;

        /* Unsigned sums wrap round: adding the difference is right for both signs. */
        for (struct bucket *b = bucket; b != NULL; b = b->parent)
                b->count += (uint64_t)count - ranked->count;
        ranked->count = count;
        if (can_be_taken && ranked->position == RANKING_NONE) {
                heap_push(ranking, bucket, slot);
        } else if (can_be_taken) {
                heap_fix(ranking, bucket, ranked->position);
        } else if (ranked->position != RANKING_NONE) {
                heap_remove(ranking, bucket, ranked->position);
                ranked->position = RANKING_NONE;
        }
        if (!ranking->filling)
                propagate(ranking, bucket);
}

void ranking_fill(struct ranking *ranking)
{
        ranking->filling = true;
}

/* Inner buckets before those that compare them. */
static void fill_bucket(struct ranking *r, struct bucket *bucket)
{
        map_for_each (node, &bucket->children) {
                struct bucket *child = CONTAINER_OF(node, struct bucket, node);

                fill_bucket(r, child);
                if (child->n > 0)
                        heap_push(r, bucket, (uintptr_t)child);
        }
        heap_make(r, bucket);
}

void ranking_filled(struct ranking *ranking)
{
        fill_bucket(ranking, ranking->root);
        ranking->filling = false;
}

uint32_t ranking_best(const struct ranking *ranking)
{
        const struct bucket *bucket = ranking->root;

        if (bucket->n == 0)
                return RANKING_NONE;
        while (!bucket->innermost)
                bucket = (const struct bucket *)bucket->heap[0];
        return (uint32_t)bucket->heap[0];
}
