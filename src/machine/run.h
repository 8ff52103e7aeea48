/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a program: text in, text out, a limit of time. On the loop's thread. */
#pragma once

#include <uv.h>

#include "base/buf.h"

struct program_run;

/* `status` is the exit status, or negative: it could not be started, or -ETIMEDOUT. `out` and `errors` are what it wrote (at most 1 MiB
 * each). The run is freed afterwards. */
typedef void (*program_done_fn)(void *data, int status, const struct buf *out, const struct buf *errors);

/* `argv` ends with NULL; `input` is copied. Never NULL; `done` comes later, once. */
struct program_run *program_start(uv_loop_t *loop, char **argv, const char *input, int64_t timeout_ms, program_done_fn done, void *data);
/* Kills its process group; `done` is not called any more. The run frees itself when its handles have closed. */
void program_abandon(struct program_run *run);
