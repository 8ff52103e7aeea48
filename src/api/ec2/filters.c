/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of Describe operations: a name stands for a place in the answer, any of the values may be there, and wildcards may. */
#include <string.h>

#include "api/ec2/common.h"
#include "base/strutil.h"
#include "codec/shape_path.h"

#define MAX_VALUES 200

enum filter_kind { FILTER_PATH = 0, FILTER_TAG, FILTER_TAG_KEY, FILTER_TAG_VALUE };

struct filter {
        enum filter_kind kind;
        const char *path; /* of FILTER_PATH; of FILTER_TAG the key */
        const struct string_list *patterns;
};

struct ec2_filters {
        struct filter *items;
        uint32_t n;
};

bool ec2_wildcard_match(const char *pattern, const char *text)
{
        const char *star = NULL, *resume = NULL;

        for (;;) {
                bool literal = pattern[0] == '\\' && pattern[1] != '\0';
                char wanted = literal ? pattern[1] : pattern[0];

                if (!literal && wanted == '*') {
                        star = ++pattern;
                        resume = text;
                        continue;
                }
                if (*text == '\0' && wanted == '\0')
                        return true;
                if (*text != '\0' && ((!literal && wanted == '?') || (wanted != '\0' && wanted == *text))) {
                        pattern += literal ? 2 : 1;
                        text++;
                        continue;
                }
                if (star == NULL || *resume == '\0')
                        return false;
                pattern = star;
                text = ++resume;
        }
}

static bool matches_any(void *data, const char *text)
{
        const struct string_list *patterns = data;

        for (uint32_t i = 0; i < patterns->n; i++)
                if (ec2_wildcard_match(patterns->items[i], text))
                        return true;
        return false;
}

static int read_filter(struct api_call *call, const struct ec2_filter *in, const struct ec2_filter_name *table, struct filter *out)
{
        const char *name = in->name != NULL ? in->name : "null";

        if (in->value.n == 0)
                return api_fail(call, "InvalidParameterValue", "The filter '%.100s' has no values: give at least one.", name);
        if (in->value.n > MAX_VALUES)
                return api_fail(call, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d",
                                MAX_VALUES);
        out->patterns = &in->value;
        for (; table->name != NULL; table++) {
                out->path = table->path;
                if (str_eq(table->name, name))
                        return 0;
        }
        if (str_starts_with(name, "tag:")) {
                out->kind = FILTER_TAG;
                out->path = name + strlen("tag:");
                return 0;
        }
        out->kind = str_eq(name, "tag-key") ? FILTER_TAG_KEY : FILTER_TAG_VALUE;
        if (out->kind == FILTER_TAG_KEY || str_eq(name, "tag-value"))
                return 0;
        return api_fail(call, "InvalidParameterValue", "The filter '%.100s' is invalid", name);
}

int ec2_filters_read(struct api_call *call, const struct ec2_filter_list *in, const struct ec2_filter_name *table, struct ec2_filters **ret)
{
        struct ec2_filters *filters = ARENA_NEW(call->arena, struct ec2_filters);
        int r = 0;

        filters->items = arena_calloc(call->arena, in->n, sizeof(*filters->items));
        filters->n = in->n;
        for (uint32_t i = 0; i < in->n && r == 0; i++)
                r = read_filter(call, &in->items[i], table, &filters->items[i]);
        if (r == 0)
                *ret = filters;
        return r;
}

static bool match_tags(const struct filter *filter, const struct ecs_tag_list *tags)
{
        void *patterns = (void *)(uintptr_t)filter->patterns;

        for (uint32_t i = 0; tags != NULL && i < tags->n; i++) {
                const struct ecs_tag *tag = &tags->items[i];

                if (filter->kind == FILTER_TAG && !str_eq(tag->key, filter->path))
                        continue;
                if (matches_any(patterns, filter->kind == FILTER_TAG_KEY ? tag->key : tag->value != NULL ? tag->value : ""))
                        return true;
        }
        return false;
}

bool ec2_filters_match(const struct ec2_filters *filters, const struct shape *shape, const void *view, const struct ecs_tag_list *tags)
{
        for (uint32_t i = 0; i < filters->n; i++) {
                const struct filter *filter = &filters->items[i];

                if (filter->kind == FILTER_PATH && filter->path == NULL)
                        return false;
                if (filter->kind != FILTER_PATH
                            ? !match_tags(filter, tags)
                            : !shape_any_text(shape, view, filter->path, matches_any, (void *)(uintptr_t)filter->patterns))
                        return false;
        }
        return true;
}

const char *ec2_filters_binding(struct api_call *call, const struct ec2_filter_list *in)
{
        CLEANUP_BUF struct buf text = {0};

        for (uint32_t i = 0; i < in->n; i++)
                shape_to_json(&ec2_filter_shape, &in->items[i], &text);
        return arena_strndup(call->arena, text.len > 0 ? text.data : "", text.len);
}

int ec2_filter_views(struct api_call *call, const struct ec2_filter_list *in, const struct ec2_filter_name *table,
                     const struct shape *shape, void *list)
{
        struct shape_list *views = list;
        struct ec2_filters *filters;
        uint32_t kept = 0;
        int r = ec2_filters_read(call, in, table, &filters);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < views->n; i++) {
                char *view = (char *)views->items + (size_t)i * shape->size;

                if (ec2_filters_match(filters, shape, view, NULL))
                        memmove((char *)views->items + (size_t)kept++ * shape->size, view, shape->size);
        }
        views->n = kept;
        return 0;
}
