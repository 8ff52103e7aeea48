/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and configurations of images, OCI's and Docker's: read, checked, chosen from. Any thread. */
#pragma once

#include <stddef.h>

#include "api/oci.idl.h"
#include "base/arena.h"
#include "base/error.h"
#include "image/digest.h"

#define IMAGE_LAYERS_MAX 127 /* as many as Docker allows: overlayfs has a limit too */
#define IMAGE_MANIFEST_BYTES_MAX (4 << 20)
#define IMAGE_CONFIG_BYTES_MAX (8 << 20)

/* One of the two is set. */
struct image_manifest {
        struct oci_index *index;
        struct oci_manifest *image;
        char digest[DIGEST_TEXT_MAX]; /* of the bytes */
};

/* Everything returned lives in `arena`. -EINVAL with a message. */
int image_manifest_parse(const char *json, size_t len, struct arena *arena, struct image_manifest *ret, struct error *error) MUST_CHECK;
/* The entry for this machine, or NULL and -ENOENT with a message that names what there is. */
int image_index_choose(const struct oci_index *index, const struct oci_descriptor **ret, struct error *error) MUST_CHECK;
/* The entry of a layout's index.json under `reference`; NULL: the only one. */
int image_layout_choose(const struct oci_index *index, const char *reference, const struct oci_descriptor **ret,
                        struct error *error) MUST_CHECK;
/* Checks that the bytes are the ones `manifest` names and that the configuration fits it and this machine. */
int image_config_parse(const char *json, size_t len, const struct oci_manifest *manifest, struct arena *arena,
                       struct oci_image_config **ret, struct error *error) MUST_CHECK;

/* This machine as images call it: "amd64", "arm64", … */
const char *image_architecture(void);
