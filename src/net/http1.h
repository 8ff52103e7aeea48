/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 decoding, strict enough that no two programs can read the same bytes as different messages (request smuggling,
 * RFC 9112 section 11.2). Pure: bytes in, structures out. The parser library is known to http1.c only. Internal to net/.
 *
 * A head is found first (http1_scan), then taken apart as a whole (http1_parse_...), then the body is fed through http1_body.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/http_server.h"

/* Looks for the end of a head across any number of reads. All zeroes at the start of a head. */
struct http1_scan {
        size_t at;   /* looked at so far */
        size_t line; /* where the line under way began */
};
/* `data` is the head from its first byte on, as far as it has come. Returns its length including the empty line, 0 when it is not
 * complete, or -EBADMSG (a line that does not end in CR LF, or a first byte that no message has). */
ssize_t http1_scan(struct http1_scan *scan, const char *data, size_t len) MUST_CHECK;

struct http1_head {
        const char *method; /* requests */
        char *target;
        int status; /* responses */
        int minor;  /* of the version: HTTP/1.x */
        struct http_header *headers;
        size_t n_headers;
        int64_t content_length; /* -1: not said */
        bool chunked;
        bool keep_alive;
        bool expect_continue;
        bool upgrade; /* asks for another protocol, or agrees to one */
};

/* Takes a complete request head apart, in place: `ret` points into `head`, which has room for one more byte after `len`. 0, or the
 * HTTP status to answer with, and then `ret_reason` says why (a static text). */
int http1_parse_request(char *head, size_t len, size_t max_headers, struct arena *arena, struct http1_head *ret,
                        const char **ret_reason) MUST_CHECK;
/* The same for a response head: 0 or -EBADMSG. `chunked` and `content_length` are checked as strictly. */
int http1_parse_response(char *head, size_t len, size_t max_headers, struct arena *arena, struct http1_head *ret,
                         const char **ret_reason) MUST_CHECK;

enum http1_body_kind { HTTP1_BODY_LENGTH = 0, HTTP1_BODY_CHUNKED, HTTP1_BODY_TO_END };

struct http1_body {
        enum http1_body_kind kind;
        int state;     /* of the chunked decoder */
        uint64_t left; /* bytes of the body or of the chunk */
        size_t digits; /* of the chunk size */
        size_t extra;  /* bytes of chunk extensions and trailers, limited over the whole body */
        size_t line;   /* bytes of the trailer line under way */
};
void http1_body_init(struct http1_body *body, enum http1_body_kind kind, uint64_t content_length);
/* Appends decoded bytes to `out`: 1 when the body is complete, 0 when more is needed, -EBADMSG, or -EFBIG when `out` would exceed
 * `max`. `ret_used` is how much of `data` belonged to the body. A body that goes to the end of the connection is never complete. */
int http1_body_feed(struct http1_body *body, const char *data, size_t len, size_t max, struct buf *out, size_t *ret_used) MUST_CHECK;

/* True when the comma-separated list (of a header like Connection) holds the token, in any case. */
bool http1_list_has(const char *list, const char *token);
/* The usual words for a status ("Not Found"), or "Unknown". */
const char *http1_status_text(int status);
