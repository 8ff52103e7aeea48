/* SPDX-License-Identifier: Apache-2.0 */
/* One run of skopeo: a child whose output is collected, and which is killed when it hangs. Loop thread. */
#pragma once

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct skopeo_run {
        /* Filled in by the owner, who keeps the object where it is until `done`. */
        uv_loop_t *loop;
        const char *const *args; /* NULL-terminated, args[0] the program; used during start only */
        const char *directory;   /* to run in; used during start only */
        size_t max_output;
        /* Once. status 0: it succeeded, `out` is what it printed; -EIO: it failed, `err` is what it said; -ETIMEDOUT: it was killed for
         * hanging; -ECANCELED; -errno: it could not be started. All handles are closed: the object may be freed or used again,
         * after buf_done of both texts. */
        void (*done)(struct skopeo_run *run, int status);

        struct buf out, err; /* valid in `done` */

        uv_process_t process_; /* private from here */
        uv_pipe_t out_pipe_, err_pipe_;
        unsigned int open_handles_;
        int status_;
        int64_t exit_status_;
        bool running_;
};

/* `done` comes later, also when the program cannot be started. */
void skopeo_run_start(struct skopeo_run *run);
/* Kills it; `done` comes with `status` (-ECANCELED, -ETIMEDOUT …). Does nothing when it is over. */
void skopeo_run_kill(struct skopeo_run *run, int status);

/* What a failed skopeo meant, from what it said: fills error->code with the name of the error for the container's reason and the
 * message with the cause and the next step. `registry` may be NULL. Returns true when trying again may help. */
bool skopeo_explain(const char *said, const char *image, const char *registry, struct error *error);
