/* SPDX-License-Identifier: Apache-2.0 */
/* Segment files: what is read of them at start, and repair of what a crash left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "logs/internal.h"

struct log_segment *segment_new(uint32_t number)
{
        struct log_segment *s = xalloc(sizeof *s);

        s->number = number;
        s->min_ms = INT64_MAX;
        s->max_ms = INT64_MIN;
        s->end = s->size = SEGMENT_HEADER;
        return s;
}

struct log_segment *segment_free(struct log_segment *s)
{
        if (s != NULL)
                free(s->frames);
        free(s);
        return NULL;
}

/* Counts in what a segment's frame says of the segment. */
static void segment_count(struct log_segment *s, const struct frame_entry *entry)
{
        s->min_ms = MIN(s->min_ms, entry->first_ms);
        s->max_ms = MAX(s->max_ms, entry->last_ms);
        s->stored += entry->bytes + UINT64_C(26) * entry->n;
        s->n_frames++;
}

void segment_add(struct log_segment *s, const struct frame_entry *entry)
{
        if (s->n_frames == s->frames_room) {
                s->frames_room = s->frames_room * 2 + 16;
                s->frames = xrealloc(s->frames, s->frames_room * sizeof *s->frames);
        }
        s->frames[s->n_frames] = *entry;
        segment_count(s, entry);
        s->end = entry->offset + entry->length;
        s->size = MAX(s->size, s->end);
}

bool parse_hex8(const char *name, const char *suffix, uint32_t *ret)
{
        if (strspn(name, "0123456789abcdef") != 8 || !str_eq(name + 8, suffix))
                return false;
        *ret = (uint32_t)strtoul(name, NULL, 16);
        return true;
}

char *segment_path(const struct log_group *group, uint32_t number)
{
        return xprintf("%s/%08x.seg", group->path, number);
}

int64_t segment_read_index(int fd, struct frame_entry **ret)
{
        CLEANUP_FREE struct frame_entry *entries = NULL;
        uint8_t tail[INDEX_TAIL];
        uint64_t frames_end;
        struct stat st;
        uint32_t n;
        size_t bytes;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < (off_t)(SEGMENT_HEADER + INDEX_TAIL) ||
            pread(fd, tail, sizeof tail, st.st_size - (off_t)sizeof tail) != (ssize_t)sizeof tail ||
            !index_tail_check(tail, (uint64_t)st.st_size, &frames_end, &n))
                return -EBADMSG;
        bytes = n * sizeof *entries;
        entries = xalloc(bytes + 1);
        if (pread(fd, entries, bytes, (off_t)frames_end) != (ssize_t)bytes || !index_check(entries, n, tail))
                return -EBADMSG;
        *ret = TAKE(entries);
        return n;
}

/* Adds the whole frames from the start of an unsealed file; what comes after them was never acknowledged. */
static int scan_frames(struct log_segment *s, const struct log_group *group, int fd, uint64_t size)
{
        uint8_t *data = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        uint64_t at = SEGMENT_HEADER;
        struct frame_entry entry;
        size_t length;

        if (data == MAP_FAILED)
                return -errno;
        if (size >= SEGMENT_HEADER && segment_header_check(data, group->id, s->number)) {
                while (at < size && s->n_frames < FRAME_EVENTS_MAX && (length = frame_check(data + at, size - at, &entry)) > 0) {
                        entry.offset = at;
                        entry.number = s->n_frames;
                        segment_add(s, &entry);
                        at += length;
                }
        }
        if (data != NULL)
                (void)munmap(data, size);
        return 0;
}

/* Cuts off the torn end, so that nothing of it is ever taken for the start of something new. */
static int cut(struct log_segment *s, const char *path, int fd, uint64_t size)
{
        if (size == s->end)
                return 0;
        if (size > s->end)
                log_warn("the end of a log segment was not written completely: cut off", LOG_S("file", path),
                         LOG_I("bytes", size - s->end));
        if (ftruncate(fd, (off_t)s->end) < 0 || fdatasync(fd) < 0)
                return -errno;
        s->size = s->end;
        return 0;
}

static int write_all(int fd, const void *data, size_t len, uint64_t offset)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = pwrite(fd, p, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                p += n;
                offset += (uint64_t)n;
                len -= (size_t)n;
        }
        return 0;
}

/* Only the newest segment of a group is without an index. */
static int seal_late(struct log_segment *s, int fd)
{
        CLEANUP_BUF struct buf index = {0};
        int r;

        index_encode(&index, s->frames, s->n_frames, s->end);
        r = write_all(fd, index.data, index.len, s->end);
        if (r < 0 || fdatasync(fd) < 0)
                return r < 0 ? r : -errno;
        s->size = s->end + index.len;
        s->sealed = true;
        return 0;
}

/* All that a file says, whether it is sealed or not. */
static int read_segment(struct log_segment *s, struct log_group *group, const char *path, bool newest)
{
        CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
        CLEANUP_FREE struct frame_entry *entries = NULL;
        struct stat st;
        int64_t n;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        s->created = true;
        n = segment_read_index(fd, &entries);
        if (n >= 0 && entries != NULL) {
                for (int64_t i = 0; i < n; i++) {
                        segment_count(s, &entries[i]);
                        stream_count(group, s, &entries[i]);
                        s->end = MAX(s->end, entries[i].offset + entries[i].length);
                }
                s->size = (uint64_t)st.st_size;
                s->sealed = true;
                return 0;
        }
        r = scan_frames(s, group, fd, (uint64_t)st.st_size);
        if (r == 0 && s->n_frames > 0)
                r = cut(s, path, fd, (uint64_t)st.st_size);
        if (r == 0 && s->n_frames > 0 && !newest)
                r = seal_late(s, fd);
        for (uint32_t i = 0; i < s->n_frames; i++)
                stream_count(group, s, &s->frames[i]);
        if (s->sealed)
                free(TAKE(s->frames));
        return r;
}

/* A file without one good frame: mostly the first batch of a new segment, cut short by a crash and never acknowledged. In case it is
 * more than that, it is kept for a person to look at. */
static void set_aside(const char *path)
{
        CLEANUP_FREE char *aside = xprintf("%s.damaged", path);

        if (rename(path, aside) == 0)
                log_warn("a log segment holds no event that can be read: set aside", LOG_S("file", aside));
}

static int compare_numbers(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/* Numbers of the segment files of a group, ascending. */
static int list_segments(const struct log_group *group, uint32_t **ret, size_t *ret_n)
{
        CLEANUP_FREE uint32_t *numbers = NULL;
        DIR *dir = opendir(group->path);
        struct dirent *entry;
        size_t n = 0;

        if (dir == NULL)
                return -errno;
        while ((entry = readdir(dir)) != NULL) {
                uint32_t number;

                if (!parse_hex8(entry->d_name, ".seg", &number))
                        continue;
                numbers = xrealloc(numbers, (n + 1) * sizeof *numbers);
                numbers[n++] = number;
        }
        (void)closedir(dir);
        if (n > 0)
                qsort(numbers, n, sizeof *numbers, compare_numbers);
        *ret = TAKE(numbers);
        *ret_n = n;
        return 0;
}

int segments_load(struct log_group *group, struct error *error)
{
        CLEANUP_FREE uint32_t *numbers = NULL;
        size_t n = 0;
        int r = list_segments(group, &numbers, &n);

        if (r == -ENOENT)
                return 0;
        group->has_dir = r == 0;
        for (size_t i = 0; r == 0 && i < n; i++) {
                CLEANUP_FREE char *path = segment_path(group, numbers[i]);
                struct log_segment *s = segment_new(numbers[i]);

                r = read_segment(s, group, path, i == n - 1);
                group->next_segment = numbers[i] + 1;
                if (r == 0 && s->n_frames == 0) {
                        set_aside(path);
                        (void)segment_free(s);
                        continue;
                }
                if (group->n_segments == group->segments_room) {
                        group->segments_room = group->segments_room * 2 + 4;
                        group->segments = xrealloc(group->segments, group->segments_room * sizeof(*group->segments));
                }
                group->segments[group->n_segments++] = s;
                group->info.stored_bytes += s->stored;
        }
        return r < 0 ? error_set(error, -r, "cannot read the log events in %s: %s", group->path, strerror(-r)) : 0;
}
