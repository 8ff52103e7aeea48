/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How processes get into control groups without delay, and what crun does not do for us.
 *
 * With version 1 a process that another one moves waits for a grace period of RCU, 10 to 20 ms here: longer than all the rest of a
 * start. One that moves itself (writes "0" into `tasks`) does not wait. So crun is told to leave control groups alone: the groups of a
 * container and all limits are made here, and its first process steps into them by itself. With version 2 clone3 puts a new process
 * straight into a group, crun does that, and makes the groups, limits and device filters from config.json.
 *
 * Any thread; blocks for file operations of microseconds.
 */
#pragma once

#include "api/oci.idl.h"
#include "base/arena.h"
#include "runtime/cgroup.h"

/* Once at start: makes `parent` and the group of the monitors in it. */
int cgroup_parent_prepare(const struct cgroups *cgroups, const char *parent, struct error *error) MUST_CHECK;
/* The group that conmon processes live in, outside of the agent's own: "PARENT/+conmon". */
const char *cgroup_monitors_path(const char *parent, struct arena *arena);

/* Version 1: makes the container's groups and writes its limits and device rules. Version 2: nothing. */
int cgroup_container_prepare(const struct cgroups *cgroups, const char *path, const struct oci_spec_resources *resources,
                             struct error *error) MUST_CHECK;
/* NULL-terminated: the `tasks` files into which a process writes "0" to be in `path`. Empty with version 2. */
const char *const *cgroup_tasks_files(const struct cgroups *cgroups, const char *path, struct arena *arena);
/* The directory of `path` in the version 2 hierarchy (also the one beside version 1, where there is such a group), open for clone3; else -1. */
int cgroup_open_unified(const struct cgroups *cgroups, const char *path);
/* Removes a container's or a task's groups; waits a moment for processes that are just dying. 0 or -EBUSY … */
int cgroup_remove_patiently(const struct cgroups *cgroups, const char *path) MUST_CHECK;
/* Whether there is a process in the group. */
bool cgroup_is_populated(const struct cgroups *cgroups, const char *path);
