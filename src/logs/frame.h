/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a segment file. Numbers are little-endian, as in memory on the machines that this runs on.
 *
 *     header   16 bytes
 *     frame*   head (48 bytes), then for each event: time since the one before (varint, ms), length (varint), message
 *     index    once the segment is full: an entry for each frame, then the tail (40 bytes), which ends the file
 *
 * Pure functions on bytes: no files here, and nothing in a file is trusted.
 */
#pragma once

#include "base/buf.h"
#include "logs/log_store.h"

#define SEGMENT_HEADER 16u
#define FRAME_EVENTS_MAX (1u << 20)

/* Where a frame is, and what is in it: 56 bytes, in memory and in an index. */
struct frame_entry {
        uint64_t offset; /* of its head in the file */
        uint32_t length; /* head and payload */
        uint32_t stream; /* number of the stream in its group */
        uint32_t n;      /* events */
        uint32_t number; /* of the frame in its segment */
        int64_t first_ms, last_ms, ingestion_ms;
        uint64_t bytes; /* of messages */
};

void segment_header_encode(uint32_t group, uint32_t segment, uint8_t ret[SEGMENT_HEADER]);
bool segment_header_check(const uint8_t header[SEGMENT_HEADER], uint32_t group, uint32_t segment);

/* Appends a frame; `ret` is filled but for offset and number. n is 1 to FRAME_EVENTS_MAX, in ascending order of time. */
void frame_encode(struct buf *out, uint32_t stream, const struct log_event *events, uint32_t n, int64_t ingestion_ms,
                  struct frame_entry *ret);
/* Is there a whole, undamaged frame at the start of these bytes? Fills `ret` but for offset and number. Returns its length; 0: no. */
size_t frame_check(const uint8_t *data, size_t len, struct frame_entry *ret);
/* Length of the frame that begins here (48 bytes suffice), or 0 when none does. Nothing but the head is looked at. */
size_t frame_length(const uint8_t *data, size_t len);

/* The events of a frame that frame_check found good, one after the other. */
struct frame_cursor {
        const uint8_t *at, *end;
        int64_t timestamp_ms;
        uint32_t left, number; /* events to come; number of the next one */
};
void frame_begin(struct frame_cursor *cursor, const uint8_t *frame, size_t len);
/* False at the end (or where the payload makes no sense). The message points into the frame and is not terminated. */
bool frame_next(struct frame_cursor *cursor, struct log_event *ret);

/* Index and tail, to be written where the frames end (`frames_end`). */
void index_encode(struct buf *out, const struct frame_entry *entries, uint32_t n, uint64_t frames_end);
#define INDEX_TAIL 40u
/* What the tail of a sealed file says: false when these bytes are no tail that fits into a file of `size` bytes. */
bool index_tail_check(const uint8_t tail[INDEX_TAIL], uint64_t size, uint64_t *ret_frames_end, uint32_t *ret_n);
/* Checks the entries (as read from the file) against their tail. */
bool index_check(const struct frame_entry *entries, uint32_t n, const uint8_t tail[INDEX_TAIL]);
