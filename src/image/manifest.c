/* SPDX-License-Identifier: Apache-2.0 */
/* What an image is made of, and which of several images is for this machine. */
#include "image/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/strutil.h"

#define REFERENCE_ANNOTATION "org.opencontainers.image.ref.name"

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__arm__)
#define ARCHITECTURE "arm"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE "ppc64le"
#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
#else
#define ARCHITECTURE "unknown" /* images that say theirs cannot be run: name this one as they do (GOARCH) */
#endif

const char *image_architecture(void)
{
        return ARCHITECTURE;
}

static int check_layers(const struct oci_manifest *manifest, struct error *error)
{
        if (manifest->layers.n > IMAGE_LAYERS_MAX)
                return error_set(error, EINVAL, "the image has %u layers, at most %d can be stacked", manifest->layers.n, IMAGE_LAYERS_MAX);
        for (uint32_t i = 0; i < manifest->layers.n; i++) {
                const struct oci_descriptor *layer = &manifest->layers.items[i];

                if (!digest_is_valid(layer->digest))
                        return error_set(error, EINVAL, "the image's layer %u has the digest \"%s\": only sha256 is understood", i + 1,
                                         layer->digest);
                if (layer->media_type != NULL && strstr(layer->media_type, "+encrypted") != NULL)
                        return error_set(error, EINVAL, "the image's layer %u is encrypted: push one that is not", i + 1);
        }
        return 0;
}

int image_manifest_parse(const char *json, size_t len, struct arena *arena, struct image_manifest *ret, struct error *error)
{
        struct oci_manifest_kind *kind;
        struct image_manifest manifest = {0};
        int r;

        if (len > IMAGE_MANIFEST_BYTES_MAX)
                return error_set(error, EINVAL, "the image's manifest is longer than %d bytes", IMAGE_MANIFEST_BYTES_MAX);
        digest_bytes(json, len, manifest.digest);
        r = SHAPE_PARSE(oci_manifest_kind, arena, json, len, NULL, &kind, error);
        if (r == 0 && (kind->schema_version == 1 || kind->fs_layers != NULL))
                return error_set(error, EINVAL,
                                 "the image has a manifest of schema 1, which nobody makes any more: build and push it again");
        if (r == 0 && kind->manifests != NULL && kind->config == NULL)
                r = SHAPE_PARSE(oci_index, arena, json, len, NULL, &manifest.index, error);
        else if (r == 0)
                r = SHAPE_PARSE(oci_manifest, arena, json, len, NULL, &manifest.image, error);
        if (r < 0)
                return error_wrap(error, "the image's manifest is not a valid one");
        if (manifest.image != NULL) {
                if (!digest_is_valid(manifest.image->config->digest))
                        return error_set(error, EINVAL, "the image's configuration has the digest \"%s\": only sha256 is understood",
                                         manifest.image->config->digest);
                r = check_layers(manifest.image, error);
                if (r < 0)
                        return r;
        }
        *ret = manifest;
        return 0;
}

/* How well an entry fits this machine: 0 not at all. arm: variants up to this machine's would run, the highest is best. */
static int fit(const struct oci_descriptor *entry)
{
        const struct oci_platform *platform = entry->platform;

        if (!digest_is_valid(entry->digest))
                return 0;
        /* Said nothing: it may be. */
        if (platform == NULL)
                return 1;
        if (!str_eq(platform->os, "linux") || !str_eq(platform->architecture, ARCHITECTURE))
                return 0;
#ifdef __arm__
        if (str_eq(platform->variant, "v7"))
                return 4;
        if (str_eq(platform->variant, "v6"))
                return 3;
        return str_eq(platform->variant, "v8") ? 0 : 2;
#else
        /* amd64 has variants too (v2, v3): the plain one runs everywhere. */
        return str_empty(platform->variant) || str_eq(platform->variant, "v8") || str_eq(platform->variant, "v1") ? 3 : 0;
#endif
}

int image_index_choose(const struct oci_index *index, const struct oci_descriptor **ret, struct error *error)
{
        CLEANUP_BUF struct buf there = {0};
        const struct oci_descriptor *best = NULL;
        int best_fit = 0;

        for (uint32_t i = 0; i < index->manifests.n; i++) {
                const struct oci_descriptor *entry = &index->manifests.items[i];
                int f = fit(entry);

                if (f > best_fit) {
                        best = entry;
                        best_fit = f;
                }
                if (entry->platform != NULL && there.len < 300)
                        buf_printf(&there, "%s%s/%s", there.len > 0 ? ", " : "", entry->platform->os != NULL ? entry->platform->os : "?",
                                   entry->platform->architecture != NULL ? entry->platform->architecture : "?");
        }
        if (best == NULL)
                return error_set(error, ENOENT,
                                 "no image manifest for platform linux/" ARCHITECTURE " in the manifest list (there are: %s): "
                                 "build the image for this platform too",
                                 there.len > 0 ? there.data : "none");
        *ret = best;
        return 0;
}

int image_layout_choose(const struct oci_index *index, const char *reference, const struct oci_descriptor **ret, struct error *error)
{
        for (uint32_t i = 0; reference != NULL && i < index->manifests.n; i++) {
                const char *name = string_map_get(&index->manifests.items[i].annotations, REFERENCE_ANNOTATION);

                if (str_eq(name, reference) || str_eq(index->manifests.items[i].digest, reference)) {
                        *ret = &index->manifests.items[i];
                        return 0;
                }
        }
        if (reference != NULL)
                return error_set(error, ENOENT,
                                 "manifest unknown: the layout has no image \"%s\": `skopeo list-tags` or its index.json tell which it has",
                                 reference);
        if (index->manifests.n != 1)
                return error_set(error, ENOENT, "the layout has %u images: say which, as oci:PATH:REFERENCE", index->manifests.n);
        *ret = &index->manifests.items[0];
        return 0;
}

int image_config_parse(const char *json, size_t len, const struct oci_manifest *manifest, struct arena *arena,
                       struct oci_image_config **ret, struct error *error)
{
        struct oci_image_config *config;
        char digest[DIGEST_TEXT_MAX];
        int r;

        digest_bytes(json, len, digest);
        if (!str_eq(digest, manifest->config->digest))
                return error_set(error, EBADMSG, "the image's configuration has the digest %s, its manifest promises %s: pull again",
                                 digest, manifest->config->digest);
        r = SHAPE_PARSE(oci_image_config, arena, json, len, NULL, &config, error);
        if (r < 0)
                return error_wrap(error, "the image's configuration is not a valid one");
        if (config->rootfs->diff_ids.n != manifest->layers.n)
                return error_set(error, EINVAL,
                                 "the image's configuration names %u layers, its manifest %u: this is not an image that can be run",
                                 config->rootfs->diff_ids.n, manifest->layers.n);
        for (uint32_t i = 0; i < config->rootfs->diff_ids.n; i++)
                if (!digest_is_valid(config->rootfs->diff_ids.items[i]))
                        return error_set(error, EINVAL, "the image's configuration has the diff id \"%s\": only sha256 is understood",
                                         config->rootfs->diff_ids.items[i] != NULL ? config->rootfs->diff_ids.items[i] : "");
        if (config->os != NULL && *config->os != '\0' && !str_eq(config->os, "linux"))
                return error_set(error, EINVAL, "the image is for %s, this node runs linux", config->os);
        if (config->architecture != NULL && *config->architecture != '\0' && !str_eq(config->architecture, ARCHITECTURE))
                return error_set(error, EINVAL,
                                 "the image is for the %s architecture, this node has " ARCHITECTURE
                                 ": build the image for this platform too",
                                 config->architecture);
        *ret = config;
        return 0;
}
