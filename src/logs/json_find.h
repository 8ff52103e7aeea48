/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up one value in a JSON text without making a tree of it. Pure; nothing in the text is trusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_OBJECT = 0, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_value {
        enum json_kind kind;
        const char *start; /* in the text, quotes included */
        size_t len;
};

struct json_step {
        const char *key; /* of an object; NULL: */
        int64_t index;   /* of an array; -1: every element */
};

/* Is it one whole JSON value, and nothing else? */
bool json_is_valid(const char *text, size_t len);
/* Calls `each` for the values at a path in a valid text (several where a step takes every element) until it returns true. Returns what
 * it returned last; false when there is no such value. */
bool json_find(const char *text, size_t len, const struct json_step *steps, size_t n_steps,
               bool (*each)(const struct json_value *value, void *data), void *data);
/* The characters of a JSON string value, escapes resolved, into `ret` (value->len bytes suffice); returns their number. */
size_t json_value_unescape(const struct json_value *value, char *ret);
