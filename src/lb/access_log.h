/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes access logs without keeping the loop: lines are collected, and a thread of libuv's pool appends them to their files, one batch
 * at a time. All functions on the loop's thread.
 */
#pragma once

#include <uv.h>

struct lb_access_log;

/* Never NULL. */
struct lb_access_log *lb_access_log_new(uv_loop_t *loop);
/* Appends a line (without its newline) to a file, which is made with its folders when it is missing. Copies both. When the disk is so slow that
 * too much waits, lines are dropped, and the log says how many. */
void lb_access_log_append(struct lb_access_log *log, const char *path, const char *line);
/* Nothing more comes: what waits is still written, and then it goes by itself; the loop has to turn until then. NULL is fine. Returns NULL. */
struct lb_access_log *lb_access_log_free(struct lb_access_log *log);
