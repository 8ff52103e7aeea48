/* SPDX-License-Identifier: Apache-2.0 */
/* Makes layer blobs for tests, also ones that no sane tool would make. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;

/* One entry; zero members mean ordinary values. */
struct tar_entry {
        const char *path;
        char type;            /* 'f' file, 'd' directory, 'l' symbolic link, 'h' hard link, 'c' 'b' devices, 'p' fifo; 0: file */
        const char *target;   /* of links */
        const char *contents; /* of files */
        unsigned int mode;    /* 0: 0644, directories 0755 */
        unsigned int uid, gid;
        unsigned int major, minor;
        int64_t mtime;
        const char *xattr_name, *xattr_value;
        size_t xattr_len; /* 0: length of the string */
        int64_t hole;     /* a sparse file: so many bytes of nothing, then `contents` */
};

/* A memory file with the tar of `entries`, open at its start; `filter`: 0 none, 'g' gzip, 'z' zstd. */
int tar_make(const struct tar_entry *entries, size_t n, char filter);
