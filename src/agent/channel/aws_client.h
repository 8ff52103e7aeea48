/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed JSON 1.1 calls to the server (ECS API, CloudWatch Logs API). One thread. The caller retries: it knows what is worth it.
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "codec/shape.h"
#include "codec/sigv4.h"
#include "net/http_client.h"

struct aws_client {
        struct env *env;
        struct http_client *http;
        const char *region;
        struct sigv4_credentials credentials;
};

struct aws_answer {
        int result;          /* 0: `output` is there; else -errno */
        int status;          /* HTTP status; 0 when there was no answer */
        const char *code;    /* error name without namespace ("ThrottlingException"), or "" */
        const char *message; /* never NULL */
        bool retryable;      /* no answer, throttled, or the server's own trouble */
        const void *output;  /* of the operation's output shape; valid during the call */
};

/* Embedded in its owner; must stay until `done` or cancel. */
struct aws_call {
        void (*done)(struct aws_call *call, const struct aws_answer *answer);

        /* Private. */
        struct http_call *http_;
        const struct shape_operation *operation_;
        const struct aws_client *client_;
};

/* `endpoint` is a base URL; `input` is of the operation's input shape and read during the call. `done` comes later, once. */
void aws_client_call(const struct aws_client *client, struct aws_call *call, const char *endpoint, const struct shape_service *service,
                     const char *operation, const void *input, uint32_t timeout_ms);
bool aws_call_is_busy(const struct aws_call *call);
/* `done` is not called any more. Does nothing when nothing is under way. */
void aws_call_cancel(struct aws_call *call);

/*
 * Headers of a signed websocket upgrade (or of a frame) for a GET of `url` with `body`: host, x-amz-date, x-amz-security-token if
 * there is one, Authorization. Returns their number, at most 4; strings are in the arena.
 */
size_t aws_sign_get(const struct aws_client *client, const char *url, const void *body, size_t len, struct arena *arena,
                    struct http_header ret[4]);
/* Host header of a URL: without the port when it is the scheme's own. And the path ("/" when there is none) and query. */
const char *aws_url_host(const char *url, struct arena *arena);
void aws_url_split(const char *url, struct arena *arena, const char **ret_path, const char **ret_query);
