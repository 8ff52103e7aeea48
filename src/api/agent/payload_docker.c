/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two JSON texts in the form of the Docker Engine API that each container of a payload carries: `config` and `hostConfig`.
 * The stock agent lays them over its create call; whatever is not in the container's own members of acs.Container goes here.
 */
#include "api/agent/payload.h"

#include <string.h>

#include "base/buf.h"
#include "base/strutil.h"

#define MIB (INT64_C(1) << 20)
#define NANOSECONDS INT64_C(1000000000)

/* Defaults of a health check, in seconds, as ECS documents them. */
#define HEALTH_INTERVAL 30
#define HEALTH_TIMEOUT 5
#define HEALTH_RETRIES 3

static const char *to_json(const struct shape *shape, const void *obj, struct arena *arena)
{
        CLEANUP_BUF struct buf out = {0};

        shape_to_json(shape, obj, &out);
        return arena_strndup(arena, out.data, out.len);
}

static struct docker_healthcheck *healthcheck(const struct ecs_health_check *in, struct arena *arena)
{
        struct docker_healthcheck *out = ARENA_NEW(arena, struct docker_healthcheck);
        int64_t interval = SHAPE_HAS(in, ecs_health_check, interval) ? in->interval : HEALTH_INTERVAL;
        int64_t timeout = SHAPE_HAS(in, ecs_health_check, timeout) ? in->timeout : HEALTH_TIMEOUT;

        /* A command without a kind in front is taken as ECS takes it: run by the shell. */
        if (in->command.n > 0 && !str_eq(in->command.items[0], "CMD") && !str_eq(in->command.items[0], "CMD-SHELL") &&
            !str_eq(in->command.items[0], "NONE"))
                string_list_push(arena, &out->test, in->command.n == 1 ? "CMD-SHELL" : "CMD");
        for (uint32_t i = 0; i < in->command.n; i++)
                string_list_push(arena, &out->test, in->command.items[i]);
        SHAPE_SET(out, docker_healthcheck, interval, interval * NANOSECONDS);
        SHAPE_SET(out, docker_healthcheck, timeout, timeout * NANOSECONDS);
        SHAPE_SET(out, docker_healthcheck, retries, SHAPE_HAS(in, ecs_health_check, retries) ? in->retries : HEALTH_RETRIES);
        if (in->start_period > 0)
                SHAPE_SET(out, docker_healthcheck, start_period, in->start_period * NANOSECONDS);
        return out;
}

static const char *config(const struct ecs_container_definition *in, struct arena *arena)
{
        struct docker_config out = {
                .hostname = in->hostname, .user = in->user, .working_dir = in->working_directory, .labels = in->docker_labels};

        if (in->pseudo_terminal)
                SHAPE_SET(&out, docker_config, tty, true);
        if (in->interactive)
                SHAPE_SET(&out, docker_config, open_stdin, true);
        if (in->disable_networking)
                SHAPE_SET(&out, docker_config, network_disabled, true);
        if (in->health_check)
                out.healthcheck = healthcheck(in->health_check, arena);
        return to_json(&docker_config_shape, &out, arena);
}

/*
 * The agent's Docker driver knows no stream prefix: the name "prefix/container/task" is made here. Where the definition does not
 * name an endpoint, that of our own logs service is given.
 */
static void awslogs_options(const struct payload_container_source *source, struct string_map *options, struct arena *arena)
{
        const char *prefix = string_map_get(options, "awslogs-stream-prefix");
        struct string_map kept = {0};

        for (uint32_t i = 0; i < options->n; i++)
                if (!str_eq(options->items[i].key, "awslogs-stream-prefix"))
                        string_map_set(arena, &kept, options->items[i].key, options->items[i].value);
        if (prefix)
                string_map_set(arena, &kept, "awslogs-stream",
                               arena_printf(arena, "%s/%s/%s", prefix, source->container->name, source->task->state->id));
        if (!string_map_get(&kept, "awslogs-region"))
                string_map_set(arena, &kept, "awslogs-region", model_region(source->model));
        if (source->extras->logs_endpoint && !string_map_get(&kept, "awslogs-endpoint"))
                string_map_set(arena, &kept, "awslogs-endpoint", source->extras->logs_endpoint);
        *options = kept;
}

static struct docker_log_config *log_config(const struct payload_container_source *source, struct arena *arena)
{
        const struct ecs_log_configuration *in = source->container->log_configuration;
        struct docker_log_config *out = ARENA_NEW(arena, struct docker_log_config);

        out->type = shape_enum_name(&ecs_log_driver_enum, in->log_driver);
        out->config = in->options;
        if (in->log_driver == ECS_LOG_DRIVER_AWSLOGS)
                awslogs_options(source, &out->config, arena);
        return out;
}

static const char *device_permissions(const struct int_list *list, struct arena *arena)
{
        char text[4], *end = text;

        if (list->n == 0)
                return "rwm";
        for (int p = ECS_DEVICE_CGROUP_PERMISSION_READ; p < ECS_DEVICE_CGROUP_PERMISSION_MAX; p++)
                for (uint32_t i = 0; i < list->n; i++)
                        if (list->items[i] == p) {
                                *end++ = "\0rwm"[p];
                                break;
                        }
        *end = 0;
        return arena_strdup(arena, text);
}

static const char *tmpfs_options(const struct ecs_tmpfs *in, struct arena *arena)
{
        CLEANUP_BUF struct buf out = {0};

        for (uint32_t i = 0; i < in->mount_options.n; i++)
                buf_printf(&out, "%s,", in->mount_options.items[i]);
        buf_printf(&out, "size=%dm", in->size);
        return arena_strndup(arena, out.data, out.len);
}

/* maxSwap is on top of memory, MemorySwap is the sum; Docker takes it only with a memory limit. */
static void swap(const struct ecs_linux_parameters *in, int64_t memory, struct docker_host_config *out)
{
        if (!SHAPE_HAS(in, ecs_linux_parameters, max_swap) || memory <= 0)
                return;
        SHAPE_SET(out, docker_host_config, memory_swap, (memory + in->max_swap) * MIB);
        if (SHAPE_HAS(in, ecs_linux_parameters, swappiness))
                SHAPE_SET(out, docker_host_config, memory_swappiness, in->swappiness);
}

static void linux_parameters(const struct ecs_linux_parameters *in, int64_t memory, struct arena *arena, struct docker_host_config *out)
{
        if (in->capabilities) {
                out->cap_add = in->capabilities->add;
                out->cap_drop = in->capabilities->drop;
        }
        for (uint32_t i = 0; i < in->devices.n; i++) {
                const struct ecs_device *device = &in->devices.items[i];
                struct docker_device *d = SHAPE_PUSH(arena, &out->devices);

                d->path_on_host = device->host_path;
                d->path_in_container = device->container_path ? device->container_path : device->host_path;
                d->cgroup_permissions = device_permissions(&device->permissions, arena);
        }
        if (in->init_process_enabled)
                SHAPE_SET(out, docker_host_config, init, true);
        if (in->shared_memory_size > 0)
                SHAPE_SET(out, docker_host_config, shm_size, in->shared_memory_size * MIB);
        for (uint32_t i = 0; i < in->tmpfs.n; i++)
                string_map_set(arena, &out->tmpfs, in->tmpfs.items[i].container_path, tmpfs_options(&in->tmpfs.items[i], arena));
        swap(in, memory, out);
}

static void limits(const struct ecs_container_definition *in, struct arena *arena, struct docker_host_config *out)
{
        for (uint32_t i = 0; i < in->ulimits.n; i++) {
                struct docker_ulimit *u = SHAPE_PUSH(arena, &out->ulimits);

                u->name = shape_enum_name(&ecs_ulimit_name_enum, in->ulimits.items[i].name);
                SHAPE_SET(u, docker_ulimit, soft, in->ulimits.items[i].soft_limit);
                SHAPE_SET(u, docker_ulimit, hard, in->ulimits.items[i].hard_limit);
        }
        for (uint32_t i = 0; i < in->system_controls.n; i++)
                string_map_set(arena, &out->sysctls, in->system_controls.items[i].namespace, in->system_controls.items[i].value);
        for (uint32_t i = 0; i < in->extra_hosts.n; i++)
                string_list_push(arena, &out->extra_hosts,
                                 arena_printf(arena, "%s:%s", in->extra_hosts.items[i].hostname, in->extra_hosts.items[i].ip_address));
        out->dns = in->dns_servers;
        out->dns_search = in->dns_search_domains;
        out->security_opt = in->docker_security_options;
}

static const char *host_config(const struct payload_container_source *source, struct arena *arena)
{
        const struct ecs_container_definition *in = source->container;
        const struct ecs_container_override *over = source->over;
        enum ecs_network_mode mode = source->definition->network_mode;
        int64_t memory = over && SHAPE_HAS(over, ecs_container_override, memory) ? over->memory : in->memory;
        int64_t reservation =
                over && SHAPE_HAS(over, ecs_container_override, memory_reservation) ? over->memory_reservation : in->memory_reservation;
        struct docker_host_config out = {0};

        /* With awsvpc the agent joins the containers to the task's interface itself. */
        if (mode != ECS_NETWORK_MODE_AWSVPC)
                out.network_mode = shape_enum_name(&ecs_network_mode_enum, mode ? mode : ECS_NETWORK_MODE_BRIDGE);
        if (in->log_configuration)
                out.log_config = log_config(source, arena);
        if (in->privileged)
                SHAPE_SET(&out, docker_host_config, privileged, true);
        if (in->readonly_root_filesystem)
                SHAPE_SET(&out, docker_host_config, readonly_rootfs, true);
        if (reservation > 0)
                SHAPE_SET(&out, docker_host_config, memory_reservation, reservation * MIB);
        if (in->linux_parameters)
                linux_parameters(in->linux_parameters, memory, arena, &out);
        limits(in, arena, &out);
        return to_json(&docker_host_config_shape, &out, arena);
}

/* The Docker API version that the definition's features need, as its required attributes say; 1.18 at least. */
static const char *api_version(const struct ecs_task_definition *definition, struct arena *arena)
{
        static const char prefix[] = "com.amazonaws.ecs.capability.docker-remote-api.1.";
        int64_t newest = 18, minor;

        for (uint32_t i = 0; i < definition->requires_attributes.n; i++) {
                const char *name = definition->requires_attributes.items[i].name;

                if (str_starts_with(name, prefix) && str_to_int64(name + strlen(prefix), &minor) == 0)
                        newest = MAX(newest, minor);
        }
        return arena_printf(arena, "1.%d", (int)newest);
}

struct acs_docker_config *payload_docker(const struct payload_container_source *source, struct arena *arena)
{
        struct acs_docker_config *out = ARENA_NEW(arena, struct acs_docker_config);

        out->config = config(source->container, arena);
        out->host_config = host_config(source, arena);
        out->version = api_version(source->definition, arena);
        return out;
}
