/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding (RFC 3986) and query strings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"

/* Letters, digits and "-._~": what never needs encoding. */
bool uri_unreserved(char c);
/* Appends `s` with all but unreserved characters, and those of `keep`, as %XX (upper case). */
void uri_append_encoded(struct buf *out, const char *s, size_t len, const char *keep);
/* The decoded text, NUL-terminated, in the arena. A '%' without two hexadecimal digits stands for itself, as browsers have it.
 * `form`: '+' is a space (HTML forms, AWS query bodies). NULL when a NUL comes out. */
char *uri_decode(struct arena *arena, const char *s, size_t len, bool form);

struct uri_pair {
        const char *name, *value; /* decoded; value is "" when there is no '=' */
};
/* Splits at '&' and decodes; empty pieces are skipped. 0; -EINVAL for a NUL; -E2BIG for more than `max` pairs. */
int uri_query_parse(struct arena *arena, const char *query, size_t len, bool form, size_t max, struct uri_pair **ret,
                    size_t *ret_n) MUST_CHECK;
/* The decoded value of the first parameter of that name; NULL when there is none. */
const char *uri_query_get(struct arena *arena, const char *query, const char *name);
