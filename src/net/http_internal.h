/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTP server share. Who owns whom:
 *
 *     server ──group──► conn ──owner──► http_conn ──requests──► exchange (request and answer), in the order received
 *
 * An exchange outlives its connection while its handler has not answered; the server outlives its exchanges (refs).
 */
#pragma once

#include "net/conn.h"
#include "net/http1.h"
#include "net/http_server.h"
#include "net/tls.h"

struct http_server {
        struct http_server_options options;
        struct http_limits limits; /* defaults filled in */
        struct net_loop *net;
        struct tls_context *tls;
        struct conn_group group;
        struct list listeners;
        struct list pool; /* exchanges to use again */
        size_t n_pool;
        size_t refs; /* 1 until closed, and 1 each exchange */
        size_t buffered;
        struct http_server_stats stats;
        bool closing;
        uv_timer_t grace;
        void (*closed)(void *data);
        void *closed_data;
        uint64_t date_at; /* loop time */
        char date[40];    /* "Date: ...\r\n" */
};

void http_server_unref(struct http_server *server);
/* The Date header line of now. */
const char *http_server_date(struct http_server *server);

enum exchange_state {
        EXCHANGE_READING = 0, /* the body is coming */
        EXCHANGE_RUNNING,     /* with the handler */
        EXCHANGE_STREAMING,
        EXCHANGE_ANSWERED, /* `out` waits for its turn */
};

/* A request and its answer; also the stream of a streamed answer. */
struct http_exchange {
        struct http_request req;
        struct http_server *server;
        struct http_conn *hc; /* NULL: the client has gone */
        struct list link;     /* of hc->requests, or of server->pool */
        enum exchange_state state;
        struct arena arena;
        struct buf body;
        struct buf out; /* the answer as far as it came before its turn */
        bool keep_alive, head_only, old_version, expects, upgrade;
        bool wrote; /* to the stream since it was last drained */
        struct deferred orphaned;
        void (*drained)(struct http_stream *stream, void *data);
        void (*gone)(struct http_stream *stream, void *data);
        void *data;
};

/* A connection as the HTTP server sees it. */
struct http_conn {
        struct http_server *server;
        struct conn *conn; /* NULL: taken over by another protocol */
        struct list requests;
        uint32_t n_requests;
        struct buf in; /* bytes not yet taken in: part of a head, or what came while paused */
        struct http1_scan scan;
        uint64_t first_byte_us;        /* of the request under way */
        bool started;                  /* the head of a request has begun */
        uint32_t part, timed_part;     /* counts heads and bodies; the one that the deadline is for */
        struct http_exchange *reading; /* its body is coming */
        struct http1_body body;
        bool deaf; /* no more requests will be taken: an error, an end, or Connection: close */
        bool held; /* an upgrade is being decided: what follows is perhaps not HTTP */
        bool parsing, paused, peer_ended;
        struct deferred resume;
};

static inline struct http_exchange *exchange_of(struct http_request *req)
{
        return CONTAINER_OF(req, struct http_exchange, req);
}

/* A server's new connection. */
void http_conn_new(struct http_server *server, struct conn *conn);
struct http_exchange *http_exchange_new(struct http_conn *hc);
/* Takes it out of its connection and frees it or puts it into the pool. */
void http_exchange_free(struct http_exchange *ex);
/* After the first exchange of a connection was answered: sends what was waiting for it, takes more requests, or closes. */
void http_conn_answered(struct http_conn *hc, bool keep_alive);

/* Is it its turn to be sent? */
bool http_exchange_is_first(const struct http_exchange *ex);
/* Writes an answer that the server itself gives; the connection ends after it. */
void http_exchange_reject(struct http_exchange *ex, int status, const char *reason);
/* The client of a streaming exchange has gone: tells its owner and frees it. */
void http_stream_lost(struct http_exchange *ex);

/* Takes the connection of a request over: the request counts as answered (nothing is sent), `callbacks` are set, and bytes that
 * came after the request are delivered to the new owner on a later turn. NULL: the client has gone; the request is freed too. */
struct conn *http_take_over(struct http_request *req, const struct conn_callbacks *callbacks, void *owner);
/* May the connection be taken over: is nothing before this request unanswered? */
bool http_can_take_over(struct http_request *req);
