/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that cannot fail: the wrappers over malloc. */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
        /* No log_error: it may need memory. */
        static const char text[] = "level=error msg=\"out of memory: give this process more memory or start fewer things\"\n";
        ssize_t r = write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)r;
        abort();
}

void *xalloc(size_t size)
{
        void *p = calloc(1, size > 0 ? size : 1);
        if (p == NULL)
                out_of_memory();
        return p;
}

void *xcalloc(size_t n, size_t size)
{
        void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1); /* calloc checks the product */
        if (p == NULL)
                out_of_memory();
        return p;
}

void *xrealloc(void *p, size_t size)
{
        void *moved = realloc(p, size > 0 ? size : 1);
        if (moved == NULL)
                out_of_memory();
        return moved;
}

char *xstrdup(const char *s)
{
        return s != NULL ? xstrndup(s, strlen(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
        if (s == NULL)
                return NULL;
        size_t len = strnlen(s, n);
        char *copy = xalloc(len + 1);
        memcpy(copy, s, len);
        return copy;
}

char *xprintf(const char *fmt, ...)
{
        char *ret = NULL;
        va_list args;
        va_start(args, fmt);
        if (vasprintf(&ret, fmt, args) < 0 || ret == NULL)
                out_of_memory();
        va_end(args);
        return ret;
}
