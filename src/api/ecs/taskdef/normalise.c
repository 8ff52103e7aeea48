/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the request to what is stored and answered. Clients such as Terraform compare what they asked for with what they get back,
 * so the defaults that AWS fills in are filled in here, and nothing else is. (Empty lists that AWS always shows are `always` in
 * the IDL.)
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

int taskdef_refuse(struct taskdef *t, const char *fmt, ...)
{
        char message[sizeof(t->error->message)];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(message, sizeof(message), fmt, args);
        va_end(args);
        return error_api(t->error, "ClientException", "%s", message);
}

int taskdef_refuse_value(struct taskdef *t, const char *fmt, ...)
{
        char message[sizeof(t->error->message)];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(message, sizeof(message), fmt, args);
        va_end(args);
        return error_api(t->error, "InvalidParameterException", "%s", message);
}

struct ecs_container_definition *taskdef_container(const struct taskdef *t, const char *name)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i)
                if (name != NULL && str_eq(c->name, name))
                        return c;
        return NULL;
}

struct ecs_volume *taskdef_volume(const struct taskdef *t, const char *name)
{
        for (uint32_t i = 0; i < t->def->volumes.n; i++)
                if (name != NULL && str_eq(t->def->volumes.items[i].name, name))
                        return &t->def->volumes.items[i];
        return NULL;
}

bool taskdef_requires(const struct taskdef *t, enum ecs_compatibility compatibility)
{
        for (uint32_t i = 0; i < t->def->requires_compatibilities.n; i++)
                if (t->def->requires_compatibilities.items[i] == (int64_t)compatibility)
                        return true;
        return false;
}

bool taskdef_is_windows(const struct taskdef *t)
{
        const struct ecs_runtime_platform *platform = t->def->runtime_platform;

        return platform != NULL && platform->operating_system_family != ECS_OS_FAMILY_UNSET &&
               platform->operating_system_family != ECS_OS_FAMILY_LINUX;
}

bool taskdef_shares_network(const struct taskdef *t)
{
        return t->def->network_mode == ECS_NETWORK_MODE_HOST || t->def->network_mode == ECS_NETWORK_MODE_AWSVPC;
}

bool container_is_essential(const struct ecs_container_definition *c)
{
        return !SHAPE_HAS(c, ecs_container_definition, essential) || c->essential;
}

/* ---- Filling in ---- */

static void normalise_ports(struct taskdef *t, struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->port_mappings.n; i++) {
                struct ecs_port_mapping *mapping = &c->port_mappings.items[i];

                if (mapping->protocol == ECS_TRANSPORT_PROTOCOL_UNSET)
                        mapping->protocol = ECS_TRANSPORT_PROTOCOL_TCP;
                if (mapping->container_port_range != NULL || SHAPE_HAS(mapping, ecs_port_mapping, host_port))
                        continue;
                /* In bridge mode 0 stands for a port that is chosen when the task starts. */
                SHAPE_SET(mapping, ecs_port_mapping, host_port, taskdef_shares_network(t) ? mapping->container_port : 0);
        }
}

static void normalise_health_check(struct ecs_container_definition *c)
{
        struct ecs_health_check *check = c->health_check;

        if (check == NULL)
                return;
        if (!SHAPE_HAS(check, ecs_health_check, interval))
                SHAPE_SET(check, ecs_health_check, interval, 30);
        if (!SHAPE_HAS(check, ecs_health_check, timeout))
                SHAPE_SET(check, ecs_health_check, timeout, 5);
        if (!SHAPE_HAS(check, ecs_health_check, retries))
                SHAPE_SET(check, ecs_health_check, retries, 3);
}

static void normalise_container(struct taskdef *t, struct ecs_container_definition *c)
{
        if (!SHAPE_HAS(c, ecs_container_definition, cpu))
                SHAPE_SET(c, ecs_container_definition, cpu, 0);
        if (!SHAPE_HAS(c, ecs_container_definition, essential))
                SHAPE_SET(c, ecs_container_definition, essential, true);
        normalise_ports(t, c);
        normalise_health_check(c);
}

static void normalise_volume(struct taskdef *t, struct ecs_volume *v)
{
        bool launch = SHAPE_HAS(v, ecs_volume, configured_at_launch) && v->configured_at_launch;

        if (v->docker_volume_configuration != NULL && v->docker_volume_configuration->scope == ECS_SCOPE_UNSET)
                v->docker_volume_configuration->scope = ECS_SCOPE_TASK;
        if (v->efs_volume_configuration != NULL && str_empty(v->efs_volume_configuration->root_directory))
                v->efs_volume_configuration->root_directory = "/";
        if (v->host == NULL && v->docker_volume_configuration == NULL && v->efs_volume_configuration == NULL &&
            v->s3files_volume_configuration == NULL && v->fsx_windows_file_server_volume_configuration == NULL && !launch)
                v->host = ARENA_NEW(t->arena, struct ecs_host_volume_properties); /* a scratch volume shows as {"host": {}} */
}

/* AWS takes a role's bare name and answers its ARN. */
static const char *role_arn(struct taskdef *t, const char *role)
{
        if (str_empty(role))
                return NULL;
        return str_starts_with(role, "arn:") ? role : arena_printf(t->arena, "arn:aws:iam::%s:role/%s", t->account, role);
}

static int normalise_sizes(struct taskdef *t)
{
        struct ecs_task_definition *def = t->def;

        if (!str_empty(def->cpu)) {
                if (taskdef_parse_cpu(def->cpu, &t->cpu) < 0)
                        return taskdef_refuse(
                                t, "Invalid 'cpu' setting for task. \"%.60s\" is neither CPU units (\"1024\") nor vCPUs (\"1 vCPU\").",
                                def->cpu);
                def->cpu = arena_printf(t->arena, "%lld", (long long)t->cpu);
        } else {
                def->cpu = NULL;
        }
        if (!str_empty(def->memory)) {
                if (taskdef_parse_memory(def->memory, &t->memory) < 0)
                        return taskdef_refuse(t, "Invalid 'memory' setting for task. \"%.60s\" is neither MiB (\"512\") nor GB (\"1 GB\").",
                                              def->memory);
                def->memory = arena_printf(t->arena, "%lld", (long long)t->memory);
        } else {
                def->memory = NULL;
        }
        return 0;
}

int taskdef_normalise(struct taskdef *t, const struct ecs_register_task_definition_request *in)
{
        const struct ecs_register_task_definition_request *copy = SHAPE_COPY(ecs_register_task_definition_request, in, t->arena);
        struct ecs_task_definition *def = ARENA_NEW(t->arena, struct ecs_task_definition);

        t->def = def;
        def->family = copy->family;
        def->task_role_arn = role_arn(t, copy->task_role_arn);
        def->execution_role_arn = role_arn(t, copy->execution_role_arn);
        def->network_mode = copy->network_mode;
        def->container_definitions = copy->container_definitions;
        def->volumes = copy->volumes;
        def->placement_constraints = copy->placement_constraints;
        def->requires_compatibilities = copy->requires_compatibilities;
        def->cpu = copy->cpu;
        def->memory = copy->memory;
        def->pid_mode = copy->pid_mode;
        def->ipc_mode = copy->ipc_mode;
        def->proxy_configuration = copy->proxy_configuration;
        def->inference_accelerators = copy->inference_accelerators;
        def->ephemeral_storage = copy->ephemeral_storage;
        def->runtime_platform = copy->runtime_platform;
        if (SHAPE_HAS(copy, ecs_register_task_definition_request, enable_fault_injection))
                SHAPE_SET(def, ecs_task_definition, enable_fault_injection, copy->enable_fault_injection);
        /* Linux containers get a bridge when nobody says otherwise; Windows ones a NAT network that has no name in the API. */
        if (def->network_mode == ECS_NETWORK_MODE_UNSET && !taskdef_is_windows(t) && !taskdef_requires(t, ECS_COMPATIBILITY_FARGATE))
                def->network_mode = ECS_NETWORK_MODE_BRIDGE;
        TASKDEF_FOR_EACH_CONTAINER (t, c, i)
                normalise_container(t, c);
        for (uint32_t i = 0; i < def->volumes.n; i++)
                normalise_volume(t, &def->volumes.items[i]);
        return normalise_sizes(t);
}

int taskdef_make(struct taskdef *t, const struct ecs_register_task_definition_request *in)
{
        static int (*const checks[])(struct taskdef * t) = {
                taskdef_check_task,  taskdef_check_containers, taskdef_check_sizes, taskdef_check_environment, taskdef_check_linux,
                taskdef_check_ports, taskdef_check_volumes,    taskdef_check_graph, taskdef_check_logs,        taskdef_set_compatibilities,
        };
        int r = taskdef_normalise(t, in);

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
                r = checks[i](t);
        if (r < 0)
                return r;
        taskdef_set_attributes(t);
        return 0;
}
