/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks:
 *
 *     head    magic version tier from covered                                    32 bytes
 *     frames  length checksum | key unit chunks…                                 one or more a series
 *     index   hash of the key, offset, length                                    24 bytes a frame, by hash
 *     foot    offset of the index, number of entries, checksum of the index, magic  24 bytes
 *
 * A block that gets more is written anew beside the old one, synced, and renamed over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "metrics/disk.h"

#define MAGIC "gantrymb"
#define FOOT_MAGIC "gantryme"
#define VERSION 1
#define HEAD_SIZE 32
#define FOOT_SIZE 24
#define KEY_MAX 40000
#define FILE_MAX (UINT64_C(4) << 30)
#define CHUNK_MAX (1u << 20)

struct index_entry {
        uint64_t hash, offset;
        uint32_t len, unused;
};

struct foot {
        uint64_t offset;
        uint32_t n, crc;
        char magic[8];
};

static uint64_t hash_key(const char *key)
{
        uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a: the same in every process */

        for (; *key != '\0'; key++)
                hash = (hash ^ (uint8_t)*key) * UINT64_C(1099511628211);
        return hash;
}

static void append_head(enum metric_tier tier, int64_t from_s, uint64_t covered, struct buf *out)
{
        const uint32_t words[2] = {VERSION, (uint32_t)tier};

        buf_append(out, MAGIC, 8);
        buf_append(out, words, sizeof(words));
        buf_append(out, &from_s, sizeof(from_s));
        buf_append(out, &covered, sizeof(covered));
}

static bool head_matches(const uint8_t *data, enum metric_tier tier, int64_t from_s)
{
        CLEANUP_BUF struct buf head = {0};

        append_head(tier, from_s, 0, &head);
        return memcmp(data, head.data, HEAD_SIZE - 8) == 0;
}

/* ---- Frames ---- */

static void append_series(const struct block_entry *entry, enum metric_tier tier, int64_t from_s, struct buf *out)
{
        const int64_t period_s = metric_tiers[tier].period_s;
        size_t begin = out->len, key_len = strlen(entry->key);
        uint32_t head[2] = {0, 0};

        buf_append(out, head, sizeof(head));
        metric_varint_append(out, key_len);
        buf_append(out, entry->key, key_len);
        metric_varint_append(out, (uint64_t)entry->unit);
        metric_varint_append(out, entry->n);
        for (uint32_t i = 0; i < entry->n; i++) {
                const struct metric_chunk *chunk = entry->chunks[i];

                metric_varint_append(out, (uint64_t)((chunk->from_s - from_s) / period_s));
                metric_varint_append(out, (uint64_t)((chunk->last_s - chunk->from_s) / period_s));
                metric_varint_append(out, chunk->n);
                metric_varint_append(out, chunk->len);
                buf_append(out, chunk->bytes, chunk->len);
        }
        head[0] = (uint32_t)(out->len - begin - sizeof(head));
        head[1] = crc32c(0, out->data + begin + sizeof(head), head[0]);
        memcpy(out->data + begin, head, sizeof(head));
}

static int read_chunk(const uint8_t **p, const uint8_t *end, enum metric_tier tier, int64_t from_s, struct metric_series *series)
{
        const int64_t period_s = metric_tiers[tier].period_s;
        const uint64_t periods = (uint64_t)(metric_tiers[tier].span_s / period_s);
        struct metric_chunk *chunk;
        uint64_t first, length, n, len;

        if (metric_varint_read(p, end, &first) < 0 || metric_varint_read(p, end, &length) < 0 || metric_varint_read(p, end, &n) < 0 ||
            metric_varint_read(p, end, &len) < 0 || first >= periods || length >= periods || n == 0 || n > len || len > CHUNK_MAX ||
            len > (uint64_t)(end - *p))
                return -EBADMSG;
        chunk = metric_chunk_new(from_s + (int64_t)first * period_s);
        chunk->last_s = chunk->from_s + (int64_t)length * period_s;
        chunk->n = (uint32_t)n;
        chunk->len = chunk->room = (uint32_t)len;
        chunk->on_disk = true;
        chunk->bytes = xalloc(len);
        memcpy(chunk->bytes, *p, len);
        *p += len;
        (void)metric_points_add_chunk(&series->tiers[tier], chunk);
        return 0;
}

/* A frame's content. Either of one series (`only`; another one is left alone), or into `tree`. */
static int read_series(const uint8_t *p, const uint8_t *end, enum metric_tier tier, int64_t from_s, struct metric_series *only,
                       struct tree *tree)
{
        CLEANUP_FREE char *key = NULL;
        struct metric_series *series = only;
        uint64_t len, unit, n;
        int r = 0;

        if (metric_varint_read(&p, end, &len) < 0 || len > KEY_MAX || len > (uint64_t)(end - p))
                return -EBADMSG;
        key = xstrndup((const char *)p, len);
        p += len;
        if (strlen(key) != len || metric_varint_read(&p, end, &unit) < 0 || metric_varint_read(&p, end, &n) < 0)
                return -EBADMSG;
        if (only != NULL && strcmp(only->node.key, key) != 0)
                return 0;
        if (only == NULL && (series = disk_series_of(tree, key)) == NULL)
                return -EBADMSG;
        series->unit = (int)(unit & 0xff);
        for (uint64_t i = 0; i < n && r == 0; i++)
                r = read_chunk(&p, end, tier, from_s, series);
        return r;
}

int block_parse(const uint8_t *data, size_t len, enum metric_tier tier, int64_t from_s, struct tree *tree)
{
        struct foot foot;
        size_t at = HEAD_SIZE;

        if (len < HEAD_SIZE + FOOT_SIZE || !head_matches(data, tier, from_s))
                return -EBADMSG;
        memcpy(&foot, data + len - FOOT_SIZE, sizeof(foot));
        if (memcmp(foot.magic, FOOT_MAGIC, 8) != 0 || foot.offset < HEAD_SIZE || foot.offset > len - FOOT_SIZE)
                return -EBADMSG;
        while (foot.offset - at >= 8) {
                uint32_t words[2];

                memcpy(words, data + at, sizeof(words));
                at += 8;
                if (words[0] > foot.offset - at || crc32c(0, data + at, words[0]) != words[1] ||
                    read_series(data + at, data + at + words[0], tier, from_s, NULL, tree) < 0)
                        return -EBADMSG;
                at += words[0];
        }
        return at == foot.offset ? 0 : -EBADMSG;
}

int block_read_all(const char *path, enum metric_tier tier, int64_t from_s, struct tree *tree)
{
        CLEANUP_BUF struct buf data = {0};
        int r = buf_read_file(&data, path, FILE_MAX);

        return r < 0 ? r : block_parse((const uint8_t *)data.data, data.len, tier, from_s, tree);
}

/* ---- One series ---- */

static int read_at(int fd, void *data, size_t len, uint64_t offset)
{
        char *p = data;

        while (len > 0) {
                ssize_t n = pread(fd, p, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                p += n;
                len -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

/* The index, allocated. */
static int read_index(int fd, struct index_entry **ret, uint32_t *ret_n)
{
        struct index_entry *index;
        struct foot foot;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0 || st.st_size < HEAD_SIZE + FOOT_SIZE)
                return -EBADMSG;
        r = read_at(fd, &foot, sizeof(foot), (uint64_t)st.st_size - FOOT_SIZE);
        if (r < 0)
                return r;
        if (memcmp(foot.magic, FOOT_MAGIC, 8) != 0 || foot.offset + (uint64_t)foot.n * sizeof(*index) + FOOT_SIZE != (uint64_t)st.st_size)
                return -EBADMSG;
        index = xcalloc((size_t)foot.n + 1, sizeof(*index));
        r = read_at(fd, index, foot.n * sizeof(*index), foot.offset);
        if (r == 0 && crc32c(0, index, foot.n * sizeof(*index)) != foot.crc)
                r = -EBADMSG;
        if (r < 0) {
                free(index);
                return r;
        }
        *ret = index;
        *ret_n = foot.n;
        return 0;
}

static int read_frame(int fd, const struct index_entry *entry, enum metric_tier tier, int64_t from_s, struct metric_series *series)
{
        uint8_t *data;
        uint32_t words[2];
        int r;

        if (entry->len < 8 || entry->len > (1u << 28))
                return -EBADMSG;
        data = xalloc(entry->len);
        r = read_at(fd, data, entry->len, entry->offset);
        if (r == 0) {
                memcpy(words, data, sizeof(words));
                r = words[0] != entry->len - 8 || crc32c(0, data + 8, words[0]) != words[1]
                            ? -EBADMSG
                            : read_series(data + 8, data + entry->len, tier, from_s, series, NULL);
        }
        free(data);
        return r;
}

int block_read(const char *path, enum metric_tier tier, int64_t from_s, struct metric_series *series)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct index_entry *index = NULL;
        uint64_t hash = hash_key(series->node.key);
        uint32_t n = 0, low = 0, high;
        int r;

        if (fd < 0)
                return -errno;
        r = read_index(fd, &index, &n);
        if (r < 0)
                return r;
        high = n;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (index[middle].hash < hash)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; r == 0 && low < n && index[low].hash == hash; low++)
                r = read_frame(fd, &index[low], tier, from_s, series);
        free(index);
        return r;
}

int block_covered(const char *path, enum metric_tier tier, int64_t from_s, uint64_t *ret)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct index_entry *index = NULL;
        uint8_t head[HEAD_SIZE];
        uint32_t n;
        int r;

        if (fd < 0)
                return -errno;
        r = read_at(fd, head, sizeof(head), 0);
        if (r < 0 || (r = read_index(fd, &index, &n)) < 0)
                return r;
        free(index);
        if (!head_matches(head, tier, from_s))
                return -EBADMSG;
        memcpy(ret, head + HEAD_SIZE - 8, 8);
        return 0;
}

/* ---- Writing ---- */

/* A file that is being written, in large pieces. */
struct output {
        FILE *file;
        uint64_t at;
        struct index_entry *index;
        uint32_t n, room;
};

static int put(struct output *output, const void *data, size_t len)
{
        if (len > 0 && fwrite(data, 1, len, output->file) != len)
                return -EIO;
        output->at += len;
        return 0;
}

static int put_frame(struct output *output, uint64_t hash, const void *data, size_t len)
{
        if (output->n == output->room) {
                output->room = output->room * 2 + 64;
                output->index = xrealloc(output->index, output->room * sizeof(*output->index));
        }
        output->index[output->n++] = (struct index_entry){.hash = hash, .offset = output->at, .len = (uint32_t)len};
        return put(output, data, len);
}

/* The frames that the file has already. */
static int copy_old(struct output *output, const char *path)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct index_entry *index = NULL;
        uint32_t n = 0;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = read_index(fd, &index, &n);
        for (uint32_t i = 0; i < n && r == 0; i++) {
                char *data = xalloc(index[i].len);

                r = read_at(fd, data, index[i].len, index[i].offset);
                if (r == 0)
                        r = put_frame(output, index[i].hash, data, index[i].len);
                free(data);
        }
        free(index);
        return r == -EBADMSG ? 0 : r; /* what cannot be read is replaced */
}

static int compare_entries(const void *a, const void *b)
{
        uint64_t x = ((const struct index_entry *)a)->hash, y = ((const struct index_entry *)b)->hash;

        return (x > y) - (x < y);
}

static int write_all(struct output *output, const char *path, enum metric_tier tier, int64_t from_s, uint64_t covered,
                     const struct block_entry *entries, size_t n)
{
        CLEANUP_BUF struct buf text = {0};
        struct foot foot = {.magic = FOOT_MAGIC};
        int r;

        append_head(tier, from_s, covered, &text);
        r = put(output, text.data, text.len);
        if (r == 0)
                r = copy_old(output, path);
        for (size_t i = 0; i < n && r == 0; i++) {
                buf_clear(&text);
                append_series(&entries[i], tier, from_s, &text);
                r = put_frame(output, hash_key(entries[i].key), text.data, text.len);
        }
        if (r < 0)
                return r;
        if (output->n > 0)
                qsort(output->index, output->n, sizeof(*output->index), compare_entries);
        foot.offset = output->at;
        foot.n = output->n;
        foot.crc = crc32c(0, output->index, output->n * sizeof(*output->index));
        if (put(output, output->index, output->n * sizeof(*output->index)) < 0 || put(output, &foot, sizeof(foot)) < 0 ||
            fflush(output->file) != 0 || fdatasync(fileno(output->file)) < 0)
                return -EIO;
        return 0;
}

int block_write(const char *path, enum metric_tier tier, int64_t from_s, uint64_t covered, const struct block_entry *entries, size_t n,
                uint64_t *ret_size)
{
        CLEANUP_FREE char *part = xprintf("%s.part", path);
        struct output output = {.file = fopen(part, "we")};
        int r;

        if (output.file == NULL)
                return -errno;
        r = write_all(&output, path, tier, from_s, covered, entries, n);
        if (fclose(output.file) != 0 && r == 0)
                r = -EIO;
        if (r == 0 && rename(part, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(part);
        else
                *ret_size = output.at;
        free(output.index);
        return r;
}
