/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and indexes of segment files: to bytes and back. */
#include "logs/frame.h"

#include <string.h>

#include "base/crc32c.h"

#define HEAD_MAGIC UINT32_C(0x31464c47)           /* "GLF1" */
#define TAIL_MAGIC UINT64_C(0x31584449474f4c47)   /* "GLOGIDX1" */
#define HEADER_MAGIC UINT64_C(0x3147455347544e47) /* "GNTGSEG1" */
#define PAYLOAD_MAX ((uint64_t)LOG_FRAME_MAX + FRAME_EVENTS_MAX * UINT64_C(13))

struct head {
        uint32_t magic;
        uint32_t crc;    /* of all that follows, payload included */
        uint32_t length; /* of the payload */
        uint32_t stream;
        uint32_t n;
        uint32_t bytes; /* of messages */
        int64_t ingestion_ms, first_ms, last_ms;
};

struct tail {
        uint64_t frames_end;
        uint32_t n;
        uint32_t crc; /* of the entries, then of frames_end and n */
        uint64_t unused[2];
        uint64_t magic;
};

struct header {
        uint64_t magic;
        uint32_t group, segment;
};

static_assert(sizeof(struct head) == 48 && sizeof(struct tail) == INDEX_TAIL && sizeof(struct header) == SEGMENT_HEADER, "file format");
static_assert(sizeof(struct frame_entry) == 56, "file format");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian");

void segment_header_encode(uint32_t group, uint32_t segment, uint8_t ret[SEGMENT_HEADER])
{
        const struct header header = {HEADER_MAGIC, group, segment};

        memcpy(ret, &header, sizeof header);
}

bool segment_header_check(const uint8_t bytes[SEGMENT_HEADER], uint32_t group, uint32_t segment)
{
        struct header header;

        memcpy(&header, bytes, sizeof header);
        return header.magic == HEADER_MAGIC && header.group == group && header.segment == segment;
}

/* ---- frames ---- */

static size_t put_varint(uint8_t *out, uint64_t value)
{
        size_t n = 0;

        for (; value >= 0x80; value >>= 7)
                out[n++] = (uint8_t)(value | 0x80);
        out[n++] = (uint8_t)value;
        return n;
}

static bool get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
        uint64_t value = 0;

        for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
                uint8_t byte = *(*at)++;

                value |= (uint64_t)(byte & 0x7f) << shift;
                if (byte < 0x80) {
                        *ret = value;
                        return true;
                }
        }
        return false;
}

void frame_encode(struct buf *out, uint32_t stream, const struct log_event *events, uint32_t n, int64_t ingestion_ms,
                  struct frame_entry *ret)
{
        struct head head = {.magic = HEAD_MAGIC,
                            .stream = stream,
                            .n = n,
                            .ingestion_ms = ingestion_ms,
                            .first_ms = events[0].timestamp_ms,
                            .last_ms = events[n - 1].timestamp_ms};
        size_t start = out->len, bytes = 0;
        int64_t before = head.first_ms;
        uint8_t *at;

        for (uint32_t i = 0; i < n; i++)
                bytes += events[i].len;
        at = (uint8_t *)buf_reserve(out, sizeof head + bytes + n * (size_t)20) + sizeof head;
        for (uint32_t i = 0; i < n; i++) {
                at += put_varint(at, (uint64_t)events[i].timestamp_ms - (uint64_t)before);
                at += put_varint(at, events[i].len);
                if (events[i].len > 0)
                        memcpy(at, events[i].message, events[i].len);
                at += events[i].len;
                before = events[i].timestamp_ms;
        }
        head.bytes = (uint32_t)bytes;
        head.length = (uint32_t)(at - (uint8_t *)out->data - start - sizeof head);
        memcpy(out->data + start, &head, sizeof head);
        head.crc = crc32c(0, out->data + start + 8, sizeof head - 8 + head.length);
        memcpy(out->data + start + 4, &head.crc, sizeof head.crc);
        buf_advance(out, sizeof head + head.length);
        *ret = (struct frame_entry){.length = (uint32_t)sizeof head + head.length,
                                    .stream = stream,
                                    .n = n,
                                    .bytes = bytes,
                                    .first_ms = head.first_ms,
                                    .last_ms = head.last_ms,
                                    .ingestion_ms = ingestion_ms};
}

size_t frame_length(const uint8_t *data, size_t len)
{
        struct head head;

        if (len < sizeof head)
                return 0;
        memcpy(&head, data, sizeof head);
        if (head.magic != HEAD_MAGIC || head.length > PAYLOAD_MAX || head.n == 0 || head.n > FRAME_EVENTS_MAX || head.bytes > head.length ||
            head.first_ms > head.last_ms)
                return 0;
        return sizeof head + head.length;
}

size_t frame_check(const uint8_t *data, size_t len, struct frame_entry *ret)
{
        size_t length = frame_length(data, len);
        struct head head;

        if (length == 0 || length > len)
                return 0;
        memcpy(&head, data, sizeof head);
        if (crc32c(0, data + 8, length - 8) != head.crc)
                return 0;
        *ret = (struct frame_entry){.length = (uint32_t)length,
                                    .stream = head.stream,
                                    .n = head.n,
                                    .bytes = head.bytes,
                                    .first_ms = head.first_ms,
                                    .last_ms = head.last_ms,
                                    .ingestion_ms = head.ingestion_ms};
        return length;
}

void frame_begin(struct frame_cursor *cursor, const uint8_t *frame, size_t len)
{
        struct head head;

        memcpy(&head, frame, sizeof head);
        *cursor = (struct frame_cursor){.at = frame + sizeof head, .end = frame + len, .timestamp_ms = head.first_ms, .left = head.n};
}

bool frame_next(struct frame_cursor *cursor, struct log_event *ret)
{
        uint64_t delta, len;

        if (cursor->left == 0 || !get_varint(&cursor->at, cursor->end, &delta) || !get_varint(&cursor->at, cursor->end, &len) ||
            len > (uint64_t)(cursor->end - cursor->at))
                return false;
        cursor->timestamp_ms = (int64_t)((uint64_t)cursor->timestamp_ms + delta);
        *ret = (struct log_event){cursor->timestamp_ms, (const char *)cursor->at, (uint32_t)len};
        cursor->at += len;
        cursor->left--;
        cursor->number++;
        return true;
}

/* ---- index ---- */

static uint32_t index_crc(const struct frame_entry *entries, uint32_t n, const struct tail *tail)
{
        return crc32c(crc32c(0, entries, n * sizeof *entries), tail, 12);
}

void index_encode(struct buf *out, const struct frame_entry *entries, uint32_t n, uint64_t frames_end)
{
        struct tail tail = {.frames_end = frames_end, .n = n, .magic = TAIL_MAGIC};

        tail.crc = index_crc(entries, n, &tail);
        buf_append(out, entries, n * sizeof *entries);
        buf_append(out, &tail, sizeof tail);
}

bool index_tail_check(const uint8_t bytes[INDEX_TAIL], uint64_t size, uint64_t *ret_frames_end, uint32_t *ret_n)
{
        struct tail tail;

        memcpy(&tail, bytes, sizeof tail);
        if (tail.magic != TAIL_MAGIC || tail.frames_end < SEGMENT_HEADER || tail.frames_end > size ||
            size - tail.frames_end != tail.n * (uint64_t)sizeof(struct frame_entry) + sizeof tail)
                return false;
        *ret_frames_end = tail.frames_end;
        *ret_n = tail.n;
        return true;
}

bool index_check(const struct frame_entry *entries, uint32_t n, const uint8_t bytes[INDEX_TAIL])
{
        struct tail tail;

        memcpy(&tail, bytes, sizeof tail);
        return tail.n == n && tail.crc == index_crc(entries, n, &tail);
}
