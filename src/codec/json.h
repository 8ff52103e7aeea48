/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON scanner under the shape engine: strict RFC 8259 over a byte range that need not end in NUL, strict UTF-8, no tree and no
 * allocation. And the printers for the parts of JSON that are not trivial: strings and numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct json {
        const char *p, *end, *begin;
        const char *problem; /* what is wrong, in words, after a function returned -EINVAL; static text */
};

/* The inside of a string, as it stands in the document. */
struct json_string {
        const char *text;
        size_t len;
        bool escaped; /* has backslashes: read it with json_unescape */
};

struct json_number {
        const char *text;
        size_t len;
        uint64_t mantissa; /* the first 19 or so digits; value = mantissa × 10^exponent */
        int32_t exponent;
        bool negative, inexact; /* inexact: more digits than the mantissa holds, not all of them 0 */
};

void json_init(struct json *json, const char *text, size_t len);

/* Skips white space; the next byte, or 0 at the end (a NUL is no JSON anywhere, so 0 is never wanted). */
static inline char json_peek(struct json *json)
{
        while (json->p < json->end) {
                unsigned char c = (unsigned char)*json->p;

                if (c > ' ')
                        return (char)c;
                if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
                        return 0;
                json->p++;
        }
        return 0;
}

/* Sets what is wrong (static text) and returns -EINVAL. */
int json_fail(struct json *json, const char *problem);
/* Takes the byte `c` after white space. */
static inline bool json_take(struct json *json, char c)
{
        if (json_peek(json) != c)
                return false;
        json->p++;
        return true;
}

/* All of these expect their value at json->p (after json_peek) and move behind it. 0 or -EINVAL. */
int json_read_string(struct json *json, struct json_string *ret) MUST_CHECK;
int json_read_number(struct json *json, struct json_number *ret) MUST_CHECK;
int json_read_bool(struct json *json, bool *ret) MUST_CHECK;
int json_read_null(struct json *json) MUST_CHECK;
/* Checks any value and moves behind it; `depth` more levels may open. */
int json_skip(struct json *json, uint32_t depth) MUST_CHECK;

/* Writes the text of an escaped string into `out` (at least s->len bytes); -EINVAL for bad escapes, lone surrogates and NUL. */
int json_unescape(struct json *json, const struct json_string *s, char *out, size_t *ret_len) MUST_CHECK;
/* -EDOM: not a whole number, -ERANGE: does not fit. `shift` multiplies by 10^shift first. */
int json_number_int64(const struct json_number *n, int64_t *ret) MUST_CHECK;
/* The value × 10^shift rounded to the nearest whole number; -ERANGE. */
int json_number_scaled(const struct json_number *n, int shift, int64_t *ret) MUST_CHECK;
/* Correctly rounded; -ERANGE when it is infinite. */
int json_number_double(const struct json_number *n, double *ret) MUST_CHECK;

/* Whether `text` is one JSON value and nothing else. */
bool json_valid(const char *text, size_t len);

/* The length in bytes of the UTF-8 sequence at `p`; 0 when it is not valid. */
size_t utf8_sequence(const char *p, const char *end);
/* Characters of a NUL-terminated valid UTF-8 text. */
size_t utf8_count(const char *s);

/* Appends a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD, so that the output is always JSON. */
void json_append_string(struct buf *out, const char *s, size_t len);
void json_append_int(struct buf *out, int64_t value);
/* The shortest text that reads back as the same number; "NaN", "Infinity" and "-Infinity" as strings, as AWS does. */
void json_append_double(struct buf *out, double value);
