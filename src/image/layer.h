/* SPDX-License-Identifier: Apache-2.0 */
/* One layer: a blob (plain, gzip or zstd) checked against its digests and unpacked. Blocks: thread pool only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "image/digest.h"

struct layer_unpack {
        int blob;                /* open for reading, at its start; borrowed */
        const char *blob_digest; /* of the blob as it is; NULL: not checked */
        const char *diff_id;     /* of the tar inside; NULL: not checked */
        int root;                /* empty directory to fill; borrowed */
        uint64_t max_bytes;      /* 0: no limit */
        const volatile bool *cancelled;
        bool ignore_owner;

        uint64_t bytes, entries; /* results */
        char seen_diff_id[DIGEST_TEXT_MAX];
};

/* 0, or -errno as unpack_tar; -EBADMSG also when a digest is not the one that was promised. On failure `root` holds rubbish. */
int layer_unpack(struct layer_unpack *layer, struct error *error) MUST_CHECK;
