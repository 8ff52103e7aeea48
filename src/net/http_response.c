/* SPDX-License-Identifier: Apache-2.0 */
/* See http_response.h. */
#include "net/http_response.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"

#define HEAD_MAX ((size_t)64 * 1024)
#define HEADERS_MAX 100

void http_response_init(struct http_response *response, size_t max_body, bool to_head)
{
        *response = (struct http_response){.max_body = max_body, .to_head = to_head};
}

void http_response_done(struct http_response *response)
{
        buf_done(&response->in);
        buf_done(&response->body);
        arena_done(&response->arena);
}

static int fail(struct http_response *response, int r, const char *why)
{
        response->why = why;
        return r;
}

static int feed_body(struct http_response *response, const char *data, size_t len)
{
        size_t used;
        int r = http1_body_feed(&response->decoder, data, len, response->max_body, &response->body, &used);
        if (r == -EFBIG)
                return fail(response, r, "the answer is too large");
        if (r < 0)
                return fail(response, -EPROTO, "the body of the answer is not valid HTTP");
        if (r > 0)
                buf_append(&response->in, data + used, len - used);
        return r;
}

/* RFC 9112 section 6.3. The head is complete; `in` holds what came behind it. */
static int begin_body(struct http_response *response)
{
        const struct http1_head *head = &response->head;
        struct buf rest;
        int r;
        if (head->status == 101)
                return 1;
        if (response->to_head || head->status == 204 || head->status == 304)
                http1_body_init(&response->decoder, HTTP1_BODY_LENGTH, 0);
        else if (head->chunked)
                http1_body_init(&response->decoder, HTTP1_BODY_CHUNKED, 0);
        else if (head->content_length >= 0)
                http1_body_init(&response->decoder, HTTP1_BODY_LENGTH, (uint64_t)head->content_length);
        else
                http1_body_init(&response->decoder, HTTP1_BODY_TO_END, 0);
        if (response->decoder.kind == HTTP1_BODY_LENGTH && response->decoder.left == 0)
                return 1;
        rest = response->in;
        buf_init(&response->in);
        r = feed_body(response, rest.data, rest.len);
        buf_done(&rest);
        return r;
}

/* The head at the start of `in`, `size` long: 1, 0 when it was an interim one, or -EPROTO. */
static int take_head(struct http_response *response, size_t size)
{
        const char *why = NULL;
        char *copy = arena_bytes(&response->arena, size + 1);
        memcpy(copy, response->in.data, size);
        if (http1_parse_response(copy, size, HEADERS_MAX, &response->arena, &response->head, &why) < 0) {
                response->head.status = 0;
                return fail(response, -EPROTO, why);
        }
        buf_consume(&response->in, size);
        if (response->head.status >= 200 || response->head.status == 101)
                return 1;
        response->head = (struct http1_head){0}; /* 100 Continue and its like */
        response->scan = (struct http1_scan){0};
        return 0;
}

int http_response_feed(struct http_response *response, const char *data, size_t len)
{
        if (response->head.status != 0)
                return feed_body(response, data, len);
        buf_append(&response->in, data, len);
        for (;;) {
                ssize_t n = http1_scan(&response->scan, response->in.data, response->in.len);
                if (n < 0 || (n == 0 && response->in.len > HEAD_MAX))
                        return fail(response, -EPROTO, "the server does not answer in HTTP");
                int r = n > 0 ? take_head(response, (size_t)n) : 0;
                if (n == 0 || r < 0)
                        return r;
                if (r > 0)
                        return begin_body(response);
        }
}

int http_response_end(struct http_response *response)
{
        if (response->head.status != 0 && response->decoder.kind == HTTP1_BODY_TO_END)
                return 1;
        return fail(response, -ECONNRESET, "the server closed the connection before its answer was complete");
}

bool http_response_keeps(const struct http_response *response)
{
        return response->head.keep_alive && response->decoder.kind != HTTP1_BODY_TO_END && response->in.len == 0;
}

bool http_response_began(const struct http_response *response)
{
        return response->head.status != 0 || response->in.len > 0;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
        for (size_t i = 0; i < response->head.n_headers; i++) {
                if (str_eq_nocase(response->head.headers[i].name, name))
                        return response->head.headers[i].value;
        }
        return NULL;
}
