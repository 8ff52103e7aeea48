/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of the reconcilers: see work.h. Wishes are a binary heap. */
#include "control/work.h"

#include "base/alloc.h"

void work_queue_init(struct work_queue *queue)
{
        *queue = (struct work_queue){0};
        list_init(&queue->urgent);
        list_init(&queue->marked);
}

void work_queue_done(struct work_queue *queue)
{
        free(queue->heap);
        queue->heap = NULL;
        queue->n = queue->cap = 0;
}

void work_init(struct work *work, void (*run)(struct work *work, struct work_turn *turn))
{
        *work = (struct work){.due = WORK_NEVER, .run = run};
        list_init(&work->link);
}

/* ---- The heap ---- */

static void put(struct work_queue *queue, size_t slot, struct work *work)
{
        queue->heap[slot - 1] = work;
        work->slot = slot;
}

static void sift_up(struct work_queue *queue, size_t slot, struct work *work)
{
        while (slot > 1 && queue->heap[slot / 2 - 1]->due > work->due) {
                put(queue, slot, queue->heap[slot / 2 - 1]);
                slot /= 2;
        }
        put(queue, slot, work);
}

static void sift_down(struct work_queue *queue, size_t slot, struct work *work)
{
        for (size_t child; (child = slot * 2) <= queue->n; slot = child) {
                if (child < queue->n && queue->heap[child]->due < queue->heap[child - 1]->due)
                        child++;
                if (queue->heap[child - 1]->due >= work->due)
                        break;
                put(queue, slot, queue->heap[child - 1]);
        }
        put(queue, slot, work);
}

static void heap_remove(struct work_queue *queue, struct work *work)
{
        size_t slot = work->slot;
        struct work *last;

        if (slot == 0)
                return;
        last = queue->heap[--queue->n];
        work->slot = 0;
        work->due = WORK_NEVER;
        if (last == work)
                return;
        if (slot > 1 && queue->heap[slot / 2 - 1]->due > last->due)
                sift_up(queue, slot, last);
        else
                sift_down(queue, slot, last);
}

/* ---- Marks and wishes ---- */

void work_mark(struct work_queue *queue, struct work *work)
{
        if (list_empty(&work->link))
                list_push(work->urgent ? &queue->urgent : &queue->marked, &work->link);
}

void work_wake(struct work_queue *queue, struct work *work, int64_t at_ms)
{
        if (at_ms >= work->due)
                return;
        heap_remove(queue, work);
        if (queue->n == queue->cap) {
                queue->cap = queue->cap ? queue->cap * 2 : 64;
                queue->heap = xrealloc(queue->heap, queue->cap * sizeof(struct work *));
        }
        queue->n++;
        work->due = at_ms;
        sift_up(queue, queue->n, work);
}

void work_drop(struct work_queue *queue, struct work *work)
{
        list_remove(&work->link);
        heap_remove(queue, work);
        if (queue->running == work)
                queue->running = NULL;
}

static void mark_due(struct work_queue *queue, int64_t now_ms)
{
        while (queue->n > 0 && queue->heap[0]->due <= now_ms) {
                struct work *work = queue->heap[0];

                heap_remove(queue, work);
                work_mark(queue, work);
        }
}

/* Work that used up the room goes on with the rest before others come, but not for ever. It may have been dropped meanwhile. */
static bool goes_on(const struct work_queue *queue, const struct work_turn *turn)
{
        struct work *work = queue->running;

        if (work == NULL)
                return false;
        work->runs = turn->room == 0 && !list_empty(&work->link) ? (work->runs + 1) % WORK_RUNS : 0;
        return work->runs > 0;
}

/* Items that are marked while the list is worked off (they have more to do, or others gave them work) wait for the next run. */
static void run_list(struct work_queue *queue, struct list *marked, struct work_turn *turn)
{
        struct list batch;

        if (list_empty(marked))
                return;
        /* The head `batch` takes the place of `marked` in the ring. */
        list_insert_before(marked, &batch);
        list_remove(marked);
        while (!list_empty(&batch) && turn->room > 0) {
                struct work *work = CONTAINER_OF(batch.next, struct work, link);

                list_remove(&work->link);
                heap_remove(queue, work);
                queue->running = work;
                work->run(work, turn);
                if (goes_on(queue, turn)) {
                        list_remove(&work->link);
                        list_push_front(&batch, &work->link);
                }
        }
        /* What there was no room for goes first next time. */
        while (!list_empty(&batch)) {
                struct list *last = batch.prev;

                list_remove(last);
                list_push_front(marked, last);
        }
}

bool work_queue_run(struct work_queue *queue, struct work_turn *turn)
{
        mark_due(queue, turn->now_ms);
        run_list(queue, &queue->urgent, turn);
        run_list(queue, &queue->marked, turn);
        return !list_empty(&queue->urgent) || !list_empty(&queue->marked);
}

int64_t work_queue_next(const struct work_queue *queue)
{
        if (!list_empty(&queue->urgent) || !list_empty(&queue->marked))
                return INT64_MIN;
        return queue->n > 0 ? queue->heap[0]->due : WORK_NEVER;
}
