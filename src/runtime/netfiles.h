/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hosts, /etc/resolv.conf and /etc/hostname of a container. */
#pragma once

#include "runtime/runtime.h"

/* What a container calls itself: spec->hostname, or the first 12 characters of its id; the host's name when it shares the host's. */
const char *netfiles_hostname(const struct runtime_container_spec *spec, struct arena *arena);

/* Writes the three files into `dir` and adds their bind mounts to `mounts`. 0 or -errno. */
struct oci_spec_mount_list;
int netfiles_write(const char *dir, const struct runtime_container_spec *spec, struct arena *arena, struct oci_spec_mount_list *mounts,
                   struct error *error) MUST_CHECK;
