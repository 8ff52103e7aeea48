/* SPDX-License-Identifier: Apache-2.0 */
/* Device nodes of a container: what it gets besides the usual ones, and the rules that allow their use. */
#pragma once

#include "api/oci.idl.h"
#include "runtime/runtime.h"

/*
 * Fills nodes and rules: everything is denied, then the usual devices, then those of the spec (a directory stands for the nodes in it);
 * all of the host's when privileged. -EINVAL when a host path is no device.
 */
int devices_fill(const struct runtime_container_spec *spec, struct arena *arena, struct oci_spec_device_list *ret_nodes,
                 struct oci_spec_device_rule_list *ret_rules, struct error *error) MUST_CHECK;
