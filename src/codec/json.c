/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner: values, strings and numbers, each checked in one pass. */
#include "codec/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/alloc.h"

void json_init(struct json *json, const char *text, size_t len)
{
        *json = (struct json){.p = text, .end = text + len, .begin = text};
}

int json_fail(struct json *json, const char *problem)
{
        json->problem = problem;
        return -EINVAL;
}

size_t utf8_sequence(const char *p, const char *end)
{
        const unsigned char *s = (const unsigned char *)p;
        size_t left = (size_t)(end - p);

        if (left == 0)
                return 0;
        if (s[0] < 0x80)
                return 1;
        if (s[0] < 0xc2 || s[0] > 0xf4 || left < 2 || (s[1] & 0xc0) != 0x80)
                return 0;
        if (s[0] < 0xe0)
                return 2;
        if (left < 3 || (s[2] & 0xc0) != 0x80)
                return 0;
        if (s[0] < 0xf0) /* no overlong forms, no surrogates */
                return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 3;
        if (left < 4 || (s[3] & 0xc0) != 0x80)
                return 0;
        return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
}

size_t utf8_count(const char *s)
{
        size_t n = 0;

        for (; *s != '\0'; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

/* The first byte that is a quote, a backslash, a control character or not ASCII; or the end. */
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
        const __m128i space = _mm_set1_epi8(' '), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

        for (; end - p >= 16; p += 16) {
                __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
                /* Signed: bytes from 0x80 are negative, so one comparison finds them and the controls. */
                __m128i hit = _mm_or_si128(_mm_cmplt_epi8(x, space), _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
                int mask = _mm_movemask_epi8(hit);

                if (mask != 0)
                        return p + __builtin_ctz((unsigned)mask);
        }
#endif
        while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= ' ')
                p++;
        return p;
}

int json_read_string(struct json *json, struct json_string *ret)
{
        const char *p = json->p, *end = json->end, *start;
        bool escaped = false;
        size_t n;

        if (p == end || *p != '"')
                return json_fail(json, "a string was expected");
        start = ++p;
        for (;;) {
                p = skip_plain(p, end);
                if (p == end) {
                        json->p = p;
                        return json_fail(json, "a string does not end");
                }
                if (*p == '"')
                        break;
                json->p = p;
                if (*p == '\\') {
                        escaped = true;
                        n = 2;
                        if (end - p < 2)
                                return json_fail(json, "a string does not end");
                } else if ((unsigned char)*p < ' ') {
                        return json_fail(json, "a control character in a string must be escaped");
                } else {
                        n = utf8_sequence(p, end);
                        if (n == 0)
                                return json_fail(json, "not valid UTF-8");
                }
                p += n;
        }
        *ret = (struct json_string){.text = start, .len = (size_t)(p - start), .escaped = escaped};
        json->p = p + 1;
        return 0;
}

static int hex4(const char *p, const char *end)
{
        int value = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                unsigned char c = (unsigned char)p[i];
                int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;

                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static size_t utf8_encode(uint32_t c, char *out)
{
        if (c < 0x80) {
                out[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char)(0xc0 | c >> 6);
                out[1] = (char)(0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char)(0xe0 | c >> 12);
                out[1] = (char)(0x80 | (c >> 6 & 0x3f));
                out[2] = (char)(0x80 | (c & 0x3f));
                return 3;
        }
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3f));
        out[2] = (char)(0x80 | (c >> 6 & 0x3f));
        out[3] = (char)(0x80 | (c & 0x3f));
        return 4;
}

/* `p` is behind "\u"; moves it behind the digits, of both halves of a surrogate pair. */
static int read_code_point(struct json *json, const char **p, const char *end, uint32_t *ret)
{
        int high = hex4(*p, end), low;

        if (high < 0)
                return json_fail(json, "\\u needs four hexadecimal digits");
        *p += 4;
        if (high == 0)
                return json_fail(json, "NUL (\\u0000) is not allowed in strings");
        if (high >= 0xdc00 && high <= 0xdfff)
                return json_fail(json, "a surrogate stands alone");
        if (high < 0xd800 || high > 0xdbff) {
                *ret = (uint32_t)high;
                return 0;
        }
        low = end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
                return json_fail(json, "a surrogate stands alone");
        *p += 6;
        *ret = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        return 0;
}

static char simple_escape(char c)
{
        static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

        for (size_t i = 0; i + 1 < sizeof(pairs); i += 2)
                if (pairs[i] == c)
                        return pairs[i + 1];
        return 0;
}

int json_unescape(struct json *json, const struct json_string *s, char *out, size_t *ret_len)
{
        const char *p = s->text, *end = s->text + s->len;
        char *o = out;

        while (p < end) {
                const char *slash = memchr(p, '\\', (size_t)(end - p));
                size_t n = (size_t)((slash != NULL ? slash : end) - p);
                uint32_t c;
                int r;

                memcpy(o, p, n);
                o += n;
                p += n;
                if (slash == NULL)
                        break;
                json->p = p;
                p += 2; /* the scanner made sure that something follows */
                if (p[-1] == 'u') {
                        r = read_code_point(json, &p, end, &c);
                        if (r < 0)
                                return r;
                        o += utf8_encode(c, o);
                        continue;
                }
                *o = simple_escape(p[-1]);
                if (*o++ == 0)
                        return json_fail(json, "an unknown escape in a string");
        }
        json->p = end + 1;
        *ret_len = (size_t)(o - out);
        return 0;
}

/* The same checks without output. */
static int check_escapes(struct json *json, const struct json_string *s)
{
        const char *p = s->text, *end = s->text + s->len;
        uint32_t c;
        int r;

        while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
                json->p = p;
                p += 2;
                if (p[-1] == 'u') {
                        r = read_code_point(json, &p, end, &c);
                        if (r < 0)
                                return r;
                } else if (simple_escape(p[-1]) == 0) {
                        return json_fail(json, "an unknown escape in a string");
                }
        }
        json->p = end + 1;
        return 0;
}

static inline bool is_digit(const char *p, const char *end)
{
        return p < end && (unsigned char)(*p - '0') < 10;
}

/* Takes a run of digits into the mantissa; `fraction` when they stand behind the point. */
static const char *take_digits(const char *p, const char *end, struct json_number *n, bool fraction)
{
        for (; is_digit(p, end); p++) {
                if (n->mantissa < (UINT64_MAX - 9) / 10) {
                        n->mantissa = n->mantissa * 10 + (uint64_t)(*p - '0');
                        n->exponent -= fraction;
                } else {
                        n->inexact |= *p != '0';
                        n->exponent += !fraction;
                }
        }
        return p;
}

static const char *take_exponent(const char *p, const char *end, struct json_number *n)
{
        int32_t exponent = 0;
        bool negative = p < end && *p == '-';

        if (p < end && (*p == '-' || *p == '+'))
                p++;
        if (!is_digit(p, end))
                return NULL;
        for (; is_digit(p, end); p++)
                if (exponent < 100000000)
                        exponent = exponent * 10 + (*p - '0');
        n->exponent += negative ? -exponent : exponent;
        return p;
}

int json_read_number(struct json *json, struct json_number *ret)
{
        const char *p = json->p, *end = json->end;
        struct json_number n = {.text = p};

        if (p < end && *p == '-') {
                n.negative = true;
                p++;
        }
        if (!is_digit(p, end))
                return json_fail(json, "a number was expected");
        if (*p == '0' && is_digit(p + 1, end))
                return json_fail(json, "a number must not start with 0");
        p = take_digits(p, end, &n, false);
        if (p < end && *p == '.') {
                if (!is_digit(p + 1, end))
                        return json_fail(json, "a digit must follow the point of a number");
                p = take_digits(p + 1, end, &n, true);
        }
        if (p < end && (*p | 0x20) == 'e') {
                p = take_exponent(p + 1, end, &n);
                if (p == NULL)
                        return json_fail(json, "a digit must follow the exponent mark of a number");
        }
        n.len = (size_t)(p - n.text);
        json->p = p;
        *ret = n;
        return 0;
}

static int apply_sign(uint64_t value, bool negative, int64_t *ret)
{
        if (value > (uint64_t)INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t)-value : (int64_t)value;
        return 0;
}

int json_number_int64(const struct json_number *n, int64_t *ret)
{
        uint64_t value = n->mantissa;
        int32_t exponent = n->exponent;

        if (value == 0)
                exponent = 0;
        for (; exponent < 0; exponent++, value /= 10)
                if (value % 10 != 0 || n->inexact)
                        return -EDOM;
        for (; exponent > 0; exponent--)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value))
                        return -ERANGE;
        if (n->inexact)
                return -EDOM;
        return apply_sign(value, n->negative, ret);
}

int json_number_scaled(const struct json_number *n, int shift, int64_t *ret)
{
        uint64_t value = n->mantissa;
        int32_t exponent = value == 0 ? 0 : n->exponent + shift;
        bool up = false;

        for (; exponent < 0 && value > 0; exponent++) {
                up = value % 10 >= 5;
                value /= 10;
        }
        if (exponent < 0)
                up = false;
        for (; exponent > 0; exponent--)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value))
                        return -ERANGE;
        return apply_sign(value + up, n->negative, ret);
}

int json_number_double(const struct json_number *n, double *ret)
{
        static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
        CLEANUP_FREE char *copy = NULL;
        double value;

        /* Both numbers are exact doubles, so that one operation rounds correctly. */
        if (!n->inexact && n->mantissa <= UINT64_C(1) << 53 && n->exponent >= -22 && n->exponent <= 22) {
                value = (double)n->mantissa;
                value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
                *ret = n->negative ? -value : value;
                return 0;
        }
        copy = xstrndup(n->text, n->len);
        value = strtod(copy, NULL);
        if (isinf(value))
                return -ERANGE;
        *ret = value;
        return 0;
}

static int read_word(struct json *json, const char *word, size_t len)
{
        if ((size_t)(json->end - json->p) < len || memcmp(json->p, word, len) != 0)
                return json_fail(json, "a value was expected");
        json->p += len;
        return 0;
}

int json_read_bool(struct json *json, bool *ret)
{
        bool value = json->p < json->end && *json->p == 't';
        int r = value ? read_word(json, "true", 4) : read_word(json, "false", 5);

        if (r == 0)
                *ret = value;
        return r;
}

int json_read_null(struct json *json)
{
        return read_word(json, "null", 4);
}

static int skip_string(struct json *json)
{
        struct json_string s;
        int r;

        r = json_read_string(json, &s);
        if (r < 0 || !s.escaped)
                return r;
        return check_escapes(json, &s);
}

/* An array or an object; json->p is at its bracket. */
static int skip_container(struct json *json, uint32_t depth)
{
        bool object = *json->p == '{';
        char close = object ? '}' : ']';
        int r;

        if (depth == 0)
                return json_fail(json, "nested too deeply");
        json->p++;
        if (json_take(json, close))
                return 0;
        do {
                if (object) {
                        json_peek(json);
                        r = skip_string(json);
                        if (r < 0)
                                return r;
                        if (!json_take(json, ':'))
                                return json_fail(json, "':' was expected");
                }
                r = json_skip(json, depth - 1);
                if (r < 0)
                        return r;
        } while (json_take(json, ','));
        return json_take(json, close) ? 0 : json_fail(json, object ? "',' or '}' was expected" : "',' or ']' was expected");
}

int json_skip(struct json *json, uint32_t depth)
{
        struct json_number number;
        bool boolean;

        switch (json_peek(json)) {
        case '{':
        case '[':
                return skip_container(json, depth);
        case '"':
                return skip_string(json);
        case 't':
        case 'f':
                return json_read_bool(json, &boolean);
        case 'n':
                return json_read_null(json);
        case '-':
        case '0' ... '9':
                return json_read_number(json, &number);
        default:
                return json_fail(json, "a value was expected");
        }
}

bool json_valid(const char *text, size_t len)
{
        struct json json;

        json_init(&json, text, len);
        return json_skip(&json, 64) == 0 && json_peek(&json) == 0 && json.p == json.end;
}
