/* SPDX-License-Identifier: Apache-2.0 */
/* Values at a path: see shape_path.h. */
#include "codec/shape_path.h"

#include <assert.h>
#include <stdio.h>

#include "base/strutil.h"
#include "codec/shape_internal.h"

struct walk {
        shape_text_fn each;
        void *data;
};

static bool in_struct(const struct walk *walk, const struct shape *shape, const void *obj, const char *path);

static bool give_number(const struct walk *walk, int64_t value)
{
        char text[24];

        (void)snprintf(text, sizeof(text), "%lld", (long long)value);
        return walk->each(walk->data, text);
}

static bool give_time(const struct walk *walk, int64_t ms)
{
        char text[32];

        str_iso8601(ms, true, text);
        return walk->each(walk->data, text);
}

static bool give(const struct walk *walk, enum shape_kind kind, const struct shape_enum *words, const void *slot, bool in_list)
{
        const char *text;

        switch (kind) {
        case SHAPE_STRING:
        case SHAPE_JSON:
                text = *(const char *const *)slot;
                return text != NULL && walk->each(walk->data, text);
        case SHAPE_ENUM:
                text = shape_enum_name(words, in_list ? (int)*(const int64_t *)slot : *(const int *)slot);
                return text != NULL && walk->each(walk->data, text);
        case SHAPE_BOOL:
                return walk->each(walk->data, *(const bool *)slot ? "true" : "false");
        case SHAPE_INT:
                return give_number(walk, in_list ? *(const int64_t *)slot : *(const int32_t *)slot);
        case SHAPE_LONG:
                return give_number(walk, *(const int64_t *)slot);
        case SHAPE_TIMESTAMP:
                return give_time(walk, *(const int64_t *)slot);
        default:
                return false;
        }
}

static bool in_list(const struct walk *walk, const struct shape_field *field, const struct shape_list *list, const char *rest)
{
        size_t size = shape_item_size(field);

        for (uint32_t i = 0; i < list->n; i++) {
                const void *item = (const char *)list->items + i * size;

                if (field->element == SHAPE_STRUCT ? in_struct(walk, field->shape, item, rest)
                                                   : give(walk, (enum shape_kind)field->element, field->enumeration, item, true))
                        return true;
        }
        return false;
}

static bool in_struct(const struct walk *walk, const struct shape *shape, const void *obj, const char *path)
{
        size_t len = strcspn(path, ".");
        const struct shape_field *field = shape_find(shape, path, len);
        const char *rest = path + len + (path[len] == '.');
        const void *slot;

        assert(field != NULL);
        slot = shape_at(obj, field);
        if (!shape_present(obj, field) && !(field->kind == SHAPE_BOOL && (field->flags & SHAPE_ALWAYS) != 0))
                return false;
        if (field->kind == SHAPE_STRUCT)
                return in_struct(walk, field->shape, *(void *const *)slot, rest);
        if (field->kind == SHAPE_LIST)
                return in_list(walk, field, slot, rest);
        return give(walk, (enum shape_kind)field->kind, field->enumeration, slot, false);
}

bool shape_any_text(const struct shape *shape, const void *obj, const char *path, shape_text_fn each, void *data)
{
        const struct walk walk = {each, data};

        return in_struct(&walk, shape, obj, path);
}

bool shape_has_path(const struct shape *shape, const char *path)
{
        size_t len = strcspn(path, ".");
        const struct shape_field *field = shape_find(shape, path, len);
        bool inner = field != NULL && field->shape != NULL;

        if (field == NULL || inner != (path[len] == '.'))
                return false;
        return !inner || shape_has_path(field->shape, path + len + 1);
}
