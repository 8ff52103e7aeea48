/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 decoding: what is taken, what is refused, and that it makes no difference how the bytes are cut. */
#include "net/http1.h"

#include <errno.h>

#include "base/strutil.h"
#include "unit.h"

/* Parses a complete head; 0 or the status. */
static int parse(struct arena *arena, const char *text, size_t len, struct http1_head *ret)
{
        struct http1_scan scan = {0};
        const char *reason = NULL;
        ssize_t n = http1_scan(&scan, text, len);
        if (n < 0)
                return 400;
        assert_int_equal(n, len);
        char *copy = arena_bytes(arena, len + 1);
        memcpy(copy, text, len);
        int status = http1_parse_request(copy, len, 20, arena, ret, &reason);
        assert_true((status == 0) == (reason == NULL));
        return status;
}

static void typical_request(void **state)
{
        CLEANUP_ARENA struct arena a = {0};
        struct http1_head h;
        static const char text[] = "POST /a%20b?x=1 HTTP/1.1\r\nHost: h:1\r\nX-Empty:\r\nX-Pad: \t v w \t\r\nContent-Length: 12\r\n\r\n";
        assert_int_equal(parse(&a, text, sizeof(text) - 1, &h), 0);
        assert_string_equal(h.method, "POST");
        assert_string_equal(h.target, "/a%20b?x=1");
        assert_int_equal(h.n_headers, 4);
        assert_string_equal(h.headers[0].name, "Host");
        assert_string_equal(h.headers[0].value, "h:1");
        assert_string_equal(h.headers[1].value, "");
        assert_string_equal(h.headers[2].name, "X-Pad");
        assert_string_equal(h.headers[2].value, "v w");
        assert_int_equal(h.content_length, 12);
        assert_true(h.keep_alive);
        assert_false(h.chunked || h.upgrade || h.expect_continue);
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

static const struct {
        const char *text;
        int status;
} heads[] = {
        /* fine */
        {GET "\r\n", 0},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0},
        {"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
        {GET "Transfer-Encoding: chunked\r\n\r\n", 0},
        {GET "transfer-encoding: CHUNKED\r\n\r\n", 0},
        {GET "Expect: 100-Continue\r\n\r\n", 0},
        {GET "X: \x80\xff\r\n\r\n", 0},
        {"DELETE /x HTTP/1.1\r\nHost:\r\n\r\n", 0},
        /* two lengths, or none that can be trusted */
        {GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
        {GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
        {GET "Content-Length: 5, 5\r\n\r\n", 400},
        {GET "Content-Length: +5\r\n\r\n", 400},
        {GET "Content-Length: -5\r\n\r\n", 400},
        {GET "Content-Length: 0x5\r\n\r\n", 400},
        {GET "Content-Length: 5 5\r\n\r\n", 400},
        {GET "Content-Length:\r\n\r\n", 400},
        {GET "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
        {GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {GET "Transfer-Encoding: chunked, chunked\r\n\r\n", -1},
        {GET "Transfer-Encoding: gzip, chunked\r\n\r\n", -1},
        {GET "Transfer-Encoding: identity\r\n\r\n", -1},
        {GET "Transfer-Encoding: xchunked\r\n\r\n", -1},
        {GET "Transfer-Encoding: chunked\x0b\r\n\r\n", 400},
        {GET "Transfer-Encoding : chunked\r\n\r\n", 400},
        {GET "Transfer-Encoding\t: chunked\r\n\r\n", 400},
        {GET "Content-Length : 5\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        /* lines */
        {GET "X: a\r\n b\r\n\r\n", 400},
        {GET "X: a\r\n\tb\r\n\r\n", 400},
        {GET " X: a\r\n\r\n", 400},
        {GET "X: a\rb\r\n\r\n", 400},
        {GET "X: a\r\r\n\r\n", 400},
        {GET "X: a\nY: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: h\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
        {GET "X\r\n\r\n", 400},
        {GET ": v\r\n\r\n", 400},
        {GET "X y: v\r\n\r\n", 400},
        {GET "X(y): v\r\n\r\n", 400},
        {GET "X\x80y: v\r\n\r\n", 400},
        {GET "X: \x01\r\n\r\n", 400},
        {GET "X: \x7f\r\n\r\n", 400},
        /* host */
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        /* request line */
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", -1},
        {"GET /\r\nHost: h\r\n\r\n", -1},
        {"GET / HTTX/1.1\r\nHost: h\r\n\r\n", 400},
        {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", -1},
        {"GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /#f HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /\tx HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {GET "Expect: the-unexpected\r\n\r\n", 417},
};

static void accepted_and_refused(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
                CLEANUP_ARENA struct arena a = {0};
                struct http1_head h;
                int status = parse(&a, heads[i].text, strlen(heads[i].text), &h);
                /* -1: refused; with which of the statuses is the library's affair */
                if (heads[i].status == -1 ? status == 0 : status != heads[i].status)
                        fail_msg("%s: answered %d, not %d", heads[i].text, status, heads[i].status);
        }
        CLEANUP_ARENA struct arena a = {0};
        struct http1_head h;
        assert_int_equal(parse(&a, GET "X: a\0b\r\n\r\n", sizeof(GET "X: a\0b\r\n\r\n") - 1, &h), 400);
        assert_int_equal(parse(&a, "\x16\x03\x01", 3, &h), 400);
}

static void connection_and_upgrade(void **state)
{
        static const struct {
                const char *text;
                bool keep_alive, upgrade;
        } rows[] = {
                {GET "Connection: close\r\n\r\n", false, false},
                {GET "Connection: Keep-Alive, Close\r\n\r\n", false, false},
                {GET "Connection: closed\r\n\r\n", true, false},
                {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false},
                {"GET / HTTP/1.0\r\n\r\n", false, false},
                {GET "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", true, true},
                {GET "Upgrade: websocket\r\n\r\n", true, false},
                {GET "Connection: upgrade\r\n\r\n", true, false},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena a = {0};
                struct http1_head h;
                assert_int_equal(parse(&a, rows[i].text, strlen(rows[i].text), &h), 0);
                assert_int_equal(h.keep_alive, rows[i].keep_alive);
                assert_int_equal(h.upgrade, rows[i].upgrade);
        }
        assert_true(http1_list_has("a , B,c", "b"));
        assert_false(http1_list_has("ab", "b"));
        assert_false(http1_list_has("", "b"));
}

static void header_count(void **state)
{
        for (size_t n = 19; n <= 21; n++) {
                CLEANUP_ARENA struct arena a = {0};
                CLEANUP_BUF struct buf b = {0};
                struct http1_head h;
                buf_append_str(&b, GET);
                for (size_t i = 1; i < n; i++)
                        buf_printf(&b, "X-%zu: %zu\r\n", i, i);
                buf_append_str(&b, "\r\n");
                assert_int_equal(parse(&a, b.data, b.len, &h), n <= 20 ? 0 : 431);
                if (n == 20)
                        assert_string_equal(h.headers[19].value, "19");
        }
}

static void scan_in_pieces(void **state)
{
        static const char text[] = GET "X: y\r\n\r\nGET";
        struct http1_scan scan = {0};
        size_t head = strlen(GET "X: y\r\n\r\n");
        for (size_t len = 0; len < head; len++)
                assert_int_equal(http1_scan(&scan, text, len), 0);
        assert_int_equal(http1_scan(&scan, text, sizeof(text) - 1), head);
}

static const struct {
        const char *text;
        int r;
        const char *body;
} chunks[] = {
        {"0\r\n\r\n", 1, ""},
        {"5\r\nhello\r\n0\r\n\r\n", 1, "hello"},
        {"1\r\na\r\n2;x=\"y\"\r\nbc\r\n000\r\nTrailer: 1\r\n\r\n", 1, "abc"},
        {"A\r\n0123456789\r\n0\r\n\r\n", 1, "0123456789"},
        {"5\r\nhel", 0, "hel"},
        {"5\nhello\r\n0\r\n\r\n", -EBADMSG, NULL},
        {"5\r\nhelloX\n0\r\n\r\n", -EBADMSG, NULL},
        {"5\r\nhello\r0\r\n\r\n", -EBADMSG, NULL},
        {"5\r\nhello\n0\r\n\r\n", -EBADMSG, NULL},
        {"\r\nhello", -EBADMSG, NULL},
        {" 5\r\nhello", -EBADMSG, NULL},
        {"5 \r\nhello", -EBADMSG, NULL},
        {"0x5\r\nhello", -EBADMSG, NULL},
        {"-5\r\nhello", -EBADMSG, NULL},
        {"5;\x01\r\nhello", -EBADMSG, NULL},
        {"5;a\nhello", -EBADMSG, NULL},
        {"ffffffffffff1\r\n", -EBADMSG, NULL},
        {"0\r\nX: y\r\n folded\r\n\r\n", -EBADMSG, NULL},
        {"0\r\nX: y\n\r\n", -EBADMSG, NULL},
        {"fffff\r\n1", -EFBIG, NULL},
        {"40\r\n", 0, ""},
        {"3f\r\n", 0, ""},
};

static void chunked_bodies(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
                size_t len = strlen(chunks[i].text);
                for (size_t step = 1; step <= len; step++) {
                        CLEANUP_BUF struct buf out = {0};
                        struct http1_body body;
                        size_t at = 0, used;
                        int r = 0;
                        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
                        while (at < len && r == 0) {
                                r = http1_body_feed(&body, chunks[i].text + at, MIN(step, len - at), 64, &out, &used);
                                at += used;
                                if (r == 0)
                                        assert_true(used > 0);
                        }
                        if (r != chunks[i].r)
                                fail_msg("%s in steps of %zu: %d", chunks[i].text, step, r);
                        if (r >= 0)
                                assert_string_equal(out.data != NULL ? out.data : "", chunks[i].body);
                        if (r == 1)
                                assert_int_equal(at, len);
                }
        }
}

static void bodies_by_length(void **state)
{
        CLEANUP_BUF struct buf out = {0};
        struct http1_body body;
        size_t used;
        http1_body_init(&body, HTTP1_BODY_LENGTH, 5);
        assert_int_equal(http1_body_feed(&body, "hel", 3, 5, &out, &used), 0);
        assert_int_equal(http1_body_feed(&body, "loGET", 5, 5, &out, &used), 1);
        assert_int_equal(used, 2);
        assert_string_equal(out.data, "hello");
        http1_body_init(&body, HTTP1_BODY_LENGTH, 6);
        assert_int_equal(http1_body_feed(&body, "x", 1, 5, &out, &used), -EFBIG);
        buf_clear(&out);
        http1_body_init(&body, HTTP1_BODY_TO_END, 0);
        assert_int_equal(http1_body_feed(&body, "abc", 3, 5, &out, &used), 0);
        assert_int_equal(http1_body_feed(&body, "def", 3, 5, &out, &used), -EFBIG);
}

static void responses(void **state)
{
        CLEANUP_ARENA struct arena a = {0};
        struct http1_head h;
        const char *reason;
        char good[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        char bad[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert_int_equal(http1_parse_response(good, sizeof(good) - 1, 20, &a, &h, &reason), 0);
        assert_int_equal(h.status, 101);
        assert_true(h.upgrade);
        assert_int_equal(http1_parse_response(bad, sizeof(bad) - 1, 20, &a, &h, &reason), -EBADMSG);
        assert_string_equal(http1_status_text(404), "Not Found");
        assert_string_equal(http1_status_text(299), "Unknown");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(typical_request),        cmocka_unit_test(accepted_and_refused),
                cmocka_unit_test(connection_and_upgrade), cmocka_unit_test(header_count),
                cmocka_unit_test(scan_in_pieces),         cmocka_unit_test(chunked_bodies),
                cmocka_unit_test(bodies_by_length),       cmocka_unit_test(responses),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
