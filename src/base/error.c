/* SPDX-License-Identifier: Apache-2.0 */
/* The error object. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As error.h has them for the analyser. */
#undef error_set
#undef error_api

/* The first cause wins: a later failure is usually its consequence. */
PRINTF_LIKE(4, 0)
static void fill(struct error *error, int number, const char *code, const char *fmt, va_list args)
{
        if (error == NULL || error_is_set(error))
                return;
        error->number = number;
        (void)snprintf(error->code, sizeof(error->code), "%s", code);
        (void)vsnprintf(error->message, sizeof(error->message), fmt, args);
}

int error_set(struct error *error, int number, const char *fmt, ...)
{
        assert(number > 0);
        va_list args;
        va_start(args, fmt);
        fill(error, number, "", fmt, args);
        va_end(args);
        return -number;
}

int error_api(struct error *error, const char *code, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        fill(error, EINVAL, code, fmt, args);
        va_end(args);
        return -EINVAL;
}

/* As much of `text` as there is room for. */
static void append(struct error *error, const char *text)
{
        size_t at = strlen(error->message), n = MIN(strlen(text), sizeof(error->message) - 1 - at);
        memcpy(error->message + at, text, n);
        error->message[at + n] = '\0';
}

int error_wrap(struct error *error, const char *fmt, ...)
{
        if (error == NULL)
                return -EIO; /* nobody to tell; still a failure */
        char was[sizeof(error->message)];
        memcpy(was, error->message, sizeof(was));
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(error->message, sizeof(error->message), fmt, args);
        va_end(args);
        if (was[0] != '\0') {
                append(error, ": ");
                append(error, was);
        }
        if (error->number == 0)
                error->number = EIO;
        return -error->number;
}

void error_clear(struct error *error)
{
        if (error == NULL)
                return;
        error->number = 0;
        error->code[0] = '\0';
        error->message[0] = '\0';
}
