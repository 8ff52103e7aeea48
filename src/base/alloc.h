/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that cannot fail: when memory is gone the process logs so and aborts. The state is on disk and a
 * supervisor starts it again, which is safer than running code paths that nobody ever tested.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"

/* Zeroed memory; the caller owns it (free). */
void *xalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
/* `n` zeroed elements of `size` bytes; aborts on overflow. */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* As realloc; new bytes are not zeroed. */
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* NULL stays NULL. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
