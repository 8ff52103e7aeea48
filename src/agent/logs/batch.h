/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log events on their way: lines are put together to events, events to batches as PutLogEvents takes them (at most 10,000 events and
 * 1,048,576 bytes with 26 bytes counted for each event, in the order of time, within 24 hours, each event at most 256 KiB). With each
 * event stands where in the log file it ends, so that the position to be remembered is exact. Pure.
 */
#pragma once

#include "agent/logs/multiline.h"
#include "base/list.h"
#include "runtime/log_reader.h"

#define LOG_BATCH_EVENTS 10000
#define LOG_BATCH_BYTES 1048576
#define LOG_EVENT_OVERHEAD 26
#define LOG_EVENT_BYTES (262144 - LOG_EVENT_OVERHEAD)

struct log_event {
        int64_t time_ms;
        char *text; /* valid UTF-8, never empty */
        size_t len;
        struct log_position end; /* behind it in the file */
};

struct log_batch {
        const struct multiline *multiline;
        struct log_event *events; /* complete ones */
        size_t n, cap, bytes;
        /* The event that may still grow. */
        struct buf open;
        int64_t open_ms;
        bool is_open;
};

void log_batch_init(struct log_batch *batch, const struct multiline *multiline);
void log_batch_done(struct log_batch *batch);
/* A line, with the position where it starts: what was open before it ends there. */
void log_batch_line(struct log_batch *batch, int64_t time_ms, const char *text, size_t len, const struct log_position *start);
/* The lines that were read end at `end`. Without a pattern every line is complete; with one the last event stays open until a line
 * begins another one, or `flush`. */
void log_batch_end(struct log_batch *batch, const struct log_position *end, bool flush);
/* How many of the complete events, from the first, go into the next call. */
size_t log_batch_next(const struct log_batch *batch);
/* The first `n` were accepted. Returns the position to remember. */
struct log_position log_batch_accept(struct log_batch *batch, size_t n);
/* Whether reading should stop until something was accepted. */
bool log_batch_is_full(const struct log_batch *batch);
/* Bytes as valid UTF-8: what is not becomes U+FFFD, as does NUL. */
void log_text_clean(const char *text, size_t len, struct buf *out);
