/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 decoding: a stream of requests must mean the same however it is cut into reads, and what is accepted must be what the
 * strict rules promise. The first byte chooses the cuts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "net/http1.h"

#define MAX_HEAD 8192
#define MAX_BODY 4096

#define CHECK(condition)          \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

static void check_value(const char *s)
{
        for (; *s != '\0'; s++)
                CHECK((unsigned char)*s >= ' ' || *s == '\t');
}

/* What http1.h promises of a request that it takes. */
static void check_head(const struct http1_head *head)
{
        unsigned hosts = 0, lengths = 0, codings = 0;
        check_value(head->method);
        CHECK(strpbrk(head->target, " \t#") == NULL);
        CHECK(*head->target == '/' || *head->target == '*' || str_starts_with(head->target, "http"));
        for (size_t i = 0; i < head->n_headers; i++) {
                const struct http_header *h = &head->headers[i];
                CHECK(*h->name != '\0' && strpbrk(h->name, " \t:\"(),/;<=>?@[\\]{}") == NULL);
                check_value(h->name);
                check_value(h->value);
                hosts += str_eq_nocase(h->name, "host");
                lengths += str_eq_nocase(h->name, "content-length");
                codings += str_eq_nocase(h->name, "transfer-encoding");
        }
        CHECK(hosts == 1 || (hosts == 0 && head->minor == 0));
        CHECK(lengths + codings <= 1);
        CHECK((lengths == 1) == (head->content_length >= 0) && (codings == 1) == head->chunked);
}

static void describe(const struct http1_head *head, struct buf *out)
{
        buf_printf(out, "%s %s %d%d%d%d\n", head->method, head->target, head->minor, head->keep_alive, head->expect_continue,
                   head->upgrade);
        for (size_t i = 0; i < head->n_headers; i++)
                buf_printf(out, "%s=%s\n", head->headers[i].name, head->headers[i].value);
}

/* A reader that is given the bytes in pieces, as the server is. */
struct reader {
        struct buf in, body, log;
        struct http1_scan scan;
        struct http1_body decoder;
        bool in_body, over;
};

static void stop(struct reader *r, int why)
{
        buf_printf(&r->log, "stop %d\n", why);
        r->over = true;
}

static void take_head(struct reader *r, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct http1_head head;
        const char *reason;
        char *copy = arena_bytes(&arena, size + 1);
        memcpy(copy, r->in.data, size);
        int status = http1_parse_request(copy, size, 50, &arena, &head, &reason);
        r->scan = (struct http1_scan){0};
        buf_consume(&r->in, size);
        if (status != 0) {
                stop(r, status);
                return;
        }
        check_head(&head);
        describe(&head, &r->log);
        r->in_body = head.chunked || head.content_length > 0;
        http1_body_init(&r->decoder, head.chunked ? HTTP1_BODY_CHUNKED : HTTP1_BODY_LENGTH,
                        head.chunked ? 0 : (uint64_t)MAX(head.content_length, 0));
}

static void take_body(struct reader *r)
{
        size_t used;
        int done = http1_body_feed(&r->decoder, r->in.data, r->in.len, MAX_BODY, &r->body, &used);
        CHECK(used <= r->in.len && r->body.len <= MAX_BODY);
        CHECK(done != 0 || used == r->in.len);
        buf_consume(&r->in, used);
        if (done == 0)
                return;
        buf_append(&r->log, r->body.data, r->body.len);
        buf_printf(&r->log, "\nbody %zu\n", r->body.len);
        buf_clear(&r->body);
        r->in_body = false;
        if (done < 0)
                stop(r, done);
}

static void feed(struct reader *r, const char *data, size_t len)
{
        buf_append(&r->in, data, len);
        while (!r->over && r->in.len > 0) {
                if (r->in_body) {
                        take_body(r);
                        continue;
                }
                ssize_t n = http1_scan(&r->scan, r->in.data, r->in.len);
                if (n == 0)
                        break;
                if (n < 0)
                        stop(r, 400);
                else
                        take_head(r, (size_t)n);
        }
}

static void reader_done(struct reader *r)
{
        buf_done(&r->in);
        buf_done(&r->body);
        buf_done(&r->log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1 || size > MAX_HEAD)
                return 0;
        const char *text = (const char *)data + 1;
        size_t len = size - 1, step = 1 + data[0] % 16;
        struct reader whole = {0}, cut = {0};
        feed(&whole, text, len);
        for (size_t at = 0; at < len; at += step)
                feed(&cut, text + at, MIN(step, len - at));
        CHECK(whole.over == cut.over && whole.in_body == cut.in_body);
        /* A chunked body that goes wrong may have given some of its bytes or none: compare up to there. */
        CHECK(whole.log.len == cut.log.len && (whole.log.len == 0 || memcmp(whole.log.data, cut.log.data, whole.log.len) == 0));
        reader_done(&whole);
        reader_done(&cut);

        /* The other direction, for crashes. */
        CLEANUP_ARENA struct arena arena = {0};
        struct http1_scan scan = {0};
        ssize_t n = http1_scan(&scan, text, len);
        if (n > 0) {
                struct http1_head head;
                const char *reason;
                char *copy = arena_bytes(&arena, (size_t)n + 1);
                memcpy(copy, text, (size_t)n);
                (void)!http1_parse_response(copy, (size_t)n, 50, &arena, &head, &reason);
        }
        return 0;
}
