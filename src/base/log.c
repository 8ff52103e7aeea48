/* SPDX-License-Identifier: Apache-2.0 */
/* The log: a line is put together first and leaves in one write. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/strutil.h"

enum log_level log_level_ = LOG_LEVEL_INFO;
static enum log_format log_format_ = LOG_FORMAT_TEXT;

static const char *const level_names[LOG_LEVEL_MAX] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level level, enum log_format format)
{
        log_level_ = level;
        log_format_ = format;
}

int log_level_parse(const char *name)
{
        for (int i = 0; i < LOG_LEVEL_MAX; i++) {
                if (str_eq(name, level_names[i]))
                        return i;
        }
        return -EINVAL;
}

const char *log_errno_text_(int r)
{
        const char *text = strerrordesc_np(r < 0 ? -r : r);
        return text != NULL ? text : "unknown error";
}

/* Between quotes; JSON's escapes serve logfmt as well, and keep an attacker's line breaks out of the log. */
static void append_quoted(struct buf *line, const char *text)
{
        buf_append_char(line, '"');
        for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
                if (*p == '"' || *p == '\\') {
                        buf_append_char(line, '\\');
                        buf_append_char(line, (char)*p);
                } else if (*p == '\n') {
                        buf_append_str(line, "\\n");
                } else if (*p == '\t') {
                        buf_append_str(line, "\\t");
                } else if (*p < 0x20 || *p == 0x7f) {
                        buf_printf(line, "\\u%04x", *p);
                } else {
                        buf_append_char(line, (char)*p);
                }
        }
        buf_append_char(line, '"');
}

static bool needs_quotes(const char *text)
{
        if (*text == '\0')
                return true;
        for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
                if (*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || *p == 0x7f)
                        return true;
        }
        return false;
}

static void append_text_field(struct buf *line, const char *key, const char *text)
{
        if (log_format_ == LOG_FORMAT_JSON) {
                buf_printf(line, "%s\"%s\":", line->len > 1 ? "," : "", key);
                append_quoted(line, text);
                return;
        }
        buf_printf(line, "%s%s=", line->len > 0 ? " " : "", key);
        if (needs_quotes(text))
                append_quoted(line, text);
        else
                buf_append_str(line, text);
}

static void append_number_field(struct buf *line, const char *key, int64_t number)
{
        if (log_format_ == LOG_FORMAT_JSON)
                buf_printf(line, ",\"%s\":%" PRId64, key, number);
        else
                buf_printf(line, " %s=%" PRId64, key, number);
}

void log_emit(enum log_level level, const char *message, const struct log_field *fields)
{
        CLEANUP_BUF struct buf line = {0};
        char now[32];
        int saved = errno;
        str_iso8601(env_now_ms(env_system()), true, now);
        if (log_format_ == LOG_FORMAT_JSON)
                buf_append_char(&line, '{');
        append_text_field(&line, "time", now);
        append_text_field(&line, "level", level_names[level]);
        append_text_field(&line, "msg", message);
        for (; fields->key != NULL; fields++) {
                if (fields->text != NULL)
                        append_text_field(&line, fields->key, fields->text);
                else
                        append_number_field(&line, fields->key, fields->number);
        }
        buf_append_str(&line, log_format_ == LOG_FORMAT_JSON ? "}\n" : "\n");
        ssize_t r = write(STDERR_FILENO, line.data, line.len);
        (void)r; /* where would one complain? */
        errno = saved;
}
