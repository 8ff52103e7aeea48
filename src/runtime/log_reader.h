/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the log that conmon writes for a container ("k8s-file"): lines
 *
 *     2026-01-01T00:00:00.123456789+00:00 stdout F text of a whole line
 *     2026-01-01T00:00:00.123456789+00:00 stderr P part of a line that goes on
 *
 * from a remembered position, over rotation: the runtime moves a file that is long enough to PATH.1 and lets conmon begin a new one, so
 * that a reader who was away goes on in PATH.1. Only what was rotated twice meanwhile is lost. Blocks for file reads: not on the loop's thread with much to read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct log_position {
        uint64_t inode;  /* of the file that `offset` counts in; 0: from the start */
        uint64_t offset; /* bytes of it that were passed on */
};

struct log_line {
        int64_t time_ms; /* wall clock */
        bool is_stderr;
        const char *text; /* without the newline; valid during the call; not NUL-terminated */
        size_t len;
};

struct log_reader;

/* `path` is copied; the file need not be there yet. Lines longer than `max_line` bytes (0: 256 KiB) are cut into several. */
struct log_reader *log_reader_new(const char *path, const struct log_position *from, size_t max_line);
/* NULL is fine. Returns NULL. */
struct log_reader *log_reader_free(struct log_reader *reader);

/*
 * Passes on what is there, at most about `max_bytes` of the file, to `line`; whole lines only, unless `at_end` (the writer is gone), when
 * an unfinished last line counts as one. Returns how many lines, or -errno. Call again until it returns 0.
 */
int log_reader_read(struct log_reader *reader, size_t max_bytes, bool at_end, void (*line)(const struct log_line *line, void *data),
                    void *data);
/* Where to go on after a restart: behind the last line that was passed on. */
struct log_position log_reader_position(const struct log_reader *reader);
