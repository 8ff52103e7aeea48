/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: required members, ranges, lengths; and defaults. */
#include "codec/shape_internal.h"

#define HAS_BOUNDS (SHAPE_HAS_MIN | SHAPE_HAS_MAX)

static int fail_bounds(const struct shape_field *field, const char *what, int64_t value, const struct shape_path *path, struct error *error)
{
        const char *space = what[0] != '\0' ? " " : "";

        if ((field->flags & HAS_BOUNDS) == HAS_BOUNDS)
                return shape_fail(path, error, SHAPE_BAD_VALUE, "%s%s%lld is not in %lld..%lld", what, space, (long long)value,
                                  (long long)field->min, (long long)field->max);
        if ((field->flags & SHAPE_HAS_MIN) != 0)
                return shape_fail(path, error, SHAPE_BAD_VALUE, "%s%s%lld is less than %lld", what, space, (long long)value,
                                  (long long)field->min);
        return shape_fail(path, error, SHAPE_BAD_VALUE, "%s%s%lld is more than %lld", what, space, (long long)value, (long long)field->max);
}

static bool in_bounds(const struct shape_field *field, int64_t value)
{
        return !((field->flags & SHAPE_HAS_MIN) != 0 && value < field->min) && !((field->flags & SHAPE_HAS_MAX) != 0 && value > field->max);
}

static int check_double(const struct shape_field *field, double value, const struct shape_path *path, struct error *error)
{
        /* Written so that NaN fails. */
        if (((field->flags & SHAPE_HAS_MIN) == 0 || value >= (double)field->min) &&
            ((field->flags & SHAPE_HAS_MAX) == 0 || value <= (double)field->max))
                return 0;
        return shape_fail(path, error, SHAPE_BAD_VALUE, "%g is not in the range from %lld%s%.0lld", value,
                          (long long)((field->flags & SHAPE_HAS_MIN) != 0 ? field->min : INT64_MIN),
                          (field->flags & SHAPE_HAS_MAX) != 0 ? " to " : "",
                          (long long)((field->flags & SHAPE_HAS_MAX) != 0 ? field->max : 0));
}

/* The value, or the length, of a member with bounds. */
static int check_bounds(const struct shape_field *field, const void *slot, const struct shape_path *path, struct error *error)
{
        const char *what = "length";
        int64_t value;

        switch ((enum shape_kind)field->kind) {
        case SHAPE_DOUBLE:
                return check_double(field, *(const double *)slot, path, error);
        case SHAPE_INT:
                what = "";
                value = *(const int32_t *)slot;
                break;
        case SHAPE_LONG:
                what = "";
                value = *(const int64_t *)slot;
                break;
        case SHAPE_STRING:
                value = (int64_t)utf8_count(*(const char *const *)slot);
                break;
        case SHAPE_JSON:
                value = (int64_t)strlen(*(const char *const *)slot);
                break;
        case SHAPE_BLOB:
                value = (int64_t)((const struct shape_blob *)slot)->len;
                break;
        case SHAPE_LIST:
        case SHAPE_MAP:
                what = "number of members";
                value = ((const struct shape_list *)slot)->n;
                break;
        default:
                return 0;
        }
        return in_bounds(field, value) ? 0 : fail_bounds(field, what, value, path, error);
}

static int check_struct(const struct shape *shape, const void *obj, const struct shape_path *up, struct error *error);

static int check_list(const struct shape_field *field, const struct shape_list *list, struct shape_path *path, struct error *error)
{
        int r;

        for (uint32_t i = 0; i < list->n; i++) {
                path->index = i;
                r = check_struct(field->shape, (const char *)list->items + (size_t)i * field->shape->size, path, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_field(const struct shape_field *field, const void *slot, const struct shape_path *up, struct error *error)
{
        struct shape_path path = {.up = up, .name = field->wire, .name_len = field->wire_len, .index = -1};
        int r = 0;

        if ((field->flags & HAS_BOUNDS) != 0)
                r = check_bounds(field, slot, &path, error);
        if (r == 0 && field->kind == SHAPE_STRUCT)
                r = check_struct(field->shape, *(void *const *)slot, &path, error);
        if (r == 0 && field->kind == SHAPE_LIST && field->element == SHAPE_STRUCT)
                r = check_list(field, slot, &path, error);
        return r;
}

static int check_struct(const struct shape *shape, const void *obj, const struct shape_path *up, struct error *error)
{
        int r;

        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];

                /* Most members can hold nothing wrong. */
                if ((field->flags & (HAS_BOUNDS | SHAPE_REQUIRED)) == 0 && field->shape == NULL)
                        continue;
                if (shape_present(obj, field)) {
                        r = check_field(field, shape_at(obj, field), up, error);
                } else if ((field->flags & SHAPE_REQUIRED) != 0) {
                        struct shape_path path = {.up = up, .name = field->wire, .name_len = field->wire_len, .index = -1};

                        r = shape_fail(&path, error, SHAPE_BAD_VALUE, "is required");
                } else {
                        continue;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

int shape_validate(const struct shape *shape, const void *obj, struct error *error)
{
        return check_struct(shape, obj, NULL, error);
}

static void set_default(const struct shape_field *field, void *obj)
{
        void *slot = shape_slot(obj, field);

        switch ((enum shape_kind)field->kind) {
        case SHAPE_INT:
                *(int32_t *)slot = (int32_t)field->default_value;
                break;
        case SHAPE_LONG:
                *(int64_t *)slot = field->default_value;
                break;
        case SHAPE_DOUBLE:
                *(double *)slot = (double)field->default_value;
                break;
        case SHAPE_BOOL:
                *(bool *)slot = field->default_value != 0;
                break;
        case SHAPE_ENUM:
                *(int *)slot = (int)field->default_value;
                return;
        default: /* the generator refuses defaults of other kinds */
                return;
        }
        shape_set_bit(obj, field);
}

void shape_apply_defaults(const struct shape *shape, void *obj, struct arena *arena)
{
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];

                if (!shape_present(obj, field)) {
                        if ((field->flags & SHAPE_HAS_DEFAULT) != 0)
                                set_default(field, obj);
                } else if (field->kind == SHAPE_STRUCT) {
                        shape_apply_defaults(field->shape, *(void **)shape_slot(obj, field), arena);
                } else if (field->kind == SHAPE_LIST && field->element == SHAPE_STRUCT) {
                        struct shape_list *list = shape_slot(obj, field);

                        for (uint32_t j = 0; j < list->n; j++)
                                shape_apply_defaults(field->shape, (char *)list->items + (size_t)j * field->shape->size, arena);
                }
        }
}
