/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer. Not thread-safe. Always followed by a NUL that is not counted, so `data` is a C string. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/macro.h"

struct buf {
        char *data; /* never NULL after the first append */
        size_t len;
        size_t cap;
};

void buf_init(struct buf *buf);
void buf_done(struct buf *buf);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *buf);
/* Room for `extra` more bytes; returns where they go. Add what was written to `len` with buf_advance. */
char *buf_reserve(struct buf *buf, size_t extra);
void buf_advance(struct buf *buf, size_t n);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, const char *s);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first `n` bytes. */
void buf_consume(struct buf *buf, size_t n);
/* Hands the bytes to the caller (free) and leaves the buffer empty. Never NULL. */
char *buf_take(struct buf *buf);
/* Reads a whole file, at most `limit` bytes: 0, -errno, or -EFBIG. */
int buf_read_file(struct buf *buf, const char *path, size_t limit) MUST_CHECK;

#define CLEANUP_BUF CLEANUP(buf_done)
