/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all network objects on one event loop share: work put off to the end of the loop turn (so that many small writes become
 * one), the read buffer (a read is handled before the next one, so one is enough for all), and spare buffers. Internal to net/.
 */
#pragma once

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"

#define NET_READ_SIZE ((size_t)64 * 1024)
/* Spare buffers: at most about 1 MB. */
#define NET_SPARE_BUFS 64
#define NET_SPARE_SIZE ((size_t)16 * 1024)

struct net_loop {
        uv_loop_t *loop;
        uv_idle_t idle; /* active while work is deferred: the loop neither sleeps nor ends then */
        struct list deferred;
        struct list link; /* among the contexts of this thread */
        size_t refs;
        struct buf spare[NET_SPARE_BUFS];
        size_t n_spare;
        struct tls_context *client_tls; /* the last one used, see tls_client_context */
        char *client_tls_key;
        char read[NET_READ_SIZE];
        char plain[NET_READ_SIZE]; /* decrypted */
};

/* Work to run once at the end of the turn. Embedded in its owner. */
struct deferred {
        struct list link;
        void (*run)(struct deferred *work);
};

/* The context of `loop`, which must be run by this thread; made when it is the first. Release with net_loop_unref. */
struct net_loop *net_loop_ref(uv_loop_t *loop);
void net_loop_unref(struct net_loop *net);

void deferred_init(struct deferred *work, void (*run)(struct deferred *work));
/* Runs `work` once before the loop sleeps again; harmless when it is waiting already. */
void net_loop_defer(struct net_loop *net, struct deferred *work);
void deferred_cancel(struct deferred *work);

/* An empty buffer with memory in it, if one is spare; give it back (any buffer) with net_loop_put_buf. */
struct buf net_loop_take_buf(struct net_loop *net);
void net_loop_put_buf(struct net_loop *net, struct buf *buf);
