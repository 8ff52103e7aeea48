/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the entries of a layer's tar into a directory, as overlayfs wants it: whiteouts become character devices 0:0 or
 * trusted.overlay.opaque. Whatever the tar says, nothing outside of the directory is read, made or changed: every path is
 * resolved by the kernel with the directory as its root. Blocks: thread pool only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct archive;
struct tar_reader; /* image/tar_reader.h */

struct unpack {
        const struct tar_reader *reader;
        int root;                       /* the directory, open; borrowed */
        uint64_t max_bytes;             /* of file contents; 0: no limit */
        uint64_t max_entries;           /* 0: 10 million */
        const volatile bool *cancelled; /* NULL, or looked at now and then */
        bool ignore_owner;              /* leave owners as they come (tests without root) */
        uint64_t bytes, entries;        /* what was written */
};

/* Reads `tar` to its end. 0, -EBADMSG for a broken or hostile archive, -ENOSPC, -EFBIG over a limit, -ECANCELED, other -errno; the
 * error names the entry. What was written so far stays. */
int unpack_tar(struct unpack *unpack, struct archive *tar, struct error *error) MUST_CHECK;
