/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log to standard error, one line an event, as logfmt or JSON. Fields are typed:
 *
 *     log_info("instance registered", LOG_S("instance", arn), LOG_I("cpu", cpu));
 *
 * Thread-safe: a line is one write. Level and format are process-wide and set once at start.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

enum log_level { LOG_LEVEL_DEBUG = 0, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_MAX };
enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON };

struct log_field {
        const char *key;  /* NULL ends the list */
        const char *text; /* NULL: use number */
        int64_t number;
};

static inline const char *log_text_(const char *text)
{
        return text != NULL ? text : "";
}

#define LOG_S(k, v) ((struct log_field){.key = (k), .text = log_text_(v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v)})
/* Text of a negative errno. */
#define LOG_ERRNO(r) LOG_S("error", log_errno_text_(r))

void log_setup(enum log_level level, enum log_format format);
/* -EINVAL for an unknown name ("debug", "info", "warn", "error"). */
int log_level_parse(const char *name);
void log_emit(enum log_level level, const char *message, const struct log_field *fields);
extern enum log_level log_level_;
const char *log_errno_text_(int r);

#define log_at_(level, ...) LOG_PICK_(level, __VA_ARGS__, LOG_END_)
#define LOG_END_ ((struct log_field){0})
#define LOG_PICK_(level, message, ...)                                                     \
        do {                                                                               \
                if ((level) >= log_level_)                                                 \
                        log_emit(level, message, (const struct log_field[]){__VA_ARGS__}); \
        } while (0)

#define log_debug(...) log_at_(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at_(LOG_LEVEL_ERROR, __VA_ARGS__)
