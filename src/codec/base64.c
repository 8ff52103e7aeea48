/* SPDX-License-Identifier: Apache-2.0 */
/* Base64. */
#include "codec/base64.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *ret)
{
        const unsigned char *in = data;

        for (; len >= 3; in += 3, len -= 3) {
                uint32_t x = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

                *ret++ = alphabet[x >> 18];
                *ret++ = alphabet[x >> 12 & 63];
                *ret++ = alphabet[x >> 6 & 63];
                *ret++ = alphabet[x & 63];
        }
        if (len > 0) {
                uint32_t x = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0);

                *ret++ = alphabet[x >> 18];
                *ret++ = alphabet[x >> 12 & 63];
                *ret++ = len > 1 ? alphabet[x >> 6 & 63] : '=';
                *ret++ = '=';
        }
        *ret = '\0';
}

void base64_append(struct buf *out, const void *data, size_t len)
{
        base64_encode(data, len, buf_reserve(out, BASE64_LEN(len)));
        buf_advance(out, BASE64_LEN(len));
}

/* 0..63, or 64 for what is not in the alphabet. */
static inline uint32_t digit(char c)
{
        if (c >= 'A' && c <= 'Z')
                return (uint32_t)(c - 'A');
        if (c >= 'a' && c <= 'z')
                return (uint32_t)(c - 'a') + 26;
        if (c >= '0' && c <= '9')
                return (uint32_t)(c - '0') + 52;
        return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int base64_decode(const char *text, size_t len, void *ret, size_t *ret_len)
{
        unsigned char *out = ret;
        size_t pad = len > 0 && text[len - 1] == '=' ? 1 + (len > 1 && text[len - 2] == '=') : 0;
        size_t n = 0;

        if (len % 4 != 0)
                return -EINVAL;
        for (size_t i = 0; i < len; i += 4) {
                bool last = i + 4 == len;
                uint32_t a = digit(text[i]), b = digit(text[i + 1]);
                uint32_t c = last && pad > 1 ? 0 : digit(text[i + 2]), d = last && pad > 0 ? 0 : digit(text[i + 3]);
                uint32_t x = a << 18 | b << 12 | c << 6 | d;

                if ((a | b | c | d) > 63)
                        return -EINVAL;
                if (last && ((pad == 1 && (x & 0xff) != 0) || (pad == 2 && (x & 0xffff) != 0)))
                        return -EINVAL;
                out[n++] = (unsigned char)(x >> 16);
                if (!last || pad < 2)
                        out[n++] = (unsigned char)(x >> 8);
                if (!last || pad < 1)
                        out[n++] = (unsigned char)x;
        }
        *ret_len = n;
        return 0;
}
