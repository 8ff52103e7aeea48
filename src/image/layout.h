/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an OCI image layout in place: its blobs need no copy before they are unpacked. Blocks: thread pool only. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "image/manifest.h"

/* The manifest that `reference` (NULL: the only one) stands for on this machine. `ret_digest` is that of the index when the reference
 * names one, else of the manifest. */
int layout_resolve(const char *path, const char *reference, struct arena *arena, struct oci_manifest **ret,
                   char ret_digest[DIGEST_TEXT_MAX], struct error *error) MUST_CHECK;
/* The bytes of the configuration. */
int layout_read_config(const char *path, const struct oci_manifest *manifest, struct buf *ret, struct error *error) MUST_CHECK;
