/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How host and guest of a micro-VM speak over their byte stream (shapes: api/guest.idl):
 *
 *     frame:  length of the body (4 bytes, little-endian), kind (1), stream (1), container (2), body
 *
 * A stream begins with FRAME_MARK, the session's 16 hexadecimal digits and a newline, both ways: what an earlier peer left half said is
 * skipped until there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define FRAME_MARK "\n--gantry-guest "
#define FRAME_SESSION 16
#define FRAME_MARK_LEN (sizeof(FRAME_MARK) - 1 + FRAME_SESSION + 1)
#define FRAME_HEAD 8
#define FRAME_MAX ((size_t)1 << 20)

enum frame_kind {
        FRAME_JSON = 1, /* a Command or an Event */
        FRAME_LOG = 2,  /* milliseconds since 1970 (8 bytes, little-endian), then what a container wrote */
};

struct frame {
        enum frame_kind kind;
        uint8_t stream;     /* of LOG: 1 or 2 */
        uint16_t container; /* of LOG: its index */
        const char *body;
        size_t len;
};

void port_frame_mark(struct buf *out, const char *session);
/* The first whole mark in `in`: drops it and what comes before it. True when there was one: `session` holds it (FRAME_SESSION + 1 bytes).
 * No JSON frame can hold one, since a line break is escaped there; what a container wrote can. */
bool port_frame_find_mark(struct buf *in, char *session);
/* Drops all that cannot be the beginning of a mark. */
void port_frame_skip(struct buf *in);
/* Appends one with an empty body; returns where it begins, for port_frame_end. */
size_t port_frame_begin(struct buf *out, enum frame_kind kind, uint8_t stream, uint16_t container);
void port_frame_end(struct buf *out, size_t begin);
/* The first whole frame in `in`, which points into it: 1; 0 when there is none yet; -EPROTO for nonsense. Drop it with port_frame_drop. */
int port_frame_peek(const struct buf *in, struct frame *ret);
void port_frame_drop(struct buf *in, const struct frame *frame);
