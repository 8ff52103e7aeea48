/* SPDX-License-Identifier: Apache-2.0 */
/* A deep copy of a container's specification: it is read by a thread of the pool after the caller's is gone. */
#include <string.h>

#include "runtime/runtime_internal.h"

static struct string_list copy_list(const struct string_list *from, struct arena *arena)
{
        struct string_list to = {.n = from->n, .items = arena_calloc(arena, (size_t)from->n + 1, sizeof(*to.items))};

        for (uint32_t i = 0; i < from->n; i++)
                to.items[i] = arena_strdup(arena, from->items[i]);
        return to;
}

static const struct string_list *copy_list_pointer(const struct string_list *from, struct arena *arena)
{
        struct string_list *to;

        if (from == NULL)
                return NULL;
        to = ARENA_NEW(arena, struct string_list);
        *to = copy_list(from, arena);
        return to;
}

static struct string_map copy_map(const struct string_map *from, struct arena *arena)
{
        struct string_map to = {.n = from->n, .items = arena_calloc(arena, (size_t)from->n + 1, sizeof(*to.items))};

        for (uint32_t i = 0; i < from->n; i++) {
                to.items[i].key = arena_strdup(arena, from->items[i].key);
                to.items[i].value = arena_strdup(arena, from->items[i].value != NULL ? from->items[i].value : "");
        }
        return to;
}

static void copy_strings(struct runtime_container_spec *to, struct arena *arena)
{
        const char **strings[] = {
                &to->id,           &to->task_id,          &to->user,          &to->working_dir, &to->stop_signal,
                &to->hostname,     &to->domain_name,      &to->hosts_address, &to->hosts_path,  &to->resolv_path,
                &to->network.path, &to->pid.path,         &to->ipc.path,      &to->uts.path,    &to->user_ns.path,
                &to->seccomp,      &to->apparmor_profile, &to->selinux_label, &to->cpuset_cpus, &to->cpuset_mems,
        };

        for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
                *strings[i] = arena_strdup(arena, *strings[i]);
}

static void copy_arrays(struct runtime_container_spec *to, struct arena *arena)
{
        struct runtime_mount *mounts = arena_memdup(arena, to->mounts, to->n_mounts * sizeof(*mounts));
        struct runtime_device *devices = arena_memdup(arena, to->devices, to->n_devices * sizeof(*devices));
        struct runtime_ulimit *ulimits = arena_memdup(arena, to->ulimits, to->n_ulimits * sizeof(*ulimits));

        for (uint32_t i = 0; i < to->n_mounts; i++) {
                mounts[i].source = arena_strdup(arena, mounts[i].source);
                mounts[i].destination = arena_strdup(arena, mounts[i].destination);
                mounts[i].options = arena_strdup(arena, mounts[i].options);
        }
        for (uint32_t i = 0; i < to->n_devices; i++) {
                devices[i].host_path = arena_strdup(arena, devices[i].host_path);
                devices[i].container_path = arena_strdup(arena, devices[i].container_path);
        }
        for (uint32_t i = 0; i < to->n_ulimits; i++)
                ulimits[i].name = arena_strdup(arena, ulimits[i].name);
        to->mounts = mounts;
        to->devices = devices;
        to->ulimits = ulimits;
}

struct runtime_container_spec *spec_copy(const struct runtime_container_spec *spec, struct arena *arena)
{
        struct runtime_container_spec *to = ARENA_NEW(arena, struct runtime_container_spec);

        *to = *spec;
        copy_strings(to, arena);
        copy_arrays(to, arena);
        if (spec->task_limits != NULL)
                to->task_limits = arena_memdup(arena, spec->task_limits, sizeof(*spec->task_limits));
        to->entry_point = copy_list_pointer(spec->entry_point, arena);
        to->command = copy_list_pointer(spec->command, arena);
        to->env = copy_map(&spec->env, arena);
        to->sysctls = copy_map(&spec->sysctls, arena);
        to->annotations = copy_map(&spec->annotations, arena);
        to->extra_hosts = copy_list(&spec->extra_hosts, arena);
        to->dns = copy_list(&spec->dns, arena);
        to->dns_search = copy_list(&spec->dns_search, arena);
        to->dns_options = copy_list(&spec->dns_options, arena);
        to->cap_add = copy_list(&spec->cap_add, arena);
        to->cap_drop = copy_list(&spec->cap_drop, arena);
        return to;
}
