/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a log event begins, for the awslogs options awslogs-multiline-pattern and awslogs-datetime-format. Patterns are regular
 * expressions as users of Docker write them (RE2's common part); they are turned into POSIX extended ones. Pure.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct multiline {
        bool active;
        regex_t regex;
};

/* Both NULL: every line is an event. Both given, or a pattern that cannot be read: -EINVAL with a message. */
int multiline_init(struct multiline *multiline, const char *pattern, const char *datetime_format, struct error *error) MUST_CHECK;
void multiline_done(struct multiline *multiline);
/* Whether this line begins an event; always, when there is no pattern. `line` ends with a NUL. */
bool multiline_begins(const struct multiline *multiline, const char *line);

/* The translations, for tests. */
void multiline_from_datetime(const char *format, struct buf *out);
void multiline_to_posix(const char *pattern, struct buf *out, bool *ret_ignore_case);
