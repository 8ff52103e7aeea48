/* SPDX-License-Identifier: Apache-2.0 */
/* The context that network objects on one loop share. */
#include "net/loop.h"

#include <signal.h>

#include "base/alloc.h"
#include "net/tls.h"

/*
 * The contexts of this thread, one a loop (in practice: one). An exception to "no global state": callers know their uv_loop_t
 * only, and its data pointer is theirs. It is thread-local and goes when the last network object has gone.
 */
static _Thread_local struct list *contexts;

static struct net_loop *find(uv_loop_t *loop)
{
        if (contexts == NULL)
                return NULL;
        list_for_each (net, contexts, struct net_loop, link) {
                if (net->loop == loop)
                        return net;
        }
        return NULL;
}

static void registry_add(struct net_loop *net)
{
        if (contexts == NULL) {
                contexts = xalloc(sizeof(*contexts));
                list_init(contexts);
        }
        list_push(contexts, &net->link);
}

static void registry_remove(struct net_loop *net)
{
        list_remove(&net->link);
        if (list_empty(contexts)) {
                free(contexts);
                contexts = NULL;
        }
}

static void on_idle(uv_idle_t *idle)
{
        struct net_loop *net = CONTAINER_OF(idle, struct net_loop, idle);
        struct list now;

        /* What is deferred meanwhile runs on the next turn, so that the loop cannot be held up here. */
        list_init(&now);
        while (!list_empty(&net->deferred)) {
                struct list *item = net->deferred.next;
                list_remove(item);
                list_push(&now, item);
        }
        net->refs++;
        while (!list_empty(&now)) {
                struct deferred *work = CONTAINER_OF(now.next, struct deferred, link);
                list_remove(&work->link);
                work->run(work);
        }
        if (list_empty(&net->deferred))
                uv_idle_stop(idle);
        net_loop_unref(net);
}

/* Writing to a connection that the peer has reset must fail, not end the process. libuv gives children the default back. */
static void ignore_sigpipe(void)
{
        struct sigaction now;
        if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
                (void)signal(SIGPIPE, SIG_IGN);
}

struct net_loop *net_loop_ref(uv_loop_t *loop)
{
        struct net_loop *net = find(loop);
        if (net == NULL) {
                /* Not zeroed: most of it is read buffer, which should not become resident before it is used. */
                net = xrealloc(NULL, sizeof(*net));
                net->loop = loop;
                net->refs = 0;
                net->n_spare = 0;
                net->client_tls = NULL;
                net->client_tls_key = NULL;
                list_init(&net->deferred);
                uv_idle_init(loop, &net->idle);
                ignore_sigpipe();
                registry_add(net);
        }
        net->refs++;
        return net;
}

static void on_closed(uv_handle_t *handle)
{
        struct net_loop *net = CONTAINER_OF((uv_idle_t *)handle, struct net_loop, idle);
        while (net->n_spare > 0)
                buf_done(&net->spare[--net->n_spare]);
        tls_context_free(net->client_tls);
        free(net->client_tls_key);
        free(net);
}

void net_loop_unref(struct net_loop *net)
{
        assert(net->refs > 0);
        if (--net->refs > 0)
                return;
        assert(list_empty(&net->deferred));
        registry_remove(net);
        uv_close((uv_handle_t *)&net->idle, on_closed);
}

void deferred_init(struct deferred *work, void (*run)(struct deferred *work))
{
        list_init(&work->link);
        work->run = run;
}

void net_loop_defer(struct net_loop *net, struct deferred *work)
{
        if (!list_empty(&work->link))
                return;
        list_push(&net->deferred, &work->link);
        if (!uv_is_active((uv_handle_t *)&net->idle))
                uv_idle_start(&net->idle, on_idle);
}

void deferred_cancel(struct deferred *work)
{
        list_remove(&work->link);
}

struct buf net_loop_take_buf(struct net_loop *net)
{
        if (net->n_spare == 0)
                return (struct buf){0};
        return net->spare[--net->n_spare];
}

void net_loop_put_buf(struct net_loop *net, struct buf *buf)
{
        if (buf->data == NULL)
                return;
        if (net->n_spare == NET_SPARE_BUFS || buf->cap > NET_SPARE_SIZE) {
                buf_done(buf);
                return;
        }
        buf_clear(buf);
        net->spare[net->n_spare++] = *buf;
        buf_init(buf);
}
