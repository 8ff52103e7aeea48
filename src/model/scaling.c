/* SPDX-License-Identifier: Apache-2.0 */
/* See scaling.h. */
#include "model/scaling.h"

#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

#define KEY_MAX 4096
#define RESOURCE_PREFIX "service/"

static struct object *find(struct model *model, enum object_kind kind, const char *resource_id, const char *name)
{
        char key[KEY_MAX];
        struct tree_node *node;

        if ((size_t)snprintf(key, sizeof(key), "%s%s%s", resource_id, name != NULL ? "/" : "", name != NULL ? name : "") >= sizeof(key))
                return NULL;
        node = tree_find(model_objects(model, kind), key);
        return node != NULL ? CONTAINER_OF(node, struct object, node) : NULL;
}

struct scalable_target *model_scalable_target(struct model *model, const char *resource_id)
{
        return (struct scalable_target *)(void *)find(model, OBJECT_SCALABLE_TARGET, resource_id, NULL);
}

struct scaling_policy *model_scaling_policy(struct model *model, const char *resource_id, const char *name)
{
        return (struct scaling_policy *)(void *)find(model, OBJECT_SCALING_POLICY, resource_id, name);
}

struct scaling_policy *model_scaling_policy_of_arn(struct model *model, const char *arn)
{
        static const char before[] = ":resource/ecs/", between[] = ":policyName/";
        const char *resource = strstr(arn, before), *name = resource != NULL ? strstr(resource, between) : NULL;
        CLEANUP_ARENA struct arena arena = {0};
        struct scaling_policy *policy;

        if (name == NULL)
                return NULL;
        resource += strlen(before);
        policy = model_scaling_policy(model, arena_strndup(&arena, resource, (size_t)(name - resource)), name + strlen(between));
        return policy != NULL && str_eq(model_scaling_policy_arn(model, &arena, policy->state), arn) ? policy : NULL;
}

struct scheduled_action *model_scheduled_action(struct model *model, const char *resource_id, const char *name)
{
        return (struct scheduled_action *)(void *)find(model, OBJECT_SCHEDULED_ACTION, resource_id, name);
}

struct service *model_scaled_service(struct model *model, const char *resource_id)
{
        char cluster[256];
        const char *rest, *slash;
        struct service *service;

        if (!str_starts_with(resource_id, RESOURCE_PREFIX))
                return NULL;
        rest = resource_id + strlen(RESOURCE_PREFIX);
        slash = strchr(rest, '/');
        if (slash == NULL || (size_t)(slash - rest) >= sizeof(cluster))
                return NULL;
        (void)snprintf(cluster, sizeof(cluster), "%.*s", (int)(slash - rest), rest);
        service = model_service(model, cluster, slash + 1);
        return service != NULL && service->state->status == STATE_SERVICE_STATUS_ACTIVE ? service : NULL;
}

static struct object *belonging(struct tree_node *node, const char *resource_id)
{
        struct object *object = node != NULL ? CONTAINER_OF(node, struct object, node) : NULL;
        size_t len = strlen(resource_id);

        return object != NULL && strncmp(object->key, resource_id, len) == 0 && object->key[len] == '/' ? object : NULL;
}

struct object *model_scaling_first(struct model *model, enum object_kind kind, const char *resource_id)
{
        char key[KEY_MAX];

        if ((size_t)snprintf(key, sizeof(key), "%s/", resource_id) >= sizeof(key))
                return NULL;
        return belonging(tree_from(model_objects(model, kind), key), resource_id);
}

struct object *model_scaling_next(const struct object *object, const char *resource_id)
{
        return belonging(tree_next(&object->node), resource_id);
}

char *model_scalable_target_arn(const struct model *model, struct arena *arena, const struct state_scalable_target *state)
{
        return arena_printf(arena, "arn:aws:application-autoscaling:%s:%s:scalable-target/%s", model_region(model), model_account(model),
                            state->id);
}

char *model_scaling_policy_arn(const struct model *model, struct arena *arena, const struct state_scaling_policy *state)
{
        return arena_printf(arena, "arn:aws:autoscaling:%s:%s:scalingPolicy:%s:resource/ecs/%s:policyName/%s", model_region(model),
                            model_account(model), state->id, state->resource_id, state->name);
}

char *model_scheduled_action_arn(const struct model *model, struct arena *arena, const struct state_scheduled_action *state)
{
        return arena_printf(arena, "arn:aws:autoscaling:%s:%s:scheduledAction:%s:resource/ecs/%s:scheduledActionName/%s",
                            model_region(model), model_account(model), state->id, state->resource_id, state->name);
}
