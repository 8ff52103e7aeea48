/* SPDX-License-Identifier: Apache-2.0 */
/* Environment, secrets, environment files, and the login for private registries. */
#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

#define MAX_ENVIRONMENT_FILES 10

static bool in_environment(const struct ecs_container_definition *c, const char *name)
{
        for (uint32_t i = 0; i < c->environment.n; i++)
                if (str_eq(c->environment.items[i].name, name))
                        return true;
        return false;
}

static int check_secret(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const struct ecs_secret *secret = &c->secrets.items[i];
        bool taken = in_environment(c, secret->name);

        if (str_empty(secret->name) || str_empty(secret->value_from))
                return taskdef_refuse(t, "Invalid setting for container '%s'. secrets[%u]: name and valueFrom must not be empty.", c->name,
                                      i);
        for (uint32_t j = 0; j < i; j++)
                taken |= str_eq(c->secrets.items[j].name, secret->name);
        if (taken)
                return taskdef_refuse(t,
                                      "The secret name must be unique and not shared with any new or existing environment variables set on "
                                      "the container, "
                                      "such as '%s'. (container '%s')",
                                      secret->name, c->name);
        return 0;
}

static int check_file(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const struct ecs_environment_file *file = &c->environment_files.items[i];

        if (!str_starts_with(file->value, "arn:") || !str_ends_with(file->value, ".env"))
                return taskdef_refuse(
                        t,
                        "Invalid setting for container '%s'. environmentFiles[%u].value: must be the ARN of an S3 object that ends in "
                        ".env, not \"%.200s\".",
                        c->name, i, file->value);
        return 0;
}

static int check_one(struct taskdef *t, const struct ecs_container_definition *c)
{
        bool role = t->def->execution_role_arn != NULL;

        for (uint32_t i = 0; i < c->environment.n; i++)
                if (str_empty(c->environment.items[i].name))
                        return taskdef_refuse(t, "Invalid setting for container '%s'. environment[%u].name: must not be empty.", c->name,
                                              i);
        for (uint32_t i = 0; i < c->secrets.n; i++)
                if (check_secret(t, c, i) < 0)
                        return -t->error->number;
        if (c->environment_files.n > MAX_ENVIRONMENT_FILES)
                return taskdef_refuse(t, "Invalid setting for container '%s'. environmentFiles: at most %d files.", c->name,
                                      MAX_ENVIRONMENT_FILES);
        for (uint32_t i = 0; i < c->environment_files.n; i++)
                if (check_file(t, c, i) < 0)
                        return -t->error->number;
        if (c->secrets.n > 0 && !role)
                return taskdef_refuse(t,
                                      "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.");
        if (c->environment_files.n > 0 && !role)
                return taskdef_refuse(
                        t, "When you are specifying container environmentFiles, you must also specify a value for 'executionRoleArn'.");
        if (c->repository_credentials == NULL)
                return 0;
        if (str_empty(c->repository_credentials->credentials_parameter))
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. repositoryCredentials.credentialsParameter: must not be empty.", c->name);
        if (!role)
                return taskdef_refuse(
                        t,
                        "When you are specifying container repositoryCredentials, you must also specify a value for 'executionRoleArn'.");
        return 0;
}

int taskdef_check_environment(struct taskdef *t)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_one(t, c);

                if (r < 0)
                        return r;
        }
        return 0;
}
