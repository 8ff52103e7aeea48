/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cgroup.c and cgroup_stats.c. */
#pragma once

#include <limits.h>

#include "runtime/cgroup.h"

/* Path of `path` in the hierarchy that has `controller` (version 2: the only one). -ENOENT. */
int cgroup_path_of(const struct cgroups *cgroups, const char *controller, const char *path, char ret[PATH_MAX]);
/* A small file as text: 0 or -errno. */
int cgroup_read_text(const char *path, char *ret, size_t size);
