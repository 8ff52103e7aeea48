/* SPDX-License-Identifier: Apache-2.0 */
/* A scanner that walks over JSON values, and a path that is followed into them. */
#include "logs/json_find.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 100

struct scan {
        const char *at, *end;
};

static void skip_space(struct scan *s)
{
        while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
                s->at++;
}

static bool take(struct scan *s, char c)
{
        if (s->at == s->end || *s->at != c)
                return false;
        s->at++;
        return true;
}

static bool skip_string(struct scan *s)
{
        if (!take(s, '"'))
                return false;
        for (; s->at < s->end; s->at++) {
                if (*s->at == '"') {
                        s->at++;
                        return true;
                }
                if ((unsigned char)*s->at < 0x20)
                        return false;
                if (*s->at != '\\')
                        continue;
                if (++s->at == s->end || strchr("\"\\/bfnrtu", *s->at) == NULL || *s->at == '\0')
                        return false;
                if (*s->at != 'u')
                        continue;
                for (int i = 0; i < 4; i++) {
                        if (++s->at == s->end || !isxdigit((unsigned char)*s->at))
                                return false;
                }
        }
        return false;
}

static bool skip_digits(struct scan *s)
{
        const char *start = s->at;

        while (s->at < s->end && isdigit((unsigned char)*s->at))
                s->at++;
        return s->at > start;
}

static bool skip_number(struct scan *s)
{
        (void)take(s, '-');
        if (!take(s, '0') && !skip_digits(s))
                return false;
        if (take(s, '.') && !skip_digits(s))
                return false;
        if (take(s, 'e') || take(s, 'E')) {
                if (!take(s, '+'))
                        (void)take(s, '-');
                return skip_digits(s);
        }
        return true;
}

static bool skip_word(struct scan *s, const char *word)
{
        size_t n = strlen(word);

        if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
                return false;
        s->at += n;
        return true;
}

static bool skip_value(struct scan *s, unsigned depth, enum json_kind *ret_kind);

static bool skip_members(struct scan *s, unsigned depth, char close, bool keys)
{
        enum json_kind kind;

        if (depth == DEPTH_MAX)
                return false;
        s->at++;
        skip_space(s);
        if (take(s, close))
                return true;
        for (;;) {
                skip_space(s);
                if (keys) {
                        if (!skip_string(s))
                                return false;
                        skip_space(s);
                        if (!take(s, ':'))
                                return false;
                        skip_space(s);
                }
                if (!skip_value(s, depth + 1, &kind))
                        return false;
                skip_space(s);
                if (take(s, close))
                        return true;
                if (!take(s, ','))
                        return false;
        }
}

static bool skip_value(struct scan *s, unsigned depth, enum json_kind *ret_kind)
{
        if (s->at == s->end)
                return false;
        switch (*s->at) {
        case '{':
                *ret_kind = JSON_OBJECT;
                return skip_members(s, depth, '}', true);
        case '[':
                *ret_kind = JSON_ARRAY;
                return skip_members(s, depth, ']', false);
        case '"':
                *ret_kind = JSON_STRING;
                return skip_string(s);
        case 't':
                *ret_kind = JSON_TRUE;
                return skip_word(s, "true");
        case 'f':
                *ret_kind = JSON_FALSE;
                return skip_word(s, "false");
        case 'n':
                *ret_kind = JSON_NULL;
                return skip_word(s, "null");
        default:
                *ret_kind = JSON_NUMBER;
                return skip_number(s);
        }
}

bool json_is_valid(const char *text, size_t len)
{
        struct scan s = {text, text + len};
        enum json_kind kind;

        skip_space(&s);
        if (!skip_value(&s, 0, &kind))
                return false;
        skip_space(&s);
        return s.at == s.end;
}

/* ---- strings ---- */

static size_t put_utf8(char *out, uint32_t c)
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

static uint32_t hex4(const char *p)
{
        uint32_t value = 0;

        for (int i = 0; i < 4; i++)
                value = value << 4 | (uint32_t)(isdigit((unsigned char)p[i]) ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
        return value;
}

size_t json_value_unescape(const struct json_value *value, char *ret)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *p = value->start + 1, *end = value->start + value->len - 1;
        size_t n = 0;

        while (p < end) {
                uint32_t c;

                if (*p != '\\') {
                        ret[n++] = *p++;
                        continue;
                }
                if (p[1] != 'u') {
                        ret[n++] = to[strchr(from, p[1]) - from];
                        p += 2;
                        continue;
                }
                c = hex4(p + 2);
                p += 6;
                /* Two halves of one character. */
                if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2) >= 0xdc00 &&
                    hex4(p + 2) < 0xe000) {
                        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2) - 0xdc00);
                        p += 6;
                }
                n += put_utf8(ret + n, c);
        }
        return n;
}

static bool key_is(const struct json_value *key, const char *name)
{
        size_t len = strlen(name);
        char copy[1024];

        if (memchr(key->start, '\\', key->len) == NULL)
                return key->len == len + 2 && memcmp(key->start + 1, name, len) == 0;
        return key->len <= sizeof copy && json_value_unescape(key, copy) == len && memcmp(copy, name, len) == 0;
}

/* ---- paths ---- */

/* The elements of the object or array at `s`, one after the other: false at the end. The text is valid. */
static bool next_element(struct scan *s, bool keys, struct json_value *ret_key, struct json_value *ret)
{
        s->at++; /* over the bracket or the comma */
        skip_space(s);
        if (s->at == s->end || *s->at == '}' || *s->at == ']')
                return false;
        if (keys) {
                ret_key->kind = JSON_STRING;
                ret_key->start = s->at;
                if (!skip_string(s))
                        return false;
                ret_key->len = (size_t)(s->at - ret_key->start);
                skip_space(s);
                s->at++; /* over the colon */
                skip_space(s);
        }
        ret->start = s->at;
        if (!skip_value(s, 0, &ret->kind))
                return false;
        ret->len = (size_t)(s->at - ret->start);
        skip_space(s);
        return true;
}

static bool follow(const struct json_value *value, const struct json_step *steps, size_t n,
                   bool (*each)(const struct json_value *value, void *data), void *data)
{
        bool keys = n > 0 && steps->key != NULL;
        struct scan s = {value->start, value->start + value->len};
        struct json_value key, element, found = {0};

        if (n == 0)
                return each(value, data);
        if (value->kind != (keys ? JSON_OBJECT : JSON_ARRAY))
                return false;
        for (int64_t i = 0; next_element(&s, keys, &key, &element); i++) {
                if (!keys && steps->index < 0) {
                        if (follow(&element, steps + 1, n - 1, each, data))
                                return true;
                } else if (keys ? key_is(&key, steps->key) : i == steps->index) {
                        found = element; /* the last of repeated keys counts */
                        if (!keys)
                                break;
                }
        }
        return found.start != NULL && follow(&found, steps + 1, n - 1, each, data);
}

bool json_find(const char *text, size_t len, const struct json_step *steps, size_t n_steps,
               bool (*each)(const struct json_value *value, void *data), void *data)
{
        struct scan s = {text, text + len};
        struct json_value value;

        skip_space(&s);
        value.start = s.at;
        if (!skip_value(&s, 0, &value.kind))
                return false;
        value.len = (size_t)(s.at - value.start);
        return follow(&value, steps, n_steps, each, data);
}
