/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server on libuv: TCP or unix socket, plain or TLS; strict parsing; keep-alive with pipelining; limits on everything a
 * client can make large or slow. Everything runs on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/list.h"

struct http_header {
        const char *name; /* as received, or any case when sent */
        const char *value;
};

struct http_request {
        const char *method; /* "POST" */
        const char *target; /* as received, before any decoding: "/ws?a=b" */
        const char *path;   /* up to '?', still percent-encoded */
        const char *query;  /* after '?', or "" */
        const struct http_header *headers;
        size_t n_headers;
        const char *body; /* NUL follows */
        size_t body_len;
        const char *peer; /* "127.0.0.1:40312" or "unix" */
        bool tls;
        struct arena *arena; /* lives until the answer has been given */
        void *user;          /* the handler's */
        uint64_t started_us; /* monotonic, when the first byte was read */
};

/* Case-insensitive; NULL when absent. */
const char *http_request_header(const struct http_request *req, const char *name);
/* Decoded value of a query parameter in the request's arena, or NULL. */
const char *http_request_query(const struct http_request *req, const char *name);

struct http_limits {
        size_t max_header_bytes;    /* 0: 32 KiB, at most 64 KiB; over it 431 */
        size_t max_headers;         /* 0: 100; over it 431 */
        size_t max_body_bytes;      /* 0: 16 MiB; over it 413 */
        uint32_t header_timeout_ms; /* 0: 10 s from the first byte to the end of the headers; 408. Also of the TLS handshake */
        uint32_t body_timeout_ms;   /* 0: 30 s; 408 */
        uint32_t idle_timeout_ms;   /* 0: 120 s between requests; closes */
        uint32_t stall_timeout_ms;  /* 0: 60 s in which the client takes no byte of an answer; closes */
        uint32_t max_connections;   /* 0: 16384; over it the connection is closed at once */
        uint32_t max_per_address;   /* of these from one address; 0: no limit of its own */
        uint32_t max_pipelined;     /* 0: 64 unanswered requests on a connection; over it nothing more is read from it */
        size_t max_buffered;        /* 0: 1 GiB of request bodies over all connections; over it 503 */
};

struct http_server;

/* Called with each complete request. Answer now or later with one of the functions below, exactly once; the request stays valid
 * until then even if the client has gone (the answer is then dropped). An answer to HEAD is sent without its body. */
typedef void (*http_handler_fn)(struct http_request *req, void *data);

/* What is wrong with a request that never reaches the handler: lets the owner shape the body (AWS error JSON). Optional. */
typedef void (*http_reject_fn)(int status, const char *reason, char *ret_body, size_t body_size, const char **ret_content_type, void *data);

struct http_server_options {
        uv_loop_t *loop;
        struct http_limits limits;
        http_handler_fn handler;
        http_reject_fn reject;
        void *data;
        const char *tls_cert, *tls_key; /* PEM files; both NULL: plain */
};

int http_server_new(const struct http_server_options *options, struct http_server **ret, struct error *error) MUST_CHECK;
/* `address` is "127.0.0.1:4327", "[::1]:4327" or "unix:/path". May be called several times. Port 0: see http_server_port. */
int http_server_listen(struct http_server *server, const char *address, struct error *error) MUST_CHECK;
int http_server_port(const struct http_server *server);
/* Stops listening, lets running requests finish for at most `grace_ms` (websockets are closed with 1001), then closes everything and
 * calls `closed` (NULL is fine). The server is freed then, or with the answer to the last request that is still unanswered. */
void http_server_close(struct http_server *server, uint32_t grace_ms, void (*closed)(void *data), void *data);

struct http_server_stats {
        uint64_t connections, requests, rejected; /* since start */
        uint32_t open;
};
struct http_server_stats http_server_get_stats(const struct http_server *server);

/* Answers; body and headers are copied. Content-Length and Date are added, and Connection where needed: do not pass these. */
void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t n_headers, const void *body, size_t len);

/* A streamed answer (chunked): begin, any number of writes, end. `drained` is called when everything written has been sent; `closed`
 * when the client has gone or ended its side (after it no more calls may be made on the stream). Either may be NULL; neither is
 * called from within a call. The request stays valid until the stream has ended or closed. */
struct http_stream;
struct http_stream *http_respond_stream(struct http_request *req, int status, const struct http_header *headers, size_t n_headers,
                                        void (*drained)(struct http_stream *stream, void *data),
                                        void (*closed)(struct http_stream *stream, void *data), void *data);
/* Bytes waiting to be sent after this write. */
size_t http_stream_write(struct http_stream *stream, const void *data, size_t len);
void http_stream_end(struct http_stream *stream);

/* Taking the connection over for websockets: ws_accept in ws.h. */
