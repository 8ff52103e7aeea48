/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in the files of metrics. The first byte says what the rest is (a journal or a block, as it is or as the records of one
 * frame whose checksum is made right), the second which resolution. What was taken is read as a request would read it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "metrics/disk.h"

#define FROM_S INT64_C(1800057600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The payload of one frame as a whole block: head, frame, foot of an empty index. */
static void make_block(const uint8_t *data, size_t size, enum metric_tier tier, struct buf *out)
{
        const struct buf records = {.data = (char *)(uintptr_t)data, .len = size};
        const uint32_t words[2] = {1, (uint32_t)tier};
        const int64_t from_s = FROM_S;
        const uint64_t covered = 0;
        struct {
                uint64_t offset;
                uint32_t n, crc;
                char magic[8];
        } foot = {0};

        buf_append(out, "gantrymb", 8);
        buf_append(out, words, sizeof(words));
        buf_append(out, &from_s, sizeof(from_s));
        buf_append(out, &covered, sizeof(covered));
        journal_frame(&records, out);
        foot.offset = out->len;
        memcpy(foot.magic, "gantryme", 8);
        buf_append(out, &foot, sizeof(foot));
}

static void read_all(const struct tree *tree)
{
        static const int64_t periods[] = {1, 60, 3600};

        tree_for_each (node, tree) {
                for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
                        CLEANUP_ARENA struct arena arena = {0};
                        struct metric_bucket *buckets;
                        size_t n = metrics_read_percentile(CONTAINER_OF(node, struct metric_series, node), 99, FROM_S, FROM_S + 86400,
                                                           periods[i], &arena, &buckets);

                        for (size_t k = 1; k < n; k++)
                                if (buckets[k].at_s <= buckets[k - 1].at_s)
                                        abort();
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEANUP_BUF struct buf file = {0};
        enum metric_tier tier;
        struct tree tree;

        if (size < 3)
                return 0;
        tier = (enum metric_tier)(data[1] % METRIC_TIER_MAX);
        tree_init(&tree);
        switch (data[0] % 4) {
        case 0:
                (void)journal_read(data + 2, size - 2, tier, FROM_S, &tree);
                break;
        case 1:
                journal_head(tier, FROM_S, &file);
                journal_frame(&(struct buf){.data = (char *)(uintptr_t)(data + 2), .len = size - 2}, &file);
                (void)journal_read((const uint8_t *)file.data, file.len, tier, FROM_S, &tree);
                break;
        case 2:
                (void)block_parse(data + 2, size - 2, tier, FROM_S, &tree);
                break;
        default:
                make_block(data + 2, size - 2, tier, &file);
                (void)block_parse((const uint8_t *)file.data, file.len, tier, FROM_S, &tree);
                break;
        }
        read_all(&tree);
        disk_tree_done(&tree);
        return 0;
}
