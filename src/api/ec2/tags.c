/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of network resources. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/ec2/common.h"
#include "api/ec2/rules.h"
#include "api/ecs/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define MAX_TAGS 50
#define MAX_KEY 127
#define MAX_VALUE 255
#define MAX_RESOURCES 1000
#define RULE_TYPE "security-group-rule"

/* ---- Checking ---- */

static size_t characters(const char *s)
{
        size_t n = 0;

        for (; *s != '\0'; s++)
                n += ((unsigned char)*s & 0xC0) != 0x80;
        return n;
}

static int check_tag(struct api_call *call, const struct ecs_tag *tag)
{
        if (str_empty(tag->key))
                return api_fail(call, "InvalidParameterValue", "Tag keys must not be empty.");
        if (strncasecmp(tag->key, "aws:", 4) == 0)
                return api_fail(call, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use");
        if (characters(tag->key) > MAX_KEY)
                return api_fail(call, "InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", MAX_KEY);
        if (tag->value != NULL && characters(tag->value) > MAX_VALUE)
                return api_fail(call, "InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", MAX_VALUE);
        return 0;
}

static int check_tags(struct api_call *call, const struct ecs_tag_list *tags)
{
        int r = 0;

        if (tags->n > MAX_TAGS)
                return api_fail(call, "TagLimitExceeded", "The maximum number of Tags for a resource is %d.", MAX_TAGS);
        for (uint32_t i = 0; i < tags->n && r == 0; i++)
                r = check_tag(call, &tags->items[i]);
        return r;
}

int ec2_tags_of(struct api_call *call, const struct ec2_tag_specification_list *specifications, const char *type, struct ecs_tag_list *ret)
{
        for (uint32_t i = 0; i < specifications->n; i++) {
                const struct ec2_tag_specification *specification = &specifications->items[i];
                int r;

                if (!str_eq(specification->resource_type, type))
                        return api_fail(call, "InvalidParameterValue",
                                        "'%.50s' is not a valid taggable resource type for this operation. Use %s.",
                                        specification->resource_type != NULL ? specification->resource_type : "", type);
                r = check_tags(call, &specification->tag);
                if (r != 0)
                        return r;
                ecs_merge_tags(ret, &specification->tag, call->arena);
        }
        return check_tags(call, ret);
}

/* ---- CreateTags, DeleteTags ---- */

/* What a tag list belongs to: an object, or a rule inside of a security group. */
struct tagged {
        struct object *object;
        size_t offset; /* of the tags in its state */
        uint32_t rule; /* of a group, when `is_rule` */
        bool is_rule;
};

static int find_tagged(struct api_call *call, const char *id, struct tagged *ret)
{
        const struct ec2_kind *kind = ec2_kind_of_id(id);
        struct security_group *group;
        int r;

        *ret = (struct tagged){0};
        if (str_starts_with(id, "sgr-")) {
                r = ec2_find_rule(call, id, &group, &ret->rule);
                ret->is_rule = true;
                ret->object = r == 0 ? &group->object : NULL;
                return r;
        }
        if (kind == NULL)
                return api_fail(call, "InvalidID", "The ID '%.100s' is not valid", id);
        ret->offset = kind->tags;
        return ec2_find(call, kind->kind, id, &ret->object);
}

static struct ecs_tag_list *tags_in(const struct tagged *tagged, void *state)
{
        if (tagged->is_rule)
                return &((struct state_security_group *)state)->rules.items[tagged->rule].tags;
        return (struct ecs_tag_list *)(void *)((char *)state + tagged->offset);
}

static int add_tags(struct api_call *call, struct arena *arena, struct ecs_tag_list *list, const struct ecs_tag_list *tags)
{
        ecs_merge_tags(list, tags, arena);
        if (list->n > MAX_TAGS)
                return api_fail(call, "TagLimitExceeded", "The maximum number of Tags for a resource is %d.", MAX_TAGS);
        return 0;
}

/* A key alone drops the tag whatever its value; with a value only when it has that one. No keys: all tags. */
static bool is_meant(const struct ecs_tag_list *tags, const struct ecs_tag *tag)
{
        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, tag->key) && (tags->items[i].value == NULL || str_eq(tags->items[i].value, tag->value)))
                        return true;
        return tags->n == 0;
}

static int drop_tags(struct api_call *call, struct arena *arena, struct ecs_tag_list *list, const struct ecs_tag_list *tags)
{
        struct ecs_tag_list kept = {0};

        for (uint32_t i = 0; i < list->n; i++)
                if (!is_meant(tags, &list->items[i]))
                        *SHAPE_PUSH(arena, &kept) = list->items[i];
        *list = kept;
        return 0;
}

typedef int (*change_fn)(struct api_call *call, struct arena *arena, struct ecs_tag_list *list, const struct ecs_tag_list *tags);

static int change_tags(struct api_call *call, const struct ec2_tags_request *in, change_fn change, void *output)
{
        struct tx *tx;
        int r = 0;

        if (in->resource_id.n > MAX_RESOURCES)
                return api_fail(call, "InvalidParameterValue", "At most %d resources can be tagged in one call.", MAX_RESOURCES);
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->resource_id.n && r == 0; i++) {
                struct tagged tagged;
                void *state;

                r = find_tagged(call, in->resource_id.items[i], &tagged);
                if (r != 0)
                        break;
                state = tx_edit(tx, tagged.object);
                r = change(call, tx_arena(tx), tags_in(&tagged, state), &in->tag);
                if (r == 0)
                        tx_put(tx, tagged.object, state);
        }
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        (void)tx_commit(tx);
        return ec2_done(output);
}

static int create_tags(struct api_call *call, const void *input, void *output)
{
        const struct ec2_tags_request *in = input;
        int r;

        if (in->tag.n == 0)
                return api_fail(call, "MissingParameter", "The request must contain the parameter Tag");
        r = check_tags(call, &in->tag);
        return r == 0 ? change_tags(call, in, add_tags, output) : r;
}

static int delete_tags(struct api_call *call, const void *input, void *output)
{
        return change_tags(call, input, drop_tags, output);
}

/* ---- DescribeTags ---- */

static const struct ec2_filter_name tag_filters[] = {
        {"key", "key"}, {"value", "value"}, {"resource-id", "resourceId"}, {"resource-type", "resourceType"}, {NULL, NULL}};

struct listing {
        struct api_call *call;
        struct ec2_filters *filters;
        struct api_page page;
        struct ec2_describe_tags_result *out;
};

/* false: the page is full. */
static bool list_tags(struct listing *l, const char *id, const char *type, const struct ecs_tag_list *tags)
{
        for (uint32_t i = 0; i < tags->n; i++) {
                struct ec2_tag_description view = {
                        .resource_id = id, .resource_type = type, .key = tags->items[i].key, .value = tags->items[i].value};
                struct ecs_tag_list one = {.items = &tags->items[i], .n = 1};
                const char *place = arena_printf(l->call->arena, "%s/%s", id, view.key);

                if ((l->page.after != NULL && strcmp(place, l->page.after) <= 0) ||
                    !ec2_filters_match(l->filters, &ec2_tag_description_shape, &view, &one))
                        continue;
                if (!api_page_add(&l->page, place)) {
                        l->out->next_token = api_page_token(l->call, &l->page);
                        return false;
                }
                *SHAPE_PUSH(l->call->arena, &l->out->tag_set) = view;
        }
        return true;
}

static const void *state_of(const struct object *object)
{
        return ((const struct vpc_member *)(const void *)object)->state;
}

/* Tags in the order of keys, so that pages follow each other. */
static struct ecs_tag_list sorted(struct api_call *call, const struct ecs_tag_list *tags)
{
        struct ecs_tag_list copy = {0};

        for (uint32_t i = 0; i < tags->n; i++) {
                (void)SHAPE_PUSH(call->arena, &copy);
                for (uint32_t k = copy.n - 1;; k--) {
                        if (k == 0 || strcmp(copy.items[k - 1].key, tags->items[i].key) < 0) {
                                copy.items[k] = tags->items[i];
                                break;
                        }
                        copy.items[k] = copy.items[k - 1];
                }
        }
        return copy;
}

static bool list_kind(struct listing *l, const struct ec2_kind *kind)
{
        tree_for_each (node, model_objects(l->call->model, kind->kind)) {
                struct object *object = CONTAINER_OF(node, struct object, node);
                const char *tags = (const char *)state_of(object) + kind->tags;
                struct ecs_tag_list list = sorted(l->call, (const struct ecs_tag_list *)(const void *)tags);

                if (!list_tags(l, object->key, kind->type, &list))
                        return false;
        }
        return true;
}

struct rule_tags {
        const char *id;
        const struct ecs_tag_list *tags;
};

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct rule_tags *)a)->id, ((const struct rule_tags *)b)->id);
}

static bool list_rules(struct listing *l)
{
        struct rule_tags *rules = NULL;
        size_t n = 0, room = 0;

        tree_for_each (node, model_objects(l->call->model, OBJECT_SECURITY_GROUP))
                room += MODEL_OBJECT(node, security_group)->state->rules.n;
        rules = arena_calloc(l->call->arena, room, sizeof(*rules));
        tree_for_each (node, model_objects(l->call->model, OBJECT_SECURITY_GROUP)) {
                const struct state_security_group *group = MODEL_OBJECT(node, security_group)->state;

                for (uint32_t i = 0; i < group->rules.n; i++)
                        if (group->rules.items[i].tags.n > 0)
                                rules[n++] = (struct rule_tags){group->rules.items[i].id, &group->rules.items[i].tags};
        }
        if (n > 0)
                qsort(rules, n, sizeof(*rules), by_id);
        for (size_t i = 0; i < n; i++) {
                struct ecs_tag_list list = sorted(l->call, rules[i].tags);

                if (!list_tags(l, rules[i].id, RULE_TYPE, &list))
                        return false;
        }
        return true;
}

/* Kinds in the order of their prefixes: then places ascend over all of them. */
static int describe_tags(struct api_call *call, const void *input, void *output)
{
        static const char *const prefixes[] = {"acl-", "eipalloc-", "eni-", "igw-",    "lt-",  "nat-",
                                               "rtb-", "sg-",       "sgr-", "subnet-", "vpc-", "vpce-"};
        const struct ec2_describe_tags_request *in = input;
        struct ec2_query query = {.filters = &in->filter,
                                  .next_token = in->next_token,
                                  .has_max = SHAPE_HAS(in, ec2_describe_tags_request, max_results),
                                  .max = in->max_results};
        struct listing listing = {.call = call, .out = output};
        int r = ec2_filters_read(call, &in->filter, tag_filters, &listing.filters);

        if (r == 0)
                r = ec2_page_begin(call, &query, &listing.page);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(prefixes); i++)
                if (!(str_eq(prefixes[i], "sgr-") ? list_rules(&listing) : list_kind(&listing, ec2_kind_of_id(prefixes[i]))))
                        break;
        return r;
}

const struct api_route ec2_tag_routes[] = {
        {EC2_OP_CREATE_TAGS, create_tags},
        {EC2_OP_DELETE_TAGS, delete_tags},
        {EC2_OP_DESCRIBE_TAGS, describe_tags},
        {0, NULL},
};
