/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories, for the node. All block. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/macro.h"

/* Makes a directory and its parents; one that is there already is fine. */
int fs_make_dirs(const char *path, mode_t mode) MUST_CHECK;
/* Deletes a directory with everything in it, without following links or leaving its file system. What is not there is fine. */
int fs_remove_tree(const char *path) MUST_CHECK;
/* Replaces `path` atomically, mode 0600. */
int fs_write_file(const char *path, const void *data, size_t len) MUST_CHECK;
int fs_sync_dir(const char *path) MUST_CHECK;
