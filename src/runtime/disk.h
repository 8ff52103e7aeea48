/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk of a task: a file system of the size that the task may fill, and no more. It is ext4 in a sparse file on a loop device, so it
 * works whatever the host's own file system is, and takes of it what was really written. It is mounted in the mount namespaces of the
 * task's containers alone, as their overlays are: nothing can be left mounted on the host, and the device frees itself with the last
 * mount.
 *
 * Why not prepared ahead: a new one is a copy of the 120 KiB that mke2fs writes, a loop device and a mount, 3 ms in all. Without a journal
 * and without write barriers, because nothing on it has to survive a power cut.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct task_disk;

/* Says only where it is: `dir`/<task>.img, mounted at `dir`/<task>; `run_dir`, on tmpfs, holds what a reboot makes void. Both are made
 * when missing. bytes 0: as large as it is already. */
struct task_disk *disk_new(const char *dir, const char *run_dir, const char *task_id, int64_t bytes);
/* Closes it; the file stays, and mounts stay as long as their namespaces. NULL is fine. Returns NULL. */
struct task_disk *disk_free(struct task_disk *disk);

/* Where it is in a mount namespace that has it; on the host an empty directory. */
const char *disk_dir(const struct task_disk *disk);
/* A new mount of it that is nowhere yet, for move_mount; the caller closes it. Makes the file, or finds it, the first time. Any thread;
 * blocks for milliseconds. The descriptor or -errno. */
int disk_mount(struct task_disk *disk, struct error *error) MUST_CHECK;
/* Bytes written and bytes in all. -ENOENT when it was not opened by this process. Any thread. */
int disk_usage(struct task_disk *disk, uint64_t *ret_used, uint64_t *ret_size) MUST_CHECK;
/* Closes it and deletes the file. No container of the task may be there any more. Any thread. 0 or -errno. */
int disk_remove(struct task_disk *disk) MUST_CHECK;
