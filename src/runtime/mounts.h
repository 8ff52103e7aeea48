/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a container, in the order in which they have to be made. */
#pragma once

#include "api/oci.idl.h"
#include "runtime/bundle.h"

/* Adds the file systems that every container has, then the image's volumes, then those of the spec, outer directories first. */
int mounts_fill(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                struct oci_spec_mount_list *ret, struct bundle_result *result, struct error *error) MUST_CHECK;
