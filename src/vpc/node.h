/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine needs before the first container: the bridge, its addresses, and what the kernel must allow. Blocking. */
#pragma once

#include "vpc/netns.h"
#include "vpc/range.h"

/* Fills bridge_index, gateway, prefix, mtu and hairpin of `kernel` (bridge, nl and host_ns are set). Idempotent. `range` as in vpc_options;
 * `mtu` 0: that of the default route. `metadata`: the bridge carries VPC_METADATA_ADDRESS too. */
int node_setup(struct vpc_kernel *kernel, const char *range, uint32_t mtu, bool metadata, struct error *error) MUST_CHECK;
/* Takes the bridge away. */
void node_remove(struct vpc_kernel *kernel);
