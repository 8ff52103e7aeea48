/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of container instances: put, delete, list. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/names.h"

#define MAX_PER_CALL 10
#define MAX_CUSTOM 10
#define MAX_LENGTH 128

/* Those that agents and the platform set; they do not count as custom and users cannot change them. */
static bool is_reserved(const char *name)
{
        return str_starts_with(name, "ecs.") || str_starts_with(name, "com.amazonaws.ecs.") || str_starts_with(name, "aws:");
}

/* Letters, digits and `more`, 1..128 long; values may have spaces inside but not at their ends. */
static bool text_valid(const char *text, const char *more)
{
        size_t len = strlen(text);

        return str_is_name(text, more, MAX_LENGTH) && text[0] != ' ' && text[len - 1] != ' ';
}

static int check_attribute(struct api_call *call, const struct ecs_attribute *attribute, uint32_t i)
{
        if (str_empty(attribute->target_id))
                return api_fail(call, "InvalidParameterException", "attributes[%u].targetId: name the container instance by id or ARN.", i);
        if (!text_valid(attribute->name, "-_./\\"))
                return api_fail(call, "InvalidParameterException",
                                "attributes[%u].name: 1 to %d letters, digits and - _ . / \\ are allowed, not \"%.150s\".", i, MAX_LENGTH,
                                attribute->name);
        if (!str_empty(attribute->value) && !text_valid(attribute->value, "-_./\\@: "))
                return api_fail(
                        call, "InvalidParameterException",
                        "attributes[%u].value: 1 to %d letters, digits, spaces inside and - _ . / \\ @ : are allowed, not \"%.150s\".", i,
                        MAX_LENGTH, attribute->value);
        if (is_reserved(attribute->name))
                return api_fail(call, "InvalidParameterException",
                                "attributes[%u].name: %s is reserved; choose a name that does not start with ecs., "
                                "com.amazonaws.ecs. or aws:.",
                                i, attribute->name);
        return 0;
}

static int find_target(struct api_call *call, struct cluster *cluster, const struct ecs_attribute *attribute, struct instance **ret)
{
        struct error error = {0};
        int r = model_find_instance(call->model, cluster, attribute->target_id, ret, &error);

        if (r == 0 && (*ret)->state->status != STATE_INSTANCE_STATUS_INACTIVE)
                return 0;
        return api_fail(call, "TargetNotFoundException", "The specified target %.200s wasn't found in the cluster %s.",
                        attribute->target_id, cluster->state->name);
}

/* What a request changes on one instance. */
struct edit {
        struct instance *instance;
        struct ecs_attribute_list attributes; /* the new ones */
};

/* The edit of the instance that attribute `i` names, made at its first mention. */
static struct edit *edit_of(struct api_call *call, struct edit *edits, size_t *n, struct instance *instance)
{
        struct edit *edit;

        for (size_t i = 0; i < *n; i++)
                if (edits[i].instance == instance)
                        return &edits[i];
        edit = &edits[(*n)++];
        edit->instance = instance;
        for (uint32_t i = 0; i < instance->state->attributes.n; i++)
                *SHAPE_PUSH(call->arena, &edit->attributes) = instance->state->attributes.items[i];
        return edit;
}

static struct ecs_attribute *find_attribute(const struct ecs_attribute_list *list, const char *name)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return &list->items[i];
        return NULL;
}

static void put_one(struct api_call *call, struct edit *edit, const struct ecs_attribute *attribute)
{
        struct ecs_attribute *slot = find_attribute(&edit->attributes, attribute->name);

        if (slot == NULL)
                slot = SHAPE_PUSH(call->arena, &edit->attributes);
        *slot = (struct ecs_attribute){.name = attribute->name, .value = str_empty(attribute->value) ? NULL : attribute->value};
}

/* With a value only an attribute that has that value goes. */
static void delete_one(struct edit *edit, const struct ecs_attribute *attribute)
{
        struct ecs_attribute_list *list = &edit->attributes;
        struct ecs_attribute *found = find_attribute(list, attribute->name);
        size_t at;

        if (found == NULL || (!str_empty(attribute->value) && !str_eq(attribute->value, found->value)))
                return;
        at = (size_t)(found - list->items);
        memmove(found, found + 1, (list->n - at - 1) * sizeof(*found));
        list->n--;
}

static size_t count_custom(const struct ecs_attribute_list *list)
{
        size_t n = 0;

        for (uint32_t i = 0; i < list->n; i++)
                n += !is_reserved(list->items[i].name);
        return n;
}

static void store_edits(struct api_call *call, const struct edit *edits, size_t n)
{
        struct tx *tx = tx_begin(call->model);

        for (size_t i = 0; i < n; i++) {
                struct state_container_instance *state = tx_edit(tx, &edits[i].instance->object);

                state->attributes = edits[i].attributes;
                state->version++;
                SHAPE_SET(state, state_container_instance, version, state->version);
                tx_put(tx, &edits[i].instance->object, state);
        }
        (void)tx_commit(tx);
}

static void show_attribute(struct api_call *call, const struct instance *instance, const char *name, const char *value,
                           struct ecs_attribute_list *out)
{
        struct ecs_attribute *attribute = SHAPE_PUSH(call->arena, out);

        attribute->name = name;
        attribute->value = value;
        attribute->target_type = ECS_TARGET_TYPE_CONTAINER_INSTANCE;
        attribute->target_id = model_instance_arn(call->model, call->arena, instance->state->cluster, instance->state->id);
}

/* Both operations: all of the attributes or none. */
static int change_attributes(struct api_call *call, const char *cluster_text, const struct ecs_attribute_list *attributes, bool put,
                             struct ecs_attribute_list *out)
{
        struct edit *edits = arena_calloc(call->arena, attributes->n + 1, sizeof(*edits));
        struct cluster *cluster;
        size_t n = 0;
        int r = ecs_find_host_cluster(call, cluster_text, &cluster);

        if (r != 0)
                return r;
        if (attributes->n == 0)
                return api_fail(call, "InvalidParameterException", "attributes: give at least one attribute.");
        if (attributes->n > MAX_PER_CALL && put)
                return api_fail(call, "AttributeLimitExceededException", "attributes: %u attributes; at most %d can be given at once.",
                                attributes->n, MAX_PER_CALL);
        if (attributes->n > MAX_PER_CALL)
                return api_fail(call, "InvalidParameterException", "attributes: %u attributes; at most %d can be given at once.",
                                attributes->n, MAX_PER_CALL);
        for (uint32_t i = 0; i < attributes->n; i++) {
                const struct ecs_attribute *attribute = &attributes->items[i];
                struct instance *instance;
                struct edit *edit;

                r = check_attribute(call, attribute, i);
                if (r == 0)
                        r = find_target(call, cluster, attribute, &instance);
                if (r != 0)
                        return r;
                edit = edit_of(call, edits, &n, instance);
                if (put)
                        put_one(call, edit, attribute);
                else
                        delete_one(edit, attribute);
                show_attribute(call, instance, attribute->name, attribute->value, out);
                if (put && count_custom(&edit->attributes) > MAX_CUSTOM)
                        return api_fail(call, "AttributeLimitExceededException",
                                        "Container instance %s would have more than %d custom attributes.", instance->state->id,
                                        MAX_CUSTOM);
        }
        store_edits(call, edits, n);
        return 0;
}

static int put_attributes(struct api_call *call, const void *input, void *output)
{
        const struct ecs_put_attributes_request *in = input;
        struct ecs_put_attributes_response *out = output;

        return change_attributes(call, in->cluster, &in->attributes, true, &out->attributes);
}

static int delete_attributes(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_attributes_request *in = input;
        struct ecs_delete_attributes_response *out = output;

        return change_attributes(call, in->cluster, &in->attributes, false, &out->attributes);
}

/* ---- List ---- */

static bool listed(const struct ecs_list_attributes_request *in, const struct ecs_attribute *attribute)
{
        if (in->attribute_name != NULL && !str_eq(in->attribute_name, attribute->name))
                return false;
        return in->attribute_value == NULL || str_eq(in->attribute_value, attribute->value);
}

/* Adds the attributes of one instance from its position `from` on; false when the page is full. The key of an element is the
 * instance's key and the position: "default/3f2a…#12". */
static bool list_instance(struct api_call *call, const struct ecs_list_attributes_request *in, const struct instance *instance,
                          uint32_t from, struct api_page *page, struct ecs_list_attributes_response *out)
{
        const struct ecs_attribute_list *list = &instance->state->attributes;

        for (uint32_t i = from; i < list->n; i++) {
                if (!listed(in, &list->items[i]))
                        continue;
                if (!api_page_add(page, arena_printf(call->arena, "%s#%u", instance->object.key, i))) {
                        out->next_token = api_page_token(call, page);
                        return false;
                }
                show_attribute(call, instance, list->items[i].name, list->items[i].value, &out->attributes);
        }
        return true;
}

static int list_attributes(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_attributes_request *in = input;
        const char *prefix, *start;
        struct cluster *cluster;
        struct api_page page;
        int64_t at;
        uint32_t from = 0;
        char *hash;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_attributes_request, max_results), in->max_results, 100, 100,
                                   arena_printf(call->arena, "%s/%s/%s", cluster->state->name,
                                                in->attribute_name != NULL ? in->attribute_name : "",
                                                in->attribute_value != NULL ? in->attribute_value : ""),
                                   &page);
        if (r != 0)
                return r;
        prefix = arena_printf(call->arena, "%s/", cluster->object.key);
        start = prefix;
        if (page.after != NULL && (hash = strrchr(page.after, '#')) != NULL) {
                start = arena_strndup(call->arena, page.after, (size_t)(hash - page.after));
                if (str_to_int64(hash + 1, &at) == 0 && at >= 0 && at < UINT32_MAX)
                        from = (uint32_t)at + 1;
        }
        for (struct tree_node *node = tree_from(model_objects(call->model, OBJECT_INSTANCE), start); node != NULL; node = tree_next(node)) {
                const struct instance *instance = MODEL_OBJECT(node, instance);

                if (!str_starts_with(instance->object.key, prefix))
                        break;
                if (instance->state->status != STATE_INSTANCE_STATUS_INACTIVE &&
                    !list_instance(call, in, instance, str_eq(instance->object.key, start) ? from : 0, &page, output))
                        break;
        }
        return 0;
}

const struct api_route ecs_attribute_routes[] = {
        {ECS_OP_PUT_ATTRIBUTES, put_attributes},
        {ECS_OP_DELETE_ATTRIBUTES, delete_attributes},
        {ECS_OP_LIST_ATTRIBUTES, list_attributes},
        {0, NULL},
};
