/* SPDX-License-Identifier: Apache-2.0 */
/* The commit queue and its writer thread: see commit.h. */
#include "model/commit.h"

#include <pthread.h>
#include <string.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "model/stored.h"
#include "store/store.h"

/* What the program ends with when acknowledged state could not be kept: a supervisor starts it again from the store. */
#define EXIT_COMMIT_FAILED 70
/* A batch that was this large gives its memory back afterwards. */
#define KEEP_BYTES ((size_t)4 << 20)
#define KEEP_CHANGES ((size_t)16 << 10)
/* A store commit ends with the transaction that reaches so many changes: the first of a flood need not wait for the last. */
#define COMMIT_CHANGES 4096

struct batch_change {
        const struct shape *shape;
        const void *state; /* NULL: the object is deleted */
        uint64_t id;
        uint64_t sequence; /* of the transaction whose last change this is, else 0 */
        uint32_t order;    /* among the changes of its batch */
        uint16_t kind;
};

struct batch {
        struct batch_change *changes;
        size_t n, cap;
};

/* States that nobody has any more, in the order of `sequence`: when that is durable no batch has them either. */
struct released {
        struct released_state {
                const void *state;
                uint64_t sequence;
        } * items;
        size_t first, n, cap; /* items[first … n) wait */
};

/* The handle lives on until the loop has closed it, which may be after the queue. */
struct wakeup {
        uv_async_t async;
        struct commit_queue *queue;
};

struct commit_queue {
        struct store *store;
        struct wakeup *wakeup;    /* NULL: commits run at once */
        uint64_t sequence;        /* loop's thread only */
        uint64_t durable;         /* the same */
        uint64_t n_put;           /* changes; the same */
        uint64_t n_durable;       /* the same */
        struct list waiters;      /* by sequence */
        struct released released; /* loop's thread only */

        pthread_t writer;
        pthread_mutex_t lock;
        pthread_cond_t work;
        /* Under the lock: */
        struct batch waiting;
        uint64_t written;   /* what the writer has made durable */
        uint64_t n_written; /* changes */
        bool idle;          /* the writer waits for work */
        bool held;          /* without a loop: commits wait for commit_write */
        bool stop;

        /* The writer's own: */
        struct batch writing;
        struct buf bytes; /* encoded states, one after the other */
        struct store_change *store_changes;
        size_t store_changes_cap;
};

static void batch_done(struct batch *batch)
{
        free(batch->changes);
        *batch = (struct batch){0};
}

static void batch_clear(struct batch *batch)
{
        if (batch->cap > KEEP_CHANGES)
                batch_done(batch);
        batch->n = 0;
}

static struct batch_change *batch_push(struct batch *batch)
{
        if (batch->n == batch->cap) {
                batch->cap = batch->cap == 0 ? 64 : batch->cap * 2;
                batch->changes = xrealloc(batch->changes, batch->cap * sizeof(*batch->changes));
        }
        batch->changes[batch->n] = (struct batch_change){.order = (uint32_t)batch->n};
        return &batch->changes[batch->n++];
}

static int by_place(const void *a, const void *b)
{
        const struct batch_change *x = a, *y = b;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->id != y->id)
                return x->id < y->id ? -1 : 1;
        return x->order < y->order ? -1 : 1;
}

/* What one commit has to write: of each object the last state only, and neighbours together as they lie in the store. Returns how many. */
static size_t arrange(struct batch_change *changes, size_t n)
{
        size_t kept = 0;

        qsort(changes, n, sizeof(*changes), by_place);
        for (size_t i = 0; i < n; i++)
                if (i + 1 == n || changes[i].kind != changes[i + 1].kind || changes[i].id != changes[i + 1].id)
                        changes[kept++] = changes[i];
        return kept;
}

/* Encodes changes; `data` becomes right afterwards, when the bytes do not move any more. */
static void encode(struct commit_queue *q, const struct batch_change *changes, size_t n)
{
        buf_clear(&q->bytes);
        for (size_t i = 0; i < n; i++) {
                size_t start = q->bytes.len;

                if (changes[i].state != NULL)
                        stored_encode(changes[i].shape, changes[i].state, &q->bytes);
                q->store_changes[i] = (struct store_change){.kind = changes[i].kind, .id = changes[i].id, .len = q->bytes.len - start};
        }
}

/* The changes as the store wants them; the memory is reused by the next ones. */
static const struct store_change *store_view(struct commit_queue *q, const struct batch_change *changes, size_t n)
{
        size_t at = 0;

        if (n > q->store_changes_cap) {
                q->store_changes_cap = n;
                q->store_changes = xrealloc(q->store_changes, n * sizeof(*q->store_changes));
        }
        encode(q, changes, n);
        for (size_t i = 0; i < n; i++) {
                if (changes[i].state != NULL) /* what is removed has no bytes, and there may be none at all */
                        q->store_changes[i].data = q->bytes.data + at;
                at += q->store_changes[i].len;
        }
        return q->store_changes;
}

/* Nobody may be told of a change that is not on disk, and memory holds it already: the only honest way on is to start anew. */
static void write_changes(struct commit_queue *q, struct batch_change *changes, size_t n)
{
        struct error error = {0};
        size_t kept = arrange(changes, n);
        int r = q->store->ops->commit(q->store, store_view(q, changes, kept), kept, &error);

        if (q->bytes.cap > KEEP_BYTES)
                buf_done(&q->bytes);
        if (r >= 0)
                return;
        log_error("cannot keep changes: the server ends, nothing acknowledged is lost; remove the cause and start it again",
                  LOG_S("error", error.message), LOG_I("changes", n));
        _exit(EXIT_COMMIT_FAILED);
}

/* Transactions are never split: the end of the one that makes the commit large enough, or of all. */
static size_t commit_end_at(const struct batch *batch, size_t first)
{
        size_t last = MIN(first + COMMIT_CHANGES, batch->n) - 1;

        while (batch->changes[last].sequence == 0)
                last++;
        return last + 1;
}

/* Writes what was taken from the queue, and says after each commit how far it got. */
static void write_batch(struct commit_queue *q, struct batch *batch)
{
        for (size_t first = 0, end; first < batch->n; first = end) {
                uint64_t sequence;

                end = commit_end_at(batch, first);
                sequence = batch->changes[end - 1].sequence;
                write_changes(q, batch->changes + first, end - first);
                pthread_mutex_lock(&q->lock);
                q->written = sequence;
                q->n_written += end - first;
                pthread_mutex_unlock(&q->lock);
                uv_async_send(&q->wakeup->async);
        }
}

static void *writer_main(void *data)
{
        struct commit_queue *q = data;

        pthread_mutex_lock(&q->lock);
        for (;;) {
                struct batch taken;

                while (q->waiting.n == 0 && !q->stop) {
                        q->idle = true;
                        pthread_cond_wait(&q->work, &q->lock);
                }
                q->idle = false;
                if (q->waiting.n == 0)
                        break;
                taken = q->waiting;
                q->waiting = q->writing;
                q->writing = taken;
                pthread_mutex_unlock(&q->lock);

                write_batch(q, &q->writing);
                batch_clear(&q->writing);

                pthread_mutex_lock(&q->lock);
        }
        pthread_mutex_unlock(&q->lock);
        return NULL;
}

static void run_waiters(struct commit_queue *q)
{
        struct commit_waiter *waiter;

        while ((waiter = list_first(&q->waiters, struct commit_waiter, link)) != NULL && waiter->sequence <= q->durable) {
                list_remove(&waiter->link);
                waiter->durable(waiter);
        }
        if (q->wakeup != NULL && list_empty(&q->waiters))
                uv_unref((uv_handle_t *)&q->wakeup->async);
}

void commit_release(struct commit_queue *q, const void *state)
{
        struct released *r = &q->released;

        if (q->durable == q->sequence) {
                free((void *)(uintptr_t)state);
                return;
        }
        if (r->n == r->cap) {
                r->cap = r->cap == 0 ? 64 : r->cap * 2;
                r->items = xrealloc(r->items, r->cap * sizeof(*r->items));
        }
        r->items[r->n++] = (struct released_state){state, q->sequence};
}

static void free_released(struct commit_queue *q, uint64_t sequence)
{
        struct released *r = &q->released;

        while (r->first < r->n && r->items[r->first].sequence <= sequence)
                free((void *)(uintptr_t)r->items[r->first++].state);
        if (r->first == 0 || r->first < r->n / 2)
                return;
        r->n -= r->first;
        memmove(r->items, r->items + r->first, r->n * sizeof(*r->items));
        r->first = 0;
        if (r->n == 0 && r->cap > KEEP_CHANGES) {
                free(r->items);
                *r = (struct released){0};
        }
}

static void take_written(struct commit_queue *q)
{
        pthread_mutex_lock(&q->lock);
        q->durable = q->written;
        q->n_durable = q->n_written;
        pthread_mutex_unlock(&q->lock);
        free_released(q, q->durable);
        run_waiters(q);
}

static void on_written(uv_async_t *async)
{
        struct wakeup *wakeup = CONTAINER_OF(async, struct wakeup, async);

        if (wakeup->queue != NULL)
                take_written(wakeup->queue);
}

static void on_wakeup_closed(uv_handle_t *handle)
{
        free(CONTAINER_OF(handle, struct wakeup, async));
}

static int start_writer(struct commit_queue *q, uv_loop_t *loop, struct error *error)
{
        int r;

        q->wakeup = xalloc(sizeof(*q->wakeup));
        q->wakeup->queue = q;
        r = uv_async_init(loop, &q->wakeup->async, on_written);
        if (r < 0) {
                free(TAKE(q->wakeup));
                return error_set(error, -r, "cannot watch the writer of the store: %s", uv_strerror(r));
        }
        /* The queue keeps the loop alive only while somebody waits. */
        uv_unref((uv_handle_t *)&q->wakeup->async);
        r = pthread_create(&q->writer, NULL, writer_main, q);
        if (r != 0) {
                uv_close((uv_handle_t *)&TAKE(q->wakeup)->async, on_wakeup_closed);
                return error_set(error, r, "cannot start the writer of the store: %s; raise the limit on threads (ulimit -u)", strerror(r));
        }
        return 0;
}

static void queue_release(struct commit_queue *q)
{
        pthread_cond_destroy(&q->work);
        pthread_mutex_destroy(&q->lock);
        free_released(q, UINT64_MAX);
        free(q->released.items);
        batch_done(&q->waiting);
        batch_done(&q->writing);
        buf_done(&q->bytes);
        free(q->store_changes);
        free(q);
}

int commit_queue_new(struct store *store, void *loop, struct commit_queue **ret, struct error *error)
{
        struct commit_queue *q = xalloc(sizeof(*q));
        int r;

        q->store = store;
        list_init(&q->waiters);
        pthread_mutex_init(&q->lock, NULL);
        pthread_cond_init(&q->work, NULL);
        r = loop != NULL ? start_writer(q, loop, error) : 0;
        if (r < 0) {
                queue_release(q);
                return r;
        }
        *ret = q;
        return 0;
}

struct commit_queue *commit_queue_free(struct commit_queue *q)
{
        if (q == NULL)
                return NULL;
        if (q->wakeup != NULL) {
                pthread_mutex_lock(&q->lock);
                q->stop = true;
                pthread_cond_signal(&q->work);
                pthread_mutex_unlock(&q->lock);
                pthread_join(q->writer, NULL);
                take_written(q);
                q->wakeup->queue = NULL;
                uv_close((uv_handle_t *)&q->wakeup->async, on_wakeup_closed);
        }
        queue_release(q);
        return NULL;
}

void commit_begin(struct commit_queue *q)
{
        pthread_mutex_lock(&q->lock);
        assert(!q->stop);
}

void commit_put(struct commit_queue *q, uint16_t kind, uint64_t id, const struct shape *shape, const void *state)
{
        struct batch_change *change = batch_push(&q->waiting);

        q->n_put++;
        change->kind = kind;
        change->id = id;
        change->shape = shape;
        change->state = state;
}

uint64_t commit_end(struct commit_queue *q)
{
        assert(q->waiting.n > 0);
        q->waiting.changes[q->waiting.n - 1].sequence = ++q->sequence;
        if (q->held) {
                /* commit_write takes it from here */
        } else if (q->wakeup == NULL) {
                write_changes(q, q->waiting.changes, q->waiting.n);
                batch_clear(&q->waiting);
                q->durable = q->sequence;
                q->n_durable = q->n_put;
        } else if (q->idle) {
                q->idle = false;
                pthread_cond_signal(&q->work);
        }
        pthread_mutex_unlock(&q->lock);
        return q->sequence;
}

void commit_hold(struct commit_queue *q)
{
        assert(q->wakeup == NULL);
        q->held = true;
}

bool commit_write(struct commit_queue *q)
{
        if (q->waiting.n == 0)
                return false;
        q->written = q->waiting.changes[q->waiting.n - 1].sequence;
        q->n_written = q->n_put;
        write_changes(q, q->waiting.changes, q->waiting.n);
        batch_clear(&q->waiting);
        return true;
}

void commit_written(struct commit_queue *q)
{
        q->durable = MAX(q->durable, q->written);
        q->n_durable = MAX(q->n_durable, q->n_written);
        free_released(q, q->durable);
        run_waiters(q);
}

uint64_t commit_sequence(const struct commit_queue *q)
{
        return q->sequence;
}

uint64_t commit_durable(const struct commit_queue *q)
{
        return q->durable;
}

size_t commit_backlog(const struct commit_queue *q)
{
        return (size_t)(q->n_put - q->n_durable);
}

void commit_when_durable(struct commit_queue *q, uint64_t sequence, struct commit_waiter *waiter)
{
        struct list *position = q->waiters.prev;

        waiter->sequence = sequence;
        if (sequence <= q->durable) {
                list_init(&waiter->link);
                waiter->durable(waiter);
                return;
        }
        while (position != &q->waiters && CONTAINER_OF(position, struct commit_waiter, link)->sequence > sequence)
                position = position->prev;
        list_insert_before(position->next, &waiter->link);
        if (q->wakeup != NULL)
                uv_ref((uv_handle_t *)&q->wakeup->async);
}
