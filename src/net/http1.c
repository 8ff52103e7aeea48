/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads. The parser library splits them; everything that decides where a message ends is checked here again, because Debian builds
 * http_parser in its lenient mode (spaces in header names, bare line feeds, folded lines).
 */
#include "net/http1.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"

#if defined(HAVE_LLHTTP)
#include <llhttp.h>
#else
#include <http_parser.h>
#endif

/* RFC 9110 section 5.6.2: the characters of method and header names. */
static bool is_token(char c)
{
        static const bool token[256] = {
                ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
                ['%'] = true,         ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true, ['-'] = true,
                ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
        };
        return token[(unsigned char)c];
}

ssize_t http1_scan(struct http1_scan *scan, const char *data, size_t len)
{
        if (len > 0 && !is_token(data[0]))
                return -EBADMSG; /* a TLS hello on a plain port, for example: say so at once */
        for (;;) {
                const char *lf = memchr(data + scan->at, '\n', len - scan->at);
                if (lf == NULL) {
                        scan->at = len;
                        return 0;
                }
                size_t i = (size_t)(lf - data);
                if (i == scan->line || data[i - 1] != '\r')
                        return -EBADMSG;
                bool empty = i == scan->line + 1;
                scan->at = scan->line = i + 1;
                if (empty)
                        return (ssize_t)scan->at;
        }
}

/* ---- splitting, by the library ---- */

struct split {
        struct arena *arena;
        struct http_header *headers;
        size_t n, max, room;
        const char *target, *target_end;
        bool in_value, too_many;
        /* Where the strings end: they are terminated once the library has read them. */
        char **ends;
        size_t n_ends;
};

#if defined(HAVE_LLHTTP)
typedef llhttp_t parser_type;
typedef llhttp_settings_t parser_settings;
#define METHOD_NAME(parser) llhttp_method_name((llhttp_method_t)(parser)->method)
#define BAD_METHOD HPE_INVALID_METHOD
#else
typedef http_parser parser_type;
typedef http_parser_settings parser_settings;
#define METHOD_NAME(parser) http_method_str((enum http_method)(parser)->method)
#define BAD_METHOD HPE_INVALID_METHOD
#endif

static int on_url(parser_type *parser, const char *at, size_t len)
{
        struct split *split = parser->data;
        split->target = split->target != NULL ? split->target : at;
        split->target_end = at + len;
        return 0;
}

/* Grows both arrays; false at the limit. */
static bool make_room(struct split *split)
{
        if (split->n < split->room)
                return true;
        if (split->n >= split->max)
                return false;
        size_t room = MIN(split->room > 0 ? split->room * 2 : 16, split->max);
        struct http_header *headers = arena_calloc(split->arena, room, sizeof(*headers));
        char **ends = arena_calloc(split->arena, room * 2, sizeof(*ends));
        if (split->n > 0) {
                memcpy(headers, split->headers, split->n * sizeof(*headers));
                memcpy(ends, split->ends, split->n * 2 * sizeof(*ends));
        }
        split->headers = headers;
        split->ends = ends;
        split->room = room;
        return true;
}

static int on_header_field(parser_type *parser, const char *at, size_t len)
{
        struct split *split = parser->data;
        if (split->n > 0 && !split->in_value) { /* the library may give a name in pieces */
                split->ends[2 * split->n - 2] = (char *)at + len;
                return 0;
        }
        if (!make_room(split)) {
                split->too_many = true;
                return -1;
        }
        split->headers[split->n].name = at;
        split->headers[split->n].value = "";
        split->ends[2 * split->n] = (char *)at + len;
        split->ends[2 * split->n + 1] = NULL;
        split->n++;
        split->in_value = false;
        return 0;
}

static int on_header_value(parser_type *parser, const char *at, size_t len)
{
        struct split *split = parser->data;
        if (split->n == 0)
                return -1;
        split->in_value = true;
        if (len == 0)
                return 0; /* stays ""; `at` is beyond the line then */
        if (split->ends[2 * split->n - 1] == NULL)
                split->headers[split->n - 1].value = at;
        split->ends[2 * split->n - 1] = (char *)at + len;
        return 0;
}

/* 2: whatever follows is not for the library. */
static int on_headers_complete(parser_type *parser)
{
        return 2;
}

static const parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
};

struct verdict {
        int status; /* 0: fine */
        const char *reason;
};

static struct verdict library_verdict(const struct split *split, int number)
{
        if (split->too_many)
                return (struct verdict){431, "too many header fields"};
        switch (number) {
        case BAD_METHOD:
                return (struct verdict){400, "unknown request method"};
        case HPE_INVALID_VERSION:
                return (struct verdict){505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
#if !defined(HAVE_LLHTTP)
        case HPE_HEADER_OVERFLOW:
                return (struct verdict){431, "header section too large"};
#endif
        case HPE_UNEXPECTED_CONTENT_LENGTH:
                return (struct verdict){400, "more than one length of the body (Content-Length, Transfer-Encoding)"};
        case HPE_INVALID_CONTENT_LENGTH:
                return (struct verdict){400, "Content-Length is not a number"};
        default:
                return (struct verdict){400, "malformed HTTP message"};
        }
}

/* Runs the library over a complete head. */
static struct verdict run_library(parser_type *parser, struct split *split, const char *head, size_t len, bool request)
{
#if defined(HAVE_LLHTTP)
        llhttp_init(parser, request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
        parser->data = split;
        llhttp_errno_t number = llhttp_execute(parser, head, len);
        bool good = number == HPE_PAUSED_UPGRADE && llhttp_get_error_pos(parser) == head + len;
#else
        http_parser_init(parser, request ? HTTP_REQUEST : HTTP_RESPONSE);
        parser->data = split;
        size_t used = http_parser_execute(parser, &settings, head, len);
        enum http_errno number = HTTP_PARSER_ERRNO(parser);
        bool good = number == HPE_OK && parser->upgrade && used == len;
#endif
        return good ? (struct verdict){0, NULL} : library_verdict(split, (int)number);
}

static void terminate_strings(struct split *split)
{
        for (size_t i = 0; i < split->n; i++) {
                char *end = split->ends[2 * i + 1];
                *split->ends[2 * i] = '\0';
                if (end == NULL)
                        continue;
                while (end > split->headers[i].value && (end[-1] == ' ' || end[-1] == '\t'))
                        end--;
                *end = '\0';
        }
}

/* ---- strictness ---- */

/* Line ends are CR LF (http1_scan saw to LF), no line is folded onto the one before, and there are no control characters. */
static struct verdict check_bytes(const char *head, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)head[i];
                if (c >= ' ' && c != 0x7f)
                        continue;
                if (c == '\n') {
                        if (i + 1 < len && (head[i + 1] == ' ' || head[i + 1] == '\t'))
                                return (struct verdict){400, "a header field continues on a second line, which is obsolete"};
                } else if (c == '\r') {
                        if (head[i + 1] != '\n') /* the head ends in LF: there is a next byte */
                                return (struct verdict){400, "a carriage return without a line feed"};
                } else if (c != '\t') {
                        return (struct verdict){400, "a control character in the header section"};
                }
        }
        return (struct verdict){0, NULL};
}

/* The first line has exactly its parts, with one space between them. */
static struct verdict check_first_line(const char *head, bool request)
{
        static const char version[] = "HTTP/1.";
        size_t len = strcspn(head, "\r"), v = sizeof(version); /* with the digit */
        const char *at = head;
        if (request) {
                const char *space = memchr(head, ' ', len), *last = memrchr(head, ' ', len);
                if (space == NULL || memchr(space + 1, ' ', len - (size_t)(space + 1 - head)) != last || last == space + 1 || len < v + 1)
                        return (struct verdict){400, "the request line is not of the form METHOD TARGET VERSION"};
                at = last + 1;
                if (at + v != head + len)
                        return (struct verdict){400, "the request line does not end in an HTTP version"};
        }
        if (memcmp(at, version, v - 1) != 0)
                return (struct verdict){strncmp(at, "HTTP/", 5) == 0 ? 505 : 400, "the version is not HTTP/1.0 or HTTP/1.1"};
        return (struct verdict){0, NULL};
}

static struct verdict check_names(const struct http1_head *head)
{
        for (size_t i = 0; i < head->n_headers; i++) {
                const char *p = head->headers[i].name;
                if (*p == '\0')
                        return (struct verdict){400, "a header field without a name"};
                for (; *p != '\0'; p++) {
                        if (!is_token(*p))
                                return (struct verdict){400, "a header name with a character that names cannot have"};
                }
        }
        return (struct verdict){0, NULL};
}

static struct verdict take_content_length(struct http1_head *head, const char *value)
{
        int64_t length;
        if (head->content_length >= 0)
                return (struct verdict){400, "Content-Length more than once"};
        if (*value < '0' || *value > '9' || strlen(value) > 18 || str_to_int64(value, &length) < 0)
                return (struct verdict){400, "Content-Length is not a number"};
        head->content_length = length;
        return (struct verdict){0, NULL};
}

static struct verdict take_transfer_encoding(struct http1_head *head, const char *value)
{
        if (head->chunked)
                return (struct verdict){400, "Transfer-Encoding more than once"};
        if (head->minor == 0)
                return (struct verdict){400, "Transfer-Encoding in an HTTP/1.0 message"};
        if (!str_eq_nocase(value, "chunked"))
                return (struct verdict){501, "the only Transfer-Encoding spoken here is chunked"};
        head->chunked = true;
        return (struct verdict){0, NULL};
}

/* What the fields say about the message as a whole. */
struct facts {
        unsigned hosts;
        bool close, keep_alive, wants_upgrade, names_protocol;
};

static struct verdict take_header(struct http1_head *head, const struct http_header *h, struct facts *facts)
{
        /* Lengths first: most fields are of no interest here and there are many. */
        switch (strlen(h->name)) {
        case 4:
                if (str_eq_nocase(h->name, "host"))
                        facts->hosts++;
                break;
        case 6:
                if (str_eq_nocase(h->name, "expect")) {
                        if (!str_eq_nocase(h->value, "100-continue"))
                                return (struct verdict){417, "the only expectation known here is 100-continue"};
                        head->expect_continue = head->minor >= 1;
                }
                break;
        case 7:
                if (str_eq_nocase(h->name, "upgrade"))
                        facts->names_protocol = true;
                break;
        case 10:
                if (str_eq_nocase(h->name, "connection")) {
                        facts->close |= http1_list_has(h->value, "close");
                        facts->keep_alive |= http1_list_has(h->value, "keep-alive");
                        facts->wants_upgrade |= http1_list_has(h->value, "upgrade");
                }
                break;
        case 14:
                if (str_eq_nocase(h->name, "content-length"))
                        return take_content_length(head, h->value);
                break;
        case 17:
                if (str_eq_nocase(h->name, "transfer-encoding"))
                        return take_transfer_encoding(head, h->value);
                break;
        default:
                break;
        }
        return (struct verdict){0, NULL};
}

static struct verdict take_headers(struct http1_head *head, struct facts *facts)
{
        for (size_t i = 0; i < head->n_headers; i++) {
                struct verdict v = take_header(head, &head->headers[i], facts);
                if (v.status != 0)
                        return v;
        }
        if (head->chunked && head->content_length >= 0)
                return (struct verdict){400, "both Content-Length and Transfer-Encoding"};
        head->upgrade = facts->wants_upgrade && facts->names_protocol && head->minor >= 1;
        head->keep_alive = head->minor >= 1 ? !facts->close : facts->keep_alive && !facts->close;
        return (struct verdict){0, NULL};
}

/* RFC 9112 section 3.2: "/path?query", "http://host/path", or "*" with OPTIONS. */
static struct verdict check_target(const struct http1_head *head)
{
        const char *t = head->target;
        for (const char *p = t; *p != '\0'; p++) {
                if (*p <= ' ' || *p >= 0x7f || *p == '#')
                        return (struct verdict){400, "the request target has a character that must be percent-encoded"};
        }
        if (*t == '/' || str_starts_with(t, "http://") || str_starts_with(t, "https://"))
                return (struct verdict){0, NULL};
        if (str_eq(t, "*") && str_eq(head->method, "OPTIONS"))
                return (struct verdict){0, NULL};
        return (struct verdict){400, "the request target is not a path"};
}

static struct verdict split_head(char *bytes, size_t len, size_t max_headers, bool request, struct arena *arena, struct http1_head *ret)
{
        parser_type parser;
        struct split split = {.arena = arena, .max = max_headers};
        struct verdict v = check_bytes(bytes, len);
        if (v.status != 0)
                return v;
        v = run_library(&parser, &split, bytes, len, request);
        if (v.status == 0)
                v = check_first_line(bytes, request);
        if (v.status != 0)
                return v;
        if (parser.http_major != 1 || parser.http_minor > 1)
                return (struct verdict){505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
        *ret = (struct http1_head){
                .minor = parser.http_minor,
                .headers = split.headers,
                .n_headers = split.n,
                .content_length = -1,
        };
        terminate_strings(&split);
        if (request) {
                if (split.target == NULL)
                        return (struct verdict){400, "no request target"};
                ret->method = METHOD_NAME(&parser);
                ret->target = (char *)split.target;
                *(char *)split.target_end = '\0';
        } else {
                ret->status = parser.status_code;
        }
        return check_names(ret);
}

int http1_parse_request(char *head, size_t len, size_t max_headers, struct arena *arena, struct http1_head *ret, const char **ret_reason)
{
        struct http1_head parsed;
        struct facts facts = {0};
        struct verdict v = split_head(head, len, max_headers, true, arena, &parsed);
        if (v.status == 0)
                v = take_headers(&parsed, &facts);
        if (v.status == 0)
                v = check_target(&parsed);
        if (v.status == 0 && facts.hosts > 1)
                v = (struct verdict){400, "more than one Host header"};
        if (v.status == 0 && facts.hosts == 0 && parsed.minor >= 1)
                v = (struct verdict){400, "no Host header"};
        if (v.status != 0) {
                *ret_reason = v.reason;
                return v.status;
        }
        *ret = parsed;
        return 0;
}

int http1_parse_response(char *head, size_t len, size_t max_headers, struct arena *arena, struct http1_head *ret, const char **ret_reason)
{
        struct http1_head parsed;
        struct facts facts = {0};
        struct verdict v = split_head(head, len, max_headers, false, arena, &parsed);
        if (v.status == 0)
                v = take_headers(&parsed, &facts);
        if (v.status == 0 && (parsed.status < 100 || parsed.status > 599))
                v = (struct verdict){400, "the status is not between 100 and 599"};
        if (v.status != 0) {
                *ret_reason = v.reason;
                return -EBADMSG;
        }
        *ret = parsed;
        return 0;
}

bool http1_list_has(const char *list, const char *token)
{
        size_t want = strlen(token);
        while (*list != '\0') {
                list += strspn(list, " \t,");
                size_t len = strcspn(list, ",");
                size_t used = len;
                while (used > 0 && (list[used - 1] == ' ' || list[used - 1] == '\t'))
                        used--;
                if (used == want) {
                        size_t i = 0;
                        while (i < want && (list[i] | 0x20) == (token[i] | 0x20))
                                i++;
                        if (i == want)
                                return true;
                }
                list += len;
        }
        return false;
}
