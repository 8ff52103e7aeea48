/* SPDX-License-Identifier: Apache-2.0 */
/* Printers for strings and numbers of JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "codec/json.h"
#include "codec/json_print.h"

/* Whether the next bytes can be copied as they are: no quote, backslash, control character and only ASCII. */
#ifdef __SSE2__
static inline bool copy16(char *out, const char *s)
{
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)s);
        __m128i hit = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(' ')),
                                   _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));

        _mm_storeu_si128((__m128i *)(void *)out, x);
        return _mm_movemask_epi8(hit) == 0;
}
#endif

/* Has any of the eight bytes to be escaped or checked? */
static inline bool special8(uint64_t x)
{
        const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
        uint64_t quote = x ^ (ones * '"'), backslash = x ^ (ones * '\\');

        return ((x | (x - ones * ' ') | (quote - ones) | (backslash - ones)) & tops) != 0;
}

static inline bool copy8(char *out, const char *s)
{
        uint64_t x;

        memcpy(&x, s, 8);
        memcpy(out, &x, 8);
        return !special8(x);
}

/* Copies while nothing needs care; returns how many bytes. Writes at most `len` bytes. */
static inline size_t copy_plain(char *out, const char *s, size_t len)
{
        size_t i = 0;

#ifdef __SSE2__
        for (; len - i >= 16; i += 16)
                if (!copy16(out + i, s + i))
                        break;
#endif
        for (; len - i >= 8; i += 8)
                if (!copy8(out + i, s + i))
                        break;
        for (; i < len && s[i] != '"' && s[i] != '\\' && (signed char)s[i] >= ' '; i++)
                out[i] = s[i];
        return i;
}

static char *put_escape(char *p, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        static const char names[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
        char name = c < 32 ? names[c] : (char)c;

        *p++ = '\\';
        if (name != 0) {
                *p++ = name;
                return p;
        }
        *p++ = 'u';
        *p++ = '0';
        *p++ = '0';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
        return p;
}

size_t json_string_room(const char *s, size_t len)
{
        size_t escapes = 0;

        if (len <= 256)
                return len * 6 + 2;
        for (size_t i = 0; i < len; i++)
                escapes += (signed char)s[i] < ' ' || s[i] == '"' || s[i] == '\\';
        return len + escapes * 5 + 2;
}

char *json_put_string(char *p, const char *s, size_t len)
{
        const char *end = s + len;

        *p++ = '"';
        for (;;) {
                size_t n = copy_plain(p, s, (size_t)(end - s));

                p += n;
                s += n;
                if (s == end)
                        break;
                if ((signed char)*s >= 0) {
                        p = put_escape(p, (unsigned char)*s++);
                        continue;
                }
                n = utf8_sequence(s, end);
                memcpy(p, n > 0 ? s : "\xef\xbf\xbd", n > 0 ? n : 3);
                p += n > 0 ? n : 3;
                s += n > 0 ? n : 1;
        }
        *p++ = '"';
        return p;
}

char *json_put_uint(char *p, uint64_t value)
{
        static const char pairs[] =
                "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960"
                "61626364656667686970717273747576777879808182838485868788899091929394959697989900";
        char text[20], *t = text + sizeof(text);

        if (value < 10) {
                *p = (char)('0' + value);
                return p + 1;
        }
        for (; value >= 10; value /= 100) {
                t -= 2;
                memcpy(t, pairs + value % 100 * 2, 2);
        }
        if (value > 0)
                *--t = (char)('0' + value);
        memcpy(p, t, (size_t)(text + sizeof(text) - t));
        return p + (text + sizeof(text) - t);
}

char *json_put_int(char *p, int64_t value)
{
        if (value < 0)
                *p++ = '-';
        return json_put_uint(p, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

char *json_put_double(char *p, double value)
{
        char text[40];
        int n = 0;

        if (isnan(value) || isinf(value))
                return stpcpy(p, isnan(value) ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
                return json_put_int(p, (int64_t)value);
        for (int digits = 15; digits <= 17; digits++) {
                n = snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        memcpy(p, text, (size_t)n);
        return p + n;
}

void json_append_string(struct buf *out, const char *s, size_t len)
{
        char *to = buf_reserve(out, json_string_room(s, len));

        buf_advance(out, (size_t)(json_put_string(to, s, len) - to));
}

void json_append_int(struct buf *out, int64_t value)
{
        char *to = buf_reserve(out, JSON_NUMBER_MAX);

        buf_advance(out, (size_t)(json_put_int(to, value) - to));
}

void json_append_double(struct buf *out, double value)
{
        char *to = buf_reserve(out, JSON_NUMBER_MAX);

        buf_advance(out, (size_t)(json_put_double(to, value) - to));
}
