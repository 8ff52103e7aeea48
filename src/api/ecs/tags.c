/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of anything that has an ARN and a list of tags. */
#include <errno.h>
#include <stddef.h>

#include "api/ecs/cluster_rules.h"
#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "base/strutil.h"
#include "model/names.h"
#include "model/service.h"

#define MAX_TAGS 50

/* Where each kind keeps its tags. */
static const struct kind_row {
        enum object_kind kind;
        size_t tags; /* offset in the state */
        const char *type;
        const char *code, *missing; /* what a client gets told when there is none */
} kinds[] = {
        {OBJECT_CLUSTER, offsetof(struct state_cluster, tags), "cluster", "ClusterNotFoundException", "Cluster not found."},
        {OBJECT_TASK_DEFINITION, offsetof(struct state_task_definition, tags), "task-definition", "ResourceNotFoundException",
         "The specified task definition was not found."},
        {OBJECT_TASK, offsetof(struct state_task, tags), "task", "ResourceNotFoundException", "The specified task was not found."},
        {OBJECT_INSTANCE, offsetof(struct state_container_instance, tags), "container-instance", "ResourceNotFoundException",
         "The specified container instance was not found."},
        {OBJECT_SERVICE, offsetof(struct state_service, tags), "service", "ResourceNotFoundException",
         "The specified service was not found."},
        {OBJECT_TASK_SET, offsetof(struct state_task_set, tags), "task-set", "ResourceNotFoundException",
         "The specified task set was not found."},
        {OBJECT_CAPACITY_PROVIDER, 0, "capacity-provider", "ResourceNotFoundException", "The specified capacity provider was not found."},
};

static const struct kind_row *row_of(const struct object *object)
{
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (kinds[i].kind == object->kind)
                        return &kinds[i];
        return NULL;
}

static const void *object_state(const struct object *object)
{
        /* Every kind's second member is its state. */
        return ((const struct cluster *)(const void *)object)->state;
}
_Static_assert(offsetof(struct cluster, state) == offsetof(struct task, state), "state follows object");
_Static_assert(offsetof(struct cluster, state) == offsetof(struct instance, state), "state follows object");
_Static_assert(offsetof(struct cluster, state) == offsetof(struct task_definition, state), "state follows object");
_Static_assert(offsetof(struct cluster, state) == offsetof(struct service, state), "state follows object");
_Static_assert(offsetof(struct cluster, state) == offsetof(struct task_set, state), "state follows object");
_Static_assert(offsetof(struct cluster, state) == offsetof(struct capacity_provider, state), "state follows object");

static struct ecs_tag_list *tags_of(const struct kind_row *row, const void *state)
{
        if (row->kind == OBJECT_CAPACITY_PROVIDER) /* kept as the API's own structure */
                return &((const struct state_capacity_provider *)state)->provider->tags;
        return (struct ecs_tag_list *)(void *)((char *)(uintptr_t)state + row->tags);
}

/* Records what the kind of resource says when it is not there. */
static void fail_not_found(struct api_call *call, const char *text)
{
        struct arn arn;

        for (size_t i = 0; i < ARRAY_SIZE(kinds) && arn_parse(text, &arn) == 0; i++)
                if (arn_resource(&arn, kinds[i].type) != NULL) {
                        (void)api_fail(call, kinds[i].code, "%s", kinds[i].missing);
                        return;
                }
        (void)api_fail(call, "InvalidParameterException", "resourceArn: \"%.300s\" is not a kind of resource that can be tagged here.",
                       text);
}

/* Finds the resource and how its kind keeps tags. */
static int find_tagged(struct api_call *call, const char *arn, struct object **ret, const struct kind_row **ret_row)
{
        struct object *object;
        int r = model_find_resource(call->model, arn, &object, &call->error);

        if (r == -ENOENT)
                fail_not_found(call, arn);
        if (r < 0)
                return r == -ENOENT ? -EINVAL : r;
        if (object->kind == OBJECT_SERVICE && ((const struct state_service *)object_state(object))->status == STATE_SERVICE_STATUS_INACTIVE)
                return api_fail(call, "InvalidParameterException",
                                "The specified service is inactive. Specify an active service and try again.");
        if (row_of(object) == NULL)
                return api_fail(call, "InvalidParameterException",
                                "resourceArn: \"%.300s\" is not a kind of resource that can be tagged here.", arn);
        if (object->kind == OBJECT_CLUSTER && ((const struct state_cluster *)object_state(object))->status == STATE_CLUSTER_STATUS_INACTIVE)
                return api_fail(call, "InvalidParameterException",
                                "The specified cluster is inactive. Specify an active cluster and try again.");
        *ret_row = row_of(object);
        *ret = object;
        return 0;
}

static void store_tags(struct api_call *call, struct object *object, const struct kind_row *row, const struct ecs_tag_list *tags)
{
        struct tx *tx = tx_begin(call->model);
        void *state = tx_edit(tx, object);

        *tags_of(row, state) = *tags;
        tx_put(tx, object, state);
        (void)tx_commit(tx);
}

static int tag_resource(struct api_call *call, const void *input, void *output)
{
        const struct ecs_tag_resource_request *in = input;
        const struct kind_row *row;
        struct ecs_tag_list merged;
        struct object *object;
        int r = ecs_check_tags(call, &in->tags);

        (void)output;
        if (r == 0)
                r = find_tagged(call, in->resource_arn, &object, &row);
        if (r != 0)
                return r;
        if (object->kind == OBJECT_CLUSTER)
                r = cluster_check_tags(call, &in->tags);
        else if (object->kind == OBJECT_CAPACITY_PROVIDER)
                r = capacity_provider_check_tags(call, &in->tags);
        if (r < 0)
                return r;
        merged = *tags_of(row, object_state(object));
        ecs_merge_tags(&merged, &in->tags, call->arena);
        if (merged.n > MAX_TAGS)
                return api_fail(call, "LimitExceededException", "The resource would have %u tags; it can have at most %d.", merged.n,
                                MAX_TAGS);
        store_tags(call, object, row, &merged);
        return 0;
}

static bool named(const struct string_list *keys, const char *key)
{
        for (uint32_t i = 0; i < keys->n; i++)
                if (str_eq(keys->items[i], key))
                        return true;
        return false;
}

static int untag_resource(struct api_call *call, const void *input, void *output)
{
        const struct ecs_untag_resource_request *in = input;
        const struct kind_row *row;
        const struct ecs_tag_list *tags;
        struct ecs_tag_list kept = {0};
        struct object *object;
        int r = find_tagged(call, in->resource_arn, &object, &row);

        (void)output;
        if (r != 0)
                return r;
        tags = tags_of(row, object_state(object));
        for (uint32_t i = 0; i < tags->n; i++)
                if (!named(&in->tag_keys, tags->items[i].key))
                        *SHAPE_PUSH(call->arena, &kept) = tags->items[i];
        if (kept.n != tags->n)
                store_tags(call, object, row, &kept);
        return 0;
}

static int list_tags_for_resource(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_tags_for_resource_request *in = input;
        struct ecs_list_tags_for_resource_response *out = output;
        const struct kind_row *row;
        struct object *object;
        int r = find_tagged(call, in->resource_arn, &object, &row);

        if (r != 0)
                return r;
        out->tags = *tags_of(row, object_state(object));
        return 0;
}

const struct api_route ecs_tag_routes[] = {
        {ECS_OP_TAG_RESOURCE, tag_resource},
        {ECS_OP_UNTAG_RESOURCE, untag_resource},
        {ECS_OP_LIST_TAGS_FOR_RESOURCE, list_tags_for_resource},
        {0, NULL},
};
