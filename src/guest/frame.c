/* SPDX-License-Identifier: Apache-2.0 */
/* See frame.h. */
#include "guest/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

void port_frame_mark(struct buf *out, const char *session)
{
        buf_printf(out, FRAME_MARK "%.*s\n", FRAME_SESSION, session);
}

bool port_frame_find_mark(struct buf *in, char *session)
{
        const size_t word = sizeof(FRAME_MARK) - 1;
        const char *at = in->len > 0 ? memmem(in->data, in->len, FRAME_MARK, word) : NULL;

        if (at == NULL || in->len - (size_t)(at - in->data) < FRAME_MARK_LEN)
                return false;
        memcpy(session, at + word, FRAME_SESSION);
        session[FRAME_SESSION] = '\0';
        buf_consume(in, (size_t)(at - in->data) + FRAME_MARK_LEN);
        return true;
}

void port_frame_skip(struct buf *in)
{
        if (in->len > FRAME_MARK_LEN)
                buf_consume(in, in->len - FRAME_MARK_LEN);
}

size_t port_frame_begin(struct buf *out, enum frame_kind kind, uint8_t stream, uint16_t container)
{
        size_t begin = out->len;
        uint16_t number = htole16(container);
        char head[FRAME_HEAD] = {0};

        head[4] = (char)kind;
        head[5] = (char)stream;
        memcpy(head + 6, &number, sizeof(number));
        buf_append(out, head, sizeof(head));
        return begin;
}

void port_frame_end(struct buf *out, size_t begin)
{
        uint32_t len = htole32((uint32_t)(out->len - begin - FRAME_HEAD));

        memcpy(out->data + begin, &len, sizeof(len));
}

int port_frame_peek(const struct buf *in, struct frame *ret)
{
        uint32_t len;
        uint16_t container;

        if (in->len < FRAME_HEAD)
                return 0;
        memcpy(&len, in->data, sizeof(len));
        memcpy(&container, in->data + 6, sizeof(container));
        len = le32toh(len);
        if (len > FRAME_MAX || (in->data[4] != FRAME_JSON && in->data[4] != FRAME_LOG))
                return -EPROTO;
        if (in->len < FRAME_HEAD + len)
                return 0;
        *ret = (struct frame){.kind = (enum frame_kind)in->data[4],
                              .stream = (uint8_t)in->data[5],
                              .container = le16toh(container),
                              .body = in->data + FRAME_HEAD,
                              .len = len};
        return 1;
}

void port_frame_drop(struct buf *in, const struct frame *frame)
{
        buf_consume(in, FRAME_HEAD + frame->len);
}
