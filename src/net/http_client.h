/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing HTTP/1.1 on the libuv loop: keep-alive, TLS, unix sockets, and the proxies that http_proxy, https_proxy, all_proxy and no_proxy
 * name (those by libcurl, which is loaded then). Redirects are answers like others. One thread: the loop's.
 */
#pragma once

#include "net/http_server.h"

struct http_client;
struct http_call;

struct http_client_options {
        const char *ca_file; /* NULL: the system's */
        bool insecure;
        const char *user_agent;
        uint32_t max_connections_per_host; /* 0: 16 */
};

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_options *options);
/* Cancels what is under way (callbacks get -ECANCELED) and frees. NULL is fine. */
struct http_client *http_client_free(struct http_client *client);

struct http_result {
        int status;          /* HTTP status, or -errno when there was no answer */
        const char *message; /* why there was none, and the next step */
        const struct http_header *headers;
        size_t n_headers;
        const char *body; /* NUL follows */
        size_t len;
};

struct http_call_options {
        const char *method;
        const char *url;
        const char *unix_socket; /* NULL: TCP */
        const struct http_header *headers;
        size_t n_headers;
        const void *body;
        size_t body_len;
        uint32_t timeout_ms;                                                                /* of the whole call; 0: 42 s */
        size_t max_body;                                                                    /* 0: 64 MiB */
        void (*done)(struct http_call *call, const struct http_result *result, void *data); /* once; result valid during the call */
        void *data;
};
/* Everything in `options` is copied. Never NULL. */
struct http_call *http_client_call(struct http_client *client, const struct http_call_options *options);
/* `done` is not called any more. */
void http_call_cancel(struct http_call *call);
