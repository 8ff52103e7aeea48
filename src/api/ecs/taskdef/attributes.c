/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requiresAttributes: what a container instance must have announced for a task of this definition to be placed there. The names are
 * those that agents register (facts: amazon-ecs-agent, agent capabilities); a feature that every agent has had for years needs none.
 */
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

#define OLD "com.amazonaws.ecs.capability."
#define NEW "ecs.capability."

static void need(struct taskdef *t, const char *name)
{
        struct ecs_attribute_list *list = &t->def->requires_attributes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return;
        SHAPE_PUSH(t->arena, list)->name = name;
}

static bool is_ecr_image(const char *image)
{
        const char *host = strstr(image, ".dkr.ecr.");

        return host != NULL && strstr(host, ".amazonaws.com") != NULL;
}

static void need_registry(struct taskdef *t, const struct ecs_container_definition *c)
{
        if (c->repository_credentials != NULL)
                need(t, NEW "private-registry-authentication.secretsmanager");
        if (!is_ecr_image(c->image))
                return;
        need(t, OLD "ecr-auth");
        need(t, OLD "docker-remote-api.1.19");
        if (t->def->execution_role_arn != NULL)
                need(t, NEW "execution-role-ecr-pull");
}

static void need_secrets(struct taskdef *t, const struct ecs_secret_list *secrets, const char *ssm, const char *asm_)
{
        for (uint32_t i = 0; i < secrets->n; i++)
                need(t, strstr(secrets->items[i].value_from, ":secretsmanager:") != NULL ? asm_ : ssm);
}

/* The Docker API version that each log driver came with. */
static const struct {
        enum ecs_log_driver driver;
        const char *api;
} log_drivers[] = {
        {ECS_LOG_DRIVER_JSON_FILE, OLD "docker-remote-api.1.18"}, {ECS_LOG_DRIVER_SYSLOG, OLD "docker-remote-api.1.18"},
        {ECS_LOG_DRIVER_JOURNALD, OLD "docker-remote-api.1.19"},  {ECS_LOG_DRIVER_GELF, OLD "docker-remote-api.1.20"},
        {ECS_LOG_DRIVER_FLUENTD, OLD "docker-remote-api.1.20"},   {ECS_LOG_DRIVER_AWSLOGS, OLD "docker-remote-api.1.19"},
        {ECS_LOG_DRIVER_SPLUNK, OLD "docker-remote-api.1.22"},    {ECS_LOG_DRIVER_AWSFIRELENS, NULL},
        {ECS_LOG_DRIVER_NONE, OLD "docker-remote-api.1.19"},
};

static void need_logs(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_log_configuration *log = c->log_configuration;

        if (log == NULL)
                return;
        need(t, arena_printf(t->arena, OLD "logging-driver.%s", shape_enum_name(&ecs_log_driver_enum, (int)log->log_driver)));
        for (size_t i = 0; i < ARRAY_SIZE(log_drivers); i++)
                if (log_drivers[i].driver == log->log_driver && log_drivers[i].api != NULL)
                        need(t, log_drivers[i].api);
        if (log->log_driver == ECS_LOG_DRIVER_AWSLOGS && t->def->execution_role_arn != NULL)
                need(t, NEW "execution-role-awslogs");
        need_secrets(t, &log->secret_options, NEW "secrets.ssm.bootstrap.log-driver", NEW "secrets.asm.bootstrap.log-driver");
}

static void need_ranges(struct taskdef *t, const struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->port_mappings.n; i++)
                if (c->port_mappings.items[i].container_port_range != NULL)
                        need(t, NEW "network.container-port-range");
}

static void need_security(struct taskdef *t, const struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->docker_security_options.n; i++) {
                if (str_starts_with(c->docker_security_options.items[i], "apparmor:"))
                        need(t, OLD "apparmor");
                if (str_starts_with(c->docker_security_options.items[i], "label:"))
                        need(t, OLD "selinux");
        }
        if (c->credential_specs.n > 0)
                need(t, str_starts_with(c->credential_specs.items[0], "credentialspecdomainless:") ? NEW "gmsa-domainless" : NEW "gmsa");
}

static void need_features(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_linux_parameters *p = c->linux_parameters;
        const struct {
                bool used;
                const char *attribute;
        } rows[] = {
                {c->privileged, OLD "privileged-container"},
                {SHAPE_HAS(c, ecs_container_definition, memory_reservation), OLD "docker-remote-api.1.21"},
                {p != NULL && p->init_process_enabled, OLD "docker-remote-api.1.25"},
                {p != NULL && (SHAPE_HAS(p, ecs_linux_parameters, shared_memory_size) || p->tmpfs.n > 0), OLD "docker-remote-api.1.22"},
                {c->health_check != NULL, NEW "container-health-check"},
                {c->health_check != NULL, OLD "docker-remote-api.1.29"},
                {c->depends_on.n > 0, NEW "container-ordering"},
                {c->restart_policy != NULL && c->restart_policy->enabled, NEW "container-restart-policy"},
                {c->environment_files.n > 0, NEW "env-files.s3"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].used)
                        need(t, rows[i].attribute);
}

static const char *firelens_option(const struct ecs_firelens_configuration *f, const char *name)
{
        return string_map_get(&f->options, name);
}

static void need_firelens(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_firelens_configuration *f = c->firelens_configuration;
        const char *source = f != NULL ? firelens_option(f, "config-file-type") : NULL;

        if (f == NULL)
                return;
        need(t, f->type == ECS_FIRELENS_CONFIGURATION_TYPE_FLUENTBIT ? NEW "firelens.fluentbit" : NEW "firelens.fluentd");
        if (source != NULL)
                need(t, str_eq(source, "s3") ? NEW "firelens.options.config.s3" : NEW "firelens.options.config.file");
}

static void need_volumes(struct taskdef *t)
{
        for (uint32_t i = 0; i < t->def->volumes.n; i++) {
                const struct ecs_volume *v = &t->def->volumes.items[i];

                if (v->docker_volume_configuration != NULL)
                        need(t, arena_printf(t->arena, NEW "docker-plugin.%s",
                                             str_empty(v->docker_volume_configuration->driver) ? "local"
                                                                                               : v->docker_volume_configuration->driver));
                if (v->efs_volume_configuration != NULL) {
                        need(t, NEW "efs");
                        if (v->efs_volume_configuration->authorization_config != NULL ||
                            v->efs_volume_configuration->transit_encryption == ECS_EFS_TRANSIT_ENCRYPTION_ENABLED)
                                need(t, NEW "efsAuth");
                }
                if (v->s3files_volume_configuration != NULL)
                        need(t, NEW "storage.s3-files");
                if (v->fsx_windows_file_server_volume_configuration != NULL)
                        need(t, NEW "fsxWindowsFileServer");
                if (v->configured_at_launch)
                        need(t, NEW "storage.ebs-task-volume-attach");
        }
}

static void need_task(struct taskdef *t)
{
        const struct ecs_task_definition *def = t->def;

        if (def->task_role_arn != NULL)
                need(t, def->network_mode == ECS_NETWORK_MODE_HOST ? OLD "task-iam-role-network-host" : OLD "task-iam-role");
        if (def->network_mode == ECS_NETWORK_MODE_AWSVPC)
                need(t, NEW "task-eni");
        if (def->pid_mode != ECS_PID_MODE_UNSET || def->ipc_mode == ECS_IPC_MODE_TASK || def->ipc_mode == ECS_IPC_MODE_HOST)
                need(t, NEW "pid-ipc-namespace-sharing");
        if (def->proxy_configuration != NULL)
                need(t, NEW "aws-appmesh");
        if (def->inference_accelerators.n > 0)
                need(t, NEW "task-eia");
        if (def->enable_fault_injection)
                need(t, NEW "fault-injection");
}

void taskdef_set_attributes(struct taskdef *t)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                need_registry(t, c);
                need_secrets(t, &c->secrets, NEW "secrets.ssm.environment-variables", NEW "secrets.asm.environment-variables");
                need_logs(t, c);
                need_ranges(t, c);
                need_security(t, c);
                need_features(t, c);
                need_firelens(t, c);
        }
        need_volumes(t);
        need_task(t);
        need(t, OLD "docker-remote-api.1.18"); /* AWS lists it for every definition */
}
