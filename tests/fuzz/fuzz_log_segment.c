/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in the files of the log store. The first byte says what the rest is: bytes of a segment as they are, a frame whose
 * checksum is made right (so that its payload is looked at), an index, or records of the catalog (each with its length and checksum
 * made right).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "logs/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *data, size_t size)
{
        struct frame_entry entry;
        struct frame_cursor cursor;
        struct log_event event;
        size_t length;

        while ((length = frame_check(data, size, &entry)) > 0) {
                uint32_t n = 0;

                frame_begin(&cursor, data, length);
                while (frame_next(&cursor, &event))
                        n += event.len > 0 && event.message[event.len - 1] != '\0';
                if (n > entry.n)
                        abort();
                data += length;
                size -= length;
        }
}

static void fuzz_frame(uint8_t *data, size_t size)
{
        static const char magic[4] = "GLF1";
        uint32_t payload = (uint32_t)size - 48, crc;

        if (size < 48)
                return;
        memcpy(data, magic, sizeof magic);
        memcpy(data + 8, &payload, sizeof payload);
        crc = crc32c(0, data + 8, size - 8);
        memcpy(data + 4, &crc, sizeof crc);
        walk(data, size);
}

static void fuzz_index(const uint8_t *data, size_t size)
{
        uint64_t frames_end;
        uint32_t n;

        if (size < INDEX_TAIL || !index_tail_check(data + size - INDEX_TAIL, SEGMENT_HEADER + size, &frames_end, &n))
                return;
        {
                CLEANUP_FREE struct frame_entry *entries = xalloc(size + sizeof *entries);

                memcpy(entries, data, MIN(size, n * sizeof *entries));
                (void)index_check(entries, n, data + size - INDEX_TAIL);
        }
}

/* Records: a length byte each. */
static void fuzz_catalog(const uint8_t *data, size_t size)
{
        struct log_store store = {.dir = (char *)(uintptr_t) "x", .options = {.max_streams = 100}};
        CLEANUP_BUF struct buf records = {0};

        tree_init(&store.groups);
        map_init(&store.groups_by_id);
        list_init(&store.writes);
        list_init(&store.reads);
        while (size > 1) {
                uint32_t head[2] = {(uint32_t)MIN(data[0], size - 1), 0};

                if (head[0] == 0)
                        break;
                head[1] = crc32c(0, data + 1, head[0]);
                buf_append(&records, head, sizeof head);
                buf_append(&records, data + 1, head[0]);
                size -= head[0] + 1;
                data += head[0] + 1;
        }
        if (records.len > 0 && catalog_apply(&store, records.data, records.len) != records.len)
                abort();
        tree_for_each (node, &store.groups)
                group_detach(CONTAINER_OF(node, struct log_group, node));
        map_done(&store.groups_by_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEANUP_FREE uint8_t *copy = xalloc(size + 1);

        if (size == 0)
                return 0;
        memcpy(copy, data + 1, size - 1);
        switch (data[0] & 3) {
        case 0:
                walk(copy, size - 1);
                break;
        case 1:
                fuzz_frame(copy, size - 1);
                break;
        case 2:
                fuzz_index(copy, size - 1);
                break;
        default:
                fuzz_catalog(copy, size - 1);
        }
        return 0;
}
