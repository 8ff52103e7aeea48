/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: comparison member by member. */
#include "codec/shape_internal.h"

static bool equal_text(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool equal_element(const struct shape_field *field, const void *a, const void *b)
{
        if (field->element == SHAPE_STRUCT)
                return shape_equal(field->shape, a, b);
        if (field->element == SHAPE_STRING)
                return equal_text(*(const char *const *)a, *(const char *const *)b);
        return *(const int64_t *)a == *(const int64_t *)b;
}

static bool equal_list(const struct shape_field *field, const struct shape_list *a, const struct shape_list *b)
{
        size_t size = shape_item_size(field);

        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++)
                if (!equal_element(field, (const char *)a->items + i * size, (const char *)b->items + i * size))
                        return false;
        return true;
}

/* The order of a map means nothing, but nearly always it is the same. */
static bool equal_map(const struct string_map *a, const struct string_map *b)
{
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++) {
                const struct string_pair *x = &a->items[i], *y = &b->items[i];

                if (strcmp(x->key, y->key) != 0) {
                        if (!equal_text(x->value, string_map_get(b, x->key)))
                                return false;
                } else if (!equal_text(x->value, y->value)) {
                        return false;
                }
        }
        return true;
}

static bool equal_member(const struct shape_field *field, const void *a, const void *b)
{
        const struct shape_blob *x = a, *y = b;

        switch ((enum shape_kind)field->kind) {
        case SHAPE_STRING:
        case SHAPE_JSON:
                return equal_text(*(const char *const *)a, *(const char *const *)b);
        case SHAPE_BLOB:
                return x->len == y->len && memcmp(x->data, y->data, x->len) == 0;
        case SHAPE_ENUM:
                return *(const int *)a == *(const int *)b;
        case SHAPE_INT:
                return *(const int32_t *)a == *(const int32_t *)b;
        case SHAPE_TIMESTAMP:
        case SHAPE_LONG:
        case SHAPE_DOUBLE: /* by its bits: NaN equals itself */
                return *(const int64_t *)a == *(const int64_t *)b;
        case SHAPE_BOOL:
                return *(const bool *)a == *(const bool *)b;
        case SHAPE_STRUCT:
                return shape_equal(field->shape, *(void *const *)a, *(void *const *)b);
        case SHAPE_LIST:
                return equal_list(field, a, b);
        case SHAPE_MAP:
                return equal_map(a, b);
        case SHAPE_KIND_MAX:
                break;
        }
        return false;
}

static bool all_absent(const struct shape *shape, const void *obj);

/* Members that are always written look the same absent and empty. */
static bool equal_absent(const struct shape_field *field, const void *present)
{
        if ((field->flags & SHAPE_ALWAYS) == 0)
                return false;
        switch ((enum shape_kind)field->kind) {
        case SHAPE_STRING:
                return (*(const char *const *)present)[0] == '\0';
        case SHAPE_JSON:
                return strcmp(*(const char *const *)present, "{}") == 0;
        case SHAPE_BLOB:
                return ((const struct shape_blob *)present)->len == 0;
        case SHAPE_INT:
                return *(const int32_t *)present == 0;
        case SHAPE_LONG:
        case SHAPE_DOUBLE: /* by its bits: -0 is written in another way */
                return *(const int64_t *)present == 0;
        case SHAPE_BOOL:
                return !*(const bool *)present;
        case SHAPE_STRUCT:
                return all_absent(field->shape, *(void *const *)present);
        case SHAPE_LIST:
        case SHAPE_MAP:
                return ((const struct shape_list *)present)->n == 0;
        case SHAPE_ENUM:
        case SHAPE_TIMESTAMP:
        case SHAPE_KIND_MAX:
                break;
        }
        return false;
}

static bool all_absent(const struct shape *shape, const void *obj)
{
        for (uint32_t i = 0; i < shape->n_fields; i++)
                if (shape_present(obj, &shape->fields[i]))
                        return false;
        return true;
}

bool shape_equal(const struct shape *shape, const void *a, const void *b)
{
        if (a == b)
                return true;
        if (a == NULL || b == NULL)
                return false;
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];
                bool in_a = shape_present(a, field), in_b = shape_present(b, field);

                if (in_a != in_b && !equal_absent(field, shape_at(in_a ? a : b, field)))
                        return false;
                if (in_a && in_b && !equal_member(field, shape_at(a, field), shape_at(b, field)))
                        return false;
        }
        return true;
}
