/* SPDX-License-Identifier: Apache-2.0 */
/* Growable byte buffer. */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define CAP_MIN ((size_t)64)

void buf_init(struct buf *buf)
{
        *buf = (struct buf){0};
}

void buf_done(struct buf *buf)
{
        free(buf->data);
        buf_init(buf);
}

void buf_clear(struct buf *buf)
{
        buf->len = 0;
        if (buf->data != NULL)
                buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t extra)
{
        assert(extra < SIZE_MAX / 4 && buf->len < SIZE_MAX / 4);
        size_t need = buf->len + extra + 1;
        if (need > buf->cap) {
                size_t cap = MAX(buf->cap + buf->cap / 2, CAP_MIN);
                buf->cap = MAX(cap, need);
                buf->data = xrealloc(buf->data, buf->cap);
                buf->data[buf->len] = '\0';
        }
        return buf->data + buf->len;
}

void buf_advance(struct buf *buf, size_t n)
{
        assert(buf->len + n < buf->cap || n == 0);
        buf->len += n;
        if (buf->data != NULL)
                buf->data[buf->len] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
        char *to = buf_reserve(buf, len);
        if (len > 0)
                memcpy(to, data, len);
        buf_advance(buf, len);
}

void buf_append_str(struct buf *buf, const char *s)
{
        buf_append(buf, s, strlen(s));
}

void buf_append_char(struct buf *buf, char c)
{
        *buf_reserve(buf, 1) = c;
        buf_advance(buf, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
        va_list args, again;
        va_start(args, fmt);
        va_copy(again, args);
        char *to = buf_reserve(buf, CAP_MIN);
        size_t room = buf->cap - buf->len;
        int len = vsnprintf(to, room, fmt, args);
        assert(len >= 0);
        if ((size_t)len >= room)
                (void)vsnprintf(buf_reserve(buf, (size_t)len), (size_t)len + 1, fmt, again);
        buf_advance(buf, (size_t)len);
        va_end(again);
        va_end(args);
}

void buf_consume(struct buf *buf, size_t n)
{
        assert(n <= buf->len);
        if (n == 0)
                return;
        memmove(buf->data, buf->data + n, buf->len - n + 1);
        buf->len -= n;
}

char *buf_take(struct buf *buf)
{
        (void)buf_reserve(buf, 0);
        char *data = TAKE(buf->data);
        buf_init(buf);
        return data;
}

int buf_read_file(struct buf *buf, const char *path, size_t limit)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size > limit)
                return -EFBIG;

        size_t start = buf->len;
        size_t step = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096; /* /proc files say size 0 */
        for (;;) {
                ssize_t n = read(fd, buf_reserve(buf, step), step);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                buf_advance(buf, (size_t)n);
                if (buf->len - start > limit) {
                        buf->len = start;
                        buf_advance(buf, 0);
                        return -EFBIG;
                }
                step = 4096;
        }
}
