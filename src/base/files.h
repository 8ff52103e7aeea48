/* SPDX-License-Identifier: Apache-2.0 */
/* Work on files and trees of files. All of it blocks: thread pool or start-up only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* Removes a file or a whole tree without following links. 0 also when there is none; the first -errno else, having removed
 * what could be removed. Mount points inside are not entered (-EBUSY). */
int files_remove(int at, const char *name);
/* Makes a directory and its missing parents. 0 when it is there already. */
int files_make_dirs(const char *path, mode_t mode) MUST_CHECK;
/* Replaces a file in one step: readers see the old or the new. `durable`: on the disk when this returns. */
int files_write(int at, const char *name, const void *data, size_t len, mode_t mode, bool durable) MUST_CHECK;
/* Has the names in a directory on the disk when it returns. */
int files_sync_dir(int at, const char *name) MUST_CHECK;
/* Calls `fn` for every entry but "." and ".."; stops at its first non-zero, and returns that. */
int files_each(int at, const char *name, int (*fn)(const char *entry, void *data), void *data) MUST_CHECK;
/* Tells the file system that what is put into a directory is not related. ext4 looks for a free inode beside the directory's own, and
 * walks over all that were freed there in the last minutes: where many directories come and go that is most of what making a file costs,
 * milliseconds. So each gets a group of blocks of its own (chattr(1), T). 0 or -errno: other file systems do not know it. */
int files_spread(int dir_fd);
/* Makes and locks a file for this process: its descriptor, or -EWOULDBLOCK when another has it and keeps it for `patience_ms`. A process that
 * was killed may have it a moment longer: a child that it was just starting shares it until it executes its program. */
int files_lock(int at, const char *name, uint32_t patience_ms) MUST_CHECK;
/* Percent of the file system that users may fill which is in use, and bytes that they can still write. */
int files_disk(const char *path, uint32_t *ret_percent, uint64_t *ret_free) MUST_CHECK;
