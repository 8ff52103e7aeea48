/* SPDX-License-Identifier: Apache-2.0 */
/* String helpers without domain knowledge. NULL arguments count as "" for comparisons. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

bool str_eq(const char *a, const char *b);
bool str_eq_nocase(const char *a, const char *b); /* ASCII only */
bool str_empty(const char *s);
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
/* Decimal, whole string: 0, -EINVAL, -ERANGE. */
int str_to_int64(const char *s, int64_t *ret) MUST_CHECK;
int str_to_double(const char *s, double *ret) MUST_CHECK;
/* Only characters of `set` and letters and digits, and 1..max long. */
bool str_is_name(const char *s, const char *set, size_t max);
/* The length of the label with which a name of DNS begins at `*at`, which moves behind its dot, or becomes NULL behind the last label. 0: it
 * is not 1..63 letters, digits, hyphens and underscores. */
size_t str_dns_label(const char **at);
/* Milliseconds since 1970 as "2030-01-01T00:00:00Z" or with ".123Z"; `ret` holds 32 bytes. */
void str_iso8601(int64_t ms, bool with_millis, char ret[32]);
