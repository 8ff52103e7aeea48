/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and preparing files inside a container's root file system from outside: links are followed with it as the root. Blocks. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* As open(2) with `root` as the root of the world; O_CLOEXEC is added. The descriptor or -errno. */
int rootfs_open(int root, const char *path, uint64_t flags, uint32_t mode) MUST_CHECK;
/* A regular file of at most `limit` bytes; -ENOENT, -EFBIG … */
int rootfs_read(int root, const char *path, size_t limit, struct buf *ret) MUST_CHECK;
/* Makes a directory and its missing parents. Returns it, open (O_PATH), or -errno. `uid` and `gid` own what is made. */
int rootfs_make_dir(int root, const char *path, uint32_t uid, uint32_t gid) MUST_CHECK;
/* Fills the empty directory `to` with what `path` has, as volumes are: owners, modes, links, attributes. Nothing when `to` is not empty or
 * `path` is not a directory; the owner and mode of `to` itself follow `path`. */
int rootfs_copy_up(int root, const char *path, int to) MUST_CHECK;
