/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as a read-only disk for micro-VMs: all its layers as one EROFS file system, made once, when a micro-VM first needs it, and
 * shared by all from the page cache. It lies beside the topmost layer and goes with it.
 *
 * Why a disk: the cloud kernel has no 9p; virtiofs wants a daemon per machine and memory that is shared with it, which rules out machines
 * that go on from a common saved state.
 */
#pragma once

#include "base/error.h"
#include "image/image.h"

/* Opens it, made before if need be. A read-only descriptor or -errno. Blocks (for seconds when a large image is new): thread pool. */
int image_disk_open(const struct image *image, struct error *error) MUST_CHECK;
