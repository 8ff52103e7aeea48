/* SPDX-License-Identifier: Apache-2.0 */
/* Where the volumes of a task are on this machine. Pure but for volumes_prepare. */
#pragma once

#include "agent/engine/task.h"
#include "base/error.h"

#define VOLUME_DISKS "disks"

/*
 * Absolute path of a volume's directory, in the arena:
 *   host with a path           that path
 *   docker, scope shared       DATA/volumes/shared/NAME
 *   of a task with a disk      DATA/disks/TASK/volumes/NAME, in the mount namespaces that have the disk (runtime/disk.h)
 *   everything else (scratch)  DATA/volumes/task/TASK/NAME, gone with the task
 *   driver options type=none, o=bind, device=PATH: PATH
 * NULL when the task has no such volume.
 */
const char *volume_path(const char *data_dir, const struct engine_task *task, const char *name, struct arena *arena);
/* Whether a fresh one is first filled with what the image has at the place (Docker's named volumes). */
bool volume_copies_up(const struct engine_task *task, const char *name);
/* Directory of all volumes that go with the task. */
const char *volume_task_dir(const char *data_dir, const struct engine_task *task, struct arena *arena);
/* Makes the directories; blocks: for the thread pool. Fails for a shared volume that is not there and not to be made, and for
 * driver options that this node does not know; `error->code` is the reason's name. */
int volumes_prepare(const char *data_dir, const struct engine_task *task, struct error *error) MUST_CHECK;
