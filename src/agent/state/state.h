/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node keeps on its disk, as records of one file, DATA/state (record_file.h):
 *
 *   agent                shape saved.Instance
 *   tasks/ID/task        shape saved.Task, written once, before the task is acknowledged
 *   tasks/ID/state       shape saved.TaskState
 *
 * A thread of their own writes them, so that neither the loop nor an image that is being unpacked stands between an accepted task and
 * the disk. All that waits for it is written at once, with one sync: fifty tasks that start or end wait no longer than one does. What
 * cannot be read, corrupt or of a newer program, goes to a file in DATA/aside. Functions are the loop's; `done` comes on the loop.
 */
#pragma once

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "codec/shape.h"

struct state_dir;

/* A job under way. Embedded in its owner; must stay until `done`. */
struct state_op {
        void (*done)(struct state_op *op, int result); /* may be NULL */

        /* Private. */
        struct list link_;
        char *key_;
        struct buf content_;
        bool durable_, remove_, busy_, cancelled_;
        int result_;
};

/* Opens the file, makes what is missing, starts the thread. */
int state_dir_new(uv_loop_t *loop, const char *path, struct state_dir **ret, struct error *error) MUST_CHECK;
/* Does all that is queued, without calling `done` any more, and ends the thread. Blocks. The loop must run once more. NULL is fine. */
struct state_dir *state_dir_free(struct state_dir *dir);

/* Writes the record `key`; `content` is taken over. With `durable` it is on the disk when `done` comes. */
void state_write(struct state_dir *dir, struct state_op *op, const char *key, struct buf *content, bool durable);
/* Removes a record and all below it. Comes after everything that was asked before. */
void state_remove(struct state_dir *dir, struct state_op *op, const char *key);
bool state_op_is_busy(const struct state_op *op);
/* `done` is not called any more; the owner may go. The work is still done. */
void state_op_cancel(struct state_dir *dir, struct state_op *op);

/* ---- blocking, for the start ---- */

/* Reads a record as `shape` into the arena. -ENOENT; -EINVAL (with a message) when it is corrupt or newer than this program. */
int state_read(struct state_dir *dir, const char *key, const struct shape *shape, struct arena *arena, void **ret,
               struct error *error) MUST_CHECK;
/* Moves a record, and all below it, to a file in aside/, with an error in the log that says why. */
void state_move_aside(struct state_dir *dir, const char *key, const char *why);
/* The names that follow "KEY/" in the keys of all records, each once, in the arena. */
void state_list(struct state_dir *dir, const char *key, struct arena *arena, struct string_list *ret);
/* The kernel's boot id, or "". */
void state_boot_id(char ret[64]);
