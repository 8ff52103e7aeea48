/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query forms to shapes. The parameters are sorted by their names, segment by segment, so that each structure and list is one range
 * of them; that tree is written as JSON, and the JSON reader does the rest: types, ranges, limits, messages.
 */
#include "codec/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/shape_internal.h"
#include "codec/uri.h"

#define PARAMETERS_MAX 20000

struct parameter {
        const char *rest; /* of the name: what is below the structure that is being written */
        const char *value;
        size_t order;
};

struct writer {
        struct buf json;
        enum query_flavor flavor;
        struct error *error;
        uint32_t depth;
};

static int write_struct(struct writer *w, const struct shape *shape, struct parameter *list, size_t n, const struct shape_path *path);

static size_t segment(const char *name)
{
        return strcspn(name, ".");
}

static bool is_index(const char *s, size_t len)
{
        return len > 0 && strspn(s, "0123456789") >= len;
}

/* Numbers first, by value; then all else, by bytes. */
static int compare_segments(const char *a, size_t a_len, const char *b, size_t b_len)
{
        bool a_index = is_index(a, a_len), b_index = is_index(b, b_len);
        size_t common;
        int order;

        if (a_index != b_index)
                return a_index ? -1 : 1;
        if (a_index) {
                for (; a_len > 1 && *a == '0'; a_len--)
                        a++;
                for (; b_len > 1 && *b == '0'; b_len--)
                        b++;
                if (a_len != b_len)
                        return a_len < b_len ? -1 : 1;
        }
        common = MIN(a_len, b_len);
        order = memcmp(a, b, common);
        return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_parameters(const void *a, const void *b)
{
        const struct parameter *x = a, *y = b;
        const char *p = x->rest, *q = y->rest;

        while (*p != '\0' && *q != '\0') {
                size_t p_len = segment(p), q_len = segment(q);
                int order = compare_segments(p, p_len, q, q_len);

                if (order != 0)
                        return order;
                p += p_len + (p[p_len] == '.');
                q += q_len + (q[q_len] == '.');
        }
        if (*p != *q)
                return *p == '\0' ? -1 : 1;
        return x->order < y->order ? -1 : 1;
}

/* How many parameters from list[0] on have the same first segment. */
static size_t same_segment(const struct parameter *list, size_t n)
{
        size_t len = segment(list[0].rest), same = 1;

        while (same < n && compare_segments(list[same].rest, segment(list[same].rest), list[0].rest, len) == 0)
                same++;
        return same;
}

static void descend(struct parameter *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                size_t len = segment(list[i].rest);

                list[i].rest += len + (list[i].rest[len] == '.');
        }
}

/* The member called so; EC2 writes names with a capital that its answers have without. */
static const struct shape_field *find_member(const struct writer *w, const struct shape *shape, const char *name, size_t len)
{
        const struct shape_field *field = shape_find(shape, name, len);

        for (uint32_t i = 0; field == NULL && w->flavor == QUERY_EC2 && i < shape->n_fields; i++) {
                const struct shape_field *other = &shape->fields[i];

                if (other->wire_len == len && len > 0 && strncasecmp(other->wire, name, 1) == 0 &&
                    memcmp(other->wire + 1, name + 1, len - 1) == 0)
                        field = other;
        }
        return field;
}

static bool is_json_number(const char *s)
{
        struct json json;
        struct json_number number;

        json_init(&json, s, strlen(s));
        return json_read_number(&json, &number) == 0 && json.p == json.end;
}

/* Writes a text as JSON of the kind that is wanted, where it can be read so; otherwise as a string, which the reader will refuse. */
static int write_scalar(struct writer *w, enum shape_kind kind, const char *text, const struct shape_path *path)
{
        size_t len = strlen(text);
        bool raw = false;

        for (const char *p = text, *end = text + len; p < end;) {
                size_t n = utf8_sequence(p, end);

                if (n == 0)
                        return shape_fail(path, w->error, SHAPE_BAD_FORM, "not valid UTF-8");
                p += n;
        }
        if (kind == SHAPE_BOOL && (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)) {
                buf_append_str(&w->json, strcasecmp(text, "true") == 0 ? "true" : "false");
                return 0;
        }
        if (kind == SHAPE_INT || kind == SHAPE_LONG || kind == SHAPE_DOUBLE || kind == SHAPE_TIMESTAMP)
                raw = is_json_number(text);
        else if (kind == SHAPE_JSON)
                raw = json_valid(text, len);
        if (raw)
                buf_append(&w->json, text, len);
        else
                json_append_string(&w->json, text, len);
        return 0;
}

/* The value of the member itself: of repeated ones the last. NULL when there are only members below it. */
static const char *own_value(const struct parameter *list, size_t n)
{
        const char *value = NULL;

        for (size_t i = 0; i < n && list[i].rest[0] == '\0'; i++)
                value = list[i].value;
        return value;
}

/* Without the values that stand directly at a structure or list ("Tags=" is how SDKs send an empty one). */
static void skip_own(struct parameter **list, size_t *n)
{
        while (*n > 0 && (*list)[0].rest[0] == '\0') {
                (*list)++;
                (*n)--;
        }
}

static int write_plain(struct writer *w, enum shape_kind kind, const struct parameter *list, size_t n, const struct shape_path *path)
{
        const char *value = own_value(list, n);

        if (value == NULL)
                return shape_fail(path, w->error, SHAPE_BAD_FORM, "a single value was expected, not members");
        return write_scalar(w, kind, value, path);
}

/* Is the next segment the word that stands between a list's name and its numbers? */
static bool has_word(const struct parameter *list, size_t n, const char *word)
{
        return n > 0 && segment(list[0].rest) == strlen(word) && strncmp(list[0].rest, word, strlen(word)) == 0;
}

static int write_list(struct writer *w, const struct shape_field *field, struct parameter *list, size_t n, struct shape_path *path)
{
        int r = 0;

        skip_own(&list, &n);
        if (has_word(list, n, "member")) {
                n = same_segment(list, n);
                descend(list, n);
        }
        buf_append_char(&w->json, '[');
        for (size_t i = 0, same; i < n && r == 0; i += same) {
                same = same_segment(list + i, n - i);
                if (!is_index(list[i].rest, segment(list[i].rest)))
                        return shape_fail(path, w->error, SHAPE_BAD_FORM, "a number was expected after the name of the list, not \"%.50s\"",
                                          list[i].rest);
                path->index++;
                if (path->index > 0)
                        buf_append_char(&w->json, ',');
                descend(list + i, same);
                if (field->element == SHAPE_STRUCT)
                        r = write_struct(w, field->shape, list + i, same, path);
                else
                        r = write_plain(w, (enum shape_kind)field->element, list + i, same, path);
        }
        buf_append_char(&w->json, ']');
        return r;
}

/* "Name.entry.1.key=k&Name.entry.1.value=v" */
static int write_map(struct writer *w, struct parameter *list, size_t n, struct shape_path *path)
{
        bool first = true;

        skip_own(&list, &n);
        if (has_word(list, n, "entry")) {
                n = same_segment(list, n);
                descend(list, n);
        }
        buf_append_char(&w->json, '{');
        for (size_t i = 0, same; i < n; i += same) {
                const char *key = NULL, *value = NULL;

                same = same_segment(list + i, n - i);
                descend(list + i, same);
                for (size_t k = i; k < i + same; k++) {
                        if (strcasecmp(list[k].rest, "key") == 0)
                                key = list[k].value;
                        else if (strcasecmp(list[k].rest, "value") == 0)
                                value = list[k].value;
                }
                if (key == NULL || value == NULL)
                        return shape_fail(path, w->error, SHAPE_BAD_FORM, "an entry needs a key and a value");
                if (!first)
                        buf_append_char(&w->json, ',');
                first = false;
                if (write_scalar(w, SHAPE_STRING, key, path) < 0)
                        return -EINVAL;
                buf_append_char(&w->json, ':');
                if (write_scalar(w, SHAPE_STRING, value, path) < 0)
                        return -EINVAL;
        }
        buf_append_char(&w->json, '}');
        return 0;
}

static int write_member(struct writer *w, const struct shape_field *field, struct parameter *list, size_t n, const struct shape_path *up)
{
        struct shape_path path = {.up = up, .name = field->wire, .name_len = field->wire_len, .index = -1};

        switch ((enum shape_kind)field->kind) {
        case SHAPE_STRUCT:
                skip_own(&list, &n);
                return write_struct(w, field->shape, list, n, &path);
        case SHAPE_LIST:
                return write_list(w, field, list, n, &path);
        case SHAPE_MAP:
                return write_map(w, list, n, &path);
        default:
                return write_plain(w, (enum shape_kind)field->kind, list, n, &path);
        }
}

static int write_struct(struct writer *w, const struct shape *shape, struct parameter *list, size_t n, const struct shape_path *path)
{
        bool first = true;
        int r = 0;

        if (w->depth-- == 0)
                return shape_fail(path, w->error, SHAPE_BAD_FORM, "nested too deeply");
        buf_append_char(&w->json, '{');
        for (size_t i = 0, same; i < n && r == 0; i += same) {
                const struct shape_field *field;

                same = same_segment(list + i, n - i);
                field = find_member(w, shape, list[i].rest, segment(list[i].rest));
                if (field == NULL)
                        continue;
                if (!first)
                        buf_append_char(&w->json, ',');
                first = false;
                json_append_string(&w->json, field->wire, field->wire_len);
                buf_append_char(&w->json, ':');
                descend(list + i, same);
                r = write_member(w, field, list + i, same, path);
        }
        buf_append_char(&w->json, '}');
        w->depth++;
        return r;
}

const char *query_missing_parameter(const struct shape *shape, const void *obj)
{
        for (uint32_t i = 0; i < shape->n_fields; i++)
                if ((shape->fields[i].flags & SHAPE_REQUIRED) != 0 && !shape_present(obj, &shape->fields[i]))
                        return shape->fields[i].wire;
        return NULL;
}

int query_read(const struct shape *shape, enum query_flavor flavor, struct arena *arena, const char *form, size_t len,
               const struct shape_limits *limits, void **ret, struct error *error)
{
        struct writer w = {.flavor = flavor, .error = error, .depth = SHAPE_DEPTH_DEFAULT};
        struct parameter *list;
        struct uri_pair *pairs;
        size_t n;
        int r;

        r = uri_query_parse(arena, form, len, true, PARAMETERS_MAX, &pairs, &n);
        if (r == -E2BIG)
                return error_api(error, SHAPE_BAD_FORM, "The request has more than %d parameters: send less at once.", PARAMETERS_MAX);
        if (r < 0)
                return error_api(error, SHAPE_BAD_FORM, "NUL (%%00) is not allowed in parameters.");
        list = arena_calloc(arena, n, sizeof(*list));
        for (size_t i = 0; i < n; i++)
                list[i] = (struct parameter){.rest = pairs[i].name, .value = pairs[i].value, .order = i};
        qsort(list, n, sizeof(*list), compare_parameters);
        r = write_struct(&w, shape, list, n, NULL);
        if (r == 0)
                r = shape_from_json(shape, arena, w.json.data, w.json.len, limits, ret, error);
        buf_done(&w.json);
        return r;
}
