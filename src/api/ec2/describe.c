/* SPDX-License-Identifier: Apache-2.0 */
/* Describe operations: the objects that ids or filters choose, a page at a time, shown by their kind. */
#include <string.h>

#include "api/ec2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define MIN_PAGE 5
#define MAX_PAGE 1000

int ec2_page_begin(struct api_call *call, const struct ec2_query *query, struct api_page *ret)
{
        if (query->has_max && query->ids != NULL && query->ids->n > 0)
                return api_fail(call, "InvalidParameterCombination", "The parameter maxResults cannot be used when ids are given.");
        if (query->has_max && (query->max < MIN_PAGE || query->max > MAX_PAGE))
                return api_fail(call, "InvalidParameterValue",
                                "Value ( %d ) for parameter maxResults is invalid. Expecting a value from %d to %d.", query->max, MIN_PAGE,
                                MAX_PAGE);
        return api_page_begin(call, query->next_token, query->has_max, query->max, MAX_PAGE, MAX_PAGE,
                              ec2_filters_binding(call, query->filters), ret);
}

static const struct ecs_tag_list *tags_of(const struct ec2_kind *kind, const struct object *object)
{
        /* The state pointer follows the common part in every kind. */
        const void *state = ((const struct vpc_member *)(const void *)object)->state;

        return (const struct ecs_tag_list *)(const void *)((const char *)state + kind->tags);
}

/* What is not shown is looked at in an arena of its own, so that a request for one of many objects stays small. */
static bool chosen(struct api_call *call, const struct ec2_kind *kind, const struct ec2_filters *filters, const struct ec2_query *query,
                   struct arena *scratch, struct object *object)
{
        void *view;

        if (query->filters->n == 0)
                return true;
        arena_reset(scratch);
        view = arena_alloc(scratch, kind->shape->size);
        kind->show(call, scratch, object, view);
        return ec2_filters_match(filters, kind->shape, view, tags_of(kind, object));
}

static void add(struct api_call *call, const struct ec2_kind *kind, struct object *object, void *list)
{
        kind->show(call, call->arena, object, shape_list_push_(call->arena, list, kind->shape->size));
}

static int describe_ids(struct api_call *call, const struct ec2_kind *kind, const struct ec2_filters *filters,
                        const struct ec2_query *query, struct arena *scratch, void *list)
{
        for (uint32_t i = 0; i < query->ids->n; i++) {
                struct string_list before = {.items = query->ids->items, .n = i};
                struct object *object;
                int r;

                if (ec2_list_has(&before, query->ids->items[i]))
                        continue;
                r = ec2_find(call, kind->kind, query->ids->items[i], &object);
                if (r != 0)
                        return r;
                if (chosen(call, kind, filters, query, scratch, object))
                        add(call, kind, object, list);
        }
        return 0;
}

int ec2_describe_all(struct api_call *call, const struct ec2_kind *kind, const struct ec2_query *query, void *list)
{
        CLEANUP_ARENA struct arena scratch = {0};
        struct ec2_filters *filters;
        int r = ec2_filters_read(call, query->filters, kind->filters, &filters);

        if (r != 0)
                return r;
        if (query->ids->n > 0)
                return describe_ids(call, kind, filters, query, &scratch, list);
        tree_for_each (node, model_objects(call->model, kind->kind)) {
                struct object *object = CONTAINER_OF(node, struct object, node);

                if (chosen(call, kind, filters, query, &scratch, object))
                        add(call, kind, object, list);
        }
        return 0;
}

int ec2_describe(struct api_call *call, const struct ec2_kind *kind, const struct ec2_query *query, void *list, const char **ret_next_token)
{
        CLEANUP_ARENA struct arena scratch = {0};
        struct ec2_filters *filters;
        struct tree_node *node;
        struct api_page page;
        int r = ec2_filters_read(call, query->filters, kind->filters, &filters);

        if (r == 0)
                r = ec2_page_begin(call, query, &page);
        if (r != 0)
                return r;
        if (query->ids->n > 0)
                return describe_ids(call, kind, filters, query, &scratch, list);
        node = tree_after(model_objects(call->model, kind->kind), page.after);
        for (; node != NULL; node = tree_next(node)) {
                struct object *object = CONTAINER_OF(node, struct object, node);

                if (!chosen(call, kind, filters, query, &scratch, object))
                        continue;
                if (!api_page_add(&page, object->key)) {
                        *ret_next_token = api_page_token(call, &page);
                        break;
                }
                add(call, kind, object, list);
        }
        return 0;
}
