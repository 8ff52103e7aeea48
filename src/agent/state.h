/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's own files, written by a thread of their own so that neither the loop nor an image that is being unpacked stands
 * between an accepted task and the disk:
 *
 *   DATA/agent.json               shape saved.Instance
 *   DATA/tasks/ID/task.json       shape saved.Task, written once, before the task is acknowledged
 *   DATA/tasks/ID/state.json      shape saved.TaskState
 *   DATA/aside/…                  what could not be read: corrupt, or of a newer program
 *
 * Each file is replaced atomically. Functions are the loop's; `done` comes on the loop.
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
        char *path_; /* relative */
        struct buf content_;
        bool durable_, remove_, busy_, cancelled_;
        int result_;
};

/* Makes the directory and starts the thread. */
int state_dir_new(uv_loop_t *loop, const char *path, struct state_dir **ret, struct error *error) MUST_CHECK;
/* Does all that is queued, without calling `done` any more, and ends the thread. Blocks. The loop must run once more. NULL is fine. */
struct state_dir *state_dir_free(struct state_dir *dir);
const char *state_dir_path(const struct state_dir *dir);

/* Writes `content` (taken over) to the file `path` below the directory, making the directory above it. */
void state_write(struct state_dir *dir, struct state_op *op, const char *path, struct buf *content, bool durable);
/* Deletes a directory. Comes after everything that was asked before. */
void state_remove(struct state_dir *dir, struct state_op *op, const char *path);
bool state_op_is_busy(const struct state_op *op);
/* `done` is not called any more; the owner may go. The work is still done. */
void state_op_cancel(struct state_dir *dir, struct state_op *op);

/* ---- blocking, for the start ---- */

/* Reads a file as `shape` into the arena. -ENOENT; -EINVAL (with a message) when it is corrupt or newer than this program. */
int state_read(const struct state_dir *dir, const char *path, const struct shape *shape, struct arena *arena, void **ret,
               struct error *error) MUST_CHECK;
/* Moves a file or directory to aside/, with a warning in the log that says why. */
void state_move_aside(const struct state_dir *dir, const char *path, const char *why);
/* Names of the directories in `path`, in the arena. What cannot be read counts as empty. */
void state_list(const struct state_dir *dir, const char *path, struct arena *arena, struct string_list *ret);
/* The kernel's boot id, or "". */
void state_boot_id(char ret[64]);
