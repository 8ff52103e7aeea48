/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named records in one file that only grows, so that many changes cost one write and one sync:
 *
 *     gantry-records 1
 *     CRC KEY CONTENT      from here on the record KEY is CONTENT
 *     CRC KEY              from here on KEY, and every record below KEY/, is gone
 *
 * A line each; CRC is the crc32c of the rest of the line, in eight hexadecimal digits. What has been overtaken is dropped when it takes
 * more room than what counts: then the file is replaced by a new one, atomically. Everything blocks; one thread at a time.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct record_file;

/* Opens or makes the file, mode 0600. A line that a power cut has torn is dropped. Lines that make no sense are left out, too, and the
 * file as it was is kept as PATH.damaged (record_file_damage); nothing in a file makes this fail. */
int record_file_open(const char *path, struct record_file **ret, struct error *error) MUST_CHECK;
/* What was not committed is dropped. NULL is fine. */
struct record_file *record_file_close(struct record_file *file);
/* Lines of the file that made no sense when it was opened. */
uint32_t record_file_damage(const struct record_file *file);

/* Collects changes for the next commit. A key has no space, a content no line break. */
void record_file_put(struct record_file *file, const char *key, const void *content, size_t len);
/* The record, and all below it. */
void record_file_remove(struct record_file *file, const char *key);
/* Makes the collected changes, all or none; with `durable` they, and all before them, are on the disk when this returns. -errno: they
 * are dropped, and the file is as it was. */
int record_file_commit(struct record_file *file, bool durable) MUST_CHECK;

/* Appends the content as it was committed. -ENOENT; -errno of the disk. */
int record_file_read(struct record_file *file, const char *key, struct buf *out) MUST_CHECK;
/* The first key that is greater than `key`, NULL: the first of all. NULL: none. Stays until the next commit. */
const char *record_file_next(const struct record_file *file, const char *key);
