/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to records and back. */
#include "agent/state/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/files.h"
#include "base/strutil.h"
#include "base/tree.h"

#define HEADER "gantry-records 1\n"
#define SIZE_LIMIT ((size_t)4 << 30)
#define CRC_LEN 8
#define SLACK ((uint64_t)1 << 20) /* so much may be overtaken before the file is written anew */
#define RESERVE ((uint64_t)1 << 20)

struct record {
        struct tree_node node;
        uint64_t at;  /* of the line in the file */
        uint32_t len; /* of the line, with its end */
        char key[];
};

struct record_file {
        char *path;
        int fd;
        struct tree records;
        uint64_t end, live; /* of the file; of the lines that count */
        uint64_t reserved;  /* blocks are there up to here */
        struct buf staged;
        uint32_t damage;
        bool suspect; /* the kernel could not write it: nobody knows what is on the disk */
};

/* ---- lines ---- */

static void drop(struct record_file *f, struct record *record)
{
        f->live -= record->len;
        tree_remove(&f->records, &record->node);
        free(record);
}

static struct record *find(const struct record_file *f, const char *key)
{
        struct tree_node *node = tree_find(&f->records, key);

        return node != NULL ? CONTAINER_OF(node, struct record, node) : NULL;
}

static void drop_with_all_below(struct record_file *f, const char *key)
{
        CLEANUP_FREE char *below = xprintf("%s/", key);
        struct record *record = find(f, key);
        struct tree_node *node;

        if (record != NULL)
                drop(f, record);
        while ((node = tree_from(&f->records, below)) != NULL && str_starts_with(node->key, below))
                drop(f, CONTAINER_OF(node, struct record, node));
}

static void set(struct record_file *f, const char *key, uint64_t at, uint32_t len)
{
        struct record *record = find(f, key);

        if (record == NULL) {
                record = xalloc(sizeof(*record) + strlen(key) + 1);
                memcpy(record->key, key, strlen(key) + 1);
                tree_insert(&f->records, &record->node, record->key);
        } else {
                f->live -= record->len;
        }
        record->at = at;
        record->len = len;
        f->live += len;
}

/* Does what a line says; `len` is without its end. False: it makes no sense. */
static bool take_line(struct record_file *f, const char *line, size_t len, uint64_t at)
{
        const char *space;
        char crc[CRC_LEN + 2];

        if (len < CRC_LEN + 2 || len >= UINT32_MAX)
                return false;
        snprintf(crc, sizeof(crc), "%08x ", crc32c(0, line + CRC_LEN + 1, len - CRC_LEN - 1));
        if (memcmp(line, crc, CRC_LEN + 1) != 0)
                return false;
        line += CRC_LEN + 1;
        len -= CRC_LEN + 1;
        space = memchr(line, ' ', len);
        CLEANUP_FREE char *key = xstrndup(line, space != NULL ? (size_t)(space - line) : len);
        if (space == NULL)
                drop_with_all_below(f, key);
        else
                set(f, key, at, (uint32_t)(len + CRC_LEN + 2));
        return true;
}

/* All whole lines of a text that is at `at` in the file; returns how long they are. */
static size_t take_lines(struct record_file *f, const struct buf *text, uint64_t at)
{
        size_t from = 0;

        for (const char *end; from < text->len && (end = memchr(text->data + from, '\n', text->len - from)) != NULL;) {
                size_t len = (size_t)(end - text->data) - from;
                bool is_header = at + from == 0 && len == strlen(HEADER) - 1 && memcmp(text->data, HEADER, len) == 0;

                if (!is_header && !take_line(f, text->data + from, len, at + from))
                        f->damage++;
                from += len + 1;
        }
        return from;
}

/* ---- the file ---- */

static int write_at(int fd, const char *data, size_t len, uint64_t at)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                at += (uint64_t)n;
                len -= (size_t)n;
        }
        return 0;
}

/* Room ahead of the end: a full disk can still be told that something is gone, and a sync has less to do. */
static void reserve(struct record_file *f)
{
        if (f->reserved >= f->end + RESERVE / 2)
                return;
        f->reserved = f->end + RESERVE;
        (void)fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)f->end, (off_t)RESERVE);
}

static int read_line(const struct record_file *f, const struct record *record, struct buf *out)
{
        ssize_t n = pread(f->fd, buf_reserve(out, record->len), record->len, (off_t)record->at);

        if (n != (ssize_t)record->len)
                return n < 0 ? -errno : -EIO;
        buf_advance(out, record->len);
        return 0;
}

/* `fd` is consumed. */
static int replace(struct record_file *f, int fd, const char *temporary, const struct buf *text)
{
        CLEANUP_FREE char *parent = xstrdup(f->path);
        char *slash = strrchr(parent, '/');
        int r = write_at(fd, text->data, text->len, 0);

        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r == 0 && rename(temporary, f->path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlink(temporary);
                (void)close(fd);
                return r;
        }
        if (f->fd >= 0)
                (void)close(f->fd);
        f->fd = fd;
        if (slash != NULL)
                *slash = '\0';
        return files_sync_dir(AT_FDCWD, slash != NULL ? parent : ".");
}

static bool is_worth_it(const struct record_file *f)
{
        return f->end - f->live > f->live + SLACK;
}

/* Writes a new file of what counts. */
static int compact(struct record_file *f)
{
        CLEANUP_FREE char *temporary = xprintf("%s.new", f->path);
        CLEANUP_BUF struct buf text = {0};
        uint64_t at = strlen(HEADER);
        int r = 0, fd;

        buf_append_str(&text, HEADER);
        for (struct tree_node *node = tree_first(&f->records); node != NULL && r == 0; node = tree_next(node))
                r = read_line(f, CONTAINER_OF(node, struct record, node), &text);
        if (r < 0)
                return r;
        fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = replace(f, fd, temporary, &text);
        if (f->fd != fd)
                return r;
        /* It is in its place; what fails from here on is whether that lasts. */
        for (struct tree_node *node = tree_first(&f->records); node != NULL; node = tree_next(node)) {
                struct record *record = CONTAINER_OF(node, struct record, node);

                record->at = at;
                at += record->len;
        }
        f->end = at;
        f->reserved = 0;
        f->suspect = r < 0;
        return r;
}

/* What cannot be understood is kept for a person to look at. */
static void keep_damaged(const struct record_file *f)
{
        CLEANUP_FREE char *kept = xprintf("%s.damaged", f->path);

        (void)unlink(kept);
        (void)!link(f->path, kept);
}

static int load(struct record_file *f)
{
        CLEANUP_BUF struct buf text = {0};
        int r = buf_read_file(&text, f->path, SIZE_LIMIT);

        if (r < 0 && r != -ENOENT)
                return r;
        f->end = take_lines(f, &text, 0);
        f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (f->fd < 0)
                return -errno;
        if (f->damage > 0)
                keep_damaged(f);
        /* What follows the last whole line was torn. */
        if (ftruncate(f->fd, (off_t)f->end) < 0)
                return -errno;
        if (f->end > 0 && f->damage == 0 && !is_worth_it(f))
                return 0;
        /* A full disk must not keep the agent from its start: only a new file has to be written. */
        bool is_new = f->end == 0;
        r = compact(f);
        return is_new ? r : 0;
}

int record_file_open(const char *path, struct record_file **ret, struct error *error)
{
        struct record_file *f = xalloc(sizeof(*f));
        int r;

        f->path = xstrdup(path);
        f->fd = -1;
        tree_init(&f->records);
        r = load(f);
        if (r < 0) {
                (void)record_file_close(f);
                return error_set(error, -r, "cannot read or write %s: %s; look at that disk, or choose another --data-dir", path,
                                 strerror(-r));
        }
        *ret = f;
        return 0;
}

struct record_file *record_file_close(struct record_file *f)
{
        if (f == NULL)
                return NULL;
        tree_for_each (node, &f->records)
                drop(f, CONTAINER_OF(node, struct record, node));
        tree_done(&f->records);
        if (f->fd >= 0)
                (void)close(f->fd);
        buf_done(&f->staged);
        free(f->path);
        free(f);
        return NULL;
}

uint32_t record_file_damage(const struct record_file *f)
{
        return f->damage;
}

/* ---- changing ---- */

static void stage(struct record_file *f, const char *key, const char *content, size_t len)
{
        size_t start = f->staged.len;
        char crc[CRC_LEN + 1];

        assert(*key != '\0' && strpbrk(key, " \n") == NULL && (len == 0 || memchr(content, '\n', len) == NULL));
        buf_printf(&f->staged, "%*s %s", CRC_LEN, "", key);
        if (content != NULL) {
                buf_append_char(&f->staged, ' ');
                buf_append(&f->staged, content, len);
        }
        snprintf(crc, sizeof(crc), "%08x", crc32c(0, f->staged.data + start + CRC_LEN + 1, f->staged.len - start - CRC_LEN - 1));
        memcpy(f->staged.data + start, crc, CRC_LEN);
        buf_append_char(&f->staged, '\n');
}

void record_file_put(struct record_file *f, const char *key, const void *content, size_t len)
{
        stage(f, key, content != NULL ? content : "", len);
}

void record_file_remove(struct record_file *f, const char *key)
{
        stage(f, key, NULL, 0);
}

static int append(struct record_file *f, bool durable)
{
        int r;

        /* Not being able to is no reason to refuse a change, but where nobody knows what is on the disk it is. */
        if (f->suspect || is_worth_it(f)) {
                r = compact(f);
                if (r < 0 && f->suspect)
                        return r;
        }
        reserve(f);
        r = write_at(f->fd, f->staged.data, f->staged.len, f->end);
        if (r == 0 && durable && fdatasync(f->fd) < 0) {
                r = -errno;
                f->suspect = true;
        }
        if (r < 0 && ftruncate(f->fd, (off_t)f->end) < 0)
                f->suspect = true;
        return r;
}

int record_file_commit(struct record_file *f, bool durable)
{
        int r = f->staged.len > 0 ? append(f, durable) : 0;

        if (r == 0)
                f->end += take_lines(f, &f->staged, f->end);
        buf_clear(&f->staged);
        return r;
}

/* ---- reading ---- */

int record_file_read(struct record_file *f, const char *key, struct buf *out)
{
        const struct record *record = find(f, key);
        CLEANUP_BUF struct buf line = {0};
        size_t before;
        int r;

        if (record == NULL)
                return -ENOENT;
        r = read_line(f, record, &line);
        before = CRC_LEN + 1 + strlen(key) + 1;
        if (r == 0)
                buf_append(out, line.data + before, line.len - before - 1);
        return r;
}

const char *record_file_next(const struct record_file *f, const char *key)
{
        const struct tree_node *node = key != NULL ? tree_after(&f->records, key) : tree_first(&f->records);

        return node != NULL ? node->key : NULL;
}
