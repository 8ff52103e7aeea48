/* SPDX-License-Identifier: Apache-2.0 */
/* Small language helpers that every file may use. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* The structure of `type` whose member `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* sys/param.h, which uv.h includes, has its own. */
#undef MIN
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Moves a pointer out of a cleanup variable: evaluates to its value and leaves NULL behind. */
#define TAKE(p)                             \
        ({                                  \
                __typeof__(p) taken_ = (p); \
                (p) = NULL;                 \
                taken_;                     \
        })

/* The same for a file descriptor held by CLEANUP_CLOSE: leaves -1 behind. */
#define TAKE_FD(fd)                \
        ({                         \
                int taken_ = (fd); \
                (fd) = -1;         \
                taken_;            \
        })

static inline void cleanup_free_(void *p)
{
        free(*(void **)p);
}

static inline void cleanup_close_(const int *fd)
{
        if (*fd >= 0)
                (void)close(*fd);
}

/* Locals that own something: `CLEANUP_FREE char *s = NULL;`, `CLEANUP_CLOSE int fd = -1;`. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(cleanup_free_)
#define CLEANUP_CLOSE CLEANUP(cleanup_close_)

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define MUST_CHECK __attribute__((warn_unused_result))
