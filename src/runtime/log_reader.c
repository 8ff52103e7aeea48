/* SPDX-License-Identifier: Apache-2.0 */
/* Follows a conmon log file. */
#include "runtime/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"

#define DEFAULT_MAX_LINE ((size_t)256 * 1024)
#define CHUNK ((size_t)64 * 1024)

struct log_reader {
        char *path;
        int fd; /* -1: not open */
        size_t max_line;
        struct buf raw; /* bytes read and not cut into lines yet */
        struct joined { /* parts of a line that goes on, of standard output [0] and error [1] */
                struct buf text;
                bool active;
                int64_t ms;
        } joined[2];
        bool began;    /* a file has been opened */
        bool replaced; /* the open file has a successor: what is left of it is read, then that one */
        uint64_t inode;
        uint64_t read_offset;     /* end of `raw` in the file */
        struct log_position done; /* behind the last line that was passed on */
        int lines;
        void (*line)(const struct log_line *line, void *data);
        void *data;
};

struct log_reader *log_reader_new(const char *path, const struct log_position *from, size_t max_line)
{
        struct log_reader *reader = xalloc(sizeof(*reader));

        reader->path = xstrdup(path);
        reader->fd = -1;
        reader->max_line = max_line > 0 ? max_line : DEFAULT_MAX_LINE;
        if (from != NULL)
                reader->done = *from;
        return reader;
}

struct log_reader *log_reader_free(struct log_reader *reader)
{
        if (reader == NULL)
                return NULL;
        if (reader->fd >= 0)
                close(reader->fd);
        buf_done(&reader->raw);
        for (size_t i = 0; i < 2; i++)
                buf_done(&reader->joined[i].text);
        free(reader->path);
        free(reader);
        return NULL;
}

struct log_position log_reader_position(const struct log_reader *reader)
{
        return reader->done;
}

/* Two digits of a time stamp; -1 when they are none. */
static int two(const char *s)
{
        return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' ? (s[0] - '0') * 10 + s[1] - '0' : -1;
}

/* "2026-01-01T00:00:00.123456789+00:00": milliseconds since 1970, or -1. */
static int64_t parse_time(const char *s, size_t len)
{
        struct tm tm = {0};
        int64_t ms = 0, scale = 100, zone = 0;
        size_t i = 19;

        if (len < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || two(s) < 0 || two(s + 2) < 0 ||
            two(s + 5) < 0 || two(s + 8) < 0 || two(s + 11) < 0 || two(s + 14) < 0 || two(s + 17) < 0)
                return -1;
        tm.tm_year = two(s) * 100 + two(s + 2) - 1900;
        tm.tm_mon = two(s + 5) - 1;
        tm.tm_mday = two(s + 8);
        tm.tm_hour = two(s + 11);
        tm.tm_min = two(s + 14);
        tm.tm_sec = two(s + 17);
        if (s[i] == '.')
                for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++, scale /= 10)
                        ms += (s[i] - '0') * scale;
        if (i + 6 == len && (s[i] == '+' || s[i] == '-') && two(s + i + 1) >= 0 && two(s + i + 4) >= 0)
                zone = (two(s + i + 1) * 60 + two(s + i + 4)) * (s[i] == '+' ? 60 : -60);
        return ((int64_t)timegm(&tm) - zone) * 1000 + ms;
}

static void pass_on(struct log_reader *reader, int64_t time_ms, bool is_stderr, const char *text, size_t len)
{
        struct log_line line = {.time_ms = time_ms, .is_stderr = is_stderr, .text = text, .len = len};

        reader->lines++;
        reader->line(&line, reader->data);
}

static void flush_joined(struct log_reader *reader, bool is_stderr)
{
        struct joined *joined = &reader->joined[is_stderr];

        if (!joined->active)
                return;
        joined->active = false;
        pass_on(reader, joined->ms, is_stderr, joined->text.data != NULL ? joined->text.data : "", joined->text.len);
        buf_clear(&joined->text);
}

static bool is_joining(const struct log_reader *reader)
{
        return reader->joined[0].active || reader->joined[1].active;
}

/* One line of the file, without its newline. A line that is none of conmon's is passed over. */
static void take_entry(struct log_reader *reader, const char *entry, size_t len)
{
        const char *space = memchr(entry, ' ', len), *text;
        struct joined *joined;
        bool is_stderr, partial;
        int64_t time_ms;

        if (space == NULL || (size_t)(space - entry) + 9 > len)
                return;
        time_ms = parse_time(entry, (size_t)(space - entry));
        is_stderr = memcmp(space + 1, "stderr ", 7) == 0;
        if (time_ms < 0 || (!is_stderr && memcmp(space + 1, "stdout ", 7) != 0))
                return;
        partial = space[8] == 'P';
        text = space + 9;
        if (text < entry + len && *text == ' ')
                text++;
        joined = &reader->joined[is_stderr];
        if (!partial && !joined->active) {
                pass_on(reader, time_ms, is_stderr, text, (size_t)(entry + len - text));
                return;
        }
        if (!joined->active) {
                joined->active = true;
                joined->ms = time_ms;
        }
        buf_append(&joined->text, text, (size_t)(entry + len - text));
        if (!partial || joined->text.len >= reader->max_line)
                flush_joined(reader, is_stderr);
}

static void take_entries(struct log_reader *reader, bool at_end)
{
        size_t used = 0;

        while (used < reader->raw.len) {
                const char *start = reader->raw.data + used, *newline = memchr(start, '\n', reader->raw.len - used);

                if (newline == NULL)
                        break;
                take_entry(reader, start, (size_t)(newline - start));
                used += (size_t)(newline - start) + 1;
                if (!is_joining(reader))
                        reader->done = (struct log_position){reader->inode, reader->read_offset - reader->raw.len + used};
        }
        /* conmon cuts long lines itself; something else that never ends one must not fill the memory. */
        if ((at_end && used < reader->raw.len) || reader->raw.len - used > reader->max_line) {
                take_entry(reader, reader->raw.data + used, reader->raw.len - used);
                used = reader->raw.len;
        }
        for (int i = 0; at_end && i < 2; i++)
                flush_joined(reader, i == 1);
        buf_consume(&reader->raw, used);
        if (at_end && reader->raw.len == 0)
                reader->done = (struct log_position){reader->inode, reader->read_offset};
}

/* The file before the last rotation, when it is the one to go on with: it has the remembered position, or nothing was read yet. */
static int open_old(struct log_reader *reader, struct stat *st)
{
        CLEANUP_FREE char *path = xprintf("%s.1", reader->path);
        int fd;

        if (reader->done.inode == 0 && reader->began)
                return -1;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && (fstat(fd, st) < 0 || (reader->done.inode != 0 && reader->done.inode != st->st_ino))) {
                close(fd);
                fd = -1;
        }
        return fd;
}

/* Opens the file; from the remembered offset when it is the remembered file, else from its start. */
static int open_file(struct log_reader *reader)
{
        struct stat st;

        reader->fd = open_old(reader, &st);
        if (reader->fd < 0) {
                reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
                if (reader->fd < 0 || fstat(reader->fd, &st) < 0)
                        return -errno;
        }
        reader->began = true;
        reader->replaced = false;
        reader->inode = st.st_ino;
        reader->read_offset = reader->done.inode == st.st_ino && reader->done.offset <= (uint64_t)st.st_size ? reader->done.offset : 0;
        return 0;
}

/* After the end of the open file: whether another one stands in its place, or it was cut. */
static bool was_replaced(struct log_reader *reader)
{
        struct stat st;

        if (stat(reader->path, &st) < 0)
                return false;
        return st.st_ino != reader->inode || (uint64_t)st.st_size < reader->read_offset;
}

static void start_over(struct log_reader *reader)
{
        take_entries(reader, false);
        close(reader->fd);
        reader->fd = -1;
        buf_clear(&reader->raw);
        reader->done = (struct log_position){0};
}

int log_reader_read(struct log_reader *reader, size_t max_bytes, bool at_end, void (*line)(const struct log_line *line, void *data),
                    void *data)
{
        size_t total = 0;
        int r;

        reader->lines = 0;
        reader->line = line;
        reader->data = data;
        /* Nothing passed on means that there is nothing: so it goes on until there is a line or the end. */
        while (total < max_bytes || reader->lines == 0) {
                char *room;
                ssize_t n;

                if (reader->fd < 0 && (r = open_file(reader)) < 0)
                        return r == -ENOENT ? reader->lines : r;
                room = buf_reserve(&reader->raw, CHUNK);
                n = pread(reader->fd, room, CHUNK, (off_t)reader->read_offset);
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        if (reader->replaced) {
                                start_over(reader);
                                continue;
                        }
                        /* Once more from the old one: more may have come before the new one was made, and none comes after. */
                        reader->replaced = was_replaced(reader);
                        if (reader->replaced)
                                continue;
                        take_entries(reader, at_end);
                        break;
                }
                buf_advance(&reader->raw, (size_t)n);
                reader->read_offset += (uint64_t)n;
                total += (size_t)n;
                take_entries(reader, false);
        }
        /* A node follows many logs that say little: an idle reader keeps no memory. */
        if (reader->raw.len == 0)
                buf_done(&reader->raw);
        return reader->lines;
}
