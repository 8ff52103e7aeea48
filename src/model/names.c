/* SPDX-License-Identifier: Apache-2.0 */
/* ARNs: making them, and finding what a name, id or ARN stands for. See names.h. */
#include "model/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "model/service.h"

#define ID_DIGITS 32
#define UUID_DIGITS 36 /* ids of before 2018 */

#define INVALID_PARAMETER "InvalidParameterException"

/* "arn:aws:ecs:REGION:ACCOUNT:" and the rest in three parts, of which the last may be missing. */
static char *ecs_arn(const struct model *model, struct arena *arena, const char *type, const char *a, const char *separator, const char *b)
{
        return arena_concat(arena, "arn:aws:ecs:", model_region(model), ":", model_account(model), type, a, separator, b);
}

char *model_cluster_arn(const struct model *model, struct arena *arena, const char *cluster)
{
        return ecs_arn(model, arena, ":cluster/", cluster, NULL, NULL);
}

char *model_task_arn(const struct model *model, struct arena *arena, const char *cluster, const char *id)
{
        return ecs_arn(model, arena, ":task/", cluster, "/", id);
}

char *model_instance_arn(const struct model *model, struct arena *arena, const char *cluster, const char *id)
{
        return ecs_arn(model, arena, ":container-instance/", cluster, "/", id);
}

char *model_container_arn(const struct model *model, struct arena *arena, const char *cluster, const char *task, const char *id)
{
        return arena_concat(arena, "arn:aws:ecs:", model_region(model), ":", model_account(model), ":container/", cluster, "/", task, "/",
                            id);
}

char *model_task_definition_arn(const struct model *model, struct arena *arena, const char *family, int revision)
{
        return arena_printf(arena, "arn:aws:ecs:%s:%s:task-definition/%s:%d", model_region(model), model_account(model), family, revision);
}

/* Copies the text up to the next colon and returns what is behind it, or NULL when it does not fit or there is no colon. */
static const char *take_part(const char *text, char *ret, size_t size)
{
        size_t len = strcspn(text, ":");

        if (text[len] != ':' || len >= size)
                return NULL;
        memcpy(ret, text, len);
        ret[len] = '\0';
        return text + len + 1;
}

int arn_parse(const char *text, struct arn *ret)
{
        struct {
                char *part;
                size_t size;
        } parts[] = {
                {ret->partition, sizeof(ret->partition)},
                {ret->service, sizeof(ret->service)},
                {ret->region, sizeof(ret->region)},
                {ret->account, sizeof(ret->account)},
        };

        if (!str_starts_with(text, "arn:"))
                return -EINVAL;
        text += 4;
        for (size_t i = 0; i < ARRAY_SIZE(parts) && text != NULL; i++)
                text = take_part(text, parts[i].part, parts[i].size);
        if (text == NULL || ret->partition[0] == '\0' || ret->service[0] == '\0' || text[0] == '\0')
                return -EINVAL;
        ret->resource = text;
        return 0;
}

const char *arn_resource(const struct arn *arn, const char *type)
{
        size_t len = strlen(type);

        return strncmp(arn->resource, type, len) == 0 && arn->resource[len] == '/' && arn->resource[len + 1] != '\0'
                       ? arn->resource + len + 1
                       : NULL;
}

static bool is_ours(const struct model *model, const struct arn *arn)
{
        return strcmp(arn->region, model_region(model)) == 0 && strcmp(arn->account, model_account(model)) == 0;
}

static int foreign(const struct model *model, const struct arn *arn, struct error *error)
{
        if (strcmp(arn->region, model_region(model)) != 0)
                return error_api(error, INVALID_PARAMETER, "Invalid identifier: the ARN is of region %s, and this is %s.", arn->region,
                                 model_region(model));
        return error_api(error, INVALID_PARAMETER, "Invalid identifier: the ARN is of account %s, and this is %s.", arn->account,
                         model_account(model));
}

/* Parses an ECS ARN of `type`; `ret_rest` is what follows "TYPE/". */
static int parse_ecs_arn(const char *text, const char *type, struct arn *ret, const char **ret_rest, struct error *error)
{
        if (arn_parse(text, ret) < 0 || strcmp(ret->service, "ecs") != 0)
                return error_api(error, INVALID_PARAMETER,
                                 "Invalid identifier: %s is not an ARN of ECS (arn:aws:ecs:REGION:ACCOUNT:%s/...).", text, type);
        *ret_rest = arn_resource(ret, type);
        if (*ret_rest == NULL)
                return error_api(error, INVALID_PARAMETER, "Invalid identifier: expected an ARN of type %s, and this names %s.", type,
                                 ret->resource);
        return 0;
}

int model_parse_cluster(const struct model *model, const char *text, char ret[256], struct error *error)
{
        const char *name = text;
        struct arn arn;
        int r;

        if (str_empty(text))
                name = "default";
        else if (str_starts_with(text, "arn:")) {
                r = parse_ecs_arn(text, "cluster", &arn, &name, error);
                if (r < 0)
                        return r;
                if (!is_ours(model, &arn))
                        return error_api(error, "ClusterNotFoundException", "Cluster not found.");
        }
        if (!str_is_name(name, "-_", 255) && strcmp(name, FARGATE_CLUSTER) != 0)
                return error_api(
                        error, INVALID_PARAMETER,
                        "Identifier was invalid: a cluster is named by 1 to 255 letters, digits, hyphens and underscores, or by its ARN.");
        memcpy(ret, name, strlen(name) + 1);
        return 0;
}

int model_find_cluster(struct model *model, const char *text, struct cluster **ret, struct error *error)
{
        struct cluster *cluster;
        char name[256];
        int r = model_parse_cluster(model, text, name, error);

        if (r < 0)
                return r;
        cluster = model_cluster(model, name);
        if (cluster == NULL) {
                (void)error_api(error, "ClusterNotFoundException", "Cluster not found.");
                return -ENOENT;
        }
        *ret = cluster;
        return 0;
}

int model_find_active_cluster(struct model *model, const char *text, struct cluster **ret, struct error *error)
{
        struct cluster *cluster;
        int r = model_find_cluster(model, text, &cluster, error);

        if (r < 0)
                return r;
        if (cluster->state->status == STATE_CLUSTER_STATUS_INACTIVE) {
                (void)error_api(error, "ClusterNotFoundException", "The referenced cluster was inactive.");
                return -ENOENT;
        }
        *ret = cluster;
        return 0;
}

/* What is behind "CLUSTER/" in an ARN TYPE/CLUSTER/REST of our cluster (or in the short form TYPE/REST); a text that is no ARN as it
 * is. */
static int strip_arn(const struct model *model, const struct cluster *cluster, const char *text, const char *type, const char **ret_rest,
                     struct error *error)
{
        const char *rest = text != NULL ? text : "", *slash;
        const char *name = cluster->object.key;
        struct arn arn;
        int r;

        if (str_starts_with(rest, "arn:")) {
                r = parse_ecs_arn(rest, type, &arn, &rest, error);
                if (r < 0)
                        return r;
                if (!is_ours(model, &arn))
                        return foreign(model, &arn, error);
                slash = strchr(rest, '/');
                if (slash != NULL) {
                        if ((size_t)(slash - rest) != strlen(name) || strncmp(rest, name, strlen(name)) != 0)
                                return error_api(error, INVALID_PARAMETER, "Invalid identifier: Identifier is for %.*s. Your cluster is %s",
                                                 (int)(slash - rest), rest, name);
                        rest = slash + 1;
                }
        }
        *ret_rest = rest;
        return 0;
}

/* The id in an id or in an ARN TYPE/CLUSTER/ID or TYPE/ID, which must be of our cluster. `what` names it in messages. */
static int parse_member(const struct model *model, const struct cluster *cluster, const char *text, const char *type, const char *what,
                        const char **ret_id, struct error *error)
{
        const char *rest;
        size_t len;
        int r = strip_arn(model, cluster, text, type, &rest, error);

        if (r < 0)
                return r;
        len = strlen(rest);
        if (len != ID_DIGITS && len != UUID_DIGITS)
                return error_api(error, INVALID_PARAMETER, "%s length should be one of [%d,%d]", what, ID_DIGITS, UUID_DIGITS);
        if (!str_is_name(rest, "-", UUID_DIGITS))
                return error_api(error, INVALID_PARAMETER, "Invalid identifier: %s is not a %s.", rest, what);
        *ret_id = rest;
        return 0;
}

int model_find_task(struct model *model, struct cluster *cluster, const char *text, struct task **ret, struct error *error)
{
        const char *id = NULL;
        struct task *task;
        int r = parse_member(model, cluster, text, "task", "taskId", &id, error);

        if (r < 0)
                return r;
        task = model_task(model, cluster->object.key, id);
        if (task == NULL)
                return -ENOENT;
        *ret = task;
        return 0;
}

int model_find_instance(struct model *model, struct cluster *cluster, const char *text, struct instance **ret, struct error *error)
{
        const char *id = NULL;
        struct instance *instance;
        int r = parse_member(model, cluster, text, "container-instance", "containerInstanceId", &id, error);

        if (r < 0)
                return r;
        instance = model_instance(model, cluster->object.key, id);
        if (instance == NULL)
                return -ENOENT;
        *ret = instance;
        return 0;
}

int model_find_service(struct model *model, struct cluster *cluster, const char *text, struct service **ret, struct error *error)
{
        struct service *service;
        const char *name;
        int r = strip_arn(model, cluster, text, "service", &name, error);

        if (r < 0)
                return r;
        if (!str_is_name(name, "-_", 255))
                return error_api(error, INVALID_PARAMETER,
                                 "Invalid identifier: a service is named by 1 to 255 letters, digits, hyphens and underscores, or by its "
                                 "ARN.");
        service = model_service(model, cluster->object.key, name);
        if (service == NULL)
                return -ENOENT;
        *ret = service;
        return 0;
}

int model_find_task_set(struct model *model, const struct service *service, const char *text, struct task_set **ret, struct error *error)
{
        const char *name = service->state->name, *rest;
        struct task_set *set;
        size_t len = strlen(name);
        int r = strip_arn(model, service->cluster, text, "task-set", &rest, error);

        if (r < 0)
                return r;
        if (str_starts_with(text, "arn:")) {
                if (strncmp(rest, name, len) != 0 || rest[len] != '/')
                        return error_api(error, INVALID_PARAMETER, "Invalid identifier: the task set %s is not of service %s.", rest, name);
                rest += len + 1;
        }
        if (str_starts_with(rest, "ecs-svc/"))
                rest += strlen("ecs-svc/");
        set = model_task_set(model, service->state->cluster, name, rest);
        if (set == NULL)
                return -ENOENT;
        *ret = set;
        return 0;
}

int model_parse_task_definition(const struct model *model, const char *text, struct task_definition_name *ret, struct error *error)
{
        const char *rest = text != NULL ? text : "", *colon;
        int64_t revision = 0;
        struct arn arn;
        size_t len;

        if (str_starts_with(rest, "arn:")) {
                int r = parse_ecs_arn(rest, "task-definition", &arn, &rest, error);

                if (r < 0)
                        return r;
                if (!is_ours(model, &arn))
                        return foreign(model, &arn, error);
        }
        colon = strchr(rest, ':');
        if (colon != NULL && (str_to_int64(colon + 1, &revision) < 0 || revision < 1 || revision > INT32_MAX))
                return error_api(error, "ClientException", "Invalid revision number. Number: %s", colon + 1);
        len = colon != NULL ? (size_t)(colon - rest) : strlen(rest);
        if (len >= sizeof(ret->family))
                return error_api(error, "ClientException", "Family name must be 1 to 255 characters long.");
        memcpy(ret->family, rest, len);
        ret->family[len] = '\0';
        ret->revision = (int)revision;
        if (!str_is_name(ret->family, "-_", 255))
                return error_api(error, "ClientException", "Invalid family name %s: 1 to 255 letters, digits, hyphens and underscores.",
                                 ret->family);
        return 0;
}

int model_find_task_definition(struct model *model, const char *text, struct task_definition **ret, struct error *error)
{
        struct task_definition_name name = {0};
        struct task_definition *definition = NULL;
        int r = model_parse_task_definition(model, text, &name, error);

        if (r < 0)
                return r;
        if (name.revision != 0) {
                definition = model_task_definition(model, name.family, name.revision);
        } else {
                struct family *family = model_family(model, name.family);

                definition = family != NULL ? family->latest : NULL;
        }
        if (definition == NULL)
                return -ENOENT;
        *ret = definition;
        return 0;
}

/* "CLUSTER/ID" as the key of a kind. */
static int find_by_key(struct model *model, enum object_kind kind, const char *key, struct object **ret)
{
        struct tree_node *node = tree_find(model_objects(model, kind), key);

        if (node == NULL)
                return -ENOENT;
        *ret = CONTAINER_OF(node, struct object, node);
        return 0;
}

/* TYPE/… of an ARN, and the kind of object whose key is the rest. */
static const struct {
        const char *type;
        enum object_kind kind;
} resource_types[] = {
        {"cluster", OBJECT_CLUSTER},
        {"task", OBJECT_TASK},
        {"container-instance", OBJECT_INSTANCE},
        {"capacity-provider", OBJECT_CAPACITY_PROVIDER},
        {"service", OBJECT_SERVICE},
        {"service-revision", OBJECT_SERVICE_REVISION},
        {"service-deployment", OBJECT_SERVICE_DEPLOYMENT},
};

static int find_task_set_by_arn(struct model *model, const char *rest, struct object **ret)
{
        const char *last = strstr(rest, "/ecs-svc/");
        char key[600];

        if (last == NULL ||
            (size_t)snprintf(key, sizeof(key), "%.*s/%s", (int)(last - rest), rest, last + strlen("/ecs-svc/")) >= sizeof(key))
                return -ENOENT;
        return find_by_key(model, OBJECT_TASK_SET, key, ret);
}

int model_find_resource(struct model *model, const char *text, struct object **ret, struct error *error)
{
        struct task_definition *definition;
        struct arn arn;
        int r;

        if (arn_parse(text != NULL ? text : "", &arn) < 0 || strcmp(arn.service, "ecs") != 0)
                return error_api(error, INVALID_PARAMETER, "Invalid resource ARN: expected arn:aws:ecs:REGION:ACCOUNT:TYPE/NAME.");
        if (!is_ours(model, &arn))
                return foreign(model, &arn, error);
        for (size_t i = 0; i < ARRAY_SIZE(resource_types); i++) {
                const char *rest = arn_resource(&arn, resource_types[i].type);

                if (rest != NULL)
                        return find_by_key(model, resource_types[i].kind, rest, ret);
        }
        if (arn_resource(&arn, "task-set") != NULL)
                return find_task_set_by_arn(model, arn_resource(&arn, "task-set"), ret);
        if (arn_resource(&arn, "task-definition") == NULL)
                return -ENOENT;
        r = model_find_task_definition(model, text, &definition, error);
        if (r < 0)
                return r;
        *ret = &definition->object;
        return 0;
}
