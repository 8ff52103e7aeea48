/* SPDX-License-Identifier: Apache-2.0 */
/* What a task definition says outside of its containers and volumes. */
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"
#include "model/names.h"
#include "sched/query.h"

#define MAX_CONSTRAINTS 10
#define MAX_CONTAINERS 10

static int check_family(struct taskdef *t)
{
        if (str_empty(t->def->family))
                return taskdef_refuse(t, "Family should not be null or empty.");
        if (!str_is_name(t->def->family, "-_", 255))
                return taskdef_refuse(t, "family: a family name has 1 to 255 letters, digits, hyphens and underscores, not \"%.260s\".",
                                      t->def->family);
        return 0;
}

static int check_role(struct taskdef *t, const char *member, const char *role)
{
        struct arn arn;

        if (role == NULL)
                return 0;
        if (arn_parse(role, &arn) < 0 || !str_eq(arn.service, "iam") || arn_resource(&arn, "role") == NULL)
                return taskdef_refuse(t, "Role is not valid. %s: \"%.200s\" is neither a role's name nor arn:aws:iam::ACCOUNT:role/NAME.",
                                      member, role);
        return 0;
}

static int check_expression(struct taskdef *t, const char *expression, uint32_t i)
{
        struct query *query;

        if (query_parse(expression, t->arena, &query, t->error) < 0)
                return error_wrap(t->error, "placementConstraints[%u].expression", i);
        query_done(query);
        return 0;
}

static int check_constraints(struct taskdef *t)
{
        const struct ecs_task_definition_placement_constraint_list *list = &t->def->placement_constraints;

        if (list->n > MAX_CONSTRAINTS)
                return taskdef_refuse(t, "placementConstraints: %u constraints; at most %d are allowed.", list->n, MAX_CONSTRAINTS);
        for (uint32_t i = 0; i < list->n; i++) {
                if (list->items[i].type == ECS_TASK_DEFINITION_PLACEMENT_CONSTRAINT_TYPE_UNSET)
                        return taskdef_refuse(t, "placementConstraints[%u].type: must be memberOf.", i);
                if (str_empty(list->items[i].expression))
                        return taskdef_refuse(t, "placementConstraints[%u].expression: memberOf needs an expression.", i);
                if (strlen(list->items[i].expression) > 2000)
                        return taskdef_refuse(t, "placementConstraints[%u].expression: longer than 2000 characters.", i);
                if (check_expression(t, list->items[i].expression, i) < 0)
                        return -t->error->number;
        }
        return 0;
}

static int check_proxy(struct taskdef *t)
{
        const struct ecs_proxy_configuration *proxy = t->def->proxy_configuration;

        if (proxy == NULL)
                return 0;
        if (t->def->network_mode != ECS_NETWORK_MODE_AWSVPC)
                return taskdef_refuse(t, "proxyConfiguration: only allowed when networkMode=awsvpc.");
        if (taskdef_container(t, proxy->container_name) == NULL)
                return taskdef_refuse(t, "proxyConfiguration.containerName: there is no container \"%.255s\" in this definition.",
                                      proxy->container_name != NULL ? proxy->container_name : "");
        return 0;
}

static int check_accelerators(struct taskdef *t)
{
        const struct ecs_inference_accelerator_list *list = &t->def->inference_accelerators;

        for (uint32_t i = 0; i < list->n; i++)
                for (uint32_t j = 0; j < i; j++)
                        if (str_eq(list->items[i].device_name, list->items[j].device_name))
                                return taskdef_refuse(t, "inferenceAccelerators[%u].deviceName: \"%s\" is given twice.", i,
                                                      list->items[i].device_name);
        return 0;
}

int taskdef_check_task(struct taskdef *t)
{
        const struct ecs_task_definition *def = t->def;
        int r = check_family(t);

        if (r == 0 && def->container_definitions.n == 0)
                r = taskdef_refuse(t, "Container list cannot be empty.");
        if (r == 0 && def->container_definitions.n > MAX_CONTAINERS)
                r = taskdef_refuse(t, "containerDefinitions: %u containers; a task definition can have at most %d.",
                                   def->container_definitions.n, MAX_CONTAINERS);
        if (r == 0)
                r = check_role(t, "taskRoleArn", def->task_role_arn);
        if (r == 0)
                r = check_role(t, "executionRoleArn", def->execution_role_arn);
        if (r == 0)
                r = check_constraints(t);
        if (r == 0)
                r = check_proxy(t);
        if (r == 0)
                r = check_accelerators(t);
        if (r == 0 && def->ephemeral_storage != NULL &&
            (def->ephemeral_storage->size_in_gi_b < TASKDEF_STORAGE_MIN_GIB ||
             def->ephemeral_storage->size_in_gi_b > TASKDEF_STORAGE_MAX_GIB))
                r = taskdef_refuse(t, "ephemeralStorage.sizeInGiB: %d is not in %d..%d.", def->ephemeral_storage->size_in_gi_b,
                                   TASKDEF_STORAGE_MIN_GIB, TASKDEF_STORAGE_MAX_GIB);
        if (r == 0 && def->enable_fault_injection && def->network_mode != ECS_NETWORK_MODE_AWSVPC &&
            def->network_mode != ECS_NETWORK_MODE_HOST)
                r = taskdef_refuse(t, "enableFaultInjection: only allowed when networkMode is awsvpc or host.");
        return r;
}
