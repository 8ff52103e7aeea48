/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HAProxy's runtime socket: one connection in interactive mode, on which commands are sent ahead and answers come in order.
 *
 * The connection belongs to one worker process and ends with it, so its end says that the worker was replaced or died. On the
 * loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"

struct lb_runtime;

/* The answer to one command, without the prompt; NULL when the connection ended before it came. `data` as given with the command. */
typedef void (*lb_answer_fn)(void *data, const char *answer);

struct lb_runtime_options {
        uv_loop_t *loop;
        const char *path;
        void (*connected)(void *data);              /* the first prompt came */
        void (*ended)(void *data, const char *why); /* the connection failed or ended; the object stays until lb_runtime_free */
        void *data;
};

/* Connects at once. Options are copied. Never NULL. */
struct lb_runtime *lb_runtime_new(const struct lb_runtime_options *options);
/* Sends one command, without a newline at its end. `answer` may be NULL; it is called exactly once, and at once with NULL when there is no
 * connection any more. */
void lb_runtime_send(struct lb_runtime *runtime, lb_answer_fn answer, void *data, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Commands whose answers are still to come. */
size_t lb_runtime_waiting(const struct lb_runtime *runtime);
/* The connection gets another owner: answers that are still to come go nowhere (called back with NULL), and its end goes to `ended`. */
void lb_runtime_hand_over(struct lb_runtime *runtime, void (*ended)(void *data, const char *why), void *data);
bool lb_runtime_ready(const struct lb_runtime *runtime);
/* Calls back with NULL for answers that did not come. NULL is fine. Returns NULL. */
struct lb_runtime *lb_runtime_free(struct lb_runtime *runtime);
