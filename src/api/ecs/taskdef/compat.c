/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which launch types a definition fits. The same rules serve twice: for those in requiresCompatibilities a broken rule refuses the
 * registration; for the others it only keeps them out of `compatibilities`.
 */
#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

/* ---- Fargate ---- */

static int fargate_task(struct taskdef *t)
{
        const struct ecs_task_definition *def = t->def;

        if (def->network_mode != ECS_NETWORK_MODE_AWSVPC)
                return taskdef_refuse(t, "Fargate only supports network mode ‘awsvpc’.");
        if (def->cpu == NULL)
                return taskdef_refuse(t, "Fargate requires that 'cpu' be defined at the task level.");
        if (def->memory == NULL)
                return taskdef_refuse(t, "Fargate requires that 'memory' be defined at the task level.");
        if (taskdef_check_fargate_size(t->cpu, t->memory, t->error) < 0)
                return -t->error->number;
        if (taskdef_is_windows(t) && (t->cpu < 1024 || t->cpu > 4096))
                return taskdef_refuse(t,
                                      "Invalid 'cpu' setting for task. Windows containers on Fargate have 1024, 2048 or 4096 CPU units.");
        if (def->placement_constraints.n > 0)
                return taskdef_refuse(t, "Fargate does not support placementConstraints.");
        if (def->pid_mode == ECS_PID_MODE_HOST)
                return taskdef_refuse(t, "Fargate does not support pidMode=host.");
        if (def->ipc_mode != ECS_IPC_MODE_UNSET)
                return taskdef_refuse(t, "Fargate does not support ipcMode.");
        if (def->inference_accelerators.n > 0)
                return taskdef_refuse(t, "Fargate does not support inferenceAccelerators.");
        return 0;
}

/* Members of a container that only make sense on a host of one's own. */
static int fargate_members(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_linux_parameters *p = c->linux_parameters;
        const struct {
                const char *member;
                bool given;
        } rows[] = {
                {"privileged", c->privileged},
                {"disableNetworking", c->disable_networking},
                {"dockerSecurityOptions", c->docker_security_options.n > 0},
                {"resourceRequirements", c->resource_requirements.n > 0},
                {"linuxParameters.devices", p != NULL && p->devices.n > 0},
                {"linuxParameters.sharedMemorySize", p != NULL && SHAPE_HAS(p, ecs_linux_parameters, shared_memory_size)},
                {"linuxParameters.maxSwap", p != NULL && SHAPE_HAS(p, ecs_linux_parameters, max_swap)},
                {"linuxParameters.swappiness", p != NULL && SHAPE_HAS(p, ecs_linux_parameters, swappiness)},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].given)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. Fargate does not support %s.", c->name,
                                              rows[i].member);
        return 0;
}

static int fargate_container(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_linux_parameters *p = c->linux_parameters;
        const struct ecs_log_configuration *log = c->log_configuration;

        for (uint32_t i = 0; p != NULL && p->capabilities != NULL && i < p->capabilities->add.n; i++)
                if (!str_eq(p->capabilities->add.items[i], "SYS_PTRACE"))
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. Fargate only supports adding the SYS_PTRACE kernel capability.",
                                c->name);
        if (c->stop_timeout > 120)
                return taskdef_refuse(t, "Invalid setting for container '%s'. stopTimeout: Fargate allows at most 120 seconds, not %d.",
                                      c->name, c->stop_timeout);
        if (c->start_timeout > 120)
                return taskdef_refuse(t, "Invalid setting for container '%s'. startTimeout: Fargate allows at most 120 seconds, not %d.",
                                      c->name, c->start_timeout);
        for (uint32_t i = 0; i < c->ulimits.n; i++)
                if (c->ulimits.items[i].name != ECS_ULIMIT_NAME_NOFILE)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. ulimits[%u]: Fargate only supports nofile.", c->name,
                                              i);
        if (log == NULL)
                return 0;
        if (log->log_driver != ECS_LOG_DRIVER_AWSLOGS && log->log_driver != ECS_LOG_DRIVER_SPLUNK &&
            log->log_driver != ECS_LOG_DRIVER_AWSFIRELENS)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. Fargate supports the log drivers awslogs, splunk and awsfirelens, not %s.",
                        c->name, shape_enum_name(&ecs_log_driver_enum, (int)log->log_driver));
        if (log->log_driver == ECS_LOG_DRIVER_AWSLOGS && t->def->execution_role_arn == NULL)
                return taskdef_refuse(t, "Fargate requires task definition to have execution role ARN to support log driver awslogs.");
        return 0;
}

static int fargate_volumes(struct taskdef *t)
{
        for (uint32_t i = 0; i < t->def->volumes.n; i++) {
                const struct ecs_volume *v = &t->def->volumes.items[i];

                if (v->docker_volume_configuration != NULL)
                        return taskdef_refuse(t, "Invalid setting for volume '%s'. Fargate does not support dockerVolumeConfiguration.",
                                              v->name);
                if (v->fsx_windows_file_server_volume_configuration != NULL)
                        return taskdef_refuse(
                                t, "Invalid setting for volume '%s'. Fargate does not support fsxWindowsFileServerVolumeConfiguration.",
                                v->name);
                if (v->host != NULL && !str_empty(v->host->source_path))
                        return taskdef_refuse(
                                t, "Invalid setting for volume '%s'. host.sourcePath can not be set: a Fargate task has no host of yours.",
                                v->name);
        }
        return 0;
}

static int check_fargate(struct taskdef *t)
{
        int r = fargate_task(t);

        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                if (r == 0)
                        r = fargate_members(t, c);
                if (r == 0)
                        r = fargate_container(t, c);
        }
        return r < 0 ? r : fargate_volumes(t);
}

/* ---- The others ---- */

static int check_ec2(struct taskdef *t)
{
        if (t->def->ephemeral_storage != NULL && taskdef_requires(t, ECS_COMPATIBILITY_EC2) &&
            !taskdef_requires(t, ECS_COMPATIBILITY_FARGATE))
                return taskdef_refuse(t, "ephemeralStorage: only supported on Fargate.");
        return 0;
}

/* Machines outside of the cloud: no network interface of their own, no cloud file systems. */
static int check_external(struct taskdef *t)
{
        if (t->def->network_mode == ECS_NETWORK_MODE_AWSVPC)
                return taskdef_refuse(t, "EXTERNAL only supports network modes bridge, host and none.");
        if (t->def->proxy_configuration != NULL)
                return taskdef_refuse(t, "EXTERNAL does not support proxyConfiguration.");
        if (t->def->inference_accelerators.n > 0)
                return taskdef_refuse(t, "EXTERNAL does not support inferenceAccelerators.");
        if (t->def->ephemeral_storage != NULL)
                return taskdef_refuse(t, "EXTERNAL does not support ephemeralStorage.");
        for (uint32_t i = 0; i < t->def->volumes.n; i++) {
                const struct ecs_volume *v = &t->def->volumes.items[i];

                if (v->efs_volume_configuration != NULL || v->fsx_windows_file_server_volume_configuration != NULL ||
                    v->s3files_volume_configuration != NULL || v->configured_at_launch)
                        return taskdef_refuse(t, "Invalid setting for volume '%s'. EXTERNAL only supports host and docker volumes.",
                                              v->name);
        }
        return 0;
}

static int check_managed_instances(struct taskdef *t)
{
        if (!taskdef_shares_network(t))
                return taskdef_refuse(t, "MANAGED_INSTANCES only supports network modes awsvpc and host.");
        if (t->def->cpu == NULL || t->def->memory == NULL)
                return taskdef_refuse(t, "MANAGED_INSTANCES requires that 'cpu' and 'memory' be defined at the task level.");
        if (taskdef_is_windows(t))
                return taskdef_refuse(t, "MANAGED_INSTANCES does not support Windows containers.");
        if (t->def->inference_accelerators.n > 0)
                return taskdef_refuse(t, "MANAGED_INSTANCES does not support inferenceAccelerators.");
        for (uint32_t i = 0; i < t->def->volumes.n; i++)
                if (t->def->volumes.items[i].docker_volume_configuration != NULL ||
                    t->def->volumes.items[i].fsx_windows_file_server_volume_configuration != NULL)
                        return taskdef_refuse(t,
                                              "Invalid setting for volume '%s'. MANAGED_INSTANCES supports host, EFS, S3 and EBS volumes.",
                                              t->def->volumes.items[i].name);
        return 0;
}

/* In the order in which AWS lists them. */
static const struct {
        enum ecs_compatibility compatibility;
        int (*check)(struct taskdef *t);
} rows[] = {
        {ECS_COMPATIBILITY_EXTERNAL, check_external},
        {ECS_COMPATIBILITY_EC2, check_ec2},
        {ECS_COMPATIBILITY_FARGATE, check_fargate},
        {ECS_COMPATIBILITY_MANAGED_INSTANCES, check_managed_instances},
};

int taskdef_check_compatibility(struct taskdef *t, enum ecs_compatibility compatibility)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].compatibility == compatibility)
                        return rows[i].check(t);
        return 0;
}

static void add(struct taskdef *t, int64_t compatibility)
{
        struct int_list *list = &t->def->compatibilities;

        if (list->items == NULL)
                list->items = arena_calloc(t->arena, ARRAY_SIZE(rows), sizeof(*list->items));
        list->items[list->n++] = compatibility;
}

int taskdef_set_compatibilities(struct taskdef *t)
{
        struct error *error = t->error;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error reason = {0};

                t->error = taskdef_requires(t, rows[i].compatibility) ? error : &reason;
                if (rows[i].check(t) == 0)
                        add(t, (int64_t)rows[i].compatibility);
                t->error = error;
                if (error_is_set(error))
                        return -error->number;
        }
        return 0;
}
