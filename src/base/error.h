/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. A function that can fail returns 0 or a negative errno, and, when a person may see the failure, fills an error
 * object where the cause is known. Library code does not log; whoever ends the job does, or answers the client, once.
 */
#pragma once

#include "base/macro.h"

struct error {
        int number;         /* positive errno; 0: no error */
        char code[64];      /* API error name such as "ClusterNotFoundException"; "" for internal failures */
        char message[1024]; /* says what is wrong and what would be right */
};

/* Fills `error` (NULL is fine) unless it holds an error already, and returns -number. */
int error_set(struct error *error, int number, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with an API error name; number is EINVAL. Returns -EINVAL. */
int error_api(struct error *error, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts context in front of the message: "context: message". Returns -number. */
int error_wrap(struct error *error, const char *fmt, ...) PRINTF_LIKE(2, 3);
void error_clear(struct error *error);
#ifdef __clang_analyzer__
/* The analyser sees one file at a time; without these it would follow paths on which a recorded failure is a success. */
#define error_set(error, number, ...) (error_set(error, number, __VA_ARGS__), -(number))
#define error_api(error, ...) (error_api(error, __VA_ARGS__), -22)
#endif
static inline bool error_is_set(const struct error *error)
{
        return error->number != 0;
}
