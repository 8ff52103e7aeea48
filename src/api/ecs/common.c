/* SPDX-License-Identifier: Apache-2.0 */
/* Names, tags and lists that every file of the ECS service handles alike. */
#include "api/ecs/common.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "model/names.h"

#define MAX_TAGS 50
#define MAX_TAG_KEY 128
#define MAX_TAG_VALUE 256

bool ecs_name_valid(const char *name, size_t max)
{
        return name != NULL && str_is_name(name, "-_", max);
}

int ecs_find_cluster(struct api_call *call, const char *cluster, struct cluster **ret)
{
        int r = ecs_find_host_cluster(call, cluster, ret);

        if (r == 0 && str_eq((*ret)->state->name, FARGATE_CLUSTER))
                return api_fail(call, "ClusterNotFoundException", "Cluster not found.");
        return r;
}

int ecs_find_host_cluster(struct api_call *call, const char *cluster, struct cluster **ret)
{
        return model_find_active_cluster(call->model, cluster, ret, &call->error);
}

struct task *ecs_find_task(struct api_call *call, struct cluster *cluster, const char *text)
{
        struct error ignored = {0};
        struct task *task;

        return model_find_task(call->model, cluster, text, &task, &ignored) < 0 ? NULL : task;
}

struct instance *ecs_find_instance(struct api_call *call, struct cluster *cluster, const char *text)
{
        struct error ignored = {0};
        struct instance *instance;

        return model_find_instance(call->model, cluster, text, &instance, &ignored) < 0 ? NULL : instance;
}

static int find_task_definition(struct api_call *call, const char *text, const char *missing, struct task_definition **ret)
{
        int r;

        if (str_empty(text))
                return api_fail(call, "ClientException", "Task definition can not be blank.");
        r = model_find_task_definition(call->model, text, ret, &call->error);
        return r == -ENOENT ? api_fail(call, "ClientException", "%s", missing) : r;
}

int ecs_find_task_definition(struct api_call *call, const char *text, struct task_definition **ret)
{
        return find_task_definition(call, text, "Unable to describe task definition.", ret);
}

int ecs_runnable_task_definition(struct api_call *call, const char *text, struct task_definition **ret)
{
        struct task_definition *found;
        int r = find_task_definition(call, text, "TaskDefinition not found.", &found);

        if (r != 0)
                return r;
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

                if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    strchr(" +-=._:/@", c) == NULL)
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
                return api_fail(call, "InvalidParameterException",
                                "tags[%u]: the prefix aws: is reserved and cannot be used in tag keys or values.", i);
        if (!tag_characters(key) || (value != NULL && !tag_characters(value)))
                return api_fail(call, "InvalidParameterException",
                                "tags[%u]: only letters, digits, spaces and + - = . _ : / @ are allowed.", i);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(tags->items[j].key, key))
                        return api_fail(call, "InvalidParameterException", "tags[%u].key: \"%s\" is given twice; tag keys must be unique.",
                                        i, key);
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
