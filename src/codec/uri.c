/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding and query strings. */
#include "codec/uri.h"

#include <errno.h>
#include <string.h>

bool uri_unreserved(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void uri_append_encoded(struct buf *out, const char *s, size_t len, const char *keep)
{
        static const char hex[] = "0123456789ABCDEF";
        char *start = buf_reserve(out, len * 3), *p = start;

        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)s[i];

                if (uri_unreserved((char)c) || (c != '\0' && strchr(keep, c) != NULL)) {
                        *p++ = (char)c;
                        continue;
                }
                *p++ = '%';
                *p++ = hex[c >> 4];
                *p++ = hex[c & 15];
        }
        buf_advance(out, (size_t)(p - start));
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *uri_decode(struct arena *arena, const char *s, size_t len, bool form)
{
        char *text = arena_bytes(arena, len + 1), *out = text;

        for (size_t i = 0; i < len; i++) {
                char c = s[i];

                if (c == '%' && len - i > 2 && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
                        c = (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]));
                        i += 2;
                } else if (c == '+' && form) {
                        c = ' ';
                }
                if (c == '\0')
                        return NULL;
                *out++ = c;
        }
        *out = '\0';
        return text;
}

/* The next piece between '&'; false at the end. */
static bool next_piece(const char **p, const char *end, const char **ret, size_t *ret_len)
{
        const char *stop;

        while (*p < end && **p == '&')
                (*p)++;
        if (*p == end)
                return false;
        stop = memchr(*p, '&', (size_t)(end - *p));
        if (stop == NULL)
                stop = end;
        *ret = *p;
        *ret_len = (size_t)(stop - *p);
        *p = stop;
        return true;
}

int uri_query_parse(struct arena *arena, const char *query, size_t len, bool form, size_t max, struct uri_pair **ret, size_t *ret_n)
{
        const char *p = query, *end = query + len, *piece;
        struct uri_pair *pairs;
        size_t n = 0, count = 0, piece_len;

        while (next_piece(&p, end, &piece, &piece_len))
                if (++count > max)
                        return -E2BIG;
        pairs = arena_calloc(arena, count, sizeof(*pairs));
        for (p = query; next_piece(&p, end, &piece, &piece_len); n++) {
                const char *equals = memchr(piece, '=', piece_len);
                size_t name_len = equals != NULL ? (size_t)(equals - piece) : piece_len;

                pairs[n].name = uri_decode(arena, piece, name_len, form);
                pairs[n].value = equals != NULL ? uri_decode(arena, equals + 1, piece_len - name_len - 1, form) : "";
                if (pairs[n].name == NULL || pairs[n].value == NULL)
                        return -EINVAL;
        }
        *ret = pairs;
        *ret_n = n;
        return 0;
}

const char *uri_query_get(struct arena *arena, const char *query, const char *name)
{
        const char *p = query, *end = query + strlen(query), *piece;
        size_t len;

        while (next_piece(&p, end, &piece, &len)) {
                const char *equals = memchr(piece, '=', len);
                size_t name_len = equals != NULL ? (size_t)(equals - piece) : len;
                const char *decoded = uri_decode(arena, piece, name_len, false);

                if (decoded != NULL && strcmp(decoded, name) == 0)
                        return equals != NULL ? uri_decode(arena, equals + 1, len - name_len - 1, false) : "";
        }
        return NULL;
}
