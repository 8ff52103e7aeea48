/* SPDX-License-Identifier: Apache-2.0 */
/* Names, tags and lists that every file of the ECS service handles alike. */
#include "api/ecs/common.h"

#include <string.h>

#include "base/strutil.h"

#define NAME_MAX_LENGTH 255
#define MAX_TAGS 50
#define MAX_TAG_KEY 128
#define MAX_TAG_VALUE 256

bool ecs_arn_parse(const char *text, struct arena *arena, struct ecs_arn *ret)
{
        const char *parts[6] = {0};
        char *copy, *slash;

        if (!str_starts_with(text, "arn:"))
                return false;
        copy = arena_strdup(arena, text);
        for (size_t i = 0; i < 6; i++) {
                parts[i] = copy;
                if (i == 5)
                        break;
                copy = strchr(copy, ':');
                if (copy == NULL)
                        return false;
                *copy++ = '\0';
        }
        slash = strchr(parts[5], '/');
        if (slash == NULL || slash[1] == '\0')
                return false;
        *slash = '\0';
        *ret = (struct ecs_arn){
                .partition = parts[1], .service = parts[2], .region = parts[3], .account = parts[4], .type = parts[5], .resource = slash + 1,
        };
        return true;
}

bool ecs_name_valid(const char *name, size_t max)
{
        return name != NULL && str_is_name(name, "-_", max);
}

/* Region, account and kind of an ARN that a client sent. */
static int check_arn(struct api_call *call, const char *text, const struct ecs_arn *arn, const char *type)
{
        const char *region = model_region(call->model), *account = model_account(call->model);

        if (!str_eq(arn->service, "ecs") || !str_eq(arn->type, type))
                return api_fail(call, "InvalidParameterException", "Invalid identifier: \"%s\" is not the ARN of a %s.", text, type);
        if (!str_eq(arn->region, region))
                return api_fail(call, "InvalidParameterException", "Invalid identifier: Identifier is for region %s. Your region is %s.", arn->region,
                                region);
        if (!str_eq(arn->account, account))
                return api_fail(call, "InvalidParameterException", "Invalid identifier: Identifier is for account %s. Your account is %s.",
                                arn->account, account);
        return 0;
}

int ecs_cluster_name(struct api_call *call, const char *cluster, const char **ret_name)
{
        const char *name = str_empty(cluster) ? "default" : cluster;
        struct ecs_arn arn;
        int r;

        if (ecs_arn_parse(name, call->arena, &arn)) {
                r = check_arn(call, name, &arn, "cluster");
                if (r < 0)
                        return r;
                name = arn.resource;
        }
        if (!ecs_name_valid(name, NAME_MAX_LENGTH))
                return api_fail(call, "InvalidParameterException",
                                "Invalid identifier: \"%.300s\" is not a cluster: give a name of up to 255 letters, digits, hyphens and "
                                "underscores, or an ARN.", name);
        *ret_name = name;
        return 0;
}

int ecs_find_cluster(struct api_call *call, const char *cluster, struct cluster **ret)
{
        struct cluster *found;
        const char *name;
        int r = ecs_cluster_name(call, cluster, &name);

        if (r < 0)
                return r;
        found = model_cluster(call->model, name);
        if (found == NULL || found->state->status != STATE_CLUSTER_STATUS_ACTIVE)
                return api_fail(call, "ClusterNotFoundException", "Cluster not found.");
        *ret = found;
        return 0;
}

const char *ecs_resource_id(struct api_call *call, const struct cluster *cluster, const char *type, const char *text)
{
        struct ecs_arn arn;
        const char *slash;

        if (str_empty(text))
                return NULL;
        if (!ecs_arn_parse(text, call->arena, &arn))
                return strpbrk(text, "/:") == NULL ? text : NULL;
        if (!str_eq(arn.service, "ecs") || !str_eq(arn.type, type) || !str_eq(arn.region, model_region(call->model)) ||
            !str_eq(arn.account, model_account(call->model)))
                return NULL;
        slash = strchr(arn.resource, '/');
        if (slash == NULL) /* the short form, from before ARNs named the cluster */
                return arn.resource;
        if ((size_t)(slash - arn.resource) != strlen(cluster->state->name) ||
            strncmp(arn.resource, cluster->state->name, (size_t)(slash - arn.resource)) != 0)
                return NULL;
        return strchr(slash + 1, '/') == NULL ? slash + 1 : NULL;
}

struct task *ecs_find_task(struct api_call *call, const struct cluster *cluster, const char *text)
{
        const char *id = ecs_resource_id(call, cluster, "task", text);

        return id != NULL ? model_task(call->model, cluster->state->name, id) : NULL;
}

struct instance *ecs_find_instance(struct api_call *call, const struct cluster *cluster, const char *text)
{
        const char *id = ecs_resource_id(call, cluster, "container-instance", text);

        return id != NULL ? model_instance(call->model, cluster->state->name, id) : NULL;
}

/* NULL when there is none. -EINVAL for text that cannot name one. */
static int lookup_task_definition(struct api_call *call, const char *text, struct task_definition **ret)
{
        const char *name = text, *colon;
        struct ecs_arn arn;
        struct family *family;
        int64_t revision;
        int r;

        *ret = NULL;
        if (ecs_arn_parse(name, call->arena, &arn)) {
                r = check_arn(call, name, &arn, "task-definition");
                if (r < 0)
                        return r;
                name = arn.resource;
        }
        colon = strchr(name, ':');
        if (colon == NULL) {
                if (!ecs_name_valid(name, NAME_MAX_LENGTH))
                        return api_fail(call, "ClientException", "Invalid task definition identifier: \"%.300s\". Give family, family:revision or an ARN.",
                                        text);
                family = model_family(call->model, name);
                *ret = family != NULL ? family->latest : NULL;
                return 0;
        }
        if (str_to_int64(colon + 1, &revision) < 0 || revision < 1 || revision > INT32_MAX)
                return api_fail(call, "ClientException", "Invalid revision number. Number: %.40s", colon + 1);
        *ret = model_task_definition(call->model, arena_strndup(call->arena, name, (size_t)(colon - name)), (int)revision);
        return 0;
}

int ecs_find_task_definition(struct api_call *call, const char *text, struct task_definition **ret)
{
        struct task_definition *found;
        int r = lookup_task_definition(call, text, &found);

        if (r < 0)
                return r;
        if (found == NULL)
                return api_fail(call, "ClientException", "Unable to describe task definition.");
        *ret = found;
        return 0;
}

int ecs_runnable_task_definition(struct api_call *call, const char *text, struct task_definition **ret)
{
        struct task_definition *found;
        int r;

        if (str_empty(text))
                return api_fail(call, "InvalidParameterException", "Task definition can not be blank.");
        r = lookup_task_definition(call, text, &found);
        if (r < 0)
                return r;
        if (found == NULL)
                return api_fail(call, "ClientException", "TaskDefinition not found.");
        if (found->state->definition->status != ECS_TASK_DEFINITION_STATUS_ACTIVE)
                return api_fail(call, "ClientException", "TaskDefinition is inactive");
        *ret = found;
        return 0;
}

/* ---- Tags ---- */

/* Characters of a UTF-8 string that the codec has checked. */
static size_t characters(const char *s)
{
        size_t n = 0;

        for (; *s != '\0'; s++)
                n += ((unsigned char)*s & 0xC0) != 0x80;
        return n;
}

/* Letters, digits and spaces of any script (every byte over 0x7F counts as one) and + - = . _ : / @ */
static bool tag_characters(const char *s)
{
        for (; *s != '\0'; s++) {
                unsigned char c = (unsigned char)*s;

                if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && strchr(" +-=._:/@", c) == NULL)
                        return false;
        }
        return true;
}

static bool has_aws_prefix(const char *s)
{
        return (s[0] == 'a' || s[0] == 'A') && (s[1] == 'w' || s[1] == 'W') && (s[2] == 's' || s[2] == 'S') && s[3] == ':';
}

static int check_tag(struct api_call *call, const struct ecs_tag_list *tags, uint32_t i)
{
        const char *key = tags->items[i].key, *value = tags->items[i].value;

        if (str_empty(key))
                return api_fail(call, "InvalidParameterException", "tags[%u].key: a tag key must have 1 to %d characters.", i, MAX_TAG_KEY);
        if (characters(key) > MAX_TAG_KEY)
                return api_fail(call, "InvalidParameterException", "tags[%u].key: longer than %d characters.", i, MAX_TAG_KEY);
        if (value != NULL && characters(value) > MAX_TAG_VALUE)
                return api_fail(call, "InvalidParameterException", "tags[%u].value: longer than %d characters.", i, MAX_TAG_VALUE);
        if (has_aws_prefix(key) || (value != NULL && has_aws_prefix(value)))
                return api_fail(call, "InvalidParameterException", "tags[%u]: the prefix aws: is reserved and cannot be used in tag keys or values.",
                                i);
        if (!tag_characters(key) || (value != NULL && !tag_characters(value)))
                return api_fail(call, "InvalidParameterException", "tags[%u]: only letters, digits, spaces and + - = . _ : / @ are allowed.", i);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(tags->items[j].key, key))
                        return api_fail(call, "InvalidParameterException", "tags[%u].key: \"%s\" is given twice; tag keys must be unique.", i, key);
        return 0;
}

int ecs_check_tags(struct api_call *call, const struct ecs_tag_list *tags)
{
        if (tags->n > MAX_TAGS)
                return api_fail(call, "InvalidParameterException", "tags: %u tags; a resource can have at most %d.", tags->n, MAX_TAGS);
        for (uint32_t i = 0; i < tags->n; i++) {
                int r = check_tag(call, tags, i);

                if (r < 0)
                        return r;
        }
        return 0;
}

void ecs_merge_tags(struct ecs_tag_list *list, const struct ecs_tag_list *tags, struct arena *arena)
{
        struct ecs_tag_list merged = {0};

        for (uint32_t i = 0; i < list->n; i++)
                *SHAPE_PUSH(arena, &merged) = list->items[i];
        for (uint32_t i = 0; i < tags->n; i++) {
                struct ecs_tag *slot = NULL;

                for (uint32_t j = 0; j < merged.n && slot == NULL; j++)
                        if (str_eq(merged.items[j].key, tags->items[i].key))
                                slot = &merged.items[j];
                if (slot == NULL)
                        slot = SHAPE_PUSH(arena, &merged);
                *slot = tags->items[i];
                if (slot->value == NULL) /* AWS stores a tag without a value as an empty one */
                        slot->value = "";
        }
        *list = merged;
}

/* ---- Lists ---- */

bool ecs_includes(const struct int_list *include, int value)
{
        for (uint32_t i = 0; i < include->n; i++)
                if (include->items[i] == value)
                        return true;
        return false;
}

void ecs_fail_item(struct api_call *call, struct ecs_failure_list *failures, const char *arn, const char *reason, const char *detail)
{
        struct ecs_failure *failure = SHAPE_PUSH(call->arena, failures);

        failure->arn = arn;
        failure->reason = reason;
        failure->detail = detail;
}
