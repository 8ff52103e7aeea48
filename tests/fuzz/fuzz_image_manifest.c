/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest, an index, a configuration, a login file; and as a name of an image. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "image/login.h"
#include "image/manifest.h"
#include "image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_name(const char *text)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct image_reference reference, again;
        struct error error = {0};

        if (image_reference_parse(text, &arena, &reference, &error) < 0) {
                if (!error_is_set(&error))
                        abort();
                return;
        }
        /* What was completed once is complete. */
        if (image_reference_parse(reference.canonical, &arena, &again, &error) < 0 || strcmp(reference.canonical, again.canonical) != 0)
                abort();
}

static void read_manifest(const char *text, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct oci_descriptor *entry;
        struct image_manifest manifest;
        struct error error = {0};

        if (image_manifest_parse(text, size, &arena, &manifest, &error) < 0)
                return;
        if ((manifest.index == NULL) == (manifest.image == NULL))
                abort();
        if (manifest.index != NULL) {
                if (image_index_choose(manifest.index, &entry, NULL) == 0 && !digest_is_valid(entry->digest))
                        abort();
                (void)(image_layout_choose(manifest.index, "latest", &entry, NULL) < 0);
                (void)(image_layout_choose(manifest.index, NULL, &entry, NULL) < 0);
        } else if (manifest.image->layers.n > IMAGE_LAYERS_MAX) {
                abort();
        }
}

/* A configuration whose digest the manifest has, as an attacker would make it. */
static void read_config(const char *text, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        char digest[DIGEST_TEXT_MAX];
        struct oci_descriptor descriptor = {.digest = digest}, layer = {.digest = digest};
        struct oci_manifest manifest = {.config = &descriptor, .layers = {&layer, 1}};
        struct oci_image_config *config;

        digest_bytes(text, size, digest);
        if (image_config_parse(text, size, &manifest, &arena, &config, NULL) == 0 && config->rootfs->diff_ids.n != 1)
                abort();
}

static void read_logins(const char *text, size_t size)
{
        CLEANUP_BUF struct buf out = {0};
        struct login_list *logins = login_list_new();

        (void)(login_add_auth_json(logins, text, size, NULL) < 0);
        (void)(login_add_engine_auth(logins, "docker", text, NULL) < 0);
        login_write(logins, &out);
        login_list_free(logins);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEANUP_FREE char *text = xstrndup((const char *)data, size);

        read_name(text);
        read_manifest((const char *)data, size);
        read_config((const char *)data, size);
        read_logins(text, strlen(text));
        return 0;
}
