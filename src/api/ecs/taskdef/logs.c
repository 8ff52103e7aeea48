/* SPDX-License-Identifier: Apache-2.0 */
/* Log drivers with their options, and FireLens. */
#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

/* What the awslogs driver takes; a misspelt option would only show when the container fails to start. */
static const char *const awslogs_options[] = {
        "awslogs-create-group",
        "awslogs-create-stream",
        "awslogs-credentials-endpoint",
        "awslogs-datetime-format",
        "awslogs-endpoint",
        "awslogs-force-flush-interval-seconds",
        "awslogs-format",
        "awslogs-group",
        "awslogs-max-buffered-events",
        "awslogs-multiline-pattern",
        "awslogs-region",
        "awslogs-stream",
        "awslogs-stream-prefix",
        "max-buffer-size",
        "mode",
        "tag",
};

static const char *option(const struct ecs_log_configuration *log, const char *name)
{
        return string_map_get(&log->options, name);
}

static int check_awslogs(struct taskdef *t, const struct ecs_container_definition *c, const struct ecs_log_configuration *log)
{
        for (uint32_t i = 0; i < log->options.n; i++) {
                bool known = false;

                for (size_t k = 0; k < ARRAY_SIZE(awslogs_options); k++)
                        known |= str_eq(awslogs_options[k], log->options.items[i].key);
                if (!known)
                        return taskdef_refuse(t, "Log driver awslogs disallows options: %.100s (container '%s')", log->options.items[i].key,
                                              c->name);
        }
        if (str_empty(option(log, "awslogs-group")) || str_empty(option(log, "awslogs-region")))
                return taskdef_refuse(t, "Log driver awslogs requires options: awslogs-region, awslogs-group (container '%s')", c->name);
        if (option(log, "awslogs-datetime-format") != NULL && option(log, "awslogs-multiline-pattern") != NULL)
                return taskdef_refuse(t,
                                      "Invalid setting for container '%s'. logConfiguration.options: awslogs-datetime-format and "
                                      "awslogs-multiline-pattern "
                                      "exclude each other.",
                                      c->name);
        if (taskdef_requires(t, ECS_COMPATIBILITY_FARGATE) && str_empty(option(log, "awslogs-stream-prefix")))
                return taskdef_refuse(t, "Log driver awslogs requires the option awslogs-stream-prefix on Fargate (container '%s')",
                                      c->name);
        return 0;
}

static int check_log(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_log_configuration *log = c->log_configuration;
        const char *mode;

        if (log == NULL)
                return 0;
        mode = option(log, "mode");
        if (mode != NULL && !str_eq(mode, "blocking") && !str_eq(mode, "non-blocking"))
                return taskdef_refuse(t,
                                      "Invalid setting for container '%s'. logConfiguration.options.mode: must be blocking or "
                                      "non-blocking, not \"%.60s\".",
                                      c->name, mode);
        if (log->secret_options.n > 0 && t->def->execution_role_arn == NULL)
                return taskdef_refuse(
                        t,
                        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'. (container '%s', "
                        "logConfiguration.secretOptions)",
                        c->name);
        return log->log_driver == ECS_LOG_DRIVER_AWSLOGS ? check_awslogs(t, c, log) : 0;
}

static bool logs_to_firelens(const struct ecs_container_definition *c)
{
        return c->log_configuration != NULL && c->log_configuration->log_driver == ECS_LOG_DRIVER_AWSFIRELENS;
}

int taskdef_check_logs(struct taskdef *t)
{
        uint32_t routers = 0, senders = 0;

        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_log(t, c);

                if (r < 0)
                        return r;
                routers += c->firelens_configuration != NULL;
                senders += logs_to_firelens(c);
        }
        if (routers > 1)
                return taskdef_refuse(t, "firelensConfiguration: only one container of a task definition can be the log router, not %u.",
                                      routers);
        if (routers == 1 && senders == 0)
                return taskdef_refuse(t, "When a firelensConfiguration object is specified, at least one container has to be configured "
                                         "with the awsfirelens "
                                         "log driver.");
        if (senders > 0 && routers == 0)
                return taskdef_refuse(
                        t, "When a container uses the awsfirelens log driver, another container has to have a firelensConfiguration.");
        return 0;
}
