/* SPDX-License-Identifier: Apache-2.0 */
/* Printing of JSON into memory that the caller has reserved: each returns the end of what it wrote (no NUL). Private to codec. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Room that a string, quotes included, may need. Short ones: as if every byte became a \u escape; long ones are counted. */
size_t json_string_room(const char *s, size_t len);
#define JSON_NUMBER_MAX ((size_t)40)

char *json_put_string(char *p, const char *s, size_t len);
char *json_put_uint(char *p, uint64_t value);
char *json_put_int(char *p, int64_t value);
char *json_put_double(char *p, double value);
