/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one answer from the bytes of a connection, as the clients of HTTP and of websockets need it: interim answers are skipped, the head
 * is taken apart, the body collected. Internal to net/.
 */
#pragma once

#include "net/http1.h"

struct http_response {
        struct http1_head head; /* status 0 until it is complete; lives in `arena` */
        struct buf body;        /* decoded */
        const char *why;        /* of a failure, in words */

        /* internal */
        struct buf in; /* before the head is complete: what came; after the end: what came behind it */
        struct arena arena;
        struct http1_scan scan;
        struct http1_body decoder;
        size_t max_body;
        bool to_head; /* the answer to HEAD: no body, whatever its headers say */
};

/* `max_body` in bytes. */
void http_response_init(struct http_response *response, size_t max_body, bool to_head);
void http_response_done(struct http_response *response);
/* 1 when the answer is complete (with status 101: its head; what follows is in `in`), 0 when more is needed, or -EPROTO or -EFBIG. */
int http_response_feed(struct http_response *response, const char *data, size_t len) MUST_CHECK;
/* The server has ended the connection: 1 when this completes the answer, else -ECONNRESET. */
int http_response_end(struct http_response *response) MUST_CHECK;
/* After the end: may the connection serve another request? */
bool http_response_keeps(const struct http_response *response);
/* Has anything of the answer come? */
bool http_response_began(const struct http_response *response);
/* The value of a header of the complete head, or NULL. */
const char *http_response_header(const struct http_response *response, const char *name);
