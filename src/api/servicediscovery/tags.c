/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of namespaces and services, and the attributes of services. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "api/servicediscovery/common.h"
#include "base/strutil.h"
#include "model/names.h"

#define TAGS_MAX 50
#define ATTRIBUTES_MAX 30
#define ATTRIBUTE_KEY_MAX 255
#define ATTRIBUTE_VALUE_MAX 1024

int sd_merge_tags(struct api_call *call, struct ecs_tag_list *tags, const struct sd_tag_list *more)
{
        struct ecs_tag_list merged = {0};

        for (uint32_t i = 0; i < tags->n; i++)
                *SHAPE_PUSH(call->arena, &merged) = tags->items[i];
        for (uint32_t i = 0; i < more->n; i++) {
                struct ecs_tag *tag = NULL;

                if (strncasecmp(more->items[i].key, "aws:", 4) == 0)
                        return sd_invalid(call, "Tags: the key %s must not begin with aws:.", more->items[i].key);
                for (uint32_t j = 0; j < merged.n; j++)
                        if (str_eq(merged.items[j].key, more->items[i].key))
                                tag = &merged.items[j];
                if (tag == NULL)
                        tag = SHAPE_PUSH(call->arena, &merged);
                tag->key = more->items[i].key;
                tag->value = more->items[i].value;
        }
        if (merged.n > TAGS_MAX)
                return api_fail(call, "TooManyTagsException", "A resource can have at most %d tags, not %u.", TAGS_MAX, merged.n);
        *tags = merged;
        return 0;
}

/* A resource that has tags, in an open transaction. */
struct tagged {
        struct tx *tx;
        struct object *object;
        void *state; /* to be put */
        struct ecs_tag_list *tags;
};

static struct object *find(struct api_call *call, const char *text)
{
        struct discovery_service *service = model_discovery_service_of_arn(call->model, text);
        struct discovery_namespace *namespace = NULL;
        struct arn arn;

        if (service != NULL)
                return &service->object;
        if (arn_parse(text, &arn) == 0)
        namespace = model_discovery_namespace(call->model, arn_resource(&arn, "namespace"));
        if (namespace != NULL && str_eq(text, model_discovery_arn(call->model, call->arena, "namespace", namespace->state->id)))
                return &namespace->object;
        (void)api_fail(call, "ResourceNotFoundException", "There is no namespace or service with the ARN %.300s.", text);
        return NULL;
}

static bool open_tags(struct api_call *call, const char *arn, struct tagged *ret)
{
        struct object *object = find(call, arn);

        if (object == NULL)
                return false;
        *ret = (struct tagged){.tx = tx_begin(call->model), .object = object};
        ret->state = tx_edit(ret->tx, object);
        ret->tags = object->kind == OBJECT_DISCOVERY_SERVICE ? &((struct state_discovery_service *)ret->state)->tags
                                                             : &((struct state_discovery_namespace *)ret->state)->tags;
        return true;
}

static void close_tags(struct tagged *tagged)
{
        tx_put(tagged->tx, tagged->object, tagged->state);
        (void)tx_commit(tagged->tx);
}

static int tag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_tag_resource_request *in = input;
        struct tagged tagged;
        int r;

        if (!open_tags(call, in->resource_arn, &tagged))
                return -EINVAL;
        r = sd_merge_tags(call, tagged.tags, &in->tags);
        if (r < 0)
                tx_rollback(tagged.tx);
        else
                close_tags(&tagged);
        return r;
}

static bool has_key(const struct string_list *keys, const char *key)
{
        for (uint32_t i = 0; i < keys->n; i++)
                if (str_eq(keys->items[i], key))
                        return true;
        return false;
}

static int untag_resource(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_untag_resource_request *in = input;
        struct tagged tagged;
        uint32_t n = 0;

        if (!open_tags(call, in->resource_arn, &tagged))
                return -EINVAL;
        for (uint32_t i = 0; i < tagged.tags->n; i++)
                if (!has_key(&in->tag_keys, tagged.tags->items[i].key))
                        tagged.tags->items[n++] = tagged.tags->items[i];
        tagged.tags->n = n;
        close_tags(&tagged);
        return 0;
}

static int list_tags(struct api_call *call, const void *input, void *output)
{
        const struct sd_list_tags_for_resource_request *in = input;
        struct sd_list_tags_for_resource_response *out = output;
        const struct object *object = find(call, in->resource_arn);
        const struct ecs_tag_list *tags;

        if (object == NULL)
                return -EINVAL;
        tags = object->kind == OBJECT_DISCOVERY_SERVICE ? &CONTAINER_OF(object, const struct discovery_service, object)->state->tags
                                                        : &CONTAINER_OF(object, const struct discovery_namespace, object)->state->tags;
        for (uint32_t i = 0; i < tags->n; i++)
                *SHAPE_PUSH(call->arena, &out->tags) = (struct sd_tag){.key = tags->items[i].key, .value = tags->items[i].value};
        return 0;
}

const struct api_route sd_tag_routes[] = {
        {SD_OP_TAG_RESOURCE, tag_resource},
        {SD_OP_UNTAG_RESOURCE, untag_resource},
        {SD_OP_LIST_TAGS_FOR_RESOURCE, list_tags},
        {0, NULL},
};

/* ---- Attributes of services ---- */

static void put_attributes(struct api_call *call, struct discovery_service *service, const struct string_map *attributes)
{
        struct tx *tx = tx_begin(call->model);
        struct state_discovery_service *state = tx_edit(tx, &service->object);

        state->attributes = *attributes;
        tx_put(tx, &service->object, state);
        (void)tx_commit(tx);
}

static int get_attributes(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_service_attributes_request *in = input;
        struct sd_get_service_attributes_response *out = output;
        struct discovery_service *service = NULL;
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        out->service_attributes = ARENA_NEW(call->arena, struct sd_service_attributes);
        out->service_attributes->service_arn = model_discovery_arn(call->model, call->arena, "service", service->state->id);
        out->service_attributes->resource_owner = model_account(call->model);
        out->service_attributes->attributes = service->state->attributes;
        return 0;
}

static int update_attributes(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_update_service_attributes_request *in = input;
        struct discovery_service *service = NULL;
        struct string_map merged = {0};
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < service->state->attributes.n; i++)
                string_map_set(call->arena, &merged, service->state->attributes.items[i].key, service->state->attributes.items[i].value);
        for (uint32_t i = 0; i < in->attributes.n; i++) {
                const struct string_pair *pair = &in->attributes.items[i];

                if (str_empty(pair->key) || strlen(pair->key) > ATTRIBUTE_KEY_MAX ||
                    (pair->value != NULL && strlen(pair->value) > ATTRIBUTE_VALUE_MAX))
                        return sd_invalid(call, "Attributes: keys have 1 to %d characters, values at most %d.", ATTRIBUTE_KEY_MAX,
                                          ATTRIBUTE_VALUE_MAX);
                string_map_set(call->arena, &merged, pair->key, pair->value != NULL ? pair->value : "");
        }
        if (merged.n > ATTRIBUTES_MAX)
                return api_fail(call, "ServiceAttributesLimitExceededException", "A service can have at most %d attributes, not %u.",
                                ATTRIBUTES_MAX, merged.n);
        put_attributes(call, service, &merged);
        return 0;
}

static int delete_attributes(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_delete_service_attributes_request *in = input;
        struct discovery_service *service = NULL;
        struct string_map rest = {0};
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < service->state->attributes.n; i++)
                if (!has_key(&in->attributes, service->state->attributes.items[i].key))
                        string_map_set(call->arena, &rest, service->state->attributes.items[i].key,
                                       service->state->attributes.items[i].value);
        put_attributes(call, service, &rest);
        return 0;
}

const struct api_route sd_attribute_routes[] = {
        {SD_OP_GET_SERVICE_ATTRIBUTES, get_attributes},
        {SD_OP_UPDATE_SERVICE_ATTRIBUTES, update_attributes},
        {SD_OP_DELETE_SERVICE_ATTRIBUTES, delete_attributes},
        {0, NULL},
};
