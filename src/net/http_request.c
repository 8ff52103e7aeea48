/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a request. */
#include <string.h>

#include "base/strutil.h"
#include "net/http_server.h"

const char *http_request_header(const struct http_request *req, const char *name)
{
        for (size_t i = 0; i < req->n_headers; i++) {
                if (str_eq_nocase(req->headers[i].name, name))
                        return req->headers[i].value;
        }
        return NULL;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding of form data; what is not a valid escape stays as it is. Returns the length. */
static size_t decode(const char *from, size_t len, char *to)
{
        size_t n = 0;
        for (size_t i = 0; i < len; i++) {
                char c = from[i];
                if (c == '+') {
                        c = ' ';
                } else if (c == '%' && i + 2 < len && hex_value(from[i + 1]) >= 0 && hex_value(from[i + 2]) >= 0) {
                        c = (char)(hex_value(from[i + 1]) << 4 | hex_value(from[i + 2]));
                        i += 2;
                }
                to[n++] = c;
        }
        to[n] = '\0';
        return n;
}

const char *http_request_query(const struct http_request *req, const char *name)
{
        size_t want = strlen(name);
        for (const char *p = req->query; *p != '\0';) {
                size_t len = strcspn(p, "&");
                const char *equals = memchr(p, '=', len);
                size_t key_len = equals != NULL ? (size_t)(equals - p) : len;
                char *text = arena_bytes(req->arena, len + 1);
                if (decode(p, key_len, text) == want && memcmp(text, name, want) == 0) {
                        (void)decode(equals != NULL ? equals + 1 : "", equals != NULL ? len - key_len - 1 : 0, text);
                        return text;
                }
                p += len;
                p += *p == '&';
        }
        return NULL;
}
