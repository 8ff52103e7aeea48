/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as conmon's log, read in one go and in steps, with a restart from the remembered position after each: the same lines come.
 * The first byte chooses where the file is cut for the second reading.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "runtime/log_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LINE 4096

static char path[64];
static int fd = -1;

static void clean_up(void)
{
        (void)unlink(path);
}

static void on_line(const struct log_line *line, void *data)
{
        struct buf *out = data;

        if (line->len > 2 * MAX_LINE + 65536)
                abort();
        buf_append_char(out, line->is_stderr ? 'e' : 'o');
        buf_append(out, line->text, line->len);
        buf_append_char(out, '\n');
}

static struct log_position read_all(const struct log_position *from, bool at_end, struct buf *out)
{
        struct log_reader *reader = log_reader_new(path, from, MAX_LINE);
        struct log_position position;
        int r;

        do {
                r = log_reader_read(reader, 100, at_end, on_line, out);
                if (r < 0)
                        abort();
        } while (r > 0);
        position = log_reader_position(reader);
        log_reader_free(reader);
        return position;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEANUP_BUF struct buf whole = {0};
        CLEANUP_BUF struct buf steps = {0};
        struct log_position position;
        size_t cut;

        if (size == 0)
                return 0;
        if (fd < 0) {
                strcpy(path, "/tmp/fuzz_k8s_log.XXXXXX");
                fd = mkstemp(path);
                if (fd < 0)
                        abort();
                atexit(clean_up);
        }
        cut = (size_t)data[0] * size / 256;
        data++;
        size--;
        if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
                abort();
        (void)read_all(NULL, true, &whole);
        if (ftruncate(fd, (off_t)cut) < 0)
                abort();
        position = read_all(NULL, false, &steps);
        if (pwrite(fd, data, size, 0) != (ssize_t)size)
                abort();
        (void)read_all(&position, true, &steps);
        /* While a line is in parts, lines of the other stream that came between are told again after a restart. */
        if (memmem(data, size, " P", 2) == NULL && whole.len < MAX_LINE &&
            (whole.len != steps.len || (whole.len > 0 && memcmp(whole.data, steps.data, whole.len) != 0)))
                abort();
        return 0;
}
