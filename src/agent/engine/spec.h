/* SPDX-License-Identifier: Apache-2.0 */
/* From what the server asked for to what the runtime is told: one container. Pure. */
#pragma once

#include "agent/engine/task.h"
#include "runtime/runtime.h"

struct spec_context {
        const char *data_dir;
        const char *cluster;
        const char *region;
        const char *sandbox_path; /* file of the network namespace; NULL: the machine's network */
        const char *address;      /* the container's own; NULL: none */
        const char *resolv_conf;  /* file to give the container when no name servers are said; NULL: the runtime's choice */
        const char *pause_pid_path, *pause_ipc_path, *pause_user_path; /* namespaces shared by the task; NULL: not shared */
        struct image *image;
        const struct string_list *image_env; /* "NAME=value"; NULL: none */
        /* Mounts that volumesFrom finds in a started container besides those of its definition; may be NULL. Borrowed. */
        const struct runtime_mount *(*mounts_of)(const struct engine_container *source, uint32_t *ret_n);
};

/* Fills `ret`, which points into the arena, the context and the task. */
void spec_make(const struct engine_container *container, const struct spec_context *context, struct arena *arena,
               struct runtime_container_spec *ret);
/* Limits of the task's cgroup; false when it has none. */
bool spec_task_limits(const struct engine_task *task, struct runtime_task_limits *ret);
/* "10m" in bytes; 0 for nothing readable. */
int64_t spec_parse_size(const char *text);
