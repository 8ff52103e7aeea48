/* SPDX-License-Identifier: Apache-2.0 */
/* Payload to runtime: process, names, isolation and limits. Mounts are in spec_mounts.c, the environment in spec_env.c. */
#include "agent/engine/spec.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/depend.h"
#include "agent/engine/spec_parts.h"
#include "base/strutil.h"

#define FARGATE_PIDS 8192
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define MEMORY_MIN (6 * MIB) /* less than this no container starts */
#define SHARES_MIN 2         /* the kernel's limits of cpu.shares */
#define SHARES_MAX 262144

int64_t spec_parse_size(const char *text)
{
        static const struct {
                const char *unit;
                int shift;
        } units[] = {{"", 0}, {"b", 0}, {"k", 10}, {"kb", 10}, {"m", 20}, {"mb", 20}, {"g", 30}, {"gb", 30}};
        char *end = NULL;

        if (str_empty(text))
                return 0;
        int64_t n = strtoll(text, &end, 10);
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                if (n > 0 && str_eq_nocase(end, units[i].unit) && n <= INT64_MAX >> units[i].shift)
                        return n << units[i].shift;
        }
        return 0;
}

static int64_t shares(int64_t cpu)
{
        return MIN(MAX(cpu, SHARES_MIN), SHARES_MAX);
}

bool spec_task_limits(const struct engine_task *task, struct runtime_task_limits *ret)
{
        int64_t sum = 0;

        *ret = (struct runtime_task_limits){0};
        if (task->payload->cpu > 0)
                ret->cpu_millis = MAX((int64_t)(task->payload->cpu * 1000 + 0.5), 1);
        for (uint32_t i = 0; i < task->n_containers; i++)
                sum += MAX(task->containers[i].definition->cpu, 0);
        if (ret->cpu_millis == 0)
                ret->cpu_shares = shares(sum);
        if (task->payload->memory > 0)
                ret->memory_bytes = task->payload->memory * MIB;
        if (engine_task_is_fargate(task)) {
                ret->pids = FARGATE_PIDS;
                ret->disk_bytes = task->payload->ephemeral_storage_gib * GIB;
        }
        return true;
}

static void put_process(const struct engine_container *c, struct runtime_container_spec *spec)
{
        const struct acs_container *def = c->definition;

        spec->entry_point = def->entry_point.items != NULL && def->entry_point.n > 0 ? &def->entry_point : NULL;
        spec->command = def->command.items != NULL && def->command.n > 0 ? &def->command : NULL;
        spec->user = str_empty(c->config->user) ? NULL : c->config->user;
        spec->working_dir = str_empty(c->config->working_dir) ? NULL : c->config->working_dir;
        spec->stop_signal = str_empty(c->config->stop_signal) ? NULL : c->config->stop_signal;
        spec->tty = c->config->tty;
        spec->stdin_open = c->config->open_stdin;
        spec->init = c->host->init;
}

/* Docker's --link: the other container's address under its alias and its name. */
static void put_links(const struct engine_container *c, struct arena *arena, struct runtime_container_spec *spec)
{
        for (uint32_t i = 0; i < c->definition->links.n; i++) {
                const char *alias = NULL;
                const struct engine_container *other = depend_link(c->task, c->definition->links.items[i], &alias);

                if (other == NULL || other->address == NULL)
                        continue;
                string_list_push(arena, &spec->extra_hosts, arena_printf(arena, "%s:%s", alias, other->address));
                if (!str_eq(alias, other->definition->name))
                        string_list_push(arena, &spec->extra_hosts, arena_printf(arena, "%s:%s", other->definition->name, other->address));
        }
}

static const struct acs_elastic_network_interface *interface_of(const struct engine_container *c)
{
        const struct acs_elastic_network_interface_list *list = &c->task->payload->elastic_network_interfaces;

        return engine_task_is_awsvpc(c->task) && list->n > 0 ? &list->items[0] : NULL;
}

/* An awsvpc task is called as its interface: "ip-10-0-0-5.ec2.internal". */
static void put_interface_names(const struct engine_container *c, struct runtime_container_spec *spec)
{
        const struct acs_elastic_network_interface *eni = interface_of(c);

        if (eni != NULL && spec->hostname == NULL && !str_empty(eni->private_dns_name))
                spec->hostname = eni->private_dns_name;
}

static void put_interface_servers(const struct engine_container *c, struct runtime_container_spec *spec)
{
        const struct acs_elastic_network_interface *eni = interface_of(c);

        if (eni == NULL || spec->dns.n > 0 || spec->dns_search.n > 0)
                return;
        spec->dns = eni->domain_name_servers;
        spec->dns_search = eni->domain_name;
}

static void put_names(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                      struct runtime_container_spec *spec)
{
        spec->hostname = str_empty(c->config->hostname) ? NULL : c->config->hostname;
        spec->domain_name = str_empty(c->config->domainname) ? NULL : c->config->domainname;
        for (uint32_t i = 0; i < c->host->extra_hosts.n; i++)
                string_list_push(arena, &spec->extra_hosts, c->host->extra_hosts.items[i]);
        put_links(c, arena, spec);
        put_interface_names(c, spec);
        spec->dns = c->host->dns;
        spec->dns_search = c->host->dns_search;
        spec->hosts_address = context->address;
        put_interface_servers(c, spec);
        if (spec->dns.n == 0 && spec->dns_search.n == 0)
                spec->resolv_path = context->resolv_conf;
}

static void put_namespaces(const struct engine_container *c, const struct spec_context *context, struct runtime_container_spec *spec)
{
        const struct acs_task *p = c->task->payload;

        spec->network.mode = context->sandbox_path != NULL ? RUNTIME_NS_PATH : RUNTIME_NS_HOST;
        spec->network.path = context->sandbox_path;
        if (str_eq(p->pid_mode, "host") || str_eq(c->host->pid_mode, "host"))
                spec->pid.mode = RUNTIME_NS_HOST;
        else if (context->pause_pid_path != NULL)
                spec->pid = (struct runtime_namespace){.mode = RUNTIME_NS_PATH, .path = context->pause_pid_path};
        if (str_eq(p->ipc_mode, "host") || str_eq(c->host->ipc_mode, "host"))
                spec->ipc.mode = RUNTIME_NS_HOST;
        else if (context->pause_ipc_path != NULL)
                spec->ipc = (struct runtime_namespace){.mode = RUNTIME_NS_PATH, .path = context->pause_ipc_path};
        spec->ipc_none = str_eq(p->ipc_mode, "none") || str_eq(c->host->ipc_mode, "none");
}

/* Docker's --security-opt: "key=value", or "key:value" as people wrote it earlier. */
static void put_security_option(const char *option, struct runtime_container_spec *spec)
{
        size_t key = strcspn(option, "=:");
        const char *value = option[key] != '\0' ? option + key + 1 : "";

        if (str_starts_with(option, "no-new-privileges"))
                spec->no_new_privileges = !str_eq(value, "false");
        else if (str_starts_with(option, "apparmor"))
                spec->apparmor_profile = value;
        else if (str_starts_with(option, "seccomp"))
                spec->seccomp = value;
        else if (str_starts_with(option, "label") && !str_eq(value, "disable"))
                spec->selinux_label = value;
}

static void put_devices(const struct engine_container *c, struct arena *arena, struct runtime_container_spec *spec)
{
        struct runtime_device *devices = arena_calloc(arena, c->host->devices.n + 1, sizeof(*devices));

        for (uint32_t i = 0; i < c->host->devices.n; i++) {
                const struct docker_device *from = &c->host->devices.items[i];
                const char *rights = str_empty(from->cgroup_permissions) ? "rwm" : from->cgroup_permissions;

                devices[i] = (struct runtime_device){.host_path = from->path_on_host,
                                                     .container_path = str_empty(from->path_in_container) ? NULL : from->path_in_container,
                                                     .read = strchr(rights, 'r') != NULL,
                                                     .write = strchr(rights, 'w') != NULL,
                                                     .mknod = strchr(rights, 'm') != NULL};
        }
        spec->devices = devices;
        spec->n_devices = c->host->devices.n;
}

static void put_isolation(const struct engine_container *c, struct arena *arena, struct runtime_container_spec *spec)
{
        spec->privileged = c->host->privileged;
        spec->read_only_root = c->host->readonly_rootfs;
        spec->cap_add = c->host->cap_add;
        spec->cap_drop = c->host->cap_drop;
        spec->sysctls = c->host->sysctls;
        for (uint32_t i = 0; i < c->host->security_opt.n; i++)
                put_security_option(c->host->security_opt.items[i], spec);
        put_devices(c, arena, spec);
}

static void put_limits(const struct engine_container *c, struct arena *arena, struct runtime_container_spec *spec)
{
        const struct docker_host_config *host = c->host;
        struct runtime_ulimit *ulimits = arena_calloc(arena, host->ulimits.n + 1, sizeof(*ulimits));

        spec->cpu_shares = shares(c->definition->cpu);
        if (c->definition->memory > 0)
                spec->memory_bytes = MAX(c->definition->memory * MIB, MEMORY_MIN);
        spec->memory_reservation_bytes = MAX(host->memory_reservation, 0);
        spec->has_memory_swap = SHAPE_HAS(host, docker_host_config, memory_swap);
        spec->memory_swap_bytes = host->memory_swap;
        spec->has_swappiness = SHAPE_HAS(host, docker_host_config, memory_swappiness) && host->memory_swappiness >= 0;
        spec->swappiness = host->memory_swappiness;
        spec->shm_bytes = MAX(host->shm_size, 0);
        for (uint32_t i = 0; i < host->ulimits.n; i++)
                ulimits[i] = (struct runtime_ulimit){
                        .name = host->ulimits.items[i].name, .soft = host->ulimits.items[i].soft, .hard = host->ulimits.items[i].hard};
        spec->ulimits = ulimits;
        spec->n_ulimits = host->ulimits.n;
}

static void put_log(const struct engine_container *c, struct runtime_container_spec *spec)
{
        const struct docker_log_config *log = c->host->log_config;

        if (log == NULL)
                return;
        spec->log_none = str_eq(log->type, "none");
        if (str_eq(log->type, "json-file"))
                spec->log_max_bytes = spec_parse_size(string_map_get(&log->config, "max-size"));
}

static void put_labels(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                       struct runtime_container_spec *spec)
{
        const struct acs_task *p = c->task->payload;
        const struct string_pair own[] = {
                {"com.amazonaws.ecs.cluster", context->cluster},
                {"com.amazonaws.ecs.container-name", c->definition->name},
                {"com.amazonaws.ecs.task-arn", c->task->arn},
                {"com.amazonaws.ecs.task-definition-family", p->family},
                {"com.amazonaws.ecs.task-definition-version", p->version},
        };

        for (uint32_t i = 0; i < c->config->labels.n; i++)
                string_map_set(arena, &spec->annotations, c->config->labels.items[i].key, c->config->labels.items[i].value);
        for (size_t i = 0; i < ARRAY_SIZE(own); i++)
                string_map_set(arena, &spec->annotations, own[i].key, own[i].value != NULL ? own[i].value : "");
}

/* A Fargate task trusts nobody on its host, and nobody trusts it. */
static void put_sandbox(const struct engine_container *c, const struct spec_context *context, struct runtime_container_spec *spec)
{
        if (!engine_task_is_fargate(c->task))
                return;
        spec->own_users = true;
        spec->no_new_privileges = true;
        /* The task's group holds it to that; the container's says so to whoever counts processors. */
        spec->cpu_millis = spec->task_limits != NULL ? spec->task_limits->cpu_millis : 0;
        if (context->pause_user_path != NULL)
                spec->user_ns = (struct runtime_namespace){.mode = RUNTIME_NS_PATH, .path = context->pause_user_path};
}

void spec_make(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
               struct runtime_container_spec *ret)
{
        struct runtime_task_limits *limits = ARENA_NEW(arena, struct runtime_task_limits);

        *ret = (struct runtime_container_spec){.id = c->runtime_id, .task_id = c->task->id, .image = context->image};
        if (spec_task_limits(c->task, limits))
                ret->task_limits = limits;
        put_process(c, ret);
        spec_put_env(c, context, arena, ret);
        spec_put_mounts(c, context, arena, ret);
        put_names(c, context, arena, ret);
        put_namespaces(c, context, ret);
        put_isolation(c, arena, ret);
        put_limits(c, arena, ret);
        put_sandbox(c, context, ret);
        put_log(c, ret);
        put_labels(c, context, arena, ret);
}
