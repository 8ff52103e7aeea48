/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: TCP or unix socket, plain or TLS, either side. It reads into a shared buffer, collects what is written until the
 * end of the loop turn, notices peers that do not read, and closes in an orderly way. Internal to net/; one thread: the loop's.
 *
 *     connecting ──► (TLS handshake) ──► open ──conn_close──► flushing ──► lingering ──► gone
 *           └──────────────┴───────────────┴──── error, conn_abort ──────────────────────►
 *
 * Memory: a connection frees itself after `closed`, which is called exactly once, from the loop, never from within a call.
 */
#pragma once

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/addr.h"
#include "net/loop.h"

struct conn;
struct tls;

/* What the owner of a connection is told. Any may be NULL. */
struct conn_callbacks {
        /* Connected, and the TLS handshake is done. Not called for plain accepted connections. */
        void (*established)(void *owner);
        /* Bytes came; valid during the call. While reading is paused some may still come. */
        void (*received)(void *owner, const char *data, size_t len);
        /* The peer will send no more, but may still read. */
        void (*ended)(void *owner);
        /* Everything written has been handed to the system. */
        void (*drained)(void *owner);
        /* The time given to conn_set_deadline is over. */
        void (*expired)(void *owner);
        /* The group is being closed: end when it suits, soon. */
        void (*going_away)(void *owner);
        /* The last call. r is 0 after conn_close and conn_abort, else a negative errno with its explanation. */
        void (*closed)(void *owner, int r, const char *why);
};

/* Connections that are limited and closed together (those of one server). */
struct conn_group {
        struct list conns;
        uint32_t count;
        void (*empty)(struct conn_group *group); /* the last one has gone; may be NULL */
};
void conn_group_init(struct conn_group *group, void (*empty)(struct conn_group *group));
void conn_group_going_away(struct conn_group *group);
void conn_group_abort(struct conn_group *group);

/* How many connections of its group come from the address that this one comes from, itself among them. Looks at all. */
uint32_t conn_count_alike(const struct conn *conn);

/* Takes a connection off a listening stream; `tls` (may be NULL) becomes its own. -errno when there is none. */
int conn_accept(struct net_loop *net, uv_stream_t *listener, struct tls *tls, struct conn_group *group, struct conn **ret) MUST_CHECK;
/* Connects; `established` or `closed` follows. */
int conn_connect(struct net_loop *net, const union addr *addr, struct tls *tls, const struct conn_callbacks *callbacks, void *owner,
                 struct conn **ret) MUST_CHECK;
/* From now on `owner` is told. callbacks NULL: nobody is. */
void conn_set_owner(struct conn *conn, const struct conn_callbacks *callbacks, void *owner);

/* Where to append bytes to be sent; they leave at the end of the turn. Never NULL; valid until the next call of the loop. Bytes
 * for a connection that is closing are dropped. */
struct buf *conn_out(struct conn *conn);
/* Bytes that wait to be sent. */
size_t conn_queued(const struct conn *conn);
/* Gives bytes back: `received` gets them again at the end of the turn, before anything newer; `ended` is repeated too. */
void conn_unread(struct conn *conn, const char *data, size_t len);
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* `expired` is called once in `ms` from now, after what had come by then was read; 0: never. Replaces the one before. */
void conn_set_deadline(struct conn *conn, uint64_t ms);
/* A connection breaks with -ETIMEDOUT when the peer takes no byte for so long. Default 60 s. */
void conn_set_stall_timeout(struct conn *conn, uint64_t ms);

/* Sends what is queued, then ends the sending side, waits up to 2 s for the peer to do the same (so that it can read everything
 * before a reset could destroy it), then closes. No callback but `closed` any more. */
void conn_close(struct conn *conn);
/* Closes now. No callback but `closed` any more. Harmless when it is closing or closed already (until `closed`). */
void conn_abort(struct conn *conn);

bool conn_is_closing(const struct conn *conn);
bool conn_is_tls(const struct conn *conn);
const char *conn_peer(const struct conn *conn);
struct net_loop *conn_net(const struct conn *conn);
/* Monotonic microseconds of the last bytes received (before that: of its creation). */
uint64_t conn_last_received_us(const struct conn *conn);
