/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: by length, chunked, or up to the end; and the words for a status. */
#include "net/http1.h"

#include <errno.h>
#include <string.h>

/* Extensions and trailers carry nothing for us: they may be there, within reason. */
#define EXTRA_MAX ((size_t)16 * 1024)
#define SIZE_DIGITS_MAX 12

/*
 * Chunked coding (RFC 9112 section 7.1), byte by byte outside of the data:
 *
 *     SIZE ─hex─► SIZE ─';'─► EXTENSION ─CR─► SIZE_LF ─LF─► DATA ──► DATA_CR ──► DATA_LF ──► SIZE
 *                                                └─ size 0 ─► TRAILER ─CR─► TRAILER_LF ─► TRAILER, or done after an empty line
 */
enum chunk_state {
        CHUNK_SIZE = 0,
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        CHUNK_TRAILER,
        CHUNK_TRAILER_LF
};

void http1_body_init(struct http1_body *body, enum http1_body_kind kind, uint64_t content_length)
{
        *body = (struct http1_body){.kind = kind, .left = content_length};
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                return (c | 0x20) - 'a' + 10;
        return -1;
}

static int size_byte(struct http1_body *body, char c)
{
        int value = hex_value(c);
        if (value >= 0) {
                if (++body->digits > SIZE_DIGITS_MAX)
                        return -EBADMSG;
                body->left = body->left << 4 | (uint64_t)value;
                return 0;
        }
        if (body->digits == 0)
                return -EBADMSG;
        if (c == '\r')
                body->state = CHUNK_SIZE_LF;
        else if (c == ';')
                body->state = CHUNK_EXTENSION;
        else
                return -EBADMSG;
        return 0;
}

/* A byte of an extension or a trailer line: no control characters, and not too many in all. */
static int extra_byte(struct http1_body *body, char c)
{
        if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f || ++body->extra > EXTRA_MAX)
                return -EBADMSG;
        return 0;
}

static int trailer_byte(struct http1_body *body, char c)
{
        if (c == '\r') {
                body->state = CHUNK_TRAILER_LF;
                return 0;
        }
        if (body->line++ == 0 && (c == ' ' || c == '\t'))
                return -EBADMSG; /* a folded line */
        return extra_byte(body, c);
}

/* One byte that is not data: 1 when the body is complete, 0, or -EBADMSG. */
static int control_byte(struct http1_body *body, char c)
{
        switch ((enum chunk_state)body->state) {
        case CHUNK_SIZE:
                return size_byte(body, c);
        case CHUNK_EXTENSION:
                if (c != '\r')
                        return extra_byte(body, c);
                body->state = CHUNK_SIZE_LF;
                return 0;
        case CHUNK_SIZE_LF:
                body->state = body->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
                body->line = 0;
                return c == '\n' ? 0 : -EBADMSG;
        case CHUNK_DATA_CR:
                body->state = CHUNK_DATA_LF;
                return c == '\r' ? 0 : -EBADMSG;
        case CHUNK_DATA_LF:
                body->state = CHUNK_SIZE;
                body->digits = 0;
                return c == '\n' ? 0 : -EBADMSG;
        case CHUNK_TRAILER:
                return trailer_byte(body, c);
        case CHUNK_TRAILER_LF:
                if (c != '\n')
                        return -EBADMSG;
                if (body->line == 0)
                        return 1;
                body->line = 0;
                body->state = CHUNK_TRAILER;
                return 0;
        case CHUNK_DATA:
                break;
        }
        assert(!"data is not read byte by byte");
        return -EBADMSG;
}

/* Takes up to `left` bytes of data; returns how many, or -EFBIG. */
static ssize_t take_data(struct http1_body *body, const char *data, size_t len, size_t max, struct buf *out)
{
        size_t n = (size_t)MIN((uint64_t)len, body->left);
        /* The announced size counts, not what has come: refuse before the bytes are sent. */
        if (body->left > max || out->len > max - body->left)
                return -EFBIG;
        buf_append(out, data, n);
        body->left -= n;
        return (ssize_t)n;
}

static int feed_chunked(struct http1_body *body, const char *data, size_t len, size_t max, struct buf *out, size_t *ret_used)
{
        size_t i = 0;
        int r = 0;
        while (i < len && r == 0) {
                if (body->state != CHUNK_DATA) {
                        r = control_byte(body, data[i++]);
                        continue;
                }
                ssize_t n = take_data(body, data + i, len - i, max, out);
                if (n < 0)
                        return (int)n;
                i += (size_t)n;
                if (body->left == 0)
                        body->state = CHUNK_DATA_CR;
        }
        *ret_used = i;
        return r;
}

int http1_body_feed(struct http1_body *body, const char *data, size_t len, size_t max, struct buf *out, size_t *ret_used)
{
        *ret_used = 0;
        if (body->kind == HTTP1_BODY_CHUNKED)
                return feed_chunked(body, data, len, max, out, ret_used);
        if (body->kind == HTTP1_BODY_TO_END)
                body->left = len;
        ssize_t n = take_data(body, data, len, max, out);
        if (n < 0)
                return (int)n;
        *ret_used = (size_t)n;
        return body->kind == HTTP1_BODY_LENGTH && body->left == 0;
}

const char *http1_status_text(int status)
{
        static const struct {
                int status;
                const char *text;
        } rows[] = {
                {100, "Continue"},
                {101, "Switching Protocols"},
                {200, "OK"},
                {201, "Created"},
                {202, "Accepted"},
                {204, "No Content"},
                {206, "Partial Content"},
                {301, "Moved Permanently"},
                {302, "Found"},
                {303, "See Other"},
                {304, "Not Modified"},
                {307, "Temporary Redirect"},
                {308, "Permanent Redirect"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {406, "Not Acceptable"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {410, "Gone"},
                {411, "Length Required"},
                {412, "Precondition Failed"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {416, "Range Not Satisfiable"},
                {417, "Expectation Failed"},
                {422, "Unprocessable Content"},
                {426, "Upgrade Required"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {505, "HTTP Version Not Supported"},
        };
        if (status == 200)
                return "OK";
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (rows[i].status == status)
                        return rows[i].text;
        }
        return "Unknown";
}
