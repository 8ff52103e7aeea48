/* SPDX-License-Identifier: Apache-2.0 */
/* OCI image layouts on this machine's disk. */
#include "image/layout.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

static int read_blob(const char *path, const struct oci_descriptor *descriptor, size_t max, struct buf *ret, struct error *error)
{
        CLEANUP_FREE char *file = NULL;
        char digest[DIGEST_TEXT_MAX];
        int r;

        if (!digest_is_valid(descriptor->digest))
                return error_set(error, EINVAL, "the layout %s has the digest \"%s\": only sha256 is understood", path, descriptor->digest);
        file = xprintf("%s/blobs/sha256/%s", path, digest_hex(descriptor->digest));
        r = buf_read_file(ret, file, max);
        if (r < 0)
                return error_set(error, -r, "cannot read %s of the image layout: %s", file, strerror(-r));
        digest_bytes(ret->data, ret->len, digest);
        if (!str_eq(digest, descriptor->digest))
                return error_set(error, EBADMSG, "the contents of %s are not what its name says: make the image layout again", file);
        return 0;
}

static int read_manifest(const char *path, const struct oci_descriptor *descriptor, struct arena *arena, struct image_manifest *ret,
                         struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        int r = read_blob(path, descriptor, IMAGE_MANIFEST_BYTES_MAX, &text, error);

        return r < 0 ? r : image_manifest_parse(text.data, text.len, arena, ret, error);
}

int layout_resolve(const char *path, const char *reference, struct arena *arena, struct oci_manifest **ret,
                   char ret_digest[DIGEST_TEXT_MAX], struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *file = xprintf("%s/index.json", path);
        const struct oci_descriptor *entry = NULL;
        struct image_manifest manifest = {0};
        struct oci_index *index = NULL;
        int r;

        r = buf_read_file(&text, file, IMAGE_MANIFEST_BYTES_MAX);
        if (r < 0)
                return error_set(error, -r, "cannot read the image layout %s: %s: check the path on this node", path, strerror(-r));
        r = SHAPE_PARSE(oci_index, arena, text.data, text.len, NULL, &index, error);
        if (r < 0)
                return error_wrap(error, "%s is not the index of an image layout", file);
        r = image_layout_choose(index, reference, &entry, error);
        if (r == 0)
                r = read_manifest(path, entry, arena, &manifest, error);
        if (r < 0)
                return r;
        memcpy(ret_digest, manifest.digest, sizeof(manifest.digest));
        if (manifest.index != NULL) {
                r = image_index_choose(manifest.index, &entry, error);
                if (r == 0)
                        r = read_manifest(path, entry, arena, &manifest, error);
                if (r == 0 && manifest.image == NULL)
                        r = error_set(error, EINVAL, "the image layout %s nests an index in an index", path);
                if (r < 0)
                        return r;
        }
        *ret = manifest.image;
        return 0;
}

int layout_read_config(const char *path, const struct oci_manifest *manifest, struct buf *ret, struct error *error)
{
        return read_blob(path, manifest->config, IMAGE_CONFIG_BYTES_MAX, ret, error);
}
