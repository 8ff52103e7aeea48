/* SPDX-License-Identifier: Apache-2.0 */
/* The error object. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int error_wrap(struct error *error, const char *fmt, ...)
{
        if (error == NULL)
                return -EIO; /* nobody to tell; still a failure */
        char was[sizeof(error->message)];
        memcpy(was, error->message, sizeof(was));
        va_list args;
        va_start(args, fmt);
        int len = vsnprintf(error->message, sizeof(error->message), fmt, args);
        va_end(args);
        if (len >= 0 && (size_t)len < sizeof(error->message) && was[0] != '\0')
                (void)snprintf(error->message + len, sizeof(error->message) - (size_t)len, ": %s", was);
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
