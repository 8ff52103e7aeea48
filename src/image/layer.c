/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob -> digest -> decompression -> diff id -> tar -> files. libarchive does both steps: one reader takes the compression
 * off ("raw"), the other reads the tar that comes out, so that the bytes between them can be hashed.
 */
#include "image/layer.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "base/strutil.h"
#include "image/tar_reader.h"
#include "image/unpack.h"

#define CHUNK (256 * 1024)

struct pipeline {
        struct layer_unpack *layer;
        struct tar_reader reader;
        struct digest blob_digest, diff_digest;
        struct archive *raw;
        char *chunk;
        int read_error; /* -errno of the blob's read */
};

static la_ssize_t read_blob(struct archive *raw, void *data, const void **ret)
{
        struct pipeline *pipeline = data;
        ssize_t n;

        do {
                n = read(pipeline->layer->blob, pipeline->chunk, CHUNK);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
                pipeline->read_error = -errno;
                pipeline->reader.archive_set_error(raw, errno, "cannot read the blob: %s", strerror(errno));
                return -1;
        }
        digest_update(&pipeline->blob_digest, pipeline->chunk, (size_t)n);
        *ret = pipeline->chunk;
        return n;
}

static bool is_cancelled(const struct pipeline *pipeline)
{
        return pipeline->layer->cancelled != NULL && *pipeline->layer->cancelled;
}

/* Also what lies between the entries and behind them comes through here: it can be endless. */
static la_ssize_t read_plain(struct archive *tar, void *data, const void **ret)
{
        struct pipeline *pipeline = data;
        size_t len = 0;
        la_int64_t offset;

        for (;;) {
                int k;

                if (is_cancelled(pipeline)) {
                        pipeline->reader.archive_set_error(tar, ECANCELED, "the pull was cancelled");
                        return -1;
                }
                k = pipeline->reader.archive_read_data_block(pipeline->raw, ret, &len, &offset);

                if (k == ARCHIVE_EOF)
                        return 0;
                if (k < ARCHIVE_WARN) {
                        pipeline->reader.archive_set_error(tar, EIO, "%s",
                                                           pipeline->reader.archive_error_string(pipeline->raw) != NULL
                                                                   ? pipeline->reader.archive_error_string(pipeline->raw)
                                                                   : "it cannot be decompressed");
                        return -1;
                }
                if (len > 0)
                        break;
        }
        digest_update(&pipeline->diff_digest, *ret, len);
        return (la_ssize_t)len;
}

static int open_raw(struct pipeline *pipeline, struct error *error)
{
        struct archive *raw = pipeline->reader.archive_read_new();
        struct archive_entry *entry;

        pipeline->raw = raw;
        pipeline->reader.archive_read_support_filter_gzip(raw);
        pipeline->reader.archive_read_support_filter_zstd(raw);
        pipeline->reader.archive_read_support_format_raw(raw);
        pipeline->reader.archive_read_support_format_empty(raw);
        if (pipeline->reader.archive_read_open(raw, pipeline, NULL, read_blob, NULL) == ARCHIVE_OK) {
                int k = pipeline->reader.archive_read_next_header(raw, &entry);

                if (k >= ARCHIVE_WARN || k == ARCHIVE_EOF)
                        return 0;
        }
        return error_set(error, pipeline->read_error != 0 ? -pipeline->read_error : EBADMSG, "the layer's blob cannot be read: %s",
                         pipeline->reader.archive_error_string(raw) != NULL ? pipeline->reader.archive_error_string(raw)
                                                                            : "unknown reason");
}

static int unpack_raw(struct pipeline *pipeline, struct error *error)
{
        struct layer_unpack *layer = pipeline->layer;
        struct unpack unpack = {
                .reader = &pipeline->reader,
                .root = layer->root,
                .max_bytes = layer->max_bytes,
                .cancelled = layer->cancelled,
                .ignore_owner = layer->ignore_owner,
        };
        struct archive *tar = pipeline->reader.archive_read_new();
        const void *rest;
        int r;

        pipeline->reader.archive_read_support_format_tar(tar);
        pipeline->reader.archive_read_support_format_empty(tar);
        if (pipeline->reader.archive_read_open(tar, pipeline, NULL, read_plain, NULL) != ARCHIVE_OK)
                r = error_set(error, EBADMSG, "the layer is not a tar archive: %s", pipeline->reader.archive_error_string(tar));
        else
                r = unpack_tar(&unpack, tar, error);
        layer->bytes = unpack.bytes;
        layer->entries = unpack.entries;
        /* What follows the end of the tar belongs to the digests too. */
        while (r == 0) {
                la_ssize_t n = read_plain(tar, pipeline, &rest);

                if (n < 0)
                        r = error_set(error, EBADMSG, "the layer's blob cannot be read: %s", pipeline->reader.archive_error_string(tar));
                if (n <= 0)
                        break;
        }
        pipeline->reader.archive_read_free(tar);
        return r < 0 && is_cancelled(pipeline) ? -ECANCELED : r;
}

static void drain_blob(struct pipeline *pipeline)
{
        const void *rest;

        while (!is_cancelled(pipeline) && read_blob(pipeline->raw, pipeline, &rest) > 0)
                ;
}

static int check_digest(const char *what, const char *wanted, const char *seen, struct error *error)
{
        if (wanted == NULL || str_eq(wanted, seen))
                return 0;
        return error_set(error, EBADMSG,
                         "the %s of a layer is %s, but the image promises %s: what arrived is not what was published; pull again", what,
                         seen, wanted);
}

static int load_reader(struct tar_reader *ret, void **ret_library, struct error *error)
{
        static const char *const names[] = {TAR_READER_FUNCTIONS(LIBRARY_NAME)};

        return library_open("libarchive.so.13", "libarchive13", names, ARRAY_SIZE(names), ret, ret_library, error);
}

static int run(struct pipeline *pipeline, struct error *error)
{
        struct layer_unpack *layer = pipeline->layer;
        char blob_digest[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *chunk = malloc(CHUNK);
        int r;

        if (chunk == NULL)
                abort();
        pipeline->chunk = chunk;
        digest_init(&pipeline->blob_digest);
        digest_init(&pipeline->diff_digest);
        r = open_raw(pipeline, error);
        if (r == 0)
                r = unpack_raw(pipeline, error);
        if (r == 0) {
                drain_blob(pipeline);
                if (pipeline->read_error != 0)
                        r = error_set(error, -pipeline->read_error, "the layer's blob cannot be read: %s", strerror(-pipeline->read_error));
        }
        if (r == 0) {
                digest_final(&pipeline->blob_digest, blob_digest);
                digest_final(&pipeline->diff_digest, layer->seen_diff_id);
                r = check_digest("digest", layer->blob_digest, blob_digest, error);
        }
        if (r == 0)
                r = check_digest("diff id", layer->diff_id, layer->seen_diff_id, error);
        pipeline->reader.archive_read_free(pipeline->raw);
        digest_done(&pipeline->blob_digest);
        digest_done(&pipeline->diff_digest);
        return r;
}

int layer_unpack(struct layer_unpack *layer, struct error *error)
{
        struct pipeline pipeline = {.layer = layer};
        void *library;
        int r = load_reader(&pipeline.reader, &library, error);
        locale_t utf8, before;

        if (r < 0)
                return r;
        /* libarchive turns names through the locale: without UTF-8 some could not be told apart. */
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
        r = run(&pipeline, error);
        if (before != (locale_t)0)
                uselocale(before);
        if (utf8 != (locale_t)0)
                freelocale(utf8);
        library_close(library);
        return r;
}
