/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the path of a tar entry to a directory that is certainly inside the layer. Symbolic links on the way are followed
 * with the layer as the root of the world; ".." is refused. Consecutive entries of one directory share the open directory.
 */
#pragma once

#include "base/buf.h"

struct unpack_paths {
        int root;     /* borrowed */
        int dir;      /* O_PATH, of `dir_path`; -1: none */
        int readable; /* the same for reading and attributes; -1: not opened yet */
        struct buf dir_path;
        bool stale;           /* something was replaced: `dir` may not be what its path stands for now */
        struct buf clean;     /* path of the last entry without "." and empty parts; names point in here */
        struct buf looked_up; /* name of the last look-up */
};

void unpack_paths_init(struct unpack_paths *paths, int root);
void unpack_paths_done(struct unpack_paths *paths);

/* The directory that `path` is in, made when missing, and its last part; name NULL: the path is the root itself. Both are valid
 * until the next call. -EINVAL: the path is absurd (".." or too long). */
int unpack_paths_parent(struct unpack_paths *paths, const char *path, int *ret_dir, const char **ret_name) MUST_CHECK;
/* The same without making anything; the caller closes ret_dir; the name is valid until the next look-up. */
int unpack_paths_lookup(struct unpack_paths *paths, const char *path, int *ret_dir, const char **ret_name) MUST_CHECK;
/* Opens the directory of the last unpack_paths_parent for reading, as paths->readable. */
int unpack_paths_reopen(struct unpack_paths *paths) MUST_CHECK;
