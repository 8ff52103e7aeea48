/* SPDX-License-Identifier: Apache-2.0 */
/* Printing of JSON into memory that the caller has reserved: each returns the end of what it wrote (no NUL). Private to codec. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Room that a string, quotes included, may need: every byte as a \u escape. */
#define JSON_STRING_MAX(len) ((len) * 6 + 2)
#define JSON_NUMBER_MAX ((size_t)40)

char *json_put_string(char *p, const char *s, size_t len);
char *json_put_uint(char *p, uint64_t value);
char *json_put_int(char *p, int64_t value);
char *json_put_double(char *p, double value);
